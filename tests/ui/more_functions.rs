use kiln::prelude::*;

model! {
    struct WrongWords {
        fc: Linear(4, 4),
        table: Parameter(7, 4, std = 1),
    }

    fn forward(x: [N, 4], words: [N, 3; i32]) -> [N, 4] {
        let a = tensordot(x, x, dims = ([1], [1], [0]));
        let b = embedding_bag(words, table, offsets = words);
        let c = polygamma(x, 1);
        let d = x.clamp(words, "1");
        fc(x)
    }
}

model! {
    struct WrongHeads {
        fc: Linear(8, 8),
    }

    fn forward(q: [N, 6, 5, 8], k: [N, 4, 7, 8]) -> [N, 6, 5, 8] {
        scaled_dot_product_attention(fc(q), k, k, enable_gqa = true)
    }
}

model! {
    struct WrongPart {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N] {
        fc(x).quantile([0.5, 1.5], 1).sum(0)
    }
}

model! {
    struct WrongWay {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N] {
        fc(x).quantile(0.5, 1, interpolation = "middle")
    }
}

model! {
    struct WrongReduction {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], index: [N, 4; i32]) -> [N, 4] {
        fc(x).scatter_reduce(1, index, x, "max")
    }
}

model! {
    struct WrongAxes {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], w: [4, 5]) -> [N, 5] {
        tensordot(fc(x), w, dims = ([1], [1]))
    }
}

model! {
    struct WholePower {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4; i32]) -> [N, 4] {
        fc(x.pow(-1).float())
    }
}

fn main() {}
