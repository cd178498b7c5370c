//! What pickles of PyTorch name and call: storages, and the few functions that make tensors and parameters of them.
//! None of it is called; it is described.

use super::{Id, Machine, Node, PickleError};
use crate::formats::Reason;
use crate::formats::element::Element;

/// The most axes that a tensor of PyTorch has.
const AXES: usize = 64;

/// Something that a pickle may name.
#[derive(Clone, Debug)]
pub enum Global {
    /// A function that makes a dictionary.
    Dict,
    /// `torch.Size`: a tuple.
    Size,
    /// `_rebuild_tensor_v2` and its older form, without types of elements of its own.
    Tensor,
    /// `_rebuild_tensor_v3`: with the type of its elements.
    TypedTensor,
    /// `_rebuild_parameter`: its first argument.
    Parameter,
    /// `_rebuild_from_type_v2`: a call, and what belongs to a class derived from tensors.
    FromType,
    /// A class of storages, by the type of their elements; none for one of bytes.
    Storage(Option<Element>),
    /// A type of elements.
    Dtype(Element),
    /// A class that is named only, or makes data that is never asked for.
    Other,
}

/// The storages' classes and the types of PyTorch, by the names of both.
const TYPES: [(&str, &str, Element); 13] = [
    ("FloatStorage", "float32", Element::F32),
    ("DoubleStorage", "float64", Element::F64),
    ("HalfStorage", "float16", Element::F16),
    ("BFloat16Storage", "bfloat16", Element::BF16),
    ("LongStorage", "int64", Element::I64),
    ("IntStorage", "int32", Element::I32),
    ("ShortStorage", "int16", Element::I16),
    ("CharStorage", "int8", Element::I8),
    ("ByteStorage", "uint8", Element::U8),
    ("BoolStorage", "bool", Element::Bool),
    ("", "uint16", Element::U16),
    ("", "uint32", Element::U32),
    ("", "uint64", Element::U64),
];

/// What is known and not read.
const OTHER_TYPES: [(&str, &str, Element); 11] = [
    ("ComplexFloatStorage", "complex64", Element::Other("complex64", 8)),
    ("ComplexDoubleStorage", "complex128", Element::Other("complex128", 16)),
    ("", "complex32", Element::Other("complex32", 4)),
    ("", "float8_e4m3fn", Element::Other("float8_e4m3fn", 1)),
    ("", "float8_e5m2", Element::Other("float8_e5m2", 1)),
    ("", "float8_e4m3fnuz", Element::Other("float8_e4m3fnuz", 1)),
    ("", "float8_e5m2fnuz", Element::Other("float8_e5m2fnuz", 1)),
    ("", "float8_e8m0fnu", Element::Other("float8_e8m0fnu", 1)),
    ("QInt8Storage", "qint8", Element::Other("qint8", 1)),
    ("QUInt8Storage", "quint8", Element::Other("quint8", 1)),
    ("QInt32Storage", "qint32", Element::Other("qint32", 4)),
];

impl Global {
    /// What has this name, if a file of weights may need it.
    pub fn of(module: &str, name: &str) -> Option<Global> {
        let types = || TYPES.iter().chain(&OTHER_TYPES);
        Some(match (module, name) {
            ("collections", "OrderedDict" | "Counter") => Global::Dict,
            ("torch", "Size") => Global::Size,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Global::Tensor,
            ("torch._utils", "_rebuild_tensor_v3") => Global::TypedTensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Global::Parameter,
            ("torch._tensor", "_rebuild_from_type_v2") => Global::FromType,
            ("torch.storage" | "torch", "UntypedStorage") => Global::Storage(None),
            ("torch", "Tensor" | "device") | ("torch.nn.parameter", "Parameter" | "Buffer") => Global::Other,
            ("builtins" | "__builtin__", "set" | "bytearray" | "complex") | ("_codecs", "encode") => Global::Other,
            ("torch", name) => {
                let storage = types().find(|(storage, ..)| *storage == name && !name.is_empty());
                let dtype = || types().find(|(_, dtype, _)| *dtype == name);
                match (storage, storage.map_or_else(dtype, |_| None)) {
                    (Some((.., element)), _) => Global::Storage(Some(*element)),
                    (_, Some((.., element))) => Global::Dtype(*element),
                    _ => return None,
                }
            }
            _ => return None,
        })
    }

    /// What a call with the arguments of this tuple makes.
    pub(super) fn call<'a>(self, machine: &Machine<'a>, arguments: Id) -> Result<Called<'a>, PickleError> {
        let Node::Tuple(arguments) = machine.node(arguments) else {
            return Err("it calls a function without a tuple of arguments".to_owned().into());
        };
        let node = |place: usize| arguments.get(place).map(|&id| machine.node(id));
        match (self, arguments.first()) {
            (Global::Dict, None) => Ok(Called::Makes(Node::Dict(Vec::new()))),
            (Global::Size, Some(&size)) if arguments.len() == 1 => Ok(Called::Is(size)),
            (Global::Parameter, Some(&data)) if matches!(machine.node(data), Node::Tensor(_)) => Ok(Called::Is(data)),
            (Global::Tensor, _) => TensorCall::of(machine, arguments, None),
            (Global::TypedTensor, _) => match node(6) {
                Some(Node::Global(Global::Dtype(element))) => TensorCall::of(machine, arguments, Some(*element)),
                _ => Err("it makes a tensor without a type of elements".to_owned().into()),
            },
            (Global::FromType, _) => match (node(0), arguments.get(2)) {
                // No function makes another call: the depth is 2.
                (Some(Node::Global(function @ (Global::Tensor | Global::TypedTensor))), Some(&arguments)) => {
                    function.clone().call(machine, arguments)
                }
                _ => Err("it makes an object of a class that is not known".to_owned().into()),
            },
            (Global::Other, _) => Ok(Called::Makes(Node::Other)),
            (function, _) => Err(format!("it calls {function:?} with {} arguments", arguments.len()).into()),
        }
    }
}

/// What a call gives: an object that is there, or a new one.
pub(super) enum Called<'a> {
    Is(Id),
    Makes(Node<'a>),
}

/// Where the numbers of tensors lie.
#[derive(Clone, Debug)]
pub struct Storage<'a> {
    pub key: &'a str,
    /// The type of its elements; none for bytes.
    pub element: Option<Element>,
    /// How many elements it has.
    pub count: u64,
}

impl<'a> Storage<'a> {
    /// The storage that a persistent id names: `("storage", class, key, location, count)`, and a view of it in old files.
    pub(super) fn of(machine: &Machine<'a>, id: Id) -> Result<Storage<'a>, PickleError> {
        let Node::Tuple(parts) = machine.node(id) else {
            return Err("it has a foreign persistent id".to_owned().into());
        };
        let parts: Vec<&Node<'a>> = parts.iter().take(6).map(|&id| machine.node(id)).collect();
        match parts[..] {
            [
                &Node::Text("storage"),
                Node::Global(Global::Storage(element)),
                &Node::Text(key),
                _,
                &Node::Int(count),
            ]
            | [
                &Node::Text("storage"),
                Node::Global(Global::Storage(element)),
                &Node::Text(key),
                _,
                &Node::Int(count),
                Node::None,
            ] => {
                let count = u64::try_from(count).map_err(|_| format!("it has a storage of {count} elements"))?;
                Ok(Storage { key, element: *element, count })
            }
            [&Node::Text("module"), ..] => Err(PickleError::Global("torch.nn.Module".to_owned())),
            _ => Err("it has a foreign persistent id".to_owned().into()),
        }
    }
}

/// A tensor: a view of a storage.
#[derive(Clone, Debug)]
pub struct TensorCall {
    /// The place of its [`Storage`].
    pub storage: Id,
    pub element: Element,
    /// Where its first element stands, and how far the next ones lie along each axis, in elements.
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

impl TensorCall {
    /// Of `(storage, offset, shape, strides, ..)`; of this type of elements, else of the storage's.
    fn of<'a>(machine: &Machine<'a>, arguments: &[Id], element: Option<Element>) -> Result<Called<'a>, PickleError> {
        let [storage, offset, shape, strides, ..] = *arguments else {
            return Err(format!("it makes a tensor of {} arguments", arguments.len()).into());
        };
        let (Node::Storage(of), &Node::Int(offset)) = (machine.node(storage), machine.node(offset)) else {
            return Err("it makes a tensor of what is no storage".to_owned().into());
        };
        let offset = usize::try_from(offset).map_err(|_| format!("it has a tensor at the offset {offset}"))?;
        let (shape, strides) = (extents(machine, shape)?, extents(machine, strides)?);
        let element = element.or(of.element).unwrap_or(Element::U8);
        Ok(Called::Makes(Node::Tensor(Box::new(TensorCall { storage, element, offset, shape, strides }))))
    }
}

/// A tuple of numbers that are not negative.
fn extents(machine: &Machine<'_>, id: Id) -> Result<Vec<usize>, Reason> {
    let Node::Tuple(extents) = machine.node(id) else { return Err("it has a tensor without a shape".to_owned()) };
    if extents.len() > AXES {
        return Err(format!("it has a tensor of {} axes, more than {AXES}", extents.len()));
    }
    let number = |&id: &Id| match machine.node(id) {
        &Node::Int(number) => usize::try_from(number).map_err(|_| format!("it has a tensor of extent {number}")),
        _ => Err("it has a tensor with a shape of other things than numbers".to_owned()),
    };
    extents.iter().map(number).collect()
}
