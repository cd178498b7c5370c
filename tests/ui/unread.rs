//! Names and lists that nothing reads.
#![deny(warnings)]

use kiln::prelude::*;

model! {
    struct Net {
        fc: Linear(8, 8),
        cell: GRUCell(8, 8),
        places: PositionalEncoding(8, batch_first = true), // which has nothing to train
        opt: Adam((fc, cell)),
    }

    step fit(x: [N, 8], y: [N, 8]) -> (loss, seen) {
        let mut outs = vec![];
        let mut kept = vec![];
        let mut h = zeros(N, 8);
        let _unneeded = fc(h);
        let before = h;
        for t in 0..3 {
            h = cell(places(x.unsqueeze(1)).squeeze(1), h);
            let scaled = h * t;
            outs.push(h);
            kept.push(h);
        }
        let seen = stack(kept, dim = 1);
        let before = fc(h);
        let loss = mse(before, y);
        opt.minimize(loss);
    }
}

fn main() {}
