//! The loops of a body: over ranges and arrays of constants, and over lists of layers. How often a loop runs is for
//! rustc to find.

use std::collections::HashSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprForLoop, Pat, RangeLimits};

use super::expressions::unparenthesized;
use super::scope::{Binding, Scope};
use crate::ast::{Node, Place};
use crate::body::{Access, Block, Range, Source, Statement, Step, Tensor, Value};
use crate::mistakes::spaced;
use crate::naming::KILN;

/// What a loop with a hidden counter takes its elements from.
enum Elements<'e> {
    /// `linears.iter()`, `linears` or `&linears`
    List { layer: Access, expression: &'e Expr },
    /// `[1, 2, 4].iter()`, or that of a constant
    Array(TokenStream),
    /// `(0..8).step_by(2)` within a chain: the first number, the step and how many there are.
    Steps(TokenStream, TokenStream, TokenStream),
    /// `outputs` or `outputs.iter()`, tensors
    Tensors { list: Ident, place: Place },
    /// `a.zip(b)`
    Zip(Box<Elements<'e>>, Box<Elements<'e>>),
    /// `a.enumerate()`
    Enumerate(Box<Elements<'e>>),
    /// `a.rev()`
    Rev(Box<Elements<'e>>),
}

const MESSAGE: &str = "a loop runs over a range of constants, `0..10`, over an array of constants, `[1, 2, 4]`, or \
                       over a list of layers, `linears`; behind either stand `.iter()`, `.enumerate()`, `.rev()` and \
                       `.zip(..)`, behind a range `.rev()` or `.step_by(2)`";

impl Scope<'_> {
    pub fn for_loop(&mut self, each: &ExprForLoop) -> Option<Statement> {
        let outer = self.names.len();
        let parts = self.loop_header(each).map(|(variable, source, first)| {
            let mut body = self.block(&each.body.stmts, false);
            body.statements.splice(0..0, first);
            (variable, source, body)
        });
        self.names.truncate(outer);
        let (variable, source, body) = parts?;
        let sets = self.tensors_set_in(&body);
        Some(Statement::For { variable, source, body, sets })
    }

    /// The tensors in scope that a block sets; also those that one of its own hides when it does.
    fn tensors_set_in(&self, block: &Block) -> Vec<Ident> {
        let (mut sets, mut known) = (Vec::new(), HashSet::new());
        let mut note = |name: &Ident| {
            let place = self.names.find(&name.to_string());
            let changes =
                |place| matches!(self.names.at(place), Binding::Tensor | Binding::List) && known.insert(place);
            if place.is_some_and(changes) {
                sets.push(name.clone());
            }
        };
        block.each_statement(&mut |statement| match statement {
            Statement::Set { declares: false, name, .. } => note(name),
            Statement::Unpack { declares: false, names, .. } => names.iter().flatten().for_each(&mut note),
            Statement::List { name, change } if !change.declares() => note(name),
            _ => {}
        });
        sets
    }

    /// The loop's variable and source, and the statements that its body starts with.
    fn loop_header(&mut self, each: &ExprForLoop) -> Option<(Ident, Source, Vec<Statement>)> {
        let (source, reversed, step) = match unparenthesized(&each.expr) {
            Expr::MethodCall(call)
                if call.method == "rev" && matches!(unparenthesized(&call.receiver), Expr::Range(_)) =>
            {
                (unparenthesized(&call.receiver), true, None)
            }
            Expr::MethodCall(call)
                if call.method == "step_by"
                    && call.args.len() == 1
                    && matches!(unparenthesized(&call.receiver), Expr::Range(_)) =>
            {
                (unparenthesized(&call.receiver), false, Some(&call.args[0]))
            }
            other => (other, false, None),
        };
        if let Expr::Range(range) = source {
            let (Some(start), Some(end)) = (&range.start, &range.end) else {
                return self.mistake(range, "a loop's range has both ends: `for i in 0..10`");
            };
            let typed = self.is_constant(start) || self.is_constant(end);
            let (start, end) = (self.bound(start), self.bound(end));
            let step = match step {
                Some(step) => Some(self.bound(step)?),
                None => None,
            };
            let variable = self.loop_name(&each.pat)?;
            self.names.declare(&variable.to_string(), Binding::Number);
            let inclusive = matches!(range.limits, RangeLimits::Closed(_));
            return Some((
                variable,
                Source::Range(Range { start: start?, end: end?, inclusive, reversed, step, typed }),
                Vec::new(),
            ));
        }
        if !matches!(source, Expr::MethodCall(_))
            && let Some(Value::Number(array)) = self.array(source)
        {
            let variable = self.loop_name(&each.pat)?;
            self.names.declare(&variable.to_string(), Binding::Number);
            return Some((variable, Source::Array(array), Vec::new()));
        }
        if let Expr::Array(_) = source {
            return None;
        }
        let elements = self.elements(source)?;
        let length = self.length(&elements)?;
        self.loops += 1;
        let hidden = format_ident!("_position_{}", self.loops, span = Span::mixed_site());
        let mut first = Vec::new();
        self.bind(&each.pat, &elements, &quote!(#hidden), &mut first)?;
        let range =
            Range { start: quote!(0usize), end: length, inclusive: false, reversed: false, step: None, typed: true };
        Some((hidden, Source::Range(range), first))
    }

    /// Whether an end of a range is a constant, by its name.
    fn is_constant(&self, end: &Expr) -> bool {
        match unparenthesized(end) {
            Expr::Path(path) => path.path.get_ident().is_none_or(|name| self.names.find(&name.to_string()).is_none()),
            _ => false,
        }
    }

    /// Whether this is the name of a constant, which may be an array.
    fn is_array_constant(&self, list: &Expr) -> bool {
        let Expr::Path(path) = list else { return false };
        path.path.get_ident().is_none_or(|name| self.is_constant_name(name))
    }

    /// What is iterated by a chain of `iter`, `enumerate`, `zip` and `rev`.
    fn elements<'e>(&mut self, expression: &'e Expr) -> Option<Elements<'e>> {
        let call = match unparenthesized(expression) {
            Expr::MethodCall(call) => call,
            Expr::Reference(reference) => return self.list(&reference.expr, expression),
            other => return self.list(other, expression),
        };
        let no_arguments = call.args.is_empty();
        match call.method.to_string().as_str() {
            "iter" if no_arguments => {
                let list = unparenthesized(&call.receiver);
                if matches!(list, Expr::Array(_)) || self.is_array_constant(list) {
                    return match self.array(list)? {
                        Value::Number(array) => Some(Elements::Array(array)),
                        _ => self.mistake(expression, MESSAGE),
                    };
                }
                self.list(list, expression)
            }
            "step_by" if call.args.len() == 1 => match unparenthesized(&call.receiver) {
                Expr::Range(syn::ExprRange { start: Some(start), end: Some(end), limits, .. }) => {
                    let (start, end, step) = (self.bound(start)?, self.bound(end)?, self.bound(&call.args[0])?);
                    let end = if matches!(limits, RangeLimits::Closed(_)) { quote!((#end) + 1) } else { end };
                    let place = call.args[0].span();
                    let kiln = KILN.at(place);
                    let count = quote_spanned!(place=> #kiln::graph::shape::steps(
                        (#start) as i64, (#end) as i64, (#step) as i64
                    ));
                    Some(Elements::Steps(start, step, count))
                }
                _ => self.mistake(expression, MESSAGE),
            },
            "enumerate" if no_arguments => Some(Elements::Enumerate(Box::new(self.elements(&call.receiver)?))),
            "rev" if no_arguments => Some(Elements::Rev(Box::new(self.elements(&call.receiver)?))),
            "zip" if call.args.len() == 1 => {
                let left = self.elements(&call.receiver);
                let right = self.elements(&call.args[0]);
                Some(Elements::Zip(Box::new(left?), Box::new(right?)))
            }
            _ => self.mistake(expression, MESSAGE),
        }
    }

    /// A list of layers, all of what is iterated.
    fn list<'e>(&mut self, list: &'e Expr, all: &'e Expr) -> Option<Elements<'e>> {
        let list = unparenthesized(list);
        if let Some(tensors) = self.list_of(list) {
            return Some(Elements::Tensors { list: tensors, place: Place::of(list) });
        }
        match self.layer(list) {
            Some(layer) if matches!(layer.find(self.layers), Some(Node::List { .. })) => {
                Some(Elements::List { layer, expression: list })
            }
            // The layer may be one that is wrong itself, of which a mistake was said before.
            Some(_) if !self.mistakes.is_empty() => {
                self.complete = false;
                None
            }
            Some(_) => self.mistake(list, "this is no list of layers: only a field like `[Linear(10, 10); 3]` is"),
            None if self.complete => self.mistake(all, MESSAGE),
            None => None,
        }
    }

    /// How many elements there are.
    fn length(&mut self, elements: &Elements<'_>) -> Option<TokenStream> {
        Some(match elements {
            Elements::List { layer, .. } => match layer.find(self.layers) {
                Some(Node::List { length, .. }) => quote!((#length)),
                _ => return None,
            },
            Elements::Array(array) => quote!(#array.len()),
            Elements::Steps(_, _, count) => count.clone(),
            Elements::Tensors { list, .. } => quote!(#list.len()),
            Elements::Enumerate(inner) | Elements::Rev(inner) => self.length(inner)?,
            Elements::Zip(left, right) => {
                let (left, right) = (self.length(left)?, self.length(right)?);
                quote!((if #left < #right { #left } else { #right }))
            }
        })
    }

    /// Gives the names of a pattern to the element at a place; numbers take a statement.
    fn bind(
        &mut self,
        pattern: &Pat,
        elements: &Elements<'_>,
        position: &TokenStream,
        first: &mut Vec<Statement>,
    ) -> Option<()> {
        let pair = |pattern: &Pat| match pattern {
            Pat::Tuple(pair) if pair.elems.len() == 2 => Some((pair.elems[0].clone(), pair.elems[1].clone())),
            _ => None,
        };
        match elements {
            Elements::List { layer, expression } => {
                let name = self.loop_name(pattern)?;
                let step = Step::Index { index: position.clone(), place: Place::of(expression), certain: true };
                self.names.declare(&name.to_string(), Binding::Layer(layer.clone().then(step)));
            }
            Elements::Array(array) => self.bind_number(pattern, quote!(#array[#position]), first)?,
            Elements::Steps(start, step, _) => {
                self.bind_number(pattern, quote!(((#start) + (#position) * (#step))), first)?;
            }
            Elements::Tensors { list, place } => {
                let name = self.loop_name(pattern)?;
                self.names.declare(&name.to_string(), Binding::Tensor);
                let element = Tensor::Element { list: list.clone(), index: position.clone(), place: *place };
                first.push(Statement::Set { declares: true, name, value: Value::Tensor(element), rounded: None });
            }
            Elements::Rev(inner) => {
                let length = self.length(inner)?;
                self.bind(pattern, inner, &quote!((#length - 1 - #position)), first)?;
            }
            Elements::Enumerate(inner) => match pair(pattern) {
                Some((index, element)) => {
                    self.bind_number(&index, position.clone(), first)?;
                    self.bind(&element, inner, position, first)?;
                }
                None => {
                    let message = "`enumerate` gives the index and the layer: `for (i, layer) in ..`";
                    return self.mistake(pattern, message);
                }
            },
            Elements::Zip(left, right) => match pair(pattern) {
                Some((one, other)) => {
                    self.bind(&one, left, position, first)?;
                    self.bind(&other, right, position, first)?;
                }
                None => return self.mistake(pattern, "`zip` gives pairs: `for (a, b) in ..`"),
            },
        }
        Some(())
    }

    fn bind_number(&mut self, pattern: &Pat, number: TokenStream, first: &mut Vec<Statement>) -> Option<()> {
        if matches!(pattern, Pat::Wild(_)) {
            return Some(());
        }
        let name = self.loop_name(pattern)?;
        self.names.declare(&name.to_string(), Binding::Number);
        first.push(Statement::Set { declares: true, name, value: Value::Number(number), rounded: None });
        Some(())
    }

    fn loop_name(&mut self, pattern: &Pat) -> Option<Ident> {
        match pattern {
            Pat::Ident(name) => Some(name.ident.clone()),
            Pat::Wild(wild) => Some(Ident::new("_unnamed", wild.span().resolved_at(Span::mixed_site()))),
            other => self.mistake(other, "expected one name: `for i in 0..10`"),
        }
    }

    fn bound(&mut self, bound: &Expr) -> Option<TokenStream> {
        match self.value(bound)? {
            Value::Number(number) => Some(self.fixed(bound, number)),
            Value::Tensor(_) | Value::Tuple(_) => {
                let message = "a loop's bounds are constants, as the graph is fixed before it runs; this is a tensor";
                self.mistake(bound, message)
            }
        }
    }

    /// `[1, 2, 4]`, or a constant that is an array.
    fn array(&mut self, expression: &Expr) -> Option<Value> {
        match expression {
            Expr::Array(array) => {
                if array.elems.iter().any(|element| self.is_tensor(element)) {
                    let text = spaced(array);
                    let message = format!("tensors are gone through by the name of their list: `let list = {text};`");
                    return self.mistake(array, message);
                }
                let elements = array.elems.iter().map(|element| self.bound(element)).collect::<Option<Vec<_>>>()?;
                Some(Value::Number(quote!([#(#elements),*])))
            }
            Expr::Path(path) => match path.path.get_ident().and_then(|name| self.find(name)) {
                Some(Binding::Layer(_) | Binding::List) => None,
                _ => self.value(expression),
            },
            Expr::Reference(reference) => self.array(&reference.expr),
            _ => None,
        }
    }
}
