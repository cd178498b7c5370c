//! One of several values, by a number in brackets: `lstm(x)[0]`, `x.max(1)[1]`. It is taken by a `let` in a block of
//! its own.

use proc_macro2::{Ident, Span};
use syn::{Expr, ExprIndex};

use super::expressions::Meaning;
use super::forward::gives_several;
use super::numbers::whole;
use super::scope::Scope;
use super::{Layer, LayerKind};
use crate::ast::Node;
use crate::body::{Argument, Block, Statement, Tensor, Value};
use crate::mistakes::spaced;

/// How many values a model gives that was declared elsewhere is not known here.
const OF_MODEL: &str = "several values of another model are taken apart by `let (a, b) = ..;`; of a single tensor take one \
                        element of an axis with `.select(1, 0)`";

impl Scope<'_> {
    /// `base[i]`: one of the values that `base` gives. Where it gives a single one, says what to write.
    pub fn one_of_several(&mut self, index: &ExprIndex, base: Value) -> Option<Meaning> {
        let parts = match self.parts_of(Some(&base)) {
            parts if parts.len() > 1 => parts.to_vec(),
            _ => match self.results_of(&base).or_else(|| function_results(&base)) {
                Some(1) => return self.index_of_tensor(index),
                Some(results) => vec![1; results],
                None if gives_several(&base).is_some() => Vec::new(),
                None if self.is_of_model(&base) => return self.mistake(index, OF_MODEL),
                None => return self.index_of_tensor(index),
            },
        };
        let Some(taken) = place(&index.index, parts.len()) else {
            return self.mistake(index, not_there(parts.len(), &base, index));
        };
        // { let (.., value, ..) = base; value }
        let mut names = Vec::new();
        let mut values = Vec::new();
        for (part, &count) in parts.iter().enumerate() {
            for number in 0..count {
                let name = Ident::new(&format!("value_{number}"), Span::mixed_site());
                names.push((part == taken).then(|| name.clone()));
                values.extend((part == taken).then_some(Tensor::Variable(name)));
            }
        }
        let value = match <[Tensor; 1]>::try_from(values) {
            Ok([one]) => Value::Tensor(one),
            Err(several) => Value::Tuple(several),
        };
        let statements = vec![Statement::Unpack { declares: true, names, value: base, cuts: false }];
        let block = Block { statements, value: Some(value), cuts: None, evaluates: false };
        Some(Tensor::Block(Box::new(block)).into())
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
        ("chunk", Some(Argument::Attribute(chunks))) => match syn::parse2(chunks.tokens.clone()) {
            Ok(Expr::Cast(number)) => whole(&number.expr)?.try_into().ok().filter(|&chunks: &usize| chunks > 1),
            _ => None,
        },
        ("moments" | "aminmax", _) => Some(2),
        _ => call.function.places.then_some(2),
    }
}

/// Which of several values a number in brackets is, if it is written; negative ones count from the end.
fn place(index: &Expr, count: usize) -> Option<usize> {
    let number = whole(index)?;
    let place = if number < 0 { number + count as i128 } else { number };
    usize::try_from(place).ok().filter(|&place| place < count)
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
