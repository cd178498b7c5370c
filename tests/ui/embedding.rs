use kiln::prelude::*;

#[derive(Model)]
#[model(input = [6])]
struct Numbers {
    table: Embedding<50, 8>,
}

#[derive(Model)]
#[model(input = [6; i32])]
struct Indices {
    fc: Linear<6, 8>,
}

model! {
    struct Twice {
        table: Embedding(50, 8, padding_idx = 50),
    }

    fn forward(x: [N, 6; i32]) -> [N, 6, 8] {
        table(x)
    }
}

model! {
    #[model(input = [6, 2; i32])]
    struct Bags(EmbeddingBag(50, 8));
}

model! {
    #[model(input = [6; i32])]
    struct Modes(EmbeddingBag(50, 8, mode = "min"), EmbeddingBag(50, 8, padding_idx = -51));
}

fn mismatch(trainer: &mut Trainer<Indices, CrossEntropy, Adam>, x: &ndarray::Array2<f32>) {
    let _ = trainer.predict(x);
}

fn main() {}
