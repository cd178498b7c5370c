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
    let mut result = vec![(0.0, 0.0); output.elements()];
    let mut add = |at: usize, left: usize, right: usize| {
        let product = f64::from(values[0][left]) * f64::from(values[1][right]);
        result[at].0 += product;
        result[at].1 += product.abs();
    };
    match op {
        Op::Dot => {
            let last = output.rank() - 1;
            let (rows, depth, columns) = (output.dim(last - 1), shapes[0].dim(last), output.dim(last));
            for out in 0..output.elements() {
                let (batch, row, column) = (out / columns / rows, out / columns % rows, out % columns);
                for k in 0..depth {
                    add(out, (batch * rows + row) * depth + k, (batch * depth + k) * columns + column);
                }
            }
        }
        Op::Conv(conv) => meetings(conv, shapes[0], shapes[1], output, |x, w, y| add(y, x, w)),
        Op::ConvGradInput { conv, .. } => meetings(conv, output, shapes[1], shapes[0], |x, w, y| add(x, y, w)),
        Op::ConvGradWeight { conv, .. } => meetings(conv, shapes[0], output, shapes[1], |x, w, y| add(w, x, y)),
        _ => unreachable!("not a contraction"),
    }
    result
}

/// Every triple of places of input, weight and output that meet in a convolution.
fn meetings(conv: &Convolution, input: Shape, weight: Shape, output: Shape, mut meet: impl FnMut(usize, usize, usize)) {
    let (channels, features) = (weight.dim(1), weight.dim(0) / conv.groups);
    let of_one = weight.with(0, 1);
    for (to, y) in indices(output).enumerate() {
        'weights: for (at, w) in indices(of_one).enumerate() {
            // Row-major, so far down as the axes go; plain loops, as this is most of the test in a debug build.
            let mut from = y[0] * input.dim(1) + y[1] / features * channels + w[1];
            let mut axis = 0;
            while axis < conv.sliding.spatial {
                let x = y[2 + axis] * conv.sliding.stride[axis] + w[2 + axis] * conv.sliding.dilation[axis];
                let x = x.wrapping_sub(conv.sliding.padding[axis].0);
                let extent = input.dim(2 + axis);
                if x >= extent {
                    continue 'weights;
                }
                from = from * extent + x;
                axis += 1;
            }
            meet(from, y[1] * of_one.elements() + at, to);
        }
    }
}
