//! Lists of tensors, and values that may be absent: of lengths that are known.

use super::flow::inner;
use super::{Fold, Row};
use crate::constant::Constant;
use crate::error::Fault;
use crate::read::context::{Context, Results, axis, extent, one};
use crate::read::item::Item;

/// As many tensors as an axis is split to, at most.
const MOST: usize = 4096;

pub const TABLE: &[Row] = &[
    Row::new("ConcatFromSequence", 11, concat).fold(Fold::Never),
    Row::new("Optional", 15, |c| Ok(vec![c.inputs.first().cloned().unwrap_or(Item::Absent)])).fold(Fold::Never),
    Row::new("OptionalGetElement", 15, |c| Ok(vec![c.item(0)?.clone()])).fold(Fold::Never),
    Row::new("OptionalHasElement", 15, |c| one(Constant::bool(c.has(0)))).fold(Fold::Never),
    Row::new("SequenceAt", 11, |c| Ok(vec![list(c)?[place(c, 1, 0)?].clone()])).fold(Fold::Never).statics(&[1]),
    Row::new("SequenceConstruct", 11, construct).fold(Fold::Never),
    Row::new("SequenceEmpty", 11, |_| Ok(vec![Item::Sequence(Vec::new())])).fold(Fold::Never),
    Row::new("SequenceErase", 11, erase).fold(Fold::Never).statics(&[1]),
    Row::new("SequenceInsert", 11, insert).fold(Fold::Never).statics(&[2]),
    Row::new("SequenceLength", 11, |c| one(Constant::int(list(c)?.len() as i64))).fold(Fold::Never),
    Row::new("SequenceMap", 17, map).fold(Fold::Never),
    Row::new("SplitToSequence", 11, split).fold(Fold::Never).statics(&[1]),
];

fn list<'a, 'g>(c: &Context<'a, 'g>) -> Result<&'a [Item<'g>], Fault> {
    match c.inputs.first() {
        Some(Item::Sequence(list)) => Ok(list),
        Some(Item::Absent | Item::Tensor(_)) | None => Err(Fault::invalid("a sequence is expected")),
    }
}

/// A place in the list, which may count from the end; `more` are allowed behind it.
fn place(c: &Context<'_, '_>, position: usize, more: usize) -> Result<usize, Fault> {
    axis(c.int(position)?, list(c)?.len() + more)
}

/// A list of tensors: there are no lists of lists.
fn construct<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    for position in 0..c.inputs.len() {
        c.tensor(position)?;
    }
    Ok(vec![Item::Sequence(c.inputs.to_vec())])
}

fn erase<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let mut items = list(c)?.to_vec();
    let at = if c.has(1) { place(c, 1, 0)? } else { items.len().wrapping_sub(1) };
    if at >= items.len() {
        return Err(Fault::invalid("an empty sequence"));
    }
    items.remove(at);
    Ok(vec![Item::Sequence(items)])
}

fn insert<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let mut items = list(c)?.to_vec();
    let at = match c.has(2) {
        true if c.int(2)? < 0 => place(c, 2, 0)?,
        true => place(c, 2, 1)?,
        false => items.len(),
    };
    items.insert(at, Item::Tensor(c.tensor(1)?.clone()));
    Ok(vec![Item::Sequence(items)])
}

fn concat<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let new = c.flag("new_axis", false)?;
    let along = c.int_of("axis")?.ok_or_else(|| Fault::invalid("no axis is given"))?;
    let mut parts = Vec::new();
    let mut element = None;
    for item in list(c)? {
        let Item::Tensor(tensor) = item else { return Err(Fault::NoTensor) };
        element.get_or_insert(tensor.element());
        let value = tensor.value(c.evaluator)?;
        parts.push(if new { value.unsqueeze(axis(along, value.shape().rank() + 1)?) } else { value });
    }
    let (Some(first), Some(element)) = (parts.first(), element) else {
        return Err(Fault::invalid("an empty sequence"));
    };
    let along = axis(along, first.shape().rank())?;
    Ok(vec![c.typed(c.g.concat(&parts, along), element)])
}

fn split<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.value(0)?;
    let element = c.element(0)?;
    let along = axis(c.int_attribute("axis", 0)?, x.shape().rank())?;
    let inside = x.shape().dim(along);
    let single = !c.has(1);
    let each = match single || c.shape(1)?.rank() > 0 {
        true => 1,
        false => extent(c.int(1)?)?.max(1),
    };
    if inside.div_ceil(each) > MOST && (single || c.shape(1)?.rank() == 0) {
        return Err(Fault::unsupported(format!("a list of more than {MOST} tensors")));
    }
    let parts: Vec<usize> = if single {
        vec![1; inside]
    } else if c.shape(1)?.rank() == 0 {
        (0..inside.div_ceil(each)).map(|part| each.min(inside - part * each)).collect()
    } else {
        c.extents(1)?
    };
    if parts.contains(&0) || parts.iter().try_fold(0usize, |sum, part| sum.checked_add(*part)) != Some(inside) {
        return Err(Fault::invalid(format!("parts of {parts:?} of an axis of extent {inside}")));
    }
    let squeezed = single && !c.flag("keepdims", true)?;
    let mut start = 0;
    let items = parts.into_iter().map(|part| {
        let piece = x.slice(along, start..start + part, 1);
        start += part;
        c.typed(if squeezed { piece.squeeze(along) } else { piece }, element)
    });
    Ok(vec![Item::Sequence(items.collect())])
}

/// A graph's results for each item of a list; other operands are items of lists, or the same for all.
fn map<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let body = c.graph("body")?;
    let mut results: Vec<Vec<Item<'g>>> = vec![Vec::new(); body.outputs.len()];
    for number in 0..list(c)?.len() {
        let item = |item: &Item<'g>| match item {
            Item::Sequence(list) => list.get(number).cloned().ok_or_else(|| Fault::invalid("lists of several lengths")),
            Item::Absent | Item::Tensor(_) => Ok(item.clone()),
        };
        let inputs = c.inputs.iter().map(item).collect::<Result<Vec<_>, _>>()?;
        for (list, item) in results.iter_mut().zip(inner(c, body, inputs)?) {
            match item {
                Item::Tensor(_) => list.push(item),
                Item::Absent | Item::Sequence(_) => return Err(Fault::NoTensor),
            }
        }
    }
    Ok(results.into_iter().map(Item::Sequence).collect())
}
