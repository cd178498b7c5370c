//! Attention of 8 heads of 64 features: forward and all gradients of an attention of one sequence, causal or of all places,
//! with dropout or without it, by its length.
//! `cargo bench --bench attention [-- --kinds causal,all,causal-dropout,all-dropout] [--lengths 512,1024,2048,4096]
//! [--threads 1]` prints the shortest of several runs and the memory that the program plans beside its inputs' and
//! results'. With `--print` the compiled graph and its plan are shown instead.

use std::sync::Arc;
use std::time::Instant;

use kiln_graph::functions::scaled_dot_product_attention;
use kiln_graph::passes::optimize;
use kiln_graph::{Builder, Graph, Mode, print};
use kiln_jit::program::{CompileOptions, Program, Session, States};
use kiln_rt::Pool;
use ndarray::{ArrayD, IxDyn};

/// Each length is run at least so often.
const RUNS: usize = 7;

/// What is measured: its name, whether it is causal, how much is dropped.
const KINDS: [(&str, bool, f64); 4] =
    [("causal", true, 0.0), ("causal-dropout", true, 0.1), ("all", false, 0.0), ("all-dropout", false, 0.1)];

/// The gradients of `sum(attention(q, k, v) * upstream)`.
fn graph(length: usize, is_causal: bool, dropout: f64) -> Graph {
    let g = Builder::new("attention");
    g.set_mode(Mode::Train);
    let shape = [1, 8, length, 64];
    let [q, k, v, upstream] = ["q", "k", "v", "upstream"].map(|name| g.input(name, shape));
    let y = scaled_dot_product_attention(q, k, v, None, dropout, is_causal, None, false);
    let loss = (y * upstream).sum([0, 1, 2, 3]);
    g.output("y", y);
    for (name, gradient) in ["dq", "dk", "dv"].into_iter().zip(g.gradients(loss, [q, k, v]).expect("gradients")) {
        g.output(name, gradient);
    }
    optimize(&g.finish().expect("a graph"))
}

fn main() {
    let (mut lengths, mut threads, mut show) = (vec![512, 1024, 2048, 4096], 1, false);
    let mut kinds = KINDS.to_vec();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} takes a value"));
        match argument.as_str() {
            // `cargo bench` passes it to every bench target.
            "--bench" => {}
            "--lengths" => {
                lengths = value().split(',').map(|length| length.parse().expect("numbers with commas")).collect();
            }
            "--kinds" => {
                let names = value();
                let of_name = |name: &str| KINDS.into_iter().find(|kind| kind.0 == name).expect("a kind of attention");
                kinds = names.split(',').map(of_name).collect();
            }
            "--threads" => threads = value().parse().expect("a number of threads"),
            "--print" => show = true,
            other => panic!("unknown option `{other}`"),
        }
    }
    let cases = kinds.iter().flat_map(|&kind| lengths.iter().map(move |&length| (kind, length)));
    for ((kind, is_causal, dropout), length) in cases {
        let graph = graph(length, is_causal, dropout);
        let begun = Instant::now();
        let program = Program::compile(&graph, &CompileOptions::default()).expect("a program");
        let compiled = begun.elapsed();
        if show {
            println!("{}\n{}", print(&graph), program.plan());
            continue;
        }
        let arena = program.plan().arena_bytes;
        let mut states = States::default();
        let mut session =
            Session::new(Arc::new(program), &mut states, Arc::new(Pool::new(threads))).expect("a session");
        for input in 0..4 {
            let number = |i: usize| ((i * 7919 + input * 104_729) % 1000) as f32 * 2e-3 - 1.0;
            let values = (0..8 * length * 64).map(number).collect();
            let values = ArrayD::from_shape_vec(IxDyn(&[1, 8, length, 64]), values).expect("as many");
            session.write_input_f32(input, values.view()).expect("an input");
        }
        let mut best = f64::INFINITY;
        for _ in 0..RUNS {
            let begun = Instant::now();
            session.run(&mut states).expect("a run");
            best = best.min(begun.elapsed().as_secs_f64());
        }
        let (milliseconds, mebibytes) = (best * 1e3, arena as f64 / (1 << 20) as f64);
        let compiled = compiled.as_millis();
        println!("{kind:14} {length:6} places {milliseconds:9.2} ms {mebibytes:8.1} MiB, compiled in {compiled} ms");
    }
}
