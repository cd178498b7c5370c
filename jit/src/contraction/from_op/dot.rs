//! Matrix products as contractions: `[b.., m, k]` times `[b.., k, n]`. It says which results may be computed
//! transposed, not whether that is faster.

use kiln_graph::Op;

use super::contractions::Contractions;
use super::quads::in_quads;
use crate::contraction::problem::{Axis, Contraction, Coordinate, Operand, Problem};
use crate::layout::{Halo, PreferredLayout};

/// The contraction of [`kiln_graph::Op::Dot`]; row-major operands and results are preferred.
pub fn lower(left: &Operand, right: &Operand) -> Contractions {
    let rank = left.shape.rank();
    // `left[b.., m, k] * right[b.., k, n]`: `b..` in both, `m` in the left operand alone, `n` in the right one alone
    let (m, k, n) = (rank - 2, rank - 1, rank - 1);
    let (l, r) = (left.layout.strides, right.layout.strides);
    let mut axes: Vec<Axis> =
        (0..m).map(|b| Axis { extent: left.shape.dim(b), left: l[b], right: r[b], reduce: false }).collect();
    axes.push(Axis { extent: left.shape.dim(m), left: l[m], right: 0, reduce: false });
    axes.push(Axis { extent: right.shape.dim(n), left: 0, right: r[n], reduce: false });
    axes.push(Axis { extent: left.shape.dim(k), left: l[k], right: r[rank - 2], reduce: true });
    let contraction = Contraction {
        axes,
        left: left.layout.offset as i64,
        right: right.layout.offset as i64,
        output: (0..rank).map(|axis| Coordinate { offset: 0, terms: vec![(axis, 1)] }).collect(),
        fast: n,
    };
    let dense = || PreferredLayout { order: (0..rank).collect(), halo: Halo::default() };
    let mut preferred = [dense(), dense(), dense()];
    if left.element.is_byte() {
        let depth = left.shape.dim(k);
        let columns_first = (0..m).chain([n, m]).collect();
        preferred[0] = in_quads((0..rank).collect(), depth, Halo::default());
        preferred[1] = in_quads(columns_first, depth, Halo::default());
    }
    Contractions { contractions: vec![contraction], preferred, accumulate: None, overlap_add: None }
}

/// The axes of the rows and columns of a product that may be computed with lanes along its rows, and the results
/// transposed. `None` unless its columns do not lie side by side in the right operand and that is larger than the left
/// one and the result together, so that these are less to transpose.
pub fn transposable(problem: &Problem) -> Option<[usize; 2]> {
    let [left, right] = &problem.operands;
    let columns = problem.output.rank() - 1;
    // Lanes along the columns would read such an operand element by element, or need a copy of all of it.
    let apart = right.layout.strides[columns] != 1 && right.shape.dim(columns) > 1;
    let less = left.shape.elements() + problem.output.elements() < right.shape.elements();
    let floats = !left.element.is_byte();
    (matches!(problem.op, Op::Dot) && floats && apart && less && !right.invariant).then_some([columns - 1, columns])
}
