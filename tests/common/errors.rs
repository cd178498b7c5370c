//! How far an f32 evaluation of a graph may be from the exact one: a running error analysis, per node, on the values
//! that the nodes really have. Whatever the order of sums and the fusing of products into them, results are to be
//! within the bound.
//!
//! With `u = 2^-24`, a node's error is what its operands' errors become (to first order, by the largest elements that
//! there are) plus the rounding of its own arithmetic. Arithmetic on numbers of few bits is exact, and then the error is
//! 0; so comparisons and roundings of such numbers are certain. Where an operand's error could turn a comparison, the
//! node's error is infinite: anything may follow.

use std::collections::HashMap;

use kiln_graph::interpret::{Tensor, interpret};
use kiln_graph::op::{BinaryOp, Family, Jumps, ReduceOp, Sensitivity, Sums, Traits};
use kiln_graph::{DType, Graph, NodeId, Op, Output};

/// Half the distance from 1 to the next number.
const U: f64 = 1.0 / 16_777_216.0;
/// The largest distance of neighbours of type bf16, as a part of the smaller one.
const BF16_STEP: f64 = 1.0 / 128.0;
/// What a library's or a compiled approximation of a function may be wrong by, in units in the last place.
const APPROXIMATION: f64 = 4.0;
/// The smallest normal number: below, numbers may be flushed or rounded coarsely.
const TINY: f64 = f32::MIN_POSITIVE as f64;
/// The smallest number but 0.
const SUBNORMAL: f64 = TINY * 2.0 * U;

/// For each node how far its f32 value may be from its f64 value, for feeds that are f32 numbers.
pub fn errors(graph: &Graph, feeds: &HashMap<String, Tensor<f64>>) -> Vec<f64> {
    let mut all = graph.clone();
    all.updates.clear();
    all.outputs = graph.ids().map(|node| Output { name: node.0.to_string(), node }).collect();
    let results = interpret(&all, feeds).unwrap();
    let values: Vec<Vec<f64>> = graph.ids().map(|id| results.outputs[&id.0.to_string()].to_f64()).collect();
    let mut analysis = Analysis { values, errors: Vec::new() };
    for id in graph.ids() {
        let error = analysis.error(graph, id);
        analysis.errors.push(if error.is_nan() { f64::INFINITY } else { error });
    }
    analysis.errors
}

struct Analysis {
    /// Of every node, in f64.
    values: Vec<Vec<f64>>,
    /// Of the nodes so far.
    errors: Vec<f64>,
}

/// The largest absolute value of the finite numbers.
fn largest(values: &[f64]) -> f64 {
    values.iter().filter(|value| value.is_finite()).fold(0.0, |largest: f64, value| largest.max(value.abs()))
}

fn smallest(values: &[f64]) -> f64 {
    values.iter().fold(f64::INFINITY, |smallest: f64, value| smallest.min(value.abs()))
}

/// Whether sums of `terms` numbers that are multiples of `grain` and at most `most` are exact: whether all multiples are numbers.
fn adds_exactly(grain: f64, most: f64, terms: f64) -> bool {
    most * terms <= grain / U && (grain >= SUBNORMAL || most == 0.0)
}

/// The largest power of two that all numbers are multiples of.
fn grain(values: &[f64]) -> f64 {
    values.iter().filter(|value| **value != 0.0).fold(1e30, |grain: f64, value| {
        let bits = value.to_bits();
        let exponent = (bits >> 52 & 0x7ff) as i32 - 1075;
        let significand = bits & ((1 << 52) - 1) | 1 << 52;
        grain.min(2f64.powi(exponent + significand.trailing_zeros() as i32))
    })
}

/// How close two elements come.
fn gap(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min)
}

impl Analysis {
    fn error(&self, graph: &Graph, id: NodeId) -> f64 {
        let node = graph.node(id);
        let result = &self.values[id.index()];
        let operand = |position: usize| &self.values[node.inputs[position].index()];
        let error = |position: usize| self.errors[node.inputs[position].index()];
        let errors = node.inputs.iter().map(|input| self.errors[input.index()]).fold(0.0, f64::max);
        // Single elements of certain operands show infinities and NaN for certain. Sums do not: what is larger than
        // any f32 number on the way may come back, and zeros that pad a convolution meet infinite weights or do not.
        let is_odd = |values: &[f64]| values.iter().any(|value| !value.is_finite());
        let odd = is_odd(result) || node.inputs.iter().any(|input| is_odd(&self.values[input.index()]));
        if largest(result) >= 1e35 || odd && !(errors == 0.0 && node.op.traits().sums == Sums::Single) {
            return f64::INFINITY;
        }
        // One rounding of the result, if the result needs one.
        let rounding = match result.iter().all(|&value| f64::from(value as f32) == value || value.is_nan()) {
            true => 0.0,
            false => largest(result) * U + TINY,
        };
        let approximation = 2.0 * APPROXIMATION * U * largest(result) + TINY;
        // Sums of products of two operands, each sum of at most this many terms.
        let sum_of_products = |terms: f64| {
            let (a, b) = (operand(0), operand(1));
            let most = largest(a) * largest(b);
            let exact = errors == 0.0 && adds_exactly(grain(a) * grain(b), most, terms);
            match exact {
                true => 0.0,
                false => {
                    let carried = error(0) * largest(b) + error(1) * largest(a) + error(0) * error(1);
                    terms * (carried + most * U * (terms + 1.0)) + TINY
                }
            }
        };
        let sum = |terms: f64| {
            let most = largest(operand(0));
            match errors == 0.0 && adds_exactly(grain(operand(0)), most, terms) {
                true => 0.0,
                false => terms * (errors + most * U * terms) + TINY,
            }
        };
        let certain = |gap: f64| if errors == 0.0 || gap > 2.0 * errors { 0.0 } else { f64::INFINITY };
        match node.op {
            Op::Input => 0.0,
            Op::Constant(_) | Op::Iota { .. } | Op::Random { .. } => rounding,
            Op::Unary(op) => {
                let x = operand(0);
                let carried = |slope: f64| slope * errors + approximation;
                // A function with a pole at -offset: a power of x + offset, or, for the power 0, the logarithm.
                let steep = |offset: f64, power: f64| {
                    let least = x.iter().map(|x| (x + offset).abs()).fold(f64::INFINITY, f64::min) - errors;
                    // |d/dx x^p| = |p| x^(p - 1), and that of the logarithm is 1/x.
                    let slope = least.powf(power - 1.0) * if power == 0.0 { 1.0 } else { power.abs() };
                    match (errors > 0.0, least > 0.0) {
                        (false, _) => approximation,
                        (true, true) => carried(slope),
                        (true, false) => f64::INFINITY,
                    }
                };
                match op.traits().sensitivity {
                    Sensitivity::Same => errors,
                    Sensitivity::Jumps(Jumps::AtZero) => certain(smallest(x)),
                    Sensitivity::Jumps(Jumps::AtWhole) => certain(from_whole(x, 0.0)),
                    Sensitivity::Jumps(Jumps::AtHalves) => certain(from_whole(x, 0.5)),
                    Sensitivity::Jumps(Jumps::Nowhere) => 0.0,
                    Sensitivity::Bounded(slope) => carried(slope),
                    Sensitivity::Exponential => carried((largest_signed(x) + errors).exp()),
                    Sensitivity::Hyperbolic => carried((largest(x) + errors).exp()),
                    Sensitivity::Inside => match (errors > 0.0, largest(x) + errors < 1.0) {
                        (false, _) => approximation,
                        (true, true) => carried(1.0 / (1.0 - largest(x) - errors)),
                        (true, false) => f64::INFINITY,
                    },
                    Sensitivity::Pole { offset, power } => steep(offset, power),
                }
            }
            Op::Binary(op) if node.ty.dtype == DType::F32 => {
                let (a, b) = (operand(0), operand(1));
                match op {
                    BinaryOp::Add | BinaryOp::Sub => error(0) + error(1) + rounding_of(result, errors),
                    BinaryOp::Mul => {
                        let carried = error(0) * largest(b) + error(1) * largest(a) + error(0) * error(1);
                        carried + rounding_of(result, errors)
                    }
                    BinaryOp::Div => {
                        let least = smallest(b) - error(1);
                        if errors > 0.0 && least <= 0.0 {
                            return f64::INFINITY;
                        }
                        let carried = error(0) / least + error(1) * largest(result) / least;
                        if errors == 0.0 { rounding } else { carried + 2.0 * U * largest(result) + TINY }
                    }
                    BinaryOp::Max | BinaryOp::Min => errors,
                    BinaryOp::Pow => {
                        let least = a.iter().copied().fold(f64::INFINITY, f64::min) - error(0);
                        if least <= 0.0 {
                            return f64::INFINITY;
                        }
                        let power = largest(result);
                        let logarithm = least.ln().abs().max((largest(a) + error(0)).ln().abs());
                        // A power is e^(b log a): an error of the exponent is one of the result's size.
                        let exponent = largest(b) * (error(0) / least) + error(1) * logarithm;
                        2.0 * power * exponent + power * U * (16.0 + 16.0 * largest(b) * logarithm) + TINY
                    }
                    BinaryOp::Atan2 => {
                        let point = |(a, b): (&f64, &f64)| a.hypot(*b);
                        let least = a.iter().zip(b).map(point).fold(f64::INFINITY, f64::min);
                        let carried = error(0) + error(1);
                        let crosses = a.iter().zip(b).any(|(a, b)| a.abs() <= error(0) && *b <= error(1));
                        match (carried > 0.0, least > carried && !crosses) {
                            (false, _) => 8.0 * U * largest(result) + TINY,
                            (true, true) => carried / (least - carried) + 8.0 * U * largest(result) + TINY,
                            (true, false) => f64::INFINITY,
                        }
                    }
                    BinaryOp::And | BinaryOp::Or => 0.0,
                }
            }
            Op::Binary(_) => errors,
            Op::Compare(_) => {
                let gaps = operand(0).iter().zip(operand(1)).map(|(a, b)| (a - b).abs());
                // Of a value with itself, or with one that is moved about, the outcome is certain.
                certain(gaps.fold(f64::INFINITY, f64::min))
            }
            Op::Select => errors,
            Op::Convert(to) => match (graph.ty(node.inputs[0]).dtype, to) {
                (DType::F32, DType::I32) => certain(from_whole(operand(0), 0.0)),
                (DType::F32, DType::Bool) => certain(smallest(operand(0))),
                (DType::I32, DType::F32) => errors + rounding,
                (DType::F32, DType::F32) | (DType::I32 | DType::Bool, DType::I32 | DType::Bool) => errors,
                (DType::Bool, DType::F32) => errors,
                // Exact, but for an f32 at the edge of two whole numbers.
                (DType::F32, DType::U8 | DType::I8) => certain(from_whole(operand(0), 0.0)),
                (_, DType::U8 | DType::I8) | (DType::U8 | DType::I8, _) => errors,
                // Two numbers may lie on both sides of a middle between neighbours; the same number has one nearest.
                (DType::F32, DType::Bf16) if errors == 0.0 => 0.0,
                (DType::F32, DType::Bf16) => errors + largest(operand(0)) * BF16_STEP + TINY,
                (DType::Bf16, _) => errors,
                (DType::I32 | DType::Bool, DType::Bf16) => unreachable!("what is rounded to bf16 is f32"),
            },
            Op::Reduce { op, axes } => {
                let shape = graph.shape(node.inputs[0]);
                let terms: f64 = axes.iter().map(|axis| shape.dim(axis) as f64).product();
                match op {
                    ReduceOp::Sum if node.ty.dtype == DType::F32 => sum(terms),
                    ReduceOp::Sum | ReduceOp::Max | ReduceOp::Min => errors,
                    ReduceOp::Prod => {
                        let most = (largest(operand(0)) + errors).max(1.0).powf(terms);
                        terms * most * (errors + U) + TINY
                    }
                }
            }
            // A place among values that are compared: right, or anything.
            _ if node.ty.dtype == DType::I32 && graph.ty(node.inputs[0]).dtype == DType::F32 => {
                certain(gap(operand(0)))
            }
            Op::Dot => {
                let shape = graph.shape(node.inputs[0]);
                sum_of_products(shape.dim(shape.rank() - 1) as f64)
            }
            Op::Conv(_) => {
                let weight = graph.shape(node.inputs[1]);
                sum_of_products((weight.elements() / weight.dim(0).max(1)) as f64)
            }
            Op::ConvGradInput { .. } => {
                let weight = graph.shape(node.inputs[1]);
                sum_of_products((weight.elements() / weight.dim(1).max(1)) as f64)
            }
            Op::ConvGradWeight { .. } => {
                let gradient = graph.shape(node.inputs[1]);
                sum_of_products((gradient.elements() / gradient.dim(1).max(1)) as f64)
            }
            _ => self.moved(graph, id),
        }
    }

    /// Of an operation that chooses, moves or adds up elements of its last operand, by what the one before it says.
    fn moved(&self, graph: &Graph, id: NodeId) -> f64 {
        let node = graph.node(id);
        let Traits { family, sums, .. } = node.op.traits();
        // The indices, or what a window compares to choose; what is looked up comes before its indices.
        let (guide, values) = match (family, &node.inputs[..]) {
            (Family::Indexing, &[values, guide]) if sums == Sums::Single => (Some(guide), values),
            (Family::Indexing | Family::Window, &[guide, values]) => (Some(guide), values),
            (Family::Window, &[values]) => (None, values),
            // The errors of all parts of a concatenation, and of what a pad adds.
            _ => return node.inputs.iter().map(|input| self.errors[input.index()]).fold(0.0, f64::max),
        };
        let of = |id: NodeId| (self.errors[id.index()], &self.values[id.index()]);
        // Indices are whole numbers: right, or anything. So is a choice between two elements.
        let certain = guide.is_none_or(|guide| {
            let (error, compared) = of(guide);
            error == 0.0 || family == Family::Window && gap(compared) > 2.0 * error
        });
        if !certain {
            return f64::INFINITY;
        }
        let (error, values) = of(values);
        let terms = match node.op.window() {
            _ if sums == Sums::Single => return error,
            Some(window) => window.kernel.iter().product::<usize>(),
            // As many as there are indices, if all are the same.
            None => guide.map_or(values.len(), |indices| self.values[indices.index()].len()),
        } as f64;
        let most = largest(values);
        match error == 0.0 && adds_exactly(grain(values), most, terms) {
            true => 0.0,
            false => terms * (error + most * U * terms) + TINY,
        }
    }
}

/// How close a number comes to a whole one plus an offset.
fn from_whole(values: &[f64], offset: f64) -> f64 {
    let distance = |value: &f64| (value - offset - (value - offset).round()).abs();
    values.iter().map(distance).fold(f64::INFINITY, f64::min)
}

fn largest_signed(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// The rounding of one operation: none if the exact results of exact operands are f32 numbers.
fn rounding_of(result: &[f64], errors: f64) -> f64 {
    let exact = errors == 0.0 && result.iter().all(|&value| f64::from(value as f32) == value || value.is_nan());
    if exact { 0.0 } else { largest(result) * U + TINY }
}
