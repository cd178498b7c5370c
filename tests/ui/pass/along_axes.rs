//! Layers that work along axes, with all their options: softmax, layer normalization; and the one that does nothing.

#![deny(warnings)]

use kiln::graph::Path;
use kiln::prelude::*;

const WIDTH: usize = 6;

#[derive(Model)]
#[model(input = [4, WIDTH], output = [4, WIDTH])]
struct Derived {
    norm: LayerNorm<WIDTH>,
    nothing: Identity,
    #[model(eps = 1e-3, bias = false)]
    planes: LayerNorm<4, WIDTH>,
    #[model(dim = -1)]
    probabilities: Softmax,
    #[model(dim = 1)]
    logarithms: LogSoftmax,
}

model! {
    #[model(input = [3, 2, 8])]
    struct Declared {
        norm: LayerNorm(8, 1e-6),
        planes: LayerNorm((2, 8), elementwise_affine = false),
        all: LayerNorm([3, 2, 2 * 4]),
        probabilities: Softmax(1),
        logarithms: LogSoftmax(dim = -1),
    }
}

fn check(model: &impl Model, expected: &[&str], shapes: &[(&str, &[usize])]) {
    let mut names = Vec::new();
    model.describe(&mut Path::new(), &mut |name, layer| names.push(format!("{name}: {layer}")));
    assert_eq!(names, expected);
    let mut found = Vec::new();
    model.visit(&mut Path::new(), &mut |name, parameter| found.push((name.to_owned(), parameter.shape())));
    assert_eq!(found, shapes.iter().map(|(name, shape)| (name.to_string(), Shape::new(shape))).collect::<Vec<_>>());
}

#[test]
fn it_runs() {
    check(
        &Derived::init(1),
        &[
            "norm: LayerNorm(6)",
            "nothing: Identity",
            "planes: LayerNorm(4, 6, eps 0.001, bias = false)",
            "probabilities: Softmax(dim -1)",
            "logarithms: LogSoftmax(dim 1)",
        ],
        &[("norm.weight", &[6]), ("norm.bias", &[6]), ("planes.weight", &[4, 6])],
    );
    check(
        &Declared::init(1),
        &[
            "norm: LayerNorm(8, eps 0.000001)",
            "planes: LayerNorm(2, 8, elementwise_affine = false)",
            "all: LayerNorm(3, 2, 8)",
            "probabilities: Softmax(dim 1)",
            "logarithms: LogSoftmax(dim -1)",
        ],
        &[("norm.weight", &[8]), ("norm.bias", &[8]), ("all.weight", &[3, 2, 8]), ("all.bias", &[3, 2, 8])],
    );
}
