//! Writes the kernels of a [`Gradient`] strategy. It decides nothing.

use super::super::emit::times;
use super::super::emit::{Side, fill};
use super::super::register_tiles::Tiler;
use super::emit::side;
use super::gradient::{Gradient, GradientStep};
use super::tiles::{Block, Tiles, each, grid};
use crate::contraction::problem::{Epilogue, Place};
use crate::cost::params::winograd::TRANSFORMS;
use crate::cost::sharing::divisor;
use crate::kernel::{BufferId, Index, KernelBuilder, Operation, Value};

impl Gradient {
    /// Writes one stage's kernel.
    pub fn emit(
        &self,
        step: GradientStep,
        kernel: &mut KernelBuilder,
        buffers: &[BufferId],
        epilogue: &mut dyn Epilogue,
    ) {
        match step {
            GradientStep::Transform => self.transform(kernel, buffers),
            GradientStep::Parts => self.parts(kernel, buffers),
            GradientStep::Sum => {
                let channel = grid(kernel, self.correlation.kept[0]);
                // Channels are the tasks; all features of a channel are one block.
                let (parts, nothing) = (self.blocks.tasks[0] * self.blocks.tasks[1], Index::default());
                let sums = side(buffers[0], &channel, self.blocks.features);
                self.finish(kernel, &sums, parts, (&channel, 1), &nothing, epilogue);
            }
            GradientStep::Results => self.results(kernel, buffers, epilogue),
        }
    }

    fn geometry(&self) -> Tiles {
        Tiles {
            filtering: self.blocks.filtering,
            extent: self.correlation.reduced,
            dilation: self.correlation.dilation,
            left: self.correlation.left,
            channels: self.correlation.kept[0],
            block: self.blocks.block,
            patches: self.blocks.patches,
        }
    }

    /// All patches and gradients, which are one block; the images are shared out.
    fn transform(&self, kernel: &mut KernelBuilder, buffers: &[BufferId]) {
        let &[left, right, patches, gradients] = buffers else { unreachable!("four buffers") };
        let tiles = self.geometry();
        // Whole images for each task, so that its first tile's number is known.
        let tasks = divisor(tiles.extent[0], TRANSFORMS);
        let (share, [task, _]) = tiles.share(kernel, [tasks, 1]);
        let first = times(&task, self.blocks.tiles / tasks);
        tiles.patches(kernel, &share, left, patches, &times(&first, tiles.channels));
        self.gradients(kernel, &share, right, gradients, &times(&first, self.blocks.panel));
    }

    /// Each task sums its share of the tiles, block by block.
    fn parts(&self, kernel: &mut KernelBuilder, buffers: &[BufferId]) {
        let &[left, right, patches, gradients, sums] = buffers else { unreachable!("five buffers") };
        let tiles = self.geometry();
        let (share, tasks) = tiles.share(kernel, self.blocks.tasks);
        let task = times(&tasks[0], self.blocks.tasks[1]).plus_index(&tasks[1], 1);
        let patches = side(patches, &task, self.blocks.filtering.elements() * self.blocks.patches);
        let gradients = side(gradients, &task, self.blocks.filtering.elements() * self.blocks.gradients);
        let sums = side(sums, &task, self.blocks.filtering.elements() * self.blocks.sums);
        // sums = 0
        // for block of the task's tiles
        //   patches, gradients                transformed, in the task's scratch
        //   sums += patches' * gradients      for each element a sum over the block's tiles
        fill(kernel, sums.buffer, sums.start.clone(), self.blocks.filtering.elements() * self.blocks.sums);
        tiles.blocks(kernel, &share, &mut |kernel, block| {
            tiles.patches(kernel, block, left, patches.buffer, &patches.start);
            self.gradients(kernel, block, right, gradients.buffer, &gradients.start);
            self.product(kernel, [&patches, &gradients, &sums], true);
        });
    }

    /// Each task computes its share of the features from all patches and gradients.
    fn results(&self, kernel: &mut KernelBuilder, buffers: &[BufferId], epilogue: &mut dyn Epilogue) {
        let &[patches, gradients, sums] = buffers else { unreachable!("three buffers") };
        let task = grid(kernel, self.blocks.tasks[0]);
        let sums = side(sums, &task, self.blocks.filtering.elements() * self.blocks.sums);
        // for task: a share of the blocks of features
        //   for block of features, whose gradients stay in the caches
        //     for block of channels
        //       sums = patches' * gradients       for each element, of all tiles: stored, not added
        //       results = G' sums G               at once, from the task's scratch
        let share = self.blocks.count / self.blocks.tasks[0];
        each(kernel, share, 1, &mut |kernel, number, _| {
            let features = times(&task, share).plus_index(number, 1);
            let gradients = side(gradients, &features, self.blocks.filtering.elements() * self.blocks.gradients);
            let channels = self.blocks.channels;
            each(kernel, self.correlation.kept[0] / channels, 1, &mut |kernel, number, _| {
                let patches = side(patches, number, channels);
                self.product(kernel, [&patches, &gradients, &sums], false);
                self.finish(kernel, &sums, 1, (&times(number, channels), channels), &features, epilogue);
            });
        });
    }

    /// The gradients of a block of tiles, for all features.
    fn gradients(&self, kernel: &mut KernelBuilder, block: &Block, from: BufferId, to: BufferId, start: &Index) {
        let (first, [image, row, column]) = self.correlation.right;
        let [down_by, across_by] = self.correlation.dilation.map(|places| places as i64);
        let (tiles, lanes) = (self.blocks.tiles, kernel.lanes());
        self.geometry().tiles(kernel, block, &mut |kernel, tile| {
            let origin = Index::at(first).plus_index(&tile.image, image);
            let origin = origin.plus_index(&tile.row, row).plus_index(&tile.column, column);
            // The right operand of the product: `[block of features, element, panel, tile, feature of the panel]`.
            let place = start.clone().plus_index(&tile.number, self.blocks.panel as i64);
            each(kernel, self.blocks.count, 1, &mut |kernel, number, _| {
                let origin = origin.clone().plus_index(number, self.blocks.features as i64);
                let place =
                    place.clone().plus_index(number, (self.blocks.filtering.elements() * self.blocks.gradients) as i64);
                each(kernel, self.blocks.features, self.blocks.panel, &mut |kernel, panel, features| {
                    let origin = origin.clone().plus_index(panel, self.blocks.panel as i64);
                    let place = place.clone().plus_index(panel, (tiles * self.blocks.panel) as i64);
                    each(kernel, features, lanes, &mut |kernel, vector, active| {
                        let origin = origin.clone().plus_index(vector, lanes as i64);
                        let place = place.clone().plus_index(vector, lanes as i64);
                        let mut load = |kernel: &mut KernelBuilder, down: usize, across: usize| {
                            let index = origin
                                .clone()
                                .shifted(down as i64 * down_by * row + across as i64 * across_by * column);
                            kernel.push(Operation::Load { buffer: from, index, stride: 1, active })
                        };
                        let mut store = |kernel: &mut KernelBuilder, down: usize, across: usize, value: Value| {
                            let element = self.blocks.filtering.element(down, across) * self.blocks.gradients;
                            kernel.store(to, place.clone().shifted(element as i64), 1, active, value);
                        };
                        self.blocks.filtering.gradients(kernel, tile.size, &mut load, &mut store);
                    });
                });
            });
        });
    }

    /// The products of one block of tiles and one of features, added to sums or stored as them.
    fn product(&self, kernel: &mut KernelBuilder, [patches, gradients, sums]: [&Side; 3], add: bool) {
        // Coordinates of the product are `[element, channel, feature]`.
        let mut keep = |kernel: &mut KernelBuilder, place: &Place, value: Value| {
            let distances = [self.blocks.sums, self.blocks.features, 1].map(|distance| distance as i64);
            let start = sums.start.clone();
            let at = place.coordinates.iter().zip(distances).fold(start, |at, (index, by)| at.plus_index(index, by));
            let mut sum = value;
            if add {
                let index = at.clone();
                let load = Operation::Load { buffer: sums.buffer, index, stride: 1, active: place.active };
                let before = kernel.push(load);
                sum = kernel.add(before, value);
            }
            kernel.store(sums.buffer, at, 1, place.active, sum);
        };
        let (left, right) = (patches.clone(), gradients.clone());
        Tiler { tiling: &self.product, left, right, converted: None, sums: None, epilogue: &mut keep }.emit(kernel);
    }

    /// The results of some channels and of one block of features from their sums in so many parts.
    fn finish(
        &self,
        kernel: &mut KernelBuilder,
        sums: &Side,
        parts: usize,
        (first, channels): (&Index, usize),
        features: &Index,
        epilogue: &mut dyn Epilogue,
    ) {
        let lanes = kernel.lanes();
        each(kernel, channels, 1, &mut |kernel, number, _| {
            let channel = first.clone().plus_index(number, 1);
            let start = sums.start.clone().plus_index(number, self.blocks.features as i64);
            each(kernel, self.blocks.features, lanes, &mut |kernel, vector, active| {
                let start = start.clone().plus_index(vector, lanes as i64);
                let feature = times(features, self.blocks.features).plus_index(vector, lanes as i64);
                let mut load = |kernel: &mut KernelBuilder, down: usize, across: usize| {
                    let start =
                        start.clone().shifted((self.blocks.filtering.element(down, across) * self.blocks.sums) as i64);
                    let part = |kernel: &mut KernelBuilder, part: usize| {
                        let index =
                            start.clone().shifted((part * self.blocks.filtering.elements() * self.blocks.sums) as i64);
                        kernel.push(Operation::Load { buffer: sums.buffer, index, stride: 1, active })
                    };
                    let first = part(kernel, 0);
                    // In the order of the tasks' numbers: the number of threads changes no bit.
                    (1..parts).fold(first, |sum, number| {
                        let value = part(kernel, number);
                        kernel.add(sum, value)
                    })
                };
                let mut store = |kernel: &mut KernelBuilder, down: usize, across: usize, value: Value| {
                    let [down, across] = [down, across].map(|place| Index::at(place as i64));
                    if self.ahead.results {
                        let next = channel.clone().shifted(1);
                        let place = self.correlation.place([&down, &across, &next, &feature], active);
                        epilogue.results(&place).into_iter().for_each(|(buffer, index)| kernel.prefetch(buffer, index));
                    }
                    let place = self.correlation.place([&down, &across, &channel, &feature], active);
                    epilogue.take(kernel, &place, value);
                };
                self.blocks.filtering.weight_gradients(kernel, &mut load, &mut store);
            });
        });
    }
}
