//! Training for Python: steps that let go of the interpreter while they compute. It knows no files of models.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kiln::onnx::{OnnxOutputs, OnnxRunError, OnnxTrainer};
use numpy::{PyArrayDyn, PyUntypedArray};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::arrays::{Given, copied};
use crate::errors::{of_checkpoint, of_run, of_training};
use crate::losses::Loss;
use crate::model::Model;
use crate::optimizers::Optimizer;
use crate::predictor::{named, outputs, precision};

/// A model in training.
#[pyclass(frozen, module = "kiln")]
pub struct Trainer {
    trainer: Mutex<OnnxTrainer>,
    inputs: Vec<String>,
    /// The outputs that losses are of.
    compared: Vec<String>,
}

/// Arrays with the names of what takes them.
type Values<'py> = Vec<(String, Given<'py>)>;

/// An array for the only name, a tuple or a list for several in their order, or a dictionary by the names.
fn by_name<'py>(names: &[String], what: &str, value: &Bound<'py, PyAny>) -> PyResult<Values<'py>> {
    let py = value.py();
    if let Ok(given) = value.cast::<PyDict>() {
        return named(names, &PyTuple::empty(py), Some(given));
    }
    // An array is a sequence for Python, too, of as many objects as it has rows.
    let args = match value.cast::<PyUntypedArray>().is_ok() {
        true => PyTuple::new(py, [value])?,
        false => match value.extract::<Vec<Bound<'py, PyAny>>>() {
            Ok(several) => PyTuple::new(py, several)?,
            Err(_) => PyTuple::new(py, [value])?,
        },
    };
    if args.len() != names.len() {
        return Err(PyTypeError::new_err(format!(
            "{} arrays for {} {what}: {}",
            args.len(),
            names.len(),
            names.join(", ")
        )));
    }
    named(names, &args, None)
}

/// What is asked of samples.
#[derive(Clone, Copy)]
enum Asked {
    Step,
    Loss,
}

impl Trainer {
    /// The trainer, which one thread has at a time. A panic within a step leaves it as far as it came, as an error does.
    fn held(&self) -> MutexGuard<'_, OnnxTrainer> {
        self.trainer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compare(&self, py: Python<'_>, x: &Bound<'_, PyAny>, y: &Bound<'_, PyAny>, asked: Asked) -> PyResult<f32> {
        let given = by_name(&self.inputs, "inputs", x)?;
        let targets = by_name(&self.compared, "targets", y)?;
        // Views, which other threads may have: the guards of NumPy's stay here.
        let given: Vec<_> = given.iter().map(|(name, value)| (name, value.elements())).collect();
        let targets: Vec<_> = targets.iter().map(|(name, value)| (name, value.elements())).collect();
        let compute = || -> Result<f32, OnnxRunError> {
            let mut trainer = self.held();
            let mut call = trainer.call();
            for (name, value) in given {
                call = call.given_elements(name, value)?;
            }
            for (name, value) in targets {
                call = call.target_elements(name, value)?;
            }
            match asked {
                Asked::Step => call.step(),
                Asked::Loss => call.loss(),
            }
        };
        py.detach(compute).map_err(of_run)
    }
}

#[pymethods]
impl Trainer {
    #[new]
    #[pyo3(signature = (model, loss, optimizer, *, batch=64, threads=None, seed=0, precision="float32"))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        model: &Model,
        loss: &Bound<'_, PyAny>,
        optimizer: &Optimizer,
        batch: usize,
        threads: Option<usize>,
        seed: u64,
        precision: &str,
    ) -> PyResult<Trainer> {
        let losses: Vec<(String, Py<Loss>)> = match loss.cast::<PyDict>() {
            Ok(losses) => {
                let each = losses.iter().map(|(output, loss)| Ok((output.extract()?, loss.extract()?)));
                each.collect::<PyResult<_>>()?
            }
            Err(_) => {
                let [output] = model.0.outputs() else {
                    let names = model.0.outputs().join(", ");
                    return Err(PyTypeError::new_err(format!(
                        "a model of several outputs takes losses by their names: {names}"
                    )));
                };
                vec![(output.clone(), loss.extract()?)]
            }
        };
        let mut builder = optimizer.trainer(model.0.clone())?;
        for (output, loss) in &losses {
            builder = loss.get().of(Some((builder, output)))?.expect("a trainer was given");
        }
        builder = builder.batch(batch).seed(seed).precision(self::precision(precision)?);
        if let Some(threads) = threads {
            builder = builder.threads(threads);
        }
        let trainer = py.detach(|| builder.build()).map_err(of_run)?;
        let inputs = trainer.inputs().map(|(name, _)| name.to_owned()).collect();
        let compared = losses.into_iter().map(|(output, _)| output).collect();
        Ok(Trainer { trainer: Mutex::new(trainer), inputs, compared })
    }

    /// Trains on a batch; the loss before the update.
    fn train_step(&self, py: Python<'_>, x: &Bound<'_, PyAny>, y: &Bound<'_, PyAny>) -> PyResult<f32> {
        self.compare(py, x, y, Asked::Step)
    }

    /// The mean loss of samples, as in evaluation.
    fn evaluate(&self, py: Python<'_>, x: &Bound<'_, PyAny>, y: &Bound<'_, PyAny>) -> PyResult<f32> {
        self.compare(py, x, y, Asked::Loss)
    }

    /// The outputs, as in evaluation.
    #[pyo3(signature = (*args, **kwargs))]
    fn predict<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let given = named(&self.inputs, args, kwargs)?;
        let given: Vec<_> = given.iter().map(|(name, value)| (name, value.elements())).collect();
        let compute = || -> Result<OnnxOutputs, OnnxRunError> {
            let mut trainer = self.held();
            let mut call = trainer.call();
            for (name, value) in given {
                call = call.given_elements(name, value)?;
            }
            call.run()
        };
        let found = py.detach(compute).map_err(of_run)?;
        outputs(py, found)
    }

    /// The learning rate of the next step, of the parameters in no group.
    #[getter]
    fn learning_rate(&self, py: Python<'_>) -> f32 {
        py.detach(|| self.held().learning_rate())
    }

    /// Sets the learning rate of all parameters.
    #[setter]
    fn set_learning_rate(&self, py: Python<'_>, rate: f32) -> PyResult<()> {
        py.detach(|| self.held().set_learning_rate(rate)).map_err(of_training)
    }

    /// Sets the learning rate of one group, counted from 1; 0 are the parameters in no group.
    fn set_group_learning_rate(&self, py: Python<'_>, group: usize, rate: f32) -> PyResult<()> {
        py.detach(|| self.held().set_group_learning_rate(group, rate)).map_err(of_training)
    }

    /// Whether predictions, evaluations and the model have the averages of an optimizer with `ema`, not the parameters.
    #[pyo3(signature = (averaged=true))]
    fn use_averaged(&self, py: Python<'_>, averaged: bool) -> PyResult<()> {
        py.detach(|| self.held().use_averaged(averaged)).map_err(of_training)
    }

    /// The gradient of a parameter in the last step, where the optimizer keeps them (`keep_gradients=True`).
    fn gradient<'py>(&self, py: Python<'py>, parameter: &str) -> Option<Bound<'py, PyArrayDyn<f32>>> {
        py.detach(|| self.held().gradient(parameter)).map(|gradient| copied(py, gradient))
    }

    /// The model with its present parameters.
    fn model(&self, py: Python<'_>) -> Model {
        Model(py.detach(|| self.held().model().clone()))
    }

    /// Writes all that the training goes on from.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| self.held().save(path)).map_err(of_checkpoint)
    }

    /// Goes on from what `save` wrote, for the same model, optimizer and groups.
    fn load(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| self.held().load(path)).map_err(of_checkpoint)
    }

    /// A table of the layers, their output shapes and FLOPs, and the planned memory of a step.
    fn summary(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| self.held().summary().map(|summary| summary.to_string())).map_err(of_training)
    }
}
