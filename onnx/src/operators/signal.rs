//! Signals: windows, Fourier transforms of whole axes and of frames. Transforms are products with matrices of sines and
//! cosines, which the graph computes from whole numbers, so that no angle is ever large.

use std::f64::consts::PI;

use kiln_graph::{DType, Value, functions};

use super::{Fold, Row};
use crate::constant::Constant;
use crate::element::Element;
use crate::error::Fault;
use crate::read::context::{Context, Results, axis, extent, one, shape};

/// As many elements of a matrix of weights at most.
const MOST_WEIGHTS: usize = 1 << 22;

pub const TABLE: &[Row] = &[
    Row::new("BlackmanWindow", 17, |c| window(c, &[0.42, -0.5, 0.08])).fold(Fold::Never).statics(&[0]),
    Row::new("DFT", 17, dft_by_attribute).statics(&[1]),
    Row::new("DFT", 20, dft).statics(&[1, 2]),
    Row::new("HammingWindow", 17, |c| window(c, &[25.0 / 46.0, -21.0 / 46.0])).fold(Fold::Never).statics(&[0]),
    Row::new("HannWindow", 17, |c| window(c, &[0.5, -0.5])).fold(Fold::Never).statics(&[0]),
    Row::new("MelWeightMatrix", 17, mel).fold(Fold::Never).statics(&[0, 1, 2, 3, 4]),
    Row::new("STFT", 17, stft).statics(&[1, 3]),
];

/// `sin(2 pi places / turn)`, by the sine of an angle of the first quarter, so that what should be 0, 1 or one another's
/// opposite is.
fn sine<'g>(places: Value<'g>, turn: usize) -> Value<'g> {
    quarters(functions::remainder(places, turn as i32) * 4, turn)
}

/// `cos(2 pi places / turn)`, which is the sine a quarter later.
fn cosine<'g>(places: Value<'g>, turn: usize) -> Value<'g> {
    quarters(functions::remainder(places, turn as i32) * 4 + turn as i32, turn)
}

/// The sine of `pi / 2` times `places / turn`, of which there are not more than those of five quarters.
fn quarters<'g>(places: Value<'g>, turn: usize) -> Value<'g> {
    let (half, all) = (2 * turn as i32, 4 * turn as i32);
    let places = places.ge(all).select(places - all, places);
    let below = places.ge(half);
    let within = below.select(places - half, places);
    let sine = (within.minimum(within * -1 + half).convert(DType::F32) * (PI / half as f64)).sin();
    below.select(-sine, sine)
}

/// `sum over k of weights[k] cos(2 pi k n / turn)`.
fn window<'g>(c: &Context<'_, 'g>, weights: &[f64]) -> Results<'g> {
    let size = extent(c.int(0)?)?;
    let to = shape(&[size])?;
    if size == 0 {
        return super::shapes::empty(Element::F32, to);
    }
    let turn = if c.flag("periodic", true)? { size } else { (size - 1).max(1) };
    let element = c.element_of("output_datatype")?.unwrap_or(Element::F32);
    let mut sum = c.g.full(to, weights[0]);
    for (times, &weight) in weights.iter().enumerate().skip(1) {
        sum = sum + cosine(c.g.iota(to, 0) * times as i32, turn) * weight;
    }
    let carrier = element.carrier().ok_or(Fault::Element(element))?;
    one(c.typed(sum.convert(carrier), element))
}

/// Triangles `[dft_length / 2 + 1, bins]` whose corners lie as far apart on the scale of mels, in places of a transform.
fn mel<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let (bins, length) = (extent(c.int(0)?)?, extent(c.int(1)?)?);
    let (rate, low, high) = (c.int(2)?, c.single(3)?, c.single(4)?);
    let element = c.element_of("output_datatype")?.unwrap_or(Element::F32);
    let carrier = element.carrier().ok_or(Fault::Element(element))?;
    let places = length / 2 + 1;
    let to = shape(&[places, bins])?;
    if rate <= 0 || bins == 0 || to.elements() > MOST_WEIGHTS {
        return Err(Fault::invalid(format!("a matrix of {bins} bins for {places} places, of {rate} samples a second")));
    }
    let mels = |hertz: f64| 2595.0 * (1.0 + hertz / 700.0).log10();
    let step = (mels(high) - mels(low)) / (bins + 2) as f64;
    let corner = |bin: usize| {
        let hertz = 700.0 * (10f64.powf((mels(low) + bin as f64 * step) / 2595.0) - 1.0);
        ((length + 1) as f64 * hertz / rate as f64).floor()
    };
    let corners: Vec<f64> = (0..bins + 2).map(corner).collect();
    let mut weights = vec![0.0; places * bins];
    for (bin, three) in corners.windows(3).enumerate() {
        let [first, middle, last] = [three[0], three[1], three[2]];
        for place in 0..places {
            let at = place as f64;
            weights[place * bins + bin] = match at {
                _ if at == middle => 1.0,
                _ if (first..middle).contains(&at) => (at - first) / (middle - first),
                _ if (middle..last).contains(&at) => (last - at) / (last - middle),
                _ => 0.0,
            };
        }
    }
    let matrix = Constant::floats(vec![places, bins], weights.into_iter().map(|weight| weight as f32).collect());
    match carrier {
        DType::F32 => one(Constant { element, ..matrix }),
        DType::Bf16 | DType::I32 | DType::Bool => Err(Fault::Element(element)),
    }
}

fn dft_by_attribute<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    transform(c, c.int_attribute("axis", 1)?)
}

fn dft<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    transform(c, if c.has(2) { c.int(2)? } else { -2 })
}

/// A Fourier transform along an axis of `x [.., 1 or 2]`, whose last axis is the real and the imaginary part.
fn transform<'g>(c: &Context<'_, 'g>, along: i64) -> Results<'g> {
    let x = c.float(0)?;
    let from = x.shape();
    let along = axis(along, from.rank())?;
    let (inverse, onesided) = (c.flag("inverse", false)?, c.flag("onesided", false)?);
    if along + 1 == from.rank() || !matches!(from.dim(from.rank() - 1), 1 | 2) {
        return Err(Fault::invalid(format!(
            "{from} along axis {along}: the last axis is the parts of a complex number"
        )));
    }
    let given = if c.has(1) { Some(extent(c.int(1)?)?) } else { None };
    let back = inverse && onesided;
    let length = given.unwrap_or(if back { 2 * from.dim(along).saturating_sub(1) } else { from.dim(along) });
    // The axis last, then the parts.
    let parts = Parts::of(x);
    let order: Vec<usize> = (0..from.rank() - 1).filter(|&axis| axis != along).chain([along]).collect();
    let wanted = if back { length / 2 + 1 } else { length };
    let parts = parts.each(|part| fitted(part.permute(&order), wanted));
    let results = if back { real_of_half(parts, length)? } else { fourier(parts, length, inverse, onesided)? };
    let mut way_back: Vec<usize> = (0..from.rank() - 2).collect();
    way_back.insert(along, from.rank() - 2);
    c.like(0, results.each(|part| part.permute(&way_back)).together())
}

/// The parts of complex numbers.
#[derive(Clone, Copy)]
struct Parts<'g> {
    real: Value<'g>,
    imaginary: Option<Value<'g>>,
}

impl<'g> Parts<'g> {
    fn of(x: Value<'g>) -> Parts<'g> {
        let last = x.shape().rank() - 1;
        let part = |place: usize| x.slice(last, place..place + 1, 1).squeeze(last);
        Parts { real: part(0), imaginary: (x.shape().dim(last) == 2).then(|| part(1)) }
    }

    fn each(self, function: impl Fn(Value<'g>) -> Value<'g>) -> Parts<'g> {
        Parts { real: function(self.real), imaginary: self.imaginary.map(function) }
    }

    fn together(self) -> Value<'g> {
        let last = self.real.shape().rank();
        match self.imaginary {
            Some(imaginary) => self.real.graph().concat(&[self.real.unsqueeze(last), imaginary.unsqueeze(last)], last),
            None => self.real.unsqueeze(last),
        }
    }
}

/// The last axis with zeros behind it, or shortened.
fn fitted(x: Value<'_>, length: usize) -> Value<'_> {
    let last = x.shape().rank() - 1;
    let own = x.shape().dim(last);
    if own >= length {
        return x.slice(last, 0..length, 1);
    }
    let mut high = vec![0; last + 1];
    high[last] = length - own;
    x.pad(&[], &high, 0.0)
}

/// `[rows, columns]` of `cos` and `sin` of `2 pi row column / turn`.
fn table<'g>(x: Value<'g>, rows: usize, columns: usize, turn: usize) -> Result<[Value<'g>; 2], Fault> {
    // Products of places are whole numbers of 31 bits.
    const LONGEST: usize = 46_340;
    if turn == 0 || turn > LONGEST || rows == 0 || columns == 0 {
        return Err(Fault::unsupported(format!("a transform of {turn} places; there are those of 1 to {LONGEST}")));
    }
    let to = shape(&[rows, columns])?;
    let places = x.graph().iota(to, 0) * x.graph().iota(to, 1);
    Ok([cosine(places, turn), sine(places, turn)])
}

/// The transform along the last axis, of `length` places.
fn fourier<'g>(x: Parts<'g>, length: usize, inverse: bool, onesided: bool) -> Result<Parts<'g>, Fault> {
    let bins = if onesided { length / 2 + 1 } else { length };
    let [cosine, sine] = table(x.real, length, bins, length)?;
    let sine = if inverse { -sine } else { sine };
    let scale = |part: Value<'g>| if inverse { part * (1.0 / length as f64) } else { part };
    // (re + i im) (cos - i sin)
    let (mut real, mut imaginary) = (product(x.real, cosine), -product(x.real, sine));
    if let Some(part) = x.imaginary {
        real = real + product(part, sine);
        imaginary = imaginary + product(part, cosine);
    }
    Ok(Parts { real: scale(real), imaginary: Some(scale(imaginary)) })
}

/// The real signal of `length` places whose transform's first half is given.
fn real_of_half<'g>(x: Parts<'g>, length: usize) -> Result<Parts<'g>, Fault> {
    let bins = length / 2 + 1;
    let [cosine, sine] = table(x.real, bins, length, length)?;
    // All but the first bin, and the last one of an even length, stand for two.
    let bin = x.real.graph().iota([bins], 0);
    let mut alone = bin.eq(0);
    if length.is_multiple_of(2) {
        alone = alone | bin.eq(bins as i32 - 1);
    }
    let weight = alone.select(1.0, x.real.graph().scalar(2.0)) * (1.0 / length as f64);
    let real = product(x.real * weight, cosine);
    let real = match x.imaginary {
        Some(part) => real - product(part * weight, sine),
        None => real,
    };
    Ok(Parts { real, imaginary: None })
}

/// `x [.., n]` times a matrix `[n, m]`.
fn product<'g>(x: Value<'g>, matrix: Value<'g>) -> Value<'g> {
    let from = x.shape();
    let last = from.rank() - 1;
    let rows: usize = from.dims()[..last].iter().product();
    x.reshape([rows, from.dim(last)]).matmul(matrix).reshape(from.with(last, matrix.shape().dim(1)))
}

/// Transforms of frames `[batch, frames, bins, 2]` of a signal `[batch, places]` or `[batch, places, 1 or 2]`.
fn stft<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let x = c.float(0)?;
    let x = if x.shape().rank() == 2 { x.unsqueeze(2) } else { x };
    let step = extent(c.int(1)?)?;
    let window = c.optional(2)?;
    let length = match (c.has(3), window) {
        (true, _) => extent(c.int(3)?)?,
        (false, Some(window)) => window.shape().elements(),
        (false, None) => return Err(Fault::invalid("neither a window nor `frame_length` is given")),
    };
    let places = x.shape().dims().get(1).copied().unwrap_or(0);
    let fits = x.shape().rank() == 3
        && matches!(x.shape().dim(2), 1 | 2)
        && step > 0
        && length > 0
        && length <= places
        && window.is_none_or(|window| window.shape().dims() == [length]);
    if !fits {
        return Err(Fault::invalid(format!("frames of {length} places, {step} apart, of {}", x.shape())));
    }
    let frames = (places - length) / step + 1;
    let (batch, parts) = (x.shape().dim(0), Parts::of(x));
    let to = shape(&[batch, frames, length])?;
    let start = shape(&[frames, length])?;
    let index = (c.g.iota(start, 0) * step as i32 + c.g.iota(start, 1)).reshape([frames * length]);
    let framed = |part: Value<'g>| {
        let found = part.transpose(0, 1).take_rows(index).transpose(0, 1).reshape(to);
        window.map_or(found, |window| found * window)
    };
    let onesided = c.flag("onesided", true)?;
    c.like(0, fourier(parts.each(framed), length, false, onesided)?.together())
}
