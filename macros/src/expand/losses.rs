//! A loss in a body: the call that computes it, and the check of its operands' shapes.

use proc_macro2::TokenStream;

use super::checks::call;
use crate::body::{Loss, Tensor, Value};
use crate::losses::Reduction;
use crate::naming::KILN;

/// The loss of an input and a target, which are expressions; `tensor` expands a tensor.
pub fn computation(
    loss: &Loss,
    input: &TokenStream,
    target: &TokenStream,
    tensor: impl Fn(&Tensor) -> TokenStream,
) -> TokenStream {
    let option = |name: &str| match loss.tensor(name) {
        Some(given) => {
            let given = tensor(given);
            emit!(::core::option::Option::Some(#given))
        }
        None => emit!(::core::option::Option::None),
    };
    let number = |name: &str, default: TokenStream| loss.number(name).cloned().unwrap_or(default);
    let reduction = match loss.reduction() {
        Reduction::None => emit!(#KILN::losses::Reduction::None),
        Reduction::Mean => emit!(#KILN::losses::Reduction::Mean),
        Reduction::Sum => emit!(#KILN::losses::Reduction::Sum),
    };
    let target = match &loss.target {
        Value::Tensor(_) | Value::Tuple(_) => target.clone(),
        Value::Number(_) => emit!(g.full(input.shape(), #target as f64)),
    };
    let call = match loss.loss.name {
        "bce_with_logits" => {
            let (weight, pos_weight) = (option("weight"), option("pos_weight"));
            emit!(#KILN::losses::binary_cross_entropy_with_logits(input, target, #weight, #pos_weight, #reduction))
        }
        "cross_entropy" => {
            let weight = option("weight");
            let ignored = number("ignore_index", emit!(-100));
            let smoothing = number("label_smoothing", emit!(0.0));
            emit! {
                #KILN::losses::any_cross_entropy(input, target, #weight, #KILN::losses::ClassTargets {
                    label_smoothing: #smoothing as f64,
                    ignore_index: #ignored,
                    reduction: #reduction,
                })
            }
        }
        "l1" => emit!(#KILN::losses::mean_absolute_error(input, target, #reduction)),
        "mse" => emit!(#KILN::losses::mean_squared_error(input, target, #reduction)),
        other => unreachable!("`{other}` is in the table of losses"),
    };
    emit!({ let input = #input; let target = #target; #call })
}

/// The type of the loss, checked.
pub fn rule(loss: &Loss, input: &TokenStream, target: &TokenStream) -> TokenStream {
    let reduced = loss.reduction() != Reduction::None;
    let target = match &loss.target {
        Value::Tensor(_) | Value::Tuple(_) => target.clone(),
        Value::Number(_) => emit!(input),
    };
    let (text, name) = (&loss.text, loss.loss.name);
    let float = emit!(#KILN::graph::shape::functions::Elements::Float);
    let (shape, elements) = if loss.loss.classes {
        (emit!(class_loss(input.shape, target, #reduced)), emit!((#float, input)))
    } else {
        (emit!(loss(input.shape, target.shape, #reduced)), emit!((#float, input), (#float, target)))
    };
    let dtype = emit!(#KILN::graph::shape::functions::elements(#name, &[#elements]));
    let shape = emit!(#KILN::graph::shape::rules::#shape);
    let check = call(loss.place, emit!(shape::check_call), emit!(#text, #dtype, #shape));
    emit!({ let input = #input; let target = #target; #check })
}
