//! What a group reads of others, and whether place by place: at each place of the group's space the element of the same
//! place. It knows graphs and groups; it joins nothing.

use kiln_graph::op::Op;
use kiln_graph::{Graph, NodeId, Pairs, Shape};

use crate::lower::expression::{Affine, identity, reshape_coordinates, view_coordinates};
use crate::lower::{Class, Group, class};
use crate::plan::group::Fusion;

/// Nodes that are read, in order, and whether each of them place by place. A list, as most are short: without
/// optimization a tree takes ten times as long to find its way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads(Vec<(NodeId, bool)>);

impl Reads {
    /// The nodes and whether they are read place by place.
    pub fn all(&self) -> &[(NodeId, bool)] {
        self.0.as_slice()
    }

    /// The nodes.
    pub fn keys(&self) -> impl Iterator<Item = NodeId> {
        self.0.iter().map(|&(id, _)| id)
    }

    /// Whether a node is read.
    pub fn contains(&self, id: NodeId) -> bool {
        self.find(id).1
    }

    /// Notes that a node is read: place by place, if all that read it do so.
    pub fn add(&mut self, id: NodeId, placewise: bool) {
        match self.find(id) {
            (place, true) => self.0.as_mut_slice()[place].1 &= placewise,
            (place, false) => self.0.insert(place, (id, placewise)),
        }
    }

    /// Forgets a node.
    pub fn remove(&mut self, id: NodeId) {
        if let (place, true) = self.find(id) {
            self.0.remove(place);
        }
    }

    /// Where a node stands or would stand, and whether it is there.
    fn find(&self, id: NodeId) -> (usize, bool) {
        let all = self.all();
        let (mut place, mut end) = (0, all.len());
        while place < end {
            let middle = (place + end) / 2;
            if all[middle].0.0 < id.0 {
                place = middle + 1;
            } else {
                end = middle;
            }
        }
        (place, place < all.len() && all[place].0.0 == id.0)
    }
}

/// The shape of a group's iteration space, but for what the root folds.
pub fn base(graph: &Graph, group: &Group) -> Shape {
    graph.shape(group.root().unwrap_or(group.stores[0]))
}

/// Whether two shapes differ in axes of one place alone.
pub fn same_places(a: Shape, b: Shape) -> bool {
    let (a, b) = (a.dims(), b.dims());
    let (mut of_a, mut of_b) = (0, 0);
    loop {
        while of_a < a.len() && a[of_a] == 1 {
            of_a += 1;
        }
        while of_b < b.len() && b[of_b] == 1 {
            of_b += 1;
        }
        if of_a == a.len() || of_b == b.len() {
            return of_a == a.len() && of_b == b.len();
        }
        if a[of_a] != b[of_b] {
            return false;
        }
        (of_a, of_b) = (of_a + 1, of_b + 1);
    }
}

/// What a group reads from outside, and whether each of it place by place: at each place of the group's space the
/// element of the same place. And how many elementwise operations the group computes.
pub fn reads(graph: &Graph, fusion: &Fusion, group: &Group) -> (Reads, usize) {
    if let Some(scan) = group.root().filter(|&root| matches!(graph.node(root).op, Op::Scan { .. })) {
        // A loop reads values where they lie, seen through views.
        let source = |mut id: NodeId| {
            while class(graph, id) == Class::View && !fusion.stored[id.index()] {
                id = graph.node(id).inputs[0];
            }
            id
        };
        let mut reads = Reads::default();
        graph.node(scan).inputs.iter().for_each(|&operand| reads.add(source(operand), false));
        return (reads, 0);
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
    reads: Reads,
    /// How many elementwise operations were met.
    size: usize,
    /// The places that were met, [`OWN`] first (nothing before another one is): coordinates, and which of them is the same but for axes of one place.
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
        Walk {
            graph,
            fusion,
            group,
            shape,
            reads: Reads::default(),
            size: 0,
            places: Vec::new(),
            seen: Pairs::default(),
            seen_apart: Pairs::default(),
            open: Vec::new(),
        }
    }

    /// Adds the own place, if it is not there yet: most walks ask for no coordinates.
    fn begin(&mut self) {
        if self.places.is_empty() {
            let own = self.canonical(identity(self.shape.rank()));
            self.places.push((own, OWN));
        }
    }

    /// Which place is the same but for axes of one place.
    fn same(&self, place: usize) -> usize {
        if place == OWN { OWN } else { self.places[place].1 }
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
        let mut same = self.places.len();
        if self.shape.dims().contains(&1) {
            let canonical = self.canonical(coordinates.clone());
            if canonical != coordinates {
                same = self.place(canonical);
            }
        }
        self.places.push((coordinates, same));
        self.places.len() - 1
    }

    /// Where an element of a tensor of some shape is that has as many places as the group's space.
    fn of_shape(&mut self, shape: Shape) -> Option<usize> {
        if shape == self.shape {
            return Some(OWN);
        }
        self.begin();
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
            && self.of_shape(shape).is_some_and(|own| self.same(own) == self.same(place));
        // `x - reverse(x)` reads x in both ways; one other place is enough to keep the groups apart.
        self.reads.add(id, same);
    }

    /// Looks at the open nodes, and at what they are computed from.
    fn finish(&mut self) {
        while let Some((id, place)) = self.open.pop() {
            // A node is looked at once for each place that it is met at, however many paths lead to it: in a
            // chain of sums `x + x` each link doubles the paths.
            if !self.group.roots.contains(&id) && self.seen.insert((id.0, self.same(place) as u32), 0) {
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
            Class::View => {
                if self.shows_other_places(node.inputs[0]) {
                    return self.apart(node.inputs[0]);
                }
                self.begin();
                match view_coordinates(graph, id, &self.places[place].0, self.shape.rank()) {
                    Some(at) => {
                        let place = self.place(at);
                        self.at(node.inputs[0], place);
                    }
                    // A reshape that merges axes: the place in its operand is no affine function of this one.
                    None => self.apart(node.inputs[0]),
                }
            }
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

    /// Whether a view of a node shows what comes from outside, and has other places than the group, as a bias that is
    /// broadcast: it is not read place by place, whatever the coordinates, which cost the most here.
    fn shows_other_places(&self, operand: NodeId) -> bool {
        let mut source = operand;
        while !self.is_outside(source) {
            if class(self.graph, source) != Class::View {
                return false;
            }
            source = self.graph.node(source).inputs[0];
        }
        !same_places(self.graph.shape(source), self.shape)
    }

    /// A node of which other places are read.
    fn apart(&mut self, id: NodeId) {
        // Most lie outside: nothing else is to be looked at.
        let mut open = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next {
            if !self.group.roots.contains(&id) {
                if self.is_outside(id) {
                    self.reads.add(id, false);
                } else if self.seen_apart.insert((id.0, 0), 0) {
                    open.extend(&self.graph.node(id).inputs);
                }
            }
            next = open.pop();
        }
    }
}

/// What a reduction folds reads from outside, and whether each of it place by place.
pub fn folded_reads(graph: &Graph, fusion: &Fusion, root: NodeId) -> Reads {
    let operand = graph.node(root).inputs[0];
    let shape = graph.shape(operand);
    let group = Group { roots: vec![root], stores: Vec::new() };
    let mut walk = Walk::new(graph, fusion, &group, shape);
    walk.at(operand, OWN);
    walk.finish();
    walk.reads
}
