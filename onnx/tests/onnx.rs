//! ONNX's own tests of operators, by the reference interpreter: each model is made a graph, evaluated, and compared
//! with the outputs that come with it. `KILN_ONNX` names the folder with them (`node`, as `node_tests` writes it), else
//! it is `../shared/onnx/node` beside the project; without one, only the project's own models are looked at.
//! `KILN_ONNX_ERRORS` prints each case that did not pass, `KILN_ONNX_CASE` looks at those of a name.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kiln_graph::interpret::{Tensor, interpret};
use kiln_graph::{DType, Shape};
use kiln_onnx::proto::TensorProto;
use kiln_onnx::{Beside, Constant, Data, Fault, OnnxError, OnnxModel};
use prost::Message;

/// What became of a case.
enum Outcome {
    Passed,
    /// Not computed, for a reason.
    Refused(String),
    /// Computed, and not what it should be.
    Failed(String),
}

fn main() -> ExitCode {
    let folder = std::env::var_os("KILN_ONNX")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/onnx"));
    let wanted = std::env::var("KILN_ONNX_CASE").unwrap_or_default();
    let own = cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models"));
    assert!(!own.is_empty(), "the project's own models have moved");
    let own_count = own.len();
    let theirs = cases(&folder.join("node"));
    if theirs.is_empty() {
        println!("no operator tests of ONNX in {}", folder.join("node").display());
    }
    std::panic::set_hook(Box::new(|_| {}));
    let mut tables: [Table; 4] = Default::default();
    let mut panicked = Vec::new();
    for (number, path) in own.into_iter().chain(theirs).enumerate() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.contains(&wanted) {
            continue;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&path)));
        let outcome = outcome.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            panicked.push(name.clone());
            Outcome::Failed(format!("PANIC {}", text.unwrap_or_default()))
        });
        let table = match () {
            () if number < own_count => 3,
            () if name.contains("_expanded") => 2,
            () if numbers_only(&path) => 0,
            () => 1,
        };
        tables[table].note(&name, outcome);
    }
    let titles =
        ["direct, of f32, i32, i64 and bool alone", "direct, of other types", "functions written out", "own models"];
    titles.iter().zip(&tables).for_each(|(title, table)| table.print(title));
    let all = |count: fn(&Table) -> usize| tables.iter().map(count).sum::<usize>();
    println!("{} passed, {} failed", all(|table| table.passed), all(|table| table.failed.len()));
    let whole = !wanted.is_empty() || tables[3].passed == own_count;
    if panicked.is_empty() && whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The folders of cases within one.
fn cases(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    cases.sort();
    cases
}

#[derive(Default)]
struct Table {
    passed: usize,
    failed: Vec<(String, String)>,
    refused: BTreeMap<String, Vec<String>>,
}

impl Table {
    fn note(&mut self, name: &str, outcome: Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed(reason) => self.failed.push((name.to_owned(), reason)),
            Outcome::Refused(reason) => self.refused.entry(reason).or_default().push(name.to_owned()),
        }
    }

    fn print(&self, title: &str) {
        let refused: usize = self.refused.values().map(Vec::len).sum();
        let all = self.passed + self.failed.len() + refused;
        println!("{title}: {all} tests, {} passed, {} failed, {refused} refused", self.passed, self.failed.len());
        let mut reasons: Vec<_> = self.refused.iter().collect();
        reasons.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
        let details = std::env::var_os("KILN_ONNX_ERRORS").is_some();
        for (reason, names) in reasons {
            println!("  {:4} refused: {reason}", names.len());
            if details {
                println!("       {}", names.join(" "));
            }
        }
        for (name, reason) in self.failed.iter().filter(|_| details) {
            println!("  failed: {name}: {reason}");
        }
    }
}

/// Whether all inputs and outputs are of the types that a graph has, and i64.
fn numbers_only(path: &Path) -> bool {
    use kiln_onnx::proto::{ModelProto, type_proto::Value};
    let Ok(model) = ModelProto::decode(&*std::fs::read(path.join("model.onnx")).unwrap_or_default()) else {
        return false;
    };
    let graph = model.graph.unwrap_or_default();
    graph.input.iter().chain(&graph.output).all(|value| {
        let ty = value.r#type.as_ref().and_then(|ty| ty.value.as_ref());
        matches!(ty, Some(Value::TensorType(tensor)) if matches!(tensor.elem_type(), 1 | 6 | 7 | 9))
    })
}

fn run(path: &Path) -> Outcome {
    let model = match OnnxModel::load(path.join("model.onnx")) {
        Ok(model) => model,
        Err(error) => return Outcome::Refused(reason(&error)),
    };
    let read = |kind: &str, count: usize| -> Result<Vec<Constant>, String> {
        (0..count)
            .map(|number| {
                let file = path.join(format!("test_data_set_0/{kind}_{number}.pb"));
                let bytes = std::fs::read(&file).map_err(|error| error.to_string())?;
                let proto = TensorProto::decode(&*bytes).map_err(|_| "a sequence or an optional value".to_owned())?;
                Constant::read(&proto, Beside::Nothing)
            })
            .collect()
    };
    let names: Vec<String> = model.inputs().iter().map(|input| input.name.clone()).collect();
    let (inputs, expected) = match (read("input", names.len()), read("output", model.outputs().len())) {
        (Ok(inputs), Ok(expected)) => (inputs, expected),
        (Err(error), _) | (_, Err(error)) => return Outcome::Refused(format!("its data: {error}")),
    };
    let data = std::fs::read_to_string(path.join("data.json")).unwrap_or_default();
    let tolerance = |key: &str| -> f64 {
        let rest = data.split(&format!("\"{key}\":")).nth(1).unwrap_or("1e-3");
        rest.trim_start().split([',', '}']).next().and_then(|text| text.trim().parse().ok()).unwrap_or(1e-3)
    };
    // Inputs that shapes depend on, or that have no elements, are given as constants.
    let mut fixed: Vec<bool> = inputs.iter().map(|input| input.data.is_empty()).collect();
    loop {
        let error = match attempt(&model, &names, &inputs, &fixed) {
            Ok(outputs) => return compare(&outputs, &expected, tolerance("rtol"), tolerance("atol")),
            Err(error) => error,
        };
        let input = match &error {
            OnnxError::Node { fault, .. } => match &**fault {
                Fault::Dynamic { input, .. } => input,
                _ => return Outcome::Refused(reason(&error)),
            },
            _ => return Outcome::Refused(reason(&error)),
        };
        match names.iter().position(|name| name == input) {
            Some(position) if !fixed[position] => fixed[position] = true,
            _ => {
                let whole = |input: &Constant| !matches!(input.data, Data::Floats(_));
                let before = fixed.clone();
                inputs.iter().zip(&mut fixed).for_each(|(input, fixed)| *fixed |= whole(input));
                if fixed == before {
                    return Outcome::Refused(reason(&error));
                }
            }
        }
    }
}

fn attempt(
    model: &OnnxModel,
    names: &[String],
    inputs: &[Constant],
    fixed: &[bool],
) -> Result<Vec<Tensor<f32>>, OnnxError> {
    let mut model = model.clone();
    let mut feeds = HashMap::new();
    for ((name, input), &fixed) in names.iter().zip(inputs).zip(fixed) {
        if fixed {
            model = model.with(name, input.clone())?;
            continue;
        }
        model = model.shape(name, &input.shape)?;
        feeds.insert(name.clone(), tensor(input));
    }
    let graph = model.predict_graph(1)?;
    for (name, parameter) in model.parameters() {
        let values = parameter.value.iter().map(|&value| f64::from(value));
        feeds.insert(name.to_owned(), Tensor::floats(parameter.shape(), values));
    }
    let mut results =
        interpret::<f32>(&graph, &feeds).map_err(|error| OnnxError::Format { reason: error.to_string() })?.outputs;
    let missing = |name: &String| OnnxError::Format { reason: format!("no output {name}") };
    model.outputs().iter().map(|name| results.remove(name).ok_or_else(|| missing(name))).collect()
}

fn tensor(constant: &Constant) -> Tensor<f32> {
    let shape = Shape::new(&constant.shape);
    match &constant.data {
        Data::Floats(list) => Tensor::floats(shape, list.iter().map(|&x| f64::from(x))),
        // What does not fit an i32 makes the numbers differ, and the case fail.
        Data::Ints(list) => Tensor::ints(shape, list.iter().map(|&x| x as i32)),
        Data::Bools(list) => Tensor::bools(shape, list.iter().copied()),
        Data::Texts(_) => Tensor::ints(shape, vec![0; constant.data.len()]),
    }
}

fn compare(outputs: &[Tensor<f32>], expected: &[Constant], rtol: f64, atol: f64) -> Outcome {
    for (position, (found, expected)) in outputs.iter().zip(expected).enumerate() {
        let (ty, carrier) = (found.ty(), expected.element.carrier());
        if ty.shape.dims() != expected.shape {
            return Outcome::Failed(format!("output {position}: shape {} for {:?}", ty.shape, expected.shape));
        }
        if carrier != Some(ty.dtype) {
            return Outcome::Failed(format!("output {position}: {} for {}", ty.dtype, expected.element));
        }
        let Some(wanted) = expected.numbers() else { return Outcome::Refused("text".to_owned()) };
        let found = found.to_f64();
        // Numbers of 16 bits are computed as f32; theirs are rounded to 11 or 8 bits after each operation, and so are off the exact
        // ones by more than one rounding: by 1.2 in `attention_4d_causal_bf16`, compared with f64.
        let rtol = match expected.element.to_string().as_str() {
            "f16" => rtol.max(2f64.powi(-9)),
            "bf16" => rtol.max(2f64.powi(-6)),
            _ => rtol,
        };
        // What is a sum of numbers as large as the largest is not known better than by some roundings of that.
        let largest = wanted.iter().filter(|number| number.is_finite()).fold(0.0f64, |most, x| most.max(x.abs()));
        let atol = atol.max(2f64.powi(-22) * largest);
        let close = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= atol + rtol * b.abs();
        let exact = |a: f64, b: f64| if ty.dtype == DType::F32 { close(a, b) } else { a == b };
        if let Some(place) = (0..wanted.len()).find(|&place| !exact(found[place], wanted[place])) {
            let (found, wanted) = (found[place], wanted[place]);
            return Outcome::Failed(format!("output {position}, element {place}: {found} for {wanted}"));
        }
    }
    Outcome::Passed
}

/// What a case was refused for, without names of its own.
fn reason(error: &OnnxError) -> String {
    match error {
        OnnxError::Node { operator, fault, .. } => match &**fault {
            Fault::Operator => format!("operator {operator}"),
            Fault::Dynamic { position, .. } => {
                format!("{operator}: input {position} decides on a shape and depends on data")
            }
            fault => format!("{operator}: {fault}"),
        },
        OnnxError::Input { reason, .. } => format!("an input: {reason}"),
        other => other.to_string(),
    }
}
