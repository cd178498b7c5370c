//! Any bytes as a file: see `pickle` in `fuzz/entries/files.rs`.
#![no_main]

#[path = "../entries/files.rs"]
mod files;
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| support::with_file(bytes, files::pickle));
