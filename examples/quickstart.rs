//! A network of one's own on a file of one's own, with a progress bar, early stopping and checkpoints:
//! `cargo run --release --example quickstart`. Ended at any moment (Ctrl-C) and started again, it goes on where it was, to
//! the same bits.

#[path = "support/output.rs"]
mod output;

use kiln::data::CsvOptions;
use kiln::prelude::*;
use ndarray::Axis;

#[derive(Model)]
#[model(input = [64])]
struct Net {
    fc1: Linear<64, 96>,
    act: ReLU,
    fc2: Linear<96, 10>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // 64 pixels from 0 to 16 and the digit that they show: 65 columns without names.
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits.csv.gz");
    let cells = CsvOptions::new().header(false).read(file)?.all::<f32>()?;
    let (x, y) = cells.view().split_at(Axis(1), 64);
    let (train, valid) = Dataset::new(&x / 16.0, y.column(0).mapv(|digit| digit as i32))?.split(0.8, 1);

    let mut trainer = Trainer::new(Net::init(42), cross_entropy(), Adam::default()).batch(32).build()?;
    let history = trainer
        .fit(&train)
        .epochs(30)
        .validate(&valid)
        .early_stopping(EarlyStopping::new("loss").patience(5))
        .checkpoint(Checkpoints::new(output::folder("quickstart")?).best("accuracy"))
        .resume()
        .run()?;
    println!("{history}");
    trainer.model().save(output::folder("quickstart")?.join("model.safetensors"))?;
    Ok(())
}
