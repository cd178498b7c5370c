//! What lasts from run to run: values that depend on nothing but states that the plan reads and never writes. The calls
//! that compute them stand at the front of the plan, and run again only once these states have changed. It knows
//! graphs, and which call touches which memory; it does not know what calls compute.

use kiln_graph::op::Op;
use kiln_graph::{Graph, Role};

use super::drafts::Draft;
use super::pieces::{Piece, Purpose};
use crate::kernel::Access;
use crate::lower::Lowered;

/// For each node whether it has the same value in every run of a program between whose runs alone states change: one
/// that updates none. (Where a program updates states, those that it only reads are likely another program's to update,
/// run by run: copies of them are kept, but not weighed as if they were made once.)
pub fn nodes(graph: &Graph) -> Vec<bool> {
    let mut invariant = vec![false; graph.nodes.len()];
    // The recipes of a training step weigh each copy of a weight as if every run made it.
    if !graph.updates.is_empty() {
        return invariant;
    }
    let states = graph.inputs.iter().filter(|input| input.role == Role::State);
    states.for_each(|input| invariant[input.node.index()] = true);
    spread(graph, &mut invariant);
    invariant
}

/// As [`nodes`], of the body of a loop: what does not change from step to step.
pub fn nodes_of_body(body: &Graph) -> Vec<bool> {
    let mut invariant = vec![false; body.nodes.len()];
    for (number, input) in body.inputs.iter().enumerate() {
        let is_updated = body.updates.iter().any(|update| update.input == number);
        invariant[input.node.index()] = input.role == Role::State && !is_updated;
    }
    spread(body, &mut invariant);
    invariant
}

/// What follows from invariant operands alone is invariant.
fn spread(graph: &Graph, invariant: &mut [bool]) {
    // `all` of no operands is true, so that constants are invariant; data inputs are not, as they keep their `false`.
    for id in graph.ids().filter(|&id| graph.node(id).op != Op::Input) {
        invariant[id.index()] = graph.node(id).inputs.iter().all(|operand| invariant[operand.index()]);
    }
}

/// Moves the calls to the front that read and write nothing but invariant memory; says how many they are. The order within them and within the others
/// stays. Outputs may last from run to run, where `outputs_last` says so; the rows of a loop's do not. Calls in loops
/// stay where they are.
pub fn move_to_front(memory: &[Piece], outputs_last: bool, calls: &mut Vec<Draft>) -> usize {
    // Memory lasts if all that is written to it depends on invariant memory: what is written from elsewhere does not,
    // nor what the same calls write, and so on.
    let mut invariant: Vec<bool> = memory
        .iter()
        .map(|piece| match piece.purpose {
            Purpose::Input | Purpose::Given | Purpose::Taken(_) => false,
            Purpose::Output => outputs_last,
            Purpose::Temporary | Purpose::State(_) => true,
        })
        .collect();
    for call in calls.iter() {
        for (storage, access) in touched(&call.lowered) {
            if access != Access::Read && matches!(memory[storage].purpose, Purpose::State(_)) {
                invariant[storage] = false;
            }
        }
    }
    let lasts = |invariant: &[bool], call: &Draft| {
        call.in_loop.is_none() && touched(&call.lowered).all(|(storage, _)| invariant[storage])
    };
    // From all that could last, what can not is taken away until nothing changes. One walk is not enough where a piece
    // is written twice: by call 1 from a state, by call 5 from data. Only then is it seen that call 1 writes what does
    // not last, and that neither does what call 2 makes of it.
    loop {
        let mut changed = false;
        for call in calls.iter() {
            if lasts(&invariant, call) {
                continue;
            }
            for (storage, access) in touched(&call.lowered) {
                changed |= access != Access::Read && std::mem::replace(&mut invariant[storage], false);
            }
        }
        if !changed {
            break;
        }
    }
    // Both keep their order. A call that comes to the front reads states and what lasts, and all that writes what lasts
    // is in front, too: none is moved past a call whose result it reads.
    let (front, rest): (Vec<Draft>, Vec<Draft>) = calls.drain(..).partition(|call| lasts(&invariant, call));
    let prologue = front.len();
    calls.extend(front.into_iter().chain(rest));
    prologue
}

/// The memory of a call's arguments, and what the call does with each.
fn touched(lowered: &Lowered) -> impl Iterator<Item = (usize, Access)> + '_ {
    let access = lowered.kernel.buffers.iter().map(|buffer| buffer.access);
    lowered.arguments.iter().map(|storage| storage.0 as usize).zip(access)
}
