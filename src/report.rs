//! What people look at: the summary of a model, drawings of what it computes, profiles, what is kept compiled, what
//! tuning has chosen, charts and image grids, and the report of a whole training.

mod cached;
mod drawing;
pub mod plots;
mod profile;
mod run;
mod summary;
mod text;
mod tuning;

pub use cached::{CachedProgram, CachedPrograms};
pub use drawing::{DrawError, DrawGraph, Drawing};
pub use profile::{Profile, ProfileError, ProfileExchange, ProfileRow};
pub(crate) use run::Facts;
pub use run::{Report, ReportError};
pub use summary::{LayerRow, Summary};
pub use tuning::{TunedProgram, Tuning, TuningRow};
