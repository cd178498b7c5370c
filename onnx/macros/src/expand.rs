//! The struct of an `onnx_model!`: what a user could have written by hand. Knows no files.

use std::path::Path;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;

use crate::file::{Typed, Types, element};
use crate::parse::{Declaration, Said, Setting};

/// `quote!` whose names the user's own can neither see nor clash with.
macro_rules! emit {
    ($($tokens:tt)*) => { quote_spanned!(Span::mixed_site()=> $($tokens)*) };
}

/// A model of the types that were found.
pub fn model(kiln: &Ident, declaration: &Declaration, types: &Types) -> TokenStream {
    let Declaration { attributes, visibility, name, path, outputs: cut, settings, lengths } = declaration;
    let cut = (!cut.is_empty()).then(|| emit!(.with_outputs(&[#(#cut),*])?));
    let Types { path: place, beside, inputs, outputs, parameters } = types;
    let list = |typed: &[Typed]| {
        let each: Vec<String> =
            typed.iter().map(|Typed { name, ty }| format!("`{name} {}{}`", ty.dtype, ty.shape)).collect();
        each.join(", ")
    };
    let doc = format!(
        "The model of `{}`: takes {}, gives {}; {parameters} parameters, which are the file's.",
        path.value(),
        list(inputs),
        list(outputs)
    );
    let bytes = file_bytes(place);
    let read = match beside.is_empty() {
        true => emit!(#kiln::onnx::OnnxModel::from_bytes(&#bytes[..])?),
        false => {
            let files = beside.iter().map(|(name, place)| {
                let bytes = file_bytes(place);
                emit!((#name, &#bytes[..]))
            });
            emit!(#kiln::onnx::OnnxModel::from_files(&#bytes[..], &[#(#files),*])?)
        }
    };
    let checks = lengths.iter().map(|length| free_check(kiln, length));
    let said = settings.iter().map(|setting| setting_call(kiln, setting));
    let several = inputs.len() > 1 || outputs.len() > 1;
    let (input, output) = (elements(inputs), elements(outputs));
    let (input_types, output_types) = (constant_types(kiln, inputs), constant_types(kiln, outputs));
    let names = |typed: &[Typed]| typed.iter().map(|typed| typed.name.clone()).collect::<Vec<String>>();
    let (input_names, output_names) = (names(inputs), names(outputs));
    let text = name.to_string();
    let forward = if several {
        emit!(#kiln::graph::model::not_of_one::<Self>(g, x))
    } else {
        emit!(self.onnx.apply(g, &[x], <Self as #kiln::graph::Model>::OUTPUTS)[0])
    };
    emit! {
        #(#checks)*

        #[doc = #doc]
        #(#attributes)*
        #visibility struct #name {
            /// The graph and the parameters: which of them are trained, what they hold.
            #visibility onnx: #kiln::onnx::OnnxModel,
        }

        #[automatically_derived]
        impl #kiln::graph::Layer for #name {
            fn forward<'g>(
                &self,
                g: &'g #kiln::graph::Builder,
                x: #kiln::graph::Value<'g>,
            ) -> #kiln::graph::Value<'g> {
                #forward
            }

            fn visit<'a>(
                &'a self,
                path: &mut #kiln::graph::Path,
                f: &mut dyn ::core::ops::FnMut(&str, &'a #kiln::graph::Parameter),
            ) {
                #kiln::graph::Layer::visit(&self.onnx, path, f);
            }

            fn visit_mut(
                &mut self,
                path: &mut #kiln::graph::Path,
                f: &mut dyn ::core::ops::FnMut(&str, &mut #kiln::graph::Parameter),
            ) {
                #kiln::graph::Layer::visit_mut(&mut self.onnx, path, f);
            }

            fn describe(&self, path: &mut #kiln::graph::Path, f: &mut dyn ::core::ops::FnMut(&str, &str)) {
                #kiln::graph::Layer::describe(&self.onnx, path, f);
            }
        }

        #[automatically_derived]
        impl #kiln::graph::Model for #name {
            type Input = #input;
            type Output = #output;
            const INPUT: #kiln::graph::Shape = #kiln::graph::shape::only(#text, "inputs", #input_types);
            const OUTPUT: #kiln::graph::Shape = #kiln::graph::shape::only(#text, "outputs", #output_types);
            const INPUTS: &'static [#kiln::graph::Type] = #input_types;
            const INPUT_NAMES: &'static [&'static str] = &[#(#input_names),*];
            const OUTPUTS: &'static [#kiln::graph::Type] = #output_types;
            const OUTPUT_NAMES: &'static [&'static str] = &[#(#output_names),*];

            fn forward_all<'g>(
                &self,
                g: &'g #kiln::graph::Builder,
                inputs: &[#kiln::graph::Value<'g>],
            ) -> ::std::vec::Vec<#kiln::graph::Value<'g>> {
                self.onnx.apply(g, inputs, Self::OUTPUTS)
            }

            /// The file's parameters, whatever the seed.
            fn new(_: &mut #kiln::graph::Init) -> Self {
                let read = || -> ::core::result::Result<_, #kiln::onnx::OnnxError> {
                    ::core::result::Result::Ok(#read #cut #(#said)*)
                };
                // The same bytes were read when this was compiled.
                Self { onnx: read().expect("a file that was read before") }
            }
        }
    }
}

/// The bytes of the file as a part of the program, which cargo builds anew where they change.
fn file_bytes(place: &Path) -> TokenStream {
    let place = place.display().to_string();
    emit!(::core::include_bytes!(#place))
}

/// A call that says of an input what the user has said.
fn setting_call(kiln: &Ident, Setting { name, value, .. }: &Setting) -> TokenStream {
    match value {
        Said::Shape(extents) => {
            let extents = extents.iter().map(|&extent| constant_extent(kiln, extent));
            emit!(.shape(#name, &[#(#extents),*])?)
        }
        Said::Value { list, numbers } => {
            let numbers = numbers.iter().map(|number| number.literal());
            if *list {
                emit!(.with(#name, &#kiln::ndarray::arr1(&[#(#numbers),*]))?)
            } else {
                emit!(.with(#name, #(#numbers)*)?)
            }
        }
    }
}

fn constant_extent(kiln: &Ident, extent: usize) -> TokenStream {
    if extent == kiln_graph::Shape::N { emit!(#kiln::graph::Shape::N) } else { emit!(#extent) }
}

/// That the name of a free length is that of no constant, whose value the macro can not see: in a pattern a constant is compared,
/// any other name is a new one.
fn free_check(kiln: &Ident, length: &Ident) -> TokenStream {
    let name = length.to_string();
    let words = format!(
        "`{name}` is a constant, and the file is read before constants have values: write its number, or take another name \
         for a free length"
    );
    // The user's own word, so that rustc looks it up, and shows it.
    let constant = quote_spanned!(length.span()=> ::core::panic!(#words));
    emit! {
        const _: () = {
            #[allow(unused_variables, non_snake_case, irrefutable_let_patterns)]
            if let #length = #kiln::graph::shape::extent::free(#name) {
            } else {
                #constant
            }
        };
    }
}

/// The element types: one, or a tuple.
fn elements(typed: &[Typed]) -> TokenStream {
    let each = typed.iter().map(|typed| element(typed.ty.dtype)).map(|element| emit!(::core::primitive::#element));
    if typed.len() == 1 { emit!(#(#each)*) } else { emit!((#(#each),*)) }
}

fn constant_types(kiln: &Ident, typed: &[Typed]) -> TokenStream {
    let each = typed.iter().map(|Typed { ty, .. }| {
        let dtype = Ident::new(&format!("{:?}", ty.dtype), Span::mixed_site());
        let extents = ty.shape.dims().iter().map(|&extent| constant_extent(kiln, extent));
        emit!(#kiln::graph::Type::new(#kiln::graph::DType::#dtype, #kiln::graph::Shape::new(&[#(#extents),*])))
    });
    emit!(&[#(#each),*])
}

/// A struct of the name, which lets what uses it be: the error is the only one.
pub fn stub(kiln: &Ident, declaration: &Declaration, error: &syn::Error) -> TokenStream {
    let Declaration { attributes, visibility, name, .. } = declaration;
    let error = error.to_compile_error();
    emit! {
        #(#attributes)*
        #visibility struct #name {
            #visibility onnx: #kiln::onnx::OnnxModel,
        }

        impl #kiln::graph::Layer for #name {
            fn forward<'g>(
                &self,
                _: &'g #kiln::graph::Builder,
                x: #kiln::graph::Value<'g>,
            ) -> #kiln::graph::Value<'g> {
                x
            }

            fn describe(&self, _: &mut #kiln::graph::Path, _: &mut dyn ::core::ops::FnMut(&str, &str)) {}
        }

        impl #kiln::graph::Model for #name {
            type Input = ::core::primitive::f32;
            type Output = ::core::primitive::f32;
            const INPUT: #kiln::graph::Shape = {
                #error
                #kiln::graph::Shape::SCALAR
            };
            const OUTPUT: #kiln::graph::Shape = Self::INPUT;

            fn new(_: &mut #kiln::graph::Init) -> Self {
                ::core::unreachable!()
            }
        }
    }
}
