//! The transforms of patches of 6 x 6: F(4 x 4, 3 x 3) and F(2 x 2, 5 x 5), by Toom and Cook's way with the points 0,
//! 1, -1, 1/2, -2 and infinity, whose error is half of that of the usual ones with 2 in place of 1/2. A row of `G` is
//! the powers of a point over the product of its distances to the others, a column of `A'` the powers themselves:
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
//! With a kernel of 5 x 5, `G` has the powers up to the fourth, and `A'` two rows. They know values alone. Those of
//! patches, results and gradients are written so that their intermediate values fit 32 registers.

use super::values::{Load, Store};
use crate::kernel::{KernelBuilder, Value};

/// Rows and columns of a patch, and of a transformed one.
const PATCH: usize = 6;

/// `B' d B`: see [`Filtering::inputs`](super::Filtering::inputs).
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

/// A kernel's row, of which the constants are made once: `G g` of some values.
struct Expanded {
    third: Value,
    /// The powers of 1/2 and of -2, over their distances.
    powers: Vec<[Value; 2]>,
}

impl Expanded {
    fn new(kernel: &mut KernelBuilder, extent: usize) -> Expanded {
        let powers = (0..extent as i32).map(|power| {
            [-16.0 / 15.0 * 0.5_f64.powi(power), (-2.0_f64).powi(power) / 15.0].map(|value| kernel.f32(value as f32))
        });
        Expanded { powers: powers.collect(), third: kernel.f32(1.0 / 3.0) }
    }

    /// `G g`.
    fn of(&self, kernel: &mut KernelBuilder, g: &[Value]) -> [Value; PATCH] {
        let [even, odd] = sums_by_parity(kernel, g).map(|sum| kernel.mul(sum, self.third));
        let [half, two] = [0, 1].map(|point| {
            let first = kernel.mul(g[0], self.powers[0][point]);
            (1..g.len()).fold(first, |sum, at| kernel.fma(g[at], self.powers[at][point], sum))
        });
        [g[0], kernel.add(even, odd), kernel.sub(odd, even), half, two, g[g.len() - 1]]
    }
}

/// The sums of every second value from the first and from the second on, of two values or more.
fn sums_by_parity(kernel: &mut KernelBuilder, values: &[Value]) -> [Value; 2] {
    [0, 1].map(|parity| {
        let mut sum = values[parity];
        for &value in values.iter().skip(parity + 2).step_by(2) {
            sum = kernel.add(sum, value);
        }
        sum
    })
}

/// `G g G'`: see [`Filtering::weights`](super::Filtering::weights).
pub fn weights(kernel: &mut KernelBuilder, extent: usize, load: &mut Load<'_>, store: &mut Store<'_>) {
    let expanded = Expanded::new(kernel, extent);
    let columns: Vec<[Value; PATCH]> = (0..extent)
        .map(|column| {
            let values: Vec<Value> = (0..extent).map(|row| load(kernel, row, column)).collect();
            expanded.of(kernel, &values)
        })
        .collect();
    for row in 0..PATCH {
        let values: Vec<Value> = columns.iter().map(|column| column[row]).collect();
        let values = expanded.of(kernel, &values);
        values.into_iter().enumerate().for_each(|(column, value)| store(kernel, row, column, value));
    }
}

/// The powers of 1/2 and -2, from the first on, for tiles of so many rows and columns.
struct Powers {
    tile: usize,
    of: [[Value; 2]; 3],
}

impl Powers {
    fn new(kernel: &mut KernelBuilder, tile: usize) -> Powers {
        let powers = [[0.5, -2.0], [0.25, 4.0], [0.125, -8.0]];
        Powers { tile, of: powers.map(|powers| powers.map(|power| kernel.f32(power))) }
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
        let [half, two] = self.of[row - 1];
        let value = kernel.fma(m3, half, common);
        kernel.fma(m4, two, value)
    }

    /// Which of the outer elements a row of `A' m` has.
    fn outer(&self, row: usize) -> Option<usize> {
        match row {
            0 => Some(0),
            row if row + 1 == self.tile => Some(PATCH - 1),
            _ => None,
        }
    }

    /// `A y`.
    fn expanded(&self, kernel: &mut KernelBuilder, y: &[Value]) -> [Value; PATCH] {
        let [even, odd] = sums_by_parity(kernel, y);
        let [half, two] =
            [0, 1].map(|point| (1..self.tile).fold(y[0], |sum, at| kernel.fma(y[at], self.of[at - 1][point], sum)));
        [y[0], kernel.add(even, odd), kernel.sub(even, odd), half, two, y[self.tile - 1]]
    }
}

/// `A' m A`: see [`Filtering::results`](super::Filtering::results).
pub fn results(
    kernel: &mut KernelBuilder,
    tile: usize,
    wanted: [usize; 2],
    load: &mut Load<'_>,
    store: &mut Store<'_>,
) {
    let powers = Powers::new(kernel, tile);
    // Rows of `A' m` that have sums (the first and the third) or differences (the others) of the second and third element in
    // common, together.
    for parity in 0..2.min(wanted[0]) {
        let rows: Vec<usize> = (parity..wanted[0]).step_by(2).collect();
        let mut values: Vec<Vec<Value>> = rows.iter().map(|_| Vec::new()).collect();
        for column in 0..PATCH {
            let [m1, m2, m3, m4] = [1, 2, 3, 4].map(|row| load(kernel, row, column));
            let common = if parity == 0 { kernel.add(m1, m2) } else { kernel.sub(m1, m2) };
            for (row, values) in rows.iter().zip(&mut values) {
                let outer = powers.outer(*row).map(|outer| load(kernel, outer, column));
                values.push(powers.row(kernel, *row, common, [m3, m4], outer));
            }
        }
        for (row, values) in rows.iter().zip(values) {
            let commons = [kernel.add(values[1], values[2]), kernel.sub(values[1], values[2])];
            for column in 0..wanted[1] {
                let outer = powers.outer(column).map(|outer| values[outer]);
                let value = powers.row(kernel, column, commons[column % 2], [values[3], values[4]], outer);
                store(kernel, *row, column, value);
            }
        }
    }
}

/// `A dy A'`: see [`Filtering::gradients`](super::Filtering::gradients).
pub fn gradients(
    kernel: &mut KernelBuilder,
    tile: usize,
    present: [usize; 2],
    load: &mut Load<'_>,
    store: &mut Store<'_>,
) {
    let powers = Powers::new(kernel, tile);
    let mut at = |kernel: &mut KernelBuilder, row: usize, column: usize| {
        if row < present[0] && column < present[1] { load(kernel, row, column) } else { kernel.f32(0.0) }
    };
    let columns: Vec<[Value; PATCH]> = (0..tile)
        .map(|column| {
            let values: Vec<Value> = (0..tile).map(|row| at(kernel, row, column)).collect();
            powers.expanded(kernel, &values)
        })
        .collect();
    for row in 0..PATCH {
        let values: Vec<Value> = columns.iter().map(|column| column[row]).collect();
        let values = powers.expanded(kernel, &values);
        values.into_iter().enumerate().for_each(|(column, value)| store(kernel, row, column, value));
    }
}

/// `G' m G`: see [`Filtering::weight_gradients`](super::Filtering::weight_gradients).
pub fn weight_gradients(kernel: &mut KernelBuilder, extent: usize, load: &mut Load<'_>, store: &mut Store<'_>) {
    let Expanded { third, powers } = Expanded::new(kernel, extent);
    let reduce = |kernel: &mut KernelBuilder, m: [Value; PATCH]| -> Vec<Value> {
        let (sum, difference) = (kernel.add(m[1], m[2]), kernel.sub(m[1], m[2]));
        let [sum, difference] = [sum, difference].map(|value| kernel.mul(value, third));
        // Even powers of 1 and -1 have the signs 1 and -1 in `G`, odd ones both 1.
        (0..extent)
            .map(|power| {
                let value = if power % 2 == 0 { difference } else { sum };
                let value = kernel.fma(m[3], powers[power][0], value);
                let value = kernel.fma(m[4], powers[power][1], value);
                match power {
                    0 => kernel.add(value, m[0]),
                    power if power + 1 == extent => kernel.add(value, m[5]),
                    _ => value,
                }
            })
            .collect()
    };
    let columns: Vec<Vec<Value>> = (0..PATCH)
        .map(|column| {
            let values = std::array::from_fn(|row| load(kernel, row, column));
            reduce(kernel, values)
        })
        .collect();
    let rows = (0..extent).map(|row| std::array::from_fn(|column| columns[column][row]));
    for (row, values) in rows.enumerate() {
        let values = reduce(kernel, values);
        values.into_iter().enumerate().for_each(|(column, value)| store(kernel, row, column, value));
    }
}
