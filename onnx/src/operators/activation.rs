//! Activation functions, softmax and its kin. Along which axis, if any, the node says.

use kiln_graph::{DType, Value, functions};

use super::Row;
use crate::error::Fault;
use crate::read::context::{Context, Results, axis, one};

pub const TABLE: &[Row] = &[
    Row::new("Celu", 12, |c| c.like(0, functions::celu(c.float(0)?, c.float_attribute("alpha", 1.0)?))),
    Row::new("Elu", 1, |c| c.like(0, functions::elu(c.float(0)?, c.float_attribute("alpha", 1.0)?))),
    Row::new("Gelu", 20, |c| c.like(0, functions::gelu(c.float(0)?, c.text("approximate", "none")?))),
    Row::new("HardSigmoid", 1, hard_sigmoid),
    Row::new("HardSwish", 14, |c| c.like(0, functions::hardswish(c.float(0)?))),
    Row::new("Hardmax", 1, hardmax),
    Row::new("LeakyRelu", 1, |c| c.like(0, functions::leaky_relu(c.float(0)?, c.float_attribute("alpha", 0.01)?))),
    Row::new("LogSoftmax", 1, |c| normalized(c, |x, axis| x.log_softmax(axis))),
    Row::new("Mish", 18, |c| c.like(0, functions::mish(c.float(0)?))),
    Row::new("PRelu", 7, prelu).weights(&[1]),
    Row::new("Relu", 1, relu),
    Row::new("Selu", 1, selu),
    Row::new("Shrink", 9, shrink),
    Row::new("Sigmoid", 1, |c| c.like(0, c.float(0)?.sigmoid())),
    Row::new("Softmax", 1, |c| normalized(c, |x, axis| x.softmax(axis))),
    Row::new("Softplus", 1, softplus),
    Row::new("Softsign", 1, |c| c.like(0, functions::softsign(c.float(0)?))),
    Row::new("SwiGLU", 1, swiglu),
    Row::new("Swish", 24, swish),
    Row::new("Tanh", 1, |c| c.like(0, c.float(0)?.tanh())),
    Row::new("ThresholdedRelu", 1, thresholded_relu),
];

fn hard_sigmoid<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let (alpha, beta) = (c.float_attribute("alpha", 0.2)?, c.float_attribute("beta", 0.5)?);
    c.like(0, (c.float(0)? * alpha + beta).clamp(0.0, 1.0))
}

fn relu<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.number(0)?;
    c.like(0, if x.dtype() == DType::F32 { x.relu() } else { x.maximum(0) })
}

fn selu<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let alpha = c.float_attribute("alpha", 1.673_263_192_176_818_8)?;
    let gamma = c.float_attribute("gamma", 1.050_701_022_148_132_3)?;
    let x = c.float(0)?;
    c.like(0, functions::elu(x, alpha) * gamma)
}

fn softplus<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.float(0)?;
    // log(1 + e^x) without a power that overflows.
    c.like(0, x.relu() + (-x.abs()).exp().log1p())
}

fn swish<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.float(0)?;
    c.like(0, x * (x * c.float_attribute("alpha", 1.0)?).sigmoid())
}

fn swiglu<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let (gate, up) = (c.float(0)?, c.float(1)?);
    c.like(0, gate * (gate * c.float_attribute("alpha", 1.0)?).sigmoid() * up)
}

fn thresholded_relu<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.float(0)?;
    c.like(0, x.gt(c.float_attribute("alpha", 1.0)?).select(x, 0.0))
}

fn shrink<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let (x, bias, lambd) = (c.float(0)?, c.float_attribute("bias", 0.0)?, c.float_attribute("lambd", 0.5)?);
    c.like(0, x.lt(-lambd).select(x + bias, x.gt(lambd).select(x - bias, 0.0)))
}

/// The slope is broadcast.
fn prelu<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let (x, slope) = (c.number(0)?, c.number(1)?);
    let result = if x.dtype() == DType::F32 { x.lt(0.0).select(x * slope, x) } else { x.lt(0).select(x * slope, x) };
    c.like(0, result)
}

/// Before version 13 all axes from the given one on are one.
fn normalized<'g>(c: &Context<'_, 'g>, function: impl Fn(Value<'g>, usize) -> Value<'g>) -> Results<'g> {
    let x = c.float(0)?;
    let shape = x.shape();
    let last = c.version() >= 13;
    let along = c.int_attribute("axis", if last { -1 } else { 1 })?;
    if last {
        return c.like(0, function(x, axis(along, shape.rank())?));
    }
    let along = if along == shape.rank() as i64 { shape.rank() } else { axis(along, shape.rank())? };
    let rows: usize = shape.dims()[..along].iter().product();
    let columns: usize = shape.dims()[along..].iter().product();
    c.like(0, function(x.reshape([rows, columns]), 1).reshape(shape))
}

fn hardmax<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.float(0)?;
    if x.shape().rank() == 0 {
        return Err(Fault::invalid("a number without axes"));
    }
    normalized(c, |x, along| {
        let place = x.argmax(along).unsqueeze(along);
        x.graph().iota(x.shape(), along).eq(place).convert(DType::F32)
    })
    .and_then(|mut results| one(results.remove(0)))
}
