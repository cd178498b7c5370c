//! Numbers of 8 bits: from and to f32, and products of them. Left factors are brought to u8, right ones to i8, whose
//! products are added up as i32:
//!
//! ```text
//! sum of (a - p) (b - q)  =  sum of a b  -  p * sum of b  -  q * (sum of a - p * places)
//! ```
//!
//! Convolutions by groups of channels that are no whole quads are computed as f32, in parts that are exact.

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

/// Numbers as u8, with their zero point and their scale.
pub fn dynamic<'g>(x: Value<'g>) -> (Factor<'g>, Value<'g>) {
    let (scale, zero) = range(x);
    let numbers = ((x / scale).round() + zero).convert(DType::U8);
    (Factor { numbers, zero: Some(zero.convert(DType::I32)) }, scale)
}

/// Factors of products: numbers of 8 bits, and their zero point, i32, if that is not 0.
#[derive(Clone, Copy)]
pub struct Factor<'g> {
    /// u8 on the left, i8 on the right.
    pub numbers: Value<'g>,
    /// One number, or one for each row on the left, for each column on the right, beside which it is broadcast.
    pub zero: Option<Value<'g>>,
}

impl<'g> Factor<'g> {
    /// Whole numbers as a factor on the left, where `is_signed` says that they are i8.
    fn left(numbers: Value<'g>, zero: Option<Value<'g>>, is_signed: bool) -> Factor<'g> {
        // -128 to 127 become 0 to 255.
        Factor::moved(numbers, zero, if is_signed { 128 } else { 0 }, DType::U8)
    }

    /// Whole numbers as a factor on the right.
    fn right(numbers: Value<'g>, zero: Option<Value<'g>>, is_signed: bool) -> Factor<'g> {
        Factor::moved(numbers, zero, if is_signed { 0 } else { -128 }, DType::I8)
    }

    fn moved(numbers: Value<'g>, zero: Option<Value<'g>>, by: i32, dtype: DType) -> Factor<'g> {
        if by == 0 {
            return Factor { numbers: numbers.convert(dtype), zero };
        }
        let zero = zero.map_or_else(|| numbers.graph().scalar_of(DType::I32, by.into()), |zero| zero + by);
        Factor { numbers: (numbers + by).convert(dtype), zero: Some(zero) }
    }
}

/// The product of matrices of differences of numbers of 8 bits, as whole numbers.
pub fn product<'g>(a: Factor<'g>, b: Factor<'g>) -> Value<'g> {
    let depth = a.numbers.shape().dim(a.numbers.shape().rank() - 1);
    let mut sum = a.numbers.matmul(b.numbers);
    if let Some(zero) = a.zero {
        let columns = b.numbers.convert(DType::I32).sum(-2).unsqueeze(-2);
        sum = sum - columns * zero;
    }
    if let Some(zero) = b.zero {
        let rows = a.numbers.convert(DType::I32).sum(-1).unsqueeze(-1);
        let rows = a.zero.map_or(rows, |zero| rows - zero * depth as i32);
        sum = sum - rows * zero;
    }
    sum
}

fn dynamic_quantize<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.float(0)?;
    let (scale, zero) = range(x);
    let zero = zero.convert(DType::I32);
    let byte = Element::of(DataType::Uint8 as i32).ok_or(Fault::DynamicResult)?;
    let y = rounded(x, scale, Some(zero), (0.0, 255.0));
    Ok(vec![c.typed(y, byte), c.typed(scale, Element::F32), c.typed(zero, byte)])
}

/// An operand less its zero point, as f32.
fn centred<'g>(c: &Context<'_, 'g>, position: usize, zero: usize) -> Result<Value<'g>, Fault> {
    of_bytes(c.element(position)?)?;
    let x = c.number(position)?;
    Ok(if c.has(zero) { x - c.number(zero)?.reshape([]) } else { x }.convert(DType::F32))
}

/// A zero point, unless it is known to be 0.
pub fn zero_point<'g>(c: &Context<'_, 'g>, position: usize) -> Result<Option<Value<'g>>, Fault> {
    if !c.has(position) {
        return Ok(None);
    }
    let known = c.constant(position).ok().and_then(|constant| constant.whole());
    let is_zero = known.is_some_and(|numbers| numbers.iter().all(|&number| number == 0));
    if is_zero { Ok(None) } else { c.number(position).map(Some) }
}

/// A factor of a product of matrices. A vector of zero points is that of the rows (of a left operand) or the columns.
fn factor<'g>(c: &Context<'_, 'g>, position: usize, zero: usize, is_left: bool) -> Result<Factor<'g>, Fault> {
    let element = c.element(position)?;
    of_bytes(element)?;
    let zero = zero_point(c, zero)?.map(|zero| match zero.shape().rank() {
        _ if zero.shape().elements() == 1 => zero.reshape([]),
        1 if is_left => zero.unsqueeze(1),
        _ => zero,
    });
    let (numbers, is_signed) = (c.number(position)?, limits(element)?.0 < 0.0);
    Ok(if is_left { Factor::left(numbers, zero, is_signed) } else { Factor::right(numbers, zero, is_signed) })
}

/// An operand as a factor on the right, with its zero points.
pub fn factor_of<'g>(
    c: &Context<'_, 'g>,
    position: usize,
    numbers: Value<'g>,
    zero: Option<Value<'g>>,
) -> Result<Factor<'g>, Fault> {
    let element = c.element(position)?;
    of_bytes(element)?;
    Ok(Factor::right(numbers, zero, limits(element)?.0 < 0.0))
}

/// The product of two operands with their zero points, as whole numbers.
fn whole_product<'g>(c: &Context<'_, 'g>, left: [usize; 2], right: [usize; 2]) -> Result<Value<'g>, Fault> {
    let mut a = factor(c, left[0], left[1], true)?;
    let mut b = factor(c, right[0], right[1], false)?;
    let ranks = [a, b].map(|factor| factor.numbers.shape().rank());
    if ranks.contains(&0) {
        return Err(Fault::invalid("a product of matrices of a number without axes"));
    }
    // A vector is a matrix of one row, or of one column.
    if ranks[0] == 1 {
        a.numbers = a.numbers.unsqueeze(0);
    }
    if ranks[1] == 1 {
        b.numbers = b.numbers.unsqueeze(1);
    }
    let (left, right) = (a.numbers.shape(), b.numbers.shape());
    if left.dim(left.rank() - 1) != right.dim(right.rank() - 2) {
        return Err(Fault::invalid(format!("the product of {left} and {right}")));
    }
    let sum = product(a, b);
    let shape = sum.shape();
    let (row, column) = (shape.rank() - 2, shape.rank() - 1);
    Ok(match ranks {
        [1, 1] => sum.reshape(shape.remove(column).remove(row)),
        [1, _] => sum.reshape(shape.remove(row)),
        [_, 1] => sum.reshape(shape.remove(column)),
        _ => sum,
    })
}

fn matmul_integer<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let product = whole_product(c, [0, 2], [1, 3])?;
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
    let sum = whole_product(c, [0, 2], [3, 5])?;
    requantised(c, sum, scale(c, 1, true)? * scale(c, 4, false)?, [6, 7])
}

/// The convolution of an operand and a weight with their zero points, as whole numbers.
fn whole_conv<'g>(c: &Context<'_, 'g>, input: [usize; 2], filter: [usize; 2]) -> Result<Value<'g>, Fault> {
    let (x, weight) = (c.number(input[0])?, c.number(filter[0])?);
    let (element, own) = (c.element(input[0])?, c.element(filter[0])?);
    of_bytes(element)?;
    of_bytes(own)?;
    let spatial = spatial(x.shape())?;
    let (kernel, groups) = kernel(c, weight.shape(), spatial)?;
    let mut sliding = sliding(c, x.shape(), &kernel)?;
    if groups > 1 && !weight.shape().dim(1).is_multiple_of(4) {
        let (x, weight) = (centred(c, input[0], input[1])?, weight_of(c, filter[0], filter[1])?);
        return conv_in_parts(x, weight, Convolution { sliding, groups });
    }
    let zero = zero_point(c, input[1])?.map(|zero| zero.reshape([]));
    let is_signed = limits(element)?.0 < 0.0;
    let mut a = Factor::left(x, zero, is_signed);
    // What stands around the operand is its zero point, so that it counts as 0.
    if let (Some(own), Some(moved)) = (zero.or_else(|| a.zero.map(|_| c.g.scalar_of(DType::I32, 0.0))), a.zero) {
        let (mut low, mut high) = (vec![0; 2 + spatial], vec![0; 2 + spatial]);
        for axis in 0..spatial {
            (low[2 + axis], high[2 + axis]) = std::mem::take(&mut sliding.padding[axis]);
        }
        a.numbers = ((x - own).pad(&low, &high, 0.0) + moved).convert(DType::U8);
    }
    let zero = match zero_point(c, filter[1])? {
        Some(zero) => Some(of_outputs(zero, weight)?),
        None => None,
    };
    let b = Factor::right(weight, zero, limits(own)?.0 < 0.0);
    let conv = |weight: Value<'g>| convolution(a.numbers, weight, None, Convolution { sliding, groups });
    let mut sum = conv(b.numbers);
    // One number for each output, axis 1 of the result.
    let of_channels = |x: Value<'g>| match x.shape().elements() {
        1 => x.reshape([]),
        count => {
            let mut extents = vec![1; 2 + spatial];
            extents[1] = count;
            x.reshape(&extents[..])
        }
    };
    if let Some(zero) = a.zero {
        let all: Vec<i32> = (1..2 + spatial as i32).collect();
        sum = sum - of_channels(b.numbers.convert(DType::I32).sum(&all[..])) * zero;
    }
    if let Some(zero) = b.zero {
        // The sums of all windows: products with ones.
        let ones = c.g.full(weight.shape(), 1.0).convert(DType::I8);
        let mut windows = conv(ones);
        if let Some(zero) = a.zero {
            let places = weight.shape().elements() / weight.shape().dim(0).max(1);
            windows = windows - zero * places as i32;
        }
        sum = sum - windows * of_channels(zero);
    }
    Ok(sum)
}

/// The convolution of whole numbers, as whole numbers: that of parts of the channels, added up.
fn conv_in_parts<'g>(x: Value<'g>, weight: Value<'g>, conv: Convolution) -> Result<Value<'g>, Fault> {
    let window = weight.shape().elements() / weight.shape().dim(0).max(1);
    if window > EXACT {
        return Err(Fault::unsupported(format!(
            "a convolution by {} groups of {window} products; there are those to {EXACT}",
            conv.groups
        )));
    }
    Ok(convolution(x, weight, None, conv).convert(DType::I32))
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
    Ok(vec![c.typed(whole_conv(c, [0, 2], [1, 3])?, Element::I32)])
}

fn qlinear_conv<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let sum = whole_conv(c, [0, 2], [3, 5])?;
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
