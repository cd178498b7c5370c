//! What layers over images have in common: the parameters of a family for any number of spatial axes, and words that
//! are chosen from. Knows names and kinds of arguments.

use super::{Choice, Kind, Parameter, dimension, setting};

pub const GELU_APPROXIMATION: Choice = Choice { of: "GeluApproximation", words: &[("none", "None"), ("tanh", "Tanh")] };

pub const BAG_MODE: Choice = Choice { of: "BagMode", words: &[("sum", "Sum"), ("mean", "Mean"), ("max", "Max")] };

pub const UPSAMPLE_MODE: Choice = Choice {
    of: "UpsampleMode",
    words: &[
        ("nearest", "Nearest"),
        ("nearest-exact", "NearestExact"),
        ("linear", "Linear"),
        ("bilinear", "Bilinear"),
        ("bicubic", "Bicubic"),
        ("trilinear", "Trilinear"),
        ("area", "Area"),
    ],
};

const PADDING_MODE: Choice = Choice {
    of: "PaddingMode",
    words: &[("zeros", "Zeros"), ("reflect", "Reflect"), ("replicate", "Replicate"), ("circular", "Circular")],
};

/// The parameters of an average pooling over so many spatial axes.
pub const fn average_pool(axes: usize) -> [Parameter; 6] {
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
pub const fn maximum_pool(axes: usize) -> [Parameter; 5] {
    [
        dimension("kernel_size", Kind::PerAxis(axes)),
        setting("stride", Kind::PerAxis(axes)),
        setting("padding", Kind::PerAxis(axes)),
        setting("dilation", Kind::PerAxis(axes)),
        setting("ceil_mode", Kind::Flag),
    ]
}

/// The parameters of a power-average pooling over so many spatial axes.
pub const fn power_average_pool(axes: usize) -> [Parameter; 4] {
    [
        dimension("norm_type", Kind::Size),
        dimension("kernel_size", Kind::PerAxis(axes)),
        setting("stride", Kind::PerAxis(axes)),
        setting("ceil_mode", Kind::Flag),
    ]
}

/// The parameters of a convolution over so many spatial axes.
pub const fn convolution(axes: usize) -> [Parameter; 9] {
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
pub const fn transposed_convolution(axes: usize) -> [Parameter; 9] {
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
pub const BATCH_NORM: &[Parameter] = &[
    dimension("num_features", Kind::Size),
    setting("eps", Kind::Number),
    setting("momentum", Kind::Optional),
    setting("affine", Kind::Flag),
    setting("track_running_stats", Kind::Flag),
    setting("bias", Kind::Flag),
];

/// What instance normalization takes for any number of axes.
pub const INSTANCE_NORM: &[Parameter] = &[
    dimension("num_features", Kind::Size),
    setting("eps", Kind::Number),
    setting("momentum", Kind::Number),
    setting("affine", Kind::Flag),
    setting("track_running_stats", Kind::Flag),
    setting("bias", Kind::Flag),
];

/// What upsampling of one kind takes.
pub const UPSAMPLING: &[Parameter] = &[setting("size", Kind::PerAxis(2)), setting("scale_factor", Kind::Factors(2))];

/// What dropout takes for any number of axes.
pub const DROPOUT: &[Parameter] = &[setting("p", Kind::Number)];

/// The parameters of a fractional pooling over so many spatial axes.
pub const fn fractional_pool(axes: usize) -> [Parameter; 4] {
    [
        dimension("kernel_size", Kind::PerAxis(axes)),
        setting("output_size", Kind::PerAxis(axes)),
        setting("output_ratio", Kind::Factors(axes)),
        setting("samples", Kind::Number),
    ]
}
