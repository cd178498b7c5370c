//! The built-in layers: compositions of primitives with PyTorch's semantics, defaults and initialisation. A layer has
//! no gradient rule and no kernel of its own; its shape rule stands in `shape/rules.rs`. None knows its name in a
//! model, the loss or the optimizer behind it, or by which kernels its operations are computed; whether a step trains,
//! the builder says.
//!
//! Each family's file holds free functions over [`Value`](crate::build::Value)s with settings known at run time, and
//! the typed layers, which are thin shells over them.

pub mod activation;
pub mod adaptive_pool;
pub mod adaptive_softmax;
pub mod attention;
pub mod batch_norm;
pub mod bilinear;
pub mod conv;
pub mod conv_transpose;
pub mod dropout;
pub mod embedding;
pub mod embedding_bag;
pub mod fold;
pub mod fractional_pool;
pub mod glu;
pub mod grid_sample;
pub mod group_norm;
pub mod layer_norm;
pub mod linear;
pub mod local_response_norm;
pub mod lp_pool;
pub mod padding;
pub mod parameter;
pub mod pool;
pub mod rectifier;
pub mod recurrent;
mod resample;
pub mod reshape;
pub mod rms_norm;
mod several;
pub mod shuffle;
pub mod softmax;
pub mod transformer;
pub mod unpool;
pub mod upsample;

pub use activation::{
    CELU, CELUSettings, ELU, ELUSettings, GELU, GELUSettings, GeluApproximation, Hardshrink, HardshrinkSettings,
    Hardsigmoid, Hardswish, Hardtanh, HardtanhSettings, Identity, LeakyReLU, LeakyReLUSettings, LogSigmoid, Mish, ReLU,
    ReLU6, SELU, SiLU, Sigmoid, Softplus, SoftplusSettings, Softshrink, SoftshrinkSettings, Softsign, Tanh, Tanhshrink,
};
pub use adaptive_pool::{
    AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d,
    KEPT,
};
pub use adaptive_softmax::{AdaptiveLogSoftmaxWithLoss, AdaptiveLogSoftmaxWithLossSettings};
pub use attention::{MultiheadAttention, MultiheadAttentionSettings};
pub use batch_norm::{BatchNorm1d, BatchNorm2d, BatchNorm3d, BatchNormSettings};
pub use bilinear::{Bilinear, BilinearSettings};
pub use conv::{Conv1d, Conv1dSettings, Conv2d, Conv2dSettings, Conv3d, Conv3dSettings, ConvSettings};
pub use conv_transpose::{
    ConvTranspose1d, ConvTranspose1dSettings, ConvTranspose2d, ConvTranspose2dSettings, ConvTranspose3d,
    ConvTranspose3dSettings, ConvTransposeSettings,
};
pub use dropout::{AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, DropoutSettings, FeatureAlphaDropout};
pub use embedding::{Embedding, EmbeddingSettings};
pub use embedding_bag::{BagMode, EmbeddingBag, EmbeddingBagSettings};
pub use fold::{Fold, FoldSettings, Unfold, UnfoldSettings};
pub use fractional_pool::{
    FractionalMaxPool2d, FractionalMaxPool2dSettings, FractionalMaxPool3d, FractionalMaxPool3dSettings,
    FractionalMaxPoolSettings,
};
pub use glu::{GLU, GLUSettings};
pub use group_norm::{
    GroupNorm, GroupNormSettings, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, InstanceNormSettings,
};
pub use layer_norm::{LayerNorm, LayerNormSettings};
pub use linear::{Linear, LinearSettings};
pub use local_response_norm::{LocalResponseNorm, LocalResponseNormSettings};
pub use lp_pool::{LPPool1d, LPPool1dSettings, LPPool2d, LPPool2dSettings, LPPool3d, LPPool3dSettings, LPPoolSettings};
pub use padding::{
    CircularPad1d, CircularPad2d, CircularPad3d, ConstantPad1d, ConstantPad2d, ConstantPad3d, Pad1dSettings,
    Pad2dSettings, Pad3dSettings, PadSettings, PaddingMode, ReflectionPad1d, ReflectionPad2d, ReflectionPad3d,
    ReplicationPad1d, ReplicationPad2d, ReplicationPad3d, ZeroPad1d, ZeroPad2d, ZeroPad3d,
};
pub(crate) use parameter::ABSENT;
pub use parameter::{ParameterSettings, parameter_of};
pub use pool::{
    AvgPool1d, AvgPool1dSettings, AvgPool2d, AvgPool2dSettings, AvgPool3d, AvgPool3dSettings, AvgPoolSettings,
    MaxPool1d, MaxPool1dSettings, MaxPool2d, MaxPool2dSettings, MaxPool3d, MaxPool3dSettings, MaxPoolSettings,
};
pub use rectifier::{PReLU, PReLUSettings, RReLU, RReLUSettings, Threshold, ThresholdSettings};
pub use recurrent::{
    GRU, GRUCell, LSTM, LSTMCell, Nonlinearity, RNN, RNNCell, RecurrentCellSettings, RecurrentSettings,
};
pub use reshape::{Flatten, FlattenSettings, Unflatten, UnflattenSettings};
pub use rms_norm::{RMSNorm, RMSNormSettings};
pub use several::Several;
pub use shuffle::{ChannelShuffle, PixelShuffle, PixelUnshuffle};
pub use softmax::{LogSoftmax, Softmax, Softmax2d, SoftmaxSettings, Softmin};
pub use transformer::{
    Activation, PositionalEncoding, PositionalEncodingSettings, Transformer, TransformerDecoder,
    TransformerDecoderLayer, TransformerEncoder, TransformerEncoderLayer, TransformerSettings,
};
pub use upsample::{
    Upsample, UpsampleMode, UpsampleSettings, UpsamplingBilinear2d, UpsamplingNearest2d, UpsamplingSettings,
};

use std::fmt;

use crate::op::{MAX_SPATIAL, Sliding};
use crate::shape::Shape;

/// A setting for each of `D` spatial axes, outermost first: depth, height, width; or height, width; or length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerAxis<const D: usize, T = usize> {
    values: [T; D],
}

impl<const D: usize, T: Copy> PerAxis<D, T> {
    /// The same for all axes.
    pub const fn all(value: T) -> PerAxis<D, T> {
        PerAxis { values: [value; D] }
    }

    /// A value for each axis.
    pub const fn new(values: [T; D]) -> PerAxis<D, T> {
        PerAxis { values }
    }

    /// The value of one axis.
    const fn at(&self, axis: usize) -> T {
        self.values[axis]
    }
}

impl<const D: usize> PerAxis<D> {
    /// As the attribute of an operation, `fill` standing in the unused places.
    const fn spatial(self, fill: usize) -> [usize; MAX_SPATIAL] {
        let mut all = [fill; MAX_SPATIAL];
        let mut axis = 0;
        while axis < D {
            all[axis] = self.values[axis];
            axis += 1;
        }
        all
    }

    /// The same padding before and after each axis.
    const fn on_both_sides(self) -> [(usize, usize); MAX_SPATIAL] {
        let mut all = [(0, 0); MAX_SPATIAL];
        let mut axis = 0;
        while axis < D {
            all[axis] = (self.values[axis], self.values[axis]);
            axis += 1;
        }
        all
    }
}

/// `5` if all are equal, else `(5, 3)`.
impl<const D: usize, T: fmt::Display + PartialEq> fmt::Display for PerAxis<D, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&listed(&self.values))
    }
}

/// `5` if all are equal, else `(5, 3)`.
fn listed<T: fmt::Display + PartialEq>(values: &[T]) -> String {
    match values {
        [first, rest @ ..] if rest.iter().all(|value| value == first) => first.to_string(),
        _ => {
            let words: Vec<String> = values.iter().map(T::to_string).collect();
            format!("({})", words.join(", "))
        }
    }
}

/// The sliding of a window along `D` axes.
const fn sliding<const D: usize>(
    stride: PerAxis<D>,
    padding: [(usize, usize); MAX_SPATIAL],
    dilation: PerAxis<D>,
) -> Sliding {
    Sliding { spatial: D, stride: stride.spatial(1), padding, dilation: dilation.spatial(1) }
}

/// `[N, channels, spatial..]`.
const fn images<const D: usize>(channels: usize, spatial: PerAxis<D>) -> Shape {
    let mut shape = Shape::new(&[Shape::N, channels]);
    let mut axis = 0;
    while axis < D {
        shape = shape.insert(axis + 2, spatial.at(axis));
        axis += 1;
    }
    shape
}
