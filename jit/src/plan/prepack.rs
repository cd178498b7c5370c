//! Prepacked weights: copies of a state that would be made again before the state has changed, in the order in which
//! tiles read them, or transformed, of a layer that a program applies more than once. They are made once. It knows
//! which call touches which memory; it does not know what calls compute.

use rustc_hash::FxHashMap;

use crate::kernel::Access;
use crate::lower::Lowered;
use crate::lower::expression::Storage;
use crate::plan::drafts::Draft;
use crate::plan::pieces::{Piece, Purpose};

/// What a call reads, each with the number of times it was written before.
type Read = Vec<(Storage, usize)>;

/// Calls that read the same, by their positions: each computes something else, and what holds it.
type Computed = Vec<(usize, Vec<Storage>)>;

/// Removes the calls that compute what an earlier call has computed, from states or from what such calls have made of
/// them, while none of it was written; later calls read the earlier one's results.
pub fn drop_repeated(memory: &[Piece], calls: &mut Vec<Draft>) {
    // The calls are walked through once, in order:
    //   pack w -> p1,  dot x p1     first of version 0 of w
    //   pack w -> p2,  dot y p2     repeats: dropped, and p2 is another name of p1 from here on
    //   update w                    version 1
    //   pack w -> p3,  dot z p3     reads another version: stays
    let mut writers = vec![0; memory.len()];
    for call in calls.iter() {
        written(&call.lowered).for_each(|storage| writers[storage] += 1);
    }
    // For each piece of memory how often it was written so far, whether it is made of states alone, what stands for it.
    let mut versions = vec![0; memory.len()];
    let mut of_states: Vec<bool> = memory.iter().map(|piece| matches!(piece.purpose, Purpose::State(_))).collect();
    let mut names: Vec<Storage> = (0..memory.len() as u32).map(Storage).collect();
    let mut computed: FxHashMap<Read, Computed> = FxHashMap::default();
    let mut repeats = vec![false; calls.len()];
    for number in 0..calls.len() {
        // What a loop reads and writes are other places in each iteration; what is made again need not lie in memory
        // until then.
        let once = calls[number].in_loop.is_none() && !calls[number].again;
        let lowered = &mut calls[number].lowered;
        lowered.arguments.iter_mut().for_each(|storage| *storage = names[storage.0 as usize]);
        lowered.in_place.iter_mut().for_each(|(to, from)| {
            (*to, *from) = (names[to.0 as usize], names[from.0 as usize]);
        });
        let own = |storage: Storage| {
            let piece = storage.0 as usize;
            // Memory that another call writes as well may hold something else when a later call wants to read it.
            memory[piece].purpose == Purpose::Temporary && writers[piece] == 1
        };
        let reads: Vec<Storage> = arguments(lowered, |access| access == Access::Read).collect();
        let writes: Vec<Storage> = arguments(lowered, |access| access != Access::Read).collect();
        let copies = once
            && !reads.is_empty()
            && reads.iter().all(|storage| of_states[storage.0 as usize])
            && lowered.kernel.buffers.iter().all(|buffer| buffer.access != Access::ReadWrite)
            && writes.iter().all(|&storage| own(storage));
        for storage in &writes {
            // Counted for all that is written: a copy of a copy reads another version, too, once the first is made
            // anew.
            versions[storage.0 as usize] += 1;
            if !matches!(memory[storage.0 as usize].purpose, Purpose::State(_)) {
                of_states[storage.0 as usize] = copies;
            }
        }
        if !copies {
            continue;
        }
        let operands = reads.into_iter().map(|storage| (storage, versions[storage.0 as usize])).collect();
        let others = computed.entry(operands).or_default();
        let equal = |&&(other, _): &&(usize, _)| calls[other].lowered.kernel == calls[number].lowered.kernel;
        match others.iter().find(equal) {
            Some((_, earlier)) => {
                repeats[number] = true;
                writes.iter().zip(earlier).for_each(|(storage, &name)| names[storage.0 as usize] = name);
            }
            None => others.push((number, writes)),
        }
    }
    let mut repeats = repeats.into_iter();
    calls.retain(|_| !repeats.next().expect("as many as calls"));
}

/// The memory of the arguments that a call touches so.
fn arguments(lowered: &Lowered, access: impl Fn(Access) -> bool) -> impl Iterator<Item = Storage> {
    let touched = lowered.kernel.buffers.iter().map(|buffer| buffer.access).zip(&lowered.arguments);
    touched.filter(move |(touch, _)| access(*touch)).map(|(_, &storage)| storage)
}

fn written(lowered: &Lowered) -> impl Iterator<Item = usize> {
    arguments(lowered, |access| access != Access::Read).map(|storage| storage.0 as usize)
}
