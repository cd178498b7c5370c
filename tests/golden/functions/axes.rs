//! Functions along axes, and products.

use kiln_graph::{DType, Value, functions, written};
use serde_json::{Value as Json, json};

use super::{Call, Results};
use kiln_graph::shape::functions::Elements::Mixed;

pub fn compute<'g>(call: &Call<'_, 'g>) -> Results<'g> {
    let dims = call.axes();
    let (dim, keep) = (dims.as_deref(), call.flag("keepdim", false));
    let number = |name, default| call.number_or(name, default);
    let axis = || call.attributes.int("dim").ok_or_else(|| crate::case::Refusal::Case("no `dim`".into()));
    let correction = match (call.number("correction"), call.attributes.get("unbiased")) {
        (Some(correction), _) => correction,
        (None, Some(unbiased)) => f64::from(u8::from(unbiased == true)),
        (None, None) => 1.0,
    };
    if let Some(product) = product(call)? {
        return Ok(Some(vec![product]));
    }
    let Ok(x) = call.at(0) else { return Ok(None) };
    call.lacks(&[("dtype", json!("torch.float64"))])?;
    let value = match call.op {
        "all" => functions::all(x, dim, keep),
        "any" => functions::any(x, dim, keep),
        "amax" => functions::amax(x, dim, keep),
        "amin" => functions::amin(x, dim, keep),
        "max" | "min" if call.operands.len() == 2 => {
            let [a, b] = written::alike(false, [(Mixed, x), (Mixed, call.at(1)?)]);
            if call.op == "max" { a.maximum(b) } else { a.minimum(b) }
        }
        "max" if dim.is_none() => functions::amax(x, None, false),
        "min" if dim.is_none() => functions::amin(x, None, false),
        "max" => return Ok(Some(functions::max(x, axis()?, keep))),
        "min" => return Ok(Some(functions::min(x, axis()?, keep))),
        "aminmax" => return Ok(Some(functions::aminmax(x, call.attributes.int("dim"), keep))),
        "argmax" => functions::argmax(x, call.attributes.int("dim"), keep),
        "argmin" => functions::argmin(x, call.attributes.int("dim"), keep),
        "argsort" => functions::argsort(x, call.int("dim", -1), call.flag("descending", false)),
        "sort" => return Ok(Some(functions::sort(x, call.int("dim", -1), call.flag("descending", false)))),
        "topk" => {
            let (k, largest) = (call.size("k", 1)?, call.flag("largest", true));
            return Ok(Some(functions::topk(x, k, call.int("dim", -1), largest)));
        }
        "mode" => return Ok(Some(functions::mode(x, call.int("dim", -1), keep))),
        "msort" => functions::msort(x),
        "kthvalue" => return Ok(Some(functions::kthvalue(x, call.size("k", 1)?, call.int("dim", -1), keep))),
        "median" if dim.is_none() => functions::median_of_all(x),
        "median" => return Ok(Some(functions::median(x, axis()?, keep))),
        "quantile" | "nanquantile" => {
            let (ignores, way) = (call.op == "nanquantile", call.text("interpolation", "linear"));
            let axis = dim.map(|_| axis()).transpose()?;
            match (call.number("q"), call.at(1)) {
                (Some(q), _) if ignores => functions::nanquantile(x, q, axis, keep, way),
                (Some(q), _) => functions::quantile(x, q, axis, keep, way),
                (None, q) if ignores => functions::nanquantile_by(x, q?, axis, keep, way),
                (None, q) => functions::quantile_by(x, q?, axis, keep, way),
            }
        }
        "nanmedian" if dim.is_none() => functions::nanmedian_of_all(x),
        "nanmedian" => return Ok(Some(functions::nanmedian(x, axis()?, keep))),
        "cov" => functions::cov(x, number("correction", 1.0), call.named("fweights"), call.named("aweights")),
        "corrcoef" => functions::corrcoef(x),
        "trapezoid" | "trapz" => match call.at(1) {
            Ok(places) => functions::trapezoid_over(x, places, call.int("dim", -1)),
            Err(_) => functions::trapezoid(x, number("dx", 1.0), call.int("dim", -1)),
        },
        "cumulative_trapezoid" => match call.at(1) {
            Ok(places) => functions::cumulative_trapezoid_over(x, places, call.int("dim", -1)),
            Err(_) => functions::cumulative_trapezoid(x, number("dx", 1.0), call.int("dim", -1)),
        },
        "count_nonzero" => functions::count_nonzero(x, dim),
        "cummax" => return Ok(Some(functions::cummax(x, axis()?))),
        "cummin" => return Ok(Some(functions::cummin(x, axis()?))),
        "cumprod" => x.cumprod(axis()?),
        "cumsum" => functions::cumsum(x, axis()?),
        "logcumsumexp" => functions::logcumsumexp(x, axis()?),
        "diff" => {
            let (before, behind) = (call.named("prepend"), call.named("append"));
            functions::diff(x, call.size("n", 1)?, call.int("dim", -1), before, behind)
        }
        "dist" => functions::dist(x, call.at(1)?, number("p", 2.0)),
        "histc" => functions::histc(x, call.size("bins", 100)?, number("min", 0.0), number("max", 0.0)),
        "isin" => functions::isin(x, call.at(1)?),
        "bucketize" => functions::bucketize(x, call.at(1)?, call.flag("right", false)),
        "searchsorted" => match call.attributes.text("side") {
            Some(side) => functions::searchsorted_at(x, call.at(1)?, side, call.named("sorter")),
            None => functions::searchsorted(x, call.at(1)?, call.flag("right", false), call.named("sorter")),
        },
        "log_softmax" => x.log_softmax(axis()?),
        "softmax" => x.softmax(axis()?),
        "softmin" => functions::softmin(x, axis()? as i32),
        "logsumexp" => functions::logsumexp(x, dim.ok_or_else(|| crate::case::Refusal::Case("no `dim`".into()))?, keep),
        "mean" => functions::mean(x, dim, keep),
        "prod" => functions::prod(x, dim, keep),
        "sum" => functions::sum(x, dim, keep),
        "nanmean" => functions::nanmean(x, dim, keep),
        "nansum" => functions::nansum(x, dim, keep),
        "var" => functions::var(x, dim, correction, keep),
        "std" => functions::std(x, dim, correction, keep),
        "var_mean" => return Ok(Some(functions::var_mean(x, dim, correction, keep))),
        "std_mean" => return Ok(Some(functions::std_mean(x, dim, correction, keep))),
        "norm" => {
            call.lacks(&[("p", json!("fro"))]).or_else(|refusal| match call.number("p") {
                Some(_) => Ok(()),
                None => Err(refusal),
            })?;
            functions::norm(x, number("p", 2.0), dim, keep)
        }
        "linalg_vector_norm" => functions::norm(x, number("ord", 2.0), dim, keep),
        "normalize" => functions::normalize(x, number("p", 2.0), call.int("dim", 1), number("eps", 1e-12)),
        "renorm" => functions::renorm(x, call.need("p")?, axis()?, call.need("maxnorm")?),
        "glu" => functions::glu(x, call.int("dim", -1)),
        "trace" => functions::trace(x),
        _ => return Ok(None),
    };
    Ok(Some(vec![value]))
}

fn product<'g>(call: &Call<'_, 'g>) -> Result<Option<Value<'g>>, crate::case::Refusal> {
    let (beta, alpha) = (call.number_or("beta", 1.0), call.number_or("alpha", 1.0));
    let at = |place| call.at(place);
    Ok(Some(match call.op {
        "addbmm" => functions::addbmm(at(0)?, at(1)?, at(2)?, beta, alpha),
        "addmm" => functions::addmm(at(0)?, at(1)?, at(2)?, beta, alpha),
        "addmv" => functions::addmv(at(0)?, at(1)?, at(2)?, beta, alpha),
        "addr" => functions::addr(at(0)?, at(1)?, at(2)?, beta, alpha),
        "baddbmm" => functions::baddbmm(at(0)?, at(1)?, at(2)?, beta, alpha),
        "bmm" => functions::bmm(at(0)?, at(1)?),
        "mm" => functions::mm(at(0)?, at(1)?),
        "mv" => functions::mv(at(0)?, at(1)?),
        "matmul" => at(0)?.matmul(at(1)?),
        "dot" | "vdot" => functions::dot(at(0)?, at(1)?),
        "inner" => functions::inner(at(0)?, at(1)?),
        "outer" => functions::outer(at(0)?, at(1)?),
        "kron" => functions::kron(at(0)?, at(1)?),
        "cross" => {
            let axis = call.attributes.int("dim").ok_or_else(|| crate::case::Refusal::later("cross without dim"))?;
            functions::cross(at(0)?, at(1)?, axis)
        }
        "linalg_cross" => functions::cross(at(0)?, at(1)?, call.int("dim", -1)),
        "einsum" => functions::einsum(call.text("equation", ""), &call.operands),
        "cdist" => functions::cdist(at(0)?, at(1)?, call.number_or("p", 2.0)),
        "pdist" => functions::pdist(at(0)?, call.number_or("p", 2.0)),
        "bilinear" => functions::bilinear(at(0)?, at(1)?, at(2)?, call.named("bias")),
        "cosine_similarity" => {
            functions::cosine_similarity(at(0)?, at(1)?, call.int("dim", 1), call.number_or("eps", 1e-8))
        }
        "pairwise_distance" => {
            let (p, eps) = (call.number_or("p", 2.0), call.number_or("eps", 1e-6));
            functions::pairwise_distance(at(0)?, at(1)?, p, eps, call.flag("keepdim", false))
        }
        "tensordot" => match call.attributes.get("dims") {
            Some(Json::Array(dims)) => {
                let axes = |place: usize| -> Vec<isize> {
                    let axes = dims.get(place).and_then(Json::as_array).into_iter().flatten();
                    axes.filter_map(Json::as_i64).map(|axis| axis as isize).collect()
                };
                functions::tensordot_by(at(0)?, at(1)?, (&axes(0), &axes(1)))
            }
            _ => functions::tensordot(at(0)?, at(1)?, call.size("dims", 2)?),
        },
        "linalg_vecdot" => functions::vecdot(at(0)?, at(1)?, call.int("dim", -1)),
        "linear" => functions::linear(at(0)?, at(1)?, call.named("bias")),
        "scaled_dot_product_attention" => {
            let mask = call.named("attn_mask").map(|mask| if mask.dtype() == DType::I32 { mask.ne(0) } else { mask });
            let (dropout, causal) = (call.number_or("dropout_p", 0.0), call.flag("is_causal", false));
            let shared = call.flag("enable_gqa", false);
            functions::scaled_dot_product_attention(
                at(0)?,
                at(1)?,
                at(2)?,
                mask,
                dropout,
                causal,
                call.number("scale"),
                shared,
            )
        }
        _ => return Ok(None),
    }))
}
