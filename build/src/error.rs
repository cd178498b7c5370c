//! Why a program is not written. It knows names and shapes, and no file's format.

use std::io;
use std::path::PathBuf;

use kiln::TrainError;
use kiln::graph::shape::Shape;
use kiln::graph::{DType, ParameterError, Violation};
use kiln::jit::PlanError;
use kiln::jit::emit::EmitError;
use kiln::jit::kernel::KernelError;

/// Why a program is not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A name that is none in C.
    #[error(
        "`{name}` is no name for a program: expected a letter, then letters, digits and underscores, as in `lenet` \
         or `step_2`"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// A target that there is no code for.
    #[error(
        "no code can be made for the target `{target}`: {reason}; expected the name of an x86-64 or aarch64 machine, \
         as in `x86_64-unknown-linux-gnu` or `aarch64-unknown-linux-gnu`"
    )]
    Target {
        /// The target's name.
        target: String,
        /// Why there is none.
        reason: String,
    },
    /// Levels that the target does not have, or none.
    #[error("levels {found:?} were asked for; the target `{target}` has {available:?}, and takes at least one of them")]
    Levels {
        /// The target's name.
        target: String,
        /// What was asked for.
        found: Vec<crate::Level>,
        /// What there is.
        available: Vec<crate::Level>,
    },
    /// The model and what it is asked for do not go together.
    #[error(transparent)]
    Model(#[from] TrainError),
    /// A parameter of another shape than its layer's.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The graph breaks an invariant. One that a builder has finished does not.
    #[error(transparent)]
    Graph(#[from] Violation),
    /// No plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A value that was given for a state is none.
    #[error(
        "state `{name}` holds {expected} of the shape {shape}; what was given for it holds {found} of the shape {given:?}"
    )]
    State {
        /// The state's name.
        name: String,
        /// What it holds.
        expected: DType,
        /// Its shape.
        shape: Shape,
        /// What was given.
        found: DType,
        /// The shape of what was given.
        given: Vec<usize>,
    },
    /// A kernel has no code.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// A kernel is not sound.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The object file can not be made.
    #[error("no object file: {reason}")]
    Object {
        /// What the writer says.
        reason: String,
    },
    /// A file can not be written.
    #[error("`{}` can not be written: {error}", path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// `compile` was called by something else than a build script.
    #[error(
        "the environment variable {variable} is not set: `compile` is for build scripts, which cargo runs; elsewhere \
         take `predict(..)`, `.target(..)` and `.build()`"
    )]
    Environment {
        /// The variable.
        variable: &'static str,
    },
}

impl BuildError {
    /// Of the writer of object files.
    pub(crate) fn object(error: impl std::fmt::Display) -> BuildError {
        BuildError::Object { reason: error.to_string() }
    }
}
