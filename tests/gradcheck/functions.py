"""Makes functions.txt: what PyTorch gives for functions of whole tensors. `python3 functions.py > functions.txt`, with torch 2.15.

Inputs are in f64, so are results, which are written as f32. The gradient is that of the sum of all f32 results, each times
one of UPSTREAM in turn.
"""
import math

import torch
import torch.nn.functional as F

UPSTREAM = (1.0, 0.5, -1.0, 2.0, -0.25)
inf, nan = math.inf, math.nan
torch.manual_seed(1)


def rand(*shape):
    """Multiples of 1/8 that differ."""
    count = math.prod(shape)
    return ((torch.randperm(count) - count // 2) / 8 + 0.0625).double().reshape(shape)


def ints(*values):
    return torch.tensor(values)


m = rand(3, 4)
b1, b2 = rand(2, 3, 4), rand(2, 4, 2)
ties = torch.tensor([[2.0, -1, 2, 0, -1, 2, 5], [nan, 1, -inf, nan, inf, 0, 1]]).double()
q, k, v = rand(2, 3, 4), rand(2, 5, 4), rand(2, 5, 2)
looks = ints([1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [0, 0, 1, 0, 0])
attend = F.scaled_dot_product_attention
CASES = {
    "tril": (lambda x: x.tril(), m), "tril(-1)": (lambda x: x.tril(-1), m), "tril(2)": (lambda x: x.tril(2), b1),
    "triu": (lambda x: x.triu(), m), "triu(1)": (lambda x: x.triu(1), b1), "triu(-9)": (lambda x: x.triu(-9), m),
    "roll(1, 0)": (lambda x: x.roll(1, 0), m), "roll((-1, 6), (0, 1))": (lambda x: x.roll((-1, 6), (0, 1)), m),
    "repeat_interleave(3, 1)": (lambda x: x.repeat_interleave(3, 1), m),
    "repeat(2, 1, 3)": (lambda x: x.repeat(2, 1, 3), m), "repeat(2, 2)": (lambda x: x.repeat(2, 2), m),
    "one_hot(5)": (lambda i: F.one_hot(i, 5), ints(3, 0, 4)),
    "sort": (lambda x: x.sort(stable=True), m), "sort(0, descending)": (lambda x: x.sort(0, True), rand(9, 2)),
    "sort of ties": (lambda x: x.sort(stable=True), ties), "sort of ties, descending": (lambda x: x.sort(descending=True, stable=True), ties),
    "sort of one": (lambda x: x.sort(1), rand(3, 1)), "argsort(0)": (lambda x: x.argsort(0), rand(5, 3)),
    "sort of i32": (lambda i: i.sort(stable=True), ints(5, -3, 5, 0, 2147483647, -2147483648)),
    "topk(2)": (lambda x: x.topk(2), rand(3, 5)), "topk(3, 0, smallest)": (lambda x: x.topk(3, 0, largest=False), rand(6, 2)),
    "scatter(1)": (lambda x, i, s: x.scatter(1, i, s), m, ints([3, 0], [1, 2]), rand(2, 2)),
    "scatter(0) of a number": (lambda x, i: x.scatter(0, i, 7.0), m, ints([2, 0, 1, 1])),
    "scatter_add(0)": (lambda x, i, s: x.scatter_add(0, i, s), m, ints([2, 0, 1, 1], [2, 0, 0, 1]), rand(2, 4)),
    "index_add(1)": (lambda x, i, s: x.index_add(1, i, s), m, ints(3, 0, 3), rand(3, 3)),
    "index_add(0, alpha = -2)": (lambda x, i, s: x.index_add(0, i, s, alpha=-2), m, ints(1, 1), rand(2, 4)),
    "cumprod(1)": (lambda x: x.cumprod(1), rand(2, 6)), "cumprod(0) with zeros": (lambda x: x.cumprod(0), torch.tensor([2.0, 0, 3, 0, 4]).double()),
    "cross": (lambda a, b: torch.linalg.cross(a, b), rand(2, 3), rand(1, 3)), "cross(0)": (lambda a, b: torch.cross(a, b, dim=0), rand(3, 2), rand(3, 2)),
    "outer": (lambda a, b: a.outer(b), rand(3), rand(4)), "bmm": (lambda a, b: a.bmm(b), b1, b2),
    "baddbmm(beta = 0.5, alpha = -2)": (lambda x, a, b: x.baddbmm(a, b, beta=0.5, alpha=-2), rand(3, 2), b1, b2),
    "lerp(0.75)": (lambda a, b: a.lerp(b, 0.75), rand(3), rand(3)), "lerp": (lambda a, b, w: a.lerp(b, w), rand(3), rand(3), torch.tensor([0.0, 0.25, 1]).double()),
    "nan_to_num": (lambda x: x.float().nan_to_num(), torch.tensor([nan, inf, -inf, 2]).double()),
    "nan_to_num(1, 2, 3)": (lambda x: x.nan_to_num(1, 2, 3), torch.tensor([nan, inf, -inf, 2]).double()),
    "einsum bij,bjk->bik": (lambda a, b: torch.einsum("bij,bjk->bik", a, b), b1, b2),
    "einsum ij->ji": (lambda a: torch.einsum("ij->ji", a), m), "einsum ij": (lambda a: torch.einsum("ij->", a), m),
    "einsum i,j->ij": (lambda a, b: torch.einsum("i,j->ij", a, b), rand(3), rand(4)), "einsum ii->i": (lambda a: torch.einsum("ii->i", a), rand(3, 3)),
    "einsum ii": (lambda a: torch.einsum("ii", a), rand(3, 3)), "einsum ba, implied": (lambda a: torch.einsum("ba", a), m),
    "einsum ...ij,...jk->...ik": (lambda a, b: torch.einsum("...ij,...jk->...ik", a, b), b1, b2),
    "einsum ijk,ikl,l->ji": (lambda a, b, c: torch.einsum("ijk,ikl,l->ji", a, b, c), b1, b2, rand(2)),
    "einsum ij,ij->i": (lambda a, b: torch.einsum("ij,ij->i", a, b), m, rand(3, 4)), "einsum ab,cd->db": (lambda a, b: torch.einsum("ab,cd->db", a, b), m, rand(2, 3)),
    "attention": (lambda q, k, v: attend(q, k, v), q, k, v), "attention, causal": (lambda q, k, v: attend(q, k, v, is_causal=True), q, k, v),
    "attention, mask": (lambda q, k, v, i: attend(q, k, v, attn_mask=i.bool()), q, k, v, looks),
    "attention, added mask, scale": (lambda q, k, v, a: attend(q, k, v, attn_mask=a, scale=0.25), q, k, v, rand(3, 5)),
}


def ctc(**options):
    """Of scores: PyTorch's gradient in logarithms of probabilities is not that of the formula, which one behind a softmax hides."""
    return lambda x, *given: F.ctc_loss(x.log_softmax(2), *given, **options)


# Repeated labels, unequal lengths, a target that just fits, no label, no time; padding that is not looked at.
scores, labels = rand(6, 5, 4), ints([1, 1, 2], [3, 2, 9], [1, 1, 3], [-1, 0, 7], [0, 0, 0])
times, lengths = ints(6, 5, 4, 3, 0), ints(3, 2, 3, 0, 0)
# One label more than the time allows, no time for a label.
impossible = (scores, labels.clamp(0, 3), ints(6, 5, 3, 0, 0), ints(3, 2, 3, 0, 1))
CASES |= {
    "ctc none": (ctc(reduction="none"), scores, labels, times, lengths), "ctc": (ctc(), scores, labels, times, lengths),
    "ctc sum, blank = 3": (ctc(reduction="sum", blank=3), scores, ints([1, 1, 2], [0, 2, 9], [1, 1, 0], [-1, 0, 7], [0, 0, 0]), times, lengths),
    "ctc of the impossible": (lambda *x: ctc(reduction="none")(*x).detach(), *impossible),
    "ctc of the impossible, zero_infinity": (ctc(zero_infinity=True), *impossible),
    "ctc of the impossible, zero_infinity, none": (ctc(zero_infinity=True, reduction="none"), *impossible),
}

resize = F.interpolate
line3, image, volume = rand(1, 2, 5), rand(1, 2, 4, 5), rand(1, 1, 3, 2, 4)
CASES |= {
    "pad reflect": (lambda x: F.pad(x, (2, 1, 0, 3), mode="reflect"), image), "pad replicate, cut": (lambda x: F.pad(x, (-1, 2), mode="replicate"), line3),
    "pad circular": (lambda x: F.pad(x, (1, 0, 2, 1), mode="circular"), image), "pad constant, cut": (lambda x: F.pad(x, (1, -2, -1, 2), value=0.5), m),
    "nearest": (lambda x: resize(x, size=(6, 3)), image), "nearest-exact": (lambda x: resize(x, size=(6, 3), mode="nearest-exact"), image),
    "nearest-exact, factor": (lambda x: resize(x, scale_factor=1.7, mode="nearest-exact"), line3), "nearest-exact, whole": (lambda x: resize(x, scale_factor=(1, 2, 3), mode="nearest-exact"), volume),
    "linear": (lambda x: resize(x, size=7, mode="linear"), line3), "bilinear, corners": (lambda x: resize(x, size=(7, 3), mode="bilinear", align_corners=True), image),
    "trilinear": (lambda x: resize(x, scale_factor=(2, 1.5, 0.5), mode="trilinear"), volume), "recomputed": (lambda x: resize(x, scale_factor=1.3, mode="bilinear", recompute_scale_factor=True), image),
    "bicubic": (lambda x: resize(x, size=(8, 4), mode="bicubic"), rand(1, 2, 5, 6)), "bicubic, corners": (lambda x: resize(x, size=(3, 8), mode="bicubic", align_corners=True), image),
    "bicubic, whole": (lambda x: resize(x, scale_factor=2, mode="bicubic"), image),
    "area": (lambda x: resize(x, size=(3, 2), mode="area"), image), "area, larger": (lambda x: resize(x, size=7, mode="area"), line3), "area of a volume": (lambda x: resize(x, scale_factor=(1, 0.5, 0.75), mode="area"), volume),
    "bilinear, antialias": (lambda x: resize(x, size=(2, 3), mode="bilinear", antialias=True), image), "bilinear, antialias, larger": (lambda x: resize(x, size=(6, 3), mode="bilinear", antialias=True), image),
    "bilinear, antialias, corners": (lambda x: resize(x, size=(3, 2), mode="bilinear", align_corners=True, antialias=True), image),
    "bicubic, antialias": (lambda x: resize(x, scale_factor=0.6, mode="bicubic", antialias=True), image), "bicubic, antialias, larger": (lambda x: resize(x, size=(5, 7), mode="bicubic", antialias=True), image),
}
edges = torch.tensor([-inf, -2.5, -0.0, 0.0, 0.75, 3, inf, nan]).double()
some, more = rand(2, 4), rand(4)
wide = torch.tensor([-inf, inf, -inf, 0, 0, 1e30, -3, 5.5, nan, 2]).double(), torch.tensor([-inf, inf, 2, 0, -1, 1e30, 4, 5.5, 1, nan]).double()
whole = ints(7, -7, 7, -7, 2147483647, -2147483647, 0, 16777217, 6, 1000000007), ints(2, 2, -2, -2, 3, 2, 5, 1, 6, -13)
CASES |= {
    "sinc": (lambda x: x.sinc(), torch.tensor([0.0, 0.5, -1.25, 3]).double()),
    "rad2deg": (lambda x: x.rad2deg(), more),
    "deg2rad": (lambda x: x.deg2rad(), more),
    "signbit": (lambda x: x.signbit().int(), edges[:-1]),
    "isposinf": (lambda x: x.isposinf().int(), edges),
    "isneginf": (lambda x: x.isneginf().int(), edges),
    "logit": (lambda x: x.logit(), torch.tensor([0.125, 0.5, 0.9375]).double()),
    "logit(eps)": (lambda x: x.logit(0.25), torch.tensor([-1, 0.125, 0.5, 0.9375]).double()),
    "clamp_min": (lambda x: x.clamp_min(0.5), some),
    "clamp_max": (lambda x: x.clamp_max(0.5), some),
    "gelu, tanh": (lambda x: F.gelu(x, approximate='tanh'), some),
    "xlogy": (lambda x, y: x.xlogy(y), torch.tensor([0.0, 0, 2, 1.5]).double(), torch.tensor([0.25, nan, 0.5, 3]).double()),
    "logaddexp": (lambda x, y: x.logaddexp(y), some, more),
    "logaddexp of edges": (lambda x, y: x.logaddexp(y).detach(), wide[0], wide[1]),
    "logaddexp2": (lambda x, y: x.logaddexp2(y), some, more),
    "hypot": (lambda x, y: x.hypot(y), some, more),
    "hypot of edges": (lambda x, y: x.hypot(y).detach(), wide[0], wide[1]),
    "copysign": (lambda x, y: x.copysign(y), torch.tensor([2.0, -3, 4, -5]).double(), torch.tensor([-1.0, 2, -0.0, 0.0]).double()),
    "fmax": (lambda x, y: x.fmax(y), some, more),
    "fmin of edges": (lambda x, y: x.fmin(y).detach(), wide[0], wide[1]),
    "floor_divide": (lambda x, y: x.floor_divide(y).detach(), some, more),
    "floor_divide of i32": (lambda x, y: x.floor_divide(y), *whole),
    "remainder": (lambda x, y: x.remainder(y), some, more),
    "remainder of i32": (lambda x, y: x.remainder(y), *whole),
    "remainder of a number": (lambda x: x.remainder(-0.75), some),
    "fmod": (lambda x, y: x.fmod(y), some, more),
    "fmod of i32": (lambda x, y: x.fmod(y), *whole),
    "div, trunc": (lambda x, y: x.div(y, rounding_mode='trunc').detach(), some, more),
    "div, floor": (lambda x: x.div(3, rounding_mode='floor'), ints(7, -7, 9)),
    "addcmul": (lambda x, a, b: x.addcmul(a, b, value=-0.5), some, more, rand(2, 1)),
    "addcdiv": (lambda x, a, b: x.addcdiv(a, b, value=2), some, more, rand(2, 1)),
    "isclose": (lambda x, y: x.isclose(y, rtol=0.5, atol=0.25).int(), wide[0], wide[1]),
    "isclose, equal_nan": (lambda x: x.isclose(x + 1e-9, equal_nan=True).int(), edges),
}
CASES |= {
    "any": (lambda x: x.bool().any().int(), ints([0, 0], [0, 3])),
    "any(1, keepdim)": (lambda x: x.ne(0).any(1, True).int(), torch.tensor([[0, 0.0], [nan, 0]]).double()),
    "all(0)": (lambda x: x.bool().all(0).int(), ints([1, 0, 0], [2, 1, 0])),
    "count_nonzero": (lambda x: x.count_nonzero().int(), ints([1, 0, 0], [2, 1, 0])),
    "count_nonzero(1)": (lambda x: x.count_nonzero(1).int(), ints([1, 0, 0], [2, 1, 0])),
    "nansum(1)": (lambda x: x.nansum(1), torch.tensor([[1, nan, 2], [nan, nan, 3]]).double()),
    "nanmean(0, keepdim)": (lambda x: x.nanmean(0, True), torch.tensor([[1, nan, 2], [nan, 4, 3]]).double()),
    "std_mean(1)": (lambda x: torch.std_mean(x, 1), m),
    "var_mean": (lambda x: torch.var_mean(x, correction=0), m),
    "aminmax(1)": (lambda x: torch.aminmax(x, dim=1), m),
    "aminmax": (lambda x: torch.aminmax(x), m),
    "cummax(1)": (lambda x: torch.cummax(x, 1), torch.tensor([[2.0, -1, 2, 0, 5, -1, 5], [nan, 1, -inf, nan, inf, 0, 1], [-inf, -inf, 1, inf, 2, inf, nan]]).double()),
    "cummin(0)": (lambda x: torch.cummin(x, 0), rand(6, 2)),
    "logcumsumexp(1)": (lambda x: x.logcumsumexp(1), rand(2, 6) * 8),
    "logcumsumexp of infinities": (lambda x: x.logcumsumexp(0).detach(), torch.tensor([-inf, -inf, 2, -inf, 1e4]).double()),
    "diff": (lambda x: x.diff(), m),
    "diff(2, 0)": (lambda x: x.diff(2, 0), ints([1, 0], [4, 2], [5, 9], [0, 0])),
    "kthvalue(2)": (lambda x: x.kthvalue(2), m),
    "median(1, keepdim)": (lambda x: x.median(1, True), rand(3, 6)),
    "median of NaN": (lambda x: x.median(0).values, torch.tensor([[3.0, nan], [2, 5], [1, nan], [4, 0], [0, 1]]).double()),
    "median": (lambda x: x.median(), m),
    "median of i32": (lambda x: x.median(0), ints(5, -3, 5, 0)),
    "quantile(0.3)": (lambda x: x.quantile(0.3, -1), m),
    "quantile(1, 0, keepdim)": (lambda x: x.quantile(1.0, 0, True), m),
    "normalize": (lambda x: F.normalize(x), torch.cat((m, torch.zeros(1, 4))).double()),
    "normalize(1, 0)": (lambda x: F.normalize(x, 1, 0), m),
    "renorm(2, 0, 1)": (lambda x: x.renorm(2, 0, 1), m),
    "renorm(1, 1, 2)": (lambda x: x.renorm(1, 1, 2), b1 / 2),
    "dist": (lambda x, y: torch.dist(x, y), m, rand(4)),
    "dist(3)": (lambda x, y: torch.dist(x, y, 3), m, rand(4)),
    "histc(4, -1, 1)": (lambda x: x.histc(4, -1, 1).detach(), torch.tensor([-1, -0.75, 0, 0.5, 1, 1.25, nan, -2, -0.5]).double()),
    "histc(3)": (lambda x: x.histc(3).detach(), m),
    "histc of one": (lambda x: x.histc(2).detach(), torch.tensor([3.0, 3]).double()),
    "bucketize": (lambda x, b: torch.bucketize(x, b), m, torch.tensor([-1, 0.0625, 0.5]).double()),
    "bucketize, right": (lambda x, b: torch.bucketize(x, b, right=True), m, torch.tensor([-1, 0.0625, 0.5]).double()),
    "searchsorted": (lambda s, v: torch.searchsorted(s, v), ints([1, 3, 5, 7], [2, 4, 6, 8]), ints([3, 6, 9], [3, 6, 9])),
    "searchsorted of a vector, right": (lambda s, v: torch.searchsorted(s, v, right=True), ints(1, 3, 5, 7), ints([3, 6, 9], [0, 6, 1])),
    "isin": (lambda x, y: torch.isin(x, y).int(), ints([1, 3], [2, 9]), ints(3, 2, 7)),
}
square, cube = rand(4, 4), rand(2, 3, 4)
CASES |= {
    "unbind(1)": (lambda x: x.unbind(1), cube),
    "movedim(0, -1)": (lambda x: x.movedim(0, -1), cube),
    "movedim((0, 2), (1, 0))": (lambda x: x.movedim((0, 2), (1, 0)), cube),
    "t": (lambda x: x.t(), m),
    "ravel": (lambda x: x.ravel(), cube),
    "tile(2)": (lambda x: x.tile(2), m),
    "tile(2, 1, 2)": (lambda x: x.tile(2, 1, 2), m),
    "unflatten(1, (-1, 2))": (lambda x: x.unflatten(1, (-1, 2)), m),
    "diagonal": (lambda x: x.diagonal(), m),
    "diagonal(1)": (lambda x: x.diagonal(1), m),
    "diagonal(-2)": (lambda x: x.diagonal(-2), m),
    "diagonal(-1, 2, 0)": (lambda x: x.diagonal(-1, 2, 0), cube),
    "diag_embed": (lambda x: x.diag_embed(), m),
    "diag_embed(-1, 0, 2)": (lambda x: x.diag_embed(-1, 0, 2), m),
    "diag(1) of a vector": (lambda x: x.diag(1), rand(3)),
    "diag(-1)": (lambda x: x.diag(-1), m),
    "trace": (lambda x: x[:, :3].trace(), m),
    "fliplr": (lambda x: x.fliplr(), m),
    "flipud": (lambda x: x.flipud(), m),
    "rot90": (lambda x: x.rot90(), m),
    "rot90(3, (1, 2))": (lambda x: x.rot90(3, (1, 2)), cube),
    "rot90(-2)": (lambda x: x.rot90(-2), m),
    "expand_as": (lambda x, y: x.expand_as(y), rand(3, 1), m.long()),
    "view_as": (lambda x, y: x.view_as(y), rand(12), m.long()),
    "meshgrid": (lambda x, y: torch.meshgrid(x, y, indexing='ij'), rand(2), rand(3)),
    "meshgrid, xy": (lambda x, y, z: torch.meshgrid(x, y, z, indexing='xy'), rand(2), rand(3), rand(1)),
    "hstack": (lambda x, y: torch.hstack((x, y)), m, rand(3, 1)),
    "hstack of vectors": (lambda x, y: torch.hstack((x, y)), rand(2), rand(3)),
    "index_fill(1)": (lambda x, i: x.index_fill(1, i, 9), m, ints(3, 0)),
    "mm": (lambda x, y: x.mm(y), m, rand(4, 2)),
    "mv": (lambda x, y: x.mv(y), m, rand(4)),
    "dot": (lambda x, y: x.dot(y), rand(4), rand(4)),
    "inner": (lambda x, y: x.inner(y), cube, rand(2, 4)),
    "addmm": (lambda x, a, b: x.addmm(a, b, beta=0.5, alpha=2), rand(2), m, rand(4, 2)),
    "addmv": (lambda x, a, b: x.addmv(a, b, alpha=-1), rand(3), m, rand(4)),
    "addr": (lambda x, a, b: x.addr(a, b, beta=2), m, rand(3), rand(4)),
    "addbmm": (lambda x, a, b: x.addbmm(a, b, beta=2, alpha=0.5), rand(3, 2), b1, b2),
    "kron": (lambda x, y: x.kron(y), rand(2, 3), rand(3, 2)),
    "kron of other ranks": (lambda x, y: x.kron(y), rand(3), rand(2, 2, 1)),
    "linear of vectors": (lambda x, w, b: F.linear(x, w, b), cube, rand(2, 4), rand(2)),
    "cdist": (lambda x, y: torch.cdist(x, y, compute_mode='donot_use_mm_for_euclid_dist'), cube, rand(2, 2, 4)),
    "cdist(1)": (lambda x, y: torch.cdist(x, y, 1), m, rand(2, 4)),
    "pdist": (lambda x: F.pdist(x), square),
    "pdist(3)": (lambda x: F.pdist(x, 3), square),
    "eye": (lambda x: x + torch.eye(3), rand(1)),
    "eye(2, 3)": (lambda x: x + torch.eye(2, 3), rand(1)),
    "zeros, ones, full": (lambda x: x + torch.zeros(2, 1) + torch.ones(3) + torch.full((2, 3), 2.5), rand(1)),
    "triu_indices(3, 4)": (lambda x: torch.triu_indices(3, 4), rand(1)),
    "triu_indices(4, 3, 1)": (lambda x: torch.triu_indices(4, 3, 1), rand(1)),
    "triu_indices(3, 3, -2)": (lambda x: torch.triu_indices(3, 3, -2), rand(1)),
    "tril_indices(3, 4)": (lambda x: torch.tril_indices(3, 4), rand(1)),
    "tril_indices(4, 3, -1)": (lambda x: torch.tril_indices(4, 3, -1), rand(1)),
    "tril_indices(2, 4, 2)": (lambda x: torch.tril_indices(2, 4, 2), rand(1)),
}
CASES |= {
    "max_pool2d": (lambda x: F.max_pool2d(x, 2, 1, 1), image),
    "max_pool1d, dilated": (lambda x: F.max_pool1d(x, 2, dilation=2, ceil_mode=True), line3),
    "max_pool3d": (lambda x: F.max_pool3d(x, (2, 1, 2)), volume),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, (2, 3), padding=1, count_include_pad=False), image),
    "avg_pool1d": (lambda x: F.avg_pool1d(x, 2, ceil_mode=True), line3),
    "avg_pool3d": (lambda x: F.avg_pool3d(x, 2, divisor_override=3), volume),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, (3, 2)), image),
    "adaptive_max_pool1d": (lambda x: F.adaptive_max_pool1d(x, 3), line3),
    "adaptive_avg_pool3d": (lambda x: F.adaptive_avg_pool3d(x, 2), volume),
}
CASES |= {
    "FractionalMaxPool3d": (lambda x, u: F.fractional_max_pool3d_with_indices(x, (1, 2, 2), output_size=(2, 2, 3), _random_samples=u.double() / 16)[0], rand(2, 2, 4, 5, 6), ints([[1, 11, 6], [14, 3, 9]], [[5, 8, 13], [10, 0, 15]])),
    "places of FractionalMaxPool3d": (lambda x, u: F.fractional_max_pool3d_with_indices(x, 2, output_size=(3, 2, 4), _random_samples=u.double() / 16)[1], rand(1, 2, 5, 5, 6), ints([[1, 11, 6], [14, 3, 9]])),
}

# Layers as functions, with weights that are tensors.
weights, kernel = (rand(4, 2, 2, 3), rand(4)), rand(2, 3, 3, 2)
four, theta, theta3 = rand(2, 4, 3, 3), rand(2, 2, 3) / 2, rand(1, 3, 4) / 4
places, places3 = rand(2, 3, 4, 2) / 1.6, rand(1, 2, 2, 3, 3) / 1.6
looked, images = rand(6, 3), rand(2, 2, 4, 5) / 4
sample = F.grid_sample
CASES |= {
    "conv2d": (lambda x, w, b: F.conv2d(x, w, b), image, *weights),
    "conv2d, settings": (lambda x, w: F.conv2d(x, w, None, (2, 1), (1, 2), 2, 2), rand(1, 4, 7, 6), rand(4, 2, 2, 3)),
    "conv2d, same": (lambda x, w: F.conv2d(x, w, padding="same", dilation=2), image, weights[0]),
    "conv1d": (lambda x, w, b: F.conv1d(x, w, b, stride=2, padding=1), line3, rand(3, 2, 3), rand(3)),
    "conv3d": (lambda x, w: F.conv3d(x, w), volume, rand(2, 1, 2, 2, 3)),
    "conv of one sample": (lambda x, w: F.conv1d(x, w), rand(2, 5), rand(3, 2, 3)),
    "conv_transpose2d": (lambda x, w, b: F.conv_transpose2d(x, w, b, (2, 3), 1, (1, 0), 1, (1, 2)), image, kernel, rand(3)),
    "conv_transpose1d": (lambda x, w: F.conv_transpose1d(x, w, groups=2), line3, rand(2, 1, 3)),
    "conv_transpose3d": (lambda x, w: F.conv_transpose3d(x, w), volume, rand(1, 2, 2, 1, 2)),
    "lp_pool2d(3, 2)": (lambda x: F.lp_pool2d(x.abs(), 3, 2), image), "lp_pool1d(2, 3, 1)": (lambda x: F.lp_pool1d(x, 2, 3, 1), line3),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (4,), w, b), m, rand(4), rand(4)),
    "layer_norm of two axes": (lambda x: F.layer_norm(x, (3, 4), eps=0.5), rand(2, 3, 4)),
    "rms_norm": (lambda x, w: F.rms_norm(x, (4,), w, 1e-3), m, rand(4)),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), four, rand(4), rand(4)),
    "instance_norm": (lambda x, w: F.instance_norm(x, weight=w), image, rand(2)),
    "instance_norm by statistics": (lambda x, a, b: F.instance_norm(x, a.detach(), b.detach(), use_input_stats=False), image, rand(2), rand(2).abs()),
    "batch_norm": (lambda x, a, b, w: F.batch_norm(x, a.detach(), b.detach(), w), four, rand(4), rand(4).abs(), rand(4)),
    "batch_norm in training": (lambda x, w, b: F.batch_norm(x, None, None, w, b, True, eps=0.25), four, rand(4), rand(4)),
    "local_response_norm": (lambda x: F.local_response_norm(x, 3, 0.5, 0.75, 2.0), four),
    "embedding": (lambda i, w: F.embedding(i, w), ints([5, 0, 5], [1, 2, 0]), looked),
    "embedding, padding": (lambda i, w: F.embedding(i, w, -1), ints([5, 0, 5], [1, 2, 0]), looked),
    "embedding_bag": (lambda i, w: F.embedding_bag(i, w), ints([5, 0, 5], [1, 2, 0]), looked),
    "embedding_bag, sum": (lambda i, w: F.embedding_bag(i, w, mode="sum", padding_idx=0), ints([5, 0, 5], [1, 2, 0]), looked),
    "affine_grid": (lambda t: F.affine_grid(t, (2, 1, 3, 4), align_corners=False), theta),
    "affine_grid, corners": (lambda t: F.affine_grid(t, (2, 1, 1, 4), align_corners=True), theta),
    "affine_grid of a volume": (lambda t: F.affine_grid(t, (1, 1, 2, 3, 2), align_corners=True), theta3),
    "grid_sample of a volume": (lambda x, p: sample(x, p, padding_mode="border", align_corners=True), volume, places3),
    "grid_sample of a volume, nearest": (lambda x, p: sample(x, p.detach(), "nearest", align_corners=False), volume, places3),
} | {
    f"grid_sample, {mode}, {padding}{', corners' * corners}": ((lambda mode, padding, corners: lambda x, p: sample(x, p if mode != "nearest" else p.detach(), mode, padding, corners))(mode, padding, bool(corners)), images, places)
    for mode in ("bilinear", "nearest", "bicubic") for padding in ("zeros", "border", "reflection") for corners in (0, 1)
}

CASES |= {
    "cosine_similarity, a number beside vectors": (lambda x, y: F.cosine_similarity(x, y, -2), rand(1, 2, 3), rand(2, 1, 3)),
    "cosine_similarity of other ranks": (lambda x, y: F.cosine_similarity(x, y, 1), rand(2, 3, 2), rand(3, 1)),
    "pad circular, cut": (lambda x: F.pad(x, (-1, 1, 1, -2), mode="circular"), image),
    "addmm(beta = 0)": (lambda x, a, b: x.addmm(a, b, beta=0), torch.tensor([nan, 1.0]).double(), m, rand(4, 2)),
    "addr(beta = 0)": (lambda x, a, b: x.addr(a, b, beta=0), torch.tensor([nan, inf]).double(), rand(3), rand(2)),
    "quantile of all": (lambda x: x.quantile(0.3), m),
    "logsumexp((0, -1))": (lambda x: x.logsumexp((0, -1)), cube),
    "logsumexp((1, 2), keepdim)": (lambda x: x.logsumexp((1, 2), True), cube),
    "hypot of infinity": (lambda x, y: x.hypot(y).detach(), torch.tensor([nan, inf, -inf, nan]).double(), torch.tensor([-inf, nan, 2, 3]).double()),
}


gammas = torch.tensor([1e-30, 1e-6, 0.01, 0.25, 0.5, 0.75, 0.99, 1, 1.0001, 1.25, 1.4616321, 1.5, 1.75, 2, 2.01, 2.4, 2.5, 3.3, 4, 5.7, 7.99, 8, 9.5, 30, 1000.5, 1e6, 1e20, 1e30,
                       -1e-6, -0.01, -0.25, -0.5, -0.9, -1.25, -1.5, -2.3, -2.75, -5.125, -10.5, -100.25, -1000.75]).float().double()
poles = torch.tensor([0.0, -1, -2, -1e9, inf, -inf, nan]).double()
errors = torch.tensor([-inf, -30, -5, -2, -1, -0.5, -1e-20, 0.0, 1e-20, 0.25, 0.49, 0.5, 0.51, 1, 2, 3, 4, 5.5, 7, 8.5, 9.1, 12, 1e30, inf]).float().double()
chances = torch.tensor([-0.9990234375, -0.9, -0.5, -1e-20, 0.0, 1e-10, 0.25, 0.75, 0.9, 0.9966, 0.99663]).float().double()
halves, places, spread = rand(3, 5), ints([0, 2, 0, 1, 2], [1, 1, 1, 0, 2]), rand(2, 5)
equal = torch.tensor([[1.0, 2, 1, 3, 3], [3, 1, 1, 3, 3]]).double()
level = torch.tensor([[3.0, 0, 3, 1, 3], [1, 1, 1, 3, 1], [0, 5, 1, 3, 3]]).double()
gaps = torch.tensor([[1.0, nan, 2, 5], [nan, nan, nan, nan], [4, -3, nan, 7.5]]).double()
gqa = rand(2, 4, 3, 5) / 8, rand(2, 2, 6, 5) / 8, rand(2, 2, 6, 3) / 4
often = ints(1, 3, 0, 2)
reduced = lambda kind, **settings: lambda x, i, s: x.scatter_reduce(1, i, s, kind, **settings)
CASES |= {
    "lgamma": (lambda x: x.lgamma(), gammas), "lgamma at poles": (lambda x: x.lgamma().detach(), poles),
    "lgamma, gradient at poles": (lambda x: x.lgamma(), poles[:5]),
    "digamma": (lambda x: x.digamma(), gammas[1:]), "digamma at poles": (lambda x: x.digamma().detach(), poles),
    "polygamma(1)": (lambda x: x.polygamma(1), gammas[2:32]), "polygamma(3)": (lambda x: x.polygamma(3), gammas[2:31]),
    "polygamma(2) at poles": (lambda x: x.polygamma(2).detach(), poles[:4]),
    "mvlgamma(3)": (lambda x: x.mvlgamma(3), torch.tensor([1.25, 2.5, 7, 100]).double()),
    "erfc": (lambda x: x.erfc(), errors), "ndtr": (lambda x: torch.special.ndtr(x), errors),
    "erfinv": (lambda x: x.erfinv(), chances), "erfinv of edges": (lambda x: x.erfinv().detach(), torch.tensor([-1.0, 1, -2, 2, nan, inf]).double()),
    "erfinv, gradient at the ends": (lambda x: x.erfinv(), torch.tensor([-1.0, 1]).double()),
    "entr": (lambda x: torch.special.entr(x), torch.tensor([0.0, 1e-30, 0.25, 1, 3, inf, -1]).float().double()),
    "entr of edges": (lambda x: torch.special.entr(x).detach(), torch.tensor([-1e-20, -1, -inf, nan]).float().double()),
    "xlog1py": (lambda x, y: torch.special.xlog1py(x, y), torch.tensor([0.0, 2, -1.5, 0]).double(), torch.tensor([0.25, -0.5, 3, 1e-10]).double()),
    "xlog1py of edges": (lambda x, y: torch.special.xlog1py(x, y).detach(), torch.tensor([0.0, 0, 0, 1, 1, 0, 2]).double(), torch.tensor([-1, -2, nan, -1, -2, inf, inf]).double()),
    "heaviside": (lambda x, y: torch.heaviside(x.detach(), y.detach()), edges, torch.arange(8).double()),
    "heaviside of i32": (lambda x, y: torch.heaviside(x, y), ints(-3, 0, 5), ints(7, 8, 9)),
    "ldexp": (lambda x, i: x.ldexp(i), more, ints(-3, 0, 5, 1)),
    "clamp by tensors": (lambda x, a, b: x.clamp(a, b), torch.tensor([1.0, 2, 3, 0, 5]).double(), torch.tensor([1.0, 1, 4, 2, 6]).double(), torch.tensor([3.0, 2, 3, 1, 7]).double()),
    "cov": (lambda x: x.cov(), halves), "cov(correction = 0) of one": (lambda x: x.cov(correction=0), more),
    "cov, weights": (lambda x, i, a: x.cov(fweights=i, aweights=a), rand(2, 4), often, torch.tensor([0.5, 1, 2, 0.25]).double()),
    "cov, fweights": (lambda x, i: x.cov(fweights=i), rand(2, 4), often),
    "corrcoef": (lambda x: x.corrcoef(), rand(3, 6)), "corrcoef of one": (lambda x: x.corrcoef().detach(), more),
    "take_along_dim(1)": (lambda x, i: x.take_along_dim(i, 1), halves, ints([4, -5])), "take_along_dim": (lambda x, i: x.take_along_dim(i), halves, ints([4, 14], [0, 4])),
    "tensordot": (lambda a, b: torch.tensordot(a, b), rand(2, 3, 4), rand(3, 4, 2)), "tensordot(0)": (lambda a, b: torch.tensordot(a, b, 0), rand(2), rand(3)),
    "tensordot([0, 2], [2, 1])": (lambda a, b: torch.tensordot(a, b, ([0, 2], [2, 1])), rand(2, 3, 4), rand(5, 4, 2)),
    "vecdot": (lambda a, b: torch.linalg.vecdot(a, b), rand(2, 3), rand(3)), "vecdot(0)": (lambda a, b: torch.linalg.vecdot(a, b, dim=0), rand(2, 3), rand(2, 3)),
    "vstack": (lambda a, b: torch.vstack((a, b)), rand(3), rand(2, 3)), "dstack": (lambda a, b: torch.dstack((a, b)), rand(3), rand(1, 3, 2)),
    "column_stack": (lambda a, b: torch.column_stack((a, b)), rand(3), rand(3, 2)),
    "nanmedian(1)": (lambda x: torch.nanmedian(x, 1), gaps[::2]), "nanmedian": (lambda x: x.nanmedian().detach(), gaps),
    "scatter_reduce sum": (reduced("sum"), halves, places, spread), "scatter_reduce sum, without": (reduced("sum", include_self=False), halves, places, spread),
    "scatter_reduce prod": (reduced("prod"), halves, places, spread), "scatter_reduce prod, without": (reduced("prod", include_self=False), halves, places, spread),
    "scatter_reduce mean": (reduced("mean"), halves, places, spread), "scatter_reduce mean, without": (reduced("mean", include_self=False), halves, places, spread),
    "scatter_reduce amax": (reduced("amax"), level, places, equal), "scatter_reduce amax, without": (reduced("amax", include_self=False), level + 0.25, places, equal),
    "scatter_reduce amin": (reduced("amin"), level, places, equal), "scatter_reduce amin, without": (reduced("amin", include_self=False), level + 0.25, places, equal),
    "index_copy(1)": (lambda x, i, s: x.index_copy(1, i, s), halves, ints(3, 0), rand(3, 2)), "index_copy(0)": (lambda x, i, s: x.index_copy(0, i, s), halves, ints(2), rand(1, 5)),
    "trapezoid": (lambda y: torch.trapezoid(y), halves), "trapezoid(dx = 0.5, dim = 0)": (lambda y: torch.trapezoid(y, dx=0.5, dim=0), halves),
    "trapezoid over": (lambda y, x: torch.trapezoid(y, x), halves, rand(5)), "trapezoid over(0)": (lambda y, x: torch.trapezoid(y, x, dim=0), halves, rand(3)),
    "cumulative_trapezoid": (lambda y: torch.cumulative_trapezoid(y), halves), "cumulative_trapezoid over": (lambda y, x: torch.cumulative_trapezoid(y, x), halves, rand(3, 5)),
    "attention, gqa": (lambda q, k, v: attend(q, k, v, enable_gqa=True), *gqa), "attention, gqa, causal": (lambda q, k, v: attend(q, k, v, is_causal=True, enable_gqa=True), *gqa),
    "attention, gqa, mask": (lambda q, k, v, a: attend(q, k, v, attn_mask=a, enable_gqa=True), *gqa, rand(2, 4, 3, 6)),
    "attention, gqa, mask of one head": (lambda q, k, v, a: attend(q, k, v, attn_mask=a, enable_gqa=True), *gqa, rand(2, 1, 3, 6)),
    "quantile of several": (lambda x: x.quantile(torch.tensor([0.25, 0.7, 1.0]).double(), 1), halves), "quantile, keepdim": (lambda x: x.quantile(0.3, keepdim=True), halves),
    "quantile, lower": (lambda x: x.quantile(0.3, 1, interpolation="lower"), halves), "quantile, higher": (lambda x: x.quantile(0.3, 1, interpolation="higher"), halves),
    "quantile, nearest": (lambda x: x.quantile(0.4, 0, interpolation="nearest"), halves), "quantile, midpoint": (lambda x: x.quantile(0.4, 1, interpolation="midpoint"), rand(2, 4)),
    "quantile by a tensor": (lambda x, q: x.quantile(q, 1, True), halves, torch.tensor([0.125, 0.5]).double()),
    "nanquantile": (lambda x: torch.nanquantile(x, 0.3, 1).detach(), gaps), "nanquantile of several": (lambda x: torch.nanquantile(x, torch.tensor([0.25, 0.5]).double(), 0), gaps[::2, [0, 1, 3]]),
    "diff, prepend, append": (lambda x, a, b: x.diff(prepend=a, append=b), halves, rand(3, 1), rand(3, 2)), "diff, prepend of a number": (lambda x, a: x.diff(1, 0, prepend=a.expand(1, 5)), halves, torch.tensor(0.5).double()),
    "embedding_bag, weights": (lambda i, w, s: F.embedding_bag(i, w, mode="sum", per_sample_weights=s, padding_idx=1), ints([0, 2, 1], [3, 3, 0]), rand(4, 2), rand(2, 3)),
    "cosine_similarity(0)": (lambda a, b: F.cosine_similarity(a, b, dim=0), rand(4, 3), rand(4, 1)),
    "searchsorted, side, sorter": (lambda x, v, i: torch.searchsorted(x.detach(), v.detach(), side="right", sorter=i), torch.tensor([3.0, 1, 2, 2]).double(), torch.tensor([2.0, 0, 5]).double(), ints(1, 2, 3, 0)),
    "roll of all": (lambda x: x.roll(2), m), "repeat_interleave of all": (lambda x: x.repeat_interleave(2), m),
    "max_pool2d of one": (lambda x: F.max_pool2d(x, 2), rand(2, 4, 4)), "avg_pool1d of one": (lambda x: F.avg_pool1d(x, 2), rand(2, 4)),
    "adaptive_avg_pool2d of one": (lambda x: F.adaptive_avg_pool2d(x, 3), rand(2, 4, 4)),
    "max_pool2d_with_indices of one": (lambda x: F.max_pool2d_with_indices(x, 2), rand(2, 4, 4)),
    "gaussian_nll, repeated": (lambda x, t, v: F.gaussian_nll_loss(x, t, v.abs()), rand(4, 3), rand(4, 1), rand(4, 3)),
}
CASES |= {
    "take": (lambda x, i: x.take(i), halves, ints([4, -1], [0, 7])), "index_reduce amax": (lambda x, i, s: x.index_reduce(1, i, s, "amax"), halves, ints(3, 0, 3), rand(3, 3) + 0.03125),
    "index_reduce mean, without": (lambda x, i, s: x.index_reduce(0, i, s, "mean", include_self=False), halves, ints(2, 2), rand(2, 5)),
    "scatter(multiply)": (lambda x, i, s: x.scatter(1, i, s.detach(), reduce="multiply").detach(), halves, places, spread), "scatter(add) of a number": (lambda x, i: x.scatter(1, i, 0.5, reduce="add").detach(), halves, places),
    "select_scatter": (lambda x, s: x.select_scatter(s, 1, -2), halves, rand(3)), "slice_scatter": (lambda x, s: x.slice_scatter(s, 1, 1, 5, 2), halves, rand(3, 2)),
    "slice_scatter of rows": (lambda x, s: x.slice_scatter(s, start=1), halves, rand(2, 5)), "tensor_split(3, 1)": (lambda x: x.tensor_split(3, 1), halves),
    "atleast": (lambda x: (torch.atleast_1d(x), torch.atleast_2d(x), torch.atleast_3d(x)), rand(3)), "atleast of a number": (lambda x: (torch.atleast_1d(x), torch.atleast_3d(x)), torch.tensor(0.5).double()),
    "allclose": (lambda x, y: torch.tensor(int(torch.allclose(x, y, atol=0.25))), torch.tensor([1.0, 2]).double(), torch.tensor([1.0, 2.25]).double()),
}
whole_numbers, whole_others = ints([3, -2, 7], [0, 5, -1]), ints([4, 4, -6], [1, 2, 3])
CASES |= {
    "prod of i32": (lambda x: x.prod(), ints(3, -2, 7, 5, 1)), "prod(1) of i32": (lambda x: x.prod(1, True), whole_numbers),
    "scatter of i32": (lambda x, i, s: x.scatter(1, i, s), whole_numbers, ints([2, 0], [1, 1]), ints([8, 9], [7, 7])),
    "scatter_add of i32": (lambda x, i, s: x.scatter_add(1, i, s), whole_numbers, ints([2, 0, 2], [1, 1, 1]), whole_others),
    "index_add of i32": (lambda x, i, s: x.index_add(0, i, s), whole_numbers, ints(1, 1, 0), ints([1, 2, 3], [4, 5, 6], [7, 8, 9])),
    "index_copy of i32": (lambda x, i, s: x.index_copy(1, i, s), whole_numbers, ints(2, 0), ints([1, 2], [4, 5])),
    "scatter_reduce amax of i32": (reduced("amax", include_self=False), whole_numbers, ints([2, 0, 2], [1, 1, 1]), whole_others),
    "scatter_reduce mean of i32": (reduced("mean"), whole_numbers, ints([2, 0, 2], [1, 1, 1]), whole_others),
    "isclose of i32": (lambda x, y: x.isclose(y, rtol=0.5).int(), whole_numbers, whole_others),
    "logical_and of i32": (lambda x, y: x.logical_and(y).int(), whole_numbers, ints([0, 1, 2], [3, 0, 1])),
    "logical_or of numbers": (lambda x, y: x.detach().logical_or(y.detach()).int(), torch.tensor([0.0, 0, nan, 1]).double(), torch.tensor([0.0, 2, 0, 0]).double()),
    "logical_not of i32": (lambda x: x.logical_not().int(), whole_numbers),
}
large = ints(16777217, 16777218, -2147483648, 2147483647, 5), ints(16777216, 16777216, 2147483647, 2147483646, 5)
with_none = torch.tensor([1.0, 3, 5]).double(), torch.tensor([nan, 3, 5, 0]).double()
CASES |= {
    "searchsorted of a number": (lambda s, v: torch.searchsorted(s, v), ints(1, 3, 5, 7), torch.tensor(4)),
    "searchsorted of nan": (lambda s, v: torch.searchsorted(s.detach(), v.detach()), *with_none),
    "bucketize of nan": (lambda v, s: torch.bucketize(v.detach(), s.detach()), *with_none[::-1]),
    "bucketize of nan, right": (lambda v, s: torch.bucketize(v.detach(), s.detach(), right=True), *with_none[::-1]),
    "ldexp by large ones": (lambda x, i, s: (x.detach().ldexp(i) * s.detach()).detach(), torch.tensor([0, 0.25, 1e-30, 1e30, 2e-38, 1]).float().double(), ints(200, 128, 130, -150, 240, -100),
                            torch.tensor([1, 1e-37, 1e-9, 1e15, 1e-34, 1e30]).float().double()),
    "digamma(-0)": (lambda x: x.detach().digamma(), torch.tensor([-0.0, 0]).double()),
    "polygamma(12), 1e28 times": (lambda x: x.detach().polygamma(12) * 1e28, torch.tensor([1000.0, 900]).double()),
    "polygamma(20), 1e18 times": (lambda x: x.detach().polygamma(20) * 1e18, torch.tensor([60.0, 70]).double()),
    "clamp by equal ones": (lambda x, a, b: x.clamp(a, b), torch.tensor([2.0, 1, 3, nan]).double(), torch.tensor([2.0, 2, 2, 2]).double(), torch.tensor([2.0, 2, 2, 2]).double()),
    "scatter_reduce amax of infinity": (reduced("amax"), torch.tensor([[1.0, inf, 2]]).double(), ints([0, 1, 1]), torch.tensor([[inf, inf, 4]]).double()),
    "scatter_reduce amin of infinity": (reduced("amin"), torch.tensor([[1.0, 3, inf]]).double(), ints([0, 0, 2]), torch.tensor([[-inf, -inf, inf]]).double()),
    "isclose of large i32": (lambda x, y: x.isclose(y, rtol=0, atol=0).int(), *large), "isclose by one of i32": (lambda x, y: x.isclose(y, rtol=0, atol=1).int(), *large),
}
repeated = torch.tensor([[3.0, 1, 2, 1, 3], [5, 5, 4, 4, 4], [1, 2, 3, 4, 5], [2, 2, 1, 1, 0]]).double()
CASES |= {
    "block_diag": (lambda a, b, c: torch.block_diag(a, b, c), rand(2, 3), rand(2), torch.tensor(0.5).double()), "block_diag of i32": (lambda a, b: torch.block_diag(a, b), ints([1, 2], [3, 4]), ints([5], [6])),
    "cartesian_prod": (lambda a, b, c: torch.cartesian_prod(a, b, c), rand(2), rand(3), rand(2)), "cartesian_prod of one": (lambda a: torch.cartesian_prod(a) * 1, rand(3)),
    "combinations": (lambda x: torch.combinations(x), rand(4)), "combinations(3)": (lambda x: torch.combinations(x, 3), rand(5)), "combinations(5)": (lambda x: torch.combinations(x, 5), rand(5)),
    "combinations(3, with_replacement)": (lambda x: torch.combinations(x, 3, True), rand(3)), "combinations(1) of i32": (lambda x: torch.combinations(x, 1), ints(4, 2)),
    "vander": (lambda x: torch.vander(x.detach()), torch.tensor([2.0, 0, -1.5]).double()), "vander(5, increasing)": (lambda x: torch.vander(x.detach(), 5, increasing=True), rand(3)), "vander(1)": (lambda x: torch.vander(x.detach(), 1), rand(3)),
    "diagflat(-1)": (lambda x: x.diagflat(-1), rand(2, 2)), "diagonal_scatter": (lambda x, s: x.diagonal_scatter(s), rand(3, 4), rand(3)),
    "diagonal_scatter(1, 0, 2)": (lambda x, s: x.diagonal_scatter(s, 1, 0, 2), rand(4, 2, 3), rand(2, 2)), "diagonal_scatter(-2, 2, 1)": (lambda x, s: x.diagonal_scatter(s, -2, 2, 1), rand(2, 3, 5), rand(2, 3)),
    "diagonal_scatter of i32": (lambda x, s: x.diagonal_scatter(s, -1), ints([1, 2, 3], [4, 5, 6]), ints(9)),
    "msort": (lambda x: x.msort(), rand(4, 3)), "mode": (lambda x: x.mode(), repeated), "mode(0, keepdim)": (lambda x: x.mode(0, True), repeated), "mode of i32": (lambda x: x.mode(), ints([7, -1, 7, -1, 0], [1, 2, 3, 2, 1])), "mode of one": (lambda x: x.mode(1), rand(3, 1)),
    "unfold(1, 3, 2)": (lambda x: x.unfold(1, 3, 2), rand(2, 8, 3)), "unfold(0, 2, 3)": (lambda x: x.unfold(0, 2, 3), rand(7, 2)), "unfold(-1, 5, 1)": (lambda x: x.unfold(-1, 5, 1), rand(2, 6)), "unfold(0, 7, 3)": (lambda x: x.unfold(0, 7, 3), rand(14)), "unfold(0, 4, 9) of i32": (lambda x: x.unfold(0, 4, 9), ints(1, 2, 3, 4, 5)),
    "unravel_index": (lambda i: torch.unravel_index(i, (3, 4, 5)), ints([0, 59, 21], [7, 33, 58])), "unravel_index of a vector": (lambda i: torch.unravel_index(i, (9,)), ints(3, 8)),
    "bincount": (lambda i: torch.bincount(i, minlength=6).int(), ints(3, 0, 3, 5, 1, 3)), "bincount of weights": (lambda i, w: torch.bincount(i, w, minlength=5).detach(), ints(3, 0, 3, 4, 1), rand(5)),
    "index_put": (lambda x, i, j, v: x.index_put((i, j), v), rand(3, 4), ints(0, 2, -1), ints(1, -4, 3), rand(3)),
    "index_put of rows, accumulate": (lambda x, i, v: x.index_put((i,), v, accumulate=True), rand(3, 4), ints([0, 2], [0, -3]), rand(2, 1, 4)),
    "index_put of grids, accumulate": (lambda x, i, j, v: x.index_put((i, j), v, accumulate=True), rand(3, 4, 2), ints([0], [2]), ints(1, 1, 3), torch.tensor(0.75).double()),
    "index_put of i32": (lambda x, i, j, v: x.index_put((i, j), v), ints([1, 2], [3, 4]), ints(0, 1), ints(1, 0), ints(7, 8)),
    "slice_scatter(0, -4, -1, 2)": (lambda x, s: x.slice_scatter(s, 0, -4, -1, 2), rand(6, 2), rand(2, 2)), "slice_scatter(1, 2, 4, 5) of i32": (lambda x, s: x.slice_scatter(s, 1, 2, 4, 5), ints([1, 2, 3, 4], [5, 6, 7, 8]), ints([-1], [-2])),
}
bends, borders = torch.tensor([-20.0, -9, -7.5, -3, -0.5, 0.0, 0.25, 2, 6, 8, 15]).double(), torch.tensor([-inf, -200, 200, -0.0, nan]).double()
CASES |= {name: (getattr(torch.special, name), bends) for name in ("i0e", "i1e", "log_ndtr")}
CASES |= {name: (getattr(torch.special, name), bends[3:-3]) for name in ("i0", "i1", "erfcx")}
CASES |= {f"{name} of edges": ((lambda f: lambda x: f(x.detach()))(getattr(torch.special, name)), borders) for name in ("i0e", "i1e", "log_ndtr", "erfcx")}
bagged, starts, list_weights = ints(3, 0, 2, 2, 4, 1), ints(0, 2, 2, 5, 6), rand(6)
bags = lambda **options: lambda i, w, o, *s: F.embedding_bag(i, w, o, per_sample_weights=s[0] if s else None, **options)
CASES |= {
    "embedding_bag by offsets": (bags(), bagged, rand(5, 3), starts), "embedding_bag by offsets, sum": (bags(mode="sum", padding_idx=2), bagged, rand(5, 3), starts),
    "embedding_bag by offsets, max": (bags(mode="max"), bagged, rand(5, 3), starts), "embedding_bag by offsets, mean, padding": (bags(padding_idx=-3), bagged, rand(5, 3), starts),
    "embedding_bag by offsets, last": (bags(mode="sum", include_last_offset=True), bagged, rand(5, 3), starts, list_weights), "embedding_bag by one offset": (bags(mode="sum"), bagged, rand(5, 3), ints(0)),
    "matmul of i32": (lambda a, b: a.matmul(b), ints([1, -2, 3], [4, 5, 100003]), ints([7, 8], [9, 10], [11, 20000])), "matmul of i32 vectors": (lambda a, b: a.matmul(b), ints(1, 2, 3), ints(-4, 5, 6)),
    "matmul of i32, batches": (lambda a, b: a.matmul(b), ints([[1, 2]], [[3, 4]]), ints([[5], [6]], [[7], [8]])), "matmul of i32 by a vector": (lambda a, b: a.matmul(b), ints([[1, 2]], [[3, 4]]), ints(5, -6)),
    "einsum of i32": (lambda a, b: torch.einsum("ij,kj->ik", a, b), ints([1, 2], [3, 4]), ints([5, 6], [7, 8], [9, 10])), "inner of i32": (lambda a, b: a.inner(b), ints([1, 2], [3, 4]), ints([5, 6])),
}


def line(name, tensor):
    kind = "f32" if tensor.is_floating_point() else "i32"
    number = lambda x: "NaN" if math.isnan(x) else f"{float(torch.tensor(x, dtype=torch.float64).float()):.9g}" if kind == "f32" else str(x)
    print(f"{name}: {kind} {list(tensor.shape)}:", " ".join(number(x) for x in tensor.detach().flatten().tolist()))


print("# Made by functions.py with torch", torch.__version__.split("+")[0], "on a CPU; see there.")
for name, (f, *inputs) in CASES.items():
    print(f"\n@ {name}")
    inputs = [x.clone().requires_grad_() if x.is_floating_point() else x for x in inputs]
    results = f(*inputs)
    results = [results] if isinstance(results, torch.Tensor) else list(results)
    for x in inputs:
        line("input", x)
    for r in results:
        line("output", r)
    real = [x for x in inputs if x.is_floating_point()]
    smooth = [r for r in results if r.requires_grad]
    if smooth:
        up = lambda r: torch.tensor([UPSTREAM[i % 5] for i in range(r.numel())]).to(r).reshape(r.shape)
        total = sum((torch.where(r.isfinite(), r, 0) * up(r)).sum() if r.isfinite().all() else r.flatten() @ up(r).flatten() for r in smooth)
        for x, g in zip(real, torch.autograd.grad(total, real, allow_unused=True)):
            line("gradient", torch.zeros_like(x) if g is None else g)
