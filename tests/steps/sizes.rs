//! Programs of many batch sizes: one arena, a bounded number of them, an upper limit, and results that are those of a program
//! that has run alone.

use kiln::graph::{Init, Parameters};
use kiln::prelude::*;
use ndarray::{Array2, Array4, ArrayD, Axis, Slice};

model! {
    #[derive(Clone)]
    #[model(input = [3, 8, 8])]
    pub struct Images {
        conv: Conv2d(3, 16, 3, padding = 1),
        norm: BatchNorm2d(16),
        act: ReLU,
        pool: AdaptiveAvgPool2d(2),
        flatten: Flatten,
        fc: Linear(64, 5),
    }
}

fn images(rows: usize, seed: usize) -> Array4<f32> {
    Array4::from_shape_fn((rows, 3, 8, 8), |(n, c, i, j)| ((seed + 97 * n + 31 * c + 7 * i + j) as f32).sin())
}

fn labels(rows: usize) -> Vec<i32> {
    (0..rows as i32).map(|n| n % 5).collect()
}

/// A pseudo-random order of numbers from 1 to 16.
fn sizes(count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(|n| 1 + (n * n * 5 + n * 3) % 16)
}

fn bits(model: &impl Parameters) -> Vec<u32> {
    let mut all = Vec::new();
    model.each_parameter(&mut |_, parameter| all.extend(parameter.value.iter().map(|value| value.to_bits())));
    all
}

/// Steps, evaluations and predictions of all sizes by turns: the same bits however many programs are kept and on however many
/// threads, and predictions as those of a predictor that does nothing else.
#[test]
fn programs_by_turns_compute_what_they_compute_alone() {
    let run = |cached: usize, threads: usize, alone: bool| {
        let trainer = Trainer::new(Images::init(1), cross_entropy(), Adam::default());
        let mut trainer = trainer.batch(16).threads(threads).cached_programs(cached).build().unwrap();
        let mut results: Vec<u32> = Vec::new();
        for (number, rows) in sizes(5).enumerate() {
            let (x, y) = (images(rows, number), labels(rows));
            results.push(trainer.step(&x, &y).unwrap().to_bits());
            // Twice, so that what is kept is used; with another program in between.
            let first = trainer.predict(&x).unwrap();
            assert_eq!(trainer.predict(&x).unwrap(), first);
            results.push(trainer.evaluate(&x, &y).unwrap().loss.to_bits());
            assert_eq!(trainer.predict(&x).unwrap(), first);
            if alone {
                let alone = Predictor::new(trainer.model().clone()).batch(rows).threads(1).build().unwrap();
                let expected = alone.predict(&x).unwrap();
                let close = |(found, expected): (&f32, &f32)| (found - expected).abs() < 1e-5 * expected.abs().max(1.0);
                assert!(first.iter().zip(&expected).all(close), "{rows} rows: {first}, not {expected}");
            }
            results.extend(first.iter().map(|value| value.to_bits()));
        }
        results.extend(bits(trainer.model()));
        results
    };
    let all = run(100, 1, true);
    for (cached, threads) in [(0, 1), (3, 2)] {
        assert_eq!(run(cached, threads, false), all, "{cached} kept, {threads} threads");
    }
}

model! {
    struct Labelled {
        fc: Linear(4, 6),
        norm: BatchNorm1d(6),
        out: Linear(6, 3),
        opt: Adam((fc, norm, out)),
    }

    step fit(x: [N, 4], labels: [N; i32]) -> (loss, scores) {
        let scores = out(norm(fc(x)).tanh());
        let loss = cross_entropy(scores, labels);
        opt.minimize(loss);
    }

    eval scores(x: [N, 4]) -> scores {
        let scores = out(norm(fc(x)).tanh());
    }
}

fn rows(count: usize) -> Array2<f32> {
    Array2::from_shape_fn((count, 4), |(n, i)| ((3 * n + i) as f32).cos())
}

#[test]
fn steps_by_turns_compute_what_they_compute_alone() {
    let run = |cached: usize, threads: usize| {
        let mut model = Labelled::init(1).trainer().batch(16).threads(threads).cached_programs(cached).build().unwrap();
        let mut results: Vec<ArrayD<f32>> = Vec::new();
        for count in sizes(8).map(|count| count.max(2)) {
            let x = rows(count);
            results.push(model.fit(&x, &labels(count).iter().map(|n| n % 3).collect::<Vec<_>>()).unwrap().1);
            let scores = model.scores(&x).unwrap();
            // In evaluation each row is by itself.
            let part = model.scores(&x.slice_axis(Axis(0), Slice::from(..count / 2))).unwrap();
            let whole = scores.slice_axis(Axis(0), Slice::from(..count / 2)).to_owned();
            assert!(part.iter().zip(&whole).all(|(a, b)| (a - b).abs() < 1e-5), "{count} rows: {part}, not {whole}");
            results.push(scores);
        }
        results
    };
    let all = run(100, 1);
    for (cached, threads) in [(0, 1), (2, 1), (5, 2)] {
        assert_eq!(run(cached, threads), all, "{cached} kept, {threads} threads");
    }
}

#[test]
fn a_call_has_at_most_as_many_samples_as_the_trainer_was_built_for() {
    let mut model = Labelled::init(1).trainer().batch(8).threads(1).build().unwrap();
    let before = bits(model.model());
    for count in [9, 10, 2000] {
        let message =
            format!("a step takes at most 8 samples, but got {count}; build the trainer with .batch({count})");
        let targets = vec![0; count];
        for error in [model.fit(&rows(count), &targets).err(), model.scores(&rows(count)).err()] {
            assert_eq!(error.map(|error| error.to_string()), Some(message.clone()));
        }
    }
    assert_eq!(bits(model.model()), before);
    model.fit(&rows(8), &[0; 8]).unwrap();
    model.scores(&rows(1)).unwrap();
}

/// A program that can not do with one sample is no reason not to build the others.
#[test]
fn what_one_sample_is_not_enough_for_is_an_error_of_that_program() {
    let mut model = Labelled::init(1).trainer().batch(1).threads(1).build().unwrap();
    assert_eq!(model.scores(&rows(1)).unwrap().shape(), [1, 3]);
    let messages = [
        model.fit(&rows(1), &[0]).unwrap_err().to_string(),
        model.plan("fit").unwrap_err().to_string(),
        model.profile("fit").unwrap_err().to_string(),
    ];
    for message in messages {
        assert!(message.contains("layer norm") && message.contains("two or more values"), "{message}");
    }
    assert_eq!(model.scores(&rows(1)).unwrap().shape(), [1, 3]);
    assert!(model.plan("scores").is_ok());
}

model! {
    struct OnlyTraining { norm: BatchNorm1d(4), opt: Sgd(norm, lr = 0.1) }

    step fit(x: [N, 4]) -> loss {
        let loss = norm(x).square().mean();
        opt.minimize(loss);
    }
}

#[test]
fn a_model_none_of_whose_programs_does_is_an_error_of_the_builder() {
    let error = OnlyTraining::init(1).trainer().batch(1).build().expect_err("nothing to call");
    assert!(error.to_string().contains("two or more values"), "{error}");
}

/// Parameters of other shapes than declared: an error of whoever takes the model, which names the parameter and both shapes.
#[test]
fn parameters_of_other_shapes_are_refused_by_name() {
    type Spoil = fn(&mut Images);
    let cases: [(Spoil, &str, &str, &[usize]); 4] = [
        (|m| m.fc.weight.value = Array2::ones((5, 63)).into_dyn().into(), "fc.weight", "[5, 64]", &[5, 63]),
        (|m| m.fc.weight.value = Array2::ones((64, 5)).into_dyn().into(), "fc.weight", "[5, 64]", &[64, 5]),
        (|m| m.conv.bias.as_mut().unwrap().value = ArrayD::zeros(vec![]).into(), "conv.bias", "[16]", &[]),
        (|m| m.conv.weight.value = ArrayD::zeros(vec![16, 3, 3]).into(), "conv.weight", "[16, 3, 3, 3]", &[16, 3, 3]),
    ];
    for (spoil, name, expected, found) in cases {
        let model = || {
            let mut model = Images::init(0);
            spoil(&mut model);
            model
        };
        let message = format!(
            "parameter `{name}` should have the shape {expected}, as its layer declares, but its value has the shape {found:?}"
        );
        let errors = [
            Predictor::new(model()).build().err().map(|error| error.to_string()),
            Predictor::new(model()).quantize(&images(4, 0)).err().map(|error| error.to_string()),
            Trainer::new(model(), cross_entropy(), Sgd::new(0.1)).build().err().map(|error| error.to_string()),
            model().save("is not written.safetensors").err().map(|error| error.to_string()),
        ];
        for error in errors {
            assert_eq!(error.as_ref(), Some(&message));
        }
        // A file mends it.
        let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shapes-{}.safetensors", name));
        Images::init(7).save(&file).unwrap();
        let mut mended = model();
        mended.load(&file).unwrap();
        assert_eq!(bits(&mended), bits(&Images::init(7)));
    }
    let mut labelled = Labelled::init(0);
    labelled.out.bias.as_mut().unwrap().value = ArrayD::zeros(vec![4]).into();
    let error = labelled.trainer().build().err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.starts_with("parameter `out.bias` should have the shape [3]"), "{error}");
}

#[test]
fn parameters_are_set_from_arrays_of_any_layout_and_of_their_shape() {
    let mut model = Images::init(0);
    let weight = Array2::from_shape_fn((64, 5), |(i, j)| (i * 5 + j) as f32);
    model.fc.weight.set(&weight.t()).unwrap();
    model.fc.bias.set(&ndarray::array![1.0, 2.0, 3.0, 4.0, 5.0].into_dyn()).unwrap();
    assert_eq!(model.fc.weight.value, weight.t().into_dyn());
    let before = bits(&model);
    let message = model.fc.weight.set(&weight).unwrap_err().to_string();
    assert_eq!(message, "the parameter has the shape [5, 64], but the array has the shape [64, 5]");
    let message = model.conv.bias.set(&ndarray::arr0(1.0)).unwrap_err().to_string();
    assert_eq!(message, "the parameter has the shape [16], but the array has the shape []");
    assert_eq!(bits(&model), before);
    let mut without =
        kiln::layers::Linear::<2, 2>::new(kiln::layers::LinearSettings::new().bias(false), &mut Init::new(0));
    assert_eq!(without.bias.set(&ndarray::array![1.0, 2.0]), Err(ParameterError::Absent));
    let predictor = Predictor::new(model).batch(2).threads(1).build().unwrap();
    assert_eq!(bits(predictor.model()), before);
}
