//! Lowers groups of operations to kernels, one family of operations a file: elementwise values and copies (`map`),
//! reductions (`reduce`), windows (`window`), gathers and scatters (`indexing`), pads and concatenations (`movement`),
//! sums of products (`contraction`), random values (`random`). A family says what a group of its kind computes
//! (`describe`) and writes its kernels (`lower`), and `dispatch` hands each group to its family; `expression`, `loops`,
//! `math` and `halo` are what the families use.
//!
//! It knows graphs' operations, layouts and targets; it knows no emitter, and not what else the plan does. The files
//! below import one another, never this one.

mod contraction;
mod dispatch;
pub(crate) mod expression;
mod group;
pub(crate) mod halo;
mod indexing;
mod loops;
mod lowered;
pub(crate) mod map;
pub mod math;
mod movement;
mod of_nodes;
mod random;
mod reduce;
mod window;

pub(crate) use contraction::{Contracting, lower as lower_contraction};
pub(crate) use dispatch::{Described, Root, describe, in_row_parts, lower};
pub(crate) use group::{Class, Context, Group, Writing, class};
pub(crate) use lowered::Lowered;
pub(crate) use of_nodes::OfNodes;
pub(crate) use window::windows_partition;
