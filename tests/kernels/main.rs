//! Kernel IR: every emitter and every number of lanes against the kernel interpreter, bit for bit (but for the payload
//! of NaNs): each operation and each form of access by itself, then random programs. What this machine does not run is
//! emulated; what it does run is emulated too, which tests the emulator.

mod contractions;
mod disjoint;
mod emulator;
mod generator;
mod run;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use kiln_jit::code::{CallError, Code};
use kiln_jit::emit::{Convention, EmitterKind, Level, X86};
use kiln_jit::kernel::*;
use kiln_jit::target;

use generator::{COMPARES, FLOAT1, FLOAT2, Generator, INT2, MASK2, Random, SHIFTS, SHUFFLES};
use run::{check, check_emulated, check_emulated_by, check_in_turns, check_native, check_native_by, interpreted};

/// All widths.
const LANES: [usize; 4] = [1, 4, 8, 16];

/// Stores an operation of f32s `x, y, z` and i32s `m, n` over many elements.
fn check_operation(operation: impl Fn(&mut KernelBuilder, [Value; 3], [Value; 2]) -> Value) {
    for lanes in LANES {
        let elements = 16 * lanes;
        let mut b = KernelBuilder::new("operation", lanes);
        let floats = ["x", "y", "z"].map(|name| b.buffer(name, Element::F32, elements, Access::Read));
        let integers = ["m", "n"].map(|name| b.buffer(name, Element::I32, elements, Access::Read));
        let i = b.grid(16);
        let index = Index::of(i, lanes as i64);
        let f = floats.map(|buffer| b.load(buffer, index.clone()));
        let n = integers.map(|buffer| b.load(buffer, index.clone()));
        let mut result = operation(&mut b, f, n);
        if b.ty(result) == ValueType::Mask {
            result = b.convert(Convert::MaskToI32, result);
        }
        let element = if b.ty(result) == ValueType::F32 { Element::F32 } else { Element::I32 };
        let out = b.buffer("out", element, elements, Access::Write);
        b.store(out, index, 1, lanes, result);
        let kernel = b.finish();
        let mut random = Random(lanes as u64);
        check(&kernel, &random.contents(&kernel));
        (0..8).for_each(|_| check_native(&kernel, &random.contents(&kernel)));
    }
}

#[test]
fn operations() {
    for function in FLOAT1 {
        check_operation(|b, [x, ..], _| b.float1(function, x));
    }
    for function in FLOAT2 {
        check_operation(|b, [x, y, _], _| b.float2(function, x, y));
        check_operation(|b, [x, ..], _| b.push(Operation::Fold(function, x)));
    }
    check_operation(|b, [x, y, z], _| b.fma(x, y, z));
    for which in SHUFFLES {
        check_operation(|b, [x, y, _], _| {
            let fits = which.least_lanes() <= b.lanes();
            if fits { b.push(Operation::Shuffle(which, x, y)) } else { x }
        });
    }
    for function in INT2 {
        check_operation(|b, _, [m, n]| b.int2(function, m, n));
    }
    for shift in SHIFTS {
        for bits in [0, 1, 8, 31] {
            check_operation(|b, _, [m, _]| b.shift(shift, m, bits));
        }
    }
    for compare in COMPARES {
        check_operation(|b, [x, y, _], _| b.compare(compare, x, y));
        check_operation(|b, _, [m, n]| b.compare(compare, m, n));
        check_operation(|b, [x, y, z], _| {
            let mask = b.compare(compare, x, y);
            b.select(mask, y, z)
        });
    }
    for function in MASK2 {
        check_operation(|b, [x, y, _], [m, n]| {
            let (p, q) = (b.compare(Compare::Lt, x, y), b.convert(Convert::I32ToMask, m));
            let mask = b.push(Operation::Mask2(function, p, q));
            let mask = b.push(Operation::MaskNot(mask));
            b.select(mask, m, n)
        });
    }
    for convert in [Convert::Truncate, Convert::BitsToI32] {
        check_operation(|b, [x, ..], _| b.convert(convert, x));
    }
    for convert in [Convert::ToF32, Convert::BitsToF32, Convert::I32ToMask] {
        check_operation(|b, _, [m, _]| b.convert(convert, m));
    }
    check_operation(|b, [x, ..], _| {
        let constants = [-0.0, 0.0, 1.5, f32::INFINITY].map(|value| b.f32(value));
        constants.into_iter().fold(x, |sum, constant| b.float2(Float2::Div, constant, sum))
    });
    check_operation(|b, _, [m, _]| {
        let (lane, big) = (b.push(Operation::Lane), b.i32(i32::MIN + 5));
        let sum = b.int2(Int2::Add, m, lane);
        b.int2(Int2::Xor, sum, big)
    });
}

/// Pairs of bf16 of any bits, denormal ones among them: with AVX512-BF16, emulated and, where this machine has it,
/// natively. The same of numbers whose products and sums are none, by every emitter, with a sum that is used again, and
/// pairs that are.
#[test]
fn products_of_pairs() {
    for lanes in LANES {
        let mut b = KernelBuilder::new("pairs", lanes);
        let [m, n] = ["m", "n"].map(|name| b.buffer(name, Element::I32, 64 * lanes, Access::Read));
        let [x, out] = [Access::Read, Access::Write].map(|access| b.buffer("x", Element::F32, 64 * lanes, access));
        let i = b.grid(64);
        let at = Index::of(i, lanes as i64);
        let [first, second, sum] = [m, n, x].map(|buffer| b.load(buffer, at.clone()));
        let one = b.splat(n, Index::of(i, 1));
        let sum = b.fma_pairs(first, second, sum);
        let sum = b.fma_pairs(one, first, sum);
        b.store(out, at, 1, lanes, sum);
        let kernel = b.finish();
        for seed in 0..20 {
            let mut random = Random(seed);
            let mut contents = random.contents(&kernel);
            contents[..2]
                .iter_mut()
                .flatten()
                .for_each(|bits| *bits = random.word() >> 16 | random.word() & 0xffff_0000);
            check_emulated_by(&kernel, X86::new(Level::Avx512).with_bf16(true), Convention::SystemV, &contents);
            if EmitterKind::Avx512.runs_here() && target::has_bf16() {
                check_native_by(&kernel, EmitterKind::Avx512, &contents);
            }
        }
    }
    check_operation(|b, [x, ..], [m, n]| {
        let exponent = b.i32(0x3000_3000);
        let [m, n] = [m, n].map(|pair| {
            let sign = b.i32(0xbfff_bfff_u32 as i32);
            let pair = b.int2(Int2::And, pair, sign);
            b.int2(Int2::Or, pair, exponent)
        });
        let sum = b.fma_pairs(m, n, x);
        let again = b.fma_pairs(m, m, sum);
        let bits = b.convert(Convert::BitsToF32, n);
        let itself = b.fma_pairs(n, m, bits);
        let sum = b.add(sum, again);
        b.add(sum, itself)
    });
}

/// Products of tiles of all shapes, of rows of bf16, of pairs and of quads of bytes, in a loop, in several tasks, at
/// odd places.
#[test]
fn tiles() {
    let mut random = Random(11);
    for number in 0..120 {
        let lanes = LANES[number % LANES.len()];
        let [rows, depth, columns] = [0; 3].map(|_| if random.below(3) == 0 { 16 } else { 1 + random.below(16) });
        let mut b = KernelBuilder::new("tiles", lanes);
        let [tasks, steps] = [1 + random.below(3), 1 + random.below(3)];
        let (factors, elements) = random.pick(&[
            (Factors::Bf16, [Element::Bf16, Element::I32]),
            (Factors::Bf16, [Element::I32, Element::I32]),
            (Factors::U8I8, [Element::U8x4, Element::I8x4]),
            (Factors::I8U8, [Element::I8x4, Element::U8x4]),
        ]);
        let bf16 = elements[0] == Element::Bf16;
        let row = if bf16 { 2 * depth } else { depth };
        let [left_apart, right_apart, sums_apart] =
            [row, columns, columns].map(|least| (least + random.below(9)) as i64);
        let sizes = [rows as i64 * left_apart, depth as i64 * right_apart, rows as i64 * sums_apart];
        let room = |each: i64, count: usize| 5 + each as usize * count;
        let left = b.buffer("left", elements[0], room(sizes[0], steps), Access::Read);
        let right = b.buffer("right", elements[1], room(sizes[1], steps * tasks), Access::Read);
        let of_sums = if factors == Factors::Bf16 { Element::F32 } else { Element::I32 };
        let sums = b.buffer("sums", of_sums, room(sizes[2], tasks), Access::ReadWrite);
        let out = b.buffer("out", of_sums, tasks * lanes, Access::Write);
        let task = b.grid(tasks);
        let [t, u] = [0; 2].map(|_| b.tile(rows, columns));
        let (a, c) = (b.tile(rows, depth), b.tile(depth, columns));
        let place = Index::of(task, sizes[2]).shifted(random.below(5) as i64);
        let before = random.below(2) == 0;
        b.tiles(match before {
            true => TileStatement::Load { tile: t, buffer: sums, index: place.clone(), stride: sums_apart },
            false => TileStatement::Zero(t),
        });
        b.tiles(TileStatement::Zero(u));
        b.for_each(steps, &[], |b, step, _| {
            let index = Index::of(step, sizes[0]).shifted(3);
            b.tiles(TileStatement::Load { tile: a, buffer: left, index, stride: left_apart });
            let index = Index::of(step, sizes[1]).plus(task, steps as i64 * sizes[1]);
            b.tiles(TileStatement::Load { tile: c, buffer: right, index, stride: right_apart });
            b.tiles(TileStatement::Dot { factors, sum: t, left: a, right: c });
            Vec::new()
        });
        b.tiles(TileStatement::Store { tile: t, buffer: sums, index: place.clone(), stride: sums_apart });
        let first = b.push(Operation::Load { buffer: sums, index: place, stride: 1, active: lanes.min(columns) });
        let doubled = match factors {
            Factors::Bf16 => b.add(first, first),
            Factors::U8I8 | Factors::I8U8 => b.int2(Int2::Add, first, first),
        };
        b.store(out, Index::of(task, lanes as i64), 1, lanes, doubled);
        let kernel = b.finish();
        let mut contents = random.contents(&kernel);
        // Of any bits with AMX; where there are no instructions for them, of numbers whose products and sums are not
        // denormal.
        let any = |random: &mut Random| random.word() >> 16 | random.word() & 0xffff_0000;
        contents[..2].iter_mut().flatten().for_each(|bits| *bits = any(&mut random));
        if factors != Factors::Bf16 {
            contents[2].iter_mut().for_each(|bits| *bits = any(&mut random));
            check(&kernel, &contents);
            continue;
        }
        let as_elements = |contents: &mut [Vec<u32>]| {
            if bf16 {
                contents[0].iter_mut().for_each(|bits| *bits &= 0xffff);
            }
        };
        as_elements(&mut contents);
        check_emulated(&kernel, Level::Avx512, random.pick(&[Convention::SystemV, Convention::Windows]), &contents);
        if target::tile_registers().is_ok() && EmitterKind::Avx512.runs_here() {
            check_native_by(&kernel, EmitterKind::Avx512, &contents);
        }
        let usual = |bits: &mut u32| *bits = *bits & 0xbfff_bfff | 0x3000_3000;
        contents[..2].iter_mut().flatten().for_each(usual);
        as_elements(&mut contents);
        check(&kernel, &contents);
    }
}

/// What is refused of tiles.
#[test]
fn tiles_are_checked() {
    let kernel = |write: &dyn Fn(&mut KernelBuilder, BufferId, [Tile; 3])| {
        let mut b = KernelBuilder::new("k", 4);
        let x = b.buffer("x", Element::F32, 64, Access::ReadWrite);
        let tiles = [b.tile(4, 3), b.tile(4, 2), b.tile(2, 3)];
        write(&mut b, x, tiles);
        b.finish().check().map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    };
    let load = |tile, buffer, offset, stride| TileStatement::Load { tile, buffer, index: Index::at(offset), stride };
    let all = |b: &mut KernelBuilder, x, [t, a, c]: [Tile; 3]| {
        b.tiles(TileStatement::Zero(t));
        b.tiles(load(a, x, 0, 10));
        b.tiles(load(c, x, 0, 61));
        b.tiles(TileStatement::Dot { factors: Factors::Bf16, sum: t, left: a, right: c });
    };
    assert_eq!(kernel(&all), "fine");
    let beyond = kernel(&|b, x, [t, ..]| b.tiles(load(t, x, 32, 10)));
    let expected = "places 32 to 64 of buffer `x`, which has 64 elements, in `tile load t0, x[32] stride 10`";
    assert_eq!(beyond, format!("kernel k: {expected}"));
    let unwritten =
        kernel(&|b, _, [sum, left, right]| b.tiles(TileStatement::Dot { factors: Factors::U8I8, sum, left, right }));
    let expected = "kernel k: there is no t0, or nothing was written to it before, in `tile dot.u8i8 t0, t1, t2`";
    assert_eq!(unwritten, expected);
    let skipped = kernel(&|b, x, [tile, ..]| {
        let zero = b.f32(0.0);
        let mask = b.compare(Compare::Lt, zero, zero);
        b.where_any(mask, &[], |b, _| {
            b.tiles(TileStatement::Zero(tile));
            Vec::new()
        });
        b.tiles(TileStatement::Store { tile, buffer: x, index: Index::at(0), stride: 3 });
    });
    assert!(skipped.contains("nothing was written to it before"), "{skipped}");
    let shapes = kernel(&|b, x, [t, a, c]| {
        all(b, x, [t, a, c]);
        b.tiles(TileStatement::Dot { factors: Factors::Bf16, sum: a, left: t, right: c });
    });
    assert!(shapes.contains("whose shapes do not fit"), "{shapes}");
    let backwards = kernel(&|b, x, [t, ..]| b.tiles(load(t, x, 40, -8)));
    assert!(backwards.contains("rows of t0 in buffer `x` that are -8 elements apart"), "{backwards}");
}

/// Kernels that were emitted wrongly once.
#[test]
fn found_ones() {
    for kernel in parse_all(include_str!("found.txt")).expect("kernels") {
        (0..20).for_each(|seed| check(&kernel, &Random(seed).contents(&kernel)));
    }
}

#[test]
fn accesses() {
    let mut random = Random(5);
    for lanes in LANES {
        for (stride, active) in [1, 2, 0, -1, 3, -7].into_iter().flat_map(|s| (1..=lanes).map(move |a| (s, a))) {
            let mut b = KernelBuilder::new("access", lanes);
            let x = b.buffer("x", Element::F32, 1000, Access::Read);
            let n = b.buffer("n", Element::I32, 1000, Access::Read);
            let out = b.buffer("out", Element::F32, 1000, Access::ReadWrite);
            let back = b.buffer("back", Element::I32, 1000, Access::Write);
            let half = b.buffer("half", Element::Bf16, 1000, Access::Read);
            let rounded = b.buffer("rounded", Element::Bf16, 1000, Access::ReadWrite);
            let i = b.grid(3);
            b.for_each(4, &[], |b, j, _| {
                let index = Index::of(i, 40).plus(j, -9).shifted(150);
                let load = |buffer| Operation::Load { buffer, index: index.clone(), stride, active };
                let loaded = b.push(load(x));
                let numbers = b.push(load(n));
                let row = Row { value: numbers, extent: 5, stride: 13 };
                let [splat, other] = [x, half].map(|x| b.splat(x, Index { row: Some(row), ..Index::of(j, 20) }));
                let sum = b.add(loaded, splat);
                let widened = b.push(load(half));
                let product = b.mul(widened, other);
                let place = Index::of(i, 200).plus(j, 50).shifted(130);
                let (step, count) = if stride == 0 { (1, 1) } else { (stride, active) };
                b.store(out, place.clone(), step, count, sum);
                b.store(rounded, place.clone(), step, count, product);
                b.store(back, place, step, count, numbers);
                vec![]
            });
            let kernel = b.finish();
            check(&kernel, &random.contents(&kernel));
        }
    }
}

#[test]
fn a_square_of_lanes_is_transposed() {
    for lanes in LANES {
        let mut b = KernelBuilder::new("transpose", lanes);
        let [from, to] = [Access::Read, Access::Write].map(|a| b.buffer("square", Element::F32, lanes * lanes, a));
        let at = |row: usize| Index::at((row * lanes) as i64);
        let rows: Vec<Value> = (0..lanes).map(|row| b.load(from, at(row))).collect();
        for (row, value) in b.transpose(&rows).into_iter().enumerate() {
            b.store(to, at(row), 1, lanes, value);
        }
        let kernel = b.finish();
        let square: Vec<u32> = (0..(lanes * lanes) as u32).collect();
        let contents = vec![square, vec![0; lanes * lanes]];
        check(&kernel, &contents);
        let found = interpreted(&kernel, &contents);
        let expected: Vec<u32> = (0..lanes * lanes).map(|i| (i % lanes * lanes + i / lanes) as u32).collect();
        assert_eq!(found[1], expected, "{lanes} lanes");
    }
}

#[test]
fn random_programs() {
    let count = std::env::var("KILN_RANDOM_KERNELS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(if cfg!(debug_assertions) { 200 } else { 2000 });
    // On all cores, since each is a thread's work for itself.
    let next = AtomicU64::new(0);
    let work = || {
        while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&seed| seed < count) {
            let kernel = Generator::kernel(seed, LANES[seed as usize % LANES.len()]);
            check_in_turns(seed, &kernel, &Random(seed).contents(&kernel));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, |number| number.get()) {
            scope.spawn(work);
        }
    });
}

#[test]
fn the_other_calling_conventions() {
    for seed in 0..40 {
        let kernel = Generator::kernel(seed, LANES[seed as usize % LANES.len()]);
        let contents = Random(seed).contents(&kernel);
        check_emulated(&kernel, Level::Avx2, Convention::SystemV, &contents);
        check_emulated(&kernel, Level::Avx512, Convention::Windows, &contents);
    }
}

/// More carried values than registers, at last than a page of the stack, which change places with every turn; some are
/// used, some are masks.
#[test]
fn carried_values_change_places() {
    for lanes in LANES {
        for carried in [3, 14, 18, 40, 150] {
            let mut b = KernelBuilder::new("rotation", lanes);
            let x = b.buffer("x", Element::F32, carried * lanes, Access::Read);
            let out = b.buffer("out", Element::F32, 2 * carried * lanes, Access::Write);
            let at = |number: usize| Index::at((number * lanes) as i64);
            let mut initial: Vec<Value> = (0..carried).map(|number| b.load(x, at(number))).collect();
            let masks: Vec<Value> = (1..carried).map(|i| b.compare(Compare::Lt, initial[i - 1], initial[i])).collect();
            initial.extend(masks);
            let results = b.for_each(7, &initial, |b, _, values| {
                let (floats, masks) = values.split_at(carried);
                let mut next = floats.to_vec();
                next.rotate_left(3);
                next[1] = b.fma(floats[0], floats[carried - 1], floats[1]);
                next[carried - 1] = b.select(masks[carried / 2], next[1], floats[carried / 2]);
                next.extend(masks.iter().rev());
                next
            });
            let (floats, masks) = results.split_at(carried);
            for (number, &float) in floats.iter().enumerate() {
                let zero = b.f32(0.0);
                let chosen = masks.get(number).map_or(zero, |&mask| b.select(mask, float, zero));
                b.store(out, at(number), 1, lanes, float);
                b.store(out, at(carried + number), 1, lanes, chosen);
            }
            let kernel = b.finish();
            check(&kernel, &Random(carried as u64).contents(&kernel));
        }
    }
}

#[test]
fn equal_kernels_are_emitted_once() {
    let kernel = Generator::kernel(1, 4);
    let once = Code::new(std::slice::from_ref(&kernel), EmitterKind::Cranelift).expect("code").bytes();
    assert_eq!(Code::new(&[kernel.clone(), kernel], EmitterKind::Cranelift).expect("code").bytes(), once);
}

#[test]
fn broken_and_wide_kernels_have_no_code() {
    let refused = |kernel: Kernel| {
        Code::new(&[Generator::kernel(1, 4), kernel], EmitterKind::Cranelift)
            .map(|_| ())
            .expect_err("refused")
            .to_string()
    };
    let wide = Generator::kernel(2, 8);
    assert_eq!(refused(wide), "kernel random2 has 8 lanes, which the emitter does not take");
    let mut b = KernelBuilder::new("broken", 4);
    let x = b.buffer("x", Element::F32, 3, Access::Write);
    let zero = b.f32(0.0);
    b.store(x, Index::at(0), 1, 4, zero);
    let expected = "kernel broken: places 0 to 3 of buffer `x`, which has 3 elements, in `store x[0], %0`";
    assert_eq!(refused(b.finish()), expected);
}

#[test]
fn calls_that_do_not_fit_are_refused() {
    let mut b = KernelBuilder::new("copy", 4);
    let x = b.buffer("x", Element::F32, 8, Access::Read);
    let out = b.buffer("out", Element::I32, 8, Access::Write);
    let i = b.grid(2);
    let loaded = b.load(x, Index::of(i, 4));
    let bits = b.convert(Convert::BitsToI32, loaded);
    b.store(out, Index::of(i, 4), 1, 4, bits);
    let code = Code::new(&[b.finish()], EmitterKind::Cranelift).expect("code");
    let call = |x: &mut [f32], out: Option<&mut [i32]>, tasks| {
        let mut slices: Vec<Slice<'_>> = vec![x.into()];
        slices.extend(out.map(Slice::from));
        code.call(0, &mut slices, tasks)
    };
    let (kernel, buffer) = (|| "copy".to_owned(), |name: &str| name.to_owned());
    assert_eq!(call(&mut [1.0; 8], Some(&mut [0; 8]), 0..2), Ok(()));
    let count = CallError::Count { kernel: kernel(), expected: 2, found: 1 };
    assert_eq!(call(&mut [1.0; 8], None, 0..2), Err(count));
    let length = CallError::Length { kernel: kernel(), buffer: buffer("out"), expected: 8, found: 7 };
    assert_eq!(call(&mut [1.0; 8], Some(&mut [0; 7]), 0..2), Err(length));
    let tasks = CallError::Tasks { kernel: kernel(), expected: 2, begin: 1, end: 3 };
    assert_eq!(call(&mut [1.0; 8], Some(&mut [0; 8]), 1..3), Err(tasks));
    let (expected, found) = (Element::I32, Element::F32);
    let element = CallError::Element { kernel: kernel(), buffer: buffer("out"), expected, found };
    let mut other = [0.0; 8];
    let mut slices = [Slice::F32(&mut [1.0; 8]), Slice::F32(&mut other)];
    assert_eq!(code.call(0, &mut slices, 0..2), Err(element));
}
