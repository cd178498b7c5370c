//! Products and distances of vectors and matrices. A row for each, by its name. Knows names only.

use super::*;

pub const FUNCTIONS: &[Function] = &[
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
    row("bmm", &[tensor(Float), required("mat2", Kind::Tensor(Float))], "bmm"),
    row(
        "cosine_similarity",
        &[vector("x1"), vector("x2"), optional("dim", Kind::Axis, "1"), optional("eps", Kind::Number, "1e-8")],
        "cosine_similarity",
    )
    .only(Form::Function),
    row("cross", &[tensor(Float), required("other", Kind::Tensor(Float)), LAST], "cross"),
    row("einsum", &[required("equation", Kind::Text), required("operands", Kind::Tensors)], "einsum")
        .only(Form::Function),
    row("matmul", &[tensor(Float), required("other", Kind::Tensor(Float))], "matmul").of_value(),
    row("outer", &[tensor(Float), required("vec2", Kind::Tensor(Float))], "outer"),
    row(
        "pairwise_distance",
        &[vector("x1"), vector("x2"), optional("p", Kind::Number, "2.0"), optional("eps", Kind::Number, "1e-6"), KEEP],
        "pairwise_distance",
    )
    .only(Form::Function),
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
];
