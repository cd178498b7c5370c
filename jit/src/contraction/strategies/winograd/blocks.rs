//! Chooses the blocks of a [`Winograd`] strategy: what a block of tiles and of features holds, and which of the
//! operands the tasks transform themselves. It estimates cycles; it knows no kernels.

use super::super::emit::times;
use super::product::{apart, panels};
use super::sliding::{Sliding, grid};
use super::transform::Filtering;
use crate::contraction::text::{choice, record};
use crate::cost::cache::{holds, share};
use crate::cost::params::caches::{STAYING, TOGETHER};
use crate::cost::params::sharing::{ALONE, FEW_TASKS, SHARED};
use crate::cost::params::winograd::{
    F23, F25, F43, FAR, FEW, FILLED, GATHERED, HALVINGS, NEAR, PANEL, SCATTERED, STAYS, TASKS, TILES, TRANSPOSED,
    Transforms, WIDE,
};
use crate::cost::sharing::{divisor, divisors};
use crate::kernel::Index;
use crate::target::Target;

/// The sizes of blocks. Patches of a block lie as `[element, tile, channel]`, its sums as `[element, tile, feature]`,
/// the weights of a block of features as `[element, panel, channel, feature of the panel]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blocks {
    /// How large tiles are.
    pub filtering: Filtering,
    /// What the tasks share out, and what of it they transform while they use it.
    pub shared: Shared,
    /// Tasks along images, along rows or among grids, and along blocks of features.
    pub tasks: [usize; 3],
    /// Images of a block.
    pub images: usize,
    /// Rows of tiles of a block.
    pub rows: usize,
    /// Features of a block; they divide the features.
    pub features: usize,
    /// Features of a panel.
    pub panel: usize,
    /// The number of blocks of tiles and of features.
    pub count: [usize; 2],
    /// The distance from element to element of a block's patches, weights and sums.
    pub patches: usize,
    pub weights: usize,
    pub sums: usize,
}

/// See [`Blocks::shared`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// Images and rows of tiles, whose patches they transform; weights are transformed before.
    Tiles,
    /// Blocks of features, whose weights they transform; patches are transformed before.
    Features,
    /// Both; patches and weights are transformed before.
    Blocks,
}

choice!(Shared { 0 "tiles" Tiles, 1 "features" Features, 2 "blocks" Blocks });
record!(Blocks { filtering, shared, tasks, images, rows, features, panel, count, patches, weights, sums });

/// Sizes of blocks of features: all of them, or a fraction in whole tiles of registers.
pub fn feature_blocks(features: usize, target: &Target) -> Vec<usize> {
    // Most tiles are two vectors wide, so that a block is whole panels.
    let fits = |size: &usize| features.is_multiple_of(*size) && size.is_multiple_of(PANEL * target.lanes);
    let fractions = (1..=HALVINGS).map(|halvings| features >> halvings).filter(fits);
    [features].into_iter().chain(fractions).collect()
}

/// Images and rows of tiles of a block: some rows of one image, or whole images. All blocks are equal, so that one
/// product does for all.
pub fn tile_blocks(filtering: Filtering, [images, height, width]: [usize; 3]) -> Vec<(usize, usize)> {
    let [rows, columns] = [height, width].map(|extent| extent.div_ceil(filtering.tile()));
    // Some rows of one image, then whole images. Few tiles make a flat product that reads the weights for too few rows;
    // many do not stay in the caches between the transforms.
    let parts = divisors(rows).into_iter().filter(|&part| part < rows).map(|part| (1, part));
    let mut blocks: Vec<(usize, usize)> =
        parts.chain(divisors(images).into_iter().map(|count| (count, rows))).collect();
    let (least, most) = (FEW.min(images * rows * columns), TILES.max(columns));
    blocks.retain(|&(images, rows)| (least..=most).contains(&(images * rows * columns)));
    blocks
}

/// Cycles in which so many elements of each matrix pass between registers and the cache that holds them and those
/// beside them.
pub fn passing(filtering: Filtering, elements: usize, beside: usize, target: &Target) -> f64 {
    (filtering.elements() * elements) as f64 * each_element(filtering, elements + beside, FAR, target)
}

/// Cycles in which a transform writes so many elements of each matrix, each of the matrices to another place.
pub fn scattered(filtering: Filtering, elements: usize, beside: usize, target: &Target) -> f64 {
    (filtering.elements() * elements) as f64 * each_element(filtering, elements + beside, SCATTERED, target)
}

/// Cycles for each of so many elements of all matrices, which take `far` from beyond the second-level cache: with narrow
/// vectors, and with wide ones.
fn each_element(filtering: Filtering, elements: usize, far: [f64; 2], target: &Target) -> f64 {
    let all = filtering.elements() * elements;
    let filled = (4 * all) as f64 / target.l2_bytes as f64;
    match (holds(target.l2_bytes, TOGETHER, all), target.lanes < WIDE) {
        (true, true) => NEAR,
        (true, false) => NEAR + FILLED * filled,
        (false, true) => far[0],
        // What stays in the cache does not come from beyond it.
        (false, false) => far[1] * (1.0 - STAYS / filled),
    }
}

/// What the transforms take.
pub fn cycles(filtering: Filtering) -> Transforms {
    match filtering {
        Filtering::F23 => F23,
        Filtering::F43 => F43,
        Filtering::F25 => F25,
    }
}

/// Tasks along images, and along rows of the only grid, in whole blocks, or among grids ([`grid_tasks`]), where images
/// alone are too few; of places in images, rows and columns. At most `most`, of them `among` grids.
pub fn tile_tasks(
    filtering: Filtering,
    extent: [usize; 3],
    dilation: [usize; 2],
    block: (usize, usize),
    [most, among]: [usize; 2],
) -> [usize; 2] {
    let whole = |extent: usize, size: usize, tasks: usize| match extent.is_multiple_of(size) {
        true => divisor(extent / size, tasks),
        false => 1,
    };
    let [images, height, _] = grid(extent, dilation);
    let along = whole(images, block.0, most);
    if dilation == [1, 1] {
        return [along, whole(height, filtering.tile() * block.1, most / along)];
    }
    let among = if along < SHARED { among.min(most / along) } else { 1 };
    [along, grid_tasks(extent, dilation, among).iter().product()]
}

/// How many tasks may share out grids whose scratch memory is so many elements each: as many as leave it in the
/// second-level cache of one thread, which touches that of all its tasks. Four 3 x 3 convolutions of 64 channels, one
/// image of 32 x 32 places, dilation 2, took 665 us by 4 tasks of 295 KB each, by one 581 (Emerald Rapids, 2026-11-30).
pub fn most_among(scratch: usize, target: &Target) -> usize {
    (share(target.l2_bytes, STAYING) / (4 * scratch)).max(1)
}

/// Tasks among the grids that begin in a row, and among those that begin in a column: along axes where all grids have as
/// many places, since a task's loops are those of all tasks.
pub fn grid_tasks([_, rows, columns]: [usize; 3], dilation: [usize; 2], most: usize) -> [usize; 2] {
    let alike = |extent: usize, apart: usize| if extent.is_multiple_of(apart) { apart } else { 1 };
    let [rows, columns] = [alike(rows, dilation[0]), alike(columns, dilation[1])];
    let down = divisor(rows, most);
    [down, if down == rows { divisor(columns, most / down) } else { 1 }]
}

impl Blocks {
    pub fn new(
        filtering: Filtering,
        sliding: &Sliding,
        shared: Shared,
        (images, rows): (usize, usize),
        features: usize,
        panel: usize,
        target: &Target,
    ) -> Blocks {
        let ([all_images, height, width], all_features) = (sliding.grid(), sliding.kept[1]);
        let tiles = images * rows * width.div_ceil(filtering.tile());
        let (high, feature_blocks) = (height.div_ceil(filtering.tile() * rows), all_features / features);
        // Tasks along features first; what is left of them goes to images and rows.
        let along_features = if shared == Shared::Tiles { 1 } else { divisor(feature_blocks, TASKS) };
        let patches = apart(tiles * sliding.channels);
        let (weights, sums) = (panels(sliding.channels, features, panel), apart(tiles * features));
        // Tasks along features take turns in reading weights, which then come from further away for each of the grids
        // where not all of them stay.
        let among = match shared {
            Shared::Tiles => most_among(filtering.elements() * (patches + sums), target),
            Shared::Blocks
                if along_features < SHARED
                    && holds(target.l2_bytes, STAYING, filtering.elements() * feature_blocks * weights) =>
            {
                most_among(filtering.elements() * sums, target)
            }
            Shared::Features | Shared::Blocks => 1,
        };
        let [along, down] = match shared {
            Shared::Features => [1, 1],
            Shared::Tiles | Shared::Blocks => {
                let [all_images, _, height, width] = sliding.kept;
                let extent = [all_images, height, width];
                tile_tasks(filtering, extent, sliding.dilation, (images, rows), [TASKS / along_features, among])
            }
        };
        Blocks {
            filtering,
            shared,
            tasks: [along, down, along_features],
            images,
            rows,
            features,
            panel,
            count: [all_images.div_ceil(images) * high * sliding.grids(), feature_blocks],
            patches,
            weights,
            sums,
        }
    }

    /// Tiles of a block.
    pub fn tiles(&self, sliding: &Sliding) -> usize {
        self.images * self.rows * sliding.grid()[2].div_ceil(self.filtering.tile())
    }

    /// See [`Winograd::take_fewer_tasks`](super::Winograd::take_fewer_tasks). Tasks among several grids stay: there are
    /// no others than those of [`grid_tasks`].
    pub fn take_fewer_tasks(&mut self, most: usize, grids: usize) {
        match self.shared {
            Shared::Tiles if grids == 1 => {
                let along = divisor(self.tasks[0], most);
                (self.tasks[0], self.tasks[1]) = (along, divisor(self.tasks[1], most / along));
            }
            Shared::Features => self.tasks[2] = divisor(self.tasks[2], most),
            Shared::Tiles | Shared::Blocks => {}
        }
    }

    /// The number of all tasks.
    fn all_tasks(&self) -> usize {
        self.tasks.iter().product()
    }

    /// The number of a task, by its places.
    pub fn task(&self, [image, row, features]: &[Index; 3]) -> Index {
        times(image, self.tasks[1] * self.tasks[2]).plus_index(row, self.tasks[2] as i64).plus_index(features, 1)
    }

    /// Elements of scratch memory for patches, weights and sums: those of all blocks, or of one for each task that
    /// transforms or sums them.
    pub fn scratch(&self) -> [usize; 3] {
        let tasks = self.all_tasks();
        // What a task transforms for itself, it has room of its own for, one block at a time. What is transformed
        // before is there as a whole, all blocks of it.
        let patches = if self.shared == Shared::Tiles { tasks } else { self.count[0] };
        let weights = if self.shared == Shared::Features { tasks } else { self.count[1] };
        [patches * self.patches, weights * self.weights, tasks * self.sums]
            .map(|elements| self.filtering.elements() * elements)
    }

    /// Estimated cycles, of which the product of one block takes so many; `once` as in [`Winograd::of`].
    pub fn estimate(&self, sliding: &Sliding, product: f64, once: [f64; 2], target: &Target) -> f64 {
        let lanes = target.lanes;
        let ([images, height, width], features) = (sliding.grid(), sliding.kept[1]);
        let [high, wide] = [height, width].map(|extent| extent.div_ceil(self.filtering.tile()));
        let tiles = (sliding.grids() * images * high * wide) as f64;
        let vectors = |count: usize| count.div_ceil(lanes) as f64;
        // How a vector of weights along features is loaded: as it lies; in squares that are transposed, where channels
        // lie side by side; else lane by lane, all elements of the kernel each.
        let gather = match sliding.right.1 {
            [.., 1] => 0.0,
            [.., 1, _] => TRANSPOSED * (self.filtering.kernel() * self.filtering.kernel()) as f64,
            _ => (self.filtering.kernel() * self.filtering.kernel() * GATHERED * lanes) as f64,
        };
        let costs = cycles(self.filtering);
        let patches = tiles * vectors(sliding.channels) * costs.patches;
        let weights = sliding.channels as f64 * vectors(features) * (costs.weights + gather);
        let results = tiles * vectors(features) * costs.results;
        // An operand passes once when it is written, and when it is read once for each block of the other one; the sums
        // of a block pass twice.
        let passing = |elements: usize, beside: usize| passing(self.filtering, elements, beside, target);
        let scattered = |elements: usize, beside: usize| scattered(self.filtering, elements, beside, target);
        // `own` is the operand of the outer loop: a block of it stays while all blocks of the other one pass by.
        let (count, own, other) = match self.shared {
            Shared::Tiles => (self.count, self.patches, self.weights),
            Shared::Features | Shared::Blocks => ([self.count[1], self.count[0]], self.weights, self.patches),
        };
        let all = count[1] * other;
        // What is transformed before the products may be invariant, and then costs a part of its cycles (`once`). What
        // tasks transform themselves is computed in every run.
        let transforms = match self.shared {
            Shared::Tiles => patches + once[1] * (weights + scattered(all, all)),
            Shared::Features => weights + once[0] * (patches + scattered(all, all)),
            Shared::Blocks => {
                once[1] * (weights + scattered(count[0] * own, all)) + once[0] * (patches + scattered(all, all))
            }
        };
        // With all transformed before, nothing is written here.
        let writing = if self.shared == Shared::Blocks { 0.0 } else { scattered(own, self.sums) };
        let each = writing + passing(own, self.sums) * count[1] as f64 + passing(all, own + self.sums);
        let sums = 2.0 * passing(self.sums, own.min(other));
        let blocks = (count[0] * count[1]) as f64;
        let alone = match self.all_tasks() {
            // Several grids that are not alike are shared along features at best, which may be two blocks.
            2.. if self.all_tasks() < SHARED && sliding.grids() > 1 => FEW_TASKS,
            tasks if tasks < SHARED => ALONE,
            _ => 1.0,
        };
        alone * (blocks * (product + sums) + transforms + results + count[0] as f64 * each)
    }
}
