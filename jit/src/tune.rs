//! Measures the recipes for a plan's contractions on this machine, and says which is the fastest of each.
//!
//! Each contraction is measured on its own: the kernels of its candidates, with a plain epilogue, on buffers that
//! nothing else uses, one candidate after the other in rounds, the shortest time of each. One thread runs them: which
//! recipe is chosen decides on the order of sums, which must not depend on the number of threads. (A stage that threads
//! can not share counts for more, as in the cost model.) It knows plans and code; it keeps nothing between calls and
//! knows no files.

mod trials;

use std::time::{Duration, Instant};

use kiln_rt::Pool;

use crate::code::CodeError;
use crate::contraction::Problem;
use crate::cost::params::tuning::NEGLIGIBLE;
use crate::plan::{Choices, Contracted};
use crate::target::Target;

/// What [`measure`] found.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// The choices, by the texts of the problems.
    pub choices: Choices,
    /// How many contractions there was no time for.
    pub missing: usize,
}

/// The contractions for which nothing was chosen although they take a part of the time that counts: those that take
/// most come first, each with its estimated part. Which ones count depends on the contractions alone, not on what was
/// chosen.
pub fn pending(contractions: &[Contracted]) -> Vec<(&Contracted, f64)> {
    let weight = |found: &Contracted| found.uses as f64 * found.problem.weight();
    let all: f64 = contractions.iter().map(weight).sum();
    let shares = contractions.iter().map(|found| (found, weight(found) / all));
    let mut pending: Vec<(&Contracted, f64)> =
        shares.filter(|(found, share)| found.chosen.is_none() && *share >= NEGLIGIBLE).collect();
    pending.sort_by(|a, b| b.1.total_cmp(&a.1));
    pending
}

/// Chooses the fastest recipe for each of the [`pending`] contractions. The time is shared out among them by what they
/// take of a run; a contraction of which not every candidate could be measured several times before the time is up gets
/// no choice. Takes no longer than `time`, but for the run that is going on at its end.
///
/// # Errors
/// There is no code for this machine.
pub fn measure(contractions: &[Contracted], target: &Target, time: Duration) -> Result<Measured, CodeError> {
    let pool = Pool::new(1);
    let end = Instant::now() + time;
    let pending = pending(contractions);
    let mut left: f64 = pending.iter().map(|(_, share)| share).sum();
    let mut measured = Measured::default();
    for (found, share) in pending {
        let rest = end.saturating_duration_since(Instant::now());
        let until = Instant::now() + rest.mul_f64((share / left).clamp(0.0, 1.0));
        left -= share;
        let choice = if rest.is_zero() { None } else { trials::fastest(&found.problem, target, &pool, until, end)? };
        match choice {
            Some(choice) => measured.choices.insert(found.problem.to_string(), choice),
            None => measured.missing += 1,
        }
    }
    Ok(measured)
}

/// The seconds that each candidate of a contraction takes on one thread, by its
/// [name](crate::contraction::Recipe::name), the one that is estimated to be the fastest first: the shortest of several
/// runs, in turns with the others, of what every run does (not of copies that are made once for many). Takes about the
/// given time, longer where some runs of each take longer.
///
/// # Errors
/// There is no code for this machine.
pub fn times(problem: &Problem, target: &Target, time: Duration) -> Result<Vec<(String, f64)>, CodeError> {
    trials::times(problem, target, &Pool::new(1), Instant::now() + time)
}
