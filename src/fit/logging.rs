//! When a training that runs writes to its logs, and what. It knows no format of a log.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::FitError;
use super::progress::Shown;
use crate::checkpoints::Run;
use crate::logs::{Log, LogError, Row, Start};
use crate::report::Facts;
use crate::training::Training;

/// The logs of a training.
pub struct Logging<'t> {
    logs: Vec<Box<dyn Log + 't>>,
    /// The last step whose figures were written, and when.
    written: u64,
    when: Instant,
    /// The first row that could not be written.
    pub failed: Option<LogError>,
}

/// Figures of single steps are written no more often than this, so that a step takes no longer.
const REFRESH: Duration = Duration::from_secs(2);
/// What the names of figures of single steps begin with.
const OF_STEPS: &str = "step.";

impl<'t> Logging<'t> {
    pub fn begin(
        mut logs: Vec<Box<dyn Log + 't>>,
        run: &Run,
        resumed: bool,
        facts: impl FnOnce() -> Facts,
    ) -> Result<Logging<'t>, FitError> {
        // Within an epoch the figures of its end may stand at the last step already; its own figure is in the history.
        let written = if run.batch > 0 { run.step - 1 } else { run.step };
        if !logs.is_empty() {
            let facts = facts();
            let start = Start { step: written, resumed, facts: &facts };
            logs.iter_mut().try_for_each(|log| log.begin(&start))?;
        }
        Ok(Logging { logs, written, when: Instant::now(), failed: None })
    }

    /// The logs, of which more may be written later.
    pub fn end(self) -> Vec<Box<dyn Log + 't>> {
        self.logs
    }

    /// A step is done.
    pub fn step(&mut self, run: &Run, shown: &Shown) {
        if !self.logs.is_empty() && self.when.elapsed() >= REFRESH {
            self.steps(run, shown);
        }
    }

    /// Writes the figures of all steps that are not written yet.
    pub fn steps(&mut self, run: &Run, shown: &Shown) {
        if self.logs.is_empty() || self.written >= run.step {
            return;
        }
        let mut rows: BTreeMap<u64, Vec<(&str, f64)>> = BTreeMap::new();
        for curve in run.history.curves().iter().filter(|curve| curve.name.starts_with(OF_STEPS)) {
            let first = curve.points.partition_point(|point| point.step <= self.written);
            for point in &curve.points[first..] {
                rows.entry(point.step).or_default().push((&curve.name, point.value));
            }
        }
        for (&step, figures) in &rows {
            self.add(&Row { step, epoch: None, figures, confusion: None, states: &|_| {} }, shown);
        }
        (self.written, self.when) = (run.step, Instant::now());
    }

    /// An epoch is done, and measured.
    pub fn epoch(&mut self, trainer: &impl Training, run: &Run, shown: &Shown) {
        if self.logs.is_empty() {
            return;
        }
        self.steps(run, shown);
        let of_epoch = run.history.curves().iter().filter(|curve| !curve.name.starts_with(OF_STEPS));
        let figures: Vec<(&str, f64)> = of_epoch
            .filter_map(|curve| Some((curve.name.as_str(), curve.points.last().filter(|p| p.step == run.step)?.value)))
            .collect();
        let states = |f: &mut dyn FnMut(&str, ndarray::ArrayD<f32>)| trainer.parts().each_state(f);
        let confusion = run.history.confusion();
        let row = Row { step: run.step, epoch: Some(run.epoch), figures: &figures, confusion, states: &states };
        self.add(&row, shown);
    }

    fn add(&mut self, row: &Row<'_>, shown: &Shown) {
        for log in &mut self.logs {
            if let Err(error) = log.add(row)
                && self.failed.is_none()
            {
                shown.warn(&format!("{error}; the training goes on"));
                self.failed = Some(error);
            }
        }
    }
}
