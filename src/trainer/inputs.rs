//! What users give to a model's inputs: checks it, and hands parts of it to programs. The one place that says which
//! shapes a batch may have.

use std::ops::Range;

use kiln_graph::model::{Elements, Inputs};
use kiln_graph::{Model, Type};

use super::builder::Settings;
use super::error::TrainError;
use super::programs::Compiled;
use super::targets::check_finite;

/// The number of samples, which all inputs have, if each has the shape that the model declares.
pub fn check<M: Model>(x: &impl Inputs<M::Input>, settings: &Settings) -> Result<usize, TrainError> {
    let mut rows = None;
    x.each(|position, given| {
        let found = check_one::<M>(position, &given, settings)?;
        let expected = *rows.get_or_insert(found);
        if found != expected {
            let (first, input) = (M::INPUT_NAMES[0], M::INPUT_NAMES[position]);
            return Err(TrainError::InputBatch { first, input, expected, found });
        }
        Ok(())
    })?;
    rows.ok_or(TrainError::Empty { found: Vec::new() })
}

/// The number of samples of one input.
fn check_one<M: Model>(position: usize, given: &Elements<'_>, settings: &Settings) -> Result<usize, TrainError> {
    let Type { shape: expected, .. } = M::INPUTS[position];
    let several = M::INPUTS.len() > 1;
    let shape = given.shape();
    if shape.len() != expected.rank() || shape[1..] != expected.dims()[1..] {
        let found = shape.to_vec();
        return Err(match several {
            true => TrainError::NamedInputShape { input: M::INPUT_NAMES[position], expected, found },
            false => TrainError::InputShape { expected, found },
        });
    }
    if shape[0] == 0 {
        return Err(TrainError::Empty { found: shape.to_vec() });
    }
    if let (true, Elements::F32(numbers)) = (settings.check_finite, given) {
        check_finite(if several { M::INPUT_NAMES[position] } else { "input" }, numbers.view())?;
    }
    Ok(shape[0])
}

/// Sets the data inputs of a program, the first of which are the model's, to a part of the samples.
pub fn write<T>(program: &mut Compiled, x: &impl Inputs<T>, part: Range<usize>) -> Result<(), TrainError> {
    x.each(|position, given| program.write_elements(position, given.samples(part.clone())))
}
