//! Scans as loops: what does not grow with their length, what comes before them, and what is the same with any threads.

use std::collections::HashMap;
use std::sync::Arc;

use kiln_graph::layers::recurrent::{Recurrence, Stacking, Weights, recurrent};
use kiln_graph::{Builder, DType, Graph, Mode, Role, Type, optimize};
use kiln_jit::plan::{Call, Loop, Move, Plan, plan};
use kiln_jit::{CompileOptions, Program, Session, States, Target};
use kiln_rt::Pool;
use ndarray::{ArrayD, IxDyn};

use crate::run;

const STEPS: [Recurrence; 3] =
    [Recurrence::Rnn(kiln_graph::layers::Nonlinearity::Tanh), Recurrence::Lstm, Recurrence::Gru];

/// A recurrent layer over so many steps, its mean square and, where it learns, new weights, as in training.
fn graph(step: Recurrence, length: usize, [batch, inputs, hidden]: [usize; 3], learns: bool) -> Graph {
    let g = Builder::new("recurrent");
    g.set_mode(if learns { Mode::Train } else { Mode::Eval });
    let x = g.input("x", [length, batch, inputs]);
    let rows = step.gates() * hidden;
    let state = |name: &str, shape: &[usize]| g.state(name, Type::f32(shape));
    let of = [state("weight_ih", &[rows, inputs]), state("weight_hh", &[rows, hidden])];
    let biases = [state("bias_ih", &[rows]), state("bias_hh", &[rows])];
    let weights = Weights { inputs: of[0], state: of[1], biases: Some(biases) };
    let stacking = Stacking { bidirectional: false, batch_first: false, dropout: 0.0 };
    let results = recurrent(step, &[x], &[weights], stacking);
    let loss = results.iter().map(|result| result.square().mean(..)).reduce(|a, b| a + b).unwrap();
    g.output("loss", loss);
    g.output("last", results[1]);
    if learns {
        let all = [of[0], of[1], biases[0], biases[1]];
        for (weight, gradient) in all.into_iter().zip(g.gradients(loss, all).unwrap()) {
            g.update(weight, weight - gradient * 0.1);
        }
    }
    optimize(&g.finish().unwrap())
}

fn planned(graph: &Graph) -> Plan {
    plan(graph, &Target::with_lanes(8), &HashMap::new()).unwrap()
}

#[test]
fn recurrences_agree_with_the_interpreter() {
    for step in STEPS {
        for length in [1, 4] {
            run::check(&format!("{step:?} of {length} steps"), &graph(step, length, [3, 5, 6], true));
        }
    }
}

/// A thousand steps are planned as a hundred are: the same calls, and kernels but for those over whole sequences.
#[test]
fn plans_do_not_grow_with_the_length() {
    for step in STEPS {
        let [short, long] = [100, 1000].map(|length| planned(&graph(step, length, [4, 6, 8], true)));
        let in_loops = |plan: &Plan| plan.loops.iter().map(|looped| looped.calls.len()).collect::<Vec<_>>();
        assert_eq!(in_loops(&short), in_loops(&long), "{short}\n{long}");
        assert_eq!(short.loops.iter().map(|looped| looped.iterations).collect::<Vec<_>>(), [100, 100]);
        assert_eq!(long.loops.iter().map(|looped| looped.iterations).collect::<Vec<_>>(), [1000, 1000]);
        // Sums over a whole sequence may be taken in more parts.
        assert!(long.calls.len() <= short.calls.len() + 8, "{short}\n{long}");
    }
}

/// The weights of a step are packed before the loop and, where no run changes them, once for all runs.
#[test]
fn weights_are_packed_before_the_loop() {
    for learns in [false, true] {
        let plan = planned(&graph(Recurrence::Lstm, 20, [32, 64, 128], learns));
        let names_pack = |call: usize| plan.calls[call].label.contains("pack for");
        let looped = |call: &usize| plan.loops.iter().any(|looped| looped.calls.contains(call));
        let reads_weight = |call: usize| {
            plan.calls[call].arguments.iter().any(|&slot| match plan.slots[slot].location {
                kiln_jit::plan::Location::State { input } => plan.inputs[input].name == "weight_hh",
                kiln_jit::plan::Location::Arena { .. } => false,
            })
        };
        let packs: Vec<usize> = (0..plan.calls.len()).filter(|&call| names_pack(call) && reads_weight(call)).collect();
        assert!(!packs.iter().any(looped), "{plan}");
        assert!(learns || packs.iter().all(|&call| call < plan.prologue), "{plan}");
    }
}

/// The gates of a step, functions of many instructions, are shared among threads.
#[test]
fn gates_are_shared_among_threads() {
    let plan = CompileOptions::default().plan(&graph(Recurrence::Lstm, 7, [32, 64, 128], true)).unwrap();
    let gates = plan.calls.iter().filter(|call| call.label.contains("tanh"));
    let shared: Vec<bool> = gates.map(|call| call.parallel).collect();
    assert_eq!(shared, [true], "{plan}");
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let graph = graph(Recurrence::Lstm, 7, [16, 8, 48], true);
    let mut plan = CompileOptions::default().plan(&graph).unwrap();
    plan.calls.iter_mut().for_each(|call| call.parallel = true);
    let [alone, two, three] = [1, 2, 3].map(|threads| bits(&graph, &plan, threads));
    assert_eq!(alone, two);
    assert_eq!(alone, three);
}

/// The last states and the new weights that a plan gives by its code.
fn bits(graph: &Graph, plan: &Plan, threads: usize) -> Vec<Vec<u32>> {
    let program = Arc::new(Program::from_plan(plan.clone()).unwrap());
    let mut states = States::new();
    let mut session = Session::new(program.clone(), &mut states, Arc::new(Pool::new(threads))).unwrap();
    let value = |shape: &[usize], number: u32| {
        let element = |i: usize| kiln_rt::random::uniform(3, 0, number, i as u64) - 0.5;
        ArrayD::from_shape_vec(IxDyn(shape), (0..shape.iter().product()).map(element).collect()).unwrap()
    };
    for (number, input) in graph.inputs.iter().enumerate() {
        let ty = graph.ty(input.node);
        assert_eq!(ty.dtype, DType::F32);
        let value = value(ty.shape.dims(), number as u32);
        match input.role {
            Role::Data => session.write_input_f32(number, value.view()).unwrap(),
            Role::State => states.write(&input.name, value.view()).unwrap(),
        }
    }
    session.run(&mut states).unwrap();
    let state = |name: &str| states.read(name).unwrap().iter().map(|x: &f32| x.to_bits()).collect();
    let states = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map(state);
    std::iter::once(session.output(1).iter().map(|x| x.to_bits()).collect()).chain(states).collect()
}

/// For each loop: the call that asks for rows, if there is one, and the calls that touch them first behind it.
fn asked(plan: &Plan) -> Vec<Vec<(usize, Vec<usize>)>> {
    let of_loop = |looped: &Loop| {
        let asks = |&call: &usize| {
            let Call { kernel, arguments, moves, .. } = &plan.calls[call];
            let named = plan.kernels[*kernel].buffers.iter().zip(arguments.iter().zip(moves));
            let rows: Vec<(&usize, &Move)> =
                named.filter(|(buffer, _)| buffer.name.starts_with("ahead")).map(|(_, row)| row).collect();
            let touches = |other: usize, row: (&usize, &Move)| {
                let other = &plan.calls[other];
                let count = plan.kernels[other.kernel].buffers.iter().filter(|b| !b.name.starts_with("ahead")).count();
                other.arguments.iter().zip(&other.moves).take(count).any(|other| other == row)
            };
            let first = |row| looped.calls.clone().find(|&other| touches(other, row)).expect("a call for each row");
            let first = rows.into_iter().map(|row| first(row) - looped.calls.start).collect();
            (call - looped.calls.start, first)
        };
        looped.calls.clone().map(|call| asks(&call)).filter(|(_, rows): &(_, Vec<usize>)| !rows.is_empty()).collect()
    };
    plan.loops.iter().map(of_loop).collect()
}

/// With sequences larger than the second-level cache and 16 lanes a step's product asks for rows: of those behind it,
/// then of those before it and of its own. What is computed, and who shares it, stays.
#[test]
fn products_ask_for_rows() {
    let graph = graph(Recurrence::Lstm, 7, [32, 8, 64], true);
    let of = |l2_bytes: usize, lanes: usize| {
        plan(&graph, &Target { l2_bytes, ..Target::with_lanes(lanes) }, &HashMap::new()).unwrap()
    };
    let [asking, plain] = [256 << 10, 2 << 20].map(|l2_bytes| of(l2_bytes, 16));
    // Forward the copy of `h`, and the gates of the inputs; not the rows of the gates, who compute for longer. Back what
    // three kernels of the next step touch first.
    let expected = [vec![(0, vec![1, 0])], vec![(5, vec![0, 0, 0, 0, 1, 1, 1, 2])]];
    assert_eq!(asked(&asking), expected, "{asking}");
    for plan in [&plain, &of(256 << 10, 8)] {
        assert_eq!(asked(plan), [[], []], "{plan}");
    }
    run::check_plan("asking", &graph, &asking);
    let in_loops = |plan: &Plan| plan.loops.iter().flat_map(|looped| looped.calls.clone()).collect::<Vec<_>>();
    let shared = |plan: &Plan| in_loops(plan).iter().map(|&call| plan.calls[call].parallel).collect::<Vec<_>>();
    assert_eq!(shared(&asking), shared(&plain));
    for looped in &asking.loops {
        let product = looped.calls.clone().max_by_key(|&call| asking.calls[call].flops).unwrap();
        assert!(asking.calls[product].parallel, "{asking}");
    }
    if asking.emitter.runs_here() {
        let expected = bits(&graph, &plain, 1);
        for threads in [1, 2, 3] {
            assert_eq!(bits(&graph, &asking, threads), expected, "{threads} threads");
        }
    }
}

/// Maps and sums that would have the time to ask, but compute no product, ask for nothing.
#[test]
fn loops_without_products_ask_for_nothing() {
    let g = Builder::new("sums");
    let [x, s] = [g.input("x", [100, 64]), g.input("s", [64, 64])];
    let body = g.body("step");
    let (row, state) = (body.input("x", [64]), body.state("s", Type::f32([64, 64])));
    let new = (state.tanh() + row).sigmoid();
    body.carry(state, new);
    body.output("rows", new.sum(1));
    let results = g.scan(body, &[x, s], 100, false);
    g.output("last", results[0]);
    g.output("rows", results[1]);
    let graph = optimize(&g.finish().unwrap());
    let plan = plan(&graph, &Target { l2_bytes: 1 << 10, ..Target::with_lanes(16) }, &HashMap::new()).unwrap();
    assert_eq!(asked(&plan), [[]], "{plan}");
}
