//! The rule of a model that is a layer of another one: what it takes, and what it gives by that. It compares shapes,
//! and knows neither model.

use crate::shape::{Misfit, ShapeError, Sizes, Type, extent};

/// A model as a layer of another one: it takes the inputs that it declares, and nothing else. Its free extents may be any
/// of the other model's, or numbers: what they are follows.
pub const fn inputs(declared: &[Type], found: &[Type]) -> Result<Sizes, ShapeError> {
    let mut sizes = Sizes::UNKNOWN;
    if declared.len() != found.len() {
        return Err(ShapeError::Inputs { expected: declared.len(), found: found.len() });
    }
    let mut position = 0;
    while position < found.len() {
        let (expected, found) = (declared[position], found[position]);
        let and = match sizes.and(expected.shape, found.shape.dims()) {
            // The batch axis is nothing else.
            Ok(and) if and.shape(expected.shape).same(&found.shape) && is_batch(and.batch()) => Ok(and),
            Ok(_) => Err(Misfit::Shape),
            Err(misfit) => Err(misfit),
        };
        if let (Ok(and), true) = (and, expected.dtype as u8 == found.dtype as u8) {
            sizes = and;
        } else {
            if let Err(Misfit::Differs { free, before, here }) = and {
                return Err(ShapeError::Differs { position, free, before, here });
            }
            // The only input is called just that.
            return Err(if declared.len() > 1 {
                ShapeError::Input { position, expected, found }
            } else if expected.dtype as u8 == found.dtype as u8 {
                ShapeError::Expected { what: "input", expected: expected.shape, found: found.shape }
            } else {
                ShapeError::Holds { expected: expected.dtype, found: found.dtype }
            });
        }
        position += 1;
    }
    Ok(sizes)
}

/// Whether a model's batch size is that of the model that applies it, or so many times that, or follows from no input.
const fn is_batch(batch: usize) -> bool {
    batch == 0 || extent::is_of_batch(batch)
}

/// What a model gives where it takes such inputs; what it declares where it does not.
pub const fn outputs<const K: usize>(declared: &[Type], found: &[Type], mut outputs: [Type; K]) -> [Type; K] {
    let Ok(sizes) = inputs(declared, found) else { return outputs };
    let mut position = 0;
    while position < K {
        outputs[position].shape = sizes.shape(outputs[position].shape);
        position += 1;
    }
    outputs
}
