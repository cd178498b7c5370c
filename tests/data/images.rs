//! PNG and JPEG images as arrays, folders of them as sources, with the feature `images`.

use std::fs;
use std::io::Cursor;

use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb, Rgba};
use kiln::data::{Channels, DataError, ImageFolder, Loader, Source, SourceExt, read_image, resize};
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

/// One channel of an image scaled along its last axis: PyTorch's antialiased bilinear filter, written plainly.
fn scaled_rows(image: &Array3<f32>, width: usize) -> Array3<f32> {
    let (channels, height, from) = image.dim();
    let scale = from as f32 / width as f32;
    let reach = scale.max(1.0);
    Array3::from_shape_fn((channels, height, width), |(c, y, x)| {
        let centre = (x as f32 + 0.5) * scale;
        let weight = |place: usize| (1.0 - ((place as f32 + 0.5 - centre) / reach).abs()).max(0.0);
        let sum = |f: &dyn Fn(usize) -> f32| (0..from).map(|place| weight(place) * f(place)).sum::<f32>();
        sum(&|place| image[[c, y, place]]) / sum(&|_| 1.0)
    })
}

#[test]
fn images_are_scaled_as_by_torchvision() {
    let image = Array3::from_shape_fn((3, 9, 14), |(c, y, x)| ((c * 126 + y * 14 + x) as f32 * 0.7).sin().abs());
    for size in [[9, 14], [5, 7], [3, 20], [30, 4], [1, 1], [18, 28]] {
        let turned = |image: Array3<f32>| image.permuted_axes([0, 2, 1]).as_standard_layout().into_owned();
        let expected = turned(scaled_rows(&turned(scaled_rows(&image, size[1])), size[0]));
        for image in [image.clone(), turned(image.clone()).permuted_axes([0, 2, 1])] {
            let found = resize(&image, size);
            assert_eq!(found.dim(), (3, size[0], size[1]));
            let apart = (&found - &expected).mapv(f32::abs).into_iter().fold(0.0, f32::max);
            // Sums of up to 30 products of numbers up to 1.
            assert!(apart < 1e-5, "{apart} for {size:?}");
        }
    }
    assert_eq!(resize(&Array3::zeros((3, 0, 2)), [2, 2]), Array3::<f32>::zeros((3, 2, 2)));
    assert_eq!(resize(&image, [0, 2]).dim(), (3, 0, 2));
}

fn gray(value: u8, width: u32) -> ImageBuffer<Luma<u8>, Vec<u8>> {
    ImageBuffer::from_pixel(width, 4, Luma([value]))
}

#[test]
fn a_folder_of_images_is_a_source() {
    let folder = Folder::new("classes");
    fs::create_dir_all(folder.path("dogs/small")).unwrap();
    fs::create_dir_all(folder.path("cats")).unwrap();
    folder.file("cats/b.png", &encoded(gray(51, 4), ImageFormat::Png));
    folder.file("cats/a.PNG", &encoded(gray(0, 6), ImageFormat::Png));
    folder.file("cats/notes.txt", b"no image");
    folder.file("dogs/small/c.jpeg", &encoded(gray(102, 4), ImageFormat::Jpeg));
    folder.file("dogs/z.jpg", &encoded(gray(255, 5), ImageFormat::Jpeg));
    folder.file("beside.png", b"no image");
    #[cfg(unix)]
    std::os::unix::fs::symlink(&folder.0, folder.path("dogs/small/round")).unwrap();

    let images = ImageFolder::new(&folder.0).unwrap().channels(Channels::Gray);
    assert_eq!(images.classes(), ["cats", "dogs"]);
    let names: Vec<_> = images.files().iter().map(|(path, label)| (path.file_name().unwrap(), *label)).collect();
    let expected = [("a.PNG", 0), ("b.png", 0), ("c.jpeg", 1), ("z.jpg", 1)];
    assert_eq!(names, expected.map(|(name, label)| (name.as_ref(), label)));
    assert_eq!(images.sample(0).unwrap(), (Array3::zeros((1, 4, 6)), 0));
    assert!(matches!(images.sample(4), Err(DataError::NoSample { index: 4, count: 4 })));

    for workers in [0, 2] {
        let loader = Loader::new(images.clone().resize([4, 4])).batch(4).workers(workers);
        let (x, y) = loader.epoch(0).next().unwrap().unwrap();
        assert_eq!((x.dim(), y.to_vec()), ((4, 1, 4, 4), vec![0, 0, 1, 1]));
        for (image, value) in x.outer_iter().zip([0.0, 0.2, 0.4, 1.0]) {
            assert!(image.iter().all(|found: &f32| (found - value).abs() < 0.01));
        }
    }
    let error = Loader::new(images.clone()).batch(4).epoch(0).next().unwrap().unwrap_err().to_string();
    assert!(error.starts_with("sample 1: it has the shape [1, 4, 4] (target []), but the first"), "{error}");

    // A damaged file is named; targets are known without it.
    folder.file("dogs/z.jpg", b"damaged");
    assert_eq!((images.target(3).unwrap(), images.clone().stratified_split([2, 2], 0).unwrap()[0].len()), (1, 2));
    let text = Loader::new(images.resize([2, 2])).batch(4).epoch(0).next().unwrap().unwrap_err().to_string();
    assert!(text.starts_with("sample 3: ") && text.contains("z.jpg is no PNG or JPEG file: "), "{text}");
}

#[path = "../book/images.rs"]
mod of_the_book;

#[test]
fn pictures_are_read_as_the_book_reads_them() {
    let folder = Folder::new("pictures");
    for class in ["cat", "dog"] {
        fs::create_dir_all(folder.path(class)).unwrap();
        for number in 0..5 {
            folder.file(&format!("{class}/{number}.png"), &encoded(gray(51 * number as u8, 4), ImageFormat::Png));
        }
    }
    assert_eq!(of_the_book::pictures(&folder.0).unwrap(), [8, 2]);
}

#[test]
fn folders_without_images_are_errors() {
    let folder = Folder::new("empty classes");
    let check = |expected: &str| {
        let text = ImageFolder::new(folder.path("root")).unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    };
    check("cannot read ");
    fs::create_dir_all(folder.path("root")).unwrap();
    folder.file("root/a.png", b"");
    check("root has no folders in it: expected one for each class, with its images");
    fs::create_dir_all(folder.path("root/cats")).unwrap();
    folder.file("root/cats/a.gif", b"");
    check("cats has no images in it: expected files whose names end as .png, .jpg or .jpeg");
}
