//! Transposed convolution: each element of the input adds its multiple of the kernel to the output.

use kiln_graph::Shape;
use kiln_graph::layers::conv_transpose::conv_transpose;
use kiln_graph::op::{Convolution, MAX_SPATIAL, Sliding};
use kiln_graph::shape::rules;

use crate::{Reals, check, indices};

/// One spatial axis: extent, kernel, stride, padding, dilation, output padding.
type Axis = [usize; 6];

fn case(channels: [usize; 2], groups: usize, axes: &[Axis], compiled: bool) -> bool {
    let [inputs, outputs] = channels;
    let part = |position: usize, fill: usize| -> [usize; MAX_SPATIAL] {
        std::array::from_fn(|axis| axes.get(axis).map_or(fill, |axis| axis[position]))
    };
    let sliding = Sliding {
        spatial: axes.len(),
        stride: part(2, 1),
        padding: part(3, 0).map(|padding| (padding, padding)),
        dilation: part(4, 1),
    };
    let (conv, output_padding) = (Convolution { sliding, groups }, part(5, 0));
    let shape = |d0: usize, d1: usize, position: usize| {
        Shape::from(&[d0, d1].into_iter().chain(axes.iter().map(|axis| axis[position])).collect::<Vec<_>>()[..])
    };
    let x = Reals::random(shape(2, inputs, 0), 1);
    let weight = Reals::random(shape(inputs, outputs / groups, 1), 2);
    let Ok(output) = rules::transposed_convolution(x.shape, inputs, outputs, &part(1, 1), &conv, &output_padding)
    else {
        return false;
    };

    let mut expected = Reals::of(output, |_| 0.0);
    let (group_inputs, group_outputs) = (inputs / groups, outputs / groups);
    for from in indices(x.shape) {
        for tap in indices(weight.shape).iter().filter(|tap| tap[0] == from[1]) {
            let channel = from[1] / group_inputs * group_outputs + tap[1];
            let reached: Option<Vec<usize>> = (axes.iter().enumerate())
                .map(|(axis, [_, _, stride, padding, dilation, _])| {
                    let place = (from[axis + 2] * stride + tap[axis + 2] * dilation).checked_sub(*padding);
                    place.filter(|&place| place < output.dim(axis + 2))
                })
                .collect();
            if let Some(reached) = reached {
                let to: Vec<usize> = [from[0], channel].into_iter().chain(reached).collect();
                let place = expected.place(&to);
                expected.values[place] += x.at(&from) * weight.at(tap);
            }
        }
    }
    let name = format!("{inputs} to {outputs} channels, {groups} groups, {axes:?}");
    check(
        &name,
        &vec![("x", x), ("weight", weight)],
        &["x", "weight"],
        compiled,
        |_, given| conv_transpose(given["x"], given["weight"], None, conv, output_padding),
        &expected,
    );
    true
}

#[test]
fn every_setting_along_one_axis() {
    let mut count = 0;
    for extent in [1, 4] {
        for kernel in 1..4 {
            for stride in 1..4 {
                for padding in 0..5 {
                    for dilation in [1, 2, 5] {
                        for output_padding in 0..5 {
                            let axis = [extent, kernel, stride, padding, dilation, output_padding];
                            count += usize::from(case([1, 1], 1, &[axis], count % 40 == 0));
                        }
                    }
                }
            }
        }
    }
    assert!(count > 500, "{count} settings are possible");
}

#[test]
fn several_axes_and_groups() {
    let cases: [(_, _, &[Axis]); 7] = [
        ([3, 4], 1, &[[4, 4, 2, 1, 1, 0], [5, 4, 2, 1, 1, 0]]),
        ([4, 6], 2, &[[3, 3, 3, 0, 1, 2], [4, 2, 1, 1, 2, 1]]),
        ([4, 4], 4, &[[5, 3, 2, 1, 1, 1], [3, 3, 2, 1, 1, 0]]),
        ([64, 32], 1, &[[1, 4, 1, 0, 1, 0], [1, 4, 1, 0, 1, 0]]),
        ([2, 2], 1, &[[1, 1, 1, 2, 5, 4], [3, 2, 2, 0, 1, 1]]),
        ([2, 3], 1, &[[2, 3, 2, 1, 1, 1], [3, 2, 1, 0, 2, 0], [2, 2, 3, 1, 1, 2]]),
        ([6, 4], 2, &[[2, 2, 2, 0, 1, 0], [2, 2, 2, 0, 1, 0], [3, 3, 1, 1, 1, 0]]),
    ];
    for (channels, groups, axes) in cases {
        assert!(case(channels, groups, axes, true), "{axes:?} are possible");
    }
}
