//! What is computed in blocks of rows: the same results, with any number of threads, in memory that grows with the length.

use std::collections::HashMap;
use std::sync::Arc;

use kiln_graph::functions::scaled_dot_product_attention;
use kiln_graph::passes::{RowBlocks, optimize, row_blocks};
use kiln_graph::{Builder, Graph, Mode};
use kiln_jit::plan::plan;
use kiln_jit::{CompileOptions, Program, Session, States, Target};
use kiln_rt::Pool;
use ndarray::{ArrayD, IxDyn};

use crate::run;

/// The gradients of a causal attention between two products, so that they wait for what follows it.
fn attention(heads: usize, length: usize, features: usize, dropout: f64) -> Graph {
    let g = Builder::new("attention");
    g.set_mode(Mode::Train);
    let x = g.input("x", [1, heads, length, features]);
    let [w, u] = ["w", "u"].map(|name| g.input(name, [features, features]));
    let y = scaled_dot_product_attention(x.matmul(w), x, x, None, dropout, true, None).matmul(u);
    let loss = (y * y).mean(..);
    g.output("loss", loss);
    for (name, gradient) in ["dx", "dw", "du"].into_iter().zip(g.gradients(loss, [x, w, u]).expect("gradients")) {
        g.output(name, gradient);
    }
    optimize(&g.finish().expect("a graph"))
}

/// As if caches were tiny.
fn in_blocks(graph: &Graph) -> Graph {
    let blocked = row_blocks(graph, RowBlocks { large: 0, cut: 0, block: 1, rows: 8, segments: 2 });
    assert!(!blocked.bodies.is_empty(), "{}", kiln_graph::print(&blocked));
    optimize(&blocked)
}

#[test]
fn blocks_agree_with_the_interpreter() {
    for dropout in [0.0, 0.25] {
        run::check("attention in blocks", &in_blocks(&attention(2, 36, 4, dropout)));
    }
}

#[test]
fn blocks_have_the_same_bits_for_any_number_of_threads() {
    let graph = in_blocks(&attention(3, 64, 8, 0.25));
    let bits = |threads: usize| -> Vec<Vec<u32>> {
        let program = Program::compile(&graph, &CompileOptions::default()).expect("a program");
        let outputs = program.plan().outputs.len();
        let mut states = States::default();
        let mut session =
            Session::new(Arc::new(program), &mut states, Arc::new(Pool::new(threads))).expect("a session");
        for (number, input) in graph.inputs.iter().filter(|input| input.role == kiln_graph::Role::Data).enumerate() {
            let shape = graph.shape(input.node);
            let values = (0..shape.elements()).map(|i| ((i * 31 + number) % 23) as f32 / 9.0 - 1.2).collect();
            let values = ArrayD::from_shape_vec(IxDyn(shape.dims()), values).expect("as many");
            session.write_input_f32(number, values.view()).expect("an input");
        }
        session.run(&mut states).expect("a run");
        (0..outputs).map(|output| session.output(output).iter().map(|x| x.to_bits()).collect()).collect()
    };
    let alone = bits(1);
    for threads in [2, 3] {
        assert_eq!(bits(threads), alone, "{threads} threads");
    }
}

#[test]
fn memory_grows_with_the_length() {
    let bytes = |length: usize| {
        let plan = plan(&attention(8, length, 64, 0.0), &Target::with_lanes(8), &HashMap::new());
        plan.expect("a plan").arena_bytes
    };
    let [short, middle, long] = [512, 1024, 2048].map(bytes);
    let message = format!("{short}, {middle}, {long} bytes");
    assert!(long < 2 * middle && middle < 2 * short, "{message}");
    // The weights of 8 heads alone would be 128 MiB.
    assert!(long < 96 << 20, "{message}");
}
