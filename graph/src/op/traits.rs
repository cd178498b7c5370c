//! What is plainly so of each operation, whatever its operands are: [`Op::traits`], by the one exhaustive match over
//! operations outside of the families' own rules. Passes, the plan, the reports and the tests ask here instead of
//! keeping lists.
//!
//! What an operation means stands in its family's file under `ops/`; what a machine does with it is not known here.

use super::{Op, ReduceOp, Window, WindowOp};
use crate::shape::Shape;

/// Operations whose rules stand beside each other, and that are treated alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Takes no operands: inputs, constants, counters.
    Source,
    /// One place of each operand gives one place of the result.
    Elementwise,
    /// Moves elements and computes nothing.
    Movement,
    /// Folds axes of one operand away.
    Reduce,
    /// Sums of products of two operands.
    Contraction,
    /// Goes by windows that slide over spatial axes.
    Window,
    /// Looks elements up, or adds them, at places that an operand names.
    Indexing,
    /// Random numbers.
    Random,
    /// Runs a graph step by step, or reads a result of that.
    Scan,
    /// Adds up what the programs of several shards have.
    Exchange,
}

/// How many elements of an operand come together in one element of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sums {
    /// One of each operand, be it one that is chosen among several.
    Single,
    /// Several are added up, or multiplied: those that belong to the place of the result.
    Gathered,
    /// Each is added at a place of the result, where several may meet; elsewhere there are zeros.
    Scattered,
}

/// The operand that holds indices, and what they are indices into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indices {
    /// The second operand, into an axis of the first.
    IntoOperand {
        /// The axis.
        axis: usize,
    },
    /// The first operand, into an axis of the result.
    IntoResult {
        /// The axis.
        axis: usize,
    },
}

/// What the number of floating-point operations follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// There are none.
    Nothing,
    /// One for each element of the result.
    Results,
    /// One for each element of the operand of this number.
    Operand(usize),
    /// One for each element of the result and of the window.
    Windows,
    /// Two for each product.
    Products,
}

/// What is plainly so of an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traits {
    /// The operations that it is treated as.
    pub family: Family,
    /// The result shows elements of its operand at other places, or at the same ones: strides and an offset often say
    /// it.
    pub is_view: bool,
    /// Axis `i` of the result is axis `i` of each operand that has as many axes. (A transpose says by itself how it
    /// permutes them.)
    pub keeps_axes: bool,
    /// How many elements come together in one.
    pub sums: Sums,
    /// The indices that it looks up.
    pub indices: Option<Indices>,
    /// What an element costs in a vector kernel, an addition being 1; 0 where that is not counted by elements.
    pub weight: u64,
    /// The number of floating-point operations: [`Op::flops`].
    pub work: Work,
    /// The result is exact, or rounded once as IEEE arithmetic says, so that every machine has the same bits. Told of
    /// elementwise operations alone.
    pub is_exact: bool,
    /// `op(a, b)` has the same bits as `op(b, a)`. Not so the larger and the smaller: of +0 and -0 they may take
    /// either.
    pub commutes: bool,
    /// No gradient passes through an f32 result: it is cut, or zero almost everywhere.
    pub stops_gradient: bool,
}

const SOURCE: Traits = Traits {
    family: Family::Source,
    is_view: false,
    keeps_axes: false,
    sums: Sums::Single,
    indices: None,
    weight: 0,
    work: Work::Nothing,
    is_exact: false,
    commutes: false,
    stops_gradient: false,
};
const ELEMENTWISE: Traits =
    Traits { family: Family::Elementwise, keeps_axes: true, weight: 1, work: Work::Results, is_exact: true, ..SOURCE };
const MOVEMENT: Traits = Traits { family: Family::Movement, ..SOURCE };
const VIEW: Traits = Traits { is_view: true, ..MOVEMENT };
const REDUCE: Traits = Traits { family: Family::Reduce, work: Work::Operand(0), ..SOURCE };
const CONTRACTION: Traits =
    Traits { family: Family::Contraction, sums: Sums::Gathered, work: Work::Products, ..SOURCE };
const WINDOW: Traits = Traits { family: Family::Window, keeps_axes: true, work: Work::Windows, ..SOURCE };
const LOOK_UP: Traits = Traits { family: Family::Indexing, ..SOURCE };
const SCATTER: Traits = Traits { sums: Sums::Scattered, work: Work::Operand(1), ..LOOK_UP };
const SCAN: Traits = Traits { family: Family::Scan, ..SOURCE };
const EXCHANGE: Traits = Traits { family: Family::Exchange, keeps_axes: true, ..SOURCE };
const RANDOM: Traits = Traits { family: Family::Random, weight: 40, work: Work::Results, ..SOURCE };

impl Op {
    /// What is plainly so of the operation, whatever its function and the axis that it goes along are. Passes and the
    /// plan ask for families and views all the time: a reference to a constant is little work without optimization.
    #[inline]
    const fn of_any_attributes(&self) -> &'static Traits {
        match self {
            Op::Input | Op::Constant(_) | Op::Iota { .. } => &SOURCE,
            Op::Unary(_) | Op::Binary(_) | Op::Compare(_) | Op::Select | Op::Convert(_) => &ELEMENTWISE,
            Op::Reduce { op: ReduceOp::Sum | ReduceOp::Prod, .. } => &Traits { sums: Sums::Gathered, ..REDUCE },
            Op::Reduce { op: ReduceOp::Max | ReduceOp::Min, .. } | Op::ArgReduce { .. } => &REDUCE,
            Op::Dot | Op::Conv(_) | Op::ConvGradInput { .. } | Op::ConvGradWeight { .. } => &CONTRACTION,
            Op::WindowReduce { op: WindowOp::Max, .. } | Op::WindowMaxPick(_) | Op::WindowArgMax(_) => &WINDOW,
            Op::WindowReduce { op: WindowOp::Sum, .. } => &Traits { sums: Sums::Gathered, ..WINDOW },
            Op::WindowMaxGrad(_) | Op::WindowSumGrad { .. } => &Traits { sums: Sums::Scattered, ..WINDOW },
            Op::Reshape(_) | Op::Transpose(_) | Op::Broadcast(_) => &VIEW,
            Op::Slice(_) | Op::Reverse(_) => &Traits { keeps_axes: true, ..VIEW },
            Op::Detach => &Traits { keeps_axes: true, stops_gradient: true, ..VIEW },
            Op::Pad(_) | Op::Concat { .. } => &Traits { keeps_axes: true, ..MOVEMENT },
            Op::Gather { .. } => &LOOK_UP,
            Op::TakeRows => &Traits { indices: Some(Indices::IntoOperand { axis: 0 }), ..LOOK_UP },
            Op::ScatterAdd { .. } => &Traits { weight: 4, ..SCATTER },
            Op::ScatterRows { .. } => &Traits { indices: Some(Indices::IntoResult { axis: 0 }), ..SCATTER },
            Op::Scan { .. } | Op::ScanResult { .. } => &SCAN,
            Op::Exchange { .. } => &EXCHANGE,
            Op::Random { .. } => &RANDOM,
        }
    }

    /// What is plainly so of the operation.
    #[inline]
    pub const fn traits(&self) -> Traits {
        let of_any = *self.of_any_attributes();
        match *self {
            Op::Unary(function) => {
                let of = function.traits();
                let (weight, is_exact, stops_gradient) = (of.weight, of.is_exact, of.is_stepwise);
                Traits { weight, is_exact, stops_gradient, ..of_any }
            }
            Op::Binary(function) => {
                let (weight, is_exact, commutes) = (function.weight(), function.is_exact(), function.commutes());
                Traits { weight, is_exact, commutes, ..of_any }
            }
            Op::Compare(function) => Traits { commutes: function.commutes(), ..of_any },
            Op::Gather { axis } => Traits { indices: Some(Indices::IntoOperand { axis }), ..of_any },
            Op::ScatterAdd { axis, .. } => Traits { indices: Some(Indices::IntoResult { axis }), ..of_any },
            _ => of_any,
        }
    }

    /// The operations that it is treated as.
    #[inline]
    pub const fn family(&self) -> Family {
        self.of_any_attributes().family
    }

    /// Whether it is a sum of products of two operands.
    #[inline]
    pub const fn is_contraction(&self) -> bool {
        matches!(self.family(), Family::Contraction)
    }

    /// Whether it computes each place of the result from the same place of its operands.
    #[inline]
    pub const fn is_elementwise(&self) -> bool {
        matches!(self.family(), Family::Elementwise)
    }

    /// Whether it only renames places of its operand.
    #[inline]
    pub const fn is_view(&self) -> bool {
        self.of_any_attributes().is_view
    }

    /// The window that it goes by.
    pub const fn window(&self) -> Option<&Window> {
        if let Op::WindowReduce { window, .. }
        | Op::WindowMaxGrad(window)
        | Op::WindowMaxPick(window)
        | Op::WindowArgMax(window)
        | Op::WindowSumGrad { window, .. } = self
        {
            Some(window)
        } else {
            None
        }
    }

    /// Floating-point operations of the definition, for operands and a result of such shapes: 2 for each multiply-add
    /// of a product or a convolution, 1 for each result of an elementwise function and each element that is folded, 0
    /// for what only moves data.
    pub fn flops(&self, operands: &[Shape], result: Shape) -> usize {
        // Of a filter: all that one output feature sums over.
        let filter = |weight: Shape| weight.dims()[1..].iter().product::<usize>();
        match self.traits().work {
            Work::Nothing => 0,
            Work::Results => result.elements(),
            Work::Operand(number) => operands[number].elements(),
            Work::Windows => {
                let window = self.window().expect("it goes by windows");
                result.elements() * window.kernel.iter().product::<usize>()
            }
            // The convolution's gradients make the products of the convolution.
            Work::Products => match self {
                Op::ConvGradInput { .. } => 2 * operands[0].elements() * filter(operands[1]),
                Op::ConvGradWeight { .. } => 2 * operands[1].elements() * filter(result),
                Op::Conv(_) => 2 * result.elements() * filter(operands[1]),
                Op::Dot => 2 * result.elements() * operands[0].dim(operands[0].rank() - 1),
                _ => unreachable!("{} is no sum of products", self.mnemonic()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Traits that follow from others, and from the number of operands.
    #[test]
    fn traits_agree_with_each_other() {
        for op in Op::all() {
            let of = op.traits();
            let name = op.mnemonic();
            assert_eq!(op.operands() == Some(0), of.family == Family::Source, "{name}");
            assert!(!of.is_view || of.family == Family::Movement && op.operands() == Some(1), "{name}");
            assert!(!of.is_exact || op.is_elementwise(), "{name}");
            assert!(!of.commutes || op.is_elementwise() && op.operands() == Some(2), "{name}");
            assert_eq!(of.indices.is_some(), of.family == Family::Indexing, "{name}");
            assert_eq!(op.window().is_some(), of.family == Family::Window, "{name}");
            assert_eq!(of.work == Work::Windows, of.family == Family::Window, "{name}");
            assert_eq!(of.work == Work::Products, of.family == Family::Contraction, "{name}");
        }
    }
}
