//! A part of a file in memory, which all its users share. It knows no format.

use std::ops::{Deref, Range};
use std::sync::Arc;

/// Bytes of a file, or of what was decompressed of one.
#[derive(Clone, Debug)]
pub struct Bytes {
    whole: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Bytes {
    /// The part at a range of these; nothing if it goes beyond them.
    pub fn part(&self, range: Range<usize>) -> Option<Bytes> {
        self.get(range.clone())?;
        let start = self.range.start;
        Some(Bytes { whole: self.whole.clone(), range: start + range.start..start + range.end })
    }
}

impl From<Bytes> for Vec<u8> {
    /// Without a copy where nobody else uses them.
    fn from(bytes: Bytes) -> Vec<u8> {
        match Arc::try_unwrap(bytes.whole) {
            Ok(whole) if whole.len() == bytes.range.len() => whole,
            Ok(whole) => whole[bytes.range].to_vec(),
            Err(shared) => shared[bytes.range].to_vec(),
        }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(whole: Vec<u8>) -> Bytes {
        Bytes { range: 0..whole.len(), whole: Arc::new(whole) }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.whole[self.range.clone()]
    }
}
