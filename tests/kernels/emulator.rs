//! An emulator of the x86-64 instructions that the emitter uses, over a memory whose every access is checked: for vectors
//! that this machine does not have. It decodes the emitted bytes; it knows no kernel but the one that it runs.

mod bytes;
mod halves;
mod tiles;
mod vectors;

use std::collections::HashMap;

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use kiln_jit::emit::{Convention, Emitter, X86};
use kiln_jit::kernel::{Buffer, Kernel};

use crate::run::Contents;

const CODE: u64 = 0x1_0000_0000;
const STACK: u64 = 0x2_0000_0000;
const STACK_BYTES: usize = 1 << 16;
const ARGUMENTS: u64 = 0x3_0000_0000;
const BUFFERS: u64 = 0x4_0000_0000;
/// Where the function returns to.
const RETURN: u64 = 0xdead_0000;
/// What registers hold that nothing has written.
const JUNK: u64 = 0x7fc0_beef_7fc0_beef;

/// Runs all tasks in two calls and gives what the buffers hold then.
pub fn run(kernel: &Kernel, emitter: X86, convention: Convention, contents: &Contents) -> Contents {
    let code = emitter.with_convention(convention).emit(kernel).unwrap_or_else(|error| panic!("{error}\n{kernel}"));
    let mut machine = Machine::new(code);
    let mut table = Vec::new();
    let places: Vec<usize> = (0u64..)
        .zip(kernel.buffers.iter().zip(contents))
        .map(|(number, (buffer, elements))| {
            // Buffers are aligned to 64 bytes, and nothing lies between them.
            let start = BUFFERS + (number << 28);
            table.extend(start.to_le_bytes());
            let bytes = |bits: &u32| bits.to_le_bytes().into_iter().take(buffer.element.bytes());
            machine.memory.push((start, elements.iter().flat_map(bytes).collect()));
            machine.memory.len() - 1
        })
        .collect();
    machine.memory.push((ARGUMENTS, table));
    let middle = kernel.tasks() / 2;
    for tasks in [middle..kernel.tasks(), 0..middle] {
        machine.call(convention, tasks.start as u64, tasks.end as u64);
    }
    let bits = |bytes: &[u8]| bytes.iter().rev().fold(0, |bits, &byte| bits << 8 | u32::from(byte));
    let elements = |(place, buffer): (usize, &Buffer)| {
        machine.memory[place].1.chunks(buffer.element.bytes()).map(bits).collect::<Vec<u32>>()
    };
    places.into_iter().zip(&kernel.buffers).map(elements).collect()
}

/// The number of a register among those of its kind.
fn number(register: Register) -> usize {
    // The first of each kind that is emulated, in iced-x86's order.
    const FIRST: [Register; 6] =
        [Register::EAX, Register::RAX, Register::XMM0, Register::YMM0, Register::ZMM0, Register::K0];
    let mut kind = FIRST.len();
    // A plain loop: in debug builds it was a fifth of the emulator's time.
    while kind > 0 {
        kind -= 1;
        if FIRST[kind] as u32 <= register as u32 {
            return (register as u32 - FIRST[kind] as u32) as usize;
        }
    }
    unreachable!("{register:?} is of no kind that is emulated")
}

/// Flags that are asked for.
#[derive(Default)]
struct Flags {
    zero: bool,
    sign: bool,
    carry: bool,
    overflow: bool,
}

struct Machine {
    general: [u64; 16],
    vectors: [[u32; 16]; 32],
    masks: [u64; 8],
    tiles: Option<tiles::Tiles>,
    flags: Flags,
    /// Pieces with their addresses; the first is the code.
    memory: Vec<(u64, Vec<u8>)>,
    decoded: HashMap<u64, Instruction>,
}

impl Machine {
    fn new(code: Vec<u8>) -> Machine {
        Machine {
            general: [JUNK; 16],
            vectors: [[JUNK as u32; 16]; 32],
            masks: [JUNK; 8],
            tiles: None,
            flags: Flags::default(),
            memory: vec![(CODE, code), (STACK, vec![0xee; STACK_BYTES])],
            decoded: HashMap::new(),
        }
    }

    /// Calls the function, and checks that the caller finds what the convention promises.
    fn call(&mut self, convention: Convention, begin: u64, end: u64) {
        let arguments = match convention {
            Convention::SystemV => [Register::RDI, Register::RSI, Register::RDX],
            Convention::Windows => [Register::RCX, Register::RDX, Register::R8],
        };
        for (register, value) in arguments.into_iter().zip([ARGUMENTS, begin, end]) {
            self.set_general(register, value);
        }
        let top = STACK + STACK_BYTES as u64 - 8;
        self.set_general(Register::RSP, top);
        self.write(top, &RETURN.to_le_bytes());
        let (general, vectors) = (self.general, self.vectors);
        let mut at = CODE;
        while at != RETURN {
            at = self.step(at);
        }
        let mut kept = vec![Register::RBX, Register::RBP, Register::R12, Register::R13, Register::R14, Register::R15];
        if convention == Convention::Windows {
            kept.extend([Register::RSI, Register::RDI]);
            for (number, (found, kept)) in self.vectors.iter().zip(&vectors).enumerate().take(16).skip(6) {
                assert_eq!(found[..4], kept[..4], "xmm{number} is not as it was");
            }
        }
        for register in kept {
            assert_eq!(self.general[number(register)], general[number(register)], "{register:?} is not as it was");
        }
        assert_eq!(self.general(Register::RSP), top + 8, "the stack pointer");
        assert!(self.tiles.is_none(), "tiles are released");
    }

    /// Executes one instruction and gives the address of the next one.
    fn step(&mut self, at: u64) -> u64 {
        let instruction = *self.decoded.entry(at).or_insert_with(|| {
            let bytes = &self.memory[0].1[(at - CODE) as usize..];
            Decoder::with_ip(64, bytes, at, DecoderOptions::NONE).decode()
        });
        assert!(!instruction.is_invalid(), "no instruction at {:x}", at - CODE);
        let next = instruction.next_ip();
        let jump = |taken: bool| if taken { instruction.near_branch64() } else { next };
        match instruction.mnemonic() {
            Mnemonic::Jb => return jump(self.flags.carry),
            Mnemonic::Jae => return jump(!self.flags.carry),
            Mnemonic::Jne => return jump(!self.flags.zero),
            Mnemonic::Je => return jump(self.flags.zero),
            Mnemonic::Ret => return self.pop(),
            _ => (),
        }
        if !self.general_instruction(&instruction) && !self.tile_instruction(&instruction) {
            self.vector_instruction(&instruction);
        }
        next
    }

    fn general(&self, register: Register) -> u64 {
        let value = self.general[number(register)];
        if register.is_gpr32() { value & u64::from(u32::MAX) } else { value }
    }

    /// Writing 32 bits clears the others.
    fn set_general(&mut self, register: Register, value: u64) {
        self.general[number(register)] = if register.is_gpr32() { value & u64::from(u32::MAX) } else { value };
    }

    fn pop(&mut self) -> u64 {
        let top = self.general(Register::RSP);
        self.set_general(Register::RSP, top + 8);
        self.read_word(top, 8)
    }

    /// The address of the memory operand.
    fn address(&self, instruction: &Instruction) -> u64 {
        if instruction.memory_base() == Register::RIP {
            return instruction.memory_displacement64();
        }
        let places = instruction.memory_index();
        assert!(places == Register::None || places.is_vector_register(), "{places:?} in an address");
        self.general(instruction.memory_base()).wrapping_add(instruction.memory_displacement64())
    }

    fn piece(&mut self, at: u64, bytes: usize) -> &mut [u8] {
        let (memory, mut number) = (self.memory.as_mut_slice(), 0);
        while number < memory.len() {
            let (start, length) = (memory[number].0, memory[number].1.len() as u64);
            if at >= start && at + bytes as u64 <= start + length {
                let first = (at - start) as usize;
                return &mut memory[number].1[first..first + bytes];
            }
            number += 1;
        }
        panic!("{bytes} bytes at {at:x} lie in no buffer")
    }

    fn read_word(&mut self, at: u64, bytes: usize) -> u64 {
        let mut word = [0; 8];
        word[..bytes].copy_from_slice(self.piece(at, bytes));
        u64::from_le_bytes(word)
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        assert!(!(CODE..STACK).contains(&at), "code is written");
        self.piece(at, bytes.len()).copy_from_slice(bytes);
    }

    /// The bytes of an operand of a general instruction.
    fn width(instruction: &Instruction) -> usize {
        let register = |number: u32| instruction.op_kind(number) == OpKind::Register;
        let wide = match (register(0), instruction.op_count() > 1 && register(1)) {
            (true, _) => instruction.op0_register().is_gpr64(),
            (_, true) => instruction.op1_register().is_gpr64(),
            _ => true,
        };
        if wide { 8 } else { 4 }
    }

    fn value(&mut self, instruction: &Instruction, operand: u32, width: usize) -> u64 {
        match instruction.op_kind(operand) {
            OpKind::Register => self.general(instruction.op_register(operand)),
            OpKind::Memory => self.read_word(self.address(instruction), width),
            _ => instruction.immediate(operand),
        }
    }

    fn put(&mut self, instruction: &Instruction, value: u64, width: usize) {
        match instruction.op_kind(0) {
            OpKind::Register => self.set_general(instruction.op0_register(), value),
            _ => self.write(self.address(instruction), &value.to_le_bytes()[..width]),
        }
    }

    fn set_flags(&mut self, result: u64, width: usize, carry: bool, overflow: bool) {
        let bits = 8 * width as u32;
        let result = if width == 4 { result & u64::from(u32::MAX) } else { result };
        self.flags = Flags { zero: result == 0, sign: result >> (bits - 1) & 1 == 1, carry, overflow };
    }

    /// Whether the instruction was one of general registers.
    fn general_instruction(&mut self, instruction: &Instruction) -> bool {
        let mnemonic = instruction.mnemonic();
        let width = Machine::width(instruction);
        match mnemonic {
            Mnemonic::Nop | Mnemonic::Prefetcht1 | Mnemonic::Prefetchw => (),
            Mnemonic::Mov => {
                let value = self.value(instruction, 1, width);
                self.put(instruction, value, width);
            }
            Mnemonic::Add | Mnemonic::Sub | Mnemonic::Cmp | Mnemonic::And | Mnemonic::Xor | Mnemonic::Test => {
                let (a, b) = (self.value(instruction, 0, width), self.value(instruction, 1, width));
                let (result, carry, overflow) = match (mnemonic, width) {
                    (Mnemonic::Add, _) => (a.wrapping_add(b), false, false),
                    (Mnemonic::Sub | Mnemonic::Cmp, 4) => {
                        let (a, b) = (a as u32, b as u32);
                        (a.wrapping_sub(b).into(), a < b, (a as i32).overflowing_sub(b as i32).1)
                    }
                    (Mnemonic::Sub | Mnemonic::Cmp, _) => {
                        (a.wrapping_sub(b), a < b, (a as i64).overflowing_sub(b as i64).1)
                    }
                    (Mnemonic::Xor, _) => (a ^ b, false, false),
                    _ => (a & b, false, false),
                };
                self.set_flags(result, width, carry, overflow);
                if !matches!(mnemonic, Mnemonic::Cmp | Mnemonic::Test) {
                    self.put(instruction, result, width);
                }
            }
            Mnemonic::Movsxd => {
                let value = self.value(instruction, 1, 4);
                self.put(instruction, value as u32 as i32 as i64 as u64, 8);
            }
            Mnemonic::Movzx | Mnemonic::Movsx => {
                let byte = self.value(instruction, 1, 1) as u8;
                let value = if mnemonic == Mnemonic::Movzx { u32::from(byte) } else { i32::from(byte as i8) as u32 };
                self.put(instruction, value.into(), 4);
            }
            Mnemonic::Imul => {
                let operands = instruction.op_count();
                let (a, b) = (operands - 2, operands - 1);
                let (a, b) = (self.value(instruction, a, width), self.value(instruction, b, width));
                self.put(instruction, a.wrapping_mul(b), width);
            }
            Mnemonic::Div => {
                let divisor = self.value(instruction, 0, 8);
                assert_eq!(self.general(Register::RDX), 0);
                let dividend = self.general(Register::RAX);
                self.set_general(Register::RAX, dividend / divisor);
                self.set_general(Register::RDX, dividend % divisor);
            }
            Mnemonic::Cmovs | Mnemonic::Cmovg => {
                let taken = match mnemonic {
                    Mnemonic::Cmovs => self.flags.sign,
                    _ => !self.flags.zero && self.flags.sign == self.flags.overflow,
                };
                let value = self.value(instruction, if taken { 1 } else { 0 }, width);
                self.put(instruction, value, width);
            }
            Mnemonic::Push => {
                let value = self.value(instruction, 0, 8);
                let top = self.general(Register::RSP) - 8;
                self.set_general(Register::RSP, top);
                self.write(top, &value.to_le_bytes());
            }
            Mnemonic::Pop => {
                let value = self.pop();
                self.put(instruction, value, 8);
            }
            _ => return false,
        }
        true
    }
}
