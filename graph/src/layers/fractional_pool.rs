//! Fractional maximum pooling: windows of one size whose distances vary at random, so that an image shrinks by a factor that
//! need not be whole.

use super::PerAxis;
use super::resample::{channels_first, channels_last};
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Path};
use crate::op::{ArgOp, Op};
use crate::shape::{DType, Shape, ShapeError, rules};

/// The maximum of each window of `x [N, C, H, W]` (or one image, `[C, H, W]`), and its place in the image, `row * W + column`
/// (i32, without a gradient), both `[N, C, output..]`. At a tie the first in row-major order wins; NaN wins over all.
///
/// Along an axis of `in` elements the `out` windows of `kernel` elements begin at
/// `floor((i + u) a) - floor(u a)`, with `a = (in - kernel) / (out - 1)`, and the last one at `in - kernel`. The offset
/// `u`, at least 0 and less than 1, is `samples[n, c, 0]` for columns and `samples[n, c, 1]` for rows; `samples` is
/// `[N, C, 2]`, or has 1 in the place of `N` or `C`.
pub fn fractional_max_pool2d<'g>(
    x: Value<'g>,
    kernel: [usize; 2],
    output: [usize; 2],
    samples: Value<'g>,
) -> (Value<'g>, Value<'g>) {
    if x.shape().rank() == 3 {
        let (values, places) = fractional_max_pool2d(x.unsqueeze(0), kernel, output, samples);
        return (values.squeeze(0), places.squeeze(0));
    }
    let g = x.graph();
    let checked = rules::fractional_pool(x.shape(), kernel, Some(output), None).and_then(|shape| {
        let (found, all) = (samples.shape(), Shape::new(&[shape.dim(0), shape.dim(1), 2]));
        let fits = found.rank() == 3 && found.dim(2) == 2 && rules::broadcast("samples", found, all) == Ok(all);
        if fits { Ok(shape) } else { Err(ShapeError::Expected { what: "samples", expected: all, found }) }
    });
    let shape = match checked {
        Ok(shape) => shape,
        Err(error) => {
            g.fail(error.into());
            return (x, x.convert(DType::I32));
        }
    };
    let [images, channels, rows, columns] = [0, 1, 2, 3].map(|axis| x.shape().dim(axis));
    let windows = output[0] * output[1];
    // All places are those of `[N, 1, rows * columns, C]`: the channels come last, where convolutions have them.
    let image = channels_last(x).reshape([images, 1, rows * columns, channels]);
    // [n, windows along the axis, c]
    let begins = |axis: usize| {
        let offset = samples.slice(2, 1 - axis..2 - axis, 1).transpose(1, 2);
        let (room, last) = (x.shape().dim(axis + 2) - kernel[axis], output[axis] - 1);
        let window = g.iota([1, output[axis], 1], 1).convert(DType::F32);
        let distance = room as f64 / last.max(1) as f64;
        let begin = ((window + offset) * distance).floor() - (offset * distance).floor();
        window.eq(last as f64).select(room as f64, begin).convert(DType::I32)
    };
    let (row, column) = (begins(0).unsqueeze(2), begins(1).unsqueeze(1));
    let begin = row * columns as i32 + column;
    let (n, c) = (begin.shape().dim(0), begin.shape().dim(3));
    let begin = begin.reshape([n, windows, c]);
    // Each element of the windows is a row of candidates, and the first largest of them is chosen.
    let elements = kernel[0] * kernel[1];
    let offset = g.iota([kernel[0], 1], 0) * columns as i32 + g.iota([1, kernel[1]], 1);
    let candidates = begin.unsqueeze(1) + offset.reshape([elements, 1, 1]);
    let candidates = candidates.broadcast_to([images, elements, windows, channels]);
    let seen = image.detach().broadcast_to([images, elements, rows * columns, channels]);
    let candidates = seen.gather(2, candidates);
    let chosen = g.apply(Op::ArgReduce { op: ArgOp::Max, axis: 1 }, &[candidates]);
    let down = (chosen.convert(DType::F32) / kernel[1] as f64).floor().convert(DType::I32);
    let place = begin + down * columns as i32 + (chosen - down * kernel[1] as i32);
    let as_images = |v: Value<'g>| channels_first(v.reshape([images, shape.dim(2), shape.dim(3), channels]));
    (as_images(image.gather(2, place.unsqueeze(1))), as_images(place))
}

/// The settings of [`FractionalMaxPool2d`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FractionalMaxPool2dSettings {
    output_size: Option<PerAxis<2>>,
    output_ratio: Option<PerAxis<2, f64>>,
    samples: Option<f64>,
}

impl FractionalMaxPool2dSettings {
    /// Neither a size nor a ratio, of which one must be given; offsets are drawn.
    pub const fn new() -> FractionalMaxPool2dSettings {
        FractionalMaxPool2dSettings { output_size: None, output_ratio: None, samples: None }
    }

    /// The number of rows and columns of the output.
    pub const fn output_size(mut self, size: PerAxis<2>) -> FractionalMaxPool2dSettings {
        self.output_size = Some(size);
        self
    }

    /// The output's extents as parts of the input's, between 0 and 1.
    pub const fn output_ratio(mut self, ratio: PerAxis<2, f64>) -> FractionalMaxPool2dSettings {
        self.output_ratio = Some(ratio);
        self
    }

    /// The offset of all windows, at least 0 and less than 1, in place of those that are drawn.
    pub const fn samples(mut self, offset: f64) -> FractionalMaxPool2dSettings {
        self.samples = Some(offset);
        self
    }

    /// The result's shape for a kernel.
    const fn shape(&self, input: Shape, kernel: [usize; 2]) -> Result<Shape, ShapeError> {
        if let Some(offset) = self.samples
            && !(offset >= 0.0 && offset < 1.0)
        {
            return Err(ShapeError::Setting { setting: "samples", rule: "must be at least 0 and less than 1" });
        }
        let size = match self.output_size {
            Some(size) => Some([size.at(0), size.at(1)]),
            None => None,
        };
        let ratio = match self.output_ratio {
            Some(ratio) => Some([ratio.at(0), ratio.at(1)]),
            None => None,
        };
        rules::fractional_pool(input, kernel, size, ratio)
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
        let shape = match Self::shape(x.shape(), &self.settings) {
            Ok(shape) => shape,
            Err(error) => {
                g.fail(error.into());
                return x;
            }
        };
        let samples = match self.settings.samples {
            Some(offset) => g.full([1, 1, 2], offset),
            None if g.training() => g.draw([shape.dim(0), shape.dim(1), 2]),
            None => g.draw_once([1, shape.dim(1), 2]),
        };
        fractional_max_pool2d(x, [KH, KW], [shape.dim(2), shape.dim(3)], samples).0
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        let mut text = format!("FractionalMaxPool2d({}", PerAxis::new([KH, KW]));
        if let Some(size) = self.settings.output_size {
            text += &format!(", size {size}");
        }
        if let Some(ratio) = self.settings.output_ratio {
            text += &format!(", ratio {ratio}");
        }
        if let Some(offset) = self.settings.samples {
            text += &format!(", samples {offset}");
        }
        f(path.as_str(), &(text + ")"));
    }
}
