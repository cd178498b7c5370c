//! Products of four u8 with four i8 a lane, added to an i32: exact at every level. How quads come into a register is
//! not known here.
//!
//! ```text
//! vpdpbusd                                  where there is VNNI (AVX-VNNI, AVX512-VNNI)
//! vpsllw, vpsrlw, vpsllw, vpsraw            elsewhere: the even bytes as 16 bits, zeros or the sign above them
//! vpmaddwd, vpaddd                          sums of two products each fit in 32 bits
//! vpsrlw, vpsraw, vpmaddwd, vpaddd          the odd bytes
//! ```
//!
//! `vpmaddubsw` would take half as many, but its sums of two products saturate at 16 bits.

use super::Body;
use super::assembly::Operand;
use super::instructions::*;
use super::values::Id;

/// Bits of an element.
const BYTE: u8 = 8;

impl Body<'_> {
    /// `unsigned` and `signed` are the factors.
    pub(super) fn fma_quads(&mut self, id: Id, unsigned: Id, signed: Id, sum: Id) {
        self.hold(&[unsigned, signed, sum]);
        let first = self.register(unsigned);
        if self.vnni {
            let second = self.operand(signed);
            let to = self.added_to(id, sum, &[unsigned, signed]);
            let code = FMA_QUADS.code(self.level, self.length);
            self.out.push(code, &[self.name(to).into(), self.name(first).into(), second]);
            return self.defined(id);
        }
        let second = self.register(signed);
        let to = self.added_to(id, sum, &[unsigned, signed]);
        let [a, b] = [self.temporary(false), self.temporary(false)];
        let [first, second, to, a, b]: [Operand; 5] =
            [first, second, to, a, b].map(|register| self.name(register).into());
        let bits = Operand::Byte(BYTE);
        let mut push = |op: Op, operands: &[Operand]| self.out.push(op.code(self.level, self.length), operands);
        push(LEFT_HALVES, &[a, first, bits]);
        push(RIGHT_HALVES, &[a, a, bits]);
        push(LEFT_HALVES, &[b, second, bits]);
        push(RIGHT_SIGNED_HALVES, &[b, b, bits]);
        push(ADD_PAIRS, &[a, a, b]);
        push(ADD_I32, &[to, to, a]);
        push(RIGHT_HALVES, &[a, first, bits]);
        push(RIGHT_SIGNED_HALVES, &[b, second, bits]);
        push(ADD_PAIRS, &[a, a, b]);
        push(ADD_I32, &[to, to, a]);
        self.defined(id);
    }

    /// The register that takes the sum: its own if it dies and is none of those that are read afterwards, else one with a
    /// copy.
    fn added_to(&mut self, id: Id, sum: Id, kept: &[Id]) -> u8 {
        if self.dies(sum) && !self.is_in_memory(sum) && !kept.contains(&sum) {
            self.register(sum);
            return self.target_of(id, sum);
        }
        let to = self.target_apart(id);
        self.bring_to(sum, to);
        to
    }
}
