//! A function on its way to bytes: instructions, labels, constants beside the code, and places in the stack frame
//! that get their offsets when all are known. It knows instructions; it knows no kernel.

use iced_x86::{Code, Encoder, FastFormatter, Instruction, OpKind, Register};
use rustc_hash::FxHashMap;

use super::instructions::{Length, STORE};
use super::registers::{Homes, MASKS};
use super::values::Id;
use super::{Level, Level::Avx512};

/// An operand of an instruction.
#[derive(Clone, Copy, Debug)]
pub enum Operand {
    /// A register.
    Register(Register),
    /// A place in memory.
    Memory(Memory),
    /// 8 bits.
    Byte(u8),
    /// 8 bits, extended by their sign to 64.
    Sign(i8),
    /// 32 bits, of an instruction on 32 bits.
    Half(i32),
    /// 32 bits, extended by their sign to 64.
    Word(i32),
    /// 64 bits.
    Wide(i64),
}

impl From<Register> for Operand {
    fn from(register: Register) -> Operand {
        Operand::Register(register)
    }
}

impl From<Memory> for Operand {
    fn from(memory: Memory) -> Operand {
        Operand::Memory(memory)
    }
}

/// A place in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// What it is relative to.
    pub base: Base,
    /// The distance in bytes.
    pub displacement: i32,
    /// A vector of 32-bit distances from there in elements of 4 bytes, one for each lane.
    pub places: Option<Register>,
    /// Whether the operand is the one element there, in every lane.
    pub broadcast: bool,
    /// The distance of rows in bytes.
    pub rows: Option<Register>,
}

/// What a place in memory is relative to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Base {
    /// The address in a general register.
    Register(Register),
    /// A 64-bit place of the stack frame.
    Scalar(u32),
    /// The place of a spilled value in the stack frame.
    Home(u32),
    /// A constant beside the code.
    Constant(u32),
}

impl Memory {
    /// A place at a distance from a base.
    pub fn new(base: Base, displacement: i32) -> Memory {
        Memory { base, displacement, places: None, broadcast: false, rows: None }
    }
}

/// A place in the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label(u32);

#[derive(Debug)]
enum Item {
    Instruction(Instruction, Option<Base>),
    Label(Label),
    /// A label at a multiple of 32 bytes.
    Head(Label),
    /// A jump by a condition.
    Branch(Code, Label),
    /// The value now is in the register: where it is spilled, it is stored.
    Defined(Id, u8),
}

/// The function.
#[derive(Debug)]
pub struct Assembly {
    level: Level,
    length: Length,
    items: Vec<Item>,
    labels: u32,
    constants: Vec<Vec<u8>>,
    numbers: FxHashMap<Vec<u8>, u32>,
}

/// The recommended forms of doing nothing, by their length less one.
const NOTHING: [&[u8]; 8] = [
    &[0x90],
    &[0x66, 0x90],
    &[0x0f, 0x1f, 0x00],
    &[0x0f, 0x1f, 0x40, 0x00],
    &[0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
    &[0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];

/// What the head of a loop is aligned to.
const HEAD: usize = 32;

/// Where the parts of a stack frame are.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// The offset of the first scalar from the stack pointer.
    pub scalars: i32,
    /// The offset of the first spilled value.
    pub homes: i32,
}

impl Assembly {
    /// An empty function over values of a length.
    pub fn new(level: Level, length: Length) -> Assembly {
        Assembly { level, length, items: Vec::new(), labels: 0, constants: Vec::new(), numbers: FxHashMap::default() }
    }

    /// Appends an instruction.
    pub fn push(&mut self, code: Code, operands: &[Operand]) {
        self.masked(code, operands, None);
    }

    /// Appends an instruction on the lanes of a mask (EVEX); the other lanes become 0 or, where `merge`, stay.
    pub fn masked(&mut self, code: Code, operands: &[Operand], mask: Option<(Register, bool)>) {
        let mut instruction = Instruction::default();
        instruction.set_code(code);
        let mut base = None;
        let mut number = 0;
        while number < operands.len() {
            let kind = match operands[number] {
                Operand::Register(register) => {
                    instruction.set_op_register(number as u32, register);
                    OpKind::Register
                }
                Operand::Memory(memory) => {
                    base = Some(memory.base);
                    if let Base::Register(register) = memory.base {
                        instruction.set_memory_base(register);
                    }
                    if let Some(places) = memory.places {
                        instruction.set_memory_index(places);
                        instruction.set_memory_index_scale(4);
                    }
                    if let Some(rows) = memory.rows {
                        instruction.set_memory_index(rows);
                    }
                    instruction.set_memory_displacement64(memory.displacement as i64 as u64);
                    instruction.set_is_broadcast(memory.broadcast);
                    OpKind::Memory
                }
                Operand::Byte(value) => {
                    instruction.set_immediate8(value);
                    OpKind::Immediate8
                }
                Operand::Sign(value) => {
                    instruction.set_immediate8to64(value as i64);
                    OpKind::Immediate8to64
                }
                Operand::Half(value) => {
                    instruction.set_immediate32(value as u32);
                    OpKind::Immediate32
                }
                Operand::Word(value) => {
                    instruction.set_immediate32to64(value as i64);
                    OpKind::Immediate32to64
                }
                Operand::Wide(value) => {
                    instruction.set_immediate64(value as u64);
                    OpKind::Immediate64
                }
            };
            instruction.set_op_kind(number as u32, kind);
            number += 1;
        }
        if let Some((mask, merge)) = mask {
            instruction.set_op_mask(mask);
            instruction.set_zeroing_masking(!merge);
        }
        self.items.push(Item::Instruction(instruction, base));
    }

    /// Appends that a value has come into being in a register.
    pub fn defined(&mut self, id: Id, register: u8) {
        self.items.push(Item::Defined(id, register));
    }

    /// A new place, to be set by [`Assembly::place`] or [`Assembly::head`].
    pub fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    /// Sets a label here.
    pub fn place(&mut self, label: Label) {
        self.items.push(Item::Label(label));
    }

    /// Sets the label of a loop here.
    pub fn head(&mut self, label: Label) {
        self.items.push(Item::Head(label));
    }

    /// Appends a jump.
    pub fn branch(&mut self, code: Code, to: Label) {
        self.items.push(Item::Branch(code, to));
    }

    /// A constant beside the code; equal ones are one.
    pub fn constant(&mut self, bytes: Vec<u8>) -> Base {
        let (constants, numbers) = (&mut self.constants, &mut self.numbers);
        let number = *numbers.entry(bytes).or_insert_with_key(|bytes| {
            constants.push(bytes.clone());
            constants.len() as u32 - 1
        });
        Base::Constant(number)
    }

    /// Puts everything that was appended since `from` was taken before everything else.
    pub fn move_to_front(&mut self, from: usize) {
        let front = self.items.split_off(from);
        self.items.splice(0..0, front);
    }

    /// The number of items so far.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// The bytes: code, then constants; with `listing`, the code as text too.
    pub fn encode(self, homes: &Homes, frame: Frame, mut listing: Option<&mut String>) -> Result<Vec<u8>, String> {
        // The encoder appends to a buffer of its own. Instructions have 5.4 to 6.6 bytes (the kernels of `gpt` and
        // `hourglass`, 2026-11-30), so that it seldom grows.
        let mut encoder = Encoder::try_with_capacity(64, 8 * self.items.len()).map_err(|error| error.to_string())?;
        let mut at = 0;
        let mut labels: Vec<Option<usize>> = vec![None; self.labels as usize];
        // Distances that are not known yet: where they stand, and to what; both are relative to the end of their instruction.
        let (mut branches, mut constants) = (Vec::new(), Vec::new());
        let mut formatter = listing.is_some().then(FastFormatter::new);
        for item in &self.items {
            let (mut instruction, base) = match *item {
                Item::Instruction(instruction, base) => (instruction, base),
                Item::Label(label) => {
                    labels[label.0 as usize] = Some(at);
                    continue;
                }
                Item::Head(label) => {
                    while !at.is_multiple_of(HEAD) {
                        let nothing = NOTHING[(HEAD - at % HEAD).min(NOTHING.len()) - 1];
                        nothing.iter().for_each(|&byte| encoder.write_u8(byte));
                        at += nothing.len();
                    }
                    labels[label.0 as usize] = Some(at);
                    if let Some(text) = &mut listing {
                        text.push_str(&format!("{at:6x}:\n"));
                    }
                    continue;
                }
                Item::Branch(code, label) => {
                    let target = labels[label.0 as usize];
                    // Two bytes, the distance from behind them in the second.
                    let short = target.is_some_and(|target| at + 2 - target <= 128);
                    let code = if short { code.as_short_branch() } else { code };
                    let branch = Instruction::with_branch(code, target.unwrap_or(at) as u64);
                    let branch = branch.map_err(|error| error.to_string())?;
                    if target.is_none() {
                        branches.push((label, at));
                    }
                    (branch, None)
                }
                Item::Defined(id, register) => {
                    let Some(home) = homes.of(id) else { continue };
                    (self.store(register), Some(Base::Home(home)))
                }
            };
            let start = at;
            match base {
                None => (),
                Some(Base::Register(_)) => {
                    let short = instruction.memory_displacement64() == 0;
                    instruction.set_memory_displ_size(if short { 0 } else { 1 });
                }
                Some(Base::Scalar(number)) => in_frame(&mut instruction, frame.scalars + 8 * number as i32),
                Some(Base::Home(home)) => in_frame(&mut instruction, frame.homes + homes.offset(home)),
                Some(Base::Constant(_)) => {
                    instruction.set_memory_base(Register::RIP);
                    instruction.set_memory_displ_size(8);
                    instruction.set_memory_displacement64(start as u64);
                }
            }
            let encoded = encoder.encode(&instruction, start as u64);
            at += encoded.map_err(|error| format!("{:?}: {error}", instruction.code()))?;
            if let Some(Base::Constant(number)) = base {
                constants.push((number, start + encoder.get_constant_offsets().displacement_offset(), at));
            }
            if let (Some(text), Some(formatter)) = (&mut listing, &mut formatter) {
                text.push_str(&format!("{start:6x}    "));
                formatter.format(&instruction, text);
                text.push('\n');
            }
        }
        let mut bytes = encoder.take_buffer();
        for (label, at) in branches {
            let target = labels[label.0 as usize].ok_or("a jump to nowhere")?;
            // `0f 8x` and 32 bits: jumps ahead are always long.
            let end = at + 6;
            bytes[at + 2..end].copy_from_slice(&((target - end) as i32).to_le_bytes());
        }
        let mut places = Vec::new();
        for constant in &self.constants {
            let aligned = bytes.len().next_multiple_of(constant.len().clamp(1, 64).next_power_of_two());
            bytes.resize(aligned, 0);
            places.push(aligned);
            bytes.extend(constant);
        }
        for (number, at, end) in constants {
            let distance = (places[number as usize] - end) as i32;
            bytes[at..at + 4].copy_from_slice(&distance.to_le_bytes());
        }
        Ok(bytes)
    }

    /// A store of a register; its place is set by the caller.
    fn store(&self, register: u8) -> Instruction {
        let (code, register) = match register.checked_sub(MASKS) {
            Some(mask) => (Code::VEX_Kmovw_m16_kr, Register::K0 + mask as u32),
            None => (STORE.code(self.level, self.length), self.length.register(register)),
        };
        debug_assert!(self.level == Avx512 || !register.is_k());
        let mut instruction = Instruction::default();
        instruction.set_code(code);
        instruction.set_op_kind(0, OpKind::Memory);
        instruction.set_op_kind(1, OpKind::Register);
        instruction.set_op_register(1, register);
        instruction
    }
}

/// Makes the memory operand a place in the stack frame.
fn in_frame(instruction: &mut Instruction, offset: i32) {
    let displacement = instruction.memory_displacement64() as i64 + offset as i64;
    instruction.set_memory_base(Register::RSP);
    instruction.set_memory_displacement64(displacement as u64);
    instruction.set_memory_displ_size(if displacement == 0 { 0 } else { 1 });
}
