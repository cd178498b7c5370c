//! Functions of whole tensors against what PyTorch gives (`functions.txt`, made by `functions.py`): values and gradients,
//! by the interpreter in f64 and by every emitter that runs here.

use std::collections::HashMap;
use std::sync::Arc;

use kiln_graph::build::{Builder, Value};
use kiln_graph::interpret::{Tensor, interpret};
use kiln_graph::{DType, Graph, Shape, Type, optimize};
use kiln_jit::emit::EmitterKind;
use kiln_jit::plan::plan;
use kiln_jit::{Program, Session, States, Target};
use kiln_rt::Pool;
use ndarray::{ArrayD, IxDyn};

mod more;
mod named;
mod sets;

use named::function;

const TABLE: &str = include_str!("functions.txt");

/// What each element of the results is multiplied with, in turn, before they are added up and differentiated: that of
/// `functions.py`.
const UPSTREAM: [f64; 5] = [1.0, 0.5, -1.0, 2.0, -0.25];

/// What rounding costs, relative to the result and to 1.
const TOLERANCE: f64 = 2e-6;

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
