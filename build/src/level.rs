//! A program for one level of a processor: its plan, the code of its kernels, and the functions that call them. It
//! knows where everything lies in the arena; it knows no names that users see.
//!
//! The arena of a program holds, each at a multiple of 64 bytes:
//!
//! | bytes | what |
//! | --- | --- |
//! | 64 | which program and which level it was made ready for, where the weights lie ([`entry`](super::entry)) |
//! | the states that need room | those that are written, or that the plan wants in another layout than the weights' file has |
//! | the plan's arena | what the prologue has left, inputs, intermediates and outputs |

use std::collections::{BTreeMap, HashMap};

use cranelift_codegen::ir::{StackSlot, Value};
use cranelift_module::FuncId;
use kiln::graph::{DType, Graph, Role};
use kiln::jit::emit::{CODE_ALIGNMENT, Emitter};
use kiln::jit::kernel::{Access, Kernel};
use kiln::jit::layout::Layout;
use kiln::jit::plan::{self, Location, Plan};
use rustc_hash::FxHashMap;

use super::BuildError;
use super::copies::{copy, is_row_major, zero};
use super::interface::{ALIGNMENT, Interface};
use super::machine::{Caches, Level, Machine};
use super::object::{Called, Function, Object, POINTER};

/// Bytes at the front of the arena that say what it is.
pub(crate) const ARENA_HEADER: usize = 64;

/// The functions of a level. Each takes the arena and the weights first.
pub(crate) struct Leveled {
    pub level: Level,
    /// Fills states and what follows from them.
    pub init: FuncId,
    /// Takes the inputs' and the outputs' addresses, too.
    pub run: FuncId,
    /// Writes the states to memory whose address is given last; where there are states that runs write.
    pub save: Option<FuncId>,
    /// The bytes of its arena.
    pub arena_bytes: usize,
    /// Where the counts lie in the arena that say what functions were given that they do not take.
    pub outside: Vec<usize>,
    /// The code of the kernels.
    pub code_bytes: usize,
}

/// A level on its way.
struct Building<'a> {
    object: &'a mut Object,
    emitter: Box<dyn Emitter>,
    lanes: usize,
    plan: &'a Plan,
    interface: &'a Interface,
    /// The distinct kernels, and the functions that they are.
    functions: FxHashMap<Kernel, FuncId>,
    /// For each state input where it lies in the arena; nothing where it is read where the weights lie.
    states: HashMap<usize, Option<usize>>,
    /// Where the plan's arena begins.
    base: usize,
    /// The bytes of the arena.
    bytes: usize,
    code_bytes: usize,
}

/// One argument of a call.
#[derive(Clone, Copy)]
enum Place {
    /// So many bytes behind the arena's start.
    Arena(usize),
    /// So many bytes behind the weights' start.
    Weights(usize),
    /// So many bytes behind an address.
    At(Value, usize),
}

impl Leveled {
    /// Plans an optimized graph for a level of a machine, and puts its code into an object.
    pub fn new(
        object: &mut Object,
        machine: &Machine,
        (level, caches): (Level, Caches),
        graph: &Graph,
        (interface, exact): (&Interface, bool),
    ) -> Result<Leveled, BuildError> {
        let target = machine.target(level, caches);
        let wishes = plan::Wishes { exact, ..plan::Wishes::default() };
        let plan = plan::plan_by(graph, &target, &HashMap::new(), &plan::Choices::new(), wishes)?;
        let written = plan.states_of(&plan.calls, |access| access != Access::Read);
        let mut base = ARENA_HEADER;
        let mut states = HashMap::new();
        for (position, input) in plan.inputs.iter().enumerate().filter(|(_, input)| input.role == Role::State) {
            let here = !written.contains(&position) && is_row_major(input.ty.shape, &input.layout);
            states.insert(position, (!here).then_some(base));
            if !here {
                let bytes = plan.slots[input.slot].elements.max(input.layout.elements) * size_of::<u32>();
                base = (base + bytes).next_multiple_of(ALIGNMENT);
            }
        }
        let emitter = machine.emitter(level)?;
        let arena_bytes = (base + plan.arena_bytes).next_multiple_of(ALIGNMENT);
        let mut building = Building {
            object,
            emitter,
            lanes: target.lanes,
            plan: &plan,
            interface,
            functions: FxHashMap::default(),
            states,
            base,
            bytes: arena_bytes,
            code_bytes: 0,
        };
        let init = building.init()?;
        let run = building.run()?;
        let save = if written.is_empty() { None } else { Some(building.save()?) };
        let place = |&output: &usize| building.offset(&plan.outputs[output]);
        let outside = interface.outside.iter().map(place).collect();
        Ok(Leveled { level, init, run, save, arena_bytes, outside, code_bytes: building.code_bytes })
    }
}

impl Building<'_> {
    /// The function of a kernel; equal ones are emitted once.
    fn function(&mut self, kernel: &Kernel) -> Result<FuncId, BuildError> {
        if let Some(&known) = self.functions.get(kernel) {
            return Ok(known);
        }
        kernel.check()?;
        let bytes = self.emitter.emit(kernel)?;
        self.code_bytes += bytes.len();
        let id = self.object.bytes(&[POINTER; 3], None, CODE_ALIGNMENT, &bytes)?;
        self.functions.insert(kernel.clone(), id);
        Ok(id)
    }

    /// Where a slot of the plan lies.
    fn place(&self, slot: usize) -> Place {
        match self.plan.slots[slot].location {
            Location::Arena { offset } => Place::Arena(self.base + offset),
            Location::State { input } => match self.states[&input] {
                Some(offset) => Place::Arena(offset),
                None => Place::Weights(self.stored(&self.plan.inputs[input].name)),
            },
        }
    }

    /// Where a state lies in the file of weights.
    fn stored(&self, name: &str) -> usize {
        let stored = self.interface.weights.iter().find(|stored| stored.name == name);
        stored.expect("the plan has the graph's inputs").offset
    }

    /// Where the first element of an output lies in the arena.
    fn offset(&self, output: &plan::Argument) -> usize {
        match self.place(output.slot) {
            Place::Arena(offset) => offset + output.layout.offset * size_of::<u32>(),
            Place::Weights(_) | Place::At(..) => unreachable!("outputs are computed"),
        }
    }

    /// `fn(arena, weights)`: fills the arena with zeros, as that of a session is (then the system has handed out its memory before
    /// the first run), then the states that have room of their own, and runs what depends on nothing but states.
    fn init(&mut self) -> Result<FuncId, BuildError> {
        let plan = self.plan;
        let kernel = zero((self.bytes - ARENA_HEADER) / size_of::<u32>(), self.lanes);
        let mut steps = vec![Step::once(self.function(&kernel)?, 1, vec![Place::Arena(ARENA_HEADER)])];
        for (position, input) in plan.inputs.iter().enumerate() {
            let Some(&Some(offset)) = self.states.get(&position) else { continue };
            if input.ty.shape.elements() == 0 {
                continue;
            }
            let (row_major, layout) = (Layout::row_major(input.ty.shape), whole(plan, input));
            let kernel = copy(input.ty, &row_major, &layout, false, self.lanes);
            let places = vec![Place::Weights(self.stored(&input.name)), Place::Arena(offset)];
            steps.push(Step::once(self.function(&kernel)?, 1, places));
        }
        steps.extend(self.calls(0..plan.prologue)?);
        self.object.function((Called::Within, ""), &[POINTER; 2], None, |f, given| {
            walk(f, &steps, given[0], given[1]);
            f.give(None);
        })
    }

    /// `fn(arena, weights, inputs.., outputs..)`.
    fn run(&mut self) -> Result<FuncId, BuildError> {
        let (plan, interface) = (self.plan, self.interface);
        let find = |arguments: &'_ [plan::Argument], known: &str| {
            arguments.iter().position(|argument| argument.name == known).expect("the plan has the graph's arguments")
        };
        // Copies, with the number of the address that is given.
        let mut before = Vec::new();
        for (number, argument) in interface.inputs.iter().enumerate() {
            let input = &plan.inputs[find(&plan.inputs, &argument.known)];
            if input.ty.shape.elements() > 0 {
                let (row_major, layout) = (Layout::row_major(input.ty.shape), whole(plan, input));
                let kernel = copy(input.ty, &row_major, &layout, input.ty.dtype == DType::Bool, self.lanes);
                before.push((self.function(&kernel)?, number, self.place(input.slot)));
            }
        }
        let mut after = Vec::new();
        for (number, argument) in interface.outputs.iter().enumerate() {
            let output = &plan.outputs[find(&plan.outputs, &argument.known)];
            if output.ty.shape.elements() > 0 {
                let (row_major, layout) = (Layout::row_major(output.ty.shape), whole(plan, output));
                let kernel = copy(output.ty, &layout, &row_major, false, self.lanes);
                after.push((self.function(&kernel)?, interface.inputs.len() + number, self.place(output.slot)));
            }
        }
        let calls = self.calls(plan.prologue..plan.calls.len())?;
        let parameters = vec![POINTER; 2 + interface.inputs.len() + interface.outputs.len()];
        self.object.function((Called::Within, ""), &parameters, None, |f, given| {
            let (arena, weights, given) = (given[0], given[1], &given[2..]);
            let at = |number: &usize| Place::At(given[*number], 0);
            let inputs = before.iter().map(|(function, number, to)| Step::once(*function, 1, vec![at(number), *to]));
            let outputs =
                after.iter().map(|(function, number, from)| Step::once(*function, 1, vec![*from, at(number)]));
            let steps: Vec<Step> = inputs.chain(calls).chain(outputs).collect();
            walk(f, &steps, arena, weights);
            f.give(None);
        })
    }

    /// `fn(arena, weights, to)`: writes all states as they are now, in the order of the file of weights.
    fn save(&mut self) -> Result<FuncId, BuildError> {
        let plan = self.plan;
        let mut copies = Vec::new();
        for (position, input) in plan.inputs.iter().enumerate().filter(|(_, input)| input.role == Role::State) {
            if input.ty.shape.elements() == 0 {
                continue;
            }
            let (row_major, stored) = (Layout::row_major(input.ty.shape), self.stored(&input.name));
            let (from, layout) = match self.states[&position] {
                Some(offset) => (Place::Arena(offset), whole(plan, input)),
                None => (Place::Weights(stored), row_major),
            };
            let kernel = copy(input.ty, &layout, &row_major, false, self.lanes);
            copies.push((self.function(&kernel)?, from, stored));
        }
        self.object.function((Called::Within, ""), &[POINTER; 3], None, |f, given| {
            let step = |(function, from, stored)| Step::once(function, 1, vec![from, Place::At(given[2], stored)]);
            let steps: Vec<Step> = copies.into_iter().map(step).collect();
            walk(f, &steps, given[0], given[1]);
            f.give(None);
        })
    }

    /// Some of the plan's calls, in the loops that they are in.
    fn calls(&mut self, range: std::ops::Range<usize>) -> Result<Vec<Step>, BuildError> {
        let plan = self.plan;
        let mut steps = Vec::new();
        let mut next = range.start;
        while next < range.end {
            let looped = plan.loops.iter().find(|looped| looped.calls.start == next);
            let (calls, iterations) =
                looped.map_or((next..next + 1, 1), |looped| (looped.calls.clone(), looped.iterations));
            let mut within = Vec::new();
            for number in calls.clone() {
                let call = &plan.calls[number];
                let function = self.function(&plan.kernels[call.kernel])?;
                let argument = |(position, &slot): (usize, &usize)| {
                    let by = call.moves.get(position).copied().unwrap_or_default();
                    let size = plan.kernels[call.kernel].buffers[position].element.bytes();
                    let step = if iterations > 1 { by.step * size as i64 } else { 0 };
                    (shifted(self.place(slot), by.start * size), step)
                };
                let arguments = call.arguments.iter().enumerate().map(argument).collect();
                within.push(Run { function, tasks: plan.kernels[call.kernel].tasks(), arguments });
            }
            next = calls.end;
            steps.push(Step { iterations, calls: within });
        }
        Ok(steps)
    }
}

/// The layout of an argument over all elements of its slot.
fn whole(plan: &Plan, argument: &plan::Argument) -> Layout {
    Layout { elements: argument.layout.elements.max(plan.slots[argument.slot].elements), ..argument.layout }
}

fn shifted(place: Place, bytes: usize) -> Place {
    match place {
        Place::Arena(offset) => Place::Arena(offset + bytes),
        Place::Weights(offset) => Place::Weights(offset + bytes),
        Place::At(address, offset) => Place::At(address, offset + bytes),
    }
}

/// Calls, as often as all of them run.
struct Step {
    iterations: usize,
    calls: Vec<Run>,
}

/// A call: of each argument its place, and by how many bytes that moves in each iteration.
struct Run {
    function: FuncId,
    tasks: usize,
    arguments: Vec<(Place, i64)>,
}

impl Step {
    fn once(function: FuncId, tasks: usize, places: Vec<Place>) -> Step {
        let arguments = places.into_iter().map(|place| (place, 0)).collect();
        Step { iterations: 1, calls: vec![Run { function, tasks, arguments }] }
    }
}

/// Writes the calls of some steps.
fn walk(f: &mut Function<'_>, steps: &[Step], arena: Value, weights: Value) {
    let most = steps.iter().flat_map(|step| &step.calls).map(|call| call.arguments.len()).max().unwrap_or(0);
    if most == 0 && steps.is_empty() {
        return;
    }
    let (slot, table) = f.room(most * size_of::<u64>());
    for step in steps {
        let calls = |f: &mut Function<'_>, iteration: Option<Value>| {
            for call in &step.calls {
                write_call(f, call, (slot, table), (arena, weights), iteration);
            }
        };
        match step.iterations {
            0 => {}
            1 => calls(f, None),
            times => f.repeat(times, |f, iteration| calls(f, Some(iteration))),
        }
    }
}

fn write_call(
    f: &mut Function<'_>,
    call: &Run,
    (slot, table): (StackSlot, Value),
    (arena, weights): (Value, Value),
    iteration: Option<Value>,
) {
    // Arguments that move by as much share what they move by.
    let mut distances: BTreeMap<i64, Value> = BTreeMap::new();
    for (position, &(place, step)) in call.arguments.iter().enumerate() {
        let (base, offset) = match place {
            Place::Arena(offset) => (arena, offset),
            Place::Weights(offset) => (weights, offset),
            Place::At(address, offset) => (address, offset),
        };
        let mut address = f.moved(base, offset as i64);
        if let Some(iteration) = iteration.filter(|_| step != 0) {
            let distance = *distances.entry(step).or_insert_with(|| f.times(iteration, step));
            address = f.sum(address, distance);
        }
        f.store_to_room(address, slot, position * size_of::<u64>());
    }
    let (begin, end) = (f.constant(POINTER, 0), f.constant(POINTER, call.tasks as i64));
    f.call(call.function, &[table, begin, end]);
}
