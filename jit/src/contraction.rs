//! How a sum of products is computed: dot, convolution and their gradients are all contractions.
//!
//! `problem.rs` says what is to be computed over which layouts, `from_op.rs` which contractions an operation is, `tiling.rs` how one
//! is cut into loops; `strategies/` holds one strategy to compute a contraction a file, `strategy.rs` puts them together and adds up what
//! they cost (`stalls.rs`: what waits for memory), `search.rs` finds the fastest. What comes out is a [`Recipe`]: stages, each of which
//! becomes one kernel.
//!
//! It knows operations, layouts, targets and costs; it does not know what is fused into the epilogue, nor where in memory anything
//! lies. The files below import one another, never this one.

mod from_op;
mod normalize;
mod problem;
mod recipe;
mod search;
mod stalls;
mod strategies;
mod strategy;
mod tiling;

pub use from_op::preferred_layouts;
pub use problem::{Axis, Contraction, Coordinate, Epilogue, Operand, Place, Problem, Source};
pub use recipe::{Recipe, Stage};
pub use search::{Candidate, recipe, recipes};
