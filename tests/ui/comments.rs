//! Comments where Python would divide.
#![deny(warnings)]

use kiln::prelude::*;

const WIDTH: usize = 4;

model! {
    struct Tail {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) // 2
    }
}

model! {
    struct Within {
        fc: Linear(4, WIDTH),
    }

    fn forward(x: [N, 4], y: [N, 4]) -> [N, 4] {
        let k = 2;
        let z = if WIDTH > k {
            x // k
        } else {
            y // 2.0
        };
        cat((
            fc(z),
            x // WIDTH
        ), dim = 1).narrow(1, 0, WIDTH) // the first ones
    }
}

model! {
    struct Comments {
        fc: Linear(4, 4), // 2
        opt: Adam(fc),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let y = fc(x); // 2
        // 2
        let z = (
            y.relu() // relu
        );
        let w = cat((
            z.tanh(), // 2
            z.sin() // 14x14
        ), dim = 1).view(N, 2 * 4 // 8
        );
        w.narrow(1, 0, WIDTH) // logits
    }

    step fit(x: [N, 4], y: [N, 4]) -> loss {
        let loss = mse(
            fc(x), // predictions
            y // targets
        ); // x
        opt.minimize(loss); // 2
    }
}

fn main() {}
