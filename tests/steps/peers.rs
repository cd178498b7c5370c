//! The DCGAN of the benchmark suite as two steps: PyTorch's losses over the first ten rounds (eager, f32; the suite's numbers and
//! tolerance: 2e-3 of the loss, as its losses are off by 1e-3 against f64 at the tenth).

use kiln::prelude::*;
use ndarray::{Array4, ArrayD};

model! {
    #[model(input = [64, 1, 1])]
    pub struct Generator(
        ConvTranspose2d(64, 128, 4, bias = false),
        BatchNorm2d(128),
        ReLU,
        ConvTranspose2d(128, 64, 4, stride = 2, padding = 1, bias = false),
        BatchNorm2d(64),
        ReLU,
        ConvTranspose2d(64, 32, 4, stride = 2, padding = 1, bias = false),
        BatchNorm2d(32),
        ReLU,
        ConvTranspose2d(32, 1, 4, stride = 2, padding = 1, bias = false),
        Tanh,
    );
}

model! {
    #[model(input = [1, 32, 32])]
    pub struct Discriminator(
        Conv2d(1, 32, 4, stride = 2, padding = 1, bias = false),
        LeakyReLU(0.2),
        Conv2d(32, 64, 4, stride = 2, padding = 1, bias = false),
        BatchNorm2d(64),
        LeakyReLU(0.2),
        Conv2d(64, 128, 4, stride = 2, padding = 1, bias = false),
        BatchNorm2d(128),
        LeakyReLU(0.2),
        Conv2d(128, 1, 4, bias = false),
        Flatten,
    );
}

model! {
    pub struct Gan {
        generator: Generator,
        discriminator: Discriminator,
        opt_g: Adam(generator, lr = 2e-4, betas = (0.5, 0.999)),
        opt_d: Adam(discriminator, lr = 2e-4, betas = (0.5, 0.999)),
    }

    step both(real: [N, 1, 32, 32], z: [N, 64, 1, 1]) -> (loss_d, loss_g) {
        let fake = generator(z);
        let loss_d = bce_with_logits(discriminator(real), 1.0) + bce_with_logits(discriminator(fake.detach()), 0.0);
        opt_d.minimize(loss_d);
        let loss_g = bce_with_logits(discriminator(fake), 1.0);
        opt_g.minimize(loss_g);
    }
}

/// The suite's number at a place, in [-1, 1).
fn u(i: usize, salt: u32) -> f32 {
    let mut h = (i as u32).wrapping_add(salt.wrapping_mul(0x9E37_79B9));
    h = (h ^ (h >> 16)).wrapping_mul(0x85EB_CA6B);
    h = (h ^ (h >> 13)).wrapping_mul(0xC2B2_AE35);
    h ^= h >> 16;
    (h >> 8) as f32 / 8_388_608.0 - 1.0
}

#[test]
fn the_losses_of_the_suite_are_pytorchs() {
    assert_eq!([u(0, 1), u(3, 1)], [0.146_795_15, 0.855_525_73]);
    let mut gan = Gan::init(0);
    let mut number = 0;
    gan.each_parameter_mut(&mut |_, parameter| {
        if parameter.kind != Kind::Trained {
            return;
        }
        number += 1;
        // Batch normalization keeps its ones and zeros, but counts.
        if let [_, second, height, width] = *parameter.value.shape() {
            let bound = ((second * height * width) as f32).sqrt();
            let values = (0..parameter.value.len()).map(|i| u(i, number) / bound).collect();
            parameter.value = ArrayD::from_shape_vec(parameter.value.raw_dim(), values).expect("as many as before");
        }
    });
    let numbers = |shape: [usize; 4], salt| {
        let values = (0..shape.iter().product()).map(|i| u(i, salt)).collect();
        Array4::from_shape_vec(shape, values).expect("as many as elements")
    };
    let (real, z) = (numbers([32, 1, 32, 32], 1000), numbers([32, 64, 1, 1], 1001));
    let mut gan = gan.trainer().batch(32).build().expect("it compiles");
    let expected = [
        (0, 1.458_717_1, 0.931_035_64),
        (1, 1.643_223, 0.710_988_94),
        (2, 1.743_356_7, 0.633_034_9),
        (5, 1.677_188_8, 0.691_188_6),
        (10, 1.434_147_6, 0.838_990_1),
    ];
    for step in 0..=10 {
        let found = gan.both(&real, &z).expect("the shapes fit");
        if let Some((_, loss_d, loss_g)) = expected.iter().find(|(at, ..)| *at == step) {
            for (found, expected) in [(found.0, loss_d), (found.1, loss_g)] {
                assert!((found - expected).abs() <= 2e-3 * expected, "step {step}: {found}, not {expected}");
            }
        }
    }
}
