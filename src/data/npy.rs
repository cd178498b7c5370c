//! Arrays as NumPy keeps them, one in a file. It knows neither archives nor data sets.

use std::fs;
use std::path::Path;

use ndarray::{ArrayBase, ArrayD, Data, Dimension};

use super::DataError;
use crate::files::replace_file;
use crate::formats::bytes::Bytes;
use crate::formats::element::Number;
use crate::formats::npy;
use crate::formats::tensor::{Tensor, Unread};

/// Reads an array from an `.npy` file, as `numpy.save` writes it (versions 1 to 3, in any order of elements and bytes), as numbers
/// of the type asked for: see [`Number`] for what becomes of those of other types.
///
/// ```
/// use kiln::data::{read_npy, write_npy};
/// use ndarray::array;
/// # let path = std::env::temp_dir().join(format!("kiln-npy-{}.npy", std::process::id()));
///
/// write_npy(&path, &array![[1.0, 2.0], [3.0, 4.0]])?;
/// let numbers = read_npy::<f32>(&path)?;
/// assert_eq!(numbers, array![[1.0, 2.0], [3.0, 4.0]].into_dyn());
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`DataError::Read`]; [`DataError::Format`] for another or a damaged file, or one of texts, dates, complex numbers, records or
/// Python's objects; [`DataError::Number`] for a number that the type does not have.
pub fn read_npy<T: Number>(path: impl AsRef<Path>) -> Result<ArrayD<T>, DataError> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|source| DataError::Read { path: path.into(), source })?;
    let tensor = npy::parse(&Bytes::from(bytes).into());
    let tensor = tensor.map_err(|reason| DataError::Format { path: path.into(), format: ".npy", reason })?;
    numbers(path, ".npy", "the array", &tensor)
}

/// Writes an array to an `.npy` file, which `numpy.load` reads: in row-major order, the lowest bytes first. The file is replaced
/// as [`Checkpoint::save`](crate::Checkpoint::save) does it.
///
/// # Errors
/// [`DataError::Write`]; what stood at the path still does.
pub fn write_npy<T: Number, S: Data<Elem = T>, D: Dimension>(
    path: impl AsRef<Path>,
    array: &ArrayBase<S, D>,
) -> Result<(), DataError> {
    let path = path.as_ref();
    let written = replace_file(path, &npy::encode(array.shape(), array.iter().copied()));
    written.map_err(|source| DataError::Write { path: path.into(), source })
}

/// The numbers of an array of a file.
pub(super) fn numbers<T: Number>(
    path: &Path,
    format: &'static str,
    name: &str,
    tensor: &Tensor,
) -> Result<ArrayD<T>, DataError> {
    let mut numbers = Vec::with_capacity(tensor.len());
    tensor.append_to(&mut numbers).map_err(|unread| match unread {
        Unread::Misfit(misfit) => {
            let (path, name, found) = (path.into(), name.to_owned(), misfit.found.to_string());
            let place = index(misfit.place, tensor.shape());
            DataError::Number { path, name, place, expected: T::NAME, found }
        }
        Unread::File(reason) => DataError::Format { path: path.into(), format, reason },
    })?;
    Ok(ArrayD::from_shape_vec(tensor.shape(), numbers).expect("a tensor has all its numbers"))
}

/// The index of the element at a place in row-major order.
fn index(mut place: usize, shape: &[usize]) -> Vec<usize> {
    let mut index: Vec<usize> = shape.iter().rev().map(|&extent| (place % extent, place /= extent).0).collect();
    index.reverse();
    index
}
