//! Models of several inputs in trainers and predictors: results, checks, data sets of tuples.

use kiln::prelude::*;
use ndarray::{Array1, Array2, s};

use crate::bits;

model! {
    /// Its inputs are named as trainers name theirs.
    struct Product {
        fc: Linear(3, 2),
    }

    fn forward(y: [N, 3], x: [N, 3]) -> [N, 2] {
        fc(y * x)
    }
}

#[derive(Model)]
#[model(input = [3])]
struct Plain {
    fc: Linear<3, 2>,
}

model! {
    struct Described {
        fc: Linear(3, 2),
        table: Embedding(5, 2),
    }

    fn forward(image: [N, 3], word: [N; i32], shown: [N, 2; bool]) -> [N, 2] {
        (fc(image) + table(word)).masked_fill(shown.logical_not(), 0.0)
    }
}

fn numbers(rows: usize, phase: f32) -> Array2<f32> {
    Array2::from_shape_fn((rows, 3), |(row, column)| (row as f32 * 0.7 + column as f32 * 1.3 + phase).sin())
}

/// Every call gives the bits of a model that takes the product of the inputs.
#[test]
fn two_inputs_train_as_one_made_of_them() {
    let (a, b) = (numbers(11, 0.0), numbers(11, 1.0));
    let product = &a * &b;
    let target = Array2::from_shape_fn((11, 2), |(row, column)| product[[row, column]] - 0.5 * product[[row, 2]]);
    let mut two = Trainer::new(Product::init(3), mse(), Adam::default()).batch(8).threads(1).build().unwrap();
    let mut one = Trainer::new(Plain::init(3), mse(), Adam::default()).batch(8).threads(1).build().unwrap();
    for rows in [8, 8, 5, 1, 8] {
        let part = s![..rows, ..];
        let (a, b, y) = (a.slice(part), b.slice(part), target.slice(part));
        let expected = one.step(&product.slice(part), &y).unwrap();
        assert_eq!(two.step((&a, b), &y).unwrap().to_bits(), expected.to_bits());
    }
    assert_eq!(two.evaluate((&a, &b), &target).unwrap(), one.evaluate(&product, &target).unwrap());
    let expected = one.predict(&product).unwrap();
    assert_eq!(two.predict(&(a.clone(), b.clone())).unwrap(), expected);
    let summary = two.summary().unwrap();
    assert_eq!(summary.layers, one.summary().unwrap().layers);
    let model = two.into_model();
    assert_eq!(bits(&model), bits(&one.into_model()));
    let predictor = Predictor::new(model).batch(4).threads(1).build().unwrap();
    assert_eq!(predictor.predict((a.view(), &b)).unwrap(), expected);
    assert_eq!(predictor.summary().unwrap().layers, summary.layers);
}

/// Numbers, indices and masks; batches of a data set are given as they come.
#[test]
fn batches_of_a_data_set_of_tuples_train() {
    let words = Array1::from_iter((0..40).map(|row| row % 5));
    let shown = Array2::from_shape_fn((40, 2), |(row, column)| (row + column) % 3 != 0);
    let target =
        Array2::from_shape_fn(
            (40, 2),
            |(row, column)| {
                if shown[[row, column]] { words[row] as f32 - column as f32 } else { 0.0 }
            },
        );
    let data = Dataset::new((numbers(40, 0.0), words, shown), target).unwrap();
    let model = Trainer::new(Described::init(1), mse(), Adam::default().lr(0.05)).batch(8).threads(1);
    let mut trainer = model.build().unwrap();
    for epoch in 0..60 {
        for (x, y) in data.batches(8).shuffled(epoch) {
            trainer.step(&x, &y).unwrap();
        }
    }
    assert!(trainer.evaluate(data.inputs(), data.targets()).unwrap().loss < 1e-2);
}

#[test]
fn mistakes_name_the_input_and_leave_the_model() {
    let model = Trainer::new(Described::init(1), mse(), Sgd::new(0.1)).batch(4).threads(1).check_finite(true);
    let mut trainer = model.build().unwrap();
    let before = bits(trainer.model());
    let good = || (numbers(4, 0.0), Array1::<i32>::zeros(4), Array2::from_elem((4, 2), true));
    let mut nan = numbers(4, 0.0);
    nan[[2, 1]] = f32::NAN;
    let mut check = |x: (Array2<f32>, Array1<i32>, Array2<bool>), expected: &str| {
        let y = Array2::<f32>::zeros((4, 2));
        let errors = [
            trainer.step(&x, &y).unwrap_err(),
            trainer.evaluate(&x, &y).unwrap_err(),
            trainer.predict(&x).unwrap_err(),
        ];
        for error in errors.map(|error| error.to_string()) {
            assert!(error.starts_with(expected), "{error}, expected {expected}");
        }
        assert_eq!(bits(trainer.model()), before);
    };
    let wide = Array2::from_elem((4, 3), true);
    check((good().0, good().1, wide), "the model takes `shown` of the shape [N, 2], but got the shape [4, 3]");
    let short = Array1::zeros(3);
    check(
        (good().0, short, good().2),
        "all inputs of the model have the same number of samples: `image` has 4, but `word` has 3",
    );
    check((nan, good().1, good().2), "the image holds NaN at [2, 1]");
    let index = "input `word`: index 5 at [0] is out of range: there are 5 rows, 0 to 4";
    check((good().0, Array1::from_elem(4, 5), good().2), index);
    let empty = "input `image`: there is no sample: the input has the shape [0, 3]";
    check((Array2::zeros((0, 3)), good().1, good().2), empty);
}

/// Not at its place in the batch by which the samples are computed.
#[test]
fn an_index_is_told_at_its_place_among_all_samples() {
    let mut words = Array1::<i32>::zeros(7);
    words[5] = 5;
    let x = (numbers(7, 0.0), words, Array2::from_elem((7, 2), true));
    let predictor = Predictor::new(Described::init(1)).batch(4).threads(1).build().unwrap();
    let mut trainer = Trainer::new(Described::init(1), mse(), Sgd::new(0.1)).batch(4).threads(1).build().unwrap();
    let y = Array2::<f32>::zeros((7, 2));
    let errors =
        [trainer.evaluate(&x, &y).unwrap_err(), trainer.predict(&x).unwrap_err(), predictor.predict(&x).unwrap_err()];
    for error in errors {
        let expected = "input `word`: index 5 at [5] is out of range: there are 5 rows, 0 to 4";
        assert_eq!(error.to_string(), expected);
    }
}
