//! Kernel IR: every emitter and every number of lanes against the kernel interpreter, bit for bit (but for the payload of
//! NaNs): each operation and each form of access by itself, then random programs with loops, carried values, tails,
//! strides, run-time rows and more live values than registers.

use kiln_jit::code::{CallError, Code};
use kiln_jit::kernel::*;

/// The widths that are emitted; wider kernels run in the interpreter alone.
const EMITTED: [usize; 2] = [1, 4];

/// What a kernel's buffers hold, as bits.
type Contents = Vec<Vec<u32>>;

fn slices<'a>(kernel: &Kernel, floats: &'a mut [Vec<f32>], integers: &'a mut [Vec<i32>]) -> Vec<Slice<'a>> {
    let (mut floats, mut integers) = (floats.iter_mut(), integers.iter_mut());
    let slice = |buffer: &Buffer| match buffer.element {
        Element::F32 => floats.next().expect("one for each").as_mut_slice().into(),
        Element::I32 => integers.next().expect("one for each").as_mut_slice().into(),
    };
    kernel.buffers.iter().map(slice).collect()
}

/// Runs `run` on slices with the given contents and gives what they hold then.
fn with_slices(kernel: &Kernel, contents: &Contents, run: impl FnOnce(&mut [Slice<'_>])) -> Contents {
    let of = |element| kernel.buffers.iter().zip(contents).filter(move |(b, _)| b.element == element).map(|(_, c)| c);
    let mut floats: Vec<Vec<f32>> =
        of(Element::F32).map(|words| words.iter().map(|&bits| f32::from_bits(bits)).collect()).collect();
    let mut integers: Vec<Vec<i32>> =
        of(Element::I32).map(|words| words.iter().map(|&bits| bits as i32).collect()).collect();
    run(&mut slices(kernel, &mut floats, &mut integers));
    let (mut floats, mut integers) = (floats.into_iter(), integers.into_iter());
    let bits = |buffer: &Buffer| match buffer.element {
        Element::F32 => floats.next().expect("one for each").into_iter().map(f32::to_bits).collect(),
        Element::I32 => integers.next().expect("one for each").into_iter().map(|x| x as u32).collect(),
    };
    kernel.buffers.iter().map(bits).collect()
}

fn interpreted(kernel: &Kernel, contents: &Contents) -> Contents {
    with_slices(kernel, contents, |slices| interpret(kernel, slices))
}

/// In two calls, as two threads would.
fn emitted(kernel: &Kernel, contents: &Contents) -> Contents {
    let code = Code::new(std::slice::from_ref(kernel)).unwrap_or_else(|error| panic!("{error}\n{kernel}"));
    with_slices(kernel, contents, |slices| {
        let middle = kernel.tasks() / 2;
        for tasks in [middle..kernel.tasks(), 0..middle] {
            code.call(0, slices, tasks).expect("the slices fit");
        }
    })
}

fn same(element: Element, a: u32, b: u32) -> bool {
    a == b || element == Element::F32 && f32::from_bits(a).is_nan() && f32::from_bits(b).is_nan()
}

fn check(kernel: &Kernel, contents: &Contents) {
    let expected = interpreted(kernel, contents);
    let found = emitted(kernel, contents);
    for ((buffer, expected), found) in kernel.buffers.iter().zip(&expected).zip(&found) {
        for (place, (&expected, &found)) in expected.iter().zip(found).enumerate() {
            assert!(
                same(buffer.element, expected, found),
                "{}[{place}] is {found:#x} ({}), expected {expected:#x} ({}) in\n{kernel}",
                buffer.name,
                f32::from_bits(found),
                f32::from_bits(expected),
            );
        }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn between(&mut self, least: i64, greatest: i64) -> i64 {
        least + self.below((greatest - least + 1) as usize) as i64
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Bits that are often special as either type.
    fn word(&mut self) -> u32 {
        const SPECIAL: [f32; 16] = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.5,
            2.5,
            -1.5,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
            f32::MAX,
            f32::MIN_POSITIVE,
            1e-45,
            2_147_483_648.0,
            -2_147_483_904.0,
            8_388_609.0,
        ];
        match self.below(8) {
            0 => self.pick(&SPECIAL).to_bits(),
            1 => self.pick(&[0, 1, 2, 7, -1, i32::MAX, i32::MIN]) as u32,
            2 => self.next() as u32,
            _ => (self.between(-4000, 4000) as f32 / 256.0).to_bits(),
        }
    }

    fn contents(&mut self, kernel: &Kernel) -> Contents {
        kernel.buffers.iter().map(|buffer| (0..buffer.elements).map(|_| self.word()).collect()).collect()
    }
}

const FLOAT1: [Float1; 5] = [Float1::Neg, Float1::Abs, Float1::Sqrt, Float1::Floor, Float1::Nearest];
const FLOAT2: [Float2; 6] = [Float2::Add, Float2::Sub, Float2::Mul, Float2::Div, Float2::Min, Float2::Max];
const INT2: [Int2; 9] =
    [Int2::Add, Int2::Sub, Int2::Mul, Int2::MulHighUnsigned, Int2::And, Int2::Or, Int2::Xor, Int2::Min, Int2::Max];
const SHIFTS: [Shift; 3] = [Shift::Left, Shift::RightLogical, Shift::RightArithmetic];
const COMPARES: [Compare; 6] = [Compare::Eq, Compare::Ne, Compare::Lt, Compare::Le, Compare::Gt, Compare::Ge];
const MASK2: [Mask2; 3] = [Mask2::And, Mask2::Or, Mask2::Xor];

/// Stores an operation of f32s `x, y, z` and i32s `m, n` over many elements.
fn check_operation(operation: impl Fn(&mut KernelBuilder, [Value; 3], [Value; 2]) -> Value) {
    for lanes in EMITTED {
        let elements = 64 * lanes;
        let mut b = KernelBuilder::new("operation", lanes);
        let floats = ["x", "y", "z"].map(|name| b.buffer(name, Element::F32, elements, Access::Read));
        let integers = ["m", "n"].map(|name| b.buffer(name, Element::I32, elements, Access::Read));
        let i = b.grid(64);
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
        for _ in 0..8 {
            check(&kernel, &random.contents(&kernel));
        }
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

#[test]
fn accesses() {
    let mut random = Random(5);
    for lanes in EMITTED {
        for (stride, active) in [1, 2, 0, -1, 3, -7].into_iter().flat_map(|s| (1..=lanes).map(move |a| (s, a))) {
            let mut b = KernelBuilder::new("access", lanes);
            let x = b.buffer("x", Element::F32, 700, Access::Read);
            let n = b.buffer("n", Element::I32, 700, Access::Read);
            let out = b.buffer("out", Element::F32, 900, Access::ReadWrite);
            let back = b.buffer("back", Element::I32, 700, Access::Write);
            let i = b.grid(3);
            b.for_each(4, &[], |b, j, _| {
                let index = Index::of(i, 40).plus(j, -9).shifted(101);
                let load = |buffer| Operation::Load { buffer, index: index.clone(), stride, active };
                let loaded = b.push(load(x));
                let numbers = b.push(load(n));
                let row = Row { value: numbers, extent: 5, stride: 13 };
                let splat = b.splat(x, Index { row: Some(row), ..Index::of(j, 20) });
                let sum = b.add(loaded, splat);
                let place = Index::of(i, 200).plus(j, 50).shifted(30);
                let (step, count) = if stride == 0 { (1, 1) } else { (stride, active) };
                b.store(out, place.clone(), step, count, sum);
                b.store(back, place, step, count, numbers);
                vec![]
            });
            let kernel = b.finish();
            check(&kernel, &random.contents(&kernel));
        }
    }
}

/// Draws kernels. Each task owns a part of the written buffers, so that tasks are independent.
struct Generator {
    random: Random,
    b: KernelBuilder,
    /// The variables in scope with their extents, the grid's first.
    variables: Vec<(Variable, usize)>,
    tasks: usize,
    grid: usize,
    /// The values in scope.
    values: Vec<Value>,
    read: [BufferId; 2],
    written: [BufferId; 2],
}

/// The part of the written buffers that a task owns, in elements.
const PART: i64 = 300;

impl Generator {
    fn kernel(seed: u64, lanes: usize) -> Kernel {
        let mut random = Random(seed);
        let mut b = KernelBuilder::new(format!("random{seed}"), lanes);
        let read = [Element::F32, Element::I32].map(|element| b.buffer("in", element, 1, Access::Read));
        let extents: Vec<usize> = (0..random.below(4)).map(|_| random.pick(&[1, 2, 3, 4])).collect();
        let variables: Vec<(Variable, usize)> = extents.iter().map(|&extent| (b.grid(extent), extent)).collect();
        let tasks: usize = extents.iter().product();
        let written = [Element::F32, Element::I32]
            .map(|element| b.buffer("out", element, tasks * PART as usize, Access::ReadWrite));
        let grid = variables.len();
        let mut generator = Generator { random, b, variables, tasks, grid, values: Vec::new(), read, written };
        let constant = generator.b.f32(0.75);
        generator.values.push(constant);
        generator.block(3);
        // A use of many values at the end keeps them alive.
        for _ in 0..20 {
            generator.store();
        }
        generator.b.finish()
    }

    fn block(&mut self, depth: usize) {
        for _ in 0..self.random.between(3, 14) {
            match self.random.below(10) {
                0 | 1 if depth > 0 => self.repeat(depth - 1),
                2 => self.store(),
                _ => {
                    let value = self.operation();
                    self.values.push(value);
                }
            }
        }
    }

    fn repeat(&mut self, depth: usize) {
        let extent = self.random.pick(&[1, 2, 3, 5]);
        let initial: Vec<Value> = (0..self.random.below(7)).map(|_| self.random.pick(&self.values)).collect();
        let outer = self.values.len();
        // The builder's closure wants a builder: it is lent to it, and back.
        let mut b = std::mem::replace(&mut self.b, KernelBuilder::new("", 1));
        let results = b.for_each(extent, &initial, |b, variable, carried| {
            std::mem::swap(b, &mut self.b);
            self.variables.push((variable, extent));
            self.values.extend(carried);
            self.block(depth);
            self.variables.pop();
            let next = carried.iter().map(|&value| self.of_type(self.b.ty(value))).collect();
            std::mem::swap(b, &mut self.b);
            next
        });
        self.b = b;
        self.values.truncate(outer);
        self.values.extend(results);
    }

    /// A value in scope of the type, or a new one.
    fn of_type(&mut self, ty: ValueType) -> Value {
        let candidates: Vec<Value> = self.values.iter().copied().filter(|&value| self.b.ty(value) == ty).collect();
        if !candidates.is_empty() {
            return self.random.pick(&candidates);
        }
        let value = match ty {
            ValueType::F32 => self.b.f32(1.25),
            ValueType::I32 => self.b.i32(3),
            ValueType::Mask => {
                let [a, b] = [0; 2].map(|_| self.of_type(ValueType::F32));
                self.b.compare(Compare::Lt, a, b)
            }
        };
        self.values.push(value);
        value
    }

    /// An index over some variables whose least place is 0, and one past its greatest place.
    fn index(&mut self, variables: &[(Variable, usize)], stride: i64, active: usize) -> (Index, i64) {
        let mut index = Index::default();
        let span = stride * (active as i64 - 1);
        let (mut least, mut greatest) = (span.min(0), span.max(0));
        for &(variable, extent) in variables {
            let factor = self.random.pick(&[0, 1, 4, 4, 7, -3, -4]);
            index = index.plus(variable, factor);
            let span = factor * (extent as i64 - 1);
            (least, greatest) = (least + span.min(0), greatest + span.max(0));
        }
        (index.shifted(-least), greatest - least + 1)
    }

    fn lanes(&mut self) -> (i64, usize) {
        let lanes = self.b.lanes();
        match self.random.below(3) {
            0 => (1, lanes),
            1 => (1, 1 + self.random.below(lanes)),
            _ => (self.random.pick(&[-2, -1, 2, 5]), 1 + self.random.below(lanes)),
        }
    }

    /// An index into the read buffer, which grows to hold it.
    fn read_index(&mut self, buffer: BufferId, stride: i64, active: usize) -> Index {
        let (mut index, mut end) = self.index(&self.variables.clone(), stride, active);
        if self.random.below(4) == 0 {
            let row = Row { value: self.of_type(ValueType::I32), extent: 6, stride: 8 };
            index.row = Some(row);
            end += 5 * 8;
        }
        let offset = self.random.between(0, 20);
        let elements = &mut self.b.buffer_mut(buffer).elements;
        *elements = (*elements).max((end + offset) as usize);
        index.shifted(offset)
    }

    /// An index into the task's own part of a written buffer.
    fn own_index(&mut self, stride: i64, active: usize) -> Index {
        let loops = self.variables[self.grid..].to_vec();
        let (mut index, end) = self.index(&loops, stride, active);
        index = index.shifted(self.random.between(0, PART - end));
        let mut part = PART * self.tasks as i64;
        for &(variable, extent) in &self.variables[..self.grid] {
            part /= extent as i64;
            index = index.plus(variable, part);
        }
        index
    }

    fn store(&mut self) {
        let ty = self.random.pick(&[ValueType::F32, ValueType::I32]);
        let value = self.of_type(ty);
        let (stride, active) = self.lanes();
        let index = self.own_index(stride, active);
        self.b.store(self.written[(ty == ValueType::I32) as usize], index, stride, active, value);
    }

    fn operation(&mut self) -> Value {
        use ValueType::{F32, I32, Mask};
        let random = &mut self.random;
        match random.below(22) {
            0 => {
                let value = f32::from_bits(random.word());
                self.b.f32(value)
            }
            1 => {
                let value = random.word() as i32;
                self.b.i32(value)
            }
            2 => {
                let index = self.index(&self.variables.clone(), 1, 1).0;
                self.b.push(Operation::Affine(index))
            }
            3 => self.b.push(Operation::Lane),
            4..=6 => {
                let buffer = random.pick(&self.read);
                let (stride, active) = self.lanes();
                let index = self.read_index(buffer, stride, active);
                self.b.push(Operation::Load { buffer, index, stride, active })
            }
            7 => {
                let buffer = random.pick(&self.written);
                let (stride, active) = self.lanes();
                let index = self.own_index(stride, active);
                self.b.push(Operation::Load { buffer, index, stride, active })
            }
            8 => {
                let buffer = random.pick(&self.read);
                let index = self.read_index(buffer, 1, 1);
                self.b.splat(buffer, index)
            }
            9 => {
                let function = random.pick(&FLOAT1);
                let a = self.of_type(F32);
                self.b.float1(function, a)
            }
            10 | 11 => {
                let function = random.pick(&FLOAT2);
                let [a, b] = [0; 2].map(|_| self.of_type(F32));
                self.b.float2(function, a, b)
            }
            12 | 13 => {
                let [a, b, c] = [0; 3].map(|_| self.of_type(F32));
                self.b.fma(a, b, c)
            }
            14 => {
                let function = random.pick(&INT2);
                let [a, b] = [0; 2].map(|_| self.of_type(I32));
                self.b.int2(function, a, b)
            }
            15 => {
                let (shift, bits) = (random.pick(&SHIFTS), random.below(32) as u8);
                let a = self.of_type(I32);
                self.b.shift(shift, a, bits)
            }
            16 => {
                let (compare, ty) = (random.pick(&COMPARES), random.pick(&[F32, I32]));
                let [a, b] = [0; 2].map(|_| self.of_type(ty));
                self.b.compare(compare, a, b)
            }
            17 => {
                let function = random.pick(&MASK2);
                let [a, b] = [0; 2].map(|_| self.of_type(Mask));
                let mask = self.b.push(Operation::Mask2(function, a, b));
                self.b.push(Operation::MaskNot(mask))
            }
            18 | 19 => {
                let ty = random.pick(&[F32, I32]);
                let mask = self.of_type(Mask);
                let [a, b] = [0; 2].map(|_| self.of_type(ty));
                self.b.select(mask, a, b)
            }
            20 => {
                let function = random.pick(&FLOAT2);
                let a = self.of_type(F32);
                self.b.push(Operation::Fold(function, a))
            }
            _ => {
                let convert = random.pick(&[
                    Convert::Truncate,
                    Convert::ToF32,
                    Convert::BitsToI32,
                    Convert::BitsToF32,
                    Convert::MaskToI32,
                    Convert::I32ToMask,
                ]);
                let ty = match convert {
                    Convert::Truncate | Convert::BitsToI32 => F32,
                    Convert::ToF32 | Convert::BitsToF32 | Convert::I32ToMask => I32,
                    Convert::MaskToI32 => Mask,
                };
                let mut a = self.of_type(ty);
                if convert == Convert::BitsToI32 {
                    // The payload of a NaN may differ.
                    let (number, zero) = (self.b.compare(Compare::Eq, a, a), self.b.f32(0.0));
                    a = self.b.select(number, a, zero);
                }
                self.b.convert(convert, a)
            }
        }
    }
}

#[test]
fn random_programs() {
    let count = std::env::var("KILN_RANDOM_KERNELS").ok().and_then(|n| n.parse().ok()).unwrap_or(400);
    for seed in 0..count {
        let kernel = Generator::kernel(seed, EMITTED[seed as usize % EMITTED.len()]);
        check(&kernel, &Random(seed).contents(&kernel));
    }
}

#[test]
fn random_programs_of_wide_vectors_pass_the_checker() {
    for seed in 0..100 {
        let kernel = Generator::kernel(seed, if seed % 2 == 0 { 8 } else { 16 });
        interpreted(&kernel, &Random(seed).contents(&kernel));
    }
}

#[test]
fn equal_kernels_are_emitted_once() {
    let kernel = Generator::kernel(1, 4);
    let once = Code::new(std::slice::from_ref(&kernel)).expect("code").bytes();
    assert_eq!(Code::new(&[kernel.clone(), kernel]).expect("code").bytes(), once);
}

#[test]
fn broken_and_wide_kernels_have_no_code() {
    let refused =
        |kernel: Kernel| Code::new(&[Generator::kernel(1, 4), kernel]).map(|_| ()).expect_err("refused").to_string();
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
    let code = Code::new(&[b.finish()]).expect("code");
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
