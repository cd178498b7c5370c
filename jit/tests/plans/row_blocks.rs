//! What is computed in blocks of rows: the same results, with any number of threads, in memory that grows with the
//! length.

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

/// The gradients of an attention between two products, so that they wait for what follows it.
fn attention([heads, length, features]: [usize; 3], is_causal: bool, dropout: f64) -> Graph {
    let g = Builder::new("attention");
    g.set_mode(Mode::Train);
    let x = g.input("x", [1, heads, length, features]);
    let [w, u] = ["w", "u"].map(|name| g.input(name, [features, features]));
    let y = scaled_dot_product_attention(x.matmul(w), x, x, None, dropout, is_causal, None, false).matmul(u);
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
    for (is_causal, dropout) in [(true, 0.0), (true, 0.25), (false, 0.25)] {
        run::check("attention in blocks", &in_blocks(&attention([2, 36, 4], is_causal, dropout)));
    }
}

#[test]
fn blocks_have_the_same_bits_for_any_number_of_threads() {
    let graph = in_blocks(&attention([3, 64, 8], true, 0.25));
    let input = |number: usize, i: usize| ((i * 31 + number) % 23) as f32 / 9.0 - 1.2;
    let alone = bits(&graph, 1, input);
    for threads in [2, 3] {
        assert_eq!(bits(&graph, threads, input), alone, "{threads} threads");
    }
}

/// The bits of all outputs; `input` gives the elements of each data input by its number.
fn bits(graph: &Graph, threads: usize, input: impl Fn(usize, usize) -> f32) -> Vec<Vec<u32>> {
    let program = Program::compile(graph, &CompileOptions::default()).expect("a program");
    let outputs = program.plan().outputs.len();
    let mut states = States::default();
    let mut session = Session::new(Arc::new(program), &mut states, Arc::new(Pool::new(threads))).expect("a session");
    for (number, of) in graph.inputs.iter().filter(|input| input.role == kiln_graph::Role::Data).enumerate() {
        let shape = graph.shape(of.node);
        let values = (0..shape.elements()).map(|i| input(number, i)).collect();
        let values = ArrayD::from_shape_vec(IxDyn(shape.dims()), values).expect("as many");
        session.write_input_f32(number, values.view()).expect("an input");
    }
    session.run(&mut states).expect("a run");
    (0..outputs).map(|output| session.output(output).iter().map(|x| x.to_bits()).collect()).collect()
}

/// All scores are 0, so that all weights of a row are the same, and each feature of the values is that of one place: what
/// comes out are the weights of some places, dropped or not, as they are. So are the gradients of the values.
#[test]
fn blocks_drop_what_the_whole_drops() {
    const SHAPE: [usize; 3] = [2, 64, 4];
    for is_causal in [false, true] {
        let g = Builder::new("dropped");
        g.set_mode(Mode::Train);
        let [q, k, v, upstream] = ["q", "k", "v", "upstream"].map(|name| g.input(name, SHAPE));
        let y = scaled_dot_product_attention(q, k, v, None, 0.25, is_causal, None, false);
        g.output("y", y);
        let [dv] = g.gradients((y * upstream).sum(..), [v]).expect("gradients");
        g.output("dv", dv);
        let graph = optimize(&g.finish().expect("a graph"));
        let input = |number: usize, i: usize| {
            let (place, feature) = (i / SHAPE[2] % SHAPE[1], i % SHAPE[2]);
            f32::from(u8::from(number > 1 && place == 13 * feature + 5))
        };
        let (blocked, whole) = (bits(&in_blocks(&graph), 2, input), bits(&graph, 2, input));
        assert_eq!(blocked, whole, "is_causal = {is_causal}");
        let dropped = whole[0].iter().filter(|&&bits| bits == 0).count();
        assert!(dropped > whole[0].len() / 8 && dropped < whole[0].len(), "{dropped} of {}", whole[0].len());
    }
}

#[test]
fn memory_grows_with_the_length() {
    // What is not causal is computed in blocks from 1,025 places on.
    let cases: [(bool, f64, &[usize]); 4] = [
        (true, 0.0, &[512, 1024, 2048, 4096]),
        (true, 0.1, &[512, 1024, 2048, 4096]),
        (false, 0.0, &[1024, 2048, 4096]),
        (false, 0.1, &[1024, 2048, 4096]),
    ];
    for (is_causal, dropout, lengths) in cases {
        let bytes = |&length: &usize| {
            let graph = attention([8, length, 64], is_causal, dropout);
            plan(&graph, &Target::with_lanes(8), &HashMap::new()).expect("a plan").arena_bytes
        };
        let bytes: Vec<usize> = lengths.iter().map(bytes).collect();
        let message = format!("is_causal = {is_causal}, dropout = {dropout}: {lengths:?} places, {bytes:?} bytes");
        assert!(bytes.windows(2).all(|pair| pair[1] < 2 * pair[0]), "{message}");
        // The weights of 8 heads alone would be 512 MiB.
        assert!(bytes[bytes.len() - 1] < 192 << 20, "{message}");
    }
}
