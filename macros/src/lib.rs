//! The macros of the Kiln neural-network compiler: `#[derive(Model)]` and `model!`.
//!
//! Use them through the `kiln` crate, which documents them; what they expand to refers to it by the name that the
//! calling crate gives it.
//!
//! `parse` reads tokens into the syntax tree of `ast`; `validate` checks names and arguments against the tables in
//! `layers` and `methods`, and resolves a `forward` to a `body`; `expand` writes Rust, or `fallback` does where there
//! are `mistakes`. None of them knows graphs or computes a shape: what they write are calls of `kiln`'s, many of them
//! in constants, where rustc does.
#![forbid(unsafe_code)]

mod ast;
mod body;
mod expand;
mod fallback;
mod free;
mod layers;
mod losses;
mod methods;
mod mistakes;
mod naming;
mod optimizers;
mod parse;
mod validate;

use mistakes::Mistakes;
use proc_macro2::TokenStream;
use syn::DeriveInput;

#[doc = include_str!("derive.md")]
#[proc_macro_derive(Model, attributes(model))]
pub fn derive_model(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    let mut mistakes = Mistakes::default();
    let declaration = parse::derive(input, &mut mistakes);
    finish(declaration, mistakes).into()
}

#[doc = include_str!("model.md")]
///
#[doc = include_str!("steps.md")]
///
#[doc = include_str!("forward.md")]
#[proc_macro]
pub fn model(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = TokenStream::from(input);
    let mut mistakes = Mistakes::default();
    match parse::model(input.clone(), &mut mistakes) {
        Ok(declaration) => finish(declaration, mistakes).into(),
        Err(error) => {
            // If the name is not found, that is said when this is right.
            let _known = naming::set(None);
            mistakes.add(error);
            fallback::of_tokens(input, mistakes).into()
        }
    }
}

fn finish(declaration: ast::Parsed, mut mistakes: Mistakes) -> TokenStream {
    let _known = match naming::set(declaration.kiln.as_ref()) {
        Ok(known) => known,
        Err(message) => return fallback::without_kiln(&declaration, message),
    };
    let declaration = validate::validate(declaration, &mut mistakes);
    if mistakes.is_empty() {
        return expand::expand(&declaration);
    }
    fallback::of_declaration(&declaration, mistakes)
}
