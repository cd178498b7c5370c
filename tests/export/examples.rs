//! The networks of the examples.

#![allow(dead_code)]
// Each example brings what it shares with others.
#![allow(clippy::duplicate_mod)]

#[path = "../../examples/cartpole.rs"]
pub mod cartpole;
#[path = "../../examples/chars.rs"]
pub mod chars;
#[path = "../../examples/support/digit_net.rs"]
pub mod digit_net;
#[path = "../../examples/gan.rs"]
pub mod gan;
#[path = "../../examples/hourglass.rs"]
pub mod hourglass;
#[path = "../../examples/support/mnist.rs"]
pub mod mnist;
#[path = "../../examples/pix2pix.rs"]
pub mod pix2pix;
#[path = "../../examples/quickstart.rs"]
pub mod quickstart;
#[path = "../../examples/series.rs"]
pub mod series;
#[path = "../../examples/support/training.rs"]
mod training;
#[path = "../../examples/vae.rs"]
pub mod vae;
