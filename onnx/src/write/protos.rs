//! The messages of ONNX that a writer needs, made of what it has. Knows no graphs.

use kiln_graph::DType;
use prost::bytes::Bytes;

use super::numbers::{Free, Number};
use crate::element::Element;
use crate::proto::attribute_proto::AttributeType;
use crate::proto::tensor_proto::DataType;
use crate::proto::tensor_shape_proto::{Dimension, dimension};
use crate::proto::{
    AttributeProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};

/// ONNX's name of an element type.
pub fn data_type(dtype: DType) -> DataType {
    match dtype {
        DType::F32 => DataType::Float,
        DType::Bf16 => DataType::Bfloat16,
        DType::I32 => DataType::Int32,
        DType::U8 => DataType::Uint8,
        DType::I8 => DataType::Int8,
        DType::Bool => DataType::Bool,
    }
}

/// A value with its type.
pub fn value_info(name: &str, dtype: DType, dims: &[Number], free: &[Free]) -> ValueInfoProto {
    let dim = |number: &Number| Dimension {
        value: Some(match number.value() {
            Some(extent) => dimension::Value::DimValue(extent),
            None => dimension::Value::DimParam(number.text(free)),
        }),
        denotation: None,
    };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor = type_proto::Tensor { elem_type: Some(data_type(dtype) as i32), shape: Some(shape) };
    let ty = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), denotation: None };
    ValueInfoProto { name: Some(name.to_owned()), r#type: Some(ty), ..ValueInfoProto::default() }
}

/// Gives a value of a file another element type.
pub fn set_element(info: &mut ValueInfoProto, element: Element) {
    let ty = info.r#type.as_mut().and_then(|ty| ty.value.as_mut());
    if let Some(type_proto::Value::TensorType(tensor)) = ty {
        tensor.elem_type = Some(element.number());
    }
}

/// A value as another element type, by ONNX's number of it.
pub fn cast(from: &str, element: i64, to: &str) -> NodeProto {
    NodeProto { output: vec![to.to_owned()], name: Some(to.to_owned()), ..node("Cast", &[from]).int("to", element) }
}

/// A constant.
pub fn tensor(name: &str, ty: DataType, dims: &[i64], data: impl Into<Bytes>) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        data_type: Some(ty as i32),
        dims: dims.to_vec(),
        raw_data: Some(data.into()),
        ..TensorProto::default()
    }
}

/// The bytes of numbers of 64 bits.
pub fn bytes_of_i64(numbers: &[i64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// The bytes of f32 numbers.
pub fn bytes_of_f32(numbers: impl IntoIterator<Item = f32>) -> Vec<u8> {
    numbers.into_iter().flat_map(f32::to_le_bytes).collect()
}

/// A node without a name; the methods add attributes.
pub fn node(op_type: &str, inputs: &[&str]) -> NodeProto {
    // Inputs that are left out at the end are not written.
    let last = inputs.iter().rposition(|input| !input.is_empty()).map_or(0, |last| last + 1);
    NodeProto {
        op_type: Some(op_type.to_owned()),
        input: inputs[..last].iter().map(|&input| input.to_owned()).collect(),
        ..NodeProto::default()
    }
}

impl NodeProto {
    fn with(mut self, name: &str, ty: AttributeType, set: impl FnOnce(&mut AttributeProto)) -> NodeProto {
        let mut attribute = AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() };
        attribute.r#type = Some(ty as i32);
        set(&mut attribute);
        self.attribute.push(attribute);
        self
    }

    /// With a whole number.
    pub(super) fn int(self, name: &str, value: i64) -> NodeProto {
        self.with(name, AttributeType::Int, |attribute| attribute.i = Some(value))
    }

    /// With whole numbers.
    pub(super) fn ints(self, name: &str, values: impl IntoIterator<Item = i64>) -> NodeProto {
        self.with(name, AttributeType::Ints, |attribute| attribute.ints = values.into_iter().collect())
    }

    /// With a number.
    pub(super) fn float(self, name: &str, value: f64) -> NodeProto {
        self.with(name, AttributeType::Float, |attribute| attribute.f = Some(value as f32))
    }

    /// With a word.
    pub(super) fn string(self, name: &str, value: &str) -> NodeProto {
        self.with(name, AttributeType::String, |attribute| attribute.s = Some(value.as_bytes().to_vec()))
    }

    /// With words.
    pub(super) fn strings(self, name: &str, values: &[&str]) -> NodeProto {
        let bytes = values.iter().map(|value| value.as_bytes().to_vec()).collect();
        self.with(name, AttributeType::Strings, |attribute| attribute.strings = bytes)
    }

    /// With a graph.
    pub(super) fn graph(self, name: &str, graph: GraphProto) -> NodeProto {
        self.with(name, AttributeType::Graph, |attribute| attribute.g = Some(Box::new(graph)))
    }
}
