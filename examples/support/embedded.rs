//! The digits that are part of the programs; see `examples/data/README.md`.

use std::error::Error;
use std::io::Read;

use flate2::read::GzDecoder;
use kiln::prelude::*;
use ndarray::{Array1, ArrayD};

/// 1,797 images `[1, 8, 8]` from 0 to 1 with their digits. In the data a line holds 64 pixels from 0 to 16 and the digit.
pub fn digits() -> Result<Dataset, Box<dyn Error>> {
    let mut text = String::new();
    GzDecoder::new(&include_bytes!("../data/digits.csv.gz")[..]).read_to_string(&mut text)?;
    let mut pixels = Vec::new();
    let mut labels = Vec::new();
    for line in text.lines() {
        let (image, label) = line.rsplit_once(',').ok_or("a line without a comma")?;
        for pixel in image.split(',') {
            pixels.push(pixel.parse::<f32>()? / 16.0);
        }
        labels.push(label.parse()?);
    }
    let images = ArrayD::from_shape_vec(vec![labels.len(), 1, 8, 8], pixels)?;
    Ok(Dataset::new(images, Array1::from_vec(labels))?)
}
