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
        parameter.value = numbers(case, &format!("{kind}.{}", name_in_file(name)));
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
