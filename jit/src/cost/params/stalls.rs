//! What waits for memory: cache lines of 64 bytes, pages of 4 KiB. It knows numbers alone, each with its unit, its
//! origin and its date.

/// Elements of a page, a whole number of lines. Unit: f32 elements. As `target.rs` says.
pub const PAGE: i64 = crate::target::PAGE_BYTES as i64 / 4;
/// Ways of a cache that one operand leaves to others: it may fill 6 of 8. Unit: ways of
/// [`target::ways`](crate::target::ways). Zen 3, 2026-11-26.
pub const PASSING_WAYS: u32 = 2;
/// Pages that are found without a walk. Unit: pages of 4 KiB. Zen 4, 2026-11-23.
pub const PAGES: usize = 64;
/// Cycles that a line takes of the products' time where several runs alternate. Unit: cycles a line. Zen 3,
/// 2026-11-26.
pub const ALTERNATING: f64 = 0.3;
/// The part of the products' time that lines of dense runs may take without a wait. Unit: share of 1. Zen 3,
/// 2026-11-26.
pub const HIDDEN: f64 = 0.92;
/// Cycles that a line among others takes. Unit: cycles a line. Zen 4, 2026-11-23.
pub const SCATTERED: f64 = 1.2;
/// Cycles more that a line takes which leaves the second-level cache between two tiles: prefetchers see it
/// come, but the last-level cache has others to serve. Unit: cycles a line. Zen 3, 2026-11-26.
pub const FAR_AGAIN: f64 = 1.25;
/// Cycles more that a line among others from there takes. Unit: cycles a line. Zen 3, 2026-11-26.
pub const FAR_SCATTERED: f64 = 6.0;
/// Cycles that a page takes, where there are more than [`PAGES`]. Unit: cycles a page. Zen 4, 2026-11-23.
pub const WALK: f64 = 4.0;
/// Lanes from which on a processor is taken to hold twice as many instructions in flight (512, Zen 3 has 256), behind
/// which most waits are hidden. Unit: lanes. As Intel's servers with AVX-512 have.
pub const DEEP_LANES: usize = 16;
/// [`SCATTERED`] there. Unit: cycles a line. Emerald Rapids, 2026-11-30.
pub const DEEP_SCATTERED: f64 = 0.3;
/// [`WALK`] there. Unit: cycles a page. Emerald Rapids, 2026-11-30.
pub const DEEP_WALK: f64 = 1.0;
/// Cycles of the ports of loads that a line of a tile's rows takes in each step which has no place on its set of the
/// first-level cache: fitted to tiles of 30 rows 2 KiB apart, which take 1.13 times as long as those of rows that lie a
/// line farther apart, in a cache of 12 ways. Unit: cycles a line. Emerald Rapids, 2026-12-01.
pub const CROWDED: f64 = 0.5;
/// Places looked at, at most. Unit: places. Zen 4, 2026-11-24.
pub const PLACES: usize = 1 << 10;
/// Iterations of the innermost loops over which the left operand's lines are counted. Unit: iterations. Zen 4,
/// 2026-11-23.
pub const ITERATIONS: usize = 64;
/// Loads more that one of a whole line takes where it straddles two. Unit: loads. Emerald Rapids, 2026-11-29.
pub const STRADDLING: f64 = 1.33;
/// Elements of a cache line. Unit: f32 elements. As `target.rs` says.
pub const LINE: i64 = crate::target::LINE as i64;
/// Cycles that a line takes from the second-level cache to the first where all are one dense run: prefetchers
/// fetch it while products are computed. Unit: cycles a line. Zen 3, 2026-11-26.
pub const RUN: f64 = 2.0;
/// The part of their own time that they cost even so. Unit: share of 1. Zen 3, 2026-11-26.
pub const HINDERING: f64 = 0.08;
/// The same where tiles ask for strips ahead, with [`DEEP_LANES`] or more: those of 14 x 32 that read strips and
/// rows from the second-level cache take 1 % longer than from the first-level one, which is 2.9 lines a step of 14
/// cycles. Unit: share of 1. Emerald Rapids, 2026-11-30.
pub const HINDERING_AHEAD: f64 = 0.024;
/// Lines of the next strip that a tile asks for, at most, with fewer than [`DEEP_LANES`]. Unit: lines. Zen 3,
/// 2026-11-26.
pub const ASKED: usize = 16;
/// With as many lanes the tiles of a strip, at least, that ask for the next one: 2 of them (16 rows of 512 channels at
/// 4 x 4, 12 x 32) take 15 % longer when they do, 4 take a third less. Unit: tiles. Emerald Rapids, 2026-11-30.
pub const ASKING_TILES: usize = 3;
/// What an operand, or all results, fill at most that are taken to be in the second-level cache still since another
/// kernel has read or written them, and for whose lines tiles do not ask: 512 x 512 sums of 64 products, which are 1
/// MiB, take 7 % less in a training step when they do, 64 rows by a weight of 512 x 512 that was updated since 10 %
/// less; a quarter of the cache is not told apart from an eighth. Unit: share of a cache. Emerald Rapids, 2026-12-01.
pub const STILL_THERE: (usize, usize) = (1, 8);
/// Cycles that a line takes which tiles ask for ahead from beyond the second-level cache: some 25 GB/s. Unit: cycles
/// a line. Emerald Rapids, 2026-11-30.
pub const FAR_LINE: f64 = 7.0;
/// The part of them that products take longer, where they leave time for all: fitted, with [`FAR_LINE`], to what the
/// candidates of `jit/measurements` take. Unit: share of 1. Emerald Rapids, 2026-11-30.
pub const HINDERING_FAR: f64 = 0.15;
/// Cycles more that a line of a dense run from beyond the second-level cache takes. Unit: cycles a line. Zen 3,
/// 2026-11-26.
pub const FAR_RUN: f64 = 2.5;
