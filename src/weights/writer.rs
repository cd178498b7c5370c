//! Writing files of weights, one tensor after the other. It knows no models.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use super::{Element, Format, Stored};
use crate::checkpoint::{CheckpointError, Entry, Notes, foreign, header};
use crate::files::replace_file_with;
use crate::formats::archive::write_archive;
use crate::formats::npy;
use kiln_graph::names::shown;

/// A file of weights to be written: first what its tensors are, then their numbers, one tensor at a time, so that no more than
/// one is in memory.
#[derive(Clone, Debug)]
pub struct WeightsWriter {
    format: Format,
    notes: Notes,
    tensors: Vec<Announced>,
}

/// A tensor's name, element type and shape.
type Announced = (String, Element, Vec<usize>);

/// What reads a tensor that was announced.
type Numbers<'r> = &'r mut dyn FnMut(&Announced) -> io::Result<Stored>;

/// Writes a tensor as NumPy does.
fn write_array(file: &mut dyn Write, tensor: &Announced, numbers: Numbers<'_>) -> io::Result<()> {
    let (_, element, shape) = tensor;
    file.write_all(&npy::header(*element, shape))?;
    file.write_all(numbers(tensor)?.bytes())
}

impl WeightsWriter {
    /// A file of this format without tensors. (Formats of PyTorch, and several files with an index, are not written.)
    pub fn new(format: Format) -> WeightsWriter {
        WeightsWriter { format, notes: Notes::new(), tensors: Vec::new() }
    }

    /// What a safetensors file says beside its tensors; others say nothing.
    pub fn notes(mut self, notes: BTreeMap<String, String>) -> WeightsWriter {
        self.notes = notes;
        self
    }

    /// Announces a tensor. One of the same name that was announced before is replaced.
    pub fn tensor(mut self, name: &str, element: Element, shape: &[usize]) -> WeightsWriter {
        self.tensors.retain(|(other, ..)| other != name);
        self.tensors.push((name.to_owned(), element, shape.to_vec()));
        self
    }

    /// Writes the file, asking `read` for each tensor by its name, in an order of the format's. The file is replaced as
    /// [`Checkpoint::save`](crate::Checkpoint::save) does it.
    ///
    /// # Errors
    /// Those of `read`; [`CheckpointError::Write`]; [`CheckpointError::Foreign`] for what the format has not: a format that is not
    /// written, element types that it does not know, an `.npy` file of another number of tensors than one, a tensor that is not
    /// what was announced. What stood at the path still does.
    pub fn write(
        &self,
        path: impl AsRef<Path>,
        mut read: impl FnMut(&str) -> Result<Stored, CheckpointError>,
    ) -> Result<(), CheckpointError> {
        let path = path.as_ref();
        self.check().map_err(|reason| foreign(path, self.format.name(), reason))?;
        let mut failed = None;
        let mut numbers = |(name, element, shape): &Announced| {
            let read = read(name).and_then(|stored| stored.expect(path, *element, shape));
            // The error is told by what comes out of this function; the writing only has to end.
            read.map_err(|error| {
                failed = Some(error);
                io::Error::other("a tensor could not be read")
            })
        };
        let written = replace_file_with(path, |file| match self.format {
            Format::Npz => {
                let entries = self.tensors.iter().map(|tensor| (format!("{}.npy", tensor.0), tensor));
                write_archive(file, false, entries, |tensor, entry| write_array(entry, tensor, &mut numbers))
            }
            Format::Npy => self.tensors.iter().try_for_each(|tensor| write_array(file, tensor, &mut numbers)),
            _ => self.write_safetensors(file, &mut numbers),
        });
        match (failed, written) {
            (Some(error), _) => Err(error),
            (None, Err(source)) => Err(CheckpointError::Write { path: path.into(), source }),
            (None, Ok(())) => Ok(()),
        }
    }

    fn write_safetensors(&self, file: &mut dyn Write, numbers: Numbers<'_>) -> io::Result<()> {
        let entry = |(name, element, shape): &Announced| Entry {
            name: name.clone(),
            element: element.name().to_owned(),
            shape: shape.clone(),
            width: element.width(),
            length: shape.iter().product::<usize>() * element.width(),
        };
        let mut entries: Vec<Entry> = self.tensors.iter().map(entry).collect();
        file.write_all(&header(&mut entries, &self.notes)?)?;
        let tensors: BTreeMap<&str, _> = self.tensors.iter().map(|tensor| (tensor.0.as_str(), tensor)).collect();
        for entry in &entries {
            file.write_all(numbers(tensors[entry.name.as_str()])?.bytes())?;
        }
        Ok(())
    }

    /// That the format can hold these tensors.
    fn check(&self) -> Result<(), String> {
        let knows: fn(Element) -> bool = match self.format {
            Format::Safetensors => |element| !matches!(element, Element::Other(..)),
            Format::Npz | Format::Npy => npy::knows,
            Format::Index | Format::PyTorch | Format::Onnx => {
                return Err("files of this format are not written: take safetensors, which PyTorch reads".to_owned());
            }
        };
        if self.format == Format::Npy && self.tensors.len() != 1 {
            return Err(format!("it holds one tensor, not {}: choose one, or take .npz", self.tensors.len()));
        }
        match self.tensors.iter().find(|(_, element, _)| !knows(*element)) {
            Some((name, element, _)) => {
                Err(format!("{} has elements of type {element}, which it has not", shown(name)))
            }
            None => Ok(()),
        }
    }
}
