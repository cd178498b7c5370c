//! Activations with settings, axes and channels that can not be.

use kiln::prelude::*;

model! {
    #[model(input = [4])]
    struct Slopes(PReLU(3));
}

model! {
    #[model(input = [4])]
    struct Settings(PReLU(0), RReLU(0.5, 0.1), CELU(0), Softshrink(-1), Threshold(1), Threshold);
}

model! {
    #[model(input = [3])]
    struct Odd(GLU);
}

model! {
    #[model(input = [4])]
    struct Axes(Softmin, Softmin(dim = 2), Softmax2d, GLU(dim = 0));
}

model! {
    struct Functions {
        fc: Linear(3, 3),
    }

    fn forward(x: [N, 3]) -> [N, 3] {
        fc(x).celu(alpha = 0)
    }
}

model! {
    struct Gated {
        fc: Linear(3, 3),
    }

    fn forward(x: [N, 3]) -> [N, 3] {
        glu(fc(x))
    }
}

fn main() {}
