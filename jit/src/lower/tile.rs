//! Contractions: sums of products over affine places, lowered to register tiles.
//!
//! Dot and convolution (with its two gradients) are all contractions; [`recipe`] turns an operation with the
//! layouts of its operands into a list of [`Stage`]s, each of which becomes one kernel. It knows operations, layouts and
//! targets; it does not know what is fused into the epilogue, nor where in memory anything lies.

use kiln_graph::Op;
use kiln_graph::shape::{MAX_RANK, Shape};

use crate::kernel::{Access, BufferId, Index, KernelBuilder, Value};
use crate::plan::Layout;
use crate::target::Target;

/// One axis of a [`Contraction`]. An operand does not vary along an axis where its stride is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Axis {
    /// The number of places along the axis; 0 only on reduced axes (an empty sum).
    pub extent: usize,
    /// The distance in the left operand.
    pub left: i64,
    /// The distance in the right operand.
    pub right: i64,
    /// Whether the products are summed along the axis.
    pub reduce: bool,
}

/// Where the result lies along one axis of the output tensor: `offset + sum of place along axis * factor`, over kept axes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Coordinate {
    /// The constant part.
    pub offset: i64,
    /// Kept axes of the contraction, by position in [`Contraction::axes`], with their factors.
    pub terms: Vec<(usize, i64)>,
}

/// `output[coordinates] = sum over the reduced axes of left[..] * right[..]`, in f32.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Contraction {
    /// Every axis, in any order.
    pub axes: Vec<Axis>,
    /// The place of the left operand's first element in its buffer.
    pub left: i64,
    /// The place of the right operand's first element in its buffer.
    pub right: i64,
    /// For each axis of the output tensor.
    pub output: Vec<Coordinate>,
}

/// Where one vector of results belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// For each axis of the output tensor, the index of lane 0 along it.
    pub coordinates: Vec<Index>,
    /// The axis of the output tensor along which lane `i` is `i` places further; `None`: only lane 0 counts.
    pub lanes: Option<usize>,
    /// How many lanes count, 1 to the target's.
    pub active: usize,
}

/// Takes each vector of sums once, computes what is fused behind the contraction and stores it. Lanes from
/// [`Place::active`] on hold anything.
pub type Epilogue<'a> = dyn FnMut(&mut KernelBuilder, &Place, Value) + 'a;

/// What stands in an operand's buffer around the tensor: at least so many places that hold 0 before and after each axis,
/// at the strides of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Halo {
    /// Zeros before index 0.
    pub low: [usize; MAX_RANK],
    /// Zeros after the last index.
    pub high: [usize; MAX_RANK],
}

/// An operand of a contraction, as it lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operand {
    /// Its extents.
    pub shape: Shape,
    /// Its place; any strides are right, those of [`wanted`] are fast.
    pub layout: Layout,
    /// The zeros around it.
    pub halo: Halo,
}

/// The layout that a lowering wants: dense in the given order, with a zero halo. Any other works, at the price of a copy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The axes, outermost first.
    pub order: Vec<usize>,
    /// The zeros around the tensor.
    pub halo: Halo,
}

/// A buffer of a stage's kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The operation's first operand.
    Left,
    /// The operation's second operand.
    Right,
    /// One of [`Recipe::scratch`].
    Scratch(usize),
}

/// How an operation is computed: stages in order, with scratch memory between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The length of each scratch buffer in f32 elements; alive from the first to the last stage that names it. Not zeroed.
    pub scratch: Vec<usize>,
    /// Each becomes one kernel.
    pub stages: Vec<Stage>,
}

/// One kernel of a [`Recipe`].
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The buffers that [`Stage::emit`] takes, in this order.
    pub buffers: Vec<(Source, Access)>,
    /// Whether the stage computes results of the operation, and so calls the epilogue; the stages that do share the
    /// output's places out among them. The others only fill scratch memory.
    pub results: bool,
    /// Floating-point operations (a fused multiply-add counts as 2).
    pub flops: u64,
}

/// The stages that compute an operation, or `None` where it is no contraction (that is, none of [`Op::Dot`], [`Op::Conv`],
/// [`Op::ConvGradInput`] and [`Op::ConvGradWeight`]).
pub fn recipe(op: &Op, left: &Operand, right: &Operand, output: Shape, target: &Target) -> Option<Recipe> {
    let _ = (op, left, right, output, target);
    todo!("lands next")
}

/// The layouts that make an operation fast: of the left operand, the right operand and the result. `None` as in [`recipe`].
pub fn wanted(op: &Op, left: Shape, right: Shape, output: Shape) -> Option<[Wanted; 3]> {
    let _ = (op, left, right, output);
    todo!("lands next")
}

impl Stage {
    /// Writes the stage into an empty kernel: its grid, its loops, and a call of the epilogue for each vector of results.
    /// `buffers` are the kernel's, for [`Stage::buffers`].
    pub fn emit(&self, kernel: &mut KernelBuilder, buffers: &[BufferId], epilogue: &mut Epilogue<'_>) {
        let _ = (kernel, buffers, epilogue);
        todo!("lands next")
    }
}
