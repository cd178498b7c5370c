//! Layers that do more than their function over values says: those that draw, those whose input is indices, and those
//! that a loss does not reach, through the public interface.

use std::collections::HashMap;

use kiln::graph::build::RUN;
use kiln::graph::interpret::{Tensor, interpret};
use kiln::graph::layers::dropout::{alpha_dropout, channel_dropout, dropout, feature_alpha_dropout};
use kiln::graph::{Builder, Value};
use kiln::prelude::*;
use ndarray::{Array2, Array4};

/// What a function makes of ones of the given shape in training, in the given run, and the gradient of its sum.
fn drawn(
    shape: impl Into<Shape>,
    seed: u64,
    run: i32,
    function: for<'g> fn(Value<'g>, f64) -> Value<'g>,
    p: f64,
) -> [Vec<f64>; 2] {
    let shape = shape.into();
    let g = Builder::new("drawn");
    g.set_mode(Mode::Train);
    g.set_seed(seed);
    let x = g.input("x", shape);
    let y = function(x, p);
    let [gradient] = g.gradients(y.sum(..), [x]).unwrap();
    g.output("y", y);
    g.output("gradient", gradient);
    let graph = g.finish().unwrap();
    let mut feeds: HashMap<String, Tensor<f64>> =
        [("x".into(), Tensor::floats(shape, vec![1.0; shape.elements()]))].into();
    feeds.insert(RUN.into(), Tensor::ints(Shape::SCALAR, [run]));
    let results = interpret(&graph, &feeds).unwrap();
    if p > 0.0 && p < 1.0 {
        assert_eq!(results.updates[RUN].to_f64(), [f64::from(run) + 1.0], "a run is counted once");
    }
    ["y", "gradient"].map(|name| results.outputs[name].to_f64())
}

#[test]
fn dropout_drops_the_part_that_it_says_and_scales_the_rest() {
    for p in [0.1, 0.5, 0.8] {
        let [y, gradient] = drawn([64, 64], 1, 0, dropout, p);
        assert_eq!(y, gradient);
        assert!(y.iter().all(|&y| y == 0.0 || (y - 1.0 / (1.0 - p)).abs() < 1e-12), "{p}");
        let dropped = y.iter().filter(|&&y| y == 0.0).count() as f64 / 4096.0;
        // Four standard deviations of the mean of 4096 draws.
        assert!((dropped - p).abs() < 4.0 * (p * (1.0 - p)).sqrt() / 64.0, "{dropped} of {p}");
    }
    assert_eq!(drawn([2, 3], 1, 0, dropout, 0.0), [vec![1.0; 6], vec![1.0; 6]]);
    assert_eq!(drawn([2, 3], 1, 0, dropout, 1.0), [vec![0.0; 6], vec![0.0; 6]]);
}

#[test]
fn each_run_and_each_seed_draws_anew_and_repeats() {
    let first = drawn([8, 8], 1, 0, dropout, 0.5);
    assert_eq!(first, drawn([8, 8], 1, 0, dropout, 0.5));
    assert_ne!(first, drawn([8, 8], 1, 1, dropout, 0.5));
    assert_ne!(first, drawn([8, 8], 2, 0, dropout, 0.5));
    // Two layers of one program differ.
    let [twice, _] = drawn([8, 8], 1, 0, |x, p| dropout(x, p).ne(dropout(x, p)).select(1.0, 0.0), 0.5);
    let different = twice.iter().filter(|&&y| y == 1.0).count();
    assert!((20..44).contains(&different), "{different} of 64");
}

#[test]
fn channels_are_dropped_as_a_whole() {
    let [y, _] = drawn([16, 8, 3, 2], 1, 0, channel_dropout, 0.25);
    let channels: Vec<&[f64]> = y.chunks(6).collect();
    assert!(channels.iter().all(|channel| channel.iter().all(|y| y == &channel[0])));
    let dropped = channels.iter().filter(|channel| channel[0] == 0.0).count();
    assert!((16..48).contains(&dropped), "{dropped} of 128");
}

#[test]
fn alpha_dropout_keeps_mean_and_variance() {
    let limit: f64 = -1.758_099_340_847_376_6;
    for p in [0.1, 0.5, 0.8] {
        let a = ((1.0 - p) * (1.0 + p * limit * limit)).powf(-0.5);
        let (kept, dropped) = (a - a * limit * p, a * limit * (1.0 - p));
        let near = |x: f64, y: f64| (x - y).abs() < 1e-9;
        // Of a variable with mean 0 and variance 1: a^2 of what is kept, and the spread of the two levels.
        let (mean, square) =
            ((1.0 - p) * (kept - a) + p * dropped, (1.0 - p) * (a * a + (kept - a).powi(2)) + p * dropped.powi(2));
        assert!(near(mean, 0.0) && near(square, 1.0), "{p}: {mean}, {square}");
        let [y, gradient] = drawn([64, 64], 1, 0, alpha_dropout, p);
        for (y, gradient) in y.iter().zip(&gradient) {
            assert!(
                near(*y, kept) && near(*gradient, a) || near(*y, dropped) && *gradient == 0.0,
                "{p}: {y}, {gradient}"
            );
        }
        let share = y.iter().filter(|&&y| near(y, dropped)).count() as f64 / 4096.0;
        assert!((share - p).abs() < 4.0 * (p * (1.0 - p)).sqrt() / 64.0, "{share} of {p}");
        let [y, _] = drawn([16, 8, 3, 2], 1, 0, feature_alpha_dropout, p);
        assert!(y.chunks(6).all(|channel| channel.iter().all(|y| y == &channel[0])));
        assert!(y.iter().any(|&y| near(y, kept)) && y.iter().any(|&y| near(y, dropped)), "{p}");
    }
    assert_eq!(drawn([2, 3], 1, 0, alpha_dropout, 0.0), [vec![1.0; 6], vec![1.0; 6]]);
    assert_eq!(drawn([2, 3], 1, 0, alpha_dropout, 1.0), [vec![0.0; 6], vec![0.0; 6]]);
}

#[derive(Model)]
#[model(input = [2, 4, 4])]
struct Dropping {
    #[model(p = 0.25)]
    channels: Dropout2d,
    flatten: Flatten,
    fc: Linear<32, 16>,
    act: ReLU,
    drop: Dropout,
    out: Linear<16, 3>,
}

#[test]
fn a_trainer_draws_by_its_seed_and_predicts_without_drawing() {
    let x = Array4::from_shape_fn((12, 2, 4, 4), |(n, c, h, w)| ((n * 32 + c * 16 + h * 4 + w) as f32 * 0.7).sin());
    let y: Vec<i32> = (0..12).map(|n| n % 3).collect();
    let losses = |seed: u64, threads: usize, batch: usize| {
        let trainer = Trainer::new(Dropping::init(1), cross_entropy(), Sgd::new(0.0)).seed(seed).threads(threads);
        let mut trainer = trainer.batch(12).build().unwrap();
        let before = trainer.predict(&x).unwrap();
        let rows = x.slice(ndarray::s![..batch, .., .., ..]).to_owned();
        let losses: Vec<u32> = (0..4).map(|_| trainer.step(&rows, &y[..batch]).unwrap().to_bits()).collect();
        // With a rate of 0 nothing is learnt; a prediction drops nothing and repeats.
        assert_eq!(trainer.predict(&x).unwrap(), before);
        losses
    };
    let first = losses(1, 1, 12);
    assert!((1..4).all(|i| !first[..i].contains(&first[i])), "a step repeats a draw: {first:?}");
    assert_eq!(losses(1, 2, 12), first);
    assert_ne!(losses(2, 1, 12), first);
    // A program of another batch size goes on counting, and repeats as well.
    assert_eq!(losses(1, 1, 5), losses(1, 1, 5));
}

#[derive(Model)]
#[model(input = [6; i32])]
struct Bag {
    table: Embedding<20, 8>,
    flatten: Flatten,
    fc: Linear<48, 2>,
}

model! {
    struct Words {
        table: Embedding(20, 8, padding_idx = 0),
        norm: LayerNorm(8),
        out: Linear(8, 3),
    }

    fn forward(x: [N, 5; i32]) -> [N, 3] {
        let words = norm(table(x));
        out(words.mean(dim = 1))
    }
}

#[test]
fn a_network_over_indices_learns_and_predicts() {
    // Which of the first two words is the larger one?
    let x = Array2::from_shape_fn((64, 6), |(n, t)| (n * 7 + t * 11 + n * t) as i32 % 20);
    let y: Vec<i32> = x.rows().into_iter().map(|row| i32::from(row[0] > row[1])).collect();
    let mut trainer =
        Trainer::new(Bag::init(3), cross_entropy(), AdamW::default().lr(0.02)).batch(64).threads(2).build().unwrap();
    let losses: Vec<f32> = (0..60).map(|_| trainer.step(&x, &y).unwrap()).collect();
    assert!(losses[59] < losses[0] / 10.0, "{losses:?}");
    assert_eq!(trainer.evaluate(&x, &y).unwrap().accuracy, Some(1.0));
    let scores = trainer.predict(&x).unwrap();
    assert_eq!(trainer.summary().unwrap().layers[0].output, Shape::new(&[Shape::N, 6, 8]));
    let predictor = Predictor::new(trainer.into_model()).batch(64).build().unwrap();
    assert_eq!(predictor.predict(&x).unwrap(), scores);
}

#[test]
fn an_index_of_no_row_is_refused_before_anything_is_computed() {
    let x = Array2::from_elem((4, 6), 3);
    let mut trainer = Trainer::new(Bag::init(3), cross_entropy(), Sgd::new(0.1)).batch(4).build().unwrap();
    let before = trainer.model().table.weight.clone();
    for (place, index) in [([2, 5], 20), ([0, 0], -1), ([3, 1], i32::MAX)] {
        let mut x = x.clone();
        x[place] = index;
        let expected = format!("index {index} at {place:?} is out of range: there are 20 rows, 0 to 19");
        let errors = [
            trainer.step(&x, &[0, 1, 0, 1]).unwrap_err(),
            trainer.evaluate(&x, &[0, 1, 0, 1]).unwrap_err(),
            trainer.predict(&x).unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, TrainError::Index(_)), "{error}");
            assert_eq!(error.to_string(), expected);
        }
    }
    assert_eq!(trainer.model().table.weight, before);
    trainer.step(&x, &[0, 1, 0, 1]).unwrap();
}

#[test]
fn only_the_rows_that_are_looked_up_change_and_never_the_padding() {
    let before = Words::init(1);
    assert!(before.table.weight.value.index_axis(ndarray::Axis(0), 0).iter().all(|&x| x == 0.0));
    let x = ndarray::array![[0, 3, 3, 7, 0], [0, 0, 9, 3, 19]];
    let mut trainer = Trainer::new(Words::init(1), cross_entropy(), Sgd::new(0.5)).batch(2).build().unwrap();
    trainer.step(&x, &[1, 2]).unwrap();
    let after = trainer.into_model();
    for row in 0..20 {
        let changed = before.table.weight.value.index_axis(ndarray::Axis(0), row)
            != after.table.weight.value.index_axis(ndarray::Axis(0), row);
        assert_eq!(changed, [3, 7, 9, 19].contains(&row), "row {row}");
    }
}

model! {
    struct Cut {
        before: Linear(4, 4),
        after: Linear(4, 3),
    }

    fn forward(x: [N, 4]) -> [N, 3] {
        after(before(x).detach())
    }
}

model! {
    struct Blind {
        fc: Linear(4, 3),
    }

    fn forward(x: [N, 4]) -> [N, 3] {
        fc(x).detach()
    }
}

/// As in PyTorch: a parameter without a gradient is no parameter with the gradient 0, which a weight decay would shrink.
#[test]
fn a_parameter_that_the_loss_does_not_reach_stays_as_it_is() {
    let x = Array2::from_shape_fn((6, 4), |(n, i)| ((n * 4 + i) as f32).sin());
    let y = [0, 1, 2, 0, 1, 2];
    let start = Cut::init(1);
    let adam = Adam::default().lr(0.1).weight_decay(0.5);
    let mut trainer = Trainer::new(Cut::init(1), cross_entropy(), adam).batch(6).build().unwrap();
    let sgd = Sgd::new(0.1).weight_decay(0.5).momentum(0.9);
    let mut other = Trainer::new(Cut::init(1), cross_entropy(), sgd).batch(6).build().unwrap();
    for _ in 0..3 {
        trainer.step(&x, &y).unwrap();
        other.step(&x, &y).unwrap();
    }
    for model in [trainer.model(), other.model()] {
        assert_eq!(model.before.weight, start.before.weight);
        assert_eq!(model.before.bias, start.before.bias);
        assert_ne!(model.after.weight, start.after.weight);
    }
}

#[test]
fn a_loss_that_reaches_no_parameter_can_not_be_minimized() {
    let trainer = Trainer::new(Blind::init(1), cross_entropy(), Adam::default()).batch(6).build();
    let expected = "the optimizer can not minimize this loss: it depends on none of its 2 parameters, or only through a \
                    detach";
    assert_eq!(trainer.expect_err("nothing can be learnt").to_string(), expected);
}

model! {
    struct Tagger {
        table: Embedding(20, 8),
        drop: Dropout(0.5),
        out: Linear(8, 3),
        opt: AdamW((table, out), lr = 0.01, weight_decay = 0.1),
    }

    step fit(x: [N, 5; i32], y: [N; i32]) -> loss {
        let loss = cross_entropy(out(drop(table(x)).mean(dim = 1)), y);
        opt.minimize(loss);
    }

    step look(x: [N, 5; i32], y: [N; i32]) -> loss {
        let loss = cross_entropy(out(drop(table(x)).mean(dim = 1)), y);
    }
}

#[test]
fn steps_draw_anew_and_refuse_indices_of_no_row() {
    let x = Array2::from_shape_fn((4, 5), |(n, t)| (n * 5 + t) as i32);
    let y = [0, 1, 2, 0];
    let looks = |seed: u64| {
        let mut tagger = Tagger::init(1).trainer().batch(4).seed(seed).build().unwrap();
        (0..3).map(|_| tagger.look(&x, &y).unwrap().to_bits()).collect::<Vec<u32>>()
    };
    let first = looks(1);
    assert!(first[0] != first[1] && first[1] != first[2] && first[0] != first[2], "{first:?}");
    assert_eq!(looks(1), first);
    assert_ne!(looks(2), first);

    let mut tagger = Tagger::init(1).trainer().batch(4).build().unwrap();
    let mut wrong = x.clone();
    wrong[[1, 2]] = 20;
    let before = tagger.model().table.weight.clone();
    let error = tagger.fit(&wrong, &y).unwrap_err();
    assert_eq!(error.to_string(), "input `x`: index 20 at [1, 2] is out of range: there are 20 rows, 0 to 19");
    assert_eq!(tagger.model().table.weight, before);
    tagger.fit(&x, &y).unwrap();
    assert_ne!(tagger.model().table.weight, before);
}

#[derive(Model, Clone)]
#[model(input = [64, 32, 32])]
struct Sums {
    #[model(padding = 1, bias = false)]
    conv: Conv2d<64, 64, 3>,
}

model! {
    struct SumSteps {
        conv: Conv2d(64, 64, 3, padding = 1, bias = false),
        opt: Sgd(conv, lr = 1.0),
    }

    step fit(x: [N, 64, 32, 32], d: [N, 64, 32, 32]) -> loss {
        let loss = (conv(x) * d).sum();
        opt.minimize(loss);
    }
}

/// Whether any contraction of a plan goes by Winograd's transforms.
fn is_fast(plan: &kiln::jit::Plan) -> bool {
    plan.contractions.iter().any(|found| found.recipe.name().contains("winograd"))
}

/// By default 3 x 3 convolutions of many channels go by Winograd's transforms, in a prediction and in every gradient;
/// exactly they do not, and nothing that stands beside a result's own products is seen in it.
#[test]
fn exact_programs_are_sums_of_their_own_products() {
    let image = |f: &dyn Fn(usize) -> f32| Array4::from_shape_fn((1, 64, 32, 32), |(.., j)| f(j));
    let weights = |f: &dyn Fn(usize, usize) -> f32| Array4::from_shape_fn((64, 64, 3, 3), |(_, _, a, b)| f(a, b));
    let predict = |weight: Array4<f32>, x: &Array4<f32>, exact: bool| {
        let mut model = Sums::init(0);
        model.conv.weight.value = weight.into_dyn().into();
        let builder = Predictor::new(model).batch(1).threads(1);
        let predictor = if exact { builder.exact() } else { builder }.build().unwrap();
        assert_eq!(is_fast(predictor.plan()), !exact);
        predictor.predict(x).unwrap()
    };
    // An infinite number is seen by the 9 windows that hold it.
    let mut x = image(&|_| 1.0);
    x[[0, 5, 7, 8]] = f32::INFINITY;
    let y = predict(weights(&|_, _| 1.0 / 576.0), &x, true);
    assert_eq!((y.iter().filter(|y| y.is_nan()).count(), y.iter().filter(|y| y.is_infinite()).count()), (0, 576));
    // Infinite weights: inside, every result is infinite.
    let y = predict(weights(&|_, _| f32::NEG_INFINITY), &image(&|_| 1.0), true);
    assert!(y.slice(ndarray::s![.., .., 1..31, 1..31]).iter().all(|&y| y == f32::NEG_INFINITY));
    // Columns beside each other of other magnitudes.
    let beside = |a: usize, b: usize| if a == 1 && b != 1 { 1.0 / 64.0 } else { 0.0 };
    let large = |j: usize| if j.is_multiple_of(2) { 268_435_456.0 } else { 1.0 };
    let y = predict(weights(&beside), &image(&large), true);
    assert_eq!([0, 1, 2, 3].map(|j| y[[0, 0, 5, j]]), [1.0, 536_870_912.0, 2.0, 536_870_912.0]);
    predict(weights(&beside), &image(&large), false);

    let trained = |exact: bool, d: &Array4<f32>| {
        let mut model = SumSteps::init(0);
        model.conv.weight.value = weights(&|_, _| 0.0).into_dyn().into();
        let builder = model.trainer().batch(1).threads(1);
        let mut trainer = if exact { builder.exact() } else { builder }.build().unwrap();
        assert_eq!(is_fast(trainer.plan("fit").unwrap()), !exact);
        trainer.fit(&image(&|_| 1.0), d).unwrap();
        trainer.model().conv.weight.value.clone()
    };
    // The gradient of a weight is the sum of the results' that it is in: all but those of a row and a column, at the corners.
    let mut d = image(&|_| 1.0);
    d[[0, 3, 0, 0]] = f32::INFINITY;
    let weight = trained(true, &d);
    for ((o, _, a, b), &value) in weight.view().into_dimensionality::<ndarray::Ix4>().unwrap().indexed_iter() {
        match (o, a > 0 && b > 0) {
            (3, true) => assert_eq!(value, f32::NEG_INFINITY),
            // The padding is zero, and zero times infinity is NaN.
            (3, false) => {}
            _ => assert_eq!(value, [-961.0, -992.0, -1024.0][usize::from(a == 1) + usize::from(b == 1)]),
        }
    }
    trained(false, &image(&|_| 1.0));

    let builder = || Trainer::new(Sums::init(0), mse(), Sgd::new(0.1)).batch(1).threads(1);
    assert!(is_fast(builder().build().unwrap().plan()));
    assert!(!is_fast(builder().exact().build().unwrap().plan()));
}

/// What the builder says about a graph of one value of this shape.
fn refusal(shape: impl Into<Shape>, build: impl for<'g> Fn(Value<'g>) -> Value<'g>) -> String {
    let g = Builder::new("refused");
    let y = build(g.input("x", shape));
    g.output("y", y);
    g.finish().err().map(|error| error.to_string()).unwrap_or_default()
}

/// What the macros check while rustc runs, the builder checks in graphs that are built by hand.
#[test]
fn settings_and_extents_that_make_no_sense_are_errors_of_the_builder() {
    use kiln::graph::functions;
    use kiln::graph::layers::{activation, batch_norm, linear, pool};
    use kiln::graph::op::{Sliding, Window};

    let window = |dilation, padding| Window {
        kernel: [3, 1, 1],
        sliding: Sliding { dilation: [dilation; 3], padding: [(padding, padding); 3], ..Sliding::unit(1) },
        ceil: false,
    };
    let divisor = |divisor| pool::Divisor { count_include_pad: true, divisor_override: Some(divisor) };
    let statistics = |eps, momentum| batch_norm::Statistics { eps, momentum };
    type Case<'a> = (&'a [usize], &'a dyn for<'g> Fn(Value<'g>) -> Value<'g>, &'a str);
    let cases: &[Case] = &[
        (&[1, 2, 9], &|x| pool::max_pool(x, window(2, 2)), "its padding of 2 is more than half of its kernel of 3"),
        (&[1, 2, 9], &|x| pool::avg_pool(x, window(1, 2), divisor(1)), "its padding of 2 is more than half"),
        (&[1, 2, 9], &|x| pool::avg_pool(x, window(1, 1), divisor(0)), "`divisor_override` must be at least 1"),
        (&[1, 2, 9], &|x| pool::max_pool(x, window(0, 1)), "the dilation must be at least 1"),
        (&[4], &|x| activation::hardtanh(x, 1.0, -1.0), "`max_val` must be above `min_val`"),
        (&[4], &|x| functions::hardtanh(x, f64::NAN, 1.0), "`max_val` must be above `min_val`"),
        (&[4], &|x| functions::softplus(x, 0.0, 20.0), "`beta` must be a finite number other than 0"),
        (&[4], &|x| functions::elu(x, f64::NAN), "`alpha` must be a finite number"),
        (&[4], &|x| functions::leaky_relu(x, f64::INFINITY), "`negative_slope` must be a finite number"),
        (&[4], &|x| dropout(x, 1.5), "`p` must be at least 0 and at most 1"),
        (&[4, 2], &|x| batch_norm::batch_norm(x, None, None, None, statistics(0.0, None)), "`eps` must be a finite"),
        (
            &[4, 2],
            &|x| batch_norm::batch_norm(x, None, None, None, statistics(1.0, Some(f64::NAN))),
            "`momentum` must be",
        ),
        (&[3, 0, 4], &|x| x.relu(), "shape [3, 0, 4] has no elements: every extent of a tensor is at least 1"),
        (&[2, 4], &|x| functions::narrow(x, 1, 2, 0), "shape [2, 0] has no elements"),
        (&[2, 4], &|x| linear::linear(x, x.graph().input("w", [0, 4]), None), "has no elements"),
        (&[2, 4], &|x| x.graph().full([2, 0], 1.0), "has no elements"),
        (&[2, 0], &|x| x, "shape [2, 0] has no elements"),
        (&[1 << 40, 1 << 40], &|x| x.relu(), "is too large"),
        (&[1 << 40, 1], &|x| functions::expand(x, &[1 << 40, 1 << 30]), "is too large"),
        (&[4], &|x| functions::pad(x, &[isize::MAX - 8, 16], "constant", None), "every extent must be below 2^31"),
    ];
    for (shape, build, expected) in cases {
        let found = refusal(*shape, build);
        assert!(found.contains(expected), "{shape:?}: {found:?}, expected {expected:?}");
    }
}

#[test]
fn layers_refuse_what_pytorch_refuses() {
    let image = Shape::new(&[Shape::N, 3, 9, 9]);
    let rows = Shape::new(&[Shape::N, 3]);
    let cases = [
        (Hardtanh::shape(rows, &HardtanhSettings::new().min_val(1.0).max_val(1.0)), "`max_val`"),
        (Softplus::shape(rows, &SoftplusSettings::new().beta(0.0)), "`beta`"),
        (ELU::shape(rows, &ELUSettings::new().alpha(f64::NAN)), "`alpha`"),
        (LeakyReLU::shape(rows, &LeakyReLUSettings::new().negative_slope(f64::NAN)), "`negative_slope`"),
        (BatchNorm1d::<3>::shape(rows, &BatchNormSettings::new().eps(-1.0)), "`eps`"),
        (BatchNorm1d::<3>::shape(rows, &BatchNormSettings::new().momentum(Some(f64::NAN))), "`momentum`"),
        (LayerNorm::<3>::shape(rows, &LayerNormSettings::new().eps(f64::INFINITY)), "`eps`"),
        (LayerNorm::<9, 0, 9>::shape(image, &LayerNormSettings::new()), "normalizes"),
        (Dropout::shape(rows, &DropoutSettings::new().p(-0.1)), "`p`"),
        (MaxPool2d::<3>::shape(image, &MaxPool2dSettings::new().padding(PerAxis::all(2))), "half"),
        (MaxPool2d::<3>::shape(image, &MaxPool2dSettings::new().stride(PerAxis::all(0))), "stride"),
        (AvgPool2d::<3>::shape(image, &AvgPool2dSettings::new().divisor_override(0)), "`divisor_override`"),
        (Conv2d::<3, 3, 3>::shape(image, &Conv2dSettings::new().groups(0)), "groups"),
        (Conv2d::<3, 3, 3>::shape(image, &Conv2dSettings::new().padding(PerAxis::all(usize::MAX / 2))), "2^31"),
        (
            ConvTranspose2d::<3, 3, 3>::shape(image, &ConvTranspose2dSettings::new().stride(PerAxis::all(usize::MAX))),
            "2^31",
        ),
        (Upsample::shape(image, &UpsampleSettings::new().scale_factor(PerAxis::new([-1.0]))), "`scale_factor`"),
        (
            Upsample::shape(image, &UpsampleSettings::new().scale_factor(PerAxis::new([f64::INFINITY]))),
            "`scale_factor`",
        ),
        (
            Upsample::shape(image, &UpsampleSettings::new().size(PerAxis::new([4])).recompute_scale_factor(true)),
            "`recompute_scale_factor`",
        ),
        (Embedding::<0, 3>::shape(Shape::new(&[Shape::N]), &EmbeddingSettings::new()), "`num_embeddings`"),
    ];
    for (found, expected) in cases {
        let found = found.map_or_else(|error| error.to_string(), |shape| shape.to_string());
        assert!(found.contains(expected), "{found:?}, expected {expected}");
    }
}

/// In training each slope below 0 is drawn between the two that are given, anew in each run; in evaluation it is their
/// middle (`gradcheck` has that).
#[test]
fn random_slopes_lie_between_those_given() {
    fn of<'g>(x: Value<'g>, upper: f64) -> Value<'g> {
        kiln::graph::functions::rrelu(-x, 0.1, upper)
    }
    let [y, gradient] = drawn([64, 64], 1, 0, of, 0.3);
    assert_eq!(y, gradient, "a slope is a factor");
    assert!(y.iter().all(|&y| (-0.3..=-0.1).contains(&y)));
    let mean = y.iter().sum::<f64>() / 4096.0;
    // Four standard deviations of the mean of 4096 uniform draws.
    assert!((mean + 0.2).abs() < 4.0 * 0.2 / 12f64.sqrt() / 64.0, "{mean}");
    assert_ne!(y, drawn([64, 64], 1, 1, of, 0.3)[0]);
}

/// Bags of embeddings and the gradients of their table, by PyTorch 2.15; the row 0 is padding, or is not.
#[test]
fn bags_of_embeddings_are_those_of_pytorch() {
    use kiln::graph::Type;
    use kiln::layers::BagMode;
    use kiln::layers::embedding_bag::embedding_bag;

    let (third, two_thirds) = (1.0 / 3.0, 2.0 / 3.0);
    type Case = (BagMode, Option<usize>, [f64; 8], [f64; 8]);
    let cases: [Case; 6] = [
        (BagMode::Sum, None, [4.0, -1.5, 0.0, 0.0, -1.0, 6.0, 2.0, 4.5], [17.0, 22.0, 6.0, 8.0, 8.0, 10.0, 17.0, 20.0]),
        (
            BagMode::Sum,
            Some(0),
            [4.0, -1.5, 0.0, 0.0, -1.0, 6.0, 2.0, 4.5],
            [0.0, 0.0, 6.0, 8.0, 8.0, 10.0, 17.0, 20.0],
        ),
        (
            BagMode::Mean,
            None,
            [4.0 * third, -0.5, 0.0, 0.0, -third, 2.0, two_thirds, 1.5],
            [17.0, 22.0, 6.0, 8.0, 8.0, 10.0, 17.0, 20.0].map(|sum| sum * third),
        ),
        (
            BagMode::Mean,
            Some(0),
            [2.0, -0.75, 0.0, 0.0, -third, 2.0, 1.0, 2.25],
            [0.0, 0.0, 6.5 * third, 3.0, 4.0, 5.0, 20.5 * third, 8.0],
        ),
        (BagMode::Max, None, [3.0, 0.5, 0.0, 0.0, 1.0, 4.0, 3.0, 4.0], [3.0, 4.0, 5.0, 0.0, 8.0, 2.0, 0.0, 14.0]),
        (BagMode::Max, Some(0), [3.0, 0.5, 0.0, 0.0, 1.0, 4.0, 3.0, 4.0], [0.0, 0.0, 5.0, 0.0, 8.0, 2.0, 0.0, 14.0]),
    ];
    for (mode, padding, expected, gradients) in cases {
        let g = Builder::new("bags");
        let (x, weight) = (g.input_of("x", Type::i32([4, 3])), g.input("weight", [4, 2]));
        let y = embedding_bag(x, weight, mode, padding);
        let [gradient] = g.gradients((y * g.input("upstream", [4, 2])).sum(..), [weight]).unwrap();
        g.output("y", y);
        g.output("gradient", gradient);
        let feeds: HashMap<String, Tensor<f64>> = [
            ("x".into(), Tensor::ints([4, 3], [1, 2, 0, 0, 0, 0, 3, 3, 1, 2, 0, 3])),
            ("weight".into(), Tensor::floats([4, 2], [0.0, 0.0, 1.0, -2.0, 3.0, 0.5, -1.0, 4.0])),
            ("upstream".into(), Tensor::floats([4, 2], (1..9).map(f64::from))),
        ]
        .into();
        let results = interpret(&g.finish().unwrap(), &feeds).unwrap().outputs;
        for (name, expected) in [("y", expected), ("gradient", gradients)] {
            let found = results[name].to_f64();
            let near = found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-12);
            assert!(near, "{mode} {padding:?} {name}: {found:?}, not {expected:?}");
        }
    }
}
