//! Reductions over windows that slide along the spatial axes of `[N, C, spatial..]`, and the
//! arithmetic of sliding that convolutions share.

use super::{element_type, operands_of, same_shape};
use crate::graph::Type;
use crate::op::{MAX_SPATIAL, Op, Sliding, Window};
use crate::shape::{DType, Shape, ShapeError};

/// One spatial axis of a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowAxis {
    /// The input's extent.
    pub input: usize,
    /// The window's extent, at least 1.
    pub kernel: usize,
    /// Elements before and after the input.
    pub padding: (usize, usize),
    /// Steps of the window, at least 1.
    pub stride: usize,
    /// Distance between the window's elements, at least 1.
    pub dilation: usize,
    /// PyTorch's `ceil_mode`: a last window that starts inside the input or its low padding counts.
    pub ceil: bool,
}

impl WindowAxis {
    /// The elements from a window's first to its last, both included: `dilation * (kernel - 1) + 1`.
    pub const fn span(&self) -> usize {
        self.dilation * (self.kernel - 1) + 1
    }

    /// The extent of the padded input.
    pub const fn padded(&self) -> usize {
        self.input + self.padding.0 + self.padding.1
    }

    /// The number of windows, or nothing if not even one fits:
    /// `(padded - span) / stride + 1`, rounded down, or up in ceil mode; there a last window that would start in the
    /// high padding is dropped.
    pub const fn extent(&self) -> Option<usize> {
        let slack = if self.ceil { self.stride - 1 } else { 0 };
        if self.padded() + slack < self.span() {
            return None;
        }
        let windows = (self.padded() + slack - self.span()) / self.stride + 1;
        if self.ceil && (windows - 1) * self.stride >= self.input + self.padding.0 {
            return Some(windows - 1);
        }
        Some(windows)
    }
}

impl Sliding {
    /// A window that moves one step at a time over an unpadded input.
    pub const fn unit(spatial: usize) -> Sliding {
        Sliding { spatial, stride: [1; MAX_SPATIAL], padding: [(0, 0); MAX_SPATIAL], dilation: [1; MAX_SPATIAL] }
    }

    /// One axis of the sliding of a window of the given extent over an input of the given extent.
    pub const fn axis(&self, axis: usize, input: usize, kernel: usize, ceil: bool) -> WindowAxis {
        WindowAxis {
            input,
            kernel,
            padding: self.padding[axis],
            stride: self.stride[axis],
            dilation: self.dilation[axis],
            ceil,
        }
    }

    /// The extents of the output along the spatial axes.
    pub(super) fn extents(
        &self,
        op: &Op,
        input: &[usize],
        kernel: &[usize],
        ceil: bool,
    ) -> Result<[usize; MAX_SPATIAL], ShapeError> {
        let fails = |rule| Err(ShapeError::Attribute { op: op.mnemonic(), rule });
        let mut extents = [1; MAX_SPATIAL];
        for axis in 0..self.spatial {
            let along = self.axis(axis, input[axis], kernel[axis], ceil);
            if along.kernel == 0 {
                return fails("the window must not be empty");
            }
            if along.stride == 0 {
                return fails("the stride must be at least 1");
            }
            if along.dilation == 0 {
                return fails("the dilation must be at least 1");
            }
            let too_large = ShapeError::Window { op: op.mnemonic(), axis, span: along.span(), extent: along.padded() };
            extents[axis] = along.extent().ok_or(too_large)?;
        }
        Ok(extents)
    }

    /// That the shape has two leading axes and this sliding's spatial ones.
    pub(super) fn check_rank(&self, op: &Op, shape: Shape) -> Result<(), ShapeError> {
        if !(1..=MAX_SPATIAL).contains(&self.spatial) {
            return Err(ShapeError::Attribute { op: op.mnemonic(), rule: "there must be 1, 2 or 3 spatial axes" });
        }
        super::rank(op, self.spatial + 2, shape)
    }
}

/// `[d0, d1, spatial..]`.
pub(super) fn with_spatial(d0: usize, d1: usize, spatial: &[usize]) -> Shape {
    let mut extents = [0; MAX_SPATIAL + 2];
    (extents[0], extents[1]) = (d0, d1);
    extents[2..2 + spatial.len()].copy_from_slice(spatial);
    Shape::new(&extents[..2 + spatial.len()])
}

/// The shape of the windows' values over an input of the given shape.
fn output_shape(op: &Op, input: Shape, window: Window) -> Result<Shape, ShapeError> {
    let sliding = window.sliding;
    sliding.check_rank(op, input)?;
    let extents = sliding.extents(op, &input.dims()[2..], &window.kernel, window.ceil)?;
    Ok(with_spatial(input.dim(0), input.dim(1), &extents[..sliding.spatial]))
}

/// `f32[n, c, in..] -> f32[n, c, out..]`.
pub(super) fn infer_reduce(op: &Op, operands: &[Type], window: Window) -> Result<Type, ShapeError> {
    let [x] = operands_of(op, operands)?;
    element_type(op, 0, x.dtype, &[DType::F32])?;
    Ok(Type::f32(output_shape(op, x.shape, window)?))
}

/// `f32[n, c, in..], f32[n, c, out..] -> f32[n, c, in..]`.
pub(super) fn infer_max_grad(op: &Op, operands: &[Type], window: Window) -> Result<Type, ShapeError> {
    let [x, gradient] = operands_of(op, operands)?;
    element_type(op, 0, x.dtype, &[DType::F32])?;
    element_type(op, 1, gradient.dtype, &[DType::F32])?;
    same_shape(op, output_shape(op, x.shape, window)?, gradient.shape)?;
    Ok(x)
}

/// `f32[n, c, in..], f32[n, c, in..] -> f32[n, c, out..]`.
pub(super) fn infer_max_pick(op: &Op, operands: &[Type], window: Window) -> Result<Type, ShapeError> {
    let [x, values] = operands_of(op, operands)?;
    element_type(op, 0, x.dtype, &[DType::F32])?;
    element_type(op, 1, values.dtype, &[DType::F32])?;
    same_shape(op, x.shape, values.shape)?;
    Ok(Type::f32(output_shape(op, x.shape, window)?))
}

/// `f32[n, c, out..] -> f32[n, c, in..]`.
pub(super) fn infer_sum_grad(
    op: &Op,
    operands: &[Type],
    window: Window,
    input: [usize; MAX_SPATIAL],
) -> Result<Type, ShapeError> {
    let [gradient] = operands_of(op, operands)?;
    element_type(op, 0, gradient.dtype, &[DType::F32])?;
    window.sliding.check_rank(op, gradient.shape)?;
    let spatial = &input[..window.sliding.spatial];
    let shape = with_spatial(gradient.shape.dim(0), gradient.shape.dim(1), spatial);
    same_shape(op, output_shape(op, shape, window)?, gradient.shape)?;
    Ok(Type::f32(shape))
}
