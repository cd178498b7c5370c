//! The tensors of an ONNX file, which get other numbers: the same network after another training. It computes nothing.

mod recurrent;

use std::path::{Path, PathBuf};

use kiln_graph::names::shown;
use kiln_onnx::Bytes;
use kiln_onnx::proto::tensor_proto::{DataLocation, DataType};
use kiln_onnx::proto::{ModelProto, TensorProto};

use crate::checkpoint::{CheckpointError, foreign, onnx_beside, onnx_element, onnx_message, open_part};
use crate::export::write_message;
use crate::weights::{Element, Stored};
use recurrent::Part;

/// An ONNX file of which tensors get other numbers: see [`OnnxWeights::set`].
///
/// A file of weights does not say what is computed with them; an ONNX file of the same network does.
///
/// ```
/// use kiln::onnx::OnnxWeights;
/// use kiln::prelude::*;
/// use kiln::weights::WeightsFile;
/// # let folder = std::env::temp_dir().join(format!("kiln-onnx-weights-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
///
/// model! {
///     struct Net { fc: Linear(4, 2) }
///
///     fn forward(x: [N, 4]) -> [N, 2] {
///         fc(x)
///     }
/// }
///
/// Net::init(1).export_onnx(folder.join("net.onnx"))?;
/// Net::init(2).save(folder.join("later.safetensors"))?;
///
/// let mut file = OnnxWeights::open(folder.join("net.onnx"))?;
/// let later = WeightsFile::open(folder.join("later.safetensors"))?;
/// for name in later.names() {
///     file.set(name, &later.read(name)?)?;
/// }
/// file.save(folder.join("later.onnx"))?;
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OnnxWeights {
    path: PathBuf,
    model: ModelProto,
    /// Tensors that files of weights have in several parts.
    parts: Vec<Part>,
}

impl OnnxWeights {
    /// Opens a file.
    ///
    /// # Errors
    /// [`CheckpointError::NotFound`], [`CheckpointError::Read`], [`CheckpointError::Foreign`].
    pub fn open(path: impl AsRef<Path>) -> Result<OnnxWeights, CheckpointError> {
        let path = path.as_ref();
        let (model, _) = onnx_message(path, &open_part(path)?)?;
        let parts = model.graph.as_ref().map(recurrent::parts).unwrap_or_default();
        Ok(OnnxWeights { path: path.to_owned(), model, parts })
    }

    fn constants(&self) -> impl Iterator<Item = &TensorProto> {
        self.model.graph.iter().flat_map(|graph| &graph.initializer)
    }

    /// The names of the tensors with their element types and shapes. Those of recurrent layers that Kiln wrote, in which ONNX has
    /// both directions and gates in its own order, are there as PyTorch has them: `lstm.weight_ih_l0` for a part of `lstm.W_l0`.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, Element, Vec<usize>)> {
        self.constants().flat_map(|tensor| {
            let parts: Vec<_> = self.parts.iter().filter(|part| part.within == tensor.name()).collect();
            let shape = tensor.dims.iter().map(|&extent| usize::try_from(extent).unwrap_or(0)).collect();
            let whole = parts.is_empty().then(|| (tensor.name(), element_of(tensor), shape));
            let parts = parts.into_iter().map(move |part| (part.name.as_str(), element_of(tensor), part.shape.clone()));
            whole.into_iter().chain(parts)
        })
    }

    /// Gives a tensor other numbers: floats as floats of the file's type, others of that type.
    ///
    /// # Errors
    /// [`CheckpointError::Foreign`] where the file has no such tensor, or one of another shape; [`CheckpointError::WrongType`].
    pub fn set(&mut self, name: &str, numbers: &Stored) -> Result<(), CheckpointError> {
        let path = &self.path;
        let part = self.parts.iter().find(|part| part.name == name);
        let within = part.map_or(name, |part| &part.within);
        let tensors = self.model.graph.iter_mut().flat_map(|graph| &mut graph.initializer);
        let Some(tensor) = tensors.into_iter().find(|tensor| tensor.name() == within) else {
            return Err(foreign(path, "ONNX", format!("it has no tensor {}", shown(name))));
        };
        let extents: Vec<i64> = match part {
            Some(part) => part.shape.iter().map(|&extent| extent as i64).collect(),
            None => tensor.dims.clone(),
        };
        let given = numbers.shape();
        if !extents.iter().map(|&extent| usize::try_from(extent).ok()).eq(given.iter().copied().map(Some)) {
            return Err(foreign(path, "ONNX", format!("{} has the shape {extents:?}, not {given:?}", shown(name))));
        }
        let numbers = numbers.to(element_of(tensor))?;
        let bytes = match part {
            None => Bytes::copy_from_slice(numbers.bytes()),
            Some(part) => {
                let mut all = bytes_of(path, tensor)?;
                let start = part.start * element_of(tensor).width();
                let new = part.in_order(numbers.bytes());
                let Some(place) = all.get_mut(start..start + new.len()) else {
                    return Err(foreign(path, "ONNX", format!("{} has too few numbers", shown(within))));
                };
                place.copy_from_slice(&new);
                all.into()
            }
        };
        set_bytes(tensor, bytes);
        Ok(())
    }

    /// Writes a file, which holds what others held beside this one; more than 2 GB lie beside it. One that is there is replaced.
    ///
    /// # Errors
    /// [`CheckpointError::Foreign`] for numbers that are not beside the file, [`CheckpointError::Write`].
    pub fn save(mut self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        let from = &self.path;
        for tensor in self.model.graph.iter_mut().flat_map(|graph| &mut graph.initializer) {
            if tensor.data_location != Some(DataLocation::External as i32) {
                continue;
            }
            let bytes = bytes_of(from, tensor)?;
            set_bytes(tensor, bytes.into());
        }
        let written = write_message(self.model, false, path.as_ref());
        written.map_err(|(path, source)| CheckpointError::Write { path, source })
    }
}

/// The numbers of a tensor, where they lie as bytes: in the file, or beside it.
fn bytes_of(path: &Path, tensor: &TensorProto) -> Result<Vec<u8>, CheckpointError> {
    let found = match (&tensor.raw_data, tensor.data_location == Some(DataLocation::External as i32)) {
        (_, true) => onnx_beside(path, tensor).and_then(|part| Ok(Vec::from(part.read()?))),
        (Some(bytes), false) => Ok(bytes.to_vec()),
        (None, false) => Err("its numbers are no bytes".to_owned()),
    };
    found.map_err(|reason| foreign(path, "ONNX", format!("{}: {reason}", shown(tensor.name()))))
}

/// Gives a tensor other numbers of its type and shape.
fn set_bytes(tensor: &mut TensorProto, bytes: Bytes) {
    *tensor = TensorProto {
        name: tensor.name.take(),
        data_type: tensor.data_type,
        dims: std::mem::take(&mut tensor.dims),
        doc_string: tensor.doc_string.take(),
        raw_data: Some(bytes),
        ..TensorProto::default()
    };
}

/// The element type as files of weights have it.
fn element_of(tensor: &TensorProto) -> Element {
    onnx_element(DataType::try_from(tensor.data_type.unwrap_or_default()).unwrap_or(DataType::Undefined))
}
