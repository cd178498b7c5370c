//! Predictions for Python: calls that let go of the interpreter while they compute. It knows no files.

use std::time::Duration;

use kiln::Precision;
use kiln::onnx::{OnnxOutputs, OnnxPredictor};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::arrays::{Given, handed_over};
use crate::errors::{of_run, of_training};
use crate::model::Model;
use crate::settings::no_such;

/// A model that is compiled for predictions, for any number of threads at once.
#[pyclass(frozen, module = "kiln")]
pub struct Predictor(OnnxPredictor);

/// A precision by its name.
pub fn precision(name: &str) -> PyResult<Precision> {
    match name {
        "float32" => Ok(Precision::F32),
        "bfloat16" => Ok(Precision::Bf16),
        other => Err(no_such("precision", other, &["float32", "bfloat16"])),
    }
}

/// Arrays by the names of inputs: in the inputs' order, and by keywords.
pub fn named<'py>(
    names: &[String],
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Vec<(String, Given<'py>)>> {
    if args.len() > names.len() {
        return Err(PyTypeError::new_err(format!(
            "{} arrays for {} inputs: {}",
            args.len(),
            names.len(),
            names.join(", ")
        )));
    }
    let mut given = Vec::new();
    for (name, value) in names.iter().zip(args.iter()) {
        given.push((name.clone(), Given::new(name, &value)?));
    }
    for (name, value) in kwargs.into_iter().flat_map(|kwargs| kwargs.iter()) {
        let name: String = name.extract()?;
        if given.iter().any(|(known, _)| *known == name) {
            return Err(PyTypeError::new_err(format!("`{name}` is given twice")));
        }
        let value = Given::new(&name, &value)?;
        given.push((name, value));
    }
    Ok(given)
}

/// The array of the only output; of several a dictionary by their names.
pub fn outputs<'py>(py: Python<'py>, outputs: OnnxOutputs) -> PyResult<Bound<'py, PyAny>> {
    let mut all: Vec<_> = outputs.into_iter().collect();
    if all.len() == 1
        && let Some((_, only)) = all.pop()
    {
        return Ok(handed_over(py, only));
    }
    let named = PyDict::new(py);
    for (name, array) in all {
        named.set_item(name, handed_over(py, array))?;
    }
    Ok(named.into_any())
}

#[pymethods]
impl Predictor {
    #[new]
    #[pyo3(signature = (model, *, batch=1, threads=None, precision="float32", tune=None))]
    fn new(
        py: Python<'_>,
        model: &Model,
        batch: usize,
        threads: Option<usize>,
        precision: &str,
        tune: Option<f64>,
    ) -> PyResult<Predictor> {
        let mut builder = OnnxPredictor::new(model.0.clone()).batch(batch).precision(self::precision(precision)?);
        if let Some(threads) = threads {
            builder = builder.threads(threads);
        }
        if let Some(seconds) = tune {
            let time = Duration::try_from_secs_f64(seconds)
                .map_err(|_| PyValueError::new_err(format!("`tune` takes seconds, not {seconds}")))?;
            builder = builder.tune(time);
        }
        py.detach(|| builder.build()).map(Predictor).map_err(of_run)
    }

    /// The outputs for arrays in the order of the inputs, or by their names.
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let names: Vec<String> = self.0.inputs().map(|(name, _)| name.to_owned()).collect();
        let given = named(&names, args, kwargs)?;
        let mut call = self.0.call();
        for (name, value) in &given {
            call = call.given_elements(name, value.elements()).map_err(of_run)?;
        }
        let found = py.detach(|| call.run()).map_err(of_run)?;
        outputs(py, found)
    }

    /// The model.
    #[getter]
    fn model(&self) -> Model {
        Model(self.0.model().clone())
    }

    /// A table of the layers, their output shapes and FLOPs, and the planned memory.
    fn summary(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| self.0.summary().map(|summary| summary.to_string())).map_err(of_training)
    }
}
