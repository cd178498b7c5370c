//! What is known of values beyond a diagonal: a causal mask's scores there are -inf, their powers 0, and sums need not
//! look at them. It follows constants through elementwise operations; it knows no blocks.
//!
//! As in every implementation of causal attention, what is not looked at counts as finite: 0 times a value beyond the
//! diagonal is 0.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::links::links;
use super::region::{Place, Region};
use crate::graph::{Graph, NodeId};
use crate::interpret::Tensor;
use crate::op::{BinaryOp, CompareOp, Op, ReduceOp, Scalar, UnaryOp};
use crate::shape::{DType, Shape, Type};

/// A value has this number wherever `column - row >= from`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Known {
    from: i64,
    value: f64,
}

/// A value that is the same wherever it is known.
const EVERYWHERE: i64 = i64::MIN / 4;

/// The distance `d` for which nothing of the region looks at columns from `row + d` on; nothing if there is none. `leaves`
/// are its members that are read elsewhere.
pub fn diagonal(graph: &Graph, region: &Region, leaves: &BTreeSet<NodeId>) -> Option<i64> {
    if !region.has_columns {
        return None;
    }
    let known = known(graph, region);
    let mut from = EVERYWHERE;
    for (id, member) in &region.members {
        let node = graph.node(*id);
        // What has columns and leaves must be a sum over rows, whose terms there are 0.
        let sums_rows = member.place.row.is_none();
        if !member.folds_columns() && !sums_rows {
            if leaves.contains(id) && member.place.column.is_some() {
                return None;
            }
            continue;
        }
        let neutral = match node.op {
            Op::Dot | Op::Reduce { op: ReduceOp::Sum, .. } => 0.0,
            Op::Reduce { op: ReduceOp::Max, .. } => f64::NEG_INFINITY,
            Op::Reduce { op: ReduceOp::Min, .. } => f64::INFINITY,
            _ => return None,
        };
        let operands = node.inputs.iter().enumerate();
        let found = operands.filter_map(|(number, &operand)| known.get(&(operand, member.operand(number))));
        from = from.max(found.filter(|known| known.value == neutral).map(|known| known.from).min()?);
    }
    (from > EVERYWHERE).then_some(from)
}

fn known(graph: &Graph, region: &Region) -> FxHashMap<(NodeId, Place), Known> {
    let mut all: BTreeSet<(NodeId, Place)> = BTreeSet::new();
    let mut open: Vec<(NodeId, Place)> = region.members.iter().map(|(id, member)| (*id, member.place)).collect();
    while let Some((id, place)) = open.pop() {
        let node = graph.node(id);
        if !all.insert((id, place)) {
            continue;
        }
        for (number, &operand) in node.inputs.iter().enumerate() {
            let within = region.members.get(&id).filter(|member| member.place == place);
            let place = within.map_or_else(|| operand_place(graph, id, place, number), |m| Some(m.operand(number)));
            open.extend(place.map(|place| (operand, place)));
        }
    }
    let (mut known, mut counts) = (FxHashMap::default(), FxHashMap::default());
    for (id, place) in all {
        let node = graph.node(id);
        let places = node.inputs.iter().enumerate();
        let places: Vec<Option<(NodeId, Place)>> =
            places.map(|(number, &operand)| Some((operand, operand_place(graph, id, place, number)?))).collect();
        let operands: Vec<Option<Known>> = places.iter().map(|at| known.get(&(*at)?).copied()).collect();
        let counted: Vec<Option<Count>> = places.iter().map(|at| counts.get(&(*at)?).copied()).collect();
        if let Some(count) = Count::of(graph, id, place, &counted) {
            counts.insert((id, place), count);
        }
        let found = match node.op {
            Op::Constant(Scalar(value)) => Some(Known { from: EVERYWHERE, value }),
            Op::Compare(function) => match counted[..] {
                [Some(left), Some(right)] => beyond_diagonal(function, left, right),
                _ => None,
            }
            .or_else(|| computed(graph, id, &operands)),
            _ if node.op.is_elementwise() => computed(graph, id, &operands),
            _ if node.op.is_view() => operands[0],
            _ => None,
        };
        if let Some(found) = found {
            known.insert((id, place), found);
        }
    }
    known
}

/// The place of an operand of any node whose axes run through it.
pub fn operand_place(graph: &Graph, id: NodeId, place: Place, number: usize) -> Option<Place> {
    let all = links(graph, id);
    let of = |axis: Option<usize>| {
        let Some(axis) = axis else { return Some(None) };
        // An axis of extent 1 is in no link of a reshape, and the same all along.
        let link = all.iter().find(|link| link.result == Some(axis));
        link.map(|link| link.operands.get(number).copied().flatten())
    };
    Some(Place { row: of(place.row)?, column: of(place.column)? })
}

/// A whole number that grows with rows and columns: `rows * row + columns * column + number`.
#[derive(Clone, Copy, Debug)]
struct Count {
    rows: i64,
    columns: i64,
    number: i64,
}

/// What factors and numbers of a count are below: f32 has all sums of them exactly for up to 2^19 rows and columns.
/// Units: times, numbers.
const FACTORS: i64 = 1 << 4;
const NUMBERS: i64 = 1 << 22;

impl Count {
    fn number(value: f64) -> Option<Count> {
        let whole = value == value.trunc() && value.abs() < NUMBERS as f64;
        whole.then_some(Count { rows: 0, columns: 0, number: value as i64 })
    }

    fn negated(self) -> Count {
        Count { rows: -self.rows, columns: -self.columns, number: -self.number }
    }

    fn plus(self, other: Count) -> Option<Count> {
        let Count { rows, columns, number } = other;
        let sum = Count { rows: self.rows + rows, columns: self.columns + columns, number: self.number + number };
        let is_exact = sum.rows.abs() < FACTORS && sum.columns.abs() < FACTORS && sum.number.abs() < NUMBERS;
        is_exact.then_some(sum)
    }

    /// The node's, of those of its operands.
    fn of(graph: &Graph, id: NodeId, place: Place, operands: &[Option<Count>]) -> Option<Count> {
        let node = graph.node(id);
        let of = |number: usize| operands[number];
        match node.op {
            Op::Constant(Scalar(value)) => Count::number(value),
            Op::Iota { axis, .. } if place.row == Some(axis) => Some(Count { rows: 1, columns: 0, number: 0 }),
            Op::Iota { axis, .. } if place.column == Some(axis) => Some(Count { rows: 0, columns: 1, number: 0 }),
            Op::Binary(BinaryOp::Add) => of(0)?.plus(of(1)?),
            Op::Binary(BinaryOp::Sub) => of(0)?.plus(of(1)?.negated()),
            Op::Unary(UnaryOp::Neg) => Some(of(0)?.negated()),
            Op::Convert(DType::F32 | DType::I32) => of(0),
            _ if node.op.is_view() => of(0),
            _ => None,
        }
    }
}

/// What a comparison of two counts is beyond a diagonal, of `column <= row` and the like.
fn beyond_diagonal(function: CompareOp, left: Count, right: Count) -> Option<Known> {
    let difference = left.plus(right.negated())?;
    // `column - row + number ? 0`
    let (difference, function) = match (difference.columns, difference.rows) {
        (1, -1) => (difference, function),
        (-1, 1) => (difference.negated(), swapped(function)),
        _ => return None,
    };
    let distance = difference.number;
    let (from, value) = match function {
        CompareOp::Le | CompareOp::Eq => (1 - distance, 0.0),
        CompareOp::Gt | CompareOp::Ne => (1 - distance, 1.0),
        CompareOp::Lt => (-distance, 0.0),
        CompareOp::Ge => (-distance, 1.0),
    };
    Some(Known { from, value })
}

/// The comparison of the operands the other way round.
fn swapped(function: CompareOp) -> CompareOp {
    match function {
        CompareOp::Eq | CompareOp::Ne => function,
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::Le => CompareOp::Ge,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::Ge => CompareOp::Le,
    }
}

/// An elementwise function of what is known of its operands.
fn computed(graph: &Graph, id: NodeId, operands: &[Option<Known>]) -> Option<Known> {
    let node = graph.node(id);
    let is = |number: usize, value: f64| operands[number].filter(|known| known.value == value);
    // Either operand decides, the one that does so nearer to the diagonal.
    let either = |value: f64| is(0, value).into_iter().chain(is(1, value)).min_by_key(|known| known.from);
    let infinite = |number: usize| operands[number].filter(|known| known.value.is_infinite());
    let alone = match node.op {
        Op::Binary(BinaryOp::Mul | BinaryOp::And) => either(0.0),
        Op::Binary(BinaryOp::Div) => is(0, 0.0),
        Op::Binary(BinaryOp::Or) => either(1.0),
        Op::Binary(BinaryOp::Add) => infinite(0).or(infinite(1)),
        Op::Binary(BinaryOp::Sub) => infinite(0),
        Op::Select => operands[0].and_then(|condition| {
            let chosen = operands[if condition.value == 0.0 { 2 } else { 1 }]?;
            Some(Known { from: condition.from.max(chosen.from), ..chosen })
        }),
        _ => None,
    };
    let all: Option<Vec<Known>> = operands.iter().copied().collect();
    alone.or_else(|| {
        let all = all?;
        let number = |(known, &operand): (&Known, &NodeId)| match graph.ty(operand).dtype {
            DType::F32 => Tensor::floats(Shape::SCALAR, [known.value]),
            DType::Bf16 => Tensor::halves(Shape::SCALAR, [known.value]),
            DType::I32 => Tensor::ints(Shape::SCALAR, [known.value as i32]),
            dtype @ (DType::U8 | DType::I8) => Tensor::bytes(dtype, Shape::SCALAR, [known.value]),
            DType::Bool => Tensor::bools(Shape::SCALAR, [known.value != 0.0]),
        };
        let tensors: Vec<Tensor<f64>> = all.iter().zip(&node.inputs).map(number).collect();
        let value =
            node.op.evaluate(&tensors.iter().collect::<Vec<_>>(), Type { shape: Shape::SCALAR, ..node.ty }).to_f64()[0];
        let from = all.iter().map(|known| known.from).max()?;
        Some(Known { from, value })
    })
}
