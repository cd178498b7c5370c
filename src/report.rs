//! What people look at: the summary of a model, drawings of what it computes, profiles, charts and image grids.

mod drawing;
pub mod plots;
mod profile;
mod summary;
mod text;

pub use drawing::{DrawError, DrawGraph, Drawing};
pub use profile::{Profile, ProfileError, ProfileRow};
pub use summary::{LayerRow, Summary};
