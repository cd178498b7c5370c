//! Losses that ask for a margin: between classes, between the members of a pair, between near and far. Which pairs and
//! triplets are compared, the user has chosen.

use ndarray::ArrayD;

use super::cross_entropy::per_class;
use super::object::losses;
use super::total::{Losses, fits, samples, weighted};
use super::{Loss, Reduction, Total, weight_state};
use crate::build::{Builder, Classes, Value};
use crate::functions::norm;
use crate::graph::Type;
use crate::layers::activation::log_sigmoid;
use crate::shape::functions::Elements::{Float, Index};
use crate::shape::{DType, Shape, losses as rules};

/// `max(0, x)`; NaN has the gradient 0.
fn at_least_0(x: Value<'_>) -> Value<'_> {
    x.clamp(0.0, f64::INFINITY)
}

/// `x` where it is positive, else 0, for NaN too: what lacks nothing, or what can not be said, does not count.
fn positive_part(x: Value<'_>) -> Value<'_> {
    x.gt(0.0).select(x, 0.0)
}

/// `x` where the label is 1, `max(0, margin - x)` where it is -1.
fn hinge_embedding_losses<'g>(prediction: Value<'g>, target: Value<'g>, margin: f64) -> Losses<'g> {
    let (x, t) = (prediction, target);
    let rule = rules::hinge_embedding(x.shape(), t.shape(), margin, true);
    if !fits("hinge_embedding", [(Float, x), (Float, t)], rule) {
        return Losses::equal(x);
    }
    Losses::equal(t.ne(1.0).select(at_least_0(margin - x), 0.0) + t.ne(-1.0).select(x, 0.0))
}

/// `log(1 + e^(-t x))`
fn soft_margin_losses<'g>(prediction: Value<'g>, target: Value<'g>) -> Losses<'g> {
    let (x, t) = (prediction, target);
    if !fits("soft_margin", [(Float, x), (Float, t)], rules::elementwise(x.shape(), t.shape(), true)) {
        return Losses::equal(x);
    }
    Losses::equal(-log_sigmoid(t * x))
}

/// For each sample the mean over classes of binary cross-entropies.
fn multilabel_soft_margin_losses<'g>(
    prediction: Value<'g>,
    target: Value<'g>,
    weight: Option<Value<'g>>,
) -> Losses<'g> {
    let (x, t) = (prediction, target);
    let rule = rules::multilabel_soft_margin(x.shape(), t.shape(), true);
    if !fits("multilabel_soft_margin", [(Float, x), (Float, t)], rule) {
        return Losses::equal(x);
    }
    let losses = -(t * log_sigmoid(x) + (1.0 - t) * log_sigmoid(-x));
    Losses::equal(weighted("multilabel_soft_margin", losses, weight).mean(-1))
}

/// For each sample the sum over the other classes of `w max(0, margin - x[t] + x[c])^p / C`.
fn multi_margin_losses<'g>(
    prediction: Value<'g>,
    target: Value<'g>,
    weight: Option<Value<'g>>,
    p: usize,
    margin: f64,
) -> Losses<'g> {
    let (x, g) = (prediction, prediction.graph());
    let rule = rules::multi_margin(x.shape(), target.shape(), p, margin, true);
    if !fits("multi_margin", [(Float, x), (Index, target)], rule) {
        return Losses::equal(x);
    }
    let axis = x.shape().rank() - 1;
    let count = x.shape().dim(axis);
    g.note_classes(target, Classes { count, ignored: None });
    let is_target = g.iota(x.shape(), axis).eq(target.unsqueeze(axis));
    let of_target = is_target.select(x, 0.0).sum_keep(axis);
    let excess = positive_part(margin - of_target + x);
    let mut losses = if p == 1 { excess } else { excess.square() };
    if let Some(weight) = weight {
        let Some(weight) = per_class("multi_margin", weight, x.shape(), axis) else { return Losses::equal(x) };
        losses = losses * is_target.select(weight, 0.0).sum_keep(axis);
    }
    Losses::equal(is_target.select(0.0, losses).mean(axis))
}

/// For each sample the sum over its classes `t` and the others `c` of `max(0, 1 - x[t] + x[c]) / C`.
fn multilabel_margin_losses<'g>(prediction: Value<'g>, target: Value<'g>) -> Losses<'g> {
    let (x, g) = (prediction, prediction.graph());
    let rule = rules::multilabel_margin(x.shape(), target.shape(), true);
    if !fits("multilabel_margin", [(Float, x), (Index, target)], rule) {
        return Losses::equal(x);
    }
    let axis = x.shape().rank() - 1;
    let count = x.shape().dim(axis);
    g.note_classes(target, Classes { count, ignored: Some(NO_CLASS) });
    // The list ends before the first that names no class.
    let is_named = target.lt(0).convert(DType::F32).cumsum(axis).eq(0.0);
    let named = is_named.select(target, NO_CLASS);
    // Pairs of the place in a list, which comes first, and a class.
    let pairs = x.shape().insert(axis, count);
    let is_it = g.iota(pairs, axis + 1).eq(named.unsqueeze(-1));
    let of_target = is_it.select(x.unsqueeze(axis), 0.0).sum_keep(axis + 1);
    let is_other = is_it.convert(DType::F32).amax_keep(axis).eq(0.0);
    let excess = positive_part(x.unsqueeze(axis) + (1.0 - of_target));
    let counts = is_other.broadcast_to(pairs) & is_named.unsqueeze(-1).broadcast_to(pairs);
    Losses::equal(counts.select(excess, 0.0).sum([axis, axis + 1]) / count as f64)
}

/// What stands behind the classes of a list.
const NO_CLASS: i32 = -1;

/// `max(0, -t (a - b) + margin)`: `input1` is to be larger by the margin where the label is 1, smaller where it is -1.
///
/// * Shapes: all of one shape.
/// * Errors: [`ShapeError::Expected`](crate::shape::ShapeError::Expected) for another shape,
///   [`ShapeError::Setting`](crate::shape::ShapeError::Setting) for a margin that is not finite.
/// * Source: PyTorch's `functional.margin_ranking_loss`, whose default for `margin` is 0.
pub fn margin_ranking_loss<'g>(
    input1: Value<'g>,
    input2: Value<'g>,
    target: Value<'g>,
    margin: f64,
    reduction: Reduction,
) -> Value<'g> {
    let _function = input1.graph().function("margin_ranking");
    let rule = rules::margin_ranking(input1.shape(), input2.shape(), target.shape(), margin, true);
    if !fits("margin_ranking", [(Float, input1), (Float, input2), (Float, target)], rule) {
        return Losses::equal(input1).reduce(reduction);
    }
    Losses::equal(at_least_0(-target * (input1 - input2) + margin)).reduce(reduction)
}

/// What is added to the squared lengths of vectors, so that none is 0.
const LEAST_SQUARE: f64 = 1e-12;

/// `1 - cos(a, b)` where the label is 1, `max(0, cos(a, b) - margin)` where it is -1.
///
/// * Shapes: `input1` and `input2` `[N, D]` (or `[D]`), `target` `[N]` (or a scalar).
/// * Formula: `cos(a, b) = a b / sqrt((a a + 1e-12) (b b + 1e-12))`.
/// * Errors: [`ShapeError::Expected`](crate::shape::ShapeError::Expected) and
///   [`ShapeError::InputRank`](crate::shape::ShapeError::InputRank) for another shape,
///   [`ShapeError::Setting`](crate::shape::ShapeError::Setting) for a margin that is not finite.
/// * Source: PyTorch's `functional.cosine_embedding_loss`, whose default for `margin` is 0.
pub fn cosine_embedding_loss<'g>(
    input1: Value<'g>,
    input2: Value<'g>,
    target: Value<'g>,
    margin: f64,
    reduction: Reduction,
) -> Value<'g> {
    let _function = input1.graph().function("cosine_embedding");
    let rule = rules::cosine_embedding(input1.shape(), input2.shape(), target.shape(), margin, true);
    if !fits("cosine_embedding", [(Float, input1), (Float, input2), (Float, target)], rule) {
        return Losses::equal(input1).reduce(reduction);
    }
    let square = |x: Value<'g>| x.square().sum(-1) + LEAST_SQUARE;
    let cosine = (input1 * input2).sum(-1) / (square(input1) * square(input2)).sqrt();
    let near = target.eq(1.0).select(1.0 - cosine, 0.0);
    let far = target.eq(-1.0).select(at_least_0(cosine - margin), 0.0);
    Losses::equal(near + far).reduce(reduction)
}

/// The settings of [`triplet_margin_loss`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TripletMargin {
    /// By how much the negative one is to be farther away. PyTorch's default is 1.
    pub margin: f64,
    /// The norm that measures distances. PyTorch's default is 2.
    pub p: f64,
    /// What is added to each difference. PyTorch's default is 1e-6.
    pub eps: f64,
    /// Whether the distance between the positive and the negative one counts where it is the smaller one. PyTorch's
    /// default is no.
    pub swap: bool,
    /// What becomes of the single losses.
    pub reduction: Reduction,
}

/// `max(0, |a - p| - |a - n| + margin)`: the anchor is to be nearer to the positive than to the negative vector.
///
/// * Shapes: all `[.., D]`; losses are `[..]`.
/// * Formula: distances are `norm(a - b + eps, p)`.
/// * Errors: [`ShapeError::Expected`](crate::shape::ShapeError::Expected) for another shape,
///   [`ShapeError::Setting`](crate::shape::ShapeError::Setting) for a margin that is not above 0.
/// * Source: Balntas et al., "Learning shallow convolutional feature descriptors with triplet losses"; PyTorch's
///   `functional.triplet_margin_loss`.
pub fn triplet_margin_loss<'g>(
    anchor: Value<'g>,
    positive: Value<'g>,
    negative: Value<'g>,
    settings: TripletMargin,
) -> Value<'g> {
    let _function = anchor.graph().function("triplet_margin");
    let TripletMargin { margin, p, eps, swap, reduction } = settings;
    let shapes = [anchor, positive, negative].map(Value::shape);
    let rule = rules::triplet_margin(shapes[0], shapes[1], shapes[2], margin, p, eps, swap, true);
    if !fits("triplet_margin", [(Float, anchor), (Float, positive), (Float, negative)], rule) {
        return Losses::equal(anchor).reduce(reduction);
    }
    let distance = |a: Value<'g>, b: Value<'g>| norm(a - b + eps, p, Some(&[-1]), false);
    let far = distance(anchor, negative);
    let far = if swap { far.minimum(distance(positive, negative)) } else { far };
    Losses::equal(at_least_0(distance(anchor, positive) + margin - far)).reduce(reduction)
}

/// Targets of the prediction's shape that are classes.
fn lists(prediction: Shape) -> Type {
    Type::i32(prediction)
}

/// A class for each sample.
fn one_class(prediction: Shape) -> Type {
    Type::i32(if prediction.rank() > 0 { prediction.remove(last(prediction)) } else { prediction })
}

fn last(prediction: Shape) -> usize {
    prediction.rank() - 1
}

losses! {
    /// Distances of pairs that are to be small where the label is 1, and at least `margin` where it is -1.
    ///
    /// * Shapes: prediction and target of one shape; the loss is a scalar.
    /// * Formula: the mean of `x` where the label is 1, of `max(0, margin - x)` where it is -1 (and of their sum where it is
    ///   neither).
    /// * Settings: `margin = 1`, `reduction = Mean`.
    /// * Errors: [`ShapeError::Expected`](crate::shape::ShapeError::Expected) for a target of another shape,
    ///   [`ShapeError::Setting`](crate::shape::ShapeError::Setting) for a margin that is not finite.
    /// * Source: PyTorch's `nn.HingeEmbeddingLoss`.
    hinge_embedding, HingeEmbedding, hinge_embedding_loss, hinge_embedding_losses;
    takes f32, Type::f32;
    {
        /// The distance from which on a pair with the label -1 is far enough. Default: 1.
        margin: f64 = 1.0,
    }

    /// The logistic loss of scores with labels that are 1 or -1.
    ///
    /// * Shapes: prediction and target of one shape; the loss is a scalar.
    /// * Formula: the mean of `log(1 + e^(-t x))`, which does not overflow.
    /// * Settings: `reduction = Mean`.
    /// * Errors: [`ShapeError::Expected`](crate::shape::ShapeError::Expected) for a target of another shape.
    /// * Source: PyTorch's `nn.SoftMarginLoss`.
    soft_margin, SoftMargin, soft_margin_loss, soft_margin_losses;
    takes f32, Type::f32;
    {}

    /// The binary cross-entropies of scores of classes, of which a sample may have several.
    ///
    /// * Shapes: prediction and target `[.., C]`; the loss is a scalar.
    /// * Formula: the mean of `-w (t log sigmoid(x) + (1 - t) log(1 - sigmoid(x)))` over classes and samples.
    /// * Settings: `weight` (none), `reduction = Mean`.
    /// * Errors: [`ShapeError::Expected`](crate::shape::ShapeError::Expected) for a target of another shape.
    /// * Source: PyTorch's `nn.MultiLabelSoftMarginLoss`.
    multilabel_soft_margin, MultilabelSoftMargin, multilabel_soft_margin_loss, multilabel_soft_margin_losses;
    takes f32, Type::f32;
    weight weight: array;
    {}

    /// The hinge loss of classes: the target's score is to be larger than each other one by `margin`.
    ///
    /// * Shapes: prediction `[N, C]`, target `[N]` of classes in `0..C`; the loss is a scalar.
    /// * Formula: the mean over samples of the sum over the other classes of `w[t] max(0, margin - x[t] + x[c])^p / C`.
    /// * Settings: `weight` (none), `p = 1`, `margin = 1`, `reduction = Mean`.
    /// * Errors: [`ShapeError::Expected`](crate::shape::ShapeError::Expected) for a target of another shape,
    ///   [`ShapeError::Setting`](crate::shape::ShapeError::Setting) for a `p` other than 1 and 2 or a margin that is not
    ///   finite.
    /// * Source: PyTorch's `nn.MultiMarginLoss`.
    multi_margin, MultiMargin, multi_margin_loss, multi_margin_losses;
    takes i32, one_class;
    classes last, ignores |_| None;
    weight weight: classes;
    {
        /// The power of what a score lacks, 1 or 2. Default: 1.
        p: usize = 1,
        /// By how much the target's score is to be larger. Default: 1.
        margin: f64 = 1.0,
    }

    /// The hinge loss of classes of which a sample may have several: each of their scores is to be larger than each other
    /// one by 1.
    ///
    /// * Shapes: prediction and target `[N, C]`, the target as a list of classes in `0..C` that ends with -1, unless it
    ///   is full; the loss is a scalar.
    /// * Formula: the mean over samples of the sum over their classes `t` and the others `c` of
    ///   `max(0, 1 - x[t] + x[c]) / C`.
    /// * Settings: `reduction = Mean`.
    /// * Errors: [`ShapeError::Expected`](crate::shape::ShapeError::Expected) for a target of another shape.
    /// * Source: PyTorch's `nn.MultiLabelMarginLoss`.
    multilabel_margin, MultilabelMargin, multilabel_margin_loss, multilabel_margin_losses;
    takes i32, lists;
    classes last, ignores |_| Some(NO_CLASS);
    {}
}
