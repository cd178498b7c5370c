//! The profile of a step of several ranks: the calls of this rank's shards, and what goes between ranks beside them. It
//! knows timelines, and not how they come about.

use std::fmt;

use kiln_graph::Graph;
use kiln_jit::machine::MachineError;
use kiln_jit::{Machine, Plan, RunError, Session};
use kiln_rt::Pool;
use serde_json::{Value, json};

use super::{Profile, ProfileRow, RUNS, WARM_UP, draw_inputs, row, shortest};
use crate::trainer::Timeline;

/// Values that are added up over all ranks in one piece, on their way beside the calls. Times are seconds from the first
/// call on.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileExchange {
    /// Its number; buckets are handed over in this order.
    pub bucket: usize,
    /// Bytes of the values.
    pub bytes: usize,
    /// When it was handed over.
    pub given: f64,
    /// When its turn came.
    pub start: f64,
    /// When the sum of all ranks was there.
    pub end: f64,
    /// How long the program waited for it.
    pub waited: f64,
}

impl Profile {
    /// So many steps are timed: all ranks as many.
    pub(crate) const STEPS: usize = WARM_UP + RUNS;

    /// Gives a program what it is timed with.
    pub(crate) fn draw_inputs(session: &mut Session) -> Result<(), RunError> {
        draw_inputs(session)
    }

    /// That of some steps whose first ones warm up; `plan` is that of the first of the rank's shards, of which the graph
    /// is.
    pub(crate) fn of_timelines(
        plan: &Plan,
        timelines: &[Timeline],
        graph: &Graph,
        pool: &Pool,
    ) -> Result<Profile, MachineError> {
        let single = Machine::measure(&Pool::new(1))?;
        let all = if pool.threads() > 1 { Machine::measure(pool)? } else { single.clone() };
        let machines = [single, all];
        let later = &timelines[WARM_UP.min(timelines.len() - 1)..];
        let best = later.iter().min_by(|a, b| a.seconds().total_cmp(&b.seconds())).unwrap_or(&timelines[0]);
        let first = best.calls.first().map_or(0, |(shard, ..)| *shard);
        // Calls of a loop are timed together, as the first of them.
        let of_call = |timeline: &Timeline, call: usize| {
            let mut times = timeline.calls.iter().filter(|(shard, of, _)| (*shard, *of) == (first, call));
            times.next().map_or(0.0, |(.., time)| (time.end - time.start).as_secs_f64())
        };
        let rows = plan.calls.iter().enumerate().skip(plan.prologue).map(|(number, call)| {
            let seconds = shortest(later.iter().map(|timeline| of_call(timeline, number)));
            let parallel = call.parallel && pool.threads() > 1;
            row(call, graph, seconds, parallel, &machines[usize::from(parallel)])
        });
        let rows: Vec<ProfileRow> = rows.collect();
        let exchange = |exchange: &crate::trainer::Exchange| ProfileExchange {
            bucket: exchange.bucket,
            bytes: exchange.bytes,
            given: exchange.given.as_secs_f64(),
            start: exchange.sent.start.as_secs_f64(),
            end: exchange.sent.end.as_secs_f64(),
            waited: (exchange.waited.end - exchange.waited.start).as_secs_f64(),
        };
        let mut exchanges: Vec<ProfileExchange> = best.exchanges.iter().map(exchange).collect();
        exchanges.sort_by_key(|exchange| exchange.bucket);
        let at = |(_, call, time): &(usize, usize, std::ops::Range<std::time::Duration>)| {
            let place = call.checked_sub(plan.prologue).filter(|&place| place < rows.len())?;
            Some((place, time.start.as_secs_f64()..time.end.as_secs_f64()))
        };
        let timeline = best.calls.iter().filter_map(at).collect();
        let (name, runs, threads) = (plan.name.clone(), later.len(), pool.threads());
        let (prologue, seconds) = (Vec::new(), best.seconds());
        Ok(Profile { name, rows, prologue, seconds, runs, threads, machines, exchanges, timeline })
    }
}

/// Buckets in a trace: a line of their own.
pub fn events(exchanges: &[ProfileExchange]) -> Vec<Value> {
    if exchanges.is_empty() {
        return Vec::new();
    }
    let args = json!({"name": "between ranks"});
    let mut events = vec![json!({"name": "thread_name", "ph": "M", "pid": 1, "tid": 2, "args": args})];
    for exchange in exchanges {
        events.push(json!({
            "name": format!("bucket {}", exchange.bucket),
            "cat": "exchange",
            "ph": "X",
            "pid": 1,
            "tid": 2,
            "ts": 1e6 * exchange.start,
            "dur": 1e6 * (exchange.end - exchange.start),
            "args": {
                "bytes": exchange.bytes,
                "handed over": 1e6 * exchange.given,
                "waited for": 1e6 * exchange.waited,
            },
        }));
    }
    events
}

/// The table of buckets.
pub fn write(exchanges: &[ProfileExchange], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if exchanges.is_empty() {
        return Ok(());
    }
    let waited: f64 = exchanges.iter().map(|exchange| exchange.waited).sum();
    let under_way: f64 = exchanges.iter().map(|exchange| exchange.end - exchange.start).sum();
    write!(
        f,
        "\nbetween ranks: {:.1} us in {} buckets, of which the step waited {:.1} us\n{:>6}  {:>11}  {:>11}  {:>11}  {:>11}  {:>11}",
        1e6 * under_way,
        exchanges.len(),
        1e6 * waited,
        "bucket",
        "bytes",
        "given at us",
        "from us",
        "to us",
        "waited us",
    )?;
    for exchange in exchanges {
        write!(
            f,
            "\n{:>6}  {:>11}  {:>11.1}  {:>11.1}  {:>11.1}  {:>11.1}",
            exchange.bucket,
            exchange.bytes,
            1e6 * exchange.given,
            1e6 * exchange.start,
            1e6 * exchange.end,
            1e6 * exchange.waited
        )?;
    }
    Ok(())
}
