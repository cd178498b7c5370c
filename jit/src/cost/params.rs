//! Every number that decides on speed: what it says, its unit, and on which machine and when it was set. Zen 3, Zen 4
//! and Zen 5 are servers of AMD with two cores lent, Emerald Rapids is one of Intel; on Zen 4 vectors were Cranelift's,
//! of 128 bits. What a number was held against is told in `docs/experiments` where that was more than one run; a number
//! that nobody measured on other machines than these four is a guess there.

use crate::target;

/// How much of a cache what is to stay in it may fill, as numerator and denominator: the rest is for what passes by,
/// and sets fill unevenly.
pub mod caches {
    /// Nothing else passes by meanwhile. Unit: share of a cache. Zen 3, 2026-11-26.
    pub const WHOLE: (usize, usize) = (1, 1);
    /// Other operands pass by meanwhile. Unit: share of a cache. Zen 4, 2026-11-23.
    pub const STAYING: (usize, usize) = (1, 2);
    /// Of all operands of some loops together, none of which passes by. Unit: share of a cache. Zen 3, 2026-11-26.
    pub const TOGETHER: (usize, usize) = (3, 4);
}

/// How work is shared among threads.
pub mod sharing {
    /// What one thread computes, about, where it is asked whether a call is worth waking another one. Unit: weight (an
    /// addition being 1) a nanosecond. Zen 4, 2026-11-23, of floating-point operations; of weights since 2026-11-30, for
    /// which Emerald Rapids was looked at alone.
    pub const WEIGHT: u64 = 50;
    /// What one thread moves, about, where it is asked for that. Unit: bytes a nanosecond. Zen 4, 2026-11-23.
    pub const BYTES: u64 = 40;
    /// Calls that are estimated to take less time on one thread ([`WEIGHT`] and [`BYTES`]) are not worth waking another
    /// one, which takes about 2 microseconds. Unit: nanoseconds. Zen 3, 2026-11-26.
    pub const PARALLEL_NANOSECONDS: u64 = 7_000;
    /// Tasks of a grid from which on threads share the work. Unit: tasks. Zen 3, 2026-11-26.
    pub const SHARED: usize = 4;
    /// How much dearer work is that is worth sharing and can not be shared. Unit: ratio. Zen 3, 2026-11-26.
    pub const ALONE: f64 = 1.3;
    /// The same of what two or three tasks share, where there is a choice between one and these: two threads take half the
    /// time of one. Four 3 x 3 convolutions of 64 channels with a dilation of 2 over 33 x 33 places take 880 us on one
    /// thread and two by one task. Unit: ratio. A guess, Emerald Rapids, 2026-12-01.
    pub const FEW_TASKS: f64 = 1.1;
    /// How much dearer it is where rows are cut so that it can: each task reads the right operand anew. Unit: ratio.
    /// Emerald Rapids, and by the measurements of Zen 3, 2026-11-29.
    pub const CUT: f64 = 1.1;
    /// Tasks of a grid from which on more are of no use. Unit: tasks. Zen 3, 2026-11-26.
    pub const TASKS: usize = 64;
    /// Rows of a loop's step in each part, at least, where there are more than two parts. Steps of an LSTM of 128 features
    /// over 16 to 128 rows take 1.0 to 1.2 times as long on two threads with parts of 4 rows as with such of 6 or 8.
    /// Unit: rows. Emerald Rapids, AVX-512, 2026-11-30.
    pub const LEAST_ROWS: usize = 6;
    /// The same where there are two: of 4 to 10 rows such steps take 0.87 to 0.91 of the time. Unit: rows. As before.
    pub const ROWS_OF_TWO: usize = 2;
    /// Parts of rows at most. Unit: parts. A guess.
    pub const ROW_PARTS: usize = 64;
    /// How much more than an even share the thread with the most parts of rows may have, as numerator and denominator.
    /// Unit: ratio. A guess.
    pub const UNEVEN: (usize, usize) = (5, 4);
    /// How much of the second-level cache the right operand of a product may fill of which each thread takes rows: an LSTM
    /// whose weights are 1 MiB of 2 trains in 0.97 of the time on two threads, one whose are 2.25 MiB in 1.09. Unit: share
    /// of a cache. Emerald Rapids, AVX-512, 2026-11-30.
    pub const ROWS_READ: (usize, usize) = (1, 2);
}

/// What is computed again rather than kept, where memory has a limit.
pub mod recompute {
    /// What one thread computes while it moves a byte, about. Unit: floating-point operations a byte. Emerald Rapids (198
    /// GFLOP/s; 28 GB/s from the last-level cache), 2026-11-30.
    pub const FLOPS_PER_BYTE: u64 = 7;
    /// The part of all memory that a value takes at least that is worth a thought. Unit: the divisor of a number of
    /// bytes. A guess, 2026-11-30.
    pub const LEAST: u64 = 1 << 12;
    /// The part of all memory that values may take that are computed again one from another. Unit: the divisor of a
    /// number of bytes. A guess, 2026-11-30.
    pub const PART: u64 = 2;
    /// An operand so many times smaller than what is computed of it is kept until then, not computed again. Unit: ratio. A
    /// guess, 2026-11-30.
    pub const EXTENDED: u64 = 2;
    /// The part of all memory of which values are dropped before it is looked at anew when values lie in memory. Unit: the
    /// divisor of a number of bytes. A guess, 2026-11-30.
    pub const STEPS: u64 = 16;
    /// The most plans that are made until one is within the limit. Unit: plans. A guess, 2026-11-30.
    pub const ROUNDS: usize = 12;
    /// Tasks, at most, that have scratch memory of their own, where memory is limited; more threads wait. Unit: tasks. As
    /// fast on one to four threads of an Emerald Rapids, 2026-12-01: 512 channels take 4 MB for 4 tasks, 8 MB for 8.
    pub const LEAN_TASKS: usize = 4;
}

/// What is computed in blocks of rows (`kiln_graph::passes::row_blocks`).
pub mod row_blocks {
    use kiln_graph::passes::RowBlocks;

    use super::stalls::DEEP_LANES;

    /// Blocks save memory, and take a tenth to a quarter longer but where a mask cuts a part away: values from the size
    /// of the last-level cache on, or, where they are cut, from an eighth of it. Units: elements, elements, elements,
    /// rows, segments. Zen 3 (32 MiB of last-level cache), 2026-11-29; the size of blocks and the number of segments
    /// are first guesses. See `docs/experiments/021-hidden-layers-by-rows.md`.
    const ROW_BLOCKS: RowBlocks = RowBlocks { large: 1 << 23, cut: 1 << 20, block: 1 << 20, rows: 32, segments: 8 };
    /// [`RowBlocks::large`] from [`DEEP_LANES`] on: what is computed again takes less time then than memory does. Unit:
    /// elements. Emerald Rapids, transformers of 4 and 6 layers, 2026-12-01: 0.68 to 0.95 of the time of a step for more than
    /// 2^22 elements, 0.86 to 1.15 just below, 1.06 to 1.09 at 2^21 (the same page).
    const WIDE: usize = 1 << 22;

    /// For vectors of so many numbers.
    pub const fn blocks(lanes: usize) -> RowBlocks {
        if lanes < DEEP_LANES { ROW_BLOCKS } else { RowBlocks { large: WIDE, ..ROW_BLOCKS } }
    }
}

/// What waits for memory.
pub mod stalls;

/// How far is looked for strategies.
pub mod search {
    /// What a copy that is made once for many runs costs each of them: a little, since it takes memory for good.
    /// Unit: share of 1. Zen 3, 2026-11-26.
    pub const INVARIANT_COPY: f64 = 0.1;
    /// How many times the estimated cycles of the fastest strategy another one may take. Unit: ratio. Zen 3,
    /// 2026-11-26.
    pub const WITHIN: f64 = 1.5;
    /// Recipes of one kind (copies, panels, parts, Winograd's), at most. Unit: recipes. Zen 3, 2026-11-26.
    pub const OF_A_KIND: usize = 3;
    /// Recipes, at most. Unit: recipes. Zen 3, 2026-11-26.
    pub const MOST: usize = 10;
    /// Phases of an input gradient, each a contraction, that take long to estimate. Unit: contractions. Zen 3,
    /// 2026-11-28.
    pub const MANY: usize = 16;
    /// By which part sums of cycles that were taken in another order may differ. Unit: share of 1. Zen 3,
    /// 2026-11-26.
    pub const ROUNDING: f64 = 1e-9;
    /// How many times the cycles of the fastest tile another one may take to be looked at, where the model decides.
    /// Unit: ratio. Zen 3, 2026-11-26.
    pub const NEARLY: f64 = 1.1;
    /// How many times the cycles of the fastest tile another one may take to be measured. Unit: ratio. Zen 3,
    /// 2026-11-26.
    pub const LOOKED_AT: f64 = 1.25;
}

/// Which contractions an operation is.
pub mod from_op {
    /// Floating-point operations in the time that an element takes to come from or go to memory, about. Unit:
    /// floating-point operations an element. Zen 3, 2026-11-26.
    pub const ELEMENT: f64 = 10.0;
    /// What adding a product to memory costs, in multiply-adds. Unit: multiply-adds. Zen 4, 2026-11-23.
    pub const STORE: f64 = 3.0;
    /// Features of a group that fill lanes badly, at most. Unit: features. Zen 3, 2026-11-26.
    pub const FEW_FEATURES: usize = 16;
    /// How many times the multiply-adds of phases those of one contraction that accumulates may be, stores apart.
    /// Unit: ratio. Zen 4, 2026-11-23.
    pub const ACCUMULATING: f64 = 1.1;
}

/// Products of pairs of bf16 and of quads of bytes by tile registers (AMX). None of these is measured: they are what is
/// published of Sapphire Rapids, as it was remembered and not looked up, and guesses around that. 2026-11-29.
pub mod tile_products {
    /// From a product of tiles to the next one. Unit: cycles a product of 16 x 16 sums by 32 bf16. Published.
    pub const DOT: f64 = 16.0;
    /// From a product to the next one of the same sums. Unit: cycles. Published.
    pub const LATENCY: f64 = 52.0;
    /// From a load of a tile to the next one, from the first-level cache. Unit: cycles a tile. Published.
    pub const LOAD: f64 = 8.0;
    /// From a store of a tile to the next one. Unit: cycles a tile. Published.
    pub const STORE: f64 = 16.0;
    /// To take a vector of sums from scratch memory to the epilogue. Unit: cycles a vector. A guess.
    pub const ROW_VECTOR: f64 = 1.5;
    /// To begin and to end a block of tiles: zeros, and waiting for the last product. Unit: cycles a block. A guess.
    pub const BLOCK: f64 = 100.0;
}

/// Tiles of sums in registers.
pub mod register_tiles {
    /// Unrolled iterations of the innermost loop, at most. Unit: iterations. Zen 4, 2026-11-23.
    pub const UNROLL: usize = 8;
    /// Vectors of a tile, at most, where there are fewer lanes. Unit: vectors. Zen 4, 2026-11-23.
    pub const WIDEST: usize = 8;
    /// Vectors of a folded tile, at most: each is a run of memory that a prefetcher follows. 512 sums of 128 products in
    /// tiles of 8 take 2.2 us, of 16 2.8. Unit: vectors. Emerald Rapids, 2026-11-29.
    pub const WIDEST_FOLDED: usize = 8;
    /// The part of what equal steps lose to a small last tile that blocks of their own may still lose. Unit: share of
    /// 1. Zen 3, 2026-11-26.
    pub const REGAINED: f64 = 0.5;
    /// Cycles to end a register of sums, and to store it where its lanes are neighbours. Unit: cycles a vector. Zen 4,
    /// 2026-11-23.
    pub const SUM: f64 = 0.5;
    /// See [`SUM`]. Unit: cycles a vector. Zen 4, 2026-11-23.
    pub const VECTOR_STORE: f64 = 0.5;
    /// Row tiles that share the right operand's vectors while they are in the first-level cache: as many as make
    /// their way there worth it. Unit: tiles. Zen 4, 2026-11-23.
    pub const ROW_TILES: usize = 16;
    /// Row tiles that share it even where their rows do not stay in the second-level cache. Unit: tiles. Zen 3,
    /// 2026-11-26.
    pub const FEW_TILES: usize = 4;
    /// Whole tiles for each smaller one, at least. Unit: ratio. Zen 3, 2026-11-26.
    pub const RARE: usize = 4;
    /// Cycles to enter and to leave a tile's loop, in which few of its multiply-adds run. Unit: cycles a tile. Zen
    /// 3, 2026-11-26.
    pub const ENTERING: f64 = 8.0;
    /// The part of a step's time that may be lost to a small last tile. Unit: share of 1. Zen 3, 2026-11-26.
    pub const LOST: f64 = 0.02;
    /// Tasks, at least, where each takes several blocks of rows. Unit: tasks. Zen 3, 2026-11-26.
    pub const TASKS_OF_BLOCKS: usize = 8;
    /// The part of its factors that a tile of several rows, each a run of memory, may have to load to be worth
    /// that. Unit: share of 1. Zen 3, 2026-11-28.
    pub const SHARES: f64 = 0.75;
    /// What a broadcast takes of the time of a step's multiply-adds. Unit: cycles a row. Zen 3, 2026-11-26.
    pub const BROADCAST: f64 = 0.02;
    /// What each vector of the right operand takes of it with so many lanes or more: tiles of 14 x 2 vectors take some 5 %
    /// less than those of 6 x 4, which have the same sums, but for this. Unit: lanes, cycles a vector. Emerald Rapids,
    /// 2026-11-30.
    pub const LOADED: (usize, f64) = (16, 0.02);
    /// How many times the latency of a multiply-add a step takes that is bound by it, with so many lanes or more: tiles of
    /// 4 x 2 vectors, just as many sums as are in flight, take 1.18 times as long as those of 8 x 2. Unit: lanes, ratio.
    /// Emerald Rapids, 2026-11-30.
    pub const CHAINED: (usize, f64) = (16, 1.15);
    /// Cycles that a step takes which is bound by products of pairs, whose latency is 6: fitted to tiles of 4 x 4 vectors, a
    /// step of which takes 8, and which take 8 % longer than those of 6 x 4. Unit: cycles. Zen 5, 2026-12-01.
    pub const CHAINED_PAIRS: f64 = 8.7;
    /// Instructions by which a load of 16-bit elements is widened, on the ports of multiply-adds (`vpmovzxwd` or
    /// `vpbroadcastw`, and `vpslld`). Unit: instructions a load. Emerald Rapids, 2026-11-29.
    pub const WIDENING: f64 = 2.0;
    /// The same where a loaded f32 is rounded to bf16 (`vcvtneps2bf16`, which is two, and then as above); more where
    /// there is no such instruction. Unit: instructions a load. A guess, 2026-11-30.
    pub const ROUNDING: f64 = 6.0;
    /// What a folded step takes of it, which reads whole vectors on both sides. Unit: cycles a vector. Zen 3,
    /// 2026-11-26.
    pub const FOLDED: f64 = 0.06;
    /// Cycles to add up the lanes of a vector of sums, each time that they are halved. Unit: cycles. Zen 3,
    /// 2026-11-26.
    pub const FOLD: f64 = 0.8;
    /// Cycles to store a lane of results that are no neighbours. Unit: cycles a lane. Zen 3, 2026-11-26.
    pub const SCATTERED_STORE: f64 = 2.0;
    /// Cycles to end and to store a vector of sums that is one of a square which is transposed in registers: fitted to what
    /// candidates take, by which 6 to 14 are about as good. Unit: cycles a vector. Zen 5, 2026-12-01.
    pub const TRANSPOSED: f64 = 9.0;
    /// What more may be computed behind a vector of sums for that, since vectors of fewer rows than there are lanes are
    /// more of them: 16 scattered stores take some 40 cycles. Unit: weight (an addition being 1) a vector of sums. A guess,
    /// Zen 5, 2026-12-01.
    pub const TRANSPOSED_MORE: f64 = 80.0;
    /// How much more all tiles take for each smaller one at an end. Unit: share of 1. Zen 4, 2026-11-23.
    pub const REST: f64 = 0.02;
}

/// Operands packed into panels.
pub mod packed_panels {
    /// Places of the innermost reduced axis that are copied together: as many lines of the operand, if it does not
    /// run along the axis. Unit: places. Zen 4, 2026-11-23.
    pub const BLOCK: usize = 16;
    /// The same where it does, at most, so that a row is read in a run. Unit: places. Zen 3, 2026-11-26.
    pub const ROW: usize = 256;
    /// Tasks that all of them make then, at least, if there are enough. Unit: tasks. Zen 3, 2026-11-26.
    pub const ROW_TASKS: usize = 8;
    /// Tasks, at least, where an operand that lies transposed is copied panel by panel: a task is a panel. Unit: tasks.
    /// Emerald Rapids, 2026-11-29.
    pub const PANEL_TASKS: usize = 8;
    /// Cycles to move an element in whole vectors. Unit: cycles an element. Zen 3, 2026-11-26.
    pub const VECTORS: f64 = 0.5;
    /// What the elements of both sides fill, at most, where the left operand's vectors take no longer than that:
    /// measured with 2.3 MB, beyond it they count as pieces. Unit: times the second-level cache. Zen 3, 2026-11-29.
    pub const FAR: (usize, usize) = (16, 1);
    /// Cycles to move an element in pieces of vectors. Unit: cycles an element. Zen 3, 2026-11-26.
    pub const PIECES: f64 = 1.0;
    /// The same from and to memory beyond the second-level cache. Unit: cycles an element. Zen 3, 2026-11-26.
    pub const FAR_PIECES: f64 = 3.5;
    /// The same where a piece is one masked load and one masked store: 1.5 of a matrix of 4 MB, 1.9 of 16 MB. Unit:
    /// cycles an element. Emerald Rapids, 2026-11-29.
    pub const FAR_MASKED: f64 = 1.8;
    /// Lanes of a machine from which on panels are gathered from a right operand that lies transposed; with fewer it is
    /// first copied to its usual layout, as `docs/experiments/004-panels-from-transposed-weights.md` found. Unit:
    /// lanes. Emerald Rapids, 2026-11-29.
    pub const SQUARE_LANES: usize = 16;
    /// Cycles to move an element in squares that are transposed in registers. Unit: cycles an element. Zen 3,
    /// 2026-11-26.
    pub const SQUARES: f64 = 1.0;
    /// The same from and to memory beyond the second-level cache. Unit: cycles an element. Zen 3, 2026-11-26.
    pub const FAR_SQUARES: f64 = 1.5;
    /// Cycles to move an element in squares, panel by panel: 0.82 of matrices of 1 and 4 MB. Unit: cycles an element.
    /// Emerald Rapids, 2026-11-29.
    pub const PANELS: f64 = 0.9;
    /// Cycles to move an element by itself. Unit: cycles an element. Zen 3, 2026-11-26.
    pub const ELEMENTS: f64 = 2.0;
}

/// Sums in blocks of the reduced axis.
pub mod k_blocking {
    /// What of the first-level cache is left to a tile's rows and sums, which pass by a strip of packed B. Unit: bytes.
    /// Zen 3 (of 32 KiB), 2026-11-26; Emerald Rapids (of 48 KiB), 2026-11-29.
    pub const PASSING: usize = 16 << 10;
    /// What a strip of packed B fills of the second-level cache with [`DEEP_LANES`](super::stalls::DEEP_LANES) or more,
    /// where tiles read it from there as fast, and sums are loaded and stored the less often the longer its blocks are
    /// (`docs/experiments/032-strips-asked-for-ahead.md`). Unit: share of a cache. Emerald Rapids, 2026-11-30.
    pub const DEEP_STRIP: (usize, usize) = (1, 16);
    /// What a block of packed A fills of the second-level cache, at most. Unit: share of a cache. Zen 3, 2026-11-26.
    pub const ROWS: (usize, usize) = (1, 2);
    /// What the sums of a block fill of it. Unit: share of a cache. Zen 3, 2026-11-26.
    pub const SUMS: (usize, usize) = (1, 4);
    /// The part of the waits for memory that must be left where a block has fewer rows, for more columns, than would
    /// fit: 44 % with 2048 x 2048 in 2 MiB, where that was measured, and more in smaller caches. Unit: share of 1.
    /// Emerald Rapids, 2026-11-29.
    pub const FEWER: f64 = 0.5;
    /// How much less than what would fit equal parts of an axis may be. Unit: ratio. Zen 3, 2026-11-26.
    pub const PART: usize = 4;
    /// Cycles to load and store a vector of sums again, and to start and end a tile's loop. Unit: cycles a vector,
    /// cycles a tile. Zen 3, 2026-11-26.
    pub const AGAIN: [f64; 2] = [5.0, 16.0];
    /// The same with [`DEEP_LANES`](super::stalls::DEEP_LANES) or more: 2048 x 2048 x 2048 in blocks of 512 products takes
    /// 10 % longer than in one run, 5 % of it for this. Units: the same. Emerald Rapids, 2026-11-30.
    pub const DEEP_AGAIN: [f64; 2] = [12.0, 16.0];
}

/// Sums in parts.
pub mod split_k {
    /// Parts, at most. Unit: parts. Zen 4, 2026-11-23.
    pub const PARTS: usize = 8;
    /// The same with [`DEEP_LANES`](super::stalls::DEEP_LANES) or more: partial results of 8 parts of 128 x 512 sums take
    /// 10 % of the time of 1,024 products each, of 4 parts a third of that. Unit: parts. Emerald Rapids, 2026-11-30.
    pub const DEEP_PARTS: usize = 4;
    /// Fewer parts that are weighed there, too, beside whole sums and for all that are not taken whole in any case
    /// ([`WHOLE`](super::accumulate::WHOLE)). Unit: parts. Emerald Rapids, 2026-12-01.
    pub const FEW_PARTS: usize = 2;
    /// Cycles more that a line takes of rows of which another thread has just written half, on two threads: 6 to 17 for
    /// 128 x 128, 128 x 384 and 256 x 256 sums of 1,024 products. Unit: cycles a line. Emerald Rapids, 2026-12-01.
    pub const OTHERS: f64 = 8.0;
    /// What both operands fill, at most, that is found in the other thread's cache: what is larger comes from farther away
    /// in any case. Unit: times the second-level cache. Emerald Rapids, 2026-12-01.
    pub const NEARBY: (usize, usize) = (3, 2);
    /// Partial results in elements, at most. Unit: f32 elements. Zen 4, 2026-11-23.
    pub const SCRATCH: usize = 1 << 20;
    /// Products of one output below which a sum is not split. Unit: products. Zen 4, 2026-11-23.
    pub const DEPTH: usize = 1024;
    /// The same where the left operand has one row: 784 x 512 and 512 x 512 of one row take 18 us together on two
    /// threads in parts, and 30 by columns. Unit: products. Emerald Rapids, 2026-11-29.
    pub const DEPTH_OF_A_ROW: usize = 512;
    /// Lanes from which on that is so: with 8, packed panels of 784 x 512 take two thirds of the time of parts. Unit: lanes.
    /// Emerald Rapids, and by the measurements of Zen 3, 2026-11-29.
    pub const ROW_LANES: usize = 16;
    /// What an operand fills, at most, that does not come from beyond the caches. Unit: times the second-level cache.
    /// Zen 3, 2026-11-28.
    pub const FAR: (usize, usize) = (4, 1);
    /// Elements of a run that is long enough to be found anew: some pages. Unit: f32 elements. Zen 3, 2026-11-28.
    pub const RUN: usize = 4096;
    /// Cycles that it takes to find a run in memory, as measured: `Linear(4096, 4096)` of 1 to 8 rows takes 500 to
    /// 900 more for each piece in 8 parts (Zen 3). Unit: cycles a run. Zen 3, 2026-11-28.
    pub const RESTART: f64 = 500.0;
    /// Results for each product of one output above which there is enough to do without. Unit: ratio. Zen 4,
    /// 2026-11-23.
    pub const RESULTS: usize = 64;
    /// Cycles to add a vector of partial sums. Unit: cycles a vector. Zen 3, 2026-11-26.
    pub const ADD: f64 = 1.0;
    /// The same with [`DEEP_LANES`](super::stalls::DEEP_LANES) or more, of 4 or 8 parts of 128 x 512 sums. Unit: cycles a
    /// vector. Emerald Rapids, 2026-11-30.
    pub const DEEP_ADD: f64 = 4.0;
    /// The same where they do not stay in the second-level cache. Unit: cycles a vector. Zen 3, 2026-11-26.
    pub const FAR_ADD: f64 = 2.0;
}

/// Sums that are added to memory.
pub mod accumulate {
    /// Products of one sum that are taken before it is written back, at least. Unit: products. Zen 4, 2026-11-23.
    pub const STRIP: usize = 48;
    /// With [`DEEP_LANES`](super::stalls::DEEP_LANES) or more, where strips are asked for ahead: products of one sum that
    /// are taken before it is written back, at most, so that what the tiles meet stays in the second-level cache: parts of
    /// 800 rows of 512 columns take 26 % longer whole, as 2 KiB from row to row crowd a few sets. Unit: products. Emerald
    /// Rapids, 2026-11-30.
    pub const PIECE: usize = 256;
    /// Products of one sum up to which it is taken whole there. Unit: products. Emerald Rapids, 2026-11-30.
    pub const WHOLE: usize = 512;
    /// Cycles to add a vector of sums to memory. Unit: cycles a vector. Zen 4, 2026-11-23.
    pub const ADD: f64 = 2.0;
    /// Cycles to clear a vector, and to hand it on. Unit: cycles a vector. Zen 4, 2026-11-23.
    pub const PASS: f64 = 3.0;
}

/// Products, and the sums of what overlaps.
pub mod overlap_add {
    /// Products that meet at one place, at most. Unit: products. Zen 3, 2026-11-28.
    pub const MOST: usize = 64;
    /// Products in elements, at most. Unit: f32 elements. Zen 3, 2026-11-28.
    pub const SCRATCH: usize = 1 << 22;
    /// How many times as many products as there are results, at most. Unit: ratio. Zen 3, 2026-11-28.
    pub const TIMES: usize = 4;
    /// Cycles to add a product to a vector of sums. Unit: cycles a vector. Zen 3, 2026-11-28.
    pub const ADDING: f64 = 0.7;
    /// Cycles to begin and to store a vector of sums. Unit: cycles a vector. Zen 3, 2026-11-28.
    pub const SUM: f64 = 4.0;
    /// Cycles that a product takes which is kept and found again in the second-level cache. Unit: cycles an
    /// element. Zen 3, 2026-11-28.
    pub const NEAR: f64 = 0.15;
    /// The same beyond it. Unit: cycles an element. Zen 3, 2026-11-28.
    pub const FAR: f64 = 0.5;
    /// Cycles that the kernel takes beside those of the sums. Unit: cycles a call. Zen 3, 2026-11-28.
    pub const CALL: f64 = 800.0;
}

/// Copies to other layouts.
pub mod relayout {
    /// Places along the source's contiguous axis that are copied before the next strip of the other one: a cache
    /// line of f32. Unit: f32 elements. As `target.rs` says.
    pub const LINE: usize = super::target::LINE;
    /// What the elements of both sides fill, at most, that are not far away. Unit: times the second-level cache. Zen 3,
    /// 2026-11-26.
    pub const FAR: (usize, usize) = (4, 1);
    /// Cycles to move an element in whole vectors. Unit: cycles an element. Zen 3, 2026-11-26.
    pub const VECTORS: f64 = 0.5;
    /// Cycles to move an element in squares that are transposed in registers. Unit: cycles an element. Zen 3,
    /// 2026-11-26.
    pub const SQUARES: f64 = 0.9;
    /// The same in squares of more than [`LANES`] lanes a side: 4 shuffles for each 16 elements instead of 3 for each
    /// 8. 0.4 alone within the second-level cache, 0.8 where lines crowd a set, and 0.9 before the product that reads the
    /// copy of 256 x 1024. Unit: cycles an element. Emerald Rapids, 2026-11-30.
    pub const WIDE_SQUARES: f64 = 1.0;
    /// See [`WIDE_SQUARES`]. Unit: lanes. As Zen 3 has.
    pub const LANES: usize = 8;
    /// The same from and to memory beyond the caches. Unit: cycles an element. Zen 3, 2026-11-26.
    pub const FAR_SQUARES: f64 = 2.4;
    /// Cycles to move an element by itself. Unit: cycles an element. Zen 3, 2026-11-26.
    pub const ELEMENTS: f64 = 2.0;
}

/// Results along another axis.
pub mod transpose_results {
    /// Cycles that the kernel takes beside those of the elements. Unit: cycles a call. Zen 3, 2026-11-26.
    pub const CALL: f64 = 800.0;
    /// Lanes from which on convolutions of few features are tried with pixels along them, and their results transposed.
    /// Unit: lanes. Emerald Rapids, 2026-11-29; not measured where there are fewer.
    pub const PIXELS: usize = 16;
}

/// Winograd's ways.
pub mod winograd;

/// Rows that tasks convert to f32.
pub mod converted_rows {
    /// Cycles to convert an element. Unit: cycles an element. Emerald Rapids, 2026-11-30.
    pub const ELEMENT: f64 = 0.25;
    /// Tasks, at most, that rows are cut into: each has scratch memory of its own. Unit: tasks. Emerald Rapids,
    /// 2026-11-30.
    pub const MOST_TASKS: usize = 16;
    /// Rows of such multiples of elements would crowd a few sets of the first-level cache. Unit: f32 elements.
    /// Emerald Rapids, 2026-11-30.
    pub const SPREAD: usize = 128;
    /// Vectors that are copied in a step. Unit: vectors. Emerald Rapids, 2026-11-30.
    pub const UNROLL: usize = 4;
}

/// Loops over iteration spaces.
pub mod loops {
    /// Windows of at most so many elements are unrolled. Unit: elements. Zen 4, 2026-11-23.
    pub const UNROLLED_ELEMENTS: usize = 16;
    /// Expressions of more weight are not unrolled: one vector of theirs fills the registers. Unit: weight, an
    /// addition being 1. Zen 4, 2026-11-23.
    pub const UNROLL_WEIGHT: u64 = 40;
    /// Places of an iteration space that one task of a grid handles, about: some microseconds of work. Unit:
    /// places. Zen 4, 2026-11-23.
    pub const TASK_PLACES: usize = 8192;
    /// Work for fewer tasks is one task. Unit: tasks. Zen 4, 2026-11-23.
    pub const LEAST_TASKS: usize = 2;
    /// Tasks from which on an axis that they do not divide is cut into an even part and a rest, a kernel of its own.
    /// Unit: tasks. Zen 4, 2026-11-23.
    pub const TASKS_AND_REST: usize = 4;
    /// Places of the innermost axis that a transposing kernel handles before it goes on along the other axis: a line of
    /// results. Unit: places. Emerald Rapids, 2026-11-30.
    pub const TRANSPOSED_PART: usize = 16;
    /// The part of [`TASK_PLACES`] below which a task is too small. Unit: 1 over it. Zen 4, 2026-11-23.
    pub const SMALL_TASK: usize = 8;
    /// The weight that takes as long as moving a place. Unit: weight, an addition being 1. Zen 4, 2026-11-23.
    pub const MOVING_WEIGHT: usize = 8;
    /// Vectors that an inner loop handles in one iteration, so that several chains of operations are in flight. Unit:
    /// vectors. Zen 4, 2026-11-23.
    pub const UNROLL: usize = 4;
}

/// Look-ups by index, and additions at indices.
pub mod indexing {
    /// Places from which on the outermost axis is the grid. Unit: places. Zen 4, 2026-11-23.
    pub const SHARED_PLACES: usize = 4096;
    /// What is added at one index is cut into parts of so many elements at least, since each task reads all indices.
    /// Unit: elements. Emerald Rapids, 2026-11-30.
    pub const ROW_PART: usize = 64;
    /// Tasks that share additions, at most, where they have to cut what is added at one index. Unit: tasks. A guess,
    /// 2026-11-30.
    pub const ROW_TASKS: usize = 16;
}

/// Reductions.
pub mod reductions {
    /// Results for each term of one from which on they are tasks enough, and a reduction is not cut into parts. Unit: 1
    /// over terms. Zen 4, 2026-11-23.
    pub const TERMS_A_RESULT: usize = 8;
    /// Parts of one reduction, at least: fewer are little work. Unit: parts. Zen 4, 2026-11-23.
    pub const LEAST_PARTS: usize = 4;
    /// Vectors along an axis that are as good as any more, where one is chosen for the lanes. Unit: vectors. Zen 4,
    /// 2026-11-23.
    pub const LONG_ENOUGH: usize = 4;
    /// Reductions of one space from which on each gets half of the vectors of an iteration. Unit: reductions. Zen 3,
    /// 2026-11-26.
    pub const MANY: usize = 3;
    /// The largest number of parts of one reduction. Unit: parts. Zen 3, 2026-11-26.
    pub const MOST_PARTS: usize = 128;
    /// Accumulators that are enough to hide the latency of a fold. Unit: vectors. Zen 3, 2026-11-26.
    pub const ACCUMULATORS: usize = 8;
    /// What comes behind sums of rows is computed for as many rows as there are lanes from this weight on: a logarithm
    /// (15) behind sums of 10 terms took 35 cycles a row, 15 behind those of 16 rows. Unit: weight, an addition being
    /// 1. Emerald Rapids, 2026-11-29.
    pub const BEHIND: u64 = 5;
    /// Terms that an accumulator adds up before its sum goes into a total: as many equal ones lose 5e-7 of the sum
    /// at most. Unit: terms. Zen 3, 2026-11-28.
    pub const BLOCK: usize = 32;
}

/// What is computed together, and what again.
pub mod fusion {
    /// A scatter of at most so many updates along its axis is computed at the places that receive them. Unit:
    /// updates. Zen 4, 2026-11-23.
    pub const SCATTERED_UPDATES: usize = 2;
    /// Epilogues of contractions of more weight are kernels of their own: accumulators wait in registers meanwhile.
    /// Unit: weight, an addition being 1. Zen 4, 2026-11-23.
    pub const EPILOGUE_WEIGHT: u64 = 40;
    /// So many reductions go into one kernel at most: their accumulators share the registers. Unit: reductions. Zen
    /// 3, 2026-11-26.
    pub const MOST_REDUCTIONS: usize = 4;
    /// A value of at most this weight that reads at most one tensor of its size is computed again by each of its
    /// users. Unit: weight, an addition being 1. Zen 4, 2026-11-23.
    pub const RECOMPUTED_WEIGHT: u64 = 2;
    /// An operand that has so many times fewer elements than the result, which repeats it, costs nothing to read. Unit:
    /// ratio. Zen 3, 2026-11-28.
    pub const REPEATED: usize = 2;
    /// A kernel computes so many elementwise operations at most, but for what several groups compute: its code, and
    /// what it keeps in registers or on the stack, grow with them, while storing a value and loading it again costs
    /// as much as a few of them. Unit: operations. Zen 3, 2026-11-28.
    pub const LARGEST: usize = 256;
    /// A value of at most this weight that windows alone read is computed by them. Unit: weight, an addition being
    /// 1. Zen 3, 2026-11-26.
    pub const WINDOWED_WEIGHT: u64 = 8;
}

/// Copies of tensors between users' layouts and those of plans.
pub mod user_copies {
    /// Places of a run of the source (8 kernels of 3 x 3) that are transposed together with [`ACROSS`] places of a run
    /// of the copy: both stay in the first-level cache, since the distances in a tensor crowd its sets. Unit: f32
    /// elements. Zen 3, 2026-11-26.
    pub const RUN: usize = 72;
    /// See [`RUN`]. Unit: f32 elements. Zen 3, 2026-11-26.
    pub const ACROSS: usize = 64;
}

/// Memory of programs and states.
pub mod memory {
    /// Floating-point operations on each byte of its memory from which on a program is limited by them alone, and is
    /// not worth huge pages. Unit: floating-point operations a byte. Zen 3, 2026-11-26.
    pub const MUCH_COMPUTING: u64 = 64;
    /// States of so many bytes are worth a thread of their own to be made by. Unit: bytes. Zen 3, 2026-11-26.
    pub const WORTH_A_THREAD: usize = 8 << 20;
    /// Memory for fewer elements is not worth being used again. Unit: f32 elements. Zen 3, 2026-11-26.
    pub const WORTH_RECYCLING: usize = 16 << 10;
}

/// Recipes that are measured.
pub mod tuning {
    /// The part of all contractions' time below which one keeps its usual recipe. Unit: share of 1. Zen 3, 2026-11-26.
    pub const NEGLIGIBLE: f64 = 0.003;
    /// How many times faster than the usual recipe another one must be to be chosen: what is less is noise. Unit:
    /// ratio. Zen 3, 2026-11-26.
    pub const GAIN: f64 = 1.03;
    /// Seconds of a stage from which on it counts whether threads share it: 100,000 cycles at 3.3 GHz. Unit: seconds.
    /// Zen 3, 2026-11-26.
    pub const LONG: f64 = 30e-6;
}
