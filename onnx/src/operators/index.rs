//! Elements by their places: gathers, scatters, the largest ones, choices by known masks.

use kiln_graph::{DType, Shape, Value, functions};

use rustc_hash::FxHashMap;

use super::{Fold, Row};
use crate::constant::Constant;
use crate::element::Element;
use crate::error::Fault;
use crate::read::context::{Context, Results, axis, extent, one, shape};

pub const TABLE: &[Row] = &[
    Row::new("Compress", 9, compress).fold(Fold::Move).statics(&[1]),
    Row::new("Gather", 1, gather).fold(Fold::Move),
    Row::new("GatherElements", 11, gather_elements).fold(Fold::Move),
    Row::new("GatherND", 11, gather_nd).fold(Fold::Move),
    Row::new("NonZero", 9, non_zero).fold(Fold::Never).statics(&[0]),
    Row::new("OneHot", 9, one_hot).statics(&[1]),
    Row::new("ReverseSequence", 10, reverse_sequence).fold(Fold::Move),
    Row::new("Scatter", 9, scatter_elements),
    Row::new("ScatterElements", 11, scatter_elements),
    Row::new("ScatterND", 11, scatter_nd),
    Row::new("TensorScatter", 24, tensor_scatter),
    Row::new("TopK", 1, top_k).statics(&[1]),
    Row::new("Unique", 11, unique).fold(Fold::Never).statics(&[0]),
    Row::new("ai.onnx.ml.ArrayFeatureExtractor", 1, array_feature_extractor).fold(Fold::Move),
];

/// Places along an axis of an extent, those counted from the end made such from the front.
pub fn from_front(index: Value<'_>, extent: usize) -> Value<'_> {
    index.lt(0).select(index + extent as i32, index)
}

/// The places that an operand holds.
fn places<'g>(c: &Context<'_, 'g>, position: usize) -> Result<Value<'g>, Fault> {
    let index = c.number(position)?;
    match index.dtype() {
        DType::I32 => Ok(index),
        DType::F32 | DType::Bf16 | DType::U8 | DType::I8 | DType::Bool => {
            Err(Fault::invalid(format!("input {position} should hold whole numbers, which are places")))
        }
    }
}

/// The slices of `x` along an axis at places of any shape, which takes the axis' place.
fn slices<'g>(x: Value<'g>, along: usize, index: Value<'g>) -> Value<'g> {
    let (rank, inserted) = (x.shape().rank(), index.shape().rank());
    let first: Vec<usize> = std::iter::once(along).chain((0..rank).filter(|&axis| axis != along)).collect();
    let rows = if along == 0 { x } else { x.permute(&first) }.take_rows(index);
    if along == 0 {
        return rows;
    }
    // `[index.., before.., after..]` -> `[before.., index.., after..]`
    let order: Vec<usize> =
        (inserted..inserted + along).chain(0..inserted).chain(inserted + along..inserted + rank - 1).collect();
    rows.permute(&order)
}

fn gather<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let from = c.shape(0)?;
    let along = axis(c.int_attribute("axis", 0)?, from.rank())?;
    let inserted = c.shape(1)?;
    let dims = [&from.dims()[..along], inserted.dims(), &from.dims()[along + 1..]].concat();
    let to = shape(&dims)?;
    if to.elements() == 0 {
        return super::shapes::empty(c.element(0)?, to);
    }
    let extent = from.dim(along);
    // Of known places next to one another, a slice.
    if let Some(first) = c.tensor(1)?.constant().and_then(|constant| run(&constant.whole()?, extent)) {
        let count = inserted.elements();
        return c.like(0, c.value(0)?.slice(along, first..first + count, 1).reshape(to));
    }
    c.like(0, slices(c.value(0)?, along, from_front(places(c, 1)?, extent)))
}

/// Where places that follow one another begin.
fn run(list: &[i64], extent: usize) -> Option<usize> {
    let extent = extent as i64;
    let place = |place: i64| if place < 0 { place + extent } else { place };
    let first = Some(place(*list.first()?)).filter(|first| (0..extent).contains(first))?;
    let regular = list.iter().enumerate().all(|(count, &at)| place(at) == first + count as i64);
    (regular && first + list.len() as i64 <= extent).then_some(first as usize)
}

fn gather_elements<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let from = c.shape(0)?;
    let along = axis(c.int_attribute("axis", 0)?, from.rank())?;
    let wanted = c.shape(1)?;
    let fits = wanted.rank() == from.rank()
        && (0..from.rank()).all(|axis| axis == along || wanted.dim(axis) <= from.dim(axis));
    if !fits {
        return Err(Fault::invalid(format!("places of the shape {wanted} in {from} along axis {along}")));
    }
    let index = from_front(places(c, 1)?, from.dim(along));
    c.like(0, c.value(0)?.gather(along, index))
}

/// What `GatherND` and `ScatterND` point to: the last axis of the indices holds a place for each of the axes behind the
/// `batch` first ones.
struct Points<'g> {
    /// The places in all those axes laid out as one, together with the batch axes: `[batch.., places..]` flattened.
    flat: Value<'g>,
    /// How many there are to point to.
    extent: usize,
    /// The extents of the indices but for the last one.
    outer: Vec<usize>,
    /// The extents of what each points to.
    inner: Vec<usize>,
}

fn points<'g>(c: &Context<'_, 'g>, batch: usize) -> Result<Points<'g>, Fault> {
    let (from, indices) = (c.shape(0)?, c.shape(1)?);
    let misfit = || Fault::invalid(format!("places of the shape {indices} in {from} with `batch_dims` {batch}"));
    let Some((&depth, outer)) = indices.dims().split_last() else { return Err(misfit()) };
    let fits = batch <= outer.len() && batch + depth <= from.rank() && outer[..batch] == from.dims()[..batch];
    if !fits || depth == 0 {
        return Err(misfit());
    }
    let index = places(c, 1)?;
    let last = indices.rank() - 1;
    let mut flat: Option<Value<'g>> = None;
    for axis in 0..depth {
        let extent = from.dim(batch + axis);
        let own = from_front(index.slice(last, axis..axis + 1, 1).squeeze(last), extent);
        flat = Some(flat.map_or(own, |before| before * extent as i32 + own));
    }
    let mut flat = flat.ok_or_else(misfit)?;
    let each: usize = from.dims()[batch..batch + depth].iter().product();
    let mut stride = each;
    for axis in (0..batch).rev() {
        flat = flat + c.g.iota(flat.shape(), axis) * stride as i32;
        stride *= from.dim(axis);
    }
    let count = outer.iter().product::<usize>();
    Ok(Points {
        flat: flat.reshape([count]),
        extent: stride,
        outer: outer.to_vec(),
        inner: from.dims()[batch + depth..].to_vec(),
    })
}

fn gather_nd<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let batch = extent(c.int_attribute("batch_dims", 0)?)?;
    let to = points(c, batch)?;
    let rows = c.value(0)?.reshape(shape(&[&[to.extent], &to.inner[..]].concat())?);
    c.like(0, rows.take_rows(to.flat).reshape(shape(&[&to.outer[..], &to.inner].concat())?))
}

/// What becomes of an element that several updates, or one and the element that was there, go to.
fn reduction_of<'a>(c: &Context<'a, '_>) -> Result<&'a str, Fault> {
    match c.text("reduction", "none")? {
        known @ ("none" | "add" | "mul" | "max" | "min") => Ok(known),
        other => Err(Fault::invalid(format!("`reduction` is `{other}`"))),
    }
}

/// `x` with updates at places along an axis; places, updates and `x` have one rank.
fn scattered<'g>(x: Value<'g>, along: usize, index: Value<'g>, updates: Value<'g>, reduction: &str) -> Value<'g> {
    let g = x.graph();
    let dim = along as isize;
    match reduction {
        "none" => {
            // By the place of the update, which is exact for all types of elements; the last one stays.
            let from = g.iota(index.shape(), along).convert(DType::F32);
            let none = g.full(x.shape(), -1.0);
            let place = functions::scatter(none, dim, index, from).convert(DType::I32);
            place.ge(0).select(wide(updates, x.shape(), along).gather(along, place.maximum(0)), x)
        }
        "add" if x.dtype() == DType::F32 => functions::scatter_add(x, dim, index, updates),
        _ => by_pairs(x, along, index, updates, reduction),
    }
}

/// Updates padded to the extents of what they go to, but for the axis of the places.
fn wide<'g>(updates: Value<'g>, shape: Shape, along: usize) -> Value<'g> {
    let own = updates.shape();
    let high: Vec<usize> =
        (0..own.rank()).map(|axis| if axis == along { 0 } else { shape.dim(axis) - own.dim(axis) }).collect();
    if high.iter().all(|&extent| extent == 0) {
        return updates;
    }
    match updates.dtype() {
        DType::Bool => updates.convert(DType::I32).pad(&[], &high, 0.0).convert(DType::Bool),
        DType::F32 | DType::Bf16 | DType::U8 | DType::I8 | DType::I32 => updates.pad(&[], &high, 0.0),
    }
}

/// By looking at each pair of an element and an update: what has no sums of its own.
///
/// ```text
/// x[.., e, ..]  combined with  updates[.., u, ..]  over u, where index[.., u, ..] = e
/// ```
fn by_pairs<'g>(x: Value<'g>, along: usize, index: Value<'g>, updates: Value<'g>, reduction: &str) -> Value<'g> {
    let g = x.graph();
    let index = wide(index + 1, x.shape(), along) - 1;
    let updates = wide(updates, x.shape(), along);
    let pairs = x.shape().insert(along + 1, index.shape().dim(along));
    let over = |value: Value<'g>| value.unsqueeze(along).broadcast_to(pairs);
    let meets = over(index).eq(g.iota(pairs, along));
    let each = |neutral: f64| meets.select(over(updates), g.scalar_of(x.dtype(), neutral));
    let (low, high) = match x.dtype() {
        DType::F32 | DType::Bf16 | DType::U8 | DType::I8 => (f64::NEG_INFINITY, f64::INFINITY),
        DType::I32 | DType::Bool => (f64::from(i32::MIN), f64::from(i32::MAX)),
    };
    match reduction {
        "add" => x + each(0.0).sum(along + 1),
        "mul" if x.dtype() == DType::F32 => x * each(1.0).prod(along + 1),
        "mul" => x * each(1.0).convert(DType::F32).prod(along + 1).convert(DType::I32),
        "max" => x.maximum(each(low).amax(along + 1)),
        _ => x.minimum(each(high).amin(along + 1)),
    }
}

fn scatter_elements<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let from = c.shape(0)?;
    let along = axis(c.int_attribute("axis", 0)?, from.rank())?;
    let (indices, updates) = (c.shape(1)?, c.shape(2)?);
    let fits = indices.rank() == from.rank()
        && indices == updates
        && (0..from.rank()).all(|axis| axis == along || indices.dim(axis) <= from.dim(axis));
    if !fits {
        return Err(Fault::invalid(format!("places of the shape {indices} and updates {updates} for {from}")));
    }
    let index = from_front(places(c, 1)?, from.dim(along));
    c.like(0, scattered(c.value(0)?, along, index, c.value(2)?, reduction_of(c)?))
}

fn scatter_nd<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let from = c.shape(0)?;
    let to = points(c, 0)?;
    let reduction = reduction_of(c)?;
    let updates = c.shape(2)?;
    if updates.dims() != [&to.outer[..], &to.inner].concat() {
        return Err(Fault::invalid(format!("updates {updates} for {:?} slices {:?}", to.outer, to.inner)));
    }
    let count: usize = to.outer.iter().product();
    let width: usize = to.inner.iter().product();
    let rows = c.value(0)?.reshape(shape(&[to.extent, width])?);
    let updates = c.value(2)?.reshape(shape(&[count, width])?);
    let result = match reduction {
        "none" => {
            // Which update goes to a row, found once for the row.
            let none = c.g.full([to.extent], -1.0);
            let from = c.g.iota([count], 0).convert(DType::F32);
            let place = functions::scatter(none, 0, to.flat, from).convert(DType::I32);
            place.ge(0).unsqueeze(1).broadcast_to(rows.shape()).select(updates.take_rows(place.maximum(0)), rows)
        }
        "add" if rows.dtype() == DType::F32 => functions::index_add(rows, 0, to.flat, updates, 1.0),
        _ => by_pairs(rows, 0, to.flat.unsqueeze(1).broadcast_to([count, width]), updates, reduction),
    };
    c.like(0, result.reshape(from))
}

fn tensor_scatter<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let (past, update) = (c.value(0)?, c.value(1)?);
    let from = past.shape();
    let along = axis(c.int_attribute("axis", -2)?, from.rank())?;
    let fits = update.shape().rank() == from.rank()
        && along > 0
        && (0..from.rank()).all(|axis| axis == along || update.shape().dim(axis) == from.dim(axis));
    let (all, new) = (from.dim(along), update.shape().dim(along));
    if !fits || new > all {
        return Err(Fault::invalid(format!("an update {} of {from} along axis {along}", update.shape())));
    }
    let distance = match c.has(2) {
        false => c.g.iota(from, along),
        true => {
            let mut first = Shape::new(&[]);
            (0..from.rank()).for_each(|axis| first = first.insert(axis, if axis == 0 { from.dim(0) } else { 1 }));
            c.g.iota(from, along) - places(c, 2)?.reshape(first).broadcast_to(from)
        }
    };
    let distance = match c.text("mode", "linear")? {
        "linear" => distance,
        "circular" => functions::remainder(distance, all as i32),
        other => return Err(Fault::invalid(format!("`mode` is `{other}`"))),
    };
    let is_new = distance.ge(0) & distance.lt(new as i32);
    let index = distance.maximum(0).minimum(new as i32 - 1);
    c.like(0, is_new.select(update.gather(along, index), past))
}

fn one_hot<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let index = c.number(0)?.convert(DType::I32);
    let depth = extent(match c.ints(1) {
        Ok(list) => *list.first().ok_or_else(|| Fault::invalid("no `depth` is given"))?,
        Err(Fault::Dynamic { position, input }) => return Err(Fault::Dynamic { position, input }),
        Err(_) => c.single(1)? as i64,
    })?;
    let along = axis(c.int_attribute("axis", -1)?, index.shape().rank() + 1)?;
    let to = shape(index.shape().insert(along, depth).dims())?;
    let values = c.value(2)?;
    if values.shape().dims() != [2] {
        return Err(Fault::invalid(format!("`values` has the shape {}, not [2]", values.shape())));
    }
    let value = |place: usize| values.slice(0, place..place + 1, 1).squeeze(0).broadcast_to(to);
    let index = from_front(index, depth).unsqueeze(along).broadcast_to(to);
    c.like(2, index.eq(c.g.iota(to, along)).select(value(1), value(0)))
}

fn top_k<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let from = c.shape(0)?;
    let along = axis(c.int_attribute("axis", -1)?, from.rank())?;
    let count = if c.version() < 10 { c.int_attribute("k", 0)? } else { c.int(1)? };
    let count = extent(count)?;
    if count == 0 || count > from.dim(along) {
        return Err(Fault::invalid(format!("the {count} largest of {} elements", from.dim(along))));
    }
    let x = c.number(0)?;
    let found = functions::topk(x, count, along as isize, c.flag("largest", true)?);
    match found[..] {
        [values, index] => Ok(vec![c.typed(values, c.element(0)?), c.typed(index, Element::I64)]),
        _ => Err(Fault::unsupported(format!("the largest elements of {from}"))),
    }
}

fn reverse_sequence<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let from = c.shape(0)?;
    let time = axis(c.int_attribute("time_axis", 0)?, from.rank())?;
    let batch = axis(c.int_attribute("batch_axis", 1)?, from.rank())?;
    let lengths = places(c, 1)?;
    if time == batch || lengths.shape().dims() != [from.dim(batch)] {
        return Err(Fault::invalid(format!("lengths {} for the batch axis {batch} of {from}", lengths.shape())));
    }
    let mut along_batch = Shape::new(&[]);
    (0..from.rank())
        .for_each(|axis| along_batch = along_batch.insert(axis, if axis == batch { from.dim(axis) } else { 1 }));
    let lengths = lengths.reshape(along_batch).broadcast_to(from);
    let place = c.g.iota(from, time);
    c.like(0, c.value(0)?.gather(time, place.lt(lengths).select(lengths - place - 1, place)))
}

/// The places of the elements that are not 0, which must be known.
fn non_zero<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let constant = c.constant(0)?;
    let numbers = constant.numbers().ok_or(Fault::Element(constant.element))?;
    let dims = &constant.shape;
    let found: Vec<usize> = (0..numbers.len()).filter(|&place| numbers[place] != 0.0).collect();
    let strides: Vec<usize> = (0..dims.len()).map(|axis| dims[axis + 1..].iter().product()).collect();
    let places = (0..dims.len())
        .flat_map(|axis| found.iter().map(move |place| (axis, place)))
        .map(|(axis, place)| (place / strides[axis] % dims[axis]) as i64)
        .collect();
    one(Constant { shape: vec![dims.len(), found.len()], ..Constant::ints(places) })
}

/// The elements, or the slices along an axis, that a known condition chooses.
fn compress<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let chosen = c.ints(1)?;
    let from = c.shape(0)?;
    let (x, along) = match c.int_of("axis")? {
        Some(along) => (None, axis(along, from.rank())?),
        None => (Some(shape(&[from.elements()])?), 0),
    };
    let flat = x.unwrap_or(from);
    let found: Vec<i64> =
        (0..flat.dim(along)).filter(|&at| chosen.get(at).is_some_and(|&is| is != 0)).map(|at| at as i64).collect();
    let to = flat.with(along, found.len());
    if to.elements() == 0 {
        return super::shapes::empty(c.element(0)?, to);
    }
    let index = crate::read::item::written(c.g, &Constant::ints(found))?;
    c.like(0, slices(c.value(0)?.reshape(flat), along, index))
}

/// The different elements of a known tensor, or its different slices along an axis.
fn unique<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let constant = c.constant(0)?;
    let numbers = constant.numbers().ok_or(Fault::Element(constant.element))?;
    let (dims, along) = match c.int_of("axis")? {
        Some(along) => (constant.shape.clone(), axis(along, constant.shape.len())?),
        None => (vec![numbers.len()], 0),
    };
    let count = dims[along];
    let (before, after): (usize, usize) = (dims[..along].iter().product(), dims[along + 1..].iter().product());
    let places = |slice: usize| (0..before).flat_map(move |b| (0..after).map(move |a| (b * count + slice) * after + a));
    let slice = |at: usize| -> Vec<f64> { places(at).map(|place| numbers[place]).collect() };
    // The first of each kind, in the order of their first uses or of their values.
    let mut kinds: Vec<(Vec<f64>, usize, i64)> = Vec::new();
    let mut numbers_of: FxHashMap<Vec<u64>, usize> = FxHashMap::default();
    let mut kind_of = Vec::with_capacity(count);
    for at in 0..count {
        let own = slice(at);
        // `+ 0.0`, as -0 is 0.
        let bits = own.iter().map(|&number| (number + 0.0).to_bits()).collect();
        let known = *numbers_of.entry(bits).or_insert_with(|| {
            kinds.push((own, at, 0));
            kinds.len() - 1
        });
        kinds[known].2 += 1;
        kind_of.push(known);
    }
    let mut order: Vec<usize> = (0..kinds.len()).collect();
    if c.flag("sorted", true)? {
        let compare = |a: &[f64], b: &[f64]| {
            let differ = a.iter().zip(b).find(|(a, b)| a != b);
            differ.map_or(std::cmp::Ordering::Equal, |(a, b)| a.total_cmp(b))
        };
        order.sort_by(|&a, &b| compare(&kinds[a].0, &kinds[b].0));
    }
    let mut to = dims.clone();
    to[along] = order.len();
    let first = |kind: usize| kinds[kind].1;
    let taken: Vec<usize> = (0..before)
        .flat_map(|b| order.iter().map(move |&kind| (b, kind)))
        .flat_map(|(b, kind)| (0..after).map(move |a| (b, kind, a)))
        .map(|(b, kind, a)| (b * count + first(kind)) * after + a)
        .collect();
    let data = constant.data.pick(taken.into_iter());
    let rank_of = |kind: usize| order.iter().position(|&other| other == kind).unwrap_or(0) as i64;
    Ok(vec![
        Constant { element: constant.element, shape: to, data }.into(),
        Constant::ints(order.iter().map(|&kind| first(kind) as i64).collect()).into(),
        Constant::ints(kind_of.into_iter().map(rank_of).collect()).into(),
        Constant::ints(order.iter().map(|&kind| kinds[kind].2).collect()).into(),
    ])
}

/// The columns of a matrix at places.
fn array_feature_extractor<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let from = c.shape(0)?;
    let last = axis(-1, from.rank())?;
    let index = places(c, 1)?;
    let index = index.reshape(shape(&[index.shape().elements()])?);
    let result = slices(c.value(0)?, last, from_front(index, from.dim(last)));
    c.like(0, if from.rank() == 1 { result.unsqueeze(0) } else { result })
}
