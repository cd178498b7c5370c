//! How the names of a file become those of a model. It reads no file.

use std::fmt;

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
