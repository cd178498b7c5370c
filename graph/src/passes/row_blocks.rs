//! Computes what is large and only in the middle in blocks of rows: a product of two small matrices that is much larger
//! than both, what is made of it row by row, and what is summed up of that. Attention is such a thing (scores of all
//! places for all places), whoever writes it and with whatever masks, and so is a loss over all pairs of a batch. A
//! layer, whose product is one with a parameter, is not taken.
//!
//! - A **region** is such a product with all large values around it. All of them have rows, and every operation between
//!   them takes rows to rows ([`links`]); all that leaves it is small: values of rows, or sums over rows, which go on
//!   from block to block. Where something else reads a large value, the region stays as it is.
//! - What waits for results of the region, as a gradient does for what follows from them, is a later **phase**. Each
//!   phase is a scan over blocks of rows; large values that it needs of an earlier one it computes again.
//! - Large operands that are simple (masks that count places, constants) are made within the blocks; others are read by
//!   rows.
//! - Random numbers are those of the whole: a block draws them from the place in their stream where it begins.
//! - Where values beyond a diagonal are known not to count ([`beyond`]), rows are computed in **segments**, each with
//!   the columns that its last row looks at.
//!
//! Not exact: sums over rows are added up block by block, and what a causal mask hides counts as finite.

mod beyond;
mod body;
mod links;
mod region;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use rustc_hash::FxHashSet;

use crate::graph::{Graph, Node, NodeId, Operands, Role, Type};
use crate::op::{BinaryOp, Op, PadSpec, Scalar, SliceSpec};
use crate::shape::{DType, MAX_RANK, Shape};
use body::{Phase, Segment, Taken};
use region::{GROWTH, Place, Region, grows};

/// How large blocks are; what is best depends on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowBlocks {
    /// Only values of more elements are computed in blocks.
    pub large: usize,
    /// Of more than so many, where a part beyond a diagonal is not computed at all.
    pub cut: usize,
    /// The most elements of such a value in a block, if it has as many rows as it must have.
    pub block: usize,
    /// Rows that a block has at least.
    pub rows: usize,
    /// The most segments.
    pub segments: usize,
}

/// The most phases of a region: each computes the products before it again. A forward and a backward pass are two; a norm
/// over rows makes it four, with which a step took 2.5 times as long (`docs/experiments/021-hidden-layers-by-rows.md`).
/// Unit: phases. Zen 3, 2026-11-29.
const PHASES: usize = 2;

/// The graph that computes large values in blocks of rows.
pub fn row_blocks(graph: &Graph, blocks: RowBlocks) -> Cow<'_, Graph> {
    let mut result = Cow::Borrowed(graph);
    let mut from = 0;
    loop {
        let seeds = result.ids().skip(from).find(|&id| {
            let node = result.node(id);
            let is_large = node.op == Op::Dot && node.ty.shape.elements() > blocks.large.min(blocks.cut);
            is_large && grows(&result, id, GROWTH) && !node.inputs.iter().any(|&factor| is_parameter(&result, factor))
        });
        let Some(seed) = seeds else { return result };
        from = seed.index() + 1;
        if let Some(new) = blocked(&result, seed, blocks) {
            // Nodes have other places now; what is left of the products is looked at again.
            from = 0;
            result = Cow::Owned(new);
        }
    }
}

/// Whether a value is a parameter, as it is or seen otherwise. A product with one is a layer of a network: how many rows it
/// has is the user's choice of a batch, and whether blocks make it faster is not known before it runs.
fn is_parameter(graph: &Graph, mut id: NodeId) -> bool {
    while graph.node(id).op.is_view() {
        id = graph.node(id).inputs[0];
    }
    graph.inputs.iter().any(|input| input.node == id && input.role == Role::State)
}

/// The graph with the region around a product in blocks.
fn blocked(graph: &Graph, seed: NodeId, blocks: RowBlocks) -> Option<Graph> {
    let mut users: Vec<Vec<NodeId>> = vec![Vec::new(); graph.nodes.len()];
    for id in graph.ids() {
        graph.node(id).inputs.iter().for_each(|operand| users[operand.index()].push(id));
    }
    let mut region = Region::around(graph, &users, seed)?;
    if region.phases > PHASES {
        return None;
    }
    let mut leaves = leaves(graph, &users, &region);
    if leaves.iter().any(|id| region.members[id].is_large) {
        return None;
    }
    let diagonal = beyond::diagonal(graph, &region, &leaves);
    if region.elements <= if diagonal.is_some() { blocks.cut } else { blocks.large } {
        return None;
    }
    if diagonal.is_none() {
        region.forget_columns();
    }
    let phases = loop {
        let phases: Vec<Phase<'_>> = (0..region.phases).map(|n| Phase::new(graph, &region, n, &leaves)).collect();
        let count = leaves.len();
        leaves.extend(phases.iter().flat_map(Phase::kept));
        if leaves.len() == count {
            break phases;
        }
    };
    let segments = segments(&region, diagonal, blocks);
    if segments.len() == 1 && segments[0].blocks == 1 {
        return None;
    }
    let rank = |taken: &Taken| matches!(taken, Taken::Value(id, _) if graph.shape(*id).rank() == MAX_RANK);
    let is_deep = |phase: &Phase<'_>| {
        phase.taken.iter().any(rank) || phase.rows.iter().any(|&id| graph.shape(id).rank() == MAX_RANK)
    };
    if phases.iter().any(is_deep) {
        return None;
    }
    Some(Rebuilt::of(graph, &region, &phases, &segments))
}

/// The members that are read outside of their block.
fn leaves(graph: &Graph, users: &[Vec<NodeId>], region: &Region) -> BTreeSet<NodeId> {
    let roots: FxHashSet<NodeId> = graph.roots().collect();
    let is_read = |id: &NodeId| {
        users[id.index()].iter().any(|user| {
            let Some(reader) = region.members.get(user) else { return true };
            let member = &region.members[id];
            let numbers = (0..graph.node(*user).inputs.len()).filter(|&n| graph.node(*user).inputs[n] == *id);
            numbers.into_iter().any(|number| {
                let is_within = region.is_within(*id, reader.operand(number));
                !is_within || reader.phase != member.phase && !member.is_large
            })
        })
    };
    region.members.keys().filter(|id| roots.contains(id) || is_read(id)).copied().collect()
}

/// The rows in blocks of about the same size, with the columns that they look at, where `diagonal` says it.
fn segments(region: &Region, diagonal: Option<i64>, blocks: RowBlocks) -> Vec<Segment> {
    let of_row = region.elements / region.rows;
    let most = (blocks.block / of_row).max(blocks.rows).min(region.rows);
    let count = match diagonal {
        Some(_) => (region.rows / most).clamp(1, blocks.segments),
        None => 1,
    };
    let mut segments = Vec::new();
    for number in 0..count {
        let (start, end) = (region.rows * number / count, region.rows * (number + 1) / count);
        let columns = |end: usize| {
            let limit = diagonal.map_or(region.columns as i64, |from| end as i64 - 1 + from);
            limit.clamp(1, region.columns as i64) as usize
        };
        let rows = end - start;
        let least = rows.div_ceil(most);
        let even = (least..2 * least).find(|blocks| rows.is_multiple_of(*blocks)).unwrap_or(least);
        let each = rows / even;
        segments.push(Segment { start, rows: each, blocks: even, columns: columns(start + even * each) });
        let rest = rows - even * each;
        if rest > 0 {
            segments.push(Segment { start: end - rest, rows: rest, blocks: 1, columns: columns(end) });
        }
    }
    segments
}

/// The new graph, while it is made.
struct Rebuilt<'a> {
    from: &'a Graph,
    region: &'a Region,
    new: Graph,
    places: Vec<NodeId>,
    scope: u32,
}

impl Rebuilt<'_> {
    fn of(graph: &Graph, region: &Region, phases: &[Phase<'_>], segments: &[Segment]) -> Graph {
        let new = Graph { nodes: Vec::new(), bodies: graph.bodies.clone(), ..graph.clone() };
        let places = vec![NodeId::default(); graph.nodes.len()];
        let mut rebuilt = Rebuilt { from: graph, region, new, places, scope: 0 };
        for item in order(graph, region, phases) {
            match item {
                Item::Node(id) => rebuilt.copy(id),
                Item::Phase(number) => rebuilt.phase(&phases[number], segments),
            }
        }
        let Rebuilt { mut new, places, .. } = rebuilt;
        let at = |id: NodeId| places[id.index()];
        new.inputs.iter_mut().for_each(|input| input.node = at(input.node));
        new.outputs.iter_mut().for_each(|output| output.node = at(output.node));
        new.updates.iter_mut().for_each(|update| update.node = at(update.node));
        super::sweep(&mut new);
        new
    }

    fn copy(&mut self, id: NodeId) {
        let node = self.from.node(id);
        let inputs = node.inputs.iter().map(|operand| self.places[operand.index()]).collect();
        self.places[id.index()] = self.new.push(Node { inputs, ..node.clone() });
    }

    fn push(&mut self, op: Op, inputs: &[NodeId], ty: Type) -> NodeId {
        self.new.push(Node { op, inputs: Operands::from_slice(inputs), ty, scope: self.scope })
    }

    fn add(&mut self, op: Op, inputs: &[NodeId]) -> NodeId {
        let types: Vec<Type> = inputs.iter().map(|&id| self.new.ty(id)).collect();
        let ty = op.infer(&types).unwrap_or_else(|error| panic!("a pass made an illegal node: {error}"));
        self.push(op, inputs, ty)
    }

    /// The scans of a phase, one for each segment, and what they give.
    fn phase(&mut self, phase: &Phase<'_>, segments: &[Segment]) {
        let Some(&first) = phase.rows.iter().chain(&phase.sums).min() else { return };
        self.scope = self.from.node(first).scope;
        let mut rows: Vec<Vec<NodeId>> = vec![Vec::new(); phase.rows.len()];
        let mut totals: Vec<Option<NodeId>> = vec![None; phase.sums.len()];
        for &segment in segments {
            let (body, taken) = phase.body(segment);
            let operands: Vec<NodeId> =
                taken.iter().map(|taken| self.operand(*taken, segment, phase, &totals)).collect();
            let number = self.new.bodies.len() as u32;
            let results: Vec<Type> = (0..body.updates.len() + body.outputs.len())
                .map(|index| body.scan_result(segment.blocks, index).expect("values with room for one more axis"))
                .collect();
            self.new.bodies.push(body);
            let op = Op::Scan { body: number, length: segment.blocks, reverse: false };
            let scan = self.push(op, &operands, crate::ops::scan::TOKEN);
            for (index, ty) in results.into_iter().enumerate() {
                let result = self.push(Op::ScanResult { index: index as u32 }, &[scan], ty);
                match index.checked_sub(totals.len()) {
                    None => totals[index] = Some(result),
                    Some(output) => {
                        let axis = self.region.members[&phase.rows[output]].place.row.expect("it has rows");
                        rows[output].push(self.merged(result, axis));
                    }
                }
            }
        }
        for (&id, parts) in phase.rows.iter().zip(&rows) {
            let axis = self.region.members[&id].place.row.expect("it has rows");
            let all = if parts.len() == 1 { parts[0] } else { self.add(Op::Concat { axis }, parts) };
            self.places[id.index()] = all;
        }
        for (&id, total) in phase.sums.iter().zip(&totals) {
            let total = total.expect("there is a segment");
            self.places[id.index()] = self.widened(total, id, self.region.columns);
        }
    }

    /// What a scan takes.
    fn operand(&mut self, taken: Taken, segment: Segment, phase: &Phase<'_>, totals: &[Option<NodeId>]) -> NodeId {
        match taken {
            Taken::Value(id, place) => self.part(self.places[id.index()], place, segment),
            Taken::FirstRow => {
                let shape = Shape::new(&[segment.blocks]);
                let mut numbers = self.add(Op::Iota { axis: 0, shape }, &[]);
                for (op, value) in [(BinaryOp::Mul, segment.rows), (BinaryOp::Add, segment.start)] {
                    let repeated = self.full(value as f64, Type { dtype: DType::I32, shape });
                    numbers = self.add(Op::Binary(op), &[numbers, repeated]);
                }
                numbers
            }
            Taken::Sum(id) => {
                let number = phase.sums.iter().position(|&sum| sum == id).expect("a sum of the phase");
                match totals[number] {
                    Some(before) => self.widened(before, id, segment.columns),
                    None => {
                        let ty = self.from.ty(id);
                        let column = self.region.members[&id].place.column.filter(|_| self.region.has_columns);
                        let shape = column.map_or(ty.shape, |axis| ty.shape.with(axis, segment.columns));
                        self.full(0.0, Type { shape, ..ty })
                    }
                }
            }
        }
    }

    fn full(&mut self, value: f64, ty: Type) -> NodeId {
        let scalar = self.push(Op::Constant(Scalar(value)), &[], Type { shape: Shape::SCALAR, ..ty });
        if ty.shape.rank() == 0 {
            return scalar;
        }
        let one = self.add(Op::Reshape(super::rewrite::unit_axes(ty.shape.rank())), &[scalar]);
        if self.new.shape(one) == ty.shape { one } else { self.add(Op::Broadcast(ty.shape), &[one]) }
    }

    /// The part of a value that a segment takes: its columns; its rows as `[blocks, .., rows, ..]`.
    fn part(&mut self, mut value: NodeId, place: Place, segment: Segment) -> NodeId {
        let shape = self.new.shape(value);
        let mut spec = SliceSpec { start: [0; MAX_RANK], limit: [0; MAX_RANK], step: [1; MAX_RANK] };
        spec.limit[..shape.rank()].copy_from_slice(shape.dims());
        if let Some(axis) = place.row {
            (spec.start[axis], spec.limit[axis]) = (segment.start, segment.start + segment.blocks * segment.rows);
        }
        if let Some(axis) = place.column {
            spec.limit[axis] = segment.columns;
        }
        let sliced = Op::Slice(spec.into());
        if (0..shape.rank()).any(|axis| spec.start[axis] > 0 || spec.limit[axis] < shape.dim(axis)) {
            value = self.add(sliced, &[value]);
        }
        let Some(axis) = place.row else { return value };
        let split = self.new.shape(value).with(axis, segment.rows).insert(axis, segment.blocks);
        let split = self.add(Op::Reshape(split), &[value]);
        self.moved(split, axis, 0)
    }

    /// `[blocks, .., rows, ..]` with the rows of all blocks along their axis.
    fn merged(&mut self, value: NodeId, axis: usize) -> NodeId {
        let moved = self.moved(value, 0, axis);
        let shape = self.new.shape(moved);
        let merged = shape.with(axis + 1, shape.dim(axis) * shape.dim(axis + 1)).remove(axis);
        self.add(Op::Reshape(merged), &[moved])
    }

    /// A value with one axis at another place.
    fn moved(&mut self, value: NodeId, from: usize, to: usize) -> NodeId {
        if from == to {
            return value;
        }
        let rank = self.new.shape(value).rank();
        let mut axes: Vec<u8> = (0..rank as u8).filter(|&axis| usize::from(axis) != from).collect();
        axes.insert(to, from as u8);
        axes.extend(rank as u8..MAX_RANK as u8);
        self.add(Op::Transpose(axes.try_into().expect("as many axes as there may be")), &[value])
    }

    /// A sum with zeros in further columns.
    fn widened(&mut self, value: NodeId, id: NodeId, columns: usize) -> NodeId {
        let column = self.region.members[&id].place.column.filter(|_| self.region.has_columns);
        let Some(axis) = column else { return value };
        let missing = columns - self.new.shape(value).dim(axis);
        if missing == 0 {
            return value;
        }
        let (low, mut high) = ([0; MAX_RANK], [0; MAX_RANK]);
        high[axis] = missing;
        let ty = self.new.ty(value);
        let zero = self.full(0.0, Type { shape: Shape::SCALAR, ..ty });
        self.add(Op::Pad(PadSpec { low, high }.into()), &[value, zero])
    }
}

/// A part of the new graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    Node(NodeId),
    Phase(usize),
}

/// All nodes outside of the region and its phases, in an order in which they can be computed that is nearly that of the
/// graph.
fn order(graph: &Graph, region: &Region, phases: &[Phase<'_>]) -> Vec<Item> {
    let count = graph.nodes.len();
    let number = |item: Item| match item {
        Item::Node(id) => id.index(),
        Item::Phase(phase) => count + phase,
    };
    let of = |id: NodeId| region.members.get(&id).map_or(Item::Node(id), |member| Item::Phase(member.phase));
    let mut needs: Vec<BTreeSet<Item>> = vec![BTreeSet::new(); count + phases.len()];
    for id in graph.ids().filter(|id| !region.members.contains_key(id)) {
        needs[id.index()] = graph.node(id).inputs.iter().map(|&operand| of(operand)).collect();
    }
    for (number, phase) in phases.iter().enumerate() {
        let values = phase.taken.iter().filter_map(|taken| match taken {
            Taken::Value(id, _) => Some(of(*id)),
            _ => None,
        });
        needs[count + number] = values.collect();
    }
    let key = |item: Item| match item {
        Item::Node(id) => (id.index(), item),
        Item::Phase(number) => {
            let phase = &phases[number];
            (phase.rows.iter().chain(&phase.sums).map(|id| id.index()).min().unwrap_or(0), item)
        }
    };
    let items = graph.ids().filter(|id| !region.members.contains_key(id)).map(Item::Node);
    let items: Vec<Item> = items.chain((0..phases.len()).map(Item::Phase)).collect();
    let mut users: Vec<Vec<Item>> = vec![Vec::new(); needs.len()];
    for &item in &items {
        needs[number(item)].iter().for_each(|&needed| users[number(needed)].push(item));
    }
    let mut waiting: Vec<usize> = needs.iter().map(BTreeSet::len).collect();
    let mut ready: BinaryHeap<_> =
        items.iter().filter(|item| waiting[number(**item)] == 0).map(|&item| Reverse(key(item))).collect();
    let mut order = Vec::with_capacity(items.len());
    while let Some(Reverse((_, next))) = ready.pop() {
        for &user in &users[number(next)] {
            waiting[number(user)] -= 1;
            if waiting[number(user)] == 0 {
                ready.push(Reverse(key(user)));
            }
        }
        order.push(next);
    }
    debug_assert_eq!(order.len(), items.len(), "phases wait for each other");
    order
}
