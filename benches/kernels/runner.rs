//! Emitted kernels with the buffers that they run on.

use std::time::Instant;

use kiln_jit::code::Code;
use kiln_jit::kernel::{Kernel, Slice};

/// A kernel that takes longer, in seconds, runs task by task.
const LONG: f64 = 2e-4;

/// Kernels that run one after the other.
pub struct Runner {
    code: Code,
    /// For each kernel its tasks and the buffers that it takes.
    calls: Vec<(usize, Vec<usize>)>,
    buffers: Vec<Aligned>,
    emission: f64,
    /// For each kernel the fastest run of each of its parts, in seconds. A kernel that takes long runs task by task, so that
    /// what other programs do to one of them does not count.
    fastest: Vec<Vec<f64>>,
}

/// Elements from a multiple of 64 bytes on.
#[derive(Default)]
struct Aligned {
    storage: Vec<f32>,
    start: usize,
    elements: usize,
}

impl Aligned {
    fn new(elements: usize) -> Aligned {
        let storage: Vec<f32> = (0..elements + 16).map(|i| (i % 17) as f32 * 0.1 + 0.1).collect();
        let start = storage.as_ptr().align_offset(64);
        Aligned { storage, start, elements }
    }

    fn slice(&mut self) -> &mut [f32] {
        &mut self.storage[self.start..self.start + self.elements]
    }
}

impl Runner {
    /// Emits kernels over buffers of the given lengths; each kernel comes with the buffers that it takes.
    pub fn new(kernels: Vec<(Kernel, Vec<usize>)>, buffers: &[usize]) -> Runner {
        let (kernels, arguments): (Vec<Kernel>, Vec<Vec<usize>>) = kernels.into_iter().unzip();
        let start = Instant::now();
        let code = Code::new(&kernels, crate::target().emitter).unwrap_or_else(|error| panic!("{error}"));
        let emission = start.elapsed().as_secs_f64();
        let calls: Vec<(usize, Vec<usize>)> = kernels.iter().map(Kernel::tasks).zip(arguments).collect();
        let fastest = vec![vec![f64::INFINITY]; calls.len()];
        let buffers = buffers.iter().map(|&elements| Aligned::new(elements)).collect();
        Runner { code, calls, buffers, emission, fastest }
    }

    /// Runs all kernels once.
    pub fn run(&mut self) {
        for (kernel, (tasks, arguments)) in self.calls.iter().enumerate() {
            let mut taken: Vec<Aligned> =
                arguments.iter().map(|&buffer| std::mem::take(&mut self.buffers[buffer])).collect();
            let mut slices: Vec<Slice<'_>> = taken.iter_mut().map(|buffer| buffer.slice().into()).collect();
            let fastest = &mut self.fastest[kernel];
            if *tasks > 1 && fastest.len() == 1 && fastest[0] < f64::INFINITY && fastest[0] > LONG {
                *fastest = vec![f64::INFINITY; *tasks];
            }
            let parts = fastest.len();
            for (part, fastest) in fastest.iter_mut().enumerate() {
                let part = if parts == 1 { 0..*tasks } else { part..part + 1 };
                let start = Instant::now();
                self.code.call(kernel, &mut slices, part).unwrap_or_else(|error| panic!("{error}"));
                *fastest = fastest.min(start.elapsed().as_secs_f64());
            }
            drop(slices);
            arguments.iter().zip(taken).for_each(|(&buffer, taken)| self.buffers[buffer] = taken);
        }
    }

    /// The sum of the fastest runs of all parts, in seconds.
    pub fn fastest(&self) -> f64 {
        self.fastest.iter().flatten().sum()
    }

    /// The size of the code, what it took to emit it, and the fastest run of each kernel with the number of its tasks.
    pub fn describe(&self) -> String {
        let kernel = |(parts, (tasks, _)): (&Vec<f64>, &(usize, Vec<usize>))| {
            format!("{:.1} ({tasks})", parts.iter().sum::<f64>() * 1e6)
        };
        let fastest: Vec<String> = self.fastest.iter().zip(&self.calls).map(kernel).collect();
        let (size, emission) = (self.code.bytes() as f64 / 1e3, self.emission * 1e3);
        format!("{size:.1} KB in {emission:.2} ms, {} us", fastest.join(" + "))
    }
}
