//! A loss in a body: the call that computes it, and the check of its operands' shapes.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote};

use super::around::line;
use super::checks::call;
use crate::body::{Loss, Tensor, Value};
use crate::losses::{Kind, Operand, Reduction, Setting};
use crate::naming::KILN;

/// The loss of operands, which are expressions; `tensor` expands a tensor.
pub fn computation(loss: &Loss, operands: &[TokenStream], tensor: impl Fn(&Tensor) -> TokenStream) -> TokenStream {
    let names = names(loss);
    let first = &names[0];
    let (mut given, mut full) = (Vec::new(), Vec::new());
    for ((name, operand), value) in names.iter().zip(operands).zip(&loss.operands) {
        match value {
            Value::Tensor(_) | Value::Tuple(_) => given.push(emit!(let #name = #operand;)),
            Value::Number(_) => full.push(emit!(let #name = g.full(#first.shape(), #operand as f64);)),
        }
    }
    let (mut tensors, mut settings) = (Vec::new(), Vec::new());
    for (position, (name, kind)) in loss.loss.options.iter().enumerate() {
        let field = format_ident!("{name}");
        let value = match (kind, &loss.options[position]) {
            (Kind::Tensor, Some(Setting::Tensor(of))) => {
                let (option, value) = (format_ident!("option_{position}", span = Span::mixed_site()), tensor(of));
                given.push(emit!(let #option = #value;));
                tensors.push(emit!(::core::option::Option::Some(#option)));
                continue;
            }
            (Kind::Tensor, _) => {
                tensors.push(emit!(::core::option::Option::None));
                continue;
            }
            (Kind::Reduction | Kind::BatchReduction, _) => match loss.reduction() {
                Reduction::None => emit!(#KILN::losses::Reduction::None),
                Reduction::Mean => emit!(#KILN::losses::Reduction::Mean),
                Reduction::BatchMean => emit!(#KILN::losses::Reduction::BatchMean),
                Reduction::Sum => emit!(#KILN::losses::Reduction::Sum),
            },
            (kind, given) => number(*kind, given.as_ref()),
        };
        settings.push(match loss.loss.settings {
            Some(_) => quote!(#field: #value),
            None => value,
        });
    }
    let settings = match loss.loss.settings {
        Some(of) => {
            let of = format_ident!("{of}");
            emit!(#KILN::losses::#of { #(#settings),* })
        }
        None => quote!(#(#settings),*),
    };
    let function = format_ident!("{}", loss.loss.function);
    let tensors = tensors.iter().map(|given| quote!(#given,));
    let line = line(loss.place.first);
    emit!({ #(#given)* #line #(#full)* #KILN::losses::#function(#(#names,)* #(#tensors)* #settings) })
}

/// What the operands are called in what a loss expands to.
fn names(loss: &Loss) -> Vec<Ident> {
    let names = loss.loss.operands.iter();
    names.map(|(name, _)| Ident::new(name, Span::mixed_site())).collect()
}

/// The value of an option that is a number.
fn number(kind: Kind, given: Option<&Setting>) -> TokenStream {
    let given = match given {
        Some(Setting::Number(number)) => Some(number),
        _ => None,
    };
    match kind {
        Kind::Number(default) => given.map_or(emit!(#default), |number| emit!((#number as f64))),
        // Of whatever whole type the function takes.
        Kind::Whole(default) => {
            let digits = Literal::u32_unsuffixed(default.unsigned_abs());
            let default = if default < 0 { quote!(-#digits) } else { quote!(#digits) };
            given.map_or(default, |number| emit!((#number)))
        }
        Kind::Flag(default) => given.map_or(emit!(#default), |number| emit!((#number))),
        Kind::Tensor | Kind::Reduction | Kind::BatchReduction => unreachable!("no number"),
    }
}

/// The type of the loss, checked.
pub fn rule(loss: &Loss, operands: &[TokenStream]) -> TokenStream {
    let names = names(loss);
    let first = &names[0];
    let types = operands.iter().zip(&loss.operands).map(|(operand, given)| match given {
        Value::Tensor(_) | Value::Tuple(_) => operand.clone(),
        Value::Number(_) => emit!(#first),
    });
    let (mut shapes, mut elements) = (Vec::new(), Vec::new());
    for (name, (_, operand)) in names.iter().zip(loss.loss.operands) {
        let kind = match operand {
            // Its element type decides on the shape that it is to have.
            Operand::ClassesOrProbabilities => {
                shapes.push(emit!(#name));
                continue;
            }
            Operand::Classes | Operand::Lengths => emit!(Index),
            Operand::Tensor | Operand::Number => emit!(Float),
        };
        shapes.push(emit!(#name.shape));
        elements.push(emit!((#KILN::graph::shape::functions::Elements::#kind, #name)));
    }
    let settings = loss.loss.options.iter().zip(&loss.options).filter_map(|((_, kind), given)| match kind {
        Kind::Tensor | Kind::Reduction | Kind::BatchReduction => None,
        kind => Some(number(*kind, given.as_ref())),
    });
    let rule = format_ident!("{}", loss.loss.rule);
    let reduced = loss.reduction() != Reduction::None;
    let (text, name) = (&loss.text, loss.loss.name);
    let dtype = emit!(#KILN::graph::shape::functions::elements(#name, &[#(#elements),*]));
    let shape = emit!(#KILN::graph::shape::losses::#rule(#(#shapes,)* #(#settings,)* #reduced));
    let check = call(loss.place, emit!(shape::check_call), emit!(#text, #dtype, #shape));
    emit!({ #(let #names = #types;)* #check })
}
