//! The built-in layers: compositions of primitives with PyTorch's semantics, defaults and initialisation. A layer has
//! no shape rule, gradient rule or kernel of its own.
//!
//! Each family's file holds free functions over [`Value`](crate::build::Value)s with settings known at run time, and
//! the typed layers, which are thin shells over them.

pub mod activation;
pub mod batch_norm;
pub mod conv;
pub mod linear;
pub mod pool;
pub mod reshape;

pub use activation::{LeakyReLU, LeakyReLUSettings, ReLU, Sigmoid, Tanh};
pub use batch_norm::{BatchNorm1d, BatchNorm2d, BatchNorm3d, BatchNormSettings};
pub use conv::{Conv2d, Conv2dSettings};
pub use linear::{Linear, LinearSettings};
pub use pool::{AvgPool2d, AvgPool2dSettings, MaxPool2d, MaxPool2dSettings};
pub use reshape::{Flatten, FlattenSettings};

use crate::op::{MAX_SPATIAL, Sliding};

/// A setting for each of the two spatial axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Along the rows of the image.
    pub height: usize,
    /// Along the columns of the image.
    pub width: usize,
}

impl Pair {
    /// The same for both axes.
    pub const fn both(value: usize) -> Pair {
        Pair { height: value, width: value }
    }

    /// A value for each axis.
    pub const fn new(height: usize, width: usize) -> Pair {
        Pair { height, width }
    }

    /// As the attribute of an operation, `fill` standing in the unused places.
    const fn spatial(self, fill: usize) -> [usize; MAX_SPATIAL] {
        [self.height, self.width, fill]
    }
}

/// `5` if both are equal, else `(5, 3)`.
impl std::fmt::Display for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.height == self.width {
            write!(f, "{}", self.height)
        } else {
            write!(f, "({}, {})", self.height, self.width)
        }
    }
}

/// The sliding of a two-dimensional window.
const fn sliding(stride: Pair, padding: [(usize, usize); 2], dilation: Pair) -> Sliding {
    Sliding {
        spatial: 2,
        stride: stride.spatial(1),
        padding: [padding[0], padding[1], (0, 0)],
        dilation: dilation.spatial(1),
    }
}
