//! Splits long sums with few results into a fixed number of parts: each part is a task of its own that stays in the
//! caches, and a last stage adds the parts. The number of parts depends on the shapes alone. It knows
//! contractions and what memory costs; it knows no tilings.

use kiln_graph::shape::Shape;

use super::emit::along;
use crate::contraction::problem::{Axis, Contraction, Coordinate, Epilogue, Place};
use crate::contraction::text::record;
use crate::cost::cache::holds;
use crate::cost::params::accumulate::WHOLE;
use crate::cost::params::caches::STAYING;
use crate::cost::params::sharing::SHARED;
use crate::cost::params::split_k::{
    ADD, DEEP_ADD, DEEP_PARTS, DEPTH, DEPTH_OF_A_ROW, FAR, FAR_ADD, FEW_PARTS, NEARBY, OTHERS, PARTS, RESTART, RESULTS,
    ROW_LANES, RUN, SCRATCH,
};
use crate::cost::params::stalls::{DEEP_LANES, LINE};
use crate::cost::sharing::worth_sharing;
use crate::kernel::{BufferId, Index, KernelBuilder, Operation, Value};
use crate::layout::{Layout, PreferredLayout};
use crate::target::Target;

/// Whether a sum runs along one axis on a machine whose tiles ask for strips ahead: whether it is split is weighed then,
/// and a part of it is taken in pieces where, whole, what the tiles of a strip meet would crowd the second-level cache,
/// and there alone. The pieces are as long as stays there.
pub fn is_deep(contraction: &Contraction, target: &Target) -> bool {
    target.lanes >= DEEP_LANES && contraction.axes.iter().filter(|axis| axis.reduce).count() == 1
}

/// How many parts a contraction's sums are split into, `None` being not at all: what is most likely worth it comes
/// first, and is the only one unless `others` are asked for, too, or the parts have a price ([`restarts`]).
pub fn counts(contraction: &Contraction, output: Shape, others: bool, target: &Target) -> Vec<Option<usize>> {
    let depth: usize = contraction.axes.iter().filter(|a| a.reduce).map(|a| a.extent).product();
    let extent = outermost(contraction).map_or(1, |axis| contraction.axes[axis].extent);
    let results = output.elements().max(1);
    let split = |most: usize| -> Option<usize> {
        let parts = most.min(extent).min(SCRATCH / results);
        // Equal parts, if some number from half as many on gives them: 100 terms go in 5 parts rather than in 8 and a
        // rest.
        let even = (parts.div_ceil(2).max(2)..=parts).rev().find(|&parts| extent.is_multiple_of(parts));
        (parts > 1).then_some(even.unwrap_or(parts))
    };
    // Short sums are not worth the memory, and many results are tasks enough. Of one row all that matters is how the
    // right operand is read: in parts it is in long runs, a task's own, and otherwise in pieces of its rows.
    let one_row = contraction.axes.iter().all(|axis| axis.reduce || axis.right != 0 || axis.extent == 1);
    let least = if one_row && target.lanes >= ROW_LANES { DEPTH_OF_A_ROW } else { DEPTH };
    let most = if target.lanes >= DEEP_LANES { DEEP_PARTS } else { PARTS };
    let usual = split(most).filter(|_| depth >= least && results <= RESULTS * depth);
    let mut counts = vec![usual];
    let is_deep = is_deep(contraction, target);
    // Then it is to be weighed: the estimates of both are compared.
    if let Some(parts) = usual
        && (is_deep || depth < DEPTH || restarts(contraction, parts, target) > 0.0)
    {
        counts.push(None);
    }
    // Few parts take less to add up, and are worth it for shorter sums, too.
    let few = split(FEW_PARTS).filter(|_| depth > WHOLE && results <= RESULTS * depth);
    if is_deep && !one_row && few.is_some() && few != usual {
        counts.push(few);
    }
    // Each channel on its own (the weight gradient of a depthwise convolution): memory decides, and there are few
    // results.
    let alone = |axis: &Axis| axis.reduce || axis.left == 0 || axis.right == 0;
    let own = |axis: &Axis| !axis.reduce && axis.left == 0 && axis.extent > 1;
    let by_channel = !contraction.axes.iter().all(alone) && !contraction.axes.iter().any(own);
    if others || by_channel && results <= RESULTS * depth {
        for count in [None, split(PARTS), split(PARTS / 2)] {
            if !counts.contains(&count) {
                counts.push(count);
            }
        }
    }
    counts
}

/// Cycles that it takes more to read operands in so many parts: where one comes from beyond the caches and runs along
/// the axis that is split, the parts are pieces of its runs, and prefetchers find each piece anew.
pub fn restarts(contraction: &Contraction, parts: usize, target: &Target) -> f64 {
    let Some(axis) = outermost(contraction).map(|axis| contraction.axes[axis]) else { return 0.0 };
    let side = |along: fn(&Axis) -> i64| {
        let varies = contraction.axes.iter().filter(|axis| along(axis) != 0);
        // The whole operand, which each part reads a piece of in each of its runs.
        let elements: usize = varies.map(|axis| axis.extent).product();
        let piece = axis.extent / parts;
        let far = !holds(target.l2_bytes, FAR, elements);
        if !far || along(&axis).abs() != 1 || piece > RUN {
            return 0.0;
        }
        // So many pieces, of which the first one of a run would have been found anyway.
        RESTART * (elements / piece.max(1)) as f64 * (1.0 - 1.0 / parts as f64)
    };
    side(|axis| axis.left) + side(|axis| axis.right)
}

/// Cycles that a sum over rows of both operands takes more whole than in parts, of which each thread takes those over
/// rows that it has written itself: whole, threads take some of the results each and read all rows, half of them from
/// another's cache.
pub fn of_others(contraction: &Contraction, target: &Target) -> f64 {
    let Some(outermost) = outermost(contraction).filter(|_| is_deep(contraction, target)) else { return 0.0 };
    let side = |along: fn(&Axis) -> i64| {
        let axes = || contraction.axes.iter().filter(move |axis| along(axis) != 0);
        let farthest = axes().map(|axis| along(axis).abs()).max();
        let are_rows = farthest == Some(along(&contraction.axes[outermost]).abs());
        (are_rows, axes().map(|axis| axis.extent).product::<usize>())
    };
    let ((left, of_left), (right, of_right)) = (side(|axis| axis.left), side(|axis| axis.right));
    let elements = of_left + of_right;
    let is_shared = worth_sharing(SHARED, contraction.flops(), (size_of::<f32>() * elements) as u64);
    if left && right && is_shared && holds(target.l2_bytes, NEARBY, elements) {
        OTHERS * elements as f64 / LINE as f64
    } else {
        0.0
    }
}

/// The reduced axis that is split: the one of the largest strides.
fn outermost(contraction: &Contraction) -> Option<usize> {
    let axes = &contraction.axes;
    (0..axes.len()).filter(|&a| axes[a].reduce && axes[a].extent > 1).max_by_key(|&a| axes[a].right.abs())
}

/// The contractions that compute the parts, with the number of each one's first part. Their output has one axis more,
/// the last: the number of the part. What is left over from equal parts is one more part, a contraction of its own.
pub fn split(whole: &Contraction, parts: usize) -> Vec<(Contraction, usize)> {
    let outermost = outermost(whole).expect("only sums are split");
    let axis = whole.axes[outermost];
    // the reduced axis:   |--each--|--each--| .. |--each--|rest|
    // the part's number:      0        1         parts-1   parts
    //
    // The equal parts are one contraction: the part's number is a kept axis more, which moves both operands by `each`
    // terms and is the last coordinate of the output. The rest starts that far behind and is part `parts`.
    let each = axis.extent / parts;
    let part = |first: usize, count: usize, extent: usize| {
        let mut contraction = whole.clone();
        contraction.axes[outermost].extent = extent;
        let start = (first * each) as i64;
        contraction.left += start * axis.left;
        contraction.right += start * axis.right;
        contraction.output.push(Coordinate { offset: 0, terms: vec![(contraction.axes.len(), 1)] });
        let (left, right) = (axis.left * each as i64, axis.right * each as i64);
        contraction.axes.push(Axis { extent: count, left, right, reduce: false });
        (contraction, first)
    };
    let rest = axis.extent % parts;
    [part(0, parts, each)].into_iter().chain((rest > 0).then(|| part(parts, 1, rest))).collect()
}

/// The number of parts of all the contractions.
pub fn count(split: &[(Contraction, usize)]) -> usize {
    let part = |(contraction, _): &(Contraction, usize)| contraction.axes.last().map_or(0, |axis| axis.extent);
    split.iter().map(part).sum()
}

/// Partial results: for each part, a dense tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Partials {
    shape: Shape,
    order: Vec<usize>,
    layout: Layout,
    parts: usize,
    /// The part that index 0 stands for.
    first: usize,
}

record!(Partials { shape, order, layout, parts, first });

impl Partials {
    /// Room for the parts of an output.
    pub fn new(shape: Shape, preferred: &PreferredLayout, parts: usize) -> Partials {
        Partials { shape, layout: preferred.layout(shape), order: preferred.order.clone(), parts, first: 0 }
    }

    /// The same room, for a stage that counts its parts from `first`.
    pub fn from(&self, first: usize) -> Partials {
        Partials { first, ..self.clone() }
    }

    /// The number of elements of all parts.
    pub fn elements(&self) -> usize {
        self.parts * self.layout.elements
    }

    /// Estimated cycles of the sum over the parts.
    pub fn cycles(&self, target: &Target) -> f64 {
        let vector = if target.lanes >= DEEP_LANES {
            DEEP_ADD
        } else if holds(target.l2_bytes, STAYING, self.elements()) {
            ADD
        } else {
            FAR_ADD
        };
        self.elements() as f64 / target.lanes as f64 * vector
    }

    /// Stores one vector of a part; the last coordinate is the part's number.
    pub fn store(&self, kernel: &mut KernelBuilder, buffer: BufferId, place: &Place, value: Value) {
        let (index, stride) = self.place(place);
        kernel.store(buffer, index, stride, place.active, value);
    }

    /// The place and the number of the elements of an item: of `items` equal shares of the only part, or of a part.
    pub fn item(&self, item: &Index, items: usize) -> (Index, usize) {
        // Parts follow one another. The items of an only part are places of its outermost axis, so that they do, too.
        let part = self.layout.elements;
        let elements = if self.parts == 1 { part / items } else { part };
        (Index::at((self.first * part) as i64).plus_index(item, elements as i64), elements)
    }

    /// How far neighbours along an axis of a contraction lie apart.
    pub fn distance(&self, contraction: &Contraction, axis: usize) -> i64 {
        let along =
            |coordinate: &Coordinate| coordinate.terms.iter().filter(|term| term.0 == axis).map(|term| term.1).sum();
        let factors = contraction.output.iter().map(along);
        factors.zip(self.layout.strides).map(|(factor, stride): (i64, i64)| factor * stride).sum()
    }

    /// Adds one vector.
    pub fn add(&self, kernel: &mut KernelBuilder, buffer: BufferId, place: &Place, value: Value) {
        let (index, stride) = self.place(place);
        let active = place.active;
        let before = kernel.push(Operation::Load { buffer, index: index.clone(), stride, active });
        let sum = kernel.add(before, value);
        kernel.store(buffer, index, stride, active, sum);
    }

    /// The index of a vector's first lane and the distance of its lanes.
    fn place(&self, place: &Place) -> (Index, i64) {
        let part = self.layout.elements as i64;
        let start = Index::at(self.layout.offset as i64 + self.first as i64 * part);
        let mut strides = self.layout.strides[..self.shape.rank()].to_vec();
        // The last coordinate is the part's number.
        strides.push(part);
        let index = place.coordinates.iter().zip(&strides).fold(start, |i, (at, &stride)| i.plus_index(at, stride));
        (index, place.lanes.map_or(1, |axis| strides[axis]))
    }

    /// Hands the only part to the epilogue, at one index of the outermost axis.
    pub fn finish(&self, kernel: &mut KernelBuilder, buffer: BufferId, outermost: &Index, epilogue: &mut dyn Epilogue) {
        // The outermost axis is the item's: it stays at one index. Items that are results are images of an input
        // gradient, which has channels and places beside them.
        let [item, outer @ .., fast] = &self.order[..] else { unreachable!("images without channels") };
        let mut at = vec![Index::default(); self.shape.rank()];
        at[*item] = outermost.clone();
        let loops: Vec<usize> = outer.iter().copied().filter(|&a| self.shape.dim(a) > 1).collect();
        self.nest(kernel, buffer, &loops, *fast, &at, epilogue);
    }

    /// The sum over the parts, in order; the outermost axis is the grid.
    pub fn sum(&self, kernel: &mut KernelBuilder, buffer: BufferId, epilogue: &mut dyn Epilogue) {
        let mut at = vec![Index::default(); self.shape.rank()];
        let (&fast, outer) = self.order.split_last().expect("a result with axes");
        // Tasks along the two outermost axes, such as images and rows.
        for &axis in outer.iter().take(2) {
            if self.shape.dim(axis) > 1 {
                at[axis] = Index::of(kernel.grid(self.shape.dim(axis)), 1);
            }
        }
        let loops: Vec<usize> = outer.iter().skip(2).copied().filter(|&a| self.shape.dim(a) > 1).collect();
        self.nest(kernel, buffer, &loops, fast, &at, epilogue);
    }

    fn nest(
        &self,
        kernel: &mut KernelBuilder,
        buffer: BufferId,
        loops: &[usize],
        fast: usize,
        at: &[Index],
        epilogue: &mut dyn Epilogue,
    ) {
        if let Some((&axis, inner)) = loops.split_first() {
            kernel.for_each(self.shape.dim(axis), &[], |kernel, variable, _| {
                let mut at = at.to_vec();
                at[axis] = Index::of(variable, 1);
                self.nest(kernel, buffer, inner, fast, &at, epilogue);
                Vec::new()
            });
            return;
        }
        let lanes = kernel.lanes();
        let mut vector = |kernel: &mut KernelBuilder, first: Index, active: usize| {
            let mut at = at.to_vec();
            at[fast] = first;
            let start = Index::at(self.layout.offset as i64);
            let index = at.iter().zip(self.layout.strides).fold(start, |i, (at, stride)| i.plus_index(at, stride));
            // From the first part to the last, whatever thread has computed them: the same bits at all times.
            let mut sum: Option<Value> = None;
            for part in 0..self.parts {
                let index = index.clone().shifted((part * self.layout.elements) as i64);
                let value = kernel.push(Operation::Load { buffer, index, stride: 1, active });
                sum = Some(sum.map_or(value, |sum| kernel.sum(sum, value)));
            }
            let place = Place { coordinates: at, lanes: Some(fast), active };
            epilogue.take(kernel, &place, sum.expect("at least one part"));
        };
        along(kernel, self.shape.dim(fast), lanes, &mut vector);
    }
}
