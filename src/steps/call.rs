//! One call of a program: its arguments are checked and handed over one after the other, then it runs.

use ndarray::{ArrayRef, Dimension};

use super::{Results, StepTrainer, Steps, Taken, graph};
use crate::trainer::{Rules, Targets, TrainError, check_finite, view};

/// A call while its arguments are given, in the order of the declaration. Nothing is computed before [`Call::run`].
pub struct Call<'t, M: Steps> {
    trainer: &'t mut StepTrainer<M>,
    program: usize,
    /// The number of inputs so far.
    given: usize,
    /// The number of samples, once an input has been given.
    batch: Option<usize>,
}

impl<M: Steps> StepTrainer<M> {
    /// Begins a call of the program with the given number.
    ///
    /// # Panics
    /// If there is no such program.
    pub fn call(&mut self, program: usize) -> Call<'_, M> {
        assert!(program < M::PROGRAMS.len(), "program {program} of {}", M::PROGRAMS.len());
        Call { trainer: self, program, given: 0, batch: None }
    }
}

impl<'t, M: Steps> Call<'t, M> {
    /// Gives the next input, numbers of any memory layout.
    ///
    /// # Errors
    /// [`TrainError::StepInput`], [`TrainError::StepBatch`], [`TrainError::BatchTooLarge`], [`TrainError::Empty`], and with
    /// `check_finite` [`TrainError::NotFinite`].
    pub fn numbers<D: Dimension>(mut self, x: &ArrayRef<f32, D>) -> Result<Self, TrainError> {
        let x = x.view().into_dyn();
        let (taken, batch) = self.next(x.shape())?;
        if self.trainer.settings.check_finite {
            check_finite(taken.name, x.view())?;
        }
        let StepTrainer { programs, model, settings, .. } = &mut *self.trainer;
        let build = || Ok(graph(&**model, self.program, *settings, batch)?.0);
        let (program, _) = programs.get(M::PROGRAMS[self.program].name, batch, build)?;
        program.write(self.given, x)?;
        self.given += 1;
        Ok(self)
    }

    /// Gives the next input, labels or other whole numbers of any integer type.
    ///
    /// # Errors
    /// [`TrainError::StepInput`], [`TrainError::StepBatch`], [`TrainError::BatchTooLarge`], [`TrainError::Empty`];
    /// [`TrainError::Label`] for a label that a loss of the program has no class for.
    pub fn labels(mut self, labels: &(impl Targets<i32> + ?Sized)) -> Result<Self, TrainError> {
        // The shape is a list only where it is wrong, as a step allocates nothing.
        let taken = &M::PROGRAMS[self.program].inputs[self.given];
        let batch = self.batch.filter(|batch| labels.has_shape(taken.ty.shape.with(0, *batch).dims()));
        let batch = match batch {
            Some(batch) => batch,
            None => self.next(&labels.shape())?.1,
        };
        let StepTrainer { programs, model, settings, classes, labels: buffer, .. } = &mut *self.trainer;
        let classes = classes[self.program][self.given];
        let rules = Rules {
            classes: classes.map(|classes| classes.count),
            ignored: classes.and_then(|classes| classes.ignored),
            finite: false,
        };
        labels.read(rules, buffer)?;
        let build = || Ok(graph(&**model, self.program, *settings, batch)?.0);
        let (program, _) = programs.get(M::PROGRAMS[self.program].name, batch, build)?;
        program.write(self.given, view(buffer, taken.ty.shape.with(0, batch)))?;
        self.given += 1;
        Ok(self)
    }

    /// What the next input is, and the number of samples, if the given shape fits.
    fn next(&mut self, shape: &[usize]) -> Result<(&'static Taken, usize), TrainError> {
        let signature = &M::PROGRAMS[self.program];
        let taken = &signature.inputs[self.given];
        let fits = shape.len() == taken.ty.shape.rank() && shape[1..] == taken.ty.shape.dims()[1..];
        if !fits {
            let (program, input, expected) = (signature.name, taken.name, taken.ty.shape);
            return Err(TrainError::StepInput { program, input, expected, found: shape.to_vec() });
        }
        if shape[0] == 0 {
            return Err(TrainError::Empty { found: shape.to_vec() });
        }
        let most = self.trainer.settings.batch;
        if shape[0] > most {
            return Err(TrainError::BatchTooLarge { batch: most, found: shape[0] });
        }
        let batch = *self.batch.get_or_insert(shape[0]);
        if batch != shape[0] {
            let (program, input) = (signature.name, taken.name);
            return Err(TrainError::StepBatch { program, input, expected: batch, found: shape[0] });
        }
        Ok((taken, batch))
    }

    /// Runs the program, whose inputs have all been given.
    ///
    /// # Errors
    /// [`TrainError::Run`].
    ///
    /// # Panics
    /// If an input is missing.
    pub fn run(self) -> Result<Results<'t>, TrainError> {
        let signature = &M::PROGRAMS[self.program];
        assert_eq!(self.given, signature.inputs.len(), "inputs of `{}`", signature.name);
        let StepTrainer { programs, model, settings, schedulers, stepped, .. } = self.trainer;
        let batch = self.batch.unwrap_or(settings.batch);
        let build = || Ok(graph(&**model, self.program, *settings, batch)?.0);
        let (program, states) = programs.get(signature.name, batch, build)?;
        schedulers.hand_over(&stepped[self.program], states)?;
        program.run(states)?;
        schedulers.advance(&stepped[self.program]);
        Ok(Results { program: signature.name, session: program.session() })
    }
}
