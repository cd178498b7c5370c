//! Statistics of elements along an axis or of variables: medians and quantiles, covariances, areas under curves. How
//! elements are put in order is not known here.

use super::folds::taken;
use super::{isnan, lerp, movedim, order, positions, refused, ruled, rules};
use crate::build::Value;
use crate::shape::{DType, Shape, ShapeError};

/// The middle one of the elements along an axis in order, the lower one of two, and its i32 index; NaN if there is one.
pub fn median(x: Value<'_>, dim: isize, keepdim: bool) -> Vec<Value<'_>> {
    if let Err(error) = rules::extreme("median", x.ty(), dim, keepdim) {
        return vec![refused(x, error)];
    }
    let middle = (x.size(dim) - 1) / 2;
    let place = order::argsort(x, dim, false).slice(dim, middle..middle + 1, 1);
    if x.dtype() != DType::F32 {
        return taken(x, place, dim, keepdim);
    }
    let none = isnan(x).convert(DType::F32);
    let first = none.argmax(dim).unsqueeze(dim);
    let place = none.amax_keep(dim).gt(0.0).select(first, place);
    taken(x, place, dim, keepdim)
}

/// The middle one of all elements in order, the lower one of two; NaN if there is one.
pub fn median_of_all(x: Value<'_>) -> Value<'_> {
    ruled(x, rules::all_known("median", x.shape()), |_| median(x.reshape([x.shape().elements()]), 0, false)[0])
}

/// [`median`] of the elements that are numbers; NaN where none is.
pub fn nanmedian(x: Value<'_>, dim: isize, keepdim: bool) -> Vec<Value<'_>> {
    if x.dtype() != DType::F32 {
        return median(x, dim, keepdim);
    }
    if let Err(error) = rules::extreme("nanmedian", x.ty(), dim, keepdim) {
        return vec![refused(x, error)];
    }
    // NaN is sorted behind all numbers.
    let last = (!isnan(x)).convert(DType::I32).sum_keep(dim) - 1;
    let middle = (last.convert(DType::F32) * 0.5).floor().maximum(0.0).convert(DType::I32);
    let place = order::argsort(x, dim, false).gather(dim, middle);
    taken(x, place, dim, keepdim)
}

/// [`median_of_all`] of the elements that are numbers; NaN if none is.
pub fn nanmedian_of_all(x: Value<'_>) -> Value<'_> {
    ruled(x, rules::all_known("nanmedian", x.shape()), |_| nanmedian(x.reshape([x.shape().elements()]), 0, false)[0])
}

/// Declares the quantiles for a part that is a number, for several, and for those in a tensor.
macro_rules! quantiles {
    ($($(#[$documentation:meta])* $name:literal $of_one:ident $of_several:ident $by:ident $ignores:literal;)*) => {$(
        $(#[$documentation])*
        ///
        /// Between two places `interpolation` says what counts: `"linear"`, both in proportion, `"lower"`, `"higher"`, `"nearest"`
        /// or `"midpoint"`. Without `dim` it is a quantile of all elements.
        pub fn $of_one<'g>(
            x: Value<'g>,
            q: f64,
            dim: Option<isize>,
            keepdim: bool,
            interpolation: &str,
        ) -> Value<'g> {
            let rule = rules::quantile($name, x.shape(), q, dim, keepdim, interpolation);
            quantile_with(x, rule, x.graph().scalar(q), dim, interpolation, $ignores)
        }

        #[doc = concat!("[`", $name, "`] of several parts, along a new first axis.")]
        pub fn $of_several<'g>(
            x: Value<'g>,
            q: &[f64],
            dim: Option<isize>,
            keepdim: bool,
            interpolation: &str,
        ) -> Value<'g> {
            let rule = rules::quantiles($name, x.shape(), q, dim, keepdim, interpolation);
            let parts: Vec<Value<'g>> = q.iter().map(|&q| x.graph().scalar(q)).collect();
            match rule {
                Ok(_) => quantile_with(x, rule, super::stack(&parts, 0), dim, interpolation, $ignores),
                Err(error) => refused(x, error),
            }
        }

        #[doc = concat!("[`", $name, "`] of the part in a tensor, or of several, along a new first axis. They are from 0 to 1.")]
        pub fn $by<'g>(
            x: Value<'g>,
            q: Value<'g>,
            dim: Option<isize>,
            keepdim: bool,
            interpolation: &str,
        ) -> Value<'g> {
            let rule = rules::quantile_by($name, x.shape(), q.shape(), dim, keepdim, interpolation);
            quantile_with(x, rule, q, dim, interpolation, $ignores)
        }
    )*};
}

quantiles! {
    /// The number below which the part `q` of the elements along an axis lies; NaN if one of them is.
    "quantile" quantile quantiles quantile_by false;
    /// [`quantile`] of the elements that are numbers; NaN where none is.
    "nanquantile" nanquantile nanquantiles nanquantile_by true;
}

fn quantile_with<'g>(
    x: Value<'g>,
    rule: Result<Shape, ShapeError>,
    q: Value<'g>,
    dim: Option<isize>,
    interpolation: &str,
    ignores: bool,
) -> Value<'g> {
    ruled(x, rule, |shape| {
        let _function = x.graph().function("quantile");
        let lines = match dim {
            Some(dim) => movedim(x, &[dim], &[-1]),
            None => x.reshape([x.shape().elements()]),
        };
        // NaN is sorted behind all numbers.
        let sorted = order::sort(lines, -1, false)[0];
        let count = lines.size(-1);
        let q = q.reshape([q.shape().elements()]);
        let last = match ignores {
            true => ((!isnan(sorted)).convert(DType::F32).sum_keep(-1) - 1.0).maximum(0.0),
            false => x.graph().scalar((count - 1) as f64),
        };
        let places = sorted.shape().with(sorted.shape().rank() - 1, q.shape().dim(0));
        let rank = (last * q).broadcast_to(places);
        let at = |place: Value<'g>| sorted.gather(-1, place.convert(DType::I32));
        let between = match interpolation {
            "lower" => at(rank.floor()),
            "higher" => at(super::ceil(rank)),
            "nearest" => at(rank.round()),
            _ => {
                let (below, above) = (rank.floor(), super::ceil(rank));
                let share = if interpolation == "midpoint" { x.graph().scalar(0.5) } else { rank - below };
                let low = at(below);
                // Of infinite ones the difference is none.
                below.eq(above).select(low, lerp(low, at(above), share))
            }
        };
        let largest = sorted.slice(-1, count - 1..count, 1);
        let value = if ignores { between } else { largest.ne(largest).select(largest, between) };
        movedim(value, &[-1], &[0]).reshape(shape)
    })
}

/// The covariances of variables, which are the rows of `x [D, K]`, of which the columns are observations: `[D, D]`, of one
/// variable a number. The squared distances from the means are divided by the number of observations less `correction`.
/// `fweights [K]` (i32) says how often each observation counts, `aweights [K]` with which weight.
pub fn cov<'g>(x: Value<'g>, correction: f64, fweights: Option<Value<'g>>, aweights: Option<Value<'g>>) -> Value<'g> {
    let weights = [fweights, aweights].map(|weights| weights.map(Value::shape));
    ruled(x, rules::cov("cov", x.shape(), correction, weights[0], weights[1]), |shape| {
        let _function = x.graph().function("cov");
        let rows = match *x.shape().dims() {
            [rows, _] => rows,
            _ => 1,
        };
        let x = x.reshape([rows, x.shape().elements() / rows]);
        let often = fweights.map(|weights| weights.convert(DType::F32));
        let weights = [often, aweights].into_iter().flatten().map(|weights| weights.reshape([x.size(1)]));
        let Some(weights) = weights.reduce(|one, other| one * other) else {
            let distance = x - x.mean_keep(1);
            let count = (x.size(1) as f64 - correction).max(0.0);
            return (distance.matmul(distance.transpose(0, 1)) / count).reshape(shape);
        };
        let sum = weights.sum(..);
        let distance = x - (x * weights).sum_keep(1) / sum;
        let less = match aweights {
            Some(given) => (weights * given.reshape(weights.shape())).sum(..) / sum * correction,
            None => x.graph().scalar(correction),
        };
        let products = (distance * weights).matmul(distance.transpose(0, 1));
        (products / (sum - less).maximum(0.0)).reshape(shape)
    })
}

/// The correlations of variables, which are the rows of `x`: the covariances divided by both standard deviations, from -1
/// to 1.
pub fn corrcoef(x: Value<'_>) -> Value<'_> {
    ruled(x, rules::corrcoef("corrcoef", x.shape()), |shape| {
        let covariances = cov(x, 1.0, None, None);
        if shape.rank() == 0 {
            // 1, or NaN where there is none.
            let deviations = covariances;
            return covariances / deviations;
        }
        let deviation = super::diagonal(covariances, 0, 0, 1).sqrt();
        (covariances / deviation.unsqueeze(1) / deviation).clamp(-1.0, 1.0)
    })
}

/// The area under a curve along an axis, whose numbers are `dx` apart: the sum of the means of neighbours, each times `dx`.
pub fn trapezoid(y: Value<'_>, dx: f64, dim: isize) -> Value<'_> {
    ruled(y, rules::trapezoid("trapezoid", y.shape(), dx, dim), |_| (means(y, dim) * dx).sum(dim))
}

/// [`trapezoid`] of numbers at the places `x`, a vector or as many as `y` has.
pub fn trapezoid_over<'g>(y: Value<'g>, x: Value<'g>, dim: isize) -> Value<'g> {
    ruled(y, rules::trapezoid_over("trapezoid", y.shape(), x.shape(), dim), |_| {
        (means(y, dim) * distances(y, x, dim)).sum(dim)
    })
}

/// The areas under a curve along an axis up to each number but the first; see [`trapezoid`].
pub fn cumulative_trapezoid(y: Value<'_>, dx: f64, dim: isize) -> Value<'_> {
    ruled(y, rules::cumulative_trapezoid("cumulative_trapezoid", y.shape(), dx, dim), |_| {
        (means(y, dim) * dx).cumsum(dim)
    })
}

/// [`cumulative_trapezoid`] of numbers at the places `x`, a vector or as many as `y` has.
pub fn cumulative_trapezoid_over<'g>(y: Value<'g>, x: Value<'g>, dim: isize) -> Value<'g> {
    ruled(y, rules::cumulative_trapezoid_over("cumulative_trapezoid", y.shape(), x.shape(), dim), |_| {
        (means(y, dim) * distances(y, x, dim)).cumsum(dim)
    })
}

/// The means of neighbours along an axis.
fn means(y: Value<'_>, dim: isize) -> Value<'_> {
    let count = y.size(dim);
    (y.slice(dim, 1..count, 1) + y.slice(dim, 0..count - 1, 1)) * 0.5
}

/// The distances of neighbours along an axis of `y`.
fn distances<'g>(y: Value<'g>, x: Value<'g>, dim: isize) -> Value<'g> {
    let axis = positions(y, &[dim])[0];
    if x.shape().rank() == y.shape().rank() {
        return super::diff(x, 1, dim, None, None);
    }
    let behind = y.shape().rank() - axis - 1;
    (0..behind).fold(super::diff(x, 1, 0, None, None), |x, _| x.unsqueeze(-1))
}
