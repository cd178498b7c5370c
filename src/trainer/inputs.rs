//! What users give to a model's inputs: checks it, and hands parts of it to programs. The one place that says which
//! shapes a batch may have. It knows shapes and element types, and no graph.

use std::ops::Range;

use kiln_graph::model::{Elements, Inputs};
use kiln_graph::shape::{Misfit, Sizes};
use kiln_graph::{Model, Shape, Type};

use super::builder::Settings;
use super::error::TrainError;
use super::programs::Compiled;
use super::sizes::differs;
use super::targets::check_finite;

/// The number of samples, which all inputs have, and the sizes of the free extents, if each input has the shape that the
/// model declares.
pub fn check<M: Model>(x: &impl Inputs<M::Input>, settings: &Settings) -> Result<Sizes, TrainError> {
    let mut sizes = Sizes::UNKNOWN;
    x.each(|position, given| {
        sizes = check_one((M::INPUTS, M::INPUT_NAMES), position, &given, sizes, settings)?;
        Ok::<(), TrainError>(())
    })?;
    if sizes.batch() == 0 { Err(TrainError::Empty { found: Vec::new() }) } else { Ok(sizes) }
}

/// With the sizes of one of the inputs that a model declares.
fn check_one(
    (types, names): (&[Type], &[&'static str]),
    position: usize,
    given: &Elements<'_>,
    before: Sizes,
    settings: &Settings,
) -> Result<Sizes, TrainError> {
    let (Type { shape: expected, .. }, input) = (types[position], names[position]);
    let several = types.len() > 1;
    let shape = given.shape();
    let sizes = match before.and(expected, shape) {
        _ if has_rows(expected) && shape.first() == Some(&0) && shape.len() == expected.rank() => {
            return Err(TrainError::Empty { found: shape.to_vec() }.of_input(input, types.len()));
        }
        Ok(sizes) => sizes,
        Err(Misfit::Differs { free: Shape::N, before: expected, here: found }) => {
            let first = types.iter().position(|ty| has_rows(ty.shape)).unwrap_or(0);
            return Err(TrainError::InputBatch { first: names[first], input, expected, found });
        }
        Err(misfit) => {
            let declared = (0..position).map(|position| (names[position], types[position].shape));
            let found = shape.to_vec();
            return Err(match differs(misfit, input, declared) {
                Some(error) => error,
                None if several => TrainError::NamedInputShape { input, expected, found },
                None => TrainError::InputShape { expected, found },
            });
        }
    };
    if let (true, Elements::F32(numbers)) = (settings.check_finite, given) {
        check_finite(if several { input } else { "input" }, numbers.view())?;
    }
    Ok(sizes)
}

/// Whether an input of this declared shape holds something of each sample; another is the same for all of them.
pub fn has_rows(declared: Shape) -> bool {
    declared.dims().first() == Some(&Shape::N)
}

/// Sets the data inputs of a program, the first of which are the model's, to a part of the samples; those without rows are
/// the same for each part.
///
/// # Errors
/// [`TrainError::Index`] for an index that points at nothing.
pub fn write<M: Model>(
    program: &mut Compiled,
    x: &impl Inputs<M::Input>,
    part: Range<usize>,
) -> Result<(), TrainError> {
    x.each(|position, given| {
        let part = has_rows(M::INPUTS[position].shape).then(|| part.clone());
        let written = write_part(program, position, given, part);
        written.map_err(|error| error.of_input(M::INPUT_NAMES[position], M::INPUTS.len()))
    })
}

/// Sets an input of a program to a part of what is given for it, or to all of it.
///
/// # Errors
/// [`TrainError::Index`] for an index that points at nothing, at its place among all that is given.
pub fn write_part(
    program: &mut Compiled,
    input: usize,
    given: Elements<'_>,
    part: Option<Range<usize>>,
) -> Result<(), TrainError> {
    let Some(part) = part else { return program.write_elements(input, given) };
    program.write_elements(input, given.samples(part.clone())).map_err(|error| match error {
        TrainError::Index(mut error) => {
            if let Some(row) = error.place.first_mut() {
                *row += part.start;
            }
            TrainError::Index(error)
        }
        other => other,
    })
}
