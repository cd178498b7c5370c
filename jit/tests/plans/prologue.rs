//! What depends on states alone is computed once they have changed, is kept from run to run, and is never stale.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;

use kiln_graph::{Builder, Graph, Type, Value};
use kiln_jit::plan::{Plan, plan};
use kiln_jit::{Arena, CompileError, CompileOptions, Program, RunError, Session, States, Target};
use kiln_rt::{Pages, Pool, random};
use ndarray::ArrayD;

use crate::cases::conv;
use crate::run::check;

const X: [usize; 4] = [2, 16, 12, 12];
const W: [usize; 4] = [64, 16, 3, 3];

/// A convolution, a batch norm over running statistics, and a product: every kind of thing that is kept.
fn network<'g>(g: &'g Builder) -> (Value<'g>, Vec<Value<'g>>) {
    let x = g.input("x", X);
    let states = [("w", &W[..]), ("scale", &[64]), ("variance", &[64]), ("l", &[40, 64])];
    let states = states.map(|(name, shape)| g.state(name, Type::f32(shape)));
    let [w, scale, variance, l] = states;
    let factor = scale / (variance * variance + 1e-5).sqrt();
    let y = (x.conv(w, conv(1, 1, 1)) * factor.reshape([64, 1, 1])).relu();
    (y.sum(3).sum(2).matmul(l.transpose(0, 1)), states.to_vec())
}

fn predict() -> Graph {
    let g = Builder::new("predict");
    let (y, _) = network(&g);
    g.output("y", y);
    kiln_graph::optimize(&g.finish().expect("a graph"))
}

/// A step that trains the states of the given numbers.
fn train(trained: &[usize]) -> Graph {
    let g = Builder::new("train");
    let (y, states) = network(&g);
    let loss = (y * y).mean([0, 1]);
    let trained: Vec<Value> = trained.iter().map(|&number| states[number]).collect();
    for (&state, gradient) in trained.iter().zip(g.gradients_of(loss, &trained).expect("gradients")) {
        g.update(state, state - gradient * 1e-5);
    }
    g.output("y", y);
    kiln_graph::optimize(&g.finish().expect("a graph"))
}

fn planned(graph: &Graph) -> Plan {
    plan(graph, &Target::with_lanes(16), &HashMap::new()).expect("a plan")
}

fn values(shape: &[usize], seed: u64) -> ArrayD<f32> {
    let draw = |index: usize| random::uniform(seed, 0, 0, index as u64) - 0.5;
    ArrayD::from_shape_vec(shape, (0..shape.iter().product()).map(draw).collect()).expect("as many values")
}

/// Parameters as a user sets them, each from a seed of its own.
fn set(states: &mut States, seed: u64) {
    let names: Vec<String> = states.names().map(str::to_owned).collect();
    for (number, name) in names.iter().enumerate() {
        let shape = states.ty(name).expect("a state").shape;
        states.write(name, values(shape.dims(), seed + number as u64).view()).expect("its shape");
    }
}

fn session(graph: &Graph, states: &mut States, threads: usize) -> Session {
    let state_layouts = states.names().filter_map(|name| Some((name.to_owned(), states.layout(name)?))).collect();
    let options = CompileOptions { state_layouts, ..CompileOptions::default() };
    let program = Program::compile(graph, &options).expect("a program");
    Session::new(Arc::new(program), states, Arc::new(Pool::new(threads))).expect("a session")
}

/// The bits of the program's output.
fn run(session: &mut Session, states: &mut States) -> Vec<u32> {
    session.write_input_f32(0, values(&X, 0).view()).expect("the input");
    session.run(states).expect("a run");
    session.output(0).iter().map(|value| value.to_bits()).collect()
}

/// What a session that has never run before gives.
fn afresh(graph: &Graph, states: &mut States) -> Vec<u32> {
    run(&mut session(graph, states, 1), states)
}

#[test]
fn what_depends_on_states_alone_stands_in_front() {
    let plan = planned(&predict());
    let labels = |calls: &[kiln_jit::plan::Call]| calls.iter().map(|call| call.label.clone()).collect::<Vec<_>>();
    let (front, rest) = (labels(&plan.calls[..plan.prologue]), labels(&plan.calls[plan.prologue..]));
    assert!(front.iter().any(|label| label.starts_with("pack for conv")), "{plan}");
    assert!(front.iter().any(|label| label.contains("sqrt")), "{plan}");
    assert!(!rest.iter().any(|label| label.contains("sqrt")), "{plan}");
    // The images are data: they are laid out and transformed in each run.
    assert_eq!(rest.iter().filter(|label| label.starts_with("pack for conv")).count(), 2, "{plan}");
    let kept = plan.invariant_bytes;
    assert!(kept > 4 * W.iter().product::<usize>() && kept <= plan.arena_bytes, "{kept} bytes in {plan}");
    assert!(plan.to_string().contains(&format!("({kept} bytes of a prologue of {} calls)", plan.prologue)), "{plan}");
    check("a prologue", &predict());
}

/// A step that updates every state has nothing to keep; one that trains the last layer keeps what the first ones need.
#[test]
fn what_a_step_updates_is_not_kept() {
    let everything = planned(&train(&[0, 1, 2, 3]));
    assert_eq!((everything.prologue, everything.invariant_bytes), (0, 0), "{everything}");
    let last = planned(&train(&[3]));
    assert!(last.prologue > 0 && last.calls[..last.prologue].iter().all(|call| !call.label.contains("dot")), "{last}");
    check("a step with a prologue", &train(&[3]));
}

#[test]
fn the_prologue_runs_once_until_a_state_changes() {
    let graph = predict();
    let mut states = States::new();
    let mut session = session(&graph, &mut states, 1);
    set(&mut states, 1);
    let prologue = session.program().plan().prologue;
    let mut took_time = |states: &mut States| {
        let times = session.run_timed(states).expect("a run");
        assert!(times[prologue..].iter().any(|time| !time.is_zero()));
        times[..prologue].iter().any(|time| !time.is_zero())
    };
    assert!(took_time(&mut states));
    assert!(!took_time(&mut states) && !took_time(&mut states));
    set(&mut states, 2);
    assert!(took_time(&mut states));
    let held = states.snapshot();
    assert!(!took_time(&mut states));
    states.restore(&held);
    assert!(took_time(&mut states));
    // A state that the program does not read is none of its business, nor is a write that was refused.
    let name = "of another program";
    let layout = states.layout("scale").expect("a layout");
    states.ensure(&[(name, Type::f32([64]), layout)], Pages::Any).expect("a new state");
    states.write(name, values(&[64], 3).view()).expect("its shape");
    states.write("w", values(&[64], 3).view()).expect_err("another shape");
    assert!(!took_time(&mut states));
}

#[test]
fn each_single_state_counts() {
    let graph = predict();
    let mut states = States::new();
    let mut session = session(&graph, &mut states, 2);
    set(&mut states, 1);
    let mut before = run(&mut session, &mut states);
    for (seed, name) in [(10, "w"), (11, "scale"), (12, "variance"), (13, "l")] {
        let shape = states.ty(name).expect("a state").shape;
        states.write(name, values(shape.dims(), seed).view()).expect("its shape");
        let after = run(&mut session, &mut states);
        assert_ne!(before, after, "{name}");
        assert_eq!(after, afresh(&graph, &mut states), "{name}");
        before = after;
    }
}

#[test]
fn programs_over_the_same_states_see_each_others_updates() {
    let graph = predict();
    let mut states = States::new();
    let mut whole = session(&train(&[0, 1, 2, 3]), &mut states, 2);
    let mut last = session(&train(&[3]), &mut states, 1);
    let mut predictors = [session(&graph, &mut states, 1), session(&graph, &mut states, 2)];
    set(&mut states, 1);
    let mut before = Vec::new();
    for step in 0..6 {
        // Two steps of one program in a row, then two of the other one.
        run(if step % 4 < 2 { &mut whole } else { &mut last }, &mut states);
        let expected = afresh(&graph, &mut states);
        assert_ne!(before, expected, "step {step}");
        for predictor in &mut predictors {
            assert_eq!(run(predictor, &mut states), expected, "step {step}");
            assert_eq!(run(predictor, &mut states), expected, "step {step}, again");
        }
        // The frozen part of a step is kept, too.
        let (held, mut new) = (states.snapshot(), session(&train(&[3]), &mut states, 1));
        let expected = run(&mut new, &mut states);
        states.restore(&held);
        assert_eq!(run(&mut last, &mut states), expected, "step {step}");
        before = afresh(&graph, &mut states);
    }
}

#[test]
fn sessions_and_states_move_between_threads() {
    let graph = predict();
    let mut states = States::new();
    let mut session = session(&graph, &mut states, 2);
    for seed in 0..4 {
        (session, states) = thread::spawn(move || {
            set(&mut states, 10 * seed);
            let found = run(&mut session, &mut states);
            assert_eq!(found, afresh(&predict(), &mut states), "seed {seed}");
            (session, states)
        })
        .join()
        .expect("the thread");
        assert_eq!(run(&mut session, &mut states), afresh(&graph, &mut states), "seed {seed}");
    }
}

/// A store whose memory lies where that of another one lay is another one.
#[test]
fn states_are_not_mistaken_for_others() {
    let graph = predict();
    let mut states = States::new();
    let mut session = session(&graph, &mut states, 1);
    set(&mut states, 1);
    run(&mut session, &mut states);
    drop(states);
    let mut others = States::new();
    let mut of_others = self::session(&graph, &mut others, 1);
    set(&mut others, 2);
    let expected = run(&mut of_others, &mut others);
    session.write_input_f32(0, values(&X, 0).view()).expect("the input");
    match session.run(&mut others) {
        // The allocator gave the same memory again.
        Ok(()) => assert_eq!(session.output(0).iter().map(|value| value.to_bits()).collect::<Vec<_>>(), expected),
        Err(error) => assert!(matches!(error, RunError::Call(_)), "{error}"),
    }
}

/// Programs that compute in one arena by turns give what they give in arenas of their own, whether they keep what lasts in memory
/// of their own or make it anew; without the arena they refuse.
#[test]
fn programs_take_turns_in_one_arena() {
    let graphs = [predict(), train(&[3]), train(&[0, 1, 2, 3]), predict()];
    for keeps in [[false; 4], [true; 4], [true, false, true, false]] {
        let (mut states, mut others) = (States::new(), States::new());
        let mut alone: Vec<Session> = graphs.iter().map(|graph| session(graph, &mut others, 1)).collect();
        let mut sharing: Vec<Session> = Vec::new();
        let mut arena = Arena::new();
        for (graph, keeps) in graphs.iter().zip(keeps) {
            let state_layouts =
                states.names().filter_map(|name| Some((name.to_owned(), states.layout(name)?))).collect();
            let plan = CompileOptions { state_layouts, ..CompileOptions::default() }.plan(graph).expect("a plan");
            let made = Session::of_plan::<Failed>(plan, &mut states, arena, keeps, Arc::new(Pool::new(2)));
            sharing.push(made.expect("a session"));
            arena = sharing.last_mut().expect("the new one").detach();
        }
        set(&mut states, 1);
        set(&mut others, 1);
        for (turn, number) in [0, 0, 3, 0, 1, 1, 0, 2, 3, 3, 1, 0, 2, 1].into_iter().enumerate() {
            assert!(!sharing[number].is_attached());
            let refused = sharing[number].write_input_f32(0, values(&X, 0).view());
            assert!(matches!(refused, Err(RunError::Detached { .. })), "{refused:?}");
            assert!(matches!(sharing[number].run(&mut states), Err(RunError::Detached { .. })));
            sharing[number].attach(arena).expect("an arena");
            for _ in 0..2 {
                let expected = run(&mut alone[number], &mut others);
                assert_eq!(run(&mut sharing[number], &mut states), expected, "turn {turn} of {keeps:?}");
            }
            arena = sharing[number].detach();
        }
        let largest = sharing.iter().map(|session| session.program().plan().arena_bytes).max().expect("programs");
        assert!(arena.bytes() <= largest, "{arena:?} for {largest} bytes");
    }
}

#[derive(Debug)]
#[allow(dead_code)]
enum Failed {
    Compile(CompileError),
    Run(RunError),
}

impl From<CompileError> for Failed {
    fn from(error: CompileError) -> Failed {
        Failed::Compile(error)
    }
}

impl From<RunError> for Failed {
    fn from(error: RunError) -> Failed {
        Failed::Run(error)
    }
}
