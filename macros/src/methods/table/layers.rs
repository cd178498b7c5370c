//! Layers as functions, whose weights are tensors, and sampling at any places. A row for each, by its name. Knows names
//! only.

use super::*;

const WEIGHT: Parameter = required("weight", Kind::Tensor(Float));
const NO_WEIGHT: Parameter = optional("weight", Kind::OptionalTensor(Float), "None");
const BIAS: Parameter = optional("bias", Kind::OptionalTensor(Float), "None");
const STRIDE: Parameter = optional("stride", Kind::Sizes, "[1]");
const DILATION: Parameter = optional("dilation", Kind::Sizes, "[1]");
const GROUPS: Parameter = optional("groups", Kind::Size, "1");
const EPS: Parameter = optional("eps", Kind::Number, "1e-5");

/// What a convolution takes; numbers are for all spatial axes, or one for each.
const CONVOLUTION: &[Parameter] =
    &[tensor(Float), WEIGHT, BIAS, STRIDE, optional("padding", Kind::Sizes, "[0]"), DILATION, GROUPS];
/// The same with a padding that is a word.
const CONVOLUTION_BY_WORD: &[Parameter] =
    &[tensor(Float), WEIGHT, BIAS, STRIDE, optional("padding", Kind::Text, "\"valid\""), DILATION, GROUPS];
const TRANSPOSED: &[Parameter] = &[
    tensor(Float),
    WEIGHT,
    BIAS,
    STRIDE,
    optional("padding", Kind::Sizes, "[0]"),
    optional("output_padding", Kind::Sizes, "[0]"),
    GROUPS,
    DILATION,
];
const LP_POOL: &[Parameter] = &[
    tensor(Float),
    required("norm_type", Kind::Number),
    required("kernel_size", Kind::Sizes),
    optional("stride", Kind::Sizes, "[]"),
    optional("ceil_mode", Kind::Flag, "false"),
];
const DROPOUT: &[Parameter] = &[tensor(Float), optional("p", Kind::Number, "0.5")];
const CORNERS: Parameter = optional("align_corners", Kind::Flag, "false");

/// A convolution with a padding that is a word.
const fn by_word(name: &'static str, function: &'static str) -> Function {
    row(name, CONVOLUTION_BY_WORD, function).by(Builds::Function(function)).only(Form::Function)
}

/// A function that is no method.
const fn function(name: &'static str, parameters: &'static [Parameter]) -> Function {
    row(name, parameters, name).only(Form::Function)
}

pub const FUNCTIONS: &[Function] = &[
    function("affine_grid", &[required("theta", Kind::Tensor(Float)), required("size", Kind::Shape), CORNERS]),
    row("alpha_dropout", DROPOUT, "dropout").only(Form::Function),
    function(
        "batch_norm",
        &[
            tensor(Float),
            required("running_mean", Kind::OptionalTensor(Float)),
            required("running_var", Kind::OptionalTensor(Float)),
            NO_WEIGHT,
            BIAS,
            optional("training", Kind::Flag, "false"),
            optional("momentum", Kind::Number, "0.1"),
            EPS,
        ],
    ),
    function("conv1d", CONVOLUTION),
    by_word("conv1d", "conv1d_by_word"),
    function("conv2d", CONVOLUTION),
    by_word("conv2d", "conv2d_by_word"),
    function("conv3d", CONVOLUTION),
    by_word("conv3d", "conv3d_by_word"),
    function("conv_transpose1d", TRANSPOSED),
    function("conv_transpose2d", TRANSPOSED),
    function("conv_transpose3d", TRANSPOSED),
    function("dropout1d", DROPOUT),
    function("dropout2d", DROPOUT),
    function("dropout3d", DROPOUT),
    function("embedding", &[tensor(Index), WEIGHT, optional("padding_idx", Kind::OptionalWhole, "None")])
        .giving(Gives::F32),
    function(
        "embedding_bag",
        &[
            tensor(Index),
            WEIGHT,
            optional("mode", Kind::Text, "\"mean\""),
            optional("per_sample_weights", Kind::OptionalTensor(Float), "None"),
            optional("padding_idx", Kind::OptionalWhole, "None"),
        ],
    )
    .giving(Gives::F32),
    row(
        "embedding_bag",
        &[
            tensor(Index),
            WEIGHT,
            required("offsets", Kind::Tensor(Index)),
            optional("mode", Kind::Text, "\"mean\""),
            optional("per_sample_weights", Kind::OptionalTensor(Float), "None"),
            optional("include_last_offset", Kind::Flag, "false"),
            optional("padding_idx", Kind::OptionalWhole, "None"),
        ],
        "embedding_bag_by_offsets",
    )
    .by(Builds::Function("embedding_bag_by_offsets"))
    .only(Form::Function)
    .giving(Gives::F32),
    row("feature_alpha_dropout", DROPOUT, "feature_dropout").only(Form::Function),
    function(
        "grid_sample",
        &[
            tensor(Float),
            required("grid", Kind::Tensor(Float)),
            optional("mode", Kind::Text, "\"bilinear\""),
            optional("padding_mode", Kind::Text, "\"zeros\""),
            CORNERS,
        ],
    ),
    function("group_norm", &[tensor(Float), required("num_groups", Kind::Size), NO_WEIGHT, BIAS, EPS]),
    function(
        "instance_norm",
        &[
            tensor(Float),
            optional("running_mean", Kind::OptionalTensor(Float), "None"),
            optional("running_var", Kind::OptionalTensor(Float), "None"),
            NO_WEIGHT,
            BIAS,
            optional("use_input_stats", Kind::Flag, "true"),
            optional("momentum", Kind::Number, "0.1"),
            EPS,
        ],
    ),
    function("layer_norm", &[tensor(Float), required("normalized_shape", Kind::Sizes), NO_WEIGHT, BIAS, EPS]),
    function(
        "local_response_norm",
        &[
            tensor(Float),
            required("size", Kind::Size),
            optional("alpha", Kind::Number, "1e-4"),
            optional("beta", Kind::Number, "0.75"),
            optional("k", Kind::Number, "1.0"),
        ],
    ),
    function("lp_pool1d", LP_POOL),
    function("lp_pool2d", LP_POOL),
    function("lp_pool3d", LP_POOL),
    function(
        "rms_norm",
        &[
            tensor(Float),
            required("normalized_shape", Kind::Sizes),
            NO_WEIGHT,
            optional("eps", Kind::OptionalNumber, "None"),
        ],
    ),
];
