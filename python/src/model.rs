//! Models of ONNX files for Python: what is said of them gives another model, so that they are shared freely. It runs
//! nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kiln::graph::{Kind, Shape};
use kiln::onnx::{Constant, Dim, OnnxExport, OnnxModel};
use kiln::{Checkpoint, LoadOptions};
use numpy::{PyArrayDyn, PyUntypedArray};
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Given, copied, name_of};
use crate::errors::{of_checkpoint, of_export, of_model};

/// What a model takes.
#[pyclass(frozen, get_all, module = "kiln")]
pub struct Input {
    /// Its name.
    name: String,
    /// NumPy's name of its type; None of what no array holds.
    dtype: Option<String>,
    /// Its extents, None for open ones; None where the file does not say how many there are.
    shape: Option<Vec<Option<usize>>>,
}

#[pymethods]
impl Input {
    fn __repr__(&self) -> String {
        let extent = |extent: &Option<usize>| extent.map_or("?".to_owned(), |extent| extent.to_string());
        let shape = self.shape.as_ref().map(|shape| shape.iter().map(extent).collect::<Vec<_>>().join(", "));
        format!("{} {}[{}]", self.name, self.dtype.as_deref().unwrap_or("?"), shape.unwrap_or("..".to_owned()))
    }
}

/// A network of an ONNX file.
#[pyclass(frozen, module = "kiln")]
pub struct Model(pub OnnxModel);

/// Reads an ONNX file, which Kiln's `export_onnx`, PyTorch or anybody else wrote.
#[pyfunction]
pub fn load(py: Python<'_>, path: PathBuf) -> PyResult<Model> {
    py.detach(|| OnnxModel::load(path)).map(Model).map_err(of_model)
}

#[pymethods]
impl Model {
    /// What the model takes, but for what `with_` has given.
    #[getter]
    fn inputs(&self) -> Vec<Input> {
        let extent = |dim: &Dim| if let Dim::Known(extent) = dim { Some(*extent) } else { None };
        let input = |input: &kiln::onnx::Input| Input {
            name: input.name.clone(),
            dtype: input.element.and_then(|element| element.carrier()).map(|dtype| name_of(dtype).to_owned()),
            shape: input.shape.as_ref().map(|shape| shape.iter().map(extent).collect()),
        };
        self.0.inputs().iter().map(input).collect()
    }

    /// The names of what it gives.
    #[getter]
    fn outputs(&self) -> Vec<String> {
        self.0.outputs().to_vec()
    }

    /// Copies of its parameters, by their names.
    #[getter]
    fn parameters<'py>(&self, py: Python<'py>) -> BTreeMap<String, Bound<'py, PyArrayDyn<f32>>> {
        let copy = |array: &kiln::graph::Parameter| copied(py, array.value.to_owned().into_owned());
        self.0.parameters().map(|(name, parameter)| (name.to_owned(), copy(parameter))).collect()
    }

    /// The names of the parameters that a trainer trains.
    #[getter]
    fn trained(&self) -> Vec<String> {
        let trained = self.0.parameters().filter(|(_, parameter)| parameter.kind == Kind::Trained);
        trained.map(|(name, _)| name.to_owned()).collect()
    }

    /// With the value of an input on which shapes depend: a number or an array.
    fn with_(&self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Model> {
        // A vector of one number passes for a number, too.
        let is_array = value.cast::<PyUntypedArray>().is_ok();
        let constant = match (is_array, value.extract::<i64>(), value.extract::<f32>()) {
            (false, Ok(number), _) => Constant::int(number),
            (false, _, Ok(number)) => Constant::from(number),
            _ => match Given::new(name, value)?.elements() {
                kiln::graph::Elements::F32(array) => Constant::from(&*array),
                kiln::graph::Elements::I32(array) => Constant::from(&*array),
                kiln::graph::Elements::Bool(array) => Constant::from(&*array),
            },
        };
        self.0.clone().with(name, constant).map(Model).map_err(of_model)
    }

    /// With the shape of an input; None as the first extent is any number of rows.
    fn shape(&self, name: &str, extents: Vec<Option<usize>>) -> PyResult<Model> {
        if extents.iter().skip(1).any(Option::is_none) {
            return Err(PyTypeError::new_err("only the first extent may be None, which is any number of rows"));
        }
        let extents: Vec<usize> = extents.into_iter().map(|extent| extent.unwrap_or(Shape::N)).collect();
        self.0.clone().shape(name, &extents).map(Model).map_err(of_model)
    }

    /// Which gives other values, such as the features in front of the last layer.
    #[pyo3(signature = (*names))]
    fn with_outputs(&self, names: Vec<String>) -> PyResult<Model> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.0.clone().with_outputs(&names).map(Model).map_err(of_model)
    }

    /// With a new linear layer of the features that a value holds, as its only output.
    #[pyo3(signature = (name, *, of, outputs, seed=0))]
    fn with_head(&self, py: Python<'_>, name: &str, of: &str, outputs: usize, seed: u64) -> PyResult<Model> {
        py.detach(|| self.0.clone().with_head(name, of, outputs, seed)).map(Model).map_err(of_model)
    }

    /// Of which a trainer trains only the parameters whose names, or whose names' beginnings, these are; without any, all.
    #[pyo3(signature = (*names))]
    fn train_only(&self, names: Vec<String>) -> PyResult<Model> {
        let begins = |name: &str| names.iter().any(|wanted| name.starts_with(wanted.as_str()));
        if let Some(none) =
            names.iter().find(|wanted| !self.0.parameters().any(|(name, _)| name.starts_with(wanted.as_str())))
        {
            return Err(PyKeyError::new_err(format!("no parameter's name begins with `{none}`")));
        }
        let mut model = self.0.clone();
        model.set_trained(|name| names.is_empty() || begins(name));
        Ok(Model(model))
    }

    /// Whose batch norms do in training what PyTorch's do in `train()`: take the statistics of the batch, and follow them.
    #[pyo3(signature = (of_batch=true))]
    fn batch_statistics(&self, of_batch: bool) -> PyResult<Model> {
        let mut model = self.0.clone();
        model.set_batch_statistics(of_batch).map_err(of_model)?;
        Ok(Model(model))
    }

    /// With other parameters, of a file of weights: safetensors, PyTorch's, `.npz`, another ONNX file.
    #[pyo3(signature = (path, *, strict=true))]
    fn load_weights(&self, py: Python<'_>, path: PathBuf, strict: bool) -> PyResult<Model> {
        let mut model = self.0.clone();
        py.detach(|| model.load_with(path, LoadOptions::new().strict(strict)).map(|_| ())).map_err(of_checkpoint)?;
        Ok(Model(model))
    }

    /// Writes its parameters to a safetensors file, which `load_weights` and PyTorch read.
    fn save_weights(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| self.0.save(path)).map_err(of_checkpoint)
    }

    /// Writes it as an ONNX file, with its present parameters.
    fn export(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| OnnxExport::of_onnx(&self.0)?.save(path)).map_err(of_export)
    }

    fn __repr__(&self) -> String {
        let inputs: Vec<String> = self.inputs().iter().map(Input::__repr__).collect();
        format!("Model({} -> {})", inputs.join(", "), self.outputs().join(", "))
    }

    /// Models are not changed: a copy is the same one.
    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __deepcopy__<'py>(slf: Py<Self>, _memo: &Bound<'py, PyDict>) -> Py<Self> {
        slf
    }
}
