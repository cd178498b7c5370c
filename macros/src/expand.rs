//! From validated layers to Rust: the struct (for `model!`), the implementations of `Layer` and `Model`, and the
//! compile-time checks. What is emitted are calls that a user could have written. Knows neither shapes nor graphs.

/// `quote!` whose local variables the user's own names (in const arguments) can neither see nor clash with.
macro_rules! emit {
    ($($tokens:tt)*) => {
        quote::quote_spanned!(proc_macro2::Span::mixed_site()=> $($tokens)*)
    };
}

mod body;
mod checks;
mod structure;
mod walk;

pub use structure::structure;

use proc_macro2::TokenStream;

use self::checks::Checks;
use crate::ast::Form;
use crate::validate::Validated;

/// The whole expansion of a declaration without mistakes.
pub fn expand(declaration: &Validated) -> TokenStream {
    let structure = match declaration.form {
        Form::Derive => TokenStream::new(),
        Form::Macro => structure::structure(declaration),
    };
    let Checks { items, when_instantiated } = checks::checks(declaration);
    let warnings = declaration.forward.as_ref().map(body::warnings);
    let layer = implement_layer(declaration);
    let model = implement_model(declaration, &when_instantiated);
    emit! {
        #structure
        // The constants are named after the user's fields and types, and hold the user's const arguments.
        // A body's statements stand in the shape checks and in `forward`, which warns of what is unused.
        #[allow(
            non_upper_case_globals,
            dead_code,
            unused_braces,
            unused_comparisons,
            unused_mut,
            unused_parens,
            unconditional_panic,
            arithmetic_overflow,
            clippy::all
        )]
        const _: () = {
            #warnings
            #items
            #layer
            #model
        };
    }
}

fn implement_layer(declaration: &Validated) -> TokenStream {
    let name = &declaration.name;
    let (parameters, arguments, bounds) = declaration.generics.split_for_impl();
    let forward = match &declaration.forward {
        None => walk::forward(&declaration.body),
        Some(forward) => body::computation(forward, &declaration.body),
    };
    let visit = walk::visit(&declaration.body);
    let visit_mut = walk::visit_mut(&declaration.body);
    let describe = walk::describe(&declaration.body);
    emit! {
        #[automatically_derived]
        impl #parameters ::kiln::graph::Layer for #name #arguments #bounds {
            fn forward<'g>(
                &self,
                g: &'g ::kiln::graph::Builder,
                x: ::kiln::graph::Value<'g>,
            ) -> ::kiln::graph::Value<'g> {
                #forward
            }

            fn visit<'a>(
                &'a self,
                path: &mut ::kiln::graph::Path,
                f: &mut dyn ::core::ops::FnMut(&str, &'a ::kiln::graph::Parameter),
            ) {
                #visit
            }

            fn visit_mut(
                &mut self,
                path: &mut ::kiln::graph::Path,
                f: &mut dyn ::core::ops::FnMut(&str, &mut ::kiln::graph::Parameter),
            ) {
                #visit_mut
            }

            fn describe(&self, path: &mut ::kiln::graph::Path, f: &mut dyn ::core::ops::FnMut(&str, &str)) {
                #describe
            }
        }
    }
}

fn implement_model(declaration: &Validated, when_instantiated: &TokenStream) -> TokenStream {
    let name = &declaration.name;
    let (parameters, arguments, bounds) = declaration.generics.split_for_impl();
    let owner = checks::Owner::of(declaration);
    let input = owner.constant(checks::INPUT);
    let output = owner.constant(checks::OUTPUT);
    let value = structure::value(declaration, &owner);
    emit! {
        #[automatically_derived]
        impl #parameters ::kiln::graph::Model for #name #arguments #bounds {
            const INPUT: ::kiln::graph::Shape = #input;
            const OUTPUT: ::kiln::graph::Shape = #output;

            fn new(init: &mut ::kiln::graph::Init) -> Self {
                #when_instantiated
                #value
            }
        }
    }
}
