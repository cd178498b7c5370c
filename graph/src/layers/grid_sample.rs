//! Sampling at any places: grids of places under affine maps, and what images hold there. It knows images and no
//! layers.

use super::resample::{channels_first, channels_last};
use crate::build::Value;
use crate::shape::functions as rules;
use crate::shape::{DType, Shape, ShapeError};
use crate::whole::Whole;
use crate::words;

/// How what lies between elements is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridMode {
    /// From the two neighbours along each axis, by their distances.
    Bilinear,
    /// The nearest element; of two as near the one at an even place.
    Nearest,
    /// From the four neighbours along each axis, by Keys' kernel with `a = -0.75`.
    Bicubic,
}

impl GridMode {
    /// The mode of a word: `"bilinear"`, `"nearest"` or `"bicubic"`.
    ///
    /// # Errors
    /// [`ShapeError::Setting`] for another one.
    pub const fn of(word: &str) -> Result<GridMode, ShapeError> {
        if words::same(word, "bilinear") {
            Ok(GridMode::Bilinear)
        } else if words::same(word, "nearest") {
            Ok(GridMode::Nearest)
        } else if words::same(word, "bicubic") {
            Ok(GridMode::Bicubic)
        } else {
            Err(ShapeError::Setting { setting: "mode", rule: "must be \"bilinear\", \"nearest\" or \"bicubic\"" })
        }
    }
}

/// What stands for elements outside of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridPadding {
    /// Zeros.
    Zeros,
    /// The nearest element of the border.
    Border,
    /// The image mirrored at its border, as often as it takes.
    Reflection,
}

impl GridPadding {
    /// The padding of a word: `"zeros"`, `"border"` or `"reflection"`.
    ///
    /// # Errors
    /// [`ShapeError::Setting`] for another one.
    pub const fn of(word: &str) -> Result<GridPadding, ShapeError> {
        if words::same(word, "zeros") {
            Ok(GridPadding::Zeros)
        } else if words::same(word, "border") {
            Ok(GridPadding::Border)
        } else if words::same(word, "reflection") {
            Ok(GridPadding::Reflection)
        } else {
            let rule = "must be \"zeros\", \"border\" or \"reflection\"";
            Err(ShapeError::Setting { setting: "padding_mode", rule })
        }
    }
}

/// The places that affine maps `theta [N, 2, 3]` take those of an image `size = [N, C, H, W]` to, `[N, H, W, 2]`: of each its
/// `x` (along `W`) and its `y`, from -1 to 1. Volumes have an axis more: `[N, 3, 4]` and `[N, C, D, H, W]` give
/// `[N, D, H, W, 3]`.
///
/// With `align_corners` -1 and 1 are the middles of the first and the last element, else their outer edges.
///
/// * Errors: [`ShapeError::Attribute`] for a size that is none of images or volumes, [`ShapeError::Given`] for a `theta` that
///   does not go with it.
/// * Source: PyTorch's `nn.functional.affine_grid`.
pub fn affine_grid<'g>(theta: Value<'g>, size: &[usize], align_corners: bool) -> Value<'g> {
    let g = theta.graph();
    let shape = match rules::affine_grid("affine_grid", theta.shape(), size, align_corners) {
        Ok(shape) => shape,
        Err(error) => {
            g.fail(error.into());
            return g.poison(theta.ty());
        }
    };
    let spatial = size.len() - 2;
    let places = Shape::new(&size[2..]);
    // The last axis comes first, and behind all there is a 1 for what is added.
    let along = |axis: usize| {
        let extent = places.dim(axis) as f64;
        let number = g.iota(places, axis).convert(DType::F32);
        let place = match (align_corners, extent > 1.0) {
            (true, false) => number,
            (true, true) => number * (2.0 / (extent - 1.0)) - 1.0,
            (false, _) => number * (2.0 / extent) + (1.0 / extent - 1.0),
        };
        place.unsqueeze(-1)
    };
    let mut columns: Vec<Value<'g>> = (0..spatial).rev().map(along).collect();
    columns.push(g.full(places.insert(spatial, 1), 1.0));
    let base = g.concat(&columns, -1).reshape([places.elements(), spatial + 1]);
    let base = base.unsqueeze(0).broadcast_to([size[0], places.elements(), spatial + 1]);
    base.matmul(theta.transpose(1, 2)).reshape(shape)
}

/// What `x [N, C, H, W]` holds at the places of `grid [N, H', W', 2]`: `[N, C, H', W']`. A place is its `x` (along `W`) and
/// its `y`, from -1 to 1 within the image; volumes have an axis more. See [`affine_grid`] for `align_corners`.
///
/// Gradients pass to `x` and to `grid`; of the nearest element there is none to `grid`, as of places that are moved to the
/// border.
///
/// * Errors: [`ShapeError::Rank`], [`ShapeError::Expected`] for a grid that does not go with `x`, [`ShapeError::Setting`] for
///   a mode or a padding that is not there, and for `"bicubic"` of volumes.
/// * Source: PyTorch's `nn.functional.grid_sample`.
pub fn grid_sample<'g>(
    x: Value<'g>,
    grid: Value<'g>,
    mode: &str,
    padding_mode: &str,
    align_corners: bool,
) -> Value<'g> {
    let g = x.graph();
    let ruled = rules::grid_sample("grid_sample", x.shape(), grid.shape(), mode, padding_mode, align_corners);
    let settings = GridMode::of(mode).and_then(|mode| Ok((mode, GridPadding::of(padding_mode)?)));
    let (shape, (mode, padding)) = match ruled.and_then(|shape| Ok((shape, settings?))) {
        Ok(all) => all,
        Err(error) => {
            g.fail(error.into());
            return g.poison(x.ty());
        }
    };
    let _function = g.function("grid_sample");
    let spatial = shape.rank() - 2;
    let (samples, count) = (shape.dim(0), shape.dims()[2..].iter().product());
    let image = Image::new(x, padding, align_corners);
    // Of each axis, the places in elements: `[N, places]`.
    let places: Vec<Value<'g>> = (0..spatial)
        .map(|axis| {
            let column = spatial - 1 - axis;
            let given = grid.slice(spatial + 1, column..column + 1, 1).reshape([samples, count]);
            let extent = image.extents[axis] as f64;
            if align_corners { (given + 1.0) * ((extent - 1.0) / 2.0) } else { (given + 1.0) * (extent / 2.0) - 0.5 }
        })
        .collect();
    let moved = |axis: usize| image.moved(places[axis], axis);
    // Of each axis, the elements that count, each with its share.
    let neighbours: Vec<Vec<(Value<'g>, Option<Value<'g>>)>> = match mode {
        GridMode::Nearest => (0..spatial).map(|axis| vec![(moved(axis).round(), None)]).collect(),
        GridMode::Bilinear => {
            let of_axis = |axis: usize| {
                let place = moved(axis);
                let low = place.floor();
                let share = place - low;
                vec![(low, Some(1.0 - share)), (low + 1.0, Some(share))]
            };
            (0..spatial).map(of_axis).collect()
        }
        GridMode::Bicubic => {
            let of_axis = |axis: usize| {
                let low = places[axis].floor();
                let share = places[axis] - low;
                let element = |offset: i32| (image.moved(low + f64::from(offset), axis), Some(keys(share, offset)));
                (-1..3).map(element).collect()
            };
            (0..spatial).map(of_axis).collect()
        }
    };
    // All combinations of one element along each axis.
    let mut sum: Option<Value<'g>> = None;
    for number in 0..neighbours.iter().map(Vec::len).product() {
        let mut rest: usize = number;
        let (mut at, mut share): (Vec<Value<'g>>, Option<Value<'g>>) = (Vec::new(), None);
        for of_axis in &neighbours {
            let (place, own) = of_axis[rest % of_axis.len()];
            rest /= of_axis.len();
            at.push(place);
            share = share.map_or(own, |share| own.map(|own| share * own));
        }
        let term = image.at(&at, share);
        sum = Some(sum.map_or(term, |sum| sum + term));
    }
    let sum = sum.unwrap_or_else(|| g.scalar(0.0));
    let last: Vec<usize> = [&[samples][..], &shape.dims()[2..], &[shape.dim(1)]].concat();
    let whole = Whole::GridSample { mode, padding, align_corners };
    channels_first(sum.reshape(&last[..])).known_as(whole, &[Some(x), Some(grid)])
}

/// Keys' kernel with `a = -0.75` for the element `offset` places behind the last one before a place, `share` behind that: of
/// the distance `d` it is `(a + 2) d^3 - (a + 3) d^2 + 1` up to 1, and `a (d - 1) (d - 2)^2` up to 2.
fn keys(share: Value<'_>, offset: i32) -> Value<'_> {
    let a = -0.75;
    // The distance from the nearer one of the two neighbours on its side, as the kernel's parts are both from there.
    let d = if offset > 0 { 1.0 - share } else { share };
    match offset {
        0 | 1 => (d * (a + 2.0) - (a + 3.0)) * d.square() + 1.0,
        _ => d * (d - 1.0).square() * a,
    }
}

/// An image as rows of channels, one for each place of each sample.
struct Image<'g> {
    rows: Value<'g>,
    samples: usize,
    extents: Vec<usize>,
    padding: GridPadding,
    align_corners: bool,
}

impl<'g> Image<'g> {
    fn new(x: Value<'g>, padding: GridPadding, align_corners: bool) -> Image<'g> {
        let shape = x.shape();
        let rows = channels_last(x).reshape([shape.elements() / shape.dim(1), shape.dim(1)]);
        Image { rows, samples: shape.dim(0), extents: shape.dims()[2..].to_vec(), padding, align_corners }
    }

    /// Places along an axis, those outside moved into the image as the padding says; zeros leave them where they are.
    fn moved(&self, place: Value<'g>, axis: usize) -> Value<'g> {
        let last = (self.extents[axis] - 1) as f64;
        let into = |place: Value<'g>| {
            let inside = place.gt(0.0) & place.lt(last);
            inside.select(place, place.detach().clamp(0.0, last))
        };
        match self.padding {
            GridPadding::Zeros => place,
            GridPadding::Border => into(place),
            GridPadding::Reflection => {
                let (low, span) = if self.align_corners { (0.0, last) } else { (-0.5, last + 1.0) };
                if span == 0.0 {
                    return place * 0.0;
                }
                let distance = (place - low).abs();
                let flips = (distance / span).floor().detach();
                let beyond = distance - flips * span;
                let is_even = (flips - (flips * 0.5).floor() * 2.0).eq(0.0);
                into(is_even.select(beyond, span - beyond) + low)
            }
        }
    }

    /// The rows at these whole places, `[N, places]` along each axis, times a share: `[N, places, C]`.
    fn at(&self, places: &[Value<'g>], share: Option<Value<'g>>) -> Value<'g> {
        let g = self.rows.graph();
        let count = places[0].shape().dim(1);
        let mut row = g.iota([self.samples, count], 0);
        let mut share = share;
        for (&place, &extent) in places.iter().zip(&self.extents) {
            let last = (extent - 1) as f64;
            if self.padding == GridPadding::Zeros {
                let inside = place.ge(0.0) & place.le(last);
                share = Some(inside.select(share.unwrap_or_else(|| g.full(place.shape(), 1.0)), 0.0));
            }
            row = row * extent as i32 + place.detach().clamp(0.0, last).convert(DType::I32);
        }
        let rows = self.rows.take_rows(row);
        share.map_or(rows, |share| rows * share.unsqueeze(-1))
    }
}
