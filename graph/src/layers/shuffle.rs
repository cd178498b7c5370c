//! Layers that put channels and pixels into another order. Nothing is computed: all are reshapes and permutations.

use crate::build::{Builder, Value};
use crate::model::{Init, Layer, NoSettings, Path};
use crate::shape::{Shape, ShapeError, rules};
use crate::whole::Whole;

/// `y[.., c, h r + i, w r + j] = x[.., c r^2 + i r + j, h, w]`: blocks of `r` x `r` channels as pixels.
pub fn pixel_shuffle(x: Value<'_>, upscale_factor: usize) -> Value<'_> {
    let shape = match rules::pixel_shuffle("pixel_shuffle", x.shape(), upscale_factor) {
        Ok(shape) => shape,
        Err(error) => return refused(x, error),
    };
    let (first, r) = (shape.rank() - 3, upscale_factor);
    let [channels, rows, columns] = [shape.dim(first), x.shape().dim(first + 1), x.shape().dim(first + 2)];
    let outer = &shape.dims()[..first];
    let split = x.reshape(&[outer, &[channels, r, r, rows, columns]].concat()[..]);
    let y = permuted(split, first, [0, 3, 1, 4, 2]).reshape(shape);
    y.known_as(Whole::PixelShuffle { factor: r }, &[Some(x)])
}

/// `y[.., c r^2 + i r + j, h, w] = x[.., c, h r + i, w r + j]`: blocks of `r` x `r` pixels as channels.
pub fn pixel_unshuffle(x: Value<'_>, downscale_factor: usize) -> Value<'_> {
    let shape = match rules::pixel_unshuffle("pixel_unshuffle", x.shape(), downscale_factor) {
        Ok(shape) => shape,
        Err(error) => return refused(x, error),
    };
    let (first, r) = (shape.rank() - 3, downscale_factor);
    let [channels, rows, columns] = [x.shape().dim(first), shape.dim(first + 1), shape.dim(first + 2)];
    let outer = &shape.dims()[..first];
    let split = x.reshape(&[outer, &[channels, rows, r, columns, r]].concat()[..]);
    permuted(split, first, [0, 2, 4, 1, 3]).reshape(shape)
}

/// The channels of `x [N, C, ..]` in the order of the first of each of `groups` groups, then the second of each, and so
/// on.
pub fn channel_shuffle(x: Value<'_>, groups: usize) -> Value<'_> {
    let shape = match rules::channel_shuffle("channel_shuffle", x.shape(), groups) {
        Ok(shape) => shape,
        Err(error) => return refused(x, error),
    };
    let split = x.reshape(shape.with(1, shape.dim(1) / groups).insert(1, groups));
    split.transpose(1, 2).reshape(shape)
}

/// The axes from `first` on in another order.
fn permuted(x: Value<'_>, first: usize, order: [usize; 5]) -> Value<'_> {
    let order: Vec<usize> = (0..first).chain(order.map(|axis| first + axis)).collect();
    x.permute(&order)
}

fn refused(x: Value<'_>, error: ShapeError) -> Value<'_> {
    x.graph().fail(error.into());
    x
}

/// Declares the layers, with what they are told in angle brackets.
macro_rules! shuffles {
    ($($(#[$doc:meta])* $name:ident, $size:ident, $op:literal, $function:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name<const $size: usize>;

        impl<const $size: usize> $name<$size> {
            /// The result's shape.
            pub const fn shape(input: Shape, _: &NoSettings) -> Result<Shape, ShapeError> {
                rules::$function($op, input, $size)
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

        impl<const $size: usize> Layer for $name<$size> {
            fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
                let _ = g;
                $function(x, $size)
            }

            fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
                f(path.as_str(), &format!("{}({})", stringify!($name), $size));
            }
        }
    )*};
}

shuffles! {
    /// Makes images `R` times as large of `R^2` times as many channels: `y[n, c, h R + i, w R + j] = x[n, c R^2 + i R +
    /// j, h, w]`.
    ///
    /// * Shapes: `[N, C R^2, H, W]` to `[N, C, H R, W R]`.
    /// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] (a factor of 0); [`ShapeError::Extent`] where
    ///   `R^2` does not divide the channels.
    /// * Source: Shi et al., "Real-Time Single Image and Video Super-Resolution"; PyTorch's `nn.PixelShuffle`.
    PixelShuffle, R, "pixel_shuffle", pixel_shuffle;
    /// Makes images `R` times smaller, with `R^2` times as many channels: `y[n, c R^2 + i R + j, h, w] = x[n, c, h R +
    /// i, w R + j]`.
    ///
    /// * Shapes: `[N, C, H R, W R]` to `[N, C R^2, H, W]`.
    /// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] (a factor of 0); [`ShapeError::Extent`] where
    ///   `R` does not divide the image.
    /// * Source: PyTorch's `nn.PixelUnshuffle`.
    PixelUnshuffle, R, "pixel_unshuffle", pixel_unshuffle;
    /// Mixes the channels of `G` groups: channel `c` of group `g` becomes channel `c G + g`.
    ///
    /// * Shapes: `[N, C, L..]`, unchanged.
    /// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] (0 groups); [`ShapeError::Groups`] where they do
    ///   not divide the channels.
    /// * Source: Zhang et al., "ShuffleNet"; PyTorch's `nn.ChannelShuffle`.
    ChannelShuffle, G, "channel_shuffle", channel_shuffle;
}
