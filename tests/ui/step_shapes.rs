//! Shapes that do not fit in a program, also those of models of other modules.

use kiln::prelude::*;

mod networks {
    use kiln::prelude::*;

    model! {
        #[model(input = [4])]
        pub struct Generator(Linear(4, 8), Tanh);
    }

    model! {
        #[model(input = [9])]
        pub struct Discriminator(Linear(9, 1));
    }
}

model! {
    struct Gan {
        generator: networks::Generator,
        discriminator: networks::Discriminator,
        opt: Adam(generator),
    }

    step update(z: [N, 4]) -> loss {
        let loss = bce_with_logits(discriminator(generator(z)), 1.0);
        opt.minimize(loss);
    }
}

model! {
    struct NoScalar {
        fc: Linear(4, 4),
        opt: Adam(fc),
    }

    step update(x: [N, 4], y: [N, 4]) -> loss {
        let loss = mse(fc(x), y, reduction = "none");
        opt.minimize(loss);
    }
}

model! {
    struct Target {
        fc: Linear(4, 3),
        opt: Adam(fc),
    }

    step update(x: [N, 4], labels: [N, 3, 1; i32]) -> loss {
        let loss = cross_entropy(fc(x), labels);
        opt.minimize(loss);
    }
}

model! {
    struct Parts {
        blocks: [Linear(4, 4); 2],
        opt: Adam(blocks[2]),
    }

    step update(x: [N, 4], y: [N, 4]) -> loss {
        let loss = mse(blocks[1](blocks[0](x)), y);
        opt.minimize(loss);
    }
}

fn main() {}
