//! From validated layers to Rust: the struct (for `model!`), the implementations of `Layer` and `Model`, and the
//! compile-time checks. What is emitted are calls that a user could have written. Knows neither shapes nor graphs.

/// `quote!` whose local variables the user's own names (in const arguments) can neither see nor clash with.
macro_rules! emit {
    ($($tokens:tt)*) => {
        quote::quote_spanned!(proc_macro2::Span::mixed_site()=> $($tokens)*)
    };
}

mod applied;
mod around;
mod body;
mod called;
mod checks;
mod inside;
mod label;
mod lists;
mod loops;
mod losses;
mod owner;
mod steps;
mod structure;
#[cfg(test)]
mod tests;
mod transfers;
mod walk;

pub use checks::declared_types;
pub use inside::stubs;
pub use steps::{Found, methods, parameters_stub, stub as steps_stub, trainer};
pub use structure::structure;
pub use walk::segment;

use proc_macro2::{Ident, Span, TokenStream};
use syn::ext::IdentExt;

use self::body::{Expansion, Target};
use self::checks::{Checks, Want};
use self::owner::Owner;
use crate::ast::{Extents, Form, Parameter, ParameterKind};
use crate::body::{Forward, Helper, Step, Tensor, Value};
use crate::naming::KILN;
use crate::validate::{Validated, Warning, batch};

/// The whole expansion of a declaration without mistakes.
pub fn expand(declaration: &Validated) -> TokenStream {
    let structure = match declaration.form {
        Form::Derive => TokenStream::new(),
        Form::Macro => structure::structure(declaration),
    };
    let Checks { items, when_instantiated } = checks::checks(declaration);
    let warnings = warnings(declaration);
    let functions = declaration.helpers.iter().map(|helper| compute_helper(helper, declaration));
    let model = if declaration.inputs.is_empty() {
        steps::parameters(declaration, &when_instantiated)
    } else {
        let (layer, model) = (implement_layer(declaration), implement_model(declaration, &when_instantiated));
        emit!(#layer #model)
    };
    let (applied, called) = (applied::computations(declaration), called::computations(declaration));
    let losses = losses::computations(declaration);
    let for_others = inside::functions(declaration);
    let parts = steps::parameters_of_parts(declaration);
    let cuts = steps::cuts(declaration);
    let walk = Owner::of_defaults(declaration);
    let has_programs = !declaration.steps.programs.is_empty();
    let trainer = has_programs.then(|| steps::trainer(declaration));
    let programs = has_programs.then(|| {
        let (implementations, methods) =
            (steps::implementations(declaration), steps::methods(declaration, Found::Walk(walk.as_ref())));
        emit!(#implementations #methods)
    });
    emit! {
        #structure
        #trainer
        #warnings
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
            #items
            #cuts
            #applied
            #called
            #losses
            #(#functions)*
            #model
            #for_others
            #parts
            #programs
        };
    }
}

fn implement_layer(declaration: &Validated) -> TokenStream {
    let name = &declaration.name;
    let (parameters, arguments, bounds) = declaration.generics.split_for_impl();
    let forward = match &declaration.forward {
        None => around::body(&walk::forward(&declaration.body)),
        Some(_) if takes_several(declaration) => emit!(#KILN::graph::model::not_of_one::<Self>(g, x)),
        Some(forward) => {
            let (name, body) = (&forward.inputs[0], compute_forward(forward, declaration));
            around::body(&emit!(let mut #name = x; #body))
        }
    };
    let visit = walk::visit(&declaration.body);
    let visit_mut = walk::visit_mut(&declaration.body);
    let describe = walk::describe(&declaration.body);
    emit! {
        #[automatically_derived]
        impl #parameters #KILN::graph::Layer for #name #arguments #bounds {
            fn forward<'g>(
                &self,
                g: &'g #KILN::graph::Builder,
                x: #KILN::graph::Value<'g>,
            ) -> #KILN::graph::Value<'g> {
                #forward
            }

            fn visit<'a>(
                &'a self,
                path: &mut #KILN::graph::Path,
                f: &mut dyn ::core::ops::FnMut(&str, &'a #KILN::graph::Parameter),
            ) {
                #visit
            }

            fn visit_mut(
                &mut self,
                path: &mut #KILN::graph::Path,
                f: &mut dyn ::core::ops::FnMut(&str, &mut #KILN::graph::Parameter),
            ) {
                #visit_mut
            }

            fn describe(&self, path: &mut #KILN::graph::Path, f: &mut dyn ::core::ops::FnMut(&str, &str)) {
                #describe
            }
        }
    }
}

/// Whether there are several inputs or outputs.
fn takes_several(declaration: &Validated) -> bool {
    declaration.inputs.len() > 1 || declaration.outputs.len() > 1
}

/// What is warned of: a field that nothing needs, a function that is never called. Each is the use of a deprecated constant
/// whose name says it, too; `#[allow(deprecated)]` on the struct or the field is for these uses as well.
fn warnings(declaration: &Validated) -> TokenStream {
    let Validated { name: model, attributes, body, steps, helpers, .. } = declaration;
    let uncalled = helpers.iter().filter(|helper| !helper.called).map(|Helper { name, .. }| Warning {
        name: name.clone(),
        kind: "never_called",
        note: format!("`{}` is never called, and so never checked", name.unraw()),
    });
    let warning = |Warning { name, kind, note }: &Warning| {
        let field = syn::Member::Named(name.clone());
        let of_layer = body.find(&field).map(|member| &member.attributes);
        let of_optimizer = steps.optimizers.iter().find(|known| known.name == *name).map(|known| &known.attributes);
        let of_field = of_layer.or(of_optimizer).into_iter().flatten();
        let is_level = |a: &&syn::Attribute| ["allow", "warn", "deny", "forbid"].iter().any(|l| a.path().is_ident(l));
        let levels = attributes.iter().chain(of_field).filter(is_level);
        let text = format!("{}_of_{}_is_{kind}", walk::segment(&field), model.unraw());
        let constant = Ident::new(&text, checks::at(name.span()));
        emit! {
            #[doc(hidden)]
            #[allow(non_upper_case_globals)]
            #[deprecated(note = #note)]
            const #constant: () = ();
            #(#levels)*
            const _: () = #constant;
        }
    };
    let warnings = steps.warnings.iter().map(warning);
    let uncalled: Vec<TokenStream> = uncalled.map(|uncalled| warning(&uncalled)).collect();
    emit!(#(#warnings)* #(#uncalled)*)
}

/// The computation from the inputs, which are variables.
fn compute_forward(forward: &Forward, declaration: &Validated) -> TokenStream {
    let with_rows = declaration.inputs.iter().position(|extents| extents.batch).unwrap_or(0);
    let (first, batch) = (&forward.inputs[with_rows], batch());
    let want = Want::of(declaration.outputs.len());
    let inputs: Vec<_> = forward.inputs.iter().zip(&declaration.inputs).collect();
    let free = Owner::of(declaration).bind_values(&inputs);
    let body = expansion(declaration, &emit!(self)).block(&forward.body, want);
    emit!(let #batch = #first.size(0); #free #body)
}

fn expansion<'a>(declaration: &'a Validated, model: &'a TokenStream) -> Expansion<'a> {
    let Validated { body, helpers, name, .. } = declaration;
    Expansion { target: Target::Computation(model), layers: body, helpers, model: name }
}

/// One of the model's own functions, over the model.
fn compute_helper(helper: &Helper, declaration: &Validated) -> TokenStream {
    let Validated { name, generics, .. } = declaration;
    let (_, arguments, bounds) = generics.split_for_impl();
    let constants = owner::const_parameters(generics);
    let parameters = helper.parameters.iter().map(|Parameter { name, kind }| match kind {
        ParameterKind::Tensor(_) => emit!(mut #name: #KILN::graph::Value<'g>),
        ParameterKind::Number(ty) => emit!(mut #name: #ty),
    });
    let count = helper.results;
    let result = emit!(#KILN::graph::Value<'g>);
    let result = if count == 1 { result } else { emit!([#result; #count]) };
    let (function, batch) = (body::computation_of(helper, name), batch());
    let declared: Vec<_> = checks::declared_types(&helper.parameters).collect();
    let owner = Owner::of(declaration);
    let (rows, free) = (owner.bind_rows(&declared), owner.bind_values(&declared));
    let body = around::body(&expansion(declaration, &emit!(model)).block(&helper.body, Want::of(count)));
    emit! {
        fn #function<'g, #(#constants),*>(
            model: &#name #arguments,
            g: &'g #KILN::graph::Builder,
            #batch: usize,
            #(#parameters),*
        ) -> #result #bounds { #rows #free #body }
    }
}

/// The element type of the only tensor, the tuple of those of several; f32 where nothing is declared.
pub fn element_types(tensors: &[Extents]) -> TokenStream {
    let elements = tensors.iter().map(|tensor| {
        let known = tensor.element.as_ref().map(Ident::to_string).filter(|name| name == "i32" || name == "bool");
        let element = Ident::new(known.as_deref().unwrap_or("f32"), Span::mixed_site());
        emit!(::core::primitive::#element)
    });
    match tensors.len() {
        0 => emit!(::core::primitive::f32),
        1 => emit!(#(#elements)*),
        _ => emit!((#(#elements),*)),
    }
}

/// The names of the outputs: those of the variables and layers that give them, else their positions.
fn output_names(forward: &Forward, count: usize) -> Vec<String> {
    let given: &[Tensor] = match &forward.body.value {
        Some(Value::Tuple(tensors)) => tensors,
        Some(Value::Tensor(_) | Value::Number(_)) | None => &[],
    };
    let name = |tensor: &Tensor| match tensor {
        Tensor::Variable(name) => Some(name.unraw().to_string()),
        Tensor::Apply(apply) => apply.layer.steps.iter().rev().find_map(|step| match step {
            Step::Member(syn::Member::Named(name)) => Some(name.unraw().to_string()),
            Step::Member(syn::Member::Unnamed(_)) | Step::Index { .. } => None,
        }),
        _ => None,
    };
    let mut names: Vec<String> = Vec::new();
    for position in 0..count {
        let mut chosen = given.get(position).and_then(name).unwrap_or_else(|| format!("output{position}"));
        while names.contains(&chosen) {
            chosen = format!("{chosen}_{position}");
        }
        names.push(chosen);
    }
    names
}

fn implement_model(declaration: &Validated, when_instantiated: &TokenStream) -> TokenStream {
    let Validated { name, inputs, outputs, .. } = declaration;
    let (parameters, arguments, bounds) = declaration.generics.split_for_impl();
    let owner = Owner::of(declaration);
    let (all_inputs, all_outputs) = (owner.constant(checks::INPUTS), owner.constant(checks::OUTPUTS));
    let value = structure::value(declaration, &owner);
    let fields = inside::fields(declaration);
    let text = name.unraw().to_string();
    let only = |types: &[Extents], what: &str, all: &TokenStream| match types {
        [first, .., last] => checks::call(first.place.to(last.place), emit!(shape::only), emit!(#text, #what, &#all)),
        _ => emit!(#all[0].shape),
    };
    let input = only(inputs, "inputs", &all_inputs);
    let output = only(outputs, "outputs", &all_outputs);
    let (input_elements, output_elements) = (element_types(inputs), element_types(outputs));
    let names = declaration.forward.as_ref().map(|forward| {
        let names = forward.inputs.iter().map(|name| name.unraw().to_string());
        emit!(const INPUT_NAMES: &'static [&'static str] = &[#(#names),*];)
    });
    let output_names = declaration.forward.as_ref().filter(|_| outputs.len() > 1).map(|forward| {
        let names = output_names(forward, outputs.len());
        emit!(const OUTPUT_NAMES: &'static [&'static str] = &[#(#names),*];)
    });
    let typed = inputs.iter().chain(outputs).any(|extents| extents.element.is_some());
    let types = (takes_several(declaration) || typed).then(|| {
        emit! {
            const INPUTS: &'static [#KILN::graph::Type] = &#all_inputs;
            const OUTPUTS: &'static [#KILN::graph::Type] = &#all_outputs;
        }
    });
    let forward = declaration.forward.as_ref().filter(|_| takes_several(declaration)).map(|forward| {
        let (names, count) = (&forward.inputs, outputs.len());
        let body = compute_forward(forward, declaration);
        let body = around::body(&if count == 1 { emit!([{ #body }]) } else { body });
        emit! {
            fn forward_all<'g>(
                &self,
                g: &'g #KILN::graph::Builder,
                inputs: &[#KILN::graph::Value<'g>],
            ) -> ::std::vec::Vec<#KILN::graph::Value<'g>> {
                let [#(mut #names),*] = #KILN::graph::model::exactly(g, inputs);
                let results: [#KILN::graph::Value<'g>; #count] = { #body };
                ::std::convert::Into::into(results)
            }
        }
    });
    emit! {
        #[automatically_derived]
        impl #parameters #KILN::graph::Model for #name #arguments #bounds {
            type Input = #input_elements;
            type Output = #output_elements;
            const INPUT: #KILN::graph::Shape = #input;
            const OUTPUT: #KILN::graph::Shape = #output;
            #types
            #names
            #output_names
            #fields

            #forward

            fn new(init: &mut #KILN::graph::Init) -> Self {
                #when_instantiated
                #value
            }
        }
    }
}
