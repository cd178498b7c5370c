//! The chapters of the book in `docs/src` whose blocks of Rust are compiled and run as tests of the documentation. Nothing of it is
//! part of the library.

#[doc = include_str!("../docs/src/checkpoints.md")]
mod checkpoints {}
#[doc = include_str!("../docs/src/data.md")]
mod data {}
#[doc = include_str!("../docs/src/distributed.md")]
mod distributed {}
#[doc = include_str!("../docs/src/errors/running.md")]
mod errors {}
#[doc = include_str!("../docs/src/first-evening.md")]
mod first_evening {}
#[doc = include_str!("../docs/src/fit.md")]
mod fit {}
#[doc = include_str!("../docs/src/looking.md")]
mod looking {}
#[doc = include_str!("../docs/src/measuring.md")]
mod measuring {}
#[doc = include_str!("../docs/src/numbers.md")]
mod numbers {}
#[cfg(feature = "onnx")]
#[doc = include_str!("../docs/src/onnx.md")]
mod onnx {}
#[doc = include_str!("../docs/src/predicting.md")]
mod predicting {}
#[doc = include_str!("../docs/src/weights.md")]
mod weights {}
