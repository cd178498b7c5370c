//! Reading files of arrays, tables and images, right and wrong, splitting and batching data sets, padding and grouping
//! sequences; in `data/`: sources, loaders, augmentation, too.

#[path = "data/arrays.rs"]
mod arrays;
#[path = "data/augment.rs"]
mod augment;
#[path = "common/folder.rs"]
mod folder;
#[path = "../fuzz/entries/files.rs"]
mod fuzzed;
#[cfg(feature = "images")]
#[path = "data/images.rs"]
mod images;
#[path = "data/loader.rs"]
mod loader;
#[path = "common/mutants.rs"]
mod mutants;
#[cfg(feature = "parquet")]
#[path = "data/parquet.rs"]
mod parquet_files;
#[path = "data/sources.rs"]
mod sources;
#[path = "data/tables.rs"]
mod tables;

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use kiln::data::{BucketBatch, Buckets, DataError, Dataset, Idx, IdxValues, length_mask, pad_sequence, read_idx};
use ndarray::{Array1, Array2, Array3, ArrayD, Axis, array, s};

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
fn a_part_has_a_fraction_of_the_samples() {
    let data = counted(10);
    for fraction in [-1.0, 1.5, f64::NAN, f64::INFINITY] {
        let panic = std::panic::catch_unwind(|| data.split(fraction, 1)).unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        assert!(text.starts_with(&format!("the first part has {fraction} of the samples")), "{text}");
    }
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
fn sequences_are_padded_behind_their_ends() {
    let lengths = [3, 1, 0, 5];
    let value = |step: usize, feature: usize| (10 * step + feature + 1) as f32;
    let sequences: Vec<Array2<f32>> =
        lengths.iter().map(|&length| Array2::from_shape_fn((length, 2), |(t, f)| value(t, f))).collect();
    for (asked, length) in [(None, 5), (Some(5), 5), (Some(8), 8)] {
        let padded = pad_sequence(&sequences, asked, -1.0).unwrap();
        let mask = length_mask(&lengths, length);
        assert_eq!((padded.dim(), mask.dim()), ((4, length, 2), (4, length)));
        for ((row, step, feature), &found) in padded.indexed_iter() {
            let real = step < lengths[row];
            assert_eq!(found, if real { value(step, feature) } else { -1.0 }, "{row} {step} {feature}");
            assert_eq!(mask[[row, step]], if real { 1.0 } else { 0.0 });
        }
    }
    // Whole numbers, some of the sequences, in another order in memory, any number of axes.
    let words = [array![1i32, 2, 3], array![4, 5], array![6]];
    assert_eq!(pad_sequence([2, 0].map(|at| &words[at]), 4, 0).unwrap(), array![[6, 0, 0, 0], [1, 2, 3, 0]]);
    let turned = sequences[0].t().as_standard_layout().into_owned().reversed_axes();
    assert_eq!(pad_sequence([&turned], 3, 0.0).unwrap().slice(s![0, .., ..]), sequences[0]);
    assert_eq!(pad_sequence([&turned.into_dyn()], None, 0.0).unwrap().shape(), [1, 3, 2]);
}

/// Two lengths of one model, as `examples/series.rs` has them: what is read at the last real step, or of real steps alone.
mod padded {
    use kiln::prelude::*;

    model! {
        pub struct Lengths {
            gru: GRU(2, 4, batch_first = true),
        }

        fn read(x, last, mask) {
            let (held, _) = gru(x);
            let mean = (held * mask.unsqueeze(2)).sum(dim = 1) / mask.sum(dim = 1, keepdim = true);
            (held.gather(1, last.unsqueeze(1).unsqueeze(2).expand([-1, 1, 4])).squeeze(1), mean)
        }

        eval read_3(x: [N, 3, 2], last: [N; i32], mask: [N, 3]) -> (end, mean) {
            let (end, mean) = read(x, last, mask);
        }

        eval read_7(x: [N, 7, 2], last: [N; i32], mask: [N, 7]) -> (end, mean) {
            let (end, mean) = read(x, last, mask);
        }
    }
}

#[test]
fn what_is_read_before_the_padding_does_not_depend_on_it() {
    use kiln::Steps;

    let lengths = [3, 1, 2];
    let sequences =
        lengths.map(|length| Array2::from_shape_fn((length, 2), |(t, f)| (t * 3 + f + length) as f32 / 9.0));
    let last = Array1::from_iter(lengths.map(|length| length as i32 - 1));
    let mut model = padded::Lengths::init(5).trainer().batch(3).threads(1).build().unwrap();
    let x = |length, value| pad_sequence(&sequences, length, value).unwrap();
    let expected = model.read_3(&x(3, 0.0), &last, &length_mask(&lengths, 3)).unwrap();
    for value in [0.0, -4.0, 1e6] {
        let found = model.read_7(&x(7, value), &last, &length_mask(&lengths, 7)).unwrap();
        for (found, expected) in [(found.0, &expected.0), (found.1, &expected.1)] {
            // The sums of the products are of equal terms; their order may follow the length.
            let apart = (&found - expected).mapv(f32::abs).into_iter().fold(0.0, f32::max);
            assert!(apart < 1e-6, "{found} {expected}");
        }
    }
}

#[test]
fn sequences_that_can_not_be_padded_are_told() {
    let check = |shapes: &[&[usize]], length: Option<usize>, expected: &str| {
        let sequences: Vec<ArrayD<f32>> = shapes.iter().map(|&shape| ArrayD::zeros(shape)).collect();
        assert_eq!(pad_sequence(&sequences, length, 0.0).unwrap_err().to_string(), expected);
    };
    check(&[], Some(3), "there is no sequence to pad: at least one tells what a step is");
    check(&[&[2, 3], &[]], None, "an array without axes holds no samples: the first axis is theirs");
    let unlike = "the steps of sequence 1 have the shape [4], those of sequence 0 [3]: steps are alike";
    check(&[&[2, 3], &[2, 4]], None, unlike);
    let long = "sequence 1 has 5 steps, but at most 4 are asked for: cut it, or allow more";
    check(&[&[2, 3], &[5, 3]], Some(4), long);
    assert_eq!(Buckets::new(&[4, 5], &[4, 2]).unwrap_err().to_string(), long);
    assert!(matches!(Buckets::new(&[1], &[]), Err(DataError::TooLong { position: 0, found: 1, longest: 0 })));
}

/// Each sequence is in one batch, padded to the smallest bound that it fits; batches differ from epoch to epoch.
#[test]
fn sequences_of_similar_lengths_make_batches() {
    let lengths: Vec<usize> = (0..103).map(|place| 1 + (place * 37) % 50).collect();
    let bounds = [50, 8, 20];
    let smallest = |length: usize| bounds.into_iter().filter(|&bound| bound >= length).min().unwrap();
    let multiple = |length: usize| length.div_ceil(16) * 16;
    let check = |buckets: &Buckets, bound: &dyn Fn(usize) -> usize| {
        let mut expected: Vec<usize> = lengths.iter().map(|&length| bound(length)).collect();
        expected.sort_unstable();
        let whole: usize = expected.chunk_by(|a, b| a == b).map(|group| group.len() / 10).sum();
        expected.dedup();
        assert_eq!(buckets.lengths().collect::<Vec<_>>(), expected);
        let epochs: Vec<Vec<BucketBatch>> = vec![
            buckets.batches(10).collect(),
            buckets.shuffled_batches(10, 1).collect(),
            buckets.shuffled_batches(10, 2).collect(),
        ];
        for batches in &epochs {
            let mut seen: Vec<usize> = Vec::new();
            for BucketBatch { length, positions } in batches {
                assert!((1..=10).contains(&positions.len()));
                assert!(positions.iter().all(|&position| bound(lengths[position]) == *length));
                seen.extend(positions);
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
        }
        assert!(epochs[0] != epochs[1] && epochs[1] != epochs[2]);
        assert_eq!(buckets.shuffled_batches(10, 1).collect::<Vec<_>>(), epochs[1]);
        let whole_batches = buckets.shuffled_batches(10, 3).drop_last();
        assert_eq!(whole_batches.len(), whole);
        assert!(whole_batches.into_iter().all(|batch| batch.positions.len() == 10));
    };
    check(&Buckets::new(&lengths, &bounds).unwrap(), &smallest);
    check(&Buckets::of_multiples(&lengths, 16), &multiple);
    assert_eq!(Buckets::new(&[], &[4]).unwrap().batches(3).len(), 0);
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

/// A bounded run of the fuzz targets that read arrays, tables and images.
#[test]
fn files_near_whole_ones_are_read_or_refused() {
    let folder = Folder::new("mutants");
    let check = |seeds: &[&str], entry: fn(&Path)| {
        mutants::check(&mutants::seeds(seeds), 300, |bytes| entry(&folder.file("file", bytes)));
    };
    check(&["fuzz/seeds/npy"], fuzzed::npy);
    check(&["fuzz/seeds/npz", "tests/data"], fuzzed::npz);
    check(&["fuzz/seeds/idx"], fuzzed::idx);
    check(&["fuzz/seeds/csv"], fuzzed::csv);
    #[cfg(feature = "images")]
    check(&["fuzz/seeds/image"], fuzzed::image);
}
