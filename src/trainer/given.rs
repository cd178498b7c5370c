//! What users give as the targets of one loss or of several, and the memory in which programs find it. Knows losses by
//! what they ask of targets alone.

use std::marker::PhantomData;
use std::ops::Range;

#[cfg(feature = "onnx")]
use kiln_graph::Elements;
use kiln_graph::losses::TargetRule;
use kiln_graph::model::reserve;
use kiln_graph::{DType, Shape};

use super::error::TrainError;
use super::programs::Compiled;
use super::targets::{Rules, TargetElement, Targets};
use super::view;
use crate::metrics::MetricTargets;

/// The targets of one loss, as programs read them; those of one type are used.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Buffer {
    pub(super) f32: Vec<f32>,
    pub(super) i32: Vec<i32>,
    pub(super) nothing: Vec<()>,
    /// What they are; nothing where there is no loss.
    pub(super) rule: Option<TargetRule>,
}

impl Buffer {
    /// Of so many losses, with memory for so many labels each; numbers grow with the first batch.
    pub fn several(losses: usize, labels: usize) -> Vec<Buffer> {
        (0..losses).map(|_| Buffer { i32: Vec::with_capacity(labels), ..Buffer::default() }).collect()
    }

    /// The labels of some samples of all.
    pub fn labels(&self, start: usize, end: usize) -> &[i32] {
        let width = self.rule.map_or(0, |rule| rule.ty.shape.dims()[1..].iter().product());
        self.i32.get(start * width..end * width).unwrap_or_default()
    }

    /// The targets of some samples of all, for metrics.
    pub fn given(&self, part: Range<usize>) -> MetricTargets<'_> {
        let shape = self.rule.map_or(Shape::new(&[0]), |rule| rule.ty.shape.with(0, part.len()));
        let width: usize = shape.dims()[1..].iter().product();
        let elements = part.start * width..part.end * width;
        match self.rule.map(|rule| rule.ty.dtype) {
            Some(DType::F32) => MetricTargets::Numbers(view(&self.f32[elements], shape)),
            _ => MetricTargets::Labels(view(self.i32.get(elements).unwrap_or_default(), shape)),
        }
    }

    /// Sets an input of a program to the targets of some samples of all.
    pub fn write(&self, program: &mut Compiled, input: usize, start: usize, end: usize) -> Result<(), TrainError> {
        let Some(rule) = self.rule else { return Ok(()) };
        let shape = rule.ty.shape.with(0, end - start);
        let width: usize = shape.dims()[1..].iter().product();
        let part = start * width..end * width;
        match rule.ty.dtype {
            DType::F32 => program.write(input, view(&self.f32[part], shape)),
            DType::Bf16 | DType::U8 | DType::I8 => unreachable!("neither inputs nor results of a program are narrow"),
            DType::I32 | DType::Bool => program.write(input, view(&self.i32[part], shape)),
        }
    }
}

/// Sets the inputs of a program from `first` on to the targets of some samples.
pub fn write_targets(
    program: &mut Compiled,
    first: usize,
    targets: &[Buffer],
    part: Range<usize>,
) -> Result<(), TrainError> {
    let given = targets.iter().filter(|target| target.rule.is_some());
    given.enumerate().try_for_each(|(number, target)| target.write(program, first + number, part.start, part.end))
}

/// The targets of one loss, of any type.
#[doc(hidden)]
pub trait OneTarget {
    fn shape(&self) -> Vec<usize>;
    fn has_shape(&self, shape: &[usize]) -> bool;
    /// Checks elements of this shape and copies them.
    fn read(&self, rules: Rules, shape: Shape, to: &mut Buffer) -> Result<(), TrainError>;
}

/// Targets with elements of type `T`.
struct Of<'a, T, Y: ?Sized>(&'a Y, PhantomData<T>);

impl<T: TargetElement, Y: Targets<T> + ?Sized> OneTarget for Of<'_, T, Y> {
    fn shape(&self) -> Vec<usize> {
        self.0.shape()
    }

    fn has_shape(&self, shape: &[usize]) -> bool {
        self.0.has_shape(shape)
    }

    fn read(&self, rules: Rules, shape: Shape, to: &mut Buffer) -> Result<(), TrainError> {
        let kept = T::kept(to);
        kept.clear();
        reserve(kept, shape).map_err(TrainError::targets)?;
        self.0.read(rules, kept)
    }
}

/// What is given to losses whose targets have the element types `T`: `&y` for one loss; for several a tuple of targets or of
/// references to them, `(&labels, &boxes)`, with `()` where an output has no loss, or a reference to one, such as a batch of a
/// data set of tuples.
#[diagnostic::on_unimplemented(
    message = "losses with targets of `{T}` do not take `{Self}`",
    label = "not the targets that the losses take",
    note = "one loss takes `&targets`, several a tuple in their order, `(&labels, &boxes)`, with `()` where an output has \
            no loss; `i32` stands for class labels of any integer type, `f32` for arrays of f32"
)]
pub trait BatchTargets<T> {
    /// Calls `f` with each and its place, until one fails.
    ///
    /// # Errors
    /// What `f` gives.
    #[doc(hidden)]
    fn each(&self, f: &mut Take<'_>) -> Result<(), TrainError>;
}

/// What is called with each target and its place.
pub type Take<'f> = dyn FnMut(usize, &dyn OneTarget) -> Result<(), TrainError> + 'f;

impl<T: TargetElement, Y: Targets<T> + ?Sized> BatchTargets<T> for &Y {
    fn each(&self, f: &mut Take<'_>) -> Result<(), TrainError> {
        f(0, &Of::<T, Y>(self, PhantomData))
    }
}

/// Tuples, by the names of their elements' and targets' types, and their places.
macro_rules! several {
    ($(($($element:ident $targets:ident $place:tt),*);)*) => {$(
        impl<$($element: TargetElement, $targets: Targets<$element>),*> BatchTargets<($($element,)*)> for ($($targets,)*) {
            fn each(&self, f: &mut Take<'_>) -> Result<(), TrainError> {
                $(f($place, &Of::<$element, $targets>(&self.$place, PhantomData))?;)*
                Ok(())
            }
        }

        impl<$($element: TargetElement, $targets: Targets<$element>),*> BatchTargets<($($element,)*)> for &($($targets,)*) {
            fn each(&self, f: &mut Take<'_>) -> Result<(), TrainError> {
                (**self).each(f)
            }
        }
    )*};
}

several! {
    (A P 0, B Q 1);
    (A P 0, B Q 1, C R 2);
    (A P 0, B Q 1, C R 2, D S 3);
    (A P 0, B Q 1, C R 2, D S 3, E T 4);
    (A P 0, B Q 1, C R 2, D S 3, E T 4, F U 5);
    (A P 0, B Q 1, C R 2, D S 3, E T 4, F U 5, G V 6);
    (A P 0, B Q 1, C R 2, D S 3, E T 4, F U 5, G V 6, H W 7);
}

/// Checks targets and copies them to where programs can read them.
pub fn read(given: &dyn OneTarget, rule: TargetRule, finite: bool, to: &mut Buffer) -> Result<(), TrainError> {
    let expected = rule.ty.shape;
    if !given.has_shape(expected.dims()) {
        return Err(TrainError::TargetShape { expected, found: given.shape() });
    }
    given.read(Rules { classes: rule.classes, ignored: rule.ignored, finite }, expected, to)?;
    to.rule = Some(rule);
    Ok(())
}

/// As [`read`], of elements whose type is known when the program runs; they have the rule's type.
#[cfg(feature = "onnx")]
pub fn read_elements(given: &Elements<'_>, rule: TargetRule, to: &mut Buffer) -> Result<(), TrainError> {
    match given {
        Elements::F32(numbers) => read(&Of::<f32, _>(numbers, PhantomData), rule, false, to),
        Elements::I32(labels) => read(&Of::<i32, _>(labels, PhantomData), rule, false, to),
        Elements::Bool(_) => unreachable!("no loss has targets of bool"),
    }
}
