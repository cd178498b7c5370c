//! From the syntax tree to layers whose names, arguments and options are right, or the list of what is wrong with them.
//! Knows the table of layers, and nothing of what a shape is.

mod applied;
mod arguments;
mod assign;
mod calls;
mod certain;
mod comments;
mod expressions;
mod extents;
mod flow;
mod forward;
mod fractions;
mod functions;
mod inside;
mod lists;
mod loops;
mod names;
mod nested;
mod numbers;
mod paths;
mod rounded;
mod scope;
mod several;
mod steps;
mod training;
mod transfers;
mod unread;

pub use calls::batch;
pub use expressions::round;

use std::collections::HashSet;

use proc_macro2::{Literal, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Expr, GenericArgument, GenericParam, Type, Visibility};

use crate::ast::{self, Declaration, Form, Member, Node, Parsed, Place, Sequence};
use crate::body::{Block, Forward, Helper};
use crate::layers::{Applied, FUNCTIONS, INSTEAD, Known, Method};
use crate::mistakes::{Mistakes, spaced};
use crate::optimizers;

use self::forward::Whole;

pub use self::certain::{Certain, Element};
pub use self::paths::Cut;
pub use self::steps::{Optimizer, Output, Part, Program, Steps, Warning};

/// A declaration that can be expanded.
pub type Validated = Declaration<Layer, Forward, Helper, Steps>;

/// A layer that can be expanded.
pub struct Layer {
    /// Its number among the layers of the declaration.
    pub id: usize,
    /// Its type.
    pub ty: TokenStream,
    pub kind: LayerKind,
    /// Whether its parameters are trained, if it says.
    pub requires_grad: Option<Expr>,
    /// Where errors about its shape are reported.
    pub place: Place,
}

/// What a type is.
pub enum LayerKind {
    /// A layer of Kiln with its settings, their type and their value.
    Known {
        settings_type: TokenStream,
        settings: TokenStream,
        /// The options that decide on which parameters there are, as they were written.
        structure: Vec<(&'static str, String)>,
        /// Whether its input is indices.
        indexed: bool,
        /// How it is applied, if it takes or gives more than one tensor.
        applied: Option<&'static Applied>,
        /// What else it computes, as methods of a body.
        methods: &'static [Method],
        /// Its parameters that a body may use as values.
        values: &'static [&'static str],
        /// Whether it has parameters that are trained.
        parameters: bool,
    },
    /// A model: the user's own, or another crate's.
    Model,
}

/// Checks a whole declaration. Where there are mistakes, the result serves the fallback only: a wrong layer has the
/// type `()`.
pub fn validate(declaration: Parsed, mistakes: &mut Mistakes) -> Validated {
    let Declaration {
        form,
        attributes,
        visibility,
        name,
        kiln,
        generics,
        inputs,
        outputs,
        body,
        helpers,
        forward,
        steps,
    } = declaration;
    let (optimizers, body) = split(body, form, mistakes);
    for parameter in &generics.params {
        match parameter {
            GenericParam::Const(_) => {}
            GenericParam::Type(_) | GenericParam::Lifetime(_) => mistakes.at(
                parameter,
                "a model takes const parameters only (`const C: usize`): its shapes are known while it compiles",
            ),
        }
    }
    // An enum or a union has been reported, and has no layers to look at.
    if body.members.is_empty() && mistakes.is_empty() {
        mistakes.at(&name, format!("`{name}` has no layers: a model has at least one"));
    }
    let is_plain = helpers.is_empty() && steps.is_empty() && optimizers.is_empty();
    if inputs.is_empty() && is_plain && mistakes.is_empty() {
        let message = format!(
            "`{name}` does not say what its input is: write `#[model(input = [..])]` on the struct, with the extents of \
             one sample (the batch axis N comes first and is implied)"
        );
        mistakes.at(&name, message);
    }
    let mut body = sequence(body, form, &mut 0, mistakes);
    if form == Form::Macro {
        refuse_computed_types(&mut body, &generics, mistakes);
    }
    if forward.is_none() && !inputs.is_empty() {
        refuse_parameters(&body, mistakes);
    }
    let whole = (!inputs.is_empty()).then(|| Whole::of(forward.as_ref(), &inputs, outputs.len()));
    refuse_two_of_a_name(&body, &helpers, mistakes);
    if inputs.is_empty() {
        refuse_public(&name, &helpers, mistakes);
    }
    let of_programs = steps.iter().flat_map(|program| program.inputs.iter().map(|input| &input.extents));
    let of_functions = helpers.iter().flat_map(|helper| crate::expand::declared_types(&helper.parameters));
    let of_functions = of_functions.map(|(_, extents)| extents);
    let free = crate::free::names(inputs.iter().chain(of_programs).chain(of_functions), &generics);
    let types = forward::Types { inputs: &inputs, free: &free };
    let mut unread = Vec::new();
    let bodies = forward.iter().map(|forward| &forward.body).chain(helpers.iter().map(|helper| &helper.body));
    bodies.for_each(|body| {
        unread::warnings(&body.stmts, &[], &mut unread);
        let statements = &body.stmts;
        comments::warnings(body.brace_token.span.join(), quote!(#(#statements)*), &mut unread);
    });
    steps.iter().for_each(|program| {
        unread::warnings(&program.statements, &program.results, &mut unread);
        let statements = &program.statements;
        comments::warnings_of_statements(quote!(#(#statements)*), &mut unread);
    });
    let resolved = forward::functions(forward, types, &helpers, whole.as_ref(), &steps, &body, mistakes);
    let forward::Functions { forward, helpers: mut functions, mut used, complete } = resolved;
    let has_steps = !steps.is_empty();
    let model = steps::Model {
        layers: &body,
        helpers: &helpers,
        functions: &functions,
        forward: forward.as_ref(),
        outputs: &outputs,
        whole: whole.as_ref(),
        has_defaults: has_default_for_each(&generics),
        free: &free,
    };
    // Programs say what their numbers meet where they are read.
    if let Some(forward) = &forward {
        certain::meet(forward.inputs.iter().zip(&inputs), &forward.body, model);
    }
    let read = steps::steps(optimizers, steps, model, mistakes);
    let steps::Resolved { mut steps, used: used_by_steps, called } = read;
    for function in &functions {
        certain::meet(crate::expand::declared_types(&function.parameters), &function.body, model);
    }
    used.extend(used_by_steps);
    for (position, function) in functions.iter_mut().enumerate() {
        function.called |= called.contains(&position);
    }
    if complete {
        let is_model = !inputs.is_empty();
        steps.warnings.extend(unused(&body, forward.is_some(), &used, is_model, has_steps));
        steps.warnings.extend(unread);
    }
    if let (Some(forward), false, true) = (&forward, has_steps, mistakes.is_empty()) {
        steps.cut.extend(untrainable(forward, &outputs, &functions, &body));
    }
    let helpers = if complete { functions } else { helpers.iter().map(unread_helper).collect() };
    Declaration { form, attributes, visibility, name, kiln, generics, inputs, outputs, body, helpers, forward, steps }
}

/// A function of a model with mistakes, for those who call it.
fn unread_helper(helper: &ast::Helper) -> Helper {
    let ast::Helper { visibility, name, parameters, results, .. } = helper;
    Helper {
        visibility: visibility.clone(),
        name: name.clone(),
        parameters: parameters.clone(),
        results: results.as_ref().map_or(1, Vec::len),
        declared: None,
        body: Block { statements: Vec::new(), value: None, cuts: None, evaluates: false },
        called: false,
    }
}

/// A model without a `forward` is no layer, so that no other model holds it and calls its functions.
fn refuse_public(name: &syn::Ident, helpers: &[ast::Helper], mistakes: &mut Mistakes) {
    for helper in helpers.iter().filter(|helper| !matches!(helper.visibility, Visibility::Inherited)) {
        let message = format!(
            "`pub` lets models call `{}` that hold `{name}`, and none can: it has no `forward`; leave `pub` out, or declare \
             `fn forward(x: [N, ..]) -> [N, ..] {{ .. }}`",
            helper.name
        );
        mistakes.at(&helper.visibility, message);
    }
}

/// What others see by one name is one thing: a field, or a function.
fn refuse_two_of_a_name(body: &Sequence<Layer>, helpers: &[ast::Helper], mistakes: &mut Mistakes) {
    for helper in helpers.iter().filter(|helper| !matches!(helper.visibility, Visibility::Inherited)) {
        let member = body.find(&syn::Member::Named(helper.name.clone()));
        if member.is_some_and(|member| !matches!(member.visibility, Visibility::Inherited)) {
            let name = &helper.name;
            let message = format!(
                "`{name}` is a field that others apply, too, so that `model.{name}(x)` would be either: give the function \
                 another name, or leave `pub` out at one of them"
            );
            mistakes.at(name, message);
        }
    }
}

/// Layers whose types, and lists whose lengths, compute with const parameters, which types of stable Rust do not. A number
/// stands in their place, so that rustc does not say it again.
fn refuse_computed_types(body: &mut Sequence<Layer>, generics: &syn::Generics, mistakes: &mut Mistakes) {
    let parameters: Vec<&syn::Ident> = generics.const_params().map(|parameter| &parameter.ident).collect();
    let mut refused = |computed: TokenStream| {
        let Some(parameter) = named_in(computed.clone(), &parameters) else { return false };
        let message = format!(
            "`{}` computes with the const parameter `{parameter}`, which a type of stable Rust can not: give the model one \
             more parameter, as in `<const {parameter}: usize, const WIDTH: usize>`, and write `WIDTH` here; whether they go \
             together is checked by the shapes",
            spaced(&computed)
        );
        mistakes.at(computed, message);
        true
    };
    let mut nodes: Vec<&mut Node<Layer>> = body.members.iter_mut().rev().map(|member| &mut member.node).collect();
    while let Some(node) = nodes.pop() {
        match node {
            Node::List { element, length } => {
                if !matches!(length, Expr::Path(_)) && refused(length.to_token_stream()) {
                    *length = syn::parse_quote!(1);
                }
                nodes.push(element);
            }
            Node::Sequence(inner) => nodes.extend(inner.members.iter_mut().rev().map(|member| &mut member.node)),
            Node::Layer(layer) => {
                let known = |token| match token {
                    TokenTree::Group(braced) if refused(braced.stream()) => Literal::usize_unsuffixed(1).into(),
                    token => token,
                };
                layer.ty = std::mem::take(&mut layer.ty).into_iter().map(known).collect();
            }
        }
    }
}

/// The first of some names that tokens hold.
fn named_in(tokens: TokenStream, names: &[&syn::Ident]) -> Option<String> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(name) => names.contains(&&name).then(|| name.to_string()),
        TokenTree::Group(group) => named_in(group.stream(), names),
        _ => None,
    })
}

/// Whether each const parameter has a default; also if there is none.
pub fn has_default_for_each(generics: &syn::Generics) -> bool {
    generics.params.iter().all(|parameter| matches!(parameter, GenericParam::Const(c) if c.default.is_some()))
}

/// The fields that are optimizers, and the layers. An optimizer is written by its name, or by a path that ends in it and
/// does not begin at the own crate; under another name it is told by the field that it trains.
fn split(
    body: Sequence<ast::Layer>,
    form: Form,
    mistakes: &mut Mistakes,
) -> (Vec<Member<ast::Layer>>, Sequence<ast::Layer>) {
    let Sequence { style, members, .. } = body;
    if form == Form::Derive {
        return (Vec::new(), Sequence::new(style, members));
    }
    let fields: Vec<String> = members.iter().map(|member| crate::expand::segment(&member.name)).collect();
    let (mut of_optimizers, mut of_layers) = (Vec::new(), Vec::new());
    for member in members {
        let (syn::Member::Named(_), Node::Layer(layer)) = (&member.name, &member.node) else {
            of_layers.push(member);
            continue;
        };
        let path = &layer.path;
        let Some(last) = path.segments.last().map(|last| last.ident.to_string()) else { continue };
        let first = layer.arguments.iter().find(|argument| argument.name.is_none());
        let field = first.and_then(|first| field_of(&first.value)).filter(|name| fields.contains(&name.to_string()));
        let is_optimizer = match path.get_ident() {
            Some(_) => optimizers::is_optimizer(&last),
            None if in_own_crate(path) => false,
            // A model of this name takes neither fields nor options.
            None => {
                let has_options = layer.arguments.iter().any(|argument| argument.name.is_some());
                optimizers::is_optimizer(&last) && (field.is_some() || has_options)
            }
        };
        if is_optimizer {
            of_optimizers.push(member);
        } else if let (Some(field), None) = (field, Known::find(&last)) {
            let message = format!(
                "`{field}` is a field of this model, and `{last}` no optimizer that a macro could know: if it is one under \
                 another name (`use .. as {last}`), write its own, as in `Adam({field}, lr = 1e-3)`"
            );
            mistakes.at(path, message);
            of_optimizers.push(member);
        } else {
            of_layers.push(member);
        }
    }
    (of_optimizers, Sequence::new(style, of_layers))
}

/// The field that an expression names the first part of: `features` in `(features, head)`, `body` in `body.head`.
fn field_of(value: &syn::Expr) -> Option<&syn::Ident> {
    match value {
        syn::Expr::Path(path) => path.path.get_ident(),
        syn::Expr::Field(field) => field_of(&field.base),
        syn::Expr::Index(index) => field_of(&index.expr),
        syn::Expr::Paren(inner) => field_of(&inner.expr),
        syn::Expr::Tuple(tuple) => tuple.elems.first().and_then(field_of),
        _ => None,
    }
}

/// Whether a path begins at the user's own crate.
fn in_own_crate(path: &syn::Path) -> bool {
    ["self", "super", "crate"].iter().any(|root| path.segments[0].ident == root)
}

/// The layers that can not be trained through the results of a `forward`, as it cuts them off without saying so.
fn untrainable(forward: &Forward, outputs: &[ast::Extents], helpers: &[Helper], body: &Sequence<Layer>) -> Vec<Cut> {
    let mut found = Vec::new();
    for (field, cuts) in flow::cut_off(forward, outputs, helpers) {
        let member = body.members.iter().find(|member| crate::expand::segment(&member.name) == field);
        let Some(member) = member.filter(|member| steps::has_parameters(&member.node)) else { continue };
        let message = format!(
            "no gradient reaches the parameters of `{field}` from the results of `forward`: where that is meant, write \
             `.detach()`"
        );
        found.push(Cut { place: Place::of(&member.name), message, cuts });
    }
    found
}

/// A warning for each field that neither `forward` nor a program applies, nor a function of the model, nor others that
/// hold it: they apply and train what is public.
fn unused(body: &Sequence<Layer>, has_forward: bool, used: &[String], is_model: bool, has_steps: bool) -> Vec<Warning> {
    // Layers are applied in order, or there are mistakes.
    let names = if has_forward || has_steps && !is_model { private_fields(body) } else { Vec::new() };
    let used: HashSet<&String> = used.iter().collect();
    let names = names.into_iter().filter(|name| !used.contains(&name.to_string()));
    let warning = |name: proc_macro2::Ident| {
        let what = if has_steps { "no program" } else { "`forward` never" };
        let note =
            format!("{what} applies the layer `{}`: its parameters are kept and saved, but not trained", name.unraw());
        Warning { name, kind: "unused", note }
    };
    names.map(warning).collect()
}

/// The names of the fields that no other module sees.
fn private_fields(body: &Sequence<Layer>) -> Vec<proc_macro2::Ident> {
    let names = body.members.iter().filter_map(|member| match (&member.name, &member.visibility) {
        (syn::Member::Named(name), Visibility::Inherited) => Some(name.clone()),
        _ => None,
    });
    names.collect()
}

fn sequence(sequence: Sequence<ast::Layer>, form: Form, count: &mut usize, mistakes: &mut Mistakes) -> Sequence<Layer> {
    let members = (sequence.members.into_iter())
        .map(|Member { attributes, visibility, name, node }| {
            let node = self::node(node, form, count, mistakes);
            Member { attributes, visibility, name, node }
        })
        .collect();
    Sequence::new(sequence.style, members)
}

fn node(node: Node<ast::Layer>, form: Form, count: &mut usize, mistakes: &mut Mistakes) -> Node<Layer> {
    match node {
        Node::Layer(layer) => {
            let is_meant_as_list = is_meant_as_list(&layer, form);
            let layer = Node::Layer(self::layer(layer, form, count, mistakes));
            if !is_meant_as_list {
                return layer;
            }
            // It was reported, and bodies go on as if it were one.
            Node::List { element: Box::new(layer), length: syn::parse_quote!(1) }
        }
        Node::List { element, length } => {
            Node::List { element: Box::new(self::node(*element, form, count, mistakes)), length }
        }
        Node::Sequence(inner) => {
            let inner = sequence(inner, form, count, mistakes);
            refuse_parameters(&inner, mistakes);
            Node::Sequence(inner)
        }
    }
}

/// A mistake for each parameter by itself among layers that are applied in order.
fn refuse_parameters(layers: &Sequence<Layer>, mistakes: &mut Mistakes) {
    for member in &layers.members {
        let mut node = &member.node;
        while let Node::List { element, .. } = node {
            node = element;
        }
        if let Node::Layer(layer @ Layer { kind: LayerKind::Known { values: [""], .. }, .. }) = node {
            let message = "a parameter by itself is a value, and not applied in order with layers: declare it in a \
                           struct with a `forward` of its own, and use it there by its name";
            mistakes.at(&layer.ty, message);
        }
    }
}

fn layer(mut layer: ast::Layer, form: Form, count: &mut usize, mistakes: &mut Mistakes) -> Layer {
    let place = layer.place;
    let requires_grad = arguments::requires_grad(&mut layer.arguments, mistakes);
    let resolved = match resolve(&layer, form, mistakes) {
        Resolved::Known(known) => arguments::known(known, layer, form, mistakes),
        Resolved::Model => model(layer, form, mistakes),
        Resolved::Wrong => None,
    };
    let (ty, kind) = resolved.unwrap_or((quote!(()), LayerKind::Model));
    *count += 1;
    Layer { id: *count, ty, kind, requires_grad, place }
}

enum Resolved {
    Known(&'static Known),
    Model,
    Wrong,
}

/// A name in the table is a layer of Kiln, whatever module it is taken from (`layers::Linear`), but for paths that start
/// at the user's own crate: these, and all other names, lead to models.
fn resolve(layer: &ast::Layer, form: Form, mistakes: &mut Mistakes) -> Resolved {
    let path = &layer.path;
    let Some(last) = path.segments.last() else { return Resolved::Wrong };
    let name = last.ident.to_string();
    if let Some(known) = Known::find(&name).filter(|_| !in_own_crate(path)) {
        return Resolved::Known(known);
    }
    if path.segments.len() > 1 {
        return Resolved::Model;
    }
    if let Some(element) = listed(&name, layer.generics.as_deref().unwrap_or_default()) {
        let message = format!(
            "a list of layers has a fixed length, so that every shape is known while the model compiles: write \
             `[{element}; COUNT]`"
        );
        mistakes.at(&last.ident, message);
        return Resolved::Wrong;
    }
    // Under the derive the name stands in a struct that rustc compiles as well: it knows whether there is such a type.
    if form == Form::Derive {
        return Resolved::Model;
    }
    let own = format!("a model of your own with this name is written with its path: `self::{name}`");
    let message = if optimizers::is_optimizer(&name) {
        format!("`{name}` is no layer: an optimizer is a field of the model by itself, `opt: {name}(PART, ..)` ({own})")
    } else if name == "ModuleList" {
        "a list of layers is an array: `[LAYER; COUNT]`".to_string()
    } else if let Some((_, call)) = FUNCTIONS.iter().find(|(layer, _)| *layer == name) {
        format!("`{name}` is no layer, as it is not of one tensor: a `forward` calls `{call}` ({own})")
    } else if let Some((_, instead)) = INSTEAD.iter().find(|(module, _)| *module == name) {
        format!("`{name}` is no layer of Kiln: {instead} ({own})")
    } else if let Some(known) = Known::nearest(&name) {
        format!("there is no layer `{name}`; did you mean `{}`? ({own})", known.name)
    } else {
        return Resolved::Model;
    };
    mistakes.at(&last.ident, message);
    Resolved::Wrong
}

/// Whether a layer is a list in other words, which is refused.
fn is_meant_as_list(layer: &ast::Layer, form: Form) -> bool {
    let [name] = layer.path.segments.iter().collect::<Vec<_>>()[..] else { return false };
    let name = name.ident.to_string();
    let is_listed = listed(&name, layer.generics.as_deref().unwrap_or_default()).is_some();
    is_listed || (form == Form::Macro && name == "ModuleList")
}

/// The element of `Vec<LAYER>` or `Box<[LAYER]>`.
fn listed(name: &str, generics: &[GenericArgument]) -> Option<String> {
    match (name, generics) {
        ("Box", [GenericArgument::Type(Type::Slice(slice))]) => Some(spaced(&slice.elem)),
        ("Vec", [GenericArgument::Type(element), ..]) => Some(spaced(element)),
        ("Vec", _) => Some("LAYER".to_string()),
        _ => None,
    }
}

/// `a, b and c`
fn list(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    match words.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A model takes no options, and its const arguments by position.
fn model(layer: ast::Layer, form: Form, mistakes: &mut Mistakes) -> Option<(TokenStream, LayerKind)> {
    let ast::Layer { path, generics, arguments, .. } = layer;
    let name = &path.segments.last()?.ident;
    let mut dimensions: Vec<TokenStream> = generics.iter().flatten().map(|generic| quote!(#generic)).collect();
    let mut right = true;
    for argument in &arguments {
        if argument.name.is_some() || form == Form::Derive {
            let message = format!(
                "`{name}` is no layer of Kiln, and takes no options; Kiln's layers are listed in `kiln::layers`"
            );
            mistakes.at(argument.tokens(), message);
            right = false;
        } else {
            dimensions.push(arguments::const_argument(&argument.value));
        }
    }
    let ty = if dimensions.is_empty() { quote!(#path) } else { quote!(#path<#(#dimensions),*>) };
    right.then_some((ty, LayerKind::Model))
}

#[cfg(test)]
mod tests;
