//! In which order groups run: as the nodes stand in the graph, but what the rest waits for, updates of states, and what
//! is handed over to other shards, as early as they can. It knows what groups read and need; it does not know what they
//! compute, nor where values lie.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::group::Fusion;
use super::join::Joined;
use super::split::Exchanged;

/// The groups in an order in which they can run: as the nodes stand in the graph, but scalars and updates of states
/// as early as they can (gradients are still in a cache then, and their memory is free earlier), behind all groups
/// that read the old state where that is possible. What is exchanged comes early, too, so that it is on its way while the
/// rest is computed: the copy of one transposed gradient at the end of a backward pass would keep all buckets waiting.
/// `levels` are those of the exchanges, by nodes.
pub fn order(mut joined: Joined<'_>, exchanges: &[Exchanged], levels: &[u32]) -> Fusion {
    let groups = joined.groups.len();
    // Kahn's algorithm with a heap: `waiting` counts what a group still waits for, `ready` holds those that wait
    // for nothing.
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); groups];
    let mut waiting = vec![0; groups];
    let mut before: Vec<usize> = Vec::new();
    let waits = |joined: &Joined<'_>, number: usize| {
        let group = joined.groups[number].as_ref().expect("a group");
        group.stores.iter().chain(&group.roots).map(|id| levels[id.index()]).max().unwrap_or(0)
    };
    for number in (0..groups).filter(|&number| joined.groups[number].is_some()) {
        before.extend(joined.reads[number].keys().filter_map(|id| joined.of[id.index()]));
        before.sort_unstable();
        before.dedup();
        waiting[number] = before.len();
        before.drain(..).for_each(|needed| users[needed].push(number));
    }
    for update in &joined.graph.updates {
        let writer = joined.of[update.node.index()].expect("updates are stored");
        let state = joined.graph.inputs[update.input].node;
        for &reader in &joined.readers[state.index()] {
            // A wish, not a must: where the reader itself needs the new value, waiting for it would close a circle.
            // Then the new value is written elsewhere first (`in_place`).
            let reader = reader as usize;
            // What waits for a later exchange is no part of this one's calls.
            let is_later = waits(&joined, reader) > waits(&joined, writer);
            if reader != writer && !is_later && joined.needs.add(writer, reader) {
                users[reader].push(writer);
                waiting[writer] += 1;
            }
        }
    }
    let mut is_early = std::mem::take(&mut joined.is_update);
    exchanges.iter().for_each(|exchange| is_early[joined.graph.outputs[exchange.output].node.index()] = true);
    // The heap gives its largest: reversed, those that wait for fewer exchanges, those that are to be early, then those
    // whose nodes stand first in the graph.
    let key = |number: usize| {
        let group = joined.groups[number].as_ref()?;
        let early = group.roots.is_empty() && joined.shape(number).elements() == 1
            || group.stores.iter().all(|id| is_early[id.index()]);
        Some(Reverse((joined.level(number), !early, group.stores.iter().chain(&group.roots).max().copied(), number)))
    };
    let mut ready: BinaryHeap<_> = (0..groups).filter(|&number| waiting[number] == 0).filter_map(key).collect();
    let mut order = Vec::new();
    while let Some(Reverse((.., next))) = ready.pop() {
        for &user in &users[next] {
            waiting[user] -= 1;
            if waiting[user] == 0 {
                ready.extend(key(user));
            }
        }
        order.push(next);
    }
    debug_assert_eq!(order.len(), joined.groups.iter().flatten().count(), "groups depend on each other");
    joined.fusion.groups = order.into_iter().filter_map(|number| joined.groups[number].take()).collect();
    joined.fusion
}
