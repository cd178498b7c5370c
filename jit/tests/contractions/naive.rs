//! Contractions by their definitions, in f64.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use kiln_graph::op::Convolution;
use kiln_graph::shape::Shape;
use kiln_graph::{Bf16, Op};
use kiln_jit::kernel::Element;

use super::{indices, number};

/// Operands, and what they give.
pub struct Reference {
    pub values: [Vec<f32>; 2],
    /// Each with the sum of the magnitudes of its products.
    pub expected: Vec<(f64, f64)>,
}

/// Of an operation's operands of an element type that are drawn: computed once for all tests that look at the same case.
pub fn reference(element: Element, op: &Op, shapes: [Shape; 2], output: Shape) -> Arc<Reference> {
    static KNOWN: Mutex<BTreeMap<String, Arc<Reference>>> = Mutex::new(BTreeMap::new());
    let key = format!("{element} {op:?} {shapes:?} {output}");
    if let Some(known) = KNOWN.lock().unwrap().get(&key) {
        return known.clone();
    }
    let drawn = |index: usize| match element {
        Element::Bf16 => f32::from(Bf16::nearest(number(index))),
        _ => number(index),
    };
    let values = shapes.map(|shape| (0..shape.elements()).map(drawn).collect::<Vec<f32>>());
    let expected = evaluate(op, shapes, [&values[0], &values[1]], output);
    let found = Arc::new(Reference { values, expected });
    KNOWN.lock().unwrap().insert(key, found.clone());
    found
}

/// Row-major values, each with the sum of the magnitudes of its products.
pub fn evaluate(op: &Op, shapes: [Shape; 2], values: [&[f32]; 2], output: Shape) -> Vec<(f64, f64)> {
    match op {
        Op::Dot => dot(shapes, values, output),
        Op::Conv(conv) => convolution(conv, [shapes[0], shapes[1], output], [INPUT, WEIGHT, OUTPUT], values),
        Op::ConvGradInput { conv, .. } => {
            convolution(conv, [output, shapes[1], shapes[0]], [OUTPUT, WEIGHT, INPUT], values)
        }
        Op::ConvGradWeight { conv, .. } => {
            convolution(conv, [shapes[0], output, shapes[1]], [INPUT, OUTPUT, WEIGHT], values)
        }
        _ => unreachable!("not a contraction"),
    }
}

// Plain loops over slices in all that follows: it is much of the test in a debug build.

/// Products of matrices, or of batches of them.
fn dot(shapes: [Shape; 2], values: [&[f32]; 2], output: Shape) -> Vec<(f64, f64)> {
    let last = output.rank() - 1;
    let (rows, depth, columns) = (output.dim(last - 1), shapes[0].dim(last), output.dim(last));
    let mut result = vec![(0.0, 0.0); output.elements()];
    for (row, sums) in result.chunks_mut(columns).enumerate() {
        let (left, batch) = (&values[0][row * depth..][..depth], row / rows);
        let mut k = 0;
        while k < depth {
            let (factor, right) = (left[k] as f64, &values[1][(batch * depth + k) * columns..][..columns]);
            let mut column = 0;
            while column < columns {
                let product = factor * right[column] as f64;
                sums[column].0 += product;
                sums[column].1 += product.abs();
                column += 1;
            }
            k += 1;
        }
    }
    result
}

// The tensors of a convolution.
const INPUT: usize = 0;
const WEIGHT: usize = 1;
const OUTPUT: usize = 2;

/// Over every triple of places of input, weight and output that meet in a convolution. The left operand, the right one and
/// the result are `which` of these.
fn convolution(
    conv: &Convolution,
    tensors: [Shape; 3],
    which: [usize; 3],
    [left, right]: [&[f32]; 2],
) -> Vec<(f64, f64)> {
    let [input, weight, output] = tensors;
    let mut result = vec![(0.0, 0.0); tensors[which[2]].elements()];
    let sums = result.as_mut_slice();
    let (channels, features) = (weight.dim(1), weight.dim(0) / conv.groups);
    let of_one: Vec<_> = indices(weight.with(0, 1)).collect();
    let (extents, last) = (&input.dims()[2..], conv.sliding.spatial - 1);
    let (stride, dilation, padding) =
        (conv.sliding.stride[last], conv.sliding.dilation[last], conv.sliding.padding[last].0);
    let width = output.dim(2 + last);
    // For each element of the weight along the last axis, the places of a row of the output that it meets the input at, and
    // the first of these places in the input.
    let meet = |element: usize| {
        let shift = element * dilation;
        let first = padding.saturating_sub(shift).div_ceil(stride);
        let end = (extents[last] + padding).saturating_sub(shift).div_ceil(stride).min(width);
        (first, end, (first * stride + shift).saturating_sub(padding))
    };
    let met: Vec<(usize, usize, usize)> = (0..weight.dim(2 + last)).map(meet).collect();
    let (of_one, met) = (of_one.as_slice(), met.as_slice());
    let steps = [stride, 0, 1];
    let [left_step, right_step, sum_step] = which.map(|tensor| steps[tensor]);
    // An element of the weight is multiplied with rows of the output and the input.
    for (row, y) in indices(output.with(2 + last, 1)).enumerate() {
        let mut next = 0;
        'weights: while next < of_one.len() {
            let (at, w) = (next, &of_one[next]);
            next += 1;
            // Row-major, so far down as the axes go.
            let mut from = y[0] * input.dim(1) + y[1] / features * channels + w[1];
            let mut axis = 0;
            while axis < last {
                let x = y[2 + axis] * conv.sliding.stride[axis] + w[2 + axis] * conv.sliding.dilation[axis];
                let x = x.wrapping_sub(conv.sliding.padding[axis].0);
                if x >= extents[axis] {
                    continue 'weights;
                }
                from = from * extents[axis] + x;
                axis += 1;
            }
            let (first, end, start) = met[w[2 + last]];
            let from = from * extents[last] + start;
            let places = [from, y[1] * of_one.len() + at, row * width + first];
            let [mut left_at, mut right_at, mut sum_at] = [places[which[0]], places[which[1]], places[which[2]]];
            let mut place = first;
            while place < end {
                let product = left[left_at] as f64 * right[right_at] as f64;
                let sum = &mut sums[sum_at];
                sum.0 += product;
                sum.1 += if product < 0.0 { -product } else { product };
                left_at += left_step;
                right_at += right_step;
                sum_at += sum_step;
                place += 1;
            }
        }
    }
    result
}
