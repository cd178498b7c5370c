//! What saving does to what was there before: links, modes, owners, devices, long names, folders in the way.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path as FilePath;

use kiln::prelude::*;
use kiln::report::plots::Chart;

use crate::{Folder, Small, contents};

/// Whether the system refuses root nothing.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn mode(path: &FilePath) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &FilePath, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Everything that writes files, with a name for each: given a path, and a number that its contents depend on.
type Writer = fn(&FilePath, u64) -> Result<(), String>;

const WRITERS: [(&str, Writer); 3] = [
    ("save", |path, number| Small::init(number).save(path).map_err(|error| error.to_string())),
    ("draw", |path, number| {
        let g = kiln::graph::Builder::new(format!("number {number}"));
        g.output("y", g.input("x", [1]).exp());
        kiln::report::Drawing::new(&g.finish().unwrap()).save_dot(path).map_err(|error| error.to_string())
    }),
    ("plot", |path, number| Chart::new(format!("{number}"), "", "").save(path).map_err(|error| error.to_string())),
];

/// What a writer writes for a number.
fn expected(write: Writer, folder: &Folder, number: u64) -> Vec<u8> {
    let path = folder.0.join("expected");
    write(&path, number).unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    bytes
}

#[test]
fn links_are_followed() {
    for (name, write) in WRITERS {
        let folder = Folder::new(&format!("links-{name}"));
        let new = expected(write, &folder, 2);
        fs::create_dir(folder.0.join("runs")).unwrap();
        fs::create_dir(folder.0.join("links")).unwrap();
        let target = folder.0.join("runs/model");
        // (where the link lies, what it says): relative, absolute, of a link, dangling at first.
        let absolute = target.display().to_string();
        let links = [("a", "runs/model"), ("links/b", "../runs/model"), ("links/c", "../a"), ("d", &absolute)];
        for (link, to) in links {
            symlink(to, folder.0.join(link)).unwrap();
        }
        for there in [false, true] {
            for (link, _) in links {
                if there {
                    write(&target, 1).unwrap();
                } else {
                    let _ = fs::remove_file(&target);
                }
                let link = folder.0.join(link);
                write(&link, 2).unwrap();
                assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "{name}: {link:?} is no link any more");
                assert_eq!(fs::read(&target).unwrap(), new, "{name}: {link:?}");
                assert!(fs::symlink_metadata(&target).unwrap().is_file());
            }
        }
        symlink("nowhere/model", folder.0.join("lost")).unwrap();
        assert!(write(&folder.0.join("lost"), 2).unwrap_err().contains("there is no folder"), "{name}");
        symlink("round", folder.0.join("round")).unwrap();
        write(&folder.0.join("round"), 2).unwrap_err();
        assert_eq!(fs::read_dir(folder.0.join("runs")).unwrap().count(), 1);
        assert_eq!(folder.files(), ["a", "d", "links", "lost", "round", "runs"]);
    }
}

#[test]
fn modes_and_owners_stay() {
    for (name, write) in WRITERS {
        let folder = Folder::new(&format!("modes-{name}"));
        let path = folder.0.join("model");
        write(&path, 1).unwrap();
        for wanted in [0o600, 0o644, 0o664, 0o640, 0o200, 0o666, 0o755, 0o7755] {
            set_mode(&path, wanted);
            let before = fs::metadata(&path).unwrap();
            write(&path, 2).unwrap();
            assert_eq!(mode(&path), wanted, "{name}: {wanted:o} became {:o}", mode(&path));
            let after = fs::metadata(&path).unwrap();
            assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
        }
        // Only root can give files away.
        if is_root() {
            chown(&path, Some(1234), Some(4321)).unwrap();
            set_mode(&path, 0o640);
            write(&path, 3).unwrap();
            let after = fs::metadata(&path).unwrap();
            assert_eq!((after.uid(), after.gid(), mode(&path)), (1234, 4321, 0o640), "{name}");
        }
        assert_eq!(folder.files(), ["model"]);
    }
}

#[test]
fn read_only_files_and_folders_are_told() {
    for (name, write) in WRITERS {
        let folder = Folder::new(&format!("locked-{name}"));
        let old = expected(write, &folder, 1);
        let check = |path: &FilePath, expected: &str| {
            let error = write(path, 2).unwrap_err();
            assert!(error.contains(expected), "{name}: {error}");
            assert!(error.contains(&path.display().to_string()), "{name}: {error}");
        };
        for wanted in [0o444, 0o400, 0o000] {
            let path = folder.0.join("model");
            write(&path, 1).unwrap();
            set_mode(&path, wanted);
            check(&path, "the file is read-only; make it writable");
            set_mode(&path, 0o600);
            assert_eq!(fs::read(&path).unwrap(), old);
            fs::remove_file(&path).unwrap();
        }
        // A folder that is none, that is not there (of reports it is made), and that can not be written.
        fs::write(folder.0.join("file"), "").unwrap();
        check(&folder.0.join("file/model"), &format!("{} is no folder", folder.0.join("file").display()));
        if name == "save" {
            let absent = folder.0.join("absent");
            check(&absent.join("model"), &format!("there is no folder {}", absent.display()));
        }
        fs::create_dir_all(folder.0.join("taken/inside")).unwrap();
        check(&folder.0.join("taken"), "it is a folder");
        if !is_root() {
            let locked = folder.0.join("locked");
            fs::create_dir(&locked).unwrap();
            write(&locked.join("model"), 1).unwrap();
            set_mode(&locked, 0o555);
            check(&locked.join("model"), &format!("cannot write to its folder {}", locked.display()));
            check(&locked.join("other"), &format!("cannot write to its folder {}", locked.display()));
            set_mode(&locked, 0o755);
            assert_eq!(fs::read(locked.join("model")).unwrap(), old);
            assert_eq!(fs::read_dir(&locked).unwrap().count(), 1);
        }
    }
}

#[test]
fn what_is_no_file_is_written_to_and_stays() {
    for (name, write) in WRITERS {
        let folder = Folder::new(&format!("special-{name}"));
        let new = expected(write, &folder, 2);
        let pipe = folder.0.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        if made.is_ok_and(|status| status.success()) {
            for path in [pipe.clone(), folder.0.join("link")] {
                let _ = symlink("pipe", folder.0.join("link"));
                let reader = std::thread::spawn({
                    let pipe = pipe.clone();
                    move || {
                        let mut bytes = Vec::new();
                        fs::File::open(pipe).unwrap().read_to_end(&mut bytes).unwrap();
                        bytes
                    }
                });
                write(&path, 2).unwrap();
                assert_eq!(reader.join().unwrap(), new, "{name}");
                assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo(), "{name}: the pipe is gone");
            }
        }
        for (device, says) in [("/dev/null", None), ("/dev/full", Some("No space left on device"))] {
            let device = FilePath::new(device);
            // Writing to them is what is tested; where they are missing there is nothing to test.
            let Ok(before) = fs::metadata(device) else { continue };
            if !before.file_type().is_char_device() {
                continue;
            }
            let path = folder.0.join("device");
            symlink(device, &path).unwrap();
            let result = write(&path, 2);
            match says {
                None => result.unwrap(),
                Some(says) => assert!(result.unwrap_err().contains(says), "{name}"),
            }
            assert!(fs::symlink_metadata(device).unwrap().file_type().is_char_device(), "{name}: {device:?} is gone");
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn names_may_be_as_long_as_the_system_lets_them() {
    for (name, write) in WRITERS {
        let folder = Folder::new(&format!("long-{name}"));
        for length in [230, 250, 255] {
            let path = folder.0.join("n".repeat(length));
            write(&path, 1).unwrap();
            write(&path, 2).unwrap();
            assert_eq!(folder.files().len(), 1);
            fs::remove_file(path).unwrap();
        }
        let error = write(&folder.0.join("n".repeat(256)), 1).unwrap_err();
        assert!(error.contains("File name too long"), "{name}: {error}");
        assert_eq!(folder.files().len(), 0);
    }
}

/// Nobody sees half of a file, and other names of the old one keep it.
#[test]
fn a_file_is_replaced_in_one_step() {
    let folder = Folder::new("step");
    let path = folder.0.join("model");
    Small::init(1).save(&path).unwrap();
    let old = fs::read(&path).unwrap();
    fs::hard_link(&path, folder.0.join("kept")).unwrap();
    let mut open = fs::File::open(&path).unwrap();
    Small::init(2).save(&path).unwrap();
    let mut seen = Vec::new();
    open.read_to_end(&mut seen).unwrap();
    assert_eq!(seen, old);
    assert_eq!(fs::read(folder.0.join("kept")).unwrap(), old);
    let mut loaded = Small::init(3);
    loaded.load(&path).unwrap();
    assert_eq!(contents(&loaded), contents(&Small::init(2)));

    for nothing in ["", "..", "."] {
        let error = Small::init(1).save(nothing).unwrap_err();
        assert!(
            matches!(&error, CheckpointError::Write { source, .. }
                if matches!(source.kind(), ErrorKind::InvalidInput | ErrorKind::IsADirectory)),
            "{error}"
        );
    }
}
