//! Single emitted kernels against the measured peak and copy bandwidth of as many cores at once as there are threads:
//! `cargo bench --bench kernels [-- part of a name] [--threads 2]`, one thread where none are asked for. The cases are
//! interleaved; `GFLOP/s` is a median, `best` and `limit` are of the fastest run of every kernel.

mod contractions;
mod machine;
mod maps;
mod runner;

use std::time::Instant;

use kiln_jit::target::Target;
use kiln_rt::Pool;
use runner::Runner;

/// Turns through all cases.
const ROUNDS: usize = 25;
/// What one measurement lasts at least, in seconds.
const LONG: f64 = 1e-3;

/// What a case's work is counted in.
#[derive(Clone, Copy, PartialEq)]
enum Unit {
    /// Floating-point operations, against the peak of [`machine::peak`].
    Flops,
    /// Bytes read and written, against [`machine::copy`].
    Bytes,
}

/// A kernel, or a chain of kernels, to be measured.
struct Case {
    name: String,
    unit: Unit,
    work: f64,
    runner: Runner,
}

/// This machine, by `KILN_EMITTER`.
fn target() -> Target {
    Target::host().unwrap_or_else(|error| panic!("{error}"))
}

fn main() {
    let (mut filter, mut threads) = (String::new(), 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // `cargo bench` passes it to every bench target.
            "--bench" => {}
            "--threads" => {
                let number = arguments.next().and_then(|number| number.parse().ok()).filter(|&number| number > 0);
                threads = number.unwrap_or_else(|| panic!("--threads takes a number of threads above 0"));
            }
            option if option.starts_with('-') => panic!("unknown option `{option}`; known is --threads"),
            part => filter = part.to_owned(),
        }
    }
    let pool = Pool::new(threads);
    let mut cases = vec![machine::peak(threads), machine::copy(threads)];
    let wanted = contractions::cases(&filter).into_iter().chain(maps::cases(&filter));
    cases.extend(wanted);

    let mut repeats = vec![1usize; cases.len()];
    for (case, repeats) in cases.iter_mut().zip(&mut repeats) {
        case.runner.run(&pool);
        let start = Instant::now();
        case.runner.run(&pool);
        *repeats = (LONG / start.elapsed().as_secs_f64()).ceil().max(1.0) as usize;
    }
    let mut seconds = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for ((case, &repeats), seconds) in cases.iter_mut().zip(&repeats).zip(&mut seconds) {
            let start = Instant::now();
            (0..repeats).for_each(|_| case.runner.run(&pool));
            seconds.push(start.elapsed().as_secs_f64() / repeats as f64);
        }
    }
    println!("{:<42} {:>12} {:>8} {:>8} {:>6}  code", "kernel", "time (us)", "GFLOP/s", "best", "limit");
    let best = |case: &Case| case.work / case.runner.fastest() * 1e-9;
    let limits: Vec<f64> = cases.iter().take(2).map(best).collect();
    for (case, seconds) in cases.iter().zip(&mut seconds) {
        let best = best(case);
        let median = median(seconds);
        let (unit, limit) = match case.unit {
            Unit::Flops => ("", limits[0]),
            Unit::Bytes => (" GB/s", limits[1]),
        };
        println!(
            "{:<42} {:>12.2} {:>8.1} {best:>8.1} {:>4.0} %  {}{unit}",
            case.name,
            median * 1e6,
            case.work / median * 1e-9,
            100.0 * best / limit,
            case.runner.describe(),
        );
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
