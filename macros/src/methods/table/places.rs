//! Functions that move, choose, put and make elements, and change shapes. A row for each, by its name. Knows names
//! only.

use super::*;

const TENSORS: &[Parameter] = &[required("tensors", Kind::Tensors)];

pub const FUNCTIONS: &[Function] = &[
    row("arange", &[required("end", Kind::End)], "arange_to").made("arange_to"),
    row(
        "arange",
        &[required("start", Kind::Whole), required("end", Kind::End), optional("step", Kind::Whole, "1")],
        "arange",
    )
    .made("arange"),
    row("atleast_1d", ANY, "atleast_1d").only(Form::Function),
    row("atleast_2d", ANY, "atleast_2d").only(Form::Function),
    row("atleast_3d", ANY, "atleast_3d").only(Form::Function),
    row("bernoulli", FLOAT, "unchanged").stopping(),
    row("block_diag", TENSORS, "block_diag").only(Form::Function),
    row("broadcast_to", &[tensor(Any), required("size", Kind::Shape)], "expand").by(Builds::Function("expand")),
    row("cartesian_prod", TENSORS, "cartesian_prod").only(Form::Function),
    row("cat", PARTS, "cat").only(Form::Function),
    row("chunk", &[tensor(Any), required("chunks", Kind::Size), optional("dim", Kind::Axis, "0")], "chunk")
        .giving(Gives::Several),
    row("column_stack", TENSORS, "column_stack").only(Form::Function),
    row(
        "combinations",
        &[tensor(Any), optional("r", Kind::Size, "2"), optional("with_replacement", Kind::Flag, "false")],
        "combinations",
    )
    .only(Form::Function),
    row("concat", PARTS, "cat").by(Builds::Function("cat")).only(Form::Function),
    row("concatenate", PARTS, "cat").by(Builds::Function("cat")).only(Form::Function),
    row("diag", &[tensor(Float), optional("diagonal", Kind::Whole, "0")], "diag"),
    row(
        "diag_embed",
        &[
            tensor(Float),
            optional("offset", Kind::Whole, "0"),
            optional("dim1", Kind::Axis, "-2"),
            optional("dim2", Kind::Axis, "-1"),
        ],
        "diag_embed",
    ),
    row("diagflat", &[tensor(Float), optional("offset", Kind::Whole, "0")], "diagflat"),
    row(
        "diagonal",
        &[
            tensor(Any),
            optional("offset", Kind::Whole, "0"),
            optional("dim1", Kind::Axis, "0"),
            optional("dim2", Kind::Axis, "1"),
        ],
        "diagonal",
    ),
    row(
        "diagonal_scatter",
        &[
            tensor(Number),
            required("src", Kind::Tensor(Number)),
            optional("offset", Kind::Whole, "0"),
            optional("dim1", Kind::Axis, "0"),
            optional("dim2", Kind::Axis, "1"),
        ],
        "diagonal_scatter",
    ),
    row("dstack", TENSORS, "dstack").only(Form::Function),
    row("expand", &[tensor(Any), required("size", Kind::Shape)], "expand").only(Form::Method),
    row("expand_as", &[tensor(Any), required("other", Kind::Tensor(Any))], "expand_as"),
    row("eye", &[required("n", Kind::Size)], "eye").made("eye").giving(Gives::F32),
    row("eye", &[required("n", Kind::Size), required("m", Kind::Size)], "eye_of").made("eye_of").giving(Gives::F32),
    row(
        "flatten",
        &[tensor(Any), optional("start_dim", Kind::Axis, "0"), optional("end_dim", Kind::Axis, "-1")],
        "flatten",
    ),
    row("flip", &[tensor(Any), required("dims", Kind::Axes)], "flip"),
    row("fliplr", ANY, "fliplr"),
    row("flipud", ANY, "flipud"),
    row("full", &[required("size", Kind::Shape), required("fill_value", Kind::Number)], "full")
        .made("full")
        .giving(Gives::F32),
    row("full_like", &[tensor(Any), required("fill_value", Kind::Number)], "with_number")
        .only(Form::Function)
        .stopping(),
    row("gather", &[tensor(Any), required("dim", Kind::Axis), required("index", Kind::Tensor(Index))], "gather")
        .of_value(),
    row("hstack", TENSORS, "hstack").only(Form::Function),
    row(
        "index_add",
        &[
            tensor(Number),
            required("dim", Kind::Axis),
            INDEX,
            required("source", Kind::Tensor(Number)),
            optional("alpha", Kind::Number, "1.0"),
        ],
        "index_add",
    ),
    row(
        "index_copy",
        &[tensor(Number), required("dim", Kind::Axis), INDEX, required("source", Kind::Tensor(Number))],
        "index_copy",
    ),
    row(
        "index_fill",
        &[tensor(Any), required("dim", Kind::Axis), INDEX, required("value", Kind::Number)],
        "index_fill",
    ),
    row(
        "index_put",
        &[
            tensor(Number),
            required("indices", Kind::Tensors),
            required("values", Kind::Tensor(Number)),
            optional("accumulate", Kind::Flag, "false"),
        ],
        "index_put",
    ),
    row(
        "index_reduce",
        &[
            tensor(Number),
            required("dim", Kind::Axis),
            INDEX,
            required("source", Kind::Tensor(Number)),
            required("reduce", Kind::Text),
            optional("include_self", Kind::Flag, "true"),
        ],
        "index_reduce",
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
        "logspace",
        &[
            required("start", Kind::Number),
            required("end", Kind::Number),
            required("steps", Kind::Size),
            optional("base", Kind::Number, "10.0"),
        ],
        "logspace",
    )
    .made("logspace")
    .giving(Gives::F32),
    row("meshgrid", &[required("tensors", Kind::Tensors), optional("indexing", Kind::Text, "\"ij\"")], "meshgrid")
        .only(Form::Function)
        .giving(Gives::Several),
    row("moveaxis", &[tensor(Any), required("source", Kind::Axes), required("destination", Kind::Axes)], "movedim")
        .by(Builds::Function("movedim")),
    row("movedim", &[tensor(Any), required("source", Kind::Axes), required("destination", Kind::Axes)], "movedim"),
    row(
        "narrow",
        &[tensor(Any), required("dim", Kind::Axis), required("start", Kind::Whole), required("length", Kind::Size)],
        "narrow",
    ),
    row("one_hot", &[tensor(Index), required("num_classes", Kind::Size)], "one_hot")
        .giving(Gives::I32)
        .only(Form::Function)
        .stopping(),
    row("ones", &[required("size", Kind::Shape)], "filled").made("ones").giving(Gives::F32),
    row("ones_like", ANY, "unchanged").only(Form::Function).stopping(),
    row("permute", &[tensor(Any), required("dims", Kind::Axes)], "permute"),
    row("rand", &[required("size", Kind::Shape)], "filled").made("rand").giving(Gives::F32),
    row("rand_like", FLOAT, "unchanged").only(Form::Function).stopping(),
    row("randn", &[required("size", Kind::Shape)], "filled").made("randn").giving(Gives::F32),
    row("randn_like", FLOAT, "unchanged").only(Form::Function).stopping(),
    row("ravel", ANY, "ravel"),
    row("repeat", &[tensor(Any), required("repeats", Kind::Sizes)], "repeat").only(Form::Method),
    row(
        "repeat_interleave",
        &[tensor(Any), required("repeats", Kind::Size), required("dim", Kind::Axis)],
        "repeat_interleave",
    ),
    row("repeat_interleave", &[tensor(Any), required("repeats", Kind::Size)], "repeat_interleave_all")
        .by(Builds::Function("repeat_interleave_all")),
    row("reshape", &[tensor(Any), required("shape", Kind::Shape)], "reshape"),
    row("reshape_as", &[tensor(Any), required("other", Kind::Tensor(Any))], "view_as")
        .by(Builds::Function("view_as"))
        .only(Form::Method),
    row("roll", &[tensor(Any), required("shifts", Kind::Wholes), required("dims", Kind::Axes)], "roll"),
    row("roll", &[tensor(Any), required("shifts", Kind::Whole)], "roll_all").by(Builds::Function("roll_all")),
    row("rot90", &[tensor(Any), optional("k", Kind::Whole, "1"), optional("dims", Kind::Axes, "&[0, 1]")], "rot90"),
    row("row_stack", TENSORS, "vstack").by(Builds::Function("vstack")).only(Form::Function),
    row(
        "scatter",
        &[tensor(Number), required("dim", Kind::Axis), INDEX, required("src", Kind::Operand(Number))],
        "scatter",
    ),
    row(
        "scatter",
        &[
            tensor(Number),
            required("dim", Kind::Axis),
            INDEX,
            required("src", Kind::Operand(Number)),
            required("reduce", Kind::Text),
        ],
        "scatter_with",
    )
    .by(Builds::Function("scatter_with")),
    row(
        "scatter_add",
        &[tensor(Number), required("dim", Kind::Axis), INDEX, required("src", Kind::Tensor(Number))],
        "scatter",
    ),
    row(
        "scatter_reduce",
        &[
            tensor(Number),
            required("dim", Kind::Axis),
            INDEX,
            required("src", Kind::Tensor(Number)),
            required("reduce", Kind::Text),
            optional("include_self", Kind::Flag, "true"),
        ],
        "scatter_reduce",
    ),
    row("select", &[tensor(Any), required("dim", Kind::Axis), required("index", Kind::Whole)], "select"),
    row(
        "select_scatter",
        &[tensor(Any), required("src", Kind::Tensor(Any)), required("dim", Kind::Axis), required("index", Kind::Whole)],
        "select_scatter",
    ),
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
    row(
        "slice_scatter",
        &[
            tensor(Number),
            required("src", Kind::Tensor(Number)),
            optional("dim", Kind::Axis, "0"),
            optional("start", Kind::Whole, "0"),
            optional("end", Kind::Whole, "isize::MAX"),
            optional("step", Kind::Size, "1"),
        ],
        "slice_scatter",
    ),
    row("split", &[tensor(Any), required(SECTIONS, Kind::Size), optional("dim", Kind::Axis, "0")], "split")
        .giving(Gives::Several),
    row("split", &[tensor(Any), required(SECTIONS, Kind::Sizes), optional("dim", Kind::Axis, "0")], "split_with_sizes")
        .by(Builds::Function("split_with_sizes"))
        .giving(Gives::Several),
    row("squeeze", &[tensor(Any), required("dim", Kind::Axes)], "squeeze"),
    row("stack", PARTS, "stack").only(Form::Function),
    row("swapaxes", &[tensor(Any), required("axis0", Kind::Axis), required("axis1", Kind::Axis)], "transpose")
        .by(Builds::Value("transpose")),
    row("swapdims", &[tensor(Any), required("dim0", Kind::Axis), required("dim1", Kind::Axis)], "transpose")
        .by(Builds::Value("transpose")),
    row("t", ANY, "t").only(Form::Method),
    row("take", &[tensor(Any), INDEX], "take"),
    row(
        "take_along_dim",
        &[tensor(Any), required("indices", Kind::Tensor(Index)), optional("dim", Kind::OptionalAxis, "None")],
        "take_along_dim",
    ),
    row(
        "tensor_split",
        &[tensor(Any), required("indices_or_sections", Kind::Size), optional("dim", Kind::Axis, "0")],
        "tensor_split",
    )
    .giving(Gives::Several),
    row("tile", &[tensor(Any), required("dims", Kind::Sizes)], "tile"),
    row("transpose", &[tensor(Any), required("dim0", Kind::Axis), required("dim1", Kind::Axis)], "transpose")
        .of_value(),
    row("tril", TRIANGLE, "triangle"),
    row(
        "tril_indices",
        &[required("row", Kind::Size), required("col", Kind::Size), optional("offset", Kind::Whole, "0")],
        "tril_indices",
    )
    .made("tril_indices"),
    row("triu", TRIANGLE, "triangle"),
    row(
        "triu_indices",
        &[required("row", Kind::Size), required("col", Kind::Size), optional("offset", Kind::Whole, "0")],
        "triu_indices",
    )
    .made("triu_indices"),
    row("unbind", &[tensor(Any), optional("dim", Kind::Axis, "0")], "unbind").giving(Gives::Several),
    row("unflatten", &[tensor(Any), required("dim", Kind::Axis), required("sizes", Kind::Wholes)], "unflatten"),
    row(
        "unfold",
        &[tensor(Any), required("dimension", Kind::Axis), required("size", Kind::Size), required("step", Kind::Size)],
        "unfold_along",
    )
    .by(Builds::Function("unfold_along"))
    .only(Form::Method),
    row("unravel_index", &[tensor(Index), required("shape", Kind::Sizes)], "unravel_index")
        .only(Form::Function)
        .giving(Gives::Several)
        .stopping(),
    row("unsqueeze", &[tensor(Any), required("dim", Kind::Axis)], "unsqueeze").of_value(),
    row(
        "vander",
        &[
            required("x", Kind::Tensor(Float)),
            optional("N", Kind::OptionalSize, "None"),
            optional("increasing", Kind::Flag, "false"),
        ],
        "vander",
    )
    .only(Form::Function),
    row("view", &[tensor(Any), required("size", Kind::Shape)], "reshape")
        .by(Builds::Function("reshape"))
        .only(Form::Method),
    row("view_as", &[tensor(Any), required("other", Kind::Tensor(Any))], "view_as").only(Form::Method),
    row("vstack", TENSORS, "vstack").only(Form::Function),
    row("zeros", &[required("size", Kind::Shape)], "filled").made("zeros").giving(Gives::F32),
    row("zeros_like", ANY, "unchanged").only(Form::Function).stopping(),
];
