//! What ONNX Runtime computes with the files, and whether ONNX's checker accepts them. Without a `python3` that has
//! `onnx` and `onnxruntime` in the `PATH` this is skipped.

use std::fmt::Write;
use std::process::Command;

use kiln::data::write_npy;
use kiln::graph::interpret::Tensor;
use ndarray::{ArrayD, IxDyn};

use crate::cases;
use crate::folder::Folder;

/// Compares; see there.
const CHECK: &str = include_str!("check.py");

#[test]
fn onnx_runtime_computes_the_same() {
    let has = Command::new("python3").args(["-c", "import onnx, onnxruntime"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: Python's onnx and onnxruntime are not installed");
        return;
    }
    let folder = Folder::new("export");
    // For each case a line, for each of its runs a line with its files by name.
    let mut list = String::new();
    for case in cases::all() {
        folder.file(&format!("{}.onnx", case.name), &case.bytes);
        writeln!(list, "case {}", case.name).unwrap();
        for (number, run) in case.runs.iter().enumerate() {
            writeln!(list, "run").unwrap();
            for (kind, values) in [("in", &run.inputs), ("out", &run.outputs)] {
                for (name, value) in values {
                    let file = format!("{}.{number}.{kind}.{name}.npy", case.name);
                    write(&folder, &file, value);
                    writeln!(list, "{kind} {name} {file}").unwrap();
                }
            }
        }
    }
    folder.file("list", list.as_bytes());
    let output = Command::new("python3").args(["-W", "ignore", "-c", CHECK]).arg(&folder.0).output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    assert!(output.status.success(), "{said}\n{errors}");
}

fn write(folder: &Folder, file: &str, value: &Tensor<f32>) {
    let path = folder.path(file);
    match value {
        Tensor::F(value) => write_npy(path, value).unwrap(),
        Tensor::H(_) | Tensor::U(_) | Tensor::S(_) => unreachable!("no input or result of a whole graph is narrow"),
        Tensor::I(value) => write_npy(path, value).unwrap(),
        Tensor::B(value) => {
            let bytes = value.iter().map(|&holds| u8::from(holds)).collect();
            write_npy(path, &ArrayD::from_shape_vec(IxDyn(value.shape()), bytes).unwrap()).unwrap();
        }
    }
}
