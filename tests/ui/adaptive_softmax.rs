use kiln::prelude::*;

model! {
    struct Unordered {
        words: AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs = [10, 4]),
    }

    fn forward(x: [N, 8]) -> [N, 20] {
        words.log_prob(x)
    }
}

model! {
    struct Featureless {
        words: AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs = [4, 10]),
    }

    fn forward(x: [N, 8]) -> [N, 20] {
        words.log_prob(x)
    }
}

model! {
    struct Floats {
        words: AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs = [4], div_value = 2),
    }

    fn forward(x: [N, 8]) -> [N] {
        let (output, _) = words(x, x.sum(1));
        output
    }
}

model! {
    struct Narrow {
        words: AdaptiveLogSoftmaxWithLoss(9, 20, cutoffs = [4], div_value = 2),
    }

    fn forward(x: [N, 8]) -> [N; i32] {
        words.predict(x)
    }
}

fn main() {}
