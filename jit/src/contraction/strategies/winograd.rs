//! Convolution by Winograd's minimal filtering F(2 x 2, 3 x 3): each patch of 4 x 4 inputs and each kernel of 3 x 3 weights
//! is transformed to 16 elements, and the sums over channels are 16 matrix products, with 16 multiplications for 4 results
//! instead of 36. Patches and sums of one block of tiles at a time lie in scratch memory that the caches hold.
//!
//! `sliding.rs` recognises what can be computed so, `transform.rs` holds the transforms, `blocks.rs` chooses the blocks, `tiles.rs`
//! loops over the tiles, `emit.rs` writes the kernels.

mod blocks;
mod emit;
mod forward;
mod gradient;
mod gradient_kernels;
mod product;
mod sliding;
mod tiles;
mod transform;

pub use forward::{Step, Winograd};
pub use gradient::{Gradient, Step as GradientStep};
pub use product::Products;
