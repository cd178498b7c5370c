use kiln::prelude::*;

model! {
    struct Recursive {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        first(x)
    }

    fn first(x) {
        second(fc(x))
    }

    fn second(x) {
        first(x)
    }
}

model! {
    struct WrongCalls {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        let a = block(x);
        let b = block(x, x);
        let c = block(1, 2);
        let d = blok(x, 2);
        fc(x)
    }

    fn block(x: [N, 10], i: usize) {
        x * i + skip
    }
}

model! {
    struct WrongShapes {
        fc: Linear(10, 20),
    }

    fn forward(x: [N, 10]) -> [N, 20] {
        let y = narrowed(fc(x));
        declared(y)
    }

    fn narrowed(x) {
        fc(x.narrow(1, 0, 9))
    }

    fn declared(x: [N, 10]) -> [N, 20] {
        fc(x)
    }
}

model! {
    struct WrongArgument {
        fc: Linear(10, 20),
    }

    fn forward(x: [N, 10]) -> [N, 20] {
        declared(fc(x))
    }

    fn declared(x: [N, 10]) -> [N, 20] {
        fc(x)
    }
}

model! {
    struct WrongResult {
        fc: Linear(10, 20),
    }

    fn forward(x: [N, 10]) -> [N, 20] {
        declared(x)
    }

    fn declared(x) -> [N, 30] {
        fc(x)
    }
}

fn main() {}
