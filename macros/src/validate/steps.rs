//! From the optimizers and programs of a model to data without mistakes: which part an optimizer trains, what a program
//! takes, does and gives. Which values a gradient reaches is for `flow.rs` to say.

use std::collections::HashSet;

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::{Attribute, Expr, ExprTuple, ExprUnary, Stmt, UnOp, Visibility};

use super::certain::{self, Certain};
use super::flow;
use super::forward::Whole;
use super::names::Names;
use super::paths::{Cut, Given};
use super::scope::{Binding, Scope};
use super::{Layer, LayerKind, list};
use crate::ast::{self, Argument, Extents, Input, Member, Mode, Node, Place, Sequence};
use crate::body::{Access, Block, Forward, Helper, Step};
use crate::layers::one_slip;
use crate::mistakes::{Mistakes, spaced};
use crate::naming::KILN;
use crate::optimizers::{Kind, Known, MISSING};

/// The optimizers and programs of a model.
#[derive(Default)]
pub struct Steps {
    pub optimizers: Vec<Optimizer>,
    pub programs: Vec<Program>,
    /// Losses that are cut from what is minimized.
    pub cut: Vec<Cut>,
    pub warnings: Vec<Warning>,
}

/// A field that holds an optimizer's settings.
pub struct Optimizer {
    pub attributes: Vec<Attribute>,
    pub visibility: Visibility,
    pub name: Ident,
    /// The type.
    pub ty: TokenStream,
    /// The settings: a constant.
    pub value: TokenStream,
    /// What is set when a model is made: calls on the value.
    pub later: TokenStream,
    /// Where errors about its settings are reported.
    pub place: Place,
    pub parts: Vec<Part>,
}

/// Something that an optimizer trains.
pub struct Part {
    /// The way to a layer, a list or a sub-model,
    pub access: Access,
    /// and from there the fields of models that were declared elsewhere.
    pub inside: Vec<syn::Member>,
    /// As the user wrote it.
    pub text: String,
}

/// A program.
pub struct Program {
    pub mode: Mode,
    pub attributes: Vec<Attribute>,
    pub name: Ident,
    pub inputs: Vec<Input>,
    pub results: Vec<Output>,
    pub body: Block,
}

/// A result of a program.
pub struct Output {
    pub name: Ident,
    /// What its type is, as far as the text tells.
    pub certain: Certain,
}

/// What becomes of a model's optimizers and programs.
pub struct Resolved {
    pub steps: Steps,
    /// The fields that programs apply.
    pub used: Vec<String>,
    /// The functions of the model that programs call.
    pub called: Vec<usize>,
}

/// Something that rustc is to warn of.
pub struct Warning {
    pub name: Ident,
    /// What is said of it in a word: `unused`.
    pub kind: &'static str,
    pub note: String,
}

/// The methods of a trainer that a program can not hide.
pub const RESERVED: &[&str] = &[
    "cached_programs",
    "call",
    "gradient",
    "graph_dot",
    "graph_html",
    "into_model",
    "learning_rate",
    "load",
    "model",
    "plan",
    "profile",
    "report_metric",
    "save",
    "set_group_learning_rate",
    "set_learning_rate",
    "tuning",
    "update_bn",
    "update_bn_batches",
    "use_averaged",
];

/// The model that programs are of.
#[derive(Clone, Copy)]
pub struct Model<'a> {
    pub layers: &'a Sequence<Layer>,
    /// The model's functions as they were read,
    pub helpers: &'a [ast::Helper],
    /// and as they were resolved.
    pub functions: &'a [Helper],
    pub forward: Option<&'a Forward>,
    /// The types of what the model gives, if it says.
    pub outputs: &'a [Extents],
    /// The model itself, if it can be applied.
    pub whole: Option<&'a Whole>,
    /// Whether each const parameter has a default.
    pub has_defaults: bool,
    /// The names that may be free extents.
    pub free: &'a [proc_macro2::Ident],
}

/// Resolves the optimizers and programs over their model.
pub fn steps(
    optimizers: Vec<Member<ast::Layer>>,
    programs: Vec<ast::Program>,
    model: Model<'_>,
    mistakes: &mut Mistakes,
) -> Resolved {
    let Model { layers, helpers, functions, .. } = model;
    if let (Some(first), true) = (optimizers.first(), programs.is_empty()) {
        let name = &first.name;
        let message = format!(
            "an optimizer works in a `step`: write `step update(x: [N, ..]) -> loss {{ .. {}.minimize(loss); }}` behind the \
             struct",
            spaced(name)
        );
        mistakes.at(name, message);
    }
    let count = optimizers.len();
    let mut steps = Steps::default();
    steps.optimizers.extend(optimizers.into_iter().filter_map(|field| optimizer(field, layers, mistakes)));
    let (mut used, mut called, mut minimizing) = (Vec::new(), Vec::new(), Vec::new());
    let complete = steps.optimizers.len() == count && functions.len() == helpers.len();
    let mut right = complete;
    let mut names: Vec<String> = Vec::new();
    for program in programs {
        let name = program.name.unraw().to_string();
        if RESERVED.contains(&name.as_str()) {
            mistakes.at(&program.name, format!("the trainer has a method `{name}` already: choose another name"));
        } else if names.contains(&name) {
            mistakes.at(&program.name, format!("the name `{name}` is given twice"));
        }
        names.push(name);
        if !complete {
            steps.programs.push(unread(program));
            continue;
        }
        let read = self::program(program, &steps.optimizers, model, mistakes);
        right &= read.complete;
        used.extend(read.used);
        called.extend(read.called);
        minimizing.extend(read.minimizing);
        steps.programs.push(read.program);
    }
    if right {
        trace(&mut steps, model);
        if !model.has_defaults {
            steps.programs.iter().for_each(|program| unknown_types(program, mistakes));
        }
        steps.warnings.extend(idle(&steps.optimizers, &minimizing));
    }
    Resolved { steps, used, called }
}

/// A program for the fallback, which needs to know what it takes and gives.
fn unread(program: ast::Program) -> Program {
    let ast::Program { mode, attributes, name, inputs, results, .. } = program;
    let body = Block { statements: Vec::new(), value: None, cuts: None, evaluates: false };
    let results = results.into_iter().map(|name| Output { name, certain: Certain::default() }).collect();
    Program { mode, attributes, name, inputs, results, body }
}

/// Results of a model whose const parameters have no defaults, with which rustc could find out what they are.
fn unknown_types(program: &Program, mistakes: &mut Mistakes) {
    for Output { name, .. } in program.results.iter().filter(|result| !result.certain.is_type()) {
        let message = format!(
            "what `{name}` holds can not be seen here, and rustc finds it with numbers for the model's const parameters \
             only: give each a default, as in `const C: usize = 8`"
        );
        mistakes.at(name, message);
    }
}

/// Follows the values of all programs from the layers to the losses.
fn trace(steps: &mut Steps, model: Model<'_>) {
    let Steps { optimizers, programs, cut, warnings } = steps;
    let (mut changed, mut applied, mut minimizes) = (HashSet::new(), HashSet::new(), false);
    for program in programs {
        let flow = flow::follow(program, optimizers, model);
        let results = certain::results(program, model);
        for (output, certain) in program.results.iter_mut().zip(results) {
            output.certain = certain;
        }
        minimizes |= flow.minimizes;
        cut.extend(flow.cut);
        changed.extend(flow.reached);
        changed.extend(flow.written);
        applied.extend(flow.applied);
    }
    // A model that minimizes nothing is meant to be evaluated, or to give gradients in its inputs.
    if !minimizes || !cut.is_empty() {
        return;
    }
    for member in &model.layers.members {
        let syn::Member::Named(name) = &member.name else { continue };
        let text = crate::expand::segment(&member.name);
        if applied.contains(&text) && !changed.contains(&text) && has_parameters(&member.node) {
            let whose = if is_known(&member.node) { "the parameters of" } else { "what parameters there are in" };
            let name_of = name.unraw();
            let note = format!(
                "no loss that an optimizer minimizes reaches {whose} `{name_of}`: they stay as they are initialised"
            );
            warnings.push(Warning { name: name.clone(), kind: "untrained", note });
        }
    }
}

/// Whether something is trained in a node; of other models it is not known.
pub fn has_parameters(node: &Node<Layer>) -> bool {
    match node {
        // One that says whether it is trained means it.
        Node::Layer(Layer { requires_grad: Some(_), .. }) => false,
        Node::Layer(layer) => match &layer.kind {
            LayerKind::Known { parameters, .. } => *parameters,
            LayerKind::Model => true,
        },
        Node::List { element, .. } => has_parameters(element),
        Node::Sequence(inner) => inner.members.iter().any(|member| has_parameters(&member.node)),
    }
}

/// Whether all layers in a node are Kiln's: whether it is known which parameters there are.
fn is_known(node: &Node<Layer>) -> bool {
    match node {
        Node::Layer(layer) => matches!(layer.kind, LayerKind::Known { .. }),
        Node::List { element, .. } => is_known(element),
        Node::Sequence(inner) => inner.members.iter().all(|member| is_known(&member.node)),
    }
}

/// The optimizers that minimize nothing.
fn idle(optimizers: &[Optimizer], minimizing: &[usize]) -> Vec<Warning> {
    let idle = optimizers.iter().enumerate().filter(|(number, _)| !minimizing.contains(number));
    let warning = |(_, optimizer): (usize, &Optimizer)| {
        let name = optimizer.name.clone();
        let note = format!("the optimizer `{}` minimizes nothing in any step", name.unraw());
        Warning { name, kind: "unused", note }
    };
    idle.map(warning).collect()
}

/// `Adam(generator, lr = 2e-4, betas = (0.5, 0.999))`
fn optimizer(field: Member<ast::Layer>, layers: &Sequence<Layer>, mistakes: &mut Mistakes) -> Option<Optimizer> {
    let Member { attributes, visibility, name, node } = field;
    let (syn::Member::Named(name), Node::Layer(layer)) = (name, node) else { return None };
    let written = &layer.path.segments.last()?.ident;
    if !crate::optimizers::is_optimizer(&written.to_string()) {
        // It has been told of.
        return None;
    }
    let Some(known) = Known::find(&written.to_string()) else {
        let message = if written == "SGD" {
            "Kiln writes it `Sgd`".to_string()
        } else {
            let instead = MISSING.iter().find(|(name, _)| written == name).map_or("", |(_, instead)| instead);
            format!("Kiln does not have PyTorch's `{written}`: {instead}")
        };
        mistakes.at(written, message);
        return None;
    };
    let (mut settings, mut later) = (Vec::new(), Vec::new());
    let mut parts = None;
    let mut right = true;
    for Argument { name: option, value } in &layer.arguments {
        let Some(option) = option else {
            if parts.is_some() {
                let message =
                    format!("options have names: {}; several parts stand in parentheses, `(a, b)`", options(known));
                mistakes.at(value, message);
                right = false;
            } else {
                parts = Some(self::parts(value, layers, mistakes));
            }
            continue;
        };
        match known.all_options().find(|(name, _)| option == name) {
            None => {
                let near = known.all_options().find(|(name, _)| one_slip(name, &option.to_string()));
                let hint = near.map(|(near, _)| format!("; did you mean `{near}`?")).unwrap_or_default();
                mistakes
                    .at(option, format!("unknown option `{option}`{hint} ({} takes {})", known.name, options(known)));
                right = false;
            }
            Some((name, kind)) => match setting(name, kind, value) {
                Ok(setting) if matches!(kind, Kind::Schedule | Kind::Groups | Kind::Others) => later.push(setting),
                Ok(setting) => settings.push(setting),
                Err(message) => {
                    mistakes.at(value, message);
                    right = false;
                }
            },
        }
    }
    let Some(parts) = parts else {
        let message = format!(
            "`{written}` does not say what it trains: name a part of the model first, as in `{written}(PART, lr = 1e-3)`"
        );
        mistakes.at(written, message);
        return None;
    };
    let parts = parts?;
    let path = &layer.path;
    let ty = if path.get_ident().is_some() { quote!(#KILN::optimizers::#path) } else { quote!(#path) };
    let value = quote!(<#ty>::DEFAULT #(#settings)*);
    let later = quote!(#(#later)*);
    right.then_some(Optimizer { attributes, visibility, name, ty, value, later, place: layer.place, parts })
}

fn options(known: &Known) -> String {
    list(known.all_options().map(|(name, _)| format!("`{name}`")))
}

/// A builder call on the settings.
fn setting(name: &str, kind: Kind, value: &Expr) -> Result<TokenStream, String> {
    let method = Ident::new(name, proc_macro2::Span::call_site());
    let wrong = |expected: &str| Err(format!("`{name}` is {expected}, not `{}`", spaced(value)));
    let unsigned = match value {
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => expr,
        value => value,
    };
    let literal = match unsigned {
        Expr::Lit(literal) => Some(&literal.lit),
        _ => None,
    };
    match kind {
        Kind::Flag => match literal {
            None | Some(syn::Lit::Bool(_)) => Ok(quote!(.#method(#value))),
            Some(_) => wrong("`true` or `false`"),
        },
        Kind::Number => match literal {
            None | Some(syn::Lit::Float(_)) => Ok(quote!(.#method(#value))),
            Some(syn::Lit::Int(_)) => Ok(quote!(.#method((#value) as f64))),
            Some(_) => wrong("a number"),
        },
        Kind::Pair => match value {
            Expr::Tuple(ExprTuple { elems, .. }) if elems.len() == 2 => {
                let (first, second) = (&elems[0], &elems[1]);
                Ok(quote!(.#method((#first) as f64, (#second) as f64)))
            }
            _ => wrong("a pair of numbers like `(0.9, 0.999)`"),
        },
        Kind::Count => match literal {
            None | Some(syn::Lit::Int(_)) => Ok(quote!(.#method(#value))),
            Some(_) => wrong("a whole number"),
        },
        Kind::Counts => match value {
            Expr::Tuple(ExprTuple { elems, .. }) if elems.len() == 2 => {
                let (first, second) = (&elems[0], &elems[1]);
                Ok(quote!(.#method(#first, #second)))
            }
            _ => wrong("a pair of whole numbers like `(100, 10)`"),
        },
        Kind::Schedule => match literal {
            None => Ok(quote!(.#method(#value))),
            Some(_) => wrong("a schedule like `CosineAnnealingLR::new(1000)`"),
        },
        Kind::Triple => match value {
            Expr::Tuple(ExprTuple { elems, .. }) if elems.len() == 3 => {
                let elems = elems.iter();
                Ok(quote!(.#method(#((#elems) as f64),*)))
            }
            _ => wrong("three numbers like `(3.4445, -4.775, 2.0315)`"),
        },
        Kind::Word(words) => {
            let found =
                words.iter().find(|(word, _)| matches!(literal, Some(syn::Lit::Str(text)) if text.value() == *word));
            match found.and_then(|(_, path)| path.parse::<TokenStream>().ok()) {
                Some(path) => Ok(quote!(.#method(#KILN::optimizers::#path))),
                None => wrong(&list(words.iter().map(|(word, _)| format!("`\"{word}\"`"))).replace(" and ", " or ")),
            }
        }
        Kind::Groups => match pairs(value, &Ident::new("group", proc_macro2::Span::call_site())) {
            Some(groups) => Ok(groups),
            None => wrong("a list like `[(Select::biases(), |rule| rule.weight_decay(0.0))]`"),
        },
        Kind::Others => match pairs(value, &method) {
            Some(others) => Ok(others),
            None => wrong("a list like `[(Select::biases(), Sgd::new(0.1))]`"),
        },
    }
}

/// A call of the method for each pair of a list.
fn pairs(value: &Expr, method: &Ident) -> Option<TokenStream> {
    let Expr::Array(list) = value else { return None };
    let pair = |pair: &Expr| match pair {
        Expr::Tuple(ExprTuple { elems, .. }) if elems.len() == 2 => {
            let (select, rule) = (&elems[0], &elems[1]);
            Some(quote!(.#method(#select, #rule)))
        }
        _ => None,
    };
    let calls = list.elems.iter().map(pair).collect::<Option<Vec<_>>>()?;
    Some(quote!(#(#calls)*))
}

/// One part, or several in parentheses.
fn parts(value: &Expr, layers: &Sequence<Layer>, mistakes: &mut Mistakes) -> Option<Vec<Part>> {
    let mut scope = Scope::new(layers, &[], mistakes);
    let expected =
        "an optimizer trains parts of the model: name fields, as in `generator`, `discriminator.features` or `(a, b)`";
    match value {
        Expr::Tuple(tuple) => {
            let parts: Vec<Option<Part>> = tuple.elems.iter().map(|one| part(one, &mut scope, expected)).collect();
            parts.into_iter().collect()
        }
        Expr::Paren(inner) => Some(vec![part(&inner.expr, &mut scope, expected)?]),
        Expr::Path(path) if path.path.is_ident("self") => Some(all_parts(layers)),
        one => Some(vec![part(one, &mut scope, expected)?]),
    }
}

/// All fields of the model: PyTorch's `self.parameters()`.
fn all_parts(layers: &Sequence<Layer>) -> Vec<Part> {
    let members = layers.members.iter().filter(|member| has_parameters(&member.node));
    let part = |member: &Member<Layer>| {
        let access = Access { steps: vec![Step::Member(member.name.clone())] };
        Part { access, inside: Vec::new(), text: crate::expand::segment(&member.name) }
    };
    members.map(part).collect()
}

/// `discriminator.features`; what was expected is said where it is no part.
pub fn part(value: &Expr, scope: &mut Scope<'_>, expected: &str) -> Option<Part> {
    let text = spaced(value);
    if let Expr::Field(field) = value {
        let base = part(&field.base, scope, expected)?;
        let is_model = |node: &Node<Layer>| matches!(node, Node::Layer(Layer { kind: LayerKind::Model, .. }));
        if !base.inside.is_empty() || base.access.find(scope.layers).is_some_and(is_model) {
            let mut inside = base.inside;
            inside.push(field.member.clone());
            return Some(Part { access: base.access, inside, text });
        }
    }
    if let Expr::MethodCall(call) = value
        && call.method == "parameters"
        && call.args.is_empty()
    {
        let of = spaced(&call.receiver);
        return scope.mistake(value, format!("parts of the model are named without `parameters()`: write `{of}`"));
    }
    let before = scope.complete;
    match scope.layer(value) {
        Some(access) => Some(Part { access, inside: Vec::new(), text }),
        None if scope.complete && before => scope.mistake(value, expected),
        None => None,
    }
}

/// A program and what it uses.
struct Read {
    program: Program,
    used: Vec<String>,
    called: Vec<usize>,
    minimizing: Vec<usize>,
    /// Whether there was no mistake.
    complete: bool,
}

fn program(program: ast::Program, optimizers: &[Optimizer], model: Model<'_>, mistakes: &mut Mistakes) -> Read {
    let ast::Program { mode, attributes, keyword, name, inputs, results, statements } = program;
    let mut names: Vec<(String, Binding)> =
        optimizers.iter().enumerate().map(|(number, of)| (of.name.to_string(), Binding::Optimizer(number))).collect();
    let mut scope = Scope::new(model.layers, model.helpers, mistakes);
    scope.whole = model.whole;
    scope.know(inputs.iter().map(|input| &input.extents), model.free, quote!(#(#statements)*));
    let mut distinct: Vec<Input> = Vec::new();
    for input in inputs {
        names.push((input.name.to_string(), Binding::Tensor));
        if distinct.iter().any(|other| other.name == input.name) {
            scope.mistake::<()>(&input.name, format!("the name `{}` is given twice", input.name));
        } else {
            distinct.push(input);
        }
    }
    let inputs = distinct;
    (scope.names, scope.function, scope.updates) = (Names::of(names), name.to_string(), mode == Mode::Train);
    // A body that could not be read is a mistake already, and so are its results.
    let is_unread = matches!(statements.first(), Some(Stmt::Expr(Expr::Verbatim(_), _)));
    let body = match statements.split_last() {
        _ if is_unread => {
            scope.complete = false;
            scope.statements(&[], false)
        }
        Some((Stmt::Expr(last, None), before)) if !matches!(last, Expr::ForLoop(_) | Expr::If(_) | Expr::Block(_)) => {
            let message = format!(
                "a program gives values by their names: `let result = ..;` and `{keyword} {name}(..) -> result`"
            );
            scope.mistake::<()>(last, message);
            scope.statements(before, false)
        }
        _ => scope.statements(&statements, false),
    };
    let mut outputs: Vec<Output> = Vec::new();
    for result in results {
        let text = result.to_string();
        let known = scope.names.find(&text).map(|place| scope.names.at(place).clone());
        match known {
            _ if outputs.iter().any(|output| output.name == result) => {
                scope.mistake::<()>(&result, format!("`{result}` is given twice"));
            }
            Some(Binding::Tensor) => {}
            Some(Binding::Unknown) => {}
            None if is_unread => {}
            Some(Binding::Number) if !scope.complete => {}
            Some(Binding::Number) => {
                scope.mistake::<()>(&result, format!("`{result}` is a constant number: a result is a tensor"));
            }
            Some(Binding::List) => {
                let message = format!(
                    "`{result}` is a list of tensors, and a result is one: give `stack({result}, dim = 1)` a name"
                );
                scope.mistake::<()>(&result, message);
            }
            Some(Binding::Layer(_) | Binding::Optimizer(_)) | None => {
                let message = format!(
                    "`{result}` is no value of the body: a result is an input, or a name that a `let` outside of loops and \
                     blocks gives to a tensor"
                );
                scope.mistake::<()>(&result, message);
            }
        }
        outputs.push(Output { name: result, certain: Certain::default() });
    }
    if scope.complete && outputs.is_empty() && scope.minimizing.is_empty() && !scope.transfers {
        let message = match mode {
            Mode::Train => format!(
                "the step `{name}` does nothing: it minimizes no loss and gives no result; write `OPTIMIZER.minimize(loss);`, \
                 `PART.copy_from(PART);`, or `-> RESULT` behind its inputs"
            ),
            Mode::Eval => format!("the program `{name}` gives no result: write `-> RESULT` behind its inputs"),
        };
        scope.mistake::<()>(&name, message);
    }
    let Scope { used, calls, minimizing, complete, .. } = scope;
    let called = calls.into_iter().map(|(function, _)| function).collect();
    let program = Program { mode, attributes, name, inputs, results: outputs, body };
    Read { program, used, called, minimizing, complete }
}

impl Optimizer {
    /// The parts, as ways that a value may come from.
    pub fn trains(&self) -> Vec<Given> {
        self.parts.iter().map(Part::given).collect()
    }
}

impl Part {
    pub fn given(&self) -> Given {
        let inside = self.inside.iter().map(|member| Some(crate::expand::segment(member)));
        let mut given = Given::of(&self.access);
        given.way.extend(inside);
        given
    }
}
