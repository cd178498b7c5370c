//! Elementwise kernels in cache: the fused Adam update and elementary functions.

use kiln_jit::kernel::{Access, Element, Float1, Index, Kernel, KernelBuilder, Value};
use kiln_jit::lower::math;

use crate::runner::Runner;
use crate::{Case, Unit};

/// Elements of each tensor.
const ELEMENTS: usize = 1 << 14;

/// The cases whose name holds the filter.
pub fn cases(filter: &str) -> Vec<Case> {
    let named: [(&str, usize, Kernel); 4] = [
        ("adam (4 read, 3 written)", 7, adam()),
        ("exp", 2, function("exp", math::exp)),
        ("tanh", 2, function("tanh", math::tanh)),
        (
            "relu",
            2,
            function("relu", |b, x| {
                let zero = b.f32(0.0);
                b.float2(kiln_jit::kernel::Float2::Max, x, zero)
            }),
        ),
    ];
    let case = |(name, tensors, kernel): (&str, usize, Kernel)| {
        let buffers: Vec<usize> = kernel.buffers.iter().map(|b| b.elements).collect();
        let runner = Runner::new(vec![(kernel, (0..buffers.len()).collect(), 0)], &buffers);
        Case { name: name.into(), unit: Unit::Bytes, work: (4 * tensors * ELEMENTS) as f64, runner }
    };
    named.into_iter().filter(|(name, ..)| name.contains(filter)).map(case).collect()
}

/// A kernel of one function of one tensor.
fn function(name: &str, f: impl Fn(&mut KernelBuilder, Value) -> Value) -> Kernel {
    let mut b = KernelBuilder::new(name, crate::target().lanes);
    let from = b.buffer("from", Element::F32, ELEMENTS, Access::Read);
    let to = b.buffer("to", Element::F32, ELEMENTS, Access::Write);
    let lanes = b.lanes();
    b.for_each(ELEMENTS / lanes, &[], |b, i, _| {
        let at = Index::of(i, lanes as i64);
        let x = b.load(from, at.clone());
        let y = f(b, x);
        b.store(to, at, 1, lanes, y);
        Vec::new()
    });
    b.finish()
}

/// `m += (g - m) * (1 - b1); v = b2 * v + (1 - b2) * g * g; p -= rate * m / (sqrt(v) / correction + eps)`.
fn adam() -> Kernel {
    let mut b = KernelBuilder::new("adam", crate::target().lanes);
    let g = b.buffer("g", Element::F32, ELEMENTS, Access::Read);
    let [p, m, v] = ["p", "m", "v"].map(|name| b.buffer(name, Element::F32, ELEMENTS, Access::ReadWrite));
    let lanes = b.lanes();
    let [first, keep, second, correction, epsilon, rate] = [0.1, 0.999, 0.001, 1.01, 1e-8, -1e-3].map(|x| b.f32(x));
    b.for_each(ELEMENTS / lanes, &[], |b, i, _| {
        let at = Index::of(i, lanes as i64);
        let [g, old_p, old_m, old_v] = [g, p, m, v].map(|buffer| b.load(buffer, at.clone()));
        let step = b.sub(g, old_m);
        let new_m = b.fma(step, first, old_m);
        let (kept, square) = (b.mul(keep, old_v), b.mul(g, g));
        let new_v = b.fma(second, square, kept);
        let root = b.float1(Float1::Sqrt, new_v);
        let divisor = b.fma(root, correction, epsilon);
        let scaled = b.mul(rate, new_m);
        let change = b.div(scaled, divisor);
        let new_p = b.add(old_p, change);
        for (buffer, value) in [(p, new_p), (m, new_m), (v, new_v)] {
            b.store(buffer, at.clone(), 1, lanes, value);
        }
        Vec::new()
    });
    b.finish()
}
