//! Kiln compiles neural networks: a network is declared as a struct, its shapes are checked while Rust compiles, and
//! forward, backward and optimizer become one set of fused native kernels over one planned block of memory.
#![forbid(unsafe_code)]

pub use kiln_graph as graph;
pub use kiln_graph::{layers, losses, optimizers};
pub use kiln_macros::{Model, model};

/// Everything that declaring, training and using a network takes: `use kiln::prelude::*;`.
pub mod prelude {
    pub use crate::layers::*;
    pub use kiln_graph::{Kind, Layer, Model, Parameter, Path, Shape};
    pub use kiln_macros::{Model, model};
}
