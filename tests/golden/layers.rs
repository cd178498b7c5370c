//! The layers, through the free functions that the typed layers are shells of.

use kiln_graph::layers::{PaddingMode, UpsampleMode};
use kiln_graph::layers::{
    activation, adaptive_pool, batch_norm, conv, conv_transpose, dropout, embedding, fold, glu, group_norm, layer_norm,
    linear, local_response_norm, lp_pool, padding, pool, rectifier, reshape, rms_norm, shuffle, softmax, unpool,
    upsample,
};
use kiln_graph::op::{Convolution, MAX_SPATIAL, Sliding, Window};
use kiln_graph::shape::rules;
use kiln_graph::{GraphError, Shape, Value, functions};

use crate::case::{Attributes, Refusal};
use crate::graphs::Given;
use crate::{attention, recurrent, resampling};

/// The outputs of a layer with the parameters `param.*` and the states `state.*`; it is applied to each input in turn
/// where the case says so.
pub fn compute<'g>(op: &str, attributes: &Attributes, given: &Given<'g>) -> Result<Vec<Value<'g>>, Refusal> {
    let parameter = |name: &str| given.find(&format!("param.{name}")).or_else(|| given.find(&format!("state.{name}")));
    if op == "FractionalMaxPool2d" {
        let (values, places) = resampling::fractional_max_pool2d(attributes, given)?;
        return Ok(if attributes.flag("return_indices") { vec![values, places] } else { vec![values] });
    }
    if let Some(step) = recurrent::step(op, attributes) {
        return recurrent::compute(op, step, attributes, given);
    }
    if op == attention::LAYER {
        return attention::compute(attributes, given);
    }
    // What has no input is no layer that is known here, or none that is applied.
    let x = given.find("input.0").ok_or_else(|| Refusal::later(op))?;
    if op.starts_with("MaxPool") && attributes.flag("return_indices") {
        let window = window(attributes, spatial(op))?;
        let (values, places) = pool::max_pool_with_indices(x, window);
        return Ok(vec![values, places]);
    }
    if op.starts_with("AdaptiveMaxPool") {
        let cells = resampling::optional_sizes(attributes, "output_size", spatial(op))?;
        let (values, places) = adaptive_pool::adaptive_max_pool(x, &cells);
        return Ok(if attributes.flag("return_indices") { vec![values, places] } else { vec![values] });
    }
    if op == "CosineSimilarity" {
        let (dim, eps) = (attributes.int("dim").unwrap_or(1), attributes.f64("eps").unwrap_or(1e-8));
        return Ok(vec![functions::cosine_similarity(x, given.get("input.1")?, dim, eps)]);
    }
    if op == "Bilinear" {
        let (weight, bias) = (given.get("param.weight")?, given.find("param.bias"));
        return Ok(vec![functions::bilinear(x, given.get("input.1")?, weight, bias)]);
    }
    if op == "PairwiseDistance" {
        let (p, eps) = (attributes.f64("p").unwrap_or(2.0), attributes.f64("eps").unwrap_or(1e-6));
        let (y, keepdim) = (given.get("input.1")?, attributes.flag("keepdim"));
        return Ok(vec![functions::pairwise_distance(x, y, p, eps, keepdim)]);
    }
    if op.starts_with("MaxUnpool") {
        let output: Option<Vec<usize>> =
            attributes.get("output_size").map(|_| attributes.sizes("output_size", spatial(op), 0)).transpose()?;
        // A size of the whole tensor is one of its image, too.
        let output = output.as_ref().map(|sizes| &sizes[sizes.len() - spatial(op)..]);
        return Ok(vec![unpool::max_unpool(x, given.get("input.1")?, window(attributes, spatial(op))?, output)]);
    }
    if attributes.get("calls").is_some() {
        return given.inputs().into_iter().map(|x| apply(op, attributes, x, &parameter)).collect();
    }
    Ok(vec![apply(op, attributes, x, &parameter)?])
}

/// A layer applied to a value.
pub fn apply<'g>(
    op: &str,
    attributes: &Attributes,
    x: Value<'g>,
    parameter: &dyn Fn(&str) -> Option<Value<'g>>,
) -> Result<Value<'g>, Refusal> {
    let weight = || parameter("weight").ok_or_else(|| Refusal::Case("the layer has no weight".into()));
    Ok(match op {
        "Linear" => linear::linear(x, weight()?, parameter("bias")),
        "Conv1d" | "Conv2d" | "Conv3d" => {
            let attribute = convolution(attributes, spatial(op))?;
            let mode = padding_mode(attributes.text("padding_mode").unwrap_or("zeros"))?;
            conv::conv_padded(x, weight()?, parameter("bias"), attribute, mode)
        }
        "ConvTranspose1d" | "ConvTranspose2d" | "ConvTranspose3d" => {
            let attribute = convolution(attributes, spatial(op))?;
            let output_padding = filled(&attributes.sizes("output_padding", spatial(op), 0)?, 0);
            conv_transpose::conv_transpose(x, weight()?, parameter("bias"), attribute, output_padding)
        }
        "AdaptiveAvgPool1d" | "AdaptiveAvgPool2d" | "AdaptiveAvgPool3d" => {
            adaptive_pool::adaptive_avg_pool(x, &resampling::optional_sizes(attributes, "output_size", spatial(op))?)
        }
        "Upsample" => upsample::upsample(x, &resampling::upsample(attributes)?),
        "MaxPool1d" | "MaxPool2d" | "MaxPool3d" => pool::max_pool(x, window(attributes, spatial(op))?),
        "AvgPool1d" | "AvgPool2d" | "AvgPool3d" => {
            let divisor = pool::Divisor {
                count_include_pad: attributes.get("count_include_pad").is_none_or(|count| count == true),
                divisor_override: attributes.int("divisor_override").map(|divisor| divisor as usize),
            };
            pool::avg_pool(x, window(attributes, spatial(op))?, divisor)
        }
        "LPPool1d" | "LPPool2d" | "LPPool3d" => {
            let p = attributes.f64("norm_type").ok_or_else(|| Refusal::Case("there is no `norm_type`".into()))?;
            lp_pool::lp_pool(x, p, window(attributes, spatial(op))?)
        }
        "BatchNorm1d" | "BatchNorm2d" | "BatchNorm3d" => {
            let (spatial, shape) = (spatial(op), x.shape());
            let channels = attributes.sizes("num_features", 1, 1)?[0];
            let least = if spatial == 1 { 2 } else { spatial + 2 };
            rules::channels(shape, channels, least, spatial + 2).map_err(GraphError::from)?;
            let running = || {
                Some(batch_norm::Running {
                    mean: parameter("running_mean")?,
                    variance: parameter("running_var")?,
                    batches: Some(parameter("num_batches_tracked")?),
                })
            };
            let statistics = batch_norm::Statistics {
                eps: attributes.f64("eps").unwrap_or(1e-5),
                momentum: match attributes.0.get("momentum") {
                    Some(momentum) => momentum.as_f64(),
                    None => Some(0.1),
                },
            };
            batch_norm::batch_norm(x, parameter("weight"), parameter("bias"), running(), statistics)
        }
        "ZeroPad1d" | "ZeroPad2d" | "ZeroPad3d" | "ConstantPad1d" | "ConstantPad2d" | "ConstantPad3d"
        | "ReflectionPad1d" | "ReflectionPad2d" | "ReflectionPad3d" | "ReplicationPad1d" | "ReplicationPad2d"
        | "ReplicationPad3d" | "CircularPad1d" | "CircularPad2d" | "CircularPad3d" => padded(op, attributes, x)?,
        "GroupNorm" => {
            let size = |name: &str| Ok::<usize, Refusal>(attributes.sizes(name, 1, 0)?[0]);
            let (groups, channels) = (size("num_groups")?, size("num_channels")?);
            let eps = attributes.f64("eps").unwrap_or(1e-5);
            rules::group_norm(x.shape(), groups, channels, eps).map_err(GraphError::from)?;
            group_norm::group_norm(x, groups, parameter("weight"), parameter("bias"), eps)
        }
        "InstanceNorm1d" | "InstanceNorm2d" | "InstanceNorm3d" => {
            let (axes, channels) = (spatial(op) + 2, attributes.sizes("num_features", 1, 1)?[0]);
            // One sample has no batch axis.
            if x.shape().rank() + 1 == axes {
                return Ok(apply(op, attributes, x.unsqueeze(0), parameter)?.squeeze(0));
            }
            rules::channels(x.shape(), channels, axes, axes).map_err(GraphError::from)?;
            let running = || {
                Some(batch_norm::Running {
                    mean: parameter("running_mean")?,
                    variance: parameter("running_var")?,
                    batches: Some(parameter("num_batches_tracked")?),
                })
            };
            let (eps, momentum) = (attributes.f64("eps").unwrap_or(1e-5), attributes.f64("momentum").unwrap_or(0.1));
            group_norm::instance_norm(x, parameter("weight"), parameter("bias"), running(), eps, momentum)
        }
        "RMSNorm" => {
            let extents = attributes.sizes("normalized_shape", 1, 1)?;
            rms_norm::rms_norm(x, Shape::from(&extents[..]), parameter("weight"), attributes.f64("eps"))
        }
        "LocalResponseNorm" => {
            let number = |name: &str, default| attributes.f64(name).unwrap_or(default);
            let response = local_response_norm::Response {
                alpha: number("alpha", 1e-4),
                beta: number("beta", 0.75),
                k: number("k", 1.0),
            };
            local_response_norm::local_response_norm(x, attributes.sizes("size", 1, 1)?[0], response)
        }
        "Flatten" => {
            let (start, end) = (attributes.int("start_dim").unwrap_or(1), attributes.int("end_dim").unwrap_or(-1));
            reshape::flatten(x, start, end)
        }
        "Dropout" => dropout::dropout(x, attributes.f64("p").unwrap_or(0.5)),
        "AlphaDropout" => dropout::alpha_dropout(x, attributes.f64("p").unwrap_or(0.5)),
        "FeatureAlphaDropout" => dropout::feature_alpha_dropout(x, attributes.f64("p").unwrap_or(0.5)),
        "PixelShuffle" => shuffle::pixel_shuffle(x, attributes.sizes("upscale_factor", 1, 1)?[0]),
        "PixelUnshuffle" => shuffle::pixel_unshuffle(x, attributes.sizes("downscale_factor", 1, 1)?[0]),
        "ChannelShuffle" => shuffle::channel_shuffle(x, attributes.sizes("groups", 1, 1)?[0]),
        "Unflatten" => {
            let sizes = attributes.ints("unflattened_size").unwrap_or_default();
            reshape::unflatten(x, attributes.int("dim").unwrap_or(1), &sizes)
        }
        "Unfold" | "Fold" => {
            let pair = |name: &str, usual| attributes.sizes(name, 2, usual);
            let (kernel, dilation) = (pair("kernel_size", 1)?, pair("dilation", 1)?);
            let (padding, stride) = (pair("padding", 0)?, pair("stride", 1)?);
            match op {
                "Fold" => fold::fold(x, &pair("output_size", 1)?, &kernel, &dilation, &padding, &stride),
                _ => fold::unfold(x, &kernel, &dilation, &padding, &stride),
            }
        }
        "UpsamplingNearest2d" | "UpsamplingBilinear2d" => {
            let mut settings = resampling::upsample(attributes)?;
            if op == "UpsamplingBilinear2d" {
                settings = settings.mode(UpsampleMode::Bilinear).align_corners(true);
            }
            upsample::upsample(x, &settings)
        }
        "Dropout1d" | "Dropout2d" | "Dropout3d" => dropout::channel_dropout(x, attributes.f64("p").unwrap_or(0.5)),
        "ReLU" => x.relu(),
        "LeakyReLU" => activation::leaky_relu(x, attributes.f64("negative_slope").unwrap_or(0.01)),
        "Sigmoid" => x.sigmoid(),
        "Tanh" => x.tanh(),
        "Identity" => x,
        "CELU" => activation::celu(x, attributes.f64("alpha").unwrap_or(1.0)),
        "GLU" => glu::glu(x, attributes.int("dim").unwrap_or(-1)),
        "Hardshrink" => activation::hardshrink(x, attributes.f64("lambd").unwrap_or(0.5)),
        "Hardsigmoid" => activation::hardsigmoid(x),
        "LogSigmoid" => activation::log_sigmoid(x),
        "PReLU" => rectifier::prelu(x, weight()?),
        "RReLU" => {
            let slope = |name, default| attributes.f64(name).unwrap_or(default);
            rectifier::rrelu(x, slope("lower", 1.0 / 8.0), slope("upper", 1.0 / 3.0))
        }
        "Softshrink" => activation::softshrink(x, attributes.f64("lambd").unwrap_or(0.5)),
        "Softsign" => activation::softsign(x),
        "Tanhshrink" => activation::tanhshrink(x),
        "Threshold" => {
            let setting = |name: &str| attributes.f64(name).ok_or_else(|| Refusal::Case(format!("no `{name}`")));
            rectifier::threshold(x, setting("threshold")?, setting("value")?)
        }
        "ELU" => activation::elu(x, attributes.f64("alpha").unwrap_or(1.0)),
        "Hardswish" => activation::hardswish(x),
        "Hardtanh" => {
            let bound = |name, default| attributes.f64(name).unwrap_or(default);
            activation::hardtanh(x, bound("min_val", -1.0), bound("max_val", 1.0))
        }
        "Mish" => activation::mish(x),
        "ReLU6" => activation::relu6(x),
        "SELU" => activation::selu(x),
        "SiLU" => activation::silu(x),
        "Softplus" => {
            let (beta, threshold) =
                (attributes.f64("beta").unwrap_or(1.0), attributes.f64("threshold").unwrap_or(20.0));
            activation::softplus(x, beta, threshold)
        }
        "GELU" => match attributes.text("approximate") {
            None | Some("none") => activation::gelu(x, activation::GeluApproximation::None),
            Some("tanh") => activation::gelu(x, activation::GeluApproximation::Tanh),
            Some(other) => return Err(Refusal::later(format!("approximate = {other}"))),
        },
        "LayerNorm" => {
            let extents = attributes.ints("normalized_shape").unwrap_or_default();
            let extents: Vec<usize> = extents.into_iter().map(|extent| extent as usize).collect();
            let eps = attributes.f64("eps").unwrap_or(1e-5);
            layer_norm::layer_norm(x, Shape::from(&extents[..]), parameter("weight"), parameter("bias"), eps)
        }
        "Embedding" => {
            for unknown in ["max_norm", "sparse"] {
                if attributes.get(unknown).is_some_and(|value| value != false) {
                    return Err(Refusal::later(format!("{unknown} of Embedding")));
                }
            }
            let weight = weight()?;
            let padding = attributes.int("padding_idx").map(|row| row.rem_euclid(weight.shape().dim(0) as isize));
            let by_frequency = attributes.flag("scale_grad_by_freq");
            embedding::embedding_by_frequency(x, weight, padding.map(|row| row as usize), by_frequency)
        }
        "Softmax" | "LogSoftmax" | "Softmin" => {
            let axis = attributes.int("dim").unwrap_or(-1) as i32;
            match op {
                "Softmax" => x.softmax(axis),
                "Softmin" => softmax::softmin(x, axis),
                _ => x.log_softmax(axis),
            }
        }
        "Softmax2d" => {
            rules::axes(x.shape(), 3, 4).map_err(GraphError::from)?;
            x.softmax(-3)
        }
        _ => return Err(Refusal::later(op)),
    })
}

/// How a convolution is padded.
pub fn padding_mode(word: &str) -> Result<PaddingMode, Refusal> {
    let modes = [PaddingMode::Zeros, PaddingMode::Reflect, PaddingMode::Replicate, PaddingMode::Circular];
    let known = modes.into_iter().find(|mode| mode.name() == word);
    known.ok_or_else(|| Refusal::Error(format!("rustc knows no padding_mode {word}")))
}

/// A padding layer.
fn padded<'g>(op: &str, attributes: &Attributes, x: Value<'g>) -> Result<Value<'g>, Refusal> {
    let spatial = spatial(op);
    let given = attributes.ints("padding").unwrap_or_default();
    let all = if given.len() == 1 { vec![given[0]; 2 * spatial] } else { given };
    let mut sides = [(0, 0); MAX_SPATIAL];
    for (back, pair) in all.chunks_exact(2).enumerate() {
        sides[spatial - 1 - back] = (pair[0], pair[1]);
    }
    let modes = [
        ("Reflection", PaddingMode::Reflect),
        ("Replication", PaddingMode::Replicate),
        ("Circular", PaddingMode::Circular),
    ];
    let mode = modes.into_iter().find(|(name, _)| op.starts_with(name)).map_or(PaddingMode::Zeros, |(_, mode)| mode);
    Ok(padding::pad_last(x, &sides[..spatial], mode, attributes.f64("value").unwrap_or(0.0)))
}

/// The number of spatial axes, which the layer's name ends with.
pub fn spatial(op: &str) -> usize {
    op.trim_end_matches('d').chars().last().and_then(|digit| digit.to_digit(10)).unwrap_or(2) as usize
}

/// A setting per spatial axis as the attribute of an operation.
fn filled(sizes: &[usize], fill: usize) -> [usize; MAX_SPATIAL] {
    let mut all = [fill; MAX_SPATIAL];
    all[..sizes.len()].copy_from_slice(sizes);
    all
}

fn sliding(stride: &[usize], padding: &[(usize, usize)], dilation: &[usize]) -> Sliding {
    let mut both = [(0, 0); MAX_SPATIAL];
    both[..padding.len()].copy_from_slice(padding);
    Sliding { spatial: stride.len(), stride: filled(stride, 1), padding: both, dilation: filled(dilation, 1) }
}

/// The attributes of a convolution.
pub fn convolution(attributes: &Attributes, spatial: usize) -> Result<Convolution, Refusal> {
    let kernel = attributes.sizes("kernel_size", spatial, 1)?;
    let dilation = attributes.sizes("dilation", spatial, 1)?;
    let padding: Vec<(usize, usize)> = match attributes.text("padding") {
        Some("same") => kernel.iter().zip(&dilation).map(|(&k, &d)| conv::same_padding(k, d)).collect(),
        _ => attributes.sizes("padding", spatial, 0)?.into_iter().map(|padding| (padding, padding)).collect(),
    };
    let stride = attributes.sizes("stride", spatial, 1)?;
    let groups = attributes.sizes("groups", 1, 1)?[0];
    Ok(Convolution { sliding: sliding(&stride, &padding, &dilation), groups })
}

/// The shapes of the weight and the bias of a convolution, or of a transposed one.
pub fn convolution_parameters(
    attributes: &Attributes,
    spatial: usize,
    transposed: bool,
) -> Result<(Shape, Shape), Refusal> {
    let one = |name: &str| Ok::<usize, Refusal>(attributes.sizes(name, 1, 1)?[0]);
    let (inputs, outputs, groups) = (one("in_channels")?, one("out_channels")?, one("groups")?.max(1));
    let mut extents = if transposed { vec![inputs, outputs / groups] } else { vec![outputs, inputs / groups] };
    extents.extend(attributes.sizes("kernel_size", spatial, 1)?);
    Ok((Shape::from(&extents[..]), Shape::from([outputs])))
}

fn window(attributes: &Attributes, spatial: usize) -> Result<Window, Refusal> {
    let kernel = attributes.sizes("kernel_size", spatial, 1)?;
    let stride = match attributes.get("stride") {
        Some(_) => attributes.sizes("stride", spatial, 1)?,
        None => kernel.clone(),
    };
    let padding = attributes.sizes("padding", spatial, 0)?;
    let both: Vec<(usize, usize)> = padding.into_iter().map(|padding| (padding, padding)).collect();
    let dilation = attributes.sizes("dilation", spatial, 1)?;
    let sliding = sliding(&stride, &both, &dilation);
    Ok(Window { kernel: filled(&kernel, 1), sliding, ceil: attributes.flag("ceil_mode") })
}
