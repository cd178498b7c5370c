//! Every way to write a sequential network, and what its layers are called.

#![deny(warnings)]

use kiln::graph::Path;
use kiln::prelude::*;

const WIDTH: usize = 4;

mod blocks {
    use kiln::prelude::*;

    /// A model of another module.
    #[derive(Clone, Debug, Model)]
    #[model(input = [C], output = [C])]
    pub struct Block<const C: usize = 4> {
        pub fc: Linear<C, C>,
        pub act: ReLU,
    }
}

#[derive(Model)]
#[model(input = [1, 6, 6])]
struct Positional(
    #[model(padding = "same", dilation = (2, 1), bias = false)] Conv2d<1, 2, 1>,
    (Flatten, kiln::layers::Tanh),
);

#[derive(Model)]
#[model(input = [WIDTH])]
struct Nested {
    blocks: [blocks::Block<WIDTH>; 2],
    #[model(bias = false)]
    heads: [Linear<WIDTH, WIDTH>; 2],
    body: (Linear<{ WIDTH }, { WIDTH + 1 }>, (ReLU, Linear<5, 3>)),
}

model! {
    /// Documented.
    #[derive(Clone, Debug)]
    #[model(input = [2, 12, 12], output = [WIDTH])]
    pub(crate) struct Declared<const C: usize, const STRIDE: usize = 2>
    where
        [(); C]:,
    {
        /// Documented as well.
        pub conv: Conv2d(2, C, (3, 2), STRIDE, padding = (1, 0)),
        average: AvgPool2d(2, stride = 1, count_include_pad = false),
        pool: MaxPool2d(2, 2),
        act: LeakyReLU(0.2),
        flatten: Flatten(),
        head: Sequential {
            fc: Linear(in_features = 12, out_features = WIDTH, bias = false),
            r#final: Sequential(ReLU, [Linear(WIDTH, 2 * 2); 2], Block(WIDTH)),
        },
        twice: [Sequential { gate: Sigmoid, fc: Linear<4, 4>(false) }; 2],
        block: Block<4>,
    }
}
use blocks::Block;

model! {
    #[model(input = [2, 12, 12])]
    struct Wrapper(Declared(3), Linear(WIDTH, 1));
}

/// The user's constants and functions may have any name.
mod names {
    use kiln::prelude::*;

    pub const INPUT: usize = 4;
    const OUTPUT: usize = 5;
    const fn x(value: usize) -> usize {
        value
    }
    const fn f(value: usize) -> usize {
        value
    }

    model! {
        #[model(input = [INPUT])]
        pub struct Shapes {
            x: [Linear(x(INPUT), f(4)); x(2)],
            f: super::blocks::Block<{ f(INPUT) }>,
            path: Linear(f(4), OUTPUT),
        }
    }
}

fn names(model: &impl Model) -> Vec<String> {
    let mut names = Vec::new();
    model.describe(&mut Path::new(), &mut |name, layer| names.push(format!("{name}: {layer}")));
    names
}

fn check(model: &impl Model, expected: &[&str]) {
    assert_eq!(names(model), expected);
}

#[test]
fn it_runs() {
    check(
        &Positional::init(1),
        &["0: Conv2d(1, 2, kernel 1, padding same, dilation (2, 1), bias = false)", "1.0: Flatten", "1.1: Tanh"],
    );
    check(
        &Nested::init(1),
        &[
            "blocks.0.fc: Linear(4, 4)",
            "blocks.0.act: ReLU",
            "blocks.1.fc: Linear(4, 4)",
            "blocks.1.act: ReLU",
            "heads.0: Linear(4, 4, bias = false)",
            "heads.1: Linear(4, 4, bias = false)",
            "body.0: Linear(4, 5)",
            "body.1.0: ReLU",
            "body.1.1: Linear(5, 3)",
        ],
    );
    let wrapper = Wrapper::init(1);
    check(
        &wrapper,
        &[
            "0.conv: Conv2d(2, 3, kernel (3, 2), stride 2, padding (1, 0))",
            "0.average: AvgPool2d(2, stride 1)",
            "0.pool: MaxPool2d(2)",
            "0.act: LeakyReLU(0.2)",
            "0.flatten: Flatten",
            "0.head.fc: Linear(12, 4, bias = false)",
            "0.head.final.0: ReLU",
            "0.head.final.1.0: Linear(4, 4)",
            "0.head.final.1.1: Linear(4, 4)",
            "0.head.final.2.fc: Linear(4, 4)",
            "0.head.final.2.act: ReLU",
            "0.twice.0.gate: Sigmoid",
            "0.twice.0.fc: Linear(4, 4, bias = false)",
            "0.twice.1.gate: Sigmoid",
            "0.twice.1.fc: Linear(4, 4, bias = false)",
            "0.block.fc: Linear(4, 4)",
            "0.block.act: ReLU",
            "1: Linear(4, 1)",
        ],
    );
    assert_eq!(names(&names::Shapes::init(1)).len(), 5);
    assert_eq!(wrapper.0.clone().head.fc.weight.shape(), Shape::new(&[4, 12]));
    assert_eq!(Wrapper::OUTPUT, Shape::new(&[Shape::N, 1]));
}
