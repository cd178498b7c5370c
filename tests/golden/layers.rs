//! The layers, through the free functions that the typed layers are shells of.

use kiln_graph::layers::{
    activation, adaptive_pool, batch_norm, conv, conv_transpose, dropout, embedding, layer_norm, linear, pool, reshape,
    upsample,
};
use kiln_graph::op::{Convolution, MAX_SPATIAL, Sliding, Window};
use kiln_graph::shape::rules;
use kiln_graph::{DType, GraphError, Op, Shape, Value};

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
        return Ok(vec![pool::max_pool(x, window), argument(x, window)]);
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
            conv::conv(x, weight()?, parameter("bias"), attribute)
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
        "BatchNorm1d" | "BatchNorm2d" | "BatchNorm3d" => {
            let (spatial, shape) = (spatial(op), x.shape());
            let channels = attributes.sizes("num_features", 1, 1)?[0];
            let least = if spatial == 1 { 2 } else { spatial + 2 };
            rules::channels(shape, channels, least, spatial + 2).map_err(GraphError::from)?;
            let running = || {
                Some(batch_norm::Running {
                    mean: parameter("running_mean")?,
                    variance: parameter("running_var")?,
                    batches: parameter("num_batches_tracked")?,
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
        "Flatten" => {
            let (start, end) = (attributes.int("start_dim").unwrap_or(1), attributes.int("end_dim").unwrap_or(-1));
            reshape::flatten(x, start, end)
        }
        "Dropout" => dropout::dropout(x, attributes.f64("p").unwrap_or(0.5)),
        "Dropout1d" | "Dropout2d" | "Dropout3d" => dropout::channel_dropout(x, attributes.f64("p").unwrap_or(0.5)),
        "ReLU" => x.relu(),
        "LeakyReLU" => activation::leaky_relu(x, attributes.f64("negative_slope").unwrap_or(0.01)),
        "Sigmoid" => x.sigmoid(),
        "Tanh" => x.tanh(),
        "Identity" => x,
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
            for unknown in ["max_norm", "scale_grad_by_freq", "sparse"] {
                if attributes.get(unknown).is_some_and(|value| value != false) {
                    return Err(Refusal::later(format!("{unknown} of Embedding")));
                }
            }
            let weight = weight()?;
            let padding = attributes.int("padding_idx").map(|row| row.rem_euclid(weight.shape().dim(0) as isize));
            embedding::embedding(x, weight, padding.map(|row| row as usize))
        }
        "Softmax" | "LogSoftmax" => {
            let axis = attributes.int("dim").unwrap_or(-1) as i32;
            if op == "Softmax" { x.softmax(axis) } else { x.log_softmax(axis) }
        }
        _ => return Err(Refusal::later(op)),
    })
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
    if attributes.text("padding_mode").is_some_and(|mode| mode != "zeros") {
        return Err(Refusal::later("padding other than with zeros"));
    }
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

/// The row-major index, within its image, of each window's maximum.
fn argument<'g>(x: Value<'g>, window: Window) -> Value<'g> {
    if x.shape().rank() == window.sliding.spatial + 1 {
        return argument(x.unsqueeze(0), window).squeeze(0);
    }
    let image = Shape::from(&x.shape().dims()[2..]);
    let places = x.graph().iota([image.elements()], 0).reshape(image).convert(DType::F32).broadcast_to(x.shape());
    x.graph().apply(Op::WindowMaxPick(window), &[x, places]).convert(DType::I32)
}
