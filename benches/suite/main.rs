//! The benchmark suite: networks that every framework can build, with numbers that need no files.
//!
//! ```text
//! cargo bench --bench suite -- [--cases mlp_tiny,lenet:infer] [--threads 1,2] [--seconds 1] [--cpus 0,1] [--json] [--profile]
//!     [--tune 10] [--precision bf16] [--memory-limit BYTES]
//! taskset -c 1 cargo bench --bench suite -- --recipes FILE [--seconds 1] [--note TEXT]
//! ```
//!
//! Each case runs in a process of its own, bound to as many cores as it has threads (by `taskset`, where there is
//! one). `--json` prints one object a line, with the fields that the other frameworks' harnesses print; `--profile` the
//! times of single kernels, to the standard error output. `--tune` gives each case so many seconds to measure ways of
//! computing its contractions (`TrainerBuilder::tune`), and prints to the standard error output what was chosen.
//! `--precision bf16` lets trainers and predictors compute in that, under the name `kiln-bf16`; `--memory-limit` is
//! that of trainers. The losses are compared with PyTorch's (`losses.json` in the folder `KILN_PEERS`, default
//! `../shared/peers`, if it is there).
//!
//! `--recipes` runs no case: it times each candidate for each contraction of the networks on one thread, in three passes
//! of so many seconds for each contraction, and writes the times to a file such as those of `jit/measurements`; the note goes to its head.

mod adversaries;
mod cases;
mod contractions;
mod measure;
mod measurements;
mod network_graphs;
mod networks;
mod numbers;
mod recipes;
mod reference;

use std::error::Error;
use std::fs;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use kiln::Precision;
use serde_json::Value;

use crate::cases::Mode;
use crate::measure::Settings;
use crate::reference::Reference;

struct Options {
    cases: Vec<String>,
    threads: Vec<usize>,
    seconds: f64,
    cpus: Vec<usize>,
    json: bool,
    profile: bool,
    tune: Option<f64>,
    precision: Precision,
    memory_limit: usize,
    /// The file to which the times of recipes are written, instead of anything else.
    recipes: Option<String>,
    note: String,
    /// Set in the process that measures one case.
    child: Option<(String, Mode)>,
}

fn main() -> ExitCode {
    let result = options(std::env::args().skip(1)).and_then(|options| match &options.child {
        Some((case, mode)) => {
            let (precision, memory_limit) = (options.precision, options.memory_limit);
            let tune = options.tune.map(Duration::try_from_secs_f64).transpose()?;
            let settings = Settings {
                threads: options.threads[0],
                seconds: options.seconds,
                profile: options.profile,
                tune,
                precision,
                memory_limit,
            };
            println!("{}", cases::run(case, *mode, settings)?);
            Ok(true)
        }
        None => match &options.recipes {
            Some(path) => {
                recipes::measure(path, options.precision, options.seconds, &options.note)?;
                Ok(true)
            }
            None => run_all(&options),
        },
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("suite: {error}");
            ExitCode::from(2)
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        cases: Vec::new(),
        threads: vec![1],
        seconds: 1.0,
        cpus: allowed_cpus(),
        json: false,
        profile: false,
        tune: None,
        precision: Precision::F32,
        memory_limit: usize::MAX,
        recipes: None,
        note: String::new(),
        child: None,
    };
    let list = |text: String| text.split(',').map(str::to_string).collect::<Vec<_>>();
    let numbers = |text: String| text.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--cases" => options.cases = list(value()?),
            "--threads" => options.threads = numbers(value()?)?,
            "--seconds" => options.seconds = value()?.parse()?,
            "--cpus" => options.cpus = numbers(value()?)?,
            "--json" => options.json = true,
            "--profile" => options.profile = true,
            "--tune" => options.tune = Some(value()?.parse()?),
            "--precision" => {
                let name = value()?;
                let known = [Precision::F32, Precision::Bf16].into_iter().find(|known| name_of(*known) == name);
                options.precision = known.ok_or(format!("unknown precision `{name}`; known are f32, bf16"))?;
            }
            "--memory-limit" => options.memory_limit = value()?.parse()?,
            "--recipes" => options.recipes = Some(value()?),
            "--note" => options.note = value()?,
            "--child" => options.child = Some((value()?, if value()? == "infer" { Mode::Infer } else { Mode::Train })),
            // `cargo bench` passes it to every bench target.
            "--bench" => {}
            other => {
                return Err(format!(
                    "unknown argument `{other}`; known are --cases, --threads, --seconds, --cpus, --json, --profile, \
                     --tune, --precision, --memory-limit, --recipes, --note"
                )
                .into());
            }
        }
    }
    for wanted in &options.cases {
        let case = wanted.split(':').next().unwrap_or(wanted);
        if !cases::ALL.iter().any(|(known, _)| *known == case) {
            let known: Vec<&str> = cases::ALL.iter().map(|(known, _)| *known).collect();
            return Err(format!("unknown case `{case}`; known are {}", known.join(", ")).into());
        }
    }
    Ok(options)
}

/// As on the command line.
fn name_of(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
    }
}

/// Runs the cases one after the other; whether all went well and all losses agree.
fn run_all(options: &Options) -> Result<bool, Box<dyn Error>> {
    let reference = Reference::find();
    let mut all_good = true;
    if !options.json {
        println!(
            "{:16} {:5} {:>7} {:>12} {:>12} {:>11} {:>9}  losses",
            "case", "mode", "threads", "median us", "min us", "compile ms", "peak MB"
        );
    }
    for &threads in &options.threads {
        let jobs = cases::ALL.iter().flat_map(|&(case, modes)| modes.iter().map(move |&mode| (case, mode)));
        for (case, mode) in jobs {
            let wanted = |w: &String| *w == case || *w == format!("{case}:{}", mode.name());
            if !options.cases.is_empty() && !options.cases.iter().any(wanted) {
                continue;
            }
            let line = child(case, mode, threads, options)?;
            let row: Value = serde_json::from_str(&line)?;
            let verdict = reference.verdict(case, mode, options.precision, &row);
            all_good &= verdict.is_ok();
            if options.json {
                println!("{line}");
                if let Err(difference) = verdict {
                    eprintln!("suite: {case} {}: {difference}", mode.name());
                }
            } else {
                let number = |name: &str| row[name].as_f64().unwrap_or(f64::NAN);
                let losses: Vec<String> = row["losses"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_f64)
                    .map(|l| format!("{l:.6}"))
                    .collect();
                println!(
                    "{case:16} {:5} {threads:7} {:12.2} {:12.2} {:11.1} {:9.1}  {} ({})",
                    mode.name(),
                    number("median_us"),
                    number("min_us"),
                    number("compile_s") * 1e3,
                    number("peak_rss_mb"),
                    losses.join(" "),
                    verdict.unwrap_or_else(|difference| difference),
                );
            }
        }
    }
    Ok(all_good)
}

/// Runs this program again for one case, bound to cores; its line.
fn child(case: &str, mode: Mode, threads: usize, options: &Options) -> Result<String, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let cpus: Vec<String> = options.cpus.iter().take(threads).map(usize::to_string).collect();
    let has_taskset =
        Command::new("taskset").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let mut command = if has_taskset && !cpus.is_empty() {
        let mut command = Command::new("taskset");
        command.arg("-c").arg(cpus.join(",")).arg(program);
        command
    } else {
        eprintln!("suite: there is no `taskset`: {case} is not bound to cores");
        Command::new(program)
    };
    let output = command
        .args(["--child", case, mode.name()])
        .args(["--threads", &threads.to_string(), "--seconds", &options.seconds.to_string()])
        .args(options.profile.then_some("--profile"))
        .args(["--precision", name_of(options.precision)])
        .args(["--memory-limit", &options.memory_limit.to_string()])
        .args(options.tune.iter().flat_map(|seconds| ["--tune".to_string(), seconds.to_string()]))
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    match text.lines().find(|line| line.starts_with('{')) {
        Some(line) if output.status.success() => Ok(line.to_string()),
        _ => Err(format!("{case} ({}) failed: {}", mode.name(), output.status).into()),
    }
}

/// The cores that this process may use, on Linux.
fn allowed_cpus() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    let range = |part: &str| -> Option<Vec<usize>> {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        Some((low.trim().parse().ok()?..=high.trim().parse().ok()?).collect())
    };
    list.split(',').filter_map(range).flatten().collect()
}
