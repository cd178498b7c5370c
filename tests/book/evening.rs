//! The programs of the first evening: each runs in a folder with the data, as typed, in a process of its own, and prints what the
//! book says.

#[path = "evening/keep.rs"]
mod keep;
#[path = "evening/look.rs"]
mod look;
#[path = "evening/net.rs"]
mod net;
#[path = "evening/tell.rs"]
mod tell;
#[path = "evening/train.rs"]
mod train;

use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use flate2::read::GzDecoder;
pub use net::Net;

use super::folder::Folder;
use super::root;

type Program = fn() -> Result<(), Box<dyn std::error::Error>>;

const PROGRAMS: [(&str, Program); 4] =
    [("look", look::run), ("train", train::run), ("keep", keep::run), ("tell", tell::run)];

/// Which program [`a_program_of_the_evening`] is.
const PROGRAM: &str = "KILN_BOOK_PROGRAM";

#[test]
fn the_first_evening() {
    let folder = Folder::new("evening");
    let mut rows = String::new();
    let packed = fs::read(root().join("examples/data/digits.csv.gz")).unwrap();
    GzDecoder::new(&packed[..]).read_to_string(&mut rows).unwrap();
    folder.file("digits.csv", rows.as_bytes());
    for (name, _) in PROGRAMS {
        let found = run(name, &folder.0);
        let file = root().join("tests/book/evening").join(name).with_extension("txt");
        if env::var_os("BLESS").is_some_and(|value| value == "1")
            && !is_as(&fs::read_to_string(&file).unwrap_or_default(), &found)
        {
            fs::write(&file, &found).unwrap();
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        assert!(is_as(&expected, &found), "{name} prints\n{found}expected\n{expected}");
    }
    // Once it is done, a training that is resumed has nothing to do.
    assert!(folder.path("run/best.safetensors").is_file() && folder.path("digits.safetensors").is_file());
    let again = run("keep", &folder.0);
    assert!(!again.contains("epoch 1/"), "{again}");
}

/// What a program prints that is started in a folder.
fn run(name: &str, folder: &Path) -> String {
    let mut program = Command::new(env::current_exe().unwrap());
    program.args(["--exact", "evening::a_program_of_the_evening", "--ignored", "--nocapture", "--quiet"]);
    // One thread, as other tests run beside it; the bits are those of any number.
    let output = program.env(PROGRAM, name).env("KILN_THREADS", "1").current_dir(folder).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{name}: {printed}{}", String::from_utf8_lossy(&output.stderr));
    // What the test harness says stands before and behind.
    let (_, printed) = printed.split_once("BEGIN\n").expect("the program began");
    let (printed, _) = printed.split_once("END\n").expect("the program ended");
    // On a machine that is busy the harness counts the seconds aloud.
    printed
        .lines()
        .filter(|line| !line.starts_with("test evening::"))
        .fold(String::new(), |text, line| text + line + "\n")
}

#[test]
#[ignore = "for `the_first_evening`, which runs it in a folder"]
fn a_program_of_the_evening() {
    let name = env::var(PROGRAM).expect("a program");
    let (_, program) = PROGRAMS.iter().find(|(known, _)| *known == name).expect("a known program");
    println!("BEGIN");
    program().unwrap();
    println!("END");
}

/// Whether two texts have the same words, and numbers that are near each other: rounding differs between machines and adds up in
/// a training. How long something took is any number: before an `s`, and at the end of a row of a history.
pub fn is_as(expected: &str, found: &str) -> bool {
    let same_line = |(expected, found): (&str, &str)| {
        let words = |line: &'_ str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let (expected, found) = (words(expected), words(found));
        let number = |word: &String| word.parse::<f64>().ok();
        let row = expected.iter().all(|word| number(word).is_some());
        let is_time = |place: usize| match expected.get(place + 1) {
            Some(next) => next == "s",
            None => row,
        };
        let same = |place: usize| match (number(&expected[place]), number(&found[place])) {
            (Some(one), Some(other)) => is_time(place) || (one - other).abs() <= 0.02 + 0.15 * one.abs(),
            _ => expected[place] == found[place],
        };
        expected.len() == found.len() && (0..found.len()).all(same)
    };
    expected.lines().count() == found.lines().count() && expected.lines().zip(found.lines()).all(same_line)
}

#[test]
fn texts_are_compared_by_their_words_and_numbers() {
    let cases = [
        ("loss 0.50  1.0 s", "loss 0.51  7.3 s", true),
        ("loss 0.50  1.0 s", "loss 0.90  1.0 s", false),
        ("loss 0.50", "lost 0.50", false),
        ("45  0.50  0.3", "45  0.51  9.8", true),
        ("45  0.50  0.3", "45  0.91  0.3", false),
        ("45\n0.50 s", "45 0.50 s", false),
        ("loss 0.50", "loss 0.50 s", false),
        ("row 700: a 3", "row 700: a 3", true),
        ("row 700: a 3", "row 701: a 3", false),
    ];
    for (expected, found, same) in cases {
        assert_eq!(is_as(expected, found), same, "{expected} {found}");
    }
}
