//! The names of layers in the messages of the compile-time checks. It knows names and indices, and no types.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident};

use super::checks::call;
use crate::ast::Place;
use crate::naming::KILN;

/// `head.norm`
pub fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

/// The name of a layer as the message gives it. One that holds indices is put together while rustc evaluates constants,
/// which takes longer than all the rest of a check.
pub struct Label {
    message: Text,
    depth: usize,
}

enum Text {
    Plain(String),
    /// A `Message`.
    Composed(TokenStream),
}

impl Label {
    pub fn new(path: &str) -> Label {
        Label { message: Text::Plain(path.to_string()), depth: 0 }
    }

    /// An expression for the text as a `Message`.
    pub fn message(&self) -> TokenStream {
        match &self.message {
            Text::Plain(path) => emit!(#KILN::graph::shape::Message::new().text(#path)),
            Text::Composed(message) => message.clone(),
        }
    }

    /// The call of a check that takes the text and a result, which it gives or refuses; a text that holds indices is put
    /// together for an error alone.
    pub fn checked(&self, place: Place, check: TokenStream, result: &TokenStream) -> TokenStream {
        match &self.message {
            Text::Plain(path) => call(place, check, emit!(#path, #result)),
            Text::Composed(message) => {
                let (right, wrong) =
                    (call(place, check.clone(), emit!("", result)), call(place, check, emit!(name.as_str(), result)));
                emit!({
                    let result = #result;
                    if result.is_ok() { #right } else { let name = #message; #wrong }
                })
            }
        }
    }

    /// The check of an index into the list at this place.
    pub fn check_index(&self, place: Place, index: &TokenStream, length: &TokenStream) -> TokenStream {
        let check = emit!(shape::check_index);
        match &self.message {
            Text::Plain(path) => {
                let check = call(place, check, emit!(#path, #index, #length));
                emit!(#check;)
            }
            Text::Composed(message) => {
                let check = call(place, check, emit!(list.as_str(), #index, #length));
                emit!(if #index >= #length { let list = #message; #check; })
            }
        }
    }

    /// Declares `name`, the text.
    pub fn bind(&self) -> TokenStream {
        match &self.message {
            Text::Plain(path) => emit!(let name = #path;),
            Text::Composed(message) => emit!(let name = #message; let name = name.as_str();),
        }
    }

    /// The variable that counts the elements of an array inside this place.
    pub fn index(&self) -> Ident {
        format_ident!("index_{}", self.depth, span = Span::mixed_site())
    }

    pub fn element(&self) -> Label {
        Label { depth: self.depth + 1, ..self.at(&self.index().to_token_stream()) }
    }

    /// The element of an array with this index.
    pub fn at(&self, index: &TokenStream) -> Label {
        let message = self.message();
        Label { message: Text::Composed(emit!(#message.text(".").number(#index))), depth: self.depth }
    }

    pub fn member(&self, name: &str) -> Label {
        let message = match &self.message {
            Text::Plain(path) => Text::Plain(join(path, name)),
            Text::Composed(message) => Text::Composed(emit!(#message.text(".").text(#name))),
        };
        Label { message, depth: self.depth }
    }
}
