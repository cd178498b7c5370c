use kiln::prelude::*;

model! {
    struct Net {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        let y = x.rleu();
        let z = x.cuda();
        let u = x.nonzero();
        let t = masked_select(x, x > 0.0);
        let s = x.frobnicate();
        let r = x.div(2, rounding_mode = 1);
        let v = x.relu(1);
        let w = fc(x) % 2;
        x.tanh();
        fc(x)
    }
}

model! {
    struct Shapes {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        let (a, b) = fc(x).unbind(0);
        a + b
    }
}

model! {
    struct Words {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        fc(x) + x.div(2, rounding_mode = "up")
    }
}

model! {
    struct Matrices {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        fc(x).addmm(x, eye(9))
    }
}

model! {
    struct Orders {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N] {
        fc(x).quantile(1.5, 1)
    }
}

model! {
    struct Diagonals {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N] {
        fc(x).diagonal()
    }
}

model! {
    struct Differences {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        fc(x).diff(10)
    }
}

fn main() {}
