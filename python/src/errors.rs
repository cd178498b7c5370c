//! Kiln's errors as Python's exceptions, with Kiln's words. It makes up none of them.

use std::io;

use kiln::onnx::{ExportError, OnnxError, OnnxRunError};
use kiln::{CheckpointError, TrainError};
use pyo3::PyErr;
use pyo3::exceptions::{
    PyFileNotFoundError, PyKeyError, PyMemoryError, PyOSError, PyRuntimeError, PyTypeError, PyValueError,
};

/// What the file system says.
fn of_files(kind: io::ErrorKind, text: String) -> PyErr {
    match kind {
        io::ErrorKind::NotFound => PyFileNotFoundError::new_err(text),
        _ => PyOSError::new_err(text),
    }
}

/// Of a file that is no model, or one that is not computed.
pub fn of_model(error: OnnxError) -> PyErr {
    let text = error.to_string();
    match error {
        OnnxError::Read { error, .. } => of_files(error.kind(), text),
        OnnxError::UnknownInput { .. } | OnnxError::UnknownValue { .. } => PyKeyError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}

/// Of a program that is not compiled, or a call that is not computed.
pub fn of_run(error: OnnxRunError) -> PyErr {
    let text = error.to_string();
    match error {
        OnnxRunError::Model(error) => of_model(error),
        OnnxRunError::Unknown { .. } => PyKeyError::new_err(text),
        OnnxRunError::Given { expected, found, .. } if expected.dtype != found.dtype => PyTypeError::new_err(text),
        OnnxRunError::Target { expected, found, .. } if expected.dtype != found.dtype => PyTypeError::new_err(text),
        OnnxRunError::Missing { .. } | OnnxRunError::MissingTarget { .. } => PyTypeError::new_err(text),
        OnnxRunError::Run(error) => of_training(error),
        _ => PyValueError::new_err(text),
    }
}

/// Of a training.
pub fn of_training(error: TrainError) -> PyErr {
    let text = error.to_string();
    match error {
        TrainError::Memory { .. } | TrainError::OutOfMemory { .. } => PyMemoryError::new_err(text),
        TrainError::Compile(_) | TrainError::Numerics(_) | TrainError::Unexplained { .. } => {
            PyRuntimeError::new_err(text)
        }
        _ => PyValueError::new_err(text),
    }
}

/// Of a file of weights.
pub fn of_checkpoint(error: CheckpointError) -> PyErr {
    let text = error.to_string();
    match error {
        CheckpointError::NotFound { .. } => PyFileNotFoundError::new_err(text),
        CheckpointError::Read { .. } | CheckpointError::Write { .. } => PyOSError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}

/// Of a model that is written as an ONNX file.
pub fn of_export(error: ExportError) -> PyErr {
    let text = error.to_string();
    match error {
        ExportError::Write { .. } => PyOSError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}
