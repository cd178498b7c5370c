//! Lowers operations to kernels: one file for each family of `kiln_graph`'s operations.
//! It knows graphs' operations, layouts and targets; it knows no emitter.

mod conv;
mod dot;
pub mod math;
mod pack;
pub mod tile;
