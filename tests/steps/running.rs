//! Programs at run time: what is frozen, rates, batch sizes, threads, files, mistakes.

use kiln::prelude::*;
use ndarray::{Array1, Array2, Array4};

use crate::folder::Folder;

model! {
    #[model(input = [8])]
    struct Generator(Linear(8, 64, bias = false), BatchNorm1d(64), ReLU, Linear(64, 16), Tanh);
}

model! {
    #[model(input = [16])]
    struct Discriminator(Linear(16, 32), LeakyReLU(0.2), Linear(32, 1));
}

model! {
    struct Gan {
        generator: Generator,
        discriminator: Discriminator,
        opt_g: Adam(generator, lr = 2e-3, betas = (0.5, 0.999)),
        opt_d: Adam(discriminator, lr = 2e-3, betas = (0.5, 0.999)),
    }

    step update_d(real: [N, 16], z: [N, 8]) -> loss {
        let fake = generator(z).detach();
        let loss = bce_with_logits(discriminator(real), 1.0) + bce_with_logits(discriminator(fake), 0.0);
        opt_d.minimize(loss);
    }

    step update_d_alone(real: [N, 16], fake: [N, 16]) -> loss {
        let loss = bce_with_logits(discriminator(real), 1.0) + bce_with_logits(discriminator(fake), 0.0);
        opt_d.minimize(loss);
    }

    step update_g(z: [N, 8]) -> loss {
        let loss = bce_with_logits(discriminator(generator(z)), 1.0);
        opt_g.minimize(loss);
    }

    // As a step that changes nothing: the generator normalizes by the batch.
    step sample_in_training(z: [N, 8]) -> image {
        let image = generator(z);
    }

    eval sample(z: [N, 8]) -> image {
        let image = generator(z);
    }
}

fn batch<const C: usize>(rows: usize, seed: f32) -> Array2<f32> {
    Array2::from_shape_fn((rows, C), |(i, j)| ((i * C + j) as f32 + seed).sin())
}

fn parameters(model: &impl Parameters) -> Vec<(String, Vec<u32>)> {
    let mut all = Vec::new();
    model.each_parameter(&mut |name, parameter| {
        all.push((name.to_string(), parameter.value.iter().map(|value| value.to_bits()).collect()));
    });
    all
}

#[test]
fn a_detached_generator_costs_its_forward_pass_only() {
    let gan = Gan::init(1).trainer().batch(32).threads(1).build().unwrap();
    let flops = |program| gan.plan(program).unwrap().flops();
    assert_eq!(flops("update_d"), flops("update_d_alone") + flops("sample_in_training"));
    // The text of the plan: each kernel of the generator is one that its forward pass has, too.
    let kernels = |program| {
        let text = gan.plan(program).unwrap().to_string();
        text.lines().filter(|line| line.contains(" generator.") && line.contains("[kernel")).count()
    };
    assert_eq!(kernels("update_d"), kernels("sample_in_training"));
    assert!(kernels("update_g") > kernels("update_d"));
}

#[test]
fn an_optimizer_changes_its_own_part_only() {
    let mut gan = Gan::init(1).trainer().batch(8).threads(1).build().unwrap();
    let mut check = |part: &str, step: &dyn Fn(&mut GanTrainer) -> f32| {
        let before = parameters(gan.model());
        step(&mut gan);
        for ((name, before), (_, after)) in before.iter().zip(&parameters(gan.model())) {
            // The generator's running statistics follow every pass in training mode.
            let statistics = name.starts_with("generator.1.") && !name.ends_with("weight") && !name.ends_with("bias");
            assert_eq!(before != after, name.starts_with(part) || statistics, "{name}");
        }
    };
    check("discriminator", &|gan| gan.update_d(&batch::<16>(8, 0.0), &batch::<8>(8, 9.0)).unwrap());
    check("generator", &|gan| gan.update_g(&batch::<8>(8, 9.0)).unwrap());
}

#[test]
fn results_have_the_same_bits_for_any_number_of_threads() {
    let run = |threads| {
        let mut gan = Gan::init(1).trainer().batch(64).threads(threads).build().unwrap();
        for step in 0..3 {
            gan.update_d(&batch::<16>(64, step as f32), &batch::<8>(64, 7.0)).unwrap();
            gan.update_g(&batch::<8>(64, step as f32)).unwrap();
        }
        parameters(&gan.into_model())
    };
    assert_eq!(run(1), run(2));
    assert_eq!(run(1), run(3));
}

#[test]
fn other_batch_sizes_share_parameters_and_states() {
    let mut gan = Gan::init(1).trainer().batch(20).threads(1).build().unwrap();
    for rows in [8, 3, 20, 8] {
        gan.update_d(&batch::<16>(rows, 1.0), &batch::<8>(rows, 2.0)).unwrap();
    }
    assert_eq!(gan.sample(&batch::<8>(5, 1.0)).unwrap().shape(), [5, 16]);
}

#[test]
fn evaluation_takes_the_running_statistics() {
    let mut gan = Gan::init(1).trainer().batch(8).threads(1).build().unwrap();
    let z = batch::<8>(8, 1.0);
    let (training, before) = (gan.sample_in_training(&z).unwrap(), gan.sample(&z).unwrap());
    assert_ne!(training, before);
    for _ in 0..200 {
        gan.sample_in_training(&z).unwrap();
    }
    // The running variance is the unbiased one.
    let close = training.iter().zip(&gan.sample(&z).unwrap()).all(|(a, b)| (a - b).abs() < 0.1);
    assert!(close);
}

#[test]
fn rates_are_set_by_the_name_of_the_optimizer() {
    let mut gan = Gan::init(1).trainer().batch(8).threads(1).build().unwrap();
    assert_eq!(gan.learning_rate("opt_g").unwrap(), Some(2e-3));
    gan.set_learning_rate("opt_d", 0.0).unwrap();
    let before = parameters(gan.model());
    gan.update_d(&batch::<16>(8, 1.0), &batch::<8>(8, 2.0)).unwrap();
    let discriminator = |all: Vec<(String, Vec<u32>)>| -> Vec<_> {
        all.into_iter().filter(|(name, _)| name.starts_with("discriminator")).collect()
    };
    assert_eq!(discriminator(before), discriminator(parameters(gan.model())));
    assert_eq!(gan.learning_rate("opt_g").unwrap(), Some(2e-3));
    let message = gan.set_learning_rate("opt", 1.0).unwrap_err().to_string();
    assert_eq!(message, "there is no optimizer `opt`: the model has `opt_g`, `opt_d`");
    let message = gan.set_learning_rate("opt_g", -1.0).unwrap_err().to_string();
    assert_eq!(message, "the learning rate should be a finite number of at least 0, but is -1");
    let message = gan.plan("update").unwrap_err().to_string();
    assert!(message.starts_with("there is no program `update`: the model has `update_d`, "), "{message}");
}

#[test]
fn models_are_saved_and_loaded_by_the_names_of_their_parts() {
    let folder = Folder::new("steps");
    let file = folder.path("gan.safetensors");
    let mut gan = Gan::init(1).trainer().batch(8).build().unwrap();
    gan.update_d(&batch::<16>(8, 1.0), &batch::<8>(8, 2.0)).unwrap();
    gan.model().save(&file).unwrap();
    let mut other = Gan::init(2);
    other.load(&file).unwrap();
    let saved = parameters(&other);
    assert_eq!(saved, parameters(gan.model()));
    assert_eq!(saved[0].0, "generator.0.weight");
}

model! {
    struct Classifier {
        fc: Linear(4, 3),
        opt: Sgd(fc, lr = 0.5, momentum = 0.9),
    }

    step update(x: [N, 4], labels: [N; i32]) -> (loss, scores) {
        let scores = fc(x);
        let loss = cross_entropy(scores, labels, label_smoothing = 0.1);
        opt.minimize(loss);
    }
}

#[test]
fn labels_are_integers_of_any_type() {
    let mut classifier = Classifier::init(1).trainer().batch(6).check_finite(true).build().unwrap();
    let x = batch::<4>(6, 1.0);
    let first = classifier.update(&x, &[0, 1, 2, 0, 1, 2]).unwrap().0;
    for _ in 0..100 {
        classifier.update(&x, &Array1::from_vec(vec![0u8, 1, 2, 0, 1, 2])).unwrap();
    }
    let (last, scores) = classifier.update(&x, &vec![0i64, 1, 2, 0, 1, 2]).unwrap();
    assert!(last < first);
    assert_eq!(scores.shape(), [6, 3]);
}

#[test]
fn wrong_inputs_are_errors_that_name_them() {
    let mut gan = Gan::init(1).trainer().batch(8).check_finite(true).build().unwrap();
    let mut classifier = Classifier::init(1).trainer().batch(8).build().unwrap();
    let (real, z) = (batch::<16>(8, 1.0), batch::<8>(8, 2.0));
    let before = parameters(gan.model());
    let mut broken = z.clone();
    broken[[3, 1]] = f32::NAN;
    let cases = [
        (gan.update_d(&z, &z), "`update_d` takes `real` of the shape [N, 16], but got the shape [8, 8]"),
        (
            gan.update_d(&real, &Array4::<f32>::zeros((8, 8, 1, 1))),
            "`update_d` takes `z` of the shape [N, 8], but got the shape [8, 8, 1, 1]",
        ),
        (
            gan.update_d(&real, &batch::<8>(7, 1.0)),
            "all inputs of `update_d` have the same number of samples: the first has 8, but `z` has 7",
        ),
        (gan.update_g(&batch::<8>(0, 1.0)), "there is no sample: the input has the shape [0, 8]"),
        (gan.update_d(&real, &broken), "the z holds NaN at [3, 1]; expected finite numbers"),
        (
            classifier.update(&batch::<4>(2, 1.0), &[0, 3]).map(|results| results.0),
            "input `labels`: label 3 at [1] is out of range: the model has 3 classes, 0 to 2",
        ),
        (
            classifier.update(&batch::<4>(2, 1.0), &[0]).map(|results| results.0),
            "all inputs of `update` have the same number of samples: the first has 2, but `labels` has 1",
        ),
    ];
    for (result, expected) in cases {
        assert_eq!(result.map_err(|error| error.to_string()), Err(expected.to_string()));
    }
    assert_eq!(before, parameters(gan.model()));
    let zero = Gan::init(1).trainer().batch(0).build();
    assert!(matches!(zero.err(), Some(TrainError::Zero { setting: "batch" })));
}

const HALF: f32 = 0.5;

model! {
    struct Filled {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], k: [N, 4; i32]) -> [N, 4] {
        fc(x) + k.masked_fill(x > 0, HALF as f64).float()
    }
}

model! {
    struct Filling {
        #[allow(deprecated)]
        fc: Linear(4, 4),
    }

    eval like(k: [N, 4; i32]) -> y {
        let y = full_like(k, HALF as f64);
    }
}

model! {
    struct Placing {
        #[allow(deprecated)]
        fc: Linear(4, 4),
    }

    eval put(k: [N, 4; i32]) -> y {
        let y = k.index_fill(1, arange(2), HALF as f64);
    }
}

model! {
    struct Padding {
        #[allow(deprecated)]
        fc: Linear(4, 4),
    }

    eval wider(k: [N, 4; i32]) -> y {
        let y = k.pad([1, 1], value = HALF as f64);
    }
}

/// What rustc does not see is seen when it is built.
#[test]
fn whole_numbers_meet_no_fractions() {
    let expected = "i32: whole numbers meet a number with a fraction: `.float()` makes f32 of them";
    assert_eq!(Predictor::new(Filled::init(1)).build().unwrap_err().to_string(), expected);
    let errors = [
        Filling::init(1).trainer().batch(2).build().err(),
        Placing::init(1).trainer().batch(2).build().err(),
        Padding::init(1).trainer().batch(2).build().err(),
    ];
    for error in errors {
        assert!(error.unwrap().to_string().ends_with(expected));
    }
}

model! {
    #[model(input = [64])]
    struct Deep(
        Linear(64, 64), BatchNorm1d(64), Tanh, Linear(64, 64), BatchNorm1d(64), Tanh, Linear(64, 64), BatchNorm1d(64), Tanh,
        Linear(64, 64), BatchNorm1d(64), Tanh, Linear(64, 8),
    );
}

model! {
    struct Evaluated {
        deep: Deep,
        opt: Sgd(deep),
    }

    step update(x: [N, 64], y: [N, 8]) -> loss {
        let loss = mse(deep(x), y);
        opt.minimize(loss);
    }

    eval test(x: [N, 64], y: [N, 8]) -> loss {
        let loss = mse(deep(x), y);
    }
}

#[test]
fn an_evaluation_keeps_nothing_for_a_backward_pass() {
    let model = Evaluated::init(1).trainer().batch(256).threads(1).build().unwrap();
    let arena = |program| model.plan(program).unwrap().arena_bytes;
    let (update, test) = (arena("update"), arena("test"));
    assert!(2 * test <= update, "{test} bytes against {update}");
}

model! {
    struct Slots {
        #[allow(deprecated)]
        slots: Embedding(2, 4),
        fc: Linear(4, 4),
        opt: Sgd(fc),
    }

    step fit(x: [N, 4]) -> (loss, y) {
        let y = fc(x) + slots(arange(N));
        let loss = y.square().mean();
        opt.minimize(loss);
    }
}

/// What is looked at to put the results of shards together is not run: a table may have exactly the rows of a shard.
#[test]
fn a_table_has_the_rows_of_a_shard() {
    let build = |batch: usize| Slots::init(1).trainer().batch(batch).shards(2).threads(1).build();
    let (_, y) = build(4).unwrap().fit(&Array2::ones((4, 4))).unwrap();
    assert_eq!(y.shape(), [4, 4]);
    let error = build(6).err().unwrap().to_string();
    assert!(error.contains("layer slots: row 2 is looked up in a table of 2 rows"), "{error}");
}

/// `build().unwrap_err()` asks for it.
#[test]
fn trainers_and_predictors_are_shown() {
    let shown = [
        format!("{:?}", Evaluated::init(1).trainer().batch(2).build().unwrap()),
        format!("{:?}", Predictor::new(Deep::init(1)).batch(2).build().unwrap()),
        format!("{:?}", Trainer::new(Deep::init(1), mse(), Sgd::new(0.1)).batch(2).build().unwrap()),
    ];
    for (shown, name) in shown.iter().zip(["StepTrainer", "Predictor", "Trainer"]) {
        assert!(shown.starts_with(&format!("{name} {{ settings: ")) && shown.contains("batch: 2"), "{shown}");
    }
    assert!(matches!(Predictor::new(Deep::init(1)).batch(0).build().unwrap_err(), TrainError::Zero { .. }));
}
