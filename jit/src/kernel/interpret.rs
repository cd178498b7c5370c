//! The kernel interpreter: slow, obvious, at any number of lanes; the oracle of every emitter and the way to test a
//! lowering for machines that are not at hand. It knows the kernel IR alone.
//!
//! It also tests what the checker can not see: that no task touches a place that another task writes.

use std::ops::Range;

use kiln_graph::Bf16;

use super::tiles::{MOST, TILES, dot};
use super::*;

/// An argument of [`interpret()`].
#[derive(Debug)]
pub enum Slice<'a> {
    /// For a buffer of f32.
    F32(&'a mut [f32]),
    /// For a buffer of i32.
    I32(&'a mut [i32]),
    /// For a buffer of bf16, as bits.
    Bf16(&'a mut [u16]),
    /// For a buffer of u8 or of i8, as bits.
    Bytes(&'a mut [u8]),
}

impl<'a> From<&'a mut [f32]> for Slice<'a> {
    fn from(slice: &'a mut [f32]) -> Slice<'a> {
        Slice::F32(slice)
    }
}

impl<'a> From<&'a mut [i32]> for Slice<'a> {
    fn from(slice: &'a mut [i32]) -> Slice<'a> {
        Slice::I32(slice)
    }
}

impl<'a> From<&'a mut [u16]> for Slice<'a> {
    fn from(slice: &'a mut [u16]) -> Slice<'a> {
        Slice::Bf16(slice)
    }
}

impl<'a> From<&'a mut [u8]> for Slice<'a> {
    fn from(slice: &'a mut [u8]) -> Slice<'a> {
        Slice::Bytes(slice)
    }
}

impl Slice<'_> {
    /// Whether it can be a buffer of an element type; four bytes are an i32.
    pub fn holds(&self, element: Element) -> bool {
        match element {
            Element::F32 => matches!(self, Slice::F32(_)),
            Element::I32 | Element::U8x4 | Element::I8x4 => matches!(self, Slice::I32(_)),
            Element::Bf16 => matches!(self, Slice::Bf16(_)),
            Element::U8 | Element::I8 => matches!(self, Slice::Bytes(_)),
        }
    }
}

/// Runs all tasks of a kernel on one slice for each of its buffers.
///
/// # Panics
/// If the kernel breaks an invariant, a slice does not fit its buffer, or tasks depend on each other.
pub fn interpret(kernel: &Kernel, arguments: &mut [Slice<'_>]) {
    assert_eq!(arguments.len(), kernel.buffers.len(), "one slice for each buffer of kernel {}", kernel.name);
    let mut memory = Vec::new();
    let mut places = Vec::new();
    for (buffer, argument) in kernel.buffers.iter().zip(&*arguments) {
        let start = memory.len();
        places.push(size_of::<u32>() * start);
        assert!(
            argument.holds(buffer.element),
            "buffer `{}` of kernel {} holds {}",
            buffer.name,
            kernel.name,
            buffer.element
        );
        match argument {
            Slice::F32(slice) => memory.extend(slice.iter().map(|x| x.to_bits())),
            Slice::I32(slice) => memory.extend(slice.iter().map(|&x| x as u32)),
            Slice::Bf16(slice) => memory.extend(slice.chunks(2).map(|pair| {
                let &[low, ref high @ ..] = pair else { unreachable!("chunks are not empty") };
                u32::from(low) | high.first().map_or(0, |&high| u32::from(high) << 16)
            })),
            Slice::Bytes(slice) => memory.extend(slice.chunks(4).map(|quad| {
                let mut bytes = [0; 4];
                bytes[..quad.len()].copy_from_slice(quad);
                u32::from_le_bytes(bytes)
            })),
        }
        let elements = match argument {
            Slice::F32(slice) => slice.len(),
            Slice::I32(slice) => slice.len(),
            Slice::Bf16(slice) => slice.len(),
            Slice::Bytes(slice) => slice.len(),
        };
        assert!(elements >= buffer.elements, "buffer `{}` of kernel {} is too short", buffer.name, kernel.name);
    }
    interpret_words(kernel, &mut memory, &places, 0..kernel.tasks());
    for (&place, argument) in places.iter().zip(arguments) {
        let place = place / size_of::<u32>();
        match argument {
            Slice::F32(slice) => {
                slice.iter_mut().zip(&memory[place..]).for_each(|(x, &bits)| *x = f32::from_bits(bits))
            }
            Slice::I32(slice) => slice.iter_mut().zip(&memory[place..]).for_each(|(x, &bits)| *x = bits as i32),
            Slice::Bf16(slice) => {
                let halves = memory[place..].iter().flat_map(|&word| [word as u16, (word >> 16) as u16]);
                slice.iter_mut().zip(halves).for_each(|(x, bits)| *x = bits);
            }
            Slice::Bytes(slice) => {
                let bytes = memory[place..].iter().flat_map(|word| word.to_le_bytes());
                slice.iter_mut().zip(bytes).for_each(|(x, bits)| *x = bits);
            }
        }
    }
}

/// Runs some tasks of a kernel on one memory of 32-bit words, where buffer `b` begins at byte `places[b]`, a multiple of the
/// bytes of its elements. Buffers may overlap.
///
/// # Panics
/// As [`interpret()`].
pub fn interpret_words(kernel: &Kernel, memory: &mut [u32], places: &[usize], tasks: Range<usize>) {
    kernel.check().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(places.len(), kernel.buffers.len(), "one place for each buffer of kernel {}", kernel.name);
    assert!(tasks.end <= kernel.tasks(), "kernel {} has {} tasks", kernel.name, kernel.tasks());
    let aligned = |(buffer, place): (&Buffer, &usize)| place.is_multiple_of(buffer.element.bytes());
    assert!(kernel.buffers.iter().zip(places).all(aligned), "elements of kernel {} lie across words", kernel.name);
    let unit = kernel.buffers.iter().map(|buffer| buffer.element.bytes()).min().unwrap_or(size_of::<u32>());
    let mut users = vec![[NOBODY; 2]; size_of_val(memory) / unit];
    let mut variables = vec![0; kernel.variables as usize];
    let mut values = vec![[0; MAX_LANES]; kernel.values.len()];
    let known = |(buffer, &place): (&Buffer, &usize)| Known {
        element: buffer.element,
        elements: buffer.elements,
        place,
        bytes: buffer.element.bytes(),
        first: place / unit,
        units: buffer.element.bytes() / unit,
    };
    let known: Vec<Known> = kernel.buffers.iter().zip(places).map(known).collect();
    let mut machine = Machine {
        kernel,
        buffers: &known,
        users: &mut users,
        memory,
        variables: &mut variables,
        values: &mut values,
        tiles: [[[0; MOST]; MOST]; TILES],
        task: 0,
    };
    for task in tasks {
        machine.task = task;
        let mut rest = task;
        for (dimension, extent) in kernel.grid.iter().enumerate().rev() {
            machine.variables[dimension] = (rest % extent) as i64;
            rest /= extent;
        }
        machine.block(&kernel.body);
    }
}

impl Kernel {
    /// The number of tasks: the product of the grid's extents.
    pub fn tasks(&self) -> usize {
        self.grid.iter().product()
    }
}

const MAX_LANES: usize = 16;

/// The bits of the lanes; a mask is all ones or all zeros.
type Lanes = [u32; MAX_LANES];

/// Which tasks have read a unit of the memory, and written it. An array, so that all of them come as the system's zeros.
type Users = [User; 2];
const READER: usize = 0;
const WRITER: usize = 1;

/// Nobody, one task, or several. Numbers, not an enum, for the time of debug builds.
type User = usize;
const NOBODY: User = 0;
const SEVERAL: User = usize::MAX;

/// What each access to a buffer needs to know.
#[derive(Clone, Copy)]
struct Known {
    element: Element,
    elements: usize,
    /// Its first byte, and those of an element.
    place: usize,
    bytes: usize,
    /// Its first unit of memory that has users, and those of an element.
    first: usize,
    units: usize,
}

/// Its memory is slices, and what happens to each lane is plain loops: each index into a `Vec`, and each step of an
/// iterator, is several calls in a debug build, whose tests spend much of their time here.
struct Machine<'a> {
    kernel: &'a Kernel,
    buffers: &'a [Known],
    memory: &'a mut [u32],
    /// Of each piece of memory that is as long as the shortest elements.
    users: &'a mut [Users],
    variables: &'a mut [i64],
    values: &'a mut [Lanes],
    /// The bits of the elements, row by row.
    tiles: [[[u32; MOST]; MOST]; TILES],
    task: usize,
}

impl Machine<'_> {
    fn block(&mut self, body: &[Statement]) {
        for statement in body {
            match statement {
                Statement::Let(value, operation) => self.values[value.0 as usize] = self.operation(operation),
                Statement::Store { buffer, index, stride, active, value } => {
                    let (lanes, first) = (self.value(*value), self.index(index));
                    let mut lane = 0;
                    while lane < *active {
                        self.write(*buffer, first + lane as i64 * stride, lanes[lane]);
                        lane += 1;
                    }
                }
                Statement::Prefetch { .. } => {}
                Statement::Tile(statement) => self.tile(statement),
                Statement::For(l) => {
                    for carried in &l.carried {
                        self.values[carried.current.0 as usize] = self.value(carried.initial);
                    }
                    let runs = l.guard.is_none_or(|guard| self.any(guard));
                    let mut next = Vec::with_capacity(l.carried.len());
                    for iteration in 0..if runs { l.extent } else { 0 } {
                        self.variables[l.variable.0 as usize] = iteration as i64;
                        self.block(&l.body);
                        // All at once: a next value may be another carried one's current value.
                        next.clear();
                        for carried in &l.carried {
                            next.push(self.value(carried.next));
                        }
                        for (number, next) in next.iter().enumerate() {
                            self.values[l.carried[number].current.0 as usize] = *next;
                        }
                    }
                    for carried in &l.carried {
                        self.values[carried.result.0 as usize] = self.value(carried.current);
                    }
                }
            }
        }
    }

    fn tile(&mut self, statement: &TileStatement) {
        let shape = |tile: &Tile| self.kernel.tiles[tile.0 as usize];
        match statement {
            TileStatement::Zero(tile) => self.tiles[tile.0 as usize] = Default::default(),
            TileStatement::Load { tile, buffer, index, stride } => {
                let TileShape { rows, columns } = shape(tile);
                let first = self.index(index);
                let pairs = self.buffers[buffer.0 as usize].element == Element::Bf16;
                for row in 0..rows {
                    let start = first + row as i64 * stride;
                    for column in 0..columns {
                        self.tiles[tile.0 as usize][row][column] = match pairs {
                            true => {
                                let even = start + 2 * column as i64;
                                pairs::pair(self.read(*buffer, even), self.read(*buffer, even + 1))
                            }
                            false => self.read(*buffer, start + column as i64),
                        };
                    }
                }
            }
            TileStatement::Dot { factors, sum, left, right } => {
                let (TileShape { rows, columns }, depth) = (shape(sum), shape(right).rows);
                let [left, right, sums] = [left, right, sum].map(|tile| tile.0 as usize);
                for column in 0..columns {
                    let mut factors_of_column = [0; MOST];
                    for (k, factor) in factors_of_column.iter_mut().enumerate().take(depth) {
                        *factor = self.tiles[right][k][column];
                    }
                    for row in 0..rows {
                        let sum = self.tiles[sums][row][column];
                        self.tiles[sums][row][column] =
                            dot(*factors, sum, &self.tiles[left][row][..depth], &factors_of_column[..depth]);
                    }
                }
            }
            TileStatement::Store { tile, buffer, index, stride } => {
                let TileShape { rows, columns } = shape(tile);
                let first = self.index(index);
                for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                    let place = first + row as i64 * stride + column as i64;
                    self.write(*buffer, place, self.tiles[tile.0 as usize][row][column]);
                }
            }
        }
    }

    /// Whether a lane of a mask holds.
    fn any(&self, mask: Value) -> bool {
        self.value(mask).iter().take(self.kernel.lanes).any(|&lane| lane != 0)
    }

    fn value(&self, value: Value) -> Lanes {
        self.values[value.0 as usize]
    }

    #[inline(always)]
    fn lanes(&self, value: Value) -> &Lanes {
        &self.values[value.0 as usize]
    }

    fn index(&self, index: &Index) -> i64 {
        let mut affine = index.offset;
        let terms = index.terms.as_slice();
        let mut term = 0;
        while term < terms.len() {
            let (variable, stride) = terms[term];
            affine += self.variables[variable.0 as usize] * stride;
            term += 1;
        }
        let row = index.row.map_or(0, |row| {
            let number = self.lanes(row.value)[0] as i32 as i64;
            number.clamp(0, row.extent as i64 - 1) * row.stride
        });
        affine + row
    }

    /// An element as the bits of a lane.
    fn read(&mut self, buffer: BufferId, element: i64) -> u32 {
        let place = self.touch(buffer, element, false);
        let word = self.memory[place / size_of::<u32>()];
        match self.buffers[buffer.0 as usize].element {
            Element::F32 | Element::I32 | Element::U8x4 | Element::I8x4 => word,
            Element::U8 => u32::from((word >> bit(place)) as u8),
            Element::I8 => i32::from((word >> bit(place)) as i8) as u32,
            Element::Bf16 => f32::from(Bf16::from_bits((word >> bit(place)) as u16)).to_bits(),
        }
    }

    fn write(&mut self, buffer: BufferId, element: i64, bits: u32) {
        let place = self.touch(buffer, element, true);
        let word = &mut self.memory[place / size_of::<u32>()];
        match self.buffers[buffer.0 as usize].element {
            Element::F32 | Element::I32 | Element::U8x4 | Element::I8x4 => *word = bits,
            Element::U8 | Element::I8 => {
                *word = *word & !(0xff << bit(place)) | u32::from(bits as u8) << bit(place);
            }
            Element::Bf16 => {
                let nearest = u32::from(Bf16::nearest(f(bits)).to_bits());
                *word = *word & !(0xffff << bit(place)) | nearest << bit(place);
            }
        }
    }

    /// Takes note of an access, and gives the element's place in bytes.
    fn touch(&mut self, buffer: BufferId, element: i64, write: bool) -> usize {
        let Known { elements, place, bytes, first, units, .. } = self.buffers[buffer.0 as usize];
        assert!(element >= 0 && element < elements as i64, "the checker let {element} pass");
        let me: User = 1 + self.task;
        let mut unit = first + element as usize * units;
        let end = unit + units;
        while unit < end {
            let users = &mut self.users[unit];
            unit += 1;
            let user = &mut users[if write { WRITER } else { READER }];
            if *user == NOBODY {
                *user = me;
            } else if *user != me {
                *user = SEVERAL;
            }
            // Nobody writes, or nobody else reads or writes.
            let [reader, writer] = *users;
            assert!(
                writer == NOBODY || writer == me && (reader == NOBODY || reader == me),
                "element {element} of buffer `{}` is written by one task of kernel {} and touched by another",
                self.kernel.buffers[buffer.0 as usize].name,
                self.kernel.name
            );
        }
        place + element as usize * bytes
    }

    /// Elements a stride apart. Of words that are units themselves the same as by reading each, without a call for each.
    fn load(&mut self, buffer: BufferId, index: &Index, stride: i64, active: usize) -> Lanes {
        let mut element = self.index(index);
        let (mut lanes, mut lane) = ([0; MAX_LANES], 0);
        let Known { element: ty, elements, first, units, .. } = self.buffers[buffer.0 as usize];
        let words = units == 1 && matches!(ty, Element::F32 | Element::I32 | Element::U8x4 | Element::I8x4);
        let me: User = 1 + self.task;
        while lane < active {
            // Of its own elements a task has nothing to note.
            let known = words && element >= 0 && element < elements as i64 && {
                let [reader, writer] = self.users[first + element as usize];
                reader == me && (writer == NOBODY || writer == me)
            };
            lanes[lane] = match known {
                true => self.memory[first + element as usize],
                false => self.read(buffer, element),
            };
            element += stride;
            lane += 1;
        }
        lanes
    }

    fn operation(&mut self, operation: &Operation) -> Lanes {
        match *operation {
            Operation::ConstantF32(value) => [value.value().to_bits(); MAX_LANES],
            Operation::ConstantI32(value) => [value as u32; MAX_LANES],
            Operation::Affine(ref index) => [self.index(index) as u32; MAX_LANES],
            Operation::Lane => self.each(|lane| lane as u32),
            Operation::Load { buffer, ref index, stride, active } => self.load(buffer, index, stride, active),
            Operation::LoadPairs { buffer, ref index, stride, active } => {
                let first = self.index(index);
                let mut lanes = [0; MAX_LANES];
                let mut lane = 0;
                while lane < active {
                    let even = first + lane as i64 * stride;
                    lanes[lane] = pairs::pair(self.read(buffer, even), self.read(buffer, even + 1));
                    lane += 1;
                }
                lanes
            }
            Operation::Gather { buffer, ref index, places, active } => {
                let (start, places) = (self.index(index), self.value(places));
                let mut lanes = [0; MAX_LANES];
                for (lane, place) in lanes.iter_mut().zip(places).take(active) {
                    *lane = self.read(buffer, start + place as i32 as i64);
                }
                lanes
            }
            Operation::Splat { buffer, ref index } => [self.read(buffer, self.index(index)); MAX_LANES],
            Operation::Float1(function, a) => self.map1(a, |x| float1(function, f(x)).to_bits()),
            Operation::Float2(function, a, b) => self.map2(a, b, |x, y| float2(function, f(x), f(y)).to_bits()),
            Operation::Fma(a, b, c) => {
                let (a, b, c) = (self.lanes(a), self.lanes(b), self.lanes(c));
                let mut lanes = [0; MAX_LANES];
                let mut lane = 0;
                while lane < self.kernel.lanes {
                    lanes[lane] = f(a[lane]).mul_add(f(b[lane]), f(c[lane])).to_bits();
                    lane += 1;
                }
                lanes
            }
            Operation::FmaQuads(a, b, c) => {
                let (a, b, c) = (self.lanes(a), self.lanes(b), self.lanes(c));
                self.each(|lane| quads::multiply_add(a[lane], b[lane], c[lane]))
            }
            Operation::FmaPairs(a, b, c) => {
                let (a, b, c) = (self.lanes(a), self.lanes(b), self.lanes(c));
                self.each(|lane| pairs::multiply_add(a[lane], b[lane], f(c[lane])).to_bits())
            }
            Operation::Int2(function, a, b) => self.map2(a, b, |x, y| int2(function, x, y)),
            Operation::Shift(shift, a, bits) => self.map1(a, |x| match shift {
                Shift::Left => x << bits,
                Shift::RightLogical => x >> bits,
                Shift::RightArithmetic => (x as i32 >> bits) as u32,
            }),
            Operation::CompareF32(compare, a, b) => self.map2(a, b, |x, y| mask(holds(compare, f(x), f(y)))),
            Operation::CompareI32(compare, a, b) => self.map2(a, b, |x, y| mask(holds(compare, x as i32, y as i32))),
            Operation::Mask2(function, a, b) => self.map2(a, b, |x, y| match function {
                Mask2::And => x & y,
                Mask2::Or => x | y,
                Mask2::Xor => x ^ y,
            }),
            Operation::MaskNot(a) => self.map1(a, |x| !x),
            Operation::Select(condition, a, b) => {
                let (condition, a, b) = (self.lanes(condition), self.lanes(a), self.lanes(b));
                self.each(|lane| if condition[lane] != 0 { a[lane] } else { b[lane] })
            }
            Operation::Convert(convert, a) => self.map1(a, |x| match convert {
                Convert::Truncate => f(x) as i32 as u32,
                Convert::ToF32 => (x as i32 as f32).to_bits(),
                Convert::BitsToI32 | Convert::BitsToF32 => x,
                Convert::MaskToI32 => x & 1,
                Convert::I32ToMask => mask(x != 0),
            }),
            Operation::Shuffle(which, a, b) => {
                let (a, b, lanes) = (self.lanes(a), self.lanes(b), self.kernel.lanes);
                let lane = |lane: usize| match which.lane(lane, lanes) {
                    from if from < lanes => a[from],
                    from => b[from - lanes],
                };
                self.each(lane)
            }
            Operation::Fold(function, a) => {
                let mut lanes = self.value(a);
                let mut half = self.kernel.lanes / 2;
                while half > 0 {
                    for lane in 0..half {
                        lanes[lane] = float2(function, f(lanes[lane]), f(lanes[lane + half])).to_bits();
                    }
                    half /= 2;
                }
                [lanes[0]; MAX_LANES]
            }
        }
    }

    fn map1(&self, a: Value, function: impl Fn(u32) -> u32) -> Lanes {
        let a = self.lanes(a);
        self.each(|lane| function(a[lane]))
    }

    fn map2(&self, a: Value, b: Value, function: impl Fn(u32, u32) -> u32) -> Lanes {
        let (a, b) = (self.lanes(a), self.lanes(b));
        self.each(|lane| function(a[lane], b[lane]))
    }

    /// A value by its lanes; beyond those of the kernel it is 0.
    fn each(&self, of: impl Fn(usize) -> u32) -> Lanes {
        let mut lanes = [0; MAX_LANES];
        let mut lane = 0;
        while lane < self.kernel.lanes {
            lanes[lane] = of(lane);
            lane += 1;
        }
        lanes
    }
}

/// The lowest bit of an element within its word, whose first bytes are its low ones.
fn bit(place: usize) -> usize {
    8 * (place % size_of::<u32>())
}

#[inline(always)]
fn f(bits: u32) -> f32 {
    f32::from_bits(bits)
}

fn mask(holds: bool) -> u32 {
    if holds { u32::MAX } else { 0 }
}

fn float1(function: Float1, x: f32) -> f32 {
    match function {
        Float1::Neg => -x,
        Float1::Abs => x.abs(),
        Float1::Sqrt => x.sqrt(),
        Float1::Floor => x.floor(),
        Float1::Nearest => x.round_ties_even(),
        Float1::Bf16 => Bf16::nearest(x).into(),
    }
}

#[inline(always)]
fn float2(function: Float2, a: f32, b: f32) -> f32 {
    match function {
        Float2::Add => a + b,
        Float2::Sub => a - b,
        Float2::Mul => a * b,
        Float2::Div => a / b,
        Float2::Min => {
            if a < b {
                a
            } else {
                b
            }
        }
        Float2::Max => {
            if a > b {
                a
            } else {
                b
            }
        }
    }
}

fn int2(function: Int2, a: u32, b: u32) -> u32 {
    match function {
        Int2::Add => a.wrapping_add(b),
        Int2::Sub => a.wrapping_sub(b),
        Int2::Mul => a.wrapping_mul(b),
        Int2::MulHighUnsigned => ((a as u64 * b as u64) >> 32) as u32,
        Int2::And => a & b,
        Int2::Or => a | b,
        Int2::Xor => a ^ b,
        Int2::Min => (a as i32).min(b as i32) as u32,
        Int2::Max => (a as i32).max(b as i32) as u32,
    }
}

fn holds<T: PartialOrd>(compare: Compare, a: T, b: T) -> bool {
    match compare {
        Compare::Eq => a == b,
        Compare::Ne => a != b,
        Compare::Lt => a < b,
        Compare::Le => a <= b,
        Compare::Gt => a > b,
        Compare::Ge => a >= b,
    }
}
