//! A loss without its parentheses, and numbers where data are taken.

use kiln::prelude::*;

#[derive(Model)]
#[model(input = [4])]
struct Net {
    fc: Linear<4, 3>,
}

fn loss() {
    let _ = Trainer::new(Net::init(1), cross_entropy, Adam::default());
}

fn data(rows: Vec<f32>) {
    let mut trainer = Trainer::new(Net::init(1), cross_entropy(), Adam::default()).build().unwrap();
    let _ = trainer.fit(rows);
}

fn main() {}
