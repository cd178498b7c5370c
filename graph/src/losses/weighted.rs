//! A loss times a number. It knows no particular loss.

use ndarray::ArrayD;

use super::{Loss, Total};
use crate::build::{Builder, Value};
use crate::graph::Type;
use crate::shape::Shape;

/// A loss times a number; see [`Loss::weighted`].
#[derive(Clone, Debug)]
pub struct Weighted<L> {
    pub(super) loss: L,
    pub(super) weight: f32,
}

impl<L: Loss> Loss for Weighted<L> {
    type Target = L::Target;

    fn target_type(&self, prediction: Shape) -> Type {
        self.loss.target_type(prediction)
    }

    fn loss<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Value<'g> {
        self.loss.loss(g, prediction, target) * self.weight
    }

    fn total<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Total<'g> {
        let total = self.loss.total(g, prediction, target);
        Total { sum: total.sum * self.weight, ..total }
    }

    fn states(&self) -> Vec<(String, ArrayD<f32>)> {
        self.loss.states()
    }

    fn classes(&self, prediction: Shape) -> Option<usize> {
        self.loss.classes(prediction)
    }

    fn averages(&self) -> bool {
        self.loss.averages()
    }

    fn ignored(&self) -> Option<i32> {
        self.loss.ignored()
    }
}
