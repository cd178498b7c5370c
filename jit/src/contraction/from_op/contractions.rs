//! What an operation is as contractions: data. Which tiles and stages compute them is not said here.

use crate::contraction::problem::Contraction;
use crate::contraction::strategies::overlap_add::OverlapAdd;
use crate::layout::{Halo, PreferredLayout};

/// What an operation is as contractions.
pub struct Contractions {
    /// Together they write every place of the output once, except where they accumulate.
    pub contractions: Vec<Contraction>,
    /// The layouts of the operands and of the result.
    pub preferred: [PreferredLayout; 3],
    /// The only contraction writes places of the output, or of a halo around it, several times: their sums are the
    /// results. The first axis of contraction and output is the batch.
    pub accumulate: Option<Halo>,
    /// The only contraction computes products, and these are the sums that are the results.
    pub overlap_add: Option<OverlapAdd>,
}
