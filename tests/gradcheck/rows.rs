//! The functions whose gradients are checked: at least one for each operation, and one for each attribute that changes
//! the rule.

use kiln_graph::build::{Builder, Value};
use kiln_graph::op::{Convolution, MAX_SPATIAL, Op, PadSpec, Sliding, Window};
use kiln_graph::shape::{DType, MAX_RANK};

use crate::layers::layers;
use crate::{Case, Elements, Operand, losses};

pub type Function = for<'g> fn(&'g Builder, &[Value<'g>]) -> Value<'g>;

pub fn row<const K: usize>(name: &'static str, operands: [Operand; K], function: Function) -> Case {
    Case { name, operands: operands.to_vec(), function }
}

pub fn any(extents: &'static [usize]) -> Operand {
    Operand { extents, elements: Elements::Range(-1.0, 1.0) }
}

pub fn positive(extents: &'static [usize]) -> Operand {
    Operand { extents, elements: Elements::Range(0.5, 2.0) }
}

pub fn apart(extents: &'static [usize]) -> Operand {
    Operand { extents, elements: Elements::Apart }
}

pub const fn these(extents: &'static [usize], values: &'static [f64]) -> Operand {
    Operand { extents, elements: Elements::These(values) }
}

pub fn indices(extents: &'static [usize], values: &'static [i32]) -> Operand {
    Operand { extents, elements: Elements::Indices(values) }
}

/// A sliding with the given stride, padding and dilation, an entry for each spatial axis.
pub fn sliding<const K: usize>(stride: [usize; K], padding: [(usize, usize); K], dilation: [usize; K]) -> Sliding {
    let mut sliding = Sliding::unit(K);
    sliding.stride[..K].copy_from_slice(&stride);
    sliding.padding[..K].copy_from_slice(&padding);
    sliding.dilation[..K].copy_from_slice(&dilation);
    sliding
}

pub fn window<const K: usize>(kernel: [usize; K], sliding: Sliding, ceil: bool) -> Window {
    let mut window = Window { kernel: [1; MAX_SPATIAL], sliding, ceil };
    window.kernel[..K].copy_from_slice(&kernel);
    window
}

pub fn conv(groups: usize, sliding: Sliding) -> Convolution {
    Convolution { sliding, groups }
}

/// Stride 2, asymmetric padding, and an input of 6 rows of which the last fits no window.
fn uneven() -> Convolution {
    conv(1, sliding([2, 1], [(1, 0), (0, 2)], [1, 2]))
}

/// Overlapping windows that reach into the padding.
fn overlapping() -> Window {
    window([3, 2], sliding([2, 1], [(1, 1), (1, 0)], [1, 1]), false)
}

pub fn rows() -> Vec<Case> {
    [
        elementwise(),
        binary(),
        reductions(),
        products(),
        convolutions(),
        windows(),
        movements(),
        indexing(),
        layers(),
        losses::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn elementwise() -> Vec<Case> {
    vec![
        row("neg", [any(&[5])], |_, v| -v[0] * v[0]),
        row("abs", [apart(&[6])], |_, v| v[0].abs() * v[0]),
        row("sign", [apart(&[6])], |_, v| v[0].sign() * v[0].exp()),
        row("exp", [any(&[5])], |_, v| v[0].exp()),
        row("expm1", [any(&[5])], |_, v| v[0].expm1()),
        row("log", [positive(&[5])], |_, v| v[0].log()),
        row("log1p", [positive(&[5])], |_, v| v[0].log1p()),
        row("sqrt", [positive(&[5])], |_, v| v[0].sqrt()),
        row("rsqrt", [positive(&[5])], |_, v| v[0].rsqrt()),
        row("reciprocal", [positive(&[5])], |_, v| v[0].reciprocal()),
        row("sin", [any(&[5])], |_, v| v[0].sin()),
        row("cos", [any(&[5])], |_, v| v[0].cos()),
        row("tanh", [any(&[5])], |_, v| v[0].tanh()),
        row("sigmoid", [any(&[5])], |_, v| v[0].sigmoid()),
        row("erf", [any(&[5])], |_, v| v[0].erf()),
        row("floor", [apart(&[30])], |_, v| v[0].floor() * v[0].sin()),
        row("round", [apart(&[30])], |_, v| v[0].round() * v[0].sin()),
        row("relu", [apart(&[6])], |_, v| v[0].relu() * v[0]),
        row("clamp", [apart(&[20])], |_, v| v[0].clamp(-0.5, 0.6) * v[0]),
        row("and, or, not", [apart(&[12])], |_, v| {
            let inside = v[0].gt(-0.3) & v[0].lt(0.3);
            let outside = v[0].lt(-0.45) | v[0].gt(0.45);
            inside.select(v[0].square(), (!outside).select(v[0].exp(), v[0]))
        }),
        row("convert", [apart(&[20])], |_, v| v[0].convert(DType::I32).convert(DType::F32) * v[0].square()),
        row("convert of bool", [apart(&[6])], |_, v| v[0].gt(0.0).convert(DType::F32) * v[0].exp()),
        row("random", [any(&[4]), indices(&[], &[3])], |g, v| v[0].square() * g.random([4], 5, v[1])),
        row("used twice and by way of another", [any(&[4])], |_, v| {
            let y = v[0].exp();
            y * v[0] + y.sin() * y - v[0]
        }),
    ]
}

fn binary() -> Vec<Case> {
    vec![
        row("add", [any(&[4]), any(&[4])], |_, v| (v[0] + v[1]).square()),
        row("sub", [any(&[4]), any(&[4])], |_, v| (v[0] - v[1]).square()),
        row("mul", [any(&[4]), any(&[4])], |_, v| v[0] * v[1]),
        row("div", [any(&[4]), positive(&[4])], |_, v| v[0] / v[1]),
        row("max", [apart(&[8]), any(&[8])], |_, v| v[0].maximum(v[1]).square()),
        row("min", [apart(&[8]), any(&[8])], |_, v| v[0].minimum(v[1]).square()),
        row("asin", [any(&[5])], |_, v| (v[0] * 0.75).asin()),
        row("acos", [any(&[5])], |_, v| (v[0] * 0.75).acos()),
        row("sinh", [any(&[5])], |_, v| v[0].sinh()),
        row("cosh", [any(&[5])], |_, v| v[0].cosh()),
        row("asinh", [any(&[5])], |_, v| v[0].asinh()),
        row("acosh", [positive(&[5])], |_, v| (v[0] + 1.0).acosh()),
        row("atanh", [any(&[5])], |_, v| (v[0] * 0.75).atanh()),
        row("atan2", [any(&[5]), positive(&[5])], |_, v| v[0].atan2(v[1])),
        row("atan2 on the left", [positive(&[5]), any(&[5])], |_, v| v[0].atan2(v[1])),
        row("pow", [positive(&[5]), any(&[5])], |_, v| v[0].pow(v[1])),
        row("pow of negative numbers", [any(&[5])], |_, v| v[0].pow(3.0)),
        row("square root by pow", [positive(&[5])], |_, v| v[0].pow(0.5)),
        row("numbers on the left", [positive(&[4])], |_, v| 2.0 / v[0] + 3.0 * (1.0 - v[0])),
        row("broadcasting both ways", [any(&[3, 1]), positive(&[2, 1, 4])], |_, v| v[0] / v[1]),
        row("broadcasting a scalar", [any(&[]), any(&[2, 3])], |_, v| v[0] * v[1].exp()),
        row("eq and ne", [apart(&[6])], |_, v| v[0].eq(0.5).select(v[0], v[0].ne(0.5).select(v[0].square(), 1.0))),
        row("lt and le", [apart(&[6]), any(&[6])], |_, v| {
            v[0].lt(v[1]).select(v[0].exp(), v[1].le(0.0).select(v[1] * v[0], 2.0))
        }),
        row("gt and ge", [apart(&[6]), any(&[6])], |_, v| {
            v[0].gt(v[1]).select(v[0].exp(), v[1].ge(0.0).select(v[1] * v[0], 2.0))
        }),
        row("select broadcasts", [apart(&[3, 1]), any(&[4])], |_, v| v[0].gt(0.0).select(v[0] * v[0], v[1].exp())),
    ]
}

fn reductions() -> Vec<Case> {
    vec![
        row("sum", [any(&[2, 3, 2])], |_, v| v[0].sum([0, 2]).exp()),
        row("sum of all", [any(&[2, 3])], |_, v| v[0].sum(..).sin()),
        row("sum_keep", [any(&[2, 3])], |_, v| v[0] * v[0].sum_keep(-1)),
        row("mean", [any(&[2, 3, 2])], |_, v| v[0].mean(1).exp()),
        row("mean_keep", [any(&[2, 3])], |_, v| v[0] * v[0].mean_keep(0)),
        row("cumsum", [any(&[2, 5, 2])], |_, v| v[0].cumsum(1).exp()),
        row("var", [any(&[2, 4])], |_, v| v[0].var(1, 1.0)),
        row("var without correction", [any(&[2, 3, 2])], |_, v| v[0].var([0, 2], 0.0).sqrt()),
        row("prod", [any(&[2, 5])], |_, v| v[0].prod(1)),
        row("prod over outer axes", [any(&[2, 3, 2])], |_, v| v[0].prod([0, 2])),
        row("prod of one", [any(&[3, 1])], |_, v| v[0].prod(1).square()),
        row("prod with a zero", [these(&[4], &[0.5, 0.0, -2.0, 3.0])], |_, v| v[0].prod(0)),
        row("prod with two zeros", [these(&[5], &[0.5, 0.0, -2.0, 0.0, 3.0])], |_, v| v[0].prod(0)),
        row("prod with three zeros", [these(&[5], &[0.5, 0.0, 0.0, 0.0, 3.0])], |_, v| v[0].prod(0)),
        row("amax", [apart(&[2, 3, 2])], |_, v| v[0].amax([0, 2]).exp()),
        row("amin", [apart(&[2, 3, 2])], |_, v| v[0].amin(1).exp()),
        row("argmax, argmin", [apart(&[2, 3])], |_, v| {
            v[0].sum(1).exp() * (v[0].argmax(1) + v[0].argmin(-1)).convert(DType::F32)
        }),
        row("logsumexp", [any(&[2, 3])], |_, v| v[0].logsumexp(0)),
        row("softmax", [any(&[2, 3])], |_, v| v[0].softmax(-1)),
        row("softmax of large numbers", [any(&[2, 3])], |_, v| (v[0] + 1000.0).softmax(0)),
        row("log_softmax", [any(&[2, 3])], |_, v| v[0].log_softmax(1)),
    ]
}

fn products() -> Vec<Case> {
    vec![
        row("dot", [any(&[2, 3]), any(&[3, 4])], |_, v| v[0].matmul(v[1])),
        row("dot in batches", [any(&[2, 2, 3]), any(&[2, 3, 2])], |_, v| v[0].matmul(v[1])),
        row("matmul, one matrix for all batches", [any(&[2, 2, 3]), any(&[3, 2])], |_, v| v[0].matmul(v[1])),
        row("matmul, broadcast batches", [any(&[2, 1, 2, 3]), any(&[3, 3, 2])], |_, v| v[0].matmul(v[1])),
        row("matmul of vectors", [any(&[3]), any(&[3])], |_, v| v[0].matmul(v[1])),
        row("matmul with a row", [any(&[3]), any(&[2, 3, 2])], |_, v| v[0].matmul(v[1])),
        row("matmul with a column", [any(&[2, 3]), any(&[3])], |_, v| v[0].matmul(v[1])),
        row("dot with itself", [any(&[3, 3])], |_, v| v[0].matmul(v[0]).matmul(v[0])),
    ]
}

fn convolutions() -> Vec<Case> {
    vec![
        row("conv 1d", [any(&[2, 2, 5]), any(&[3, 2, 2])], |_, v| v[0].conv(v[1], conv(1, Sliding::unit(1)))),
        row("conv 2d", [any(&[2, 2, 4, 4]), any(&[2, 2, 3, 2])], |_, v| v[0].conv(v[1], conv(1, Sliding::unit(2)))),
        row("conv 3d", [any(&[1, 2, 3, 3, 3]), any(&[2, 2, 2, 2, 2])], |_, v| {
            v[0].conv(v[1], conv(1, sliding([1, 2, 1], [(0, 1), (1, 0), (1, 1)], [1, 1, 2])))
        }),
        row("conv, stride", [any(&[1, 2, 7, 6]), any(&[2, 2, 3, 3])], |_, v| {
            v[0].conv(v[1], conv(1, sliding([2, 3], [(1, 1), (1, 1)], [1, 1])))
        }),
        row("conv, asymmetric padding and dilation", [any(&[1, 2, 6, 4]), any(&[2, 2, 3, 2])], |_, v| {
            v[0].conv(v[1], uneven())
        }),
        row("conv, padding beyond the kernel", [any(&[1, 1, 2]), any(&[1, 1, 2])], |_, v| {
            v[0].conv(v[1], conv(1, sliding([1], [(3, 2)], [1])))
        }),
        row("conv, groups", [any(&[1, 4, 4]), any(&[6, 2, 2])], |_, v| v[0].conv(v[1], conv(2, Sliding::unit(1)))),
        row("conv, depthwise", [any(&[2, 3, 3, 3]), any(&[6, 1, 2, 2])], |_, v| {
            v[0].conv(v[1], conv(3, sliding([1, 1], [(1, 0), (0, 1)], [1, 1])))
        }),
        row("conv of itself", [any(&[2, 2, 3])], |_, v| v[0].conv(v[0], conv(1, sliding([1], [(1, 1)], [1])))),
        row("conv_grad_input", [any(&[1, 2, 3, 4]), any(&[2, 2, 3, 2])], |g, v| {
            g.apply(Op::ConvGradInput { conv: uneven().into(), input: [6, 4, 1] }, &[v[0], v[1]])
        }),
        row("conv_grad_weight", [any(&[1, 2, 6, 4]), any(&[1, 2, 3, 4])], |g, v| {
            g.apply(Op::ConvGradWeight { conv: uneven().into(), kernel: [3, 2, 1] }, &[v[0], v[1]])
        }),
    ]
}

fn windows() -> Vec<Case> {
    vec![
        row("window_max 1d", [apart(&[2, 2, 6])], |_, v| {
            v[0].max_window(window([2], sliding([2], [(0, 0)], [1]), false)).exp()
        }),
        row("window_max 2d, overlapping", [apart(&[1, 2, 4, 4])], |_, v| v[0].max_window(overlapping()).square()),
        row("window_max 3d", [apart(&[1, 1, 3, 3, 3])], |_, v| {
            v[0].max_window(window([2, 2, 2], sliding([1, 2, 1], [(0, 1), (1, 0), (0, 0)], [1, 1, 2]), false)).square()
        }),
        row("window_max, ceil", [apart(&[1, 1, 5, 6])], |_, v| {
            v[0].max_window(window([2, 3], sliding([2, 2], [(0, 0), (1, 1)], [1, 1]), true)).square()
        }),
        row("window_sum 1d", [any(&[2, 2, 6])], |_, v| {
            v[0].sum_window(window([3], sliding([1], [(1, 2)], [2]), false)).exp()
        }),
        row("window_sum 2d, overlapping", [any(&[1, 2, 4, 4])], |_, v| v[0].sum_window(overlapping()).square()),
        row("window_sum 3d, ceil", [any(&[1, 1, 3, 4, 3])], |_, v| {
            v[0].sum_window(window([2, 2, 2], sliding([2, 3, 1], [(0, 0), (1, 0), (0, 0)], [1, 1, 2]), true)).square()
        }),
        row("window_max_grad", [apart(&[1, 2, 4, 4]), any(&[1, 2, 2, 4])], |g, v| {
            g.apply(Op::WindowMaxGrad(overlapping().into()), &[v[0], v[1]]).square()
        }),
        row("window_max_pick", [apart(&[1, 2, 4, 4]), any(&[1, 2, 4, 4])], |g, v| {
            g.apply(Op::WindowMaxPick(overlapping().into()), &[v[0], v[1]]).square()
        }),
        row("window_argmax", [apart(&[1, 2, 4, 4])], |g, v| {
            let place = g.apply(Op::WindowArgMax(overlapping().into()), &[v[0]]).convert(DType::F32);
            place * v[0].max_window(overlapping()).square()
        }),
        row("window_sum_grad", [any(&[1, 2, 2, 4])], |g, v| {
            g.apply(Op::WindowSumGrad { window: overlapping().into(), input: [4, 4, 1] }, &[v[0]]).square()
        }),
    ]
}

fn movements() -> Vec<Case> {
    vec![
        row("reshape", [any(&[2, 3, 2])], |_, v| v[0].reshape([3, 4]).softmax(0)),
        row("flatten", [any(&[2, 3, 2])], |_, v| v[0].flatten(1).softmax(1)),
        row("squeeze, unsqueeze", [any(&[2, 1, 3])], |_, v| v[0].squeeze(1).unsqueeze(-1).exp()),
        row("transpose", [any(&[2, 3])], |_, v| v[0].transpose(0, 1).matmul(v[0])),
        row("permute", [any(&[2, 3, 2])], |_, v| v[0].permute(&[2, 0, 1]).softmax(-1)),
        row("broadcast", [any(&[2, 1])], |_, v| v[0].broadcast_to([3, 2, 4]).square()),
        row("slice", [any(&[5, 3])], |_, v| v[0].slice(0, 1..4, 1).exp()),
        row("slice with steps", [any(&[8, 3, 2])], |_, v| v[0].slice(0, 1..7, 3).slice(-1, 0..2, 2).exp()),
        row("slice with a step to the end", [any(&[7])], |_, v| v[0].slice(0, 0..7, 2).square()),
        row("pad", [any(&[2, 3])], |_, v| v[0].pad(&[1, 0], &[0, 2], 0.5).square()),
        row("pad with a value", [any(&[2, 3]), any(&[])], |g, v| {
            let (mut low, mut high) = ([0; MAX_RANK], [0; MAX_RANK]);
            (low[0], high[1]) = (1, 2);
            g.apply(Op::Pad(PadSpec { low, high }.into()), &[v[0], v[1]]).exp()
        }),
        row("concat", [any(&[2, 1]), any(&[2, 3]), any(&[2, 2])], |g, v| {
            g.concat(&[v[0], v[1], v[2], v[0]], 1).softmax(1)
        }),
        row("reverse", [any(&[2, 3])], |_, v| v[0].reverse([0, 1]) * v[0].exp()),
    ]
}

fn indexing() -> Vec<Case> {
    vec![
        row("iota", [any(&[2, 3])], |g, v| v[0].exp() * g.iota([2, 3], 1).convert(DType::F32)),
        row("gather", [any(&[2, 4]), indices(&[2, 3], &[3, 0, 3, 1, 1, 2])], |_, v| v[0].gather(1, v[1]).square()),
        row("gather along the first axis", [any(&[3, 2]), indices(&[1, 2], &[2, 0])], |_, v| {
            v[0].gather(0, v[1]).exp()
        }),
        row("gather of a part", [any(&[3, 4, 2]), indices(&[2, 3, 1], &[3, 0, 3, 1, 1, 2])], |_, v| {
            v[0].gather(1, v[1]).exp()
        }),
        row("gather, clamped", [any(&[1, 3]), indices(&[1, 2], &[-4, 7])], |_, v| v[0].gather(1, v[1]).exp()),
        row("scatter_add", [any(&[2, 3]), indices(&[2, 3], &[3, 0, 3, 1, 1, 2])], |g, v| {
            g.apply(Op::ScatterAdd { axis: 1, extent: 4 }, &[v[1], v[0]]).square()
        }),
        row("take_rows", [any(&[4, 2]), indices(&[2, 2], &[3, 0, 3, 1])], |_, v| v[0].take_rows(v[1]).square()),
        row("scatter_rows", [any(&[2, 2, 2]), indices(&[2, 2], &[3, 0, 3, 1])], |g, v| {
            g.apply(Op::ScatterRows { rows: 4 }, &[v[1], v[0]]).square()
        }),
        // Of one shard: the sum over all is the value itself.
        row("exchange", [any(&[2, 3])], |g, v| {
            g.set_shards(1, false);
            g.exchange(v[0].exp()).square()
        }),
        row("class scores", [any(&[3, 4]), indices(&[3], &[2, 0, 3])], |_, v| {
            -v[0].log_softmax(1).gather(1, v[1].unsqueeze(1)).mean(..)
        }),
    ]
}
