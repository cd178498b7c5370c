//! The body of a scan over blocks of rows: a phase of a region on one block. It knows the region; it does not know
//! where in the graph the scan stands.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::beyond::operand_place;
use super::links::part;
use super::region::{Place, Region};
use crate::graph::{Graph, Input, Node, NodeId, Operands, Output, Role, Type, Update};
use crate::op::{BinaryOp, Op, Scalar, SliceSpec};
use crate::shape::{DType, MAX_RANK, Shape};

/// Rows that are computed in blocks of one size, and the columns that they look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The first row.
    pub start: usize,
    /// Rows of a block.
    pub rows: usize,
    /// The number of blocks.
    pub blocks: usize,
    /// So many of the first columns.
    pub columns: usize,
}

/// What an operand of a scan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A value of the graph: its rows of each block, or all of it.
    Value(NodeId, Place),
    /// The number of the first row of each block.
    FirstRow,
    /// A sum over rows, as far as earlier blocks have it.
    Sum(NodeId),
}

/// What a phase computes, whatever the segment.
pub struct Phase<'a> {
    graph: &'a Graph,
    region: &'a Region,
    /// Which phase.
    pub number: usize,
    /// Every node that it computes, in order.
    nodes: BTreeSet<(NodeId, Place)>,
    /// What it takes, but the sums.
    pub taken: Vec<Taken>,
    /// Members that are read elsewhere.
    pub sums: Vec<NodeId>,
    /// The same with rows.
    pub rows: Vec<NodeId>,
}

impl<'a> Phase<'a> {
    /// The phase of this number; `leaves` are the members that are read outside of their block.
    pub fn new(graph: &'a Graph, region: &'a Region, number: usize, leaves: &BTreeSet<NodeId>) -> Phase<'a> {
        let own = |id: &&NodeId| region.members[*id].phase == number;
        let has_rows = |id: &NodeId| region.members[id].place.row.is_some();
        let (rows, sums): (Vec<NodeId>, Vec<NodeId>) = leaves.iter().filter(own).copied().partition(has_rows);
        let mut phase = Phase { graph, region, number, nodes: BTreeSet::new(), taken: Vec::new(), sums, rows };
        let mut open: Vec<(NodeId, Place)> =
            leaves.iter().filter(own).map(|id| (*id, region.members[id].place)).collect();
        while let Some((id, place)) = open.pop() {
            if !phase.nodes.insert((id, place)) {
                continue;
            }
            // What a row holds may follow from its number: counts, and the place in a stream of random numbers.
            match graph.node(id).op {
                Op::Iota { axis, .. } if place.row == Some(axis) => phase.take(Taken::FirstRow),
                Op::Random { .. } if place.row.is_some() => phase.take(Taken::FirstRow),
                _ => {}
            }
            for number in 0..graph.node(id).inputs.len() {
                let (operand, place) = phase.operand(id, place, number);
                match phase.is_computed(operand, place) {
                    true => open.push((operand, place)),
                    false => phase.take(Taken::Value(operand, place)),
                }
            }
        }
        phase
    }

    /// Small members that it takes, which earlier blocks have to leave.
    pub fn kept(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.taken.iter().filter_map(|taken| match taken {
            Taken::Value(id, _) if self.region.members.contains_key(id) => Some(*id),
            _ => None,
        })
    }

    fn take(&mut self, taken: Taken) {
        if !self.taken.contains(&taken) {
            self.taken.push(taken);
        }
    }

    /// An operand of a node of the body, with its axes.
    fn operand(&self, id: NodeId, place: Place, number: usize) -> (NodeId, Place) {
        let operand = self.graph.node(id).inputs[number];
        let member = self.region.members.get(&id).filter(|member| member.place == place);
        let place = match member {
            _ if matches!(self.graph.node(id).op, Op::Random { .. }) => None,
            Some(member) => Some(member.operand(number)),
            None => operand_place(self.graph, id, place, number),
        };
        (operand, place.unwrap_or_default())
    }

    /// Whether the body computes an operand, rather than take it.
    fn is_computed(&self, id: NodeId, place: Place) -> bool {
        let node = self.graph.node(id);
        if self.region.is_within(id, place) {
            let member = &self.region.members[&id];
            return member.phase == self.number || member.is_large;
        }
        // What is large and simple is not stored outside of the loop either.
        let is_simple = node.op.is_elementwise() || node.op.is_view() || matches!(node.op, Op::Iota { .. });
        let runs_through = (0..node.inputs.len()).all(|number| operand_place(self.graph, id, place, number).is_some());
        let is_counted = matches!(node.op, Op::Iota { .. });
        // Of random numbers each is drawn where it is read.
        matches!(node.op, Op::Constant(_) | Op::Random { .. })
            || is_simple && (runs_through || is_counted) && node.ty.shape.elements() > self.region.small
            || is_repeated(self.graph, id)
    }

    /// The shape of a value in a block.
    fn shape(&self, id: NodeId, place: Place, segment: Segment) -> Shape {
        let shape = self.graph.shape(id);
        let shape = place.row.map_or(shape, |axis| shape.with(axis, segment.rows));
        place.column.map_or(shape, |axis| shape.with(axis, segment.columns))
    }

    /// The body on the blocks of a segment, and its operands.
    pub fn body(&self, segment: Segment) -> (Graph, Vec<Taken>) {
        let mut body = Graph::new("rows");
        let mut places: FxHashMap<(NodeId, Place), NodeId> = FxHashMap::default();
        let mut first_row = None;
        let sums = self.sums.iter().map(|&id| Taken::Sum(id));
        let taken: Vec<Taken> = self.taken.iter().copied().chain(sums).collect();
        let input = |body: &mut Graph, name: String, role: Role, ty: Type| {
            let node = body.push(Node { op: Op::Input, inputs: Operands::new(), ty, scope: 0 });
            body.inputs.push(Input::new(name, role, node));
            node
        };
        let mut totals = Vec::new();
        for taken in &taken {
            match *taken {
                Taken::Value(id, place) => {
                    let ty = Type { shape: self.shape(id, place, segment), ..self.graph.ty(id) };
                    let role = if place.row.is_some() { Role::Data } else { Role::State };
                    let name = format!("v{}", body.inputs.len());
                    places.insert((id, place), input(&mut body, name, role, ty));
                }
                Taken::FirstRow => {
                    first_row = Some(input(&mut body, "first".into(), Role::Data, Type::i32(Shape::SCALAR)));
                }
                Taken::Sum(id) => {
                    let name = format!("sum{}", body.inputs.len());
                    let shape = self.shape(id, self.region.members[&id].place, segment);
                    totals.push(input(&mut body, name, Role::State, Type { shape, ..self.graph.ty(id) }));
                }
            }
        }
        for &(id, place) in &self.nodes {
            let node = self.graph.node(id);
            let operands: Operands =
                (0..node.inputs.len()).map(|number| places[&self.operand(id, place, number)]).collect();
            let shape = self.shape(id, place, segment);
            if let Op::Random { .. } = node.op {
                let whole = Node { inputs: operands, scope: 0, ..node.clone() };
                places.insert((id, place), drawn(&mut body, whole, place, segment, first_row));
                continue;
            }
            let op = part(node.op.clone(), shape);
            let ty = Type { shape, ..node.ty };
            let counts_rows = matches!(op, Op::Iota { axis, .. } if place.row == Some(axis));
            let mut new = body.push(Node { op, inputs: operands, ty, scope: 0 });
            if counts_rows {
                let first = first_row.expect("the number of the first row is taken");
                new = counted_on(&mut body, new, first, shape);
            }
            places.insert((id, place), new);
        }
        let first_sum = taken.len() - totals.len();
        for (number, (&id, &total)) in self.sums.iter().zip(&totals).enumerate() {
            let term = places[&(id, self.region.members[&id].place)];
            let ty = body.ty(term);
            let inputs = Operands::from_slice(&[total, term]);
            let node = body.push(Node { op: Op::Binary(BinaryOp::Add), inputs, ty, scope: 0 });
            body.updates.push(Update { input: first_sum + number, node });
        }
        for (number, &id) in self.rows.iter().enumerate() {
            let node = places[&(id, self.region.members[&id].place)];
            body.outputs.push(Output { name: format!("r{number}"), node });
        }
        (body, taken)
    }
}

/// The part of random numbers that one block reads: the numbers of the whole, as if those of its first row came first.
fn drawn(body: &mut Graph, mut whole: Node, place: Place, segment: Segment, first_row: Option<NodeId>) -> NodeId {
    let ty = whole.ty;
    let mut spec = SliceSpec { start: [0; MAX_RANK], limit: [0; MAX_RANK], step: [1; MAX_RANK] };
    spec.limit[..ty.shape.rank()].copy_from_slice(ty.shape.dims());
    let mut shape = ty.shape;
    if let Some(axis) = place.row {
        let first_row = first_row.expect("the number of the first row is taken");
        // Places are counted in 32 bits.
        let each: usize = ty.shape.dims()[axis + 1..].iter().product();
        let scalar = |op, inputs: &[NodeId]| Node {
            op,
            inputs: Operands::from_slice(inputs),
            ty: Type::i32(Shape::SCALAR),
            scope: 0,
        };
        let each = body.push(scalar(Op::Constant(Scalar(f64::from(each as u32 as i32))), &[]));
        let mut first = body.push(scalar(Op::Binary(BinaryOp::Mul), &[first_row, each]));
        if let Some(&before) = whole.inputs.get(1) {
            first = body.push(scalar(Op::Binary(BinaryOp::Add), &[before, first]));
        }
        whole.inputs = Operands::from_slice(&[whole.inputs[0], first]);
        spec.limit[axis] = segment.rows;
        shape = shape.with(axis, segment.rows);
    }
    if let Some(axis) = place.column {
        spec.limit[axis] = segment.columns;
        shape = shape.with(axis, segment.columns);
    }
    let inputs = Operands::from_slice(&[body.push(whole)]);
    body.push(Node { op: Op::Slice(spec.into()), inputs, ty: Type { shape, ..ty }, scope: 0 })
}

/// Whether all elements are one constant.
fn is_repeated(graph: &Graph, mut id: NodeId) -> bool {
    while matches!(graph.node(id).op, Op::Broadcast(_) | Op::Reshape(_)) {
        id = graph.node(id).inputs[0];
    }
    matches!(graph.node(id).op, Op::Constant(_))
}

/// Numbers that go on from a block's first one.
fn counted_on(body: &mut Graph, numbers: NodeId, first: NodeId, shape: Shape) -> NodeId {
    let ty = |shape| Type { dtype: DType::I32, shape };
    let mut push = |op, inputs: &[NodeId], shape| {
        body.push(Node { op, inputs: Operands::from_slice(inputs), ty: ty(shape), scope: 0 })
    };
    let ones = super::super::rewrite::unit_axes(shape.rank());
    let first = push(Op::Reshape(ones), &[first], ones);
    let first = push(Op::Broadcast(shape), &[first], shape);
    push(Op::Binary(BinaryOp::Add), &[numbers, first], shape)
}
