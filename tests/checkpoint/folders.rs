//! A folder of checkpoints: which files are kept, what becomes of damaged ones, of those of other trainings, of a full disk,
//! of a killed process.

use std::fs;

use kiln::checkpoints::{Every, Run};
use kiln::fit::Progress;
use kiln::prelude::*;
use ndarray::{Array1, Array2};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::folder::Folder;
use crate::small_disk::{on_small_disk, small_disk};

#[derive(Model)]
#[model(input = [3])]
pub struct Tiny {
    fc1: Linear<3, 4>,
    #[model(p = 0.5)]
    drop: Dropout,
    norm: BatchNorm1d<4>,
    fc2: Linear<4, 2>,
}

pub type TinyTrainer = Trainer<Tiny, CrossEntropy, Adam>;

pub fn trainer() -> TinyTrainer {
    Trainer::new(Tiny::init(1), cross_entropy(), Adam::new(0.01)).batch(4).threads(1).build().unwrap()
}

pub fn data() -> Dataset<Array2<f32>, Array1<i32>> {
    let x = Array2::from_shape_fn((14, 3), |(i, j)| ((i * 3 + j) as f32).sin());
    Dataset::new(x, (0..14).map(|i| i % 2).collect()).unwrap()
}

pub fn bits(trainer: &mut TinyTrainer) -> Vec<u32> {
    let mut all = Vec::new();
    trainer.model().each_parameter(&mut |_, parameter| all.extend(parameter.value.iter().map(|x| x.to_bits())));
    all
}

/// Trains for so many steps from where the folder stands, with a checkpoint each step.
fn train(checkpoints: &mut Checkpoints, steps: u64) -> (TinyTrainer, Run) {
    let mut trainer = trainer();
    let mut run = checkpoints.resume(&mut trainer).unwrap().unwrap_or_default();
    let data = data();
    while run.step < steps {
        for (x, y) in data.batches(4).shuffled(run.epoch).skip(run.batch as usize) {
            trainer.step(&x, &y).unwrap();
            run.end_batch();
            run.history.push("score", run.step, f64::from(10 - (run.step as i32 - 3).abs()));
            checkpoints.save_if_due(&trainer, &run).unwrap();
            if run.step == steps {
                return (trainer, run);
            }
        }
        run.end_epoch();
    }
    (trainer, run)
}

#[test]
fn the_newest_and_the_best_are_kept() {
    type Case = (u64, usize, Option<&'static str>, u64, &'static [&'static str]);
    let cases: [Case; 5] = [
        (1, 3, None, 7, &["step-000000005", "step-000000006", "step-000000007"]),
        (1, 0, None, 7, &["step-000000007"]),
        (2, 2, None, 7, &["step-000000004", "step-000000006"]),
        (3, 9, Some("score"), 7, &["best", "step-000000003", "step-000000006"]),
        (9, 9, Some("score"), 7, &["best"]),
    ];
    for (every, keep, best, steps, expected) in cases {
        let folder = Folder::new("kept");
        let path = folder.path("run");
        let mut checkpoints = Checkpoints::new(&path).every(Every::Steps(every)).keep(keep);
        if let Some(best) = best {
            checkpoints = checkpoints.best(best);
        }
        train(&mut checkpoints, steps);
        let mut names: Vec<String> = fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != ".lock")
            .collect();
        names.sort();
        assert_eq!(names, expected.iter().map(|name| format!("{name}.safetensors")).collect::<Vec<_>>());
        if best.is_some() {
            // The figure was largest at step 3, whose network the file holds; a model takes it without what is the optimizer's.
            let (mut third, _) = train(&mut Checkpoints::new(folder.path("third")).every(Every::Steps(1)), 3);
            let mut model = Tiny::init(2);
            let keys = model.load_with(checkpoints.best_file().unwrap(), LoadOptions::new().strict(false)).unwrap();
            assert_eq!(keys.missing_keys, [""; 0]);
            let mut found = Vec::new();
            model.each_parameter(&mut |_, parameter| found.extend(parameter.value.iter().map(|x| x.to_bits())));
            assert_eq!(found, bits(&mut third));
        }
    }
}

/// Whichever byte of the newest file differs: that is told, and the file before it is gone on from, to the same bits.
#[test]
fn a_damaged_file_is_passed_over() {
    let folder = Folder::new("damaged");
    let path = folder.path("run");
    let setting = || Checkpoints::new(&path).every(Every::Steps(1)).keep(2);
    let (mut whole, _) = train(&mut setting(), 6);
    let expected = bits(&mut whole);
    let newest = path.join("step-000000006.safetensors");
    let good = fs::read(&newest).unwrap();
    let places = (0..good.len()).step_by(good.len() / 60).chain([good.len() - 1]);
    let damages = places.map(|place| {
        let mut bytes = good.clone();
        bytes[place] ^= 1 << (place % 8);
        bytes
    });
    let cuts = [0, 1, 7, 8, 100, good.len() / 2, good.len() - 1].map(|length| good[..length].to_vec());
    for (number, bytes) in damages.chain(cuts).enumerate() {
        fs::write(&newest, bytes).unwrap();
        let mut checkpoints = setting();
        let mut trainer = trainer();
        let run = checkpoints.resume(&mut trainer).unwrap().unwrap();
        assert_eq!(run.step, 5, "damage {number}");
        assert_eq!(checkpoints.damaged().len(), 1);
        let text = checkpoints.damaged()[0].to_string();
        assert!(text.contains("step-000000006.safetensors") && text.len() < 1000, "{text}");
        drop((checkpoints, trainer));
        assert!(path.join("step-000000006.safetensors.damaged").is_file());
        let (mut again, _) = train(&mut setting(), 6);
        assert_eq!(bits(&mut again), expected, "damage {number}");
    }
    // Where nothing is whole that is an error, and the trainer is as it was.
    for name in ["step-000000005.safetensors", "step-000000006.safetensors"] {
        fs::write(path.join(name), b"{}").unwrap();
    }
    let mut fresh = trainer();
    let before = bits(&mut fresh);
    assert!(setting().resume(&mut fresh).is_err());
    assert_eq!(bits(&mut fresh), before);
}

#[test]
fn another_training_is_refused() {
    #[derive(Model)]
    #[model(input = [3])]
    struct Wider {
        fc1: Linear<3, 5>,
        norm: BatchNorm1d<5>,
        fc2: Linear<5, 2>,
    }
    let folder = Folder::new("other");
    let path = folder.path("run");
    train(&mut Checkpoints::new(&path), 4);
    train(&mut Checkpoints::new(&path).every(Every::Steps(1)), 5);
    let text = |found: Result<Option<Run>, CheckpointError>| found.unwrap_err().to_string();
    let mut wider = Trainer::new(Wider::init(1), cross_entropy(), Adam::new(0.01)).batch(4).build().unwrap();
    let error = text(Checkpoints::new(&path).resume(&mut wider));
    for part in ["holds another training", "fc1.weight is F32 [5, 3] here and F32 [4, 3] in the file", "fc2.weight"] {
        assert!(error.contains(part), "{error}");
    }
    let mut sgd = Trainer::new(Tiny::init(1), cross_entropy(), Sgd::new(0.1)).batch(4).build().unwrap();
    let error = text(Checkpoints::new(&path).resume(&mut sgd));
    assert!(error.contains("is in the file alone"), "{error}");
    let adam = Trainer::new(Tiny::init(1), cross_entropy(), Adam::new(0.01)).batch(4).seed(7);
    let error = text(Checkpoints::new(&path).resume(&mut adam.build().unwrap()));
    assert!(error.ends_with("the seed is 7 here and 0 in the file"), "{error}");

    // The file of a model is none of a training.
    let model = path.join("model.safetensors");
    wider.model().save(&model).unwrap();
    let error = wider.load(&model).unwrap_err();
    assert!(matches!(error, CheckpointError::NoTraining { .. }), "{error}");
    assert!(error.to_string().ends_with("`model.load(path)`, before its trainer is built"), "{error}");

    // A new training does not begin where an old one is, nor where another one is at work.
    let mut checkpoints = Checkpoints::new(&path);
    let error = checkpoints.start().unwrap_err().to_string();
    assert!(error.contains("step-000000005.safetensors is a checkpoint of an earlier training"), "{error}");
    let error = text(Checkpoints::new(&path).resume(&mut trainer()));
    assert!(error.starts_with("another training uses "), "{error}");
    drop(checkpoints);
    // What a killed process has left half written goes.
    fs::write(path.join(".kiln-1-1.tmp"), b"half").unwrap();
    Checkpoints::new(&path).resume(&mut trainer()).unwrap();
    assert!(!path.join(".kiln-1-1.tmp").exists());
}

/// How far a training goes whose disk becomes full, or that is killed.
pub const STEPS: u64 = 400;

/// No test: the process whose disk is full. What it trains grows with its history, until no checkpoint has room any more.
#[test]
#[ignore = "a process of the tests"]
fn child_on_a_full_disk() {
    let Some([disk, elsewhere]) = small_disk() else { return };
    let path = disk.as_path();
    let setting = || Checkpoints::new(path).every(Every::Steps(1)).keep(2);
    let mut full = trainer();
    let data = data();
    let error = full.fit(&data).epochs(STEPS / 4).checkpoint(setting()).progress(Progress::Silent).run().unwrap_err();
    assert!(matches!(error, FitError::Checkpoint(CheckpointError::Write { .. })), "{error}");
    // The training went on in memory, and the newest file is whole: with room for others it is gone on from.
    let mut whole = trainer();
    whole.fit(&data).epochs(STEPS / 4).progress(Progress::Silent).run().unwrap();
    assert_eq!(bits(&mut full), bits(&mut whole));
    let (mut resumed, mut checkpoints) = (trainer(), setting());
    let run = checkpoints.resume(&mut resumed).unwrap().unwrap();
    assert!(run.step > 10 && run.step < STEPS && checkpoints.damaged().is_empty(), "step {}", run.step);
    assert!(fs::read_dir(path).unwrap().all(|entry| !entry.unwrap().file_name().to_string_lossy().ends_with(".tmp")));
    drop((resumed, checkpoints));
    let (mut expected, _) = train(&mut Checkpoints::new(elsewhere), run.step);
    let mut resumed = trainer();
    setting().resume(&mut resumed).unwrap();
    assert_eq!(bits(&mut resumed), bits(&mut expected));
    println!("full at step {}", run.step);
}

#[test]
fn a_full_disk_spoils_nothing() {
    let folder = Folder::new("full");
    if let Some(text) = on_small_disk(&folder, 64 << 10, "folders::child_on_a_full_disk") {
        assert!(text.contains("full at step"), "{text}");
    }
}

/// A file of a training that others have written again, without checksums, with one tensor changed: an error that names it,
/// and nothing changes.
#[test]
fn what_a_training_can_not_hold_is_refused() {
    let folder = Folder::new("tampered");
    let (path, changed) = (folder.path("run.safetensors"), folder.path("changed.safetensors"));
    let mut trained = trainer();
    let (x, y) = (data().inputs().clone(), data().targets().clone());
    trained.step(&x.slice(ndarray::s![..4, ..]), &y.slice(ndarray::s![..4])).unwrap();
    trained.save(&path).unwrap();
    type Tensors = std::collections::BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;
    let bytes = fs::read(&path).unwrap();
    let tensors: Tensors = SafeTensors::deserialize(&bytes)
        .unwrap()
        .tensors()
        .into_iter()
        .map(|(name, tensor)| (name, (tensor.dtype(), tensor.shape().to_vec(), tensor.data().to_vec())))
        .collect();
    let load = |change: &dyn Fn(&mut Tensors)| {
        let mut tensors = tensors.clone();
        change(&mut tensors);
        let views = tensors
            .iter()
            .map(|(name, (dtype, shape, bytes))| (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
        fs::write(&changed, serialize(views, None).unwrap()).unwrap();
        let mut trainer = trainer();
        let before = bits(&mut trainer);
        let result = trainer.load(&changed);
        assert_eq!(bits(&mut trainer) == before, result.is_err(), "{result:?}");
        result.map_err(|error| error.to_string())
    };
    load(&|_| ()).unwrap();
    let set = |name: &'static str, bytes: Vec<u8>| {
        move |tensors: &mut Tensors| tensors.get_mut(name).unwrap_or_else(|| panic!("{name}")).2 = bytes.clone()
    };
    let count = "norm.num_batches_tracked";
    load(&set(count, 7i64.to_le_bytes().into())).unwrap();
    // Moments are taken as parameters are.
    load(&set("fc2.bias.exp_avg", [f32::NAN; 2].map(f32::to_le_bytes).concat())).unwrap();
    let f32 = |number: f32| number.to_le_bytes().to_vec();
    type Change<'c> = Box<dyn Fn(&mut Tensors) + 'c>;
    let cases: Vec<(Change<'_>, &str)> = vec![
        (Box::new(set(count, (-1i64).to_le_bytes().into())), "norm.num_batches_tracked is -1, expected a whole number"),
        (
            Box::new(set(count, i64::MIN.to_le_bytes().into())),
            "norm.num_batches_tracked is -9223372036854775808, expected",
        ),
        (Box::new(set("optimizer.step", f32(-1.0))), "optimizer.step is -1, expected a whole number"),
        (Box::new(set("optimizer.step", f32(0.5))), "optimizer.step is 0.5, expected"),
        (Box::new(set("optimizer.step", f32(f32::NAN))), "optimizer.step is NaN, expected"),
        (Box::new(set("optimizer.lr", f32(f32::NAN))), "optimizer.lr is NaN"),
        (Box::new(|tensors| _ = tensors.remove("fc1.weight.exp_avg")), "fc1.weight.exp_avg is not in the file"),
        (Box::new(|tensors| _ = tensors.remove("fc1.bias")), "fc1.bias is not in the file"),
        (
            Box::new(|tensors| _ = tensors.insert("more".to_owned(), (Dtype::F32, vec![], vec![0; 4]))),
            "more is in the file alone",
        ),
        (
            Box::new(|tensors| _ = tensors.insert("fc2.bias".to_owned(), (Dtype::F32, vec![1], vec![0; 4]))),
            "fc2.bias is F32 [2] here and F32 [1] in the file",
        ),
        (
            Box::new(|tensors| _ = tensors.insert("fc2.bias".to_owned(), (Dtype::F16, vec![2], vec![0; 4]))),
            "fc2.bias is F32 [2] here and F16 [2] in the file",
        ),
    ];
    for (change, expected) in cases {
        let error = load(&change).unwrap_err();
        assert!(error.contains(expected), "{error}, not {expected}");
    }
}
