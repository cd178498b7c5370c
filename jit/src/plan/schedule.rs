//! The last stage: drafts of calls that repeat others are dropped, those that depend on nothing but states come first,
//! memory gets offsets, and equal kernels become one. What comes out is the plan. It knows which memory each call
//! touches; it does not know what calls compute.

use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;

use kiln_graph::{Graph, NodeId, Role};
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::arena::{intervals, keep_apart, offsets, share_memory, touched};
use super::choices::Recipes;
use super::data::{Argument, Bodies, Call, Exchange, Location, Loop, Plan, Slot};
use super::drafts::{Draft, Drafts, Looped};
use super::pieces::{Piece, Purpose};
use super::split::{Exchanged, OfShard, of_shard};
use super::{invariant, prepack};
use crate::cost::sharing::worth_sharing;
use crate::kernel::{Access, Kernel, Moving, RowFootprints, apart_rows};
use crate::lower::Lowered;
use crate::lower::expression::Located;
use crate::target::Target;

/// The plan of some drafts of calls.
pub fn schedule(graph: &Graph, drafts: Drafts, exchanges: &[Exchanged], recipes: Recipes<'_>, target: &Target) -> Plan {
    let Drafts { list: mut drafts, memory, loops, .. } = drafts;
    let pieces = &memory.pieces;
    // The order matters. Calls that repeat others are dropped before lives are counted, which are spans of calls and so
    // want the final order. Only what has a life can take the place of what dies; what is left then gets offsets.
    prepack::drop_repeated(pieces, &mut drafts);
    let prologue = invariant::move_to_front(pieces, true, &mut drafts);
    let levels = calls_of_levels(&drafts, prologue);
    let mut intervals = intervals(pieces, &drafts, prologue, &levels);
    let owner = share_memory(pieces, &drafts, &mut intervals);
    let parts: Vec<usize> = (0..loops.len()).map(|number| parts(&drafts, number, loops[number])).collect();
    let in_loops = touched(&drafts, &owner);
    // Gives the plan's pieces of memory places, those of loops that are cut apart.
    let lay_out = |plan: &mut Plan| {
        let mut intervals = intervals.clone();
        let cut = in_loops.iter().zip(&plan.loops).filter(|(_, looped)| looped.parts > 1);
        cut.for_each(|(touched, _)| keep_apart(touched, &mut intervals));
        let (offsets, invariant_bytes, arena_bytes) = offsets(pieces, &intervals, prologue);
        let slot = |(piece, offset): (&Piece, usize)| {
            let location = match piece.purpose {
                Purpose::State(input) => Location::State { input },
                Purpose::Temporary | Purpose::Input | Purpose::Output | Purpose::Given | Purpose::Taken(_) => {
                    Location::Arena { offset }
                }
            };
            Slot { location, elements: piece.elements, size: piece.size }
        };
        plan.slots = pieces.iter().zip(offsets).map(slot).collect();
        (plan.invariant_bytes, plan.arena_bytes) = (invariant_bytes, arena_bytes);
    };
    let argument = |name: &str, role: Role, node: NodeId| {
        let Located { storage, layout, .. } = memory.place(node);
        // What lies in another piece's memory is named by that one's slot; a piece without an interval has no offset of
        // its own.
        Argument { name: name.to_owned(), role, ty: graph.ty(node), slot: owner[storage.0 as usize], layout }
    };
    let OfShard { levels: of_shard, states: states_of_shard } = of_shard(graph, exchanges);
    let mut plan = Plan {
        name: graph.name.clone(),
        emitter: target.emitter,
        bf16_products: target.bf16_products(),
        kernels: Vec::new(),
        calls: Vec::new(),
        prologue,
        loops: Vec::new(),
        levels,
        of_shard,
        states_of_shard,
        exchanges: Vec::new(),
        contractions: recipes.finish(),
        slots: Vec::new(),
        invariant_bytes: 0,
        arena_bytes: 0,
        inputs: graph.inputs.iter().map(|input| argument(&input.name, input.role, input.node)).collect(),
        outputs: graph.outputs.iter().map(|output| argument(&output.name, Role::Data, output.node)).collect(),
        bodies: Bodies::Kept,
    };
    let mut kernels = Distinct::default();
    let mut in_rows = Vec::new();
    let mut begun = None;
    for Draft {
        lowered: Lowered { kernel, arguments, flops, weight, bytes, in_rows: cut, .. },
        label,
        parts: of,
        in_loop,
        moves,
        ..
    } in drafts
    {
        let iterations = in_loop.map_or(1, |number| loops[number].iterations);
        let parts = in_loop.map_or(1, |number| parts[number]);
        let number = plan.calls.len();
        match plan.loops.last_mut().filter(|_| in_loop.is_some() && in_loop == begun) {
            Some(looped) => looped.calls.end = number + 1,
            None if in_loop.is_some() => plan.loops.push(Loop { calls: number..number + 1, iterations, parts }),
            None => {}
        }
        begun = in_loop;
        // Grid and sharing follow from shapes alone, never from the number of threads: a plan computes the same bits
        // with any.
        let tasks: usize = kernel.grid.iter().product();
        plan.calls.push(Call {
            kernel: kernels.number(kernel),
            arguments: arguments.iter().map(|storage| owner[storage.0 as usize]).collect(),
            moves,
            label,
            parts: of,
            flops: flops * iterations as u64,
            bytes: bytes * iterations as u64,
            parallel: worth_sharing(tasks, weight, bytes),
            in_rows: None,
        });
        in_rows.push(cut.filter(|_| parts > 1));
    }
    plan.kernels = kernels.list.into_iter().map(Arc::unwrap_or_clone).collect();
    lay_out(&mut plan);
    // Memory that is kept apart for nothing would be larger than it need be. Elsewhere it may lie otherwise then, and
    // what was proved is proved again.
    while refuse_row_parts(&mut plan, &in_rows) {
        lay_out(&mut plan);
    }
    take_row_parts(&mut plan, &in_rows);
    plan.exchanges = exchanges.iter().map(|exchange| timed(&plan, *exchange)).collect();
    plan
}

/// The parts of a loop's rows: 1 where some call is not cut, or all iterations together are not worth it.
fn parts(drafts: &[Draft], number: usize, Looped { iterations, parts }: Looped) -> usize {
    let of_loop = || drafts.iter().filter(|draft| draft.in_loop == Some(number)).map(|draft| &draft.lowered);
    let all = |of: fn(&Lowered) -> u64| of_loop().map(of).sum::<u64>() * iterations as u64;
    let is_cut = of_loop().all(|lowered| lowered.in_rows.is_some());
    if is_cut && worth_sharing(parts, all(|lowered| lowered.weight), all(|lowered| lowered.bytes)) { parts } else { 1 }
}

/// Leaves loops whole of whose parts of rows it is not proved that they are apart; whether there are such.
fn refuse_row_parts(plan: &mut Plan, in_rows: &[Option<Arc<Kernel>>]) -> bool {
    let is_refused = |Loop { calls, iterations, parts }: &Loop| {
        let cut = in_rows[calls.clone()].iter().flatten();
        let footprints: Vec<RowFootprints> = cut.map(|kernel| RowFootprints::of(kernel)).collect();
        let places = plan.calls[calls.clone()].iter().map(|call| plan.places(call));
        let of_calls: Vec<(&RowFootprints, Vec<Moving>)> = footprints.iter().zip(places).collect();
        footprints.len() < calls.len() || apart_rows(&of_calls, *iterations) != Some(*parts)
    };
    let cut = (0..plan.loops.len()).filter(|&number| plan.loops[number].parts > 1);
    let refused: Vec<usize> = cut.filter(|&number| is_refused(&plan.loops[number])).collect();
    refused.iter().for_each(|&number| plan.loops[number].parts = 1);
    !refused.is_empty()
}

/// Takes the kernels that compute the calls of loops in parts of rows; behind the other kernels, so that a program of one
/// thread can do without.
fn take_row_parts(plan: &mut Plan, in_rows: &[Option<Arc<Kernel>>]) {
    for number in 0..plan.loops.len() {
        let Loop { calls, parts, .. } = plan.loops[number].clone();
        for call in calls.filter(|_| parts > 1) {
            let kernel = in_rows[call].as_deref().expect("each call is cut");
            let known = plan.kernels.iter().position(|other| other == kernel);
            plan.calls[call].in_rows = known.or(Some(plan.kernels.len()));
            plan.kernels.extend(known.is_none().then(|| kernel.clone()));
        }
    }
}

/// The calls that wait for as many exchanges, one after the other, as a level's number says; without exchanges all.
fn calls_of_levels(drafts: &[Draft], prologue: usize) -> Vec<Range<usize>> {
    let last = drafts.iter().map(|draft| draft.level).max().unwrap_or(0);
    let mut start = prologue;
    let calls = (0..=last).map(|level| {
        let end = start + drafts[start..].iter().take_while(|draft| draft.level <= level).count();
        std::mem::replace(&mut start, end)..end
    });
    calls.collect()
}

/// An exchange, with the calls between which it takes place.
fn timed(plan: &Plan, Exchanged { number, output, input, when }: Exchanged) -> Exchange {
    let taken = plan.inputs[input].slot;
    let ready = |output: usize| {
        let given = plan.outputs[output].slot;
        let writes = |call: &Call| {
            let buffers = &plan.kernels[call.kernel].buffers;
            let mut arguments = call.arguments.iter().zip(buffers);
            arguments.any(|(&slot, buffer)| slot == given && buffer.access != Access::Read)
        };
        plan.calls.iter().rposition(writes).map_or(0, |call| call + 1)
    };
    let needed = plan.calls.iter().position(|call| call.arguments.contains(&taken));
    let ready = when.map_or(0, ready).max(ready(output));
    Exchange { number, output, input, when, ready, needed: needed.unwrap_or(plan.calls.len()) }
}

/// The distinct kernels of a plan, with their positions.
#[derive(Default)]
struct Distinct {
    list: Vec<Arc<Kernel>>,
    /// By what [`sketch`] says of them.
    known: FxHashMap<u64, Vec<usize>>,
}

impl Distinct {
    /// The position of a kernel.
    fn number(&mut self, kernel: Arc<Kernel>) -> usize {
        // Comparing two kernels walks through all of their statements; most that differ are told apart by the sketch.
        let alike = self.known.entry(sketch(&kernel)).or_default();
        if let Some(&number) = alike.iter().find(|&&number| self.list[number] == kernel) {
            return number;
        }
        alike.push(self.list.len());
        self.list.push(kernel);
        self.list.len() - 1
    }
}

/// A hash of what is quickly seen of a kernel.
fn sketch(kernel: &Kernel) -> u64 {
    let Kernel { name, buffers, grid, values, .. } = kernel;
    FxBuildHasher.hash_one((name, buffers, grid, values.len()))
}
