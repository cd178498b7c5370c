//! The free extents of a model: names such as `T` in the type of an input. Knows which names may be free, and how
//! numbers that are computed from them are written, so that they are no arithmetic of Rust's.
//!
//! A name is free where it stands in the type of an input of `forward` or of a program, is written in capitals, and is
//! neither a const parameter of the model nor a constant in scope. Only rustc knows the last: it is asked by a pattern,
//! in which a name is a constant where there is one, and else a new name (`expand/checks.rs`).

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::{BinOp, Expr, GenericParam, Generics};

use crate::ast::{Extents, Place};
use crate::naming::KILN;

/// The names that may be free in these types.
pub fn names<'a>(types: impl IntoIterator<Item = &'a Extents>, generics: &Generics) -> Vec<Ident> {
    let mut names: Vec<Ident> = Vec::new();
    for extents in types {
        for value in &extents.values {
            each(value, &mut |name| {
                let is_parameter = generics.params.iter().any(|parameter| match parameter {
                    GenericParam::Const(constant) => constant.ident == *name,
                    GenericParam::Type(_) | GenericParam::Lifetime(_) => false,
                });
                if !is_parameter && !names.contains(name) && may_be_free(name) {
                    names.push(name.clone());
                }
            });
        }
    }
    names
}

/// Those of some names that stand in these types.
pub fn among<'a>(names: &[Ident], types: impl IntoIterator<Item = &'a Extents>) -> Vec<Ident> {
    let mut found = Vec::new();
    for extents in types {
        for value in &extents.values {
            each(value, &mut |name| {
                if names.contains(name) && !found.contains(name) {
                    found.push(name.clone());
                }
            });
        }
    }
    found
}

/// Whether one of some names stands in an extent.
pub fn has(names: &[Ident], extent: &Expr) -> bool {
    let mut found = false;
    each(extent, &mut |name| found |= names.contains(name));
    found
}

/// Whether the number of samples stands in an extent: `2 * N`.
pub fn names_batch(extent: &Expr) -> bool {
    let mut found = false;
    each(extent, &mut |name| found |= name == "N");
    found
}

/// Calls `f` with each name in an extent that is written with names, numbers and operators.
fn each(extent: &Expr, f: &mut dyn FnMut(&Ident)) {
    match extent {
        Expr::Path(path) => path.path.get_ident().into_iter().for_each(f),
        Expr::Paren(inner) => each(&inner.expr, f),
        Expr::Group(inner) => each(&inner.expr, f),
        Expr::Binary(binary) => {
            each(&binary.left, f);
            each(&binary.right, f);
        }
        _ => {}
    }
}

/// `T`, `SEQ_2`; `N` is the batch.
fn may_be_free(name: &Ident) -> bool {
    let text = name.to_string();
    let capital = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
    text != "N" && text.starts_with(|first: char| first.is_ascii_uppercase()) && text.chars().all(capital)
}

/// The variable that holds a free extent where a body is expanded, as an error shows its name.
pub fn local(name: &Ident) -> Ident {
    Ident::new(&format!("_free_{name}"), name.span().resolved_at(Span::mixed_site()))
}

/// How a number came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It depends on nothing that is free.
    Constant,
    /// It is a free extent, or an extent that was computed from one, or may be: a `usize`.
    Extent,
    /// It was made from one, and is no extent any more.
    Made,
}

impl Origin {
    /// That of a number made from two others.
    pub fn and(self, other: Origin) -> Origin {
        match (self, other) {
            (Origin::Constant, Origin::Constant) => Origin::Constant,
            (Origin::Made, _) | (_, Origin::Made) => Origin::Made,
            _ => Origin::Extent,
        }
    }
}

/// The name of the function that computes with extents as an operator does with numbers.
pub fn function(operator: &BinOp) -> Option<&'static str> {
    Some(match operator {
        BinOp::Add(_) => "add",
        BinOp::Sub(_) => "sub",
        BinOp::Mul(_) => "mul",
        BinOp::Div(_) => "div",
        _ => return None,
    })
}

/// A call of one of these functions, at the place of what it computes.
pub fn arithmetic(function: &str, left: &TokenStream, right: &TokenStream, place: Place) -> TokenStream {
    call(function, quote!(#left, #right), place)
}

/// An extent that has to be a number, as a condition depends on it.
pub fn known(extent: &TokenStream, place: Place) -> TokenStream {
    call("known", quote!(#extent), place)
}

/// The batch size as a number of a body.
pub fn batch(batch: &TokenStream, place: Place) -> TokenStream {
    call("batch", quote!(#batch), place)
}

/// Whether a body computes with the batch size: `2 * N`, `let rows = x.size(0);`. Between commas or brackets, as in
/// `x.view(N, 64)`, it is an extent like others.
pub fn computes_with_batch(body: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = body.into_iter().collect();
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    tokens.iter().enumerate().any(|(at, token)| match token {
        TokenTree::Ident(name) if name == "N" => {
            let before = at.checked_sub(1).and_then(|before| tokens.get(before));
            !(before.is_none_or(is_comma) && tokens.get(at + 1).is_none_or(is_comma))
        }
        TokenTree::Ident(name) if name == "size" => match tokens.get(at + 1) {
            // `x.size()` gives all of them.
            Some(TokenTree::Group(group)) => matches!(group.stream().to_string().as_str(), "0" | ""),
            _ => false,
        },
        TokenTree::Group(group) => {
            let is_list = match group.delimiter() {
                Delimiter::Bracket => true,
                // `view(N)` is a call, `(N)` and `if (N)` are none: a keyword is no name.
                Delimiter::Parenthesis => at > 0 && syn::parse2::<Ident>(tokens[at - 1].clone().into()).is_ok(),
                Delimiter::Brace | Delimiter::None => false,
            };
            !is_list && group.stream().to_string() == "N" || computes_with_batch(group.stream())
        }
        _ => false,
    })
}

/// A number as something else: an `extent`, which is not negative, or a `float`.
pub fn taken_as(function: &str, number: &TokenStream, place: Place) -> TokenStream {
    call(function, quote!(#number), place)
}

fn call(function: &str, arguments: TokenStream, place: Place) -> TokenStream {
    let [first, last] = [place.first, place.last].map(|span| span.resolved_at(Span::call_site()));
    let (kiln, name) = (KILN.at(first), Ident::new(function, first));
    let path = quote_spanned!(first=> #kiln::graph::shape::extent::arithmetic::#name);
    let mut arguments = Group::new(Delimiter::Parenthesis, arguments);
    arguments.set_span(last);
    quote!(#path #arguments)
}
