//! Tells the shape of noisy signals of unequal lengths: `cargo run --release --example series`, with `-- --seed 7` by others.
//!
//! The signals are made here: a sine, a square, a triangle, a sawtooth that rises or falls, and sines that become faster or
//! slower, each of a speed, a size and a beginning of its own, with noise, 16 to 96 steps long. A GRU reads a signal step by
//! step; what it holds at the last real step is classified.
//!
//! The length of a batch is free (`T` in `x: [N, T, 1]`), and a program is compiled for each that is met. So that these are
//! few, and padding is little, signals are grouped by their lengths ([`Buckets`]) and padded to the bound of their group
//! ([`pad_sequence`]). Padding lies behind the last real step, where a GRU that goes forward has not been yet: it changes no
//! result.

use std::env;
use std::error::Error;
use std::f32::consts::TAU;
use std::time::Instant;

use kiln::data::{BucketBatch, Buckets, EpochRequest, TrainingData, pad_sequence};
use kiln::prelude::*;
use kiln::random::uniform;
use ndarray::{Array1, Array2, Array3};

const NAMES: [&str; 7] = ["sine", "square", "triangle", "rising", "falling", "faster", "slower"];
const CLASSES: usize = NAMES.len();
/// The fewest steps of a signal.
const SHORTEST: usize = 16;
/// The lengths to which signals are padded.
const BOUNDS: [usize; 3] = [32, 64, 96];
const HIDDEN: usize = 48;
const BATCH: usize = 64;
const TRAINED: usize = 8_000;
const TESTED: usize = 2_000;
const EPOCHS: u64 = 24;

// ANCHOR: model
model! {
    /// A GRU over a signal, and how it is trained.
    pub struct Series {
        gru: GRU(1, HIDDEN, batch_first = true),
        fc: Linear(HIDDEN, CLASSES),
        opt: Adam((gru, fc), lr = 4e-3, clip_grad_norm = 1.0),
    }

    // What the GRU holds at the last real step, whose place is `last`.
    fn classify(x, last) {
        let (held, _) = gru(x);
        fc(held.gather(1, last.unsqueeze(1).unsqueeze(2).expand([-1, 1, HIDDEN])).squeeze(1))
    }

    step learn(x: [N, T, 1], last: [N; i32], class: [N; i32]) -> loss {
        let loss = cross_entropy(classify(x, last), class);
        opt.minimize(loss);
    }

    eval tell(x: [N, T, 1], last: [N; i32]) -> class {
        let class = classify(x, last).argmax(1);
    }
}
// ANCHOR_END: model

/// Signals of one length, the places of their last steps, and their classes.
type Batch = (Array3<f32>, Array1<i32>, Array1<i32>);

/// Signals with their classes, in groups of similar lengths.
struct Signals {
    /// Each `[steps, 1]`.
    signals: Vec<Array2<f32>>,
    classes: Vec<i32>,
    buckets: Buckets,
}

impl Signals {
    /// So many signals; the classes take turns.
    fn new(count: usize, seed: u64) -> Result<Signals, DataError> {
        let classes: Vec<i32> = (0..count).map(|place| (place % CLASSES) as i32).collect();
        let signals = classes.iter().enumerate().map(|(place, &class)| signal(class as usize, seed, place as u32));
        let signals: Vec<_> = signals.collect();
        let lengths: Vec<usize> = signals.iter().map(|signal| signal.nrows()).collect();
        Ok(Signals { signals, classes, buckets: Buckets::new(&lengths, &BOUNDS)? })
    }

    fn steps(&self) -> impl Iterator<Item = usize> {
        self.signals.iter().map(|signal| signal.nrows())
    }

    // ANCHOR: batch
    /// The signals of a batch, padded.
    fn batch(&self, batch: &BucketBatch) -> Result<Batch, DataError> {
        let signals = || batch.positions.iter().map(|&position| &self.signals[position]);
        let x = pad_sequence(signals(), batch.length, 0.0)?;
        let last = signals().map(|signal| signal.nrows() as i32 - 1).collect();
        Ok((x, last, batch.positions.iter().map(|&position| self.classes[position]).collect()))
    }
    // ANCHOR_END: batch
}

// ANCHOR: epoch
/// Batches of one size: others would be programs of their own.
impl TrainingData for Signals {
    type Batch = Batch;

    fn epoch(&self, wanted: EpochRequest) -> impl Iterator<Item = Result<(Batch, usize), DataError>> {
        let batches = self.buckets.shuffled_batches(wanted.size, wanted.epoch).drop_last();
        batches.skip(wanted.first as usize).map(|batch| Ok((self.batch(&batch)?, batch.positions.len())))
    }

    fn batches_of(&self, wanted: EpochRequest) -> u64 {
        self.buckets.batches(wanted.size).drop_last().len() as u64
    }

    fn samples(&self) -> usize {
        self.signals.len()
    }
}
// ANCHOR_END: epoch

/// A signal of a class, `[steps, 1]`.
fn signal(class: usize, seed: u64, number: u32) -> Array2<f32> {
    let draw = |which: u64| uniform(seed, number, 0, which);
    let longest = BOUNDS[BOUNDS.len() - 1];
    let steps = SHORTEST + (draw(0) * (longest - SHORTEST + 1) as f32) as usize;
    // A wave takes 8 to 16 steps.
    let speed = 1.0 / (8.0 + 8.0 * draw(1));
    let (begin, size) = (draw(2), 0.5 + draw(3));
    // What changes its speed becomes 2.5 times as fast, or as slow, on its way.
    let wave = |step: usize| {
        let part = step as f32 / steps as f32;
        let turns = match class {
            5 => step as f32 * speed * (0.6 + 0.45 * part),
            6 => step as f32 * speed * (1.5 - 0.45 * part),
            _ => step as f32 * speed,
        };
        let at = (begin + turns).fract();
        match class {
            1 => (at - 0.5).signum(),
            2 => 1.0 - 4.0 * (at - 0.5).abs(),
            3 => 2.0 * at - 1.0,
            4 => 1.0 - 2.0 * at,
            _ => (TAU * at).sin(),
        }
    };
    // The sum of three uniform numbers is nearly normal; this one has a deviation of 0.15.
    let noise =
        |step: usize| 0.3 * ((0..3).map(|which| uniform(seed, number, 1 + which, step as u64)).sum::<f32>() - 1.5);
    Array2::from_shape_fn((steps, 1), |(step, _)| size * wave(step) + noise(step))
}

fn main() -> Result<(), Box<dyn Error>> {
    let seed = seed()?;
    let (training, test) = (Signals::new(TRAINED, seed)?, Signals::new(TESTED, seed + 1)?);
    let steps: usize = training.steps().sum();
    let padded: usize = training.buckets.batches(BATCH).map(|batch| batch.length * batch.positions.len()).sum();
    println!(
        "{TRAINED} signals, {} to {} steps long; padding is {:.0} % in groups of {BOUNDS:?}, {:.0} % without groups",
        training.steps().min().unwrap_or(0),
        training.steps().max().unwrap_or(0),
        100.0 * (1.0 - steps as f32 / padded as f32),
        100.0 * (1.0 - steps as f32 / (TRAINED * BOUNDS[BOUNDS.len() - 1]) as f32),
    );
    let start = Instant::now();
    let mut series = Series::init(seed).trainer().batch(BATCH).extent("T", BOUNDS[2]).build()?;
    println!("compiled in {:.1} ms; seed {seed}", start.elapsed().as_secs_f64() * 1e3);

    let start = Instant::now();
    let test: Vec<Batch> = test.buckets.batches(BATCH).map(|batch| test.batch(&batch)).collect::<Result<_, _>>()?;
    // ANCHOR: train
    let steps = EPOCHS * training.buckets.batches(BATCH).drop_last().len() as u64;
    kiln::fit(&mut series, &training, |series, (x, last, class)| series.learn(x, last, class))
        .epochs(EPOCHS)
        .schedule(CosineAnnealingLR::new(steps))
        .validate_with(|series| Ok(vec![("accuracy".to_owned(), right(&confusion(series, &test)?))]))
        .run()?;
    // ANCHOR_END: train
    println!("trained in {:.1} s", start.elapsed().as_secs_f64());

    let confusion = confusion(&mut series, &test)?;
    println!("\nsignals that it has not seen, by what they are (rows) and what it says (columns):\n");
    println!("{:8}{}", "", NAMES.map(|name| format!("{name:>9}")).concat());
    for (name, row) in NAMES.iter().zip(confusion.rows()) {
        println!("{name:8}{}", row.iter().map(|count| format!("{count:9}")).collect::<String>());
    }
    let right = 100.0 * right(&confusion);
    println!("\n{right:.2} % of {TESTED} are right; what was compiled:\n\n{}", series.cached_programs());
    Ok(())
}

/// How many signals of each class (rows) are taken for each class (columns).
fn confusion(series: &mut SeriesTrainer, batches: &[Batch]) -> Result<Array2<usize>, TrainError> {
    let mut counts = Array2::zeros((CLASSES, CLASSES));
    for (x, last, class) in batches {
        for (&is, said) in class.iter().zip(series.tell(x, last)?) {
            counts[[is as usize, said as usize]] += 1;
        }
    }
    Ok(counts)
}

/// The part of all that is right.
fn right(confusion: &Array2<usize>) -> f64 {
    confusion.diag().sum() as f64 / confusion.sum() as f64
}

/// `--seed 7`
fn seed() -> Result<u64, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(1),
        ["--seed", seed] => Ok(seed.parse()?),
        _ => Err("usage: series [--seed NUMBER]".into()),
    }
}
