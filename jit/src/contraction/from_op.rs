//! Which contractions an operation is, and the layouts that make it fast. It knows operations; it knows no way to compute a contraction.

mod contractions;
mod conv;
mod dot;

pub use contractions::Lowered;
pub use conv::by_channels;
pub use dot::turned;

use kiln_graph::Op;
use kiln_graph::shape::Shape;

use super::problem::{Contraction, Operand, Problem};
use super::strategies::overlap_add::Lanes;
use crate::layout::{Halo, Wanted};

/// Which contractions stand for an operation, where there is a choice: input gradients of convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Usual,
    Phases,
    Spread,
    Fold(Lanes),
}

/// `None` where the operation is no contraction, or none of the form.
pub fn lowered(op: &Op, form: Form, left: &Operand, right: &Operand, output: Shape) -> Option<Lowered> {
    match op {
        Op::Dot => Some(dot::lower(left, right)),
        Op::Conv(conv) => Some(conv::forward(conv, left, right, output)),
        Op::ConvGradInput { conv, .. } => Some(match form {
            Form::Usual => conv::grad_input(conv, left, right, output),
            Form::Phases => conv::by_phases(conv, left, right, output),
            Form::Spread => conv::spreading(conv, left, right, output),
            Form::Fold(lanes) => return conv::folding(conv, left, right, output, lanes),
        }),
        Op::ConvGradWeight { conv, .. } => Some(conv::grad_weight(conv, left, right, output)),
        _ => None,
    }
}

/// The layouts that make an operation fast: of the left operand, the right operand and the result. `None` as in [`recipe`].
pub fn wanted(op: &Op, left: Shape, right: Shape, output: Shape) -> Option<[Wanted; 3]> {
    let operand = |shape: Shape| {
        let dense = Wanted { order: (0..shape.rank()).collect(), halo: Halo::default() };
        Operand { shape, layout: dense.layout(shape), halo: Halo::default(), lasting: false }
    };
    Some(lowered(op, Form::Usual, &operand(left), &operand(right), output)?.wanted)
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
}
