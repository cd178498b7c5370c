//! Safetensors files: their headers, and what is wrong with them. It knows no model.

use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, SafeTensors};

use super::CheckpointError;
use super::seal::Notes;
use super::tensors::{Format, Named, Tensors, beginning};
use crate::formats::element::{Element, Order};
use crate::formats::part::Part;
use crate::formats::tensor::Tensor;
use kiln_graph::names::shown;

/// The longest header that the format allows, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;

/// Whether a file begins as a safetensors file does, whose header has less than 2^32 bytes.
pub fn is_one(bytes: &[u8]) -> bool {
    matches!(bytes, [_, _, _, _, 0, 0, 0, 0, b'{', ..])
}

/// That a file is not what it should be.
pub fn foreign(path: &Path, reason: impl ToString) -> CheckpointError {
    // The reasons of parsers hold parts of the file.
    super::tensors::foreign(path, "safetensors", shown(&reason.to_string()))
}

/// The header of a file of `length` bytes that begins with these, which hold the header if the file does; where it ends. A file
/// that ends before its header says is truncated; one that does not begin with a header is foreign.
fn header(path: &Path, bytes: &[u8], length: u64) -> Result<(Metadata, u64), CheckpointError> {
    let truncated = |expected| CheckpointError::Truncated { path: path.into(), expected, found: length };
    let Some((announced, rest)) = bytes.split_first_chunk() else { return Err(truncated(8)) };
    let announced = u64::from_le_bytes(*announced);
    if rest.first().is_some_and(|&byte| byte != b'{') {
        return Err(foreign(path, "it does not begin with a header"));
    }
    if announced > LONGEST_HEADER {
        return Err(foreign(path, format!("its header is said to have {announced} bytes, more than {LONGEST_HEADER}")));
    }
    let start = 8 + announced;
    let Some(text) = rest.get(..announced as usize) else { return Err(truncated(start)) };
    let metadata: Metadata = serde_json::from_slice(text).map_err(|error| foreign(path, error))?;
    let end = start.saturating_add(metadata.data_len() as u64);
    match length < end {
        true => Err(truncated(end)),
        false => Ok((metadata, start)),
    }
}

fn notes_of(metadata: &Metadata) -> Notes {
    metadata.metadata().iter().flatten().map(|(name, text)| (name.clone(), text.clone())).collect()
}

/// The tensors of a file, which is checked to be whole, and what it says beside them.
pub fn open_noted<'a>(path: &Path, bytes: &'a [u8]) -> Result<(SafeTensors<'a>, Notes), CheckpointError> {
    let (metadata, _) = header(path, bytes, bytes.len() as u64)?;
    let file = SafeTensors::deserialize(bytes).map_err(|error| foreign(path, error))?;
    Ok((file, notes_of(&metadata)))
}

/// The tensors of a file under their names, and its notes, by its header.
pub fn read(path: &Path, file: Part) -> Result<Tensors, CheckpointError> {
    let announced = beginning(path, &file, 9)?;
    let announced = announced.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
    let bytes = beginning(path, &file, 9 + announced.min(LONGEST_HEADER) as usize)?;
    let (metadata, start) = header(path, &bytes, file.len() as u64)?;
    let start = start as usize;
    let behind = file.len() - start - metadata.data_len();
    if behind > 0 {
        return Err(foreign(
            path,
            format!("it is not fully covered by its tensors, which end {behind} bytes before it"),
        ));
    }
    let mut named = Named::new();
    for (name, info) in metadata.tensors() {
        let (from, to) = info.data_offsets;
        let data = file.part(start + from..start + to);
        let data = data.ok_or_else(|| foreign(path, "its tensors lie beyond its end"))?;
        let tensor = Tensor::dense(element(info.dtype), Order::Little, info.shape.clone(), false, data);
        named.insert(name, tensor.map_err(|reason| foreign(path, reason))?);
    }
    Ok(Tensors { format: Format::Safetensors, notes: notes_of(&metadata), named })
}

fn element(dtype: Dtype) -> Element {
    match dtype {
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::BF16,
        Dtype::F32 => Element::F32,
        Dtype::F64 => Element::F64,
        Dtype::I8 => Element::I8,
        Dtype::I16 => Element::I16,
        Dtype::I32 => Element::I32,
        Dtype::I64 => Element::I64,
        Dtype::U8 => Element::U8,
        Dtype::U16 => Element::U16,
        Dtype::U32 => Element::U32,
        Dtype::U64 => Element::U64,
        Dtype::BOOL => Element::Bool,
        Dtype::C64 => Element::Other("C64", 8),
        Dtype::F4 => Element::Other("F4", 0),
        Dtype::F6_E2M3 => Element::Other("F6_E2M3", 0),
        Dtype::F6_E3M2 => Element::Other("F6_E3M2", 0),
        Dtype::F8_E5M2 => Element::Other("F8_E5M2", 1),
        Dtype::F8_E4M3 => Element::Other("F8_E4M3", 1),
        Dtype::F8_E8M0 => Element::Other("F8_E8M0", 1),
        _ => Element::Other("of a newer version of the format", 0),
    }
}
