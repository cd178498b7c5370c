//! What PyTorch's users write by habit in programs, each one mistake.

use kiln::prelude::*;

model! {
    struct Lists {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let skips = vec![];
        for _ in 0..3 {
            x = fc(x);
            skips += [x];
        }
        skips = skips + [x];
        let others = list();
        others.push(x);
        let out = zeros(N, 4);
        out[0] = x;
        x + skips[0] + others[0] + out
    }
}

model! {
    struct Several {
        lstm: LSTM(4, 4, batch_first = true),
        opt: Adam(lstm),
    }

    step fit(x: [N, T, 4]) -> loss {
        let loss = 0.0;
        for _ in 0..2 {
            let y = lstm(x);
            loss += y.sum();
        }
        opt.minimize(loss);
    }
}

model! {
    struct Powers {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        for i in 0..3 {
            x = fc(x) * 2 ** i + pow(2, i);
        }
        x
    }
}

model! {
    struct Modules {
        fcs: ModuleList([Linear(4, 4); 3]),
        scale: nn.Parameter(4),
        mask: Parameter(4, requires_grad = false),
        opt: Adam(fcs),
    }

    step fit(x: [N, 4]) -> loss {
        for fc in fcs.iter() {
            x = fc(x) * scale;
        }
        let loss = x.sum();
        opt.minimize(loss);
        mask *= 0.5;
    }
}

model! {
    struct Gradients {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        grad(outputs = fc(x).sum(), inputs = x)
    }
}

model! {
    struct Returns {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> ([N, 4], [N, 4]) {
        return fc(x), x;
    }
}

model! {
    struct Defaults {
        fc: Linear(4, 4),
        opt: Adam(fc),
    }

    fn scaled(x, gamma = 0.99) {
        x * gamma
    }

    step fit(x: [N, 4]) -> loss {
        let loss = scaled(fc(x)).sum();
        opt.minimize(loss);
    }
}

fn main() {
    let _ = Modules::init(1).trainer();
    let mut trainer = Defaults::init(1).trainer().batch(8).build().unwrap();
    trainer.fit(&kiln::ndarray::Array2::<f32>::zeros((8, 4))).unwrap();
}
