//! The walks over a model's fields: applying the layers in order, visiting parameters, describing. Tuples, arrays and
//! nested structs are walked through here; a layer or a model gets a call. What it does within is its own.

use proc_macro2::TokenStream;
use syn::Member as Name;

use super::around::line;
use crate::ast::{Member, Node, Sequence};
use crate::naming::KILN;
use crate::validate::{Layer, LayerKind};

/// The name of a member, as it stands in the names of parameters.
pub fn segment(name: &Name) -> String {
    match name {
        Name::Named(name) => name.to_string().trim_start_matches("r#").to_string(),
        Name::Unnamed(index) => index.index.to_string(),
    }
}

/// How a walk holds the layers.
#[derive(Clone, Copy)]
enum Access {
    Shared,
    Exclusive,
}

/// The layer at a place, as an argument. What is no layer of Kiln's is asked for by the trait that it must implement,
/// so that rustc says so once for the field's type, not again for each of its uses.
fn reference(layer: &Layer, place: &TokenStream, access: Access) -> TokenStream {
    let ty = &layer.ty;
    match (&layer.kind, access) {
        (LayerKind::Known { .. }, Access::Shared) => emit!(&#place),
        (LayerKind::Known { .. }, Access::Exclusive) => emit!(&mut #place),
        (LayerKind::Model, Access::Shared) => {
            emit!(<#ty as #KILN::graph::Model>::as_layer(&#place))
        }
        (LayerKind::Model, Access::Exclusive) => {
            emit!(<#ty as #KILN::graph::Model>::as_layer_mut(&mut #place))
        }
    }
}

/// Applies all layers to `x` in the graph `g`.
pub fn forward(body: &Sequence<Layer>) -> TokenStream {
    forward_sequence(body, &emit!(self))
}

fn forward_sequence(body: &Sequence<Layer>, place: &TokenStream) -> TokenStream {
    let steps = body.members.iter().map(|Member { name, node, .. }| {
        let segment = segment(name);
        let inner = forward_node(node, &emit!(#place.#name));
        let span = match name {
            Name::Named(name) => name.span(),
            Name::Unnamed(index) => index.span,
        };
        let line = line(span);
        emit!(let x = { #line let _scope = g.enter(#segment); #inner };)
    });
    emit!(#(#steps)* x)
}

/// Applies what stands at a place to `x` in the graph `g`.
pub fn forward_node(node: &Node<Layer>, place: &TokenStream) -> TokenStream {
    match node {
        Node::Layer(layer) => {
            let layer = reference(layer, place, Access::Shared);
            emit!(#KILN::graph::Layer::forward(#layer, g, x))
        }
        Node::List { element, .. } => {
            let inner = forward_node(element, &emit!((*element)));
            emit! {
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
    Walk { access: Access::Shared, method: emit!(visit) }.sequence(body, &emit!(self))
}

/// Calls `f` with every parameter of what stands at a place.
pub fn visit_node(node: &Node<Layer>, place: &TokenStream) -> TokenStream {
    Walk { access: Access::Shared, method: emit!(visit) }.node(node, place)
}

/// Calls `f` with every parameter, to change it.
pub fn visit_mut(body: &Sequence<Layer>) -> TokenStream {
    Walk { access: Access::Exclusive, method: emit!(visit_mut) }.sequence(body, &emit!(self))
}

/// Calls `f` with the description of every layer.
pub fn describe(body: &Sequence<Layer>) -> TokenStream {
    Walk { access: Access::Shared, method: emit!(describe) }.sequence(body, &emit!(self))
}

/// A walk within a field of this name. Many fields stand in one function, in which each closure costs rustc the more the
/// more there are.
pub fn enter(segment: &TokenStream, inner: &TokenStream) -> TokenStream {
    emit!({ let outer = path.push(#segment); #inner; path.pop(outer); })
}

/// A walk with a `path`.
struct Walk {
    access: Access,
    /// The method of `Layer` that is called for each layer.
    method: TokenStream,
}

impl Walk {
    fn sequence(&self, body: &Sequence<Layer>, place: &TokenStream) -> TokenStream {
        let steps = body.members.iter().map(|Member { name, node, .. }| {
            let segment = segment(name);
            let inner = self.node(node, &emit!(#place.#name));
            enter(&emit!(#segment), &inner)
        });
        emit!(#(#steps)*)
    }

    fn node(&self, node: &Node<Layer>, place: &TokenStream) -> TokenStream {
        match node {
            Node::Layer(layer) => {
                let (method, layer) = (&self.method, reference(layer, place, self.access));
                emit!(#KILN::graph::Layer::#method(#layer, path, f))
            }
            Node::List { element, .. } => {
                let iterate = match self.access {
                    Access::Shared => emit!(iter),
                    Access::Exclusive => emit!(iter_mut),
                };
                let inner = self.node(element, &emit!((*element)));
                let inner = enter(&emit!(&::std::string::ToString::to_string(&index)), &inner);
                emit! {
                    for (index, element) in #place.#iterate().enumerate() { #inner }
                }
            }
            Node::Sequence(inner) => self.sequence(inner, place),
        }
    }
}
