//! The strategies to compute a contraction, one a file. Each says where it applies, what it costs, and writes its
//! kernels. Which of them are tried for a contraction, and put together to one way of computing it, is for
//! `strategy.rs` to say.
//!
//! | file | what it does |
//! | --- | --- |
//! | `register_tiles` | tiles of sums in registers: the microkernel |
//! | `packed_panels` | operands copied into the order in which tiles read them (packed A, packed B) |
//! | `pairs` | products of bf16 by pairs along a reduced axis |
//! | `tile_products` | the same by tile registers (AMX): blocks of 2 x 2 tiles |
//! | `converted_rows` | rows of bf16 made f32 by the tasks that take their products |
//! | `k_blocking` | the sums in blocks of the reduced axis, after Goto and van de Geijn |
//! | `split_k` | the reduced axis in parts, each a task, and the sum over the parts |
//! | `accumulate` | sums that are added to memory |
//! | `overlap_add` | an input gradient as a product, and the sums of what overlaps |
//! | `relayout` | an operand copied to another order of axes, with a halo of zeros |
//! | `transpose_results` | results stored along another axis than that of the lanes |
//! | `winograd` | kernels of 3 x 3 and 5 x 5 by minimal filtering |
//!
//! `emit` is what several of them write, `position` where loops over the axes of a contraction have arrived.

pub mod accumulate;
pub mod converted_rows;
pub mod emit;
pub mod k_blocking;
pub mod overlap_add;
pub mod packed_panels;
pub mod pairs;
pub mod position;
pub mod register_tiles;
pub mod relayout;
pub mod split_k;
pub mod tile_products;
pub mod transpose_results;
pub mod winograd;
