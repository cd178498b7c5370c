//! Padding and cropping.

use kiln_graph::{DType, Value};

use super::places::at_known;
use super::{Fold, Row};
use crate::error::Fault;
use crate::read::context::{Context, Results, axes, shape};

pub const TABLE: &[Row] = &[
    Row::new("CenterCropPad", 18, center_crop_pad).statics(&[1]),
    Row::new("Pad", 2, pad).fold(Fold::Compute).statics(&[1, 3]),
];

fn pad<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.value(0)?;
    let rank = x.shape().rank();
    let list = if c.version() >= 11 { c.ints(1)? } else { c.ints_of("pads")?.unwrap_or_default() };
    let along = match c.version() >= 18 && c.has(3) {
        true => axes(&c.ints(3)?, rank)?,
        false => (0..rank).collect(),
    };
    if list.len() != 2 * along.len() {
        return Err(Fault::invalid(format!("{} numbers of padding for {} axes", list.len(), along.len())));
    }
    let mode = c.text("mode", "constant")?.to_owned();
    let value = match c.version() {
        ..11 => c.g.scalar_of(x.dtype(), c.float_attribute("value", 0.0)?),
        _ if c.has(2) => c.value(2)?.reshape([]),
        _ => c.g.scalar_of(x.dtype(), 0.0),
    };
    let mut y = x;
    for (number, &axis) in along.iter().enumerate() {
        let (before, behind) = (list[number], list[number + along.len()]);
        let most = kiln_graph::shape::MAX_EXTENT as i64;
        if before.unsigned_abs() > most as u64 || behind.unsigned_abs() > most as u64 {
            return Err(Fault::invalid(format!("{before} and {behind} elements of padding")));
        }
        y = match mode.as_str() {
            "constant" => constant(y, axis, before, behind, value)?,
            "reflect" | "edge" | "wrap" => own(y, axis, before, behind, &mode)?,
            other => return Err(Fault::unsupported(format!("`mode` is `{other}`"))),
        };
    }
    c.like(0, y)
}

/// One value before and behind; less than 0 cuts off.
fn constant<'g>(x: Value<'g>, axis: usize, before: i64, behind: i64, value: Value<'g>) -> Result<Value<'g>, Fault> {
    let inside = x.shape().dim(axis);
    let cut = |number: i64| number.min(0).unsigned_abs() as usize;
    if cut(before) + cut(behind) >= inside {
        return Err(Fault::unsupported(format!("an axis of {inside} of which nothing is left")));
    }
    let x = x.slice(axis, cut(before)..inside - cut(behind), 1);
    let more = |number: i64| {
        let count = number.max(0) as usize;
        let extents = x.shape().with(axis, count);
        shape(extents.dims()).map(|extents| (count > 0).then(|| value.broadcast_to(extents)))
    };
    let parts: Vec<Value<'g>> = [more(before)?, Some(x), more(behind)?].into_iter().flatten().collect();
    if parts.len() == 1 {
        return Ok(x);
    }
    if x.dtype() == DType::F32 {
        // A padding by a scalar is one operation of its own.
        let mut sides = [vec![0; axis + 1], vec![0; axis + 1]];
        sides[0][axis] = before.max(0) as usize;
        sides[1][axis] = behind.max(0) as usize;
        let operation = kiln_graph::op::PadSpec {
            low: std::array::from_fn(|place| sides[0].get(place).copied().unwrap_or(0)),
            high: std::array::from_fn(|place| sides[1].get(place).copied().unwrap_or(0)),
        };
        return Ok(x.graph().apply(kiln_graph::Op::Pad(operation.into()), &[x, value]));
    }
    Ok(x.graph().concat(&parts, axis))
}

/// Elements of its own before and behind.
fn own<'g>(x: Value<'g>, axis: usize, before: i64, behind: i64, mode: &str) -> Result<Value<'g>, Fault> {
    const MOST: i64 = 1 << 20;
    let inside = x.shape().dim(axis) as i64;
    if before + inside + behind <= 0 || before > MOST || behind > MOST || inside > MOST {
        return Err(Fault::unsupported(format!("{before} and {behind} elements around an axis of {inside}")));
    }
    let place = |at: i64| match mode {
        "edge" => at.clamp(0, inside - 1),
        "wrap" => at.rem_euclid(inside),
        _ => {
            let period = 2 * (inside - 1);
            let at = if period == 0 { 0 } else { at.rem_euclid(period) };
            at.min(period - at)
        }
    };
    let places: Vec<usize> = (-before..inside + behind).map(|at| place(at) as usize).collect();
    at_known(x, axis, &places)
}

fn center_crop_pad<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.value(0)?;
    let wanted = c.extents(1)?;
    let rank = x.shape().rank();
    let along = match c.ints_of("axes")? {
        Some(list) => axes(&list, rank)?,
        None => (0..rank).collect(),
    };
    if wanted.len() != along.len() || wanted.contains(&0) {
        return Err(Fault::invalid(format!("extents {wanted:?} of {} axes", along.len())));
    }
    let mut y = x;
    for (&axis, &wanted) in along.iter().zip(&wanted) {
        let inside = y.shape().dim(axis);
        y = if wanted <= inside {
            let start = (inside - wanted) / 2;
            y.slice(axis, start..start + wanted, 1)
        } else {
            let before = ((wanted - inside) / 2) as i64;
            let zero = c.g.scalar_of(x.dtype(), 0.0);
            constant(y, axis, before, (wanted - inside) as i64 - before, zero)?
        };
    }
    c.like(0, y)
}
