//! What states held before a run that may have to be taken back: a copy that is brought up to date by copying what has
//! changed since. It knows their memory and when it was written, and no names.

use kiln_rt::Buffer;

use crate::program::clock::Time;

/// What states held at a time. Buffers and times are those of states, by position.
#[derive(Debug, Default)]
pub(super) struct Kept {
    buffers: Vec<Buffer>,
    at: Time,
}

impl Kept {
    /// Keeps what states hold now.
    pub fn update(&mut self, buffers: &[Buffer], written: &[Time], now: Time) {
        for ((held, buffer), &written) in self.buffers.iter_mut().zip(buffers).zip(written) {
            if written > self.at {
                held.i32_mut().copy_from_slice(buffer.i32());
            }
        }
        let new = &buffers[self.buffers.len()..];
        self.buffers.extend(new.iter().cloned());
        self.at = now;
    }

    /// The positions of those that were written since.
    pub fn changed(&self, written: &[Time]) -> Vec<usize> {
        (0..self.buffers.len()).filter(|&position| written[position] > self.at).collect()
    }

    /// Gives these states what they held, which is what they hold from now on.
    pub fn give_back(&mut self, buffers: &mut [Buffer], changed: &[usize], now: Time) {
        for &position in changed {
            buffers[position].i32_mut().copy_from_slice(self.buffers[position].i32());
        }
        self.at = now;
    }
}
