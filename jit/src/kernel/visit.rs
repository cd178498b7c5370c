//! What statements and operations of kernels are made of, for those who walk through them: operands, and the places
//! that are asked for. It lists them and does not know what they mean.

use super::{BufferId, Index, Operation, Statement, Value};

impl Statement {
    /// The buffer that the statement itself reads, writes or prefetches, and the place of its first lane.
    pub fn place(&self) -> Option<(BufferId, &Index)> {
        match self {
            Statement::Let(_, operation) => operation.place(),
            Statement::Store { buffer, index, .. } | Statement::Prefetch { buffer, index } => Some((*buffer, index)),
            Statement::Tile(statement) => statement.place(),
            Statement::For(_) => None,
        }
    }
}

impl Operation {
    /// The buffer that is read, and the place of its first lane.
    pub fn place(&self) -> Option<(BufferId, &Index)> {
        match self {
            Operation::Load { buffer, index, .. }
            | Operation::LoadPairs { buffer, index, .. }
            | Operation::Splat { buffer, index }
            | Operation::Gather { buffer, index, .. } => Some((*buffer, index)),
            _ => None,
        }
    }

    /// Calls `f` with each operand, a run-time row's value included.
    pub fn operands(&self, f: &mut dyn FnMut(Value)) {
        match *self {
            Operation::ConstantF32(_) | Operation::ConstantI32(_) | Operation::Lane => (),
            Operation::Affine(ref index)
            | Operation::Load { ref index, .. }
            | Operation::LoadPairs { ref index, .. }
            | Operation::Splat { ref index, .. } => {
                if let Some(row) = &index.row {
                    f(row.value);
                }
            }
            Operation::Gather { ref index, places, .. } => {
                if let Some(row) = &index.row {
                    f(row.value);
                }
                f(places);
            }
            Operation::Float1(_, a)
            | Operation::Shift(_, a, _)
            | Operation::MaskNot(a)
            | Operation::Convert(_, a)
            | Operation::Fold(_, a) => f(a),
            Operation::Float2(_, a, b)
            | Operation::Shuffle(_, a, b)
            | Operation::Int2(_, a, b)
            | Operation::CompareF32(_, a, b)
            | Operation::CompareI32(_, a, b)
            | Operation::Mask2(_, a, b) => {
                f(a);
                f(b);
            }
            Operation::Fma(a, b, c)
            | Operation::FmaPairs(a, b, c)
            | Operation::FmaQuads(a, b, c)
            | Operation::Select(a, b, c) => {
                f(a);
                f(b);
                f(c);
            }
        }
    }
}
