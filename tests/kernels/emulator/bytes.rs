//! Instructions on vectors of bytes, and those on their halves of 32 bits that make sums of products of bytes.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::vectors::{Vector, lanes};
use super::{Machine, number};

/// The bytes of a vector, the low ones of a lane first.
fn bytes(vector: &Vector) -> [u8; 64] {
    std::array::from_fn(|byte| vector[byte / 4].to_le_bytes()[byte % 4])
}

/// The vector of some bytes.
fn vector(bytes: &[u8; 64]) -> Vector {
    std::array::from_fn(|lane| u32::from_le_bytes(std::array::from_fn(|byte| bytes[4 * lane + byte])))
}

/// What a function makes of both halves of a lane.
fn halves(lane: u32, f: impl Fn(u16) -> u16) -> u32 {
    u32::from(f(lane as u16)) | u32::from(f((lane >> 16) as u16)) << 16
}

impl Machine {
    /// The first bytes of an operand; in memory only those are touched.
    fn bytes(&mut self, i: &Instruction, operand: u32, count: usize) -> [u8; 64] {
        if i.op_kind(operand) == OpKind::Register {
            return bytes(&self.vectors[number(i.op_register(operand))]);
        }
        let at = self.address(i);
        let mut bytes = [0; 64];
        bytes[..count].copy_from_slice(self.piece(at, count));
        bytes
    }

    /// Whether the instruction was one of these.
    pub(super) fn byte_instruction(&mut self, i: &Instruction) -> bool {
        let immediate = |operand: u32| i.immediate(operand) as usize;
        match i.mnemonic() {
            Mnemonic::Vpmovzxbd | Mnemonic::Vpmovsxbd => {
                let count = lanes(i.op0_register());
                let bytes = self.bytes(i, 1, count);
                let widened = |byte: u8| match i.mnemonic() {
                    Mnemonic::Vpmovzxbd => byte.into(),
                    _ => i32::from(byte as i8) as u32,
                };
                self.set(i, count, std::array::from_fn(|lane| widened(bytes[lane])));
            }
            Mnemonic::Vpmovdb => {
                let (from, count) = (self.vectors[number(i.op1_register())], lanes(i.op1_register()));
                assert_eq!((i.op_kind(0), i.op_mask()), (OpKind::Register, Register::None), "{i}");
                let byte = |byte: usize| if byte < count { from[byte] as u8 } else { 0 };
                self.vectors[number(i.op0_register())] = vector(&std::array::from_fn(byte));
            }
            Mnemonic::Vpackuswb => {
                let count = lanes(i.op0_register());
                let operands = [1, 2].map(|operand| self.vector(i, operand, count));
                let byte = |byte: usize| {
                    // 16 bytes a group: eight words of the first operand, eight of the second.
                    let (group, word) = (byte / 16, byte % 8);
                    let lane = operands[byte % 16 / 8][(4 * group + word / 2) % 16];
                    ((lane >> (16 * (word % 2))) as i16).clamp(0, 255) as u8
                };
                self.set(i, count, vector(&std::array::from_fn(byte)));
            }
            Mnemonic::Vpinsrd => {
                let mut result = self.vectors[number(i.op1_register())];
                result[immediate(3)] = self.general(i.op2_register()) as u32;
                self.set(i, 4, result);
            }
            Mnemonic::Vpextrb => {
                let byte = bytes(&self.vectors[number(i.op1_register())])[immediate(2)];
                self.write(self.address(i), &[byte]);
            }
            Mnemonic::Vpsllw | Mnemonic::Vpsrlw | Mnemonic::Vpsraw => {
                let count = lanes(i.op0_register());
                let (from, bits) = (self.vector(i, 1, count), immediate(2));
                let shifted = |half: u16| match i.mnemonic() {
                    Mnemonic::Vpsllw => half << bits,
                    Mnemonic::Vpsrlw => half >> bits,
                    _ => ((half as i16) >> bits) as u16,
                };
                self.set(i, count, from.map(|lane| halves(lane, shifted)));
            }
            Mnemonic::Vpmaddwd => {
                let count = lanes(i.op0_register());
                let [a, b] = [1, 2].map(|operand| self.vector(i, operand, count));
                let half = |lane: u32, half: u32| i32::from((lane >> (16 * half)) as i16);
                let sum = |lane: usize| {
                    let products = [0, 1].map(|which| half(a[lane], which) * half(b[lane], which));
                    products[0].wrapping_add(products[1]) as u32
                };
                self.set(i, count, std::array::from_fn(sum));
            }
            Mnemonic::Vpdpbusd => {
                let count = lanes(i.op0_register());
                let [sums, a, b] = [0, 1, 2].map(|operand| self.vector(i, operand, count));
                let sum = |lane: usize| {
                    let pairs = a[lane].to_le_bytes().into_iter().zip(b[lane].to_le_bytes());
                    let products: i32 = pairs.map(|(a, b)| i32::from(a) * i32::from(b as i8)).sum();
                    sums[lane].wrapping_add(products as u32)
                };
                self.set(i, count, std::array::from_fn(sum));
            }
            _ => return false,
        }
        true
    }
}
