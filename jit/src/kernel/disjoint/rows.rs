//! The proof that parts of a loop are apart: where the last dimension of the grid of each of its kernels cuts rows into
//! as many parts, no part writes in any iteration an element that another part touches in the same or another one. Then
//! each thread may run all iterations for parts of its own, and waits for nobody.
//!
//! It is the proof that tasks are disjoint, of one kernel that is all calls in all iterations: its tasks are the parts,
//! its buffers are pieces of memory that overlap, and the other dimensions of the grids, and the iterations, are loops.

use super::super::{Kernel, Moving};
use super::{Boxes, Moved, Reason, TRIES, Term, Touched, Walk};
use crate::kernel::Variable;

/// What the parts of a kernel touch.
#[derive(Debug)]
pub(crate) struct RowFootprints {
    /// The parts.
    parts: usize,
    /// For each buffer what part 0 touches, and by how much the next part moves that.
    buffers: Vec<Result<Touched, Reason>>,
}

impl RowFootprints {
    /// Those of a kernel that has passed [`Kernel::check`].
    pub fn of(kernel: &Kernel) -> RowFootprints {
        let last = kernel.grid.len().saturating_sub(1);
        let parts = kernel.grid.last().copied().unwrap_or(1);
        let mut walk = Walk::new(kernel);
        walk.block(&kernel.body);
        let grid = [(Variable(last as u32), parts as i64)];
        let buffers = walk.buffers.iter().zip(&kernel.buffers);
        let buffers = buffers.map(|(seen, declared)| walk.touched(seen, declared.elements, &grid)).collect();
        RowFootprints { parts, buffers }
    }
}

/// The number of parts of a loop of such calls, if these are as many in each and proved to be apart: what each call's
/// kernel touches, and where its buffers lie.
pub(crate) fn apart_rows(calls: &[(&RowFootprints, Vec<Moving>)], iterations: usize) -> Option<usize> {
    let parts = calls.first()?.0.parts;
    if parts < 2 || calls.iter().any(|(of, places)| of.parts != parts || of.buffers.len() != places.len()) {
        return None;
    }
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    for (of, places) in calls {
        for (&place, touched) in places.iter().zip(&of.buffers) {
            let (first, last) = place.by.ends(iterations)?;
            let after = |element: usize| place.origin.byte.saturating_add(element.saturating_mul(place.size));
            let (start, end) = (after(first), after(last.saturating_add(place.elements)));
            pieces.push(Piece { start, end, place, touched });
        }
    }
    pieces.sort_by_key(|piece| (piece.place.origin.memory, piece.start, piece.end));
    let mut rest = &pieces[..];
    while let Some(first) = rest.first() {
        let mut reached = first.end;
        let more = rest[1..].iter().take_while(|piece| {
            let overlaps = piece.place.origin.memory == first.place.origin.memory && piece.start < reached;
            reached = if overlaps { reached.max(piece.end) } else { reached };
            overlaps
        });
        let (together, others) = rest.split_at(1 + more.count());
        rest = others;
        let is_written = together.iter().any(|piece| piece.place.written);
        if is_written && !are_apart(together, parts, iterations) {
            return None;
        }
    }
    Some(parts)
}

/// A buffer of a call: the bytes of its memory from where to where it lies in some iteration, and what the kernel's parts
/// touch of it.
struct Piece<'a> {
    start: usize,
    end: usize,
    place: Moving,
    touched: &'a Result<Touched, Reason>,
}

/// Whether parts touch different places of overlapping buffers, one of which is written.
fn are_apart(pieces: &[Piece<'_>], parts: usize, iterations: usize) -> bool {
    let mut moved = Moved { steps: Default::default(), boxes: Vec::new() };
    let mut size = None;
    for Piece { place, touched, .. } in pieces {
        let Ok(touched) = touched else { return false };
        if touched.boxes.is_empty() {
            continue;
        }
        let bytes = place.size;
        let step = touched.steps[0].unsigned_abs();
        if *size.get_or_insert((bytes, touched.steps[0])) != (bytes, touched.steps[0])
            || step == 0
            || !place.origin.byte.is_multiple_of(bytes)
        {
            return false;
        }
        // In all iterations: one more loop, counted from its other end where it goes backwards.
        let (Ok(start), Some((first, _))) = (i64::try_from(place.origin.byte / bytes), place.by.ends(iterations))
        else {
            return false;
        };
        let shift = start + first as i64;
        let along = Term { factor: place.by.step.abs(), extent: iterations as i64 };
        for Boxes { terms, offsets } in &touched.boxes {
            let mut terms = terms.clone();
            if along.moves() && along.extent > 1 {
                terms.push(along);
            }
            let offsets = offsets.iter().map(|offset| offset + shift);
            // Those of equal terms fall together, of which there are many: the same rows in several calls.
            match moved.boxes.iter_mut().find(|boxes| boxes.terms[..] == terms[..]) {
                Some(boxes) => boxes.offsets.extend(offsets),
                None => moved.boxes.push(Boxes { terms, offsets: offsets.collect() }),
            }
        }
    }
    let Some((_, step)) = size else { return true };
    moved.steps.push(Term { factor: step.abs(), extent: parts as i64 });
    let mut tries = TRIES;
    moved.are_apart(&mut tries)
}

#[cfg(test)]
mod tests {
    use super::super::super::{Access, Element, Index, KernelBuilder, Move, Operation, Origin};
    use super::*;

    /// A buffer of one of the calls, with `columns` elements a row: where it lies, and how it moves.
    #[derive(Clone, Copy)]
    struct Row {
        memory: usize,
        element: usize,
        by: Move,
        columns: usize,
        written: bool,
    }

    /// A kernel over 8 rows in 4 parts, in two strips of half of the columns each.
    fn kernel(rows: &[Row]) -> Kernel {
        let mut kernel = KernelBuilder::new("rows", 4);
        let access = |row: &Row| if row.written { Access::Write } else { Access::Read };
        let buffer =
            |kernel: &mut KernelBuilder, row: &Row| kernel.buffer("x", Element::F32, 8 * row.columns, access(row));
        let buffers: Vec<_> = rows.iter().map(|row| buffer(&mut kernel, row)).collect();
        let (strip, part) = (kernel.grid(2), kernel.grid(4));
        kernel.for_each(2, &[], |kernel, row, _| {
            for (of, &buffer) in rows.iter().zip(&buffers) {
                let columns = of.columns as i64;
                let at = Index::of(strip, columns / 2).plus(part, 2 * columns).plus(row, columns);
                let active = of.columns / 2;
                if of.written {
                    let zero = kernel.f32(0.0);
                    kernel.store(buffer, at, 1, active, zero);
                } else {
                    kernel.push(Operation::Load { buffer, index: at, stride: 1, active });
                }
            }
            Vec::new()
        });
        kernel.finish()
    }

    #[track_caller]
    fn check(calls: &[&[Row]], iterations: usize, expected: Option<usize>) {
        let of: Vec<RowFootprints> = calls.iter().map(|rows| RowFootprints::of(&kernel(rows))).collect();
        let moving = |row: &Row| Moving {
            origin: Origin { memory: row.memory, byte: 4 * row.element },
            by: row.by,
            elements: 8 * row.columns,
            size: 4,
            written: row.written,
        };
        let places = calls.iter().map(|rows| rows.iter().map(moving).collect());
        let calls: Vec<(&RowFootprints, Vec<Moving>)> = of.iter().zip(places).collect();
        assert_eq!(apart_rows(&calls, iterations), expected);
    }

    #[test]
    fn parts_meet_nothing_that_another_one_writes() {
        let still = Row { memory: 0, element: 0, by: Move::default(), columns: 8, written: false };
        let written = |row: Row| Row { written: true, ..row };
        let far = |row: Row| Row { element: row.element + 4096, ..row };
        // What is carried is read by one call and written by another one.
        check(&[&[still, written(far(still))], &[far(still), written(still)]], 5, Some(4));
        // Rows of a sequence, step by step, one of them the other way round.
        let forward = Row { by: Move { start: 0, step: 64 }, ..still };
        let back = Row { by: Move { start: 64 * 4, step: -64 }, ..still };
        check(&[&[written(forward)], &[back, written(far(still))]], 5, Some(4));
        // A sequence for each row, of 5 steps of 8 columns.
        // (Here each row of the kernel is as long as a step, so that parts reach into each other's.)
        let short = Row { by: Move { start: 0, step: 8 }, ..still };
        check(&[&[written(short)]], 5, None);
        check(&[&[written(short)]], 1, Some(4));
        // Rows of other lengths in the same memory.
        let narrow = Row { columns: 4, ..still };
        check(&[&[written(still)], &[narrow]], 1, None);
        check(&[&[written(still)], &[Row { memory: 1, ..narrow }]], 1, Some(4));
        // A row further on is another part's; one further on within a part is not.
        check(&[&[written(still)], &[Row { element: 16, ..still }]], 1, None);
        check(&[&[written(still)], &[Row { element: 8, ..still }]], 1, None);
        // What nobody writes lies anywhere.
        check(&[&[still], &[narrow], &[short]], 5, Some(4));
    }

    #[test]
    fn what_all_parts_touch_is_not_written() {
        let mut builder = KernelBuilder::new("all", 4);
        let sum = builder.buffer("sum", Element::F32, 4, Access::ReadWrite);
        builder.grid(4);
        let value = builder.load(sum, Index::default());
        builder.store(sum, Index::default(), 1, 4, value);
        let of = RowFootprints::of(&builder.finish());
        let place = |written: bool| Moving {
            origin: Origin { memory: 0, byte: 0 },
            by: Move::default(),
            elements: 4,
            size: 4,
            written,
        };
        assert_eq!(apart_rows(&[(&of, vec![place(true)])], 3), None);
        assert_eq!(apart_rows(&[(&of, vec![place(false)])], 3), Some(4));
        assert_eq!(apart_rows(&[], 3), None);
    }
}
