//! What layers have in common that take several tensors, or give several. It knows none of them.

use crate::build::{Builder, Value};
use crate::shape::functions::Types;
use crate::shape::{DType, Shape, ShapeError, Type};

/// A layer that takes several tensors, some of which may be left out, or gives several.
///
/// Beside what every layer has, such a layer `T` with settings `S` has the rule
/// `const fn types(inputs: &[Option<Type>], flags: &[bool], settings: &S) -> Result<Types, ShapeError>`, which the macros
/// call.
pub trait Several {
    /// All results. The inputs are in PyTorch's order; one that is left out is `None`, or is not there at the end. So are
    /// the flags, with PyTorch's defaults.
    fn forward_all<'g>(&self, g: &'g Builder, inputs: &[Option<Value<'g>>], flags: &[bool]) -> Vec<Value<'g>>;
}

/// The inputs that are given.
pub(super) fn present<'g>(inputs: &[Option<Value<'g>>]) -> Vec<Value<'g>> {
    inputs.iter().flatten().copied().collect()
}

/// What stands for the one result of a layer whose inputs do not fit.
pub(super) fn rejected<'g>(g: &'g Builder, error: ShapeError) -> Value<'g> {
    g.fail(error.into());
    g.poison(Type::f32(Shape::SCALAR))
}

/// The types of what holds no value: the error of a layer whose single result is asked for where it gives several.
pub(super) const fn one_of(types: Result<Types, ShapeError>) -> Result<Shape, ShapeError> {
    match types {
        Ok(types) if types.as_slice().len() == 1 => Ok(types.as_slice()[0].shape),
        Ok(types) => Err(ShapeError::Results { expected: 1, found: types.as_slice().len() }),
        Err(error) => Err(error),
    }
}

/// An input of this shape alone.
pub(super) const fn alone(input: Shape) -> [Option<Type>; 1] {
    [Some(Type::new(DType::F32, input))]
}
