//! Which states are updated in their own memory, and in which piece of memory every value of a graph lies: decided
//! once, before anything is lowered. A state's new value is written in the state's place if nothing is read there
//! afterwards that must still be the old one:
//! - no later group reads the state;
//! - the group that writes it reads it at the place that it writes alone, before it does, and not as an operand that is
//!   read at any place;
//! - the value may lie as the state does.
//!
//! Else it is written elsewhere first, and copied at the end. It knows groups and what they read and write; it writes
//! no kernel.

use kiln_graph::{Graph, NodeId, Role};
use rustc_hash::{FxHashMap, FxHashSet};

use super::group::Fusion;
use super::layouts::ValueLayout;
use super::pieces::{Memory, Purpose};
use super::split::Exchanged;
use crate::lower::expression::{Affine, Expression, Storage, Store, Term};
use crate::lower::{Class, Context, Described, Group, OfNodes, Writing, class, describe};

/// Where every value lies, and what is copied to states at the end: the values, with the number of the state's input.
pub struct Placement {
    /// The memory.
    pub memory: Memory,
    /// Written elsewhere, and copied to the state at the end of a run.
    pub copies: Vec<(NodeId, usize)>,
    /// What groups compute that write states, by their positions: they were described to decide, and need not be again.
    pub described: Vec<Option<Box<Described>>>,
}

/// Decides for all groups; `members` are the nodes that each computes, `layouts` how each value lies.
pub fn place(
    graph: &Graph,
    fusion: &Fusion,
    members: &[Vec<NodeId>],
    layouts: &OfNodes<ValueLayout>,
    invariant: &[bool],
    (exchanges, levels): (&[Exchanged], &[u32]),
    exact: bool,
) -> Placement {
    let layout = |id: NodeId| *layouts.get(id).expect("inputs and stored values have layouts");
    let mut memory = Memory::new(graph.nodes.len());
    for (number, input) in graph.inputs.iter().enumerate() {
        let purpose = match input.role {
            Role::State => Purpose::State(number),
            Role::Data if exchanges.iter().any(|exchange| exchange.input == number) => {
                Purpose::Taken(levels[input.node.index()])
            }
            Role::Data => Purpose::Input,
        };
        memory.locate(graph, input.node, layout(input.node), purpose);
    }
    let readers = last_readers(graph, members);
    let updated: FxHashMap<NodeId, usize> =
        graph.updates.iter().rev().map(|update| (update.node, update.input)).collect();
    let outputs: FxHashSet<NodeId> = graph.outputs.iter().map(|output| output.node).collect();
    let given: FxHashSet<NodeId> = exchanges.iter().map(|exchange| graph.outputs[exchange.output].node).collect();
    let mut copies = Vec::new();
    for (position, group) in fusion.groups.iter().enumerate() {
        for &id in &group.stores {
            if let Some(&input) = updated.get(&id) {
                let state = graph.inputs[input].node;
                // A value that a reshape flattens has to lie in its own order.
                // Written over w, the new value takes the place of the old one for all that runs later:
                //   group 3: w' = w - g        over w
                //   group 5: y = x . w         would be x . w'
                // So a later reader sends w' to memory of its own, from which it is copied when the run is over.
                let lies_well = !fusion.row_major[id.index()] || layout(state) == layout(id);
                if lies_well && readers[state.index()].is_none_or(|last| last <= position) {
                    memory.located.set(id, memory.place(state));
                    continue;
                }
                copies.push((id, input));
            }
            let purpose = match (given.contains(&id), outputs.contains(&id)) {
                (true, _) => Purpose::Given,
                (false, true) => Purpose::Output,
                (false, false) => Purpose::Temporary,
            };
            memory.locate(graph, id, layout(id), purpose);
        }
    }
    let mut described: Vec<Option<Box<Described>>> = fusion.groups.iter().map(|_| None).collect();
    for (position, group) in fusion.groups.iter().enumerate() {
        // Within a group order does not help: its tasks run side by side. What a group reads at which places is said by
        // its description, which wants to know where all values lie; so this comes behind the loop above. Each iteration
        // takes one value out of a state's memory, so that it ends; a group that updates several states may take
        // several.
        loop {
            let context = Context { graph, located: &memory.located, halos: &memory.halos, invariant, exact };
            let Some(found) = writing_states(&context, group, &memory) else { break };
            let Some(storage) = clash(&found, |storage| memory.is_state(storage)) else {
                described[position] = Some(found.into());
                break;
            };
            let clashing = group.stores.iter().copied().find(|&id| memory.place(id).storage == storage);
            let id = clashing.expect("the group writes the state");
            memory.locate(graph, id, layout(id), Purpose::Temporary);
            copies.push((id, updated[&id]));
            // Others may read the value that lies elsewhere now.
            described.iter_mut().for_each(|described| *described = None);
        }
    }
    copies.sort_unstable();
    Placement { memory, copies, described }
}

/// For each input the position of the last group that reads it.
fn last_readers(graph: &Graph, members: &[Vec<NodeId>]) -> Vec<Option<usize>> {
    let mut readers = vec![None; graph.nodes.len()];
    for (position, members) in members.iter().enumerate() {
        for id in members {
            for operand in &graph.node(*id).inputs {
                if class(graph, *operand) == Class::Input {
                    readers[operand.index()] = Some(position);
                }
            }
        }
    }
    readers
}

/// What a group computes, if it writes states.
fn writing_states(context: &Context<'_>, group: &Group, memory: &Memory) -> Option<Described> {
    let in_states = |id: &&NodeId| memory.is_state(memory.place(**id).storage);
    group.stores.iter().find(in_states).map(|_| describe(context, group))
}

/// A state that is written although it is read at other places than those that are written, or at these after they
/// were.
fn clash(described: &Described, is_state: impl Fn(Storage) -> bool) -> Option<Storage> {
    let anywhere = described.read_anywhere();
    let clash = |expression: &Expression| {
        let storage = |argument: usize| expression.arguments[argument].storage;
        let written = |argument: usize| expression.arguments[argument].written && is_state(storage(argument));
        let elsewhere = |argument: usize, access: &Affine| {
            // `w'[i, j] = 0.9 * w[i, j]` loads the element that it stores, before it does: right. `w'[i, j] = w[i, j] +
            // w[j, i]` over w would load some elements that another iteration has stored: new values taken for old
            // ones, and which of them they are depends on the order of the loops and on the threads.
            let elsewhere = |store: &Store| store.argument == argument && store.access != *access;
            // Where a result is written several times (cleared, then added to; or box by box), the first write has
            // destroyed what the next ones load, even from the same place.
            described.writing == Writing::Repeated || expression.stores.iter().any(elsewhere)
        };
        for term in &expression.terms {
            if let Term::Load { argument, access } = term
                && written(*argument)
                && elsewhere(*argument, access)
            {
                return Some(storage(*argument));
            }
        }
        // Operands of a contraction and what a gather reads are no terms. `w' = w - lr * dot(w, s)` over w would
        // multiply rows of w by s of which a tile before has written some.
        (0..expression.arguments.len()).find(|&a| written(a) && anywhere.contains(&storage(a))).map(storage)
    };
    described.expressions().find_map(clash)
}
