//! Augmentation: images `[channels, height, width]` that are changed at random each time that they are read, as
//! torchvision's transforms (version 2) do. What is drawn follows from the seed, the epoch and the index of the sample,
//! and nothing else.
//!
//! ```
//! use kiln::data::augment::{ColorJitter, Crop, Flip, Normalize};
//! use kiln::data::source;
//! use kiln::prelude::*;
//! use ndarray::Array3;
//!
//! let images = source(256, |index| (Array3::from_elem((3, 32, 32), index as f32 / 255.0), (index % 10) as i32));
//! let augmented = images.augment((
//!     Flip::horizontal(0.5),
//!     Crop::new(32).padding(4),
//!     ColorJitter::new().brightness(0.2).contrast(0.2),
//!     Normalize::new([0.49, 0.48, 0.45], [0.25, 0.24, 0.26]),
//! ));
//! let loader = Loader::new(augmented).batch(64).shuffle(1).workers(2);
//! for batch in loader.epoch(0) {
//!     let (images, labels) = batch?;
//!     assert_eq!((images.dim(), labels.dim()), ((64, 3, 32, 32), 64));
//! }
//! # Ok::<(), kiln::data::DataError>(())
//! ```
//!
//! | step | torchvision |
//! | --- | --- |
//! | [`Flip`] | `RandomHorizontalFlip`, `RandomVerticalFlip` |
//! | [`Crop`], [`CenterCrop`] | `RandomCrop`, `CenterCrop` |
//! | [`Rotation`] | `RandomRotation` |
//! | [`Shift`] | `RandomAffine(0, translate = ..)` |
//! | [`ColorJitter`] | `ColorJitter` |
//! | [`Erase`] | `RandomErasing` |
//! | [`GaussianNoise`] | `GaussianNoise` |
//! | [`Normalize`] | `Normalize` |
//! | [`MixUp`], [`CutMix`] (of batches) | `MixUp`, `CutMix` |
//!
//! A step of your own is a function of the image and of [`Random`]; what is not random is in [`functional`]. For
//! another kind of input use [`SourceExt::map`](super::SourceExt::map) for what is not random, and for what is a
//! [`Source`](super::Source::read) of your own.

mod chance;
pub mod functional;
mod mix;

pub use chance::{CenterCrop, ColorJitter, Crop, Erase, Flip, GaussianNoise, Normalize, Rotation, Shift};
pub use mix::{CutMix, MixUp};

use ndarray::{Array3, ArrayD, Ix3};

use super::{DataError, Random, Sample, Source};

/// What changes an image `[channels, height, width]`: one of this module's steps, a function `|image: &mut Array3<f32>,
/// random: &mut Random| ..`, or several one after the other in a tuple (of up to eight), a vector or an array.
pub trait Augment: Send + Sync {
    /// Changes an image, which may get another size.
    ///
    /// # Errors
    /// [`DataError::Augment`] where it is not for this image.
    fn apply(&self, image: &mut Array3<f32>, random: &mut Random) -> Result<(), DataError>;
}

impl<F: Fn(&mut Array3<f32>, &mut Random) + Send + Sync> Augment for F {
    fn apply(&self, image: &mut Array3<f32>, random: &mut Random) -> Result<(), DataError> {
        self(image, random);
        Ok(())
    }
}

impl Augment for Box<dyn Augment> {
    fn apply(&self, image: &mut Array3<f32>, random: &mut Random) -> Result<(), DataError> {
        (**self).apply(image, random)
    }
}

impl<A: Augment> Augment for Vec<A> {
    fn apply(&self, image: &mut Array3<f32>, random: &mut Random) -> Result<(), DataError> {
        self.iter().try_for_each(|step| step.apply(image, random))
    }
}

impl<A: Augment, const N: usize> Augment for [A; N] {
    fn apply(&self, image: &mut Array3<f32>, random: &mut Random) -> Result<(), DataError> {
        self.iter().try_for_each(|step| step.apply(image, random))
    }
}

macro_rules! several {
    ($(($($part:ident $place:tt),*);)*) => {$(
        impl<$($part: Augment),*> Augment for ($($part,)*) {
            fn apply(&self, image: &mut Array3<f32>, random: &mut Random) -> Result<(), DataError> {
                $(self.$place.apply(image, random)?;)*
                Ok(())
            }
        }
    )*};
}

several! {
    (A 0);
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
    (A 0, B 1, C 2, D 3, E 4);
    (A 0, B 1, C 2, D 3, E 4, F 5);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
}

/// An input that is an image: an `Array3<f32>`, or an `ArrayD<f32>` of three axes.
pub trait Image: Sample {
    /// Changes the image.
    ///
    /// # Errors
    /// Those of `change`; [`DataError::Augment`] where there are not three axes.
    fn change(&mut self, change: impl FnOnce(&mut Array3<f32>) -> Result<(), DataError>) -> Result<(), DataError>;
}

impl Image for Array3<f32> {
    fn change(&mut self, change: impl FnOnce(&mut Array3<f32>) -> Result<(), DataError>) -> Result<(), DataError> {
        change(self)
    }
}

impl Image for ArrayD<f32> {
    fn change(&mut self, change: impl FnOnce(&mut Array3<f32>) -> Result<(), DataError>) -> Result<(), DataError> {
        if self.ndim() != 3 {
            let reason = "an image has the axes [channels, height, width]".to_owned();
            return Err(DataError::Augment { step: "augment", found: self.shape().to_vec(), reason });
        }
        let mut image = std::mem::take(self).into_dimensionality::<Ix3>().expect("it has three axes");
        change(&mut image)?;
        *self = image.into_dyn();
        Ok(())
    }
}

/// A source of images that are changed each time that they are read: see
/// [`SourceExt::augment`](super::SourceExt::augment).
#[derive(Clone, Debug)]
pub struct Augmented<S, A> {
    source: S,
    steps: A,
    seed: u64,
}

impl<S: Source, A: Augment> Augmented<S, A> {
    pub(super) fn new(source: S, steps: A) -> Augmented<S, A> {
        Augmented { source, steps, seed: 0 }
    }

    /// What decides, with the epoch and the index of a sample, on all that is drawn. Default 0.
    pub fn seed(mut self, seed: u64) -> Augmented<S, A> {
        self.seed = seed;
        self
    }
}

impl<S: Source, A: Augment> Source for Augmented<S, A>
where
    S::Input: Image,
{
    type Input = S::Input;
    type Target = S::Target;

    fn len(&self) -> usize {
        self.source.len()
    }

    /// The sample of epoch 0.
    fn sample(&self, index: usize) -> Result<(S::Input, S::Target), DataError> {
        let mut sample = None;
        self.read(index, 0, &mut sample)?;
        sample.ok_or_else(|| DataError::other("the source gave no sample"))
    }

    fn read(&self, index: usize, epoch: u64, sample: &mut Option<(S::Input, S::Target)>) -> Result<(), DataError> {
        self.source.read(index, epoch, sample)?;
        match sample {
            Some((input, _)) => {
                let mut random = Random::new(self.seed, epoch, index as u64);
                input.change(|image| self.steps.apply(image, &mut random))
            }
            None => Ok(()),
        }
    }

    fn target(&self, index: usize) -> Result<S::Target, DataError> {
        self.source.target(index)
    }
}
