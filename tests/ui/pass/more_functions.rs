//! Special functions, statistics, scatters, grouped attention and functions of whole numbers, as PyTorch's users write them.

#![deny(warnings)]

use kiln::graph::{Builder, Type};
use kiln::prelude::*;

const HALF: f32 = 0.5;

model! {
    struct Special {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], low: [4]) -> [N, 4] {
        let y = fc(x).abs() + 1;
        let gammas = lgamma(y) + y.digamma() + polygamma(1, y) + y.polygamma(n = 2) + y.mvlgamma(2) + multigammaln(y, p = 1) + gammaln(y) + psi(y);
        let errors = y.erfc() + erfinv(y * 0.125) + ndtr(x) + entr(y) + y.xlog1py(x.abs()) + xlog1py(y, 2.0);
        let bounds = x.clamp(low, 1.0) + x.clamp(0, y) + x.clamp(min = low) + clamp(x, max = y) + x.clip(-y, y) + x.clamp_min(low) + clamp_max(x, max = low) + x.clamp(HALF, None);
        gammas + errors + bounds + x.heaviside(0.5) + heaviside(x, values = low) + x.ldexp(2) + ldexp(x, arange(4))
    }
}

model! {
    struct Statistics {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, T, 4], w: [3, 4]) -> ([N, 4], [N, 2, 4], [3, 3], [4, 4]) {
        let y = x.quantile(0.5, dim = 1) + x.quantile(q = 0.25, 1, interpolation = "nearest") + nanquantile(x, 0.1, 1) + trapezoid(x, dim = 1);
        let (middle, _) = x.nanmedian(1);
        let several = x.quantile([0.1, 0.9], 1) + x.quantile(tensor([0.1, 0.9]), 1);
        let all = w.quantile(0.5) + w.quantile([0.5], keepdim = true).sum() + w.nanmedian() + nanquantile(w, tensor([0.5]), None).sum();
        let areas = trapezoid(w, w, dim = 0) + trapz(w, dx = 0.5, dim = 0) + cumulative_trapezoid(w, w.select(1, 0), dim = 0).sum(0);
        (fc(y) + middle + areas + all + einsum("ij->", w), several.transpose(0, 1), w.cov() + cov(w, correction = 0, aweights = w.select(0, 0).abs()) + corrcoef(w), x.sum(1).transpose(0, 1).cov(fweights = arange(N)))
    }
}

model! {
    struct Places {
        fc: Linear(5, 5),
    }

    fn forward(x: [N, 5], index: [N, 3; i32]) -> ([N, 5], [N, 3], [N, 5; i32]) {
        let y = fc(x);
        let src = y.narrow(1, 0, 3);
        let put = y.scatter_reduce(1, index, src, "sum") + scatter_reduce(y, 1, index, src, reduce = "amax", include_self = false) + y.scatter_reduce(1, index, src, "mean");
        put += y.index_copy(1, arange(3), src) + y.roll(0, 1) + vstack((ones(5), zeros([1, 5]))).sum(0);
        let taken = y.take_along_dim(index, 1) + take_along_dim(y, arange(3).unsqueeze(0), dim = 1);
        let stacked = column_stack((src.sum(1), src)).narrow(1, 0, 3) + dstack((src, src)).mean(2) + row_stack([zeros(3), zeros(3)]).sum(0) + logspace(0, 1, 3) + logspace(0, 1, 3, base = 2.0);
        put += y.index_reduce(1, arange(3), src, "amin") + y.select_scatter(src.sum(1), 1, -1) + slice_scatter(y, src, dim = 1, start = 1, end = -1) + y.float_power(2) + y.allclose(x).float() + y.scatter(1, index, src, reduce = "add") + y.scatter(1, index, 2, reduce = "multiply");
        let (left, right) = y.tensor_split(2, dim = 1);
        put += right.sum(1, true) + left.sum() + atleast_2d(left.sum()) + eye(3).take(arange(5));
        let whole = zeros(N, 5).int();
        let counts = whole.scatter_add(1, index, index) + whole.scatter(1, index, 7) + whole.index_add(1, arange(3), index) + whole.scatter_reduce(1, index, index, "prod") + whole.index_copy(1, arange(3), index);
        (put, taken + stacked, counts + index.prod(1, true) + index.logical_and(index.logical_not()).int().sum(1, true) + index.isclose(index + 1).int().sum(1, true))
    }
}

model! {
    struct Products {
        fc: Linear(8, 8),
        table: Parameter(7, 2, std = 1),
    }

    fn forward(q: [N, 6, T, 8], k: [N, 2, S, 8], v: [N, 2, S, 4], words: [N, 3; i32]) -> ([N, 6, T, 4], [N, 2], [N]) {
        let seen = scaled_dot_product_attention(q, k, v, enable_gqa = true) + scaled_dot_product_attention(q, k, v, is_causal = true, enable_gqa = true);
        let bags = embedding_bag(words, table, mode = "sum", per_sample_weights = words.float());
        let pooled = q.mean((1, 2));
        let products = tensordot(fc(pooled), eye(8), dims = 1) + tensordot(pooled, eye(8), dims = ([1], [0])) + tensordot(pooled, eye(8), dims = (1, -1));
        let weights = products.vecdot(pooled) + vecdot(products, pooled, dim = -1) + cosine_similarity(products, pooled, dim = 0).sum();
        let steps = arange(4).diff(prepend = zeros(1).int(), append = arange(1)) + searchsorted(arange(4).float(), arange(5), side = "right") + searchsorted(arange(4), arange(5), right = true, sorter = arange(4));
        let images = max_pool2d(words.float().unsqueeze(1).repeat_interleave(3, 1), 2).sum((1, 2)) + adaptive_avg_pool1d(pooled, 2).sum(1) + eye(2).roll(1).sum() + eye(2).repeat_interleave(2).sum();
        (seen, bags, weights + images + steps.sum())
    }
}

#[test]
fn they_are_built() {
    let g = Builder::new("more");
    let f32s = |name: &str, extents: &[usize]| g.input(name, extents);
    let results = |all: Vec<kiln::graph::Value<'_>>| all.iter().map(|value| value.ty()).collect::<Vec<_>>();
    let special = Special::init(0).forward_all(&g, &[f32s("x", &[3, 4]), f32s("low", &[4])]);
    assert_eq!(results(special), [Type::f32([3, 4])]);
    let scope = g.enter("statistics");
    let statistics = Statistics::init(0).forward_all(&g, &[f32s("series", &[3, 6, 4]), f32s("w", &[3, 4])]);
    let expected = [Type::f32([3, 4]), Type::f32([3, 2, 4]), Type::f32([3, 3]), Type::f32([4, 4])];
    assert_eq!(results(statistics), expected);
    drop(scope);
    let scope = g.enter("places");
    let index = g.input_of("index", Type::i32([3, 3]));
    let places = Places::init(0).forward_all(&g, &[f32s("rows", &[3, 5]), index]);
    assert_eq!(results(places), [Type::f32([3, 5]), Type::f32([3, 3]), Type::i32([3, 5])]);
    drop(scope);
    let scope = g.enter("products");
    let (q, k, v) = (f32s("q", &[3, 6, 5, 8]), f32s("k", &[3, 2, 7, 8]), f32s("v", &[3, 2, 7, 4]));
    let products = Products::init(0).forward_all(&g, &[q, k, v, g.input_of("words", Type::i32([3, 3]))]);
    assert_eq!(results(products), [Type::f32([3, 6, 5, 4]), Type::f32([3, 2]), Type::f32([3])]);
    drop(scope);
    g.finish().unwrap();
}
