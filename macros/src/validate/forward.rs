//! From the statements of a `forward` to a body without mistakes: which names are in scope and what they stand for.

use proc_macro2::{Ident, Span};
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::{Expr, ExprForLoop, ExprIf, ExprMethodCall, Pat, RangeLimits, Stmt};

use super::Layer;
use crate::ast::{self, Node, Place, Sequence, Style};
use crate::body::{Access, Block, Forward, If, Range, Statement, Step, Tensor, Value};
use crate::methods;
use crate::mistakes::{Mistakes, spaced};

/// Resolves a body over the layers of its model.
pub fn forward(forward: ast::Forward, layers: &Sequence<Layer>, mistakes: &mut Mistakes) -> Option<Forward> {
    let ast::Forward { input, body } = forward;
    if layers.style == Style::Positional {
        let message = "a model with a `forward` names its layers: `struct NAME { layer: LAYER, .. }`";
        mistakes.add(syn::Error::new(input.span(), message));
        return None;
    }
    let mut scope = Scope {
        layers,
        mistakes,
        names: vec![(input.to_string(), Binding::Tensor)],
        used: Vec::new(),
        lists: 0,
        complete: true,
    };
    let block = scope.block(&body.stmts, true);
    match block.value {
        Some(Value::Tensor(_)) => {}
        Some(Value::Number(_)) => {
            scope.mistake::<()>(body.stmts.last(), "`forward` gives a tensor, and this is a number");
        }
        None if scope.complete => {
            let message = "`forward` gives no value: end it with an expression, without a semicolon, such as `x`";
            scope.mistakes.add(syn::Error::new(body.brace_token.span.close(), message));
            scope.complete = false;
        }
        None => {}
    }
    let Scope { used, complete, .. } = scope;
    let names = layers.members.iter().filter_map(|member| match &member.name {
        syn::Member::Named(name) => Some(name.clone()),
        syn::Member::Unnamed(_) => None,
    });
    let unused = names.filter(|name| !used.contains(&name.to_string())).collect();
    complete.then_some(Forward { input, body: block, unused })
}

/// What a name stands for.
#[derive(Clone)]
pub enum Binding {
    Tensor,
    Number,
    Layer(Access),
    /// Something with a mistake that has been reported.
    Unknown,
}

/// The names that are known while a body is read.
pub struct Scope<'a> {
    pub layers: &'a Sequence<Layer>,
    pub mistakes: &'a mut Mistakes,
    /// The later ones hide the earlier ones.
    pub names: Vec<(String, Binding)>,
    /// The fields that are applied somewhere.
    pub used: Vec<String>,
    /// How many loops over lists there are.
    lists: usize,
    /// Whether there was no mistake yet.
    complete: bool,
}

impl Scope<'_> {
    /// Reports a mistake.
    pub fn mistake<T>(&mut self, tokens: impl quote::ToTokens, message: impl std::fmt::Display) -> Option<T> {
        self.complete = false;
        self.mistakes.at(tokens, message);
        None
    }

    /// The statements between braces; whether the last one without a semicolon is their value.
    pub fn block(&mut self, statements: &[Stmt], wants_value: bool) -> Block {
        let outer = self.names.len();
        let mut block = Block { statements: Vec::new(), value: None };
        for (position, statement) in statements.iter().enumerate() {
            let last = position + 1 == statements.len();
            match statement {
                Stmt::Expr(value, None) if last && wants_value && !matches!(value, Expr::ForLoop(_)) => {
                    block.value = self.value(value);
                }
                Stmt::Expr(expression, _) => block.statements.extend(self.statement(expression)),
                Stmt::Local(local) => block.statements.extend(self.declare(local)),
                Stmt::Item(item) => {
                    self.mistake::<()>(item, "items stand outside of `model!`");
                }
                Stmt::Macro(call) => {
                    self.mistake::<()>(call, "a network's `forward` calls no macros");
                }
            }
        }
        self.names.truncate(outer);
        block
    }

    fn declare(&mut self, local: &syn::Local) -> Option<Statement> {
        let Pat::Ident(pattern) = &local.pat else {
            return self.mistake(&local.pat, "expected one name: `let NAME = ..;`");
        };
        let name = pattern.ident.clone();
        let value = match &local.init {
            Some(init) if init.diverge.is_none() => self.value(&init.expr),
            _ => self.mistake(local, format!("expected a value: `let {name} = ..;`")),
        };
        let binding = match &value {
            Some(Value::Tensor(_)) => Binding::Tensor,
            Some(Value::Number(_)) => Binding::Number,
            None => Binding::Unknown,
        };
        self.names.push((name.to_string(), binding));
        Some(Statement::Set { declares: true, name, value: value? })
    }

    fn statement(&mut self, expression: &Expr) -> Option<Statement> {
        match expression {
            Expr::Assign(assign) => {
                let value = self.value(&assign.right);
                self.assign(&assign.left, value?)
            }
            Expr::Binary(binary) if compound(&binary.op).is_some() => {
                let value = self.binary(binary);
                self.assign(&binary.left, value?)
            }
            Expr::ForLoop(each) => self.for_loop(each),
            Expr::If(choice) => Some(Statement::If(self.choice(choice, false)?)),
            Expr::MethodCall(call) if call.method == "detach_" && call.args.is_empty() => {
                let value = self.value(&call.receiver)?;
                let Value::Tensor(tensor) = value else {
                    return self.mistake(&call.receiver, "only a tensor can be detached");
                };
                let method = Ident::new("detach", call.method.span());
                self.assign(&call.receiver, Value::Tensor(Tensor::Elementwise { of: Box::new(tensor), method }))
            }
            Expr::MethodCall(call) if call.method.to_string().ends_with('_') => self.in_place(call),
            other => {
                self.value(other)?;
                let message = format!(
                    "the value of this expression is not used: values are immutable, so give it a name, as in `let y = \
                     {};`",
                    spaced(other)
                );
                self.mistake(other, message)
            }
        }
    }

    /// `name = value`
    fn assign(&mut self, target: &Expr, value: Value) -> Option<Statement> {
        let name = match target {
            Expr::Path(path) => path.path.get_ident(),
            _ => None,
        };
        let Some(name) = name else {
            return self.mistake(target, "values are immutable: only a name can be given a new value, as in `x = ..`");
        };
        match (self.find(name), &value) {
            (Some(Binding::Tensor), Value::Tensor(_)) | (Some(Binding::Number), Value::Number(_)) => {}
            (Some(Binding::Unknown), _) => return None,
            (Some(Binding::Tensor), Value::Number(_)) => {
                return self
                    .mistake(name, format!("`{name}` is a tensor and can not become a number; use another name"));
            }
            (Some(Binding::Number), Value::Tensor(_)) => {
                return self
                    .mistake(name, format!("`{name}` is a number and can not become a tensor; use another name"));
            }
            (Some(Binding::Layer(_)), _) => {
                return self.mistake(name, format!("`{name}` is a layer, and can not be given a value"));
            }
            (None, _) => return self.not_in_scope(name),
        }
        Some(Statement::Set { declares: false, name: name.clone(), value })
    }

    /// `x.zero_()`
    pub fn in_place<T>(&mut self, call: &ExprMethodCall) -> Option<T> {
        let (tensor, method) = (spaced(&call.receiver), call.method.to_string());
        let argument = call.args.first().map(spaced).unwrap_or_else(|| "..".to_string());
        let message = match methods::instead(&method, &tensor, &argument) {
            Some(instead) => format!("values are immutable, and `{method}` writes in place: write `{instead}`"),
            None => {
                format!("values are immutable, and `{method}` writes in place: compute a new value, `{tensor} = ..`")
            }
        };
        self.mistake(&call.method, message)
    }

    fn for_loop(&mut self, each: &ExprForLoop) -> Option<Statement> {
        let outer = self.names.len();
        let statement = self.loop_header(each).map(|(variable, range, first)| {
            let mut body = self.block(&each.body.stmts, false);
            body.statements.splice(0..0, first);
            Statement::For { variable, range, body }
        });
        self.names.truncate(outer);
        statement
    }

    /// The loop's variable and range, and the statement that its body starts with.
    fn loop_header(&mut self, each: &ExprForLoop) -> Option<(Ident, Range, Option<Statement>)> {
        let (source, reversed) = match &*each.expr {
            Expr::MethodCall(call) if call.method == "rev" => (unparenthesized(&call.receiver), true),
            other => (unparenthesized(other), false),
        };
        if let Expr::Range(range) = source {
            let (Some(start), Some(end)) = (&range.start, &range.end) else {
                return self.mistake(range, "a loop's range has both ends: `for i in 0..10`");
            };
            let (start, end) = (self.bound(start), self.bound(end));
            let variable = self.loop_name(&each.pat)?;
            self.names.push((variable.to_string(), Binding::Number));
            let inclusive = matches!(range.limits, RangeLimits::Closed(_));
            return Some((variable, Range { start: start?, end: end?, inclusive, reversed }, None));
        }
        let (list, enumerated) = match source {
            Expr::MethodCall(call) if call.method == "enumerate" => (iterated(&call.receiver), true),
            other => (iterated(other), false),
        };
        let layer = list.and_then(|list| self.layer(list)).filter(|_| !reversed);
        let Some(layer) = layer else {
            if !self.complete {
                return None;
            }
            let message = "a loop runs over a range of constants, `0..10`, or over a list of layers, `linears.iter()` or \
                           `linears.iter().enumerate()`; a range may be reversed";
            return self.mistake(&each.expr, message);
        };
        let Some(Node::List { length, .. }) = layer.find(self.layers) else {
            return self.mistake(list, "this is no list of layers: only a field like `[Linear(10, 10); 3]` is");
        };
        let range = Range { start: quote!(0usize), end: quote!((#length)), inclusive: false, reversed: false };
        self.lists += 1;
        let hidden = format_ident!("_position_{}", self.lists, span = Span::mixed_site());
        let (index, element) = match (&*each.pat, enumerated) {
            (Pat::Tuple(pair), true) if pair.elems.len() == 2 => (Some(&pair.elems[0]), &pair.elems[1]),
            (pattern, true) => {
                return self.mistake(pattern, "`enumerate` gives the index and the layer: `for (i, layer) in ..`");
            }
            (pattern, false) => (None, pattern),
        };
        let first = match index {
            Some(Pat::Wild(_)) | None => None,
            Some(index) => {
                let name = self.loop_name(index)?;
                self.names.push((name.to_string(), Binding::Number));
                Some(Statement::Set { declares: true, name, value: Value::Number(quote!(#hidden)) })
            }
        };
        let name = self.loop_name(element)?;
        let step = Step::Index { index: quote!(#hidden), place: Place::of(list), certain: true };
        self.names.push((name.to_string(), Binding::Layer(layer.then(step))));
        Some((hidden, range, first))
    }

    fn loop_name(&mut self, pattern: &Pat) -> Option<Ident> {
        match pattern {
            Pat::Ident(name) => Some(name.ident.clone()),
            Pat::Wild(wild) => Some(Ident::new("_unnamed", wild.span().resolved_at(Span::mixed_site()))),
            other => self.mistake(other, "expected one name: `for i in 0..10`"),
        }
    }

    fn bound(&mut self, bound: &Expr) -> Option<proc_macro2::TokenStream> {
        match self.value(bound)? {
            Value::Number(number) => Some(number),
            Value::Tensor(_) => {
                let message = "a loop's bounds are constants, as the graph is fixed before it runs; this is a tensor";
                self.mistake(bound, message)
            }
        }
    }

    /// `if condition { .. } else { .. }`
    pub fn choice(&mut self, choice: &ExprIf, wants_value: bool) -> Option<If> {
        let condition = match self.value(&choice.cond) {
            Some(Value::Number(condition)) => Some(condition),
            Some(Value::Tensor(_)) => {
                let message = "a condition is a constant, as the graph is fixed before it runs; this is a tensor";
                self.mistake(&choice.cond, message)
            }
            None => None,
        };
        let then = self.block(&choice.then_branch.stmts, wants_value);
        let otherwise = match choice.else_branch.as_ref().map(|(_, otherwise)| &**otherwise) {
            None => None,
            Some(Expr::Block(block)) => Some(self.block(&block.block.stmts, wants_value)),
            Some(Expr::If(inner)) => {
                let inner = self.choice(inner, wants_value)?;
                let block = if wants_value {
                    Block { statements: Vec::new(), value: Some(Value::Tensor(Tensor::If(Box::new(inner)))) }
                } else {
                    Block { statements: vec![Statement::If(inner)], value: None }
                };
                Some(block)
            }
            Some(other) => return self.mistake(other, "expected `else { .. }` or `else if .. { .. }`"),
        };
        if wants_value && self.complete {
            let gives = |block: &Block| matches!(block.value, Some(Value::Tensor(_)));
            if !gives(&then) || !otherwise.as_ref().is_some_and(gives) {
                return self.mistake(choice, "an `if` with a value has an `else`, and both sides end in a tensor");
            }
        }
        Some(If { condition: condition?, then, otherwise })
    }
}

/// `linears` of `linears.iter()`.
fn iterated(expression: &Expr) -> Option<&Expr> {
    match expression {
        Expr::MethodCall(call) if call.method == "iter" && call.args.is_empty() => Some(&call.receiver),
        _ => None,
    }
}

fn unparenthesized(expression: &Expr) -> &Expr {
    match expression {
        Expr::Paren(inner) => unparenthesized(&inner.expr),
        Expr::Group(inner) => unparenthesized(&inner.expr),
        other => other,
    }
}

/// The operator of `x += y`.
pub fn compound(operator: &syn::BinOp) -> Option<syn::BinOp> {
    use syn::BinOp;
    Some(match operator {
        BinOp::AddAssign(_) => BinOp::Add(Default::default()),
        BinOp::SubAssign(_) => BinOp::Sub(Default::default()),
        BinOp::MulAssign(_) => BinOp::Mul(Default::default()),
        BinOp::DivAssign(_) => BinOp::Div(Default::default()),
        _ => return None,
    })
}
