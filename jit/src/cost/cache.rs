//! What it takes to fetch operands through the caches: which lines places at some strides lie on, how many of them fall
//! on one set, and what waits for those that do not stay. Of the machine it knows the caches' sizes; the rest is what
//! current processors have in common: lines, ways and pages as `target.rs` says, prefetchers that follow runs.
//!
//! Much of the time to compile a product is spent here. Its loops count in slices: in a debug build of a user's crate,
//! each step of an iterator is several calls.

use kiln_graph::shape::real;

use super::params::stalls::{
    ALTERNATING, ASKED, ASKING_TILES, DEEP_LANES, DEEP_SCATTERED, DEEP_WALK, FAR_RUN, FAR_SCATTERED, HIDDEN, LINE,
    PAGE, PAGES, PASSING_WAYS, RUN, SCATTERED, WALK,
};
use crate::target::{self, Target};

/// The bytes that a share of a cache is.
pub fn share(cache_bytes: usize, (part, of): (usize, usize)) -> usize {
    cache_bytes / of * part
}

/// Whether so many f32 elements stay in a cache, of which they may fill a share (`params::caches`).
pub fn holds(cache_bytes: usize, filled: (usize, usize), elements: usize) -> bool {
    4 * elements <= share(cache_bytes, filled)
}

/// What one product of each sum of a tile needs of memory.
#[derive(Clone, Copy)]
pub struct Fetched {
    /// Lines of dense runs from the second-level cache.
    pub runs: f64,
    /// Cycles of waiting for all else.
    pub waiting: f64,
}

impl Fetched {
    pub fn beside(self, other: Fetched) -> Fetched {
        Fetched { runs: self.runs + other.runs, waiting: self.waiting + other.waiting }
    }

    pub fn over(self, iterations: usize) -> Fetched {
        Fetched { runs: self.runs / iterations as f64, waiting: self.waiting / iterations as f64 }
    }

    /// Cycles of waiting, where the products take so many; `hindering` is what fetching costs of them even so.
    pub fn within(self, step: f64, hindering: f64) -> f64 {
        // Lines come while products are computed, in up to HIDDEN of the step's cycles; that slows the products by
        // `hindering` of the time to fetch them, and what does not fit is waited for:
        //   waiting + hindering * fetching + max(0, fetching - HIDDEN * step)
        let fetching = RUN * self.runs;
        self.waiting + hindering * fetching + (fetching - HIDDEN * step).max(0.0)
    }
}

/// Lines of the next strip, of so many elements, that each tile of a strip asks for: none where few tiles would have to
/// ask for too many.
pub fn asked(strip: usize, tiles: usize, target: &Target) -> usize {
    let lines = strip.div_ceil(LINE as usize * tiles.max(1));
    let many = if target.lanes >= DEEP_LANES { tiles < ASKING_TILES } else { lines > ASKED };
    if many { 0 } else { lines }
}

/// As many places of axes of some extents and strides, from the last one outwards, as it makes sense to look at: how
/// many, and their extents and strides.
pub fn looked_at(axes: &[(usize, i64)], most: usize) -> (usize, Vec<(i64, i64)>) {
    let mut places = 1;
    let mut looked_at = Vec::with_capacity(axes.len());
    for &(extent, stride) in axes.iter().rev() {
        // The innermost axes whole, as far as `most` places reach, then a part of the next one, then one place of all
        // others.
        let extent = extent.min(most / places).max(1);
        places *= extent;
        looked_at.push((extent as i64, stride));
    }
    (places, looked_at)
}

/// The first and the last of lines that follow one another.
pub type Run = (i64, i64);

/// The different lines on which runs of some length lie, one at each place that axes of some extents and strides span,
/// in order.
pub fn lines(mut axes: Vec<(i64, i64)>, run: i64) -> Vec<Run> {
    axes.sort_by_key(|&(_, stride)| stride.abs());
    // The first and the last place of spans; between them no line is left out.
    let mut spans = vec![(0, run - 1)];
    for (extent, stride) in axes {
        let moved = (extent - 1) * stride;
        match spans[..] {
            // One span, and steps that leave no line out: still one span, as of a dense tensor. No list of its places
            // is needed.
            [(first, last)] if stride.abs() <= last - first + LINE => {
                spans = vec![(first + moved.min(0), last + moved.max(0))];
            }
            _ => spans = moved_along(&spans, extent, stride),
        }
    }
    let spans = spans.as_mut_slice();
    let (mut sorted, mut number) = (true, 0);
    while number < spans.len() {
        let (first, last) = (line(spans[number].0), line(spans[number].1));
        spans[number] = (first, last);
        if number > 0 {
            let before = spans[number - 1];
            sorted &= before.0 < first || before.0 == first && before.1 <= last;
        }
        number += 1;
    }
    if !sorted {
        spans.sort_unstable();
    }
    // In place: so many runs are told apart so far, the last of which ends at `end`.
    let (mut runs, mut end) = (0, 0);
    let mut number = 0;
    while number < spans.len() {
        let (first, last) = spans[number];
        if runs > 0 && first <= end + 1 {
            end = if last > end { last } else { end };
            spans[runs - 1].1 = end;
        } else {
            spans[runs] = (first, last);
            (runs, end) = (runs + 1, last);
        }
        number += 1;
    }
    spans[..runs].to_vec()
}

/// Spans at each place of an axis.
fn moved_along(spans: &[Run], extent: i64, stride: i64) -> Vec<Run> {
    let mut moved = vec![(0, 0); spans.len() * extent.max(0) as usize];
    let all = moved.as_mut_slice();
    let (mut at, mut by) = (0, 0);
    while at < all.len() {
        let mut number = 0;
        while number < spans.len() {
            all[at] = (spans[number].0 + by, spans[number].1 + by);
            (at, number) = (at + 1, number + 1);
        }
        by += stride;
    }
    moved
}

/// The line on which a place lies.
fn line(place: i64) -> i64 {
    const { assert!(LINE.count_ones() == 1) }
    place >> LINE.trailing_zeros()
}

/// The page on which a line lies.
fn page(line: i64) -> i64 {
    const { assert!((PAGE / LINE).count_ones() == 1) }
    line >> (PAGE / LINE).trailing_zeros()
}

/// How many lines there are.
pub fn count(lines: &[Run]) -> i64 {
    let (mut count, mut number) = (0, 0);
    while number < lines.len() {
        count += lines[number].1 - lines[number].0 + 1;
        number += 1;
    }
    count
}

/// What it takes to read lines again, of which shares do not stay in the first-level and the second-level cache.
pub fn again(
    lines: &[Run],
    beyond: impl Fn(&[Run], usize) -> f64,
    all_pages: Option<usize>,
    target: &Target,
) -> Fetched {
    let dense = is_dense(lines);
    // Pages met in order: one at first, one more for each border within a run, and for each run that begins on another
    // page.
    let (mut pages, mut number) = (1, 0);
    while number < lines.len() {
        let (first, last) = (page(lines[number].0), page(lines[number].1));
        pages += (last - first) as usize;
        if number > 0 && page(lines[number - 1].1) != first {
            pages += 1;
        }
        number += 1;
    }
    // The lines that follow another one are a run, which prefetchers see.
    // 16 lines in 4 runs: 12 of 15 follow another one.
    let count = count(lines) as f64;
    let runs = if count == 1.0 { 1.0 } else { (count - lines.len() as f64) / (count - 1.0) };
    // Lines that have left the first cache come from the second; of those that have left it, too, the price comes on
    // top.
    let near = count * beyond(lines, target.l1_bytes);
    let far = count * beyond(lines, target.l2_bytes) * (runs * FAR_RUN + (1.0 - runs) * FAR_SCATTERED);
    let deep = target.lanes >= DEEP_LANES;
    let (scattered, walk) = if deep { (DEEP_SCATTERED, DEEP_WALK) } else { (SCATTERED, WALK) };
    let walks = if all_pages.unwrap_or(pages) > PAGES { walk * pages as f64 } else { 0.0 };
    let walks = if dense { 0.0 } else { walks };
    let waiting = far + walks;
    match dense {
        true => Fetched { runs: near, waiting },
        false => Fetched { runs: 0.0, waiting: waiting + near * (runs * ALTERNATING + (1.0 - runs) * scattered) },
    }
}

/// The share of some lines that do not stay in a cache, since too many of them fall on one set.
pub fn crowded(lines: &[Run], bytes: usize, target: &Target) -> f64 {
    let ways = target::ways(bytes);
    let (count, all) = (bytes / target::LINE_BYTES / ways, count(lines));
    let most = ways as u32 - PASSING_WAYS;
    if target.lanes >= DEEP_LANES && count as i64 > PAGE / LINE && !is_dense(lines) {
        return crowded_by_pages(lines, count, all, most);
    }
    // A run fills the sets in turn: `all % count` of them get one line more than the others.
    if is_dense(lines) {
        let (each, more) = ((all as usize / count) as u32, all as usize % count);
        let over = |on_a_set: u32, sets: usize| if on_a_set > most { on_a_set as usize * sets } else { 0 };
        return (over(each, count - more) + over(each + 1, more)) as f64 / all as f64;
    }
    if all <= i64::from(most) {
        return 0.0;
    }
    // A line's set is its number modulo the number of sets: at a stride of 4 KiB all lines fall on one set of a cache
    // of 32 KiB.
    let mask = if count.is_power_of_two() { Some(count - 1) } else { None };
    let mut sets = vec![0u32; count];
    let sets = sets.as_mut_slice();
    let mut number = 0;
    while number < lines.len() {
        let (mut line, last) = lines[number];
        let mut set = match mask {
            Some(mask) => line as usize & mask,
            None => line.rem_euclid(count as i64) as usize,
        };
        while line <= last {
            sets[set] += 1;
            line += 1;
            set = if set + 1 == count { 0 } else { set + 1 };
        }
        number += 1;
    }
    let (mut over, mut set) = (0, 0);
    while set < count {
        if sets[set] > most {
            over += sets[set];
        }
        set += 1;
    }
    f64::from(over) / all as f64
}

/// The same of a cache whose ways are longer than a page: where in a way a page lies is the system's, as good as at
/// random. So many lines in all, of which a set holds `most`. (64 rows by 784 x 512 take 1.35 to 1.5 times as long as
/// by 784 x 528, which crowds no set; by formula 0.35 of the lines are lost. In huge pages 1.15 to 1.5. Emerald Rapids,
/// 2026-12-01.)
fn crowded_by_pages(lines: &[Run], sets: usize, all: i64, most: u32) -> f64 {
    // Lines at one place of their pages, of which each set that begins there gets some:
    //
    //     784 rows of 2 KiB, 128 bytes of each, in 32 x 64 sets: 392 at each of 4 places, 12 a set on average
    const PLACES_OF_PAGE: usize = (PAGE / LINE) as usize;
    let mut places = [0u32; PLACES_OF_PAGE];
    let mut number = 0;
    while number < lines.len() {
        let (mut line, last) = lines[number];
        while line <= last {
            places[line as usize % PLACES_OF_PAGE] += 1;
            line += 1;
        }
        number += 1;
    }
    // Of n lines on sets of `expected` on average, those on a set with `most` others or more are lost: with
    // Poisson's distribution the part 1 - exp(-expected) * sum over i < most of expected^i / i!.
    let (mut over, mut place) = (0.0, 0);
    while place < PLACES_OF_PAGE {
        let expected = f64::from(places[place]) * PLACES_OF_PAGE as f64 / sets as f64;
        let (mut term, mut fewer, mut others) = (1.0, 0.0, 0);
        while others < most {
            fewer += term;
            others += 1;
            term *= expected / f64::from(others);
        }
        // Not the system's function, whose last bit may be another on another system, and so a plan.
        over += f64::from(places[place]) * (1.0 - real::exp(-expected) * fewer).max(0.0);
        place += 1;
    }
    over / all as f64
}

/// Lines that have no place on their set of a cache beside the others.
pub fn beyond_ways(lines: &[Run], bytes: usize) -> usize {
    let ways = target::ways(bytes);
    let sets = bytes / target::LINE_BYTES / ways;
    let mut on_sets = vec![0usize; sets];
    let (mut beyond, mut number) = (0, 0);
    while number < lines.len() {
        let (mut line, last) = lines[number];
        while line <= last {
            let set = line.rem_euclid(sets as i64) as usize;
            on_sets[set] += 1;
            beyond += usize::from(on_sets[set] > ways);
            line += 1;
        }
        number += 1;
    }
    beyond
}

/// Whether different lines in order are one run.
pub fn is_dense(lines: &[Run]) -> bool {
    lines.len() == 1
}

#[cfg(test)]
mod tests {
    use super::{beyond_ways, crowded, lines};
    use crate::target::Target;

    /// Columns of 32 elements of a right operand with rows so far apart, in the second-level cache of an Emerald Rapids.
    #[test]
    fn rows_of_powers_of_two_leave_the_second_level_cache() {
        let target = Target { l2_bytes: 2 << 20, ..Target::with_lanes(16) };
        for (rows, apart, [least, most]) in [
            (256, 512, [0.0, 0.001]),
            (512, 512, [0.02, 0.05]),
            (640, 512, [0.1, 0.2]),
            (784, 512, [0.3, 0.4]),
            (1024, 512, [0.7, 0.8]),
            (1568, 512, [0.95, 1.0]),
            (784, 528, [0.0, 0.001]),
            (784, 32, [0.0, 0.0]),
        ] {
            let share = crowded(&lines(vec![(rows, apart)], 32), target.l2_bytes, &target);
            assert!((least..=most).contains(&share), "{rows} rows, {apart} apart: {share}");
        }
    }

    /// Rows of a tile in a first-level cache of 12 ways of 64 lines.
    #[test]
    fn rows_of_a_tile_crowd_a_set() {
        for (rows, apart, expected) in
            [(30, 512, 6), (30, 528, 0), (30, 1024, 18), (14, 1024, 2), (12, 1024, 0), (14, 512, 0)]
        {
            assert_eq!(beyond_ways(&lines(vec![(rows, apart)], 1), 48 << 10), expected, "{rows} rows, {apart} apart");
        }
    }
}
