//! A plan within a limit of memory: which values of a graph are computed again where they are read late, instead of
//! lying in memory until then (`kiln_graph::passes::recompute` writes the graph). It knows groups, their order, and
//! when each value lies in memory, by an estimate; it asks for a plan to know it exactly. It writes no kernel.
//!
//! The search, by the marginal utility of Chen et al. ("Training deep nets with sublinear memory cost", 2016) and
//! Kirisame et al. ("Dynamic tensor rematerialization", 2021), but before the first step: at the moment at which most
//! memory is taken, of the values that lie there only for later, those go that give the most bytes for the time to
//! compute them again; values that would have to be computed one after the other count as one, so that what stays is
//! spread over the network.
//!
//! ```text
//!   bytes                 .-- the fullest moment
//!     |            ______|__
//!     |      _____|......|..|_____        ... a value that is made early, read by the forward pass, and then
//!     |  ___|............|........|___        not before its layer's backward pass: a candidate
//!     '--------------------------------> calls
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::Range;

use kiln_graph::op::{CompareOp, Family, Op};
use kiln_graph::passes::{Recomputed, recompute};
use kiln_graph::{Graph, NodeId, Role, Shape};
use rustc_hash::{FxHashMap, FxHashSet};

use super::data::Plan;
use super::fusion::fused;
use super::split::{exchanges, levels};
use crate::cost::params::recompute::{EXTENDED, FLOPS_PER_BYTE, LEAST, PART, ROUNDS, STEPS};
use crate::lower::expression::element;

/// A plan of the graph whose memory (states and arena) is at most `limit` bytes, if one is found. It is `bytes` in the
/// plan in which everything lies in memory until it is read last; `planned` makes that of another graph.
///
/// # Errors
/// Bytes that are enough: the same for all limits.
pub fn within(
    graph: &Graph,
    (bytes, scratch): (usize, Vec<u64>),
    limit: usize,
    planned: impl Fn(&Graph, &[u32]) -> (Plan, Vec<u64>),
) -> Result<Plan, usize> {
    let mut search = Search::new(graph);
    search.take_scratch(&scratch);
    let mut now = search.now();
    // What is dropped, and in which order, does not depend on the limit: so the end of the search is the same for all
    // limits, and that of which an error tells is met.
    let mut best = (now.lives.fullest().1, search.dropped.clone());
    // Bytes that the estimate has to come down to: it does not know which values take others' places.
    let mut aim = best.0.saturating_sub(bytes.saturating_sub(limit) as u64);
    for round in 1..=ROUNDS {
        let mut fullest = now.lives.fullest().1;
        while (fullest > aim || round == ROUNDS) && search.drop_some(&now) {
            now = search.now();
            fullest = now.lives.fullest().1;
            if fullest < best.0 {
                best = (fullest, search.dropped.clone());
            }
        }
        if fullest > aim || round == ROUNDS {
            break;
        }
        let plan = planned(&now.of.graph, &now.of.times).0;
        let over = plan.peak_bytes().saturating_sub(limit);
        if over == 0 {
            return Ok(plan);
        }
        aim = fullest.saturating_sub(over as u64);
    }
    // There is nothing more to drop: the best that was met may do all the same.
    search.dropped = best.1;
    now = search.now();
    let plan = planned(&now.of.graph, &now.of.times).0;
    match plan.peak_bytes() {
        least if least <= limit => Ok(plan),
        least => Err(least.min(bytes)),
    }
}

/// The first reader of what only copies read.
const NOBODY: NodeId = NodeId(u32::MAX);

/// A graph on the way, and when its values lie in memory.
struct Now {
    of: Recomputed,
    lives: Lives,
    /// For each node of the graph at first: where it is now.
    places: FxHashMap<NodeId, usize>,
}

impl Now {
    fn new(of: Recomputed, scratch: &FxHashMap<NodeId, u64>) -> Now {
        let lives = Lives::new(&of, scratch);
        let originals = of.times.iter().zip(&of.origins).enumerate().filter(|(_, (time, _))| **time == 0);
        let places = originals.map(|(place, (_, &origin))| (origin, place)).collect();
        Now { of, lives, places }
    }

    /// The position of a node's original, if its value lies in memory.
    fn place(&self, id: NodeId) -> Option<usize> {
        self.places.get(&id).copied().filter(|&place| self.lives.stored[place])
    }
}

/// When values lie in memory, by the groups of a graph in the order in which they run.
struct Lives {
    /// For each node whether it lies in memory; scans count, whose results do.
    stored: Vec<bool>,
    /// Of a stored node: the group that makes it.
    made: Vec<usize>,
    /// Of a node in memory: the stored nodes that read it, each with the position of its group, in order.
    readers: Vec<Vec<(usize, NodeId)>>,
    /// Bytes of a stored node that has memory of its own.
    bytes: Vec<u64>,
    /// The first node that each group stores, and bytes of its scratch memory.
    groups: Vec<NodeId>,
    scratch: Vec<u64>,
}

impl Lives {
    fn new(of: &Recomputed, scratch: &FxHashMap<NodeId, u64>) -> Lives {
        let graph = &of.graph;
        let exchanges = exchanges(graph);
        let levels = levels(graph, &exchanges);
        // Nothing is apart where nothing is computed again.
        let times: &[u32] = if of.times.iter().all(|&time| time == 0) { &[] } else { &of.times };
        let fusion = fused(graph, &exchanges, &levels, times);
        let nodes = graph.nodes.len();
        let mut stored = fusion.stored.clone();
        let (mut made, mut bytes) = (vec![0; nodes], vec![0; nodes]);
        for (position, group) in fusion.groups.iter().enumerate() {
            for &id in &group.stores {
                (made[id.index()], bytes[id.index()]) = (position, of_value(graph, id));
            }
            for &id in group.roots.iter().filter(|id| matches!(graph.node(**id).op, Op::Scan { .. })) {
                (stored[id.index()], made[id.index()]) = (true, position);
            }
        }
        // New values of states lie in the states' memory.
        graph.updates.iter().for_each(|update| bytes[update.node.index()] = 0);
        let groups: Vec<NodeId> = fusion.groups.iter().map(|group| group.stores[0]).collect();
        let scratch = groups.iter().map(|id| scratch.get(&of.origins[id.index()]).copied().unwrap_or(0)).collect();
        let mut lives = Lives { stored, made, readers: vec![Vec::new(); nodes], bytes, groups, scratch };
        for id in graph.ids().filter(|id| lives.stored[id.index()]) {
            for operand in computed_from(graph, &lives.stored, id).0 {
                lives.readers[operand.index()].push((lives.made[id.index()], id));
            }
        }
        lives.readers.iter_mut().for_each(|readers| readers.sort_unstable());
        for (number, output) in graph.outputs.iter().enumerate() {
            // What is handed over to an exchange is free behind it.
            if exchanges.iter().all(|exchange| exchange.output != number) {
                lives.readers[output.node.index()].push((lives.groups.len(), output.node));
            }
        }
        lives
    }

    /// The position at which the most bytes lie in memory, and how many.
    fn fullest(&self) -> (usize, u64) {
        let mut change = vec![0_i64; self.groups.len() + 2];
        for (number, &bytes) in self.bytes.iter().enumerate() {
            let last = self.readers[number].last().map_or(self.made[number], |&(position, _)| position);
            change[self.made[number]] += bytes as i64;
            change[last + 1] -= bytes as i64;
        }
        let (mut bytes, mut most) = (0, (0, 0));
        for (position, change) in change.into_iter().enumerate() {
            bytes += change;
            let with_scratch = bytes + self.scratch.get(position).map_or(0, |&scratch| scratch as i64);
            if with_scratch > most.1 {
                most = (position, with_scratch);
            }
        }
        (most.0, most.1 as u64)
    }
}

/// The bytes of a value.
fn of_value(graph: &Graph, id: NodeId) -> u64 {
    (graph.shape(id).elements() * element(graph.ty(id).dtype).bytes()) as u64
}

/// The nodes in memory that a node is computed from, and by how many floating-point operations.
fn computed_from(graph: &Graph, in_memory: &[bool], id: NodeId) -> (Vec<NodeId>, u64) {
    let mut reads: Vec<NodeId> = Vec::new();
    let mut flops = 0;
    let mut seen = FxHashSet::from_iter([id]);
    let mut open = vec![id];
    while let Some(next) = open.pop() {
        let node = graph.node(next);
        let operands: Vec<Shape> = node.inputs.iter().map(|&operand| graph.shape(operand)).collect();
        flops += node.op.flops(&operands, node.ty.shape) as u64;
        for &operand in &node.inputs {
            if in_memory[operand.index()] {
                reads.push(operand);
            } else if graph.node(operand).op.family() != Family::Source && seen.insert(operand) {
                open.push(operand);
            }
        }
    }
    reads.sort_unstable();
    reads.dedup();
    (reads, flops)
}

/// What is dropped so far.
struct Search<'a> {
    /// The graph in which nothing is computed twice; all nodes below are of it.
    graph: &'a Graph,
    stored: Vec<bool>,
    /// What is never computed again: results, scans, exchanges, what lasts from run to run, and what is asked for being
    /// equal.
    keeps: Vec<bool>,
    /// The stored nodes that each stored one is computed from, and what that takes: bytes that are moved, and for which
    /// other time is taken.
    reads: Vec<Vec<NodeId>>,
    time: Vec<u64>,
    /// The stored nodes that are computed from each.
    readers: Vec<Vec<NodeId>>,
    /// Bytes of scratch memory of a group, by the first node that it stores.
    scratch: FxHashMap<NodeId, u64>,
    /// What is computed again, and the first node that reads the copy; of what only copies read, none.
    dropped: BTreeMap<NodeId, NodeId>,
    chains: Chains,
}

/// What would be computed again for a value.
#[derive(Default)]
struct Candidate {
    value: NodeId,
    /// The first node that would read it.
    from: NodeId,
    /// What else has to be computed again, since nobody keeps it until then.
    also: Vec<NodeId>,
    /// Bytes that are free then at the fullest moment.
    gain: u64,
    chain: Chain,
    /// The chains that it would make one.
    joins: Vec<usize>,
}

impl Candidate {
    /// What it gives for what it takes. Unit: a 2^20th of a byte for each byte of time.
    fn worth(&self) -> u64 {
        (self.gain << 20) / self.chain.time.max(1)
    }
}

/// Values that are computed again one from another, so that they lie in memory at once.
#[derive(Clone, Debug, Default)]
struct Chain {
    /// Bytes that are moved, and for which other time is taken.
    time: u64,
    /// Bytes of the values.
    bytes: u64,
    /// The chain that it has become a part of.
    joined: Option<usize>,
}

#[derive(Default)]
struct Chains {
    list: Vec<Chain>,
    /// Of a dropped value.
    of: FxHashMap<NodeId, usize>,
    /// Of a value in memory: the chains that are computed from it.
    from: FxHashMap<NodeId, Vec<usize>>,
}

impl Chains {
    /// What a chain is part of by now.
    fn of_all(&self, mut chain: usize) -> usize {
        while let Some(joined) = self.list[chain].joined {
            chain = joined;
        }
        chain
    }
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph) -> Search<'a> {
        let nothing =
            Recomputed { graph: graph.clone(), times: vec![0; graph.nodes.len()], origins: graph.ids().collect() };
        let lives = Lives::new(&nothing, &FxHashMap::default());
        let mut keeps = vec![false; graph.nodes.len()];
        graph.roots().for_each(|id| keeps[id.index()] = true);
        // Values of states that no run changes are made once, ahead of all calls.
        let mut lasting = vec![false; graph.nodes.len()];
        for (number, input) in graph.inputs.iter().enumerate() {
            let is_written = graph.updates.iter().any(|update| update.input == number);
            lasting[input.node.index()] = input.role == Role::State && !is_written;
        }
        for id in graph.ids() {
            let node = graph.node(id);
            keeps[id.index()] |= matches!(node.op.family(), Family::Scan | Family::Exchange);
            if node.op != Op::Input {
                lasting[id.index()] = node.inputs.iter().all(|operand| lasting[operand.index()]);
                keeps[id.index()] |= lasting[id.index()];
            }
            // `x == max(x)` says where the gradient of a maximum goes: a copy of x may differ from it in its last bits, and
            // be equal nowhere.
            if matches!(node.op, Op::Compare(CompareOp::Eq | CompareOp::Ne)) {
                for &operand in &node.inputs {
                    let of = |id: NodeId| {
                        if lives.stored[id.index()] { vec![id] } else { computed_from(graph, &lives.stored, id).0 }
                    };
                    of(operand).into_iter().for_each(|id| keeps[id.index()] = true);
                }
            }
        }
        let mut in_memory = lives.stored.clone();
        graph.inputs.iter().for_each(|input| in_memory[input.node.index()] = true);
        let (mut reads, mut time) = (vec![Vec::new(); graph.nodes.len()], vec![0; graph.nodes.len()]);
        let mut readers: Vec<Vec<NodeId>> = vec![Vec::new(); graph.nodes.len()];
        for id in graph.ids().filter(|id| lives.stored[id.index()]) {
            let (mut read, flops) = computed_from(graph, &in_memory, id);
            let bytes: u64 = read.iter().map(|&id| of_value(graph, id)).sum();
            time[id.index()] = of_value(graph, id) + bytes + flops / FLOPS_PER_BYTE;
            read.retain(|id| lives.stored[id.index()]);
            read.iter().for_each(|operand| readers[operand.index()].push(id));
            reads[id.index()] = read;
        }
        Search {
            graph,
            stored: lives.stored,
            keeps,
            reads,
            readers,
            time,
            scratch: FxHashMap::default(),
            dropped: BTreeMap::new(),
            chains: Chains::default(),
        }
    }

    /// The graph in which what was dropped so far is computed again.
    fn now(&self) -> Now {
        Now::new(recompute(self.graph, &self.stored, &self.dropped), &self.scratch)
    }

    /// Takes from the plan of the graph what its groups need of scratch memory: as much as those that compute the same
    /// again.
    fn take_scratch(&mut self, scratch: &[u64]) {
        let now = self.now();
        self.scratch =
            now.lives.groups.iter().map(|id| now.of.origins[id.index()]).zip(scratch.iter().copied()).collect();
    }

    /// Drops the values that are the cheapest to compute again for what they take at the fullest moment, some part of all
    /// that lies in memory then; says whether there was one.
    fn drop_some(&mut self, now: &Now) -> bool {
        let (moment, mut bytes) = now.lives.fullest();
        let mut dropped = false;
        // A few at a time: what is computed again lies in memory then, and others may have to be kept for longer.
        let aim = bytes - bytes / STEPS;
        let sizes = bytes / LEAST..bytes / PART + 1;
        let ranked = |candidate: Candidate| (candidate.worth(), Reverse(candidate.value));
        let mut best: BinaryHeap<(u64, Reverse<NodeId>)> =
            self.graph.ids().filter_map(|id| self.candidate(now, moment, &sizes, id)).map(ranked).collect();
        while bytes > aim
            && let Some((_, Reverse(value))) = best.pop()
        {
            // What was taken since may have made it worth less, as a part of a longer chain.
            let Some(candidate) = self.candidate(now, moment, &sizes, value) else { continue };
            if best.peek().is_some_and(|&(next, _)| candidate.worth() < next) {
                best.push(ranked(candidate));
                continue;
            }
            bytes = bytes.saturating_sub(candidate.gain);
            self.take(candidate);
            dropped = true;
        }
        dropped
    }

    /// A value as a candidate, if it is one: it lies in memory at a moment, and only for later. `sizes` are from the bytes
    /// of the smallest value that is worth a thought to those of the largest chain.
    fn candidate(&self, now: &Now, moment: usize, sizes: &Range<u64>, value: NodeId) -> Option<Candidate> {
        let is_kept = !self.stored[value.index()] || self.keeps[value.index()] || self.dropped.contains_key(&value);
        let gain = of_value(self.graph, value);
        if is_kept || gain < sizes.start.max(1) {
            return None;
        }
        let place = now.place(value)?;
        let readers = &now.lives.readers[place];
        let late = readers.partition_point(|&(position, _)| position <= moment);
        let &(first, _) = readers.get(late)?;
        let last = readers[..late].last().map_or(now.lives.made[place], |&(position, _)| position);
        if last >= moment {
            return None;
        }
        // The readers of the graph at first, of which those from some node on are to read a copy: not so where one that
        // stands behind it runs before (updates run early), or where it is not known when one runs, as it is computed
        // where it is read by now.
        let (mut from, mut before) = (NOBODY, None);
        for &reader in &self.readers[value.index()] {
            match now.lives.made[now.place(reader)?] > moment {
                true => from = from.min(reader),
                false => before = before.max(Some(reader)),
            }
        }
        if before >= Some(from) {
            return None;
        }
        self.chained(now, Candidate { value, from, gain, ..Candidate::default() }, first, sizes)
            .filter(|candidate| candidate.chain.bytes < sizes.end)
    }

    /// The candidate with what has to be computed again for it at a position, and the chains that it would be part of.
    /// What is smaller than `sizes` is kept.
    fn chained(&self, now: &Now, mut candidate: Candidate, first: usize, sizes: &Range<u64>) -> Option<Candidate> {
        let mut open = vec![candidate.value];
        let mut chains: Vec<usize> = Vec::new();
        while let Some(id) = open.pop() {
            let bytes = of_value(self.graph, id);
            candidate.chain.bytes += bytes;
            if candidate.chain.bytes >= sizes.end {
                return None;
            }
            candidate.chain.time += self.time[id.index()];
            chains.extend(self.chains.from.get(&id).into_iter().flatten());
            for &operand in &self.reads[id.index()] {
                let of_operand = of_value(self.graph, operand);
                if let Some(&chain) = self.chains.of.get(&operand) {
                    chains.push(chain);
                    continue;
                }
                let place = now.place(operand)?;
                let last = now.lives.readers[place].last().map_or(0, |&(position, _)| position);
                if last >= first || candidate.also.contains(&operand) {
                    continue;
                }
                // Nobody needs it any more by then: it stays until then, if it is small, or is computed again, too.
                if self.keeps[operand.index()] || of_operand < sizes.start || of_operand * EXTENDED <= bytes {
                    candidate.gain = candidate.gain.checked_sub(of_operand).filter(|&gain| gain > 0)?;
                } else {
                    candidate.also.push(operand);
                    open.push(operand);
                }
            }
        }
        chains.iter_mut().for_each(|chain| *chain = self.chains.of_all(*chain));
        chains.sort_unstable();
        chains.dedup();
        for &chain in &chains {
            candidate.chain.bytes += self.chains.list[chain].bytes;
            candidate.chain.time += self.chains.list[chain].time;
        }
        candidate.joins = chains;
        Some(candidate)
    }

    /// Drops a candidate.
    fn take(&mut self, Candidate { value, from, also, chain, joins, .. }: Candidate) {
        let number = self.chains.list.len();
        self.chains.list.push(chain);
        joins.into_iter().for_each(|joined| self.chains.list[joined].joined = Some(number));
        self.dropped.insert(value, from);
        self.dropped.extend(also.iter().map(|&id| (id, NOBODY)));
        for id in also.into_iter().chain([value]) {
            self.chains.of.insert(id, number);
            self.reads[id.index()]
                .iter()
                .for_each(|&operand| self.chains.from.entry(operand).or_default().push(number));
        }
    }
}
