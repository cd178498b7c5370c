//! Products of pairs of bf16. How pairs come into a register is not known here.
//!
//! ```text
//! vdpbf16ps                             where there is AVX512-BF16; a pair for all lanes may lie in memory
//! vpand, vpand, vfmadd231ps             elsewhere: the odd ones, each with zeros for its even one, are f32
//! vpslld, vpslld, vfmadd231ps           the even ones, moved to the upper halves
//! ```

use super::Body;
use super::assembly::Operand;
use super::instructions::*;
use super::values::{Id, UPPER_HALF};

/// Bits of an element.
const HALF: u8 = 16;

impl Body<'_> {
    pub(super) fn fma_pairs(&mut self, id: Id, a: Id, b: Id, sum: Id) {
        let (a, b) = if self.is_in_memory(a) && !self.is_in_memory(b) { (b, a) } else { (a, b) };
        self.hold(&[a, b, sum]);
        let first = self.register(a);
        if self.bf16 {
            let second = self.operand(b);
            let to = self.sum(id, sum, &[]);
            let code = FMA_PAIRS.code(self.level, self.length);
            self.out.push(code, &[self.name(to).into(), self.name(first).into(), second]);
            return self.defined(id);
        }
        let second = self.register(b);
        // Both steps read the pairs, so that the sum must not overwrite them.
        let to = self.sum(id, sum, &[a, b]);
        let halves = [self.temporary(false), self.temporary(false)];
        let odd = self.values.constant(UPPER_HALF);
        let odd = self.operand(odd);
        let [first, second, to]: [Operand; 3] = [first, second, to].map(|register| self.name(register).into());
        let halves: [Operand; 2] = halves.map(|register| self.name(register).into());
        for (op, by) in [(AND, odd), (LEFT, Operand::Byte(HALF))] {
            let code = op.code(self.level, self.length);
            self.out.push(code, &[halves[0], first, by]);
            self.out.push(code, &[halves[1], second, by]);
            self.out.push(FMA_231.code(self.level, self.length), &[to, halves[0], halves[1]]);
        }
        self.defined(id);
    }

    /// The register that takes the sum: its own if it dies and is none of those that are read afterwards, else one with a
    /// copy.
    fn sum(&mut self, id: Id, sum: Id, kept: &[Id]) -> u8 {
        if self.dies(sum) && !self.is_in_memory(sum) && !kept.contains(&sum) {
            return self.target_of(id, sum);
        }
        let to = self.target_apart(id);
        self.bring_to(sum, to);
        to
    }
}
