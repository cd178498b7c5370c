//! A training from where it stands to its end: epochs of steps, what is measured after each, and what is saved. It
//! calls what is public, as a loop of a user's own would.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use super::interrupt::Interrupt;
use super::logging::Logging;
use super::progress::Shown;
use super::stopping::Stopping;
use super::{Epoch, Evaluated, Figures, Fit, FitError, Progress, TRAIN, VALID};
use crate::checkpoints::{Checkpoints, Run};
use crate::data::{EpochRequest, TrainingData};
use crate::distributed::ExchangeError;
use crate::history::History;
use crate::metrics::Metrics;
use crate::trainer::TrainError;
use crate::training::Training;

impl<'t, T, D, F, S> Fit<'t, T, D, S>
where
    T: Training,
    D: TrainingData,
    F: Figures,
    S: FnMut(&mut T, &D::Batch) -> Result<F, TrainError>,
{
    /// Trains until the end, or until something fails; `lost` is why an earlier attempt has failed.
    pub(super) fn attempt(&mut self, metrics: &mut Metrics, lost: &mut Option<FitError>) -> Result<History, FitError> {
        let world = self.trainer.parts().world().cloned();
        if let Some(world) = &world {
            let count = |number: u64| number.to_string();
            let (samples, epochs) = (count(self.data.samples() as u64), count(self.epochs));
            world.agree(&[("the number of samples", samples), ("the number of epochs", epochs)])?;
        }
        // Others would write the same over it.
        let shows = world.as_ref().is_none_or(|world| world.rank() == 0);
        let progress = if shows { self.progress } else { Progress::Silent };
        let mut run = self.start(lost.is_some())?;
        let request = self.request(&run);
        let setting = self.stopping.clone();
        let stopping = setting.map(|setting| Stopping::new(setting, &run, self.checkpoints.as_ref(), world.as_ref()));
        let mut stopping = stopping.transpose()?;
        // They are put back below, also where the epochs fail: nothing that asks other ranks comes in between.
        let logs = if shows { std::mem::take(&mut self.logs) } else { Vec::new() };
        let mut logging = Logging::begin(logs, &run, self.resume, || self.trainer.facts())?;
        let mut shown = Shown::new(progress, self.epochs, self.data.batches_of(request), &run);
        for damaged in self.checkpoints.iter().flat_map(|checkpoints| checkpoints.damaged()) {
            shown.warn(&format!("passed over: {damaged}"));
        }
        if let (Some(error), Some(world)) = (lost.take(), &world) {
            shown.warn(&format!("{error}; {} ranks go on from step {}", world.ranks(), run.step));
        }
        let mut unsaved = None;
        let done = self.epochs_of((&mut run, metrics), (&mut shown, &mut logging), &mut stopping, &mut unsaved);
        let failed = logging.failed.take();
        if shows {
            self.logs = logging.end();
        }
        done?;
        if let Some(best) = stopping.and_then(Stopping::best) {
            self.trainer.parts_mut().load_bytes(&best)?;
        }
        self.save(&run, true, &mut shown, &mut unsaved);
        shown.finish();
        match (unsaved, failed) {
            (Some(error), _) => Err(FitError::Checkpoint(error)),
            (None, Some(error)) => Err(FitError::Log(error)),
            (None, None) => Ok(run.history),
        }
    }

    /// Trains the epochs that are left.
    fn epochs_of(
        &mut self,
        (run, metrics): (&mut Run, &mut Metrics),
        (shown, logging): (&mut Shown, &mut Logging<'_>),
        stopping: &mut Option<Stopping>,
        unsaved: &mut Unsaved,
    ) -> Result<(), FitError> {
        let interrupt = self.checkpoints.is_some().then(Interrupt::watch).flatten();
        while run.epoch < self.epochs && !stopping.as_ref().is_some_and(Stopping::has_stopped) {
            let start = Instant::now();
            let rate = self.batches(run, interrupt.as_ref(), shown, logging, unsaved)?;
            self.measure(run, metrics, shown)?;
            run.history.push("samples_per_second", run.step, rate);
            run.history.push("seconds", run.step, start.elapsed().as_secs_f64());
            let stops = self.end_epoch(run, stopping.as_mut(), shown, logging)?;
            self.save(run, false, shown, unsaved);
            if stops {
                break;
            }
            if let Some(checkpoints) = &mut self.checkpoints
                && interrupt.as_ref().is_some_and(Interrupt::came)
                && !self.trainer.parts().is_of_ranks_between()
            {
                return Err(interrupted(self.trainer, checkpoints, run, shown));
            }
        }
        Ok(())
    }

    /// Where the training begins.
    fn start(&mut self, lost: bool) -> Result<Run, FitError> {
        if let Some(schedule) = &self.schedule {
            schedule.check()?;
            if !self.trainer.parts_mut().set_schedule(schedule) {
                return Err(FitError::Momentum);
            }
        }
        let Some(checkpoints) = &mut self.checkpoints else { return Ok(Run::default()) };
        if !self.resume {
            checkpoints.start_with(self.trainer)?;
            return Ok(Run::default());
        }
        let found = checkpoints.resume(self.trainer)?;
        if let (None, true, Some(world)) = (&found, lost, self.trainer.parts().world()) {
            // What the training began with is gone.
            return Err(ExchangeError::Regrouped { rank: world.rank() }.into());
        }
        let run = found.unwrap_or_default();
        // Within an epoch the order of the samples must be what it was.
        let of_data = [(SAMPLES, self.data.samples()), (SIZE, self.trainer.batch())];
        for (what, here) in of_data {
            let there = run.figures.get(what).copied().unwrap_or(here as f64);
            if run.batch > 0 && there != here as f64 {
                return Err(FitError::OtherData { what, here, there: there as usize });
            }
        }
        Ok(run)
    }

    /// The batches of the run's epoch that are left.
    fn request(&self, run: &Run) -> EpochRequest {
        EpochRequest {
            epoch: run.epoch,
            size: self.trainer.batch(),
            first: run.batch,
            shuffle: self.shuffle,
            drop_last: self.drop_last,
            share: self.trainer.share(),
            share_alone: self.shares,
        }
    }

    /// Trains on what is left of an epoch; how many samples a second.
    fn batches(
        &mut self,
        run: &mut Run,
        interrupt: Option<&Interrupt>,
        shown: &mut Shown,
        logging: &mut Logging<'_>,
        unsaved: &mut Unsaved,
    ) -> Result<f64, FitError> {
        let (start, mut count) = (Instant::now(), 0);
        run.figures.insert(SAMPLES.to_owned(), self.data.samples() as f64);
        run.figures.insert(SIZE.to_owned(), self.trainer.batch() as f64);
        let request = self.request(run);
        // The names of figures, so that a step makes no text.
        let mut names: Vec<[String; 2]> = Vec::new();
        let mut parts: Vec<(String, [String; 2])> = Vec::new();
        let Fit { trainer, data, step, checkpoints, .. } = self;
        for batch in data.epoch(request) {
            let at = |error| FitError::Step { epoch: run.epoch, batch: run.batch, source: Box::new(error) };
            let (batch, samples) = batch.map_err(FitError::Data)?;
            let figures = step(trainer, &batch).map_err(at)?;
            run.end_batch();
            count += samples;
            figures.each(&mut |name, value| {
                let known = names.iter().position(|[known, _]| known == name).unwrap_or_else(|| {
                    names.push([name.to_owned(), format!("step.{name}")]);
                    names.len() - 1
                });
                run.history.push(&names[known][1], run.step, value.into());
            });
            let mut part = 0;
            figures.each_part(samples, &mut |name, sum, divisor| {
                // A step gives the same parts each time, in the same order.
                if parts.get(part).is_none_or(|(known, _)| known != name) {
                    parts.truncate(part);
                    let number = parts.iter().filter(|(known, _)| known == name).count();
                    parts.push((name.to_owned(), [SUM, DIVISOR].map(|of| format!("{of}{number}.{name}"))));
                }
                for (key, number) in parts[part].1.iter().zip([sum, divisor]) {
                    match run.figures.get_mut(key) {
                        Some(all) => *all += number,
                        None => _ = run.figures.insert(key.clone(), number),
                    }
                }
                part += 1;
            });
            shown.step(run, samples);
            logging.step(run, shown);
            if let Some(checkpoints) = checkpoints {
                // Ranks hear of it at different steps: they end where none needs the others for what is saved.
                let came = interrupt.is_some_and(Interrupt::came) && !trainer.parts().is_of_ranks_between();
                // What is logged reaches at least as far as what is saved.
                if came || checkpoints.is_due(trainer, run) {
                    logging.steps(run, shown);
                }
                note(checkpoints.save_if_due(trainer, run), shown, unsaved);
                if came {
                    return Err(interrupted(trainer, checkpoints, run, shown));
                }
            }
        }
        if run.batch == 0 {
            return Err(FitError::NothingToTrainOn { samples: data.samples(), batch: trainer.batch() });
        }
        Ok(count as f64 / start.elapsed().as_secs_f64().max(f64::MIN_POSITIVE))
    }

    /// Measures an epoch.
    fn measure(&mut self, run: &mut Run, metrics: &mut Metrics, shown: &Shown) -> Result<(), FitError> {
        let step = run.step;
        let mut all: BTreeMap<&str, f64> = BTreeMap::new();
        for (key, sum) in &run.figures {
            let Some((part, name)) = key.strip_prefix(SUM).and_then(|part| part.split_once('.')) else { continue };
            // Of an epoch in which nothing counts it is NaN.
            let divisor = run.figures.get(&format!("{DIVISOR}{part}.{name}")).copied().unwrap_or_default();
            *all.entry(name).or_default() += sum / divisor;
        }
        for (name, figure) in all {
            run.history.push(&format!("train.{name}"), step, figure);
        }
        run.figures.retain(|key, _| !key.starts_with(SUM) && !key.starts_with(DIVISOR));
        for Evaluated { group, measures, evaluate } in &mut self.validations {
            shown.validating();
            metrics.reset();
            let found = evaluate(self.trainer, metrics).map_err(|error| error.of_epoch(run.epoch))?;
            for (name, figure) in found.into_iter().filter(|(name, _)| group != TRAIN || name != "loss") {
                run.history.push(&format!("{group}.{name}"), step, figure);
            }
            if !*measures {
                continue;
            }
            for (name, figure) in metrics.figures() {
                run.history.push(&format!("{group}.{name}"), step, figure);
            }
            if let (VALID, Some(matrix)) = (group.as_str(), metrics.confusion()) {
                run.history.set_confusion(matrix.clone());
            }
        }
        if let Some(point) = run.history.last(&self.plateau) {
            self.trainer.parts_mut().report_metric(point.value);
        }
        for (optimizer, rate) in self.trainer.parts().rates() {
            let name = if optimizer.is_empty() { RATE.to_owned() } else { format!("{RATE}.{optimizer}") };
            run.history.push(&name, step, rate.into());
        }
        Ok(())
    }

    /// Does what depends on an epoch's figures; whether the training stops.
    fn end_epoch(
        &mut self,
        run: &mut Run,
        stopping: Option<&mut Stopping>,
        shown: &mut Shown,
        logging: &mut Logging<'_>,
    ) -> Result<bool, FitError> {
        run.end_epoch();
        let mut epoch = Epoch::new(self.trainer, run);
        self.hooks.iter_mut().for_each(|hook| hook(&mut epoch));
        let mut stops = epoch.stops();
        if let Some(stopping) = stopping {
            stops |= stopping.judge(self.trainer, run, self.checkpoints.as_ref())?;
        }
        if let Some(goal) = self.checkpoints.as_ref().and_then(Checkpoints::goal)
            && run.history.last(goal.name()).is_none()
        {
            return Err(FitError::unknown_figure(goal.name(), &run.history));
        }
        logging.epoch(self.trainer, run, shown);
        shown.epoch(run, self.epochs);
        Ok(stops)
    }

    /// Writes a checkpoint if one is due, or in any case.
    fn save(&mut self, run: &Run, in_any_case: bool, shown: &mut Shown, unsaved: &mut Unsaved) {
        let Some(checkpoints) = &mut self.checkpoints else { return };
        if !in_any_case {
            note(checkpoints.save_if_due(self.trainer, run), shown, unsaved);
        } else if !checkpoints.is_saved(run) || unsaved.is_some() {
            note(checkpoints.save(self.trainer, run).map(Some), shown, unsaved);
        }
    }
}

/// Why the last checkpoint was not written, if it was not.
type Unsaved = Option<crate::checkpoint::CheckpointError>;

/// What a checkpoint remembers of the data, and of the epoch that is not done.
const SAMPLES: &str = "samples";
const SIZE: &str = "samples in a batch";
/// What the names of sums over the epoch begin with, and of what they are divided by; the number of a figure's part and the
/// figure's name follow.
const SUM: &str = "epoch.sum.";
const DIVISOR: &str = "epoch.divisor.";
/// The name of learning rates; of several optimizers their names follow.
const RATE: &str = "learning_rate";

/// Takes note of whether a checkpoint was written.
fn note(saved: Result<Option<PathBuf>, crate::checkpoint::CheckpointError>, shown: &mut Shown, unsaved: &mut Unsaved) {
    match saved {
        Ok(Some(_)) => *unsaved = None,
        Ok(None) => {}
        Err(error) => {
            shown.warn(&format!("no checkpoint: {error}; the training goes on"));
            *unsaved = Some(error);
        }
    }
}

/// Saves, for who has interrupted the training; a second Ctrl-C would end it without.
fn interrupted(trainer: &impl Training, checkpoints: &mut Checkpoints, run: &Run, shown: &mut Shown) -> FitError {
    shown.finish();
    match checkpoints.save(trainer, run) {
        Ok(path) => FitError::Interrupted { path },
        Err(error) => FitError::Checkpoint(error),
    }
}
