//! Layers as functions, whose weights are tensors.

use kiln_graph::{DType, functions};
use serde_json::json;

use super::{Call, Results};

pub fn compute<'g>(call: &Call<'_, 'g>) -> Results<'g> {
    let at = |place| call.at(place);
    let Ok(x) = at(0) else { return Ok(None) };
    let sizes = |name: &str, default: &[usize]| call.sizes(name, default);
    let (weight, bias) = (call.named("weight"), call.named("bias"));
    let eps = call.number_or("eps", 1e-5);
    macro_rules! convolution {
        ($conv:ident, $by_word:ident) => {{
            let (stride, dilation, groups) =
                (sizes("stride", &[1])?, sizes("dilation", &[1])?, call.size("groups", 1)?);
            match call.attributes.text("padding") {
                Some(word) => functions::$by_word(x, at(1)?, bias, &stride, word, &dilation, groups),
                None => functions::$conv(x, at(1)?, bias, &stride, &sizes("padding", &[0])?, &dilation, groups),
            }
        }};
    }
    macro_rules! transposed {
        ($conv:ident) => {{
            let (stride, padding) = (sizes("stride", &[1])?, sizes("padding", &[0])?);
            let (output, dilation) = (sizes("output_padding", &[0])?, sizes("dilation", &[1])?);
            functions::$conv(x, at(1)?, bias, &stride, &padding, &output, call.size("groups", 1)?, &dilation)
        }};
    }
    let value = match call.op {
        "conv1d" => convolution!(conv1d, conv1d_by_word),
        "conv2d" => convolution!(conv2d, conv2d_by_word),
        "conv3d" => convolution!(conv3d, conv3d_by_word),
        "conv_transpose1d" => transposed!(conv_transpose1d),
        "conv_transpose2d" => transposed!(conv_transpose2d),
        "conv_transpose3d" => transposed!(conv_transpose3d),
        "batch_norm" => {
            let (training, momentum) = (call.flag("training", false), call.number_or("momentum", 0.1));
            let (mean, variance) = (call.named("running_mean"), call.named("running_var"));
            functions::batch_norm(x, mean, variance, weight, bias, training, momentum, eps)
        }
        "instance_norm" => {
            let (own, momentum) = (call.flag("use_input_stats", true), call.number_or("momentum", 0.1));
            let (mean, variance) = (call.named("running_mean"), call.named("running_var"));
            functions::instance_norm(x, mean, variance, weight, bias, own, momentum, eps)
        }
        "layer_norm" => functions::layer_norm(x, &sizes("normalized_shape", &[])?, weight, bias, eps),
        "rms_norm" => functions::rms_norm(x, &sizes("normalized_shape", &[])?, weight, call.number("eps")),
        "group_norm" => functions::group_norm(x, call.size("num_groups", 1)?, weight, bias, eps),
        "local_response_norm" => {
            let (alpha, beta) = (call.number_or("alpha", 1e-4), call.number_or("beta", 0.75));
            functions::local_response_norm(x, call.size("size", 1)?, alpha, beta, call.number_or("k", 1.0))
        }
        "embedding" => {
            call.lacks(&[("max_norm", json!(null)), ("scale_grad_by_freq", json!(false))])?;
            functions::embedding(x, at(1)?, call.attributes.int("padding_idx"))
        }
        "embedding_bag" => {
            call.lacks(&[("max_norm", json!(null)), ("scale_grad_by_freq", json!(false))])?;
            // PyTorch's samples begin with the table.
            let (x, table) = if x.dtype() == DType::F32 { (at(1)?, x) } else { (x, at(1)?) };
            let (mode, weights) = (call.text("mode", "mean"), call.named("per_sample_weights"));
            let padding = call.attributes.int("padding_idx");
            match call.named("offsets") {
                Some(offsets) => {
                    let last = call.flag("include_last_offset", false);
                    functions::embedding_bag_by_offsets(x, table, offsets, mode, weights, last, padding)
                }
                None => functions::embedding_bag(x, table, mode, weights, padding),
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(vec![value]))
}
