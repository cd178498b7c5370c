//! Copies tensors between layouts: between what users give and see, which is row-major, and what plans want. It knows
//! places alone.

use kiln_graph::Shape;

use crate::plan::Layout;

/// Places of the axes that are contiguous in the source and in the copy that are copied together: a cache line of each.
const LINE: usize = 16;

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
    let mut copying = Copying { from, to, outer: &merged };
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
        let mut at = vec![0; self.outer.len()];
        let (mut from, mut to) = (from, to);
        loop {
            for number in 0..lines.extent {
                self.line(from + number * lines.from, to + number * lines.to, line);
            }
            let mut axis = self.outer.len();
            loop {
                let Some(next) = axis.checked_sub(1) else { return };
                axis = next;
                let Axis { extent, from: step, to: step_to } = self.outer[axis];
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

    fn line(&mut self, from: usize, to: usize, line: &Axis) {
        if line.from == 1 && line.to == 1 {
            self.to[to..to + line.extent].copy_from_slice(&self.from[from..from + line.extent]);
            return;
        }
        let (mut from, mut to) = (from, to);
        for _ in 0..line.extent {
            self.to[to] = self.from[from];
            (from, to) = (from + line.from, to + line.to);
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
        let shapes: &[&[usize]] =
            &[&[], &[7], &[0, 3], &[5, 40], &[33, 17], &[20, 18, 3, 3], &[2, 1, 35, 4], &[6, 5, 4, 3, 2]];
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
