//! Convolution by Winograd's minimal filtering: by F(2 x 2, 3 x 3) each patch of 4 x 4 inputs and each kernel of 3 x 3
//! weights is transformed to 16 elements, and the sums over channels are 16 matrix products, with 16 multiplications
//! for 4 results instead of 36; by F(4 x 4, 3 x 3) a patch has 6 x 6 inputs, with 36 multiplications for 16 results
//! instead of 144, and by F(2 x 2, 5 x 5) for 4 instead of 100. Patches and sums of one block of tiles at a time lie in
//! scratch memory that the caches hold. All of it knows contractions and what memory costs; it knows neither the
//! operation that a contraction stems from nor what is fused behind it.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `sliding.rs` | which contractions can be computed so |
//! | `transform.rs` | the filterings F(m, r) that there are; the transforms of one patch, kernel or tile (`two.rs`, `six.rs`) |
//! | `tiles.rs` | the loops over blocks and tiles |
//! | `product.rs` | the matrix products |
//! | `forward.rs`, `blocks.rs`, `emit.rs` | convolutions, input gradients: strategies, blocks, kernels |
//! | `gradient.rs`, `gradient_kernels.rs` | weight gradients: strategies and blocks, kernels |

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
pub use gradient::{Gradient, GradientStep};
pub use product::Products;
