//! Names of quotients of whole numbers, beside tensors and as places: they are what they say where they leave nothing.

use kiln::ndarray::array;
use kiln::prelude::*;

const WIDTH: usize = 4;

model! {
    struct Net {
        act: ReLU,
    }

    fn forward(x: [N, 1]) -> [N, 1] {
        let widths = [2, 8];
        let (half, mut scale) = (WIDTH / 2, 1 / 2);
        // What it was first is not read.
        scale = 3;
        for i in 0..3 {
            let place = i / 2;
            x = x + widths[place];
            let whole = 2 * i / 2;
            x = x + whole;
            // The part of a round, and not the one before.
            let part = (i as f64) / 4.0;
            x = x + part;
        }
        let mut power = 16;
        for _ in 0..3 {
            x = x + power / 2;
            power /= 2;
        }
        let r#type = WIDTH / 4;
        let (tenth, none) = (WIDTH * 0.1, 0.0);
        act(x).narrow(1, 0, r#type) * half + scale + tenth.max(0.5) - none.max(tenth).min(0.5) - 0.1
    }
}

#[test]
fn names_of_quotients_are_what_they_say() {
    let found = Predictor::new(Net::init(1)).build().unwrap().predict(&array![[1.0_f32]]).unwrap();
    let expected = (1.0 + (2.0 + 2.0 + 8.0) + (0.0 + 1.0 + 2.0) + 0.75 + (8.0 + 4.0 + 2.0)) * 2.0 + 3.0;
    assert_eq!(found, array![[expected]].into_dyn());
}
