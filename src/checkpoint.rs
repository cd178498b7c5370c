//! Saving and loading the parameters of a model: saving as safetensors files with PyTorch's names, shapes and layouts,
//! which `torch.nn.Module.load_state_dict(safetensors.torch.load_file(path))` takes as they are; loading also from
//! files of other formats. It knows models and files; it knows no trainer and no compiled program.

mod advice;
mod error;
#[cfg(feature = "onnx")]
mod onnx;
mod options;
mod pickle;
mod pytorch;
mod read;
mod safetensors;
mod seal;
mod shards;
mod tensors;
mod write;

use std::path::Path;

use kiln_graph::Parameters;

pub use error::CheckpointError;
pub use options::{FilePrecision, IncompatibleKeys, LoadOptions, SaveOptions};

use crate::files::replace_file;
#[cfg(feature = "onnx")]
pub(crate) use onnx::{beside as onnx_beside, element as onnx_element, graphs as onnx_graphs, message as onnx_message};
use read::{Content, decode};
pub(crate) use safetensors::open_noted;
pub(crate) use seal::{Notes, Seal, check as check_seal, is_own, seal, take as take_seal};
pub use tensors::Format;
#[cfg(feature = "onnx")]
pub(crate) use tensors::open as open_part;
pub(crate) use tensors::{Tensors, foreign, read as read_tensors};
pub(crate) use write::{Entry, header, serialize};
use write::{check_range, encode};

/// `save` and `load` for every model, and for every layer of one: `net.backbone.save(path)`; in the prelude.
///
/// A file holds the parameters and buffers of a model, not what its optimizer keeps.
pub trait Checkpoint: Parameters {
    /// Writes all parameters and buffers to a safetensors file.
    ///
    /// The file is written beside its place under another name, synced and then renamed: at any moment `path` holds
    /// either what it held before or the whole new file. A link is followed; the file keeps its mode, and its owner and group as
    /// far as the system lets it; a read-only file is not replaced; other names of the same file (hard links) keep what they had.
    /// What is no file, such as a pipe or `/dev/null`, is written to as it is (of a pipe, a reader is waited for).
    ///
    /// # Errors
    /// [`CheckpointError::Write`]; [`CheckpointError::Parameter`] for a parameter of another shape than its layer declares.
    fn save(&self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        self.save_with(path, SaveOptions::new())
    }

    /// [`Checkpoint::save`] of numbers of another [precision](SaveOptions::precision): files of half the size.
    ///
    /// # Errors
    /// As for [`Checkpoint::save`]; [`CheckpointError::TooLarge`] for a number beyond that precision's range.
    fn save_with(&self, path: impl AsRef<Path>, options: SaveOptions) -> Result<(), CheckpointError>;

    /// Reads all parameters and buffers from a file, which must hold exactly this model's tensors. (The counters of batch
    /// normalizations may be missing: they are 0 then, as of files of PyTorch before it had them.)
    ///
    /// The file's first bytes tell what it is:
    /// * safetensors;
    /// * an index of several files in its folder, such as `model.safetensors.index.json`;
    /// * what PyTorch's `torch.save` wrote (`.pt`, `.pth`, `.bin`), now or before version 1.6: a `state_dict`, or a dictionary with
    ///   one in it, under names with dots such as `model.fc.weight`, of which [`LoadOptions::prefix`] takes a part. Nothing in
    ///   such a file is executed; one that needs a class or a function of Python's is refused;
    /// * arrays of NumPy's (`.npz`) under the names of the tensors, or one (`.npy`) under the name of the file.
    ///
    /// Floats of 16 bits (f16, bf16) and of 64 become those of 32, the latter rounded.
    ///
    /// Of the file only the tensors that the model takes are read, one after the other. What is compressed in it takes at most
    /// 1032 times its own size, and what is not numbers of tensors (a header, a pickle) some hundred times its own.
    ///
    /// # Errors
    /// All others of [`CheckpointError`]; the model is then as it was.
    fn load(&mut self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        self.load_with(path, LoadOptions::new()).map(|_| ())
    }

    /// [`Checkpoint::load`] of a file that does not hold exactly this model under its own names: with a
    /// [prefix](LoadOptions::prefix) before them, [other names](LoadOptions::rename), more or fewer
    /// [tensors](LoadOptions::strict). What did not go together is given back.
    ///
    /// # Errors
    /// As for [`Checkpoint::load`].
    fn load_with(
        &mut self,
        path: impl AsRef<Path>,
        options: LoadOptions<'_>,
    ) -> Result<IncompatibleKeys, CheckpointError>;
}

impl<P: Parameters> Checkpoint for P {
    fn save_with(&self, path: impl AsRef<Path>, options: SaveOptions) -> Result<(), CheckpointError> {
        self.check_shapes()?;
        let path = path.as_ref();
        check_range(self, path, options.precision)?;
        let bytes = encode(self, options.precision);
        bytes
            .and_then(|bytes| replace_file(path, &bytes))
            .map_err(|source| CheckpointError::Write { path: path.into(), source })
    }

    fn load_with(
        &mut self,
        path: impl AsRef<Path>,
        options: LoadOptions<'_>,
    ) -> Result<IncompatibleKeys, CheckpointError> {
        let path = path.as_ref();
        let (mut contents, keys) = decode(self, path, &tensors::read(path)?, &options)?;
        self.each_parameter_mut(&mut |name, parameter| match contents.remove(name) {
            Some(Content::Value(value)) => parameter.value = value.into(),
            Some(Content::Count(count)) => parameter.set_count(count),
            None => {}
        });
        Ok(keys)
    }
}
