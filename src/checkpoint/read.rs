//! The tensors of a safetensors file as a model takes them. It changes no model.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use kiln_graph::{Kind, Parameters, Shape};
use ndarray::ArrayD;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorView};

use super::CheckpointError;
use super::options::{IncompatibleKeys, LoadOptions};
use super::seal::Notes;
use super::write::dtype;
use crate::names::shown;

/// What a parameter gets.
pub enum Content {
    /// Its value.
    Value(ArrayD<f32>),
    /// Its count.
    Count(i64),
}

/// What the model's parameters get, by their names, and what does not go together.
pub fn decode(
    model: &impl Parameters,
    path: &Path,
    bytes: &[u8],
    options: &LoadOptions<'_>,
) -> Result<(HashMap<String, Content>, IncompatibleKeys), CheckpointError> {
    let file = open(path, bytes)?;
    let mut sources = sources(&file, path, options)?;
    let layers: HashSet<String> = sources.keys().map(|name| layer(name).to_owned()).collect();
    let (mut contents, mut keys) = (HashMap::new(), IncompatibleKeys::default());
    let mut result = Ok(());
    model.each_parameter(&mut |name, parameter| {
        let Some(in_file) = sources.remove(name) else {
            // PyTorch's files had no counters before version 2 of the layer's state.
            if parameter.kind == Kind::Counter && layers.contains(layer(name)) {
                contents.insert(name.to_owned(), Content::Count(0));
            } else {
                keys.missing_keys.push(name.to_owned());
            }
            return;
        };
        if result.is_ok() {
            let tensor = file.tensor(&in_file).map_err(|error| foreign(path, error));
            let found = tensor.and_then(|tensor| content(&tensor, path, &in_file, parameter.kind, parameter.shape()));
            result = found.map(|found| _ = contents.insert(name.to_owned(), found));
        }
    });
    keys.unexpected_keys = sources.into_values().collect();
    keys.unexpected_keys.sort();
    if options.strict && !keys.missing_keys.is_empty() {
        let (names, unexpected) = (keys.missing_keys, keys.unexpected_keys);
        return Err(CheckpointError::Missing { path: path.into(), names, unexpected });
    }
    if options.strict && !keys.unexpected_keys.is_empty() {
        return Err(CheckpointError::Unexpected { path: path.into(), names: keys.unexpected_keys });
    }
    result?;
    Ok((contents, keys))
}

/// What a tensor's name begins with: that of its layer.
fn layer(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(layer, _)| layer)
}

/// The names of the file's tensors by those that they have in the model.
fn sources(
    file: &SafeTensors<'_>,
    path: &Path,
    options: &LoadOptions<'_>,
) -> Result<HashMap<String, String>, CheckpointError> {
    let mut names: Vec<String> = file.names().into_iter().map(str::to_owned).collect();
    names.sort();
    let mut sources = HashMap::new();
    for in_file in &names {
        let Some(name) = options.name(in_file) else { continue };
        if let Some(other) = sources.insert(name.clone(), in_file.clone()) {
            return Err(CheckpointError::SameName { path: path.into(), names: [other, in_file.clone()], name });
        }
    }
    if sources.is_empty() && !options.prefix.is_empty() {
        return Err(CheckpointError::Prefix { path: path.into(), prefix: options.prefix.clone(), names });
    }
    Ok(sources)
}

/// What a parameter of this kind and shape gets of a tensor.
fn content(
    tensor: &TensorView<'_>,
    path: &Path,
    name: &str,
    kind: Kind,
    shape: Shape,
) -> Result<Content, CheckpointError> {
    let (path, name) = (path.to_owned(), name.to_owned());
    let fits = tensor.shape() == shape.dims() || (kind == Kind::Counter && tensor.shape() == [1]);
    if !fits {
        return Err(CheckpointError::WrongShape { path, name, expected: shape, found: tensor.shape().to_vec() });
    }
    let wrong_type = |path, name| {
        let (expected, found) = (dtype(kind).to_string(), tensor.dtype().to_string());
        CheckpointError::WrongType { path, name, expected, found }
    };
    if kind == Kind::Counter {
        let Some(count) = count(tensor) else { return Err(wrong_type(path, name)) };
        return count.map(Content::Count).map_err(|found| CheckpointError::Count { path, name, found });
    }
    if tensor.dtype() != dtype(kind) {
        return Err(wrong_type(path, name));
    }
    let mut numbers = kiln_rt::room(shape.elements());
    numbers.extend(tensor.data().as_chunks().0.iter().map(|&word| f32::from_le_bytes(word)));
    let value = ArrayD::from_shape_vec(shape.dims(), numbers).map_err(|error| foreign(&path, error))?;
    Ok(Content::Value(value))
}

/// The whole number in a tensor of one element, of any type that holds such exactly; what it holds instead, if it is none.
/// Nothing for other types.
fn count(tensor: &TensorView<'_>) -> Option<Result<i64, String>> {
    macro_rules! number {
        ($ty:ty) => {
            <$ty>::from_le_bytes(*tensor.data().first_chunk()?)
        };
    }
    let whole = |number: i128| match i64::try_from(number) {
        Ok(count) if count >= 0 => Ok(count),
        _ => Err(number.to_string()),
    };
    // A float that is a whole number below 2^63 is one of i128, too.
    let float = |number: f64| {
        if number.fract() == 0.0 && number.abs() < 9.3e18 { whole(number as i128) } else { Err(number.to_string()) }
    };
    Some(match tensor.dtype() {
        Dtype::I8 => whole(number!(i8).into()),
        Dtype::I16 => whole(number!(i16).into()),
        Dtype::I32 => whole(number!(i32).into()),
        Dtype::I64 => whole(number!(i64).into()),
        Dtype::U8 => whole(number!(u8).into()),
        Dtype::U16 => whole(number!(u16).into()),
        Dtype::U32 => whole(number!(u32).into()),
        Dtype::U64 => whole(number!(u64).into()),
        Dtype::F32 => float(number!(f32).into()),
        Dtype::F64 => float(number!(f64)),
        _ => return None,
    })
}

/// That a file is not what it should be.
pub fn foreign(path: &Path, reason: impl ToString) -> CheckpointError {
    // The reasons of parsers hold parts of the file.
    CheckpointError::Foreign { path: path.into(), reason: shown(&reason.to_string()) }
}

/// The longest header that the format allows, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;

/// The tensors of a file, which begins with the length of its JSON header (8 bytes) and the header. A file that ends
/// before its header says is truncated; one that does not begin so is foreign.
pub fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<SafeTensors<'a>, CheckpointError> {
    open_noted(path, bytes).map(|(file, _)| file)
}

/// [`open`], with what the file says beside its tensors.
pub fn open_noted<'a>(path: &Path, bytes: &'a [u8]) -> Result<(SafeTensors<'a>, Notes), CheckpointError> {
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
    let file = SafeTensors::deserialize(bytes).map_err(|error| foreign(path, error))?;
    let notes = metadata.metadata().iter().flatten().map(|(name, text)| (name.clone(), text.clone())).collect();
    Ok((file, notes))
}
