//! The 16 matrix products between the transforms, tiled. It knows contractions alone.

use super::super::choose::{self, Tiling};
use super::super::panels::Panels;
use super::super::{Axis, Contraction, Coordinate, memory};
use super::ELEMENTS;
use crate::target::Target;

/// Elements of a cache line.
const LINE: usize = 16;

/// A distance between elements that starts each one at another set of a cache.
pub(super) fn apart(elements: usize) -> usize {
    (elements.div_ceil(LINE) | 1) * LINE
}

/// The distance between elements of a right operand in panels, `[panel, place of the sum, feature of the panel]`.
pub(super) fn panels(depth: usize, features: usize, panel: usize) -> usize {
    apart(features.div_ceil(panel) * panel * depth)
}

/// For each of the 16 elements, a product with rows, features as columns and sums over some depth: `[element, row, feature]`.
/// The left operand has the given distance between elements, and extents and distances of rows and depth; the right one lies
/// in panels. Also gives the features of a panel.
pub(super) fn product(
    element: usize,
    rows: (usize, usize),
    features: usize,
    depth: (usize, usize),
    target: &Target,
) -> Option<(Tiling, usize)> {
    let axis = |extent: usize, left: usize, right: usize, reduce: bool| {
        let [left, right] = [left, right].map(|distance| distance as i64);
        Axis { extent, left, right, reduce }
    };
    let axes = vec![
        axis(ELEMENTS, element, depth.0 * features, false),
        axis(rows.0, rows.1, 0, false),
        axis(features, 0, 1, false),
        axis(depth.0, depth.1, features, true),
    ];
    let output = (0..3).map(|axis| Coordinate { offset: 0, terms: vec![(axis, 1)] }).collect();
    let contraction = Contraction { axes, left: 0, right: 0, output, fast: 2 };
    let waiting = memory::Waiting::new(target);
    let mut best: Option<(Tiling, usize)> = None;
    for tiling in choose::candidates(&contraction, choose::NEARLY, target) {
        let along = |coordinate: usize| Some(tiling.contraction.output[coordinate].terms.first()?.0);
        let (element, lanes) = (along(0)?, along(2));
        let fits = !tiling.swapped
            && !tiling.by_rows
            && tiling.fold.is_none()
            && tiling.vector.is_some()
            && tiling.vector == lanes;
        if !fits || best.as_ref().is_some_and(|(b, _)| b.cycles <= tiling.cycles) {
            continue;
        }
        let Some((_, mut tiling)) = Panels::right(&tiling) else { continue };
        let most = best.as_ref().map_or(f64::INFINITY, |(b, _)| b.cycles) - tiling.cycles;
        tiling.cycles += waiting.cycles(&tiling, most);
        let panel = tiling.levels.iter().find(|l| Some(l.axis) == lanes)?.size;
        tiling.contraction.axes[element].right = panels(depth.0, features, panel) as i64;
        tiling.grid = 0;
        if best.as_ref().is_none_or(|(b, _)| tiling.cycles < b.cycles) {
            best = Some((tiling, panel));
        }
    }
    best
}
