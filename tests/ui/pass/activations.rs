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

// Those that change the shape or have parameters.
model! {
    #[model(input = [4, 6, 6], output = [2, 6, 6])]
    struct Images(PReLU(4), PReLU(init = 0.5), RReLU(0, 0.5), RReLU, GLU(dim = 1), Softmax2d, Softmin(dim = 1));
}

model! {
    #[model(input = [4])]
    struct Rest(
        CELU(2), CELU, Hardshrink(1), Hardshrink, Hardsigmoid, LogSigmoid, Softshrink(lambd = 0.25), Softshrink, Softsign,
        Tanhshrink, Threshold(0.1, 20), Threshold(value = -1, threshold = 0), GLU, GLU(dim = -1)
    );
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
    check(
        &Images::init(1),
        &[
            "0: PReLU(4)",
            "1: PReLU(1)",
            "2: RReLU(0, 0.5)",
            "3: RReLU(0.125, 0.3333333333333333)",
            "4: GLU(dim 1)",
            "5: Softmax2d",
            "6: Softmin(dim 1)",
        ],
    );
    assert_eq!(Images::init(1).0.weight.value.as_slice(), Some(&[0.25; 4][..]));
    assert_eq!(Images::init(1).1.weight.value.as_slice(), Some(&[0.5][..]));
    assert_eq!(Rest::OUTPUT, Shape::new(&[Shape::N, 1]));
    check(
        &Rest::init(1),
        &[
            "0: CELU(2)",
            "1: CELU(1)",
            "2: Hardshrink(1)",
            "3: Hardshrink(0.5)",
            "4: Hardsigmoid",
            "5: LogSigmoid",
            "6: Softshrink(0.25)",
            "7: Softshrink(0.5)",
            "8: Softsign",
            "9: Tanhshrink",
            "10: Threshold(0.1, 20)",
            "11: Threshold(0, -1)",
            "12: GLU(dim -1)",
            "13: GLU(dim -1)",
        ],
    );
}
