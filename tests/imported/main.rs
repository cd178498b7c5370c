//! Networks of ONNX files as models: compiled in by `onnx_model!`, looked at, saved and trained.

mod compiled;
#[path = "../common/folder.rs"]
mod folder;
#[path = "../common/libraries.rs"]
#[allow(dead_code)]
mod libraries;
mod mistakes;
mod trainer;
mod tuned;
mod verbs;
