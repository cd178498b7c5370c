//! Files that announce much or hold little: readers take memory in proportion to what is there.

use std::path::Path;

use kiln::data::{Npz, NpzWriter, read_csv, read_idx, read_npy};
use kiln::prelude::*;
use ndarray::Array2;

use super::peak;
use crate::folder::Folder;

model! {
    struct One { fc: Linear(3, 1, bias = false) }

    fn forward(x: [N, 3]) -> [N, 1] {
        fc(x)
    }
}

/// A pickle in an old file of PyTorch's, with one storage of eight floats.
fn old_file(object: &[u8]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02";
    let storage = [&b"\x80\x02]X\x01\0\0\x000a."[..], &8_u64.to_le_bytes(), &[0; 32]].concat();
    [magic, object, &storage].concat()
}

/// A dictionary with a tensor `weight` of this shape and these strides, over eight floats.
fn tensor(shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let start = b"}X\x06\0\0\0weightctorch._utils\n_rebuild_tensor_v2\n(";
    let storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x08tQK\0";
    old_file(&[&start[..], storage, shape, strides, b"tRs."].concat())
}

/// Reads files, each of which may take so many times its size, and what a decoder and messages take.
pub fn check() {
    let folder = Folder::new("memory");
    let check = |name: &str, times: usize, bytes: &[u8], read: &dyn Fn(&Path)| {
        let path = folder.file("file", bytes);
        let found = peak(|| read(&path));
        let most = times * bytes.len() + (128 << 10);
        assert!(found <= most, "{name}: a file of {} bytes takes {found}, more than {most}", bytes.len());
    };
    let weights = |path: &Path| {
        let mut net = One::init(1);
        let _ = net.fc.load_with(path, LoadOptions::new().rename(|_| "weight".to_owned()));
        let _ = net.fc.load(path);
    };
    let npy = |path: &Path| drop(read_npy::<f64>(path));
    let npz = |path: &Path| drop(Npz::open(path).and_then(|file| file.read::<f32>("x")));
    let idx = |path: &Path| drop(read_idx(path));
    let csv = |path: &Path| drop(read_csv(path).map(|table| table.columns::<f32>(table.names())));

    // What a header announces and the file does not have.
    let header = |shape: &str| format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({shape})}}");
    let file =
        |header: &str| [b"\x93NUMPY\x02\0", &(header.len() as u32).to_le_bytes()[..], header.as_bytes()].concat();
    check("a header of NumPy's", 10, &file(&header("1099511627776,")), &npy);
    check("a long header of NumPy's", 10, b"\x93NUMPY\x02\0\xff\xff\xff\xff", &npy);
    check("a header of IDX", 10, &[0, 0, 8, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &idx);
    check("a long header of safetensors", 10, b"\0\xe0\xf5\x05\0\0\0\0{", &weights);
    let announced = br#"{"weight":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}"#;
    check("a header of safetensors", 30, &[&(announced.len() as u64).to_le_bytes(), &announced[..]].concat(), &weights);

    // Tensors that are larger than their storages, by strides of 0.
    let huge = b"\x8a\x08\0\0\0\0\0\x01\0\0K\x03\x86";
    check("an expanded tensor", 100, &tensor(huge, b"K\0K\0\x86"), &weights);
    check("a tensor beyond its storage", 100, &tensor(huge, b"K\x03K\x01\x86"), &weights);

    // What is decompressed: at most 1032 times as much, and no more than announced.
    let path = folder.path("zeros.npz");
    NpzWriter::new().array("x", &Array2::<u8>::zeros((1000, 1000))).compressed(true).write(&path).unwrap();
    let zeros = std::fs::read(&path).unwrap();
    assert!(zeros.len() < 2000);
    check("an array of zeros", 5 * 1032, &zeros, &npz);
    check("an array of zeros as weights", 1100, &zeros, &weights);
    let directory = zeros.windows(4).position(|word| word == b"PK\x01\x02").unwrap();
    for (announced, times) in [(100_u32, 10), (u32::MAX - 1, 1100)] {
        let mut changed = zeros.clone();
        changed[directory + 24..][..4].copy_from_slice(&announced.to_le_bytes());
        check("an entry of another length", times, &changed, &npz);
    }

    // Objects that hold each other, and many small ones.
    let lists = |count: usize| [vec![b']'; count], vec![b'a'; count - 1], vec![b'.']].concat();
    check("lists in lists", 250, &old_file(&lists(100_000)), &weights);
    let twice: Vec<u8> = (0..40).fold(b"]".to_vec(), |inner, _| [&b"("[..], &inner, b"2l"].concat());
    check("the same lists again and again", 250, &old_file(&[&twice[..], b"."].concat()), &weights);
    check("numbers", 250, &old_file(&[&b"("[..], &b"K\x01".repeat(50_000), b"t."].concat()), &weights);
    check("cells", 60, &b",".repeat(100_000), &csv);
    check("rows", 60, &b"1\n".repeat(50_000), &csv);
}
