//! What is put around a value in a computation: where the user's source asks for it, and the end of its gradient. It
//! knows no operation.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;

use super::checks::Want;
use crate::naming::KILN;

/// The call of a function of `kiln::graph::written`, which asks for its caller's place: that of the user's token.
/// Hence all of the call's own tokens lie there, and none is the macro's.
pub fn written(place: Span, function: &str, arguments: &TokenStream) -> TokenStream {
    let (kiln, function) = (KILN.at(place), Ident::new(function, place));
    quote_spanned!(place=> #kiln::graph::written::#function(#arguments))
}

/// The last tensor that something takes which the user's token asks for, and which is computed when all of them are.
pub fn at(place: Span, operand: &TokenStream) -> TokenStream {
    written(place, "at", operand)
}

/// The statement behind which all is computed where the user's token asks for it.
pub fn line(place: Span) -> TokenStream {
    let on = written(place, "on", &emit!(g));
    emit!(#on;)
}

/// The statements of a body, and its value, whose lines end with it.
pub fn body(statements: &TokenStream) -> TokenStream {
    emit!(let outer = g.begin_body(); let result = { #statements }; g.end_body(outer); result)
}

/// Values through which no gradient passes.
pub fn cut(value: TokenStream, want: Want) -> TokenStream {
    match want {
        Want::One => emit!(#KILN::graph::Value::detach(#value)),
        Want::Several(_) => emit!((#value).map(#KILN::graph::Value::detach)),
    }
}
