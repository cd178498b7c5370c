//! ONNX files as files of weights: their constants under their names. It knows no operators.

use std::path::{Component, Path};

use kiln_onnx::proto::tensor_proto::{DataLocation, DataType};
use kiln_onnx::proto::{GraphProto, ModelProto, NodeProto, TensorProto};

use super::CheckpointError;
use super::seal::Notes;
use super::tensors::{Format, Named, Tensors, foreign, open};
use crate::formats::Reason;
use crate::formats::bytes::Bytes;
use crate::formats::element::{Element, Order};
use crate::formats::part::Part;
use crate::formats::tensor::Tensor;
use kiln_graph::names::shown;

/// Whether a file is one, by its name or its first bytes: the number of the format's version.
pub fn is_one(path: &Path, first: &[u8]) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("onnx")) || matches!(first, [8, 3..=20, ..])
}

/// The message of a file, and the file's bytes, in which its tensors' numbers lie.
pub fn message(path: &Path, file: &Part) -> Result<(ModelProto, kiln_onnx::Bytes), CheckpointError> {
    let not = |reason: Reason| foreign(path, Format::Onnx.name(), shown(&reason));
    let bytes = kiln_onnx::Bytes::from(Vec::from(file.read().map_err(not)?));
    let model = <ModelProto as kiln_onnx::prost::Message>::decode(bytes.clone());
    let model = model.map_err(|error| not(error.to_string()))?;
    if model.graph.is_none() {
        return Err(not("it has no graph".to_owned()));
    }
    Ok((model, bytes))
}

/// The constants of a file, those within branches and loops among them.
pub fn read(path: &Path, file: Part) -> Result<Tensors, CheckpointError> {
    let (model, bytes) = message(path, &file)?;
    let mut named = Named::new();
    for graph in graphs(&model) {
        let constants = graph.initializer.iter().map(|tensor| (tensor.name(), tensor));
        for (name, tensor) in constants.chain(graph.node.iter().filter_map(of_node)) {
            let found = constant(path, &file, &bytes, tensor);
            let found = found
                .map_err(|reason| foreign(path, Format::Onnx.name(), format!("{}: {}", shown(name), shown(&reason))))?;
            named.entry(name.to_owned()).or_insert(found);
        }
    }
    Ok(Tensors { format: Format::Onnx, notes: Notes::new(), named })
}

/// The tensor that a node gives which is a constant, under the name of its result.
fn of_node(node: &NodeProto) -> Option<(&str, &TensorProto)> {
    let tensor = node.attribute.iter().find(|attribute| attribute.name() == "value")?.t.as_deref()?;
    (node.op_type() == "Constant").then_some((node.output.first()?.as_str(), tensor))
}

/// All graphs of a model: its own, and those within nodes.
pub fn graphs(model: &ModelProto) -> Vec<&GraphProto> {
    let mut all: Vec<&GraphProto> = model.graph.iter().collect();
    let mut next = 0;
    while next < all.len() {
        let nodes = all[next].node.iter().flat_map(|node| &node.attribute);
        all.extend(
            nodes.flat_map(|attribute| attribute.g.as_deref().into_iter().chain(&attribute.graphs)).collect::<Vec<_>>(),
        );
        next += 1;
    }
    all
}

/// A constant, whose numbers lie in the file, or in one beside it.
fn constant(path: &Path, file: &Part, bytes: &[u8], tensor: &TensorProto) -> Result<Tensor, Reason> {
    let shape: Option<Vec<usize>> = tensor.dims.iter().map(|&extent| usize::try_from(extent).ok()).collect();
    let shape = shape.ok_or_else(|| format!("it has the shape {:?}", tensor.dims))?;
    let number = tensor.data_type.unwrap_or_default();
    let ty =
        DataType::try_from(number).map_err(|_| format!("its element type is {number}, which ONNX does not have"))?;
    let element = element(ty);
    let part = if tensor.data_location == Some(DataLocation::External as i32) {
        beside(path, tensor)?
    } else if let Some(raw) = &tensor.raw_data {
        // What was decoded shares the memory of the file's bytes.
        let start = (raw.as_ptr() as usize).wrapping_sub(bytes.as_ptr() as usize);
        file.part(start..start.saturating_add(raw.len())).ok_or("its numbers are not in the file")?
    } else {
        Part::from(Bytes::from(of_fields(tensor, ty, element)))
    };
    Tensor::dense(element, Order::Little, shape, false, part)
}

/// Numbers of a file beside this one, as the tensor says.
pub fn beside(path: &Path, tensor: &TensorProto) -> Result<Part, Reason> {
    let entry = |key: &str| tensor.external_data.iter().find(|entry| entry.key() == key).map(|entry| entry.value());
    let number = |key: &str| entry(key).map(|text| text.parse::<usize>().map_err(|_| format!("its {key} is `{text}`")));
    let place = Path::new(entry("location").ok_or("it lies in another file, which has no name")?);
    if !place.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(format!("it lies in {}, which is not beside the file", place.display()));
    }
    let data = open(&path.with_file_name(place)).map_err(|error| error.to_string())?;
    let start = number("offset").transpose()?.unwrap_or(0);
    let length = number("length").transpose()?.unwrap_or_else(|| data.len().saturating_sub(start));
    let part = start.checked_add(length).and_then(|end| data.part(start..end));
    part.ok_or_else(|| {
        format!("it lies at {length} bytes from {start} of {}, which has {}", place.display(), data.len())
    })
}

/// The little-endian numbers of the field that is there for the type.
fn of_fields(tensor: &TensorProto, ty: DataType, element: Element) -> Vec<u8> {
    match ty {
        DataType::Float | DataType::Complex64 => tensor.float_data.iter().flat_map(|x| x.to_le_bytes()).collect(),
        DataType::Double | DataType::Complex128 => tensor.double_data.iter().flat_map(|x| x.to_le_bytes()).collect(),
        DataType::Int64 => tensor.int64_data.iter().flat_map(|x| x.to_le_bytes()).collect(),
        DataType::Uint64 | DataType::Uint32 => {
            tensor.uint64_data.iter().flat_map(|x| x.to_le_bytes().into_iter().take(element.width())).collect()
        }
        _ => tensor.int32_data.iter().flat_map(|x| x.to_le_bytes().into_iter().take(element.width())).collect(),
    }
}

/// An element type as files of weights have it.
pub fn element(ty: DataType) -> Element {
    match ty {
        DataType::Float => Element::F32,
        DataType::Double => Element::F64,
        DataType::Float16 => Element::F16,
        DataType::Bfloat16 => Element::BF16,
        DataType::Int8 => Element::I8,
        DataType::Int16 => Element::I16,
        DataType::Int32 => Element::I32,
        DataType::Int64 => Element::I64,
        DataType::Uint8 => Element::U8,
        DataType::Uint16 => Element::U16,
        DataType::Uint32 => Element::U32,
        DataType::Uint64 => Element::U64,
        DataType::Bool => Element::Bool,
        DataType::String => Element::Other("TEXT", 0),
        DataType::Complex64 => Element::Other("C64", 8),
        DataType::Complex128 => Element::Other("C128", 16),
        DataType::Float8e4m3fn | DataType::Float8e4m3fnuz => Element::Other("F8_E4M3", 1),
        DataType::Float8e5m2 | DataType::Float8e5m2fnuz => Element::Other("F8_E5M2", 1),
        DataType::Float8e8m0 => Element::Other("F8_E8M0", 1),
        DataType::Uint4 | DataType::Int4 => Element::Other("I4", 0),
        DataType::Uint2 | DataType::Int2 => Element::Other("I2", 0),
        DataType::Float4e2m1 => Element::Other("F4", 0),
        DataType::Float6e2m3 | DataType::Float6e3m2 => Element::Other("F6", 0),
        DataType::Undefined => Element::Other("of no type", 0),
    }
}
