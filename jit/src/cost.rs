//! What things cost: the only place with numbers. It knows targets and layouts; it knows no operation, no tiling and no
//! kernel.

pub mod cache;
pub mod compute;
pub mod copies;
pub mod params;
pub mod sharing;
