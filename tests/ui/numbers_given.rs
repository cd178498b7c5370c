//! Numbers that a function is given and that are none of what it takes, and powers that are no whole numbers.

use kiln::prelude::*;

const WIDTH: usize = 6;

mod inner {
    use kiln::prelude::*;

    model! {
        pub struct Inner {
            act: ReLU,
        }

        fn forward(x: [N, 4]) -> [N, 4] {
            act(x)
        }

        pub fn scale(x, s: f32) {
            x * s
        }

        pub fn by(x: [N, 4], s: []) {
            x * s
        }

        pub fn shift(x: [N, 4], s: [; i32]) {
            x + s.float()
        }

        pub fn first(x, count: usize) {
            x.narrow(1, 0, count)
        }
    }
}

use inner::Inner;

model! {
    struct Half {
        inner: Inner,
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        inner.scale(x, 1 / 2)
    }
}

model! {
    struct Part {
        inner: Inner,
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        inner.by(x, 1 / 2)
    }
}

model! {
    struct OfConstant {
        inner: Inner,
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        inner.by(x, WIDTH / 4)
    }
}

model! {
    struct TooLarge {
        inner: Inner,
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        inner.shift(x, 3_000_000_000)
    }
}

model! {
    struct Negative {
        inner: Inner,
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        inner.first(x, -1)
    }
}

model! {
    struct Whole {
        inner: Inner,
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        inner.scale(x, WIDTH)
    }
}

model! {
    struct OwnHalf {
        act: ReLU,
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        own(act(x), 1 / 2)
    }

    fn own(x, s: f32) {
        x * s
    }
}

model! {
    struct OwnTooLarge {
        act: ReLU,
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        places(act(x), 3_000_000_000)
    }

    fn places(x, s: [; i32]) {
        x + s.float()
    }
}

model! {
    struct Power {
        act: ReLU,
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        for i in 0..3 { x = x * WIDTH.pow(i - 3); }
        act(x)
    }
}

model! {
    struct NamedPower {
        act: ReLU,
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        for i in 0..3 {
            let scale = WIDTH.pow(i - 3);
            x = x * scale;
        }
        act(x)
    }
}

fn main() {}
