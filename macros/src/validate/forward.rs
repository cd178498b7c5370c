//! From the statements of a body to one without mistakes: which names are in scope and what they stand for.
//! Expressions, calls and loops have files of their own.

use proc_macro2::Ident;
use syn::{Expr, ExprIf, ExprMethodCall, Pat, Stmt};

use super::Layer;
use super::assign::detached;
use super::certain::Element;
use super::extents::{is_float, is_usize};
use super::fractions::NumberName;
use super::names::Names;
use super::scope::{Before, Binding, Scope};
use crate::ast::{self, Extents, Node, ParameterKind, Place, Sequence, Style};
use crate::body::{Apply, Block, Forward, Helper, If, Statement, Tensor, Value};
use crate::layers::Applied;
use crate::methods;
use crate::mistakes::{Mistakes, spaced};

/// What is declared of a model's types.
#[derive(Clone, Copy)]
pub struct Types<'a> {
    /// The types of the inputs of `forward`.
    pub inputs: &'a [Extents],
    /// The names that may be free extents in all types.
    pub free: &'a [Ident],
}

/// Resolves the functions of a model over its layers.
pub fn functions(
    forward: Option<ast::Forward>,
    types: Types<'_>,
    helpers: &[ast::Helper],
    whole: Option<&Whole>,
    programs: &[ast::Program],
    layers: &Sequence<Layer>,
    mistakes: &mut Mistakes,
) -> Functions {
    let nothing = |complete| Functions { forward: None, helpers: Vec::new(), used: Vec::new(), complete };
    if forward.is_none() && programs.is_empty() {
        if let Some(helper) = helpers.first() {
            let message = format!(
                "`{}` is never called: a model has a `fn forward(x: [N, ..]) -> [N, ..] {{ .. }}`, which calls the others",
                helper.name
            );
            mistakes.at(&helper.name, message);
        }
        return nothing(helpers.is_empty());
    }
    let first = match (&forward, programs.first()) {
        (Some(forward), _) => Some((&forward.inputs[0], "a `forward`")),
        (None, first) => first.map(|program| (&program.name, "programs")),
    };
    if let (Style::Positional, Some((first, what))) = (layers.style, first) {
        let message = format!("a model with {what} names its layers: `struct NAME {{ layer: LAYER, .. }}`");
        mistakes.add(syn::Error::new(Place::of(first).first, message));
        return nothing(false);
    }
    let mut scope = Scope::new(layers, helpers, mistakes);
    scope.whole = whole;
    let free = types.free;
    let forward = forward.map(|ast::Forward { inputs, body }| {
        scope.know(types.inputs, free, &body);
        let names = inputs.iter().map(|name| (name.to_string(), Binding::Tensor)).collect();
        (scope.function(&body, "forward", names, whole.map(|whole| whole.outputs)), inputs)
    });
    let of_forward = std::mem::take(&mut scope.calls);
    let mut called = of_forward.clone();
    let mut edges: Vec<Vec<(usize, Ident)>> = Vec::new();
    let mut resolved = Vec::new();
    for helper in helpers {
        let (block, results) = scope.helper(helper, free);
        let calls = std::mem::take(&mut scope.calls);
        called.extend(calls.iter().cloned());
        edges.push(calls);
        resolved.push((block, results));
    }
    // `forward` is the last of all functions.
    edges.push(of_forward);
    let names = helpers.iter().map(|helper| helper.name.to_string()).chain(["forward".to_string()]);
    for (position, name) in names.enumerate() {
        if let Some(call) = recursion(position, &edges) {
            let message = format!("`{name}` calls itself, and the graph is fixed before it runs: write a `for` loop");
            scope.mistake::<()>(&call, message);
            break;
        }
    }
    let Scope { used, complete, .. } = scope;
    if !complete {
        return nothing(false);
    }
    let helpers = helpers.iter().zip(resolved).enumerate().map(|(position, (helper, (body, results)))| {
        let ast::Helper { visibility, name, parameters, results: declared, .. } = helper;
        let (name, parameters, declared) = (name.clone(), parameters.clone(), declared.clone());
        let is_public = !matches!(visibility, syn::Visibility::Inherited);
        let called = is_public || called.iter().any(|(helper, _)| *helper == position);
        Helper { visibility: visibility.clone(), name, parameters, results, declared, body, called }
    });
    let helpers = helpers.collect();
    let forward = forward.map(|(body, inputs)| Forward { inputs, body });
    Functions { forward, helpers, used, complete }
}

/// Whether this is nothing but a value.
fn is_plain_value(expression: &Expr) -> bool {
    match expression {
        Expr::Binary(binary) => super::expressions::compound(&binary.op).is_none(),
        Expr::Call(_) | Expr::Paren(_) | Expr::Path(_) | Expr::Tuple(_) => true,
        Expr::MethodCall(call) => {
            let method = call.method.to_string();
            let is_statement = super::transfers::is_transfer(call) || matches!(method.as_str(), "minimize" | "push");
            !is_statement && !method.ends_with('_')
        }
        _ => false,
    }
}

/// What a model takes and gives where it is applied as a whole.
pub struct Whole {
    /// The names of the inputs.
    pub inputs: Vec<String>,
    /// The elements of each that has no axes.
    pub numbers: Vec<Option<Element>>,
    /// How many results there are.
    pub outputs: usize,
}

/// The functions of a model.
pub struct Functions {
    pub forward: Option<Forward>,
    pub helpers: Vec<Helper>,
    /// The fields that they apply.
    pub used: Vec<String>,
    /// Whether there was no mistake in them.
    pub complete: bool,
}

impl Whole {
    /// Layers that are applied in order take one tensor, and give one.
    pub fn of(forward: Option<&ast::Forward>, types: &[Extents], outputs: usize) -> Whole {
        let inputs = forward.map(|forward| forward.inputs.iter().map(ToString::to_string).collect());
        let number = |ty: &Extents| (ty.values.is_empty() && !ty.batch).then(|| Element::of(ty));
        let numbers = types.iter().map(number).collect();
        Whole { inputs: inputs.unwrap_or_else(|| vec!["input".to_string()]), numbers, outputs: outputs.max(1) }
    }
}

/// The types that parameters say.
fn types_of(parameters: &[ast::Parameter]) -> impl Iterator<Item = &Extents> {
    parameters.iter().filter_map(|parameter| match &parameter.kind {
        ParameterKind::Tensor(extents) => extents.as_ref(),
        ParameterKind::Number(_) => None,
    })
}

/// The call by which a function leads back to itself.
fn recursion(start: usize, edges: &[Vec<(usize, Ident)>]) -> Option<Ident> {
    let mut seen = vec![false; edges.len()];
    let mut waiting = vec![start];
    while let Some(function) = waiting.pop() {
        for (callee, call) in &edges[function] {
            if *callee == start {
                return Some(call.clone());
            }
            if !std::mem::replace(&mut seen[*callee], true) {
                waiting.push(*callee);
            }
        }
    }
    None
}

impl Scope<'_> {
    /// The body of a function that gives so many values; if it is not declared how many, as many as there are.
    fn function(
        &mut self,
        body: &syn::Block,
        name: &str,
        names: Vec<(String, Binding)>,
        results: Option<usize>,
    ) -> Block {
        (self.function, self.names) = (name.to_string(), Names::of(names));
        let block = self.block(&body.stmts, true);
        match &block.value {
            Some(value) => {
                let results = results.unwrap_or_else(|| results_of(value));
                _ = self.gives(value, results, body.stmts.last(), &format!("`{name}` gives"));
            }
            None if self.complete => {
                let message =
                    format!("`{name}` gives no value: end it with an expression, without a semicolon, such as `x`");
                self.mistakes.add(syn::Error::new(body.brace_token.span.close(), message));
                self.complete = false;
            }
            None => {}
        }
        self.names.truncate(0);
        block
    }

    /// The body of one of the model's own functions, and how many values it gives.
    fn helper(&mut self, helper: &ast::Helper, free: &[Ident]) -> (Block, usize) {
        let mut given = Vec::new();
        let names = helper.parameters.iter().map(|parameter| {
            let binding = match &parameter.kind {
                ParameterKind::Tensor(_) => Binding::Tensor,
                ParameterKind::Number(ty) => {
                    if is_usize(ty) {
                        given.push(parameter.name.clone());
                    }
                    Binding::Number
                }
            };
            (parameter.name.to_string(), binding)
        });
        let (names, results) = (names.collect(), helper_results(helper));
        self.know(types_of(&helper.parameters), free, &helper.body);
        self.know_given(given);
        for (place, parameter) in helper.parameters.iter().enumerate() {
            if let ParameterKind::Number(ty) = &parameter.kind {
                let has_fraction = is_float(ty).then_some(true);
                self.numbers.push(NumberName {
                    place,
                    is_of_let: false,
                    rounded: None,
                    has_fraction,
                    has_no_type: false,
                });
            }
        }
        (self.function(&helper.body, &helper.name.to_string(), names, Some(results)), results)
    }

    /// Reports a mistake.
    pub fn mistake<T>(&mut self, tokens: impl quote::ToTokens, message: impl std::fmt::Display) -> Option<T> {
        self.complete = false;
        self.mistakes.at(tokens, message);
        None
    }

    /// Checks that a value is a tensor, or that many of them as far as it can be seen here.
    pub fn gives(&mut self, value: &Value, count: usize, at: impl quote::ToTokens, who: &str) -> Option<()> {
        if let (1, Some(name)) = (count, gives_several(value)) {
            let alone = match name {
                "max" => "; the largest alone are `amax`",
                "min" => "; the smallest alone are `amin`",
                _ => "",
            };
            let message = format!("`{name}` gives several tensors: write `let (a, b) = ..{name}(..);`{alone}");
            return self.mistake(at, message);
        }
        let found = match value {
            Value::Number(_) => {
                let what = if count == 1 { "a tensor".to_string() } else { format!("{count} tensors") };
                return self.mistake(at, format!("{who} {what}, and this is a number"));
            }
            Value::Tuple(tensors) => tensors.len(),
            Value::Tensor(tensor) => match self.results(tensor) {
                Some(results) => results,
                None => return Some(()),
            },
        };
        if found == count {
            return Some(());
        }
        let expected = if count == 1 { "one tensor".to_string() } else { format!("{count} tensors") };
        let usage = match value {
            Value::Tensor(Tensor::Apply(apply)) => self.applied(apply).map(|applied| applied.usage),
            _ => None,
        };
        let names = usage.and_then(|usage| usage.split_once(" = ")).map(|(names, _)| names);
        let usage = names.map(|names| format!(": write `{names} = ..;`")).unwrap_or_default();
        let found = if found == 1 { "this is one tensor".to_string() } else { format!("these are {found} tensors") };
        self.mistake(at, format!("{who} {expected}, and {found}{usage}"))
    }

    /// How many values an expression gives, if that can be seen here.
    fn results(&self, tensor: &Tensor) -> Option<usize> {
        match tensor {
            Tensor::Variable(_)
            | Tensor::Parameter(_)
            | Tensor::Loss(_)
            | Tensor::Gradient(_)
            | Tensor::Number(_)
            | Tensor::Element { .. } => Some(1),
            Tensor::Call(call) => (call.function.gives != methods::Gives::Several).then_some(1),
            Tensor::Helper { helper, .. } => Some(helper_results(&self.helpers[*helper])),
            Tensor::Whole { .. } => self.whole.map(|whole| whole.outputs),
            Tensor::Block(block) => block.value.as_ref().and_then(|value| self.results_of(value)),
            Tensor::If(choice) => choice.then.value.as_ref().and_then(|value| self.results_of(value)),
            Tensor::Inside(inside) => inside.call.is_none().then_some(1),
            // A model says how many, and some layers' last results may be left.
            Tensor::Apply(apply) => {
                let applied = self.applied(apply)?;
                (applied.least == applied.gives.len()).then(|| applied.gives.iter().sum())
            }
        }
    }

    /// How a layer is applied that takes or gives several tensors.
    fn applied(&self, apply: &Apply) -> Option<&'static Applied> {
        if let Some(method) = apply.method {
            return Some(&method.applied);
        }
        match apply.layer.find(self.layers)? {
            Node::Layer(super::Layer { kind: super::LayerKind::Known { applied, .. }, .. }) => *applied,
            _ => None,
        }
    }

    /// How many tensors each name is for that a value is taken apart by; one where that is not known.
    pub fn parts_of(&self, value: Option<&Value>) -> &'static [usize] {
        match value {
            Some(Value::Tensor(Tensor::Apply(apply))) => self.applied(apply).map_or(&[], |applied| applied.gives),
            _ => &[],
        }
    }

    pub fn results_of(&self, value: &Value) -> Option<usize> {
        match value {
            Value::Tensor(tensor) => self.results(tensor),
            Value::Number(_) => None,
            Value::Tuple(tensors) => Some(tensors.len()),
        }
    }

    /// The statements between braces; whether the last one without a semicolon is their value.
    pub fn block(&mut self, statements: &[Stmt], wants_value: bool) -> Block {
        let outer = self.names.len();
        let block = self.statements(statements, wants_value);
        self.names.truncate(outer);
        block
    }

    /// As [`Scope::block`], but the names that the statements declare stay in scope.
    pub fn statements(&mut self, statements: &[Stmt], wants_value: bool) -> Block {
        let separate = super::assign::one_by_one(statements);
        let statements = separate.as_deref().unwrap_or(statements);
        let mut block = Block { statements: Vec::new(), value: None, cuts: None, evaluates: false };
        // The `let`s of numbers: the place of the name, and what was before.
        let mut numbers: Vec<(usize, usize, usize, Before)> = Vec::new();
        let of_outer = self.numbers.len();
        let mut position = 0;
        while let Some(statement) = statements.get(position) {
            let (before, place) = (self.now_known(), self.names.len());
            let last = position + 1 == statements.len();
            match statement {
                Stmt::Expr(value, None) if last && wants_value && !matches!(value, Expr::ForLoop(_)) => {
                    block.value = self.values(value);
                }
                Stmt::Expr(value, Some(_)) if last && wants_value && is_plain_value(value) => {
                    let text = spaced(value);
                    let message = format!("the result stands at the end, without a semicolon: `{text}`");
                    self.mistake::<()>(value, message);
                }
                Stmt::Expr(expression, _) => block.statements.extend(self.statement(expression)),
                Stmt::Local(local) => match self.all_sizes(local) {
                    Some(sizes) => block.statements.extend(sizes),
                    None => block.statements.extend(self.declare(local)),
                },
                Stmt::Item(item) => {
                    self.mistake::<()>(item, "items stand outside of `model!`");
                }
                Stmt::Macro(call) => {
                    self.mistake::<()>(call, "a network's functions call no macros");
                }
            }
            if self.numbers.last().is_some_and(|last| last.place == place) {
                numbers.push((place, position, block.statements.len() - 1, before));
            }
            position += 1;
            let again = numbers.iter().position(|(place, ..)| self.becomes_tensor == Some(*place));
            if let Some((_, start, count, before)) = again.and_then(|again| numbers.drain(again..).next()) {
                // What is a number in `let loss = 0.0;` and then `loss += mse(..);` is a tensor from the start.
                self.back_to(before);
                block.statements.truncate(count);
                block.value = None;
                if let Stmt::Local(local) = &statements[start] {
                    self.tensors.insert(std::ptr::from_ref(local));
                    if let Some(init) = local.init.as_ref().filter(|init| is_no_number(&init.expr)) {
                        let message = format!(
                            "a name is a tensor or a number from the start, and `{}` is neither: begin with a tensor, as \
                             in `let mut h = zeros(N, 8);`",
                            spaced(&init.expr)
                        );
                        self.mistake::<()>(&init.expr, message);
                    }
                }
                (self.becomes_tensor, position) = (None, start);
            }
        }
        self.numbers.truncate(of_outer);
        block
    }

    /// `let (n, c) = x.size();`, a number for each axis.
    fn all_sizes(&mut self, local: &syn::Local) -> Option<Vec<Statement>> {
        let Expr::MethodCall(call) = &*local.init.as_ref()?.expr else { return None };
        let Pat::Tuple(names) = &local.pat else { return None };
        if call.method != "size" || !call.args.is_empty() || !matches!(*call.receiver, Expr::Path(_)) {
            return None;
        }
        let mut sizes = Vec::new();
        let is_receiver = |name: &Pat| spaced(name) == spaced(&call.receiver);
        let (last, first): (Vec<_>, Vec<_>) = names.elems.iter().enumerate().partition(|(_, name)| is_receiver(name));
        // `let (x, c) = x.size();`: what is read goes last.
        for (axis, name) in first.into_iter().chain(last).filter(|(_, name)| !matches!(name, Pat::Wild(_))) {
            let (receiver, method, axis) = (&call.receiver, &call.method, syn::Index::from(axis));
            let size = syn::parse_quote_spanned!(method.span()=> let #name = #receiver.#method(#axis););
            let size: syn::Local = match size {
                Stmt::Local(size) => size,
                _ => return None,
            };
            let before = self.numbers.len();
            self.counted = Some(names.elems.len()).filter(|_| sizes.is_empty());
            sizes.extend(self.declare(&size));
            // The names are not read again as those of tensors.
            self.numbers.truncate(before);
        }
        Some(sizes)
    }

    /// A block, which may be a `no_grad` or an `eval`.
    pub fn braces(&mut self, block: &syn::ExprBlock, wants_value: bool) -> Option<Block> {
        let (cuts, evaluates) = match &block.label {
            None => (None, false),
            Some(label) if label.name.ident == crate::parse::NO_GRAD => (Some(label.name.ident.span()), false),
            Some(label) if label.name.ident == crate::parse::EVAL => (None, true),
            Some(label) => return self.mistake(label, "blocks have no labels here"),
        };
        if cuts.is_some() {
            self.cuts.push(self.names.len());
        }
        let mut inner = self.block(&block.block.stmts, wants_value);
        if cuts.is_some() {
            self.cuts.pop();
        }
        (inner.cuts, inner.evaluates) = (cuts, evaluates);
        Some(inner)
    }

    /// Whether a new value of this name leaves a `no_grad`.
    pub fn leaves_cut(&self, name: &Ident) -> bool {
        let place = self.names.find(&name.to_string());
        self.cuts.last().is_some_and(|outer| place.is_some_and(|place| place < *outer))
    }

    fn statement(&mut self, expression: &Expr) -> Option<Statement> {
        match expression {
            Expr::Assign(assign) => match &*assign.left {
                Expr::Tuple(names) => self.unpack(names, assign),
                left if self.is_layer(left) => self.layer_takes_no_value(left),
                left if self.list_of(left).is_some() => self.list_takes_no_value(left),
                left => {
                    let value = self.value(&assign.right);
                    let origin = self.origin(&assign.right);
                    self.now(left, origin);
                    self.assign(left, value?, Some(&assign.right))
                }
            },
            Expr::Binary(binary) if super::expressions::compound(&binary.op).is_some() => {
                if self.is_layer(&binary.left) {
                    return self.layer_takes_no_value(&binary.left);
                }
                if self.list_of(&binary.left).is_some() {
                    return self.list_takes_no_value(&binary.left);
                }
                let value = self.binary(binary);
                let origin = self.origin(&binary.left).and(self.origin(&binary.right));
                self.now(&binary.left, origin);
                self.assign(&binary.left, value?, Some(expression))
            }
            Expr::ForLoop(each) => self.for_loop(each),
            Expr::If(choice) => Some(Statement::If(self.choice(choice, false)?)),
            Expr::Block(block) => Some(Statement::Block(self.braces(block, false)?)),
            Expr::MethodCall(call) if call.method == "detach_" && call.args.is_empty() => {
                let value = self.value(&call.receiver)?;
                let Value::Tensor(tensor) = value else {
                    return self.mistake(&call.receiver, "only a tensor can be detached");
                };
                let tensor = detached(tensor, call.method.span(), "detach_", Place::of(call));
                self.assign(&call.receiver, Value::Tensor(tensor), None)
            }
            Expr::MethodCall(call) if self.optimizer(&call.receiver).is_some() => self.minimize(call),
            Expr::MethodCall(call) if call.method == "minimize" => self.no_optimizer(call),
            Expr::MethodCall(call) if self.list_of(&call.receiver).is_some() => self.change_list(call),
            Expr::MethodCall(call) if super::transfers::is_transfer(call) => self.transfer(call),
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

    /// `x.zero_()`
    pub fn in_place<T>(&mut self, call: &ExprMethodCall) -> Option<T> {
        let (tensor, method) = (spaced(&call.receiver), call.method.to_string());
        let argument = (!call.args.is_empty()).then(|| spaced(&call.args));
        let is_name = matches!(&*call.receiver, Expr::Path(_));
        if self.is_layer(&call.receiver) {
            return self.layer_takes_no_value(&call.receiver);
        }
        let message = match methods::instead(&method, &tensor, argument.as_deref()) {
            Some(instead) if !is_name => {
                let value = instead.split_once(" = ").map_or(instead.as_str(), |(_, value)| value);
                format!("values are immutable, and `{method}` writes in place: write `{value}`")
            }
            Some(instead) => format!("values are immutable, and `{method}` writes in place: write `{instead}`"),
            None => {
                format!("values are immutable, and `{method}` writes in place: compute a new value, `{tensor} = ..`")
            }
        };
        self.mistake(&call.method, message)
    }

    /// `if condition { .. } else { .. }`
    pub fn choice(&mut self, choice: &ExprIf, wants_value: bool) -> Option<If> {
        let condition = match self.value(&choice.cond) {
            Some(Value::Number(condition)) => Some(self.fixed_condition(&choice.cond, condition)),
            Some(Value::Tensor(Tensor::Call(call))) if call.function.gives == methods::Gives::Bool => {
                let message = "a condition is a constant, as the graph is fixed before it runs; this compares a tensor \
                               (choose between tensors with `where(condition, a, b)`)";
                self.mistake(&choice.cond, message)
            }
            Some(_) => {
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
                let (statements, value) = if wants_value {
                    (Vec::new(), Some(Value::Tensor(Tensor::If(Box::new(inner)))))
                } else {
                    (vec![Statement::If(inner)], None)
                };
                Some(Block { statements, value, cuts: None, evaluates: false })
            }
            Some(other) => return self.mistake(other, "expected `else { .. }` or `else if .. { .. }`"),
        };
        if wants_value && self.complete {
            let gives = |block: &Block| matches!(block.value, Some(Value::Tensor(_) | Value::Tuple(_)));
            if !gives(&then) || !otherwise.as_ref().is_some_and(gives) {
                return self.mistake(choice, "an `if` with a value has an `else`, and both sides end in a tensor");
            }
        }
        Some(If { condition: condition?, then, otherwise })
    }
}

/// `None`, or a text.
fn is_no_number(value: &Expr) -> bool {
    match value {
        Expr::Path(path) => path.path.is_ident("None"),
        Expr::Lit(literal) => matches!(literal.lit, syn::Lit::Str(_)),
        _ => false,
    }
}

/// How many values a function gives: those declared, else those of the tuple that it ends in.
fn helper_results(helper: &ast::Helper) -> usize {
    match (&helper.results, helper.body.stmts.last()) {
        (Some(results), _) => results.len(),
        (None, Some(Stmt::Expr(Expr::Tuple(tuple), None))) => tuple.elems.len(),
        (None, _) => 1,
    }
}

fn results_of(value: &Value) -> usize {
    if let Value::Tuple(tensors) = value { tensors.len() } else { 1 }
}

/// The function that gives several tensors, if that is what a value is of.
pub fn gives_several(value: &Value) -> Option<&'static str> {
    let mut value = Some(value);
    while let Some(Value::Tensor(tensor)) = value {
        value = match tensor {
            Tensor::Call(call) => {
                return (call.function.gives == methods::Gives::Several).then_some(call.function.name);
            }
            Tensor::Block(block) => block.value.as_ref(),
            Tensor::If(choice) => choice.then.value.as_ref(),
            _ => None,
        };
    }
    None
}
