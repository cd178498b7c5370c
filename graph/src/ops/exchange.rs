//! The sum over the shards of a batch. A program computes one shard; whoever runs it brings the shards' values together.
//! The reference evaluation is that of one shard: the value itself.

use super::{element_type, operands_of};
use crate::differentiate::{Adjoint, Contributions};
use crate::graph::Type;
use crate::op::Op;
use crate::shape::{DType, ShapeError};

/// `f32[s] -> f32[s]`.
pub(super) fn infer_exchange(op: &Op, operands: &[Type]) -> Result<Type, ShapeError> {
    let [x] = operands_of(op, operands)?;
    element_type(op, 0, x.dtype, &[DType::F32])?;
    Ok(x)
}

/// With `y = sum of x[s]` each shard's loss depends on `y`, so that `dL / dx[s] = sum of dL[t] / dy` over all shards.
pub(super) fn gradient_exchange<'g>(at: &Adjoint<'_, 'g>) -> Contributions<'g> {
    vec![at.of(0, || at.upstream.graph().exchange(at.upstream))]
}
