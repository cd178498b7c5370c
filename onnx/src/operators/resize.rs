//! Resizing. What Kiln's own layers compute is theirs; all else becomes a product with a matrix of shares along each
//! axis, which are computed beforehand by the rules of ONNX's specification.

use kiln_graph::{DType, Value, functions};

use super::places::at_known;
use super::{Fold, Row};
use crate::constant::Constant;
use crate::error::Fault;
use crate::read::context::{Context, Results, axes, extent, shape};
use crate::read::item::written;

/// As many elements of an axis are resized to at most: what each is made of is told beforehand.
const LONGEST: usize = 1 << 20;

pub const TABLE: &[Row] = &[
    Row::new("Resize", 10, resize).fold(Fold::Compute).statics(&[1, 2, 3]),
    Row::new("Upsample", 7, resize).fold(Fold::Compute).statics(&[1]),
];

/// How a place of the result lies in the input.
struct Places {
    transform: String,
    nearest: String,
    mode: String,
    cubic: f64,
    exclude_outside: bool,
    antialias: bool,
    extrapolation: f64,
}

/// One axis.
#[derive(Clone, Copy)]
struct Along {
    axis: usize,
    input: usize,
    output: usize,
    scale: f64,
    /// What of the input is looked at, as parts of its extent.
    roi: (f64, f64),
}

fn resize<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.value(0)?;
    let rank = x.shape().rank();
    let old = c.node.operator == "Upsample" || c.version() < 11;
    let transform = c.text("coordinate_transformation_mode", if old { "asymmetric" } else { "half_pixel" })?;
    let nearest = c.text("nearest_mode", if old { "floor" } else { "round_prefer_floor" })?;
    let places = Places {
        transform: transform.to_owned(),
        nearest: nearest.to_owned(),
        mode: c.text("mode", "nearest")?.to_owned(),
        cubic: c.float_attribute("cubic_coeff_a", -0.75)?,
        exclude_outside: c.flag("exclude_outside", false)?,
        antialias: c.flag("antialias", false)?,
        extrapolation: c.float_attribute("extrapolation_value", 0.0)?,
    };
    let along = extents(c, old)?;
    let to = along.iter().fold(x.shape(), |shape, along| shape.with(along.axis, along.output));
    shape(to.dims())?;
    if to.elements() == 0 {
        return Err(Fault::unsupported(format!("a result without elements, of the shape {to}")));
    }
    let changed: Vec<Along> =
        along.into_iter().filter(|along| along.output != along.input || along.scale != 1.0).collect();
    if let Some(result) = by_layer(x, rank, &places, &changed) {
        return c.like(0, result);
    }
    let numbers = x.convert(DType::F32);
    let mut y = if places.mode == "nearest" { x } else { numbers };
    let mut outside: Vec<(usize, Vec<bool>)> = Vec::new();
    for along in &changed {
        if along.output > LONGEST {
            return Err(Fault::unsupported(format!(
                "an axis of {} elements; there are those to {LONGEST}",
                along.output
            )));
        }
        let taps = (0..along.output).map(|place| places.taps(along, place)).collect::<Result<Vec<_>, _>>()?;
        if places.transform == "tf_crop_and_resize" {
            outside.push((along.axis, taps.iter().map(|taps| taps.is_none()).collect()));
        }
        let single: Option<Vec<usize>> = taps
            .iter()
            .map(|taps| if let Some([(place, 1.0)]) = taps.as_deref() { Some(*place) } else { None })
            .collect();
        y = match single {
            Some(list) => at_known(y, along.axis, &list)?,
            None => weighted(y.convert(DType::F32), along, &taps)?,
        };
    }
    for (axis, list) in outside.into_iter().filter(|(_, list)| list.contains(&true)) {
        let shape = crate::read::context::along(rank, axis, list.len());
        let mask = Constant { element: crate::element::Element::BOOL, shape, data: crate::Data::Bools(list) };
        let value = c.g.scalar_of(y.dtype(), places.extrapolation);
        y = written(c.g, &mask)?.select(value, y);
    }
    c.like(0, y.convert(x.dtype()))
}

/// How many elements each axis is to have, and how many times as many that is.
fn extents(c: &Context<'_, '_>, old: bool) -> Result<Vec<Along>, Fault> {
    let from = c.shape(0)?;
    let rank = from.rank();
    let list = match c.ints_of("axes")? {
        Some(list) => axes(&list, rank)?,
        None => (0..rank).collect(),
    };
    let (scales_at, roi_at, sizes_at) = if old { (1, usize::MAX, usize::MAX) } else { (2, 1, 3) };
    let given = |position: usize| c.has(position) && c.shape(position).is_ok_and(|shape| shape.elements() > 0);
    let scales = match c.node.operator == "Upsample" && c.version() < 9 {
        true => c.floats_of("scales")?,
        false if given(scales_at) => Some(c.numbers(scales_at)?),
        false => None,
    };
    let roi = match c.text("coordinate_transformation_mode", "")? == "tf_crop_and_resize" && given(roi_at) {
        true => c.numbers(roi_at)?,
        false => [vec![0.0; list.len()], vec![1.0; list.len()]].concat(),
    };
    let wrong = |count: usize| Fault::invalid(format!("{count} scales or sizes for {} axes", list.len()));
    if roi.len() != 2 * list.len() {
        return Err(wrong(roi.len()));
    }
    let mut all = Vec::with_capacity(list.len());
    if let Some(scales) = scales {
        if scales.len() != list.len() {
            return Err(wrong(scales.len()));
        }
        for (number, (&axis, &scale)) in list.iter().zip(&scales).enumerate() {
            let input = from.dim(axis);
            if !(scale > 0.0 && scale.is_finite()) {
                return Err(Fault::invalid(format!("a scale of {scale}")));
            }
            let output = extent((input as f64 * scale).floor().min(1e15) as i64)?;
            all.push(Along { axis, input, output, scale, roi: (roi[number], roi[number + list.len()]) });
        }
        return Ok(all);
    }
    let sizes: Vec<usize> = c.ints(sizes_at)?.into_iter().map(extent).collect::<Result<_, _>>()?;
    if sizes.len() != list.len() {
        return Err(wrong(sizes.len()));
    }
    let ratios = list.iter().zip(&sizes).map(|(&axis, &size)| size as f64 / from.dim(axis).max(1) as f64);
    let common = match c.text("keep_aspect_ratio_policy", "stretch")? {
        "stretch" => None,
        "not_larger" => Some(ratios.fold(f64::INFINITY, f64::min)),
        "not_smaller" => Some(ratios.fold(0.0, f64::max)),
        other => return Err(Fault::invalid(format!("`keep_aspect_ratio_policy` is `{other}`"))),
    };
    for (number, (&axis, &size)) in list.iter().zip(&sizes).enumerate() {
        let input = from.dim(axis);
        let (output, scale) = match common {
            None => (size, size as f64 / input.max(1) as f64),
            Some(scale) => (extent((scale * input as f64 + 0.5).floor().min(1e15) as i64)?, scale),
        };
        all.push(Along { axis, input, output, scale, roi: (roi[number], roi[number + list.len()]) });
    }
    Ok(all)
}

/// By Kiln's upsampling, where the axes are the last ones and the rule is the same.
fn by_layer<'g>(x: Value<'g>, rank: usize, places: &Places, changed: &[Along]) -> Option<Value<'g>> {
    if !(3..=5).contains(&rank) || x.dtype() != DType::F32 || changed.iter().any(|along| along.axis < 2) {
        return None;
    }
    let exact = changed.iter().all(|along| along.scale == along.output as f64 / along.input as f64);
    let size: Vec<usize> = (2..rank)
        .map(|axis| changed.iter().find(|along| along.axis == axis).map_or(x.shape().dim(axis), |along| along.output))
        .collect();
    let plain = !places.antialias && !places.exclude_outside;
    let linear = ["linear", "bilinear", "trilinear"][rank - 3];
    let whole = changed.iter().all(|along| along.output.is_multiple_of(along.input));
    let transform = places.transform.as_str();
    match places.mode.as_str() {
        "linear" if exact && plain => {
            let one = changed.iter().any(|along| along.output == 1);
            let corners = match transform {
                "half_pixel" => false,
                "pytorch_half_pixel" if !one => false,
                "align_corners" => true,
                _ => return None,
            };
            Some(functions::interpolate(x, &size, &[], linear, corners, false, false))
        }
        "nearest" if exact && plain && whole => {
            let repeats = matches!(
                (transform, places.nearest.as_str()),
                ("asymmetric", "floor")
                    | ("half_pixel" | "pytorch_half_pixel", "round_prefer_floor" | "round_prefer_ceil")
            );
            repeats.then(|| functions::interpolate(x, &size, &[], "nearest", false, false, false))
        }
        _ => None,
    }
}

/// The sums of shares along an axis.
fn weighted<'g>(x: Value<'g>, along: &Along, taps: &[Option<Vec<(usize, f64)>>]) -> Result<Value<'g>, Fault> {
    const MOST: usize = 1 << 24;
    if along.output.saturating_mul(along.input) > MOST {
        return Err(Fault::unsupported(format!("{} elements of {}", along.output, along.input)));
    }
    let mut matrix = vec![0.0; along.output * along.input];
    for (row, taps) in taps.iter().enumerate() {
        for &(place, share) in taps.iter().flatten() {
            matrix[row * along.input + place] += share as f32;
        }
    }
    let matrix = written(x.graph(), &Constant::floats(vec![along.output, along.input], matrix))?;
    let last = x.shape().rank() - 1;
    Ok(x.transpose(along.axis, last).matmul(matrix.transpose(0, 1)).transpose(along.axis, last))
}

impl Places {
    /// The elements that a place of the result is made of, with their shares; nothing where it lies outside of what is looked
    /// at.
    fn taps(&self, along: &Along, place: usize) -> Result<Option<Vec<(usize, f64)>>, Fault> {
        let input = along.input as f64;
        let at = self.position(along, place as f64)?;
        if self.transform == "tf_crop_and_resize" && !(0.0..=input - 1.0).contains(&at) {
            return Ok(None);
        }
        let before = at.floor();
        // Of a whole number the element is the second one.
        let whole = at == before;
        let ratio = if whole { 1.0 } else { at - before };
        let first = if whole { before - 1.0 } else { before };
        let (start, shares) = self.shares(first, ratio, along.scale)?;
        let inside = |place: f64| (0.0..input).contains(&place);
        let mut taps: Vec<(usize, f64)> = Vec::with_capacity(shares.len());
        let mut sum = 0.0;
        for (number, share) in shares.into_iter().enumerate() {
            let place = start + number as f64;
            let share = if self.exclude_outside && !inside(place) { 0.0 } else { share };
            sum += share;
            if share != 0.0 {
                let place = place.clamp(0.0, input - 1.0) as usize;
                match taps.iter_mut().find(|(other, _)| *other == place) {
                    Some((_, before)) => *before += share,
                    None => taps.push((place, share)),
                }
            }
        }
        if self.exclude_outside && sum != 0.0 {
            taps.iter_mut().for_each(|(_, share)| *share /= sum);
        }
        Ok(Some(taps))
    }

    fn position(&self, along: &Along, x: f64) -> Result<f64, Fault> {
        let (input, scale) = (along.input as f64, along.scale);
        let output = scale * input;
        Ok(match self.transform.as_str() {
            "align_corners" if output == 1.0 => 0.0,
            "align_corners" => x * (input - 1.0) / (output - 1.0),
            "asymmetric" => x / scale,
            "half_pixel" => (x + 0.5) / scale - 0.5,
            "half_pixel_symmetric" => {
                let adjustment = along.output as f64 / output;
                input / 2.0 * (1.0 - adjustment) + (x + 0.5) / scale - 0.5
            }
            "pytorch_half_pixel" if output == 1.0 => -0.5,
            "pytorch_half_pixel" => (x + 0.5) / scale - 0.5,
            "tf_half_pixel_for_nn" => (x + 0.5) / scale,
            "tf_crop_and_resize" => {
                let (start, end) = along.roi;
                let inner = if output == 1.0 {
                    (end - start) * (input - 1.0) / 2.0
                } else {
                    x * (end - start) * (input - 1.0) / (output - 1.0)
                };
                inner + start * (input - 1.0)
            }
            other => return Err(Fault::unsupported(format!("`coordinate_transformation_mode` is `{other}`"))),
        })
    }

    /// The place of the first share, and the shares.
    fn shares(&self, first: f64, ratio: f64, scale: f64) -> Result<(f64, Vec<f64>), Fault> {
        const MOST: f64 = 1e5;
        let a = self.cubic;
        let near = |x: f64| ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
        let far = |x: f64| ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
        let shrunk = scale.min(1.0);
        let reach = if self.mode == "cubic" { 2.0 } else { 1.0 };
        if self.antialias && self.mode != "nearest" {
            let start = (-reach / shrunk).floor() + 1.0;
            let count = 2.0 - 2.0 * start;
            if count > MOST {
                return Err(Fault::unsupported(format!("a scale of {scale}")));
            }
            let filter = |offset: f64| {
                let distance = ((offset - ratio) * shrunk).abs();
                match self.mode.as_str() {
                    "cubic" if distance <= 1.0 => near(distance),
                    "cubic" if distance < 2.0 => far(distance),
                    "cubic" => 0.0,
                    _ => (1.0 - distance).clamp(0.0, 1.0),
                }
            };
            let shares: Vec<f64> = (0..count as usize).map(|number| filter(start + number as f64)).collect();
            let sum: f64 = shares.iter().sum();
            return Ok((first + start, shares.into_iter().map(|share| share / sum).collect()));
        }
        Ok(match self.mode.as_str() {
            "linear" => (first, vec![1.0 - ratio, ratio]),
            "cubic" => (first - 1.0, vec![far(ratio + 1.0), near(ratio), near(1.0 - ratio), far(2.0 - ratio)]),
            "nearest" => {
                let second = match self.nearest.as_str() {
                    _ if ratio == 1.0 => true,
                    "round_prefer_floor" => ratio > 0.5,
                    "round_prefer_ceil" => ratio >= 0.5,
                    "floor" => false,
                    "ceil" => true,
                    other => return Err(Fault::unsupported(format!("`nearest_mode` is `{other}`"))),
                };
                (first + f64::from(u8::from(second)), vec![1.0])
            }
            other => return Err(Fault::unsupported(format!("`mode` is `{other}`"))),
        })
    }
}
