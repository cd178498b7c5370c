//! The shape rules of what has as many elements in another shape, one extent of which may be what is left, and of what
//! is repeated to another one. They count, and do not know where an element goes.

use crate::shape::{MAX_EXTENT, MAX_RANK, Shape, ShapeError, extent, rules};

/// Repeated to another shape, in which [`Shape::INFERRED`] stands for the extent that is there.
pub const fn expand(op: &'static str, x: Shape, to: &[usize]) -> Result<Shape, ShapeError> {
    if to.len() > MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: to.len() });
    }
    let mut shape = Shape::new(to);
    let error = Err(ShapeError::Mismatch { op, left: x, right: shape });
    if shape.rank() < x.rank() {
        return error;
    }
    let mut back = 1;
    while back <= shape.rank() {
        let axis = shape.rank() - back;
        let from = if back <= x.rank() { x.dim(x.rank() - back) } else { 1 };
        if shape.dim(axis) == Shape::INFERRED {
            if back > x.rank() {
                return error;
            }
            shape = shape.with(axis, from);
        } else if from != 1 && from != shape.dim(axis) {
            return error;
        }
        back += 1;
    }
    Ok(shape)
}

/// As many elements in another shape, of which one extent may be [`Shape::INFERRED`].
pub const fn reshape(op: &'static str, x: Shape, to: &[usize]) -> Result<Shape, ShapeError> {
    if to.len() > MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: to.len() });
    }
    let wanted = Shape::new(to);
    if keeps_numbers(&x, &wanted) {
        return Ok(wanted);
    }
    let error = Err(ShapeError::Elements { from: x, to: wanted });
    let (Some((mut left, from)), Some((given, known))) = (counted(&x), counted(&wanted)) else { return error };
    let mut inferred = None;
    let mut axis = 0;
    while axis < to.len() {
        if to[axis] == Shape::INFERRED {
            if inferred.is_some() {
                return Err(ShapeError::Attribute { op, rule: "only one extent can be -1" });
            }
            inferred = Some(axis);
        }
        axis += 1;
    }
    // Each axis without a number is one of those before, or what is left.
    let mut axis = 0;
    while axis < given.rank() {
        let mut at = 0;
        while at < left.rank() && left.dim(at) != given.dim(axis) {
            at += 1;
        }
        if at == left.rank() {
            return error;
        }
        left = left.remove(at);
        axis += 1;
    }
    match (inferred, left.rank()) {
        (None, 0) if from == known => Ok(wanted),
        (Some(axis), 0) if known > 0 && from.is_multiple_of(known) => Ok(wanted.with(axis, from / known)),
        // `x.view(-1, 64)` of samples by places.
        (Some(axis), _) if known > 0 && from.is_multiple_of(known) => {
            let mut rest = from / known;
            let mut at = left.rank();
            while at > 0 {
                at -= 1;
                rest = ok!(rules::merged(op, left.dim(at), rest));
            }
            Ok(wanted.with(axis, rest))
        }
        _ => error,
    }
}

/// Whether two shapes have as many elements by their numbers alone, behind the batch axis of both or of none: so it nearly
/// always is, and what else decides takes rustc three times as long.
const fn keeps_numbers(from: &Shape, to: &Shape) -> bool {
    let batch = from.rank > 0 && to.rank > 0 && from.dims[0] == Shape::N && to.dims[0] == Shape::N;
    let (mut before, mut after) = (1usize, 1usize);
    let mut axis = batch as usize;
    while axis < from.rank as usize {
        if from.dims[axis] > MAX_EXTENT {
            return false;
        }
        before = before.saturating_mul(from.dims[axis]);
        axis += 1;
    }
    axis = batch as usize;
    while axis < to.rank as usize {
        if to.dims[axis] > MAX_EXTENT {
            return false;
        }
        after = after.saturating_mul(to.dims[axis]);
        axis += 1;
    }
    before == after
}

/// The extents that are no numbers, each factor of a product by itself; and the product of all numbers. Nothing where these
/// are more factors than a shape has axes.
const fn counted(shape: &Shape) -> Option<(Shape, usize)> {
    let (mut others, mut product) = (Shape::SCALAR, 1usize);
    let mut axis = 0;
    while axis < shape.rank() {
        match shape.dim(axis) {
            Shape::N if others.rank() == MAX_RANK => return None,
            Shape::N => others = others.insert(others.rank(), Shape::N),
            Shape::INFERRED => {}
            free if extent::is_free(free) => {
                let (factors, number) = extent::factors(free);
                let mut at = 0;
                while at < factors.rank() {
                    if others.rank() == MAX_RANK {
                        return None;
                    }
                    others = others.insert(others.rank(), factors.dim(at));
                    at += 1;
                }
                product = product.saturating_mul(number);
            }
            extent => product = product.saturating_mul(extent),
        }
        axis += 1;
    }
    Some((others, product))
}
