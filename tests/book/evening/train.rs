//! `src/main.rs` of the first evening, as it trains.

// ANCHOR: all
use digits::Net;
use kiln::data::CsvOptions;
use kiln::ndarray::Axis;
use kiln::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // ANCHOR: data
    let cells = CsvOptions::new().header(false).read("digits.csv")?.all::<f32>()?;
    let (pixels, digit) = cells.view().split_at(Axis(1), 64);
    let data = Dataset::new(&pixels / 16.0, digit.column(0).mapv(|digit| digit as i32))?;
    let (train, valid) = data.split(0.8, 1);
    // ANCHOR_END: data

    let mut trainer = Trainer::new(Net::init(42), cross_entropy(), Adam::default()).batch(32).build()?;
    let history = trainer.fit(&train).epochs(10).validate(&valid).run()?;
    println!("{} steps", history.curve("step.loss").len());
    Ok(())
}
// ANCHOR_END: all

pub fn run() -> Result<(), Box<dyn std::error::Error>> {
    main()
}
