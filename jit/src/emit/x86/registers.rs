//! Which value is in which vector or mask register, which loops rely on that, and which values have a place in the
//! stack frame. It decides which value leaves when a register is needed; it emits nothing.

use super::Level;
use super::values::{Id, Values};

/// The number of the first mask register; those before are vectors.
pub const MASKS: u8 = 32;
/// The number of registers, the unused ones included.
const COUNT: usize = 40;

/// What a loop relies on: the values in registers where its iterations begin.
#[derive(Debug)]
pub struct Header {
    /// By register.
    pub held: [Option<Id>; COUNT],
    /// Whether the value was used there before it left. If it was not, the iterations do not rely on it.
    fates: [Fate; COUNT],
    stamp: u32,
}

/// What became of a value that a loop began with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Stays,
    LeftAfterUse,
    LeftUnused,
}

/// The state of all registers.
#[derive(Debug)]
pub struct Registers {
    level: Level,
    holds: [Option<Id>; COUNT],
    places: Vec<Option<u8>>,
    touched: Vec<u32>,
    stamp: u32,
    /// A bit for each register: set exactly where `holds` has a value.
    full: u64,
    /// A bit for each register that stays as it is.
    pinned: u64,
    headers: Vec<Header>,
    /// Where a value would best come into being.
    hints: Vec<Option<u8>>,
    /// Every register that has ever held something.
    used: u64,
    /// The places in the stack frame.
    pub homes: Homes,
}

impl Registers {
    /// All are free.
    pub fn new(level: Level, values: usize) -> Registers {
        Registers {
            level,
            holds: [None; COUNT],
            places: vec![None; values],
            touched: vec![0; values],
            stamp: 0,
            full: 0,
            pinned: 0,
            headers: Vec::new(),
            hints: vec![None; values],
            used: 0,
            homes: Homes { numbers: vec![None; values], lives: Vec::new(), offsets: Vec::new() },
        }
    }

    /// The registers of a class, vectors or masks. Mask register 0 means "no mask".
    pub fn class(&self, mask: bool) -> std::ops::Range<u8> {
        match (mask, self.level) {
            (true, Level::Avx2) => MASKS..MASKS,
            (true, Level::Avx512) => MASKS + 1..MASKS + 8,
            (false, Level::Avx2) => 0..16,
            (false, Level::Avx512) => 0..32,
        }
    }

    /// The register that holds a value.
    // Asked for several times for each instruction, and in debug builds a call otherwise.
    #[inline(always)]
    pub fn of(&self, id: Id) -> Option<u8> {
        self.places[id.0 as usize]
    }

    /// The value in a register.
    // Asked for several times for each instruction, and in debug builds a call otherwise.
    #[inline(always)]
    pub fn held(&self, register: u8) -> Option<Id> {
        self.holds[register as usize]
    }

    /// The values in registers.
    pub fn all_held(&self) -> Vec<Id> {
        let mut all = Vec::new();
        let mut register = 0;
        while register < COUNT {
            if let Some(id) = self.holds[register] {
                all.push(id);
            }
            register += 1;
        }
        all
    }

    /// The register of a value is read.
    pub fn touch(&mut self, register: u8) {
        self.stamp += 1;
        if let Some(id) = self.held(register) {
            self.touched[id.0 as usize] = self.stamp;
        }
    }

    /// A register stays as it is until [`Registers::unpin`].
    pub fn pin(&mut self, register: u8) {
        self.pinned |= 1 << register;
    }

    /// All registers may change again.
    pub fn unpin(&mut self) {
        self.pinned = 0;
    }

    /// Whether a register must stay as it is.
    pub fn is_pinned(&self, register: u8) -> bool {
        self.pinned >> register & 1 == 1
    }

    /// A value is in a register from now on.
    pub fn put(&mut self, register: u8, id: Id) {
        debug_assert!(self.held(register).is_none() && self.of(id).is_none() && self.full >> register & 1 == 0);
        self.holds[register as usize] = Some(id);
        self.places[id.0 as usize] = Some(register);
        self.full |= 1 << register;
        self.used |= 1 << register;
    }

    /// A register is free from now on. Says what it held.
    pub fn free(&mut self, register: u8) -> Option<Id> {
        debug_assert_eq!(self.full >> register & 1 == 1, self.held(register).is_some());
        let id = self.holds[register as usize].take()?;
        self.places[id.0 as usize] = None;
        self.full &= !(1 << register);
        Some(id)
    }

    /// A register that is free, the wished one if it is.
    pub fn vacant(&self, mask: bool, wish: Option<u8>) -> Option<u8> {
        let free = !(self.full | self.pinned);
        if let Some(wish) = wish
            && free >> wish & 1 == 1
        {
            return Some(wish);
        }
        let class = self.class(mask);
        let free = free & ((1 << class.end) - (1 << class.start));
        if free == 0 { None } else { Some(free.trailing_zeros() as u8) }
    }

    /// The register whose value is used again last, and the value. Values that cost no store when they leave do so a
    /// little earlier. `None` if all registers are pinned.
    pub fn victim(&mut self, mask: bool, values: &mut Values, position: u32) -> Option<(u8, Id)> {
        let mut farthest: Option<(u32, u8, Id)> = None;
        for register in self.class(mask) {
            let Some(id) = self.held(register).filter(|_| !self.is_pinned(register)) else { continue };
            let distance = values.next_use(id, position).map_or(u32::MAX, |next| next - position);
            let stored = values.known(id).is_some() || self.homes.of(id).is_some();
            let distance = if stored { distance.saturating_add(distance / 2) } else { distance };
            // Of equals the last register.
            if farthest.is_none_or(|(most, ..)| distance >= most) {
                farthest = Some((distance, register, id));
            }
        }
        farthest.map(|(_, register, id)| (register, id))
    }

    /// The value in a register leaves it; the open loops take note.
    pub fn leave(&mut self, register: u8, values: &Values) -> Option<Id> {
        let id = self.free(register)?;
        for header in &mut self.headers {
            let fate = &mut header.fates[register as usize];
            if header.held[register as usize] == Some(id) && *fate == Fate::Stays {
                let used = self.touched[id.0 as usize] > header.stamp;
                *fate = if used { Fate::LeftAfterUse } else { Fate::LeftUnused };
            }
        }
        if values.known(id).is_none() {
            self.homes.give(id, values.life(id));
        }
        Some(id)
    }

    /// A register is read as it was before what may have been left out, whatever happened to it there.
    pub fn rely(&mut self, register: u8) {
        for header in &mut self.headers {
            let fate = &mut header.fates[register as usize];
            if header.held[register as usize] == self.holds[register as usize] && *fate == Fate::LeftUnused {
                *fate = Fate::LeftAfterUse;
            }
        }
    }

    /// A loop begins: its iterations find the registers as they are now.
    pub fn open(&mut self) {
        self.headers.push(Header { held: self.holds, fates: [Fate::Stays; COUNT], stamp: self.stamp });
    }

    /// The innermost open loop ends. What its iterations rely on: registers with their values.
    pub fn close(&mut self) -> Vec<(u8, Id)> {
        let header = self.headers.pop().expect("a loop is open");
        let mut relied = Vec::new();
        let mut register = 0;
        while register < COUNT {
            if let Some(id) = header.held[register]
                && header.fates[register] != Fate::LeftUnused
            {
                relied.push((register as u8, id));
            }
            register += 1;
        }
        relied
    }

    /// Where a value would best come into being.
    pub fn hint(&self, id: Id) -> Option<u8> {
        self.hints[id.0 as usize]
    }

    /// A value would best come into being in a register.
    pub fn set_hint(&mut self, id: Id, register: u8) {
        self.hints[id.0 as usize] = Some(register);
    }

    /// Whether a register has ever held something.
    pub fn was_used(&self, register: u8) -> bool {
        self.used >> register & 1 == 1
    }

    /// A register is written without holding a value.
    pub fn use_briefly(&mut self, register: u8) {
        self.used |= 1 << register;
    }
}

/// The places of spilled values in the stack frame. A value is stored once, where it comes into being.
#[derive(Debug)]
pub struct Homes {
    numbers: Vec<Option<u32>>,
    lives: Vec<(u32, u32)>,
    offsets: Vec<i32>,
}

impl Homes {
    /// The place of a value.
    pub fn of(&self, id: Id) -> Option<u32> {
        self.numbers[id.0 as usize]
    }

    /// Gives a value a place for its life, if it has none.
    pub fn give(&mut self, id: Id, life: (u32, u32)) -> u32 {
        *self.numbers[id.0 as usize].get_or_insert_with(|| {
            self.lives.push(life);
            self.lives.len() as u32 - 1
        })
    }

    /// A place for some positions that belongs to no value.
    pub fn nameless(&mut self, life: (u32, u32)) -> u32 {
        self.lives.push(life);
        self.lives.len() as u32 - 1
    }

    /// Two values share a place: the second one follows the first.
    pub fn hand_on(&mut self, from: Id, to: Id, life: (u32, u32)) {
        let home = self.numbers[from.0 as usize];
        self.numbers[to.0 as usize] = home;
        if let Some(home) = home {
            let whole = &mut self.lives[home as usize];
            whole.1 = whole.1.max(life.1);
        }
    }

    /// Chooses the offsets: places whose lives do not touch may be one. Gives the number of bytes in all.
    pub fn arrange(&mut self, bytes: usize) -> usize {
        let mut order: Vec<usize> = (0..self.lives.len()).collect();
        order.sort_by_key(|&home| self.lives[home].0);
        let mut ends: Vec<u32> = Vec::new();
        self.offsets = vec![0; self.lives.len()];
        for home in order {
            let (start, end) = self.lives[home];
            let place = ends.iter().position(|&taken| taken < start).unwrap_or(ends.len());
            match ends.get_mut(place) {
                Some(taken) => *taken = end,
                None => ends.push(end),
            }
            self.offsets[home] = (place * bytes) as i32;
        }
        ends.len() * bytes
    }

    /// The offset of a place, once [`Homes::arrange`] has run.
    pub fn offset(&self, home: u32) -> i32 {
        self.offsets[home as usize]
    }
}
