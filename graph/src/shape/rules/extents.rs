//! What rules compute with extents, which may be free: results, or why there is none that can be told. It knows
//! numbers, and no shapes.

use crate::shape::{MAX_EXTENT, Shape, ShapeError, extent};

/// A sum of extents, if it is one itself.
pub const fn sum(op: &'static str, one: usize, other: usize) -> Result<usize, ShapeError> {
    if extent::is_free(one) || extent::is_free(other) {
        return match extent::plus(one, other) {
            Some(sum) => Ok(sum),
            None => Err(ShapeError::Together { op, one, operator: "+", other }),
        };
    }
    match one.saturating_add(other) {
        sum if sum <= MAX_EXTENT => Ok(sum),
        _ => Err(ShapeError::Attribute { op, rule: "every extent must be below 2^31" }),
    }
}

/// A product of extents, if it is one itself.
pub const fn product(op: &'static str, one: usize, other: usize) -> Result<usize, ShapeError> {
    if extent::is_free(one) || extent::is_free(other) {
        return match extent::times(one, other) {
            Some(product) => Ok(product),
            None => Err(ShapeError::Together { op, one, operator: "*", other }),
        };
    }
    match one.saturating_mul(other) {
        product if product <= MAX_EXTENT => Ok(product),
        _ => Err(ShapeError::Attribute { op, rule: "every extent must be below 2^31" }),
    }
}

/// As [`sum`], of axes of tensors: one of them may be the batch axis.
pub const fn joined(op: &'static str, one: usize, other: usize) -> Result<usize, ShapeError> {
    match extent::plus(one, other) {
        Some(sum) if one == Shape::N || other == Shape::N => Ok(sum),
        None if one == Shape::N || other == Shape::N => Err(ShapeError::Together { op, one, operator: "+", other }),
        _ => sum(op, one, other),
    }
}

/// As [`product`], of axes of tensors: one of them may be the batch axis.
pub const fn merged(op: &'static str, one: usize, other: usize) -> Result<usize, ShapeError> {
    match extent::times(one, other) {
        Some(product) if one == Shape::N || other == Shape::N => Ok(product),
        None if one == Shape::N || other == Shape::N => Err(ShapeError::Together { op, one, operator: "*", other }),
        _ => product(op, one, other),
    }
}

/// What is left of an extent without some elements; they may be negative.
pub const fn difference(op: &'static str, extent: usize, less: isize) -> Result<usize, ShapeError> {
    match extent::shifted(extent, -less) {
        Some(rest) => Ok(rest),
        None => Err(ShapeError::Free { op, extent, rule: "and can be told of up to 2047 elements more or less" }),
    }
}

/// The rule of what divides free extents.
pub const MULTIPLE: &str =
    "and its quotient can not be told: let an input have a multiple of a free extent, as in `[N, 2 * T]`";

/// Whether a number divides an extent, and the quotient, rounded down.
pub const fn quotient(op: &'static str, of: usize, number: usize) -> Result<(usize, bool), ShapeError> {
    if !extent::is_free(of) {
        return Ok((of / if number == 0 { 1 } else { number }, of.is_multiple_of(number)));
    }
    match (extent::divided(of, number), extent::is_multiple(of, number)) {
        (Some(quotient), Some(even)) => Ok((quotient, even)),
        _ => Err(ShapeError::Free { op, extent: of, rule: MULTIPLE }),
    }
}

/// The extent of an axis that decides on how much there is to compute.
pub const fn number(op: &'static str, extent: usize) -> Result<usize, ShapeError> {
    if extent::is_free(extent) {
        return Err(ShapeError::Free { op, extent, rule: "and decides on what the results are: give it a number" });
    }
    Ok(extent)
}
