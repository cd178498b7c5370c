//! An array in a file, whose elements lie in it in any order. It knows no format.

use super::Reason;
use super::bytes::Bytes;
use super::element::{Element, Misfit, Number, Order};
use super::part::Part;
use kiln_graph::names::numbers;

/// Why numbers were not made.
#[derive(Clone, Debug)]
pub enum Unread {
    /// The type asked for lacks one of them.
    Misfit(Misfit),
    /// The file does not give them.
    File(Reason),
}

impl From<Misfit> for Unread {
    fn from(misfit: Misfit) -> Unread {
        Unread::Misfit(misfit)
    }
}

impl From<Reason> for Unread {
    fn from(reason: Reason) -> Unread {
        Unread::File(reason)
    }
}

/// An array whose elements all lie within its bytes, which are read when they are asked for.
#[derive(Clone, Debug)]
pub struct Tensor {
    element: Element,
    order: Order,
    shape: Vec<usize>,
    /// How many elements further the next one along an axis lies.
    strides: Vec<usize>,
    bytes: Part,
}

impl Tensor {
    /// An array whose first element stands at the beginning of `bytes` and whose others lie at `strides`, counted in elements.
    /// One of [`Element::Other`] has a shape and no numbers.
    pub fn new(
        element: Element,
        order: Order,
        shape: Vec<usize>,
        strides: Vec<usize>,
        bytes: Part,
    ) -> Result<Tensor, Reason> {
        if strides.len() != shape.len() {
            return Err(format!("a tensor of shape {} has {} strides", numbers(&shape), strides.len()));
        }
        // As ndarray counts: axes of extent 0 do not make room for others without bound.
        let count =
            shape.iter().filter(|&&extent| extent > 0).try_fold(1_usize, |count, &extent| count.checked_mul(extent));
        if count.is_none_or(|count| count > isize::MAX as usize / 8) {
            return Err(format!("a tensor of shape {} is beyond all memory", numbers(&shape)));
        }
        let beyond = |needed: Option<usize>| {
            let needed = needed.map_or("more than 2^64".to_owned(), |needed| needed.to_string());
            Err(format!("a tensor of shape {} takes {needed} bytes of {}", numbers(&shape), bytes.len()))
        };
        if !shape.contains(&0) {
            let steps = shape.iter().zip(&strides);
            let mut last = steps.map(|(extent, stride)| (extent - 1).checked_mul(*stride));
            let last = last.try_fold(0_usize, |sum, last| sum.checked_add(last?));
            let needed = last.and_then(|last| last.checked_add(1)?.checked_mul(element.width()));
            if needed.is_none_or(|needed| needed > bytes.len()) {
                return beyond(needed);
            }
        }
        Ok(Tensor { element, order, shape, strides, bytes })
    }

    /// An array in row-major order, or in the reverse (Fortran's).
    pub fn dense(
        element: Element,
        order: Order,
        shape: Vec<usize>,
        reverse: bool,
        bytes: Part,
    ) -> Result<Tensor, Reason> {
        let mut strides = vec![0; shape.len()];
        let mut step = 1_usize;
        let place = |axis: usize| if reverse { axis } else { shape.len() - 1 - axis };
        for axis in (0..shape.len()).map(place) {
            strides[axis] = step;
            // What saturates is refused.
            step = step.saturating_mul(shape[axis]);
        }
        Tensor::new(element, order, shape, strides, bytes)
    }

    pub fn element(&self) -> Element {
        self.element
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Whether the elements follow each other in row-major order.
    fn is_row_major(&self) -> bool {
        let mut step = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(&extent, &stride)| {
            let follows = extent == 1 || stride == step;
            step *= extent;
            follows
        })
    }

    /// The number of elements, which may be many more than the file has bytes, where strides are 0.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Appends the numbers in row-major order.
    pub fn append_to<T: Number>(&self, numbers: &mut Vec<T>) -> Result<(), Unread> {
        Ok(self.element.append(&self.row_major()?, self.order, numbers)?)
    }

    /// The bytes of the elements in row-major order, each as the file has it.
    fn row_major(&self) -> Result<Bytes, Reason> {
        let bytes = self.len() * self.element.width();
        if bytes == 0 {
            return Ok(Vec::new().into());
        }
        // No more of a storage than this array spans.
        let steps = self.shape.iter().zip(&self.strides);
        let last: usize = steps.map(|(extent, stride)| (extent - 1) * stride).sum();
        let spanned = self.bytes.part(0..(last + 1) * self.element.width());
        let spanned = spanned.ok_or_else(|| "its data ends too early".to_owned())?.read()?;
        if self.is_row_major() { Ok(spanned) } else { Ok(self.gathered(&spanned, bytes).into()) }
    }

    /// The bytes in row-major order, the lowest of each number first.
    pub fn little_endian(&self) -> Result<Vec<u8>, Reason> {
        let mut bytes = Vec::from(self.row_major()?);
        if self.order == Order::Big {
            bytes.chunks_exact_mut(self.element.width().max(1)).for_each(<[u8]>::reverse);
        }
        Ok(bytes)
    }

    /// How many bytes of the file it may lie in.
    pub fn stored(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of the elements, of which there is at least one, in row-major order.
    fn gathered(&self, spanned: &[u8], bytes: usize) -> Vec<u8> {
        let width = self.element.width();
        let mut gathered = Vec::with_capacity(bytes);
        let mut index = vec![0; self.shape.len()];
        let mut place = 0;
        loop {
            gathered.extend(&spanned[place * width..][..width]);
            // The next index: one step along the last axis that is not at its end, back to the start along those behind.
            let Some(axis) = (0..index.len()).rev().find(|&axis| index[axis] + 1 < self.shape[axis]) else {
                return gathered;
            };
            index[axis] += 1;
            place += self.strides[axis];
            for (index, stride) in index.iter_mut().zip(&self.strides).skip(axis + 1) {
                place -= *index * stride;
                *index = 0;
            }
        }
    }
}
