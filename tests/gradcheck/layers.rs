//! The layers whose gradients are checked, first and second ones: those that are more than one operation.

use kiln::prelude::*;
use kiln_graph::Shape;
use kiln_graph::build::{Builder, Value};
use kiln_graph::functions::{self, cosine_similarity, fold, pairwise_distance, unfold};
use kiln_graph::layers::PaddingMode;
use kiln_graph::layers::adaptive_pool::adaptive_max_pool;
use kiln_graph::layers::conv::conv_padded;
use kiln_graph::layers::group_norm::{group_norm, instance_norm};
use kiln_graph::layers::local_response_norm::{Response, local_response_norm};
use kiln_graph::layers::lp_pool::lp_pool;
use kiln_graph::layers::padding::pad_last;
use kiln_graph::layers::pool::max_pool_with_indices;
use kiln_graph::layers::recurrent::{Recurrence, Stacking, Weights, recurrent};
use kiln_graph::layers::rms_norm::rms_norm;
use kiln_graph::layers::shuffle::{channel_shuffle, pixel_shuffle, pixel_unshuffle};
use kiln_graph::layers::unpool::max_unpool;

use crate::Case;
use crate::rows::{any, apart, conv, positive, row, sliding, window};

pub fn layers() -> Vec<Case> {
    let of = [pools(), norms(), paddings(), rearranged(), activations(), extents(), recurrences()];
    of.into_iter().flatten().collect()
}

fn pools() -> Vec<Case> {
    vec![
        row("interpolate, bicubic", [any(&[1, 1, 3, 2])], |_, v| {
            functions::interpolate(v[0], &[4, 3], &[], "bicubic", false, false, false).square()
        }),
        row("interpolate, antialias", [any(&[1, 1, 5, 4])], |_, v| {
            functions::interpolate(v[0], &[2, 3], &[], "bilinear", false, false, true).square()
        }),
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

/// In training, with states of their own; the weights are one operand after another.
fn recurrences() -> Vec<Case> {
    vec![
        row("rnn", [any(&[2, 2, 1]), any(&[4, 2, 2]), any(&[52])], |g, v| {
            both_ways(Recurrence::Rnn(kiln_graph::layers::Nonlinearity::Tanh), g, v)
        }),
        row("lstm", [any(&[2, 2, 1]), any(&[4, 2, 2]), any(&[4, 2, 2]), any(&[208])], |g, v| {
            both_ways(Recurrence::Lstm, g, v)
        }),
        row("lstm, projected", [any(&[2, 2, 1]), any(&[4, 2, 1]), any(&[4, 2, 2]), any(&[152])], |g, v| {
            both_ways_to(Recurrence::Lstm, Some(1), g, v)
        }),
        row("gru", [any(&[2, 2, 1]), any(&[4, 2, 2]), any(&[156])], |g, v| both_ways(Recurrence::Gru, g, v)),
    ]
}

/// Two layers of two features, both ways: what they give, and the last states.
fn both_ways<'g>(step: Recurrence, g: &'g Builder, v: &[Value<'g>]) -> Value<'g> {
    both_ways_to(step, None, g, v)
}

/// The same, with states that are projected to so many features.
fn both_ways_to<'g>(step: Recurrence, projected: Option<usize>, g: &'g Builder, v: &[Value<'g>]) -> Value<'g> {
    const HIDDEN: usize = 2;
    g.set_mode(kiln_graph::Mode::Train);
    let (&all, inputs) = v.split_last().expect("the weights");
    let mut taken = 0;
    let mut next = |shape: &[usize]| {
        let elements: usize = shape.iter().product();
        taken += elements;
        all.slice(0, taken - elements..taken, 1).reshape(shape)
    };
    let rows = step.gates() * HIDDEN;
    let outputs = projected.unwrap_or(HIDDEN);
    let weights = [1, 1, 2 * outputs, 2 * outputs].map(|of_inputs| Weights {
        inputs: next(&[rows, of_inputs]),
        state: next(&[rows, outputs]),
        biases: Some([next(&[rows]), next(&[rows])]),
        projection: projected.map(|features| next(&[features, HIDDEN])),
    });
    assert_eq!(taken, all.shape().elements());
    let stacking = Stacking { bidirectional: true, batch_first: false, dropout: 0.0 };
    let results = recurrent(step, inputs, &weights, stacking);
    let sums = results[1..].iter().map(|state| state.sum(-1));
    let last = sums.reduce(|a, b| a * b).expect("a state");
    results[0].square().sum(..) + last.sin().sum(0)
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

fn paddings() -> Vec<Case> {
    vec![
        row("pad by reflection", [any(&[1, 2, 3, 4])], |_, v| {
            pad_last(v[0], &[(2, 1), (0, 3)], PaddingMode::Reflect, 0.0).square()
        }),
        row("pad by the edges", [any(&[2, 2, 3])], |_, v| pad_last(v[0], &[(2, 1)], PaddingMode::Replicate, 0.0).exp()),
        row("pad from the other end", [any(&[1, 1, 3, 3])], |_, v| {
            pad_last(v[0], &[(2, -1), (1, 3)], PaddingMode::Circular, 0.0).square()
        }),
        row("conv, padded by reflection", [any(&[1, 2, 4, 4]), any(&[2, 2, 3, 3])], |_, v| {
            let same = conv(1, sliding([1, 1], [(1, 1); 2], [1, 1]));
            conv_padded(v[0], v[1], None, same, PaddingMode::Reflect).square()
        }),
    ]
}

fn rearranged() -> Vec<Case> {
    vec![
        row("pixel_shuffle", [any(&[1, 4, 2, 3])], |_, v| pixel_shuffle(v[0], 2).softmax(-1)),
        row("pixel_unshuffle", [any(&[1, 1, 4, 2])], |_, v| pixel_unshuffle(v[0], 2).softmax(1)),
        row("channel_shuffle", [any(&[2, 6, 2])], |_, v| channel_shuffle(v[0], 3).softmax(1)),
        row("unfold", [any(&[1, 2, 4, 3])], |_, v| unfold(v[0], &[3, 2], &[1], &[1, 0], &[1]).square()),
        row("fold", [any(&[1, 8, 4])], |_, v| fold(v[0], &[3], &[2], &[1], &[0], &[1]).square()),
        row("cosine_similarity", [any(&[3, 4]), any(&[1, 4])], |_, v| cosine_similarity(v[0], v[1], 1, 1e-8).exp()),
        row("pairwise_distance", [any(&[3, 4]), any(&[4])], |_, v| pairwise_distance(v[0], v[1], 2.0, 1e-6, false)),
        row("pairwise_distance by another norm", [positive(&[2, 3]), any(&[2, 3])], |_, v| {
            pairwise_distance(v[0] + 2.0, v[1], 3.0, 1e-6, true).exp()
        }),
    ]
}

fn activations() -> Vec<Case> {
    vec![
        row("celu", [apart(&[7])], |_, v| functions::celu(v[0], 0.6)),
        row("glu", [any(&[2, 4, 3])], |_, v| functions::glu(v[0], 1)),
        row("hardshrink", [apart(&[7])], |_, v| functions::hardshrink(v[0], 0.15).square()),
        row("hardsigmoid", [apart(&[7])], |_, v| functions::hardsigmoid(v[0] * 15.0).square()),
        row("logsigmoid", [apart(&[7])], |_, v| functions::logsigmoid(v[0])),
        row("prelu", [apart(&[2, 3, 2]), any(&[3])], |_, v| functions::prelu(v[0], v[1]).square()),
        row("prelu of one slope", [apart(&[5]), any(&[1])], |_, v| functions::prelu(v[0], v[1]).exp()),
        row("rrelu", [apart(&[7])], |_, v| functions::rrelu(v[0], 0.1, 0.4).square()),
        row("softmin", [any(&[2, 4])], |_, v| functions::softmin(v[0], -1)),
        row("softshrink", [apart(&[7])], |_, v| functions::softshrink(v[0], 0.15).square()),
        row("softsign", [apart(&[7])], |_, v| functions::softsign(v[0])),
        row("tanhshrink", [any(&[7])], |_, v| functions::tanhshrink(v[0])),
        row("threshold", [apart(&[7])], |_, v| functions::threshold(v[0], 0.15, 2.0).square()),
    ]
}

model! {
    /// A body over free extents.
    struct Free {
        act: Tanh(),
    }

    fn forward(x: [N, T, 3], y: [N, S, 3]) -> [N, T, 3] {
        let scores = x.matmul(y.transpose(1, 2)) / T;
        let places = (arange(T).float() + 1.0).unsqueeze(-1);
        let turned = cat((x.narrow(1, 1, T - 1), x.narrow(1, 0, 1)), dim = 1);
        act(scores.softmax(-1).matmul(y)) * places + turned.view([N, T * 3]).square().view([N, T, -1])
    }
}

/// At two sizes of each free extent.
fn extents() -> Vec<Case> {
    fn forward<'g>(g: &'g Builder, v: &[Value<'g>]) -> Value<'g> {
        Free::init(0).forward_all(g, v)[0]
    }
    vec![
        row("free extents 2 and 3", [any(&[2, 2, 3]), any(&[2, 3, 3])], forward),
        row("free extents 4 and 1", [any(&[1, 4, 3]), any(&[1, 1, 3])], forward),
    ]
}
