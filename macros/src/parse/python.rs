//! What Rust can not read and PyTorch's users write by habit: slices in brackets and `@`. Knows tokens only, and what
//! to write instead.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

const SLICE: &str = "a tensor has no slices in brackets: PyTorch's `x[:, 0]` is `x.select(1, 0)`, its `x[:, 1:3]` is \
                     `x.slice(1, 1, 3)`, its `x[:, 1:]` is `x.slice(1, 1)`";
const PRODUCT: &str = "the product of matrices `a @ b` is written `a.matmul(b)`";

/// The mistake in a body that Rust can not read: what is Python in it, if something is, else the error as it was.
pub fn explain(body: TokenStream, error: syn::Error) -> syn::Error {
    match python(body) {
        Some((place, message)) => syn::Error::new(place, message),
        None => error,
    }
}

fn python(tokens: TokenStream) -> Option<(Span, &'static str)> {
    let mut indexed = false;
    for token in tokens {
        match &token {
            TokenTree::Group(group) => {
                if indexed
                    && group.delimiter() == Delimiter::Bracket
                    && let Some(place) = colon(group.stream())
                {
                    return Some((place, SLICE));
                }
                if let Some(found) = python(group.stream()) {
                    return Some(found);
                }
            }
            TokenTree::Punct(punct) if punct.as_char() == '@' => return Some((punct.span(), PRODUCT)),
            _ => {}
        }
        indexed = matches!(token, TokenTree::Ident(_) | TokenTree::Group(_));
    }
    None
}

/// A colon by itself, not those of a path.
fn colon(tokens: TokenStream) -> Option<Span> {
    let mut tokens = tokens.into_iter().peekable();
    let is_colon = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':');
    while let Some(token) = tokens.next() {
        if is_colon(&token) && tokens.next_if(is_colon).is_none() {
            return Some(token.span());
        }
    }
    None
}
