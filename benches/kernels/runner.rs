//! Emitted kernels with the memory that they run on.

use std::sync::Arc;
use std::time::Instant;

use kiln_jit::code::{BoundCall, Code, Memory, Sequence};
use kiln_jit::kernel::Kernel;
use kiln_jit::plan::worth_sharing;
use kiln_rt::buffer::ALIGNMENT;
use kiln_rt::{Buffer, Pool};

/// Kernels that run one after the other, each with its tasks shared among the threads of a pool: a program's way.
pub struct Runner {
    sequence: Sequence,
    /// The number of tasks of each kernel.
    tasks: Vec<usize>,
    emission: f64,
    /// The fastest run of each kernel, in seconds.
    fastest: Vec<f64>,
}

impl Runner {
    /// Emits kernels over buffers of the given lengths; each kernel comes with the buffers that it takes and its
    /// floating-point operations.
    pub fn new(kernels: Vec<(Kernel, Vec<usize>, u64)>, buffers: &[usize]) -> Runner {
        let flops: Vec<u64> = kernels.iter().map(|(.., flops)| *flops).collect();
        let (kernels, arguments): (Vec<Kernel>, Vec<Vec<usize>>) =
            kernels.into_iter().map(|(kernel, arguments, _)| (kernel, arguments)).unzip();
        let start = Instant::now();
        let code = Code::new(&kernels, crate::target().emitter).unwrap_or_else(|error| panic!("{error}"));
        let emission = start.elapsed().as_secs_f64();
        let tasks: Vec<usize> = kernels.iter().map(Kernel::tasks).collect();
        let (mut offsets, mut bytes) = (Vec::new(), 0);
        for elements in buffers {
            offsets.push(bytes);
            bytes += (size_of::<f32>() * elements).next_multiple_of(ALIGNMENT);
        }
        let call = |(kernel, arguments): (usize, &Vec<usize>)| {
            let place = |&buffer: &usize| (Memory::Arena(offsets[buffer]), buffers[buffer]);
            let bytes = arguments.iter().map(|&buffer| (size_of::<f32>() * buffers[buffer]) as u64).sum();
            let parallel = worth_sharing(tasks[kernel], flops[kernel], bytes);
            BoundCall { kernel, arguments: arguments.iter().map(place).collect(), moves: Vec::new(), parallel }
        };
        let calls: Vec<BoundCall> = arguments.iter().enumerate().map(call).collect();
        let sequence =
            Sequence::new(Arc::new(code), Buffer::zeroed(bytes.div_ceil(size_of::<f32>())), &mut [], &[], &calls);
        let mut sequence = sequence.unwrap_or_else(|error| panic!("{error}"));
        let numbers = sequence.arena_mut().f32_mut().iter_mut().enumerate();
        numbers.for_each(|(i, number)| *number = (i % 17) as f32 * 0.1 + 0.1);
        Runner { sequence, fastest: vec![f64::INFINITY; tasks.len()], tasks, emission }
    }

    /// Runs all kernels once.
    pub fn run(&mut self, pool: &Pool) {
        let mut start = Instant::now();
        let fastest = &mut self.fastest;
        let done = |kernel: usize| {
            fastest[kernel] = fastest[kernel].min(start.elapsed().as_secs_f64());
            start = Instant::now();
        };
        self.sequence.run_each(0..self.tasks.len(), &mut [], pool, done).unwrap_or_else(|error| panic!("{error}"));
    }

    /// The sum of the fastest runs of all kernels, in seconds.
    pub fn fastest(&self) -> f64 {
        self.fastest.iter().sum()
    }

    /// The size of the code, what it took to emit it, and the fastest run of each kernel with the number of its tasks.
    pub fn describe(&self) -> String {
        let kernel = |(seconds, tasks): (&f64, &usize)| format!("{:.1} ({tasks})", seconds * 1e6);
        let fastest: Vec<String> = self.fastest.iter().zip(&self.tasks).map(kernel).collect();
        let (size, emission) = (self.sequence.code().bytes() as f64 / 1e3, self.emission * 1e3);
        format!("{size:.1} KB in {emission:.2} ms, {} us", fastest.join(" + "))
    }
}
