//! The weight gradient by the same transforms, `dW = G' [sum over tiles of (B' d B) * (A dy A')] G`: matrix products
//! with sums over tiles. This file chooses blocks and estimates cycles; `gradient_kernels.rs` writes the kernels.

use super::blocks::{cycles, feature_blocks, most_among, passing, scattered, tile_blocks, tile_tasks};
use super::product::{Product, Products, Sizes, apart, panels};
use super::sliding::{Correlation, grid};
use super::transform::Filtering;
use crate::contraction::problem::{Contraction, Source, StageOf};
use crate::contraction::text::{choice, record};
use crate::contraction::tiling::{Ahead, Tiling};
use crate::cost::cache::holds;
use crate::cost::params::caches::{STAYING, TOGETHER};
use crate::cost::params::sharing::{ALONE, SHARED};
use crate::cost::params::stalls::DEEP_LANES;
use crate::cost::params::winograd::gradient::{IDEAL, LEAST_CHANNELS, SCRATCH};
use crate::cost::params::winograd::large::RESULTS;
use crate::cost::params::winograd::{CLOSELY, HALVINGS, PANEL, TASKS, WIDE};
use crate::cost::sharing::divisor;
use crate::kernel::Access;
use crate::target::Target;

/// A weight gradient in blocks.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    pub correlation: Correlation,
    pub blocks: GradientBlocks,
    /// Patches by gradients to sums for one block. The right operand lies in panels.
    pub product: Tiling,
    /// Whether the transform of a channel's sums asks for the lines of the next one's results.
    pub ahead: Ahead,
}

/// The sizes of blocks. Patches of a block of tiles lie as `[element, tile, channel]`, gradients of a block of features
/// as `[element, panel, tile, feature of the panel]`, sums of a block of channels and one of features as `[element,
/// channel, feature]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradientBlocks {
    /// How large tiles are.
    pub filtering: Filtering,
    shared: SharedAmong,
    /// Tasks, along each axis that is shared out.
    pub tasks: [usize; 2],
    /// Images and rows of tiles of a block.
    pub block: [usize; 2],
    /// Tiles of a block.
    pub tiles: usize,
    /// Channels of a block of sums; they divide the channels.
    pub channels: usize,
    /// Features of a block; they divide the features.
    pub features: usize,
    /// Blocks of features.
    pub count: usize,
    /// Features of a panel.
    pub panel: usize,
    /// The distance from element to element of a block's patches, gradients and sums.
    pub patches: usize,
    pub gradients: usize,
    pub sums: usize,
}

/// What the tasks share out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SharedAmong {
    /// Images and rows of tiles: each task transforms its tiles block by block and has sums of its own.
    Tiles,
    /// Blocks of features: all tiles, which are one block, are transformed before. Sums of a block of channels are
    /// results before those of the next one take their place.
    Features,
}

/// What one stage does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GradientStep {
    /// Buffers: left, right, patches, gradients.
    Transform,
    /// Buffers: left, right, patches, gradients, sums.
    Parts,
    /// Buffers: sums.
    Sum,
    /// Buffers: patches, gradients, sums.
    Results,
}

record!(Gradient { correlation, blocks, product, ahead });

choice!(SharedAmong { 0 "tiles" Tiles, 1 "features" Features });
// A block's channels are told by the product's rows.
record!(GradientBlocks {
    filtering, shared, tasks, block, tiles, features, count, panel, patches, gradients, sums
} but { channels });

choice!(GradientStep { 0 "transform" Transform, 1 "parts" Parts, 2 "sum" Sum, 3 "results" Results });

impl GradientStep {
    /// In a word, by a filtering.
    pub fn name(self, filtering: Filtering) -> &'static str {
        match (self, filtering) {
            (GradientStep::Transform, _) => "transform",
            (GradientStep::Parts, Filtering::F23) => "winograd parts",
            (GradientStep::Parts, Filtering::F43) => "winograd F(4,3) parts",
            (GradientStep::Parts, Filtering::F25) => "winograd F(2,5) parts",
            (GradientStep::Sum, Filtering::F23) => "winograd sum",
            (GradientStep::Sum, Filtering::F43) => "winograd F(4,3) sum",
            (GradientStep::Sum, Filtering::F25) => "winograd F(2,5) sum",
            (GradientStep::Results, Filtering::F23) => "winograd gradient",
            (GradientStep::Results, Filtering::F43) => "winograd F(4,3) gradient",
            (GradientStep::Results, Filtering::F25) => "winograd F(2,5) gradient",
        }
    }
}

impl Gradient {
    /// Fast strategies to compute a contraction, with the estimated cycles of each; none where it is no such gradient.
    pub fn of(contraction: &Contraction, products: &Products<'_>) -> Vec<(Gradient, f64)> {
        let of_filtering = |&filtering: &Filtering| {
            let correlation = Correlation::of(contraction, filtering.kernel())?;
            let terms = correlation.reduced.iter().product();
            filtering.takes(terms, RESULTS).then(|| Gradient::in_tiles(filtering, &correlation, products))
        };
        Filtering::of(products.target).iter().filter_map(of_filtering).flatten().collect()
    }

    /// Those by a filtering.
    fn in_tiles(filtering: Filtering, correlation: &Correlation, products: &Products<'_>) -> Vec<(Gradient, f64)> {
        let target = products.target;
        let extent = grid(correlation.reduced, correlation.dilation);
        let [images, height, _] = extent;
        let (all_rows, all_features) = (height.div_ceil(filtering.tile()), correlation.kept[1]);
        let by_tiles = tile_blocks(filtering, extent).into_iter();
        // Two families: tasks that share out tiles, with all features at once, and tasks that share out features, with
        // all tiles as one block.
        let [all_channels, _] = correlation.kept;
        let by_tiles = by_tiles.map(|block| (SharedAmong::Tiles, block, [all_channels, all_features]));
        let by_features = feature_blocks(all_features, target).into_iter();
        // What is transformed at once is one grid.
        let by_features = by_features.filter(|_| correlation.dilation == [1, 1]).flat_map(|features| {
            let blocks = channel_blocks(filtering, [all_channels, features], target).into_iter();
            blocks.map(move |channels| (SharedAmong::Features, (images, all_rows), [channels, features]))
        });
        let mut candidates: Vec<(f64, GradientBlocks)> = Vec::new();
        for (shared, block, sums) in by_tiles.chain(by_features) {
            // As for `Winograd`: all candidates by an ideal product, then a few of them with the tiles that it really
            // takes.
            let blocks =
                GradientBlocks::new(filtering, correlation, shared, block, sums, (PANEL * target.lanes, target));
            let [channels, features] = sums;
            let vectors = filtering.elements() * channels * features.div_ceil(target.lanes);
            let ideal = vectors * (blocks.tiles / IDEAL.0 + IDEAL.1);
            candidates.push((blocks.estimate(correlation, ideal as f64, target), blocks));
        }
        candidates.retain(|(_, blocks)| holds(target.l2_bytes, SCRATCH, blocks.scratch().iter().sum()));
        candidates.sort_by(|a, b| a.0.total_cmp(&b.0));
        // The results' places of a kernel lie each in another part of memory, which no prefetcher follows.
        let results = filtering.kernel() * filtering.kernel() * all_channels * all_features;
        let asks = target.lanes >= DEEP_LANES && !holds(target.l2_bytes, TOGETHER, results);
        let ahead = Ahead { lines: 0, results: asks };
        let closely = candidates.into_iter().take(CLOSELY).filter_map(|(_, blocks)| {
            let GradientBlocks { shared, block: [images, rows], channels, features, tiles, .. } = blocks;
            let (elements, element) = (filtering.elements(), blocks.patches);
            let sizes = Sizes { elements, element, rows: (channels, 1), features, depth: (tiles, all_channels) };
            let Product { tiling: product, panel, cycles } = products.of(sizes)?;
            let blocks = GradientBlocks::new(
                filtering,
                correlation,
                shared,
                (images, rows),
                [channels, features],
                (panel, target),
            );
            let cycles = blocks.estimate(correlation, cycles, target);
            Some((Gradient { correlation: correlation.clone(), blocks, product, ahead }, cycles))
        });
        closely.collect()
    }

    /// Images, rows of tiles, channels (where they are not all) and features of a block.
    pub fn block(&self) -> Vec<usize> {
        let GradientBlocks { block: [images, rows], channels, features, .. } = self.blocks;
        let some = (channels < self.correlation.kept[0]).then_some(channels);
        [images, rows].into_iter().chain(some).chain([features]).collect()
    }

    /// Takes at most so many tasks, each of which has sums of its own. Where they share out tiles, results are sums in
    /// another order then.
    pub fn take_fewer_tasks(&mut self, most: usize) {
        let [along, down] = self.blocks.tasks;
        // Tasks among several grids stay: there are no others than those of `grid_tasks`.
        if self.correlation.dilation == [1, 1] {
            let along = divisor(along, most);
            self.blocks.tasks = [along, divisor(down, most / along)];
        }
    }

    /// Lengths of the buffers of a step's tasks, the last one first.
    pub fn own(&self, step: GradientStep) -> Vec<usize> {
        let [patches, gradients, sums] = self.blocks.scratch();
        match step {
            GradientStep::Parts => vec![sums, gradients, patches],
            GradientStep::Results => vec![sums],
            GradientStep::Transform | GradientStep::Sum => Vec::new(),
        }
    }

    /// The stages that compute the results from the operands as they lie; `scratch` gives memory of some length.
    pub fn stages(&self, scratch: impl FnMut(usize) -> Source, operands: [Source; 2]) -> Vec<StageOf<GradientStep>> {
        let flops = self.correlation.flops(self.blocks.filtering.kernel());
        let [patches, gradients, sums] = self.blocks.scratch().map(scratch);
        let GradientBlocks { filtering, shared, tasks, sums: step, .. } = self.blocks;
        let parts = tasks[0] * tasks[1] * filtering.elements() * step;
        let mut stages = Vec::new();
        let mut stage = |from: &[Source], to: &[(Source, Access)], flops: u64, step: GradientStep| {
            let reads = from.iter().map(|&source| (source, Access::Read));
            let buffers = reads.chain(to.iter().copied()).collect();
            let results = matches!(step, GradientStep::Sum | GradientStep::Results);
            stages.push(StageOf { step, buffers, results, flops });
        };
        match shared {
            // Each task sums the products of its tiles; the last stage adds the tasks' sums up and transforms them.
            SharedAmong::Tiles => {
                let scratch = [patches, gradients, sums].map(|scratch| (scratch, Access::ReadWrite));
                stage(&operands, &scratch, flops, GradientStep::Parts);
                stage(&[sums], &[], parts as u64, GradientStep::Sum);
            }
            SharedAmong::Features => {
                // All patches and gradients first; then each task computes the results of its features from all tiles.
                stage(&operands, &[patches, gradients].map(|to| (to, Access::Write)), 0, GradientStep::Transform);
                stage(&[patches, gradients], &[(sums, Access::ReadWrite)], flops, GradientStep::Results);
            }
        }
        stages
    }
}

/// Sizes of blocks of channels: all of them, or a fraction where the sums of all with a block of features would not stay
/// in the second-level cache, with vectors as wide as were measured.
fn channel_blocks(filtering: Filtering, [channels, features]: [usize; 2], target: &Target) -> Vec<usize> {
    let mut blocks = vec![channels];
    let all_stay = holds(target.l2_bytes, STAYING, filtering.elements() * channels * features);
    if target.lanes >= WIDE && !all_stay {
        let fractions = (1..=HALVINGS).map(|halvings| channels >> halvings);
        blocks.extend(fractions.filter(|size| channels.is_multiple_of(*size) && *size >= LEAST_CHANNELS));
    }
    blocks
}

impl GradientBlocks {
    fn new(
        filtering: Filtering,
        correlation: &Correlation,
        shared: SharedAmong,
        (images, rows): (usize, usize),
        [channels, features]: [usize; 2],
        (panel, target): (usize, &Target),
    ) -> GradientBlocks {
        let [all_channels, all_features] = correlation.kept;
        let extent = grid(correlation.reduced, correlation.dilation);
        let tiles = images * rows * extent[2].div_ceil(filtering.tile());
        let count = all_features / features;
        let (patches, gradients) = (apart(tiles * all_channels), panels(tiles, features, panel));
        let sums = apart(channels * features);
        let tasks = match shared {
            SharedAmong::Tiles => {
                let among = most_among(filtering.elements() * (patches + count * gradients + sums), target);
                tile_tasks(filtering, correlation.reduced, correlation.dilation, (images, rows), [TASKS, among])
            }
            SharedAmong::Features => [divisor(count, TASKS), 1],
        };
        GradientBlocks {
            filtering,
            shared,
            tasks,
            block: [images, rows],
            tiles,
            channels,
            features,
            count,
            panel,
            patches,
            gradients,
            sums,
        }
    }

    /// Elements of scratch memory for patches, gradients and sums.
    fn scratch(&self) -> [usize; 3] {
        let tasks = self.tasks[0] * self.tasks[1];
        // Where tasks share out features, they read the same patches and gradients. Sums are each task's own.
        let operands = if self.shared == SharedAmong::Tiles { tasks } else { 1 };
        let elements = [operands * self.patches, operands * self.count * self.gradients, tasks * self.sums];
        elements.map(|elements| self.filtering.elements() * elements)
    }

    /// Estimated cycles, of which the product of one block takes so many.
    fn estimate(&self, correlation: &Correlation, product: f64, target: &Target) -> f64 {
        let [images, height, width] = grid(correlation.reduced, correlation.dilation);
        let grids = correlation.dilation[0] * correlation.dilation[1];
        let [channels, features] = correlation.kept;
        let vectors = |count: usize| count.div_ceil(target.lanes) as f64;
        let [high, wide] = [height, width].map(|extent| extent.div_ceil(self.filtering.tile()));
        let (filtering, tiles) = (self.filtering, (grids * images * high * wide) as f64);
        let (blocks, count) = (tiles / self.tiles as f64, self.count as f64);
        let blocks_of_sums = count * (channels / self.channels) as f64;
        let tasks = self.tasks[0] * self.tasks[1];
        // Sums that the last stage adds up for each result.
        let parts = if self.shared == SharedAmong::Tiles { tasks } else { 1 };
        let costs = cycles(filtering);
        let transforms = tiles * (vectors(channels) * costs.patches + vectors(features) * costs.gradients)
            + channels as f64 * vectors(features) * (costs.sums + (filtering.elements() * parts) as f64);
        // Patches and gradients pass once when they are written, patches once more for each block of features; sums
        // twice.
        let beside = self.gradients + self.sums;
        let patches = scattered(filtering, self.patches, beside, target)
            + passing(filtering, self.patches, beside, target) * count;
        let of_features =
            scattered(filtering, self.gradients, beside, target) + passing(filtering, self.gradients, beside, target);
        let gradients = of_features * count;
        let sums = passing(filtering, self.sums, self.patches.min(self.gradients), target) * 2.0 * blocks_of_sums;
        let alone = if tasks < SHARED { ALONE } else { 1.0 };
        alone * (blocks * (blocks_of_sums * product + patches + gradients + sums) + transforms)
    }
}
