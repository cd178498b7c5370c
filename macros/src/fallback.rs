//! What stands for a model with mistakes: the struct, as far as it is known, with implementations that do nothing, so
//! that one mistake gives one error. The errors stand inside the constant that holds the input's shape: rustc then
//! takes it as wrong already, and says nothing about the models that this one is a layer of.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::{Generics, Ident};

use crate::ast::{Form, Parsed};
use crate::expand;
use crate::mistakes::Mistakes;
use crate::naming::KILN;
use crate::validate::Validated;

/// For a declaration that could be read.
pub fn of_declaration(declaration: &Validated, mistakes: Mistakes) -> TokenStream {
    let structure = match declaration.form {
        Form::Derive => TokenStream::new(),
        Form::Macro => expand::structure(declaration),
    };
    let has_programs = !declaration.steps.programs.is_empty();
    let programs = has_programs.then(|| {
        let mistaken = mistakes.as_number();
        let methods = expand::methods(declaration, expand::Found::Mistaken(&mistaken));
        let trainer = expand::trainer(declaration);
        quote!(#trainer #methods)
    });
    if declaration.inputs.is_empty() && has_programs {
        let stub = expand::steps_stub(declaration, &mistakes.into_compile_errors());
        let parameters = expand::parameters_stub(declaration);
        return quote!(#structure #programs #stub #parameters);
    }
    let stub = has_programs.then(|| expand::steps_stub(declaration, &TokenStream::new()));
    // What gives it arrays of the right elements is right, as far as they are known.
    let (input, output) = (expand::element_types(&declaration.inputs), expand::element_types(&declaration.outputs));
    let implementations = implementations(&declaration.name, &declaration.generics, &input, &output, mistakes);
    let functions = expand::stubs(declaration);
    quote!(#structure #programs #stub #implementations #functions)
}

/// For the tokens of a `model!` that could not be read: all that matters is the name after `struct`.
pub fn of_tokens(tokens: TokenStream, mistakes: Mistakes) -> TokenStream {
    let mut after = tokens.into_iter().skip_while(|token| !matches!(token, TokenTree::Ident(word) if word == "struct"));
    match after.nth(1) {
        Some(TokenTree::Ident(name)) => {
            let numbers = quote!(::core::primitive::f32);
            // Of what its programs would be, nothing more is said: the type is wrong already.
            let mistaken = mistakes.as_number();
            let trainer = quote!(impl #name { pub fn trainer(self) -> [(); #mistaken] { ::core::unreachable!() } });
            let implementations = implementations(&name, &Generics::default(), &numbers, &numbers, mistakes);
            quote!(pub struct #name; #trainer #implementations)
        }
        _ => mistakes.into_compile_errors(),
    }
}

/// For a declaration in a crate that does not know Kiln.
pub fn without_kiln(declaration: &Parsed, message: &str) -> TokenStream {
    let Parsed { form, visibility, name, generics, .. } = declaration;
    let (parameters, arguments, bounds) = generics.split_for_impl();
    let structure = (*form == Form::Macro).then(|| quote!(#visibility struct #name #generics #bounds;));
    quote! {
        #structure

        impl #parameters #name #arguments #bounds {
            #visibility fn init(_: u64) -> Self {
                ::core::compile_error!(#message)
            }
        }
    }
}

fn implementations(
    name: &Ident,
    generics: &Generics,
    input: &TokenStream,
    output: &TokenStream,
    mistakes: Mistakes,
) -> TokenStream {
    let errors = mistakes.into_compile_errors();
    let (parameters, arguments, bounds) = generics.split_for_impl();
    quote! {
        impl #parameters #KILN::graph::Layer for #name #arguments #bounds {
            fn forward<'g>(
                &self,
                _: &'g #KILN::graph::Builder,
                x: #KILN::graph::Value<'g>,
            ) -> #KILN::graph::Value<'g> {
                x
            }

            fn describe(&self, _: &mut #KILN::graph::Path, _: &mut dyn ::core::ops::FnMut(&str, &str)) {}
        }

        impl #parameters #KILN::graph::Model for #name #arguments #bounds {
            type Input = #input;
            type Output = #output;
            const INPUT: #KILN::graph::Shape = {
                #errors
                #KILN::graph::Shape::SCALAR
            };
            const OUTPUT: #KILN::graph::Shape = Self::INPUT;
            const FIELDS: &'static [#KILN::graph::model::Field] = {
                let _ = Self::INPUT;
                &[]
            };

            fn new(_: &mut #KILN::graph::Init) -> Self {
                ::core::unreachable!()
            }
        }
    }
}
