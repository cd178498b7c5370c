//! ONNX's own tests of operators, by the reference interpreter: each model is made a graph, evaluated, and compared with the
//! outputs that come with it. `KILN_ONNX` names the folder with them (`node`, as `node_tests` writes it), else it is
//! `../shared/onnx/node` beside the project; without one, only the project's own models are looked at.
//! `KILN_ONNX_ERRORS` prints each case that did not pass, `KILN_ONNX_CASE` looks at those of a name.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kiln_graph::interpret::{Tensor, interpret};
use kiln_graph::{DType, Shape};
use kiln_onnx::proto::TensorProto;
use kiln_onnx::{Constant, Data, Fault, OnnxError, OnnxModel};
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
    println!("hostile files: {} looked at", hostile(&folder));
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
                Constant::read(&proto, None)
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
        // Numbers of 16 bits are computed as f32 and differ from theirs by a rounding of 11 or 8 bits.
        let rtol = match expected.element.to_string().as_str() {
            "f16" => rtol.max(2f64.powi(-10)),
            "bf16" => rtol.max(2f64.powi(-7)),
            _ => rtol,
        };
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

/// Damaged, cyclic, nested and huge files: each is an error, or a model, within a second. How many there were.
fn hostile(folder: &Path) -> usize {
    use kiln_onnx::proto::{
        AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, SparseTensorProto,
        TensorProto, ValueInfoProto,
    };
    let node = |op: &str, inputs: &[&str], outputs: &[&str]| NodeProto {
        op_type: Some(op.to_owned()),
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: outputs.iter().map(|&name| name.to_owned()).collect(),
        ..NodeProto::default()
    };
    let model = |graph: GraphProto, functions: Vec<FunctionProto>| {
        let set = |domain: &str| OperatorSetIdProto { domain: Some(domain.to_owned()), version: Some(17) };
        let opset_import = vec![set(""), set("own")];
        ModelProto { graph: Some(graph), functions, opset_import, ..ModelProto::default() }.encode_to_vec()
    };
    let graph = |node: Vec<NodeProto>, initializer: Vec<TensorProto>| {
        let output =
            node.last().map(|node| ValueInfoProto { name: Some(node.output[0].clone()), ..Default::default() });
        GraphProto { node, initializer, output: output.into_iter().collect(), ..GraphProto::default() }
    };
    let ints = |name: &str, list: &[i64]| TensorProto {
        name: Some(name.to_owned()),
        dims: vec![list.len() as i64],
        data_type: Some(7),
        int64_data: list.to_vec(),
        ..TensorProto::default()
    };
    let huge = TensorProto { dims: vec![1 << 40, 1 << 40, -1], data_type: Some(1), ..ints("t", &[]) };
    let calls = |own: &str, other: &str| FunctionProto {
        name: Some(own.to_owned()),
        domain: Some("own".to_owned()),
        input: vec!["a".to_owned()],
        output: vec!["c".to_owned()],
        node: vec![
            NodeProto { domain: Some("own".to_owned()), ..node(other, &["a"], &["b"]) },
            NodeProto { domain: Some("own".to_owned()), ..node(other, &["b"], &["c"]) },
        ],
        ..FunctionProto::default()
    };
    let mut doubling: Vec<FunctionProto> =
        (0..30).map(|depth| calls(&depth.to_string(), &(depth + 1).to_string())).collect();
    doubling.push(FunctionProto { node: vec![node("Neg", &["a"], &["c"])], ..calls("30", "") });
    let use_of = |name: &str| NodeProto { domain: Some("own".to_owned()), ..node(name, &["x"], &["y"]) };
    let mut nested = graph(vec![node("Neg", &["x"], &["y"])], Vec::new());
    for _ in 0..200 {
        let attribute = AttributeProto { name: Some("then_branch".to_owned()), g: Some(nested), ..Default::default() };
        nested = graph(vec![NodeProto { attribute: vec![attribute], ..node("If", &["x"], &["y"]) }], Vec::new());
    }
    let counted = AttributeProto {
        name: Some("body".to_owned()),
        g: Some(graph(vec![node("Identity", &["on"], &["on2"])], Vec::new())),
        ..AttributeProto::default()
    };
    let mut files = vec![
        Vec::new(),
        vec![0xff; 64],
        model(graph(vec![node("Neg", &["b"], &["a"]), node("Neg", &["a"], &["b"])], Vec::new()), Vec::new()),
        model(graph(vec![node("Neg", &["a"], &["a"])], Vec::new()), Vec::new()),
        model(graph(vec![node("Neg", &["t"], &["y"])], vec![huge]), Vec::new()),
        model(graph(vec![use_of("0")], Vec::new()), vec![calls("0", "0")]),
        model(graph(vec![use_of("0")], Vec::new()), doubling),
        model(nested, Vec::new()),
        model(
            graph(
                vec![NodeProto { attribute: vec![counted], ..node("Loop", &["count", ""], &["y"]) }],
                vec![ints("count", &[1 << 60])],
            ),
            Vec::new(),
        ),
    ];
    // What is put together of several kinds, or of more than there is.
    let floats = |name: &str, list: &[f32]| TensorProto {
        name: Some(name.to_owned()),
        dims: vec![list.len() as i64],
        data_type: Some(1),
        float_data: list.to_vec(),
        ..TensorProto::default()
    };
    let number = |name: &str, i: i64| AttributeProto {
        name: Some(name.to_owned()),
        i: Some(i),
        r#type: Some(2),
        ..Default::default()
    };
    let with = |attribute: AttributeProto, node: NodeProto| NodeProto { attribute: vec![attribute], ..node };
    let kinds = vec![floats("f", &[1.0]), ints("i", &[2, 3])];
    files.push(model(graph(vec![with(number("axis", 0), node("Concat", &["f", "i"], &["y"]))], kinds), Vec::new()));
    for dims in [vec![5, 0], vec![5, 7], vec![1 << 40, 1 << 40]] {
        let indices = TensorProto { dims: vec![1, 1], ..ints("", &[3]) };
        let values = Some(floats("s", &[1.0]));
        let sparse_initializer = vec![SparseTensorProto { values, indices: Some(indices), dims }];
        let graph = GraphProto { sparse_initializer, ..graph(vec![node("Neg", &["s"], &["y"])], Vec::new()) };
        files.push(model(graph, Vec::new()));
    }
    for (op, list) in [("Gather", [i64::MAX, i64::MAX]), ("Gather", [i64::MIN, 0])] {
        let tensors = vec![ints("x", &[1, 2, 3]), ints("at", &list)];
        files.push(model(graph(vec![node(op, &["x", "at"], &["y"])], tensors), Vec::new()));
    }
    let ends = [("start", i64::MIN), ("limit", i64::MAX), ("delta", i64::MAX)];
    let scalars = ends.map(|(name, value)| TensorProto { dims: Vec::new(), ..ints(name, &[value]) });
    files.push(model(graph(vec![node("Range", &["start", "limit", "delta"], &["y"])], scalars.to_vec()), Vec::new()));
    let parts = with(number("num_outputs", (1 << 31) - 1), node("Split", &["x"], &["y"]));
    files.push(model(graph(vec![parts], vec![ints("x", &[1, 2])]), Vec::new()));
    // A loop without an end whose body has no nodes.
    let empty = GraphProto {
        input: ["n", "go"].map(|name| ValueInfoProto { name: Some(name.to_owned()), ..Default::default() }).to_vec(),
        output: vec![ValueInfoProto { name: Some("go".to_owned()), ..Default::default() }],
        ..GraphProto::default()
    };
    let body = AttributeProto { name: Some("body".to_owned()), g: Some(empty), r#type: Some(5), ..Default::default() };
    files.push(model(graph(vec![with(body, node("Loop", &["", ""], &["y"]))], Vec::new()), Vec::new()));
    // Lists of lists, each twice as long as the one before; a chain of known numbers; many tensors of one name.
    let link = |op: &str, at: usize| node(op, &[&at.to_string(), &at.to_string()], &[&(at + 1).to_string()]);
    let mut lists = vec![node("SequenceEmpty", &[], &["0"])];
    lists.extend((0..40).map(|at| link("SequenceConstruct", at)));
    lists.push(node("SequenceLength", &["40"], &["y"]));
    files.push(model(graph(lists, Vec::new()), Vec::new()));
    let mut chain: Vec<NodeProto> = (0..20_000).map(|at| link("Min", at)).collect();
    chain.push(node("Neg", &["20000"], &["y"]));
    files.push(model(graph(chain, vec![floats("0", &[1.5; 64])]), Vec::new()));
    let same: Vec<TensorProto> = (0..20_000).map(|_| ints("t", &[1])).collect();
    files.push(model(graph(vec![node("Neg", &["t"], &["y"])], same), Vec::new()));
    // Huge shapes, and arithmetic on them.
    for list in
        [&[1 << 31][..], &[1 << 62, 1 << 62], &[1 << 20, 1 << 20, 1 << 20], &[-5], &[2; 12], &[1 << 22, 1 << 21]]
    {
        for op in ["ConstantOfShape", "Expand", "Tile", "Reshape", "Range"] {
            let inputs: &[&str] = match op {
                "ConstantOfShape" => &["s"],
                "Range" => &["zero", "s", "one"],
                _ => &["one", "s"],
            };
            let nodes =
                vec![node(op, inputs, &["a"]), node("Mul", &["a", "a"], &["b"]), node("MatMul", &["b", "b"], &["y"])];
            let tensors = vec![ints("s", list), ints("one", &[1]), ints("zero", &[0])];
            files.push(model(graph(nodes, tensors), Vec::new()));
        }
    }
    // Files that are there, cut off and with bytes changed.
    let mut sources = cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models"));
    let theirs = cases(&folder.join("node"));
    sources.extend(theirs.into_iter().step_by(40));
    let mut state = 1u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    };
    for source in sources {
        let bytes = std::fs::read(source.join("model.onnx")).unwrap_or_default();
        for _ in 0..6 {
            files.push(bytes[..random(bytes.len())].to_vec());
            let mut changed = bytes.clone();
            for _ in 0..=random(4) {
                let place = random(changed.len());
                changed[place] = random(256) as u8;
            }
            files.push(changed);
        }
    }
    let count = files.len();
    for (number, bytes) in files.into_iter().enumerate() {
        let start = std::time::Instant::now();
        let looked = catch_unwind(AssertUnwindSafe(|| {
            if let Ok(model) = OnnxModel::from_bytes(bytes.clone()) {
                let shapes: Vec<(String, Vec<usize>)> = model
                    .inputs()
                    .iter()
                    .map(|input| {
                        let dims = input.shape.as_deref().unwrap_or_default();
                        let extent =
                            |dim: &kiln_onnx::Dim| if let kiln_onnx::Dim::Known(extent) = dim { *extent } else { 2 };
                        (input.name.clone(), dims.iter().map(extent).collect())
                    })
                    .collect();
                let shaped = shapes.iter().try_fold(model, |model, (name, shape)| model.shape(name, shape));
                let _ = shaped.and_then(|model| model.predict_graph(2));
            }
        }));
        let took = start.elapsed();
        if looked.is_err() || took.as_secs_f64() > 10.0 {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hostile{number}.onnx"));
            std::fs::write(&path, &bytes).expect("the folder for tests");
            println!(
                "hostile file {number} {} after {took:.1?}: {}",
                if looked.is_err() { "panics" } else { "is slow" },
                path.display()
            );
            std::process::exit(1);
        }
    }
    count
}
