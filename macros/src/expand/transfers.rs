//! Parts of a model that take the values of others: what builds a part, and the calls in which rustc compares two. What
//! becomes of the values, `kiln::graph` knows.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};

use super::body::way;
use super::checks::at;
use super::walk;
use crate::ast::{Node, Place, Sequence};
use crate::body::{Access, Tensor};
use crate::naming::KILN;
use crate::validate::{Layer, Part};

/// The place of a part in the model, and the names of the fields that lead there.
pub fn place_of(part: &Part, model: &TokenStream) -> (TokenStream, Vec<TokenStream>) {
    let (mut place, mut segments) = way(&part.access, model);
    for member in &part.inside {
        place = emit!(#place.#member);
        let segment = walk::segment(member);
        segments.push(emit!(#segment));
    }
    (place, segments)
}

/// The call of `f` with every parameter of a part.
pub fn visit(part: &Part, layers: &Sequence<Layer>, place: &TokenStream) -> TokenStream {
    match part.access.find(layers) {
        Some(node) if part.inside.is_empty() => walk::visit_node(node, place),
        _ => emit!(#KILN::graph::Layer::visit(&#place, path, f)),
    }
}

/// The parameters of a part.
pub fn part(part: &Part, layers: &Sequence<Layer>, model: &TokenStream) -> TokenStream {
    let (place, segments) = place_of(part, model);
    let visit = visit(part, layers, &place);
    emit!(#KILN::graph::transfer::Part::new(&[#(#segments),*], |path, f| { #visit; }))
}

/// The part that a parameter is of, and its name in there.
pub fn parameter(parameter: &Tensor, layers: &Sequence<Layer>, model: &TokenStream) -> TokenStream {
    let (access, name) = match parameter {
        Tensor::Parameter(parameter) => (&parameter.layer, parameter.name.to_token_stream()),
        Tensor::Inside(inside) => {
            let (_, names) = way(&Access { steps: inside.way.clone() }, &TokenStream::new());
            (&inside.model, emit!(&[#(#names),*].join(".")))
        }
        _ => return TokenStream::new(),
    };
    let of = Part { access: access.clone(), inside: Vec::new(), text: String::new() };
    let part = part(&of, layers, model);
    emit!(&#part, #name)
}

/// What rustc refuses where the types of layers differ. It is never run.
pub fn alike(target: &Part, source: &Part, layers: &Sequence<Layer>, model: &TokenStream, place: Place) -> TokenStream {
    let ((to, _), (from, _)) = (place_of(target, model), place_of(source, model));
    let nodes = match (target.access.find(layers), source.access.find(layers)) {
        (Some(one), Some(other)) if target.inside.is_empty() && source.inside.is_empty() => Some((one, other)),
        _ => None,
    };
    let calls = match nodes {
        Some((one, other)) => of_nodes((one, &to), (other, &from), place),
        None => compare("of_one_structure", &to, &from, place),
    };
    emit!(let _ = || { #calls };)
}

fn of_nodes(
    (one, to): (&Node<Layer>, &TokenStream),
    (other, from): (&Node<Layer>, &TokenStream),
    place: Place,
) -> TokenStream {
    match (one, other) {
        (Node::Sequence(one), Node::Sequence(other)) => {
            let members = one.members.iter().zip(&other.members).map(|(one, other)| {
                let (left, right) = (&one.name, &other.name);
                of_nodes((&one.node, &emit!(#to.#left)), (&other.node, &emit!(#from.#right)), place)
            });
            emit!(#(#members)*)
        }
        (Node::List { element: one, .. }, Node::List { element: other, .. }) => {
            let length = compare("of_one_length", to, from, place);
            let elements = of_nodes((one, &emit!(#to[0])), (other, &emit!(#from[0])), place);
            emit!(#length #elements)
        }
        _ => compare("of_one_structure", to, from, place),
    }
}

/// The call of a function that takes only what is alike, reported at a place.
fn compare(function: &str, to: &TokenStream, from: &TokenStream, place: Place) -> TokenStream {
    let (first, last) = (at(place.first), at(place.last));
    let (kiln, function) = (KILN.at(first), proc_macro2::Ident::new(function, first));
    let path = quote_spanned!(first=> #kiln::graph::transfer::#function);
    let arguments = quote_spanned!(last=> (&#to, &#from));
    emit!(#path #arguments;)
}
