//! Saving and loading: names, layouts and bits as PyTorch has them, and every kind of bad file.

#[cfg(unix)]
#[path = "checkpoint/files.rs"]
mod files;
#[path = "common/folder.rs"]
mod folder;
#[path = "checkpoint/folders.rs"]
mod folders;
#[path = "checkpoint/formats.rs"]
mod formats;
#[path = "../fuzz/entries/files.rs"]
mod fuzzed;
#[cfg(unix)]
#[path = "checkpoint/killed.rs"]
mod killed;
#[path = "checkpoint/loading.rs"]
mod loading;
#[path = "common/mutants.rs"]
mod mutants;
#[path = "common/small_disk.rs"]
mod small_disk;
#[path = "checkpoint/weights.rs"]
mod weights;

use std::fs;
use std::path::Path as FilePath;

use kiln::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use folder::Folder;

#[derive(Model)]
#[model(input = [1, 6, 6])]
struct Small {
    conv: Conv2d<1, 2, 3>,
    act: ReLU,
    flatten: Flatten,
    #[model(bias = false)]
    fc: Linear<32, 3>,
}

/// Names, shapes and bits of all parameters.
fn contents(model: &impl Layer) -> Vec<(String, Vec<usize>, Vec<u32>)> {
    let mut all = Vec::new();
    model.visit(&mut Path::new(), &mut |name, parameter| {
        let bits = parameter.value.iter().map(|value| value.to_bits()).collect();
        all.push((name.to_string(), parameter.value.shape().to_vec(), bits));
    });
    all
}

#[test]
fn what_is_saved_is_loaded_bit_by_bit() {
    let folder = Folder::new("round");
    let path = folder.0.join("small.safetensors");
    let mut saved = Small::init(1);
    saved.fc.weight.value[[0, 0]] = f32::NAN;
    saved.fc.weight.value[[0, 1]] = -0.0;
    saved.save(&path).unwrap();
    let mut loaded = Small::init(2);
    assert_ne!(contents(&saved), contents(&loaded));
    loaded.load(&path).unwrap();
    assert_eq!(contents(&saved), contents(&loaded));

    // Saving again replaces the file, and nothing else is left in the folder.
    Small::init(3).save(&path).unwrap();
    loaded.load(&path).unwrap();
    assert_eq!(contents(&Small::init(3)), contents(&loaded));
    assert_eq!(folder.files(), ["small.safetensors"]);
}

#[test]
fn names_and_layouts_are_pytorchs() {
    let folder = Folder::new("names");
    let path = folder.0.join("small.safetensors");
    let model = Small::init(1);
    model.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(metadata.metadata().as_ref().unwrap()["format"], "pt");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut found: Vec<(String, Vec<usize>)> =
        file.tensors().into_iter().map(|(name, tensor)| (name, tensor.shape().to_vec())).collect();
    found.sort();
    let expected = [("conv.bias", vec![2]), ("conv.weight", vec![2, 1, 3, 3]), ("fc.weight", vec![3, 32])];
    assert_eq!(found, expected.map(|(name, shape)| (name.to_string(), shape)));

    let bytes = file.tensor("fc.weight").unwrap().data();
    let second_row = f32::from_le_bytes(bytes[4 * 32..4 * 33].try_into().unwrap());
    assert_eq!(second_row, model.fc.weight.value[[1, 0]]);
}

/// Loads a file with these bytes: the error's text, after a check that the model did not change.
fn error_of(folder: &Folder, bytes: &[u8]) -> (CheckpointError, String) {
    let path = folder.0.join("bad.safetensors");
    fs::write(&path, bytes).unwrap();
    let mut model = Small::init(1);
    let error = model.load(&path).unwrap_err();
    assert_eq!(contents(&model), contents(&Small::init(1)), "the model changed although {error}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "the file changed although {error}");
    let text = error.to_string().replace(&path.display().to_string(), "FILE");
    (error, text)
}

/// The bytes of a file with these tensors, all zero.
fn file_with(tensors: &[(&str, Dtype, &[usize])]) -> Vec<u8> {
    let zeros = [0; 1024];
    let views = tensors.iter().map(|(name, dtype, shape)| {
        let bytes = dtype.bitsize() / 8 * shape.iter().product::<usize>();
        (*name, TensorView::new(*dtype, shape.to_vec(), &zeros[..bytes]).unwrap())
    });
    serialize(views, None).unwrap()
}

#[test]
fn a_missing_file_is_told() {
    let folder = Folder::new("missing");
    let path = folder.0.join("absent.safetensors");
    let error = Small::init(1).load(&path).unwrap_err();
    assert!(matches!(&error, CheckpointError::NotFound { path: named } if *named == path));
    assert_eq!(error.to_string(), format!("there is no file {}", path.display()));
    assert!(matches!(Small::init(1).load(&folder.0), Err(CheckpointError::Read { .. })));
}

#[test]
fn truncated_and_foreign_files_are_told_apart() {
    let folder = Folder::new("foreign");
    let path = folder.0.join("good");
    Small::init(1).save(&path).unwrap();
    let good = fs::read(&path).unwrap();
    for length in 0..good.len() {
        let (error, text) = error_of(&folder, &good[..length]);
        let CheckpointError::Truncated { expected, found, .. } = error else { panic!("{length} bytes: {text}") };
        assert_eq!(found, length as u64);
        assert!(expected > found && expected <= good.len() as u64, "{text}");
    }
    let (_, text) = error_of(&folder, &good[..good.len() - 1]);
    assert_eq!(text, format!("FILE is cut short: it has {} bytes, expected {}", good.len() - 1, good.len()));

    let check = |bytes: &[u8], expected: &str| {
        let (error, text) = error_of(&folder, bytes);
        assert!(matches!(error, CheckpointError::Foreign { .. }), "{error:?}");
        assert!(text.starts_with("FILE is no safetensors file: "), "{text}");
        assert!(text.contains(expected), "{text}");
    };
    check(b"# is how a text begins", "it does not begin with a header");
    check(&[2, 0, 0, 0, 0, 0, 0, 0, b'[', b']'], "it does not begin with a header");
    check(&[3, 0, 0, 0, 0, 0, 0, 0, b'{', b'a', b'}'], "key must be a string");
    check(&[&good[..], &[0]].concat(), "not fully covered");
    let mut damaged = good.clone();
    let place = good.windows(5).position(|w| w == b"\"F32\"").unwrap();
    damaged[place + 1] = b'X';
    check(&damaged, "unknown variant");
}

#[test]
fn other_tensors_are_told() {
    let folder = Folder::new("tensors");
    const BIAS: (&str, Dtype, &[usize]) = ("conv.bias", Dtype::F32, &[2]);
    const CONV: (&str, Dtype, &[usize]) = ("conv.weight", Dtype::F32, &[2, 1, 3, 3]);
    const FC: (&str, Dtype, &[usize]) = ("fc.weight", Dtype::F32, &[3, 32]);
    let check = |tensors: &[(&str, Dtype, &[usize])], expected: &str| {
        let (error, text) = error_of(&folder, &file_with(tensors));
        assert_eq!(text, expected);
        error
    };

    let error = check(&[BIAS, CONV], "FILE has no tensor fc.weight, which the model needs");
    assert!(matches!(error, CheckpointError::Missing { names, .. } if names == ["fc.weight"]));
    let renamed = ("out.weight", FC.1, FC.2);
    check(
        &[renamed],
        "FILE has no tensor conv.weight, conv.bias, fc.weight, which the model needs (but it holds out.weight); other names \
         are taken by `load_with(path, LoadOptions::new().rename(..))`, and what both have by `.strict(false)`",
    );

    let error = check(
        &[BIAS, CONV, FC, renamed],
        "FILE holds out.weight, which the model does not have: is it the file of another model, or of a training? \
         `load_with(path, LoadOptions::new().strict(false))` passes over them",
    );
    assert!(matches!(error, CheckpointError::Unexpected { names, .. } if names == ["out.weight"]));

    let turned = ("fc.weight", Dtype::F32, &[32, 3][..]);
    let error = check(&[BIAS, CONV, turned], "FILE: fc.weight has the shape [32, 3], expected [3, 32]");
    assert!(
        matches!(error, CheckpointError::WrongShape { name, found, .. } if name == "fc.weight" && found == [32, 3])
    );

    let whole = ("conv.weight", Dtype::I32, CONV.2);
    let error = check(
        &[BIAS, whole, FC],
        "FILE: conv.weight has elements of type I32, expected F32: convert it, in PyTorch with `.float()`",
    );
    assert!(matches!(error, CheckpointError::WrongType { name, .. } if name == "conv.weight"));
}

#[test]
fn a_failed_save_leaves_what_was_there() {
    let folder = Folder::new("unwritable");
    let nowhere = folder.0.join("no such folder/small.safetensors");
    let error = Small::init(1).save(&nowhere).unwrap_err();
    assert!(matches!(&error, CheckpointError::Write { path, .. } if *path == nowhere), "{error}");

    // A folder stands where the file should go: the renaming fails after the writing.
    let taken = folder.0.join("taken");
    fs::create_dir_all(taken.join("inside")).unwrap();
    assert!(matches!(Small::init(1).save(&taken), Err(CheckpointError::Write { .. })));
    assert!(taken.join("inside").exists());
    assert_eq!(folder.files(), ["taken"]);
    assert!(matches!(Small::init(1).save(FilePath::new("")), Err(CheckpointError::Write { .. })));
}

/// A bounded run of the fuzz targets that read weights.
#[test]
fn files_near_whole_ones_are_read_or_refused() {
    let folder = Folder::new("mutants");
    let check = |seeds: &[&str], entry: fn(&FilePath)| {
        mutants::check(&mutants::seeds(seeds), 300, |bytes| entry(&folder.file("file", bytes)));
    };
    check(&["tests/checkpoint/files", "fuzz/seeds/weights"], fuzzed::weights);
    check(&["fuzz/seeds/pickle"], fuzzed::pickle);
}
