//! A mistake in each loss, under both of its names: what is compared has other shapes.

use kiln::prelude::*;

model! {
    struct Bce {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = bce(fc(x), y);
    }
}

model! {
    struct BinaryCrossEntropy {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = binary_cross_entropy(fc(x), y);
    }
}

model! {
    struct BceWithLogits {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = bce_with_logits(fc(x), y);
    }
}

model! {
    struct BinaryCrossEntropyWithLogits {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = binary_cross_entropy_with_logits(fc(x), y);
    }
}

model! {
    struct HingeEmbedding {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = hinge_embedding(fc(x), y);
    }
}

model! {
    struct HingeEmbeddingLoss {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = hinge_embedding_loss(fc(x), y);
    }
}

model! {
    struct Huber {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = huber(fc(x), y);
    }
}

model! {
    struct HuberLoss {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = huber_loss(fc(x), y);
    }
}

model! {
    struct KlDiv {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = kl_div(fc(x), y);
    }
}

model! {
    struct L1 {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = l1(fc(x), y);
    }
}

model! {
    struct L1Loss {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = l1_loss(fc(x), y);
    }
}

model! {
    struct Mse {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = mse(fc(x), y);
    }
}

model! {
    struct MseLoss {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = mse_loss(fc(x), y);
    }
}

model! {
    struct MultilabelSoftMargin {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = multilabel_soft_margin(fc(x), y);
    }
}

model! {
    struct MultilabelSoftMarginLoss {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = multilabel_soft_margin_loss(fc(x), y);
    }
}

model! {
    struct PoissonNll {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = poisson_nll(fc(x), y);
    }
}

model! {
    struct PoissonNllLoss {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = poisson_nll_loss(fc(x), y);
    }
}

model! {
    struct SmoothL1 {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = smooth_l1(fc(x), y);
    }
}

model! {
    struct SmoothL1Loss {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = smooth_l1_loss(fc(x), y);
    }
}

model! {
    struct SoftMargin {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = soft_margin(fc(x), y);
    }
}

model! {
    struct SoftMarginLoss {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = soft_margin_loss(fc(x), y);
    }
}

model! {
    struct CrossEntropy {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = cross_entropy(fc(x), y);
    }
}

model! {
    struct CosineEmbedding {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3], signs: [N]) -> loss {
        let loss = cosine_embedding(fc(x), y, signs);
    }
}

model! {
    struct CosineEmbeddingLoss {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3], signs: [N]) -> loss {
        let loss = cosine_embedding_loss(fc(x), y, signs);
    }
}

model! {
    struct Ctc {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 9, 4], y: [N, 3; i32], lengths: [N; i32]) -> loss {
        let loss = ctc(fc(x).log_softmax(2), y, lengths, lengths);
    }
}

model! {
    struct CtcLoss {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 9, 4], y: [N, 3; i32], lengths: [N; i32]) -> loss {
        let loss = ctc_loss(fc(x).log_softmax(2), y, lengths, lengths);
    }
}

model! {
    struct GaussianNll {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = gaussian_nll(fc(x), y, y);
    }
}

model! {
    struct GaussianNllLoss {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = gaussian_nll_loss(fc(x), y, y);
    }
}

model! {
    struct MarginRanking {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = margin_ranking(fc(x), y, 1.0);
    }
}

model! {
    struct MarginRankingLoss {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = margin_ranking_loss(fc(x), y, 1.0);
    }
}

model! {
    struct MultiMargin {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3; i32]) -> loss {
        let loss = multi_margin(fc(x), y);
    }
}

model! {
    struct MultiMarginLoss {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3; i32]) -> loss {
        let loss = multi_margin_loss(fc(x), y);
    }
}

model! {
    struct MultilabelMargin {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3; i32]) -> loss {
        let loss = multilabel_margin(fc(x), y);
    }
}

model! {
    struct MultilabelMarginLoss {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3; i32]) -> loss {
        let loss = multilabel_margin_loss(fc(x), y);
    }
}

model! {
    struct Nll {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3; i32]) -> loss {
        let loss = nll(fc(x).log_softmax(1), y);
    }
}

model! {
    struct NllLoss {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3; i32]) -> loss {
        let loss = nll_loss(fc(x).log_softmax(1), y);
    }
}

model! {
    struct TripletMargin {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = triplet_margin(fc(x), y, y);
    }
}

model! {
    struct TripletMarginLoss {
        fc: Linear(4, 4),
    }

    eval target(x: [N, 4], y: [N, 3]) -> loss {
        let loss = triplet_margin_loss(fc(x), y, y);
    }
}

fn main() {}
