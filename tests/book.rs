//! The book in `docs/src` against what it tells of: its links, blocks and texts of others (`pages.rs`), what rustc says
//! (`errors.rs`), the first evening (`evening.rs`), PyTorch's figures (`pytorch.rs`), what the compiler prints (`stages.rs`).
//! That its blocks of Rust compile and run is up to `src/book.rs`.
//!
//! `BLESS=1 cargo test --test book` writes what the compiler prints now; read the diff.

// The programs of the first evening call their crate so.
extern crate self as digits;

#[path = "../examples/support/compiler.rs"]
#[allow(dead_code)]
mod compiler;
#[path = "book/errors.rs"]
mod errors;
#[path = "book/evening.rs"]
mod evening;
#[path = "common/folder.rs"]
mod folder;
#[path = "book/pages.rs"]
mod pages;
#[path = "book/pytorch.rs"]
mod pytorch;
#[path = "book/stages.rs"]
mod stages;

use std::path::Path;

pub use evening::Net;

/// The folder of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
