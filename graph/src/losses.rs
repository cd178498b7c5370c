//! Losses with PyTorch's semantics: free functions over values, and the objects that a trainer takes. Compositions of
//! primitives without gradient rules of their own.

mod cross_entropy;
mod regression;

use ndarray::ArrayD;

pub use cross_entropy::{
    ClassTargets, CrossEntropy, SoftCrossEntropy, any_cross_entropy, class_cross_entropy, cross_entropy,
    soft_class_cross_entropy, soft_cross_entropy,
};
pub use regression::{
    BceWithLogits, L1, Mse, bce_with_logits, binary_cross_entropy_with_logits, l1, mean_absolute_error,
    mean_squared_error, mse,
};

use crate::build::{Builder, Value};
use crate::graph::Type;
use crate::shape::Shape;

/// What becomes of the losses of the single elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// They stay.
    None,
    /// Their mean (weighted, where there are weights).
    #[default]
    Mean,
    /// Their sum.
    Sum,
}

impl Reduction {
    /// Applies the reduction to losses that all weigh the same.
    fn apply(self, losses: Value<'_>) -> Value<'_> {
        match self {
            Reduction::None => losses,
            Reduction::Mean => losses.mean(..),
            Reduction::Sum => losses.sum(..),
        }
    }
}

/// A loss that a training step can minimize.
pub trait Loss {
    /// The element type of the target: `i32` for classes, `f32` for values.
    type Target;

    /// The type of the target for a prediction of the given shape.
    fn target_type(&self, prediction: Shape) -> Type;

    /// The loss; a scalar unless the reduction is [`Reduction::None`]. Targets of a wrong type and settings out of
    /// range are recorded as errors in the builder.
    fn loss<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Value<'g>;

    /// The states that the loss reads (such as class weights), with their values.
    fn states(&self) -> Vec<(String, ArrayD<f32>)> {
        Vec::new()
    }

    /// The number of classes that a target may name for a prediction of the given shape; `None` if targets are not
    /// classes. Those who take targets from users check them against it.
    fn classes(&self, prediction: Shape) -> Option<usize> {
        let _ = prediction;
        None
    }

    /// Whether the loss is a mean, so that the loss of two equal parts of the data together is the mean of theirs.
    fn averages(&self) -> bool {
        true
    }

    /// The target that is left out of the loss, and so may lie outside the classes.
    fn ignored(&self) -> Option<i32> {
        None
    }
}

/// The state that holds weights given as numbers.
fn weight_state<'g>(g: &'g Builder, name: &str, weight: &Option<ArrayD<f32>>) -> Option<Value<'g>> {
    weight.as_ref().map(|weight| g.state(&g.path(name), Type::f32(Shape::from(weight.shape()))))
}
