use kiln::prelude::*;

mod blocks {
    use kiln::prelude::*;

    model! {
        pub struct Two {
            left: Linear(3, 8),
            right: Linear(4, 8),
        }

        fn forward(x: [N, 3], y: [N, 4]) -> ([N, 8], [N, 8]) {
            (left(x), right(y))
        }
    }
}

model! {
    struct WrongCount {
        two: blocks::Two,
    }

    fn forward(x: [N, 3]) -> [N, 8] {
        let (a, b) = two(x);
        a + b
    }
}

model! {
    struct WrongShape {
        two: blocks::Two,
    }

    fn forward(x: [N, 3]) -> [N, 8] {
        let (a, b) = two(x, x.int());
        a + b
    }
}

model! {
    struct NotTakenApart {
        two: blocks::Two,
    }

    fn forward(x: [N, 3], y: [N, 4]) -> [N, 8] {
        two(x, y).relu()
    }
}

model! {
    struct ThreeNames {
        two: blocks::Two,
    }

    fn forward(x: [N, 3], y: [N, 4]) -> [N, 8] {
        let (a, b, c) = two(x, y);
        a + b + c
    }
}

model! {
    struct Literal {
        fc: Linear(3, 8),
    }

    fn forward(x: [N, 3]) -> ([N, 8], [N, 8]) {
        let (a, b, c) = (fc(x), x);
        let d = (a, b);
        let (e, f) = x;
        let g = fc(x, x);
        let h = fc(x).0;
        fc(x)
    }
}

model! {
    struct WrongOutput {
        fc: Linear(3, 8),
    }

    fn forward(x: [N, 3]) -> ([N, 8], [N, 4]) {
        (fc(x), x)
    }
}

#[derive(Model)]
#[model(input = [3])]
struct Chain {
    two: blocks::Two,
    act: ReLU,
}

fn main() {}
