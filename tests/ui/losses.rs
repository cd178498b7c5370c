//! Losses of operands and settings that can not be.

use kiln::prelude::*;

model! {
    struct Mistakes {
        fc: Linear(4, 4),
    }

    eval operands(x: [N, 4], y: [N, 4], labels: [N; i32]) -> loss {
        let loss = huber(fc(x));
        let pairs = cosine_embedding(fc(x), y);
        let triplets = triplet_margin(fc(x), y, 1.0);
        let classes = nll(fc(x), 2);
        let number = mse(1.0, fc(x));
        let sequences = ctc(fc(x), labels);
        let lengths = ctc(fc(x), labels, 4, labels);
    }

    eval options(x: [N, 4], y: [N, 4]) -> loss {
        let loss = huber(fc(x), y, beta = 1);
        let mean = mse(fc(x), y, reduction = "batchmean");
        let divergence = kl_div(fc(x), y, reduction = "batch");
        let logs = kl_div(fc(x), y, log_target = y);
        let near = smooth_l1_los(fc(x), y);
    }
}

model! {
    struct Shapes {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = huber(fc(x), y);
    }
}

model! {
    struct Elements {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N]) -> loss {
        let loss = nll_loss(fc(x).log_softmax(1), y);
    }
}

model! {
    struct Settings {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 4]) -> loss {
        let loss = huber(fc(x), y, delta = 0);
    }
}

model! {
    struct Variance {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 4], var: [N, 2]) -> loss {
        let loss = gaussian_nll(fc(x), y, var);
    }
}

model! {
    struct Pairs {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 4]) -> loss {
        let loss = cosine_embedding(fc(x), y, y);
    }
}

model! {
    struct Lists {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N; i32]) -> loss {
        let loss = multilabel_margin(fc(x), y);
    }
}

model! {
    struct Smoothing {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N; i32]) -> loss {
        let loss = cross_entropy(fc(x), y, label_smoothing = 1.5);
    }
}

model! {
    struct Batches {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 9, 4], y: [N, 3; i32], lengths: [N; i32]) -> loss {
        let loss = ctc(fc(x).log_softmax(2), y, lengths, lengths);
    }
}

model! {
    struct Blank {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 9, 4], y: [N, 3; i32], lengths: [N; i32]) -> loss {
        let loss = ctc(fc(x).log_softmax(2).transpose(0, 1), y, lengths, lengths, blank = 4);
    }
}

model! {
    struct Labels {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N]) -> loss {
        let loss = cross_entropy(fc(x), y);
    }
}

fn main() {}
