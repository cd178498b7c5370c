//! How a model becomes a file, and how the names of a file become those of a model. It reads and writes no file.

use std::fmt;

/// How [`Checkpoint::save_with`](super::Checkpoint::save_with) writes a model's numbers.
///
/// ```
/// use kiln::prelude::*;
/// # let folder = std::env::temp_dir().join(format!("kiln-save-options-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("net.safetensors");
///
/// #[derive(Model)]
/// #[model(input = [4])]
/// struct Net {
///     fc: Linear<4, 2>,
/// }
///
/// let net = Net::init(1);
/// net.save_with(&path, SaveOptions::new().precision(FilePrecision::F16))?; // half the size
/// let mut again = Net::init(2);
/// again.load(&path)?; // as of any file
/// assert!((&*again.fc.weight.value - &*net.fc.weight.value).iter().all(|difference| difference.abs() < 1e-3));
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SaveOptions {
    pub(super) precision: FilePrecision,
}

impl SaveOptions {
    /// As [`Checkpoint::save`](super::Checkpoint::save): all numbers as they are, f32.
    pub fn new() -> SaveOptions {
        SaveOptions::default()
    }

    /// What the file holds parameters and buffers in; counts stay whole numbers, as in PyTorch's `model.half()` and
    /// `model.bfloat16()`. Default: [`FilePrecision::F32`]. It has nothing to do with what a trainer computes in
    /// ([`Precision`](crate::Precision)).
    pub fn precision(mut self, precision: FilePrecision) -> SaveOptions {
        self.precision = precision;
        self
    }
}

/// What numbers a file holds: each is the nearest one of these, of two as near the even one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FilePrecision {
    /// Those of the model.
    #[default]
    F32,
    /// IEEE 754's binary16, `torch.float16`: 11 bits of precision, up to 65504. A larger number is an error, as
    /// [`CheckpointError::TooLarge`](super::CheckpointError::TooLarge) says; one below 6e-8 becomes 0.
    F16,
    /// `torch.bfloat16`: 8 bits of precision, and the range of f32.
    Bf16,
}

/// How [`Checkpoint::load_with`](super::Checkpoint::load_with) finds a model's tensors in a file.
///
/// ```
/// use kiln::prelude::*;
/// # let folder = std::env::temp_dir().join(format!("kiln-load-options-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("net.safetensors");
///
/// model! {
///     struct Net { backbone: Linear(4, 8), head: Linear(8, 2) }
///
///     fn forward(x: [N, 4]) -> [N, 2] {
///         head(backbone(x))
///     }
/// }
///
/// Net::init(1).save(&path)?;
/// let mut net = Net::init(2);
/// // A part alone, from a file of the whole.
/// net.backbone.load_with(&path, LoadOptions::new().prefix("backbone."))?;
/// // Under other names; what does not go with the model is told.
/// let keys = net.load_with(&path, LoadOptions::new().rename(|name| name.replace("head", "classifier")).strict(false))?;
/// assert_eq!(keys.missing_keys, ["head.weight", "head.bias"]);
/// assert_eq!(keys.unexpected_keys, ["head.bias", "head.weight"]);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LoadOptions<'a> {
    pub(super) prefix: String,
    pub(super) rename: Option<Rename<'a>>,
    pub(super) strict: bool,
}

/// What a name becomes.
type Rename<'a> = Box<dyn Fn(&str) -> String + 'a>;

impl<'a> LoadOptions<'a> {
    /// As [`Checkpoint::load`](super::Checkpoint::load): every tensor under its own name, no more and no less.
    pub fn new() -> LoadOptions<'a> {
        LoadOptions { prefix: String::new(), rename: None, strict: true }
    }

    /// Takes only tensors whose names begin with this, and takes it off: `module.` of a model that was wrapped for training in
    /// parallel, `backbone.` for that part of it, `model.` of a checkpoint `{"model": model.state_dict(), "optimizer": ..}` of
    /// PyTorch's. All others in the file are passed over. Default: none.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// What a tensor of the file, its prefix taken off, is called in the model. Default: the same.
    pub fn rename(mut self, rename: impl Fn(&str) -> String + 'a) -> Self {
        self.rename = Some(Box::new(rename));
        self
    }

    /// Whether the file must hold each tensor of the model, and no others; else the model keeps what is not in the file, and
    /// [`IncompatibleKeys`] tells. Shapes and element types must fit in any case. Default: `true`.
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// The name in the model of a tensor of the file; nothing if it is passed over.
    pub(super) fn name(&self, in_file: &str) -> Option<String> {
        let name = in_file.strip_prefix(self.prefix.as_str())?;
        Some(self.rename.as_ref().map_or_else(|| name.to_owned(), |rename| rename(name)))
    }
}

impl Default for LoadOptions<'_> {
    fn default() -> Self {
        LoadOptions::new()
    }
}

impl fmt::Debug for LoadOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LoadOptions { prefix, rename, strict } = self;
        let mut text = f.debug_struct("LoadOptions");
        text.field("prefix", prefix).field("rename", &rename.is_some()).field("strict", strict).finish()
    }
}

/// What did not go together when a file was loaded that need not fit ([`LoadOptions::strict`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncompatibleKeys {
    /// The model's tensors that the file does not have, in the model's order; they are as they were.
    pub missing_keys: Vec<String>,
    /// The file's tensors that the model does not have, under the file's names, sorted.
    pub unexpected_keys: Vec<String>,
}
