//! What a group reads of others, and whether place by place: at each place of the group's space the element of the same
//! place. It knows graphs and groups; it joins nothing.

use std::collections::BTreeMap;

use kiln_graph::op::Op;
use kiln_graph::{Graph, NodeId, Pairs, Shape};

use crate::lower::expression::{Affine, identity, reshape_coordinates, view_coordinates};
use crate::lower::{Class, Group, class};
use crate::plan::group::Fusion;

/// The shape of a group's iteration space, but for what the root folds.
pub fn base(graph: &Graph, group: &Group) -> Shape {
    graph.shape(group.root().unwrap_or(group.stores[0]))
}

/// Whether two shapes differ in axes of one place alone.
pub fn same_places(a: Shape, b: Shape) -> bool {
    let significant = |extent: &&usize| **extent != 1;
    a.dims().iter().filter(significant).eq(b.dims().iter().filter(significant))
}

/// What a group reads from outside, and whether each of it place by place: at each place of the group's space the
/// element of the same place. And how many elementwise operations the group computes.
pub fn reads(graph: &Graph, fusion: &Fusion, group: &Group) -> (BTreeMap<NodeId, bool>, usize) {
    if let Some(scan) = group.root().filter(|&root| matches!(graph.node(root).op, Op::Scan { .. })) {
        // A loop reads values where they lie, seen through views.
        let source = |mut id: NodeId| {
            while class(graph, id) == Class::View && !fusion.stored[id.index()] {
                id = graph.node(id).inputs[0];
            }
            id
        };
        return (graph.node(scan).inputs.iter().map(|&operand| (source(operand), false)).collect(), 0);
    }
    let shape = base(graph, group);
    let mut walk = Walk::new(graph, fusion, group, shape);
    for &id in &group.stores {
        if group.roots.contains(&id) {
            continue;
        }
        match walk.of_shape(graph.shape(id)) {
            // A store of another shape of as many places, such as [n, 1] beside [n]: its place follows from the
            // group's.
            Some(at) => walk.open.push((id, at)),
            None => walk.apart(id),
        }
    }
    for &root in &group.roots {
        graph.node(root).inputs.iter().for_each(|&operand| walk.apart(operand));
    }
    walk.finish();
    (walk.reads, walk.size)
}

struct Walk<'a> {
    graph: &'a Graph,
    fusion: &'a Fusion,
    group: &'a Group,
    shape: Shape,
    reads: BTreeMap<NodeId, bool>,
    /// How many elementwise operations were met.
    size: usize,
    /// The places that were met, [`OWN`] first: coordinates, and which of them is the same but for axes of one place.
    places: Vec<(Vec<Affine>, usize)>,
    /// Nodes that were met at a place, and those of which other places are read.
    seen: Pairs,
    seen_apart: Pairs,
    /// Nodes that the group computes, each with its place, that are still to be looked at.
    open: Vec<(NodeId, usize)>,
}

/// The place of the group's space itself, among those of a walk.
const OWN: usize = 0;

impl<'a> Walk<'a> {
    fn new(graph: &'a Graph, fusion: &'a Fusion, group: &'a Group, shape: Shape) -> Walk<'a> {
        let mut walk = Walk {
            graph,
            fusion,
            group,
            shape,
            reads: BTreeMap::new(),
            size: 0,
            places: Vec::new(),
            seen: Pairs::default(),
            seen_apart: Pairs::default(),
            open: Vec::new(),
        };
        walk.places.push((walk.canonical(identity(shape.rank())), OWN));
        walk
    }

    fn canonical(&self, mut coordinates: Vec<Affine>) -> Vec<Affine> {
        // Along such an axis the place is 0: `i + 5 k` with k = 0 is `i`, and both are one place.
        for axis in (0..self.shape.rank()).filter(|&axis| self.shape.dim(axis) == 1) {
            coordinates.iter_mut().for_each(|affine| affine.strides[axis] = 0);
        }
        coordinates
    }

    /// The number of a place.
    fn place(&mut self, coordinates: Vec<Affine>) -> usize {
        if let Some(known) = self.places.iter().position(|(known, _)| *known == coordinates) {
            return known;
        }
        let canonical = self.canonical(coordinates.clone());
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
            return self.open.push((id, place));
        }
        let shape = self.graph.shape(id);
        // A tensor of fewer elements, as a bias, is read at the same element from many places: never place by place.
        let same = same_places(shape, self.shape)
            && self.of_shape(shape).is_some_and(|own| self.places[own].1 == self.places[place].1);
        // `x - reverse(x)` reads x in both ways; one other place is enough to keep the groups apart.
        *self.reads.entry(id).or_insert(true) &= same;
    }

    /// Looks at the open nodes, and at what they are computed from.
    fn finish(&mut self) {
        while let Some((id, place)) = self.open.pop() {
            // A node is looked at once for each place that it is met at, however many paths lead to it: in a
            // chain of sums `x + x` each link doubles the paths.
            if !self.group.roots.contains(&id) && self.seen.insert((id.0, self.places[place].1 as u32), 0) {
                self.inside(id, place);
            }
        }
    }

    /// A node that the group computes at a place.
    fn inside(&mut self, id: NodeId, place: usize) {
        let graph = self.graph;
        let node = graph.node(id);
        match class(graph, id) {
            Class::Input | Class::Free => {}
            Class::View => match view_coordinates(graph, id, &self.places[place].0, self.shape.rank()) {
                Some(at) => {
                    let place = self.place(at);
                    self.at(node.inputs[0], place);
                }
                // A reshape that merges axes: the place in its operand is no affine function of this one.
                None => self.apart(node.inputs[0]),
            },
            Class::Elementwise => {
                self.size += 1;
                // A scatter looks at other places of its operands than that which it computes.
                let placewise = !matches!(node.op, Op::ScatterAdd { .. });
                for &operand in &node.inputs {
                    if placewise && graph.shape(operand) == node.ty.shape {
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
        while let Some(id) = open.pop() {
            if self.group.roots.contains(&id) || !self.seen_apart.insert((id.0, 0), 0) {
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

/// What a reduction folds reads from outside, and whether each of it place by place.
pub fn folded_reads(graph: &Graph, fusion: &Fusion, root: NodeId) -> BTreeMap<NodeId, bool> {
    let operand = graph.node(root).inputs[0];
    let shape = graph.shape(operand);
    let group = Group { roots: vec![root], stores: Vec::new() };
    let mut walk = Walk::new(graph, fusion, &group, shape);
    walk.at(operand, OWN);
    walk.finish();
    walk.reads
}
