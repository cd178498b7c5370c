//! Images of another size. Knows no files.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::F32;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use ndarray::{Array3, Axis};

/// An image `[channels, height, width]` scaled to a height and a width. Each pixel is the mean of those that it covers,
/// weighted by their distance: torchvision's `resize` with its defaults (bilinear, `antialias = True`). An image
/// without pixels becomes black.
///
/// ```
/// use kiln::data::resize;
/// use ndarray::array;
///
/// let image = array![[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]];
/// let half = resize(&image, [1, 2]);
/// assert_eq!(half.dim(), (1, 1, 2));
/// assert!(half[[0, 0, 0]] < 0.2 && half[[0, 0, 1]] > 0.8);
/// ```
///
/// # Panics
/// If an extent is above 4294967295.
pub fn resize(image: &Array3<f32>, size: [usize; 2]) -> Array3<f32> {
    let (channels, height, width) = image.dim();
    let mut resized = Array3::zeros((channels, size[0], size[1]));
    if image.is_empty() || resized.is_empty() {
        return resized;
    }
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    let [height, width, rows, columns] = [height, width, size[0], size[1]]
        .map(|extent| u32::try_from(extent).expect("an image has at most 2^32 - 1 rows and columns"));
    let mut resizer = Resizer::new();
    let mut pixels: Vec<F32> = Vec::with_capacity(image.len() / channels);
    let mut to = TypedImage::<F32>::new(columns, rows);
    for (from, mut channel) in image.outer_iter().zip(resized.axis_iter_mut(Axis(0))) {
        pixels.clear();
        pixels.extend(from.iter().map(|value| F32::new(*value)));
        let from = TypedImageRef::new(width, height, &pixels).expect("as many pixels as its size says");
        resizer.resize_typed(&from, &mut to, &options).expect("sizes are above 0, and nothing is cut out");
        channel.iter_mut().zip(to.pixels()).for_each(|(value, pixel)| *value = pixel.0);
    }
    resized
}
