//! Loads and stores of 16-bit elements, which are the upper halves of lanes. Nothing beyond the active lanes is
//! touched. Two of them as one lane are `pairs.rs`'s.
//!
//! ```text
//! load     vpmovzxwd   words to lanes          vpslld 16       to their upper halves
//! store    rounding in integers, words in the lower halves     vpackusdw, vpermq; vpmovdw (AVX-512)
//!          vcvtneps2bf16, where there is AVX512-BF16
//! ```

use iced_x86::{Code, Register};

use super::assembly::{Base as Place, Memory, Operand};
use super::instructions::*;
use super::loops::half;
use super::pointers::{FIRST, SECOND};
use super::values::{BELOW_HALF, Constant, EXPONENT, Id, QUIET, SIGN, is_half, is_widened_whole};
use super::{Body, Level};
use crate::emit::addresses::Base;
use crate::kernel::{BufferId, Element, Index, Value};

/// Bytes of an element.
const BYTES: i64 = Element::Bf16.bytes() as i64;
/// Bits by which an element is moved to the upper half of its lane.
const HALF: u8 = 16;
/// The predicate of `vcmpps` that holds where an operand is NaN.
const UNORDERED: u8 = 0x03;
/// The elements that 128 bits hold.
const PART: usize = 8;

impl Body<'_> {
    /// The name of a register at the length of as many 16-bit elements as there are lanes.
    fn half_name(&self, register: u8) -> Register {
        match self.length {
            Length::Xmm | Length::Ymm => Length::Xmm.register(register),
            Length::Zmm => Length::Ymm.register(register),
        }
    }

    /// The words in the lower halves of all lanes go to the upper ones.
    fn raise(&mut self, id: Id, to: u8) {
        let to = self.name(to).into();
        self.out.push(LEFT.code(self.level, self.length), &[to, to, Operand::Byte(HALF)]);
        self.defined(id);
    }

    /// The nearest bf16 of each lane.
    pub(super) fn round_half(&mut self, id: Id, a: Id) {
        self.hold(&[a]);
        let from = self.register(a);
        let to = self.target_apart(id);
        match self.level {
            Level::Avx2 => self.round_vectors(from, to),
            Level::Avx512 if self.bf16 => {
                let [name, half_name]: [Operand; 2] = [self.name(to).into(), self.half_name(to).into()];
                self.out.push(TO_BF16.code(self.level, self.length), &[half_name, self.name(from).into()]);
                self.out.push(WIDEN_HALVES.code(self.level, self.length), &[name, half_name]);
            }
            Level::Avx512 => self.round_masked(from, to),
        }
        self.raise(id, to);
    }

    /// The first `active` lanes; the others are 0.
    pub(super) fn load_halves(&mut self, id: Id, buffer: BufferId, index: &Index, stride: i64, active: usize) {
        let lanes = self.kernel.lanes;
        let (base, first) = self.address(buffer, index);
        let to = self.target_apart(id);
        match stride {
            _ if lanes == 1 => {
                let memory = self.near(base, first);
                self.out.push(BROADCAST_HALF.code(self.level, self.length), &[self.name(to).into(), memory.into()]);
            }
            1 if is_widened_whole(active, lanes) => {
                let length = Length::of(active);
                let memory = self.near(base, first);
                self.out.push(WIDEN_HALVES.code(self.level, length), &[length.register(to).into(), memory.into()]);
            }
            1 if self.level == Level::Avx512 => {
                let mask = self.values.constant(Constant::Active(active));
                let mask = self.register(mask);
                let (memory, mask) = (self.near(base, first), self.name(mask));
                let code = WIDEN_HALVES.code(self.level, self.length);
                self.out.masked(code, &[self.name(to).into(), memory.into()], Some((mask, false)));
            }
            0 => {
                let memory = self.near(base, first);
                let name: Operand = self.name(to).into();
                self.out.push(BROADCAST_HALF.code(self.level, self.length), &[name, memory.into()]);
                if active < lanes {
                    let mask = self.values.constant(Constant::Active(active));
                    let mask = self.register(mask);
                    let mask = self.name(mask);
                    match self.level {
                        Level::Avx2 => self.out.push(AND.code(self.level, self.length), &[name, name, mask.into()]),
                        Level::Avx512 => {
                            let code = LEFT.code(self.level, self.length);
                            self.out.masked(code, &[name, name, Operand::Byte(HALF)], Some((mask, false)));
                            return self.defined(id);
                        }
                    }
                }
            }
            _ => {
                let place = |lane: usize| first + lane as i64 * stride * BYTES;
                self.collect(to, active, stride == 1, |body, lane| body.near(base, place(lane)));
            }
        }
        self.raise(id, to);
    }

    /// Puts words from places of their own, the first of several after one another, into the lower halves of the first lanes;
    /// the other lanes are 0.
    fn collect(&mut self, to: u8, active: usize, together: bool, mut place: impl FnMut(&mut Self, usize) -> Memory) {
        let part = if active > PART { self.temporary(false) } else { to };
        for start in (0..active).step_by(PART) {
            let register = Length::Xmm.register(if start == 0 { to } else { part });
            let end = active.min(start + PART);
            let mut lane = start;
            // Four or two words at once, which clear those beyond.
            let first = match end - start {
                4.. if together => Some((LOAD_TWO, 4)),
                2.. if together => Some((LOAD_ONE, 2)),
                _ => None,
            };
            match first {
                Some((load, words)) => {
                    let memory = place(self, lane);
                    self.out.push(load.code(self.level), &[register.into(), memory.into()]);
                    lane += words;
                }
                None => self.out.push(XOR.code(self.level, Length::Xmm), &[register.into(); 3]),
            }
            while lane < end {
                let memory = place(self, lane);
                let (insert, words, number) = match together && lane + 2 <= end && lane.is_multiple_of(2) {
                    true => (INSERT_LANE, 2, (lane - start) as u8 / 2 * 16),
                    false => (INSERT_HALF, 1, (lane - start) as u8),
                };
                let operands = [register.into(), register.into(), memory.into(), Operand::Byte(number)];
                self.out.push(insert.code(self.level), &operands);
                lane += words;
            }
            if start > 0 {
                let whole = Length::Ymm.register(to).into();
                let operands = [whole, whole, register.into(), Operand::Byte(1)];
                self.out.push(INSERT_128_IN_256.code(self.level), &operands);
            }
        }
        let operands = [self.name(to).into(), self.half_name(to).into()];
        self.out.push(WIDEN_HALVES.code(self.level, self.length), &operands);
    }

    /// Lanes at distances of their own, one after the other: the instruction that gathers reads 32 bits, which may be beyond
    /// the buffer.
    pub(super) fn gather_halves(&mut self, id: Id, buffer: BufferId, index: &Index, places: Id, active: usize) {
        let places = self.register(places);
        let (base, first) = self.address(buffer, index);
        let start = self.near(base, first);
        let Place::Register(base) = start.base else { unreachable!("a buffer is at an address") };
        let number = if base == FIRST { SECOND } else { FIRST };
        let to = self.target_apart(id);
        let part = if active > 4 { self.temporary(false) } else { places };
        self.collect(to, active, false, |body, lane| {
            let (group, lane) = (lane / 4, lane % 4);
            let from = if group == 0 { places } else { part };
            if group > 0 && lane == 0 {
                body.extract_128(part, places, group);
            }
            let operands = [half(number), Length::Xmm.register(from).into(), Operand::Byte(lane as u8)];
            body.out.push(EXTRACT_LANE.code(body.level), &operands);
            body.out.push(Code::Movsxd_r64_rm32, &[number.into(), half(number)]);
            body.out.push(Code::Add_r64_rm64, &[number.into(), number.into()]);
            body.out.push(Code::Add_r64_rm64, &[number.into(), base.into()]);
            Memory::new(Place::Register(number), start.displacement)
        });
        self.raise(id, to);
    }

    /// One element in every lane.
    pub(super) fn splat_half(&mut self, id: Id, buffer: BufferId, index: &Index) {
        let (base, first) = self.address(buffer, index);
        let to = self.target_apart(id);
        let memory = self.near(base, first);
        self.out.push(BROADCAST_HALF.code(self.level, self.length), &[self.name(to).into(), memory.into()]);
        self.raise(id, to);
    }

    /// Rounds the first `active` lanes to 16 bits and writes them.
    pub(super) fn store_halves(&mut self, buffer: BufferId, index: &Index, stride: i64, active: usize, value: Value) {
        let id = self.values.id(value);
        let from = self.register(id);
        let (base, first) = self.address(buffer, index);
        let words = self.temporary(false);
        let [name, half_name]: [Operand; 2] = [self.name(words).into(), self.half_name(words).into()];
        match self.level {
            Level::Avx2 => {
                self.round_vectors(from, words);
                self.out.push(PACK.code(self.level, self.length), &[name, name, name]);
                if self.length == Length::Ymm {
                    // The first half of each of the two groups.
                    self.out.push(PERMUTE_PAIRS.code(self.level), &[name, name, Operand::Byte(0b10_00)]);
                }
            }
            Level::Avx512 if self.bf16 => {
                let from = self.name(from).into();
                self.out.push(TO_BF16.code(self.level, self.length), &[half_name, from]);
            }
            Level::Avx512 => {
                self.round_masked(from, words);
                self.out.push(NARROW.code(self.level, self.length), &[half_name, name]);
            }
        }
        if stride == 1 && active == 16 {
            let memory = self.near(base, first);
            return self.out.push(STORE.code(self.level, Length::Ymm), &[memory.into(), half_name]);
        }
        // In pieces and not by a mask: a load that begins where the active lanes of a masked store end would wait.
        let mut lane = 0;
        while lane < active {
            if lane == PART {
                self.extract_128(words, words, 1);
            }
            let within = (lane % PART) as u8;
            let (xmm, left) = (Length::Xmm.register(words).into(), if stride == 1 { active - lane } else { 1 });
            let memory: Operand = self.near(base, first + lane as i64 * stride * BYTES).into();
            let (code, number, count) = match (within, left) {
                (0, 8..) => (STORE.code(self.level, Length::Xmm), None, 8),
                (0, 4..) => (STORE_TWO.code(self.level), None, 4),
                (0, 2..) => (STORE_ONE.code(self.level), None, 2),
                (2 | 4 | 6, 2..) => (EXTRACT_LANE.code(self.level), Some(within / 2), 2),
                _ => (EXTRACT_HALF.code(self.level), Some(within), 1),
            };
            match number {
                None => self.out.push(code, &[memory, xmm]),
                Some(number) => self.out.push(code, &[memory, xmm, Operand::Byte(number)]),
            }
            lane += count;
        }
    }

    /// 128 bits of a register, by their number.
    pub(super) fn extract_128(&mut self, to: u8, from: u8, number: usize) {
        let (op, from) = match self.length {
            Length::Zmm if number > 1 => (EXTRACT_128_OF_512, Length::Zmm.register(from)),
            _ => (EXTRACT_128_OF_256, Length::Ymm.register(from)),
        };
        let operands = [Length::Xmm.register(to).into(), from.into(), Operand::Byte(number as u8)];
        self.out.push(op.code(self.level), &operands);
    }

    /// The words that lanes are rounded to, in the lower halves of the lanes; masks are vectors.
    fn round_vectors(&mut self, from: u8, to: u8) {
        let (other, mask) = (self.temporary(false), self.temporary(false));
        let [from, to, other, mask]: [Operand; 4] = [from, to, other, mask].map(|register| self.name(register).into());
        let [below_half, quiet, exponent] = [BELOW_HALF, QUIET, EXPONENT].map(|constant| {
            let id = self.values.constant(constant);
            self.operand(id)
        });
        let mut push = |op: Op, operands: &[Operand]| self.out.push(op.code(self.level, self.length), operands);
        push(LEFT, &[to, from, Operand::Byte(HALF - 1)]);
        push(RIGHT_LOGICAL, &[to, to, Operand::Byte(31)]);
        push(ADD_I32, &[to, to, below_half]);
        push(ADD_I32, &[to, to, from]);
        push(COMPARE, &[mask, from, from, Operand::Byte(UNORDERED)]);
        push(OR, &[other, from, quiet]);
        push(SELECT_VECTOR, &[to, to, other, mask]);
        // Where the exponent is 0, all bits but that of the sign become 0.
        push(AND, &[mask, from, exponent]);
        push(XOR, &[other, other, other]);
        push(EQUAL_I32, &[mask, mask, other]);
        push(RIGHT_LOGICAL, &[mask, mask, Operand::Byte(1)]);
        push(AND_NOT, &[to, mask, to]);
        push(RIGHT_LOGICAL, &[to, to, Operand::Byte(HALF)]);
    }

    /// The same; masks are registers of bits.
    fn round_masked(&mut self, from: u8, to: u8) {
        let (other, mask) = (self.temporary(false), self.temporary(true));
        let [from, to, other]: [Operand; 3] = [from, to, other].map(|register| self.name(register).into());
        let mask = self.name(mask);
        let [below_half, quiet, exponent, sign] = [BELOW_HALF, QUIET, EXPONENT, SIGN].map(|constant| {
            let id = self.values.constant(constant);
            self.operand(id)
        });
        let code = |op: Op| op.code(self.level, self.length);
        let (left, right, add, and, or) = (code(LEFT), code(RIGHT_LOGICAL), code(ADD_I32), code(AND), code(OR));
        let (test, compare) = (code(TEST_I32), code(COMPARE));
        self.out.push(left, &[other, from, Operand::Byte(HALF - 1)]);
        self.out.push(right, &[other, other, Operand::Byte(31)]);
        self.out.push(add, &[other, other, below_half]);
        // Where the exponent is 0, the sign alone stays.
        self.out.push(and, &[to, from, sign]);
        self.out.push(test, &[mask.into(), from, exponent]);
        self.out.masked(add, &[to, from, other], Some((mask, true)));
        self.out.push(compare, &[mask.into(), from, from, Operand::Byte(UNORDERED)]);
        self.out.masked(or, &[to, from, quiet], Some((mask, true)));
        self.out.push(right, &[to, to, Operand::Byte(HALF)]);
    }

    /// Whether the elements of a buffer have 16 bits.
    pub(super) fn is_half(&self, buffer: BufferId) -> bool {
        is_half(self.kernel, buffer)
    }

    /// Bytes of an element of a buffer.
    pub(super) fn bytes(&self, buffer: BufferId) -> i64 {
        self.addresses.unit(Base::Buffer(buffer))
    }
}
