//! The state of a training as a file: all states of the compiled programs, and where optimizers stand in their schedules.
//! Knows names and arrays, and nothing of what they are for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::{fs, io};

use kiln_graph::{DType, Shape};
use ndarray::ArrayD;
use safetensors::tensor::{Dtype, SafeTensors, View, serialize};

use super::programs::Programs;
use super::schedulers::Schedulers;
use crate::checkpoint::{CheckpointError, foreign, open};
use crate::files::replace_file;

/// A tensor as a file has it.
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.bytes.as_slice().into()
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// The element type of a state in a file.
fn dtype(dtype: DType) -> Dtype {
    match dtype {
        DType::F32 => Dtype::F32,
        DType::I32 | DType::Bool => Dtype::I32,
    }
}

/// Writes the state of a training.
pub(crate) fn save(path: &Path, programs: &Programs, schedulers: &Schedulers) -> Result<(), CheckpointError> {
    let mut tensors = Vec::new();
    let states = programs.states();
    for name in states.names() {
        let (Some(ty), shape) = (states.ty(name), states.ty(name).map_or(Shape::SCALAR, |ty| ty.shape)) else {
            continue;
        };
        let floats = states.read(name).into_iter().flatten().flat_map(f32::to_le_bytes);
        let integers = states.read_i32(name).into_iter().flatten().flat_map(i32::to_le_bytes);
        let bytes = floats.chain(integers).collect();
        tensors.push((name.to_owned(), Stored { dtype: dtype(ty.dtype), shape: shape.dims().to_vec(), bytes }));
    }
    for (name, numbers) in schedulers.state() {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        tensors.push((name, Stored { dtype: Dtype::F64, shape: vec![numbers.len()], bytes }));
    }
    let bytes = serialize(tensors, None).map_err(io::Error::other);
    bytes
        .and_then(|bytes| replace_file(path, &bytes))
        .map_err(|source| CheckpointError::Write { path: path.into(), source })
}

/// Takes the state of a training, if the file has all of it and nothing else.
pub(crate) fn load(path: &Path, programs: &mut Programs, schedulers: &mut Schedulers) -> Result<(), CheckpointError> {
    let bytes = fs::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => CheckpointError::NotFound { path: path.into() },
        _ => CheckpointError::Read { path: path.into(), source },
    })?;
    let file = open(path, &bytes)?;
    let schedules: HashMap<String, usize> = schedulers.state().map(|(name, numbers)| (name, numbers.len())).collect();
    check(path, &file, programs, &schedules)?;
    let words = |name: &str| file.tensor(name).map(|tensor| tensor.data().as_chunks::<4>().0).unwrap_or_default();
    let states = programs.states_mut();
    let names: Vec<String> = states.names().map(str::to_owned).collect();
    for name in names {
        let Some(ty) = states.ty(&name) else { continue };
        let (dims, words) = (ty.shape.dims(), words(&name));
        // Both were checked: there is no error.
        let written = match ty.dtype {
            DType::F32 => {
                let values = words.iter().map(|&word| f32::from_le_bytes(word)).collect();
                ArrayD::from_shape_vec(dims, values).map(|values| states.write(&name, values.view()))
            }
            DType::I32 | DType::Bool => {
                let values = words.iter().map(|&word| i32::from_le_bytes(word)).collect();
                ArrayD::from_shape_vec(dims, values).map(|values| states.write_i32(&name, values.view()))
            }
        };
        debug_assert!(matches!(written, Ok(Ok(()))), "{name}");
    }
    schedulers.set_state(|name| {
        let tensor = file.tensor(name).ok()?;
        Some(tensor.data().as_chunks::<8>().0.iter().map(|&word| f64::from_le_bytes(word)).collect())
    });
    Ok(())
}

/// That a file holds the states of the programs and the numbers of the schedules, and nothing else.
fn check(
    path: &Path,
    file: &SafeTensors<'_>,
    programs: &Programs,
    schedules: &HashMap<String, usize>,
) -> Result<(), CheckpointError> {
    let states = programs.states();
    let wanted = |name: &str| match schedules.get(name) {
        Some(&count) => Some((Dtype::F64, Shape::new(&[count]))),
        None => states.ty(name).map(|ty| (dtype(ty.dtype), ty.shape)),
    };
    let mut unexpected: Vec<String> =
        file.names().into_iter().filter(|name| wanted(name).is_none()).map(str::to_owned).collect();
    unexpected.sort();
    let known: Vec<&str> = states.names().chain(schedules.keys().map(String::as_str)).collect();
    let missing: Vec<String> =
        (known.iter()).filter(|name| file.tensor(name).is_err()).map(|&name| name.to_owned()).collect();
    if !missing.is_empty() {
        return Err(CheckpointError::Missing { path: path.into(), names: missing, unexpected });
    }
    if !unexpected.is_empty() {
        return Err(CheckpointError::Unexpected { path: path.into(), names: unexpected });
    }
    for name in known {
        let Some((dtype, shape)) = wanted(name) else { continue };
        let tensor = file.tensor(name).map_err(|error| foreign(path, error))?;
        let (path, name) = (path.to_owned(), name.to_owned());
        if tensor.shape() != shape.dims() {
            return Err(CheckpointError::WrongShape { path, name, expected: shape, found: tensor.shape().to_vec() });
        }
        if tensor.dtype() != dtype {
            let (expected, found) = (dtype.to_string(), tensor.dtype().to_string());
            return Err(CheckpointError::WrongType { path, name, expected, found });
        }
    }
    Ok(())
}
