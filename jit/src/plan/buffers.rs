//! The arena: gives each temporary value an offset such that no two values that live at the same time overlap.
//! It knows intervals and sizes alone.

/// The alignment of every offset, in bytes: a cache line.
pub const ALIGNMENT: usize = 64;

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

impl Interval {
    fn meets(&self, other: &Interval) -> bool {
        self.from <= other.to && other.from <= self.to
    }
}

/// An offset for each interval, and the length of the arena that holds them all.
///
/// The largest come first; each takes the smallest gap that holds it among those that live at the same time, or else
/// the end. Deterministic: ties are broken by time and by position.
pub fn place(intervals: &[Interval]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..intervals.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(intervals[i].bytes), intervals[i].from, i));
    let mut offsets = vec![0; intervals.len()];
    // By offset, with their ends.
    let mut placed: Vec<(usize, usize, Interval)> = Vec::new();
    let mut arena = 0;
    for i in order {
        let bytes = intervals[i].bytes.next_multiple_of(ALIGNMENT);
        let mut best: Option<(usize, usize)> = None;
        let mut end = 0;
        for &(from, to, _) in placed.iter().filter(|(.., other)| other.meets(&intervals[i])) {
            if from >= end + bytes && best.is_none_or(|(gap, _)| from - end < gap) {
                best = Some((from - end, end));
            }
            end = end.max(to);
        }
        offsets[i] = best.map_or(end, |(_, offset)| offset);
        let (from, to) = (offsets[i], offsets[i] + bytes);
        arena = arena.max(to);
        let at = placed.partition_point(|&(other, end, _)| (other, end) <= (from, to));
        placed.insert(at, (from, to, intervals[i]));
    }
    (offsets, arena)
}

#[cfg(test)]
mod tests {
    use super::*;

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
