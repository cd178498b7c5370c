//! From messages to graphs: functions are written out where they are used, constants get numbers. Knows no operators'
//! meaning.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::evaluate::MOST_NODES;
use super::graph::{Attribute, Dim, Graph, Input, Node, Place, Stored};
use crate::constant::{Beside, Constant};
use crate::element::Element;
use crate::error::OnnxError;
use crate::operators;
use crate::proto::attribute_proto::AttributeType;
use crate::proto::tensor_shape_proto::dimension;
use crate::proto::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, ValueInfoProto, type_proto,
};

/// So many functions within one another at most.
const DEEPEST: usize = 32;

/// The versions of the sets of operators, by their domains.
type Versions = FxHashMap<String, i64>;

/// A file as graphs.
pub struct Contents {
    /// The main graph.
    pub graph: Graph,
    /// All tensors of the file.
    pub stored: Vec<Stored>,
    /// The version of ONNX's operators.
    pub opset: i64,
}

/// Reads a model, with the files that it refers to.
pub fn read(model: &ModelProto, beside: Beside<'_>) -> Result<Contents, OnnxError> {
    let Some(graph) = &model.graph else { return Err(format_error("it has no graph")) };
    let versions = versions(&model.opset_import);
    let mut functions = FxHashMap::default();
    for function in &model.functions {
        functions.insert((domain(function.domain()), function.name(), function.overload()), function);
    }
    let mut reader = Reader { functions, beside, stored: Vec::new(), names: FxHashMap::default(), nodes: 0 };
    let main = reader.graph(graph, &Around { versions: &versions, prefix: "", bound: None, depth: 0 })?;
    Ok(Contents { graph: main, stored: reader.stored, opset: versions.get("").copied().unwrap_or(1) })
}

fn format_error(reason: impl Into<String>) -> OnnxError {
    OnnxError::Format { reason: reason.into() }
}

fn versions(sets: &[OperatorSetIdProto]) -> Versions {
    sets.iter().map(|set| (domain(set.domain()).to_owned(), set.version())).collect()
}

/// `ai.onnx` is another name of ONNX's own domain.
fn domain(name: &str) -> &str {
    if name == "ai.onnx" { "" } else { name }
}

/// What is around nodes.
struct Around<'a> {
    versions: &'a Versions,
    /// Before each name that nodes give.
    prefix: &'a str,
    /// In the body of a function: what its operands are called outside, and its attributes.
    bound: Option<&'a Bound>,
    depth: usize,
}

struct Bound {
    names: FxHashMap<String, String>,
    attributes: FxHashMap<String, Attribute>,
}

impl Around<'_> {
    /// The name of a value that a node takes or gives.
    fn name(&self, name: &str) -> String {
        match self.bound.and_then(|bound| bound.names.get(name)) {
            Some(outside) => outside.clone(),
            None if name.is_empty() => String::new(),
            None => format!("{}{name}", self.prefix),
        }
    }
}

struct Reader<'p> {
    functions: FxHashMap<(&'p str, &'p str, &'p str), &'p FunctionProto>,
    beside: Beside<'p>,
    stored: Vec<Stored>,
    /// The names of tensors, and how many have had each.
    names: FxHashMap<String, usize>,
    nodes: usize,
}

impl Reader<'_> {
    fn graph(&mut self, proto: &GraphProto, around: &Around<'_>) -> Result<Graph, OnnxError> {
        let mut graph = Graph::default();
        for tensor in &proto.initializer {
            let name = around.name(tensor.name());
            let constant = Constant::read(tensor, self.beside)
                .map_err(|reason| OnnxError::Tensor { name: tensor.name().to_owned(), reason })?;
            let number = self.store(&name, constant);
            graph.constants.push((name, number));
        }
        for sparse in &proto.sparse_initializer {
            let name = sparse.values.as_ref().map(|values| values.name()).unwrap_or_default().to_owned();
            let constant = Constant::read_sparse(sparse, self.beside)
                .map_err(|reason| OnnxError::Tensor { name: name.clone(), reason })?;
            let name = around.name(&name);
            let number = self.store(&name, constant);
            graph.constants.push((name, number));
        }
        let known: FxHashSet<String> = graph.constants.iter().map(|(name, _)| name.clone()).collect();
        for value in &proto.input {
            let name = around.name(value.name());
            // What has a value in the file is no input: files before version 4 list both.
            if !known.contains(&name) {
                graph.inputs.push(input(name, value)?);
            }
        }
        for node in &proto.node {
            self.node(node, around, &mut graph)?;
        }
        graph.outputs = proto.output.iter().map(|output| around.name(output.name())).collect();
        Ok(graph)
    }

    /// Notes a tensor under a name that no other one has.
    fn store(&mut self, name: &str, constant: Constant) -> usize {
        let mut unique = name.to_owned();
        while self.names.contains_key(&unique) {
            let copies = self.names.entry(name.to_owned()).or_insert(1);
            *copies += 1;
            unique = format!("{name}.{copies}");
        }
        self.names.insert(unique.clone(), 1);
        let (element, shape) = (constant.element, constant.shape.clone());
        let constant = Some(Arc::new(constant));
        self.stored.push(Stored { name: unique, constant, element, shape, place: Place::Written });
        self.stored.len() - 1
    }

    fn node(&mut self, proto: &NodeProto, around: &Around<'_>, graph: &mut Graph) -> Result<(), OnnxError> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(format_error(format!("it has more than {MOST_NODES} nodes, those of functions included")));
        }
        let outputs: Vec<String> = proto.output.iter().map(|name| around.name(name)).collect();
        let first = outputs.iter().find(|name| !name.is_empty());
        let name = if proto.name().is_empty() {
            first.cloned().unwrap_or_default()
        } else {
            format!("{}{}", around.prefix, proto.name())
        };
        let mut attributes = Vec::with_capacity(proto.attribute.len());
        for attribute in &proto.attribute {
            if let Some(value) = self.attribute(attribute, around)? {
                attributes.push((attribute.name().to_owned(), value));
            }
        }
        let domain = domain(proto.domain());
        let version = around.versions.get(domain).copied().unwrap_or(1);
        if let Some(&function) = self.functions.get(&(domain, proto.op_type(), proto.overload())) {
            return self.function(function, proto, &name, attributes, around, graph);
        }
        let operator =
            if domain.is_empty() { proto.op_type().to_owned() } else { format!("{domain}.{}", proto.op_type()) };
        if operator == "Constant"
            && let Some(constant) = constant(&attributes)
            && let Some(name) = first
        {
            let number = self.store(name, constant);
            graph.constants.push((name.clone(), number));
            return Ok(());
        }
        let inputs = proto.input.iter().map(|name| around.name(name)).collect();
        let row = operators::find(&operator, version);
        graph.nodes.push(Arc::new(Node { name, operator, version, row, inputs, outputs, attributes }));
        Ok(())
    }

    /// Writes the nodes of a function in the place of its use.
    fn function(
        &mut self,
        function: &FunctionProto,
        proto: &NodeProto,
        name: &str,
        given: Vec<(String, Attribute)>,
        around: &Around<'_>,
        graph: &mut Graph,
    ) -> Result<(), OnnxError> {
        if around.depth == DEEPEST {
            let reason = format!("function `{}` lies within {DEEPEST} others, or uses itself", function.name());
            return Err(format_error(reason));
        }
        let mut names = FxHashMap::default();
        for (position, own) in function.input.iter().enumerate() {
            names.insert(own.clone(), proto.input.get(position).map(|name| around.name(name)).unwrap_or_default());
        }
        for (own, outside) in function.output.iter().zip(&proto.output) {
            // An input that is given on as it is has its name already: the body's own node gives the output another.
            names.entry(own.clone()).or_insert_with(|| around.name(outside));
        }
        let mut attributes = FxHashMap::default();
        for default in &function.attribute_proto {
            if let Some(value) = self.attribute(default, around)? {
                attributes.insert(default.name().to_owned(), value);
            }
        }
        attributes.extend(given);
        let own = versions(&function.opset_import);
        let bound = Bound { names, attributes };
        let prefix = format!("{name}/");
        let inner = Around { versions: &own, prefix: &prefix, bound: Some(&bound), depth: around.depth + 1 };
        for node in &function.node {
            self.node(node, &inner, graph)?;
        }
        Ok(())
    }

    /// The value of an attribute; none for one that refers to an attribute of a function which was not given.
    fn attribute(&mut self, proto: &AttributeProto, around: &Around<'_>) -> Result<Option<Attribute>, OnnxError> {
        if !proto.ref_attr_name().is_empty() {
            return Ok(around.bound.and_then(|bound| bound.attributes.get(proto.ref_attr_name()).cloned()));
        }
        let tensor_error = |reason| OnnxError::Tensor { name: proto.name().to_owned(), reason };
        // Files of the first versions do not say the kind.
        let kind = match proto.r#type() {
            AttributeType::Undefined => guessed(proto),
            kind => kind,
        };
        Ok(Some(match kind {
            AttributeType::Float => Attribute::Float(proto.f()),
            AttributeType::Int => Attribute::Int(proto.i()),
            AttributeType::String => Attribute::Text(proto.s().to_vec()),
            AttributeType::Floats => Attribute::Floats(proto.floats.clone()),
            AttributeType::Ints => Attribute::Ints(proto.ints.clone()),
            AttributeType::Strings => Attribute::Texts(proto.strings.clone()),
            AttributeType::Tensor => match &proto.t {
                Some(tensor) => Attribute::Tensor(Arc::new(Constant::read(tensor, self.beside).map_err(tensor_error)?)),
                None => return Err(tensor_error("an attribute without its tensor".to_owned())),
            },
            AttributeType::SparseTensor => match &proto.sparse_tensor {
                Some(sparse) => {
                    Attribute::Tensor(Arc::new(Constant::read_sparse(sparse, self.beside).map_err(tensor_error)?))
                }
                None => return Err(tensor_error("an attribute without its tensor".to_owned())),
            },
            AttributeType::Graph => match &proto.g {
                Some(graph) => Attribute::Graph(Arc::new(self.graph(graph, around)?)),
                None => return Err(format_error(format!("attribute `{}` is a graph without one", proto.name()))),
            },
            AttributeType::Undefined
            | AttributeType::TypeProto
            | AttributeType::TypeProtos
            | AttributeType::Tensors
            | AttributeType::SparseTensors
            | AttributeType::Graphs => Attribute::Other,
        }))
    }
}

/// The kind of an attribute that does not say it.
fn guessed(proto: &AttributeProto) -> AttributeType {
    match proto {
        _ if proto.f.is_some() => AttributeType::Float,
        _ if proto.i.is_some() => AttributeType::Int,
        _ if proto.s.is_some() => AttributeType::String,
        _ if proto.t.is_some() => AttributeType::Tensor,
        _ if proto.g.is_some() => AttributeType::Graph,
        _ if !proto.floats.is_empty() => AttributeType::Floats,
        _ if !proto.ints.is_empty() => AttributeType::Ints,
        _ if !proto.strings.is_empty() => AttributeType::Strings,
        _ => AttributeType::Undefined,
    }
}

/// What a node `Constant` gives.
fn constant(attributes: &[(String, Attribute)]) -> Option<Constant> {
    use crate::constant::Data;
    attributes.iter().find_map(|(name, attribute)| match (name.as_str(), attribute) {
        ("value" | "sparse_value", Attribute::Tensor(tensor)) => Some(Constant::clone(tensor)),
        ("value_float", Attribute::Float(number)) => Some(Constant::floats(Vec::new(), vec![*number])),
        ("value_floats", Attribute::Floats(list)) => Some(Constant::floats(vec![list.len()], list.clone())),
        ("value_int", Attribute::Int(number)) => Some(Constant::int(*number)),
        ("value_ints", Attribute::Ints(list)) => Some(Constant::ints(list.clone())),
        ("value_string", Attribute::Text(text)) => {
            Some(Constant { element: Element::TEXT, shape: Vec::new(), data: Data::Texts(vec![text.clone()]) })
        }
        ("value_strings", Attribute::Texts(list)) => {
            Some(Constant { element: Element::TEXT, shape: vec![list.len()], data: Data::Texts(list.clone()) })
        }
        _ => None,
    })
}

fn input(name: String, value: &ValueInfoProto) -> Result<Input, OnnxError> {
    let ty = value.r#type.as_ref().and_then(|ty| ty.value.as_ref());
    let Some(type_proto::Value::TensorType(tensor)) = ty else { return Ok(Input { name, element: None, shape: None }) };
    let shape = match &tensor.shape {
        None => None,
        Some(shape) => {
            let mut dims = Vec::with_capacity(shape.dim.len());
            for dim in &shape.dim {
                dims.push(match &dim.value {
                    Some(dimension::Value::DimValue(extent)) => match usize::try_from(*extent) {
                        Ok(extent) => Dim::Known(extent),
                        Err(_) => Dim::Free(String::new()),
                    },
                    // Some writers call all that they do not know `?`.
                    Some(dimension::Value::DimParam(free)) if free != "?" => Dim::Free(free.clone()),
                    Some(dimension::Value::DimParam(_)) => Dim::Free(String::new()),
                    None => Dim::Free(String::new()),
                });
            }
            Some(dims)
        }
    };
    Ok(Input { name, element: Element::of(tensor.elem_type()), shape })
}
