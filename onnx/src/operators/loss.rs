//! Losses over classes. What is trained by them is not known.

use kiln_graph::{DType, Value};

use super::Row;
use crate::error::Fault;
use crate::read::context::Context;

pub const TABLE: &[Row] = &[
    Row::new("NegativeLogLikelihoodLoss", 12, |c| {
        let log_probability = c.float(0)?;
        c.like(0, loss(c, log_probability)?)
    }),
    Row::new("SoftmaxCrossEntropyLoss", 12, |c| {
        let log_probability = c.float(0)?.log_softmax(1);
        Ok([c.like(0, loss(c, log_probability)?)?, c.like(0, log_probability)?].concat())
    }),
];

/// `-log_probability[n, label, ..]` times the weight of the label, as `reduction` says; the mean is by the weights.
fn loss<'g>(c: &Context<'_, 'g>, log_probability: Value<'g>) -> Result<Value<'g>, Fault> {
    let (from, labels) = (log_probability.shape(), c.number(1)?);
    let classes = from.dims().get(1).copied().unwrap_or(0);
    if from.rank() < 2 || from.remove(1) != labels.shape() || labels.dtype() != DType::I32 {
        return Err(Fault::invalid(format!("labels {} for {from}", labels.shape())));
    }
    let ignored = match c.int_of("ignore_index")? {
        Some(label) => {
            let label = i32::try_from(label).map_err(|_| Fault::TooLarge(label))?;
            Some(labels.eq(label))
        }
        None => None,
    };
    // What is ignored may be no class at all.
    let class = labels.maximum(0).minimum(classes as i32 - 1);
    let each = -log_probability.gather(1, class.unsqueeze(1)).squeeze(1);
    let weight = match c.optional(2)? {
        Some(weight) if weight.shape().dims() == [classes] => Some(weight.take_rows(class)),
        Some(weight) => return Err(Fault::invalid(format!("weights {} for {classes} classes", weight.shape()))),
        None => ignored.map(|ignored| c.g.full(ignored.shape(), 1.0)),
    };
    let weight = match (weight, ignored) {
        (Some(weight), Some(ignored)) => Some(ignored.select(0.0, weight)),
        (weight, _) => weight,
    };
    let each = match (weight, ignored) {
        // An infinite loss that is ignored is not counted either.
        (Some(weight), Some(ignored)) => ignored.select(0.0, each * weight),
        (Some(weight), None) => each * weight,
        (None, _) => each,
    };
    match c.text("reduction", "mean")? {
        "none" => Ok(each),
        "sum" => Ok(each.sum(..)),
        "mean" => Ok(match weight {
            Some(weight) => each.sum(..) / weight.sum(..),
            None => each.mean(..),
        }),
        other => Err(Fault::invalid(format!("`reduction` is `{other}`"))),
    }
}
