//! What an ONNX file says of itself, for whoever looks at it: inputs, outputs, versions, operators. It computes
//! nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use kiln_onnx::Element;
use kiln_onnx::proto::tensor_shape_proto::dimension::Value;
use kiln_onnx::proto::{ValueInfoProto, type_proto};

use crate::checkpoint::{CheckpointError, onnx_graphs, onnx_message, open_part};

/// What an ONNX file says of itself; [`Description::of`] reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The version of ONNX's own operators; 0 where the file names none.
    pub opset: i64,
    /// Who wrote it: `pytorch 2.15.0`; empty if it does not say.
    pub producer: String,
    /// What the model takes.
    pub inputs: Vec<Described>,
    /// What it gives.
    pub outputs: Vec<Described>,
    /// How often each operator stands in it, also within branches and loops; those of other domains as
    /// `domain.Operator`.
    pub operators: BTreeMap<String, usize>,
}

/// An input or an output of a file; it prints as `x f32[N, 3, 224, 224]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: String,
    /// ONNX's element type: `f32`, `i64`; empty of what is no tensor.
    pub element: String,
    /// The extents, of which open ones are names, or `?`; nothing where the file does not say how many there are.
    pub shape: Option<Vec<String>>,
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = self.shape.as_ref().map_or("..".to_owned(), |shape| shape.join(", "));
        write!(f, "{} {}[{shape}]", self.name, self.element)
    }
}

impl Description {
    /// That of a file.
    ///
    /// # Errors
    /// [`CheckpointError::NotFound`], [`CheckpointError::Read`], [`CheckpointError::Foreign`].
    pub fn of(path: impl AsRef<Path>) -> Result<Description, CheckpointError> {
        let path = path.as_ref();
        let (model, _) = onnx_message(path, &open_part(path)?)?;
        let graph = model.graph.as_ref().expect("a message that was read has a graph");
        let own = model.opset_import.iter().find(|set| matches!(set.domain(), "" | "ai.onnx"));
        let constants: Vec<&str> = graph.initializer.iter().map(|tensor| tensor.name()).collect();
        // Before version 4 of the format constants were inputs, too.
        let inputs = graph.input.iter().filter(|input| !constants.contains(&input.name())).map(described).collect();
        let mut operators = BTreeMap::new();
        for node in onnx_graphs(&model).into_iter().flat_map(|graph| &graph.node) {
            let name = match node.domain() {
                "" | "ai.onnx" => node.op_type().to_owned(),
                domain => format!("{domain}.{}", node.op_type()),
            };
            *operators.entry(name).or_insert(0) += 1;
        }
        Ok(Description {
            opset: own.map_or(0, |set| set.version()),
            producer: format!("{} {}", model.producer_name(), model.producer_version()).trim().to_owned(),
            inputs,
            outputs: graph.output.iter().map(described).collect(),
            operators,
        })
    }
}

fn described(value: &ValueInfoProto) -> Described {
    let tensor = match value.r#type.as_ref().and_then(|ty| ty.value.as_ref()) {
        Some(type_proto::Value::TensorType(tensor)) => Some(tensor),
        _ => None,
    };
    let extent = |value: &Option<Value>| match value {
        Some(Value::DimValue(extent)) => extent.to_string(),
        Some(Value::DimParam(name)) if !name.is_empty() => name.clone(),
        _ => "?".to_owned(),
    };
    Described {
        name: value.name().to_owned(),
        element: tensor.and_then(|tensor| Element::of(tensor.elem_type())).map_or(String::new(), |e| e.to_string()),
        shape: tensor
            .and_then(|tensor| tensor.shape.as_ref())
            .map(|shape| shape.dim.iter().map(|dim| extent(&dim.value)).collect()),
    }
}
