//! The layers whose gradients are checked, first and second ones: those that are more than one operation.

use kiln_graph::layers::adaptive_pool::adaptive_max_pool;
use kiln_graph::layers::lp_pool::lp_pool;
use kiln_graph::layers::pool::max_pool_with_indices;
use kiln_graph::layers::unpool::max_unpool;

use crate::Case;
use crate::rows::{any, apart, positive, row, sliding, window};

pub fn layers() -> Vec<Case> {
    [pools()].into_iter().flatten().collect()
}

fn pools() -> Vec<Case> {
    vec![
        row("adaptive_max_pool", [apart(&[1, 2, 5, 4])], |_, v| {
            adaptive_max_pool(v[0], &[Some(3), Some(2)]).0.square()
        }),
        row("max_pool and max_unpool", [apart(&[1, 2, 4, 6]), any(&[1, 2, 2, 3])], |_, v| {
            let window = window([2, 2], sliding([2, 2], [(0, 0); 2], [1, 1]), false);
            let (values, places) = max_pool_with_indices(v[0], window);
            max_unpool(values * v[1], places, window, None).square()
        }),
        row("max_unpool where windows overlap", [apart(&[1, 1, 5]), any(&[1, 1, 4])], |_, v| {
            let window = window([2], sliding([1], [(0, 0)], [1]), false);
            max_unpool(v[1], max_pool_with_indices(v[0], window).1, window, None).exp()
        }),
        row("lp_pool", [any(&[1, 2, 4, 4])], |_, v| {
            lp_pool(v[0], 2.0, window([2, 3], sliding([2, 1], [(0, 0); 2], [1, 1]), false)).exp()
        }),
        row("lp_pool of another power, ceil", [positive(&[1, 2, 5])], |_, v| {
            lp_pool(v[0], 3.0, window([2], sliding([2], [(0, 0)], [1]), true)).square()
        }),
    ]
}
