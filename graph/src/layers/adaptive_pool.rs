//! Adaptive pooling: layers that are told the size of their output. Windows whose kernel and stride are given are
//! `pool.rs`'s.

use super::resample::{along, at, channels_first, channels_last};
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, NoSettings, Path};
use crate::op::{Axes, MAX_SPATIAL, Sliding, Window};
use crate::shape::{DType, Shape, ShapeError, rules};
use crate::whole::Whole;

/// As the output size along an axis: as large as the input (PyTorch's `None`).
pub const KEPT: usize = usize::MAX;

/// The average of the cells of a grid over `x [N, C, spatial..]` (or one sample, `[C, spatial..]`) with so many cells
/// along each spatial axis, `None` being as many as there are elements.
///
/// Along an axis of `in` elements cell `i` of `out` holds those from `i in / out`, rounded down, up to `(i + 1) in /
/// out`, rounded up: neighbours overlap by an element where `out` does not divide `in`.
pub fn adaptive_avg_pool<'g>(x: Value<'g>, output_size: &[Option<usize>]) -> Value<'g> {
    if x.shape().rank() == output_size.len() + 1 {
        return adaptive_avg_pool(x.unsqueeze(0), output_size).squeeze(0);
    }
    let output = match rules::adaptive_pool("adaptive_avg_pool", x.shape(), output_size) {
        Ok(output) => output,
        Err(error) => {
            x.graph().fail(error.into());
            return x;
        }
    };
    let spatial = 2..output.rank();
    if spatial.clone().all(|axis| output.dim(axis) == 1) {
        return x.mean_keep(Axes::new(spatial));
    }
    // Cells of one size are windows; of the others the map is written out.
    let cell = |axis: usize| {
        x.shape().dim(axis).is_multiple_of(output.dim(axis)).then(|| x.shape().dim(axis) / output.dim(axis))
    };
    let mut kernel = [1; MAX_SPATIAL];
    spatial.clone().for_each(|axis| kernel[axis - 2] = cell(axis).unwrap_or(1));
    let mut y = x;
    if kernel != [1; MAX_SPATIAL] {
        let sliding = Sliding { stride: kernel, ..Sliding::unit(spatial.len()) };
        let window = Window { kernel, sliding, ceil: false };
        let mean = x.sum_window(window) / kernel.iter().product::<usize>() as f64;
        y = mean.known_as(Whole::AvgPool { window, count_include_pad: true }, &[Some(x)]);
    }
    let uneven = spatial.filter(|&axis| cell(axis).is_none());
    uneven.fold(y, |y, axis| along(y, axis, shares(y.graph(), x.shape().dim(axis), output.dim(axis))))
}

/// `[out, in]`: the share of each of `inputs` elements in the averages of `outputs` cells.
fn shares(g: &Builder, inputs: usize, outputs: usize) -> Value<'_> {
    let (inputs, outputs) = (inputs as i32, outputs as i32);
    let cell = g.iota([outputs as usize, 1], 0);
    let element = g.iota([1, inputs as usize], 1);
    // floor(i in / out) <= j < ceil((i + 1) in / out), without a division.
    let inside = (cell * inputs).lt((element + 1) * outputs) & ((cell + 1) * inputs).gt(element * outputs);
    let inside = inside.convert(DType::F32);
    inside / inside.sum_keep(1)
}

/// The maximum of the cells of a grid over `x [N, C, spatial..]` (or one sample, `[C, spatial..]`), and its place
/// within the image in row-major order (i32, without a gradient). The cells are those of [`adaptive_avg_pool`]. Of
/// equals the first wins, which gets the whole gradient; NaN wins over all.
pub fn adaptive_max_pool<'g>(x: Value<'g>, output_size: &[Option<usize>]) -> (Value<'g>, Value<'g>) {
    let g = x.graph();
    if x.shape().rank() == output_size.len() + 1 {
        let (values, places) = adaptive_max_pool(x.unsqueeze(0), output_size);
        return (values.squeeze(0), places.squeeze(0));
    }
    let output = match rules::adaptive_pool("adaptive_max_pool", x.shape(), output_size) {
        Ok(output) => output,
        Err(error) => {
            g.fail(error.into());
            return (x, x.convert(DType::I32));
        }
    };
    // Where cells differ in size, all get that of the largest: an axis along which each cell has its elements to
    // itself, the last one of them repeated, which changes no maximum and comes after the first of equals.
    let mut sliding = Sliding::unit(output.rank() - 2);
    let (mut image, mut place) = (channels_last(x), g.scalar_of(DType::I32, 0.0));
    for (number, axis) in (2..output.rank()).enumerate() {
        let (inputs, cells) = (x.shape().dim(axis), output.dim(axis));
        let (size, elements) = cells_of_one_size(g, inputs, cells);
        sliding.stride[number] = size;
        let along = elements.unwrap_or_else(|| g.iota([inputs], 0));
        if let Some(elements) = elements {
            image = at(image, axis - 1, elements);
        }
        place = place.unsqueeze(-1) * inputs as i32 + along;
    }
    let (image, window) = (channels_first(image), Window { kernel: sliding.stride, sliding, ceil: false });
    let chosen = image.detach().argmax_window(window);
    let uneven = image.shape() != x.shape();
    let places = if uneven { place.reshape([place.shape().elements()]).take_rows(chosen) } else { chosen };
    (image.max_window(window), places)
}

/// The number of elements of the largest cell along an axis; and, unless that of all cells follow one another, the
/// elements of each cell, `[cells * size]`, the last one of a smaller cell repeated.
fn cells_of_one_size(g: &Builder, inputs: usize, cells: usize) -> (usize, Option<Value<'_>>) {
    if inputs.is_multiple_of(cells) {
        return (inputs / cells, None);
    }
    let begin = |cell: usize| cell * inputs / cells;
    let end = |cell: usize| ((cell + 1) * inputs).div_ceil(cells);
    let size = (0..cells).map(|cell| end(cell) - begin(cell)).max().unwrap_or(1);
    // The quotient of two whole numbers is never rounded to the next whole one, below 2^24.
    let cell = g.iota([cells, 1], 0).convert(DType::F32);
    let begin = (cell * inputs as f64 / cells as f64).floor().convert(DType::I32);
    // Rounded up: the negative of what is rounded down.
    let end = (-((cell + 1.0) * inputs as f64 / cells as f64)).floor();
    let elements = (begin + g.iota([1, size], 1)).minimum((-end - 1.0).convert(DType::I32));
    (size, Some(elements.reshape([cells * size])))
}

/// Declares an adaptive pooling layer: its documentation, its name, its output's extents, and what computes it.
macro_rules! adaptive {
    ($(#[$doc:meta])* $name:ident, $op:literal, $pool:expr, [$first:ident $(, $extent:ident = $default:ident)*]) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name<const $first: usize $(, const $extent: usize = $default)*>;

        impl<const $first: usize $(, const $extent: usize)*> $name<$first $(, $extent)*> {
            /// The output's extents.
            const OUTPUT_SIZE: &'static [Option<usize>] = &[kept($first) $(, kept($extent))*];

            /// The result's shape.
            pub const fn shape(input: Shape, _: &NoSettings) -> Result<Shape, ShapeError> {
                rules::adaptive_pool($op, input, Self::OUTPUT_SIZE)
            }

            /// The result's shape, or after a mismatch the input's.
            pub const fn shape_or_assumed(input: Shape, settings: &NoSettings) -> Shape {
                match Self::shape(input, settings) {
                    Ok(shape) => shape,
                    Err(_) => input,
                }
            }

            /// The layer; it has no parameters.
            pub fn new(_: NoSettings, init: &mut Init) -> Self {
                let _ = init;
                $name
            }
        }

        impl<const $first: usize $(, const $extent: usize)*> Layer for $name<$first $(, $extent)*> {
            fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
                // The function takes one sample without a batch axis, too; the layer does not.
                if let Err(error) = Self::shape(x.shape(), &NoSettings::new()) {
                    g.fail(error.into());
                    return x;
                }
                let pool: for<'a> fn(Value<'a>, &[Option<usize>]) -> Value<'a> = $pool;
                pool(x, Self::OUTPUT_SIZE)
            }

            fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
                f(path.as_str(), &format!("{}({})", stringify!($name), extents(Self::OUTPUT_SIZE)));
            }
        }
    };
}

/// An extent in angle brackets.
const fn kept(extent: usize) -> Option<usize> {
    if extent == KEPT { None } else { Some(extent) }
}

/// `5` if all are equal, else `(5, None)`.
fn extents(extents: &[Option<usize>]) -> String {
    let word = |extent: &Option<usize>| extent.map_or("None".to_string(), |extent| extent.to_string());
    super::listed(&extents.iter().map(word).collect::<Vec<String>>())
}

adaptive! {
    /// The average of the cells of a grid with `L` cells: along an axis of `in` elements cell `i` of `out` holds those
    /// from `i in / out`, rounded down, up to `(i + 1) in / out`, rounded up.
    ///
    /// * Shapes: `[N, C, in]` to `[N, C, L]`; [`KEPT`] (`None` in a `model!`) keeps the
    ///   extent.
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::Setting`] (an output size of 0), [`ShapeError::Attribute`]
    ///   (an empty image).
    /// * Source: PyTorch's `nn.AdaptiveAvgPool1d`.
    AdaptiveAvgPool1d, "adaptive_avg_pool", adaptive_avg_pool, [L]
}

adaptive! {
    /// The average of the cells of a grid with `H` rows and `W` columns of cells; `AdaptiveAvgPool2d<1>` is the average
    /// of the whole image. Along an axis of `in` elements cell `i` of `out` holds those from `i in / out`, rounded
    /// down, up to `(i + 1) in / out`, rounded up.
    ///
    /// * Shapes: `[N, C, in, in']` to `[N, C, H, W]`; [`KEPT`] (`None` in a `model!`) keeps an extent.
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::Setting`] (an output size of 0), [`ShapeError::Attribute`]
    ///   (an empty image).
    /// * Source: PyTorch's `nn.AdaptiveAvgPool2d`.
    AdaptiveAvgPool2d, "adaptive_avg_pool", adaptive_avg_pool, [H, W = H]
}

adaptive! {
    /// The average of the cells of a grid with `D` layers, `H` rows and `W` columns of cells; `AdaptiveAvgPool3d<1>` is
    /// the average of the whole volume. Along an axis of `in` elements cell `i` of `out` holds those from `i in / out`,
    /// rounded down, up to `(i + 1) in / out`, rounded up.
    ///
    /// * Shapes: `[N, C, in, in', in'']` to `[N, C, D, H, W]`; [`KEPT`] (`None` in a `model!`) keeps an extent.
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::Setting`] (an output size of 0), [`ShapeError::Attribute`]
    ///   (an empty image).
    /// * Source: PyTorch's `nn.AdaptiveAvgPool3d`.
    AdaptiveAvgPool3d, "adaptive_avg_pool", adaptive_avg_pool, [D, H = D, W = H]
}

adaptive! {
    /// The maximum of the cells of a grid with `L` cells: along an axis of `in` elements cell `i` of `out` holds those
    /// from `i in / out`, rounded down, up to `(i + 1) in / out`, rounded up. The gradient goes to the first largest
    /// element in row-major order.
    ///
    /// * Shapes: `[N, C, in]` to `[N, C, L]`; [`KEPT`] (`None` in a `model!`) keeps an extent.
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::Setting`] (an output size of 0), [`ShapeError::Attribute`]
    ///   (an empty image).
    /// * Source: PyTorch's `nn.AdaptiveMaxPool1d`, but for `return_indices`, which a `forward` has as
    ///   `adaptive_max_pool1d_with_indices`.
    AdaptiveMaxPool1d, "adaptive_max_pool", |x, output_size| adaptive_max_pool(x, output_size).0, [L]
}

adaptive! {
    /// The maximum of the cells of a grid with `H` rows and `W` columns of cells: along an axis of `in` elements cell
    /// `i` of `out` holds those from `i in / out`, rounded down, up to `(i + 1) in / out`, rounded up. The gradient
    /// goes to the first largest element in row-major order.
    ///
    /// * Shapes: `[N, C, in, in']` to `[N, C, H, W]`; [`KEPT`] (`None` in a `model!`) keeps an extent.
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::Setting`] (an output size of 0), [`ShapeError::Attribute`]
    ///   (an empty image).
    /// * Source: PyTorch's `nn.AdaptiveMaxPool2d`, but for `return_indices`, which a `forward` has as
    ///   `adaptive_max_pool2d_with_indices`.
    AdaptiveMaxPool2d, "adaptive_max_pool", |x, output_size| adaptive_max_pool(x, output_size).0, [H, W = H]
}

adaptive! {
    /// The maximum of the cells of a grid with `D` layers, `H` rows and `W` columns of cells: along an axis of `in`
    /// elements cell `i` of `out` holds those from `i in / out`, rounded down, up to `(i + 1) in / out`, rounded up.
    /// The gradient goes to the first largest element in row-major order.
    ///
    /// * Shapes: `[N, C, in, in', in'']` to `[N, C, D, H, W]`; [`KEPT`] (`None` in a `model!`) keeps an extent.
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::Setting`] (an output size of 0), [`ShapeError::Attribute`]
    ///   (an empty image).
    /// * Source: PyTorch's `nn.AdaptiveMaxPool3d`, but for `return_indices`, which a `forward` has as
    ///   `adaptive_max_pool3d_with_indices`.
    AdaptiveMaxPool3d, "adaptive_max_pool", |x, output_size| adaptive_max_pool(x, output_size).0, [D, H = D, W = H]
}
