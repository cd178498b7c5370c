//! What the proof that tasks are disjoint accepts, the kernel interpreter accepts, over random kernels and places; and what it does
//! not accept runs on one thread, whatever a caller asks for.

use std::sync::Arc;

use kiln_jit::code::{BoundCall, Code, Memory, Sequence};
use kiln_jit::emit::EmitterKind;
use kiln_jit::kernel::*;
use kiln_rt::Pool;

use crate::LANES;
use crate::generator::{Generator, Random};

fn count() -> u64 {
    let asked = std::env::var("KILN_RANDOM_KERNELS").ok().and_then(|n| n.parse().ok());
    asked.unwrap_or(if cfg!(debug_assertions) { 2000 } else { 20_000 })
}

/// Whether tasks are proved to be disjoint where the buffers begin at such words of one memory; if so, they are.
fn proved(kernel: &Kernel, places: &[usize]) -> bool {
    let places: Vec<usize> = places.iter().map(|&word| 4 * word).collect();
    let origins: Vec<Origin> = places.iter().map(|&byte| Origin { memory: 0, byte }).collect();
    let proved = kernel.disjoint(&origins).is_ok();
    if proved {
        let end = |(buffer, place): (&Buffer, &usize)| place + buffer.elements * buffer.element.bytes();
        let end = kernel.buffers.iter().zip(&places).map(end).max();
        interpret_words(kernel, &mut vec![0; end.unwrap_or(0).div_ceil(4)], &places, 0..kernel.tasks());
    }
    proved
}

/// Tasks that have a part of each buffer for themselves.
#[test]
fn parts_of_their_own_are_proved() {
    for seed in 0..count() / 20 {
        let kernel = Generator::kernel(seed, LANES[seed as usize % LANES.len()]);
        let ends = kernel.buffers.iter().scan(0, |end, buffer| {
            *end += buffer.elements;
            Some(*end - buffer.elements)
        });
        let places: Vec<usize> = ends.collect();
        assert!(proved(&kernel, &places), "{kernel}");
        // Somewhere else, where they may overlap.
        let mut random = Random(seed);
        let moved: Vec<usize> = places.iter().map(|&place| random.pick(&[place, 0, place / 2, 300])).collect();
        proved(&kernel, &moved);
    }
}

/// A kernel of few accesses, which are often disjoint.
fn small(random: &mut Random) -> Kernel {
    let mut b = KernelBuilder::new("small", 4);
    let buffers = ["x", "y"].map(|name| b.buffer(name, Element::F32, 1, Access::ReadWrite));
    const EXTENTS: [usize; 5] = [1, 2, 2, 3, 4];
    const FACTORS: [i64; 14] = [0, 1, 2, 3, 4, 4, 6, 8, 12, 16, 16, 20, 48, -4];
    let grid: Vec<(Variable, i64)> =
        (0..1 + random.below(2)).map(|_| (b.grid(random.pick(&EXTENTS)), random.pick(&FACTORS))).collect();
    let zero = b.f32(0.0);
    for _ in 0..1 + random.below(2) {
        let extent = random.pick(&EXTENTS);
        b.for_each(extent, &[], |b, variable, _| {
            for _ in 0..1 + random.below(3) {
                let factor = random.pick(&FACTORS);
                let mut index = Index::of(variable, factor).shifted(random.pick(&[0, 0, 4, 8, 16, 20]) + 160);
                for &(dimension, step) in &grid {
                    let step = if random.below(40) == 0 { random.pick(&FACTORS) } else { step };
                    index = index.plus(dimension, step);
                }
                let (stride, active) = (random.pick(&[1, 1, 2, 4]), random.pick(&[1, 2, 4, 4]));
                let buffer = buffers[random.below(2)];
                let elements = &mut b.buffer_mut(buffer).elements;
                *elements = 800;
                if random.below(3) == 0 {
                    b.push(Operation::Load { buffer, index, stride, active });
                } else {
                    b.store(buffer, index, stride, active, zero);
                }
            }
            Vec::new()
        });
    }
    b.finish()
}

#[test]
fn what_is_proved_is_so() {
    let (mut random, mut apart, mut overlapping) = (Random(3), 0, 0);
    for _ in 0..count() {
        let kernel = small(&mut random);
        if kernel.tasks() > 1 {
            apart += u64::from(proved(&kernel, &[0, 800]));
            overlapping += u64::from(proved(&kernel, &[0, random.pick(&[0, 4, 8, 16, 64, 100])]));
        }
    }
    assert!(apart * 8 > count() && overlapping * 16 > count(), "{apart} and {overlapping} of {}", count());
}

/// Each task adds 1 to an element: kernel 0 to the first one, kernel 1 to one of its own.
#[test]
fn tasks_that_may_depend_on_each_other_run_on_one_thread() {
    const TASKS: usize = 4096;
    let added = |step: i64| {
        let mut b = KernelBuilder::new("add", 4);
        let [from, to] = [Access::Read, Access::Write].map(|access| b.buffer("x", Element::F32, TASKS, access));
        let i = b.grid(TASKS);
        let (x, one) = (b.splat(from, Index::of(i, step)), b.f32(1.0));
        let sum = b.add(x, one);
        b.store(to, Index::of(i, step), 1, 1, sum);
        b.finish()
    };
    let code = Arc::new(Code::new(&[added(0), added(1)], EmitterKind::Cranelift).expect("code"));
    let bytes = 4 * TASKS;
    let arena = |offset: usize| (Memory::Arena(offset), TASKS);
    let state = |number: usize| (Memory::State(number), TASKS);
    // The kernel, its arguments, whether sharing is asked for, and whether it is done.
    let cases = [
        (0, [arena(0), arena(0)], true, false),
        (0, [arena(0), arena(bytes)], true, false),
        (1, [arena(0), arena(0)], true, true),
        (1, [arena(0), arena(0)], false, false),
        (1, [arena(0), arena(bytes)], true, true),
        // A task reads what the one 16 places on writes.
        (1, [arena(64), arena(0)], true, false),
        (1, [state(0), state(0)], true, true),
        (1, [state(0), arena(0)], true, true),
        // Both are the same buffer.
        (0, [state(0), state(1)], true, false),
        (1, [state(0), state(1)], true, true),
    ];
    let pool = Pool::new(4);
    for (kernel, arguments, parallel, expected) in cases {
        let mut states = [kiln_rt::Buffer::zeroed(TASKS)];
        let memory = kiln_rt::Buffer::zeroed(2 * TASKS);
        let call = BoundCall { kernel, arguments: arguments.into(), moves: Vec::new(), parallel };
        let mut sequence =
            Sequence::new(code.clone(), memory, &mut states, &[0, 0], &[call]).expect("arguments that fit");
        assert_eq!(sequence.is_shared(0), expected, "kernel {kernel} at {arguments:?}");
        // All memory, the arena in front of the state, as one task after the other leaves it.
        let mut left = vec![0.0; 3 * TASKS];
        let [from, to] =
            arguments.map(|(memory, _)| if let Memory::Arena(offset) = memory { offset / 4 } else { 2 * TASKS });
        (0..TASKS).for_each(|task| left[to + kernel * task] = left[from + kernel * task] + 1.0);
        for _ in 0..20 {
            sequence.arena_mut().f32_mut().fill(0.0);
            states[0].f32_mut().fill(0.0);
            sequence.run(0..1, &mut states, &pool).expect("the states that were bound");
            let found = [sequence.arena().f32(), states[0].f32()].concat();
            assert!(found == left, "kernel {kernel} at {arguments:?}");
        }
    }
}
