//! `kiln bench`: how long a model of an ONNX file takes. Which kernels take it, profiles of the library tell.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::arguments::{Bench, Given};
use crate::failure::Failure;
use crate::onnx::{anything, call, compile, open};
use crate::output::{Output, Style, bytes, short};

/// At least so many calls are timed.
const LEAST: usize = 5;

pub fn run(arguments: &Bench, output: &mut Output) -> Result<(), Failure> {
    let model = open(&arguments.file, &arguments.shape, &arguments.constants)?;
    let begin = Instant::now();
    let predictor = compile(model, arguments.batch, arguments.threads)?;
    let compiled = begin.elapsed();
    let inputs: Vec<Given<_>> = predictor
        .inputs()
        .map(|(name, ty)| Given { name: name.to_owned(), value: anything(ty.shape, ty.dtype, arguments.batch) })
        .collect();
    let timed = || -> Result<Duration, Failure> {
        let begin = Instant::now();
        call(&predictor, &inputs)?;
        Ok(begin.elapsed())
    };
    let first = timed()?;
    let (begin, mut times) = (Instant::now(), Vec::new());
    while times.len() < LEAST || begin.elapsed() < Duration::from_secs_f64(arguments.seconds) {
        times.push(timed()?);
    }
    times.sort();
    let (least, median) = (times[0], times[times.len() / 2]);
    let plan = predictor.plan();
    let flops = plan.flops();
    let rate = flops as f64 / median.as_secs_f64() / 1e9;
    if arguments.json {
        let object = json!({
            "file": arguments.file.display().to_string(),
            "compile_seconds": compiled.as_secs_f64(),
            "first_seconds": first.as_secs_f64(),
            "median_seconds": median.as_secs_f64(),
            "least_seconds": least.as_secs_f64(),
            "calls": times.len(),
            "flops": flops,
            "gflops_per_second": rate,
            "bytes": plan.peak_bytes(),
        });
        return Ok(output.line(&object.to_string())?);
    }
    output.line(&output.styled(Style::Strong, &arguments.file.display().to_string()))?;
    for Given { name, value } in &inputs {
        output.line(&format!("  {name}  {} {:?}", value.dtype(), value.shape()))?;
    }
    let lines = [
        ("compiled in", span(compiled)),
        ("first call", span(first)),
        ("median", format!("{} of {} calls, the shortest {}", span(median), times.len(), span(least))),
        ("work", format!("{} GFLOP, {} GFLOP/s", short(flops as f64 / 1e9), short(rate))),
        ("memory", bytes(plan.peak_bytes() as u64)),
    ];
    for (what, text) in lines {
        output.line(&format!("  {what:<12} {text}"))?;
    }
    Ok(())
}

/// A time in the unit of which there is at least one.
fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        _ if seconds >= 1.0 => format!("{} s", short(seconds)),
        _ if seconds >= 1e-3 => format!("{} ms", short(seconds * 1e3)),
        _ => format!("{} us", short(seconds * 1e6)),
    }
}
