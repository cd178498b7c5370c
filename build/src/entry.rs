//! The functions of a program that are called from outside, under its name: they check what they are given, choose a
//! level, set the floating-point mode, and call that level's functions. What these compute is not known here.
//!
//! The arena begins with three numbers of 64 bits: which program it was made ready for, the level, the weights'
//! address.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Type, Value, types};
use cranelift_module::FuncId;

use super::BuildError;
use super::instructions::{AVX2, BASELINE, CPUID, MODE_AARCH64, MODE_X86, Mode, XGETBV};
use super::interface::{ALIGNMENT, Interface};
use super::level::Leveled;
use super::machine::{Level, Machine};
use super::object::{Called, Function, Next, Object, POINTER};

/// What a function gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Done = 0,
    Alignment = 1,
    Weights = 2,
    Processor = 3,
    NotReady = 4,
    Index = 5,
    Outside = 6,
}

impl Status {
    /// All mistakes: the name in capitals, the name of Rust's, and what it says.
    pub const ERRORS: [(Status, &'static str, &'static str, &'static str); 6] = [
        (
            Status::Alignment,
            "ALIGNMENT",
            "Alignment",
            "the arena or the weights do not begin at a multiple of 64 bytes",
        ),
        (Status::Weights, "WEIGHTS", "Weights", "the weights are not those of this program"),
        (
            Status::Processor,
            "PROCESSOR",
            "Processor",
            "the processor runs none of the levels that the program was built for",
        ),
        (Status::NotReady, "NOT_READY", "NotReady", "the arena was not made ready by init"),
        (Status::Index, "INDEX", "Index", "an index points at nothing; nothing was computed"),
        (
            Status::Outside,
            "OUTSIDE",
            "Outside",
            "a function was given numbers that it does not take, such as a probability above 1; no state was changed",
        ),
    ];
}

/// Where the arena says what it is.
const PROGRAM: i32 = 0;
const LEVEL: i32 = 8;
const WEIGHTS: i32 = 16;

/// Writes the functions `NAME_init`, `NAME_run` and, where there are states that runs write, `NAME_save`.
pub(crate) struct Entry<'a> {
    object: &'a mut Object,
    machine: &'a Machine,
    interface: &'a Interface,
    levels: &'a [Leveled],
    mode: Mode,
    store_mode: FuncId,
    load_mode: FuncId,
    /// What tells this program's arenas from others.
    program: i64,
    flush: bool,
}

impl<'a> Entry<'a> {
    pub fn new(
        object: &'a mut Object,
        machine: &'a Machine,
        interface: &'a Interface,
        levels: &'a [Leveled],
        (program, flush): (i64, bool),
    ) -> Result<Entry<'a>, BuildError> {
        let mode = if machine.is_x86() { MODE_X86 } else { MODE_AARCH64 };
        let store_mode = object.bytes(&[POINTER], None, 16, mode.store)?;
        let load_mode = object.bytes(&[POINTER], None, 16, mode.load)?;
        Ok(Entry { object, machine, interface, levels, mode, store_mode, load_mode, program, flush })
    }

    /// `int NAME_init(void *arena)` with weights inside, else `int NAME_init(void *arena, const void *weights, size_t bytes)`.
    pub fn init(&mut self, inside: Option<Vec<u8>>) -> Result<(), BuildError> {
        let level = self.level()?;
        let name = format!("{}_init", self.interface.name);
        let symbol = format!("{}_weights", self.interface.name);
        let inside = inside.map(|bytes| self.object.data(Some(&symbol), bytes)).transpose()?;
        let parameters: &[Type] = if inside.is_some() { &[POINTER] } else { &[POINTER; 3] };
        let Entry { object, interface, levels, program, .. } = self;
        let (levels, header, program) = (*levels, interface.weights_header(), *program);
        let bytes = interface.weights_bytes as i64;
        let in_mode =
            InMode { store: self.store_mode, load: self.load_mode, word: self.mode.words[usize::from(self.flush)] };
        object.function((Called::Named, &name), parameters, Some(types::I32), |f, given| {
            let arena = given[0];
            let weights = match inside {
                Some(data) => f.address_of(data),
                None => given[1],
            };
            check_alignment(f, arena);
            check_alignment(f, weights);
            if inside.is_none() {
                let expected = f.constant(POINTER, bytes);
                let differs = f.compare(IntCC::NotEqual, given[2], expected);
                f.when(differs, |f| status(f, Status::Weights));
                for (number, expected) in header.into_iter().enumerate() {
                    let found = f.load(POINTER, weights, 8 * number as i32);
                    let expected = f.constant(POINTER, expected);
                    let differs = f.compare(IntCC::NotEqual, found, expected);
                    f.when(differs, |f| status(f, Status::Weights));
                }
            }
            let level = match level {
                Some(function) => f.call(function, &[]).expect("it gives a number"),
                None => f.constant(types::I32, Level::Baseline.number()),
            };
            // The highest of those that there are comes first.
            for leveled in levels.iter().rev() {
                let number = f.constant(types::I32, leveled.level.number());
                let fits = f.compare(IntCC::SignedGreaterThanOrEqual, level, number);
                f.when(fits, |f| {
                    in_mode.around(f, |f| f.call(leveled.init, &[arena, weights]));
                    f.store(weights, arena, WEIGHTS);
                    let number = f.constant(POINTER, leveled.level.number());
                    f.store(number, arena, LEVEL);
                    let program = f.constant(POINTER, program);
                    f.store(program, arena, PROGRAM);
                    status(f, Status::Done)
                });
            }
            status(f, Status::Processor);
        })?;
        Ok(())
    }

    /// `int NAME_run(void *arena, const .. *inputs.., .. *outputs..)`.
    pub fn run(&mut self) -> Result<(), BuildError> {
        let name = format!("{}_run", self.interface.name);
        let parameters = vec![POINTER; 1 + self.interface.inputs.len() + self.interface.outputs.len()];
        // Where all indices of an input look into tables of one length, that is a constant, else a table.
        let mut rules = Vec::new();
        for (position, input) in self.interface.inputs.iter().enumerate() {
            let Some(below) = &input.below else { continue };
            let most = |&below: &i32| if below == i32::MAX { u32::MAX } else { below.max(1) as u32 - 1 };
            let most: Vec<u32> = below.iter().map(most).collect();
            let rule = if most.iter().all(|&other| other == most[0]) {
                Rule::Constant(most[0])
            } else {
                Rule::Table(self.object.data(None, most.iter().flat_map(|most| most.to_le_bytes()).collect())?)
            };
            rules.push((1 + position, most.len(), rule));
        }
        let Entry { object, levels, program, .. } = self;
        let (levels, program) = (*levels, *program);
        let in_mode =
            InMode { store: self.store_mode, load: self.load_mode, word: self.mode.words[usize::from(self.flush)] };
        object.function((Called::Named, &name), &parameters, Some(types::I32), |f, given| {
            let arena = given[0];
            check_ready(f, arena, program);
            for (position, elements, rule) in rules {
                let table = match rule {
                    Rule::Constant(_) => None,
                    Rule::Table(data) => Some(f.address_of(data)),
                };
                f.repeat(elements, |f, number| {
                    let place = f.times(number, 4);
                    let address = f.sum(given[position], place);
                    let found = f.load(types::I32, address, 0);
                    let most = match (rule, table) {
                        (Rule::Table(_), Some(table)) => {
                            let address = f.sum(table, place);
                            f.load(types::I32, address, 0)
                        }
                        (Rule::Constant(most), _) => f.constant(types::I32, i64::from(most)),
                        (Rule::Table(_), None) => unreachable!("a table has an address"),
                    };
                    let beyond = f.compare(IntCC::UnsignedGreaterThan, found, most);
                    f.when(beyond, |f| status(f, Status::Index));
                });
            }
            let mut arguments = vec![arena, f.load(POINTER, arena, WEIGHTS)];
            arguments.extend(&given[1..]);
            let level = f.load(POINTER, arena, LEVEL);
            for leveled in levels {
                at_level(f, level, leveled, |f| {
                    in_mode.around(f, |f| f.call(leveled.run, &arguments));
                    let zero = f.f32(0.0);
                    for &offset in &leveled.outside {
                        let address = f.moved(arena, offset as i64);
                        let count = f.load(types::F32, address, 0);
                        let some = f.greater(count, zero);
                        f.when(some, |f| status(f, Status::Outside));
                    }
                    status(f, Status::Done)
                });
            }
            status(f, Status::NotReady);
        })?;
        Ok(())
    }

    /// `int NAME_save(const void *arena, void *weights)`.
    pub fn save(&mut self) -> Result<(), BuildError> {
        let name = format!("{}_save", self.interface.name);
        let Entry { object, interface, levels, program, .. } = self;
        let (levels, program, header) = (*levels, *program, interface.weights_header());
        object.function((Called::Named, &name), &[POINTER; 2], Some(types::I32), |f, given| {
            let (arena, to) = (given[0], given[1]);
            check_ready(f, arena, program);
            for (number, word) in header.into_iter().enumerate() {
                let word = f.constant(POINTER, word);
                f.store(word, to, 8 * number as i32);
            }
            let (weights, level) = (f.load(POINTER, arena, WEIGHTS), f.load(POINTER, arena, LEVEL));
            for leveled in levels {
                let Some(save) = leveled.save else { continue };
                at_level(f, level, leveled, |f| {
                    f.call(save, &[arena, weights, to]);
                    status(f, Status::Done)
                });
            }
            status(f, Status::NotReady);
        })?;
        Ok(())
    }

    /// `fn() -> i32`: the number of the highest level that an x86-64 processor runs, 0 for none.
    fn level(&mut self) -> Result<Option<FuncId>, BuildError> {
        if !self.machine.is_x86() {
            return Ok(None);
        }
        let cpuid = self.object.bytes(&[types::I32, types::I32, POINTER], None, 16, CPUID)?;
        let xgetbv = self.object.bytes(&[], Some(types::I32), 16, XGETBV)?;
        let avx512 = self.machine.avx512();
        let function = self.object.function((Called::Within, ""), &[], Some(types::I32), |f, _| {
            let (_, found) = f.room(16);
            let ask = |f: &mut Function<'_>, leaf: i64, word: i32| {
                let (leaf, subleaf) = (f.constant(types::I32, leaf), f.constant(types::I32, 0));
                f.call(cpuid, &[leaf, subleaf, found]);
                f.load(types::I32, found, 4 * word)
            };
            let give = |f: &mut Function<'_>, level: i64| {
                let level = f.constant(types::I32, level);
                f.give(Some(level))
            };
            let lacks = |f: &mut Function<'_>, found: Value, needed: u32| {
                let there = f.and(found, i64::from(needed));
                let needed = f.constant(types::I32, i64::from(needed));
                f.compare(IntCC::NotEqual, there, needed)
            };
            let leaves = ask(f, 0, 0);
            let leaf1 = ask(f, 1, 2);
            let old = lacks(f, leaf1, BASELINE.leaf1_ecx);
            f.when(old, |f| give(f, 0));
            let seven = f.constant(types::I32, 7);
            let few = f.compare(IntCC::UnsignedLessThan, leaves, seven);
            f.when(few, |f| give(f, Level::Baseline.number()));
            // Behind this the system can be asked what it saves.
            let old = lacks(f, leaf1, AVX2.leaf1_ecx);
            f.when(old, |f| give(f, Level::Baseline.number()));
            let (leaf7, more) = (ask(f, 7, 1), f.load(types::I32, found, 4 * 2));
            let saved = f.call(xgetbv, &[]).expect("it gives a number");
            for (needs, below) in [(AVX2, Level::Baseline), (avx512, Level::Avx2)] {
                for (found, needed) in [(leaf7, needs.leaf7_ebx), (more, needs.leaf7_ecx), (saved, needs.saved)] {
                    let lacking = lacks(f, found, needed);
                    f.when(lacking, |f| give(f, below.number()));
                }
            }
            give(f, Level::Avx512.number());
        })?;
        Ok(Some(function))
    }
}

/// What the indices of an input must not be above.
#[derive(Clone, Copy)]
enum Rule {
    Constant(u32),
    Table(cranelift_module::DataId),
}

/// The floating-point mode around calls of kernels.
struct InMode {
    store: FuncId,
    load: FuncId,
    word: i64,
}

impl InMode {
    /// Sets the mode, and afterwards puts back what it was.
    fn around<R>(&self, f: &mut Function<'_>, work: impl FnOnce(&mut Function<'_>) -> R) {
        let (_, before) = f.room(8);
        let (slot, within) = f.room(8);
        f.call(self.store, &[before]);
        let word = f.constant(POINTER, self.word);
        f.store_to_room(word, slot, 0);
        f.call(self.load, &[within]);
        work(f);
        f.call(self.load, &[before]);
    }
}

fn status(f: &mut Function<'_>, status: Status) -> Next {
    let status = f.constant(types::I32, status as i64);
    f.give(Some(status))
}

fn check_alignment(f: &mut Function<'_>, address: Value) {
    let rest = f.and(address, ALIGNMENT as i64 - 1);
    let zero = f.constant(POINTER, 0);
    let some = f.compare(IntCC::NotEqual, rest, zero);
    f.when(some, |f| status(f, Status::Alignment));
}

/// That the arena was made ready for this program.
fn check_ready(f: &mut Function<'_>, arena: Value, program: i64) {
    let found = f.load(POINTER, arena, PROGRAM);
    let program = f.constant(POINTER, program);
    let differs = f.compare(IntCC::NotEqual, found, program);
    f.when(differs, |f| status(f, Status::NotReady));
}

/// Does something where the arena was made ready for a level.
fn at_level(f: &mut Function<'_>, level: Value, leveled: &Leveled, then: impl FnOnce(&mut Function<'_>) -> Next) {
    let number = f.constant(POINTER, leveled.level.number());
    let same = f.compare(IntCC::Equal, level, number);
    f.when(same, then);
}
