//! What things cost: the only place with numbers. It knows targets; it knows no layout, no operation, no tiling
//! and no kernel.

pub mod cache;
pub mod compute;
pub mod copies;
pub mod params;
pub mod sharing;
