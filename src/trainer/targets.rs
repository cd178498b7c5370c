//! What a loss compares predictions with, as users hold it: class labels of any integer type, or numbers. Checks them
//! and turns them into what a compiled program reads. Which loss reads them is not known here, but for the rules that
//! it has for targets.

use kiln_graph::model::TakenFrom;
use ndarray::{ArrayBase, ArrayViewD, Axis, Data, Dimension};

use super::error::TrainError;
use super::given::Buffer;

/// Targets that a loss with targets of type `T` accepts: for `i32` (class labels, as for cross entropy) arrays, vectors
/// and slices of any integer type but the 128-bit ones ([`Label`]); for `f32` (numbers, as for the mean squared error) arrays
/// of `f32`.
#[diagnostic::on_unimplemented(
    message = "a loss with targets of `{T}` does not take `{Self}`",
    label = "not the targets that the loss takes",
    note = "targets of `i32` are class labels: arrays, vectors or slices of any integer type; targets of `f32` are numbers: \
            arrays of f32"
)]
pub trait Targets<T> {
    /// The extents; the first is the number of samples.
    fn shape(&self) -> Vec<usize>;

    /// Whether these are the extents.
    fn has_shape(&self, shape: &[usize]) -> bool;

    /// Calls `f` with the extents.
    #[doc(hidden)]
    fn with_shape(&self, f: &mut dyn FnMut(&[usize])) {
        f(&self.shape());
    }

    /// Puts the elements into `to`, in row-major order.
    ///
    /// # Errors
    /// What `rules` forbids; `to` is then unspecified.
    #[doc(hidden)]
    fn read(&self, rules: Rules, to: &mut Vec<T>) -> Result<(), TrainError>;
}

/// What targets must obey.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Labels lie below this number (if there is one; else they are any numbers),
    pub classes: Option<usize>,
    /// or are this one, which the loss passes over.
    pub ignored: Option<i32>,
    /// Numbers are finite.
    pub finite: bool,
}

/// An integer type of class labels: `u8`, `u16`, `u32`, `u64`, `usize`, `i8`, `i16`, `i32`, `i64` or `isize`.
#[diagnostic::on_unimplemented(
    message = "class labels are integers, not `{Self}`",
    label = "no labels of classes",
    note = "`labels.mapv(|label| label as i64)` makes integers of numbers; a loss that compares numbers, such as `mse()`, \
            takes arrays of f32"
)]
pub trait Label: Copy {
    /// The label as a number.
    #[doc(hidden)]
    fn number(self) -> i128;
}

macro_rules! labels {
    ($($ty:ty),*) => {$(
        impl Label for $ty {
            fn number(self) -> i128 {
                self as i128
            }
        }
    )*};
}

labels!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

/// Labels of the given shape, in row-major order.
fn read_labels<T: Label>(
    labels: impl Iterator<Item = T>,
    shape: &[usize],
    rules: Rules,
    to: &mut Vec<i32>,
) -> Result<(), TrainError> {
    let place = |position| kiln_graph::indices::place(position, shape);
    to.clear();
    for (position, label) in labels.enumerate() {
        let found = label.number();
        let named = rules.classes.is_none_or(|classes| (0..classes as i128).contains(&found));
        match (i32::try_from(found), rules.classes) {
            (Ok(label), _) if named || rules.ignored == Some(label) => to.push(label),
            (_, Some(classes)) => return Err(TrainError::Label { place: place(position), found, classes }),
            (_, None) => return Err(TrainError::WholeNumber { place: place(position), found }),
        }
    }
    Ok(())
}

impl<S: Data, D: Dimension> Targets<i32> for ArrayBase<S, D>
where
    S::Elem: Label,
{
    fn shape(&self) -> Vec<usize> {
        (**self).shape().to_vec()
    }

    fn has_shape(&self, shape: &[usize]) -> bool {
        (**self).shape() == shape
    }

    fn with_shape(&self, f: &mut dyn FnMut(&[usize])) {
        f((**self).shape());
    }

    fn read(&self, rules: Rules, to: &mut Vec<i32>) -> Result<(), TrainError> {
        read_labels(self.iter().copied(), (**self).shape(), rules, to)
    }
}

impl<S: Data, D: Dimension> Targets<f32> for ArrayBase<S, D>
where
    f32: TakenFrom<S::Elem>,
{
    fn shape(&self) -> Vec<usize> {
        (**self).shape().to_vec()
    }

    fn has_shape(&self, shape: &[usize]) -> bool {
        (**self).shape() == shape
    }

    fn with_shape(&self, f: &mut dyn FnMut(&[usize])) {
        f((**self).shape());
    }

    fn read(&self, rules: Rules, to: &mut Vec<f32>) -> Result<(), TrainError> {
        if rules.finite {
            check_finite("target", f32::elements(self.view()).into_dyn())?;
        }
        to.clear();
        to.extend(f32::elements(self.view()).iter());
        Ok(())
    }
}

impl<T: Label> Targets<i32> for [T] {
    fn shape(&self) -> Vec<usize> {
        vec![self.len()]
    }

    fn has_shape(&self, shape: &[usize]) -> bool {
        shape == [self.len()]
    }

    fn with_shape(&self, f: &mut dyn FnMut(&[usize])) {
        f(&[self.len()]);
    }

    fn read(&self, rules: Rules, to: &mut Vec<i32>) -> Result<(), TrainError> {
        read_labels(self.iter().copied(), &[self.len()], rules, to)
    }
}

macro_rules! as_slices {
    ($([$($length:tt)*] $ty:ty;)*) => {$(
        impl<T: Label $($length)*> Targets<i32> for $ty {
            fn shape(&self) -> Vec<usize> {
                self.as_slice().shape()
            }

            fn has_shape(&self, shape: &[usize]) -> bool {
                self.as_slice().has_shape(shape)
            }

            fn with_shape(&self, f: &mut dyn FnMut(&[usize])) {
                self.as_slice().with_shape(f);
            }

            fn read(&self, rules: Rules, to: &mut Vec<i32>) -> Result<(), TrainError> {
                self.as_slice().read(rules, to)
            }
        }
    )*};
}

as_slices! {
    [] Vec<T>;
    [, const N: usize] [T; N];
}

impl<T, Y: Targets<T> + ?Sized> Targets<T> for &Y {
    fn shape(&self) -> Vec<usize> {
        (**self).shape()
    }

    fn has_shape(&self, shape: &[usize]) -> bool {
        (**self).has_shape(shape)
    }

    fn read(&self, rules: Rules, to: &mut Vec<T>) -> Result<(), TrainError> {
        (**self).read(rules, to)
    }
}

/// What stands where an output has no loss, and so no target.
impl Targets<()> for () {
    fn shape(&self) -> Vec<usize> {
        Vec::new()
    }

    fn has_shape(&self, shape: &[usize]) -> bool {
        shape.is_empty()
    }

    fn read(&self, _: Rules, to: &mut Vec<()>) -> Result<(), TrainError> {
        to.clear();
        Ok(())
    }
}

/// The first number that is not finite is an error.
pub(crate) fn check_finite(what: &'static str, numbers: ArrayViewD<'_, f32>) -> Result<(), TrainError> {
    match numbers.indexed_iter().find(|(_, number)| !number.is_finite()) {
        None => Ok(()),
        Some((index, &found)) => Err(TrainError::NotFinite { what, index: index.slice().to_vec(), found }),
    }
}

/// The element type of a loss's targets: class labels (`i32`) or numbers (`f32`); `()` where an output has no loss.
pub trait TargetElement: Sized {
    /// Where a trainer keeps targets of this type.
    #[doc(hidden)]
    fn kept(buffer: &mut Buffer) -> &mut Vec<Self>;
}

impl TargetElement for i32 {
    fn kept(buffer: &mut Buffer) -> &mut Vec<i32> {
        &mut buffer.i32
    }
}

impl TargetElement for f32 {
    fn kept(buffer: &mut Buffer) -> &mut Vec<f32> {
        &mut buffer.f32
    }
}

impl TargetElement for () {
    fn kept(buffer: &mut Buffer) -> &mut Vec<()> {
        &mut buffer.nothing
    }
}

/// How many labels are the class with the largest prediction, and how many count. Classes lie along the axis after the
/// samples' (along the only axis, if there is one).
pub fn correct(predictions: ArrayViewD<'_, f32>, labels: &[i32], ignored: Option<i32>) -> [usize; 2] {
    let classes = Axis(1.min(predictions.ndim() - 1));
    let pairs = predictions.lanes(classes).into_iter().zip(labels);
    let counted = pairs.filter(|(_, label)| ignored != Some(**label));
    counted.fold([0, 0], |[correct, count], (scores, label)| {
        [correct + usize::from(largest(scores.iter()) == *label as usize), count + 1]
    })
}

/// The position of the first largest number; a NaN is larger than all, as in `argmax`.
fn largest<'a>(numbers: impl Iterator<Item = &'a f32>) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (position, &number) in numbers.enumerate() {
        if number > best.1 || (number.is_nan() && !best.1.is_nan()) {
            best = (position, number);
        }
    }
    best.0
}
