//! What users write, with its gradients: in blocks it is the same, and nothing of it is large.

use std::collections::HashMap;

use super::{RowBlocks, row_blocks};
use crate::build::{Builder, Value};
use crate::functions::{scaled_dot_product_attention, tril, triu};
use crate::graph::{Graph, Type};
use crate::interpret::{Tensor, interpret};
use crate::op::Op;
use crate::passes::optimize;
use crate::verify;

const SMALL: RowBlocks = RowBlocks { large: 0, cut: 0, block: 1, rows: 5, segments: 3 };

/// Of places of four features.
type Function = for<'g> fn(&'g Builder, &[Value<'g>]) -> Value<'g>;

/// The graph of the mean square of a function and its gradients in all inputs, of so many orders: each is that of the mean
/// square of the gradients before.
fn graph(shapes: &[&[usize]], function: Function, orders: usize) -> Graph {
    let g = Builder::new("rows");
    let inputs: Vec<Value<'_>> =
        shapes.iter().enumerate().map(|(number, shape)| g.input(&format!("x{number}"), *shape)).collect();
    let y = function(&g, &inputs);
    g.output("y", y);
    let mut loss = if y.shape().rank() == 0 { y } else { (y * y).mean(..) };
    for order in 1..=orders {
        let gradients = g.gradients_of(loss, &inputs).unwrap();
        for (number, &gradient) in gradients.iter().enumerate() {
            g.output(&format!("d{order}x{number}"), gradient);
        }
        loss = gradients.iter().fold(g.full([], 0.0), |sum, &gradient| sum + (gradient * gradient).mean(..));
    }
    optimize(&g.finish().unwrap())
}

/// So many scans of how many blocks take the place of all that has more than `most` elements.
#[track_caller]
fn check(shapes: &[&[usize]], function: Function, orders: usize, most: usize, expected: &[usize]) {
    let graph = graph(shapes, function, orders);
    let blocked = row_blocks(&graph, SMALL);
    verify(&blocked).unwrap_or_else(|violation| panic!("{violation}"));
    let feeds: HashMap<String, Tensor<f64>> = graph
        .inputs
        .iter()
        .enumerate()
        .map(|(number, input)| {
            let shape = graph.shape(input.node);
            let value = |i: usize| ((i * 37 + number * 11) % 29) as f64 / 10.0 - 1.3;
            let tensor = match graph.ty(input.node).dtype {
                crate::DType::F32 => Tensor::floats(shape, (0..shape.elements()).map(value)),
                _ => Tensor::ints(shape, (0..shape.elements()).map(|i| i as i32 % 7)),
            };
            (input.name.clone(), tensor)
        })
        .collect();
    let (before, after) = (interpret(&graph, &feeds).unwrap(), interpret(&blocked, &feeds).unwrap());
    for (name, before) in &before.outputs {
        for (x, y) in before.to_f64().into_iter().zip(after.outputs[name].to_f64()) {
            assert!((x - y).abs() <= 1e-12 * (1.0 + x.abs()), "{name}: {x} before, {y} after");
        }
    }
    let scans: Vec<usize> = blocked
        .nodes
        .iter()
        .filter_map(|node| if let Op::Scan { length, .. } = node.op { Some(length) } else { None })
        .collect();
    assert_eq!(scans, expected, "{}", crate::print(&blocked));
    let large = blocked.nodes.iter().map(|node| node.ty.shape.elements()).max();
    assert!(large <= Some(most), "{}", crate::print(&blocked));
}

fn causal<'g>(_: &'g Builder, x: &[Value<'g>]) -> Value<'g> {
    scaled_dot_product_attention(x[0], x[1], x[2], None, 0.0, true, None, false)
}

fn all<'g>(_: &'g Builder, x: &[Value<'g>]) -> Value<'g> {
    scaled_dot_product_attention(x[0], x[1], x[2], None, 0.0, false, None, false)
}

fn masked<'g>(_: &'g Builder, x: &[Value<'g>]) -> Value<'g> {
    scaled_dot_product_attention(x[0], x[1], x[2], Some(x[3]), 0.0, false, Some(0.7), false)
}

/// What is added is learnt, for each head and each distance of places: rows of a table.
fn by_distance<'g>(g: &'g Builder, x: &[Value<'g>]) -> Value<'g> {
    let distance = g.iota([40, 40], 1) - g.iota([40, 40], 0) + 39;
    let added = x[3].take_rows(distance).permute(&[2, 0, 1]);
    scaled_dot_product_attention(x[0], x[1], x[2], Some(added), 0.0, false, None, false)
}

/// The same of a causal attention.
fn by_distance_causal<'g>(g: &'g Builder, x: &[Value<'g>]) -> Value<'g> {
    let distance = g.iota([40, 40], 1) - g.iota([40, 40], 0) + 39;
    let added = x[3].take_rows(distance).permute(&[2, 0, 1]);
    scaled_dot_product_attention(x[0], x[1], x[2], Some(added), 0.0, true, None, false)
}

/// Keys are another layer's results: gradients wait for what follows.
fn projected<'g>(_: &'g Builder, x: &[Value<'g>]) -> Value<'g> {
    scaled_dot_product_attention(x[0], x[1], x[2], None, 0.0, true, None, false).matmul(x[3]).tanh()
}

fn dropped<'g>(g: &'g Builder, x: &[Value<'g>]) -> Value<'g> {
    g.set_mode(crate::Mode::Train);
    scaled_dot_product_attention(x[0], x[1], x[2], None, 0.25, false, None, false)
}

fn dropped_causal<'g>(g: &'g Builder, x: &[Value<'g>]) -> Value<'g> {
    g.set_mode(crate::Mode::Train);
    scaled_dot_product_attention(x[0], x[1], x[2], None, 0.25, true, None, false)
}

fn dropped_turned<'g>(g: &'g Builder, x: &[Value<'g>]) -> Value<'g> {
    let weights = x[1].matmul(x[0].transpose(-1, -2)).softmax(-2);
    let shape = weights.shape();
    let random = Op::Random { shape, seed: 3, stream: 5 };
    let [step, first] = [7.0, 1000.0].map(|number| g.scalar_of(crate::DType::I32, number));
    let kept = g.apply(random, &[step, first]).gt(0.3);
    kept.select(weights, g.full(shape, 0.0)).transpose(-1, -2).matmul(x[2])
}

/// A mask of booleans.
fn chosen<'g>(_: &'g Builder, x: &[Value<'g>]) -> Value<'g> {
    scaled_dot_product_attention(x[0], x[1], x[2], Some(x[3].gt(-0.9)), 0.0, false, None, false)
}

fn chosen_causal<'g>(g: &'g Builder, x: &[Value<'g>]) -> Value<'g> {
    let [rows, columns] = [0, 1].map(|axis| g.iota([40, 40], axis));
    let mask = x[3].gt(-0.9) & columns.le(rows);
    scaled_dot_product_attention(x[0], x[1], x[2], Some(mask), 0.0, false, None, false)
}

/// The scores with -inf where a mask says so, as users write it.
fn hidden<'g>(x: &[Value<'g>], scores: impl Fn(Value<'g>) -> Value<'g>, mask: Value<'g>) -> Value<'g> {
    let scores = scores(x[0].matmul(x[1].transpose(-1, -2)));
    mask.select(scores.graph().full(scores.shape(), f64::NEG_INFINITY), scores).softmax(-1).matmul(x[2])
}

fn triangle<'g>(g: &'g Builder, x: &[Value<'g>]) -> Value<'g> {
    let looks = tril(g.full([40, 40], 1.0), 0);
    hidden(x, |scores| scores, looks.eq(0.0))
}

fn upper_triangle<'g>(g: &'g Builder, x: &[Value<'g>]) -> Value<'g> {
    hidden(x, |scores| scores, triu(g.full([40, 40], 1.0), 1).gt(0.5))
}

fn distance<'g>(g: &'g Builder, x: &[Value<'g>]) -> Value<'g> {
    let [rows, columns] = [0, 1].map(|axis| g.iota([40, 40], axis).convert(crate::DType::F32));
    hidden(x, |scores| scores, (-(rows - columns)).gt(0.0))
}

/// Some places before the own one alone.
fn window<'g>(g: &'g Builder, x: &[Value<'g>]) -> Value<'g> {
    let [rows, columns] = [0, 1].map(|axis| g.iota([40, 40], axis));
    let distance = rows - columns;
    hidden(x, |scores| scores, !(distance.lt(7) & distance.ge(0)))
}

fn capped<'g>(g: &'g Builder, x: &[Value<'g>]) -> Value<'g> {
    let looks = tril(g.full([40, 40], 1.0), 0);
    hidden(x, |scores| (scores / 5.0).tanh() * 5.0, looks.eq(0.0))
}

/// Scores lie the other way round.
fn turned<'g>(_: &'g Builder, x: &[Value<'g>]) -> Value<'g> {
    let weights = x[1].matmul(x[0].transpose(-1, -2)).softmax(-2);
    weights.transpose(-1, -2).matmul(x[2])
}

fn contrastive<'g>(_: &'g Builder, x: &[Value<'g>]) -> Value<'g> {
    let scores = x[0].matmul(x[1].transpose(0, 1));
    -scores.log_softmax(1).exp().log1p().mean(..)
}

#[test]
fn attention_has_no_large_value() {
    let qkv: &[&[usize]] = &[&[2, 40, 4], &[2, 40, 4], &[2, 40, 4]];
    check(qkv, all, 0, 320, &[8]);
    check(qkv, all, 1, 320, &[8]);
    check(qkv, causal, 0, 320, &[3, 1, 3, 1, 3, 1]);
    check(qkv, turned, 1, 320, &[8]);
    // Other numbers of places and features.
    check(&[&[3, 20, 2], &[3, 60, 2], &[3, 60, 4]], all, 1, 720, &[4]);
    check(&[&[40, 4], &[40, 4], &[40, 4], &[40, 40]], masked, 0, 1600, &[8]);
}

#[test]
fn gradients_have_none_either() {
    let qkv: &[&[usize]] = &[&[2, 40, 4], &[2, 40, 4], &[2, 40, 4]];
    let weighted: &[&[usize]] = &[&[2, 40, 4], &[2, 40, 4], &[2, 40, 4], &[4, 4]];
    check(qkv, causal, 1, 320, &[3, 1, 3, 1, 3, 1]);
    check(weighted, projected, 0, 320, &[3, 1, 3, 1, 3, 1]);
    check(weighted, projected, 1, 320, &[3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]);
    check(&[&[40, 4], &[40, 4]], contrastive, 1, 160, &[8]);
}

/// However a triangle is written.
#[test]
fn masks_cut_columns_away() {
    let qkv: &[&[usize]] = &[&[2, 40, 4], &[2, 40, 4], &[2, 40, 4]];
    for function in [triangle as Function, upper_triangle, distance, window, capped] {
        check(qkv, function, 1, 320, &[3, 1, 3, 1, 3, 1]);
    }
}

/// Each block draws its part of them.
#[test]
fn dropped_weights_are_those_of_the_whole() {
    let qkv: &[&[usize]] = &[&[2, 40, 4], &[2, 40, 4], &[2, 40, 4]];
    check(qkv, dropped_causal, 1, 320, &[3, 1, 3, 1, 3, 1]);
    check(qkv, dropped, 1, 320, &[8]);
    // Numbers that are drawn from within their stream, in scores that lie the other way round.
    check(qkv, dropped_turned, 1, 320, &[8]);
}

#[test]
fn masks_are_read_by_rows() {
    let qkv: &[usize] = &[2, 2, 40, 4];
    // Of all heads, of each, for each sequence; which keys of each sequence count.
    let masks: [&[usize]; 3] = [&[40, 40], &[2, 1, 40, 40], &[2, 1, 1, 40]];
    for mask in masks {
        let elements = 1600.max(mask.iter().product());
        check(&[qkv, qkv, qkv, mask], masked, 1, elements, &[8]);
        check(&[qkv, qkv, qkv, mask], chosen, 1, elements, &[8]);
        check(&[qkv, qkv, qkv, mask], chosen_causal, 1, elements, &[3, 1, 3, 1, 3, 1]);
    }
    // A gradient that is as large as the scores is one of them, which somebody reads.
    check(&[&[40, 4], &[40, 4], &[40, 4], &[40, 40]], masked, 1, 1600, &[]);
}

/// A bias that is learnt is smaller than the scores by the batch, and so is its gradient, which is added up over it.
#[test]
fn learnt_biases_are_read_and_learnt_by_rows() {
    let qkv: &[usize] = &[3, 2, 40, 4];
    let biases: [&[usize]; 3] = [&[2, 40, 40], &[1, 2, 40, 40], &[40, 40]];
    for bias in biases {
        check(&[qkv, qkv, qkv, bias], masked, 0, 3200, &[8]);
        check(&[qkv, qkv, qkv, bias], masked, 1, 3200, &[8]);
    }
    check(&[qkv, qkv, qkv, &[79, 2]], by_distance, 0, 3200, &[8]);
    check(&[qkv, qkv, qkv, &[79, 2]], by_distance, 1, 3200, &[8]);
    check(&[qkv, qkv, qkv, &[79, 2]], by_distance_causal, 0, 3200, &[3, 1, 3, 1, 3, 1]);
    // Its gradient has all columns, so that none is cut away.
    check(&[qkv, qkv, qkv, &[79, 2]], by_distance_causal, 1, 3200, &[8]);
}

/// Gradients of gradients wait for sums over all rows.
#[test]
fn gradients_of_gradients_have_no_large_value() {
    let qkv: &[&[usize]] = &[&[2, 40, 4], &[2, 40, 4], &[2, 40, 4]];
    check(qkv, all, 2, 320, &[8, 8]);
    check(qkv, dropped, 2, 320, &[8, 8]);
    check(qkv, causal, 2, 320, &[3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]);
    check(qkv, dropped_causal, 2, 320, &[3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]);
}

/// What gives its large values away stays as it is.
#[test]
fn others_are_left_alone() {
    let weights: Function = |_, x| x[0].matmul(x[1].transpose(-1, -2)).softmax(-1);
    check(&[&[40, 4], &[40, 4]], weights, 1, 1600, &[]);
    // No product is much larger than its factors.
    check(&[&[2, 16, 4], &[2, 16, 4], &[2, 16, 4]], causal, 1, 512, &[]);
    // Layers, whose weights may be looked at the other way round.
    let hidden: Function = |g, x| {
        let [w, u] = [("w", [40, 4]), ("u", [40, 4])].map(|(name, shape)| g.state(name, Type::f32(shape)));
        x[0].matmul(w.transpose(0, 1)).relu().matmul(u)
    };
    check(&[&[40, 4]], hidden, 1, 1600, &[]);
    // A norm over the rows waits for all of them, twice each way.
    let normalized: Function = |_, x| {
        let scores = x[0].matmul(x[1].transpose(0, 1));
        let centred = scores - scores.mean(0).unsqueeze(0);
        (centred / (centred * centred).mean(0).unsqueeze(0).sqrt()).matmul(x[2])
    };
    check(&[&[40, 4], &[40, 4], &[40, 4]], normalized, 1, 1600, &[]);
}

/// Where a mask cuts a part away, smaller values are worth it.
#[test]
fn what_counts_as_large_depends_on_the_mask() {
    let blocks = RowBlocks { large: 5000, cut: 2000, ..SMALL };
    for (function, length, expected) in
        [(all as Function, 70, false), (all, 72, true), (causal, 44, false), (causal, 46, true)]
    {
        let shape: &[usize] = &[length, 4];
        let graph = graph(&[shape, shape, shape], function, 1);
        assert_eq!(!row_blocks(&graph, blocks).bodies.is_empty(), expected, "{length}");
    }
}
