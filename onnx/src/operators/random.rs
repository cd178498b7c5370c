//! What is drawn: dropout, and numbers of distributions. The numbers are Kiln's: those of other implementations for the
//! same seed are not known.

use kiln_graph::{DType, Shape, Value, functions};

use super::{Fold, Row};
use crate::element::Element;
use crate::error::Fault;
use crate::read::context::{Context, Results, extent, one, shape};

pub const TABLE: &[Row] = &[
    Row::new("Bernoulli", 15, bernoulli).fold(Fold::Never),
    Row::new("Dropout", 1, dropout).fold(Fold::Never).statics(&[1, 2]),
    Row::new("RandomNormal", 1, |c| normal(c, drawn_shape(c)?)).fold(Fold::Never),
    Row::new("RandomNormalLike", 1, |c| normal(c, c.shape(0)?)).fold(Fold::Never),
    Row::new("RandomUniform", 1, |c| uniform(c, drawn_shape(c)?)).fold(Fold::Never),
    Row::new("RandomUniformLike", 1, |c| uniform(c, c.shape(0)?)).fold(Fold::Never),
];

fn drawn_shape(c: &Context<'_, '_>) -> Result<Shape, Fault> {
    let list = c.ints_of("shape")?.ok_or_else(|| Fault::invalid("no `shape` is given"))?;
    shape(&list.into_iter().map(extent).collect::<Result<Vec<_>, _>>()?)
}

/// The element type of what is drawn, which is that of the operand where there is one.
fn drawn<'g>(c: &Context<'_, 'g>, value: Value<'g>) -> Results<'g> {
    let of_operand = if c.has(0) { c.element(0)? } else { Element::F32 };
    one(c.typed(value, c.element_of("dtype")?.unwrap_or(of_operand)))
}

fn normal<'g>(c: &Context<'_, 'g>, shape: Shape) -> Results<'g> {
    let (mean, scale) = (c.float_attribute("mean", 0.0)?, c.float_attribute("scale", 1.0)?);
    drawn(c, functions::randn(c.g, shape.dims()) * scale + mean)
}

fn uniform<'g>(c: &Context<'_, 'g>, shape: Shape) -> Results<'g> {
    let (low, high) = (c.float_attribute("low", 0.0)?, c.float_attribute("high", 1.0)?);
    drawn(c, functions::rand(c.g, shape.dims()) * (high - low) + low)
}

fn bernoulli<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let to = c.element_of("dtype")?.unwrap_or(c.element(0)?);
    let carrier = to.carrier().ok_or(Fault::Element(to))?;
    one(c.typed(functions::bernoulli(c.float(0)?).convert(carrier), to))
}

/// Results: what is left, and a mask of it. Nothing is dropped but where the node asks for it, or a graph that is trained.
fn dropout<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let ratio = match c.version() {
        ..12 => c.float_attribute("ratio", 0.5)?,
        _ if c.has(1) => c.single(1)?,
        _ => 0.5,
    };
    if !(0.0..1.0).contains(&ratio) {
        return Err(Fault::invalid(format!("a ratio of {ratio}")));
    }
    let asked = c.version() >= 12 && c.has(2) && c.int(2)? != 0;
    let x = c.item(0)?.clone();
    let everything = |shape: Shape| c.g.scalar_of(DType::Bool, 1.0).broadcast_to(shape);
    if (!asked && !c.g.training()) || ratio == 0.0 {
        let mask = if c.wants(1) { everything(c.shape(0)?) } else { c.g.scalar_of(DType::Bool, 1.0) };
        return Ok(vec![x, mask.into()]);
    }
    let x = c.float(0)?;
    let stays = functions::rand(c.g, x.shape().dims()).ge(ratio);
    let kept = stays.select(x * (1.0 / (1.0 - ratio)), 0.0);
    Ok([c.like(0, kept)?, vec![stays.into()]].concat())
}
