//! Normalizations.

use kiln_graph::layers::batch_norm::{Running, Statistics, batch_norm, by_statistics};
use kiln_graph::layers::group_norm::{group_norm, instance_norm};
use kiln_graph::layers::layer_norm::layer_norm as by_layer;
use kiln_graph::layers::rms_norm::rms_norm as by_square;
use kiln_graph::{Shape, Value, functions};

use super::Row;
use crate::error::Fault;
use crate::read::context::{Context, Results, axes, axis, extent};

pub const TABLE: &[Row] = &[
    Row::new("BatchNormalization", 7, batch).weights(&[1, 2]).statistics(&[3, 4]),
    Row::new("GroupNormalization", 18, group).weights(&[1, 2]),
    Row::new("InstanceNormalization", 6, instance).weights(&[1, 2]),
    Row::new("LRN", 1, local_response),
    Row::new("LayerNormalization", 17, layer).weights(&[1, 2]),
    Row::new("LpNormalization", 1, lp),
    Row::new("MeanVarianceNormalization", 9, mean_variance),
    Row::new("RMSNormalization", 23, rms).weights(&[1]),
];

/// Vectors of as many numbers as `x [N, C, ..]` has channels.
fn per_channel(c: &Context<'_, '_>, x: Shape, positions: &[usize]) -> Result<(), Fault> {
    if x.rank() < 2 {
        return Err(Fault::invalid(format!("batch and channels are expected, but the shape is {x}")));
    }
    for &position in positions {
        let found = c.shape(position)?;
        if found != Shape::new(&[x.dim(1)]) {
            return Err(Fault::invalid(format!(
                "input {position} has the shape {found}, but there are {} channels",
                x.dim(1)
            )));
        }
    }
    Ok(())
}

/// In training mode by the mean and the variance of the batch, with the running ones as results; else by those that are
/// given, which steps of training may follow where the user says so.
fn batch<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.float(0)?;
    per_channel(c, x.shape(), &[1, 2, 3, 4])?;
    let (scale, bias, mean, variance) = (c.float(1)?, c.float(2)?, c.float(3)?, c.float(4)?);
    let eps = c.float_attribute("epsilon", 1e-5)?;
    if c.version() < 9 && !c.flag("spatial", true)? {
        return Err(Fault::unsupported("`spatial` of 0"));
    }
    let training = c.version() >= 14 && c.flag("training_mode", false)?;
    let momentum = c.float_attribute("momentum", 0.9)?;
    if !training {
        if let Some([mean, variance]) = c.evaluator.followed([c.tensor(3)?, c.tensor(4)?]) {
            let statistics = Statistics { eps, momentum: Some(1.0 - momentum) };
            let running = Running { mean, variance, batches: None };
            return c.like(0, batch_norm(x, Some(scale), Some(bias), Some(running), statistics));
        }
        return c.like(0, by_statistics(x, mean, variance, Some(scale), Some(bias), eps));
    }
    let others: Vec<usize> = (0..x.shape().rank()).filter(|&axis| axis != 1).collect();
    let (own_mean, own_variance) = (x.mean(&others[..]), x.var(&others[..], 0.0));
    let y = by_statistics(x, own_mean, own_variance, Some(scale), Some(bias), eps);
    let running = |before: Value<'g>, own: Value<'g>| before * momentum + own * (1.0 - momentum);
    let results = [y, running(mean, own_mean), running(variance, own_variance)];
    let element = c.element(0)?;
    Ok(results.into_iter().take(c.node.outputs.len()).map(|value| c.typed(value, element)).collect())
}

fn instance<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.float(0)?;
    per_channel(c, x.shape(), &[1, 2])?;
    let (scale, bias) = (c.float(1)?, c.float(2)?);
    c.like(0, instance_norm(x, Some(scale), Some(bias), None, c.float_attribute("epsilon", 1e-5)?, 0.1))
}

/// Before version 21 scale and bias are those of groups.
fn group<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.float(0)?;
    let groups = extent(c.int_attribute("num_groups", 0)?)?;
    let eps = c.float_attribute("epsilon", 1e-5)?;
    let (scale, bias) = (c.float(1)?, c.float(2)?);
    let shape = x.shape();
    if shape.rank() < 2 || groups == 0 || !shape.dim(1).is_multiple_of(groups) {
        return Err(Fault::invalid(format!("{groups} groups of the channels of {shape}")));
    }
    let each = shape.dim(1) / groups;
    let per_channel = |v: Value<'g>| {
        if c.version() >= 21 || v.shape() != Shape::new(&[groups]) {
            v
        } else {
            v.unsqueeze(1).broadcast_to([groups, each]).reshape([shape.dim(1)])
        }
    };
    c.like(0, group_norm(x, groups, Some(per_channel(scale)), Some(per_channel(bias)), eps))
}

/// What is normalized: the axes from one on; a factor of that shape, or what broadcasts to it.
fn normalized<'g>(c: &Context<'_, 'g>, x: Value<'g>) -> Result<(usize, Shape), Fault> {
    let first = axis(c.int_attribute("axis", -1)?, x.shape().rank())?;
    Ok((first, Shape::new(&x.shape().dims()[first..])))
}

fn layer<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.float(0)?;
    let (first, shape) = normalized(c, x)?;
    let eps = c.float_attribute("epsilon", 1e-5)?;
    let (scale, bias) = (c.float(1)?, c.optional(2)?);
    let element = c.element(0)?;
    let whole = scale.shape() == shape && bias.is_none_or(|bias| bias.shape() == shape);
    let y = if whole {
        by_layer(x, shape, Some(scale), bias, eps)
    } else {
        let y = by_layer(x, shape, None, None, eps) * scale;
        bias.map_or(y, |bias| y + bias)
    };
    let mut results = vec![c.typed(y, element)];
    if c.node.outputs.len() > 1 {
        let over: Vec<usize> = (first..x.shape().rank()).collect();
        let mean = x.mean_keep(&over[..]);
        let root = ((x - mean).square().mean_keep(&over[..]) + eps).rsqrt();
        results.extend([c.typed(mean, element), c.typed(root, element)]);
    }
    Ok(results)
}

fn rms<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.float(0)?;
    let (_, shape) = normalized(c, x)?;
    let eps = c.float_attribute("epsilon", 1e-5)?;
    let scale = c.float(1)?;
    let y = if scale.shape() == shape {
        by_square(x, shape, Some(scale), Some(eps))
    } else {
        by_square(x, shape, None, Some(eps)) * scale
    };
    c.like(0, y)
}

/// `x / (bias + alpha / size * the sum of squares of neighbouring channels)^beta`.
fn local_response<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.float(0)?;
    let size = extent(c.int_attribute("size", 0)?)?;
    let (alpha, beta) = (c.float_attribute("alpha", 1e-4)?, c.float_attribute("beta", 0.75)?);
    let bias = c.float_attribute("bias", 1.0)?;
    if size == 0 || x.shape().rank() < 3 || size > x.shape().dim(1).saturating_mul(2) {
        return Err(Fault::invalid(format!("a size of {size} for the channels of {}", x.shape())));
    }
    // One more channel after than before, where the size is even.
    let squares = x.square().pad(&[0, (size - 1) / 2], &[0, size / 2], 0.0);
    let channels = x.shape().dim(1);
    let sums = (0..size).map(|offset| squares.slice(1, offset..offset + channels, 1)).reduce(|a, b| a + b);
    let sums = sums.ok_or_else(|| Fault::invalid("a size of 0"))?;
    c.like(0, x / (sums * (alpha / size as f64) + bias).pow(beta))
}

fn lp<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.float(0)?;
    let along = axis(c.int_attribute("axis", -1)?, x.shape().rank())? as isize;
    let p = c.int_attribute("p", 2)? as f64;
    let norm = functions::norm(x, p, Some(&[along]), true);
    // A norm of 0 leaves zeros.
    c.like(0, norm.eq(0.0).select(x, x / norm))
}

fn mean_variance<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.float(0)?;
    let over = axes(&c.ints_of("axes")?.unwrap_or_else(|| vec![0, 2, 3]), x.shape().rank())?;
    let centred = x - x.mean_keep(&over[..]);
    let deviation = centred.square().mean_keep(&over[..]).sqrt();
    c.like(0, centred / (deviation + 1e-9))
}
