//! Bytes that are read when they are asked for: of a file, of an entry of an archive, or what is in memory already. It
//! knows no format.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::Reason;
use super::bytes::Bytes;

/// Where bytes come from.
pub trait Contents: Send + Sync {
    /// How many there are.
    fn len(&self) -> usize;

    /// Those of a range that lies within them. What has a sum of check is what was written.
    fn read(&self, range: Range<usize>) -> Result<Bytes, Reason>;

    /// The first ones, no more than there are; no sum of check is looked at.
    fn beginning(&self, count: usize) -> Result<Bytes, Reason> {
        self.read(0..count)
    }
}

/// A part of a file, which all its users share.
#[derive(Clone)]
pub struct Part {
    contents: Arc<dyn Contents>,
    range: Range<usize>,
}

impl Part {
    /// All there is.
    pub fn whole(contents: Arc<dyn Contents>) -> Part {
        Part { range: 0..contents.len(), contents }
    }

    /// A file, none of which is read yet.
    pub fn of_file(file: File) -> io::Result<Part> {
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        Ok(Part::whole(Arc::new(InFile { file: Mutex::new(file), length })))
    }

    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// The part at a range of this one; nothing if it goes beyond it.
    pub fn part(&self, range: Range<usize>) -> Option<Part> {
        let within = range.start <= range.end && range.end <= self.len();
        let start = self.range.start;
        within.then(|| Part { contents: self.contents.clone(), range: start + range.start..start + range.end })
    }

    /// All its bytes.
    pub fn read(&self) -> Result<Bytes, Reason> {
        self.contents.read(self.range.clone())
    }

    /// The first bytes, fewer where there are no more; without a look at sums of check.
    pub fn beginning(&self, count: usize) -> Result<Bytes, Reason> {
        let count = count.min(self.len());
        match self.range.start {
            0 => self.contents.beginning(count),
            start => self.contents.read(start..start + count),
        }
    }
}

impl From<Bytes> for Part {
    fn from(bytes: Bytes) -> Part {
        Part::whole(Arc::new(bytes))
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes {:?}", self.range)
    }
}

impl rawzip::ReaderAt for Part {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let count = buffer.len().min(self.len() - start);
        let start = self.range.start + start;
        let bytes = self.contents.read(start..start + count).map_err(io::Error::other)?;
        buffer[..count].copy_from_slice(&bytes);
        Ok(count)
    }
}

impl Contents for Bytes {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn read(&self, range: Range<usize>) -> Result<Bytes, Reason> {
        self.part(range).ok_or_else(|| "it ends too early".to_owned())
    }
}

/// A file that is open; it may have become shorter since.
struct InFile {
    file: Mutex<File>,
    length: usize,
}

impl Contents for InFile {
    fn len(&self) -> usize {
        self.length
    }

    fn read(&self, range: Range<usize>) -> Result<Bytes, Reason> {
        let mut bytes = vec![0; range.len()];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file.seek(SeekFrom::Start(range.start as u64)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|error| format!("its bytes {range:?} can not be read: {error}"))?;
        Ok(bytes.into())
    }
}
