//! The tensor operations, `torch.<op>(inputs.., attributes..)`, as methods of values.

use kiln_graph::build::AxisList;
use kiln_graph::{DType, Shape, Value, functions};
use serde_json::Value as Json;

use crate::case::{Attributes, Refusal};
use crate::graphs::Given;

/// The outputs of an operation.
pub fn compute<'g>(op: &str, attributes: &Attributes, given: &Given<'g>) -> Result<Vec<Value<'g>>, Refusal> {
    let inputs = given.inputs();
    let value = match inputs[..] {
        _ if matches!(op, "cat" | "stack") => joined(op, &inputs, axis(attributes, "dim")?)?,
        [x] if matches!(op, "split" | "chunk") => return pieces(op, x, attributes),
        [x] if matches!(op, "max_dim" | "min_dim") => return extreme(op, x, attributes),
        [x] => match unary(op, x).or_else(|| scalar(op, x, attributes)).or_else(|| reduction(op, x, attributes)) {
            Some(value) => value,
            None => movement(op, x, attributes)?,
        },
        [a, b] => binary(op, a, b, attributes)?,
        [condition, a, b] if op == "where" => condition.ne(0).select(a, b),
        _ if op == "scaled_dot_product_attention" => attention(&inputs, attributes),
        _ => return Err(Refusal::later(op)),
    };
    Ok(vec![value])
}

/// An axis as PyTorch gives it: from the end if negative.
fn axis(attributes: &Attributes, name: &str) -> Result<i32, Refusal> {
    Ok(attributes.int(name).ok_or_else(|| Refusal::Case(format!("no `{name}`")))? as i32)
}

/// The axes of a reduction; all if none are given.
fn axes(attributes: &Attributes, name: &str) -> AxisList {
    match attributes.ints(name) {
        Some(axes) => AxisList::from(&axes.iter().map(|&axis| axis as i32).collect::<Vec<_>>()[..]),
        None => AxisList::from(..),
    }
}

/// Operations of one tensor and nothing else.
pub fn unary<'g>(op: &str, x: Value<'g>) -> Option<Value<'g>> {
    Some(match op {
        "abs" => x.abs(),
        "cos" => x.cos(),
        "erf" => x.erf(),
        "exp" => x.exp(),
        "log" => x.log(),
        "log1p" => x.log1p(),
        "neg" => -x,
        "reciprocal" => x.reciprocal(),
        "rsqrt" => x.rsqrt(),
        "sigmoid" => x.sigmoid(),
        "sin" => x.sin(),
        "sqrt" => x.sqrt(),
        "square" => x.square(),
        "tanh" => x.tanh(),
        _ => return None,
    })
}

/// Operations with a number.
fn scalar<'g>(op: &str, x: Value<'g>, attributes: &Attributes) -> Option<Value<'g>> {
    let number = |name| attributes.f64(name);
    Some(match op {
        "add_scalar" => x + number("other")?,
        "mul_scalar" => x * number("other")?,
        "rdiv_scalar" => number("other")? / x,
        "pow_scalar" => x.pow(number("exponent")?),
        "scalar_pow" => x.graph().scalar(number("base")?).pow(x),
        "clamp" => x.clamp(number("min").unwrap_or(f64::NEG_INFINITY), number("max").unwrap_or(f64::INFINITY)),
        _ => return None,
    })
}

fn reduction<'g>(op: &str, x: Value<'g>, attributes: &Attributes) -> Option<Value<'g>> {
    let over = || axes(attributes, "dim");
    let correction = attributes.f64("correction").unwrap_or(1.0);
    let reduced = match op {
        "sum" => x.sum(over()),
        "mean" => x.mean(over()),
        "prod" => x.prod(over()),
        "amax" | "max" => x.amax(over()),
        "amin" | "min" => x.amin(over()),
        "var" => x.var(over(), correction),
        "std" => x.var(over(), correction).sqrt(),
        "norm" => match attributes.f64("p") {
            Some(1.0) => x.abs().sum(over()),
            Some(2.0) => x.square().sum(over()).sqrt(),
            None if attributes.text("p") == Some("inf") => x.abs().amax(over()),
            None => return None,
            Some(p) => x.abs().pow(p).sum(over()).pow(1.0 / p),
        },
        "cumsum" => x.cumsum(attributes.int("dim")? as i32),
        "logsumexp" => x.logsumexp(attributes.int("dim")? as i32),
        "argmax" | "argmin" => {
            let (x, axis) = match attributes.int("dim") {
                Some(axis) => (x, axis as i32),
                None => (x.reshape([x.shape().elements()]), 0),
            };
            if op == "argmax" { x.argmax(axis) } else { x.argmin(axis) }
        }
        _ => return None,
    };
    if !attributes.flag("keepdim") {
        return Some(reduced);
    }
    let rank = x.shape().rank() as isize;
    let mut kept = x.shape();
    for axis in attributes.ints("dim").unwrap_or_else(|| (0..rank).collect()) {
        let position = axis.rem_euclid(rank);
        kept = kept.with(position as usize, 1);
    }
    Some(reduced.reshape(kept))
}

/// The extreme along an axis and its index; the first index takes the whole gradient.
fn extreme<'g>(op: &str, x: Value<'g>, attributes: &Attributes) -> Result<Vec<Value<'g>>, Refusal> {
    let axis = axis(attributes, "dim")?;
    let index = if op == "max_dim" { x.argmax(axis) } else { x.argmin(axis) };
    let position = axis.rem_euclid(x.shape().rank() as i32);
    let kept = index.unsqueeze(position);
    let extreme = x.gather(position, kept);
    Ok(if attributes.flag("keepdim") { vec![extreme, kept] } else { vec![extreme.squeeze(position), index] })
}

fn binary<'g>(op: &str, a: Value<'g>, b: Value<'g>, attributes: &Attributes) -> Result<Value<'g>, Refusal> {
    let scaled = |b: Value<'g>| attributes.f64("alpha").map_or(b, |alpha| b * alpha);
    Ok(match op {
        "add" => a + scaled(b),
        "sub" => a - scaled(b),
        "mul" => a * b,
        "div" => a / b,
        "pow" => a.pow(b),
        "maximum" => a.maximum(b),
        "minimum" => a.minimum(b),
        "matmul" => a.matmul(b),
        "gather" => a.gather(axis(attributes, "dim")?, b),
        "index_select" => {
            let axis = axis(attributes, "dim")?;
            a.transpose(0, axis).take_rows(b).transpose(0, axis)
        }
        _ => return Err(Refusal::later(op)),
    })
}

/// Operations that move elements.
fn movement<'g>(op: &str, x: Value<'g>, attributes: &Attributes) -> Result<Value<'g>, Refusal> {
    let shape = x.shape();
    Ok(match op {
        "expand" => {
            let sizes = attributes.ints("sizes").unwrap_or_default();
            let added = sizes.len().saturating_sub(shape.rank());
            let extent = |(place, &size): (usize, &isize)| match usize::try_from(size) {
                Ok(size) => size,
                Err(_) => shape.dims()[place - added],
            };
            x.broadcast_to(&sizes.iter().enumerate().map(extent).collect::<Vec<_>>()[..])
        }
        "flatten" => {
            let (start, end) = (attributes.int("start_dim").unwrap_or(0), attributes.int("end_dim").unwrap_or(-1));
            kiln_graph::layers::reshape::flatten(x, start, end)
        }
        "flip" => x.reverse(axes(attributes, "dims")),
        "pad" => padded(x, attributes)?,
        "permute" => {
            let rank = shape.rank() as isize;
            let dims = attributes.ints("dims").unwrap_or_default();
            let order: Vec<usize> = dims.iter().map(|&axis| axis.rem_euclid(rank) as usize).collect();
            x.permute(&order)
        }
        "repeat" => {
            let repeats = attributes.sizes("repeats", 1, 1)?;
            let mut y = x;
            while y.shape().rank() < repeats.len() {
                y = y.unsqueeze(0);
            }
            for (axis, &times) in repeats.iter().enumerate() {
                y = x.graph().concat(&vec![y; times], axis);
            }
            y
        }
        "reshape" => {
            let extent = |&extent: &isize| usize::try_from(extent).unwrap_or(Shape::INFERRED);
            let extents: Vec<usize> = attributes.ints("shape").unwrap_or_default().iter().map(extent).collect();
            functions::reshape(x, &extents)
        }
        "slice" => sliced(x, attributes)?,
        "squeeze" => match attributes.get("dim") {
            Some(_) if attributes.int("dim").is_some_and(|axis| at(shape, axis) != Some(1)) => x,
            Some(_) => x.squeeze(axes(attributes, "dim")),
            None => x.reshape(&shape.dims().iter().copied().filter(|&extent| extent != 1).collect::<Vec<_>>()[..]),
        },
        "transpose" => x.transpose(axis(attributes, "dim0")?, axis(attributes, "dim1")?),
        "unsqueeze" => x.unsqueeze(axis(attributes, "dim")?),
        _ => return Err(Refusal::later(op)),
    })
}

/// The extent of an axis that may count from the end.
fn at(shape: Shape, axis: isize) -> Option<usize> {
    let position = if axis < 0 { axis + shape.rank() as isize } else { axis };
    shape.dims().get(usize::try_from(position).ok()?).copied()
}

fn joined<'g>(op: &str, parts: &[Value<'g>], axis: i32) -> Result<Value<'g>, Refusal> {
    let first = parts.first().ok_or_else(|| Refusal::Case("nothing to join".into()))?;
    if op == "cat" {
        return Ok(first.graph().concat(parts, axis));
    }
    let rows: Vec<Value> = parts.iter().map(|part| part.unsqueeze(axis)).collect();
    Ok(first.graph().concat(&rows, axis))
}

fn pieces<'g>(op: &str, x: Value<'g>, attributes: &Attributes) -> Result<Vec<Value<'g>>, Refusal> {
    let axis = attributes.int("dim").unwrap_or(0);
    let extent = at(x.shape(), axis).ok_or_else(|| Refusal::Error(format!("no axis {axis}")))?;
    if op == "chunk" {
        return Ok(functions::chunk(x, attributes.sizes("chunks", 1, 1)?[0], axis));
    }
    let sizes = attributes.sizes("split_size_or_sections", 1, 1)?;
    if !attributes.get("split_size_or_sections").is_some_and(Json::is_array) {
        return Ok(functions::split(x, sizes[0], axis));
    }
    // Parts of different sizes are slices one after the other.
    let (mut start, mut pieces) = (0, Vec::new());
    for size in sizes {
        pieces.push(x.slice(axis as i32, start..start + size, 1));
        start += size;
    }
    if start < extent {
        return Err(Refusal::later("split into parts of given sizes as a function of Kiln"));
    }
    Ok(pieces)
}

/// Per axis an integer, `[stop]` or `[start, stop, step]`, as Python's slices.
fn sliced<'g>(x: Value<'g>, attributes: &Attributes) -> Result<Value<'g>, Refusal> {
    let specification = attributes.get("index_spec").and_then(Json::as_array).cloned().unwrap_or_default();
    let (mut y, mut axis) = (x, 0);
    for entry in &specification {
        let extent = y.shape().dims().get(axis).copied().unwrap_or(0) as i64;
        let bound = |place: Option<&Json>, default: i64| {
            let given = place.and_then(Json::as_i64).unwrap_or(default);
            (if given < 0 { given + extent } else { given }).clamp(0, extent) as usize
        };
        if let Some(index) = entry.as_i64() {
            let index = usize::try_from(if index < 0 { index + extent } else { index });
            let index = index.map_err(|_| Refusal::Unsigned("index".into()))?;
            y = y.slice(axis, index..index + 1, 1).squeeze(axis);
            continue;
        }
        let parts = entry.as_array().cloned().unwrap_or_default();
        let (start, stop) = if parts.len() == 1 { (None, parts.first()) } else { (parts.first(), parts.get(1)) };
        let step = parts.get(2).and_then(Json::as_i64).unwrap_or(1);
        let step = usize::try_from(step).map_err(|_| Refusal::Unsigned("step".into()))?;
        y = y.slice(axis, bound(start, 0)..bound(stop, extent), step);
        axis += 1;
    }
    Ok(y)
}

/// `pad` holds (before, after) from the last axis backwards; negative ones cut.
fn padded<'g>(x: Value<'g>, attributes: &Attributes) -> Result<Value<'g>, Refusal> {
    let amounts = attributes.ints("pad").unwrap_or_default();
    let mut y = x;
    for (back, pair) in amounts.chunks_exact(2).enumerate() {
        let axis = x.shape().rank() - 1 - back;
        let extent = y.shape().dim(axis) as isize;
        let (before, after) = (pair[0], pair[1]);
        let (start, end) = ((-before).max(0), extent - (-after).max(0));
        y = y.slice(axis, start as usize..end.max(0) as usize, 1);
        let (before, after) = (before.max(0) as usize, after.max(0) as usize);
        y = match attributes.text("mode").unwrap_or("constant") {
            "constant" => {
                let (mut low, mut high) = (vec![0; x.shape().rank()], vec![0; x.shape().rank()]);
                (low[axis], high[axis]) = (before, after);
                y.pad(&low, &high, attributes.f64("value").unwrap_or(0.0))
            }
            mode @ ("reflect" | "replicate") => {
                let extent = y.shape().dim(axis);
                let edge = |range: std::ops::Range<usize>| y.slice(axis, range, 1);
                let (first, last) = if mode == "reflect" {
                    // Where the axis is too short for it, a slice that it does not have.
                    let last = if after < extent { edge(extent - 1 - after..extent - 1) } else { edge(1..after + 1) };
                    (edge(1..before + 1).reverse(axis), last.reverse(axis))
                } else {
                    let repeat = |part: Value<'g>, times| part.broadcast_to(part.shape().with(axis, times));
                    (repeat(edge(0..1), before), repeat(edge(extent - 1..extent), after))
                };
                let parts = [(first, before), (y, 1), (last, after)];
                let present: Vec<Value> =
                    parts.into_iter().filter(|(_, size)| *size > 0).map(|(part, _)| part).collect();
                x.graph().concat(&present, axis)
            }
            mode => return Err(Refusal::later(format!("pad mode {mode}"))),
        };
    }
    Ok(y)
}

/// `softmax(q k^T / sqrt(d) + mask) v` over the last two axes.
fn attention<'g>(inputs: &[Value<'g>], attributes: &Attributes) -> Value<'g> {
    let (q, k, v) = (inputs[0], inputs[1], inputs[2]);
    let rank = q.shape().rank();
    let scale = attributes.f64("scale").unwrap_or(1.0 / (q.shape().dim(rank - 1) as f64).sqrt());
    let mut scores = q.matmul(k.transpose(-1, -2)) * scale;
    if attributes.flag("is_causal") {
        let (rows, columns) = (q.shape().dim(rank - 2), k.shape().dim(rank - 2));
        let g = q.graph();
        let seen = g.iota([rows, columns], 0).ge(g.iota([rows, columns], 1));
        scores = seen.select(scores, f64::NEG_INFINITY);
    }
    if let Some(&mask) = inputs.get(3) {
        let masked = |scores: Value<'g>| mask.ne(0).select(scores, f64::NEG_INFINITY);
        scores = if mask.dtype() == DType::F32 { scores + mask } else { masked(scores) };
    }
    scores.softmax(-1).matmul(v)
}
