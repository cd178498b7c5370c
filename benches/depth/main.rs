//! How the time to compile a training step grows with the depth of a network: chains of residual blocks, each built in a
//! process of its own, whose memory is fresh. Prints the shortest of several times, and that time for each block against
//! the shallowest chain's. Networks of the suite (`benches/suite`) are asked for by name, and have one depth. With
//! `--profile dev` it tells what a debug build costs.
//!
//! ```text
//! cargo bench --bench depth                                 depths 25 to 1600
//! cargo bench --bench depth -- norms 100 400 --runs 9       one kind, some depths
//! cargo bench --profile dev --bench depth -- layernorms 100
//! cargo bench --profile dev --bench depth -- hourglass resnet18 lstm gpt
//! ```

// Of the suite's networks the optimizers alone are not asked for.
#[allow(dead_code)]
#[path = "../suite/networks.rs"]
mod networks;

use std::process::{Command, ExitCode};
use std::time::Instant;

use kiln::graph::{Builder, Init, Value};
use kiln::prelude::*;

use crate::networks::{
    Characters, Hourglass, LeNet, MlpMnist, MlpTiny, ModuleList, Recurrent, ResNet18, Transformer, VggBn, Volumes,
};

/// The kinds of chains.
const KINDS: [&str; 3] = ["norms", "layernorms", "convolutions"];

/// The networks of the suite.
const NETWORKS: [&str; 11] = [
    "mlp_tiny",
    "mlp_mnist",
    "module_list",
    "lenet",
    "vgg_bn",
    "resnet18",
    "hourglass",
    "conv3d",
    "transformer",
    "lstm",
    "gpt",
];

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

/// The seconds that it takes to build something. A function of its own, so that callgrind can count what it executes:
/// `valgrind --tool=callgrind --toggle-collect='depth::timed*' PROGRAM --once resnet18`.
#[inline(never)]
fn timed<T>(build: impl FnOnce() -> Result<T, TrainError>) -> f64 {
    let start = Instant::now();
    let built = build();
    let seconds = start.elapsed().as_secs_f64();
    drop(built.expect("the network compiles"));
    seconds
}

/// The seconds that it takes to build the trainer of a model.
fn seconds(model: impl Model<Input = f32, Output = f32>, loss: impl Loss, batch: usize) -> f64 {
    timed(|| Trainer::new(model, loss, Adam::default()).batch(batch).threads(1).build())
}

/// The same of a kind of chain, or of a network of the suite with its batch size.
fn seconds_of(name: &str) -> f64 {
    match name {
        "norms" => seconds(Chain::<Norm>::init(0), mse(), 8),
        "layernorms" => seconds(Chain::<Layered>::init(0), mse(), 8),
        "convolutions" => seconds(Chain::<Convolved>::init(0), mse(), 8),
        "mlp_tiny" => seconds(MlpTiny::init(0), cross_entropy(), 32),
        "mlp_mnist" => seconds(MlpMnist::init(0), cross_entropy(), 64),
        "module_list" => seconds(ModuleList::init(0), cross_entropy(), 32),
        "lenet" => seconds(LeNet::init(0), cross_entropy(), 64),
        "vgg_bn" => seconds(VggBn::init(0), cross_entropy(), 32),
        "resnet18" => seconds(ResNet18::init(0), cross_entropy(), 16),
        "hourglass" => seconds(Hourglass::init(0), mse(), 4),
        "conv3d" => seconds(Volumes::init(0), cross_entropy(), 4),
        "transformer" => seconds(Transformer::init(0), cross_entropy(), 16),
        "lstm" => seconds(Recurrent::init(0), cross_entropy(), 32),
        "gpt" => {
            let model = Characters::init(0);
            timed(|| model.trainer().batch(8).threads(1).build())
        }
        name => panic!("there is no `{name}`"),
    }
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
        println!("{}", seconds_of(kind));
        return ExitCode::SUCCESS;
    }
    let all = KINDS.into_iter().chain(NETWORKS);
    let named: Vec<&str> = all.filter(|name| given.iter().any(|word| word == name)).collect();
    let before_runs = given.iter().take_while(|word| *word != "--runs");
    let depths: Vec<usize> = before_runs.filter_map(|word| word.parse().ok()).collect();
    let runs = asked("--runs").unwrap_or(5);
    println!("{:>14} {:>7} {:>10} {:>10}  for each block, against the first", "", "blocks", "seconds", "us/block");
    for kind in if named.is_empty() { KINDS.to_vec() } else { named } {
        let mut first = None;
        let depths = match NETWORKS.contains(&kind) {
            true => &[1],
            false if depths.is_empty() => &DEPTHS[..],
            false => &depths,
        };
        for &depth in depths {
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
