//! The state of a training as a file: all states of the compiled programs, where optimizers stand in their schedules,
//! and notes of whoever saves. Knows names and arrays, and nothing of what they are for.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::{fs, io};

use kiln_graph::{DType, Shape, Type, counter};
use ndarray::ArrayD;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, View};

use super::programs::{OwnValues, Programs};
use super::schedulers::Schedulers;
use crate::checkpoint::{CheckpointError, Notes, check_seal, open_noted, seal, serialize};
use crate::files::replace_file;
use kiln_graph::names::{numbers, shown};

/// The note of the seed, which decides on what layers draw.
const SEED: &str = "kiln.seed";

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

/// A state's element type and shape in a file. The digits of a counter, lower ones first, are the bytes of an i64.
fn stored_type(ty: Type) -> (Dtype, Shape) {
    match ty.dtype {
        _ if ty == counter::TYPE => (Dtype::I64, Shape::SCALAR),
        DType::F32 => (Dtype::F32, ty.shape),
        DType::Bf16 | DType::U8 | DType::I8 => unreachable!("no state of a training is narrow"),
        DType::I32 | DType::Bool => (Dtype::I32, ty.shape),
    }
}

/// What the name of a state ends with, of a further shard that has its own value of it; the first one's has the state's
/// name.
const SHARD: &str = ".shard_";

/// The state of which a tensor is a further shard's value, and the shard's number.
fn of_shard(name: &str) -> Option<(&str, usize)> {
    let (state, number) = name.rsplit_once(SHARD)?;
    Some((state, number.parse().ok().filter(|&number| number > 0)?))
}

/// The bytes of a file with the state of a training, its seed, and some notes; `own` are the values of states of which
/// each shard has its own.
pub(crate) fn encode(
    programs: &Programs,
    schedulers: &Schedulers,
    own: &OwnValues,
    mut notes: Notes,
) -> io::Result<Vec<u8>> {
    let mut tensors = Vec::new();
    let states = programs.states();
    for name in states.names() {
        let Some((dtype, shape)) = states.ty(name).map(stored_type) else { continue };
        if let Some((_, values)) = own.iter().find(|(of_shards, _)| of_shards == name) {
            for (shard, value) in values.iter().enumerate() {
                let name = if shard == 0 { name.to_owned() } else { format!("{name}{SHARD}{shard}") };
                let bytes = value.iter().flat_map(|number| number.to_le_bytes()).collect();
                tensors.push((name, Stored { dtype, shape: shape.dims().to_vec(), bytes }));
            }
            continue;
        }
        let floats = states.read(name).into_iter().flatten().flat_map(f32::to_le_bytes);
        let integers = states.read_i32(name).into_iter().flatten().flat_map(i32::to_le_bytes);
        let bytes = floats.chain(integers).collect();
        tensors.push((name.to_owned(), Stored { dtype, shape: shape.dims().to_vec(), bytes }));
    }
    for (name, numbers) in schedulers.state() {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        tensors.push((name, Stored { dtype: Dtype::F64, shape: vec![numbers.len()], bytes }));
    }
    notes.insert(SEED.to_owned(), programs.seed().to_string());
    notes.insert("format".to_owned(), "pt".to_owned());
    seal(&tensors, &mut notes);
    serialize(tensors, &notes)
}

/// Writes the state of a training, which this process alone does.
pub(crate) fn save(path: &Path, programs: &Programs, schedulers: &Schedulers) -> Result<(), CheckpointError> {
    let ranks = programs.shards().map_or(1, |shards| shards.world().ranks());
    if ranks > 1 && programs.is_between() {
        return Err(CheckpointError::Between { ranks });
    }
    let bytes = encode(programs, schedulers, &programs.own_values()?, Notes::new());
    bytes
        .and_then(|bytes| replace_file(path, &bytes))
        .map_err(|source| CheckpointError::Write { path: path.into(), source })
}

/// Takes the state of a training, if the file has all of it and nothing else; the notes that it was saved with.
pub(crate) fn load(
    path: &Path,
    programs: &mut Programs,
    schedulers: &mut Schedulers,
) -> Result<Notes, CheckpointError> {
    let bytes = fs::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => CheckpointError::NotFound { path: path.into() },
        _ => CheckpointError::Read { path: path.into(), source },
    })?;
    load_bytes(path, &bytes, programs, schedulers)
}

/// [`load`] of the bytes of a file; errors name it.
pub(crate) fn load_bytes(
    path: &Path,
    bytes: &[u8],
    programs: &mut Programs,
    schedulers: &mut Schedulers,
) -> Result<Notes, CheckpointError> {
    let (file, notes) = open_noted(path, bytes)?;
    let notes = check_seal(path, &file, notes)?;
    let schedules: HashMap<String, usize> = schedulers.state().map(|(name, numbers)| (name, numbers.len())).collect();
    check(path, &file, &notes, programs, &schedules)?;
    programs.deal_out();
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
            DType::Bf16 | DType::U8 | DType::I8 => unreachable!("no state of a training is narrow"),
            DType::I32 | DType::Bool => {
                let values = words.iter().map(|&word| i32::from_le_bytes(word)).collect();
                ArrayD::from_shape_vec(dims, values).map(|values| states.write_i32(&name, values.view()))
            }
        };
        debug_assert!(matches!(written, Ok(Ok(()))), "{name}");
    }
    let mut parts: BTreeMap<&str, BTreeMap<usize, &str>> = BTreeMap::new();
    let tensors = file.names();
    for (state, shard, name) in tensors.iter().filter(|name| programs.states().ty(name).is_none()).filter_map(|name| {
        let (state, shard) = of_shard(name)?;
        Some((state, shard, name))
    }) {
        parts.entry(state).or_default().insert(shard, name);
    }
    let own: Vec<String> = programs.shards().iter().flat_map(|shards| shards.own_states().iter().cloned()).collect();
    for state in parts.keys().copied().chain(own.iter().map(String::as_str)) {
        let Some(shape) = programs.states().ty(state).map(|ty| ty.shape) else { continue };
        let names = std::iter::once(&state).chain(parts.get(state).into_iter().flat_map(BTreeMap::values));
        let value = |name: &&str| {
            let values = words(name).iter().map(|&word| f32::from_le_bytes(word)).collect();
            ArrayD::from_shape_vec(shape.dims(), values).ok()
        };
        let values: Vec<ArrayD<f32>> = names.filter_map(value).collect();
        if !values.is_empty() {
            programs.set_own_state(state, &values);
        }
    }
    schedulers.set_state(|name| {
        let tensor = file.tensor(name).ok()?;
        Some(tensor.data().as_chunks::<8>().0.iter().map(|&word| f64::from_le_bytes(word)).collect())
    });
    Ok(notes)
}

/// What the names of an optimizer's own states have, such as its count of steps.
const OF_OPTIMIZER: &str = "optimizer.";

/// What is wrong with a number that can not be what it is in the file, if something is: counts are whole numbers from 0 on, and
/// an optimizer's rates are numbers. (Parameters, moments and averages may be any, as in a model's file: those of a training
/// that has gone astray are saved, too.)
fn wrong_number(path: &Path, name: &str, dtype: Dtype, bytes: &[u8]) -> Option<CheckpointError> {
    let count = |found: String, is_right: bool| {
        (!is_right).then(|| CheckpointError::Count { path: path.into(), name: name.to_owned(), found })
    };
    let is_whole = |number: f64| number >= 0.0 && number.is_finite() && number.fract() == 0.0;
    match dtype {
        Dtype::I64 => {
            let found = i64::from_le_bytes(*bytes.first_chunk()?);
            count(found.to_string(), found >= 0)
        }
        // How often a schedule was called stands first.
        Dtype::F64 => {
            let found = f64::from_le_bytes(*bytes.first_chunk()?);
            count(found.to_string(), is_whole(found))
        }
        Dtype::F32 => {
            let (before, own) = name.rsplit_once(OF_OPTIMIZER)?;
            let is_own = before.is_empty() || before.ends_with('.');
            let number = f32::from_le_bytes(bytes.try_into().ok().filter(|_| is_own)?);
            if ["step", "batches", "n_averaged"].contains(&own) {
                return count(number.to_string(), is_whole(number.into()));
            }
            number.is_nan().then(|| CheckpointError::Foreign {
                path: path.into(),
                format: "checkpoint",
                reason: format!("{} is NaN", shown(name)),
            })
        }
        _ => None,
    }
}

/// That a file holds the states of the programs and the numbers of the schedules, and nothing else.
fn check(
    path: &Path,
    file: &SafeTensors<'_>,
    notes: &Notes,
    programs: &Programs,
    schedules: &HashMap<String, usize>,
) -> Result<(), CheckpointError> {
    let states = programs.states();
    let wanted = |name: &str| match schedules.get(name) {
        Some(&count) => Some((Dtype::F64, Shape::new(&[count]))),
        // A further shard's value is as that of the first one, where the name is not a state's own.
        None => states.ty(name).or_else(|| states.ty(of_shard(name)?.0)).map(stored_type),
    };
    let (mut differences, mut numbers_of) = (Vec::new(), Vec::new());
    for name in states.names().chain(schedules.keys().map(String::as_str)) {
        let Some((dtype, shape)) = wanted(name) else { continue };
        let name_shown = shown(name);
        match file.tensor(name) {
            Err(_) => differences.push(format!("{name_shown} is not in the file")),
            // Counters were stored as their digits once, which are the same bytes.
            Ok(tensor) if dtype == Dtype::I64 && (tensor.dtype(), tensor.shape()) == (Dtype::I32, &[2]) => {
                numbers_of.push((name, dtype, tensor));
            }
            Ok(tensor) if tensor.dtype() != dtype || tensor.shape() != shape.dims() => differences.push(format!(
                "{name_shown} is {dtype} {shape} here and {} {} in the file",
                tensor.dtype(),
                numbers(tensor.shape()),
            )),
            Ok(tensor) => numbers_of.push((name, dtype, tensor)),
        }
    }
    let is_known = |name: &str| {
        let found = file.tensor(name).ok().map(|tensor| (tensor.dtype(), Shape::from(tensor.shape())));
        wanted(name).is_some_and(|wanted| of_shard(name).is_none() || found == Some(wanted))
    };
    let unknown = file.names().into_iter().filter(|name| !is_known(name));
    differences.extend(unknown.map(|name| format!("{} is in the file alone", shown(name))));
    differences.sort();
    if let Some(seed) = notes.get(SEED).filter(|seed| **seed != programs.seed().to_string()) {
        differences.push(format!("the seed is {} here and {} in the file", programs.seed(), shown(seed)));
    }
    if differences.is_empty() {
        let wrong =
            |(name, dtype, tensor): (&str, Dtype, TensorView<'_>)| wrong_number(path, name, dtype, tensor.data());
        return numbers_of.into_iter().find_map(wrong).map_or(Ok(()), Err);
    }
    // Every training is saved with its seed, and a file that others have written again without it has what a model has not.
    let is_training = file.names().into_iter().any(|name| wanted(name).is_some() && name.contains(OF_OPTIMIZER));
    Err(match is_training || notes.contains_key(SEED) {
        true => CheckpointError::Differs { path: path.into(), differences },
        false => CheckpointError::NoTraining { path: path.into() },
    })
}
