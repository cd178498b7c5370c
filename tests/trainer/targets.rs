//! Labels and indices of every integer type, and what is said of those out of range.

use kiln::prelude::*;
use ndarray::{Array1, Array2};

#[derive(Model)]
#[model(input = [2])]
struct Three(Linear<2, 3>);

model! {
    struct Looked {
        table: Embedding(5, 2),
        fc: Linear(2, 3),
        opt: Sgd((table, fc)),
    }

    step fit(x: [N; i32], y: [N; i32]) -> loss {
        let loss = cross_entropy(fc(table(x)), y);
        opt.minimize(loss);
    }
}

#[test]
fn labels_may_be_of_every_integer_type() {
    let x = Array2::from_shape_fn((4, 2), |(row, column)| (row + 2 * column) as f32);
    let model = || Trainer::new(Three::init(1), cross_entropy(), Sgd::new(0.1)).batch(4).threads(1).build().unwrap();
    let expected = model().evaluate(&x, &[0, 2, 1, 2]).unwrap();
    macro_rules! check {
        ($($ty:ty)*) => {$(
            let y: Array1<$ty> = Array1::from_vec(vec![0, 2, 1, 2]);
            assert_eq!(model().evaluate(&x, &y).unwrap(), expected, stringify!($ty));
            let mut far = y.clone();
            far[3] = <$ty>::MAX;
            let text = format!("label {} at [3] is out of range: the model has 3 classes, 0 to 2", <$ty>::MAX);
            assert_eq!(model().evaluate(&x, &far).unwrap_err().to_string(), text);
        )*};
    }
    check!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize);
}

/// Data sets of numbers go through a trainer as those of classes do, those of two inputs through a step.
#[test]
fn data_sets_of_numbers_and_of_several_inputs_train() {
    #[derive(Model)]
    #[model(input = [2])]
    struct Line(Linear<2, 1>);

    let x = Array2::from_shape_fn((50, 2), |(row, column)| ((row * 2 + column) as f32).sin());
    let y = Array2::from_shape_fn((50, 1), |(row, _)| x[[row, 0]] - 2.0 * x[[row, 1]]);
    let (train, test) = Dataset::new(x.clone(), y).unwrap().split(0.8, 1);
    let mut trainer = Trainer::new(Line::init(1), mse(), Sgd::new(0.2)).batch(16).threads(1).build().unwrap();
    for epoch in 0..40 {
        for (x, y) in train.batches(16).shuffled(epoch).drop_last() {
            trainer.step(&x, &y).unwrap();
        }
    }
    assert!(trainer.evaluate(test.inputs(), test.targets()).unwrap().loss < 1e-3);

    let index = Array1::from_iter((0..50u8).map(|row| row % 5));
    let data = Dataset::new(index.clone(), index.mapv(|index| i64::from(index % 3))).unwrap();
    let mut trainer = Looked::init(1).trainer().batch(10).threads(1).build().unwrap();
    for (x, y) in data.batches(10).shuffled(1) {
        trainer.fit(&x, &y).unwrap();
    }
}

#[test]
fn whole_numbers_out_of_range_are_told_as_what_they_are() {
    let mut trainer = Looked::init(1).trainer().batch(3).threads(1).build().unwrap();
    let before = crate::bits(trainer.model());
    let mut check = |x: [u64; 3], y: [i64; 3], expected: &str| {
        let error = trainer.fit(&Array1::from_vec(x.to_vec()), &y).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(crate::bits(trainer.model()), before);
    };
    let whole = |number: u64, position: usize| {
        format!(
            "input `x`: the number {number} at [{position}] is out of range: whole numbers are i32, -2147483648 to 2147483647"
        )
    };
    check([0, 1 << 32, 1], [0; 3], &whole(1 << 32, 1));
    check([u64::MAX, 0, 1], [0; 3], &whole(u64::MAX, 0));
    check([0, 0, 5], [0; 3], "input `x`: index 5 at [2] is out of range: there are 5 rows, 0 to 4");
    let label =
        |number: i64| format!("input `y`: label {number} at [2] is out of range: the model has 3 classes, 0 to 2");
    for number in [3, -1, 1 << 40, i64::MIN, i64::MAX] {
        check([0; 3], [0, 1, number], &label(number));
    }
    trainer.fit(&[4u8, 0, 1], &[-100i8, 0, 2]).unwrap();
}

model! {
    #[model(input = [3])]
    struct Scores(Linear(3, 4), BatchNorm1d(4), Dropout(0.5), Linear(4, 2));
}

model! {
    #[model(input = [3])]
    struct Probabilities(Linear(3, 2), Sigmoid);
}

model! {
    struct Compared {
        scores: Scores,
        opt: Adam(scores),
    }

    step fit(x: [N, 3], y: [N, 2]) -> loss {
        let loss = bce(scores(x), y);
        opt.minimize(loss);
    }

    eval compare(x: [N, 2], y: [N, 2]) -> loss {
        let loss = bce(x, y);
    }
}

/// A loss of probabilities says that it was given none, and nothing has changed: no parameter, no running statistic, no
/// moment of the optimizer.
#[test]
fn numbers_that_are_no_probabilities_are_refused() {
    let x = Array2::from_shape_fn((4, 3), |(row, column)| ((row * 3 + column) as f32).sin());
    let y = Array2::from_shape_fn((4, 2), |(row, column)| ((row + column) % 2) as f32);
    let outside = |error: TrainError| {
        assert!(matches!(error, TrainError::Outside { .. }), "{error}");
        error.to_string()
    };

    let mut trainer = Trainer::new(Scores::init(1), bce(), Adam::new(0.1)).batch(4).threads(1).build().unwrap();
    let before = crate::bits(trainer.model());
    let error = outside(trainer.step(&x, &y).unwrap_err());
    assert!(error.starts_with("bce takes numbers from 0 to 1, and "), "{error}");
    assert!(error.ends_with("end the model with Sigmoid, or take bce_with_logits, whose predictions are any numbers"));
    assert_eq!(crate::bits(trainer.model()), before);
    outside(trainer.evaluate(&x, &y).unwrap_err());

    // Targets, too; what follows is as if nothing had been.
    let build = || Trainer::new(Probabilities::init(1), bce(), Adam::new(0.1)).batch(4).threads(1).build().unwrap();
    let (mut trainer, mut other) = (build(), build());
    let error = outside(trainer.step(&x, &(y.clone() * 2.0)).unwrap_err());
    assert!(error.contains("and 4 that it was given"), "{error}");
    assert_eq!(trainer.step(&x, &y).unwrap().to_bits(), other.step(&x, &y).unwrap().to_bits());
    assert_eq!(crate::bits(trainer.model()), crate::bits(other.model()));
    let nan = Array2::from_elem((4, 2), f32::NAN);
    outside(trainer.step(&x, &nan).unwrap_err());

    let mut compared = Compared::init(1).trainer().batch(4).threads(1).build().unwrap();
    let before = crate::bits(compared.model());
    outside(compared.fit(&x, &y).unwrap_err());
    assert_eq!(crate::bits(compared.model()), before);
    outside(compared.compare(&(y.clone() - 0.25), &y).unwrap_err());
    assert!(compared.compare(&(y.clone() * 0.5 + 0.25), &y).is_ok());
}
