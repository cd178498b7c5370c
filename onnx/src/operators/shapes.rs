//! Shapes: what tells them, what changes them, what puts tensors together and takes them apart.

use kiln_graph::{DType, Shape, Value};

use super::{Fold, Row};
use crate::constant::{Constant, Data};
use crate::element::Element;
use crate::error::Fault;
use crate::read::context::{Context, Results, axes, axis, extent, one, shape};
use crate::read::item::{Item, Tensor, written};

pub const TABLE: &[Row] = &[
    Row::new("Concat", 4, concat).fold(Fold::MoveAll),
    Row::new("Constant", 1, |_| Err(Fault::invalid("a constant without a value"))).fold(Fold::Never),
    Row::new("ConstantOfShape", 9, constant_of_shape).statics(&[0]),
    Row::new("Expand", 8, expand).fold(Fold::Move).statics(&[1]),
    Row::new("EyeLike", 9, eye_like).fold(Fold::Never),
    Row::new("Flatten", 1, flatten).fold(Fold::Move),
    Row::new("Identity", 1, |c| Ok(vec![c.item(0)?.clone()])).fold(Fold::Never),
    Row::new("Range", 11, range).fold(Fold::Never).statics(&[0, 1, 2]),
    Row::new("Reshape", 5, reshape).fold(Fold::Move).statics(&[1]),
    Row::new("Shape", 1, shape_of).fold(Fold::Never),
    Row::new("Size", 1, |c| one(Constant::int(c.shape(0)?.elements() as i64))).fold(Fold::Never),
    Row::new("Slice", 1, slice).fold(Fold::Move).statics(&[1, 2, 3, 4]),
    Row::new("Split", 1, split).fold(Fold::Move).statics(&[1]),
    Row::new("Squeeze", 1, squeeze).fold(Fold::Move).statics(&[1]),
    Row::new("Tile", 6, tile).fold(Fold::Move).statics(&[1]),
    Row::new("Transpose", 1, transpose).fold(Fold::Move),
    Row::new("Unsqueeze", 1, unsqueeze).fold(Fold::Move).statics(&[1]),
];

fn shape_of<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let dims: Vec<i64> = c.shape(0)?.dims().iter().map(|&extent| extent as i64).collect();
    let rank = dims.len() as i64;
    let place = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
    let (start, end) = (place(c.int_attribute("start", 0)?), place(c.int_attribute("end", i64::MAX)?));
    one(Constant::ints(dims.get(start..end).unwrap_or_default().to_vec()))
}

fn reshape<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let from = c.shape(0)?;
    let wanted = c.ints(1)?;
    let zeros_stay = !c.flag("allowzero", false)?;
    let mut extents = Vec::with_capacity(wanted.len());
    let mut inferred = None;
    for (position, &number) in wanted.iter().enumerate() {
        extents.push(match number {
            0 if zeros_stay => *from.dims().get(position).ok_or_else(|| {
                Fault::invalid(format!("the shape {wanted:?} keeps an axis that {from} does not have"))
            })?,
            -1 if inferred.is_none() => {
                inferred = Some(position);
                1
            }
            number => extent(number)?,
        });
    }
    let given = shape(&extents)?.elements();
    if let Some(position) = inferred {
        extents[position] = from.elements().checked_div(given).unwrap_or(0);
    }
    let to = shape(&extents)?;
    if to.elements() != from.elements() {
        return Err(Fault::invalid(format!("{from} as the shape {wanted:?}")));
    }
    moved(c, to, |x| x.reshape(to))
}

/// What moves elements, where there may be none.
fn moved<'g>(c: &Context<'_, 'g>, to: Shape, function: impl FnOnce(Value<'g>) -> Value<'g>) -> Results<'g> {
    if to.elements() > 0 {
        return c.like(0, function(c.value(0)?));
    }
    empty(c.element(0)?, to)
}

/// A tensor without elements.
pub fn empty<'g>(element: Element, shape: Shape) -> Results<'g> {
    let data = match element.carrier().ok_or(Fault::Element(element))? {
        DType::F32 | DType::Bf16 => Data::Floats(Vec::new()),
        DType::I32 => Data::Ints(Vec::new()),
        DType::Bool => Data::Bools(Vec::new()),
    };
    one(Constant { element, shape: shape.dims().to_vec(), data })
}

fn flatten<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let from = c.shape(0)?;
    let along = c.int_attribute("axis", 1)?;
    let along = if along == from.rank() as i64 { from.rank() } else { axis(along, from.rank())? };
    let (rows, columns) = from.dims().split_at(along);
    let to = shape(&[rows.iter().product(), columns.iter().product()])?;
    moved(c, to, |x| x.reshape(to))
}

/// Axes as an attribute, before a version, or as the operand behind the first.
pub fn axes_of(c: &Context<'_, '_>, operand_since: i64) -> Result<Option<Vec<i64>>, Fault> {
    if c.version() < operand_since {
        c.ints_of("axes")
    } else if c.has(1) {
        c.ints(1).map(Some)
    } else {
        Ok(None)
    }
}

fn squeeze<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let from = c.shape(0)?;
    let removed = match axes_of(c, 13)? {
        Some(list) => axes(&list, from.rank())?,
        None => (0..from.rank()).filter(|&axis| from.dim(axis) == 1).collect(),
    };
    if let Some(&axis) = removed.iter().find(|&&axis| from.dim(axis) != 1) {
        return Err(Fault::invalid(format!("axis {axis} of {from} has not the extent 1")));
    }
    let kept: Vec<usize> = (0..from.rank()).filter(|axis| !removed.contains(axis)).map(|axis| from.dim(axis)).collect();
    let to = shape(&kept)?;
    moved(c, to, |x| x.reshape(to))
}

fn unsqueeze<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let from = c.shape(0)?;
    let list = axes_of(c, 13)?.ok_or_else(|| Fault::invalid("no axes are given"))?;
    let rank = from.rank().saturating_add(list.len());
    let added = axes(&list, rank)?;
    let mut kept = from.dims().iter();
    let extents: Vec<usize> =
        (0..rank).map(|axis| if added.contains(&axis) { 1 } else { kept.next().copied().unwrap_or(1) }).collect();
    let to = shape(&extents)?;
    moved(c, to, |x| x.reshape(to))
}

fn transpose<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let from = c.shape(0)?;
    let order = match c.ints_of("perm")? {
        Some(list) => axes(&list, from.rank())?,
        None => (0..from.rank()).rev().collect(),
    };
    if order.len() != from.rank() {
        return Err(Fault::invalid(format!("`perm` is {order:?}, but the tensor has {} axes", from.rank())));
    }
    let extents: Vec<usize> = order.iter().map(|&axis| from.dim(axis)).collect();
    moved(c, shape(&extents)?, |x| x.permute(&order))
}

fn expand<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let from = c.shape(0)?;
    let wanted = c.extents(1)?;
    let to = kiln_graph::shape::rules::broadcast("expand", from, shape(&wanted)?)
        .map_err(|error| Fault::Graph(error.into()))?;
    moved(c, shape(to.dims())?, |x| x.broadcast_to(to))
}

fn tile<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let from = c.shape(0)?;
    let repeats = c.extents(1)?;
    if repeats.len() != from.rank() {
        return Err(Fault::invalid(format!("{} repeats for {} axes", repeats.len(), from.rank())));
    }
    let extents: Vec<usize> = from.dims().iter().zip(&repeats).map(|(a, b)| a.saturating_mul(*b)).collect();
    moved(c, shape(&extents)?, |x| kiln_graph::functions::repeat(x, &repeats))
}

/// What lies behind one another along an axis; what has no elements is left out.
fn concat<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let first = c.shape(0)?;
    let along = axis(c.int_of("axis")?.ok_or_else(|| Fault::invalid("no axis is given"))?, first.rank())?;
    let mut extent = 0usize;
    let mut parts = Vec::new();
    for position in 0..c.count() {
        let from = c.shape(position)?;
        if from.rank() != first.rank() {
            return Err(Fault::invalid(format!("{first} and {from} one behind the other")));
        }
        extent += from.dim(along);
        if from.elements() > 0 {
            parts.push(c.value(position)?);
        }
    }
    let to = shape(first.with(along, extent).dims())?;
    moved(c, to, |_| c.g.concat(&parts, along))
}

/// How each axis is cut: the first place, the number of places, the distance between them.
type Cut = (usize, usize, i64);

fn slice<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let from = c.shape(0)?;
    let operands = c.version() >= 10;
    let list = |name: &str, position: usize| -> Result<Option<Vec<i64>>, Fault> {
        match operands {
            true if c.has(position) => c.ints(position).map(Some),
            true => Ok(None),
            false => c.ints_of(name),
        }
    };
    let missing = || Fault::invalid("no `starts` or `ends` are given");
    let starts = list("starts", 1)?.ok_or_else(missing)?;
    let ends = list("ends", 2)?.ok_or_else(missing)?;
    let along = match list("axes", 3)? {
        Some(list) => axes(&list, from.rank())?,
        None => (0..starts.len()).collect(),
    };
    let steps = if operands { list("steps", 4)? } else { None }.unwrap_or_else(|| vec![1; starts.len()]);
    let count = starts.len();
    if count > from.rank() || [ends.len(), along.len(), steps.len()].iter().any(|&other| other != count) {
        return Err(Fault::invalid(format!("`starts`, `ends`, `axes` and `steps` of {from} differ in length")));
    }
    let mut cuts: Vec<(usize, Cut)> = Vec::new();
    let mut extents = from.dims().to_vec();
    for (position, &axis) in along.iter().enumerate() {
        let cut = cut(from.dim(axis), starts[position], ends[position], steps[position])?;
        extents[axis] = cut.1;
        cuts.push((axis, cut));
    }
    moved(c, shape(&extents)?, |x| {
        cuts.iter().fold(x, |x, &(axis, (first, count, step))| {
            let last = (first as i64 + (count as i64 - 1) * step) as usize;
            if step > 0 {
                x.slice(axis, first..last + 1, step as usize)
            } else {
                let part = x.slice(axis, last..first + 1, 1).reverse(axis);
                if step == -1 { part } else { part.slice(axis, 0..first - last + 1, step.unsigned_abs() as usize) }
            }
        })
    })
}

/// The places of `start..end` in steps, as numpy counts them.
fn cut(extent: usize, start: i64, end: i64, step: i64) -> Result<Cut, Fault> {
    if step == 0 {
        return Err(Fault::invalid("a step of 0"));
    }
    let extent = extent as i64;
    let from_front = |place: i64| if place < 0 { place.saturating_add(extent) } else { place };
    let (low, high) = if step > 0 { (0, extent) } else { (-1, extent - 1) };
    let (start, end) = (from_front(start).clamp(low, high), from_front(end).clamp(low, high));
    let distance = if step > 0 { end - start } else { start - end };
    let size = step.unsigned_abs().min(1 << 40) as i64;
    let count = if distance <= 0 { 0 } else { (distance + size - 1) / size };
    Ok((start.max(0) as usize, count as usize, step.clamp(-(1 << 40), 1 << 40)))
}

fn split<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let from = c.shape(0)?;
    let along = axis(c.int_attribute("axis", 0)?, from.rank())?;
    let extent_along = from.dim(along);
    let given = match c.version() {
        ..13 => c.ints_of("split")?,
        _ if c.has(1) => Some(c.ints(1)?),
        _ => None,
    };
    let parts: Vec<usize> = match given {
        Some(list) => list.into_iter().map(extent).collect::<Result<_, _>>()?,
        None => {
            let wanted = match c.int_of("num_outputs")? {
                Some(number) if extent(number)? != c.node.outputs.len() => {
                    return Err(Fault::invalid(format!("{number} parts for {} outputs", c.node.outputs.len())));
                }
                _ => c.node.outputs.len(),
            };
            // The last part is the shorter one.
            let each = extent_along.div_ceil(wanted.max(1)).max(1);
            (0..wanted).map(|part| each.min(extent_along.saturating_sub(part * each))).collect()
        }
    };
    if parts.iter().try_fold(0usize, |sum, &part| sum.checked_add(part)) != Some(extent_along) {
        return Err(Fault::invalid(format!("parts of {parts:?} of an axis of extent {extent_along}")));
    }
    let mut start = 0;
    let mut results = Vec::with_capacity(parts.len());
    for part in parts {
        let to = from.with(along, part);
        results.extend(moved(c, to, |x| x.slice(along, start..start + part, 1))?);
        start += part;
    }
    Ok(results)
}

fn constant_of_shape<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let extents: Vec<usize> = c.ints(0)?.into_iter().map(extent).collect::<Result<_, _>>()?;
    let to = shape(&extents)?;
    let (element, value) = match c.tensor_of("value")? {
        None => (Element::F32, 0.0),
        Some(constant) => {
            let number = constant.uniform().ok_or_else(|| Fault::invalid("`value` is no single number"))?;
            (constant.element, number)
        }
    };
    if to.elements() == 0 {
        return empty(element, to);
    }
    let carrier = element.carrier().ok_or(Fault::Element(element))?;
    one(c.typed(c.g.scalar_of(carrier, value).broadcast_to(to), element))
}

fn eye_like<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let from = c.shape(0)?;
    if from.rank() != 2 {
        return Err(Fault::invalid(format!("a matrix is expected, but the shape is {from}")));
    }
    let element = match c.element_of("dtype")? {
        None => c.element(0)?,
        Some(element) => element,
    };
    let carrier = element.carrier().ok_or(Fault::Element(element))?;
    let diagonal = i32::try_from(c.int_attribute("k", 0)?).map_err(|_| Fault::invalid("`k` is too large"))?;
    let ones = (c.g.iota(from, 0) + diagonal).eq(c.g.iota(from, 1)).convert(carrier);
    one(c.typed(ones, element))
}

/// `start, start + delta, ..` before `limit`.
fn range<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    const MOST: usize = 1 << 24;
    let element = c.element(0)?;
    let bounds = [c.constant(0)?, c.constant(1)?, c.constant(2)?];
    let too_long = |count: f64| Fault::invalid(format!("a range of {count} numbers; there are at most {MOST}"));
    if let [Some(start), Some(limit), Some(delta)] = bounds.map(|bound| bound.whole()) {
        let ([start], [limit], [delta]) = (&start[..], &limit[..], &delta[..]) else {
            return Err(Fault::invalid("the ends and the step of a range are single numbers"));
        };
        if *delta == 0 {
            return Err(Fault::invalid("a step of 0"));
        }
        let distance = i128::from(*limit) - i128::from(*start);
        let count = if distance == 0 || (distance < 0) != (*delta < 0) {
            0
        } else {
            (distance.abs() + i128::from(*delta).abs() - 1) / i128::from(*delta).abs()
        };
        if count > MOST as i128 {
            return Err(too_long(count as f64));
        }
        let numbers = (0..count as i64).map(|place| start.wrapping_add(place.wrapping_mul(*delta))).collect();
        return one(Constant { element, ..Constant::ints(numbers) });
    }
    let (start, limit, delta) = (c.single(0)?, c.single(1)?, c.single(2)?);
    let count = ((limit - start) / delta).ceil().max(0.0);
    if count.is_nan() || count > MOST as f64 {
        return Err(too_long(count));
    }
    let count = count as usize;
    let places = c.g.iota([count.max(1)], 0).convert(DType::F32);
    if count == 0 {
        return empty(element, Shape::new(&[0]));
    }
    let numbers = (0..count).map(|place| (start + place as f64 * delta) as f32).collect();
    let constant = Constant { element, ..Constant::floats(vec![count], numbers) };
    // Long ones are counted by the graph.
    let value = if count <= 16 { written(c.g, &constant)? } else { places * delta + start };
    Ok(vec![Item::Tensor(Tensor::known_as(constant.into(), value))])
}
