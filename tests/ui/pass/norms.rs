//! Normalizing layers, with all their options.

#![deny(warnings)]

use kiln::graph::{Kind, Path};
use kiln::prelude::*;

#[derive(Model)]
#[model(input = [2, 8, 8], output = [10])]
struct Derived {
    conv: Conv2d<2, 4, 3>,
    #[model(eps = 1e-3, momentum = 0.2)]
    norm: BatchNorm2d<4>,
    flatten: Flatten,
    fc: Linear<144, 10>,
    #[model(momentum = None, bias = false)]
    last: BatchNorm1d<10>,
}

model! {
    #[model(input = [3, 2, 4, 4])]
    struct Declared {
        volume: BatchNorm3d(3, 1e-3, 1, affine = false),
        fresh: BatchNorm3d(3, track_running_stats = false),
    }
}

model! {
    #[model(input = [6, 4, 5])]
    struct Samples {
        groups: GroupNorm(3, 6, 1e-3),
        bare: GroupNorm(num_groups = 1, num_channels = 6, affine = false),
        instances: InstanceNorm2d(6, momentum = 0.2, affine = true, track_running_stats = true),
        plain: InstanceNorm2d(6, bias = false),
        neighbours: LocalResponseNorm(5, k = 2, alpha = 1e-3),
        roots: RMSNorm([4, 5], eps = 1e-6),
        rows: RMSNorm(5, elementwise_affine = false),
    }
}

#[derive(Model)]
#[model(input = [4, 6])]
struct Signals {
    #[model(affine = true)]
    instances: InstanceNorm1d<4>,
    rows: RMSNorm<4, 6>,
    groups: GroupNorm<4, 4>,
}

model! {
    #[model(input = [2, 3, 1, 2])]
    struct Volumes(InstanceNorm3d(2), GroupNorm(1, 2, bias = false));
}

fn check(model: &impl Model, expected: &[&str]) {
    let mut names = Vec::new();
    model.describe(&mut Path::new(), &mut |name, layer| names.push(format!("{name}: {layer}")));
    assert_eq!(names, expected);
}

#[test]
fn it_runs() {
    let derived = Derived::init(1);
    check(
        &derived,
        &[
            "conv: Conv2d(2, 4, kernel 3)",
            "norm: BatchNorm2d(4, eps 0.001, momentum 0.2)",
            "flatten: Flatten",
            "fc: Linear(144, 10)",
            "last: BatchNorm1d(10, cumulative, bias = false)",
        ],
    );
    check(
        &Declared::init(1),
        &[
            "volume: BatchNorm3d(3, eps 0.001, momentum 1, affine = false)",
            "fresh: BatchNorm3d(3, track_running_stats = false)",
        ],
    );
    check(
        &Samples::init(1),
        &[
            "groups: GroupNorm(3, 6, eps 0.001)",
            "bare: GroupNorm(1, 6, affine = false)",
            "instances: InstanceNorm2d(6, momentum 0.2, affine = true, track_running_stats = true)",
            "plain: InstanceNorm2d(6, bias = false)",
            "neighbours: LocalResponseNorm(5, alpha 0.001, k 2)",
            "roots: RMSNorm(4, 5, eps 0.000001)",
            "rows: RMSNorm(5, elementwise_affine = false)",
        ],
    );
    check(
        &Signals::init(1),
        &["instances: InstanceNorm1d(4, affine = true)", "rows: RMSNorm(4, 6)", "groups: GroupNorm(4, 4)"],
    );
    check(&Volumes::init(1), &["0: InstanceNorm3d(2)", "1: GroupNorm(1, 2, bias = false)"]);
    let mut found = Vec::new();
    derived.last.visit(&mut Path::new(), &mut |name, parameter| found.push((name.to_owned(), parameter.kind)));
    let expected = [
        ("weight", Kind::Trained),
        ("running_mean", Kind::Buffer),
        ("running_var", Kind::Buffer),
        ("num_batches_tracked", Kind::Counter),
    ];
    assert_eq!(found, expected.map(|(name, kind)| (name.to_owned(), kind)));
}
