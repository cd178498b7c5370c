//! A convolution (or its input gradient) by Winograd's filtering: its blocks, what it costs, its stages. It writes no
//! kernels: `emit.rs` does.

use super::blocks::{Blocks, Shared, feature_blocks, tile_blocks};
use super::product::{Product, Products, Sizes};
use super::sliding::Sliding;
use super::transform::Filtering;
use crate::contraction::problem::{Contraction, Source, StageOf};
use crate::contraction::text::{choice, record};
use crate::contraction::tiling::Tiling;
use crate::cost::cache::holds;
use crate::cost::params::winograd::large::CHANNELS;
use crate::cost::params::winograd::{CLOSELY, IDEAL, KEPT, PANEL, SCRATCH};
use crate::kernel::Access;

/// A convolution in blocks of tiles by blocks of features.
#[derive(Clone, Debug, PartialEq)]
pub struct Winograd {
    pub sliding: Sliding,
    pub blocks: Blocks,
    /// Patches by weights to sums for one block. The right operand lies in panels.
    pub product: Tiling,
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

record!(Winograd { sliding, blocks, product });

choice!(Step { 0 "patches" Patches, 1 "weights" Weights, 2 "results" Results });

impl Winograd {
    /// Fast strategies to compute a contraction; none where it slides no kernel of 3 x 3 or 5 x 5 over images of channels. What
    /// is computed once of the left and the right operand costs the given parts of its cycles. With the estimated
    /// cycles of each.
    pub fn of(contraction: &Contraction, once: [f64; 2], products: &Products<'_>) -> Vec<(Winograd, f64)> {
        let of_filtering = |&filtering: &Filtering| {
            let sliding = Sliding::of(contraction, filtering.kernel())?;
            filtering.takes(sliding.channels, CHANNELS).then(|| choose(filtering, &sliding, once, products))
        };
        Filtering::of(products.target).iter().filter_map(of_filtering).flatten().collect()
    }

    /// Images, rows of tiles and features of a block.
    pub fn block(&self) -> [usize; 3] {
        [self.blocks.images, self.blocks.rows, self.blocks.features]
    }

    /// Takes at most so many tasks where each transforms an operand of its own.
    pub fn take_fewer_tasks(&mut self, most: usize) {
        self.blocks.take_fewer_tasks(most, self.sliding.grids());
    }

    /// Lengths of the buffers of a step's tasks, the last one first.
    pub fn own(&self, step: Step) -> Vec<usize> {
        let [patches, weights, sums] = self.blocks.scratch();
        match (step, self.blocks.shared) {
            (Step::Patches | Step::Weights, _) => Vec::new(),
            (Step::Results, Shared::Tiles) => vec![sums, patches],
            (Step::Results, Shared::Features) => vec![sums, weights],
            (Step::Results, Shared::Blocks) => vec![sums],
        }
    }

    /// The stages that compute the results from the operands as they lie; `scratch` gives memory of some length.
    pub fn stages(&self, scratch: impl FnMut(usize) -> Source, [left, right]: [Source; 2]) -> Vec<StageOf<Step>> {
        let flops = self.sliding.flops(self.blocks.filtering.kernel());
        let [patches, weights, sums] = self.blocks.scratch().map(scratch);
        // What tasks transform themselves is scratch of the last stage, and no stage of its own: they read the operand.
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
        // The first two stages, each if its operand is transformed before. The definition's operations are all the last
        // one's.
        let operands = [transformed(left, patches, Step::Patches), transformed(right, weights, Step::Weights)];
        let reads = operands.map(|source| (source, Access::Read));
        let scratch = own.into_iter().chain([sums]).map(|scratch| (scratch, Access::ReadWrite));
        let buffers = reads.into_iter().chain(scratch).collect();
        stages.push(StageOf { step: Step::Results, buffers, results: true, flops });
        stages
    }
}

impl Step {
    /// In a word, by a filtering.
    pub fn name(self, filtering: Filtering) -> &'static str {
        match (self, filtering) {
            (Step::Patches, _) => "patches",
            (Step::Weights, _) => "weights",
            (Step::Results, Filtering::F23) => "winograd",
            (Step::Results, Filtering::F43) => "winograd F(4,3)",
            (Step::Results, Filtering::F25) => "winograd F(2,5)",
        }
    }
}

/// Fast blocks of a contraction: those that look best where products run at their limit are looked at closely.
fn choose(filtering: Filtering, sliding: &Sliding, once: [f64; 2], products: &Products<'_>) -> Vec<(Winograd, f64)> {
    let target = products.target;
    let [images, height, width] = sliding.grid();
    let mut candidates: Vec<(f64, Blocks)> = Vec::new();
    for features in feature_blocks(sliding.kept[1], target) {
        for size in tile_blocks(filtering, [images, height, width]) {
            for shared in [Shared::Tiles, Shared::Features, Shared::Blocks] {
                // A first look with a guessed panel and an ideal product.
                let blocks = Blocks::new(filtering, sliding, shared, size, features, PANEL * target.lanes, target);
                let elements = filtering.elements() * size.0 * size.1 * width.div_ceil(filtering.tile()) * features;
                let ideal = (elements * (sliding.channels / IDEAL.0 + IDEAL.1)) as f64 / target.lanes as f64;
                candidates.push((blocks.estimate(sliding, ideal, once, target), blocks));
            }
        }
    }
    let is_kept = once.into_iter().any(|part| part < 1.0);
    candidates.retain(|(_, blocks)| {
        let scratch = blocks.scratch().iter().sum();
        holds(target.l2_bytes, SCRATCH, scratch) && !(is_kept && scratch > KEPT)
    });
    candidates.sort_by(|a, b| a.0.total_cmp(&b.0));
    let closely = candidates.into_iter().take(CLOSELY).filter_map(|(_, blocks)| {
        // Closely: the tiles of the product that it really takes, and the panels that follow from them.
        let rows = (blocks.tiles(sliding), sliding.channels);
        let depth = (sliding.channels, 1);
        let (elements, element, features) = (filtering.elements(), blocks.patches, blocks.features);
        let sizes = Sizes { elements, element, rows, features, depth };
        let Product { tiling: product, panel, cycles } = products.of(sizes)?;
        let size = (blocks.images, blocks.rows);
        let blocks = Blocks::new(filtering, sliding, blocks.shared, size, features, panel, target);
        let cycles = blocks.estimate(sliding, cycles, once, target);
        Some((Winograd { sliding: sliding.clone(), blocks, product }, cycles))
    });
    closely.collect()
}
