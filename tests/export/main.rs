//! Models as ONNX files: which operators, names and shapes they hold, and what others compute with them.

mod back;
mod cases;
mod examples;
#[path = "../common/folder.rs"]
mod folder;
mod networks;
mod runtime;
mod structure;
