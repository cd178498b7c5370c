//! Instructions on vectors of 16-bit words.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};
use kiln_graph::Bf16;

use super::vectors::{Vector, lanes};
use super::{Machine, number};

/// The words of a vector, the lower half of a lane first.
fn words(vector: &Vector) -> [u16; 32] {
    std::array::from_fn(|word| (vector[word / 2] >> (16 * (word % 2))) as u16)
}

/// The vector of some words.
fn vector(words: &[u16; 32]) -> Vector {
    std::array::from_fn(|lane| u32::from(words[2 * lane]) | u32::from(words[2 * lane + 1]) << 16)
}

impl Machine {
    /// The first words of an operand; in memory only those that take part are touched.
    fn words(&mut self, i: &Instruction, operand: u32, count: usize) -> [u16; 32] {
        if i.op_kind(operand) == OpKind::Register {
            return words(&self.vectors[number(i.op_register(operand))]);
        }
        let at = self.address(i);
        let mut words = [0; 32];
        for (word, bits) in words.iter_mut().enumerate().take(count) {
            if self.active(i, word) {
                *bits = self.read_word(at + 2 * word as u64, 2) as u16;
            }
        }
        words
    }

    /// Writes the first words to a register, without a mask; those beyond become 0.
    fn put_words(&mut self, i: &Instruction, count: usize, result: [u16; 32]) {
        assert_eq!((i.op_kind(0), i.op_mask()), (OpKind::Register, Register::None), "{i}");
        let word = |word: usize| if word < count { result[word] } else { 0 };
        self.vectors[number(i.op0_register())] = vector(&std::array::from_fn(word));
    }

    pub(super) fn half_instruction(&mut self, i: &Instruction) {
        let immediate = |operand: u32| i.immediate(operand) as usize;
        match i.mnemonic() {
            Mnemonic::Vpmovzxwd => {
                let count = lanes(i.op0_register());
                let words = self.words(i, 1, count);
                self.set(i, count, std::array::from_fn(|lane| words[lane].into()));
            }
            Mnemonic::Vpbroadcastw => {
                let one = self.words(i, 1, 1)[0];
                self.set(i, lanes(i.op0_register()), vector(&[one; 32]));
            }
            Mnemonic::Vpinsrw => {
                let mut result = words(&self.vectors[number(i.op1_register())]);
                result[immediate(3)] = self.read_word(self.address(i), 2) as u16;
                self.put_words(i, 8, result);
            }
            Mnemonic::Vpextrw => {
                let word = words(&self.vectors[number(i.op1_register())])[immediate(2)];
                self.write(self.address(i), &word.to_le_bytes());
            }
            Mnemonic::Vpackusdw => {
                let count = lanes(i.op0_register());
                let (a, b) = (self.vector(i, 1, count), self.vector(i, 2, count));
                let word = |word: usize| {
                    let lane = word / 8 * 4 + word % 4;
                    let from = if word % 8 < 4 { a[lane % 16] } else { b[lane % 16] };
                    (from as i32).clamp(0, 0xffff) as u16
                };
                self.put_words(i, 2 * count, std::array::from_fn(word));
            }
            Mnemonic::Vpermq => {
                let a = self.vector(i, 1, 8);
                let of_pair = |lane: usize| (immediate(2) >> (lane.min(7) / 2 * 2)) & 3;
                self.set(i, 8, std::array::from_fn(|lane| a[of_pair(lane) * 2 + lane % 2]));
            }
            Mnemonic::Vpmovdw => {
                let from = self.vectors[number(i.op1_register())];
                let word = |word: usize| if word < 16 { from[word] as u16 } else { 0 };
                self.put_words(i, lanes(i.op1_register()), std::array::from_fn(word));
            }
            Mnemonic::Vcvtneps2bf16 => {
                let from = self.vectors[number(i.op1_register())];
                let word =
                    |word: usize| if word < 16 { Bf16::nearest(f32::from_bits(from[word])).to_bits() } else { 0 };
                self.put_words(i, lanes(i.op1_register()), std::array::from_fn(word));
            }
            Mnemonic::Vdpbf16ps => {
                let count = lanes(i.op0_register());
                let [sums, a, b] = [0, 1, 2].map(|operand| self.vector(i, operand, count));
                let normal = |bits: u32| if bits & 0x7f80_0000 == 0 { bits & 1 << 31 } else { bits };
                let f = |bits: u32| f32::from_bits(normal(bits));
                let add = |sum: u32, a: u32, b: u32| normal(f(a).mul_add(f(b), f(sum)).to_bits());
                self.set(
                    i,
                    count,
                    std::array::from_fn(|lane| {
                        let odd = add(sums[lane], a[lane] & 0xffff_0000, b[lane] & 0xffff_0000);
                        add(odd, a[lane] << 16, b[lane] << 16)
                    }),
                );
            }
            other => panic!("{other:?} is not emulated"),
        }
    }
}
