//! ONNX files as graphs of the Kiln compiler.
//!
//! This crate knows the format and the operators of ONNX, and `kiln-graph`; it knows nothing of machines, trainers or
//! predictors.
#![forbid(unsafe_code)]

pub mod proto;
pub mod write;

pub use prost;
pub use prost::bytes::Bytes;
