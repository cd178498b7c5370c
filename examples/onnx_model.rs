//! A network of an ONNX file as a part of the program: `cargo run --release --features onnx --example onnx_model`.
//!
//! `examples/data/digits.onnx` reads handwritten digits. It is asked first, then learns with a new head whether a digit is even,
//! its own layers frozen.

#[path = "support/embedded.rs"]
mod embedded;

use std::error::Error;

use kiln::prelude::*;

// ANCHOR: model
onnx_model!("examples/data/digits.onnx");
onnx_model!(pub struct Features = "examples/data/digits.onnx" -> ["relu3"]);

model! {
    struct Even {
        #[model(requires_grad = false)]
        features: Features,
        head: Linear(32, 2),
    }

    fn forward(x: [N, 1, 8, 8]) -> [N, 2] {
        head(features(x))
    }
}
// ANCHOR_END: model

fn main() -> Result<(), Box<dyn Error>> {
    let (train, test) = embedded::digits()?.split(0.8, 42);
    let scores = Predictor::new(Digits::init(0)).build()?.predict(&test.images())?;
    let right = scores.outer_iter().zip(test.labels()).filter(|(scores, digit)| {
        let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        best.is_some_and(|(best, _)| best as i32 == **digit)
    });
    println!("the file reads {} of {} digits", right.count(), test.len());

    let even = |digits: &Dataset| Dataset::new(digits.images().to_owned(), digits.labels().mapv(|digit| digit % 2));
    let (train, test) = (even(&train)?, even(&test)?);
    let mut trainer = Trainer::new(Even::init(1), cross_entropy(), Adam::new(0.01)).batch(32).build()?;
    trainer.fit(&train).epochs(10).validate(&test).run()?;
    Ok(())
}
