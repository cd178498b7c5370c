//! The cross-entropy of class scores with classes or with class probabilities. Whether a target is a class is not
//! looked at in a graph, but noted for those who take targets from users.

use ndarray::{Array1, ArrayD};

use super::total::{Losses, samples};
use super::{Loss, Reduction, Total, weight_state};
use crate::build::{Builder, Classes, GraphError, Value};
use crate::graph::Type;
use crate::setting::InvalidSetting;
use crate::shape::{DType, Shape, ShapeError, losses, rules};

/// The settings of the cross-entropy with classes as targets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassTargets {
    /// The part of each target's probability that is spread evenly over all classes, 0 to 1.
    pub label_smoothing: f64,
    /// A target that does not count.
    pub ignore_index: i32,
    /// What becomes of the single losses; the mean is weighted with the weights of the targets.
    pub reduction: Reduction,
}

/// The cross-entropy of scores `[N, C, d..]` (or `[C]`) with classes `[N, d..]` (i32, or a scalar):
/// `w[t] (-log softmax(x)[t])`, with smoothing `s` the mixture
/// `(1 - s) w[t] (-log softmax(x)[t]) + s / C * sum over c of w[c] (-log softmax(x)[c])`.
///
/// `weight` is `[C]`. A target outside `0..C` that is not ignored counts as 0.
pub fn class_cross_entropy<'g>(
    scores: Value<'g>,
    classes: Value<'g>,
    weight: Option<Value<'g>>,
    settings: ClassTargets,
) -> Value<'g> {
    let _function = scores.graph().function(FUNCTION);
    class_losses(scores, classes, weight, settings).reduce(settings.reduction)
}

/// The losses of single targets; those that are ignored weigh nothing.
fn class_losses<'g>(
    scores: Value<'g>,
    classes: Value<'g>,
    weight: Option<Value<'g>>,
    settings: ClassTargets,
) -> Losses<'g> {
    let g = scores.graph();
    check_smoothing(g, settings.label_smoothing);
    if !expect(g, "target", class_target(scores.shape()), classes.ty()) {
        return Losses::equal(scores);
    }
    let logs = scores.log_softmax(class_axis(scores.shape()));
    losses_of_logs(FUNCTION, logs, classes, weight, settings)
}

/// The losses of logarithms of probabilities, whose classes have the right type.
pub(super) fn losses_of_logs<'g>(
    loss: &'static str,
    logs: Value<'g>,
    classes: Value<'g>,
    weight: Option<Value<'g>>,
    settings: ClassTargets,
) -> Losses<'g> {
    let g = logs.graph();
    let ClassTargets { label_smoothing, ignore_index, .. } = settings;
    let axis = class_axis(logs.shape());
    let count = logs.shape().dim(axis);
    g.note_classes(classes, Classes { count, ignored: Some(ignore_index) });
    let is_target = g.iota(logs.shape(), axis).eq(classes.unsqueeze(axis));
    let weights = weight.and_then(|weight| per_class(loss, weight, logs.shape(), axis));

    // A select and no product with 0, since the logarithm of a vanishing probability is -inf.
    let weighted = weights.map_or(logs, |weights| logs * weights);
    let mut losses = -is_target.select(weighted, 0.0).sum(axis);
    if label_smoothing > 0.0 {
        let even = -weighted.sum(axis) * (label_smoothing / count as f64);
        losses = losses * (1.0 - label_smoothing) + even;
    }
    let counts = classes.ne(ignore_index);
    let weights = match weights {
        Some(weights) => counts.select(is_target.select(weights, 0.0).sum(axis), 0.0),
        None => counts.convert(DType::F32),
    };
    Losses { each: counts.select(losses, 0.0), weights: Some(weights) }
}

/// The cross-entropy of scores `[N, C, d..]` (or `[C]`) with class probabilities `p` of the same shape:
/// `sum over c of -w[c] ((1 - s) p[c] + s / C) log softmax(x)[c]`, with smoothing `s`; the mean is over `N` and `d..`.
pub fn soft_class_cross_entropy<'g>(
    scores: Value<'g>,
    probabilities: Value<'g>,
    weight: Option<Value<'g>>,
    label_smoothing: f64,
    reduction: Reduction,
) -> Value<'g> {
    let _function = scores.graph().function(FUNCTION);
    soft_losses(scores, probabilities, weight, label_smoothing).reduce(reduction)
}

/// The losses of single targets.
fn soft_losses<'g>(
    scores: Value<'g>,
    probabilities: Value<'g>,
    weight: Option<Value<'g>>,
    label_smoothing: f64,
) -> Losses<'g> {
    let g = scores.graph();
    check_smoothing(g, label_smoothing);
    if !expect(g, "target", Type::f32(scores.shape()), probabilities.ty()) {
        return Losses::equal(scores);
    }
    let axis = class_axis(scores.shape());
    let count = scores.shape().dim(axis);
    let mut target = probabilities;
    if label_smoothing > 0.0 {
        target = target * (1.0 - label_smoothing) + label_smoothing / count as f64;
    }
    if let Some(weight) = weight.and_then(|weight| per_class(FUNCTION, weight, scores.shape(), axis)) {
        target = target * weight;
    }
    Losses::equal(-(scores.log_softmax(axis) * target).sum(axis))
}

/// PyTorch's `functional.cross_entropy`: [`class_cross_entropy`] for a target of i32, [`soft_class_cross_entropy`] for one
/// of f32, which ignores no class.
pub fn any_cross_entropy<'g>(
    scores: Value<'g>,
    target: Value<'g>,
    weight: Option<Value<'g>>,
    settings: ClassTargets,
) -> Value<'g> {
    let ClassTargets { label_smoothing, reduction, .. } = settings;
    match target.dtype() {
        DType::Bf16 | DType::I32 | DType::U8 | DType::I8 | DType::Bool => {
            class_cross_entropy(scores, target, weight, settings)
        }
        DType::F32 => soft_class_cross_entropy(scores, target, weight, label_smoothing, reduction),
    }
}

/// What both are called in drawings.
const FUNCTION: &str = "cross_entropy";

/// The axis of the classes: 1, or 0 for the scores of one sample.
pub(super) fn class_axis(scores: Shape) -> usize {
    usize::from(scores.rank() > 1)
}

/// The type of classes for the given scores.
pub(super) fn class_target(scores: Shape) -> Type {
    Type::i32(rules::classes(scores).unwrap_or(scores))
}

/// A weight for each class, along the class axis; nothing if it is not one for each, which the builder then knows.
pub(super) fn per_class<'g>(loss: &'static str, weight: Value<'g>, scores: Shape, axis: usize) -> Option<Value<'g>> {
    let classes = scores.dim(axis);
    let mut shape = Shape::new(&[classes]);
    if weight.shape() != shape {
        weight.graph().fail(GraphError::ClassWeights { loss, classes, found: weight.shape() });
        return None;
    }
    for _ in axis + 1..scores.rank() {
        shape = shape.insert(shape.rank(), 1);
    }
    Some(weight.reshape(shape))
}

fn check_smoothing(g: &Builder, smoothing: f64) {
    let (holds, rule) = (losses::is_smoothing(smoothing), losses::SMOOTHING);
    if let Err(error) = InvalidSetting::unless(holds, "CrossEntropy", "label_smoothing", smoothing, rule) {
        g.fail(error.into());
    }
}

/// Whether a type is the expected one; records an error if not.
pub(super) fn expect(g: &Builder, what: &'static str, expected: Type, found: Type) -> bool {
    if expected.dtype != found.dtype {
        let error =
            ShapeError::ElementType { op: what, operand: 0, expected: expected.dtype.name(), found: found.dtype };
        g.fail(error.into());
    } else if expected.shape != found.shape {
        g.fail(ShapeError::Expected { what, expected: expected.shape, found: found.shape }.into());
    }
    expected == found
}

/// The cross-entropy with classes as targets; see [`cross_entropy`].
#[derive(Clone, Debug)]
pub struct CrossEntropy {
    settings: ClassTargets,
    weight: Option<ArrayD<f32>>,
}

/// The cross-entropy of scores (logits) with classes.
///
/// * Shapes: prediction `[N, C, d..]`, target `[N, d..]` of classes in `0..C`; the loss is a scalar.
/// * Formula: the mean of `-log softmax(x)[t]`; see [`class_cross_entropy`] for weights and smoothing.
/// * Settings: `weight` (none), `label_smoothing = 0`, `ignore_index = -100`, `reduction = Mean`.
/// * Errors: [`ShapeError::Expected`] for a target of another shape, [`InvalidSetting`] for a smoothing outside 0 to 1.
/// * Source: PyTorch's `nn.CrossEntropyLoss`.
pub fn cross_entropy() -> CrossEntropy {
    let settings = ClassTargets { label_smoothing: 0.0, ignore_index: -100, reduction: Reduction::Mean };
    CrossEntropy { settings, weight: None }
}

impl CrossEntropy {
    /// A weight for each class. Default: 1.
    pub fn weight(mut self, weight: &[f32]) -> CrossEntropy {
        self.weight = Some(Array1::from(weight.to_vec()).into_dyn());
        self
    }

    /// The part of the target's probability that is spread evenly over all classes, 0 to 1. Default: 0.
    pub fn label_smoothing(mut self, label_smoothing: f64) -> CrossEntropy {
        self.settings.label_smoothing = label_smoothing;
        self
    }

    /// A target that does not count. Default: -100.
    pub fn ignore_index(mut self, ignore_index: i32) -> CrossEntropy {
        self.settings.ignore_index = ignore_index;
        self
    }

    /// What becomes of the single losses. Default: their mean.
    pub fn reduction(mut self, reduction: Reduction) -> CrossEntropy {
        self.settings.reduction = reduction;
        self
    }
}

impl Loss for CrossEntropy {
    type Target = i32;

    fn target_type(&self, prediction: Shape) -> Type {
        class_target(prediction)
    }

    fn loss<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Value<'g> {
        class_cross_entropy(prediction, target, weight_state(g, WEIGHT, &self.weight), self.settings)
    }

    fn total<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Total<'g> {
        let _function = g.function(FUNCTION);
        let losses = class_losses(prediction, target, weight_state(g, WEIGHT, &self.weight), self.settings);
        losses.evaluated(self.settings.reduction, samples(prediction))
    }

    fn states(&self) -> Vec<(String, ArrayD<f32>)> {
        self.weight.iter().map(|weight| (WEIGHT.to_owned(), weight.clone())).collect()
    }

    fn classes(&self, prediction: Shape) -> Option<usize> {
        (prediction.rank() > 0).then(|| prediction.dim(class_axis(prediction)))
    }

    fn averages(&self) -> bool {
        self.settings.reduction.averages()
    }

    fn ignored(&self) -> Option<i32> {
        Some(self.settings.ignore_index)
    }
}

/// The state of class weights.
const WEIGHT: &str = "loss.weight";

/// The cross-entropy with class probabilities as targets; see [`soft_cross_entropy`].
#[derive(Clone, Debug)]
pub struct SoftCrossEntropy {
    weight: Option<ArrayD<f32>>,
    label_smoothing: f64,
    reduction: Reduction,
}

/// The cross-entropy of scores (logits) with class probabilities.
///
/// * Shapes: prediction and target `[N, C, d..]`; the loss is a scalar.
/// * Formula: the mean of `sum over c of -p[c] log softmax(x)[c]`; see [`soft_class_cross_entropy`].
/// * Settings: `weight` (none), `label_smoothing = 0`, `reduction = Mean`.
/// * Errors: [`ShapeError::Expected`] for a target of another shape, [`InvalidSetting`] for a smoothing outside 0 to 1.
/// * Source: PyTorch's `nn.CrossEntropyLoss` with probabilities.
pub fn soft_cross_entropy() -> SoftCrossEntropy {
    SoftCrossEntropy { weight: None, label_smoothing: 0.0, reduction: Reduction::Mean }
}

impl SoftCrossEntropy {
    /// A weight for each class. Default: 1.
    pub fn weight(mut self, weight: &[f32]) -> SoftCrossEntropy {
        self.weight = Some(Array1::from(weight.to_vec()).into_dyn());
        self
    }

    /// The part of the target's probabilities that is spread evenly over all classes, 0 to 1. Default: 0.
    pub fn label_smoothing(mut self, label_smoothing: f64) -> SoftCrossEntropy {
        self.label_smoothing = label_smoothing;
        self
    }

    /// What becomes of the single losses. Default: their mean.
    pub fn reduction(mut self, reduction: Reduction) -> SoftCrossEntropy {
        self.reduction = reduction;
        self
    }
}

impl Loss for SoftCrossEntropy {
    type Target = f32;

    fn target_type(&self, prediction: Shape) -> Type {
        Type::f32(prediction)
    }

    fn loss<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Value<'g> {
        let weight = weight_state(g, WEIGHT, &self.weight);
        soft_class_cross_entropy(prediction, target, weight, self.label_smoothing, self.reduction)
    }

    fn total<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Total<'g> {
        let _function = g.function(FUNCTION);
        let losses = soft_losses(prediction, target, weight_state(g, WEIGHT, &self.weight), self.label_smoothing);
        losses.evaluated(self.reduction, samples(prediction))
    }

    fn averages(&self) -> bool {
        self.reduction.averages()
    }

    fn states(&self) -> Vec<(String, ArrayD<f32>)> {
        self.weight.iter().map(|weight| (WEIGHT.to_owned(), weight.clone())).collect()
    }
}
