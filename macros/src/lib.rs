//! The macros of the Kiln neural-network compiler: `#[derive(Model)]` and `model!`.
//!
//! Use them through the `kiln` crate, which documents them; what they expand to refers to it by name.
//!
//! `parse` reads tokens into the syntax tree of `ast`; `validate` checks names and arguments against the table in
//! `layers`; `expand` writes Rust, or `fallback` does where there are `mistakes`.
#![forbid(unsafe_code)]

mod ast;
mod expand;
mod fallback;
mod layers;
mod mistakes;
mod parse;
mod validate;

use mistakes::Mistakes;
use proc_macro2::TokenStream;
use syn::DeriveInput;

/// Makes a network of a struct whose fields are layers, applied in order.
#[proc_macro_derive(Model, attributes(model))]
pub fn derive_model(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    let mut mistakes = Mistakes::default();
    let declaration = parse::derive(input, &mut mistakes);
    finish(declaration, mistakes).into()
}

/// Declares a network: a struct whose layers are written as calls.
#[proc_macro]
pub fn model(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = TokenStream::from(input);
    let mut mistakes = Mistakes::default();
    match parse::model(input.clone(), &mut mistakes) {
        Ok(declaration) => finish(declaration, mistakes).into(),
        Err(error) => {
            mistakes.add(error);
            fallback::of_tokens(input, mistakes).into()
        }
    }
}

fn finish(declaration: ast::Declaration<ast::Layer>, mut mistakes: Mistakes) -> TokenStream {
    let declaration = validate::validate(declaration, &mut mistakes);
    if mistakes.is_empty() {
        return expand::expand(&declaration);
    }
    fallback::of_declaration(&declaration, mistakes)
}
