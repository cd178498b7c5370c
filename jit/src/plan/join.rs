//! Joins groups: reductions of one space that read the same tensor go into one kernel; elementwise groups go into the
//! kernel that computes what they read (the epilogue of a contraction, a reduction, a window, or another elementwise
//! kernel), and elementwise groups that read the same tensor go into one kernel with several results.
//!
//! Two groups may be joined if the elements meet place by place and no third group stands between them: a joined group
//! would have to run both before and after it. It knows graphs and groups; it knows no layouts and no memory.

use kiln_graph::op::{Axes, Family, Op, Sums, Traits};
use kiln_graph::{DType, Few, Graph, NodeId, Shape};

mod needs;
mod reads;

use super::group::{Fusion, members};
use crate::cost::params::fusion::{EPILOGUE_WEIGHT, LARGEST, MOST_REDUCTIONS};
use crate::lower::expression::{identity, view_coordinates};
use crate::lower::{Group, windows_partition};
use needs::Needs;
use reads::{Reads, base, folded_reads, reads, same_places};

/// Joins groups.
pub fn join<'a>(graph: &'a Graph, fusion: Fusion, levels: &'a [u32]) -> Joined<'a> {
    let mut joined = Joined::new(graph, fusion, levels);
    // Before anything else: a reduction's epilogue may read what another one gives.
    joined.join_reductions();
    while joined.join_producers() | joined.join_siblings() {
        joined.needs.look_again();
    }
    joined
}

/// Groups while they are joined and then, by their numbers, with what each reads, who reads it, and which others it
/// needs.
pub struct Joined<'a> {
    pub graph: &'a Graph,
    pub fusion: Fusion,
    /// The groups; joined ones leave nothing behind.
    pub groups: Vec<Option<Group>>,
    /// The group of each stored node.
    pub of: Vec<Option<usize>>,
    /// What each group reads from outside, and whether all of it place by place.
    pub reads: Vec<Reads>,
    /// For each node the groups that read it from outside, in order.
    pub readers: Vec<Few<u32, 4>>,
    /// Which groups each one needs.
    pub needs: Needs,
    /// For each node a number: groups of different ones are not joined (how many exchanges, one after the other, it waits
    /// for, and what `fusion` keeps apart); nothing where there are none.
    pub levels: &'a [u32],
    /// How many elementwise operations each group computes; what several of those that it is made of compute counts for
    /// each.
    sizes: Vec<usize>,
    /// For each node whether it is an output or a new value of a state, which stay stored whatever reads them; and
    /// whether it is the latter.
    is_result: Vec<bool>,
    pub is_update: Vec<bool>,
}

impl<'a> Joined<'a> {
    fn new(graph: &'a Graph, mut fusion: Fusion, levels: &'a [u32]) -> Joined<'a> {
        let groups: Vec<Option<Group>> = std::mem::take(&mut fusion.groups).into_iter().map(Some).collect();
        let mut of = vec![None; graph.nodes.len()];
        for (number, group) in groups.iter().flatten().enumerate() {
            group.stores.iter().for_each(|&id| of[id.index()] = Some(number));
        }
        let mut is_result = vec![false; graph.nodes.len()];
        graph.roots().for_each(|id| is_result[id.index()] = true);
        let mut is_update = vec![false; graph.nodes.len()];
        graph.updates.iter().for_each(|update| is_update[update.node.index()] = true);
        let mut all_reads = Vec::with_capacity(groups.len());
        let mut sizes = Vec::with_capacity(groups.len());
        let mut needs = Vec::with_capacity(groups.len());
        let mut readers = vec![Few::new(); graph.nodes.len()];
        for (number, group) in groups.iter().flatten().enumerate() {
            let (reads, size) = reads(graph, &fusion, group);
            let mut needed = Vec::with_capacity(reads.all().len());
            for &(id, _) in reads.all() {
                readers[id.index()].push(number as u32);
                // Groups stand behind those that they need.
                if let Some(group) = of[id.index()] {
                    needed.push(group as u32);
                }
            }
            all_reads.push(reads);
            sizes.push(size);
            needs.push(needed);
        }
        let (reads, needs) = (all_reads, Needs::new(needs));
        Joined { graph, fusion, groups, of, reads, readers, needs, levels, sizes, is_result, is_update }
    }

    /// The places of a group.
    pub fn shape(&self, group: usize) -> Shape {
        base(self.graph, self.groups[group].as_ref().expect("a group"))
    }

    /// The largest such number of a group's nodes.
    pub fn level(&self, group: usize) -> u32 {
        if self.levels.is_empty() {
            return 0;
        }
        let group = self.groups[group].as_ref().expect("a group");
        group.stores.iter().chain(&group.roots).map(|id| self.levels[id.index()]).max().unwrap_or(0)
    }

    /// Reductions along the same axes of one space that read the same tensor of its size become one.
    fn join_reductions(&mut self) {
        let mut readers: Vec<u64> = Vec::new();
        for (number, group) in self.groups.iter().enumerate() {
            let Some(root) = group.as_ref().and_then(Group::root) else { continue };
            // `sum(x)` and `sum(x * x)` of a batch norm: one kernel loads x once. Both have to read it place by place,
            // and whole.
            let Some((_, space)) = folded(self.graph, root) else { continue };
            for &(id, placewise) in folded_reads(self.graph, &self.fusion, root).all() {
                if placewise && self.graph.shape(id).elements() == space.elements() {
                    readers.push(reader(id, number));
                }
            }
        }
        readers.sort_unstable();
        for list in readers.chunk_by(|&a, &b| is_of_one(a, b)) {
            for i in 1..list.len() {
                let second = group_of(list[i]);
                let mut earlier = list[..i].iter().map(|&first| group_of(first));
                if let Some(first) = earlier.find(|&first| self.folds_alike(first, second)) {
                    self.join(first, second);
                }
            }
        }
    }

    /// Whether two reductions can be one.
    fn folds_alike(&mut self, first: usize, second: usize) -> bool {
        let (Some(a), Some(b)) = (&self.groups[first], &self.groups[second]) else { return false };
        let of = |group: &Group| group.root().and_then(|root| folded(self.graph, root));
        of(a) == of(b)
            && a.roots.len() + b.roots.len() <= MOST_REDUCTIONS
            && self.sizes[first] + self.sizes[second] <= LARGEST
            && self.are_apart(first, second)
    }

    /// Whether neither of two groups needs the other one.
    fn are_apart(&mut self, first: usize, second: usize) -> bool {
        self.level(first) == self.level(second)
            && !self.needs.depends(first, second)
            && !self.needs.depends(second, first)
    }

    /// Elementwise groups join the group that computes what they read.
    fn join_producers(&mut self) -> bool {
        let mut changed = false;
        for consumer in 0..self.groups.len() {
            while let Some(producer) = self.producer(consumer) {
                self.join(producer, consumer);
                changed = true;
                if self.groups[consumer].is_none() {
                    break;
                }
            }
        }
        changed
    }

    /// The group that an elementwise group can join: of several the last one, contractions first.
    fn producer(&mut self, consumer: usize) -> Option<usize> {
        let group = self.groups[consumer].as_ref().filter(|group| group.roots.is_empty())?;
        // The producer of each value that is read, and whether place by place (1), as one number.
        let mut read: Vec<usize> = Vec::new();
        let mut any_placewise = false;
        for &(id, placewise) in self.reads[consumer].all() {
            if let Some(producer) = self.of[id.index()] {
                read.push(2 * producer + usize::from(placewise));
                any_placewise |= placewise;
            }
        }
        if !any_placewise {
            return None;
        }
        if read.len() > 1 {
            read.sort_unstable();
        }
        let shape = base(self.graph, group);
        let mut candidates: Vec<(bool, bool, usize)> = Vec::new();
        let mut last = None;
        for &value in &read {
            let producer = value / 2;
            // All that is read of a producer counts: one value that is read at other places, as a mean that is
            // broadcast over its row, keeps the two apart. Such a value comes first.
            if last.replace(producer) == Some(producer) || value % 2 == 0 {
                continue;
            }
            let candidate = self.groups[producer].as_ref().expect("a group that is read");
            if same_places(base(self.graph, candidate), shape)
                && self.level(producer) == self.level(consumer)
                && self.sizes[producer] + self.sizes[consumer] <= LARGEST
                && self.takes_epilogue(candidate, group)
            {
                // `relu(conv(x) + y)` can go behind the convolution or to what makes y. Behind the convolution, whose
                // results are then taken from registers and need no memory. Of equals the last.
                let root = candidate.root();
                let is_contraction = root.is_some_and(|root| self.graph.node(root).op.is_contraction());
                candidates.push((is_contraction, root.is_some(), producer));
            }
        }
        if candidates.len() > 1 {
            candidates.sort_unstable();
        }
        // producer -> third -> consumer
        //     \__________________/        joined, the two would have to run both before and behind the third
        while let Some((_, _, producer)) = candidates.pop() {
            if !self.needs.depends_through_others(consumer, producer) {
                return Some(producer);
            }
        }
        None
    }

    /// Whether the kernel of a group can compute an elementwise group behind its root.
    fn takes_epilogue(&self, producer: &Group, consumer: &Group) -> bool {
        // A copy that joins axes runs over its operand's places: what reads its result would run over others.
        let Some(root) = producer.root() else { return !is_flattening_copy(self.graph, producer) };
        // A copy that joins axes runs over its operand's places (`map::describe`), not over those of a root's results.
        if is_flattening_copy(self.graph, consumer) {
            return false;
        }
        let node = self.graph.node(root);
        let result = node.ty.shape;
        let Traits { family, sums, .. } = node.op.traits();
        match family {
            // The last operand of a window's gradient has an element for each window.
            Family::Window if sums == Sums::Scattered => {
                let window = node.op.window().expect("it goes by windows");
                windows_partition(window, result, self.graph.shape(node.inputs[node.inputs.len() - 1]))
            }
            // An optimizer's update streams through several tensors: it does that better by itself.
            Family::Contraction => {
                let weight: u64 = members(self.graph, &self.fusion, consumer)
                    .into_iter()
                    .map(|id| self.graph.node(id).op.traits().weight)
                    .sum();
                weight <= EPILOGUE_WEIGHT && consumer.stores.iter().all(|id| !self.is_update[id.index()])
            }
            Family::Reduce | Family::Window | Family::Indexing => sums != Sums::Scattered,
            Family::Movement | Family::Scan | Family::Exchange => false,
            Family::Source | Family::Elementwise | Family::Random => unreachable!("{root} is no root"),
        }
    }

    /// Elementwise groups over the same places that read the same tensor of that size become one; all those of one
    /// place do.
    fn join_siblings(&mut self) -> bool {
        let mut readers: Vec<u64> = Vec::new();
        let mut scalars: Vec<u64> = Vec::new();
        for (number, group) in self.groups.iter().enumerate() {
            let Some(group) = group.as_ref().filter(|group| group.roots.is_empty()) else { continue };
            // Groups of one place (the learning rate of this step, a loss) cost a call each and little else: all go
            // together.
            let places = base(self.graph, group).elements();
            if places == 1 {
                scalars.push(reader(NodeId::default(), number));
                continue;
            }
            for &(id, placewise) in self.reads[number].all() {
                if placewise && self.graph.shape(id).elements() == places {
                    readers.push(reader(id, number));
                }
            }
        }
        readers.sort_unstable();
        let mut changed = false;
        for list in readers.chunk_by(|&a, &b| is_of_one(a, b)).chain([&scalars[..]]) {
            for i in 1..list.len() {
                let second = group_of(list[i]);
                let mut earlier = list[..i].iter().map(|&first| group_of(first));
                if self.is_sibling(second)
                    && let Some(first) = earlier.find(|&first| self.goes_with(first, second))
                {
                    self.join(first, second);
                    changed = true;
                }
            }
        }
        changed
    }

    /// Whether the group is there, and goes by the places of its result.
    fn is_sibling(&self, group: usize) -> bool {
        self.groups[group].as_ref().is_some_and(|group| !is_flattening_copy(self.graph, group))
    }

    /// Whether an elementwise group and a sibling can be one.
    fn goes_with(&mut self, first: usize, second: usize) -> bool {
        self.is_sibling(first)
            && same_places(self.shape(first), self.shape(second))
            && self.sizes[first] + self.sizes[second] <= LARGEST
            && self.are_apart(first, second)
    }

    /// Moves the second group into the first, and stops storing what only the joined group reads.
    fn join(&mut self, first: usize, second: usize) {
        let moved = self.groups[second].take().expect("a group");
        let mut group = self.groups[first].take().expect("a group");
        let (of_first, of_second) = (std::mem::take(&mut self.reads[first]), std::mem::take(&mut self.reads[second]));
        for &(id, _) in of_second.all() {
            let readers = &mut self.readers[id.index()];
            remove(readers, second as u32);
            insert(readers, first as u32);
        }
        for &id in &moved.stores {
            self.of[id.index()] = Some(first);
        }
        // What each of them reads of the other one.
        // The shorter list moves into the longer one. A group that joins a thousand others, one after the other, would
        // else move its growing list a thousand times.
        let many = of_first.all().len() > of_second.all().len();
        let (few, mut reads) = if many { (of_second, of_first) } else { (of_first, of_second) };
        let stores_of_few = if many { &moved.stores } else { &group.stores };
        let mut within: Vec<NodeId> = Vec::new();
        for &id in stores_of_few {
            if reads.contains(id) {
                within.push(id);
            }
        }
        for &(id, placewise) in few.all() {
            if self.of[id.index()] == Some(first) {
                within.push(id);
            }
            reads.add(id, placewise);
        }
        group.roots.extend(moved.roots);
        group.stores.extend(moved.stores);
        group.stores.sort_unstable();
        // What one of them reads of the other, it reads place by place, so that nothing else changes.
        for id in within {
            reads.remove(id);
            let readers = &mut self.readers[id.index()];
            remove(readers, first as u32);
            // Nobody else reads it, and it is no result: the epilogue takes it from a register, and memory never sees
            // it.
            if readers.is_empty() && !self.is_result[id.index()] {
                self.fusion.stored[id.index()] = false;
                self.of[id.index()] = None;
                group.stores.retain(|&store| store != id);
            }
        }
        self.reads[first] = reads;
        self.groups[first] = Some(group);
        self.sizes[first] += self.sizes[second];
        self.needs.join(first, second);
    }
}

/// A node and a group that reads it as one number: without optimization pairs are dear to sort.
fn reader(id: NodeId, group: usize) -> u64 {
    (id.0 as u64) << 32 | group as u64
}

/// The group of such a number.
fn group_of(reader: u64) -> usize {
    reader as u32 as usize
}

/// Whether two such numbers are of one node.
fn is_of_one(a: u64, b: u64) -> bool {
    a >> 32 == b >> 32
}

/// Puts a number into a list in order, where it is not there yet.
fn insert(list: &mut Few<u32, 4>, number: u32) {
    let place = find(list.as_slice(), number);
    let end = list.len();
    if place < end && list[place] == number {
        return;
    }
    list.push(number);
    if place < end {
        list.copy_within(place..end, place + 1);
        list[place] = number;
    }
}

/// Takes a number out of a list in order, where it is there.
fn remove(list: &mut Few<u32, 4>, number: u32) {
    let place = find(list.as_slice(), number);
    if place < list.len() && list[place] == number {
        list.remove(place);
    }
}

/// Where a number stands or would stand.
fn find(list: &[u32], number: u32) -> usize {
    let (mut place, mut end) = (0, list.len());
    while place < end {
        let middle = (place + end) / 2;
        if list[middle] < number {
            place = middle + 1;
        } else {
            end = middle;
        }
    }
    place
}

/// The axes along which a reduction folds f32, and the shape of what it folds.
fn folded(graph: &Graph, root: NodeId) -> Option<(Axes, Shape)> {
    let node = graph.node(root);
    let Op::Reduce { axes, .. } = node.op else { return None };
    (node.ty.dtype == DType::F32).then(|| (axes, graph.shape(node.inputs[0])))
}

/// Whether the group is a copy that goes by the places of its operand, not of its result.
fn is_flattening_copy(graph: &Graph, group: &Group) -> bool {
    let id = group.stores[0];
    let shape = graph.shape(id);
    group.roots.is_empty()
        && matches!(graph.node(id).op, Op::Reshape(_))
        && view_coordinates(graph, id, &identity(shape.rank()), shape.rank()).is_none()
}

#[cfg(test)]
mod tests {
    use kiln_graph::passes::isolate_roots;
    use kiln_graph::{Builder, Type};

    use super::*;
    use crate::plan::group::group;

    /// A training step of some layers, beside each other and behind each other.
    fn graph(seed: u64) -> Graph {
        let g = Builder::new("merged");
        let mut count = 0;
        let mut draw = |below: usize| {
            count += 1;
            kiln_rt::random::bits(seed, 0, 0, count) as usize % below
        };
        let mut values = vec![g.input("x", [6, 8])];
        let mut states = Vec::new();
        for number in 0..12 {
            let x = values[values.len() - 1 - draw(values.len().min(4))];
            let y = values[draw(values.len())];
            let state = |shape: &[usize]| g.state(&format!("s{number}"), Type::f32(shape));
            values.push(match draw(7) {
                0 => x.tanh() * y,
                1 => x - x.mean_keep([1]) * y,
                2 => (x - x.mean_keep([0])) * (x.var([0], 0.0) + 1.0).rsqrt(),
                3 => y.gt(0.0).select(x, x * 0.5) + y,
                4 => {
                    states.push(state(&[8, 8]));
                    x.matmul(states[states.len() - 1]).relu()
                }
                5 => {
                    states.push(state(&[8]));
                    x + states[states.len() - 1]
                }
                _ => x * y.sum(..),
            });
        }
        let loss = values[values.len() - 1].square().sum(..);
        g.output("loss", loss);
        for (&state, gradient) in states.iter().zip(g.gradients_of(loss, &states).expect("gradients")) {
            g.update(state, state - gradient * 0.1);
        }
        kiln_graph::optimize(&g.finish().expect("a graph"))
    }

    /// Joining keeps count of what groups read and of who reads it; a group's own nodes say the same.
    #[test]
    fn reads_are_those_of_the_groups() {
        for seed in 0..40 {
            let graph = isolate_roots(&graph(seed)).into_owned();
            // Nothing is exchanged.
            let levels = vec![0; graph.nodes.len()];
            let mut joined = Joined::new(&graph, group(&graph), &levels);
            joined.join_reductions();
            while joined.join_producers() | joined.join_siblings() {
                joined.needs.look_again();
            }
            for (group, kept) in joined.groups.iter().zip(&joined.reads) {
                let now = group.as_ref().map(|group| reads(&graph, &joined.fusion, group).0).unwrap_or_default();
                assert_eq!(now, *kept, "seed {seed}: {group:?}");
            }
            for id in graph.ids() {
                let reads = |&group: &u32| joined.reads[group as usize].contains(id);
                let readers: Vec<u32> = (0..joined.groups.len() as u32).filter(reads).collect();
                assert_eq!(readers, joined.readers[id.index()].as_slice(), "seed {seed}: readers of {id}");
            }
        }
    }
}
