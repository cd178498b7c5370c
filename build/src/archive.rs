//! Static libraries of one object file. It knows bytes and a name.

use std::io::{self, Cursor};

use ar_archive_writer::{ArchiveKind, DEFAULT_OBJECT_READER, NewArchiveMember, write_archive_to_stream};

/// An archive with a table of symbols; nothing in it depends on the time or the machine.
pub(crate) fn archive(object: &[u8], name: &str, darwin: bool) -> io::Result<Vec<u8>> {
    let kind = if darwin { ArchiveKind::Darwin } else { ArchiveKind::Gnu };
    let member = NewArchiveMember::new(object, &DEFAULT_OBJECT_READER, format!("{name}.o"));
    let mut archive = Cursor::new(Vec::new());
    write_archive_to_stream(&mut archive, &[member], kind, false, None)?;
    Ok(archive.into_inner())
}
