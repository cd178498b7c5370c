//! The tensors of an ONNX file, which get other numbers: the same network after another training. It computes nothing.

use std::path::{Path, PathBuf};

use kiln_graph::names::shown;
use kiln_onnx::Bytes;
use kiln_onnx::proto::tensor_proto::{DataLocation, DataType};
use kiln_onnx::proto::{ModelProto, TensorProto};

use crate::checkpoint::{CheckpointError, foreign, onnx_beside, onnx_element, onnx_message, open_part};
use crate::export::write_message;
use crate::weights::{Element, Stored};

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
}

impl OnnxWeights {
    /// Opens a file.
    ///
    /// # Errors
    /// [`CheckpointError::NotFound`], [`CheckpointError::Read`], [`CheckpointError::Foreign`].
    pub fn open(path: impl AsRef<Path>) -> Result<OnnxWeights, CheckpointError> {
        let path = path.as_ref();
        let (model, _) = onnx_message(path, &open_part(path)?)?;
        Ok(OnnxWeights { path: path.to_owned(), model })
    }

    fn constants(&self) -> impl Iterator<Item = &TensorProto> {
        self.model.graph.iter().flat_map(|graph| &graph.initializer)
    }

    /// The names of the tensors with their element types and shapes.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, Element, Vec<usize>)> {
        self.constants().map(|tensor| {
            let shape = tensor.dims.iter().map(|&extent| usize::try_from(extent).unwrap_or(0)).collect();
            (tensor.name(), element_of(tensor), shape)
        })
    }

    /// Gives a tensor other numbers: floats as floats of the file's type, others of that type.
    ///
    /// # Errors
    /// [`CheckpointError::Foreign`] where the file has no such tensor, or one of another shape; [`CheckpointError::WrongType`].
    pub fn set(&mut self, name: &str, numbers: &Stored) -> Result<(), CheckpointError> {
        let path = &self.path;
        let tensors = self.model.graph.iter_mut().flat_map(|graph| &mut graph.initializer);
        let Some(tensor) = tensors.into_iter().find(|tensor| tensor.name() == name) else {
            return Err(foreign(path, "ONNX", format!("it has no tensor {}", shown(name))));
        };
        let extents = tensor.dims.iter().map(|&extent| usize::try_from(extent).ok());
        if !extents.eq(numbers.shape().iter().copied().map(Some)) {
            let (found, given) = (&tensor.dims, numbers.shape());
            return Err(foreign(path, "ONNX", format!("{} has the shape {found:?}, not {given:?}", shown(name))));
        }
        let numbers = numbers.to(element_of(tensor))?;
        *tensor = TensorProto {
            name: tensor.name.take(),
            data_type: tensor.data_type,
            dims: std::mem::take(&mut tensor.dims),
            doc_string: tensor.doc_string.take(),
            raw_data: Some(Bytes::copy_from_slice(numbers.bytes())),
            ..TensorProto::default()
        };
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
            let bytes = onnx_beside(from, tensor).and_then(|part| Ok(Vec::from(part.read()?)));
            let name = shown(tensor.name());
            tensor.raw_data = Some(bytes.map_err(|reason| foreign(from, "ONNX", format!("{name}: {reason}")))?.into());
            tensor.data_location = None;
            tensor.external_data.clear();
        }
        let written = write_message(self.model, false, path.as_ref());
        written.map_err(|(path, source)| CheckpointError::Write { path, source })
    }
}

/// The element type as files of weights have it.
fn element_of(tensor: &TensorProto) -> Element {
    onnx_element(DataType::try_from(tensor.data_type.unwrap_or_default()).unwrap_or(DataType::Undefined))
}
