//! Numbers where tensors without axes are expected, and names of numbers that become tensors.

use kiln::ndarray::{Array1, Array2, array};
use kiln::prelude::*;

model! {
    pub struct Smooth {
        scale: Parameter(4, mean = 1),
    }

    fn forward(x: [N, 4], eps: [], times: [; i32]) -> [N, 4] {
        x * scale * times.float() + eps
    }
}

model! {
    struct Net {
        smooth: Smooth,
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let widths = [1, 2, 4];
        let mut y = x;
        for width in widths {
            y = y * width;
        }
        scaled(smooth(y, 0.5, 3), 2, true) * widths[1]
    }

    fn scaled(x, k: [], on: [; bool]) {
        where(on, x * k, x)
    }

    /// Whole numbers are of the elements of what they meet first.
    eval counted(x: [N, 4], y: [N; i32], k: [; i32]) -> (total, product, sum, any, large) {
        let mut total = 0;
        for i in 0..3 {
            total += y.sum();
        }
        // More than f32 holds.
        let mut large = 16777217;
        large += y.sum() - y.sum();
        let mut product = 1;
        product = product * k;
        if 1 > 0 {
            product = product * k;
        }
        let mut sum = -1;
        sum += x.sum();
        let mut any = false;
        any = any | (x > 0.0);
    }
}

const RATE: f32 = 0.5;
const WIDTH: usize = 4;

model! {
    /// Whole numbers beside those with fractions, and flags beside tensors.
    struct Mixed {
        act: Identity,
    }

    fn forward(x: [N, 1]) -> [N, 1] {
        let dt = 0.25;
        let t = 0.0;
        for i in 0..3 {
            // 0 + 0.5 + 1, then 0 + 0.1 + 0.2
            x = act(x) + i * 0.5 + i / 10.0;
            t += i * dt;
            // 3 - 0, 3 - 0.25, 3 - 0.5
            x = x + (3.0 - i * dt);
        }
        // 0.75, 2 + 8, 6.25 + 0.5, 1, then 0.5 of one row of one column.
        x = x + t + (WIDTH * 0.5 + RATE / 0.0625) + scaled(x * 0.0, 2.5, WIDTH) + (x == x).float() * true;
        x + N * 0.25 * (1.0 / x.size(1)) + WIDTH.pow(-0.5)
    }

    fn scaled(x, s: f64, k: usize) {
        x + (s * (k - 1) - 1.25) + 1 * (0.5 - k / 8.0 + k * 0.125)
    }
}

model! {
    struct OfMasks {
        act: Identity,
    }

    fn forward(m: [N, 2; bool]) -> [N, 2] {
        let whole = true + act(m.float());
        where(m == true, whole, stack(vec![m.float().sum(1), m.float().sum(1)], 1)) * cat(vec![m], dim = 1)
    }
}

#[test]
fn whole_numbers_become_what_stands_beside_them() {
    let found = Predictor::new(Mixed::init(1)).build().unwrap().predict(&array![[1.0_f32], [2.0]]).unwrap();
    let sum = (1.5 + 0.3) + (9.0 - 0.75) + 0.75 + 10.0 + (6.25 + 0.5) + 1.0 + 0.5 + 0.5;
    for (found, x) in found.iter().zip([1.0, 2.0]) {
        assert!((found - (x + sum)).abs() < 1e-5, "{found} is not {}", x + sum);
    }
    let found = Predictor::new(OfMasks::init(1)).build().unwrap().predict(&array![[true, false]]).unwrap();
    assert_eq!(found, array![[2.0_f32, 0.0]].into_dyn());
}

#[test]
fn numbers_stand_for_tensors_without_axes() {
    let x = Array2::from_shape_fn((3, 4), |(row, column)| row as f32 - column as f32);
    let predictor = Predictor::new(Net::init(1)).build().unwrap();
    let expected = x.mapv(|x| (x * 8.0 * 3.0 + 0.5) * 4.0);
    assert_eq!(predictor.predict(&x).unwrap(), expected.into_dyn());
}

#[test]
fn whole_numbers_are_of_what_they_meet() {
    let x = Array2::from_shape_fn((3, 4), |(row, column)| row as f32 - column as f32);
    let y: Array1<i32> = array![1, 2, 4];
    let mut trainer = Net::init(1).trainer().batch(3).build().unwrap();
    let (total, product, sum, any, large) = trainer.counted(&x, &y, 5).unwrap();
    // A whole number is of any integer type.
    assert_eq!(trainer.counted(&x, &y, 5_usize).unwrap().1, 25);
    assert!(trainer.counted(&x, &y, 5_i64 << 40).is_err());
    assert_eq!((total, product, sum, large), (21, 25, x.sum() - 1.0, 16_777_217));
    assert_eq!(any, x.mapv(|x| x > 0.0).into_dyn());
}
