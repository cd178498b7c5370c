//! Axes as users give them: counted from the front, or with negative numbers from the back. Knows shapes, and no
//! values.

use crate::op::Axes;
use crate::shape::{Shape, ShapeError, rules};

/// One axis; -1 is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis(isize);

impl From<usize> for Axis {
    fn from(axis: usize) -> Axis {
        Axis(axis as isize)
    }
}

impl From<i32> for Axis {
    fn from(axis: i32) -> Axis {
        Axis(axis as isize)
    }
}

impl From<isize> for Axis {
    fn from(axis: isize) -> Axis {
        Axis(axis)
    }
}

impl Axis {
    /// The axis of a tensor of the given shape, counted from the front.
    pub(crate) fn resolve(self, op: &'static str, shape: Shape) -> Result<usize, ShapeError> {
        rules::axis(op, self.0, &shape)
    }
}

/// Axes of one tensor: one (`1`, `-1`), several (`[0, 2]`), or all (`..`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxisList(Option<Vec<Axis>>);

impl From<std::ops::RangeFull> for AxisList {
    fn from(_: std::ops::RangeFull) -> AxisList {
        AxisList(None)
    }
}

impl From<Axes> for AxisList {
    fn from(axes: Axes) -> AxisList {
        AxisList(Some(axes.iter().map(Axis::from).collect()))
    }
}

impl<A: Into<Axis>> From<A> for AxisList {
    fn from(axis: A) -> AxisList {
        AxisList(Some(vec![axis.into()]))
    }
}

impl<A: Into<Axis> + Copy> From<&[A]> for AxisList {
    fn from(axes: &[A]) -> AxisList {
        AxisList(Some(axes.iter().map(|&axis| axis.into()).collect()))
    }
}

impl<A: Into<Axis>, const K: usize> From<[A; K]> for AxisList {
    fn from(axes: [A; K]) -> AxisList {
        AxisList(Some(axes.into_iter().map(Into::into).collect()))
    }
}

impl AxisList {
    /// The set of axes of a tensor of the given shape.
    pub(crate) fn resolve(self, op: &'static str, shape: Shape) -> Result<Axes, ShapeError> {
        let Some(axes) = self.0 else { return Ok(Axes::all(shape.rank())) };
        let mut resolved = Vec::with_capacity(axes.len());
        for axis in axes {
            let position = axis.resolve(op, shape)?;
            if resolved.contains(&position) {
                return Err(ShapeError::Axis { op, axis: axis.0, shape });
            }
            resolved.push(position);
        }
        Ok(Axes::new(resolved))
    }
}
