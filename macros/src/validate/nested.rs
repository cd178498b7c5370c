//! PyTorch's way to write a stack of layers: with the layer that it repeats as its first argument. Whether the
//! arguments are right is for `arguments.rs` to say.

use proc_macro2::Span;
use syn::{Expr, ExprCall, Ident};

use super::functions::named;
use crate::ast::Argument;
use crate::layers::{Known, Parameter};
use crate::mistakes::{Mistakes, spaced};

/// `TransformerEncoder(TransformerEncoderLayer(8, 2, dropout = 0.2), 6)`: the layer's arguments and then the stack's own,
/// all by name; other arguments as they are.
pub fn unfolded(known: &'static Known, arguments: Vec<Argument>, mistakes: &mut Mistakes) -> Vec<Argument> {
    let Some((word, repeated)) = known.repeats else { return arguments };
    let Some(layer) = Known::find(repeated) else { return arguments };
    let is_it = |argument: &Argument| {
        argument.name.as_ref().is_none_or(|name| name == word) && call(&argument.value, repeated).is_some()
    };
    let Some(position) = arguments.iter().position(is_it) else { return with_norm(known, arguments, mistakes) };
    let mut all = Vec::new();
    // What the layer does not take is the stack's own.
    let own: Vec<&Parameter> = (known.parameters.iter())
        .filter(|parameter| layer.parameters.iter().all(|of_layer| of_layer.name != parameter.name))
        .collect();
    if let Some(inner) = call(&arguments[position].value, repeated) {
        for (place, argument) in inner.args.iter().enumerate() {
            let (name, value) = named(argument);
            let Some(name) = name.cloned().or_else(|| nth(layer.parameters.iter(), place)) else {
                mistakes.at(argument, format!("too many arguments for `{repeated}`"));
                continue;
            };
            all.push(Argument { name: Some(name), value: value.clone() });
        }
    }
    let mut open = 0;
    for (place, argument) in arguments.into_iter().enumerate() {
        if place == position {
            continue;
        }
        let name = match argument.name {
            Some(name) => Some(name),
            None => {
                open += 1;
                nth(own.iter().copied(), open - 1)
            }
        };
        match name {
            Some(name) => all.push(Argument { name: Some(name), value: argument.value }),
            None => mistakes.at(&argument.value, format!("too many arguments for `{}`", known.name)),
        }
    }
    with_norm(known, all, mistakes)
}

/// `norm = LayerNorm(512)`, of as many features as the stack, is `norm = true`; one with settings of its own is a layer of
/// its own.
fn with_norm(known: &Known, mut arguments: Vec<Argument>, mistakes: &mut Mistakes) -> Vec<Argument> {
    let is_named = |argument: &Argument, word: &str| argument.name.as_ref().is_some_and(|name| name == word);
    let features = (arguments.iter().find(|argument| is_named(argument, "d_model")))
        .or_else(|| arguments.first().filter(|argument| argument.name.is_none()))
        .map(|argument| spaced(&argument.value));
    for argument in arguments.iter_mut().filter(|argument| is_named(argument, "norm")) {
        let Some(norm) = call(&argument.value, "LayerNorm") else { continue };
        let is_whole = norm.args.len() == 1
            && norm
                .args
                .iter()
                .all(|of| named(of).0.is_none() && features.as_ref().is_none_or(|all| spaced(of) == *all));
        if !is_whole {
            let message = format!(
                "`norm` of `{}` is `LayerNorm({})`, of all features and with the defaults: one with others is a field of \
                 its own, which is applied to what the stack gives",
                known.name,
                features.as_deref().unwrap_or("d_model")
            );
            mistakes.at(norm, message);
        }
        argument.value = syn::parse_quote!(true);
    }
    arguments
}

/// A call of this name.
fn call<'a>(value: &'a Expr, name: &str) -> Option<&'a ExprCall> {
    match value {
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => path.path.segments.last().filter(|last| last.ident == name).map(|_| call),
            _ => None,
        },
        _ => None,
    }
}

/// The name of the parameter at a place.
fn nth<'a>(mut parameters: impl Iterator<Item = &'a Parameter>, place: usize) -> Option<Ident> {
    parameters.nth(place).map(|parameter| Ident::new(parameter.name, Span::call_site()))
}
