//! A loss in a body: the call that computes it, and the check of its operands' shapes. Where it takes tensors alone and
//! has the settings that it has by default, it is one short call of a function of the declaration.

use std::collections::HashSet;

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};

use super::applied::bodies;
use super::around::line;
use super::body::Expansion;
use super::checks::{Want, at, call};
use super::owner::Owner;
use crate::body::{Loss, Tensor, Value};
use crate::losses::{Kind, Operand, Reduction, Setting};
use crate::naming::KILN;
use crate::validate::Validated;

/// What stands behind the model's name in the names of a loss's own functions, if it has some.
fn own_name(loss: &Loss) -> Option<String> {
    let of_tensors = loss.operands.iter().all(|operand| matches!(operand, Value::Tensor(_)));
    let by_default = loss.options.iter().flatten().all(|setting| matches!(setting, Setting::Reduction(_)));
    (of_tensors && by_default).then(|| format!("loss_{}_{:?}", loss.loss.name, loss.reduction()))
}

/// The call over values.
pub fn compute(expansion: &Expansion<'_>, loss: &Loss) -> TokenStream {
    let operands = operands(expansion, loss);
    let Some(name) = own_name(loss) else {
        return computation(loss, &operands, |tensor| expansion.tensor(tensor, Want::One));
    };
    let place = loss.place.first;
    let name = format_ident!("{}_{}", expansion.model, name, span = place);
    let arguments = emit!(g, #(#operands),*);
    quote_spanned!(place=> #name(#arguments))
}

/// The call over types.
pub fn check(expansion: &Expansion<'_>, owner: &Owner, loss: &Loss) -> TokenStream {
    let (operands, text) = (operands(expansion, loss), loss.text.to_token_stream());
    let Some(name) = own_name(loss) else { return rule(loss, &operands, &text) };
    let function = owner.own_function(&format!("type_of_{name}"), loss.place);
    let arguments = quote_spanned!(at(loss.place.last)=> (#text, #(#operands),*));
    emit!(#function #arguments)
}

fn operands(expansion: &Expansion<'_>, loss: &Loss) -> Vec<TokenStream> {
    loss.operands.iter().map(|operand| expansion.value(operand, Want::One)).collect()
}

/// Calls `f` once for each loss with functions of its own.
fn each(declaration: &Validated, mut f: impl FnMut(&Loss, &str)) {
    let mut known = HashSet::new();
    let mut found = |tensor: &Tensor| {
        if let Tensor::Loss(loss) = tensor
            && let Some(name) = own_name(loss)
            && known.insert(name.clone())
        {
            f(loss, &name);
        }
    };
    bodies(declaration).for_each(|body| body.each_tensor(&mut found));
}

/// The functions over values of the losses of a declaration.
pub fn computations(declaration: &Validated) -> TokenStream {
    let model = &declaration.name;
    let mut functions = TokenStream::new();
    each(declaration, |loss, name| {
        let operands = variables(loss);
        let given = operands.iter().map(|name| emit!(#name: #KILN::graph::Value<'g>));
        let body = computation(loss, &operands, |_| TokenStream::new());
        let name = format_ident!("{}_{}", model, name, span = Span::call_site());
        functions.extend(emit! {
            #[track_caller]
            fn #name<'g>(
                g: &'g #KILN::graph::Builder,
                #(#given),*
            ) -> #KILN::graph::Value<'g> { #body }
        });
    });
    functions
}

/// The functions over types.
pub fn types(declaration: &Validated, owner: &Owner) -> TokenStream {
    let mut functions = TokenStream::new();
    each(declaration, |loss, name| {
        let operands = variables(loss);
        let given = operands.iter().map(|name| emit!(#name: #KILN::graph::Type));
        let body = rule(loss, &operands, &emit!(text));
        let name = owner.own_name(&format!("type_of_{name}"));
        functions.extend(emit! {
            #[track_caller]
            const fn #name(text: &str, #(#given),*) -> #KILN::graph::Type { #body }
        });
    });
    functions
}

/// What the operands are called as arguments of these.
fn variables(loss: &Loss) -> Vec<TokenStream> {
    let name = |at| format_ident!("argument_{at}", span = Span::mixed_site()).to_token_stream();
    (0..loss.operands.len()).map(name).collect()
}

/// The loss of operands, which are expressions; `tensor` expands a tensor.
fn computation(loss: &Loss, operands: &[TokenStream], tensor: impl Fn(&Tensor) -> TokenStream) -> TokenStream {
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
fn rule(loss: &Loss, operands: &[TokenStream], text: &TokenStream) -> TokenStream {
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
    let name = loss.loss.name;
    let dtype = emit!(#KILN::graph::shape::functions::elements(#name, &[#(#elements),*]));
    let shape = emit!(#KILN::graph::shape::losses::#rule(#(#shapes,)* #(#settings,)* #reduced));
    let check = call(loss.place, emit!(shape::check_call), emit!(#text, #dtype, #shape));
    emit!({ #(let #names = #types;)* #check })
}
