//! Functions along axes: folds, running ones, what puts elements in order. A row for each, by its name. Knows names
//! only.

use super::*;

pub const FUNCTIONS: &[Function] = &[
    row("all", FOLD_ANY, "reduce").giving(Gives::Bool).stopping(),
    row("amax", FOLD_ORDERED, "reduce"),
    row("amin", FOLD_ORDERED, "reduce"),
    row("aminmax", &[tensor(Float), optional("dim", Kind::OptionalAxis, "None"), KEEP], "aminmax")
        .giving(Gives::Several),
    row("any", FOLD_ANY, "reduce").giving(Gives::Bool).stopping(),
    row("argmax", PLACE, "reduce_one").giving(Gives::I32).stopping(),
    row("argmin", PLACE, "reduce_one").giving(Gives::I32).stopping(),
    row("argsort", ORDER, "argsort").giving(Gives::I32).stopping(),
    row(
        "bincount",
        &[tensor(Index), required("weights", Kind::Tensor(Float)), optional("minlength", Kind::Size, "0")],
        "bincount_of",
    )
    .by(Builds::Function("bincount_of")),
    row("bincount", &[tensor(Index), optional("minlength", Kind::Size, "0")], "bincount").giving(Gives::I32).stopping(),
    row(
        "bucketize",
        &[tensor(Number), required("boundaries", Kind::Tensor(Number)), optional("right", Kind::Flag, "false")],
        "bucketize",
    )
    .giving(Gives::I32)
    .stopping(),
    row("corrcoef", FLOAT, "corrcoef"),
    row("count_nonzero", &[tensor(Any), optional("dim", Kind::OptionalAxes, "None")], "count")
        .giving(Gives::I32)
        .stopping(),
    row(
        "cov",
        &[
            tensor(Float),
            optional("correction", Kind::Number, "1.0"),
            optional("fweights", Kind::OptionalTensor(Index), "None"),
            optional("aweights", Kind::OptionalTensor(Float), "None"),
        ],
        "cov",
    ),
    row("cummax", ONE_AXIS, "running_extreme").giving(Gives::Several).with_places(),
    row("cummin", ONE_AXIS, "running_extreme").giving(Gives::Several).with_places(),
    row("cumprod", ONE_AXIS, "along").of_value(),
    row("cumsum", &[tensor(Count), required("dim", Kind::Axis)], "along"),
    row("cumulative_trapezoid", AREA_OVER, "cumulative_trapezoid_over")
        .by(Builds::Function("cumulative_trapezoid_over"))
        .only(Form::Function),
    row("cumulative_trapezoid", AREA, "cumulative_trapezoid").only(Form::Function),
    row(
        "diff",
        &[
            tensor(Number),
            optional("n", Kind::Size, "1"),
            LAST,
            optional("prepend", Kind::OptionalTensor(Number), "None"),
            optional("append", Kind::OptionalTensor(Number), "None"),
        ],
        "diff",
    ),
    row("dist", &[tensor(Float), required("other", Kind::Tensor(Float)), optional("p", Kind::Number, "2.0")], "dist"),
    row("glu", &[tensor(Float), optional("dim", Kind::Axis, "-1")], "glu"),
    row(
        "gumbel_softmax",
        &[
            required("logits", Kind::Tensor(Float)),
            optional("tau", Kind::Number, "1.0"),
            optional("hard", Kind::Flag, "false"),
            LAST,
        ],
        "gumbel_softmax",
    )
    .only(Form::Function),
    row(
        "histc",
        &[
            tensor(Float),
            optional("bins", Kind::Size, "100"),
            optional("min", Kind::Number, "0.0"),
            optional("max", Kind::Number, "0.0"),
        ],
        "histc",
    )
    .stopping(),
    row("isin", &[required("elements", Kind::Tensor(Number)), required("test_elements", Kind::Tensor(Number))], "isin")
        .only(Form::Function)
        .giving(Gives::Bool)
        .stopping(),
    row("kthvalue", &[tensor(Number), required("k", Kind::Size), LAST, KEEP], "kthvalue")
        .giving(Gives::Several)
        .with_places(),
    row("log_softmax", ONE_AXIS, "along").of_value(),
    row("logcumsumexp", ONE_AXIS, "along_known"),
    row("logsumexp", &[tensor(Float), required("dim", Kind::Axes), KEEP], "reduce_axes"),
    row("max", EXTREME, "extreme").giving(Gives::Several).with_places(),
    row("max", MIXED, "broadcast").by(Builds::Value("maximum")),
    row("max", FOLD_ORDERED, "reduce").by(Builds::Function("amax")),
    row("mean", FOLD, "reduce"),
    row("median", &[tensor(Number), required("dim", Kind::Axis), KEEP], "extreme").giving(Gives::Several).with_places(),
    row("median", &[tensor(Number)], "all_known").by(Builds::Function("median_of_all")),
    row("min", EXTREME, "extreme").giving(Gives::Several).with_places(),
    row("min", MIXED, "broadcast").by(Builds::Value("minimum")),
    row("min", FOLD_ORDERED, "reduce").by(Builds::Function("amin")),
    row("mode", &[tensor(Number), LAST, KEEP], "mode").giving(Gives::Several).with_places(),
    row("msort", NUMBER, "msort"),
    row("nanmean", FOLD, "reduce"),
    row("nanmedian", &[tensor(Number), required("dim", Kind::Axis), KEEP], "extreme")
        .giving(Gives::Several)
        .with_places(),
    row("nanmedian", &[tensor(Number)], "all_known").by(Builds::Function("nanmedian_of_all")),
    quantile("nanquantile", QUANTILE, "quantile", "nanquantile"),
    quantile("nanquantile", QUANTILES, "quantiles", "nanquantiles"),
    quantile("nanquantile", QUANTILE_BY, "quantile_by", "nanquantile_by"),
    row("nansum", FOLD, "reduce"),
    // As a method only: layers are called `norm`.
    row("norm", NORM, "norm").only(Form::Method),
    row(
        "normalize",
        &[
            tensor(Float),
            optional("p", Kind::Number, "2.0"),
            optional("dim", Kind::Axis, "1"),
            optional("eps", Kind::Number, "1e-12"),
        ],
        "normalize",
    )
    .only(Form::Function),
    row("prod", FOLD_NUMBERS, "reduce"),
    quantile("quantile", QUANTILE, "quantile", "quantile"),
    quantile("quantile", QUANTILES, "quantiles", "quantiles"),
    quantile("quantile", QUANTILE_BY, "quantile_by", "quantile_by"),
    row(
        "renorm",
        &[tensor(Float), required("p", Kind::Number), required("dim", Kind::Axis), required("maxnorm", Kind::Number)],
        "renorm",
    ),
    row(
        "searchsorted",
        &[
            required("sorted_sequence", Kind::Tensor(Compared)),
            required("input", Kind::Tensor(Compared)),
            optional("right", Kind::Flag, "false"),
            optional("sorter", Kind::OptionalTensor(Index), "None"),
        ],
        "searchsorted",
    )
    .only(Form::Function)
    .giving(Gives::I32)
    .stopping(),
    row(
        "searchsorted",
        &[
            required("sorted_sequence", Kind::Tensor(Compared)),
            required("input", Kind::Tensor(Compared)),
            required("side", Kind::Text),
            optional("sorter", Kind::OptionalTensor(Index), "None"),
        ],
        "searchsorted_at",
    )
    .by(Builds::Function("searchsorted_at"))
    .only(Form::Function)
    .giving(Gives::I32)
    .stopping(),
    row("softmax", ONE_AXIS, "along").of_value(),
    row("softmin", ONE_AXIS, "along"),
    row("sort", ORDER, "sort").giving(Gives::Several).with_places(),
    row("std", SPREAD, "variance"),
    row("std_mean", SPREAD, "moments").giving(Gives::Several),
    row("sum", FOLD_NUMBERS, "reduce"),
    row("topk", &[tensor(Number), required("k", Kind::Size), LAST, optional("largest", Kind::Flag, "true")], "topk")
        .giving(Gives::Several)
        .with_places(),
    row("trapezoid", AREA_OVER, "trapezoid_over").by(Builds::Function("trapezoid_over")).only(Form::Function),
    row("trapezoid", AREA, "trapezoid").only(Form::Function),
    row("trapz", AREA_OVER, "trapezoid_over").by(Builds::Function("trapezoid_over")).only(Form::Function),
    row("trapz", AREA, "trapezoid").by(Builds::Function("trapezoid")).only(Form::Function),
    row("var", SPREAD, "variance"),
    row("var_mean", SPREAD, "moments").giving(Gives::Several),
];
