//! Graphs that predict, as ONNX's models.
//!
//! A graph of Kiln's is concrete: its extents are numbers. So a writer is given the same graph for several sizes, and
//! finds in what differs how it follows from the extents that stay free in the file (`numbers.rs`). What functions of
//! several operations have noted of themselves becomes ONNX's operator of that kind (`wholes.rs`, `recurrent.rs`); all
//! else is written operation by operation (`primitives.rs`, `scans.rs`). A writer gives messages and their bytes, and
//! writes no file.

mod elementwise;
mod error;
mod level;
mod numbers;
mod primitives;
mod protos;
mod recurrent;
mod scans;
mod wholes;
mod writer;

use std::collections::{HashMap, HashSet};

use kiln_graph::whole::Noted;
use kiln_graph::{Graph, Role};
use prost::Message;
use prost::bytes::Bytes;

use crate::element::Element;
use crate::proto::tensor_proto::DataLocation;
use crate::proto::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto};
pub use error::{At, WriteError};
pub use numbers::{Free, Number, Part, Sizes};
pub use recurrent::gates_of;
use writer::Writer;

/// The version of ONNX's operators that is written: the first with a weight for each channel in `GroupNormalization`.
const OPSET: i64 = 21;

/// The version of the format that goes with [`OPSET`].
const IR_VERSION: i64 = 10;

/// Operators that came later, with the versions of files that have them.
const LATER: &[&str] = &["RMSNormalization"];
const OPSET_LATER: i64 = 23;
const IR_VERSION_LATER: i64 = 11;

/// A graph that predicts, for some sizes.
#[derive(Debug)]
pub struct Built {
    /// The graph, as it was built: no pass has changed it.
    pub graph: Graph,
    /// What its values are as a whole.
    pub wholes: Vec<Noted>,
}

/// What is written.
#[derive(Debug)]
pub struct Source<'a> {
    /// The model's name.
    pub name: &'a str,
    /// The graph for each of the sizes.
    pub built: &'a [Built],
    /// The extents that stay free.
    pub free: &'a [Free],
    /// The sizes of the graphs.
    pub sizes: &'a Sizes,
    /// The little-endian numbers of each state: f32, or i32 of a counter.
    pub parameters: &'a HashMap<String, Bytes>,
    /// The places of built-in layers: `encoder.conv1`.
    pub layers: &'a HashSet<String>,
    /// The element types of inputs and outputs of these names, where they are to be others than the graph's.
    pub elements: &'a HashMap<String, Element>,
}

/// The model of a graph.
///
/// # Errors
/// [`WriteError`], which names the operation, its layer and the line of the user's that asked for it.
pub fn model(source: &Source<'_>) -> Result<ModelProto, WriteError> {
    let graph = &source.built[0].graph;
    let mut writer = Writer::new(source)?;
    let mut inputs = Vec::new();
    for input in graph.inputs.iter().filter(|input| input.role == Role::Data) {
        let name = writer.reserve(&input.name);
        let mut info = writer.info(input.node, &name)?;
        let value = match source.elements.get(&input.name) {
            Some(&element) => {
                protos::set_element(&mut info, element);
                let cast = writer.reserve(&format!("{name}/Cast"));
                let ty = protos::data_type(graph.ty(input.node).dtype);
                writer.prelude.push(protos::cast(&name, ty as i64, &cast));
                cast
            }
            None => name,
        };
        inputs.push(info);
        writer.level_mut().values.insert(input.node, value);
    }
    let (mut outputs, mut casts) = (Vec::new(), Vec::new());
    for output in &graph.outputs {
        let name = writer.reserve(&output.name);
        let mut info = writer.info(output.node, &name)?;
        let value = match source.elements.get(&output.name) {
            Some(&element) => {
                protos::set_element(&mut info, element);
                let computed = writer.reserve(&format!("{name}/computed"));
                casts.push(protos::cast(&computed, element.number().into(), &name));
                computed
            }
            None => name,
        };
        outputs.push(info);
        writer.level_mut().wanted.entry(output.node).or_default().push(value);
    }
    writer.write_all(graph.outputs.iter().map(|output| output.node))?;
    if let Some(update) = graph.updates.first() {
        return Err(WriteError::Update { state: graph.inputs[update.input].name.clone() });
    }
    let (nodes, value_info) = writer.end_level();
    let graph = GraphProto {
        name: Some(source.name.to_owned()),
        node: writer.prelude.into_iter().chain(nodes).chain(casts).collect::<Vec<NodeProto>>(),
        initializer: writer.initializers,
        input: inputs,
        output: outputs,
        value_info,
        ..GraphProto::default()
    };
    let later = holds(&graph, LATER);
    let (version, format) = if later { (OPSET_LATER, IR_VERSION_LATER) } else { (OPSET, IR_VERSION) };
    Ok(ModelProto {
        ir_version: Some(format),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(version) }],
        producer_name: Some("kiln".into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        graph: Some(graph),
        ..ModelProto::default()
    })
}

/// Whether a graph, or one within its nodes, has one of these operators.
fn holds(graph: &GraphProto, operators: &[&str]) -> bool {
    graph.node.iter().any(|node| {
        let mut inner = node.attribute.iter().filter_map(|attribute| attribute.g.as_deref());
        operators.contains(&node.op_type()) || inner.any(|graph| holds(graph, operators))
    })
}

/// The bytes of a file.
pub fn encoded(model: &ModelProto) -> Vec<u8> {
    model.encode_to_vec()
}

/// The number of bytes that the model's constants take.
pub fn data_bytes(model: &ModelProto) -> usize {
    let tensors = model.graph.iter().flat_map(|graph| &graph.initializer);
    tensors.map(|tensor| tensor.raw_data.as_ref().map_or(0, |data| data.len())).sum()
}

/// Moves all but small constants to a file of their own, whose bytes this gives: each at a multiple of 4096, so that
/// the file can be mapped.
pub fn move_data_out(model: &mut ModelProto, file: &str) -> Vec<u8> {
    const SMALL: usize = 1024;
    let mut all = Vec::new();
    for tensor in model.graph.iter_mut().flat_map(|graph| &mut graph.initializer) {
        let Some(data) = tensor.raw_data.take_if(|data| data.len() >= SMALL) else { continue };
        all.resize(all.len().next_multiple_of(4096), 0);
        let entry = |key: &str, value: String| StringStringEntryProto { key: Some(key.into()), value: Some(value) };
        let offset = entry("offset", all.len().to_string());
        tensor.external_data = vec![entry("location", file.into()), offset, entry("length", data.len().to_string())];
        tensor.data_location = Some(DataLocation::External as i32);
        all.extend_from_slice(&data);
    }
    all
}
