//! Arrays of NumPy's as Kiln's calls take them, and Kiln's as NumPy's own. Arrays of the type that is taken are
//! borrowed, and what Kiln gives is handed over: neither is copied here. It knows no model.

use std::fmt::Display;

use kiln::graph::{DType, Elements};
use kiln::ndarray::ArrayD;
use kiln::onnx::OnnxArray;
use numpy::{
    IntoPyArray, PyArrayDescrMethods, PyArrayDyn, PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods, dtype,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

/// A value that a call is given.
pub enum Given<'py> {
    /// Borrowed, of any strides.
    F32(PyReadonlyArrayDyn<'py, f32>),
    I32(PyReadonlyArrayDyn<'py, i32>),
    Bool(PyReadonlyArrayDyn<'py, bool>),
    /// Whole numbers of another type.
    Converted(ArrayD<i32>),
}

impl<'py> Given<'py> {
    /// What is given under a name.
    ///
    /// # Errors
    /// `TypeError` for no array, or one of other elements than Kiln computes with; `ValueError` for a whole number that does not
    /// fit an i32.
    pub fn new(name: &str, value: &Bound<'py, PyAny>) -> PyResult<Given<'py>> {
        let py = value.py();
        let Ok(array) = value.cast::<PyUntypedArray>() else {
            let found = value.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "`{name}` takes a NumPy array, not {found}: `np.asarray(..)` makes one"
            )));
        };
        let found = array.dtype();
        // Numbers that lie across the borders of their size can not be borrowed.
        let aligned = value.getattr("flags")?.getattr("aligned")?.is_truthy()?;
        let value = &if aligned { value.clone() } else { value.call_method0("copy")? };
        if found.is_equiv_to(&dtype::<f32>(py)) {
            return Ok(Given::F32(value.extract()?));
        }
        if found.is_equiv_to(&dtype::<i32>(py)) {
            return Ok(Given::I32(value.extract()?));
        }
        if found.is_equiv_to(&dtype::<bool>(py)) {
            return Ok(Given::Bool(value.extract()?));
        }
        if found.kind() == b'i' || found.kind() == b'u' {
            return match found.kind() {
                b'i' => narrowed::<i64>(name, value),
                _ => narrowed::<u64>(name, value),
            };
        }
        Err(PyTypeError::new_err(format!(
            "`{name}` holds {found}; Kiln computes with float32, whole numbers and bool: `.astype(np.float32)` makes a copy"
        )))
    }

    /// Its elements, which other threads may read.
    pub fn elements(&self) -> Elements<'_> {
        match self {
            Given::F32(array) => Elements::F32(array.as_array()),
            Given::I32(array) => Elements::I32(array.as_array()),
            Given::Bool(array) => Elements::Bool(array.as_array()),
            Given::Converted(array) => Elements::I32(array.view()),
        }
    }
}

/// Whole numbers of another type as i32, by way of the widest type of their kind.
fn narrowed<'py, T: numpy::Element + Copy + Display>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<Given<'py>>
where
    i32: TryFrom<T>,
{
    let wide: PyReadonlyArrayDyn<'py, T> = value.call_method1("astype", (dtype::<T>(value.py()),))?.extract()?;
    let wide = wide.as_array();
    if let Some(number) = wide.iter().find(|number| i32::try_from(**number).is_err()) {
        return Err(PyValueError::new_err(format!(
            "`{name}` holds the whole number {number}, which does not fit an i32: Kiln carries whole numbers so"
        )));
    }
    // All of them fit, as was just seen.
    Ok(Given::Converted(wide.mapv(|number| i32::try_from(number).unwrap_or_default())))
}

/// An array of NumPy's that has the memory of one of Kiln's.
pub fn handed_over<'py>(py: Python<'py>, array: OnnxArray) -> Bound<'py, PyAny> {
    match array {
        OnnxArray::F32(array) => array.into_pyarray(py).into_any(),
        OnnxArray::I32(array) => array.into_pyarray(py).into_any(),
        OnnxArray::Bool(array) => array.into_pyarray(py).into_any(),
    }
}

/// NumPy's name of a type.
pub fn name_of(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "float32",
        DType::Bf16 => "bfloat16",
        DType::U8 => "uint8",
        DType::I8 => "int8",
        DType::I32 => "int32",
        DType::Bool => "bool",
    }
}

/// A copy of an array, which NumPy owns.
pub fn copied<'py>(py: Python<'py>, array: ArrayD<f32>) -> Bound<'py, PyArrayDyn<f32>> {
    array.into_pyarray(py)
}
