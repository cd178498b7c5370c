//! The element types of ONNX, and which of a graph's carries each. Knows no tensors.

use kiln_graph::DType;

use crate::proto::tensor_proto::DataType;

/// An element type of ONNX.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Element(DataType);

impl Element {
    /// f32.
    pub const F32: Element = Element(DataType::Float);
    /// i64.
    pub const I64: Element = Element(DataType::Int64);
    /// i32.
    pub const I32: Element = Element(DataType::Int32);
    /// bool.
    pub const BOOL: Element = Element(DataType::Bool);
    /// Text.
    pub const TEXT: Element = Element(DataType::String);

    /// That of a number in a file; none for a number that ONNX does not have.
    pub fn of(number: i32) -> Option<Element> {
        DataType::try_from(number).ok().filter(|ty| *ty != DataType::Undefined).map(Element)
    }

    /// The type that a graph's values have by default.
    pub fn of_values(dtype: DType) -> Element {
        match dtype {
            DType::F32 => Element::F32,
            DType::Bf16 => Element(DataType::Bfloat16),
            DType::I32 => Element::I64,
            DType::U8 => Element(DataType::Uint8),
            DType::I8 => Element(DataType::Int8),
            DType::Bool => Element::BOOL,
        }
    }

    /// ONNX's number of it.
    pub fn number(self) -> i32 {
        self.0 as i32
    }

    /// ONNX's own enumeration.
    pub fn data_type(self) -> DataType {
        self.0
    }

    /// The element type of a graph that carries it: f32 for all floating-point numbers, i32 for all whole ones (those that do
    /// not fit are refused where they are met), bool. None for text, complex numbers, and numbers of 8 bits and less that are
    /// no whole ones.
    pub fn carrier(self) -> Option<DType> {
        match self.0 {
            DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16 => Some(DType::F32),
            DataType::Int64
            | DataType::Int32
            | DataType::Int16
            | DataType::Int8
            | DataType::Int4
            | DataType::Int2
            | DataType::Uint64
            | DataType::Uint32
            | DataType::Uint16
            | DataType::Uint8
            | DataType::Uint4
            | DataType::Uint2 => Some(DType::I32),
            DataType::Bool => Some(DType::Bool),
            DataType::Undefined
            | DataType::String
            | DataType::Complex64
            | DataType::Complex128
            | DataType::Float8e4m3fn
            | DataType::Float8e4m3fnuz
            | DataType::Float8e5m2
            | DataType::Float8e5m2fnuz
            | DataType::Float4e2m1
            | DataType::Float8e8m0
            | DataType::Float6e2m3
            | DataType::Float6e3m2 => None,
        }
    }

    /// The smallest and the largest number of a type of whole numbers.
    pub fn limits(self) -> Option<(i128, i128)> {
        let signed = |bits: u32| Some((-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1));
        let unsigned = |bits: u32| Some((0, (1i128 << bits) - 1));
        match self.0 {
            DataType::Int64 => signed(64),
            DataType::Int32 => signed(32),
            DataType::Int16 => signed(16),
            DataType::Int8 => signed(8),
            DataType::Int4 => signed(4),
            DataType::Int2 => signed(2),
            DataType::Uint64 => unsigned(64),
            DataType::Uint32 => unsigned(32),
            DataType::Uint16 => unsigned(16),
            DataType::Uint8 => unsigned(8),
            DataType::Uint4 => unsigned(4),
            DataType::Uint2 => unsigned(2),
            _ => None,
        }
    }
}

/// `f32`, `i64`, `bool`, `float8e5m2`.
impl std::fmt::Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.0 {
            DataType::Float => "f32",
            DataType::Double => "f64",
            DataType::Float16 => "f16",
            DataType::Bfloat16 => "bf16",
            DataType::Int64 => "i64",
            DataType::Int32 => "i32",
            DataType::Int16 => "i16",
            DataType::Int8 => "i8",
            DataType::Uint64 => "u64",
            DataType::Uint32 => "u32",
            DataType::Uint16 => "u16",
            DataType::Uint8 => "u8",
            DataType::Bool => "bool",
            DataType::String => "text",
            other => return f.write_str(&format!("{other:?}").to_lowercase()),
        };
        f.write_str(name)
    }
}
