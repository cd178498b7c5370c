//! Reads and additions at places that are known only at run time. An index may vary along some axes of the space; the
//! lanes lie along an axis on which it does not. Where there is none each lane of a read has an index of its own, and
//! of additions, which may meet at one place, only one lane works. Additions that may meet are one task's, in the order
//! of the space, so that the sums have the same bits on any number of threads. What indices hold is known to nobody
//! here: they are clamped.

use kiln_graph::op::Scalar;
use kiln_graph::{DType, NodeId};

use super::expression::{
    Affine, Evaluation, Expression, ExpressionBuilder, Point, Storage, Term, TermId, identity, resolve,
};
use super::group::{Context, Group};
use super::loops::{nest, vectors};
use super::lowered::Lowered;
use crate::cost::params::indexing::{ROW_PART, ROW_TASKS, SHARED_PLACES};
use crate::cost::params::loops::UNROLL;
use crate::cost::sharing::divisor;
use crate::kernel::{Convert, Index, Int2, KernelBuilder, Operation, Row, Value};
use crate::target::Target;

/// Elements of an argument at a place that an index decides: `access + index * stride`.
#[derive(Clone, Debug)]
pub struct Indexed {
    /// The argument of the expression.
    pub argument: usize,
    /// The element for index 0.
    pub access: Affine,
    /// The i32 index; clamped to `0..extent`.
    pub index: TermId,
    /// The number of places.
    pub extent: usize,
    /// Elements from place to place.
    pub stride: i64,
}

impl Indexed {
    fn at(&self, kernel: &mut KernelBuilder, evaluation: &mut Evaluation<'_>, point: &Point) -> (Index, i64) {
        // One index for all lanes, which lie along an axis on which it is the same: a row of an embedding is read by
        // plain vector loads from a place that is known at run time, clamped by the kernel IR's `Row`.
        let value = evaluation.term(kernel, self.index, &Point::single(point.coordinates.clone()), &[]);
        let (mut index, lanes) = point.access(&self.access);
        index.row = Some(Row { value, extent: self.extent as u32, stride: self.stride });
        (index, lanes)
    }

    /// Whether the index is the same for all places along an axis.
    fn is_same_along(&self, expression: &Expression, axis: usize) -> bool {
        let needed = expression.needed([self.index]);
        let mut leaves = needed.iter().filter_map(|id| expression.terms[id.index()].affine());
        leaves.all(|affine| affine.strides[axis] == 0)
    }

    /// Whether the distance of any two elements is an i32.
    fn is_near(&self, expression: &Expression) -> bool {
        expression.arguments[self.argument].elements <= i32::MAX as usize
    }

    /// The elements at a point whose lanes have indices of their own.
    fn gather(&self, kernel: &mut KernelBuilder, evaluation: &mut Evaluation<'_>, point: &Point) -> Value {
        // Element of lane i = access of lane 0 + min(max(index[i], 0), extent - 1) * stride + i * lanes; all but the
        // first in i32, which `is_near` vouches for.
        let row = evaluation.term(kernel, self.index, point, &[]);
        let (index, lanes) = point.access(&self.access);
        let [first, last, stride] = [0, self.extent as i32 - 1, self.stride as i32].map(|number| kernel.i32(number));
        let row = kernel.int2(Int2::Max, row, first);
        let row = kernel.int2(Int2::Min, row, last);
        let mut places = kernel.int2(Int2::Mul, row, stride);
        if lanes != 0 {
            let mut lane = kernel.push(Operation::Lane);
            if point.active < kernel.lanes() {
                // The others' places count, too, where places are bounded.
                let last = kernel.i32(point.active as i32 - 1);
                lane = kernel.int2(Int2::Min, lane, last);
            }
            if lanes != 1 {
                let distance = kernel.i32(lanes as i32);
                lane = kernel.int2(Int2::Mul, lane, distance);
            }
            places = kernel.int2(Int2::Add, places, lane);
        }
        let buffer = evaluation.buffer(self.argument);
        kernel.push(Operation::Gather { buffer, index, places, active: point.active })
    }
}

/// Where in the indexed tensor the element of index 0 is for a place `at`, the indexed axis, and which index counts
/// there. Along an axis the index has a place for each of `at`; for rows (`None`) it has the first `leading` axes
/// alone, and a whole row follows.
fn by_index(at: &[Affine], axis: Option<usize>, leading: usize) -> (Vec<Affine>, usize, Vec<Affine>) {
    let rank = at.len();
    match axis {
        Some(axis) => {
            let mut place = at.to_vec();
            place[axis] = Affine::zero(rank);
            (place, axis, at.to_vec())
        }
        None => {
            let mut place = vec![Affine::zero(rank)];
            place.extend_from_slice(&at[leading..]);
            (place, 0, at[..leading].to_vec())
        }
    }
}

/// What a gather along an axis computes (`None`: of rows), the indexed elements, and the memory that they are in.
pub fn describe_gather(
    context: &Context<'_>,
    group: &Group,
    root: NodeId,
    axis: Option<usize>,
) -> (Expression, Indexed, Storage) {
    let graph = context.graph;
    let outside = context.outside(group);
    let node = graph.node(root);
    let (data, indices) = (node.inputs[0], node.inputs[1]);
    let shape = node.ty.shape;
    let rank = shape.rank();
    let at = identity(rank);
    let mut builder = ExpressionBuilder::new(graph, &outside, shape.dims().to_vec());
    let (place, axis, index_at) = by_index(&at, axis, graph.shape(indices).rank());
    let index = builder.node(indices, &index_at);
    let from = resolve(graph, data, &outside).expect("indexed data lies in memory");
    let (argument, access) = builder.place(from, &place, true, false);
    builder.root(root, at.clone());
    context.store_all(&mut builder, group, shape, &at, rank);
    let indexed =
        Indexed { argument, access, index, extent: graph.shape(data).dim(axis), stride: from.layout.strides[axis] };
    (builder.finish(), indexed, from.storage)
}

/// What clears the result of a scatter along an axis (`None`: of rows), what is computed then, where it is added, and
/// what is.
pub fn describe_scatter(
    context: &Context<'_>,
    root: NodeId,
    axis: Option<usize>,
) -> (Expression, Expression, Indexed, TermId) {
    let graph = context.graph;
    // The result is not read as a value: it is what is added to, through `indexed`.
    let located = |id| if id == root { None } else { context.located(id) };
    let node = graph.node(root);
    let (indices, updates) = (node.inputs[0], node.inputs[1]);
    let to = context.place(root);

    let mut clear = ExpressionBuilder::new(graph, &located, node.ty.shape.dims().to_vec());
    let zero = clear.push(Term::Constant(Scalar(0.0)), DType::F32);
    clear.store(zero, to, &identity(node.ty.shape.rank()));

    let shape = graph.shape(updates);
    let rank = shape.rank();
    let at = identity(rank);
    let mut builder = ExpressionBuilder::new(graph, &located, shape.dims().to_vec());
    let (place, axis, index_at) = by_index(&at, axis, graph.shape(indices).rank());
    let index = builder.node(indices, &index_at);
    let update = builder.node(updates, &at);
    let (argument, access) = builder.place(to, &place, true, true);
    let indexed = Indexed { argument, access, index, extent: node.ty.shape.dim(axis), stride: to.layout.strides[axis] };
    (clear.finish(), builder.finish(), indexed, update)
}

/// Gathers: the root of the expression's stores is the indexed element (a mask, if the elements are booleans).
pub fn lower_gather(
    name: &str,
    expression: &Expression,
    indexed: &Indexed,
    booleans: bool,
    target: &Target,
) -> Vec<Lowered> {
    // Each place of the space is written once: the outermost axis of several places is the grid.
    let (shared, along) = (expression.places(|_| true) > SHARED_PLACES, lanes_of_reads(expression, indexed));
    let several = || (0..expression.rank()).find(|&axis| expression.extents[axis] > 1 && Some(axis) != along);
    let grid: Vec<usize> = several().filter(|_| shared).into_iter().collect();
    lower(name, expression, indexed, target, (&grid, along), &mut |kernel, evaluation, point| {
        let mut scope = evaluation.clone();
        let lanes = point.lanes.iter().position(|&step| step == 1);
        if lanes.is_some_and(|axis| !indexed.is_same_along(expression, axis)) {
            let root = indexed.gather(kernel, &mut scope, point);
            let root = if booleans { kernel.convert(Convert::I32ToMask, root) } else { root };
            return scope.store(kernel, point, &[root]);
        }
        let (index, stride) = indexed.at(kernel, &mut scope, point);
        let buffer = evaluation.buffer(indexed.argument);
        let root = match (stride, point.active) {
            (0, 2..) => kernel.splat(buffer, index),
            (_, 1) => kernel.push(Operation::Load { buffer, index, stride: 1, active: 1 }),
            (_, active) => kernel.push(Operation::Load { buffer, index, stride, active }),
        };
        let root = if booleans { kernel.convert(Convert::I32ToMask, root) } else { root };
        scope.store(kernel, point, &[root]);
    })
}

/// Scatters: adds a term to the indexed elements, which have been set to 0 before.
pub fn lower_scatter(
    name: &str,
    expression: &Expression,
    indexed: &Indexed,
    update: TermId,
    target: &Target,
) -> Vec<Lowered> {
    let (expression, indexed, grid) = &share_additions(expression, indexed, target.lanes);
    let along = lanes_of_one_index(expression, indexed, grid);
    lower(name, expression, indexed, target, (grid, along), &mut |kernel, evaluation, point| {
        let mut scope = evaluation.clone();
        let (index, lanes) = indexed.at(kernel, &mut scope, point);
        let buffer = evaluation.buffer(indexed.argument);
        // Read, add, write, in one task: updates that meet at one place come one after the other, in the order of the
        // space, so that the sum has the same bits in every run.
        let (stride, active) = if point.active == 1 { (1, 1) } else { (lanes, point.active) };
        let before = kernel.push(Operation::Load { buffer, index: index.clone(), stride, active });
        let update = scope.term(kernel, update, point, &[]);
        let sum = kernel.add(before, update);
        kernel.store(buffer, index, stride, active, sum);
    })
}

/// Cuts additions into tasks, and says which axes are the grid. Two places of the space may meet unless they differ
/// along an axis on which the place moves whatever the index: such axes are shared, those in front of the indices as
/// they are, the first one behind them in parts. Each task reads all indices of its axes.
///
/// ```text
/// grid: axes in front of the indices; parts of the first axis behind them
///   indices
///     a part of what is added at one index
/// ```
fn share_additions(expression: &Expression, indexed: &Indexed, lanes: usize) -> (Expression, Indexed, Vec<usize>) {
    let (mut expression, mut indexed) = (expression.clone(), indexed.clone());
    if expression.places(|_| true) <= SHARED_PLACES {
        return (expression, indexed, Vec::new());
    }
    let rank = expression.rank();
    let several = |axis: usize| expression.extents[axis] > 1;
    let meets = |axis: usize| several(axis) && indexed.access.strides[axis] == 0;
    let first = (0..rank).find(|&axis| meets(axis)).unwrap_or(0);
    let behind = (0..rank).rev().find(|&axis| meets(axis)).map_or(0, |last| last + 1);
    // Lanes may lie in front of the indices, too, where nothing is behind them.
    let along = lanes_of_one_index(&expression, &indexed, &[]);
    let mut grid: Vec<usize> = (0..first).filter(|&axis| several(axis) && Some(axis) != along).collect();
    let tasks: usize = grid.iter().map(|&axis| expression.extents[axis]).product();
    if let Some(row) = (behind..rank).find(|&axis| several(axis)).or(along) {
        let (extent, inner) =
            (expression.extents[row], expression.extents[behind.max(row + 1)..].iter().product::<usize>());
        // Whole vectors where the axis has them: other cuts give each part a tail.
        let quantum = if extent.is_multiple_of(lanes) { lanes } else { 1 };
        let parts = divisor(extent / quantum, (ROW_TASKS / tasks).min(extent * inner / ROW_PART));
        if parts > 1 {
            let stride = indexed.access.strides[row];
            expression.split_axis(row, parts);
            indexed.access.strides.insert(row, stride * (extent / parts) as i64);
            // The parts' axis is `row`, and those behind it have moved.
            grid.iter_mut().filter(|axis| **axis > row).for_each(|axis| *axis += 1);
            grid.push(row);
        }
    }
    (expression, indexed, grid)
}

/// The last axis of several places that fits.
fn last_axis(expression: &Expression, fits: impl Fn(usize) -> bool) -> Option<usize> {
    (0..expression.rank()).rev().find(|&axis| expression.extents[axis] > 1 && fits(axis))
}

/// The axis of the lanes, for rows of a table `[v, d]` that of `d`: along it the index stays and the elements move. None
/// that the grid has taken.
fn lanes_of_one_index(expression: &Expression, indexed: &Indexed, grid: &[usize]) -> Option<usize> {
    let moves = |axis: usize| indexed.is_same_along(expression, axis) && indexed.access.strides[axis] != 0;
    last_axis(expression, |axis| !grid.contains(&axis) && moves(axis))
}

/// The same of reads, whose lanes may have indices of their own: where none has one index, results that lie side by
/// side are as many as there are, wherever the elements come from.
fn lanes_of_reads(expression: &Expression, indexed: &Indexed) -> Option<usize> {
    let own = |axis: usize| expression.stores.first().is_some_and(|store| store.access.strides[axis] == 1);
    match lanes_of_one_index(expression, indexed, &[]) {
        None if indexed.is_near(expression) => last_axis(expression, own),
        same => same,
    }
}

/// Loops over the space, in which some axes are the grid and one may be that of the lanes.
fn lower(
    name: &str,
    expression: &Expression,
    indexed: &Indexed,
    target: &Target,
    (grid, along): (&[usize], Option<usize>),
    body: &mut dyn FnMut(&mut KernelBuilder, &Evaluation<'_>, &Point),
) -> Vec<Lowered> {
    if expression.is_empty() {
        return Vec::new();
    }
    let mut kernel = KernelBuilder::new(name, target.lanes);
    let mut coordinates = vec![Index::default(); expression.rank()];
    for &axis in grid {
        coordinates[axis] = Index::of(kernel.grid(expression.extents[axis]), 1);
    }
    let mut evaluation = Evaluation::new(expression, &mut kernel);
    let roots: Vec<TermId> = expression.stores.iter().map(|store| store.term).chain([indexed.index]).collect();
    evaluation.prepare(&mut kernel, roots);
    let others = (0..expression.rank()).filter(|axis| Some(*axis) != along && !grid.contains(axis));
    let loops: Vec<(usize, usize)> = others.map(|axis| (axis, expression.extents[axis])).collect();
    nest(&mut kernel, &loops, &coordinates, &[], &mut |kernel, coordinates, _| {
        let Some(axis) = along else {
            body(kernel, &evaluation, &Point::single(coordinates.to_vec()));
            return Vec::new();
        };
        // An index that is the same for all lanes is found once for the whole row.
        let mut row = evaluation.clone();
        let place = Point::single(coordinates.to_vec());
        row.prepare_within(kernel, [indexed.index], |known| known != axis, &place);
        vectors(kernel, expression.extents[axis], UNROLL, &Index::default(), &mut |kernel, group| {
            for (index, active) in group {
                let mut coordinates = coordinates.to_vec();
                coordinates[axis] = index.clone();
                body(kernel, &row, &Point::along(axis, coordinates, *active));
            }
        });
        Vec::new()
    });
    vec![Lowered::new(kernel, expression, expression.flops())]
}
