//! What is done with a file of any bytes, by each reader: it ends in an error of one short line, or in what can be written and
//! read again. It does not know where the bytes come from. Fuzz targets and tests call it.
#![allow(dead_code)]

use std::fmt::Display;
use std::fs;
use std::path::Path;

use kiln::data::{CsvOptions, F16, Npz, Number, read_idx, read_npy, write_npy};
use kiln::prelude::*;
use kiln::weights::WeightsFile;

model! {
    struct Net {
        fc: Linear(3, 1),
        bn: BatchNorm1d(1),
    }

    fn forward(x: [N, 3]) -> [N, 1] {
        bn(fc(x))
    }
}

/// That an error is told on one line that is not long.
fn told(path: &Path, error: &dyn Display) {
    let text = error.to_string().replace(&path.display().to_string(), "FILE");
    assert!(text.len() < 4000 && !text.contains('\n'), "{text:?}");
}

/// Weights of any format, strictly and into whatever they fit.
pub fn weights(path: &Path) {
    let mut net = Net::init(1);
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    for options in [
        LoadOptions::new(),
        LoadOptions::new().strict(false),
        LoadOptions::new().prefix("fc."),
        LoadOptions::new().strict(false).rename(move |name| format!("fc.{}", last(name))),
        LoadOptions::new().strict(false).rename(|_| "fc.weight".to_owned()),
        LoadOptions::new().strict(false).rename(|_| "bn.num_batches_tracked".to_owned()),
    ] {
        match net.load_with(path, options) {
            // What was loaded is saved and comes back.
            Ok(_) => {
                let again = path.with_extension("again");
                net.save(&again).unwrap();
                Net::init(2).load(&again).unwrap();
                let _ = fs::remove_file(&again);
            }
            Err(error) => told(path, &error),
        }
    }
    match WeightsFile::open(path) {
        Ok(file) => file.names().for_each(|name| match file.read(name) {
            Ok(stored) => assert_eq!(Some(stored.shape()), file.shape(name)),
            Err(error) => told(path, &error),
        }),
        Err(error) => told(path, &error),
    }
}

/// The bytes as the pickle of a file of PyTorch's that is whole otherwise, with two storages.
pub fn pickle(path: &Path) {
    let pickle = fs::read(path).unwrap();
    let storage = [0x3f; 64];
    let mut bytes = Vec::new();
    let mut zip = rawzip::ZipArchiveWriter::new(&mut bytes);
    for (name, contents) in [("a/data.pkl", &pickle[..]), ("a/data/0", &storage), ("a/data/1", &storage[..24])] {
        let (mut entry, config) = zip.new_file(name).start().unwrap();
        let mut writer = config.wrap(&mut entry);
        std::io::Write::write_all(&mut writer, contents).unwrap();
        let (_, descriptor) = writer.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    zip.finish().unwrap();
    let whole = path.with_extension("pt");
    fs::write(&whole, bytes).unwrap();
    weights(&whole);
    fs::remove_file(whole).unwrap();
}

/// An array, as numbers of all kinds.
pub fn npy(path: &Path) {
    fn read<T: Number>(path: &Path) {
        match read_npy::<T>(path) {
            Ok(array) => {
                let again = path.with_extension("again");
                write_npy(&again, &array).unwrap();
                let written = fs::read(&again).unwrap();
                write_npy(&again, &read_npy::<T>(&again).unwrap()).unwrap();
                assert!(fs::read(&again).unwrap() == written);
                fs::remove_file(again).unwrap();
            }
            Err(error) => told(path, &error),
        }
    }
    read::<f32>(path);
    read::<i64>(path);
    read::<bool>(path);
    read::<F16>(path);
}

/// An archive of arrays.
pub fn npz(path: &Path) {
    match Npz::open(path) {
        Ok(file) => {
            for name in file.names() {
                let results = [file.read::<f32>(name).map(|_| ()), file.read::<u8>(name).map(|_| ())];
                results.iter().filter_map(|result| result.as_ref().err()).for_each(|error| told(path, error));
            }
        }
        Err(error) => told(path, &error),
    }
}

/// An array in the format of MNIST, and as images and labels.
pub fn idx(path: &Path) {
    if let Err(error) = read_idx(path) {
        told(path, &error);
    }
    if let Err(error) = Dataset::from_idx(path, path) {
        told(path, &error);
    }
}

/// A table.
pub fn csv(path: &Path) {
    for options in [CsvOptions::new(), CsvOptions::new().header(false).delimiter(b';').missing(f64::NAN)] {
        match options.read(path) {
            Ok(table) => {
                let numbers = table.columns::<f32>(table.names());
                if let Ok(numbers) = &numbers {
                    assert_eq!(numbers.dim(), (table.len(), table.names().len()));
                }
                let errors = numbers.err().into_iter().chain(table.column::<i8>("x").err());
                errors.chain(table.classes("x").err()).for_each(|error| told(path, &error));
            }
            Err(error) => told(path, &error),
        }
    }
}

/// An image.
#[cfg(feature = "images")]
pub fn image(path: &Path) {
    use kiln::data::{Channels, read_image};

    for (channels, count) in [(Channels::Gray, 1), (Channels::Rgb, 3), (Channels::Rgba, 4)] {
        match read_image(path, channels) {
            Ok(image) => {
                assert_eq!(image.dim().0, count);
                assert!(image.iter().all(|value| (0.0..=1.0).contains(value)));
            }
            Err(error) => told(path, &error),
        }
    }
}
