//! How the time to compile a training step grows with the depth of a network: chains of residual blocks, each built in a
//! process of its own, whose memory is fresh. Prints the shortest of several times, and that time for each block against
//! the shallowest chain's. With `--profile dev` it tells what a debug build costs.
//!
//! ```text
//! cargo bench --bench depth                                 depths 25 to 1600
//! cargo bench --bench depth -- norms 100 400 --runs 9       one kind, some depths
//! cargo bench --profile dev --bench depth -- layernorms 100
//! ```

use std::process::{Command, ExitCode};
use std::time::Instant;

use kiln::graph::{Builder, Init, Value};
use kiln::prelude::*;

/// The kinds of chains.
const KINDS: [&str; 3] = ["norms", "layernorms", "convolutions"];

/// The depths that are measured where none is given.
const DEPTHS: [usize; 4] = [25, 100, 400, 1600];

/// `x + l(x)` for each block, of which there are as many as the program was asked for.
struct Chain<B> {
    blocks: Vec<B>,
}

impl<B: Layer> Layer for Chain<B> {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        let mut x = x;
        for (number, block) in self.blocks.iter().enumerate() {
            let _scope = g.enter(&number.to_string());
            x = x + block.forward(g, x);
        }
        x
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        for (number, block) in self.blocks.iter().enumerate() {
            path.enter(&number.to_string(), |path| block.visit(path, f));
        }
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        for (number, block) in self.blocks.iter_mut().enumerate() {
            path.enter(&number.to_string(), |path| block.visit_mut(path, f));
        }
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        self.blocks.iter().for_each(|block| block.describe(path, f));
    }
}

model! {
    struct Norm { l: Linear(16, 16), n: BatchNorm1d(16) }

    fn forward(x: [N, 16]) -> [N, 16] {
        n(l(x)).tanh()
    }
}

model! {
    struct Layered { l: Linear(16, 16), n: LayerNorm(16) }

    fn forward(x: [N, 16]) -> [N, 16] {
        n(l(x)).tanh()
    }
}

model! {
    struct Convolved { l: Conv2d(4, 4, 3, padding = 1), n: BatchNorm2d(4) }

    fn forward(x: [N, 4, 8, 8]) -> [N, 4, 8, 8] {
        n(l(x)).relu()
    }
}

impl<B: Model<Input = f32, Output = f32>> Model for Chain<B> {
    type Input = f32;
    type Output = f32;
    const INPUT: Shape = B::INPUT;
    const OUTPUT: Shape = B::OUTPUT;

    fn new(init: &mut Init) -> Self {
        let depth = asked("--depth").expect("a chain is built by the process of its depth");
        Chain { blocks: (0..depth).map(|_| B::new(init)).collect() }
    }
}

/// The number behind a word of the command line.
fn asked(word: &str) -> Option<usize> {
    std::env::args().skip_while(|given| given != word).nth(1)?.parse().ok()
}

/// The seconds that it takes to build the trainer of a chain.
fn seconds<B: Model<Input = f32, Output = f32>>() -> f64 {
    let model = Chain::<B>::init(0);
    let start = Instant::now();
    let built = Trainer::new(model, mse(), Adam::default()).batch(8).threads(1).build();
    let seconds = start.elapsed().as_secs_f64();
    drop(built.expect("the chain compiles"));
    seconds
}

/// The shortest time of some processes that each build one chain.
fn shortest(kind: &str, depth: usize, runs: usize) -> Result<f64, Box<dyn std::error::Error>> {
    let mut shortest = f64::INFINITY;
    for _ in 0..runs {
        let output =
            Command::new(std::env::current_exe()?).args(["--once", kind, "--depth", &depth.to_string()]).output()?;
        shortest = shortest.min(String::from_utf8(output.stdout)?.trim().parse()?);
    }
    Ok(shortest)
}

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    if let [once, kind, ..] = &given[..]
        && once == "--once"
    {
        let seconds = match kind.as_str() {
            "norms" => seconds::<Norm>(),
            "layernorms" => seconds::<Layered>(),
            _ => seconds::<Convolved>(),
        };
        println!("{seconds}");
        return ExitCode::SUCCESS;
    }
    let named: Vec<&str> = KINDS.into_iter().filter(|kind| given.iter().any(|word| word == kind)).collect();
    let before_runs = given.iter().take_while(|word| *word != "--runs");
    let depths: Vec<usize> = before_runs.filter_map(|word| word.parse().ok()).collect();
    let runs = asked("--runs").unwrap_or(5);
    println!("{:>14} {:>7} {:>10} {:>10}  for each block, against the first", "", "blocks", "seconds", "us/block");
    for kind in if named.is_empty() { KINDS.to_vec() } else { named } {
        let mut first = None;
        for &depth in if depths.is_empty() { &DEPTHS[..] } else { &depths } {
            match shortest(kind, depth, runs) {
                Ok(seconds) => {
                    let each = seconds / depth as f64;
                    let growth = each / *first.get_or_insert(each);
                    println!("{kind:>14} {depth:>7} {seconds:>10.4} {:>10.1}  {growth:.2}", each * 1e6);
                }
                Err(error) => {
                    eprintln!("{kind} of {depth} blocks: {error}");
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    ExitCode::SUCCESS
}
