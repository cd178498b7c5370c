//! The clock and the result line.

use std::error::Error;
use std::time::{Duration, Instant};

use kiln::Precision;
use kiln::report::{Profile, Tuning};
use serde_json::{Value, json};

use crate::cases::Mode;

/// How a case is run.
#[derive(Clone, Copy)]
pub struct Settings {
    /// Threads of the pool.
    pub threads: usize,
    /// Time at least this long.
    pub seconds: f64,
    /// Whether to print the times of single kernels, too.
    pub profile: bool,
    /// The time to choose ways of computing contractions, where they are tuned.
    pub tune: Option<Duration>,
    /// What trainers and predictors compute in.
    pub precision: Precision,
    /// The most bytes of a step (`memory_limit` of builders).
    pub memory_limit: usize,
}

/// What a case does from a fresh start.
pub trait Contender {
    /// One step.
    fn step(&mut self) -> Result<(), Box<dyn Error>>;
    /// The loss of the step that was just done (or, for inference, the mean of the squared output).
    fn loss(&mut self) -> Result<f64, Box<dyn Error>>;
    /// The generator's loss of the step that was just done, where there is a generator.
    fn generator_loss(&mut self) -> Option<f64> {
        None
    }
    /// The times of its single kernels, where they are known.
    fn profile(&mut self) -> Result<Option<Profile>, Box<dyn Error>> {
        Ok(None)
    }
    /// What tuning has chosen, where it was tuned.
    fn tuning(&self) -> Option<&Tuning> {
        None
    }
    /// Whether [`Contender::loss`] is that of the step to come, and so must be asked for ahead of it.
    const LOSS_COMES_FIRST: bool = false;
}

const LOSS_STEPS: [usize; 5] = [0, 1, 2, 5, 10];

/// Builds a contender, records its losses, then times at least 20 steps and `seconds`.
pub fn measure<C: Contender>(
    case: &str,
    mode: Mode,
    settings: Settings,
    build: impl FnOnce() -> Result<C, Box<dyn Error>>,
) -> Result<Value, Box<dyn Error>> {
    let start = Instant::now();
    let mut contender = build()?;
    let built = start.elapsed();

    let (mut losses, mut generator_losses) = (Vec::new(), Vec::new());
    let mut times = Vec::new();
    let warm_up = if mode == Mode::Train { LOSS_STEPS[4] + 1 } else { 6 };
    for step in 0..warm_up {
        let wanted = LOSS_STEPS.contains(&step) && (mode == Mode::Train || step == 0);
        if wanted && C::LOSS_COMES_FIRST {
            losses.push(contender.loss()?);
        }
        let start = Instant::now();
        contender.step()?;
        times.push(start.elapsed());
        if wanted && !C::LOSS_COMES_FIRST {
            losses.push(contender.loss()?);
            generator_losses.extend(contender.generator_loss());
        }
    }
    let first = built + times[0];
    let later = times[1..].iter().min().copied().unwrap_or_default();

    times.clear();
    let start = Instant::now();
    while times.len() < 20 || start.elapsed() < Duration::from_secs_f64(settings.seconds) {
        let start = Instant::now();
        contender.step()?;
        times.push(start.elapsed());
    }
    times.sort();
    let micros = |time: Duration| (time.as_secs_f64() * 1e8).round() / 100.0;
    let middle = times.len() / 2;
    let median = if times.len() % 2 == 1 { times[middle] } else { (times[middle - 1] + times[middle]) / 2 };
    let mut result = json!({
        "case": case,
        "mode": mode.name(),
        "peer": if settings.precision == Precision::Bf16 { "kiln-bf16" } else { "kiln" },
        "threads": settings.threads,
        "median_us": micros(median),
        "min_us": micros(times[0]),
        "reps": times.len(),
        "compile_s": ((first.as_secs_f64() - later.as_secs_f64()) * 1e5).round() / 1e5,
        "peak_rss_mb": peak_megabytes(),
        "losses": losses,
        "version": env!("CARGO_PKG_VERSION"),
    });
    if !generator_losses.is_empty() {
        result["losses_g"] = json!(generator_losses);
    }
    if let Some(tuning) = contender.tuning() {
        eprintln!("{tuning}");
    }
    if let Some(profile) = settings.profile.then(|| contender.profile()).transpose()?.flatten() {
        eprintln!("{profile}");
    }
    Ok(result)
}

/// The largest resident size of this process so far, in MiB; 0 where the system does not tell (only Linux does, here).
fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().unwrap_or(0.0);
    (kilobytes / 1024.0 * 10.0).round() / 10.0
}
