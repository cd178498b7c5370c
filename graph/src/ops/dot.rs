//! The matrix product over equal batch axes. Batches that are to be repeated have been repeated before.

use super::{operands_of, rank, summed, sums, widened};
use crate::differentiate::{Adjoint, Contributions};
use crate::graph::Type;
use crate::interpret::{Real, Tensor};
use crate::op::Op;
use crate::shape::ShapeError;

/// `T[b.., m, k], T[b.., k, n] -> f32[b.., m, n]`, where T is f32 or bf16; i32 of u8 and i8, or of i8 and u8.
pub(super) fn infer_dot(op: &Op, operands: &[Type]) -> Result<Type, ShapeError> {
    let [left, right] = operands_of(op, operands)?;
    let dtype = sums(op, left.dtype, right.dtype)?;
    let axes = left.shape.rank();
    if axes < 2 {
        rank(op, 2, left.shape)?;
    }
    rank(op, axes, right.shape)?;
    let (a, b) = (left.shape.dims(), right.shape.dims());
    if a[..axes - 2] != b[..axes - 2] || a[axes - 1] != b[axes - 2] {
        return Err(ShapeError::Mismatch { op: op.mnemonic(), left: left.shape, right: right.shape });
    }
    Ok(Type { dtype, shape: left.shape.with(axes - 1, b[axes - 1]) })
}

/// With `Y = A B`: `A' = Y' B^T`, `B' = A^T Y'`.
pub(super) fn gradient_dot<'g>(at: &Adjoint<'_, 'g>) -> Contributions<'g> {
    let (left, right, upstream) = (widened(at.operands[0]), widened(at.operands[1]), at.upstream);
    let dot = |a, b| upstream.graph().apply(Op::Dot, &[a, b]);
    vec![at.of(0, || dot(upstream, right.transpose(-1, -2))), at.of(1, || dot(left.transpose(-1, -2), upstream))]
}

/// `y[b, i, j] = sum over l of left[b, i, l] right[b, l, j]`.
pub(super) fn evaluate_dot<T: Real>(operands: &[&Tensor<T>], ty: Type) -> Tensor<T> {
    let (a, b) = (operands[0].ty().shape, operands[1].ty().shape);
    let axes = a.rank();
    let (m, k, n) = (a.dim(axes - 2), a.dim(axes - 1), b.dim(axes - 1));
    let (left, right) = (operands[0].to_f64(), operands[1].to_f64());
    let mut result = vec![0.0; ty.shape.elements()];
    for row in 0..if k * n == 0 { 0 } else { left.len() / k } {
        let matrix = &right[row / m * k * n..][..k * n];
        let sums = &mut result[row * n..][..n];
        for (x, weights) in left[row * k..][..k].iter().zip(matrix.chunks_exact(n)) {
            // A plain loop, for the time of debug builds.
            let mut column = 0;
            while column < n {
                sums[column] += x * weights[column];
                column += 1;
            }
        }
    }
    summed(ty, result)
}
