//! Losses as functions.

use kiln_graph::losses::{self, ClassTargets, Ctc, Reduction, TripletMargin};
use kiln_graph::{DType, Value};

use super::{Call, Results};
use crate::case::Refusal;

pub fn compute<'g>(call: &Call<'_, 'g>) -> Results<'g> {
    if !(call.op.ends_with("_loss") || ["cross_entropy", "kl_div"].contains(&call.op) || call.op.starts_with("binary_"))
    {
        return Ok(None);
    }
    let reduction = match call.text("reduction", "mean") {
        "mean" => Reduction::Mean,
        "sum" => Reduction::Sum,
        "none" => Reduction::None,
        "batchmean" => Reduction::BatchMean,
        other => return Err(Refusal::later(format!("reduction {other}"))),
    };
    let at = |place| call.at(place);
    let (x, number) = (at(0)?, |name, default| call.number_or(name, default));
    let (weight, flag) = (call.named("weight"), |name, default| call.flag(name, default));
    // A target of whole numbers is one of numbers where numbers are meant.
    let numbers = |target: Value<'g>| if target.dtype() == DType::F32 { target } else { target.convert(DType::F32) };
    let ignore_index = call.int("ignore_index", -100) as i32;
    if ["mse_loss", "l1_loss", "huber_loss"].contains(&call.op) && weight.is_some() {
        return Err(Refusal::later(format!("weight of {}", call.op)));
    }
    let value = match call.op {
        "soft_margin_loss" => losses::soft_margin_loss(x, numbers(at(1)?), reduction),
        "triplet_margin_loss" => {
            let settings = TripletMargin {
                margin: number("margin", 1.0),
                p: number("p", 2.0),
                eps: number("eps", 1e-6),
                swap: flag("swap", false),
                reduction,
            };
            losses::triplet_margin_loss(x, at(1)?, at(2)?, settings)
        }
        "smooth_l1_loss" => losses::smooth_l1_loss(x, at(1)?, number("beta", 1.0), reduction),
        "poisson_nll_loss" => {
            let (log_input, full) = (flag("log_input", true), flag("full", false));
            losses::poisson_nll_loss(x, at(1)?, log_input, full, number("eps", 1e-8), reduction)
        }
        "nll_loss" => losses::nll_loss(x, at(1)?, weight, ignore_index, reduction),
        "multilabel_soft_margin_loss" => losses::multilabel_soft_margin_loss(x, numbers(at(1)?), weight, reduction),
        "multilabel_margin_loss" => losses::multilabel_margin_loss(x, at(1)?, reduction),
        "multi_margin_loss" => {
            losses::multi_margin_loss(x, at(1)?, weight, call.size("p", 1)?, number("margin", 1.0), reduction)
        }
        "mse_loss" => losses::mean_squared_error(x, at(1)?, reduction),
        "l1_loss" => losses::mean_absolute_error(x, at(1)?, reduction),
        "huber_loss" => losses::huber_loss(x, at(1)?, number("delta", 1.0), reduction),
        "margin_ranking_loss" => {
            losses::margin_ranking_loss(x, at(1)?, numbers(at(2)?), number("margin", 0.0), reduction)
        }
        "kl_div" => losses::kl_div_loss(x, at(1)?, flag("log_target", false), reduction),
        "hinge_embedding_loss" => losses::hinge_embedding_loss(x, numbers(at(1)?), number("margin", 1.0), reduction),
        "gaussian_nll_loss" => {
            let variance = match at(2) {
                Ok(variance) => variance,
                Err(_) => x.graph().full(x.shape(), call.need("var")?),
            };
            losses::gaussian_nll_loss(x, at(1)?, variance, flag("full", false), number("eps", 1e-6), reduction)
        }
        "ctc_loss" => {
            let (blank, zero_infinity) = (call.size("blank", 0)?, flag("zero_infinity", false));
            let lengths = |place: usize, name: &str| match (at(place), call.attributes.ints(name)) {
                (Ok(given), _) => Ok(given),
                (_, Some(list)) => {
                    let g = x.graph();
                    let all: Vec<Value<'g>> = list.iter().map(|&n| g.full([1], n as f64).convert(DType::I32)).collect();
                    Ok(g.concat(&all, 0))
                }
                _ => Err(Refusal::Case(format!("no {name}"))),
            };
            let (times, marks) = (lengths(2, "input_lengths")?, lengths(3, "target_lengths")?);
            losses::ctc_loss(x, at(1)?, times, marks, Ctc { blank, zero_infinity, reduction })
        }
        "cross_entropy" => {
            let settings = ClassTargets { label_smoothing: number("label_smoothing", 0.0), ignore_index, reduction };
            losses::any_cross_entropy(x, at(1)?, weight, settings)
        }
        "cosine_embedding_loss" => {
            losses::cosine_embedding_loss(x, at(1)?, numbers(at(2)?), number("margin", 0.0), reduction)
        }
        "binary_cross_entropy" => losses::binary_cross_entropy(x, numbers(at(1)?), weight, reduction),
        "binary_cross_entropy_with_logits" => {
            let pos_weight = call.named("pos_weight");
            losses::binary_cross_entropy_with_logits(x, numbers(at(1)?), weight, pos_weight, reduction)
        }
        _ => return Ok(None),
    };
    Ok(Some(vec![value]))
}
