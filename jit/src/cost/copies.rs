//! What copies take: whole vectors, pieces of them, squares that are transposed in registers, or single elements are
//! moved. It knows how many elements there are and how they are moved, and no layouts.

use super::cache::holds;
use super::params::{caches, packed_panels, relayout};
use crate::target::Target;

/// How the elements of a copy are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    /// Vector by vector: both sides run along one axis.
    Vectors,
    /// The same in pieces of vectors.
    Pieces,
    /// In squares that are transposed in registers: both sides run along axes of their own.
    Squares,
    /// In squares of one panel after the other: the source is read in long runs.
    Panels,
    /// Element by element.
    Elements,
}

/// Estimated cycles to copy so many elements to another layout.
pub fn relayout(elements: usize, moves: Moves, target: &Target) -> f64 {
    match moves {
        Moves::Vectors | Moves::Pieces => relayout::VECTORS * elements as f64,
        Moves::Squares | Moves::Panels => squares(elements, target),
        Moves::Elements => relayout::ELEMENTS * elements as f64,
    }
}

/// Estimated cycles to copy so many elements in squares. From and to memory beyond the caches, lines are fetched that
/// crowd a few sets.
pub fn squares(elements: usize, target: &Target) -> f64 {
    // Elements of both sides: each is read and written.
    let far = !holds(target.l2_bytes, relayout::FAR, 2 * elements);
    let near = if target.lanes > relayout::LANES { relayout::WIDE_SQUARES } else { relayout::SQUARES };
    elements as f64 * if far { relayout::FAR_SQUARES } else { near }
}

/// Estimated cycles to pack so many elements into panels.
pub fn pack(elements: usize, moves: Moves, target: &Target) -> f64 {
    let far = !holds(target.l2_bytes, caches::WHOLE, 2 * elements);
    let each = match moves {
        Moves::Vectors => packed_panels::VECTORS,
        Moves::Pieces if far && target.masks => packed_panels::FAR_MASKED,
        Moves::Pieces if far => packed_panels::FAR_PIECES,
        Moves::Pieces => packed_panels::PIECES,
        Moves::Panels if holds(target.l2_bytes, packed_panels::FAR, 2 * elements) => packed_panels::PANELS,
        Moves::Squares | Moves::Panels if far => packed_panels::FAR_SQUARES,
        Moves::Squares | Moves::Panels => packed_panels::SQUARES,
        Moves::Elements => packed_panels::ELEMENTS,
    };
    elements as f64 * each
}
