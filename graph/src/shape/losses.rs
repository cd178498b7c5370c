//! The rules of losses, as `const fn`s of one form: the operands' shapes, then the settings in PyTorch's order, then
//! whether the single losses are reduced. A loss in a body is checked by these while rustc runs, and its function
//! checks them again in a graph. What a loss computes stands in [`crate::losses`] alone.

use super::rules::{class_loss, classes, finite, loss, not_negative};
use super::{MAX_RANK, Shape, ShapeError, Type};

/// A scalar if the losses are reduced.
const fn result(losses: Shape, reduced: bool) -> Result<Shape, ShapeError> {
    Ok(if reduced { Shape::SCALAR } else { losses })
}

/// A setting that a rule holds for.
const fn setting(holds: bool, setting: &'static str, rule: &'static str) -> Result<(), ShapeError> {
    if holds { Ok(()) } else { Err(ShapeError::Setting { setting, rule }) }
}

const fn positive(name: &'static str, value: f64) -> Result<(), ShapeError> {
    setting(value.is_finite() && value > 0.0, name, "must be a finite number above 0")
}

/// One of the operands has the shape that another one asks for.
const fn has(what: &'static str, expected: Shape, found: Shape) -> Result<(), ShapeError> {
    if expected.same(&found) { Ok(()) } else { Err(ShapeError::Expected { what, expected, found }) }
}

/// The shape without its last axis.
const fn without_last(shape: Shape) -> Result<Shape, ShapeError> {
    if shape.rank() == 0 {
        return Err(ShapeError::InputRank { least: 1, most: MAX_RANK, found: shape });
    }
    Ok(shape.remove(shape.rank() - 1))
}

/// Losses of elements without settings; see [`rules::loss`](super::rules::loss).
pub use super::rules::loss as elementwise;

/// The Huber loss turns at `delta`.
pub const fn huber(input: Shape, target: Shape, delta: f64, reduced: bool) -> Result<Shape, ShapeError> {
    ok!(positive("delta", delta));
    loss(input, target, reduced)
}

/// The smooth L1 loss turns at `beta`.
pub const fn smooth_l1(input: Shape, target: Shape, beta: f64, reduced: bool) -> Result<Shape, ShapeError> {
    ok!(not_negative("beta", beta));
    loss(input, target, reduced)
}

/// The divergence from a distribution, or from its logarithm.
pub const fn kl_div(input: Shape, target: Shape, log_target: bool, reduced: bool) -> Result<Shape, ShapeError> {
    let _ = log_target;
    loss(input, target, reduced)
}

/// A rate, or its logarithm, and a count.
pub const fn poisson_nll(
    input: Shape,
    target: Shape,
    log_input: bool,
    full: bool,
    eps: f64,
    reduced: bool,
) -> Result<Shape, ShapeError> {
    let _ = (log_input, full);
    ok!(not_negative("eps", eps));
    loss(input, target, reduced)
}

/// A mean, a number and a variance, which has the shape of both, or has no last axis, or has the extent 1 along one axis.
pub const fn gaussian_nll(
    input: Shape,
    target: Shape,
    var: Shape,
    full: bool,
    eps: f64,
    reduced: bool,
) -> Result<Shape, ShapeError> {
    let _ = full;
    ok!(not_negative("eps", eps));
    // A target is repeated to the means, as a loss of more than these is hardly meant.
    let target = match super::rules::broadcast("gaussian_nll", input, target) {
        Ok(both) if both.same(&input) => both,
        _ => target,
    };
    let result = ok!(loss(input, target, reduced));
    let mut differing = 0;
    let mut axis = 0;
    while axis < input.rank() && input.rank() == var.rank() {
        if var.dim(axis) != input.dim(axis) {
            differing += if var.dim(axis) == 1 { 1 } else { 2 };
        }
        axis += 1;
    }
    let fits = if input.rank() == var.rank() {
        differing <= 1
    } else {
        var.rank() + 1 == input.rank() && input.remove(var.rank()).same(&var)
    };
    if fits { Ok(result) } else { Err(ShapeError::Expected { what: "`var`", expected: input, found: var }) }
}

/// Distances with a label for each.
pub const fn hinge_embedding(input: Shape, target: Shape, margin: f64, reduced: bool) -> Result<Shape, ShapeError> {
    ok!(finite("margin", margin));
    loss(input, target, reduced)
}

/// Two numbers, and which of them is to be larger.
pub const fn margin_ranking(
    input1: Shape,
    input2: Shape,
    target: Shape,
    margin: f64,
    reduced: bool,
) -> Result<Shape, ShapeError> {
    ok!(finite("margin", margin));
    ok!(has("second input", input1, input2));
    loss(input1, target, reduced)
}

/// Two vectors `[N, D]` (or `[D]`), and a label for each pair.
pub const fn cosine_embedding(
    input1: Shape,
    input2: Shape,
    target: Shape,
    margin: f64,
    reduced: bool,
) -> Result<Shape, ShapeError> {
    ok!(finite("margin", margin));
    if input1.rank() == 0 || input1.rank() > 2 {
        return Err(ShapeError::InputRank { least: 1, most: 2, found: input1 });
    }
    ok!(has("second input", input1, input2));
    loss(ok!(without_last(input1)), target, reduced)
}

/// Three vectors `[.., D]`, of which the norm of differences is taken.
#[allow(clippy::too_many_arguments)]
pub const fn triplet_margin(
    anchor: Shape,
    positive: Shape,
    negative: Shape,
    margin: f64,
    p: f64,
    eps: f64,
    swap: bool,
    reduced: bool,
) -> Result<Shape, ShapeError> {
    let _ = swap;
    ok!(self::positive("margin", margin));
    ok!(setting(!p.is_nan(), "p", "must be a number"));
    ok!(finite("eps", eps));
    ok!(has("positive", anchor, positive));
    ok!(has("negative", anchor, negative));
    result(ok!(without_last(anchor)), reduced)
}

/// What holds for a label smoothing, and whether it does.
pub const SMOOTHING: &str = "must be at least 0 and at most 1";

/// See [`SMOOTHING`].
pub const fn is_smoothing(smoothing: f64) -> bool {
    smoothing >= 0.0 && smoothing <= 1.0
}

/// Scores with classes or with their probabilities; see [`class_loss`].
pub const fn cross_entropy(
    scores: Shape,
    target: Type,
    ignore_index: i32,
    label_smoothing: f64,
    reduced: bool,
) -> Result<Shape, ShapeError> {
    let _ = ignore_index;
    ok!(setting(is_smoothing(label_smoothing), "label_smoothing", SMOOTHING));
    class_loss(scores, target, reduced)
}

/// Logarithms of probabilities `[N, C, d..]` (or `[C]`) with classes `[N, d..]`.
pub const fn nll(input: Shape, target: Shape, ignore_index: i32, reduced: bool) -> Result<Shape, ShapeError> {
    let _ = ignore_index;
    loss(ok!(classes(input)), target, reduced)
}

/// Logarithms of probabilities `[T, N, C]`, labels `[N, S]`, and both lengths `[N]`.
pub const fn ctc(
    log_probs: Shape,
    targets: Shape,
    input_lengths: Shape,
    target_lengths: Shape,
    blank: usize,
    zero_infinity: bool,
    reduced: bool,
) -> Result<Shape, ShapeError> {
    let _ = zero_infinity;
    ok!(super::rules::axes(log_probs, 3, 3));
    ok!(super::rules::axes(targets, 2, 2));
    let samples = Shape::new(&[targets.dim(0)]);
    let batch_first = log_probs.dim(0) == targets.dim(0) && log_probs.dim(1) != targets.dim(0);
    let times = log_probs.dim(if batch_first { 1 } else { 0 });
    let expected = Shape::new(&[times, targets.dim(0), log_probs.dim(2)]);
    ok!(has("`log_probs`, which are [T, N, C],", expected, log_probs));
    ok!(has("`input_lengths`", samples, input_lengths));
    ok!(has("`target_lengths`", samples, target_lengths));
    ok!(setting(blank < log_probs.dim(2), "blank", "must be one of the classes"));
    result(samples, reduced)
}

/// Scores `[N, C]` (or `[C]`) with a class for each sample.
pub const fn multi_margin(
    input: Shape,
    target: Shape,
    p: usize,
    margin: f64,
    reduced: bool,
) -> Result<Shape, ShapeError> {
    ok!(setting(p == 1 || p == 2, "p", "must be 1 or 2"));
    ok!(finite("margin", margin));
    loss(ok!(without_last(ok!(scores(input)))), target, reduced)
}

/// Scores `[N, C]` (or `[C]`) with lists of classes of that shape.
pub const fn multilabel_margin(input: Shape, target: Shape, reduced: bool) -> Result<Shape, ShapeError> {
    ok!(loss(ok!(scores(input)), target, reduced));
    result(ok!(without_last(input)), reduced)
}

/// Scores `[.., C]` with as many labels.
pub const fn multilabel_soft_margin(input: Shape, target: Shape, reduced: bool) -> Result<Shape, ShapeError> {
    ok!(loss(input, target, reduced));
    result(ok!(without_last(input)), reduced)
}

/// `[N, C]` or `[C]`.
const fn scores(input: Shape) -> Result<Shape, ShapeError> {
    super::rules::axes(input, 1, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = Shape::N;

    #[test]
    fn losses_have_the_shapes_of_pytorch() {
        let shape = Shape::new;
        let scalar = Shape::SCALAR;
        let cases = [
            (huber(shape(&[N, 3]), shape(&[N, 3]), 1.0, false), Some(shape(&[N, 3]))),
            (huber(shape(&[N, 3]), shape(&[N, 3]), 1.0, true), Some(scalar)),
            (huber(shape(&[N, 3]), shape(&[N, 3]), 0.0, true), None),
            (huber(shape(&[N, 3]), shape(&[N]), 1.0, true), None),
            (smooth_l1(shape(&[N]), shape(&[N]), 0.0, true), Some(scalar)),
            (smooth_l1(shape(&[N]), shape(&[N]), -1.0, true), None),
            (nll(shape(&[N, 4, 2]), shape(&[N, 2]), -100, false), Some(shape(&[N, 2]))),
            (nll(shape(&[N, 4, 2]), shape(&[N]), -100, false), None),
            (nll(shape(&[4]), scalar, -100, false), Some(scalar)),
            (gaussian_nll(shape(&[N, 3]), shape(&[N, 3]), shape(&[N, 3]), false, 1e-6, true), Some(scalar)),
            (gaussian_nll(shape(&[N, 3]), shape(&[N, 3]), shape(&[N]), false, 1e-6, false), Some(shape(&[N, 3]))),
            (gaussian_nll(shape(&[N, 3]), shape(&[N, 3]), shape(&[N, 1]), false, 1e-6, true), Some(scalar)),
            (gaussian_nll(shape(&[N, 3]), shape(&[N, 3]), shape(&[1, 1]), false, 1e-6, true), None),
            (gaussian_nll(shape(&[N, 3]), shape(&[N, 3]), shape(&[3]), false, 1e-6, true), None),
            (gaussian_nll(shape(&[N, 3]), shape(&[N, 1]), shape(&[N]), false, 1e-6, false), Some(shape(&[N, 3]))),
            (gaussian_nll(shape(&[N, 1]), shape(&[N]), shape(&[N]), false, 1e-6, false), None),
            (gaussian_nll(shape(&[N, 3]), shape(&[N, 3]), shape(&[N]), false, -1.0, true), None),
            (cosine_embedding(shape(&[N, 3]), shape(&[N, 3]), shape(&[N]), 0.0, false), Some(shape(&[N]))),
            (cosine_embedding(shape(&[N, 3]), shape(&[N, 3]), shape(&[N, 3]), 0.0, false), None),
            (cosine_embedding(shape(&[N, 3]), shape(&[N, 2]), shape(&[N]), 0.0, false), None),
            (
                triplet_margin(shape(&[N, 3]), shape(&[N, 3]), shape(&[N, 3]), 1.0, 2.0, 1e-6, false, false),
                Some(shape(&[N])),
            ),
            (triplet_margin(shape(&[N, 3]), shape(&[N, 3]), shape(&[N, 3]), 0.0, 2.0, 1e-6, false, true), None),
            (triplet_margin(shape(&[N, 3]), shape(&[N]), shape(&[N, 3]), 1.0, 2.0, 1e-6, false, true), None),
            (ctc(shape(&[9, N, 4]), shape(&[N, 3]), shape(&[N]), shape(&[N]), 0, false, false), Some(shape(&[N]))),
            (ctc(shape(&[9, N, 4]), shape(&[N, 3]), shape(&[N]), shape(&[N]), 3, true, true), Some(scalar)),
            (ctc(shape(&[9, N, 4]), shape(&[N, 3]), shape(&[N]), shape(&[N]), 4, false, false), None),
            (ctc(shape(&[N, 9, 4]), shape(&[N, 3]), shape(&[N]), shape(&[N]), 0, false, false), None),
            (ctc(shape(&[9, N, 4]), shape(&[N, 3]), shape(&[9]), shape(&[N]), 0, false, false), None),
            (multi_margin(shape(&[N, 4]), shape(&[N]), 2, 1.0, false), Some(shape(&[N]))),
            (multi_margin(shape(&[N, 4]), shape(&[N]), 3, 1.0, false), None),
            (multi_margin(shape(&[N, 4, 2]), shape(&[N, 2]), 1, 1.0, false), None),
            (multilabel_margin(shape(&[N, 4]), shape(&[N, 4]), false), Some(shape(&[N]))),
            (multilabel_margin(shape(&[N, 4]), shape(&[N]), false), None),
            (multilabel_soft_margin(shape(&[N, 4]), shape(&[N, 4]), false), Some(shape(&[N]))),
            (multilabel_soft_margin(scalar, scalar, false), None),
        ];
        for (number, (found, expected)) in cases.into_iter().enumerate() {
            assert_eq!(found.ok(), expected, "case {number}");
        }
    }
}
