//! How the constants of a model's checks are named, and seen from where they are used: settings, free extents, declared
//! types. Which checks there are is not known here.

use std::fmt::Display;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident};
use syn::Expr;
use syn::ext::IdentExt;

use super::checks::{at, call};
use crate::ast::{Extents, Place};
use crate::free;
use crate::naming::KILN;
use crate::validate::{Validated, batch, has_default_for_each};

/// How the constants are named. Their names end in that of the model, so that they hide nothing that the user's const
/// arguments speak of.
pub struct Owner {
    /// The constants stand in the block around the implementations, or, as they may depend on const parameters,
    /// belong to an empty struct with the same parameters.
    prefix: TokenStream,
    model: Ident,
    /// The names of the model that may be free extents.
    pub free: Vec<Ident>,
}

impl Owner {
    /// As seen from the implementations.
    pub fn of(declaration: &Validated) -> Owner {
        let (_, arguments, _) = declaration.generics.split_for_impl();
        let holder = holder(declaration);
        Owner::with(declaration, emit!(<#holder #arguments>::))
    }

    /// As seen from where a model's const parameters can not be named: with their defaults, if all have one.
    pub fn of_defaults(declaration: &Validated) -> Option<Owner> {
        let holder = holder(declaration);
        all_have_defaults(declaration).then(|| Owner::with(declaration, emit!(<#holder>::)))
    }

    /// As seen from one another.
    pub fn within(declaration: &Validated) -> Owner {
        Owner::with(declaration, emit!(Self::))
    }

    fn with(declaration: &Validated, prefix: TokenStream) -> Owner {
        let prefix = if is_generic(declaration) { prefix } else { TokenStream::new() };
        Owner { prefix, model: declaration.name.clone(), free: free_names(declaration) }
    }

    /// `fc1` becomes `fc1_of_Net`, and `r#type` becomes `type_of_Net`.
    pub fn name(&self, of: &str) -> Ident {
        format_ident!("{}_of_{}", of.replace("r#", ""), self.model, span = Span::call_site())
    }

    /// Of what the user has no name for: `Net_type_of_apply_fc1`, which is none of [`Owner::name`]'s.
    pub fn own_name(&self, of: &str) -> Ident {
        format_ident!("{}_{}", self.model, of.replace("r#", ""), span = Span::call_site())
    }

    /// A function of such a name, called at a place.
    pub fn own_function(&self, of: &str, place: Place) -> TokenStream {
        let (prefix, name) = (&self.prefix, self.own_name(of));
        located(emit!(#prefix #name), at(place.first))
    }

    pub fn constant(&self, of: &str) -> TokenStream {
        let (prefix, name) = (&self.prefix, self.name(of));
        emit!(#prefix #name)
    }

    /// The function that walks over the types of one of the model's own functions, or of something that it holds, called at
    /// a place.
    pub fn function(&self, of: &Ident, place: Place) -> TokenStream {
        located(self.constant(&of.to_string()), at(place.first))
    }

    /// A declared type.
    pub fn extents(&self, extents: &Extents) -> TokenStream {
        let batch = extents.batch;
        let values = extents.values.iter().map(|value| self.extent(value));
        let shape = call(extents.place, emit!(shape::check_extents), emit!(#batch, &[#(#values),*]));
        let dtype = match &extents.element {
            Some(element) if element == "i32" => emit!(I32),
            Some(element) if element == "bool" => emit!(Bool),
            _ => emit!(F32),
        };
        emit!(#KILN::graph::Type::new(#KILN::graph::DType::#dtype, #shape))
    }

    /// One extent, which may be computed from free ones.
    fn extent(&self, value: &Expr) -> TokenStream {
        match value {
            _ if !free::has(&self.free, value) && !free::names_batch(value) => value.to_token_stream(),
            Expr::Path(path) => match path.path.get_ident() {
                Some(name) if name == "N" => emit!(#KILN::graph::shape::extent::BATCH),
                Some(name) => self.free_extent(name),
                None => value.to_token_stream(),
            },
            Expr::Paren(inner) => self.extent(&inner.expr),
            Expr::Group(inner) => self.extent(&inner.expr),
            Expr::Binary(binary) => match free::function(&binary.op) {
                Some(function) => {
                    let (left, right) = (self.extent(&binary.left), self.extent(&binary.right));
                    free::arithmetic(function, &left, &right, Place::of(value))
                }
                None => value.to_token_stream(),
            },
            _ => value.to_token_stream(),
        }
    }

    /// The constant that holds a free extent, or the value of the constant that its name is.
    pub fn free_extent(&self, name: &Ident) -> TokenStream {
        located(self.constant(&format!("free_{name}")), at(name.span()))
    }

    /// The names of some inputs that may be free, with the variables that hold them in a body.
    pub fn free_of<'e>(&self, inputs: impl IntoIterator<Item = &'e Extents>) -> Vec<(Ident, TokenStream)> {
        let names = free::among(&self.free, inputs);
        names.iter().map(|name| (free::local(name), self.free_extent(name))).collect()
    }

    /// The statements by which a walk over types knows the free extents of its inputs.
    pub fn bind_types<'e>(&self, inputs: impl IntoIterator<Item = &'e Extents>) -> TokenStream {
        let bindings = self.free_of(inputs);
        let bindings = bindings.iter().map(|(local, constant)| emit!(let #local: usize = #constant;));
        emit!(#(#bindings)*)
    }

    /// The statements by which a walk over types in a function knows what the free extents of its arguments are: those of
    /// whoever calls it.
    pub fn bind_sizes(&self, function: &Ident, arguments: &[(&Ident, &Extents)]) -> TokenStream {
        let bindings = self.free_of(arguments.iter().map(|(_, extents)| *extents));
        let has_rows = arguments.iter().any(|(_, extents)| extents.batch);
        if bindings.is_empty() && !has_rows {
            return TokenStream::new();
        }
        let batch = batch();
        let rows = has_rows.then(|| emit!(let #batch: usize = sizes.rows_or(#batch);));
        let (place, function) = (Place::of(function), function.unraw().to_string());
        let arguments = arguments.iter().map(|(name, extents)| {
            let (text, declared) = (name.unraw().to_string(), self.extents(extents));
            emit!((#text, #declared, #name))
        });
        let bindings = bindings.iter().map(|(local, constant)| emit!(let #local: usize = sizes.extent(#constant);));
        let sizes = call(place, emit!(shape::check_sizes), emit!(#function, &[#(#arguments),*]));
        emit!(let sizes = #sizes; #rows #(#bindings)*)
    }

    /// The statement by which the computation of a function knows how many rows its arguments have, which are those of
    /// the batch or so many times as many.
    pub fn bind_rows(&self, arguments: &[(&Ident, &Extents)]) -> TokenStream {
        let with_rows: Vec<_> = arguments.iter().filter(|(_, extents)| extents.batch).collect();
        if with_rows.is_empty() {
            return TokenStream::new();
        }
        let (batch, names) = (batch(), with_rows.iter().map(|(name, _)| name));
        let types = with_rows.iter().map(|(_, extents)| self.extents(extents));
        emit!(let #batch = #KILN::graph::model::rows(&[#((#types, #names)),*], #batch);)
    }

    /// The statement by which a computation knows the free extents of its inputs, which are these variables.
    pub fn bind_values(&self, inputs: &[(&Ident, &Extents)]) -> TokenStream {
        let (locals, constants): (Vec<_>, Vec<_>) =
            self.free_of(inputs.iter().map(|(_, extents)| *extents)).into_iter().unzip();
        if locals.is_empty() {
            return TokenStream::new();
        }
        let names = inputs.iter().map(|(name, _)| name);
        let types = inputs.iter().map(|(_, extents)| self.extents(extents));
        emit! {
            let [#(#locals),*] =
                #KILN::graph::model::free_extents(&[#((#types, #names)),*], [#(#constants),*]);
        }
    }

    /// The settings of the layer with this number.
    pub fn settings(&self, id: usize) -> TokenStream {
        self.constant(&settings(id))
    }

    /// The settings of an optimizer.
    pub fn optimizer(&self, field: &Ident) -> TokenStream {
        self.constant(&settings(format_args!("of_{field}")))
    }
}

/// These tokens, none of which is a group, at a place.
fn located(tokens: TokenStream, place: Span) -> TokenStream {
    let located = tokens.into_iter().map(|mut token| {
        token.set_span(place);
        token
    });
    located.collect()
}

/// The const parameters of a model as those of a function.
pub fn const_parameters(generics: &syn::Generics) -> Vec<TokenStream> {
    let constants = generics.params.iter().filter_map(|parameter| match parameter {
        syn::GenericParam::Const(constant) => {
            let (name, ty) = (&constant.ident, &constant.ty);
            Some(emit!(const #name: #ty))
        }
        _ => None,
    });
    constants.collect()
}

/// The name of the settings of a layer, by its number, or of an optimizer.
pub fn settings(of: impl Display) -> String {
    format!("SETTINGS_{of}")
}

/// The struct that owns the constants of a model with const parameters.
pub fn holder(declaration: &Validated) -> Ident {
    format_ident!("ShapesOf{}", declaration.name, span = Span::call_site())
}

/// The names that may be free extents.
fn free_names(declaration: &Validated) -> Vec<Ident> {
    let inputs =
        declaration.steps.programs.iter().flat_map(|program| program.inputs.iter().map(|input| &input.extents));
    let of_functions = declaration.helpers.iter().flat_map(|helper| super::declared_types(&helper.parameters));
    let of_functions = of_functions.map(|(_, extents)| extents);
    free::names(declaration.inputs.iter().chain(inputs).chain(of_functions), &declaration.generics)
}

pub fn is_generic(declaration: &Validated) -> bool {
    !declaration.generics.params.is_empty()
}

/// Whether each const parameter has a default; also if there is none.
pub fn all_have_defaults(declaration: &Validated) -> bool {
    has_default_for_each(&declaration.generics)
}
