//! Reductions over axes, and running sums and products along one.

use kiln_graph::{DType, Shape, Value};

use super::Row;
use super::shapes::{axes_of, empty};
use crate::error::Fault;
use crate::read::context::{Context, Results, axes, axis, one, shape};

pub const TABLE: &[Row] = &[
    Row::new("ArgMax", 1, |c| place(c, true)),
    Row::new("ArgMin", 1, |c| place(c, false)),
    Row::new("CumProd", 26, |c| running(c, true)).statics(&[1]),
    Row::new("CumSum", 11, |c| running(c, false)).statics(&[1]),
    Row::new("ReduceL1", 1, |c| reduce(c, &L1)).statics(&[1]),
    Row::new("ReduceL2", 1, |c| reduce(c, &L2)).statics(&[1]),
    Row::new("ReduceLogSum", 1, |c| reduce(c, &LOG_SUM)).statics(&[1]),
    Row::new("ReduceLogSumExp", 1, |c| reduce(c, &LOG_SUM_EXP)).statics(&[1]),
    Row::new("ReduceMax", 1, |c| reduce(c, &MAX)).statics(&[1]),
    Row::new("ReduceMean", 1, |c| reduce(c, &MEAN)).statics(&[1]),
    Row::new("ReduceMin", 1, |c| reduce(c, &MIN)).statics(&[1]),
    Row::new("ReduceProd", 1, |c| reduce(c, &PROD)).statics(&[1]),
    Row::new("ReduceSum", 1, |c| reduce(c, &SUM)).statics(&[1]),
    Row::new("ReduceSumSquare", 1, |c| reduce(c, &SUM_SQUARE)).statics(&[1]),
];

/// A reduction over axes: what it makes of a value, and what no elements give.
struct Reduction {
    over: for<'g> fn(Value<'g>, &[usize]) -> Value<'g>,
    /// None where ONNX does not say.
    of_none: Option<f64>,
    /// The first version of the set of operators whose axes are an operand.
    operand_since: i64,
    /// Whether whole numbers are computed with as f32: the result is theirs where it has 24 bits at most.
    by_f32: bool,
}

const fn reduction(over: for<'g> fn(Value<'g>, &[usize]) -> Value<'g>, of_none: Option<f64>) -> Reduction {
    Reduction { over, of_none, operand_since: 18, by_f32: false }
}

const L1: Reduction = reduction(|x, axes| sum(super::elementwise::magnitude(x), axes), Some(0.0));
const L2: Reduction = Reduction { by_f32: true, ..reduction(|x, axes| sum(x.square(), axes).sqrt(), Some(0.0)) };
const LOG_SUM: Reduction =
    Reduction { by_f32: true, ..reduction(|x, axes| sum(x, axes).log(), Some(f64::NEG_INFINITY)) };
const LOG_SUM_EXP: Reduction = Reduction { by_f32: true, ..reduction(log_sum_exp, Some(f64::NEG_INFINITY)) };
const MAX: Reduction =
    Reduction { ..reduction(|x, axes| if axes.is_empty() { x } else { x.amax(axes) }, Some(f64::NEG_INFINITY)) };
const MEAN: Reduction =
    Reduction { by_f32: true, ..reduction(|x, axes| if axes.is_empty() { x } else { x.mean(axes) }, None) };
const MIN: Reduction = reduction(|x, axes| if axes.is_empty() { x } else { x.amin(axes) }, Some(f64::INFINITY));
const PROD: Reduction =
    Reduction { by_f32: true, ..reduction(|x, axes| if axes.is_empty() { x } else { x.prod(axes) }, Some(1.0)) };
const SUM: Reduction = Reduction { operand_since: 13, ..reduction(sum, Some(0.0)) };
const SUM_SQUARE: Reduction = reduction(|x, axes| sum(x * x, axes), Some(0.0));

fn sum<'g>(x: Value<'g>, axes: &[usize]) -> Value<'g> {
    if axes.is_empty() { x } else { x.sum(axes) }
}

/// `log(sum(exp(x)))` around the largest element, so that nothing overflows.
fn log_sum_exp<'g>(x: Value<'g>, axes: &[usize]) -> Value<'g> {
    if axes.is_empty() {
        return x;
    }
    let largest = x.detach().amax_keep(axes);
    // An infinite shift would give inf - inf.
    let shift = largest.abs().eq(f64::INFINITY).select(0.0, largest);
    let sum = (x - shift).exp().sum(axes);
    sum.log() + shift.reshape(sum.shape())
}

fn reduce<'g>(c: &Context<'_, 'g>, reduction: &Reduction) -> Results<'g> {
    let from = c.shape(0)?;
    let given = axes_of(c, reduction.operand_since)?.filter(|list| !list.is_empty());
    let over = match given {
        Some(list) => axes(&list, from.rank())?,
        None if c.flag("noop_with_empty_axes", false)? => Vec::new(),
        None => (0..from.rank()).collect(),
    };
    let keep = c.flag("keepdims", true)?;
    let extents: Vec<usize> = (0..from.rank())
        .filter(|axis| keep || !over.contains(axis))
        .map(|axis| if over.contains(&axis) { 1 } else { from.dim(axis) })
        .collect();
    let to = shape(&extents)?;
    if from.elements() == 0 {
        return without_elements(c, to, reduction);
    }
    let x = c.value(0)?;
    let number = match x.dtype() {
        DType::Bool => x.convert(DType::I32),
        DType::I32 if reduction.by_f32 => x.convert(DType::F32),
        DType::F32 | DType::Bf16 | DType::U8 | DType::I8 | DType::I32 => x,
    };
    let result = (reduction.over)(number, &over).reshape(to);
    let result = match x.dtype() {
        DType::Bool => result.convert(DType::Bool),
        // Towards 0, as a cast.
        DType::I32 => result.convert(DType::I32),
        DType::F32 | DType::Bf16 | DType::U8 | DType::I8 => result,
    };
    c.like(0, result)
}

/// What the reduction of a tensor without elements is: nothing, or the number that changes no result.
fn without_elements<'g>(c: &Context<'_, 'g>, to: Shape, reduction: &Reduction) -> Results<'g> {
    let element = c.element(0)?;
    if to.elements() == 0 {
        return empty(element, to);
    }
    let carrier = element.carrier().ok_or(Fault::Element(element))?;
    let neutral = reduction.of_none.ok_or_else(|| Fault::invalid("the mean of a tensor without elements"))?;
    let limits = element.limits();
    let neutral = match (carrier, limits) {
        (DType::Bool, _) => f64::from(neutral > 0.0),
        (DType::I32, Some((low, high))) => neutral.clamp(low.max(-(1 << 31)) as f64, high.min((1 << 31) - 1) as f64),
        _ => neutral,
    };
    one(c.typed(c.g.scalar_of(carrier, neutral).broadcast_to(to), element))
}

/// The place of the largest or the smallest element, of equals the first or the last one.
fn place<'g>(c: &Context<'_, 'g>, largest: bool) -> Results<'g> {
    let x = c.number(0)?;
    let from = x.shape();
    let along = axis(c.int_attribute("axis", 0)?, from.rank())?;
    let found = |x: Value<'g>| if largest { x.argmax(along) } else { x.argmin(along) };
    let place = if c.flag("select_last_index", false)? {
        found(x.reverse(along)) * -1 + (from.dim(along) as i32 - 1)
    } else {
        found(x)
    };
    one(if c.flag("keepdims", true)? { place.unsqueeze(along) } else { place })
}

fn running<'g>(c: &Context<'_, 'g>, product: bool) -> Results<'g> {
    let x = c.number(0)?;
    let along = axis(c.int(1)?, x.shape().rank())?;
    let reversed = c.flag("reverse", false)?;
    let turned = |x: Value<'g>| if reversed { x.reverse(along) } else { x };
    let x = turned(x);
    let extent = x.shape().dim(along);
    let x = if c.flag("exclusive", false)? {
        let mut low = vec![0; along + 1];
        low[along] = 1;
        x.slice(along, 0..extent - 1, 1).pad(&low, &[], f64::from(u8::from(product)))
    } else {
        x
    };
    c.like(0, turned(if product { x.cumprod(along) } else { x.cumsum(along) }))
}
