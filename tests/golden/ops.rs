//! The tensor operations, `torch.<op>(inputs.., attributes..)`, as methods of values.

use kiln_graph::{DType, Shape, Value, functions};
use serde_json::Value as Json;

use crate::case::{Attributes, Refusal};
use crate::graphs::Given;

/// The outputs of an operation.
pub fn compute<'g>(op: &str, attributes: &Attributes, given: &Given<'g>) -> Result<Vec<Value<'g>>, Refusal> {
    let inputs = given.inputs();
    let value = match inputs[..] {
        [] => return Err(Refusal::Case("no operands".into())),
        _ if op == "cat" => functions::cat(&inputs, axis(attributes, "dim")?),
        _ if op == "stack" => functions::stack(&inputs, axis(attributes, "dim")?),
        [x] if matches!(op, "split" | "chunk") => return pieces(op, x, attributes),
        [x] if matches!(op, "max_dim" | "min_dim") => return extreme(op, x, attributes),
        [x] => match unary(op, x).or_else(|| scalar(op, x, attributes)).or_else(|| reduction(op, x, attributes)) {
            Some(value) => value,
            None => movement(op, x, attributes)?,
        },
        [a, b] => binary(op, a, b, attributes)?,
        [condition, a, b] if op == "where" => functions::where_(condition.ne(0), a, b),
        _ if op == "scaled_dot_product_attention" => attention(&inputs, attributes),
        _ => return Err(Refusal::later(op)),
    };
    Ok(vec![value])
}

/// An axis as PyTorch gives it: from the end if negative.
fn axis(attributes: &Attributes, name: &str) -> Result<isize, Refusal> {
    attributes.int(name).ok_or_else(|| Refusal::Case(format!("no `{name}`")))
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
        "clamp" => functions::clamp(x, number("min"), number("max")),
        _ => return None,
    })
}

fn reduction<'g>(op: &str, x: Value<'g>, attributes: &Attributes) -> Option<Value<'g>> {
    let dims = attributes.ints("dim");
    let (dim, keepdim) = (dims.as_deref(), attributes.flag("keepdim"));
    let correction = attributes.f64("correction").unwrap_or(1.0);
    Some(match op {
        "sum" => functions::sum(x, dim, keepdim),
        "mean" => functions::mean(x, dim, keepdim),
        "prod" => functions::prod(x, dim, keepdim),
        "amax" | "max" => functions::amax(x, dim, keepdim),
        "amin" | "min" => functions::amin(x, dim, keepdim),
        "var" => functions::var(x, dim, correction, keepdim),
        "std" => functions::std(x, dim, correction, keepdim),
        "norm" => match attributes.f64("p") {
            Some(p) => functions::norm(x, p, dim, keepdim),
            None if attributes.text("p") == Some("inf") => functions::norm(x, f64::INFINITY, dim, keepdim),
            None => return None,
        },
        "cumsum" => x.cumsum(attributes.int("dim")?),
        "logsumexp" => functions::logsumexp(x, dim?, keepdim),
        "argmax" => functions::argmax(x, attributes.int("dim"), keepdim),
        "argmin" => functions::argmin(x, attributes.int("dim"), keepdim),
        _ => return None,
    })
}

/// The extreme along an axis and its index; the first index takes the whole gradient.
fn extreme<'g>(op: &str, x: Value<'g>, attributes: &Attributes) -> Result<Vec<Value<'g>>, Refusal> {
    let (axis, keepdim) = (axis(attributes, "dim")?, attributes.flag("keepdim"));
    Ok(if op == "max_dim" { functions::max(x, axis, keepdim) } else { functions::min(x, axis, keepdim) })
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
        "index_select" => functions::index_select(a, axis(attributes, "dim")?, b),
        _ => return Err(Refusal::later(op)),
    })
}

/// Operations that move elements.
fn movement<'g>(op: &str, x: Value<'g>, attributes: &Attributes) -> Result<Value<'g>, Refusal> {
    Ok(match op {
        "expand" => functions::expand(x, &extents(attributes, "sizes")?),
        "flatten" => {
            let (start, end) = (attributes.int("start_dim").unwrap_or(0), attributes.int("end_dim").unwrap_or(-1));
            functions::flatten(x, start, end)
        }
        "flip" => functions::flip(x, &attributes.ints("dims").unwrap_or_default()),
        "pad" => padded(x, attributes),
        "permute" => functions::permute(x, &attributes.ints("dims").unwrap_or_default()),
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
        "reshape" => functions::reshape(x, &extents(attributes, "shape")?),
        "slice" => sliced(x, attributes)?,
        "squeeze" => match attributes.ints("dim") {
            Some(dim) => functions::squeeze(x, &dim),
            None => functions::squeeze(x, &(0..x.shape().rank() as isize).collect::<Vec<_>>()),
        },
        "transpose" => x.transpose(axis(attributes, "dim0")?, axis(attributes, "dim1")?),
        "unsqueeze" => x.unsqueeze(axis(attributes, "dim")?),
        _ => return Err(Refusal::later(op)),
    })
}

/// A shape of which one extent may be -1.
fn extents(attributes: &Attributes, name: &str) -> Result<Vec<usize>, Refusal> {
    let extent = |extent: isize| match extent {
        -1 => Ok(Shape::INFERRED),
        extent => usize::try_from(extent).map_err(|_| Refusal::Unsigned(name.into())),
    };
    attributes.ints(name).unwrap_or_default().into_iter().map(extent).collect()
}

fn pieces<'g>(op: &str, x: Value<'g>, attributes: &Attributes) -> Result<Vec<Value<'g>>, Refusal> {
    let axis = attributes.int("dim").unwrap_or(0);
    if op == "chunk" {
        return Ok(functions::chunk(x, attributes.sizes("chunks", 1, 1)?[0], axis));
    }
    let sizes = attributes.sizes("split_size_or_sections", 1, 1)?;
    if !attributes.get("split_size_or_sections").is_some_and(Json::is_array) {
        return Ok(functions::split(x, sizes[0], axis));
    }
    Ok(functions::split_with_sizes(x, &sizes, axis))
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
fn padded<'g>(x: Value<'g>, attributes: &Attributes) -> Value<'g> {
    let mode = attributes.text("mode").unwrap_or("constant");
    let value = attributes.f64("value").filter(|_| mode == "constant");
    functions::pad(x, &attributes.ints("pad").unwrap_or_default(), mode, value)
}

/// `softmax(q k^T / sqrt(d) + mask) v` over the last two axes.
fn attention<'g>(inputs: &[Value<'g>], attributes: &Attributes) -> Value<'g> {
    // A mask is 0 and 1 there.
    let mask = inputs.get(3).map(|&mask| if mask.dtype() == DType::F32 { mask } else { mask.ne(0) });
    let (is_causal, scale) = (attributes.flag("is_causal"), attributes.f64("scale"));
    functions::scaled_dot_product_attention(inputs[0], inputs[1], inputs[2], mask, 0.0, is_causal, scale, false)
}
