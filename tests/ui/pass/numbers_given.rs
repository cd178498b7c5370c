//! Numbers that functions are given, and the methods of numbers: a whole one that is written is of the type that is taken.

use kiln::ndarray::array;
use kiln::prelude::*;

const WIDTH: usize = 4;
const RATE: f32 = 0.5;

model! {
    pub struct Inner {
        act: ReLU,
    }

    fn forward(x: [N, 1]) -> [N, 1] {
        act(x)
    }

    pub fn scale(x, s: f32) {
        x * s
    }

    pub fn precise(x, s: f64) {
        x * s
    }

    pub fn by(x: [N, 1], s: []) {
        x * s
    }

    pub fn shift(x: [N, 1], s: [; i32]) {
        x + s.float()
    }

    pub fn first(x, count: usize) {
        x.narrow(1, 0, count)
    }
}

model! {
    struct Net {
        inner: Inner,
    }

    fn forward(x: [N, 1]) -> [N, 17] {
        let (small, few) = (WIDTH * 0.5, 0.25);
        let more = few * 2;
        let sum = x * 0;
        for i in 0..3 {
            sum = sum + WIDTH.pow(i);
        }
        cat((
            inner.scale(x, 3),
            inner.scale(x, -3),
            inner.scale(x, 4 / 2),
            inner.scale(x, 3_000_000_000),
            inner.scale(x, RATE),
            inner.precise(x, 7),
            inner.by(x, 3_000_000_000),
            inner.by(x, WIDTH / 2),
            inner.shift(x, -2_147_483_648),
            inner.first(x, 3 / 2),
            own(x, 3, 3_000_000_000),
            x * small.max(3),
            x * more.min(0.3).max(-few),
            x * (RATE * 2.0).max(RATE),
            x * (-few).abs(),
            x * 0.5.max(few),
            sum,
        ), 1)
    }

    fn own(x: [N, 1], s: f32, t: []) {
        x * s + t * 0
    }
}

#[test]
fn whole_numbers_are_of_the_type_that_is_taken() {
    let found = Predictor::new(Net::init(1)).build().unwrap().predict(&array![[1.0_f32]]).unwrap();
    let expected = array![[
        3.0,
        -3.0,
        2.0,
        3e9,
        0.5,
        7.0,
        3e9,
        2.0,
        -2_147_483_648.0_f32,
        1.0,
        3.0,
        3.0,
        0.3,
        1.0,
        0.25,
        0.5,
        21.0
    ]];
    assert_eq!(found, expected.into_dyn());
}
