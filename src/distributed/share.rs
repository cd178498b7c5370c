//! What a rank has of a batch. Knows numbers of ranks, shards and rows, and nothing else.

use std::ops::Range;

/// What a rank computes of each batch: some of its shards. [`Training::share`](crate::Training::share) gives it, and
/// [`Loader::share`](crate::data::Loader::share) takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The shards of the rank.
    pub(crate) own: Range<usize>,
    /// Of how many the batch is.
    pub(crate) shards: usize,
}

impl Share {
    /// That of a rank: shards are dealt out in order, as evenly as may be.
    pub(crate) fn of(rank: usize, ranks: usize, shards: usize) -> Share {
        Share { own: rank * shards / ranks..(rank + 1) * shards / ranks, shards }
    }

    /// The rows that a shard computes of a batch of so many rows, and with which weight: the first shards have one more
    /// where they are not even. A shard without rows computes those of the first one, which count for nothing.
    pub(crate) fn rows_of(&self, shard: usize, rows: usize) -> (Range<usize>, usize) {
        let part = rows_of(shard, self.shards, rows);
        let weight = part.len();
        if weight > 0 { (part, weight) } else { (rows_of(0, self.shards, rows), 0) }
    }

    /// Whether the rank reads a row of a batch of so many rows.
    pub fn reads(&self, row: usize, rows: usize) -> bool {
        self.own.clone().any(|shard| self.rows_of(shard, rows).0.contains(&row))
    }
}

/// The rows of a shard of a batch of so many rows.
pub(crate) fn rows_of(shard: usize, shards: usize, rows: usize) -> Range<usize> {
    let (each, more) = (rows / shards, rows % shards);
    let first = shard * each + shard.min(more);
    first..first + each + usize::from(shard < more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_dealt_out_without_overlap_or_loss() {
        for (shards, rows) in [(1, 7), (4, 8), (4, 10), (4, 3), (5, 0), (7, 100)] {
            let mut next = 0;
            for shard in 0..shards {
                let part = rows_of(shard, shards, rows);
                assert_eq!(part.start, next);
                assert!(part.len().abs_diff(rows / shards) <= 1);
                next = part.end;
            }
            assert_eq!(next, rows);
        }
        for (ranks, shards) in [(1, 4), (2, 4), (3, 4), (4, 4), (5, 13)] {
            let all: Vec<usize> = (0..ranks).flat_map(|rank| Share::of(rank, ranks, shards).own).collect();
            assert_eq!(all, (0..shards).collect::<Vec<_>>());
            assert!((0..ranks).all(|rank| !Share::of(rank, ranks, shards).own.is_empty()));
            for rows in [1, shards, 3 * shards + 1] {
                let reads =
                    |row: usize| (0..ranks).filter(|&rank| Share::of(rank, ranks, shards).reads(row, rows)).count();
                let twice = (1..rows).find(|&row| reads(row) != 1);
                // The first shard's row stands in for that of a shard without one.
                assert!(twice.is_none() && reads(0) >= 1, "{ranks} ranks, {shards} shards, {rows} rows: {twice:?}");
            }
        }
    }
}
