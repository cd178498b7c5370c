//! `--recipes FILE`: times every candidate for each contraction of the suite on this machine.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::process::Command;
use std::time::Duration;

use kiln::Precision;
use kiln::jit::{Target, tune};

use crate::contractions::contractions;
use crate::measurements::Measurements;
use crate::name_of;

/// Nanoseconds of the fastest candidate below which a contraction is not kept: what is chosen for it hardly matters.
const SHORT: f64 = 20e3;
/// How often all contractions are gone through: what disturbs some in one pass does not disturb the same ones in all.
const PASSES: usize = 3;

/// Writes a file of the networks in a precision, with so much time for each contraction in each pass, and what is to be
/// said of the machine.
pub fn measure(path: &str, precision: Precision, seconds: f64, note: &str) -> Result<(), Box<dyn Error>> {
    let target = Target::host()?;
    let time = Duration::try_from_secs_f64(seconds)?;
    let found = contractions(&target, precision, true);
    let mut fastest: BTreeMap<&String, BTreeMap<String, f64>> = BTreeMap::new();
    for pass in 1..=PASSES {
        for (number, (text, contracted)) in found.iter().enumerate() {
            eprintln!("pass {pass}, {} of {}: {}", number + 1, found.len(), contracted.problem.shapes());
            let known = fastest.entry(text).or_default();
            for (name, seconds) in tune::times(&contracted.problem, &target, time)? {
                let known = known.entry(name).or_insert(f64::INFINITY);
                *known = known.min(1e9 * seconds);
            }
        }
    }
    let mut problems = BTreeMap::new();
    for (text, times) in fastest {
        let mut times: Vec<(String, f64)> = times.into_iter().collect();
        times.sort_by(|a, b| a.1.total_cmp(&b.1));
        if times[0].1 >= SHORT {
            problems.insert(text.clone(), times);
        }
    }
    let date = Command::new("date").arg("+%Y-%m-%d").output()?;
    let kept = problems.len();
    let head = format!(
        "\
# What each candidate recipe of the suite's contractions takes, in nanoseconds on one thread: the shortest of several
# runs, in turns, in {PASSES} passes, of what every run does. `tests/digest/regret.rs` holds choices against it.
# Machine: {}.
# Date: {}. {note}
# Command: cargo bench --bench suite -- --recipes {path} --precision {} --seconds {seconds}
# {kept} contractions, {} that take less than {} us left out.
",
        target.machine(),
        String::from_utf8_lossy(&date.stdout).trim(),
        name_of(precision),
        found.len() - kept,
        SHORT / 1e3,
    );
    fs::write(path, format!("{head}{}", Measurements { target, precision, problems }))?;
    Ok(())
}
