//! Recognises contractions that slide a square kernel over two axes, one place a step: convolutions, their
//! input gradients and their weight gradients, whichever operation they stem from. Where the elements are `d` places
//! apart, places with the same residue meet one another alone, so that there are `d` grids of every `d`-th place. It
//! knows contractions alone.

use crate::contraction::problem::{Axis, Contraction, Coordinate, Place};
use crate::contraction::text::record;
use crate::cost::params::winograd::DILATION;
use crate::kernel::Index;

/// `output[n, f, y, x] = sum over c, a, b of left[n, y + d a, x + e b, c] * right[a, b, c, f]`, where `a` and `b` are
/// below the extent of the kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Sliding {
    /// Extents of `n`, `f`, `y`, `x`.
    pub kept: [usize; 4],
    /// The extent of `c`.
    pub channels: usize,
    /// `d` and `e`.
    pub dilation: [usize; 2],
    /// The place of the left operand's first element, and its distances along `n`, `y`, `x`; along `c` it is 1.
    pub left: (i64, [i64; 3]),
    /// The place of the right operand's first element, and its distances along `a`, `b`, `c`, `f`.
    pub right: (i64, [i64; 4]),
    /// As [`Contraction::output`], over `n`, `f`, `y`, `x`.
    pub output: Vec<Coordinate>,
    /// The output axis along which neighbours along `f` are neighbours.
    pub lanes: Option<usize>,
}

/// `output[a, b, c, f] = sum over n, y, x of left[n, y + d a, x + e b, c] * right[n, y, x, f]`, where `a` and `b` are
/// below the extent of the kernel, and `d` and `e` divide the extents of `y` and `x`.
#[derive(Clone, Debug, PartialEq)]
pub struct Correlation {
    /// Extents of `n`, `y`, `x`.
    pub reduced: [usize; 3],
    /// Extents of `c` and `f`.
    pub kept: [usize; 2],
    /// `d` and `e`.
    pub dilation: [usize; 2],
    /// The place of the left operand's first element, and its distances along `n`, `y`, `x`; along `c` it is 1.
    pub left: (i64, [i64; 3]),
    /// The place of the right operand's first element, and its distances along `n`, `y`, `x`; along `f` it is 1.
    pub right: (i64, [i64; 3]),
    /// As [`Contraction::output`], over `a`, `b`, `c`, `f`.
    pub output: Vec<Coordinate>,
    /// The output axis along which neighbours along `f` are neighbours.
    pub lanes: Option<usize>,
}

record!(Sliding { kept, channels, dilation, left, right, output, lanes });

record!(Correlation { reduced, kept, dilation, left, right, output, lanes });

/// An axis that is not there.
const ONE: Axis = Axis { extent: 1, left: 1, right: 1, reduce: false };

/// The axes of more than one place that are reduced or not, and along which the operands vary or not.
fn long(axes: &[Axis], reduce: bool, left: bool, right: bool) -> Vec<usize> {
    let mut long = Vec::new();
    let mut number = 0;
    while number < axes.len() {
        let axis = &axes[number];
        let role = axis.reduce == reduce && (axis.left != 0) == left && (axis.right != 0) == right;
        if role && axis.extent != 1 {
            long.push(number);
        }
        number += 1;
    }
    long
}

/// As how many places an element of the kernel moves the left operand.
fn steps(axes: &[Axis], place: usize, element: usize) -> Option<usize> {
    let [place, element] = [place, element].map(|axis| axes[axis].left.abs());
    (element % place == 0 && (1..=DILATION).contains(&(element / place))).then(|| (element / place) as usize)
}

/// What the axes of a contraction are that slides a kernel over two of them.
struct Roles {
    /// Pairs of a place and an element of the kernel, which moves the left operand as far as some places, or the other
    /// way round; that of the larger distance first.
    rows: (usize, usize),
    columns: (usize, usize),
    /// As how many places.
    dilation: [usize; 2],
    features: usize,
    images: Option<usize>,
    channels: Option<usize>,
}

impl Roles {
    /// `None` where there are not two such pairs, where more than images is left of the places and more than channels
    /// of the elements, or where the operands vary along axes that are neither.
    fn of(axes: &[Axis], extent: usize, mut places: Vec<usize>, mut elements: Vec<usize>) -> Option<Roles> {
        let mut pairs = Vec::new();
        elements.retain(|&element| {
            // An axis of the kernel goes together with the places along which it moves: `y + d a` and `x + e b`. Of
            // several places whose steps the element's are multiples of, that of the longest ones.
            let moves = |at: &usize| steps(axes, places[*at], element).is_some() && axes[element].extent == extent;
            let place = (0..places.len()).filter(moves).max_by_key(|&at| axes[places[at]].left.abs());
            pairs.extend(place.map(|at| (places.remove(at), element)));
            place.is_none()
        });
        // Rows have the longer step. What is left of places are images, what is left of elements are channels.
        pairs.sort_by_key(|&(place, _)| -axes[place].left.abs());
        let (&[rows, columns], &[features]) = (&pairs[..], &long(axes, false, false, true)[..]) else { return None };
        // Roles that no axis may have: groups, for instance, along which both operands move.
        let others = [(false, true, true), (true, true, false), (true, false, true)];
        let others = others.into_iter().any(|(reduce, left, right)| !long(axes, reduce, left, right).is_empty());
        let alone = places.len() <= 1 && elements.len() <= 1 && !others;
        let (images, channels) = (places.first().copied(), elements.first().copied());
        let dilation = [rows, columns].map(|(place, element)| steps(axes, place, element).unwrap_or(1));
        alone.then_some(Roles { rows, columns, dilation, features, images, channels })
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

/// Images, and rows and columns of the largest of the grids into which places fall.
pub fn grid([images, height, width]: [usize; 3], dilation: [usize; 2]) -> [usize; 3] {
    [images, height.div_ceil(dilation[0]), width.div_ceil(dilation[1])]
}

impl Sliding {
    /// See [`grid`].
    pub fn grid(&self) -> [usize; 3] {
        let [images, _, height, width] = self.kept;
        grid([images, height, width], self.dilation)
    }

    /// The number of grids.
    pub fn grids(&self) -> usize {
        self.dilation[0] * self.dilation[1]
    }

    /// `None` where the contraction slides no kernel of `extent` x `extent`, or where the channels of the left operand are
    /// no neighbours in memory.
    pub fn of(contraction: &Contraction, extent: usize) -> Option<Sliding> {
        let axes = &contraction.axes;
        let (places, elements) = (long(axes, false, true, false), long(axes, true, true, true));
        let Roles { rows, columns, dilation, features, images: image, channels } =
            Roles::of(axes, extent, places, elements)?;
        let [images, channels] = [image, channels].map(|axis| axis.map_or(ONE, |axis| axes[axis]));
        let (mut left, mut right) = (contraction.left, contraction.right);
        let kernel = [rows, columns].map(|(place, kernel)| {
            let (place, kernel) = (axes[place], axes[kernel]);
            // An input gradient reads the gradient backwards as the kernel goes on: `y - d a`. Seen from the kernel's
            // last element, `a' = extent - 1 - a`, it goes on with it; so the left operand starts that many elements earlier, and the
            // weights are read backwards.
            if (place.left > 0) == (kernel.left > 0) {
                return kernel.right;
            }
            left += (extent - 1) as i64 * kernel.left;
            right += (extent - 1) as i64 * kernel.right;
            -kernel.right
        });
        let renamed = [image, Some(features), Some(rows.0), Some(columns.0)];
        let lanes = contraction.lanes(features);
        // Vectors of patches run along channels, vectors of results along features. An absent channel axis is `ONE`.
        (channels.left == 1 && lanes.is_some()).then_some(Sliding {
            kept: [images.extent, axes[features].extent, axes[rows.0].extent, axes[columns.0].extent],
            channels: channels.extent,
            dilation,
            left: (left, [images.left, axes[rows.0].left, axes[columns.0].left]),
            right: (right, [kernel[0], kernel[1], channels.right, axes[features].right]),
            output: output(contraction, renamed),
            lanes,
        })
    }

    /// Floating-point operations of the sums as they are defined, which is what users count, with a kernel of `extent` x
    /// `extent`; a multiply-add counts as 2.
    pub fn flops(&self, extent: usize) -> u64 {
        let products = extent * extent * self.channels * self.kept.iter().product::<usize>();
        2 * products as u64
    }

    /// Where the results of neighbouring features from `kept` on belong.
    pub fn place(&self, kept: [&Index; 4], active: usize) -> Place {
        Place { coordinates: coordinates(&self.output, kept), lanes: self.lanes, active }
    }
}

impl Correlation {
    /// `None` where the contraction gives no kernel of `extent` x `extent`, or where channels or features are no neighbours
    /// in memory.
    pub fn of(contraction: &Contraction, extent: usize) -> Option<Correlation> {
        let axes = &contraction.axes;
        let (places, elements) = (long(axes, true, true, true), long(axes, false, true, false));
        let Roles { rows, columns, dilation, features, images, channels: channel } =
            Roles::of(axes, extent, places, elements)?;
        let backwards = |&(place, element): &(usize, usize)| (axes[place].left > 0) != (axes[element].left > 0);
        // With a rest the grids of a dilated gradient would differ in size, and so would the blocks of tiles over which
        // is summed.
        let rests = [rows, columns].iter().zip(dilation).any(|(&(place, _), d)| !axes[place].extent.is_multiple_of(d));
        if [rows, columns].iter().any(backwards) || rests {
            return None;
        }
        let [images, channels] = [images, channel].map(|axis| axis.map_or(ONE, |axis| axes[axis]));
        let (y, x) = (axes[rows.0], axes[columns.0]);
        let renamed = [Some(rows.1), Some(columns.1), channel, Some(features)];
        let lanes = contraction.lanes(features);
        (channels.left == 1 && axes[features].right == 1 && lanes.is_some()).then_some(Correlation {
            reduced: [images.extent, y.extent, x.extent],
            kept: [channels.extent, axes[features].extent],
            dilation,
            left: (contraction.left, [images.left, y.left, x.left]),
            right: (contraction.right, [images.right, y.right, x.right]),
            output: output(contraction, renamed),
            lanes,
        })
    }

    /// As [`Sliding::flops`].
    pub fn flops(&self, extent: usize) -> u64 {
        let products = extent * extent * self.kept.iter().chain(&self.reduced).product::<usize>();
        2 * products as u64
    }

    /// Where the results of neighbouring features from `kept` on belong.
    pub fn place(&self, kept: [&Index; 4], active: usize) -> Place {
        Place { coordinates: coordinates(&self.output, kept), lanes: self.lanes, active }
    }
}
