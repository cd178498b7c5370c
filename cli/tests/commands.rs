//! The command `kiln` as a user runs it: what it prints, what it gives back, what it writes; row by row.

#[path = "common/command.rs"]
mod command;
#[path = "../../tests/common/folder.rs"]
mod folder;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path as FilePath, PathBuf};
use std::process::Stdio;

use kiln::checkpoints::{Checkpoints, Run};
use kiln::data::{NpzWriter, write_npy};
use kiln::prelude::*;
use kiln::weights::{Element, Format, WeightsFile};
use ndarray::{Array1, Array2, array};

use command::{check, kiln, refused, run};
use folder::Folder;

fn of_pytorch(name: &str) -> PathBuf {
    FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../tests/checkpoint/files").join(name)
}

model! {
    struct Net { layers: [Linear(2, 2); 3], head: Linear(2, 1, bias = false) }

    fn forward(x: [N, 2]) -> [N, 1] {
        for l in layers.iter() {
            x = l(x);
        }
        head(x)
    }
}

/// A folder with files of weights whose numbers are known.
fn files(name: &str) -> Folder {
    let folder = Folder::new(name);
    let numbers = Array2::from_shape_fn((4, 5), |(i, j)| (i * 5 + j) as f32 - 4.0);
    let odd = array![f32::NAN, f32::INFINITY, 0.0, -0.0, 1.0];
    let writer = NpzWriter::new().array("fc.weight", &numbers).array("fc.bias", &odd).array("count", &array![7_i64]);
    writer.write(folder.path("a.npz")).unwrap();
    let mut other = numbers.clone();
    other[[2, 3]] += 0.5;
    let writer = NpzWriter::new().array("fc.weight", &other).array("fc.bias", &odd).array("count", &array![[7_i64]]);
    writer.array("more", &array![true]).write(folder.path("b.npz")).unwrap();
    write_npy(folder.path("one.npy"), &array![1.5_f64, 2.5]).unwrap();
    folder
}

#[test]
fn files_are_inspected() {
    let folder = files("inspect");
    check(
        &folder,
        "inspect a.npz",
        "a.npz: .npz, 3 tensors, 26 parameters, 108 bytes\n\
         count      I64 [1]  1 number\n  7.000\n\
         fc.bias    F32 [5]  5 numbers\n           \
         0 █                      ▄ 1.000       mean 0.3333  std 0.5774\n             \
         1 NaN  1 infinite  2 zeros\n\
         fc.weight  F32 [4, 5]  20 numbers\n      \
         -4.000 ████ ████ ████ ████ ████ 15.00       mean 5.500  std 5.916\n             1 zero\n",
    );
    check(
        &folder,
        "inspect --list --sort size a.npz",
        "a.npz: .npz, 3 tensors, 26 parameters, 108 bytes\n\
         fc.weight  F32 [4, 5]  20 numbers\n\
         fc.bias    F32 [5]  5 numbers\n\
         count      I64 [1]  1 number\n",
    );
    check(
        &folder,
        "inspect -l a.npz *.bias count",
        "a.npz: .npz, 2 of 3 tensors, 6 parameters, 28 bytes\n\
         count     I64 [1]  1 number\nfc.bias   F32 [5]  5 numbers\n",
    );
    check(
        &folder,
        "inspect --json one.npy",
        "{\"bytes\":16,\"checksums\":false,\"count\":2,\"file\":\"one.npy\",\"format\":\".npy\",\"notes\":{},\"run\":null,\
         \"tensors\":[{\"count\":2,\"name\":\"one\",\"shape\":[2],\"statistics\":{\"histogram\":{\"counts\":[1,0,0,0,0,0,0,0,0,\
         0,0,0,0,0,0,0,0,0,0,1],\"from\":1.5,\"to\":2.5},\"infinite\":0,\"max\":2.5,\"mean\":2.0,\"min\":1.5,\"nan\":0,\
         \"std\":0.7071067811865476,\"zeros\":0},\"type\":\"F64\"}]}\n",
    );
    // One tensor alone has its histogram; bars fill the width.
    let (out, ..) = run(&folder, "inspect a.npz fc.weight");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 3 + 21, "{out}");
    assert_eq!(lines[2], "  min -4.000  max 15.00  mean 5.500  std 5.916  1 zero");
    assert_eq!(lines[3], format!("      -4.000 {} 1", "█".repeat(65)));
    // In a narrow terminal everything is narrower; what PyTorch has written is read; nothing is coloured.
    for name in ["checkpoint.pt", "legacy.pt", "types.pt", "compressed.npz"] {
        for columns in ["40", "80", "200"] {
            let file = of_pytorch(name);
            let output = kiln(&folder, "inspect").arg(&file).env("COLUMNS", columns).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success() && !text.contains('\x1b'), "{text}");
            let widest = text.lines().skip(1).map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= columns.parse::<usize>().unwrap().max(66), "{widest} of {columns}\n{text}");
        }
    }
}

/// Adam's state, notes and sums of check; a run is the folder of its checkpoints.
#[test]
fn checkpoints_and_runs_are_inspected() {
    let folder = Folder::new("runs");
    let mut trainer = Trainer::new(Net::init(1), mse(), Adam::default()).batch(2).build().unwrap();
    let mut run_of = Run::default();
    let mut checkpoints = Checkpoints::new(folder.path("run"));
    for _ in 0..2 {
        let loss = trainer.step(&Array2::<f32>::ones((2, 2)), &Array2::<f32>::zeros((2, 1))).unwrap();
        run_of.end_batch();
        run_of.history.push("step.loss", run_of.step, loss.into());
        checkpoints.save(&trainer, &run_of).unwrap();
    }
    for path in ["run", "run/step-000000002.safetensors"] {
        let (out, error, status) = run(&folder, &format!("inspect -l {path} head"));
        assert_eq!((error.as_str(), status), ("", 0));
        let mut lines = out.lines();
        let first = "run/step-000000002.safetensors: safetensors, ";
        assert!(lines.next().unwrap().starts_with(first), "{out}");
        assert_eq!(lines.next(), Some("  format: pt"));
        assert_eq!(lines.next(), Some("  checkpoint of a training: epoch 0, batch 2, step 2, with checksums"));
        assert!(lines.next().unwrap().starts_with("  step.loss 0."), "{out}");
        assert!(lines.next().unwrap().starts_with("head.weight"), "{out}");
    }
    let (out, ..) = run(&folder, "inspect --json run head.weight");
    assert!(out.contains("\"run\":{\"batch\":2,\"epoch\":0,\"figures\":{\"step.loss\":0."), "{out}");
    // A checkpoint's weights alone are no checkpoint any more, and anything reads them.
    check(
        &folder,
        "convert run net.safetensors head.weight layers.0.weight layers.0.bias --rename layers.0=first",
        "net.safetensors: safetensors, 3 tensors\n",
    );
    let (out, ..) = run(&folder, "inspect -l net.safetensors");
    assert_eq!(
        out,
        "net.safetensors: safetensors, 3 tensors, 8 parameters, 32 bytes\n  format: pt\n\
         first.bias    F32 [2]  2 numbers\nfirst.weight  F32 [2, 2]  4 numbers\nhead.weight   F32 [1, 2]  2 numbers\n"
    );
    // What it has measured becomes a page, in its folder or elsewhere.
    let page = |path: &str| fs::read_to_string(folder.path(path)).unwrap();
    check(&folder, "report run", &format!("{}\n", FilePath::new("run").join("report.html").display()));
    assert!(page("run/report.html").contains("<h1>run</h1>") && page("run/report.html").contains("loss"));
    check(&folder, "report run", &format!("{}\n", FilePath::new("run").join("report.html").display()));
    check(&folder, "report run/step-000000001.safetensors -o new/page.html --title Lines", "new/page.html\n");
    assert!(page("new/page.html").contains("<h1>Lines</h1>"));
    let told = "new/page.html is there already: give another name, or --force to replace it";
    refused(&folder, "report run -o new/page.html", told);
    check(&folder, "report run -o new/page.html --force", "new/page.html\n");
    refused(&folder, "report rum", "there is no run rum; did you mean run?");
    let (_, error, status) = run(&folder, "report new");
    assert!(error.starts_with("kiln: new holds no run: expected a log ") && status == 2, "{error}");
    // Damage is told where it is.
    let path = folder.path("run/step-000000002.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let (_, error, status) = run(&folder, "inspect run");
    assert!(error.contains("is damaged: the checksum of ") && status == 2, "{error}");
}

#[test]
fn files_are_compared() {
    let folder = files("diff");
    check(&folder, "diff a.npz a.npz", "3 tensors the same\n");
    let differ = |arguments: &str, expected: &str| {
        let (out, error, status) = run(&folder, arguments);
        assert_eq!((out.as_str(), error.as_str(), status), (expected, "", 1), "kiln {arguments}\n{out}");
    };
    differ(
        "diff a.npz b.npz",
        "count: I64 [1] in A, I64 [1, 1] in B\n\
         fc.weight: 1 of 20 numbers differ, at most by 0.5000 (relative 0.05263) at [2, 3]; 95.0 % have equal bits\n\
         more: only in B, BOOL [1]\n\
         1 tensor the same, 1 differ, 1 of another shape, 1 only in B\n",
    );
    differ("diff b.npz a.npz more", "more: only in A, BOOL [1]\n0 tensors the same, 1 only in A\n");
    check(&folder, "diff --tolerance 0.5 a.npz b.npz fc", "2 tensors the same\n");
    differ(
        "diff --tolerance 0.49 --json a.npz b.npz fc",
        "{\"a\":\"a.npz\",\"b\":\"b.npz\",\"differences\":[{\"a\":null,\"b\":null,\"count\":20,\"different\":1,\"equal\":19,\
         \"kind\":\"values\",\"max_absolute\":0.5,\"max_relative\":0.05263157894736842,\"name\":\"fc.weight\",\
         \"not_finite\":0}],\"equal_tensors\":1,\"same\":false}\n",
    );
    check(&folder, "convert a.npz half.safetensors --to bf16 fc", "half.safetensors: safetensors, 2 tensors\n");
    differ(
        "diff a.npz half.safetensors fc",
        "fc.bias: F32 [5] in A, BF16 [5] in B; 0 of 5 numbers differ; 100.0 % have equal bits\n\
         fc.weight: F32 [4, 5] in A, BF16 [4, 5] in B; 0 of 20 numbers differ; 100.0 % have equal bits\n\
         0 tensors the same, 2 differ\n",
    );
    // -0 is not 0 by its bits, and NaN is NaN.
    let zero =
        |path: &str, number: f32| write_npy(folder.path(path), &array![number, f32::NAN, f32::INFINITY]).unwrap();
    zero("zero/one.npy".split('/').next_back().unwrap(), 0.0);
    fs::create_dir(folder.path("minus")).unwrap();
    zero("minus/one.npy", -0.0);
    differ("diff one.npy minus", "one: 1 of 3 numbers differ; 66.7 % have equal bits\n0 tensors the same, 1 differ\n");
    check(&folder, "diff one.npy minus/one.npy -t 0", "1 tensor the same\n");
}

#[test]
fn files_are_converted() {
    let folder = files("convert");
    for (format, name) in [(Format::Safetensors, "c.safetensors"), (Format::Npz, "c.npz")] {
        check(&folder, &format!("convert a.npz {name}"), &format!("{name}: {format}, 3 tensors\n"));
        check(&folder, &format!("diff a.npz {name}"), "3 tensors the same\n");
        assert_eq!(WeightsFile::open(folder.path(name)).unwrap().format(), format);
    }
    check(&folder, "convert a.npz count.npy count", "count.npy: .npy, 1 tensor\n");
    check(&folder, "diff a.npz count.npy count", "1 tensor the same\n");
    let path = of_pytorch("checkpoint.pt");
    let model =
        format!("convert {} model.safetensors model --strip model. --rename a=alpha --rename b=beta.b", path.display());
    check(&folder, &model, "model.safetensors: safetensors, 6 tensors\n");
    let names: Vec<String> =
        WeightsFile::open(folder.path("model.safetensors")).unwrap().names().map(str::to_owned).collect();
    assert_eq!(names, ["alpha", "beta.b", "c", "d", "e", "f"]);

    // What is there stays, unless it is meant.
    refused(&folder, "convert b.npz c.npz", "c.npz is there already: give another name, or --force to replace it");
    check(&folder, "convert --force b.npz c.npz", "c.npz: .npz, 4 tensors\n");
    check(&folder, "convert --force c.npz c.npz --to f64", "c.npz: .npz, 4 tensors\n");
    assert_eq!(WeightsFile::open(folder.path("c.npz")).unwrap().element("fc.weight"), Some(Element::F64));
    assert_eq!(WeightsFile::open(folder.path("c.npz")).unwrap().element("count"), Some(Element::I64));

    // Numbers beyond a type are told.
    write_npy(folder.path("large.npy"), &Array1::from(vec![1e9_f32, f32::INFINITY, 1.0])).unwrap();
    let (out, error, status) = run(&folder, "convert large.npy large.safetensors --to f16");
    let told = "kiln: 1 number of large are too large for F16 and became infinite\n";
    assert_eq!((out.as_str(), error.as_str(), status), ("large.safetensors: safetensors, 1 tensor\n", told, 0));

    let left = folder.files();
    refused(&folder, "convert half.npz x.npz", "there is no file half.npz");
    refused(
        &folder,
        "convert a.npz x.pt",
        "x.pt: files of PyTorch's are read and not written; .safetensors is what PyTorch \
         reads, too, by `safetensors.torch.load_file`",
    );
    refused(&folder, "convert a.npz x.onnx", "x.onnx: a name ends in .safetensors, .npz or .npy");
    refused(
        &folder,
        "convert a.npz x.npy",
        "x.npy is no .npy file: it holds one tensor, not 3: choose one, or take .npz",
    );
    refused(
        &folder,
        "convert a.npz x.npz --rename fc.wieght=w",
        "no tensor to rename is called fc.wieght: did you mean fc.weight?",
    );
    refused(
        &folder,
        "convert a.npz x.npz --rename fc.weight=fc.bias",
        "fc.bias and fc.weight would both be called fc.bias",
    );
    refused(
        &folder,
        "convert a.npz x.npz --strip model.",
        "no tensor's name begins with model.: there are count, fc.bias, fc.weight",
    );
    refused(&folder, "convert a.npz missing/x.npz", "cannot write missing/x.npz: there is no folder missing");
    check(&folder, "convert a.npz half.safetensors --to bf16 fc", "half.safetensors: safetensors, 2 tensors\n");
    let has_not = "x.npz is no .npz file: fc.bias has elements of type BF16, which it has not; `--to f32` makes numbers of \
                   bf16 such as NumPy has";
    refused(&folder, "convert half.safetensors x.npz", has_not);
    assert_eq!(
        folder.files(),
        [&left[..], &["half.safetensors".to_owned()]]
            .concat()
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    );
}

#[test]
fn mistakes_come_with_a_hint() {
    let folder = files("mistakes");
    refused(&folder, "inspect a.npy", "there is no file a.npy; did you mean a.npz?");
    refused(&folder, "inspect nothing.like.it", "there is no file nothing.like.it");
    refused(&folder, "inspect a.npz fc.wieght", "no tensor is called fc.wieght: did you mean fc.weight?");
    refused(&folder, "inspect a.npz f", "no tensor is called f: did you mean fc?");
    refused(
        &folder,
        "inspect a.npz something",
        "no tensor is called something: there are count, fc.bias, fc.weight and others",
    );
    refused(
        &folder,
        "inspect .",
        &format!(
            "the folder . has no checkpoints and 3 files of weights in it: name one, such as .{}a.npz",
            std::path::MAIN_SEPARATOR
        ),
    );
    fs::create_dir(folder.path("empty")).unwrap();
    refused(&folder, "inspect empty", "the folder empty has no checkpoints and no file of weights in it");
    let kinds: [(&[u8], &str); 5] = [
        (b"GGUF\x03\0\0\0 and so on", "a GGUF file of llama.cpp: convert it to safetensors with its own tools"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG picture"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\x03and so on", "a gzipped file: unpack it first"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "a note of Git LFS in place of the file: fetch it with `git lfs pull`",
        ),
        (b"loss, accuracy\n0.5, 0.7\n", "a text"),
    ];
    for (bytes, kind) in kinds {
        folder.file("other", bytes);
        let expected = format!("other is no safetensors file: it does not begin with a header; it seems to be {kind}");
        refused(&folder, "inspect other", &expected);
    }
    folder.file("log.jsonl", b"{\"step\":1}\n{\"step\":2}\n");
    refused(
        &folder,
        "inspect log.jsonl",
        "log.jsonl is no index of weights file: trailing characters at line 2 column 1; it seems to be a log of a training: \
         `kiln report` shows it",
    );
    // What is no command or option is told by the parser of arguments, with what is near.
    for (arguments, expected) in [
        ("inspct a.npz", "inspect"),
        ("inspect --jsno a.npz", "--json"),
        ("inspect", "FILE"),
        ("inspect --sort x a.npz", "expected `name` or `size`"),
        ("diff --tolerance=-1 a.npz b.npz", "expected a number from 0 on"),
        ("convert a.npz x.npz --to f8", "expected f16, bf16, f32 or f64"),
        ("convert a.npz x.npz --rename fc", "expected OLD=NEW"),
        ("completions tcsh", "expected bash, zsh or fish"),
    ] {
        let (out, error, status) = run(&folder, arguments);
        assert_eq!((out.as_str(), status), ("", 2), "kiln {arguments}\n{error}");
        assert!(error.contains(expected), "kiln {arguments}\n{error}");
    }
}

#[test]
fn each_option_is_explained_and_completed() {
    let folder = Folder::new("help");
    let (help, ..) = run(&folder, "--help");
    for command in ["inspect", "diff", "convert", "report", "run", "bench", "completions"] {
        assert!(help.contains(command), "{help}");
        let (of_command, error, status) = run(&folder, &format!("{command} --help"));
        assert_eq!((error.as_str(), status), ("", 0));
        assert!(of_command.lines().all(|line| line.chars().count() <= 80), "{of_command}");
        for shell in ["bash", "zsh", "fish"] {
            let (script, ..) = run(&folder, &format!("completions {shell}"));
            assert!(script.contains(command), "{command} in {shell}");
            let options = of_command.split_whitespace().filter(|word| word.starts_with("--"));
            for option in options.map(|option| option.trim_matches(|c: char| !c.is_alphanumeric() && c != '-')) {
                let option = option.split('=').next().unwrap().trim_start_matches('-');
                assert!(script.contains(option), "--{option} of {command} in {shell}");
            }
        }
    }
    let (version, ..) = run(&folder, "--version");
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
}

model! {
    struct Scorer { layers: [Linear(2, 2); 2], head: Linear(2, 1, bias = false) }

    fn forward(x: [N, T, 2], places: [N, T; i32]) -> ([N, T, 1], [N, T; i32]) {
        let h = x;
        for l in layers.iter() {
            h = l(h).relu();
        }
        let scores = head(h);
        let next = places + 1;
        (scores, next)
    }
}

#[test]
fn onnx_files_are_inspected_run_and_timed() {
    let folder = Folder::new("onnx");
    let mut net = Scorer::init(1);
    net.each_parameter_mut(&mut |_, parameter| {
        let shape = parameter.shape();
        parameter.set(&ndarray::ArrayD::from_elem(shape.dims(), 0.5)).unwrap();
    });
    net.export_onnx(folder.path("net.onnx")).unwrap();
    let (out, error, status) = run(&folder, "inspect --list net.onnx *.weight");
    assert_eq!((error.as_str(), status), ("", 0));
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "net.onnx: ONNX, 3 of 6 tensors, 10 parameters, 40 bytes\n  opset 21, written by kiln {version}\n  \
         takes x f32[N, T, 2]\n  takes places i32[N, T]\n  gives scores f32[N, T, 1]\n  gives next i32[N, T]\n  \
         11 operators: 3 Add 3 MatMul 3 Transpose 2 Relu\n\
         head.weight      F32 [1, 2]  2 numbers\n\
         layers.0.weight  F32 [2, 2]  4 numbers\n\
         layers.1.weight  F32 [2, 2]  4 numbers\n"
    );
    assert_eq!(out, expected, "{out}");
    let (out, ..) = run(&folder, "inspect --list --json net.onnx");
    let network = "\"network\":{\"inputs\":[{\"name\":\"x\",\"shape\":[\"N\",\"T\",\"2\"],\"type\":\"f32\"}";
    assert!(out.contains(network) && out.contains("\"operators\":{\"Add\":3"), "{out}");

    // Each layer makes 0.5 (1 + 1) + 0.5 of ones, then 0.5 (1.5 + 1.5) + 0.5; the head 0.5 (2 + 2).
    write_npy(folder.path("x.npy"), &ndarray::Array3::<f32>::ones((1, 3, 2))).unwrap();
    write_npy(folder.path("p.npy"), &array![[4_i64, 5, 6]]).unwrap();
    check(
        &folder,
        "run net.onnx --input x=x.npy -i places=p.npy --out scores=y.npy --threads 1",
        "scores  f32 [1, 3, 1]  -> y.npy\n  2.000 2.000 2.000\nnext  i32 [1, 3]\n  5.000 6.000 7.000\n",
    );
    assert_eq!(
        kiln::data::read_npy::<f32>(folder.path("y.npy")).unwrap(),
        ndarray::ArrayD::from_elem(vec![1, 3, 1], 2.0)
    );
    let (out, error, _) = run(&folder, "run net.onnx -i x=x.npy --const places=1 --threads 1 --json");
    let scores = "\"name\":\"scores\",\"numbers\":[2.0,2.0,2.0],\"shape\":[1,3,1]";
    assert!(error.is_empty() && out.contains(scores), "{out}{error}");
    let (out, error, status) =
        run(&folder, "bench net.onnx --shape x=1,3,2 --shape places=1,3 --seconds 0 --threads 1 --json");
    assert_eq!((error.as_str(), status), ("", 0));
    for word in ["median_seconds", "gflops_per_second", "\"calls\":5"] {
        assert!(out.contains(word), "{word}: {out}");
    }
    let (out, ..) = run(&folder, "bench net.onnx --shape x=1,3,2 --shape places=1,3 --seconds 0 --threads 1");
    assert!(out.starts_with("net.onnx\n  x  f32 [1, 3, 2]\n") && out.contains("first call"), "{out}");

    refused(&folder, "run nett.onnx", "there is no file nett.onnx; did you mean net.onnx?");
    refused(&folder, "run net.onnx -i y=x.npy", "no input is called y: did you mean x?");
    let missing = "input places was not given: --input places=FILE.npy, or --const places=NUMBER";
    refused(&folder, "run net.onnx -i x=x.npy", missing);
    let which = "the model has the outputs scores, next: say which, --out NAME=FILE.npy";
    refused(&folder, "run net.onnx -i x=x.npy -i places=p.npy -o y.npy", which);
    let (_, error, status) = run(&folder, "bench net.onnx");
    assert!(status == 2 && error.contains("the open shape [N, T, 2]: fix it by --shape x="), "{error}");
    let (_, error, _) = run(&folder, "run net.onnx --shape x=1,b");
    assert!(error.contains("`b` is no number here"), "{error}");
    // The weights alone; a file that is cut short.
    check(&folder, "convert net.onnx net.npz head", "net.npz: .npz, 1 tensor\n");
    let bytes = fs::read(folder.path("net.onnx")).unwrap();
    folder.file("cut.onnx", &bytes[..bytes.len() / 2]);
    let (_, error, status) = run(&folder, "inspect cut.onnx");
    assert!(status == 2 && error.contains("cut.onnx is no ONNX file"), "{error}");
}

/// `kiln inspect FILE | head -1`: whoever reads goes away, which is no panic.
#[test]
fn a_reader_may_go_away() {
    let folder = Folder::new("pipe");
    // More than a pipe and the command's own buffer hold.
    let many = (0..4000)
        .fold(NpzWriter::new(), |writer, number| writer.array(&format!("tensor{number}"), &array![1.0_f32, 2.0]));
    many.write(folder.path("many.npz")).unwrap();
    for arguments in ["inspect many.npz", "inspect --list many.npz", "diff many.npz one.npy"] {
        write_npy(folder.path("one.npy"), &array![1.0_f32]).unwrap();
        let mut child = kiln(&folder, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(!line.is_empty());
        assert_eq!(
            (String::from_utf8_lossy(&output.stderr).as_ref(), output.status.code()),
            ("", Some(141)),
            "{arguments}"
        );
    }
}
