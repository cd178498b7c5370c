use kiln::prelude::*;

model! {
    struct Inner {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x)
    }
}

model! {
    struct Members {
        fc: Linear(4, 4),
        act: PReLU,
        inner: Inner,
        scale: Parameter(4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let a = x * fc.wieght;
        let b = x * act.weight;
        let d = scale(x);
        let e = x * scale.weight;
        inner(fc(x)) + scale
    }
}

model! {
    struct NoBias {
        fc: Linear(4, 4, bias = false),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) + fc.bias
    }
}

model! {
    struct Shapes {
        fc: Linear(4, 6),
    }

    fn forward(x: [N, 4]) -> [N, 6] {
        x.matmul(fc.weight)
    }
}

model! {
    struct Extents {
        scale: Parameter(4, 0),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        x * scale
    }
}

model! {
    #[model(input = [4])]
    struct InOrder {
        fc: Linear(4, 4),
        scale: Parameter(4),
    }
}

model! {
    struct Nested {
        body: Sequential(Linear(4, 4), Parameter(4)),
        shape: Parameter("4"),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        body(x) + shape
    }
}

model! {
    struct Places {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N] {
        fc(x).select(1, -5)
    }
}

model! {
    struct OfGroups {
        fc: Linear(4, 4),
        conv: Conv2d(4, 6, 3, groups = 4),
        none: Conv1d(4, 4, 1, groups = 0),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) + conv.weight.mean() + none.weight.mean()
    }
}

fn main() {}
