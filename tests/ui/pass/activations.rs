//! Activations, with all their options.

#![deny(warnings)]

use kiln::graph::Path;
use kiln::prelude::*;

#[derive(Model)]
#[model(input = [4], output = [4])]
struct Derived {
    #[model(alpha = 0.5)]
    elu: ELU,
    #[model(approximate = "tanh")]
    gelu: GELU,
    swish: Hardswish,
    #[model(min_val = -2, max_val = 2.5)]
    hardtanh: Hardtanh,
    leaky: LeakyReLU,
    mish: Mish,
    six: ReLU6,
    selu: SELU,
    silu: SiLU,
    soft: Softplus,
}

model! {
    #[model(input = [4])]
    struct Declared(ELU, GELU("none"), Hardtanh(0, 1), LeakyReLU(0.2), Softplus(beta = 2, threshold = 10));
}

fn check(model: &impl Model, expected: &[&str]) {
    let mut names = Vec::new();
    model.describe(&mut Path::new(), &mut |name, layer| names.push(format!("{name}: {layer}")));
    assert_eq!(names, expected);
}

#[test]
fn it_runs() {
    check(
        &Derived::init(1),
        &[
            "elu: ELU(0.5)",
            "gelu: GELU(tanh)",
            "swish: Hardswish",
            "hardtanh: Hardtanh(-2, 2.5)",
            "leaky: LeakyReLU(0.01)",
            "mish: Mish",
            "six: ReLU6",
            "selu: SELU",
            "silu: SiLU",
            "soft: Softplus(1, 20)",
        ],
    );
    check(
        &Declared::init(1),
        &["0: ELU(1)", "1: GELU(none)", "2: Hardtanh(0, 1)", "3: LeakyReLU(0.2)", "4: Softplus(2, 10)"],
    );
}
