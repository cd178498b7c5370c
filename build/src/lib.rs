//! Programs that leave the compiler at home: a prediction, or a training step, as an object file and a static library
//! with a header for C and a module for Rust, for this machine or another one.
//!
//! ```
//! use kiln::prelude::*;
//! use kiln_build::predict;
//!
//! #[derive(Model)]
//! #[model(input = [4])]
//! struct Small {
//!     fc: Linear<4, 3>,
//! }
//!
//! let program = predict("small", &Small::init(0), 1)?.target("aarch64-unknown-linux-gnu")?.build()?;
//! assert!(program.header.contains("int small_run(void *arena, const float x[4], float prediction[3]);"));
//! // program.write("out")?;   // small.o, libsmall.a, small.h, small.rs, small.weights
//! # Ok::<(), kiln_build::BuildError>(())
//! ```
//!
//! What links the library holds no compiler, maps no executable memory and allocates nothing: it gives the program one
//! piece of memory, the arena, whose size the header says. Results have the bits of a [`Predictor`](kiln::Predictor) on
//! one thread that is compiled for the same level and caches. It runs on the thread that calls it.
//!
//! A program is the code of each level ([`Level`]), which the same planner and the same emitters make as those of the
//! JIT, and three functions that walk over their calls: `init`, `run` and, of a training step, `save`.
#![forbid(unsafe_code)]

mod archive;
mod copies;
mod entry;
mod error;
mod header;
mod instructions;
mod interface;
mod level;
mod machine;
mod module;
mod object;
mod program;

pub use error::BuildError;
pub use interface::Stored;
pub use kiln::graph::shape::Sizes;
pub use machine::Level;
pub use program::{Build, Program, StateValue, Weights, compile, predict, train};
