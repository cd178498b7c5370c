//! Plans graphs and compiles them to native kernels: `Graph -> Plan -> kernels -> code`.
//!
//! It knows graphs and machines; it knows no layers and no macros.

pub mod code;
pub mod contraction;
mod cost;
pub mod emit;
pub mod kernel;
pub mod layout;
pub mod lower;
pub mod machine;
pub mod plan;
pub mod program;
pub mod target;
pub mod tune;

pub use machine::Machine;
pub use plan::{Choice, Choices, Plan, PlanError};
pub use program::{Arena, CompileError, CompileOptions, Program, RunError, Session, Snapshot, StateError, States};
pub use target::Target;
