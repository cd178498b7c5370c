//! The losses whose gradients are checked, each with every operand that has one and each setting that changes the rule.
//! (Edges are in `edges.rs`.)

use kiln_graph::DType;
use kiln_graph::build::Value;
use kiln_graph::losses::{
    Ctc, Reduction, TripletMargin, binary_cross_entropy, cosine_embedding_loss, ctc_loss, gaussian_nll_loss,
    hinge_embedding_loss, huber_loss, kl_div_loss, margin_ranking_loss, multi_margin_loss, multilabel_margin_loss,
    multilabel_soft_margin_loss, nll_loss, poisson_nll_loss, smooth_l1_loss, soft_margin_loss, triplet_margin_loss,
};

use crate::rows::{any, apart, indices, positive, row};
use crate::{Case, Elements, Operand};

use Reduction::{BatchMean, Mean, None as Single, Sum};

fn within(low: f64, high: f64, extents: &'static [usize]) -> Operand {
    Operand { extents, elements: Elements::Range(low, high) }
}

/// Targets that are numbers between 0 and 1, of three samples of four.
fn parts() -> Operand {
    within(0.1, 0.9, &[3, 4])
}

/// Labels of three samples of four.
fn signs() -> Operand {
    indices(&[3, 4], &[1, -1, 1, 1, -1, 1, -1, -1, 1, 1, -1, 1])
}

/// Scores over four times of three samples; repeated labels, one sample with fewer times and one without a label.
const CTC: [Operand; 4] = [
    Operand { extents: &[4, 3, 3], elements: Elements::Range(-1.0, 1.0) },
    Operand { extents: &[3, 2], elements: Elements::Indices(&[1, 1, 1, 0, 0, 0]) },
    Operand { extents: &[3], elements: Elements::Indices(&[4, 2, 3]) },
    Operand { extents: &[3], elements: Elements::Indices(&[2, 1, 0]) },
];

fn triplet<'g>(v: &[Value<'g>], p: f64, swap: bool) -> Value<'g> {
    let settings = TripletMargin { margin: 1.5, p, eps: 1e-6, swap, reduction: Single };
    triplet_margin_loss(v[0], v[1], v[2], settings)
}

fn float(labels: Value<'_>) -> Value<'_> {
    labels.convert(DType::F32)
}

pub fn rows() -> Vec<Case> {
    vec![
        row("huber", [apart(&[3, 4]), any(&[3, 4])], |_, v| huber_loss(v[0], v[1], 0.4, Single)),
        row("huber mean", [apart(&[3, 4]), any(&[3, 4])], |_, v| huber_loss(v[0], v[1], 0.4, Mean)),
        row("smooth_l1", [apart(&[3, 4]), any(&[3, 4])], |_, v| smooth_l1_loss(v[0], v[1], 0.3, Sum)),
        row("smooth_l1 of 0", [apart(&[3, 4]), any(&[3, 4])], |_, v| smooth_l1_loss(v[0], v[1], 0.0, Single)),
        row("bce", [parts(), parts(), any(&[4])], |_, v| binary_cross_entropy(v[0], v[1], Some(v[2]), Single)),
        row("kl_div", [any(&[3, 4]), parts()], |_, v| kl_div_loss(v[0], v[1], false, BatchMean)),
        row("kl_div of logs", [any(&[3, 4]), any(&[3, 4])], |_, v| kl_div_loss(v[0], v[1], true, Single)),
        row("poisson_nll", [any(&[3, 4]), within(1.5, 4.0, &[3, 4])], |_, v| {
            poisson_nll_loss(v[0], v[1], true, true, 1e-8, Single)
        }),
        row("poisson_nll of rates", [positive(&[3, 4]), positive(&[3, 4])], |_, v| {
            poisson_nll_loss(v[0], v[1], false, false, 1e-2, Mean)
        }),
        row("gaussian_nll", [any(&[3, 4]), any(&[3, 4]), positive(&[3])], |_, v| {
            gaussian_nll_loss(v[0], v[1], v[2], true, 1e-6, Single)
        }),
        row("nll", [any(&[3, 4, 2]), indices(&[3, 2], &[0, 3, 1, 2, 2, -1]), positive(&[4])], |_, v| {
            nll_loss(v[0], v[1], Some(v[2]), -1, Mean)
        }),
        row("hinge_embedding", [apart(&[3, 4]), signs()], |_, v| hinge_embedding_loss(v[0], float(v[1]), 0.3, Single)),
        row("soft_margin", [any(&[3, 4]), any(&[3, 4])], |_, v| soft_margin_loss(v[0], v[1], Single)),
        row("multilabel_soft_margin", [any(&[3, 4]), parts(), any(&[4])], |_, v| {
            multilabel_soft_margin_loss(v[0], v[1], Some(v[2]), Single)
        }),
        row("multi_margin", [apart(&[3, 4]), indices(&[3], &[1, 3, 0]), positive(&[4])], |_, v| {
            multi_margin_loss(v[0], v[1], Some(v[2]), 2, 0.55, Single)
        }),
        row("multilabel_margin", [apart(&[2, 4]), indices(&[2, 4], &[1, 3, -1, 0, 2, -1, -1, -1])], |_, v| {
            multilabel_margin_loss(v[0], v[1], Single)
        }),
        row("ctc", CTC, |_, v| ctc_loss(v[0], v[1], v[2], v[3], Ctc { reduction: Single, ..Ctc::default() })),
        row("ctc of scores", CTC, |_, v| {
            ctc_loss(v[0].log_softmax(2), v[1], v[2], v[3], Ctc { blank: 2, zero_infinity: true, reduction: Mean })
        }),
        row("margin_ranking", [apart(&[3, 4]), any(&[3, 4]), signs()], |_, v| {
            margin_ranking_loss(v[0], v[1], float(v[2]), 0.25, Single)
        }),
        row("cosine_embedding", [positive(&[3, 4]), positive(&[3, 4]), indices(&[3], &[1, -1, -1])], |_, v| {
            cosine_embedding_loss(v[0], v[1], float(v[2]), 0.2, Single)
        }),
        row("triplet_margin", [any(&[3, 4]), any(&[3, 4]), any(&[3, 4])], |_, v| triplet(v, 2.0, false)),
        row("triplet_margin, swapped", [any(&[3, 4]), any(&[3, 4]), any(&[3, 4])], |_, v| triplet(v, 3.0, true)),
    ]
}
