//! `src/main.rs` of the first evening, with checkpoints.

// ANCHOR: all
use digits::Net;
use kiln::data::CsvOptions;
use kiln::ndarray::Axis;
use kiln::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cells = CsvOptions::new().header(false).read("digits.csv")?.all::<f32>()?;
    let (pixels, digit) = cells.view().split_at(Axis(1), 64);
    let data = Dataset::new(&pixels / 16.0, digit.column(0).mapv(|digit| digit as i32))?;
    let (train, valid) = data.split(0.8, 1);

    let mut trainer = Trainer::new(Net::init(42), cross_entropy(), Adam::default()).batch(32).build()?;
    // ANCHOR: fit
    let history = trainer
        .fit(&train)
        .epochs(40)
        .validate(&valid)
        .early_stopping(EarlyStopping::new("loss").patience(5).restore_best())
        .checkpoint(Checkpoints::new("run").keep(3).best("accuracy"))
        .resume()
        .run()?;
    // ANCHOR_END: fit
    // ANCHOR: end
    println!("{history}");
    trainer.model().save("digits.safetensors")?;
    // ANCHOR_END: end
    Ok(())
}
// ANCHOR_END: all

pub fn run() -> Result<(), Box<dyn std::error::Error>> {
    main()
}
