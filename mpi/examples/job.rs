//! A job for `mpi/run-tests`: some steps of a network by as many processes as were started. Each prints the bits of its
//! losses and a number that stands for all of its states; the script compares.
//!
//! `job NETWORK STEPS SHARDS` (`wire` is no network, but its sums alone), and by the environment: `JOB_FOLDER` for
//! checkpoints, from which it goes on; `JOB_PAUSE`, milliseconds after each step; `JOB_STALL`, a rank that stops in its
//! second step; `JOB_FAIL`, a rank that fails in its second step, and with `JOB_SAYS` says why; `JOB_DIFFER`, a rank
//! with another learning rate, or one number more to sum; `JOB_LIMIT`, seconds that ranks wait for each other;
//! `JOB_TIME`, to print the shortest step; `JOB_ACCUMULATE`, of how many batches a step is; `JOB_PROFILE`, a folder to
//! which rank 0 writes the profile of a step and its trace; `JOB_ROWS`, rows of a batch. With checkpoints, and an MPI
//! that can do that, those that are left go on when a rank has died.

#[path = "../../benches/suite/networks.rs"]
#[allow(dead_code)] // Other networks of the suite.
mod networks;

use std::env;
use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use kiln::Training;
use kiln::checkpoints::{Checkpoints, Every};
use kiln::distributed::World;
use kiln::graph::Parameters;
use kiln::prelude::*;
use kiln::random::uniform;
use ndarray::{Array1, Array2, ArrayD, IxDyn};

use networks::{Characters, CharactersTrainer, LeNet, ResNet18};

model! {
    struct Gan {
        generator: (Linear(16, 64), BatchNorm1d(64), Linear(64, 64)),
        discriminator: (Linear(64, 64), Linear(64, 1)),
        opt_d: Adam(discriminator, lr = 0.001),
        opt_g: Adam(generator, lr = 0.001),
    }

    step train(real: [N, 64], noise: [N, 16]) -> (d_loss, g_loss) {
        let fake = generator.2(generator.1(generator.0(noise)).relu()).tanh();
        let of_real = discriminator.1(discriminator.0(real).relu());
        let of_fake = discriminator.1(discriminator.0(fake.detach()).relu());
        let d_loss = bce_with_logits(of_real, ones_like(of_real)) + bce_with_logits(of_fake, zeros_like(of_fake));
        opt_d.minimize(d_loss);
        let judged = discriminator.1(discriminator.0(fake).relu());
        let g_loss = bce_with_logits(judged, ones_like(judged));
        opt_g.minimize(g_loss);
    }
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

fn numbers(shape: &[usize], seed: u64) -> ArrayD<f32> {
    let count = shape.iter().product();
    let values = (0..count).map(|place| 2.0 * uniform(seed, 0, 0, place as u64) - 1.0).collect();
    ArrayD::from_shape_vec(IxDyn(shape), values).expect("as many values as the shape holds")
}

fn whole(shape: &[usize], below: i32, seed: u64) -> ArrayD<i32> {
    numbers(shape, seed).mapv(|number| ((number + 1.0) / 2.0 * below as f32) as i32)
}

/// The job, as its arguments say.
struct Job {
    world: World,
    steps: u64,
    shards: usize,
    rate: f64,
}

impl Job {
    /// Takes all steps that are left, and prints what came of them.
    fn run<T: Training>(
        &self,
        mut trainer: T,
        mut step: impl FnMut(&mut T, u64) -> Result<f32, TrainError>,
        model: impl FnOnce(&mut T) -> u64,
    ) -> Result<(), Box<dyn Error>> {
        self.world.set_time_limit(Duration::from_secs(number("JOB_LIMIT").unwrap_or(60)));
        let folder = env::var_os("JOB_FOLDER").map(PathBuf::from);
        let mut checkpoints = folder.map(|folder| Checkpoints::new(folder).every(Every::Steps(2)));
        let resumed = checkpoints.as_mut().map(|checkpoints| checkpoints.resume(&mut trainer)).transpose()?;
        let mut run = resumed.flatten().unwrap_or_default();
        let mut shortest = Duration::MAX;
        println!("rank {} is process {}", self.world.rank(), std::process::id());
        while run.step < self.steps {
            let rank = self.world.rank();
            if run.step == 1 && number("JOB_STALL") == Some(rank as u64) {
                thread::sleep(Duration::from_secs(600));
            }
            if run.step == 1 && number("JOB_FAIL") == Some(rank as u64) {
                let error = "images/7.png: no such file";
                if env::var_os("JOB_SAYS").is_some() {
                    self.world.leave(error);
                }
                return Err(error.into());
            }
            let start = Instant::now();
            let loss = match (step(&mut trainer, run.step), &mut checkpoints) {
                (Err(TrainError::Exchange(error)), Some(checkpoints)) if error.is_loss() && self.world.recovers() => {
                    self.world.recover()?;
                    run = checkpoints.resume(&mut trainer)?.ok_or("no checkpoint to go on from")?;
                    let (rank, ranks) = (self.world.rank(), self.world.ranks());
                    println!("recovered: rank {rank} of {ranks} goes on from step {}", run.step);
                    continue;
                }
                (loss, _) => loss?,
            };
            shortest = shortest.min(start.elapsed());
            println!("rank {rank} step {} loss {:08x}", run.step, loss.to_bits());
            run.end_batch();
            if let Some(checkpoints) = &mut checkpoints {
                checkpoints.save_if_due(&trainer, &run)?;
            }
            thread::sleep(Duration::from_millis(number("JOB_PAUSE").unwrap_or(0)));
        }
        let rank = self.world.rank();
        if number("JOB_TIME").is_some() {
            println!("rank {rank} shortest step {:.3} ms", shortest.as_secs_f64() * 1e3);
        }
        println!("rank {rank} state {:016x}", model(&mut trainer));
        Ok(())
    }

    /// Sums as many numbers as resnet18 has parameters, in as many pieces as its step does, and computes nothing.
    fn exchange(&self) -> Result<(), Box<dyn Error>> {
        let more = usize::from(number("JOB_DIFFER") == Some(self.world.rank() as u64));
        let numbers = vec![self.world.rank() as f32; 11_173_962 / 8 + more];
        let mut shortest = Duration::MAX;
        for _ in 0..self.steps {
            let start = Instant::now();
            (0..8).try_for_each(|_| self.world.sum(&numbers).map(drop))?;
            shortest = shortest.min(start.elapsed());
        }
        println!("rank {} shortest step {:.3} ms", self.world.rank(), shortest.as_secs_f64() * 1e3);
        Ok(())
    }

    fn train<M: Model<Output = f32>>(
        &self,
        batch: usize,
        mut give: impl FnMut(&mut Trained<M>, u64) -> Result<f32, TrainError>,
    ) -> Result<(), Box<dyn Error>> {
        let adam = Adam::default().lr(self.rate).accumulate(number("JOB_ACCUMULATE").unwrap_or(1) as u32);
        let trainer = Trainer::new(M::init(1), cross_entropy(), adam).batch(batch);
        let mut trainer = trainer.distributed(&self.world).shards(self.shards).build()?;
        if let Some(folder) = env::var_os("JOB_PROFILE").map(PathBuf::from) {
            let profile = trainer.profile()?;
            if self.world.rank() == 0 {
                profile.save_trace(folder.join("trace.json"))?;
                std::fs::write(folder.join("profile.txt"), profile.to_string())?;
            }
        }
        self.run(trainer, |trainer, number| give(trainer, number), |trainer| hash(trainer.model()))
    }
}

type Trained<M> = Trainer<M, kiln::losses::CrossEntropy, Adam>;

/// A number that stands for all parameters.
fn hash(model: &impl Parameters) -> u64 {
    let mut hasher = DefaultHasher::new();
    model.each_parameter(&mut |name, parameter| {
        name.hash(&mut hasher);
        parameter.value.iter().for_each(|value| value.to_bits().hash(&mut hasher));
    });
    hasher.finish()
}

fn main() -> ExitCode {
    match job() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // In one piece: several ranks write to one terminal.
            _ = io::stderr().write_all(format!("error: {error}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn job() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [network, steps, shards] = &arguments[..] else { return Err("usage: job NETWORK STEPS SHARDS".into()) };
    let world = kiln_mpi::world()?;
    let differs = number("JOB_DIFFER") == Some(world.rank() as u64);
    let rate = if differs { 0.5 } else { 0.001 };
    let job = Job { world, steps: steps.parse()?, shards: shards.parse()?, rate };
    let rows = |usual: u64| number("JOB_ROWS").unwrap_or(usual) as usize;
    let labels = |rows: usize, step: u64| -> Array1<i32> {
        whole(&[rows], 10, 99 + step).into_dimensionality().expect("one axis")
    };
    match network.as_str() {
        "lenet" => {
            let rows = rows(32);
            job.train::<LeNet>(rows, |t, step| t.step(&numbers(&[rows, 1, 28, 28], step), &labels(rows, step)))
        }
        "resnet18" => {
            let rows = rows(8);
            job.train::<ResNet18>(rows, |t, step| t.step(&numbers(&[rows, 3, 32, 32], step), &labels(rows, step)))
        }
        "gpt" => {
            let rows = rows(4);
            let trainer =
                Characters::init(1).trainer().batch(rows).distributed(&job.world).shards(job.shards).build()?;
            let step = |trainer: &mut CharactersTrainer, step: u64| {
                trainer.fit(&whole(&[rows, 128], 65, step), &whole(&[rows, 128], 65, 9 + step))
            };
            job.run(trainer, step, |trainer| hash(trainer.model()))
        }
        "gan" => {
            let trainer = Gan::init(1).trainer().batch(16).distributed(&job.world).shards(job.shards).build()?;
            let step = |trainer: &mut GanTrainer, step: u64| -> Result<f32, TrainError> {
                let (real, noise): (Array2<f32>, Array2<f32>) = (
                    numbers(&[16, 64], step).into_dimensionality().expect("two axes"),
                    numbers(&[16, 16], 77 + step).into_dimensionality().expect("two axes"),
                );
                let (d, g) = trainer.train(&real, &noise)?;
                Ok(d + g)
            };
            job.run(trainer, step, |trainer| hash(trainer.model()))
        }
        "wire" => job.exchange(),
        other => Err(format!("no network `{other}`").into()),
    }
}
