//! The limits that kernels are held against, measured with kernels of the same lanes.

use kiln_jit::kernel::Kernel;
use kiln_jit::machine;

use crate::runner::Runner;
use crate::{Case, Unit};

/// Independent multiply-adds in registers, on so many threads at once.
pub fn peak(threads: usize) -> Case {
    case("peak (multiply-adds in registers)", Unit::Flops, machine::multiply_adds(crate::target().lanes, threads))
}

/// A copy within the second-level cache of each of so many threads: bytes read and written.
pub fn copy(threads: usize) -> Case {
    let target = crate::target();
    case("copy (in cache)", Unit::Bytes, machine::copy(target.lanes, threads, threads * target.l2_bytes / 2))
}

fn case(name: &str, unit: Unit, (kernel, work): (Kernel, usize)) -> Case {
    let lengths: Vec<usize> = kernel.buffers.iter().map(|buffer| buffer.elements).collect();
    // Each thread takes its part, however small.
    let runner = Runner::new(vec![(kernel, (0..lengths.len()).collect(), u64::MAX)], &lengths);
    Case { name: name.into(), unit, work: work as f64, runner }
}
