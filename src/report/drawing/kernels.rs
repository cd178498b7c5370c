//! Which kernels of a plan compute which boxes of an outline.

use std::collections::BTreeSet;

use kiln_graph::{Graph, Stage};
use kiln_jit::Plan;
use kiln_jit::kernel::Access;
use kiln_jit::plan::Place;

use super::outline::{Diagram, Outline, Places, chain};

/// Notes at each box the calls of the plan that compute it. The plan is that of the graph, whose scopes passes keep.
pub fn assign(outline: &mut Outline, places: &Places, graph: &Graph, plan: &Plan) {
    let [sources, users] = neighbours(outline);
    for (number, call) in plan.calls.iter().enumerate() {
        let scopes = call.parts.iter().flat_map(|part| chain(graph, part.scope));
        let touched: BTreeSet<usize> = scopes.filter_map(|scope| places.scopes.get(&scope).copied()).collect();
        for part in &call.parts {
            let stage = graph.scopes[part.scope as usize].stage;
            let around = chain(graph, part.scope);
            let scopes = around.iter().filter_map(|scope| places.scopes.get(scope).copied());
            let here = around.last().copied().unwrap_or(0);
            let alike = places.operations.get(&(here, part.operation)).filter(|_| stage != Stage::Update);
            let alike = alike.map_or(&[][..], Vec::as_slice);
            // One of several equal operations outside of layers: that which takes from what else the kernel computes, or
            // else that from which this takes.
            let beside = |others: &[Vec<usize>]| -> Vec<usize> {
                let meant = |item: &&usize| others[**item].iter().any(|other| touched.contains(other));
                alike.iter().filter(meant).copied().collect()
            };
            let mut meant = if alike.len() < 2 { alike.to_vec() } else { beside(&sources) };
            if meant.is_empty() {
                meant = beside(&users);
            }
            for item in scopes.chain(meant) {
                outline.items[item].kernels[position(stage)].insert(number);
            }
        }
        let updates = call.parts.iter().any(|part| graph.scopes[part.scope as usize].stage == Stage::Update);
        let buffers = plan.kernels[call.kernel].buffers.iter().zip(&call.arguments);
        for (_, &slot) in buffers.filter(|(buffer, _)| updates && buffer.access != Access::Read) {
            let Place::State { input } = plan.slots[slot].place else { continue };
            for &item in places.states.get(&plan.inputs[input].name).into_iter().flatten() {
                outline.items[item].kernels[position(Stage::Update)].insert(number);
            }
        }
    }
    let root = outline.root.clone();
    gather(outline, &root);
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
fn gather(outline: &mut Outline, diagram: &Diagram) -> [BTreeSet<usize>; 3] {
    let mut all: [BTreeSet<usize>; 3] = Default::default();
    for &item in &diagram.items {
        if let Some(inside) = outline.items[item].inside.clone() {
            let within = gather(outline, &inside);
            for (kernels, within) in outline.items[item].kernels.iter_mut().zip(within) {
                kernels.extend(within);
            }
        }
        for (all, kernels) in all.iter_mut().zip(&outline.items[item].kernels) {
            all.extend(kernels);
        }
    }
    all
}
