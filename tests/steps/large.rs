//! Models of many layers: small where they are passed by value, so that a small stack does, also in a debug build.

use std::thread;

use kiln::graph::Parameters;
use kiln::layers as l;
use kiln::prelude::*;
use ndarray::Array2;

#[test]
fn layers_are_small() {
    macro_rules! sizes {
        ($($ty:ty),* $(,)?) => { [$((stringify!($ty), size_of::<$ty>())),*] };
    }
    let all = sizes![
        Parameter, Option<Parameter>, l::Linear<8, 8>, l::Conv1d<8, 8, 3>, l::Conv2d<8, 8, 3>, l::Conv3d<8, 8, 3>,
        l::ConvTranspose1d<8, 8, 3>, l::ConvTranspose2d<8, 8, 3>, l::ConvTranspose3d<8, 8, 3>, l::BatchNorm1d<8>,
        l::BatchNorm2d<8>, l::BatchNorm3d<8>, l::LayerNorm<8>, l::Embedding<8, 8>, l::Dropout, l::MaxPool1d<2>,
        l::MaxPool2d<2>, l::MaxPool3d<2>, l::AvgPool1d<2>, l::AvgPool2d<2>, l::AvgPool3d<2>, l::FractionalMaxPool2d<2>,
        l::AdaptiveAvgPool2d<1>, l::Upsample, l::Flatten, l::Softmax, l::ELU, l::LeakyReLU, l::Hardtanh,
    ];
    for (name, bytes) in all {
        assert!(bytes <= 32, "{name} takes {bytes} bytes");
    }
}

/// Runs something with a stack of 512 KiB.
fn in_a_small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    thread::Builder::new().stack_size(512 << 10).spawn(work).unwrap().join().expect("no panic")
}

model! {
    #[derive(Clone)]
    struct Long {
        blocks: [Sequential { fc: Linear(2, 2), norm: BatchNorm1d(2), act: Tanh }; 2000],
    }

    fn forward(x: [N, 2]) -> [N, 2] {
        for block in blocks {
            x = x + block(x);
        }
        x
    }
}

model! {
    struct Stepped {
        long: Long,
        opt: Sgd(long, lr = 0.1),
    }

    step fit(x: [N, 2]) -> loss {
        let loss = long(x).square().mean();
        opt.minimize(loss);
    }
}

/// Each of what moves a model, which takes a frame of its own.
#[test]
fn a_model_of_thousands_of_layers_is_made_and_moved_in_a_small_stack() {
    assert!(size_of::<Long>() <= 48_000, "{} bytes", size_of::<Long>());
    let file = || std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("long.safetensors");
    in_a_small_stack(|| Long::init(1).check_shapes().unwrap());
    in_a_small_stack(|| drop(Long::init(1).clone()));
    in_a_small_stack(|| drop(Trainer::new(Long::init(1), mse(), Sgd::new(0.1)).batch(4).threads(1).clone()));
    in_a_small_stack(|| drop(Predictor::new(Long::init(1)).batch(4)));
    in_a_small_stack(|| drop(Stepped::init(1).trainer().batch(4)));
    in_a_small_stack(move || {
        let mut model = Long::init(1);
        model.blocks[1999].fc.bias.set(&ndarray::array![1.0, 2.0]).unwrap();
        model.save(file()).unwrap();
    });
    in_a_small_stack(move || {
        let mut model = Long::init(2);
        model.load(file()).unwrap();
        let mut count = 0;
        model.each_parameter(&mut |_, parameter| count += parameter.value.len());
        assert_eq!((count, model.blocks[1999].fc.bias.as_ref().unwrap().value[[1]]), (2000 * (6 + 9), 2.0));
    });
}

model! {
    struct Chain {
        layers: [Linear(2, 2); 2000],
    }

    fn forward(x: [N, 2]) -> [N, 2] {
        for layer in layers {
            x = layer(x);
        }
        x
    }
}

#[test]
fn a_list_of_thousands_of_layers_predicts_and_is_taken_back_in_a_small_stack() {
    let last = in_a_small_stack(|| {
        let predictor = Predictor::new(Chain::init(1)).batch(2).threads(1).build().unwrap();
        assert_eq!(predictor.predict(&Array2::<f32>::ones((2, 2))).unwrap().shape(), [2, 2]);
        let model = predictor.into_model();
        model.layers[1999].weight.value.iter().all(|weight| weight.is_finite())
    });
    assert!(last);
}

macro_rules! nested {
    ($inner:ident) => {};
    ($inner:ident $outer:ident $($rest:ident)*) => {
        model! {
            struct $outer { fc: Linear(3, 3), inner: $inner }

            fn forward(x: [N, 3]) -> [N, 3] {
                inner(fc(x))
            }
        }
        nested! { $outer $($rest)* }
    };
}

model! {
    struct N0 { fc: Linear(3, 3) }

    fn forward(x: [N, 3]) -> [N, 3] {
        fc(x)
    }
}

nested! {
    N0 N1 N2 N3 N4 N5 N6 N7 N8 N9 N10 N11 N12 N13 N14 N15 N16 N17 N18 N19 N20 N21 N22 N23 N24 N25 N26 N27 N28 N29 N30
    N31 N32 N33 N34 N35 N36 N37 N38 N39 N40 N41 N42 N43 N44 N45 N46 N47 N48 N49 N50 N51 N52 N53 N54 N55 N56 N57 N58 N59 N60
}

#[test]
fn nested_models_are_built_trained_and_taken_back_in_a_small_stack() {
    let name = in_a_small_stack(|| {
        let x = Array2::from_shape_fn((4, 3), |(i, j)| (i * 3 + j) as f32 / 12.0);
        let mut trainer = Trainer::new(N60::init(1), mse(), Sgd::new(0.01)).batch(4).threads(1).build().unwrap();
        trainer.step(&x, &x).unwrap();
        let expected = trainer.predict(&x).unwrap();
        let predictor = Predictor::new(trainer.into_model()).batch(4).threads(1).build().unwrap();
        assert!(predictor.predict(&x).unwrap().iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4));
        let mut last = String::new();
        predictor.into_model().each_parameter(&mut |name, _| last = name.to_owned());
        last
    });
    assert_eq!(name, "inner.".repeat(60) + "fc.bias");
}
