//! A LeNet as an object file for C: `cargo run --release -p kiln-build --example lenet -- FOLDER [TARGET]` writes it,
//! and what `lenet.c` beside it needs. For this machine it compiles that by gcc, runs it, and compares times and bits
//! with a predictor's.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use kiln::prelude::*;
use kiln_build::predict;
use ndarray::Array4;

// ANCHOR: model
#[derive(Model)]
#[model(input = [1, 28, 28])]
struct LeNet {
    conv1: Conv2d<1, 20, 5>,
    relu1: ReLU,
    pool1: MaxPool2d<2>,
    conv2: Conv2d<20, 64, 5>,
    relu2: ReLU,
    pool2: MaxPool2d<2>,
    flatten: Flatten,
    fc1: Linear<1024, 128>,
    relu3: ReLU,
    fc2: Linear<128, 10>,
}
// ANCHOR_END: model

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, target @ ..] = &arguments[..] else { return Err("expected a folder, then perhaps a target".into()) };
    let folder = Path::new(folder);
    // ANCHOR: build
    let mut build = predict("lenet", &LeNet::init(0), 1)?.caches_of_host()?;
    if let [target] = target {
        build = build.target(target)?;
    }
    let program = build.build()?;
    program.write(folder)?;
    // ANCHOR_END: build
    for (level, bytes) in &program.levels {
        println!("{level:?}: {bytes} bytes of kernels");
    }
    println!(
        "object file {} bytes, weights {}, arena {}",
        program.object.len(),
        program.weights.len(),
        program.arena_bytes
    );

    let x = Array4::from_shape_fn((1, 1, 28, 28), |(_, _, i, j)| ((i * 3 + j * 7) as f32 * 0.37).sin());
    fs::write(folder.join("x"), x.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())?;
    let predictor = Predictor::new(LeNet::init(0)).batch(1).threads(1).build()?;
    let mut prediction = predictor.predict(&x)?;
    fs::write(folder.join("expected"), prediction.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())?;
    fs::write(folder.join("lenet.c"), include_str!("lenet.c"))?;
    if !target.is_empty() {
        return Ok(());
    }
    let compiled = Command::new("gcc")
        .current_dir(folder)
        .args(["-O1", "-s", "lenet.c", "lenet.o", "-o", "lenet", "-lm"])
        .status();
    if !compiled?.success() {
        return Err("gcc has failed".into());
    }
    println!("the program of C: {} bytes", fs::metadata(folder.join("lenet"))?.len());
    for _ in 0..5 {
        let mut shortest = Duration::MAX;
        for _ in 0..2000 {
            let begin = Instant::now();
            predictor.predict_into(&x, &mut prediction)?;
            shortest = shortest.min(begin.elapsed());
        }
        println!("the predictor: shortest {:.1} us", shortest.as_secs_f64() * 1e6);
        if !Command::new("./lenet").current_dir(folder).status()?.success() {
            return Err("the program of C has failed".into());
        }
    }
    Ok(())
}
