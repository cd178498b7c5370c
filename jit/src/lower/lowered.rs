//! What lowering gives: kernels with the memory that each of their buffers stands for. It knows no graph, no offsets.

use std::sync::Arc;

use super::expression::{Expression, Storage};
use crate::kernel::{Kernel, KernelBuilder};

/// What a kernel does for its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Computes the group's results, or some of them.
    Results,
    /// Copies an operand: another layout, panels, a transform.
    Pack,
    /// Computes partial results.
    Part,
    /// Writes zeros to which others add.
    Clear,
    /// Writes the zeros around a result.
    Halo,
}

impl Role {
    /// In a word; nothing for what computes results.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Role::Results => None,
            Role::Pack => Some("pack"),
            Role::Part => Some("part"),
            Role::Clear => Some("clear"),
            Role::Halo => Some("halo"),
        }
    }
}

/// A kernel with the memory that each of its buffers stands for.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The code.
    pub kernel: Arc<Kernel>,
    /// One for each of the kernel's buffers.
    pub arguments: Vec<Storage>,
    /// What it does for its group.
    pub role: Role,
    /// Floating-point operations.
    pub flops: u64,
    /// Those among them that multiply the operands of a contraction and add up.
    pub products: u64,
    /// What it computes in a thread's time, an addition being 1: a function that takes twenty instructions counts one
    /// among `flops`, and twenty here.
    pub weight: u64,
    /// Bytes that must be read or written at least.
    pub bytes: u64,
    /// Pairs of arguments `(written, read)` that may be one piece of memory: every place is read for the last time when
    /// it is written.
    pub in_place: Vec<(Storage, Storage)>,
    /// In a loop whose rows are cut into parts: the kernel that gives the same bits, of the same buffers, and whose grid
    /// ends with these parts, if there is one.
    pub in_rows: Option<Arc<Kernel>>,
}

impl Lowered {
    /// Takes the kernel of another one, which computes the same in parts of rows.
    pub fn take_rows_of(&mut self, other: Lowered) {
        if (&other.arguments, &other.kernel.buffers) == (&self.arguments, &self.kernel.buffers) {
            self.in_rows = Some(other.kernel);
        }
    }

    /// The kernel of an expression, whose arguments are the kernel's first buffers.
    pub fn new(kernel: KernelBuilder, expression: &Expression, flops: u64) -> Lowered {
        let arguments = expression.arguments.iter().map(|argument| argument.storage).collect();
        Lowered {
            kernel: kernel.finish().into(),
            arguments,
            role: Role::Results,
            flops,
            products: 0,
            weight: flops,
            bytes: expression.bytes(),
            in_place: Vec::new(),
            in_rows: None,
        }
    }
}
