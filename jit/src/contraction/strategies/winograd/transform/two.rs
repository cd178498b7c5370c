//! The transforms of F(2 x 2, 3 x 3), the 2 x 2 results of a patch of 4 x 4:
//!
//! ```text
//!      | 1  0 -1  0 |        | 1    0    0   |        | 1  1  1  0 |
//! B' = | 0  1  1  0 |    G = | 1/2  1/2  1/2 |   A' = | 0  1 -1 -1 |
//!      | 0 -1  1  0 |        | 1/2 -1/2  1/2 |
//!      | 0  1  0 -1 |        | 0    0    1   |
//! ```
//!
//! They know values alone. Each is written so that its intermediate values fit 16 registers.

use super::values::{Load, Store};
use crate::kernel::{KernelBuilder, Value};

/// `B' d B`. Of the patch, the first `present` rows and columns (3 or 4) are there; the others are 0.
pub fn inputs(kernel: &mut KernelBuilder, present: [usize; 2], load: &mut Load<'_>, store: &mut Store<'_>) {
    let [rows, columns] = present;
    let mut row = |kernel: &mut KernelBuilder, row: usize| -> Vec<Value> {
        (0..columns).map(|column| load(kernel, row, column)).collect()
    };
    // A row of `B' d`, times `B`: `[a - c, b + c, c - b, b - d]`, with `d = 0` where the patch has three columns.
    let mut finish = |kernel: &mut KernelBuilder, row: usize, values: &[Value]| {
        let first = kernel.sub(values[0], values[2]);
        store(kernel, row, 0, first);
        let second = kernel.add(values[1], values[2]);
        store(kernel, row, 1, second);
        let third = kernel.sub(values[2], values[1]);
        store(kernel, row, 2, third);
        let fourth = if columns == 4 { kernel.sub(values[1], values[3]) } else { values[1] };
        store(kernel, row, 3, fourth);
    };
    // Each of the middle rows goes into three rows of `B' d`, the outer ones into one: these are loaded when it is
    // their turn.
    let [second, third] = [row(kernel, 1), row(kernel, 2)];
    let first: Vec<Value> = row(kernel, 0).iter().zip(&third).map(|(&a, &b)| kernel.sub(a, b)).collect();
    finish(kernel, 0, &first);
    let sums: Vec<Value> = second.iter().zip(&third).map(|(&a, &b)| kernel.add(a, b)).collect();
    finish(kernel, 1, &sums);
    let differences: Vec<Value> = second.iter().zip(&third).map(|(&a, &b)| kernel.sub(b, a)).collect();
    finish(kernel, 2, &differences);
    let last = match rows {
        4 => row(kernel, 3).iter().zip(&second).map(|(&a, &b)| kernel.sub(b, a)).collect(),
        _ => second,
    };
    finish(kernel, 3, &last);
}

/// `G g G'`.
pub fn weights(kernel: &mut KernelBuilder, load: &mut Load<'_>, store: &mut Store<'_>) {
    let half = kernel.f32(0.5);
    // The first and the last of the four are those given.
    let expand = |kernel: &mut KernelBuilder, [a, b, c]: [Value; 3]| -> [Value; 4] {
        // G [a b c]' = [a, (a + c)/2 + b/2, (a + c)/2 - b/2, c]
        let outer = kernel.add(a, c);
        let outer = kernel.mul(outer, half);
        let sum = kernel.fma(b, half, outer);
        let middle = kernel.mul(b, half);
        let difference = kernel.sub(outer, middle);
        [a, sum, difference, c]
    };
    let columns: Vec<[Value; 4]> = (0..3)
        .map(|column| {
            let values = [0, 1, 2].map(|row| load(kernel, row, column));
            expand(kernel, values)
        })
        .collect();
    (0..4).for_each(|row: usize| {
        let values = expand(kernel, [0, 1, 2].map(|column: usize| columns[column][row]));
        values.into_iter().enumerate().for_each(|(column, value)| store(kernel, row, column, value));
    });
}

/// `A' m A`, of which the first `wanted` rows and columns (1 or 2).
pub fn results(kernel: &mut KernelBuilder, wanted: [usize; 2], load: &mut Load<'_>, store: &mut Store<'_>) {
    for row in 0..wanted[0] {
        // A row of `A' m`: `[m0 + m1 + m2]` or `[m1 - m2 - m3]`, down each column. Elements are loaded again for the
        // second row, as 16 of them beside what is computed would not fit the registers.
        let values: Vec<Value> = (0..4)
            .map(|column| {
                if row == 0 {
                    let [first, second] = [0, 1].map(|row| load(kernel, row, column));
                    let sum = kernel.add(second, first);
                    let third = load(kernel, 2, column);
                    kernel.add(sum, third)
                } else {
                    let [second, third] = [1, 2].map(|row| load(kernel, row, column));
                    let difference = kernel.sub(second, third);
                    let fourth = load(kernel, 3, column);
                    kernel.sub(difference, fourth)
                }
            })
            .collect();
        let sum = kernel.add(values[0], values[1]);
        let sum = kernel.add(sum, values[2]);
        store(kernel, row, 0, sum);
        if wanted[1] == 2 {
            let difference = kernel.sub(values[1], values[2]);
            let difference = kernel.sub(difference, values[3]);
            store(kernel, row, 1, difference);
        }
    }
}

/// `A dy A'` of a gradient `dy` of 2 x 2, of which the first `present` rows and columns (1 or 2) are there; but for the
/// sign of the last row and column, which [`weight_gradients`] gives.
pub fn gradients(kernel: &mut KernelBuilder, present: [usize; 2], load: &mut Load<'_>, store: &mut Store<'_>) {
    let expand = |kernel: &mut KernelBuilder, first: Value, second: Option<Value>| -> [Value; 4] {
        // A [a b]' = [a, a + b, a - b, -b], here without the last sign; with `b = 0` that is [a, a, a, 0]
        let Some(second) = second else {
            let zero = kernel.f32(0.0);
            return [first, first, first, zero];
        };
        let sum = kernel.add(first, second);
        let difference = kernel.sub(first, second);
        [first, sum, difference, second]
    };
    let mut column = |kernel: &mut KernelBuilder, column: usize| -> [Value; 4] {
        let first = load(kernel, 0, column);
        let second = (present[0] == 2).then(|| load(kernel, 1, column));
        expand(kernel, first, second)
    };
    let first = column(kernel, 0);
    let second = (present[1] == 2).then(|| column(kernel, 1));
    for row in 0..4 {
        let values = expand(kernel, first[row], second.map(|second| second[row]));
        values.into_iter().enumerate().for_each(|(column, value)| store(kernel, row, column, value));
    }
}

/// `G' m G`, of sums over what [`gradients`] gives.
pub fn weight_gradients(kernel: &mut KernelBuilder, load: &mut Load<'_>, store: &mut Store<'_>) {
    let half = kernel.f32(0.5);
    let reduce = |kernel: &mut KernelBuilder, [a, b, c, d]: [Value; 4]| -> [Value; 3] {
        // G' [a b c d]' = [a + (b + c)/2, (b - c)/2, (b + c)/2 + d], where `d` comes without its sign: hence `- d`
        let sum = kernel.add(b, c);
        let sum = kernel.mul(sum, half);
        let difference = kernel.sub(b, c);
        [kernel.add(a, sum), kernel.mul(difference, half), kernel.sub(sum, d)]
    };
    let columns: Vec<[Value; 3]> = (0..4)
        .map(|column| {
            let values = [0, 1, 2, 3].map(|row| load(kernel, row, column));
            reduce(kernel, values)
        })
        .collect();
    (0..3).for_each(|row: usize| {
        let values = reduce(kernel, [0, 1, 2, 3].map(|column: usize| columns[column][row]));
        values.into_iter().enumerate().for_each(|(column, value)| store(kernel, row, column, value));
    });
}
