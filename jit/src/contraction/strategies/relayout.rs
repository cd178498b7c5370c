//! Copies a tensor into the layout that a contraction prefers: another order of axes, zero halo.
//! It knows layouts and what copies cost; it knows no tilings.

use kiln_graph::shape::Shape;

use super::emit::{fill, transposed};
use crate::contraction::problem::Operand;
use crate::contraction::text::record;
use crate::cost::copies::{self, Moves};
use crate::cost::params::relayout::LINE;
use crate::cost::params::sharing::SHARED;
use crate::cost::sharing::worth_sharing;
use crate::kernel::{BufferId, Index, KernelBuilder, Operation};
use crate::layout::{Layout, PreferredLayout};
use crate::target::Target;

/// A copy between layouts.
#[derive(Clone, Debug, PartialEq)]
pub struct Relayout {
    shape: Shape,
    from: Layout,
    to: Layout,
    order: Vec<usize>,
    halo: bool,
    /// Whether the axis that tasks share, or one around it, has a halo of its own.
    outer_halo: bool,
}

record!(Relayout { shape, from, to, order, halo, outer_halo });

impl Relayout {
    /// The copy of an operand to a dense buffer with a halo.
    pub fn new(from: &Operand, preferred: &PreferredLayout) -> Relayout {
        let mut relayout = Relayout {
            shape: from.shape,
            from: from.layout,
            to: preferred.layout(from.shape),
            order: preferred.order.clone(),
            halo: preferred.halo != Default::default(),
            outer_halo: false,
        };
        let around = &preferred.order[..=relayout.shared()];
        relayout.outer_halo = around.iter().any(|&axis| preferred.halo.low[axis] + preferred.halo.high[axis] > 0);
        relayout
    }

    /// Where in the order the axis stands that tasks share: the outermost one of several places.
    fn shared(&self) -> usize {
        self.order.iter().position(|&axis| self.shape.dim(axis) > 1).unwrap_or(0)
    }

    /// Whether the zeros around the axis that tasks share are written by a stage of their own, [`Relayout::emit_halo`].
    /// They would be nobody's, so that otherwise all is one task, as is little work anyway.
    pub fn halo_apart(&self) -> bool {
        self.outer_halo && worth_sharing(SHARED, 0, 8 * self.to.elements as u64)
    }

    /// The length of the buffer that is written.
    pub fn elements(&self) -> usize {
        self.to.elements
    }

    /// Estimated cycles.
    pub fn cycles(&self, target: &Target) -> f64 {
        // Source and copy run along the same axis, each along one of its own, or the source along none.
        let moves = match self.from.strides[self.fast()] {
            1 => Moves::Vectors,
            _ if self.line().is_some() => Moves::Squares,
            _ => Moves::Elements,
        };
        copies::relayout(self.to.elements, moves, target)
    }

    /// The axis along which the copy runs: the innermost one of several places, if nothing lies around those of one.
    fn fast(&self) -> usize {
        let several = self.order.iter().rposition(|&axis| self.shape.dim(axis) > 1);
        self.order[several.filter(|_| !self.halo).unwrap_or(self.order.len() - 1)]
    }

    /// The axis along which the source runs, where it is another one.
    fn line(&self) -> Option<usize> {
        let fast = self.fast();
        let runs = |a: &usize| *a != fast && self.from.strides[*a] == 1 && self.shape.dim(*a) > 1;
        self.order.iter().copied().find(runs).filter(|_| self.from.strides[fast] != 1)
    }

    /// The zeros around each axis of the copy, as its layout tells: that is dense, halo included.
    fn frame(&self) -> Vec<Ends> {
        let mut frame = vec![[0; 2]; self.shape.rank()];
        if !self.halo || self.to.elements == 0 {
            return frame;
        }
        let (mut offset, mut elements) = (self.to.offset, self.to.elements);
        for &axis in &self.order {
            // Before the first element stand the low zeros of this axis, and less than a step of those of inner axes.
            let step = self.to.strides[axis] as usize;
            let low = offset / step;
            frame[axis] = [low, elements / step - low - self.shape.dim(axis)];
            (offset, elements) = (offset % step, step);
        }
        frame
    }

    /// The loops around the axis along which the copy runs, with their extents.
    fn loops(&self) -> Vec<(usize, usize)> {
        let fast = self.fast();
        let outer = self.order.iter().filter(|&&axis| axis != fast);
        outer.map(|&axis| (axis, self.shape.dim(axis))).collect()
    }

    fn nest(&self, from: BufferId, to: BufferId) -> Nest<'_> {
        Nest { pack: self, frame: self.frame(), from, to, at: vec![Index::default(); self.shape.rank()] }
    }

    /// Writes the zeros around the axis that tasks share and those around it, where these stand apart.
    pub fn emit_halo(&self, kernel: &mut KernelBuilder, to: BufferId) {
        self.nest(to, to).around(kernel, &self.loops(), self.shared() + 1);
    }

    /// Writes the copy, and the zeros around it that do not stand apart: the outermost axis of several places is the
    /// grid, where nobody else has to write zeros. Where the source runs along another axis than the copy, squares of
    /// whole cache lines on both sides, transposed in registers.
    pub fn emit(&self, kernel: &mut KernelBuilder, from: BufferId, to: BufferId) {
        let fast = self.fast();
        let line = self.line();
        let mut nest = self.nest(from, to);
        let mut loops = self.loops();
        // A task copies some places of the axis: a slab of the copy, dense, halo of the inner axes included, since no
        // halo lies between slabs.
        let (shared, apart) = (self.shared(), self.halo_apart());
        if let Some((axis, extent)) = loops.get_mut(shared).filter(|_| !self.outer_halo || apart) {
            let step = if line == Some(*axis) { LINE } else { 1 };
            if *extent > step && extent.is_multiple_of(step) {
                let variable = kernel.grid(*extent / step);
                nest.at[*axis] = Index::of(variable, step as i64);
                *extent = step;
            }
        }
        // Zeros around the tensor alone: zeros over the whole slab would pass through the caches twice. Around an axis
        // of one place there is nothing to go along.
        match apart {
            false => nest.around(kernel, &loops, loops.len()),
            true => nest.within(kernel, &loops[shared..]),
        }
        // The line axis leaves the loops around the squares: it is one of their two sides.
        let line = line.and_then(|line| {
            let at = loops.iter().position(|&(axis, _)| axis == line)?;
            Some(loops.remove(at))
        });
        nest.outer(kernel, &loops, line, fast);
    }
}

/// Zeros before and after an axis, in places.
type Ends = [usize; 2];

struct Nest<'a> {
    pack: &'a Relayout,
    frame: Vec<Ends>,
    from: BufferId,
    to: BufferId,
    at: Vec<Index>,
}

impl Nest<'_> {
    /// Zeros before and after the first `count` of some axes, in runs.
    fn around(&mut self, kernel: &mut KernelBuilder, loops: &[(usize, usize)], count: usize) {
        // for places of the axes around     zeros: low | the axis, whatever is within it | high
        let Some((&(axis, extent), inner)) = loops.split_first().filter(|_| count > 0) else { return };
        let step = self.pack.to.strides[axis];
        let [low, high] = self.frame[axis].map(|places| places * step as usize);
        let within = |axis: usize| self.frame[axis][0] as i64 * self.pack.to.strides[axis];
        let before: i64 = inner.iter().map(|&(axis, _)| within(axis)).sum::<i64>() + within(self.pack.fast());
        let first = self.places().1.shifted(-before);
        fill(kernel, self.to, first.clone().shifted(-(low as i64)), low);
        fill(kernel, self.to, first.shifted(extent as i64 * step), high);
        if inner.iter().take(count - 1).any(|&(axis, _)| self.frame[axis] != [0; 2]) {
            self.along(kernel, axis, extent, 1, |nest, kernel, _| nest.around(kernel, inner, count - 1));
        }
    }

    /// Zeros before and after the axes within the first of some, at each of its places.
    fn within(&mut self, kernel: &mut KernelBuilder, loops: &[(usize, usize)]) {
        let Some((&(axis, extent), inner)) = loops.split_first() else { return };
        if inner.iter().any(|&(axis, _)| self.frame[axis] != [0; 2]) {
            self.along(kernel, axis, extent, 1, |nest, kernel, _| nest.around(kernel, inner, inner.len()));
        }
    }

    /// Zeros before and after the places of the innermost axis.
    fn ends(&self, kernel: &mut KernelBuilder, fast: usize) {
        let [low, high] = self.frame[fast];
        let first = self.places().1;
        fill(kernel, self.to, first.clone().shifted(-(low as i64)), low);
        fill(kernel, self.to, first.shifted(self.pack.shape.dim(fast) as i64), high);
    }

    /// Loops over axes with their extents, then over the line axis, then copies.
    fn outer(
        &mut self,
        kernel: &mut KernelBuilder,
        loops: &[(usize, usize)],
        line: Option<(usize, usize)>,
        fast: usize,
    ) {
        match (loops.split_first(), line) {
            (Some((&(axis, extent), inner)), _) => {
                self.along(kernel, axis, extent, 1, |nest, kernel, _| nest.outer(kernel, inner, line, fast));
            }
            (None, Some((line, extent))) => {
                if self.frame[fast] != [0; 2] {
                    self.along(kernel, line, extent, 1, |nest, kernel, _| nest.ends(kernel, fast));
                }
                self.along(kernel, line, extent, LINE, |nest, kernel, height| {
                    let extent = nest.pack.shape.dim(fast);
                    nest.along(kernel, fast, extent, LINE, |nest, kernel, width| {
                        nest.square(kernel, (line, height), (fast, width));
                    });
                });
            }
            (None, None) => {
                self.ends(kernel, fast);
                self.strips(kernel, fast, |nest, kernel, active| nest.copy(kernel, fast, active));
            }
        }
    }

    fn strips(
        &mut self,
        kernel: &mut KernelBuilder,
        fast: usize,
        mut body: impl FnMut(&mut Self, &mut KernelBuilder, usize),
    ) {
        let lanes = kernel.lanes();
        self.along(kernel, fast, self.pack.shape.dim(fast), lanes, |nest, kernel, active| body(nest, kernel, active));
    }

    /// Runs the body at each step of `size` places along an axis, `count` in all; it gets the places of its step.
    fn along(
        &mut self,
        kernel: &mut KernelBuilder,
        axis: usize,
        count: usize,
        size: usize,
        mut body: impl FnMut(&mut Self, &mut KernelBuilder, usize),
    ) {
        // The index may have a start already: that of the task, on the outermost axis.
        let start = self.at[axis].clone();
        let (full, rest) = (count / size, count % size);
        if full == 1 {
            body(self, kernel, size);
        } else if full > 1 {
            kernel.for_each(full, &[], |kernel, variable, _| {
                self.at[axis] = start.clone().plus(variable, size as i64);
                body(self, kernel, size);
                Vec::new()
            });
        }
        if rest > 0 {
            self.at[axis] = start.clone().shifted((full * size) as i64);
            body(self, kernel, rest);
        }
        self.at[axis] = start;
    }

    /// Some places along the source's contiguous axis by some along the copy's. Lines of the copy are written whole.
    fn square(&mut self, kernel: &mut KernelBuilder, (line, height): (usize, usize), (fast, width): (usize, usize)) {
        let (from, to) = self.places();
        let (apart, step) = (self.pack.from.strides[fast], self.pack.to.strides[line]);
        for down in (0..height).step_by(kernel.lanes()) {
            for across in (0..width).step_by(kernel.lanes()) {
                let from = from.clone().shifted(across as i64 * apart + down as i64);
                let rows = [width - across, height - down].map(|rest| rest.min(kernel.lanes()));
                let columns = transposed(kernel, self.from, &from, apart, rows);
                for (number, value) in columns.into_iter().enumerate() {
                    let to = to.clone().shifted(across as i64 + (down + number) as i64 * step);
                    kernel.store(self.to, to, 1, rows[0], value);
                }
            }
        }
    }

    /// In the source and in the copy.
    fn places(&self) -> (Index, Index) {
        let index = |layout: &Layout| {
            let start = Index::at(layout.offset as i64);
            self.at.iter().zip(layout.strides).fold(start, |index, (at, stride)| index.plus_index(at, stride))
        };
        (index(&self.pack.from), index(&self.pack.to))
    }

    fn copy(&mut self, kernel: &mut KernelBuilder, fast: usize, active: usize) {
        let (from, to) = self.places();
        let value = match self.pack.from.strides[fast] {
            0 => kernel.splat(self.from, from),
            stride => kernel.push(Operation::Load { buffer: self.from, index: from, stride, active }),
        };
        kernel.store(self.to, to, 1, active, value);
    }
}
