//! Safetensors files: their headers, and what is wrong with them. It knows no model.

use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, SafeTensors};

use super::CheckpointError;
use super::seal::Notes;
use super::tensors::Tensors;
use crate::formats::bytes::Bytes;
use crate::formats::element::{Element, Order};
use crate::formats::tensor::Tensor;
use crate::names::shown;

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

/// That a file begins with the length of its JSON header (8 bytes) and the header, and has all bytes that this announces. A
/// file that ends before its header says is truncated; one that does not begin so is foreign. What the header says.
fn check(path: &Path, bytes: &[u8]) -> Result<Metadata, CheckpointError> {
    let truncated = |expected| CheckpointError::Truncated { path: path.into(), expected, found: bytes.len() as u64 };
    let Some((length, rest)) = bytes.split_first_chunk() else { return Err(truncated(8)) };
    let length = u64::from_le_bytes(*length);
    if rest.first().is_some_and(|&byte| byte != b'{') {
        return Err(foreign(path, "it does not begin with a header"));
    }
    if length > LONGEST_HEADER {
        return Err(foreign(path, format!("its header is said to have {length} bytes, more than {LONGEST_HEADER}")));
    }
    if (rest.len() as u64) < length {
        return Err(truncated(8 + length));
    }
    let (header, data) = rest.split_at(length as usize);
    let metadata: Metadata = serde_json::from_slice(header).map_err(|error| foreign(path, error))?;
    let end = metadata.data_len() as u64;
    if (data.len() as u64) < end {
        return Err(truncated((8 + length).saturating_add(end)));
    }
    Ok(metadata)
}

/// The tensors of a file, which is checked to be whole, and what it says beside them.
pub fn open_noted<'a>(path: &Path, bytes: &'a [u8]) -> Result<(SafeTensors<'a>, Notes), CheckpointError> {
    let metadata = check(path, bytes)?;
    let file = SafeTensors::deserialize(bytes).map_err(|error| foreign(path, error))?;
    let notes = metadata.metadata().iter().flatten().map(|(name, text)| (name.clone(), text.clone())).collect();
    Ok((file, notes))
}

/// The tensors of a file under their names.
pub fn read(path: &Path, bytes: Bytes) -> Result<Tensors, CheckpointError> {
    check(path, &bytes)?;
    let (header, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| foreign(path, error))?;
    let start = 8 + header;
    let mut tensors = Tensors::new();
    for (name, info) in metadata.tensors() {
        let (from, to) = info.data_offsets;
        let data =
            bytes.part(start + from..start + to).ok_or_else(|| foreign(path, "its tensors lie beyond its end"))?;
        let tensor = Tensor::dense(element(info.dtype), Order::Little, info.shape.clone(), false, data);
        tensors.insert(name, tensor.map_err(|reason| foreign(path, reason))?);
    }
    Ok(tensors)
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
