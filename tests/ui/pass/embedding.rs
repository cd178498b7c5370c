//! A network over indices, with all options of its embedding.

#![deny(warnings)]

use kiln::graph::{DType, Path, Type};
use kiln::prelude::*;

const WORDS: usize = 50;

#[derive(Model)]
#[model(input = [6; i32], output = [6, 8])]
struct Derived {
    #[model(padding_idx = -1)]
    table: Embedding<WORDS, 8>,
    norm: LayerNorm<8>,
}

model! {
    struct Declared {
        words: Embedding(WORDS, 8, 0),
        places: Embedding(num_embeddings = 6, embedding_dim = 8, padding_idx = None),
        out: Linear(8, WORDS),
    }

    fn forward(x: [N, 6; i32], at: [N, 6; i32]) -> [N, 6, WORDS] {
        out(words(x) + places(at))
    }
}

model! {
    #[model(input = [6; i32])]
    struct Bags(EmbeddingBag(WORDS, 8, mode = "max", padding_idx = -1), Linear(8, 1));
}

model! {
    struct Several {
        mean: EmbeddingBag(WORDS, 8),
        sum: EmbeddingBag(WORDS, 8, "sum", 0),
    }

    fn forward(x: [N, 6; i32]) -> [N, 8] {
        mean(x) * sum(x)
    }
}

model! {
    struct Short {
        words: Embedding(10, 4, scale_grad_by_freq = true),
        opt: Sgd(words, lr = 0.1),
    }

    step fit(x: [N, 3; i32]) -> (loss, longest) {
        let loss = words(x).square().sum();
        opt.minimize(loss);
        words.weight.copy_from(words.weight.renorm(2.0, 0, 0.5));
        let longest = words.weight.norm(2, dim = 1).max();
    }
}

#[test]
fn rows_are_kept_short() {
    let mut trainer = Short::init(1).trainer().batch(2).threads(1).build().unwrap();
    let x = kiln::ndarray::array![[1, 1, 2], [1, 3, 2]];
    for _ in 0..2 {
        let (_, longest) = trainer.fit(&x).unwrap();
        assert!(longest <= 0.5 + 1e-5, "{longest}");
    }
}

#[test]
fn it_runs() {
    assert_eq!(Derived::INPUTS, [Type::new(DType::I32, Shape::new(&[Shape::N, 6]))]);
    let mut names = Vec::new();
    Derived::init(1).describe(&mut Path::new(), &mut |name, layer| names.push(format!("{name}: {layer}")));
    Declared::init(1).describe(&mut Path::new(), &mut |name, layer| names.push(format!("{name}: {layer}")));
    Bags::init(1).describe(&mut Path::new(), &mut |name, layer| names.push(format!("{name}: {layer}")));
    Several::init(1).describe(&mut Path::new(), &mut |name, layer| names.push(format!("{name}: {layer}")));
    let expected = [
        "table: Embedding(50, 8, padding_idx -1)",
        "norm: LayerNorm(8)",
        "words: Embedding(50, 8, padding_idx 0)",
        "places: Embedding(6, 8)",
        "out: Linear(8, 50)",
        "0: EmbeddingBag(50, 8, max, padding_idx -1)",
        "1: Linear(8, 1)",
        "mean: EmbeddingBag(50, 8, mean)",
        "sum: EmbeddingBag(50, 8, sum, padding_idx 0)",
    ];
    assert_eq!(names, expected);
}
