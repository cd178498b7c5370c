//! What several strategies write into kernels: operands with a start of their own, loops in whole steps and a rest,
//! squares transposed in registers, zeros. It knows no tiling but a loop's steps.

use crate::contraction::tiling::steps;
use crate::kernel::{BufferId, Convert, Index, Int2, KernelBuilder, Operation, Shift, Value, ValueType};

/// An operand's memory.
#[derive(Clone, Debug)]
pub struct Side {
    /// The buffer.
    pub buffer: BufferId,
    /// What is added to every place.
    pub start: Index,
}

impl From<BufferId> for Side {
    fn from(buffer: BufferId) -> Side {
        Side { buffer, start: Index::default() }
    }
}

/// Runs the body at the start of each step of `size` places over `extent` places, with the places of the step.
pub fn along(
    kernel: &mut KernelBuilder,
    extent: usize,
    size: usize,
    body: &mut dyn FnMut(&mut KernelBuilder, Index, usize),
) {
    for steps in steps(extent, size) {
        // A step that comes once is no loop: its index is a constant, and the body can be unrolled around it.
        let start = Index::at(steps.start as i64);
        if steps.count == 1 {
            body(kernel, start, steps.size);
        } else {
            kernel.for_each(steps.count, &[], |kernel, variable, _| {
                body(kernel, start.plus(variable, steps.size as i64), steps.size);
                Vec::new()
            });
        }
    }
}

/// Columns of a matrix whose rows lie some distance apart: so many rows and columns from a place on, at most as many as
/// there are lanes. Lane `i` of a column is its element in row `i`, or 0.
pub fn transposed(
    kernel: &mut KernelBuilder,
    buffer: BufferId,
    from: &Index,
    apart: i64,
    [rows, columns]: [usize; 2],
) -> Vec<Value> {
    square(kernel, [rows, columns], |kernel, row| {
        let index = from.clone().shifted(row as i64 * apart);
        kernel.push(Operation::Load { buffer, index, stride: 1, active: columns })
    })
}

/// The same of a matrix of pairs of bf16, of which a row holds them side by side.
pub fn transposed_pairs(
    kernel: &mut KernelBuilder,
    buffer: BufferId,
    from: &Index,
    apart: i64,
    [rows, columns]: [usize; 2],
) -> Vec<Value> {
    if kernel.rounds(buffer) {
        // Columns of single elements, two of which are one of pairs.
        let mut all = Vec::new();
        for first in (0..2 * columns).step_by(kernel.lanes()) {
            let count = kernel.lanes().min(2 * columns - first);
            all.extend(transposed(kernel, buffer, &from.clone().shifted(first as i64), apart, [rows, count]));
        }
        return all.chunks(2).map(|both| pair(kernel, both[0], both[1])).collect();
    }
    square(kernel, [rows, columns], |kernel, row| {
        let index = from.clone().shifted(row as i64 * apart);
        kernel.push(Operation::LoadPairs { buffer, index, stride: 2, active: columns })
    })
}

/// Two bf16 as f32: the even one goes to the lower half.
pub fn pair(kernel: &mut KernelBuilder, even: Value, odd: Value) -> Value {
    let [even, odd] = [even, odd].map(|value| kernel.convert(Convert::BitsToI32, value));
    let even = kernel.shift(Shift::RightLogical, even, 16);
    kernel.int2(Int2::Or, even, odd)
}

/// Columns of a matrix of which `row` gives a row each.
pub fn square(
    kernel: &mut KernelBuilder,
    [rows, columns]: [usize; 2],
    mut row: impl FnMut(&mut KernelBuilder, usize) -> Value,
) -> Vec<Value> {
    // No row is read beyond its last column: nothing outside of the matrix is. What moves lanes about takes f32; the bits
    // of an i32 will do.
    let mut integers = false;
    let mut square = Vec::with_capacity(rows);
    for number in 0..rows {
        let mut value = row(kernel, number);
        integers = kernel.ty(value) == ValueType::I32;
        if integers {
            value = kernel.convert(Convert::BitsToF32, value);
        }
        square.push(value);
    }
    let mut transposed = kernel.transpose(&square);
    transposed.truncate(columns);
    if integers {
        transposed.iter_mut().for_each(|column| *column = kernel.convert(Convert::BitsToI32, *column));
    }
    transposed
}

/// Zeros from `start` on.
pub fn fill(kernel: &mut KernelBuilder, to: BufferId, start: Index, count: usize) {
    let lanes = kernel.lanes();
    let zero = match kernel.element(to).value_type() {
        ValueType::I32 => kernel.i32(0),
        ValueType::F32 | ValueType::Mask => kernel.f32(0.0),
    };
    // Whole vectors in a loop, then what is narrower than one.
    let vectors = count / lanes;
    if vectors > 0 {
        kernel.for_each(vectors, &[], |kernel, variable, _| {
            kernel.store(to, start.clone().plus(variable, lanes as i64), 1, lanes, zero);
            Vec::new()
        });
    }
    if !count.is_multiple_of(lanes) {
        kernel.store(to, start.shifted((vectors * lanes) as i64), 1, count % lanes, zero);
    }
}

/// A number times a factor.
pub fn times(index: &Index, factor: usize) -> Index {
    Index::default().plus_index(index, factor as i64)
}
