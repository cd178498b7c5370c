//! The frame of a function and its loops: over the tasks, and those of the kernel. It knows no operation.

use iced_x86::{Code, Register};

use super::assembly::{Base as Place, Frame, Memory, Operand};
use super::instructions::{LOAD, Length, STORE};
use super::pointers::{FIRST, Location, ROW, SECOND, argument};
use super::values::Id;
use super::{Body, Convention};
use crate::emit::addresses::{self, Base, PlaceId};
use crate::kernel::{Carried, Loop, Value, Variable};

/// Registers of a class that a loop's body has at least for what it does not carry.
const SPARE: [usize; 2] = [4, 2];

impl Convention {
    /// The registers of the three arguments.
    fn arguments(self) -> [Register; 3] {
        match self {
            Convention::SystemV => [Register::RDI, Register::RSI, Register::RDX],
            Convention::Windows => [Register::RCX, Register::RDX, Register::R8],
        }
    }

    /// Whether the caller finds a general register as it was.
    fn keeps(self, register: Register) -> bool {
        use Register::{R12, R13, R14, R15, RBP, RBX, RDI, RSI};
        let windows = self == Convention::Windows && matches!(register, RSI | RDI);
        windows || matches!(register, RBX | RBP | R12 | R13 | R14 | R15)
    }

    /// The vector registers whose first 128 bits the caller finds as they were.
    fn kept_vectors(self) -> std::ops::Range<u8> {
        match self {
            Convention::SystemV => 0..0,
            Convention::Windows => 6..16,
        }
    }
}

/// The smallest guard that stands behind a stack, in bytes.
const PAGE: i32 = 4096;

impl<'a> Body<'a> {
    /// The whole function: a loop over the tasks around the kernel's body.
    pub(super) fn emit(mut self, listing: Option<&mut String>) -> Result<Vec<u8>, String> {
        let (task, done) = (self.out.label(), self.out.label());
        let roots: Vec<(PlaceId, addresses::Place)> =
            (0..).map(PlaceId).zip(self.addresses.places().iter().copied()).collect();
        for (id, place) in roots {
            let addresses::Place::Root(base) = place else { continue };
            let to = self.pointers.place(id);
            let to_register = if let Location::Register(register) = to { register } else { FIRST };
            match base {
                Base::Buffer(buffer) => {
                    let table = self.general(self.pointers.arguments, SECOND);
                    let from = Memory::new(Place::Register(table), argument(buffer));
                    self.out.push(Code::Mov_r64_rm64, &[to_register.into(), from.into()]);
                }
                Base::Zero => self.out.push(Code::Xor_r32_rm32, &[half(to_register), half(to_register)]),
            }
            self.keep(to_register, to);
        }
        self.out.head(task);
        self.coordinates();
        let kernel = self.kernel;
        self.block(&kernel.body);
        let (number, end) = (self.pointers.task, self.pointers.end);
        self.out.push(Code::Add_rm64_imm8, &[self.located(number), Operand::Sign(1)]);
        let number = self.general(number, FIRST);
        self.out.push(Code::Cmp_r64_rm64, &[number.into(), self.located(end)]);
        self.out.branch(Code::Jb_rel32_64, task);

        let kept: Vec<Register> =
            self.pointers.used().iter().copied().filter(|&register| self.convention.keeps(register)).collect();
        let vectors: Vec<u8> =
            self.convention.kept_vectors().filter(|&register| self.registers.was_used(register)).collect();
        // The frame: vectors that the caller wants back, spilled values, the caller's stack pointer, scalars.
        let homes = 16 * vectors.len().next_multiple_of(4) as i32;
        let scalars = homes + self.registers.homes.arrange(self.length.bytes()) as i32 + 8;
        let frame = Frame { scalars, homes };
        let bytes = (scalars + 8 * self.pointers.scalars as i32 + 63) / 64 * 64;
        let old = || Memory::new(Place::Register(Register::RSP), scalars - 8);
        let vector = |number: usize| Memory::new(Place::Register(Register::RSP), 16 * number as i32);
        for (number, &register) in vectors.iter().enumerate() {
            let code = LOAD.code(self.level, Length::Xmm);
            self.out.push(code, &[Length::Xmm.register(register).into(), vector(number).into()]);
        }
        self.release_tiles();
        self.out.push(Code::VEX_Vzeroupper, &[]);
        self.out.push(Code::Mov_r64_rm64, &[Register::RSP.into(), old().into()]);
        self.out.place(done);
        for &register in kept.iter().rev() {
            self.out.push(Code::Pop_r64, &[register.into()]);
        }
        self.out.push(Code::Retnq, &[]);

        let front = self.out.len();
        for &register in &kept {
            self.out.push(Code::Push_r64, &[register.into()]);
        }
        let arguments = self.convention.arguments();
        self.out.push(Code::Cmp_r64_rm64, &[arguments[1].into(), arguments[2].into()]);
        self.out.branch(Code::Jae_rel32_64, done);
        self.out.push(Code::Mov_r64_rm64, &[FIRST.into(), Register::RSP.into()]);
        // Page by page, so that a frame for which the stack has no room meets its guard and no other memory.
        for page in 1..=(bytes + 63) / PAGE {
            self.out.push(
                Code::Mov_rm64_r64,
                &[Memory::new(Place::Register(Register::RSP), -PAGE * page).into(), FIRST.into()],
            );
        }
        self.out.push(Code::Sub_rm64_imm32, &[Register::RSP.into(), Operand::Word(bytes)]);
        self.out.push(Code::And_rm64_imm8, &[Register::RSP.into(), Operand::Sign(-64)]);
        self.out.push(Code::Mov_rm64_r64, &[old().into(), FIRST.into()]);
        for (number, &register) in vectors.iter().enumerate() {
            let code = STORE.code(self.level, Length::Xmm);
            self.out.push(code, &[vector(number).into(), Length::Xmm.register(register).into()]);
        }
        // In this order no argument's register is overwritten before it is read, by either convention.
        let held = [(FIRST, arguments[0]), (ROW, arguments[2]), (SECOND, arguments[1])];
        for (to, from) in held {
            self.out.push(Code::Mov_r64_rm64, &[to.into(), from.into()]);
        }
        let targets = [self.pointers.arguments, self.pointers.end, self.pointers.task];
        self.configure_tiles();
        for ((register, _), to) in held.into_iter().zip(targets) {
            self.keep_from(register, to);
        }
        self.out.move_to_front(front);
        self.out.encode(&self.registers.homes, frame, listing)
    }

    /// Something kept, as an operand.
    pub(super) fn located(&self, location: Location) -> Operand {
        match location {
            Location::Register(register) => register.into(),
            Location::Scalar(number) => Memory::new(Place::Scalar(number), 0).into(),
        }
    }

    /// Something kept, in a register: its own, or the given one.
    pub(super) fn general(&mut self, location: Location, otherwise: Register) -> Register {
        match location {
            Location::Register(register) => register,
            Location::Scalar(_) => {
                self.out.push(Code::Mov_r64_rm64, &[otherwise.into(), self.located(location)]);
                otherwise
            }
        }
    }

    /// Stores what was computed in a register, if it is kept in memory.
    fn keep(&mut self, register: Register, to: Location) {
        if let Location::Scalar(_) = to {
            self.out.push(Code::Mov_rm64_r64, &[self.located(to), register.into()]);
        }
    }

    /// Moves a register to where it is kept.
    fn keep_from(&mut self, register: Register, to: Location) {
        if to != Location::Register(register) {
            self.out.push(Code::Mov_rm64_r64, &[self.located(to), register.into()]);
        }
    }

    /// Computes the places that move with the grid's variables from a task's number.
    fn coordinates(&mut self) {
        let grid = &self.kernel.grid;
        let moving = (0..grid.len() as u32).map(|dimension| self.addresses.moving(Variable(dimension)).to_vec());
        let moving: Vec<Vec<PlaceId>> = moving.collect();
        if moving.iter().all(Vec::is_empty) {
            return;
        }
        // What is left of the number is in the first register, a coordinate in the second.
        self.out.push(Code::Mov_r64_rm64, &[FIRST.into(), self.located(self.pointers.task)]);
        let coordinate = |dimension: usize| Memory::new(Place::Scalar(dimension as u32), 0);
        for (dimension, &extent) in grid.iter().enumerate().rev() {
            if dimension == 0 {
                self.out.push(Code::Mov_rm64_r64, &[coordinate(0).into(), FIRST.into()]);
                break;
            }
            self.out.push(Code::Xor_r32_rm32, &[half(SECOND), half(SECOND)]);
            if extent > 1 {
                self.out.push(Code::Mov_r64_imm64, &[ROW.into(), Operand::Wide(extent as i64)]);
                self.out.push(Code::Div_rm64, &[ROW.into()]);
            }
            self.out.push(Code::Mov_rm64_r64, &[coordinate(dimension).into(), SECOND.into()]);
        }
        for (dimension, places) in moving.into_iter().enumerate() {
            for id in places {
                self.out.push(Code::Mov_r64_rm64, &[FIRST.into(), coordinate(dimension).into()]);
                let (outer, stride) = self.step(id);
                self.times(FIRST, stride);
                self.out.push(Code::Add_r64_rm64, &[FIRST.into(), self.located(outer)]);
                self.keep_from(FIRST, self.pointers.place(id));
            }
        }
    }

    /// Multiplies a register by a constant.
    pub(super) fn times(&mut self, register: Register, factor: i64) {
        match i32::try_from(factor) {
            Ok(factor) => {
                self.out.push(Code::Imul_r64_rm64_imm32, &[register.into(), register.into(), Operand::Word(factor)])
            }
            Err(_) => {
                self.out.push(Code::Mov_r64_imm64, &[SECOND.into(), Operand::Wide(factor)]);
                self.out.push(Code::Imul_r64_rm64, &[register.into(), SECOND.into()]);
            }
        }
    }

    /// Where a moving place starts, and its stride.
    fn step(&self, id: PlaceId) -> (Location, i64) {
        match self.addresses.places()[id.0 as usize] {
            addresses::Place::Step { outer, stride, .. } => (self.pointers.place(outer), stride),
            addresses::Place::Root(_) => unreachable!("roots do not move"),
        }
    }

    /// The places that move with a loop are at its first iteration.
    fn begin(&mut self, variable: Variable) {
        for id in self.addresses.moving(variable).to_vec() {
            let (outer, _) = self.step(id);
            let to = self.pointers.place(id);
            match to {
                Location::Register(register) => {
                    self.out.push(Code::Mov_r64_rm64, &[register.into(), self.located(outer)]);
                }
                Location::Scalar(_) => {
                    let register = self.general(outer, FIRST);
                    self.keep_from(register, to);
                }
            }
        }
    }

    /// A loop of one iteration: its values are those around it.
    pub(super) fn once(&mut self, l: &'a Loop) {
        self.row = None;
        self.begin(l.variable);
        self.block(&l.body);
        self.position += 1;
        self.row = None;
    }

    /// A loop of several iterations, or a guarded one.
    pub(super) fn repeat(&mut self, l: &'a Loop) {
        self.row = None;
        let facts = self.values.facts(l.variable).clone();
        if let Some(guard) = l.guard {
            // The moves that follow leave the flags alone.
            self.test_any(guard);
        }
        let carried: Vec<[Id; 4]> = l.carried.iter().map(|carried| self.ids(carried)).collect();
        let carried: Vec<(Option<u8>, [Id; 4])> = self.carry(carried);
        if let Some(guard) = l.guard {
            self.release(self.values.id(guard));
        }
        let (head, end) = (self.out.label(), self.out.label());
        let count = l.guard.is_none().then(|| self.pointers.count(l.variable));
        if count.is_some() {
            self.fill(&facts.outside, facts.pressure, facts.end);
        }
        self.begin(l.variable);
        if let Some(count) = count {
            match (count, i32::try_from(l.extent)) {
                (Location::Register(register), Ok(extent)) => {
                    self.out.push(Code::Mov_r32_imm32, &[half(register), Operand::Half(extent)]);
                }
                _ => {
                    self.out.push(Code::Mov_r64_imm64, &[FIRST.into(), Operand::Wide(l.extent as i64)]);
                    self.keep_from(FIRST, count);
                }
            }
        }
        match l.guard {
            Some(_) => self.out.branch(Code::Je_rel32_64, end),
            None => self.out.head(head),
        }
        let place = |body: &Self, id: Id| (id, body.registers.of(id));
        let found: Vec<(Id, Option<u8>)> = self.registers.all_held().into_iter().map(|id| place(self, id)).collect();
        for &(register, [_, current, ..]) in &carried {
            if let Some(register) = register {
                self.out.defined(current, register);
            }
        }
        self.registers.open();
        // A carried value that no iteration looks at leaves its register to others until the iteration ends.
        for &(_, [_, current, ..]) in &carried {
            self.release(current);
        }
        self.block(&l.body);

        self.position += 1;
        self.row = None;
        self.hand_on(&carried);
        for id in self.addresses.moving(l.variable).to_vec() {
            let (_, stride) = self.step(id);
            let place = self.located(self.pointers.place(id));
            match (i8::try_from(stride), i32::try_from(stride)) {
                (Ok(stride), _) => self.out.push(Code::Add_rm64_imm8, &[place, Operand::Sign(stride)]),
                (_, Ok(stride)) => self.out.push(Code::Add_rm64_imm32, &[place, Operand::Word(stride)]),
                _ => {
                    self.out.push(Code::Mov_r64_imm64, &[FIRST.into(), Operand::Wide(stride)]);
                    self.out.push(Code::Add_rm64_r64, &[place, FIRST.into()]);
                }
            }
        }
        if let Some(count) = count {
            self.out.push(Code::Sub_rm64_imm8, &[self.located(count), Operand::Sign(1)]);
            self.out.branch(Code::Jne_rel32_64, head);
        } else {
            // What the iteration has brought to a register is not there where it was left out.
            for id in self.registers.all_held() {
                let (_, Some(register)) = place(self, id) else { continue };
                if self.dies(id) {
                    self.registers.free(register);
                } else if !found.contains(&(id, Some(register))) {
                    self.registers.leave(register, &self.values);
                } else {
                    self.registers.rely(register);
                }
            }
            self.out.place(end);
        }
        for (register, [_, current, _, result]) in carried {
            match register {
                Some(register) => {
                    self.registers.free(register);
                    self.registers.put(register, result);
                    self.out.defined(result, register);
                }
                None => {
                    let life = self.values.life(result);
                    self.registers.homes.hand_on(current, result, life);
                }
            }
        }
        for id in self.registers.all_held() {
            self.release(id);
        }
    }

    /// Sets the flags of equality where no lane of a mask holds.
    fn test_any(&mut self, guard: Value) {
        let id = self.values.id(guard);
        let register = self.register(id);
        let name = self.name(register);
        let code = match (name.is_k(), self.length) {
            (true, _) => Code::VEX_Kmovw_r32_kr,
            (false, Length::Ymm) => Code::VEX_Vmovmskps_r32_ymm,
            (false, Length::Xmm | Length::Zmm) => Code::VEX_Vmovmskps_r32_xmm,
        };
        self.out.push(code, &[half(FIRST), name.into()]);
        let lanes = (1 << self.kernel.lanes) - 1;
        self.out.push(Code::Test_rm32_imm32, &[half(FIRST), Operand::Half(lanes)]);
        self.registers.unpin();
    }

    /// Initial, current, next value and result.
    fn ids(&self, carried: &Carried) -> [Id; 4] {
        [carried.initial, carried.current, carried.next, carried.result].map(|value| self.values.id(value))
    }

    /// Brings the initial values of a loop to where its iterations find the current ones: registers, which are pinned, or the
    /// stack frame.
    fn carry(&mut self, carried: Vec<[Id; 4]>) -> Vec<(Option<u8>, [Id; 4])> {
        let mut room = [false, true].map(|mask| {
            let class = self.registers.class(mask).len();
            class.saturating_sub(SPARE[mask as usize])
        });
        let mut order: Vec<usize> = (0..carried.len()).collect();
        order.sort_by_key(|&number| self.values.next_use(carried[number][1], self.position).unwrap_or(u32::MAX));
        let mut registers = vec![None; carried.len()];
        // Those in the stack frame first: this needs no register for long.
        let split: Vec<(usize, bool)> = order
            .into_iter()
            .map(|number| {
                let room = &mut room[self.values.is_mask(carried[number][1]) as usize];
                let fits = *room > 0;
                *room -= fits as usize;
                (number, fits)
            })
            .collect();
        for &(number, _) in split.iter().filter(|(_, fits)| !fits) {
            let [initial, current, ..] = carried[number];
            let from = self.register(initial);
            let home = self.registers.homes.give(current, self.values.life(current));
            self.store_home(from, home);
            self.registers.unpin();
        }
        // A value that is used for the last time, and begins one carried value only, stays in its register.
        let (staying, copied): (Vec<usize>, Vec<usize>) =
            split.iter().filter(|(_, fits)| *fits).map(|&(number, _)| number).partition(|&number| {
                let [initial, current, ..] = carried[number];
                let alone = carried.iter().filter(|other| other[0] == initial).count() == 1;
                let same = self.values.is_mask(initial) == self.values.is_mask(current);
                alone && same && self.dies(initial) && self.registers.of(initial).is_some()
            });
        for number in staying.iter().chain(&copied).copied() {
            let [initial, current, next, _] = carried[number];
            let register = match self.registers.of(initial).filter(|_| staying.contains(&number)) {
                Some(register) => {
                    self.registers.free(register);
                    register
                }
                None => {
                    let register = self.temporary(self.values.is_mask(current));
                    self.bring(initial, register);
                    register
                }
            };
            self.result(current, register);
            self.registers.set_hint(next, register);
            registers[number] = Some(register);
        }
        for &[initial, ..] in &carried {
            self.release(initial);
        }
        registers.into_iter().zip(carried).collect()
    }

    /// Brings values that a loop uses to registers, as long as the body keeps as many as it needs.
    fn fill(&mut self, wanted: &[Id], pressure: [usize; 2], end: u32) {
        for &id in wanted {
            let mask = self.values.is_mask(id);
            let class = self.registers.class(mask);
            let inside = pressure[mask as usize].max(1) + 1;
            let kept = wanted.iter().filter(|&&id| self.values.is_mask(id) == mask && self.registers.of(id).is_some());
            if self.registers.of(id).is_some() || kept.count() + inside >= class.len() {
                continue;
            }
            if self.registers.vacant(mask, None).is_none() {
                let victim = self.registers.victim(mask, &mut self.values, self.position);
                let next = victim.map(|(_, held)| self.values.next_use(held, self.position));
                if next.is_none_or(|next| next.is_some_and(|next| next <= end)) {
                    continue;
                }
            }
            self.register(id);
        }
        self.registers.unpin();
    }

    /// The end of an iteration: every register and place holds again what the next iteration finds there.
    fn hand_on(&mut self, carried: &[(Option<u8>, [Id; 4])]) {
        let in_frame: Vec<[Id; 4]> = carried.iter().filter(|(register, _)| register.is_none()).map(|c| c.1).collect();
        // A place must not be overwritten while it is the only one of a value that something else takes over.
        let taken = |body: &Self, next: Id, own: Id| {
            next != own && body.registers.of(next).is_none() && in_frame.iter().any(|&[_, current, ..]| current == next)
        };
        let apart = carried.iter().any(|&(_, [_, current, next, _])| taken(self, next, current));
        let mut places = Vec::new();
        for &[_, current, next, _] in in_frame.iter().filter(|[_, current, next, _]| current != next) {
            let home = self.registers.homes.of(current).expect("given where the loop begins");
            let to = if apart { self.registers.homes.nameless((self.position, self.position)) } else { home };
            let from = self.register(next);
            self.store_home(from, to);
            self.registers.unpin();
            places.push((to, home));
        }
        self.restore(carried);
        if apart {
            for (from, to) in places {
                for offset in (0..self.length.bytes() as i32).step_by(8) {
                    let at = |home| Memory::new(Place::Home(home), offset).into();
                    self.out.push(Code::Mov_r64_rm64, &[FIRST.into(), at(from)]);
                    self.out.push(Code::Mov_rm64_r64, &[at(to), FIRST.into()]);
                }
            }
        }
    }

    /// Brings every value that the iterations rely on to its register.
    fn restore(&mut self, carried: &[(Option<u8>, [Id; 4])]) {
        let relied = self.registers.close();
        let handed: Vec<(u8, [Id; 4])> = carried.iter().filter_map(|&(register, ids)| Some((register?, ids))).collect();
        let is_handed = |register: u8| handed.iter().any(|&(to, _)| to == register);
        // For each register: what it holds at the head, and what is to be there now.
        let mut wanted: Vec<(u8, Id, Id)> = handed.iter().map(|&(to, [_, head, next, _])| (to, head, next)).collect();
        wanted.extend(relied.iter().filter(|(to, _)| !is_handed(*to)).map(|&(to, id)| (to, id, id)));
        let mut moves: Vec<(u8, u8)> = Vec::new();
        let mut loads: Vec<(u8, Id)> = Vec::new();
        for &(to, head, now) in &wanted {
            if let Some(from) = self.registers.of(now).filter(|_| head != now) {
                self.registers.touch(from);
            }
            match self.registers.of(now) {
                Some(from) if from == to => (),
                Some(from) => moves.push((to, from)),
                None => loads.push((to, now)),
            }
        }
        // What stands in the way and lives on leaves, unless it comes back to a place of its own.
        for &(to, head, _) in &wanted {
            let Some(held) = self.registers.held(to) else { continue };
            let back = wanted.iter().any(|&(_, head, now)| head == held && now == held);
            if held != head && !back && !self.dies(held) {
                self.registers.leave(to, &self.values);
            }
        }
        while !moves.is_empty() {
            let free = moves.iter().position(|&(to, _)| moves.iter().all(|&(_, from)| from != to));
            match free {
                Some(number) => {
                    let (to, from) = moves.swap_remove(number);
                    self.copy(from, to);
                }
                None => {
                    // Only cycles are left.
                    let (to, from) = moves.swap_remove(0);
                    self.exchange(to, from);
                    for (_, other) in &mut moves {
                        *other = if *other == to { from } else { *other };
                    }
                    moves.retain(|(to, from)| to != from);
                }
            }
        }
        for (to, id) in loads {
            self.bring(id, to);
        }
        for &(to, ..) in &wanted {
            self.registers.free(to);
        }
        for &(to, head, _) in &wanted {
            if let Some(other) = self.registers.of(head) {
                self.registers.free(other);
            }
            self.registers.put(to, head);
        }
    }

    /// Stores a register to a place of the stack frame.
    fn store_home(&mut self, from: u8, home: u32) {
        let to = Memory::new(Place::Home(home), 0).into();
        let code = if self.name(from).is_k() { Code::VEX_Kmovw_m16_kr } else { STORE.code(self.level, self.length) };
        self.out.push(code, &[to, self.name(from).into()]);
    }
}

/// The lower 32 bits of a general register.
pub(super) fn half(register: Register) -> Operand {
    (Register::EAX + (register as u32 - Register::RAX as u32)).into()
}
