//! Reading IDX files, right and wrong, and splitting and batching data sets.

#[path = "common/folder.rs"]
mod folder;

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use kiln::data::{DataError, Dataset, Idx, IdxValues, read_idx};
use ndarray::{Array1, Array2, Array3, ArrayD, Axis};

use folder::Folder;

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The bytes of an IDX file.
fn idx(kind: u8, shape: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, kind, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|extent| extent.to_be_bytes()));
    bytes.extend(data);
    bytes
}

#[test]
fn every_element_type_is_read_plain_and_gzipped() {
    let folder = Folder::new("types");
    let cases = [
        (0x08, vec![1, 255], IdxValues::U8(vec![1, 255])),
        (0x09, vec![1, 255], IdxValues::I8(vec![1, -1])),
        (0x0b, vec![1, 0, 255, 254], IdxValues::I16(vec![256, -2])),
        (0x0c, vec![0, 0, 1, 0, 255, 255, 255, 255], IdxValues::I32(vec![256, -1])),
        (0x0d, [1.5f32, -2.0].iter().flat_map(|v| v.to_be_bytes()).collect(), IdxValues::F32(vec![1.5, -2.0])),
        (0x0e, [1.5f64, -2.0].iter().flat_map(|v| v.to_be_bytes()).collect(), IdxValues::F64(vec![1.5, -2.0])),
    ];
    for (kind, data, values) in cases {
        let bytes = idx(kind, &[2, 1], &data);
        let expected = Idx { shape: vec![2, 1], values };
        assert_eq!(read_idx(folder.file("plain", &bytes)).unwrap(), expected);
        assert_eq!(read_idx(folder.file("zipped", &gzipped(&bytes))).unwrap(), expected);
    }
}

#[test]
fn bad_files_are_told_apart() {
    let folder = Folder::new("bad");
    let good = idx(0x08, &[3, 2], &[1, 2, 3, 4, 5, 6]);
    let zipped = gzipped(&good);
    let check = |bytes: &[u8], expected: &str| {
        let path = folder.file("file", bytes);
        let error = read_idx(&path).unwrap_err();
        assert_eq!(error.to_string().replace(&path.display().to_string(), "FILE"), expected, "{error:?}");
    };
    let no_idx = "expected 00 00, an element type (08, 09, 0b, 0c, 0d or 0e) and the number of axes";
    check(b"", "FILE is empty: is the download complete?");
    check(&gzipped(b""), "FILE is empty: is the download complete?");
    check(&[0, 0], &format!("FILE is no IDX file: it starts with [00, 00], {no_idx}"));
    check(b"\x89PNG\r\n", &format!("FILE is no IDX file: it starts with [89, 50, 4e, 47], {no_idx}"));
    check(&idx(0x07, &[1], &[0]), &format!("FILE is no IDX file: it starts with [00, 00, 07, 01], {no_idx}"));
    let hint = "is the download complete?";
    check(&good[..good.len() - 1], &format!("FILE holds 5 bytes of data, but its header announces 6 ([3, 2]): {hint}"));
    check(
        &[&good[..], &[7]].concat(),
        &format!("FILE holds 7 bytes of data, but its header announces 6 ([3, 2]): {hint}"),
    );
    for length in 4..12 {
        let found =
            format!("FILE is cut short in its header, which has 12 bytes for its 2 axes, but the file only {length}");
        check(&good[..length], &format!("{found}: {hint}"));
    }
    let extents = format!("{:?}", [u32::MAX; 3]);
    check(
        &idx(0x0e, &[u32::MAX; 3], &[0]),
        &format!("FILE holds 1 bytes of data, but its header announces more than 2^64 ({extents}): {hint}"),
    );
    let absurd = idx(0x0e, &[u32::MAX; 3], &[0]);
    assert!(matches!(
        read_idx(folder.file("file", &absurd)),
        Err(DataError::Length { expected: u64::MAX, found: 1, .. })
    ));
    assert!(matches!(read_idx(folder.file("file", &zipped[..zipped.len() - 9])), Err(DataError::Read { .. })));
    assert!(
        matches!(read_idx(folder.0.join("absent")), Err(DataError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound)
    );
}

#[test]
fn images_and_labels_make_a_data_set() {
    let folder = Folder::new("set");
    let images = folder.file("images.gz", &gzipped(&idx(0x08, &[2, 1, 2], &[0, 255, 51, 102])));
    let labels = folder.file("labels", &idx(0x08, &[2], &[7, 3]));
    let three = folder.file("three", &idx(0x08, &[3], &[7, 3, 1]));
    let data = Dataset::from_idx(&images, &labels).unwrap();
    assert_eq!(data.images().shape(), [2, 1, 1, 2]);
    assert_eq!(data.images().iter().copied().collect::<Vec<_>>(), [0.0, 1.0, 0.2, 0.4]);
    assert_eq!(data.labels().to_vec(), [7, 3]);

    let error = Dataset::from_idx(&images, &three).unwrap_err();
    assert!(matches!(error, DataError::CountsDiffer { images: 2, labels: 3 }), "{error}");
    let error = Dataset::from_idx(&labels, &labels).unwrap_err();
    assert!(error.to_string().ends_with("labels holds u8 [2], expected images: u8 [n, h, w]"), "{error}");
    let error = Dataset::from_idx(&images, &images).unwrap_err();
    assert!(error.to_string().ends_with("holds u8 [2, 1, 2], expected labels: u8 [n]"), "{error}");
}

/// MNIST comes under several names; each is found under each, and the error lists them.
#[test]
fn idx_files_are_found_under_all_their_names() {
    let bytes = [idx(0x08, &[2, 1, 2], &[0, 255, 51, 102]), idx(0x08, &[2], &[7, 3])];
    let names = |part: &str| {
        let plain = [format!("t10k-{part}-ubyte"), format!("t10k-{}-ubyte", part.replace("-idx", ".idx"))];
        plain.into_iter().flat_map(|name| [name.clone(), name + ".gz"]).collect::<Vec<String>>()
    };
    let (images, labels) = (names("images-idx3"), names("labels-idx1"));
    for (number, (there, label)) in images.iter().zip(&labels).enumerate() {
        let folder = Folder::new(&format!("names-{number}"));
        // Whether it is compressed is told from the contents, not from the name.
        let contents = |bytes: &[u8]| if number == 1 { gzipped(bytes) } else { bytes.to_vec() };
        folder.file(there, &contents(&bytes[0]));
        folder.file(label, &contents(&bytes[1]));
        for (image, label) in images.iter().zip(&labels) {
            let data = Dataset::from_idx(folder.0.join(image), folder.0.join(label)).unwrap();
            assert_eq!(data.labels().to_vec(), [7, 3]);
        }
        fs::remove_file(folder.0.join(label)).unwrap();
        let error = Dataset::from_idx(folder.0.join(&images[0]), folder.0.join(&labels[0])).unwrap_err();
        let text = error.to_string();
        assert!(labels.iter().all(|name| text.contains(name)), "{text}");
        assert!(
            matches!(error, DataError::NotFound { path, looked_for } if path == folder.0.join(&labels[0]) && looked_for.len() == 4)
        );
    }
}

/// Sample `i` is `[2 i, 2 i + 1]` with label `i`.
fn counted(count: usize) -> Dataset {
    let images = ArrayD::from_shape_fn(vec![count, 2], |index| (2 * index[0] + index[1]) as f32);
    Dataset::new(images, Array1::from_iter(0..count as i32)).unwrap()
}

/// The labels, after a check that each stands with its sample.
fn labels(data: &Dataset) -> Vec<i32> {
    for (image, &label) in data.images().outer_iter().zip(data.labels()) {
        assert_eq!(image.iter().copied().collect::<Vec<_>>(), [2.0 * label as f32, 2.0 * label as f32 + 1.0]);
    }
    data.labels().to_vec()
}

#[test]
fn a_split_is_a_partition_that_the_seed_decides() {
    let data = counted(101);
    let (first, second) = data.split(0.8, 5);
    assert_eq!((first.len(), second.len()), (81, 20));
    let mut all = [labels(&first), labels(&second)].concat();
    all.sort();
    assert_eq!(all, labels(&data));
    assert_eq!(data.split(0.8, 5).0, first);
    assert_ne!(data.split(0.8, 6).0, first);
    assert_eq!((data.split(0.0, 1).0.len(), data.split(1.0, 1).1.len()), (0, 0));

    let (first, rest) = data.split_at(3);
    assert_eq!(labels(&first), [0, 1, 2]);
    assert_eq!(labels(&rest)[0], 3);
    assert_eq!(data.split_at(1000).0, data);
}

#[test]
fn batches_hold_every_sample_once() {
    let data = counted(10);
    let collect = |batches: kiln::data::Batches<'_>| -> Vec<Vec<i32>> {
        let sets = batches.map(|(x, y)| Dataset::new(x.into_owned(), y.into_owned()).unwrap());
        sets.map(|set| labels(&set)).collect()
    };
    assert_eq!(collect(data.batches(4)), [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
    assert_eq!(collect(data.batches(100)).len(), 1);
    assert_eq!(data.batches(4).len(), 3);

    let shuffled = collect(data.batches(4).shuffled(1));
    assert_eq!(shuffled.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
    let mut all = shuffled.concat();
    assert_ne!(all, labels(&data));
    assert_eq!(shuffled, collect(data.batches(4).shuffled(1)));
    assert_ne!(shuffled, collect(data.batches(4).shuffled(2)));
    all.sort();
    assert_eq!(all, labels(&data));
    assert_eq!(counted(0).batches(4).count(), 0);
}

#[test]
fn batches_share_a_buffer_unless_they_are_kept() {
    let data = counted(12);
    let mut places = Vec::new();
    for (images, _) in data.batches(4) {
        places.push(images.as_ptr());
    }
    assert!(places.iter().all(|&place| place == places[0]));
    let kept: Vec<_> = data.batches(4).collect();
    assert_eq!(kept[0].1.to_vec(), [0, 1, 2, 3]);
    assert_eq!(kept[2].1.to_vec(), [8, 9, 10, 11]);
}

#[test]
fn the_last_batch_is_dropped_where_it_is_smaller() {
    for (count, size) in [(10, 4), (12, 4), (3, 4), (0, 4), (65, 64), (5, 1)] {
        let data = counted(count);
        for batches in [data.batches(size).drop_last(), data.batches(size).drop_last().shuffled(3)] {
            assert_eq!(batches.len(), count / size);
            let rows: Vec<usize> = batches.map(|(_, labels)| labels.len()).collect();
            assert_eq!(rows, vec![size; count / size], "{count} in batches of {size}");
        }
    }
}

/// Numbers of any shape as targets, integers of any type, several inputs: batches, shuffling, splitting.
#[test]
fn data_sets_hold_arrays_of_all_kinds() {
    let rows = 11;
    let x = Array2::from_shape_fn((rows, 3), |(row, column)| (row * 3 + column) as f32);
    let index = Array1::from_iter((0..rows).map(|row| row as i64));
    let flags = Array1::from_iter((0..rows).map(|row| row % 2 == 0));
    let y = Array3::from_shape_fn((rows, 1, 2), |(row, _, column)| (row * 2 + column) as f32);
    // In another order in memory.
    let y = y.clone().reversed_axes().as_standard_layout().into_owned().reversed_axes();
    assert!(!y.is_standard_layout());
    let data = Dataset::new((x.clone(), index.clone(), flags), y.clone()).unwrap();
    assert_eq!((data.len(), data.inputs().0.dim(), data.targets().dim()), (rows, (rows, 3), (rows, 1, 2)));
    let (first, second) = data.split(0.6, 1);
    let mut seen = Vec::new();
    for part in [&first, &second] {
        for ((x_batch, indices, flags), y_batch) in part.batches(4).shuffled(2) {
            for (place, &row) in indices.iter().enumerate() {
                let at = row as usize;
                assert_eq!(x_batch.row(place), x.row(at));
                assert_eq!(flags[place], row % 2 == 0);
                assert_eq!(y_batch.index_axis(Axis(0), place), y.index_axis(Axis(0), at));
                seen.push(row);
            }
        }
    }
    seen.sort();
    assert_eq!(seen, index.to_vec());

    let regression = Dataset::new(x.clone(), x.column(0).to_owned()).unwrap();
    assert_eq!(regression.batches(4).map(|(x, y)| (x.dim().0, y.len())).collect::<Vec<_>>(), [(4, 4), (4, 4), (3, 3)]);
    assert_eq!(regression.images().dim(), (rows, 3));
    assert_eq!(regression.labels().len(), rows);

    let short = Array1::<u8>::zeros(rows - 1);
    let error = Dataset::new((x.clone(), short.clone()), y).unwrap_err();
    assert!(matches!(error, DataError::CountsDiffer { images: 11, labels: 10 }), "{error}");
    assert!(matches!(Dataset::new(x.clone(), short), Err(DataError::CountsDiffer { .. })));
    let scalar = ArrayD::<f32>::zeros(vec![]);
    assert!(matches!(Dataset::new(scalar.clone(), Array1::<i32>::zeros(0)), Err(DataError::NoAxis)));
    assert!(matches!(Dataset::new(x, scalar), Err(DataError::NoAxis)));
}

#[test]
fn the_mnist_test_set_can_be_read_where_it_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/mnist");
    if !folder.exists() {
        return;
    }
    let images = folder.join("t10k-images-idx3-ubyte.gz");
    let data = Dataset::from_idx(images, folder.join("t10k-labels-idx1-ubyte.gz")).unwrap();
    assert_eq!(data.images().shape(), [10_000, 1, 28, 28]);
    assert_eq!(data.labels().to_vec()[..5], [7, 2, 1, 0, 4]);
}
