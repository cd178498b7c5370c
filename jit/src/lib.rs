//! Plans graphs and compiles them to native kernels: `Graph -> Plan -> kernels -> code`.
//!
//! It knows graphs and machines; it knows no layers and no macros. Users of the facade `kiln` need [`plan`] and
//! [`program`]; what is hidden from the documentation is for the compiler's own tests and benchmarks, and may change at
//! any time.

#[doc(hidden)]
pub mod code;
#[doc(hidden)]
pub mod contraction;
mod cost;
#[doc(hidden)]
pub mod emit;
#[doc(hidden)]
pub mod kernel;
pub mod layout;
#[doc(hidden)]
pub mod lower;
pub mod machine;
pub mod plan;
pub mod program;
pub mod target;
#[doc(hidden)]
pub mod tune;

pub use machine::Machine;
pub use plan::{Choice, Choices, Plan, PlanError};
pub use program::{
    Arena, CompileError, CompileOptions, Held, LevelStates, Program, RunError, Session, Snapshot, StateError, States,
};
pub use target::Target;
