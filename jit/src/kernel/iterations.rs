//! Calls that run several times, with buffers that move on in between. It knows where buffers lie; it knows no kernel.

use super::{Access, Buffer, Origin};

/// Where a buffer lies in its memory, in a loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Move {
    /// Its first element in the first iteration.
    pub start: usize,
    /// How many elements further it begins in each iteration.
    pub step: i64,
}

impl Move {
    /// Its first element in an iteration.
    pub fn at(self, iteration: usize) -> usize {
        self.start.wrapping_add_signed(self.step as isize * iteration as isize)
    }

    /// The first and the last of its first elements; nothing if it leaves its memory at the front.
    pub fn ends(self, iterations: usize) -> Option<(usize, usize)> {
        let way = i64::try_from(iterations.saturating_sub(1)).ok()?.checked_mul(self.step)?;
        let last = self.start.checked_add_signed(isize::try_from(way).ok()?)?;
        Some((self.start.min(last), self.start.max(last)))
    }
}

/// A buffer of a call in a loop.
#[derive(Clone, Copy, Debug)]
pub struct Moving {
    /// The memory in which it moves.
    pub origin: Origin,
    /// How it does.
    pub by: Move,
    /// Its length.
    pub elements: usize,
    /// Bytes of an element.
    pub size: usize,
    /// Whether the call writes it.
    pub written: bool,
}

impl Moving {
    /// An argument for a buffer of a kernel.
    pub fn of(buffer: &Buffer, origin: Origin, by: Move) -> Moving {
        let written = buffer.access != Access::Read;
        Moving { origin, by, elements: buffer.elements, size: buffer.element.bytes(), written }
    }
}

/// Origins that stand for those of all iterations: buffers that do not overlap in one of them, do not in any. Nothing where
/// what moves and is written, or meets what is written, overlaps another buffer in some two iterations.
pub fn origins(buffers: &[Moving], iterations: usize) -> Option<Vec<Origin>> {
    // What leaves its memory may be anywhere in it.
    let reach = |buffer: &Moving| match buffer.by.ends(iterations) {
        Some((first, last)) => {
            let after = |element: usize| buffer.origin.byte.saturating_add(element.saturating_mul(buffer.size));
            (after(first), after(last.saturating_add(buffer.elements)))
        }
        None => (0, usize::MAX),
    };
    let meet = |a: &Moving, b: &Moving| {
        let (a_reach, b_reach) = (reach(a), reach(b));
        a.origin.memory == b.origin.memory && a_reach.0 < b_reach.1 && b_reach.0 < a_reach.1
    };
    for (number, buffer) in buffers.iter().enumerate() {
        let moves = |other: &Moving| buffer.by.step != 0 || other.by.step != 0;
        let writes = |other: &Moving| buffer.written || other.written;
        if buffers[..number].iter().any(|other| moves(other) && writes(other) && meet(buffer, other)) {
            return None;
        }
    }
    let place = |(number, buffer): (usize, &Moving)| match buffer.by.step {
        0 => Origin { byte: buffer.origin.byte + buffer.by.start * buffer.size, ..buffer.origin },
        // It meets nothing: a memory of its own.
        _ => Origin { memory: usize::MAX - number, byte: 0 },
    };
    Some(buffers.iter().enumerate().map(place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Buffers of f32 as `memory, element, start, step, elements, written`.
    #[track_caller]
    fn check(buffers: &[(usize, usize, usize, i64, usize, bool)], iterations: usize, expected: bool) {
        let moving = |&(memory, element, start, step, elements, written): &(usize, usize, usize, i64, usize, bool)| {
            let origin = Origin { memory, byte: 4 * element };
            Moving { origin, by: Move { start, step }, elements, size: 4, written }
        };
        let moving: Vec<Moving> = buffers.iter().map(moving).collect();
        assert_eq!(origins(&moving, iterations).is_some(), expected, "{buffers:?}");
    }

    #[test]
    fn what_moves_meets_nothing_that_is_written() {
        // Rows of two tensors side by side, one of them from behind.
        check(&[(0, 0, 0, 4, 4, true), (0, 16, 12, -4, 4, false)], 4, true);
        check(&[(0, 0, 0, 4, 4, true), (0, 16, 12, -4, 4, false)], 5, false);
        // The rows of one tensor, read twice, and written by a call that also reads them.
        check(&[(0, 0, 0, 4, 4, false), (0, 0, 12, -4, 4, false)], 4, true);
        check(&[(0, 0, 0, 4, 4, true), (0, 0, 12, -4, 4, false)], 4, false);
        check(&[(0, 0, 0, 4, 4, true), (1, 0, 12, -4, 4, false)], 4, true);
        // What stays where it is, is for others to look at.
        check(&[(0, 0, 0, 0, 4, true), (0, 0, 0, 0, 4, false)], 4, true);
        check(&[(0, 0, 0, 0, 4, true), (0, 0, 0, 4, 4, false)], 4, false);
    }
}
