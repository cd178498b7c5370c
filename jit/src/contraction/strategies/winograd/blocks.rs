//! Chooses the blocks of a [`Winograd`] strategy: what a block of tiles and of features holds, and which of the
//! operands the tasks transform themselves. It estimates cycles; it knows no kernels.

use super::super::emit::times;
use super::product::{apart, panels};
use super::sliding::Sliding;
use super::transform::Filtering;
use crate::contraction::text::{choice, record};
use crate::cost::cache::holds;
use crate::cost::params::caches::TOGETHER;
use crate::cost::params::sharing::{ALONE, SHARED};
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
    /// Tasks along images, rows and blocks of features.
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

/// Tasks along images and along rows of the only grid, in whole blocks.
pub fn tile_tasks(
    filtering: Filtering,
    [images, height, _]: [usize; 3],
    grids: usize,
    block: (usize, usize),
    most: usize,
) -> [usize; 2] {
    let whole = |extent: usize, size: usize, tasks: usize| match extent.is_multiple_of(size) {
        true => divisor(extent / size, tasks),
        false => 1,
    };
    let along = whole(images, block.0, most);
    // Rows of several grids differ in number, so that they can not be shared out alike.
    if grids > 1 {
        return [along, 1];
    }
    [along, whole(height, filtering.tile() * block.1, most / along)]
}

impl Blocks {
    pub fn new(
        filtering: Filtering,
        sliding: &Sliding,
        shared: Shared,
        (images, rows): (usize, usize),
        features: usize,
        panel: usize,
    ) -> Blocks {
        let ([all_images, height, width], all_features) = (sliding.grid(), sliding.kept[1]);
        let tiles = images * rows * width.div_ceil(filtering.tile());
        let (high, feature_blocks) = (height.div_ceil(filtering.tile() * rows), all_features / features);
        // Tasks along features first; what is left of them goes to images and rows.
        let along_features = if shared == Shared::Tiles { 1 } else { divisor(feature_blocks, TASKS) };
        let [along, down] = match shared {
            Shared::Features => [1, 1],
            Shared::Tiles | Shared::Blocks => {
                tile_tasks(filtering, sliding.grid(), sliding.grids(), (images, rows), TASKS / along_features)
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
            patches: apart(tiles * sliding.channels),
            weights: panels(sliding.channels, features, panel),
            sums: apart(tiles * features),
        }
    }

    /// Tiles of a block.
    pub fn tiles(&self, sliding: &Sliding) -> usize {
        self.images * self.rows * sliding.grid()[2].div_ceil(self.filtering.tile())
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
        let alone = if self.all_tasks() < SHARED { ALONE } else { 1.0 };
        alone * (blocks * (product + sums) + transforms + results + count[0] as f64 * each)
    }
}
