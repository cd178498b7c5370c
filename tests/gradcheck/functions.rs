//! Functions of whole tensors against what PyTorch gives (`functions.txt`, made by `functions.py`): values and gradients,
//! by the interpreter in f64 and by every emitter that runs here.

use std::collections::HashMap;
use std::sync::Arc;

use kiln_graph::build::{Builder, Value};
use kiln_graph::functions::{self, einsum, scaled_dot_product_attention as attention};
use kiln_graph::interpret::{Tensor, interpret};
use kiln_graph::losses::Reduction::{self, Mean, None as Single, Sum};
use kiln_graph::losses::{Ctc, ctc_loss};
use kiln_graph::{DType, Graph, Shape, Type, optimize};
use kiln_jit::emit::EmitterKind;
use kiln_jit::plan::plan;
use kiln_jit::{Program, Session, States, Target};
use kiln_rt::Pool;
use ndarray::{ArrayD, IxDyn};

const TABLE: &str = include_str!("functions.txt");

/// What each element of the results is multiplied with, in turn, before they are added up and differentiated: that of
/// `functions.py`.
const UPSTREAM: [f64; 5] = [1.0, 0.5, -1.0, 2.0, -0.25];

/// What rounding costs, relative to the result and to 1.
const TOLERANCE: f64 = 2e-6;

type Function = for<'g> fn(&[Value<'g>]) -> Vec<Value<'g>>;

/// The function of a case.
fn function(name: &str) -> Option<Function> {
    let found: Function = match name {
        "tril" => |x| vec![functions::tril(x[0], 0)],
        "tril(-1)" => |x| vec![functions::tril(x[0], -1)],
        "tril(2)" => |x| vec![functions::tril(x[0], 2)],
        "triu" => |x| vec![functions::triu(x[0], 0)],
        "triu(1)" => |x| vec![functions::triu(x[0], 1)],
        "triu(-9)" => |x| vec![functions::triu(x[0], -9)],
        "roll(1, 0)" => |x| vec![functions::roll(x[0], &[1], &[0])],
        "roll((-1, 6), (0, 1))" => |x| vec![functions::roll(x[0], &[-1, 6], &[0, 1])],
        "repeat_interleave(3, 1)" => |x| vec![functions::repeat_interleave(x[0], 3, 1)],
        "repeat(2, 1, 3)" => |x| vec![functions::repeat(x[0], &[2, 1, 3])],
        "repeat(2, 2)" => |x| vec![functions::repeat(x[0], &[2, 2])],
        "one_hot(5)" => |x| vec![functions::one_hot(x[0], 5)],
        "sort" | "sort of ties" | "sort of i32" => |x| functions::sort(x[0], -1, false),
        "sort(0, descending)" => |x| functions::sort(x[0], 0, true),
        "sort of ties, descending" => |x| functions::sort(x[0], -1, true),
        "sort of one" => |x| functions::sort(x[0], 1, false),
        "argsort(0)" => |x| vec![functions::argsort(x[0], 0, false)],
        "topk(2)" => |x| functions::topk(x[0], 2, -1, true),
        "topk(3, 0, smallest)" => |x| functions::topk(x[0], 3, 0, false),
        "scatter(1)" => |x| vec![functions::scatter(x[0], 1, x[1], x[2])],
        "scatter(0) of a number" => |x| vec![functions::scatter(x[0], 0, x[1], 7.0)],
        "scatter_add(0)" => |x| vec![functions::scatter_add(x[0], 0, x[1], x[2])],
        "index_add(1)" => |x| vec![functions::index_add(x[0], 1, x[1], x[2], 1.0)],
        "index_add(0, alpha = -2)" => |x| vec![functions::index_add(x[0], 0, x[1], x[2], -2.0)],
        "cumprod(1)" => |x| vec![x[0].cumprod(1)],
        "cumprod(0) with zeros" => |x| vec![x[0].cumprod(0)],
        "cross" => |x| vec![functions::cross(x[0], x[1], -1)],
        "cross(0)" => |x| vec![functions::cross(x[0], x[1], 0)],
        "outer" => |x| vec![functions::outer(x[0], x[1])],
        "bmm" => |x| vec![functions::bmm(x[0], x[1])],
        "baddbmm(beta = 0.5, alpha = -2)" => |x| vec![functions::baddbmm(x[0], x[1], x[2], 0.5, -2.0)],
        "lerp(0.75)" => |x| vec![functions::lerp(x[0], x[1], 0.75)],
        "lerp" => |x| vec![functions::lerp(x[0], x[1], x[2])],
        "nan_to_num" => |x| vec![functions::nan_to_num(x[0], 0.0, None, None)],
        "nan_to_num(1, 2, 3)" => |x| vec![functions::nan_to_num(x[0], 1.0, Some(2.0), Some(3.0))],
        "einsum bij,bjk->bik" => |x| vec![einsum("bij,bjk->bik", x)],
        "einsum ij->ji" => |x| vec![einsum("ij->ji", x)],
        "einsum ij" => |x| vec![einsum("ij->", x)],
        "einsum i,j->ij" => |x| vec![einsum("i,j->ij", x)],
        "einsum ii->i" => |x| vec![einsum("ii->i", x)],
        "einsum ii" => |x| vec![einsum("ii", x)],
        "einsum ba, implied" => |x| vec![einsum("ba", x)],
        "einsum ...ij,...jk->...ik" => |x| vec![einsum("...ij, ...jk->...ik", x)],
        "einsum ijk,ikl,l->ji" => |x| vec![einsum("ijk,ikl,l->ji", x)],
        "einsum ij,ij->i" => |x| vec![einsum("ij,ij->i", x)],
        "einsum ab,cd->db" => |x| vec![einsum("ab,cd->db", x)],
        "attention" => |x| vec![attention(x[0], x[1], x[2], None, 0.0, false, None)],
        "attention, causal" => |x| vec![attention(x[0], x[1], x[2], None, 0.0, true, None)],
        "attention, mask" => |x| vec![attention(x[0], x[1], x[2], Some(x[3].ne(0)), 0.0, false, None)],
        "attention, added mask, scale" => |x| vec![attention(x[0], x[1], x[2], Some(x[3]), 0.0, false, Some(0.25))],
        "ctc" => |x| vec![ctc(x, 0, false, Mean)],
        "ctc none" | "ctc of the impossible" => |x| vec![ctc(x, 0, false, Single)],
        "ctc sum, blank = 3" => |x| vec![ctc(x, 3, false, Sum)],
        "ctc of the impossible, zero_infinity" => |x| vec![ctc(x, 0, true, Mean)],
        "ctc of the impossible, zero_infinity, none" => |x| vec![ctc(x, 0, true, Single)],
        "pad reflect" => |x| vec![functions::pad(x[0], &[2, 1, 0, 3], "reflect", None)],
        "pad replicate, cut" => |x| vec![functions::pad(x[0], &[-1, 2], "replicate", None)],
        "pad circular" => |x| vec![functions::pad(x[0], &[1, 0, 2, 1], "circular", None)],
        "pad constant, cut" => |x| vec![functions::pad(x[0], &[1, -2, -1, 2], "constant", Some(0.5))],
        "nearest" => |x| vec![resize(x, &[6, 3], &[], "nearest", false, false)],
        "nearest-exact" => |x| vec![resize(x, &[6, 3], &[], "nearest-exact", false, false)],
        "nearest-exact, factor" => |x| vec![resize(x, &[], &[1.7], "nearest-exact", false, false)],
        "nearest-exact, whole" => |x| vec![resize(x, &[], &[1.0, 2.0, 3.0], "nearest-exact", false, false)],
        "linear" => |x| vec![resize(x, &[7], &[], "linear", false, false)],
        "bilinear, corners" => |x| vec![resize(x, &[7, 3], &[], "bilinear", true, false)],
        "trilinear" => |x| vec![resize(x, &[], &[2.0, 1.5, 0.5], "trilinear", false, false)],
        "recomputed" => |x| vec![functions::interpolate(x[0], &[], &[1.3], "bilinear", false, true, false)],
        "bicubic" => |x| vec![resize(x, &[8, 4], &[], "bicubic", false, false)],
        "bicubic, corners" => |x| vec![resize(x, &[3, 8], &[], "bicubic", true, false)],
        "bicubic, whole" => |x| vec![resize(x, &[], &[2.0], "bicubic", false, false)],
        "area" => |x| vec![resize(x, &[3, 2], &[], "area", false, false)],
        "area, larger" => |x| vec![resize(x, &[7], &[], "area", false, false)],
        "area of a volume" => |x| vec![resize(x, &[], &[1.0, 0.5, 0.75], "area", false, false)],
        "bilinear, antialias" => |x| vec![resize(x, &[2, 3], &[], "bilinear", false, true)],
        "bilinear, antialias, larger" => |x| vec![resize(x, &[6, 3], &[], "bilinear", false, true)],
        "bilinear, antialias, corners" => |x| vec![resize(x, &[3, 2], &[], "bilinear", true, true)],
        "bicubic, antialias" => |x| vec![resize(x, &[], &[0.6], "bicubic", false, true)],
        "bicubic, antialias, larger" => |x| vec![resize(x, &[5, 7], &[], "bicubic", false, true)],
        _ => return None,
    };
    Some(found)
}

/// An image of another size.
fn resize<'g>(
    x: &[Value<'g>],
    size: &[usize],
    factor: &[f64],
    mode: &str,
    corners: bool,
    antialias: bool,
) -> Value<'g> {
    functions::interpolate(x[0], size, factor, mode, corners, false, antialias)
}

/// Of scores.
fn ctc<'g>(x: &[Value<'g>], blank: usize, zero_infinity: bool, reduction: Reduction) -> Value<'g> {
    ctc_loss(x[0].log_softmax(2), x[1], x[2], x[3], Ctc { blank, zero_infinity, reduction })
}

/// A tensor of a case.
struct Given {
    ty: Type,
    values: Vec<f64>,
}

/// A case: what goes in, what comes out, and the gradients of the f32 that go in.
#[derive(Default)]
struct Case {
    name: &'static str,
    inputs: Vec<Given>,
    outputs: Vec<Given>,
    gradients: Vec<Given>,
}

fn read() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("@ ") {
            cases.push(Case { name, ..Case::default() });
            continue;
        }
        // `input: f32 [2, 3]: 1 2 3 4 5 6`
        let (kind, rest) = line.split_once(": ").expect("a kind");
        let (ty, values) = rest.split_once(": ").expect("a type");
        let (dtype, shape) = ty.split_once(' ').expect("an element type");
        let extents = shape.trim_matches(['[', ']']).split(", ").filter(|extent| !extent.is_empty());
        let extents: Vec<usize> = extents.map(|extent| extent.parse().expect("an extent")).collect();
        let dtype = if dtype == "f32" { DType::F32 } else { DType::I32 };
        let given = Given {
            ty: Type::new(dtype, Shape::from(extents.as_slice())),
            values: values.split(' ').map(|value| value.parse().expect("a number")).collect(),
        };
        let case = cases.last_mut().expect("a case");
        match kind {
            "input" => case.inputs.push(given),
            "output" => case.outputs.push(given),
            _ => case.gradients.push(given),
        }
    }
    cases
}

/// The graph of a case, with the outputs `output 0`, .. and `gradient 0`, ..
fn build(case: &Case) -> Graph {
    let g = Builder::new(case.name);
    let inputs: Vec<Value<'_>> =
        case.inputs.iter().enumerate().map(|(i, given)| g.input_of(&format!("input {i}"), given.ty)).collect();
    let outputs = function(case.name).unwrap_or_else(|| panic!("no function {}", case.name))(&inputs);
    let mut total = g.scalar(0.0);
    for (position, &output) in outputs.iter().enumerate() {
        g.output(&format!("output {position}"), output);
        if output.dtype() == DType::F32 {
            let upstream = g.input(&format!("upstream {position}"), output.shape());
            total = total + (output * upstream).sum(..);
        }
    }
    if !case.gradients.is_empty() {
        let real: Vec<Value<'_>> = inputs.into_iter().filter(|input| input.dtype() == DType::F32).collect();
        for (position, gradient) in g.gradients_of(total, &real).expect(case.name).into_iter().enumerate() {
            g.output(&format!("gradient {position}"), gradient);
        }
    }
    g.finish().expect(case.name)
}

fn upstream(shape: Shape) -> Vec<f64> {
    (0..shape.elements()).map(|place| UPSTREAM[place % UPSTREAM.len()]).collect()
}

/// The values of all inputs of a graph.
fn fed(case: &Case, name: &str, ty: Type) -> Vec<f64> {
    match name.strip_prefix("input ") {
        Some(position) => case.inputs[position.parse::<usize>().expect("a position")].values.clone(),
        None => upstream(ty.shape),
    }
}

fn compare(case: &Case, by: &str, results: &HashMap<String, Vec<f64>>) {
    let expected = [("output", &case.outputs), ("gradient", &case.gradients)];
    for (kind, list) in expected {
        for (position, given) in list.iter().enumerate() {
            let name = format!("{kind} {position}");
            let found = &results[&name];
            assert_eq!(found.len(), given.values.len(), "{} {name} by {by}", case.name);
            for (place, (&found, &expected)) in found.iter().zip(&given.values).enumerate() {
                let close = (found - expected).abs() <= TOLERANCE * (1.0 + expected.abs());
                let same = found == expected || found.is_nan() && expected.is_nan();
                assert!(same || close, "{} {name} [{place}] by {by}: {found}, PyTorch {expected}", case.name);
            }
        }
    }
}

#[test]
fn functions_are_those_of_pytorch() {
    for case in read() {
        let graph = build(&case);
        let tensors = graph.inputs.iter().map(|input| {
            let (ty, values) = (graph.ty(input.node), fed(&case, &input.name, graph.ty(input.node)));
            let tensor = match ty.dtype {
                DType::F32 => Tensor::<f64>::floats(ty.shape, values),
                _ => Tensor::ints(ty.shape, values.into_iter().map(|value| value as i32)),
            };
            (input.name.clone(), tensor)
        });
        let outputs = interpret(&graph, &tensors.collect()).expect(case.name).outputs;
        let results = outputs.into_iter().map(|(name, tensor)| (name, tensor.to_f64())).collect();
        compare(&case, "the interpreter", &results);

        let optimized = optimize(&graph);
        for emitter in EmitterKind::ALL.into_iter().filter(|emitter| emitter.runs_here()) {
            let plan = plan(&optimized, &Target::with_lanes(emitter.lanes()), &HashMap::new()).expect(case.name);
            let program = Arc::new(Program::from_plan(plan).expect(case.name));
            let mut states = States::new();
            let mut session = Session::new(program, &mut states, Arc::new(Pool::new(1))).expect(case.name);
            for (index, input) in optimized.inputs.iter().enumerate() {
                let ty = optimized.ty(input.node);
                let values = fed(&case, &input.name, ty);
                let shape = IxDyn(ty.shape.dims());
                if ty.dtype == DType::F32 {
                    let values = values.into_iter().map(|value| value as f32).collect();
                    let array = ArrayD::from_shape_vec(shape, values).expect("as many numbers");
                    session.write_input_f32(index, array.view()).expect("an input of f32");
                } else {
                    let values = values.into_iter().map(|value| value as i32).collect();
                    let array = ArrayD::from_shape_vec(shape, values).expect("as many numbers");
                    session.write_input_i32(index, array.view()).expect("an input of i32");
                }
            }
            session.run(&mut states).expect("a run");
            let results = optimized.outputs.iter().enumerate().map(|(index, output)| {
                let values = match optimized.ty(output.node).dtype {
                    DType::F32 => session.output(index).iter().map(|&value| f64::from(value)).collect(),
                    _ => session.output_i32(index).iter().map(|&value| f64::from(value)).collect(),
                };
                (output.name.clone(), values)
            });
            let results = results.collect();
            compare(&case, &emitter.to_string(), &results);
        }
    }
}
