//! Tensors as a safetensors file, whose bytes depend on nothing but the tensors and the notes. It writes no file.
//!
//! The crate `safetensors` writes the same format, with a header in the order of a hash map: other bytes each time.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::io;
use std::path::Path;

use kiln_graph::{Kind, Parameter, Parameters};
use safetensors::tensor::{Dtype, View};
use serde_json::json;

use super::error::CheckpointError;
use super::options::FilePrecision;
use super::seal::Notes;
use crate::formats::half::{F16, bfloat16, to_bfloat16};

/// The longest header that the format allows, in bytes.
const LONGEST_HEADER: usize = 100_000_000;

/// A tensor of a file that is to be written.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: String,
    /// Its element type, as the format names it.
    pub element: String,
    pub shape: Vec<usize>,
    /// Bytes of an element, and of all.
    pub width: usize,
    pub length: usize,
}

/// Sorts tensors as they follow each other in a file (the wide elements first, so that all lie at multiples of their width;
/// then by name), and gives what stands before them.
///
/// # Errors
/// Where that is longer than the format allows.
pub fn header(entries: &mut [Entry], notes: &Notes) -> io::Result<Vec<u8>> {
    entries.sort_by(|a, b| (Reverse(a.width), &a.name).cmp(&(Reverse(b.width), &b.name)));
    let mut parts = Vec::with_capacity(entries.len() + 1);
    if !notes.is_empty() {
        parts.push(format!("\"__metadata__\":{}", json!(notes)));
    }
    let mut start = 0;
    for Entry { name, element, shape, length, .. } in entries {
        let end = start + *length;
        // An object has its entries in the order of the alphabet, or of this text: either way in one.
        let info = json!({ "dtype": element, "shape": shape, "data_offsets": [start, end] });
        parts.push(format!("{}:{info}", json!(name)));
        start = end;
    }
    let mut text = format!("{{{}}}", parts.join(",")).into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    if text.len() > LONGEST_HEADER {
        return Err(io::Error::other(format!("its header would have more than {LONGEST_HEADER} bytes")));
    }
    Ok([&(text.len() as u64).to_le_bytes(), &text[..]].concat())
}

/// The bytes of a file of these tensors.
pub fn serialize<V: View>(tensors: Vec<(String, V)>, notes: &Notes) -> io::Result<Vec<u8>> {
    let entry = |(name, tensor): &(String, V)| Entry {
        name: name.clone(),
        element: tensor.dtype().to_string(),
        shape: tensor.shape().to_vec(),
        width: tensor.dtype().bitsize() / 8,
        length: tensor.data_len(),
    };
    let mut entries: Vec<Entry> = tensors.iter().map(entry).collect();
    let mut bytes = header(&mut entries, notes)?;
    bytes.reserve_exact(entries.iter().map(|entry| entry.length).sum());
    let tensors: HashMap<String, V> = tensors.into_iter().collect();
    for tensor in entries.iter().filter_map(|entry| tensors.get(&entry.name)) {
        bytes.extend(&*tensor.data());
    }
    Ok(bytes)
}

/// The bytes of a model's file.
pub fn encode(model: &impl Parameters, precision: FilePrecision) -> io::Result<Vec<u8>> {
    let mut tensors = Vec::new();
    model.each_parameter(&mut |name, parameter| tensors.push((name.to_string(), Stored { parameter, precision })));
    // What PyTorch's own writer says, and some readers insist on.
    serialize(tensors, &Notes::from([("format".to_owned(), "pt".to_owned())]))
}

/// That a file of this precision has a number for each of the model's.
pub fn check_range(model: &impl Parameters, path: &Path, precision: FilePrecision) -> Result<(), CheckpointError> {
    let (element, is_infinite): (_, fn(f32) -> bool) = match precision {
        FilePrecision::F32 => return Ok(()),
        FilePrecision::F16 => ("F16", |number| f32::from(F16::from(number)).is_infinite()),
        FilePrecision::Bf16 => ("BF16", |number| bfloat16(to_bfloat16(number.into())).is_infinite()),
    };
    let mut found = Ok(());
    model.each_parameter(&mut |name, parameter| {
        let too_large = |number: &&f32| number.is_finite() && is_infinite(**number);
        if found.is_ok()
            && parameter.kind != Kind::Counter
            && let Some(&value) = parameter.value.iter().find(too_large)
        {
            found = Err(CheckpointError::TooLarge { path: path.into(), name: name.to_owned(), value, element });
        }
    });
    found
}

/// A parameter as safetensors wants to see it.
struct Stored<'a> {
    parameter: &'a Parameter,
    precision: FilePrecision,
}

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        match (self.parameter.kind, self.precision) {
            (Kind::Counter, _) => Dtype::I64,
            (Kind::Trained | Kind::Frozen | Kind::Buffer, FilePrecision::F32) => Dtype::F32,
            (Kind::Trained | Kind::Frozen | Kind::Buffer, FilePrecision::F16) => Dtype::F16,
            (Kind::Trained | Kind::Frozen | Kind::Buffer, FilePrecision::Bf16) => Dtype::BF16,
        }
    }

    fn shape(&self) -> &[usize] {
        self.parameter.value.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let numbers = self.parameter.value.iter().copied();
        match (self.parameter.count(), self.precision) {
            (Some(count), _) => count.to_le_bytes().to_vec().into(),
            (None, FilePrecision::F32) => numbers.flat_map(f32::to_le_bytes).collect(),
            (None, FilePrecision::F16) => numbers.flat_map(|x| F16::from(x).to_bits().to_le_bytes()).collect(),
            (None, FilePrecision::Bf16) => numbers.flat_map(|x| to_bfloat16(x.into()).to_le_bytes()).collect(),
        }
    }

    fn data_len(&self) -> usize {
        self.dtype().bitsize() / 8 * self.parameter.value.len()
    }
}
