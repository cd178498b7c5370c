//! Values and gradients at the edges: 0 and -0, kinks, infinities, NaN, subnormal, large and tiny numbers, against what PyTorch
//! gives (`edges.txt`, made by `edges.py`), by the interpreter in both precisions and by every emitter that runs here.

use std::collections::HashMap;
use std::sync::Arc;

use kiln_graph::build::{Builder, Value};
use kiln_graph::functions;
use kiln_graph::interpret::{Real, Tensor, interpret};
use kiln_graph::layers::activation::{GeluApproximation, gelu};
use kiln_graph::layers::layer_norm::layer_norm;
use kiln_graph::losses::{
    ClassTargets, Reduction, TripletMargin, binary_cross_entropy, binary_cross_entropy_with_logits,
    class_cross_entropy, cosine_embedding_loss, gaussian_nll_loss, hinge_embedding_loss, huber_loss, kl_div_loss,
    margin_ranking_loss, mean_absolute_error, mean_squared_error, multi_margin_loss, multilabel_margin_loss,
    multilabel_soft_margin_loss, nll_loss, poisson_nll_loss, smooth_l1_loss, soft_margin_loss, triplet_margin_loss,
};
use kiln_graph::op::UnaryOp;
use kiln_graph::{DType, Graph, Shape, Type, optimize};
use kiln_jit::emit::EmitterKind;
use kiln_jit::plan::plan;
use kiln_jit::{Program, Session, States, Target};
use kiln_rt::Pool;
use ndarray::{ArrayD, IxDyn};

const TABLE: &str = include_str!("edges.txt");

/// The upstream of results that are rows: that of `edges.py`.
const UPSTREAM: [f32; 4] = [1.0, 0.5, -1.0, 2.0];

/// What rounding and a few approximated functions may cost, relative to the exact result.
const RELATIVE: f64 = 4e-6;

/// Subnormal numbers count as 0 in compiled code, and so do results that are a small multiple of one.
const TINY: f64 = 100.0 * f32::MIN_POSITIVE as f64;

/// What cancels has the rounding of what it cancels from; relative to the largest result of a row, or to 1.
const NOISE: &[(&str, f64)] = &[
    ("tanh", 2.5e-7),
    ("tanhshrink", 2.5e-7),
    ("softmin", 1e-7),
    ("layer_norm", 1e-7),
    ("var", 1e-6),
    ("var(0)", 1e-6),
    ("normalize", 1e-8),
    ("x / norm", 1e-8),
    ("cosine_embedding(target = 1)", 1e-9),
    ("cosine_embedding(target = -1, margin = 0.25)", 1e-9),
];

/// Where results are not PyTorch's: of which function, which results, for which operands, and why.
type Deviation = (&'static str, &'static str, fn(&[f32]) -> bool, &'static str);

const DEVIATIONS: &[Deviation] = &[
    ("poisson_nll(full)", "", |x| x[1] <= 0.0, "0 for a count that is none, where PyTorch has NaN"),
    ("kl_div", "muted y", |x| x[1] < 0.0, "NaN as the loss is, where PyTorch has 0"),
    ("kl_div", "gradient y", |x| x[1] == 0.0, "PyTorch has 0 / 0"),
    ("kl_div", "muted y", |x| x[1] == 0.0, "PyTorch has 0 / 0"),
    ("bce", "muted y", |x| x[0] == 0.0 || x[0] == 1.0, "PyTorch has 0 times an infinite logarithm"),
    ("bce(weight = 3)", "muted y", |x| x[0] == 0.0 || x[0] == 1.0, "PyTorch has 0 times an infinite logarithm"),
    ("soft_margin(target = 1)", "", |x| x[0] < -88.0, "PyTorch's e^-x overflows"),
    ("soft_margin(target = -1)", "", |x| x[0] > 88.0, "PyTorch's e^x overflows"),
    ("expm1", "gradient x", |x| x[0] < -35.0, "PyTorch adds 1 to the result, which is -1; the derivative is e^x"),
    ("bce_with_logits", "gradient x", |x| x[0] > 35.0 && x[1] == 1.0, "PyTorch loses e^-x beside 1"),
    ("bce_with_logits(pos_weight = 3)", "gradient x", |x| x[0] > 35.0 && x[1] == 1.0, "as without the weight"),
    ("pow(0.5)", "", |x| x[0] == f32::NEG_INFINITY, "PyTorch takes a square root; C's power is infinite"),
    (
        "var",
        "gradient x",
        |x| x.iter().any(|x| x.is_infinite()),
        "NaN as the variance is, where PyTorch has infinities",
    ),
    (
        "var(0)",
        "gradient x",
        |x| x.iter().any(|x| x.is_infinite()),
        "NaN as the variance is, where PyTorch has infinities",
    ),
    (
        "std",
        "",
        |x| matches!(x[0].abs(), 1e30 | 1e-30),
        "squares are f32, which overflow beyond 1e19 and vanish below 1e-23",
    ),
    (
        "std(0)",
        "",
        |x| matches!(x[0].abs(), 1e30 | 1e-30),
        "squares are f32, which overflow beyond 1e19 and vanish below 1e-23",
    ),
    ("norm", "", |x| x == [1e-20; 4], "squares that are subnormal count as 0"),
    ("norm(inf)", "", |x| x.iter().any(|x| x.is_nan()), "NaN as the norm is, where PyTorch has 0"),
    ("logsumexp", "gradient x", |x| x == [1e20; 4], "the softmax, where PyTorch's sums to 4"),
    (
        "logcumsumexp",
        "",
        |x| x.iter().any(|x| x.abs() >= 1e20),
        "PyTorch has differences of infinities, or of large numbers",
    ),
    ("x / norm", "gradient x", |x| x == [0.0; 4], "infinite, as 1 / 0; PyTorch has NaN from the norm, too"),
    ("x / norm", "", |x| x[0].abs() < 1e-19 && x[0] != 0.0, "squares that are subnormal count as 0"),
    ("cumprod", "value", |x| x[0] == -1e30, "products are f32, which overflow; PyTorch's are f64 until they are given"),
    (
        "cumprod",
        "gradient x",
        |x| x.iter().any(|x| x.is_nan() || x.abs() >= 1e30),
        "that of the products; PyTorch divides by elements, and has 0 behind a 0 whatever comes before",
    ),
    (
        "cumprod",
        "muted x",
        |x| x.iter().any(|x| x.is_nan() || x.abs() >= 1e30),
        "that of the products; PyTorch divides by elements, and has 0 behind a 0 whatever comes before",
    ),
    (
        "interpolate(linear, factor 2)",
        "value",
        |x| x.iter().any(|x| !x.is_finite()),
        "an element that has no share takes no part; PyTorch has 0 times it",
    ),
    ("norm(0.5)", "", |x| x.contains(&0.0), "0 where the element is 0, whatever the others are"),
    ("quantile(0.3)", "gradient x", tied, "which of equal elements PyTorch takes, its sort leaves open"),
    ("quantile(1)", "gradient x", tied, "which of equal elements PyTorch takes, its sort leaves open"),
    ("quantile(1)", "value", |x| x.iter().any(|x| x.is_infinite()), "the largest; PyTorch has inf - inf beside it"),
    ("copysign", "", |x| !x[0].is_finite(), "the sign, where PyTorch divides two infinities"),
    ("hypot", "", |x| x == [0.0, 0.0], "0, as the norm's is; PyTorch has 0 / 0"),
    ("sinc", "gradient x", |x| x[0].abs() == 1e-20, "-pi^2 x / 3, which PyTorch loses in a difference"),
    ("logaddexp", "", |x| x[0] == x[1] && x[0].is_infinite(), "halves; PyTorch has inf - inf"),
    ("logaddexp2", "", |x| x[0] == x[1] && x[0].is_infinite(), "halves; PyTorch has inf - inf"),
    ("xlogy", "", |x| x == [0.0, 0.0], "0, as the value; PyTorch has 0 / 0"),
    (
        "xlogy",
        "muted x",
        |x| !(x[1] > 0.0 && x[1].is_finite()),
        "a product's, where PyTorch has 0 for 0 times a logarithm",
    ),
    ("fmod", "", many_times, "what is left of more than 2^24 times the divisor is not known to f32"),
    ("remainder", "", many_times, "what is left of more than 2^24 times the divisor is not known to f32"),
];

fn tied(x: &[f32]) -> bool {
    let same = |a: &f32, b: &f32| a == b || a.is_nan() && b.is_nan();
    x.iter().enumerate().any(|(at, a)| x[..at].iter().any(|b| same(a, b)))
}

fn many_times(x: &[f32]) -> bool {
    let times = (x[0] / x[1]).abs();
    times.is_nan() || times >= 16_777_216.0
}

/// A function of the operands of its table; operations of one operand are known by their names.
type Function = for<'g> fn(&'g Builder, Value<'g>, Value<'g>) -> Value<'g>;

fn function(table: &str, name: &str) -> Option<Function> {
    let found: Function = match (table, name) {
        ("one", "square") => |_, x, _| x.square(),
        ("one", "relu") => |_, x, _| x.relu(),
        ("one", "relu6") => |_, x, _| functions::relu6(x),
        ("one", "hardtanh") => |_, x, _| functions::hardtanh(x, -1.0, 1.0),
        ("one", "hardtanh(-2, 3)") => |_, x, _| functions::hardtanh(x, -2.0, 3.0),
        ("one", "hardswish") => |_, x, _| functions::hardswish(x),
        ("one", "clamp(-1, 2)") => |_, x, _| functions::clamp(x, Some(-1.0), Some(2.0)),
        ("one", "clamp(2, -1)") => |_, x, _| functions::clamp(x, Some(2.0), Some(-1.0)),
        ("one", "clamp(min = 0)") => |_, x, _| functions::clamp(x, Some(0.0), None),
        ("one", "clamp(max = 6)") => |_, x, _| functions::clamp(x, None, Some(6.0)),
        ("one", "leaky_relu") => |_, x, _| functions::leaky_relu(x, 0.01),
        ("one", "leaky_relu(-0.5)") => |_, x, _| functions::leaky_relu(x, -0.5),
        ("one", "elu") => |_, x, _| functions::elu(x, 1.0),
        ("one", "elu(0.5)") => |_, x, _| functions::elu(x, 0.5),
        ("one", "elu(-1)") => |_, x, _| functions::elu(x, -1.0),
        ("one", "selu") => |_, x, _| functions::selu(x),
        ("one", "silu") => |_, x, _| functions::silu(x),
        ("one", "mish") => |_, x, _| functions::mish(x),
        ("one", "gelu") => |_, x, _| functions::gelu(x, "none"),
        ("one", "gelu(tanh)") => |_, x, _| gelu(x, GeluApproximation::Tanh),
        ("one", "softplus") => |_, x, _| functions::softplus(x, 1.0, 20.0),
        ("one", "softplus(2, 5)") => |_, x, _| functions::softplus(x, 2.0, 5.0),
        ("one", "celu") => |_, x, _| functions::celu(x, 1.0),
        ("one", "celu(2)") => |_, x, _| functions::celu(x, 2.0),
        ("one", "celu(-1)") => |_, x, _| functions::celu(x, -1.0),
        ("one", "hardshrink") => |_, x, _| functions::hardshrink(x, 0.5),
        ("one", "hardshrink(2)") => |_, x, _| functions::hardshrink(x, 2.0),
        ("one", "hardsigmoid") => |_, x, _| functions::hardsigmoid(x),
        ("one", "logsigmoid") => |_, x, _| functions::logsigmoid(x),
        ("one", "softshrink") => |_, x, _| functions::softshrink(x, 0.5),
        ("one", "softshrink(2)") => |_, x, _| functions::softshrink(x, 2.0),
        ("one", "softsign") => |_, x, _| functions::softsign(x),
        ("one", "tanhshrink") => |_, x, _| functions::tanhshrink(x),
        ("one", "threshold(1, 20)") => |_, x, _| functions::threshold(x, 1.0, 20.0),
        ("one", "rrelu") => |_, x, _| functions::rrelu(x, 1.0 / 8.0, 1.0 / 3.0),
        ("one", "rrelu(0.5, 1)") => |_, x, _| functions::rrelu(x, 0.5, 1.0),
        ("one", "pow(0)") => |_, x, _| x.pow(0.0),
        ("one", "pow(1)") => |_, x, _| x.pow(1.0),
        ("one", "pow(2)") => |_, x, _| x.pow(2.0),
        ("one", "pow(3)") => |_, x, _| x.pow(3.0),
        ("one", "pow(0.5)") => |_, x, _| x.pow(0.5),
        ("one", "pow(-1)") => |_, x, _| x.pow(-1.0),
        ("one", "ceil") => |_, x, _| functions::ceil(x),
        ("one", "trunc") => |_, x, _| functions::trunc(x),
        ("one", "frac") => |_, x, _| functions::frac(x),
        ("one", "tan") => |_, x, _| functions::tan(x),
        ("one", "atan") => |_, x, _| functions::atan(x),
        ("one", "exp2") => |_, x, _| functions::exp2(x),
        ("one", "log2") => |_, x, _| functions::log2(x),
        ("one", "log10") => |_, x, _| functions::log10(x),
        ("one", "nan_to_num") => |_, x, _| functions::nan_to_num(x, 0.0, None, None),
        ("one", "logit") => |_, x, _| functions::logit(x, None),
        ("one", "logit(eps = 0.125)") => |_, x, _| functions::logit(x, Some(0.125)),
        ("bounded", "logit(eps = 0.125)") => |_, x, _| functions::logit(x, Some(0.125)),
        ("bounded", "logit(eps = 0.25)") => |_, x, _| functions::logit(x, Some(0.25)),
        ("one", "sinc") => |_, x, _| functions::sinc(x),
        ("one", "soft_margin(target = -1)") => |_, x, _| soft_margin_loss(x, -functions::ones_like(x), Reduction::None),
        ("one", "soft_margin(target = 1)") => |_, x, _| soft_margin_loss(x, functions::ones_like(x), Reduction::None),
        ("two", "add") => |_, x, y| x + y,
        ("two", "sub") => |_, x, y| x - y,
        ("two", "mul") => |_, x, y| x * y,
        ("two", "div") => |_, x, y| x / y,
        ("two", "pow") => |_, x, y| x.pow(y),
        ("two", "atan2") => |_, x, y| x.atan2(y),
        ("two", "maximum") => |_, x, y| x.maximum(y),
        ("two", "minimum") => |_, x, y| x.minimum(y),
        ("two", "copysign") => |_, x, y| functions::copysign(x, y),
        ("two", "fmax") => |_, x, y| functions::fmax(x, y),
        ("two", "fmin") => |_, x, y| functions::fmin(x, y),
        ("two", "fmod") => |_, x, y| functions::fmod(x, y),
        ("two", "hypot") => |_, x, y| functions::hypot(x, y),
        ("two", "logaddexp") => |_, x, y| functions::logaddexp(x, y),
        ("two", "logaddexp2") => |_, x, y| functions::logaddexp2(x, y),
        ("two", "remainder") => |_, x, y| functions::remainder(x, y),
        ("two", "xlogy") => |_, x, y| functions::xlogy(x, y),
        ("two", "mse") => |_, x, y| mean_squared_error(x, y, Reduction::None),
        ("two", "l1") => |_, x, y| mean_absolute_error(x, y, Reduction::None),
        ("two", "huber") => |_, x, y| huber_loss(x, y, 1.0, Reduction::None),
        ("two", "huber(delta = 2)") => |_, x, y| huber_loss(x, y, 2.0, Reduction::None),
        ("two", "smooth_l1") => |_, x, y| smooth_l1_loss(x, y, 1.0, Reduction::None),
        ("two", "smooth_l1(beta = 0.5)") => |_, x, y| smooth_l1_loss(x, y, 0.5, Reduction::None),
        ("two", "smooth_l1(beta = 0)") => |_, x, y| smooth_l1_loss(x, y, 0.0, Reduction::None),
        ("two", "kl_div") => |_, x, y| kl_div_loss(x, y, false, Reduction::None),
        ("two", "kl_div(log_target)") => |_, x, y| kl_div_loss(x, y, true, Reduction::None),
        ("two", "poisson_nll") => |_, x, y| poisson_nll_loss(x, y, true, false, 1e-8, Reduction::None),
        ("two", "poisson_nll(full)") => |_, x, y| poisson_nll_loss(x, y, true, true, 1e-8, Reduction::None),
        ("two", "poisson_nll(log_input = false)") => {
            |_, x, y| poisson_nll_loss(x, y, false, false, 1e-8, Reduction::None)
        }
        ("two", "hinge_embedding") => |_, x, y| hinge_embedding_loss(x, y, 1.0, Reduction::None),
        ("two", "margin_ranking(target = 1)") => {
            |_, x, y| margin_ranking_loss(x, y, functions::ones_like(x), 0.0, Reduction::None)
        }
        ("two", "margin_ranking(target = -1, margin = 1)") => {
            |_, x, y| margin_ranking_loss(x, y, -functions::ones_like(x), 1.0, Reduction::None)
        }
        ("two", "gaussian_nll(target = 1)") => {
            |_, x, y| gaussian_nll_loss(x, functions::ones_like(x), y.abs(), false, 1e-6, Reduction::None)
        }
        ("probable", "bce") => |_, x, y| binary_cross_entropy(x, y, None, Reduction::None),
        ("probable", "bce(weight = 3)") => |g, x, y| binary_cross_entropy(x, y, Some(g.scalar(3.0)), Reduction::None),
        ("logistic", "bce_with_logits") => {
            |_, x, y| binary_cross_entropy_with_logits(x, y, None, None, Reduction::None)
        }
        ("logistic", "bce_with_logits(pos_weight = 3)") => {
            |g, x, y| binary_cross_entropy_with_logits(x, y, None, Some(g.scalar(3.0)), Reduction::None)
        }
        ("along", "sum") => |_, x, _| functions::sum(x, Some(&[-1]), false),
        ("along", "mean") => |_, x, _| functions::mean(x, Some(&[-1]), false),
        ("along", "prod") => |_, x, _| functions::prod(x, Some(&[-1]), false),
        ("along", "amax") => |_, x, _| functions::amax(x, Some(&[-1]), false),
        ("along", "amin") => |_, x, _| functions::amin(x, Some(&[-1]), false),
        ("along", "max") => |_, x, _| functions::max(x, -1, false)[0],
        ("along", "min") => |_, x, _| functions::min(x, -1, false)[0],
        ("along", "var") => |_, x, _| functions::var(x, Some(&[-1]), 1.0, false),
        ("along", "var(0)") => |_, x, _| functions::var(x, Some(&[-1]), 0.0, false),
        ("along", "std") => |_, x, _| functions::std(x, Some(&[-1]), 1.0, false),
        ("along", "std(0)") => |_, x, _| functions::std(x, Some(&[-1]), 0.0, false),
        ("along", "norm") => |_, x, _| functions::norm(x, 2.0, Some(&[-1]), false),
        ("along", "norm(1)") => |_, x, _| functions::norm(x, 1.0, Some(&[-1]), false),
        ("along", "norm(inf)") => |_, x, _| functions::norm(x, f64::INFINITY, Some(&[-1]), false),
        ("along", "norm(3)") => |_, x, _| functions::norm(x, 3.0, Some(&[-1]), false),
        ("along", "norm(0.5)") => |_, x, _| functions::norm(x, 0.5, Some(&[-1]), false),
        ("along", "normalize") => |_, x, _| functions::normalize(x, 2.0, -1, 1e-12),
        ("along", "quantile(0.3)") => |_, x, _| functions::quantile(x, 0.3, Some(-1), false, "linear"),
        ("along", "quantile(1)") => |_, x, _| functions::quantile(x, 1.0, Some(-1), false, "linear"),
        ("along", "median") => |_, x, _| functions::median(x, -1, false)[0],
        ("along", "logcumsumexp") => |_, x, _| functions::logcumsumexp(x, -1),
        ("along", "logsumexp") => |_, x, _| functions::logsumexp(x, &[-1], false),
        ("along", "softmax") => |_, x, _| x.softmax(-1),
        ("along", "log_softmax") => |_, x, _| x.log_softmax(-1),
        ("along", "cumsum") => |_, x, _| x.cumsum(-1),
        ("along", "softmin") => |_, x, _| functions::softmin(x, -1),
        ("along", "glu") => |_, x, _| functions::cat(&[functions::glu(x, -1); 2], -1),
        ("along", "lp_pool1d(1)") => |_, x, _| {
            let sums = functions::lp_pool1d(x.unsqueeze(1), 1.0, &[2], &[], false).squeeze(1);
            functions::cat(&[sums; 2], 1)
        },
        ("along", "prelu") => |g, x, _| functions::prelu(x, row(g, UPSTREAM.map(f64::from))),
        ("along", "layer_norm") => |_, x, _| layer_norm(x, Shape::new(&[4]), None, None, 1e-5),
        ("along", "nll") => |g, x, _| each_class(g, x, |x, class| nll_loss(x, class, None, -100, Reduction::None)),
        ("along", "multi_margin") => {
            |g, x, _| each_class(g, x, |x, class| multi_margin_loss(x, class, None, 1, 1.0, Reduction::None))
        }
        ("along", "multi_margin(p = 2, weight)") => |g, x, _| {
            let weight = Some(row(g, [1.0, 0.0, 2.0, 3.0]));
            each_class(g, x, |x, class| multi_margin_loss(x, class, weight, 2, 0.5, Reduction::None))
        },
        ("along", "multilabel_margin") => |g, x, _| {
            let lists = [[1.0, -1.0, 0.0, 2.0], [0.0, 3.0, -1.0, -1.0], [0.0, 1.0, 2.0, 3.0], [-1.0, 0.0, 1.0, 2.0]];
            each_row(g, x, lists, |x, list| multilabel_margin_loss(x, list.convert(DType::I32), Reduction::None))
        },
        ("along", "multilabel_soft_margin") => |g, x, _| {
            let labels = [[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 1.0], [0.0; 4], [0.5, 0.0, 1.0, 0.25]];
            each_row(g, x, labels, |x, labels| multilabel_soft_margin_loss(x, labels, None, Reduction::None))
        },
        ("along", "cosine_embedding(target = 1)") => |g, x, _| cosine_embeddings(g, x, 1.0, 0.0),
        ("along", "cosine_embedding(target = -1, margin = 0.25)") => |g, x, _| cosine_embeddings(g, x, -1.0, 0.25),
        ("along", "triplet_margin") => |g, x, _| triplets(g, x, 1.0, 2.0, false),
        ("along", "triplet_margin(swap)") => |g, x, _| triplets(g, x, 2.0, 2.0, true),
        ("along", "triplet_margin(p = 1)") => |g, x, _| triplets(g, x, 1.0, 1.0, false),
        ("along", "cross_entropy") => |g, x, _| cross_entropies(g, x, None, 0.0),
        ("along", "cross_entropy(weight)") => |g, x, _| cross_entropies(g, x, Some([1.0, 0.0, 2.0, 3.0]), 0.0),
        ("along", "cross_entropy(label_smoothing = 0.1)") => |g, x, _| cross_entropies(g, x, None, 0.1),
        ("along", "cumprod") => |_, x, _| x.cumprod(-1),
        ("along", "x / norm") => |_, x, _| x / functions::norm(x, 2.0, Some(&[-1]), true),
        ("along", "interpolate(linear)") => |_, x, _| interpolated(x, &[6], &[], false).slice(1, 1..5, 1),
        ("along", "interpolate(linear, corners)") => |_, x, _| interpolated(x, &[7], &[], true).slice(1, 3..7, 1),
        ("along", "interpolate(linear, factor 2)") => |_, x, _| interpolated(x, &[], &[2.0], false).slice(1, 0..4, 1),
        ("along", "attention") => |g, x, _| {
            let rows = x.shape().dim(0);
            let (ones, mask) = (g.full([rows, 1, 1], 1.0), g.full([1, 4], 0.0));
            let values = functions::eye(g, 4).broadcast_to([rows, 4, 4]);
            let looks = functions::scaled_dot_product_attention;
            looks(ones, x.unsqueeze(2), values, Some(mask), 0.0, false, None, false).squeeze(1)
        },
        _ => return None,
    };
    Some(found)
}

/// Rows as images of one channel and one axis.
fn interpolated<'g>(x: Value<'g>, size: &[usize], scale_factor: &[f64], align_corners: bool) -> Value<'g> {
    functions::interpolate(x.unsqueeze(1), size, scale_factor, "linear", align_corners, false, false).squeeze(1)
}

/// Four numbers.
fn row(g: &Builder, numbers: [f64; 4]) -> Value<'_> {
    functions::stack(&numbers.map(|number| g.scalar(number)), 0)
}

/// The losses of each row of `x` with each of some others.
fn each_row<'g>(
    g: &'g Builder,
    x: Value<'g>,
    others: [[f64; 4]; 4],
    loss: impl Fn(Value<'g>, Value<'g>) -> Value<'g>,
) -> Value<'g> {
    let losses = others.map(|other| loss(x, row(g, other).broadcast_to(x.shape())));
    functions::stack(&losses, 1)
}

/// The losses of each row for each of the four classes.
fn each_class<'g>(g: &'g Builder, x: Value<'g>, loss: impl Fn(Value<'g>, Value<'g>) -> Value<'g>) -> Value<'g> {
    let class = |class: f64| g.scalar_of(DType::I32, class).broadcast_to([x.shape().dim(0)]);
    functions::stack(&[0.0, 1.0, 2.0, 3.0].map(|number| loss(x, class(number))), 1)
}

fn cosine_embeddings<'g>(g: &'g Builder, x: Value<'g>, target: f64, margin: f64) -> Value<'g> {
    let other = row(g, UPSTREAM.map(f64::from)).broadcast_to(x.shape());
    cosine_embedding_loss(x, other, g.full([x.shape().dim(0)], target), margin, Reduction::None)
}

fn triplets<'g>(g: &'g Builder, x: Value<'g>, margin: f64, p: f64, swap: bool) -> Value<'g> {
    let [positive, negative] =
        [[1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 0.0, 2.0]].map(|other| row(g, other).broadcast_to(x.shape()));
    let settings = TripletMargin { margin, p, eps: 1e-6, swap, reduction: Reduction::None };
    triplet_margin_loss(x, positive, negative, settings)
}

/// The cross-entropies of each row for each of the four classes.
fn cross_entropies<'g>(g: &'g Builder, x: Value<'g>, weight: Option<[f64; 4]>, label_smoothing: f64) -> Value<'g> {
    let weight = weight.map(|weight| row(g, weight));
    let settings = ClassTargets { label_smoothing, ignore_index: -100, reduction: Reduction::None };
    each_class(g, x, |x, class| class_cross_entropy(x, class, weight, settings))
}

/// A result of PyTorch: in f64, and in f32 where that is another one.
#[derive(Clone, Copy)]
struct Cell {
    exact: f64,
    single: f64,
}

impl Cell {
    fn parse(text: &str) -> Cell {
        let number = |text: &str| text.parse::<f64>().unwrap_or_else(|_| panic!("`{text}` is no number"));
        let (exact, single) = text.split_once('~').unwrap_or((text, text));
        Cell { exact: number(exact), single: number(single) }
    }

    /// Whether a result is as right as PyTorch's, but for some noise.
    fn holds(self, found: f64, noise: f64) -> bool {
        let same = |expected: f64| expected == found || expected.is_nan() && found.is_nan();
        let off = (self.exact - self.single).abs();
        let allowed = RELATIVE * self.exact.abs() + TINY + noise + if off.is_finite() { 2.0 * off } else { 0.0 };
        same(self.exact) || same(self.single) || (self.exact - found).abs() <= allowed
    }
}

/// A function with what PyTorch gives for the operands of its table: values, gradients, and those of an upstream of zeros.
struct Row {
    table: &'static str,
    name: &'static str,
    results: HashMap<&'static str, Vec<Cell>>,
}

/// The operands of each table, and the rows.
fn read() -> (HashMap<&'static str, Vec<Vec<f32>>>, Vec<Row>) {
    let (mut operands, mut rows): (HashMap<_, Vec<Vec<f32>>>, Vec<Row>) = Default::default();
    for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (head, numbers) = line.split_once(": ").unwrap_or((line, ""));
        if let Some(table) = head.strip_prefix("@ ").and_then(|head| head.split(' ').next()) {
            let numbers = numbers.split(' ').map(|number| number.parse().expect("an f32"));
            operands.entry(table).or_default().push(numbers.collect());
        } else if numbers.is_empty() {
            let (table, name) = head.split_once(' ').expect("a table and a function");
            rows.push(Row { table, name, results: HashMap::new() });
        } else {
            let cells = numbers.split(' ').flat_map(|run| {
                let (cell, times) = run.split_once('*').unwrap_or((run, "1"));
                vec![Cell::parse(cell); times.parse().expect("how often")]
            });
            rows.last_mut().expect("a row").results.insert(head, cells.collect());
        }
    }
    (operands, rows)
}

/// A graph with the outputs `value` and, for operands that have gradients, `gradient x` and so on.
fn build(row: &Row, shape: Shape, operands: usize) -> Graph {
    let g = Builder::new(row.name);
    let names = &["x", "y"][..operands];
    let inputs: Vec<Value<'_>> = names.iter().map(|name| g.input(name, shape)).collect();
    let primitive = UnaryOp::ALL.iter().find(|op| row.table == "one" && op.mnemonic() == row.name);
    let value = match (primitive, function(row.table, row.name)) {
        (Some(&op), _) => inputs[0].unary(op),
        (None, Some(function)) => function(&g, inputs[0], inputs[operands - 1]),
        (None, None) => panic!("no function {} {}", row.table, row.name),
    };
    let upstream = g.input_of("upstream", Type::f32(value.shape()));
    g.output("value", value);
    let gradients = g.gradients_of((value * upstream).sum(..), &inputs).expect(row.name);
    for (name, gradient) in names.iter().zip(gradients) {
        g.output(name, gradient);
    }
    g.finish().expect(row.name)
}

type Feeds = HashMap<String, Vec<f32>>;
type Results = HashMap<String, Vec<f64>>;

fn interpreted<T: Real>(graph: &Graph, feeds: &Feeds) -> Results {
    let tensor = |(name, ty): (&String, Type)| {
        (name.clone(), Tensor::<T>::floats(ty.shape, feeds[name].iter().map(|&x| x.into())))
    };
    let feeds = graph.inputs.iter().map(|input| tensor((&input.name, graph.ty(input.node)))).collect();
    let outputs = interpret(graph, &feeds).expect("all inputs are fed").outputs;
    // In f64 nothing overflows that does in f32.
    outputs
        .into_iter()
        .map(|(name, tensor)| (name, tensor.to_f64().iter().map(|&x| f64::from(x as f32)).collect()))
        .collect()
}

fn compiled(session: &mut Session, states: &mut States, graph: &Graph, feeds: &Feeds) -> Results {
    for (index, input) in graph.inputs.iter().enumerate() {
        let shape = IxDyn(graph.shape(input.node).dims());
        let array = ArrayD::from_shape_vec(shape, feeds[&input.name].clone()).expect("as many numbers");
        session.write_input_f32(index, array.view()).expect("an input of f32");
    }
    session.run(states).expect("a run");
    let read = |index: usize| session.output(index).iter().map(|&x| f64::from(x)).collect();
    graph.outputs.iter().enumerate().map(|(index, output)| (output.name.clone(), read(index))).collect()
}

/// What differs from the table, with the reason if it is known.
struct Difference {
    what: String,
    known: Option<&'static str>,
}

/// Compares all results of a row, which `run` gives for an upstream of ones and of zeros; the table has so many lines of
/// operands.
fn differences(
    row: &Row,
    operands: &[Vec<f32>],
    lines: usize,
    by: &str,
    mut run: impl FnMut(f32) -> Results,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let noise = NOISE.iter().find(|(name, _)| *name == row.name).map_or(0.0, |(_, noise)| *noise);
    let width = operands[0].len() / lines;
    let line = |number: usize| -> Vec<f32> {
        operands.iter().flat_map(|x| x[number * width..(number + 1) * width].iter().copied()).collect()
    };
    // A subnormal number may count as 0.
    let flushed = |x: &f32| if x.is_subnormal() { 0f32.copysign(*x) } else { *x };
    let bits = |line: &[f32]| line.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    for (upstream, kind) in [(1.0, "gradient"), (0.0, "muted")] {
        let results = run(upstream);
        for (&name, cells) in &row.results {
            let output = match name.split_once(' ') {
                None if upstream == 1.0 => "value",
                Some((other, operand)) if other == kind => operand,
                _ => continue,
            };
            let (values, each) = (&results[output], cells.len() / lines);
            assert_eq!(values.len(), cells.len(), "{} {name}", row.name);
            for (place, (cell, &value)) in cells.iter().zip(values).enumerate() {
                let neighbours = cells[place / each * each..][..each].iter().map(|cell| cell.exact.abs());
                let noise = noise * neighbours.filter(|size| size.is_finite()).fold(1.0, f64::max);
                if cell.holds(value, noise) {
                    continue;
                }
                let at = line(place / each);
                let zero: Vec<f32> = at.iter().map(flushed).collect();
                let zero = (0..lines).find(|&other| width == 1 && bits(&line(other)) == bits(&zero));
                if zero.is_some_and(|zero| cells[zero].holds(value, noise)) {
                    continue;
                }
                let is_known = |known: &&Deviation| known.0 == row.name && name.starts_with(known.1) && known.2(&at);
                let known = DEVIATIONS.iter().find(is_known).map(|known| known.3);
                let Cell { exact, single } = cell;
                let what = format!("{} {name} of {at:?} by {by}: {value:e}, PyTorch {exact:e} ({single:e})", row.name);
                found.push(Difference { what, known });
            }
        }
    }
    found
}

/// By the interpreter in both precisions, and by all emitters.
fn check(row: &Row, operands: &[Vec<f32>]) -> Vec<Difference> {
    let along = row.table == "along";
    let lines = operands[0].len() / if along { 4 } else { 1 };
    let shape = if along { Shape::new(&[lines, 4]) } else { Shape::new(&[lines]) };
    let graph = build(row, shape, operands.len());
    let upstream = graph.inputs.iter().find(|input| input.name == "upstream").expect("an input");
    let upstream = graph.shape(upstream.node);
    let feeds = |factor: f32| -> Feeds {
        let each = |i: usize| factor * if upstream.rank() == 2 { UPSTREAM[i % 4] } else { 1.0 };
        let mut feeds: Feeds = [("upstream".into(), (0..upstream.elements()).map(each).collect())].into();
        feeds.extend(["x", "y"].iter().zip(operands).map(|(name, values)| (name.to_string(), values.clone())));
        feeds
    };
    let mut all =
        differences(row, operands, lines, "the interpreter", |factor| interpreted::<f32>(&graph, &feeds(factor)));
    all.extend(differences(row, operands, lines, "the interpreter in f64", |factor| {
        interpreted::<f64>(&graph, &feeds(factor))
    }));
    let optimized = optimize(&graph);
    for emitter in EmitterKind::ALL.into_iter().filter(|emitter| emitter.runs_here()) {
        let plan = plan(&optimized, &Target::with_lanes(emitter.lanes()), &HashMap::new()).expect(row.name);
        let program = Arc::new(Program::from_plan(plan).expect(row.name));
        let mut states = States::new();
        let mut session = Session::new(program, &mut states, Arc::new(Pool::new(1))).expect(row.name);
        let run = |factor: f32| compiled(&mut session, &mut states, &optimized, &feeds(factor));
        all.extend(differences(row, operands, lines, &emitter.to_string(), run));
    }
    all
}

#[test]
fn edges_are_those_of_pytorch() {
    let (operands, rows) = read();
    let all: Vec<Difference> = rows.iter().flat_map(|row| check(row, &operands[row.table])).collect();
    let new: Vec<&str> = all.iter().filter(|found| found.known.is_none()).map(|found| found.what.as_str()).collect();
    assert!(new.is_empty(), "{} results differ:\n{}", new.len(), new.join("\n"));
    for (name, _, _, reason) in DEVIATIONS {
        let is_it = |found: &Difference| found.known == Some(reason) && found.what.starts_with(name);
        assert!(all.iter().any(is_it), "{name} does not deviate any more: {reason}");
    }
}
