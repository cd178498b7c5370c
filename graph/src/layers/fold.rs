//! Windows of an image as columns of a matrix, and the way back. What is done with the columns is not known here.

use super::PerAxis;
use super::pool::window;
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Path};
use crate::op::{Op, Window};
use crate::shape::functions as forms;
use crate::shape::{Shape, ShapeError, rules};

/// The windows of `x [N, C, H, W]` (or `[C, H, W]`) as columns: `[N, C KH KW, windows]`, in which row `(c KH + u) KW +
/// v` of column `i W' + j` is `x[n, c, s i + d u - p, s j + d v - p]`, or 0 in the padding.
pub fn unfold_windows(x: Value<'_>, window: Window) -> Value<'_> {
    let (g, shape) = (x.graph(), x.shape());
    let columns = match rules::unfold("unfold", shape, &window) {
        Ok(columns) => columns,
        Err(error) => {
            g.fail(error.into());
            return x;
        }
    };
    if shape.rank() == 3 {
        return unfold_windows(x.unsqueeze(0), window).squeeze(0);
    }
    let [n, c, h, w] = [0, 1, 2, 3].map(|axis| shape.dim(axis));
    // Pixels are rows, with all samples and channels; behind them stands one of zeros for the padding.
    let pixels = x.permute(&[2, 3, 0, 1]).reshape([h * w, n * c]).pad(&[], &[1], 0.0);
    let found = pixels.take_rows(places(g, [h, w], window));
    let (elements, windows) = (columns.dim(1) / c, columns.dim(2));
    found.reshape([elements, windows, n, c]).permute(&[2, 3, 0, 1]).reshape(columns)
}

/// The sums of what [`unfold_windows`] would make columns of: `x [N, C KH KW, windows]` (or without `N`) becomes `[N,
/// C, output..]`, in which each pixel is the sum of all elements of the columns that stand for it.
pub fn fold_windows(x: Value<'_>, output: [usize; 2], window: Window) -> Value<'_> {
    let (g, shape) = (x.graph(), x.shape());
    let image = match rules::fold("fold", shape, output, &window) {
        Ok(image) => image,
        Err(error) => {
            g.fail(error.into());
            return x;
        }
    };
    if shape.rank() == 2 {
        return fold_windows(x.unsqueeze(0), output, window).squeeze(0);
    }
    let [n, c, h, w] = [0, 1, 2, 3].map(|axis| image.dim(axis));
    let (elements, windows) = (shape.dim(1) / c, shape.dim(2));
    let rows = x.reshape([n, c, elements, windows]).permute(&[2, 3, 0, 1]).reshape([elements * windows, n * c]);
    let sums = g.apply(Op::ScatterRows { rows: h * w + 1 }, &[places(g, output, window), rows]);
    sums.slice(0, 0..h * w, 1).reshape([h, w, n, c]).permute(&[2, 3, 0, 1])
}

/// `[KH KW windows]`: the pixel that each element of each window is, row-major; behind all of them, in the padding.
fn places(g: &Builder, image: [usize; 2], window: Window) -> Value<'_> {
    let Window { kernel, sliding, .. } = window;
    let along = |axis: usize| {
        let windows = rules::window_extent("unfold", axis, image[axis], &window).unwrap_or(1);
        let element = g.iota([kernel[axis], 1], 0) * sliding.dilation[axis] as i32;
        element + g.iota([1, windows], 1) * sliding.stride[axis] as i32 - sliding.padding[axis].0 as i32
    };
    // [KH, 1, H', 1] and [1, KW, 1, W']
    let (row, column) = (along(0).unsqueeze(1).unsqueeze(3), along(1).unsqueeze(0).unsqueeze(2));
    let inside = row.ge(0) & row.lt(image[0] as i32) & column.ge(0) & column.lt(image[1] as i32);
    let place = inside.select(row * image[1] as i32 + column, (image[0] * image[1]) as i32);
    place.reshape([place.shape().elements()])
}

/// PyTorch's `unfold`, with one number for both axes or one for each.
pub fn unfold<'g>(
    x: Value<'g>,
    kernel_size: &[usize],
    dilation: &[usize],
    padding: &[usize],
    stride: &[usize],
) -> Value<'g> {
    match forms::sliding_window("unfold", kernel_size, dilation, padding, stride) {
        Ok(window) => unfold_windows(x, window),
        Err(error) => {
            x.graph().fail(error.into());
            x
        }
    }
}

/// PyTorch's `fold`, with one number for both axes or one for each.
pub fn fold<'g>(
    x: Value<'g>,
    output_size: &[usize],
    kernel_size: &[usize],
    dilation: &[usize],
    padding: &[usize],
    stride: &[usize],
) -> Value<'g> {
    let window = forms::sliding_window("fold", kernel_size, dilation, padding, stride);
    match (window, forms::pair("fold", output_size)) {
        (Ok(window), Ok(output)) => fold_windows(x, output, window),
        (Err(error), _) | (_, Err(error)) => {
            x.graph().fail(error.into());
            x
        }
    }
}

/// The settings of [`Unfold`], and of [`Fold`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldSettings {
    output_size: Option<PerAxis<2>>,
    kernel_size: Option<PerAxis<2>>,
    dilation: PerAxis<2>,
    padding: PerAxis<2>,
    stride: PerAxis<2>,
}

/// The settings of [`Unfold`].
pub type UnfoldSettings = FoldSettings;

impl FoldSettings {
    /// PyTorch's defaults: dilation 1, no padding, stride 1. Sizes must be given.
    pub const fn new() -> FoldSettings {
        let (dilation, padding, stride) = (PerAxis::all(1), PerAxis::all(0), PerAxis::all(1));
        FoldSettings { output_size: None, kernel_size: None, dilation, padding, stride }
    }

    /// The extents of the image, of [`Fold`] alone.
    pub const fn output_size(mut self, size: PerAxis<2>) -> FoldSettings {
        self.output_size = Some(size);
        self
    }

    /// The extents of the window.
    pub const fn kernel_size(mut self, size: PerAxis<2>) -> FoldSettings {
        self.kernel_size = Some(size);
        self
    }

    /// The distance between the elements of the window. Default: 1.
    pub const fn dilation(mut self, dilation: PerAxis<2>) -> FoldSettings {
        self.dilation = dilation;
        self
    }

    /// Zeros on each side of the image. Default: 0.
    pub const fn padding(mut self, padding: PerAxis<2>) -> FoldSettings {
        self.padding = padding;
        self
    }

    /// The steps of the window. Default: 1.
    pub const fn stride(mut self, stride: PerAxis<2>) -> FoldSettings {
        self.stride = stride;
        self
    }

    const fn window(&self) -> Result<Window, ShapeError> {
        match self.kernel_size {
            Some(kernel) => Ok(window(kernel, Some(self.stride), self.padding, self.dilation, false)),
            None => Err(ShapeError::Setting { setting: "kernel_size", rule: "must be given" }),
        }
    }

    const fn output(&self) -> Result<[usize; 2], ShapeError> {
        match self.output_size {
            Some(size) => Ok([size.at(0), size.at(1)]),
            None => Err(ShapeError::Setting { setting: "output_size", rule: "must be given" }),
        }
    }

    /// What differs from the defaults.
    fn described(&self) -> String {
        let mut text = self.kernel_size.map_or(String::new(), |kernel| format!("kernel {kernel}"));
        for (name, value, usual) in
            [("dilation", self.dilation, 1), ("padding", self.padding, 0), ("stride", self.stride, 1)]
        {
            if value != PerAxis::all(usual) {
                text += &format!(", {name} {value}");
            }
        }
        text
    }
}

impl Default for FoldSettings {
    fn default() -> FoldSettings {
        FoldSettings::new()
    }
}

/// Declares both layers.
macro_rules! folds {
    ($($(#[$doc:meta])* $name:ident, |$input:ident, $settings:ident| $rule:expr, |$x:ident, $of:ident| $compute:expr,
        |$told:ident| $described:expr;)*) =>
    {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            settings: Box<FoldSettings>,
        }

        impl $name {
            /// The result's shape.
            pub const fn shape($input: Shape, $settings: &FoldSettings) -> Result<Shape, ShapeError> {
                $rule
            }

            /// The result's shape, or after a mismatch the input's.
            pub const fn shape_or_assumed(input: Shape, settings: &FoldSettings) -> Shape {
                match Self::shape(input, settings) {
                    Ok(shape) => shape,
                    Err(_) => input,
                }
            }

            /// The layer; it has no parameters.
            pub fn new(settings: FoldSettings, init: &mut Init) -> $name {
                let _ = init;
                $name { settings: Box::new(settings) }
            }
        }

        impl Layer for $name {
            fn forward<'g>(&self, g: &'g Builder, $x: Value<'g>) -> Value<'g> {
                let $of = &self.settings;
                let compute = || -> Result<Value<'g>, ShapeError> { Ok($compute) };
                compute().unwrap_or_else(|error| {
                    g.fail(error.into());
                    $x
                })
            }

            fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
                let $told = &self.settings;
                f(path.as_str(), &$described);
            }
        }
    )*};
}

folds! {
    /// The windows of images as the columns of matrices: row `(c KH + u) KW + v` of column `i W' + j` is `x[n, c, s i +
    /// d u - p, s j + d v - p]`, with stride `s`, dilation `d` and padding `p` (zeros).
    ///
    /// * Shapes: `[N, C, H, W]` to `[N, C KH KW, H' W']` with `H' = (H + 2 p - d (KH - 1) - 1) / s + 1`, rounded down.
    /// * Settings: `kernel_size`, which must be given; `dilation = 1`, `padding = 0`, `stride = 1`: a number or a pair.
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::Window`], [`ShapeError::Setting`], [`ShapeError::Attribute`].
    /// * Source: PyTorch's `nn.Unfold`.
    Unfold, |input, settings| {
        let window = ok!(settings.window());
        rules::unfold("unfold", input, &window)
    }, |x, settings| unfold_windows(x, settings.window()?),
    |settings| format!("Unfold({})", settings.described());
    /// Images of which each pixel is the sum of all elements of columns that [`Unfold`] would make of it.
    ///
    /// * Shapes: `[N, C KH KW, H' W']` to `[N, C, H, W]` for an `output_size` of `(H, W)`, where `H' = (H + 2 p - d (KH
    ///   - 1) - 1) / s + 1`, rounded down.
    /// * Settings: `output_size` and `kernel_size`, which must be given; `dilation = 1`, `padding = 0`, `stride = 1`: a
    ///   number or a pair.
    /// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Expected`] for another number of columns;
    ///   [`ShapeError::Window`], [`ShapeError::Setting`], [`ShapeError::Attribute`].
    /// * Source: PyTorch's `nn.Fold`.
    Fold, |input, settings| {
        let (output, window) = (ok!(settings.output()), ok!(settings.window()));
        rules::fold("fold", input, output, &window)
    }, |x, settings| fold_windows(x, settings.output()?, settings.window()?),
    |settings| {
        let size = settings.output_size.map_or(String::new(), |size| format!("size {size}, "));
        format!("Fold({size}{})", settings.described())
    };
}
