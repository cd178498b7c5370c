//! What becomes of a trained classifier: its weights in a file, its loss curve, and the images that it got wrong.

use std::error::Error;
use std::fs;
use std::path::Path;

use kiln::prelude::*;
use kiln::report::plots::{Chart, ImageGrid};
use ndarray::{Array1, ArrayView1, Axis};

use super::training::ClassTrainer;

/// Saves the model, loads it into a fresh one and compares their predictions; writes the loss curve and the wrongly
/// classified images into `folder`; prints the test accuracy.
pub fn finish<M: Model<Input = f32, Output = f32>>(
    trainer: &mut ClassTrainer<M>,
    history: &History,
    test: &Dataset,
    folder: &Path,
) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let weights = folder.join("model.safetensors");
    trainer.model().save(&weights)?;
    let mut fresh = M::init(0);
    fresh.load(&weights)?;

    // ANCHOR: predict
    let scores = trainer.predict(&test.images())?;
    let loaded = Predictor::new(fresh).build()?.predict(&test.images())?;
    let same = scores.iter().zip(&loaded).all(|(a, b)| a.to_bits() == b.to_bits());
    // ANCHOR_END: predict
    if !same {
        return Err("the loaded model predicts other numbers than the trained one".into());
    }
    println!("saved to {}; a fresh model that loads it predicts the same bits", weights.display());

    let curve = folder.join("loss.svg");
    let points =
        |name: &str| history.curve(name).iter().map(|point| (point.step as f64, point.value)).collect::<Vec<_>>();
    Chart::new("Training", "step", "cross entropy")
        .line("training batch", points("step.loss"))
        .line("test set", points("valid.loss"))
        .save(&curve)?;

    let found: Array1<i32> = scores.axis_iter(Axis(0)).map(|row| largest(row.iter())).collect();
    let wrong = folder.join("wrong.svg");
    let count = wrong_images(test, found.view(), &wrong)?;
    println!("loss curve in {}, wrongly classified images in {}", curve.display(), wrong.display());
    println!("test accuracy: {:.2} %", 100.0 * (test.len() - count) as f64 / test.len() as f64);
    Ok(())
}

fn largest<'a>(scores: impl Iterator<Item = &'a f32>) -> i32 {
    let best = scores.enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(class, _)| class as i32)
}

/// Writes the images whose class was not found; their number.
fn wrong_images(test: &Dataset, found: ArrayView1<'_, i32>, path: &Path) -> Result<usize, Box<dyn Error>> {
    let labels = test.labels();
    let wrong: Vec<usize> = (0..test.len()).filter(|&i| found[i] != labels[i]).collect();
    let mut grid = ImageGrid::new(format!("{} of {} wrong", wrong.len(), test.len()));
    for &i in &wrong {
        let caption = format!("{} taken for {}", labels[i], found[i]);
        grid = grid.tile(&test.images().index_axis(Axis(0), i), caption);
    }
    grid.save(path)?;
    Ok(wrong.len())
}
