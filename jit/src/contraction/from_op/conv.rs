//! Convolution and its two gradients as contractions over channels-last tensors with a physical zero halo: no im2col
//! buffer, padding or flipping. This file knows the geometry of windows and counts products; it knows no target and no
//! tiling.
//!
//! With stride `s`, dilation `d` and low padding `p` along an axis, output place `o` and kernel element `k` meet input
//! place `i = s * o + d * k - p`. The three operations differ in which of `i`, `o` and `k` are kept.

use kiln_graph::Op;
use kiln_graph::op::Convolution;
use kiln_graph::shape::{MAX_RANK, Shape};

use super::contractions::Contractions;
use super::quads::in_quads;
use crate::contraction::problem::{Axis, Contraction, Coordinate, Operand};
use crate::contraction::strategies::overlap_add::{Lanes, Overlap, OverlapAdd};
use crate::cost::params::from_op::{ACCUMULATING, FEW_FEATURES, STORE};
use crate::layout::{Halo, PreferredLayout};

fn kept(extent: usize, left: i64, right: i64) -> Axis {
    Axis { extent, left, right, reduce: false }
}

fn reduced(extent: usize, left: i64, right: i64) -> Axis {
    Axis { extent, left, right, reduce: true }
}

/// The operand's distance along each of its axes.
fn strides(operand: &Operand) -> impl Fn(usize) -> i64 {
    let strides = operand.layout.strides;
    move |axis| strides[axis]
}

/// A coordinate that is a sum of places along axes, with factors.
fn along(terms: &[(usize, i64)]) -> Coordinate {
    Coordinate { offset: 0, terms: terms.to_vec() }
}

/// `[batch, spatial.., channels]`.
fn channels_last(rank: usize, halo: Halo) -> PreferredLayout {
    PreferredLayout { order: [0].into_iter().chain(2..rank).chain([1]).collect(), halo }
}

/// `[spatial.., first, second]` for the axes 0 and 1 of a weight.
fn kernel_first(rank: usize, first: usize, second: usize) -> PreferredLayout {
    PreferredLayout { order: (2..rank).chain([first, second]).collect(), halo: Halo::default() }
}

/// The zeros that the windows of a convolution touch around its input.
fn input_halo(conv: &Convolution, input: Shape, kernel: &[usize], output: &[usize]) -> Halo {
    let mut halo = Halo::default();
    let sliding = &conv.sliding;
    for axis in 0..sliding.spatial {
        let low = sliding.padding[axis].0;
        // The last place that a window touches, counted from the first zero of the padding.
        let last = (output[axis] - 1) * sliding.stride[axis] + (kernel[axis] - 1) * sliding.dilation[axis];
        halo.low[2 + axis] = low;
        // A stride may leave the end of the input untouched: then nothing stands out behind it.
        halo.high[2 + axis] = (last + 1).saturating_sub(low + input.dim(2 + axis));
    }
    halo
}

/// Where the first window starts.
fn first_window(conv: &Convolution, input: &Operand) -> i64 {
    let padding: i64 = (0..conv.sliding.spatial)
        .map(|axis| conv.sliding.padding[axis].0 as i64 * input.layout.strides[2 + axis])
        .sum();
    input.layout.offset as i64 - padding
}

/// [`kiln_graph::Op::Conv`]: input, weight. Rows are pixels, the lanes output channels; sums over kernel and input
/// channels.
pub fn forward(conv: &Convolution, input: &Operand, weight: &Operand, output: Shape) -> Contractions {
    let (x, w) = (strides(input), strides(weight));
    let rank = output.rank();
    let channels = weight.shape.dim(1) as i64;
    // axis     places          in the input    in the weight
    // n        images          x(0)            0
    // g        groups          x(1) * c        w(0) * f
    // f        features        0               w(0)            of a group; output channel `g * features + f`
    // o..      pixels          x(axis) * s     0
    // k..      kernel          x(axis) * d     w(axis)         reduced
    // c        channels        x(1)            w(1)            reduced; of a group
    //
    // where `c` and `f` on the right are the channels and features of a group, `s` the stride and `d` the dilation.
    let features = output.dim(1) / conv.groups;
    let mut axes = vec![
        kept(output.dim(0), x(0), 0),
        kept(conv.groups, x(1) * channels, w(0) * features as i64),
        kept(features, 0, w(0)),
    ];
    let mut places = vec![along(&[(0, 1)]), along(&[(1, features as i64), (2, 1)])];
    for axis in 2..rank {
        places.push(along(&[(axes.len(), 1)]));
        axes.push(kept(output.dim(axis), x(axis) * conv.sliding.stride[axis - 2] as i64, 0));
    }
    for axis in 2..rank {
        let dilation = conv.sliding.dilation[axis - 2] as i64;
        axes.push(reduced(weight.shape.dim(axis), x(axis) * dilation, w(axis)));
    }
    axes.push(reduced(weight.shape.dim(1), x(1), w(1)));
    let left = first_window(conv, input);
    let contraction = Contraction { axes, left, right: weight.layout.offset as i64, output: places, fast: 1 };
    let halo = input_halo(conv, input.shape, &weight.shape.dims()[2..], &output.dims()[2..]);
    let mut preferred = [channels_last(rank, halo), kernel_first(rank, 1, 0), channels_last(rank, Halo::default())];
    if input.element.is_byte() {
        // Groups divide an operand whose channels are whole quads, or there is one.
        let features_first = [0].into_iter().chain(2..rank).chain([1]).collect();
        preferred[0] = in_quads(preferred[0].order.clone(), input.shape.dim(1), halo);
        preferred[1] = in_quads(features_first, weight.shape.dim(1), Halo::default());
    }
    Contractions { contractions: vec![contraction], preferred, accumulate: None, overlap_add: None }
}

/// [`kiln_graph::Op::ConvGradWeight`]: input, output gradient. Rows are input channels and kernel elements, the lanes
/// output channels; sums over batch and pixels.
pub fn grad_weight(conv: &Convolution, input: &Operand, gradient: &Operand, output: Shape) -> Contractions {
    let (x, y) = (strides(input), strides(gradient));
    let rank = output.rank();
    let channels = output.dim(1);
    // As in `forward`, but that kernel elements are kept and images and pixels are summed over: a step of the kernel
    // moves the input by the dilation, a step of the pixels moves it by the stride.
    let features = output.dim(0) / conv.groups;
    let mut axes = vec![
        kept(conv.groups, x(1) * channels as i64, y(1) * features as i64),
        kept(features, 0, y(1)),
        kept(channels, x(1), 0),
    ];
    let mut places = vec![along(&[(0, features as i64), (1, 1)]), along(&[(2, 1)])];
    for axis in 2..rank {
        places.push(along(&[(axes.len(), 1)]));
        axes.push(kept(output.dim(axis), x(axis) * conv.sliding.dilation[axis - 2] as i64, 0));
    }
    axes.push(reduced(input.shape.dim(0), x(0), y(0)));
    for axis in 2..rank {
        let stride = conv.sliding.stride[axis - 2] as i64;
        axes.push(reduced(gradient.shape.dim(axis), x(axis) * stride, y(axis)));
    }
    let left = first_window(conv, input);
    let contraction = Contraction { axes, left, right: gradient.layout.offset as i64, output: places, fast: 0 };
    let halo = input_halo(conv, input.shape, &output.dims()[2..], &gradient.shape.dims()[2..]);
    let preferred = [channels_last(rank, halo), channels_last(rank, Halo::default()), kernel_first(rank, 1, 0)];
    Contractions { contractions: vec![contraction], preferred, accumulate: None, overlap_add: None }
}

/// Other layouts for convolutions (and gradients) of few features a group, which would fill lanes badly: image by
/// image, channel by channel, so that lanes are neighbouring pixels, over which the sums of a weight gradient are
/// folded.
pub fn by_channels(
    op: &Op,
    output: Shape,
    [left, right, result]: &[PreferredLayout; 3],
) -> Option<[PreferredLayout; 3]> {
    let order =
        |preferred: &PreferredLayout| PreferredLayout { order: (0..output.rank()).collect(), ..preferred.clone() };
    // A weight gradient folds its sums along pixels, so that its right operand, the output's gradient, lies channel by
    // channel, too. The others read a weight there, which has no pixels.
    let (features, conv, right) = if let Op::ConvGradWeight { conv, .. } = op {
        (output.dim(0), conv, order(right))
    } else if let Op::Conv(conv) | Op::ConvGradInput { conv, .. } = op {
        (output.dim(1), conv, right.clone())
    } else {
        return None;
    };
    (features / conv.groups <= FEW_FEATURES).then(|| [order(left), right, result.clone()])
}

/// Along one axis, the input places `first, first + stride, ..` and the kernel elements that meet them:
/// element `kernel + j * kernel_step` meets place `first + q * stride` at output place `output + q - j * output_step`.
#[derive(Clone, Copy, Debug)]
struct Phase {
    first: usize,
    places: usize,
    kernel: usize,
    kernel_step: usize,
    elements: usize,
    output: i64,
    output_step: usize,
}

/// The phases of one axis that hold places of the input.
fn phases(stride: usize, dilation: usize, padding: usize, kernel: usize, input: usize) -> Vec<Phase> {
    let phase = |first: usize| {
        // `first = s * o + d * k - p` has a whole `o`. With a kernel of 3, stride 2 and padding 1, even places meet the
        // element 1 alone, odd ones the elements 0 and 2.
        let meets = |k: &usize| (first + padding) as i64 % stride as i64 == (k * dilation) as i64 % stride as i64;
        let mut met = (0..kernel).filter(meets);
        let (start, next) = (met.next(), met.next());
        // Without any (a kernel of 1, stride 2, no padding: odd places) the sum is empty, and the contraction stores
        // zeros.
        let (kernel, elements) = (start.unwrap_or(0), start.map_or(0, |_| (0..kernel).filter(meets).count()));
        // A single element has no next one; the step is never taken.
        let kernel_step = next.map_or(1, |next| next - kernel);
        Phase {
            first,
            places: (input - first).div_ceil(stride),
            kernel,
            kernel_step,
            elements,
            output: ((first + padding) as i64 - (kernel * dilation) as i64).div_euclid(stride as i64),
            output_step: kernel_step * dilation / stride,
        }
    };
    (0..stride.min(input)).map(phase).collect()
}

/// [`kiln_graph::Op::ConvGradInput`]: output gradient, weight. The lanes are input channels. By phases where that sums
/// few products with zeros of the halo, else by accumulation ([`by_accumulation`]).
pub fn grad_input(conv: &Convolution, gradient: &Operand, weight: &Operand, output: Shape) -> Contractions {
    // Phases sum products with the zeros of the halo, too, but only in registers. Accumulation computes none in vain,
    // but adds each sum over `depth` features to memory, which is as dear as `STORE` multiply-adds.
    let (phases, accumulation) =
        (by_phases(conv, gradient, weight, output), by_accumulation(conv, gradient, weight, output));
    let flops =
        |contractions: &Contractions| contractions.contractions.iter().map(Contraction::flops).sum::<u64>() as f64;
    let depth = (weight.shape.dim(0) / conv.groups) as f64;
    if flops(&accumulation) * (ACCUMULATING + STORE / depth) < flops(&phases) { accumulation } else { phases }
}

/// Each place of the output gradient, times the weight, is added to the places of the input that its window covers.
/// Rows are pixels of the output; sums over output channels. The kernel elements along the last axis and the input
/// channels are one axis where they meet neighbouring places: channel `c` of the pixel that element `k` meets lies
/// where channel `k * channels + c` of the window's first pixel would.
pub fn by_accumulation(conv: &Convolution, gradient: &Operand, weight: &Operand, output: Shape) -> Contractions {
    let (y, w) = (strides(gradient), strides(weight));
    let (rank, sliding) = (output.rank(), &conv.sliding);
    let channels = weight.shape.dim(1);
    let features = weight.shape.dim(0) / conv.groups;
    let last = rank - 1;
    // Then the last axis is left out of the kernel's axes, and `side_by_side` runs over it. The channel's coordinate
    // runs beyond the channels: into the next pixels of the sums, which lie channels last (`Partials`).
    let joined = conv.groups == 1 && sliding.dilation[last - 2] == 1 && w(last) == w(1) * channels as i64;
    let side_by_side = if joined { channels * weight.shape.dim(last) } else { channels };
    let mut axes = vec![
        kept(output.dim(0), y(0), 0),
        kept(conv.groups, y(1) * features as i64, w(0) * features as i64),
        kept(side_by_side, 0, w(1)),
        reduced(features, y(1), w(0)),
    ];
    let mut places = vec![along(&[(0, 1)]), along(&[(1, channels as i64), (2, 1)])];
    for axis in 2..rank {
        let mut terms = vec![(axes.len(), sliding.stride[axis - 2] as i64)];
        axes.push(kept(gradient.shape.dim(axis), y(axis), 0));
        if axis != last || !joined {
            terms.push((axes.len(), sliding.dilation[axis - 2] as i64));
            axes.push(kept(weight.shape.dim(axis), 0, w(axis)));
        }
        // Below 0 or beyond the input where a window stands out: there the sums have a halo.
        places.push(Coordinate { offset: -(sliding.padding[axis - 2].0 as i64), terms });
    }
    let (left, right) = (gradient.layout.offset as i64, weight.layout.offset as i64);
    let contraction = Contraction { axes, left, right, output: places, fast: 1 };
    let halo = input_halo(conv, output, &weight.shape.dims()[2..], &gradient.shape.dims()[2..]);
    let dense = || channels_last(rank, Halo::default());
    let order = (2..last).chain([0, last, 1]).collect();
    Contractions {
        contractions: vec![contraction],
        preferred: [dense(), PreferredLayout { order, halo: Halo::default() }, dense()],
        accumulate: Some(halo),
        overlap_add: None,
    }
}

/// Each place of the output gradient times the whole weight, and the sums of what overlaps ([`OverlapAdd`]). `None` for
/// kernels with holes, and where there are too many products.
pub fn by_overlap_add(
    conv: &Convolution,
    gradient: &Operand,
    weight: &Operand,
    output: Shape,
    lanes: Lanes,
) -> Option<Contractions> {
    let (y, w) = (strides(gradient), strides(weight));
    let (rank, sliding) = (output.rank(), &conv.sliding);
    let (channels, features) = (weight.shape.dim(1), weight.shape.dim(0) / conv.groups);
    let overlap = |axis: usize| Overlap {
        extent: output.dim(2 + axis),
        padding: sliding.padding[axis].0,
        stride: sliding.stride[axis],
        kernel: weight.shape.dim(2 + axis),
        pixels: gradient.shape.dim(2 + axis),
    };
    let overlaps = (0..sliding.spatial).map(overlap).collect();
    let overlap_add =
        OverlapAdd { images: output.dim(0), groups: conv.groups, channels, axes: overlaps, lanes, fast: 1 };
    // The overlap-add takes the elements `r + s * j` for one residue `r`, which holds only without dilation.
    if (0..sliding.spatial).any(|axis| sliding.dilation[axis] != 1) || !overlap_add.is_worth_it() {
        return None;
    }
    // As the products lie, outermost first; elements that follow one another in the weight are one axis.
    let mut axes = vec![kept(output.dim(0), y(0), 0)];
    axes.extend((2..rank).map(|axis| kept(gradient.shape.dim(axis), y(axis), 0)));
    axes.push(kept(conv.groups, y(1) * features as i64, w(0) * features as i64));
    let columns = axes.len();
    for axis in overlap_add.order() {
        let next = kept(weight.shape.dim(axis), 0, w(axis));
        match axes[columns..].last_mut() {
            // As long a step as all of the next axis: one axis of both.
            Some(last) if last.right == next.right * next.extent as i64 => {
                *last = kept(last.extent * next.extent, 0, next.right);
            }
            _ => axes.push(next),
        }
    }
    axes.retain(|axis| axis.extent != 1);
    // Each kept axis becomes an axis of the tensor of products, of which a shape has so many at most.
    if axes.len() > MAX_RANK {
        return None;
    }
    let output = (0..axes.len()).map(|axis| along(&[(axis, 1)])).collect();
    let fast = axes.len().saturating_sub(1);
    axes.push(reduced(features, y(1), w(0)));
    let (left, right) = (gradient.layout.offset as i64, weight.layout.offset as i64);
    let contraction = Contraction { axes, left, right, output, fast };
    let dense = || channels_last(rank, Halo::default());
    let order = [0].into_iter().chain(overlap_add.order()).collect();
    let preferred = [dense(), PreferredLayout { order, halo: Halo::default() }, dense()];
    Some(Contractions { contractions: vec![contraction], preferred, accumulate: None, overlap_add: Some(overlap_add) })
}

/// The places of the input fall into `stride` phases per axis, each of which meets its own kernel elements: one
/// contraction each. Rows are pixels of the input; sums over kernel and output channels. The weight is read backwards
/// along its kernel, so nothing is flipped.
pub fn by_phases(conv: &Convolution, gradient: &Operand, weight: &Operand, output: Shape) -> Contractions {
    let (y, w) = (strides(gradient), strides(weight));
    let (rank, sliding) = (output.rank(), &conv.sliding);
    let channels = weight.shape.dim(1);
    let features = weight.shape.dim(0) / conv.groups;
    let mut halo = Halo::default();
    // All pairs (triples, ..) of a phase of each axis: stride 2 x 2 gives four contractions.
    let mut choices: Vec<Vec<Phase>> = vec![Vec::new()];
    for axis in 0..sliding.spatial {
        let (stride, dilation) = (sliding.stride[axis], sliding.dilation[axis]);
        let (kernel, extent) = (weight.shape.dim(2 + axis), output.dim(2 + axis));
        let phases = phases(stride, dilation, sliding.padding[axis].0, kernel, extent);
        for phase in phases.iter().filter(|p| p.elements > 0) {
            // Pixels that a phase reads before the first and behind the last one are zeros of the gradient's halo.
            let lowest = phase.output - ((phase.elements - 1) * phase.output_step) as i64;
            let highest = phase.output + phase.places as i64 - 1;
            let beyond = highest - (gradient.shape.dim(2 + axis) as i64 - 1);
            halo.low[2 + axis] = halo.low[2 + axis].max((-lowest).max(0) as usize);
            halo.high[2 + axis] = halo.high[2 + axis].max(beyond.max(0) as usize);
        }
        let extended = |choice: Vec<Phase>| phases.iter().map(move |&p| choice.iter().copied().chain([p]).collect());
        choices = choices.into_iter().flat_map(extended).collect();
    }
    let contraction = |phases: &Vec<Phase>| {
        let mut axes = vec![
            kept(output.dim(0), y(0), 0),
            kept(conv.groups, y(1) * features as i64, w(0) * features as i64),
            kept(channels, 0, w(1)),
        ];
        let mut places = vec![along(&[(0, 1)]), along(&[(1, channels as i64), (2, 1)])];
        let (mut left, mut right) = (gradient.layout.offset as i64, weight.layout.offset as i64);
        for (axis, phase) in phases.iter().enumerate() {
            let terms = vec![(axes.len(), sliding.stride[axis] as i64)];
            places.push(Coordinate { offset: phase.first as i64, terms });
            axes.push(kept(phase.places, y(2 + axis), 0));
            // The first place of a phase meets its first element here; from element to element pixels go back.
            left += phase.output * y(2 + axis);
            right += phase.kernel as i64 * w(2 + axis);
        }
        for (axis, phase) in phases.iter().enumerate() {
            let (left, right) = (-y(2 + axis) * phase.output_step as i64, w(2 + axis) * phase.kernel_step as i64);
            // Hence the negative step on the left side.
            axes.push(reduced(phase.elements, left, right));
        }
        axes.push(reduced(features, y(1), w(0)));
        Contraction { axes, left, right, output: places, fast: 1 }
    };
    let preferred = [channels_last(rank, halo), kernel_first(rank, 0, 1), channels_last(rank, Halo::default())];
    Contractions {
        contractions: choices.iter().map(contraction).collect(),
        preferred,
        accumulate: None,
        overlap_add: None,
    }
}
