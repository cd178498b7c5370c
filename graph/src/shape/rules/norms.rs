//! The shape rules of normalizing layers, which leave shapes as they are.

use super::{axes, channels, finite};
use crate::shape::{MAX_RANK, Shape, ShapeError};

/// What is added below a root.
const fn epsilon(eps: f64) -> Result<(), ShapeError> {
    if eps >= 0.0 && eps.is_finite() {
        Ok(())
    } else {
        Err(ShapeError::Setting { setting: "eps", rule: "must be a finite number of at least 0" })
    }
}

/// `[.., normalized..]` stays as it is.
pub const fn layer_norm(input: Shape, normalized: Shape, eps: f64) -> Result<Shape, ShapeError> {
    ok!(epsilon(eps));
    let error = Err(ShapeError::Normalized { expected: normalized, found: input });
    if normalized.rank() == 0 || input.rank() < normalized.rank() {
        return error;
    }
    let mut axis = 0;
    while axis < normalized.rank() {
        if input.dim(input.rank() - normalized.rank() + axis) != normalized.dim(axis) {
            return error;
        }
        axis += 1;
    }
    Ok(input)
}

/// `[N, features, ..]` stays as it is; the groups divide the features.
pub const fn group_norm(input: Shape, groups: usize, features: usize, eps: f64) -> Result<Shape, ShapeError> {
    ok!(epsilon(eps));
    if groups == 0 {
        return Err(ShapeError::Setting { setting: "num_groups", rule: "must be at least 1" });
    }
    if !features.is_multiple_of(groups) {
        return Err(ShapeError::Groups { groups, channels: features, side: "input" });
    }
    channels(input, features, 2, MAX_RANK)
}

/// `[N, features, ..]` stays as it is; each channel has several values, unless its statistics are known.
pub const fn instance_norm(
    input: Shape,
    features: usize,
    eps: f64,
    momentum: f64,
    known: bool,
) -> Result<Shape, ShapeError> {
    ok!(epsilon(eps));
    ok!(finite("momentum", momentum));
    let input = ok!(channels(input, features, 3, MAX_RANK));
    let mut axis = 2;
    while axis < input.rank() {
        if input.dim(axis) != 1 {
            return Ok(input);
        }
        axis += 1;
    }
    if known {
        return Ok(input);
    }
    Err(ShapeError::Attribute { op: "instance_norm", rule: "each channel of a sample must have two or more values" })
}

/// `[N, C, L..]` stays as it is; `size` neighbouring channels count.
pub const fn local_response_norm(input: Shape, size: usize) -> Result<Shape, ShapeError> {
    if size == 0 {
        return Err(ShapeError::Setting { setting: "size", rule: "must be at least 1" });
    }
    axes(input, 3, MAX_RANK)
}
