//! Files of weights looked at tensor by tensor, and written: every format, nothing read that is not asked for, the same bytes
//! for the same tensors.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path as FilePath, PathBuf};
use std::process::Command;

use kiln::data::F16;
use kiln::prelude::*;
use kiln::weights::{Element, Format, WeightsFile, WeightsWriter};
use ndarray::{Array1, Array2};

use crate::Small;
use crate::folder::Folder;

fn file(name: &str) -> PathBuf {
    FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoint/files").join(name)
}

/// The tensors of a file: name, element type, shape, numbers.
fn tensors(path: &FilePath) -> Vec<(String, Element, Vec<usize>, Vec<f64>)> {
    let file = WeightsFile::open(path).unwrap();
    let tensor = |name: &str| {
        let stored = file.read(name).unwrap();
        let mut numbers = Vec::new();
        stored.each(|some| numbers.extend(some)).unwrap();
        (name.to_owned(), stored.element(), stored.shape().to_vec(), numbers)
    };
    file.names().map(tensor).collect()
}

#[test]
fn files_of_every_format_are_looked_at() {
    let numbers = || vec![1.0, 0.0, 1.0];
    for (name, format, tensor, element) in [
        ("arrays.npz", Format::Npz, "weight", Element::F32),
        ("compressed.npz", Format::Npz, "weight", Element::F64),
        ("unchecked.pt", Format::PyTorch, "weight", Element::F32),
    ] {
        assert_eq!(WeightsFile::open(file(name)).unwrap().format(), format, "{name}");
        assert_eq!(tensors(&file(name)), [(tensor.to_owned(), element, vec![1, 3], numbers())], "{name}");
    }
    let of_training = tensors(&file("checkpoint.pt"));
    assert_eq!(of_training[2].3, [0.5, 1.5, 2.5, 3.5, 4.5, 5.5], "a view that is strided");
    for name in ["legacy.pt", "protocol5.pt", "legacy5.pt"] {
        assert_eq!(tensors(&file(name)), of_training, "{name}");
    }
    let types = WeightsFile::open(file("types.pt")).unwrap();
    let error = types.read("complex64.weight").unwrap().numbers::<f64>(0..3).unwrap_err().to_string();
    assert!(error.contains("complex64.weight has elements of type complex64, expected F64"), "{error}");
    assert_eq!(types.read("bool.weight").unwrap().numbers::<i64>(0..3).unwrap(), [1, 0, 1]);
    assert_eq!(types.read("bfloat16.weight").unwrap().to(Element::F16).unwrap().bytes(), [0, 0x3c, 0, 0, 0, 0x3c]);

    let folder = Folder::new("npy");
    let path = folder.path("one.npy");
    kiln::data::write_npy(&path, &ndarray::array![[1_i64 << 53, -2]]).unwrap();
    assert_eq!(tensors(&path), [("one".to_owned(), Element::I64, vec![1, 2], vec![9007199254740992.0, -2.0])]);
}

#[test]
fn the_same_state_is_the_same_bytes() {
    let folder = Folder::new("same");
    let (a, b) = (folder.path("a"), folder.path("b"));
    let net = Small::init(1);
    for path in [&a, &b] {
        net.save(path).unwrap();
    }
    let bytes = fs::read(&a).unwrap();
    assert_eq!(bytes, fs::read(&b).unwrap());
    let header = "{\"__metadata__\":{\"format\":\"pt\"},\"conv.bias\":";
    assert_eq!(str::from_utf8(&bytes[8..8 + header.len()]), Ok(header));

    // Of two processes, too: each has hash maps of its own order, and so has each map.
    let mut trainer = Trainer::new(Small::init(1), cross_entropy(), Adam::default()).batch(4).build().unwrap();
    let x = Array2::<f32>::ones((4, 36)).into_shape_with_order((4, 1, 6, 6)).unwrap();
    trainer.step(&x, &Array1::<i32>::zeros(4)).unwrap();
    for path in [&a, &b] {
        trainer.save(path).unwrap();
    }
    assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
    let file = WeightsFile::open(&a).unwrap();
    assert!(file.is_sealed() && file.names().all(|name| file.read(name).is_ok()));
    // Each tensor is held against its own sum of check.
    let mut damaged = fs::read(&a).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    let damaged = WeightsFile::open(folder.file("c", &damaged)).unwrap();
    let errors = damaged.names().filter_map(|name| damaged.read(name).err());
    assert_eq!(errors.filter(|error| matches!(error, CheckpointError::Damaged { .. })).count(), 1);
}

/// A file of 4 GiB of which nearly nothing lies on the disk: what reads more than it must is noticed.
#[test]
fn nothing_is_read_that_is_not_asked_for() {
    let folder = Folder::new("large");
    let large = 1_u64 << 32;
    let header = format!(
        "{{\"bias\":{{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[{large},{end}]}},\
         \"large\":{{\"dtype\":\"F32\",\"shape\":[32768,32768],\"data_offsets\":[0,{large}]}}}}",
        end = large + 8
    );
    let path = folder.path("large.safetensors");
    let mut file = File::create(&path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.seek(SeekFrom::Current(large as i64)).unwrap();
    file.write_all(&[0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]).unwrap();
    drop(file);

    let start = std::time::Instant::now();
    let weights = WeightsFile::open(&path).unwrap();
    assert_eq!(weights.shape("large"), Some(&[32768, 32768][..]));
    assert_eq!(weights.read("bias").unwrap().numbers::<f32>(0..2).unwrap(), [1.0, 2.0]);
    // Loading a part of a model reads that part.
    model! {
        struct Part { bias: Parameter(2) }

        fn forward(x: [N, 2]) -> [N, 2] {
            x + bias
        }
    }
    let mut part = Part::init(1);
    part.load_with(&path, LoadOptions::new().strict(false)).unwrap();
    assert_eq!(part.bias.value.as_slice(), Some(&[1.0, 2.0][..]));
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[test]
fn what_is_written_is_what_is_read() {
    let folder = Folder::new("written");
    let source = WeightsFile::open(file("types.pt")).unwrap();
    let is_other = |name: &str| matches!(source.element(name), Some(Element::Other(..)));
    let writer = |format: Format, kept: &dyn Fn(&str) -> bool| {
        source.names().filter(|name| kept(name)).fold(WeightsWriter::new(format), |writer, name| {
            writer.tensor(name, source.element(name).unwrap(), source.shape(name).unwrap())
        })
    };
    let all = |path: &FilePath| {
        tensors(path).into_iter().map(|(name, element, shape, numbers)| (name, (element, shape, numbers)))
    };
    let path = folder.path("types.safetensors");
    writer(Format::Safetensors, &|name| !is_other(name)).write(&path, |name| source.read(name)).unwrap();
    assert_eq!(all(&path).count(), 13);
    for (name, (element, shape, numbers)) in all(&path) {
        assert_eq!((Some(element), shape, numbers), (source.element(&name), vec![1, 3], vec![1.0, 0.0, 1.0]), "{name}");
    }
    let path = folder.path("types.npz");
    let of_numpy = |name: &str| !is_other(name) && !name.starts_with("bfloat16");
    writer(Format::Npz, &of_numpy).write(&path, |name| source.read(name)).unwrap();
    assert_eq!(all(&path).count(), 12);
    let path = folder.path("float32.npy");
    writer(Format::Npy, &|name| name == "float32.weight").write(&path, |name| source.read(name)).unwrap();
    assert_eq!(tensors(&path)[0].3, [1.0, 0.0, 1.0]);

    let refused = |format: Format, kept: &dyn Fn(&str) -> bool, expected: &str| {
        let path = folder.file("kept", b"as it was");
        let error = writer(format, kept).write(&path, |name| source.read(name)).unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"as it was");
        assert_eq!(folder.files().len(), 4);
    };
    refused(Format::Npz, &|_| true, "bfloat16.weight has elements of type BF16, which it has not");
    refused(Format::Safetensors, &is_other, "complex64.weight has elements of type complex64, which it has not");
    refused(Format::Npy, &of_numpy, "it holds one tensor, not 12: choose one, or take .npz");
    refused(Format::PyTorch, &of_numpy, "files of this format are not written: take safetensors, which PyTorch reads");
    // What goes wrong while it is written leaves nothing, either.
    let path = folder.file("kept", b"as it was");
    let writer = WeightsWriter::new(Format::Safetensors).tensor("float32.weight", Element::F32, &[3]);
    let error = writer.write(&path, |name| source.read(name)).unwrap_err().to_string();
    assert!(error.ends_with("float32.weight is F32 [1, 3], but F32 [3] was announced"), "{error}");
    assert_eq!((fs::read(&path).unwrap(), folder.files().len()), (b"as it was".to_vec(), 4));
}

#[test]
fn numbers_of_fewer_bits_are_the_nearest() {
    let folder = Folder::new("fewer");
    let path = folder.path("a.npy");
    let numbers = [0.1, -65520.0, 1e-9, f64::NAN, f64::NEG_INFINITY, 3.402823669e38];
    kiln::data::write_npy(&path, &Array1::from(numbers.to_vec())).unwrap();
    let stored = WeightsFile::open(&path).unwrap().read("a").unwrap();
    let halves = stored.to(Element::F16).unwrap().numbers::<F16>(0..6).unwrap();
    assert_eq!(halves.iter().map(|half| half.to_bits()).collect::<Vec<_>>(), numbers.map(|x| F16::from(x).to_bits()));
    let bfloats = stored.to(Element::BF16).unwrap().numbers::<f32>(0..6).unwrap();
    assert_eq!((bfloats[0], bfloats[1], bfloats[5]), (0.100097656, -65536.0, f32::INFINITY));
    assert_eq!(stored.to(Element::F32).unwrap().numbers::<f32>(0..1).unwrap(), [0.1]);
    let error = stored.to(Element::I32).unwrap_err().to_string();
    assert!(error.contains("a has elements of type F64, expected I32"), "{error}");
}

/// A tensor without end in a file of some hundred bytes, by strides of 0.
#[test]
fn numbers_that_are_repeated_without_measure_are_not_made() {
    let folder = Folder::new("repeated");
    let storage = b"((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x06tQ";
    let shape = b"K\0J\xff\xff\xff\x7fK\x04\x86K\0K\0\x86\x89N";
    let object = [&b"}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n"[..], storage, shape, b"tRs."].concat();
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let keys = b"\x80\x02]X\x01\0\0\x000a.\x06\0\0\0\0\0\0\0";
    let bytes = [&magic[..], b"\x80\x02M\xe9\x03.", b"\x80\x02}.", b"\x80\x02", &object, keys, &[0; 24]].concat();
    let file = WeightsFile::open(folder.file("a.pt", &bytes)).unwrap();
    assert_eq!(file.shape("w"), Some(&[2147483647, 4][..]));
    let error = file.read("w").unwrap_err().to_string();
    assert!(error.ends_with("w: it says the same numbers too often"), "{error}");
}

/// A network with counts and statistics.
#[derive(Model)]
#[model(input = [3])]
struct Normed {
    fc: Linear<3, 2>,
    norm: BatchNorm1d<2>,
}

/// Files of a model in other precisions: element types, the nearest numbers, half the bytes; counts stay whole.
#[test]
fn models_are_saved_in_a_precision() {
    let folder = Folder::new("precision");
    let path = folder.path("net.safetensors");
    let mut net = Normed::init(1);
    let numbers = [1.0 + 1.0 / 4096.0, 1.0 + 3.0 / 512.0, -65504.0, 1e-7, -0.0, f32::NAN];
    net.fc.weight.value.iter_mut().zip(numbers).for_each(|(weight, number)| *weight = number);
    // The nearest numbers of f16 and of bf16, of two as near the even one.
    let halves = [1.0, 1.0 + 6.0 / 1024.0, -65504.0, 1.1920929e-7, -0.0, f32::NAN];
    let bfloats = [1.0, 1.0 + 1.0 / 128.0, -65536.0, 1.0011718e-7, -0.0, f32::NAN];
    for (precision, element, expected) in [
        (FilePrecision::F32, Element::F32, numbers),
        (FilePrecision::F16, Element::F16, halves),
        (FilePrecision::Bf16, Element::BF16, bfloats),
    ] {
        net.save_with(&path, SaveOptions::new().precision(precision)).unwrap();
        for (name, found, ..) in tensors(&path) {
            let counts = name == "norm.num_batches_tracked";
            assert_eq!(found, if counts { Element::I64 } else { element }, "{name}");
        }
        let mut again = Normed::init(2);
        again.load(&path).unwrap();
        let bits =
            |numbers: &[f32]| numbers.iter().map(|x| if x.is_nan() { 0 } else { x.to_bits() }).collect::<Vec<_>>();
        let found: Vec<f32> = again.fc.weight.value.iter().copied().collect();
        assert_eq!(bits(&found), bits(&expected), "{element}");
    }
}

#[test]
fn numbers_beyond_a_precision_are_told() {
    let folder = Folder::new("beyond");
    let path = folder.path("net.safetensors");
    let save = |weight: f32, precision: FilePrecision| {
        let mut net = Normed::init(1);
        net.fc.weight.value[[1, 2]] = weight;
        net.save_with(&path, SaveOptions::new().precision(precision))
    };
    // What rounds to the largest number is one.
    save(65519.0, FilePrecision::F16).unwrap();
    let there = fs::read(&path).unwrap();
    for (weight, precision, expected) in [
        (65520.0, FilePrecision::F16, "fc.weight holds 6.552e4, which is too large for F16: save it as BF16 or F32"),
        (f32::MIN, FilePrecision::Bf16, "fc.weight holds -3.4028235e38, which is too large for BF16: save it as F32"),
    ] {
        let error = save(weight, precision).unwrap_err();
        assert!(matches!(&error, CheckpointError::TooLarge { name, .. } if name == "fc.weight"), "{error:?}");
        assert_eq!(error.to_string(), format!("{}: {expected}", path.display()));
        assert_eq!(fs::read(&path).unwrap(), there, "the file is what it was");
    }
    // What is infinite is so in the file, too.
    save(f32::INFINITY, FilePrecision::F16).unwrap();
    save(f32::NEG_INFINITY, FilePrecision::Bf16).unwrap();
}

/// PyTorch's side of the format reads such files as tensors of these types; skipped where Python lacks it.
#[test]
fn pytorch_reads_files_of_every_precision() {
    const READ: &str = "import sys, torch; from safetensors.torch import load_file; w = load_file(sys.argv[1])['fc.weight']; \
                        print(w.dtype, *w.float().flatten().tolist())";
    let python = |arguments: &[&std::ffi::OsStr]| Command::new("python3").args(arguments).output();
    let has = python(&["-c".as_ref(), "import torch, safetensors.torch".as_ref()]);
    if !has.is_ok_and(|output| output.status.success()) {
        return eprintln!("skipped: there is no python3 with torch and safetensors");
    }
    let folder = Folder::new("pytorch");
    let path = folder.path("net.safetensors");
    for (precision, dtype) in [(FilePrecision::F16, "torch.float16"), (FilePrecision::Bf16, "torch.bfloat16")] {
        Normed::init(1).save_with(&path, SaveOptions::new().precision(precision)).unwrap();
        let mut again = Normed::init(2);
        again.load(&path).unwrap();
        let output = python(&["-c".as_ref(), READ.as_ref(), path.as_os_str()]).unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (found, numbers) = text.trim().split_once(' ').expect("a type and numbers");
        assert_eq!(found, dtype);
        let numbers: Vec<f32> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
        assert_eq!(numbers, again.fc.weight.value.iter().copied().collect::<Vec<_>>());
    }
}
