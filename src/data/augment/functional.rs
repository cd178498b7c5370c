//! What augmentation does once everything is drawn: torchvision's `functional`, in place, of images `[channels, height,
//! width]`. It knows no random numbers.

use std::cell::RefCell;
use std::mem;

use ndarray::{Array3, Axis, Slice};

thread_local! {
    /// Memory for the next image of another geometry: that of the one before it.
    static SPARE: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Weights of red, green and blue in brightness (ITU-R BT.601, as torchvision rounds them).
const GRAY: [f32; 3] = [0.2989, 0.587, 0.114];

/// The elements in row-major order, which the image is put into if it is not.
fn elements(image: &mut Array3<f32>) -> &mut [f32] {
    if !image.is_standard_layout() {
        *image = image.as_standard_layout().into_owned();
    }
    image.as_slice_mut().expect("it is in row-major order")
}

/// Makes an image of this size, each pixel of which is one of the image: that at `from(row, column)`, `fill` where
/// there is none.
fn place(image: &mut Array3<f32>, size: [usize; 2], fill: f32, from: impl Fn(usize, usize) -> [isize; 2]) {
    let (channels, height, width) = image.dim();
    let old = elements(image);
    let mut new = SPARE.with(|spare| mem::take(&mut *spare.borrow_mut()));
    new.clear();
    new.resize(channels * size[0] * size[1], fill);
    for row in 0..size[0] {
        for column in 0..size[1] {
            let [y, x] = from(row, column);
            if (0..height as isize).contains(&y) && (0..width as isize).contains(&x) {
                let (from, to) = (y as usize * width + x as usize, row * size[1] + column);
                for channel in 0..channels {
                    new[channel * size[0] * size[1] + to] = old[channel * height * width + from];
                }
            }
        }
    }
    let changed = Array3::from_shape_vec((channels, size[0], size[1]), new).expect("as many as the shape says");
    let (old, _) = mem::replace(image, changed).into_raw_vec_and_offset();
    SPARE.with(|spare| *spare.borrow_mut() = old);
}

/// Left becomes right: `hflip`.
pub fn hflip(image: &mut Array3<f32>) {
    let width = image.len_of(Axis(2)).max(1);
    elements(image).chunks_exact_mut(width).for_each(<[f32]>::reverse);
}

/// Top becomes bottom: `vflip`.
pub fn vflip(image: &mut Array3<f32>) {
    for mut channel in image.outer_iter_mut() {
        for mut column in channel.columns_mut() {
            let height = column.len();
            (0..height / 2).for_each(|row| column.swap(row, height - 1 - row));
        }
    }
}

/// The part of `size` (height, width) whose upper left corner is at this row and column; `fill` outside of the image,
/// where it may begin and end: `crop`, and with it `pad`.
pub fn crop(image: &mut Array3<f32>, [top, left]: [isize; 2], size: [usize; 2], fill: f32) {
    place(image, size, fill, |row, column| [top + row as isize, left + column as isize]);
}

/// The part of `size` in the middle, with 0 where the image is smaller: `center_crop`.
pub fn center_crop(image: &mut Array3<f32>, size: [usize; 2]) {
    let (_, height, width) = image.dim();
    // As torchvision: what is missing is padded, the odd pixel behind; else halves are rounded to even numbers.
    let corner = |extent: usize, size: usize| match extent.checked_sub(size) {
        Some(room) => (room as f64 / 2.0).round_ties_even() as isize,
        None => -(((size - extent) / 2) as isize),
    };
    crop(image, [corner(height, size[0]), corner(width, size[1])], size, 0.0);
}

/// Moves an image down and to the right by so many pixels; `fill` stands where it was: `affine` with a translation.
pub fn translate(image: &mut Array3<f32>, [down, right]: [isize; 2], fill: f32) {
    let (_, height, width) = image.dim();
    crop(image, [-down, -right], [height, width], fill);
}

/// Rotates an image about its centre by an angle in degrees, counter-clockwise; each pixel is the nearest one, `fill`
/// where there is none, and the size stays: `rotate`.
pub fn rotate(image: &mut Array3<f32>, degrees: f64, fill: f32) {
    let (_, height, width) = image.dim();
    let (sin, cos) = degrees.to_radians().sin_cos();
    let [middle_y, middle_x] = [height, width].map(|extent| (extent as f64 - 1.0) / 2.0);
    place(image, [height, width], fill, |row, column| {
        let (y, x) = (row as f64 - middle_y, column as f64 - middle_x);
        // The pixel that the rotation brings here. Coordinates that are whole but for rounding stay so.
        let exact = [sin * x + cos * y + middle_y, cos * x - sin * y + middle_x];
        exact.map(|place| ((place * 1e6).round() / 1e6).round_ties_even() as isize)
    });
}

/// Multiplies with a factor, and cuts to 0..1: `adjust_brightness`.
pub fn adjust_brightness(image: &mut Array3<f32>, factor: f32) {
    image.mapv_inplace(|value| (value * factor).clamp(0.0, 1.0));
}

/// The image's distance from its mean brightness, `factor` times: `adjust_contrast`.
pub fn adjust_contrast(image: &mut Array3<f32>, factor: f32) {
    let count = (image.len_of(Axis(1)) * image.len_of(Axis(2))).max(1) as f64;
    let sum = |channel: usize| image.index_axis(Axis(0), channel).iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let mean = match image.len_of(Axis(0)) {
        3 => (0..3).map(|channel| f64::from(GRAY[channel]) * sum(channel)).sum(),
        channels => (0..channels).map(sum).sum::<f64>() / channels.max(1) as f64,
    };
    let rest = (1.0 - factor) * mean as f32;
    image.mapv_inplace(|value| (factor * value + rest).clamp(0.0, 1.0));
}

/// Each pixel's distance from its own brightness, `factor` times; images of other than three channels stay as they are:
/// `adjust_saturation`.
pub fn adjust_saturation(image: &mut Array3<f32>, factor: f32) {
    if image.len_of(Axis(0)) != 3 {
        return;
    }
    let (_, height, width) = image.dim();
    let (red, others) = elements(image).split_at_mut(height * width);
    let (green, blue) = others.split_at_mut(height * width);
    for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
        let gray = GRAY[0] * *red + GRAY[1] * *green + GRAY[2] * *blue;
        let rest = (1.0 - factor) * gray;
        for value in [red, green, blue] {
            *value = (factor * *value + rest).clamp(0.0, 1.0);
        }
    }
}

/// Sets a part of the image, as far as it is inside, to a value: `erase`.
pub fn erase(image: &mut Array3<f32>, [top, left]: [usize; 2], size: [usize; 2], value: f32) {
    let (_, height, width) = image.dim();
    let (bottom, right) = (top.saturating_add(size[0]).min(height), left.saturating_add(size[1]).min(width));
    let mut part = image.slice_axis_mut(Axis(1), Slice::from(top.min(height)..bottom));
    part.slice_axis_mut(Axis(2), Slice::from(left.min(width)..right)).fill(value);
}

/// `(value - mean) / std`, with a mean and a deviation for each channel: `normalize`.
///
/// # Panics
/// If there are fewer of them than channels.
pub fn normalize(image: &mut Array3<f32>, mean: &[f32], std: &[f32]) {
    for (channel, mut values) in image.outer_iter_mut().enumerate() {
        let (mean, std) = (mean[channel], std[channel]);
        values.mapv_inplace(|value| (value - mean) / std);
    }
}
