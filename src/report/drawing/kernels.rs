//! Which kernels of a plan compute which boxes of an outline. It knows plans, and no format of a drawing.

use std::collections::{BTreeSet, HashMap};

use kiln_graph::{Graph, Stage};
use kiln_jit::Plan;
use kiln_jit::kernel::Access;
use kiln_jit::plan::Location;

use super::outline::{Outline, Places, chain};

/// Notes at each box the calls of the plan that compute it. The plan is that of the graph, whose scopes passes keep.
pub fn assign(outline: &mut Outline, places: &Places, graph: &Graph, plan: &Plan) {
    let [sources, users] = neighbours(outline);
    let mut keys: HashMap<usize, (u32, &str)> = HashMap::new();
    for (&key, items) in &places.operations {
        keys.extend(items.iter().map(|&item| (item, key)));
    }
    for (number, call) in plan.calls.iter().enumerate() {
        let scopes = call.parts.iter().flat_map(|part| chain(graph, part.scope));
        let touched: BTreeSet<usize> = scopes.filter_map(|scope| places.scopes.get(&scope).copied()).collect();
        let reached = |by: &[Vec<usize>]| touched.iter().flat_map(|&item| by[item].iter().copied()).collect();
        let (behind, before): (BTreeSet<usize>, BTreeSet<usize>) = (reached(&users), reached(&sources));
        for part in &call.parts {
            let stage = graph.scopes[part.scope as usize].stage;
            let around = chain(graph, part.scope);
            let scopes = around.iter().filter_map(|scope| places.scopes.get(scope).copied());
            let here = around.last().copied().unwrap_or(0);
            let alike = places.operations.get(&(here, part.operation)).filter(|_| stage != Stage::Update);
            let alike = alike.map_or(&[][..], Vec::as_slice);
            // One of several equal operations outside of layers: that which takes from what else the kernel computes, or
            // else that from which this takes.
            let beside = |reached: &BTreeSet<usize>| -> Vec<usize> {
                let is_alike = |item: &&usize| keys.get(*item) == Some(&(here, part.operation));
                reached.iter().filter(is_alike).copied().collect()
            };
            let mut meant = if alike.len() < 2 { alike.to_vec() } else { beside(&behind) };
            if meant.is_empty() && !alike.is_empty() {
                meant = beside(&before);
            }
            for item in scopes.chain(meant) {
                outline.items[item].kernels[position(stage)].insert(number);
            }
        }
        let updates = call.parts.iter().any(|part| graph.scopes[part.scope as usize].stage == Stage::Update);
        let buffers = plan.kernels[call.kernel].buffers.iter().zip(&call.arguments);
        for (_, &slot) in buffers.filter(|(buffer, _)| updates && buffer.access != Access::Read) {
            let Location::State { input } = plan.slots[slot].location else { continue };
            for &item in places.states.get(&plan.inputs[input].name).into_iter().flatten() {
                outline.items[item].kernels[position(Stage::Update)].insert(number);
            }
        }
    }
    gather(outline);
}

/// For each box those that it takes from, and those that take from it.
fn neighbours(outline: &Outline) -> [Vec<Vec<usize>>; 2] {
    let none = vec![Vec::new(); outline.items.len()];
    let [mut sources, mut users] = [none.clone(), none];
    let inner = outline.items.iter().filter_map(|item| item.inside.as_ref());
    for edge in inner.chain([&outline.root]).flat_map(|diagram| &diagram.edges) {
        sources[edge.to].push(edge.from);
        users[edge.from].push(edge.to);
    }
    [sources, users]
}

fn position(stage: Stage) -> usize {
    match stage {
        Stage::Forward => 0,
        Stage::Backward => 1,
        Stage::Update => 2,
    }
}

/// A box is computed by the kernels of those in it, too.
fn gather(outline: &mut Outline) {
    // Boxes come before those in them.
    for number in (0..outline.items.len()).rev() {
        let Some(inside) = outline.items[number].inside.take() else { continue };
        let mut all = std::mem::take(&mut outline.items[number].kernels);
        for &item in &inside.items {
            for (all, kernels) in all.iter_mut().zip(&outline.items[item].kernels) {
                all.extend(kernels);
            }
        }
        outline.items[number].kernels = all;
        outline.items[number].inside = Some(inside);
    }
}
