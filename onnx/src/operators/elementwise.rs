//! Functions of single elements: arithmetic, comparisons, logic, conversions. Whole numbers are i32, whatever their
//! type in the file.

use kiln_graph::{DType, Value, functions};

use super::Row;
use crate::element::Element;
use crate::error::Fault;
use crate::proto::tensor_proto::DataType;
use crate::read::context::{Context, Results, one};

pub const TABLE: &[Row] = &[
    Row::new("Abs", 1, |c| c.like(0, magnitude(c.number(0)?))),
    Row::new("Acos", 7, |c| c.like(0, c.float(0)?.acos())),
    Row::new("Acosh", 9, |c| c.like(0, c.float(0)?.acosh())),
    Row::new("Add", 7, |c| binary(c, |a, b| a + b)),
    Row::new("And", 7, |c| one(c.mask(0)? & c.mask(1)?)),
    Row::new("Asin", 7, |c| c.like(0, c.float(0)?.asin())),
    Row::new("Asinh", 9, |c| c.like(0, c.float(0)?.asinh())),
    Row::new("Atan", 7, |c| c.like(0, functions::atan(c.float(0)?))),
    Row::new("Atanh", 9, |c| c.like(0, c.float(0)?.atanh())),
    Row::new("Cast", 1, cast),
    Row::new("CastLike", 15, |c| convert(c, c.element(1)?)),
    Row::new("Ceil", 1, |c| c.like(0, functions::ceil(c.float(0)?))),
    Row::new("Clip", 1, clip),
    Row::new("Cos", 7, |c| c.like(0, c.float(0)?.cos())),
    Row::new("Cosh", 9, |c| c.like(0, c.float(0)?.cosh())),
    Row::new("Div", 7, |c| binary(c, quotient)),
    Row::new("Equal", 7, |c| compare(c, |a, b| a.eq(b))),
    Row::new("Erf", 9, |c| c.like(0, c.float(0)?.erf())),
    Row::new("Exp", 1, |c| c.like(0, c.float(0)?.exp())),
    Row::new("Floor", 1, |c| c.like(0, c.float(0)?.floor())),
    Row::new("Greater", 7, |c| compare(c, |a, b| a.gt(b))),
    Row::new("GreaterOrEqual", 12, |c| compare(c, |a, b| a.ge(b))),
    Row::new("IsInf", 10, is_infinite),
    Row::new("IsNaN", 9, |c| one(functions::isnan(c.float(0)?))),
    Row::new("Less", 7, |c| compare(c, |a, b| a.lt(b))),
    Row::new("LessOrEqual", 12, |c| compare(c, |a, b| a.le(b))),
    Row::new("Log", 1, |c| c.like(0, c.float(0)?.log())),
    Row::new("Max", 1, |c| folded(c, |a, b| a.maximum(b))),
    Row::new("Mean", 1, mean),
    Row::new("Min", 1, |c| folded(c, |a, b| a.minimum(b))),
    Row::new("Mod", 10, modulo),
    Row::new("Mul", 7, |c| binary(c, |a, b| a * b)),
    Row::new("Neg", 1, |c| c.like(0, negative(c.number(0)?))),
    Row::new("Not", 1, |c| one(!c.mask(0)?)),
    Row::new("Or", 7, |c| one(c.mask(0)? | c.mask(1)?)),
    Row::new("Pow", 7, power),
    Row::new("Reciprocal", 1, |c| c.like(0, c.float(0)?.reciprocal())),
    Row::new("Round", 11, |c| c.like(0, c.float(0)?.round())),
    Row::new("Sign", 9, sign),
    Row::new("Sin", 7, |c| c.like(0, c.float(0)?.sin())),
    Row::new("Sinh", 9, |c| c.like(0, c.float(0)?.sinh())),
    Row::new("Sqrt", 1, |c| c.like(0, c.float(0)?.sqrt())),
    Row::new("Sub", 7, |c| binary(c, |a, b| a - b)),
    Row::new("Sum", 1, |c| folded(c, |a, b| a + b)),
    Row::new("Tan", 7, |c| c.like(0, functions::tan(c.float(0)?))),
    Row::new("Where", 9, choose),
    Row::new("Xor", 7, |c| one(functions::logical_xor(c.mask(0)?, c.mask(1)?))),
];

/// `-x`.
pub fn negative(x: Value<'_>) -> Value<'_> {
    if x.dtype() == DType::F32 { -x } else { x * -1 }
}

/// `|x|`.
pub fn magnitude(x: Value<'_>) -> Value<'_> {
    if x.dtype() == DType::F32 { x.abs() } else { x.lt(0).select(x * -1, x) }
}

/// `a / b`, towards 0 for whole numbers.
fn quotient<'g>(a: Value<'g>, b: Value<'g>) -> Value<'g> {
    if a.dtype() == DType::F32 { a / b } else { functions::div_rounded(a, b, "trunc") }
}

/// Two operands of one element type.
fn pair<'g>(c: &Context<'_, 'g>) -> Result<[Value<'g>; 2], Fault> {
    Ok([c.number(0)?, c.number(1)?])
}

fn binary<'g>(c: &Context<'_, 'g>, function: impl Fn(Value<'g>, Value<'g>) -> Value<'g>) -> Results<'g> {
    let [a, b] = pair(c)?;
    c.like(0, function(a, b))
}

fn compare<'g>(c: &Context<'_, 'g>, function: impl Fn(Value<'g>, Value<'g>) -> Value<'g>) -> Results<'g> {
    // Truth values compare as 0 and 1.
    let as_number = |x: Value<'g>| if x.dtype() == DType::Bool { x.convert(DType::I32) } else { x };
    one(function(as_number(c.value(0)?), as_number(c.value(1)?)))
}

/// Any number of operands.
fn folded<'g>(c: &Context<'_, 'g>, function: impl Fn(Value<'g>, Value<'g>) -> Value<'g>) -> Results<'g> {
    let first = c.number(0)?;
    let result = (1..c.count()).try_fold(first, |sum, position| Ok::<_, Fault>(function(sum, c.number(position)?)))?;
    c.like(0, result)
}

fn mean<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let first = c.float(0)?;
    let sum = (1..c.count()).try_fold(first, |sum, position| Ok::<_, Fault>(sum + c.float(position)?))?;
    c.like(0, sum / c.count() as f64)
}

fn modulo<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let [a, b] = pair(c)?;
    let result = if c.flag("fmod", false)? { functions::fmod(a, b) } else { functions::remainder(a, b) };
    c.like(0, result)
}

/// Of whole numbers by f32, whose results are whole ones of 24 bits at most.
fn power<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let [base, exponent] = pair(c)?;
    let exponent = exponent.convert(DType::F32);
    let result = match base.dtype() {
        DType::F32 | DType::Bf16 | DType::U8 | DType::I8 => base.pow(exponent),
        DType::I32 | DType::Bool => base.convert(DType::F32).pow(exponent).round().convert(DType::I32),
    };
    c.like(0, result)
}

fn sign<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.number(0)?;
    let result = match x.dtype() {
        DType::F32 | DType::Bf16 | DType::U8 | DType::I8 => x.sign(),
        DType::I32 | DType::Bool => x.gt(0).convert(DType::I32) - x.lt(0).convert(DType::I32),
    };
    c.like(0, result)
}

fn is_infinite<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.float(0)?;
    let none = x.ne(x) & x.eq(x);
    let side = |wanted: bool, bound: f64| if wanted { x.eq(bound) } else { none };
    one(side(c.flag("detect_positive", true)?, f64::INFINITY)
        | side(c.flag("detect_negative", true)?, f64::NEG_INFINITY))
}

fn clip<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.number(0)?;
    if c.version() < 11 {
        let low = c.float_attribute("min", f64::NEG_INFINITY)?;
        let high = c.float_attribute("max", f64::INFINITY)?;
        return c.like(0, x.clamp(low, high));
    }
    let known = |position: usize| -> Option<f64> {
        let constant = c.tensor(position).ok()?.constant()?;
        if constant.data.len() == 1 { constant.numbers()?.first().copied() } else { None }
    };
    let bound = |position: usize, none: f64| if c.has(position) { known(position) } else { Some(none) };
    if x.dtype() == DType::F32
        && let (Some(low), Some(high)) = (bound(1, f64::NEG_INFINITY), bound(2, f64::INFINITY))
    {
        return c.like(0, x.clamp(low, high));
    }
    let above = if c.has(1) { x.maximum(c.number(1)?) } else { x };
    c.like(0, if c.has(2) { above.minimum(c.number(2)?) } else { above })
}

fn choose<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let (mask, a, b) = (c.mask(0)?, c.value(1)?, c.value(2)?);
    c.like(1, mask.select(a, b))
}

/// The nearest numbers of 16 bits (IEEE binary16), of two as near the even one.
///
/// Added to 1.5 times the power of two that is 2^13 times as large as its own, a number is rounded to 10 digits behind its
/// first; those below 2^-14, the smallest with all digits, to multiples of 2^-24.
fn half(x: Value<'_>) -> Value<'_> {
    let g = x.graph();
    let mut size = x.abs() * 2f64.powi(14);
    // 2^14 times the largest power of two that is not above the number.
    let mut power = g.full(x.shape(), 1.0);
    for places in [16, 8, 4, 2, 1] {
        let bound = 2f64.powi(places);
        let above = size.ge(bound);
        size = above.select(size * (1.0 / bound), size);
        power = above.select(power * bound, power);
    }
    let large = power * 0.75;
    let rounded = (x + large) - large;
    rounded.abs().ge(65536.0).select(rounded * f64::INFINITY, rounded)
}

fn cast<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    convert(c, c.element_of("to")?.ok_or_else(|| Fault::invalid("no attribute `to` is given"))?)
}

/// Whole numbers of 8 and 16 bits keep their lowest bits.
fn convert<'g>(c: &Context<'_, 'g>, to: Element) -> Results<'g> {
    let from = c.element(0)?;
    let carrier = to.carrier().ok_or(Fault::Element(to))?;
    if from == to {
        return Ok(vec![c.item(0)?.clone()]);
    }
    let x = c.value(0)?;
    // They are carried as f32, with as many digits as they have.
    match to.data_type() {
        DataType::Float16 => return one(c.typed(half(x.convert(DType::F32)), to)),
        DataType::Bfloat16 => {
            return one(c.typed(x.convert(DType::F32).convert(DType::Bf16).convert(DType::F32), to));
        }
        _ => {}
    }
    let narrow = to.limits().filter(|(low, high)| high - low < 1 << 17);
    let value = x.convert(carrier);
    let value = match narrow {
        Some((low, high)) if x.dtype() != DType::Bool => {
            let span = (high - low + 1) as i32;
            let low = low as i32;
            functions::remainder(value - low, c.g.scalar_of(DType::I32, f64::from(span))) + low
        }
        _ => value,
    };
    one(c.typed(value, to))
}
