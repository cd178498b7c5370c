//! Programs that are linked: from C by gcc, and from Rust without its standard library by rustc, with the bits of the
//! JIT. Where gcc is missing, these tests say so and pass.

#[path = "../../tests/common/folder.rs"]
mod folder;
#[path = "linked/runner.rs"]
mod runner;

use folder::Folder;
use kiln::graph::{Builder, DType};
use kiln::prelude::*;
use kiln_build::{Build, Level, Program, StateValue, Weights, predict, train};
use ndarray::{Array1, Array2, Array4, ArrayD};
use runner::{C, Results, bytes, floats};

/// A convolution, a batch norm, a pooling and two linear layers.
#[derive(Model)]
#[model(input = [1, 8, 8])]
struct Small {
    #[model(padding = 1)]
    conv: Conv2d<1, 5, 3>,
    norm: BatchNorm2d<5>,
    relu: ReLU,
    pool: MaxPool2d<2>,
    flatten: Flatten,
    fc1: Linear<80, 13>,
    tanh: Tanh,
    fc2: Linear<13, 10>,
}

fn pictures(count: usize) -> Array4<f32> {
    Array4::from_shape_fn((count, 1, 8, 8), |(n, _, i, j)| ((n * 5 + i * 3 + j * 7) as f32 * 0.37).sin())
}

/// The levels that this processor runs.
fn levels() -> Vec<Level> {
    let names = [("cranelift", Level::Baseline), ("avx2", Level::Avx2), ("avx512", Level::Avx512)];
    let runs = |name: &str| {
        kiln::jit::target::EmitterKind::ALL.into_iter().any(|kind| kind.to_string() == name && kind.runs_here())
    };
    names.into_iter().filter(|(name, _)| runs(name)).map(|(_, level)| level).collect()
}

/// A program of this machine and its caches.
fn built(name: &str, weights: Weights) -> Program {
    let build = predict(name, &Small::init(3), 2).and_then(|build| build.caches_of_host()).expect("a small model");
    build.weights(weights).build().expect("a program for this machine")
}

/// Runs a program so often on some inputs, which give outputs of so many bytes.
fn run(c: &C, program: &Program, folder: &Folder, given: &[Vec<u8>], outputs: &[usize], times: usize) -> Results {
    let sizes: Vec<usize> = given.iter().map(Vec::len).collect();
    let linked = c.link(program, &folder.0, &sizes, outputs, times);
    linked.run(&folder.0, &program.weights, given).expect("the inputs are right")
}

#[test]
fn a_program_in_c_has_the_bits_of_the_jit() {
    let Some(c) = C::host() else { return };
    let folder = Folder::new("linked");
    let x = pictures(2);
    let predictor = Predictor::new(Small::init(3)).batch(2).threads(1).build().expect("a small model");
    let expected = predictor.predict(&x).expect("pictures");
    for (name, weights) in [("beside", Weights::Beside), ("inside", Weights::Inside)] {
        let program = built(name, weights);
        let found = run(&c, &program, &folder, &[bytes(x.iter().copied())], &[20 * 4], 3);
        let found = floats(&found.outputs[0]);
        assert!(found.iter().zip(expected.iter()).all(|(a, b)| a.to_bits() == b.to_bits()), "{found:?} {expected:?}");
    }
}

#[test]
fn each_level_of_the_processor_computes_the_same_but_for_rounding() {
    let Some(c) = C::host() else { return };
    let folder = Folder::new("levels");
    let x = pictures(2);
    let predictor = Predictor::new(Small::init(3)).batch(2).threads(1).build().expect("a small model");
    let expected = predictor.predict(&x).expect("pictures");
    for level in levels() {
        let name = format!("{level:?}").to_lowercase();
        let build = predict(&name, &Small::init(3), 2).and_then(|build| build.levels(&[level]));
        let program = build.and_then(|build| build.build()).expect("a program for this machine");
        let found = floats(&run(&c, &program, &folder, &[bytes(x.iter().copied())], &[20 * 4], 1).outputs[0]);
        // Sums of at most 80 products, of numbers below 3: 80 rounding errors of 2^-24 each.
        let near = found.iter().zip(expected.iter()).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(near, "{level:?}: {found:?} {expected:?}");
    }
}

/// By products of 16 bits, or by VNNI where the level asks for it: the same numbers, which are whole.
#[test]
fn products_of_bytes_are_exact_at_each_level() {
    let Some(c) = C::host() else { return };
    let folder = Folder::new("bytes");
    // 18 products a sum are no whole quads.
    let x = Array2::from_shape_fn((3, 18), |(i, j)| (i * 97 + j * 31) as f32 % 256.0);
    let w = Array2::from_shape_fn((18, 5), |(i, j)| (i * 53 + j * 19) as f32 % 255.0 - 127.0);
    let graph = {
        let g = Builder::new("bytes");
        let (x, w) = (g.input("x", [3, 18]), g.parameter("w", &Parameter::trained(w.clone().into_dyn())));
        let sums = x.convert(DType::U8).matmul(w.convert(DType::I8));
        g.output("y", sums.convert(DType::F32));
        g.finish().expect("a graph")
    };
    let expected = x.dot(&w);
    for level in levels() {
        let build = Build::of_graph("bytes", graph.clone()).state("w", StateValue::F32(w.clone().into_dyn()));
        let program = build.levels(&[level]).and_then(Build::build).expect("a program for this machine");
        let found = run(&c, &program, &folder, &[bytes(x.iter().copied())], &[15 * 4], 1);
        assert_eq!(floats(&found.outputs[0]), expected.iter().copied().collect::<Vec<f32>>(), "{level:?}");
    }
}

#[test]
fn a_training_step_in_c_is_that_of_the_trainer() {
    let Some(c) = C::host() else { return };
    let folder = Folder::new("training");
    let (x, y) = (pictures(4), Array1::from(vec![3, 1, 4, 1]));
    let optimizer = || Adam::default().lr(0.01);
    let mut trainer =
        Trainer::new(Small::init(3), cross_entropy(), optimizer()).batch(4).threads(1).build().expect("a trainer");
    let mut losses = Vec::new();
    for _ in 0..3 {
        losses.push(trainer.step(&x, &y).expect("a batch"));
    }
    let build =
        train("step", &Small::init(3), &cross_entropy(), &optimizer(), 4, 0).and_then(|build| build.caches_of_host());
    let program = build.and_then(|build| build.build()).expect("a program for this machine");
    let given = [bytes(x.iter().copied()), y.iter().flat_map(|class: &i32| class.to_le_bytes()).collect()];
    let found = run(&c, &program, &folder, &given, &[4], 3);
    assert_eq!(floats(&found.outputs[0])[0].to_bits(), losses[2].to_bits());
    // The states as they are written, in the order of the file.
    let saved = found.saved.expect("a training step has states to save");
    assert_eq!(saved[..24], program.weights[..24]);
    let trained: ArrayD<f32> = trainer.model().fc2.weight.value.to_owned().into_owned();
    let trained = bytes(trained.iter().copied());
    assert!(
        saved.windows(trained.len()).any(|window| window == trained),
        "the trained weights of fc2 are among the states"
    );
    assert!(!program.weights.windows(trained.len()).any(|window| window == trained));
}

/// Its output is no probability.
#[derive(Model)]
#[model(input = [2])]
struct Bare {
    fc: Linear<2, 1>,
}

#[test]
fn a_loss_of_numbers_that_it_does_not_take_changes_nothing() {
    let Some(c) = C::host() else { return };
    let folder = Folder::new("outside");
    let build = train("bare", &Bare::init(1), &bce(), &Sgd::default().lr(0.1), 1, 0);
    let program = build.and_then(|build| build.weights(Weights::Inside).build()).expect("a program for this machine");
    let main = r#"
        #include "bare.h"
        #include <string.h>
        static _Alignas(64) unsigned char arena[BARE_ARENA_BYTES], before[4096], after[4096];
        int main(void) {
            float small[2] = {0, 0}, large[2] = {1000, -1000}, target[1] = {1}, loss;
            float opposite[2] = {-1000, 1000};
            if (bare_init(arena) || bare_save(arena, before)) return 1;
            if (bare_run(arena, large, target, &loss) != BARE_ERROR_OUTSIDE) return 2;
            if (bare_run(arena, opposite, target, &loss) != BARE_ERROR_OUTSIDE) return 3;
            bare_save(arena, after);
            if (memcmp(before, after, sizeof before)) return 4;
            int status = bare_run(arena, small, target, &loss);
            bare_save(arena, after);
            int same = !memcmp(before, after, sizeof before);
            return status == 0 && !same ? 0 : status == BARE_ERROR_OUTSIDE && same ? 0 : 5;
        }
    "#;
    program.write(&folder.0).expect("a folder of our own");
    assert!(program.weights.len() <= 4096);
    assert_eq!(c.compile_and_run(&program.name, main, &folder.0), Some(0));
}

#[test]
fn what_is_wrong_has_an_error() {
    let Some(c) = C::host() else { return };
    let folder = Folder::new("errors");
    let program = built("wrong", Weights::Beside);
    let main = r#"
        #include "wrong.h"
        #include <string.h>
        static _Alignas(64) unsigned char arena[WRONG_ARENA_BYTES + 64], weights[WRONG_WEIGHTS_BYTES];
        int main(void) {
            float x[128] = {0}, prediction[20];
            if (wrong_run(arena, x, prediction) != WRONG_ERROR_NOT_READY) return 1;
            if (wrong_init(arena, weights, sizeof weights) != WRONG_ERROR_WEIGHTS) return 2;
            if (wrong_init(arena + 4, weights, sizeof weights) != WRONG_ERROR_ALIGNMENT) return 3;
            if (wrong_init(arena, weights, sizeof weights - 1) != WRONG_ERROR_WEIGHTS) return 4;
            return 0;
        }
    "#;
    program.write(&folder.0).expect("a folder of our own");
    let status = c.compile_and_run(&program.name, main, &folder.0);
    assert_eq!(status, Some(0));
}

#[test]
fn an_index_that_points_at_nothing_is_an_error() {
    use kiln::program::{Builder, Type};
    let Some(c) = C::host() else { return };
    let folder = Folder::new("indices");
    let g = Builder::new("table");
    let words = g.input_of("words", Type::i32([3]));
    let table = g.state("table", Type::f32([5, 4]));
    g.output("rows", table.take_rows(words));
    let build = kiln_build::Build::of_graph("table", g.finish().expect("a graph"));
    let table = Array2::from_shape_fn((5, 4), |(i, j)| (10 * i + j) as f32).into_dyn();
    let program = build.state("table", kiln_build::StateValue::F32(table)).build().expect("a program");
    assert!(program.header.contains("each from 0 to 4"), "{}", program.header);
    let main = r#"
        #include "table.h"
        #include <stdio.h>
        static _Alignas(64) unsigned char arena[TABLE_ARENA_BYTES], weights[TABLE_WEIGHTS_BYTES];
        int main(void) {
            FILE *file = fopen("table.weights", "rb");
            if (!file || fread(weights, 1, sizeof weights, file) != sizeof weights) return 1;
            if (table_init(arena, weights, sizeof weights)) return 2;
            int32_t right[3] = {4, 0, 2}, above[3] = {4, 5, 2}, below[3] = {4, 0, -1};
            float rows[12] = {0};
            if (table_run(arena, above, rows) != TABLE_ERROR_INDEX) return 3;
            if (table_run(arena, below, rows) != TABLE_ERROR_INDEX) return 4;
            if (rows[0] != 0 || table_run(arena, right, rows)) return 5;
            if (rows[0] != 40 || rows[3] != 43 || rows[4] != 0 || rows[11] != 23) return 6;
            return 0;
        }
    "#;
    program.write(&folder.0).expect("a folder of our own");
    assert_eq!(c.compile_and_run(&program.name, main, &folder.0), Some(0));
}

#[test]
fn rust_without_its_library_links_it_with_a_static_arena() {
    if C::host().is_none() {
        return;
    }
    let folder = Folder::new("no_std");
    let program = built("tiny_net", Weights::Beside);
    program.write(&folder.0).expect("a folder of our own");
    let predictor = Predictor::new(Small::init(3)).batch(2).threads(1).build().expect("a small model");
    let expected = predictor.predict(&pictures(2)).expect("pictures");
    let bits = |values: &mut dyn Iterator<Item = f32>| values.flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
    std::fs::write(folder.0.join("x"), bits(&mut pictures(2).iter().copied())).expect("a folder of our own");
    std::fs::write(folder.0.join("expected"), bits(&mut expected.iter().copied())).expect("a folder of our own");
    let main = include_str!("linked/bare.rs");
    assert_eq!(runner::rustc("tiny_net", main, &folder.0), Some(0));
}
