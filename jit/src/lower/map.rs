//! Elementwise kernels: loops over an iteration space that compute an expression at each place and store some of its
//! terms. Copies between layouts are the simplest of them. It knows expressions; it knows no graph.

use super::expression::{Evaluation, Expression, Point};
use super::{Lowered, TASK_PLACES, UNROLL, divisor, grid_coordinates, nest, split_tasks, vectors};
use crate::kernel::{Index, KernelBuilder};
use crate::target::Target;

/// Expressions of more weight are not unrolled: one vector of theirs fills the registers.
const UNROLL_WEIGHT: u64 = 40;

/// The kernels that compute and store an expression: one, or two where a long axis has no even split, none where there is
/// nothing to store.
pub fn lower(name: &str, expression: &Expression, target: &Target) -> Vec<Lowered> {
    if expression.is_empty() {
        return Vec::new();
    }
    let mut expression = expression.clone();
    order_axes(&mut expression);
    expression.merge_axes();
    if let [extent] = expression.extents[..]
        && extent >= 4 * TASK_PLACES
        && !splits_evenly(extent, UNROLL * target.lanes)
    {
        let even = extent / TASK_PLACES * TASK_PLACES;
        let parts = [(0, even), (even, extent - even)];
        let parts = parts.iter().filter(|(_, places)| *places > 0);
        return parts.map(|&(start, places)| one(name, expression.restricted(0, start, places), target)).collect();
    }
    vec![one(name, expression, target)]
}

/// Whether an axis can be cut into tasks of a fair size, each a multiple of `quantum`.
fn splits_evenly(extent: usize, quantum: usize) -> bool {
    extent.is_multiple_of(quantum) && divisor(extent / quantum, TASK_PLACES / quantum) * quantum >= TASK_PLACES / 8
}

/// Puts the axes in the order in which the first store steps through memory, the smallest step innermost.
fn order_axes(expression: &mut Expression) {
    let Some(store) = expression.stores.first() else { return };
    let mut order: Vec<usize> = (0..expression.rank()).collect();
    order.sort_by_key(|&axis| (expression.extents[axis] != 1, std::cmp::Reverse(store.access.strides[axis].abs())));
    expression.permute(&order);
}

fn one(name: &str, mut expression: Expression, target: &Target) -> Lowered {
    let roots: Vec<_> = expression.stores.iter().map(|store| store.term).collect();
    let weight = expression.weight(roots.iter().copied());
    let unroll = if weight > UNROLL_WEIGHT { 1 } else { UNROLL };
    let rank = expression.rank();
    let grid = split_tasks(&mut expression, rank, 1 + weight as usize / 8, UNROLL * target.lanes);
    let rank = expression.rank();
    let mut kernel = KernelBuilder::new(name, target.lanes);
    let coordinates = grid_coordinates(&mut kernel, &expression, grid);
    let mut evaluation = Evaluation::new(&expression, &mut kernel);
    evaluation.prepare(&mut kernel, roots.iter().copied());
    if grid == rank {
        evaluation.store(&mut kernel, &Point::single(coordinates), &[]);
        return Lowered { in_place: expression.in_place(), ..Lowered::new(kernel, &expression, expression.flops()) };
    }
    let inner = rank - 1;
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
    Lowered { in_place: expression.in_place(), ..Lowered::new(kernel, &expression, expression.flops()) }
}
