//! Lists of tensors: a `Vec` of values, and over types a list of as many types, which constants can fill. How many
//! there are is not counted here.

use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;
use syn::ext::IdentExt;

use super::body::{Expansion, Target};
use super::checks::{at, call};
use crate::ast::Place;
use crate::body::Change;
use crate::naming::KILN;

/// A new list, or one tensor more or another one in a list.
pub fn change(expansion: &Expansion<'_>, name: &Ident, change: &Change) -> TokenStream {
    let tensors = expansion.tensors(change.tensors());
    let text = name.unraw().to_string();
    match (expansion.target, change) {
        (Target::Computation(_), Change::New(_)) => {
            emit!(let mut #name = ::std::vec::Vec::<#KILN::graph::Value<'_>>::from([#(#tensors),*]);)
        }
        (Target::Computation(_), Change::Repeated(_, count)) => {
            emit!(let mut #name = ::std::vec::from_elem(#(#tensors)*, #count);)
        }
        (Target::Computation(_), Change::Push(..)) => emit!(#name.push(#(#tensors)*);),
        (Target::Computation(_), Change::Put(index, ..)) => {
            emit!({ let (index, value) = (#index, #(#tensors)*); #name[index] = value; })
        }
        (Target::Types(_), Change::New(_)) => emit!(let mut #name = #KILN::graph::shape::List::of(&[#(#tensors),*]);),
        (Target::Types(_), Change::Repeated(_, count)) => {
            emit!(let mut #name = #KILN::graph::shape::List::repeated(#(#tensors)*, #count);)
        }
        (Target::Types(_), Change::Push(_, place)) => {
            let push = call(*place, emit!(shape::check_push), emit!(#text, &mut #name, ty));
            emit!({ let ty = #(#tensors)*; #push; })
        }
        (Target::Types(_), Change::Put(index, _, place)) => {
            let put = call(*place, emit!(shape::check_put), emit!(#text, &mut #name, index, ty));
            emit!({ let (index, ty) = (#index, #(#tensors)*); #put; })
        }
    }
}

/// A tensor in a list.
pub fn element(expansion: &Expansion<'_>, list: &Ident, index: &TokenStream, place: Place) -> TokenStream {
    match expansion.target {
        Target::Computation(_) => quote_spanned!(at(place.last)=> #list[#index]),
        Target::Types(_) => {
            let text = list.unraw().to_string();
            call(place, emit!(shape::check_element), emit!(#text, &#list, #index))
        }
    }
}
