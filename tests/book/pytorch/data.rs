//! Kiln's side of `data.py`.

use kiln::prelude::*;
use ndarray::{Array1, array};

use super::{Numbers, Result};

// ANCHOR: source
struct Squares {
    count: usize,
}

impl Source for Squares {
    type Input = Array1<f32>;
    type Target = i32;

    fn len(&self) -> usize {
        self.count
    }

    fn sample(&self, index: usize) -> std::result::Result<(Array1<f32>, i32), DataError> {
        Ok((array![index as f32], index as i32 % 3))
    }
}
// ANCHOR_END: source

pub fn run(numbers: &mut Numbers) -> Result {
    // ANCHOR: loader
    let data = Squares { count: 100 }.subset(Vec::from_iter(10..90))?;
    let loader = Loader::new(data).batch(32).drop_last().workers(2);
    // ANCHOR_END: loader

    // ANCHOR: loop
    let mut sums = Vec::new();
    for epoch in 0..2 {
        for batch in loader.epoch(epoch) {
            let (x, y) = batch?;
            sums.push(x.sum() + y.sum() as f32);
        }
    }
    // ANCHOR_END: loop
    numbers.tell("sums", sums);
    Ok(())
}
