//! Which addresses, counts and arguments are in which general register. Each keeps its register, or its place in the
//! stack frame, for as long as its loop lasts: addresses move with every iteration, so that none is worth moving about.
//! It knows the kernel IR; it emits nothing.

use iced_x86::Register;

use crate::emit::addresses::{Addresses, Base, Place, PlaceId};
use crate::kernel::{BufferId, Index, Kernel, Loop, Operation, Statement, Variable};

/// Holds an address for one instruction, or a part of a division.
pub const FIRST: Register = Register::RAX;
/// Holds what is too large for an instruction, or a part of a division.
pub const SECOND: Register = Register::RDX;
/// Holds the address of a row.
pub const ROW: Register = Register::RCX;

/// The registers that are given out.
const GIVEN: [Register; 12] = [
    Register::RSI,
    Register::RDI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
    Register::RBX,
    Register::RBP,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];

/// Where something is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Location {
    /// In a register.
    Register(Register),
    /// In the stack frame, by the number of the scalar.
    Scalar(u32),
}

/// Something that is kept in a general register, by choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kept {
    Place(PlaceId),
    Count(Variable),
    Arguments,
    Task,
    End,
}

/// The choice of all locations.
#[derive(Debug)]
pub struct Pointers {
    places: Vec<Location>,
    counts: Vec<Option<Location>>,
    used: Vec<Register>,
    /// The table of arguments.
    pub arguments: Location,
    /// The number of the task.
    pub task: Location,
    /// The number of the task behind the last one.
    pub end: Location,
    /// The number of scalars in the stack frame; the first ones hold a task's coordinates.
    pub scalars: u32,
}

/// A wish for a register.
struct Wish {
    what: Kept,
    from: u32,
    to: u32,
    uses: u64,
}

struct Survey<'a> {
    addresses: &'a Addresses,
    uses: Vec<u64>,
    loops: Vec<Option<Iterations>>,
    position: u32,
}

/// A loop: its positions, how often its body runs, about, and whether its iterations are counted.
#[derive(Clone, Copy)]
struct Iterations {
    from: u32,
    to: u32,
    iterations: u64,
    counted: bool,
}

impl Pointers {
    /// Chooses; what is used in the innermost loops comes first.
    pub fn new(kernel: &Kernel, addresses: &Addresses) -> Pointers {
        let count = addresses.places().len();
        let mut survey =
            Survey { addresses, uses: vec![0; count], loops: vec![None; kernel.variables as usize], position: 0 };
        survey.block(&kernel.body, 1);
        let last = survey.position + 1;
        let mut wishes = Vec::new();
        for (number, &place) in addresses.places().iter().enumerate().rev() {
            let (from, to) = match place {
                Place::Root(_) => (0, last),
                Place::Step { outer, variable, .. } => {
                    let grid = Iterations { from: 0, to: last, iterations: 1, counted: false };
                    let around = survey.loops[variable.0 as usize].unwrap_or(grid);
                    survey.uses[outer.0 as usize] += (around.iterations / ITERATIONS).max(1);
                    survey.uses[number] += around.iterations;
                    (around.from, around.to)
                }
            };
            wishes.push(Wish { what: Kept::Place(PlaceId(number as u32)), from, to, uses: survey.uses[number] });
        }
        for (variable, facts) in survey.loops.iter().enumerate() {
            if let Some(Iterations { from, to, iterations, counted: true }) = *facts {
                wishes.push(Wish { what: Kept::Count(Variable(variable as u32)), from, to, uses: iterations });
            }
        }
        for what in [Kept::Task, Kept::End, Kept::Arguments] {
            wishes.push(Wish { what, from: 0, to: last, uses: 1 });
        }
        wishes.sort_by_key(|wish| std::cmp::Reverse(wish.uses));

        let here = Location::Scalar(0);
        let mut pointers = Pointers {
            places: vec![here; count],
            counts: vec![None; kernel.variables as usize],
            used: Vec::new(),
            arguments: here,
            task: here,
            end: here,
            scalars: kernel.grid.len() as u32,
        };
        let mut taken: Vec<Vec<(u32, u32)>> = vec![Vec::new(); GIVEN.len()];
        for wish in wishes {
            let free = taken.iter().position(|lives| lives.iter().all(|&(from, to)| to < wish.from || wish.to < from));
            let location = match free {
                Some(register) => {
                    taken[register].push((wish.from, wish.to));
                    Location::Register(GIVEN[register])
                }
                None => {
                    pointers.scalars += 1;
                    Location::Scalar(pointers.scalars - 1)
                }
            };
            match wish.what {
                Kept::Place(place) => pointers.places[place.0 as usize] = location,
                Kept::Count(variable) => pointers.counts[variable.0 as usize] = Some(location),
                Kept::Arguments => pointers.arguments = location,
                Kept::Task => pointers.task = location,
                Kept::End => pointers.end = location,
            }
        }
        let is_used = |&number: &usize| !taken[number].is_empty();
        pointers.used = (0..GIVEN.len()).filter(is_used).map(|number| GIVEN[number]).collect();
        pointers
    }

    /// Where an address is.
    pub fn place(&self, place: PlaceId) -> Location {
        self.places[place.0 as usize]
    }

    /// Where the count of a loop's iterations is.
    pub fn count(&self, variable: Variable) -> Location {
        self.counts[variable.0 as usize].expect("a loop of several iterations")
    }

    /// Every register that is used, but for the three that hold things for an instruction.
    pub fn used(&self) -> &[Register] {
        &self.used
    }
}

/// How many iterations a loop is taken to have.
const ITERATIONS: u64 = 8;

impl Survey<'_> {
    fn block(&mut self, body: &[Statement], iterations: u64) {
        for statement in body {
            self.position += 1;
            if let Some((buffer, index)) = statement.place() {
                self.used(Base::Buffer(buffer), index, iterations);
                continue;
            }
            match statement {
                Statement::Let(_, Operation::Affine(index)) => self.used(Base::Zero, index, iterations),
                Statement::For(l) => self.repeat(l, iterations),
                Statement::Let(..) | Statement::Store { .. } | Statement::Prefetch { .. } | Statement::Tile(_) => (),
            }
        }
    }

    fn repeat(&mut self, l: &Loop, iterations: u64) {
        let start = self.position;
        let inside = if l.extent == 1 { iterations } else { iterations.saturating_mul(ITERATIONS) };
        self.block(&l.body, inside);
        self.position += 1;
        let counted = l.extent > 1;
        self.loops[l.variable.0 as usize] =
            Some(Iterations { from: start, to: self.position, iterations: inside, counted });
    }

    fn used(&mut self, base: Base, index: &Index, iterations: u64) {
        let (place, _) = self.addresses.locate(base, index);
        let uses = &mut self.uses[place.0 as usize];
        *uses = uses.saturating_add(iterations);
    }
}

/// The offset of a buffer's address in the table of arguments.
pub fn argument(buffer: BufferId) -> i32 {
    8 * buffer.0 as i32
}
