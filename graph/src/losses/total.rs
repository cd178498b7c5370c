//! What losses have in common: the losses of single elements, what their mean divides by, and the fraction of both. It
//! knows no particular loss.

use super::Reduction;
use crate::build::{GraphError, Value};
use crate::shape::functions::{Elements, elements};
use crate::shape::{DType, Shape, ShapeError, rules};

/// The losses of all elements added up, and what their mean divides by: the number of elements, or the sum of their
/// weights. Both are f32 scalars.
///
/// The totals of parts of the data add up to that of all of it, while their means do not: parts may hold different numbers
/// of elements that count. A part of which nothing counts has the divisor 0, and adds nothing.
#[derive(Clone, Copy, Debug)]
pub struct Total<'g> {
    /// The weighted losses of the elements that count, added up.
    pub sum: Value<'g>,
    /// What the mean divides by.
    pub divisor: Value<'g>,
}

impl<'g> Total<'g> {
    /// `sum / divisor`: NaN where nothing counts, as in PyTorch.
    pub fn mean(self) -> Value<'g> {
        self.sum / self.divisor
    }

    /// A loss whose mean divides by a number that is known beforehand, such as that of the samples.
    pub fn of_count(sum: Value<'g>, count: usize) -> Total<'g> {
        Total { sum, divisor: sum.graph().scalar(count as f64) }
    }

    /// The total of what a function of a prediction gives: of the mean of its elements, or of a scalar that is a mean over the
    /// prediction's samples. Masks and whole numbers count as numbers.
    pub fn of_result(result: Value<'g>, prediction: Value<'g>) -> Total<'g> {
        let result = result.convert(DType::F32);
        if result.shape() == Shape::SCALAR {
            return Total::of_samples(result, samples(prediction), true);
        }
        Losses::equal(result).total()
    }

    /// The total of a loss of which no more is known than its value for `samples` samples: their mean if it `averages`,
    /// else the sum of their losses.
    pub fn of_samples(loss: Value<'g>, samples: usize, averages: bool) -> Total<'g> {
        Total::of_count(if averages { loss * samples as f64 } else { loss }, samples)
    }
}

/// The losses of the single elements, those that do not count being 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Losses<'g> {
    pub each: Value<'g>,
    /// The weight of each element in the mean's divisor; none: all weigh 1.
    pub weights: Option<Value<'g>>,
}

impl<'g> Losses<'g> {
    /// Losses that all weigh the same.
    pub fn equal(each: Value<'g>) -> Losses<'g> {
        Losses { each, weights: None }
    }

    /// Their sum, and what their mean divides by.
    pub fn total(self) -> Total<'g> {
        let sum = self.each.sum(..);
        match self.weights {
            Some(weights) => Total { sum, divisor: weights.sum(..) },
            None => Total::of_count(sum, self.each.shape().elements()),
        }
    }

    /// What the reduction makes of them.
    pub fn reduce(self, reduction: Reduction) -> Value<'g> {
        match reduction {
            Reduction::None => self.each,
            Reduction::Mean => self.total().mean(),
            Reduction::BatchMean => self.each.sum(..) / samples(self.each) as f64,
            Reduction::Sum => self.each.sum(..),
        }
    }

    /// What an evaluation adds up over parts of the data: for a mean over elements its two parts, else the sum of all losses
    /// and the number of samples.
    pub fn evaluated(self, reduction: Reduction, samples: usize) -> Total<'g> {
        match reduction {
            Reduction::Mean => self.total(),
            Reduction::BatchMean | Reduction::Sum | Reduction::None => Total::of_count(self.each.sum(..), samples),
        }
    }
}

/// The number of samples of a prediction `[N, ..]`; one for a scalar.
pub(super) fn samples(prediction: Value<'_>) -> usize {
    let shape = prediction.shape();
    if shape.rank() > 0 { shape.dim(0) } else { 1 }
}

/// Whether the operands of a loss hold what they should and its rule holds; the error is recorded if not.
pub(super) fn fits<'g, const K: usize>(
    loss: &'static str,
    operands: [(Elements, Value<'g>); K],
    rule: Result<Shape, ShapeError>,
) -> bool {
    let types = operands.map(|(taken, operand)| (taken, operand.ty()));
    let result = elements(loss, &types).and(rule);
    result.map_err(|error| operands[0].1.graph().fail(error.into())).is_ok()
}

/// Whether weights broadcast to the shape of the losses; records an error if not.
pub(super) fn broadcasts<'g>(loss: &'static str, losses: Shape, setting: &'static str, weight: Value<'g>) -> bool {
    let found = weight.shape();
    let fits = rules::broadcast(loss, losses, found).is_ok_and(|shape| shape == losses);
    if !fits {
        weight.graph().fail(GraphError::LossWeights { loss, setting, expected: losses, found });
    }
    fits
}

/// The losses times a weight for each, if there is one.
pub(super) fn weighted<'g>(loss: &'static str, losses: Value<'g>, weight: Option<Value<'g>>) -> Value<'g> {
    match weight.filter(|weight| broadcasts(loss, losses.shape(), "weight", *weight)) {
        Some(weight) => losses * weight,
        None => losses,
    }
}
