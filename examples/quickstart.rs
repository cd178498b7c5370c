//! A network of one's own on a file of one's own, with a progress bar, metrics, early stopping, checkpoints and a report, in 25
//! lines: `cargo run --release --example quickstart`. Ended at any moment (Ctrl-C) and started again, it goes on where it was, to
//! the same bits.

use kiln::{data::CsvOptions, logs::JsonLines, prelude::*};
use ndarray::Axis;

/// What is trained.
#[derive(Model)]
#[model(input = [64])]
pub struct Net {
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

    let folder = std::env::current_exe()?.with_file_name("quickstart.run");
    let mut trainer = Trainer::new(Net::init(42), cross_entropy(), Adam::default()).batch(32).build()?;
    let fit = trainer.fit(&train).epochs(30).validate(&valid).metrics(["f1", "auroc"]);
    let fit = fit.early_stopping(EarlyStopping::new("loss").patience(5)).log(JsonLines::new(folder.join("log.jsonl")));
    let history = fit.checkpoint(Checkpoints::new(&folder).best("f1")).resume().run()?;
    trainer.model().save(folder.join("model.safetensors"))?;
    trainer.report(&history).title("Digits").save_html(folder.join("report.html"))?;
    println!("{history}\nLook at {}", folder.join("report.html").display());
    Ok(())
}
