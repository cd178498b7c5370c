//! Graphs of the Kiln compiler: shapes, operations, layers, the differentiator, optimizers as graph
//! updates, passes, the text form and the reference interpreter.
//!
//! This crate knows mathematics and nothing of machines: no buffers, no threads, no code.
#![forbid(unsafe_code)]

/// `?` for constants.
macro_rules! ok {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Err(error),
        }
    };
}

mod bf16;
pub mod build;
pub mod counter;
mod differentiate;
mod few;
pub mod functions;
pub mod graph;
pub mod indices;
pub mod interpret;
pub mod layers;
pub mod losses;
pub mod model;
/// For the other crates of Kiln: no promise to users.
#[doc(hidden)]
pub mod names;
pub mod op;
pub mod ops;
pub mod optimizers;
mod pairs;
pub mod passes;
pub mod schedules;
pub mod setting;
pub mod shape;
pub mod text;
pub mod transfer;
pub mod verify;
pub mod whole;
mod words;
#[doc(hidden)]
pub mod written;

pub use bf16::Bf16;
pub use build::{Builder, Classes, GraphError, Mode, Range, Value};
pub use few::Few;
pub use graph::{Graph, Input, Line, Node, NodeId, Operands, Output, Role, Scope, Stage, Type, Update};
pub use model::{
    Element, Elements, Init, Kind, Layer, Model, NoSettings, Parameter, ParameterError, Parameters, Path, SetParameter,
};
pub use op::Op;
pub use pairs::Pairs;
pub use passes::optimize;
pub use setting::InvalidSetting;
pub use shape::{DType, Message, Shape, ShapeError};
pub use text::{parse, print};
pub use verify::{Violation, verify};
