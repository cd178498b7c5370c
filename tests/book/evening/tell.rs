//! `src/bin/tell.rs` of the first evening.

// ANCHOR: all
use digits::Net;
use kiln::data::CsvOptions;
use kiln::ndarray::s;
use kiln::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut net = Net::init(0);
    net.load("digits.safetensors")?;
    let predictor = Predictor::new(net).batch(1).build()?;

    let cells = CsvOptions::new().header(false).read("digits.csv")?.all::<f32>()?;
    for row in [0, 700, 1796] {
        let scores = predictor.predict(&(&cells.slice(s![row..=row, ..64]) / 16.0))?;
        let best = (0..10).max_by(|&a, &b| scores[[0, a]].total_cmp(&scores[[0, b]])).unwrap();
        println!("row {row}: a {best}; the file says {}", cells[[row, 64]]);
    }
    Ok(())
}
// ANCHOR_END: all

pub fn run() -> Result<(), Box<dyn std::error::Error>> {
    main()
}
