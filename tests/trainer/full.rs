//! Logs and reports on a full disk: errors name the file, the training goes on undisturbed, and what was written before and
//! what is written once there is room again can be read.

use std::fs;
use std::io::Write;
use std::path::Path;

use kiln::fit::Progress;
use kiln::logs::{Csv, JsonLines, LogError, TensorBoard};
use kiln::prelude::*;
use kiln::report::ReportError;

use crate::bits;
use crate::folder::Folder;
use crate::logged::{data, events, trainer};
use crate::small_disk::{on_small_disk, small_disk};

const BOARD: &str = "events.out.tfevents.kiln";

/// What is to be named, and what was; nothing else of the training is another one.
fn check(path: &Path, result: Result<History, FitError>) {
    match result {
        Err(FitError::Log(LogError::Write { path: found, source })) => {
            assert_eq!((found.as_path(), source.kind()), (path, std::io::ErrorKind::StorageFull));
        }
        other => panic!("{other:?}"),
    }
}

#[cfg(unix)]
#[test]
fn a_full_device_stops_no_training() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        return println!("skipped: there is no {}", full.display());
    }
    let folder = Folder::new("full-device");
    let data = data(24);
    let mut expected = trainer();
    expected.fit(&data).epochs(2).progress(Progress::Silent).run().unwrap();
    let mut json = trainer();
    check(full, json.fit(&data).epochs(2).log(JsonLines::new(full)).progress(Progress::Silent).run());
    let mut csv = trainer();
    check(full, csv.fit(&data).epochs(2).log(Csv::new(full)).progress(Progress::Silent).run());
    for trainer in [&mut json, &mut csv] {
        assert_eq!(bits(trainer.model()), bits(expected.model()));
    }
    // A file of events begins with a mark, so that this one is refused before the first step, and not begun.
    let events = folder.path(BOARD);
    std::os::unix::fs::symlink(full, &events).unwrap();
    let mut board = trainer();
    let before = bits(board.model());
    check(&events, board.fit(&data).epochs(2).log(TensorBoard::new(&folder.0)).progress(Progress::Silent).run());
    assert_eq!(bits(board.model()), before);
    board.fit(&data).epochs(2).progress(Progress::Silent).run().unwrap();
    assert_eq!(bits(board.model()), bits(expected.model()));
    assert!(!full.with_extension("model.json").exists());
}

/// The numbers of the epochs between whose ends the disk is full.
const FULL: [u64; 2] = [5, 20];
const EPOCHS: u64 = 30;

/// No test: the process whose disk is full for a time.
#[test]
#[ignore = "a process of the tests"]
fn child_on_a_full_disk() {
    let Some([disk, elsewhere]) = small_disk() else { return };
    let (data, ballast) = (data(24), disk.join("ballast"));
    let paths = ["log.jsonl", "log.csv", BOARD].map(|name| disk.join(name));
    let mut trainer = trainer();
    let fit = trainer.fit(&data).epochs(EPOCHS).progress(Progress::Silent);
    let fit = fit.log(JsonLines::new(&paths[0])).log(Csv::new(&paths[1])).log(TensorBoard::new(&disk));
    let result = fit
        .on_epoch(|epoch| {
            if epoch.number() == FULL[0] {
                let mut file = fs::File::create(&ballast).unwrap();
                while file.write_all(&[1; 64]).is_ok() {}
            }
            if epoch.number() == FULL[0] + 1 {
                let path = disk.join("report.html");
                let error = kiln::Report::new(&History::default()).save_html(&path).unwrap_err();
                assert!(matches!(&error, ReportError::Write(error) if error.kind() == std::io::ErrorKind::StorageFull));
                assert!(error.to_string().contains("report.html"), "{error}");
                assert!(!path.exists());
            }
            if epoch.number() == FULL[1] {
                fs::remove_file(&ballast).unwrap();
            }
        })
        .run();
    match result {
        Err(FitError::Log(LogError::Write { path, source })) => {
            assert!(paths.contains(&path) && source.kind() == std::io::ErrorKind::StorageFull, "{path:?}: {source}");
        }
        other => panic!("{other:?}"),
    }
    let steps: Vec<Vec<u64>> = vec![
        fs::read_to_string(&paths[0]).unwrap().lines().map(|line| step(&serde_json::from_str(line).unwrap())).collect(),
        (fs::read_to_string(&paths[1]).unwrap().lines().skip(1))
            .map(|line| line.split(',').nth(1).unwrap().parse().unwrap())
            .collect(),
        events(&fs::read(&paths[2]).unwrap()).into_iter().map(|(step, _)| step).collect(),
    ];
    for steps in &steps {
        assert!(steps.is_sorted() && steps.contains(&3) && *steps.last().unwrap() == 3 * EPOCHS, "{steps:?}");
    }
    // The few rows of CSV have room on the page that its first ones lie on.
    for steps in [&steps[0], &steps[2]] {
        assert!(!steps.contains(&(3 * (FULL[1] - 1))), "{steps:?}");
    }
    assert!(fs::read_to_string(&paths[1]).unwrap().starts_with("epoch,step,"));
    assert!(kiln::Report::open(&disk).is_ok());
    let mut expected = crate::logged::trainer();
    expected
        .fit(&data)
        .epochs(EPOCHS)
        .log(Csv::new(elsewhere.join("log.csv")))
        .progress(Progress::Silent)
        .run()
        .unwrap();
    assert_eq!(bits(trainer.model()), bits(expected.model()));
    println!("full from step {} on", steps[0].iter().rfind(|step| **step < 3 * (FULL[1] - 1)).unwrap());
}

fn step(row: &serde_json::Value) -> u64 {
    row["step"].as_u64().unwrap()
}

#[test]
fn a_full_disk_leaves_logs_whole() {
    let folder = Folder::new("full-logs");
    if let Some(text) = on_small_disk(&folder, 1 << 20, "full::child_on_a_full_disk") {
        assert!(text.contains("full from step"), "{text}");
    }
}
