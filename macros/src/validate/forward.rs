//! From the statements of a body to one without mistakes: which names are in scope and what they stand for.

use proc_macro2::{Ident, Span};
use syn::{Expr, ExprIf, ExprMethodCall, Pat, Stmt};

use super::Layer;
use super::names::Names;
use super::scope::{Binding, Scope};
use crate::ast::{self, Extents, Node, ParameterKind, Place, Sequence, Style};
use crate::body::{Apply, Argument, Block, Call, Forward, Helper, If, Statement, Tensor, Value};
use crate::free::Origin;
use crate::layers::Applied;
use crate::methods::{self, Function};
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
    let Types { inputs, free } = types;
    scope.know(inputs, free);
    let forward = forward.map(|ast::Forward { inputs, body }| {
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

/// What a model takes and gives where it is applied as a whole.
pub struct Whole {
    /// The names of the inputs.
    pub inputs: Vec<String>,
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
    pub fn of(forward: Option<&ast::Forward>, outputs: usize) -> Whole {
        let inputs = forward.map(|forward| forward.inputs.iter().map(ToString::to_string).collect());
        Whole { inputs: inputs.unwrap_or_else(|| vec!["input".to_string()]), outputs: outputs.max(1) }
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
        self.know(types_of(&helper.parameters), free);
        let names = helper.parameters.iter().map(|parameter| {
            let binding = match &parameter.kind {
                ParameterKind::Tensor(_) => Binding::Tensor,
                ParameterKind::Number(ty) => {
                    if matches!(ty, syn::Type::Path(path) if path.path.is_ident("usize")) {
                        self.extents.push((parameter.name.to_string(), Origin::Extent));
                    }
                    Binding::Number
                }
            };
            (parameter.name.to_string(), binding)
        });
        let (names, results) = (names.collect(), helper_results(helper));
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
        let found = if found == 1 { "this is one tensor".to_string() } else { format!("these are {found} tensors") };
        self.mistake(at, format!("{who} {expected}, and {found}"))
    }

    /// How many values an expression gives, if that can be seen here.
    fn results(&self, tensor: &Tensor) -> Option<usize> {
        match tensor {
            Tensor::Variable(_) | Tensor::Parameter(_) | Tensor::Loss(_) | Tensor::Gradient(_) => Some(1),
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
        let mut block = Block { statements: Vec::new(), value: None, cuts: None, evaluates: false };
        for (position, statement) in statements.iter().enumerate() {
            let last = position + 1 == statements.len();
            match statement {
                Stmt::Expr(value, None) if last && wants_value && !matches!(value, Expr::ForLoop(_)) => {
                    block.value = self.values(value);
                }
                Stmt::Expr(expression, _) => block.statements.extend(self.statement(expression)),
                Stmt::Local(local) => block.statements.extend(self.declare(local)),
                Stmt::Item(item) => {
                    self.mistake::<()>(item, "items stand outside of `model!`");
                }
                Stmt::Macro(call) => {
                    self.mistake::<()>(call, "a network's functions call no macros");
                }
            }
        }
        block
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
    fn leaves_cut(&self, name: &Ident) -> bool {
        let place = self.names.find(&name.to_string());
        self.cuts.last().is_some_and(|outer| place.is_some_and(|place| place < *outer))
    }

    fn declare(&mut self, local: &syn::Local) -> Option<Statement> {
        let value = match &local.init {
            Some(init) if init.diverge.is_none() => self.values(&init.expr),
            _ => self.mistake(local, "expected a value: `let NAME = ..;`"),
        };
        let origin = local.init.as_ref().map_or(Origin::Constant, |init| self.origin(&init.expr));
        let name = match &local.pat {
            Pat::Ident(pattern) => pattern.ident.clone(),
            Pat::Tuple(pattern) => return self.unpack_new(local, pattern, value),
            other => return self.mistake(other, "expected one name or several in parentheses: `let NAME = ..;`"),
        };
        let binding = match &value {
            Some(Value::Number(_)) => Binding::Number,
            Some(value) => {
                let message = format!("`{name}` is a name for");
                match self.gives(value, 1, local.init.as_ref().map(|init| &init.expr), &message) {
                    Some(()) => Binding::Tensor,
                    None => Binding::Unknown,
                }
            }
            None => Binding::Unknown,
        };
        self.names.declare(&name.to_string(), binding);
        self.extents.push((name.to_string(), origin));
        Some(Statement::Set { declares: true, name, value: value? })
    }

    /// `let (a, b) = value;`
    fn unpack_new(&mut self, local: &syn::Local, pattern: &syn::PatTuple, value: Option<Value>) -> Option<Statement> {
        let parts = self.parts_of(value.as_ref());
        let mut names = Vec::new();
        for (position, element) in pattern.elems.iter().enumerate() {
            let count = parts.get(position).copied().unwrap_or(1);
            match element {
                Pat::Ident(name) if count == 1 => names.push(Some(name.ident.clone())),
                Pat::Wild(_) => names.extend(vec![None; count]),
                Pat::Tuple(inner) if count > 1 && inner.elems.len() == count => {
                    for element in &inner.elems {
                        names.push(match element {
                            Pat::Ident(name) => Some(name.ident.clone()),
                            Pat::Wild(_) => None,
                            other => return self.mistake(other, "expected a name: `let (a, (b, c)) = ..;`"),
                        });
                    }
                }
                other if count > 1 => {
                    for name in pattern
                        .elems
                        .iter()
                        .filter_map(|name| if let Pat::Ident(name) = name { Some(name) } else { None })
                    {
                        self.names.declare(&name.ident.to_string(), Binding::Unknown);
                    }
                    return self.mistake(other, format!("this is for {count} tensors: write `(h, c)`, or `_`"));
                }
                other => return self.mistake(other, "expected a name: `let (a, b) = ..;`"),
            }
        }
        let fits = value.as_ref().and_then(|value| self.gives(value, names.len(), local, "these are names for"));
        for name in names.iter().flatten() {
            let binding = if fits.is_some() { Binding::Tensor } else { Binding::Unknown };
            self.names.declare(&name.to_string(), binding);
        }
        Some(Statement::Unpack { declares: true, names, value: value?, cuts: false })
    }

    fn statement(&mut self, expression: &Expr) -> Option<Statement> {
        match expression {
            Expr::Assign(assign) => match &*assign.left {
                Expr::Tuple(names) => self.unpack(names, assign),
                left => {
                    let value = self.value(&assign.right);
                    let origin = self.origin(&assign.right);
                    self.now(left, origin);
                    self.assign(left, value?)
                }
            },
            Expr::Binary(binary) if super::expressions::compound(&binary.op).is_some() => {
                let value = self.binary(binary);
                let origin = self.origin(&binary.left).and(self.origin(&binary.right));
                self.now(&binary.left, origin);
                self.assign(&binary.left, value?)
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
                self.assign(&call.receiver, Value::Tensor(tensor))
            }
            Expr::MethodCall(call) if self.optimizer(&call.receiver).is_some() => self.minimize(call),
            Expr::MethodCall(call) if call.method == "minimize" => self.no_optimizer(call),
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

    /// `(a, b) = value`
    fn unpack(&mut self, left: &syn::ExprTuple, assign: &syn::ExprAssign) -> Option<Statement> {
        let value = self.values(&assign.right);
        let mut names = Vec::new();
        let parts = self.parts_of(value.as_ref());
        for (position, element) in left.elems.iter().enumerate() {
            let count = parts.get(position).copied().unwrap_or(1);
            match element {
                Expr::Infer(_) => names.extend(vec![None; count]),
                Expr::Tuple(inner) if count > 1 && inner.elems.len() == count => {
                    for element in &inner.elems {
                        names.push(match element {
                            Expr::Infer(_) => None,
                            other => Some(self.assignable(other, true)?),
                        });
                    }
                }
                other if count > 1 => {
                    return self.mistake(other, format!("this is for {count} tensors: write `(h, c)`, or `_`"));
                }
                other => names.push(Some(self.assignable(other, true)?)),
            }
        }
        let value = value?;
        self.gives(&value, names.len(), assign, "these are names for")?;
        let cuts = names.iter().flatten().any(|name| self.leaves_cut(name));
        Some(Statement::Unpack { declares: false, names, value, cuts })
    }

    /// `name = value`
    fn assign(&mut self, target: &Expr, value: Value) -> Option<Statement> {
        let name = self.assignable(target, matches!(value, Value::Tensor(_)))?;
        let value = match value {
            Value::Tensor(tensor) if self.leaves_cut(&name) => {
                Value::Tensor(detached(tensor, name.span(), "", Place::of(target)))
            }
            other => other,
        };
        Some(Statement::Set { declares: false, name, value })
    }

    /// The name in scope that can be given another tensor, or another number.
    fn assignable(&mut self, target: &Expr, tensor: bool) -> Option<Ident> {
        let name = match target {
            Expr::Path(path) => path.path.get_ident(),
            _ => None,
        };
        let Some(name) = name else {
            return self.mistake(target, "values are immutable: only a name can be given a new value, as in `x = ..`");
        };
        let message = match self.find(name) {
            Some(Binding::Tensor) if tensor => return Some(name.clone()),
            Some(Binding::Number) if !tensor => return Some(name.clone()),
            Some(Binding::Tensor) => format!("`{name}` is a tensor and can not become a number; use another name"),
            Some(Binding::Number) => format!("`{name}` is a number and can not become a tensor; use another name"),
            Some(Binding::Layer(_)) => format!("`{name}` is a layer, and can not be given a value"),
            Some(Binding::Optimizer(_)) => format!("`{name}` is an optimizer, and can not be given a value"),
            Some(Binding::Unknown) => return None,
            None => return self.not_in_scope(name),
        };
        self.mistake(name, message)
    }

    /// `x.zero_()`
    pub fn in_place<T>(&mut self, call: &ExprMethodCall) -> Option<T> {
        let (tensor, method) = (spaced(&call.receiver), call.method.to_string());
        let argument = (!call.args.is_empty()).then(|| spaced(&call.args));
        let message = match methods::instead(&method, &tensor, argument.as_deref()) {
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

/// `tensor.detach()`
fn detached(tensor: Tensor, name: Span, text: &str, place: Place) -> Tensor {
    let function = Function::find("detach").expect("a row of the table");
    let (arguments, text) = (vec![Argument::Tensor(tensor)], text.to_string());
    Tensor::Call(Box::new(Call { function, name, arguments, text, place }))
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
