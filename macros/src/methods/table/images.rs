//! Functions of images: windows, paddings, other sizes. A row for each, by its name. Knows names only.

use super::*;

pub const FUNCTIONS: &[Function] = &[
    row("adaptive_avg_pool1d", ADAPTIVE_POOL, "adaptive_avg_pool1d").only(Form::Function),
    row("adaptive_avg_pool2d", ADAPTIVE_POOL, "adaptive_avg_pool2d").only(Form::Function),
    row("adaptive_avg_pool3d", ADAPTIVE_POOL, "adaptive_avg_pool3d").only(Form::Function),
    row("adaptive_max_pool1d", ADAPTIVE_POOL, "adaptive_max_pool1d").only(Form::Function),
    places("adaptive_max_pool1d_with_indices", ADAPTIVE_POOL),
    row("adaptive_max_pool2d", ADAPTIVE_POOL, "adaptive_max_pool2d").only(Form::Function),
    places("adaptive_max_pool2d_with_indices", ADAPTIVE_POOL),
    row("adaptive_max_pool3d", ADAPTIVE_POOL, "adaptive_max_pool3d").only(Form::Function),
    places("adaptive_max_pool3d_with_indices", ADAPTIVE_POOL),
    row("avg_pool1d", AVERAGE_POOL, "avg_pool1d").only(Form::Function),
    row("avg_pool2d", AVERAGE_POOL, "avg_pool2d").only(Form::Function),
    row("avg_pool3d", AVERAGE_POOL, "avg_pool3d").only(Form::Function),
    row("channel_shuffle", &[tensor(Any), required("groups", Kind::Size)], "channel_shuffle").only(Form::Function),
    row("fold", FOLD_WINDOWS, "fold").only(Form::Function),
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
    row("max_pool1d", POOL, "max_pool1d").only(Form::Function),
    places("max_pool1d_with_indices", POOL),
    row("max_pool2d", POOL, "max_pool2d").only(Form::Function),
    places("max_pool2d_with_indices", POOL),
    row("max_pool3d", POOL, "max_pool3d").only(Form::Function),
    places("max_pool3d_with_indices", POOL),
    row("max_unpool1d", UNPOOL, "max_unpool1d").only(Form::Function),
    row("max_unpool2d", UNPOOL, "max_unpool2d").only(Form::Function),
    row("max_unpool3d", UNPOOL, "max_unpool3d").only(Form::Function),
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
    row("pixel_shuffle", &[tensor(Any), required("upscale_factor", Kind::Size)], "pixel_shuffle").only(Form::Function),
    row("pixel_unshuffle", &[tensor(Any), required("downscale_factor", Kind::Size)], "pixel_unshuffle")
        .only(Form::Function),
    row("unfold", UNFOLD_WINDOWS, "unfold").only(Form::Function),
];
