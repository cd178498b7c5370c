//! Loads and stores: contiguous, of some lanes, strided, at run-time rows, at places of each lane's own. Nothing beyond
//! the active lanes is touched. Elements that are shorter than a lane are handed on to `halves.rs` and `bytes.rs`.

use iced_x86::{Code, Register};

use super::assembly::{Base as Place, Memory, Operand};
use super::instructions::*;
use super::loops::half;
use super::pointers::{FIRST, ROW, SECOND};
use super::values::Id;
use super::values::{Constant, is_whole};
use super::{Body, Level};
use crate::emit::addresses::Base;
use crate::kernel::{Access, BufferId, Index, Row, Value};

/// Bytes of a lane.
const LANE: i64 = 4;

impl Body<'_> {
    /// The address of an index: a register and a distance.
    pub(super) fn address(&mut self, buffer: BufferId, index: &Index) -> (Register, i64) {
        let (place, displacement) = self.addresses.locate(Base::Buffer(buffer), index);
        let Some(row) = index.row else {
            return (self.general(self.pointers.place(place), FIRST), displacement);
        };
        if self.row != Some((place, row)) {
            self.find_row(row);
            self.times(ROW, row.stride * self.bytes(buffer));
            self.out.push(Code::Add_r64_rm64, &[ROW.into(), self.located(self.pointers.place(place))]);
            self.row = Some((place, row));
        }
        (ROW, displacement)
    }

    /// Writes the number of a row, clamped to those that there are, to its register.
    fn find_row(&mut self, row: Row) {
        let id = self.values.id(row.value);
        match self.values.known(id) {
            Some(Constant::Uniform(bits)) => {
                self.out.push(Code::Mov_r32_imm32, &[half(ROW), Operand::Half(bits as i32)]);
            }
            Some(_) => self.out.push(Code::Xor_r32_rm32, &[half(ROW), half(ROW)]),
            None => {
                let lane = Length::Xmm.register(self.register(id));
                self.out.push(TO_GENERAL.code(self.level), &[half(ROW), lane.into()]);
            }
        }
        self.out.push(Code::Xor_r32_rm32, &[half(SECOND), half(SECOND)]);
        self.out.push(Code::Test_rm32_r32, &[half(ROW), half(ROW)]);
        self.out.push(Code::Cmovs_r32_rm32, &[half(ROW), half(SECOND)]);
        self.out.push(Code::Mov_r32_imm32, &[half(SECOND), Operand::Half(row.extent as i32 - 1)]);
        self.out.push(Code::Cmp_r32_rm32, &[half(ROW), half(SECOND)]);
        self.out.push(Code::Cmovg_r32_rm32, &[half(ROW), half(SECOND)]);
    }

    /// A place at a distance from a register, which an instruction may be too short for.
    pub(super) fn near(&mut self, base: Register, displacement: i64) -> Memory {
        match i32::try_from(displacement) {
            Ok(near) => Memory::new(Place::Register(base), near),
            Err(_) => {
                self.out.push(Code::Mov_r64_imm64, &[SECOND.into(), Operand::Wide(displacement)]);
                self.out.push(Code::Add_r64_rm64, &[SECOND.into(), base.into()]);
                Memory::new(Place::Register(SECOND), 0)
            }
        }
    }

    /// The first `active` lanes; the others are 0.
    pub(super) fn load(&mut self, id: Id, buffer: BufferId, index: &Index, stride: i64, active: usize) {
        if self.is_half(buffer) {
            return self.load_halves(id, buffer, index, stride, active);
        }
        if self.element(buffer).is_byte() {
            return self.load_bytes(id, buffer, index, stride, active);
        }
        self.load_lanes(id, buffer, index, stride * LANE, active);
    }

    /// Pairs of 16-bit elements at a distance in elements.
    pub(super) fn load_pairs(&mut self, id: Id, buffer: BufferId, index: &Index, stride: i64, active: usize) {
        self.load_lanes(id, buffer, index, stride * self.bytes(buffer), active);
    }

    /// Lanes at a distance in bytes.
    fn load_lanes(&mut self, id: Id, buffer: BufferId, index: &Index, step: i64, active: usize) {
        let (base, first) = self.address(buffer, index);
        let to = self.target_apart(id);
        match step {
            LANE if is_whole(active, self.kernel.lanes) => {
                let code = match active {
                    1 => LOAD_ONE.code(self.level),
                    2 => LOAD_TWO.code(self.level),
                    _ => LOAD.code(self.level, Length::of(active)),
                };
                let memory = self.near(base, first);
                self.out.push(code, &[Length::of(active).register(to).into(), memory.into()]);
            }
            0 | LANE if active < self.kernel.lanes => {
                let mask = self.values.constant(Constant::Active(active));
                let mask = self.register(mask);
                let (memory, mask) = (self.near(base, first), self.name(mask));
                let name: Operand = self.name(to).into();
                match (step, self.level) {
                    (LANE, Level::Avx2) => {
                        self.out.push(LOAD_SOME.code(self.level, self.length), &[name, mask.into(), memory.into()]);
                    }
                    (_, Level::Avx2) => {
                        self.out.push(BROADCAST.code(self.level, self.length), &[name, memory.into()]);
                        self.out.push(AND.code(self.level, self.length), &[name, name, mask.into()]);
                    }
                    (_, Level::Avx512) => {
                        let op = if step == LANE { LOAD } else { BROADCAST };
                        let code = op.code(self.level, self.length);
                        self.out.masked(code, &[name, memory.into()], Some((mask, false)));
                    }
                }
            }
            0 => {
                let memory = self.near(base, first);
                let name = self.name(to).into();
                self.out.push(BROADCAST.code(self.level, self.length), &[name, memory.into()]);
            }
            _ => self.load_apart(to, base, first, step, active),
        }
        self.defined(id);
    }

    /// Lanes at a distance, 128 bits after 128 bits.
    fn load_apart(&mut self, to: u8, base: Register, first: i64, step: i64, active: usize) {
        let part = if active > 4 { self.temporary(false) } else { to };
        for start in (0..active).step_by(4) {
            let register = Length::Xmm.register(if start == 0 { to } else { part });
            for lane in start..active.min(start + 4) {
                let memory = self.near(base, first + lane as i64 * step);
                if lane == start {
                    self.out.push(LOAD_ONE.code(self.level), &[register.into(), memory.into()]);
                } else {
                    let place = Operand::Byte((lane - start) as u8 * 16);
                    let operands = [register.into(), register.into(), memory.into(), place];
                    self.out.push(INSERT_LANE.code(self.level), &operands);
                }
            }
            if start > 0 {
                // The upper parts are 0 until they are inserted.
                let op = if self.length == Length::Ymm { INSERT_128_IN_256 } else { INSERT_128_IN_512 };
                let whole = self.name(to).into();
                let number = Operand::Byte(start as u8 / 4);
                self.out.push(op.code(self.level), &[whole, whole, register.into(), number]);
            }
        }
    }

    /// Lanes at distances of their own. The instruction uses its mask up, and leaves the lanes that are not in it alone.
    pub(super) fn gather(&mut self, id: Id, buffer: BufferId, index: &Index, places: Id, active: usize) {
        if self.is_half(buffer) {
            return self.gather_halves(id, buffer, index, places, active);
        }
        if self.element(buffer).is_byte() {
            return self.gather_bytes(id, buffer, index, places, active);
        }
        let places = self.register(places);
        let (base, first) = self.address(buffer, index);
        let to = self.target_apart(id);
        let mask = self.temporary(self.level == Level::Avx512);
        let (to_name, mask_name): (Operand, Register) = (self.name(to).into(), self.name(mask));
        if active < self.length.lanes() {
            let active = self.values.constant(Constant::Active(active));
            self.bring(active, mask);
        } else if self.level == Level::Avx512 {
            let mask: Operand = mask_name.into();
            self.out.push(Code::VEX_Kxnorw_kr_kr_kr, &[mask, mask, mask]);
        } else {
            let mask: Operand = mask_name.into();
            self.out.push(EQUAL_I32.code(self.level, self.length), &[mask, mask, mask]);
        }
        self.out.push(XOR.code(self.level, self.length), &[to_name, to_name, to_name]);
        let memory = Memory { places: Some(self.name(places)), ..self.near(base, first) };
        let code = GATHER.code(self.level, self.length);
        match self.level {
            Level::Avx2 => self.out.push(code, &[to_name, memory.into(), mask_name.into()]),
            Level::Avx512 => self.out.masked(code, &[to_name, memory.into()], Some((mask_name, true))),
        }
        self.defined(id);
    }

    /// One element in every lane.
    pub(super) fn splat(&mut self, id: Id, buffer: BufferId, index: &Index) {
        if self.is_half(buffer) {
            return self.splat_half(id, buffer, index);
        }
        if self.element(buffer).is_byte() {
            return self.splat_byte(id, buffer, index);
        }
        let (base, first) = self.address(buffer, index);
        let to = self.target_apart(id);
        let memory = self.near(base, first);
        self.out.push(BROADCAST.code(self.level, self.length), &[self.name(to).into(), memory.into()]);
        self.defined(id);
    }

    /// A line that is read goes to the second-level cache, so that what is read now keeps the first-level one; one that
    /// is written comes as this core's alone.
    pub(super) fn prefetch(&mut self, buffer: BufferId, index: &Index) {
        let (base, first) = self.address(buffer, index);
        let memory = self.near(base, first);
        let reads = self.kernel.buffers[buffer.0 as usize].access == Access::Read;
        self.out.push(if reads { Code::Prefetcht1_m8 } else { Code::Prefetchw_m8 }, &[memory.into()]);
    }

    pub(super) fn store(&mut self, buffer: BufferId, index: &Index, stride: i64, active: usize, value: Value) {
        if self.is_half(buffer) {
            return self.store_halves(buffer, index, stride, active, value);
        }
        if self.element(buffer).is_byte() {
            return self.store_bytes(buffer, index, stride, active, value);
        }
        let id = self.values.id(value);
        let from = self.register(id);
        let (base, first) = self.address(buffer, index);
        if stride == 1 && is_whole(active, self.kernel.lanes) {
            return self.store_whole(from, base, first, active);
        }
        if stride == 1 && self.level == Level::Avx512 {
            return self.store_in_two(from, base, first, active);
        }
        let mut part = from;
        for start in (0..active).step_by(4) {
            if start > 0 {
                part = if part == from { self.temporary(false) } else { part };
                self.take_four(part, from, start);
            }
            let count = (active - start).min(4);
            let at = first + start as i64 * stride * LANE;
            if stride != 1 {
                (0..count).for_each(|lane| self.store_lane(part, lane, base, at + lane as i64 * stride * LANE));
            } else if count == 3 {
                self.store_whole(part, base, at, 2);
                self.store_lane(part, 2, base, at + 2 * LANE);
            } else {
                self.store_whole(part, base, at, count);
            }
        }
    }

    /// Stores the first 3, 5 to 7 or 9 to 15 lanes, as two stores without a mask. A load that begins where the active
    /// lanes of a masked store end (the next row of a tensor of 10 columns) would wait until that is in the cache, 20
    /// cycles on Intel's processors: to them it is a store of all lanes.
    fn store_in_two(&mut self, from: u8, base: Register, first: i64, active: usize) {
        // 10 lanes are 8 and 2; 15 are 8, and 8 that end with the last one, so that a lane is stored twice.
        let half = active.next_power_of_two() / 2;
        self.store_whole(from, base, first, half);
        let rest = active - half;
        let at = first + half as i64 * LANE;
        if half == 2 {
            return self.store_lane(from, 2, base, at);
        }
        let part = self.temporary(false);
        if rest.is_power_of_two() {
            self.take_four(part, from, half);
            self.store_whole(part, base, at, rest);
        } else {
            let [to, from] = [part, from].map(|register| Length::Zmm.register(register).into());
            self.out.push(ROTATE_512.code(self.level), &[to, from, from, Operand::Byte(rest as u8)]);
            self.store_whole(part, base, first + rest as i64 * LANE, half);
        }
    }

    /// Four lanes from a multiple of four on become the first ones of another register.
    fn take_four(&mut self, to: u8, from: u8, start: usize) {
        let op = if self.length == Length::Ymm { EXTRACT_128_OF_256 } else { EXTRACT_128_OF_512 };
        let number = Operand::Byte(start as u8 / 4);
        self.out.push(op.code(self.level), &[Length::Xmm.register(to).into(), self.name(from).into(), number]);
    }

    /// Stores the first 1, 2, 4, 8 or 16 lanes.
    fn store_whole(&mut self, from: u8, base: Register, at: i64, active: usize) {
        let memory = self.near(base, at);
        let code = match active {
            1 => STORE_ONE.code(self.level),
            2 => STORE_TWO.code(self.level),
            _ => STORE.code(self.level, Length::of(active)),
        };
        self.out.push(code, &[memory.into(), Length::of(active).register(from).into()]);
    }

    /// Stores one of the first four lanes.
    fn store_lane(&mut self, from: u8, lane: usize, base: Register, at: i64) {
        if lane == 0 {
            return self.store_whole(from, base, at, 1);
        }
        let memory = self.near(base, at);
        let operands = [memory.into(), Length::Xmm.register(from).into(), Operand::Byte(lane as u8)];
        self.out.push(EXTRACT_LANE.code(self.level), &operands);
    }
}
