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

fn main() {}
