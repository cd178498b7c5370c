//! Graphs within graphs: branches whose condition is known, loops whose count is known, which are written out; steps
//! over sequences.

use kiln_graph::Value;

use super::{Fold, Row};
use crate::constant::{Constant, Data};
use crate::error::Fault;
use crate::read::context::{Context, Results, axis, extent};
use crate::read::graph::Graph;
use crate::read::item::{Item, Tensor};

pub const TABLE: &[Row] = &[
    Row::new("If", 1, branch).fold(Fold::Never),
    Row::new("Loop", 1, repeat).fold(Fold::Never).statics(&[0, 1]),
    Row::new("Scan", 9, scan).fold(Fold::Never),
];

/// What a graph that the node holds gives.
pub fn inner<'a, 'g>(c: &Context<'a, 'g>, graph: &'a Graph, inputs: Vec<Item<'g>>) -> Results<'g> {
    if inputs.len() != graph.inputs.len() {
        return Err(Fault::invalid(format!("{} values for a graph of {} inputs", inputs.len(), graph.inputs.len())));
    }
    // A body without nodes counts, too: a loop of it would not end.
    c.evaluator.count()?;
    c.evaluator.graph(graph, c.scope, inputs).map_err(|error| Fault::Inside(Box::new(error)))
}

/// Whether a condition holds, if that is known.
fn known(item: &Item<'_>) -> Option<bool> {
    let Item::Tensor(tensor) = item else { return None };
    match &tensor.constant()?.data {
        Data::Bools(list) => list.first().copied(),
        Data::Ints(_) | Data::Floats(_) | Data::Texts(_) => None,
    }
}

/// Of a condition that depends on data both branches are computed, if they give the same types.
fn branch<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let (yes, no) = (c.graph("then_branch")?, c.graph("else_branch")?);
    if let Some(holds) = known(c.item(0)?) {
        return inner(c, if holds { yes } else { no }, Vec::new());
    }
    let mask = c.mask(0)?;
    if mask.shape().elements() != 1 {
        return Err(Fault::invalid(format!("a condition of the shape {}", mask.shape())));
    }
    let (yes, no) = (inner(c, yes, Vec::new())?, inner(c, no, Vec::new())?);
    let mut results = Vec::with_capacity(yes.len());
    for (yes, no) in yes.iter().zip(&no) {
        let (Item::Tensor(yes), Item::Tensor(no)) = (yes, no) else { return Err(Fault::NoTensor) };
        let element = yes.element();
        let (yes, no) = (yes.value(c.evaluator)?, no.value(c.evaluator)?);
        if yes.ty() != no.ty() {
            return Err(c.constant(0).err().unwrap_or(Fault::DynamicResult));
        }
        results.push(c.typed(mask.reshape([]).select(yes, no), element));
    }
    Ok(results)
}

/// Tensors of one shape, one behind the other along a new axis.
fn stacked<'g>(c: &Context<'_, 'g>, items: &[Item<'g>], along: i64) -> Result<Item<'g>, Fault> {
    let mut values: Vec<Value<'g>> = Vec::with_capacity(items.len());
    let mut known = Vec::with_capacity(items.len());
    let mut element = None;
    for item in items {
        let Item::Tensor(tensor) = item else { return Err(Fault::NoTensor) };
        element.get_or_insert(tensor.element());
        known.extend(tensor.constant().cloned().filter(|_| !tensor.changes(c.evaluator)));
        let place = axis(along, tensor.shape().rank() + 1)?;
        values.push(tensor.value(c.evaluator)?.unsqueeze(place));
    }
    let (Some(&first), Some(element)) = (values.first(), element) else {
        return Err(Fault::unsupported("results of a loop that does not run"));
    };
    if let Some(other) = values.iter().find(|value| value.ty() != first.ty()) {
        return Err(Fault::invalid(format!("steps that give {} and {}", first.ty(), other.ty())));
    }
    let place = axis(along, first.shape().rank())?;
    let value = c.g.concat(&values, place);
    // Whole numbers in front, as shapes are made of, stay known.
    if place == 0 && known.len() == items.len() && known.iter().all(|constant| matches!(constant.data, Data::Ints(_))) {
        let list = known.iter().filter_map(|constant| constant.whole()).flatten().collect();
        let constant = Constant { element, shape: value.shape().dims().to_vec(), data: Data::Ints(list) };
        return Ok(Item::Tensor(Tensor::known_as(constant.into(), value)));
    }
    Ok(c.typed(value, element))
}

fn repeat<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let body = c.graph("body")?;
    let most = if c.has(0) { Some(c.int(0)?) } else { None };
    let mut goes_on = if c.has(1) { c.ints(1)?.first().is_some_and(|&holds| holds != 0) } else { true };
    let mut carried: Vec<Item<'g>> = c.inputs.get(2..).unwrap_or_default().to_vec();
    let count = carried.len();
    let scanned = body.outputs.len().checked_sub(count + 1);
    let scanned = scanned.ok_or_else(|| Fault::invalid("the body gives fewer values than it takes"))?;
    let mut rows: Vec<Vec<Item<'g>>> = vec![Vec::new(); scanned];
    let mut step = 0;
    while goes_on && most.is_none_or(|most| step < most) {
        let mut inputs = vec![Constant::int(step).into(), Constant::bool(true).into()];
        inputs.append(&mut carried);
        let results = inner(c, body, inputs)?;
        let mut results = results.into_iter();
        let condition = results.next().ok_or_else(|| Fault::invalid("a body without results"))?;
        goes_on = known(&condition).ok_or_else(|| Fault::unsupported("whether the loop goes on depends on data"))?;
        carried = results.by_ref().take(count).collect();
        rows.iter_mut().zip(results).for_each(|(rows, row)| rows.push(row));
        step += 1;
    }
    let mut results = carried;
    for (position, rows) in rows.iter().enumerate() {
        results.push(if rows.is_empty() && !c.wants(count + position) { Item::Absent } else { stacked(c, rows, 0)? });
    }
    Ok(results)
}

fn scan<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let body = c.graph("body")?;
    let sequences = extent(c.int_attribute("num_scan_inputs", 0)?)?;
    let states = c.count().checked_sub(sequences).ok_or_else(|| Fault::invalid("fewer inputs than sequences"))?;
    let outputs = body.outputs.len().checked_sub(states);
    let outputs = outputs.ok_or_else(|| Fault::invalid("the body gives fewer values than there are states"))?;
    let list = |name: &str, length: usize| -> Result<Vec<i64>, Fault> {
        let list = c.ints_of(name)?.unwrap_or_else(|| vec![0; length]);
        if list.len() == length {
            Ok(list)
        } else {
            Err(Fault::invalid(format!("`{name}` has {} numbers", list.len())))
        }
    };
    let (axes, directions) = (list("scan_input_axes", sequences)?, list("scan_input_directions", sequences)?);
    let (output_axes, output_directions) =
        (list("scan_output_axes", outputs)?, list("scan_output_directions", outputs)?);
    let mut taken = Vec::with_capacity(sequences);
    let mut length = None;
    for position in 0..sequences {
        let tensor = c.tensor(states + position)?;
        let along = axis(axes[position], tensor.shape().rank())?;
        let steps = tensor.shape().dim(along);
        if *length.get_or_insert(steps) != steps {
            return Err(Fault::invalid("sequences of several lengths"));
        }
        taken.push((tensor.value(c.evaluator)?, along, tensor.element()));
    }
    let length = length.ok_or_else(|| Fault::invalid("no sequence"))?;
    let mut carried: Vec<Item<'g>> = c.inputs[..states].to_vec();
    let mut rows: Vec<Vec<Item<'g>>> = vec![Vec::new(); outputs];
    for step in 0..length {
        let mut inputs = std::mem::take(&mut carried);
        for (&(value, along, element), direction) in taken.iter().zip(&directions) {
            let place = if *direction == 0 { step } else { length - 1 - step };
            inputs.push(c.typed(value.slice(along, place..place + 1, 1).squeeze(along), element));
        }
        let mut results = inner(c, body, inputs)?.into_iter();
        carried = results.by_ref().take(states).collect();
        rows.iter_mut().zip(results).for_each(|(rows, row)| rows.push(row));
    }
    let mut results = carried;
    for ((mut rows, along), direction) in rows.into_iter().zip(output_axes).zip(output_directions) {
        if direction != 0 {
            rows.reverse();
        }
        results.push(stacked(c, &rows, along)?);
    }
    Ok(results)
}
