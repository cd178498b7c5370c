//! From the syntax tree to layers whose names, arguments and options are right, or the list of what is wrong with them.
//! Knows the table of layers, and nothing of what a shape is.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Expr, ExprLit, ExprTuple, ExprUnary, GenericArgument, GenericParam, Ident, Lit, Type, UnOp};

use crate::ast::{self, Declaration, Form, Member, Node, Place, Sequence};
use crate::layers::{Kind, Known, LAYERS, MISSING, Parameter, Role, one_slip};
use crate::mistakes::Mistakes;

/// A layer that can be expanded.
pub struct Layer {
    /// Its number among the layers of the declaration.
    pub id: usize,
    /// Its type.
    pub ty: TokenStream,
    pub kind: LayerKind,
    /// Where errors about its shape are reported.
    pub place: Place,
}

/// What a type is.
pub enum LayerKind {
    /// A layer of Kiln with its settings, their type and their value.
    Known { settings_type: TokenStream, settings: TokenStream },
    /// A model: the user's own, or another crate's.
    Model,
    /// Not known because of a mistake.
    Wrong,
}

/// Checks a whole declaration. Where there are mistakes, the result serves the fallback only.
pub fn validate(declaration: Declaration<ast::Layer>, mistakes: &mut Mistakes) -> Declaration<Layer> {
    let Declaration { form, attributes, visibility, name, generics, input, output, body } = declaration;
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
    if input.is_none() && mistakes.is_empty() {
        let message = format!(
            "`{name}` does not say what its input is: write `#[model(input = [..])]` on the struct, with the extents of \
             one sample (the batch axis N comes first and is implied)"
        );
        mistakes.at(&name, message);
    }
    let body = sequence(body, form, &mut 0, mistakes);
    Declaration { form, attributes, visibility, name, generics, input, output, body }
}

fn sequence(sequence: Sequence<ast::Layer>, form: Form, count: &mut usize, mistakes: &mut Mistakes) -> Sequence<Layer> {
    let members = (sequence.members.into_iter())
        .map(|Member { attributes, visibility, name, node }| {
            let node = self::node(node, form, count, mistakes);
            Member { attributes, visibility, name, node }
        })
        .collect();
    Sequence { style: sequence.style, members }
}

fn node(node: Node<ast::Layer>, form: Form, count: &mut usize, mistakes: &mut Mistakes) -> Node<Layer> {
    match node {
        Node::Layer(layer) => Node::Layer(self::layer(layer, form, count, mistakes)),
        Node::List { element, length } => {
            Node::List { element: Box::new(self::node(*element, form, count, mistakes)), length }
        }
        Node::Sequence(inner) => Node::Sequence(sequence(inner, form, count, mistakes)),
    }
}

fn layer(layer: ast::Layer, form: Form, count: &mut usize, mistakes: &mut Mistakes) -> Layer {
    let place = layer.place;
    let resolved = match resolve(&layer, form, mistakes) {
        Resolved::Known(known) => self::known(known, layer, form, mistakes),
        Resolved::Model => model(layer, mistakes),
        Resolved::Wrong => None,
    };
    let (ty, kind) = resolved.unwrap_or((quote!(()), LayerKind::Wrong));
    *count += 1;
    Layer { id: *count, ty, kind, place }
}

enum Resolved {
    Known(&'static Known),
    Model,
    Wrong,
}

/// A single name, or one of the crate `kiln`, is looked up in the table; any other path leads to the user's own models.
fn resolve(layer: &ast::Layer, form: Form, mistakes: &mut Mistakes) -> Resolved {
    let path = &layer.path;
    let Some(last) = path.segments.last() else { return Resolved::Wrong };
    let name = last.ident.to_string();
    if path.segments.len() > 1 {
        let known = Known::find(&name).filter(|_| path.segments[0].ident == "kiln");
        return known.map_or(Resolved::Model, Resolved::Known);
    }
    if let Some(known) = Known::find(&name) {
        return Resolved::Known(known);
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
    let message = if name == "ModuleList" {
        "a list of layers is an array: `[LAYER; COUNT]`".to_string()
    } else if let Some(known) = Known::nearest(&name) {
        format!("there is no layer `{name}`; did you mean `{}`? ({own})", known.name)
    } else if MISSING.contains(&name.as_str()) {
        format!("Kiln does not have PyTorch's `{name}` yet; its layers are {} ({own})", layer_names())
    } else {
        return Resolved::Model;
    };
    mistakes.at(&last.ident, message);
    Resolved::Wrong
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

/// Tokens as a person would write them.
fn spaced(tokens: impl quote::ToTokens) -> String {
    let text = quote!(#tokens).to_string();
    let tight = [(" < ", "<"), (" >", ">"), (" ,", ","), (" :: ", "::"), (":: ", "::"), (" ;", ";"), (" (", "(")];
    let text = tight.iter().fold(text, |text, (loose, tight)| text.replace(loose, tight));
    let text = text.replace("(- ", "(-").replace(", - ", ", -");
    text.strip_prefix("- ").map(|number| format!("-{number}")).unwrap_or(text)
}

fn layer_names() -> String {
    list(LAYERS.iter().map(|layer| layer.name.to_string()))
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
fn model(layer: ast::Layer, mistakes: &mut Mistakes) -> Option<(TokenStream, LayerKind)> {
    let ast::Layer { path, generics, arguments, .. } = layer;
    let name = &path.segments.last()?.ident;
    let mut dimensions: Vec<TokenStream> = generics.iter().flatten().map(|generic| quote!(#generic)).collect();
    let mut right = true;
    for argument in &arguments {
        if argument.name.is_some() {
            let message =
                format!("`{name}` is no layer of Kiln, and takes no options; the layers of Kiln are {}", layer_names());
            mistakes.at(argument.tokens(), message);
            right = false;
        } else {
            dimensions.push(const_argument(&argument.value));
        }
    }
    let ty = if dimensions.is_empty() { quote!(#path) } else { quote!(#path<#(#dimensions),*>) };
    right.then_some((ty, LayerKind::Model))
}

/// The arguments of a layer of Kiln, sorted into its type and its settings.
fn known(
    known: &'static Known,
    layer: ast::Layer,
    form: Form,
    mistakes: &mut Mistakes,
) -> Option<(TokenStream, LayerKind)> {
    let ast::Layer { path, generics, arguments, .. } = layer;
    let name = path.segments.last()?.ident.clone();
    // The values of `known.parameters`, in that order.
    let mut given: Vec<Option<Expr>> = known.parameters.iter().map(|_| None).collect();
    let mut right = true;
    let in_type = match (&generics, form) {
        (Some(_), _) | (None, Form::Derive) => known.dimensions().count(),
        (None, Form::Macro) => 0,
    };
    if in_type > 0 && !count_fits(known, generics.as_deref().unwrap_or_default()) {
        match form {
            Form::Derive => {
                let generics = generics.iter().flatten();
                mistakes.found_by_rustc(quote!(#path<#(#generics),*>));
            }
            Form::Macro => {
                let dimensions = list(known.dimensions().map(|parameter| format!("`{}`", parameter.name)));
                mistakes.at(&name, format!("`{name}` needs {dimensions} in its angle brackets"));
            }
        }
        return None;
    }
    let mut position = in_type;
    for argument in arguments {
        let index = match &argument.name {
            None if position < given.len() && form == Form::Macro => {
                position += 1;
                position - 1
            }
            None => {
                let message = match form {
                    Form::Macro => format!("too many arguments: `{name}` takes {}", signature(known)),
                    Form::Derive => format!("expected `NAME = VALUE`: {}", options(known)),
                };
                mistakes.at(argument.tokens(), message);
                right = false;
                continue;
            }
            Some(option) => match known.parameters[in_type..].iter().position(|parameter| option == parameter.name) {
                Some(index) => index + in_type,
                None => {
                    mistakes.at(option, unknown_option(known, option));
                    right = false;
                    continue;
                }
            },
        };
        let parameter = &known.parameters[index];
        if given[index].is_some() {
            mistakes.at(argument.tokens(), format!("`{}` of `{name}` is given twice", parameter.name));
            right = false;
        } else if !fits(&argument.value, parameter.kind) {
            mistakes.at(&argument.value, wrong_kind(known, parameter, &argument.value));
            right = false;
        }
        given[index] = Some(argument.value);
    }
    let mut dimensions: Vec<TokenStream> = generics.iter().flatten().map(|generic| quote!(#generic)).collect();
    let mut settings = Vec::new();
    let mut missing = Vec::new();
    for (parameter, value) in known.parameters.iter().zip(given).skip(in_type) {
        match (parameter.role, value) {
            (Role::Dimension, Some(Expr::Tuple(pair))) => {
                dimensions.extend(pair.elems.iter().map(const_argument));
            }
            (Role::Dimension, Some(value)) => dimensions.push(const_argument(&value)),
            (Role::Dimension, None) => missing.push(format!("`{}`", parameter.name)),
            (Role::Setting, Some(value)) => settings.push(setting(parameter, &value)),
            (Role::Setting, None) => {}
        }
    }
    if !missing.is_empty() && right {
        let message = format!("`{name}` needs {}: it takes {}", list(missing.into_iter()), signature(known));
        mistakes.at(&name, message);
        right = false;
    }
    let home = if known.options().next().is_some() { quote!(::kiln::layers) } else { quote!(::kiln::graph) };
    let settings_type = Ident::new(known.settings, Span::call_site());
    let settings_type = quote!(#home::#settings_type);
    let settings = quote!(#settings_type::new()#(#settings)*);
    let ty = if dimensions.is_empty() { quote!(#path) } else { quote!(#path<#(#dimensions),*>) };
    right.then_some((ty, LayerKind::Known { settings_type, settings }))
}

/// Whether angle brackets hold as many arguments as a layer's type takes; a pair may be one or two.
fn count_fits(known: &Known, generics: &[GenericArgument]) -> bool {
    let least = known.dimensions().count();
    let pairs = known.dimensions().filter(|parameter| parameter.kind == Kind::Pair).count();
    (least..=least + pairs).contains(&generics.len())
}

/// `in_features, out_features (and the option bias)`, with the required arguments first.
fn signature(known: &Known) -> String {
    let dimensions: Vec<String> = known.dimensions().map(|parameter| format!("`{}`", parameter.name)).collect();
    let options = list(known.options().map(|parameter| format!("`{}`", parameter.name)));
    let several = if known.options().count() == 1 { "option" } else { "options" };
    match (dimensions.is_empty(), options.is_empty()) {
        (true, true) => "no arguments".to_string(),
        (true, false) => format!("the {several} {options}"),
        (false, true) => list(dimensions.into_iter()),
        (false, false) => format!("{} and the {several} {options}", dimensions.join(", ")),
    }
}

/// `the options of Linear are bias`
fn options(known: &Known) -> String {
    let names = list(known.options().map(|parameter| format!("`{}`", parameter.name)));
    match known.options().count() {
        0 => format!("`{}` takes no options", known.name),
        1 => format!("the only option of `{}` is {names}", known.name),
        _ => format!("the options of `{}` are {names}", known.name),
    }
}

fn unknown_option(known: &Known, option: &Ident) -> String {
    let name = option.to_string();
    if name == "inplace" {
        return String::from("leave `inplace` out: values are immutable in Kiln, and its plan reuses memory by itself");
    }
    let dimension = known.dimensions().find(|parameter| parameter.name == name);
    if dimension.is_some() {
        return format!("`{name}` stands in the type's angle brackets already; {}", options(known));
    }
    let near = known.parameters.iter().find(|parameter| one_slip(parameter.name, &name));
    let hint = near.map(|near| format!("; did you mean `{}`?", near.name)).unwrap_or_default();
    format!("unknown option `{name}`{hint} ({})", options(known))
}

/// Whether a value can be of a kind; what is no literal is left to rustc.
fn fits(value: &Expr, kind: Kind) -> bool {
    match plain(value) {
        Expr::Lit(ExprLit { lit, .. }) => match lit {
            Lit::Int(_) => kind != Kind::Flag,
            Lit::Float(_) => kind == Kind::Number,
            Lit::Bool(_) => kind == Kind::Flag,
            Lit::Str(text) => kind == Kind::Padding && matches!(text.value().as_str(), "same" | "valid"),
            _ => false,
        },
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => {
            matches!(kind, Kind::Axis | Kind::Number) && fits(expr, kind)
        }
        Expr::Tuple(ExprTuple { elems, .. }) => {
            matches!(kind, Kind::Pair | Kind::Padding) && elems.len() == 2 && elems.iter().all(|e| fits(e, Kind::Size))
        }
        Expr::Path(path) => !path.path.is_ident("True") && !path.path.is_ident("False"),
        Expr::Array(_) | Expr::Range(_) | Expr::Struct(_) | Expr::Reference(_) | Expr::Closure(_) => false,
        _ => true,
    }
}

/// Whether a value is an integer literal.
fn is_whole(value: &Expr) -> bool {
    match plain(value) {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.suffix().is_empty(),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => is_whole(expr),
        _ => false,
    }
}

/// A value without the parentheses or the invisible group around it.
fn plain(value: &Expr) -> &Expr {
    match value {
        Expr::Paren(inner) => plain(&inner.expr),
        Expr::Group(inner) => plain(&inner.expr),
        other => other,
    }
}

fn wrong_kind(known: &Known, parameter: &Parameter, value: &Expr) -> String {
    let expected = match parameter.kind {
        Kind::Size => "a whole number",
        Kind::Pair => "a whole number or a pair like `(2, 1)`",
        Kind::Padding => "a whole number, a pair like `(2, 1)`, `\"same\"` or `\"valid\"`",
        Kind::Axis => "the number of an axis",
        Kind::Number => "a number",
        Kind::Flag => "`true` or `false`",
    };
    format!("`{}` of `{}` is {expected}, not `{}`", parameter.name, known.name, spaced(value))
}

/// A value in angle brackets: bare if it may be, else in braces.
fn const_argument(value: &Expr) -> TokenStream {
    match plain(value) {
        value @ (Expr::Lit(_) | Expr::Block(_)) => quote!(#value),
        Expr::Path(path) if path.path.get_ident().is_some() => quote!(#path),
        value => {
            let Place { first, .. } = Place::of(value);
            quote_spanned!(first=> { #value })
        }
    }
}

/// A builder call on the settings.
fn setting(parameter: &Parameter, value: &Expr) -> TokenStream {
    let method = Ident::new(parameter.name, Span::call_site());
    let value = plain(value);
    match (parameter.kind, value) {
        (Kind::Padding, Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => match text.value().as_str() {
            "same" => quote!(.padding_same()),
            _ => quote!(.padding(::kiln::layers::Pair::both(0))),
        },
        (Kind::Pair | Kind::Padding, Expr::Tuple(pair)) => {
            let elements = pair.elems.iter();
            quote!(.#method(::kiln::layers::Pair::new(#(#elements),*)))
        }
        (Kind::Pair | Kind::Padding, value) => quote!(.#method(::kiln::layers::Pair::both(#value))),
        (Kind::Number, number) if is_whole(number) => quote!(.#method(#number as f64)),
        (Kind::Size | Kind::Axis | Kind::Number | Kind::Flag, value) => quote!(.#method(#value)),
    }
}

#[cfg(test)]
mod tests;
