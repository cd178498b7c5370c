//! Arrays as NumPy keeps them, several in a zip archive. It knows no data sets.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{ArrayBase, ArrayD, Data, Dimension};

use super::DataError;
use super::npy::numbers;
use crate::files::replace_file;
use crate::formats::archive::{Archive, archive};
use crate::formats::bytes::Bytes;
use crate::formats::element::Number;
use crate::formats::npy;

/// The arrays of an `.npz` file, as `numpy.savez` and `numpy.savez_compressed` write it.
///
/// ```
/// use kiln::data::{Npz, NpzWriter};
/// use ndarray::array;
/// # let path = std::env::temp_dir().join(format!("kiln-npz-{}.npz", std::process::id()));
///
/// NpzWriter::new().array("x", &array![[0.5, 1.0]]).array("y", &array![1_i64]).write(&path)?;
/// let file = Npz::open(&path)?;
/// assert_eq!(file.names().collect::<Vec<_>>(), ["x", "y"]);
/// assert_eq!(file.read::<f32>("x")?, array![[0.5, 1.0]].into_dyn());
/// // Labels are whole numbers of 32 bits.
/// assert_eq!(file.read::<i32>("y")?, array![1].into_dyn());
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Npz {
    path: PathBuf,
    archive: Archive,
}

impl Npz {
    /// Reads a file into memory; arrays that are compressed stay so until they are asked for.
    ///
    /// # Errors
    /// [`DataError::Read`]; [`DataError::Format`] if it is no zip archive, or one whose entries lie over each other.
    pub fn open(path: impl Into<PathBuf>) -> Result<Npz, DataError> {
        let path = path.into();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(source) => return Err(DataError::Read { path, source }),
        };
        match Archive::open(Bytes::from(bytes).into()) {
            Ok(archive) => Ok(Npz { path, archive }),
            Err(reason) => Err(DataError::Format { path, format: ".npz", reason }),
        }
    }

    /// The names of the arrays, in order of the alphabet.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.archive.names().filter_map(|name| name.strip_suffix(".npy"))
    }

    /// An array, as numbers of the type asked for: see [`Number`] for what becomes of those of other types.
    ///
    /// # Errors
    /// [`DataError::NoArray`], which lists the names; those of [`read_npy`](super::read_npy).
    pub fn read<T: Number>(&self, name: &str) -> Result<ArrayD<T>, DataError> {
        let path = &self.path;
        let entry = format!("{name}.npy");
        if !self.archive.contains(&entry) {
            let names = self.names().map(str::to_owned).collect();
            return Err(DataError::NoArray { path: path.clone(), name: name.to_owned(), names });
        }
        let array = self.archive.read(&entry).and_then(|bytes| npy::parse(&bytes.into()));
        let array = array.map_err(|reason| {
            let reason = format!("{}: {reason}", kiln_graph::names::shown(name));
            DataError::Format { path: path.clone(), format: ".npz", reason }
        })?;
        numbers(path, ".npz", name, &array)
    }
}

/// Arrays that become an `.npz` file, which `numpy.load` reads: see [`Npz`].
#[derive(Clone, Debug, Default)]
pub struct NpzWriter {
    entries: Vec<(String, Vec<u8>)>,
    compressed: bool,
}

impl NpzWriter {
    /// No array.
    pub fn new() -> NpzWriter {
        NpzWriter::default()
    }

    /// Adds an array, or puts it in the place of the one of this name.
    pub fn array<T: Number, S: Data<Elem = T>, D: Dimension>(
        mut self,
        name: &str,
        array: &ArrayBase<S, D>,
    ) -> NpzWriter {
        let name = format!("{name}.npy");
        self.entries.retain(|(other, _)| *other != name);
        self.entries.push((name, npy::encode(array.shape(), array.iter().copied())));
        self
    }

    /// Compresses the arrays, as `numpy.savez_compressed` does. Default: they are stored as they are.
    pub fn compressed(mut self, compressed: bool) -> NpzWriter {
        self.compressed = compressed;
        self
    }

    /// Writes the file, which is replaced as [`Checkpoint::save`](crate::Checkpoint::save) does it.
    ///
    /// # Errors
    /// [`DataError::Write`]; what stood at the path still does.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), DataError> {
        let path = path.as_ref();
        let written = archive(&self.entries, self.compressed).and_then(|bytes| replace_file(path, &bytes));
        written.map_err(|source| DataError::Write { path: path.into(), source })
    }
}
