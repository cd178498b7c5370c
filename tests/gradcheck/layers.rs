//! The layers whose gradients are checked, first and second ones: those that are more than one operation.

use kiln_graph::layers::adaptive_pool::adaptive_max_pool;
use kiln_graph::layers::group_norm::{group_norm, instance_norm};
use kiln_graph::layers::local_response_norm::{Response, local_response_norm};
use kiln_graph::layers::lp_pool::lp_pool;
use kiln_graph::layers::pool::max_pool_with_indices;
use kiln_graph::layers::rms_norm::rms_norm;
use kiln_graph::layers::unpool::max_unpool;

use kiln_graph::Shape;

use crate::Case;
use crate::rows::{any, apart, positive, row, sliding, window};

pub fn layers() -> Vec<Case> {
    [pools(), norms()].into_iter().flatten().collect()
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

fn norms() -> Vec<Case> {
    vec![
        row("group_norm", [any(&[2, 4, 3, 2]), any(&[4]), any(&[4])], |_, v| {
            group_norm(v[0], 2, Some(v[1]), Some(v[2]), 1e-2).sin()
        }),
        row("group_norm of features", [any(&[3, 6]), any(&[6])], |_, v| {
            group_norm(v[0], 2, Some(v[1]), None, 1e-2).exp()
        }),
        row("instance_norm", [any(&[2, 2, 5]), any(&[2])], |_, v| {
            instance_norm(v[0], Some(v[1]), None, None, 1e-2, 0.1).sin()
        }),
        row("rms_norm", [any(&[2, 3, 4]), any(&[3, 4])], |_, v| {
            rms_norm(v[0], Shape::new(&[3, 4]), Some(v[1]), None).exp()
        }),
        row("local_response_norm", [any(&[2, 5, 3])], |_, v| {
            local_response_norm(v[0], 3, Response { alpha: 0.9, beta: 0.75, k: 0.5 }).exp()
        }),
    ]
}
