//! A mistake in a step is told once, whatever its results are used for.

use kiln::prelude::*;
use ndarray::Array2;

model! {
    struct Net {
        fc: Linear(4, 1),
        opt: Sgd(fc),
    }

    step fit(x: [N, 4], y: [N, 1], mask: [N; bool]) -> (loss, any) {
        let loss = mse_los(fc(x), y);
        let any = mask.any(0);
        opt.minimize(loss);
    }

    eval apply(x: [N, 4]) -> y {
        let y = fc(x);
    }
}

fn main() -> Result<(), TrainError> {
    let mut net = Net::init(1).trainer().build()?;
    let (x, y, mask) = (Array2::<f32>::zeros((2, 4)), Array2::<f32>::zeros((2, 1)), ndarray::arr1(&[true, false]));
    let mut sum = 0.0;
    for _ in 0..3 {
        let (loss, any) = net.fit(&x, &y, &mask)?;
        sum += loss;
        if any && loss < 1e-3f32 {
            println!("{loss:.3} {}", f64::from(sum));
        }
    }
    let best: f32 = net.apply(&x)?[[0, 0]];
    println!("{best}");
    Ok(())
}
