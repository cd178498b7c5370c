//! The first `src/main.rs` of the first evening.

// ANCHOR: all
use kiln::data::CsvOptions;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let table = CsvOptions::new().header(false).read("digits.csv")?;
    let cells = table.all::<f32>()?;
    println!("{} rows of {} numbers", cells.nrows(), cells.ncols());
    println!("the first one shows a {}", cells[[0, 64]]);
    Ok(())
}
// ANCHOR_END: all

pub fn run() -> Result<(), Box<dyn std::error::Error>> {
    main()
}
