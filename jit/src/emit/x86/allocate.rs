//! Brings values to where an instruction wants them: into registers, or as operands in memory. It emits loads, stores
//! and moves, and knows no operation.

use iced_x86::{Code, Register};

use super::assembly::{Base, Memory, Operand};
use super::instructions::{BROADCAST, LOAD, MOVE, XOR};
use super::registers::MASKS;
use super::values::Constant;
use super::values::Id;
use super::{Body, Deferred, Level};
use crate::kernel::Index;

impl<'a> Body<'a> {
    /// The name of a register at the kernel's length.
    pub(super) fn name(&self, register: u8) -> Register {
        match register.checked_sub(MASKS) {
            Some(mask) => Register::K0 + mask as u32,
            None => self.length.register(register),
        }
    }

    /// A value in a register, which stays there for this statement.
    pub(super) fn register(&mut self, id: Id) -> u8 {
        if let Some(register) = self.registers.of(id) {
            self.registers.touch(register);
            self.registers.pin(register);
            return register;
        }
        let register = self.vacate(self.values.is_mask(id), self.registers.hint(id));
        self.bring(id, register);
        self.registers.put(register, id);
        if self.take_deferred(id).is_some() {
            self.out.defined(id, register);
        }
        self.registers.touch(register);
        self.registers.pin(register);
        register
    }

    /// Those operands of this statement that are in registers stay there: none makes room for another one.
    pub(super) fn hold(&mut self, operands: &[Id]) {
        for &id in operands {
            if let Some(register) = self.registers.of(id) {
                self.registers.pin(register);
            }
        }
    }

    /// A value as an operand that may lie in memory.
    pub(super) fn operand(&mut self, id: Id) -> Operand {
        if let Some(deferred) = self.take_deferred(id) {
            let memory = self.memory(deferred.buffer, deferred.index);
            return Memory { broadcast: deferred.splat, ..memory }.into();
        }
        let again = self.values.next_use(id, self.position).is_some();
        let room = || self.registers.vacant(self.values.is_mask(id), None).is_some();
        if self.registers.of(id).is_some() || self.values.is_mask(id) || again && room() {
            let register = self.register(id);
            return self.name(register).into();
        }
        self.in_memory(id).into()
    }

    /// The load of a value, if it was left to this statement, which has it now. Constants are no loads.
    pub(super) fn take_deferred(&mut self, id: Id) -> Option<Deferred<'a>> {
        self.deferred.get_mut(id.0 as usize)?.take()
    }

    /// Whether a value is an operand in memory, unless a register is free for it.
    pub(super) fn is_in_memory(&self, id: Id) -> bool {
        self.registers.of(id).is_none()
    }

    /// Where a value lies that is in no register.
    fn in_memory(&mut self, id: Id) -> Memory {
        match self.values.known(id) {
            None => {
                let home = self
                    .registers
                    .homes
                    .of(id)
                    .unwrap_or_else(|| panic!("{id:?} at {} has not been stored", self.position));
                Memory::new(Base::Home(home), 0)
            }
            Some(Constant::Uniform(bits)) if self.level == Level::Avx512 => {
                let base = self.out.constant(bits.to_le_bytes().to_vec());
                Memory { broadcast: true, ..Memory::new(base, 0) }
            }
            Some(constant) => {
                let lanes = self.length.bytes() as u32 / 4;
                let lane = |lane: u32| match constant {
                    Constant::Uniform(bits) => bits,
                    Constant::Lanes => lane,
                    Constant::Active(active) => {
                        if (lane as usize) < active {
                            u32::MAX
                        } else {
                            0
                        }
                    }
                };
                let bytes = (0..lanes).flat_map(|number| lane(number).to_le_bytes()).collect();
                Memory::new(self.out.constant(bytes), 0)
            }
        }
    }

    /// Writes a value that is in no register, or a copy of one that is, to a register. The state does not change.
    pub(super) fn bring(&mut self, id: Id, to: u8) {
        let name = self.name(to);
        self.registers.use_briefly(to);
        if let Some(from) = self.registers.of(id) {
            self.registers.touch(from);
            return self.copy(from, to);
        }
        if let Some(&Some(deferred)) = self.deferred.get(id.0 as usize) {
            let memory = self.memory(deferred.buffer, deferred.index);
            let op = if deferred.splat { BROADCAST } else { LOAD };
            return self.out.push(op.code(self.level, self.length), &[name.into(), memory.into()]);
        }
        match self.values.known(id) {
            Some(Constant::Active(active)) if self.level == Level::Avx512 => {
                let base = self.out.constant(((1u32 << active) - 1).to_le_bytes()[..2].to_vec());
                self.out.push(Code::VEX_Kmovw_kr_km16, &[name.into(), Memory::new(base, 0).into()]);
            }
            Some(Constant::Uniform(0)) => {
                self.out.push(XOR.code(self.level, self.length), &[name.into(), name.into(), name.into()]);
            }
            Some(Constant::Uniform(_)) => {
                let memory = Memory { broadcast: false, ..self.in_memory(id) };
                self.out.push(BROADCAST.code(self.level, self.length), &[name.into(), memory.into()]);
            }
            Some(Constant::Lanes | Constant::Active(_)) => {
                let memory = self.in_memory(id);
                self.out.push(LOAD.code(self.level, self.length), &[name.into(), memory.into()]);
            }
            None => {
                let memory = self.in_memory(id);
                let code = if to >= MASKS { Code::VEX_Kmovw_kr_km16 } else { LOAD.code(self.level, self.length) };
                self.out.push(code, &[name.into(), memory.into()]);
            }
        }
    }

    /// A copy of a whole register.
    pub(super) fn copy(&mut self, from: u8, to: u8) {
        let code = if to >= MASKS { Code::VEX_Kmovw_kr_km16 } else { MOVE.code(self.level, self.length) };
        self.out.push(code, &[self.name(to).into(), self.name(from).into()]);
    }

    /// Exchanges two registers of one class.
    pub(super) fn exchange(&mut self, a: u8, b: u8) {
        let code = if a >= MASKS { Code::VEX_Kxorw_kr_kr_kr } else { XOR.code(self.level, self.length) };
        let (a, b): (Operand, Operand) = (self.name(a).into(), self.name(b).into());
        for operands in [[a, a, b], [b, b, a], [a, a, b]] {
            self.out.push(code, &operands);
        }
    }

    /// A register that holds nothing, the wished one if it can be had for nothing.
    fn vacate(&mut self, mask: bool, wish: Option<u8>) -> u8 {
        if let Some(register) = self.registers.vacant(mask, wish) {
            return register;
        }
        let victim = self.registers.victim(mask, &mut self.values, self.position);
        let (register, _) = victim.expect("a statement needs fewer registers than there are");
        self.registers.leave(register, &self.values);
        register
    }

    /// A register for this statement.
    pub(super) fn temporary(&mut self, mask: bool) -> u8 {
        let register = self.vacate(mask, None);
        self.registers.pin(register);
        self.registers.use_briefly(register);
        register
    }

    /// Frees the register of a value that is not used again.
    pub(super) fn release(&mut self, id: Id) {
        if let Some(register) = self.registers.of(id)
            && self.values.next_use(id, self.position).is_none()
        {
            self.registers.free(register);
        }
    }

    /// Whether this statement is the last one that uses a value.
    pub(super) fn dies(&mut self, id: Id) -> bool {
        self.values.next_use(id, self.position).is_none()
    }

    /// A register for the result of one instruction: best that of an operand that dies.
    pub(super) fn target(&mut self, id: Id, operands: &[Id]) -> u8 {
        let mask = self.values.is_mask(id);
        let wish = self.registers.hint(id);
        let mut free = None;
        for &operand in operands {
            if self.dies(operand)
                && self.values.is_mask(operand) == mask
                && let Some(register) = self.registers.of(operand)
            {
                self.registers.free(register);
                free = if wish == Some(register) { wish } else { free.or(Some(register)) };
            }
        }
        let wished = wish.filter(|&wish| self.registers.vacant(mask, Some(wish)) == Some(wish));
        let register = wished.or(free).unwrap_or_else(|| self.vacate(mask, wish));
        self.result(id, register);
        register
    }

    /// A register for the result of several instructions: apart from all operands.
    pub(super) fn target_apart(&mut self, id: Id) -> u8 {
        let register = self.vacate(self.values.is_mask(id), self.registers.hint(id));
        self.result(id, register);
        register
    }

    /// A register holds the result from now on.
    pub(super) fn result(&mut self, id: Id, register: u8) {
        self.registers.put(register, id);
        self.registers.pin(register);
    }

    /// The result has been written.
    pub(super) fn defined(&mut self, id: Id) {
        let register = self.registers.of(id).expect("a result has a register");
        self.out.defined(id, register);
    }

    /// Where an index stands in memory.
    pub(super) fn memory(&mut self, buffer: crate::kernel::BufferId, index: &Index) -> Memory {
        let (base, displacement) = self.address(buffer, index);
        self.near(base, displacement)
    }
}
