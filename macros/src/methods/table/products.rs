//! Products and distances of vectors and matrices. A row for each, by its name. Knows names only.

use super::*;

pub const FUNCTIONS: &[Function] = &[
    row(
        "addbmm",
        &[
            tensor(Float),
            required("batch1", Kind::Tensor(Float)),
            required("batch2", Kind::Tensor(Float)),
            optional("beta", Kind::Number, "1.0"),
            optional("alpha", Kind::Number, "1.0"),
        ],
        "addbmm",
    ),
    row(
        "addmm",
        &[
            tensor(Float),
            required("mat1", Kind::Tensor(Float)),
            required("mat2", Kind::Tensor(Float)),
            optional("beta", Kind::Number, "1.0"),
            optional("alpha", Kind::Number, "1.0"),
        ],
        "addmm",
    ),
    row(
        "addmv",
        &[
            tensor(Float),
            required("mat", Kind::Tensor(Float)),
            required("vec", Kind::Tensor(Float)),
            optional("beta", Kind::Number, "1.0"),
            optional("alpha", Kind::Number, "1.0"),
        ],
        "addmv",
    ),
    row(
        "addr",
        &[
            tensor(Float),
            required("vec1", Kind::Tensor(Float)),
            required("vec2", Kind::Tensor(Float)),
            optional("beta", Kind::Number, "1.0"),
            optional("alpha", Kind::Number, "1.0"),
        ],
        "addr",
    ),
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
    row("bmm", &[tensor(Number), required("mat2", Kind::Tensor(Number))], "bmm"),
    row("cdist", &[vector("x1"), vector("x2"), optional("p", Kind::Number, "2.0")], "cdist").only(Form::Function),
    row(
        "cosine_similarity",
        &[vector("x1"), vector("x2"), optional("dim", Kind::Axis, "1"), optional("eps", Kind::Number, "1e-8")],
        "cosine_similarity",
    )
    .only(Form::Function),
    row("cross", &[tensor(Float), required("other", Kind::Tensor(Float)), LAST], "cross"),
    row("dot", &[tensor(Number), required("tensor", Kind::Tensor(Number))], "dot"),
    row("einsum", &[required("equation", Kind::Text), required("operands", Kind::Tensors)], "einsum")
        .only(Form::Function),
    row("ger", &[tensor(Float), required("vec2", Kind::Tensor(Float))], "outer").by(Builds::Function("outer")),
    row("inner", &[tensor(Number), required("other", Kind::Tensor(Number))], "inner"),
    row("kron", &[tensor(Float), required("other", Kind::Tensor(Float))], "kron"),
    row(
        "linear",
        &[
            tensor(Float),
            required("weight", Kind::Tensor(Float)),
            optional("bias", Kind::OptionalTensor(Float), "None"),
        ],
        "linear",
    )
    .only(Form::Function),
    row("matmul", &[tensor(Number), required("other", Kind::Tensor(Number))], "matmul").of_value(),
    row("mm", &[tensor(Number), required("mat2", Kind::Tensor(Number))], "mm"),
    row("mv", &[tensor(Number), required("vec", Kind::Tensor(Number))], "mv"),
    row("outer", &[tensor(Float), required("vec2", Kind::Tensor(Float))], "outer"),
    row(
        "pairwise_distance",
        &[vector("x1"), vector("x2"), optional("p", Kind::Number, "2.0"), optional("eps", Kind::Number, "1e-6"), KEEP],
        "pairwise_distance",
    )
    .only(Form::Function),
    row("pdist", &[tensor(Float), optional("p", Kind::Number, "2.0")], "pdist").only(Form::Function),
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
            optional("enable_gqa", Kind::Flag, "false"),
        ],
        "attention",
    )
    .only(Form::Function),
    row("tensordot", &[vector("a"), vector("b"), optional("dims", Kind::Size, "2")], "tensordot").only(Form::Function),
    row("tensordot", &[vector("a"), vector("b"), required("dims", Kind::PairOfAxes)], "tensordot_by")
        .by(Builds::Function("tensordot_by"))
        .only(Form::Function),
    row("trace", FLOAT, "trace"),
    row("vdot", &[tensor(Float), required("other", Kind::Tensor(Float))], "dot").by(Builds::Function("dot")),
    row("vecdot", &[vector("x"), vector("y"), LAST], "vecdot"),
];
