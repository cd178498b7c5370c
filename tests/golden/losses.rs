//! The losses, through the free functions that the trainer's objects are shells of.

use kiln_graph::layers::adaptive_softmax::{AdaptiveWeights, adaptive_log_softmax};
use kiln_graph::losses::{
    ClassTargets, Reduction, binary_cross_entropy, binary_cross_entropy_with_logits, class_cross_entropy, huber_loss,
    kl_div_loss, mean_absolute_error, mean_squared_error, nll_loss, smooth_l1_loss, soft_class_cross_entropy,
};
use kiln_graph::shape::rules::Clusters;
use kiln_graph::{DType, Shape, Value};

use crate::case::{Attributes, Refusal};
use crate::graphs::Given;

/// The output of a loss of `input.0` (the prediction) and `input.1` (the target).
pub fn compute<'g>(op: &str, attributes: &Attributes, given: &Given<'g>) -> Result<Vec<Value<'g>>, Refusal> {
    if op == "AdaptiveLogSoftmaxWithLoss" {
        return adaptive_softmax(attributes, given);
    }
    let (weight, pos_weight) = (given.find("input.weight"), given.find("input.pos_weight"));
    apply(op, attributes, given.get("input.0")?, given.get("input.1")?, weight, pos_weight).map(|loss| vec![loss])
}

/// A loss.
pub fn apply<'g>(
    op: &str,
    attributes: &Attributes,
    prediction: Value<'g>,
    target: Value<'g>,
    weight: Option<Value<'g>>,
    pos_weight: Option<Value<'g>>,
) -> Result<Value<'g>, Refusal> {
    let reduction = match attributes.text("reduction") {
        None | Some("mean") => Reduction::Mean,
        Some("sum") => Reduction::Sum,
        Some("none") => Reduction::None,
        Some("batchmean") => Reduction::BatchMean,
        Some(other) => return Err(Refusal::later(format!("reduction {other}"))),
    };
    let ignore_index = attributes.int("ignore_index").unwrap_or(-100) as i32;
    let label_smoothing = attributes.f64("label_smoothing").unwrap_or(0.0);
    Ok(match op {
        "CrossEntropyLoss" if target.dtype() == DType::F32 => {
            soft_class_cross_entropy(prediction, target, weight, label_smoothing, reduction)
        }
        "CrossEntropyLoss" => {
            let settings = ClassTargets { label_smoothing, ignore_index, reduction };
            class_cross_entropy(prediction, target, weight, settings)
        }
        "BCELoss" => binary_cross_entropy(prediction, target, weight, reduction),
        "HuberLoss" => huber_loss(prediction, target, attributes.f64("delta").unwrap_or(1.0), reduction),
        "KLDivLoss" => kl_div_loss(prediction, target, attributes.flag("log_target"), reduction),
        "NLLLoss" => nll_loss(prediction, target, weight, ignore_index, reduction),
        "SmoothL1Loss" => smooth_l1_loss(prediction, target, attributes.f64("beta").unwrap_or(1.0), reduction),
        "L1Loss" => mean_absolute_error(prediction, target, reduction),
        "MSELoss" => mean_squared_error(prediction, target, reduction),
        "BCEWithLogitsLoss" => binary_cross_entropy_with_logits(prediction, target, weight, pos_weight, reduction),
        _ => return Err(Refusal::later(op)),
    })
}

/// The logarithm of the probability of each target, and the loss.
fn adaptive_softmax<'g>(attributes: &Attributes, given: &Given<'g>) -> Result<Vec<Value<'g>>, Refusal> {
    let absent = |name: &str| Refusal::Case(format!("the layer has no {name}"));
    let size = |name: &str| attributes.int(name).map(|size| size as usize).ok_or_else(|| absent(name));
    let cutoffs = attributes.ints("cutoffs").ok_or_else(|| absent("cutoffs"))?;
    let cutoffs: Vec<usize> = cutoffs.into_iter().map(|class| class as usize).collect();
    let tail = |cluster: usize| {
        let part = |number: usize| given.get(&format!("param.tail.{cluster}.{number}.weight"));
        Ok([part(0)?, part(1)?])
    };
    let weights = AdaptiveWeights {
        head: given.get("param.head.weight")?,
        head_bias: given.find("param.head.bias"),
        tail: (0..cutoffs.len()).map(tail).collect::<Result<_, Refusal>>()?,
    };
    let clusters = Clusters {
        inputs: size("in_features")?,
        classes: size("n_classes")?,
        cutoffs: Shape::new(&cutoffs),
        div_value: attributes.f64("div_value").unwrap_or(4.0),
    };
    Ok(adaptive_log_softmax(given.get("input.0")?, given.get("input.1")?, &weights, &clusters).to_vec())
}
