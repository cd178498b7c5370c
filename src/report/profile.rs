//! Where the time of a compiled program goes: a table of its kernels, and a trace for viewers. It judges nothing by
//! estimates: limits are those that `kiln_jit::Machine` measures.

mod exchanges;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use kiln_graph::{DType, Graph, Line, Role, Stage};
use kiln_jit::machine::MachineError;
use kiln_jit::plan::Call;
use kiln_jit::{Machine, RunError, Session, Snapshot, States};
use kiln_rt::Pool;
use kiln_rt::random::Uniforms;
use ndarray::{ArrayD, IxDyn};
use serde_json::json;

use super::text::{places, si};
use crate::files::save_report;
pub use exchanges::ProfileExchange;

/// Runs before the first that counts.
const WARM_UP: usize = 3;
/// A profile takes at least so many runs, and more within [`SECONDS`], but at most [`MOST_RUNS`].
const RUNS: usize = 9;
const MOST_RUNS: usize = 1000;
const SECONDS: f64 = 0.5;

/// Kernels that take less of the time are summed up in the table's last line.
const SMALLEST_SHARE: f64 = 0.002;

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The program could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The machine's limits could not be measured.
    #[error(transparent)]
    Machine(#[from] MachineError),
}

/// One call of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileRow {
    /// The layer and the fused operations: `conv1: conv add le select`.
    pub name: String,
    /// Every layer of which the kernel computes something, in order.
    pub layers: Vec<String>,
    /// The fused operations, in order.
    pub operations: Vec<&'static str>,
    /// Where the user's source asks for them, in order, each line once; nothing outside of bodies that a macro reads.
    pub lines: Vec<Line>,
    /// What it is computed for; the last where a kernel serves several.
    pub stage: Stage,
    /// The shortest of its times, which other programs on the machine disturb least.
    pub seconds: f64,
    /// Floating-point operations; a fused multiply-add counts as 2. Those of a convolution are the ones of its definition,
    /// of which Winograd's transforms save more than half.
    pub flops: u64,
    /// Bytes that must be read or written at least.
    pub bytes: u64,
    /// Whether it runs on all threads.
    pub parallel: bool,
    /// The part of the machine's limit that it reaches, 1 being all: that of its arithmetic or of its memory, whichever
    /// takes longer. (It is more than 1 where data lies in a nearer cache than its size tells, and where a convolution takes
    /// fewer operations than its definition.)
    pub limit: f64,
}

/// Where the time of a program goes. It prints as a table, the longest kernels first.
///
/// [`Trainer::profile`](crate::Trainer::profile) makes that of a training step.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The program's name.
    pub name: String,
    /// The calls, in the order in which they run.
    pub rows: Vec<ProfileRow>,
    /// The calls whose results are kept from run to run: they run only once parameters or other states have changed, and are
    /// no part of the run's time.
    pub prologue: Vec<ProfileRow>,
    /// The time of the shortest whole run.
    pub seconds: f64,
    /// How many runs were timed.
    pub runs: usize,
    /// The number of threads.
    pub threads: usize,
    /// The limits of one thread, and of all.
    pub machines: [Machine; 2],
    /// What went between ranks beside the calls, in the shortest run, where several train together.
    pub exchanges: Vec<ProfileExchange>,
    /// When which of the rows ran in that run, in seconds; nothing where calls simply follow one another.
    timeline: Vec<(usize, Range<f64>)>,
}

impl Profile {
    /// Runs a program that was compiled of a graph (optimized or not) for half a second, on random inputs and class 0, and
    /// times each call. The states are afterwards what they were before.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub fn measure(session: &mut Session, states: &mut States, graph: &Graph) -> Result<Profile, ProfileError> {
        let pool = session.pool().clone();
        let single = Machine::measure(&Pool::new(1))?;
        let all = if pool.threads() > 1 { Machine::measure(&pool)? } else { single.clone() };
        let machines = [single, all];
        let held = states.snapshot();
        let times = time(session, states, &held);
        states.restore(&held);
        let Times { first, later } = times?;

        let plan = session.program().plan();
        let seconds = shortest(later.iter().map(|calls| calls.iter().sum()));
        let rows = plan.calls.iter().enumerate().map(|(number, call)| {
            let runs = if number < plan.prologue { &first } else { &later };
            let seconds = shortest(runs.iter().map(|calls| calls[number]));
            let parallel = call.parallel && pool.threads() > 1;
            row(call, graph, seconds, parallel, &machines[usize::from(parallel)])
        });
        let mut prologue: Vec<ProfileRow> = rows.collect();
        let rows = prologue.split_off(plan.prologue);
        let (name, threads) = (plan.name.clone(), pool.threads());
        let (exchanges, timeline) = Default::default();
        Ok(Profile { name, rows, prologue, seconds, runs: later.len(), threads, machines, exchanges, timeline })
    }

    /// The time of all calls of a stage.
    pub fn stage_seconds(&self, stage: Stage) -> f64 {
        self.rows.iter().filter(|row| row.stage == stage).fold(0.0, |sum, row| sum + row.seconds)
    }

    /// Writes one run as a trace that `chrome://tracing` and <https://ui.perfetto.dev> open; the folder is made if it is
    /// not there. Each call lasts as long as its shortest.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save_trace(&self, path: impl AsRef<Path>) -> io::Result<()> {
        save_report(path.as_ref(), self.trace().as_bytes())
    }

    fn trace(&self) -> String {
        let name =
            |kind: &str, name: &str| json!({"name": kind, "ph": "M", "pid": 1, "tid": 1, "args": {"name": name}});
        let mut events = vec![name("process_name", "kiln"), name("thread_name", &self.name)];
        let one_by_one = || {
            let mut start = 0.0;
            let next = |(place, row): (usize, &ProfileRow)| {
                let begin = start;
                start += row.seconds;
                (place, begin..start)
            };
            self.rows.iter().enumerate().map(next).collect()
        };
        let times = if self.timeline.is_empty() { one_by_one() } else { self.timeline.clone() };
        for (place, time) in times {
            let row = &self.rows[place];
            events.push(json!({
                "name": row.name,
                "cat": stage_name(row.stage),
                "ph": "X",
                "pid": 1,
                "tid": 1,
                "ts": 1e6 * time.start,
                "dur": 1e6 * (time.end - time.start),
                "args": {
                    "layers": row.layers,
                    "operations": row.operations,
                    "source": row.lines.iter().map(Line::to_string).collect::<Vec<_>>(),
                    "flops": row.flops,
                    "bytes": row.bytes,
                    "GFLOP/s": rate(row.flops, row.seconds),
                    "GB/s": rate(row.bytes, row.seconds),
                    "percent of the limit": 100.0 * row.limit,
                },
            }));
        }
        events.extend(exchanges::events(&self.exchanges));
        json!({"traceEvents": events, "displayTimeUnit": "ns"}).to_string()
    }
}

/// For each run how long each call took.
struct Times {
    /// Of runs before which the states have changed.
    first: Vec<Vec<f64>>,
    /// Of the others.
    later: Vec<Vec<f64>>,
}

/// Gives a program random numbers, and class 0.
fn draw_inputs(session: &mut Session) -> Result<(), RunError> {
    let inputs: Vec<_> = session.program().plan().inputs.clone();
    for (position, input) in inputs.iter().enumerate().filter(|(_, input)| input.role == Role::Data) {
        let shape = IxDyn(input.ty.shape.dims());
        match input.ty.dtype {
            DType::F32 => {
                let mut uniforms = Uniforms::new(0, 0, position as u32);
                let values = (0..input.ty.shape.elements()).map(|_| 2.0 * uniforms.draw() - 1.0).collect();
                let values = ArrayD::from_shape_vec(shape, values).expect("one value for each element");
                session.write_input_f32(position, values.view())?;
            }
            DType::Bf16 | DType::U8 | DType::I8 => unreachable!("neither inputs nor results of a program are narrow"),
            DType::I32 | DType::Bool => session.write_input_i32(position, ArrayD::zeros(shape).view())?,
        }
    }
    Ok(())
}

fn time(session: &mut Session, states: &mut States, held: &Snapshot) -> Result<Times, RunError> {
    draw_inputs(session)?;
    let mut run = |states: &mut States| -> Result<Vec<f64>, RunError> {
        Ok(session.run_timed(states)?.iter().map(Duration::as_secs_f64).collect())
    };
    let mut times = Times { first: Vec::new(), later: Vec::new() };
    for _ in 0..WARM_UP {
        states.restore(held);
        times.first.push(run(states)?);
    }
    let start = Instant::now();
    while times.later.len() < RUNS
        || times.later.len() < MOST_RUNS && start.elapsed() < Duration::from_secs_f64(SECONDS)
    {
        times.later.push(run(states)?);
    }
    Ok(times)
}

fn row(call: &Call, graph: &Graph, seconds: f64, parallel: bool, machine: &Machine) -> ProfileRow {
    let scopes = call.parts.iter().map(|part| &graph.scopes[part.scope as usize]);
    let mut seen = BTreeSet::new();
    let layers =
        scopes.clone().map(|scope| scope.layer.as_str()).filter(|layer| !layer.is_empty() && seen.insert(*layer));
    let order = [Stage::Forward, Stage::Backward, Stage::Update];
    let last = order.into_iter().rev().find(|stage| scopes.clone().any(|scope| scope.stage == *stage));
    ProfileRow {
        name: call.label.clone(),
        layers: layers.map(str::to_owned).collect(),
        operations: call.parts.iter().map(|part| part.operation).collect(),
        lines: lines(call, graph),
        stage: last.unwrap_or_default(),
        seconds,
        flops: call.flops,
        bytes: call.bytes,
        parallel,
        limit: machine.least_seconds(call.flops, call.bytes) / seconds.max(1e-9),
    }
}

/// Where the user's source asks for what a call computes, each line once.
pub fn lines(call: &Call, graph: &Graph) -> Vec<Line> {
    let mut seen = BTreeSet::new();
    let lines = call.parts.iter().filter_map(|part| graph.line(part.scope));
    lines.filter(|line| seen.insert((line.file, line.line))).collect()
}

fn shortest(times: impl Iterator<Item = f64>) -> f64 {
    times.fold(f64::INFINITY, f64::min)
}

/// In units of 10^9 a second.
fn rate(amount: u64, seconds: f64) -> f64 {
    amount as f64 / seconds.max(1e-9) / 1e9
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Forward => "forward",
        Stage::Backward => "backward",
        Stage::Update => "update",
    }
}

/// The name, and the other layers of which something is computed: `conv1: conv add le select (relu1)`; then the places in
/// the source.
fn title(row: &ProfileRow) -> String {
    let others: Vec<&str> =
        row.layers.iter().map(String::as_str).filter(|layer| !row.name.contains(&format!("{layer}:"))).collect();
    let name = match others.len() {
        0 => row.name.clone(),
        1..=3 => format!("{} ({})", row.name, others.join(", ")),
        count => format!("{} ({}, {} and {} more)", row.name, others[0], others[1], count - 2),
    };
    if row.lines.is_empty() { name } else { format!("{name}  at {}", places(&row.lines)) }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.threads == 1 { "" } else { "s" };
        writeln!(
            f,
            "{}: {:.1} us a run, the shortest of {}, on {} thread{plural}",
            self.name,
            1e6 * self.seconds,
            self.runs,
            self.threads
        )?;
        let machine = &self.machines[1];
        let speeds: Vec<String> = machine.bytes.iter().map(|(_, speed)| format!("{:.0}", speed / 1e9)).collect();
        writeln!(
            f,
            "measured limits: {:.1} GFLOP/s; {} GB/s in the second-level cache, the last-level cache and memory",
            machine.flops / 1e9,
            speeds.join(", ")
        )?;
        let total: f64 = self.rows.iter().map(|row| row.seconds).sum::<f64>().max(1e-9);
        let stages = [Stage::Forward, Stage::Backward, Stage::Update];
        let parts = stages.map(|stage| {
            let part = 100.0 * self.stage_seconds(stage) / total;
            format!("{} {part:.1} %", stage_name(stage))
        });
        writeln!(f, "{}", parts.join(", "))?;
        writeln!(
            f,
            "{:>6}  {:>11}  {:>9}  {:>7}  {:>7}  {:>10}  {:>10}  {:8}  kernel",
            "share", "us", "GFLOP/s", "GB/s", "limit", "FLOP", "bytes", "stage"
        )?;
        let mut rows: Vec<&ProfileRow> = self.rows.iter().collect();
        rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        let shown = rows.iter().take_while(|row| row.seconds >= SMALLEST_SHARE * total).count();
        for row in &rows[..shown] {
            writeln!(
                f,
                "{:>5.1}%  {:>11.2}  {:>9.1}  {:>7.1}  {:>6.0}%  {:>10}  {:>10}  {:8}  {}",
                100.0 * row.seconds / total,
                1e6 * row.seconds,
                rate(row.flops, row.seconds),
                rate(row.bytes, row.seconds),
                100.0 * row.limit,
                si(row.flops),
                si(row.bytes),
                stage_name(row.stage),
                title(row)
            )?;
        }
        let sum = |rows: &mut dyn Iterator<Item = f64>| rows.fold(0.0, |sum, seconds| sum + seconds);
        let rest = sum(&mut rows[shown..].iter().map(|row| row.seconds));
        let count = rows.len() - shown;
        write!(f, "{:>5.1}%  {:>11.2}  {count} shorter kernels", 100.0 * rest / total, 1e6 * rest)?;
        exchanges::write(&self.exchanges, f)?;
        if !self.prologue.is_empty() {
            let seconds = sum(&mut self.prologue.iter().map(|row| row.seconds));
            let count = self.prologue.len();
            write!(
                f,
                "\nonce parameters have changed: {:.1} us for {count} kernels, whose results are kept",
                1e6 * seconds
            )?;
        }
        Ok(())
    }
}
