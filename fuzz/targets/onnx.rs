//! Any bytes as an ONNX file: see `onnx` in `fuzz/entries/onnx.rs`.
#![no_main]

#[path = "../entries/onnx.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::onnx(bytes));
