//! `src/lib.rs` of the first evening.

// ANCHOR: all
use kiln::prelude::*;

/// From the pixels of a digit to a score for each of the ten.
#[derive(Model)]
#[model(input = [64])]
pub struct Net {
    fc1: Linear<64, 96>,
    act: ReLU,
    fc2: Linear<96, 10>,
}
// ANCHOR_END: all
