//! Input gradients as a product and an overlap-add: each pixel of the output's gradient times the whole kernel, kept in
//! scratch memory, and then for each place of the input the sum over the products that meet there. The product has few
//! features in one piece, where a contraction for each residue of the stride has them in shreds. It knows the geometry
//! and what it costs; it knows no tilings.
//!
//! Along one axis, with stride `s` and padding `p`, pixel `o` and element `k` meet at place `s o + k - p`. So the
//! places `s q + r - p` with `r < s` get the products of the pixels `q - j` with the elements `r + s j`.

use kiln_graph::shape::Shape;

use super::emit::along;
use super::split_k::Partials;
use crate::contraction::problem::{Contraction, Coordinate, Epilogue, Place};
use crate::contraction::text::{choice, record};
use crate::cost::cache::holds;
use crate::cost::params::caches::STAYING;
use crate::cost::params::overlap_add::{ADDING, CALL, FAR, MOST, NEAR, SCRATCH, SUM, TIMES};
use crate::cost::params::register_tiles::SCATTERED_STORE;
use crate::kernel::{BufferId, Index, KernelBuilder, Operation, Value};
use crate::layout::{Halo, PreferredLayout};
use crate::target::Target;

/// What lies along the lanes of the sums, and last in the products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lanes {
    /// Places along the last axis, and elements of the kernel: `[image, pixels.., group, channel, elements..]`.
    Places,
    /// Channels of a group: `[image, pixels.., group, elements.., channel]`.
    Channels,
}

/// One spatial axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// Places of the input, and zeros in front of them.
    pub extent: usize,
    pub padding: usize,
    /// Places from pixel to pixel.
    pub stride: usize,
    /// Elements of the kernel.
    pub kernel: usize,
    /// Pixels of the output's gradient.
    pub pixels: usize,
}

/// Places `stride * q + r - padding` for some `q` and some `r`, which all get the products of as many pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    q: (usize, usize),
    r: (usize, usize),
    /// Of `j`, from and to.
    met: (usize, usize),
}

/// The sums of the products that meet.
#[derive(Clone, Debug, PartialEq)]
pub struct OverlapAdd {
    pub images: usize,
    pub groups: usize,
    /// Channels of a group.
    pub channels: usize,
    pub axes: Vec<Overlap>,
    pub lanes: Lanes,
    /// The axis of the results whose neighbours are neighbours in memory, most likely.
    pub fast: usize,
}

record!(Overlap { extent, padding, stride, kernel, pixels });

choice!(Lanes { 0 "places" Places, 1 "channels" Channels });
// Estimates ask for the fast axis; the code is the same whichever it is.
record!(OverlapAdd { images, groups, channels, axes, lanes } but { fast });

impl Overlap {
    fn blocks(&self) -> Vec<Block> {
        let Overlap { extent, padding, stride, kernel, pixels } = *self;
        // Places are counted from the first one of the padding: place `s q + r`, of which those in `padding..end` are
        // the input's.
        let end = padding + extent;
        // The first residues meet one element more than the others.
        let more = kernel % stride;
        let mut blocks: [Vec<Block>; 2] = Default::default();
        for q in padding / stride..end.div_ceil(stride) {
            let (low, high) = (padding.max(q * stride) - q * stride, end.min((q + 1) * stride) - q * stride);
            // With a kernel of 3 and a stride of 2, residue 0 meets the elements 0 and 2, residue 1 the element 1
            // alone.
            let parts = [(low, high.min(more), kernel / stride + 1), (low.max(more), high, kernel / stride)];
            for (blocks, (from, to, elements)) in blocks.iter_mut().zip(parts) {
                if from >= to {
                    continue;
                }
                // Pixel `q - j` has to be below `pixels`, and at least 0.
                let first = (q + 1).saturating_sub(pixels);
                let met = (first, elements.min(q + 1).max(first));
                // Away from the borders all `q` are alike: they are one block, and so one loop.
                match blocks.last_mut() {
                    Some(last) if last.r == (from, to) && last.met == met && last.q.0 + last.q.1 == q => last.q.1 += 1,
                    _ => blocks.push(Block { q: (q, 1), r: (from, to), met }),
                }
            }
        }
        blocks.concat()
    }
}

impl OverlapAdd {
    /// Whether it makes sense: not too many products meet, and they do not take too much memory.
    pub fn is_worth_it(&self) -> bool {
        // The sum of one place has up to so many terms, and they are unrolled.
        let meet: usize = self.axes.iter().map(|axis| axis.kernel.div_ceil(axis.stride)).product();
        let results: usize = self.axes.iter().map(|axis| axis.extent).product();
        let results = self.images * self.groups * self.channels * results;
        meet <= MOST && self.elements() <= SCRATCH.max(TIMES * results)
    }

    fn elements(&self) -> usize {
        let axes: usize = self.axes.iter().map(|axis| axis.pixels * axis.kernel).product();
        self.images * self.groups * self.channels * axes
    }

    /// The elements of the kernel and the channels in the order in which they lie.
    pub fn order(&self) -> Vec<usize> {
        let spatial = 2..2 + self.axes.len();
        match self.lanes {
            Lanes::Places => [1].into_iter().chain(spatial).collect(),
            Lanes::Channels => spatial.chain([1]).collect(),
        }
    }

    /// Distances in the products: from image to image, from group to group, from channel to channel; from pixel to
    /// pixel and from element to element along each axis.
    fn distances(&self) -> ([i64; 3], Vec<[i64; 2]>) {
        // From the innermost axis outwards: what `Lanes` says, read backwards.
        let mut elements = 1;
        let mut next = |extent: usize| {
            let distance = elements as i64;
            elements *= extent;
            distance
        };
        let mut channel = if self.lanes == Lanes::Channels { next(self.channels) } else { 0 };
        let mut axes = vec![[0; 2]; self.axes.len()];
        for (distances, axis) in axes.iter_mut().zip(&self.axes).rev() {
            distances[1] = next(axis.kernel);
        }
        if self.lanes == Lanes::Places {
            channel = next(self.channels);
        }
        let group = next(self.groups);
        for (distances, axis) in axes.iter_mut().zip(&self.axes).rev() {
            distances[0] = next(axis.pixels);
        }
        ([next(self.images), group, channel], axes)
    }

    /// Where the results of a contraction are kept, each of whose coordinates is one of its axes, outermost first.
    pub fn products(contraction: &Contraction) -> Partials {
        let extent = |coordinate: &Coordinate| contraction.axes[coordinate.terms[0].0].extent;
        let extents: Vec<usize> = contraction.output.iter().map(extent).collect();
        let preferred = PreferredLayout { order: (0..extents.len()).collect(), halo: Halo::default() };
        Partials::new(Shape::new(&extents), &preferred, 1)
    }

    /// Estimated cycles, of keeping the products, too.
    pub fn cycles(&self, target: &Target) -> f64 {
        let lanes = target.lanes;
        let whole = |axis: &Overlap| axis.extent as f64;
        let along_lanes = |axis: &Overlap| -> f64 {
            axis.blocks().iter().map(|block| (block.q.1 * (block.r.1 - block.r.0).div_ceil(lanes)) as f64).sum()
        };
        let last = self.axes.len() - 1;
        // Vectors of sums of one image and group, and the axis of the results along which their lanes are.
        let (vectors, across) = match self.lanes {
            Lanes::Places => {
                let outer: f64 = self.axes[..last].iter().map(whole).product();
                (self.channels as f64 * outer * along_lanes(&self.axes[last]), 2 + last)
            }
            Lanes::Channels => (self.channels.div_ceil(lanes) as f64 * self.axes.iter().map(whole).product::<f64>(), 1),
        };
        let single = self.groups * self.channels == 1;
        // Lanes that are no neighbours in the results are stored one by one. With one channel in all, places are
        // neighbours in either order.
        let store = if across == self.fast || single { 0.0 } else { SCATTERED_STORE * lanes as f64 };
        let meet: f64 = self.axes.iter().map(|axis| axis.kernel as f64 / axis.stride as f64).product();
        let near = holds(target.l2_bytes, STAYING, self.elements());
        let products = self.elements() as f64 * if near { NEAR } else { FAR };
        (self.images * self.groups) as f64 * vectors * (meet * ADDING + SUM + store) + products + CALL
    }

    /// Writes the kernel; images, groups and channels that are no lanes are the grid.
    pub fn emit(&self, kernel: &mut KernelBuilder, products: BufferId, epilogue: &mut dyn Epilogue) {
        let ([image, group, channel], axes) = self.distances();
        // for image, group, channel                  the grid; a channel only where places are the lanes
        //   for block, q, r of each spatial axis     `nest`, outermost axis first
        //     for vector of places, or of channels
        //       sum over the products that meet      unrolled
        //       epilogue
        let mut at = vec![Index::default(); 2 + self.axes.len()];
        let mut from = Index::default();
        let channels = if self.lanes == Lanes::Places { self.channels } else { 1 };
        let of_group = self.channels as i64;
        for (extent, axis, step, distance) in
            [(self.images, 0, 1, image), (self.groups, 1, of_group, group), (channels, 1, 1, channel)]
        {
            if extent > 1 {
                let variable = kernel.grid(extent);
                at[axis] = at[axis].clone().plus(variable, step);
                from = from.plus(variable, distance);
            }
        }
        Adding { sums: self, axes, products, epilogue }.nest(kernel, 0, &at, &from, &[0]);
    }
}

struct Adding<'a, 'e> {
    sums: &'a OverlapAdd,
    /// Distances from pixel to pixel and from element to element.
    axes: Vec<[i64; 2]>,
    products: BufferId,
    epilogue: &'a mut (dyn Epilogue + 'e),
}

impl Adding<'_, '_> {
    /// The sums from an axis on; `met` are the distances of the products that meet at a place.
    fn nest(&mut self, kernel: &mut KernelBuilder, axis: usize, at: &[Index], from: &Index, met: &[i64]) {
        let sums = self.sums;
        let Some(overlap) = sums.axes.get(axis) else {
            return along(kernel, sums.channels, kernel.lanes(), &mut |kernel, first, active| {
                let mut coordinates = at.to_vec();
                coordinates[1] = coordinates[1].clone().plus_index(&first, 1);
                self.sum(kernel, (coordinates, 1), &from.clone().plus_index(&first, 1), met, active);
            });
        };
        let [pixel, element] = self.axes[axis];
        let stride = overlap.stride as i64;
        let lanes = axis + 1 == sums.axes.len() && sums.lanes == Lanes::Places;
        let step = if lanes { kernel.lanes() } else { 1 };
        for Block { q, r, met: j } in overlap.blocks() {
            // One pixel back and `stride` elements on is the next product that meets here. The distances of all axes
            // add up.
            let met: Vec<i64> = (j.0 as i64..j.1 as i64)
                .flat_map(|j| met.iter().map(move |before| before + j * (stride * element - pixel)))
                .collect();
            along(kernel, q.1, 1, &mut |kernel, number, _| {
                let number = number.shifted(q.0 as i64);
                along(kernel, r.1 - r.0, step, &mut |kernel, residue, active| {
                    let residue = residue.shifted(r.0 as i64);
                    let mut at = at.to_vec();
                    let start = Index::at(-(overlap.padding as i64));
                    at[2 + axis] = start.plus_index(&number, stride).plus_index(&residue, 1);
                    let from = from.clone().plus_index(&number, pixel).plus_index(&residue, element);
                    match lanes {
                        true => self.sum(kernel, (at, 2 + axis), &from, &met, active),
                        false => self.nest(kernel, axis + 1, &at, &from, &met),
                    }
                });
            });
        }
    }

    /// One vector of sums.
    fn sum(
        &mut self,
        kernel: &mut KernelBuilder,
        (coordinates, lanes): (Vec<Index>, usize),
        from: &Index,
        met: &[i64],
        active: usize,
    ) {
        let mut sum: Option<Value> = None;
        for &distance in met {
            let (buffer, index) = (self.products, from.clone().shifted(distance));
            let product = kernel.push(Operation::Load { buffer, index, stride: 1, active });
            sum = Some(sum.map_or(product, |sum| kernel.add(sum, product)));
        }
        // No window touches the place: the end of an input that the stride leaves over.
        let sum = sum.unwrap_or_else(|| kernel.f32(0.0));
        self.epilogue.take(kernel, &Place { coordinates, lanes: Some(lanes), active }, sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The blocks hold every place once, with the pixels and elements that meet there by the definition.
    #[test]
    fn blocks_hold_every_place_once() {
        for stride in 1..5usize {
            for (kernel, padding, pixels, more) in
                [(1, 0, 3, 0), (2, 1, 4, 0), (3, 1, 5, 1), (4, 1, 3, 0), (7, 2, 1, 3), (5, 0, 2, 1), (4, 3, 6, 2)]
            {
                let Some(extent) = (stride * (pixels - 1) + kernel + more).checked_sub(2 * padding) else { continue };
                let overlap = Overlap { extent, padding, stride, kernel, pixels };
                let mut seen = vec![0; extent];
                for Block { q, r, met } in overlap.blocks() {
                    for (q, r) in (q.0..q.0 + q.1).flat_map(|q| (r.0..r.1).map(move |r| (q, r))) {
                        let place = stride * q + r - padding;
                        seen[place] += 1;
                        let found: Vec<(usize, usize)> = (met.0..met.1).map(|j| (q - j, r + stride * j)).collect();
                        let meets = |o: usize| (place + padding).checked_sub(stride * o).filter(|&k| k < kernel);
                        let right: Vec<(usize, usize)> =
                            (0..pixels).rev().filter_map(|o| Some((o, meets(o)?))).collect();
                        assert_eq!(found, right, "{overlap:?}: place {place}");
                    }
                }
                assert!(seen.iter().all(|&count| count == 1), "{overlap:?}: {seen:?}");
            }
        }
    }
}
