//! What is seen of a training while it runs: a bar on a terminal, lines elsewhere. It changes nothing.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::checkpoints::Run;
use crate::history::short;

/// What a training shows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Progress {
    /// A bar where standard error is a terminal, else lines.
    #[default]
    Auto,
    /// A bar on standard error with the rate, the time left and the loss; and lines.
    Bar,
    /// A line an epoch on standard output, with all that was measured.
    Lines,
    /// Nothing but warnings.
    Silent,
}

/// What is shown.
pub struct Shown {
    lines: bool,
    bar: Option<ProgressBar>,
    epochs: u64,
    /// Samples and time of this run, for the rate.
    samples: u64,
    start: Instant,
    told: Instant,
}

/// The bar's text is made anew no more often than this: people read no faster, and a step may take a microsecond.
const REFRESH: Duration = Duration::from_millis(100);

impl Shown {
    pub fn new(progress: Progress, epochs: u64, batches: u64, run: &Run) -> Shown {
        let bar = match progress {
            Progress::Bar => true,
            Progress::Auto => stderr().is_terminal(),
            Progress::Lines | Progress::Silent => false,
        };
        let bar = bar.then(|| {
            let template = "{prefix} {bar:8.cyan/blue} {percent:>3}% {eta:>3} {wide_msg}";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::with_draw_target(Some(epochs * batches), ProgressDrawTarget::stderr());
            bar.set_style(style.progress_chars("━╸─"));
            bar.set_prefix(prefix(run, epochs));
            bar.set_position(run.step);
            bar.reset_eta();
            bar
        });
        let now = Instant::now();
        Shown { lines: progress != Progress::Silent, bar, epochs, samples: 0, start: now, told: now }
    }

    /// A step is done.
    pub fn step(&mut self, run: &Run, samples: usize) {
        self.samples += samples as u64;
        let Some(bar) = &self.bar else { return };
        if self.told.elapsed() < REFRESH {
            return;
        }
        self.told = Instant::now();
        let rate = self.samples as f64 / self.start.elapsed().as_secs_f64();
        let of_step = |curve: &&crate::history::Curve| curve.name.starts_with("step.");
        let figures: Vec<String> = (run.history.curves().iter().filter(of_step))
            .filter_map(|curve| Some(format!("{} {}", &curve.name["step.".len()..], short(curve.points.last()?.value))))
            .collect();
        bar.set_prefix(prefix(run, self.epochs));
        bar.set_message(format!("{}  {} samples/s", figures.join("  "), rate_text(rate)));
        bar.set_position(run.step);
    }

    /// The validation begins.
    pub fn validating(&self) {
        if let Some(bar) = &self.bar {
            bar.set_message("validating");
        }
    }

    /// An epoch is done.
    pub fn epoch(&mut self, run: &Run, epochs: u64) {
        if !self.lines {
            return;
        }
        let width = epochs.to_string().len();
        let mut line = format!("epoch {:>width$}/{epochs}", run.epoch);
        for curve in run.history.curves().iter().filter(|curve| !curve.name.starts_with("step.")) {
            let Some(point) = curve.points.last().filter(|point| point.step == run.step) else { continue };
            match curve.name.as_str() {
                "seconds" => line += &format!("  {:.1} s", point.value),
                "samples_per_second" => line += &format!("  {} samples/s", rate_text(point.value)),
                name if name.ends_with("accuracy") => line += &format!("  {name} {:.2} %", 100.0 * point.value),
                name => line += &format!("  {name} {}", short(point.value)),
            }
        }
        self.say(|| println!("{line}"));
    }

    /// Something that a user must know, also where nothing else is shown.
    pub fn warn(&self, text: &str) {
        self.say(|| eprintln!("kiln: {text}"));
    }

    /// Nothing more comes.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn say(&self, what: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(what),
            None => what(),
        }
    }
}

/// Which epoch is under way.
fn prefix(run: &Run, epochs: u64) -> String {
    let width = epochs.to_string().len();
    format!("epoch {:>width$}/{epochs}", (run.epoch + 1).min(epochs))
}

/// A number of samples a second, short.
fn rate_text(rate: f64) -> String {
    match rate {
        _ if rate >= 1e6 => format!("{:.1}M", rate / 1e6),
        _ if rate >= 1e4 => format!("{:.1}k", rate / 1e3),
        _ if rate >= 10.0 => format!("{rate:.0}"),
        _ => format!("{rate:.2}"),
    }
}
