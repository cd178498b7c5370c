//! Operations on values. A mask is a vector of all ones or all zeros a lane; with one lane it is Cranelift's boolean.
//! What reads memory is `memory.rs`'s.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{self, ConstantData, InstBuilder, types};

use super::{Body, Known};
use crate::emit::addresses::Base;
use crate::kernel::{Compare, Convert, Float1, Float2, Int2, Mask2, Operation, Shift};

/// The low byte of a lane.
pub(super) const LOW_BYTE: i32 = 0xff;

impl Body<'_, '_> {
    pub(super) fn operation(&mut self, operation: &Operation) -> ir::Value {
        match *operation {
            Operation::ConstantF32(value) => self.constant_f32(value.value()),
            Operation::ConstantI32(value) => self.constant_i32(value),
            Operation::Affine(ref index) => {
                let (place, offset) = self.addresses.locate(Base::Zero, index);
                let place = self.place(place);
                let wide = self.b.ins().iadd_imm_s(place, offset);
                let one = match self.pointer {
                    types::I32 => wide,
                    _ => self.b.ins().ireduce(types::I32, wide),
                };
                if self.scalar() { one } else { self.b.ins().splat(types::I32X4, one) }
            }
            Operation::Lane if self.scalar() => self.constant_i32(0),
            Operation::Lane => self.vector_constant(types::I32X4, [0, 1, 2, 3]),
            Operation::Load { buffer, ref index, stride, active } => self.load(buffer, index, stride, active),
            Operation::LoadPairs { buffer, ref index, stride, active } => {
                self.load_pairs(buffer, index, stride, active)
            }
            Operation::Splat { buffer, ref index } => self.splat(buffer, index),
            Operation::Gather { buffer, ref index, places, active } => self.gather(buffer, index, places, active),
            Operation::Float1(function, a) => {
                let a = self.value(a);
                match function {
                    Float1::Neg => self.b.ins().fneg(a),
                    Float1::Abs => self.b.ins().fabs(a),
                    Float1::Sqrt => self.b.ins().sqrt(a),
                    Float1::Floor => self.b.ins().floor(a),
                    Float1::Nearest => self.b.ins().nearest(a),
                    Float1::Bf16 => {
                        let half = self.b.ins().iconst(types::I32, 16);
                        let words = self.round_to_bf16(a);
                        let upper = self.b.ins().ishl(words, half);
                        self.bits(self.f32s(), upper)
                    }
                }
            }
            Operation::Float2(function, a, b) => self.float2(function, self.value(a), self.value(b)),
            Operation::Fma(a, b, c) => {
                // The first operand's register takes the result: best one that holds a value for the last time.
                let (first, second) = if self.last_uses.dies(a, self.position) { (a, b) } else { (b, a) };
                let (first, second, c) = (self.value(first), self.value(second), self.value(c));
                self.multiply_add(first, second, c)
            }
            Operation::FmaPairs(a, b, c) => {
                let (a, b, c) = (self.value(a), self.value(b), self.value(c));
                // The upper halves are f32 once the lower ones are 0; the lower ones are moved to where those were.
                let upper = self.constant_i32(0xffff_0000u32 as i32);
                let half = self.b.ins().iconst(types::I32, 16);
                let odd = [a, b].map(|pair| self.b.ins().band(pair, upper));
                let even = [a, b].map(|pair| self.b.ins().ishl(pair, half));
                [odd, even].into_iter().fold(c, |sum, factors| {
                    let [a, b] = factors.map(|bits| self.bits(self.f32s(), bits));
                    self.multiply_add(a, b, sum)
                })
            }
            Operation::FmaQuads(a, b, c) => {
                let low = self.constant_i32(LOW_BYTE);
                self.fma_quads(low, self.value(a), self.value(b), self.value(c))
            }
            Operation::Int2(function, a, b) => self.int2(function, self.value(a), self.value(b)),
            Operation::Shift(shift, a, bits) => {
                let a = self.value(a);
                let bits = self.b.ins().iconst(types::I32, bits as i64);
                match shift {
                    Shift::Left => self.b.ins().ishl(a, bits),
                    Shift::RightLogical => self.b.ins().ushr(a, bits),
                    Shift::RightArithmetic => self.b.ins().sshr(a, bits),
                }
            }
            Operation::CompareF32(compare, a, b) => {
                let condition = match compare {
                    Compare::Eq => FloatCC::Equal,
                    Compare::Ne => FloatCC::NotEqual,
                    Compare::Lt => FloatCC::LessThan,
                    Compare::Le => FloatCC::LessThanOrEqual,
                    Compare::Gt => FloatCC::GreaterThan,
                    Compare::Ge => FloatCC::GreaterThanOrEqual,
                };
                let (a, b) = (self.value(a), self.value(b));
                self.b.ins().fcmp(condition, a, b)
            }
            Operation::CompareI32(compare, a, b) => {
                let condition = match compare {
                    Compare::Eq => IntCC::Equal,
                    Compare::Ne => IntCC::NotEqual,
                    Compare::Lt => IntCC::SignedLessThan,
                    Compare::Le => IntCC::SignedLessThanOrEqual,
                    Compare::Gt => IntCC::SignedGreaterThan,
                    Compare::Ge => IntCC::SignedGreaterThanOrEqual,
                };
                let (a, b) = (self.value(a), self.value(b));
                self.b.ins().icmp(condition, a, b)
            }
            Operation::Mask2(function, a, b) => {
                let (a, b) = (self.value(a), self.value(b));
                match function {
                    Mask2::And => self.b.ins().band(a, b),
                    Mask2::Or => self.b.ins().bor(a, b),
                    Mask2::Xor => self.b.ins().bxor(a, b),
                }
            }
            Operation::MaskNot(a) => {
                let a = self.value(a);
                if self.scalar() { self.b.ins().icmp_imm_u(IntCC::Equal, a, 0) } else { self.b.ins().bnot(a) }
            }
            Operation::Select(mask, a, b) => self.choose(self.value(mask), self.value(a), self.value(b)),
            Operation::Convert(convert, a) => self.convert(convert, self.value(a)),
            Operation::Shuffle(which, a, b) => {
                let lanes = [0, 1, 2, 3].map(|lane| which.lane(lane, 4) as u8);
                self.shuffle(types::F32X4, self.value(a), self.value(b), lanes)
            }
            Operation::Fold(function, a) => self.fold(function, self.value(a)),
        }
    }

    /// To i32 the products of four u8 and four i8 each, byte by byte. `low` has the low byte of each lane.
    pub(super) fn fma_quads(&mut self, low: ir::Value, a: ir::Value, b: ir::Value, sum: ir::Value) -> ir::Value {
        let top = self.b.ins().iconst(types::I32, 24);
        (0..4).fold(sum, |sum, byte| {
            let [down, up] = [8 * byte, 24 - 8 * byte].map(|bits| self.b.ins().iconst(types::I32, bits));
            let unsigned = self.b.ins().ushr(a, down);
            let unsigned = self.b.ins().band(unsigned, low);
            let signed = self.b.ins().ishl(b, up);
            let signed = self.b.ins().sshr(signed, top);
            let product = self.b.ins().imul(unsigned, signed);
            self.b.ins().iadd(sum, product)
        })
    }

    /// Rounded once, where the processor can.
    pub(super) fn multiply_add(&mut self, a: ir::Value, b: ir::Value, sum: ir::Value) -> ir::Value {
        if self.fused {
            return self.b.ins().fma(a, b, sum);
        }
        let product = self.b.ins().fmul(a, b);
        self.b.ins().fadd(product, sum)
    }

    fn scalar(&self) -> bool {
        self.kernel.lanes == 1
    }

    fn constant_f32(&mut self, value: f32) -> ir::Value {
        let scalar = self.scalar();
        self.known(Known::F32(value.to_bits()), |body| match scalar {
            true => body.b.ins().f32const(value),
            false => body.vector_constant(types::F32X4, [value.to_bits(); 4]),
        })
    }

    fn constant_i32(&mut self, value: i32) -> ir::Value {
        let scalar = self.scalar();
        self.known(Known::I32(value), |body| match scalar {
            true => body.b.ins().iconst(types::I32, value as u32 as i64),
            false => body.vector_constant(types::I32X4, [value as u32; 4]),
        })
    }

    fn vector_constant(&mut self, ty: ir::Type, lanes: [u32; 4]) -> ir::Value {
        let bytes: ConstantData = lanes.into_iter().flat_map(u32::to_le_bytes).collect();
        let constant = self.b.func.dfg.constants.insert(bytes);
        self.b.ins().vconst(ty, constant)
    }

    fn float2(&mut self, function: Float2, a: ir::Value, b: ir::Value) -> ir::Value {
        let less = |body: &mut Self, x, y| body.b.ins().fcmp(FloatCC::LessThan, x, y);
        match function {
            Float2::Add => self.b.ins().fadd(a, b),
            Float2::Sub => self.b.ins().fsub(a, b),
            Float2::Mul => self.b.ins().fmul(a, b),
            Float2::Div => self.b.ins().fdiv(a, b),
            // In this form a comparison and a choice are one instruction on x86-64, `minps` or `maxps`.
            Float2::Min => {
                let mask = less(self, a, b);
                self.choose(mask, a, b)
            }
            Float2::Max => {
                let mask = less(self, b, a);
                self.choose(mask, a, b)
            }
        }
    }

    fn choose(&mut self, mask: ir::Value, a: ir::Value, b: ir::Value) -> ir::Value {
        if self.scalar() {
            return self.b.ins().select(mask, a, b);
        }
        let ty = self.b.func.dfg.value_type(a);
        let mask = self.bits(ty, mask);
        self.b.ins().bitselect(mask, a, b)
    }

    fn int2(&mut self, function: Int2, a: ir::Value, b: ir::Value) -> ir::Value {
        match function {
            Int2::Add => self.b.ins().iadd(a, b),
            Int2::Sub => self.b.ins().isub(a, b),
            Int2::Mul => self.b.ins().imul(a, b),
            Int2::MulHighUnsigned if self.scalar() => self.b.ins().umulhi(a, b),
            Int2::MulHighUnsigned => {
                let low = {
                    let (a, b) = (self.b.ins().uwiden_low(a), self.b.ins().uwiden_low(b));
                    self.b.ins().imul(a, b)
                };
                let high = {
                    let (a, b) = (self.b.ins().uwiden_high(a), self.b.ins().uwiden_high(b));
                    self.b.ins().imul(a, b)
                };
                self.shuffle(types::I32X4, low, high, [1, 3, 5, 7])
            }
            Int2::And => self.b.ins().band(a, b),
            Int2::Or => self.b.ins().bor(a, b),
            Int2::Xor => self.b.ins().bxor(a, b),
            Int2::Min => self.b.ins().smin(a, b),
            Int2::Max => self.b.ins().smax(a, b),
        }
    }

    fn convert(&mut self, convert: Convert, a: ir::Value) -> ir::Value {
        let (f32s, i32s) = (self.f32s(), self.i32s());
        match convert {
            Convert::Truncate => self.b.ins().fcvt_to_sint_sat(i32s, a),
            Convert::ToF32 => self.b.ins().fcvt_from_sint(f32s, a),
            Convert::BitsToI32 => self.bits(i32s, a),
            Convert::BitsToF32 => self.bits(f32s, a),
            Convert::MaskToI32 if self.scalar() => self.b.ins().uextend(types::I32, a),
            Convert::MaskToI32 => {
                let one = self.constant_i32(1);
                self.b.ins().band(a, one)
            }
            Convert::I32ToMask if self.scalar() => self.b.ins().icmp_imm_u(IntCC::NotEqual, a, 0),
            Convert::I32ToMask => {
                let zero = self.constant_i32(0);
                self.b.ins().icmp(IntCC::NotEqual, a, zero)
            }
        }
    }

    /// The bits of the [nearest bf16](kiln_graph::Bf16::nearest), as an i32.
    pub(super) fn round_to_bf16(&mut self, value: ir::Value) -> ir::Value {
        let ty = self.i32s();
        let bits = self.bits(ty, value);
        let half = self.b.ins().iconst(types::I32, 16);
        let [one, below_half, quiet] = [1, 0x7fff, 0x0040_0000].map(|constant| self.constant_i32(constant));
        let last = self.b.ins().ushr(bits, half);
        let last = self.b.ins().band(last, one);
        let up = self.b.ins().iadd(last, below_half);
        let rounded = self.b.ins().iadd(bits, up);
        let quieted = self.b.ins().bor(bits, quiet);
        let nan = self.b.ins().fcmp(FloatCC::Unordered, value, value);
        let rounded = self.choose(nan, quieted, rounded);
        let [exponent, sign, zero] = [0x7f80_0000, i32::MIN, 0].map(|constant| self.constant_i32(constant));
        let [exponent, sign] = [exponent, sign].map(|mask| self.b.ins().band(bits, mask));
        let denormal = self.b.ins().icmp(IntCC::Equal, exponent, zero);
        let rounded = self.choose(denormal, sign, rounded);
        self.b.ins().ushr(rounded, half)
    }

    fn fold(&mut self, function: Float2, a: ir::Value) -> ir::Value {
        if self.scalar() {
            return a;
        }
        let swapped = self.shuffle(types::F32X4, a, a, [2, 3, 0, 1]);
        let halves = self.float2(function, a, swapped);
        let swapped = self.shuffle(types::F32X4, halves, halves, [1, 0, 3, 2]);
        let folded = self.float2(function, halves, swapped);
        // Lane 0 has taken its operands in the stated order; the others may differ from it in the choice between NaNs.
        self.shuffle(types::F32X4, folded, folded, [0; 4])
    }

    /// Lanes of 32 bits taken from `a` (0 to 3) and `b` (4 to 7).
    fn shuffle(&mut self, ty: ir::Type, a: ir::Value, b: ir::Value, lanes: [u8; 4]) -> ir::Value {
        let bytes: ConstantData = lanes.into_iter().flat_map(|lane| (0..4).map(move |byte| 4 * lane + byte)).collect();
        let mask = self.b.func.dfg.immediates.push(bytes);
        let (a, b) = (self.bits(types::I8X16, a), self.bits(types::I8X16, b));
        let shuffled = self.b.ins().shuffle(a, b, mask);
        self.bits(ty, shuffled)
    }
}
