//! The arguments of a layer of Kiln, sorted into its type and its settings by the table of layers. Values that are no
//! literals are left to rustc.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprArray, ExprLit, ExprPath, ExprTuple, ExprUnary, GenericArgument, Ident, Lit, Token, UnOp};

use super::{LayerKind, list, nested};
use crate::ast::{self, Argument, Form, Place};
use crate::layers::{Choice, Kind, Known, Parameter, REQUIRES_GRAD, Role, STRUCTURE, instead_of_option, one_slip};
use crate::mistakes::{Mistakes, spaced};
use crate::naming::KILN;

/// The type and the settings of a layer, if its arguments are right.
pub fn known(
    known: &'static Known,
    layer: ast::Layer,
    form: Form,
    mistakes: &mut Mistakes,
) -> Option<(TokenStream, LayerKind)> {
    let ast::Layer { path, generics, arguments, .. } = layer;
    let name = path.segments.last()?.ident.clone();
    // Under the derive, and where there are angle brackets, they hold all dimensions.
    let in_type = if form == Form::Derive || generics.is_some() { known.dimensions().count() } else { 0 };
    let generics = generics.unwrap_or_default();
    if in_type > 0 && !count_fits(known, &generics) {
        match form {
            Form::Derive => mistakes.found_by_rustc(quote!(#path<#(#generics),*>)),
            Form::Macro => {
                let dimensions = list(known.dimensions().map(|parameter| format!("`{}`", parameter.name)));
                mistakes.at(&name, format!("`{name}` needs {dimensions} in its angle brackets"));
            }
        }
        return None;
    }
    let arguments = if form == Form::Macro { shaped(known, arguments) } else { arguments };
    let arguments = if in_type == 0 { nested::unfolded(known, arguments, mistakes) } else { arguments };
    let given = assign(known, in_type, arguments, form, mistakes)?;
    let mut dimensions: Vec<TokenStream> = generics.iter().map(|generic| quote!(#generic)).collect();
    let (mut settings, mut structure) = (Vec::new(), Vec::new());
    let mut missing = Vec::new();
    // Norms have parameters unless they, or their defaults, say otherwise.
    let mut affine = known.is_affine();
    for (parameter, value) in known.parameters.iter().zip(given).skip(in_type) {
        match (parameter.role, value) {
            (Role::Dimension, Some(Expr::Tuple(ExprTuple { elems, .. }) | Expr::Array(ExprArray { elems, .. }))) => {
                dimensions.extend(elems.iter().map(dimension));
            }
            (Role::Dimension, Some(value)) => dimensions.push(dimension(&value)),
            (Role::Dimension, None) => missing.push(format!("`{}`", parameter.name)),
            (Role::Setting, Some(value)) => {
                let is_false = matches!(&value, Expr::Lit(ExprLit { lit: Lit::Bool(flag), .. }) if !flag.value);
                if parameter.name.ends_with("affine") {
                    affine = !is_false;
                }
                if STRUCTURE.contains(&parameter.name) {
                    structure.push((parameter.name, spaced(&value)));
                }
                settings.push(setting(parameter, &value));
            }
            (Role::Setting, None) => {}
        }
    }
    if !missing.is_empty() {
        let message = format!("`{name}` needs {}: it takes {}", list(missing.into_iter()), signature(known));
        mistakes.at(&name, message);
        return None;
    }
    let home = if known.options().next().is_some() { quote!(#KILN::layers) } else { quote!(#KILN::graph) };
    let settings_type = Ident::new(known.settings, Span::call_site());
    let settings_type = quote!(#home::#settings_type);
    let settings = quote!(#settings_type::new()#(#settings)*);
    let ty = if dimensions.is_empty() { quote!(#path) } else { quote!(#path<#(#dimensions),*>) };
    let parameters = known.has_parameters() && affine;
    let Known { indexed, applied, methods, values, .. } = *known;
    Some((ty, LayerKind::Known { settings_type, settings, structure, indexed, applied, methods, values, parameters }))
}

/// The arguments with the extents of a shape that were given by position in one list: `Parameter(1, 16)` is
/// `Parameter([1, 16])`.
fn shaped(known: &'static Known, arguments: Vec<Argument>) -> Vec<Argument> {
    let Some(Parameter { kind: Kind::Shape(_), .. }) = known.parameters.first() else { return arguments };
    let listed = |value: &Expr| matches!(plain(value), Expr::Array(_) | Expr::Tuple(_));
    let (extents, mut others): (Vec<_>, Vec<_>) =
        arguments.into_iter().partition(|argument| argument.name.is_none() && !listed(&argument.value));
    if let Some(first) = extents.first() {
        let span = Place::of(&first.value).first;
        let extents = extents.iter().map(|argument| &argument.value);
        others.insert(0, Argument { name: None, value: syn::parse_quote_spanned!(span=> [#(#extents),*]) });
    }
    others
}

/// Takes `requires_grad = false` off the arguments, as any layer and any model takes it.
pub fn requires_grad(arguments: &mut Vec<Argument>, mistakes: &mut Mistakes) -> Option<Expr> {
    let is_it = |argument: &Argument| argument.name.as_ref().is_some_and(|name| name == REQUIRES_GRAD);
    let (mut found, others): (Vec<_>, Vec<_>) = std::mem::take(arguments).into_iter().partition(is_it);
    *arguments = others;
    if let Some(second) = found.get(1) {
        mistakes.at(second.tokens(), format!("`{REQUIRES_GRAD}` is given twice"));
    }
    let value = found.drain(..).next()?.value;
    if !fits(&value, Kind::Flag) {
        mistakes.at(&value, format!("`{REQUIRES_GRAD}` is `true` or `false`, not `{}`", spaced(&value)));
    }
    Some(value)
}

/// The values of a layer's parameters, in their order, from arguments by position (which start at parameter `first`)
/// and by name.
fn assign(
    known: &'static Known,
    first: usize,
    arguments: Vec<Argument>,
    form: Form,
    mistakes: &mut Mistakes,
) -> Option<Vec<Option<Expr>>> {
    let mut values: Vec<Option<Expr>> = known.parameters.iter().map(|_| None).collect();
    let mut right = true;
    let mut position = first;
    for argument in arguments {
        let index = match &argument.name {
            Some(name) => {
                known.parameters[first..].iter().position(|parameter| name == parameter.name).map(|i| i + first)
            }
            None if form == Form::Macro => {
                position += 1;
                Some(position - 1)
            }
            None => None,
        };
        let Some((parameter, value)) = index.and_then(|i| Some((known.parameters.get(i)?, values.get_mut(i)?))) else {
            match &argument.name {
                Some(name) => mistakes.at(name, unknown_option(known, name)),
                None => mistakes.at(argument.tokens(), no_position(known, form)),
            }
            right = false;
            continue;
        };
        if value.is_some() {
            mistakes.at(argument.tokens(), format!("`{}` of `{}` is given twice", parameter.name, known.name));
            right = false;
        } else if !fits(&argument.value, parameter.kind) {
            mistakes.at(&argument.value, wrong_kind(known, parameter, &argument.value));
            right = false;
        }
        *value = Some(argument.value);
    }
    right.then_some(values)
}

/// Why an argument without a name can not be there.
fn no_position(known: &Known, form: Form) -> String {
    match form {
        Form::Macro => format!("too many arguments: `{}` takes {}", known.name, signature(known)),
        Form::Derive => format!("expected `NAME = VALUE`: {}", options(known)),
    }
}

/// Whether angle brackets hold as many arguments as a layer's type takes; a setting per axis may be one or one for each axis.
fn count_fits(known: &Known, generics: &[GenericArgument]) -> bool {
    let least = known.dimensions().count();
    let more = known.dimensions().map(|parameter| match parameter.kind {
        Kind::PerAxis(axes) | Kind::Padding(axes) | Kind::OutputSize(axes) | Kind::Extents(axes) => axes - 1,
        Kind::Size
        | Kind::Sides(_)
        | Kind::Parts(_)
        | Kind::Shape(_)
        | Kind::Factors(_)
        | Kind::Axis
        | Kind::OptionalAxis
        | Kind::OptionalSize
        | Kind::Number
        | Kind::Optional
        | Kind::Flag
        | Kind::Choice(_) => 0,
    });
    (least..=least + more.sum::<usize>()).contains(&generics.len())
}

/// What a layer takes, in words.
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

/// A layer's options, as a sentence.
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
    if let Some(instead) = instead_of_option(known.name, &name) {
        return format!("`{}` does not take PyTorch's `{name}`: {instead}", known.name);
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
            Lit::Int(_) => !matches!(kind, Kind::Flag | Kind::Choice(_) | Kind::Parts(_) | Kind::Shape(_)),
            Lit::Float(_) => matches!(kind, Kind::Number | Kind::Optional | Kind::Factors(_)),
            Lit::Bool(_) => kind == Kind::Flag,
            Lit::Str(text) => match kind {
                Kind::Padding(_) => ["same", "valid"].contains(&text.value().as_str()),
                Kind::Choice(choice) => variant(choice, &text.value()).is_some(),
                _ => false,
            },
            _ => false,
        },
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => {
            let signed = [Kind::Axis, Kind::OptionalAxis, Kind::Number, Kind::Optional].contains(&kind);
            (signed || matches!(kind, Kind::Sides(_))) && fits(expr, kind)
        }
        Expr::Array(ExprArray { elems, .. }) => several_fit(elems, kind, true),
        Expr::Tuple(ExprTuple { elems, .. }) => several_fit(elems, kind, false),
        Expr::Path(path) if path.path.is_ident("None") => {
            matches!(kind, Kind::Optional | Kind::OptionalAxis | Kind::OptionalSize | Kind::OutputSize(_))
        }
        Expr::Path(path) => !path.path.is_ident("True") && !path.path.is_ident("False"),
        // A layer is no value.
        Expr::Call(call) => !matches!(&*call.func, Expr::Path(path) if is_layer(path)),
        Expr::Range(_) | Expr::Struct(_) | Expr::Reference(_) | Expr::Closure(_) => false,
        _ => true,
    }
}

fn is_layer(path: &ExprPath) -> bool {
    path.path.segments.last().is_some_and(|last| Known::find(&last.ident.to_string()).is_some())
}

/// Whether a tuple or an array of values can be of a kind.
fn several_fit(values: &Punctuated<Expr, Token![,]>, kind: Kind, in_brackets: bool) -> bool {
    let for_axes = |axes: usize| if axes == 0 { 2..=3 } else { 2.max(axes)..=axes };
    let (counts, element) = match kind {
        Kind::PerAxis(axes) | Kind::Padding(axes) if !in_brackets => (for_axes(axes), Kind::Size),
        Kind::OutputSize(axes) if !in_brackets => (for_axes(axes), Kind::OutputSize(1)),
        Kind::Factors(axes) if !in_brackets => (for_axes(axes), Kind::Number),
        Kind::Sides(sides) if !in_brackets => (sides..=sides, Kind::Axis),
        Kind::Extents(most) => (1..=most, Kind::Size),
        Kind::Parts(most) => (1..=most, Kind::Axis),
        Kind::Shape(most) => (0..=most, Kind::Size),
        Kind::PerAxis(_)
        | Kind::Sides(_)
        | Kind::Padding(_)
        | Kind::OutputSize(_)
        | Kind::Factors(_)
        | Kind::Size
        | Kind::Axis
        | Kind::OptionalAxis
        | Kind::OptionalSize
        | Kind::Number
        | Kind::Optional
        | Kind::Flag
        | Kind::Choice(_) => return false,
    };
    counts.contains(&values.len()) && values.iter().all(|value| fits(value, element))
}

/// The variant that a word names.
fn variant(choice: &Choice, word: &str) -> Option<&'static str> {
    choice.words.iter().find(|(name, _)| *name == word).map(|(_, variant)| *variant)
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
        Kind::Choice(choice) => {
            &list(choice.words.iter().map(|(word, _)| format!("{word:?}"))).replace(" and ", " or ")
        }
        Kind::PerAxis(0) => "a whole number, or one for each axis like `(2, 1)`",
        Kind::Factors(0) => "a number, or one for each axis like `(2, 1.5)`",
        Kind::Factors(2) => "a number or a pair like `(2, 1.5)`",
        Kind::Factors(_) => "a number or a triple like `(2, 1.5, 1)`",
        Kind::Size | Kind::PerAxis(1) => "a whole number",
        Kind::PerAxis(2) => "a whole number or a pair like `(2, 1)`",
        Kind::PerAxis(_) => "a whole number or a triple like `(2, 1, 1)`",
        Kind::Padding(0 | 1) => "a whole number, `\"same\"` or `\"valid\"`",
        Kind::Padding(2) => "a whole number, a pair like `(2, 1)`, `\"same\"` or `\"valid\"`",
        Kind::Padding(_) => "a whole number, a triple like `(2, 1, 1)`, `\"same\"` or `\"valid\"`",
        Kind::OutputSize(0 | 1) => "a whole number or `None`",
        Kind::OutputSize(2) => "a whole number, `None` or a pair of these like `(None, 1)`",
        Kind::OutputSize(_) => "a whole number, `None` or a triple of these like `(None, 1, 1)`",
        Kind::Shape(_) => "a shape like `[1, 16]`",
        Kind::Parts(_) => "whole numbers in brackets like `[2, -1]`",
        Kind::Sides(2) => "a whole number, or one for each side like `(1, 2)`",
        Kind::Sides(4) => "a whole number, or one for each side like `(1, 2, 0, 0)`",
        Kind::Sides(_) => "a whole number, or one for each side like `(1, 2, 0, 0, 1, 1)`",
        Kind::Extents(_) => "a whole number, or up to four in brackets like `[3, 8, 8]`",
        Kind::Axis => "the number of an axis",
        Kind::OptionalAxis | Kind::OptionalSize => "a whole number or `None`",
        Kind::Number => "a number",
        Kind::Optional => "a number or `None`",
        Kind::Flag => "`true` or `false`",
    };
    let otherwise = match (parameter.name, plain(value)) {
        ("norm_type", Expr::Lit(_)) => {
            let axes = &known.name[known.name.len() - 2..];
            format!("; any other power is `lp_pool{axes}(x, {}, KERNEL)` in a body", spaced(value))
        }
        _ => String::new(),
    };
    format!("`{}` of `{}` is {expected}, not `{}`{otherwise}", parameter.name, known.name, spaced(value))
}

/// A dimension in angle brackets; `None` leaves an extent as it is.
fn dimension(value: &Expr) -> TokenStream {
    match plain(value) {
        Expr::Path(path) if path.path.is_ident("None") => {
            let Place { first, .. } = Place::of(value);
            quote_spanned!(first=> { #KILN::layers::KEPT })
        }
        _ => const_argument(value),
    }
}

/// A value in angle brackets: bare if it may be, else in braces.
pub fn const_argument(value: &Expr) -> TokenStream {
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
        (Kind::Padding(_), Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => match text.value().as_str() {
            "same" => quote!(.padding_same()),
            _ => quote!(.padding(#KILN::layers::PerAxis::all(0))),
        },
        (Kind::PerAxis(_) | Kind::Padding(_) | Kind::OutputSize(_) | Kind::Sides(_), Expr::Tuple(pair)) => {
            let elements = pair.elems.iter();
            quote!(.#method(#KILN::layers::PerAxis::new([#(#elements),*])))
        }
        (
            Kind::Parts(_) | Kind::Shape(_),
            Expr::Tuple(ExprTuple { elems, .. }) | Expr::Array(ExprArray { elems, .. }),
        ) => {
            let elements = elems.iter();
            quote!(.#method([#(#elements),*]))
        }
        // One number for any number of axes is a list of one.
        (Kind::PerAxis(0), value) => quote!(.#method(#KILN::layers::PerAxis::new([#value]))),
        (Kind::PerAxis(_) | Kind::Padding(_) | Kind::OutputSize(_) | Kind::Sides(_), value) => {
            quote!(.#method(#KILN::layers::PerAxis::all(#value)))
        }
        (Kind::Factors(_), Expr::Tuple(factors)) => {
            let elements = factors.elems.iter().map(number);
            quote!(.#method(#KILN::layers::PerAxis::new([#(#elements),*])))
        }
        (Kind::Factors(0), value) => {
            let value = number(value);
            quote!(.#method(#KILN::layers::PerAxis::new([#value])))
        }
        (Kind::Factors(_), value) => {
            let value = number(value);
            quote!(.#method(#KILN::layers::PerAxis::all(#value)))
        }
        (Kind::Choice(choice), Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => {
            let choice_type = Ident::new(choice.of, Span::call_site());
            let variant = variant(choice, &text.value()).map(|variant| Ident::new(variant, Span::call_site()));
            quote!(.#method(#KILN::layers::#choice_type::#variant))
        }
        (Kind::Optional | Kind::OptionalAxis | Kind::OptionalSize, Expr::Path(path)) if path.path.is_ident("None") => {
            quote!(.#method(::core::option::Option::None))
        }
        (Kind::Optional, value) => {
            let value = number(value);
            quote!(.#method(::core::option::Option::Some(#value)))
        }
        (Kind::OptionalAxis | Kind::OptionalSize, value) => quote!(.#method(::core::option::Option::Some(#value))),
        (Kind::Number, value) => {
            let value = number(value);
            quote!(.#method(#value))
        }
        (
            Kind::Size | Kind::Extents(_) | Kind::Parts(_) | Kind::Shape(_) | Kind::Axis | Kind::Flag | Kind::Choice(_),
            value,
        ) => {
            quote!(.#method(#value))
        }
    }
}

/// An `f64`, of a literal with or without a point.
fn number(value: &Expr) -> TokenStream {
    if is_whole(value) { quote!(#value as f64) } else { quote!(#value) }
}
