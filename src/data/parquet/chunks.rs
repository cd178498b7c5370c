//! A file as the decoder of Parquet wants it, which several threads read at once. It knows nothing of what is in it.
//!
//! (The decoder's own way to read a [`std::fs::File`] seeks in one position that all threads share.)

use std::io::{self, BufReader, Read};

use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::reader::{ChunkReader, Length};
use bytes::Bytes;
use rawzip::ReaderAt;

use crate::formats::part::Part;

/// A file, or a part of one.
pub struct Chunks(pub Part);

/// What is read from a place on.
pub struct Reading {
    file: Part,
    place: u64,
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<Reading>;

    fn get_read(&self, start: u64) -> Result<BufReader<Reading>> {
        Ok(BufReader::new(Reading { file: self.0.clone(), place: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let start = usize::try_from(start).ok();
        let range = start.and_then(|start| Some(start..start.checked_add(length)?));
        let part = range.and_then(|range| self.0.part(range));
        let part = part.ok_or_else(|| ParquetError::EOF(format!("{length} bytes lie beyond its end")))?;
        let bytes = part.read().map_err(ParquetError::General)?;
        Ok(Vec::from(bytes).into())
    }
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.place)?;
        self.place += count as u64;
        Ok(count)
    }
}
