//! The transforms of F(4 x 4, 3 x 3), the 4 x 4 results of a patch of 6 x 6, by Toom and Cook's way with the points 0, 1,
//! -1, 1/2, -2 and infinity, whose error is half of that of the usual ones with 2 in place of 1/2:
//!
//! ```text
//!      | 1 -3/2  -2   3/2  1  0 |        |   1      0      0   |
//!      | 0  -1   1/2  5/2  1  0 |        |  1/3    1/3    1/3  |        | 1  1  1   1    1  0 |
//! B' = | 0   1  -5/2  1/2  1  0 |    G = | -1/3    1/3   -1/3  |   A' = | 0  1 -1  1/2  -2  0 |
//!      | 0  -2   -1    2   1  0 |        | -16/15 -8/15  -4/15 |        | 0  1  1  1/4   4  0 |
//!      | 0  1/2  -1  -1/2  1  0 |        |  1/15  -2/15   4/15 |        | 0  1 -1  1/8  -8  1 |
//!      | 0   1  -3/2  -2  3/2 1 |        |   0      0      1   |
//! ```
//!
//! They know values alone. Each is written so that its intermediate values fit 32 registers.

use super::values::{Load, Store};
use crate::kernel::{KernelBuilder, Value};

/// Rows and columns of a patch, and of a transformed one.
const PATCH: usize = 6;
/// Rows and columns of a tile.
const TILE: usize = 4;

/// `B' d B`: see [`Form::inputs`](super::Form::inputs).
pub fn inputs(kernel: &mut KernelBuilder, present: [usize; 2], load: &mut Load<'_>, store: &mut Store<'_>) {
    let [half, two, more] = [-0.5, 2.0, 1.5].map(|constant| kernel.f32(constant));
    let mut at = |kernel: &mut KernelBuilder, row: usize, column: usize| {
        if row < present[0] && column < present[1] { load(kernel, row, column) } else { kernel.f32(0.0) }
    };
    // With `t = d4 - d2` and `u = d3 - d1`, `B' d` is
    // [t + (d0 - d2) + 3/2 u, (t + u) + 3/2 (d2 + d3), (t - u) + 3/2 (d3 - d2), t + 2 u, t - u / 2, (d5 - d3) - u + 3/2 t]
    let mut finish = |kernel: &mut KernelBuilder, row: usize, d: [Value; PATCH]| {
        let (t, u) = (kernel.sub(d[4], d[2]), kernel.sub(d[3], d[1]));
        let value = first(kernel, [d[0], d[2]], [t, u], more);
        store(kernel, row, 0, value);
        let value = second(kernel, [d[2], d[3]], [t, u], more);
        store(kernel, row, 1, value);
        let value = third(kernel, [d[2], d[3]], [t, u], more);
        store(kernel, row, 2, value);
        let value = kernel.fma(u, two, t);
        store(kernel, row, 3, value);
        let value = kernel.fma(u, half, t);
        store(kernel, row, 4, value);
        let value = last(kernel, [d[3], d[5]], [t, u], more);
        store(kernel, row, 5, value);
    };
    // Down each column first: `t` and `u` of all columns stay, all else is loaded when it is its turn.
    let columns: [[Value; 2]; PATCH] = std::array::from_fn(|column| {
        let [first, second, third, fourth] = [1, 2, 3, 4].map(|row| at(kernel, row, column));
        [kernel.sub(fourth, second), kernel.sub(third, first)]
    });
    for (row, factor) in [(3, two), (4, half)] {
        let values = columns.map(|[t, u]| kernel.fma(u, factor, t));
        finish(kernel, row, values);
    }
    type Row = fn(&mut KernelBuilder, [Value; 2], [Value; 2], Value) -> Value;
    let others: [(usize, [usize; 2], Row); 4] =
        [(1, [2, 3], second), (2, [2, 3], third), (0, [0, 2], first), (5, [3, 5], last)];
    for (row, from, value) in others {
        let values = std::array::from_fn(|column| {
            let d = from.map(|row| at(kernel, row, column));
            value(kernel, d, columns[column], more)
        });
        finish(kernel, row, values);
    }
}

/// `t + (d0 - d2) + 3/2 u`.
fn first(kernel: &mut KernelBuilder, [d0, d2]: [Value; 2], [t, u]: [Value; 2], more: Value) -> Value {
    let difference = kernel.sub(d0, d2);
    let sum = kernel.add(difference, t);
    kernel.fma(u, more, sum)
}

/// `(t + u) + 3/2 (d2 + d3)`.
fn second(kernel: &mut KernelBuilder, [d2, d3]: [Value; 2], [t, u]: [Value; 2], more: Value) -> Value {
    let sum = kernel.add(t, u);
    let middle = kernel.add(d2, d3);
    kernel.fma(middle, more, sum)
}

/// `(t - u) + 3/2 (d3 - d2)`.
fn third(kernel: &mut KernelBuilder, [d2, d3]: [Value; 2], [t, u]: [Value; 2], more: Value) -> Value {
    let difference = kernel.sub(t, u);
    let middle = kernel.sub(d3, d2);
    kernel.fma(middle, more, difference)
}

/// `(d5 - d3) - u + 3/2 t`.
fn last(kernel: &mut KernelBuilder, [d3, d5]: [Value; 2], [t, u]: [Value; 2], more: Value) -> Value {
    let difference = kernel.sub(d5, d3);
    let difference = kernel.sub(difference, u);
    kernel.fma(t, more, difference)
}

/// `G g G'`: see [`Form::weights`](super::Form::weights).
pub fn weights(kernel: &mut KernelBuilder, load: &mut Load<'_>, store: &mut Store<'_>) {
    let constants = [1.0 / 3.0, -16.0 / 15.0, -8.0 / 15.0, -4.0 / 15.0, 1.0 / 15.0, -2.0 / 15.0, 4.0 / 15.0];
    let [third, a, b, c, d, e, f] = constants.map(|constant| kernel.f32(constant));
    let expand = |kernel: &mut KernelBuilder, g: [Value; 3]| -> [Value; PATCH] {
        let outer = kernel.add(g[0], g[2]);
        let outer = kernel.mul(outer, third);
        let sum = kernel.fma(g[1], third, outer);
        let middle = kernel.mul(g[1], third);
        let difference = kernel.sub(middle, outer);
        let mut of = |[first, second, last]: [Value; 3]| {
            let value = kernel.mul(g[1], second);
            let value = kernel.fma(g[0], first, value);
            kernel.fma(g[2], last, value)
        };
        [g[0], sum, difference, of([a, b, c]), of([d, e, f]), g[2]]
    };
    let columns: [[Value; PATCH]; 3] = std::array::from_fn(|column| {
        let values = [0, 1, 2].map(|row| load(kernel, row, column));
        expand(kernel, values)
    });
    for row in 0..PATCH {
        let values = expand(kernel, columns.map(|column| column[row]));
        values.into_iter().enumerate().for_each(|(column, value)| store(kernel, row, column, value));
    }
}

/// `A' m A`: see [`Form::results`](super::Form::results).
pub fn results(kernel: &mut KernelBuilder, wanted: [usize; 2], load: &mut Load<'_>, store: &mut Store<'_>) {
    let constants = Powers::new(kernel);
    // Two rows of `A' m` at a time, which have sums (the first and the third) or differences (the others) of the second and
    // third element in common.
    for parity in 0..2.min(wanted[0]) {
        let is_two = parity + 2 < wanted[0];
        let (mut upper, mut lower) = (Vec::new(), Vec::new());
        for column in 0..PATCH {
            let [m1, m2, m3, m4] = [1, 2, 3, 4].map(|row| load(kernel, row, column));
            let common = if parity == 0 { kernel.add(m1, m2) } else { kernel.sub(m1, m2) };
            let outer = |kernel: &mut KernelBuilder, load: &mut Load<'_>, row: usize| match row {
                0 => Some(load(kernel, 0, column)),
                3 => Some(load(kernel, 5, column)),
                _ => None,
            };
            let first = outer(kernel, load, parity);
            upper.push(constants.row(kernel, parity, common, [m3, m4], first));
            if is_two {
                let second = outer(kernel, load, parity + 2);
                lower.push(constants.row(kernel, parity + 2, common, [m3, m4], second));
            }
        }
        for (row, values) in [(parity, upper), (parity + 2, lower)] {
            if values.is_empty() {
                continue;
            }
            let sum = kernel.add(values[1], values[2]);
            let difference = kernel.sub(values[1], values[2]);
            for column in 0..wanted[1] {
                let (common, outer) = match column {
                    0 => (sum, Some(values[0])),
                    1 => (difference, None),
                    2 => (sum, None),
                    _ => (difference, Some(values[5])),
                };
                let value = constants.row(kernel, column, common, [values[3], values[4]], outer);
                store(kernel, row, column, value);
            }
        }
    }
}

/// The powers of 1/2 and -2, from the first on.
struct Powers([[Value; 2]; 3]);

impl Powers {
    fn new(kernel: &mut KernelBuilder) -> Powers {
        Powers([[0.5, -2.0], [0.25, 4.0], [0.125, -8.0]].map(|powers| powers.map(|power| kernel.f32(power))))
    }

    /// A row of `A' m`: what it has of the second and third element, `1/2` and `-2` to the row's power times the next
    /// ones, and the first or the last where the row has it.
    fn row(
        &self,
        kernel: &mut KernelBuilder,
        row: usize,
        common: Value,
        [m3, m4]: [Value; 2],
        outer: Option<Value>,
    ) -> Value {
        let common = outer.map_or(common, |outer| kernel.add(outer, common));
        if row == 0 {
            let sum = kernel.add(m3, m4);
            return kernel.add(common, sum);
        }
        let [half, two] = self.0[row - 1];
        let value = kernel.fma(m3, half, common);
        kernel.fma(m4, two, value)
    }
}

/// `A dy A'`: see [`Form::gradients`](super::Form::gradients).
pub fn gradients(kernel: &mut KernelBuilder, present: [usize; 2], load: &mut Load<'_>, store: &mut Store<'_>) {
    let Powers(powers) = Powers::new(kernel);
    let expand = |kernel: &mut KernelBuilder, y: [Value; TILE]| -> [Value; PATCH] {
        let (even, odd) = (kernel.add(y[0], y[2]), kernel.add(y[1], y[3]));
        let [of_half, of_two] = [0, 1].map(|point| {
            let value = kernel.fma(y[1], powers[0][point], y[0]);
            let value = kernel.fma(y[2], powers[1][point], value);
            kernel.fma(y[3], powers[2][point], value)
        });
        [y[0], kernel.add(even, odd), kernel.sub(even, odd), of_half, of_two, y[3]]
    };
    let mut at = |kernel: &mut KernelBuilder, row: usize, column: usize| {
        if row < present[0] && column < present[1] { load(kernel, row, column) } else { kernel.f32(0.0) }
    };
    let columns: [[Value; PATCH]; TILE] = std::array::from_fn(|column| {
        let values = [0, 1, 2, 3].map(|row| at(kernel, row, column));
        expand(kernel, values)
    });
    for row in 0..PATCH {
        let values = expand(kernel, columns.map(|column| column[row]));
        values.into_iter().enumerate().for_each(|(column, value)| store(kernel, row, column, value));
    }
}

/// `G' m G`: see [`Form::weight_gradients`](super::Form::weight_gradients).
pub fn weight_gradients(kernel: &mut KernelBuilder, load: &mut Load<'_>, store: &mut Store<'_>) {
    let constants = [1.0 / 3.0, -16.0 / 15.0, -8.0 / 15.0, -4.0 / 15.0, 1.0 / 15.0, -2.0 / 15.0, 4.0 / 15.0];
    let [third, a, b, c, d, e, f] = constants.map(|constant| kernel.f32(constant));
    let reduce = |kernel: &mut KernelBuilder, m: [Value; PATCH]| -> [Value; 3] {
        let (sum, difference) = (kernel.add(m[1], m[2]), kernel.sub(m[1], m[2]));
        let mut of = |start: Value, [third_of, half, two]: [Value; 3]| {
            let value = kernel.fma(third_of, third, start);
            let value = kernel.fma(m[3], half, value);
            kernel.fma(m[4], two, value)
        };
        let (first, last) = (of(m[0], [difference, a, d]), of(m[5], [difference, c, f]));
        let middle = kernel.mul(sum, third);
        let middle = kernel.fma(m[3], b, middle);
        [first, kernel.fma(m[4], e, middle), last]
    };
    let columns: [[Value; 3]; PATCH] = std::array::from_fn(|column| {
        let values = std::array::from_fn(|row| load(kernel, row, column));
        reduce(kernel, values)
    });
    for row in 0..3 {
        let values = reduce(kernel, columns.map(|column| column[row]));
        values.into_iter().enumerate().for_each(|(column, value)| store(kernel, row, column, value));
    }
}
