//! Functions that move, choose, put and make elements, and change shapes. A row for each, by its name. Knows names only.

use super::*;

pub const FUNCTIONS: &[Function] = &[
    row("arange", &[required("end", Kind::Whole)], "arange_to").made("arange_to"),
    row(
        "arange",
        &[required("start", Kind::Whole), required("end", Kind::Whole), optional("step", Kind::Whole, "1")],
        "arange",
    )
    .made("arange"),
    row("bernoulli", FLOAT, "unchanged").stopping(),
    row("cat", PARTS, "cat").only(Form::Function),
    row("chunk", &[tensor(Any), required("chunks", Kind::Size), optional("dim", Kind::Axis, "0")], "chunk")
        .giving(Gives::Several),
    row("expand", &[tensor(Any), required("size", Kind::Shape)], "expand").only(Form::Method),
    row(
        "flatten",
        &[tensor(Any), optional("start_dim", Kind::Axis, "0"), optional("end_dim", Kind::Axis, "-1")],
        "flatten",
    ),
    row("flip", &[tensor(Any), required("dims", Kind::Axes)], "flip"),
    row("full_like", &[tensor(Any), required("fill_value", Kind::Number)], "with_number")
        .only(Form::Function)
        .stopping(),
    row("gather", &[tensor(Any), required("dim", Kind::Axis), required("index", Kind::Tensor(Index))], "gather")
        .of_value(),
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
    row(
        "linspace",
        &[required("start", Kind::Number), required("end", Kind::Number), required("steps", Kind::Size)],
        "linspace",
    )
    .made("linspace")
    .giving(Gives::F32),
    row(
        "narrow",
        &[tensor(Any), required("dim", Kind::Axis), required("start", Kind::Whole), required("length", Kind::Size)],
        "narrow",
    ),
    row("one_hot", &[tensor(Index), required("num_classes", Kind::Size)], "one_hot")
        .giving(Gives::I32)
        .only(Form::Function)
        .stopping(),
    row("ones_like", ANY, "unchanged").only(Form::Function).stopping(),
    row("permute", &[tensor(Any), required("dims", Kind::Axes)], "permute"),
    row("rand_like", FLOAT, "unchanged").only(Form::Function).stopping(),
    row("randn_like", FLOAT, "unchanged").only(Form::Function).stopping(),
    row("repeat", &[tensor(Any), required("repeats", Kind::Sizes)], "repeat").only(Form::Method),
    row(
        "repeat_interleave",
        &[tensor(Any), required("repeats", Kind::Size), required("dim", Kind::Axis)],
        "repeat_interleave",
    ),
    row("reshape", &[tensor(Any), required("shape", Kind::Shape)], "reshape"),
    row("roll", &[tensor(Any), required("shifts", Kind::Wholes), required("dims", Kind::Axes)], "roll"),
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
    row("select", &[tensor(Any), required("dim", Kind::Axis), required("index", Kind::Whole)], "select"),
    row(
        "slice",
        &[
            tensor(Any),
            required("dim", Kind::Axis),
            required("start", Kind::Whole),
            optional("end", Kind::Whole, "isize::MAX"),
            optional("step", Kind::Size, "1"),
        ],
        "slice",
    ),
    row("split", &[tensor(Any), required(SECTIONS, Kind::Size), optional("dim", Kind::Axis, "0")], "split")
        .giving(Gives::Several),
    row("split", &[tensor(Any), required(SECTIONS, Kind::Sizes), optional("dim", Kind::Axis, "0")], "split_with_sizes")
        .by(Builds::Function("split_with_sizes"))
        .giving(Gives::Several),
    row("squeeze", &[tensor(Any), required("dim", Kind::Axes)], "squeeze"),
    row("stack", PARTS, "stack").only(Form::Function),
    row("transpose", &[tensor(Any), required("dim0", Kind::Axis), required("dim1", Kind::Axis)], "transpose")
        .of_value(),
    row("tril", TRIANGLE, "triangle"),
    row("triu", TRIANGLE, "triangle"),
    row("unsqueeze", &[tensor(Any), required("dim", Kind::Axis)], "unsqueeze").of_value(),
    row("view", &[tensor(Any), required("size", Kind::Shape)], "reshape")
        .by(Builds::Function("reshape"))
        .only(Form::Method),
    row("zeros_like", ANY, "unchanged").only(Form::Function).stopping(),
];
