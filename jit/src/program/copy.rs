//! Copies tensors between layouts: between what users give and see, which is row-major, and what plans want. It knows
//! layouts alone. Its innermost loops count: in a debug build of a user's crate, each step of an iterator is several
//! calls, and a model's parameters have millions of elements.

use kiln_graph::Shape;

use crate::cost::params::user_copies::{ACROSS, RUN};
use crate::layout::Layout;
// Places of the axes that are contiguous in the source and in the copy are copied together, a line of each.
use crate::target::LINE;

/// How one tensor lies in two buffers.
struct Axis {
    extent: usize,
    from: usize,
    to: usize,
}

/// Copies a tensor.
///
/// # Panics
/// If a layout does not hold the shape, or a buffer is shorter than its layout, or if a stride is negative.
pub(super) fn copy<T: Copy>(shape: Shape, from: (&[T], &Layout), to: (&mut [T], &Layout)) {
    let ((from, from_layout), (to, to_layout)) = (from, to);
    let stride = |layout: &Layout, axis: usize| usize::try_from(layout.strides[axis]).expect("a stride of a tensor");
    let axis =
        |axis: usize| Axis { extent: shape.dim(axis), from: stride(from_layout, axis), to: stride(to_layout, axis) };
    if shape.elements() == 0 {
        return;
    }
    let mut axes: Vec<Axis> = (0..shape.rank()).map(axis).filter(|axis| axis.extent > 1).collect();
    axes.sort_by_key(|axis| std::cmp::Reverse(axis.from));
    // Axes that are one axis in both.
    let mut merged: Vec<Axis> = Vec::new();
    for axis in axes {
        match merged.last_mut() {
            Some(outer) if outer.from == axis.extent * axis.from && outer.to == axis.extent * axis.to => {
                *outer = Axis { extent: outer.extent * axis.extent, ..axis };
            }
            _ => merged.push(axis),
        }
    }
    let line = |axis: Option<Axis>| axis.unwrap_or(Axis { extent: 1, from: 0, to: 0 });
    let reading = merged.pop();
    let writing = (0..merged.len()).min_by_key(|&axis| merged[axis].to);
    let writing = writing.filter(|&axis| reading.as_ref().is_some_and(|reading| merged[axis].to < reading.to));
    let (writing, reading) = (line(writing.map(|axis| merged.remove(axis))), line(reading));
    // The next axis of the source, where it and the reading one are one run there, across runs of the copy.
    let dense = |axis: &mut Axis| axis.from == reading.extent && reading.extent <= RUN;
    let runs = if reading.from == 1 && writing.to == 1 && writing.extent > 1 { merged.pop_if(dense) } else { None };
    let mut copying = Copying { from, to, outer: &merged };
    if let Some(runs) = runs {
        return copying.runs(from_layout.offset, to_layout.offset, [&writing, &runs, &reading]);
    }
    if writing.extent == 1 && reading.from == 1 && reading.to == 1 {
        return copying.lines(from_layout.offset, to_layout.offset, &writing, &reading);
    }
    for first in (0..writing.extent).step_by(LINE) {
        let outside = Axis { extent: LINE.min(writing.extent - first), ..writing };
        for second in (0..reading.extent).step_by(LINE) {
            let inside = Axis { extent: LINE.min(reading.extent - second), ..reading };
            let from = from_layout.offset + first * outside.from + second * inside.from;
            let to = to_layout.offset + first * outside.to + second * inside.to;
            copying.lines(from, to, &inside, &outside);
        }
    }
}

struct Copying<'a, T> {
    from: &'a [T],
    to: &'a mut [T],
    /// The axes around the lines, outermost first.
    outer: &'a [Axis],
}

impl<T: Copy> Copying<'_, T> {
    /// Copies a box of two axes at every place of the outer ones.
    fn lines(&mut self, from: usize, to: usize, lines: &Axis, line: &Axis) {
        places(self.outer, |outer_from, outer_to| {
            for number in 0..lines.extent {
                self.line(from + outer_from + number * lines.from, to + outer_to + number * lines.to, line);
            }
        });
    }

    /// Copies a box of three axes at every place of the outer ones: neighbours along the first one are neighbours in the copy,
    /// the others are one run of the source.
    fn runs(&mut self, from: usize, to: usize, [across, runs, run]: [&Axis; 3]) {
        let most = (RUN / run.extent).min(runs.extent);
        let mut turned = vec![[self.from[from]; ACROSS]; most * run.extent];
        places(self.outer, |outer_from, outer_to| {
            for first in (0..across.extent).step_by(ACROSS) {
                let width = ACROSS.min(across.extent - first);
                for second in (0..runs.extent).step_by(most) {
                    let count = most.min(runs.extent - second);
                    let from = from + outer_from + first * across.from + second * runs.from;
                    let to = to + outer_to + first + second * runs.to;
                    for number in 0..width {
                        let part = &self.from[from + number * across.from..][..count * run.extent];
                        spread(part, &mut turned, number);
                    }
                    for (place, line) in turned.iter().enumerate().take(count * run.extent) {
                        let start = to + place / run.extent * runs.to + place % run.extent * run.to;
                        self.to[start..start + width].copy_from_slice(&line[..width]);
                    }
                }
            }
        });
    }

    fn line(&mut self, from: usize, to: usize, line: &Axis) {
        if line.from == 1 && line.to == 1 {
            self.to[to..to + line.extent].copy_from_slice(&self.from[from..from + line.extent]);
            return;
        }
        let (source, copy) = (&self.from[from..], &mut self.to[to..]);
        let (mut from, mut to, mut number) = (0, 0, 0);
        while number < line.extent {
            copy[to] = source[from];
            from += line.from;
            to += line.to;
            number += 1;
        }
    }
}

/// Puts each of some values at the same place of a line of its own.
fn spread<T: Copy>(values: &[T], lines: &mut [[T; ACROSS]], place: usize) {
    let (mut values, mut lines) = (values, lines);
    // Patterns take slices apart without a call, several values at a time.
    loop {
        match (values, lines) {
            ([a, b, c, d, e, f, g, h, values_behind @ ..], [l, m, n, o, p, q, r, s, lines_behind @ ..]) => {
                (l[place], m[place], n[place], o[place]) = (*a, *b, *c, *d);
                (p[place], q[place], r[place], s[place]) = (*e, *f, *g, *h);
                (values, lines) = (values_behind, lines_behind);
            }
            ([value, values_behind @ ..], [line, lines_behind @ ..]) => {
                line[place] = *value;
                (values, lines) = (values_behind, lines_behind);
            }
            _ => return,
        }
    }
}

/// How far each place of some axes, the outermost first, is from their first one: in the source and in the copy.
fn places(axes: &[Axis], mut each: impl FnMut(usize, usize)) {
    let mut at = vec![0; axes.len()];
    let (mut from, mut to) = (0, 0);
    loop {
        each(from, to);
        let mut axis = axes.len();
        loop {
            let Some(next) = axis.checked_sub(1) else { return };
            axis = next;
            let Axis { extent, from: step, to: step_to } = axes[axis];
            at[axis] += 1;
            (from, to) = (from + step, to + step_to);
            if at[axis] < extent {
                break;
            }
            at[axis] = 0;
            (from, to) = (from - extent * step, to - extent * step_to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layout with its axes in an order, with places left over behind each axis, at an offset.
    fn layout(shape: Shape, order: &[usize], rest: usize) -> Layout {
        let mut layout = Layout { offset: 3 * rest, strides: [0; 8], elements: 1 };
        for &axis in order.iter().rev() {
            layout.strides[axis] = layout.elements as i64;
            layout.elements *= shape.dim(axis) + rest;
        }
        layout.elements += 3 * rest;
        layout
    }

    fn place(shape: Shape, layout: &Layout, number: usize) -> usize {
        let mut rest = number;
        (0..shape.rank()).rev().fold(layout.offset, |place, axis| {
            let at = rest % shape.dim(axis);
            rest /= shape.dim(axis);
            place + at * layout.strides[axis] as usize
        })
    }

    #[test]
    fn every_element_arrives_at_its_place_and_nothing_else_changes() {
        let shapes: &[&[usize]] = &[
            &[],
            &[7],
            &[0, 3],
            &[5, 40],
            &[33, 17],
            &[20, 18, 3, 3],
            &[70, 40, 3, 3],
            &[3, 30, 9],
            &[2, 1, 35, 4],
            &[6, 5, 4, 3, 2],
        ];
        for extents in shapes {
            let shape = Shape::new(extents);
            let ahead: Vec<usize> = (0..shape.rank()).collect();
            let reversed: Vec<usize> = ahead.iter().rev().copied().collect();
            let rotated: Vec<usize> = ahead.iter().map(|axis| (axis + 1) % shape.rank()).collect();
            let orders = [ahead, reversed, rotated];
            for (a, b) in orders.iter().flat_map(|a| orders.iter().map(move |b| (a, b))) {
                for rests in [[0, 0], [2, 0], [0, 1], [1, 3]] {
                    let [from, to] = [layout(shape, a, rests[0]), layout(shape, b, rests[1])];
                    let source: Vec<u32> = (0..from.elements as u32).collect();
                    let mut expected = vec![u32::MAX; to.elements];
                    (0..shape.elements()).for_each(|n| expected[place(shape, &to, n)] = source[place(shape, &from, n)]);
                    let mut found = vec![u32::MAX; to.elements];
                    copy(shape, (&source, &from), (&mut found, &to));
                    assert_eq!(found, expected, "{shape} from {from:?} to {to:?}");
                }
            }
        }
    }
}
