//! What layers that change spatial extents have in common: linear maps along one axis.

use crate::build::Value;

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
