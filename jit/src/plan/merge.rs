//! Joins groups: reductions of one space that read the same tensor go into one kernel; elementwise groups go into the kernel
//! that computes what they read (the epilogue of a contraction, a reduction, a window, or another elementwise kernel), and
//! elementwise groups that read the same tensor go into one kernel with several results. Then orders the groups so that
//! updates run as soon as they can.
//!
//! Two groups may be joined if the elements meet place by place and no third group stands between them: a joined group
//! would have to run both before and after it.

use std::collections::{BTreeMap, BTreeSet};

use kiln_graph::op::{Axes, Op};
use kiln_graph::{DType, Graph, NodeId, Shape};
use rustc_hash::{FxHashMap, FxHashSet};

use super::fuse::{Class, Fusion, Group, class, members, own_weight};
use super::groups::partitions;
use crate::lower::expression::{Affine, identity, reshape_coordinates, view_coordinates};

/// Epilogues of contractions of more weight are kernels of their own: accumulators wait in registers meanwhile.
const EPILOGUE_WEIGHT: u64 = 40;

/// So many reductions go into one kernel at most: their accumulators share the registers.
const MOST_REDUCTIONS: usize = 4;

/// Joins and orders the groups.
pub fn merge(graph: &Graph, fusion: Fusion) -> Fusion {
    let mut merging = Merging::new(graph, fusion);
    // Before anything else: a reduction's epilogue may read what another one gives.
    merging.join_reductions();
    while merging.join_producers() | merging.join_siblings() {}
    merging.ordered()
}

struct Merging<'a> {
    graph: &'a Graph,
    fusion: Fusion,
    /// The groups; joined ones leave nothing behind.
    groups: Vec<Option<Group>>,
    /// The group of each stored node.
    of: Vec<Option<usize>>,
    /// What each group reads from outside, and whether all of it place by place.
    reads: Vec<BTreeMap<NodeId, bool>>,
    /// The groups that read each node from outside.
    readers: FxHashMap<NodeId, BTreeSet<usize>>,
    /// Which groups each one needs, directly or not.
    needs: Vec<Vec<bool>>,
    /// The states that the graph updates, and outputs: nodes that stay stored whatever reads them.
    results: BTreeSet<NodeId>,
    updates: BTreeSet<NodeId>,
}

impl<'a> Merging<'a> {
    fn new(graph: &'a Graph, mut fusion: Fusion) -> Merging<'a> {
        let groups: Vec<Option<Group>> = std::mem::take(&mut fusion.groups).into_iter().map(Some).collect();
        let mut of = vec![None; graph.nodes.len()];
        for (number, group) in groups.iter().flatten().enumerate() {
            group.stores.iter().for_each(|&id| of[id.index()] = Some(number));
        }
        let results = graph.roots().collect();
        let updates = graph.updates.iter().map(|update| update.node).collect();
        let reads: Vec<_> = groups.iter().flatten().map(|group| reads(graph, &fusion, group)).collect();
        let none = vec![BTreeMap::new(); groups.len()];
        // Groups stand behind those that they need.
        let mut needs: Vec<Vec<bool>> = Vec::with_capacity(groups.len());
        for reads in &reads {
            let mut needed = vec![false; groups.len()];
            for other in reads.keys().filter_map(|id| of[id.index()]) {
                add(&mut needed, &needs[other]);
                needed[other] = true;
            }
            needs.push(needed);
        }
        let readers = FxHashMap::default();
        let mut merging = Merging { graph, fusion, groups, of, reads: none, readers, needs, results, updates };
        reads.into_iter().enumerate().for_each(|(number, reads)| merging.set_reads(number, reads));
        merging
    }

    fn set_reads(&mut self, group: usize, reads: BTreeMap<NodeId, bool>) {
        for id in reads.keys() {
            self.readers.entry(*id).or_default().insert(group);
        }
        for id in std::mem::replace(&mut self.reads[group], reads).keys() {
            if !self.reads[group].contains_key(id) {
                self.readers.entry(*id).or_default().remove(&group);
            }
        }
    }

    /// Whether group `a` needs what group `b` computes, directly or not.
    fn depends(&self, a: usize, b: usize) -> bool {
        self.needs[a][b]
    }

    /// Whether group `a` needs group `b` through a third one.
    fn depends_through_others(&self, a: usize, b: usize) -> bool {
        let direct: BTreeSet<usize> = self.reads[a].keys().filter_map(|id| self.of[id.index()]).collect();
        direct.into_iter().any(|other| other != b && self.depends(other, b))
    }

    fn shape(&self, group: usize) -> Shape {
        base(self.graph, self.groups[group].as_ref().expect("a group"))
    }

    /// Reductions along the same axes of one space that read the same tensor of its size become one.
    fn join_reductions(&mut self) {
        let mut readers: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
        for (number, group) in self.groups.iter().enumerate() {
            let Some(root) = group.as_ref().and_then(Group::root) else { continue };
            let Some((_, space)) = folded(self.graph, root) else { continue };
            for (id, placewise) in folded_reads(self.graph, &self.fusion, root) {
                if placewise && self.graph.shape(id).elements() == space.elements() {
                    readers.entry(id).or_default().push(number);
                }
            }
        }
        for list in readers.into_values() {
            for (i, &second) in list.iter().enumerate() {
                let fits = |&first: &usize| {
                    let (Some(a), Some(b)) = (&self.groups[first], &self.groups[second]) else { return false };
                    let of = |group: &Group| group.root().and_then(|root| folded(self.graph, root));
                    of(a) == of(b)
                        && a.roots.len() + b.roots.len() <= MOST_REDUCTIONS
                        && !self.depends(first, second)
                        && !self.depends(second, first)
                };
                if let Some(first) = list[..i].iter().copied().find(fits) {
                    self.join(first, second);
                }
            }
        }
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
    fn producer(&self, consumer: usize) -> Option<usize> {
        let group = self.groups[consumer].as_ref().filter(|group| group.roots.is_empty())?;
        let mut candidates: BTreeMap<usize, bool> = BTreeMap::new();
        for (id, &placewise) in &self.reads[consumer] {
            if let Some(producer) = self.of[id.index()] {
                *candidates.entry(producer).or_insert(true) &= placewise;
            }
        }
        let fits = |&producer: &usize| {
            let candidate = self.groups[producer].as_ref().expect("a group that is read");
            self.takes_epilogue(candidate, group)
                && same_places(self.shape(producer), self.shape(consumer))
                && !self.depends_through_others(consumer, producer)
        };
        let candidates = candidates.into_iter().filter(|(_, placewise)| *placewise).map(|(producer, _)| producer);
        let rank = |&producer: &usize| {
            let root = self.groups[producer].as_ref().and_then(Group::root);
            (root.is_some_and(|root| is_contraction(self.graph, root)), root.is_some(), producer)
        };
        candidates.filter(fits).max_by_key(rank)
    }

    /// Whether the kernel of a group can compute an elementwise group behind its root.
    fn takes_epilogue(&self, producer: &Group, consumer: &Group) -> bool {
        let Some(root) = producer.root() else { return !is_flattening_copy(self.graph, producer) };
        if is_flattening_copy(self.graph, consumer) {
            return false;
        }
        let node = self.graph.node(root);
        let result = node.ty.shape;
        let operand = |number: usize| self.graph.shape(node.inputs[number]);
        match node.op {
            Op::Reduce { .. } | Op::ArgReduce { .. } | Op::Gather { .. } | Op::TakeRows => true,
            Op::WindowReduce { .. } | Op::WindowMaxPick(_) => true,
            Op::WindowMaxGrad(window) => partitions(&window, result, operand(1)),
            Op::WindowSumGrad { window, .. } => partitions(&window, result, operand(0)),
            // An optimizer's update streams through several tensors: it does that better by itself.
            Op::Dot | Op::Conv(_) | Op::ConvGradInput { .. } | Op::ConvGradWeight { .. } => {
                let weight: u64 = members(self.graph, &self.fusion, consumer)
                    .into_iter()
                    .map(|id| own_weight(&self.graph.node(id).op))
                    .sum();
                weight <= EPILOGUE_WEIGHT && consumer.stores.iter().all(|id| !self.updates.contains(id))
            }
            Op::Pad { .. } | Op::Concat { .. } | Op::ScatterAdd { .. } | Op::ScatterRows { .. } => false,
            Op::Input
            | Op::Constant(_)
            | Op::Iota { .. }
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::Compare(_)
            | Op::Select
            | Op::Convert(_)
            | Op::Reshape(_)
            | Op::Transpose(_)
            | Op::Broadcast(_)
            | Op::Slice(_)
            | Op::Reverse(_)
            | Op::Random { .. }
            | Op::Detach => unreachable!("{root} is no root"),
        }
    }

    /// Elementwise groups over the same places that read the same tensor of that size become one; all those of one place do.
    fn join_siblings(&mut self) -> bool {
        let mut readers: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
        let mut scalars: Vec<usize> = Vec::new();
        for (number, group) in self.groups.iter().enumerate() {
            let Some(group) = group.as_ref().filter(|group| group.roots.is_empty()) else { continue };
            let places = base(self.graph, group).elements();
            if places == 1 {
                scalars.push(number);
                continue;
            }
            for (&id, &placewise) in &self.reads[number] {
                if placewise && self.graph.shape(id).elements() == places {
                    readers.entry(id).or_default().push(number);
                }
            }
        }
        let mut changed = false;
        for list in readers.into_values().chain([scalars]) {
            for (i, &second) in list.iter().enumerate() {
                let Some(group) = &self.groups[second] else { continue };
                if is_flattening_copy(self.graph, group) {
                    continue;
                }
                let first = list[..i].iter().copied().find(|&first| {
                    self.groups[first].as_ref().is_some_and(|group| !is_flattening_copy(self.graph, group))
                        && same_places(self.shape(first), self.shape(second))
                        && !self.depends(first, second)
                        && !self.depends(second, first)
                });
                if let Some(first) = first {
                    self.join(first, second);
                    changed = true;
                }
            }
        }
        changed
    }

    /// Moves the second group into the first, and stops storing what only the joined group reads.
    fn join(&mut self, first: usize, second: usize) {
        let moved = self.groups[second].take().expect("a group");
        let mut outside = self.reads[first].clone();
        for (&id, &placewise) in &self.reads[second] {
            *outside.entry(id).or_insert(true) &= placewise;
        }
        self.set_reads(second, BTreeMap::new());
        let mut group = self.groups[first].take().expect("a group");
        for &id in &moved.stores {
            self.of[id.index()] = Some(first);
        }
        group.roots.extend(moved.roots);
        group.stores.extend(moved.stores);
        group.stores.sort_unstable();
        // What one of them reads of the other, it reads place by place, so that nothing else changes.
        outside.retain(|&id, _| !group.holds(id));
        let read_elsewhere =
            |id: NodeId| self.readers.get(&id).is_some_and(|groups| groups.iter().any(|&group| group != first));
        let (kept, inner): (Vec<NodeId>, Vec<NodeId>) =
            group.stores.iter().copied().partition(|&id| self.results.contains(&id) || read_elsewhere(id));
        for id in inner {
            self.fusion.stored[id.index()] = false;
            self.of[id.index()] = None;
        }
        group.stores = kept;
        debug_assert_eq!(outside, reads(self.graph, &self.fusion, &group));
        self.set_reads(first, outside);
        self.groups[first] = Some(group);
        let mut needed = std::mem::take(&mut self.needs[second]);
        add(&mut needed, &self.needs[first]);
        (needed[first], needed[second]) = (false, false);
        for needs in self.needs.iter_mut().filter(|needs| !needs.is_empty() && (needs[first] || needs[second])) {
            add(needs, &needed);
            (needs[first], needs[second]) = (true, false);
        }
        self.needs[first] = needed;
    }

    /// The groups in an order in which they can run: as the nodes stand in the graph, but scalars and updates of states as early
    /// as they can (gradients are still in a cache then, and their memory is free earlier), behind all groups that read the old
    /// state where that is possible.
    fn ordered(mut self) -> Fusion {
        let numbers: Vec<usize> = (0..self.groups.len()).filter(|&n| self.groups[n].is_some()).collect();
        let mut before: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); self.groups.len()];
        for &number in &numbers {
            before[number] = self.reads[number].keys().filter_map(|id| self.of[id.index()]).collect();
        }
        for update in &self.graph.updates {
            let writer = self.of[update.node.index()].expect("updates are stored");
            let state = self.graph.inputs[update.input].node;
            for &reader in &numbers {
                if reader != writer && self.reads[reader].contains_key(&state) && !reaches(&before, reader, writer) {
                    before[writer].insert(reader);
                }
            }
        }
        let mut open: Vec<usize> = numbers;
        let mut done = vec![false; self.groups.len()];
        let mut groups = Vec::new();
        while !open.is_empty() {
            let ready = |number: &usize| before[*number].iter().all(|&other| done[other]);
            let key = |number: &usize| {
                let group = self.groups[*number].as_ref().expect("a group");
                let early = group.roots.is_empty() && self.shape(*number).elements() == 1
                    || group.stores.iter().all(|id| self.updates.contains(id));
                (!early, group.stores.iter().chain(&group.roots).max().copied())
            };
            let next = open.iter().copied().filter(ready).min_by_key(key).expect("groups depend on each other");
            open.retain(|&number| number != next);
            done[next] = true;
            groups.push(next);
        }
        self.fusion.groups = groups.into_iter().filter_map(|number| self.groups[number].take()).collect();
        self.fusion
    }
}

/// Adds a set to another one.
fn add(to: &mut [bool], set: &[bool]) {
    to.iter_mut().zip(set).for_each(|(to, &member)| *to |= member);
}

/// Whether `from` runs after `to` by the given order.
fn reaches(before: &[BTreeSet<usize>], from: usize, to: usize) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(number) = open.pop() {
        if number == to {
            return true;
        }
        open.extend(before[number].iter().copied().filter(|&next| seen.insert(next)));
    }
    false
}

fn is_contraction(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.node(id).op, Op::Dot | Op::Conv(_) | Op::ConvGradInput { .. } | Op::ConvGradWeight { .. })
}

/// The axes along which a reduction folds f32, and the shape of what it folds.
fn folded(graph: &Graph, root: NodeId) -> Option<(Axes, Shape)> {
    let node = graph.node(root);
    let Op::Reduce { axes, .. } = node.op else { return None };
    (node.ty.dtype == DType::F32).then(|| (axes, graph.shape(node.inputs[0])))
}

/// What a reduction folds reads from outside, and whether each of it place by place.
fn folded_reads(graph: &Graph, fusion: &Fusion, root: NodeId) -> BTreeMap<NodeId, bool> {
    let operand = graph.node(root).inputs[0];
    let shape = graph.shape(operand);
    let group = Group { roots: vec![root], stores: Vec::new() };
    let mut walk = Walk::new(graph, fusion, &group, shape);
    walk.at(operand, OWN);
    walk.reads
}

/// Whether the group is a copy that goes by the places of its operand, not of its result.
fn is_flattening_copy(graph: &Graph, group: &Group) -> bool {
    let id = group.stores[0];
    let shape = graph.shape(id);
    group.roots.is_empty()
        && matches!(graph.node(id).op, Op::Reshape(_))
        && view_coordinates(graph, id, &identity(shape.rank()), shape.rank()).is_none()
}

/// The shape of a group's iteration space, but for what the root folds.
fn base(graph: &Graph, group: &Group) -> Shape {
    graph.shape(group.root().unwrap_or(group.stores[0]))
}

/// Whether two shapes differ in axes of one place alone.
fn same_places(a: Shape, b: Shape) -> bool {
    let significant = |extent: &&usize| **extent != 1;
    a.dims().iter().filter(significant).eq(b.dims().iter().filter(significant))
}

/// What a group reads from outside, and whether each of it place by place: at each place of the group's space the element
/// of the same place.
fn reads(graph: &Graph, fusion: &Fusion, group: &Group) -> BTreeMap<NodeId, bool> {
    let shape = base(graph, group);
    let mut walk = Walk::new(graph, fusion, group, shape);
    for &id in &group.stores {
        if group.roots.contains(&id) {
            continue;
        }
        match walk.of_shape(graph.shape(id)) {
            Some(at) => walk.inside(id, at),
            None => walk.apart(id),
        }
    }
    for &root in &group.roots {
        graph.node(root).inputs.iter().for_each(|&operand| walk.apart(operand));
    }
    walk.reads
}

struct Walk<'a> {
    graph: &'a Graph,
    fusion: &'a Fusion,
    group: &'a Group,
    shape: Shape,
    reads: BTreeMap<NodeId, bool>,
    /// The places that were met, [`OWN`] first: coordinates, and which of them is the same but for axes of one place.
    places: Vec<(Vec<Affine>, usize)>,
    /// Nodes that were met at a place.
    seen: FxHashSet<(NodeId, usize)>,
}

/// The place of the group's space itself, among those of a walk.
const OWN: usize = 0;

impl<'a> Walk<'a> {
    fn new(graph: &'a Graph, fusion: &'a Fusion, group: &'a Group, shape: Shape) -> Walk<'a> {
        let (reads, seen) = (BTreeMap::new(), FxHashSet::default());
        let mut walk = Walk { graph, fusion, group, shape, reads, places: Vec::new(), seen };
        walk.places.push((walk.canonical(&identity(shape.rank())), OWN));
        walk
    }

    fn canonical(&self, coordinates: &[Affine]) -> Vec<Affine> {
        let mut coordinates = coordinates.to_vec();
        for affine in &mut coordinates {
            affine.strides.iter_mut().zip(self.shape.dims()).filter(|(_, e)| **e == 1).for_each(|(s, _)| *s = 0);
        }
        coordinates
    }

    /// The number of a place.
    fn place(&mut self, coordinates: Vec<Affine>) -> usize {
        if let Some(known) = self.places.iter().position(|(known, _)| *known == coordinates) {
            return known;
        }
        let canonical = self.canonical(&coordinates);
        let same = if canonical == coordinates { self.places.len() } else { self.place(canonical) };
        self.places.push((coordinates, same));
        self.places.len() - 1
    }

    /// Where an element of a tensor of some shape is that has as many places as the group's space.
    fn of_shape(&mut self, shape: Shape) -> Option<usize> {
        if shape == self.shape {
            return Some(OWN);
        }
        let at = reshape_coordinates(shape, self.shape, &self.places[OWN].0, self.shape.rank())?;
        Some(self.place(at))
    }

    /// Whether a node comes from outside of the group.
    fn is_outside(&self, id: NodeId) -> bool {
        class(self.graph, id) == Class::Input || self.fusion.stored[id.index()] && !self.group.holds(id)
    }

    /// A node whose value is read at a place.
    fn at(&mut self, id: NodeId, place: usize) {
        if self.group.roots.contains(&id) {
            return;
        }
        if !self.is_outside(id) {
            return self.inside(id, place);
        }
        let shape = self.graph.shape(id);
        let same = same_places(shape, self.shape)
            && self.of_shape(shape).is_some_and(|own| self.places[own].1 == self.places[place].1);
        *self.reads.entry(id).or_insert(true) &= same;
    }

    /// A node that the group computes at a place.
    fn inside(&mut self, id: NodeId, place: usize) {
        if self.group.roots.contains(&id) || !self.seen.insert((id, self.places[place].1)) {
            return;
        }
        let node = self.graph.node(id);
        match class(self.graph, id) {
            Class::Input | Class::Free => {}
            Class::View => match view_coordinates(self.graph, id, &self.places[place].0, self.shape.rank()) {
                Some(at) => {
                    let place = self.place(at);
                    self.at(node.inputs[0], place);
                }
                None => self.apart(node.inputs[0]),
            },
            Class::Elementwise => {
                // A scatter looks at other places of its operands than that which it computes.
                let placewise = !matches!(node.op, Op::ScatterAdd { .. });
                for &operand in &node.inputs {
                    if placewise && self.graph.shape(operand) == node.ty.shape {
                        self.at(operand, place);
                    } else {
                        self.apart(operand);
                    }
                }
            }
            Class::Root => node.inputs.iter().for_each(|&operand| self.apart(operand)),
        }
    }

    /// A node of which other places are read.
    fn apart(&mut self, id: NodeId) {
        let mut open = vec![id];
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if !seen.insert(id) || self.group.roots.contains(&id) {
                continue;
            }
            if self.is_outside(id) {
                self.reads.insert(id, false);
            } else {
                open.extend(&self.graph.node(id).inputs);
            }
        }
    }
}
