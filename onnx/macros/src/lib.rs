//! The macro `onnx_model!` of the Kiln neural-network compiler: a model of a file, whose shapes rustc knows.
//!
//! Use it through the `kiln` crate, which documents it. It stands apart from the other macros because it knows ONNX: it
//! reads the file while the user's crate is compiled, where those know syntax alone, and only who reads ONNX files
//! builds it.
//!
//! `parse` reads what the macro is given, `file` reads the file and finds out the types of inputs and outputs, `expand`
//! writes the struct.
#![forbid(unsafe_code)]

mod expand;
mod file;
mod parse;

use proc_macro2::{TokenStream, TokenTree};

/// What `kiln::onnx_model!` hands on: the crate, a comma, and what the user has written.
#[proc_macro]
#[doc(hidden)]
pub fn onnx_model_of(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let mut tokens = TokenStream::from(input).into_iter();
    let (Some(TokenTree::Ident(kiln)), Some(_)) = (tokens.next(), tokens.next()) else {
        unreachable!("`kiln::onnx_model!` says the crate")
    };
    match syn::parse2::<parse::Declaration>(tokens.collect()) {
        Ok(declaration) => match file::read(&declaration) {
            Ok(types) => expand::model(&kiln, &declaration, &types),
            Err(error) => expand::stub(&kiln, &declaration, &error),
        },
        Err(error) => error.to_compile_error(),
    }
    .into()
}
