//! The memory in which a program computes. It knows lengths alone.

use std::fmt;

use kiln_rt::buffer::give_back_free_memory;
use kiln_rt::{Buffer, Pages};

/// From so long an arena on, free memory goes back to the system before it grows: programs that compute in less are small
/// themselves. Unit: bytes. A guess, 2026-12-01.
const LARGE: usize = 1 << 20;

/// Memory in which programs compute, one after the other: [`Session::detach`](super::Session::detach) takes it from one,
/// [`Session::attach`](super::Session::attach) gives it to another. It grows with the largest of them.
pub struct Arena {
    pub(super) buffer: Buffer,
    /// The session that had it last, whose results are still there; 0 for none.
    pub(super) of: u64,
}

impl Arena {
    /// No memory yet.
    pub fn new() -> Arena {
        Arena { buffer: Buffer::empty(), of: 0 }
    }

    /// Its length.
    pub fn bytes(&self) -> usize {
        self.buffer.len() * size_of::<u32>()
    }

    /// Makes it so long at least; what it held is lost then.
    pub(super) fn grow(&mut self, bytes: usize, pages: Pages) {
        if self.bytes() < bytes {
            // The old memory goes first, so that there are never both, and what making the program took.
            *self = Arena::new();
            if bytes >= LARGE {
                give_back_free_memory();
            }
            self.buffer = Buffer::zeroed_together(&[bytes.div_ceil(size_of::<u32>())], pages).swap_remove(0);
        }
    }
}

impl Default for Arena {
    fn default() -> Arena {
        Arena::new()
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arena({} bytes)", self.bytes())
    }
}
