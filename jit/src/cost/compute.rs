//! What tiles of sums take of a processor's ports, and how long a sum waits for its predecessor. It knows no tiling.

use super::params::register_tiles::{
    BROADCAST, CHAINED, CHAINED_PAIRS, FOLD, FOLDED, LOADED, SCATTERED_STORE, SUM, VECTOR_STORE,
};
use crate::target::Target;

/// Cycles to load a vector whose elements are so far apart: each by itself, unless they are neighbours or one.
pub fn load(stride: i64, target: &Target) -> f64 {
    match stride {
        0 | 1 => vector_load(target),
        _ => target.lanes as f64,
    }
}

/// Cycles to load a vector of neighbours.
pub fn vector_load(target: &Target) -> f64 {
    1.0 / target.loads as f64
}

/// Cycles that so many instructions behind loads take of the multiply-adds' time.
pub fn converting(instructions: f64, target: &Target) -> f64 {
    instructions / target.multiply_adds as f64
}

/// Cycles to finish a vector of sums and to store it, to neighbouring places or not; `folded`: its lanes are added up
/// first.
pub fn finish(contiguous: bool, folded: bool, target: &Target) -> f64 {
    let lanes = target.lanes as f64;
    // The sum itself, and a whole vector to memory, or else each element by itself. A folded vector is one number to
    // store, after log2(lanes) halvings.
    let store = if contiguous { VECTOR_STORE } else { SCATTERED_STORE * lanes };
    SUM + if folded { store / lanes + FOLD * lanes.log2() } else { store }
}

/// Cycles of one product for each sum of a tile of rows by vectors: its multiply-adds and its loads run beside each
/// other, and each sum waits for its predecessor. A broadcast takes a little of the multiply-adds' time; a folded step
/// reads whole vectors on both sides, which takes more of it. `pairs`: two products at a time.
pub fn step(rows: f64, vectors: f64, loads: f64, folded: bool, pairs: bool, target: &Target) -> f64 {
    // The slowest of three: rows x vectors multiply-adds over so many units; the loads; and the chain of one sum, whose
    // multiply-adds wait for one another. A tile of 2 x 1 sums is bound by the last: 4 cycles for 2 of them, on Zen 3.
    let chained = if target.lanes >= CHAINED.0 { CHAINED.1 } else { 1.0 };
    let chain = if pairs { CHAINED_PAIRS } else { chained * target.latency as f64 };
    let loaded = if target.lanes >= LOADED.0 { LOADED.1 * vectors } else { 0.0 };
    let reading = if folded { FOLDED * (rows + vectors) } else { BROADCAST * rows + loaded };
    (rows * vectors / target.multiply_adds as f64).max(loads).max(chain) + reading
}
