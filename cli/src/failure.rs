//! Why a command ended: what it has to say could not be written, or something is wrong with what it was given. It knows
//! texts, and no command.

use std::{fmt, io};

/// Why a command ended.
#[derive(Debug)]
pub enum Failure {
    /// The standard output.
    Output(io::Error),
    /// Anything else, in words.
    Told(String),
}

impl Failure {
    pub fn told(text: impl ToString) -> Failure {
        Failure::Told(text.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl From<kiln::CheckpointError> for Failure {
    fn from(error: kiln::CheckpointError) -> Failure {
        Failure::told(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Output(error) => write!(f, "cannot write to the standard output: {error}"),
            Failure::Told(text) => f.write_str(text),
        }
    }
}
