use kiln::prelude::*;

model! {
    struct Bound {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        for i in 0..fc(x) {
            x = fc(x);
        }
        x
    }
}

model! {
    struct Condition {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        if x > 0.0 {
            x = fc(x);
        }
        x
    }
}

model! {
    struct Choice {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        if x {
            x = fc(x);
        }
        x
    }
}

model! {
    struct Source {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        for l in fc.iter() {
            x = l(x);
        }
        while true {}
        x
    }
}

model! {
    struct Nothing {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        x = fc(x);
    }
}

model! {
    struct Number {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        x = 2.0;
        let y = 3 + 4;
        y
    }
}

model! {
    struct NotConstant {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        for _ in 0..std::env::args().count() {
            x = fc(x);
        }
        x
    }
}

fn main() {}
