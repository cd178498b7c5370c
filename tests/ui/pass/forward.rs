//! Every way to write a `forward`.

#![deny(warnings)]

use kiln::graph::{Builder, Graph, Path};
use kiln::prelude::*;

const WIDTH: usize = 10;
const SCALE: f32 = 0.5;
const HALVES: [usize; 4] = [0, 0, 1, 1];

const fn half(i: usize) -> usize {
    i / 2
}

// The module list of PyTorch's documentation, with a head.
model! {
    struct Residual {
        linears: [Linear(10, 10); 10],
        head: Sequential { act: ReLU, out: Linear(10, 10, bias = false) },
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        for (i, l) in linears.iter().enumerate() {
            x = linears[i / 2](x) + l(x);
        }
        head(x)
    }
}

model! {
    struct Everything<const C: usize = 4> {
        entry: Linear(WIDTH, C),
        grid: [[Linear(C, C); 2]; 4],
        blocks: [Sequential { fc: Linear(C, C), act: Tanh, tail: Sequential(Linear(C, C), ReLU) }; 2],
        inner: Residual,
        exit: Linear(C, WIDTH),
    }

    fn forward(mut x: [N, WIDTH]) -> [N, 10] {
        // A skip connection, and a layer that is applied twice.
        let skip = x;
        let x = entry(x);
        let mut y = x.relu().tanh() * 2 + 1.0 - x / 3.0;
        for i in 0..grid.len() {
            let k = half(i) + HALVES[i] - i / 2;
            y = grid[i][k % 2](y);
            for l in &grid[i] {
                y += l(y) * SCALE;
            }
            if i == 2 {
                y.detach_();
            } else if i > 2 && C == 4 {
                y = -y;
            }
        }
        for i in (1..=3).rev() {
            y = y * (i as f32);
        }
        for _ in 0..2 {
            y = blocks[0](y);
        }
        for block in blocks {
            y = block.act(block.fc(y)) - block.tail.0(y);
        }
        let z = if C > 3 { exit(y) } else { exit(y.sigmoid()) };
        let z = inner({
            let twice = z + z;
            twice.square()
        });
        let scale = 2.0 * f32::EPSILON;
        1.0 - z * scale + skip
    }
}

fn graph<M: Model>(model: &M) -> Graph {
    let g = Builder::new("forward");
    let x = g.input("x", M::INPUT.with(0, 3));
    let y = model.forward(&g, x);
    assert_eq!(y.shape(), M::OUTPUT.with(0, 3));
    g.output("y", y);
    g.finish().unwrap()
}

fn names(model: &impl Model) -> Vec<String> {
    let mut names = Vec::new();
    model.visit(&mut Path::new(), &mut |name, _| names.push(name.to_string()));
    names
}

#[test]
fn it_runs() {
    let model = Residual::init(1);
    let names = names(&model);
    assert_eq!(names.len(), 21);
    assert_eq!(
        (names[0].as_str(), names[19].as_str(), names[20].as_str()),
        ("linears.0.weight", "linears.9.bias", "head.out.weight")
    );
    assert_eq!(Residual::INPUT, Shape::new(&[Shape::N, 10]));
    let text = graph(&model).to_string();
    // A layer that is applied several times is one parameter.
    assert_eq!(text.matches("%linears.0.weight: ").count(), 1, "{text}");
    let text = graph(&<Everything>::init(1)).to_string();
    assert_eq!(text.matches("detach").count(), 1, "{text}");
}
