//! A training that is killed, time and again, and one that is interrupted. Of Unix, whose signals these are.

use std::fs;
use std::path::Path as FilePath;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kiln::checkpoints::Every;
use kiln::fit::Progress;
use kiln::prelude::*;

use crate::folder::Folder;
use crate::folders::{STEPS, bits, data, trainer};

/// The folder of the child, and how far it trains.
const CHILD: &str = "KILN_TEST_CHECKPOINTS";
const EPOCHS: &str = "KILN_TEST_EPOCHS";

/// No test: the process that others kill. It trains with `fit`, and a checkpoint each step.
#[test]
#[ignore = "a process of the tests"]
fn child() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let mut trainer = trainer();
    let checkpoints = Checkpoints::new(FilePath::new(&folder)).every(Every::Steps(1)).keep(2);
    let data = data();
    let epochs = std::env::var(EPOCHS).unwrap().parse().unwrap();
    let fit = trainer.fit(&data).epochs(epochs).checkpoint(checkpoints).resume().progress(Progress::Silent);
    if let Err(error) = fit.run() {
        println!("{error}");
        std::process::exit(1);
    }
}

/// Starts [`child`], which ignores this signal, or none.
fn start(folder: &FilePath, epochs: u64, ignored: &str) -> Child {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"[ -z "$0" ] || trap "" "$0"; exec "$@""#, ignored])
        .arg(program)
        .args(["--exact", "killed::child", "--ignored", "--nocapture"])
        .env(CHILD, folder)
        .env(EPOCHS, epochs.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn trained_steps(folder: &FilePath) -> u64 {
    Checkpoints::new(folder).resume(&mut trainer()).unwrap().map_or(0, |run| run.step)
}

/// A process that is killed at random moments, time and again, ends with the bits of one that was left alone.
#[test]
fn a_killed_training_goes_on() {
    const KILLS: u64 = 200;
    let folder = Folder::new("killed");
    let path = folder.path("run");
    let mut whole = trainer();
    whole.fit(&data()).epochs(STEPS / 4).progress(Progress::Silent).run().unwrap();
    let (mut killed, mut word) = (0, 1u64);
    while killed < KILLS {
        let mut child = start(&path, STEPS / 4, "");
        let begun = Instant::now();
        // From the first file on, for a moment that is anything from nothing to some steps.
        while !path.join("step-000000001.safetensors").exists() && trained(&path) == 0 && begun.elapsed().as_secs() < 60
        {
            sleep(Duration::from_millis(1));
        }
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        sleep(Duration::from_micros((word >> 33) % 80_000));
        child.kill().unwrap();
        let ended = child.wait().unwrap();
        if ended.success() {
            // It was done before; from the beginning again, so that each kill hits a training.
            fs::remove_dir_all(&path).unwrap();
        } else {
            killed += 1;
        }
    }
    let ended = start(&path, STEPS / 4, "").wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    assert_eq!(trained_steps(&path), STEPS);
    let mut resumed = trainer();
    Checkpoints::new(&path).resume(&mut resumed).unwrap();
    assert_eq!(bits(&mut resumed), bits(&mut whole));
}

/// The number of files of checkpoints.
fn trained(path: &FilePath) -> usize {
    let files = fs::read_dir(path).into_iter().flatten().flatten();
    files.filter(|entry| entry.file_name().to_string_lossy().starts_with("step-")).count()
}

/// Whether this process, and so each that it starts, ignores a signal: what runs in the background of a script ignores SIGINT.
fn is_ignored(signal: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Ctrl-C, and what a batch system sends before it kills: the training is saved, says so and ends. What a process was
/// started to ignore, as by `nohup`, it goes on ignoring.
#[test]
fn an_interrupted_training_is_saved() {
    let send = |signal: &str, child: &Child| {
        let sent = Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
        sent.is_ok_and(|status| status.success())
    };
    for (ignored, sent) in [("", "INT"), ("", "TERM"), ("INT", "TERM")] {
        if sent == "INT" && is_ignored(2) {
            println!("skipped: SIGINT is ignored here");
            continue;
        }
        let folder = Folder::new("interrupted");
        let path = folder.path("run");
        // So many that it is not done before the signal comes, however busy the machine.
        let mut child = start(&path, 1_000_000, ignored);
        let begun = Instant::now();
        while trained(&path) == 0 && begun.elapsed().as_secs() < 60 {
            sleep(Duration::from_millis(1));
        }
        if !ignored.is_empty() {
            send(ignored, &child);
            sleep(Duration::from_millis(100));
            assert!(child.try_wait().unwrap().is_none(), "a process that ignores {ignored} ended");
        }
        if !send(sent, &child) {
            child.kill().unwrap();
            child.wait().unwrap();
            println!("skipped: there is no `kill`");
            return;
        }
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() && begun.elapsed().as_secs() < 60 {
            sleep(Duration::from_millis(1));
        }
        // For one that did not hear the signal.
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{sent}, {ignored} ignored: {text}");
        // Behind the name of the child's test, where there is one processor: tests run one after the other then.
        let (_, saved) = text.split_once("interrupted; saved in ").expect(&text);
        let (file, _) = saved.split_once(", from where").expect(&text);
        assert!(FilePath::new(file).is_file(), "{text}");
        let steps = trained_steps(&path);
        assert!(steps > 0 && file.ends_with(&format!("step-{steps:09}.safetensors")), "{steps}: {text}");
    }
}
