//! Shows what the compiler makes of a graph in a file, step by step:
//!
//! ```text
//! cargo run --release --example kilnc -- FILE.ir --emit graph|plan|kernels|asm --target
//! avx2|avx512|avx512-pairs|cranelift
//!     [--choices] [--exact]
//! ```
//!
//! The machine need not be this one: nothing is run. [`compiler`] says what the options mean.

#[path = "support/compiler.rs"]
mod compiler;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match compiler::run(std::env::args().skip(1)) {
        // Whoever reads may have seen enough, as `head` has.
        Ok(text) => match std::io::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                eprintln!("kilnc: the text can not be written: {error}");
                ExitCode::FAILURE
            }
            _ => ExitCode::SUCCESS,
        },
        Err(message) => {
            eprintln!("kilnc: {message}");
            ExitCode::FAILURE
        }
    }
}
