//! What is put around a value in a computation: where the user's source asks for it, and the end of its gradient.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::checks::Want;
use crate::naming::KILN;

/// What is computed where the user's token at a place asks for it, of which the graph takes note. The standard macros tell
/// the place of the token that they have as theirs.
pub fn on_line(place: Span, computed: &TokenStream) -> TokenStream {
    let line = quote_spanned!(place=> ::core::file!(), ::core::line!(), ::core::column!());
    emit!({ let outer = g.line(#line); let computed = #computed; g.end_line(outer); computed })
}

/// Values through which no gradient passes.
pub fn cut(value: TokenStream, want: Want) -> TokenStream {
    match want {
        Want::One => emit!(#KILN::graph::Value::detach(#value)),
        Want::Several(_) => emit!((#value).map(#KILN::graph::Value::detach)),
    }
}
