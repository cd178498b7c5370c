//! Loops over an iteration space: the grid, nests of loops, vectors along the innermost axis. It knows expressions'
//! spaces; it knows nothing of what is computed at a place.

use super::expression::Expression;
use crate::cost::params::loops::{LEAST_TASKS, TASK_PLACES};
use crate::cost::sharing::divisor;
use crate::kernel::{Index, KernelBuilder, Value};

/// What a loop nest runs at each place: it gets the coordinates and the carried values, and gives the new ones.
pub type NestBody<'a> = dyn FnMut(&mut KernelBuilder, &[Index], &[Value]) -> Vec<Value> + 'a;

/// What runs for a group of neighbouring vectors: it gets the place of lane 0 and the number of active lanes of each.
pub type VectorsBody<'a> = dyn FnMut(&mut KernelBuilder, &[(Index, usize)]) + 'a;

/// Makes the leading axes of an expression the grid, and gives the place of a task: the start along all other axes.
pub fn grid_coordinates(kernel: &mut KernelBuilder, expression: &Expression, axes: usize) -> Vec<Index> {
    let mut coordinates = vec![Index::default(); expression.rank()];
    for (coordinate, &extent) in coordinates.iter_mut().zip(&expression.extents).take(axes) {
        *coordinate = Index::of(kernel.grid(extent), 1);
    }
    coordinates
}

/// Loops over the given axes, outermost first: runs the body at each place, with `coordinates` set along them, carrying
/// values from place to place.
pub fn nest(
    kernel: &mut KernelBuilder,
    axes: &[(usize, usize)],
    coordinates: &[Index],
    carried: &[Value],
    body: &mut NestBody<'_>,
) -> Vec<Value> {
    let Some((&(axis, extent), inner)) = axes.split_first() else {
        return body(kernel, coordinates, carried);
    };
    // No loop for one iteration: the coordinate stays what it was.
    if extent == 1 {
        return nest(kernel, inner, coordinates, carried, body);
    }
    kernel.for_each(extent, carried, |kernel, variable, carried| {
        let mut coordinates = coordinates.to_vec();
        coordinates[axis] = coordinates[axis].clone().plus(variable, 1);
        nest(kernel, inner, &coordinates, carried, body)
    })
}

/// Covers `0..extent` with vectors: `body` gets the place of lane 0, relative to `start`, and the numbers of active
/// lanes of neighbouring vectors. Whole groups of `unroll` vectors come in a loop, then the rest, then the tail.
pub fn vectors(kernel: &mut KernelBuilder, extent: usize, unroll: usize, start: &Index, body: &mut VectorsBody<'_>) {
    let lanes = kernel.lanes();
    // extent = groups * unroll * lanes  +  (full % unroll) * lanes  +  tail, as 8 lanes, unroll 4 and 83 places:
    //   | 32 | 32 |  8 8  3 |        two iterations of a loop; then two whole vectors and one of 3 active lanes
    let (full, tail) = (extent / lanes, extent % lanes);
    let groups = full / unroll;
    let group = |start: &Index, count: usize| -> Vec<(Index, usize)> {
        (0..count).map(|i| (start.clone().shifted((i * lanes) as i64), lanes)).collect()
    };
    if groups > 1 {
        kernel.for_each(groups, &[], |kernel, variable, _| {
            body(kernel, &group(&start.clone().plus(variable, (unroll * lanes) as i64), unroll));
            Vec::new()
        });
    } else if groups == 1 {
        body(kernel, &group(start, unroll));
    }
    let mut rest = group(&start.clone().shifted((groups * unroll * lanes) as i64), full % unroll);
    if tail > 0 {
        rest.push((start.clone().shifted((full * lanes) as i64), tail));
    }
    if !rest.is_empty() {
        body(kernel, &rest);
    }
}

/// Cuts the first `axes` axes of an expression into tasks of about [`TASK_PLACES`] places, each of which costs as much
/// as `cost` places of a map, and says how many leading axes have become the grid. The last of the axes is cut at
/// multiples of `quantum` only.
pub fn split_tasks(expression: &mut Expression, axes: usize, cost: usize, quantum: usize) -> usize {
    let places = |e: &Expression, from: usize, to: usize| e.extents[from..to].iter().product::<usize>() * cost;
    // `places` counts work, not elements: `cost` is what each of them takes. Too little for two tasks is one task.
    if places(expression, 0, axes) < LEAST_TASKS * TASK_PLACES {
        return 0;
    }
    for axis in 0..axes {
        let inner = places(expression, axis + 1, axes);
        // What lies within one index of this axis is enough for a task: each index is at least one; the next axis is
        // looked at.
        if axis + 1 < axes && inner >= TASK_PLACES {
            continue;
        }
        let extent = expression.extents[axis];
        let quantum = if axis + 1 == axes { quantum } else { 1 };
        // Whole groups of vectors alone (`quantum` is 1 on other axes): a cut elsewhere would give every task a tail.
        if !extent.is_multiple_of(quantum) {
            return axis;
        }
        // As many indices as come to about a task's size, and a divisor of the extent, so that all tasks are equal.
        let part = divisor(extent / quantum, TASK_PLACES.div_ceil(inner * quantum)) * quantum;
        if part == extent {
            return axis;
        }
        expression.split_axis(axis, extent / part);
        return axis + 1;
    }
    axes
}
