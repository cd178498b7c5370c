//! Whole numbers beside those with fractions, and what is no number: flags, texts, layers.

use kiln::prelude::*;

const TEXT: &str = "mean";
const RATE: f64 = 0.5;

model! {
    struct Begins {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let t = 0;
        for _ in 0..3 {
            t = t + 0.1;
            x = fc(x) * t;
        }
        for _ in 0..3 {
            t += RATE.sqrt();
        }
        x
    }
}

model! {
    struct Texts {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * tensor("mean") + tensor([1, "b", 0, 0])
    }
}

model! {
    struct NamedText {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * tensor(TEXT)
    }
}

model! {
    struct OfPyTorch {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let a = arange(0, 4, 2, dtype = torch.float32);
        let b = zeros(N, 4, device = x.device);
        let c = tensor([1.0], dtype = "float");
        let d = rand(4, requires_grad = true);
        fc(x) + a + b + c + d
    }
}

model! {
    struct Averages {
        net: Linear(4, 4),
        ema: Linear(4, 4),
        center: Parameter(4, requires_grad = false),
        opt: Adam(net),
    }

    step fit(x: [N, 4]) -> loss {
        let loss = net(x).sum();
        opt.minimize(loss);
        ema = 0.9 * ema + 0.1 * net;
        ema.weight = net.weight;
        ema.weight.copy_(net.weight);
        center = x.mean(0);
    }
}

model! {
    struct Powers {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        for i in 0..3 {
            x = fc(x) * (2.0 ^ i) + 2.pow(i);
        }
        x
    }
}

model! {
    struct Builders {
        fc: Linear(4, 4).requires_grad_(false),
        other: Linear(4, 4),
        opt: Adam(other, lr = 0.1).clip_grad_norm(1.0),
    }

    step fit(x: [N, 4]) -> loss {
        let loss = other(fc(x)).sum();
        opt.minimize(loss);
    }
}

fn main() {
    let _ = Builders::init(1).trainer();
}
