//! Random kernels: loops, carried values, tails, strides, run-time rows and more live values than registers.

use kiln_jit::kernel::*;

use crate::run::Contents;

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn between(&mut self, least: i64, greatest: i64) -> i64 {
        least + self.below((greatest - least + 1) as usize) as i64
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Bits that are often special as either type.
    pub fn word(&mut self) -> u32 {
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

    pub fn contents(&mut self, kernel: &Kernel) -> Contents {
        let mut element = |buffer: &Buffer| match buffer.element {
            Element::F32 | Element::I32 | Element::U8x4 | Element::I8x4 => self.word(),
            Element::U8 | Element::I8 => self.next() as u8 as u32,
            Element::Bf16 => self.word() >> 16,
        };
        kernel.buffers.iter().map(|buffer| (0..buffer.elements).map(|_| element(buffer)).collect()).collect()
    }
}

pub const FLOAT1: [Float1; 6] = [Float1::Neg, Float1::Abs, Float1::Sqrt, Float1::Floor, Float1::Nearest, Float1::Bf16];
pub const FLOAT2: [Float2; 6] = [Float2::Add, Float2::Sub, Float2::Mul, Float2::Div, Float2::Min, Float2::Max];
pub const INT2: [Int2; 9] =
    [Int2::Add, Int2::Sub, Int2::Mul, Int2::MulHighUnsigned, Int2::And, Int2::Or, Int2::Xor, Int2::Min, Int2::Max];
pub const SHIFTS: [Shift; 3] = [Shift::Left, Shift::RightLogical, Shift::RightArithmetic];
pub const COMPARES: [Compare; 6] = [Compare::Eq, Compare::Ne, Compare::Lt, Compare::Le, Compare::Gt, Compare::Ge];
pub const SHUFFLES: [Shuffle; 6] = [
    Shuffle::LowLanes,
    Shuffle::HighLanes,
    Shuffle::LowPairs,
    Shuffle::HighPairs,
    Shuffle::EvenGroups,
    Shuffle::OddGroups,
];
pub const MASK2: [Mask2; 3] = [Mask2::And, Mask2::Or, Mask2::Xor];

const ELEMENTS: [Element; 6] = [Element::F32, Element::I32, Element::Bf16, Element::U8, Element::I8, Element::U8x4];

/// Draws kernels. Each task owns a part of the written buffers, so that tasks are independent.
pub struct Generator {
    random: Random,
    b: KernelBuilder,
    /// The variables in scope with their extents, the grid's first.
    variables: Vec<(Variable, usize)>,
    tasks: usize,
    grid: usize,
    /// The values in scope.
    values: Vec<Value>,
    read: [BufferId; ELEMENTS.len()],
    written: [BufferId; ELEMENTS.len()],
}

/// The part of the written buffers that a task owns, in elements.
const PART: i64 = 300;

impl Generator {
    pub fn kernel(seed: u64, lanes: usize) -> Kernel {
        let mut random = Random(seed);
        let mut b = KernelBuilder::new(format!("random{seed}"), lanes);
        let read = ELEMENTS.map(|element| b.buffer("in", element, 1, Access::Read));
        let extents: Vec<usize> = (0..random.below(4)).map(|_| random.pick(&[1, 2, 3, 4])).collect();
        let variables: Vec<(Variable, usize)> = extents.iter().map(|&extent| (b.grid(extent), extent)).collect();
        let tasks: usize = extents.iter().product();
        let written = ELEMENTS.map(|element| b.buffer("out", element, tasks * PART as usize, Access::ReadWrite));
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
                3 if self.random.below(4) == 0 => self.prefetch(),
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
        let guard = (self.random.below(4) == 0).then(|| self.of_type(ValueType::Mask));
        let outer = self.values.len();
        // The builder's closure wants a builder: it is lent to it, and back.
        let mut b = std::mem::replace(&mut self.b, KernelBuilder::new("", 1));
        let mut body = |b: &mut KernelBuilder, variable: Option<Variable>, carried: &[Value]| {
            std::mem::swap(b, &mut self.b);
            self.variables.extend(variable.map(|variable| (variable, extent)));
            self.values.extend(carried);
            self.block(depth);
            self.variables.truncate(self.variables.len() - usize::from(variable.is_some()));
            let next = carried.iter().map(|&value| self.of_type(self.b.ty(value))).collect();
            std::mem::swap(b, &mut self.b);
            next
        };
        let results = match guard {
            Some(mask) => b.where_any(mask, &initial, |b, carried| body(b, None, carried)),
            None => b.for_each(extent, &initial, |b, variable, carried| body(b, Some(variable), carried)),
        };
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
        let to = self.random.below(ELEMENTS.len());
        let value = self.of_type(ELEMENTS[to].value_type());
        let (stride, active) = self.lanes();
        let index = self.own_index(stride, active);
        self.b.store(self.written[to], index, stride, active, value);
    }

    /// Of any place, inside of the buffer or not.
    fn prefetch(&mut self) {
        let buffer = self.random.pick(&[self.read, self.written].concat());
        let index = self.index(&self.variables.clone(), 1, 1).0.shifted(self.random.between(-5000, 5000));
        self.b.prefetch(buffer, index);
    }

    fn operation(&mut self) -> Value {
        use ValueType::{F32, I32, Mask};
        let random = &mut self.random;
        match random.below(25) {
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
            4 => {
                let buffer = self.read[2];
                let (stride, active) = match self.lanes() {
                    (1, active) => (2, active),
                    (stride, active) => (if stride == 5 { 0 } else { stride }, active),
                };
                let index = self.read_index(buffer, stride, active);
                // The last lane's odd element.
                self.b.buffer_mut(buffer).elements += 1;
                self.b.push(Operation::LoadPairs { buffer, index, stride, active })
            }
            5 | 6 => {
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
            12 => {
                let [a, b] = [0; 2].map(|_| self.of_type(I32));
                let c = self.of_type(F32);
                // Of numbers from 2^-31 to 4: denormal ones are 0 here whatever the floating-point mode.
                let [sign, exponent] = [0xbfff_bfff_u32, 0x3000_3000].map(|bits| self.b.i32(bits as i32));
                let [a, b] = [a, b].map(|pair| {
                    let pair = self.b.int2(Int2::And, pair, sign);
                    self.b.int2(Int2::Or, pair, exponent)
                });
                self.b.fma_pairs(a, b, c)
            }
            13 => {
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
                let buffer = random.pick(&self.read);
                let active = 1 + random.below(self.b.lanes());
                // Up to 5 * 8 elements behind the index.
                let anything = self.of_type(I32);
                let [least, greatest, factor] = [0, 5, 8].map(|number| self.b.i32(number));
                let places = self.b.int2(Int2::Max, anything, least);
                let places = self.b.int2(Int2::Min, places, greatest);
                let places = self.b.int2(Int2::Mul, places, factor);
                let index = self.read_index(buffer, 40, 2);
                self.b.push(Operation::Gather { buffer, index, places, active })
            }
            21 => {
                let function = random.pick(&FLOAT2);
                let a = self.of_type(F32);
                self.b.push(Operation::Fold(function, a))
            }
            22 => {
                let which = random.pick(&SHUFFLES);
                let [a, b] = [0; 2].map(|_| self.of_type(F32));
                match which.least_lanes() <= self.b.lanes() {
                    true => self.b.push(Operation::Shuffle(which, a, b)),
                    false => self.b.add(a, b),
                }
            }
            23 => {
                let [a, b, c] = [0; 3].map(|_| self.of_type(I32));
                self.b.fma_quads(a, b, c)
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
