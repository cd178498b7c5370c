//! Panels: the right operand copied in the order in which the tiles read it, so that a tile's stretch of it is one dense
//! run of memory, whatever the strides of the operand.

use super::choose::{Tiling, steps};
use super::{Axis, Contraction};
use crate::kernel::{BufferId, Index, KernelBuilder, Operation};

/// A copy of the right operand: `[outer axes.., panel, reduced axes.., places of the panel]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Panels {
    /// The axes along which the operand varies, but for the vector axis: those of the panels' order, outermost first.
    axes: Vec<Copied>,
    /// How many of the axes stand outside the panels.
    outer: usize,
    /// The number of places along the vector axis and their distance in the operand.
    width: (usize, i64),
    /// Places of a panel.
    stretch: usize,
    /// Places of the reduced axes.
    depth: usize,
    /// The operand's first place.
    start: i64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Copied {
    extent: usize,
    from: i64,
    to: i64,
}

impl Panels {
    /// The copy for a tiling, and the tiling that reads the copy. `None` where sums are folded, where nothing runs along the
    /// lanes or where the operand's places overlap, so that a copy would be larger than the operand.
    pub fn new(tiling: &Tiling) -> Option<(Panels, Tiling)> {
        let vector = tiling.vector.filter(|_| tiling.fold.is_none())?;
        let contraction = &tiling.contraction;
        let varies = |a: usize| a != vector && contraction.axes[a].right != 0;
        let outer = tiling.levels.iter().map(|l| l.axis).filter(|&a| varies(a));
        let reduced = tiling.reduce.iter().map(|l| l.axis);
        let mut order: Vec<usize> = outer.collect();
        order.dedup();
        let outer = order.len();
        order.extend(reduced.clone().filter(|&a| varies(a)));
        if contraction.axes[vector].right == 0
            || overlaps(contraction)
            || reduced.clone().any(|a| contraction.axes[a].extent > 1 && !varies(a))
        {
            return None;
        }
        let stretch = tiling.levels.iter().find(|l| l.axis == vector)?.size;
        let width = contraction.axes[vector];
        let depth: usize = reduced.map(|a| contraction.axes[a].extent).product();
        let mut packed = tiling.clone();
        let mut axes = Vec::new();
        let mut to = (width.extent.div_ceil(stretch) * stretch * depth) as i64;
        for &axis in order[..outer].iter().rev() {
            axes.push(Copied { extent: contraction.axes[axis].extent, from: contraction.axes[axis].right, to });
            packed.contraction.axes[axis].right = to;
            to *= contraction.axes[axis].extent as i64;
        }
        axes.reverse();
        let mut to = stretch as i64;
        let mut inner = Vec::new();
        for &axis in order[outer..].iter().rev() {
            inner.push(Copied { extent: contraction.axes[axis].extent, from: contraction.axes[axis].right, to });
            packed.contraction.axes[axis].right = to;
            to *= contraction.axes[axis].extent as i64;
        }
        axes.extend(inner.into_iter().rev());
        packed.contraction.axes[vector].right = 1;
        packed.contraction.right = 0;
        packed.panels = Some(depth as i64);
        let width = (width.extent, width.right);
        Some((Panels { axes, outer, width, stretch, depth, start: contraction.right }, packed))
    }

    /// The length of the copy.
    pub fn elements(&self) -> usize {
        let outer: usize = self.axes[..self.outer].iter().map(|a| a.extent).product();
        outer * self.width.0.div_ceil(self.stretch) * self.stretch * self.depth
    }

    /// Estimated cycles.
    pub fn cycles(&self) -> f64 {
        self.elements() as f64 * if self.width.1 == 1 { 0.5 } else { 2.0 }
    }

    /// Writes the copy; the outer axes are the grid, and the panels, where they are equal.
    pub fn emit(&self, kernel: &mut KernelBuilder, from: BufferId, to: BufferId) {
        let mut at = (Index::at(self.start), Index::default());
        let (outer, inner) = self.axes.split_at(self.outer);
        for axis in outer {
            let variable = kernel.grid(axis.extent);
            at = (at.0.plus(variable, axis.from), at.1.plus(variable, axis.to));
        }
        let (from_step, to_step) = (self.stretch as i64 * self.width.1, (self.stretch * self.depth) as i64);
        let grid = self.width.0.is_multiple_of(self.stretch);
        for steps in steps(self.width.0, self.stretch) {
            let start = (steps.start / self.stretch) as i64;
            let at = (at.0.clone().shifted(start * from_step), at.1.clone().shifted(start * to_step));
            let panel = |kernel: &mut KernelBuilder, variable| {
                let at = (at.0.clone().plus(variable, from_step), at.1.clone().plus(variable, to_step));
                self.panel(kernel, inner, at, steps.size, [from, to]);
            };
            if grid {
                let variable = kernel.grid(steps.count);
                panel(kernel, variable);
            } else {
                kernel.for_each(steps.count, &[], |kernel, variable, _| {
                    panel(kernel, variable);
                    Vec::new()
                });
            }
        }
    }

    fn panel(
        &self,
        kernel: &mut KernelBuilder,
        axes: &[Copied],
        at: (Index, Index),
        size: usize,
        buffers: [BufferId; 2],
    ) {
        if let Some((axis, inner)) = axes.split_first() {
            kernel.for_each(axis.extent, &[], |kernel, variable, _| {
                let at = (at.0.clone().plus(variable, axis.from), at.1.clone().plus(variable, axis.to));
                self.panel(kernel, inner, at, size, buffers);
                Vec::new()
            });
            return;
        }
        let lanes = kernel.lanes();
        for first in (0..size).step_by(lanes) {
            let active = lanes.min(size - first);
            let index = at.0.clone().shifted(first as i64 * self.width.1);
            let load = Operation::Load { buffer: buffers[0], index, stride: self.width.1, active };
            let value = kernel.push(load);
            kernel.store(buffers[1], at.1.clone().shifted(first as i64), 1, active, value);
        }
    }
}

/// Whether different places of the axes are one place of the right operand.
fn overlaps(contraction: &Contraction) -> bool {
    let mut axes: Vec<&Axis> = contraction.axes.iter().filter(|a| a.right != 0 && a.extent > 1).collect();
    axes.sort_by_key(|a| a.right.abs());
    let mut span = 1;
    for axis in axes {
        if axis.right.abs() < span {
            return true;
        }
        span = axis.right.abs() * axis.extent as i64;
    }
    false
}
