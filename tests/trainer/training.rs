//! What optimizers do beside their rule, through trainers: schedules, groups, accumulation, averages, and the state of a
//! training in a file.

use std::collections::BTreeMap;

use kiln::prelude::*;
use ndarray::{Array2, ArrayD, s};

use super::folder::Folder;

#[derive(Model)]
#[model(input = [4])]
struct Net {
    fc1: Linear<4, 6>,
    act: Tanh,
    norm: LayerNorm<6>,
    drop: Dropout,
    fc2: Linear<6, 2>,
}

/// As `Net`, without random numbers.
#[derive(Clone, Model)]
#[model(input = [4])]
struct Plain {
    fc1: Linear<4, 6>,
    act: Tanh,
    fc2: Linear<6, 2>,
}

/// Random-looking numbers.
fn data(rows: usize, columns: usize, seed: f32) -> Array2<f32> {
    Array2::from_shape_fn((rows, columns), |(row, column)| ((row * columns + column) as f32 * 1.3 + seed).sin())
}

fn build<M: Model<Output = f32>, O: Optimizer>(model: M, optimizer: O) -> Trainer<M, Mse, O> {
    Trainer::new(model, mse(), optimizer).batch(8).threads(1).build().unwrap()
}

fn values(model: &impl Parameters) -> BTreeMap<String, ArrayD<f32>> {
    let mut all = BTreeMap::new();
    model.each_parameter(&mut |name, parameter| _ = all.insert(name.to_owned(), parameter.value.to_owned()));
    all
}

fn steps<M: Model<Input = f32, Output = f32>, O: Optimizer>(
    trainer: &mut Trainer<M, Mse, O>,
    steps: std::ops::Range<usize>,
) {
    for step in steps {
        trainer.step(&data(8, 4, step as f32), &data(8, 2, step as f32 + 0.5)).unwrap();
    }
}

fn assert_near(found: &BTreeMap<String, ArrayD<f32>>, expected: &BTreeMap<String, ArrayD<f32>>, tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (name, expected) in expected {
        let far = (&found[name] - expected).mapv(f32::abs).iter().fold(0.0, |far: f32, &by| far.max(by));
        assert!(far <= tolerance, "{name}: off by {far}");
    }
}

/// A scheduled rate is one that is set before each step, to the last bit.
#[test]
fn schedules_set_the_rate_of_each_step() {
    fn check(schedule: impl Schedule + Clone + 'static) {
        let mut scheduled = build(Net::init(1), AdamW::new(0.05).schedule(schedule.clone()));
        let mut set = build(Net::init(1), AdamW::new(0.05));
        for step in 0..6 {
            let rate = schedule.rate(step, 0.05) as f32;
            assert_eq!(scheduled.learning_rate(), rate);
            set.set_learning_rate(rate).unwrap();
            steps(&mut scheduled, step as usize..step as usize + 1);
            steps(&mut set, step as usize..step as usize + 1);
        }
        assert_eq!(values(scheduled.model()), values(set.model()));
    }
    check(SequentialLR::new(LinearLR::new(2)).then(2, CosineAnnealingLR::new(3)));
    check(LambdaLR::new(|step| if step == 3 { 0.0 } else { 1.0 / (1.0 + step as f64) }));
    check(StepLR::new(1).every(2));
}

/// A schedule of the momentum is the momentum of each step: one that does not change is the setting.
#[test]
fn schedules_set_the_momentum_of_each_step() {
    fn check<O: Optimizer>(fixed: O, scheduled: O) {
        let (mut fixed, mut scheduled) = (build(Plain::init(1), fixed), build(Plain::init(1), scheduled));
        steps(&mut fixed, 0..5);
        steps(&mut scheduled, 0..5);
        assert_near(&values(scheduled.model()), &values(fixed.model()), 1e-6);
    }
    let still = || CyclicLR::new(0.05, 0.05).base_momentum(0.8).max_momentum(0.8);
    check(Sgd::new(0.05).momentum(0.8), Sgd::new(1.0).schedule(still()));
    check(Sgd::new(0.05).momentum(0.8).nesterov(true), Sgd::new(1.0).momentum(0.1).nesterov(true).schedule(still()));
    check(RMSprop::new(0.05).momentum(0.8), RMSprop::new(1.0).schedule(still()));
    check(Adam::new(0.05).betas(0.8, 0.999), Adam::new(1.0).schedule(still()));
    check(NAdam::new(0.05).betas(0.8, 0.999), NAdam::new(1.0).schedule(still()));
    check(Lion::new(0.05).betas(0.8, 0.99), Lion::new(1.0).schedule(still()));
    // And one that changes: one element by hand.
    let cycle = || CyclicLR::new(0.1, 0.1).step_size_up(1).base_momentum(0.5).max_momentum(0.9);
    let mut trainer = build(Plain::init(1), Sgd::new(1.0).schedule(cycle()));
    let (mut before, mut buffer) = (values(trainer.model())["fc2.bias"][[0]], 0.0);
    for step in 0..4 {
        let mut plain = build(trainer.model().clone(), Sgd::new(1.0));
        steps(&mut plain, step..step + 1);
        let gradient = before - values(plain.model())["fc2.bias"][[0]];
        buffer = if step % 2 == 0 { 0.9 } else { 0.5 } * buffer + gradient;
        steps(&mut trainer, step..step + 1);
        let after = values(trainer.model())["fc2.bias"][[0]];
        assert!((after - (before - 0.1 * buffer)).abs() < 1e-5, "step {step}: {after}");
        before = after;
    }
}

#[test]
fn metrics_lower_the_rate() {
    let schedule = ReduceLROnPlateau::new().patience(0).factor(0.5);
    let mut trainer = build(Plain::init(1), Sgd::new(0.5).schedule(schedule));
    for (metric, expected) in [(1.0, 0.5), (0.5, 0.5), (0.7, 0.25), (0.4, 0.25), (f32::NAN, 0.125)] {
        trainer.report_metric(metric).unwrap();
        assert_eq!(trainer.learning_rate(), expected);
    }
    trainer.set_learning_rate(1.0).unwrap();
    assert_eq!(trainer.learning_rate(), 1.0);
    let error = build(Plain::init(1), Sgd::new(0.5)).report_metric(1.0).unwrap_err();
    assert!(matches!(error, TrainError::NoPlateau { .. }), "{error}");
    assert!(error.to_string().starts_with("the optimizer has no schedule that goes by a metric"), "{error}");
}

/// The gradients of the last step, as they are before clipping, of several batches their mean; training is not disturbed.
#[test]
fn gradients_are_kept_where_asked() {
    let (x, y) = (data(8, 4, 0.0), data(8, 2, 0.5));
    let mut plain = build(Plain::init(1), Sgd::new(0.5));
    assert_eq!(plain.gradient("fc1.weight"), None);
    let before = values(plain.model());
    plain.step(&x, &y).unwrap();
    let after = values(plain.model());
    let expected: BTreeMap<String, ArrayD<f32>> =
        before.iter().map(|(name, before)| (name.clone(), (before - &after[name]) / 0.5)).collect();
    let clipped = Sgd::new(0.5).clip_grad_norm(1e-3).clip_grad_value(1e-4).keep_gradients(true);
    for (rule, calls) in [(Sgd::new(0.5).keep_gradients(true), 1), (clipped.clone(), 1), (clipped.accumulate(2), 2)] {
        let mut kept = build(Plain::init(1), rule.clone());
        assert!(kept.gradient("fc1.weight").unwrap().iter().all(|&x| x == 0.0));
        for part in 0..calls {
            let rows = s![8 / calls * part..8 / calls * (part + 1), ..];
            kept.step(&x.slice(rows), &y.slice(rows)).unwrap();
        }
        let found = before.keys().map(|name| (name.clone(), kept.gradient(name).unwrap())).collect();
        assert_near(&found, &expected, 1e-5);
        assert_eq!(kept.gradient("fc1"), None);
    }
    let mut kept = build(Plain::init(1), Sgd::new(0.5).keep_gradients(true));
    kept.step(&x, &y).unwrap();
    assert_eq!(values(kept.model()), after);
}

/// Four parts of a batch make the step of the whole batch, for a loss that is a mean.
#[test]
fn gradients_of_several_batches_make_a_step() {
    let mut whole = build(Plain::init(1), AdamW::new(0.01));
    let mut parts = build(Plain::init(1), AdamW::new(0.01).accumulate(4).schedule(ExponentialLR::new(0.5)));
    let begin = values(parts.model());
    for (step, rate) in [(0, 0.01), (1, 0.005)] {
        let (x, y) = (data(8, 4, step as f32), data(8, 2, step as f32 + 0.5));
        whole.set_learning_rate(rate).unwrap();
        whole.step(&x, &y).unwrap();
        for part in 0..4 {
            let rows = s![2 * part..2 * part + 2, ..];
            parts.step(&x.slice(rows), &y.slice(rows)).unwrap();
            if (step, part) == (0, 2) {
                assert_eq!(values(parts.model()), begin);
            }
        }
        // Adam divides by small gradients' roots.
        assert_near(&values(parts.model()), &values(whole.model()), 2e-5);
    }
}

/// A group's parameters have its settings, and no other's.
#[test]
fn groups_have_settings_of_their_own() {
    let begin = values(&Plain::init(1));
    let mut plain = build(Plain::init(1), Sgd::new(0.1));
    let optimizer = Sgd::new(0.1).weight_decay(0.5);
    let optimizer = optimizer.group(Select::biases(), |sgd| sgd.weight_decay(0.0));
    let mut grouped = build(Plain::init(1), optimizer.group(Select::name("fc2"), |sgd| sgd.lr(0.3)));
    steps(&mut plain, 0..1);
    steps(&mut grouped, 0..1);
    let (plain, found) = (values(plain.model()), values(grouped.model()));
    for (name, begin) in &begin {
        let gradient = (begin - &plain[name]) / 0.1;
        let expected = match name.as_str() {
            "fc1.weight" => begin - (gradient + begin * 0.5) * 0.1,
            "fc2.weight" => begin - (gradient + begin * 0.5) * 0.3,
            _ => plain[name].clone(),
        };
        assert_near(&[(name.clone(), found[name].clone())].into(), &[(name.clone(), expected)].into(), 1e-5);
    }
    // Rates by group: nothing but the biases moves.
    grouped.set_learning_rate(0.0).unwrap();
    grouped.set_group_learning_rate(1, 0.1).unwrap();
    steps(&mut grouped, 1..2);
    for (name, after) in values(grouped.model()) {
        assert_eq!(after == found[&name], !name.ends_with("bias"), "{name}");
    }
    let error = grouped.set_group_learning_rate(3, 0.1).unwrap_err();
    assert!(matches!(error, TrainError::UnknownGroup { found: 3, last: 2, .. }), "{error}");
}

#[test]
fn averages_are_kept_beside_the_parameters() {
    fn check(optimizer: Adam, average: impl Fn(&[ArrayD<f32>]) -> ArrayD<f32>) {
        let mut trainer = build(Plain::init(1), optimizer);
        let mut history: BTreeMap<String, Vec<ArrayD<f32>>> = BTreeMap::new();
        // Before the first step the average is the model.
        trainer.use_averaged(true).unwrap();
        assert_eq!(values(trainer.model()), values(&Plain::init(1)));
        for step in 0..6 {
            steps(&mut trainer, step..step + 1);
            trainer.use_averaged(false).unwrap();
            values(trainer.model()).into_iter().for_each(|(name, value)| history.entry(name).or_default().push(value));
            trainer.use_averaged(true).unwrap();
        }
        let expected = history.iter().map(|(name, values)| (name.clone(), average(values))).collect();
        assert_near(&values(trainer.model()), &expected, 1e-6);
        // Predictions, evaluations and files are those of the averages; training has not ended.
        let (x, y) = (data(8, 4, 9.0), data(8, 2, 9.5));
        let found = [trainer.predict(&x).unwrap(), trainer.evaluate(&x, &y).unwrap().loss.into_shape()];
        let folder = Folder::new("averages");
        let path = folder.path("model.safetensors");
        trainer.model().save(&path).unwrap();
        let mut model = Plain::init(7);
        model.load(&path).unwrap();
        let mut other = build(model, Adam::new(0.1));
        assert_eq!(found, [other.predict(&x).unwrap(), other.evaluate(&x, &y).unwrap().loss.into_shape()]);
        trainer.use_averaged(false).unwrap();
        assert_ne!(found[0], trainer.predict(&x).unwrap());
    }
    check(Adam::new(0.05).ema(0.75), |values| {
        values.iter().skip(1).fold(values[0].clone(), |average, value| average * 0.75 + value * 0.25)
    });
    check(Adam::new(0.05).swa(2, 2), |values| (&values[1] + &values[3] + &values[5]) / 3.0);
    let error = build(Plain::init(1), Adam::new(0.1)).use_averaged(true).unwrap_err();
    assert!(matches!(error, TrainError::NoAverages), "{error}");
}

/// A number as an array, to compare lists of both.
trait IntoShape {
    fn into_shape(self) -> ArrayD<f32>;
}

impl IntoShape for f32 {
    fn into_shape(self) -> ArrayD<f32> {
        ArrayD::from_elem(vec![], self)
    }
}

/// A training that is broken off and taken up again is that which was not, to the last bit.
#[test]
fn a_training_goes_on_from_its_file() {
    let optimizer = || {
        let schedule = ChainedScheduler::new(OneCycleLR::new(0.1, 12)).and(ReduceLROnPlateau::new().patience(0));
        let adam = Adam::new(0.01).clip_grad_norm(0.5).accumulate(2).ema(0.5).schedule(schedule);
        adam.group(Select::biases_and_norms(), |adam| adam.weight_decay(0.1))
    };
    let folder = Folder::new("training");
    let path = folder.path("training.safetensors");
    let mut whole = build(Net::init(1), optimizer());
    steps(&mut whole, 0..5);
    whole.report_metric(1.0).unwrap();
    whole.save(&path).unwrap();
    let mut other = build(Net::init(2), optimizer());
    steps(&mut other, 0..2);
    other.load(&path).unwrap();
    for trainer in [&mut whole, &mut other] {
        trainer.report_metric(2.0).unwrap();
        steps(trainer, 5..12);
    }
    assert_eq!(whole.learning_rate(), other.learning_rate());
    assert_eq!(values(whole.model()), values(other.model()));
    for trainer in [&mut whole, &mut other] {
        trainer.use_averaged(true).unwrap();
    }
    assert_eq!(values(whole.model()), values(other.model()));
    // Another optimizer's file is refused, and nothing is changed.
    let mut another = build(Net::init(2), Sgd::new(0.1));
    let before = values(another.model());
    let error = another.load(&path).unwrap_err();
    assert!(matches!(error, CheckpointError::Differs { .. }), "{error}");
    let error = whole.load("there/is/none").unwrap_err();
    assert!(matches!(error, CheckpointError::NotFound { .. }), "{error}");
    std::fs::write(&path, [0; 9]).unwrap();
    assert!(whole.load(&path).is_err());
    assert_eq!(values(another.model()), before);
}

model! {
    struct Normed {
        fc: Linear(3, 4),
        norm: BatchNorm1d(4),
        out: Linear(4, 2),
        opt: Sgd((fc, norm, out), lr = 0.05, swa = (2, 1)),
    }

    fn forward(x: [N, 3]) -> [N, 2] {
        out(norm(fc(x)).tanh())
    }

    step fit(x: [N, 3], y: [N, 2]) -> loss {
        let loss = mse(self(x), y);
        opt.minimize(loss);
    }

    eval scores(x: [N, 3]) -> scores {
        let scores = self(x);
    }
}

/// Statistics that are taken anew are the means of those of the batches, of averages where these are used; nothing else
/// changes, and after an error nothing at all.
#[test]
fn statistics_are_taken_anew() {
    let mut trainer =
        Trainer::new(Normed::init(1), mse(), Sgd::new(0.05).swa(2, 1)).batch(4).threads(1).build().unwrap();
    let mut steps = Normed::init(1).trainer().batch(4).threads(1).build().unwrap();
    let x = ndarray::Array2::from_shape_fn((11, 3), |(row, column)| ((row * 3 + column) as f32 * 0.7).sin());
    let y = ndarray::Array2::from_shape_fn((11, 2), |(row, column)| x[[row, column]] - 0.3);
    let some = (x.slice(ndarray::s![..4, ..]), y.slice(ndarray::s![..4, ..]));
    for _ in 0..5 {
        trainer.step(&some.0, &some.1).unwrap();
        steps.fit(&some.0, &some.1).unwrap();
    }
    let trained = crate::bits(trainer.model());
    trainer.use_averaged(true).unwrap();
    steps.use_averaged(true).unwrap();
    let before = crate::bits(trainer.model());
    let wrong = trainer.update_bn_batches([Ok(x.clone()), Ok(ndarray::Array2::zeros((4, 2)))]);
    assert!(matches!(wrong, Err(TrainError::InputShape { .. })));
    assert!(matches!(trainer.update_bn(&x.slice(ndarray::s![..9, ..])), Err(TrainError::Graph(_))), "a batch of one");
    assert_eq!(crate::bits(trainer.model()), before);

    trainer.update_bn(&x).unwrap();
    steps.update_bn(&x).unwrap();
    let model = trainer.model();
    let features = x.dot(&model.fc.weight.value.view().into_dimensionality::<ndarray::Ix2>().unwrap().t())
        + &model.fc.bias.as_ref().unwrap().value.view();
    let features = features.into_dimensionality::<ndarray::Ix2>().unwrap();
    let parts = [0..4, 4..8, 8..11].map(|part| features.slice(ndarray::s![part, ..]).to_owned());
    let [mean, variance] = model.norm.running().unwrap().map(|parameter| parameter.value.clone());
    assert_eq!(model.norm.num_batches_tracked(), Some(3));
    for channel in 0..4 {
        let of = |of_part: &dyn Fn(ndarray::ArrayView1<'_, f32>) -> f32| {
            parts.iter().map(|part| of_part(part.column(channel))).sum::<f32>() / 3.0
        };
        assert!((mean[[channel]] - of(&|part| part.mean().unwrap())).abs() < 1e-6);
        assert!((variance[[channel]] - of(&|part| part.var(1.0))).abs() < 1e-5);
    }
    assert_eq!(steps.scores(&some.0).unwrap(), trainer.predict(&some.0).unwrap().into_dyn());
    // What is trained is as it was, but for the statistics.
    trainer.use_averaged(false).unwrap();
    let after = crate::bits(trainer.model());
    let changed = trained.iter().zip(&after).filter(|(before, after)| before != after).map(|(before, _)| &before.0);
    assert_eq!(changed.collect::<Vec<_>>(), ["norm.running_mean", "norm.running_var", "norm.num_batches_tracked"]);
    let whole: Vec<ndarray::Array2<f32>> =
        [0..4, 4..8, 8..11].map(|part| x.slice(ndarray::s![part, ..]).to_owned()).into();
    trainer.use_averaged(true).unwrap();
    trainer.update_bn_batches(whole.into_iter().map(Ok::<_, TrainError>)).unwrap();
    assert_eq!(trainer.predict(&some.0).unwrap().into_dyn(), steps.scores(&some.0).unwrap());
}
