//! A small GPT learns to write like Shakespeare, character by character, in a minute or two on two cores:
//! `cargo run --release --example chars`.
//!
//! The text (750,000 characters, see `examples/data/README.md`) is part of the program. Its last part is held out: at
//! the end the model says how many bits a character of that takes it, beside those of gzip, and writes a scene of its
//! own.

use std::error::Error;
use std::f32::consts::LN_2;
use std::io::{Read, Write, stdout};
use std::time::Instant;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use kiln::data::{WeightedRandomSampler, source};
use kiln::prelude::*;
use kiln::random::uniform;
use ndarray::{Array2, aview1, s};

/// How many characters the text has that are not learnt from.
const HELD_OUT: usize = 32_768;
/// Different characters at most.
const WORDS: usize = 65;
/// How many characters the model sees at once.
const PLACES: usize = 64;
/// Of these, how many stand before the first one that the held-out text's bits are counted of.
const BEFORE: usize = PLACES / 2;
const WIDTH: usize = 128;
const HEADS: usize = 4;
const BATCH: usize = 16;
const EPOCHS: u64 = 10;
/// Of an epoch.
const STEPS: u64 = 320;
const RATE: f64 = 3e-3;
const SEED: u64 = 42;
/// How many characters are written, and how much the likelier ones are preferred: below 1 they are.
const WRITTEN: usize = 1_200;
const TEMPERATURE: f32 = 0.8;

// ANCHOR: block
model! {
    /// Attention to the places before, then a perceptron; each is added to what it was given.
    pub struct Block {
        ln1: LayerNorm(WIDTH),
        qkv: Linear(WIDTH, { 3 * WIDTH }),
        out: Linear(WIDTH, WIDTH),
        ln2: LayerNorm(WIDTH),
        up: Linear(WIDTH, { 4 * WIDTH }),
        down: Linear({ 4 * WIDTH }, WIDTH),
    }

    fn forward(x: [N, PLACES, WIDTH]) -> [N, PLACES, WIDTH] {
        let (q, k, v) = qkv(ln1(x)).chunk(3, dim = -1);
        let seen = scaled_dot_product_attention(heads(q), heads(k), heads(v), is_causal = true);
        x += out(seen.transpose(1, 2).reshape([N, PLACES, WIDTH]));
        x + down(up(ln2(x)).gelu())
    }

    fn heads(x: [N, PLACES, WIDTH]) {
        x.reshape([N, PLACES, HEADS, WIDTH / HEADS]).transpose(1, 2)
    }
}
// ANCHOR_END: block

// ANCHOR: model
model! {
    /// The scores of what comes next, at each place.
    pub struct Gpt {
        letters: Embedding(WORDS, WIDTH),
        places: Embedding(PLACES, WIDTH),
        blocks: [Block; 3],
        ln: LayerNorm(WIDTH),
        head: Linear(WIDTH, WORDS, bias = false),
    }

    fn forward(x: [N, PLACES; i32]) -> [N, PLACES, WORDS] {
        let h = letters(x) + places(arange(PLACES));
        for block in blocks {
            h = block(h);
        }
        head(ln(h))
    }
}
// ANCHOR_END: model

// ANCHOR: steps
model! {
    /// The network, and how it learns.
    pub struct Writer {
        gpt: Gpt,
        opt: AdamW(
            gpt,
            lr = RATE,
            betas = (0.9, 0.99),
            clip_grad_norm = 1.0,
            schedule = OneCycleLR::new(RATE, EPOCHS * STEPS).pct_start(0.05).cycle_momentum(false),
            groups = [(Select::biases_and_norms(), |opt| opt.weight_decay(0.0))],
        ),
    }

    step learn(x: [N, PLACES; i32], y: [N, PLACES; i32]) -> loss {
        let loss = cross_entropy(gpt(x).transpose(1, 2), y);
        opt.minimize(loss);
    }

    /// The loss of the places that see at least `BEFORE` others.
    eval held_out(x: [N, PLACES; i32], y: [N, PLACES; i32]) -> loss {
        let scores = gpt(x).slice(1, BEFORE, PLACES);
        let loss = cross_entropy(scores.transpose(1, 2), y.slice(1, BEFORE, PLACES));
    }

    eval scores(x: [N, PLACES; i32]) -> scores {
        let scores = gpt(x);
    }
}
// ANCHOR_END: steps

fn main() -> Result<(), Box<dyn Error>> {
    let mut text = String::new();
    GzDecoder::new(&include_bytes!("data/shakespeare.txt.gz")[..]).read_to_string(&mut text)?;
    let letters = Letters::of(&text)?;
    let numbers = letters.numbers(&text)?;
    let learnt = numbers.len() - HELD_OUT;
    println!("{learnt} characters to learn from, {HELD_OUT} held out; {} different ones", letters.0.len());

    let start = Instant::now();
    let mut writer = Writer::init(SEED).trainer().batch(BATCH).seed(SEED).build()?;
    println!("compiled in {:.2} s", start.elapsed().as_secs_f64());

    // ANCHOR: train
    // A window of the text from each place, and what follows each of its characters; an epoch draws some of them.
    let part = numbers[..learnt].to_vec();
    let windows = source(learnt - PLACES, move |begin| {
        let [x, y] = [begin, begin + 1].map(|begin| aview1(&part[begin..begin + PLACES]).to_owned());
        (x, y)
    });
    let sampler = WeightedRandomSampler::new(&vec![1.0; windows.len()], BATCH * STEPS as usize, SEED)?;
    let windows = Loader::new(windows).batch(BATCH).sampler(sampler);
    kiln::fit(&mut writer, &windows, |writer, (x, y)| Ok([("bits", writer.learn(x, y)? / LN_2)]))
        .epochs(EPOCHS)
        .validate_with(|writer| Ok(vec![("bits".to_owned(), held_out(writer, &numbers, learnt)?)]))
        .run()?;
    // ANCHOR_END: train

    println!("\nbits a character of the held-out text");
    println!("  the model  {:.3}", held_out(&mut writer, &numbers, learnt)?);
    println!("  gzip -9    {:.3}", 8.0 * gzipped(&text[learnt..])? as f64 / HELD_OUT as f64);
    let more = gzipped(&text)? - gzipped(&text[..learnt])?;
    println!("  gzip -9    {:.3}, where it has seen all that comes before", 8.0 * more as f64 / HELD_OUT as f64);
    println!("\nwritten by the model, with a temperature of {TEMPERATURE}:");
    write(&mut writer, &letters)
}

/// The characters that the text has, in order.
struct Letters(Vec<char>);

impl Letters {
    fn of(text: &str) -> Result<Letters, String> {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters.dedup();
        match letters.len() {
            ..=WORDS => Ok(Letters(letters)),
            count => Err(format!("the text has {count} different characters, the model takes {WORDS}")),
        }
    }

    fn numbers(&self, text: &str) -> Result<Vec<i32>, String> {
        let number = |letter| self.0.binary_search(&letter).map_err(|_| format!("the text has no {letter:?}"));
        text.chars().map(|letter| number(letter).map(|number| number as i32)).collect()
    }
}

/// A window of the text from each of these places, and what follows each of its characters.
fn windows(text: &[i32], begins: &[usize]) -> [Array2<i32>; 2] {
    [0, 1].map(|ahead| Array2::from_shape_fn((begins.len(), PLACES), |(row, place)| text[begins[row] + ahead + place]))
}

/// The bits that a character of the text from `start` on takes, each seen with at least `BEFORE` that come before it.
fn held_out(writer: &mut WriterTrainer, text: &[i32], start: usize) -> Result<f64, TrainError> {
    // The first place that counts is at `BEFORE`, and its target one further.
    let first = start - BEFORE - 1;
    let begins: Vec<usize> = (first..text.len() - PLACES).step_by(PLACES - BEFORE).collect();
    let mut nats = 0.0;
    for begins in begins.chunks(BATCH) {
        let [x, y] = windows(text, begins);
        nats += f64::from(writer.held_out(&x, &y)?) * begins.len() as f64;
    }
    Ok(nats / begins.len() as f64 / f64::ln(2.0))
}

fn gzipped(text: &str) -> Result<usize, std::io::Error> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes())?;
    Ok(encoder.finish()?.len())
}

/// Draws one character after the other, each from what the model expects behind those before.
fn write(writer: &mut WriterTrainer, letters: &Letters) -> Result<(), Box<dyn Error>> {
    let mut written = letters.numbers("\n")?;
    for number in 0..WRITTEN {
        let seen = &written[written.len().saturating_sub(PLACES)..];
        // What stands behind the last place is seen by none before it.
        let mut x = Array2::zeros((1, PLACES));
        x.slice_mut(s![0, ..seen.len()]).assign(&aview1(seen));
        // ANCHOR: draw
        let scores = writer.scores(&x)?;
        let scores = scores.slice(s![0, seen.len() - 1, ..letters.0.len()]);
        let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weights: Vec<f32> = scores.iter().map(|score| ((score - highest) / TEMPERATURE).exp()).collect();
        let mut left = uniform(SEED, 0, 2, number as u64) * weights.iter().sum::<f32>();
        let drawn = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        let drawn = drawn.unwrap_or(weights.len() - 1);
        // ANCHOR_END: draw
        written.push(drawn as i32);
        print!("{}", letters.0[drawn]);
        stdout().flush()?;
    }
    println!();
    Ok(())
}
