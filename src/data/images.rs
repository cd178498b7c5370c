//! PNG and JPEG images as arrays, and folders of them as a source. What a picture shows, and how large it is to be, is
//! for others to say.

mod folder;
mod resized;

use std::fmt::Display;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Rgb};
use ndarray::Array3;

pub use folder::ImageFolder;
pub use resized::resize;

use super::DataError;
use kiln_graph::names::shown;

/// Which channels of an image are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Channels {
    /// One of brightness, weighted as by ITU-R BT.709: 0.2126 red, 0.7152 green, 0.0722 blue.
    Gray,
    /// Red, green, blue. What is transparent is taken as it is stored.
    #[default]
    Rgb,
    /// Red, green, blue, opacity.
    Rgba,
}

/// Reads a PNG or JPEG image, `[channels, height, width]` from 0 to 1, as torchvision's `ToTensor` has it. Which of the two it is
/// tell its first bytes. Images of 16 bits keep their precision. The orientation that a camera has noted is not applied.
///
/// # Errors
/// [`DataError::Read`]; [`DataError::Format`] for another or a damaged file, or one that would be more than 1032 times as large when
/// decoded, which no honest one is.
pub fn read_image(path: impl AsRef<Path>, channels: Channels) -> Result<Array3<f32>, DataError> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|source| DataError::Read { path: path.into(), source })?;
    decode(&bytes, channels).map_err(|reason| DataError::Format { path: path.into(), format: "PNG or JPEG", reason })
}

/// The brightness of red, green and blue; rounded, the weights add up to a little more than 1.
fn brightness(pixel: &Rgb<f32>) -> f32 {
    let [red, green, blue] = pixel.0;
    (0.2126 * red + 0.7152 * green + 0.0722 * blue).min(1.0)
}

/// What the decoder says, on one line.
fn told(error: impl Display) -> String {
    shown(error.to_string().trim())
}

/// How many bytes of an image one byte of a file may become: what deflate can do.
const MOST: u64 = 1032;

fn decode(bytes: &[u8], channels: Channels) -> Result<Array3<f32>, String> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(told)?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg)) {
        return Err(format!("it begins with {:02x?}", &bytes[..bytes.len().min(8)]));
    }
    let decoder = reader.into_decoder().map_err(told)?;
    let (width, height) = decoder.dimensions();
    if decoder.total_bytes() > (bytes.len() as u64).saturating_mul(MOST) {
        return Err(format!("it has {} bytes, which are never {width} x {height} pixels", bytes.len()));
    }
    let image = DynamicImage::from_decoder(decoder).map_err(told)?;
    let (count, pixels) = match channels {
        Channels::Gray if image.color().has_color() => (1, image.into_rgb32f().pixels().map(brightness).collect()),
        Channels::Gray => (1, image.to_luma32f().into_raw()),
        Channels::Rgb => (3, image.into_rgb32f().into_raw()),
        Channels::Rgba => (4, image.into_rgba32f().into_raw()),
    };
    let pixels = Array3::from_shape_vec((height as usize, width as usize, count), pixels);
    let pixels = pixels.map_err(told)?;
    Ok(pixels.permuted_axes([2, 0, 1]).as_standard_layout().into_owned())
}
