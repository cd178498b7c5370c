//! Reductions: a fold of an expression along some axes of its space, and what is fused behind it.
//!
//! Each reduction picks one axis for the lanes: a kept one (each lane folds for itself) or a folded one (the lanes are
//! folded at the end), whichever the loads step through contiguously. Several accumulators hide the latency of the fold. Few
//! results of many places are computed in parts: the number of parts depends on the shape alone, never on the threads.

use kiln_graph::DType;
use kiln_graph::op::{ArgOp, ReduceOp};

use super::expression::{Affine, Argument, Evaluation, Expression, Point, Storage, Store, Term, TermId, extremum};
use super::{Lowered, TASK_PLACES, UNROLL, divisor, grid_coordinates, nest, split_tasks, vectors};
use crate::kernel::{Compare, Element, Float2, Index, Int2, KernelBuilder, Mask2, Operation, Value, ValueType};
use crate::target::Target;

/// The largest number of parts of one reduction.
const MOST_PARTS: usize = 64;

/// A fold of one type of numbers.
#[derive(Clone, Copy, Debug)]
struct Fold {
    op: ReduceOp,
    dtype: DType,
}

impl Fold {
    /// The value that changes nothing.
    fn neutral(self, kernel: &mut KernelBuilder) -> Value {
        match (self.dtype, self.op) {
            (DType::F32, ReduceOp::Sum) => kernel.f32(0.0),
            (DType::F32, ReduceOp::Prod) => kernel.f32(1.0),
            (DType::F32, ReduceOp::Max) => kernel.f32(f32::NEG_INFINITY),
            (DType::F32, ReduceOp::Min) => kernel.f32(f32::INFINITY),
            (DType::I32 | DType::Bool, ReduceOp::Sum) => kernel.i32(0),
            (DType::I32 | DType::Bool, ReduceOp::Prod) => kernel.i32(1),
            (DType::I32 | DType::Bool, ReduceOp::Max) => kernel.i32(i32::MIN),
            (DType::I32 | DType::Bool, ReduceOp::Min) => kernel.i32(i32::MAX),
        }
    }

    /// The fold of two values.
    fn combine(self, kernel: &mut KernelBuilder, a: Value, b: Value) -> Value {
        match (self.dtype, self.op) {
            (DType::F32, ReduceOp::Sum) => kernel.add(a, b),
            (DType::F32, ReduceOp::Prod) => kernel.mul(a, b),
            (DType::F32, ReduceOp::Max) => extremum(kernel, Float2::Max, a, b, false, false),
            (DType::F32, ReduceOp::Min) => extremum(kernel, Float2::Min, a, b, false, false),
            (DType::I32 | DType::Bool, ReduceOp::Sum) => kernel.int2(Int2::Add, a, b),
            (DType::I32 | DType::Bool, ReduceOp::Prod) => kernel.int2(Int2::Mul, a, b),
            (DType::I32 | DType::Bool, ReduceOp::Max) => kernel.int2(Int2::Max, a, b),
            (DType::I32 | DType::Bool, ReduceOp::Min) => kernel.int2(Int2::Min, a, b),
        }
    }

    /// All lanes folded; f32 only. NaN if any lane is.
    fn across(self, kernel: &mut KernelBuilder, value: Value) -> Value {
        let fold = |kernel: &mut KernelBuilder, function| kernel.push(Operation::Fold(function, value));
        match self.op {
            ReduceOp::Sum => fold(kernel, Float2::Add),
            ReduceOp::Prod => fold(kernel, Float2::Mul),
            ReduceOp::Max | ReduceOp::Min => {
                // The fold's instruction loses NaNs; a sum of the lanes' `x - x` keeps them, but is NaN for infinities
                // too: so count the lanes that are NaN.
                let function = if self.op == ReduceOp::Max { Float2::Max } else { Float2::Min };
                let nan = kernel.compare(Compare::Ne, value, value);
                let (one, zero) = (kernel.f32(1.0), kernel.f32(0.0));
                let count = kernel.select(nan, one, zero);
                let count = kernel.push(Operation::Fold(Float2::Add, count));
                let any = kernel.compare(Compare::Gt, count, zero);
                let quiet = kernel.f32(f32::NAN);
                let folded = fold(kernel, function);
                kernel.select(any, quiet, folded)
            }
        }
    }
}

/// The kernels of a reduction: `value` is folded along the expression's folded axes, and is the root of its stores.
/// `scratch` gives memory of so many f32 or i32 elements.
pub fn lower(
    name: &str,
    expression: &Expression,
    value: TermId,
    op: ReduceOp,
    target: &Target,
    scratch: &mut dyn FnMut(usize, Element) -> Storage,
) -> Vec<Lowered> {
    if expression.is_empty() {
        return Vec::new();
    }
    let fold = Fold { op, dtype: expression.types[value.index()] };
    let mut expression = expression.clone();
    let kept = order_axes(&mut expression, value);
    let kept_places = expression.places(|axis| axis < kept);
    let folded_places = expression.places(|axis| axis >= kept);
    let parts = expression.extents.get(kept).map_or(1, |&outer| {
        let wanted = (kept_places * folded_places / TASK_PLACES).min(MOST_PARTS);
        if kept_places * 8 > folded_places || wanted < 4 { 1 } else { divisor(outer, wanted) }
    });
    if parts < 4 {
        return vec![one(name, expression, kept, value, fold, target)];
    }
    let [first, second] = in_parts(&expression, kept, value, parts, fold, scratch);
    let named = [("part", first), (name, second)];
    named.map(|(name, (expression, kept, value))| one(name, expression, kept, value, fold, target)).into()
}

/// Kept axes first, as the stores step through memory; folded axes behind them, as the loads do. Says how many are kept.
fn order_axes(expression: &mut Expression, value: TermId) -> usize {
    let loads = loads(expression, value);
    let step = |axis: usize| match expression.folded[axis] {
        false => expression.stores.first().map_or(0, |store| store.access.strides[axis].abs()),
        true => loads.iter().map(|load| load.strides[axis].abs()).max().unwrap_or(0),
    };
    let mut order: Vec<usize> = (0..expression.rank()).collect();
    order.sort_by_key(|&axis| (expression.folded[axis], std::cmp::Reverse(step(axis))));
    expression.permute(&order);
    expression.merge_axes();
    expression.folded.iter().filter(|&&folded| !folded).count()
}

/// The accesses that the value needs.
fn loads(expression: &Expression, value: TermId) -> Vec<Affine> {
    let needed = expression.needed([value]);
    let term = |id: &TermId| match &expression.terms[id.index()] {
        Term::Load { access, .. } => Some(access.clone()),
        _ => None,
    };
    needed.iter().filter_map(term).collect()
}

/// A reduction along the first folded axis cut into parts, and the reduction of the parts. The axes are ordered.
fn in_parts(
    expression: &Expression,
    kept: usize,
    value: TermId,
    parts: usize,
    fold: Fold,
    scratch: &mut dyn FnMut(usize, Element) -> Storage,
) -> [(Expression, usize, TermId); 2] {
    let mut first = expression.clone();
    first.split_axis(kept, parts);
    let mut order: Vec<usize> = (0..first.rank()).collect();
    order[..=kept].rotate_right(1);
    first.permute(&order);
    first.folded[0] = false;
    let element = if fold.dtype == DType::F32 { Element::F32 } else { Element::I32 };
    let places = first.places(|axis| axis <= kept);
    let storage = scratch(places, element);
    let rank = first.rank();
    let mut access = Affine::zero(rank);
    let mut stride = 1;
    for axis in (0..=kept).rev() {
        access.strides[axis] = stride;
        stride *= first.extents[axis] as i64;
    }
    let mut second = first.clone();
    let root = first.push(Term::Root, fold.dtype);
    let argument = |expression: &mut Expression, read: bool| {
        expression.arguments.push(Argument { storage, element, elements: places, read, written: !read });
        expression.arguments.len() - 1
    };
    let scratch = argument(&mut first, false);
    first.stores = vec![Store { term: root, argument: scratch, access: access.clone() }];
    let value = first.prune(value);

    let scratch = argument(&mut second, true);
    let load = second.push(Term::Load { argument: scratch, access }, fold.dtype);
    second.folded[0] = true;
    let order: Vec<usize> = (1..=kept).chain([0]).collect();
    second.permute(&order);
    let load = second.prune(load);
    [(first, kept + 1, value), (second, kept, load)]
}

/// One kernel; the axes are ordered, `kept` of them first.
fn one(name: &str, mut expression: Expression, mut kept: usize, value: TermId, fold: Fold, target: &Target) -> Lowered {
    let loads = loads(&expression, value);
    let contiguous = |axis: usize| {
        let touched = |load: &&Affine| load.strides[axis] == 1;
        loads.iter().filter(touched).count() * expression.extents[axis].min(4 * target.lanes)
    };
    let best = |axes: std::ops::Range<usize>| axes.max_by_key(|&axis| (contiguous(axis), axis));
    let (along_kept, along_folded) = (best(0..kept), best(kept..expression.rank()));
    let lanes_fold = fold.dtype == DType::F32
        && along_folded.is_some_and(|folded| along_kept.is_none_or(|kept| contiguous(folded) > contiguous(kept)));
    // The axis of the lanes goes innermost among its kind.
    let mut order: Vec<usize> = (0..expression.rank()).collect();
    let (range, axis) = if lanes_fold { (kept..order.len(), along_folded) } else { (0..kept, along_kept) };
    if let Some(axis) = axis {
        let position = order.remove(axis);
        order.insert(range.end - 1, position);
    }
    expression.permute(&order);
    let folded_places = expression.places(|axis| axis >= kept).max(1);
    let grid = {
        let before = expression.rank();
        let quantum = if lanes_fold { 1 } else { UNROLL * target.lanes };
        let grid = split_tasks(&mut expression, kept, folded_places, quantum);
        kept += expression.rank() - before;
        grid
    };
    let mut kernel = KernelBuilder::new(name, target.lanes);
    let coordinates = grid_coordinates(&mut kernel, &expression, grid);
    let mut evaluation = Evaluation::new(&expression, &mut kernel);
    let roots: Vec<TermId> = expression.stores.iter().map(|store| store.term).chain([value]).collect();
    evaluation.prepare(&mut kernel, roots);
    let reduction = Reduction { expression: &expression, evaluation, value, fold, kept };
    let outer = if lanes_fold || grid == kept { kept } else { kept - 1 };
    let loops: Vec<(usize, usize)> = (grid..outer).map(|axis| (axis, expression.extents[axis])).collect();
    nest(&mut kernel, &loops, &coordinates, &[], &mut |kernel, coordinates, _| {
        if lanes_fold {
            reduction.across_lanes(kernel, coordinates);
        } else if outer < kept {
            vectors(kernel, expression.extents[outer], UNROLL, &Index::default(), &mut |kernel, group| {
                let points: Vec<Point> = group
                    .iter()
                    .map(|(index, active)| {
                        let mut coordinates = coordinates.to_vec();
                        coordinates[outer] = index.clone();
                        Point::along(outer, coordinates, *active)
                    })
                    .collect();
                reduction.within_lanes(kernel, &points);
            });
        } else {
            reduction.within_lanes(kernel, &[Point::single(coordinates.to_vec())]);
        }
        Vec::new()
    });
    let flops = expression.flops() + expression.places(|_| true) as u64;
    Lowered::new(kernel, &expression, flops)
}

struct Reduction<'a> {
    expression: &'a Expression,
    evaluation: Evaluation<'a>,
    value: TermId,
    fold: Fold,
    kept: usize,
}

impl Reduction<'_> {
    fn folded(&self) -> Vec<(usize, usize)> {
        (self.kept..self.expression.rank()).map(|axis| (axis, self.expression.extents[axis])).collect()
    }

    fn is_empty(&self) -> bool {
        self.folded().iter().any(|&(_, extent)| extent == 0)
    }

    /// Each lane folds for its own result; one accumulator a vector.
    fn within_lanes(&self, kernel: &mut KernelBuilder, points: &[Point]) {
        let neutral = self.fold.neutral(kernel);
        let mut sums = vec![neutral; points.len()];
        if !self.is_empty() {
            sums = nest(kernel, &self.folded(), &points[0].coordinates, &sums, &mut |kernel, coordinates, sums| {
                let next = points.iter().zip(sums).map(|(point, &sum)| {
                    let mut point = point.clone();
                    point.coordinates[self.kept..].clone_from_slice(&coordinates[self.kept..]);
                    let value = self.evaluation.clone().term(kernel, self.value, &point, None);
                    self.fold.combine(kernel, sum, value)
                });
                next.collect()
            });
        }
        for (point, sum) in points.iter().zip(sums) {
            self.evaluation.store(kernel, point, Some(sum));
        }
    }

    /// The lanes fold neighbours along the innermost folded axis for one result.
    fn across_lanes(&self, kernel: &mut KernelBuilder, coordinates: &[Index]) {
        let neutral = self.fold.neutral(kernel);
        if self.is_empty() {
            return self.evaluation.store(kernel, &Point::single(coordinates.to_vec()), Some(neutral));
        }
        let folded = self.folded();
        let (&(inner, extent), outer) = folded.split_last().expect("a folded axis holds the lanes");
        let lanes = kernel.lanes();
        let (full, tail) = (extent / lanes, extent % lanes);
        let sums = vec![neutral; UNROLL.min(full).max(1)];
        let sums = nest(kernel, outer, coordinates, &sums, &mut |kernel, coordinates, sums| {
            let add = |kernel: &mut KernelBuilder, sum: Value, index: Index, active: usize| {
                let mut coordinates = coordinates.to_vec();
                coordinates[inner] = index;
                let point = Point::along(inner, coordinates, active);
                let value = self.evaluation.clone().term(kernel, self.value, &point, None);
                let value = if active == lanes { value } else { masked(kernel, value, active, neutral) };
                self.fold.combine(kernel, sum, value)
            };
            let count = sums.len();
            let mut sums = sums.to_vec();
            if full >= count {
                sums = kernel.for_each(full / count, &sums, |kernel, variable, sums| {
                    let start = Index::of(variable, (count * lanes) as i64);
                    let next = sums.iter().enumerate();
                    next.map(|(i, &sum)| add(kernel, sum, start.clone().shifted((i * lanes) as i64), lanes)).collect()
                });
            }
            let done = full / count * count;
            for vector in done..full {
                sums[vector - done] = add(kernel, sums[vector - done], Index::at((vector * lanes) as i64), lanes);
            }
            if tail > 0 {
                sums[0] = add(kernel, sums[0], Index::at((full * lanes) as i64), tail);
            }
            sums
        });
        let mut sums = sums;
        while sums.len() > 1 {
            sums = sums
                .chunks(2)
                .map(|pair| if let [a, b] = *pair { self.fold.combine(kernel, a, b) } else { pair[0] })
                .collect();
        }
        let sum = self.fold.across(kernel, sums[0]);
        self.evaluation.store(kernel, &Point::single(coordinates.to_vec()), Some(sum));
    }
}

/// The value in the first lanes, another in the rest.
fn masked(kernel: &mut KernelBuilder, value: Value, active: usize, rest: Value) -> Value {
    let lane = kernel.push(Operation::Lane);
    let limit = kernel.i32(active as i32);
    let inside = kernel.compare(Compare::Lt, lane, limit);
    kernel.select(inside, value, rest)
}

/// The kernel that finds the index of the first largest or smallest value along the one folded axis.
pub fn lower_arg(name: &str, expression: &Expression, value: TermId, op: ArgOp, target: &Target) -> Vec<Lowered> {
    if expression.is_empty() {
        return Vec::new();
    }
    let mut expression = expression.clone();
    let mut kept = order_axes(&mut expression, value);
    let before = expression.rank();
    let folded_places = expression.places(|axis| axis >= kept).max(1);
    let grid = split_tasks(&mut expression, kept, folded_places, target.lanes);
    kept += expression.rank() - before;
    let mut kernel = KernelBuilder::new(name, target.lanes);
    let coordinates = grid_coordinates(&mut kernel, &expression, grid);
    let mut evaluation = Evaluation::new(&expression, &mut kernel);
    evaluation.prepare(&mut kernel, [value]);
    let (worst, no_better) = match op {
        ArgOp::Max => (ReduceOp::Max, Compare::Le),
        ArgOp::Min => (ReduceOp::Min, Compare::Ge),
    };
    let fold = Fold { op: worst, dtype: expression.types[value.index()] };
    let outer = if grid == kept { kept } else { kept - 1 };
    let loops: Vec<(usize, usize)> = (grid..outer).map(|axis| (axis, expression.extents[axis])).collect();
    let folded: Vec<(usize, usize)> = (kept..expression.rank()).map(|axis| (axis, expression.extents[axis])).collect();
    nest(&mut kernel, &loops, &coordinates, &[], &mut |kernel, coordinates, _| {
        let extent = if outer < kept { expression.extents[outer] } else { 1 };
        vectors(kernel, extent, 1, &Index::default(), &mut |kernel, group| {
            for (index, active) in group {
                let mut point = Point::single(coordinates.to_vec());
                if outer < kept {
                    point.coordinates[outer] = index.clone();
                    point = Point::along(outer, point.coordinates, *active);
                }
                let initial = [fold.neutral(kernel), kernel.i32(0)];
                let found = nest(kernel, &folded, &point.coordinates, &initial, &mut |kernel, coordinates, best| {
                    let point = Point { coordinates: coordinates.to_vec(), ..point.clone() };
                    let value = evaluation.clone().term(kernel, value, &point, None);
                    let place = coordinates.get(kept).cloned().unwrap_or_default();
                    let place = kernel.affine(place);
                    let stays = stays(kernel, no_better, value, best[0]);
                    vec![kernel.select(stays, best[0], value), kernel.select(stays, best[1], place)]
                });
                evaluation.store(kernel, &point, Some(found[1]));
            }
        });
        Vec::new()
    });
    let flops = expression.flops() + expression.places(|_| true) as u64;
    vec![Lowered::new(kernel, &expression, flops)]
}

/// Whether the best value so far keeps its place when a later one comes: that does not compare better, or the best one
/// is a NaN (the first NaN wins). `no_better` is `Le` for a maximum and `Ge` for a minimum.
pub(super) fn stays(kernel: &mut KernelBuilder, no_better: Compare, value: Value, best: Value) -> Value {
    let stays = kernel.compare(no_better, value, best);
    if kernel.ty(value) != ValueType::F32 {
        return stays;
    }
    let nan = kernel.compare(Compare::Ne, best, best);
    kernel.push(Operation::Mask2(Mask2::Or, stays, nan))
}
