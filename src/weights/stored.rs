//! A tensor of a file in memory, and the same of another element type. It reads no file. It knows no format either:
//! bytes and an element type.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::Element;
use crate::checkpoint::{CheckpointError, foreign};
use crate::formats::element::{Misfit, Number, Order};
use crate::formats::half::{F16, to_bfloat16};
use kiln_graph::names::shown;

/// A tensor of a file, with its numbers.
#[derive(Clone, Debug)]
pub struct Stored {
    path: PathBuf,
    name: String,
    element: Element,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// How many numbers are converted at once. Unit: numbers, of which 8 bytes each stay in a second-level cache. A guess,
/// 2026-11-29.
const AT_ONCE: usize = 1 << 14;

impl Stored {
    pub(super) fn new(path: PathBuf, name: &str, element: Element, shape: &[usize], bytes: Vec<u8>) -> Stored {
        Stored { path, name: name.to_owned(), element, shape: shape.to_vec(), bytes }
    }

    /// The element type.
    pub fn element(&self) -> Element {
        self.element
    }

    /// The shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its bytes: elements in row-major order, the lowest byte of each first.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The elements at these places in row-major order, as numbers of the type asked for: see [`Number`] for what becomes of
    /// those of other types.
    ///
    /// # Errors
    /// [`CheckpointError::WrongType`] where they are no numbers that are read, or one of them has none of that type.
    ///
    /// # Panics
    /// If there are no such places.
    pub fn numbers<T: Number>(&self, places: Range<usize>) -> Result<Vec<T>, CheckpointError> {
        let width = self.element.width();
        let bytes = &self.bytes[places.start * width..places.end * width];
        let mut numbers = Vec::with_capacity(places.len());
        let wrong = |found: String| CheckpointError::WrongType {
            path: self.path.clone(),
            name: self.name.clone(),
            expected: T::ELEMENT.name().to_owned(),
            found,
        };
        if let Element::Other(name, _) = self.element {
            return Err(wrong(name.to_owned()));
        }
        let appended = self.element.append(bytes, Order::Little, &mut numbers);
        appended.map_err(|Misfit { found, .. }| wrong(format!("{} (such as {found})", self.element)))?;
        Ok(numbers)
    }

    /// Calls a function with the elements as floats of 64 bits, some thousand at a time. (Whole numbers beyond 2^53 are rounded.)
    ///
    /// # Errors
    /// As of [`Stored::numbers`].
    pub fn each(&self, mut visit: impl FnMut(&[f64])) -> Result<(), CheckpointError> {
        for start in (0..self.len()).step_by(AT_ONCE) {
            visit(&self.numbers::<f64>(start..self.len().min(start + AT_ONCE))?);
        }
        Ok(())
    }

    /// The same numbers as elements of a float type, the nearest ones, of two as near the even one; those that are too large for
    /// it become infinite.
    ///
    /// # Errors
    /// [`CheckpointError::WrongType`] if they are no floats, or `element` is no float type.
    pub fn to(&self, element: Element) -> Result<Stored, CheckpointError> {
        if element == self.element {
            return Ok(self.clone());
        }
        if !self.element.is_float() || !element.is_float() {
            return Err(CheckpointError::WrongType {
                path: self.path.clone(),
                name: self.name.clone(),
                expected: element.name().to_owned(),
                found: self.element.name().to_owned(),
            });
        }
        let mut bytes = Vec::with_capacity(self.len() * element.width());
        self.each(|numbers| {
            for &number in numbers {
                match element {
                    Element::F16 => bytes.extend(F16::from(number).to_bits().to_le_bytes()),
                    Element::BF16 => bytes.extend(to_bfloat16(number).to_le_bytes()),
                    Element::F32 => bytes.extend((number as f32).to_le_bytes()),
                    _ => bytes.extend(number.to_le_bytes()),
                }
            }
        })?;
        Ok(Stored { element, bytes, ..self.described() })
    }

    /// That this is what was announced for a file that is written.
    pub(super) fn expect(self, path: &Path, element: Element, shape: &[usize]) -> Result<Stored, CheckpointError> {
        if (self.element, self.shape()) == (element, shape) {
            return Ok(self);
        }
        let (name, found) = (shown(&self.name), self.element);
        let reason = format!("{name} is {found} {:?}, but {element} {shape:?} was announced", self.shape);
        Err(foreign(path, "new", reason))
    }

    /// The same without numbers.
    fn described(&self) -> Stored {
        Stored {
            bytes: Vec::new(),
            path: self.path.clone(),
            name: self.name.clone(),
            shape: self.shape.clone(),
            ..*self
        }
    }
}
