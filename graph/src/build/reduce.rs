//! Reductions of values, and the functions that normalize along axes. Folds over windows are `contract.rs`'s.

use super::{Axis, AxisList, Value};
use crate::op::{ArgOp, Axes, BinaryOp, Op, ReduceOp};
use crate::shape::{DType, ShapeError};
use crate::whole::{Fold, Whole};

/// Each reduction twice: with the axes removed, and with extent 1 in their place.
macro_rules! reductions {
    ($($(#[$documentation:meta])* $method:ident $keep:ident $function:ident),* $(,)?) => {
        impl<'g> Value<'g> {$(
            $(#[$documentation])*
            pub fn $method(self, axes: impl Into<AxisList>) -> Value<'g> {
                self.over(stringify!($method), axes, |axes| self.reduce(ReduceOp::$function, axes))
            }

            #[doc = concat!("[`Value::", stringify!($method), "`], but the axes stay, with extent 1.")]
            pub fn $keep(self, axes: impl Into<AxisList>) -> Value<'g> {
                self.over(stringify!($method), axes, |axes| self.reduce(ReduceOp::$function, axes).restore(self, axes))
            }
        )*}
    };
}

reductions! {
    /// The sum over axes.
    sum sum_keep Sum,
    /// The product over axes.
    prod prod_keep Prod,
    /// The largest element over axes, NaN if there is one; the gradient is shared evenly by ties.
    amax amax_keep Max,
    /// The smallest element over axes, NaN if there is one; the gradient is shared evenly by ties.
    amin amin_keep Min,
}

impl<'g> Value<'g> {
    /// Folds a set of axes away; a value without them stays as it is.
    pub(crate) fn reduce(self, op: ReduceOp, axes: Axes) -> Value<'g> {
        if axes.is_empty() { self } else { self.graph().apply(Op::Reduce { op, axes }, &[self]) }
    }

    /// This value, of the shape of `like` without the axes, with these put back with extent 1.
    pub(crate) fn restore(self, like: Value<'g>, axes: Axes) -> Value<'g> {
        let shape = like.shape();
        self.reshape(axes.iter().fold(shape, |shape, axis| shape.with(axis, 1)))
    }

    /// The mean over axes.
    pub fn mean(self, axes: impl Into<AxisList>) -> Value<'g> {
        self.over("mean", axes, |axes| {
            let mean = self.reduce(ReduceOp::Sum, axes) / self.count(axes);
            mean.known_as(Whole::Fold { fold: Fold::Mean, axes, keep: false }, &[Some(self)])
        })
    }

    /// [`Value::mean`], but the axes stay, with extent 1.
    pub fn mean_keep(self, axes: impl Into<AxisList>) -> Value<'g> {
        self.over("mean", axes, |axes| {
            let mean = (self.reduce(ReduceOp::Sum, axes) / self.count(axes)).restore(self, axes);
            mean.known_as(Whole::Fold { fold: Fold::Mean, axes, keep: true }, &[Some(self)])
        })
    }

    /// The variance over axes: the squared distances from the mean, added up and divided by their number less
    /// `correction` (1 is PyTorch's default, 0 that of its normalizations).
    pub fn var(self, axes: impl Into<AxisList>, correction: f64) -> Value<'g> {
        self.over("var", axes, |axes| {
            let mean = (self.reduce(ReduceOp::Sum, axes) / self.count(axes)).restore(self, axes);
            (self - mean).square().reduce(ReduceOp::Sum, axes) / (self.count(axes) - correction).max(0.0)
        })
    }

    /// The sums of each element and all before it along an axis.
    pub fn cumsum(self, axis: impl Into<Axis>) -> Value<'g> {
        self.along("cumsum", axis, |axis| {
            let sums = self.running(axis, BinaryOp::Add, 0.0);
            let is_number = matches!(self.dtype(), DType::F32 | DType::I32);
            if is_number { sums.known_as(Whole::RunningSum { axis }, &[Some(self)]) } else { sums }
        })
    }

    /// The products of each element and all before it along an axis.
    pub fn cumprod(self, axis: impl Into<Axis>) -> Value<'g> {
        self.along("cumprod", axis, |axis| self.running(axis, BinaryOp::Mul, 1.0))
    }

    /// Each element combined with all before it along an axis; `neutral` changes nothing.
    ///
    /// By doubling: after step `s` an element holds what comes of the `2 s` elements that end at it, so `log2(n)` steps
    /// suffice, and an element of the result has at most as many roundings.
    fn running(self, axis: usize, function: BinaryOp, neutral: f64) -> Value<'g> {
        let n = self.shape().dim(axis);
        let mut low = vec![0; axis + 1];
        let (mut combined, mut step) = (self, 1);
        while step < n {
            low[axis] = step;
            let before = combined.slice(axis, 0..n - step, 1).pad(&low, &[], neutral);
            combined = combined.binary(function, before);
            step *= 2;
        }
        combined
    }

    /// The i32 place of the first largest element along an axis, which is removed.
    pub fn argmax(self, axis: impl Into<Axis>) -> Value<'g> {
        self.along("argmax", axis, |axis| self.graph().apply(Op::ArgReduce { op: ArgOp::Max, axis }, &[self]))
    }

    /// The i32 place of the first smallest element along an axis, which is removed.
    pub fn argmin(self, axis: impl Into<Axis>) -> Value<'g> {
        self.along("argmin", axis, |axis| self.graph().apply(Op::ArgReduce { op: ArgOp::Min, axis }, &[self]))
    }

    /// `log(sum(exp(x)))` over axes, which are removed; no intermediate overflows.
    pub fn logsumexp(self, axes: impl Into<AxisList>) -> Value<'g> {
        self.over("logsumexp", axes, |axes| {
            let largest = self.detach().reduce(ReduceOp::Max, axes).restore(self, axes);
            // An infinite shift would give inf - inf.
            let shift = largest.abs().eq(f64::INFINITY).select(0.0, largest);
            let logarithm = (self - shift).exp().reduce(ReduceOp::Sum, axes).log();
            let y = logarithm + shift.reshape(logarithm.shape());
            y.known_as(Whole::Fold { fold: Fold::LogSumExp, axes, keep: false }, &[Some(self)])
        })
    }

    /// `exp(x) / sum(exp(x))` along an axis; no intermediate overflows.
    pub fn softmax(self, axis: impl Into<Axis>) -> Value<'g> {
        self.along("softmax", axis, |axis| {
            let powers = (self - self.detach().amax_keep(axis)).exp();
            // One division for each sum. A quotient of each element would divide once more in the gradient.
            (powers * powers.sum_keep(axis).reciprocal()).known_as(Whole::Softmax { axis }, &[Some(self)])
        })
    }

    /// `log(softmax(x))` along an axis, exact where the softmax underflows.
    pub fn log_softmax(self, axis: impl Into<Axis>) -> Value<'g> {
        self.along("log_softmax", axis, |axis| {
            let shifted = self - self.detach().amax_keep(axis);
            (shifted - shifted.exp().sum_keep(axis).log()).known_as(Whole::LogSoftmax { axis }, &[Some(self)])
        })
    }

    /// The number of elements that a fold over the axes combines.
    fn count(self, axes: Axes) -> f64 {
        axes.iter().map(|axis| self.shape().dim(axis)).product::<usize>() as f64
    }

    /// Calls `f` with the axes as a set, if this value has them.
    fn over(self, op: &'static str, axes: impl Into<AxisList>, f: impl FnOnce(Axes) -> Value<'g>) -> Value<'g> {
        let _function = self.graph().function(op);
        let resolved: Result<Axes, ShapeError> = axes.into().resolve(op, self.shape());
        self.or_poison(resolved.map(f))
    }

    /// Calls `f` with the axis counted from the front, if this value has it.
    pub(super) fn along(
        self,
        op: &'static str,
        axis: impl Into<Axis>,
        f: impl FnOnce(usize) -> Value<'g>,
    ) -> Value<'g> {
        let _function = self.graph().function(op);
        self.or_poison(axis.into().resolve(op, self.shape()).map(f))
    }
}
