//! Functions of single elements.

use kiln_graph::layers::{activation, rectifier};
use kiln_graph::shape::functions::Elements::{Alike, Compared, Float, Mixed, Real};
use kiln_graph::{Value, functions, written};

use super::{Call, Results};
use crate::ops;

pub fn compute<'g>(call: &Call<'_, 'g>) -> Results<'g> {
    let value = match one(call)? {
        Some(value) => Some(value),
        None => several(call)?,
    };
    Ok(value.map(|value| vec![value]))
}

fn one<'g>(call: &Call<'_, 'g>) -> Result<Option<Value<'g>>, crate::case::Refusal> {
    let Ok(x) = call.at(0) else { return Ok(None) };
    let whole = |of_whole: fn(Value<'g>) -> Value<'g>| of_whole(x);
    Ok(Some(match call.op {
        "abs" => functions::abs(x),
        "neg" => written::neg(x),
        "sign" | "sgn" => functions::sign(x),
        "square" => x.square(),
        "bool" => functions::bool(x),
        "float" => functions::float(x),
        "int" | "long" => functions::int(x),
        "clone" | "contiguous" | "positive" => functions::same(x),
        "ones_like" => functions::ones_like(x),
        "zeros_like" => functions::zeros_like(x),
        "full_like" => functions::full_like(x, call.need("fill_value")?),
        "logical_not" => functions::logical_not(x),
        "acos" => x.acos(),
        "acosh" => x.acosh(),
        "asin" => x.asin(),
        "asinh" => x.asinh(),
        "atanh" => x.atanh(),
        "cosh" => x.cosh(),
        "sinh" => x.sinh(),
        "expm1" => x.expm1(),
        "floor" => x.floor(),
        "round" => x.round(),
        "relu" => x.relu(),
        "atan" => whole(functions::atan),
        "ceil" => whole(functions::ceil),
        "trunc" => whole(functions::trunc),
        "frac" => whole(functions::frac),
        "tan" => whole(functions::tan),
        "exp2" => whole(functions::exp2),
        "log2" => whole(functions::log2),
        "log10" => whole(functions::log10),
        "sinc" => whole(functions::sinc),
        "lgamma" => whole(functions::lgamma),
        "digamma" => whole(functions::digamma),
        "polygamma" => functions::polygamma(call.size("n", 0)?, x),
        "mvlgamma" => functions::mvlgamma(x, call.size("p", 1)?),
        "erfc" => whole(functions::erfc),
        "erfinv" => whole(functions::erfinv),
        "i0" => whole(functions::i0),
        "special_i0e" => whole(functions::i0e),
        "special_i1" => whole(functions::i1),
        "special_i1e" => whole(functions::i1e),
        "special_erfcx" => whole(functions::erfcx),
        "special_log_ndtr" => whole(functions::log_ndtr),
        "special_ndtr" => whole(functions::ndtr),
        "special_entr" => whole(functions::entr),
        "rad2deg" => whole(functions::rad2deg),
        "deg2rad" => whole(functions::deg2rad),
        "signbit" => whole(functions::signbit),
        "isposinf" => whole(functions::isposinf),
        "isneginf" => whole(functions::isneginf),
        "isnan" => whole(functions::isnan),
        "isinf" => whole(functions::isinf),
        "isfinite" => whole(functions::isfinite),
        "hardsigmoid" => whole(functions::hardsigmoid),
        "hardswish" => whole(functions::hardswish),
        "logsigmoid" => whole(functions::logsigmoid),
        "mish" => whole(functions::mish),
        "relu6" => whole(functions::relu6),
        "selu" => whole(functions::selu),
        "silu" => whole(functions::silu),
        "softsign" => whole(functions::softsign),
        "tanhshrink" => whole(functions::tanhshrink),
        "celu" => activation::celu(x, call.number_or("alpha", 1.0)),
        "elu" => activation::elu(x, call.number_or("alpha", 1.0)),
        "gelu" => functions::gelu(x, call.text("approximate", "none")),
        "hardshrink" => functions::hardshrink(x, call.number_or("lambd", 0.5)),
        "softshrink" => functions::softshrink(x, call.number_or("lambd", 0.5)),
        "hardtanh" => functions::hardtanh(x, call.number_or("min_val", -1.0), call.number_or("max_val", 1.0)),
        "leaky_relu" => functions::leaky_relu(x, call.number_or("negative_slope", 0.01)),
        "softplus" => functions::softplus(x, call.number_or("beta", 1.0), call.number_or("threshold", 20.0)),
        "threshold" => rectifier::threshold(x, call.need("threshold")?, call.need("value")?),
        "logit" => functions::logit(x, call.number("eps")),
        "nan_to_num" => {
            let number = |name| call.number(name);
            functions::nan_to_num(x, call.number_or("nan", 0.0), number("posinf"), number("neginf"))
        }
        "clamp" if call.operands.len() == 1 => functions::clamp(x, call.number("min"), call.number("max")),
        "clamp_min" if call.operands.len() == 1 => functions::clamp_min(x, call.need("min")?),
        "clamp_max" if call.operands.len() == 1 => functions::clamp_max(x, call.need("max")?),
        op => return Ok(ops::unary(op, x)),
    }))
}

fn several<'g>(call: &Call<'_, 'g>) -> Result<Option<Value<'g>>, crate::case::Refusal> {
    let pair = |taken| call.pair(taken, "other");
    let of = |taken, function: fn(Value<'g>, Value<'g>) -> Value<'g>| pair(taken).map(|[a, b]| function(a, b));
    let value = call.number_or("value", 1.0);
    Ok(Some(match call.op {
        "add" | "sub" | "rsub" => {
            let [a, b] = pair(Mixed)?;
            let scaled = |b: Value<'g>| call.number("alpha").map_or(b, |alpha| b * alpha);
            match call.op {
                "add" => a + scaled(b),
                "sub" => a - scaled(b),
                _ => b - scaled(a),
            }
        }
        "mul" => of(Mixed, |a, b| a * b)?,
        "div" | "true_divide" => match call.attributes.text("rounding_mode") {
            Some(mode) => {
                let [a, b] = pair(Mixed)?;
                functions::div_rounded(a, b, mode)
            }
            None => of(Real, |a, b| a / b)?,
        },
        "pow" => {
            let [a, b] = call.pair(Real, "exponent")?;
            a.pow(b)
        }
        "maximum" => of(Mixed, |a, b| a.maximum(b))?,
        "minimum" => of(Mixed, |a, b| a.minimum(b))?,
        "fmod" => of(Mixed, |a, b| functions::fmod(a, b))?,
        "remainder" => of(Mixed, |a, b| functions::remainder(a, b))?,
        "floor_divide" => of(Mixed, |a, b| functions::floor_divide(a, b))?,
        "eq" => of(Compared, |a, b| a.eq(b))?,
        "ne" => of(Compared, |a, b| a.ne(b))?,
        "lt" => of(Compared, |a, b| a.lt(b))?,
        "le" => of(Compared, |a, b| a.le(b))?,
        "gt" => of(Compared, |a, b| a.gt(b))?,
        "ge" => of(Compared, |a, b| a.ge(b))?,
        "atan2" => of(Float, |a, b| a.atan2(b))?,
        "fmax" => of(Float, |a, b| functions::fmax(a, b))?,
        "fmin" => of(Float, |a, b| functions::fmin(a, b))?,
        "hypot" => of(Float, |a, b| functions::hypot(a, b))?,
        "copysign" => of(Float, |a, b| functions::copysign(a, b))?,
        "xlogy" => of(Float, |a, b| functions::xlogy(a, b))?,
        "logaddexp" => of(Float, |a, b| functions::logaddexp(a, b))?,
        "logaddexp2" => of(Float, |a, b| functions::logaddexp2(a, b))?,
        "isclose" => {
            let [a, b] = pair(Mixed)?;
            let number = |name, default| call.number_or(name, default);
            functions::isclose(a, b, number("rtol", 1e-5), number("atol", 1e-8), call.flag("equal_nan", false))
        }
        "logical_and" => of(Alike, |a, b| functions::logical_and(a, b))?,
        "logical_or" => of(Alike, |a, b| functions::logical_or(a, b))?,
        "logical_xor" => of(Alike, |a, b| functions::logical_xor(a, b))?,
        "heaviside" => functions::heaviside(call.at(0)?, call.at(1)?),
        "ldexp" => of(Real, |a, b| functions::ldexp(a, b))?,
        "special_xlog1py" => of(Float, |a, b| functions::xlog1py(a, b))?,
        "clamp" => match (call.number("min"), call.number("max")) {
            (Some(min), _) => functions::clamp_by(call.at(0)?, min, call.at(1)?),
            (_, Some(max)) => functions::clamp_by(call.at(0)?, call.at(1)?, max),
            _ if call.operands.len() < 3 => {
                return Err(crate::case::Refusal::later("clamp by one tensor without its name"));
            }
            _ => functions::clamp_by(call.at(0)?, call.at(1)?, call.at(2)?),
        },
        "addcmul" => functions::addcmul(call.at(0)?, call.at(1)?, call.at(2)?, value),
        "addcdiv" => functions::addcdiv(call.at(0)?, call.at(1)?, call.at(2)?, value),
        "lerp" => match call.at(2) {
            Ok(weight) => functions::lerp(call.at(0)?, call.at(1)?, weight),
            Err(_) => functions::lerp(call.at(0)?, call.at(1)?, call.need("weight")?),
        },
        "masked_fill" => functions::masked_fill(call.at(0)?, call.at(1)?, call.need("value")?),
        "where" => {
            // PyTorch's samples have the condition second.
            let taken = kiln_graph::shape::functions::Elements::Alike;
            let [a, b] = written::alike(false, [(taken, call.at(0)?), (taken, call.at(2)?)]);
            functions::where_(call.at(1)?, a, b)
        }
        "prelu" => functions::prelu(call.at(0)?, call.at(1)?),
        _ => return Ok(None),
    }))
}
