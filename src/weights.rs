//! Files of weights for whoever looks at them, compares or converts them, as the command `kiln` does: names, types and
//! shapes first, then one tensor at a time, whatever the format. It knows no models.
//!
//! ```
//! use kiln::prelude::*;
//! use kiln::weights::{Element, Format, WeightsFile, WeightsWriter};
//! # let folder = std::env::temp_dir().join(format!("kiln-weights-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let path = folder.join("net.safetensors");
//!
//! model! {
//!     struct Net { fc: Linear(4, 2) }
//!
//!     fn forward(x: [N, 4]) -> [N, 2] {
//!         fc(x)
//!     }
//! }
//!
//! Net::init(1).save(&path)?;
//! let file = WeightsFile::open(&path)?;
//! assert_eq!(file.names().collect::<Vec<_>>(), ["fc.bias", "fc.weight"]);
//! assert_eq!(file.shape("fc.weight"), Some(&[2, 4][..]));
//! let weight = file.read("fc.weight")?;
//! assert!(weight.numbers::<f32>(0..8)?.iter().all(|number| number.abs() <= 0.5));
//!
//! // The same with half the bits, tensor by tensor.
//! let mut writer = WeightsWriter::new(Format::Safetensors);
//! for name in file.names() {
//!     writer = writer.tensor(name, Element::F16, file.shape(name).unwrap_or_default());
//! }
//! writer.write(folder.join("half.safetensors"), |name| file.read(name)?.to(Element::F16))?;
//! # std::fs::remove_dir_all(folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod stored;
mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use stored::Stored;
pub use writer::WeightsWriter;

pub use crate::checkpoint::Format;
use crate::checkpoint::{CheckpointError, Notes, Seal, Tensors, foreign, read_tensors, take_seal};
use crate::checkpoints::Run;
pub use crate::formats::element::Element;
use kiln_graph::names::shown;

/// How many times as many bytes as the file has for it a tensor may take, and how many it always may: tensors whose strides are 0
/// say the same number over and over.
const MOST: usize = 1024;
const ALWAYS: usize = 1 << 24;

/// A file of weights, of which names, types and shapes were read and no numbers yet.
#[derive(Debug)]
pub struct WeightsFile {
    path: PathBuf,
    tensors: Tensors,
    /// The checksums of its tensors, where it has any.
    seal: Option<Seal>,
}

impl WeightsFile {
    /// Opens a file: one of those that [`Checkpoint::load`](crate::Checkpoint::load) takes, or a checkpoint of a training. What it
    /// is, its first bytes tell.
    ///
    /// # Errors
    /// [`CheckpointError::NotFound`], [`CheckpointError::Read`], [`CheckpointError::Truncated`], [`CheckpointError::Foreign`],
    /// [`CheckpointError::Global`]; [`CheckpointError::Damaged`] where a checkpoint's notes are.
    pub fn open(path: impl AsRef<Path>) -> Result<WeightsFile, CheckpointError> {
        let path = path.as_ref();
        let mut tensors = read_tensors(path)?;
        let seal = take_seal(path, &mut tensors.notes)?;
        if let Some(lost) = seal.as_ref().and_then(|seal| seal.lost(tensors.named.keys().map(String::as_str))) {
            return Err(CheckpointError::Damaged { path: path.into(), what: lost.to_owned() });
        }
        Ok(WeightsFile { path: path.into(), tensors, seal })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is.
    pub fn format(&self) -> Format {
        self.tensors.format
    }

    /// What a safetensors file says beside its tensors (its `__metadata__`).
    pub fn notes(&self) -> &BTreeMap<String, String> {
        &self.tensors.notes
    }

    /// Whether it has checksums, as checkpoints of trainings do; [`WeightsFile::read`] then holds each tensor against its own.
    pub fn is_sealed(&self) -> bool {
        self.seal.is_some()
    }

    /// Where the training stood whose checkpoint it is, and what it had measured.
    pub fn run(&self) -> Option<Run> {
        Run::of_notes(&self.path, &self.tensors.notes).ok().map(|(run, _)| run)
    }

    /// The names of the tensors, in order of the alphabet.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.named.keys().map(String::as_str)
    }

    /// The element type of a tensor; nothing if there is none of this name.
    pub fn element(&self, name: &str) -> Option<Element> {
        self.tensors.named.get(name).map(|tensor| tensor.element())
    }

    /// The shape of a tensor; nothing if there is none of this name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.named.get(name).map(|tensor| tensor.shape())
    }

    /// Reads a tensor, and no other.
    ///
    /// # Errors
    /// [`CheckpointError::Missing`] if there is none of this name; [`CheckpointError::Damaged`] if its checksum is another;
    /// [`CheckpointError::Foreign`] if it can not be read, or repeats few numbers without measure.
    pub fn read(&self, name: &str) -> Result<Stored, CheckpointError> {
        let Some(tensor) = self.tensors.named.get(name) else {
            let names = vec![name.to_owned()];
            let unexpected = self.names().map(str::to_owned).collect();
            return Err(CheckpointError::Missing { path: self.path.clone(), names, unexpected });
        };
        let failed = |reason: String| foreign(&self.path, self.format().name(), format!("{}: {reason}", shown(name)));
        let most = tensor.stored().saturating_mul(MOST).max(ALWAYS);
        match tensor.len().checked_mul(tensor.element().width()) {
            Some(0) if tensor.len() > 0 => {
                return Err(failed(format!("its elements are of type {}, which is not read", tensor.element())));
            }
            Some(bytes) if bytes <= most => {}
            _ => return Err(failed("it says the same numbers too often".to_owned())),
        }
        let bytes = tensor.little_endian().map_err(failed)?;
        let (element, shape) = (tensor.element(), tensor.shape());
        if self.seal.as_ref().is_some_and(|seal| !seal.fits(name, element.name(), shape, &bytes)) {
            return Err(CheckpointError::Damaged { path: self.path.clone(), what: name.to_owned() });
        }
        Ok(Stored::new(self.path.clone(), name, element, shape, bytes))
    }

    /// The [notes](WeightsFile::notes) that do not belong to a checkpoint of a training, and so hold for its weights alone, too.
    pub fn notes_of_weights(&self) -> BTreeMap<String, String> {
        let notes = self.tensors.notes.iter().filter(|(name, _)| !crate::checkpoint::is_own(name));
        notes.map(|(name, text)| (name.clone(), text.clone())).collect::<Notes>()
    }
}
