//! Rows of sequences that a loop goes through. Where these are larger than the second-level cache, the largest product
//! of a step asks for the rows that the kernels behind it will touch: they do little with each element and would wait,
//! while nothing comes from afar as long as products are computed. It knows calls and the rows that they touch, and not
//! what they compute.

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
    let Some((product, flops)) =
        calls.iter().map(|call| call.lowered.flops).enumerate().max_by_key(|&(_, flops)| flops)
    else {
        return;
    };
    let bytes = |row: &Row| row.shape.elements() * row.element.bytes();
    // Sequences that the second-level cache holds are there; so few lanes were not measured.
    if target.lanes < DEEP_LANES || rows.iter().map(bytes).sum::<usize>() * iterations <= target.l2_bytes {
        return;
    }
    let of_product = &calls[product].lowered;
    let written: Vec<Storage> = (of_product.arguments.iter().zip(&of_product.kernel.buffers))
        .filter(|(_, buffer)| buffer.access != Access::Read)
        .map(|(&storage, _)| storage)
        .collect();
    let cycles = |operations: u64| operations as f64 / (target.lanes * target.multiply_adds) as f64;
    // The rows of each call that touches them first, with how many calls it is until then.
    let mut wanted: Vec<(usize, Vec<(&Row, Lines)>)> = Vec::new();
    for row in rows.iter().filter(|row| !written.contains(&row.storage)) {
        let touches = |call: &Draft| {
            let mut arguments = call.lowered.arguments.iter().zip(&call.moves);
            arguments.any(|(&storage, &by)| (storage, by) == (row.storage, row.by))
        };
        let Some(first) = calls.iter().position(touches) else { continue };
        // What comes before the product, or is its own, is that of the next step.
        let (wait, by) = if first > product { (first, 0) } else { (first + calls.len(), row.by.step) };
        let Some(lines) = lines(row, by) else { continue };
        match wanted.iter_mut().find(|(other, _)| *other == wait) {
            Some((_, of_call)) => of_call.push((row, lines)),
            None => wanted.push((wait, vec![(row, lines)])),
        }
    }
    wanted.sort_by_key(|&(wait, _)| wait);
    // As many lines as come while the products are computed, those first that are needed first.
    let mut room = cycles(flops / 2) / FAR_LINE;
    let mut asked: Vec<(&Row, Lines)> = Vec::new();
    for (wait, of_call) in wanted {
        let call = wait % calls.len();
        let computes = cycles(calls[call].lowered.weight) / FAR_LINE;
        let count = |lines: &Lines| (lines.runs.0 * lines.lines) as f64;
        // Who computes for longer than its lines take to come waits for none.
        if call == product || computes < of_call.iter().map(|(_, lines)| count(lines)).sum() {
            asked.extend(of_call.into_iter().take_while(|(_, lines)| {
                room -= count(lines);
                room >= 0.0
            }));
        }
    }
    let pieces: Vec<Lines> = asked.iter().map(|&(_, lines)| lines).collect();
    let Draft { lowered, moves, .. } = &mut calls[product];
    if let Some(kernel) = lowered.kernel.asking(&pieces).filter(|_| !pieces.is_empty()) {
        lowered.kernel = kernel.into();
        lowered.arguments.extend(asked.iter().map(|(row, _)| row.storage));
        moves.extend(asked.iter().map(|(row, _)| row.by));
    }
}

/// The lines of a row, so many elements further on: nothing where they are no runs at equal distances.
fn lines(row: &Row, by: i64) -> Option<Lines> {
    let Row { layout, shape, element, .. } = row;
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
    let first = layout.offset as i64 + by;
    Some(Lines {
        element: *element,
        elements: layout.elements,
        first,
        runs,
        lines: run.div_ceil(line),
        line: line as i64,
    })
}
