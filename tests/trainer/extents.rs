//! Models with free extents: the same numbers as with fixed ones, programs for each size met, what errors name.

use kiln::prelude::*;
use ndarray::Array3;

/// A constant of the user's: no free extent, though it is written like one.
const W: usize = 3;

/// Declares a network over sequences whose length is free, and the same one of a fixed length.
macro_rules! both {
    ($free:ident, $fixed:ident, $length:literal, { $($fields:tt)* }, |$x:ident: [N, _, $($rest:tt)*]| -> [N, _, $($out:tt)*] $body:block) => {
        model! {
            struct $free { $($fields)* }

            fn forward($x: [N, T, $($rest)*]) -> [N, T, $($out)*] $body
        }

        model! {
            struct $fixed { $($fields)* }

            fn forward($x: [N, $length, $($rest)*]) -> [N, $length, $($out)*] $body
        }
    };
}

both!(FreeTagger, Tagger7, 7, {
    inner: Linear(3, 8),
    norm: LayerNorm(8),
    act: ReLU,
    out: Linear(8, 2),
}, |x: [N, _, W]| -> [N, _, 2] { out(act(norm(inner(x)))) });

fn numbers(n: usize, t: usize, features: usize) -> Array3<f32> {
    Array3::from_shape_fn((n, t, features), |(n, t, i)| ((n * 31 + t * 7 + i * 3) % 13) as f32 / 6.0 - 1.0)
}

#[test]
fn a_free_length_trains_as_a_fixed_one() {
    let (x, y) = (numbers(5, 7, 3), numbers(5, 7, 2));
    let mut free = Trainer::new(FreeTagger::init(3), mse(), Adam::default()).batch(5).build().unwrap();
    let mut fixed = Trainer::new(Tagger7::init(3), mse(), Adam::default()).batch(5).build().unwrap();
    for step in 0..4 {
        let (found, expected) = (free.step(&x, &y).unwrap(), fixed.step(&x, &y).unwrap());
        assert_eq!(found.to_bits(), expected.to_bits(), "step {step}");
    }
    assert_eq!(free.predict(&x).unwrap(), fixed.predict(&x).unwrap());
    assert_eq!(free.evaluate(&x, &y).unwrap(), fixed.evaluate(&x, &y).unwrap());
    let shorter = free.predict(&numbers(3, 2, 3)).unwrap();
    assert_eq!(shorter.shape(), [3, 2, 2]);
}
