//! What a kernel's values are to the emitter: which are one and the same, which are constants, where each is used, how
//! many are alive at once in a loop. It knows the kernel IR and, of the machine, which constants an operation needs. It
//! gives out no registers.

use kiln_graph::Few;
use rustc_hash::FxHashMap;

use super::Level;
use super::instructions::Length;
use crate::kernel::{
    BufferId, Compare, Convert, Element, Float1, Kernel, Loop, Operation, Statement, Value, ValueType, Variable,
};

/// A value; those from the number of the kernel's values on are constants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub u32);

/// A value that is known now, and can be had again at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Constant {
    /// The same bits in every lane.
    Uniform(u32),
    /// The number of the lane.
    Lanes,
    /// A mask of the first lanes.
    Active(usize),
}

/// The bit of the sign.
pub const SIGN: Constant = Constant::Uniform(1 << 31);
/// All bits but that of the sign.
pub const NOT_SIGN: Constant = Constant::Uniform(!(1 << 31));
/// The bits of the odd one of a pair of bf16.
pub const UPPER_HALF: Constant = Constant::Uniform(0xffff_0000);
/// All bits.
pub const ONES: Constant = Constant::Uniform(u32::MAX);
/// No bits.
pub const ZERO: Constant = Constant::Uniform(0);
/// The integer 1.
pub const ONE: Constant = Constant::Uniform(1);
/// The low 8 bits.
pub const LOW_BYTE: Constant = Constant::Uniform(0xff);
/// 2^31 as f32.
pub const TWO_31: Constant = Constant::Uniform(0x4f00_0000);

/// What is added to round up where more than half of the last bit that stays is left.
pub const BELOW_HALF: Constant = Constant::Uniform(0x7fff);
/// The bits of the exponent: none are set in 0 and below the least normal number.
pub const EXPONENT: Constant = Constant::Uniform(0x7f80_0000);
/// The bit of a NaN that is quiet.
pub const QUIET: Constant = Constant::Uniform(0x0040_0000);

/// What is known of a loop before it is emitted.
#[derive(Clone, Debug, Default)]
pub struct LoopFacts {
    /// Its first position; its last one is where the carried values are handed on.
    pub start: u32,
    /// Its last position.
    pub end: u32,
    /// Whether it is guarded.
    pub rare: bool,
    /// What comes from outside and is used inside, in order of the first use. Constants of a guarded loop are none of those around it.
    pub outside: Vec<Id>,
    /// How many values that are defined inside live at once, at most: vectors, masks.
    pub pressure: [usize; 2],
}

/// All values of a kernel. Positions count statements in textual order from 1; the end of a loop counts as one.
#[derive(Debug)]
pub struct Values {
    level: Level,
    /// Whether there is AVX512-BF16.
    bf16: bool,
    same: Vec<Id>,
    masks: Vec<bool>,
    constants: Vec<Option<Constant>>,
    ids: FxHashMap<Constant, Id>,
    uses: Vec<Few<u32, 4>>,
    passed: Vec<usize>,
    defined: Vec<u32>,
    /// The values that are defined, in order.
    order: Vec<Id>,
    /// What each statement uses, one statement's after the other's, by position.
    used: Vec<Id>,
    /// By position, where in `used` what its statement uses begins.
    begins: Vec<u32>,
    /// By variable.
    loops: Vec<LoopFacts>,
    open: Vec<Variable>,
    position: u32,
}

impl Values {
    /// Of a checked kernel.
    pub fn new(kernel: &Kernel, level: Level, bf16: bool) -> Values {
        let count = kernel.values.len();
        let mut values = Values {
            level,
            bf16,
            same: (0..count as u32).map(Id).collect(),
            masks: kernel.values.iter().map(|&ty| ty == ValueType::Mask && level == Level::Avx512).collect(),
            constants: vec![None; count],
            ids: FxHashMap::default(),
            uses: vec![Few::new(); count],
            passed: Vec::new(),
            defined: vec![0; count],
            order: Vec::new(),
            used: Vec::new(),
            begins: vec![0],
            loops: vec![LoopFacts::default(); kernel.variables as usize],
            open: Vec::new(),
            position: 0,
        };
        values.block(kernel, &kernel.body);
        values.passed = vec![0; values.uses.len()];
        values
    }

    fn block(&mut self, kernel: &Kernel, body: &[Statement]) {
        for statement in body {
            self.advance();
            match statement {
                Statement::Let(value, operation) => {
                    if let Some(constant) = constant(operation) {
                        self.same[value.0 as usize] = self.constant(constant);
                        continue;
                    }
                    if let Operation::Convert(Convert::BitsToF32 | Convert::BitsToI32, a) = operation {
                        self.same[value.0 as usize] = self.id(*a);
                        continue;
                    }
                    self.define(*value, self.position);
                    self.use_all(kernel, statement);
                }
                Statement::Prefetch { .. } | Statement::Tile(_) => {}
                Statement::Store { .. } => self.use_all(kernel, statement),
                Statement::For(l) if l.extent == 1 && l.guard.is_none() => {
                    for carried in &l.carried {
                        self.same[carried.current.0 as usize] = self.id(carried.initial);
                    }
                    self.block(kernel, &l.body);
                    self.advance();
                    for carried in &l.carried {
                        self.same[carried.result.0 as usize] = self.id(carried.next);
                    }
                }
                Statement::For(l) => self.repeat(kernel, l),
            }
        }
    }

    /// The next position begins.
    fn advance(&mut self) {
        self.position += 1;
        self.begins.push(self.used.len() as u32);
    }

    fn define(&mut self, value: Value, position: u32) {
        self.defined[value.0 as usize] = position;
        self.order.push(Id(value.0));
    }

    fn repeat(&mut self, kernel: &Kernel, l: &Loop) {
        let start = self.position;
        let first = self.order.len();
        if let Some(guard) = l.guard {
            self.mark(self.id(guard));
        }
        self.loops[l.variable.0 as usize].start = start;
        self.loops[l.variable.0 as usize].rare = l.guard.is_some();
        for carried in &l.carried {
            self.mark(self.id(carried.initial));
            self.define(carried.current, start);
        }
        self.open.push(l.variable);
        self.block(kernel, &l.body);
        self.advance();
        for carried in &l.carried {
            self.mark(self.id(carried.next));
        }
        self.open.pop();
        let end = self.position;
        self.loops[l.variable.0 as usize].end = end;
        // What comes from outside is needed again in the next iteration.
        for id in self.loops[l.variable.0 as usize].outside.clone() {
            self.mark(id);
        }
        self.loops[l.variable.0 as usize].pressure = self.pressure(&self.order[first..], start, end);
        for carried in &l.carried {
            self.define(carried.result, end);
        }
    }

    /// How many of the values that are defined within some positions live at once.
    fn pressure(&self, inside: &[Id], start: u32, end: u32) -> [usize; 2] {
        let mut changes = vec![[0i32; 2]; (end - start + 2) as usize];
        let changes = changes.as_mut_slice();
        for id in inside {
            let slot = id.0 as usize;
            let (defined, uses) = (self.defined[slot], self.uses[slot].as_slice());
            if uses.is_empty() {
                continue;
            }
            let last = uses[uses.len() - 1];
            let gone = if last <= defined { defined + 1 } else { last };
            let class = self.masks[slot] as usize;
            changes[(defined - start) as usize][class] += 1;
            changes[(if gone > end { end + 1 } else { gone } - start) as usize][class] -= 1;
        }
        let (mut alive, mut most) = ([0i32; 2], [0i32; 2]);
        let mut position = 0;
        while position < changes.len() {
            let mut class = 0;
            while class < 2 {
                alive[class] += changes[position][class];
                if alive[class] > most[class] {
                    most[class] = alive[class];
                }
                class += 1;
            }
            position += 1;
        }
        most.map(|most| most as usize)
    }

    fn mark(&mut self, id: Id) {
        let slot = id.0 as usize;
        let is_constant = self.constants[slot].is_some();
        let uses = &mut self.uses[slot];
        let before = if uses.is_empty() { 0 } else { uses[uses.len() - 1] };
        uses.push(self.position);
        let (open, defined) = (self.open.as_slice(), self.defined[slot]);
        let mut inner = open.len();
        while inner > 0 {
            inner -= 1;
            let facts = &mut self.loops[open[inner].0 as usize];
            // It is defined in the loop, or has been used in it, and is among what comes from outside all loops around.
            if !is_constant && (defined >= facts.start || before > facts.start) {
                break;
            }
            if !is_constant || !facts.outside.contains(&id) {
                facts.outside.push(id);
            }
            if facts.rare && is_constant {
                break;
            }
        }
    }

    /// A statement of this position uses its operands and the constants that it needs.
    fn use_all(&mut self, kernel: &Kernel, statement: &Statement) {
        let first = self.used.len();
        match statement {
            Statement::Let(_, operation) => {
                let (same, used) = (&self.same, &mut self.used);
                operation.operands(&mut |value| used.push(same[value.0 as usize]));
                let [one, other] = self.needs(kernel, operation);
                if let Some(constant) = one {
                    self.use_constant(constant);
                }
                if let Some(constant) = other {
                    self.use_constant(constant);
                }
                if let Operation::Float1(Float1::Bf16, _) = operation {
                    rounding(self.level, self.bf16).iter().for_each(|&constant| self.use_constant(constant));
                }
            }
            Statement::Store { index, value, .. } => {
                self.used.push(self.id(*value));
                if let Some(row) = index.row {
                    self.used.push(self.id(row.value));
                }
                for &constant in stored_narrow(kernel, self.level, self.bf16, statement) {
                    self.use_constant(constant);
                }
            }
            Statement::Prefetch { .. } | Statement::Tile(_) | Statement::For(_) => (),
        }
        for number in first..self.used.len() {
            self.mark(self.used[number]);
        }
    }

    fn use_constant(&mut self, constant: Constant) {
        let id = self.constant(constant);
        self.used.push(id);
    }

    /// What the statement at a position uses, its operands and the constants that it needs: numbers for
    /// [`Values::used`].
    pub fn uses_at(&self, position: u32) -> std::ops::Range<usize> {
        let end = self.begins.get(position as usize + 1).map_or(self.used.len(), |&begin| begin as usize);
        self.begins[position as usize] as usize..end
    }

    /// The value of a number of [`Values::uses_at`].
    pub fn used(&self, number: usize) -> Id {
        self.used[number]
    }

    /// The constants that an operation needs at this level.
    fn needs(&self, kernel: &Kernel, operation: &Operation) -> [Option<Constant>; 2] {
        // What most statements are.
        if let Operation::Fma(..) | Operation::Float2(..) = operation {
            return [None, None];
        }
        let vectors = self.level == Level::Avx2;
        if let Operation::LoadPairs { stride, active, .. } = *operation {
            let masked = match stride {
                0 => active < kernel.lanes,
                2 => !is_whole(active, kernel.lanes),
                _ => false,
            };
            return [masked.then_some(Constant::Active(active)), None];
        }
        if let Some(needs) = needs_of_halves(kernel, self.level, operation) {
            return needs;
        }
        // What 8 bits need is made without constants.
        if operation.place().is_some_and(|(buffer, _)| kernel.buffers[buffer.0 as usize].element.is_byte()) {
            return [None, None];
        }
        match *operation {
            Operation::Float1(Float1::Neg, _) => [Some(SIGN), None],
            Operation::Float1(Float1::Abs, _) => [Some(NOT_SIGN), None],
            Operation::Convert(Convert::Truncate, _) if vectors => [Some(TWO_31), None],
            Operation::Convert(Convert::Truncate, _) => [Some(TWO_31), Some(ONES)],
            Operation::Convert(Convert::I32ToMask, _) if vectors => [Some(ZERO), Some(ONES)],
            Operation::Convert(Convert::MaskToI32, _) if !vectors => [Some(ONE), None],
            Operation::CompareI32(Compare::Ne | Compare::Le | Compare::Ge, ..) | Operation::MaskNot(_) if vectors => {
                [Some(ONES), None]
            }
            Operation::FmaPairs(..) => [(!self.bf16).then_some(UPPER_HALF), None],
            Operation::Load { stride: 0, active, .. } if active < kernel.lanes => {
                [Some(Constant::Active(active)), None]
            }
            Operation::Load { stride: 1, active, .. } if !is_whole(active, kernel.lanes) => {
                [Some(Constant::Active(active)), None]
            }
            Operation::Gather { active, .. } if active < Length::of(kernel.lanes).lanes() => {
                [Some(Constant::Active(active)), None]
            }
            Operation::ConstantF32(_)
            | Operation::ConstantI32(_)
            | Operation::Affine(_)
            | Operation::Lane
            | Operation::Load { .. }
            | Operation::LoadPairs { .. }
            | Operation::Splat { .. }
            | Operation::Gather { .. }
            | Operation::Float1(..)
            | Operation::Float2(..)
            | Operation::Fma(..)
            | Operation::FmaQuads(..)
            | Operation::Int2(..)
            | Operation::Shift(..)
            | Operation::CompareF32(..)
            | Operation::CompareI32(..)
            | Operation::Mask2(..)
            | Operation::MaskNot(_)
            | Operation::Select(..)
            | Operation::Convert(..)
            | Operation::Shuffle(..)
            | Operation::Fold(..) => [None, None],
        }
    }

    /// A constant, which gets a number when it is first asked for.
    pub fn constant(&mut self, constant: Constant) -> Id {
        if let Some(&id) = self.ids.get(&constant) {
            return id;
        }
        let id = Id(self.constants.len() as u32);
        self.constants.push(Some(constant));
        self.masks.push(matches!(constant, Constant::Active(_)) && self.level == Level::Avx512);
        self.uses.push(Few::new());
        self.passed.push(0);
        self.defined.push(0);
        self.ids.insert(constant, id);
        id
    }

    /// The one of all values that are the same.
    // Asked for each operand, and in debug builds a call otherwise.
    #[inline(always)]
    pub fn id(&self, value: Value) -> Id {
        self.same[value.0 as usize]
    }

    /// Whether a value has no code of its own: it is another one, or a constant.
    pub fn is_another(&self, value: Value) -> bool {
        self.id(value) != Id(value.0)
    }

    /// What is known of it, if it is a constant.
    pub fn known(&self, id: Id) -> Option<Constant> {
        self.constants[id.0 as usize]
    }

    /// Whether it lies in a register of masks.
    pub fn is_mask(&self, id: Id) -> bool {
        self.masks[id.0 as usize]
    }

    /// All uses, in order.
    pub fn uses(&self, id: Id) -> &[u32] {
        &self.uses[id.0 as usize]
    }

    /// The first use after a position. Positions asked about do not decrease.
    pub fn next_use(&mut self, id: Id, position: u32) -> Option<u32> {
        let (uses, passed) = (self.uses[id.0 as usize].as_slice(), &mut self.passed[id.0 as usize]);
        while *passed < uses.len() && uses[*passed] <= position {
            *passed += 1;
        }
        if *passed < uses.len() { Some(uses[*passed]) } else { None }
    }

    /// The positions between which it lives.
    pub fn life(&self, id: Id) -> (u32, u32) {
        let defined = self.defined[id.0 as usize];
        (defined, self.uses(id).last().copied().unwrap_or(defined))
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.uses.len()
    }

    /// The facts of the loop over a variable.
    pub fn facts(&self, variable: Variable) -> &LoopFacts {
        &self.loops[variable.0 as usize]
    }
}

/// Whether the first lanes are moved by an instruction without a mask.
pub fn is_whole(active: usize, lanes: usize) -> bool {
    active == lanes || matches!(active, 1 | 2 | 4 | 8)
}

/// Whether the elements of a buffer have 16 bits.
pub fn is_half(kernel: &Kernel, buffer: BufferId) -> bool {
    kernel.buffers[buffer.0 as usize].element == Element::Bf16
}

/// Whether the first lanes are widened from one place without a mask.
pub fn is_widened_whole(active: usize, lanes: usize) -> bool {
    active == lanes || matches!(active, 4 | 8)
}

/// The constants that an operation needs at a level, if it reads 16-bit elements.
fn needs_of_halves(kernel: &Kernel, level: Level, operation: &Operation) -> Option<[Option<Constant>; 2]> {
    let (buffer, _) = operation.place()?;
    if !is_half(kernel, buffer) {
        return None;
    }
    let masked = match *operation {
        Operation::Load { stride: 0, active, .. } => (active < kernel.lanes).then_some(active),
        Operation::Load { stride: 1, active, .. } if level == Level::Avx512 => {
            (!is_widened_whole(active, kernel.lanes)).then_some(active)
        }
        _ => None,
    };
    Some([masked.map(Constant::Active), None])
}

/// The constants that a statement needs, if it stores 16-bit or 8-bit elements. `converts`: there is an instruction that rounds.
fn stored_narrow(kernel: &Kernel, level: Level, converts: bool, statement: &Statement) -> &'static [Constant] {
    match (statement, level) {
        (Statement::Store { buffer, .. }, _) if is_half(kernel, *buffer) => rounding(level, converts),
        (Statement::Store { buffer, .. }, Level::Avx2) if kernel.buffers[buffer.0 as usize].element.is_byte() => {
            &[LOW_BYTE]
        }
        _ => &[],
    }
}

/// The constants that rounding to 16 bits needs. `converts`: there is an instruction that rounds.
fn rounding(level: Level, converts: bool) -> &'static [Constant] {
    match level {
        Level::Avx2 => &[BELOW_HALF, QUIET, EXPONENT],
        Level::Avx512 if converts => &[],
        Level::Avx512 => &[BELOW_HALF, QUIET, EXPONENT, SIGN],
    }
}

/// What an operation computes, where it is a constant.
fn constant(operation: &Operation) -> Option<Constant> {
    match *operation {
        Operation::ConstantF32(value) => Some(Constant::Uniform(value.value().to_bits())),
        Operation::ConstantI32(value) => Some(Constant::Uniform(value as u32)),
        Operation::Lane => Some(Constant::Lanes),
        _ => None,
    }
}
