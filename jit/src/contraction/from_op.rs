//! Which contractions an operation is, and the layouts that make it fast. It knows operations, and of the strategies
//! the overlap-add alone, whose geometry is that of the operation.

mod contractions;
mod conv;
mod dot;
mod quads;

pub use contractions::Contractions;
pub use conv::by_channels;
pub use dot::transposable;
pub use quads::{QUAD, lies_in_quads};

use kiln_graph::Op;
use kiln_graph::shape::Shape;

use super::problem::{Contraction, Operand, Problem};
use super::strategies::overlap_add::Lanes;
use crate::cost::params::from_op::ELEMENT;
use crate::kernel::Element;
use crate::layout::{Halo, PreferredLayout};

/// Which contractions stand for an operation, where there is a choice: input gradients of convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The only one of most operations; of an input gradient phases or accumulation, by their operations.
    Usual,
    /// A contraction for each residue of the stride.
    Phases,
    /// One contraction, whose results overlap and are added to memory.
    Accumulate,
    /// A product that is kept in scratch memory, and the sums of what overlaps in it.
    OverlapAdd(Lanes),
}

/// `None` where the operation is no contraction, or none of the form.
pub fn contractions(op: &Op, form: Form, left: &Operand, right: &Operand, output: Shape) -> Option<Contractions> {
    match op {
        Op::Dot => Some(dot::lower(left, right)),
        Op::Conv(conv) => Some(conv::forward(conv, left, right, output)),
        Op::ConvGradInput { conv, .. } => Some(match form {
            Form::Usual => conv::grad_input(conv, left, right, output),
            Form::Phases => conv::by_phases(conv, left, right, output),
            Form::Accumulate => conv::by_accumulation(conv, left, right, output),
            // The one form that may not apply: kernels with holes, or too many products. The others take any shapes.
            Form::OverlapAdd(lanes) => return conv::by_overlap_add(conv, left, right, output, lanes),
        }),
        Op::ConvGradWeight { conv, .. } => Some(conv::grad_weight(conv, left, right, output)),
        _ => None,
    }
}

/// The layouts that make an operation over f32 or bf16 fast: of the left operand, the right operand and the result. `None`
/// where the operation is no contraction.
pub fn preferred_layouts(op: &Op, left: Shape, right: Shape, output: Shape) -> Option<[PreferredLayout; 3]> {
    preferred_layouts_of(op, Element::F32, left, right, output)
}

/// The same of a left operand of a type.
pub fn preferred_layouts_of(
    op: &Op,
    element: Element,
    left: Shape,
    right: Shape,
    output: Shape,
) -> Option<[PreferredLayout; 3]> {
    // What is preferred follows from shapes and type alone, so that dense operands will do to ask for it.
    let operand = |shape: Shape| {
        let dense = PreferredLayout { order: (0..shape.rank()).collect(), halo: Halo::default() };
        let (layout, halo) = (dense.layout(shape), Halo::default());
        Operand { shape, element, rounded: false, layout, halo, invariant: false }
    };
    Some(contractions(op, Form::Usual, &operand(left), &operand(right), output)?.preferred)
}

impl Problem {
    /// About how long it takes, in floating-point operations that take as long: from the shapes alone, so that what is
    /// compared by it does not depend on the strategy that is chosen.
    pub fn weight(&self) -> f64 {
        let [left, right] = &self.operands;
        let contractions = contractions(&self.op, Form::Usual, left, right, self.output);
        // An input gradient by phases has several contractions; an operation that is none has no products at all.
        let products: u64 =
            contractions.iter().flat_map(|contractions| &contractions.contractions).map(Contraction::flops).sum();
        let elements: usize = [left.shape, right.shape, self.output].map(|shape| shape.elements()).iter().sum();
        products as f64 + ELEMENT * elements as f64
    }
}
