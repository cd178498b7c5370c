use kiln::prelude::*;

const TALL: usize = 300_000;

model! {
    /// A free extent is no number.
    struct Fixed {
        fc: Linear(64, 10),
    }

    fn forward(x: [N, T]) -> [N, 10] {
        fc(x)
    }
}

model! {
    /// Equal names are equal extents, and others may differ.
    struct Differing {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, S, 8], y: [N, T, 8]) -> [N, S, 8] {
        fc(x) + y
    }
}

model! {
    struct Output {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, T, 8]) -> [N, T, 8] {
        fc(x).narrow(1, 1, T - 1)
    }
}

model! {
    /// One behind the other, two free extents are none that can be told.
    struct Together {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, S, 8], y: [N, T, 8]) -> [N, S, 8] {
        fc(cat((x, y), dim = 1))
    }
}

model! {
    struct Apart {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, T, 8]) -> [N, T, 8] {
        let (a, b) = fc(x).chunk(2, dim = 1);
        cat((a, b), dim = 1)
    }
}

model! {
    struct Strided {
        conv: Conv1d(8, 8, 3, stride = 2, padding = 1),
    }

    fn forward(x: [N, 8, T]) -> [N, 8, T] {
        conv(x)
    }
}

model! {
    struct Half {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, T, 8]) -> [N, T, 8] {
        fc(x).narrow(1, 0, T / 2)
    }
}

model! {
    struct Looping {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, T, 8]) -> [N, T, 8] {
        for i in 0..T {
            x = fc(x) * i;
        }
        x
    }
}

model! {
    struct Deciding {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, T, 8]) -> [N, T, 8] {
        if x.size(1) > 4 { fc(x) } else { x }
    }
}

model! {
    struct Made {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, T, 8]) -> [N, T, 8] {
        if (T as f64) > 4.0 { fc(x) } else { x }
    }
}

model! {
    struct Long {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, PLACES_OF_THE_TEXT, 8]) -> [N, 8] {
        fc(x).mean(dim = 1)
    }
}

model! {
    struct Large {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, TALL, 8]) -> [N, 8] {
        fc(x).mean(dim = 1)
    }
}

model! {
    /// What no input has is no free extent.
    struct Unknown {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, T, 8]) -> [N, U, 8] {
        fc(x)
    }
}

model! {
    struct Inner {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, T, 8], y: [N, T, 8]) -> [N, T, 8] {
        fc(x) + y
    }
}

model! {
    struct Applied {
        inner: Inner,
    }

    fn forward(x: [N, S, 8], y: [N, T, 8]) -> [N, S, 8] {
        inner(x, y)
    }
}

model! {
    struct Stepped {
        fc: Linear(8, 8),
        opt: Sgd(fc, lr = 0.1),
    }

    step fit(x: [N, T, 8], y: [N, S, 8]) -> loss {
        let loss = mse(fc(x), y);
        opt.minimize(loss);
    }
}

model! {
    /// Those of a function are what they are where it is called.
    struct Called {
        fc: Linear(8, 8),
    }

    fn added(x: [N, T, 8], y: [N, T, 8]) -> [N, T, 8] {
        x + y
    }

    fn forward(x: [N, S, 8], y: [N, T, 8]) -> [N, S, 8] {
        added(fc(x), x) + added(x, fc(y))
    }
}

#[derive(Model)]
#[model(input = [T, 8])]
struct Derived {
    conv: Conv1d<8, 8, 3>,
}

#[derive(Model)]
#[model(input = [T, 8], output = [T])]
struct DerivedOutput {
    flatten: Flatten,
}

fn main() {}
