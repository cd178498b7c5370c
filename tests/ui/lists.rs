// Lists of tensors, and names of numbers that become tensors: what each takes.

use kiln::prelude::*;

model! {
    struct Words {
        fc: Linear(4, 4),
        opt: Sgd(fc, lr = 0.1),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let mut outs = vec![];
        outs.append(fc(x));
        outs.push(3);
        outs = x;
        let y = fc(outs);
        for i in 0..3 {
            i = x;
        }
        let mut count = 0;
        count += x;
        more = [];
        outs += [x];
        x.select(1, count)
    }

    step fit(x: [N, 4]) -> outs {
        let mut outs = vec![];
        outs.push(fc(x));
        opt.minimize(outs[0].sum());
    }
}

model! {
    struct Beyond {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let outs = vec![fc(x)];
        outs[1]
    }
}

model! {
    struct Before {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let mut outs = [fc(x); 2];
        outs[-3] = x;
        outs[-1]
    }
}

model! {
    struct Empty {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let outs = Vec::new();
        fc(x) + cat(outs, dim = 1)
    }
}

model! {
    struct Unequal {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 8] {
        let mut outs = vec![fc(x)];
        outs.push(fc(x).sum(1));
        cat(outs, dim = 1)
    }
}

model! {
    struct Long {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let mut outs = vec![];
        for i in 0..300 {
            outs.push(fc(x));
        }
        outs[0]
    }
}

model! {
    struct Cut {
        fc: Linear(4, 4),
        opt: Sgd(fc, lr = 0.1),
    }

    step fit(x: [N, 4]) -> loss {
        let mut losses = vec![];
        no_grad {
            losses.push(fc(x).mean());
        }
        let mut loss = 0.0;
        for each in losses {
            loss += each;
        }
        opt.minimize(loss);
    }
}

fn main() {}
