//! Losses with PyTorch's semantics: free functions over values, and the objects that a trainer takes. Compositions of
//! primitives without gradient rules of their own. None knows the model, the optimizer or how many batches it is added
//! up over.

mod criterion;
mod cross_entropy;
mod ctc;
mod divergence;
mod function;
mod joint;
mod margin;
mod nll;
mod object;
mod regression;
mod robust;
mod total;
mod weighted;

use ndarray::ArrayD;

pub use criterion::{Criterion, OutputLoss, TargetRule};
pub use cross_entropy::{
    ClassTargets, CrossEntropy, SoftCrossEntropy, any_cross_entropy, class_cross_entropy, cross_entropy,
    soft_class_cross_entropy, soft_cross_entropy,
};
pub use ctc::{Ctc, ctc_loss};
pub use divergence::{
    Bce, KlDiv, PoissonNll, bce, binary_cross_entropy, gaussian_nll_loss, kl_div, kl_div_loss, poisson_nll,
    poisson_nll_loss,
};
pub use function::{LossFn, loss_fn};
pub use joint::{Count, JointLoss, JointTarget, Numbers, joint_loss_fn};
pub use margin::{
    HingeEmbedding, MultiMargin, MultilabelMargin, MultilabelSoftMargin, SoftMargin, TripletMargin,
    cosine_embedding_loss, hinge_embedding, hinge_embedding_loss, margin_ranking_loss, multi_margin, multi_margin_loss,
    multilabel_margin, multilabel_margin_loss, multilabel_soft_margin, multilabel_soft_margin_loss, soft_margin,
    soft_margin_loss, triplet_margin_loss,
};
pub use nll::{Nll, nll, nll_loss};
pub use regression::{
    BceWithLogits, L1, Mse, bce_with_logits, binary_cross_entropy_with_logits, l1, mean_absolute_error,
    mean_squared_error, mse,
};
pub use robust::{Huber, SmoothL1, huber, huber_loss, smooth_l1, smooth_l1_loss};
pub use total::Total;
pub use weighted::Weighted;

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
    /// Their sum, divided by the number of samples: PyTorch's `batchmean`.
    BatchMean,
    /// Their sum.
    Sum,
}

impl Reduction {
    /// Whether it is a mean, not a sum.
    const fn averages(self) -> bool {
        matches!(self, Reduction::Mean | Reduction::BatchMean)
    }
}

/// A loss that a training step can minimize.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no loss",
    label = "no loss",
    note = "losses are made by calls: `cross_entropy()`, `mse()`; one of your own is `loss_fn(|prediction, target| ..)`"
)]
pub trait Loss {
    /// The element type of the target: `i32` for classes, `f32` for values.
    type Target;

    /// The type of the target for a prediction of the given shape.
    fn target_type(&self, prediction: Shape) -> Type;

    /// The loss; a scalar unless the reduction is [`Reduction::None`]. Targets of a wrong type and settings out of
    /// range are recorded as errors in the builder.
    fn loss<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Value<'g>;

    /// The loss as an evaluation adds it up over batches: its sum, and what the mean over all data divides by.
    ///
    /// Default: each sample counts once, [`Loss::loss`] being the mean over the samples (or their sum, if the loss does not
    /// [average](Loss::averages)). A loss whose mean divides by something else, such as the weights of classes or the number
    /// of targets that are not ignored, says so here; its [`Loss::loss`] then is [`Total::mean`].
    fn total<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Total<'g> {
        Total::of_samples(self.loss(g, prediction, target), total::samples(prediction), self.averages())
    }

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

    /// Whether the loss is a mean over the samples, not their sum: what [`Loss::total`] makes of it by default.
    fn averages(&self) -> bool {
        true
    }

    /// The target that is left out of the loss, and so may lie outside the classes.
    fn ignored(&self) -> Option<i32> {
        None
    }

    /// The loss times a number, such as that of one output among several: `(cross_entropy(), mse().weighted(0.5))`.
    /// Evaluations give it times this number, too.
    fn weighted(self, weight: f32) -> Weighted<Self>
    where
        Self: Sized,
    {
        Weighted { loss: self, weight }
    }
}

/// The state that holds weights given as numbers.
fn weight_state<'g>(g: &'g Builder, name: &str, weight: &Option<ArrayD<f32>>) -> Option<Value<'g>> {
    weight.as_ref().map(|weight| g.state(&g.path(name), Type::f32(Shape::from(weight.shape()))))
}
