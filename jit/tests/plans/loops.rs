//! Scans as loops: what does not grow with their length, what comes before them, and what is the same with any threads.

use std::collections::HashMap;
use std::sync::Arc;

use kiln_graph::layers::recurrent::{Recurrence, Stacking, Weights, recurrent};
use kiln_graph::passes::mix;
use kiln_graph::{Builder, DType, Graph, Mode, Role, Type, optimize};
use kiln_jit::plan::{Call, Loop, Move, Plan, plan};
use kiln_jit::{Arena, CompileOptions, Program, Session, States, Target};
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
    let weights = Weights { inputs: of[0], state: of[1], biases: Some(biases), projection: None };
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

/// Batches, and the parts into which the rows of a step are cut.
const PARTS: [(usize, usize); 14] = [
    (1, 1),
    (2, 1),
    (3, 1),
    (4, 2),
    (5, 1),
    (6, 2),
    (7, 1),
    (8, 2),
    (9, 1),
    (12, 2),
    (24, 4),
    (25, 1),
    (32, 4),
    (48, 8),
];

fn parts(plan: &Plan) -> Vec<usize> {
    plan.loops.iter().map(|looped| looped.parts).collect()
}

/// Threads take parts of the rows through all steps, forward and back, where there are rows enough; with the bits of one
/// thread.
#[test]
fn rows_go_through_the_loop_by_parts() {
    for step in STEPS {
        for (batch, expected) in PARTS {
            let graph = graph(step, 20, [batch, 8, 48], true);
            let what = format!("{step:?} of {batch} rows");
            let plan = CompileOptions::default().plan(&graph).unwrap();
            assert_eq!(parts(&plan), [expected; 2], "{what}\n{plan}");
            assert_eq!(plan.to_string().contains(&format!("iterations, rows in {expected} parts:")), expected > 1);
            let alone = bits(&graph, &plan, 1);
            for threads in [2, 3, 5] {
                assert_eq!(bits(&graph, &plan, threads), alone, "{what}, {threads} threads\n{plan}");
            }
        }
    }
}

/// A stack of two layers over `x`, with weights small enough that a step's roundings do not grow from step to step.
fn stacked(step: Recurrence, stacking: Stacking, x: [usize; 3], hidden: usize) -> Graph {
    let g = Builder::new("stacked");
    g.set_mode(Mode::Train);
    let x = g.input("x", x);
    let directions = 1 + usize::from(stacking.bidirectional);
    let rows = step.gates() * hidden;
    let mut states = Vec::new();
    let mut weights = Vec::new();
    for number in 0..2 * directions {
        let inputs = if number < directions { x.shape().dim(2) } else { hidden * directions };
        let mut state = |name: &str, shape: &[usize]| {
            states.push(g.state(&format!("{name}.{number}"), Type::f32(shape)));
            states[states.len() - 1] * 0.05
        };
        let (inputs, carried) = (state("ih", &[rows, inputs]), state("hh", &[rows, hidden]));
        weights.push(Weights {
            inputs,
            state: carried,
            biases: Some([state("bi", &[rows]), state("bh", &[rows])]),
            projection: None,
        });
    }
    let results = recurrent(step, &[x], &weights, stacking);
    let loss = results[0].square().mean(..);
    g.output("loss", loss);
    for (state, gradient) in states.iter().zip(g.gradients_of(loss, &states).unwrap()) {
        g.update(*state, *state - gradient);
    }
    optimize(&g.finish().unwrap())
}

/// What a part computes in all steps is what calls compute one after the other, at any number of lanes and by each
/// emitter: in stacks of layers, in both directions, of sequences that lie step by step or row by row.
#[test]
fn parts_agree_with_the_interpreter() {
    for (turn, step) in STEPS.into_iter().enumerate() {
        for (number, (batch, hidden, bidirectional, batch_first)) in
            [(24, 24, false, true), (32, 33, false, false), (12, 64, true, false)].into_iter().enumerate()
        {
            // At each number of lanes, and by each emitter, in turns.
            let turn = turn + number;
            let x = if batch_first { [batch, 12, 6] } else { [12, batch, 6] };
            let graph = stacked(step, Stacking { bidirectional, batch_first, dropout: 0.0 }, x, hidden);
            let what = format!("{step:?} of {batch} rows, bidirectional: {bidirectional}, batch first: {batch_first}");
            let plan = planned(&graph);
            let expected = PARTS.iter().find(|of| of.0 == batch).unwrap().1;
            assert!(parts(&plan).iter().all(|&parts| parts == expected), "{what}: {plan}");
            run::check_at(&[[4, 8, 16][turn % 3]], &what, &graph);
            run::check_compiled_in_turns(turn, &what, &graph);
        }
    }
}

/// A step of a user's own, with gradients: rows that are normalized, and a sum over the rows that is carried.
#[test]
fn parts_of_a_step_of_ones_own() {
    let of = |mixes: bool| {
        let g = Builder::new("own");
        let [x, s] = [g.input("x", [20, 24, 32]), g.input("s", [24, 32])];
        let (w, scale) = (g.state("w", Type::f32([32, 32])), g.state("scale", Type::f32([32])));
        let start = g.input("total", [32]);
        let body = g.body("step");
        let (row, state) = (body.input("x", [24, 32]), body.state("s", Type::f32([24, 32])));
        let (weight, factor) = (body.state("w", Type::f32([32, 32])), body.state("scale", Type::f32([32])));
        let total = body.state("total", Type::f32([32]));
        let sums = state.matmul(weight * 0.05) + row;
        let centred = sums - sums.mean(1).reshape([24, 1]).broadcast_to([24, 32]);
        let centred = if mixes { centred - centred.mean(0).reshape([1, 32]).broadcast_to([24, 32]) } else { centred };
        let new = (centred * factor.reshape([1, 32]).broadcast_to([24, 32])).tanh();
        body.carry(state, new);
        body.carry(total, total + new.sum(0));
        body.output("rows", new);
        let results = g.scan(body, &[x, s, w, scale, start], 20, false);
        let loss = results[2].square().mean(..) + results[1].square().mean(..);
        g.output("loss", loss);
        for (weight, gradient) in [w, scale].into_iter().zip(g.gradients(loss, [w, scale]).unwrap()) {
            g.update(weight, weight - gradient * 0.1);
        }
        optimize(&g.finish().unwrap())
    };
    for (mixes, expected) in [(false, 4), (true, 1)] {
        let graph = of(mixes);
        let plan = planned(&graph);
        assert!(parts(&plan).iter().all(|&parts| parts == expected), "{plan}");
        let what = format!("mixes rows: {mixes}");
        run::check(&what, &graph);
        run::check_compiled(&what, &graph);
    }
}

/// A weight that would not stay in the second-level cache beside what passes by is shared out by strips, as before.
#[test]
fn large_weights_are_not_read_by_all_threads() {
    let graph = graph(Recurrence::Lstm, 7, [32, 8, 64], true);
    for (l2_bytes, expected) in [(128 << 10, 4), (127 << 10, 1)] {
        let plan = plan(&graph, &Target { l2_bytes, ..Target::with_lanes(16) }, &HashMap::new()).unwrap();
        assert_eq!(parts(&plan), [expected; 2], "{plan}");
    }
}

/// Two weights of a step have to stay in the cache together, one that is read twice once.
#[test]
fn weights_of_a_step_stay_together() {
    let of = |weights: usize, products: usize| {
        let g = Builder::new("weights");
        let [x, s] = [g.input("x", [20, 24, 32]), g.input("s", [24, 32])];
        let body = g.body("step");
        let (row, state) = (body.input("x", [24, 32]), body.state("s", Type::f32([24, 32])));
        let inner: Vec<_> = (0..weights).map(|i| body.state(&format!("w{i}"), Type::f32([32, 32]))).collect();
        let new = (0..products).fold(row, |sum, i| (sum + state).matmul(inner[i % weights]).tanh());
        body.carry(state, new);
        body.output("rows", new);
        let outer: Vec<_> = (0..weights).map(|i| g.state(&format!("w{i}"), Type::f32([32, 32]))).collect();
        let results = g.scan(body, &[vec![x, s], outer].concat(), 20, false);
        g.output("last", results[0]);
        optimize(&g.finish().unwrap())
    };
    // A weight has 4 KiB, half of the cache may be filled.
    for (weights, products, least) in [(1, 1, 8 << 10), (2, 2, 16 << 10), (1, 2, 8 << 10)] {
        let graph = of(weights, products);
        for (l2_bytes, expected) in [(least, 4), (least - 1024, 1)] {
            let plan = plan(&graph, &Target { l2_bytes, ..Target::with_lanes(8) }, &HashMap::new()).unwrap();
            assert_eq!(parts(&plan), [expected], "{weights} weights, {l2_bytes} bytes\n{plan}");
        }
    }
}

/// A step that reads other rows is not taken by parts, and its memory is as large as that of one that never could be: 24
/// rows need no more than 25, which nothing cuts.
#[test]
fn loops_that_are_not_cut_keep_nothing_apart() {
    let of = |rows: usize| {
        let g = Builder::new("turned");
        let [x, s, w] = [g.input("x", [20, rows, 32]), g.input("s", [rows, 32]), g.input("w", [32, 32])];
        let body = g.body("step");
        let (row, state) = (body.input("x", [rows, 32]), body.state("s", Type::f32([rows, 32])));
        let weight = body.state("w", Type::f32([32, 32]));
        let first = (state + row).matmul(weight * 0.05).tanh();
        let new = (0..4).fold(first, |sum, _| sum.reverse(0).matmul(weight * 0.05).tanh());
        body.carry(state, new);
        body.output("rows", new);
        let results = g.scan(body, &[x, s, w], 20, false);
        g.output("rows", results[1]);
        optimize(&g.finish().unwrap())
    };
    let [cut, whole] = [24, 25].map(|rows| planned(&of(rows)));
    assert_eq!([parts(&cut), parts(&whole)], [[1], [1]], "{cut}");
    assert!(cut.arena_bytes <= whole.arena_bytes, "{cut}\n{whole}");
    run::check_plan("turned", &of(24), &cut);
}

/// Values around 0.
fn value(shape: &[usize], number: u32) -> ArrayD<f32> {
    let element = |i: usize| kiln_rt::random::uniform(3, 0, number, i as u64) - 0.5;
    ArrayD::from_shape_vec(IxDyn(shape), (0..shape.iter().product()).map(element).collect()).unwrap()
}

/// Steps whose products take bf16 give the same bits by parts.
#[test]
fn steps_in_bf16_give_the_same_bits_by_parts() {
    for step in STEPS {
        let graph = optimize(&mix(&graph(step, 20, [24, 32, 48], true)));
        let plan = CompileOptions::default().plan(&graph).unwrap();
        let alone = bits(&graph, &plan, 1);
        for threads in [2, 3] {
            assert_eq!(bits(&graph, &plan, threads), alone, "{step:?}, {threads} threads\n{plan}");
        }
        // By pairs, whose rows are packed: each part packs its own.
        let target = Target { pair_products: true, ..Target::with_lanes(16) };
        let plan = kiln_jit::plan::plan(&graph, &target, &HashMap::new()).unwrap();
        assert!(parts(&plan).iter().all(|&parts| parts > 1), "{step:?}\n{plan}");
        run::check_parts(&format!("{step:?} by pairs"), &graph, &plan);
    }
}

/// Forks of a session run a loop by parts at once, each over its own data, and one that is timed gives the same.
#[test]
fn forks_run_a_loop_by_parts_at_once() {
    let (of_x, batch) = ([20, 24, 8], 24);
    let graph = graph(Recurrence::Lstm, 20, [batch, 8, 48], false);
    let plan = CompileOptions::default().plan(&graph).unwrap();
    assert_eq!(parts(&plan), [4], "{plan}");
    let program = Arc::new(Program::from_plan(plan).unwrap());
    let session = |states: &mut States, threads: usize| {
        Session::new(program.clone(), states, Arc::new(Pool::new(threads))).unwrap()
    };
    let mut states = States::new();
    let (mut alone, mut first) = (session(&mut states, 1), session(&mut states, 2));
    for (number, input) in graph.inputs.iter().enumerate().filter(|(_, input)| input.role == Role::State) {
        states.write(&input.name, value(graph.shape(input.node).dims(), number as u32).view()).unwrap();
    }
    let x = program.input("x").unwrap();
    let last = |session: &Session| session.output(1).iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
    let run = |session: &mut Session, seed: u32, states: &States| {
        session.write_input_f32(x, value(&of_x, seed).view()).unwrap();
        session.run_shared(states).unwrap();
        last(session)
    };
    let expected = [100, 200, 300].map(|seed| (seed, run(&mut alone, seed, &states)));
    first.write_input_f32(x, value(&of_x, 100).view()).unwrap();
    first.run_timed(&mut states).unwrap();
    assert_eq!(last(&first), expected[0].1, "timed before a run");
    std::thread::scope(|scope| {
        for (seed, expected) in &expected {
            let (mut fork, states) = (first.fork(), &states);
            fork.attach(Arena::new()).unwrap();
            scope.spawn(move || (0..20).for_each(|_| assert_eq!(&run(&mut fork, *seed, states), expected)));
        }
    });
    assert_eq!(run(&mut first, 200, &states), expected[1].1);
    first.run_timed(&mut states).unwrap();
    assert_eq!(last(&first), expected[1].1, "timed behind a run");
}

/// The last states and the new weights that a plan gives by its code.
fn bits(graph: &Graph, plan: &Plan, threads: usize) -> Vec<Vec<u32>> {
    let program = Arc::new(Program::from_plan(plan.clone()).unwrap());
    let mut states = States::new();
    let mut session = Session::new(program.clone(), &mut states, Arc::new(Pool::new(threads))).unwrap();
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
