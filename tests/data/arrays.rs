//! Arrays of NumPy's, read and written: `.npy` and `.npz`. `types.npz` was made by `make.py`.

use std::fmt::Debug;
use std::path::Path;

use kiln::data::{DataError, F16, Npz, NpzWriter, Number, read_npy, write_npy};
use ndarray::{Array0, Array2, ArrayD, IxDyn, array};

use crate::folder::Folder;

fn types() -> Npz {
    Npz::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/types.npz")).unwrap()
}

/// The error's text without the file.
fn told(error: DataError) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n') && text.len() < 600, "{text}");
    text.split_once("types.npz").map_or(text.clone(), |(_, rest)| rest.to_owned())
}

#[test]
fn all_types_and_orders_become_the_one_asked_for() {
    let file = types();
    for kind in ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"] {
        for order in ["little", "big"] {
            let name = format!("{kind}_{order}");
            let expected = array![[0, 1, 100], [7, 1, 3]].into_dyn();
            assert_eq!(file.read::<f32>(&name).unwrap(), expected.mapv(|number| number as f32), "{name}");
            assert_eq!(file.read::<f64>(&name).unwrap(), expected.mapv(f64::from), "{name}");
            assert_eq!(file.read::<i8>(&name).unwrap(), expected.mapv(|number| number as i8), "{name}");
            assert_eq!(file.read::<u64>(&name).unwrap(), expected.mapv(|number| number as u64), "{name}");
            assert_eq!(
                file.read::<F16>(&name).unwrap(),
                expected.mapv(|number| F16::from(f64::from(number))),
                "{name}"
            );
            let expected = format!(": the number at [0, 2] of {name} is 100, which is no bool");
            assert_eq!(told(file.read::<bool>(&name).unwrap_err()), expected);
        }
    }
    for name in ["b1_little", "b1_big"] {
        assert_eq!(file.read::<bool>(name).unwrap(), array![[false, true, true], [true, true, true]].into_dyn());
        assert_eq!(file.read::<f32>(name).unwrap(), array![[0.0, 1.0, 1.0], [1.0, 1.0, 1.0]].into_dyn());
    }
    assert_eq!(file.read::<f32>("fortran").unwrap(), array![[0.0, 1.0, 100.0], [7.0, 1.0, 3.0]].into_dyn());
    assert_eq!(file.read::<f32>("scalar").unwrap(), Array0::from_elem((), 2.5).into_dyn());
    assert_eq!(file.read::<i32>("empty").unwrap(), Array2::<i32>::zeros((0, 3)).into_dyn());
}

#[test]
fn what_can_not_be_read_is_told() {
    let file = types();
    let check = |name: &str, expected: &str| {
        assert_eq!(told(file.read::<i32>(name).unwrap_err()), format!(" is no .npz file: {name}: {expected}"));
    };
    let types = "expected one of f2, f4, f8, i1, i2, i4, i8, u1, u2, u4, u8, b1: convert it with `.astype`";
    check("complex", &format!("its elements are of type <c16, {types}"));
    check("text", &format!("its elements are of type <U1, {types}"));
    check("record", "it holds records of several fields: save each field as an array of its own");
    check("object", "it holds Python's objects, which only Python reads");
    let expected = ": the number at [] of scalar is 2.5, which is no i32";
    assert_eq!(told(file.read::<i32>("scalar").unwrap_err()), expected);
    let error = file.read::<f32>("x").unwrap_err();
    assert!(matches!(&error, DataError::NoArray { names, .. } if names.len() == 31), "{error}");
    assert!(told(error).starts_with(" has no array x: it holds b1_big, b1_little, complex, empty, "));
}

/// An array comes back as it was, from `.npy`, and from `.npz` stored and compressed.
#[test]
fn what_is_written_is_read_bit_by_bit() {
    fn check<T: Number + PartialEq + Debug + Copy>(folder: &Folder, numbers: [T; 6]) {
        for shape in [vec![6], vec![2, 3], vec![1, 3, 1, 2, 1]] {
            let array = ArrayD::from_shape_vec(IxDyn(&shape), numbers.to_vec()).unwrap();
            let path = folder.path("a.npy");
            write_npy(&path, &array).unwrap();
            assert_eq!(read_npy::<T>(&path).unwrap(), array);
            // A view in another order is written as it is seen.
            write_npy(&path, &array.t()).unwrap();
            assert_eq!(read_npy::<T>(&path).unwrap(), array.t());
            for compressed in [false, true] {
                let path = folder.path("a.npz");
                let writer = NpzWriter::new().array("x", &array.t()).array("größe/y", &array).compressed(compressed);
                writer.array("x", &array).write(&path).unwrap();
                let file = Npz::open(&path).unwrap();
                assert_eq!(file.names().collect::<Vec<_>>(), ["größe/y", "x"]);
                assert_eq!(file.read::<T>("x").unwrap(), array);
                assert_eq!(file.read::<T>("größe/y").unwrap(), array);
            }
        }
    }
    let folder = Folder::new("written");
    check(&folder, [0.1_f32, -0.0, f32::MIN_POSITIVE, f32::MAX, f32::INFINITY, 1e-45]);
    check(&folder, [0.1, -0.0, f64::MIN_POSITIVE, f64::MAX, f64::INFINITY, 5e-324]);
    check(&folder, [1, 2, 3, 4, 0x7c00, 0x8000].map(F16::from_bits));
    check(&folder, [i8::MIN, -1, 0, 1, 2, i8::MAX]);
    check(&folder, [i16::MIN, -1, 0, 1, 2, i16::MAX]);
    check(&folder, [i32::MIN, -1, 0, 1, 2, i32::MAX]);
    check(&folder, [i64::MIN, -1, 0, 1, (1 << 53) + 1, i64::MAX]);
    check(&folder, [0, 1, 2, 3, 4, u8::MAX]);
    check(&folder, [0, 1, 2, 3, 4, u16::MAX]);
    check(&folder, [0, 1, 2, 3, 4, u32::MAX]);
    check(&folder, [0, 1, 2, 3, 4, u64::MAX]);
    check(&folder, [true, false, false, true, true, false]);
    let path = folder.path("scalar.npy");
    write_npy(&path, &Array0::from_elem((), 3_i32)).unwrap();
    assert_eq!(read_npy::<i32>(&path).unwrap(), Array0::from_elem((), 3).into_dyn());
    assert!(matches!(write_npy(folder.path("no/such.npy"), &array![1.0]), Err(DataError::Write { .. })));
}

#[test]
fn headers_of_all_versions_are_read_and_bad_ones_refused() {
    let folder = Folder::new("headers");
    let file = |version: &[u8], header: &str, data: &[u8]| {
        let length = header.len() as u32;
        let length =
            if version[0] == 1 { (length as u16).to_le_bytes().to_vec() } else { length.to_le_bytes().to_vec() };
        [b"\x93NUMPY", version, &length[..], header.as_bytes(), data].concat()
    };
    let good = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1), }   \n";
    for version in [[1, 0], [2, 0], [3, 0]] {
        let path = folder.file("a.npy", &file(&version, good, &[1, 2]));
        assert_eq!(read_npy::<f32>(&path).unwrap(), array![[1.0], [2.0]].into_dyn());
    }
    for header in [
        "{\"shape\":(2L,1L),\"fortran_order\":True,\"descr\":\"u1\"}",
        "{'descr':'|u1','fortran_order':False,'shape':(2 , 1)}",
    ] {
        let path = folder.file("a.npy", &file(&[1, 0], header, &[1, 2]));
        assert_eq!(read_npy::<f32>(&path).unwrap(), array![[1.0], [2.0]].into_dyn());
    }
    let check = |bytes: &[u8], expected: &str| {
        let path = folder.file("a.npy", bytes);
        let text = told(read_npy::<f32>(&path).unwrap_err());
        let text = text.split_once("is no .npy file: ").map_or("", |(_, rest)| rest);
        assert_eq!(text, expected);
    };
    let refused = |header: &str, expected: &str| check(&file(&[1, 0], header, &[1, 2]), expected);
    let whole = file(&[1, 0], good, &[1, 2]);
    for length in 0..whole.len() {
        let path = folder.file("a.npy", &whole[..length]);
        let text = told(read_npy::<f32>(&path).unwrap_err());
        assert!(text.ends_with(": is the download complete?"), "{text}");
    }
    check(
        &[&whole[..], &[3]].concat(),
        "it has 3 bytes of data, expected 2 for the shape [2, 1]: is the download complete?",
    );
    check(b"PK\x03\x04", "it begins with [50, 4b, 03, 04], not with [93, 4e, 55, 4d, 50, 59]");
    check(&file(&[4, 0], good, &[1, 2]), "it is of version 4, expected 1 to 3");
    check(&file(&[2, 0], &" ".repeat(10_001), &[]), "its header is said to have 10001 bytes, more than 10000");
    refused("{}", "its header lacks descr");
    refused("{'descr': '<f4'}", "its header lacks fortran_order");
    refused("{'descr': '<f4', 'fortran_order': False}", "its header lacks shape");
    refused("{'x': 1}", "its header has an unknown key x");
    refused("{'shape': (1 2)}", "its header has 2)} where ) is expected");
    refused("{'shape': (-1,)}", "its header has -1,)} where an extent is expected");
    refused(&format!("{{'shape': ({})}}", "1,".repeat(65)), "it has more than 64 axes");
    refused("{'fortran_order': 1}", "its header has 1} where False is expected");
    let large = "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}";
    refused(
        large,
        "it has 2 bytes of data, expected more than 2^64 for the shape [4294967296, 4294967296]: is the download complete?",
    );
    refused("{'descr': '|u1', 'fortran_order': False, 'shape': (2,)} x", "its header goes on with x");
    // An array of no element may have any extents, but no more than memory can number.
    let none = "{'descr': '|u1', 'fortran_order': False, 'shape': (0, 18446744073709551615, 18446744073709551615)}";
    check(
        &file(&[1, 0], none, &[]),
        "a tensor of shape [0, 18446744073709551615, 18446744073709551615] is beyond all memory",
    );
}

#[test]
fn entries_that_lie_over_each_other_or_are_packed_otherwise_are_refused() {
    let folder = Folder::new("archives");
    let path = folder.path("a.npz");
    NpzWriter::new()
        .array("x", &Array2::<f32>::zeros((64, 64)))
        .array("y", &array![1.0_f32])
        .compressed(true)
        .write(&path)
        .unwrap();
    let whole = std::fs::read(&path).unwrap();
    let check = |bytes: &[u8], expected: &str| {
        let opened = Npz::open(folder.file("b.npz", bytes));
        let result = opened.and_then(|file| file.read::<f32>("x"));
        let text = result.unwrap_err().to_string();
        assert!(text.contains(expected), "{text}, expected {expected}");
    };
    // The first entry of the directory: the method at 10, the sum of check at 16, lengths at 20 and 24, the place at 42.
    let directory = whole.windows(4).position(|word| word == b"PK\x01\x02").unwrap();
    let changed = |at: usize, bytes: &[u8]| {
        let mut file = whole.clone();
        file[directory + at..][..bytes.len()].copy_from_slice(bytes);
        file
    };
    check(&changed(10, &[12]), "is packed by the method 12 (BZIP2), expected stored or deflated ones: pack it again");
    check(&changed(16, &[1, 2, 3, 4]), "its sum of check is ");
    check(&changed(24, &[9, 0, 0, 0]), "there are more than the 9 bytes announced");
    check(&changed(24, &[0, 0, 0, 0x10]), "there are fewer than the 268435456 bytes announced");
    check(&changed(20, &[0, 0, 0, 0x10]), "lies beyond its end");
    check(&changed(42, &[0, 0, 0, 0x10]), "lies beyond its end");
    check(&changed(8, &[1]), "is encrypted");
    check(&whole[..whole.len() - 1], "the directory at the end of the zip archive is missing or damaged");
}
