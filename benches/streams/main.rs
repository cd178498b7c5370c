//! Programs that memory bounds against plain loops over the same bytes, on one thread, interleaved:
//! `cargo bench --bench streams`. Adam's update, and batch normalization with ReLU in training, of tensors that fit into the
//! second-level cache, into a usual last-level cache, and into neither. Both must give the same numbers.

mod plain;

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use kiln::graph::model::Init;
use kiln::graph::{Builder, Shape, Type, optimize};
use kiln::jit::{CompileOptions, Program, Session, States};
use kiln::layers::{BatchNorm1d, BatchNorm2d, BatchNormSettings};
use kiln::prelude::*;
use kiln::runtime::Pool;
use ndarray::{Array1, ArrayD, ArrayViewD};

use plain::{AdamLoop, Loop, PixelLoop, PlaneLoop};

/// Turns through both.
const ROUNDS: usize = 41;
/// What one measurement lasts at least, in seconds.
const LONG: f64 = 2e-3;

fn main() -> Result<(), Box<dyn Error>> {
    println!("{:<50} {:>10} {:>10} {:>8} {:>12}", "", "Kiln (us)", "loop (us)", "GB/s", "loop / Kiln");
    for count in [1 << 14, 1 << 20, 10_000_000] {
        adam(count)?.run()?;
    }
    planes::<16>(4, 32)?.run()?;
    planes::<64>(32, 32)?.run()?;
    planes::<128>(64, 64)?.run()?;
    pixels::<16>(4 * 32 * 32)?.run()?;
    pixels::<64>(32 * 32 * 32)?.run()?;
    pixels::<128>(64 * 64 * 64)?.run()
}

/// A program of Kiln's with its states, and the loop.
struct Contest {
    name: String,
    /// What each of them reads and writes.
    bytes: usize,
    session: Session,
    states: States,
    /// The state that is compared; none: the output.
    compared: Option<&'static str>,
    plain: Box<dyn Loop>,
}

impl Contest {
    /// A step of each, whose numbers are compared; then the times.
    fn run(mut self) -> Result<(), Box<dyn Error>> {
        self.session.run(&mut self.states)?;
        self.plain.step();
        self.compare()?;
        let Contest { name, bytes, mut session, mut states, mut plain, .. } = self;
        let mut ours = || session.run(&mut states);
        let start = Instant::now();
        ours()?;
        let repeats = (LONG / start.elapsed().as_secs_f64()).ceil() as usize;
        let (mut our_times, mut plain_times) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for _ in 0..repeats {
                ours()?;
            }
            our_times.push(start.elapsed().as_secs_f64());
            let start = Instant::now();
            (0..repeats).for_each(|_| plain.step());
            plain_times.push(start.elapsed().as_secs_f64());
        }
        let [ours, plain] = [our_times, plain_times].map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2] / repeats as f64
        });
        let (speed, ratio) = (bytes as f64 / ours * 1e-9, 100.0 * plain / ours);
        println!("{name:<50} {:>10.1} {:>10.1} {speed:>8.1} {ratio:>10.0} %", ours * 1e6, plain * 1e6);
        Ok(())
    }

    fn compare(&self) -> Result<(), Box<dyn Error>> {
        let state = self.compared.and_then(|name| self.states.read(name));
        let ours = state.unwrap_or_else(|| self.session.output(0).to_owned());
        for (ours, plain) in ours.iter().zip(self.plain.numbers()) {
            if (ours - plain).abs() > 1e-4 * plain.abs().max(1.0) {
                return Err(format!("{}: {ours} in Kiln, {plain} in the loop", self.name).into());
            }
        }
        Ok(())
    }
}

/// Numbers in [-1, 1) that look random.
fn numbers(count: usize, salt: u32) -> Vec<f32> {
    let mixed = |i: u32| (i ^ salt).wrapping_mul(0x9E37_79B9).rotate_left(13).wrapping_mul(0x85EB_CA6B);
    (0..count as u32).map(|i| (mixed(i) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// The graph's program on one thread, and its states with the given numbers.
fn program(g: Builder, given: &[(&str, &[f32])]) -> Result<(Session, States), Box<dyn Error>> {
    let program = Program::compile(&optimize(&g.finish()?), &CompileOptions::default())?;
    let mut states = States::new();
    let session = Session::new(Arc::new(program), &mut states, Arc::new(Pool::new(1)))?;
    for (name, numbers) in given {
        let shape = states.ty(name).ok_or_else(|| format!("there is no {name}"))?.shape;
        states.write(name, ArrayViewD::from_shape(shape.dims(), numbers)?)?;
    }
    Ok((session, states))
}

fn adam(count: usize) -> Result<Contest, Box<dyn Error>> {
    let (parameter, gradient) = (numbers(count, 1), numbers(count, 2));
    let g = Builder::new("adam");
    let states = ["parameter", "gradient"].map(|name| g.state(name, Type::f32(Shape::new(&[count]))));
    let adam = Adam::default();
    adam.apply(&g, &[("parameter".to_string(), states[0])], &states[1..]);
    let (session, mut states) = program(g, &[("parameter", &parameter), ("gradient", &gradient)])?;
    for (name, shape, value) in adam.initial_state(&[("parameter".to_string(), Shape::new(&[count]))]) {
        states.write(&name, ArrayD::from_elem(shape.dims(), value).view())?;
    }
    let plain = Box::new(AdamLoop::new(parameter, gradient));
    Ok(Contest {
        name: format!("Adam, {count}"),
        bytes: 7 * 4 * count,
        session,
        states,
        compared: Some("parameter"),
        plain,
    })
}

/// Batch normalization of images, as PyTorch lays them out.
fn planes<const C: usize>(samples: usize, side: usize) -> Result<Contest, Box<dyn Error>> {
    let shape = Shape::new(&[samples, C, side, side]);
    let (session, states, x) = normalized(shape, &BatchNorm2d::<C>::new(BatchNormSettings::new(), &mut Init::new(0)))?;
    let plain = Box::new(PlaneLoop::new(samples, C, side * side, x));
    let name = format!("batch norm + ReLU, {samples} x {C} x {side} x {side}");
    Ok(Contest { name, bytes: 3 * 4 * shape.elements(), session, states, compared: None, plain })
}

/// Batch normalization of rows: what images are with the channels last.
fn pixels<const C: usize>(count: usize) -> Result<Contest, Box<dyn Error>> {
    let shape = Shape::new(&[count, C]);
    let (session, states, x) = normalized(shape, &BatchNorm1d::<C>::new(BatchNormSettings::new(), &mut Init::new(0)))?;
    let plain = Box::new(PixelLoop::new(C, x));
    let name = format!("batch norm + ReLU, {count} x {C}");
    Ok(Contest { name, bytes: 3 * 4 * shape.elements(), session, states, compared: None, plain })
}

/// A layer in training, then ReLU, of random numbers.
fn normalized(shape: Shape, layer: &impl Layer) -> Result<(Session, States, Vec<f32>), Box<dyn Error>> {
    let x = numbers(shape.elements(), 3);
    let g = Builder::new("normalize");
    g.set_mode(Mode::Train);
    let given = g.state("x", Type::f32(shape));
    g.output("y", layer.forward(&g, given).relu());
    let ones = Array1::ones(shape.dim(1)).to_vec();
    let (session, states) = program(g, &[("x", &x), ("weight", &ones), ("running_var", &ones)])?;
    Ok((session, states, x))
}
