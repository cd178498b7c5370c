//! The table of layers, in the order of their names, and the layers that Kiln lacks or has as functions. Knows names.

use super::applied::{
    ATTENTION, DECODER, ENCODER, ENCODER_LAYER, OF_CLASSES, PAIR, SEQUENCE, SEQUENCE_WITH_MEMORY, STEP,
    STEP_WITH_MEMORY, WHOLE, WITH_LOSS,
};
use super::families::{
    BAG_MODE, BATCH_NORM, DROPOUT, GELU_APPROXIMATION, INSTANCE_NORM, UPSAMPLE_MODE, UPSAMPLING, average_pool,
    convolution, fractional_pool, maximum_pool, power_average_pool, transposed_convolution,
};
use super::sequences::{CELL, GRU, LSTM, RNN, RNN_CELL, STACK, TRANSFORMER, TRANSFORMER_LAYER};
use super::{Applied, Kind, Known, Method, Parameter, dimension, setting};

const fn layer(name: &'static str, settings: &'static str, parameters: &'static [Parameter]) -> Known {
    let (indexed, applied, methods, is_fixed, values, repeats) = (false, None, &[], false, &[], None);
    Known { name, settings, parameters, indexed, applied, methods, is_fixed, values, repeats }
}

const fn fixed(known: Known) -> Known {
    Known { is_fixed: true, ..known }
}

const fn of_indices(known: Known) -> Known {
    Known { indexed: true, ..known }
}

const fn applied(applied: &'static Applied, known: Known) -> Known {
    Known { applied: Some(applied), ..known }
}

const fn with_methods(methods: &'static [Method], known: Known) -> Known {
    Known { methods, ..known }
}

const fn with_values(values: &'static [&'static str], known: Known) -> Known {
    Known { values, ..known }
}

/// A layer whose weight and bias a body may use as values.
const fn affine(known: Known) -> Known {
    with_values(&["weight", "bias"], known)
}

const fn repeating(word: &'static str, layer: &'static str, known: Known) -> Known {
    Known { repeats: Some((word, layer)), ..known }
}

const fn plain(name: &'static str) -> Known {
    layer(name, "NoSettings", &[])
}
/// Every layer, in alphabetical order.
pub const LAYERS: &[Known] = &[
    layer("AdaptiveAvgPool1d", "NoSettings", &[dimension("output_size", Kind::OutputSize(1))]),
    layer("AdaptiveAvgPool2d", "NoSettings", &[dimension("output_size", Kind::OutputSize(2))]),
    layer("AdaptiveAvgPool3d", "NoSettings", &[dimension("output_size", Kind::OutputSize(3))]),
    with_methods(
        OF_CLASSES,
        applied(
            &WITH_LOSS,
            layer(
                "AdaptiveLogSoftmaxWithLoss",
                "AdaptiveLogSoftmaxWithLossSettings",
                &[
                    dimension("in_features", Kind::Size),
                    dimension("n_classes", Kind::Size),
                    setting("cutoffs", Kind::Shape(8)),
                    setting("div_value", Kind::Number),
                    setting("head_bias", Kind::Flag),
                ],
            ),
        ),
    ),
    layer("AdaptiveMaxPool1d", "NoSettings", &[dimension("output_size", Kind::OutputSize(1))]),
    layer("AdaptiveMaxPool2d", "NoSettings", &[dimension("output_size", Kind::OutputSize(2))]),
    layer("AdaptiveMaxPool3d", "NoSettings", &[dimension("output_size", Kind::OutputSize(3))]),
    layer("AlphaDropout", "DropoutSettings", DROPOUT),
    layer("AvgPool1d", "AvgPool1dSettings", &const { average_pool(1) }),
    layer("AvgPool2d", "AvgPool2dSettings", &const { average_pool(2) }),
    layer("AvgPool3d", "AvgPool3dSettings", &const { average_pool(3) }),
    affine(layer("BatchNorm1d", "BatchNormSettings", BATCH_NORM)),
    affine(layer("BatchNorm2d", "BatchNormSettings", BATCH_NORM)),
    affine(layer("BatchNorm3d", "BatchNormSettings", BATCH_NORM)),
    applied(
        &PAIR,
        layer(
            "Bilinear",
            "BilinearSettings",
            &[
                dimension("in1_features", Kind::Size),
                dimension("in2_features", Kind::Size),
                dimension("out_features", Kind::Size),
                setting("bias", Kind::Flag),
            ],
        ),
    ),
    layer("CELU", "CELUSettings", &[setting("alpha", Kind::Number)]),
    layer("ChannelShuffle", "NoSettings", &[dimension("groups", Kind::Size)]),
    layer("CircularPad1d", "Pad1dSettings", &[setting("padding", Kind::Sides(2))]),
    layer("CircularPad2d", "Pad2dSettings", &[setting("padding", Kind::Sides(4))]),
    layer("CircularPad3d", "Pad3dSettings", &[setting("padding", Kind::Sides(6))]),
    layer("ConstantPad1d", "Pad1dSettings", &[setting("padding", Kind::Sides(2)), setting("value", Kind::Number)]),
    layer("ConstantPad2d", "Pad2dSettings", &[setting("padding", Kind::Sides(4)), setting("value", Kind::Number)]),
    layer("ConstantPad3d", "Pad3dSettings", &[setting("padding", Kind::Sides(6)), setting("value", Kind::Number)]),
    affine(layer("Conv1d", "Conv1dSettings", &const { convolution(1) })),
    affine(layer("Conv2d", "Conv2dSettings", &const { convolution(2) })),
    affine(layer("Conv3d", "Conv3dSettings", &const { convolution(3) })),
    affine(layer("ConvTranspose1d", "ConvTranspose1dSettings", &const { transposed_convolution(1) })),
    affine(layer("ConvTranspose2d", "ConvTranspose2dSettings", &const { transposed_convolution(2) })),
    affine(layer("ConvTranspose3d", "ConvTranspose3dSettings", &const { transposed_convolution(3) })),
    layer("Dropout", "DropoutSettings", DROPOUT),
    layer("Dropout1d", "DropoutSettings", DROPOUT),
    layer("Dropout2d", "DropoutSettings", DROPOUT),
    layer("Dropout3d", "DropoutSettings", DROPOUT),
    layer("ELU", "ELUSettings", &[setting("alpha", Kind::Number)]),
    with_values(
        &["weight"],
        of_indices(layer(
            "Embedding",
            "EmbeddingSettings",
            &[
                dimension("num_embeddings", Kind::Size),
                dimension("embedding_dim", Kind::Size),
                setting("padding_idx", Kind::OptionalAxis),
                setting("scale_grad_by_freq", Kind::Flag),
            ],
        )),
    ),
    with_values(
        &["weight"],
        of_indices(layer(
            "EmbeddingBag",
            "EmbeddingBagSettings",
            &[
                dimension("num_embeddings", Kind::Size),
                dimension("embedding_dim", Kind::Size),
                setting("mode", Kind::Choice(&BAG_MODE)),
                setting("padding_idx", Kind::OptionalAxis),
            ],
        )),
    ),
    layer("FeatureAlphaDropout", "DropoutSettings", DROPOUT),
    layer("Flatten", "FlattenSettings", &[setting("start_dim", Kind::Axis), setting("end_dim", Kind::Axis)]),
    layer(
        "Fold",
        "FoldSettings",
        &[
            setting("output_size", Kind::PerAxis(2)),
            setting("kernel_size", Kind::PerAxis(2)),
            setting("dilation", Kind::PerAxis(2)),
            setting("padding", Kind::PerAxis(2)),
            setting("stride", Kind::PerAxis(2)),
        ],
    ),
    layer("FractionalMaxPool2d", "FractionalMaxPool2dSettings", &const { fractional_pool(2) }),
    layer("FractionalMaxPool3d", "FractionalMaxPool3dSettings", &const { fractional_pool(3) }),
    layer("GELU", "GELUSettings", &[setting("approximate", Kind::Choice(&GELU_APPROXIMATION))]),
    layer("GLU", "GLUSettings", &[setting("dim", Kind::Axis)]),
    applied(&SEQUENCE, layer("GRU", "RecurrentSettings", GRU)),
    applied(&STEP, layer("GRUCell", "RecurrentCellSettings", CELL)),
    affine(layer(
        "GroupNorm",
        "GroupNormSettings",
        &[
            dimension("num_groups", Kind::Size),
            dimension("num_channels", Kind::Size),
            setting("eps", Kind::Number),
            setting("affine", Kind::Flag),
            setting("bias", Kind::Flag),
        ],
    )),
    layer("Hardshrink", "HardshrinkSettings", &[setting("lambd", Kind::Number)]),
    plain("Hardsigmoid"),
    plain("Hardswish"),
    layer("Hardtanh", "HardtanhSettings", &[setting("min_val", Kind::Number), setting("max_val", Kind::Number)]),
    plain("Identity"),
    layer("InstanceNorm1d", "InstanceNormSettings", INSTANCE_NORM),
    layer("InstanceNorm2d", "InstanceNormSettings", INSTANCE_NORM),
    layer("InstanceNorm3d", "InstanceNormSettings", INSTANCE_NORM),
    layer("LPPool1d", "LPPool1dSettings", &const { power_average_pool(1) }),
    layer("LPPool2d", "LPPool2dSettings", &const { power_average_pool(2) }),
    layer("LPPool3d", "LPPool3dSettings", &const { power_average_pool(3) }),
    applied(&SEQUENCE_WITH_MEMORY, layer("LSTM", "RecurrentSettings", LSTM)),
    applied(&STEP_WITH_MEMORY, layer("LSTMCell", "RecurrentCellSettings", CELL)),
    affine(layer(
        "LayerNorm",
        "LayerNormSettings",
        &[
            dimension("normalized_shape", Kind::Extents(4)),
            setting("eps", Kind::Number),
            setting("elementwise_affine", Kind::Flag),
            setting("bias", Kind::Flag),
        ],
    )),
    layer("LeakyReLU", "LeakyReLUSettings", &[setting("negative_slope", Kind::Number)]),
    affine(layer(
        "Linear",
        "LinearSettings",
        &[dimension("in_features", Kind::Size), dimension("out_features", Kind::Size), setting("bias", Kind::Flag)],
    )),
    layer(
        "LocalResponseNorm",
        "LocalResponseNormSettings",
        &[
            dimension("size", Kind::Size),
            setting("alpha", Kind::Number),
            setting("beta", Kind::Number),
            setting("k", Kind::Number),
        ],
    ),
    plain("LogSigmoid"),
    layer("LogSoftmax", "SoftmaxSettings", &[setting("dim", Kind::Axis)]),
    layer("MaxPool1d", "MaxPool1dSettings", &const { maximum_pool(1) }),
    layer("MaxPool2d", "MaxPool2dSettings", &const { maximum_pool(2) }),
    layer("MaxPool3d", "MaxPool3dSettings", &const { maximum_pool(3) }),
    plain("Mish"),
    applied(
        &ATTENTION,
        layer(
            "MultiheadAttention",
            "MultiheadAttentionSettings",
            &[
                dimension("embed_dim", Kind::Size),
                dimension("num_heads", Kind::Size),
                setting("dropout", Kind::Number),
                setting("bias", Kind::Flag),
                setting("add_bias_kv", Kind::Flag),
                setting("add_zero_attn", Kind::Flag),
                setting("kdim", Kind::OptionalSize),
                setting("vdim", Kind::OptionalSize),
                setting("batch_first", Kind::Flag),
            ],
        ),
    ),
    layer("PReLU", "PReLUSettings", &[setting("num_parameters", Kind::Size), setting("init", Kind::Number)]),
    with_values(
        &[""],
        layer(
            "Parameter",
            "ParameterSettings",
            &[setting("shape", Kind::Shape(8)), setting("mean", Kind::Number), setting("std", Kind::Number)],
        ),
    ),
    layer("PixelShuffle", "NoSettings", &[dimension("upscale_factor", Kind::Size)]),
    layer("PixelUnshuffle", "NoSettings", &[dimension("downscale_factor", Kind::Size)]),
    fixed(layer(
        "PositionalEncoding",
        "PositionalEncodingSettings",
        &[
            dimension("d_model", Kind::Size),
            setting("dropout", Kind::Number),
            setting("max_len", Kind::Size),
            setting("batch_first", Kind::Flag),
        ],
    )),
    with_values(
        &["weight"],
        layer(
            "RMSNorm",
            "RMSNormSettings",
            &[
                dimension("normalized_shape", Kind::Extents(4)),
                setting("eps", Kind::Optional),
                setting("elementwise_affine", Kind::Flag),
            ],
        ),
    ),
    applied(&SEQUENCE, layer("RNN", "RecurrentSettings", RNN)),
    applied(&STEP, layer("RNNCell", "RecurrentCellSettings", RNN_CELL)),
    layer("RReLU", "RReLUSettings", &[setting("lower", Kind::Number), setting("upper", Kind::Number)]),
    plain("ReLU"),
    plain("ReLU6"),
    layer("ReflectionPad1d", "Pad1dSettings", &[setting("padding", Kind::Sides(2))]),
    layer("ReflectionPad2d", "Pad2dSettings", &[setting("padding", Kind::Sides(4))]),
    layer("ReflectionPad3d", "Pad3dSettings", &[setting("padding", Kind::Sides(6))]),
    layer("ReplicationPad1d", "Pad1dSettings", &[setting("padding", Kind::Sides(2))]),
    layer("ReplicationPad2d", "Pad2dSettings", &[setting("padding", Kind::Sides(4))]),
    layer("ReplicationPad3d", "Pad3dSettings", &[setting("padding", Kind::Sides(6))]),
    plain("SELU"),
    plain("SiLU"),
    plain("Sigmoid"),
    layer("Softmax", "SoftmaxSettings", &[setting("dim", Kind::Axis)]),
    plain("Softmax2d"),
    layer("Softmin", "SoftmaxSettings", &[setting("dim", Kind::Axis)]),
    layer("Softplus", "SoftplusSettings", &[setting("beta", Kind::Number), setting("threshold", Kind::Number)]),
    layer("Softshrink", "SoftshrinkSettings", &[setting("lambd", Kind::Number)]),
    plain("Softsign"),
    plain("Tanh"),
    plain("Tanhshrink"),
    layer("Threshold", "ThresholdSettings", &[setting("threshold", Kind::Number), setting("value", Kind::Number)]),
    applied(&WHOLE, layer("Transformer", "TransformerSettings", TRANSFORMER)),
    repeating(
        "decoder_layer",
        "TransformerDecoderLayer",
        applied(&DECODER, layer("TransformerDecoder", "TransformerSettings", STACK)),
    ),
    applied(&DECODER, layer("TransformerDecoderLayer", "TransformerSettings", TRANSFORMER_LAYER)),
    repeating(
        "encoder_layer",
        "TransformerEncoderLayer",
        applied(&ENCODER, layer("TransformerEncoder", "TransformerSettings", STACK)),
    ),
    applied(&ENCODER_LAYER, layer("TransformerEncoderLayer", "TransformerSettings", TRANSFORMER_LAYER)),
    layer("Unflatten", "UnflattenSettings", &[setting("dim", Kind::Axis), setting("unflattened_size", Kind::Parts(8))]),
    layer(
        "Unfold",
        "UnfoldSettings",
        &[
            setting("kernel_size", Kind::PerAxis(2)),
            setting("dilation", Kind::PerAxis(2)),
            setting("padding", Kind::PerAxis(2)),
            setting("stride", Kind::PerAxis(2)),
        ],
    ),
    layer(
        "Upsample",
        "UpsampleSettings",
        &[
            setting("size", Kind::PerAxis(0)),
            setting("scale_factor", Kind::Factors(0)),
            setting("mode", Kind::Choice(&UPSAMPLE_MODE)),
            setting("align_corners", Kind::Flag),
            setting("recompute_scale_factor", Kind::Flag),
        ],
    ),
    layer("UpsamplingBilinear2d", "UpsamplingSettings", UPSAMPLING),
    layer("UpsamplingNearest2d", "UpsamplingSettings", UPSAMPLING),
    layer("ZeroPad1d", "Pad1dSettings", &[setting("padding", Kind::Sides(2))]),
    layer("ZeroPad2d", "Pad2dSettings", &[setting("padding", Kind::Sides(4))]),
    layer("ZeroPad3d", "Pad3dSettings", &[setting("padding", Kind::Sides(6))]),
];

/// Modules of PyTorch that are no layers of Kiln, with what to write instead.
pub const INSTEAD: &[(&str, &str)] = &[
    ("BCELoss", "`bce(output, target)` in a body, `bce()` for a `Trainer`"),
    ("BCEWithLogitsLoss", "`bce_with_logits(output, target)` in a body, `bce_with_logits()` for a `Trainer`"),
    ("CTCLoss", "`ctc(log_probs, targets, input_lengths, target_lengths)` in a body"),
    ("CosineEmbeddingLoss", "`cosine_embedding(x, y, target)` in a body"),
    ("CrossEntropyLoss", "`cross_entropy(output, target)` in a body, `cross_entropy()` for a `Trainer`"),
    ("DataParallel", "a model runs on all cores as it is"),
    ("DropPath", "`y * dropout(ones(N, 1, 1), 0.1)` in a body"),
    ("GaussianNLLLoss", "`gaussian_nll(output, target, var)` in a body"),
    ("HingeEmbeddingLoss", "`hinge_embedding(output, target)` in a body, `hinge_embedding()` for a `Trainer`"),
    ("HuberLoss", "`huber(output, target)` in a body, `huber()` for a `Trainer`"),
    ("KLDivLoss", "`kl_div(output, target)` in a body, `kl_div()` for a `Trainer`"),
    ("L1Loss", "`l1(output, target)` in a body, `l1()` for a `Trainer`"),
    ("LazyBatchNorm1d", LAZY),
    ("LazyBatchNorm2d", LAZY),
    ("LazyBatchNorm3d", LAZY),
    ("LazyConv1d", LAZY),
    ("LazyConv2d", LAZY),
    ("LazyConv3d", LAZY),
    ("LazyConvTranspose1d", LAZY),
    ("LazyConvTranspose2d", LAZY),
    ("LazyConvTranspose3d", LAZY),
    ("LazyInstanceNorm1d", LAZY),
    ("LazyInstanceNorm2d", LAZY),
    ("LazyInstanceNorm3d", LAZY),
    ("LazyLinear", LAZY),
    ("LinearCrossEntropyLoss", "`cross_entropy(linear(x, weight), target)` in a body"),
    ("MSELoss", "`mse(output, target)` in a body, `mse()` for a `Trainer`"),
    ("MarginRankingLoss", "`margin_ranking(x, y, target)` in a body"),
    ("ModuleDict", "fields have names: a part of several is a model of its own"),
    ("MultiLabelMarginLoss", "`multilabel_margin(output, target)` in a body, `multilabel_margin()` for a `Trainer`"),
    (
        "MultiLabelSoftMarginLoss",
        "`multilabel_soft_margin(output, target)` in a body, `multilabel_soft_margin()` for a `Trainer`",
    ),
    ("MultiMarginLoss", "`multi_margin(output, target)` in a body, `multi_margin()` for a `Trainer`"),
    ("NLLLoss", "`nll(output, target)` in a body, `nll()` for a `Trainer`"),
    ("NLLLoss2d", "`nll(output, target)` in a body, `nll()` for a `Trainer`"),
    ("ParameterDict", "fields have names: each of them is a `Parameter`"),
    ("ParameterList", "an array: `[Parameter(10, 10); 3]`"),
    ("PoissonNLLLoss", "`poisson_nll(output, target)` in a body, `poisson_nll()` for a `Trainer`"),
    ("RNNBase", "`RNN`, `GRU` or `LSTM`"),
    ("RNNCellBase", "`RNNCell`, `GRUCell` or `LSTMCell`"),
    ("Sequential", "the fields of a model are applied in their order where it has no `forward`"),
    ("SmoothL1Loss", "`smooth_l1(output, target)` in a body, `smooth_l1()` for a `Trainer`"),
    ("SoftMarginLoss", "`soft_margin(output, target)` in a body, `soft_margin()` for a `Trainer`"),
    ("StochasticDepth", "`y * dropout(ones(N, 1, 1), 0.1)` in a body"),
    (
        "SyncBatchNorm",
        "`BatchNorm2d`: a step sees its whole batch; on several machines `.sync_batch_norm(true)` of a builder",
    ),
    ("TripletMarginLoss", "`triplet_margin(anchor, positive, negative)` in a body"),
    (
        "TripletMarginWithDistanceLoss",
        "`(near(anchor, positive) - near(anchor, negative) + 1.0).relu().mean()` in a body",
    ),
    (
        "spectral_norm",
        "a `Parameter`, and in the body `linear(x, w / (u.matmul(w) * v).sum())` with `u` and `v` from some steps of \
         the power method",
    ),
    ("weight_norm", "two `Parameter`s, and in the body `linear(x, g * v / v.norm(dim = 1, keepdim = true))`"),
];

const LAZY: &str = "the layer without `Lazy`, with its sizes, which rustc checks";

/// Layers of PyTorch that take or give several tensors, with what a `forward` calls instead.
pub const FUNCTIONS: &[(&str, &str)] = &[
    ("CosineSimilarity", "cosine_similarity(x, y, dim = 1)"),
    ("MaxUnpool1d", "max_unpool1d(x, places, KERNEL)"),
    ("MaxUnpool2d", "max_unpool2d(x, places, KERNEL)"),
    ("MaxUnpool3d", "max_unpool3d(x, places, KERNEL)"),
    ("PairwiseDistance", "pairwise_distance(x, y, p = 2)"),
];
