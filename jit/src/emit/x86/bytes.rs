//! Loads and stores of 8-bit elements, which are i32 in registers. Nothing beyond the active lanes is touched. Four of
//! them as one lane are `quads.rs`'s.
//!
//! ```text
//! load     vpmovzxbd, vpmovsxbd   bytes to lanes, 4, 8 or 16 at once; others one by one: movzx or movsx, vpinsrd
//! store    the low bytes of all lanes side by side: vpmovdb (AVX-512), or vpand, vpackusdw, vpackuswb
//! ```

use iced_x86::{Code, Register};

use super::assembly::{Base as Place, Memory, Operand};
use super::instructions::*;
use super::loops::half;
use super::pointers::{FIRST, SECOND};
use super::values::{Id, LOW_BYTE};
use super::{Body, Level};
use crate::kernel::{BufferId, Element, Index, Value};

/// The lanes that 128 bits hold.
const GROUP: usize = 4;

impl Body<'_> {
    /// What a buffer holds.
    pub(super) fn element(&self, buffer: BufferId) -> Element {
        self.kernel.buffers[buffer.0 as usize].element
    }

    /// One element, widened, in a general register.
    fn load_byte(&mut self, to: Register, buffer: BufferId, memory: Memory) {
        let code = match self.element(buffer) {
            Element::I8 => Code::Movsx_r32_rm8,
            _ => Code::Movzx_r32_rm8,
        };
        self.out.push(code, &[half(to), memory.into()]);
    }

    /// The first `active` lanes; the others are 0.
    pub(super) fn load_bytes(&mut self, id: Id, buffer: BufferId, index: &Index, stride: i64, active: usize) {
        let (base, first) = self.address(buffer, index);
        let to = self.target_apart(id);
        if stride == 1 && matches!(active, 4 | 8 | 16) {
            let op = if self.element(buffer) == Element::I8 { WIDEN_SIGNED } else { WIDEN_UNSIGNED };
            let length = Length::of(active);
            let memory = self.near(base, first);
            self.out.push(op.code(self.level, length), &[length.register(to).into(), memory.into()]);
            return self.defined(id);
        }
        let part = if active > GROUP { self.temporary(false) } else { to };
        for lane in 0..active {
            let memory = self.near(base, first + lane as i64 * stride);
            self.load_byte(SECOND, buffer, memory);
            self.insert_general(to, part, lane, lane + 1 == active);
        }
        self.defined(id);
    }

    /// A 32-bit number from [`SECOND`] to a lane; lanes come one after the other, those beyond the last are 0. `part` holds a
    /// group of lanes that are not the first ones until it is full.
    fn insert_general(&mut self, to: u8, part: u8, lane: usize, last: bool) {
        let (group, within) = (lane / GROUP, lane % GROUP);
        let register: Operand = Length::Xmm.register(if group == 0 { to } else { part }).into();
        match within {
            0 => self.out.push(FROM_GENERAL.code(self.level), &[register, half(SECOND)]),
            _ => {
                let operands = [register, register, half(SECOND), Operand::Byte(within as u8)];
                self.out.push(INSERT_GENERAL.code(self.level), &operands);
            }
        }
        if group > 0 && (last || within == GROUP - 1) {
            // The upper parts are 0 until they are inserted.
            let op = if self.length == Length::Ymm { INSERT_128_IN_256 } else { INSERT_128_IN_512 };
            let whole = self.name(to).into();
            self.out.push(op.code(self.level), &[whole, whole, register, Operand::Byte(group as u8)]);
        }
    }

    /// Lanes at distances of their own, one after the other: the instruction that gathers reads 32 bits, which may be beyond
    /// the buffer.
    pub(super) fn gather_bytes(&mut self, id: Id, buffer: BufferId, index: &Index, places: Id, active: usize) {
        let places = self.register(places);
        let (base, first) = self.address(buffer, index);
        let start = self.near(base, first);
        let Place::Register(base) = start.base else { unreachable!("a buffer is at an address") };
        // The sum of base and place is made where neither is needed any more: all bytes are collected by `SECOND`.
        if base == SECOND {
            self.out.push(Code::Mov_r64_rm64, &[FIRST.into(), SECOND.into()]);
        }
        let base = if base == SECOND { FIRST } else { base };
        let to = self.target_apart(id);
        let part = if active > GROUP { self.temporary(false) } else { to };
        let group = if active > GROUP { self.temporary(false) } else { places };
        for lane in 0..active {
            let (number, within) = (lane / GROUP, lane % GROUP);
            let from = if number == 0 { places } else { group };
            if number > 0 && within == 0 {
                self.extract_128(group, places, number);
            }
            let operands = [half(SECOND), Length::Xmm.register(from).into(), Operand::Byte(within as u8)];
            self.out.push(EXTRACT_LANE.code(self.level), &operands);
            self.out.push(Code::Movsxd_r64_rm32, &[SECOND.into(), half(SECOND)]);
            self.out.push(Code::Add_r64_rm64, &[SECOND.into(), base.into()]);
            self.load_byte(SECOND, buffer, Memory::new(Place::Register(SECOND), start.displacement));
            self.insert_general(to, part, lane, lane + 1 == active);
        }
        self.defined(id);
    }

    /// One element in every lane.
    pub(super) fn splat_byte(&mut self, id: Id, buffer: BufferId, index: &Index) {
        let (base, first) = self.address(buffer, index);
        let to = self.target_apart(id);
        let memory = self.near(base, first);
        self.load_byte(FIRST, buffer, memory);
        self.broadcast_general(to);
        self.defined(id);
    }

    /// Writes the low bytes of the first `active` lanes.
    pub(super) fn store_bytes(&mut self, buffer: BufferId, index: &Index, stride: i64, active: usize, value: Value) {
        let id = self.values.id(value);
        let from = self.register(id);
        let (base, first) = self.address(buffer, index);
        let bytes = self.temporary(false);
        let [name, xmm]: [Operand; 2] = [self.name(bytes).into(), Length::Xmm.register(bytes).into()];
        match self.level {
            Level::Avx2 => {
                let low = self.values.constant(LOW_BYTE);
                let low = self.operand(low);
                self.out.push(AND.code(self.level, self.length), &[name, self.name(from).into(), low]);
                self.out.push(PACK.code(self.level, self.length), &[name, name, name]);
                self.out.push(PACK_BYTES.code(self.level, self.length), &[name, name, name]);
                if self.length == Length::Ymm {
                    // Each group of four lanes has its bytes in its own half.
                    let upper = self.temporary(false);
                    self.extract_128(upper, bytes, 1);
                    let upper = Length::Xmm.register(upper).into();
                    self.out.push(LOW_LANES.code(self.level, Length::Xmm), &[xmm, xmm, upper]);
                }
            }
            Level::Avx512 => {
                let operands = [xmm, self.name(from).into()];
                self.out.push(NARROW_TO_BYTES.code(self.level, self.length), &operands);
            }
        }
        let mut lane = 0;
        while lane < active {
            let memory: Operand = self.near(base, first + lane as i64 * stride).into();
            let (code, number, count) = match (lane, if stride == 1 { active - lane } else { 1 }) {
                (0, 16..) => (STORE.code(self.level, Length::Xmm), None, 16),
                (0, 8..) => (STORE_TWO.code(self.level), None, 8),
                (0, 4..) => (STORE_ONE.code(self.level), None, 4),
                (4 | 8 | 12, 4..) => (EXTRACT_LANE.code(self.level), Some(lane / 4), 4),
                _ => (EXTRACT_BYTE.code(self.level), Some(lane), 1),
            };
            match number {
                None => self.out.push(code, &[memory, xmm]),
                Some(number) => self.out.push(code, &[memory, xmm, Operand::Byte(number as u8)]),
            }
            lane += count;
        }
    }
}
