//! Moving and selecting elements of values. Where elements go may depend on indices, never on the elements.

use std::ops::Range;

use super::{Axis, AxisList, Builder, Value};
use crate::graph::{Operands, Type};
use crate::op::{Op, PadSpec, SliceSpec};
use crate::shape::{MAX_RANK, Shape, ShapeError};

impl<'g> Value<'g> {
    /// The same elements in row-major order under another shape.
    pub fn reshape(self, shape: impl Into<Shape>) -> Value<'g> {
        let shape = shape.into();
        if shape == self.shape() {
            return self;
        }
        self.with_plausible(shape, Op::Reshape(shape))
    }

    /// All axes from `from` on merged into one: `[n, c, h, w]` flattened from 1 is `[n, c * h * w]`.
    pub fn flatten(self, from: impl Into<Axis>) -> Value<'g> {
        self.along("flatten", from, |from| {
            let shape = self.shape();
            let (kept, merged) = shape.dims().split_at(from);
            let extents: Vec<usize> = kept.iter().copied().chain([merged.iter().product()]).collect();
            self.reshape(extents.as_slice())
        })
    }

    /// Exchanges two axes.
    pub fn transpose(self, a: impl Into<Axis>, b: impl Into<Axis>) -> Value<'g> {
        let b = b.into();
        self.along("transpose", a, |a| {
            self.along("transpose", b, |b| {
                let mut order: Vec<usize> = (0..self.shape().rank()).collect();
                order.swap(a, b);
                self.permute(&order)
            })
        })
    }

    /// The axes in another order: axis `i` of the result is axis `order[i]` of this value.
    pub fn permute(self, order: &[usize]) -> Value<'g> {
        let shape = self.shape();
        let mut permutation = std::array::from_fn(|axis| axis as u8);
        if order.len() != shape.rank() {
            return self.or_poison(Err(ShapeError::Rank { op: "transpose", expected: order.len(), found: shape }));
        }
        for (to, &from) in permutation.iter_mut().zip(order) {
            // An axis that no tensor has stays one after the conversion, and is refused by the type rule.
            *to = from.min(MAX_RANK - 1) as u8;
        }
        if order.iter().enumerate().all(|(to, &from)| to == from) {
            return self;
        }
        self.graph().apply(Op::Transpose(permutation), &[self])
    }

    /// Repeats this value to the given shape, as PyTorch does: the shapes are aligned at their last axes, and an axis
    /// that is missing or has extent 1 is repeated.
    pub fn broadcast_to(self, shape: impl Into<Shape>) -> Value<'g> {
        let (from, to) = (self.shape(), shape.into());
        if from == to {
            return self;
        }
        if from.rank() > to.rank() {
            let error = ShapeError::Mismatch { op: "broadcast", left: from, right: to };
            return self.or_poison_of(Type { shape: to, ..self.ty() }, Err(error));
        }
        let aligned = (from.rank()..to.rank()).fold(from, |shape, _| shape.insert(0, 1));
        let value = self.reshape(aligned);
        if aligned == to { value } else { value.with_plausible(to, Op::Broadcast(to)) }
    }

    /// Removes axes of extent 1.
    pub fn squeeze(self, axes: impl Into<AxisList>) -> Value<'g> {
        let shape = self.shape();
        let axes = axes.into().resolve("squeeze", shape);
        self.or_poison(axes.map(|axes| self.reshape(crate::ops::reduce::without(shape, axes))))
    }

    /// Puts an axis of extent 1 before the given axis; -1 is behind the last.
    pub fn unsqueeze(self, axis: impl Into<Axis>) -> Value<'g> {
        let shape = self.shape();
        if shape.rank() == MAX_RANK {
            return self.or_poison(Err(ShapeError::TooManyAxes { op: "unsqueeze", found: MAX_RANK + 1 }));
        }
        // The axis is one of the result, whose rank is one higher.
        let axis = axis.into().resolve("unsqueeze", shape.insert(0, 1));
        self.or_poison(axis.map(|axis| self.reshape(shape.insert(axis, 1))))
    }

    /// Every `step`-th element of a range of one axis.
    pub fn slice(self, axis: impl Into<Axis>, range: Range<usize>, step: usize) -> Value<'g> {
        self.along("slice", axis, |axis| {
            let mut slice = whole(self.shape());
            (slice.start[axis], slice.limit[axis], slice.step[axis]) = (range.start, range.end, step);
            self.slice_all(slice)
        })
    }

    /// A slice along each axis.
    pub(crate) fn slice_all(self, slice: SliceSpec) -> Value<'g> {
        if slice == whole(self.shape()) { self } else { self.graph().apply(Op::Slice(slice.into()), &[self]) }
    }

    /// Puts `low[i]` elements before and `high[i]` behind axis `i`, all of the given value; axes past the lists stay.
    pub fn pad(self, low: &[usize], high: &[usize], value: f64) -> Value<'g> {
        self.pad_with(low, high, self.graph().number_of(self.dtype(), value))
    }

    /// [`Value::pad`] with a scalar of the graph.
    pub(crate) fn pad_with(self, low: &[usize], high: &[usize], value: Value<'g>) -> Value<'g> {
        let shape = self.shape();
        if let Some(axis) = (shape.rank()..low.len().max(high.len())).next() {
            return self.or_poison(Err(ShapeError::Axis { op: "pad", axis: axis as isize, shape }));
        }
        let extents = |list: &[usize]| std::array::from_fn(|axis| list.get(axis).copied().unwrap_or(0));
        let (low, high): ([usize; MAX_RANK], [usize; MAX_RANK]) = (extents(low), extents(high));
        if low == [0; MAX_RANK] && high == low {
            return self;
        }
        self.graph().apply(Op::Pad(PadSpec { low, high }.into()), &[self, value])
    }

    /// Turns round the order of the elements along axes.
    pub fn reverse(self, axes: impl Into<AxisList>) -> Value<'g> {
        let axes = axes.into().resolve("reverse", self.shape());
        self.or_poison(axes.map(|axes| self.graph().apply(Op::Reverse(axes), &[self])))
    }

    /// At each place of the i32 `indices`, the element of this value with that index along `axis` (`torch.gather`; the
    /// other extents of the indices are at most this value's, and all that lies behind them is left out). Indices outside are
    /// clamped.
    pub fn gather(self, axis: impl Into<Axis>, indices: Value<'g>) -> Value<'g> {
        self.along("gather", axis, |axis| {
            let (data, wanted) = (self.shape(), indices.shape());
            let shorter =
                |&other: &usize| other != axis && other < wanted.rank() && wanted.dim(other) < data.dim(other);
            let others = (0..data.rank()).filter(shorter);
            let data = others.fold(self, |data, other| data.slice(other, 0..wanted.dim(other), 1));
            self.graph().apply(Op::Gather { axis }, &[data, indices])
        })
    }

    /// The rows (along axis 0) with the given i32 indices, of any shape: an embedding. Indices outside are clamped.
    pub fn take_rows(self, indices: Value<'g>) -> Value<'g> {
        self.graph().apply(Op::TakeRows, &[self, indices])
    }

    /// Applies an operation of one operand; if it can not be, gives a stand-in of the given shape.
    fn with_plausible(self, shape: Shape, op: Op) -> Value<'g> {
        let result = op.infer(&[self.ty()]).map(|ty| self.graph().push(op, Operands::from_slice(&[self.id()]), ty));
        self.or_poison_of(Type { shape, ..self.ty() }, result)
    }
}

impl Builder {
    /// The parts one after the other along an axis.
    pub fn concat<'g>(&'g self, parts: &[Value<'g>], axis: impl Into<Axis>) -> Value<'g> {
        let Some(&first) = parts.first() else { return self.apply(Op::Concat { axis: 0 }, &[]) };
        first.along(
            "concat",
            axis,
            |axis| if parts.len() == 1 { first } else { self.apply(Op::Concat { axis }, parts) },
        )
    }
}

/// The slice that leaves a tensor as it is.
pub(crate) fn whole(shape: Shape) -> SliceSpec {
    let mut slice = SliceSpec { start: [0; MAX_RANK], limit: [0; MAX_RANK], step: [1; MAX_RANK] };
    slice.limit[..shape.rank()].copy_from_slice(shape.dims());
    slice
}
