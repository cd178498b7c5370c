//! Reading of cases: safetensors files whose metadata says what is computed. Knows no operation.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{ArrayD, IxDyn};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value as Json};

/// The data of a tensor. f32 values are exact in f64.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    /// Numbers.
    Float(ArrayD<f64>),
    /// Indices, masks and counters.
    Int(ArrayD<i64>),
}

impl Array {
    /// The extents.
    pub fn shape(&self) -> &[usize] {
        match self {
            Array::Float(values) => values.shape(),
            Array::Int(values) => values.shape(),
        }
    }

    /// Element `index` of the first axis.
    pub fn at(&self, index: usize) -> Array {
        match self {
            Array::Float(values) => Array::Float(values.index_axis(ndarray::Axis(0), index).to_owned()),
            Array::Int(values) => Array::Int(values.index_axis(ndarray::Axis(0), index).to_owned()),
        }
    }

    /// The numbers in row-major order.
    fn numbers(&self) -> Vec<f64> {
        match self {
            Array::Float(values) => values.iter().copied().collect(),
            Array::Int(values) => values.iter().map(|&value| value as f64).collect(),
        }
    }
}

/// The arguments of an operation under PyTorch's names.
#[derive(Clone, Debug, Default)]
pub struct Attributes(pub Map<String, Json>);

impl Attributes {
    /// The argument, unless it is absent or null.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A number.
    pub fn f64(&self, name: &str) -> Option<f64> {
        self.get(name)?.as_f64()
    }

    /// A switch; off if absent.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(Json::as_bool).unwrap_or(false)
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// A whole number.
    pub fn int(&self, name: &str) -> Option<isize> {
        self.get(name)?.as_i64().map(|value| value as isize)
    }

    /// One whole number or several.
    pub fn ints(&self, name: &str) -> Option<Vec<isize>> {
        match self.get(name)? {
            Json::Array(items) => items.iter().map(|item| item.as_i64().map(|value| value as isize)).collect(),
            item => item.as_i64().map(|value| vec![value as isize]),
        }
    }

    /// One number or several.
    pub fn numbers(&self, name: &str) -> Option<Vec<f64>> {
        match self.get(name)? {
            Json::Array(items) => items.iter().map(Json::as_f64).collect(),
            item => item.as_f64().map(|value| vec![value]),
        }
    }

    /// `count` sizes, one given for all or each by itself; an error if one is negative.
    pub fn sizes(&self, name: &str, count: usize, default: usize) -> Result<Vec<usize>, Refusal> {
        let Some(given) = self.ints(name) else { return Ok(vec![default; count]) };
        let all = if given.len() == 1 { vec![given[0]; count] } else { given };
        let size = |value: isize| usize::try_from(value).map_err(|_| Refusal::Unsigned(name.into()));
        all.into_iter().map(size).collect()
    }
}

/// Why a case is not built.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// What Kiln does not have yet.
    Later(String),
    /// The value does not exist in the type of Kiln's argument, which is unsigned: rustc refuses it.
    Unsigned(String),
    /// Kiln's own error.
    Error(String),
    /// The case lacks something.
    Case(String),
}

impl Refusal {
    /// Something that Kiln does not have yet.
    pub fn later(what: impl Into<String>) -> Refusal {
        Refusal::Later(what.into())
    }
}

/// How far a result may be off: `atol + rtol * |expected|`.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// The relative part.
    pub rtol: f64,
    /// The absolute part.
    pub atol: f64,
}

/// One file.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file, for messages only.
    pub file: String,
    /// What is computed.
    pub op: String,
    /// Its arguments.
    pub attributes: Attributes,
    /// What PyTorch says, if it refuses the use.
    pub error: Option<String>,
    /// How far results may be off.
    pub tolerance: Tolerance,
    /// Given and expected tensors by name.
    pub tensors: BTreeMap<String, Array>,
}

impl Case {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Case, String> {
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        let text = |error: safetensors::SafeTensorError| error.to_string();
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(text)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let json = |name: &str| -> Result<Map<String, Json>, String> {
            let text = metadata.get(name).ok_or(format!("no `{name}` in the metadata"))?;
            serde_json::from_str(text).map_err(|error| format!("`{name}`: {error}"))
        };
        let tolerance = Attributes(json("tolerance")?);
        let part = |name| tolerance.f64(name).ok_or(format!("no `{name}` in the tolerance"));
        let file = SafeTensors::deserialize(&bytes).map_err(text)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            tensors.insert(name, array(view.dtype(), view.shape(), view.data())?);
        }
        Ok(Case {
            file: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            op: metadata.get("op").cloned().ok_or("no `op` in the metadata")?,
            attributes: Attributes(json("attrs")?),
            error: metadata.get("error").cloned(),
            tolerance: Tolerance { rtol: part("rtol")?, atol: part("atol")? },
            tensors,
        })
    }

    /// The tensors whose names begin with the prefix, with the rest of their names.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Array)> {
        self.tensors.iter().filter_map(move |(name, array)| Some((name.strip_prefix(prefix)?, array)))
    }
}

fn array(dtype: Dtype, shape: &[usize], bytes: &[u8]) -> Result<Array, String> {
    let shape = IxDyn(shape);
    let array = match dtype {
        Dtype::F32 => {
            let numbers = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f64);
            ArrayD::from_shape_vec(shape, numbers.collect()).map(Array::Float)
        }
        Dtype::I64 => {
            let number = |b: &[u8]| i64::from_le_bytes(b.try_into().expect("eight bytes"));
            ArrayD::from_shape_vec(shape, bytes.chunks_exact(8).map(number).collect()).map(Array::Int)
        }
        other => return Err(format!("a tensor of type {other:?}")),
    };
    array.map_err(|error| error.to_string())
}

/// Says where a result differs from what is expected, if it does.
pub fn compare(name: &str, found: &Array, expected: &Array, tolerance: Tolerance) -> Result<(), String> {
    if found.shape() != expected.shape() {
        return Err(format!("{name} has shape {:?}, not {:?}", found.shape(), expected.shape()));
    }
    let exact = matches!(expected, Array::Int(_));
    let agree = |found: f64, expected: f64| {
        let close = (found - expected).abs() <= tolerance.atol + tolerance.rtol * expected.abs();
        found == expected || found.is_nan() && expected.is_nan() || !exact && expected.is_finite() && close
    };
    for (index, (found, expected)) in found.numbers().into_iter().zip(expected.numbers()).enumerate() {
        if !agree(found, expected) {
            return Err(format!("{name} holds {found:e} at {index}, not {expected:e}"));
        }
    }
    Ok(())
}
