//! What calls give to the inputs of a file's model, by their names, checked. It knows no programs.

use std::ops::Range;

use kiln_graph::{Elements, Shape, Type};

use super::predictor::OnnxRunError;
use crate::trainer::{Compiled, TrainError, has_rows, write_part};

/// The values of a call's inputs, as far as they were given.
pub struct Given<'p> {
    values: Vec<Option<Elements<'p>>>,
}

/// The type of a value, of as many axes as a type has at most.
pub fn type_of(value: &Elements<'_>) -> Type {
    let shape = value.shape();
    Type::new(value.dtype(), Shape::new(&shape[..shape.len().min(kiln_graph::shape::MAX_RANK)]))
}

impl<'p> Given<'p> {
    /// Nothing yet, of so many inputs.
    pub fn new(inputs: usize) -> Given<'p> {
        Given { values: (0..inputs).map(|_| None).collect() }
    }

    /// With the value of an input.
    ///
    /// # Errors
    /// [`OnnxRunError::Unknown`], [`OnnxRunError::Given`].
    pub fn set(&mut self, inputs: &[(String, Type)], name: &str, value: Elements<'p>) -> Result<(), OnnxRunError> {
        let Some(position) = inputs.iter().position(|(known, _)| known == name) else {
            return Err(unknown("input", name, inputs.iter().map(|(name, _)| name)));
        };
        let expected = inputs[position].1;
        let fits = |(&declared, &found): (&usize, &usize)| declared == found || declared == Shape::N && found > 0;
        let extents = expected.shape.dims();
        let alike = value.shape().len() == extents.len() && extents.iter().zip(value.shape()).all(fits);
        if expected.dtype != value.dtype() || !alike {
            return Err(OnnxRunError::Given { name: name.to_owned(), expected, found: type_of(&value) });
        }
        self.values[position] = Some(value);
        Ok(())
    }

    /// The number of rows, which all inputs of free rows have; nothing where there is no such input.
    ///
    /// # Errors
    /// [`OnnxRunError::Missing`]; [`OnnxRunError::Given`] for inputs of several numbers of rows.
    pub fn rows(&self, inputs: &[(String, Type)]) -> Result<Option<usize>, OnnxRunError> {
        let mut rows = None;
        for ((name, ty), given) in inputs.iter().zip(&self.values) {
            let Some(value) = given else {
                return Err(OnnxRunError::Missing { name: name.clone(), expected: *ty });
            };
            if ty.shape.dims().first() == Some(&Shape::N) {
                let own = value.shape()[0];
                if *rows.get_or_insert(own) != own {
                    let expected = Type::new(ty.dtype, ty.shape.with(0, rows.unwrap_or(own)));
                    return Err(OnnxRunError::Given { name: name.clone(), expected, found: type_of(value) });
                }
            }
        }
        Ok(rows)
    }

    /// Sets the first inputs of a program, which are the model's, to some of the rows; inputs that have none are given whole.
    ///
    /// # Errors
    /// [`TrainError::Index`] for an index that points at nothing.
    pub fn write(
        &self,
        inputs: &[(String, Type)],
        program: &mut Compiled,
        rows: Range<usize>,
    ) -> Result<(), TrainError> {
        for (position, (value, (_, ty))) in self.values.iter().flatten().zip(inputs).enumerate() {
            let value = value.clone();
            write_part(program, position, value, has_rows(ty.shape).then(|| rows.clone()))?;
        }
        Ok(())
    }
}

/// That a name is none of those that there are.
pub fn unknown<'a>(wanted: &'static str, name: &str, known: impl Iterator<Item = &'a String>) -> OnnxRunError {
    let known: Vec<String> = known.map(|name| format!("`{name}`")).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    OnnxRunError::Unknown { wanted, name: name.to_owned(), known }
}
