//! ONNX files as graphs of the Kiln compiler, and its graphs as ONNX files.
//!
//! This crate knows the format and the operators of ONNX, and `kiln-graph`; it knows nothing of machines, trainers or
//! predictors.
#![forbid(unsafe_code)]
// An axis counts in several lists at once: extents, strides, pads.
#![allow(clippy::needless_range_loop)]

mod constant;
mod element;
mod error;
mod model;
mod operators;
pub mod proto;
mod read;
pub mod write;

pub use constant::{Beside, Constant, Data};
pub use element::Element;
pub use error::{Fault, OnnxError};
pub use model::OnnxModel;
pub use prost;
pub use prost::bytes::Bytes;
pub use read::graph::{Dim, Input};
