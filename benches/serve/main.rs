//! A server's load on one predictor: clients that ask again as soon as they have their answer, each on a thread of its own, for one
//! sample a request. `cargo bench --bench serve`; docs/serving.md has the figures.
//!
//! `shared` is one predictor that all clients call at once, `mutex` the same behind a lock that one client holds at a time. Each
//! figure is that of the round with the most requests; rounds of all ways take turns, so that other load meets all of them.
//! Options: `--seconds 0.5` of a round, `--rounds 5`, `--clients 1,2,4,8`, `--threads 2` of the ways that use the pool,
//! `--calls 2` for `concurrent_calls`, `--networks mlp,convnet`.

use std::error::Error;
use std::sync::{Barrier, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use kiln::prelude::*;
use kiln::runtime::threads::processors;
use ndarray::{ArrayD, Dimension, IxDyn};

model! {
    struct Mlp { first: Linear(784, 256), second: Linear(256, 128), third: Linear(128, 10) }

    fn forward(x: [N, 784]) -> [N, 10] {
        third(second(first(x).relu()).relu())
    }
}

model! {
    struct ConvNet {
        blocks: [Sequential { conv: Conv2d(32, 32, 3, padding = 1), norm: BatchNorm2d(32), act: ReLU }; 4],
        stem: Conv2d(3, 32, 3, padding = 1),
        pool: MaxPool2d(2),
        fc: Linear(32 * 16 * 16, 10),
    }

    fn forward(x: [N, 3, 32, 32]) -> [N, 10] {
        x = stem(x).relu();
        for block in blocks {
            x = x + block(x);
        }
        fc(pool(x).flatten(1))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read()?;
    println!("{} processors", processors());
    for network in &options.networks {
        match network.as_str() {
            "mlp" => serve::<Mlp>(network, &options, &[1, 784])?,
            "convnet" => serve::<ConvNet>(network, &options, &[1, 3, 32, 32])?,
            other => return Err(format!("there is no network `{other}`, but `mlp` and `convnet`").into()),
        }
    }
    Ok(())
}

struct Options {
    seconds: f64,
    rounds: usize,
    clients: Vec<usize>,
    threads: usize,
    calls: Option<usize>,
    networks: Vec<String>,
}

impl Options {
    fn read() -> Result<Options, Box<dyn Error>> {
        let mut options = Options {
            seconds: 0.5,
            rounds: 5,
            clients: vec![1, 2, 4, 8],
            threads: processors(),
            calls: None,
            networks: vec!["mlp".to_owned(), "convnet".to_owned()],
        };
        // Cargo adds `--bench`.
        let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("`{word}` takes a value"))?;
            let list = || value.split(',').map(str::to_owned);
            match word.as_str() {
                "--seconds" => options.seconds = value.parse()?,
                "--rounds" => options.rounds = value.parse()?,
                "--clients" => options.clients = list().map(|count| count.parse()).collect::<Result<_, _>>()?,
                "--threads" => options.threads = value.parse()?,
                "--calls" => options.calls = Some(value.parse()?),
                "--networks" => options.networks = list().collect(),
                _ => return Err(format!("there is no option `{word}`").into()),
            }
        }
        Ok(options)
    }
}

/// What one round gave.
#[derive(Clone, Default)]
struct Round {
    /// Of each request, in order.
    seconds: Vec<f64>,
    /// Requests in a second.
    rate: f64,
}

/// One way to answer.
struct Way<M: Model> {
    name: String,
    predictor: Predictor<M>,
    lock: Option<Mutex<()>>,
}

fn serve<M>(network: &str, options: &Options, shape: &[usize]) -> Result<(), Box<dyn Error>>
where
    M: Model<Input = f32, Output = f32> + Send + Sync,
{
    let mut ways = Vec::new();
    for threads in [1, options.threads] {
        for locked in [false, true] {
            let builder = Predictor::new(M::init(1)).batch(1).threads(threads);
            let builder = options.calls.into_iter().fold(builder, |builder, calls| builder.concurrent_calls(calls));
            let name = format!("{}, {threads} thread(s)", if locked { "mutex" } else { "shared" });
            ways.push(Way { name, predictor: builder.build()?, lock: locked.then(Mutex::default) });
        }
        if options.threads == 1 {
            break;
        }
    }
    println!(
        "{network}\n  {:<22} {:>7} {:>12} {:>10} {:>10} {:>10}",
        "", "clients", "requests/s", "p50 us", "p99 us", "max us"
    );
    for &clients in &options.clients {
        let mut best = vec![Round::default(); ways.len()];
        for _ in 0..options.rounds {
            for (way, best) in ways.iter().zip(&mut best) {
                let round = way.round(clients, Duration::from_secs_f64(options.seconds), shape);
                if round.rate > best.rate {
                    *best = round;
                }
            }
        }
        for (way, Round { seconds, rate }) in ways.iter().zip(&best) {
            let at = |part: f64| 1e6 * seconds[((seconds.len() - 1) as f64 * part) as usize];
            let (median, late, last) = (at(0.5), at(0.99), at(1.0));
            println!("  {:<22} {clients:>7} {rate:>12.0} {median:>10.1} {late:>10.1} {last:>10.1}", way.name);
        }
    }
    Ok(())
}

impl<M: Model<Input = f32, Output = f32> + Send + Sync> Way<M> {
    /// So many clients, for so long.
    fn round(&self, clients: usize, time: Duration, shape: &[usize]) -> Round {
        let (start, begin) = (Barrier::new(clients), OnceLock::new());
        let client = |number: usize| {
            let x = ArrayD::from_shape_fn(IxDyn(shape), |at| (at.slice().iter().sum::<usize>() + number) as f32 * 0.01);
            let (mut out, mut seconds) = (ArrayD::zeros(vec![1, 10]), Vec::with_capacity(1 << 20));
            let mut ask = || {
                let _turn = self.lock.as_ref().map(|lock| lock.lock().expect("no panic"));
                self.predictor.predict_into(&x, &mut out).expect("the shapes are right");
            };
            (0..20).for_each(|_| ask());
            start.wait();
            // One time for all: where there are more clients than processors, the last one begins later.
            let begin = *begin.get_or_init(Instant::now);
            let mut before = Instant::now();
            while before - begin < time {
                ask();
                let now = Instant::now();
                seconds.push((now - before).as_secs_f64());
                before = now;
            }
            seconds
        };
        let mut seconds: Vec<f64> = thread::scope(|scope| {
            let clients: Vec<_> = (0..clients)
                .map(|number| {
                    let client = &client;
                    scope.spawn(move || client(number))
                })
                .collect();
            clients.into_iter().flat_map(|client| client.join().expect("no panic")).collect()
        });
        seconds.sort_by(f64::total_cmp);
        Round { rate: seconds.len() as f64 / time.as_secs_f64(), seconds }
    }
}
