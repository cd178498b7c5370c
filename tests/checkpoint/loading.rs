//! Loading files that are not the model's own: prefixes, other names, parts, counters of all kinds, strange names.

use std::fs;

use kiln::prelude::*;
use kiln::{IncompatibleKeys, graph};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::folder::Folder;

model! {
    struct Backbone {
        conv: Linear(3, 4),
        bn: BatchNorm1d(4),
    }

    fn forward(x: [N, 3]) -> [N, 4] {
        bn(conv(x))
    }
}

model! {
    struct Net {
        backbone: Backbone,
        head: Linear(4, 2),
    }

    fn forward(x: [N, 3]) -> [N, 2] {
        head(backbone(x))
    }
}

model! {
    struct Nested {
        body: Sequential(Linear(3, 4), ReLU, Sequential(Linear(4, 4), Tanh)),
        blocks: [Sequential(Linear(4, 4), ReLU); 2],
        head: Sequential { fc: Linear(4, 4), more: Sequential { act: Tanh, out: Linear(4, 4) } },
        rows: [[Sequential { fc: Linear(4, 4) }; 2]; 2],
        long: Sequential(Linear(4, 4), ReLU, ReLU, ReLU, ReLU, ReLU, ReLU, ReLU, ReLU, ReLU, ReLU, ReLU, ReLU, Linear(4, 4)),
    }

    fn forward(x: [N, 3]) -> [N, 4] {
        x = body(x);
        for block in blocks {
            x = block(x);
        }
        for i in 0..2 {
            for row in rows[i] {
                x = row(x);
            }
        }
        long(head(x))
    }
}

#[test]
fn tuples_and_lists_of_layers_load_like_layers() {
    let folder = Folder::new("nested");
    let (whole, part) = (folder.path("whole.safetensors"), folder.path("part.safetensors"));
    let trained = Nested::init(1);
    trained.save(&whole).unwrap();

    let mut net = Nested::init(2);
    trained.body.save(&part).unwrap();
    net.body.load(&part).unwrap();
    net.blocks.load_with(&whole, LoadOptions::new().prefix("blocks.")).unwrap();
    trained.head.more.save(&part).unwrap();
    net.head.more.load(&part).unwrap();
    net.head.load_with(&whole, LoadOptions::new().prefix("head.")).unwrap();
    net.rows[1][0].load_with(&whole, LoadOptions::new().prefix("rows.1.0.")).unwrap();
    net.rows.load_with(&whole, LoadOptions::new().prefix("rows.")).unwrap();
    net.long.load_with(&whole, LoadOptions::new().prefix("long.")).unwrap();
    assert_eq!(contents(&net), contents(&trained));

    let names: Vec<String> = contents(&trained.body).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["0.weight", "0.bias", "2.0.weight", "2.0.bias"]);
    let names: Vec<String> = contents(&trained.head).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["fc.weight", "fc.bias", "more.out.weight", "more.out.bias"]);
    let mut layers = Vec::new();
    trained.blocks.each_layer(&mut |path, layer| layers.push(format!("{path}: {layer}")));
    assert_eq!(layers, ["0.0: Linear(4, 4)", "0.1: ReLU", "1.0: Linear(4, 4)", "1.1: ReLU"]);
    let text = net.body.load(&whole).unwrap_err().to_string();
    assert!(text.contains("0.weight"), "{text}");
}

/// Names, bits and counts of all parameters.
fn contents(model: &impl Parameters) -> Vec<(String, Vec<u32>, Option<i64>)> {
    let mut all = Vec::new();
    model.each_parameter(&mut |name, parameter| {
        let bits = parameter.value.iter().map(|value| value.to_bits()).collect();
        all.push((name.to_owned(), bits, parameter.count()));
    });
    all
}

/// A tensor of a file: name, type, shape, bytes.
type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

fn write(path: &std::path::Path, tensors: &[Stored]) {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    fs::write(path, serialize(views, None).unwrap()).unwrap();
}

/// What the file of a model holds, under other names.
fn renamed(folder: &Folder, model: &impl Parameters, rename: impl Fn(&str) -> Option<String>) -> std::path::PathBuf {
    let path = folder.path("renamed.safetensors");
    model.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors().into_iter().filter_map(|(name, tensor)| {
        Some((rename(&name)?, tensor.dtype(), tensor.shape().to_vec(), tensor.data().to_vec()))
    });
    write(&path, &tensors.collect::<Vec<_>>());
    path
}

/// The error of loading, after a check that it changed nothing.
fn refused(path: &std::path::Path, options: LoadOptions<'_>) -> (CheckpointError, String) {
    let mut net = Net::init(2);
    let error = net.load_with(path, options).unwrap_err();
    assert_eq!(contents(&net), contents(&Net::init(2)), "the model changed although {error}");
    let text = error.to_string().replace(&path.display().to_string(), "FILE");
    assert!(text.len() < 3000 && !text.contains('\n'), "{text}");
    (error, text)
}

#[test]
fn prefixes_are_recognised_and_taken_off() {
    let folder = Folder::new("prefix");
    let saved = Net::init(1);
    for prefix in ["module.", "_orig_mod.", "module._orig_mod.", "model.net."] {
        let path = renamed(&folder, &saved, |name| Some(format!("{prefix}{name}")));
        let (_, text) = refused(&path, LoadOptions::new());
        assert!(text.contains(&format!("the file's names begin with `{prefix}`")), "{text}");
        assert!(text.contains(&format!("load_with(path, LoadOptions::new().prefix(\"{prefix}\"))")), "{text}");

        let mut net = Net::init(2);
        let keys = net.load_with(&path, LoadOptions::new().prefix(prefix)).unwrap();
        assert_eq!(keys, IncompatibleKeys::default());
        assert_eq!(contents(&net), contents(&saved));

        // A part of it; the prefix that the message of the part's own `load` names is the right one.
        let mut net = Net::init(2);
        let error = net.backbone.load(&path).unwrap_err().to_string();
        assert!(error.contains(&format!(".prefix(\"{prefix}backbone.\")")), "{error}");
        net.backbone.load_with(&path, LoadOptions::new().prefix(format!("{prefix}backbone."))).unwrap();
        assert_eq!(contents(&net.backbone), contents(&saved.backbone));
        assert_eq!(contents(&net.head), contents(&Net::init(2).head));

        let (error, text) = refused(&path, LoadOptions::new().prefix("modul."));
        assert!(matches!(error, CheckpointError::Prefix { .. }), "{error:?}");
        assert!(text.starts_with("FILE has no tensor whose name begins with modul.: it holds "), "{text}");
    }
    // Wrapped inside, and the file of a part.
    let path = renamed(&folder, &saved, |name| Some(name.replace("backbone.", "backbone._orig_mod.")));
    let (_, text) = refused(&path, LoadOptions::new());
    assert!(text.contains("rename(|name| name.replace(\"_orig_mod.\", \"\"))"), "{text}");
    let mut net = Net::init(2);
    net.load_with(&path, LoadOptions::new().rename(|name| name.replace("_orig_mod.", ""))).unwrap();
    assert_eq!(contents(&net), contents(&saved));
    let path = folder.path("part.safetensors");
    saved.backbone.save(&path).unwrap();
    let (_, text) = refused(&path, LoadOptions::new());
    assert!(text.ends_with("load it there, as with `model.backbone.load(path)`"), "{text}");
}

#[test]
fn names_can_be_mapped_and_left_out() {
    let folder = Folder::new("map");
    let saved = Net::init(1);
    let map = [("backbone.conv", "features.0"), ("backbone.bn", "features.1"), ("head", "classifier")];
    let to_file = |name: &str| map.iter().fold(name.to_owned(), |name, (ours, theirs)| name.replace(ours, theirs));
    let to_model = |name: &str| map.iter().fold(name.to_owned(), |name, (ours, theirs)| name.replace(theirs, ours));
    let path = renamed(&folder, &saved, |name| Some(to_file(name)));
    let mut net = Net::init(2);
    net.load_with(&path, LoadOptions::new().rename(to_model)).unwrap();
    assert_eq!(contents(&net), contents(&saved));

    // Two of one name.
    let (error, text) = refused(&path, LoadOptions::new().rename(|name| name.replace("weight", "bias")));
    assert!(matches!(error, CheckpointError::SameName { .. }), "{text}");
    assert!(text.contains("are both renamed to"), "{text}");

    // Not strict: what is there is taken, what is not is told and stays.
    let path = renamed(&folder, &saved, |name| match name {
        "head.weight" => None,
        "head.bias" => Some("other.bias".to_owned()),
        name => Some(name.to_owned()),
    });
    assert!(matches!(refused(&path, LoadOptions::new()).0, CheckpointError::Missing { .. }));
    let mut net = Net::init(2);
    let keys = net.load_with(&path, LoadOptions::new().strict(false)).unwrap();
    assert_eq!(
        (keys.missing_keys, keys.unexpected_keys),
        (vec!["head.weight".to_owned(), "head.bias".to_owned()], vec!["other.bias".to_owned()])
    );
    assert_eq!(contents(&net.backbone), contents(&saved.backbone));
    assert_eq!(contents(&net.head), contents(&Net::init(2).head));

    // A layer that is not in the file keeps its count; a wrong shape is refused all the same.
    let mut net = Net::init(2);
    let mut set = 0;
    net.each_parameter_mut(&mut |_, parameter| {
        parameter.set_count(7);
        set += i32::from(parameter.count() == Some(7));
    });
    assert_eq!(set, 1);
    let path = renamed(&folder, &saved, |name| name.starts_with("head").then(|| name.to_owned()));
    let keys = net.load_with(&path, LoadOptions::new().strict(false)).unwrap();
    assert!(keys.missing_keys.contains(&"backbone.bn.num_batches_tracked".to_owned()));
    assert_eq!(net.backbone.bn.num_batches_tracked(), Some(7));
    let turned = ("head.weight".to_owned(), Dtype::F32, vec![4, 2], vec![0; 32]);
    write(&path, &[turned]);
    assert!(matches!(refused(&path, LoadOptions::new().strict(false)).0, CheckpointError::WrongShape { .. }));
}

/// A file of a batch norm of two channels, with this counter.
fn batch_norm(path: &std::path::Path, counter: Option<(Dtype, Vec<usize>, Vec<u8>)>) {
    let zeros = |name: &str| (name.to_owned(), Dtype::F32, vec![4], vec![0; 16]);
    let mut tensors: Vec<Stored> = ["weight", "bias", "running_mean", "running_var"].map(zeros).to_vec();
    tensors.extend(counter.map(|(dtype, shape, bytes)| ("num_batches_tracked".to_owned(), dtype, shape, bytes)));
    write(path, &tensors);
}

#[test]
fn counters_are_whole_numbers_of_64_bits() {
    let folder = Folder::new("counters");
    let path = folder.path("bn.safetensors");
    let load = |counter: Option<(Dtype, Vec<usize>, Vec<u8>)>| {
        batch_norm(&path, counter);
        let mut net = Net::init(1);
        let before = contents(&net);
        let result = net.backbone.bn.load(&path);
        if result.is_err() {
            assert_eq!(contents(&net), before);
        }
        result
            .map(|()| net.backbone.bn.num_batches_tracked().unwrap())
            .map_err(|error| error.to_string().replace(&path.display().to_string(), "FILE"))
    };
    assert_eq!(load(None), Ok(0));
    let again = folder.path("again.safetensors");
    for count in [0, 1, 41, 16_777_217, 16_777_219, 1 << 31, (1 << 53) + 1, i64::MAX] {
        assert_eq!(load(Some((Dtype::I64, vec![], count.to_le_bytes().to_vec()))), Ok(count));
        // The bits in a file that is saved.
        let mut net = Net::init(1);
        net.backbone.bn.load(&path).unwrap();
        net.save(&again).unwrap();
        let bytes = fs::read(&again).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let saved = file.tensor("backbone.bn.num_batches_tracked").unwrap();
        assert_eq!((saved.dtype(), saved.shape(), saved.data()), (Dtype::I64, &[][..], &count.to_le_bytes()[..]));
    }
    let accepted: [(Dtype, Vec<u8>); 9] = [
        (Dtype::I8, vec![41]),
        (Dtype::U8, vec![41]),
        (Dtype::I16, 41i16.to_le_bytes().into()),
        (Dtype::U16, 41u16.to_le_bytes().into()),
        (Dtype::I32, 41i32.to_le_bytes().into()),
        (Dtype::U32, 41u32.to_le_bytes().into()),
        (Dtype::U64, 41u64.to_le_bytes().into()),
        (Dtype::F32, 41f32.to_le_bytes().into()),
        (Dtype::F64, 41f64.to_le_bytes().into()),
    ];
    for (dtype, bytes) in accepted {
        for shape in [vec![], vec![1]] {
            assert_eq!(load(Some((dtype, shape, bytes.clone()))), Ok(41), "{dtype}");
        }
    }
    let no_count =
        |found: &str| format!("FILE: num_batches_tracked is {found}, expected a whole number from 0 to 2^63 - 1");
    let no_type = |found: &str| {
        format!(
            "FILE: num_batches_tracked has elements of type {found}, expected I64: convert it, in PyTorch with `.long()`"
        )
    };
    let refused: [(Dtype, Vec<u8>, String); 9] = [
        (Dtype::I64, (-1i64).to_le_bytes().into(), no_count("-1")),
        (Dtype::I32, i32::MIN.to_le_bytes().into(), no_count("-2147483648")),
        (Dtype::U64, u64::MAX.to_le_bytes().into(), no_count("18446744073709551615")),
        (Dtype::F32, 0.5f32.to_le_bytes().into(), no_count("0.5")),
        (Dtype::F32, f32::NAN.to_le_bytes().into(), no_count("NaN")),
        (Dtype::F64, 1e19f64.to_le_bytes().into(), no_count("10000000000000000000")),
        (Dtype::F64, (-3f64).to_le_bytes().into(), no_count("-3")),
        (Dtype::F16, vec![0; 2], no_type("F16")),
        (Dtype::BOOL, vec![1], no_type("BOOL")),
    ];
    for (dtype, bytes, expected) in refused {
        assert_eq!(load(Some((dtype, vec![], bytes))), Err(expected));
    }
    let two = Some((Dtype::I64, vec![2], vec![0; 16]));
    assert_eq!(load(two), Err("FILE: num_batches_tracked has the shape [2], expected []".to_owned()));
    // A file of other names that has no counters does not lack them.
    for (counted, expected) in [(true, 9), (false, 8)] {
        let wrapped = |name: &str| (counted || !name.ends_with("tracked")).then(|| format!("wrapped.{name}"));
        let error = Net::init(1).load(renamed(&folder, &Net::init(1), wrapped)).unwrap_err();
        assert!(matches!(&error, CheckpointError::Missing { names, .. } if names.len() == expected), "{error}");
    }
    // Of a file that lacks a counter and a weight only the weight is missing.
    write(&path, &[("bias".to_owned(), Dtype::F32, vec![4], vec![0; 16])]);
    let error = Net::init(1).backbone.bn.load(&path).unwrap_err();
    assert!(
        matches!(error, CheckpointError::Missing { names, .. } if names == ["weight", "running_mean", "running_var"])
    );
}

/// Names from files are shown on one line, and short.
#[test]
fn strange_names_are_shown_escaped_and_shortened() {
    let folder = Folder::new("strange");
    let path = folder.path("strange.safetensors");
    let names = ["a\nb", "\u{1b}[31mred", &"n".repeat(70_000), "\0", "", "ü", "\u{202e}turned"];
    let tensors: Vec<Stored> = names.iter().map(|name| ((*name).to_owned(), Dtype::F32, vec![1], vec![0; 4])).collect();
    write(&path, &tensors);
    let (_, text) = refused(&path, LoadOptions::new());
    for shown in ["a\\nb", "\\u{1b}[31mred", "nn.. (70000 bytes)", "\\0", "\"\"", "ü", "\\u{202e}turned"] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    refused(&path, LoadOptions::new().prefix("x\ny"));
    refused(&path, LoadOptions::new().rename(|_| "same\n".to_owned()));
    refused(
        &path,
        LoadOptions::new().rename(|name| if name == "ü" { "head.bias".to_owned() } else { name.to_owned() }),
    );
    // A model's own tensor with thousands of extents, thousands of names, a type with a line break.
    let many: Vec<Stored> = (0..5000).map(|number| (format!("t{number}"), Dtype::F32, vec![1], vec![0; 4])).collect();
    write(&path, &many);
    assert!(refused(&path, LoadOptions::new()).1.contains("(5000 names)"));
    write(&path, &[("head.bias".to_owned(), Dtype::F32, vec![1; 70_000], vec![0; 4])]);
    assert!(refused(&path, LoadOptions::new().strict(false)).1.contains("(70000 numbers)"));
    let with_header = |header: &str| [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    let long = "n".repeat(70_000);
    for header in [
        format!("{{\"a\":{{\"dtype\":\"{long}\",\"shape\":[],\"data_offsets\":[0,4]}}}}"),
        format!("{{\"a\\n{long}\":{{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[4,0]}}}}"),
        "{\"a\":\"b\\nc\"}".to_owned(),
    ] {
        fs::write(&path, with_header(&header)).unwrap();
        refused(&path, LoadOptions::new());
    }
    let header = [&100_000_001u64.to_le_bytes()[..], b"{}"].concat();
    fs::write(&path, header).unwrap();
    let text = refused(&path, LoadOptions::new()).1;
    assert_eq!(text, "FILE is no safetensors file: its header is said to have 100000001 bytes, more than 100000000");
    fs::write(&path, "").unwrap();
    assert_eq!(refused(&path, LoadOptions::new()).1, "FILE is empty: it has 0 bytes, expected 8");
}

model! {
    struct Counting {
        fc: Linear(2, 2),
        last: BatchNorm1d(2, momentum = None),
        opt: Sgd((fc, last), lr = 0.0),
    }

    step fit(x: [N, 2]) -> loss {
        let loss = last(fc(x)).square().mean();
        opt.minimize(loss);
    }

    eval look(x: [N, 2]) -> y {
        let y = last(fc(x));
    }
}

/// Counting goes on beyond 2^24 and 2^32, in trainers of both kinds, and a cumulative average knows the count.
#[test]
fn counters_count_on_in_compiled_steps() {
    let x = ndarray::array![[1.0f32, 2.0], [3.0, -4.0], [0.5, 0.25]];
    for start in [0, 41, (1 << 24) - 1, 1 << 24, 16_777_217, (1 << 31) - 2, (1 << 32) - 2, (1 << 40) + 5, i64::MAX - 3]
    {
        let mut model = Counting::init(1);
        model.each_parameter_mut(&mut |_, parameter| parameter.set_count(start));
        let mut trainer = model.trainer().batch(3).threads(1).build().unwrap();
        assert_eq!(trainer.model().last.num_batches_tracked(), Some(start));
        trainer.look(&x).unwrap();
        for step in 1..4 {
            let before = trainer.model().last.running_mean().unwrap().value[[0]];
            let model = trainer.model();
            let (weight, bias) = (&model.fc.weight.value, &model.fc.bias.as_ref().unwrap().value);
            let outputs = (0..3).map(|row| weight[[0, 0]] * x[[row, 0]] + weight[[0, 1]] * x[[row, 1]] + bias[[0]]);
            let mean = outputs.sum::<f32>() / 3.0;
            trainer.fit(&x).unwrap();
            let after = trainer.model().last.running_mean().unwrap().value[[0]];
            let expected = before + (mean - before) / (start + step) as f32;
            assert!((after - expected).abs() <= 1e-6, "{start} + {step}: {after} {expected}");
            assert_eq!(trainer.model().last.num_batches_tracked(), Some(start + step));
        }
        assert_eq!(trainer.into_model().last.num_batches_tracked(), Some(start + 3));
    }
    let mut net = Net::init(1);
    net.each_parameter_mut(&mut |_, parameter| parameter.set_count(16_777_217));
    let mut trainer = Trainer::new(net, mse(), Sgd::new(0.1)).batch(3).threads(1).build().unwrap();
    let x = ndarray::Array2::from_shape_fn((3, 3), |(i, j)| (i * 3 + j) as f32);
    trainer.step(&x, &ndarray::Array2::<f32>::zeros((3, 2))).unwrap();
    trainer.predict(&x).unwrap();
    assert_eq!(trainer.model().backbone.bn.num_batches_tracked(), Some(16_777_218));
    let predictor = Predictor::new(trainer.into_model()).batch(3).threads(1).build().unwrap();
    predictor.predict(&x).unwrap();
    assert_eq!(predictor.into_model().backbone.bn.num_batches_tracked(), Some(16_777_218));
}

/// Counts are values, too: who copies parameters by their values copies them.
#[test]
fn counts_can_be_set_by_value() {
    let mut parameter = graph::Parameter::counter(16_777_217);
    assert_eq!((parameter.count(), parameter.value.iter().copied().next()), (Some(16_777_217), Some(16_777_216.0)));
    let scalar = |value: f32| ndarray::ArrayD::from_elem(vec![], value);
    parameter.value = scalar(41.0).into();
    assert_eq!(parameter.count(), Some(41));
    parameter.value = scalar(-3.0).into();
    assert_eq!(parameter.count(), Some(0));
    parameter.value = scalar(f32::NAN).into();
    assert_eq!(parameter.count(), Some(0));
    assert_eq!(graph::Parameter::buffer(scalar(1.0)).count(), None);
}
