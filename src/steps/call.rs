//! One call of a program: the shapes of its arguments are checked, then they are handed over one after the other, and
//! it runs. What the arguments mean, and what the program does with them, is not known here.

use kiln_graph::shape::{Misfit, Sizes};
use kiln_graph::{Element, Elements, Shape};
use ndarray::{ArrayRef, ArrayViewD, Axis, Dimension, aview0};

use super::{Results, StepTrainer, Steps, graph, usual};
use crate::trainer::{Label, Rules, Targets, TrainError, check_finite, differs, has_rows, view};

/// A call while its arguments are given, in the order of the declaration: first the shapes of all, which say for which
/// sizes the program is, then what they hold. (Where the first input has all free extents, its shape goes without saying,
/// and so do the others.) Nothing is computed before [`Call::run`].
pub struct Call<'t, M: Steps> {
    trainer: &'t mut StepTrainer<M>,
    program: usize,
    /// The number of inputs whose shapes are known.
    shaped: usize,
    /// The number of inputs so far.
    given: usize,
    sizes: Sizes,
}

impl<M: Steps> StepTrainer<M> {
    /// Begins a call of the program with the given number.
    ///
    /// # Panics
    /// If there is no such program.
    pub fn call(&mut self, program: usize) -> Call<'_, M> {
        assert!(program < M::PROGRAMS.len(), "program {program} of {}", M::PROGRAMS.len());
        Call { trainer: self, program, shaped: 0, given: 0, sizes: Sizes::UNKNOWN }
    }
}

impl<'t, M: Steps> Call<'t, M> {
    /// Says the shape of the next input.
    ///
    /// # Errors
    /// [`TrainError::StepInput`], [`TrainError::StepBatch`], [`TrainError::BatchTooLarge`], [`TrainError::Empty`],
    /// [`TrainError::Extent`], [`TrainError::NoExtent`].
    pub fn shape(mut self, shape: &[usize]) -> Result<Self, TrainError> {
        let signature = &M::PROGRAMS[self.program];
        let (program, taken) = (signature.name, &signature.inputs[self.shaped]);
        let (input, expected) = (taken.name, taken.ty.shape);
        let sizes = match self.sizes.and(expected, shape) {
            _ if has_rows(expected) && shape.first() == Some(&0) && shape.len() == expected.rank() => {
                return Err(TrainError::Empty { found: shape.to_vec() }.of_input(input, signature.inputs.len()));
            }
            Ok(sizes) => sizes,
            Err(Misfit::Differs { free: Shape::N, before: expected, here: found }) => {
                return Err(TrainError::StepBatch { program, input, expected, found });
            }
            Err(misfit) => {
                let before = signature.inputs[..self.shaped].iter().map(|taken| (taken.name, taken.ty.shape));
                let wrong = || TrainError::StepInput { program, input, expected, found: shape.to_vec() };
                return Err(differs(misfit, input, before).unwrap_or_else(wrong));
            }
        };
        let most = self.trainer.settings.batch;
        if sizes.batch() > most {
            return Err(TrainError::BatchTooLarge { batch: most, found: sizes.batch() });
        }
        self.sizes = sizes;
        self.shaped += 1;
        if self.shaped == signature.inputs.len() && sizes.batch() == 0 {
            // No input has rows.
            self.sizes = sizes.with_batch(most);
        }
        Ok(self)
    }

    /// Says the shape of the next input, which is labels or other whole numbers.
    ///
    /// # Errors
    /// As [`Call::shape`].
    pub fn shape_of(self, labels: &(impl Targets<i32> + ?Sized)) -> Result<Self, TrainError> {
        let mut result = Err(TrainError::Empty { found: Vec::new() });
        let mut call = Some(self);
        labels.with_shape(&mut |shape| {
            if let Some(call) = call.take() {
                result = call.shape(shape);
            }
        });
        result
    }

    /// Gives the next input, numbers of any memory layout.
    ///
    /// # Errors
    /// As [`Call::shape`], and with `check_finite` [`TrainError::NotFinite`].
    pub fn numbers<D: Dimension>(mut self, x: &ArrayRef<f32, D>) -> Result<Self, TrainError> {
        if self.given == self.shaped {
            self = self.shape(x.shape())?;
        }
        let x = x.view().into_dyn();
        let taken = &M::PROGRAMS[self.program].inputs[self.given];
        if self.trainer.settings.check_finite {
            check_finite(taken.name, x.view())?;
        }
        self.write(x.view())?;
        self.given += 1;
        Ok(self)
    }

    /// Gives the next input, one number or flag.
    ///
    /// # Errors
    /// As [`Call::numbers`], and [`TrainError::Index`] for an index that points at nothing.
    pub fn number<T: Element>(mut self, x: T) -> Result<Self, TrainError> {
        if self.given == self.shaped {
            self = self.shape(&[])?;
        }
        let signature = &M::PROGRAMS[self.program];
        let name = signature.inputs[self.given].name;
        let x = aview0(&x).into_dyn();
        if let (true, Elements::F32(x)) = (self.trainer.settings.check_finite, T::elements(x.clone())) {
            check_finite(name, x)?;
        }
        self.write(x).map_err(|error| error.of_input(name, signature.inputs.len()))?;
        self.given += 1;
        Ok(self)
    }

    /// Gives the next input, one whole number of any integer type.
    ///
    /// # Errors
    /// As [`Call::number`], and [`TrainError::WholeNumber`] for one beyond i32.
    pub fn whole_number(self, x: impl Label) -> Result<Self, TrainError> {
        let found = x.number();
        let Ok(number) = i32::try_from(found) else {
            let inputs = &M::PROGRAMS[self.program].inputs;
            let error = TrainError::WholeNumber { place: Vec::new(), found };
            return Err(error.of_input(inputs[self.given].name, inputs.len()));
        };
        self.number(number)
    }

    /// Hands the next input over: to each shard its rows, where batches have shards (of samples by samples those
    /// of its own); all of one without rows.
    fn write<T: Element>(&mut self, x: ArrayViewD<'_, T>) -> Result<(), TrainError> {
        let (signature, given) = (&M::PROGRAMS[self.program], self.given);
        let declared = signature.inputs[given].ty.shape;
        let StepTrainer { programs, model, settings, axes, .. } = &mut *self.trainer;
        let axes = &axes[self.program];
        let mut build = |sizes: Sizes| Ok(graph(&**model, self.program, *settings, axes, sizes)?.0);
        programs.each_shard((signature.name, signature.mode), self.sizes, &mut build, &mut |program, rows| {
            let mut x = x.view();
            for axis in (0..declared.rank()).filter(|&axis| declared.dim(axis) == Shape::N) {
                x.slice_axis_inplace(Axis(axis), rows.clone().into());
            }
            program.write(given, x)
        })
    }

    /// Gives the next input, labels or other whole numbers of any integer type.
    ///
    /// # Errors
    /// As [`Call::shape`], and [`TrainError::Label`] for a label that a loss of the program has no class for,
    /// [`TrainError::WholeNumber`], and [`TrainError::Index`] for an index that points at nothing; of one of several inputs
    /// they come as [`TrainError::Input`].
    pub fn labels(mut self, labels: &(impl Targets<i32> + ?Sized)) -> Result<Self, TrainError> {
        if self.given == self.shaped {
            self = self.shape_of(labels)?;
        }
        let taken = &M::PROGRAMS[self.program].inputs[self.given];
        let StepTrainer { classes, labels: buffer, .. } = &mut *self.trainer;
        let classes = classes[self.program][self.given];
        let rules = Rules {
            classes: classes.map(|classes| classes.count),
            ignored: classes.and_then(|classes| classes.ignored),
            finite: false,
        };
        let inputs = M::PROGRAMS[self.program].inputs.len();
        let named = |error: TrainError| error.of_input(taken.name, inputs);
        labels.read(rules, buffer).map_err(named)?;
        let labels = std::mem::take(buffer);
        let written = self.write(view(&labels, self.sizes.shape(taken.ty.shape))).map_err(named);
        self.trainer.labels = labels;
        written?;
        self.given += 1;
        Ok(self)
    }

    /// Gives the next input, a mask of any memory layout.
    ///
    /// # Errors
    /// As [`Call::shape`].
    pub fn mask<D: Dimension>(mut self, mask: &ArrayRef<bool, D>) -> Result<Self, TrainError> {
        if self.given == self.shaped {
            self = self.shape(mask.shape())?;
        }
        self.write(mask.view().into_dyn())?;
        self.given += 1;
        Ok(self)
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
        let StepTrainer { programs, model, settings, schedulers, stepped, axes, .. } = self.trainer;
        let axes = &axes[self.program][..];
        let sizes = if signature.inputs.is_empty() { usual(signature, *settings) } else { self.sizes };
        let mut build = |sizes: Sizes| Ok(graph(&**model, self.program, *settings, axes, sizes)?.0);
        let step = (signature.name, signature.mode);
        if signature.inputs.is_empty() {
            programs.each_shard(step, sizes, &mut build, &mut |_, _| Ok(()))?;
        }
        schedulers.hand_over(&stepped[self.program], programs.states_mut())?;
        programs.run_step(step, sizes, &mut build)?;
        schedulers.advance(&stepped[self.program]);
        let (session, shards) = programs.ran(step, sizes)?;
        Ok(Results { program: signature.name, session, shards, sizes, axes })
    }
}
