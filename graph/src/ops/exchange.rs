//! The sum over the shards of a batch. A program computes one shard; whoever runs it brings the shards' values
//! together. The reference evaluation is that of one shard: the value itself.

use super::{element_type, operands_of};
use crate::differentiate::{Adjoint, Contributions};
use crate::graph::Type;
use crate::op::Op;
use crate::shape::{DType, Shape, ShapeError};

/// `f32[s] -> f32[s]`, or `f32[s], bool[] -> f32[s]`.
pub(super) fn infer_exchange(op: &Op, operands: &[Type]) -> Result<Type, ShapeError> {
    if let &[x, when] = operands {
        element_type(op, 0, x.dtype, &[DType::F32])?;
        element_type(op, 1, when.dtype, &[DType::Bool])?;
        if when.shape != Shape::SCALAR {
            return Err(ShapeError::Rank { op: op.mnemonic(), expected: 0, found: when.shape });
        }
        return Ok(x);
    }
    let [x] = operands_of(op, operands)?;
    element_type(op, 0, x.dtype, &[DType::F32])?;
    Ok(x)
}

/// With `y = sum of x[s]` each shard's loss depends on `y`, so that `dL / dx[s] = sum of dL[t] / dy` over all shards, where
/// they are added up.
pub(super) fn gradient_exchange<'g>(at: &Adjoint<'_, 'g>) -> Contributions<'g> {
    let when = at.operands.get(1).copied();
    vec![at.of(0, || at.upstream.graph().exchange_where(at.upstream, when))]
}
