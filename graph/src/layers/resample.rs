//! What layers over images have in common: values along one axis, linear maps along one, the order of axes. It knows
//! axes and matrices, and no settings.

use crate::build::Value;
use crate::shape::{DType, Shape};

/// A vector with so many axes of extent 1 behind its own: it broadcasts along that axis of an image.
pub(super) fn before_axes(vector: Value<'_>, axes: usize) -> Value<'_> {
    let shape = (0..axes).fold(Shape::new(&[vector.shape().elements()]), |shape, _| shape.insert(shape.rank(), 1));
    vector.reshape(shape)
}

/// `[N, C, spatial..]` as `[N, spatial.., C]`: the order in which convolutions read and write memory.
pub(super) fn channels_last(x: Value<'_>) -> Value<'_> {
    let order: Vec<usize> = [0].into_iter().chain(2..x.shape().rank()).chain([1]).collect();
    x.permute(&order)
}

/// `[N, spatial.., C]` as `[N, C, spatial..]`.
pub(super) fn channels_first(x: Value<'_>) -> Value<'_> {
    let last = x.shape().rank() - 1;
    let order: Vec<usize> = [0, last].into_iter().chain(1..last).collect();
    x.permute(&order)
}

/// The elements at positions along an axis, whole numbers of which those outside are moved to the border.
pub(super) fn at<'g>(x: Value<'g>, axis: usize, positions: Value<'g>) -> Value<'g> {
    let all = x.shape().with(axis, positions.shape().elements());
    x.gather(axis, before_axes(positions.convert(DType::I32), all.rank() - axis - 1).broadcast_to(all))
}

/// `y[.., i, ..] = sum over j of weights[i, j] x[.., j, ..]` along an axis, for `weights [out, in]`.
pub(super) fn along<'g>(x: Value<'g>, axis: usize, weights: Value<'g>) -> Value<'g> {
    let shape = x.shape();
    let output = shape.with(axis, weights.shape().dim(0));
    if axis + 1 == shape.rank() {
        return x.matmul(weights.transpose(0, 1));
    }
    // The axes behind are columns of one matrix for each index of those before.
    let columns = shape.dims()[axis + 1..].iter().product();
    let before = shape.dims()[..axis].iter().product();
    weights.matmul(x.reshape([before, shape.dim(axis), columns])).reshape(output)
}
