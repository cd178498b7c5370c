//! What compiled programs need while they run: aligned buffers, threads, random numbers, the floating-point mode, the
//! permission for tile registers.
//! Knows no graph and no code generator.

pub mod buffer;
pub mod denormals;
pub mod random;
mod sync;
pub mod threads;
pub mod tile_registers;

pub use buffer::{Buffer, Pages, room};
pub use threads::{Pool, ThreadsError};
