//! `kiln export` and `kiln compile`: an ONNX file with other weights, and as a program without a compiler, from C.

#[path = "common/command.rs"]
mod command;
#[path = "../../tests/common/folder.rs"]
mod folder;
#[path = "../../build/tests/linked/runner.rs"]
#[allow(dead_code)]
mod runner;

use command::{check, refused, run};
use folder::Folder;
use kiln::onnx::{OnnxModel, OnnxPredictor};
use kiln::prelude::*;
use ndarray::Array4;
use runner::C;

model! {
    struct Reader {
        conv: Conv2d(1, 4, 3, padding = 1),
        bn: BatchNorm2d(4),
        fc: Linear(64, 3),
    }

    fn forward(x: [N, 1, 8, 8]) -> [N, 3] {
        fc(max_pool2d(bn(conv(x)).relu(), 2).flatten(1, -1))
    }
}

fn images() -> Array4<f32> {
    Array4::from_shape_fn((2, 1, 8, 8), |(n, _, i, j)| ((n * 5 + i * 3 + j * 7) as f32 * 0.37).sin())
}

fn predicted(folder: &Folder, file: &str) -> Vec<f32> {
    let model = OnnxModel::load(folder.path(file)).unwrap();
    let predictor = OnnxPredictor::new(model).batch(2).threads(1).build().unwrap();
    let x = images();
    let outputs = predictor.given("x", &x).unwrap().run().unwrap();
    outputs.numbers("prediction").unwrap().iter().copied().collect()
}

#[test]
fn a_network_goes_out_with_other_weights() {
    let folder = Folder::new("export");
    Reader::init(1).export_onnx(folder.path("net.onnx")).unwrap();
    let later = Reader::init(2);
    later.export_onnx(folder.path("expected.onnx")).unwrap();
    later.save(folder.path("later.safetensors")).unwrap();
    // Two of each layer, and the statistics of `bn`.
    let tensors = 8;
    let text = format!("out.onnx: ONNX, {tensors} tensors of later.safetensors\n");
    check(&folder, "export net.onnx later.safetensors out.onnx", &text);
    assert_eq!(predicted(&folder, "out.onnx"), predicted(&folder, "expected.onnx"));
    assert_ne!(predicted(&folder, "out.onnx"), predicted(&folder, "net.onnx"));
    // Half as many bits in the file of weights; parameters of the network beside its file.
    check(&folder, "convert later.safetensors half.safetensors --to f16", "half.safetensors: safetensors, 9 tensors\n");
    kiln::onnx::OnnxExport::new(&Reader::init(1)).external_data(true).save(folder.path("beside.onnx")).unwrap();
    let text = format!("halves.onnx: ONNX, {tensors} tensors of half.safetensors\n");
    check(&folder, "export beside.onnx half.safetensors halves.onnx", &text);
    let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-2);
    assert!(close(&predicted(&folder, "halves.onnx"), &predicted(&folder, "expected.onnx")));
    // A part of them.
    check(&folder, "convert later.safetensors fc.safetensors fc", "fc.safetensors: safetensors, 2 tensors\n");
    let (_, error, status) = run(&folder, "export net.onnx fc.safetensors part.onnx");
    let expected = "kiln: fc.safetensors has no ";
    assert!(status == 2 && error.starts_with(expected) && error.contains("--partial keeps the numbers"), "{error}");
    let text = format!("part.onnx: ONNX, 2 tensors of fc.safetensors, {} tensors as before\n", tensors - 2);
    check(&folder, "export --partial net.onnx fc.safetensors part.onnx", &text);

    refused(
        &folder,
        "export net.onnx fc.safetensors part.onnx",
        "part.onnx is there already: give another name, or --force to replace it",
    );
    refused(&folder, "export nett.onnx fc.safetensors x.onnx", "there is no file nett.onnx; did you mean net.onnx?");
    refused(
        &folder,
        "export later.safetensors net.onnx x.safetensors",
        "later.safetensors: the network and the new file are ONNX files, whose names end in .onnx: kiln export NET.onnx \
         later.safetensors x.onnx",
    );
}

model! {
    struct Recurrent {
        lstm: LSTM(5, 6, num_layers = 2, bidirectional = true, batch_first = true),
        gru: GRU(12, 4, bias = false, batch_first = true),
        rnn: RNN(4, 3, batch_first = true),
    }

    fn forward(x: [N, T, 5]) -> [N, T, 3] {
        let (y, _) = lstm(x);
        let (y, _) = gru(y);
        let (y, _) = rnn(y);
        y
    }
}

/// ONNX has the gates in another order, and both directions in one tensor.
#[test]
fn recurrent_layers_go_out_with_other_weights() {
    let folder = Folder::new("export-recurrent");
    Recurrent::init(1).export_onnx(folder.path("net.onnx")).unwrap();
    let later = Recurrent::init(2);
    later.export_onnx(folder.path("expected.onnx")).unwrap();
    later.save(folder.path("later.safetensors")).unwrap();
    // Two layers of two directions with four tensors, one of two, one of four.
    check(&folder, "export net.onnx later.safetensors out.onnx", "out.onnx: ONNX, 22 tensors of later.safetensors\n");
    let bytes = |file: &str| std::fs::read(folder.path(file)).unwrap();
    assert!(bytes("out.onnx") == bytes("expected.onnx"), "the same file");
    assert!(bytes("net.onnx") != bytes("expected.onnx"));
    kiln::onnx::OnnxExport::new(&Recurrent::init(1)).external_data(true).save(folder.path("beside.onnx")).unwrap();
    check(
        &folder,
        "export beside.onnx later.safetensors again.onnx",
        "again.onnx: ONNX, 22 tensors of later.safetensors\n",
    );
    assert!(bytes("again.onnx") == bytes("expected.onnx"), "the same file");
}

#[test]
fn a_network_becomes_a_program_without_a_compiler() {
    let folder = Folder::new("compile");
    Reader::init(1).export_onnx(folder.path("net-1.onnx")).unwrap();
    let (out, error, status) = run(&folder, "compile net-1.onnx --batch 2 --native --out built");
    assert_eq!((error.as_str(), status), ("", 0), "{out}");
    for (word, file) in [("arena", "net_1.o"), ("weights", "net_1.weights"), ("for", "net_1.h"), ("for", "net_1.rs")] {
        assert!(out.contains(word) && out.contains(file) && folder.path("built").join(file).exists(), "{file}: {out}");
    }
    let (out, ..) = run(&folder, "compile net-1.onnx --batch 2 --native --inside --name other -o built");
    assert!(out.contains("inside") && !folder.path("built/other.weights").exists(), "{out}");
    let header = std::fs::read_to_string(folder.path("built/net_1.h")).unwrap();
    assert!(header.contains("int net_1_run(void *arena, const float x[128], float prediction[6]);"), "{header}");

    let (_, error, _) = run(&folder, "compile net-1.onnx -o built --target pdp11");
    assert!(error.contains("no code can be made for the target `pdp11`"), "{error}");
    let (out, error, status) =
        run(&folder, "compile net-1.onnx --target aarch64-unknown-linux-gnu --name arm -o built --level baseline");
    assert!(status == 0 && out.contains("baseline") && folder.path("built/arm.o").exists(), "{out}{error}");
    refused(&folder, "compile net.onnx -o built", "there is no file net.onnx; did you mean net-1.onnx?");

    let Some(c) = C::host() else { return };
    // The numbers of the predictor on one thread, to the bit.
    let numbers = |numbers: &[f32]| {
        numbers.iter().map(|number| format!("{:#x}u", number.to_bits())).collect::<Vec<_>>().join(", ")
    };
    let images: Vec<f32> = images().iter().copied().collect();
    let expected = predicted(&folder, "net-1.onnx");
    let main = format!(
        "#include \"net_1.h\"\n#include <stdint.h>\n#include <stdio.h>\n#include <string.h>\n\
         static _Alignas(64) unsigned char arena[NET_1_ARENA_BYTES], weights[NET_1_WEIGHTS_BYTES];\n\
         static const uint32_t images[] = {{{}}}, expected[] = {{{}}};\n\
         int main(void) {{\n  FILE *file = fopen(\"net_1.weights\", \"rb\");\n  \
         if (!file || fread(weights, 1, sizeof weights, file) != sizeof weights) return 1;\n  \
         if (net_1_init(arena, weights, sizeof weights)) return 2;\n  float x[128], found[6];\n  \
         memcpy(x, images, sizeof x);\n  if (net_1_run(arena, x, found)) return 3;\n  \
         return memcmp(found, expected, sizeof found) ? 4 : 0;\n}}\n",
        numbers(&images),
        numbers(&expected),
    );
    assert_eq!(c.compile_and_run("net_1", &main, &folder.path("built")), Some(0));
}
