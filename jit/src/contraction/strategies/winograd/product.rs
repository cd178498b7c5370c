//! The matrix products between the transforms, tiled. It knows contractions and how they are tiled; of the
//! transforms it knows how many elements they give.

use std::cell::RefCell;

use rustc_hash::FxHashMap;

use super::super::packed_panels::PackedPanels;
use super::super::register_tiles::{self, Factors};
use crate::contraction::problem::{Axis, Contraction, Coordinate};
use crate::contraction::stalls::Stalls;
use crate::contraction::tiling::Tiling;
use crate::cost::params::search::NEARLY;
use crate::cost::params::stalls;
use crate::target::Target;

/// A distance between elements that starts each one at another set of a cache.
pub fn apart(elements: usize) -> usize {
    // An odd number of lines. A transform stores to all elements at once: at a distance of a power of two they would all
    // fall on one set of the cache and push one another out.
    let line = stalls::LINE as usize;
    (elements.div_ceil(line) | 1) * line
}

/// The distance between elements of a right operand in panels, `[panel, place of the sum, feature of the panel]`.
pub fn panels(depth: usize, features: usize, panel: usize) -> usize {
    apart(features.div_ceil(panel) * panel * depth)
}

/// The products of the strategies to compute one operation, most of which have several strategies in common.
pub struct Products<'a> {
    pub target: &'a Target,
    waiting: Stalls<'a>,
    known: RefCell<FxHashMap<Sizes, Option<Product>>>,
}

/// What decides on a product.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sizes {
    /// How many elements, each of which is a product.
    pub elements: usize,
    /// The distance between elements of the left operand.
    pub element: usize,
    /// Rows: how many, and their distance in the left operand.
    pub rows: (usize, usize),
    /// Columns.
    pub features: usize,
    /// Places of the sum: how many, and their distance in the left operand.
    pub depth: (usize, usize),
}

/// See [`product`].
#[derive(Clone)]
pub struct Product {
    pub tiling: Tiling,
    /// Features of a panel.
    pub panel: usize,
    /// Estimated cycles.
    pub cycles: f64,
}

impl<'a> Products<'a> {
    /// None yet.
    pub fn new(target: &'a Target) -> Products<'a> {
        Products { target, waiting: Stalls::new(target), known: RefCell::default() }
    }

    /// See [`product`].
    pub fn of(&self, sizes: Sizes) -> Option<Product> {
        self.known.borrow_mut().entry(sizes).or_insert_with(|| product(sizes, &self.waiting, self.target)).clone()
    }
}

/// For each element, a product with rows, features as columns and sums over some depth: `[element, row,
/// feature]`. The left operand lies as the sizes say, the right one in panels.
fn product(sizes: Sizes, waiting: &Stalls<'_>, target: &Target) -> Option<Product> {
    let Sizes { elements, element, rows, features, depth } = sizes;
    let axis = |extent: usize, left: usize, right: usize, reduce: bool| {
        let [left, right] = [left, right].map(|distance| distance as i64);
        Axis { extent, left, right, reduce }
    };
    // axis       left                          right
    // element    element                       depth * features     products beside each other
    // row        rows.1                        0
    // feature    0                             1                    along the lanes
    // depth      depth.1                       features             reduced
    //
    // The right operand is told as if it were dense, to find tiles for it; then it lies in panels as wide as these.
    let axes = vec![
        axis(elements, element, depth.0 * features, false),
        axis(rows.0, rows.1, 0, false),
        axis(features, 0, 1, false),
        axis(depth.0, depth.1, features, true),
    ];
    let output = (0..3).map(|axis| Coordinate { offset: 0, terms: vec![(axis, 1)] }).collect();
    let contraction = Contraction { axes, left: 0, right: 0, output, fast: 2 };
    let mut best: Option<Product> = None;
    let in_panels = |tiling: &Tiling, cycles: f64, most: f64| {
        let along = |coordinate: usize| Some(tiling.contraction.output[coordinate].terms.first()?.0);
        let (element, lanes) = (along(0)?, along(2)?);
        // Other tilings would read panels of another operand or along another axis than the transforms write.
        let fits = !tiling.swapped && !tiling.by_rows && tiling.fold.is_none() && tiling.vector == Some(lanes);
        if !fits {
            return None;
        }
        let (_, mut tiling) = PackedPanels::right(tiling)?;
        let cycles = cycles + waiting.cycles(&tiling, cycles, most - cycles);
        let panel = tiling.levels.iter().find(|l| l.axis == lanes)?.size;
        // The panels of one element lie `apart` from those of the next.
        tiling.contraction.axes[element].right = panels(depth.0, features, panel) as i64;
        // The product is a part of a task: its loops are no grid.
        tiling.grid = 0;
        (cycles < most).then_some(Product { tiling, panel, cycles })
    };
    register_tiles::candidates(&contraction, NEARLY, f64::INFINITY, Factors::Numbers, target, |tiling, cycles, _| {
        // What has been found is the limit for what is still looked at.
        let most = |best: &Option<Product>| best.as_ref().map_or(f64::INFINITY, |product| product.cycles);
        best = in_panels(&tiling, cycles, most(&best)).or_else(|| best.take());
        most(&best)
    });
    best
}
