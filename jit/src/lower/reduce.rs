//! Reductions: folds of an expression's terms along some axes of its space, and what is fused behind them.
//!
//! Each reduction picks one axis for the lanes: a kept one (each lane folds for itself) or a folded one (the lanes are
//! folded at the end), whichever the loads step through contiguously. Several accumulators hide the latency of the
//! fold. Few results of many places are computed in parts: the number of parts depends on the shape alone, never on the
//! threads. Long sums of f32 are taken in short blocks, whose total is compensated: they keep their digits, whatever
//! their length. What the numbers are to the graph, a mean, a norm or a part of a softmax, is not known here.

mod blocks;
mod fold;

use kiln_graph::op::{ArgOp, Axes, BinaryOp, Op, ReduceOp};
use kiln_graph::{DType, NodeId};

use super::expression::{
    Affine, Argument, Evaluation, Expression, ExpressionBuilder, Point, Storage, Store, Term, TermId, identity,
};
use super::group::{Context, Group};
use super::loops::{grid_coordinates, nest, split_tasks, vectors};
use super::lowered::{Lowered, Role};
use crate::cost::params::loops::{TASK_PLACES, UNROLL};
use crate::cost::params::reductions::{
    ACCUMULATORS, BEHIND, LEAST_PARTS, LONG_ENOUGH, MANY, MOST_PARTS, TERMS_A_RESULT,
};
use crate::cost::sharing::divisor;
use crate::kernel::{Compare, Element, Index, KernelBuilder, Mask2, Operation, Value, ValueType};
use crate::target::Target;
use blocks::Innermost;
use fold::{Fold, Folded, Reduction};

/// The expression of reductions of their first operands along some axes, and the terms that are folded.
pub fn describe_along(context: &Context<'_>, group: &Group, axes: &[usize]) -> (Expression, Vec<TermId>) {
    let graph = context.graph;
    let outside = context.outside(group);
    let operand = |root: NodeId| graph.node(root).inputs[0];
    let shape = graph.shape(operand(group.roots[0]));
    let rank = shape.rank();
    let mut builder = ExpressionBuilder::new(graph, &outside, shape.dims().to_vec());
    builder.fold(axes.iter().copied());
    let values = group.roots.iter().map(|&root| builder.node(operand(root), &identity(rank))).collect();
    // The space is that of the operand; the results have the kept axes alone, and do not vary along the others.
    let kept: Vec<Affine> = (0..rank).filter(|axis| !axes.contains(axis)).map(|a| Affine::axis(rank, a)).collect();
    group.roots.iter().for_each(|&root| builder.root(root, kept.clone()));
    context.store_all(&mut builder, group, graph.shape(group.roots[0]), &kept, rank);
    (builder.finish(), values)
}

/// The expression of a group of reductions along some axes, and the terms that are folded, with how.
pub fn describe(context: &Context<'_>, group: &Group, axes: Axes) -> (Expression, Vec<(TermId, ReduceOp)>) {
    let graph = context.graph;
    let rank = graph.shape(graph.node(group.roots[0]).inputs[0]).rank();
    let axes: Vec<usize> = axes.iter().filter(|&axis| axis < rank).collect();
    let (expression, values) = describe_along(context, group, &axes);
    let fold = |(&root, value): (&NodeId, TermId)| match graph.node(root).op {
        Op::Reduce { op, .. } => (value, op),
        ref other => unreachable!("{} beside a reduction", other.mnemonic()),
    };
    let values = group.roots.iter().zip(values).map(fold).collect();
    (expression, values)
}

/// The kernels of reductions of one space: each value is folded along the expression's folded axes, and is the root of
/// its number in the stores. `scratch` gives memory of so many f32 or i32 elements.
pub fn lower(
    name: &str,
    expression: &Expression,
    values: &[(TermId, ReduceOp)],
    target: &Target,
    scratch: &mut dyn FnMut(usize, Element) -> Storage,
) -> Vec<Lowered> {
    if expression.is_empty() {
        return Vec::new();
    }
    let values = folded(expression, values);
    let mut expression = expression.clone();
    let kept = order_axes(&mut expression, &values);
    let kept_places = expression.places(|axis| axis < kept);
    let folded_places = expression.places(|axis| axis >= kept);
    // `sum` of 1,000,000 numbers is one result, and so one task: in parts it is up to `MOST_PARTS`. Where there are
    // many results for the terms of each, these are tasks enough; where there would be few parts, the work is little.
    let parts = expression.extents.get(kept).map_or(1, |&outer| {
        let wanted = (kept_places * folded_places / TASK_PLACES).min(MOST_PARTS);
        if kept_places * TERMS_A_RESULT > folded_places || wanted < LEAST_PARTS { 1 } else { divisor(outer, wanted) }
    });
    if parts < LEAST_PARTS {
        return one(name, expression, kept, &values, None, target).into_iter().collect();
    }
    let [first, second] = in_parts(&expression, kept, &values, parts, scratch);
    let named = [("part", Role::Part, first), (name, Role::Results, second)];
    let kernel = |(name, role, (expression, kept, values))| {
        let values: Vec<Folded> = values;
        Some(Lowered { role, ..one(name, expression, kept, &values, None, target)? })
    };
    named.into_iter().filter_map(kernel).collect()
}

/// The one kernel that computes such reductions in so many parts of the outermost kept axis, which are its grid, with the
/// bits of [`lower`], where that gives one kernel, too; nothing where parts are not equal, or other sums would be
/// neighbours.
pub fn in_row_parts(
    name: &str,
    expression: &Expression,
    values: &[(TermId, ReduceOp)],
    parts: usize,
    target: &Target,
) -> Option<Lowered> {
    let values = folded(expression, values);
    let mut expression = expression.clone();
    let kept = order_axes(&mut expression, &values);
    one(name, expression, kept, &values, Some(parts), target)
}

/// The values with how each is folded.
fn folded(expression: &Expression, values: &[(TermId, ReduceOp)]) -> Vec<Folded> {
    let folded = |&(value, op): &(TermId, ReduceOp)| {
        let fold = Fold { op, dtype: expression.types[value.index()] };
        Folded { value, fold }
    };
    values.iter().map(folded).collect()
}

/// Kept axes first, as the stores step through memory; folded axes behind them, as the loads do. Says how many are
/// kept.
fn order_axes(expression: &mut Expression, values: &[Folded]) -> usize {
    let loads = loads(expression, values);
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

/// The accesses that the values need.
fn loads(expression: &Expression, values: &[Folded]) -> Vec<Affine> {
    let needed = expression.needed(values.iter().map(|folded| folded.value));
    let term = |id: &TermId| match &expression.terms[id.index()] {
        Term::Load { access, .. } => Some(access.clone()),
        _ => None,
    };
    needed.iter().filter_map(term).collect()
}

/// Reductions along the first folded axis cut into parts, and the reductions of the parts. The axes are ordered.
fn in_parts(
    expression: &Expression,
    kept: usize,
    values: &[Folded],
    parts: usize,
    scratch: &mut dyn FnMut(usize, Element) -> Storage,
) -> [(Expression, usize, Vec<Folded>); 2] {
    // first:    for part / for kept / for the rest of the folded axes: partial[part, kept] = fold
    // second:   for kept / for part: result[kept] = epilogue(fold of partial[part, kept])
    let mut first = expression.clone();
    // The outer half of the first folded axis goes to the front and is no longer folded: a part is a kept axis like
    // others.
    first.split_axis(kept, parts);
    let mut order: Vec<usize> = (0..first.rank()).collect();
    order[..=kept].rotate_right(1);
    first.permute(&order);
    first.folded[0] = false;
    let places = first.places(|axis| axis <= kept);
    let mut access = Affine::zero(first.rank());
    let mut stride = 1;
    for axis in (0..=kept).rev() {
        access.strides[axis] = stride;
        stride *= first.extents[axis] as i64;
    }
    let mut second = first.clone();
    first.stores.clear();
    let mut loads = Vec::new();
    for (number, &Folded { fold: Fold { dtype, .. }, .. }) in values.iter().enumerate() {
        let element = if dtype == DType::F32 { Element::F32 } else { Element::I32 };
        let storage = scratch(places, element);
        let argument = |expression: &mut Expression, read: bool| {
            expression.arguments.push(Argument { storage, element, elements: places, read, written: !read });
            expression.arguments.len() - 1
        };
        let root = first.push(Term::Root(number), dtype);
        let argument_of_first = argument(&mut first, false);
        first.stores.push(Store { term: root, argument: argument_of_first, access: access.clone() });
        let argument_of_second = argument(&mut second, true);
        loads.push(second.push(Term::Load { argument: argument_of_second, access: access.clone() }, dtype));
    }
    let ids: Vec<TermId> = values.iter().map(|folded| folded.value).collect();
    let folded = |ids: Vec<TermId>| {
        ids.into_iter().zip(values).map(|(value, folded)| Folded { value, ..*folded }).collect::<Vec<_>>()
    };
    // Each half keeps what it needs: the first what is folded, the second what is fused behind it.
    let ids = first.prune(&ids);
    second.folded[0] = true;
    let order: Vec<usize> = (1..=kept).chain([0]).collect();
    second.permute(&order);
    let loads = second.prune(&loads);
    [(first, kept + 1, folded(ids)), (second, kept, folded(loads))]
}

/// One kernel; the axes are ordered, `kept` of them first. With `parts`, as for [`in_row_parts`]; without, there is one.
fn one(
    name: &str,
    mut expression: Expression,
    mut kept: usize,
    values: &[Folded],
    parts: Option<usize>,
    target: &Target,
) -> Option<Lowered> {
    let loads = loads(&expression, values);
    // How many loads step through an axis by 1, weighed by its length, of which 4 vectors are as good as more. What is
    // the same for all terms of a result, as the mean of its row, is loaded once, however the lanes lie.
    let contiguous = |axis: usize| {
        let varies = |load: &Affine| load.strides.iter().skip(kept).any(|&stride| stride != 0);
        let touched = |load: &&Affine| load.strides[axis] == 1 && varies(load);
        loads.iter().filter(touched).count() * expression.extents[axis].min(LONG_ENOUGH * target.lanes)
    };
    let best = |axes: std::ops::Range<usize>| axes.max_by_key(|&axis| (contiguous(axis), axis));
    let (along_kept, along_folded) = (best(0..kept), best(kept..expression.rank()));
    // Two ways to lay lanes, for an operand [rows, columns] that lies row by row:
    //   sums of columns: a lane is a column, and adds up for itself             (`within_lanes`)
    //   sums of rows: lanes are neighbours of one row, folded at the end        (`across_lanes`, which only f32 can)
    let lanes_fold = values.iter().all(|folded| folded.fold.dtype == DType::F32)
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
    // Each reduction of the kernel has accumulators of its own, and they share the registers.
    let unroll = if values.len() < MANY { UNROLL } else { UNROLL / 2 };
    let grid = if let Some(parts) = parts {
        // Which sums are computed side by side, and with how many accumulators, follows from the axis of the lanes.
        let is_cut = kept > usize::from(!lanes_fold) && expression.extents[0].is_multiple_of(parts);
        if !is_cut {
            return None;
        }
        expression.split_axis(0, parts);
        kept += 1;
        1
    } else {
        let before = expression.rank();
        let quantum = if lanes_fold { 1 } else { unroll * target.lanes };
        let grid = split_tasks(&mut expression, kept, folded_places, quantum);
        kept += expression.rank() - before;
        grid
    };
    let mut kernel = KernelBuilder::new(name, target.lanes);
    let coordinates = grid_coordinates(&mut kernel, &expression, grid);
    let mut evaluation = Evaluation::new(&expression, &mut kernel);
    let ids = values.iter().map(|folded| folded.value);
    let roots: Vec<TermId> = expression.stores.iter().map(|store| store.term).chain(ids).collect();
    evaluation.prepare(&mut kernel, roots);
    let reduction = Reduction { expression: &expression, evaluation, values, kept };
    // Results are neighbours along the last kept axis, in a vector: always where each lane folds for itself, of sums of
    // rows where what comes behind them is worth it.
    let behind = expression.weight(expression.stores.iter().map(|store| store.term));
    let rows = |axis: usize| expression.extents[axis] > 1 && behind >= BEHIND;
    let outer = if grid < kept && (!lanes_fold || rows(kept - 1)) { kept - 1 } else { kept };
    let loops: Vec<(usize, usize)> = (grid..outer).map(|axis| (axis, expression.extents[axis])).collect();
    nest(&mut kernel, &loops, &coordinates, &[], &mut |kernel, coordinates, _| {
        if lanes_fold && outer < kept {
            vectors(kernel, expression.extents[outer], 1, &Index::default(), &mut |kernel, group| {
                for (index, active) in group {
                    let mut coordinates = coordinates.to_vec();
                    coordinates[outer] = index.clone();
                    reduction.rows_across_lanes(kernel, &Point::along(outer, coordinates, *active));
                }
            });
        } else if lanes_fold {
            let point = Point::single(coordinates.to_vec());
            let sums = reduction.across_lanes(kernel, coordinates);
            reduction.evaluation.store(kernel, &point, &sums);
        } else if outer < kept {
            vectors(kernel, expression.extents[outer], unroll, &Index::default(), &mut |kernel, group| {
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
    let flops = expression.flops() + (values.len() * expression.places(|_| true)) as u64;
    Some(Lowered::new(kernel, &expression, flops))
}

impl Reduction<'_> {
    /// The values at a point folded into what each reduction has found.
    fn add(&self, kernel: &mut KernelBuilder, sums: &mut [Value], point: &Point) {
        let mut here = self.evaluation.clone();
        // Lanes along a folded axis end up in one result, so that those behind the end must change nothing: they get
        // the neutral value. Along a kept axis each has a result of its own, which is not stored.
        let partly = point.active != kernel.lanes() && point.lanes[self.kept..].contains(&1);
        for (sum, &Folded { value, fold }) in sums.iter_mut().zip(self.values) {
            let product = match self.expression.terms[value.index()] {
                // A sum of products is a multiply-add a term, and one rounding less. Not where lanes are masked: the
                // mask is on the product.
                Term::Binary(BinaryOp::Mul, a, b) if fold.is_sum() && !partly => Some((a, b)),
                _ => None,
            };
            *sum = match product {
                Some((a, b)) => {
                    let [a, b] = [a, b].map(|factor| here.term(kernel, factor, point, &[]));
                    kernel.fma(a, b, *sum)
                }
                None => {
                    let mut value = here.term(kernel, value, point, &[]);
                    if partly {
                        let neutral = fold.neutral(kernel);
                        value = masked(kernel, value, point.active, neutral);
                    }
                    fold.combine(kernel, *sum, value)
                }
            };
        }
    }

    /// What several accumulators of each reduction have found, folded by pairs into one of each.
    fn gather(&self, kernel: &mut KernelBuilder, mut sums: Vec<Value>) -> Vec<Value> {
        let width = self.values.len();
        while sums.len() > width {
            // 8 accumulators: 0 with 4, 1 with 5 .., then 0 with 2 and 1 with 3, then both; of an odd number one waits.
            let half = sums.len() / width / 2 * width;
            let (first, second) = sums.split_at(sums.len() - half);
            let mut next = first.to_vec();
            for (number, &b) in second.iter().enumerate() {
                next[number] = self.values[number % width].fold.combine(kernel, next[number], b);
            }
            sums = next;
        }
        sums
    }

    /// Each lane folds for its own result. Few results at a time get several accumulators each, one after the other.
    fn within_lanes(&self, kernel: &mut KernelBuilder, points: &[Point]) {
        let width = self.values.len();
        let folded = self.folded();
        let (inner, outer) = folded.split_last().map_or((None, &folded[..]), |(&inner, outer)| (Some(inner), outer));
        let extent = inner.map_or(1, |(_, extent)| extent);
        // An addition waits some cycles for the one before it in the same accumulator; 8 that are independent fill that
        // time. Points and reductions bring some of them, copies of each the rest: copy k takes the terms k, k +
        // copies, ..
        let copies = (ACCUMULATORS / (points.len() * width)).clamp(1, extent.max(1));
        // Those of a point lie together: for each copy those of all reductions.
        let neutral = self.neutral(kernel, points.len() * copies);
        let each = neutral.len() / points.len();
        let add = |kernel: &mut KernelBuilder, coordinates: &[Index], copies: usize, sums: &mut [Value]| {
            for (point, sums) in points.iter().zip(sums.chunks_mut(each)) {
                for (copy, sums) in sums.chunks_mut(width).take(copies).enumerate() {
                    let mut point = point.clone();
                    point.coordinates[self.kept..].clone_from_slice(&coordinates[self.kept..]);
                    if let Some((axis, _)) = inner {
                        point.coordinates[axis] = point.coordinates[axis].clone().shifted(copy as i64);
                    }
                    self.add(kernel, sums, &point);
                }
            }
        };
        let left = extent % copies;
        let innermost = Innermost {
            axis: inner.map(|(axis, _)| axis),
            step: copies as i64,
            count: extent / copies,
            rest: left > 0,
            iteration: &|kernel, start, sums, whole| add(kernel, start, if whole { copies } else { left }, sums),
        };
        let sums = self.fold(kernel, outer, &innermost, &points[0].coordinates, &neutral);
        for (point, sums) in points.iter().zip(sums.chunks(each)) {
            let sums = self.gather(kernel, sums.to_vec());
            self.evaluation.store(kernel, point, &sums);
        }
    }

    /// As many rows as the point has places: what comes behind the folds is computed once for all of them.
    fn rows_across_lanes(&self, kernel: &mut KernelBuilder, point: &Point) {
        // for each row          results = result of the row in its lane, results of other rows in theirs
        // epilogue(results)     a lane is a row
        let axis = self.kept - 1;
        let start = point.coordinates[axis].clone();
        let lane = kernel.push(Operation::Lane);
        let none = self.neutral(kernel, 1);
        let results = kernel.for_each(point.active, &none, |kernel, row, results| {
            let mut coordinates = point.coordinates.clone();
            coordinates[axis] = start.clone().plus(row, 1);
            let sums = self.across_lanes(kernel, &coordinates);
            let number = kernel.affine(Index::of(row, 1));
            let here = kernel.compare(Compare::Eq, lane, number);
            results.iter().zip(sums).map(|(&result, sum)| kernel.select(here, sum, result)).collect()
        });
        self.evaluation.store(kernel, point, &results);
    }

    /// The lanes fold neighbours along the innermost folded axis for one result, which is in all lanes then.
    fn across_lanes(&self, kernel: &mut KernelBuilder, coordinates: &[Index]) -> Vec<Value> {
        let folded = self.folded();
        let (&(inner, extent), outer) = folded.split_last().expect("a folded axis holds the lanes");
        let (lanes, width) = (kernel.lanes(), self.values.len());
        let (full, tail) = (extent / lanes, extent % lanes);
        let count = UNROLL.min(full).max(1);
        let neutral = self.neutral(kernel, count);
        let add = |kernel: &mut KernelBuilder, sums: &mut [Value], start: &[Index], vector: usize, active: usize| {
            let mut coordinates = start.to_vec();
            coordinates[inner] = coordinates[inner].clone().shifted((vector * lanes) as i64);
            self.add(kernel, sums, &Point::along(inner, coordinates, active));
        };
        let left = full % count;
        let innermost = Innermost {
            axis: Some(inner),
            step: (count * lanes) as i64,
            count: full / count,
            rest: left > 0 || tail > 0,
            iteration: &|kernel, start, sums, whole| {
                let vectors = if whole { count } else { left };
                for (vector, sums) in sums.chunks_mut(width).take(vectors).enumerate() {
                    add(kernel, sums, start, vector, lanes);
                }
                // The last vector is partly beyond the axis: any accumulator may take it.
                if !whole && tail > 0 {
                    add(kernel, &mut sums[..width], start, left, tail);
                }
            },
        };
        let sums = self.fold(kernel, outer, &innermost, coordinates, &neutral);
        let sums = self.gather(kernel, sums);
        sums.into_iter().zip(self.values).map(|(sum, folded)| folded.fold.across(kernel, sum)).collect()
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
    let (worst, no_better) = match op {
        ArgOp::Max => (ReduceOp::Max, Compare::Le),
        ArgOp::Min => (ReduceOp::Min, Compare::Ge),
    };
    let fold = Fold { op: worst, dtype: expression.types[value.index()] };
    let mut kept = order_axes(&mut expression, &[Folded { value, fold }]);
    let before = expression.rank();
    let folded_places = expression.places(|axis| axis >= kept).max(1);
    let grid = split_tasks(&mut expression, kept, folded_places, target.lanes);
    kept += expression.rank() - before;
    let mut kernel = KernelBuilder::new(name, target.lanes);
    let coordinates = grid_coordinates(&mut kernel, &expression, grid);
    let mut evaluation = Evaluation::new(&expression, &mut kernel);
    evaluation.prepare(&mut kernel, [value]);
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
                // The best value so far, and where it was: strictly better ones alone take its place, so that the first
                // of equals wins.
                let initial = [fold.neutral(kernel), kernel.i32(0)];
                let found = nest(kernel, &folded, &point.coordinates, &initial, &mut |kernel, coordinates, best| {
                    let point = Point { coordinates: coordinates.to_vec(), ..point.clone() };
                    let value = evaluation.clone().term(kernel, value, &point, &[]);
                    let place = coordinates.get(kept).cloned().unwrap_or_default();
                    let place = kernel.affine(place);
                    let stays = stays(kernel, no_better, value, best[0]);
                    vec![kernel.select(stays, best[0], value), kernel.select(stays, best[1], place)]
                });
                evaluation.store(kernel, &point, &[found[1]]);
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
