//! The functions of the cases in `functions.txt` that put elements together in all ways, along diagonals, in windows and
//! by several indices; bags of a list, and products of whole numbers.

use kiln_graph::{Value, functions};

use super::named::Function;

/// The function of a case.
pub fn function(name: &str) -> Option<Function> {
    let found: Function = match name {
        "block_diag" | "block_diag of i32" => |x| vec![functions::block_diag(x)],
        "cartesian_prod" | "cartesian_prod of one" => |x| vec![functions::cartesian_prod(x)],
        "combinations" => |x| vec![functions::combinations(x[0], 2, false)],
        "combinations(3)" => |x| vec![functions::combinations(x[0], 3, false)],
        "combinations(5)" => |x| vec![functions::combinations(x[0], 5, false)],
        "combinations(3, with_replacement)" => |x| vec![functions::combinations(x[0], 3, true)],
        "combinations(1) of i32" => |x| vec![functions::combinations(x[0], 1, false)],
        "vander" => |x| vec![functions::vander(x[0], None, false)],
        "vander(5, increasing)" => |x| vec![functions::vander(x[0], Some(5), true)],
        "vander(1)" => |x| vec![functions::vander(x[0], Some(1), false)],
        "diagflat(-1)" => |x| vec![functions::diagflat(x[0], -1)],
        "diagonal_scatter" => |x| vec![functions::diagonal_scatter(x[0], x[1], 0, 0, 1)],
        "diagonal_scatter(1, 0, 2)" => |x| vec![functions::diagonal_scatter(x[0], x[1], 1, 0, 2)],
        "diagonal_scatter(-2, 2, 1)" => |x| vec![functions::diagonal_scatter(x[0], x[1], -2, 2, 1)],
        "diagonal_scatter of i32" => |x| vec![functions::diagonal_scatter(x[0], x[1], -1, 0, 1)],
        "msort" => |x| vec![functions::msort(x[0])],
        "mode" | "mode of i32" => |x| functions::mode(x[0], -1, false),
        "mode(0, keepdim)" => |x| functions::mode(x[0], 0, true),
        "mode of one" => |x| functions::mode(x[0], 1, false),
        "unfold(1, 3, 2)" => |x| vec![functions::unfold_along(x[0], 1, 3, 2)],
        "unfold(0, 2, 3)" => |x| vec![functions::unfold_along(x[0], 0, 2, 3)],
        "unfold(-1, 5, 1)" => |x| vec![functions::unfold_along(x[0], -1, 5, 1)],
        "unfold(0, 7, 3)" => |x| vec![functions::unfold_along(x[0], 0, 7, 3)],
        "unfold(0, 4, 9) of i32" => |x| vec![functions::unfold_along(x[0], 0, 4, 9)],
        "unravel_index" => |x| functions::unravel_index(x[0], &[3, 4, 5]),
        "unravel_index of a vector" => |x| functions::unravel_index(x[0], &[9]),
        "bincount" => |x| vec![functions::bincount(x[0], 6)],
        "bincount of weights" => |x| vec![functions::bincount_of(x[0], x[1], 5)],
        "index_put" | "index_put of i32" => |x| vec![functions::index_put(x[0], &x[1..3], x[3], false)],
        "index_put of rows, accumulate" => |x| vec![functions::index_put(x[0], &x[1..2], x[2], true)],
        "index_put of grids, accumulate" => |x| vec![functions::index_put(x[0], &x[1..3], x[3], true)],
        "slice_scatter(0, -4, -1, 2)" => |x| vec![functions::slice_scatter(x[0], x[1], 0, -4, -1, 2)],
        "slice_scatter(1, 2, 4, 5) of i32" => |x| vec![functions::slice_scatter(x[0], x[1], 1, 2, 4, 5)],
        "embedding_bag by offsets" => |x| vec![bags(x, "mean", None, false, None)],
        "embedding_bag by offsets, sum" => |x| vec![bags(x, "sum", None, false, Some(2))],
        "embedding_bag by offsets, max" => |x| vec![bags(x, "max", None, false, None)],
        "embedding_bag by offsets, mean, padding" => |x| vec![bags(x, "mean", None, false, Some(-3))],
        "embedding_bag by offsets, last" => |x| vec![bags(x, "sum", Some(x[3]), true, None)],
        "embedding_bag by one offset" => |x| vec![bags(x, "sum", None, false, None)],
        "matmul of i32" | "matmul of i32 vectors" | "matmul of i32, batches" | "matmul of i32 by a vector" => {
            |x| vec![x[0].matmul(x[1])]
        }
        "einsum of i32" => |x| vec![functions::einsum("ij,kj->ik", x)],
        "inner of i32" => |x| vec![functions::inner(x[0], x[1])],
        _ => return None,
    };
    Some(found)
}

fn bags<'g>(
    x: &[Value<'g>],
    mode: &str,
    weights: Option<Value<'g>>,
    include_last_offset: bool,
    padding_idx: Option<isize>,
) -> Value<'g> {
    functions::embedding_bag_by_offsets(x[0], x[1], x[2], mode, weights, include_last_offset, padding_idx)
}
