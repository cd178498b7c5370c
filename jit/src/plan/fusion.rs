//! From a graph to its groups in the order in which they run. What is computed again stays apart from what was computed
//! before. It knows no memory.

use kiln_graph::Graph;

use super::group::{Fusion, group};
use super::join::join;
use super::order::order;
use super::split::Exchanged;

/// The groups of a graph in the order in which they run; `levels` are those of its exchanges, `times` what
/// [`super::recompute`] has made of it, or nothing.
pub fn fused(graph: &Graph, exchanges: &[Exchanged], levels: &[u32], times: &[u32]) -> Fusion {
    // Nearly no graph has exchanges, or values that are computed again: then groups are not asked, pair by pair, how
    // many they wait for.
    let apart = match (exchanges.is_empty(), times.is_empty()) {
        (true, true) => Vec::new(),
        (_, true) => levels.to_vec(),
        (_, false) => apart(graph, levels, times),
    };
    order(join(graph, group(graph), &apart), exchanges, levels)
}

/// For each node a number that is equal for what may be computed by one kernel: a copy reads what its original reads, so
/// that joining groups would put both into one kernel. Such numbers are levels, as those of exchanges: what has a smaller one
/// runs first.
fn apart(graph: &Graph, levels: &[u32], times: &[u32]) -> Vec<u32> {
    let mut of_times = times.to_vec();
    for id in graph.ids() {
        let of_operands = graph.node(id).inputs.iter().map(|operand| of_times[operand.index()]).max();
        of_times[id.index()] = of_times[id.index()].max(of_operands.unwrap_or(0));
    }
    let most = of_times.iter().copied().max().unwrap_or(0) + 1;
    levels.iter().zip(&of_times).map(|(level, time)| level * most + time).collect()
}
