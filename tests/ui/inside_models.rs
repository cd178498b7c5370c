// What a model takes from those that it holds: which functions and parameters there are, rustc knows.

use kiln::prelude::*;

model! {
    pub struct Inner {
        pub fc: Linear(8, 8),
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        fc(x)
    }
}

mod elsewhere {
    use kiln::prelude::*;

    model! {
        pub struct Encoder {
            pub fc1: Linear(8, 8, bias = false),
            pub blocks: [Linear(8, 8); 2],
            hidden: Linear(8, 8),
            pub inner: super::Inner,
            pub cell: GRUCell(8, 8),
            pub shift: Parameter(8),
        }

        fn forward(x: [N, 8]) -> [N, 8] {
            inner(private(blocks[0](blocks[1](hidden(fc1(x))))))
        }

        fn private(x) {
            x + 1
        }

        pub fn embed(x: [N, 8], i: usize) -> [N, 8] {
            fc1(x) * i
        }

        pub fn scaled(x: [N, 8], k: []) -> [N, 8] {
            fc1(x) * k
        }

        pub fn wrong(x) {
            fc1(x.reshape(N, 2, 4))
        }
    }
}

use elsewhere::Encoder;

model! {
    struct Shape {
        encoder: Encoder,
    }

    fn forward(x: [N, 4]) -> [N, 8] {
        encoder.embed(x, 2)
    }
}

model! {
    struct Private {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        encoder.private(x)
    }
}

model! {
    struct Deep {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        encoder.inner.fc(x)
    }
}

model! {
    struct WithoutBias {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        x + encoder.fc1.bias
    }
}

model! {
    struct Beyond {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        x + encoder.blocks[2].bias
    }
}

model! {
    struct Within {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        encoder.wrong(x)
    }
}

model! {
    struct Count {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        let (a, b) = encoder.embed(x, 1);
        a + b
    }
}

model! {
    struct Arguments {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        encoder.embed(x)
    }
}

model! {
    struct Applied {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        encoder.fc1(x.select(1, 0))
    }
}

model! {
    struct Hidden {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        x + encoder.hidden.bias
    }
}

model! {
    struct Nothing {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        x + encoder.blocks
    }
}

model! {
    struct Forward {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        encoder.forward(x)
    }
}

model! {
    struct AsModules {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        let y = encoder.detach();
        encoder.eval();
        encoder.train();
        let all = encoder.parameters();
        encoder(x)
    }
}

model! {
    struct BeyondLayers {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        encoder.blocks[2](x)
    }
}

model! {
    struct ListAsLayer {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        encoder.blocks(encoder.fc1(x))
    }
}

model! {
    struct OfSeveral {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        encoder.cell(x, x)
    }
}

model! {
    struct OfNone {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        encoder.shift(x)
    }
}

model! {
    struct OneTooMany {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        encoder.embed(x, 1, 2)
    }
}

model! {
    struct NumberForTensor {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        encoder.scaled(x, 0.5)
    }
}

model! {
    struct TensorForNumber {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        encoder.embed(x, x)
    }
}

model! {
    struct IntoParameter {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        x + encoder.fc1.weight[0]
    }
}

model! {
    struct DeepInList {
        encoders: [Encoder; 2],
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        encoders[1].inner.fc(encoders[0](x))
    }
}

model! {
    pub struct Twice {
        pub fc: Linear(8, 8),
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        fc(x)
    }

    pub fn fc(x: [N, 8]) -> [N, 8] {
        x
    }
}

model! {
    pub struct Programs {
        fc: Linear(8, 8),
        opt: Sgd(fc, lr = 0.1),
    }

    pub fn double(x: [N, 8]) -> [N, 8] {
        fc(x) * 2
    }

    step fit(x: [N, 8]) -> loss {
        let loss = double(x).mean();
        opt.minimize(loss);
    }
}

model! {
    struct Smooth {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 8], times: [; i32], mask: [N]) -> [N, 8] {
        fc(x) * times.float() * mask.unsqueeze(1)
    }
}

model! {
    struct NoSuchNumbers {
        smooth: Smooth,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        smooth(x, 0.5, 1)
    }
}

// A tensor without axes is as good as one with some.
model! {
    struct TensorForTensor {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        encoder.scaled(x, full([], 0.5))
    }
}

model! {
    struct NoSuchField {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        x + encoder.fcc1.weight.sum()
    }
}

model! {
    struct NoSuchParameter {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        x + encoder.fc1.wait.sum()
    }
}

model! {
    struct NumberForAny {
        encoder: Encoder,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        encoder.wrong(0.5)
    }
}

model! {
    pub struct Counting {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        fc(x)
    }

    pub fn times(x: [N, 8], k: [; i32], on: [; bool]) -> [N, 8] {
        where(on, fc(x) * k, x)
    }
}

model! {
    struct FractionForWhole {
        counting: Counting,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        counting.times(x, 0.5, tensor(true))
    }
}

model! {
    struct NumberForMask {
        counting: Counting,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        counting.times(x, 2, 1)
    }
}

model! {
    struct NumberForRows {
        counting: Counting,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        counting.times(0.5, 2, tensor(true)) + x
    }
}

const LAYERS: usize = 3;

model! {
    pub struct Scaling {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        fc(x)
    }

    pub fn scaled(x: [N, 8], by: [], count: usize) -> [N, 8] {
        fc(x) * by / count
    }
}

model! {
    struct QuotientOfNumbers {
        scaling: Scaling,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        scaling.scaled(x, 1 / 2, 7 / 2)
    }
}

model! {
    struct QuotientOfConstants {
        scaling: Scaling,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        scaling.scaled(x, LAYERS / 3, 1) + scaling.scaled(x, 2 * (LAYERS / 2), LAYERS / 2)
    }
}

model! {
    struct QuotientOfName {
        scaling: Scaling,
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        let half = LAYERS / 2;
        scaling.scaled(x, half, half)
    }
}

fn main() {}
