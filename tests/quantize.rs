//! Predicting in 8 bits: near what f32 gives, the same bits for any number of threads, a quarter of the weights' memory,
//! and errors that say what to give instead.

#[path = "../examples/support/digit_net.rs"]
#[allow(dead_code)] // How fast the example trains is its own.
mod digit_net;
#[path = "../examples/support/embedded.rs"]
mod embedded;
#[path = "../examples/support/training.rs"]
#[allow(dead_code)]
mod training;

use kiln::prelude::*;
use kiln::random::uniform;
use ndarray::{Array2, ArrayD, Axis, IxDyn};

model! {
    struct Mlp {
        a: Linear(18, 64),
        b: Linear(64, 30),
        c: Linear(30, 10),
    }

    fn forward(x: [N, 18]) -> [N, 10] {
        c(b(a(x).tanh()).relu())
    }
}

// Padding around an activation whose zero is not 0, groups of whole quads and of one channel, a stride.
model! {
    struct Images {
        conv1: Conv2d(3, 16, 3, padding = 1),
        norm: BatchNorm2d(16),
        conv2: Conv2d(16, 16, 3, padding = 1, groups = 2),
        deep: Conv2d(16, 16, 3, padding = 1, groups = 16),
        conv3: Conv2d(16, 20, 3, stride = 2, padding = 1),
        fc: Linear(320, 10),
    }

    fn forward(x: [N, 3, 8, 8]) -> [N, 10] {
        x = norm(conv1(x)).tanh();
        x = conv2(x).tanh();
        x = (deep(x) + x).tanh();
        fc(conv3(x).relu().flatten(1))
    }
}

// Products of inputs and of states, in both directions and in a stack.
model! {
    struct Recurrent {
        lstm: LSTM(12, 16, num_layers = 2, batch_first = true, bidirectional = true),
        gru: GRU(32, 10, batch_first = true),
        fc: Linear(10, 5),
    }

    fn forward(x: [N, 6, 12]) -> [N, 5] {
        let (y, _) = lstm(x);
        let (y, _) = gru(y);
        fc(y.select(1, -1))
    }
}

// Products of activations with one another stay in f32.
model! {
    struct Words {
        encoder: TransformerEncoderLayer(24, 4, dim_feedforward = 40, dropout = 0.0, batch_first = true),
        fc: Linear(24, 7),
    }

    fn forward(x: [N, 6, 24]) -> [N, 6, 7] {
        fc(encoder(x))
    }
}

/// Numbers around 0.
fn samples(shape: &[usize]) -> ArrayD<f32> {
    let count = shape.iter().product();
    let numbers: Vec<f32> = (0..count).map(|index| 4.0 * uniform(5, 0, 0, index as u64) - 2.0).collect();
    ArrayD::from_shape_vec(IxDyn(shape), numbers).unwrap()
}

/// That a model in 8 bits is near the one in f32, for whole batches and parts of one, by one thread and by two.
fn check<M: Model<Input = f32, Output = f32>>(init: impl Fn() -> M, shape: &[usize], most: f32, layers: [usize; 2]) {
    let x = samples(shape);
    let exact = Predictor::new(init()).batch(8).threads(1).build().unwrap().predict(&x).unwrap();
    let of = |threads: usize| {
        let builder = Predictor::new(init()).batch(8).threads(threads).quantize(&x).unwrap();
        let predictor = builder.build().unwrap();
        (predictor.predict(&x).unwrap(), predictor)
    };
    let ((alone, predictor), (together, _)) = (of(1), of(2));
    assert_eq!(alone, together, "other bits with two threads");
    let square = |array: &ArrayD<f32>| array.iter().map(|x| x * x).sum::<f32>();
    let loss = (square(&(&alone - &exact)) / square(&exact)).sqrt();
    let report = predictor.quantization().unwrap();
    assert!(loss <= most, "{loss}\n{report}");
    assert!((report.outputs[0].loss - loss).abs() <= 0.05 * loss + 1e-6, "{loss}\n{report}");
    let quantized = report.layers.iter().filter(|layer| layer.loss.is_some()).count();
    assert_eq!([quantized, report.layers.len()], layers, "{report}");
    let [before, after] = report.parameter_bytes;
    assert!(after < before, "{report}");
    // What the plan holds is what the report says, but for what is no parameter.
    assert!(predictor.plan().to_string().contains(":u8"), "{}", predictor.plan());
    let weights = predictor.into_model();
    let mut differ = 0.0f32;
    let mut original = Vec::new();
    init().each_parameter(&mut |_, parameter| original.push(parameter.value.to_owned().into_owned()));
    let mut originals = original.into_iter();
    weights.each_parameter(&mut |_, parameter| {
        let original = originals.next().unwrap();
        let largest = original.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let error =
            (&parameter.value.to_owned().into_owned() - &original).iter().fold(0.0f32, |most, x| most.max(x.abs()));
        differ = differ.max(error / largest.max(1e-9));
    });
    assert!(differ > 0.0 && differ < 0.5 / 127.0 * 1.01, "{differ}");
}

#[test]
fn linear_layers() {
    check(|| Mlp::init(3), &[35, 18], 0.02, [3, 3]);
}

#[test]
fn convolutions() {
    // The one of one channel a group stays.
    check(|| Images::init(3), &[19, 3, 8, 8], 0.03, [4, 4]);
}

#[test]
fn attention() {
    check(|| Words::init(3), &[11, 6, 24], 0.03, [5, 5]);
}

#[test]
fn recurrent_layers() {
    check(|| Recurrent::init(3), &[17, 6, 12], 0.03, [11, 11]);
}

/// Some samples have numbers a hundred times as large as the others.
#[test]
fn ranges_may_leave_out_few_large_numbers() {
    let mut x = samples(&[400, 18]);
    x.slice_axis_mut(Axis(0), (0..2).into()).mapv_inplace(|number| 100.0 * number);
    let usual = samples(&[100, 18]);
    let exact = Predictor::new(Mlp::init(3)).threads(1).build().unwrap().predict(&usual).unwrap();
    let of = |calibration: Calibration| {
        let options = QuantizeOptions::new().calibration(calibration);
        let builder = Predictor::new(Mlp::init(3)).threads(1).quantize_with(&x, options).unwrap();
        let predictor = builder.build().unwrap();
        let narrow = predictor.predict(&usual).unwrap();
        let square = |array: &ArrayD<f32>| array.iter().map(|x| x * x).sum::<f32>();
        let range = predictor.quantization().unwrap().layers[0].range;
        (range[1] - range[0], (square(&(&narrow - &exact)) / square(&exact)).sqrt())
    };
    let [whole, percentile, least] = [Calibration::MinMax, Calibration::Percentile(99.0), Calibration::Mse].map(of);
    assert!(whole.0 > 300.0 && percentile.0 < 5.0 && least.0 <= whole.0, "{whole:?} {percentile:?} {least:?}");
    assert!(whole.1 > 0.1 && percentile.1 < 0.03 && least.1 <= whole.1, "{whole:?} {percentile:?} {least:?}");
}

#[test]
fn digits_are_read_as_well() {
    let (train, test) = embedded::digits().unwrap().split(0.8, digit_net::SEED);
    let mut trainer = digit_net::trainer().unwrap();
    training::train(&mut trainer, digit_net::SCHEDULE, &train, &test).unwrap();
    let exact = trainer.evaluate(test.inputs(), test.targets()).unwrap().accuracy.unwrap();
    let options = QuantizeOptions::new().classes(train.targets());
    let builder = Predictor::new(trainer.into_model()).quantize_with(train.inputs(), options).unwrap();
    let predictor = builder.build().unwrap();
    let narrow = accuracy(&predictor, &test);
    let report = predictor.quantization().unwrap();
    let [before, after] = report.accuracy.unwrap();
    assert!(before > 0.97 && (before - after).abs() < 0.005, "{report}");
    let summary = predictor.summary().unwrap().to_string();
    assert!(summary.contains(", 8 bits") && summary.contains("8 bits: 4 of 4 products"), "{summary}");
    assert!(summary.contains("accuracy: ") && summary.contains("MB after"), "{summary}");
    assert!(narrow >= exact - 0.005, "{exact} in f32, {narrow} in 8 bits\n{report}");
    // conv1, conv2, fc1, fc2.
    assert_eq!(report.layers.len(), 4);
    assert!(report.outputs[0].agreement > 0.99, "{report}");
    assert!(4 * report.parameter_bytes[1] < report.parameter_bytes[0] * 11 / 10, "{report}");
}

fn accuracy(predictor: &Predictor<digit_net::DigitNet>, test: &Dataset) -> f64 {
    let scores = predictor.predict(test.inputs()).unwrap();
    let largest = |row: ndarray::ArrayView1<'_, f32>| {
        row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(place, _)| place as i32)
    };
    let rows = scores.axis_iter(Axis(0)).map(|row| largest(row.into_dimensionality().unwrap()));
    let right = rows.zip(test.targets()).filter(|(found, expected)| *found == Some(**expected)).count();
    right as f64 / test.targets().len() as f64
}

#[test]
fn layers_stay_where_that_is_asked_for() {
    let x = samples(&[20, 18]);
    let options = QuantizeOptions::new().exclude("c");
    let predictor = Predictor::new(Mlp::init(3)).threads(1).quantize_with(&x, options).unwrap().build().unwrap();
    let report = predictor.quantization().unwrap();
    let kept: Vec<(&str, bool)> = report.layers.iter().map(|layer| (&*layer.name, layer.loss.is_some())).collect();
    assert_eq!(kept, [("a", true), ("b", true), ("c", false)]);
    assert!(report.to_string().contains("8 bits: 2 of 3 products, by 20 samples"), "{report}");
}

#[test]
fn mistakes_say_what_to_give_instead() {
    let error = |x: Array2<f32>, options: QuantizeOptions| {
        let error = Predictor::new(Mlp::init(3)).threads(1).quantize_with(&x, options).err().unwrap();
        assert!(matches!(error, TrainError::Quantize(_)));
        error.to_string()
    };
    let calibration = "give `.quantize` what `predict` takes, some hundred samples such as are to be predicted";
    let of_shape = error(Array2::ones((4, 17)), QuantizeOptions::new());
    assert!(
        of_shape.contains("the model takes samples of the shape [N, 18]") && of_shape.contains(calibration),
        "{of_shape}"
    );
    let empty = error(Array2::ones((0, 18)), QuantizeOptions::new());
    assert!(empty.contains(calibration), "{empty}");
    let unknown = error(Array2::ones((4, 18)), QuantizeOptions::new().exclude("d"));
    assert_eq!(unknown, "there is no layer `d` to leave in f32; those that can be quantized are a, b, c");
    let percentile = error(Array2::ones((4, 18)), QuantizeOptions::new().calibration(Calibration::Percentile(20.0)));
    assert!(percentile.contains("above 50 and at most 100"), "{percentile}");
    let classes = error(Array2::ones((4, 18)), QuantizeOptions::new().classes(&[1, 2, 3]));
    assert_eq!(classes, "3 classes for 4 rows of the first output: give `.classes` one for each sample");
    let nothing = error(Array2::ones((4, 18)), QuantizeOptions::new().exclude("a").exclude("b").exclude("c"));
    assert!(nothing.starts_with("nothing of the model can be quantized"), "{nothing}");
    let mut not_finite = Array2::ones((4, 18));
    not_finite[[2, 5]] = f32::INFINITY;
    assert!(error(not_finite.clone(), QuantizeOptions::new()).starts_with("what layer `a` takes is not finite"));
    // What the error says helps: behind it all is finite.
    for calibration in [Calibration::MinMax, Calibration::Percentile(99.0), Calibration::Mse] {
        let options = QuantizeOptions::new().exclude("a").calibration(calibration);
        let quantized = Predictor::new(Mlp::init(3)).threads(1).quantize_with(&not_finite, options);
        assert!(quantized.is_ok(), "{calibration:?}");
    }
}

model! {
    struct Large {
        a: Linear(1024, 4096),
        b: Linear(4096, 4096),
        c: Linear(4096, 1000),
    }

    fn forward(x: [N, 1024]) -> [N, 1000] {
        c(b(a(x).relu()).relu())
    }
}

model! {
    struct Convolutions {
        stem: Conv2d(3, 64, 3, padding = 1),
        blocks: [Conv2d(64, 64, 3, padding = 1); 4],
        down: Conv2d(64, 128, 3, stride = 2, padding = 1),
        deep: [Conv2d(128, 128, 3, padding = 1); 4],
        fc: Linear(128, 1000),
    }

    fn forward(x: [N, 3, 56, 56]) -> [N, 1000] {
        x = stem(x).relu();
        for block in blocks {
            x = block(x).relu();
        }
        x = down(x).relu();
        for layer in deep {
            x = layer(x).relu();
        }
        fc(x.mean(dim = (2, 3)))
    }
}

/// The shortest time of a prediction in f32 and in 8 bits, which run in turns.
fn in_turns<M: Model<Input = f32, Output = f32>>(name: &str, init: impl Fn() -> M, shape: &[usize]) {
    let x = samples(shape);
    let builder = || Predictor::new(init()).batch(shape[0]).threads(1);
    let both = [builder().build().unwrap(), builder().quantize(&x).unwrap().build().unwrap()];
    let mut best = [f64::INFINITY; 2];
    for _ in 0..20 {
        for (predictor, best) in both.iter().zip(&mut best) {
            let start = std::time::Instant::now();
            predictor.predict(&x).unwrap();
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    let [exact, narrow] = best.map(|seconds| 1e3 * seconds);
    println!("{name}: {exact:.3} ms in f32, {narrow:.3} ms in 8 bits, {:.2} times as fast", exact / narrow);
}

#[test]
#[ignore = "a measurement: cargo test --release --test quantize -- --ignored --nocapture"]
fn times_in_turns() {
    in_turns("Linear, 1 sample", || Large::init(1), &[1, 1024]);
    in_turns("Linear, 64 samples", || Large::init(1), &[64, 1024]);
    in_turns("Conv2d, 4 images", || Convolutions::init(1), &[4, 3, 56, 56]);
}
