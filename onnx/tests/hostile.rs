//! Files that mean harm, or are damaged: cut off, cyclic, nested, of huge shapes. Each is an error of one short line,
//! or a graph, within a second and 100 MB, which are measured here: this program's allocator counts, each thread for
//! itself.

#[path = "../../fuzz/entries/onnx.rs"]
mod fuzzed;
#[path = "../../tests/common/mutants.rs"]
#[allow(dead_code)]
mod mutants;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use kiln_onnx::proto::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, SparseTensorProto,
    TensorProto, ValueInfoProto,
};
use prost::Message;

/// What a file may take.
const SECONDS: f64 = 1.0;
const BYTES: usize = 100_000_000;

/// The system's allocator, which counts.
struct Counting;

thread_local! {
    /// Bytes that this thread has allocated and not given back.
    static LIVE: Cell<usize> = const { Cell::new(0) };
    /// The most bytes that were so at once.
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

fn count(taken: usize, given: usize) {
    let live = LIVE.get().wrapping_add(taken).wrapping_sub(given);
    LIVE.set(live);
    // What another thread allocated and this one gives back is less than nothing.
    if live as isize > PEAK.get() as isize {
        PEAK.set(live);
    }
}

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both are there while one is copied.
        count(size, 0);
        count(0, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How long this thread has computed, whatever else the machine does; else how late it is.
fn computed(start: Instant) -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|number| number.parse().ok());
    nanoseconds.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// Looks at a file, and holds it to the limits.
fn check(name: &str, bytes: &[u8]) {
    let start = Instant::now();
    let (before, live) = (computed(start), LIVE.get());
    PEAK.set(live);
    let looked = catch_unwind(AssertUnwindSafe(|| fuzzed::onnx(bytes)));
    let (seconds, most) = ((computed(start) - before).as_secs_f64(), PEAK.get().wrapping_sub(live));
    assert!(seconds < SECONDS, "{name} takes {seconds:.2} s");
    assert!(most < BYTES, "{name} takes {most} bytes");
    assert!(looked.is_ok(), "{name} panics");
}

fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        op_type: Some(operator.to_owned()),
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: outputs.iter().map(|&name| name.to_owned()).collect(),
        ..NodeProto::default()
    }
}

fn with(attribute: AttributeProto, node: NodeProto) -> NodeProto {
    NodeProto { attribute: vec![attribute], ..node }
}

fn number(name: &str, number: i64) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), i: Some(number), r#type: Some(2), ..AttributeProto::default() }
}

fn inner(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        g: Some(Box::new(graph)),
        r#type: Some(5),
        ..AttributeProto::default()
    }
}

fn named(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: Some(name.to_owned()), ..ValueInfoProto::default() }
}

/// A graph that gives what its last node does.
fn graph(node: Vec<NodeProto>, initializer: Vec<TensorProto>) -> GraphProto {
    let output = node.last().map(|node| named(&node.output[0]));
    GraphProto { node, initializer, output: output.into_iter().collect(), ..GraphProto::default() }
}

fn ints(name: &str, list: &[i64]) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: vec![list.len() as i64],
        data_type: Some(7),
        int64_data: list.to_vec(),
        ..TensorProto::default()
    }
}

fn floats(name: &str, list: &[f32]) -> TensorProto {
    TensorProto {
        data_type: Some(1),
        float_data: list.to_vec(),
        int64_data: Vec::new(),
        ..ints(name, &vec![0; list.len()])
    }
}

fn file_with(graph: GraphProto, functions: Vec<FunctionProto>) -> Vec<u8> {
    let set = |domain: &str| OperatorSetIdProto { domain: Some(domain.to_owned()), version: Some(17) };
    let opset_import = vec![set(""), set("own")];
    ModelProto { graph: Some(graph), functions, opset_import, ..ModelProto::default() }.encode_to_vec()
}

fn file(node: Vec<NodeProto>, initializer: Vec<TensorProto>) -> Vec<u8> {
    file_with(graph(node, initializer), Vec::new())
}

/// Bytes as the field of a number in a message.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    prost::encoding::encode_varint(bytes.len() as u64, &mut field);
    field.extend_from_slice(bytes);
    field
}

#[test]
fn what_is_no_file_is_refused() {
    check("nothing", &[]);
    check("ones", &[0xff; 64]);
    // 100 KB of messages without contents, each of which is some hundred bytes in memory.
    let attributes = field(1, &[5 << 3 | 2, 0].repeat(50_000));
    check("empty attributes", &field(7, &attributes));
    let tensors = [5 << 3 | 2, 0].repeat(50_000);
    check("empty tensors", &field(7, &tensors));
    // A name of a megabyte, with ends of lines, of what is missing.
    let long = "a\n".repeat(500_000);
    check("a long name", &file(vec![node("Neg", &[&long], &["y"])], Vec::new()));
    check("a long operator", &file(vec![node(&long, &["x"], &["y"])], Vec::new()));
    check("a long output", &file(vec![node("Neg", &["x"], &[&long])], Vec::new()));
}

#[test]
fn cycles_are_refused() {
    check("two nodes", &file(vec![node("Neg", &["b"], &["a"]), node("Neg", &["a"], &["b"])], Vec::new()));
    check("one node", &file(vec![node("Neg", &["a"], &["a"])], Vec::new()));
    // Functions that use themselves, or each the next one twice.
    let own = |node: NodeProto| NodeProto { domain: Some("own".to_owned()), ..node };
    let calls = |name: &str, other: &str| FunctionProto {
        name: Some(name.to_owned()),
        domain: Some("own".to_owned()),
        input: vec!["a".to_owned()],
        output: vec!["c".to_owned()],
        node: vec![own(node(other, &["a"], &["b"])), own(node(other, &["b"], &["c"]))],
        ..FunctionProto::default()
    };
    let uses = || graph(vec![own(node("0", &["x"], &["y"]))], Vec::new());
    check("a function of itself", &file_with(uses(), vec![calls("0", "0")]));
    let mut doubling: Vec<FunctionProto> =
        (0..30).map(|depth| calls(&depth.to_string(), &(depth + 1).to_string())).collect();
    doubling.push(FunctionProto { node: vec![node("Neg", &["a"], &["c"])], ..calls("30", "") });
    check("doubling functions", &file_with(uses(), doubling));
    // A loop without an end whose body has no nodes, and one of many rounds.
    let empty = GraphProto { input: vec![named("n"), named("go")], output: vec![named("go")], ..GraphProto::default() };
    check("an endless loop", &file(vec![with(inner("body", empty), node("Loop", &["", ""], &["y"]))], Vec::new()));
    let body = graph(vec![node("Identity", &["on"], &["on2"])], Vec::new());
    let many = with(inner("body", body), node("Loop", &["count", ""], &["y"]));
    check("a loop of many rounds", &file(vec![many], vec![ints("count", &[1 << 60])]));
}

#[test]
fn nested_files_are_refused() {
    for depth in [20, 200, 20_000] {
        let mut bytes = graph(vec![node("Neg", &["x"], &["y"])], Vec::new()).encode_to_vec();
        for _ in 0..depth {
            // A graph with a node `If` with an attribute that is a graph.
            let attribute = [field(1, b"then_branch"), field(6, &bytes), vec![20 << 3 & 0x7f | 0x80, 1, 5]].concat();
            bytes = field(1, &[field(1, b"x"), field(2, b"y"), field(4, b"If"), field(5, &attribute)].concat());
            bytes.extend(field(12, &field(1, b"y")));
            // Lengths of lengths: the file would grow with the square of the depth.
            if bytes.len() > 1 << 20 {
                break;
            }
        }
        check(&format!("{depth} graphs"), &field(7, &bytes));
    }
    let mut deep = Vec::new();
    for _ in 0..10_000 {
        deep = field(4, &field(1, &deep));
    }
    check("lists of lists", &field(7, &field(11, &field(2, &deep))));
    // Lists, each twice as long as the one before; a chain of known numbers.
    let link = |op: &str, at: usize| node(op, &[&at.to_string(), &at.to_string()], &[&(at + 1).to_string()]);
    let mut lists = vec![node("SequenceEmpty", &[], &["0"])];
    lists.extend((0..40).map(|at| link("SequenceConstruct", at)));
    lists.push(node("SequenceLength", &["40"], &["y"]));
    check("doubling lists", &file(lists, Vec::new()));
    for op in ["Min", "Add", "Concat"] {
        let mut chain: Vec<NodeProto> = (0..5_000).map(|at| with(number("axis", 0), link(op, at))).collect();
        chain.push(node("Neg", &["5000"], &["y"]));
        check(&format!("a chain of {op}"), &file(chain, vec![floats("0", &[1.5; 64])]));
    }
}

#[test]
fn huge_shapes_are_refused_or_stay_numbers() {
    let huge = TensorProto { dims: vec![1 << 40, 1 << 40, -1], ..floats("t", &[]) };
    check("a huge tensor", &file(vec![node("Neg", &["t"], &["y"])], vec![huge]));
    let empty = TensorProto { dims: vec![0, 1 << 30, 1 << 30], ..floats("t", &[]) };
    check("a huge tensor without elements", &file(vec![node("Neg", &["t"], &["y"])], vec![empty]));
    for dims in [vec![5, 0], vec![5, 7], vec![1 << 40, 1 << 40], vec![1 << 14, 1 << 14], vec![1 << 28]] {
        let indices = TensorProto { dims: vec![1, 1], ..ints("", &[3]) };
        let values = Some(floats("s", &[1.0]));
        let sparse_initializer = vec![SparseTensorProto { values, indices: Some(indices), dims: dims.clone() }];
        let graph = GraphProto { sparse_initializer, ..graph(vec![node("Neg", &["s"], &["y"])], Vec::new()) };
        check(&format!("a sparse tensor {dims:?}"), &file_with(graph, Vec::new()));
    }
    let lists: [&[i64]; 7] = [
        &[1 << 31],
        &[1 << 62, 1 << 62],
        &[1 << 20, 1 << 20, 1 << 20],
        &[-5],
        &[2; 12],
        &[1 << 22, 1 << 21],
        &[1 << 16],
    ];
    for list in lists {
        for op in
            ["ConstantOfShape", "Expand", "Tile", "Reshape", "Range", "EyeLike", "Pad", "Resize", "OneHot", "Slice"]
        {
            let inputs: &[&str] = match op {
                "ConstantOfShape" | "EyeLike" => &["s"],
                "Range" => &["zero", "s", "one"],
                "Pad" => &["one", "two", "zero"],
                "Resize" => &["one", "", "", "s"],
                "OneHot" => &["one", "s", "two"],
                "Slice" => &["two", "zero", "s"],
                _ => &["one", "s"],
            };
            let nodes =
                vec![node(op, inputs, &["a"]), node("Mul", &["a", "a"], &["b"]), node("MatMul", &["b", "b"], &["y"])];
            let two = [list[0], list[list.len() - 1]];
            let tensors = vec![ints("s", list), ints("one", &[1]), ints("zero", &[0]), ints("two", &two)];
            check(&format!("{op} of {list:?}"), &file(nodes, tensors));
        }
    }
    let ends = [("start", i64::MIN), ("limit", i64::MAX), ("delta", i64::MAX)];
    let scalars = ends.map(|(name, value)| TensorProto { dims: Vec::new(), ..ints(name, &[value]) });
    check("a range", &file(vec![node("Range", &["start", "limit", "delta"], &["y"])], scalars.to_vec()));
    for list in [[i64::MAX, i64::MAX], [i64::MIN, 0]] {
        let tensors = vec![ints("x", &[1, 2, 3]), ints("at", &list)];
        check("indices", &file(vec![node("Gather", &["x", "at"], &["y"])], tensors));
    }
    let parts = with(number("num_outputs", (1 << 31) - 1), node("Split", &["x"], &["y"]));
    check("many parts", &file(vec![parts], vec![ints("x", &[1, 2])]));
    let kinds = vec![floats("f", &[1.0]), ints("i", &[2, 3])];
    check("two kinds", &file(vec![with(number("axis", 0), node("Concat", &["f", "i"], &["y"]))], kinds));
    let same: Vec<TensorProto> = (0..20_000).map(|_| ints("t", &[1])).collect();
    check("tensors of one name", &file(vec![node("Neg", &["t"], &["y"])], same));
}

#[test]
fn inputs_without_elements_are_refused() {
    use kiln_onnx::proto::tensor_shape_proto::{Dimension, dimension};
    use kiln_onnx::proto::{TensorShapeProto, TypeProto, type_proto};
    let dim = |extent: i64| Dimension { value: Some(dimension::Value::DimValue(extent)), denotation: None };
    let shape = Some(TensorShapeProto { dim: [1, 1, 0, 4].map(dim).to_vec() });
    let tensor = type_proto::Value::TensorType(type_proto::Tensor { elem_type: Some(1), shape });
    let input = ValueInfoProto { r#type: Some(TypeProto { value: Some(tensor), denotation: None }), ..named("x") };
    for (operator, inputs) in [
        ("Resize", &["x", "", "", "four"][..]),
        ("Pad", &["x", "four"]),
        ("Softmax", &["x"]),
        ("GlobalAveragePool", &["x"]),
        ("ArgMax", &["x"]),
        ("ReduceMax", &["x"]),
        ("TopK", &["x", "one"]),
        ("Gather", &["x", "one"]),
        ("Reshape", &["x", "one"]),
        ("Identity", &["x"]),
    ] {
        let constants = vec![ints("four", &[1, 1, 4, 4]), ints("one", &[1])];
        let graph = GraphProto { input: vec![input.clone()], ..graph(vec![node(operator, inputs, &["y"])], constants) };
        check(operator, &file_with(graph, Vec::new()));
    }
}

/// A bounded run of the fuzz target.
#[test]
fn files_near_whole_ones_are_read_or_refused() {
    let mut seeds = mutants::seeds(&["../fuzz/seeds/onnx"]);
    for model in ["flow", "sparse"] {
        seeds.extend(mutants::seeds(&[&format!("tests/models/{model}")]));
    }
    let whole = seeds.iter().filter(|seed| match fuzzed::graph(seed) {
        Ok(_) => true,
        Err(error) => {
            println!("{error}");
            false
        }
    });
    assert_eq!(whole.count(), 14, "of the files that the others are made of");
    mutants::check(&seeds, 1000, |bytes| check("a mutant", bytes));
    // Whole ones, cut off.
    for seed in &seeds {
        (0..seed.len()).step_by(seed.len() / 16 + 1).for_each(|end| check("a part", &seed[..end]));
    }
}
