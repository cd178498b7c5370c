//! The chapters of the book in `docs/src`, and the documentation of the macros, whose blocks of Rust are compiled and
//! run as tests of the documentation. Nothing of it is part of the library.
//!
//! Were the macros' examples tests of `kiln-macros`, that crate's tests would need a second build of Kiln: one for the
//! compiler's own machine, which cargo keeps apart.

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

#[doc = include_str!("../macros/src/derive.md")]
mod derive {}
#[doc = include_str!("../macros/src/forward.md")]
mod forward {}
#[doc = include_str!("../macros/src/model.md")]
mod model {}
#[doc = include_str!("../macros/src/steps.md")]
mod steps {}
