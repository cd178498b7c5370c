//! What states held before a run that may have to be taken back: a copy that is brought up to date by copying what has
//! changed since.

use kiln_graph::DType;
use kiln_rt::Buffer;

use super::{States, Time};

/// What states held at a time.
#[derive(Debug)]
pub(super) struct Kept {
    buffers: Vec<Buffer>,
    at: Time,
}

impl States {
    /// Keeps what all states hold now, for [`States::take_back`].
    pub fn keep(&mut self) {
        let latest = self.latest;
        let kept = self.kept.get_or_insert_with(|| Kept { buffers: Vec::new(), at: latest });
        for ((held, buffer), &written) in kept.buffers.iter_mut().zip(&self.buffers).zip(&self.written) {
            if written > kept.at {
                held.i32_mut().copy_from_slice(buffer.i32());
            }
        }
        let new = &self.buffers[kept.buffers.len()..];
        kept.buffers.extend(new.iter().cloned());
        kept.at = latest;
    }

    /// Gives the states what they held when [`States::keep`] was called last; those that have come since stay as they are.
    pub fn take_back(&mut self) {
        let Some(kept) = self.kept.take() else { return };
        let changed: Vec<usize> =
            (0..kept.buffers.len()).filter(|&position| self.written[position] > kept.at).collect();
        self.touch(&changed);
        for &position in &changed {
            self.buffers[position].i32_mut().copy_from_slice(kept.buffers[position].i32());
        }
        self.kept = Some(Kept { at: self.latest, ..kept });
    }

    /// Whether an f32 state holds neither NaN nor infinity; true of others.
    pub fn is_finite(&self, name: &str) -> bool {
        const EXPONENT: i32 = f32::INFINITY.to_bits() as i32;
        let of_floats = self.entry(name).filter(|(_, entry)| entry.ty.dtype == DType::F32);
        // Without a branch for each number, so that vectors are looked at.
        of_floats.is_none_or(|(position, _)| {
            let chunk = |bits: &[i32]| !bits.iter().fold(false, |bad, bits| bad | (bits & EXPONENT == EXPONENT));
            self.buffers[position].i32().chunks(1 << 14).all(chunk)
        })
    }
}
