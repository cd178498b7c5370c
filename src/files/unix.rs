//! Owners and modes of files, on Unix. It knows no paths.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};

/// The bits of a mode that concern the group, and those of all others.
const GROUP: u32 = 0o070;
const OTHERS: u32 = 0o007;

/// Lets nobody but the owner read and write the file that is made.
pub fn for_owner_alone(options: &mut OpenOptions) {
    options.mode(0o600);
}

/// Gives a file the owner, the group and the mode of the one that it replaces, as far as the system lets it. The mode comes last, as
/// giving a file away clears some of it; the file is never open to anyone to whom the other one was not.
pub fn resemble(file: &File, replaced: &Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    let mut mode = replaced.mode() & 0o7777;
    if own.uid() != replaced.uid() && fchown(file, Some(replaced.uid()), None).is_err() {
        // To run as somebody else was meant of the other owner.
        mode &= !0o4000;
    }
    if own.gid() != replaced.gid() && fchown(file, None, Some(replaced.gid())).is_err() {
        // Another group may do what all may.
        mode &= !0o2000 & !(GROUP & !((mode & OTHERS) << 3));
    }
    match file.set_permissions(Permissions::from_mode(mode)) {
        // Where there are no modes, or they are not ours to set, the file stays as it was made: its owner's alone.
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

/// Whether two are one file.
pub fn are_same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}
