//! What decides on how a contraction is computed, as data and as text. It knows operations and layouts; it knows no way to
//! compute anything.

use std::fmt;

use kiln_graph::shape::Shape;
use kiln_graph::{Op, text};

use super::{Contraction, Form, Halo, Operand, lowered};

/// An operation over operands as they lie: all that decides on its recipe, but for the target. It prints; equal texts mean
/// equal recipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Problem {
    /// The operation, a contraction.
    pub op: Op,
    /// What it takes.
    pub operands: [Operand; 2],
    /// The shape of its result.
    pub output: Shape,
    /// The axis along which its results lie side by side in memory, where it is another one than [`wanted`](super::wanted) says.
    pub along: Option<usize>,
    /// Whether it may be computed only in ways whose error is that of the definition: each result's in its own products.
    pub exact: bool,
}

/// Floating-point operations in the time that an element takes to come from or go to memory, about.
const ELEMENT: f64 = 10.0;

impl Problem {
    /// About how long it takes, in floating-point operations that take as long: from the shapes alone, so that what is compared
    /// by it does not depend on the way that is chosen.
    pub fn weight(&self) -> f64 {
        let [left, right] = &self.operands;
        let lowered = lowered(&self.op, Form::Usual, left, right, self.output);
        let products: u64 = lowered.iter().flat_map(|lowered| &lowered.contractions).map(Contraction::flops).sum();
        let elements: usize = [left.shape, right.shape, self.output].map(|shape| shape.elements()).iter().sum();
        products as f64 + ELEMENT * elements as f64
    }

    /// The operation's name and the shapes, for people: `dot [64, 784] [784, 512] -> [64, 512]`.
    pub fn shapes(&self) -> String {
        let [left, right] = self.operands.map(|operand| operand.shape);
        format!("{} {left} {right} -> {}", self.op.mnemonic(), self.output)
    }
}

/// ```text
/// conv {padding=[1,1], ..} [2, 3, 8, 8] at 33+[300,1,30,3]/600 zeros [2]1:1 [3]1:1, [4, 3, 3, 3] at 0+[1,4,36,12]/108 kept -> [2, 4, 8, 8]
/// ```
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [left, right] = &self.operands;
        write!(f, "{} {left}, {right} -> {}", text::operation(&self.op, self.output.rank()), self.output)?;
        self.along.map_or(Ok(()), |axis| write!(f, " along {axis}"))?;
        if self.exact { write!(f, " exact") } else { Ok(()) }
    }
}

/// The shape; the place of the first element, the distances along the axes and the length of the buffer; the zeros along the
/// axes that have any; whether it is kept from run to run.
impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Operand { shape, layout, halo, lasting } = self;
        let strides: Vec<String> = layout.strides[..shape.rank()].iter().map(i64::to_string).collect();
        write!(f, "{shape} at {}+[{}]/{}", layout.offset, strides.join(","), layout.elements)?;
        if *halo != Halo::default() {
            write!(f, " zeros")?;
            let around = |axis: &usize| halo.low[*axis] + halo.high[*axis] > 0;
            for axis in (0..shape.rank()).filter(around) {
                write!(f, " [{axis}]{}:{}", halo.low[axis], halo.high[axis])?;
            }
        }
        if *lasting { write!(f, " kept") } else { Ok(()) }
    }
}
