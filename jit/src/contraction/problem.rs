//! What a contraction is, and what decides on how it is computed, as data and as text: axes, operands as they lie,
//! results. It knows operations and layouts; it knows no strategies.

use std::fmt;

use kiln_graph::shape::Shape;
use kiln_graph::{Op, text};

use super::key::{Key, Keyed};
use super::text::{Reader, RecipeError, Text, record};
use crate::kernel::{Access, BufferId, Element, Index, KernelBuilder, Value};
use crate::layout::{Halo, Layout};

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

/// Where the result lies along one axis of the output tensor: `offset + sum of place along axis * factor`, over kept
/// axes.
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
    /// The axis of the output tensor whose neighbours are neighbours in memory, most likely.
    pub fast: usize,
}

record!(Axis { extent, left, right, reduce });

record!(Coordinate { offset, terms });

// Estimates ask for the fast axis; the code is the same whichever it is.
record!(Contraction { axes, left, right, output } but { fast });

impl Keyed for Source {
    fn key(&self, key: &mut Key) {
        let number = match self {
            Source::Left => 0,
            Source::Right => 1,
            Source::Scratch(number) => 2 + number,
        };
        key.add(&number);
    }
}

/// `left`, `right`, `scratch 1`.
impl Text for Source {
    fn write(&self, to: &mut String) {
        match self {
            Source::Left => to.push_str("left"),
            Source::Right => to.push_str("right"),
            Source::Scratch(number) => to.push_str(&format!("scratch {number}")),
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Source, RecipeError> {
        match from.one_of(&["left", "right", "scratch"])? {
            0 => Ok(Source::Left),
            1 => Ok(Source::Right),
            _ => {
                from.expect(" ")?;
                usize::read(from).map(Source::Scratch)
            }
        }
    }
}

impl Contraction {
    /// Floating-point operations; a multiply-add counts as 2.
    pub fn flops(&self) -> u64 {
        // A product for each place of all axes together; an empty sum, of extent 0, has none.
        2 * self.axes.iter().map(|a| a.extent as u64).product::<u64>()
    }
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

/// What is fused behind a contraction.
pub trait Epilogue {
    /// Takes a vector of sums, each once, computes what is fused behind it and stores that. Lanes from
    /// [`Place::active`] on hold anything.
    fn take(&mut self, kernel: &mut KernelBuilder, place: &Place, sum: Value);

    /// What it computes of a vector of sums, about, an addition being 1.
    fn weight(&self) -> u64 {
        0
    }

    /// Where it writes what it makes of a vector of sums to memory: the last element in each tensor in which its lanes
    /// are neighbours. (The line of the first one is that of another vector's last, where vectors begin within lines.)
    /// Nothing where that need not be known before.
    fn results(&self, place: &Place) -> Vec<(BufferId, Index)> {
        let _ = place;
        Vec::new()
    }
}

impl<F: FnMut(&mut KernelBuilder, &Place, Value)> Epilogue for F {
    fn take(&mut self, kernel: &mut KernelBuilder, place: &Place, sum: Value) {
        self(kernel, place, sum);
    }
}

/// An operand of a contraction, as it lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operand {
    /// Its extents.
    pub shape: Shape,
    /// The type of its elements in memory; sums are f32.
    pub element: Element,
    /// Whether its elements, which are f32, are rounded to bf16 as they are read: products take those.
    pub rounded: bool,
    /// Its place; any strides are right, those of [`preferred_layouts`](super::preferred_layouts) are fast.
    pub layout: Layout,
    /// The zeros around it.
    pub halo: Halo,
    /// Whether it stays the same from run to run, so that copies of it are made once.
    pub invariant: bool,
}

/// A buffer of a stage's kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The operation's first operand.
    Left,
    /// The operation's second operand.
    Right,
    /// One of the scratch buffers of a [`Recipe`](super::Recipe).
    Scratch(usize),
}

/// A stage of a strategy that has several, each of which becomes one kernel.
pub struct StageOf<S> {
    /// Which one.
    pub step: S,
    /// What it reads and writes, in the order in which it takes them.
    pub buffers: Vec<(Source, Access)>,
    /// Whether it computes results of the operation.
    pub results: bool,
    /// Floating-point operations of the sums as they are defined.
    pub flops: u64,
}

/// An operation over operands as they lie: all that decides on its recipe, but for the target. It prints; equal texts
/// mean equal recipes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Problem {
    /// The operation, a contraction.
    pub op: Op,
    /// What it takes.
    pub operands: [Operand; 2],
    /// The shape of its result.
    pub output: Shape,
    /// The axis along which its results lie side by side in memory, where it is another one than
    /// [`preferred_layouts`](super::preferred_layouts) says.
    pub along: Option<usize>,
    /// Whether it may be computed only by strategies whose error is that of the definition: each result's in its own
    /// products.
    pub exact: bool,
}

impl Problem {
    /// The operation's name and the shapes, for people: `dot [64, 784] [784, 512] -> [64, 512]`.
    pub fn shapes(&self) -> String {
        let [left, right] = self.operands.map(|operand| operand.shape);
        format!("{} {left} {right} -> {}", self.op.mnemonic(), self.output)
    }
}

/// On one line:
///
/// ```text
/// conv {padding=[1,1], ..} [2, 3, 8, 8] at 33+[300,1,30,3]/600 zeros [2]1:1 [3]1:1,
///     [4, 3, 3, 3] at 0+[1,4,36,12]/108 invariant -> [2, 4, 8, 8]
/// ```
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [left, right] = &self.operands;
        // Measured choices are looked up by this text, so that whatever decides on a recipe has to show in it.
        write!(f, "{} {left}, {right} -> {}", text::operation(&self.op, self.output.rank()), self.output)?;
        // What is as usual is left out, so that one problem has one text.
        self.along.map_or(Ok(()), |axis| write!(f, " along {axis}"))?;
        if self.exact { write!(f, " exact") } else { Ok(()) }
    }
}

/// The shape; the element type, if it is not f32, or that f32 is rounded; the place of the first element, the distances
/// along the axes and the length of the buffer; the zeros along the axes that have any; whether it is run-invariant.
impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Operand { shape, element, rounded, layout, halo, invariant } = self;
        // Strides past the rank are 0 and say nothing.
        let strides: Vec<String> = layout.strides[..shape.rank()].iter().map(i64::to_string).collect();
        write!(f, "{shape}")?;
        if *element != Element::F32 {
            write!(f, " {element}")?;
        }
        if *rounded {
            write!(f, " rounded")?;
        }
        write!(f, " at {}+[{}]/{}", layout.offset, strides.join(","), layout.elements)?;
        if *halo != Halo::default() {
            write!(f, " zeros")?;
            // `zeros [2]1:3` is one before axis 2 and three behind it.
            let around = |axis: &usize| halo.low[*axis] + halo.high[*axis] > 0;
            for axis in (0..shape.rank()).filter(around) {
                write!(f, " [{axis}]{}:{}", halo.low[axis], halo.high[axis])?;
            }
        }
        if *invariant { write!(f, " invariant") } else { Ok(()) }
    }
}
