use kiln::prelude::*;

model! {
    struct Gate {
        fc: Linear(4, 5),
    }

    fn forward(x: [N, 4]) -> [N, 2] {
        fc(x).glu()
    }
}

model! {
    struct Shuffle {
        conv: Conv2d(3, 8, 3, padding = 1),
    }

    fn forward(x: [N, 3, 6, 6]) -> [N, 1, 18, 18] {
        pixel_shuffle(conv(x), 3)
    }
}

model! {
    struct Unshuffle {
        conv: Conv2d(3, 8, 3, padding = 1),
    }

    fn forward(x: [N, 3, 6, 7]) -> [N, 32, 3, 3] {
        pixel_unshuffle(conv(x), 2)
    }
}

model! {
    struct Parts {
        fc: Linear(4, 10),
    }

    fn forward(x: [N, 4]) -> [N, 3, 4] {
        fc(x).unflatten(1, (3, 4))
    }
}

model! {
    struct Rest {
        fc: Linear(4, 10),
    }

    fn forward(x: [N, 4]) -> [N, 3, 3] {
        fc(x).unflatten(-1, (3, -1))
    }
}

model! {
    struct Mirror {
        fc: Linear(4, 3),
    }

    fn forward(x: [N, 1, 4]) -> [N, 1, 6] {
        fc(x).pad((0, 3), mode = "reflect")
    }
}

model! {
    struct Circle {
        fc: Linear(4, 3),
    }

    fn forward(x: [N, 1, 4]) -> [N, 1, 7] {
        fc(x).pad((4, 0), mode = "circular")
    }
}

model! {
    struct Nothing {
        fc: Linear(4, 3),
    }

    fn forward(x: [N, 4]) -> [N, 1] {
        fc(x).pad((-2, -1))
    }
}

fn main() {}
