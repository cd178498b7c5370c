//! What the chapter about data does with a folder of images, of the feature `images`.

use std::path::Path;

// ANCHOR: all
use kiln::data::ImageFolder;
use kiln::data::augment::{Crop, Flip};
use kiln::prelude::*;

/// Batches of `root/cat/1.jpg`, `root/dog/more/2.png`, .., 64 x 64 pixels each, and what to test with.
pub fn pictures(root: &Path) -> Result<[usize; 2], DataError> {
    let images = ImageFolder::new(root)?.resize([72, 72]);
    println!("{} images of {:?}", images.len(), images.classes());
    let [train, valid] = images.stratified_split([0.8, 0.2], 42)?;
    let train = train.augment((Flip::horizontal(0.5), Crop::new(64)));
    let train = Loader::new(train).batch(32).shuffle(0).workers(2);
    for batch in train.epoch(0) {
        let (x, y) = batch?; // [32, 3, 64, 64] and [32]
        assert_eq!(x.shape()[0], y.len());
    }
    Ok([train.samples(), valid.len()])
}
// ANCHOR_END: all
