//! Models with free extents: the same numbers as with fixed ones, programs for each size met, what errors name.

use kiln::prelude::*;
use kiln::report::CachedPrograms;
use ndarray::{Array2, ArrayD, IxDyn};

use super::Folder;

/// A constant of the user's: no free extent, though it is written like one.
const W: usize = 3;

/// Declares a network whose inputs have the free extents T and S, and the same one of the sizes 7 and 4.
macro_rules! both {
    ($($name:ident $fixed:ident { $($fields:tt)* } ($($x:ident: $ty:tt),*) -> $out:tt $body:block)*) => {$(
        model! {
            struct $name { $($fields)* }

            fn forward($($x: $ty),*) -> $out $body
        }

        mod $fixed {
            #[allow(unused_imports)]
            use super::W;
            use kiln::prelude::*;

            #[allow(dead_code)]
            const T: usize = 7;
            #[allow(dead_code)]
            const S: usize = 4;

            model! {
                pub struct $name { $($fields)* }

                fn forward($($x: $ty),*) -> $out $body
            }
        }
    )*};
}

both! {
    Tagger tagger { inner: Linear(3, 8), norm: LayerNorm(8), act: ReLU, out: Linear(8, 2) }
    (x: [N, T, W]) -> [N, T, 2] { out(act(norm(inner(x)))) }

    Recurrent recurrent {
        lstm: LSTM(3, 4, batch_first = true, bidirectional = true),
        gru: GRU(8, 3, batch_first = true),
        out: Linear(3, 2),
    }
    (x: [N, T, W]) -> [N, 2] { let (y, _) = lstm(x); let (_, h) = gru(y); out(h.squeeze(0)) }

    Convolution convolution { conv: Conv1d(3, 4, 3, padding = "same"), act: Tanh, wide: Conv1d(4, 2, 3) }
    (x: [N, 3, T]) -> [N, 2, T - 2] { wide(act(conv(x))) }

    Attention attention {
        table: Embedding(10, 8),
        places: PositionalEncoding(8, max_len = 20, dropout = 0.0, batch_first = true),
        layer: TransformerEncoderLayer(8, 2, dim_feedforward = 16, dropout = 0.0, batch_first = true),
        out: Linear(8, 2),
    }
    (x: [N, T; i32], mask: [N, T; bool]) -> [N, 2] {
        let h = layer(places(table(x)), src_key_padding_mask = mask);
        out(h.mean(dim = 1))
    }

    Across across { q: Linear(3, 8), attn: MultiheadAttention(8, 2, batch_first = true), out: Linear(8, 2) }
    (x: [N, T, W], memory: [N, S, 8]) -> [N, T, 2] {
        let (h, _) = attn(q(x), memory, memory);
        out(h)
    }

    Numbers numbers { out: Linear(3, 2) }
    (x: [N, T, W]) -> [N, T + 1, 2] {
        let half = 2 * T / 2;
        let steps = arange(T).float() / T;
        let mask = zeros([T, T]).triu();
        let flat = x.view([N, T * 3]).view([N, half, -1]);
        let y = (mask.matmul(flat) + flat) * steps.unsqueeze(-1) * (1.0 / (T as f64).sqrt());
        out(cat((y, y.narrow(1, T - 1, 1)), dim = 1) + x.mean(dim = 1, keepdim = true) + x.select(1, -1).unsqueeze(1))
    }
}

model! {
    /// A model that applies one with a free extent to another one, and to a number.
    struct Outer {
        inner: Numbers,
    }

    fn forward(x: [N, L, W], y: [N, 5, W]) -> ([N, L + 1, 2], [N, 6, 2]) {
        (inner(x), inner(y))
    }
}

fn floats(shape: &[usize]) -> ArrayD<f32> {
    let mut count = 0;
    ArrayD::from_shape_fn(IxDyn(shape), |_| {
        count += 1;
        (count * 37 % 23) as f32 / 11.0 - 1.0
    })
}

/// The same bits of predictions and of losses over some steps, with the lengths free and fixed.
macro_rules! same {
    ($name:ident, $fixed:ident, $x:expr, $y:expr) => {{
        let mut free = Trainer::new($name::init(3), mse(), Adam::default()).batch(5).build().unwrap();
        let mut fixed = Trainer::new($fixed::$name::init(3), mse(), Adam::default()).batch(5).build().unwrap();
        let y = floats($y);
        for step in 0..3 {
            let (found, expected) = (free.step($x, &y).unwrap(), fixed.step($x, &y).unwrap());
            assert_eq!(found.to_bits(), expected.to_bits(), "{} in step {step}", stringify!($name));
        }
        assert_eq!(free.predict($x).unwrap(), fixed.predict($x).unwrap());
        assert_eq!(free.evaluate($x, &y).unwrap(), fixed.evaluate($x, &y).unwrap());
    }};
}

#[test]
fn free_lengths_give_the_numbers_of_fixed_ones() {
    let words = Array2::from_shape_fn((5, 7), |(n, t)| ((n * 3 + t * 5) % 10) as i32);
    let mask = Array2::from_shape_fn((5, 7), |(n, t)| t > n + 1);
    same!(Tagger, tagger, &floats(&[5, 7, 3]), &[5, 7, 2]);
    same!(Recurrent, recurrent, &floats(&[5, 7, 3]), &[5, 2]);
    same!(Convolution, convolution, &floats(&[5, 3, 7]), &[5, 2, 5]);
    same!(Attention, attention, (&words, &mask), &[5, 2]);
    same!(Across, across, (&floats(&[5, 7, 3]), &floats(&[5, 4, 8])), &[5, 7, 2]);
    same!(Numbers, numbers, &floats(&[5, 7, 3]), &[5, 8, 2]);
}

#[test]
fn programs_are_kept_as_the_bound_says_and_reported() {
    let builder = Trainer::new(Tagger::init(3), mse(), Sgd::new(0.1)).batch(4).extent("T", 6).cached_programs(2);
    let mut trainer = builder.build().unwrap();
    let kept = |report: &CachedPrograms| -> Vec<String> {
        report.programs.iter().map(|program| format!("{} {}: {}", program.name, program.sizes, program.uses)).collect()
    };
    assert_eq!(kept(&trainer.cached_programs()), ["train N = 4, T = 6: 0"]);
    for (n, t) in [(4, 6), (4, 9), (3, 6), (4, 9), (4, 2)] {
        trainer.step(&floats(&[n, t, 3]), &floats(&[n, t, 2])).unwrap();
    }
    let report = trainer.cached_programs();
    assert_eq!(kept(&report), ["train N = 4, T = 6: 1", "train N = 4, T = 2: 1", "train N = 4, T = 9: 2"]);
    assert_eq!((report.most, report.others()), (2, 2));
    let of_nine = report.programs[2].bytes;
    assert!(of_nine > report.programs[1].bytes && report.bytes() == of_nine, "{report}");
    let text = report.to_string();
    assert!(text.contains("N = 4, T = 6 (usual)") && text.contains("2 of at most 2 for other sizes"), "{text}");
    // What was forgotten is compiled again, and is the same.
    let before = trainer.predict(&floats(&[3, 6, 3])).unwrap();
    for t in [1, 2, 3] {
        trainer.predict(&floats(&[3, t, 3])).unwrap();
    }
    assert_eq!(trainer.predict(&floats(&[3, 6, 3])).unwrap(), before);
    assert_eq!(trainer.summary().unwrap().layers[0].output.to_string(), "[N, 6, 8]");
    let text = trainer.summary().unwrap().to_string();
    assert!(text.contains("planned memory at batch 4, T = 6: training"), "{text}");
    assert!(trainer.profile().is_ok() && trainer.plan().to_string().contains("train"));
}

model! {
    struct Lengths {
        fc: Linear(3, 4),
        places: PositionalEncoding(4, max_len = 8, dropout = 0.0, batch_first = true),
        conv: Conv1d(4, 2, 3),
        opt: Sgd((fc, conv), lr = 0.1),
    }

    fn forward(x: [N, T, 3], pairs: [N, 2 * S], square: [N, T, T]) -> [N, T - 2, 2] {
        let y = square.matmul(places(fc(x)));
        conv(y.transpose(1, 2)).transpose(1, 2) + pairs.mean(dim = 1, keepdim = true).unsqueeze(-1)
    }

    step fit(x: [N, T, 3], labels: [N, T; i32], weights: [N, S]) -> loss {
        let loss = cross_entropy(fc(x).transpose(1, 2), labels) * weights.mean();
        opt.minimize(loss);
    }

    step parts(x: [N, T, 3]) -> loss {
        let loss = conv(fc(x).transpose(1, 2)).square().mean();
        opt.minimize(loss);
    }
}

#[test]
fn errors_name_the_input_and_the_extent() {
    let predictor = Predictor::new(Lengths::init(0)).batch(4).extent("T", 5).build().unwrap();
    let check = |x: &[usize], pairs: &[usize], square: &[usize], expected: &str| {
        let found = predictor.predict((&floats(x), &floats(pairs), &floats(square)));
        let found = found.map_or_else(|error| error.to_string(), |_| "nothing".to_owned());
        assert!(found.starts_with(expected), "{x:?} {pairs:?} {square:?}: {found}");
    };
    check(&[2, 5, 3], &[2, 4], &[2, 5, 5], "nothing");
    check(&[2, 5, 3], &[2, 4], &[2, 6, 6], "input `square`: T is 6 here and 5 in `x`");
    check(&[2, 5, 3], &[2, 4], &[2, 5, 4], "input `square`: T is 4 here and 5 in `x`");
    check(&[2, 5, 3], &[2, 5], &[2, 5, 5], "input `pairs`: the axis declared as 2 * S has the extent 5, which no size");
    check(&[2, 5, 3], &[2, 0], &[2, 5, 5], "input `pairs`: the axis declared as 2 * S has the extent 0");
    check(&[2, 5, 4], &[2, 4], &[2, 5, 5], "the model takes `x` of the shape [N, T, 3], but got the shape [2, 5, 4]");
    check(&[2, 5, 3], &[2, 4], &[3, 5, 5], "all inputs of the model have the same number of samples");
    check(&[0, 5, 3], &[0, 4], &[0, 5, 5], "input `x`: there is no sample");
    check(&[2, 2, 3], &[2, 4], &[2, 2, 2], "with N = 2, S = 2, T = 2: ");
    check(&[2, 9, 3], &[2, 4], &[2, 9, 9], "with N = 2, S = 2, T = 9: ");
    check(&[2, 5, 3], &[2, 4], &[2, 5, 5], "nothing");
    let found = predictor.predict((&floats(&[2, 9, 3]), &floats(&[2, 4]), &floats(&[2, 9, 9]))).unwrap_err();
    assert!(matches!(&found, TrainError::Sizes { usual: false, .. }), "{found:?}");
    assert!(found.to_string().contains("`max_len` must be at least the number of places"), "{found}");
}

#[test]
fn errors_of_steps_and_builders_name_the_extent() {
    let mut steps = Lengths::init(0).trainer().batch(4).extent("S", 3).build().unwrap();
    let labels = |n: usize, t: usize| Array2::<i32>::zeros((n, t));
    let mut check = |x: &[usize], (n, t): (usize, usize), weights: &[usize], expected: &str| {
        let found = steps.fit(&floats(x), &labels(n, t), &floats(weights));
        let found = found.map_or_else(|error| error.to_string(), |_| "nothing".to_owned());
        assert!(found.starts_with(expected), "{x:?} {n} {t} {weights:?}: {found}");
    };
    check(&[2, 5, 3], (2, 5), &[2, 3], "nothing");
    check(&[2, 5, 3], (2, 6), &[2, 3], "input `labels`: T is 6 here and 5 in `x`");
    check(&[2, 5, 3], (3, 5), &[2, 3], "all inputs of `fit` have the same number of samples");
    check(&[2, 5, 2], (2, 5), &[2, 3], "`fit` takes `x` of the shape [N, T, 3], but got the shape [2, 5, 2]");
    check(&[5, 5, 3], (5, 5), &[5, 3], "a step takes at most 4 samples");
    check(&[2, 1, 3], (2, 1), &[2, 9], "nothing");
    let found = steps.parts(&floats(&[2, 2, 3])).unwrap_err().to_string();
    assert!(found.starts_with("with N = 2, T = 2: "), "{found}");
    assert!(steps.parts(&floats(&[2, 4, 3])).is_ok() && steps.plan("parts").is_ok());

    let builders: [(&[(&'static str, usize)], &str); 5] = [
        (&[("T", 4), ("S", 2)], "nothing"),
        (&[("U", 4)], "the model has no free extent `U`: its inputs have `S`, `T`"),
        (&[("T", 0)], "the extent `T` should be at least 1, but is 0"),
        (&[("T", 4), ("T", 2)], "with N = 64, S = 16, T = 2: "),
        (&[("T", 9)], "with N = 64, S = 16, T = 9: "),
    ];
    for (extents, expected) in builders {
        let builder = Predictor::new(Lengths::init(0));
        let builder = extents.iter().fold(builder, |builder, (name, size)| builder.extent(name, *size));
        let found = builder.build().map_or_else(|error| error.to_string(), |_| "nothing".to_owned());
        assert!(found.starts_with(expected), "{extents:?}: {found}");
        let says = found.contains("`.extent(NAME, SIZE)` of the builder says what build() compiles");
        assert_eq!(says, expected.starts_with("with"), "{found}");
    }
}

/// Lengths in turn: the same bits for any number of threads, and from a file written in between.
#[test]
fn lengths_in_turn_give_the_same_bits_with_any_number_of_threads() {
    let folder = Folder::new("trainer-extents");
    let path = folder.path("training.safetensors");
    let train = |threads: usize, lengths: &[usize], from: bool| -> Vec<u32> {
        let builder = Trainer::new(Recurrent::init(3), mse(), Adam::default()).batch(5).threads(threads);
        let mut trainer = builder.extent("T", lengths[0]).build().unwrap();
        if from {
            trainer.load(&path).unwrap();
        }
        let loss = |&t: &usize| trainer.step(&floats(&[5, t, 3]), &floats(&[5, 2])).unwrap().to_bits();
        let losses = lengths.iter().map(loss).collect();
        if !from {
            trainer.save(&path).unwrap();
        }
        losses
    };
    let all = train(1, &[7, 3, 7, 12, 2, 3], false);
    assert_eq!(train(2, &[7, 3, 7, 12, 2, 3], false), all);
    assert_eq!(train(2, &[7, 3, 7], false), all[..3]);
    assert_eq!(train(1, &[12, 2, 3], true), all[3..]);
}

model! {
    struct Words {
        table: Embedding(9, 6),
        gru: GRU(6, 8, batch_first = true),
        fc: Linear(8, 9),
        opt: Adam((table, gru, fc)),
    }

    fn forward(words: [N, T; i32]) -> [N, 9, T] {
        let (y, _) = gru(table(words));
        fc(y).transpose(1, 2)
    }

    step fit(words: [N, T + 1; i32]) -> loss {
        let loss = cross_entropy(self(words.narrow(1, 0, T)), words.narrow(1, 1, T));
        opt.minimize(loss);
    }

    step fit_5(words: [N, 6; i32]) -> loss {
        let loss = cross_entropy(self(words.narrow(1, 0, 5)), words.narrow(1, 1, 5));
        opt.minimize(loss);
    }
}

#[test]
fn words_of_any_number_are_classified() {
    let words = |n: usize, t: usize| Array2::from_shape_fn((n, t), |(n, t)| ((n * 5 + t * t) % 9) as i32);
    let mut trainer = Trainer::new(Words::init(1), cross_entropy(), Adam::default().lr(0.05)).batch(4).build().unwrap();
    for _ in 0..60 {
        for t in [3, 8] {
            trainer.step(&words(4, t), &words(4, t)).unwrap();
        }
    }
    // Each word is its own class, whatever the length.
    let accuracy = trainer.evaluate(&words(9, 5), &words(9, 5)).unwrap().accuracy.unwrap();
    assert!(accuracy > 0.9, "{accuracy}");
    let error = trainer.step(&words(4, 3), &words(4, 5)).unwrap_err().to_string();
    assert!(error.starts_with("the targets should have the shape [4, 3], but have the shape [4, 5]"), "{error}");

    let (mut free, mut fixed) = (Words::init(1).trainer(), Words::init(1).trainer());
    (free, fixed) = (free.batch(4).threads(1), fixed.batch(4).threads(2));
    let (mut free, mut fixed) = (free.build().unwrap(), fixed.build().unwrap());
    for step in 0..3 {
        let (found, expected) = (free.fit(&words(4, 6)).unwrap(), fixed.fit_5(&words(4, 6)).unwrap());
        assert_eq!(found.to_bits(), expected.to_bits(), "step {step}");
    }
    assert!(free.fit(&words(2, 3)).is_ok());
    let error = free.fit(&words(2, 1)).unwrap_err().to_string();
    assert!(error.starts_with("input `words`: the axis declared as T + 1 has the extent 1"), "{error}");
}

/// A sequence of which a batch takes more memory than there are addresses.
#[derive(Model)]
#[model(input = [1, LENGTH])]
struct Long {
    #[model(padding = 1)]
    conv: Conv1d<1, 1, 3>,
}

#[test]
fn rows_beyond_memory_are_an_error() {
    // Outputs of 2^47 bytes and more, and targets: no system gives that much.
    let (row, labels, text) =
        (ndarray::Array2::<f32>::ones((1, 3)), ndarray::arr1(&[0]), |error: TrainError| error.to_string());
    let predictor = Predictor::new(Wide::init(0)).batch(2).build().unwrap();
    let mut trainer = Trainer::new(Wide::init(0), mse(), Sgd::new(0.1)).batch(2).build().unwrap();
    let mut classes = Trainer::new(Wide::init(0), cross_entropy(), Sgd::new(0.1)).batch(2).build().unwrap();
    for rows in [1 << 43, 1 << 59] {
        let (x, y) = (row.broadcast((rows, 3)).unwrap(), ndarray::Array2::<f32>::ones((1, 4)));
        let (y, labels) = (y.broadcast((rows, 4)).unwrap(), labels.broadcast(rows).unwrap());
        let errors = [
            ("outputs", text(predictor.predict(&x).unwrap_err())),
            ("outputs", text(trainer.predict(&x).unwrap_err())),
            ("targets", text(trainer.evaluate(&x, &y).unwrap_err())),
        ];
        for (what, error) in errors {
            let expected = format!("the {what} [{rows}, 4] take {} bytes of memory, which", 16 * rows as u64);
            assert!(error.starts_with(&expected), "{error}");
        }
        let error = classes.evaluate(&x, &labels).unwrap_err();
        assert!(matches!(error, TrainError::OutOfMemory { what: "targets", .. }), "{error}");
    }
    // All goes on.
    assert_eq!(predictor.predict(&row).unwrap().shape(), [1, 4]);
    trainer.evaluate(&row, &ndarray::Array2::ones((1, 4))).unwrap();
}

model! {
    struct Wide { fc: Linear(3, 4) }

    fn forward(x: [N, 3]) -> [N, 4] {
        fc(x)
    }
}

#[test]
fn sizes_beyond_memory_are_an_error_at_once() {
    // The second is a prime number.
    for (batch, length) in [(1 << 30, 16384), ((1 << 30) - 35, 16384), (16384, (1 << 30) - 35)] {
        let predictor = Predictor::new(Long::init(0)).batch(batch).extent("LENGTH", length).build().map(drop);
        let trainer = Trainer::new(Long::init(0), mse(), Adam::new(0.1)).batch(batch).extent("LENGTH", length);
        for result in [predictor, trainer.build().map(drop)] {
            let error = result.unwrap_err();
            assert!(matches!(error, TrainError::Memory { batch: found, .. } if found == batch), "{error}");
            assert!(
                error.to_string().starts_with(&format!("a batch of {batch} with LENGTH = {length} needs ")),
                "{error}"
            );
        }
    }
}

model! {
    /// Numbers that are negative for some lengths.
    struct Shifted {
        act: ReLU,
    }

    fn forward(x: [N, T]) -> [N, T] {
        let half = (T - 2) as f32 * 0.5;
        act(x) / (T - 2) + (1 - T) * x + half + where(T - 2 > x, 100.0, 0.0)
    }
}

model! {
    struct Window {
        act: ReLU,
    }

    fn forward(x: [N, T]) -> [N, 2] {
        act(x).narrow(1, T - 4, 2)
    }
}

model! {
    struct Less {
        act: ReLU,
    }

    fn forward(x: [N, T]) -> [N, T - 2] {
        act(x).sum(dim = 1, keepdim = true) * ones([T - 2])
    }
}

/// As in PyTorch, a number may be negative; a place then counts from the end, and an extent is refused.
#[test]
fn numbers_of_short_lengths_are_negative() {
    let x = |t: usize| Array2::from_shape_fn((1, t), |(_, t)| 1.0 + t as f32);
    let shifted = Predictor::new(Shifted::init(0)).batch(1).build().unwrap();
    for (t, expected) in [(1, vec![-1.5]), (4, vec![98.5, -4.0, -6.5, -9.0])] {
        assert_eq!(shifted.predict(&x(t)).unwrap().into_raw_vec_and_offset().0, expected, "{t}");
    }
    let window = Predictor::new(Window::init(0)).batch(1).build().unwrap();
    for (t, expected) in [(5, [2.0, 3.0]), (4, [1.0, 2.0]), (2, [1.0, 2.0])] {
        assert_eq!(window.predict(&x(t)).unwrap().into_raw_vec_and_offset().0, expected, "{t}");
    }
    let less = Predictor::new(Less::init(0)).batch(1).build().unwrap();
    assert_eq!(less.predict(&x(3)).unwrap().into_raw_vec_and_offset().0, [6.0]);
    for t in [1, 2] {
        assert!(matches!(less.predict(&x(t)), Err(TrainError::Sizes { .. })));
    }
    assert!(matches!(window.predict(&x(1)), Err(TrainError::Sizes { .. })));
}

model! {
    struct Positions {
        words: Embedding(9, 4),
        places: Embedding(6, 4),
    }

    fn forward(x: [N, T; i32]) -> [N, T, 4] {
        words(x) + places(arange(T)) + places(arange(T + 1).narrow(0, 1, T) - 1)
    }
}

/// Positions that are computed are looked at, as are indices that are given: a table has a row for each.
#[test]
fn a_sequence_is_no_longer_than_its_table() {
    let predictor = Predictor::new(Positions::init(1)).batch(2).extent("T", 4).threads(1).build().unwrap();
    assert!(predictor.predict(&Array2::<i32>::ones((2, 6))).is_ok());
    let error = predictor.predict(&Array2::<i32>::ones((2, 7))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "with N = 2, T = 7: layer places: row 6 is looked up in a table of 6 rows, counted from 0: positions need a table as long as the \
         sequence"
    );
    assert!(predictor.predict(&Array2::<i32>::ones((2, 5))).is_ok());
    // Where nobody says a length, one is compiled that the table has.
    let predictor = Predictor::new(Positions::init(1)).batch(2).threads(1).build().unwrap();
    assert!(predictor.predict(&Array2::<i32>::ones((2, 6))).is_ok());
    let error = predictor.predict(&Array2::<i32>::ones((2, 16))).unwrap_err().to_string();
    assert!(error.starts_with("with N = 2, T = 16: layer places: row 6 is looked up"), "{error}");
    let said = Predictor::new(Positions::init(1)).batch(2).extent("T", 16).threads(1).build();
    assert!(matches!(said.err(), Some(TrainError::Sizes { usual: true, .. })));
    let mut trainer = Placed::init(1).trainer().batch(2).threads(1).build().unwrap();
    assert!(trainer.fit(&Array2::<i32>::ones((2, 3))).is_ok());
    assert!(trainer.fit(&Array2::<i32>::ones((2, 4))).is_err());
    for length in [1 << 40, usize::MAX / 2] {
        let error = Predictor::new(Positions::init(1)).extent("T", length).build().err().unwrap().to_string();
        assert!(error.contains("is too large"), "{error}");
    }
}

model! {
    struct Placed {
        places: Embedding(3, 4),
        opt: Sgd(places),
    }

    step fit(x: [N, T; i32]) -> loss {
        let loss = (places(arange(T)) * x.float().unsqueeze(2)).square().mean();
        opt.minimize(loss);
    }
}

model! {
    struct Bags {
        bag: EmbeddingBag(6, 4),
    }

    fn forward(x: [N, T]) -> [N, 4] {
        bag((arange(T) - 1).unsqueeze(0)) * x.sum(1).unsqueeze(1)
    }
}

/// Those of bags, too; and one before the first is told without advice about lengths.
#[test]
fn positions_begin_at_0() {
    let error = Predictor::new(Bags::init(1)).batch(1).extent("T", 4).build().err().unwrap();
    assert_eq!(
        error.to_string(),
        "with N = 1, T = 4: layer bag: row -1 is looked up in a table of 6 rows, counted from 0; `.extent(NAME, SIZE)` of \
         the builder says what build() compiles"
    );
}
