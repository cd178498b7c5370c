//! Losses that do not depend on what is minimized: rustc shows the loss, and where it was cut.

use kiln::prelude::*;

model! {
    #[model(input = [4])]
    struct Generator(Linear(4, 8), Tanh);
}

model! {
    #[model(input = [8])]
    struct Discriminator(Linear(8, 1));
}

model! {
    struct Detached {
        generator: Generator,
        discriminator: Discriminator,
        opt_g: Adam(generator),
        opt_d: Adam(discriminator),
    }

    step update_d(z: [N, 4]) -> loss {
        let loss = bce_with_logits(discriminator(generator(z).detach()), 0.0);
        opt_d.minimize(loss);
    }

    step update_g(z: [N, 4]) -> loss {
        let fake = generator(z).detach();
        let score = discriminator(fake);
        let loss = bce_with_logits(score, 1.0);
        opt_g.minimize(loss);
    }
}

model! {
    struct NotApplied {
        generator: Generator,
        discriminator: Discriminator,
        opt: Adam(generator),
    }

    step update(x: [N, 8]) -> loss {
        let loss = bce_with_logits(discriminator(x), 1.0);
        opt.minimize(loss);
    }
}

model! {
    struct Rounded {
        fc: Linear(4, 4),
        head: Linear(4, 4),
        opt: Adam((fc, head)),
    }

    step update(x: [N, 4], y: [N, 4]) -> loss {
        let rounded = head(fc(x)).floor();
        let loss = mse(rounded, y);
        opt.minimize(loss);
    }
}

model! {
    struct Chosen {
        fc: Linear(4, 4),
        opt: Adam(fc),
    }

    fn choose(x) {
        x.argmax(1, keepdim = true).float()
    }

    step update(x: [N, 4], y: [N, 1]) -> loss {
        let loss = mse(choose(fc(x)), y);
        opt.minimize(loss);
    }
}

model! {
    struct WithoutGradient {
        generator: Generator,
        discriminator: Discriminator,
        opt: Adam(generator),
    }

    step update(z: [N, 4]) -> loss {
        let fake = no_grad { generator(z) };
        let loss = bce_with_logits(discriminator(fake), 1.0);
        opt.minimize(loss);
    }
}

model! {
    struct Saliency {
        fc: Linear(4, 4),
    }

    eval saliency(x: [N, 4], y: [N, 4]) -> slope {
        let fixed = x.detach();
        let loss = mse(fc(fixed), y);
        let slope = grad(loss, x);
    }
}

fn main() {}
