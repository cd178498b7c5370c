use kiln::prelude::*;

model! {
    struct WrongLayer {
        fc1: Linear(10, 20),
        fc2: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        let y = fc1(x);
        fc2(y)
    }
}

model! {
    struct WrongSum {
        fc: Linear(10, 20),
        out: Linear(20, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        let y = x.relu() + fc(x);
        out(y)
    }
}

model! {
    struct WrongOutput {
        fc: Linear(10, 20),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        fc(x)
    }
}

model! {
    struct WrongInLoop {
        linears: [Linear(10, 10); 3],
        wide: Linear(10, 12),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        for (i, l) in linears.iter().enumerate() {
            x = l(x);
            if i == 1 {
                x = wide(x);
            }
        }
        x
    }
}

model! {
    struct WrongInSequential {
        head: Sequential { fc: Linear(10, 20), out: Sequential(ReLU, Linear(30, 10)) },
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        head(x)
    }
}

fn main() {}
