//! Instructions on vectors and masks.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::{Machine, number};

pub(super) type Vector = [u32; 16];

/// Lanes of a register.
pub(super) fn lanes(register: Register) -> usize {
    if register.is_zmm() {
        16
    } else if register.is_ymm() {
        8
    } else {
        4
    }
}

/// Some lanes of a vector. Plain loops here and below, as the emulator is half of its tests' time in a debug build.
fn each(count: usize, of: impl Fn(usize) -> u32) -> Vector {
    let (mut vector, mut lane) = ([0; 16], 0);
    while lane < count {
        vector[lane] = of(lane);
        lane += 1;
    }
    vector
}

fn f(bits: u32) -> f32 {
    f32::from_bits(bits)
}

/// A function of two f32 as bits.
fn floats(function: impl Fn(f32, f32) -> f32) -> impl Fn(u32, u32) -> u32 {
    move |a, b| function(f(a), f(b)).to_bits()
}

fn all(holds: bool) -> u32 {
    if holds { u32::MAX } else { 0 }
}

impl Machine {
    /// Whether a lane takes part, by the instruction's mask.
    pub(super) fn active(&self, instruction: &Instruction, lane: usize) -> bool {
        match instruction.op_mask() {
            Register::None => true,
            mask => self.masks[number(mask)] >> lane & 1 == 1,
        }
    }

    /// A vector operand; in memory only the lanes that take part are touched.
    pub(super) fn vector(&mut self, instruction: &Instruction, operand: u32, count: usize) -> Vector {
        if instruction.op_kind(operand) == OpKind::Register {
            return self.vectors[number(instruction.op_register(operand))];
        }
        let at = self.address(instruction);
        let step = if instruction.is_broadcast() { 0 } else { 4 };
        let mut vector = [0; 16];
        if step > 0 && instruction.op_mask() == Register::None {
            let (bytes, mut lane) = (self.piece(at, 4 * count), 0);
            while lane < count {
                let first = 4 * lane;
                vector[lane] = u32::from_le_bytes([bytes[first], bytes[first + 1], bytes[first + 2], bytes[first + 3]]);
                lane += 1;
            }
            return vector;
        }
        for (lane, bits) in vector.iter_mut().enumerate().take(count) {
            if self.active(instruction, lane) {
                *bits = self.read_word(at + step * lane as u64, 4) as u32;
            }
        }
        vector
    }

    /// Writes the lanes of a result that take part; those beyond its length become 0, as do the others unless they are
    /// merged.
    pub(super) fn set(&mut self, instruction: &Instruction, count: usize, result: Vector) {
        let to = number(instruction.op0_register());
        if instruction.op_mask() == Register::None {
            let (to, mut lane) = (&mut self.vectors[to], 0);
            while lane < to.len() {
                to[lane] = if lane < count { result[lane] } else { 0 };
                lane += 1;
            }
            return;
        }
        let before = self.vectors[to];
        let lane = |lane: usize| match self.active(instruction, lane) {
            _ if lane >= count => 0,
            true => result[lane],
            false if instruction.zeroing_masking() => 0,
            false => before[lane],
        };
        self.vectors[to] = std::array::from_fn(lane);
    }

    /// `first = function(second, third)`, lane by lane.
    fn lanewise2(&mut self, instruction: &Instruction, function: impl Fn(u32, u32) -> u32) {
        let count = lanes(instruction.op0_register());
        let a = self.vector(instruction, 1, count);
        let b = self.vector(instruction, 2, count);
        self.set(instruction, count, each(count, |lane| function(a[lane], b[lane])));
    }

    /// `first = function(second)`, lane by lane.
    fn lanewise1(&mut self, instruction: &Instruction, function: impl Fn(u32) -> u32) {
        let count = lanes(instruction.op0_register());
        let a = self.vector(instruction, 1, count);
        self.set(instruction, count, each(count, |lane| function(a[lane])));
    }

    /// Each lane is one of the first source or, where `from` says so, of the second.
    fn shuffle(&mut self, instruction: &Instruction, from: impl Fn(usize) -> (bool, usize)) {
        let count = lanes(instruction.op0_register());
        assert!((1..3).all(|operand| instruction.op_kind(operand) == OpKind::Register), "{instruction}");
        let (a, b) = (self.vector(instruction, 1, count), self.vector(instruction, 2, count));
        let lane = |lane: usize| match from(lane % count) {
            (false, from) => a[from],
            (true, from) => b[from],
        };
        self.set(instruction, count, std::array::from_fn(lane));
    }

    /// Pairs of lanes as 64 bits.
    fn pairwise(&mut self, instruction: &Instruction, function: impl Fn(u64, u64) -> u64) {
        let count = lanes(instruction.op0_register());
        let a = self.vector(instruction, 1, count);
        let b = match instruction.op_kind(2) {
            OpKind::Immediate8 => [u32::from(instruction.immediate8()); 16],
            _ => self.vector(instruction, 2, count),
        };
        let pair = |v: &Vector, lane: usize| u64::from(v[lane & !1]) | u64::from(v[lane | 1]) << 32;
        let result = |lane: usize| (function(pair(&a, lane), pair(&b, lane)) >> (32 * (lane & 1))) as u32;
        self.set(instruction, count, std::array::from_fn(result));
    }

    /// A comparison into a vector or a mask.
    fn compare(&mut self, instruction: &Instruction, holds: impl Fn(u32, u32) -> bool) {
        let count = lanes(instruction.op1_register());
        let (a, b) = (self.vector(instruction, 1, count), self.vector(instruction, 2, count));
        let to = instruction.op0_register();
        if to.is_k() {
            let bit = |lane: usize| u64::from(self.active(instruction, lane) && holds(a[lane], b[lane])) << lane;
            self.masks[number(to)] = (0..count).map(bit).sum();
        } else {
            self.set(instruction, count, std::array::from_fn(|lane| all(holds(a[lane], b[lane]))));
        }
    }

    /// A multiply-add of operands by position: the factors, then the sum.
    fn multiply_add(&mut self, instruction: &Instruction, [a, b, c]: [u32; 3]) {
        let count = lanes(instruction.op0_register());
        let [a, b, c] = [a, b, c].map(|operand| self.vector(instruction, operand, count));
        let lane = |lane: usize| f(a[lane]).mul_add(f(b[lane]), f(c[lane])).to_bits();
        self.set(instruction, count, each(count, lane));
    }

    /// Moves of whole or masked vectors, to a register or to memory.
    fn move_vector(&mut self, instruction: &Instruction) {
        if instruction.op_kind(0) == OpKind::Register {
            return self.lanewise1(instruction, |bits| bits);
        }
        let at = self.address(instruction);
        let from = instruction.op1_register();
        for lane in 0..lanes(from) {
            if self.active(instruction, lane) {
                self.write(at + 4 * lane as u64, &self.vectors[number(from)][lane].to_le_bytes());
            }
        }
    }

    /// Moves of the first lanes, to a register (the others become 0) or to memory.
    fn move_some(&mut self, instruction: &Instruction, count: usize) {
        let at = self.address(instruction);
        match instruction.op_kind(0) {
            OpKind::Register => {
                let word = |lane: usize| if lane < count { self.read_word(at + 4 * lane as u64, 4) as u32 } else { 0 };
                let words: Vec<u32> = (0..16).map(word).collect();
                self.vectors[number(instruction.op0_register())] = words.try_into().expect("16 lanes");
            }
            _ => {
                let from = self.vectors[number(instruction.op1_register())];
                (0..count).for_each(|lane| self.write(at + 4 * lane as u64, &from[lane].to_le_bytes()));
            }
        }
    }

    fn mask_move(&mut self, instruction: &Instruction) {
        let value = match instruction.op_kind(1) {
            OpKind::Register => self.masks[number(instruction.op1_register())] & 0xffff,
            _ => self.read_word(self.address(instruction), 2),
        };
        match instruction.op_kind(0) {
            OpKind::Register if instruction.op0_register().is_gpr32() => {
                self.set_general(instruction.op0_register(), value);
            }
            OpKind::Register => self.masks[number(instruction.op0_register())] = value,
            _ => self.write(self.address(instruction), &value.to_le_bytes()[..2]),
        }
    }

    fn masks2(&mut self, instruction: &Instruction, function: impl Fn(u64, u64) -> u64) {
        let [a, b] = [1, 2].map(|operand| self.masks[number(instruction.op_register(operand))]);
        self.masks[number(instruction.op0_register())] = function(a, b) & 0xffff;
    }

    /// Executes an instruction on vectors or masks.
    pub(super) fn vector_instruction(&mut self, i: &Instruction) {
        let immediate = |operand: u32| i.immediate(operand) as u32;
        match i.mnemonic() {
            Mnemonic::Vzeroupper => self.vectors.iter_mut().take(16).for_each(|vector| vector[4..].fill(0)),
            Mnemonic::Vaddps => self.lanewise2(i, floats(|a, b| a + b)),
            Mnemonic::Vsubps => self.lanewise2(i, floats(|a, b| a - b)),
            Mnemonic::Vmulps => self.lanewise2(i, floats(|a, b| a * b)),
            Mnemonic::Vdivps => self.lanewise2(i, floats(|a, b| a / b)),
            Mnemonic::Vminps => self.lanewise2(i, |a, b| if f(a) < f(b) { a } else { b }),
            Mnemonic::Vmaxps => self.lanewise2(i, |a, b| if f(a) > f(b) { a } else { b }),
            Mnemonic::Vsqrtps => self.lanewise1(i, |a| f(a).sqrt().to_bits()),
            Mnemonic::Vroundps | Mnemonic::Vrndscaleps => match immediate(2) {
                8 => self.lanewise1(i, |a| f(a).round_ties_even().to_bits()),
                9 => self.lanewise1(i, |a| f(a).floor().to_bits()),
                other => panic!("rounding mode {other}"),
            },
            Mnemonic::Vfmadd132ps => self.multiply_add(i, [0, 2, 1]),
            Mnemonic::Vfmadd213ps => self.multiply_add(i, [1, 0, 2]),
            Mnemonic::Vfmadd231ps => self.multiply_add(i, [1, 2, 0]),
            Mnemonic::Vpaddd => self.lanewise2(i, u32::wrapping_add),
            Mnemonic::Vpsubd => self.lanewise2(i, u32::wrapping_sub),
            Mnemonic::Vpmulld => self.lanewise2(i, u32::wrapping_mul),
            Mnemonic::Vpminsd => self.lanewise2(i, |a, b| (a as i32).min(b as i32) as u32),
            Mnemonic::Vpmaxsd => self.lanewise2(i, |a, b| (a as i32).max(b as i32) as u32),
            Mnemonic::Vpand | Mnemonic::Vpandd => self.lanewise2(i, |a, b| a & b),
            Mnemonic::Vpandn => self.lanewise2(i, |a, b| !a & b),
            Mnemonic::Vpor | Mnemonic::Vpord => self.lanewise2(i, |a, b| a | b),
            Mnemonic::Vpxor | Mnemonic::Vpxord => self.lanewise2(i, |a, b| a ^ b),
            Mnemonic::Vpslld => self.lanewise1(i, |a| a << immediate(2)),
            Mnemonic::Vpsrld => self.lanewise1(i, |a| a >> immediate(2)),
            Mnemonic::Vpsrad => self.lanewise1(i, |a| (a as i32 >> immediate(2)) as u32),
            Mnemonic::Vpsllq => self.pairwise(i, |a, _| a << immediate(2)),
            Mnemonic::Vpsrlq => self.pairwise(i, |a, _| a >> immediate(2)),
            Mnemonic::Vpmuludq => self.pairwise(i, |a, b| (a & 0xffff_ffff) * (b & 0xffff_ffff)),
            Mnemonic::Vcmpps => match immediate(3) {
                0x00 => self.compare(i, |a, b| f(a) == f(b)),
                0x01 => self.compare(i, |a, b| f(a) < f(b)),
                0x02 => self.compare(i, |a, b| f(a) <= f(b)),
                0x03 => self.compare(i, |a, b| f(a).is_nan() || f(b).is_nan()),
                0x04 => self.compare(i, |a, b| f(a) != f(b)),
                0x07 => self.compare(i, |a, b| !f(a).is_nan() && !f(b).is_nan()),
                0x0d => self.compare(i, |a, b| f(a) >= f(b)),
                0x0e => self.compare(i, |a, b| f(a) > f(b)),
                other => panic!("predicate {other}"),
            },
            Mnemonic::Vpcmpeqd => self.compare(i, |a, b| a == b),
            Mnemonic::Vpcmpgtd => self.compare(i, |a, b| a as i32 > b as i32),
            Mnemonic::Vptestmd => self.compare(i, |a, b| a & b != 0),
            Mnemonic::Vpcmpd => match immediate(3) {
                0 => self.compare(i, |a, b| a == b),
                1 => self.compare(i, |a, b| (a as i32) < b as i32),
                2 => self.compare(i, |a, b| a as i32 <= b as i32),
                4 => self.compare(i, |a, b| a != b),
                5 => self.compare(i, |a, b| a as i32 >= b as i32),
                6 => self.compare(i, |a, b| a as i32 > b as i32),
                other => panic!("predicate {other}"),
            },
            Mnemonic::Vpblendd => {
                let count = lanes(i.op0_register());
                let (a, b) = (self.vector(i, 1, count), self.vector(i, 2, count));
                let lane = |lane: usize| if immediate(3) >> (lane % 8) & 1 == 1 { b[lane] } else { a[lane] };
                self.set(i, count, std::array::from_fn(lane));
            }
            Mnemonic::Vblendvps => {
                let count = lanes(i.op0_register());
                let (a, b) = (self.vector(i, 1, count), self.vector(i, 2, count));
                let mask = self.vectors[number(i.op3_register())];
                self.set(i, count, std::array::from_fn(|lane| if mask[lane] >> 31 == 1 { b[lane] } else { a[lane] }));
            }
            Mnemonic::Vblendmps => {
                let count = lanes(i.op0_register());
                let (a, b) = (self.vector(i, 1, count), self.vector(i, 2, count));
                let blended: Vec<u32> =
                    (0..16).map(|lane| if self.active(i, lane) { b[lane] } else { a[lane] }).collect();
                assert!(!i.zeroing_masking());
                let mut result: Vector = blended.try_into().expect("16 lanes");
                result[count..].fill(0);
                self.vectors[number(i.op0_register())] = result;
            }
            Mnemonic::Vcvttps2dq => self.lanewise1(i, |a| {
                let truncated = f(a).trunc();
                let fits = (-2_147_483_648.0..2_147_483_648.0).contains(&truncated);
                if fits { truncated as i32 as u32 } else { 1 << 31 }
            }),
            Mnemonic::Vcvtdq2ps => self.lanewise1(i, |a| (a as i32 as f32).to_bits()),
            Mnemonic::Vbroadcastss | Mnemonic::Vpbroadcastd => {
                let one = match i.op_kind(1) {
                    OpKind::Memory => self.read_word(self.address(i), 4) as u32,
                    _ if i.op1_register().is_gpr() => self.general(i.op1_register()) as u32,
                    _ => self.vectors[number(i.op1_register())][0],
                };
                self.set(i, lanes(i.op0_register()), [one; 16]);
            }
            Mnemonic::Vmovaps | Mnemonic::Vmovups => self.move_vector(i),
            Mnemonic::Vmaskmovps => {
                assert_eq!(i.op_kind(0), OpKind::Register);
                let (count, mask) = (lanes(i.op0_register()), self.vectors[number(i.op1_register())]);
                let at = self.address(i);
                let word = |lane: usize| {
                    let read = lane < count && mask[lane] >> 31 == 1;
                    if read { self.read_word(at + 4 * lane as u64, 4) as u32 } else { 0 }
                };
                let words: Vec<u32> = (0..16).map(word).collect();
                self.vectors[number(i.op0_register())] = words.try_into().expect("16 lanes");
            }
            Mnemonic::Vgatherdps => {
                let (to, places) = (i.op0_register(), i.memory_index());
                let (count, start) = (lanes(to), self.address(i));
                let mask = if i.op_mask() == Register::None { i.op2_register() } else { i.op_mask() };
                assert!(number(to) != number(places) && (mask.is_k() || ![to, places].contains(&mask)), "{i}");
                let at =
                    self.vectors[number(places)].map(|place| place as i32 as i64 * i64::from(i.memory_index_scale()));
                let mut result = self.vectors[number(to)];
                result[count..].fill(0);
                for lane in 0..count {
                    let taken = match mask.is_k() {
                        true => self.masks[number(mask)] >> lane & 1 == 1,
                        false => self.vectors[number(mask)][lane] >> 31 == 1,
                    };
                    if taken {
                        result[lane] = self.read_word(start.wrapping_add_signed(at[lane]), 4) as u32;
                    }
                }
                self.vectors[number(to)] = result;
                if mask.is_k() {
                    self.masks[number(mask)] = 0;
                } else {
                    self.vectors[number(mask)] = [0; 16];
                }
            }
            Mnemonic::Vunpcklps => self.shuffle(i, |lane| (lane % 2 == 1, lane / 4 * 4 + lane % 4 / 2)),
            Mnemonic::Vunpckhps => self.shuffle(i, |lane| (lane % 2 == 1, lane / 4 * 4 + 2 + lane % 4 / 2)),
            Mnemonic::Vunpcklpd => self.shuffle(i, |lane| (lane / 2 % 2 == 1, lane / 4 * 4 + lane % 2)),
            Mnemonic::Vunpckhpd => self.shuffle(i, |lane| (lane / 2 % 2 == 1, lane / 4 * 4 + 2 + lane % 2)),
            Mnemonic::Vperm2f128 => {
                let control = |lane: usize| immediate(3) as usize >> (lane / 4 * 4) & 0xf;
                assert!((0..8).all(|lane| control(lane) < 4), "{i}");
                self.shuffle(i, |lane| (control(lane) / 2 == 1, control(lane) % 2 * 4 + lane % 4));
            }
            Mnemonic::Vshuff32x4 => {
                let groups = lanes(i.op0_register()) / 4;
                let bits = groups.ilog2() as usize;
                let group = |lane: usize| immediate(3) as usize >> (lane / 4 * bits) & (groups - 1);
                self.shuffle(i, |lane| (lane / 4 >= groups / 2, group(lane) * 4 + lane % 4));
            }
            Mnemonic::Valignd => {
                let by = immediate(3) as usize;
                self.shuffle(i, |lane| (lane + by < 16, (lane + by) % 16));
            }
            Mnemonic::Vmovshdup => {
                let count = lanes(i.op0_register());
                let a = self.vector(i, 1, count);
                self.set(i, count, std::array::from_fn(|lane| a[lane | 1]));
            }
            Mnemonic::Vmovss => self.move_some(i, 1),
            Mnemonic::Vmovsd | Mnemonic::Vmovlps => self.move_some(i, 2),
            Mnemonic::Vmovhlps => {
                let (a, b) = (self.vector(i, 1, 4), self.vector(i, 2, 4));
                self.set(i, 4, std::array::from_fn(|lane| if lane < 2 { b[lane + 2] } else { a[lane] }));
            }
            Mnemonic::Vinsertps => {
                assert_eq!((i.op_kind(2), immediate(3) & 0xf), (OpKind::Memory, 0));
                let mut result = self.vector(i, 1, 4);
                result[(immediate(3) >> 4 & 3) as usize] = self.read_word(self.address(i), 4) as u32;
                self.set(i, 4, result);
            }
            Mnemonic::Vextractps => {
                let bits = self.vectors[number(i.op1_register())][(immediate(2) & 3) as usize];
                match i.op_kind(0) {
                    OpKind::Register => self.set_general(i.op0_register(), bits.into()),
                    _ => self.write(self.address(i), &bits.to_le_bytes()),
                }
            }
            Mnemonic::Vextractf128 | Mnemonic::Vextractf32x4 | Mnemonic::Vextractf64x4 => {
                let count = lanes(i.op0_register());
                let from = self.vectors[number(i.op1_register())];
                let start = count * immediate(2) as usize;
                self.set(i, count, std::array::from_fn(|lane| if lane < count { from[start + lane] } else { 0 }));
            }
            Mnemonic::Vinsertf128 | Mnemonic::Vinsertf32x4 => {
                let count = lanes(i.op0_register());
                let mut result = self.vector(i, 1, count);
                let part = self.vectors[number(i.op2_register())];
                let start = 4 * immediate(3) as usize;
                result[start..start + 4].copy_from_slice(&part[..4]);
                self.set(i, count, result);
            }
            Mnemonic::Vmovd if i.op0_register().is_xmm() => {
                let mut result = [0; 16];
                result[0] = self.general(i.op1_register()) as u32;
                self.vectors[number(i.op0_register())] = result;
            }
            Mnemonic::Vmovd => {
                let one = self.vectors[number(i.op1_register())][0];
                self.set_general(i.op0_register(), one.into());
            }
            Mnemonic::Vmovmskps => {
                let vector = self.vectors[number(i.op1_register())];
                let lanes = if i.op1_register().is_ymm() { 8 } else { 4 };
                let signs = (0..lanes).fold(0, |signs, lane| signs | u64::from(vector[lane] >> 31) << lane);
                self.set_general(i.op0_register(), signs);
            }
            Mnemonic::Kmovw => self.mask_move(i),
            Mnemonic::Kandw => self.masks2(i, |a, b| a & b),
            Mnemonic::Korw => self.masks2(i, |a, b| a | b),
            Mnemonic::Kxnorw => self.masks2(i, |a, b| !(a ^ b)),
            Mnemonic::Kxorw => self.masks2(i, |a, b| a ^ b),
            Mnemonic::Knotw => {
                let a = self.masks[number(i.op1_register())];
                self.masks[number(i.op0_register())] = !a & 0xffff;
            }
            _ if self.byte_instruction(i) => (),
            _ => self.half_instruction(i),
        }
    }
}
