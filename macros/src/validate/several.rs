//! One of several values, by a number in brackets: `lstm(x)[0]`, `x.max(1)[1]`. It is taken by a `let` in a block of
//! its own.

use proc_macro2::{Ident, Span};
use quote::{ToTokens, quote};
use syn::{Expr, ExprIndex, ExprLit, ExprUnary, Lit, UnOp};

use super::expressions::Meaning;
use super::forward::gives_several;
use super::scope::Scope;
use super::{Layer, LayerKind};
use crate::ast::Node;
use crate::body::{Argument, Tensor, Value};
use crate::mistakes::spaced;

/// How many values a model gives that was declared elsewhere is not known here.
const OF_MODEL: &str = "several values of another model are taken apart by `let (a, b) = ..;`; of a single tensor take one \
                        element of an axis with `.select(1, 0)`";

impl Scope<'_> {
    /// `base[i]` of what gives several values; nothing where `base` gives a single one.
    pub fn one_of_several(&mut self, index: &ExprIndex, base: &Value) -> Option<Option<Meaning>> {
        let parts = match self.parts_of(Some(base)) {
            parts if parts.len() > 1 => parts.to_vec(),
            _ => match (self.results_of(base), function_results(base)) {
                (Some(1), _) => return None,
                (Some(results), _) | (None, Some(results)) => vec![1; results],
                (None, None) if gives_several(base).is_some() => Vec::new(),
                (None, None) if self.is_of_model(base) => return Some(self.mistake(index, OF_MODEL)),
                (None, None) => return None,
            },
        };
        let Some(taken) = place(&index.index, parts.len()) else {
            return Some(self.mistake(index, not_there(parts.len(), base, index)));
        };
        let named = |place: usize| Ident::new(&format!("value_{place}"), Span::mixed_site());
        let value = match parts[taken] {
            1 => named(0).into_token_stream(),
            count => {
                let names = (0..count).map(named);
                quote!((#(#names),*))
            }
        };
        let pattern = (0..parts.len()).map(|place| if place == taken { value.clone() } else { quote!(_) });
        let base = &index.expr;
        let block: Expr = syn::parse_quote!({ let (#(#pattern),*) = #base; #value });
        Some(self.meaning(&block))
    }

    /// Whether it is what a model gives that was declared elsewhere, or a function of one.
    fn is_of_model(&self, value: &Value) -> bool {
        match value {
            Value::Tensor(Tensor::Apply(apply)) => {
                matches!(apply.layer.find(self.layers), Some(Node::Layer(Layer { kind: LayerKind::Model, .. })))
            }
            Value::Tensor(Tensor::Inside(inside)) => inside.call.is_some(),
            _ => false,
        }
    }
}

/// How many tensors a function gives that gives several, if that is the same for all shapes.
fn function_results(value: &Value) -> Option<usize> {
    let Value::Tensor(Tensor::Call(call)) = value else { return None };
    match (call.function.rule, call.arguments.get(1)) {
        _ if gives_several(value).is_none() => None,
        ("chunk", Some(Argument::Attribute(chunks))) => {
            written(&syn::parse2(chunks.tokens.clone()).ok()?).filter(|&chunks| chunks > 1)
        }
        ("moments" | "aminmax", _) => Some(2),
        _ => call.function.places.then_some(2),
    }
}

/// Which of several values a number in brackets is; negative ones count from the end.
fn place(index: &Expr, count: usize) -> Option<usize> {
    match index {
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => {
            count.checked_sub(written(expr).filter(|&back| back > 0)?)
        }
        _ => written(index).filter(|&place| place < count),
    }
}

/// A number that is written as one.
fn written(number: &Expr) -> Option<usize> {
    match number {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse().ok(),
        Expr::Paren(inner) => written(&inner.expr),
        Expr::Group(inner) => written(&inner.expr),
        Expr::Cast(cast) => written(&cast.expr),
        _ => None,
    }
}

fn not_there(count: usize, base: &Value, index: &ExprIndex) -> String {
    match (count, gives_several(base)) {
        (0, Some(function)) => {
            let call = spaced(&index.expr);
            format!("how many tensors `{function}` gives is not seen here: take them apart, `let (a, b) = {call};`")
        }
        (count, _) => format!(
            "this gives {count} values, of which one is taken by a number that is written, `[0]` to `[{}]`, and not by \
             `[{}]`",
            count.saturating_sub(1),
            spaced(&index.index)
        ),
    }
}
