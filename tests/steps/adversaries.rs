//! Pairs of networks trained against each other, as PyTorch trains them: the golden programs, written as steps.

use std::path::PathBuf;

use kiln::prelude::*;
use ndarray::ArrayD;

use crate::case::{Array, Case, compare};

/// The file of a program: in the large collection if it is there, else in this repository.
fn golden(name: &str) -> Case {
    let home = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folders = [
        std::env::var_os("KILN_GOLDEN").map(PathBuf::from),
        Some(home.join("../shared/golden")),
        Some(home.join("tests/golden/cases")),
    ];
    let files = folders.into_iter().flatten().map(|folder| folder.join(format!("programs/{name}.safetensors")));
    let file = files.into_iter().find(|file| file.exists()).expect("a case of this repository");
    Case::read(&file).expect("a case can be read")
}

fn numbers(case: &Case, name: &str) -> ArrayD<f32> {
    match &case.tensors[name] {
        Array::Float(values) => values.mapv(|value| value as f32),
        Array::Int(values) => values.mapv(|value| value as f32),
    }
}

fn number(value: f32) -> Array {
    Array::Float(ArrayD::from_elem(vec![], f64::from(value)))
}

/// `generator.0.weight` is `G.0.weight` in the files.
fn name_in_file(name: &str) -> String {
    name.replacen("generator", "G", 1).replacen("discriminator", "D", 1)
}

/// Gives a model the parameters and statistics of a case.
fn fill(model: &mut impl Parameters, case: &Case) {
    model.each_parameter_mut(&mut |name, parameter| {
        let kind = if parameter.kind == Kind::Trained { "param" } else { "state" };
        parameter.value = numbers(case, &format!("{kind}.{}", name_in_file(name))).into();
    });
}

/// Compares a trained model with what the case expects.
fn check_after(model: &impl Parameters, case: &Case) {
    let mut count = 0;
    model.each_parameter(&mut |name, parameter| {
        let kind = if parameter.kind == Kind::Trained { "param_after" } else { "state_after" };
        let expected = &case.tensors[&format!("{kind}.{}", name_in_file(name))];
        let found = match parameter.kind {
            Kind::Counter => Array::Int(parameter.value.mapv(|value| value as i64)),
            _ => Array::Float(parameter.value.mapv(f64::from)),
        };
        compare(name, &found, expected, case.tolerance).unwrap_or_else(|message| panic!("{message}"));
        count += 1;
    });
    assert!(count > 0);
}

/// Trains as a case says and compares the losses with the expected ones: `step` takes `real` and `source` of a step and
/// gives the losses of the discriminator and of the generator.
fn check_losses(case: &Case, mut step: impl FnMut(&ArrayD<f32>, &ArrayD<f32>) -> Result<(f32, f32), TrainError>) {
    let (real, source) = (&case.tensors["input.real"], &case.tensors["input.source"]);
    let at = |array: &Array, step: usize| match array.at(step) {
        Array::Float(values) => values.mapv(|value| value as f32),
        Array::Int(_) => panic!("batches hold numbers"),
    };
    for t in 0..real.shape()[0] {
        let (loss_d, loss_g) = step(&at(real, t), &at(source, t)).expect("the shapes fit");
        for (name, loss) in [("output.loss_d", loss_d), ("output.loss_g", loss_g)] {
            compare(name, &number(loss), &case.tensors[name].at(t), case.tolerance)
                .unwrap_or_else(|message| panic!("step {t}: {message}"));
        }
    }
}

mod mlp {
    use super::*;

    model! {
        #[model(input = [4])]
        pub struct Generator(Linear(4, 16), ReLU, Linear(16, 8), Tanh);
    }

    model! {
        #[model(input = [8])]
        pub struct Discriminator(Linear(8, 16), LeakyReLU(0.2), Linear(16, 1));
    }

    model! {
        pub struct Gan {
            generator: Generator,
            discriminator: Discriminator,
            opt_g: Adam(generator, lr = 2e-4, betas = (0.5, 0.999)),
            opt_d: Adam(discriminator, lr = 2e-4, betas = (0.5, 0.999)),
        }

        // One forward pass of the generator serves both losses; the second sees the updated discriminator.
        step both(real: [N, 8], z: [N, 4]) -> (loss_d, loss_g) {
            let fake = generator(z);
            let loss_d = bce_with_logits(discriminator(real), 1.0) + bce_with_logits(discriminator(fake.detach()), 0.0);
            opt_d.minimize(loss_d);
            let loss_g = bce_with_logits(discriminator(fake), 1.0);
            opt_g.minimize(loss_g);
        }

        step update_d(real: [N, 8], z: [N, 4]) -> loss {
            let fake = generator(z).detach();
            let loss = bce_with_logits(discriminator(real), 1.0) + bce_with_logits(discriminator(fake), 0.0);
            opt_d.minimize(loss);
        }

        step update_g(z: [N, 4]) -> loss {
            let loss = bce_with_logits(discriminator(generator(z)), 1.0);
            opt_g.minimize(loss);
        }
    }

    #[test]
    fn in_one_step() {
        let case = golden("gan_mlp_00");
        let mut gan = Gan::init(0);
        fill(&mut gan, &case);
        let mut gan = gan.trainer().batch(6).build().expect("it compiles");
        check_losses(&case, |real, z| gan.both(real, z));
        check_after(gan.model(), &case);
    }

    /// Nothing here is random and no statistics are kept, so that two programs do what one does.
    #[test]
    fn in_two_steps() {
        let case = golden("gan_mlp_00");
        let mut gan = Gan::init(0);
        fill(&mut gan, &case);
        let mut gan = gan.trainer().batch(6).build().expect("it compiles");
        check_losses(&case, |real, z| Ok((gan.update_d(real, z)?, gan.update_g(z)?)));
        check_after(&gan.into_model(), &case);
    }
}

mod dcgan {
    use super::*;

    model! {
        #[model(input = [8, 1, 1])]
        pub struct Generator(
            ConvTranspose2d(8, 12, 4, bias = false),
            BatchNorm2d(12),
            ReLU,
            ConvTranspose2d(12, 6, 4, stride = 2, padding = 1, bias = false),
            BatchNorm2d(6),
            ReLU,
            ConvTranspose2d(6, 1, 4, stride = 2, padding = 1, bias = false),
            Tanh,
        );
    }

    model! {
        #[model(input = [1, 16, 16])]
        pub struct Discriminator(
            Conv2d(1, 6, 4, stride = 2, padding = 1, bias = false),
            LeakyReLU(0.2),
            Conv2d(6, 12, 4, stride = 2, padding = 1, bias = false),
            BatchNorm2d(12),
            LeakyReLU(0.2),
            Conv2d(12, 1, 4, bias = false),
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

        step both(real: [N, 1, 16, 16], z: [N, 8, 1, 1]) -> (loss_d, loss_g) {
            let fake = generator(z);
            let loss_d = bce_with_logits(discriminator(real), 1.0) + bce_with_logits(discriminator(fake.detach()), 0.0);
            opt_d.minimize(loss_d);
            let loss_g = bce_with_logits(discriminator(fake), 1.0);
            opt_g.minimize(loss_g);
        }
    }

    #[test]
    fn in_one_step() {
        let case = golden("gan_dcgan_00");
        let mut gan = Gan::init(0);
        fill(&mut gan, &case);
        let mut gan = gan.trainer().batch(4).build().expect("it compiles");
        check_losses(&case, |real, z| gan.both(real, z));
        check_after(gan.model(), &case);
    }
}

mod pix2pix {
    use super::*;

    model! {
        pub struct Generator {
            d1: Conv2d(1, 8, 4, stride = 2, padding = 1),
            d2: Conv2d(8, 16, 4, stride = 2, padding = 1, bias = false),
            n2: BatchNorm2d(16),
            u1: ConvTranspose2d(16, 8, 4, stride = 2, padding = 1, bias = false),
            m1: BatchNorm2d(8),
            u2: ConvTranspose2d(16, 1, 4, stride = 2, padding = 1, bias = false),
        }

        fn forward(x: [N, 1, 16, 16]) -> [N, 1, 16, 16] {
            let a = d1(x);
            let b = n2(d2(a.leaky_relu(0.2)));
            let c = m1(u1(b.relu()));
            u2(cat((c, a), 1).relu()).tanh()
        }
    }

    model! {
        #[model(input = [2, 16, 16])]
        pub struct Discriminator(
            Conv2d(2, 8, 4, stride = 2, padding = 1),
            LeakyReLU(0.2),
            Conv2d(8, 12, 4, stride = 2, padding = 1, bias = false),
            BatchNorm2d(12),
            LeakyReLU(0.2),
            Conv2d(12, 1, 3, padding = 1),
        );
    }

    model! {
        pub struct Gan {
            generator: Generator,
            discriminator: Discriminator,
            opt_g: Adam(generator, lr = 2e-4, betas = (0.5, 0.999)),
            opt_d: Adam(discriminator, lr = 2e-4, betas = (0.5, 0.999)),
        }

        step both(real: [N, 1, 16, 16], source: [N, 1, 16, 16]) -> (loss_d, loss_g) {
            let fake = generator(source);
            let on_fake = bce_with_logits(discriminator(cat((source, fake.detach()), 1)), 0.0);
            let on_real = bce_with_logits(discriminator(cat((source, real), 1)), 1.0);
            let loss_d = 0.5 * (on_fake + on_real);
            opt_d.minimize(loss_d);
            let score = discriminator(cat((source, fake), 1));
            let loss_g = bce_with_logits(score, 1.0) + 10.0 * l1(fake, real);
            opt_g.minimize(loss_g);
        }
    }

    #[test]
    fn in_one_step() {
        let case = golden("gan_pix2pix_00");
        let mut gan = Gan::init(0);
        fill(&mut gan, &case);
        let mut gan = gan.trainer().batch(2).build().expect("it compiles");
        check_losses(&case, |real, source| gan.both(real, source));
        check_after(gan.model(), &case);
    }
}

/// A critic with a gradient penalty: the gradient of a gradient, as in Gulrajani et al., "Improved Training of Wasserstein
/// GANs".
mod wasserstein {
    use super::*;
    use ndarray::Array2;

    model! {
        #[model(input = [2])]
        pub struct Critic(Linear(2, 8), Tanh, Linear(8, 1));
    }

    model! {
        pub struct Wgan {
            critic: Critic,
            opt: Sgd(critic, lr = 0.5),
        }

        step update(real: [N, 2], fake: [N, 2], eps: [N, 1]) -> (loss, penalty) {
            let between = eps * real + (1.0 - eps) * fake;
            let slope = grad(critic(between).sum(), between);
            let norm = slope.square().sum(1).sqrt();
            let penalty = (norm - 1.0).square().mean();
            let loss = critic(fake).mean() - critic(real).mean() + 10.0 * penalty;
            opt.minimize(loss);
        }
    }

    fn data() -> [Array2<f32>; 3] {
        let numbers = |columns: usize, seed: f32| {
            Array2::from_shape_fn((5, columns), |(i, j)| ((i * columns + j) as f32 * 1.7 + seed).sin())
        };
        [numbers(2, 0.0), numbers(2, 5.0), numbers(1, 9.0).mapv(|x| 0.5 * x + 0.5)]
    }

    /// The loss in f64, straight from its definition.
    fn loss(parameters: &[ArrayD<f64>]) -> f64 {
        let [w, b, v, c] = parameters else { panic!("two layers") };
        let [real, fake, eps] = data().map(|array| array.mapv(f64::from));
        let hidden = |x: [f64; 2]| -> Vec<f64> {
            (0..8).map(|j| (w[[j, 0]] * x[0] + w[[j, 1]] * x[1] + b[[j]]).tanh()).collect()
        };
        let critic = |x: [f64; 2]| hidden(x).iter().enumerate().map(|(j, h)| v[[0, j]] * h).sum::<f64>() + c[[0]];
        let mut total = 0.0;
        for i in 0..5 {
            let at = |x: &Array2<f64>| [x[[i, 0]], x[[i, 1]]];
            let (r, f, e) = (at(&real), at(&fake), eps[[i, 0]]);
            let h = hidden([e * r[0] + (1.0 - e) * f[0], e * r[1] + (1.0 - e) * f[1]]);
            let slope = |axis: usize| (0..8).map(|j| v[[0, j]] * (1.0 - h[j] * h[j]) * w[[j, axis]]).sum::<f64>();
            let norm = slope(0).hypot(slope(1));
            total += critic(f) - critic(r) + 10.0 * (norm - 1.0).powi(2);
        }
        total / 5.0
    }

    #[test]
    fn the_gradient_of_a_gradient_penalty_is_that_of_central_differences() {
        let critic = Wgan::init(3);
        let mut before: Vec<ArrayD<f64>> = Vec::new();
        critic.each_parameter(&mut |_, parameter| before.push(parameter.value.mapv(f64::from)));
        let mut trainer = critic.trainer().batch(5).threads(1).build().expect("it compiles");
        let [real, fake, eps] = data();
        let (found, penalty) = trainer.update(&real, &fake, &eps).expect("the shapes fit");
        assert!((f64::from(found) - loss(&before)).abs() < 1e-4 && penalty > 0.0);

        let mut after: Vec<ArrayD<f64>> = Vec::new();
        trainer.model().each_parameter(&mut |_, parameter| after.push(parameter.value.mapv(f64::from)));
        for number in 0..before.len() {
            for position in 0..before[number].len() {
                let moved = |by: f64| {
                    let mut parameters = before.clone();
                    parameters[number].as_slice_mut().expect("row-major")[position] += by;
                    loss(&parameters)
                };
                let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                let [before, after] = [&before, &after].map(|all| all[number].as_slice().expect("row-major")[position]);
                let found = (before - after) / 0.5;
                assert!((found - expected).abs() < 1e-3 * (1.0 + expected.abs()), "{found}, not {expected}");
            }
        }
    }
}
