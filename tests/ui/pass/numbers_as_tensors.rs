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
