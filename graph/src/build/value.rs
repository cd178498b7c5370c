//! [`Value`]: what a node of a graph under construction is to its user. Knows its node and its type; what it can be
//! calculated with stands in the files beside.

use super::{Builder, GraphError, Slope};
use crate::graph::{NodeId, Type};
use crate::op::Op;
use crate::shape::{DType, Shape, ShapeError, rules};

/// A value of a graph that is being built. Copies stand for the same value; values never change.
///
/// Its operators and methods append nodes. Operands of unlike shapes are broadcast as in PyTorch; a number counts as
/// a constant of the other operand's element type.
#[derive(Clone, Copy)]
pub struct Value<'g> {
    graph: &'g Builder,
    id: NodeId,
}

impl<'g> Value<'g> {
    pub(super) fn new(graph: &'g Builder, id: NodeId) -> Value<'g> {
        Value { graph, id }
    }

    /// The node.
    pub fn id(self) -> NodeId {
        self.id
    }

    /// The builder of the graph.
    pub fn graph(self) -> &'g Builder {
        self.graph
    }

    /// The element type and shape.
    pub fn ty(self) -> Type {
        self.graph.graph.borrow().ty(self.id)
    }

    /// The shape.
    pub fn shape(self) -> Shape {
        self.ty().shape
    }

    /// The element type.
    pub fn dtype(self) -> DType {
        self.ty().dtype
    }

    /// Whether it is a number that is known as the graph is built.
    pub fn is_constant(self) -> bool {
        matches!(self.graph.graph.borrow().node(self.id).op, Op::Constant(_))
    }

    /// The extent of an axis, which may count from the end: PyTorch's `x.size(1)`. 0, with the error recorded, if there is
    /// no such axis.
    pub fn size(self, axis: isize) -> usize {
        match rules::axis("size", axis, &self.shape()) {
            Ok(axis) => self.shape().dim(axis),
            Err(error) => {
                self.graph.fail(error.into());
                0
            }
        }
    }

    /// For the macros, whose walk over types has counted the axes.
    #[doc(hidden)]
    pub fn of_axes(self, _: usize) {}

    /// As [`Value::size`]: for the macros, which call it where an extent may be the number of samples.
    #[doc(hidden)]
    pub fn size_of_any(self, axis: isize) -> usize {
        self.size(axis)
    }

    /// Says that this value is a function of the elements of `x`, each by itself, and what its derivative is: `x` gets
    /// `gradient * slope(x)`, where operation by operation it would get a sum of products with the gradient. So all but
    /// one product can be computed, and kept, before the gradient is there.
    pub(crate) fn with_slope(self, x: Value<'g>, slope: Slope) -> Value<'g> {
        self.graph.slopes.borrow_mut().insert(self.id, (x.id, slope));
        self
    }

    /// The value in a result, or, with the error recorded, a stand-in of this value's type.
    pub(super) fn or_poison(self, result: Result<Value<'g>, ShapeError>) -> Value<'g> {
        self.or_poison_of(self.ty(), result)
    }

    /// The value in a result, or, with the error recorded, a stand-in of the given type.
    pub(super) fn or_poison_of(self, ty: Type, result: Result<Value<'g>, ShapeError>) -> Value<'g> {
        result.unwrap_or_else(|error| {
            self.graph.fail(GraphError::from(error));
            self.graph.poison(ty)
        })
    }
}

/// `%7: f32[64,10]`.
impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.id, self.ty())
    }
}
