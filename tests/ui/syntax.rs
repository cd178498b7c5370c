use kiln::prelude::*;

model! {
    #[model(input = [10])]
    struct Unfinished {
        fc1: Linear(10, 10)
        fc2: Linear(10, 10),
    }
}

model! {
    #[model(input = [10])]
    struct Names {
        head: Sequential(fc: Linear(10, 10)),
    }
}

model! {
    #[model(input = [10])]
    struct Frozen {
        head: Sequential(Linear(10, 10), requires_grad = false),
    }
}

model! {
    struct Free {
        fc: Linear(10, 10),
    }

    fn evaluate(x: [N, 10]) -> [N, 10] {
        fc(x)
    }
}

model! {
    struct Unshaped {
        fc: Linear(10, 10),
    }

    fn forward(x: [10]) -> [10] {
        fc(x)
    }
}

model! {
    struct Pair {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10], y: [N, 10; i64]) -> [N, 10] {
        fc(x) + y
    }
}

model! {
    struct Stepped {
        fc: Linear(10, 10),
    }

    step update(x: [N, 10], rate: f32) -> loss {
        let loss = fc(x) * rate;
    }
}

model! {
    #[model(input = [10])]
    struct Twice {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        fc(x)
    }
}

fn main() {
    let _ = (Unfinished::init(1), Names::init(1), Frozen::init(1), Free::init(1), Unshaped::init(1), Pair::init(1), Stepped::init(1), Twice::init(1));
}

model! {
    struct Sliced {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 9] {
        fc(x)[:, 1:]
    }
}

model! {
    struct Multiplied {
        fc: Linear(10, 10),
    }

    step update(x: [N, 10]) -> loss {
        let loss = (fc(x) @ fc(x).transpose(0, 1)).mean();
    }
}

model! {
    struct Power {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        fc(x) ** 2
    }
}
