//! The steps of the shards of a batch among the programs of a model, and that all ranks have the same ones. How values
//! come together is `trainer/shards.rs`'s.

use std::hash::{DefaultHasher, Hash, Hasher};

use kiln_graph::shape::Sizes;
use kiln_graph::{Graph, Mode, print};
use kiln_jit::{RunError, Session};
use ndarray::ArrayD;

use super::{Compiled, GiveRows, GraphOf, Programs};
use crate::distributed::ExchangeError;
use crate::report::{Profile, ProfileError};
use crate::trainer::builder::Settings;
use crate::trainer::error::TrainError;
use crate::trainer::shards::Shards;

/// By their names, the values of all shards of states of which each has its own.
pub type OwnValues = Vec<(String, Vec<ArrayD<f32>>)>;

/// A number that stands for a value in messages to other ranks, which run the same program.
fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Programs {
    /// Lets steps compute the shards of this rank from now on.
    pub fn set_shards(&mut self, shards: Option<Shards>) {
        self.shards = shards;
    }

    /// The values of all shards of each state of which every shard has its own, where these are not all zeros: between the
    /// batches of which several make a step. All ranks ask at once.
    ///
    /// # Errors
    /// Those of the network.
    pub fn own_values(&self) -> Result<OwnValues, ExchangeError> {
        if !self.is_between() {
            return Ok(OwnValues::new());
        }
        let Some(shards) = &self.shards else { return Ok(OwnValues::new()) };
        let value = |name: &String| Ok((name.clone(), shards.gather_state(name, &self.states)?));
        shards.own_states().iter().map(value).collect()
    }

    /// Whether gradients of batches are kept for a step that is to come.
    pub fn is_between(&self) -> bool {
        let is_open = |counter: &String| self.states.read(counter).is_some_and(|count| count.sum() > 0.0);
        self.counters.iter().any(is_open)
    }

    /// Sets a state of which every shard has its own value, to the values of a training of as many shards; of others they
    /// are added up.
    pub fn set_own_state(&mut self, name: &str, values: &[ArrayD<f32>]) {
        let Programs { shards, states, .. } = self;
        let sum = || values.iter().skip(1).fold(values[0].clone(), |sum, value| sum + value);
        match shards {
            Some(shards) if shards.own_states().contains(name) => {
                let fits = values.len() == shards.count();
                shards.set_state(name, states, |shard| match shard {
                    _ if fits => values[shard].clone(),
                    0 => sum(),
                    _ => ArrayD::zeros(values[0].raw_dim()),
                });
            }
            _ => {
                let written = states.write(name, sum().view());
                debug_assert!(written.is_ok(), "{name}");
            }
        }
    }

    /// Deals the shards out anew where ranks have been lost.
    pub fn deal_out(&mut self) {
        if let Some(shards) = &mut self.shards {
            shards.deal_out();
        }
    }

    /// The shards of this rank, where batches have shards.
    pub fn shards(&self) -> Option<&Shards> {
        self.shards.as_ref()
    }

    /// The sizes of which this rank's first shard is, for a batch of some sizes.
    pub fn of_shard(&self, sizes: Sizes) -> Sizes {
        match &self.shards {
            Some(shards) => sizes.with_batch(shards.rows(shards.own().start, sizes.batch()).0.len()),
            None => sizes,
        }
    }

    /// Calls `f` with the program of a step for each shard of this rank, and the rows of the batch that it takes; without
    /// shards, and for programs that do not train, with the one program, and all rows.
    pub fn each_shard(
        &mut self,
        (name, mode): (&'static str, Mode),
        sizes: Sizes,
        graph: GraphOf<'_>,
        f: GiveRows<'_>,
    ) -> Result<(), TrainError> {
        let Some(own) = self.shards.as_ref().filter(|_| mode == Mode::Train).map(Shards::own) else {
            let (program, _) = self.get(name, sizes, graph)?;
            return f(program, 0..sizes.batch());
        };
        for shard in own {
            let Some(shards) = &mut self.shards else { continue };
            let (rows, _) = shards.rows(shard, sizes.batch());
            let of_shard = sizes.with_batch(rows.len());
            if shards.get(shard, name, &of_shard)?.is_none() {
                self.add_shard(shard, (name, of_shard), graph)?;
            }
            if let Some(program) = self.shards.as_mut().map_or(Ok(None), |shards| shards.get(shard, name, &of_shard))? {
                f(program, rows)?;
            }
        }
        Ok(())
    }

    /// Compiles the program of a shard.
    fn add_shard(
        &mut self,
        shard: usize,
        (name, sizes): (&'static str, Sizes),
        graph: GraphOf<'_>,
    ) -> Result<(), TrainError> {
        let Some(shards) = &mut self.shards else { return Ok(()) };
        let like = shards.like(name, &sizes);
        let arena = shards.take_arena(shard);
        let program = match like {
            Some(mut program) => {
                program.session_mut().attach(arena)?;
                program
            }
            None => {
                let graph = self.settings.at(&sizes, graph(sizes))?;
                let (plan, of_graph) = self.planned(sizes, graph)?;
                Compiled::new(name, sizes, of_graph, self.session(plan, arena, false)?)
            }
        };
        let settings = self.settings;
        if let Some(shards) = &mut self.shards {
            let usual = [0, shards.count() - 1].map(|shard| shards.rows(shard, settings.batch).0.len());
            shards.keep(settings.cached_programs, |sizes| usual.contains(&sizes.batch()));
            shards.add(shard, program, &self.states)?;
        }
        Ok(())
    }

    /// Times the step of this rank's shards, whose inputs are random numbers; the states are afterwards what they were. All
    /// ranks do it at once.
    pub fn profile_step(
        &mut self,
        (name, sizes): (&'static str, Sizes),
        graph: GraphOf<'_>,
        of_first: &Graph,
    ) -> Result<Profile, TrainError> {
        self.each_shard((name, Mode::Train), sizes, graph, &mut |program, _| {
            Ok(Profile::draw_inputs(program.session_mut())?)
        })?;
        let pool = self.pool.clone();
        let Programs { shards: Some(shards), states, .. } = self else { unreachable!("there are shards") };
        let of_shard = sizes.with_batch(shards.rows(shards.own().start, sizes.batch()).0.len());
        let held = states.snapshot();
        let timed = |_: usize| {
            let timeline = shards.run_timed((name, &sizes), states);
            states.restore(&held);
            timeline
        };
        let timelines = (0..Profile::STEPS).map(timed).collect::<Result<Vec<_>, TrainError>>()?;
        let plan = shards.plan(name, &of_shard).expect("it was run");
        Ok(Profile::of_timelines(plan, &timelines, of_first, &pool).map_err(ProfileError::Machine)?)
    }

    /// Runs a step whose inputs were given by [`Programs::each_shard`]; the program has the results.
    pub fn run_step(
        &mut self,
        (name, mode): (&'static str, Mode),
        sizes: Sizes,
        graph: GraphOf<'_>,
    ) -> Result<&Compiled, TrainError> {
        if mode == Mode::Eval || self.shards.is_none() {
            let (program, states) = self.get(name, sizes, graph)?;
            program.run(states)?;
            return Ok(program);
        }
        let shards = self.shards.as_mut().expect("there are shards");
        shards.run((name, &sizes), sizes.batch(), &mut self.states)
    }

    /// The program of a step that has run, which has the results; where batches have shards, that of the last one, and all.
    ///
    /// # Errors
    /// [`TrainError::Run`] where it has not.
    pub fn ran(
        &self,
        (name, mode): (&'static str, Mode),
        sizes: Sizes,
    ) -> Result<(&Session, Option<&Shards>), TrainError> {
        let detached = || RunError::Detached { program: name.to_owned() };
        match self.shards.as_ref().filter(|_| mode == Mode::Train) {
            Some(shards) => Ok((shards.last(name, &sizes).ok_or_else(detached)?, Some(shards))),
            None => Ok((self.compiled.first().ok_or_else(detached)?.session(), None)),
        }
    }

    /// The sizes of the first of all shards, for a batch of some sizes.
    pub fn of_shard_0(&self, sizes: Sizes) -> Sizes {
        match &self.shards {
            Some(shards) => sizes.with_batch(shards.rows(0, sizes.batch()).0.len()),
            None => sizes,
        }
    }

    /// That all ranks have the same settings, parameters and programs: the graphs of the first shard.
    ///
    /// # Errors
    /// [`ExchangeError::Differ`](crate::distributed::ExchangeError::Differ), on all ranks.
    pub fn agree(&self, graphs: &[Graph]) -> Result<(), TrainError> {
        let Some(shards) = &self.shards else { return Ok(()) };
        let Settings { batch, seed, exact, flush_denormal, precision, sync_batch_norm, wire, .. } = self.settings;
        let plan = self.shards.as_ref().and_then(|shards| shards.any_plan());
        let mut settings = vec![
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("shards", shards.count().to_string()),
            ("batch", batch.to_string()),
            ("seed", seed.to_string()),
            ("exact", exact.to_string()),
            ("flush_denormal", flush_denormal.to_string()),
            ("precision", format!("{precision:?}")),
            ("sync_batch_norm", sync_batch_norm.to_string()),
            ("wire", format!("{wire:?}")),
            ("KILN_EMITTER", plan.map(|plan| plan.emitter.to_string()).unwrap_or_default()),
            ("the program", format!("{:016x}", hash(&graphs.iter().map(print).collect::<Vec<_>>()))),
        ];
        // Each by its name, so that a rank with another learning rate is told so: numbers as they are, tensors by a hash.
        for name in self.states.names() {
            let value = self.states.read(name).map(|value| match value.len() {
                1 => value.iter().map(f32::to_string).collect(),
                _ => format!("{:016x}", hash(&value.iter().map(|x| x.to_bits()).collect::<Vec<u32>>())),
            });
            settings.push((name, value.unwrap_or_default()));
        }
        Ok(shards.world().agree(&settings)?)
    }
}
