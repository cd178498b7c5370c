//! Weights in other formats than a model's own: PyTorch's, NumPy's, several files with an index, other element types. The files
//! in `files/` were made by `files/make.py`.

use std::fs;
use std::path::{Path as FilePath, PathBuf};

use kiln::prelude::*;
use ndarray::{Array2, array};
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::folder::Folder;

model! {
    struct Two { fc: Linear(3, 2, bias = false) }

    fn forward(x: [N, 3]) -> [N, 2] {
        fc(x)
    }
}

model! {
    struct One { fc: Linear(3, 1, bias = false) }

    fn forward(x: [N, 3]) -> [N, 1] {
        fc(x)
    }
}

fn file(name: &str) -> PathBuf {
    FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoint/files").join(name)
}

/// The tensor whose name is this prefix and `weight`, as the weight `[1, 3]`; or the error's text, after which nothing changed.
fn one(path: &FilePath, prefix: &str) -> Result<Vec<f32>, String> {
    let mut net = One::init(1);
    let before = net.fc.weight.value.clone();
    match net.fc.load_with(path, LoadOptions::new().prefix(prefix)) {
        Ok(_) => Ok(net.fc.weight.value.iter().copied().collect()),
        Err(error) => {
            assert_eq!(net.fc.weight.value, before);
            let text = error.to_string();
            assert!(text.len() < 1000 && !text.contains('\n'), "{text}");
            // Windows' separator follows the folder.
            let text = text.replace(&path.parent().unwrap().display().to_string(), "FOLDER");
            Err(text.replace("FOLDER\\", "FOLDER/"))
        }
    }
}

#[test]
fn views_of_storages_are_what_pytorch_shows() {
    let expected: [(&str, Array2<f32>); 7] = [
        ("model.a", array![[0.0, 1.0, 2.0], [0.5, 1.5, 2.5]]),
        ("model.b", array![[2.5, 3.0, 3.5], [4.0, 4.5, 5.0]]),
        ("model.c", array![[0.5, 1.5, 2.5], [3.5, 4.5, 5.5]]),
        ("model.d", array![[7.0, 7.0, 7.0], [8.0, 8.0, 8.0]]),
        ("model.e", array![[5.0, 7.0, 9.0], [11.0, 13.0, 15.0]]),
        ("model.f", array![[0.0, 0.5, 1.0], [1.5, 2.0, 2.5]]),
        ("optimizer.state.0.exp_avg", array![[0.0, 0.5, 1.0], [1.5, 2.0, 2.5]]),
    ];
    for name in ["checkpoint.pt", "legacy.pt", "protocol5.pt", "legacy5.pt"] {
        for (tensor, expected) in &expected {
            let mut net = Two::init(1);
            let options = LoadOptions::new().prefix(*tensor).rename(|rest| format!("weight{rest}"));
            net.fc.load_with(file(name), options).unwrap();
            assert_eq!(net.fc.weight.value, expected.clone().into_dyn(), "{name}: {tensor}");
        }
        // All that is found is told, and how to take a part.
        let error = Two::init(1).load(file(name)).unwrap_err().to_string();
        let listed = "(but it holds model.a, model.b, model.c, model.d, model.e, model.f, optimizer.state.0.exp_avg, \
                      optimizer.state.0.step)";
        assert!(error.contains(listed), "{error}");
        let mut net = Two::init(1);
        let keys = net.load_with(file(name), LoadOptions::new().prefix("model.").strict(false)).unwrap();
        assert_eq!(keys.missing_keys, ["fc.weight"]);
        assert_eq!(keys.unexpected_keys, ["a", "b", "c", "d", "e", "f"].map(|name| format!("model.{name}")));
        let error = net.load_with(file(name), LoadOptions::new().prefix("net.")).unwrap_err().to_string();
        assert!(error.contains("has no tensor whose name begins with net.: it holds model.a, "), "{error}");
    }
}

#[test]
fn floats_of_all_sizes_become_those_of_the_model() {
    let no_float = |found: &str| {
        Err(format!("weight has elements of type {found}, expected F32: convert it, in PyTorch with `.float()`"))
    };
    let cases = [
        ("float16", Ok(())),
        ("bfloat16", Ok(())),
        ("float32", Ok(())),
        ("float64", Ok(())),
        ("int8", no_float("I8")),
        ("int16", no_float("I16")),
        ("int32", no_float("I32")),
        ("int64", no_float("I64")),
        ("uint8", no_float("U8")),
        ("uint16", no_float("U16")),
        ("uint32", no_float("U32")),
        ("uint64", no_float("U64")),
        ("bool", no_float("BOOL")),
        ("complex64", no_float("complex64")),
        ("float8_e4m3fn", no_float("float8_e4m3fn")),
    ];
    for name in ["types.pt", "types_legacy.pt"] {
        for (dtype, expected) in &cases {
            let expected = match expected {
                Ok(()) => Ok(vec![1.0, 0.0, 1.0]),
                Err(text) => Err(format!("FOLDER/{name}: {dtype}.{text}")),
            };
            assert_eq!(one(&file(name), &format!("{dtype}.")), expected);
        }
    }
    // Safetensors, with numbers that round.
    let folder = Folder::new("floats");
    let numbers = [1.0 / 3.0, -1e300, 2.5];
    let doubles: Vec<u8> = numbers.iter().flat_map(|number: &f64| number.to_le_bytes()).collect();
    let bfloats: Vec<u8> = numbers.iter().flat_map(|&number| (number as f32).to_le_bytes()[2..].to_vec()).collect();
    let halves: Vec<u8> = [0x3555_u16, 0xfc00, 0x4100].iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let cases = [
        (Dtype::F64, doubles, [1.0 / 3.0, f32::NEG_INFINITY, 2.5]),
        (Dtype::BF16, bfloats, [0.33203125, f32::NEG_INFINITY, 2.5]),
        (Dtype::F16, halves, [0.33325195, f32::NEG_INFINITY, 2.5]),
    ];
    for (dtype, bytes, expected) in cases {
        let view = TensorView::new(dtype, vec![1, 3], &bytes).unwrap();
        let path = folder.file("a.safetensors", &serialize([("weight", view)], None).unwrap());
        assert_eq!(one(&path, ""), Ok(expected.to_vec()), "{dtype}");
    }
}

#[test]
fn archives_of_numpy_and_without_sums_of_check_are_read() {
    for name in ["arrays.npz", "compressed.npz", "unchecked.pt"] {
        assert_eq!(one(&file(name), ""), Ok(vec![1.0, 0.0, 1.0]), "{name}");
    }
}

#[test]
fn what_only_python_can_make_is_named() {
    let cases = [("module.pt", "torch.nn.modules.linear.Linear"), ("numpy.pt", "numpy._core.multiarray.scalar")];
    for (name, global) in cases {
        let error = Two::init(1).load(file(name)).unwrap_err();
        assert!(matches!(&error, CheckpointError::Global { name, .. } if name == global), "{error}");
        let expected = format!(
            "FOLDER/{name} needs Python's `{global}`, and nothing in a file is executed: save the weights alone, in PyTorch with \
             `torch.save(model.state_dict(), path)`"
        );
        assert_eq!(one(&file(name), ""), Err(expected));
    }
}

/// A pickle behind the magic words of an old file of PyTorch, with `system` before and no storages behind it.
fn old_file(object: &[u8]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    [magic, &b"\x80\x02M\xe9\x03."[..], b"\x80\x02}.", b"\x80\x02", object, b"\x80\x02]."].concat()
}

#[test]
fn damaged_and_hostile_pickles_are_refused() {
    let folder = Folder::new("pickles");
    let check = |object: &[u8], expected: &str| {
        let path = folder.file("a.pt", &old_file(object));
        let error = one(&path, "").unwrap_err();
        assert!(error.contains(expected), "{error}, expected {expected}");
    };
    check(b"cos\nsystem\nX\x02\0\0\0ls\x85R.", "needs Python's `os.system`, and nothing in a file is executed");
    check(b"\x8c\x08builtins\x8c\x04eval\x93.", "`builtins.eval`");
    check(b"c__main__\nNet\n.", "`__main__.Net`");
    check(b"c\n\n.", "`.`");
    check(b"ctorch\nFloatStorage\n)R.", "it calls Storage(Some(F32)) with 0 arguments");
    check(b"I1\n.", "it has the opcode 0x49, which PyTorch does not write, at byte 2");
    check(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa", "its pickle ends too early");
    check(b"(.", "it takes more objects than there are");
    check(b"h\x07.", "it refers to object 7, which is not there");
    check(b"]]s.", "it takes more objects than there are");
    check(b"NNNs.", "it sets items of what is no dictionary");
    // A list in itself, and in each of 64 lists the one below twice: 2^64 tensors would be there.
    check(b"]q\x00h\x00a.", "lie more than 64 deep in each other");
    let twice: Vec<u8> = (0..60).fold(b"]".to_vec(), |inner, _| [&b"("[..], &inner, b"2l"].concat());
    check(&[&twice[..], b"."].concat(), "it refers to the same objects too often");
    // No depth is too much for the stack.
    check(&[vec![b']'; 100_000], vec![b'a'; 99_999], vec![b'.']].concat(), "64 deep");
    // Tensors that go beyond their storages, or name none.
    let tensor = |arguments: &[u8]| {
        let storage = b"((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x06tQ";
        [&b"}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n"[..], storage, arguments, b"tRs."].concat()
    };
    check(&tensor(b"K\0K\x06\x85K\x01\x85\x89N"), "w: it has no storage 0");
    check(&tensor(b"J\xff\xff\xff\xffK\x06\x85K\x01\x85"), "a tensor at the offset -1");
    check(&tensor(b"K\0J\xff\xff\xff\xff\x85K\x01\x85"), "a tensor of extent -1");
    check(&tensor(&[&b"K\0("[..], &b"K\x01".repeat(65), b"tK\x01\x85"].concat()), "a tensor of 65 axes, more than 64");

    let path = folder.file("b.pt", b"\x80\x04]\x94.");
    assert!(one(&path, "").unwrap_err().contains("it is a pickle, but not by `torch.save`"));
}

/// Bytes of the files in another way, and their beginnings: an error or numbers, never a panic.
#[test]
fn damage_of_any_byte_is_an_error_or_passed_over() {
    let folder = Folder::new("damage");
    for name in ["unchecked.pt", "compressed.npz", "legacy.pt"] {
        let whole = fs::read(file(name)).unwrap();
        for place in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[place] ^= [0x01, 0x80, 0xff][place % 3];
            let _ = one(&folder.file("a", &bytes), "");
            let cut = one(&folder.file("a", &whole[..place]), "");
            assert!(cut.is_err(), "{name} cut to {place} bytes");
        }
    }
    let path = folder.file("a", &fs::read(file("types.pt")).unwrap()[..3000]);
    let expected = "FOLDER/a is no PyTorch file: the directory at the end of the zip archive is missing or damaged: is the \
                    download complete?";
    assert_eq!(one(&path, ""), Err(expected.to_owned()));
}

#[test]
fn weights_in_several_files_are_found_by_their_index() {
    let folder = Folder::new("shards");
    let shard = |name: &str, tensor: &str, numbers: [f32; 3]| {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F32, vec![1, 3], &bytes).unwrap();
        folder.file(name, &serialize([(tensor, view)], None).unwrap())
    };
    shard("model-00001-of-00002.safetensors", "a.weight", [1.0, 2.0, 3.0]);
    shard("model-00002-of-00002.safetensors", "b.weight", [4.0, 5.0, 6.0]);
    let index = |map: &str| {
        let text = format!("{{\"metadata\": {{\"total_size\": 24}}, \"weight_map\": {map}}}");
        folder.file("model.safetensors.index.json", text.as_bytes())
    };
    let path = index(
        "{\"a.weight\": \"model-00001-of-00002.safetensors\", \"b.weight\": \"model-00002-of-00002.safetensors\"}",
    );
    assert_eq!(one(&path, "a."), Ok(vec![1.0, 2.0, 3.0]));
    assert_eq!(one(&path, "b."), Ok(vec![4.0, 5.0, 6.0]));

    let refused = |map: &str, expected: &str| {
        let expected = expected.replace("INDEX", "FOLDER/model.safetensors.index.json is no index of weights file:");
        assert_eq!(one(&index(map), ""), Err(expected));
    };
    refused("{\"a\": \"model-3.safetensors\"}", "there is no file FOLDER/model-3.safetensors");
    refused("{\"a\": \"../x\"}", "INDEX it names ../x, expected a file in its own folder");
    refused("{\"a\": \"x/y\"}", "INDEX it names x/y, expected a file in its own folder");
    let absolute = FilePath::new("/").join("x").display().to_string();
    refused(
        &format!("{{\"a\": \"{absolute}\"}}"),
        &format!("INDEX it names {absolute}, expected a file in its own folder"),
    );
    refused("{\"a\": \"..\"}", "INDEX it names .., expected a file in its own folder");
    refused(
        "{\"a\": \"model.safetensors.index.json\"}",
        "INDEX it names model.safetensors.index.json, which is an index itself",
    );
    refused(
        "{\"c\": \"model-00001-of-00002.safetensors\"}",
        "INDEX it says that model-00001-of-00002.safetensors holds c, which it does not",
    );
    refused("{\"a\": 1}", "INDEX the file of a is no text");
    refused("3", "INDEX it has no `weight_map`, which tells the file of each tensor");
}
