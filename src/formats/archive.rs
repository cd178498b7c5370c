//! Zip archives, stored or deflated: PyTorch's files and NumPy's `.npz`. It knows no contents.
//!
//! Each entry is read once at most, checked against its length and sum of check; all together hold no more compressed bytes
//! than the file has, so that entries can not lie over each other to make much of little.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use rawzip::{CompressionMethod, ZipArchive, ZipArchiveWriter};

use super::bytes::Bytes;
use super::{Reason, inflate};
use crate::names::shown;

/// What every zip archive that holds something begins with.
pub const MAGIC: &[u8] = b"PK\x03\x04";

/// An archive in memory.
#[derive(Clone, Debug)]
pub struct Archive {
    bytes: Bytes,
    entries: BTreeMap<String, Entry>,
}

/// Where an entry lies.
#[derive(Clone, Debug)]
struct Entry {
    method: CompressionMethod,
    range: Range<usize>,
    length: u64,
    crc: u32,
}

impl Archive {
    pub fn open(bytes: Bytes) -> Result<Archive, Reason> {
        let no_directory =
            "the directory at the end of the zip archive is missing or damaged: is the download complete?";
        let zip = ZipArchive::from_slice(&*bytes).map_err(|_| no_directory.to_owned())?;
        let damaged = |error: rawzip::Error| format!("its directory is damaged: {}", shown(&error.to_string()));
        let mut entries = BTreeMap::new();
        let mut total = 0_u64;
        let mut listed = zip.entries();
        while let Some(entry) = listed.next_entry().map_err(damaged)? {
            if entry.is_dir() {
                continue;
            }
            let name = String::from_utf8_lossy(entry.file_path().as_ref()).into_owned();
            if entry.flags().is_encrypted() {
                return Err(format!("its entry {} is encrypted", shown(&name)));
            }
            let found = zip.get_entry(entry.wayfinder());
            let found = found.map_err(|_| format!("its entry {} lies beyond its end", shown(&name)))?;
            let (start, end) = found.compressed_data_range();
            total = total.saturating_add(end - start);
            let (method, length) = (entry.compression_method(), entry.uncompressed_size_hint());
            let entry = Entry { method, range: start as usize..end as usize, length, crc: entry.crc32() };
            if entries.insert(name.clone(), entry).is_some() {
                return Err(format!("it has two entries {}", shown(&name)));
            }
        }
        if total > bytes.len() as u64 {
            return Err("its entries lie over each other".to_owned());
        }
        Ok(Archive { bytes, entries })
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The contents of an entry of which much is made, if it is no longer than the whole archive.
    pub fn read_no_longer(&self, name: &str) -> Result<Bytes, Reason> {
        match self.entries.get(name) {
            Some(entry) if entry.length > self.bytes.len() as u64 => {
                Err(format!("its entry {} has {} bytes, more than the archive", shown(name), entry.length))
            }
            _ => self.read(name),
        }
    }

    /// The contents of an entry: a part of the file where it is stored as it is.
    pub fn read(&self, name: &str) -> Result<Bytes, Reason> {
        let entry = self.entries.get(name).ok_or_else(|| format!("it has no entry {}", shown(name)))?;
        let damaged = |text: &str| format!("its entry {} is damaged: {text}", shown(name));
        let packed = self.bytes.part(entry.range.clone()).ok_or_else(|| damaged("it lies beyond the end"))?;
        let contents = match entry.method {
            CompressionMethod::STORE if packed.len() as u64 != entry.length => {
                return Err(damaged(&format!("it has {} bytes, expected {}", packed.len(), entry.length)));
            }
            CompressionMethod::STORE => packed,
            CompressionMethod::DEFLATE => {
                inflate::deflated(&packed, entry.length).map_err(|error| damaged(&error.to_string()))?.into()
            }
            other => {
                let text = "expected stored or deflated ones: pack it again";
                return Err(format!("its entry {} is packed by the method {other}, {text}", shown(name)));
            }
        };
        // PyTorch writes 0 where `torch.serialization.set_crc32_options(False)` was called.
        if entry.crc != 0 {
            let mut crc = Crc::new();
            crc.update(&contents);
            if crc.sum() != entry.crc {
                return Err(damaged(&format!("its sum of check is {:08x}, expected {:08x}", crc.sum(), entry.crc)));
            }
        }
        Ok(contents)
    }
}

/// An archive of these entries, in their order.
pub fn archive(entries: &[(String, Vec<u8>)], compressed: bool) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut zip = ZipArchiveWriter::new(&mut bytes);
    let method = if compressed { CompressionMethod::DEFLATE } else { CompressionMethod::STORE };
    for (name, contents) in entries {
        let (mut entry, config) =
            zip.new_file(name).compression_method(method).start().map_err(std::io::Error::other)?;
        let descriptor = if compressed {
            let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::default()));
            writer.write_all(contents)?;
            let (encoder, descriptor) = writer.finish().map_err(std::io::Error::other)?;
            encoder.finish()?;
            descriptor
        } else {
            let mut writer = config.wrap(&mut entry);
            writer.write_all(contents)?;
            writer.finish().map_err(std::io::Error::other)?.1
        };
        entry.finish(descriptor).map_err(std::io::Error::other)?;
    }
    zip.finish().map_err(std::io::Error::other)?;
    Ok(bytes)
}
