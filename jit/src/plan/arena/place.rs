//! Gives each temporary value an offset such that no two values that live at the same time overlap.
//! It knows intervals and sizes alone.

use std::cmp::Reverse;

use crate::target::LINE_BYTES;

/// The alignment of every offset, in bytes: a cache line.
pub const ALIGNMENT: usize = LINE_BYTES;

/// A piece of memory that is needed from one call to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The call that first writes it.
    pub from: usize,
    /// The last call that reads it.
    pub to: usize,
    /// Its length.
    pub bytes: usize,
}

/// An offset for each interval, and the length of the arena that holds them all.
///
/// The largest come first; each takes the smallest gap that holds it among those that live at the same time, or else
/// the end. Deterministic: ties are broken by time and by position.
pub fn place(intervals: &[Interval]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..intervals.len()).filter(|&i| intervals[i].bytes > 0).collect();
    order.sort_by_key(|&i| (Reverse(intervals[i].bytes), intervals[i].from, i));
    let mut offsets = vec![0; intervals.len()];
    let calls = intervals.iter().map(|interval| interval.to + 1).max().unwrap_or(0);
    let mut taken = Taken::new(calls);
    let mut arena = 0;
    // The largest first: a small value that came before could cut a gap in which a large one would have found room.
    for i in order {
        let Interval { from, to, bytes } = intervals[i];
        let bytes = bytes.next_multiple_of(ALIGNMENT);
        offsets[i] = taken.smallest_gap((from, to), bytes);
        arena = arena.max(offsets[i] + bytes);
        taken.take((from, to), ByteRange { start: offsets[i], end: offsets[i] + bytes });
    }
    (offsets, arena)
}

/// Bytes side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ByteRange {
    start: usize,
    end: usize,
}

/// Which bytes are taken when: a tree over times, each of whose nodes stands for the times of both its children. What
/// lives for the times of a whole node is noted there; so that those who ask about some times need not look at every
/// time. Ranges that touch are one, so that the many values of a network whose lives overlap are few ranges.
struct Taken {
    /// The number of leaves; leaf `i` is node `leaves + i`, the children of node `n` are `2 n` and `2 n + 1`.
    leaves: usize,
    /// What lives for the times of a whole node, but not for those of its parent.
    whole: Vec<Vec<ByteRange>>,
    /// What lives at some of its times, and was noted there or below.
    some: Vec<Vec<ByteRange>>,
    /// The number of the last walk that has met the node.
    met: Vec<u32>,
    /// How many walks there were.
    walks: u32,
}

impl Taken {
    fn new(times: usize) -> Taken {
        let leaves = times.next_power_of_two();
        let nothing = vec![Vec::new(); 2 * leaves];
        Taken { leaves, whole: nothing.clone(), some: nothing, met: vec![0; 2 * leaves], walks: 0 }
    }

    /// The nodes that together stand for the times from one to another, both included.
    fn nodes(&self, (from, to): (usize, usize)) -> Vec<usize> {
        let mut nodes = Vec::new();
        // From the leaves up, cutting off what its parent does not hold whole: with 8 leaves, times 1 to 5 are the
        // nodes 9 (1), 5 (2, 3) and 6 (4, 5). At most two a level, so that there are few for any times.
        let (mut low, mut high) = (self.leaves + from, self.leaves + to + 1);
        while low < high {
            if low % 2 == 1 {
                nodes.push(low);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                nodes.push(high);
            }
            (low, high) = (low / 2, high / 2);
        }
        nodes
    }

    fn take(&mut self, times: (usize, usize), range: ByteRange) {
        self.walks += 1;
        for node in self.nodes(times) {
            add(&mut self.whole[node], range);
            // `whole` says it to those who ask about times below the node, `some` to those who ask about times above
            // it.
            let mut above = node;
            while above > 0 && self.met[above] != self.walks {
                add(&mut self.some[above], range);
                self.met[above] = self.walks;
                above /= 2;
            }
        }
    }

    /// The start of the smallest gap of so many bytes between what is taken at some times, the first of several; or
    /// else the end.
    fn smallest_gap(&mut self, times: (usize, usize), bytes: usize) -> usize {
        let (mut taken, mut merged): (Vec<ByteRange>, Vec<ByteRange>) = (Vec::new(), Vec::new());
        self.walks += 1;
        for node in self.nodes(times) {
            // What lives at some time of the node and was noted at it or below; what was noted above lives at all its
            // times, too.
            merge(&mut taken, &self.some[node], &mut merged);
            let mut above = node / 2;
            while above > 0 && self.met[above] != self.walks {
                merge(&mut taken, &self.whole[above], &mut merged);
                self.met[above] = self.walks;
                above /= 2;
            }
        }
        // From left to right: a gap is what lies between the end of what was met and the next start.
        let mut best: Option<(usize, usize)> = None;
        let mut end = 0;
        for range in taken {
            if range.start >= end + bytes && best.is_none_or(|(gap, _)| range.start - end < gap) {
                best = Some((range.start - end, end));
            }
            end = range.end;
        }
        best.map_or(end, |(_, start)| start)
    }
}

/// Adds other ranges, in their order, to some that lie apart, in theirs; `room` is for the result meanwhile. Each step
/// of an iterator, or of a sort, is several calls in a debug build.
fn merge(to: &mut Vec<ByteRange>, others: &[ByteRange], room: &mut Vec<ByteRange>) {
    if others.is_empty() {
        return;
    }
    room.clear();
    let ranges = to.as_slice();
    let (mut number, mut other) = (0, 0);
    let mut open: Option<ByteRange> = None;
    while number < ranges.len() || other < others.len() {
        let from_ranges = other == others.len() || number < ranges.len() && ranges[number].start <= others[other].start;
        let next = if from_ranges { ranges[number] } else { others[other] };
        if from_ranges {
            number += 1;
        } else {
            other += 1;
        }
        open = match open {
            // What touches is one range: there is no gap between.
            Some(ByteRange { start, end }) if next.start <= end => {
                Some(ByteRange { start, end: if next.end > end { next.end } else { end } })
            }
            Some(apart) => {
                room.push(apart);
                Some(next)
            }
            None => Some(next),
        };
    }
    room.extend(open);
    std::mem::swap(to, room);
}

/// Adds a range to some that lie apart, in their order.
fn add(to: &mut Vec<ByteRange>, range: ByteRange) {
    let ranges = to.as_slice();
    let (mut first, mut end) = (0, ranges.len());
    while first < end {
        let middle = (first + end) / 2;
        if ranges[middle].end < range.start {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    let mut touching = 0;
    while first + touching < ranges.len() && ranges[first + touching].start <= range.end {
        touching += 1;
    }
    if touching == 0 {
        return to.insert(first, range);
    }
    // A range that closes a gap makes one of all that it touches: `[0, 64) [128, 192)` with `[64, 128)` is `[0,
    // 192)`.
    let last = to[first + touching - 1];
    to[first] = ByteRange { start: range.start.min(to[first].start), end: range.end.max(last.end) };
    if touching > 1 {
        to.drain(first + 1..first + touching);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Interval {
        fn meets(&self, other: &Interval) -> bool {
            self.from <= other.to && other.from <= self.to
        }
    }

    /// What [`place`] promises, one interval after the other.
    fn placed_one_by_one(intervals: &[Interval]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..intervals.len()).filter(|&i| intervals[i].bytes > 0).collect();
        order.sort_by_key(|&i| (Reverse(intervals[i].bytes), intervals[i].from, i));
        let mut offsets = vec![0; intervals.len()];
        let mut placed: Vec<usize> = Vec::new();
        for i in order {
            let length = |i: usize| intervals[i].bytes.next_multiple_of(ALIGNMENT);
            placed.sort_by_key(|&other| offsets[other]);
            let (mut best, mut end) = (None, 0);
            for &other in placed.iter().filter(|&&other| intervals[other].meets(&intervals[i])) {
                if offsets[other] >= end + length(i) && best.is_none_or(|(gap, _)| offsets[other] - end < gap) {
                    best = Some((offsets[other] - end, end));
                }
                end = end.max(offsets[other] + length(other));
            }
            offsets[i] = best.map_or(end, |(_, offset)| offset);
            placed.push(i);
        }
        offsets
    }

    #[test]
    fn live_intervals_never_overlap() {
        for seed in 0..50 {
            let mut count = 0;
            let mut draw = |below: u32| {
                count += 1;
                (kiln_rt::random::bits(seed, 0, 0, count) % below) as usize
            };
            let intervals: Vec<Interval> = (0..60)
                .map(|_| {
                    let from = draw(40);
                    Interval { from, to: from + draw(12), bytes: draw(5000) }
                })
                .collect();
            let (offsets, arena) = place(&intervals);
            assert_eq!(offsets, placed_one_by_one(&intervals), "seed {seed}");
            let live_at = |call: usize| intervals.iter().filter(move |i| i.from <= call && call <= i.to);
            let needed = (0..60).map(|call| live_at(call).map(|i| i.bytes).sum::<usize>()).max().expect("some calls");
            assert!(arena >= needed && arena <= 2 * needed + 64 * 60, "{arena} bytes for {needed}");
            for (i, a) in intervals.iter().enumerate() {
                assert!(offsets[i].is_multiple_of(ALIGNMENT) && offsets[i] + a.bytes <= arena);
                for (j, b) in intervals.iter().enumerate().take(i) {
                    let apart = offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i];
                    assert!(!a.meets(b) || apart || a.bytes == 0 || b.bytes == 0, "{a:?} and {b:?}");
                }
            }
        }
    }
}
