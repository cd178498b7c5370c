//! The struct that `model!` declares, and the value of a freshly initialised model. What parameters a layer has, and
//! how they begin, the layer knows.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Attribute, Ident, Member as Name};

use super::owner::Owner;
use super::steps;
use crate::ast::{Form, Member, Node, Sequence, Style};
use crate::naming::KILN;
use crate::validate::{Layer, LayerKind, Validated};

/// The struct, and one for every `Sequential { .. }` in it, which is named after the field that leads to it:
/// `Net` with a field `head` gives `NetHead`.
pub fn structure(declaration: &Validated) -> TokenStream {
    let mut nested = TokenStream::new();
    let extra = steps::fields(declaration);
    let top =
        one_struct(declaration, &declaration.name, &declaration.attributes, &declaration.body, extra, &mut nested);
    quote!(#top #nested)
}

fn one_struct(
    declaration: &Validated,
    name: &Ident,
    attributes: &[Attribute],
    body: &Sequence<Layer>,
    extra: Vec<TokenStream>,
    nested: &mut TokenStream,
) -> TokenStream {
    let visibility = &declaration.visibility;
    let generics = &declaration.generics;
    let bounds = &generics.where_clause;
    let fields: Vec<TokenStream> = (body.members.iter())
        .map(|member| {
            let Member { attributes, visibility, name: field, node } = member;
            let ty = node_type(declaration, &inner_name(name, field), node, nested);
            match field {
                Name::Named(field) => quote!(#(#attributes)* #visibility #field: #ty),
                Name::Unnamed(_) => quote!(#(#attributes)* #visibility #ty),
            }
        })
        .chain(extra)
        .collect();
    match body.style {
        Style::Named => quote!(#(#attributes)* #visibility struct #name #generics #bounds { #(#fields),* }),
        Style::Positional => quote!(#(#attributes)* #visibility struct #name #generics ( #(#fields),* ) #bounds;),
    }
}

/// The type of a field; `name` is that of its struct, if it becomes one.
fn node_type(declaration: &Validated, name: &Ident, node: &Node<Layer>, nested: &mut TokenStream) -> TokenStream {
    match node {
        Node::Layer(layer) => layer.ty.clone(),
        Node::List { element, length } => {
            let element = node_type(declaration, name, element, nested);
            quote!([#element; #length])
        }
        Node::Sequence(inner) if inner.style == Style::Named => {
            let derives: Vec<Attribute> =
                declaration.attributes.iter().filter(|a| a.path().is_ident("derive")).cloned().collect();
            let inner = one_struct(declaration, name, &derives, inner, Vec::new(), nested);
            let doc = format!("A part of [`{}`].", declaration.name);
            nested.extend(quote!(#[doc = #doc] #inner));
            let (_, arguments, _) = declaration.generics.split_for_impl();
            quote!(#name #arguments)
        }
        Node::Sequence(inner) => {
            let types =
                inner.members.iter().map(|m| node_type(declaration, &inner_name(name, &m.name), &m.node, nested));
            let types: Vec<TokenStream> = types.collect();
            quote!((#(#types,)*))
        }
    }
}

/// The structs beside that of the model, each with what it holds.
pub fn parts(declaration: &Validated) -> Vec<(Ident, &Sequence<Layer>)> {
    let named = |outer: &Ident, body: &'_ Sequence<Layer>| -> Vec<Ident> {
        body.members.iter().map(|member| inner_name(outer, &member.name)).collect()
    };
    let mut parts = Vec::new();
    let names = named(&declaration.name, &declaration.body);
    let mut open: Vec<_> = names.into_iter().zip(declaration.body.members.iter().map(|member| &member.node)).collect();
    while let Some((name, node)) = open.pop() {
        match node {
            Node::Layer(_) => {}
            Node::List { element, .. } => open.push((name, &**element)),
            Node::Sequence(inner) => {
                open.extend(named(&name, inner).into_iter().zip(inner.members.iter().map(|member| &member.node)));
                if inner.style == Style::Named {
                    parts.push((name, inner));
                }
            }
        }
    }
    parts
}

/// `NetHead` for the field `head` of `Net`.
fn inner_name(outer: &Ident, field: &Name) -> Ident {
    let text = match field {
        Name::Named(field) => field.to_string(),
        Name::Unnamed(index) => index.index.to_string(),
    };
    let words = text.trim_start_matches("r#").split('_').filter(|word| !word.is_empty());
    let pascal: String = words.map(|word| word[..1].to_uppercase() + &word[1..]).collect();
    format_ident!("{}{}", outer, pascal, span = outer.span())
}

/// An expression of type `Self` with initial parameters, drawn from `init` in the order of the fields.
pub fn value(declaration: &Validated, owner: &Owner) -> TokenStream {
    let fields = fields(declaration.form, &declaration.name, &declaration.body, owner);
    let optimizers = steps::values(declaration, owner);
    emit!(Self { #fields, #(#optimizers),* })
}

fn fields(form: Form, outer: &Ident, body: &Sequence<Layer>, owner: &Owner) -> TokenStream {
    let fields = body.members.iter().map(|Member { name, node, .. }| {
        let value = node_value(form, &inner_name(outer, name), node, owner);
        emit!(#name: #value)
    });
    emit!(#(#fields),*)
}

fn node_value(form: Form, name: &Ident, node: &Node<Layer>, owner: &Owner) -> TokenStream {
    match node {
        Node::Layer(Layer { id, ty, kind, requires_grad, .. }) => {
            let value = match kind {
                LayerKind::Known { .. } => {
                    let settings = owner.settings(*id);
                    emit!(<#ty>::new(#settings, init))
                }
                LayerKind::Model => emit!(<#ty as #KILN::graph::Model>::new(init)),
            };
            match requires_grad {
                Some(required) => emit!(#KILN::graph::model::requires_grad(#value, #required)),
                None => value,
            }
        }
        Node::List { element, .. } => {
            let element = node_value(form, name, element, owner);
            emit!(#KILN::graph::model::list(|| #element))
        }
        Node::Sequence(inner) if form == Form::Macro && inner.style == Style::Named => {
            let fields = fields(form, name, inner, owner);
            emit!(#name { #fields })
        }
        Node::Sequence(inner) => {
            let values = inner.members.iter().map(|m| node_value(form, &inner_name(name, &m.name), &m.node, owner));
            emit!((#(#values,)*))
        }
    }
}
