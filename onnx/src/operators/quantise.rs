//! Numbers of 8 bits: from and to f32, and products of them. Sums of products are computed as f32 in parts that are exact, and
//! added up as whole numbers.

use kiln_graph::layers::conv::conv as convolution;
use kiln_graph::op::Convolution;
use kiln_graph::{DType, Value};

use super::Row;
use super::conv::kernel;
use super::window::{sliding, spatial};
use crate::element::Element;
use crate::error::Fault;
use crate::proto::tensor_proto::DataType;
use crate::read::context::{Context, Results, axis, extent};

pub const TABLE: &[Row] = &[
    Row::new("ConvInteger", 10, conv_integer),
    Row::new("DequantizeLinear", 10, dequantize),
    Row::new("DynamicQuantizeLinear", 11, dynamic_quantize),
    Row::new("MatMulInteger", 10, matmul_integer),
    Row::new("QLinearConv", 10, qlinear_conv),
    Row::new("QLinearMatMul", 10, qlinear_matmul),
    Row::new("QuantizeLinear", 10, quantize),
];

/// Sums of as many products of differences of numbers of 8 bits are exact as f32.
const EXACT: usize = 256;

/// The numbers of a narrow type; those of 32 bits would not be exact as f32.
fn limits(element: Element) -> Result<(f64, f64), Fault> {
    match element.limits() {
        Some((low, high)) if high - low < 1 << 17 => Ok((low as f64, high as f64)),
        _ => Err(Fault::Element(element)),
    }
}

/// That the numbers have 8 bits at most, so that sums of [`EXACT`] products are exact.
fn of_bytes(element: Element) -> Result<(), Fault> {
    let (low, high) = limits(element)?;
    if high - low < 256.0 { Ok(()) } else { Err(Fault::Element(element)) }
}

/// A scale or a zero point for a tensor: one number, one for each place of an axis, or one for each block along it.
fn spread<'g>(c: &Context<'_, 'g>, position: usize, like: Value<'g>, along: i64) -> Result<Value<'g>, Fault> {
    let value = c.value(position)?;
    let (own, shape) = (value.shape(), like.shape());
    if own.elements() == 1 {
        return Ok(value.reshape([]));
    }
    let block = extent(c.int_attribute("block_size", 0)?)?;
    let along = axis(along, shape.rank())?;
    if block > 0 {
        let fits = own.rank() == shape.rank() && own.dim(along).saturating_mul(block) >= shape.dim(along);
        if !fits || own.with(along, 1) != shape.with(along, 1) {
            return Err(Fault::invalid(format!("{own} for blocks of {block} along axis {along} of {shape}")));
        }
        let repeated = kiln_graph::functions::repeat_interleave(value, block, along as isize);
        return Ok(repeated.slice(along, 0..shape.dim(along), 1));
    }
    if own.rank() != 1 || own.dim(0) != shape.dim(along) {
        return Err(Fault::invalid(format!("{own} for axis {along} of {shape}")));
    }
    let mut extents = vec![1; shape.rank()];
    extents[along] = own.dim(0);
    Ok(value.reshape(&extents[..]))
}

fn dequantize<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.value(0)?;
    let along = c.int_attribute("axis", 1)?;
    let scale = spread(c, 1, x, along)?;
    let numbers = if c.has(2) { x - spread(c, 2, x, along)? } else { x };
    c.like(1, numbers.convert(DType::F32) * scale)
}

/// `round(x / scale) + zero_point` within the limits of a type, as whole numbers.
fn rounded<'g>(x: Value<'g>, scale: Value<'g>, zero: Option<Value<'g>>, limits: (f64, f64)) -> Value<'g> {
    let numbers = (x / scale).round();
    let moved = zero.map_or(numbers, |zero| numbers + zero.convert(DType::F32));
    moved.clamp(limits.0, limits.1).convert(DType::I32)
}

fn quantize<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.value(0)?.convert(DType::F32);
    let along = c.int_attribute("axis", 1)?;
    let element = match c.int_attribute("output_dtype", 0)? {
        0 if c.has(2) => c.element(2)?,
        0 => Element::of(DataType::Uint8 as i32).ok_or(Fault::DynamicResult)?,
        _ => c.element_of("output_dtype")?.ok_or(Fault::DynamicResult)?,
    };
    let limits = limits(element)?;
    let zero = if c.has(2) { Some(spread(c, 2, x, along)?) } else { None };
    let y = rounded(x, spread(c, 1, x, along)?, zero, limits);
    Ok(vec![c.typed(y, element)])
}

/// The scale and the zero point that take numbers to 0..255, such that 0 is exact.
pub fn range<'g>(x: Value<'g>) -> (Value<'g>, Value<'g>) {
    let (low, high) = (x.amin(..).minimum(0.0), x.amax(..).maximum(0.0));
    let width = high - low;
    let scale = width.eq(0.0).select(1.0, width / 255.0);
    let zero = (-low / scale).round().clamp(0.0, 255.0);
    (scale, zero)
}

/// Numbers as whole ones of 8 bits less their zero point, as f32, and their scale.
pub fn dynamic<'g>(x: Value<'g>) -> (Value<'g>, Value<'g>) {
    let (scale, zero) = range(x);
    (((x / scale).round() + zero).clamp(0.0, 255.0) - zero, scale)
}

fn dynamic_quantize<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.float(0)?;
    let (scale, zero) = range(x);
    let zero = zero.convert(DType::I32);
    let byte = Element::of(DataType::Uint8 as i32).ok_or(Fault::DynamicResult)?;
    let y = rounded(x, scale, Some(zero), (0.0, 255.0));
    Ok(vec![c.typed(y, byte), c.typed(scale, Element::F32), c.typed(zero, byte)])
}

/// An operand less its zero point, as f32. A vector of zero points is that of the rows (of a left operand) or the columns.
fn centred<'g>(c: &Context<'_, 'g>, position: usize, zero: usize, rows: bool) -> Result<Value<'g>, Fault> {
    of_bytes(c.element(position)?)?;
    let x = c.number(position)?;
    let numbers = if c.has(zero) {
        let offset = c.number(zero)?;
        let shape = offset.shape();
        let offset = match shape.rank() {
            _ if shape.elements() == 1 => offset.reshape([]),
            1 if rows => offset.unsqueeze(1),
            _ => offset,
        };
        x - offset
    } else {
        x
    };
    Ok(numbers.convert(DType::F32))
}

/// The product of matrices of differences of numbers of 8 bits, as whole numbers.
fn whole_product<'g>(a: Value<'g>, b: Value<'g>) -> Result<Value<'g>, Fault> {
    if a.shape().rank() == 0 || b.shape().rank() == 0 {
        return Err(Fault::invalid("a product of matrices of a number without axes"));
    }
    let inner = a.shape().rank() - 1;
    let (along, depth) = (b.shape().rank().saturating_sub(2), a.shape().dim(inner));
    if b.shape().dim(along) != depth {
        return Err(Fault::invalid(format!("the product of {} and {}", a.shape(), b.shape())));
    }
    let part = |start: usize| {
        let end = depth.min(start + EXACT);
        a.slice(inner, start..end, 1).matmul(b.slice(along, start..end, 1)).convert(DType::I32)
    };
    let sum = (0..depth).step_by(EXACT).map(part).reduce(|a, b| a + b);
    sum.ok_or_else(|| Fault::invalid("a product of empty matrices"))
}

fn matmul_integer<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let product = whole_product(centred(c, 0, 2, true)?, centred(c, 1, 3, false)?)?;
    Ok(vec![c.typed(product, Element::I32)])
}

/// A scale of one number, or of rows or columns.
fn scale<'g>(c: &Context<'_, 'g>, position: usize, rows: bool) -> Result<Value<'g>, Fault> {
    let scale = c.float(position)?;
    Ok(match scale.shape().rank() {
        _ if scale.shape().elements() == 1 => scale.reshape([]),
        1 if rows => scale.unsqueeze(1),
        _ => scale,
    })
}

/// Whole sums as numbers of 8 bits.
fn requantised<'g>(c: &Context<'_, 'g>, sum: Value<'g>, factor: Value<'g>, to: [usize; 2]) -> Results<'g> {
    let element = c.element(to[1])?;
    let single = |position: usize| c.value(position);
    let (scale, zero) = (single(to[0])?, single(to[1])?);
    let flat = |x: Value<'g>| if x.shape().elements() == 1 { x.reshape([]) } else { x };
    let numbers = sum.convert(DType::F32) * factor;
    let y = rounded(numbers, flat(scale), Some(flat(zero)), limits(element)?);
    Ok(vec![c.typed(y, element)])
}

fn qlinear_matmul<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let sum = whole_product(centred(c, 0, 2, true)?, centred(c, 3, 5, false)?)?;
    requantised(c, sum, scale(c, 1, true)? * scale(c, 4, false)?, [6, 7])
}

/// The convolution of differences of numbers of 8 bits, as whole numbers: that of parts of the channels, added up.
fn whole_conv<'g>(c: &Context<'_, 'g>, x: Value<'g>, weight: Value<'g>) -> Result<Value<'g>, Fault> {
    let spatial = spatial(x.shape())?;
    let (kernel, groups) = kernel(c, weight.shape(), spatial)?;
    let sliding = sliding(c, x.shape(), &kernel)?;
    let window: usize = kernel.iter().product();
    let channels = weight.shape().dim(1);
    let part = (EXACT / window.max(1)).max(1);
    let conv = |x: Value<'g>, weight: Value<'g>| {
        convolution(x, weight, None, Convolution { sliding, groups }).convert(DType::I32)
    };
    if window > EXACT {
        return Err(Fault::unsupported(format!(
            "a kernel of {window} places over whole numbers; there are those to {EXACT}"
        )));
    }
    if channels <= part {
        return Ok(conv(x, weight));
    }
    if groups > 1 || x.shape().dim(1) != channels {
        return Err(Fault::unsupported(format!(
            "a convolution of {channels} channels with {groups} groups as whole numbers"
        )));
    }
    let sums = (0..channels).step_by(part).map(|start| {
        let range = start..channels.min(start + part);
        conv(x.slice(1, range.clone(), 1), weight.slice(1, range, 1))
    });
    sums.reduce(|a, b| a + b).ok_or_else(|| Fault::invalid("a convolution without channels"))
}

/// The zero points of the outputs of a weight.
fn weight_of<'g>(c: &Context<'_, 'g>, position: usize, zero: usize) -> Result<Value<'g>, Fault> {
    of_bytes(c.element(position)?)?;
    let weight = c.number(position)?;
    if !c.has(zero) {
        return Ok(weight.convert(DType::F32));
    }
    Ok((weight - of_outputs(c.number(zero)?, weight)?).convert(DType::F32))
}

/// A number, or one for each output of a weight `[O, ..]`.
fn of_outputs<'g>(x: Value<'g>, weight: Value<'g>) -> Result<Value<'g>, Fault> {
    let outputs = weight.shape().dims().first().copied().unwrap_or(1);
    match x.shape().elements() {
        1 => Ok(x.reshape([])),
        count if count == outputs => {
            let mut extents = vec![1; weight.shape().rank()];
            extents[0] = outputs;
            Ok(x.reshape(&extents[..]))
        }
        count => Err(Fault::invalid(format!("{count} numbers for {outputs} outputs"))),
    }
}

fn conv_integer<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let (x, weight) = (centred(c, 0, 2, false)?, weight_of(c, 1, 3)?);
    Ok(vec![c.typed(whole_conv(c, x, weight)?, Element::I32)])
}

fn qlinear_conv<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let (x, weight) = (centred(c, 0, 2, false)?, weight_of(c, 3, 5)?);
    let sum = whole_conv(c, x, weight)?;
    // One for each channel of the result, axis 1.
    let per_channel = |x: Value<'g>| match x.shape().elements() {
        1 => x.reshape([]),
        count => {
            let mut extents = vec![1; sum.shape().rank()];
            extents[1] = count;
            x.reshape(&extents[..])
        }
    };
    let sum = if c.has(8) { sum + per_channel(c.number(8)?) } else { sum };
    requantised(c, sum, c.float(1)?.reshape([]) * per_channel(c.float(4)?), [6, 7])
}
