//! Calls while a plan is made: kernels over pieces of memory. It knows no offsets, and not how they came about.

use super::data::{Move, Part};
use super::pieces::Memory;
use crate::lower::Lowered;

/// A call before its arguments have offsets.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its kernel, and the memory of its arguments.
    pub lowered: Lowered,
    /// What it computes, for people.
    pub label: String,
    /// The operations that it computes, in order.
    pub parts: Vec<Part>,
    /// The number of the loop that it is in.
    pub in_loop: Option<usize>,
    /// In a loop: where each argument lies in its piece of memory.
    pub moves: Vec<Move>,
    /// How many exchanges, one after the other, it waits for.
    pub level: u32,
    /// Whether it computes what an earlier one has computed, so that nobody has to keep that.
    pub again: bool,
}

impl Draft {
    /// A call that runs once.
    pub fn once(lowered: Lowered, label: String, parts: Vec<Part>) -> Draft {
        Draft { lowered, label, parts, in_loop: None, moves: Vec::new(), level: 0, again: false }
    }
}

/// What comes of all groups.
pub struct Drafts {
    /// The drafts, in order.
    pub list: Vec<Draft>,
    /// The memory that they name.
    pub memory: Memory,
    /// The loops, by their numbers.
    pub loops: Vec<Looped>,
    /// For each group, in the order in which they run: bytes of memory that its calls alone touch.
    pub scratch: Vec<u64>,
}

/// A loop.
#[derive(Clone, Copy, Debug)]
pub struct Looped {
    /// How often its calls run.
    pub iterations: usize,
    /// The parts of rows into which the calls are cut that can be, 1 where none is.
    pub parts: usize,
}
