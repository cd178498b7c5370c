//! Functions of tensors that are compositions of others, whose gradients are checked, first and second ones. (Values and
//! first gradients of all are in `functions.txt`.)

use kiln_graph::build::Value;
use kiln_graph::functions::{self, cdist, diag_embed, diagonal};
use kiln_graph::losses::{self, Reduction};

use crate::rows::{any, apart, positive, row, these};
use crate::{Case, Operand};

/// The sum of all results.
fn sum<'g>(results: Vec<Value<'g>>) -> Value<'g> {
    results.into_iter().reduce(|a, b| a + b).expect("results")
}

pub fn compositions() -> Vec<Case> {
    vec![
        row("sinc", [apart(&[4])], |_, v| functions::sinc(v[0])),
        row("logit", [any(&[4])], |_, v| functions::logit(v[0] * 0.25 + 0.5, Some(1e-3))),
        row("gelu, tanh", [any(&[4])], |_, v| functions::gelu(v[0], "tanh")),
        row("xlogy", [any(&[4]), positive(&[4])], |_, v| functions::xlogy(v[0], v[1])),
        row("logaddexp", [any(&[2, 3]), any(&[3])], |_, v| functions::logaddexp(v[0], v[1])),
        row("logaddexp2", [any(&[3]), any(&[3])], |_, v| functions::logaddexp2(v[0], v[1])),
        row("hypot", [apart(&[2, 3]), apart(&[3])], |_, v| functions::hypot(v[0], v[1])),
        row("copysign", [apart(&[4]), apart(&[4])], |_, v| functions::copysign(v[0].square() + 1.0, v[1]) * v[0]),
        row("fmod", [apart(&[4])], |_, v| functions::fmod(v[0], 0.25).square()),
        row("remainder", [positive(&[4]), positive(&[4])], |_, v| functions::remainder(v[0] * 3.7, v[1]).square()),
        row("addcdiv", [any(&[4]), any(&[4]), positive(&[4])], |_, v| functions::addcdiv(v[0], v[1], v[2], 0.5)),
        row("var_mean", [any(&[2, 3])], |_, v| sum(functions::var_mean(v[0], Some(&[1]), 1.0, false)).square()),
        row("cummax", [apart(&[2, 5])], |_, v| functions::cummax(v[0], 1)[0].square()),
        row("logcumsumexp", [any(&[2, 5])], |_, v| functions::logcumsumexp(v[0], 1).square()),
        row("diff", [any(&[2, 5])], |_, v| functions::diff(v[0], 2, 1, None, None).square()),
        row("median", [apart(&[2, 5])], |_, v| functions::median(v[0], 1, false)[0].square()),
        row("quantile", [apart(&[2, 4])], |_, v| functions::quantile(v[0], 0.4, Some(1), false, "linear").square()),
        row("normalize", [any(&[2, 3])], |_, v| functions::normalize(v[0], 2.0, 1, 1e-12)),
        row("renorm", [positive(&[2, 3])], |_, v| functions::renorm(v[0], 2.0, 0, 1.0)),
        row("diagonals", [any(&[2, 3, 4])], |_, v| diag_embed(diagonal(v[0], 1, 2, 1), -1, 0, -1).square()),
        row("movedim, rot90", [any(&[2, 3, 4])], |_, v| {
            functions::rot90(functions::movedim(v[0], &[0], &[2]), 1, &[0, 2]).square()
        }),
        row("addmm", [any(&[3]), any(&[2, 4]), any(&[4, 3])], |_, v| {
            functions::addmm(v[0], v[1], v[2], 0.5, 2.0).square()
        }),
        row("inner", [any(&[2, 3]), any(&[2, 3])], |_, v| functions::inner(v[0], v[1]).square()),
        row("kron", [any(&[2, 2]), any(&[3])], |_, v| functions::kron(v[0], v[1]).square()),
        row("cdist", [any(&[2, 3]), any(&[4, 3])], |_, v| cdist(v[0], v[1], 2.0)),
        row("grid_sample", [any(&[1, 2, 3, 3]), apart(&[1, 2, 2, 2])], |_, v| {
            functions::grid_sample(v[0], v[1] * 0.45 + 0.03, "bilinear", "zeros", false).square()
        }),
        row("grid_sample, bicubic", [any(&[1, 1, 3, 3]), apart(&[1, 2, 2, 2])], |_, v| {
            functions::grid_sample(v[0], v[1] * 0.45 + 0.03, "bicubic", "border", true).square()
        }),
        row("affine_grid", [any(&[2, 2, 3])], |_, v| functions::affine_grid(v[0], &[2, 1, 2, 3], false).square()),
        row("conv2d", [any(&[1, 2, 3, 3]), any(&[2, 2, 2, 2]), any(&[2])], |_, v| {
            functions::conv2d_by_word(v[0], v[1], Some(v[2]), &[1], "same", &[1], 1).square()
        }),
        row("batch_norm", [any(&[2, 2, 3]), any(&[2]), positive(&[2]), any(&[2])], |_, v| {
            functions::batch_norm(v[0], Some(v[1]), Some(v[2]), Some(v[3]), None, false, 0.1, 1e-2).square()
        }),
        row("embedding", [any(&[3, 2])], |g, v| functions::embedding(g.iota([2, 2], 0), v[0], Some(-1)).square()),
        row("pdist", [apart(&[3, 2])], |_, v| functions::pdist(v[0], 3.0)),
        row("logsumexp", [any(&[2, 3, 2])], |_, v| functions::logsumexp(v[0], &[0, 2], false).square()),
        row("lgamma", [apart(&[6])], |_, v| functions::lgamma(v[0] * 4.0 + 0.1)),
        row("lgamma, digamma of large ones", [positive(&[4])], |_, v| {
            functions::lgamma(v[0] * 12.0) + functions::digamma(v[0] * 9.0)
        }),
        row("polygamma", [positive(&[4])], |_, v| {
            functions::polygamma(2, v[0] + 0.5) + functions::mvlgamma(v[0] + 2.0, 3)
        }),
        row("digamma below 0", [these(&[3], &[-0.3, -1.6, -4.25])], |_, v| functions::digamma(v[0])),
        row("erfc, ndtr", [any(&[5])], |_, v| functions::erfc(v[0] * 2.0) + functions::ndtr(v[0])),
        row("i0, i1", [apart(&[6])], |_, v| functions::i0(v[0] * 12.0) * 1e-3 + functions::i1(v[0] * 9.0) * 1e-2),
        row("i0e, i1e", [apart(&[6])], |_, v| functions::i0e(v[0] * 12.0) + functions::i1e(v[0] * 9.0)),
        row("erfcx, log_ndtr", [apart(&[6])], |_, v| functions::erfcx(v[0] * 2.0) + functions::log_ndtr(v[0] * 3.0)),
        row("erfinv", [any(&[5])], |_, v| functions::erfinv(v[0] * 0.45)),
        row("entr", [positive(&[4])], |_, v| functions::entr(v[0])),
        row("xlog1py", [any(&[4]), positive(&[4])], |_, v| functions::xlog1py(v[0], v[1])),
        row("clamp by tensors", [apart(&[4]), apart(&[4])], |_, v| {
            functions::clamp_by(v[0], v[1] - 0.7, v[1] + 0.6).square()
        }),
        row("cov", [any(&[2, 4]), positive(&[4])], |_, v| {
            functions::cov(v[0], 1.0, None, Some(v[1] * 3.0 + 1.0)).square()
        }),
        row("corrcoef", [any(&[3, 4])], |_, v| functions::corrcoef(v[0]).square()),
        row("scatter_reduce", [apart(&[2, 3]), apart(&[2, 4])], |g, v| {
            let index = g.iota([2, 4], 1).minimum(2);
            let src = v[1] + 0.0371;
            let of = |reduce, with| functions::scatter_reduce(v[0], 1, index, src, reduce, with).square();
            of("prod", true) + of("amax", true) + of("amin", false) + of("mean", false) + of("sum", false)
        }),
        row("index_copy", [any(&[2, 3]), any(&[2, 2])], |g, v| {
            functions::index_copy(v[0], 1, g.iota([2], 0) * 2, v[1]).square()
        }),
        row("scatter of several to one place", [any(&[2, 3]), any(&[2, 4])], |g, v| {
            functions::scatter(v[0], 1, g.iota([2, 4], 1).minimum(2), v[1]).square()
        }),
        row("slice_scatter", [any(&[2, 7]), any(&[2, 2])], |_, v| {
            functions::slice_scatter(v[0], v[1], 1, 1, 6, 3).square()
        }),
        row("index_put", [any(&[3, 2]), any(&[2])], |g, v| {
            let at = |index, accumulate| functions::index_put(v[0], &[index], v[1], accumulate).square();
            at(g.iota([2], 0) * -1, false) + at(g.iota([3], 0).minimum(1), true)
        }),
        row("embedding_bag by offsets", [any(&[4, 2]), any(&[5])], |g, v| {
            let (index, offsets) = (g.iota([5], 0).minimum(3), g.iota([3], 0) * 2);
            let bags = |mode, weights| {
                functions::embedding_bag_by_offsets(index, v[0], offsets, mode, weights, false, None).square()
            };
            bags("sum", Some(v[1])) + bags("mean", None)
        }),
        row("block_diag", [any(&[2, 2]), any(&[3])], |_, v| functions::block_diag(v).square()),
        row("cartesian_prod", [any(&[2]), any(&[3])], |_, v| functions::cartesian_prod(v).square()),
        row("combinations", [any(&[4])], |_, v| functions::combinations(v[0], 3, false).prod(1)),
        row("vander", [these(&[3], &[0.5, 0.0, -1.25])], |_, v| functions::vander(v[0], Some(4), false).square()),
        row("diagonal_scatter", [any(&[3, 4]), any(&[3])], |_, v| {
            functions::diagonal_scatter(v[0], v[1], 1, 0, 1).square()
        }),
        row("diagflat", [any(&[3])], |_, v| functions::diagflat(v[0], -1).square()),
        row("unfold along", [any(&[2, 7])], |_, v| functions::unfold_along(v[0], 1, 3, 2).square().prod(2)),
        row("mode, msort", [apart(&[5])], |_, v| {
            functions::mode(v[0], 0, true)[0].square() + functions::msort(v[0]).square()
        }),
        row("bincount of weights", [any(&[4])], |g, v| {
            functions::bincount_of(g.iota([4], 0).minimum(2), v[0], 4).square()
        }),
        row("tensordot", [any(&[2, 3, 2]), any(&[2, 3])], |_, v| {
            functions::tensordot_by(v[0], v[1], (&[0, 1], &[0, 1])).square()
        }),
        row("trapezoid", [any(&[2, 4]), any(&[4])], |_, v| functions::trapezoid_over(v[0], v[1], 1).square()),
        row("grouped attention", [any(&[1, 4, 2, 3]), any(&[1, 2, 3, 3]), any(&[1, 2, 3, 2])], |_, v| {
            functions::scaled_dot_product_attention(v[0], v[1], v[2], None, 0.0, false, None, true)
        }),
        // Smooth, where a formula of theirs by an absolute value or a maximum is not.
        row("logsigmoid at 0", [ZERO], |_, v| functions::logsigmoid(v[0])),
        row("logaddexp of equals", [ZERO, ZERO], |_, v| functions::logaddexp(v[0], v[1])),
        row("logaddexp2 of equals", [ZERO, ZERO], |_, v| functions::logaddexp2(v[0], v[1])),
        row("logcumsumexp of equals", [these(&[2, 3], &[1.0, 1.0, 1.0, 0.0, 0.5, 0.0])], |_, v| {
            functions::logcumsumexp(v[0], 1)
        }),
        row("bce_with_logits at 0", [ZERO], |g, v| {
            losses::binary_cross_entropy_with_logits(v[0], g.full([3], 0.25), None, None, Reduction::None)
        }),
        row("soft_margin at 0", [ZERO], |g, v| losses::soft_margin_loss(v[0], g.full([3], 1.0), Reduction::None)),
        row("multilabel_soft_margin at 0", [these(&[1, 3], &[0.0, 0.5, 0.0])], |g, v| {
            losses::multilabel_soft_margin_loss(v[0], g.full([1, 3], 1.0), None, Reduction::None)
        }),
    ]
}

const ZERO: Operand = these(&[3], &[0.0, 0.5, 0.0]);
