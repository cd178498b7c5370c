//! Elementwise kernels: loops over an iteration space that compute an expression at each place and store some of its
//! terms. Copies between layouts are the simplest of them. It knows expressions; of a graph it knows what becomes one.

use kiln_graph::op::Op;
use kiln_graph::{Graph, Shape};

use super::expression::{
    Affine, Evaluation, Expression, ExpressionBuilder, Located, Point, Term, identity, reshape_view, view_coordinates,
};
use super::group::{Context, Group};
use super::loops::{grid_coordinates, nest, split_tasks, vectors};
use super::lowered::Lowered;
use crate::cost::params::loops::{
    MOVING_WEIGHT, SMALL_TASK, TASK_PLACES, TASKS_AND_REST, TRANSPOSED_PART, UNROLL, UNROLL_WEIGHT,
};
use crate::cost::sharing::divisor;
use crate::kernel::{Index, KernelBuilder};
use crate::target::Target;

/// What a group of elementwise values computes.
pub fn describe(context: &Context<'_>, group: &Group) -> Expression {
    let graph = context.graph;
    let outside = context.outside(group);
    let first = group.stores[0];
    let shape = graph.shape(first);
    let rank = shape.rank();
    if let Op::Reshape(_) = graph.node(first).op
        && view_coordinates(graph, first, &identity(rank), rank).is_none()
    {
        // `[2, 3] -> [6]` of an operand in any order: element [i, j] goes to `3 i + j`, which is affine; going by the
        // places of the result would need `k / 3` and `k % 3`. So the row-major result is seen under the operand's
        // shape.
        // A copy that merges axes goes by the places of its operand.
        let operand = graph.node(first).inputs[0];
        let from = graph.shape(operand);
        let to = context.place(first);
        let layout = reshape_view(&to.layout, shape, from).expect("a flattened copy is row-major");
        let mut builder = ExpressionBuilder::new(graph, &outside, from.dims().to_vec());
        let at = identity(from.rank());
        let term = builder.node(operand, &at);
        builder.store(term, Located { layout, ..to }, &at);
        return builder.finish();
    }
    let mut builder = ExpressionBuilder::new(graph, &outside, shape.dims().to_vec());
    context.store_all(&mut builder, group, shape, &identity(rank), rank);
    builder.finish()
}

/// A copy from one place to another.
pub fn copy(graph: &Graph, shape: Shape, from: Located, to: Located, target: &Target) -> Vec<Lowered> {
    let nowhere = |_| None;
    let mut builder = ExpressionBuilder::new(graph, &nowhere, shape.dims().to_vec());
    let at = identity(shape.rank());
    let term = builder.load(from, &at);
    builder.store(term, to, &at);
    lower("copy", &builder.finish(), target)
}

/// The kernels that compute and store an expression: one, or two where a long axis has no even split, none where there
/// is nothing to store, or all lies where it goes.
pub fn lower(name: &str, expression: &Expression, target: &Target) -> Vec<Lowered> {
    if expression.is_empty() || expression.is_there() {
        return Vec::new();
    }
    let expression = by_memory(expression);
    // One long axis that no size of task divides (a prime number of elements): the even part goes to tasks, the rest is
    // a small kernel behind it. Else the whole would be one task, or thousands of tiny ones.
    if let [extent] = expression.extents[..]
        && extent >= TASKS_AND_REST * TASK_PLACES
        && !splits_evenly(extent, UNROLL * target.lanes)
    {
        let even = extent / TASK_PLACES * TASK_PLACES;
        let parts = [(0, even), (even, extent - even)];
        let parts = parts.iter().filter(|(_, places)| *places > 0);
        return parts
            .map(|&(start, places)| one(name, expression.restricted(0, start, places), None, target))
            .collect();
    }
    vec![one(name, expression, None, target)]
}

/// The one kernel that computes an expression in so many parts of the outermost axis, which are its grid; nothing where
/// they are not equal.
pub fn in_row_parts(name: &str, expression: &Expression, parts: usize, target: &Target) -> Option<Lowered> {
    let expression = by_memory(expression);
    let is_cut = expression.extents.first().is_some_and(|extent| extent.is_multiple_of(parts));
    is_cut.then(|| one(name, expression, Some(parts), target))
}

/// An expression with its axes as memory has them, not as the graph does: a channels-last tensor is walked through n, h,
/// w, c, and an elementwise kernel over dense tensors of one order becomes one loop over all elements.
fn by_memory(expression: &Expression) -> Expression {
    let mut expression = expression.clone();
    order_axes(&mut expression);
    expression.merge_axes();
    block_transposed(&mut expression);
    expression
}

/// Whether an axis can be cut into tasks of a fair size, each a multiple of `quantum`.
fn splits_evenly(extent: usize, quantum: usize) -> bool {
    extent.is_multiple_of(quantum)
        && divisor(extent / quantum, TASK_PLACES / quantum) * quantum >= TASK_PLACES / SMALL_TASK
}

/// Puts the axes in the order in which the first store steps through memory, the smallest step innermost.
fn order_axes(expression: &mut Expression) {
    let Some(store) = expression.stores.first() else { return };
    let mut order: Vec<usize> = (0..expression.rank()).collect();
    // Axes of one place first, where they part no two others that could merge.
    order.sort_by_key(|&axis| (expression.extents[axis] != 1, std::cmp::Reverse(store.access.strides[axis].abs())));
    expression.permute(&order);
}

/// Cuts the innermost axis where elements that lie side by side are read across it: their lines stay in the first cache
/// from one place of the other axis to the next only if they are few.
///
/// ```text
/// ..                  the other axes
///   parts of j        j: results [i, j] lie side by side, operands [j, i] lie apart
///     i               operands lie side by side
///       a part of j   a line of results, and one of operands for each j
/// ```
fn block_transposed(expression: &mut Expression) {
    let Some(inner) = expression.rank().checked_sub(1) else { return };
    if expression.extents[inner] <= TRANSPOSED_PART || !expression.extents[inner].is_multiple_of(TRANSPOSED_PART) {
        return;
    }
    let loads = expression.terms.iter().filter_map(|term| match term {
        Term::Load { access, .. } => Some(access),
        _ => None,
    });
    let across = loads.filter(|access| access.strides[inner].unsigned_abs() as usize >= TRANSPOSED_PART);
    let beside = |access: &Affine| (0..inner).find(|&axis| access.strides[axis].abs() == 1);
    let Some(other) = across.filter_map(beside).find(|&axis| expression.extents[axis] > 1) else { return };
    expression.split_axis(inner, expression.extents[inner] / TRANSPOSED_PART);
    let mut order: Vec<usize> = (0..inner).filter(|&axis| axis != other).collect();
    order.extend([inner, other, inner + 1]);
    expression.permute(&order);
}

/// With `parts`, the outermost axis is cut into as many, which are the grid.
fn one(name: &str, mut expression: Expression, parts: Option<usize>, target: &Target) -> Lowered {
    let roots: Vec<_> = expression.stores.iter().map(|store| store.term).collect();
    let weight = expression.weight(roots.iter().copied());
    // A long chain of operations fills the registers by itself; a short one waits for its own results, so that several
    // go side by side.
    let unroll = if weight > UNROLL_WEIGHT { 1 } else { UNROLL };
    let rank = expression.rank();
    let lowered = |kernel: KernelBuilder, expression: &Expression| Lowered {
        weight: weight * expression.places(|_| true) as u64,
        in_place: expression.in_place(),
        ..Lowered::new(kernel, expression, expression.flops())
    };
    let grid = match parts {
        Some(parts) => {
            expression.split_axis(0, parts);
            1
        }
        // In places of a plain copy.
        None => split_tasks(&mut expression, rank, 1 + weight as usize / MOVING_WEIGHT, UNROLL * target.lanes),
    };
    let rank = expression.rank();
    let mut kernel = KernelBuilder::new(name, target.lanes);
    let coordinates = grid_coordinates(&mut kernel, &expression, grid);
    let mut evaluation = Evaluation::new(&expression, &mut kernel);
    evaluation.prepare(&mut kernel, roots.iter().copied());
    // Every axis has become the grid, or there is none: a task is one place.
    if grid == rank {
        evaluation.store(&mut kernel, &Point::single(coordinates), &[]);
        return lowered(kernel, &expression);
    }
    let inner = rank - 1;
    // grid: tasks            the leading axes
    //   loops                the axes between
    //     row               what does not vary along the last axis, as a bias that is broadcast, is computed here, once
    //                       (for each part of a row, where [`block_transposed`] has cut it)
    //       vectors          the last axis
    let loops: Vec<(usize, usize)> = (grid..inner).map(|axis| (axis, expression.extents[axis])).collect();
    nest(&mut kernel, &loops, &coordinates, &[], &mut |kernel, coordinates, _| {
        let mut row = evaluation.clone();
        row.prepare_within(kernel, roots.iter().copied(), |axis| axis != inner, &Point::single(coordinates.to_vec()));
        vectors(kernel, expression.extents[inner], unroll, &Index::default(), &mut |kernel, group| {
            for (index, active) in group {
                let mut coordinates = coordinates.to_vec();
                coordinates[inner] = index.clone();
                row.store(kernel, &Point::along(inner, coordinates, *active), &[]);
            }
        });
        Vec::new()
    });
    lowered(kernel, &expression)
}
