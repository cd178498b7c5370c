//! The limits that kernels are held against, measured with kernels of the same lanes.

use kiln_jit::kernel::{Access, Element, Index, KernelBuilder, Value};

use crate::runner::Runner;
use crate::{Case, Unit};

/// Independent multiply-adds in registers, each on the factor that it overwrites.
pub fn peak() -> Case {
    const SUMS: usize = 10;
    const TURNS: usize = 10_000;
    let lanes = crate::target().lanes;
    let mut b = KernelBuilder::new("peak", lanes);
    let from = b.buffer("from", Element::F32, 2 * lanes, Access::Read);
    let to = b.buffer("to", Element::F32, SUMS * lanes, Access::Write);
    let (x, y) = (b.load(from, Index::at(0)), b.load(from, Index::at(lanes as i64)));
    let zero = b.f32(0.0);
    let sums = b.for_each(TURNS, &[zero; SUMS], |b, _, sums| {
        let mut sums = sums.to_vec();
        for _ in 0..4 {
            sums = sums.iter().map(|&sum| b.fma(sum, x, y)).collect::<Vec<Value>>();
        }
        sums
    });
    for (number, sum) in sums.into_iter().enumerate() {
        b.store(to, Index::at((number * lanes) as i64), 1, lanes, sum);
    }
    let runner = Runner::new(vec![(b.finish(), vec![0, 1])], &[2 * lanes, SUMS * lanes]);
    let work = (2 * SUMS * lanes * TURNS * 4) as f64;
    Case { name: "peak (multiply-adds in registers)".into(), unit: Unit::Flops, work, runner }
}

/// A copy within the second-level cache: bytes read and written.
pub fn copy() -> Case {
    const UNROLLED: usize = 4;
    let target = crate::target();
    let elements = target.l2_bytes / 16;
    let mut b = KernelBuilder::new("copy", target.lanes);
    let from = b.buffer("from", Element::F32, elements, Access::Read);
    let to = b.buffer("to", Element::F32, elements, Access::Write);
    let step = UNROLLED * target.lanes;
    b.for_each(elements / step, &[], |b, i, _| {
        let at = |unrolled: usize| Index::of(i, step as i64).shifted((unrolled * target.lanes) as i64);
        let values: Vec<Value> = (0..UNROLLED).map(|unrolled| b.load(from, at(unrolled))).collect();
        for (unrolled, value) in values.into_iter().enumerate() {
            b.store(to, at(unrolled), 1, target.lanes, value);
        }
        Vec::new()
    });
    let runner = Runner::new(vec![(b.finish(), vec![0, 1])], &[elements; 2]);
    Case { name: "copy (in cache)".into(), unit: Unit::Bytes, work: (8 * elements) as f64, runner }
}
