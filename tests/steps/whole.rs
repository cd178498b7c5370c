//! `self(x)`: a step that calls the model's own `forward` is the step that has its text in that place, and the model is
//! one that trainers and predictors take.

use kiln::prelude::*;
use ndarray::{Array1, Array2};

/// Two models of the same layers and programs: one says `self(x)`, the other what that stands for.
macro_rules! twins {
    ($(#[$attributes:meta])* { $($layers:tt)* } { $($forward:tt)* } $x:ident => $whole:expr, $written:expr) => {
        pub mod whole {
            use super::*;
            twins!(@model $(#[$attributes])* { $($layers)* } { $($forward)* } $x => $whole);
        }
        pub mod written {
            use super::*;
            twins!(@model { $($layers)* } {} $x => $written);
        }
    };
    (@model $(#[$attributes:meta])* { $($layers:tt)* } { $($forward:tt)* } $x:ident => $value:expr) => {
        model! {
            $(#[$attributes])*
            pub struct Net { $($layers)* }

            $($forward)*

            step fit($x: [N, 4], labels: [N; i32]) -> (loss, slope) {
                let scores = $value;
                let loss = cross_entropy(scores, labels);
                let slope = grad(loss, $x);
                opt.minimize(loss);
            }

            eval predict($x: [N, 4]) -> scores {
                let scores = $value;
            }
        }
    };
}

mod with_forward {
    use super::*;

    twins! {
        { fc: Linear(4, 6), norm: BatchNorm1d(6), blocks: [Linear(6, 6); 2], drop: Dropout(0.2), opt: Adam((fc, norm, blocks)) }
        {
            fn forward(x: [N, 4]) -> [N, 6] {
                let h = norm(fc(x));
                for block in blocks.iter() {
                    h = (block(h) + h).relu();
                }
                drop(h)
            }
        }
        x => self(x),
        {
            let h = norm(fc(x));
            for block in blocks.iter() {
                h = (block(h) + h).relu();
            }
            drop(h)
        }
    }
}

mod in_a_function {
    use super::*;

    twins! {
        { fc: Linear(4, 6), out: Linear(6, 4), opt: Adam((fc, out)) }
        {
            fn forward(x: [N, 4]) -> [N, 4] {
                out(fc(x).tanh())
            }

            fn twice(x) {
                forward(forward(x) * 0.5)
            }
        }
        x => twice(x),
        out(fc((out(fc(x).tanh()) * 0.5)).tanh())
    }
}

mod in_order {
    use super::*;

    twins! {
        #[model(input = [4])]
        { fc: Linear(4, 6), act: Sequential(ReLU, Linear(6, 3)), opt: Adam((fc, act)) }
        {}
        x => self(x),
        act(fc(x))
    }
}

/// Both twins give the same bits, and end with the same parameters.
macro_rules! check {
    ($twins:ident) => {{
        let x = Array2::from_shape_fn((5, 4), |(i, j)| ((i * 7 + j * 3) as f32).sin());
        let labels = Array1::from_shape_fn(5, |i| i as i32 % 3);
        let mut whole = $twins::whole::Net::init(3).trainer().batch(5).threads(1).build().unwrap();
        let mut written = $twins::written::Net::init(3).trainer().batch(5).threads(1).build().unwrap();
        for _ in 0..3 {
            assert_eq!(whole.fit(&x, &labels).unwrap(), written.fit(&x, &labels).unwrap());
        }
        assert_eq!(whole.predict(&x).unwrap(), written.predict(&x).unwrap());
        for program in ["fit", "predict"] {
            // With the names of all calls.
            assert_eq!(whole.plan(program).unwrap().to_string(), written.plan(program).unwrap().to_string());
        }
        let (whole, written) = (whole.into_model(), written.into_model());
        let mut parameters = Vec::new();
        whole.each_parameter(&mut |name, parameter| parameters.push((name.to_owned(), parameter.clone())));
        let mut others = parameters.iter();
        written.each_parameter(&mut |name, parameter| {
            let (other, value) = others.next().unwrap();
            assert_eq!((name, &parameter.value), (other.as_str(), &value.value));
        });
        assert!(others.next().is_none());
        whole
    }};
}

#[test]
fn the_model_itself_is_its_forward_written_out() {
    check!(with_forward);
    check!(in_a_function);
    check!(in_order);
}

#[test]
fn a_model_with_steps_is_a_model() {
    let model = check!(with_forward);
    let x = Array2::from_shape_fn((5, 4), |(i, j)| ((i * 7 + j * 3) as f32).sin());
    let predictor = Predictor::new(model).batch(5).threads(1).build().unwrap();
    let scores = predictor.predict(&x).unwrap().to_owned();
    let mut trainer = Trainer::new(with_forward::whole::Net::init(3), cross_entropy(), Adam::default())
        .batch(5)
        .threads(1)
        .build()
        .unwrap();
    let labels = Array1::from_shape_fn(5, |i| i as i32 % 3);
    for _ in 0..3 {
        trainer.step(&x, &labels).unwrap();
    }
    let trained =
        Predictor::new(trainer.into_model()).batch(5).threads(1).build().unwrap().predict(&x).unwrap().to_owned();
    let far = (&trained - &scores).mapv(f32::abs).fold(0.0, |a: f32, b| a.max(*b));
    assert!(far < 1e-5, "{far}");
}
