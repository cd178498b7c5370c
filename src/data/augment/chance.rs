//! The steps of augmentation: what is drawn, and from which range. What is done with it is in `functional`.

use ndarray::{Array3, Axis};

use super::{Augment, functional};
use crate::data::{DataError, Random};

/// Flips an image with a probability.
#[doc(alias = "RandomHorizontalFlip")]
#[doc(alias = "RandomVerticalFlip")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flip {
    probability: f64,
    horizontal: bool,
}

impl Flip {
    /// Left and right, with this probability.
    pub fn horizontal(probability: f64) -> Flip {
        Flip { probability, horizontal: true }
    }

    /// Top and bottom, with this probability.
    pub fn vertical(probability: f64) -> Flip {
        Flip { probability, horizontal: false }
    }
}

impl Augment for Flip {
    fn apply(&self, image: &mut Array3<f32>, random: &mut Random) -> Result<(), DataError> {
        match (random.chance(self.probability), self.horizontal) {
            (false, _) => {}
            (true, true) => functional::hflip(image),
            (true, false) => functional::vflip(image),
        }
        Ok(())
    }
}

/// A part of an image at a random place.
#[doc(alias = "RandomCrop")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crop {
    size: [usize; 2],
    padding: usize,
    fill: f32,
}

impl Crop {
    /// A square of so many pixels.
    pub fn new(size: usize) -> Crop {
        Crop::sized([size, size])
    }

    /// A part of this height and width.
    pub fn sized(size: [usize; 2]) -> Crop {
        Crop { size, padding: 0, fill: 0.0 }
    }

    /// Pixels that are put around the image before. Default 0.
    pub fn padding(mut self, padding: usize) -> Crop {
        self.padding = padding;
        self
    }

    /// What these pixels are. Default 0.
    pub fn fill(mut self, fill: f32) -> Crop {
        self.fill = fill;
        self
    }
}

impl Augment for Crop {
    fn apply(&self, image: &mut Array3<f32>, random: &mut Random) -> Result<(), DataError> {
        let (_, height, width) = image.dim();
        let mut corner = [0; 2];
        for (axis, extent) in [height, width].into_iter().enumerate() {
            let Some(room) = (extent + 2 * self.padding).checked_sub(self.size[axis]) else {
                let reason = format!("it cuts out {:?}, with {} pixels around the image", self.size, self.padding);
                return Err(DataError::Augment { step: "Crop", found: image.shape().to_vec(), reason });
            };
            corner[axis] = random.below(room + 1) as isize - self.padding as isize;
        }
        functional::crop(image, corner, self.size, self.fill);
        Ok(())
    }
}

/// The middle of an image, for validation and prediction. Nothing of it is random; an image that is smaller gets 0
/// around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CenterCrop {
    size: [usize; 2],
}

impl CenterCrop {
    /// A square of so many pixels.
    pub fn new(size: usize) -> CenterCrop {
        CenterCrop::sized([size, size])
    }

    /// A part of this height and width.
    pub fn sized(size: [usize; 2]) -> CenterCrop {
        CenterCrop { size }
    }
}

impl Augment for CenterCrop {
    fn apply(&self, image: &mut Array3<f32>, _: &mut Random) -> Result<(), DataError> {
        functional::center_crop(image, self.size);
        Ok(())
    }
}

/// Rotates an image about its centre, by the nearest pixels; the size stays.
#[doc(alias = "RandomRotation")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotation {
    degrees: f64,
    fill: f32,
}

impl Rotation {
    /// By at most so many degrees, either way.
    pub fn new(degrees: f64) -> Rotation {
        Rotation { degrees, fill: 0.0 }
    }

    /// What stands where nothing was. Default 0.
    pub fn fill(mut self, fill: f32) -> Rotation {
        self.fill = fill;
        self
    }
}

impl Augment for Rotation {
    fn apply(&self, image: &mut Array3<f32>, random: &mut Random) -> Result<(), DataError> {
        functional::rotate(image, random.range(-self.degrees..self.degrees), self.fill);
        Ok(())
    }
}

/// Moves an image by whole pixels.
#[doc(alias = "RandomAffine")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    most: [f64; 2],
    fill: f32,
}

impl Shift {
    /// Up or down, and left or right, by at most these fractions of the height and the width.
    pub fn new(vertical: f64, horizontal: f64) -> Shift {
        Shift { most: [vertical, horizontal], fill: 0.0 }
    }

    /// What stands where nothing was. Default 0.
    pub fn fill(mut self, fill: f32) -> Shift {
        self.fill = fill;
        self
    }
}

impl Augment for Shift {
    fn apply(&self, image: &mut Array3<f32>, random: &mut Random) -> Result<(), DataError> {
        let (_, height, width) = image.dim();
        let mut draw = |most: f64, extent: usize| {
            let most = most * extent as f64;
            random.range(-most..most).round_ties_even() as isize
        };
        let by = [draw(self.most[0], height), draw(self.most[1], width)];
        functional::translate(image, by, self.fill);
        Ok(())
    }
}

/// Changes brightness, contrast and saturation, in random order, by factors between `1 - x` (but not below 0) and `1 +
/// x`; values are cut to 0..1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ColorJitter {
    brightness: f64,
    contrast: f64,
    saturation: f64,
}

impl ColorJitter {
    /// That changes nothing yet.
    pub fn new() -> ColorJitter {
        ColorJitter::default()
    }

    /// How far from 1 the factor of brightness may be. Default 0.
    pub fn brightness(mut self, most: f64) -> ColorJitter {
        self.brightness = most;
        self
    }

    /// How far from 1 the factor of contrast may be. Default 0.
    pub fn contrast(mut self, most: f64) -> ColorJitter {
        self.contrast = most;
        self
    }

    /// How far from 1 the factor of saturation may be. Default 0.
    pub fn saturation(mut self, most: f64) -> ColorJitter {
        self.saturation = most;
        self
    }
}

impl Augment for ColorJitter {
    fn apply(&self, image: &mut Array3<f32>, random: &mut Random) -> Result<(), DataError> {
        type Adjust = fn(&mut Array3<f32>, f32);
        let mut steps: [(f64, Adjust); 3] = [
            (self.brightness, functional::adjust_brightness),
            (self.contrast, functional::adjust_contrast),
            (self.saturation, functional::adjust_saturation),
        ];
        (1..3).rev().for_each(|place| steps.swap(place, random.below(place + 1)));
        for (most, adjust) in steps {
            let factor = random.range((1.0 - most).max(0.0)..1.0 + most);
            if most > 0.0 {
                adjust(image, factor as f32);
            }
        }
        Ok(())
    }
}

/// Sets a random part of an image to a value.
#[doc(alias = "RandomErasing")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Erase {
    probability: f64,
    scale: [f64; 2],
    ratio: [f64; 2],
    value: f32,
}

impl Erase {
    /// With this probability; 2 to 33 % of the image, 0.3 to 3.3 times as high as wide.
    pub fn new(probability: f64) -> Erase {
        Erase { probability, scale: [0.02, 0.33], ratio: [0.3, 3.3], value: 0.0 }
    }

    /// The least and the largest fraction of the image. Default 0.02 and 0.33.
    pub fn scale(mut self, least: f64, most: f64) -> Erase {
        self.scale = [least, most];
        self
    }

    /// The least and the largest ratio of height to width. Default 0.3 and 3.3.
    pub fn ratio(mut self, least: f64, most: f64) -> Erase {
        self.ratio = [least, most];
        self
    }

    /// What stands there then. Default 0.
    pub fn value(mut self, value: f32) -> Erase {
        self.value = value;
        self
    }
}

impl Augment for Erase {
    fn apply(&self, image: &mut Array3<f32>, random: &mut Random) -> Result<(), DataError> {
        if !random.chance(self.probability) {
            return Ok(());
        }
        let (_, height, width) = image.dim();
        // As torchvision: where ten tries give none that fits, the image stays as it is.
        for _ in 0..10 {
            let area = (height * width) as f64 * random.range(self.scale[0]..self.scale[1]);
            let ratio = random.range(self.ratio[0].ln()..self.ratio[1].ln()).exp();
            let size = [(area * ratio).sqrt(), (area / ratio).sqrt()].map(|extent| extent.round_ties_even() as usize);
            if size[0] < height && size[1] < width {
                let corner = [random.below(height - size[0] + 1), random.below(width - size[1] + 1)];
                functional::erase(image, corner, size, self.value);
                break;
            }
        }
        Ok(())
    }
}

/// Adds normally distributed noise, and cuts the values to 0..1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaussianNoise {
    sigma: f64,
    clip: bool,
}

impl GaussianNoise {
    /// Noise of this deviation.
    pub fn new(sigma: f64) -> GaussianNoise {
        GaussianNoise { sigma, clip: true }
    }

    /// Whether values are cut to 0..1. Default true; false for images that are normalized.
    pub fn clip(mut self, clip: bool) -> GaussianNoise {
        self.clip = clip;
        self
    }
}

impl Augment for GaussianNoise {
    fn apply(&self, image: &mut Array3<f32>, random: &mut Random) -> Result<(), DataError> {
        for value in image.iter_mut() {
            let noisy = *value + (self.sigma * random.normal()) as f32;
            *value = if self.clip { noisy.clamp(0.0, 1.0) } else { noisy };
        }
        Ok(())
    }
}

/// Subtracts a mean from each channel and divides it by a deviation. Nothing of it is random.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalize {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Normalize {
    /// A mean and a deviation for each channel: `Normalize::new([0.5], [0.25])` for images of one.
    pub fn new<const C: usize>(mean: [f32; C], std: [f32; C]) -> Normalize {
        Normalize { mean: mean.into(), std: std.into() }
    }
}

impl Augment for Normalize {
    fn apply(&self, image: &mut Array3<f32>, _: &mut Random) -> Result<(), DataError> {
        if image.len_of(Axis(0)) != self.mean.len() {
            let reason = format!("it has means and deviations of {} channels", self.mean.len());
            return Err(DataError::Augment { step: "Normalize", found: image.shape().to_vec(), reason });
        }
        functional::normalize(image, &self.mean, &self.std);
        Ok(())
    }
}
