//! The programs of a model: `Steps` with what builds each of them, the trainer with a method for each, and what rustc
//! is to say about losses and fields that nothing reaches. What these are, `validate` has found.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::ext::IdentExt;

use super::checks::Want;
use super::checks::at;
use super::owner::Owner;
use super::{around, expansion, structure, transfers, walk};
use crate::ast::{Form, Input, Mode, Sequence};
use crate::mistakes::spaced;
use crate::naming::KILN;
use crate::validate::{Certain, Cut, Element, Layer, Output, Part, Program, Validated, batch};

/// Everything but the struct and the checks, for a model that has programs.
pub fn implementations(declaration: &Validated) -> TokenStream {
    let name = &declaration.name;
    let (parameters, arguments, bounds) = declaration.generics.split_for_impl();
    let trainer = trainer_name(declaration);
    let owner = Owner::of(declaration);
    let signatures = signatures(declaration);
    let optimizers = declaration.steps.optimizers.iter().map(|optimizer| {
        let (field, text) = (&optimizer.name, optimizer.name.unraw().to_string());
        let visits = optimizer.parts.iter().map(|part| visit_part(part, declaration));
        emit!(#KILN::optimizers::Optimization::new(#text, &self.#field, |path, f| { #(#visits)* }))
    });
    let programs = declaration.steps.programs.iter().enumerate().map(|(number, program)| {
        let inputs = program
            .inputs
            .iter()
            .enumerate()
            .map(|(position, Input { name, .. })| emit!(let mut #name = inputs[#position];));
        let batch = batch();
        let taken: Vec<_> = program.inputs.iter().map(|Input { name, extents }| (name, extents)).collect();
        let free = owner.bind_values(&taken);
        let body = expansion(declaration, &emit!(self)).block(&program.body, Want::One);
        let outputs = program.results.iter().map(|Output { name, .. }| {
            let text = name.unraw().to_string();
            emit!(g.output(#text, #name);)
        });
        let body = emit!(#body #(#outputs)*);
        let body = around::body(&emit!(#(#inputs)* let #batch = batch; #free #body));
        emit!(#number => { #body })
    });
    emit! {
        #[automatically_derived]
        impl #parameters #KILN::Steps for #name #arguments #bounds {
            const PROGRAMS: &'static [#KILN::steps::Signature] = &[#(#signatures),*];

            type Trainer = #trainer #arguments;

            fn program<'g>(
                &self,
                number: usize,
                g: &'g #KILN::graph::Builder,
                batch: usize,
                inputs: &[#KILN::graph::Value<'g>],
            ) {
                match number {
                    #(#programs)*
                    _ => ::core::panic!("there is no such program"),
                }
            }

            fn optimizers(&self) -> ::std::vec::Vec<#KILN::optimizers::Optimization<'_>> {
                ::std::vec![#(#optimizers),*]
            }
        }
    }
}

/// What each program is called and takes.
fn signatures(declaration: &Validated) -> Vec<TokenStream> {
    let owner = Owner::of(declaration);
    let signature = |program: &Program| {
        let name = program.name.unraw().to_string();
        let mode = match program.mode {
            Mode::Train => emit!(Train),
            Mode::Eval => emit!(Eval),
        };
        let inputs = program.inputs.iter().map(|Input { name, extents: given }| {
            let (name, ty) = (name.unraw().to_string(), owner.extents(given));
            emit!(#KILN::steps::Taken { name: #name, ty: #ty })
        });
        emit! {
            #KILN::steps::Signature { name: #name, mode: #KILN::graph::Mode::#mode, inputs: &[#(#inputs),*] }
        }
    };
    declaration.steps.programs.iter().map(signature).collect()
}

/// Calls `f` with every parameter of a part.
fn visit_part(part: &Part, declaration: &Validated) -> TokenStream {
    let (place, segments) = transfers::place_of(part, &emit!(self));
    let visit = transfers::visit(part, &declaration.body, &place);
    segments.iter().rev().fold(visit, |inner, segment| walk::enter(segment, &inner))
}

/// `Parameters` and the constructors, for a model that is no layer.
pub fn parameters(declaration: &Validated, when_instantiated: &TokenStream) -> TokenStream {
    let (name, visibility) = (&declaration.name, &declaration.visibility);
    let (parameters, arguments, bounds) = declaration.generics.split_for_impl();
    let value = structure::value(declaration, &Owner::of(declaration));
    let its_parameters = parameters_of(declaration, name, &declaration.body);
    emit! {
        #its_parameters

        impl #parameters #name #arguments #bounds {
            /// A model with PyTorch's initialisation, drawn from `init`.
            #visibility fn new(init: &mut #KILN::graph::Init) -> Self {
                #when_instantiated
                #value
            }

            /// A model with PyTorch's initialisation. The same seed gives the same parameters on every machine.
            ///
            /// # Panics
            /// If the system does not give the memory that a parameter takes.
            #visibility fn init(seed: u64) -> Self {
                Self::new(&mut #KILN::graph::Init::new(seed))
            }
        }
    }
}

/// `Parameters` of the structs beside that of the model, which are no layers themselves: they can be saved and loaded.
pub fn parameters_of_parts(declaration: &Validated) -> TokenStream {
    let parts = match declaration.form {
        Form::Derive => Vec::new(),
        Form::Macro => structure::parts(declaration),
    };
    let all = parts.iter().map(|(name, body)| parameters_of(declaration, name, body));
    emit!(#(#all)*)
}

/// `Parameters` of a struct of this declaration, by what it holds.
fn parameters_of(declaration: &Validated, name: &Ident, body: &Sequence<Layer>) -> TokenStream {
    let (parameters, arguments, bounds) = declaration.generics.split_for_impl();
    let (visit, visit_mut, describe) = (walk::visit(body), walk::visit_mut(body), walk::describe(body));
    emit! {
        #[automatically_derived]
        impl #parameters #KILN::graph::Parameters for #name #arguments #bounds {
            fn each_parameter<'a>(
                &'a self,
                f: &mut dyn ::core::ops::FnMut(&str, &'a #KILN::graph::Parameter),
            ) {
                let path = &mut #KILN::graph::Path::new();
                #visit
            }

            fn each_parameter_mut(&mut self, f: &mut dyn ::core::ops::FnMut(&str, &mut #KILN::graph::Parameter)) {
                let path = &mut #KILN::graph::Path::new();
                #visit_mut
            }

            fn each_layer(&self, f: &mut dyn ::core::ops::FnMut(&str, &str)) {
                let path = &mut #KILN::graph::Path::new();
                #describe
            }
        }
    }
}

/// `GanTrainer` for `Gan`.
fn trainer_name(declaration: &Validated) -> Ident {
    format_ident!("{}Trainer", declaration.name, span = declaration.name.span())
}

/// The trainer of the programs.
pub fn trainer(declaration: &Validated) -> TokenStream {
    let (name, visibility, generics) = (&declaration.name, &declaration.visibility, &declaration.generics);
    let (parameters, arguments, bounds) = generics.split_for_impl();
    let trainer = trainer_name(declaration);
    let doc = format!(
        "Trains a [`{name}`]: a method for each of its programs, and all of [`StepTrainer`]({}::StepTrainer).",
        spaced(KILN).replace(' ', "")
    );
    emit! {
        #[doc = #doc]
        #visibility struct #trainer #generics #bounds {
            trainer: #KILN::StepTrainer<#name #arguments>,
        }

        #[automatically_derived]
        impl #parameters ::core::convert::From<#KILN::StepTrainer<#name #arguments>> for #trainer #arguments #bounds {
            fn from(trainer: #KILN::StepTrainer<#name #arguments>) -> Self {
                Self { trainer }
            }
        }

        #[automatically_derived]
        impl #parameters ::core::fmt::Debug for #trainer #arguments #bounds {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Debug::fmt(&self.trainer, f)
            }
        }

        #[automatically_derived]
        impl #parameters ::core::ops::Deref for #trainer #arguments #bounds {
            type Target = #KILN::StepTrainer<#name #arguments>;

            fn deref(&self) -> &Self::Target {
                &self.trainer
            }
        }

        #[automatically_derived]
        impl #parameters ::core::ops::DerefMut for #trainer #arguments #bounds {
            fn deref_mut(&mut self) -> &mut Self::Target {
                &mut self.trainer
            }
        }
    }
}

/// What tells what a result is where the text alone does not.
#[derive(Clone, Copy)]
pub enum Found<'a> {
    /// The walk over types; a model without one has results of which the text is certain.
    Walk(Option<&'a Owner>),
    /// For the fallback, which has no walk: a number of a type that rustc takes as wrong already, so that it says nothing of
    /// what users do with the results.
    Mistaken(&'a TokenStream),
}

/// The trainer's methods, one for each program.
pub fn methods(declaration: &Validated, found: Found<'_>) -> TokenStream {
    let (name, visibility) = (&declaration.name, &declaration.visibility);
    let (parameters, arguments, bounds) = declaration.generics.split_for_impl();
    let trainer = trainer_name(declaration);
    let programs = declaration.steps.programs.iter().enumerate();
    let methods = programs.map(|(number, program)| method(number, program, visibility, found));
    emit! {
        #[allow(dead_code)]
        impl #parameters #trainer #arguments #bounds {
            #(#methods)*

            /// The model with its present parameters.
            #visibility fn into_model(self) -> #name #arguments {
                self.trainer.into_model()
            }
        }
    }
}

/// The type of a result of a program in Rust: as the text makes it certain, or else by the type that rustc's walk over
/// the program's types has found.
pub fn result_type(program: &Program, position: usize, found: Found<'_>) -> TokenStream {
    let result = &program.results[position];
    match (rust_type(result.certain), found) {
        (Some(ty), _) => ty,
        (None, Found::Walk(Some(walk))) => {
            let types = walk.constant(&program.name.to_string());
            // Where the walk fails, rustc notes the use of it, at the result.
            let place = at(result.name.span());
            let types = types.into_iter().map(|mut token| {
                token.set_span(place);
                token
            });
            let kiln = KILN.at(place);
            let number = quote_spanned!(place=> { #kiln::steps::kind(#(#types)*[#position]) });
            emit!(<#KILN::steps::Kind<#number> as #KILN::steps::Returned>::Type)
        }
        (None, Found::Walk(None)) => emit!(#KILN::ndarray::ArrayD<f32>),
        (None, Found::Mistaken(number)) => {
            emit!(<#KILN::steps::Kind<{ (#number) }> as #KILN::steps::Returned>::Type)
        }
    }
}

/// The type in Rust of what is certain enough.
fn rust_type(certain: Certain) -> Option<TokenStream> {
    let element = match certain.element? {
        Element::F32 => emit!(::core::primitive::f32),
        Element::I32 => emit!(::core::primitive::i32),
        Element::Bool => emit!(::core::primitive::bool),
    };
    Some(if certain.scalar? { element } else { emit!(#KILN::ndarray::ArrayD<#element>) })
}

/// The method that runs a program.
fn method(number: usize, program: &Program, visibility: &syn::Visibility, found: Found<'_>) -> TokenStream {
    let Program { attributes, name, inputs, results, .. } = program;
    let array = |element: &str| {
        let element = Ident::new(element, Span::mixed_site());
        emit!(#KILN::ndarray::ArrayRef<::core::primitive::#element, impl #KILN::ndarray::Dimension>)
    };
    // Of each input what is taken, how its shape is said, and how it is given.
    let (mut parameters, mut shapes, mut give) = (Vec::new(), Vec::new(), Vec::new());
    for Input { name, extents } in inputs {
        let element = extents.element.as_ref().map(Ident::to_string);
        if !extents.batch && extents.values.is_empty() {
            shapes.push(emit!(.shape(&[])?));
            if element.as_deref() == Some("i32") {
                parameters.push(emit!(#name: impl #KILN::Label));
                give.push(emit!(.whole_number(#name)?));
            } else {
                let element = Ident::new(element.as_deref().unwrap_or("f32"), Span::mixed_site());
                parameters.push(emit!(#name: ::core::primitive::#element));
                give.push(emit!(.number(#name)?));
            }
            continue;
        }
        let (taken, shape, given) = match element.as_deref() {
            Some("i32") => (
                emit!((impl #KILN::Targets<i32> + ?::core::marker::Sized)),
                emit!(.shape_of(#name)?),
                emit!(.labels(#name)?),
            ),
            Some("bool") => (array("bool"), emit!(.shape(#name.shape())?), emit!(.mask(#name)?)),
            _ => (array("f32"), emit!(.shape(#name.shape())?), emit!(.numbers(#name)?)),
        };
        parameters.push(emit!(#name: &#taken));
        shapes.push(shape);
        give.push(given);
    }
    let types: Vec<TokenStream> = (0..results.len()).map(|result| result_type(program, result, found)).collect();
    let values: Vec<TokenStream> = (0..results.len()).map(|result| emit!(results.get(#result)?)).collect();
    let (ty, value) = match (types.as_slice(), values.as_slice()) {
        ([ty], [value]) => (ty.clone(), value.clone()),
        _ => (emit!((#(#types),*)), emit!((#(#values),*))),
    };
    let given: Vec<String> = results.iter().map(|result| format!("`{}`", result.name.unraw())).collect();
    let doc = match (program.mode, given.is_empty()) {
        (Mode::Train, true) => "Takes this step.".to_string(),
        (Mode::Train, false) => format!("Takes this step; gives {}.", given.join(", ")),
        (Mode::Eval, _) => format!("Evaluates {}.", given.join(", ")),
    };
    let own: &[TokenStream] =
        &if attributes.iter().any(|a| a.path().is_ident("doc")) { vec![] } else { vec![emit!(#[doc = #doc])] };
    emit! {
        #(#attributes)*
        #(#own)*
        ///
        /// # Errors
        /// Inputs of another shape than declared, or of different numbers of samples.
        #visibility fn #name(&mut self, #(#parameters),*) -> ::core::result::Result<#ty, #KILN::TrainError> {
            let results = self.trainer.call(#number)#(#shapes)*#(#give)*.run()?;
            ::core::result::Result::Ok(#value)
        }
    }
}

/// A constant that fails to evaluate for each loss that is cut from what it is to change: reported at the loss, with the
/// places of the cuts.
pub fn cuts(declaration: &Validated) -> TokenStream {
    let constants = declaration.steps.cut.iter().map(|Cut { place, message, cuts }| {
        // rustc shows a failing call, and for the function that fails inside it the place and the name.
        let (first, last) = (at(place.first), at(place.last));
        let Some((innermost, _)) = cuts.first() else {
            let kiln = KILN.at(first);
            let path = quote_spanned!(first=> #kiln::graph::shape::);
            let call = quote_spanned!(last=> (#message));
            return emit!(const _: () = #path fail #call;);
        };
        let innermost = at(*innermost);
        let message = cuts.iter().fold(message.clone(), |message, (_, what)| {
            if message.contains(what.as_str()) { message } else { format!("{message}; {what} cuts it off") }
        });
        let inner = Ident::new("the_gradient_ends_here", innermost);
        let panic = quote_spanned!(innermost=> ::core::panic!(#message));
        let outer = Ident::new("the_gradient_ends_here", first);
        let call = quote_spanned!(last=> ());
        emit! {
            const _: () = {
                const fn #inner() { #panic }
                #outer #call
            };
        }
    });
    emit!(#(#constants)*)
}

/// The fields that hold optimizers.
pub fn fields(declaration: &Validated) -> Vec<TokenStream> {
    let field = |optimizer: &crate::validate::Optimizer| {
        let crate::validate::Optimizer { attributes, visibility, name, ty, .. } = optimizer;
        quote::quote!(#(#attributes)* #visibility #name: #ty)
    };
    declaration.steps.optimizers.iter().map(field).collect()
}

/// The settings of the optimizers, as fields of a value.
pub fn values(declaration: &Validated, owner: &Owner) -> Vec<TokenStream> {
    let value = |optimizer: &crate::validate::Optimizer| {
        let (name, value, later) = (&optimizer.name, owner.optimizer(&optimizer.name), &optimizer.later);
        emit!(#name: #value #later)
    };
    declaration.steps.optimizers.iter().map(value).collect()
}

/// For the fallback: `Steps` that does nothing, with the mistakes in a constant.
pub fn stub(declaration: &Validated, errors: &TokenStream) -> TokenStream {
    let name = &declaration.name;
    let (parameters, arguments, bounds) = declaration.generics.split_for_impl();
    let trainer = trainer_name(declaration);
    emit! {
        impl #parameters #KILN::Steps for #name #arguments #bounds {
            const PROGRAMS: &'static [#KILN::steps::Signature] = {
                #errors
                &[]
            };

            type Trainer = #trainer #arguments;

            fn program<'g>(&self, _: usize, _: &'g #KILN::graph::Builder, _: usize, _: &[#KILN::graph::Value<'g>]) {}

            fn optimizers(&self) -> ::std::vec::Vec<#KILN::optimizers::Optimization<'_>> {
                ::std::vec::Vec::new()
            }
        }
    }
}

/// For the fallback: `Parameters` that does nothing, and what makes a model that is no layer.
pub fn parameters_stub(declaration: &Validated) -> TokenStream {
    let (name, visibility) = (&declaration.name, &declaration.visibility);
    let (parameters, arguments, bounds) = declaration.generics.split_for_impl();
    emit! {
        impl #parameters #KILN::graph::Parameters for #name #arguments #bounds {
            fn each_parameter<'a>(&'a self, _: &mut dyn ::core::ops::FnMut(&str, &'a #KILN::graph::Parameter)) {}

            fn each_parameter_mut(&mut self, _: &mut dyn ::core::ops::FnMut(&str, &mut #KILN::graph::Parameter)) {}

            fn each_layer(&self, _: &mut dyn ::core::ops::FnMut(&str, &str)) {}
        }

        #[allow(dead_code)]
        impl #parameters #name #arguments #bounds {
            #visibility fn init(_: u64) -> Self {
                ::core::unreachable!()
            }
        }
    }
}
