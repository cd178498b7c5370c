//! Functions along axes: folds, running ones, what puts elements in order. A row for each, by its name. Knows names only.

use super::*;

pub const FUNCTIONS: &[Function] = &[
    row("amax", FOLD, "reduce"),
    row("amin", FOLD, "reduce"),
    row("argmax", PLACE, "reduce_one").giving(Gives::I32).stopping(),
    row("argmin", PLACE, "reduce_one").giving(Gives::I32).stopping(),
    row("argsort", ORDER, "argsort").giving(Gives::I32).stopping(),
    row("cumprod", ONE_AXIS, "along").of_value(),
    row("cumsum", ONE_AXIS, "along").of_value(),
    row("glu", &[tensor(Float), optional("dim", Kind::Axis, "-1")], "glu"),
    row("log_softmax", ONE_AXIS, "along").of_value(),
    row("logsumexp", EXTREME, "reduce_one_axis"),
    row("max", EXTREME, "extreme").giving(Gives::Several),
    row("max", NUMBERS, "broadcast").by(Builds::Value("maximum")),
    row("max", FOLD, "reduce").by(Builds::Function("amax")),
    row("mean", FOLD, "reduce"),
    row("min", EXTREME, "extreme").giving(Gives::Several),
    row("min", NUMBERS, "broadcast").by(Builds::Value("minimum")),
    row("min", FOLD, "reduce").by(Builds::Function("amin")),
    // As a method only: layers are called `norm`.
    row("norm", NORM, "norm").only(Form::Method),
    row("prod", FOLD, "reduce"),
    row("softmax", ONE_AXIS, "along").of_value(),
    row("softmin", ONE_AXIS, "along"),
    row("sort", ORDER, "sort").giving(Gives::Several),
    row("std", SPREAD, "variance"),
    row("sum", FOLD_NUMBERS, "reduce"),
    row("topk", &[tensor(Number), required("k", Kind::Size), LAST, optional("largest", Kind::Flag, "true")], "topk")
        .giving(Gives::Several),
    row("var", SPREAD, "variance"),
];
