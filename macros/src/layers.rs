//! The layers that Kiln has, each with its arguments in PyTorch's order: the one place to extend for a new layer.
//! Knows names and kinds of arguments, and nothing of what a layer computes.

mod applied;
mod sequences;

pub use applied::Applied;
use applied::{ATTENTION, DECODER, ENCODER, ENCODER_LAYER, SEQUENCE, SEQUENCE_WITH_MEMORY, STEP, STEP_WITH_MEMORY};
use sequences::{CELL, RECURRENT, RNN, RNN_CELL, STACK, TRANSFORMER_LAYER};

/// The option of every layer and every model: whether its parameters are trained.
pub const REQUIRES_GRAD: &str = "requires_grad";

/// The options that decide on which parameters a layer has, and on their shapes.
pub const STRUCTURE: &[&str] = &[
    "add_bias_kv",
    "affine",
    "bias",
    "bidirectional",
    "dim_feedforward",
    "elementwise_affine",
    "groups",
    "kdim",
    "num_layers",
    "num_parameters",
    "track_running_stats",
    "vdim",
];

/// A layer of Kiln.
pub struct Known {
    /// The name of its type.
    pub name: &'static str,
    /// The type that holds its options; `NoSettings` if there are none.
    pub settings: &'static str,
    /// The arguments, PyTorch's names and order; those in the type's angle brackets come first.
    pub parameters: &'static [Parameter],
    /// Whether its input is indices (i32), and not numbers (f32).
    pub indexed: bool,
    /// How it is applied, if it takes or gives more than one tensor.
    pub applied: Option<&'static Applied>,
    /// The name of the argument and of the layer that it repeats, whose arguments are among its own.
    pub repeats: Option<(&'static str, &'static str)>,
}

/// One argument of a layer.
pub struct Parameter {
    pub name: &'static str,
    pub role: Role,
    pub kind: Kind,
}

/// Where an argument goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Into the angle brackets of the type; required.
    Dimension,
    /// Into the settings, by the method of the same name; has a default.
    Setting,
}

/// What an argument may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A `usize`.
    Size,
    /// One `usize` for all spatial axes, or a tuple of one for each of so many; 0 stands for 1 to 3.
    PerAxis(usize),
    /// As [`Kind::PerAxis`], of `f64`s.
    Factors(usize),
    /// As [`Kind::PerAxis`], or `"same"` or `"valid"`.
    Padding(usize),
    /// As [`Kind::PerAxis`], but each may be `None`: as large as the input.
    OutputSize(usize),
    /// One `isize` for all sides, or a tuple of so many.
    Sides(usize),
    /// A tuple or an array of up to so many `isize`s.
    Parts(usize),
    /// One `usize`, or a tuple or an array of up to so many.
    Extents(usize),
    /// An `isize`: an axis, counted from the end if negative.
    Axis,
    /// As [`Kind::Axis`], or `None`.
    OptionalAxis,
    /// A `usize`, or `None`.
    OptionalSize,
    /// An `f64`.
    Number,
    /// An `f64`, or `None`.
    Optional,
    /// A `bool`.
    Flag,
    /// One of a few words, or a value of the type that they name.
    Choice(&'static Choice),
}

/// Words that name the variants of an enumeration in `kiln::layers`.
#[derive(Debug, PartialEq, Eq)]
pub struct Choice {
    /// The enumeration.
    pub of: &'static str,
    /// PyTorch's words, and the variants.
    pub words: &'static [(&'static str, &'static str)],
}

const GELU_APPROXIMATION: Choice = Choice { of: "GeluApproximation", words: &[("none", "None"), ("tanh", "Tanh")] };

const BAG_MODE: Choice = Choice { of: "BagMode", words: &[("sum", "Sum"), ("mean", "Mean"), ("max", "Max")] };

const UPSAMPLE_MODE: Choice = Choice {
    of: "UpsampleMode",
    words: &[("nearest", "Nearest"), ("linear", "Linear"), ("bilinear", "Bilinear"), ("trilinear", "Trilinear")],
};

const PADDING_MODE: Choice = Choice {
    of: "PaddingMode",
    words: &[("zeros", "Zeros"), ("reflect", "Reflect"), ("replicate", "Replicate"), ("circular", "Circular")],
};

const fn dimension(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, role: Role::Dimension, kind }
}

const fn setting(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, role: Role::Setting, kind }
}

const fn layer(name: &'static str, settings: &'static str, parameters: &'static [Parameter]) -> Known {
    Known { name, settings, parameters, indexed: false, applied: None, repeats: None }
}

const fn of_indices(known: Known) -> Known {
    Known { indexed: true, ..known }
}

const fn applied(applied: &'static Applied, known: Known) -> Known {
    Known { applied: Some(applied), ..known }
}

const fn repeating(word: &'static str, layer: &'static str, known: Known) -> Known {
    Known { repeats: Some((word, layer)), ..known }
}

const fn plain(name: &'static str) -> Known {
    layer(name, "NoSettings", &[])
}

/// The parameters of an average pooling over so many spatial axes.
const fn average_pool(axes: usize) -> [Parameter; 6] {
    [
        dimension("kernel_size", Kind::PerAxis(axes)),
        setting("stride", Kind::PerAxis(axes)),
        setting("padding", Kind::PerAxis(axes)),
        setting("ceil_mode", Kind::Flag),
        setting("count_include_pad", Kind::Flag),
        setting("divisor_override", Kind::Size),
    ]
}

/// The parameters of a maximum pooling over so many spatial axes.
const fn maximum_pool(axes: usize) -> [Parameter; 5] {
    [
        dimension("kernel_size", Kind::PerAxis(axes)),
        setting("stride", Kind::PerAxis(axes)),
        setting("padding", Kind::PerAxis(axes)),
        setting("dilation", Kind::PerAxis(axes)),
        setting("ceil_mode", Kind::Flag),
    ]
}

/// The parameters of a power-average pooling over so many spatial axes.
const fn power_average_pool(axes: usize) -> [Parameter; 4] {
    [
        dimension("norm_type", Kind::Size),
        dimension("kernel_size", Kind::PerAxis(axes)),
        setting("stride", Kind::PerAxis(axes)),
        setting("ceil_mode", Kind::Flag),
    ]
}

/// The parameters of a convolution over so many spatial axes.
const fn convolution(axes: usize) -> [Parameter; 9] {
    [
        dimension("in_channels", Kind::Size),
        dimension("out_channels", Kind::Size),
        dimension("kernel_size", Kind::PerAxis(axes)),
        setting("stride", Kind::PerAxis(axes)),
        setting("padding", Kind::Padding(axes)),
        setting("dilation", Kind::PerAxis(axes)),
        setting("groups", Kind::Size),
        setting("bias", Kind::Flag),
        setting("padding_mode", Kind::Choice(&PADDING_MODE)),
    ]
}

/// The parameters of a transposed convolution over so many spatial axes.
const fn transposed_convolution(axes: usize) -> [Parameter; 9] {
    [
        dimension("in_channels", Kind::Size),
        dimension("out_channels", Kind::Size),
        dimension("kernel_size", Kind::PerAxis(axes)),
        setting("stride", Kind::PerAxis(axes)),
        setting("padding", Kind::PerAxis(axes)),
        setting("output_padding", Kind::PerAxis(axes)),
        setting("groups", Kind::Size),
        setting("bias", Kind::Flag),
        setting("dilation", Kind::PerAxis(axes)),
    ]
}

/// What batch normalization takes for any number of axes.
const BATCH_NORM: &[Parameter] = &[
    dimension("num_features", Kind::Size),
    setting("eps", Kind::Number),
    setting("momentum", Kind::Optional),
    setting("affine", Kind::Flag),
    setting("track_running_stats", Kind::Flag),
    setting("bias", Kind::Flag),
];

/// What instance normalization takes for any number of axes.
const INSTANCE_NORM: &[Parameter] = &[
    dimension("num_features", Kind::Size),
    setting("eps", Kind::Number),
    setting("momentum", Kind::Number),
    setting("affine", Kind::Flag),
    setting("track_running_stats", Kind::Flag),
    setting("bias", Kind::Flag),
];

/// What upsampling of one kind takes.
const UPSAMPLING: &[Parameter] = &[setting("size", Kind::PerAxis(2)), setting("scale_factor", Kind::Factors(2))];

/// What dropout takes for any number of axes.
const DROPOUT: &[Parameter] = &[setting("p", Kind::Number)];

/// Every layer, in alphabetical order.
pub const LAYERS: &[Known] = &[
    layer("AdaptiveAvgPool1d", "NoSettings", &[dimension("output_size", Kind::OutputSize(1))]),
    layer("AdaptiveAvgPool2d", "NoSettings", &[dimension("output_size", Kind::OutputSize(2))]),
    layer("AdaptiveAvgPool3d", "NoSettings", &[dimension("output_size", Kind::OutputSize(3))]),
    layer("AdaptiveMaxPool1d", "NoSettings", &[dimension("output_size", Kind::OutputSize(1))]),
    layer("AdaptiveMaxPool2d", "NoSettings", &[dimension("output_size", Kind::OutputSize(2))]),
    layer("AdaptiveMaxPool3d", "NoSettings", &[dimension("output_size", Kind::OutputSize(3))]),
    layer("AlphaDropout", "DropoutSettings", DROPOUT),
    layer("AvgPool1d", "AvgPool1dSettings", &const { average_pool(1) }),
    layer("AvgPool2d", "AvgPool2dSettings", &const { average_pool(2) }),
    layer("AvgPool3d", "AvgPool3dSettings", &const { average_pool(3) }),
    layer("BatchNorm1d", "BatchNormSettings", BATCH_NORM),
    layer("BatchNorm2d", "BatchNormSettings", BATCH_NORM),
    layer("BatchNorm3d", "BatchNormSettings", BATCH_NORM),
    layer("CELU", "CELUSettings", &[setting("alpha", Kind::Number)]),
    layer("ChannelShuffle", "NoSettings", &[dimension("groups", Kind::Size)]),
    layer("CircularPad1d", "Pad1dSettings", &[setting("padding", Kind::Sides(2))]),
    layer("CircularPad2d", "Pad2dSettings", &[setting("padding", Kind::Sides(4))]),
    layer("CircularPad3d", "Pad3dSettings", &[setting("padding", Kind::Sides(6))]),
    layer("ConstantPad1d", "Pad1dSettings", &[setting("padding", Kind::Sides(2)), setting("value", Kind::Number)]),
    layer("ConstantPad2d", "Pad2dSettings", &[setting("padding", Kind::Sides(4)), setting("value", Kind::Number)]),
    layer("ConstantPad3d", "Pad3dSettings", &[setting("padding", Kind::Sides(6)), setting("value", Kind::Number)]),
    layer("Conv1d", "Conv1dSettings", &const { convolution(1) }),
    layer("Conv2d", "Conv2dSettings", &const { convolution(2) }),
    layer("Conv3d", "Conv3dSettings", &const { convolution(3) }),
    layer("ConvTranspose1d", "ConvTranspose1dSettings", &const { transposed_convolution(1) }),
    layer("ConvTranspose2d", "ConvTranspose2dSettings", &const { transposed_convolution(2) }),
    layer("ConvTranspose3d", "ConvTranspose3dSettings", &const { transposed_convolution(3) }),
    layer("Dropout", "DropoutSettings", DROPOUT),
    layer("Dropout1d", "DropoutSettings", DROPOUT),
    layer("Dropout2d", "DropoutSettings", DROPOUT),
    layer("Dropout3d", "DropoutSettings", DROPOUT),
    layer("ELU", "ELUSettings", &[setting("alpha", Kind::Number)]),
    of_indices(layer(
        "Embedding",
        "EmbeddingSettings",
        &[
            dimension("num_embeddings", Kind::Size),
            dimension("embedding_dim", Kind::Size),
            setting("padding_idx", Kind::OptionalAxis),
        ],
    )),
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
    layer(
        "FractionalMaxPool2d",
        "FractionalMaxPool2dSettings",
        &[
            dimension("kernel_size", Kind::PerAxis(2)),
            setting("output_size", Kind::PerAxis(2)),
            setting("output_ratio", Kind::Factors(2)),
            setting("samples", Kind::Number),
        ],
    ),
    layer("GELU", "GELUSettings", &[setting("approximate", Kind::Choice(&GELU_APPROXIMATION))]),
    layer("GLU", "GLUSettings", &[setting("dim", Kind::Axis)]),
    applied(&SEQUENCE, layer("GRU", "RecurrentSettings", RECURRENT)),
    applied(&STEP, layer("GRUCell", "RecurrentCellSettings", CELL)),
    layer(
        "GroupNorm",
        "GroupNormSettings",
        &[
            dimension("num_groups", Kind::Size),
            dimension("num_channels", Kind::Size),
            setting("eps", Kind::Number),
            setting("affine", Kind::Flag),
            setting("bias", Kind::Flag),
        ],
    ),
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
    applied(&SEQUENCE_WITH_MEMORY, layer("LSTM", "RecurrentSettings", RECURRENT)),
    applied(&STEP_WITH_MEMORY, layer("LSTMCell", "RecurrentCellSettings", CELL)),
    layer(
        "LayerNorm",
        "LayerNormSettings",
        &[
            dimension("normalized_shape", Kind::Extents(4)),
            setting("eps", Kind::Number),
            setting("elementwise_affine", Kind::Flag),
            setting("bias", Kind::Flag),
        ],
    ),
    layer("LeakyReLU", "LeakyReLUSettings", &[setting("negative_slope", Kind::Number)]),
    layer(
        "Linear",
        "LinearSettings",
        &[dimension("in_features", Kind::Size), dimension("out_features", Kind::Size), setting("bias", Kind::Flag)],
    ),
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
    layer("PixelShuffle", "NoSettings", &[dimension("upscale_factor", Kind::Size)]),
    layer("PixelUnshuffle", "NoSettings", &[dimension("downscale_factor", Kind::Size)]),
    layer(
        "PositionalEncoding",
        "PositionalEncodingSettings",
        &[
            dimension("d_model", Kind::Size),
            setting("dropout", Kind::Number),
            setting("max_len", Kind::Size),
            setting("batch_first", Kind::Flag),
        ],
    ),
    layer(
        "RMSNorm",
        "RMSNormSettings",
        &[
            dimension("normalized_shape", Kind::Extents(4)),
            setting("eps", Kind::Optional),
            setting("elementwise_affine", Kind::Flag),
        ],
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

/// Layers of PyTorch that Kiln does not have yet, so that the message for them can say so.
pub const MISSING: &[&str] = &["Bilinear", "FractionalMaxPool3d", "Transformer"];

/// Layers of PyTorch that take or give several tensors, with what a `forward` calls instead.
pub const FUNCTIONS: &[(&str, &str)] = &[
    ("CosineSimilarity", "cosine_similarity(x, y, dim = 1)"),
    ("MaxUnpool1d", "max_unpool1d(x, places, KERNEL)"),
    ("MaxUnpool2d", "max_unpool2d(x, places, KERNEL)"),
    ("MaxUnpool3d", "max_unpool3d(x, places, KERNEL)"),
    ("PairwiseDistance", "pairwise_distance(x, y, p = 2)"),
];

impl Known {
    /// The layer of this name.
    pub fn find(name: &str) -> Option<&'static Known> {
        LAYERS.iter().find(|layer| layer.name == name)
    }

    /// The layer that PyTorch has as a function of this name, too: `max_pool2d`.
    pub fn written_in_snake_case(name: &str) -> Option<&'static Known> {
        let plain = name.replace('_', "");
        LAYERS.iter().find(|layer| layer.name.to_lowercase() == plain)
    }

    /// The layer whose name is nearly this one: another case, or one letter too many, too few, wrong or swapped.
    ///
    /// A name that holds the layer's whole (`Linear2`, `MyLinear`) is one of the user's own.
    pub fn nearest(name: &str) -> Option<&'static Known> {
        LAYERS.iter().find(|layer| {
            layer.name.eq_ignore_ascii_case(name) || (!name.contains(layer.name) && one_slip(layer.name, name))
        })
    }

    /// Whether it may have parameters that are trained: whether an argument says how many features they are for.
    pub fn has_parameters(&self) -> bool {
        const OF_WEIGHTS: [&str; 10] = [
            "in_features",
            "in_channels",
            "num_features",
            "num_channels",
            "normalized_shape",
            "num_embeddings",
            "num_parameters",
            "input_size",
            "embed_dim",
            "d_model",
        ];
        self.parameters.iter().any(|parameter| OF_WEIGHTS.contains(&parameter.name))
    }

    /// Whether it has these parameters where nothing else is said.
    pub fn is_affine(&self) -> bool {
        !self.name.starts_with("InstanceNorm")
    }

    /// The parameters in the type's angle brackets.
    pub fn dimensions(&self) -> impl Iterator<Item = &'static Parameter> + use<> {
        self.parameters.iter().filter(|parameter| parameter.role == Role::Dimension)
    }

    /// The parameters that have a default.
    pub fn options(&self) -> impl Iterator<Item = &'static Parameter> + use<> {
        self.parameters.iter().filter(|parameter| parameter.role == Role::Setting)
    }
}

/// Whether two words differ by one letter that is wrong, missing or extra, or by two neighbours that are swapped.
pub fn one_slip(left: &str, right: &str) -> bool {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let same_start = left.iter().zip(&right).take_while(|(l, r)| l == r).count();
    let (left, right) = (&left[same_start..], &right[same_start..]);
    match (left, right) {
        ([], []) => false,
        ([l0, l1, left @ ..], [r0, r1, right @ ..]) if l0 == r1 && l1 == r0 && left == right => true,
        _ => {
            let after = |word: &[char]| word.get(1..).unwrap_or_default().to_vec();
            after(left) == after(right) || after(left) == right || left == after(right)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_disjoint() {
        let names: Vec<&str> = LAYERS.iter().map(|layer| layer.name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(MISSING.is_sorted());
        assert!(MISSING.iter().all(|name| Known::find(name).is_none()));
        assert!(FUNCTIONS.iter().all(|(name, _)| Known::find(name).is_none() && !MISSING.contains(name)));
    }

    #[test]
    fn dimensions_come_first() {
        for layer in LAYERS {
            assert!(layer.parameters.is_sorted_by_key(|parameter| parameter.role == Role::Setting), "{}", layer.name);
            assert_eq!(layer.settings != "NoSettings", layer.options().count() > 0, "{}", layer.name);
        }
    }

    #[test]
    fn near_misses_are_found_and_names_of_the_users_own_are_not() {
        let cases = [
            ("Linaer", Some("Linear")),
            ("Liner", Some("Linear")),
            ("Relu", Some("ReLU")),
            ("Conv2D", Some("Conv2d")),
            ("Flattern", Some("Flatten")),
            ("Maxpool2d", Some("MaxPool2d")),
            ("Linear2", None),
            ("MyLinear", None),
            ("Block", None),
            ("Tank", Some("Tanh")),
            ("Convolution", None),
        ];
        for (name, expected) in cases {
            assert_eq!(Known::nearest(name).map(|layer| layer.name), expected, "{name}");
        }
    }
}
