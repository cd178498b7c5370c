//! Files that went out come back as models that compute the same.

use std::collections::HashMap;

use kiln::graph::interpret::{Tensor, interpret};
use kiln::graph::{DType, Type};
use kiln::onnx::OnnxModel;
use ndarray::ArrayD;

use crate::cases;

/// Of the largest number of an output: operators are composed in other ways, whose roundings differ.
const TOLERANCE: f64 = 1e-5;

#[test]
fn what_went_out_comes_back() {
    let mut failed = Vec::new();
    for case in cases::all() {
        for run in &case.runs {
            if let Err(error) = check(&case.bytes, run) {
                failed.push(format!("{}: {error}", case.name));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn check(bytes: &[u8], run: &cases::Run) -> Result<(), String> {
    let mut model = OnnxModel::from_bytes(bytes.to_vec()).map_err(|error| error.to_string())?;
    for (name, value) in &run.inputs {
        model = model.shape(name, value.ty().shape.dims()).map_err(|error| error.to_string())?;
    }
    let graph = model.predict_graph(1).map_err(|error| error.to_string())?;
    let mut feeds: HashMap<String, Tensor<f32>> = run.inputs.iter().cloned().collect();
    for (name, parameter) in model.parameters() {
        feeds.insert(name.to_owned(), Tensor::F(ArrayD::clone(&parameter.value.to_owned())));
    }
    let found = interpret(&graph, &feeds).map_err(|error| error.to_string())?.outputs;
    for (name, expected) in &run.outputs {
        let found = found.get(name).ok_or_else(|| format!("no output {name}"))?;
        let (Type { dtype, shape }, other) = (expected.ty(), found.ty());
        // Whole numbers and flags are what they are.
        if other.shape != shape || (other.dtype == DType::F32) != (dtype == DType::F32) {
            return Err(format!("{name} is {other}, not {}", expected.ty()));
        }
        let (expected, found) = (expected.to_f64(), found.to_f64());
        let largest = expected.iter().fold(0.0, |largest: f64, number| largest.max(number.abs()));
        let differ = expected.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        if differ.is_nan() || differ > TOLERANCE * largest.max(1e-30) {
            return Err(format!("{name} differs by {differ:e}, where {largest:e} is the largest number"));
        }
    }
    Ok(())
}
