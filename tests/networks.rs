//! Real networks as ONNX files against ONNX Runtime's outputs: `NAME.onnx` and `NAME.safetensors` (`input.*`, `output.*`) in
//! the folder `nets` of the one that `KILN_ONNX` names, else of `../shared/onnx` beside the project. Without them there is
//! nothing to do. `KILN_ONNX_CASE` looks at those of a name. With `--release` it prints times, too.

#[path = "networks/own.rs"]
mod own;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use kiln::graph::DType;
use kiln::onnx::{Element, Input, OnnxArray, OnnxModel, OnnxPredictor};
use ndarray::{ArrayD, IxDyn};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

/// How far results may be from ONNX Runtime's, as a part of the largest, where that is more than 1e-4:
/// - `ppocr_det` finds no text in noise: its largest output is 3e-5, the sigmoid of -10 of sums of numbers up to 600. ONNX
///   Runtime without its optimisations differs by 4.9e-3 from itself, with inputs changed by 1e-6 of their size by 5.9e-3.
/// - `rawi_int8` rounds inputs and states to 8 bits: what lies between two goes either way by its last digit; a step is 1 / 255
///   of their range.
const LOOSE: [(&str, f64); 2] = [("ppocr_det", 1e-2), ("rawi_int8", 1e-2)];

fn main() -> ExitCode {
    let folder = std::env::var_os("KILN_ONNX")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/onnx"));
    let nets = folder.join("nets");
    let wanted = std::env::var("KILN_ONNX_CASE").unwrap_or_default();
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&nets)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    paths.sort();
    let times = std::fs::read_to_string(nets.join("times.json")).unwrap_or_default();
    let times: BTreeMap<String, serde_json::Value> = serde_json::from_str(&times).unwrap_or_default();
    let (mut passed, mut failed, mut ratios) = (0, 0, Vec::new());
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !name.contains(&wanted) {
            continue;
        }
        match run(&path) {
            Ok((error, compiled, shortest)) => {
                let microseconds = shortest.as_secs_f64() * 1e6;
                let other = times.get(&name).and_then(|entry| entry["onnxruntime_us"].as_f64());
                let ratio = other.map_or(f64::NAN, |other| other / microseconds);
                ratios.extend(Some(ratio).filter(|ratio| ratio.is_finite()));
                println!(
                    "{name:20} error {error:9.2e}  compiled in {compiled:8.1?}  {microseconds:10.0} us  {ratio:5.2}x"
                );
                passed += 1;
            }
            Err(error) => {
                println!("{name:20} {error}");
                failed += 1;
            }
        }
    }
    if !ratios.is_empty() {
        let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
        println!("geometric mean of speeds, ONNX Runtime being 1: {mean:.2}");
    }
    own::run();
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(path: &Path) -> Result<(f64, Duration, Duration), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut model = OnnxModel::load(path).map_err(|error| text(&error))?;
    let bytes = std::fs::read(path.with_extension("safetensors")).map_err(|error| text(&error))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| text(&error))?;
    let inputs: Vec<Input> = model.inputs().to_vec();
    let mut given = Vec::new();
    for Input { name, element, shape: declared } in &inputs {
        let tensor = tensors.tensor(&format!("input.{name}")).map_err(|error| text(&error))?;
        let numbers = numbers(&tensor);
        // A whole number alone is a setting, such as the rate of samples.
        if declared.as_ref().is_some_and(|dims| dims.is_empty()) && tensor.dtype() == Dtype::I64 {
            model = model.with(name, numbers[0] as i64).map_err(|error| text(&error))?;
            continue;
        }
        model = model.shape(name, tensor.shape()).map_err(|error| text(&error))?;
        let shape = IxDyn(tensor.shape());
        let carrier = element.and_then(Element::carrier);
        let value = match carrier {
            Some(DType::F32 | DType::Bf16) => {
                array(&shape, numbers.iter().map(|&x| x as f32).collect()).map(OnnxArray::F32)
            }
            Some(DType::Bool) => array(&shape, numbers.iter().map(|&x| x != 0.0).collect()).map(OnnxArray::Bool),
            Some(DType::I32 | DType::U8 | DType::I8) | None => {
                array(&shape, numbers.iter().map(|&x| x as i32).collect()).map(OnnxArray::I32)
            }
        };
        given.push((name.clone(), value?));
    }
    let start = Instant::now();
    let predictor = OnnxPredictor::new(model).threads(1).build().map_err(|error| text(&error))?;
    let compiled = start.elapsed();
    let call = || {
        let mut call = predictor.call();
        for (name, value) in &given {
            call = call.given_elements(name, value.elements()).map_err(|error| text(&error))?;
        }
        call.run().map_err(|error| text(&error))
    };
    let outputs = call()?;
    let mut worst: f64 = 0.0;
    for name in predictor.outputs() {
        let expected = tensors.tensor(&format!("output.{name}")).map_err(|error| text(&error))?;
        let wanted = numbers(&expected);
        let found = outputs.get(name).map_err(|error| text(&error))?.numbers();
        if found.len() != wanted.len() {
            return Err(format!("{name}: {} elements for {}", found.len(), wanted.len()));
        }
        let largest = wanted.iter().fold(0f64, |largest, x| largest.max(x.abs()));
        let distance = found.iter().zip(&wanted).fold(0f64, |most, (a, b)| {
            let distance = (a - b).abs();
            if distance.is_nan() { f64::INFINITY } else { most.max(distance) }
        });
        worst = worst.max(distance / largest.max(f64::MIN_POSITIVE));
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let bound = LOOSE.iter().find(|(own, _)| *own == name).map_or(1e-4, |(_, bound)| *bound);
    if worst > bound {
        return Err(format!("differs by {worst:.2e} of the largest output"));
    }
    let mut shortest = Duration::MAX;
    let laps = if cfg!(debug_assertions) { 1 } else { 15 };
    for _ in 0..laps {
        let start = Instant::now();
        call()?;
        shortest = shortest.min(start.elapsed());
    }
    Ok((worst, compiled, shortest))
}

fn array<T>(shape: &IxDyn, list: Vec<T>) -> Result<ArrayD<T>, String> {
    ArrayD::from_shape_vec(shape.clone(), list).map_err(|error| error.to_string())
}

fn numbers(tensor: &TensorView<'_>) -> Vec<f64> {
    let data = tensor.data();
    match tensor.dtype() {
        Dtype::I64 => data.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes) as f64).collect(),
        Dtype::I32 => data.as_chunks().0.iter().map(|&bytes| f64::from(i32::from_le_bytes(bytes))).collect(),
        Dtype::F32 => data.as_chunks().0.iter().map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect(),
        Dtype::BOOL | Dtype::U8 => data.iter().map(|&byte| f64::from(byte)).collect(),
        other => panic!("a network of {other:?}"),
    }
}
