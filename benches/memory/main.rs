//! Whether memory stays flat: `cargo bench --bench memory` compiles 10,000 programs and drops them, and trains 1,000,000 steps. It
//! prints what the process holds at the start, in the middle and at the end of each loop, and fails where the second half has
//! added more than 1 MiB or a mapping for each 100 turns. Linux alone says it. docs/memory.md has the figures.
//!
//! Options: `--compiles 10000`, `--steps 1000000`.

use std::error::Error;
use std::fs;

use kiln::prelude::*;
use ndarray::{Array2, Array4};

model! {
    struct Net {
        conv: Conv2d(1, 4, 3, padding = 1),
        norm: BatchNorm2d(4),
        act: ReLU,
        flatten: Flatten,
        fc: Linear(4 * 8 * 8, 3),
    }

    fn forward(x: [N, 1, 8, 8]) -> [N, 3] {
        fc(flatten(act(norm(conv(x)))))
    }
}

model! {
    struct Words { table: Embedding(20, 8), gru: GRU(8, 8, batch_first = true), out: Linear(8, 3) }

    fn forward(words: [N, T; i32]) -> [N, T, 3] {
        let (y, _) = gru(table(words));
        out(y)
    }
}

/// What the process holds.
#[derive(Clone, Copy)]
struct Held {
    /// KiB in memory, and of addresses.
    resident: usize,
    addresses: usize,
    mappings: usize,
}

impl Held {
    fn now() -> Result<Held, Box<dyn Error>> {
        let status = fs::read_to_string("/proc/self/status")?;
        let of = |name: &str| -> Result<usize, Box<dyn Error>> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("the system does not say")?;
            Ok(line.trim_start_matches(':').trim().trim_end_matches(" kB").parse()?)
        };
        let mappings = fs::read_to_string("/proc/self/maps")?.lines().count();
        Ok(Held { resident: of("VmRSS")?, addresses: of("VmSize")?, mappings })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut compiles, mut steps) = (10_000, 1_000_000);
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("`{word}` takes a number"))?.parse()?;
        match word.as_str() {
            "--compiles" => compiles = value,
            "--steps" => steps = value,
            _ => return Err(format!("there is no option `{word}`").into()),
        }
    }
    let head = ["", "", "start", "middle", "end"];
    println!("{:<46} {:<14} {:>9} {:>9} {:>9}", head[0], head[1], head[2], head[3], head[4]);

    let (x, y) = (Array4::<f32>::ones((4, 1, 8, 8)), vec![0; 4]);
    let flat = [
        watch(&format!("{compiles} trainers, built, stepped and dropped"), compiles, |_| {
            let trainer = Trainer::new(Net::init(1), cross_entropy(), Adam::default()).batch(4).threads(2);
            trainer.build()?.step(&x, &y)?;
            Ok(())
        })?,
        {
            let builder = Predictor::new(Words::init(1)).batch(4).extent("T", 8).threads(1);
            let predictor = builder.cached_programs(2).build()?;
            watch(&format!("{compiles} lengths, compiled for one predictor"), compiles, |turn| {
                predictor.predict(&Array2::<i32>::ones((4, 9 + turn % 16)))?;
                Ok(())
            })?
        },
        {
            let trainer = Trainer::new(Net::init(1), cross_entropy(), Adam::default()).batch(4).threads(2);
            let mut trainer = trainer.build()?;
            watch(&format!("{steps} steps"), steps, |_| {
                trainer.step(&x, &y)?;
                Ok(())
            })?
        },
        {
            let predictor = Predictor::new(Net::init(1)).batch(4).threads(2).build()?;
            watch(&format!("{steps} predictions by four threads"), steps / 1000, |_| {
                std::thread::scope(|scope| {
                    let calls = || (0..250).try_for_each(|_| predictor.predict(&x).map(drop));
                    let callers: Vec<_> = (0..4).map(|_| scope.spawn(calls)).collect();
                    callers.into_iter().try_for_each(|caller| caller.join().expect("no panic"))
                })?;
                Ok(())
            })?
        },
    ];
    if flat.contains(&false) { Err("memory grows".into()) } else { Ok(()) }
}

/// Turns of a loop, after a tenth of them more; whether memory was flat in the second half.
fn watch(
    name: &str,
    turns: usize,
    mut turn: impl FnMut(usize) -> Result<(), Box<dyn Error>>,
) -> Result<bool, Box<dyn Error>> {
    (0..turns / 10).try_for_each(&mut turn)?;
    let start = Held::now()?;
    (0..turns / 2).try_for_each(&mut turn)?;
    let middle = Held::now()?;
    (turns / 2..turns).try_for_each(&mut turn)?;
    let held = [start, middle, Held::now()?];
    let rows: [(&str, [usize; 3]); 3] = [
        ("resident KiB", held.map(|held| held.resident)),
        ("addresses KiB", held.map(|held| held.addresses)),
        ("mappings", held.map(|held| held.mappings)),
    ];
    for (number, (what, [start, middle, end])) in rows.iter().enumerate() {
        println!("{:<46} {what:<14} {start:>9} {middle:>9} {end:>9}", if number == 0 { name } else { "" });
    }
    // Addresses are what an allocator has set apart for a thread: 64 MiB at once with some.
    let [[_, before, after], _, [_, mappings_before, mappings]] = rows.map(|(_, figures)| figures);
    let grown = |before: usize, after: usize, most: usize| after > before + most;
    // A few turns tell nothing.
    Ok(turns < 100 || !grown(before, after, 1 << 10) && !grown(mappings_before, mappings, turns / 100))
}
