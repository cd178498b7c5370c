//! What `kilnc` prints: a graph after all passes, its plan, its kernels or their instructions, for a machine of a usual
//! kind.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;

use kiln::graph::{Graph, optimize, parse};
use kiln::jit::Target;
use kiln::jit::contraction::Candidate;
use kiln::jit::emit::{Emitter, EmitterKind, Level, X86};
use kiln::jit::plan::{Choices, Plan, Wishes, plan_by};

/// How it is called.
pub const USAGE: &str = "\
usage: kilnc FILE.ir [--emit STAGE] [--target TARGET] [--choices] [--exact]
  --emit     what is printed (default plan):
             graph    the graph after all passes
             plan     the calls, and where everything lies
             kernels  the kernels that are called, as text
             asm      their instructions
  --target   the machine: avx2, avx512, avx512-pairs (which multiplies pairs of bf16 as fast as f32), avx512-tiles (which
             has AMX) or cranelift (default: the widest that this one is); its caches are 32 KiB and 1 MiB
  --choices  prints instead in which ways each contraction may be computed, with estimated cycles: the first one is taken
  --exact    takes only ways whose error is that of the definition
";

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Graph,
    Plan,
    Kernels,
    Asm,
}

const STAGES: [(&str, Stage); 4] =
    [("graph", Stage::Graph), ("plan", Stage::Plan), ("kernels", Stage::Kernels), ("asm", Stage::Asm)];

struct Options {
    file: String,
    emit: Stage,
    target: Target,
    choices: bool,
    exact: bool,
}

/// What is printed for such arguments; or what is wrong with them, or with the file.
pub fn run(arguments: impl Iterator<Item = String>) -> Result<String, String> {
    let arguments: Vec<String> = arguments.collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        return Ok(USAGE.to_owned());
    }
    let options = options(arguments.into_iter())?;
    let file = &options.file;
    let text = fs::read_to_string(file).map_err(|error| format!("{file} can not be read: {error}"))?;
    let graph = parse(&text).map_err(|error| {
        let (line, column) = (error.position.line, error.position.column);
        format!("{file}:{line}:{column}: {}", error.problem)
    })?;
    print(&optimize(&graph), &options)
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut file = None;
    let (mut emit, mut target) = (Stage::Plan, None);
    let (mut choices, mut exact) = (false, false);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value\n{USAGE}"));
        match argument.as_str() {
            "--emit" => emit = named("--emit", &value()?, &STAGES)?,
            "--target" => {
                let mut known = EmitterKind::ALL.map(|kind| (kind.to_string(), typical(kind))).to_vec();
                let avx512 = typical(EmitterKind::Avx512);
                known.push(("avx512-pairs".to_owned(), Target { pair_products: true, ..avx512 }));
                known.push(("avx512-tiles".to_owned(), Target { tile_products: Ok(()), ..avx512 }));
                let known: Vec<(&str, Target)> = known.iter().map(|(name, target)| (name.as_str(), *target)).collect();
                target = Some(named("--target", &value()?, &known)?);
            }
            "--choices" => choices = true,
            "--exact" => exact = true,
            option if option.starts_with('-') => return Err(format!("there is no option `{option}`\n{USAGE}")),
            _ if file.is_some() => return Err(format!("one file is expected, `{argument}` is another one\n{USAGE}")),
            _ => file = Some(argument),
        }
    }
    let file = file.ok_or_else(|| format!("a file is expected\n{USAGE}"))?;
    let target = match target {
        Some(target) => target,
        None => typical(EmitterKind::chosen().map_err(|error| error.to_string())?),
    };
    Ok(Options { file, emit, target, choices, exact })
}

/// A machine that runs what an emitter emits.
fn typical(emitter: EmitterKind) -> Target {
    Target::with_lanes(emitter.lanes())
}

/// What a value of an option stands for.
fn named<T: Copy>(option: &str, value: &str, known: &[(&str, T)]) -> Result<T, String> {
    let found = known.iter().find(|(name, _)| *name == value);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let known: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        format!("{option} is `{value}`, expected one of {}", known.join(", "))
    })
}

fn print(graph: &Graph, options: &Options) -> Result<String, String> {
    if options.emit == Stage::Graph && !options.choices {
        return Ok(graph.to_string());
    }
    let target = &options.target;
    let wishes = Wishes { exact: options.exact, ..Wishes::default() };
    let plan = plan_by(graph, target, &HashMap::new(), &Choices::new(), wishes);
    let plan = plan.map_err(|error| error.to_string())?;
    if options.choices {
        return Ok(choices(&plan, target));
    }
    match options.emit {
        Stage::Graph | Stage::Plan => Ok(plan.to_string()),
        Stage::Kernels => Ok(plan.kernels.iter().map(|kernel| kernel.to_string()).collect()),
        Stage::Asm => instructions(&plan),
    }
}

/// The instructions of each kernel. That the processor runs them is not needed; Cranelift knows this machine's alone.
fn instructions(plan: &Plan) -> Result<String, String> {
    // Kernels with tile registers are those of a machine that has them, whether this one does or not.
    let mut emitter: Box<dyn Emitter> = match plan.kernels.iter().any(|kernel| !kernel.tiles.is_empty()) {
        true => Box::new(X86::new(Level::Avx512).with_bf16(true).with_amx(true)),
        false => plan.emitter.emitter().map_err(|error| error.to_string())?,
    };
    let mut text = String::new();
    for (number, kernel) in plan.kernels.iter().enumerate() {
        kernel.check().map_err(|error| error.to_string())?;
        let listing = emitter.listing(kernel).map_err(|error| error.to_string())?;
        let bytes = emitter.emit(kernel).map_err(|error| error.to_string())?.len();
        writeln!(text, "kernel {number}, {}, {bytes} bytes:\n{}", kernel.name, listing.trim_end()).expect("any text");
    }
    Ok(text)
}

/// Each contraction with the ways that may be the fastest.
fn choices(plan: &Plan, target: &Target) -> String {
    let mut text = String::new();
    for found in &plan.contractions {
        writeln!(text, "{}\n  {}", found.label, found.problem.shapes()).expect("any text");
        for Candidate { recipe, cycles } in found.problem.estimated(target) {
            writeln!(text, "  {cycles:12.0} cycles: {}", recipe.name()).expect("any text");
        }
    }
    text
}
