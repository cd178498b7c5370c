//! A training step of the shards of a batch that this rank has: their programs run one after the other up to where
//! values are added up over all shards, hand these over in buckets as they are finished, and go on when the sums are
//! there. It knows programs and the [`World`]; it checks no user's input.
//!
//! ```text
//! calls of a program   [ forward, backward ............ ][ update ..... ]
//! of the last shard                  | give 0  | give 1   | take 0 | take 1
//! the thread beside                  [ sum 0 .... ][ sum 1 ... ]
//! ```

mod exchanges;
mod own;
mod timeline;

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Instant;

use kiln_graph::passes::Precision;
use kiln_graph::shape::Sizes;
use kiln_graph::{Role, Shape};
use kiln_jit::kernel::Access;
use kiln_jit::plan::Call;
use kiln_jit::{Arena, Held, LevelStates, Plan, Session, States};
use ndarray::{ArrayD, ArrayView, ArrayViewD, IxDyn};

use super::error::TrainError;
use super::programs::Compiled;
use crate::distributed::{ExchangeError, Share, World};
use exchanges::Exchanges;
use own::OwnStates;
pub(crate) use timeline::{Exchange, Timeline};

/// How a batch is computed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sharding {
    /// The number of shards of a batch.
    pub count: usize,
    /// Whether batch norms take the statistics of all shards.
    pub sync_batch_norm: bool,
}

/// The programs of this rank's shards.
pub(crate) struct Shards {
    world: World,
    count: usize,
    wire: Precision,
    /// How often ranks have been lost so far.
    losses: usize,
    /// Those of this rank.
    own: Range<usize>,
    compiled: Vec<OfShard>,
    exchanges: Vec<Exchanges>,
    /// What states held before the calls of a level.
    held: Held,
    /// States of which each shard has its own value: their names, and the values of this rank's shards.
    names: BTreeSet<String>,
    values: OwnStates,
    /// When what happens, where somebody wants to know.
    timeline: Option<Timeline>,
}

/// A program of one shard.
struct OfShard {
    shard: usize,
    program: Compiled,
    /// Which of the exchanges are its own.
    exchanges: usize,
    /// For each bucket what of it the program gives and takes.
    parts: Vec<BucketParts>,
    /// For each level where its calls are stopped, in order.
    stops: Vec<Vec<(usize, Stop)>>,
    /// For each level the states that its calls touch.
    states: Vec<LevelStates>,
    /// Whether the last level is the same for all shards, and leaves nothing of each: it is run once.
    once: bool,
    /// The inputs of the numbers of rows, of the shard and of the batch, and of the shard's number, where it has them.
    rows: [Option<usize>; 2],
    number: Option<usize>,
}

/// What of a bucket a program gives and takes.
struct BucketParts {
    /// The output that says whether it does in this run, where it does not always.
    when: Option<usize>,
    bytes: usize,
    values: Vec<Part>,
}

/// A value in a bucket.
struct Part {
    output: usize,
    input: usize,
    shape: Shape,
    place: Range<usize>,
}

/// What is done between two calls.
#[derive(Clone, Copy)]
enum Stop {
    /// A bucket is handed over.
    Give(usize),
    /// The sum of a bucket is taken.
    Take(usize),
}

impl Shards {
    /// None compiled yet.
    ///
    /// # Errors
    /// [`ExchangeError::Shards`].
    pub fn new(world: World, sharding: Sharding, wire: Precision) -> Result<Shards, ExchangeError> {
        let (ranks, count) = (world.ranks(), sharding.count);
        if count < ranks {
            let error = ExchangeError::Shards { shards: count, ranks };
            // Where all end with that, launchers are to let all say so.
            world.note_failure(&error);
            return Err(error);
        }
        let own = Share::of(world.rank(), ranks, count).own;
        let (losses, values) = (world.losses(), OwnStates::new(own.len()));
        Ok(Shards {
            world,
            count,
            wire,
            losses,
            own,
            compiled: Vec::new(),
            exchanges: Vec::new(),
            held: Held::default(),
            names: BTreeSet::new(),
            values,
            timeline: None,
        })
    }

    /// Deals the shards out anew where ranks have been lost. Of programs of shards that this rank had, one of each kind is
    /// kept, from which others are made; what buckets held is of no use.
    pub fn deal_out(&mut self) {
        if self.losses == self.world.losses() {
            return;
        }
        self.losses = self.world.losses();
        self.own = Share::of(self.world.rank(), self.world.ranks(), self.count).own;
        self.values = OwnStates::new(self.own.len());
        let anew = |exchanges: &Exchanges| Exchanges::new(exchanges.values.clone(), self.count, self.wire);
        self.exchanges = self.exchanges.iter().map(anew).collect();
        let mut kept: Vec<OfShard> = Vec::new();
        for mut of in self.compiled.drain(..) {
            let is_known = |other: &OfShard| other.program.is(of.program.name(), of.program.sizes());
            if self.own.contains(&of.shard) || !kept.iter().any(is_known) {
                of.program.session_mut().detach();
                kept.push(of);
            }
        }
        self.compiled = kept;
    }

    /// The ranks.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The number of shards of a batch.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The shards of this rank.
    pub fn own(&self) -> Range<usize> {
        self.own.clone()
    }

    /// What this rank computes of a batch.
    pub fn share(&self) -> Share {
        Share { own: self.own.clone(), shards: self.count }
    }

    /// The rows of a batch that a shard computes, and with which weight.
    pub fn rows(&self, shard: usize, rows: usize) -> (Range<usize>, usize) {
        self.share().rows_of(shard, rows)
    }

    /// The names of states of which each shard has its own value.
    pub fn own_states(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// The values of such a state of all shards, in order; all ranks ask at once.
    ///
    /// # Errors
    /// Those of the network.
    pub fn gather_state(&self, name: &str, states: &States) -> Result<Vec<ArrayD<f32>>, ExchangeError> {
        let Some(position) = states.position(name) else { return Ok(Vec::new()) };
        let (mut words, mut shape, mut length): (Vec<u32>, Vec<usize>, usize) = Default::default();
        for shard in 0..self.own.len() {
            let held = if self.own.len() > 1 { self.values.held(shard, position) } else { None };
            let zeros = || states.ty(name).map(|ty| ArrayD::zeros(ty.shape.dims()));
            let value = match held {
                Some(held) => states.read_held(name, held),
                None if self.own.len() > 1 => zeros(),
                None => states.read(name),
            };
            let value = value.unwrap_or_default();
            (shape, length) = (value.shape().to_vec(), value.len());
            words.extend(value.iter().map(|number| number.to_bits()));
        }
        let ranks = self.world.ranks();
        words.resize(self.count.div_ceil(ranks) * length, 0);
        let mut values = Vec::new();
        for (rank, words) in self.world.gather(words)?.into_iter().enumerate() {
            let own = Share::of(rank, ranks, self.count).own.len();
            for words in words.chunks(length.max(1)).take(own) {
                let numbers = words.iter().map(|&word| f32::from_bits(word)).collect();
                values.extend(ArrayD::from_shape_vec(shape.clone(), numbers));
            }
        }
        Ok(values)
    }

    /// Sets such a state of this rank's shards: `value` is asked for each of them.
    pub fn set_state(&mut self, name: &str, states: &mut States, value: impl Fn(usize) -> ArrayD<f32>) {
        let Some(position) = states.position(name) else { return };
        for shard in self.own.clone() {
            let written = states.write(name, value(shard).view());
            debug_assert!(written.is_ok(), "{name}");
            if self.own.len() > 1 {
                self.values.take(shard - self.own.start, &[position], states);
            }
        }
    }

    /// The sums over all shards of some numbers of each, in their order; of those of this rank's shards.
    ///
    /// # Errors
    /// Those of the network.
    pub fn totals(&self, of_shards: Vec<Vec<f64>>) -> Result<Vec<f64>, ExchangeError> {
        let (ranks, length) = (self.world.ranks(), of_shards.first().map_or(0, Vec::len));
        let mut words: Vec<u32> = Vec::new();
        for number in of_shards.into_iter().flatten() {
            let bits = number.to_bits();
            words.extend([bits as u32, (bits >> 32) as u32]);
        }
        // Ranks may have one shard more or less.
        words.resize(self.count.div_ceil(ranks) * 2 * length, 0);
        let mut totals = vec![0.0; length];
        for (rank, words) in self.world.gather(words)?.into_iter().enumerate() {
            let numbers = words.chunks(2).map(|word| f64::from_bits(u64::from(word[0]) | u64::from(word[1]) << 32));
            let of_rank = numbers.take(Share::of(rank, ranks, self.count).own.len() * length);
            of_rank.enumerate().for_each(|(place, number)| totals[place % length] += number);
        }
        Ok(totals)
    }

    /// Where a shard's program stands, if it is compiled.
    fn position(&self, shard: usize, name: &str, sizes: &Sizes) -> Option<usize> {
        self.compiled.iter().position(|of| of.shard == shard && of.program.is(name, sizes))
    }

    /// A shard's program, with its arena.
    pub fn get(&mut self, shard: usize, name: &str, sizes: &Sizes) -> Result<Option<&mut Compiled>, TrainError> {
        let Some(position) = self.position(shard, name, sizes) else { return Ok(None) };
        if !self.compiled[position].program.session().is_attached() {
            let arena = self.take_arena(shard);
            self.compiled[position].program.session_mut().attach(arena)?;
        }
        Ok(Some(&mut self.compiled[position].program))
    }

    /// The arena of a shard, from the program that has it.
    pub fn take_arena(&mut self, shard: usize) -> Arena {
        let holder = self.compiled.iter_mut().find(|of| of.shard == shard && of.program.session().is_attached());
        holder.map(|of| of.program.session_mut().detach()).unwrap_or_default()
    }

    /// Another shard's program of a name and sizes, if there is one.
    pub fn like(&self, name: &str, sizes: &Sizes) -> Option<Compiled> {
        self.compiled.iter().find(|of| of.program.is(name, sizes)).map(|of| of.program.fork())
    }

    /// The plan of a program.
    pub fn plan(&self, name: &str, sizes: &Sizes) -> Option<&Plan> {
        let of = self.compiled.iter().find(|of| of.program.is(name, sizes))?;
        Some(of.program.session().program().plan())
    }

    /// The plan of any program.
    pub fn any_plan(&self) -> Option<&Plan> {
        self.compiled.first().map(|of| of.program.session().program().plan())
    }

    /// Lets go of programs of other sizes, but for those that were compiled last.
    pub fn keep(&mut self, most: usize, is_usual: impl Fn(&Sizes) -> bool) {
        let others = self.compiled.iter().filter(|of| !is_usual(of.program.sizes())).count();
        let mut surplus = others.saturating_sub(most * self.own.len());
        self.compiled.retain(|of| {
            let goes = surplus > 0 && !is_usual(of.program.sizes());
            surplus -= usize::from(goes);
            !goes
        });
    }

    /// Takes a program of a shard.
    ///
    /// # Errors
    /// [`TrainError::Run`] for states that are not there.
    pub fn add(&mut self, shard: usize, program: Compiled, states: &States) -> Result<(), TrainError> {
        let of_levels = program.session().states_by_level(states)?;
        let plan = program.session().program().plan();
        self.names.extend(plan.states_of_shard.iter().map(|&input| plan.inputs[input].name.clone()));
        let values = Exchanges::values(plan);
        let known = self.exchanges.iter().position(|exchanges| exchanges.values == values);
        let exchanges = known.unwrap_or_else(|| {
            self.exchanges.push(Exchanges::new(values, self.count, self.wire));
            self.exchanges.len() - 1
        });
        let of = &self.exchanges[exchanges];
        let mut parts: Vec<BucketParts> = Vec::new();
        let mut stops: Vec<Vec<(usize, Stop)>> = plan.levels.iter().map(|_| Vec::new()).collect();
        let mut given = 0;
        for (number, bucket) in of.buckets.iter().enumerate() {
            let (mut of_bucket, mut place, mut needed) = (Vec::new(), 0, plan.calls.len());
            let first = &of.values[bucket.start];
            let level = first.level;
            given = plan.levels[level].start.max(given);
            for value in &of.values[bucket.clone()] {
                let exchange = plan.exchanges.iter().find(|exchange| exchange.number == value.number);
                let exchange = exchange.expect("the values are those of the plan");
                let shape = plan.outputs[exchange.output].ty.shape;
                let (output, input) = (exchange.output, exchange.input);
                of_bucket.push(Part { output, input, shape, place: place..place + value.elements });
                place += value.elements;
                given = given.max(exchange.ready);
                needed = needed.min(exchange.needed);
            }
            parts.push(BucketParts { when: first.when, bytes: size_of::<f32>() * place, values: of_bucket });
            // Buckets are handed over in order, on all ranks.
            stops[level].push((given, Stop::Give(number)));
            if let Some(next) = plan.levels.get(level + 1) {
                stops[level + 1].push((needed.clamp(next.start, next.end), Stop::Take(number)));
            }
        }
        for stops in &mut stops {
            // What is given and what is taken at the same place: first the former, so that others need not wait.
            stops.sort_by_key(|&(call, stop)| (call, matches!(stop, Stop::Take(_))));
        }
        let data = |name: &str| plan.inputs.iter().position(|input| input.role == Role::Data && input.name == name);
        let rows = [kiln_graph::build::SHARD_ROWS, kiln_graph::build::BATCH_ROWS].map(data);
        let number = data(kiln_graph::build::SHARD_NUMBER);
        let last = plan.levels.len() - 1;
        let once = last > 0 && !plan.of_shard[last] && !gives_tensors(plan, last);
        self.compiled.push(OfShard { shard, program, exchanges, parts, stops, states: of_levels, once, rows, number });
        Ok(())
    }

    /// The session of this rank's last shard, for a batch of some sizes.
    pub fn last(&self, name: &str, sizes: &Sizes) -> Option<&Session> {
        let last = self.own.end - 1;
        let position = self.position(last, name, &sizes.with_batch(self.rows(last, sizes.batch()).0.len()))?;
        Some(self.compiled[position].program.session())
    }

    /// The sessions of this rank's shards that have rows of a batch of some sizes, in order: after a step, with its
    /// results.
    pub fn sessions(&self, name: &str, sizes: &Sizes) -> impl Iterator<Item = &Session> {
        self.own.clone().filter_map(move |shard| {
            let (part, weight) = self.rows(shard, sizes.batch());
            let position = self.position(shard, name, &sizes.with_batch(part.len())).filter(|_| weight > 0)?;
            Some(self.compiled[position].program.session())
        })
    }

    /// Runs a step as [`Shards::run`] does, and says when what happened; the shards' own values are afterwards what they were.
    ///
    /// # Errors
    /// As of [`Shards::run`].
    pub fn run_timed(&mut self, (name, sizes): (&str, &Sizes), states: &mut States) -> Result<Timeline, TrainError> {
        let values = self.values.clone();
        self.timeline = Some(Timeline::new());
        let done = self.run((name, sizes), sizes.batch(), states).map(|_| ());
        self.values = values;
        let timeline = self.timeline.take().unwrap_or_else(Timeline::new);
        done.map(|()| timeline)
    }

    /// Runs a step of which all shards have their inputs, of a batch of so many rows; the program of the last shard, which
    /// has the results.
    ///
    /// # Errors
    /// [`TrainError::Exchange`], [`TrainError::Run`], [`TrainError::Outside`].
    pub fn run(
        &mut self,
        (name, sizes): (&str, &Sizes),
        rows: usize,
        states: &mut States,
    ) -> Result<&Compiled, TrainError> {
        if self.losses != self.world.losses() {
            // What states hold after a loss is of no use.
            return Err(ExchangeError::Regrouped { rank: self.world.rank() }.into());
        }
        let done = self.run_shards((name, sizes), rows, states);
        let last = self.own.end - 1;
        let position = self.position(last, name, &sizes.with_batch(self.rows(last, rows).0.len()));
        let position = position.expect("its inputs were given");
        let awaited = self.exchanges[self.compiled[position].exchanges].await_all(&self.world);
        done?;
        awaited?;
        let program = &mut self.compiled[position].program;
        // Random numbers of a profile may lie outside of what a loss takes.
        if self.timeline.is_none() {
            program.ran()?;
        }
        Ok(program)
    }

    fn run_shards(
        &mut self,
        (name, sizes): (&str, &Sizes),
        rows: usize,
        states: &mut States,
    ) -> Result<(), TrainError> {
        let position_of = |shards: &Shards, shard: usize| {
            let (part, _) = shards.rows(shard, rows);
            shards.position(shard, name, &sizes.with_batch(part.len())).expect("its inputs were given")
        };
        // Programs for other numbers of rows may differ in it: then all of them run their last level.
        let all_once = self.own.clone().all(|shard| self.compiled[position_of(self, shard)].once);
        let mut level = 0;
        loop {
            let mut levels = 0;
            for shard in self.own.clone() {
                let (_, weight) = self.rows(shard, rows);
                let position = position_of(self, shard);
                let of = &mut self.compiled[position];
                let plan = of.program.session().program().plan();
                levels = plan.levels.len();
                let once = level + 1 == levels && all_once;
                let is_last = shard + 1 == self.own.end;
                if once && !is_last {
                    continue;
                }
                if level == 0 {
                    of.give_shard(weight, rows)?;
                    of.program.session_mut().begin(states)?;
                }
                let number = shard - self.own.start;
                // Each shard's program writes the same new states, from the same old ones.
                if self.own.len() > 1 && !once {
                    if shard == self.own.start {
                        states.hold(&of.states[level].written, &mut self.held);
                    } else {
                        states.put_back(&self.held);
                    }
                    self.values.put(number, &of.states[level].own, states);
                }
                let between = (&mut self.exchanges[..], &self.world, self.timeline.as_mut());
                of.run_level(level, between, is_last, states)?;
                if self.own.len() > 1 && !once {
                    self.values.take(number, &of.states[level].kept, states);
                }
            }
            level += 1;
            if level == levels {
                return Ok(());
            }
        }
    }
}

/// Whether calls of a level give a result that may have rows of the shard's own: a tensor.
fn gives_tensors(plan: &Plan, level: usize) -> bool {
    let writes = |call: &Call, slot: usize| {
        let mut buffers = call.arguments.iter().zip(&plan.kernels[call.kernel].buffers);
        buffers.any(|(&argument, buffer)| argument == slot && buffer.access != Access::Read)
    };
    let is_exchanged = |output: usize| plan.exchanges.iter().any(|exchange| exchange.output == output);
    let calls = &plan.calls[plan.levels[level].clone()];
    let mut tensors = plan.outputs.iter().enumerate().filter(|(_, output)| output.ty.shape.rank() > 0);
    tensors.any(|(number, output)| !is_exchanged(number) && calls.iter().any(|call| writes(call, output.slot)))
}

/// A number as an array, which allocates nothing.
fn scalar<T>(number: &[T; 1]) -> ArrayViewD<'_, T> {
    ArrayView::from_shape(IxDyn(&[]), number).expect("one number")
}

impl OfShard {
    /// Says which shard it is, how many rows of it count, and how many the batch has.
    fn give_shard(&mut self, weight: usize, batch: usize) -> Result<(), TrainError> {
        let session = self.program.session_mut();
        for (input, rows) in self.rows.into_iter().zip([weight, batch]) {
            if let Some(input) = input {
                session.write_input_f32(input, scalar(&[rows as f32]))?;
            }
        }
        if let Some(number) = self.number {
            session.write_input_i32(number, scalar(&[self.shard as i32]))?;
        }
        Ok(())
    }

    /// Runs the calls of a level; the last shard of the rank hands buckets over.
    fn run_level(
        &mut self,
        level: usize,
        (exchanges, world, mut timeline): (&mut [Exchanges], &World, Option<&mut Timeline>),
        is_last: bool,
        states: &mut States,
    ) -> Result<(), TrainError> {
        let exchanges = &mut exchanges[self.exchanges];
        let session = self.program.session_mut();
        let calls = session.program().plan().levels[level].clone();
        let mut run = |session: &mut Session, calls: Range<usize>, timeline: &mut Option<&mut Timeline>| match timeline
        {
            None => session.run_calls(calls, states),
            Some(timeline) => timeline.run(self.shard, session, calls, states),
        };
        let mut next = calls.start;
        for &(call, stop) in &self.stops[level] {
            if call > next {
                run(session, next..call, &mut timeline)?;
                next = call;
            }
            let (Stop::Give(bucket) | Stop::Take(bucket)) = stop;
            let BucketParts { when, bytes, values } = &self.parts[bucket];
            if when.is_some_and(|flag| session.output_i32(flag).sum() == 0) {
                continue;
            }
            match stop {
                Stop::Give(bucket) => {
                    exchanges.filled(bucket).take(self.shard, |block| {
                        for Part { output, place, .. } in values {
                            let to = &mut block[place.clone()];
                            let value = session.output(*output);
                            match value.as_slice() {
                                Some(value) => to.copy_from_slice(value),
                                None => to.iter_mut().zip(&value).for_each(|(to, from)| *to = *from),
                            }
                        }
                    });
                    if is_last {
                        exchanges.give(bucket, world);
                    }
                }
                Stop::Take(bucket) => {
                    let asked = Instant::now();
                    let summing = exchanges.await_bucket(bucket, world)?;
                    if let Some(timeline) = &mut timeline {
                        timeline.took(bucket, *bytes, asked, summing);
                    }
                    for Part { input, shape, place, .. } in values {
                        let sum = ArrayView::from_shape(shape.dims(), &summing.bucket.sum()[place.clone()]);
                        session.write_input_f32(*input, sum.expect("as many as its shape says"))?;
                    }
                }
            }
        }
        if calls.end > next {
            run(session, next..calls.end, &mut timeline)?;
        }
        Ok(())
    }
}
