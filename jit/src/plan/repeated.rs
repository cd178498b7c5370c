//! Copies of a state that are made again before the state has changed: weights in the order in which tiles read them, or
//! transformed, of a layer that a step applies more than once. They are made once.
//! It knows which call touches which memory; it does not know what calls compute.

use std::collections::{BTreeSet, HashMap};

use super::assemble::{Memory, Purpose};
use crate::kernel::{Access, Kernel};
use crate::lower::Lowered;
use crate::lower::expression::Storage;

/// What a call computes: its kernel, and what it reads, each with the number of times it was written before.
type Made = (Kernel, Vec<(Storage, usize)>);

/// Removes the calls that compute what an earlier call has computed, from states or from what such calls have made of them,
/// while none of it was written; later calls read the earlier one's results. `kept` are the copies that updates write, too.
pub(super) fn drop_repeated<C>(
    memory: &[Memory],
    kept: &BTreeSet<Storage>,
    calls: &mut Vec<C>,
    lowered: impl Fn(&mut C) -> &mut Lowered,
) {
    let mut writers = vec![0; memory.len()];
    for call in calls.iter_mut() {
        let lowered = lowered(call);
        written(lowered).for_each(|storage| writers[storage] += 1);
    }
    // For each piece of memory how often it was written so far, whether it is made of states alone, and what stands for it.
    let mut versions = vec![0; memory.len()];
    let mut of_states: Vec<bool> = memory.iter().map(|piece| matches!(piece.use_, Purpose::State(_))).collect();
    let mut names: Vec<Storage> = (0..memory.len() as u32).map(Storage).collect();
    let mut made: HashMap<Made, Vec<Storage>> = HashMap::new();
    // What makes each of the kept copies, of which state.
    let mut makers: HashMap<Storage, (Kernel, Storage)> = HashMap::new();
    calls.retain_mut(|call| {
        let lowered = lowered(call);
        lowered.arguments.iter_mut().for_each(|storage| *storage = names[storage.0 as usize]);
        lowered.in_place.iter_mut().for_each(|(to, from)| {
            (*to, *from) = (names[to.0 as usize], names[from.0 as usize]);
        });
        let own = |storage: Storage| {
            let piece = storage.0 as usize;
            memory[piece].use_ == Purpose::Temporary && (writers[piece] == 1 || kept.contains(&storage))
        };
        let reads: Vec<Storage> = arguments(lowered, |access| access == Access::Read).collect();
        let writes: Vec<Storage> = arguments(lowered, |access| access != Access::Read).collect();
        let copies = !reads.is_empty()
            && reads.iter().all(|storage| of_states[storage.0 as usize])
            && lowered.kernel.buffers.iter().all(|buffer| buffer.access != Access::ReadWrite)
            && writes.iter().all(|&storage| own(storage));
        for storage in &writes {
            versions[storage.0 as usize] += 1;
            if !matches!(memory[storage.0 as usize].use_, Purpose::State(_)) {
                of_states[storage.0 as usize] = copies;
            }
        }
        if !copies {
            for &storage in &writes {
                if let Some((kernel, of)) = makers.get(&storage) {
                    made.insert((kernel.clone(), vec![(*of, versions[of.0 as usize])]), vec![storage]);
                }
            }
            return true;
        }
        if let ([from], [to]) = (&reads[..], &writes[..])
            && kept.contains(to)
        {
            makers.insert(*to, (lowered.kernel.clone(), *from));
        }
        let operands = reads.into_iter().map(|storage| (storage, versions[storage.0 as usize])).collect();
        let earlier = made.entry((lowered.kernel.clone(), operands)).or_insert_with(|| writes.clone());
        let repeated = *earlier != writes;
        writes.iter().zip(&*earlier).for_each(|(storage, &name)| names[storage.0 as usize] = name);
        !repeated
    });
}

/// The memory of the arguments that a call touches so.
fn arguments(lowered: &Lowered, access: impl Fn(Access) -> bool) -> impl Iterator<Item = Storage> {
    let touched = lowered.kernel.buffers.iter().map(|buffer| buffer.access).zip(&lowered.arguments);
    touched.filter(move |(touch, _)| access(*touch)).map(|(_, &storage)| storage)
}

fn written(lowered: &Lowered) -> impl Iterator<Item = usize> {
    arguments(lowered, |access| access != Access::Read).map(|storage| storage.0 as usize)
}
