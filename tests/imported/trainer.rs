//! `OnnxTrainer`: a model that is known when the program runs learns as the same one does that is declared; heads,
//! groups, statistics of batches, files, mistakes.

use kiln::onnx::{OnnxArray, OnnxExport, OnnxModel, OnnxPredictor, OnnxTrainer};
use kiln::optimizers::Select;
use kiln::prelude::*;
use ndarray::{Array1, Array2, Array4};

use crate::folder::Folder;

model! {
    struct Normed {
        conv: Conv2d(1, 4, 3, padding = 1, bias = false),
        bn: BatchNorm2d(4),
        fc: Linear(4, 3),
    }

    fn forward(x: [N, 1, 6, 6]) -> [N, 3] {
        fc(bn(conv(x)).relu().mean((2, 3)))
    }
}

fn batch(rows: usize) -> (Array4<f32>, Array1<i32>) {
    let x = Array4::from_shape_fn((rows, 1, 6, 6), |(n, _, y, x)| ((n * 17 + y * 5 + x * 3) % 13) as f32 / 13.0);
    (x, Array1::from_shape_fn(rows, |n| (n % 3) as i32))
}

/// A file of `Normed`, for ONNX Runtime as for Kiln.
fn file(folder: &Folder) -> std::path::PathBuf {
    let path = folder.path("normed.onnx");
    Normed::init(3).export_onnx(&path).unwrap();
    path
}

fn parameter(model: &OnnxModel, name: &str) -> Vec<f32> {
    let (_, parameter) = model.parameters().find(|(own, _)| *own == name).unwrap();
    parameter.value.iter().copied().collect()
}

#[test]
fn batch_statistics_are_those_of_the_layer() {
    let folder = Folder::new("statistics");
    let path = file(&folder);
    let (x, y) = batch(8);
    let mut declared =
        Trainer::new(Normed::init(3), cross_entropy(), Sgd::new(0.1)).batch(8).threads(1).build().unwrap();
    let trainer = |of_batch: bool| {
        let mut model = OnnxModel::load(&path).unwrap();
        model.set_batch_statistics(of_batch).unwrap();
        let name = model.outputs()[0].clone();
        let builder = OnnxTrainer::new(model, Sgd::new(0.1)).loss(name.clone(), cross_entropy());
        (builder.batch(8).threads(1).build().unwrap(), name)
    };
    let ((mut imported, name), (mut fixed, _)) = (trainer(true), trainer(false));
    for step in 0..5 {
        let expected = declared.step(&x, &y).unwrap();
        let found = imported.given("x", &x).unwrap().target(&name, &y).unwrap().step().unwrap();
        // The same arithmetic; only the order of the nodes in the graph may differ.
        assert!((expected - found).abs() < 1e-5, "step {step}: {expected} {found}");
        fixed.given("x", &x).unwrap().target(&name, &y).unwrap().step().unwrap();
    }
    let mean = declared.model().bn.running_mean().unwrap().value.to_owned();
    let found = parameter(imported.model(), "bn.running_mean");
    assert!(mean.iter().zip(&found).all(|(a, b)| (a - b).abs() < 1e-5), "{mean} {found:?}");
    assert!(found.iter().any(|mean| *mean != 0.0));
    assert!(parameter(fixed.model(), "bn.running_mean").iter().all(|mean| *mean == 0.0), "as the file has them");
    // What is predicted is what the layer predicts.
    let expected = declared.predict(&x).unwrap();
    let found = imported.given("x", &x).unwrap().run().unwrap();
    let difference = (found.numbers(&name).unwrap() - &expected).mapv(f32::abs);
    assert!(difference.iter().all(|x| *x < 1e-5), "{difference}");
}

#[test]
fn a_new_head_learns_first_alone_and_then_with_the_rest() {
    let folder = Folder::new("head");
    let (x, y) = batch(8);
    let mut model = OnnxModel::load(file(&folder)).unwrap();
    let features = model.outputs()[0].clone();
    let refused = model.clone().with_head("conv.weight", &features, 2, 0).unwrap_err();
    assert_eq!(refused.to_string(), "head `conv.weight`: the name is taken");
    model = model.with_head("head", &features, 3, 0).unwrap();
    assert_eq!(model.outputs(), ["head"]);
    model.set_trained(|name| name.starts_with("head"));
    let before = parameter(&model, "conv.weight");
    let build = |model: OnnxModel, optimizer: Adam| {
        OnnxTrainer::new(model, optimizer).loss("head", cross_entropy()).batch(8).threads(1).build().unwrap()
    };
    let train = |trainer: &mut OnnxTrainer, steps: usize| {
        let step = |_| trainer.given("x", &x).unwrap().target("head", &y).unwrap().step().unwrap();
        (0..steps).map(step).collect::<Vec<f32>>()
    };
    let mut trainer = build(model, Adam::new(0.02));
    let frozen = train(&mut trainer, 40);
    assert!(frozen[39] < frozen[0], "{frozen:?}");
    let mut model = trainer.into_model();
    assert_eq!(parameter(&model, "conv.weight"), before, "it was frozen");
    model.set_trained(|_| true);
    // The old layers at a tenth of the head's rate.
    let slow = Select::by(|name, _| !name.starts_with("head"));
    let mut trainer = build(model, Adam::new(0.02).group(slow, |rule| rule.lr(0.002)));
    let free = train(&mut trainer, 40);
    assert!(free[39] < frozen[39], "{free:?}");
    let evaluated = trainer.given("x", &x).unwrap().target("head", &y).unwrap().loss().unwrap();
    let predicted = trainer.given("x", &x).unwrap().run().unwrap();
    assert!((evaluated - train(&mut trainer, 1)[0]).abs() < 1e-5, "the statistics are the file's in both");
    // On from a file, and as an ONNX file of its own.
    let (checkpoint, path) = (folder.path("run.safetensors"), folder.path("tuned.onnx"));
    trainer.save(&checkpoint).unwrap();
    let next = train(&mut trainer, 2);
    trainer.load(&checkpoint).unwrap();
    assert_eq!(train(&mut trainer, 2), next);
    trainer.load(&checkpoint).unwrap();
    OnnxExport::of_onnx(trainer.model()).unwrap().save(&path).unwrap();
    let now = trainer.given("x", &x).unwrap().run().unwrap();
    let predictor = OnnxPredictor::new(OnnxModel::load(&path).unwrap()).threads(1).build().unwrap();
    let again = predictor.given("x", &x).unwrap().run().unwrap();
    let difference = (again.numbers("head").unwrap() - now.numbers("head").unwrap()).mapv(f32::abs);
    assert!(difference.iter().all(|x| *x < 1e-4), "{difference}");
    assert!(matches!(predicted.get("head").unwrap(), OnnxArray::F32(array) if array.shape() == [8, 3]));
}

#[test]
fn averages_take_the_place_of_the_parameters_where_they_are_asked_for() {
    let folder = Folder::new("trainer-averages");
    let model = OnnxModel::load(file(&folder)).unwrap();
    let name = model.outputs()[0].clone();
    let rule = Sgd::new(0.5).ema(0.9);
    let mut trainer =
        OnnxTrainer::new(model, rule).loss(name.clone(), cross_entropy()).batch(8).threads(1).build().unwrap();
    let (x, y) = batch(8);
    for _ in 0..5 {
        trainer.given("x", &x).unwrap().target(&name, &y).unwrap().step().unwrap();
    }
    let seen = [false, true].map(|averaged| {
        trainer.use_averaged(averaged).unwrap();
        let loss = trainer.given("x", &x).unwrap().target(&name, &y).unwrap().loss().unwrap();
        let scores = trainer.given("x", &x).unwrap().run().unwrap().numbers(&name).unwrap().clone();
        // What is predicted is what the model of that kind predicts.
        let predictor = OnnxPredictor::new(trainer.model().clone()).threads(1).build().unwrap();
        let again = predictor.given("x", &x).unwrap().run().unwrap().numbers(&name).unwrap().clone();
        assert!((&again - &scores).iter().all(|difference| difference.abs() < 1e-5), "averaged: {averaged}");
        (loss, scores)
    });
    assert_ne!(seen[0].0, seen[1].0);
    assert_ne!(seen[0].1, seen[1].1);
    // Without averages they are refused.
    let model = trainer.into_model();
    let mut trainer = OnnxTrainer::new(model, Sgd::new(0.5)).loss(name, cross_entropy()).threads(1).build().unwrap();
    assert!(trainer.use_averaged(true).unwrap_err().to_string().contains("ema"));
}

#[test]
fn mistakes_name_the_input_the_output_or_the_target() {
    let folder = Folder::new("trainer-mistakes");
    let path = file(&folder);
    let load = || OnnxModel::load(&path).unwrap();
    let name = load().outputs()[0].clone();
    let unknown = OnnxTrainer::new(load(), Sgd::new(0.1)).loss("y", mse()).threads(1).build().err().unwrap();
    assert_eq!(unknown.to_string(), format!("the model has no output `y`; it has `{name}`"));
    let none = OnnxTrainer::new(load(), Sgd::new(0.1)).threads(1).build().err().unwrap();
    assert!(none.to_string().contains("loss"), "{none}");
    let mut trainer = OnnxTrainer::new(load(), Sgd::new(0.1))
        .loss(name.clone(), cross_entropy())
        .batch(4)
        .threads(1)
        .build()
        .unwrap();
    let (x, y) = batch(4);
    let said = |result: Result<f32, kiln::onnx::OnnxRunError>| result.unwrap_err().to_string();
    let missing = said(trainer.given("x", &x).unwrap().step());
    assert_eq!(missing, format!("the loss of output `{name}` was not given its target: i32[4]"));
    let wrong = said(trainer.given("x", &x).unwrap().target(&name, &Array2::<f32>::zeros((4, 3))).unwrap().step());
    let expected = format!("the loss of output `{name}` takes a target of i32[4], but what was given is f32[4, 3]");
    assert_eq!(wrong, expected);
    let label = said(trainer.given("x", &x).unwrap().target(&name, &(&y + 3)).unwrap().step());
    assert!(label.contains('3'), "{label}");
    let (more, labels) = batch(5);
    let large = said(trainer.given("x", &more).unwrap().target(&name, &labels).unwrap().step());
    assert!(large.contains('5') && large.contains('4'), "{large}");
    // Statistics of batches, where no node has any.
    let mut digits = OnnxModel::load("examples/data/digits.onnx").unwrap();
    let none = digits.set_batch_statistics(true).unwrap_err().to_string();
    assert!(none.contains("no node is a BatchNormalization"), "{none}");
    digits.set_batch_statistics(false).unwrap();
    // An evaluation takes any number, and all is as it was.
    assert!(trainer.given("x", &more).unwrap().target(&name, &labels).unwrap().loss().unwrap().is_finite());
    assert!(trainer.given("x", &x).unwrap().target(&name, &y).unwrap().step().unwrap().is_finite());
}

model! {
    struct Summed {
        fc: Linear(4, 3),
    }

    eval total(x: [N, 4]) -> sums {
        let sums = fc(x).sum(0);
    }
}

/// Parts of rows could not be put together.
#[test]
fn outputs_without_rows_are_no_independent_rows() {
    let folder = Folder::new("trainer-no-rows");
    let path = folder.path("summed.onnx");
    OnnxExport::of_eval(&Summed::init(3), "total").unwrap().save(&path).unwrap();
    let builder = |independent: bool| {
        let model = OnnxModel::load(&path).unwrap();
        let name = model.outputs()[0].clone();
        OnnxTrainer::new(model, Sgd::new(0.1))
            .loss(name, l1())
            .batch(2)
            .threads(1)
            .independent_rows(independent)
            .build()
    };
    let error = builder(true).err().unwrap().to_string();
    assert_eq!(error, "output `sums` has shape [3] for 2 samples, and no row for each: leave out `independent_rows`");
    assert!(!builder(false).err().is_some_and(|error| error.to_string().contains("independent_rows")));
}

/// Many samples of independent rows are computed in parts of the batch, and what comes of them is that of all.
#[test]
fn many_samples_are_computed_in_parts() {
    let folder = Folder::new("trainer-parts");
    let path = file(&folder);
    let name = OnnxModel::load(&path).unwrap().outputs()[0].clone();
    let (x, y) = batch(23);
    let [parts, whole] = [4, 23].map(|batch| {
        let model = OnnxModel::load(&path).unwrap();
        let loss = cross_entropy().ignore_index(2);
        let builder = OnnxTrainer::new(model, Sgd::new(0.1)).loss(name.clone(), loss).batch(batch).threads(1);
        let builder = builder.independent_rows(true);
        let mut trainer = builder.build().unwrap();
        let loss = trainer.given("x", &x).unwrap().target(&name, &y).unwrap().loss().unwrap();
        (loss, trainer.given("x", &x).unwrap().run().unwrap().numbers(&name).unwrap().clone())
    });
    // Sums of 23 numbers in another order; each row is computed alone.
    assert!((parts.0 - whole.0).abs() < 1e-5 * whole.0, "{} {}", parts.0, whole.0);
    assert_eq!(parts.1.shape(), whole.1.shape());
    assert!((&parts.1 - &whole.1).iter().all(|difference| difference.abs() < 1e-5));
}
