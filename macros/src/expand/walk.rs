//! The walks over a model's fields: applying the layers in order, visiting parameters, describing. Tuples, arrays and
//! nested structs are walked through here; a layer or a model gets a call.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Member as Name;

use crate::ast::{Member, Node, Sequence};
use crate::validate::Layer;

/// The name of a member as it stands in the names of parameters.
pub fn label(name: &Name) -> String {
    match name {
        Name::Named(name) => name.to_string().trim_start_matches("r#").to_string(),
        Name::Unnamed(index) => index.index.to_string(),
    }
}

/// Applies all layers to `x` in the graph `g`.
pub fn forward(body: &Sequence<Layer>) -> TokenStream {
    forward_sequence(body, &quote!(self))
}

fn forward_sequence(body: &Sequence<Layer>, place: &TokenStream) -> TokenStream {
    let steps = body.members.iter().map(|Member { name, node, .. }| {
        let label = label(name);
        let inner = forward_node(node, &quote!(#place.#name));
        quote! {
            let x = {
                let _scope = g.enter(#label);
                #inner
            };
        }
    });
    quote!(#(#steps)* x)
}

fn forward_node(node: &Node<Layer>, place: &TokenStream) -> TokenStream {
    match node {
        Node::Layer(_) => quote!(::kiln::graph::Layer::forward(&#place, g, x)),
        Node::List { element, .. } => {
            let inner = forward_node(element, &quote!((*element)));
            quote! {
                let mut x = x;
                for (index, element) in #place.iter().enumerate() {
                    let _scope = g.enter(&::std::string::ToString::to_string(&index));
                    x = { #inner };
                }
                x
            }
        }
        Node::Sequence(inner) => forward_sequence(inner, place),
    }
}

/// Calls `f` with every parameter.
pub fn visit(body: &Sequence<Layer>) -> TokenStream {
    Walk { call: &|place| quote!(::kiln::graph::Layer::visit(&#place, path, f)), iterate: quote!(iter) }
        .sequence(body, &quote!(self))
}

/// Calls `f` with every parameter, to change it.
pub fn visit_mut(body: &Sequence<Layer>) -> TokenStream {
    Walk { call: &|place| quote!(::kiln::graph::Layer::visit_mut(&mut #place, path, f)), iterate: quote!(iter_mut) }
        .sequence(body, &quote!(self))
}

/// Calls `f` with the description of every layer.
pub fn describe(body: &Sequence<Layer>) -> TokenStream {
    Walk { call: &|place| quote!(::kiln::graph::Layer::describe(&#place, path, f)), iterate: quote!(iter) }
        .sequence(body, &quote!(self))
}

/// A walk with a `path`.
struct Walk<'a> {
    /// What is done with a layer at a place.
    call: &'a dyn Fn(&TokenStream) -> TokenStream,
    /// `iter` or `iter_mut`.
    iterate: TokenStream,
}

impl Walk<'_> {
    fn sequence(&self, body: &Sequence<Layer>, place: &TokenStream) -> TokenStream {
        let steps = body.members.iter().map(|Member { name, node, .. }| {
            let label = label(name);
            let inner = self.node(node, &quote!(#place.#name));
            quote!(path.enter(#label, |path| { #inner });)
        });
        quote!(#(#steps)*)
    }

    fn node(&self, node: &Node<Layer>, place: &TokenStream) -> TokenStream {
        match node {
            Node::Layer(_) => (self.call)(place),
            Node::List { element, .. } => {
                let iterate = &self.iterate;
                let inner = self.node(element, &quote!((*element)));
                quote! {
                    for (index, element) in #place.#iterate().enumerate() {
                        path.enter(&::std::string::ToString::to_string(&index), |path| { #inner });
                    }
                }
            }
            Node::Sequence(inner) => self.sequence(inner, place),
        }
    }
}
