//! Zip archives, stored or deflated: PyTorch's files and NumPy's `.npz`. It knows no contents.
//!
//! Each entry is read once at most, checked against its length and sum of check; all together hold no more compressed
//! bytes than the file has, so that entries can not lie over each other to make much of little.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ZipArchiveWriter, ZipLocator};

use super::bytes::Bytes;
use super::part::{Contents, Part};
use super::{Reason, inflate};
use kiln_graph::names::shown;

/// What every zip archive that holds something begins with.
pub const MAGIC: &[u8] = b"PK\x03\x04";

/// An archive, of which the directory was read.
#[derive(Clone, Debug)]
pub struct Archive(Arc<Directory>);

#[derive(Debug)]
struct Directory {
    file: Part,
    entries: BTreeMap<String, Entry>,
    /// The entry that was read last for one of its parts: the tensors of a storage follow each other.
    last: Mutex<Option<(String, Bytes)>>,
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
    pub fn open(file: Part) -> Result<Archive, Reason> {
        let no_directory =
            "the directory at the end of the zip archive is missing or damaged: is the download complete?";
        let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
        let found = ZipLocator::new().locate_in_reader(&file, &mut buffer, file.len() as u64);
        let zip = found.map_err(|_| no_directory.to_owned())?;
        let damaged = |error: rawzip::Error| format!("its directory is damaged: {}", shown(&error.to_string()));
        let mut entries = BTreeMap::new();
        let mut total = 0_u64;
        let mut listed = zip.entries(&mut buffer);
        while let Some(entry) = listed.next_entry().map_err(damaged)? {
            if entry.is_dir() {
                continue;
            }
            let name = String::from_utf8_lossy(entry.file_path().as_ref()).into_owned();
            if entry.flags().is_encrypted() {
                return Err(format!("its entry {} is encrypted", shown(&name)));
            }
            let found = zip.get_entry(entry.wayfinder());
            let beyond = || format!("its entry {} lies beyond its end", shown(&name));
            let (start, end) = found.map_err(|_| beyond())?.compressed_data_range();
            if start > end || end > file.len() as u64 {
                return Err(beyond());
            }
            total = total.saturating_add(end - start);
            let (method, length) = (entry.compression_method(), entry.uncompressed_size_hint());
            let entry = Entry { method, range: start as usize..end as usize, length, crc: entry.crc32() };
            if entries.insert(name.clone(), entry).is_some() {
                return Err(format!("it has two entries {}", shown(&name)));
            }
        }
        if total > file.len() as u64 {
            return Err("its entries lie over each other".to_owned());
        }
        Ok(Archive(Arc::new(Directory { file, entries, last: Mutex::new(None) })))
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.entries.keys().map(String::as_str)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.0.entries.contains_key(name)
    }

    /// The contents of an entry of which much is made, if it is no longer than the whole archive.
    pub fn read_no_longer(&self, name: &str) -> Result<Bytes, Reason> {
        match self.0.entries.get(name) {
            Some(entry) if entry.length > self.0.file.len() as u64 => {
                Err(format!("its entry {} has {} bytes, more than the archive", shown(name), entry.length))
            }
            _ => self.read(name),
        }
    }

    /// The contents of an entry, none of which is read yet.
    pub fn part(&self, name: &str) -> Result<Part, Reason> {
        let length = usize::try_from(self.entry(name)?.length).map_err(|_| damaged(name, "it is beyond all memory"))?;
        Ok(Part::whole(Arc::new(InArchive { archive: self.clone(), name: name.to_owned(), length })))
    }

    /// An entry that is packed in a way that is known.
    fn entry(&self, name: &str) -> Result<&Entry, Reason> {
        let entry = self.0.entries.get(name).ok_or_else(|| format!("it has no entry {}", shown(name)))?;
        match entry.method {
            CompressionMethod::STORE if entry.range.len() as u64 != entry.length => {
                Err(damaged(name, &format!("it has {} bytes, expected {}", entry.range.len(), entry.length)))
            }
            CompressionMethod::STORE | CompressionMethod::DEFLATE => Ok(entry),
            other => {
                let text = "expected stored or deflated ones: pack it again";
                Err(format!("its entry {} is packed by the method {other}, {text}", shown(name)))
            }
        }
    }

    /// What the file has of an entry.
    fn packed(&self, name: &str, entry: &Entry) -> Result<Part, Reason> {
        self.0.file.part(entry.range.clone()).ok_or_else(|| damaged(name, "it lies beyond the end"))
    }

    /// The first bytes of an entry, not more than it has.
    fn beginning(&self, name: &str, count: usize) -> Result<Bytes, Reason> {
        let entry = self.entry(name)?;
        let packed = self.packed(name, entry)?;
        if entry.method == CompressionMethod::STORE {
            return packed.beginning(count);
        }
        let plain =
            |packed: &[u8]| inflate::beginning(packed, count).map_err(|error| damaged(name, &error.to_string()));
        // As much is enough, but for a file that was made not to be.
        let beginning = plain(&packed.beginning(count.saturating_mul(2).saturating_add(4096))?)?;
        let whole = beginning.len() == count || beginning.len() as u64 == entry.length;
        Ok(if whole { beginning } else { plain(&packed.read()?)? }.into())
    }

    /// The contents of an entry: a part of the file where it is stored as it is and in memory.
    pub fn read(&self, name: &str) -> Result<Bytes, Reason> {
        let entry = self.entry(name)?;
        let packed = self.packed(name, entry)?.read()?;
        let contents = match entry.method {
            CompressionMethod::STORE => packed,
            _ => {
                let plain = inflate::deflated(&packed, entry.length);
                plain.map_err(|error| damaged(name, &error.to_string()))?.into()
            }
        };
        // PyTorch writes 0 where `torch.serialization.set_crc32_options(False)` was called.
        if entry.crc != 0 {
            let mut crc = Crc::new();
            crc.update(&contents);
            if crc.sum() != entry.crc {
                let (found, expected) = (crc.sum(), entry.crc);
                return Err(damaged(name, &format!("its sum of check is {found:08x}, expected {expected:08x}")));
            }
        }
        Ok(contents)
    }
}

fn damaged(name: &str, text: &str) -> Reason {
    format!("its entry {} is damaged: {text}", shown(name))
}

/// An entry, which is read whole for each part of it that is asked for, and once for those that follow each other.
struct InArchive {
    archive: Archive,
    name: String,
    length: usize,
}

impl Contents for InArchive {
    fn len(&self) -> usize {
        self.length
    }

    fn read(&self, range: Range<usize>) -> Result<Bytes, Reason> {
        let mut last = self.archive.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = match &*last {
            Some((name, whole)) if *name == self.name => whole.clone(),
            _ => {
                // The other one's memory is given back first.
                *last = None;
                let whole = self.archive.read(&self.name)?;
                *last = Some((self.name.clone(), whole.clone()));
                whole
            }
        };
        whole.part(range).ok_or_else(|| damaged(&self.name, "it ends too early"))
    }

    fn beginning(&self, count: usize) -> Result<Bytes, Reason> {
        self.archive.beginning(&self.name, count)
    }
}

/// An archive of these entries, in their order.
pub fn archive(entries: &[(String, Vec<u8>)], compressed: bool) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let entries = entries.iter().map(|(name, contents)| (name.clone(), contents));
    write_archive(&mut bytes, compressed, entries, |contents, entry| entry.write_all(contents))?;
    Ok(bytes)
}

/// Writes an archive of entries, whose contents `write` writes one after the other.
pub fn write_archive<T>(
    file: &mut dyn Write,
    compressed: bool,
    entries: impl Iterator<Item = (String, T)>,
    mut write: impl FnMut(T, &mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut zip = ZipArchiveWriter::new(file);
    let method = if compressed { CompressionMethod::DEFLATE } else { CompressionMethod::STORE };
    for (name, contents) in entries {
        let (mut entry, config) = zip.new_file(&name).compression_method(method).start().map_err(io::Error::other)?;
        let descriptor = if compressed {
            let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::default()));
            write(contents, &mut writer)?;
            let (encoder, descriptor) = writer.finish().map_err(io::Error::other)?;
            encoder.finish()?;
            descriptor
        } else {
            let mut writer = config.wrap(&mut entry);
            write(contents, &mut writer)?;
            writer.finish().map_err(io::Error::other)?.1
        };
        entry.finish(descriptor).map_err(io::Error::other)?;
    }
    zip.finish().map_err(io::Error::other)?;
    Ok(())
}
