//! The closed set of primitive operations and their attributes; `op/table.rs` holds their names, `op/traits.rs` what is
//! plainly so of each, `op/functions.rs` the functions of single elements.
//!
//! What an operation *means* (its type rule, its gradient, its reference evaluation) stands in the
//! family's file under `ops/`; this file knows only names and attributes. Layers, losses and
//! optimizers are compositions of these and have no entry here.

use crate::shape::{DType, MAX_RANK, Shape};

mod functions;
pub(crate) mod table;
mod traits;

pub use functions::{BinaryOp, CompareOp, FunctionTraits, Jumps, Sensitivity, Twice, UnaryOp};
pub use traits::{Family, Indices, Sums, Traits, Work};

/// The largest number of spatial axes of a convolution or a window.
pub const MAX_SPATIAL: usize = 3;

/// What a reduction folds with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ReduceOp {
    Sum,
    Prod,
    /// NaN if any element is. The gradient is shared evenly among ties (PyTorch's `amax`).
    Max,
    Min,
}

/// Which element of an axis [`Op::ArgReduce`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ArgOp {
    Max,
    Min,
}

/// A set of axes of one tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Axes(u8);

impl Axes {
    /// The set of the given axes.
    pub fn new(axes: impl IntoIterator<Item = usize>) -> Axes {
        let mut set = 0;
        for axis in axes {
            assert!(axis < MAX_RANK, "no such axis");
            set |= 1 << axis;
        }
        Axes(set)
    }

    /// All axes of a tensor of the given rank.
    pub fn all(rank: usize) -> Axes {
        Axes::new(0..rank)
    }

    /// Whether the axis is in the set.
    pub fn contains(self, axis: usize) -> bool {
        self.0 >> axis & 1 == 1
    }

    /// The number of axes in the set.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The axes in ascending order.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..MAX_RANK).filter(move |&axis| self.contains(axis))
    }
}

/// How a window slides over the spatial axes; unused entries of the arrays hold stride 1, padding 0,
/// dilation 1 (and kernel 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sliding {
    /// The number of spatial axes, 1 to [`MAX_SPATIAL`].
    pub spatial: usize,
    /// Steps of the window, at least 1.
    pub stride: [usize; MAX_SPATIAL],
    /// Zeros (or -inf, for a maximum) before and after each axis.
    pub padding: [(usize, usize); MAX_SPATIAL],
    /// Distance between the elements of a window, at least 1.
    pub dilation: [usize; MAX_SPATIAL],
}

/// The attributes of a convolution: `input [N, C, spatial..]`, `weight [O, C / groups, kernel..]`,
/// output `[N, O, spatial..]` with `(in + low + high - dilation * (kernel - 1) - 1) / stride + 1` per axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Convolution {
    /// Stride, padding, dilation.
    pub sliding: Sliding,
    /// Channel groups; divides C and O.
    pub groups: usize,
}

/// The attributes of a window reduction over `[N, C, spatial..]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// The window's extent per spatial axis.
    pub kernel: [usize; MAX_SPATIAL],
    /// Stride, padding, dilation.
    pub sliding: Sliding,
    /// Whether a last window that starts inside the input (or its low padding) but ends past the high padding counts
    /// (PyTorch's `ceil_mode`).
    pub ceil: bool,
}

/// The fold of a window reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum WindowOp {
    /// Padding counts as -inf.
    Max,
    /// Padding counts as 0; an average is this, divided by the count.
    Sum,
}

/// One slice along each axis: `start, start + step, ..` below `limit`. Entries past the rank hold start 0, limit 0, step 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SliceSpec {
    /// First index per axis.
    pub start: [usize; MAX_RANK],
    /// One past the last candidate index per axis.
    pub limit: [usize; MAX_RANK],
    /// Distance per axis, at least 1.
    pub step: [usize; MAX_RANK],
}

/// The extents that [`Op::Pad`] adds. Entries past the rank hold 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PadSpec {
    /// Elements before each axis.
    pub low: [usize; MAX_RANK],
    /// Elements after each axis.
    pub high: [usize; MAX_RANK],
}

/// An f64 that compares and hashes by its bits, so that operations can be shared and stored in maps.
#[derive(Clone, Copy)]
pub struct Scalar(pub f64);

impl PartialEq for Scalar {
    fn eq(&self, other: &Scalar) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Scalar {}

impl std::hash::Hash for Scalar {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl std::fmt::Debug for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A primitive operation with its attributes. The operands are the node's inputs.
///
/// Elementwise operations take operands of equal shapes: broadcasting is always written out.
///
/// Graphs are mostly of elementwise operations, reshapes and broadcasts: larger attributes lie apart, so that a node is
/// small.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A named value from outside (data, a parameter, optimizer state, a rate); see [`crate::graph::Input`].
    Input,
    /// A scalar of the node's dtype: f32 exactly as f64 for the interpreter, i32 and bool as numbers.
    /// The only constant: a full tensor is a broadcast of it.
    Constant(Scalar),
    /// i32 `0, 1, ..` along `axis` of the node's shape.
    Iota {
        /// The axis that counts.
        axis: usize,
        /// The shape of the result.
        shape: Shape,
    },
    /// An elementwise function of one operand.
    Unary(UnaryOp),
    /// An elementwise function of two operands.
    Binary(BinaryOp),
    /// An elementwise comparison.
    Compare(CompareOp),
    /// `condition (bool), a, b`: `a` where the condition holds, else `b`.
    Select,
    /// The operand in another dtype: f32 to i32 truncates, bool to number gives 0 or 1, number to bool is `!= 0`.
    Convert(DType),
    /// Folds the axes away (they are removed from the shape). f32 (or i32, for `Sum`, `Max` and `Min`).
    Reduce {
        /// The fold.
        op: ReduceOp,
        /// The axes that are removed.
        axes: Axes,
    },
    /// The i32 index of the first largest (`Max`) or first smallest (`Min`) element along `axis`, which is removed. A NaN wins.
    ArgReduce {
        /// `Max` or `Min`.
        op: ArgOp,
        /// The axis that is removed.
        axis: usize,
    },
    /// `[b.., m, k]` times `[b.., k, n]` is `[b.., m, n]`: the same leading (batch) axes in both.
    Dot,
    /// `input, weight`: cross-correlation, as every framework's convolution.
    Conv(Box<Convolution>),
    /// `output gradient, weight`: the gradient of [`Op::Conv`] in its input, whose spatial extents are given.
    ConvGradInput {
        /// The convolution's attributes.
        conv: Box<Convolution>,
        /// The spatial extents of the convolution's input; unused entries hold 1, here and below.
        input: [usize; MAX_SPATIAL],
    },
    /// `input, output gradient`: the gradient of [`Op::Conv`] in its weight, whose spatial extents are given.
    ConvGradWeight {
        /// The convolution's attributes.
        conv: Box<Convolution>,
        /// The spatial extents of the convolution's weight.
        kernel: [usize; MAX_SPATIAL],
    },
    /// Folds each window of `[N, C, spatial..]`.
    WindowReduce {
        /// The fold.
        op: WindowOp,
        /// The window.
        window: Box<Window>,
    },
    /// `input, output gradient`: the gradient of a window maximum in its input: each output's gradient goes to the
    /// first largest element (in row-major order; a NaN wins) of its window.
    WindowMaxGrad(Box<Window>),
    /// `input, per-element values`: for each window the value (second operand) at the place of the first largest
    /// element of the first operand: the gradient of [`Op::WindowMaxGrad`] in its output gradient.
    WindowMaxPick(Box<Window>),
    /// For each window of `[N, C, spatial..]` the i32 row-major index, within the spatial extents, of its first largest
    /// element (a NaN wins); 0 for a window that lies in the padding.
    WindowArgMax(Box<Window>),
    /// `output gradient`: the gradient of a window sum in its input, whose spatial extents are given.
    WindowSumGrad {
        /// The window.
        window: Box<Window>,
        /// The spatial extents of the window reduction's input.
        input: [usize; MAX_SPATIAL],
    },
    /// The same elements in row-major order under another shape.
    Reshape(Shape),
    /// Output axis `i` is operand axis `permutation[i]`; entries past the rank hold their own index.
    Transpose([u8; MAX_RANK]),
    /// Axes of extent 1 are repeated to the given shape (of the same rank).
    Broadcast(Shape),
    /// A strided part of the operand.
    Slice(Box<SliceSpec>),
    /// `operand, scalar`: the scalar before and after each axis.
    Pad(Box<PadSpec>),
    /// The operands one after the other along an axis.
    Concat {
        /// The axis along which the operands follow one another.
        axis: usize,
    },
    /// The operand with the order of elements along the axes turned round.
    Reverse(Axes),
    /// `data [d0, .., d_axis, ..], indices (i32, of data's shape but for the extent at axis)`: the result, of the
    /// indices' shape, takes at each place the data's element whose index along `axis` is the given one (`torch.gather`).
    /// An index outside is clamped: those who take indices from users check them first.
    Gather {
        /// The axis that is indexed.
        axis: usize,
    },
    /// `indices, updates (of the indices' shape)`: a tensor of zeros with extent `extent` along `axis` to which each
    /// update is added at its index: the gradient of [`Op::Gather`].
    ScatterAdd {
        /// The axis that is indexed.
        axis: usize,
        /// The extent of the result along the axis.
        extent: usize,
    },
    /// `data [v, d..], indices (i32, any shape i..)`: rows of the data, `[i.., d..]`. Clamped as in [`Op::Gather`].
    TakeRows,
    /// `indices [i..], updates [i.., d..]`: a `[rows, d..]` of zeros to which each update is added: the gradient of [`Op::TakeRows`].
    ScatterRows {
        /// The number of rows of the result.
        rows: usize,
    },
    /// f32 uniform in [0, 1) from the counter-based stream `(seed, step, stream)`: the operand is the i32 step counter
    /// (a scalar); two nodes with equal attributes and operands hold equal numbers. A second operand, an i32 scalar, is
    /// the place in the stream of the first element (as a u32; 0 without it). At most `2**32` elements.
    Random {
        /// The shape of the result.
        shape: Shape,
        /// The stream: the seed and the number of the random node.
        seed: u64,
        /// Which of the graph's random tensors this is.
        stream: u32,
    },
    /// The operand's value; its gradient stops here.
    Detach,
    /// The sum of the operand over the shards of a batch, of which a program computes one: with one shard the operand
    /// itself. What reads it waits for all shards. With a second operand, a flag that is the same in all shards, they are
    /// added up where that is true; elsewhere nobody waits, and what it gives is of no meaning.
    Exchange {
        /// Which of the graph's exchanges this is: the same in the programs of all shards, whatever their sizes are.
        number: u32,
    },
    /// Runs a body, which is a graph of its own ([`Graph::bodies`](crate::Graph::bodies)), `length` times, as a program
    /// that is called for each step. It takes an operand for each of the body's inputs, in their order: of a data input
    /// the rows of all steps, `[length, ..]`; of a state its value before the first step. States that the body updates
    /// are carried from step to step, the others stay.
    ///
    /// The node stands for all results, and its value is their number of steps; [`Op::ScanResult`] reads one.
    Scan {
        /// The body, which no other scan has.
        body: u32,
        /// The number of steps, at least 1.
        length: usize,
        /// Whether the steps take the rows from the last to the first.
        reverse: bool,
    },
    /// `scan`: one of its results. First come the states that the body updates, in the order of the updates, as the last
    /// step leaves them; then the body's outputs: the rows of all steps, `[length, ..]`, each where the step's operands
    /// have theirs.
    ScanResult {
        /// Which.
        index: u32,
    },
}
