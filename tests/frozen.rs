//! Boundaries of the gradient: parameters that are not trained, `detach` and `no_grad` leave no backward work behind.

use kiln::graph::{Builder, Graph, Kind, Op, Type, optimize};
use kiln::prelude::*;
use ndarray::{Array1, Array2, ArrayD};

/// A network in three stages of equal cost, and the same with a boundary.
macro_rules! network {
    ($name:ident, [$($first:tt)*], [$($second:tt)*], |$x:ident, $a:ident, $b:ident, $c:ident| { $($body:tt)* }) => {
        model! {
            struct $name {
                $a: Linear(16, 16 $($first)*),
                $b: Linear(16, 16 $($second)*),
                $c: Linear(16, 16),
            }

            fn forward($x: [N, 16]) -> [N, 16] { $($body)* }
        }
    };
}

network!(Trained, [], [], |x, a, b, c| { c(b(a(x).tanh()).tanh()) });
network!(First, [, requires_grad = false], [], |x, a, b, c| { c(b(a(x).tanh()).tanh()) });
network!(Middle, [], [, requires_grad = false], |x, a, b, c| { c(b(a(x).tanh()).tanh()) });
network!(Both, [, requires_grad = false], [, requires_grad = false], |x, a, b, c| { c(b(a(x).tanh()).tanh()) });
network!(Detached, [], [], |x, a, b, c| { c(b(a(x).tanh()).tanh().detach()) });
network!(NoGrad, [], [], |x, a, b, c| {
    let y = no_grad { b(a(x).tanh()).tanh() };
    c(y)
});
network!(NoGradAssigned, [], [], |x, a, b, c| {
    no_grad {
        x = a(x).tanh();
        x = b(x).tanh();
    }
    c(x)
});

/// Multiply-adds of matrix products in the graph of a training step, and the names of the states that it changes.
fn training(model: &impl Model) -> (u64, Vec<String>) {
    let g = Builder::new("train");
    let y = model.forward(&g, g.input("x", [8, 16]));
    let mut names = Vec::new();
    model.visit(&mut Path::new(), &mut |name, parameter| {
        if parameter.kind == Kind::Trained {
            names.push((name.to_string(), parameter.shape()));
        }
    });
    let values: Vec<_> = names.iter().map(|(name, shape)| g.state(name, Type::f32(*shape))).collect();
    let gradients = g.gradients_of(y.square().mean(..), &values).unwrap();
    for (value, gradient) in values.iter().zip(&gradients) {
        g.update(*value, *value - *gradient);
    }
    let graph = optimize(&g.finish().unwrap());
    let changed = graph.updates.iter().map(|update| graph.inputs[update.input].name.clone()).collect();
    (products(&graph), changed)
}

fn products(graph: &Graph) -> u64 {
    let count = |id| match graph.node(id).op {
        Op::Dot => (graph.shape(id).elements() * graph.shape(graph.node(id).inputs[0]).dim(1)) as u64,
        _ => 0,
    };
    graph.ids().map(count).sum()
}

#[test]
fn nothing_is_computed_behind_a_boundary() {
    // One product of 8 x 16 by 16 x 16. Forward takes three; a layer's own gradient one more, and one its input's.
    let one = 8 * 16 * 16;
    /// The work found and the parameters that change; the products expected and the layers that change.
    type Row = (&'static str, (u64, Vec<String>), u64, &'static [&'static str]);
    let cases: [Row; 7] = [
        ("all trained", training(&Trained::init(0)), 3 + 3 + 2, &["a", "b", "c"]),
        ("the first frozen", training(&First::init(0)), 3 + 2 + 1, &["b", "c"]),
        // Gradients pass through a frozen layer to the one before it.
        ("the middle frozen", training(&Middle::init(0)), 3 + 2 + 2, &["a", "c"]),
        ("two frozen", training(&Both::init(0)), 3 + 1, &["c"]),
        ("detached", training(&Detached::init(0)), 3 + 1, &["a", "b", "c"]),
        ("no_grad", training(&NoGrad::init(0)), 3 + 1, &["a", "b", "c"]),
        ("names in no_grad", training(&NoGradAssigned::init(0)), 3 + 1, &["a", "b", "c"]),
    ];
    for (case, (found, changed), expected, layers) in cases {
        assert_eq!(found / one, expected, "{case}");
        for layer in layers {
            assert!(changed.contains(&format!("{layer}.weight")), "{case}: {changed:?}");
        }
    }
}

model! {
    struct Tuned {
        #[model(requires_grad = false)]
        features: Sequential { fc: Linear(4, 16), norm: BatchNorm1d(16), act: Tanh },
        head: Linear(16, 3),
    }

    fn forward(x: [N, 4]) -> [N, 3] {
        head(features(x))
    }
}

fn values(model: &impl Model) -> Vec<(String, Kind, ArrayD<f32>)> {
    let mut all = Vec::new();
    model.visit(&mut Path::new(), &mut |name, parameter| {
        all.push((name.to_string(), parameter.kind, parameter.value.to_owned()));
    });
    all
}

#[test]
fn frozen_parameters_stay_and_the_rest_learns() {
    let x = Array2::from_shape_fn((32, 4), |(i, j)| ((i * 7 + j * 13) as f32).sin());
    let y = Array1::from_shape_fn(32, |i| (i % 3) as i32);
    let model = Tuned::init(3);
    let before = values(&model);
    let mut trainer = Trainer::new(model, cross_entropy(), Adam::default().lr(0.01)).batch(32).build().unwrap();
    let first = trainer.step(&x, &y).unwrap();
    for _ in 0..50 {
        trainer.step(&x, &y).unwrap();
    }
    assert!(trainer.step(&x, &y).unwrap() < first);
    let frozen_flops = trainer.plan().flops();
    let summary = trainer.summary().unwrap();
    assert_eq!((summary.parameters(), summary.frozen()), (4 * 16 + 16 + 32 + 16 * 3 + 3, 4 * 16 + 16 + 32));
    assert!(summary.to_string().contains("Linear(4, 16), frozen"), "{summary}");
    assert!(summary.to_string().contains("parameters: 51 trained, 112 frozen"), "{summary}");
    for ((name, kind, before), (_, _, after)) in before.iter().zip(values(trainer.model())) {
        // Running statistics are no parameters: they follow the batches, as in PyTorch.
        assert_eq!(*kind == Kind::Frozen, *before == after, "{name}");
    }
    let mut model = trainer.into_model();
    // The same can be said of a model that is there.
    model.requires_grad_(true);
    let trainer = Trainer::new(model, cross_entropy(), Adam::default()).batch(32).build().unwrap();
    assert!(frozen_flops < trainer.plan().flops());
}

model! {
    struct Distilled {
        teacher: Sequential { fc: Linear(4, 6), norm: BatchNorm1d(6), drop: Dropout(0.5) },
        student: Sequential { fc: Linear(4, 6), norm: BatchNorm1d(6) },
        opt: Sgd((teacher, student), lr = 0.5),
    }

    fn forward(x: [N, 4]) -> [N, 6] {
        student(x)
    }

    // A teacher as in evaluation, by way of a function, and with names from outside.
    fn taught(x) {
        eval { teacher(x) }
    }

    step distil(x: [N, 4]) -> (loss, target) {
        let target = no_grad { taught(x) };
        let loss = mse(student(x), target);
        opt.minimize(loss);
    }

    // The teacher learns, as it computes in evaluation.
    step tune(x: [N, 4]) -> (loss, y) {
        let y = x;
        eval {
            y = teacher(x);
        }
        let loss = y.square().mean();
        opt.minimize(loss);
    }

    // And as it does in training.
    step train(x: [N, 4]) -> (loss, y) {
        let y = teacher(x);
        let loss = y.square().mean();
        opt.minimize(loss);
    }

    eval predict(x: [N, 4]) -> y {
        let y = teacher(x);
    }
}

#[test]
fn layers_in_eval_behave_as_in_evaluation() {
    let x = Array2::from_shape_fn((8, 4), |(i, j)| 3.0 + ((i * 7 + j * 13) as f32).sin());
    let mut trainer = Distilled::init(3).trainer().batch(8).build().unwrap();
    // Running statistics that are not those of a new norm.
    for _ in 0..3 {
        trainer.train(&x).unwrap();
    }
    let part = |trainer: &mut DistilledTrainer, part: &str, kind: Kind| -> Vec<ArrayD<f32>> {
        let all = values(trainer.model()).into_iter();
        all.filter(|(name, of, _)| name.starts_with(part) && *of == kind).map(|(.., value)| value).collect()
    };
    let buffers =
        |trainer: &mut DistilledTrainer, of: &str| [Kind::Buffer, Kind::Trained].map(|kind| part(trainer, of, kind));
    let expected = trainer.predict(&x).unwrap();
    let [[teacher, weights], [student, _]] = ["teacher", "student"].map(|of| buffers(&mut trainer, of));
    let (_, target) = trainer.distil(&x).unwrap();
    assert_eq!(target, expected, "no dropout, the running statistics");
    assert_eq!(buffers(&mut trainer, "teacher"), [teacher.clone(), weights.clone()], "the teacher stays as it is");
    assert_ne!(buffers(&mut trainer, "student")[0], student, "the student's norm follows the batches");
    let (_, y) = trainer.tune(&x).unwrap();
    assert_eq!(y, expected);
    let [statistics, tuned] = buffers(&mut trainer, "teacher");
    assert_eq!(statistics, teacher, "statistics stay in an `eval`");
    assert_ne!(tuned, weights, "gradients pass through it");
    let (_, y) = trainer.train(&x).unwrap();
    assert_ne!(y, trainer.predict(&x).unwrap());
    assert_ne!(buffers(&mut trainer, "teacher")[0], teacher, "behind an `eval` layers are as before");
}

/// What `update_bn` does not reach stays as it is: parts of other programs, and what stands in an `eval`.
#[test]
fn statistics_are_taken_anew_where_batches_go() {
    let x = Array2::from_shape_fn((8, 4), |(i, j)| 3.0 + ((i * 7 + j * 13) as f32).sin());
    let mut trainer = Distilled::init(3).trainer().batch(8).build().unwrap();
    for _ in 0..3 {
        trainer.train(&x).unwrap();
        trainer.distil(&x).unwrap();
    }
    let part = |trainer: &mut DistilledTrainer, part: &str| -> Vec<ArrayD<f32>> {
        let all = values(trainer.model()).into_iter();
        all.filter(|(name, kind, _)| name.starts_with(part) && *kind == Kind::Buffer).map(|(.., value)| value).collect()
    };
    let [teacher, student] = ["teacher", "student"].map(|of| part(&mut trainer, of));
    trainer.update_bn(&x).unwrap();
    assert_eq!(part(&mut trainer, "teacher"), teacher);
    assert_ne!(part(&mut trainer, "student"), student);
}
