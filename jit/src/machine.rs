//! What this machine reaches at most: multiply-adds from registers, and copies in each level of its memory, measured
//! with emitted kernels of its own vector width. It is what profiles are held against. No estimate and no choice of a
//! recipe looks at it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kiln_rt::{Buffer, Pool};

use crate::code::{BoundCall, CallError, Code, CodeError, Memory, Sequence};
use crate::kernel::{Access, Element, Index, Kernel, KernelBuilder, Value};
use crate::target::{ChoiceError, EmitterKind, Target};

/// Each kernel is run at least so often and for so long; the fastest run counts.
const RUNS: usize = 8;
const TIME: Duration = Duration::from_millis(60);

/// The limits of a machine for some number of threads.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// Floating-point operations a second; a fused multiply-add counts as 2.
    pub flops: f64,
    /// For calls that touch at most so many bytes, the bytes that a copy reads and writes in a second; ascending.
    pub bytes: Vec<(u64, f64)>,
}

/// Why a machine is not measured.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// No emitter.
    #[error(transparent)]
    Emitter(#[from] ChoiceError),
    /// No code.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// A kernel was not called.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Machine {
    /// Measures this machine with all threads of a pool, in about half a second.
    ///
    /// # Errors
    /// [`MachineError`], if there is no code for this machine.
    pub fn measure(pool: &Pool) -> Result<Machine, MachineError> {
        let target = Target::host()?;
        let (kernel, flops) = multiply_adds(target.lanes, pool.threads());
        let flops = flops as f64 / fastest(kernel, target.emitter, pool)?;
        // In the second-level cache, in the last-level cache (of a usual size), and in memory.
        let mut bytes = Vec::new();
        for (size, most) in [(target.l2_bytes / 2, target.l2_bytes), (8 << 20, 24 << 20), (64 << 20, usize::MAX)] {
            let (kernel, moved) = copy(target.lanes, pool.threads(), size);
            bytes.push((most as u64, moved as f64 / fastest(kernel, target.emitter, pool)?));
        }
        Ok(Machine { flops, bytes })
    }

    /// The seconds that a call takes at least.
    pub fn least_seconds(&self, flops: u64, bytes: u64) -> f64 {
        let level = self.bytes.iter().find(|(most, _)| bytes <= *most).or(self.bytes.last());
        let moving = level.map_or(0.0, |(_, speed)| bytes as f64 / speed);
        moving.max(flops as f64 / self.flops)
    }
}

/// Independent multiply-adds in registers, each on the factor that it overwrites, in one task for each thread; the number of
/// their operations.
pub fn multiply_adds(lanes: usize, threads: usize) -> (Kernel, usize) {
    const SUMS: usize = 10;
    const UNROLLED: usize = 4;
    const ITERATIONS: usize = 20_000;
    let mut b = KernelBuilder::new("multiply_adds", lanes);
    let from = b.buffer("from", Element::F32, 2 * lanes, Access::Read);
    let to = b.buffer("to", Element::F32, threads * SUMS * lanes, Access::Write);
    let task = b.grid(threads);
    let (x, y) = (b.load(from, Index::at(0)), b.load(from, Index::at(lanes as i64)));
    let zero = b.f32(0.0);
    let sums = b.for_each(ITERATIONS, &[zero; SUMS], |b, _, sums| {
        let mut sums = sums.to_vec();
        for _ in 0..UNROLLED {
            sums = sums.iter().map(|&sum| b.fma(sum, x, y)).collect::<Vec<Value>>();
        }
        sums
    });
    for (number, sum) in sums.into_iter().enumerate() {
        let place = Index::of(task, (SUMS * lanes) as i64).shifted((number * lanes) as i64);
        b.store(to, place, 1, lanes, sum);
    }
    (b.finish(), 2 * threads * SUMS * lanes * UNROLLED * ITERATIONS)
}

/// A copy that touches about so many bytes, in one task for each thread; how many it reads and writes.
pub fn copy(lanes: usize, threads: usize, bytes: usize) -> (Kernel, usize) {
    const UNROLLED: usize = 4;
    let step = UNROLLED * lanes;
    let iterations = bytes / (2 * size_of::<f32>()) / step / threads;
    let elements = iterations * step * threads;
    let mut b = KernelBuilder::new("copy", lanes);
    let from = b.buffer("from", Element::F32, elements, Access::Read);
    let to = b.buffer("to", Element::F32, elements, Access::Write);
    let task = b.grid(threads);
    b.for_each(iterations, &[], |b, iteration, _| {
        let start = Index::of(task, (iterations * step) as i64).plus(iteration, step as i64);
        let at = |unrolled: usize| start.clone().shifted((unrolled * lanes) as i64);
        let values: Vec<Value> = (0..UNROLLED).map(|unrolled| b.load(from, at(unrolled))).collect();
        for (unrolled, value) in values.into_iter().enumerate() {
            b.store(to, at(unrolled), 1, lanes, value);
        }
        Vec::new()
    });
    (b.finish(), 2 * size_of::<f32>() * elements)
}

/// The seconds of a kernel's fastest run.
fn fastest(kernel: Kernel, emitter: EmitterKind, pool: &Pool) -> Result<f64, MachineError> {
    let mut places = Vec::new();
    let mut end = 0;
    for buffer in &kernel.buffers {
        places.push((Memory::Arena(end), buffer.elements));
        end += (size_of::<f32>() * buffer.elements).next_multiple_of(kiln_rt::buffer::ALIGNMENT);
    }
    let call = BoundCall { kernel: 0, arguments: places, moves: Vec::new(), parallel: pool.threads() > 1 };
    let code = Arc::new(Code::new(&[kernel], emitter)?);
    let mut sequence = Sequence::new(code, Buffer::zeroed(end.div_ceil(size_of::<f32>())), &mut [], &[], &[call])?;
    let mut fastest = f64::INFINITY;
    let (begin, mut runs) = (Instant::now(), 0);
    while runs < RUNS || begin.elapsed() < TIME {
        runs += 1;
        let start = Instant::now();
        sequence.run(0..1, &mut [], pool)?;
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    Ok(fastest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_limits_and_nearer_memory_is_not_slower() {
        let machine = Machine::measure(&Pool::new(1)).expect("there is code for this machine");
        // Even the slowest machine that anybody trains on does a billion operations a second.
        assert!(machine.flops > 1e9, "{machine:?}");
        assert!(machine.bytes.iter().all(|(_, speed)| *speed > 1e8), "{machine:?}");
        assert!(machine.bytes.is_sorted_by_key(|(most, _)| *most));
    }

    #[test]
    fn the_slower_of_both_limits_counts() {
        let machine = Machine { flops: 100.0, bytes: vec![(10, 10.0), (100, 5.0)] };
        for (flops, bytes, expected) in [(200, 0, 2.0), (0, 10, 1.0), (0, 20, 4.0), (0, 500, 100.0), (300, 10, 3.0)] {
            assert_eq!(machine.least_seconds(flops, bytes), expected);
        }
    }
}
