//! Estimates how long a tiling's multiply-adds wait for memory. It knows caches by their size alone: lines of 64 bytes, 8 ways.

use super::choose::Tiling;
use super::{Axis, Contraction};
use crate::target::Target;

/// Bytes of a cache line.
const LINE: i64 = 64;
/// Ways of a cache that one operand may fill.
const WAYS: usize = 6;
/// Cycles that a line from the second-level cache takes of the multiply-adds' time.
const NEAR: f64 = 1.2;
/// Cycles that a line from beyond takes.
const FAR: f64 = 6.0;
/// Places looked at, at most.
const PLACES: usize = 1 << 11;
/// Turns of the innermost loops over which the left operand's lines are counted.
const TURNS: usize = 64;

/// Estimated cycles that a tiling's multiply-adds wait: for the right operand, whose stretch is read again for each tile of
/// rows, and for the left one, whose rows are read again for each stretch.
pub(super) fn waiting(tiling: &Tiling, target: &Target) -> f64 {
    let contraction = &tiling.contraction;
    let depth: usize = contraction.axes.iter().filter(|a| a.reduce).map(|a| a.extent).product();
    let turns = tiles(tiling) * depth as f64;
    turns * (right(tiling, target) + left(tiling, target))
}

/// The number of tiles.
fn tiles(tiling: &Tiling) -> f64 {
    let innermost = |at: usize| tiling.levels[at + 1..].iter().all(|l| l.axis != tiling.levels[at].axis);
    let count = |at: usize| {
        let level = tiling.levels[at];
        tiling.contraction.axes[level.axis].extent.div_ceil(level.size) as f64
    };
    (0..tiling.levels.len()).filter(|&at| innermost(at)).map(count).product()
}

/// Every place that stretches of axes span, from the last axis outwards, as far as it makes sense to look.
fn places(contraction: &Contraction, axes: &[(usize, usize)], stride: fn(&Axis) -> i64, most: usize) -> Vec<i64> {
    let mut places = vec![0];
    for &(axis, extent) in axes.iter().rev() {
        let extent = extent.min(most / places.len()).max(1) as i64;
        let step = stride(&contraction.axes[axis]);
        places = (0..extent).flat_map(|i| places.iter().map(move |place| place + i * step)).collect();
    }
    places
}

/// The different lines of some places.
fn lines(places: &[i64]) -> Vec<i64> {
    let mut lines: Vec<i64> = places.iter().map(|place| (4 * place).div_euclid(LINE)).collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// Cycles a line for a share of lines that come from beyond each cache.
fn cycles(beyond: impl Fn(usize) -> f64, target: &Target) -> f64 {
    NEAR * beyond(target.l1_bytes) + FAR * beyond(target.l2_bytes)
}

/// Cycles that one product of each sum of a tile waits for the right operand.
fn right(tiling: &Tiling, target: &Target) -> f64 {
    let contraction = &tiling.contraction;
    let mut axes: Vec<(usize, usize)> =
        tiling.reduce.iter().map(|l| (l.axis, contraction.axes[l.axis].extent)).collect();
    let stretch = tiling.levels.iter().find(|l| Some(l.axis) == tiling.vector);
    let width = stretch.map_or(1, |l| l.size.min(contraction.axes[l.axis].extent));
    axes.extend(stretch.map(|l| (l.axis, width)));
    let places = places(contraction, &axes, |axis| axis.right, PLACES * width);
    let lines = lines(&places);
    let beyond = |bytes: usize| {
        let count = bytes / LINE as usize / 8;
        let mut sets = vec![0usize; count];
        for line in &lines {
            sets[line.rem_euclid(count as i64) as usize] += 1;
        }
        let over: usize = sets.iter().filter(|&&count| count > WAYS).sum();
        over as f64 / lines.len() as f64
    };
    (lines.len() * width) as f64 / places.len() as f64 * cycles(beyond, target)
}

/// Cycles that one product of each sum of a tile waits for the left operand.
fn left(tiling: &Tiling, target: &Target) -> f64 {
    let contraction = &tiling.contraction;
    let at = tiling.levels.iter().position(|l| Some(l.axis) == tiling.vector).map_or(0, |at| at + 1);
    let (outside, inside) = tiling.levels.split_at(at);
    let mut block: Vec<usize> = contraction.axes.iter().map(|a| if a.reduce { a.extent } else { 1 }).collect();
    for level in inside {
        let around = outside.iter().rev().find(|l| l.axis == level.axis);
        block[level.axis] = around.map_or(contraction.axes[level.axis].extent, |l| l.size);
    }
    let bytes = 4 * contraction.left_elements(&block);
    let beyond = |cache: usize| f64::from(u8::from(bytes > cache / 4 * 3));
    let rows: Vec<(usize, usize)> = inside.iter().map(|l| (l.axis, l.size)).collect();
    let rows = places(contraction, &rows, |axis| axis.left, TURNS);
    let reduce: Vec<(usize, usize)> = tiling.reduce.iter().map(|l| (l.axis, contraction.axes[l.axis].extent)).collect();
    let turns = places(contraction, &reduce, |axis| axis.left, TURNS);
    let touched: Vec<i64> = turns.iter().flat_map(|turn| rows.iter().map(move |row| row + turn)).collect();
    lines(&touched).len() as f64 / turns.len() as f64 * cycles(beyond, target)
}
