//! Operations on values. With AVX2 a mask is a vector of all ones or all zeros a lane, with AVX-512 a register of bits.
//! Where an operand is, and which value has to leave its register for a result, is `allocate.rs`'s to know.

use iced_x86::Code;

use super::Body;
use super::Level::{Avx2, Avx512};
use super::assembly::Operand;
use super::instructions::*;
use super::loops::half;
use super::pointers::FIRST;
use super::values::Id;
use super::values::{NOT_SIGN, ONE, ONES, SIGN, TWO_31, ZERO};
use crate::emit::addresses::Base;
use crate::kernel::{Compare, Convert, Float1, Float2, Int2, Mask2, Operation, Shift, Shuffle, Value};

/// The predicates of `vcmpps`: quiet or not makes no difference where nothing traps.
fn float_predicate(compare: Compare) -> u8 {
    match compare {
        Compare::Eq => 0x00,
        Compare::Lt => 0x01,
        Compare::Le => 0x02,
        Compare::Ne => 0x04,
        Compare::Ge => 0x0d,
        Compare::Gt => 0x0e,
    }
}

/// Where neither operand is NaN.
const ORDERED: u8 = 0x07;

/// The predicates of `vpcmpd`.
fn integer_predicate(compare: Compare) -> u8 {
    match compare {
        Compare::Eq => 0,
        Compare::Lt => 1,
        Compare::Le => 2,
        Compare::Ne => 4,
        Compare::Ge => 5,
        Compare::Gt => 6,
    }
}

impl<'a> Body<'a> {
    /// Whether an operation can have an operand in memory, if that is used once.
    pub(super) fn takes_memory(&self, operation: &Operation, operand: Id) -> bool {
        let is = |value: &Value| self.values.id(*value) == operand;
        match operation {
            Operation::Float2(Float2::Add | Float2::Mul, a, b) => is(a) || is(b),
            Operation::Int2(Int2::Add | Int2::Mul | Int2::And | Int2::Or | Int2::Xor | Int2::Min | Int2::Max, a, b) => {
                is(a) || is(b)
            }
            Operation::Float2(_, _, b) | Operation::CompareF32(_, _, b) | Operation::Int2(Int2::Sub, _, b) => is(b),
            Operation::Fma(a, b, c) => is(a) || is(b) || is(c),
            // The second factors are signed, and those that may lie in memory.
            Operation::FmaQuads(a, b, _) => self.vnni && is(b) && !is(a),
            // Whoever takes a pair apart wants it in a register.
            Operation::FmaPairs(a, b, _) => self.bf16 && (is(a) || is(b)),
            Operation::Select(_, a, _) => is(a),
            Operation::Float1(..) | Operation::Convert(Convert::ToF32, _) => true,
            Operation::ConstantF32(_)
            | Operation::ConstantI32(_)
            | Operation::Affine(_)
            | Operation::Lane
            | Operation::Load { .. }
            | Operation::LoadPairs { .. }
            | Operation::Splat { .. }
            | Operation::Gather { .. }
            | Operation::Int2(Int2::MulHighUnsigned, ..)
            | Operation::Shift(..)
            | Operation::CompareI32(..)
            | Operation::Mask2(..)
            | Operation::MaskNot(_)
            | Operation::Convert(..)
            | Operation::Shuffle(..)
            | Operation::Fold(..) => false,
        }
    }

    pub(super) fn operation(&mut self, id: Id, operation: &'a Operation) {
        let of = |body: &Self, value: Value| body.values.id(value);
        match *operation {
            Operation::ConstantF32(_) | Operation::ConstantI32(_) | Operation::Lane => {
                unreachable!("constants have no code of their own")
            }
            Operation::Affine(ref index) => {
                let (place, offset) = self.addresses.locate(Base::Zero, index);
                let location = self.pointers.place(place);
                self.out.push(Code::Mov_r64_rm64, &[FIRST.into(), self.located(location)]);
                self.out.push(Code::Add_rm32_imm32, &[half(FIRST), Operand::Half(offset as i32)]);
                let to = self.target_apart(id);
                self.broadcast_general(to);
                self.defined(id);
            }
            Operation::Load { buffer, ref index, stride, active } => self.load(id, buffer, index, stride, active),
            Operation::LoadPairs { buffer, ref index, stride, active } => {
                self.load_pairs(id, buffer, index, stride, active)
            }
            Operation::Splat { buffer, ref index } => self.splat(id, buffer, index),
            Operation::Gather { buffer, ref index, places, active } => {
                self.gather(id, buffer, index, of(self, places), active)
            }
            Operation::Float1(function, a) => self.float1(id, function, of(self, a)),
            Operation::Float2(function, a, b) => {
                let commutes = matches!(function, Float2::Add | Float2::Mul);
                self.binary(id, float2(function), of(self, a), of(self, b), commutes);
            }
            Operation::Fma(a, b, c) => self.fma(id, of(self, a), of(self, b), of(self, c)),
            Operation::FmaQuads(a, b, c) => self.fma_quads(id, of(self, a), of(self, b), of(self, c)),
            Operation::FmaPairs(a, b, c) => self.fma_pairs(id, of(self, a), of(self, b), of(self, c)),
            Operation::Int2(function, a, b) => self.int2(id, function, of(self, a), of(self, b)),
            Operation::Shift(shift, a, bits) => {
                let op = match shift {
                    Shift::Left => LEFT,
                    Shift::RightLogical => RIGHT_LOGICAL,
                    Shift::RightArithmetic => RIGHT_ARITHMETIC,
                };
                self.shift(id, op, of(self, a), bits);
            }
            Operation::CompareF32(compare, a, b) => {
                let a = self.register(of(self, a));
                let b = self.operand(of(self, b));
                let operands = self.operands_of(operation);
                let to = self.target(id, &operands);
                let operands = [self.name(to).into(), self.name(a).into(), b, Operand::Byte(float_predicate(compare))];
                self.out.push(COMPARE.code(self.level, self.length), &operands);
                self.defined(id);
            }
            Operation::CompareI32(compare, a, b) => self.compare_i32(id, compare, of(self, a), of(self, b)),
            Operation::Mask2(function, a, b) => self.mask2(id, function, of(self, a), of(self, b)),
            Operation::MaskNot(a) => match self.level {
                Avx2 => {
                    let ones = self.values.constant(ONES);
                    self.binary(id, XOR, of(self, a), ones, true);
                }
                Avx512 => {
                    let a = of(self, a);
                    let from = self.register(a);
                    let to = self.target(id, &[a]);
                    self.out.push(Code::VEX_Knotw_kr_kr, &[self.name(to).into(), self.name(from).into()]);
                    self.defined(id);
                }
            },
            Operation::Select(mask, a, b) => self.select(id, [of(self, mask), of(self, a), of(self, b)]),
            Operation::Convert(convert, a) => self.convert(id, convert, of(self, a)),
            Operation::Shuffle(which, a, b) => self.shuffle(id, which, of(self, a), of(self, b)),
            Operation::Fold(function, a) => self.fold(id, function, of(self, a)),
        }
    }

    fn operands_of(&self, operation: &Operation) -> Vec<Id> {
        let mut operands = Vec::new();
        operation.operands(&mut |value| operands.push(self.values.id(value)));
        operands
    }

    /// The 32 bits of a general register in every lane.
    pub(super) fn broadcast_general(&mut self, to: u8) {
        match self.level {
            Avx512 => {
                let code = BROADCAST_GENERAL.code(self.level, self.length);
                self.out.push(code, &[self.name(to).into(), half(FIRST)]);
            }
            Avx2 => {
                let lane: Operand = Length::Xmm.register(to).into();
                self.out.push(FROM_GENERAL.code(self.level), &[lane, half(FIRST)]);
                self.out.push(BROADCAST_LANE.code(self.level, self.length), &[self.name(to).into(), lane]);
            }
        }
    }

    /// An operation of one operand, which may lie in memory.
    fn unary(&mut self, id: Id, op: Op, a: Id, immediate: Option<u8>) {
        let from = self.operand(a);
        let to = self.target(id, &[a]);
        let mut operands = vec![self.name(to).into(), from];
        operands.extend(immediate.map(Operand::Byte));
        self.out.push(op.code(self.level, self.length), &operands);
        self.defined(id);
    }

    /// Shifts have no operands in memory with VEX.
    fn shift(&mut self, id: Id, op: Op, a: Id, bits: u8) {
        self.register(a);
        self.unary(id, op, a, Some(bits));
    }

    /// `op a, b`; the operand that may lie in memory is the second one.
    fn binary(&mut self, id: Id, op: Op, a: Id, b: Id, commutes: bool) {
        let exchanged = commutes && self.is_in_memory(a) && !self.is_in_memory(b);
        let (a, b) = if exchanged { (b, a) } else { (a, b) };
        self.hold(&[a, b]);
        let left = self.register(a);
        let right = self.operand(b);
        let to = self.target(id, &[a, b]);
        self.out.push(op.code(self.level, self.length), &[self.name(to).into(), self.name(left).into(), right]);
        self.defined(id);
    }

    fn float1(&mut self, id: Id, function: Float1, a: Id) {
        match function {
            Float1::Neg => {
                let sign = self.values.constant(SIGN);
                self.binary(id, XOR, a, sign, true);
            }
            Float1::Abs => {
                let rest = self.values.constant(NOT_SIGN);
                self.binary(id, AND, a, rest, true);
            }
            Float1::Sqrt => self.unary(id, SQRT, a, None),
            // Without the exception for what is inexact.
            Float1::Floor => self.unary(id, ROUND, a, Some(0x09)),
            Float1::Nearest => self.unary(id, ROUND, a, Some(0x08)),
            Float1::Bf16 => self.round_half(id, a),
        }
    }

    /// The form that overwrites an operand that dies: the sum if it does, else a factor.
    fn fma(&mut self, id: Id, a: Id, b: Id, c: Id) {
        let (a, b) = if self.is_in_memory(a) && !self.is_in_memory(b) { (b, a) } else { (a, b) };
        self.hold(&[a, b, c]);
        let dying = |body: &mut Self, id: Id| body.dies(id) && !body.is_in_memory(id);
        if dying(self, c) || !dying(self, a) && !dying(self, b) {
            // c = a * b + c
            let (a, from) = (self.register(a), c);
            let b = self.operand(b);
            let to = if dying(self, from) {
                self.register(c);
                self.target_of(id, c)
            } else {
                let to = self.target_apart(id);
                self.bring_to(c, to);
                to
            };
            return self.multiply_add(id, FMA_231, to, a, b);
        }
        let (a, b) = if dying(self, a) { (a, b) } else { (b, a) };
        let factor = self.register(a);
        if self.is_in_memory(b) && !self.is_in_memory(c) {
            // a = a * b + c
            let sum = self.register(c);
            let b = self.operand(b);
            let to = self.target_of(id, a);
            return self.multiply_add(id, FMA_132, to, sum, b);
        }
        // a = b * a + c
        let b = if a == b { factor } else { self.register(b) };
        let c = self.operand(c);
        let to = self.target_of(id, a);
        self.multiply_add(id, FMA_213, to, b, c);
    }

    fn multiply_add(&mut self, id: Id, op: Op, to: u8, second: u8, third: Operand) {
        self.out.push(op.code(self.level, self.length), &[self.name(to).into(), self.name(second).into(), third]);
        self.defined(id);
    }

    /// The register of an operand that dies, for the result.
    pub(super) fn target_of(&mut self, id: Id, operand: Id) -> u8 {
        let register = self.registers.of(operand).expect("the operand is in a register");
        self.registers.free(register);
        self.result(id, register);
        register
    }

    /// A copy of a value, which may have been left to this operation.
    pub(super) fn bring_to(&mut self, id: Id, to: u8) {
        self.bring(id, to);
        self.take_deferred(id);
    }

    fn int2(&mut self, id: Id, function: Int2, a: Id, b: Id) {
        let op = match function {
            Int2::Add => ADD_I32,
            Int2::Sub => SUB_I32,
            Int2::Mul => MUL_I32,
            Int2::MulHighUnsigned => return self.multiply_high(id, a, b),
            Int2::And => AND,
            Int2::Or => OR,
            Int2::Xor => XOR,
            Int2::Min => MIN_I32,
            Int2::Max => MAX_I32,
        };
        self.binary(id, op, a, b, function != Int2::Sub);
    }

    /// Products of 64 bits of the even lanes, then of the odd ones.
    fn multiply_high(&mut self, id: Id, a: Id, b: Id) {
        let (a, b) = (self.register(a), self.register(b));
        let (odd, even) = (self.target_apart(id), self.temporary(false));
        let [a, b, odd, even]: [Operand; 4] = [a, b, odd, even].map(|register| self.name(register).into());
        let code = |op: Op| op.code(self.level, self.length);
        let (multiply, right, left) = (code(MUL_U64), code(RIGHT_U64), code(LEFT_U64));
        let bits = Operand::Byte(32);
        self.out.push(right, &[odd, a, bits]);
        self.out.push(right, &[even, b, bits]);
        self.out.push(multiply, &[odd, odd, even]);
        self.out.push(multiply, &[even, a, b]);
        self.out.push(right, &[even, even, bits]);
        match self.level {
            Avx2 => {
                let odd_lanes = Operand::Byte(0b1010_1010);
                self.out.push(BLEND_LANES.code(self.level, self.length), &[odd, even, odd, odd_lanes]);
            }
            Avx512 => {
                self.out.push(right, &[odd, odd, bits]);
                self.out.push(left, &[odd, odd, bits]);
                self.out.push(OR.code(self.level, self.length), &[odd, odd, even]);
            }
        }
        self.defined(id);
    }

    fn compare_i32(&mut self, id: Id, compare: Compare, a: Id, b: Id) {
        let operands = [a, b];
        let (a, b) = (self.register(a), self.register(b));
        let [a, b]: [Operand; 2] = [a, b].map(|register| self.name(register).into());
        if self.level == Avx512 {
            let to = self.target(id, &operands);
            let predicate = Operand::Byte(integer_predicate(compare));
            self.out.push(COMPARE_I32.code(self.level, self.length), &[self.name(to).into(), a, b, predicate]);
            return self.defined(id);
        }
        let (op, a, b, not) = match compare {
            Compare::Eq => (EQUAL_I32, a, b, false),
            Compare::Ne => (EQUAL_I32, a, b, true),
            Compare::Gt => (GREATER_I32, a, b, false),
            Compare::Le => (GREATER_I32, a, b, true),
            Compare::Lt => (GREATER_I32, b, a, false),
            Compare::Ge => (GREATER_I32, b, a, true),
        };
        let to = self.target_apart(id);
        let to: Operand = self.name(to).into();
        self.out.push(op.code(self.level, self.length), &[to, a, b]);
        if not {
            self.invert(to);
        }
        self.defined(id);
    }

    /// The other lanes of a mask that is a vector.
    fn invert(&mut self, mask: Operand) {
        let ones = self.values.constant(ONES);
        let ones = self.operand(ones);
        self.out.push(XOR.code(self.level, self.length), &[mask, mask, ones]);
    }

    fn mask2(&mut self, id: Id, function: Mask2, a: Id, b: Id) {
        let (vectors, bits) = match function {
            Mask2::And => (AND, Code::VEX_Kandw_kr_kr_kr),
            Mask2::Or => (OR, Code::VEX_Korw_kr_kr_kr),
            Mask2::Xor => (XOR, Code::VEX_Kxorw_kr_kr_kr),
        };
        if self.level == Avx2 {
            return self.binary(id, vectors, a, b, true);
        }
        let operands = [a, b];
        let (a, b) = (self.register(a), self.register(b));
        let to = self.target(id, &operands);
        self.out.push(bits, &[self.name(to).into(), self.name(a).into(), self.name(b).into()]);
        self.defined(id);
    }

    fn select(&mut self, id: Id, [mask, a, b]: [Id; 3]) {
        let condition = self.register(mask);
        let otherwise = self.register(b);
        let value = self.operand(a);
        let to = self.target(id, &[mask, a, b]);
        let [condition, otherwise, to] = [condition, otherwise, to].map(|register| self.name(register));
        match self.level {
            Avx2 => {
                let operands = [to.into(), otherwise.into(), value, condition.into()];
                self.out.push(SELECT_VECTOR.code(self.level, self.length), &operands);
            }
            Avx512 => {
                // With merging: a lane that is not in the mask is the first operand's.
                let code = SELECT_MASK.code(self.level, self.length);
                self.out.masked(code, &[to.into(), otherwise.into(), value], Some((condition, true)));
            }
        }
        self.defined(id);
    }

    fn convert(&mut self, id: Id, convert: Convert, a: Id) {
        match (convert, self.level) {
            (Convert::BitsToI32 | Convert::BitsToF32, _) => unreachable!("the same value"),
            (Convert::ToF32, _) => self.unary(id, TO_F32, a, None),
            (Convert::Truncate, _) => self.truncate(id, a),
            (Convert::MaskToI32, Avx2) => self.shift(id, RIGHT_LOGICAL, a, 31),
            (Convert::MaskToI32, Avx512) => {
                let one = self.values.constant(ONE);
                let (mask, one) = (self.register(a), self.register(one));
                let to = self.target_apart(id);
                let operands = [self.name(to).into(), self.name(one).into()];
                let mask = Some((self.name(mask), false));
                self.out.masked(MOVE.code(self.level, self.length), &operands, mask);
                self.defined(id);
            }
            (Convert::I32ToMask, Avx2) => {
                let zero = self.values.constant(ZERO);
                let from = self.register(a);
                let zero = self.operand(zero);
                let to = self.target_apart(id);
                let to: Operand = self.name(to).into();
                let code = EQUAL_I32.code(self.level, self.length);
                self.out.push(code, &[to, self.name(from).into(), zero]);
                self.invert(to);
                self.defined(id);
            }
            (Convert::I32ToMask, Avx512) => {
                let from = self.register(a);
                let to = self.target_apart(id);
                let from = self.name(from).into();
                self.out.push(TEST_I32.code(self.level, self.length), &[self.name(to).into(), from, from]);
                self.defined(id);
            }
        }
    }

    /// The instruction gives -2^31 for what is too large or NaN: the former becomes 2^31 - 1, the latter 0.
    fn truncate(&mut self, id: Id, a: Id) {
        let big = self.values.constant(TWO_31);
        let (from, big) = (self.register(a), self.register(big));
        let to = self.target_apart(id);
        let [from, big, to]: [Operand; 3] = [from, big, to].map(|register| self.name(register).into());
        let mask = self.temporary(self.level == Avx512);
        let mask = self.name(mask);
        let code = |op: Op| op.code(self.level, self.length);
        let (compare, truncate, xor, and, keep) = (code(COMPARE), code(TRUNCATE), code(XOR), code(AND), code(MOVE));
        self.out.push(compare, &[mask.into(), from, big, Operand::Byte(float_predicate(Compare::Ge))]);
        self.out.push(truncate, &[to, from]);
        match self.level {
            Avx2 => self.out.push(xor, &[to, to, mask.into()]),
            Avx512 => {
                let ones = self.values.constant(ONES);
                let ones = self.operand(ones);
                self.out.masked(xor, &[to, to, ones], Some((mask, true)));
            }
        }
        self.out.push(compare, &[mask.into(), from, from, Operand::Byte(ORDERED)]);
        match self.level {
            Avx2 => self.out.push(and, &[to, to, mask.into()]),
            Avx512 => self.out.masked(keep, &[to, to], Some((mask, false))),
        }
        self.defined(id);
    }

    /// Operands are in registers: one element in memory would count twice as many bits for some of these.
    fn shuffle(&mut self, id: Id, which: Shuffle, a: Id, b: Id) {
        let operands = [a, b];
        let (a, b) = (self.register(a), self.register(b));
        let to = self.target(id, &operands);
        let mut operands: Vec<Operand> = [to, a, b].map(|register| self.name(register).into()).to_vec();
        let lanes = |op: Op| op.code(self.level, self.length);
        // Two bits of a group's number choose it (of 4 groups), or one (of 2); the first half is of the first operand.
        let (groups, even, odd) = match (self.level, self.length) {
            (Avx2, _) => (GROUPS_OF_256, 0x20, 0x31),
            (Avx512, Length::Zmm) => (GROUPS_OF_512, 0b10_00_10_00, 0b11_01_11_01),
            (Avx512, _) => (GROUPS_OF_256, 0b00, 0b11),
        };
        let code = match which {
            Shuffle::LowLanes => lanes(LOW_LANES),
            Shuffle::HighLanes => lanes(HIGH_LANES),
            Shuffle::LowPairs => lanes(LOW_PAIRS),
            Shuffle::HighPairs => lanes(HIGH_PAIRS),
            Shuffle::EvenGroups | Shuffle::OddGroups => {
                operands.push(Operand::Byte(if which == Shuffle::EvenGroups { even } else { odd }));
                groups.code(self.level)
            }
        };
        self.out.push(code, &operands);
        self.defined(id);
    }

    /// Lane 0 takes its operands in the stated order; then it is copied to all lanes.
    fn fold(&mut self, id: Id, function: Float2, a: Id) {
        let from = self.register(a);
        let to = self.target_apart(id);
        if self.kernel.lanes == 1 {
            self.copy(from, to);
            return self.defined(id);
        }
        let half = self.temporary(false);
        let mut whole = from;
        let op = float2(function);
        let names = |register: u8, length: Length| -> Operand { length.register(register).into() };
        let level = self.level;
        if self.length == Length::Zmm {
            let operands = [names(half, Length::Ymm), names(whole, Length::Zmm), Operand::Byte(1)];
            self.out.push(EXTRACT_256_OF_512.code(level), &operands);
            let [to, whole, half] = [to, whole, half].map(|register| names(register, Length::Ymm));
            self.out.push(op.code(level, Length::Ymm), &[to, whole, half]);
        }
        whole = if self.length == Length::Zmm { to } else { whole };
        if self.length != Length::Xmm {
            let operands = [names(half, Length::Xmm), names(whole, Length::Ymm), Operand::Byte(1)];
            self.out.push(EXTRACT_128_OF_256.code(level), &operands);
            let [to, whole, half] = [to, whole, half].map(|register| names(register, Length::Xmm));
            self.out.push(op.code(level, Length::Xmm), &[to, whole, half]);
        }
        whole = if self.length == Length::Xmm { whole } else { to };
        let [result, whole, half] = [to, whole, half].map(|register| names(register, Length::Xmm));
        self.out.push(HIGH_TO_LOW.code(level), &[half, whole, whole]);
        self.out.push(op.code(level, Length::Xmm), &[result, whole, half]);
        self.out.push(ODD_LANES.code(level, Length::Xmm), &[half, result]);
        self.out.push(op.code(level, Length::Xmm), &[result, result, half]);
        self.out.push(BROADCAST_LANE.code(level, self.length), &[self.name(to).into(), result]);
        self.defined(id);
    }
}

fn float2(function: Float2) -> Op {
    match function {
        Float2::Add => ADD,
        Float2::Sub => SUB,
        Float2::Mul => MUL,
        Float2::Div => DIV,
        Float2::Min => MIN,
        Float2::Max => MAX,
    }
}
