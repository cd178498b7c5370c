//! Rows of sequences that a loop goes through. Where these are larger than the second-level cache, the largest product
//! of a step asks for the rows that the kernels behind it will touch: they do little with each element and would wait,
//! while nothing comes from afar as long as products are computed. It knows of a call how much it computes and which
//! rows it touches, and no operations.

use std::collections::BTreeMap;
use std::sync::Arc;

use kiln_graph::Shape;

use super::data::Move;
use super::drafts::Draft;
use crate::cost::params::stalls::{DEEP_LANES, FAR_LINE};
use crate::kernel::{Access, Element, Lines};
use crate::layout::Layout;
use crate::lower::expression::Storage;
use crate::target::{LINE_BYTES, Target};

/// A row of a sequence.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The memory of the sequence.
    pub storage: Storage,
    /// Where the row lies in each step.
    pub by: Move,
    /// How its elements lie there.
    pub layout: Layout,
    /// Its shape.
    pub shape: Shape,
    /// What it holds.
    pub element: Element,
}

/// Lets the largest product among the calls of a loop of so many iterations ask for rows.
pub fn ask(calls: &mut [Draft], rows: &[Row], iterations: usize, target: &Target) {
    // So few lanes were not measured.
    if target.lanes < DEEP_LANES {
        return;
    }
    let products = calls.iter().map(|call| call.lowered.products).enumerate();
    let Some((product, flops)) = products.filter(|&(_, flops)| flops > 0).max_by_key(|&(_, flops)| flops) else {
        return;
    };
    let mut distinct: Vec<&Row> = Vec::new();
    for row in rows {
        if !distinct.iter().any(|other| (other.storage, other.by) == (row.storage, row.by)) {
            distinct.push(row);
        }
    }
    // Sequences that the second-level cache holds are there.
    let bytes = distinct.iter().map(|row| row.shape.elements() * row.element.bytes()).sum::<usize>();
    if bytes * iterations <= target.l2_bytes {
        return;
    }
    let of_product = &calls[product].lowered;
    let written: Vec<Storage> = (of_product.arguments.iter().zip(&of_product.kernel.buffers))
        .filter(|(_, buffer)| buffer.access != Access::Read)
        .map(|(&storage, _)| storage)
        .collect();
    // The rows of each call that touches them first: of those that come behind the product in this step, then of the
    // others, and of the product itself, in the next one.
    let mut wanted: BTreeMap<(bool, usize), Vec<(&Row, Lines)>> = BTreeMap::new();
    for row in distinct.into_iter().filter(|row| !written.contains(&row.storage)) {
        let touches = |call: &Draft| {
            let mut arguments = call.lowered.arguments.iter().zip(&call.moves);
            arguments.any(|(&storage, &by)| (storage, by) == (row.storage, row.by))
        };
        let Some(first) = calls.iter().position(touches) else { continue };
        let in_next = first <= product;
        if let Some(lines) = lines(row, in_next) {
            wanted.entry((in_next, first)).or_default().push((row, lines));
        }
    }
    let cycles = |operations: u64| operations as f64 / (target.lanes * target.multiply_adds) as f64;
    let count = |lines: &Lines| (lines.runs.0 * lines.lines) as f64;
    // As many lines as come while the products are computed, those first that are needed first.
    let mut room = cycles(flops / 2) / FAR_LINE;
    let mut asked: Vec<(Storage, Move, Lines)> = Vec::new();
    'calls: for ((_, call), rows) in wanted {
        // Who computes for longer than its lines take to come waits for none.
        let computes = cycles(calls[call].lowered.weight) / FAR_LINE;
        if call != product && computes >= rows.iter().map(|(_, lines)| count(lines)).sum() {
            continue;
        }
        for (row, lines) in rows {
            if count(&lines) > room {
                break 'calls;
            }
            room -= count(&lines);
            asked.push((row.storage, row.by, lines));
        }
    }
    let Draft { lowered, moves, .. } = &mut calls[product];
    for (storage, by, lines) in asked {
        if Arc::make_mut(&mut lowered.kernel).ask(&lines, false) {
            // Both kernels take the same buffers, also where one of them asks for nothing.
            if let Some(kernel) = lowered.in_rows.as_mut().map(Arc::make_mut)
                && !kernel.ask(&lines, true)
            {
                kernel.take(&lines);
            }
            lowered.arguments.push(storage);
            moves.push(by);
        }
    }
}

/// The lines of a row, or of that of the next step: nothing where they are no runs at equal distances.
fn lines(row: &Row, in_next: bool) -> Option<Lines> {
    let Row { by, layout, shape, element, .. } = row;
    let line = LINE_BYTES / element.bytes();
    // Elements that lie side by side, then runs of them.
    let (mut run, mut runs) = (1, (1, 0));
    for axis in layout.order(shape.rank()).into_iter().rev().filter(|&axis| shape.dim(axis) > 1) {
        let (extent, stride) = (shape.dim(axis), layout.strides[axis]);
        match runs {
            _ if stride < 1 => return None,
            (1, _) if stride == run as i64 => run *= extent,
            (1, _) => runs = (extent, stride),
            (count, distance) if stride == distance * count as i64 => runs = (count * extent, distance),
            _ => return None,
        }
    }
    // Between runs so near to one another lies no line that is in neither.
    if runs.0 > 1 && runs.1 < (run + line) as i64 {
        run += (runs.0 - 1) * runs.1 as usize;
        runs = (1, 0);
    }
    let first = layout.offset as i64 + if in_next { by.step } else { 0 };
    let on_lines = [first, by.start as i64, by.step, runs.1].iter().all(|places| places % line as i64 == 0);
    // A run that begins within a line may end in one more.
    let lines = if on_lines { run.div_ceil(line) } else { (run - 1).div_ceil(line) + 1 };
    Some(Lines { element: *element, elements: layout.elements, first, runs, lines, line: line as i64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shape, strides, where the row begins, elements of a line, and the runs, their distance and lines of each.
    type Case = (&'static [usize], &'static [i64], usize, Element, Option<(usize, i64, usize)>);

    const CASES: [Case; 12] = [
        // Dense, of any rank; axes of one element lie anywhere.
        (&[4, 32], &[32, 1], 0, Element::F32, Some((1, 0, 8))),
        (&[2, 3, 16], &[48, 16, 1], 0, Element::F32, Some((1, 0, 6))),
        (&[3, 4], &[1, 3], 0, Element::F32, Some((1, 0, 1))),
        (&[1, 64, 1], &[7, 1, -5], 0, Element::F32, Some((1, 0, 4))),
        (&[4, 32], &[32, 1], 0, Element::Bf16, Some((1, 0, 4))),
        // From within a line.
        (&[4, 32], &[32, 1], 8, Element::F32, Some((1, 0, 9))),
        // Runs, near to one another and not.
        (&[4, 32], &[64, 1], 0, Element::F32, Some((4, 64, 2))),
        (&[4, 32], &[40, 1], 0, Element::F32, Some((1, 0, 10))),
        (&[20], &[3], 0, Element::F32, Some((1, 0, 4))),
        // Runs of runs, at equal distances and not.
        (&[2, 3, 16], &[192, 64, 1], 0, Element::F32, Some((6, 64, 1))),
        (&[2, 3, 16], &[256, 64, 1], 0, Element::F32, None),
        // The other way round.
        (&[4, 32], &[-32, 1], 0, Element::F32, None),
    ];

    #[test]
    fn rows_are_runs_of_lines() {
        for (extents, of, start, element, expected) in CASES {
            let mut layout = Layout { offset: 0, elements: 1024, ..Layout::row_major(Shape::new(extents)) };
            layout.strides[..of.len()].copy_from_slice(of);
            let (storage, by) = (Storage(0), Move { start, step: 64 });
            let row = Row { storage, by, layout, shape: Shape::new(extents), element };
            for (in_next, first) in [(false, 0), (true, 64)] {
                let found = lines(&row, in_next);
                let what = format!("{extents:?} {of:?} from {start}");
                assert!(found.is_none_or(|lines| lines.first == first), "{what}: {found:?}");
                assert_eq!(found.map(|lines| (lines.runs.0, lines.runs.1, lines.lines)), expected, "{what}");
            }
        }
    }
}
