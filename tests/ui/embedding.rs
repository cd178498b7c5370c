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

fn mismatch(trainer: &mut Trainer<Indices, CrossEntropy, Adam>, x: &ndarray::Array2<f32>) {
    let _ = trainer.predict(x);
}

fn main() {}
