//! Losses between values of one shape: squared and absolute errors, and binary cross-entropy. None knows classes: each
//! element has its loss by itself.

use ndarray::ArrayD;

use super::cross_entropy::expect;
use super::total::{Losses, broadcasts, samples, weighted};
use super::{Loss, Reduction, Total, weight_state};
use crate::build::{Builder, Value};
use crate::graph::Type;
use crate::layers::activation::log_sigmoid;
use crate::shape::Shape;

/// `(x - t)^2`; the shapes broadcast.
pub fn mean_squared_error<'g>(prediction: Value<'g>, target: Value<'g>, reduction: Reduction) -> Value<'g> {
    let _function = prediction.graph().function("mse");
    squared_errors(prediction, target).reduce(reduction)
}

fn squared_errors<'g>(prediction: Value<'g>, target: Value<'g>) -> Losses<'g> {
    Losses::equal((prediction - target).square())
}

/// `|x - t|`; the shapes broadcast.
pub fn mean_absolute_error<'g>(prediction: Value<'g>, target: Value<'g>, reduction: Reduction) -> Value<'g> {
    let _function = prediction.graph().function("l1");
    absolute_errors(prediction, target).reduce(reduction)
}

fn absolute_errors<'g>(prediction: Value<'g>, target: Value<'g>) -> Losses<'g> {
    Losses::equal((prediction - target).abs())
}

/// The binary cross-entropy of logits with targets in 0..1 of the same shape:
/// `-w (q t log sigmoid(x) + (1 - t) log(1 - sigmoid(x)))`, with `pos_weight` q and `weight` w broadcast to the shape.
///
/// It is computed as `w ((1 - t) x - (1 + (q - 1) t) log sigmoid(x))` with
/// `log sigmoid(x) = min(x, 0) - log1p(exp(-|x|))`, which does not overflow, and whose gradient keeps its digits where the
/// sigmoid is next to the target.
pub fn binary_cross_entropy_with_logits<'g>(
    logits: Value<'g>,
    target: Value<'g>,
    weight: Option<Value<'g>>,
    pos_weight: Option<Value<'g>>,
    reduction: Reduction,
) -> Value<'g> {
    let _function = logits.graph().function("bce_with_logits");
    binary_losses(logits, target, weight, pos_weight).reduce(reduction)
}

fn binary_losses<'g>(
    logits: Value<'g>,
    target: Value<'g>,
    weight: Option<Value<'g>>,
    pos_weight: Option<Value<'g>>,
) -> Losses<'g> {
    if !expect(logits.graph(), "target", logits.ty(), target.ty()) {
        return Losses::equal(logits);
    }
    let pos_weight = pos_weight.filter(|weight| broadcasts("bce_with_logits", logits.shape(), "pos_weight", *weight));
    // The gradient adds up from the last to the first, so that the small one comes last: where the sigmoid is next to the
    // target, 1 - t and the slope of the minimum cancel without a rounding.
    let log_sigmoid = log_sigmoid(logits);
    let positive = match pos_weight {
        Some(pos_weight) => (1.0 + (pos_weight - 1.0) * target) * log_sigmoid,
        None => log_sigmoid,
    };
    Losses::equal(weighted("bce_with_logits", (1.0 - target) * logits - positive, weight))
}

/// Declares a loss that compares element by element, and its constructor.
macro_rules! distances {
    ($($(#[$doc:meta])* $function:ident, $name:ident, $values:ident, $losses:ident;)*) => {$(
        #[doc = concat!("See [`", stringify!($function), "`].")]
        #[derive(Clone, Debug)]
        pub struct $name {
            reduction: Reduction,
        }

        $(#[$doc])*
        ///
        /// * Shapes: prediction and target of one shape; the loss is a scalar.
        /// * Settings: `reduction = Mean`.
        /// * Errors: [`ShapeError::Mismatch`](crate::shape::ShapeError::Mismatch) for shapes that do not broadcast.
        pub fn $function() -> $name {
            $name { reduction: Reduction::Mean }
        }

        impl $name {
            /// What becomes of the single losses. Default: their mean.
            pub fn reduction(mut self, reduction: Reduction) -> $name {
                self.reduction = reduction;
                self
            }
        }

        impl Loss for $name {
            type Target = f32;

            fn target_type(&self, prediction: Shape) -> Type {
                Type::f32(prediction)
            }

            fn loss<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Value<'g> {
                let _ = g;
                $values(prediction, target, self.reduction)
            }

            fn total<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Total<'g> {
                let _function = g.function(stringify!($function));
                $losses(prediction, target).evaluated(self.reduction, samples(prediction))
            }

            fn averages(&self) -> bool {
                self.reduction.averages()
            }
        }
    )*};
}

distances! {
    /// The mean squared error: the mean of `(x - t)^2` over all elements. Source: PyTorch's `nn.MSELoss`.
    mse, Mse, mean_squared_error, squared_errors;
    /// The mean absolute error: the mean of `|x - t|` over all elements, with the gradient 0 where they are equal.
    /// Source: PyTorch's `nn.L1Loss`.
    l1, L1, mean_absolute_error, absolute_errors;
}

/// The binary cross-entropy of logits; see [`bce_with_logits`].
#[derive(Clone, Debug)]
pub struct BceWithLogits {
    weight: Option<ArrayD<f32>>,
    pos_weight: Option<ArrayD<f32>>,
    reduction: Reduction,
}

/// The binary cross-entropy of logits with targets between 0 and 1.
///
/// * Shapes: prediction and target of one shape; the loss is a scalar.
/// * Formula: the mean of `-(t log sigmoid(x) + (1 - t) log(1 - sigmoid(x)))`; see
///   [`binary_cross_entropy_with_logits`] for weights and the stable form.
/// * Settings: `weight` (none), `pos_weight` (none), `reduction = Mean`.
/// * Errors: [`ShapeError::Expected`](crate::shape::ShapeError::Expected) for a target of another shape.
/// * Source: PyTorch's `nn.BCEWithLogitsLoss`.
pub fn bce_with_logits() -> BceWithLogits {
    BceWithLogits { weight: None, pos_weight: None, reduction: Reduction::Mean }
}

impl BceWithLogits {
    /// A factor for each loss; broadcast to the prediction's shape. Default: 1.
    pub fn weight(mut self, weight: ArrayD<f32>) -> BceWithLogits {
        self.weight = Some(weight);
        self
    }

    /// A factor for the positive part of each loss; broadcast to the prediction's shape. Default: 1.
    pub fn pos_weight(mut self, pos_weight: ArrayD<f32>) -> BceWithLogits {
        self.pos_weight = Some(pos_weight);
        self
    }

    /// What becomes of the single losses. Default: their mean.
    pub fn reduction(mut self, reduction: Reduction) -> BceWithLogits {
        self.reduction = reduction;
        self
    }

    /// The states' names and values.
    fn weights(&self) -> [(&'static str, &Option<ArrayD<f32>>); 2] {
        [("loss.weight", &self.weight), ("loss.pos_weight", &self.pos_weight)]
    }
}

impl Loss for BceWithLogits {
    type Target = f32;

    fn target_type(&self, prediction: Shape) -> Type {
        Type::f32(prediction)
    }

    fn loss<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Value<'g> {
        let [weight, pos_weight] = self.weights().map(|(name, values)| weight_state(g, name, values));
        binary_cross_entropy_with_logits(prediction, target, weight, pos_weight, self.reduction)
    }

    fn total<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Total<'g> {
        let _function = g.function("bce_with_logits");
        let [weight, pos_weight] = self.weights().map(|(name, values)| weight_state(g, name, values));
        binary_losses(prediction, target, weight, pos_weight).evaluated(self.reduction, samples(prediction))
    }

    fn averages(&self) -> bool {
        self.reduction.averages()
    }

    fn states(&self) -> Vec<(String, ArrayD<f32>)> {
        let given = self.weights().into_iter().filter_map(|(name, values)| Some((name, values.clone()?)));
        given.map(|(name, values)| (name.to_owned(), values)).collect()
    }
}
