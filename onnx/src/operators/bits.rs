//! Bits of whole numbers, by arithmetic on them: a graph has no bits. Those of known numbers are taken as they are.

use kiln_graph::{DType, Value, functions};

use super::{Fold, Row};
use crate::constant::{Constant, Data};
use crate::element::Element;
use crate::error::Fault;
use crate::proto::tensor_proto::DataType;
use crate::read::context::{Context, Results, one};

pub const TABLE: &[Row] = &[
    Row::new("BitCast", 26, cast).fold(Fold::Never).statics(&[0]),
    Row::new("BitShift", 11, shift),
    Row::new("BitwiseAnd", 18, |c| pair(c, |_, _, both| both)),
    Row::new("BitwiseNot", 18, not),
    Row::new("BitwiseOr", 18, |c| pair(c, |a, b, both| a + b - both)),
    Row::new("BitwiseXor", 18, |c| pair(c, |a, b, both| a + b - both * 2)),
];

/// The bits of an element type, and whether it has a sign.
fn width(element: Element) -> Result<(u32, bool), Fault> {
    Ok(match element.data_type() {
        DataType::Int8 => (8, true),
        DataType::Int16 => (16, true),
        DataType::Int32 => (32, true),
        DataType::Int64 => (64, true),
        DataType::Uint8 => (8, false),
        DataType::Uint16 => (16, false),
        DataType::Uint32 => (32, false),
        DataType::Uint64 => (64, false),
        _ => return Err(Fault::Element(element)),
    })
}

/// `floor(x / 2^places)`.
fn right<'g>(x: Value<'g>, places: u32) -> Value<'g> {
    match places {
        0 => x,
        // The sign alone.
        31.. => x.lt(0).convert(DType::I32) * -1,
        _ => functions::div_rounded(x, 1i32 << places, "floor"),
    }
}

/// A bit of each number, 0 or 1.
fn bit<'g>(x: Value<'g>, place: u32) -> Value<'g> {
    right(x, place) - right(x, place + 1) * 2
}

/// What a pair of numbers and the bits that both have make. As all numbers are carried with 32 bits, whose last one is the
/// sign, sums and differences wrap to what the bits say.
fn pair<'g>(c: &Context<'_, 'g>, make: impl Fn(Value<'g>, Value<'g>, Value<'g>) -> Value<'g>) -> Results<'g> {
    let (a, b) = (c.number(0)?, c.number(1)?);
    let (bits, signed) = width(c.element(0)?)?;
    let places = if signed { bits.min(32) } else { bits.min(31) };
    let mut both: Option<Value<'g>> = None;
    for place in 0..places {
        // The last place of a signed type stands for all above it.
        let sign = signed && place + 1 == bits.min(32);
        let [a, b] = if sign { [a, b].map(|x| x.lt(0).convert(DType::I32)) } else { [a, b].map(|x| bit(x, place)) };
        let weight = if sign { (-1i32).wrapping_shl(place) } else { 1 << place };
        let own = a * b * weight;
        both = Some(both.map_or(own, |sum| sum + own));
    }
    let both = both.ok_or(Fault::Element(c.element(0)?))?;
    c.like(0, make(a, b, both))
}

fn not<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.number(0)?;
    match width(c.element(0)?)? {
        (_, true) => c.like(0, x * -1 - 1),
        (bits @ ..32, false) => c.like(0, x * -1 + ((1i32 << bits) - 1)),
        _ => Err(Fault::unsupported("the other bits of numbers that are carried as i32 and have no sign")),
    }
}

fn shift<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let (x, by) = (c.number(0)?, c.number(1)?);
    let element = c.element(0)?;
    let (bits, signed) = width(element)?;
    let to_left = match c.text("direction", "")? {
        "LEFT" => true,
        "RIGHT" => false,
        other => return Err(Fault::invalid(format!("`direction` is `{other}`"))),
    };
    if to_left && (bits == 64 || bits == 32 && !signed) {
        return Err(Fault::unsupported(format!("{element} to the left, whose bits an i32 does not hold")));
    }
    let inside = by.ge(0) & by.lt(bits as i32);
    let clamped = by.maximum(0).minimum(31);
    let mut shifted = x;
    for place in 0..5 {
        let more = bit(clamped, place).eq(1);
        let step = 1u32 << place;
        let next = if to_left { shifted * (1i32 << step) } else { right(shifted, step) };
        shifted = more.select(next, shifted);
    }
    let beyond = if to_left || !signed { c.g.scalar_of(DType::I32, 0.0).broadcast_to(x.shape()) } else { right(x, 31) };
    let result = inside.select(shifted, beyond);
    c.like(0, if to_left { narrowed(result, bits, signed) } else { result })
}

/// The lowest bits alone.
fn narrowed<'g>(x: Value<'g>, bits: u32, signed: bool) -> Value<'g> {
    if bits >= 32 {
        return x;
    }
    let low = if signed { -(1i32 << (bits - 1)) } else { 0 };
    functions::remainder(x - low, 1i32 << bits) + low
}

/// Other numbers of the same bits, which must be known.
fn cast<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let number = c.int_of("to")?.ok_or_else(|| Fault::invalid("no `to` is given"))?;
    let to = i32::try_from(number).ok().and_then(Element::of);
    let to = to.ok_or_else(|| Fault::invalid(format!("element type {number}, which ONNX does not have")))?;
    let from = c.constant(0)?;
    let widths = [from.element, to].map(bits_of);
    let ([Some(here), Some(there)], Some(patterns)) = (widths, patterns(from)) else {
        return Err(Fault::unsupported(format!("the bits of {} as {to}", from.element)));
    };
    if here != there {
        return Err(Fault::invalid(format!("{here} bits as {there}")));
    }
    let data = match to.data_type() {
        DataType::Float => Data::Floats(patterns.iter().map(|&bits| f32::from_bits(bits as u32)).collect()),
        DataType::Bfloat16 => Data::Floats(patterns.iter().map(|&bits| f32::from_bits((bits as u32) << 16)).collect()),
        DataType::Bool => Data::Bools(patterns.iter().map(|&bits| bits != 0).collect()),
        _ => {
            let signed = width(to)?.1;
            // The sign of a narrower number is that of the whole.
            let number = |&bits: &u64| if signed { (bits << (64 - here)) as i64 >> (64 - here) } else { bits as i64 };
            Data::Ints(patterns.iter().map(number).collect())
        }
    };
    one(Constant { element: to, shape: from.shape.clone(), data })
}

/// How many bits the numbers of a type have, if they are carried to the last one.
fn bits_of(element: Element) -> Option<u32> {
    match element.data_type() {
        DataType::Float => Some(32),
        DataType::Bfloat16 => Some(16),
        DataType::Bool => Some(8),
        // A number beyond 2^63 has none in an i64.
        DataType::Uint64 => None,
        _ => width(element).ok().map(|(bits, _)| bits),
    }
}

/// The bits of known numbers.
fn patterns(constant: &Constant) -> Option<Vec<u64>> {
    let bits = bits_of(constant.element)?;
    Some(match &constant.data {
        Data::Floats(list) => list.iter().map(|number| u64::from(number.to_bits()) >> (32 - bits)).collect(),
        Data::Ints(list) => list.iter().map(|&number| number as u64 & (u64::MAX >> (64 - bits))).collect(),
        Data::Bools(list) => list.iter().map(|&holds| u64::from(holds)).collect(),
        Data::Texts(_) => return None,
    })
}
