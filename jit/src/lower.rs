//! Lowers operations to kernels. The families of `kiln_graph`'s operations are spread over these files by how they are computed:
//! elementwise operations, constants and most movements are expressions (`expression`) that `map` computes for each place; `reduce`,
//! `window` (poolings and their gradients), `indexing` (gathers that scatter) and `random` hold a family each; products and
//! convolutions share `tile`, which `dot` and `conv` describe themselves to. `pack`, `halo` and `math` are what these use.
//! It knows graphs' operations, layouts and targets; it knows no emitter.

mod conv;
mod dot;
pub mod expression;
pub mod halo;
pub mod indexing;
pub mod map;
pub mod math;
mod pack;
pub mod random;
pub mod reduce;
pub mod tile;
pub mod window;

use std::sync::Arc;

use crate::kernel::{Index, Kernel, KernelBuilder, Value};
use expression::{Expression, Storage};

/// Places of an iteration space that one task of a grid handles, about: some microseconds of work.
const TASK_PLACES: usize = 8192;

/// Vectors that an inner loop handles in one turn, so that several chains of operations are in flight.
const UNROLL: usize = 4;

/// A kernel with the memory that each of its buffers stands for.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The code.
    pub kernel: Arc<Kernel>,
    /// One for each of the kernel's buffers.
    pub arguments: Vec<Storage>,
    /// Floating-point operations.
    pub flops: u64,
    /// Bytes that must be read or written at least.
    pub bytes: u64,
    /// Pairs of arguments `(written, read)` that may be one piece of memory: every place is read for the last time when it
    /// is written.
    pub in_place: Vec<(Storage, Storage)>,
}

impl Lowered {
    /// The kernel of an expression, whose arguments are the kernel's first buffers.
    fn new(kernel: KernelBuilder, expression: &Expression, flops: u64) -> Lowered {
        let arguments = expression.arguments.iter().map(|argument| argument.storage).collect();
        Lowered { kernel: kernel.finish().into(), arguments, flops, bytes: expression.bytes(), in_place: Vec::new() }
    }
}

/// What a loop nest runs at each place: it gets the coordinates and the carried values, and gives the new ones.
type NestBody<'a> = dyn FnMut(&mut KernelBuilder, &[Index], &[Value]) -> Vec<Value> + 'a;

/// What runs for a group of neighbouring vectors: it gets the place of lane 0 and the number of active lanes of each.
type VectorsBody<'a> = dyn FnMut(&mut KernelBuilder, &[(Index, usize)]) + 'a;

/// Makes the leading axes of an expression the grid, and gives the place of a task: the start along all other axes.
fn grid_coordinates(kernel: &mut KernelBuilder, expression: &Expression, axes: usize) -> Vec<Index> {
    let mut coordinates = vec![Index::default(); expression.rank()];
    for (coordinate, &extent) in coordinates.iter_mut().zip(&expression.extents).take(axes) {
        *coordinate = Index::of(kernel.grid(extent), 1);
    }
    coordinates
}

/// Loops over the given axes, outermost first: runs the body at each place, with `coordinates` set along them, carrying
/// values from place to place.
fn nest(
    kernel: &mut KernelBuilder,
    axes: &[(usize, usize)],
    coordinates: &[Index],
    carried: &[Value],
    body: &mut NestBody<'_>,
) -> Vec<Value> {
    let Some((&(axis, extent), inner)) = axes.split_first() else {
        return body(kernel, coordinates, carried);
    };
    if extent == 1 {
        return nest(kernel, inner, coordinates, carried, body);
    }
    kernel.for_each(extent, carried, |kernel, variable, carried| {
        let mut coordinates = coordinates.to_vec();
        coordinates[axis] = coordinates[axis].clone().plus(variable, 1);
        nest(kernel, inner, &coordinates, carried, body)
    })
}

/// Covers `0..extent` with vectors: `body` gets the place of lane 0, relative to `start`, and the numbers of active lanes
/// of neighbouring vectors. Whole groups of `unroll` vectors come in a loop, then the rest, then the tail.
fn vectors(kernel: &mut KernelBuilder, extent: usize, unroll: usize, start: &Index, body: &mut VectorsBody<'_>) {
    let lanes = kernel.lanes();
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

/// The largest divisor of `n` that is at most `limit`, and at least 1.
fn divisor(n: usize, limit: usize) -> usize {
    (1..=limit.clamp(1, n.max(1))).rev().find(|d| n.is_multiple_of(*d)).unwrap_or(1)
}

/// The divisors of `n`, the smallest first, in time that grows with its root: `n` may be any batch.
fn divisors(n: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (1..).take_while(|d| d * d <= n).filter(|d| n.is_multiple_of(*d)).collect();
    all.extend(all.clone().iter().rev().map(|d| n / d).filter(|d| d * d > n));
    all
}

/// Cuts the first `axes` axes of an expression into tasks of about [`TASK_PLACES`] places, each of which costs as much as
/// `cost` places of a map, and says how many leading axes have become the grid. The last of the axes is
/// cut at multiples of `quantum` only.
fn split_tasks(expression: &mut Expression, axes: usize, cost: usize, quantum: usize) -> usize {
    let places = |e: &Expression, from: usize, to: usize| e.extents[from..to].iter().product::<usize>() * cost;
    if places(expression, 0, axes) < 2 * TASK_PLACES {
        return 0;
    }
    for axis in 0..axes {
        let inner = places(expression, axis + 1, axes);
        if axis + 1 < axes && inner >= TASK_PLACES {
            continue;
        }
        let extent = expression.extents[axis];
        let quantum = if axis + 1 == axes { quantum } else { 1 };
        if !extent.is_multiple_of(quantum) {
            return axis;
        }
        let part = divisor(extent / quantum, TASK_PLACES.div_ceil(inner * quantum)) * quantum;
        if part == extent {
            return axis;
        }
        expression.split_axis(axis, extent / part);
        return axis + 1;
    }
    axes
}

#[cfg(test)]
mod tests {
    use super::divisors;

    #[test]
    fn divisors_are_those_that_leave_nothing_over() {
        for n in 0..500_usize {
            let expected: Vec<usize> = (1..=n).filter(|d| n.is_multiple_of(*d)).collect();
            assert_eq!(divisors(n), expected, "{n}");
        }
        assert_eq!(divisors((1 << 31) - 1), [1, (1 << 31) - 1]);
    }
}
