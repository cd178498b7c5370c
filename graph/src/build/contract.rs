//! Matrix products, convolutions and windows of values. How any of them is computed, and in which layout, is not known
//! here.

use super::Value;
use crate::op::{Convolution, Op, Window, WindowOp};
use crate::shape::{DType, Shape, ShapeError, rules};
use crate::whole::Whole;

impl<'g> Value<'g> {
    /// The matrix product, as `torch.matmul`: vectors count as a row (on the left) or a column (on the right), whose
    /// axis the result does not have; axes before the last two are batches, and are broadcast. Products of whole numbers are
    /// added up one by one, by no kernel for products of matrices.
    pub fn matmul(self, right: Value<'g>) -> Value<'g> {
        let (a, b) = (self.shape(), right.shape());
        if a.rank() == 0 || b.rank() == 0 {
            return self.or_poison(Err(ShapeError::Mismatch { op: "dot", left: a, right: b }));
        }
        let left = if a.rank() == 1 { self.unsqueeze(0) } else { self };
        let matrix = if b.rank() == 1 { right.unsqueeze(1) } else { right };
        let product = left.matmul_matrices(matrix);
        let shape = product.shape();
        let (row, column) = (shape.rank() - 2, shape.rank() - 1);
        let product = match (a.rank(), b.rank()) {
            (1, 1) => product.reshape(shape.remove(column).remove(row)),
            (1, _) => product.reshape(shape.remove(row)),
            (_, 1) => product.reshape(shape.remove(column)),
            _ => product,
        };
        product.known_as(Whole::MatMul, &[Some(self), Some(right)])
    }

    /// The product of tensors of two or more axes.
    fn matmul_matrices(self, right: Value<'g>) -> Value<'g> {
        let (a, b) = (self.shape(), right.shape());
        let (m, k, n) = (a.dim(a.rank() - 2), a.dim(a.rank() - 1), b.dim(b.rank() - 1));
        let batch = |shape: Shape| Shape::new(&shape.dims()[..shape.rank() - 2]);
        let result = rules::broadcast("dot", batch(a), batch(b)).and_then(|batches| {
            if k != b.dim(b.rank() - 2) {
                return Err(ShapeError::Mismatch { op: "dot", left: a, right: b });
            }
            if self.dtype() == DType::I32 {
                return Ok((self.unsqueeze(-1) * right.unsqueeze(-3)).sum(-2));
            }
            let stacked = |rows, columns| batches.insert(batches.rank(), rows).insert(batches.rank() + 1, columns);
            if b.rank() == 2 {
                // One matrix for all batches: their rows are those of one tall matrix.
                let rows = self.reshape([batches.elements() * m, k]);
                return Ok(self.graph().apply(Op::Dot, &[rows, right]).reshape(stacked(m, n)));
            }
            let operands = [self.broadcast_to(stacked(m, k)), right.broadcast_to(stacked(k, n))];
            Ok(self.graph().apply(Op::Dot, &operands))
        });
        self.or_poison(result)
    }

    /// Cross-correlates `[n, c, spatial..]` with a weight `[o, c / groups, kernel..]`.
    pub fn conv(self, weight: Value<'g>, conv: Convolution) -> Value<'g> {
        self.graph().apply(Op::Conv(conv.into()), &[self, weight])
    }

    /// The largest element of each window of `[n, c, spatial..]`; padding counts as -inf.
    pub fn max_window(self, window: Window) -> Value<'g> {
        self.graph().apply(Op::WindowReduce { op: WindowOp::Max, window: window.into() }, &[self])
    }

    /// The i32 row-major index, within the spatial extents of `[n, c, spatial..]`, of the first largest element of each
    /// window; a NaN wins, and a window that lies in the padding has 0.
    pub fn argmax_window(self, window: Window) -> Value<'g> {
        self.graph().apply(Op::WindowArgMax(window.into()), &[self])
    }

    /// The sum of each window of `[n, c, spatial..]`; padding counts as 0.
    pub fn sum_window(self, window: Window) -> Value<'g> {
        self.graph().apply(Op::WindowReduce { op: WindowOp::Sum, window: window.into() }, &[self])
    }
}
