//! What compiled programs need while they run: aligned buffers, threads, random numbers, the floating-point mode.
//! Knows no graph and no code generator.

pub mod buffer;
pub mod denormals;
pub mod random;
mod sync;
pub mod threads;

pub use buffer::{Buffer, Pages, room};
pub use threads::{Pool, ThreadsError};
