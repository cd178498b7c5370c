//! What people look at: the summary of a model, drawings of what it computes, charts and image grids.

mod drawing;
pub mod plots;
mod summary;
mod text;

pub use drawing::{DrawError, DrawGraph, Drawing};
pub use summary::{LayerRow, Summary};
