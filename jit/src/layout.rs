//! How a tensor lies in memory: strides and an offset, the order of its axes, zeros around it. It knows shapes alone.

use kiln_graph::shape::{MAX_RANK, Shape};

/// The axes of a tensor, outermost first.
pub type Order = Vec<usize>;

/// How a tensor lies in its buffer: element `[i, j, ..]` is at `offset + i * strides[0] + j * strides[1] + ..`.
/// Permuted axes (channels last) and halos (zeros around a tensor) are strides and an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// The place of the first element.
    pub offset: usize,
    /// The distance in elements along each axis; 0 past the rank and on broadcast axes.
    pub strides: [i64; MAX_RANK],
    /// The length of the buffer, halo included, in elements.
    pub elements: usize,
}

impl Layout {
    /// A dense tensor with its axes in the given order, outermost first.
    pub fn dense(shape: Shape, order: &[usize]) -> Layout {
        let mut layout = Layout { offset: 0, strides: [0; MAX_RANK], elements: 1 };
        for &axis in order.iter().rev() {
            layout.strides[axis] = layout.elements as i64;
            layout.elements *= shape.dim(axis);
        }
        layout
    }

    /// A dense tensor in row-major order.
    pub fn row_major(shape: Shape) -> Layout {
        Layout::dense(shape, &(0..shape.rank()).collect::<Vec<_>>())
    }

    /// Whether the elements of a tensor of the shape lie in row-major order, whatever is around them.
    pub fn is_row_major(&self, shape: Shape) -> bool {
        let mut expected = 1;
        (0..shape.rank()).rev().all(|axis| {
            let fits = shape.dim(axis) == 1 || self.strides[axis] == expected;
            expected *= shape.dim(axis) as i64;
            fits
        })
    }

    /// Whether every element of a tensor of the shape lies in the buffer.
    pub fn holds(&self, shape: Shape) -> bool {
        let reach = |sign: i64| -> i64 {
            let step = |axis: usize| self.strides[axis] * (shape.dim(axis) as i64 - 1);
            (0..shape.rank()).map(step).filter(|step| step.signum() == sign).sum()
        };
        let offset = self.offset as i64;
        shape.elements() == 0 || offset + reach(-1) >= 0 && offset + reach(1) < self.elements as i64
    }

    /// The axes by the steps that this layout takes along them, the largest first.
    pub fn order(&self, rank: usize) -> Order {
        let mut order: Order = (0..rank).collect();
        order.sort_by_key(|&axis| std::cmp::Reverse(self.strides[axis]));
        order
    }
}

/// What stands in an operand's buffer around the tensor: at least so many places that hold 0 before and after each axis,
/// at the strides of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Halo {
    /// Zeros before index 0.
    pub low: [usize; MAX_RANK],
    /// Zeros after the last index.
    pub high: [usize; MAX_RANK],
}

/// The layout that a lowering wants: dense in the given order, with a zero halo. Any other works, at the price of a copy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PreferredLayout {
    /// The axes, outermost first.
    pub order: Vec<usize>,
    /// The zeros around the tensor.
    pub halo: Halo,
}

impl PreferredLayout {
    /// The layout of a tensor of the given shape.
    pub fn layout(&self, shape: Shape) -> Layout {
        let mut layout = Layout { offset: 0, strides: [0; MAX_RANK], elements: 1 };
        for &axis in self.order.iter().rev() {
            layout.strides[axis] = layout.elements as i64;
            layout.offset += self.halo.low[axis] * layout.elements;
            layout.elements *= self.halo.low[axis] + shape.dim(axis) + self.halo.high[axis];
        }
        layout
    }
}

impl Halo {
    /// Whether this halo holds the other one.
    pub fn covers(&self, other: &Halo) -> bool {
        (0..MAX_RANK).all(|axis| self.low[axis] >= other.low[axis] && self.high[axis] >= other.high[axis])
    }
}
