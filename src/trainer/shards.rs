//! A training step of the shards of a batch that this rank has: their programs run one after the other up to where values
//! are added up over all shards, hand these over in buckets as they are finished, and go on when the sums are there. It
//! knows programs and the [`World`]; it checks no user's input.
//!
//! ```text
//! calls of a program   [ forward, backward ............ ][ update ..... ]
//! of the last shard                  | give 0  | give 1   | take 0 | take 1
//! the thread beside                  [ sum 0 .... ][ sum 1 ... ]
//! ```

use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use kiln_graph::passes::Precision;
use kiln_graph::shape::Sizes;
use kiln_graph::{Role, Shape};
use kiln_jit::{Arena, Held, Plan, States};
use ndarray::{ArrayView, ArrayViewD, IxDyn};

use super::error::TrainError;
use super::programs::Compiled;
use crate::distributed::{Bucket, ExchangeError, Summing, World, rows_of, shards_of};

/// Numbers of a bucket, at most, where it holds several values: 4 MiB (2026-11-29, as many as let 2 ranks of one core hand
/// over resnet18's gradients in 11 buckets; nobody measured others).
const BUCKET: usize = 1 << 20;

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
    /// Those of this rank.
    own: Range<usize>,
    compiled: Vec<OfShard>,
    exchanges: Vec<Exchanges>,
    /// What states held before the calls of a level.
    held: Held,
}

/// A program of one shard.
struct OfShard {
    shard: usize,
    program: Compiled,
    /// Which of the exchanges are its own.
    exchanges: usize,
    /// For each bucket what of it the program gives and takes.
    parts: Vec<Vec<Part>>,
    /// For each level where its calls are stopped, in order.
    stops: Vec<Vec<(usize, Stop)>>,
    /// For each level the states that its calls write.
    writes: Vec<Vec<usize>>,
    /// The inputs of the number of rows and of the shard's number, where it has them.
    rows: Option<usize>,
    number: Option<usize>,
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

/// What is added up of some programs: of all sizes alike.
struct Exchanges {
    /// Of each value, in the order of buckets: the level, the number, how many elements.
    values: Vec<[usize; 3]>,
    /// The values of each bucket.
    buckets: Vec<Range<usize>>,
    /// The buckets that are here.
    here: Vec<Option<Box<Summing>>>,
    back: Receiver<Box<Summing>>,
}

impl Exchanges {
    /// What a plan exchanges, in the order in which it is handed over: that of the numbers, the last first, as gradients
    /// come. It does not depend on the plan's calls, so that all ranks have the same.
    fn values(plan: &Plan) -> Vec<[usize; 3]> {
        let value = |(place, exchange): (usize, &kiln_jit::plan::Exchange)| {
            let elements = plan.outputs[exchange.output].ty.shape.elements();
            [plan.level_of(place), exchange.number as usize, elements]
        };
        let mut values: Vec<[usize; 3]> = plan.exchanges.iter().enumerate().map(value).collect();
        values.sort_unstable_by_key(|&[level, number, _]| (level, std::cmp::Reverse(number)));
        values
    }

    fn new(values: Vec<[usize; 3]>, shards: usize, wire: Precision) -> Exchanges {
        let mut buckets: Vec<Range<usize>> = Vec::new();
        let mut elements = 0;
        for (place, &[level, _, more]) in values.iter().enumerate() {
            let joins = |bucket: &&mut Range<usize>| values[bucket.start][0] == level && elements + more <= BUCKET;
            match buckets.last_mut().filter(joins) {
                Some(bucket) => bucket.end = place + 1,
                None => {
                    buckets.push(place..place + 1);
                    elements = 0;
                }
            }
            elements += more;
        }
        let (reply, back) = sync_channel(buckets.len().max(1));
        let bucket = |(number, bucket): (usize, &Range<usize>)| {
            let elements = values[bucket.clone()].iter().map(|value| value[2]).sum();
            Some(Summing::new(number, Bucket::new(elements, shards, wire), SyncSender::clone(&reply)))
        };
        let here = buckets.iter().enumerate().map(bucket).collect();
        Exchanges { values, buckets, here, back }
    }

    /// Waits for a bucket.
    fn await_bucket(&mut self, bucket: usize, world: &World) -> Result<&Bucket, ExchangeError> {
        while self.here[bucket].is_none() {
            let ended =
                || ExchangeError::Network { rank: world.rank(), reason: "the thread of exchanges has ended".into() };
            let summing = self.back.recv().map_err(|_| ended())?;
            let number = summing.number;
            self.here[number] = Some(summing);
        }
        let summing = self.here[bucket].as_ref().expect("it is here");
        summing.result.clone()?;
        Ok(&summing.bucket)
    }

    /// Waits for all buckets: those that nobody takes, and all after an error.
    fn await_all(&mut self, world: &World) -> Result<(), ExchangeError> {
        let mut result = Ok(());
        for bucket in 0..self.buckets.len() {
            let found = self.await_bucket(bucket, world).map(|_| ());
            result = result.and(found);
        }
        result
    }
}

impl Shards {
    /// None compiled yet.
    ///
    /// # Errors
    /// [`ExchangeError::Shards`].
    pub fn new(world: World, sharding: Sharding, wire: Precision) -> Result<Shards, ExchangeError> {
        let (ranks, count) = (world.ranks(), sharding.count);
        if count < ranks {
            return Err(ExchangeError::Shards { shards: count, ranks });
        }
        let own = shards_of(world.rank(), ranks, count);
        Ok(Shards { world, count, wire, own, compiled: Vec::new(), exchanges: Vec::new(), held: Held::default() })
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

    /// The rows of a batch that a shard computes, and with which weight. A shard without rows computes those of the first
    /// one, which count for nothing.
    pub fn rows(&self, shard: usize, rows: usize) -> (Range<usize>, usize) {
        let part = rows_of(shard, self.count, rows);
        let weight = part.len();
        if weight > 0 { (part, weight) } else { (rows_of(0, self.count, rows), 0) }
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
            let of_rank = numbers.take(shards_of(rank, ranks, self.count).len() * length);
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
        let writes = program.session().written_by_level(states)?;
        let plan = program.session().program().plan();
        let values = Exchanges::values(plan);
        let known = self.exchanges.iter().position(|exchanges| exchanges.values == values);
        let exchanges = known.unwrap_or_else(|| {
            self.exchanges.push(Exchanges::new(values, self.count, self.wire));
            self.exchanges.len() - 1
        });
        let of = &self.exchanges[exchanges];
        let mut parts: Vec<Vec<Part>> = Vec::new();
        let mut stops: Vec<Vec<(usize, Stop)>> = plan.levels.iter().map(|_| Vec::new()).collect();
        let mut given = 0;
        for (number, bucket) in of.buckets.iter().enumerate() {
            let (mut of_bucket, mut place, mut needed) = (Vec::new(), 0, plan.calls.len());
            let level = of.values[bucket.start][0];
            given = plan.levels[level].start.max(given);
            for &[_, number, elements] in &of.values[bucket.clone()] {
                let exchange = plan.exchanges.iter().find(|exchange| exchange.number as usize == number);
                let exchange = exchange.expect("the values are those of the plan");
                let shape = plan.outputs[exchange.output].ty.shape;
                let (output, input) = (exchange.output, exchange.input);
                of_bucket.push(Part { output, input, shape, place: place..place + elements });
                place += elements;
                given = given.max(exchange.ready);
                needed = needed.min(exchange.needed);
            }
            parts.push(of_bucket);
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
        let (rows, number) = (data(kiln_graph::build::SHARD_ROWS), data(kiln_graph::build::SHARD_NUMBER));
        self.compiled.push(OfShard { shard, program, exchanges, parts, stops, writes, rows, number });
        Ok(())
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
        let done = self.run_shards((name, sizes), rows, states);
        let last = self.own.end - 1;
        let position = self.position(last, name, &sizes.with_batch(self.rows(last, rows).0.len()));
        let position = position.expect("its inputs were given");
        let awaited = self.exchanges[self.compiled[position].exchanges].await_all(&self.world);
        done?;
        awaited?;
        let program = &mut self.compiled[position].program;
        program.ran()?;
        Ok(program)
    }

    fn run_shards(
        &mut self,
        (name, sizes): (&str, &Sizes),
        rows: usize,
        states: &mut States,
    ) -> Result<(), TrainError> {
        let mut level = 0;
        loop {
            let mut levels = 0;
            for shard in self.own.clone() {
                let (part, weight) = self.rows(shard, rows);
                let position =
                    self.position(shard, name, &sizes.with_batch(part.len())).expect("its inputs were given");
                let of = &mut self.compiled[position];
                let plan = of.program.session().program().plan();
                levels = plan.levels.len();
                // What is the same for all shards, and leaves nothing to later levels, is computed once.
                let once = level > 0 && level + 1 == levels && !plan.of_shard[level];
                let is_last = shard + 1 == self.own.end;
                if once && !is_last {
                    continue;
                }
                if level == 0 {
                    of.give_shard(weight)?;
                    of.program.session_mut().begin(states)?;
                }
                // Each shard's program writes the same new states, from the same old ones.
                if self.own.len() > 1 && !once {
                    if shard == self.own.start {
                        states.hold(&of.writes[level], &mut self.held);
                    } else {
                        states.put_back(&self.held);
                    }
                }
                of.run_level(level, (&mut self.exchanges, &self.world), is_last, states)?;
            }
            level += 1;
            if level == levels {
                return Ok(());
            }
        }
    }
}

/// A number as an array, which allocates nothing.
fn scalar<T>(number: &[T; 1]) -> ArrayViewD<'_, T> {
    ArrayView::from_shape(IxDyn(&[]), number).expect("one number")
}

impl OfShard {
    /// Says which shard it is, and how many rows of it count.
    fn give_shard(&mut self, weight: usize) -> Result<(), TrainError> {
        let session = self.program.session_mut();
        if let Some(rows) = self.rows {
            session.write_input_f32(rows, scalar(&[weight as f32]))?;
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
        (exchanges, world): (&mut [Exchanges], &World),
        is_last: bool,
        states: &mut States,
    ) -> Result<(), TrainError> {
        let exchanges = &mut exchanges[self.exchanges];
        let session = self.program.session_mut();
        let calls = session.program().plan().levels[level].clone();
        let mut next = calls.start;
        for &(call, stop) in &self.stops[level] {
            if call > next {
                session.run_calls(next..call, states)?;
                next = call;
            }
            match stop {
                Stop::Give(bucket) => {
                    let summing = exchanges.here[bucket].as_mut().expect("it was taken since it was given");
                    let block = summing.bucket.shard(self.shard);
                    for Part { output, place, .. } in &self.parts[bucket] {
                        let to = &mut block[place.clone()];
                        let value = session.output(*output);
                        match value.as_slice() {
                            Some(value) => to.copy_from_slice(value),
                            None => to.iter_mut().zip(&value).for_each(|(to, from)| *to = *from),
                        }
                    }
                    summing.bucket.merge();
                    if is_last && let Some(summing) = exchanges.here[bucket].take() {
                        world.sum(summing);
                    }
                }
                Stop::Take(bucket) => {
                    let sum = &exchanges.await_bucket(bucket, world)?.sum;
                    for Part { input, shape, place, .. } in &self.parts[bucket] {
                        let sum = ArrayView::from_shape(shape.dims(), &sum[place.clone()]);
                        session.write_input_f32(*input, sum.expect("as many as its shape says"))?;
                    }
                }
            }
        }
        if calls.end > next {
            session.run_calls(next..calls.end, states)?;
        }
        Ok(())
    }
}
