//! What people look at: the summary of a model, charts and image grids.

pub mod plots;
mod summary;

pub use summary::{LayerRow, Summary};
