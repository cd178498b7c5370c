//! A folder of checkpoints: what a training goes on from after whatever has stopped it. Which ones are written, which
//! ones are kept, and which one is taken. It knows neither models nor data.

mod folder;
mod run;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use run::Run;
pub(crate) use run::{confusion_json, confusion_of};

use crate::checkpoint::CheckpointError;
use crate::files::replace_file;
use crate::trainer::OwnValues;
use crate::training::Training;
use folder::Folder;

/// When a checkpoint is due.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Every {
    /// At the end of each so many epochs.
    Epochs(u64),
    /// After each so many steps, and at the end of the training.
    Steps(u64),
    /// When so much time has passed since the last one, after the step that is then done; and at the end of the training.
    Time(Duration),
}

/// Which figure tells the best checkpoint: a name in the [`History`](crate::History), and which end of it is better.
///
/// A name alone (`.best("accuracy")`) stands for the largest figure, except for names that end in `loss`, `error`, `mae`, `mse`,
/// `rmse` or `perplexity`, of which the smallest is best.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    name: String,
    largest: bool,
}

impl Goal {
    /// The best is where this figure is largest.
    pub fn largest(name: impl Into<String>) -> Goal {
        Goal { name: name.into(), largest: true }
    }

    /// The best is where this figure is smallest.
    pub fn smallest(name: impl Into<String>) -> Goal {
        Goal { name: name.into(), largest: false }
    }

    /// The name of the figure.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a figure is better than another by more than `margin`; a NaN never is.
    pub(crate) fn is_better(&self, figure: f64, than: Option<f64>, margin: f64) -> bool {
        match than {
            None => !figure.is_nan(),
            Some(than) if self.largest => figure > than + margin,
            Some(than) => figure < than - margin,
        }
    }
}

impl From<&str> for Goal {
    fn from(name: &str) -> Goal {
        let smaller = ["loss", "error", "mae", "mse", "rmse", "perplexity"];
        let largest = !smaller.iter().any(|ending| name.to_ascii_lowercase().ends_with(ending));
        Goal { name: name.to_owned(), largest }
    }
}

/// A folder of checkpoints, from the newest of which a training goes on **with the same bits**, as if it had never stopped:
/// parameters, running statistics, what optimizers keep, averages, schedules, random streams, and where in the data it was.
///
/// [`Fit::checkpoint`](crate::fit::Fit::checkpoint) does all of this; a loop of one's own does it so:
///
/// ```
/// use kiln::checkpoints::{Checkpoints, Every};
/// use kiln::prelude::*;
/// # use ndarray::{Array1, Array2};
/// # #[derive(Model)]
/// # #[model(input = [2])]
/// # struct Net { fc: Linear<2, 2> }
/// # let folder = std::env::temp_dir().join(format!("kiln-checkpoints-{}", std::process::id()));
/// # let data = Dataset::new(Array2::<f32>::ones((10, 2)), Array1::<i32>::zeros(10))?;
/// let mut trainer = Trainer::new(Net::init(1), cross_entropy(), Adam::default()).batch(4).build()?;
/// let mut checkpoints = Checkpoints::new(&folder).every(Every::Steps(2)).keep(3);
/// let mut run = checkpoints.resume(&mut trainer)?.unwrap_or_default();
/// while run.epoch < 2 {
///     for (x, y) in data.batches(4).shuffled(run.epoch).skip(run.batch as usize) {
///         trainer.step(&x, &y)?;
///         run.end_batch();
///         checkpoints.save_if_due(&trainer, &run)?;
///     }
///     run.end_epoch();
///     checkpoints.save_if_due(&trainer, &run)?;
/// }
/// assert_eq!(run.step, 6);
/// # drop(checkpoints);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Each is a safetensors file, `step-000000120.safetensors`, with a checksum of each tensor: anything reads it, and
/// `model.load_with(path, LoadOptions::new().strict(false))` takes the network alone out of it. It is written under another
/// name, synced with its folder and renamed; only then an older one is removed. So whenever a process or a machine dies, or
/// the disk is full, the newest file is whole. If one is damaged all the same, the one before it is taken, and the damaged one
/// renamed to `.. .damaged`.
///
/// One training at a time uses a folder, which a lock sees to.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    every: Every,
    keep: usize,
    best: Option<Goal>,
    /// The folder, once it is in use.
    open: Option<Folder>,
    /// The best figure so far.
    best_figure: Option<f64>,
    /// When the last one was saved.
    last: Last,
    damaged: Vec<CheckpointError>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    step: u64,
    time: Instant,
}

/// The name of the best checkpoint.
const BEST: &str = "best.safetensors";

impl<P: AsRef<Path>> From<P> for Checkpoints {
    fn from(folder: P) -> Checkpoints {
        Checkpoints::new(folder)
    }
}

impl Checkpoints {
    /// Checkpoints in a folder, which is made when it is needed: one at the end of each epoch, of which 3 are kept.
    pub fn new(folder: impl AsRef<Path>) -> Checkpoints {
        Checkpoints {
            folder: folder.as_ref().to_owned(),
            every: Every::Epochs(1),
            keep: 3,
            best: None,
            open: None,
            best_figure: None,
            last: Last { step: 0, time: Instant::now() },
            damaged: Vec::new(),
        }
    }

    /// When one is written. Default `Every::Epochs(1)`. (Of 0 epochs or steps: as of 1.)
    pub fn every(mut self, every: Every) -> Self {
        self.every = every;
        self
    }

    /// How many of the newest are kept. Default 3, at least 1.
    pub fn keep(mut self, count: usize) -> Self {
        self.keep = count.max(1);
        self
    }

    /// Keeps the best one, too, as `best.safetensors`: `.best("accuracy")`. Figures are compared when they are
    /// measured, which for those of a validation is at the end of an epoch.
    pub fn best(mut self, goal: impl Into<Goal>) -> Self {
        self.best = Some(goal.into());
        self
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What tells the best one.
    pub fn goal(&self) -> Option<&Goal> {
        self.best.as_ref()
    }

    /// The file of the best checkpoint so far, if there is one.
    pub fn best_file(&self) -> Option<PathBuf> {
        let path = self.folder.join(BEST);
        path.is_file().then_some(path)
    }

    /// The file of the newest checkpoint in the folder, if there is one; whoever writes there is not waited for.
    pub fn newest_file(&self) -> Option<PathBuf> {
        folder::newest_first(&self.folder).ok()?.into_iter().next()
    }

    /// Lets a training go on from the newest checkpoint in the folder (of several ranks all, which take it from rank 0): where it stands, or nothing if there is none. Damaged ones
    /// are passed over; [`Checkpoints::damaged`] tells which.
    ///
    /// # Errors
    /// [`CheckpointError::Differs`] for the checkpoint of another training, with a list of what differs (the training is then
    /// as it was); [`CheckpointError::InUse`]; the last damage where all are damaged; those of the file system.
    pub fn resume(&mut self, training: &mut impl Training) -> Result<Option<Run>, CheckpointError> {
        let Some(world) = training.parts().world().cloned() else {
            return Ok(self.resume_alone(training)?.map(|(run, _)| run));
        };
        // Rank 0 alone looks at files, so that the folder need not be there on other machines.
        let found = if world.rank() == 0 { Some(self.resume_alone(training)) } else { None };
        let told = found.as_ref().map(|found| match found {
            Ok(Some((_, path))) => fs::read(path).map_err(|error| error.to_string()),
            Ok(None) => Ok(Vec::new()),
            Err(error) => Err(error.to_string()),
        });
        let told = world.tell(told)?;
        if let Some(found) = found {
            return Ok(found?.map(|(run, _)| run));
        }
        match told {
            Err(reason) => Err(CheckpointError::Rank0 { reason }),
            Ok(bytes) if bytes.is_empty() => Ok(None),
            Ok(bytes) => {
                let notes = training.parts_mut().load_bytes(&bytes)?;
                let (run, best) = Run::of_notes(Path::new("the state of rank 0"), &notes)?;
                self.best_figure = best;
                self.last = Last { step: run.step, time: Instant::now() };
                Ok(Some(run))
            }
        }
    }

    /// Also the file from which it goes on.
    fn resume_alone(&mut self, training: &mut impl Training) -> Result<Option<(Run, PathBuf)>, CheckpointError> {
        let folder = self.open()?;
        let mut damages = Vec::new();
        for path in folder.newest_first()? {
            let taken = training.parts_mut().load(&path);
            match taken.and_then(|notes| Run::of_notes(&path, &notes)) {
                Ok((run, best)) => {
                    self.best_figure = best;
                    self.last = Last { step: run.step, time: Instant::now() };
                    self.damaged = damages;
                    return Ok(Some((run, path)));
                }
                Err(error) if is_damage(&error) => {
                    folder.set_aside(&path);
                    damages.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        match damages.pop() {
            Some(error) => Err(error),
            None => Ok(None),
        }
    }

    /// That the folder holds no checkpoints of an earlier training, which a new one would replace one by one.
    ///
    /// # Errors
    /// [`CheckpointError::Occupied`], [`CheckpointError::InUse`], those of the file system.
    pub fn start(&mut self) -> Result<(), CheckpointError> {
        match self.open()?.newest_first()?.into_iter().next() {
            Some(newest) => Err(CheckpointError::Occupied { path: newest }),
            None => Ok(()),
        }
    }

    /// As [`Checkpoints::start`], where several ranks may train together: of these all hear what rank 0 finds.
    pub(crate) fn start_with(&mut self, training: &impl Training) -> Result<(), CheckpointError> {
        let Some(world) = training.parts().world().cloned() else { return self.start() };
        let found = if world.rank() == 0 { Some(self.start()) } else { None };
        let told = found.as_ref().map(|found| match found {
            Ok(()) => Ok(Vec::new()),
            Err(error) => Err(error.to_string()),
        });
        let told = world.tell(told)?;
        found.unwrap_or_else(|| told.map(|_| ()).map_err(|reason| CheckpointError::Rank0 { reason }))
    }

    /// The damaged checkpoints that [`Checkpoints::resume`] has passed over, newest first.
    pub fn damaged(&self) -> &[CheckpointError] {
        &self.damaged
    }

    /// Writes a checkpoint now; its file. If the [goal](Checkpoints::best)'s figure was measured at this step and is the best
    /// so far, `best.safetensors` too. Of several ranks all call it; rank 0 alone writes, and the others give the folder.
    ///
    /// # Errors
    /// [`CheckpointError::Write`]; all that was there still is, and the training can go on.
    pub fn save(&mut self, training: &impl Training, run: &Run) -> Result<PathBuf, CheckpointError> {
        let own = training.parts().own_values()?;
        if !writes(training) {
            self.last = Last { step: run.step, time: Instant::now() };
            return Ok(self.folder.clone());
        }
        self.save_best(training, &own, run)?;
        let path = self.open()?.path_of(run.step);
        self.write(&path, training, &own, run)?;
        self.last = Last { step: run.step, time: Instant::now() };
        let keep = self.keep;
        self.open()?.keep_newest(keep)?;
        Ok(path)
    }

    /// [`Checkpoints::save`] where [`Checkpoints::every`] says so: call it after each batch and after each epoch. The
    /// file, if one was written.
    ///
    /// # Errors
    /// As of [`Checkpoints::save`].
    pub fn save_if_due(&mut self, training: &impl Training, run: &Run) -> Result<Option<PathBuf>, CheckpointError> {
        if self.is_due(training, run) {
            return self.save(training, run).map(Some);
        }
        if self.best.as_ref().is_some_and(|goal| figure(goal, run).is_some()) {
            let own = training.parts().own_values()?;
            self.save_best(training, &own, run)?;
        }
        Ok(None)
    }

    /// Whether the present state is in a file.
    pub(crate) fn is_saved(&self, run: &Run) -> bool {
        self.last.step == run.step && run.step > 0
    }

    /// Whether one is to be written now.
    pub(crate) fn is_due(&self, training: &impl Training, run: &Run) -> bool {
        match self.every {
            Every::Epochs(count) => run.batch == 0 && run.epoch > 0 && run.epoch.is_multiple_of(count.max(1)),
            Every::Steps(count) => run.step > self.last.step && run.step.is_multiple_of(count.max(1)),
            // Clocks differ from rank to rank: not where all of them have to write at once.
            Every::Time(time) => {
                let due = run.step > self.last.step && self.last.time.elapsed() >= time;
                due && !training.parts().is_of_ranks_between()
            }
        }
    }

    /// Writes `best.safetensors` where a figure of this step is better than all before.
    fn save_best(&mut self, training: &impl Training, own: &OwnValues, run: &Run) -> Result<(), CheckpointError> {
        let Some(goal) = self.best.as_ref().filter(|_| writes(training)) else { return Ok(()) };
        let Some(figure) = figure(goal, run) else { return Ok(()) };
        if goal.is_better(figure, self.best_figure, 0.0) {
            let before = self.best_figure.replace(figure);
            let path = self.open()?.path.join(BEST);
            self.write(&path, training, own, run).inspect_err(|_| self.best_figure = before)?;
        }
        Ok(())
    }

    fn write(
        &mut self,
        path: &Path,
        training: &impl Training,
        own: &OwnValues,
        run: &Run,
    ) -> Result<(), CheckpointError> {
        self.open()?;
        let bytes = training.parts().encode(own, run.notes(self.best_figure));
        bytes
            .and_then(|bytes| replace_file(path, &bytes))
            .map_err(|source| CheckpointError::Write { path: path.into(), source })
    }

    /// The folder, made and locked.
    fn open(&mut self) -> Result<&Folder, CheckpointError> {
        if self.open.is_none() {
            self.open = Some(Folder::open(&self.folder)?);
        }
        Ok(self.open.as_ref().expect("it was opened just now"))
    }
}

/// The figure of a goal, where it was measured at this step.
fn figure(goal: &Goal, run: &Run) -> Option<f64> {
    run.history.last(goal.name()).filter(|point| point.step == run.step).map(|point| point.value)
}

/// Whether this process writes files: alone, or as rank 0.
fn writes(training: &impl Training) -> bool {
    training.parts().world().is_none_or(|world| world.rank() == 0)
}

/// Whether a file is not what was once written whole, and not the file of something else.
fn is_damage(error: &CheckpointError) -> bool {
    use CheckpointError::{Damaged, Foreign, Read, Truncated};
    matches!(error, Damaged { .. } | Foreign { .. } | Read { .. } | Truncated { .. })
}
