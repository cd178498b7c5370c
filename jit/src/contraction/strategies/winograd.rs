//! Convolution by Winograd's minimal filtering F(2 x 2, 3 x 3): each patch of 4 x 4 inputs and each kernel of 3 x 3 weights
//! is transformed to 16 elements, and the sums over channels are 16 matrix products, with 16 multiplications for 4 results
//! instead of 36. Patches and sums of one block of tiles at a time lie in scratch memory that the caches hold.
//!
//! `sliding.rs` recognises what can be computed so, `transform.rs` holds the transforms, `blocks.rs` chooses the blocks, `tiles.rs`
//! loops over the tiles, `emit.rs` writes the kernels.

mod blocks;
mod emit;
mod gradient;
mod gradient_kernels;
mod product;
mod sliding;
mod tiles;
mod transform;

use crate::contraction::problem::{Contraction, Source, StageOf};
use crate::contraction::tiling::Tiling;
use crate::kernel::Access;
use blocks::{Blocks, Shared};
pub use gradient::{Gradient, Step as GradientStep};
pub use product::Products;
use sliding::Sliding;

/// Elements of a transformed patch or kernel.
const ELEMENTS: usize = 16;
/// Results of a tile along each axis.
const TILE: usize = 2;

/// A convolution in blocks of tiles by blocks of features.
#[derive(Clone, Debug, PartialEq)]
pub struct Winograd {
    sliding: Sliding,
    blocks: Blocks,
    /// Patches by weights to sums for one block. The right operand lies in panels.
    product: Tiling,
    /// Estimated cycles.
    cycles: f64,
}

/// What one stage does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Buffers: left, patches.
    Patches,
    /// Buffers: right, weights.
    Weights,
    /// Buffers: left (or all patches), right (or all weights), scratch for what the tasks transform, if anything, sums.
    Results,
}

impl Winograd {
    /// Fast ways to compute a contraction; none where it slides no kernel of 3 x 3 over images of channels. What is computed
    /// once of the left and the right operand costs the given parts of its cycles.
    pub fn of(contraction: &Contraction, once: [f64; 2], products: &Products<'_>) -> Vec<Winograd> {
        blocks::choose(contraction, once, products)
    }

    /// Estimated cycles.
    pub fn cycles(&self) -> f64 {
        self.cycles
    }

    /// Images, rows of tiles and features of a block.
    pub fn block(&self) -> [usize; 3] {
        [self.blocks.images, self.blocks.rows, self.blocks.features]
    }

    /// Takes the estimates away, which are no part of what is computed.
    pub fn forget_estimates(&mut self) {
        (self.cycles, self.product.cycles) = (0.0, 0.0);
    }

    /// The stages that compute the results from the operands as they lie; `scratch` gives memory of some length.
    pub fn stages(&self, scratch: impl FnMut(usize) -> Source, [left, right]: [Source; 2]) -> Vec<StageOf<Step>> {
        let flops = self.sliding.flops();
        let [patches, weights, sums] = self.blocks.scratch().map(scratch);
        let own = match self.blocks.shared {
            Shared::Tiles => Some(patches),
            Shared::Features => Some(weights),
            Shared::Blocks => None,
        };
        let mut stages = Vec::new();
        let mut transformed = |from: Source, to: Source, step: Step| {
            if own == Some(to) {
                return from;
            }
            let buffers = vec![(from, Access::Read), (to, Access::Write)];
            stages.push(StageOf { step, buffers, results: false, flops: 0 });
            to
        };
        let operands = [transformed(left, patches, Step::Patches), transformed(right, weights, Step::Weights)];
        let reads = operands.map(|source| (source, Access::Read));
        let scratch = own.into_iter().chain([sums]).map(|scratch| (scratch, Access::ReadWrite));
        let buffers = reads.into_iter().chain(scratch).collect();
        stages.push(StageOf { step: Step::Results, buffers, results: true, flops });
        stages
    }
}

impl Step {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Step::Patches => "patches",
            Step::Weights => "weights",
            Step::Results => "winograd",
        }
    }
}
