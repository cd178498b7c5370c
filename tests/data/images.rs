//! PNG and JPEG images as arrays, with the feature `images`.

use std::io::Cursor;

use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb, Rgba};
use kiln::data::{Channels, read_image};
use ndarray::{Array3, array};

use crate::folder::Folder;

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn pixels_are_channels_rows_and_columns_from_0_to_1() {
    let folder = Folder::new("images");
    // One row of red and half blue.
    let rgb = ImageBuffer::from_vec(2, 1, vec![255, 0, 0, 0, 0, 51]).unwrap();
    let path = folder.file("a.png", &encoded(ImageBuffer::<Rgb<u8>, _>::clone(&rgb), ImageFormat::Png));
    assert_eq!(read_image(&path, Channels::Rgb).unwrap(), array![[[1.0, 0.0]], [[0.0, 0.0]], [[0.0, 0.2]]]);
    let opaque = read_image(&path, Channels::Rgba).unwrap();
    assert_eq!((opaque.dim(), opaque[[3, 0, 1]]), ((4, 1, 2), 1.0));
    let gray = read_image(&path, Channels::Gray).unwrap();
    assert!((&gray - &array![[[0.2126_f32, 0.2 * 0.0722]]]).iter().all(|error: &f32| error.abs() < 1e-6), "{gray}");

    let gray: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_vec(1, 2, vec![1, 65535]).unwrap();
    let path = folder.file("b.png", &encoded(gray, ImageFormat::Png));
    assert_eq!(read_image(path, Channels::Gray).unwrap(), array![[[1.0 / 65535.0], [1.0]]]);
    let clear: ImageBuffer<Rgba<u8>, _> = ImageBuffer::from_vec(1, 1, vec![0, 51, 102, 0]).unwrap();
    let path = folder.file("c.png", &encoded(clear, ImageFormat::Png));
    assert_eq!(read_image(&path, Channels::Rgba).unwrap(), array![[[0.0]], [[0.2]], [[0.4]], [[0.0]]]);
    assert_eq!(read_image(&path, Channels::Rgb).unwrap(), array![[[0.0]], [[0.2]], [[0.4]]]);

    // By its first bytes, whatever its name.
    let flat: ImageBuffer<Rgb<u8>, _> = ImageBuffer::from_pixel(64, 32, Rgb([102, 102, 102]));
    let path = folder.file("d.png", &encoded(flat, ImageFormat::Jpeg));
    let found = read_image(path, Channels::Rgb).unwrap();
    assert!((found - Array3::from_elem((3, 32, 64), 0.4_f32)).iter().all(|error| error.abs() < 0.02));
}

#[test]
fn damage_and_absurd_sizes_are_errors() {
    let folder = Folder::new("bad images");
    let image: ImageBuffer<Rgb<u8>, _> = ImageBuffer::from_fn(24, 16, |x, y| Rgb([x as u8 * 9, y as u8 * 9, 7]));
    let check = |bytes: &[u8], expected: &str| {
        let text = read_image(folder.file("a", bytes), Channels::Rgb).unwrap_err().to_string();
        assert!(text.contains(" is no PNG or JPEG file: ") && text.contains(expected), "{text}");
    };
    check(b"GIF89a", "it begins with [47, 49, 46, 38, 39, 61]");
    check(b"", "it begins with []");
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        let whole = encoded(image.clone(), format);
        for place in (0..whole.len()).step_by(5) {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x55;
            let _ = read_image(folder.file("a", &bytes), Channels::Rgb);
            let _ = read_image(folder.file("a", &whole[..place]), Channels::Rgb);
        }
    }
    // A PNG whose header says 65535 x 65535, with the sum of check that belongs to it.
    let mut large = encoded(image, ImageFormat::Png);
    large[16..24].copy_from_slice(&[0, 0, 255, 255, 0, 0, 255, 255]);
    let mut crc = flate2::Crc::new();
    crc.update(&large[12..29]);
    large[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    check(&large, "bytes, which are never 65535 x 65535 pixels");
}
