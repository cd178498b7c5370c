//! The candidates of one contraction against each other. Which contractions a plan has, and where choices are kept, is
//! not known here.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kiln_rt::buffer::ALIGNMENT;
use kiln_rt::{Buffer, Pool};

use crate::code::{BoundCall, Code, CodeError, Memory, Sequence};
use crate::contraction::{Problem, Recipe, Source, Stage, preferred_layouts_of};
use crate::cost::params::search::INVARIANT_COPY;
use crate::cost::params::sharing::{ALONE, SHARED};
use crate::cost::params::tuning::{GAIN, LONG};
use crate::kernel::{Access, Element};
use crate::plan::Choice;
use crate::target::Target;

// These numbers decide on what is measured, not on what is planned. Where nothing else is said they were set on a Zen 3
// that others used, 2026-11-26, and no figures were kept.

/// Rounds, at least and at most. One goes ahead of them, which brings everything into being. Unit: rounds.
const LEAST: usize = 5;
const MOST: usize = 40;
/// What one timing takes, at least: the clock is no finer than some dozens of nanoseconds, a thousandth of it. Unit:
/// seconds.
const TIMING: f64 = 20e-6;
/// How many times as long as the fastest so far a candidate may take and stay in the race: the last number after many
/// rounds, the sum of both, and that over the number of rounds, before, as long as a single disturbance may explain it.
/// Unit: ratio.
const OUT: [f64; 2] = [0.8, 1.1];
/// What takes less time finds a moment in which the system runs nothing else, on all but the busiest machines. Unit:
/// time, of one run.
const DISTURBED: Duration = Duration::from_millis(2);
/// Longer than anything is measured: no limit.
const FOR_EVER: Duration = Duration::from_secs(1 << 20);

/// A candidate.
struct Trial {
    name: String,
    calls: Range<usize>,
    /// For each call whether it is worth running but once for many runs, and whether threads share it.
    kept: Vec<bool>,
    shared: Vec<bool>,
    /// Runs of one timing.
    repeats: usize,
    /// Whether it takes so long that what it waits for the system is looked at.
    long: bool,
    /// What it took in each round.
    times: Vec<Time>,
}

/// Seconds of a run.
#[derive(Clone, Copy)]
struct Time {
    /// Of what every run does.
    seconds: f64,
    /// As it counts: what is kept a little, what is not shared more.
    counted: f64,
}

/// The fastest recipe for a contraction. From `until` on no new round begins once every candidate was measured at least
/// [`LEAST`] times; nothing where they were not at the `end`.
pub fn fastest(
    problem: &Problem,
    target: &Target,
    pool: &Pool,
    until: Instant,
    end: Instant,
) -> Result<Option<Choice>, CodeError> {
    let race = race(problem, target, pool, until, end)?;
    Ok(race.map(|race| choice(&race.trials, race.rounds)))
}

/// What each candidate takes, by its name, that of the usual recipe first. Those that soon turn out to be slow are
/// measured less often. Begins no new round from `until` on, but for [`LEAST`].
pub fn times(problem: &Problem, target: &Target, pool: &Pool, until: Instant) -> Result<Vec<(String, f64)>, CodeError> {
    let never = Instant::now() + FOR_EVER;
    let Race { trials, out, .. } = race(problem, target, pool, until, never)?.expect("all the time that it takes");
    Ok(trials.iter().chain(&out).map(|trial| (trial.name.clone(), trial.seconds())).collect())
}

/// What was measured of the candidates.
struct Race {
    /// The complete rounds.
    rounds: usize,
    /// Those that were in all rounds, the usual recipe first.
    trials: Vec<Trial>,
    /// Those that were too slow.
    out: Vec<Trial>,
}

/// Nothing where not every candidate was measured [`LEAST`] times at the `end`.
fn race(
    problem: &Problem,
    target: &Target,
    pool: &Pool,
    until: Instant,
    end: Instant,
) -> Result<Option<Race>, CodeError> {
    let recipes = problem.candidates(target);
    let (mut sequence, mut trials) = prepare(problem, &recipes, target)?;
    for trial in &mut trials {
        if Instant::now() >= end {
            return Ok(None);
        }
        let start = Instant::now();
        let time = trial.time(&mut sequence, pool);
        trial.long = start.elapsed() >= DISTURBED;
        trial.repeats = (TIMING / time.seconds.max(1e-9)).ceil().clamp(1.0, 100.0) as usize;
    }
    let mut out = Vec::new();
    for round in 0..MOST {
        if round >= LEAST && Instant::now() >= until {
            break;
        }
        for trial in &mut trials {
            if Instant::now() >= end {
                return Ok((round >= LEAST).then_some(Race { rounds: round, trials, out }));
            }
            let time = trial.time(&mut sequence, pool);
            trial.times.push(time);
        }
        let limit = (OUT[0] / (round + 1) as f64 + OUT[1]) * shortest(&trials).counted();
        let mut first = true;
        let slow = trials.extract_if(.., |trial| !std::mem::take(&mut first) && trial.counted() > limit);
        out.extend(slow);
    }
    let rounds = trials[0].times.len();
    Ok(Some(Race { rounds, trials, out }))
}

fn shortest(trials: &[Trial]) -> &Trial {
    trials.iter().min_by(|a, b| a.counted().total_cmp(&b.counted())).expect("the usual recipe")
}

/// The first trial is that of the usual recipe. Another one has to be faster both at its best and, taken round by
/// round, mostly: in a round all are disturbed alike.
fn choice(trials: &[Trial], rounds: usize) -> Choice {
    let usual = &trials[0];
    let gain = |trial: &Trial| {
        let of_rounds = usual.times[..rounds].iter().zip(&trial.times);
        let mut gains: Vec<f64> = of_rounds.map(|(usual, time)| usual.counted / time.counted).collect();
        gains.sort_by(f64::total_cmp);
        gains[rounds / 2].min(usual.counted() / trial.counted())
    };
    let better = trials[1..].iter().filter(|trial| gain(trial) > GAIN);
    let chosen = better.max_by(|a, b| gain(a).total_cmp(&gain(b))).unwrap_or(usual);
    let [seconds, usual_seconds] = [chosen, usual].map(Trial::seconds);
    let [recipe, usual] = [chosen, usual].map(|trial| trial.name.clone());
    Choice { recipe, seconds, usual, usual_seconds }
}

impl Trial {
    fn shortest(&self, of: fn(&Time) -> f64) -> f64 {
        self.times.iter().map(of).fold(f64::INFINITY, f64::min)
    }

    /// Of the fastest run.
    fn counted(&self) -> f64 {
        self.shortest(|time| time.counted)
    }

    /// Of the fastest run.
    fn seconds(&self) -> f64 {
        self.shortest(|time| time.seconds)
    }

    /// What a run takes, on the average of some.
    fn time(&self, sequence: &mut Sequence, pool: &Pool) -> Time {
        let mut times = vec![Duration::ZERO; self.calls.len()];
        let mut before = Moment::now(self.long);
        for _ in 0..self.repeats {
            let done = |call: usize| {
                let now = Moment::now(self.long);
                times[call - self.calls.start] += now.since(&before);
                before = now;
            };
            sequence.run_each(self.calls.clone(), &mut [], pool, done).expect("a sequence without states");
        }
        let mut time = Time { seconds: 0.0, counted: 0.0 };
        for ((took, kept), shared) in times.into_iter().zip(&self.kept).zip(&self.shared) {
            let seconds = took.as_secs_f64() / self.repeats as f64;
            time.seconds += if *kept { 0.0 } else { seconds };
            let alone = if !shared && seconds > LONG { ALONE } else { 1.0 };
            time.counted += seconds * alone * if *kept { INVARIANT_COPY } else { 1.0 };
        }
        time
    }
}

/// A moment of this thread.
struct Moment {
    /// The clock before and after the look at `waited`.
    clock: [Instant; 2],
    /// How long the thread could have run so far while the system ran something else instead, where the system tells
    /// (Linux does): a run of some milliseconds is hardly ever left alone on a busy machine.
    waited: Option<Duration>,
}

impl Moment {
    fn now(look: bool) -> Moment {
        let before = Instant::now();
        if !look {
            return Moment { clock: [before; 2], waited: None };
        }
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let nanoseconds = text.split_whitespace().nth(1).and_then(|number| number.parse().ok());
        Moment { clock: [before, Instant::now()], waited: nanoseconds.map(Duration::from_nanos) }
    }

    /// What the thread ran between an earlier moment and this one. All that it waited between both looks is part of the
    /// longer time, from which it is taken.
    fn since(&self, earlier: &Moment) -> Duration {
        let all = self.clock[0] - earlier.clock[1];
        let (Some(waited), Some(before)) = (self.waited, earlier.waited) else { return all };
        (self.clock[1] - earlier.clock[0]).saturating_sub(waited.saturating_sub(before)).min(all)
    }
}

/// The candidates' code, bound to memory: the operands and the result, which they share, and scratch memory, which is
/// one piece for all.
fn prepare(problem: &Problem, recipes: &[Recipe], target: &Target) -> Result<(Sequence, Vec<Trial>), CodeError> {
    let [left, right] = &problem.operands;
    let [.., mut result] = preferred_layouts_of(&problem.op, left.element, left.shape, right.shape, problem.output)
        .expect("a contraction");
    if let Some(along) = problem.along {
        result.order = (0..problem.output.rank()).filter(|&axis| axis != along).chain([along]).collect();
    }
    let result = result.layout(problem.output);
    let mut end = 0;
    let mut place = |element: Element, elements: usize| {
        let start = end;
        end += (element.bytes() * elements).next_multiple_of(ALIGNMENT);
        (Memory::Arena(start), element, elements)
    };
    let operands = [left, right].map(|operand| place(operand.element, operand.layout.elements));
    let (to, _, results) = place(Element::F32, result.elements);
    let (mut kernels, mut calls, mut trials, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), end);
    for recipe in recipes {
        let mut end = end;
        let lengths = [left, right].map(|operand| (operand.element, operand.layout.elements));
        let scratch = recipe.scratch.iter().map(|&elements| {
            let start = end;
            end += (size_of::<f32>() * elements).next_multiple_of(ALIGNMENT);
            Memory::Arena(start)
        });
        let scratch: Vec<Memory> = scratch.collect();
        bytes = bytes.max(end);
        let mut invariant = vec![false; scratch.len()];
        let first = calls.len();
        let (mut kept, mut shared) = (Vec::new(), Vec::new());
        for stage in &recipe.stages {
            let memory = |&(source, _): &(Source, Access)| {
                let at = match source {
                    Source::Left => operands[0].0,
                    Source::Right => operands[1].0,
                    Source::Scratch(number) => scratch[number],
                };
                let (element, elements) = recipe.buffer_of(stage, source, lengths);
                (at, element, elements)
            };
            let memory: Vec<(Memory, Element, usize)> = stage.buffers.iter().map(memory).collect();
            let buffers: Vec<(Element, usize)> =
                memory.iter().map(|&(_, element, elements)| (element, elements)).collect();
            let kernel = stage.plain("trial", &buffers, [left.rounded, right.rounded], &result, target.lanes);
            let mut arguments: Vec<(Memory, usize)> = memory.iter().map(|&(at, _, elements)| (at, elements)).collect();
            arguments.extend(stage.results.then_some((to, results)));
            let lasts = lasts(stage, [left.invariant, right.invariant], &mut invariant);
            kept.push(lasts);
            shared.push(kernel.tasks() >= SHARED);
            calls.push(BoundCall { kernel: kernels.len(), arguments, moves: Vec::new(), parallel: false });
            kernels.push(kernel);
        }
        let calls = first..calls.len();
        trials.push(Trial { name: recipe.name(), calls, kept, shared, repeats: 1, long: false, times: Vec::new() });
    }
    let code = Arc::new(Code::new(&kernels, target.emitter)?);
    let mut sequence = Sequence::new(code, Buffer::zeroed(bytes.div_ceil(size_of::<f32>())), &mut [], &[], &calls)
        .expect("buffers as long as declared");
    fill(sequence.arena_mut().f32_mut());
    Ok((sequence, trials))
}

/// Whether a stage reads nothing but what stays the same from run to run; its scratch memory then does, too.
fn lasts(stage: &Stage, operands: [bool; 2], scratch: &mut [bool]) -> bool {
    let same = |&(source, access): &(Source, Access)| match source {
        Source::Left => operands[0],
        Source::Right => operands[1],
        Source::Scratch(number) => access != Access::Read || scratch[number],
    };
    let lasts = !stage.results && stage.buffers.iter().all(same);
    for &(source, access) in &stage.buffers {
        if let (Source::Scratch(number), true) = (source, access != Access::Read) {
            scratch[number] = lasts;
        }
    }
    lasts
}

/// Numbers from -1 to 1, as f32 and, each half, as bf16, so that every page is there and no product is special.
fn fill(memory: &mut [f32]) {
    let mut state = 1u32;
    for number in memory {
        // A linear congruential generator (Numerical Recipes).
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let drawn = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
        *number = f32::from_bits(drawn.to_bits() & !0xffff | drawn.to_bits() >> 16);
    }
}
