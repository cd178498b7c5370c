//! Writes the kernels of a [`Winograd`] strategy: loops over blocks, tiles and vectors of channels or features around
//! the transforms, and the tiled product between them. It decides nothing.

use super::super::emit::times;
use super::super::emit::{Side, transposed};
use super::super::register_tiles::Tiler;
use super::blocks::Shared;
use super::forward::{Step, Winograd};
use super::tiles::{Block, Tiles, each, grid};
use crate::contraction::problem::{Epilogue, Place};
use crate::kernel::{BufferId, Index, KernelBuilder, Operation, Value};

impl Winograd {
    /// Writes one stage's kernel.
    pub fn emit(&self, step: Step, kernel: &mut KernelBuilder, buffers: &[BufferId], epilogue: &mut dyn Epilogue) {
        match step {
            Step::Patches => self.tiles().all_patches(kernel, buffers[0], buffers[1]),
            Step::Weights => self.all_weights(kernel, buffers[0], buffers[1]),
            Step::Results => match self.blocks.shared {
                Shared::Tiles => self.by_tiles(kernel, buffers, epilogue),
                Shared::Features => self.by_features(kernel, buffers, epilogue),
                Shared::Blocks => self.by_blocks(kernel, buffers, epilogue),
            },
        }
    }

    fn tiles(&self) -> Tiles {
        let [images, _, height, width] = self.sliding.kept;
        Tiles {
            filtering: self.blocks.filtering,
            extent: [images, height, width],
            dilation: self.sliding.dilation,
            left: self.sliding.left,
            channels: self.sliding.channels,
            block: [self.blocks.images, self.blocks.rows],
            patches: self.blocks.patches,
        }
    }

    /// The weights of all blocks of features; each is a task.
    fn all_weights(&self, kernel: &mut KernelBuilder, from: BufferId, to: BufferId) {
        let block = grid(kernel, self.blocks.count[1]);
        self.weights(kernel, &block, from, &side(to, &block, self.blocks.filtering.elements() * self.blocks.weights));
    }

    /// Whether weights lie along channels, not along features.
    fn transposes(&self) -> bool {
        let [_, _, channel, feature] = self.sliding.right.1;
        channel == 1 && feature != 1
    }

    fn by_tiles(&self, kernel: &mut KernelBuilder, buffers: &[BufferId], epilogue: &mut dyn Epilogue) {
        // for task: a share of images and rows
        //   for block of tiles
        //     patches = B' d B                        of the block, in the task's scratch
        //     for block of features
        //       sums = patches * weights              for each element; weights are there
        //       results = A' sums A                   to the epilogue
        let &[left, weights, patches, sums] = buffers else { unreachable!("four buffers") };
        let (tiles, blocks) = (self.tiles(), &self.blocks);
        let (share, [image, row]) = tiles.share(kernel, [blocks.tasks[0], blocks.tasks[1]]);
        let task = blocks.task(&[image, row, grid(kernel, blocks.tasks[2])]);
        let own = side(patches, &task, blocks.filtering.elements() * blocks.patches);
        let sums = side(sums, &task, blocks.filtering.elements() * blocks.sums);
        tiles.blocks(kernel, &share, &mut |kernel, block| {
            tiles.patches(kernel, block, left, own.buffer, &own.start);
            each(kernel, blocks.count[1], 1, &mut |kernel, features, _| {
                let weights = side(weights, features, blocks.filtering.elements() * blocks.weights);
                self.results(kernel, block, features, [&own, &weights, &sums], epilogue);
            });
        });
    }

    fn by_features(&self, kernel: &mut KernelBuilder, buffers: &[BufferId], epilogue: &mut dyn Epilogue) {
        // for task: a share of the blocks of features
        //   for block of features
        //     weights = G g G'                        of the block, in the task's scratch
        //     for block of tiles: sums, results       patches are there
        let &[patches, right, weights, sums] = buffers else { unreachable!("four buffers") };
        let (tiles, blocks) = (self.tiles(), &self.blocks);
        let task = grid(kernel, blocks.tasks[2]);
        let own = side(weights, &task, blocks.filtering.elements() * blocks.weights);
        let sums = side(sums, &task, blocks.filtering.elements() * blocks.sums);
        let (all, _) = tiles.share(kernel, [1, 1]);
        let share = blocks.count[1] / blocks.tasks[2];
        each(kernel, share, 1, &mut |kernel, number, _| {
            let features = times(&task, share).plus_index(number, 1);
            self.weights(kernel, &features, right, &own);
            tiles.blocks(kernel, &all, &mut |kernel, block| {
                let patches = side(patches, &block.number, blocks.filtering.elements() * blocks.patches);
                self.results(kernel, block, &features, [&patches, &own, &sums], epilogue);
            });
        });
    }

    fn by_blocks(&self, kernel: &mut KernelBuilder, buffers: &[BufferId], epilogue: &mut dyn Epilogue) {
        // for task: a share of the blocks of features, of images and rows
        //   for block of features
        //     for block of tiles: sums, results       patches and weights are there
        let &[patches, weights, sums] = buffers else { unreachable!("three buffers") };
        let (tiles, blocks) = (self.tiles(), &self.blocks);
        let (tile_share, [image, row]) = tiles.share(kernel, [blocks.tasks[0], blocks.tasks[1]]);
        let tasks = [image, row, grid(kernel, blocks.tasks[2])];
        let sums = side(sums, &blocks.task(&tasks), blocks.filtering.elements() * blocks.sums);
        let share = blocks.count[1] / blocks.tasks[2];
        each(kernel, share, 1, &mut |kernel, number, _| {
            let features = times(&tasks[2], share).plus_index(number, 1);
            let weights = side(weights, &features, blocks.filtering.elements() * blocks.weights);
            tiles.blocks(kernel, &tile_share, &mut |kernel, block| {
                let patches = side(patches, &block.number, blocks.filtering.elements() * blocks.patches);
                self.results(kernel, block, &features, [&patches, &weights, &sums], epilogue);
            });
        });
    }

    /// The weights of one block of features. Where channels are neighbours and features are not, squares of lanes of
    /// both are transposed in registers.
    fn weights(&self, kernel: &mut KernelBuilder, block: &Index, from: BufferId, to: &Side) {
        let (first, [row, column, channel, feature]) = self.sliding.right;
        let (channels, lanes, blocks) = (self.sliding.channels, kernel.lanes(), &self.blocks);
        let extent = blocks.filtering.kernel();
        // A square is `lanes` channels by `lanes` features.
        let together = if self.transposes() { lanes } else { 1 };
        let first = Index::at(first).plus_index(block, blocks.features as i64 * feature);
        each(kernel, blocks.features, blocks.panel, &mut |kernel, panel, features| {
            let first = first.clone().plus_index(panel, blocks.panel as i64 * feature);
            let start = to.start.clone().plus_index(panel, (channels * blocks.panel) as i64);
            each(kernel, channels, together, &mut |kernel, number, count| {
                let first = first.clone().plus_index(number, together as i64 * channel);
                let start = start.clone().plus_index(number, (together * blocks.panel) as i64);
                each(kernel, features, lanes, &mut |kernel, vector, active| {
                    let origin = first.clone().plus_index(vector, lanes as i64 * feature);
                    let place = start.clone().plus_index(vector, lanes as i64);
                    let at =
                        |down: usize, across: usize| origin.clone().shifted(down as i64 * row + across as i64 * column);
                    // A square for each element of the kernel; each gives a vector of features for each of its
                    // channels.
                    let squares: Vec<Vec<Value>> = match self.transposes() {
                        true => (0..extent * extent)
                            .map(|element| {
                                let index = at(element / extent, element % extent);
                                transposed(kernel, from, &index, feature, [active, count])
                            })
                            .collect(),
                        false => Vec::new(),
                    };
                    for along in 0..count {
                        let place = place.clone().shifted((along * blocks.panel) as i64);
                        let mut load = |kernel: &mut KernelBuilder, down: usize, across: usize| {
                            squares.get(extent * down + across).map_or_else(
                                || {
                                    let (buffer, index) = (from, at(down, across));
                                    kernel.push(Operation::Load { buffer, index, stride: feature, active })
                                },
                                |square| square[along],
                            )
                        };
                        let mut store = |kernel: &mut KernelBuilder, down: usize, across: usize, value: Value| {
                            let element = blocks.filtering.element(down, across) * blocks.weights;
                            kernel.store(to.buffer, place.clone().shifted(element as i64), 1, active, value);
                        };
                        blocks.filtering.weights(kernel, &mut load, &mut store);
                    }
                });
            });
        });
    }

    /// Patches, weights and scratch for sums to the results of one block of tiles and one of features.
    fn results(
        &self,
        kernel: &mut KernelBuilder,
        block: &Block,
        features: &Index,
        [patches, weights, sums]: [&Side; 3],
        epilogue: &mut dyn Epilogue,
    ) {
        let (lanes, blocks) = (kernel.lanes(), &self.blocks);
        // The product is a contraction of its own, with the coordinates `[element, tile, feature]`; its epilogue keeps
        // the sums.
        let mut keep = |kernel: &mut KernelBuilder, place: &Place, value: Value| {
            let distances = [blocks.sums, blocks.features, 1].map(|distance| distance as i64);
            let start = sums.start.clone();
            let at = place.coordinates.iter().zip(distances).fold(start, |at, (index, by)| at.plus_index(index, by));
            kernel.store(sums.buffer, at, 1, place.active, value);
        };
        let (left, right) = (patches.clone(), weights.clone());
        Tiler { tiling: &self.product, left, right, converted: None, sums: None, epilogue: &mut keep }.emit(kernel);
        self.tiles().tiles(kernel, block, &mut |kernel, tile| {
            let start = sums.start.clone().plus_index(&tile.number, blocks.features as i64);
            each(kernel, blocks.features, lanes, &mut |kernel, vector, active| {
                let start = start.clone().plus_index(vector, lanes as i64);
                let feature = times(features, blocks.features).plus_index(vector, lanes as i64);
                let mut load = |kernel: &mut KernelBuilder, down: usize, across: usize| {
                    let index = start.clone().shifted((blocks.filtering.element(down, across) * blocks.sums) as i64);
                    kernel.push(Operation::Load { buffer: sums.buffer, index, stride: 1, active })
                };
                let mut store = |kernel: &mut KernelBuilder, down: usize, across: usize, value: Value| {
                    let [down_by, across_by] = self.sliding.dilation;
                    let row = tile.row.clone().shifted((down * down_by) as i64);
                    let column = tile.column.clone().shifted((across * across_by) as i64);
                    let place = self.sliding.place([&tile.image, &feature, &row, &column], active);
                    epilogue.take(kernel, &place, value);
                };
                blocks.filtering.results(kernel, tile.size, &mut load, &mut store);
            });
        });
    }
}

/// The `number`-th piece of a buffer.
pub fn side(buffer: BufferId, number: &Index, elements: usize) -> Side {
    Side { buffer, start: times(number, elements) }
}
