"""Makes edges.txt: what PyTorch gives at the edges of every function. `python3 edges.py > edges.txt`, with torch 2.15 (CPU).

Each function is evaluated on f32 numbers, in f32 and in f64. A cell is the f64 result as f32, and behind a `~` the f32 one
where it differs by more than 2e-6 of it: by so much PyTorch itself is off, or an intermediate result overflows there.
`2.5*3` stands for `2.5 2.5 2.5`. `gradient` is that for an upstream of ones (or UPSTREAM), `muted` that for zeros.
Operands are lengthened to whole vectors, as PyTorch has other code for what is left, with other results for NaN.
"""
import itertools
import math
import pathlib
import re
import warnings

import torch
import torch.nn.functional as F

warnings.filterwarnings("ignore")
inf, nan, MAX = math.inf, math.nan, torch.finfo(torch.float32).max

SIZES = [1e-40, 2e-38, 1e-20, 1e-8, 1e-4, 0.5, 1, 2, 2.9999998, 3, 3.0000002, 5, 5.9999995, 6, 6.0000005, 9, 10, 15, 16, 17,
         17.5, 20, 20.000002, 25, 50, 88, 89, 100, 104, 200, 1000, 1e5, 2e7, 1e10, 1e20, 1e30, MAX, inf]
UNARY = [nan] + [-x for x in reversed(SIZES)] + [-0.0, 0.0] + SIZES
FEW = [-inf, -1e30, -2.0, -1.0, -0.5, -0.0, 0.0, 1e-20, 0.5, 1.0, 2.0, 3.0, 1e30, inf, nan]
PAIRS = [(a, b) for a in FEW for b in FEW]
LOGITS = [(x, t) for t in (0.0, 0.25, 1.0) for x in UNARY]
ROWS = [(0, 0, 0, 0), (-0.0, -0.0, -0.0, -0.0), (2, 2, 2, 2), (1e-20, 1e-20, 1e-20, 1e-20), (1e20, 1e20, 1e20, 1e20),
        (-inf, -inf, -inf, -inf), (inf, inf, inf, inf), (1, 2, 3, 4), (0, 1, 0, 2), (0, 0, 3, 4), (3, 3, 1, 3), (1, -1, 1, -1),
        (-inf, 0, 1, 2), (-inf, -inf, -inf, 0), (inf, 0, 1, 2), (inf, inf, 0, 1), (-inf, inf, 0, 1), (nan, 0, 1, 2), (0, nan, 1, 2),
        (nan, nan, nan, nan), (1e4, 1, 1, 1), (-200, 0, 200, 1), (-1e30, 1e30, 0, 0), (1e-30, 0, 0, 0), (20, 0, 0, 0), (100, 0, 0, 0),
        (1e10, 1, 1, 1), (88, 89, 90, 91)]
BOUNDS = [nan, -inf, -1, -0.0, 0, 0.1, 0.12499999, 0.125, 0.12500001, 0.25, 0.5, 0.75, 0.75000006, 0.87499994, 0.875, 0.87500006, 1, 2, inf]
UPSTREAM = (1.0, 0.5, -1.0, 2.0)


def norm(p):
    return lambda x: torch.linalg.vector_norm(x, p, dim=-1)


def bce(pos_weight=None):
    weight = lambda x: None if pos_weight is None else torch.tensor(pos_weight, dtype=x.dtype)
    return lambda x, t: F.binary_cross_entropy_with_logits(x, t, pos_weight=weight(x), reduction="none")


def cross_entropy(**settings):
    def losses(x):
        weight = settings.get("weight")
        weight = None if weight is None else torch.tensor(weight, dtype=x.dtype)
        classes = [torch.full((x.shape[0],), c) for c in range(4)]
        smoothing = settings.get("label_smoothing", 0.0)
        one = lambda t: F.cross_entropy(x, t, weight=weight, label_smoothing=smoothing, reduction="none")
        return torch.stack([one(t) for t in classes], dim=1)
    return losses


def each_class(f, weight=None, **settings):
    def losses(x, weight=weight):
        weight = None if weight is None else torch.tensor(weight, dtype=x.dtype)
        return torch.stack([f(x, torch.full((x.shape[0],), c), weight=weight, reduction="none", **settings) for c in range(4)], dim=1)
    return losses


def lists(*labels):
    return lambda x: torch.stack([F.multilabel_margin_loss(x, torch.tensor([l]).expand(x.shape[0], 4), reduction="none") for l in labels], dim=1)


def soft_lists(x):
    targets = ([1.0, 0, 0, 0], [1.0, 1, 0, 1], [0.0, 0, 0, 0], [0.5, 0, 1, 0.25])
    one = lambda t: F.multilabel_soft_margin_loss(x, torch.tensor(t, dtype=x.dtype).expand_as(x), reduction="none")
    return torch.stack([one(t) for t in targets], dim=1)


def cosine_embedding(target, margin=0.0):
    return lambda x: F.cosine_embedding_loss(x, torch.tensor(UPSTREAM, dtype=x.dtype).expand_as(x), torch.full((x.shape[0],), target, dtype=x.dtype),
                                             margin=margin, reduction="none")


def triplet_margin(**settings):
    other = lambda x, *t: torch.tensor(t, dtype=x.dtype).expand_as(x)
    return lambda x: F.triplet_margin_loss(x, other(x, 1, 2, 3, 4), other(x, 0, 1, 0, 2), reduction="none", **settings)


def operations():
    """The operations of one f32, which have PyTorch's names: those of `UnaryOp`."""
    text = (pathlib.Path(__file__).parents[2] / "graph/src/op/functions.rs").read_text()
    names = re.search(r"names! \{ UnaryOp \{(.*?)\} \}", text, re.DOTALL).group(1)
    return [name for name in re.findall(r'"(\w+)"', names) if name != "not"]


ONE = {name: getattr(torch, name) for name in operations()} | {
    "square": torch.square,
    "relu": F.relu, "relu6": F.relu6, "hardtanh": F.hardtanh, "hardtanh(-2, 3)": lambda x: F.hardtanh(x, -2, 3), "hardswish": F.hardswish,
    "clamp(-1, 2)": lambda x: x.clamp(-1, 2), "clamp(2, -1)": lambda x: x.clamp(2, -1), "clamp(min = 0)": lambda x: x.clamp(min=0),
    "clamp(max = 6)": lambda x: x.clamp(max=6), "leaky_relu": F.leaky_relu, "leaky_relu(-0.5)": lambda x: F.leaky_relu(x, -0.5),
    "elu": F.elu, "elu(0.5)": lambda x: F.elu(x, 0.5), "elu(-1)": lambda x: F.elu(x, -1.0), "selu": F.selu, "silu": F.silu, "mish": F.mish,
    "gelu": F.gelu, "gelu(tanh)": lambda x: F.gelu(x, approximate="tanh"), "softplus": F.softplus,
    "softplus(2, 5)": lambda x: F.softplus(x, 2, 5), "pow(0)": lambda x: x.pow(0), "pow(1)": lambda x: x.pow(1), "pow(2)": lambda x: x.pow(2),
    "pow(3)": lambda x: x.pow(3), "pow(0.5)": lambda x: x.pow(0.5), "pow(-1)": lambda x: x.pow(-1),
} | {name: getattr(torch, name) for name in ("ceil", "trunc", "frac", "tan", "atan", "exp2", "log2", "log10", "nan_to_num")}
TWO = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "pow": torch.pow, "maximum": torch.maximum,
    "minimum": torch.minimum, "atan2": torch.atan2, "mse": lambda x, t: F.mse_loss(x, t, reduction="none"), "l1": lambda x, t: F.l1_loss(x, t, reduction="none"),
}
ONE |= {
    "celu": F.celu, "celu(2)": lambda x: F.celu(x, 2.0), "celu(-1)": lambda x: F.celu(x, -1.0), "hardshrink": F.hardshrink,
    "hardshrink(2)": lambda x: F.hardshrink(x, 2.0), "hardsigmoid": F.hardsigmoid, "logsigmoid": F.logsigmoid, "softshrink": F.softshrink,
    "softshrink(2)": lambda x: F.softshrink(x, 2.0), "softsign": F.softsign, "tanhshrink": F.tanhshrink,
    "threshold(1, 20)": lambda x: F.threshold(x, 1.0, 20.0), "rrelu": F.rrelu, "rrelu(0.5, 1)": lambda x: F.rrelu(x, 0.5, 1.0),
}
ONE |= {"logit": torch.logit, "logit(eps = 0.125)": lambda x: x.logit(0.125), "sinc": torch.sinc}
TWO |= {name: getattr(torch, name) for name in ("copysign", "fmax", "fmin", "fmod", "hypot", "logaddexp", "logaddexp2", "remainder", "xlogy")}
LOSSES = {
    "huber": F.huber_loss, "huber(delta = 2)": lambda x, t, **k: F.huber_loss(x, t, delta=2.0, **k),
    "smooth_l1": F.smooth_l1_loss, "smooth_l1(beta = 0.5)": lambda x, t, **k: F.smooth_l1_loss(x, t, beta=0.5, **k),
    "smooth_l1(beta = 0)": lambda x, t, **k: F.smooth_l1_loss(x, t, beta=0.0, **k),
    "kl_div": F.kl_div, "kl_div(log_target)": lambda x, t, **k: F.kl_div(x, t, log_target=True, **k),
    "poisson_nll": F.poisson_nll_loss, "poisson_nll(full)": lambda x, t, **k: F.poisson_nll_loss(x, t, full=True, **k),
    "poisson_nll(log_input = false)": lambda x, t, **k: F.poisson_nll_loss(x, t, log_input=False, **k),
    "hinge_embedding": F.hinge_embedding_loss,
    "margin_ranking(target = 1)": lambda x, y, **k: F.margin_ranking_loss(x, y, torch.ones_like(x), **k),
    "margin_ranking(target = -1, margin = 1)": lambda x, y, **k: F.margin_ranking_loss(x, y, -torch.ones_like(x), margin=1.0, **k),
    "gaussian_nll(target = 1)": lambda x, v, **k: F.gaussian_nll_loss(x, torch.ones_like(x), v.abs(), **k),
}
ONE |= {f"soft_margin(target = {t})": (lambda t: lambda x: F.soft_margin_loss(x, torch.full_like(x, t), reduction="none"))(t) for t in (-1, 1)}
TWO |= {name: (lambda f: lambda x, t: f(x, t, reduction="none"))(f) for name, f in LOSSES.items()}
PROBABLE = [(x, t) for t in (0.0, 0.25, 1.0) for x in
            (0.0, 1e-40, 1e-30, 1e-13, 9e-13, 2e-12, 1e-8, 1e-4, 0.25, 0.5, 0.75, 0.9999, 0.9999999, 0.99999994, 1.0)]
PROBABLES = {"bce": lambda x, t: F.binary_cross_entropy(x, t, reduction="none"),
             "bce(weight = 3)": lambda x, t: F.binary_cross_entropy(x, t, weight=torch.tensor(3.0, dtype=x.dtype), reduction="none")}
LOGISTIC = {"bce_with_logits": bce(), "bce_with_logits(pos_weight = 3)": bce(3.0)}
ALONG = {
    "sum": lambda x: x.sum(-1), "mean": lambda x: x.mean(-1), "prod": lambda x: x.prod(-1), "amax": lambda x: x.amax(-1),
    "amin": lambda x: x.amin(-1), "max": lambda x: x.max(-1).values, "min": lambda x: x.min(-1).values, "var": lambda x: x.var(-1),
    "var(0)": lambda x: x.var(-1, correction=0), "std": lambda x: x.std(-1), "std(0)": lambda x: x.std(-1, correction=0),
    "norm": norm(2), "norm(1)": norm(1), "norm(inf)": norm(inf), "norm(3)": norm(3), "logsumexp": lambda x: x.logsumexp(-1),
    "softmax": lambda x: x.softmax(-1), "log_softmax": lambda x: x.log_softmax(-1), "cumsum": lambda x: x.cumsum(-1),
    "norm(0.5)": norm(0.5), "normalize": lambda x: F.normalize(x, dim=-1), "quantile(0.3)": lambda x: x.quantile(0.3, -1),
    "quantile(1)": lambda x: x.quantile(1.0, -1), "median": lambda x: x.median(-1).values, "logcumsumexp": lambda x: x.logcumsumexp(-1),
    "softmin": lambda x: F.softmin(x, -1), "glu": lambda x: F.glu(x, -1).repeat(1, 2), "prelu": lambda x: F.prelu(x, torch.tensor(UPSTREAM, dtype=x.dtype)),
    "layer_norm": lambda x: F.layer_norm(x, (4,)), "cross_entropy": cross_entropy(),
    "nll": each_class(F.nll_loss), "multi_margin": each_class(F.multi_margin_loss),
    "multi_margin(p = 2, weight)": each_class(F.multi_margin_loss, p=2, margin=0.5, weight=[1.0, 0.0, 2.0, 3.0]),
    "multilabel_margin": lists([1, -1, 0, 2], [0, 3, -1, -1], [0, 1, 2, 3], [-1, 0, 1, 2]), "multilabel_soft_margin": soft_lists,
    "cosine_embedding(target = 1)": cosine_embedding(1), "cosine_embedding(target = -1, margin = 0.25)": cosine_embedding(-1, 0.25),
    "triplet_margin": triplet_margin(), "triplet_margin(swap)": triplet_margin(swap=True, margin=2.0),
    "triplet_margin(p = 1)": triplet_margin(p=1.0),
    "lp_pool1d(1)": lambda x: F.lp_pool1d(x.unsqueeze(1), 1.0, 2).flatten(1).repeat(1, 2),
    "cross_entropy(weight)": cross_entropy(weight=[1.0, 0.0, 2.0, 3.0]), "cross_entropy(label_smoothing = 0.1)": cross_entropy(label_smoothing=0.1),
    "cumprod": lambda x: x.cumprod(-1), "x / norm": lambda x: x / x.norm(dim=-1, keepdim=True),
    "interpolate(linear)": lambda x: F.interpolate(x.unsqueeze(1), size=6, mode="linear")[:, 0, 1:5],
    "interpolate(linear, corners)": lambda x: F.interpolate(x.unsqueeze(1), size=7, mode="linear", align_corners=True)[:, 0, 3:],
    "interpolate(linear, factor 2)": lambda x: F.interpolate(x.unsqueeze(1), scale_factor=2, mode="linear")[:, 0, :4],
    "attention": lambda x: F.scaled_dot_product_attention(torch.ones_like(x[:, :1, None]), x[:, :, None], torch.eye(4).to(x).expand(len(x), 4, 4), attn_mask=torch.zeros(1, 4).to(x))[:, 0],
}


def number(x, digits=9):
    x = float(torch.tensor(x, dtype=torch.float64).float())
    return "NaN" if math.isnan(x) else f"{x:.{digits}g}"


def cell(exact, single):
    near = exact == single or math.isnan(exact) and math.isnan(single)
    exact32 = float(torch.tensor(exact, dtype=torch.float64).float())
    near = near or exact32 == single or abs(exact - single) <= max(2e-6 * abs(exact), 1.2e-38) and math.isfinite(single)
    return number(exact, 8) if near else f"{number(exact, 8)}~{number(single, 8)}"


def show(name, count, tensors):
    exact, single = (t.detach().double()[:count].flatten().tolist() for t in tensors)
    runs = [(key, len(list(run))) for key, run in itertools.groupby(cell(e, s) for e, s in zip(exact, single))]
    print(f"{name}:", " ".join(key if length == 1 else f"{key}*{length}" for key, length in runs))


def table(kind, functions, operands, upstream=None):
    names = ["x", "y"][:len(operands)]
    for name, values in zip(names, operands):
        print(f"\n@ {kind} {name}:", " ".join(number(v) for v in values.flatten().tolist()))
    count = len(operands[0])
    whole = -count % 64
    operands = [torch.cat([o, torch.ones(whole, *o.shape[1:])]) for o in operands]
    for name, f in functions.items():
        print(f"\n{kind} {name}")
        inputs = [[o.to(t).requires_grad_() for o in operands] for t in (torch.float64, torch.float32)]
        results = [f(*x) for x in inputs]
        show("value", count, results)
        if not all(r.requires_grad for r in results):
            continue
        ones = [torch.ones_like(r) if upstream is None or r.dim() == 1 else torch.tensor(upstream).to(r).expand_as(r) for r in results]
        for what, factor in (("gradient", 1.0), ("muted", 0.0)):
            gradients = [torch.autograd.grad(r, x, g * factor, retain_graph=True, allow_unused=True, materialize_grads=True) for r, x, g in zip(results, inputs, ones)]
            for position in range(len(operands)):
                show(f"{what} {names[position]}", count, [g[position] for g in gradients])


def f32(x):
    return torch.tensor(x, dtype=torch.float32)


print("# Made by edges.py with torch", torch.__version__.split("+")[0], "on a CPU; see there.")
table("one", ONE, [f32(UNARY)])
table("bounded", {"logit(eps = 0.125)": lambda x: x.logit(0.125), "logit(eps = 0.25)": lambda x: x.logit(0.25)}, [f32(BOUNDS)])
table("two", TWO, list(f32(PAIRS).unbind(1)))
table("logistic", LOGISTIC, list(f32(LOGITS).unbind(1)))
table("probable", PROBABLES, list(f32(PROBABLE).unbind(1)))
table("along", ALONG, [f32(ROWS)], UPSTREAM)
