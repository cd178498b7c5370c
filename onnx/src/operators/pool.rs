//! Pools: what windows hold, made one number.

use kiln_graph::op::{MAX_SPATIAL, Sliding, Window};
use kiln_graph::{DType, Value};

use super::Row;
use super::window::{per_axis, sliding, spatial};
use crate::element::Element;
use crate::error::Fault;
use crate::read::context::{Context, Results, extent, one};

pub const TABLE: &[Row] = &[
    Row::new("AveragePool", 1, average_pool),
    Row::new("GlobalAveragePool", 1, |c| global(c, |x, axes| Ok(x.mean_keep(axes)))),
    Row::new("GlobalLpPool", 2, |c| {
        let p = c.int_attribute("p", 2)? as f64;
        global(c, |x, axes| Ok(root(x.abs().pow(p).sum_keep(axes), p)))
    }),
    Row::new("GlobalMaxPool", 1, |c| global(c, |x, axes| Ok(x.amax_keep(axes)))),
    Row::new("LpPool", 2, lp_pool),
    Row::new("MaxPool", 1, max_pool),
    Row::new("MaxUnpool", 9, max_unpool).statics(&[2]),
];

fn window(c: &Context<'_, '_>, x: Value<'_>) -> Result<Window, Fault> {
    let spatial = spatial(x.shape())?;
    if !c.has_attribute("kernel_shape") {
        return Err(Fault::invalid("no `kernel_shape` is given"));
    }
    let own = per_axis(c, "kernel_shape", spatial, 1, 1)?;
    let sliding = sliding(c, x.shape(), &own)?;
    let mut kernel = [1; MAX_SPATIAL];
    kernel[..spatial].copy_from_slice(&own);
    Ok(Window { kernel, sliding, ceil: c.flag("ceil_mode", false)? })
}

fn global<'g>(c: &Context<'_, 'g>, function: impl Fn(Value<'g>, &[usize]) -> Result<Value<'g>, Fault>) -> Results<'g> {
    let x = c.float(0)?;
    if x.shape().rank() < 2 {
        return Err(Fault::invalid(format!("batch and channels are expected, but the shape is {}", x.shape())));
    }
    let axes: Vec<usize> = (2..x.shape().rank()).collect();
    c.like(0, if axes.is_empty() { x } else { function(x, &axes)? })
}

/// The p-th root.
fn root(sum: Value<'_>, p: f64) -> Value<'_> {
    match p {
        1.0 => sum,
        2.0 => sum.sqrt(),
        _ => sum.pow(1.0 / p),
    }
}

fn max_pool<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.number(0)?;
    let element = c.element(0)?;
    // Whole numbers of 24 bits are exact as f32.
    let numbers = x.convert(DType::F32);
    let window = window(c, x)?;
    let largest = numbers.max_window(window).convert(x.dtype());
    let mut results = vec![c.typed(largest, element)];
    if c.wants(1) {
        let places = places(c, numbers, window)?;
        results.push(c.typed(places, Element::I64));
    }
    Ok(results)
}

/// Places in the whole tensor, in row-major order or, with `storage_order = 1`, with the spatial axes counted the other way
/// round.
fn places<'g>(c: &Context<'_, 'g>, x: Value<'g>, window: Window) -> Result<Value<'g>, Fault> {
    let shape = x.shape();
    let mut places = x.argmax_window(window);
    if c.flag("storage_order", false)? && shape.rank() == 4 {
        let (rows, columns) = (shape.dim(2) as i32, shape.dim(3) as i32);
        let row = kiln_graph::functions::div_rounded(places, c.g.scalar_of(DType::I32, f64::from(columns)), "floor");
        places = (places - row * columns) * rows + row;
    }
    let plane: usize = shape.dims()[2..].iter().product();
    let planes = c.g.iota([shape.dim(0) * shape.dim(1)], 0) * plane as i32;
    let mut along = vec![shape.dim(0), shape.dim(1)];
    along.extend(vec![1; shape.rank() - 2]);
    Ok(places + planes.reshape(&along[..]))
}

/// The sum of a window, and how many elements it holds: with `padding`, those of the padding count, too.
fn counted<'g>(x: Value<'g>, window: Window, padding: bool) -> (Value<'g>, Value<'g>) {
    let spatial = window.sliding.spatial;
    let sum = x.sum_window(window);
    let full = window.kernel[..spatial].iter().product::<usize>() as f64;
    // What a window hangs over the end never counts.
    let overhangs = (0..spatial).any(|axis| {
        let (low, high) = window.sliding.padding[axis];
        let span = (window.kernel[axis] - 1) * window.sliding.dilation[axis] + 1;
        let last = (sum.shape().dim(axis + 2).max(1) - 1) * window.sliding.stride[axis];
        last + span > low + x.shape().dim(axis + 2) + high
    });
    let padded = window.sliding.padding != Sliding::unit(spatial).padding;
    if !overhangs && (padding || !padded) {
        return (sum, x.graph().scalar(full));
    }
    let ones = x.shape().with(0, 1).with(1, 1);
    let ones = x.graph().full(ones, 1.0);
    if !padding {
        return (sum, ones.sum_window(window));
    }
    let (mut low, mut high) = (vec![0; 2], vec![0; 2]);
    window.sliding.padding[..spatial].iter().for_each(|&(before, behind)| {
        low.push(before);
        high.push(behind);
    });
    let bare = Window { sliding: Sliding { padding: Sliding::unit(spatial).padding, ..window.sliding }, ..window };
    let counts = ones.pad(&low, &high, 1.0).sum_window(bare);
    // A last window that would begin in the padding counts in one and not in the other.
    let counts = (0..spatial).fold(counts, |counts, axis| counts.slice(axis + 2, 0..sum.shape().dim(axis + 2), 1));
    (sum, counts)
}

fn average_pool<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.float(0)?;
    let window = window(c, x)?;
    let (sum, count) = counted(x, window, c.flag("count_include_pad", false)?);
    c.like(0, sum / count)
}

fn lp_pool<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.float(0)?;
    let window = window(c, x)?;
    let p = c.int_attribute("p", 2)? as f64;
    let powers = if p == 1.0 {
        x.abs()
    } else if p == 2.0 {
        x.square()
    } else {
        x.abs().pow(p)
    };
    c.like(0, root(powers.sum_window(window), p))
}

/// Puts values at their places in a tensor of zeros.
fn max_unpool<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let (x, places) = (c.float(0)?, c.value(1)?);
    let spatial = spatial(x.shape())?;
    let kernel = per_axis(c, "kernel_shape", spatial, 1, 1)?;
    let sliding = sliding(c, x.shape(), &kernel)?;
    if places.dtype() != DType::I32 || places.shape() != x.shape() {
        return Err(Fault::invalid("the places are to be whole numbers of the values' shape"));
    }
    // The extents that the pool was taken of.
    let mut own = x.shape();
    for axis in 0..spatial {
        let (low, high) = sliding.padding[axis];
        let reached = (x.shape().dim(axis + 2) - 1) * sliding.stride[axis] + kernel[axis];
        let inside = reached.checked_sub(low + high).filter(|inside| *inside > 0);
        own = own.with(axis + 2, inside.ok_or_else(|| Fault::invalid("more padding than a window reaches"))?);
    }
    let own = crate::read::context::shape(own.dims())?;
    let to = if c.has(2) {
        let extents: Vec<usize> = c.ints(2)?.into_iter().map(extent).collect::<Result<_, _>>()?;
        crate::read::context::shape(&extents)?
    } else {
        own
    };
    if to.rank() != x.shape().rank() || to.dims()[..2] != x.shape().dims()[..2] {
        return Err(Fault::invalid(format!("an output of the shape {to} for values of {}", x.shape())));
    }
    // Places are of the tensor that the pool was taken of, which the output may be larger than.
    let planes = x.shape().dim(0) * x.shape().dim(1);
    let plane: usize = own.dims()[2..].iter().product();
    let first = c.g.iota([planes], 0) * plane as i32;
    let mut along = vec![x.shape().dim(0), x.shape().dim(1)];
    along.extend(vec![1; spatial]);
    let within = places - first.reshape(&along[..]);
    let y = scattered(x, within, planes, plane).reshape(own);
    let result = (2..to.rank()).fold(y, |y, axis| {
        let (inside, wanted) = (own.dim(axis), to.dim(axis));
        let mut high = vec![0; axis + 1];
        high[axis] = wanted.saturating_sub(inside);
        y.slice(axis, 0..inside.min(wanted), 1).pad(&[], &high, 0.0)
    });
    one(c.typed(result, c.element(0)?))
}

/// The values at their places of each plane.
fn scattered<'g>(x: Value<'g>, places: Value<'g>, planes: usize, plane: usize) -> Value<'g> {
    let each = x.shape().elements() / planes.max(1);
    let base = x.graph().full([planes, plane], 0.0);
    kiln_graph::functions::scatter(base, 1, places.reshape([planes, each]), x.reshape([planes, each]))
}
