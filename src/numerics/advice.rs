//! What usually makes NaN and infinity, and what to do about it. It looks at what was found, and searches nothing
//! itself.

use kiln_graph::Stage;
use kiln_graph::interpret::Cause;

use super::{NonFinite, Operand};

/// What to say of a source.
pub fn of(source: &NonFinite) -> Vec<String> {
    let mut advice: Vec<&str> = Vec::new();
    match source.cause {
        Cause::Given => advice.push(of_given(source)),
        Cause::OfGiven => advice.push(
            "where a mask leaves nothing of a row, softmax is NaN (-inf - -inf): leave one place open, mask by a large \
             negative number such as -1e9, or set such rows to 0 behind it; infinities in data are to be taken out before",
        ),
        Cause::Made => {
            let (first, second) = (there(source, 0), there(source, 1));
            if source.stage == Stage::Update {
                advice.push(of_update(source, second));
            } else {
                advice.extend(of_operation(source, first, second));
            }
            if source.stage == Stage::Backward && may_be_a_branch(source, first, second) {
                advice.push(
                    "`where` computes both branches, and the one that it does not take still has a gradient, 0 times infinity: \
                     make its operand safe before: `where(x > 0, x, 1).log()`, not `where(x > 0, x.log(), 0)` alone",
                );
            }
        }
    }
    advice.into_iter().map(str::to_owned).collect()
}

fn of_update(source: &NonFinite, second: Option<f32>) -> &'static str {
    match (source.operation, second) {
        ("div", Some(0.0)) => {
            "the gradient is 0, or so small that its square is: an `eps` above 0 keeps optimizers from dividing by 0 then"
        }
        ("rsqrt" | "reciprocal", _) => "an `eps` above 0 keeps optimizers from dividing by 0 where a gradient is 0",
        _ => "the update is too large for f32: a lower learning rate, warm-up, or `clip_grad_norm`",
    }
}

fn there(source: &NonFinite, operand: usize) -> Option<f32> {
    source.operands.get(operand)?.there
}

fn of_given(source: &NonFinite) -> &'static str {
    match (&source.parameter, source.layer.is_empty()) {
        (Some(_), true) => {
            "look at the data: `check_finite(true)` refuses such a batch at once; a parameter or a state has it from what was \
             loaded, or from training without `check_numerics(true)`"
        }
        (Some(_), false) => {
            "the parameter has it from what was loaded, or from training without `check_numerics(true)`"
        }
        (None, _) => "a constant, such as f32::NAN, that the model or the loss has",
    }
}

/// Whether a gradient is such as that of a branch that `where` does not take: nothing times infinity, nothing by nothing.
fn may_be_a_branch(source: &NonFinite, first: Option<f32>, second: Option<f32>) -> bool {
    let is_zero = |x: Option<f32>| x == Some(0.0);
    match source.operation {
        "div" => is_zero(second),
        "mul" => is_zero(first) || is_zero(second) || source.found.is_nan(),
        "rsqrt" | "reciprocal" | "log" | "pow" => true,
        _ => false,
    }
}

fn of_operation(source: &NonFinite, first: Option<f32>, second: Option<f32>) -> Option<&'static str> {
    let is_zero = |x: Option<f32>| x == Some(0.0);
    let is_negative = |x: Option<f32>| x.is_some_and(|x| x < 0.0);
    let is_large = |operand: &Operand| operand.range.is_some_and(|(least, most)| least.abs().max(most.abs()) > 1e15);
    if let Some(of) = source.gradient_of {
        match of {
            "sqrt" | "rsqrt" | "pow" if source.operation != "mul" || source.found.is_nan() || is_zero(second) => {
                return Some(
                    "the slope of a root at 0 is infinite (so is that of a norm or a standard deviation): add an eps below the \
                     root, `(x.square().sum() + 1e-12).sqrt()`",
                );
            }
            "log" => return Some("the slope of log at 0 is infinite: clamp before it, or add an eps"),
            "acos" | "asin" | "acosh" | "atanh" => {
                return Some(
                    "the slope at the end of where the function is defined is infinite: clamp a little inside of it",
                );
            }
            "div" | "reciprocal" => {
                return Some("the gradient of a division by a number near 0: add an eps to the divisor");
            }
            _ => {}
        }
    }
    match source.operation {
        "log" | "log1p" if is_negative(first) => Some(
            "the logarithm of a negative number: is the operand meant to be a probability or a distance? clamp it, or take its \
             absolute value",
        ),
        "log" | "log1p" => Some(
            "the logarithm of 0: clamp before it, `x.clamp(1e-7, 1.0).log()`, or add an eps; of probabilities take \
             `log_softmax` or `logsigmoid` of the scores, and losses of scores (`cross_entropy`, `bce_with_logits`)",
        ),
        "div" if is_zero(first) && is_zero(second) => Some(
            "0 / 0: a mean of nothing (all labels ignored, an empty mask: train on batches where one counts), or the norm of \
             nothing (add an eps to the divisor)",
        ),
        "div" | "reciprocal" => Some("a division by 0 or by nearly 0: add an eps to the divisor, or clamp it"),
        "rsqrt" => Some("the reciprocal root of 0 or of a negative number: add an eps below the root"),
        "sqrt" => {
            Some("the root of a negative number: a variance may come out just below 0; clamp it to 0, or add an eps")
        }
        "exp" | "expm1" | "sinh" | "cosh" => Some(
            "exp exceeds f32 above 88.7: subtract the maximum before (as `softmax` and `logsumexp` do), or clamp its operand",
        ),
        "pow" => Some(
            "a negative number to a power that is not whole, 0 to a negative power, or more than f32 holds: clamp the base",
        ),
        "acos" | "asin" | "atanh" | "acosh" => {
            Some("the operand lies outside of where the function is defined: clamp it")
        }
        "mul" | "matmul" | "conv" | "sum" | "prod" | "add" | "sub" | "avg_pool" | "index_add"
            if source.stage != Stage::Update
                && (source.found.is_infinite() || source.operands.iter().any(is_large)) =>
        {
            Some(
                "numbers have grown beyond f32 (3.4e38): the training diverges, or inputs are not scaled; a lower learning rate, \
                 `clip_grad_norm`, a normalisation, or inputs near 1",
            )
        }
        _ => None,
    }
}
