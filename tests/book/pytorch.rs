//! The pairs of the chapter about PyTorch: the Rust sides load the weights with which the Python sides began (`weights/*.pth`), and
//! must come to the numbers that PyTorch came to (`*.txt`, written by `run.py`).

#[path = "pytorch/back.rs"]
mod back;
#[path = "pytorch/data.rs"]
mod data;
#[path = "pytorch/gan.rs"]
mod gan;
#[path = "pytorch/models.rs"]
mod models;
#[path = "pytorch/saving.rs"]
mod saving;
#[path = "pytorch/sequences.rs"]
mod sequences;
#[path = "pytorch/several.rs"]
mod several;
#[path = "pytorch/training.rs"]
mod training;

use std::fs;
use std::path::PathBuf;

use ndarray::{Array1, ArrayD, IxDyn};

use super::root;

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

/// What a side says, name by name.
pub struct Numbers(Vec<(String, Vec<f32>)>);

impl Numbers {
    fn tell(&mut self, name: &str, numbers: impl IntoIterator<Item = f32>) {
        self.0.push((name.to_owned(), numbers.into_iter().collect()));
    }
}

fn folder() -> PathBuf {
    root().join("tests/book/pytorch")
}

/// The file of the weights that the Python side has kept under a name.
fn weights(name: &str) -> PathBuf {
    folder().join("weights").join(name).with_extension("pth")
}

/// `waves` of `common.py`: sin(0.7 k + phase) for the k-th element.
fn waves(shape: &[usize], phase: f64) -> ArrayD<f32> {
    let mut place = 0.0;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        let number = (0.7 * place + phase).sin() as f32;
        place += 1.0;
        number
    })
}

/// `labels` of `common.py`: classes that take turns, by sevens.
fn labels(count: usize, classes: usize) -> Array1<i32> {
    (0..count).map(|place| (7 * place % classes) as i32).collect()
}

/// How far numbers may be apart: those of a few steps in f32, whose sums are taken in other orders.
const TOLERANCE: f32 = 2e-4;

/// The rows of the file that PyTorch's side has left, if that side is still the same.
fn expected(name: &str) -> Vec<(String, Vec<f32>)> {
    let text = fs::read_to_string(folder().join(name).with_extension("txt")).unwrap();
    let mut lines = text.lines();
    let python = fs::read(folder().join(name).with_extension("py")).unwrap();
    // A number that changes with the text (FNV-1a), as in `run.py`.
    let mark = python
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |number: u64, &byte| (number ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let first = lines.next().unwrap();
    assert!(first.ends_with(&format!("{name}.py {mark:016x}")), "{name}.py has changed since it ran: run.py runs it");
    let row = |line: &str| {
        let (name, numbers) = line.split_once(": ").unwrap();
        (name.to_owned(), numbers.split(' ').map(|number| number.parse().unwrap()).collect())
    };
    lines.map(row).collect()
}

#[test]
fn both_sides_of_a_pair_come_to_the_same_numbers() {
    type Pair = (&'static str, fn(&mut Numbers) -> Result);
    let pairs: [Pair; 8] = [
        ("back", back::run),
        ("data", data::run),
        ("gan", gan::run),
        ("models", models::run),
        ("saving", saving::run),
        ("sequences", sequences::run),
        ("several", several::run),
        ("training", training::run),
    ];
    let names: Vec<&str> = pairs.iter().map(|(name, _)| *name).collect();
    let there = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut there: Vec<PathBuf> = there.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    there.sort();
    let there: Vec<&str> = there.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(there, names);
    for (name, run) in pairs {
        let mut found = Numbers(Vec::new());
        run(&mut found).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = expected(name);
        let rows = |numbers: &[(String, Vec<f32>)]| {
            numbers.iter().map(|(row, of)| (row.clone(), of.len())).collect::<Vec<_>>()
        };
        assert_eq!(rows(&found.0), rows(&expected), "{name}");
        for ((row, found), (_, expected)) in found.0.iter().zip(&expected) {
            for (place, (&found, &expected)) in found.iter().zip(expected).enumerate() {
                let near = (found - expected).abs() <= TOLERANCE * expected.abs().max(1.0);
                assert!(near, "{name}, {row}, number {place}: {found}, PyTorch has {expected}");
            }
        }
    }
}
