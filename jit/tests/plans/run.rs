//! Runs a whole plan: on the kernel interpreter, on plain memory (no emitter, any number of lanes), or by this machine.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use kiln_graph::interpret::{Results, Tensor, interpret};
use kiln_graph::{DType, Graph, Role, Shape, Type};
use kiln_jit::kernel::interpret_words;
use kiln_jit::layout::Layout;
use kiln_jit::plan::{Argument, Call, Location, Plan, plan};
use kiln_jit::target::EmitterKind;
use kiln_jit::{Program, Session, States, Target};
use kiln_rt::Pool;
use ndarray::{ArrayD, IxDyn};

/// Values for the graph's inputs: numbers around 0 for f32, small ones for i32.
pub fn feeds(graph: &Graph) -> HashMap<String, Tensor<f32>> {
    let feed = |(number, input): (usize, &kiln_graph::Input)| {
        let ty = graph.ty(input.node);
        let bits = |i: usize| kiln_rt::random::bits(7, 0, number as u32, i as u64);
        let tensor = match ty.dtype {
            // Some values repeat, so that maxima have ties.
            DType::F32 => {
                Tensor::floats(ty.shape, (0..ty.shape.elements()).map(|i| (bits(i) % 257) as f64 / 64.0 - 2.0))
            }
            DType::Bf16 | DType::U8 | DType::I8 => unreachable!("no input of these graphs is narrow"),
            DType::I32 => Tensor::ints(ty.shape, (0..ty.shape.elements()).map(|i| (bits(i) % 7) as i32)),
            DType::Bool => Tensor::bools(ty.shape, (0..ty.shape.elements()).map(|i| bits(i) % 2 == 0)),
        };
        (input.name.clone(), tensor)
    };
    graph.inputs.iter().enumerate().map(feed).collect()
}

fn words(tensor: &Tensor<f32>) -> Vec<u32> {
    match tensor {
        Tensor::F(a) => a.iter().map(|x| x.to_bits()).collect(),
        Tensor::H(_) | Tensor::U(_) | Tensor::S(_) => unreachable!("no input of these graphs is narrow"),
        Tensor::I(a) => a.iter().map(|&x| x as u32).collect(),
        Tensor::B(a) => a.iter().map(|&x| x as u32).collect(),
    }
}

/// The offset of each element, in row-major order.
fn offsets(shape: Shape, layout: &Layout) -> Vec<usize> {
    (0..shape.elements())
        .map(|mut i| {
            let mut offset = layout.offset as i64;
            for axis in (0..shape.rank()).rev() {
                offset += (i % shape.dim(axis)) as i64 * layout.strides[axis];
                i /= shape.dim(axis);
            }
            offset as usize
        })
        .collect()
}

/// Outputs and states by name after a run.
#[derive(PartialEq)]
pub struct Outcome {
    pub outputs: HashMap<String, Vec<u32>>,
    pub states: HashMap<String, Vec<u32>>,
}

/// Some tasks of a call in an iteration; whether of its kernel by parts of rows.
type Run = (usize, usize, Range<usize>, bool);

/// Runs a plan, whose tasks have to be disjoint, call by call.
pub fn run(plan: &Plan, feeds: &HashMap<String, Tensor<f32>>) -> Outcome {
    let all = |call: usize| 0..plan.kernels[plan.calls[call].kernel].tasks();
    run_in_order(plan, feeds, plan.iterations().map(|(call, iteration)| (call, iteration, all(call), false)))
}

/// The same, but of loops with parts of rows each part by itself through all iterations, the last part first.
pub fn run_in_rows(plan: &Plan, feeds: &HashMap<String, Tensor<f32>>) -> Outcome {
    let mut runs: Vec<Run> = Vec::new();
    let mut next = 0;
    while next < plan.calls.len() {
        let looped = plan.loops.iter().find(|looped| looped.calls.start == next);
        let (calls, iterations, parts) =
            looped.map_or((next..next + 1, 1, 1), |looped| (looped.calls.clone(), looped.iterations, looped.parts));
        next = calls.end;
        let in_rows = parts > 1;
        for (part, iteration) in (0..parts).rev().flat_map(|part| (0..iterations).map(move |at| (part, at))) {
            for call in calls.clone() {
                let Call { kernel, in_rows: cut, .. } = &plan.calls[call];
                let tasks = plan.kernels[if in_rows { cut.expect("each call is cut") } else { *kernel }].tasks();
                match in_rows {
                    true => {
                        runs.extend((part..tasks).step_by(parts).map(|task| (call, iteration, task..task + 1, true)))
                    }
                    false => runs.push((call, iteration, 0..tasks, false)),
                }
            }
        }
    }
    run_in_order(plan, feeds, runs)
}

/// That parts of the rows, each by itself, give the bits of one call after the other.
pub fn check_parts(name: &str, graph: &Graph, plan: &Plan) {
    let feeds = feeds(graph);
    assert!(run(plan, &feeds) == run_in_rows(plan, &feeds), "{name}: other bits by parts of rows\n{plan}");
}

/// Runs some tasks one after the other. The memory holds garbage before, so that nothing can rely on zeros.
fn run_in_order(plan: &Plan, feeds: &HashMap<String, Tensor<f32>>, runs: impl IntoIterator<Item = Run>) -> Outcome {
    plan.disjoint().unwrap_or_else(|error| panic!("{error}, in\n{plan}"));
    let mut memory = vec![0x7fc1_7fc1_u32; plan.arena_bytes / 4];
    let mut states = HashMap::new();
    for (number, input) in plan.inputs.iter().enumerate() {
        if input.role == Role::State {
            states.insert(number, memory.len());
            memory.extend(std::iter::repeat_n(0x7fc0_beef, plan.slots[input.slot].elements));
        }
    }
    let place = |slot: usize| match plan.slots[slot].location {
        Location::Arena { offset } => {
            assert_eq!(offset % 64, 0, "slots are aligned");
            offset / 4
        }
        Location::State { input } => states[&input],
    };
    let read = |memory: &[u32], argument: &Argument| -> Vec<u32> {
        let start = place(argument.slot);
        offsets(argument.ty.shape, &argument.layout).into_iter().map(|offset| memory[start + offset]).collect()
    };
    for input in &plan.inputs {
        let start = place(input.slot);
        for (offset, word) in offsets(input.ty.shape, &input.layout).into_iter().zip(words(&feeds[&input.name])) {
            memory[start + offset] = word;
        }
    }
    for (call, iteration, tasks, in_rows) in runs {
        let call = &plan.calls[call];
        let kernel = &plan.kernels[if in_rows { call.in_rows.expect("a loop by rows") } else { call.kernel }];
        let moved = |position: usize| call.moves.get(position).map_or(0, |by| by.at(iteration));
        for (position, (buffer, &slot)) in kernel.buffers.iter().zip(&call.arguments).enumerate() {
            let end = buffer.element.bytes() * (moved(position) + buffer.elements);
            let length = plan.slots[slot].size * plan.slots[slot].elements;
            assert!(end <= length, "{}: a buffer longer than its slot", call.label);
        }
        let slots = call.arguments.iter().enumerate();
        let size = |position: usize| kernel.buffers[position].element.bytes();
        let byte = |(position, &slot): (usize, &usize)| 4 * place(slot) + moved(position) * size(position);
        let places: Vec<usize> = slots.map(byte).collect();
        interpret_words(kernel, &mut memory, &places, tasks);
    }
    let named = |arguments: &[Argument], role: Role| {
        let of_role = arguments.iter().filter(|argument| argument.role == role);
        of_role.map(|argument| (argument.name.clone(), read(&memory, argument))).collect()
    };
    Outcome { outputs: named(&plan.outputs, Role::Data), states: named(&plan.inputs, Role::State) }
}

fn number(word: u32, dtype: DType) -> f64 {
    match dtype {
        DType::F32 => f64::from(f32::from_bits(word)),
        DType::Bf16 | DType::U8 | DType::I8 => unreachable!("no result of a whole graph is narrow"),
        DType::I32 | DType::Bool => f64::from(word as i32),
    }
}

/// What a graph is given, and what it gives by the graph interpreter: for all plans of it.
pub struct Expected {
    feeds: HashMap<String, Tensor<f32>>,
    results: Results<f32>,
}

impl Expected {
    pub fn of(graph: &Graph) -> Expected {
        let feeds = feeds(graph);
        let results = interpret::<f32>(graph, &feeds).expect("the reference");
        Expected { feeds, results }
    }

    /// That a plan of the graph gives the same.
    pub fn check(&self, name: &str, plan: &Plan) {
        let outcome = run(plan, &self.feeds);
        self.compare(name, plan, &outcome);
        if plan.loops.iter().any(|looped| looped.parts > 1) {
            assert!(outcome == run_in_rows(plan, &self.feeds), "{name}: other bits by parts of rows\n{plan}");
        }
    }

    /// That code of an emitter gives the same, and the same bits with any number of threads.
    fn check_compiled(&self, name: &str, graph: &Graph, emitter: EmitterKind) {
        let mut plan = plan(graph, &Target::with_lanes(emitter.lanes()), &HashMap::new()).expect("a plan");
        plan.calls.iter_mut().for_each(|call| call.parallel = true);
        let program = Arc::new(Program::from_plan(plan.clone()).expect("a program"));
        let alone = run_compiled(&program, 1, &self.feeds);
        self.compare(&format!("{name} by {emitter}"), &plan, &alone);
        for threads in [2, 3, 8] {
            let together = run_compiled(&program, threads, &self.feeds);
            assert!(alone == together, "{name} by {emitter}: other bits with {threads} threads\n{plan}");
        }
    }

    /// That what came out of a plan is the same.
    fn compare(&self, name: &str, plan: &Plan, outcome: &Outcome) {
        let compare = |what: &str, ty: Type, found: &[u32], expected: &Tensor<f32>| {
            let expected = expected.to_f64();
            let scale = expected.iter().filter(|x| x.is_finite()).fold(1.0f64, |m, x| m.max(x.abs()));
            for (i, (&word, &want)) in found.iter().zip(&expected).enumerate() {
                let have = number(word, ty.dtype);
                let close = have == want || have.is_nan() && want.is_nan() || (have - want).abs() <= 2e-5 * scale;
                assert!(close, "{name}: {what}[{i}] is {have}, not {want}\n{plan}");
            }
        };
        for output in &plan.outputs {
            compare(&output.name, output.ty, &outcome.outputs[&output.name], &self.results.outputs[&output.name]);
        }
        for input in plan.inputs.iter().filter(|input| input.role == Role::State) {
            let after = self.results.updates.get(&input.name).unwrap_or(&self.feeds[&input.name]);
            compare(&input.name, input.ty, &outcome.states[&input.name], after);
        }
    }
}

/// That a graph gives the same through plans for 4, 8 and 16 lanes as through the graph interpreter.
pub fn check(name: &str, graph: &Graph) {
    check_at(&[4, 8, 16], name, graph);
}

/// The same for some numbers of lanes.
pub fn check_at(lanes: &[usize], name: &str, graph: &Graph) {
    let expected = Expected::of(graph);
    for &lanes in lanes {
        let plan = plan(graph, &Target::with_lanes(lanes), &HashMap::new()).expect("a plan");
        expected.check(&format!("{name} at {lanes} lanes"), &plan);
    }
}

/// That a graph gives the same by the code of each emitter that this machine runs as through the graph interpreter, and
/// the same bits with any number of threads.
pub fn check_compiled(name: &str, graph: &Graph) {
    let expected = Expected::of(graph);
    let here = EmitterKind::ALL.into_iter().filter(|emitter| emitter.runs_here());
    here.for_each(|emitter| expected.check_compiled(name, graph, emitter));
}

/// The same by one of the emitters, in turns.
pub fn check_compiled_in_turns(turn: usize, name: &str, graph: &Graph) {
    let here: Vec<EmitterKind> = EmitterKind::ALL.into_iter().filter(|emitter| emitter.runs_here()).collect();
    Expected::of(graph).check_compiled(name, graph, here[turn % here.len()]);
}

fn run_compiled(program: &Arc<Program>, threads: usize, feeds: &HashMap<String, Tensor<f32>>) -> Outcome {
    let mut states = States::new();
    let mut session = Session::new(program.clone(), &mut states, Arc::new(Pool::new(threads))).expect("a session");
    let plan = program.plan();
    for (number, input) in plan.inputs.iter().enumerate() {
        let shape = IxDyn(input.ty.shape.dims());
        let values = ArrayD::from_shape_vec(shape, feeds[&input.name].to_f64()).expect("as many");
        let floats = values.mapv(|value| value as f32);
        match (input.role, input.ty.dtype) {
            (Role::Data, DType::I32) => {
                session.write_input_i32(number, values.mapv(|value| value as i32).view()).expect("an input of i32");
            }
            (Role::Data, _) => session.write_input_f32(number, floats.view()).expect("an input of f32"),
            (Role::State, _) => states.write(&input.name, floats.view()).expect("a state of f32"),
        }
    }
    session.run(&mut states).expect("a run");
    let bits = |values: ArrayD<f32>| values.iter().map(|value| value.to_bits()).collect();
    let output = |number: usize| (plan.outputs[number].name.clone(), bits(session.output(number).to_owned()));
    let state = |input: &Argument| (input.name.clone(), bits(states.read(&input.name).expect("a state of f32")));
    Outcome {
        outputs: (0..plan.outputs.len()).map(output).collect(),
        states: plan.inputs.iter().filter(|input| input.role == Role::State).map(state).collect(),
    }
}

/// That a plan of a graph gives the same as the graph interpreter.
pub fn check_plan(name: &str, graph: &Graph, plan: &Plan) {
    Expected::of(graph).check(name, plan);
}
