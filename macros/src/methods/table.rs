//! The table of functions: a row for each, in the order of their names. Knows names only.

use super::{Builds, Elements, Form, Function, Gives, Kind, Parameter};
use Elements::{Any, Float, Index, Mask, MaskOrFloat, Number};

const fn required(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, default: None }
}

const fn optional(name: &'static str, kind: Kind, default: &'static str) -> Parameter {
    Parameter { name, kind, default: Some(default) }
}

const fn tensor(elements: Elements) -> Parameter {
    required("input", Kind::Tensor(elements))
}

const fn other(elements: Elements) -> Parameter {
    required("other", Kind::Operand(elements))
}

const FLOAT: &[Parameter] = &[tensor(Float)];
const ANY: &[Parameter] = &[tensor(Any)];
const MASK: &[Parameter] = &[tensor(Mask)];
const MASKS: &[Parameter] = &[tensor(Mask), required("other", Kind::Tensor(Mask))];
const NUMBERS: &[Parameter] = &[tensor(Number), other(Number)];
const FLOATS: &[Parameter] = &[tensor(Float), other(Float)];
const PARTS: &[Parameter] = &[required("tensors", Kind::Tensors), optional("dim", Kind::Axis, "0")];
const KEEP: Parameter = optional("keepdim", Kind::Flag, "false");
const ONE_AXIS: &[Parameter] = &[tensor(Float), required("dim", Kind::Axis)];
const FOLD: &[Parameter] = &[tensor(Float), optional("dim", Kind::OptionalAxes, "None"), KEEP];
const FOLD_NUMBERS: &[Parameter] = &[tensor(Number), optional("dim", Kind::OptionalAxes, "None"), KEEP];
const PLACE: &[Parameter] = &[tensor(Number), optional("dim", Kind::OptionalAxis, "None"), KEEP];
const EXTREME: &[Parameter] = &[tensor(Float), required("dim", Kind::Axis), KEEP];
const SPREAD: &[Parameter] =
    &[tensor(Float), optional("dim", Kind::OptionalAxes, "None"), optional("correction", Kind::Number, "1.0"), KEEP];

const DESCENDING: Parameter = optional("descending", Kind::Flag, "false");
const LAST: Parameter = optional("dim", Kind::Axis, "-1");
const ORDER: &[Parameter] = &[tensor(Number), LAST, DESCENDING];
const TRIANGLE: &[Parameter] = &[tensor(Any), optional("diagonal", Kind::Whole, "0")];
const INDEX: Parameter = required("index", Kind::Tensor(Index));

const NORM: &[Parameter] =
    &[tensor(Float), optional("p", Kind::Number, "2.0"), optional("dim", Kind::OptionalAxes, "None"), KEEP];

/// What a maximum pooling that tells its places takes: whole numbers for all spatial axes, or one for each.
const POOL: &[Parameter] = &[
    tensor(Float),
    required("kernel_size", Kind::Sizes),
    optional("stride", Kind::Sizes, "[]"),
    optional("padding", Kind::Sizes, "[0]"),
    optional("dilation", Kind::Sizes, "[1]"),
    optional("ceil_mode", Kind::Flag, "false"),
];
const ADAPTIVE_POOL: &[Parameter] = &[tensor(Float), required("output_size", Kind::Sizes)];
const UNPOOL: &[Parameter] = &[
    tensor(Float),
    required("indices", Kind::Tensor(Index)),
    required("kernel_size", Kind::Sizes),
    optional("stride", Kind::Sizes, "[]"),
    optional("padding", Kind::Sizes, "[0]"),
    optional("output_size", Kind::Sizes, "[]"),
];

/// What `unfold` and `fold` take: whole numbers for both axes, or one for each.
const UNFOLD_WINDOWS: &[Parameter] = &[
    tensor(Float),
    required("kernel_size", Kind::Sizes),
    optional("dilation", Kind::Sizes, "[1]"),
    optional("padding", Kind::Sizes, "[0]"),
    optional("stride", Kind::Sizes, "[1]"),
];
const FOLD_WINDOWS: &[Parameter] = &[
    tensor(Float),
    required("output_size", Kind::Sizes),
    required("kernel_size", Kind::Sizes),
    optional("dilation", Kind::Sizes, "[1]"),
    optional("padding", Kind::Sizes, "[0]"),
    optional("stride", Kind::Sizes, "[1]"),
];

/// One of two tensors of vectors.
const fn vector(name: &'static str) -> Parameter {
    required(name, Kind::Tensor(Float))
}

/// PyTorch's name for an extent, or for several.
const SECTIONS: &str = "split_size_or_sections";

const fn row(name: &'static str, parameters: &'static [Parameter], rule: &'static str) -> Function {
    let (form, builds, gives) = (Form::Either, Builds::Function(name), Gives::Same);
    Function { name, form, parameters, rule, builds, gives, smooth: true }
}

/// A function of one f32 operand that is a method of `Value`.
const fn unary(name: &'static str) -> Function {
    row(name, FLOAT, "unchanged").of_value()
}

/// A comparison, which is a method of `Value`.
const fn compare(name: &'static str) -> Function {
    row(name, NUMBERS, "broadcast").of_value().giving(Gives::Bool).stopping()
}

/// A pooling that gives its maxima and their places.
const fn places(name: &'static str, parameters: &'static [Parameter]) -> Function {
    row(name, parameters, name).only(Form::Function).giving(Gives::Several)
}

impl Function {
    const fn of_value(self) -> Function {
        Function { builds: Builds::Value(self.name), ..self }
    }

    const fn by(self, builds: Builds) -> Function {
        Function { builds, ..self }
    }

    /// It makes a tensor of numbers alone, with the name of what is called in the graph.
    const fn made(self, name: &'static str) -> Function {
        Function { builds: Builds::Made(name), gives: Gives::I32, form: Form::Function, smooth: false, ..self }
    }

    const fn only(self, form: Form) -> Function {
        Function { form, ..self }
    }

    const fn giving(self, gives: Gives) -> Function {
        Function { gives, ..self }
    }

    /// No gradient passes.
    const fn stopping(self) -> Function {
        Function { smooth: false, ..self }
    }
}

/// All functions, by their names. Where one name has several rows, a call is that of the first that its arguments fit.
pub const FUNCTIONS: &[Function] = &[
    unary("abs"),
    unary("acos"),
    unary("acosh"),
    places("adaptive_max_pool1d_with_indices", ADAPTIVE_POOL),
    places("adaptive_max_pool2d_with_indices", ADAPTIVE_POOL),
    places("adaptive_max_pool3d_with_indices", ADAPTIVE_POOL),
    row("add", NUMBERS, "broadcast").by(Builds::Operator("+")),
    row("amax", FOLD, "reduce"),
    row("amin", FOLD, "reduce"),
    row("arange", &[required("end", Kind::Whole)], "arange_to").made("arange_to"),
    row(
        "arange",
        &[required("start", Kind::Whole), required("end", Kind::Whole), optional("step", Kind::Whole, "1")],
        "arange",
    )
    .made("arange"),
    row("argmax", PLACE, "reduce_one").giving(Gives::I32).stopping(),
    row("argmin", PLACE, "reduce_one").giving(Gives::I32).stopping(),
    row("argsort", ORDER, "argsort").giving(Gives::I32).stopping(),
    unary("asin"),
    unary("asinh"),
    row("atan", FLOAT, "unchanged"),
    row("atan2", FLOATS, "broadcast").of_value(),
    unary("atanh"),
    row(
        "baddbmm",
        &[
            tensor(Float),
            required("batch1", Kind::Tensor(Float)),
            required("batch2", Kind::Tensor(Float)),
            optional("beta", Kind::Number, "1.0"),
            optional("alpha", Kind::Number, "1.0"),
        ],
        "baddbmm",
    ),
    row("bernoulli", FLOAT, "unchanged").stopping(),
    row(
        "bilinear",
        &[
            required("input1", Kind::Tensor(Float)),
            required("input2", Kind::Tensor(Float)),
            required("weight", Kind::Tensor(Float)),
            optional("bias", Kind::OptionalTensor(Float), "None"),
        ],
        "bilinear",
    )
    .only(Form::Function),
    row("bmm", &[tensor(Float), required("mat2", Kind::Tensor(Float))], "bmm"),
    row("cat", PARTS, "cat").only(Form::Function),
    row("ceil", FLOAT, "unchanged").stopping(),
    row("celu", &[tensor(Float), optional("alpha", Kind::Number, "1.0")], "celu"),
    row("channel_shuffle", &[tensor(Any), required("groups", Kind::Size)], "channel_shuffle").only(Form::Function),
    row("chunk", &[tensor(Any), required("chunks", Kind::Size), optional("dim", Kind::Axis, "0")], "chunk")
        .giving(Gives::Several),
    row(
        "clamp",
        &[tensor(Float), optional("min", Kind::OptionalNumber, "None"), optional("max", Kind::OptionalNumber, "None")],
        "with_bounds",
    ),
    unary("cos"),
    unary("cosh"),
    row(
        "cosine_similarity",
        &[vector("x1"), vector("x2"), optional("dim", Kind::Axis, "1"), optional("eps", Kind::Number, "1e-8")],
        "cosine_similarity",
    )
    .only(Form::Function),
    row("cross", &[tensor(Float), required("other", Kind::Tensor(Float)), LAST], "cross"),
    row("cumprod", ONE_AXIS, "along").of_value(),
    row("cumsum", ONE_AXIS, "along").of_value(),
    row("detach", ANY, "unchanged").of_value().only(Form::Method).stopping(),
    row("div", FLOATS, "broadcast").by(Builds::Operator("/")),
    row("dropout", &[tensor(Float), optional("p", Kind::Number, "0.5")], "dropout").only(Form::Function),
    row("einsum", &[required("equation", Kind::Text), required("operands", Kind::Tensors)], "einsum")
        .only(Form::Function),
    row("elu", &[tensor(Float), optional("alpha", Kind::Number, "1.0")], "with_factor"),
    compare("eq"),
    unary("erf"),
    unary("exp"),
    row("exp2", FLOAT, "unchanged"),
    row("expand", &[tensor(Any), required("size", Kind::Shape)], "expand").only(Form::Method),
    unary("expm1"),
    row(
        "flatten",
        &[tensor(Any), optional("start_dim", Kind::Axis, "0"), optional("end_dim", Kind::Axis, "-1")],
        "flatten",
    ),
    row("flip", &[tensor(Any), required("dims", Kind::Axes)], "flip"),
    row("float", ANY, "unchanged").only(Form::Method).giving(Gives::F32),
    unary("floor").stopping(),
    row("fold", FOLD_WINDOWS, "fold").only(Form::Function),
    row("frac", FLOAT, "unchanged"),
    row("full_like", &[tensor(Any), required("fill_value", Kind::Number)], "with_number")
        .only(Form::Function)
        .stopping(),
    row("gather", &[tensor(Any), required("dim", Kind::Axis), required("index", Kind::Tensor(Index))], "gather")
        .of_value(),
    compare("ge"),
    row("gelu", FLOAT, "unchanged"),
    row("glu", &[tensor(Float), optional("dim", Kind::Axis, "-1")], "glu"),
    compare("gt"),
    row("hardshrink", &[tensor(Float), optional("lambd", Kind::Number, "0.5")], "hardshrink"),
    row("hardsigmoid", FLOAT, "unchanged"),
    row("hardswish", FLOAT, "unchanged"),
    row(
        "hardtanh",
        &[tensor(Float), optional("min_val", Kind::Number, "-1.0"), optional("max_val", Kind::Number, "1.0")],
        "hardtanh",
    ),
    row(
        "index_add",
        &[
            tensor(Float),
            required("dim", Kind::Axis),
            INDEX,
            required("source", Kind::Tensor(Float)),
            optional("alpha", Kind::Number, "1.0"),
        ],
        "index_add",
    ),
    row(
        "index_select",
        &[tensor(Any), required("dim", Kind::Axis), required("index", Kind::Tensor(Index))],
        "index_select",
    ),
    row("int", ANY, "unchanged").only(Form::Method).giving(Gives::I32).stopping(),
    row(
        "interpolate",
        &[
            tensor(Float),
            optional("size", Kind::Sizes, "[]"),
            optional("scale_factor", Kind::Numbers, "[]"),
            optional("mode", Kind::Text, "\"nearest\""),
            optional("align_corners", Kind::Flag, "false"),
            optional("recompute_scale_factor", Kind::Flag, "false"),
            optional("antialias", Kind::Flag, "false"),
        ],
        "interpolate",
    )
    .only(Form::Function),
    row("isfinite", FLOAT, "unchanged").giving(Gives::Bool).stopping(),
    row("isinf", FLOAT, "unchanged").giving(Gives::Bool).stopping(),
    row("isnan", FLOAT, "unchanged").giving(Gives::Bool).stopping(),
    compare("le"),
    row("leaky_relu", &[tensor(Float), optional("negative_slope", Kind::Number, "0.01")], "with_factor"),
    row(
        "lerp",
        &[tensor(Float), required("end", Kind::Tensor(Float)), required("weight", Kind::Operand(Float))],
        "broadcast_three",
    ),
    row(
        "linspace",
        &[required("start", Kind::Number), required("end", Kind::Number), required("steps", Kind::Size)],
        "linspace",
    )
    .made("linspace")
    .giving(Gives::F32),
    unary("log"),
    row("log10", FLOAT, "unchanged"),
    unary("log1p"),
    row("log2", FLOAT, "unchanged"),
    row("log_softmax", ONE_AXIS, "along").of_value(),
    row("logical_and", MASKS, "broadcast").by(Builds::Operator("&")).giving(Gives::Bool).stopping(),
    row("logical_not", MASK, "unchanged").by(Builds::Operator("!")).giving(Gives::Bool).stopping(),
    row("logical_or", MASKS, "broadcast").by(Builds::Operator("|")).giving(Gives::Bool).stopping(),
    row("logical_xor", MASKS, "broadcast").giving(Gives::Bool).stopping(),
    row("logsigmoid", FLOAT, "unchanged"),
    row("logsumexp", EXTREME, "reduce_one_axis"),
    compare("lt"),
    row(
        "masked_fill",
        &[tensor(Any), required("mask", Kind::Tensor(Mask)), required("value", Kind::Number)],
        "masked_fill",
    ),
    row("matmul", &[tensor(Float), required("other", Kind::Tensor(Float))], "matmul").of_value(),
    row("max", EXTREME, "extreme").giving(Gives::Several),
    row("max", NUMBERS, "broadcast").by(Builds::Value("maximum")),
    row("max", FOLD, "reduce").by(Builds::Function("amax")),
    places("max_pool1d_with_indices", POOL),
    places("max_pool2d_with_indices", POOL),
    places("max_pool3d_with_indices", POOL),
    row("max_unpool1d", UNPOOL, "max_unpool1d").only(Form::Function),
    row("max_unpool2d", UNPOOL, "max_unpool2d").only(Form::Function),
    row("max_unpool3d", UNPOOL, "max_unpool3d").only(Form::Function),
    row("maximum", NUMBERS, "broadcast").of_value(),
    row("mean", FOLD, "reduce"),
    row("min", EXTREME, "extreme").giving(Gives::Several),
    row("min", NUMBERS, "broadcast").by(Builds::Value("minimum")),
    row("min", FOLD, "reduce").by(Builds::Function("amin")),
    row("minimum", NUMBERS, "broadcast").of_value(),
    row("mish", FLOAT, "unchanged"),
    row("mul", NUMBERS, "broadcast").by(Builds::Operator("*")),
    row(
        "nan_to_num",
        &[
            tensor(Float),
            optional("nan", Kind::Number, "0.0"),
            optional("posinf", Kind::OptionalNumber, "None"),
            optional("neginf", Kind::OptionalNumber, "None"),
        ],
        "nan_to_num",
    ),
    row(
        "narrow",
        &[tensor(Any), required("dim", Kind::Axis), required("start", Kind::Size), required("length", Kind::Size)],
        "narrow",
    ),
    compare("ne"),
    row("neg", FLOAT, "unchanged").by(Builds::Operator("-")),
    // As a method only: layers are called `norm`.
    row("norm", NORM, "norm").only(Form::Method),
    row("one_hot", &[tensor(Index), required("num_classes", Kind::Size)], "one_hot")
        .giving(Gives::I32)
        .only(Form::Function)
        .stopping(),
    row("ones_like", ANY, "unchanged").only(Form::Function).stopping(),
    row("outer", &[tensor(Float), required("vec2", Kind::Tensor(Float))], "outer"),
    row(
        "pad",
        &[
            tensor(Any),
            required("pad", Kind::Wholes),
            optional("mode", Kind::Text, "\"constant\""),
            optional("value", Kind::OptionalNumber, "None"),
        ],
        "pad",
    ),
    row(
        "pairwise_distance",
        &[vector("x1"), vector("x2"), optional("p", Kind::Number, "2.0"), optional("eps", Kind::Number, "1e-6"), KEEP],
        "pairwise_distance",
    )
    .only(Form::Function),
    row("permute", &[tensor(Any), required("dims", Kind::Axes)], "permute"),
    row("pixel_shuffle", &[tensor(Any), required("upscale_factor", Kind::Size)], "pixel_shuffle").only(Form::Function),
    row("pixel_unshuffle", &[tensor(Any), required("downscale_factor", Kind::Size)], "pixel_unshuffle")
        .only(Form::Function),
    row("pow", &[tensor(Float), required("exponent", Kind::Operand(Float))], "broadcast").of_value(),
    row("prelu", &[tensor(Float), required("weight", Kind::Tensor(Float))], "prelu"),
    row("prod", FOLD, "reduce"),
    row("rand_like", FLOAT, "unchanged").only(Form::Function).stopping(),
    row("randn_like", FLOAT, "unchanged").only(Form::Function).stopping(),
    unary("reciprocal"),
    unary("relu"),
    row("relu6", FLOAT, "unchanged"),
    row("repeat", &[tensor(Any), required("repeats", Kind::Sizes)], "repeat").only(Form::Method),
    row(
        "repeat_interleave",
        &[tensor(Any), required("repeats", Kind::Size), required("dim", Kind::Axis)],
        "repeat_interleave",
    ),
    row("reshape", &[tensor(Any), required("shape", Kind::Shape)], "reshape"),
    row("roll", &[tensor(Any), required("shifts", Kind::Wholes), required("dims", Kind::Axes)], "roll"),
    unary("round").stopping(),
    row(
        "rrelu",
        &[
            tensor(Float),
            optional("lower", Kind::Number, "(1.0 / 8.0)"),
            optional("upper", Kind::Number, "(1.0 / 3.0)"),
        ],
        "rrelu",
    )
    .only(Form::Function),
    unary("rsqrt"),
    row(
        "scaled_dot_product_attention",
        &[
            required("query", Kind::Tensor(Float)),
            required("key", Kind::Tensor(Float)),
            required("value", Kind::Tensor(Float)),
            optional("attn_mask", Kind::OptionalTensor(MaskOrFloat), "None"),
            optional("dropout_p", Kind::Number, "0.0"),
            optional("is_causal", Kind::Flag, "false"),
            optional("scale", Kind::OptionalNumber, "None"),
        ],
        "attention",
    )
    .only(Form::Function),
    row(
        "scatter",
        &[tensor(Float), required("dim", Kind::Axis), INDEX, required("src", Kind::Operand(Float))],
        "scatter",
    ),
    row(
        "scatter_add",
        &[tensor(Float), required("dim", Kind::Axis), INDEX, required("src", Kind::Tensor(Float))],
        "scatter",
    ),
    row("select", &[tensor(Any), required("dim", Kind::Axis), required("index", Kind::Size)], "select"),
    row("selu", FLOAT, "unchanged"),
    unary("sigmoid"),
    unary("sign").stopping(),
    row("silu", FLOAT, "unchanged"),
    unary("sin"),
    unary("sinh"),
    row(
        "slice",
        &[
            tensor(Any),
            required("dim", Kind::Axis),
            required("start", Kind::Size),
            required("end", Kind::Size),
            optional("step", Kind::Size, "1"),
        ],
        "slice",
    ),
    row("softmax", ONE_AXIS, "along").of_value(),
    row("softmin", ONE_AXIS, "along"),
    row(
        "softplus",
        &[tensor(Float), optional("beta", Kind::Number, "1.0"), optional("threshold", Kind::Number, "20.0")],
        "softplus",
    ),
    row("softshrink", &[tensor(Float), optional("lambd", Kind::Number, "0.5")], "softshrink"),
    row("softsign", FLOAT, "unchanged"),
    row("sort", ORDER, "sort").giving(Gives::Several),
    row("split", &[tensor(Any), required(SECTIONS, Kind::Size), optional("dim", Kind::Axis, "0")], "split")
        .giving(Gives::Several),
    row("split", &[tensor(Any), required(SECTIONS, Kind::Sizes), optional("dim", Kind::Axis, "0")], "split_with_sizes")
        .by(Builds::Function("split_with_sizes"))
        .giving(Gives::Several),
    unary("sqrt"),
    unary("square"),
    row("squeeze", &[tensor(Any), required("dim", Kind::Axes)], "squeeze"),
    row("stack", PARTS, "stack").only(Form::Function),
    row("std", SPREAD, "variance"),
    row("sub", NUMBERS, "broadcast").by(Builds::Operator("-")),
    row("sum", FOLD_NUMBERS, "reduce"),
    row("tan", FLOAT, "unchanged"),
    unary("tanh"),
    row("tanhshrink", FLOAT, "unchanged"),
    row(
        "threshold",
        &[tensor(Float), required("threshold", Kind::Number), required("value", Kind::Number)],
        "threshold",
    )
    .only(Form::Function),
    row("topk", &[tensor(Number), required("k", Kind::Size), LAST, optional("largest", Kind::Flag, "true")], "topk")
        .giving(Gives::Several),
    row("transpose", &[tensor(Any), required("dim0", Kind::Axis), required("dim1", Kind::Axis)], "transpose")
        .of_value(),
    row("tril", TRIANGLE, "triangle"),
    row("triu", TRIANGLE, "triangle"),
    row("trunc", FLOAT, "unchanged").stopping(),
    row("unfold", UNFOLD_WINDOWS, "unfold").only(Form::Function),
    row("unsqueeze", &[tensor(Any), required("dim", Kind::Axis)], "unsqueeze").of_value(),
    row("var", SPREAD, "variance"),
    row("view", &[tensor(Any), required("size", Kind::Shape)], "reshape")
        .by(Builds::Function("reshape"))
        .only(Form::Method),
    row(
        "where",
        &[required("condition", Kind::Tensor(Mask)), tensor_or_number("input"), tensor_or_number("other")],
        "broadcast_three",
    )
    .by(Builds::Function("where_")),
    row("zeros_like", ANY, "unchanged").only(Form::Function).stopping(),
];

const fn tensor_or_number(name: &'static str) -> Parameter {
    required(name, Kind::Operand(Any))
}
