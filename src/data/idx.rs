//! The IDX format of MNIST: a header of big-endian numbers, then the elements in row-major order.
//! Files may be gzipped; that is told from their first bytes, not from their names. Whether images and labels belong
//! together is not asked here.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array3};

use super::DataError;
use crate::formats::inflate;
use kiln_graph::names::numbers;

/// The contents of an IDX file.
#[derive(Clone, Debug, PartialEq)]
pub struct Idx {
    /// The extents, outermost first.
    pub shape: Vec<usize>,
    /// The elements in row-major order.
    pub values: IdxValues,
}

/// The elements of an IDX file, by their type.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum IdxValues {
    U8(Vec<u8>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl IdxValues {
    fn type_name(&self) -> &'static str {
        match self {
            IdxValues::U8(_) => "u8",
            IdxValues::I8(_) => "i8",
            IdxValues::I16(_) => "i16",
            IdxValues::I32(_) => "i32",
            IdxValues::F32(_) => "f32",
            IdxValues::F64(_) => "f64",
        }
    }
}

/// Reads an IDX file, gzipped or not.
///
/// # Errors
/// [`DataError::Read`] if it can not be read or its compressed data is damaged or cut short; [`DataError::Empty`] if there is
/// nothing in it; [`DataError::NotIdx`] if it does not begin as an IDX file does; [`DataError::Header`] and
/// [`DataError::Length`] if it is cut short or too long.
pub fn read_idx(path: impl AsRef<Path>) -> Result<Idx, DataError> {
    let path = path.as_ref();
    let error = |source| DataError::Read { path: path.into(), source };
    let bytes = fs::read(path).map_err(error)?;
    if !inflate::is_gzipped(&bytes) {
        return parse(path, &bytes, 0);
    }
    // No more is decompressed than the header announces.
    let announced = |start: &[u8]| Header::parse(path, start).map_or(0, |header| header.length());
    let (plain, more) = inflate::gunzipped_to(&bytes, LONGEST_HEADER, announced).map_err(error)?;
    parse(path, &plain, more)
}

/// The file at a path, or under one of the other names under which it is found: gzipped or not, with a dash or a dot before
/// `idx`, as mirrors of MNIST have them.
pub(super) fn find(path: PathBuf) -> Result<PathBuf, DataError> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(path) };
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let mut names = vec![name.to_owned()];
    for plain in [plain.to_owned(), plain.replacen("-idx", ".idx", 1), plain.replacen(".idx", "-idx", 1)] {
        for other in [plain.clone(), format!("{plain}.gz")] {
            if !names.contains(&other) {
                names.push(other);
            }
        }
    }
    match names.iter().map(|name| path.with_file_name(name)).find(|path| path.try_exists().unwrap_or(true)) {
        Some(found) => Ok(found),
        None => Err(DataError::NotFound { path, looked_for: names }),
    }
}

/// A header of 255 axes.
const LONGEST_HEADER: u64 = 4 + 4 * 255;

/// What a file begins with.
struct Header {
    kind: u8,
    shape: Vec<usize>,
    /// Bytes of the header, and of the data that it announces: 2^64 at most, which are never found.
    start: usize,
    data: u64,
}

impl Header {
    fn parse(path: &Path, bytes: &[u8]) -> Result<Header, DataError> {
        if bytes.is_empty() {
            return Err(DataError::Empty { path: path.into() });
        }
        let not_idx = || DataError::NotIdx { path: path.into(), found: bytes[..bytes.len().min(4)].to_vec() };
        let &[0, 0, kind, rank, ref rest @ ..] = bytes else { return Err(not_idx()) };
        let width: u64 = match kind {
            0x08 | 0x09 => 1,
            0x0b => 2,
            0x0c | 0x0d => 4,
            0x0e => 8,
            _ => return Err(not_idx()),
        };
        let axes = usize::from(rank);
        let start = 4 + 4 * axes;
        let Some(extents) = rest.get(..4 * axes) else {
            return Err(DataError::Header { path: path.into(), axes, expected: start, found: bytes.len() });
        };
        let shape: Vec<usize> = words(extents, u32::from_be_bytes).into_iter().map(|extent| extent as usize).collect();
        let data = shape.iter().fold(width, |product, &extent| product.saturating_mul(extent as u64));
        Ok(Header { kind, shape, start, data })
    }

    /// Bytes of the whole file.
    fn length(&self) -> u64 {
        self.data.saturating_add(self.start as u64)
    }
}

/// What is in the bytes of a file, which `more` follow.
fn parse(path: &Path, bytes: &[u8], more: u64) -> Result<Idx, DataError> {
    let Header { kind, shape, start, data: expected } = Header::parse(path, bytes)?;
    let data = &bytes[start..];
    let found = data.len() as u64 + more;
    if expected != found {
        return Err(DataError::Length { path: path.into(), shape, expected, found });
    }
    let values = match kind {
        0x08 => IdxValues::U8(data.to_vec()),
        0x09 => IdxValues::I8(words(data, i8::from_be_bytes)),
        0x0b => IdxValues::I16(words(data, i16::from_be_bytes)),
        0x0c => IdxValues::I32(words(data, i32::from_be_bytes)),
        0x0d => IdxValues::F32(words(data, f32::from_be_bytes)),
        _ => IdxValues::F64(words(data, f64::from_be_bytes)),
    };
    Ok(Idx { shape, values })
}

fn words<const W: usize, T>(bytes: &[u8], convert: fn([u8; W]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|&word| convert(word)).collect()
}

impl Idx {
    fn kind_error(&self, path: &Path, expected: &'static str) -> DataError {
        DataError::Kind {
            path: path.into(),
            expected,
            found: format!("{} {}", self.values.type_name(), numbers(&self.shape)),
        }
    }

    /// `[n, h, w]` bytes as numbers from 0 to 1.
    pub(super) fn images(&self, path: &Path) -> Result<Array3<f32>, DataError> {
        let error = || self.kind_error(path, "images: u8 [n, h, w]");
        let (IdxValues::U8(bytes), &[n, h, w]) = (&self.values, &self.shape[..]) else { return Err(error()) };
        let pixels = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        Array3::from_shape_vec((n, h, w), pixels).map_err(|_| error())
    }

    /// `[n]` bytes as class labels.
    pub(super) fn labels(&self, path: &Path) -> Result<Array1<i32>, DataError> {
        match (&self.values, &self.shape[..]) {
            (IdxValues::U8(bytes), [_]) => Ok(bytes.iter().map(|&byte| i32::from(byte)).collect()),
            _ => Err(self.kind_error(path, "labels: u8 [n]")),
        }
    }
}
