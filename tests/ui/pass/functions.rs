//! Functions of tensors, several inputs and outputs, and functions of a model's own.

#![deny(warnings)]

use kiln::graph::{Builder, Type};
use kiln::prelude::*;

const SIZES: [usize; 3] = [1, 2, 4];

model! {
    pub struct Two<const C: usize = 8> {
        a: Linear(3, C),
        b: Linear(4, C),
        list: [Linear(C, C); 3],
        others: [Linear(C, C); 3],
    }

    fn forward(x: [N, 3], y: [N, 4]) -> ([N, C], [N, 2, C]) {
        let (p, q) = (a(x), b(y));
        let z = cat((p, q), dim = 1).reshape([N, 2, C]);
        z = z.view(N, -1).relu().view([-1, 2, C]);
        for (i, (l, o)) in list.iter().zip(others.iter()).enumerate() {
            p = block(p, i) + l(p) + o(p);
        }
        for o in others.iter().rev() {
            p = o(p);
        }
        for k in [1, 2, 4] {
            p = p * k;
        }
        for k in SIZES {
            p = p / (k as f64);
        }
        let (s, t) = z.chunk(2, dim = 1);
        let (m, _) = z.max(1);
        let w = no_grad { where(s > t, s, 0.0) + s.round() };
        (s, t) = halves(cat([s, t], -1));
        (p + q.softmax(1) + m, z + w.squeeze(1).unsqueeze(1).expand([-1, 2, -1]) + s + t)
    }

    fn block(x: [N, C], i: usize) -> [N, C] {
        double(list[i](x)) + x.size(1)
    }

    fn double(x) {
        x + x
    }

    fn halves(x) -> ([N, 1, C], [N, 1, C]) {
        x.split(C, dim = 2)
    }
}

model! {
    /// Const parameters and extents as numbers.
    pub struct Numbers<const C: usize, const WIDE: usize> {
        fc: Linear(C, WIDE),
    }

    fn forward(x: [N, T, C]) -> [N, T, 2 * C] {
        let y = fc(x) + arange(2 * C).float() + linspace(0.0, 1.0, 2 * C) + zeros(N, T, 2 * C);
        y + arange(T).float().unsqueeze(1) + arange(N).float().reshape([N, 1, 1]) + arange(0, N).float().view(N, 1, 1)
    }
}

#[test]
fn the_batch_axis_is_counted() {
    let mut model = Numbers::<1, 2>::init(1);
    model.fc.weight.set(&ndarray::Array2::zeros((2, 1))).unwrap();
    model.fc.bias.as_mut().unwrap().set(&ndarray::Array1::zeros(2)).unwrap();
    let predictor = Predictor::new(model).batch(3).extent("T", 2).threads(1).build().unwrap();
    let y = predictor.predict(&ndarray::Array3::<f32>::zeros((3, 2, 1))).unwrap();
    for ((sample, time, column), found) in y.into_dimensionality::<ndarray::Ix3>().unwrap().indexed_iter() {
        assert_eq!(*found, (2 * sample + time + 2 * column) as f32);
    }
}

model! {
    /// Layers as functions, whose weights are tensors.
    pub struct Functional {
        kernel: Parameter(4, 3, 3, 3, std = 0.1),
        back: Parameter(4, 3, 2, 2, std = 0.1),
        scale: Parameter(4, mean = 1),
        shift: Parameter(4),
        table: Parameter(5, 6, std = 1),
        theta: Linear(4, 6),
    }

    fn forward(x: [N, 3, 8, 8], words: [N, 2; i32]) -> ([N, 3, 8, 8], [N, 4, 4, 4], [N, 2, 6]) {
        let y = conv2d(x, kernel, shift, padding = "same").relu();
        y = group_norm(y, 2, scale, shift) + batch_norm(y, shift, scale, bias = shift);
        y = layer_norm(y, (8, 8), eps = 1e-3) + rms_norm(y, [8, 8]) + instance_norm(y, weight = scale);
        y = local_response_norm(dropout2d(y, 0.1), 3);
        let place = theta(y.mean((2, 3))).view(N, 2, 3);
        let z = grid_sample(y, affine_grid(place, (N, 4, 4, 4)), "bicubic", padding_mode = "reflection");
        let w = conv_transpose2d(lp_pool2d(y, 2.0, 2), back, stride = 2);
        let v = embedding(words, table, padding_idx = -1) + embedding_bag(words, table, mode = "sum").unsqueeze(1);
        (alpha_dropout(w + conv2d(x, kernel, None, 1, 1).mean(1, true), p = 0.2), z, v)
    }
}

model! {
    struct Outer {
        two: Two<8>,
        fc: Linear(8, 3),
    }

    fn forward(x: [N, 3], y: [N, 4]) -> [N, 3] {
        let (a, mut b) = two(x, y);
        no_grad {
            b = b + 1;
        }
        fc(a) + b.mean(dim = (1, 2), keepdim = true).squeeze(2)
    }
}

// Every function of tensors.
model! {
    struct Everything {
        fc: Linear(6, 12),
    }

    fn forward(x: [N, 6], index: [N, 4; i32]) -> ([N, 12], [N; i32]) {
        let y = fc(x).reshape([N, 3, 4]);
        let shapes = y.transpose(1, 2).permute(0, 2, 1).unsqueeze(1).squeeze(1).flatten(1).view([N, 3, 4]).flip(1);
        let parts = stack((shapes, y), dim = 1).select(1, 0) + y.slice(2, 0, 4, step = 1) + y.narrow(dim = 2, start = 0, length = 4);
        let sums = y.sum(2, keepdim = true) + y.mean((1, 2), true) + y.amax(dim = 2, keepdim = true) + y.amin(-1, true) + y.prod(2, true);
        let spread = y.var(2, keepdim = true) + y.std(2, correction = 0, keepdim = true) + y.logsumexp(2, keepdim = true) + y.logsumexp((1, 2), true) + y.narrow(1, 0, 1).masked_fill(y > 0.0, 0.5) + y.norm(dim = 2, keepdim = true);
        let soft = softmax(y, dim = 2) + y.log_softmax(2) + leaky_relu(y, 0.2) + y.leaky_relu() + y.clamp(-1, 1) + y.clamp(min = 0.5);
        soft += y.silu() + gelu(y) + y.elu(alpha = 0.5) + y.selu() + softplus(y, beta = 2) + y.mish() + y.hardtanh(0, 1) + relu6(y) + y.hardswish() + dropout(y, 0.1) + y.cumsum(2);
        soft += y.celu(2) + hardshrink(y, lambd = 1) + y.hardsigmoid() + y.logsigmoid() + y.prelu(x.mean(0).narrow(0, 0, 3)) + softshrink(y) + y.softsign() + y.tanhshrink();
        soft += rrelu(y, 0.1, upper = 0.3) + threshold(y, 0, value = 1) + y.softmin(dim = 2) + cat((y.glu(), glu(y, dim = 2)), dim = 2);
        let powers = y.pow(2) + y.maximum(0.5) + minimum(y, x.sum()) + y.add(x.max()).sub(1).mul(2).div(3) + -y;
        let products = matmul(y, y.transpose(-2, -1)).matmul(y);
        let mask = (y > 0.0) & !(y.eq(1)) | (2.0 < y);
        let masked = where(mask, y, 0.0) + y.masked_fill(mask, 1) + mask.float() + y.where(mask, zeros_like(y)) + ones_like(y) + full_like(y, 3);
        let picked = y.gather(2, y.argmax(2, keepdim = true)) + y.int().float();
        let (least, place) = y.min(1);
        let (front, back) = y.split([1, 2], dim = 1);
        let ends = max(front, back.amax(1, keepdim = true)) + front.min(back);
        let total = parts + sums + spread + soft + powers + products + masked + picked + least.unsqueeze(1) + ends.sum(1, true);
        let padded = total.pad([1, 1]).narrow(2, 1, 4) + shapes;
        let chosen = place.float() + index.float() * (index != 0).float();
        (padded.flatten(1) + cat((chosen, chosen, chosen), 1), y.flatten(1).argmax(dim = 1) + index.sum(1))
    }
}

// What PyTorch's users may write beside these.
model! {
    struct More {
        fc: Linear(4, 4),
        w: Linear(3, 5),
    }

    fn forward(x: [N, 3, 4], index: [N, 4; i32]) -> ([N, 3, 4], [N; i32]) {
        let y = fc(x).contiguous().clone();
        let angles = y.sinc() + y.rad2deg().deg2rad() + y.sigmoid().logit(eps = 1e-3) + logit(y) + y.absolute() + y.negative() + y.positive() + y.fix() + y.sgn() + y.arctan();
        let bounds = y.clip(-1, 1) + y.clamp_min(0) + clamp_max(y, 1.0) + y.gelu("tanh") + gelu(y, approximate = "none");
        let pairs = y.fmod(2) + y.remainder(x) + y.hypot(x) + logaddexp(y, x) + y.logaddexp2(x) + y.copysign(-1.0) + fmax(y, x) + y.fmin(0) + y.xlogy(x) + y.subtract(x).multiply(2).divide(3).true_divide(x);
        let rounded = y.floor_divide(2) + y.div(x, rounding_mode = "floor") + div(y, 2.0, rounding_mode = "trunc");
        let sums = addcmul(y, x, x, value = 2) + y.addcdiv(x, x) + y.renorm(2, 0, 1.5) + normalize(y, dim = 2) + y.logcumsumexp(2) + gumbel_softmax(y, tau = 0.5, hard = true);
        let mask = y.isclose(x) | y.greater(x) | y.less_equal(0) | y.not_equal(x) | y.signbit() | y.isposinf();
        let folds = any(mask, 2, true).float() + mask.all(dim = 2, keepdim = true).float() + y.nansum(2, true) + y.nanmean(2, true) + y.quantile(0.25, 2, true) + x.mean(0).quantile(0.5);
        let (spread, middle) = y.std_mean(2, keepdim = true);
        let (_, centre) = var_mean(y, (1, 2), keepdim = true);
        let (least, most) = y.aminmax(dim = 2, keepdim = true);
        let (high, _) = y.cummax(2);
        let (low, _) = cummin(y, 2);
        let (half, at) = y.median(2, true);
        let (second, _) = kthvalue(y, 2, keepdim = true);
        let moved = y.movedim(1, 2).swapaxes(1, 2) + y.unflatten(2, (2, -1)).flatten(2) + y.tile(1, 2).narrow(2, 0, 4) + concat((y, y), 1).narrow(1, 0, 3) + y.expand_as(x).view_as(x);
        let (a, b, c) = y.unbind(1);
        let (rows, columns) = meshgrid((arange(3), arange(4)), indexing = "ij");
        let square = y.transpose(1, 2).matmul(y);
        let diagonals = square.diagonal(dim1 = 1, dim2 = 2).diag_embed().sum(1).unsqueeze(1) + square.rot90(1, (1, 2)).narrow(1, 0, 3) + eye(3, 4) + zeros(N, 1, 1) + ones([N, 3, 4]) + full((3, 4), 0.5) + randn(N, 3, 4) + rand([4]);
        let places = triu_indices(3, 4, offset = 1).sum() + tril_indices(3, 4).sum();
        let matrix = eye(4).addmm(eye(4), ones([4, 4]), alpha = 0.5).mm(eye(4)) + ones(4).addr(ones(4), ones(4)).t() + eye(2).kron(eye(2)) + ones(4).diag() * eye(4).trace() + eye(4).fliplr().flipud();
        let vectors = matrix.mv(ones(4)) + ones(4) * ones(4).dot(ones(4)) + matrix.inner(ones(4)) + ones(4).addmv(eye(4), ones(4)) + cdist(eye(4), matrix).diagonal() + pdist(ones([4, 2])).sum();
        let products = linear(y, ones([4, 4]), bias = ones(4)) + addbmm(zeros([4, 4]), ones([2, 4, 4]), ones([2, 4, 4])).sum(0);
        let indexed = index.remainder(3) + index.floor_divide(2) + index.index_fill(1, arange(2), 7) + index.bucketize(arange(5)) + searchsorted(arange(3), index, right = true) + isin(index, arange(2)).int();
        let counts = y.histc(4, -1, 1).sum() + y.count_nonzero(dim = (1, 2)).float().reshape([N, 1, 1]) + dist(y, x) + w(y.transpose(1, 2)).mean() + hstack((a, b, c)).mean();
        let total = angles + bounds + pairs + rounded + sums + folds + spread + middle + centre + least + most + high + low + half + second + moved;
        total += diagonals + products + counts + vectors + (rows + columns).float() + places.float() + y.diff().sum(2, keepdim = true);
        (total, indexed.sum(1) + at.sum((1, 2)))
    }
}

// What puts elements together, and what takes several indices.
model! {
    struct Sets {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 3, 4], index: [N, 4; i32]) -> ([N, 3, 4], [N, 3, 2, 3; i32], [N, 5]) {
        let y = fc(x);
        let blocks = block_diag((eye(2), ones(2), full([], 3.0))).narrow(0, 0, 3).narrow(1, 0, 4);
        let pairs = cartesian_prod((arange(3).float(), ones(4))).sum() + combinations(arange(4), r = 3, with_replacement = true).float().sum();
        let powers = vander(ones(3), 4) + vander(ones(3), N = 4, increasing = true) + vander(x.mean((1, 2)), 4).unsqueeze(1);
        let diagonals = ones(3).diagflat().sum() + y.diagonal_scatter(zeros(N, 3), dim1 = 1, dim2 = 2) + eye(3).msort().sum();
        let (most, _) = y.mode(2, keepdim = true);
        let (rows, columns) = unravel_index(index, (3, 4));
        let count = bincount(arange(3), minlength = 3).sum().float() + arange(3).bincount(ones(3), minlength = 3).sum();
        let put = zeros([3, 4]).index_put((arange(2), arange(2)), ones(2)) + zeros([3, 4]).index_put([arange(3)], ones([3, 4]), accumulate = true);
        let windows = (rows + columns).unsqueeze(1).expand(-1, 3, -1).unfold(2, size = 3, step = 1);
        most += y.i0e() + i1e(y) + (y.i0() + y.i1()).clamp(0, 1) + y.log_ndtr() + y.erfcx().clamp(max = 1) + y.expit();
        let bag = embedding_bag(arange(5), eye(5, 4), arange(3)) + embedding_bag(arange(5), ones(5, 4), offsets = arange(4), mode = "max", include_last_offset = true);
        let whole = arange(4).view(2, 2).matmul(arange(4).view(2, 2)).mm(eye(2).int()).mv(arange(2)).dot(arange(2)) + arange(4).view(2, 2).inner(arange(2)).sum();
        most += bag + whole.float() + einsum("ij,jk->ik", (arange(4).view(2, 2), arange(2).view(2, 1))).sum().float();
        (blocks + pairs + powers + diagonals + most + count + put, windows, vander(x.sum((1, 2)), 5))
    }
}

#[test]
fn it_runs() {
    let model = <Two>::init(0);
    let outer = Outer::init(0);
    let g = Builder::new("both");
    let (x, y) = (g.input("x", [5, 3]), g.input("y", [5, 4]));
    let results = model.forward_all(&g, &[x, y]);
    assert_eq!(results.iter().map(|v| v.ty()).collect::<Vec<_>>(), [Type::f32([5, 8]), Type::f32([5, 2, 8])]);
    let all = outer.forward_all(&g, &[x, y]);
    assert_eq!(all[0].ty(), Type::f32([5, 3]));
    let (x, index) = (g.input("features", [5, 6]), g.input_of("index", Type::i32([5, 4])));
    let scope = g.enter("everything");
    let results = Everything::init(0).forward_all(&g, &[x, index]);
    assert_eq!(results.iter().map(|v| v.ty()).collect::<Vec<_>>(), [Type::f32([5, 12]), Type::i32([5])]);
    drop(scope);
    let (x, index) = (g.input("vectors", [5, 3, 4]), g.input_of("places", Type::i32([5, 4])));
    let scope = g.enter("more");
    let results = More::init(0).forward_all(&g, &[x, index]);
    assert_eq!(results.iter().map(|v| v.ty()).collect::<Vec<_>>(), [Type::f32([5, 3, 4]), Type::i32([5])]);
    drop(scope);
    let (x, index) = (g.input("sets of x", [5, 3, 4]), g.input_of("sets of places", Type::i32([5, 4])));
    let scope = g.enter("sets");
    let results = Sets::init(0).forward_all(&g, &[x, index]);
    let types = [Type::f32([5, 3, 4]), Type::i32([5, 3, 2, 3]), Type::f32([5, 5])];
    assert_eq!(results.iter().map(|v| v.ty()).collect::<Vec<_>>(), types);
    drop(scope);
    assert_eq!(Everything::INPUTS[1], Type::i32([Shape::N, 4]));
    g.finish().unwrap();
}
