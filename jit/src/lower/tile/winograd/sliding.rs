//! Recognises contractions that slide a kernel of 3 x 3 elements over two axes, one place a step: convolutions, their input
//! gradients and their weight gradients, whichever operation they stem from. It knows contractions alone.

use super::super::{Axis, Contraction, Coordinate, Place};
use crate::kernel::Index;

/// Elements of the kernel along each axis.
pub(super) const KERNEL: usize = 3;

/// `output[n, f, y, x] = sum over c, a, b of left[n, y + a, x + b, c] * right[a, b, c, f]`, where `a` and `b` are below 3.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sliding {
    /// Extents of `n`, `f`, `y`, `x`.
    pub kept: [usize; 4],
    /// The extent of `c`.
    pub channels: usize,
    /// The place of the left operand's first element, and its distances along `n`, `y`, `x`; along `c` it is 1.
    pub left: (i64, [i64; 3]),
    /// The place of the right operand's first element, and its distances along `a`, `b`, `c`, `f`.
    pub right: (i64, [i64; 4]),
    /// As [`Contraction::output`], over `n`, `f`, `y`, `x`.
    pub output: Vec<Coordinate>,
    /// The output axis along which neighbours along `f` are neighbours.
    pub lanes: Option<usize>,
}

/// `output[a, b, c, f] = sum over n, y, x of left[n, y + a, x + b, c] * right[n, y, x, f]`, where `a` and `b` are below 3.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Correlation {
    /// Extents of `n`, `y`, `x`.
    pub reduced: [usize; 3],
    /// Extents of `c` and `f`.
    pub kept: [usize; 2],
    /// The place of the left operand's first element, and its distances along `n`, `y`, `x`; along `c` it is 1.
    pub left: (i64, [i64; 3]),
    /// The place of the right operand's first element, and its distances along `n`, `y`, `x`; along `f` it is 1.
    pub right: (i64, [i64; 3]),
    /// As [`Contraction::output`], over `a`, `b`, `c`, `f`.
    pub output: Vec<Coordinate>,
    /// The output axis along which neighbours along `f` are neighbours.
    pub lanes: Option<usize>,
}

/// An axis that is not there.
const ONE: Axis = Axis { extent: 1, left: 1, right: 1, reduce: false };

/// The axes of more than one place that are reduced or not, and along which the operands vary or not.
fn long(axes: &[Axis], reduce: bool, left: bool, right: bool) -> Vec<usize> {
    let role = |axis: &Axis| (axis.reduce, axis.left != 0, axis.right != 0) == (reduce, left, right);
    (0..axes.len()).filter(|&a| axes[a].extent != 1 && role(&axes[a])).collect()
}

/// What the axes of a contraction are that slides a kernel over two of them.
struct Roles {
    /// Pairs of a place and an element of the kernel that move the left operand alike, or the other way round; that of the
    /// larger distance first.
    rows: (usize, usize),
    columns: (usize, usize),
    features: usize,
    images: Option<usize>,
    channels: Option<usize>,
}

impl Roles {
    /// `None` where there are not two such pairs, where more than images is left of the places and more than channels of the
    /// elements, or where the operands vary along axes that are neither.
    fn of(axes: &[Axis], mut places: Vec<usize>, mut elements: Vec<usize>) -> Option<Roles> {
        let mut pairs = Vec::new();
        elements.retain(|&element| {
            let moves = |place: &usize| axes[*place].left.abs() == axes[element].left.abs();
            let place = places.iter().position(moves).filter(|_| axes[element].extent == KERNEL);
            pairs.extend(place.map(|at| (places.remove(at), element)));
            place.is_none()
        });
        pairs.sort_by_key(|&(place, _)| -axes[place].left.abs());
        let (&[rows, columns], &[features]) = (&pairs[..], &long(axes, false, false, true)[..]) else { return None };
        let others = [(false, true, true), (true, true, false), (true, false, true)];
        let others = others.into_iter().any(|(reduce, left, right)| !long(axes, reduce, left, right).is_empty());
        let alone = places.len() <= 1 && elements.len() <= 1 && !others;
        let (images, channels) = (places.first().copied(), elements.first().copied());
        alone.then_some(Roles { rows, columns, features, images, channels })
    }
}

/// The output's coordinates over renamed axes.
fn output(contraction: &Contraction, renamed: [Option<usize>; 4]) -> Vec<Coordinate> {
    let coordinate = |coordinate: &Coordinate| {
        let term = |&(axis, factor): &(usize, i64)| Some((renamed.iter().position(|&a| a == Some(axis))?, factor));
        Coordinate { offset: coordinate.offset, terms: coordinate.terms.iter().filter_map(term).collect() }
    };
    contraction.output.iter().map(coordinate).collect()
}

fn coordinates(output: &[Coordinate], kept: [&Index; 4]) -> Vec<Index> {
    let place = |coordinate: &Coordinate| {
        let start = Index::at(coordinate.offset);
        coordinate.terms.iter().fold(start, |index, &(axis, factor)| index.plus_index(kept[axis], factor))
    };
    output.iter().map(place).collect()
}

impl Sliding {
    /// `None` where the contraction is none, or where the channels of the left operand are no neighbours in memory.
    pub fn of(contraction: &Contraction) -> Option<Sliding> {
        let axes = &contraction.axes;
        let (places, elements) = (long(axes, false, true, false), long(axes, true, true, true));
        let Roles { rows, columns, features, images: image, channels } = Roles::of(axes, places, elements)?;
        let [images, channels] = [image, channels].map(|axis| axis.map_or(ONE, |axis| axes[axis]));
        let (mut left, mut right) = (contraction.left, contraction.right);
        let kernel = [rows, columns].map(|(place, kernel)| {
            let (place, kernel) = (axes[place], axes[kernel]);
            if place.left == kernel.left {
                return kernel.right;
            }
            left += (KERNEL - 1) as i64 * kernel.left;
            right += (KERNEL - 1) as i64 * kernel.right;
            -kernel.right
        });
        let renamed = [image, Some(features), Some(rows.0), Some(columns.0)];
        let lanes = contraction.lanes(features);
        (channels.left == 1 && lanes.is_some()).then_some(Sliding {
            kept: [images.extent, axes[features].extent, axes[rows.0].extent, axes[columns.0].extent],
            channels: channels.extent,
            left: (left, [images.left, axes[rows.0].left, axes[columns.0].left]),
            right: (right, [kernel[0], kernel[1], channels.right, axes[features].right]),
            output: output(contraction, renamed),
            lanes,
        })
    }

    /// Floating-point operations of the sums as they are defined, which is what users count; a multiply-add counts as 2.
    pub fn flops(&self) -> u64 {
        let products = KERNEL * KERNEL * self.channels * self.kept.iter().product::<usize>();
        2 * products as u64
    }

    /// Where the results of neighbouring features from `kept` on belong.
    pub fn place(&self, kept: [&Index; 4], active: usize) -> Place {
        Place { coordinates: coordinates(&self.output, kept), lanes: self.lanes, active }
    }
}

impl Correlation {
    /// `None` where the contraction is none, or where channels or features are no neighbours in memory.
    pub fn of(contraction: &Contraction) -> Option<Correlation> {
        let axes = &contraction.axes;
        let (places, elements) = (long(axes, true, true, true), long(axes, false, true, false));
        let Roles { rows, columns, features, images, channels: channel } = Roles::of(axes, places, elements)?;
        if [rows, columns].iter().any(|&(place, element)| axes[place].left != axes[element].left) {
            return None;
        }
        let [images, channels] = [images, channel].map(|axis| axis.map_or(ONE, |axis| axes[axis]));
        let (y, x) = (axes[rows.0], axes[columns.0]);
        let renamed = [Some(rows.1), Some(columns.1), channel, Some(features)];
        let lanes = contraction.lanes(features);
        (channels.left == 1 && axes[features].right == 1 && lanes.is_some()).then_some(Correlation {
            reduced: [images.extent, y.extent, x.extent],
            kept: [channels.extent, axes[features].extent],
            left: (contraction.left, [images.left, y.left, x.left]),
            right: (contraction.right, [images.right, y.right, x.right]),
            output: output(contraction, renamed),
            lanes,
        })
    }

    /// Floating-point operations of the sums as they are defined; a multiply-add counts as 2.
    pub fn flops(&self) -> u64 {
        let products = KERNEL * KERNEL * self.kept.iter().chain(&self.reduced).product::<usize>();
        2 * products as u64
    }

    /// Where the results of neighbouring features from `kept` on belong.
    pub fn place(&self, kept: [&Index; 4], active: usize) -> Place {
        Place { coordinates: coordinates(&self.output, kept), lanes: self.lanes, active }
    }
}
