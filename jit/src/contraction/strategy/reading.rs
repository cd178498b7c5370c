//! What reading operands takes beside the tiles' loads: copies, and elements that are widened or rounded. It knows
//! tilings and panels; it decides nothing.

use crate::contraction::stalls::products;
use crate::contraction::strategies::packed_panels::PackedPanels;
use crate::contraction::strategies::relayout::Relayout;
use crate::contraction::tiling::Tiling;
use crate::cost::compute;
use crate::cost::params::register_tiles::{ROUNDING, WIDENING};
use crate::target::Target;

/// What reading an operand takes beside the tiles' loads.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// What a copy costs, as a part of its cycles.
    pub copying: f64,
    /// Whether each load of what is not copied widens elements.
    pub widens: bool,
    /// Whether each rounds them to bf16.
    pub rounds: bool,
    /// Whether what is read are quads of bytes; their copies to another layout are of single bytes.
    pub quads: bool,
}

/// Estimated cycles of the copies.
pub fn copied_cycles(copies: &[Option<Relayout>; 2], reading: [Reading; 2], target: &Target) -> f64 {
    let pack = |(pack, reading): (&Option<Relayout>, Reading)| {
        pack.as_ref().map_or(0.0, |p| reading.copying * p.cycles(target))
    };
    copies.iter().zip(reading).map(pack).sum()
}

/// Estimated cycles in which a tiling's loads widen or round elements.
pub fn widening(tiling: &Tiling, panels: &[Option<PackedPanels>; 2], reading: [Reading; 2], target: &Target) -> f64 {
    let price = |side: usize| match reading[side] {
        _ if panels[side].is_some() || side == 0 && tiling.converted.is_any() => 0.0,
        Reading { widens: true, .. } => WIDENING,
        Reading { rounds: true, .. } => ROUNDING,
        _ => 0.0,
    };
    let [rows, width] = tiling.tile();
    let vectors = if tiling.fold.is_some() { width } else { width.div_ceil(target.lanes) };
    // A factor of the left operand serves all vectors of its row, unless it varies along the lanes, too.
    let apart = tiling.vector.is_some_and(|vector| tiling.contraction.axes[vector].left != 0);
    let loads = [if apart { rows * vectors } else { rows }, vectors];
    let instructions: f64 = (0..2).map(|side| loads[side] as f64 * price(side)).sum();
    let lanes = if tiling.fold.is_some() { target.lanes } else { 1 };
    products(tiling) / lanes as f64 * compute::converting(instructions, target)
}
