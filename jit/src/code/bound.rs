//! What is bound to memory: calls, the loops they are in, the places of their arguments, and why a call is refused. It
//! knows no pointers.

use std::ops::Range;

use crate::kernel::{Buffer, Element, Move, Origin};

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum CallError {
    #[error("kernel {kernel} takes {expected} buffers, found {found}")]
    Count { kernel: String, expected: usize, found: usize },
    #[error("buffer `{buffer}` of kernel {kernel} holds {expected}, found {found}")]
    Element { kernel: String, buffer: String, expected: Element, found: Element },
    #[error("buffer `{buffer}` of kernel {kernel} has {expected} elements, found {found}")]
    Length { kernel: String, buffer: String, expected: usize, found: usize },
    #[error("kernel {kernel} has {expected} tasks, found {begin}..{end}")]
    Tasks { kernel: String, expected: usize, begin: usize, end: usize },
    #[error("the states are not those that the program was bound to")]
    States,
    #[error("the calls write states, which they then need for themselves")]
    Exclusive,
    #[error("the calls need an arena of {expected} elements, found one of {found}")]
    Arena { expected: usize, found: usize },
}

/// Whether arguments (element type, where it is known, and length) fit the buffers that a kernel declares.
pub(super) fn check(
    kernel: &str,
    declared: &[Buffer],
    arguments: impl ExactSizeIterator<Item = (Option<Element>, usize)>,
) -> Result<(), CallError> {
    let kernel = || kernel.to_owned();
    if arguments.len() != declared.len() {
        return Err(CallError::Count { kernel: kernel(), expected: declared.len(), found: arguments.len() });
    }
    for (declared, (element, found)) in declared.iter().zip(arguments) {
        let (buffer, expected) = (declared.name.clone(), declared.element);
        if let Some(found) = element.filter(|&found| found != expected) {
            return Err(CallError::Element { kernel: kernel(), buffer, expected, found });
        }
        if found < declared.elements {
            return Err(CallError::Length { kernel: kernel(), buffer, expected: declared.elements, found });
        }
    }
    Ok(())
}

/// A call of a sequence: a kernel and the places of its arguments.
#[derive(Clone, Debug)]
pub struct BoundCall {
    /// An index into the kernels given to [`Code::new`](super::Code::new).
    pub kernel: usize,
    /// For each buffer of the kernel where it is and its elements.
    pub arguments: Vec<(Memory, usize)>,
    /// In a loop: for each buffer how it moves within these elements.
    pub moves: Vec<Move>,
    /// Whether sharing the tasks among threads is worth it. They are shared if, besides, they are proved to be disjoint
    /// in these places; else they run one after the other.
    pub parallel: bool,
}

/// A place in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// In the arena, at an offset in bytes.
    Arena(usize),
    /// In the memory that nobody but the sequence and its forks have, at an offset in bytes.
    Own(usize),
    /// At the start of a buffer of the states, by its position in the list of states that the sequence uses.
    State(usize),
}

impl Memory {
    /// Where it is among all memory of a sequence that uses the states at some positions of all states.
    pub(super) fn origin(self, used: &[usize]) -> Origin {
        let (memory, bytes) = match self {
            Memory::Arena(offset) => (0, offset),
            Memory::Own(offset) => (1, offset),
            // The same state may be named twice.
            Memory::State(state) => (2 + used[state], 0),
        };
        Origin { memory, byte: bytes }
    }
}

/// Calls that run several times, one after the other.
#[derive(Clone, Debug)]
pub struct BoundLoop {
    /// Which calls.
    pub calls: Range<usize>,
    /// How often all of them run.
    pub iterations: usize,
    /// For each call the kernel that computes the same and whose grid ends with parts of rows; nothing where calls are
    /// run one after the other. If it is proved that parts are apart in all calls and iterations, threads take parts
    /// through the whole loop.
    pub in_rows: Vec<usize>,
    /// How many threads take parts.
    pub shares: usize,
}
