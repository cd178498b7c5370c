//! What a [`Trainer`](crate::Trainer) and the trainers of `model!` have in common for whoever saves a training and goes
//! on with it. It knows no data.

use std::io;
use std::ops::DerefMut;
use std::path::Path;
use std::sync::Arc;

use kiln_graph::schedules::Schedule;
use ndarray::ArrayD;

use crate::checkpoint::{CheckpointError, Notes};
use crate::distributed::{ExchangeError, Share, World};
use crate::report::Facts;
use crate::trainer::{OwnValues, Programs, Schedulers, encode, load, load_bytes};

/// A training with a state that can be kept: a [`Trainer`](crate::Trainer), or a trainer that `model!` declares.
pub trait Training {
    /// The programs with their states, and where optimizers stand.
    #[doc(hidden)]
    fn parts(&self) -> Parts<'_>;

    /// The same, to be changed.
    #[doc(hidden)]
    fn parts_mut(&mut self) -> PartsMut<'_>;

    /// The number of samples of a full step.
    fn batch(&self) -> usize;

    /// What this rank computes of each batch, where several train together: for
    /// [`Loader::share`](crate::data::Loader::share).
    fn share(&self) -> Option<Share> {
        self.parts().0.shards().map(|shards| shards.share())
    }

    /// What a report says of the model, where it can say something.
    #[doc(hidden)]
    fn facts(&self) -> Facts {
        Facts::default()
    }
}

/// What is saved of a training.
#[doc(hidden)]
pub struct Parts<'t>(pub(crate) &'t Programs, pub(crate) &'t Schedulers);

/// What is changed of a training.
#[doc(hidden)]
pub struct PartsMut<'t>(pub(crate) &'t mut Programs, pub(crate) &'t mut Schedulers);

impl Parts<'_> {
    /// The ranks that train together, where there are several.
    pub(crate) fn world(&self) -> Option<&World> {
        self.0.shards().map(|shards| shards.world())
    }

    /// Whether each of several ranks holds gradients of its own, for a step that is to come: a file then takes all of them.
    /// The same on all ranks.
    pub(crate) fn is_of_ranks_between(&self) -> bool {
        self.world().is_some_and(|world| world.ranks() > 1) && self.0.is_between()
    }

    /// The values of all shards of states of which each has its own, which go into a file, too. All ranks ask at once.
    pub(crate) fn own_values(&self) -> Result<OwnValues, ExchangeError> {
        self.0.own_values()
    }

    /// The bytes of a file with the state of the training, and notes.
    pub(crate) fn encode(&self, own: &OwnValues, notes: Notes) -> io::Result<Vec<u8>> {
        encode(self.0, self.1, own, notes)
    }

    /// Calls `f` with each state of numbers: parameters, and what optimizers keep.
    pub(crate) fn each_state(&self, f: &mut dyn FnMut(&str, ArrayD<f32>)) {
        let states = self.0.states();
        for name in states.names() {
            states.read(name).into_iter().for_each(|value| f(name, value));
        }
    }

    /// The learning rates of the next steps, by the names of optimizers.
    pub(crate) fn rates(&self) -> impl Iterator<Item = (&str, f32)> {
        self.1.rates()
    }
}

impl PartsMut<'_> {
    /// Takes the state of a training from a file; its notes.
    pub(crate) fn load(self, path: &Path) -> Result<Notes, CheckpointError> {
        load(path, self.0, self.1)
    }

    /// Takes what [`Parts::encode`] gave.
    pub(crate) fn load_bytes(self, bytes: &[u8]) -> Result<Notes, CheckpointError> {
        load_bytes(Path::new("the best state in memory"), bytes, self.0, self.1)
    }

    /// Gives each optimizer a schedule that begins now; whether it can.
    pub(crate) fn set_schedule(self, schedule: &Arc<dyn Schedule>) -> bool {
        self.1.set_schedule(schedule)
    }

    /// Reports a metric to each optimizer whose schedule waits for one.
    pub(crate) fn report_metric(self, metric: f64) {
        self.1.report_to_all(metric);
    }
}

impl<T: DerefMut> Training for T
where
    T::Target: Training,
{
    fn parts(&self) -> Parts<'_> {
        (**self).parts()
    }

    fn parts_mut(&mut self) -> PartsMut<'_> {
        (**self).parts_mut()
    }

    fn batch(&self) -> usize {
        (**self).batch()
    }

    fn facts(&self) -> Facts {
        (**self).facts()
    }
}
