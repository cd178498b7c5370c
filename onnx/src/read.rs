//! From a file to a graph of Kiln's: [`file`] reads messages and writes functions out, [`evaluate`] goes through the
//! nodes, [`fold`] computes what is known before anything runs.

pub mod context;
pub mod evaluate;
pub mod file;
pub mod files;
pub mod fold;
pub mod graph;
pub mod item;
pub mod prune;
pub mod whole;
