use kiln::prelude::*;

model! {
    struct Cat {
        fc: Linear(10, 20),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        let image = x.reshape([N, 2, 5]);
        let y = fc(x).view(N, 4, 5);
        cat((image, y), dim = 2).flatten(1)
    }
}

model! {
    struct Reshape {
        fc: Linear(10, 20),
    }

    fn forward(x: [N, 10]) -> [N, 18] {
        fc(x).reshape([N, 18])
    }
}

model! {
    struct Inferred {
        fc: Linear(10, 20),
    }

    fn forward(x: [N, 10]) -> [N, 20] {
        fc(x).reshape([N, 3, -1]).flatten(1)
    }
}

model! {
    struct BatchAxis {
        fc: Linear(10, 20),
    }

    fn forward(x: [N, 10]) -> [N, 20] {
        fc(x).flatten()
    }
}

model! {
    struct Sample {
        fc: Linear(10, 20),
    }

    fn forward(x: [N, 10]) -> [N, 20] {
        fc(x) + fc(x).select(0, 0)
    }
}

model! {
    struct Axis {
        fc: Linear(10, 20),
    }

    fn forward(x: [N, 10]) -> [N, 20] {
        fc(x).softmax(2)
    }
}

model! {
    struct Elements {
        fc: Linear(10, 20),
    }

    fn forward(x: [N, 10]) -> [N] {
        let best = fc(x).detach().argmax(1);
        best.sqrt()
    }
}

model! {
    struct Mask {
        fc: Linear(10, 20),
    }

    fn forward(x: [N, 10]) -> [N, 20] {
        let y = fc(x);
        where(y, y, 0.0)
    }
}

model! {
    struct Product {
        fc: Linear(10, 20),
    }

    fn forward(x: [N, 10]) -> [N, 20] {
        let keys = fc(x).reshape([N, 4, 5]);
        matmul(keys, keys).flatten(1)
    }
}

model! {
    struct Parts {
        fc: Linear(10, 20),
    }

    fn forward(x: [N, 10]) -> [N, 5] {
        let (a, b) = fc(x).split(5, dim = 1);
        a + b
    }
}

fn main() {}
