//! How a sum of products is computed: dot, convolution and their gradients are all contractions.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `problem.rs` | what is to be computed, over which layouts |
//! | `from_op.rs` | which contractions an operation is, and the layouts that make it fast |
//! | `normalize.rs` | a contraction seen otherwise: operands exchanged, axes joined, what may run along the lanes |
//! | `tiling.rs` | a contraction cut into loops, as data |
//! | `strategies/` | the strategies to compute a contraction, one a file |
//! | `stalls.rs` | what a tiling's multiply-adds wait for memory |
//! | `strategy.rs` | strategies put together, and what they cost in all |
//! | `search.rs` | the fastest of them, and those that are worth measuring |
//! | `recipe.rs` | what comes out: a [`Recipe`], stages, each of which becomes one kernel |
//! | `key.rs` | the number in a recipe's name |
//! | `text.rs` | a recipe's whole text, which parses back |
//!
//! It knows operations, layouts, kernels, targets and costs; it does not know what is fused into the epilogue, nor
//! where in memory anything lies. The files below import one another, never this one.

mod from_op;
mod key;
mod normalize;
mod problem;
mod recipe;
mod search;
mod stalls;
mod strategies;
mod strategy;
mod text;
mod tiling;

pub use from_op::{preferred_layouts, preferred_layouts_of};
pub use problem::{Axis, Contraction, Coordinate, Epilogue, Operand, Place, Problem, Source};
pub use recipe::{Recipe, Stage};
pub use search::{Candidate, recipe, recipes};
pub use text::RecipeError;
