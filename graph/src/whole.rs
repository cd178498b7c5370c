//! What several operations are as one: the functions and layers that other formats of networks know by a name, with
//! their attributes. Functions note it where they compute a value (`Value::known_as`), for those who write a graph in
//! the words of others. Nothing that is computed depends on it, and it knows no such format.

use crate::build::Value;
use crate::graph::NodeId;
use crate::layers::grid_sample::{GridMode, GridPadding};
use crate::layers::padding::PaddingMode;
use crate::layers::recurrent::Recurrence;
use crate::layers::upsample::UpsampleMode;
use crate::op::{Axes, Convolution, MAX_SPATIAL, Window};
use crate::shape::MAX_RANK;

/// A function of several operations. Operands are named in their order; those in brackets may be missing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Whole {
    /// `x [N, C, spatial..], weight, [bias]`.
    Conv(Convolution),
    /// `x [N, C, spatial..], weight, [bias]`: the transpose of a convolution.
    ConvTranspose {
        /// The attributes of the convolution whose transpose it is.
        conv: Convolution,
        /// The elements that it has more behind each spatial axis.
        output_padding: [usize; MAX_SPATIAL],
    },
    /// `x [.., in], weight [out, in], [bias]`.
    Linear,
    /// `a, b`, as `torch.matmul`.
    MatMul,
    /// `x [N, C, ..], [weight], [bias], mean, variance`, all `[C]`.
    BatchNorm {
        /// Added to the variance.
        eps: f64,
    },
    /// `x, [weight], [bias]`, over the axes from `axis` on.
    LayerNorm {
        /// The first axis.
        axis: usize,
        /// Added to the variance.
        eps: f64,
    },
    /// `x, [weight]`, over the axes from `axis` on.
    RmsNorm {
        /// The first axis.
        axis: usize,
        /// Added to the mean of the squares.
        eps: f64,
    },
    /// `x [N, C, ..], [weight], [bias]`, each `[C]`.
    GroupNorm {
        /// The number of groups of channels.
        groups: usize,
        /// Added to the variance.
        eps: f64,
    },
    /// `x [N, C, ..]`, over channels.
    LocalResponseNorm {
        /// The number of channels.
        size: usize,
        /// What the mean of the squares is multiplied with.
        alpha: f64,
        /// The power.
        beta: f64,
        /// What is added.
        k: f64,
    },
    /// `x`.
    Softmax {
        /// The axis.
        axis: usize,
    },
    /// `x`.
    LogSoftmax {
        /// The axis.
        axis: usize,
    },
    /// `x`, folded over axes.
    Fold {
        /// How.
        fold: Fold,
        /// The axes.
        axes: Axes,
        /// Whether they stay, with extent 1.
        keep: bool,
    },
    /// `x`: the sums of each element and all before it.
    RunningSum {
        /// The axis.
        axis: usize,
    },
    /// `x [N, C, spatial..]`.
    MaxPool(Window),
    /// `x [N, C, spatial..]`.
    AvgPool {
        /// The window.
        window: Window,
        /// Whether padding counts.
        count_include_pad: bool,
    },
    /// `indices, weight [V, D]`: its rows.
    Embedding,
    /// `x [N, C, spatial..]`, with other spatial extents.
    Upsample {
        /// How elements are found.
        mode: UpsampleMode,
        /// Whether corners lie on one another.
        align_corners: bool,
        /// How many times larger the result is, where positions follow from that, and not from the extents.
        scales: Option<[f64; MAX_SPATIAL]>,
    },
    /// `x [N, C, spatial..], grid [N, spatial'.., axes]`: what `x` holds at places from -1 to 1.
    GridSample {
        /// How what lies between elements is found.
        mode: GridMode,
        /// What stands for elements outside.
        padding: GridPadding,
        /// Whether -1 and 1 are the middles of the first and the last element.
        align_corners: bool,
    },
    /// `x` with elements of its own before and behind axes.
    Pad {
        /// Which.
        mode: PaddingMode,
        /// How many before each axis.
        low: [usize; MAX_RANK],
        /// How many behind.
        high: [usize; MAX_RANK],
    },
    /// `x, [states..]`, and for each layer in each direction `weight_ih, weight_hh, [bias_ih], [bias_hh]`; of a
    /// sequence `[length, N, inputs]`, or `[length, inputs]`. The results are the outputs, and the last of each state.
    Recurrent {
        /// The step.
        step: Recurrence,
        /// Whether sequences are gone through both ways.
        bidirectional: bool,
        /// Whether the batch is the first axis of sequences.
        batch_first: bool,
    },
    /// `x [.., C, H, W]`: blocks of channels as pixels.
    PixelShuffle {
        /// How many pixels along each axis.
        factor: usize,
    },
    /// `x`: the results are the i32 indices of elements along an axis in order, and the elements.
    Sort {
        /// The axis.
        axis: usize,
        /// How many of them.
        count: usize,
        /// Whether the largest come first.
        descending: bool,
    },
    /// `x [N, C, ..], weight` with one slope, or one for each channel.
    PRelu,
    /// `x`, each element by itself.
    Curve(Curve),
}

/// How [`Whole::Fold`] folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// The mean.
    Mean,
    /// The logarithm of the sum of the exponentials.
    LogSumExp,
}

/// A function of one element that is a composition of others; what they compute stands where they are noted.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Curve {
    Relu,
    LeakyRelu {
        negative_slope: f64,
    },
    Elu {
        alpha: f64,
    },
    Celu {
        alpha: f64,
    },
    Selu,
    Softplus,
    Mish,
    Clamp {
        low: f64,
        high: f64,
    },
    HardSigmoid,
    HardSwish,
    /// `x + bias` below `-lambd`, `x - bias` above `lambd`, else 0.
    Shrink {
        lambd: f64,
        bias: f64,
    },
    Gelu {
        tanh: bool,
    },
    Softsign,
    Ceil,
    Tan,
    Atan,
    IsNaN,
    IsInf,
}

/// A value that was noted to be a [`Whole`].
#[derive(Clone, Debug, PartialEq)]
pub struct Noted {
    /// What it is.
    pub whole: Whole,
    /// Its operands.
    pub operands: Vec<Option<NodeId>>,
    /// Its results; most have one.
    pub results: Vec<NodeId>,
    /// Where it comes from, as an index into [`Graph::scopes`](crate::Graph::scopes).
    pub scope: u32,
}

impl<'g> Value<'g> {
    /// This value, which is noted to be what a function of several operations gives for the operands.
    pub(crate) fn known_as(self, whole: Whole, operands: &[Option<Value<'g>>]) -> Value<'g> {
        self.graph().note_whole(whole, operands, &[self]);
        self
    }

    /// [`Value::known_as`] of a function of one element.
    pub(crate) fn curve(self, curve: Curve, x: Value<'g>) -> Value<'g> {
        self.known_as(Whole::Curve(curve), &[Some(x)])
    }
}
