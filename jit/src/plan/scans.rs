//! Scans as loops: the calls of a body over the memory of the graph around it. Rows of sequences are where the memory
//! of the whole sequence is in that step; a state that is carried lies where its last value is wanted; what a body
//! computes of constants alone comes before the loop. It knows which piece of memory is what; it does not know how a
//! body is lowered.

use std::collections::{BTreeSet, HashMap};

use kiln_graph::op::Op;
use kiln_graph::{Graph, NodeId, Role, Shape};
use rustc_hash::FxHashMap;

use super::data::{Move, Part};
use super::drafts::{Draft, Drafts};
use super::invariant;
use super::pieces::{Memory, Piece, Purpose};
use super::rows_ahead::{self, Row};
use crate::layout::Layout;
use crate::lower::expression::{Located, Storage, element, resolve};
use crate::lower::{Group, Lowered};
use crate::target::Target;

/// How a body lies in the memory around it.
pub struct Scan {
    /// How many steps there are.
    pub length: usize,
    /// For each of the body's inputs: where it lies in the first step.
    inputs: Vec<(Located, Move)>,
    /// The same for each of its outputs; nothing where nobody reads it.
    outputs: Vec<Option<(Storage, Move)>>,
    /// States that are carried: what they are before the first step, and where they are carried.
    pub carried: Vec<(NodeId, Located)>,
}

impl Scan {
    /// That of a group of a graph. What is carried and not read at the end gets memory of its own.
    pub fn new(graph: &Graph, group: &Group, body: &Graph, memory: &mut Memory) -> Scan {
        let node = graph.node(group.roots[0]);
        let Op::Scan { length, reverse, .. } = node.op else { unreachable!("the root is a scan") };
        let result = |index: usize| {
            let reads =
                |&&id: &&NodeId| matches!(graph.node(id).op, Op::ScanResult { index: i } if i as usize == index);
            group.stores.iter().find(reads).copied()
        };
        let row = |layout: &Layout| {
            let step = layout.strides[0];
            let last = layout.offset as i64 + step * (length as i64 - 1);
            if reverse { Move { start: last as usize, step: -step } } else { Move { start: layout.offset, step } }
        };
        let located = |memory: &Memory, id: NodeId| {
            resolve(graph, id, &|id| memory.located.get(id).copied()).expect("what a loop reads lies in memory")
        };
        let mut carried = Vec::new();
        let mut inputs = Vec::new();
        for (number, (input, &operand)) in body.inputs.iter().zip(&node.inputs).enumerate() {
            let of = located(memory, operand);
            let update = body.updates.iter().position(|update| update.input == number);
            inputs.push(match (input.role, update) {
                (Role::Data, _) => {
                    let layout = row_of(&of.layout, body.shape(input.node));
                    let Move { start, step } = row(&of.layout);
                    (Located { layout, ..of }, Move { start: start - layout.offset, step })
                }
                (Role::State, None) => (of, Move::default()),
                (Role::State, Some(update)) => {
                    let layout = Layout::row_major(body.shape(input.node));
                    let place = result(update).map(|id| memory.place(id));
                    let own = place.unwrap_or_else(|| {
                        let storage = memory.temporary(layout.elements, element(of.dtype).bytes());
                        Located { storage, layout, ..of }
                    });
                    carried.push((operand, own));
                    (own, Move::default())
                }
            });
        }
        let outputs = (0..body.outputs.len()).map(|output| {
            let of = memory.place(result(body.updates.len() + output)?);
            Some((of.storage, row(&of.layout)))
        });
        let outputs = outputs.collect();
        Scan { length, inputs, outputs, carried }
    }

    /// How the body's inputs lie in a step.
    pub fn layouts(&self, body: &Graph) -> HashMap<NodeId, Layout> {
        body.inputs.iter().zip(&self.inputs).map(|(input, (of, _))| (input.node, of.layout)).collect()
    }

    /// The calls of the body over the memory around it: those that come before the loop, and those of a step.
    pub fn bind(
        &self,
        body: &Graph,
        drafts: Drafts,
        number: usize,
        (label, scope): (&str, u32),
        memory: &mut Memory,
        target: &Target,
    ) -> (Vec<Draft>, Vec<Draft>) {
        let Drafts { mut list, memory: inner, .. } = drafts;
        let before = invariant::move_to_front(&inner.pieces, false, &mut list);
        let mut places: FxHashMap<Storage, (Storage, Move)> = FxHashMap::default();
        for (input, &(of, by)) in body.inputs.iter().zip(&self.inputs) {
            places.insert(inner.place(input.node).storage, (of.storage, by));
        }
        for (output, place) in body.outputs.iter().zip(&self.outputs) {
            let place = place.unwrap_or_else(|| {
                let Located { dtype, layout, .. } = inner.place(output.node);
                (memory.temporary(layout.elements, element(dtype).bytes()), Move::default())
            });
            places.insert(inner.place(output.node).storage, place);
        }
        let read = body.inputs.iter().zip(&self.inputs).filter(|(input, _)| input.role == Role::Data);
        let read = read.map(|(input, &(of, by))| (input.node, of.storage, by));
        let written = body.outputs.iter().zip(&self.outputs);
        let written = written.filter_map(|(output, &place)| place.map(|(storage, by)| (output.node, storage, by)));
        let row = |(node, storage, by)| {
            let Located { dtype, layout, .. } = inner.place(node);
            Row { storage, by, layout, shape: body.shape(node), element: element(dtype) }
        };
        let rows: Vec<Row> = read.chain(written).map(row).collect();
        let mut of = |storage: Storage| {
            let Piece { elements, size, .. } = inner.pieces[storage.0 as usize];
            *places.entry(storage).or_insert_with(|| (memory.temporary(elements, size), Move::default()))
        };
        // What a step alone touches, it writes before it reads: such memory may be used for several things.
        let kept: BTreeSet<Storage> =
            list[..before].iter().flat_map(|draft| &draft.lowered.arguments).copied().collect();
        let is_local = |storage: &Storage| {
            inner.pieces[storage.0 as usize].purpose == Purpose::Temporary && !kept.contains(storage)
        };
        let mut bound = Vec::with_capacity(list.len());
        for (position, draft) in list.into_iter().enumerate() {
            let Draft { lowered, label: what, parts, .. } = draft;
            let in_place = lowered.in_place.iter().filter(|(to, from)| is_local(to) && is_local(from));
            let in_place = in_place.map(|&(to, from)| (of(to).0, of(from).0)).collect();
            let (arguments, moves): (Vec<Storage>, Vec<Move>) =
                lowered.arguments.iter().map(|&storage| of(storage)).unzip();
            let in_loop = (position >= before).then_some(number);
            bound.push(Draft {
                lowered: Lowered { arguments, in_place, ..lowered },
                label: format!("{label}{what}"),
                // The scopes of a body are not those of the graph.
                parts: parts.into_iter().map(|part| Part { scope, ..part }).collect(),
                in_loop,
                moves: if in_loop.is_some() { moves } else { Vec::new() },
                level: 0,
                again: false,
            });
        }
        let mut each = bound.split_off(before);
        rows_ahead::ask(&mut each, &rows, self.length, target);
        (bound, each)
    }
}

/// The nodes that read a result that another one reads, too, which has it; each with that one.
pub fn repeated(graph: &Graph, group: &Group) -> Vec<(NodeId, NodeId)> {
    let first = |id: NodeId| group.stores.iter().copied().find(|&other| graph.node(other).op == graph.node(id).op);
    group.stores.iter().filter_map(|&id| Some((first(id).filter(|&first| first != id)?, id))).collect()
}

/// How a row of such a shape lies, from that of its elements on that comes first in memory.
fn row_of(sequence: &Layout, row: Shape) -> Layout {
    let mut layout = Layout { offset: 0, strides: [0; _], elements: 1 };
    for axis in 0..row.rank() {
        layout.strides[axis] = sequence.strides[axis + 1];
        let reach = (row.dim(axis) - 1) * layout.strides[axis].unsigned_abs() as usize;
        layout.elements += reach;
        // Seen the other way round, the first element is the last one in memory.
        layout.offset += if layout.strides[axis] < 0 { reach } else { 0 };
    }
    layout
}
