// The number of samples, given to a function of the model's own: nothing is decided by it.

use kiln::prelude::*;

model! {
    struct Decides {
        fc: Linear(4, 3),
    }

    fn rows(x: [N, 3], n: usize) -> [N, 3] {
        let mut y = x;
        if n > 4 {
            y = y * 2;
        }
        y
    }

    fn forward(x: [N, 4]) -> [N, 3] {
        rows(fc(x), N)
    }
}

model! {
    struct Loops {
        fc: Linear(4, 3),
    }

    fn rows(x: [N, 3], n: usize) -> [N, 3] {
        let mut y = x;
        for _ in 0..n {
            y = y * 2;
        }
        y
    }

    fn forward(x: [N, 4]) -> [N, 3] {
        let y = fc(x);
        rows(y, y.size(0))
    }
}

model! {
    struct Remainder {
        fc: Linear(4, 3),
    }

    fn forward(x: [N, 4]) -> [N, 3] {
        let mut y = fc(x);
        let odd = N % 2;
        if odd == 1 {
            y = y * 2;
        }
        y
    }
}

model! {
    struct Computed {
        fc: Linear(4, 3),
    }

    fn rows(x: [N, 3], n: usize) -> [N, 3] {
        x.view(n * 5)
    }

    fn forward(x: [N, 4]) -> [N, 3] {
        rows(fc(x), N)
    }
}

model! {
    struct Parenthesized {
        fc: Linear(4, 3),
    }

    fn forward(x: [N, 4]) -> [N, 3] {
        let y = fc(x);
        y.view((N) * 2, 3)
    }
}

model! {
    struct Inner {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x)
    }

    pub fn rows(x: [N, 4], n: usize) -> [N, 4] {
        if n == 4 { fc(x) } else { x }
    }
}

model! {
    struct Outer {
        inner: Inner,
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        inner.rows(x, N)
    }
}

model! {
    struct Made {
        fc: Linear(4, 3),
    }

    fn drops(x: [N, 3], i: usize) -> [N, 3] {
        let mut y = x;
        let p = 0.1 * i as f32;
        if p > 0.2 {
            y = dropout(y, p);
        }
        y
    }

    fn forward(x: [N, 4]) -> [N, 3] {
        drops(fc(x), N)
    }
}

// A number is as good as ever, and what is made of it.
model! {
    struct Numbers {
        fc: Linear(4, 3),
    }

    fn times(x: [N, 3], n: usize) -> [N, 3] {
        let mut y = x;
        for _ in 0..n {
            y = y * 2;
        }
        if n % 2 == 1 {
            y = y + n;
        }
        let p = 0.1 * n as f32;
        if p > 0.2 {
            y = dropout(y, p);
        }
        for _ in 0..2usize.pow(n as u32) {
            y = y * 2;
        }
        y
    }

    fn forward(x: [N, 4]) -> [N, 3] {
        times(fc(x), 3)
    }
}

// What nothing is decided by may be the number of samples.
model! {
    struct Means {
        fc: Linear(4, 3),
    }

    fn mean(x: [N, 3], n: usize) -> [3] {
        x.sum(0) / n + 1.0 / n as f32
    }

    fn forward(x: [N, 4]) -> [N, 3] {
        let y = fc(x);
        y + mean(y, N)
    }
}

fn main() {}
