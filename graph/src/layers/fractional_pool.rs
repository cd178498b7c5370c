//! Fractional maximum pooling: windows of one size whose distances vary at random, so that an image shrinks by a factor
//! that need not be whole. By what they vary the builder draws, or the user gives.

use super::PerAxis;
use super::resample::{channels_first, channels_last};
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Path};
use crate::op::{ArgOp, Op};
use crate::shape::{DType, Shape, ShapeError, rules};

/// The maximum of each window of `x [N, C, spatial..]` with 2 or 3 spatial axes (or one image, `[C, spatial..]`), and its
/// place in the image in row-major order (i32, without a gradient), both `[N, C, output..]`. At a tie the first in row-major
/// order wins; NaN wins over all.
///
/// Along an axis of `in` elements the `out` windows of `kernel` elements begin at
/// `floor((i + u) a) - floor(u a)`, with `a = (in - kernel) / (out - 1)`, and the last one at `in - kernel`. The offset `u`,
/// at least 0 and less than 1, is `samples[n, c, ..]`: of two axes first for columns and then for rows, of three for depth,
/// rows and columns, as in PyTorch; `samples` is `[N, C, D]`, or has 1 in the place of `N` or `C`.
pub fn fractional_max_pool<'g, const D: usize>(
    x: Value<'g>,
    kernel: [usize; D],
    output: [usize; D],
    samples: Value<'g>,
) -> (Value<'g>, Value<'g>) {
    if x.shape().rank() == D + 1 {
        let (values, places) = fractional_max_pool(x.unsqueeze(0), kernel, output, samples);
        return (values.squeeze(0), places.squeeze(0));
    }
    let g = x.graph();
    let checked = rules::fractional_pool(x.shape(), &kernel, Some(&output), None).and_then(|shape| {
        let (found, all) = (samples.shape(), Shape::new(&[shape.dim(0), shape.dim(1), D]));
        let fits = found.rank() == 3 && found.dim(2) == D && rules::broadcast("samples", found, all) == Ok(all);
        if fits { Ok(shape) } else { Err(ShapeError::Expected { what: "samples", expected: all, found }) }
    });
    let shape = match checked {
        Ok(shape) => shape,
        Err(error) => {
            g.fail(error.into());
            return (x, x.convert(DType::I32));
        }
    };
    let [images, channels] = [0, 1].map(|axis| x.shape().dim(axis));
    let extent = |axis: usize| x.shape().dim(axis + 2);
    // How far apart the elements of an axis lie.
    let distance = |axis: usize| (axis + 1..D).map(extent).product::<usize>() as i32;
    let far = |places: Value<'g>, axis: usize| match distance(axis) {
        1 => places,
        distance => places * distance,
    };
    let elements = (0..D).map(extent).product::<usize>();
    let windows = output.iter().product::<usize>();
    // All places are those of `[N, 1, elements, C]`: the channels come last, where convolutions have them.
    let image = channels_last(x).reshape([images, 1, elements, channels]);
    // [n, windows along the axis, c]
    let begins = |axis: usize| {
        let number = if D == 2 { 1 - axis } else { axis };
        let offset = samples.slice(2, number..number + 1, 1).transpose(1, 2);
        let (room, last) = (extent(axis) - kernel[axis], output[axis] - 1);
        let window = g.iota([1, output[axis], 1], 1).convert(DType::F32);
        let distance = room as f64 / last.max(1) as f64;
        let begin = ((window + offset) * distance).floor() - (offset * distance).floor();
        window.eq(last as f64).select(room as f64, begin).convert(DType::I32)
    };
    // [n, windows.., c]
    let along = |axis: usize| {
        let before = (0..axis).fold(begins(axis), |begin, _| begin.unsqueeze(1));
        far((axis + 1..D).fold(before, |begin, _| begin.unsqueeze(-2)), axis)
    };
    let begin = (1..D).fold(along(0), |sum, axis| sum + along(axis));
    let (n, c) = (begin.shape().dim(0), begin.shape().dim(D + 1));
    let begin = begin.reshape([n, windows, c]);
    // Each element of the windows is a row of candidates, and the first largest of them is chosen.
    let candidates = kernel.iter().product::<usize>();
    let offset = |axis: usize| {
        let mut thin = [1; D];
        thin[axis] = kernel[axis];
        far(g.iota(thin, axis), axis)
    };
    let offset = (1..D).fold(offset(0), |sum, axis| sum + offset(axis));
    let places = begin.unsqueeze(1) + offset.reshape([candidates, 1, 1]);
    let places = places.broadcast_to([images, candidates, windows, channels]);
    let seen = image.detach().broadcast_to([images, candidates, elements, channels]);
    let chosen = g.apply(Op::ArgReduce { op: ArgOp::Max, axis: 1 }, &[seen.gather(2, places)]);
    // The chosen element's place along each axis of its window, the last axis first.
    let (mut rest, mut steps) = (chosen, Vec::new());
    for axis in (1..D).rev() {
        let before = (rest.convert(DType::F32) / kernel[axis] as f64).floor().convert(DType::I32);
        steps.push(far(rest - before * kernel[axis] as i32, axis));
        rest = before;
    }
    steps.push(far(rest, 0));
    let place = steps.into_iter().rev().fold(begin, |place, step| place + step);
    let as_images = |v: Value<'g>| {
        let mut spatial = shape.remove(1);
        spatial = spatial.insert(D + 1, channels);
        channels_first(v.reshape(spatial))
    };
    (as_images(image.gather(2, place.unsqueeze(1))), as_images(place))
}

/// [`fractional_max_pool`] over two axes.
pub fn fractional_max_pool2d<'g>(
    x: Value<'g>,
    kernel: [usize; 2],
    output: [usize; 2],
    samples: Value<'g>,
) -> (Value<'g>, Value<'g>) {
    fractional_max_pool(x, kernel, output, samples)
}

/// The settings of fractional pooling over `D` spatial axes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FractionalMaxPoolSettings<const D: usize> {
    output_size: Option<PerAxis<D>>,
    output_ratio: Option<PerAxis<D, f64>>,
    samples: Option<f64>,
}

/// The settings of [`FractionalMaxPool2d`].
pub type FractionalMaxPool2dSettings = FractionalMaxPoolSettings<2>;
/// The settings of [`FractionalMaxPool3d`].
pub type FractionalMaxPool3dSettings = FractionalMaxPoolSettings<3>;

impl<const D: usize> FractionalMaxPoolSettings<D> {
    /// Neither a size nor a ratio, of which one must be given; offsets are drawn.
    pub const fn new() -> FractionalMaxPoolSettings<D> {
        FractionalMaxPoolSettings { output_size: None, output_ratio: None, samples: None }
    }

    /// The output's extents: one for all axes, or one for each.
    pub const fn output_size(mut self, size: PerAxis<D>) -> FractionalMaxPoolSettings<D> {
        self.output_size = Some(size);
        self
    }

    /// The output's extents as parts of the input's, between 0 and 1.
    pub const fn output_ratio(mut self, ratio: PerAxis<D, f64>) -> FractionalMaxPoolSettings<D> {
        self.output_ratio = Some(ratio);
        self
    }

    /// The offset of all windows, at least 0 and less than 1, in place of those that are drawn.
    pub const fn samples(mut self, offset: f64) -> FractionalMaxPoolSettings<D> {
        self.samples = Some(offset);
        self
    }

    /// The result's shape for a kernel.
    const fn shape(&self, input: Shape, kernel: [usize; D]) -> Result<Shape, ShapeError> {
        if let Some(offset) = self.samples
            && !(offset >= 0.0 && offset < 1.0)
        {
            return Err(ShapeError::Setting { setting: "samples", rule: "must be at least 0 and less than 1" });
        }
        let size = match &self.output_size {
            Some(size) => Some(size.values.as_slice()),
            None => None,
        };
        let ratio = match &self.output_ratio {
            Some(ratio) => Some(ratio.values.as_slice()),
            None => None,
        };
        rules::fractional_pool(input, &kernel, size, ratio)
    }

    /// The pooling with a kernel, with offsets that are drawn if none is given.
    fn pool<'g>(&self, x: Value<'g>, kernel: [usize; D]) -> Value<'g> {
        let g = x.graph();
        let shape = match self.shape(x.shape(), kernel) {
            Ok(shape) => shape,
            Err(error) => {
                g.fail(error.into());
                return x;
            }
        };
        let samples = match self.samples {
            Some(offset) => g.full([1, 1, D], offset),
            None if g.training() => g.draw([shape.dim(0), shape.dim(1), D]),
            None => g.draw_once([1, shape.dim(1), D]),
        };
        fractional_max_pool(x, kernel, std::array::from_fn(|axis| shape.dim(axis + 2)), samples).0
    }

    /// What is set.
    fn words(&self) -> String {
        let mut text = String::new();
        if let Some(size) = self.output_size {
            text += &format!(", size {size}");
        }
        if let Some(ratio) = self.output_ratio {
            text += &format!(", ratio {ratio}");
        }
        if let Some(offset) = self.samples {
            text += &format!(", samples {offset}");
        }
        text
    }
}

/// The maximum of windows of one size whose distances vary: Graham's fractional max-pooling, with overlapping windows.
///
/// Along an axis of `in` elements the `out` windows of `kernel` elements begin at `floor((i + u) a) - floor(u a)`, with
/// `a = (in - kernel) / (out - 1)`, and the last one at `in - kernel`. The offset `u` is drawn uniformly from 0 to 1 for each
/// image, channel and axis, in training by every step anew (from the stream of the trainer's seed). In evaluation every
/// image gets the same offsets, which were drawn once for each channel and axis: a prediction depends on the model and the
/// image alone, and evaluating disturbs no training. (PyTorch draws anew in evaluation, too.)
///
/// * Shapes: `[N, C, H, W]` to `[N, C, output_size..]`, or to `[N, C, H * output_ratio, W * output_ratio]`, rounded down.
/// * Settings: one of `output_size` and `output_ratio`, a number or a pair; `samples`, a number that takes the place of the
///   offsets that are drawn.
/// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] (neither size nor ratio or both, one out of its range,
///   `samples` outside 0 to 1); [`ShapeError::Windows`] (more windows than the image has places for);
///   [`ShapeError::Attribute`] (a kernel of 0).
/// * Source: Graham, "Fractional Max-Pooling", 2014; PyTorch's `nn.FractionalMaxPool2d`, but for `return_indices`, which is
///   the second result of [`fractional_max_pool2d`].
#[derive(Clone, Debug)]
pub struct FractionalMaxPool2d<const KH: usize, const KW: usize = KH> {
    settings: Box<FractionalMaxPool2dSettings>,
}

impl<const KH: usize, const KW: usize> FractionalMaxPool2d<KH, KW> {
    /// The result's shape.
    pub const fn shape(input: Shape, settings: &FractionalMaxPool2dSettings) -> Result<Shape, ShapeError> {
        settings.shape(input, [KH, KW])
    }

    /// The result's shape, or after a mismatch the input's.
    pub const fn shape_or_assumed(input: Shape, settings: &FractionalMaxPool2dSettings) -> Shape {
        match Self::shape(input, settings) {
            Ok(shape) => shape,
            Err(_) => input,
        }
    }

    /// The layer; it has no parameters.
    pub fn new(settings: FractionalMaxPool2dSettings, init: &mut Init) -> Self {
        let _ = init;
        FractionalMaxPool2d { settings: Box::new(settings) }
    }
}

impl<const KH: usize, const KW: usize> Layer for FractionalMaxPool2d<KH, KW> {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        let _ = g;
        self.settings.pool(x, [KH, KW])
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        f(path.as_str(), &format!("FractionalMaxPool2d({}{})", PerAxis::new([KH, KW]), self.settings.words()));
    }
}

/// The maximum of windows of one size whose distances vary, over volumes: as [`FractionalMaxPool2d`].
///
/// * Shapes: `[N, C, D, H, W]` to `[N, C, output_size..]`, or to extents times `output_ratio`, rounded down.
/// * Settings, errors: as for [`FractionalMaxPool2d`].
/// * Source: Graham, "Fractional Max-Pooling", 2014; PyTorch's `nn.FractionalMaxPool3d`, but for `return_indices`, which is
///   the second result of [`fractional_max_pool`].
#[derive(Clone, Debug)]
pub struct FractionalMaxPool3d<const KD: usize, const KH: usize = KD, const KW: usize = KD> {
    settings: Box<FractionalMaxPool3dSettings>,
}

impl<const KD: usize, const KH: usize, const KW: usize> FractionalMaxPool3d<KD, KH, KW> {
    /// The result's shape.
    pub const fn shape(input: Shape, settings: &FractionalMaxPool3dSettings) -> Result<Shape, ShapeError> {
        settings.shape(input, [KD, KH, KW])
    }

    /// The result's shape, or after a mismatch the input's.
    pub const fn shape_or_assumed(input: Shape, settings: &FractionalMaxPool3dSettings) -> Shape {
        match Self::shape(input, settings) {
            Ok(shape) => shape,
            Err(_) => input,
        }
    }

    /// The layer; it has no parameters.
    pub fn new(settings: FractionalMaxPool3dSettings, init: &mut Init) -> Self {
        let _ = init;
        FractionalMaxPool3d { settings: Box::new(settings) }
    }
}

impl<const KD: usize, const KH: usize, const KW: usize> Layer for FractionalMaxPool3d<KD, KH, KW> {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        let _ = g;
        self.settings.pool(x, [KD, KH, KW])
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        f(path.as_str(), &format!("FractionalMaxPool3d({}{})", PerAxis::new([KD, KH, KW]), self.settings.words()));
    }
}
