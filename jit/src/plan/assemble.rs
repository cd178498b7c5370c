//! From groups to calls: lowers each group over the layouts of its values, decides which states are updated in place, and
//! lays the temporary values out in the arena.

use std::hash::BuildHasher;
use std::sync::Arc;

use kiln_graph::{DType, Graph, NodeId, Role};
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use super::buffers::{self, Interval};
use super::copies::Copies;
use super::fuse::{Class, Fusion, Group, class, members};
use super::lasting;
use super::layout::Lying;
use super::made::Made;
use super::recipes::Recipes;
use super::repeated;
use super::{Argument, Call, Part, Place, Plan, Slot};
use crate::kernel::{Element, Kernel};
use crate::lower::expression::{Located, Storage};
use crate::lower::tile::{Halo, Problem, Recipe};
use crate::lower::{Lowered, halo};
use crate::target::Target;

/// Calls that are estimated to take less time on one thread (at 50 GFLOP/s and 40 GB/s) are not worth waking another one, which
/// takes about 2 microseconds.
const PARALLEL_NANOSECONDS: u64 = 7_000;

/// Whether the tasks of a call with so much work (floating-point operations, and bytes moved) are shared among threads.
pub fn worth_sharing(tasks: usize, flops: u64, bytes: u64) -> bool {
    tasks > 1 && flops / 50 + bytes / 40 > PARALLEL_NANOSECONDS
}

/// A piece of memory while the plan is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    elements: usize,
    pub use_: Purpose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Lives from its first to its last call.
    Temporary,
    /// Lives through the whole run: data inputs.
    Input,
    /// Lives from its first call to the end of the run and after it.
    Output,
    /// The buffer of a state input.
    State(usize),
}

/// What lowering a group may ask of the plan.
pub(super) struct Assembly<'a> {
    pub graph: &'a Graph,
    pub target: &'a Target,
    memory: Vec<Memory>,
    located: Vec<Option<Located>>,
    halos: Vec<Halo>,
    /// As [`lasting::nodes`] says.
    lasting: Vec<bool>,
    recipes: Recipes<'a>,
    /// The copies of states.
    pub copies: Copies,
    /// The kernels so far.
    pub made: Made,
    calls: Vec<(Lowered, Description)>,
}

impl Assembly<'_> {
    /// New temporary memory.
    pub fn scratch(&mut self, elements: usize) -> Storage {
        self.memory.push(Memory { elements, use_: Purpose::Temporary });
        Storage(self.memory.len() as u32 - 1)
    }

    /// What a function gives, and the temporary memory that it has asked for, with its lengths.
    pub fn with_scratch<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> (T, Vec<(Storage, usize)>) {
        let before = self.memory.len();
        let made = make(self);
        let new = self.memory.iter().enumerate().skip(before);
        let scratch = new.map(|(number, piece)| (Storage(number as u32), piece.elements)).collect();
        (made, scratch)
    }

    /// Where a node lies, if it is an input or stored.
    pub fn located(&self, id: NodeId) -> Option<Located> {
        self.located[id.index()]
    }

    /// Whether the memory is that of a state.
    pub fn is_state(&self, storage: Storage) -> bool {
        matches!(self.memory[storage.0 as usize].use_, Purpose::State(_))
    }

    /// How a contraction is computed.
    ///
    /// # Panics
    /// If the operation is none.
    pub fn recipe(&mut self, problem: Problem) -> Arc<Recipe> {
        self.recipes.get(problem)
    }

    /// Whether contractions are computed only in ways whose error is that of the definition.
    pub fn exact(&self) -> bool {
        self.recipes.exact
    }

    /// Whether a node has the same value in every run, so that copies of it are made once.
    pub fn lasts(&self, id: NodeId) -> bool {
        self.lasting[id.index()]
    }

    /// The zeros around a node that lies in memory.
    pub fn halo(&self, id: NodeId) -> Halo {
        self.halos[id.index()]
    }

    fn locate(&mut self, id: NodeId, lying: Lying, use_: Purpose) {
        let Lying { layout, halo } = lying;
        self.halos[id.index()] = halo;
        self.memory.push(Memory { elements: layout.elements, use_ });
        let storage = Storage(self.memory.len() as u32 - 1);
        self.located[id.index()] = Some(Located { storage, dtype: self.graph.ty(id).dtype, layout });
    }
}

/// The plan of a graph whose groups and layouts are decided.
pub(super) fn assemble(
    graph: &Graph,
    fusion: &Fusion,
    layouts: &[Option<Lying>],
    target: &Target,
    recipes: Recipes<'_>,
) -> Plan {
    let located = vec![None; graph.nodes.len()];
    let halos = vec![Halo::default(); graph.nodes.len()];
    let lasting = lasting::nodes(graph);
    let mut assembly = Assembly {
        graph,
        target,
        memory: vec![],
        located,
        halos,
        lasting,
        recipes,
        copies: Copies::new(target.l2_bytes),
        made: Made::default(),
        calls: vec![],
    };
    let layout = |id: NodeId| layouts[id.index()].expect("inputs and stored values have layouts");
    for (number, input) in graph.inputs.iter().enumerate() {
        let use_ = if input.role == Role::State { Purpose::State(number) } else { Purpose::Input };
        assembly.locate(input.node, layout(input.node), use_);
    }
    let members: Vec<Vec<NodeId>> = fusion.groups.iter().map(|group| members(graph, fusion, group)).collect();
    let readers = last_readers(graph, &members);
    // The states that are updated to a node, and the updates that a copy makes at the end.
    let updated: FxHashMap<NodeId, usize> =
        graph.updates.iter().rev().map(|update| (update.node, update.input)).collect();
    let outputs: FxHashSet<NodeId> = graph.outputs.iter().map(|output| output.node).collect();
    let mut updates: FxHashMap<NodeId, usize> = FxHashMap::default();
    for (position, group) in fusion.groups.iter().enumerate() {
        for &id in &group.stores {
            if let Some(&input) = updated.get(&id) {
                let state = graph.inputs[input].node;
                // A value that a reshape flattens has to lie in its own order.
                let lies_well = !fusion.row_major[id.index()] || layout(state) == layout(id);
                if lies_well && readers[state.index()].is_none_or(|last| last <= position) {
                    assembly.located[id.index()] = assembly.located[state.index()];
                    continue;
                }
                updates.insert(id, input);
            }
            let use_ = if outputs.contains(&id) { Purpose::Output } else { Purpose::Temporary };
            assembly.locate(id, layout(id), use_);
        }
    }
    for (group, members) in fusion.groups.iter().zip(&members) {
        let description = describe(graph, group, members);
        let lowered = loop {
            match super::groups::lower(&mut assembly, group, &description.name) {
                Ok(lowered) => break lowered,
                // A kernel that reads other places of a state than it writes writes elsewhere first.
                Err(storage) => {
                    let clashing = group
                        .stores
                        .iter()
                        .find(|id| assembly.located[id.index()].is_some_and(|located| located.storage == storage));
                    let &id = clashing.expect("the group writes the state");
                    updates.insert(id, updated[&id]);
                    assembly.locate(id, layout(id), Purpose::Temporary);
                }
            }
        };
        assembly.recipes.label(&description.label);
        for &id in &group.stores {
            let to = assembly.located[id.index()].expect("a stored value has a place");
            let zeros = halo::lower(to, graph.shape(id), &assembly.halos[id.index()], target);
            assembly.calls.extend(zeros.map(|lowered| (lowered, description.step("halo"))));
            if assembly.is_state(to.storage) {
                assembly.copies.write(to.storage);
            }
        }
        assembly.calls.extend(lowered.into_iter().map(|lowered| {
            let step = lowered.kernel.name != description.name;
            let description = if step { description.step(&lowered.kernel.name) } else { description.clone() };
            (lowered, description)
        }));
    }
    let mut copies: Vec<(NodeId, usize)> = updates.into_iter().collect();
    copies.sort_unstable();
    for (id, input) in copies {
        let from = assembly.located[id.index()].expect("an update is stored");
        let to = assembly.located[graph.inputs[input].node.index()].expect("an input lies in memory");
        let lowered = super::groups::copy(&assembly, graph.shape(id), from, to);
        let description = Description {
            name: "copy".to_owned(),
            label: format!("update {}", graph.inputs[input].name),
            parts: vec![Part { scope: graph.node(id).scope, operation: "copy" }],
        };
        assembly.calls.extend(lowered.into_iter().map(|lowered| (lowered, description.clone())));
    }
    finish(graph, assembly)
}

/// For each input the position of the last group that reads it; `members` are the nodes that each group computes.
fn last_readers(graph: &Graph, members: &[Vec<NodeId>]) -> Vec<Option<usize>> {
    let mut readers = vec![None; graph.nodes.len()];
    for (position, members) in members.iter().enumerate() {
        for id in members {
            for operand in &graph.node(*id).inputs {
                if class(graph, *operand) == Class::Input {
                    readers[operand.index()] = Some(position);
                }
            }
        }
    }
    readers
}

/// What a call computes.
#[derive(Clone, Debug)]
struct Description {
    /// The kernel's name: its operations.
    name: String,
    /// As [`Call::label`].
    label: String,
    /// As [`Call::parts`].
    parts: Vec<Part>,
}

impl Description {
    /// That of a call that prepares or completes the group's kernel.
    fn step(&self, name: &str) -> Description {
        Description { label: format!("{name} for {}", self.label), ..self.clone() }
    }
}

/// What the call of a group computes that has such members.
fn describe(graph: &Graph, group: &Group, members: &[NodeId]) -> Description {
    let layer = |scope: u32| graph.scopes.get(scope as usize).map_or("", |scope| scope.layer.as_str());
    let mut operations: Vec<&str> = Vec::new();
    let mut parts = Vec::new();
    let mut scope = 0;
    for &id in members {
        let node = graph.node(id);
        match class(graph, id) {
            Class::Elementwise | Class::Root => {
                parts.push(Part { scope: node.scope, operation: node.op.mnemonic() });
                if operations.last() != Some(&node.op.mnemonic()) {
                    operations.push(node.op.mnemonic());
                }
                // Constants and views may be those of other layers: equal nodes are shared.
                if layer(scope).is_empty() || group.roots.contains(&id) {
                    scope = node.scope;
                }
            }
            Class::Input | Class::Free | Class::View => {}
        }
    }
    if operations.is_empty() {
        operations.push("copy");
    }
    if operations.len() > 6 {
        operations.truncate(5);
        operations.push("etc");
    }
    let layer = layer(scope);
    let label = format!("{layer}{}{}", if layer.is_empty() { "" } else { ": " }, operations.join(" "));
    Description { name: operations.join("_"), label, parts }
}

/// When each piece of memory is needed; nothing for states. What the prologue leaves to later calls is needed for good.
fn intervals(memory: &[Memory], calls: &[(Lowered, Description)], prologue: usize) -> Vec<Option<Interval>> {
    let mut intervals: Vec<Option<Interval>> = vec![None; memory.len()];
    for (time, (lowered, _)) in calls.iter().enumerate() {
        for storage in &lowered.arguments {
            let bytes = 4 * memory[storage.0 as usize].elements;
            let interval = &mut intervals[storage.0 as usize];
            interval.get_or_insert(Interval { from: time, to: time, bytes }).to = time;
        }
    }
    for (piece, interval) in memory.iter().zip(&mut intervals) {
        let bytes = 4 * piece.elements;
        match piece.use_ {
            Purpose::Temporary => {
                let kept = interval.as_mut().filter(|interval| interval.from < prologue && interval.to >= prologue);
                kept.into_iter().for_each(|interval| interval.to = calls.len());
            }
            Purpose::State(_) => *interval = None,
            Purpose::Input => *interval = Some(Interval { from: 0, to: calls.len(), bytes }),
            Purpose::Output => {
                let from = interval.map_or(0, |interval| interval.from);
                *interval = Some(Interval { from, to: calls.len(), bytes });
            }
        }
    }
    intervals
}

/// Lets results take the place of operands that die where they are made: says which piece of memory each one is part of, and
/// makes that one's interval hold both.
fn share_memory(memory: &[Memory], calls: &[(Lowered, Description)], intervals: &mut [Option<Interval>]) -> Vec<usize> {
    let mut owner: Vec<usize> = (0..memory.len()).collect();
    for (time, (lowered, _)) in calls.iter().enumerate() {
        for &(to, from) in &lowered.in_place {
            let (to, from) = (to.0 as usize, owner[from.0 as usize]);
            let (Some(new), Some(old)) = (intervals[to], intervals[from]) else { continue };
            let dies = memory[from].use_ == Purpose::Temporary && old.to == time;
            if owner[to] == to && new.from == time && dies && old.bytes == new.bytes {
                owner[to] = from;
                intervals[to] = None;
                intervals[from] = Some(Interval { to: new.to, ..old });
            }
        }
    }
    owner
}

/// An offset for each piece of memory, 0 for one without an interval; the end of those pieces in which the prologue leaves
/// something, which come first; the end of all.
fn offsets(memory: &[Memory], intervals: &[Option<Interval>], prologue: usize) -> (Vec<usize>, usize, usize) {
    let mut offsets = vec![0; memory.len()];
    let mut kept_bytes = 0;
    let (mut numbers, mut others) = (Vec::new(), Vec::new());
    for (number, (piece, interval)) in memory.iter().zip(intervals).enumerate() {
        let Some(interval) = *interval else { continue };
        if piece.use_ != Purpose::Input && interval.from < prologue && interval.to >= prologue {
            offsets[number] = kept_bytes;
            kept_bytes += interval.bytes.next_multiple_of(buffers::ALIGNMENT);
        } else {
            numbers.push(number);
            others.push(interval);
        }
    }
    let (places, bytes) = buffers::place(&others);
    numbers.into_iter().zip(places).for_each(|(number, place)| offsets[number] = kept_bytes + place);
    (offsets, kept_bytes, kept_bytes + bytes)
}

/// Offsets, slots and calls.
fn finish(graph: &Graph, assembly: Assembly<'_>) -> Plan {
    let emitter = assembly.target.emitter;
    let Assembly { memory, located, recipes, copies, made, mut calls, .. } = assembly;
    drop(made);
    repeated::drop_repeated(&memory, copies.kept(), &mut calls, |(lowered, _)| lowered);
    let prologue = lasting::move_to_front(&memory, copies.kept(), &mut calls, |(lowered, _)| lowered);
    let mut intervals = intervals(&memory, &calls, prologue);
    let owner = share_memory(&memory, &calls, &mut intervals);
    let (offsets, kept_bytes, arena_bytes) = offsets(&memory, &intervals, prologue);
    let slots = memory
        .iter()
        .zip(offsets)
        .map(|(piece, offset)| {
            let place = match piece.use_ {
                Purpose::State(input) => Place::State { input },
                Purpose::Temporary | Purpose::Input | Purpose::Output => Place::Arena { offset },
            };
            Slot { place, elements: piece.elements }
        })
        .collect();
    let argument = |name: &str, role: Role, node: NodeId| {
        let Located { storage, layout, .. } = located[node.index()].expect("inputs and outputs lie in memory");
        Argument { name: name.to_owned(), role, ty: graph.ty(node), slot: owner[storage.0 as usize], layout }
    };
    let mut plan = Plan {
        name: graph.name.clone(),
        emitter,
        kernels: Vec::new(),
        calls: Vec::new(),
        prologue,
        contractions: recipes.finish(),
        slots,
        kept_bytes,
        arena_bytes,
        inputs: graph.inputs.iter().map(|input| argument(&input.name, input.role, input.node)).collect(),
        outputs: graph.outputs.iter().map(|output| argument(&output.name, Role::Data, output.node)).collect(),
    };
    let mut kernels = Distinct::default();
    for (Lowered { kernel, arguments, flops, bytes, .. }, Description { label, parts, .. }) in calls {
        let tasks: usize = kernel.grid.iter().product();
        plan.calls.push(Call {
            kernel: kernels.number(kernel),
            arguments: arguments.iter().map(|storage| owner[storage.0 as usize]).collect(),
            label,
            parts,
            flops,
            bytes,
            parallel: worth_sharing(tasks, flops, bytes),
        });
    }
    plan.kernels = kernels.list.into_iter().map(Arc::unwrap_or_clone).collect();
    plan
}

/// The distinct kernels of a plan, with their positions.
#[derive(Default)]
struct Distinct {
    list: Vec<Arc<Kernel>>,
    /// By what [`sketch`] says of them.
    known: FxHashMap<u64, Vec<usize>>,
}

impl Distinct {
    /// The position of a kernel.
    fn number(&mut self, kernel: Arc<Kernel>) -> usize {
        let alike = self.known.entry(sketch(&kernel)).or_default();
        if let Some(&number) = alike.iter().find(|&&number| self.list[number] == kernel) {
            return number;
        }
        alike.push(self.list.len());
        self.list.push(kernel);
        self.list.len() - 1
    }
}

/// A hash of what is quickly seen of a kernel.
fn sketch(kernel: &Kernel) -> u64 {
    let Kernel { name, buffers, grid, values, .. } = kernel;
    FxBuildHasher.hash_one((name, buffers, grid, values.len()))
}

/// The element type in memory of a value.
pub(super) fn element(dtype: DType) -> Element {
    match dtype {
        DType::F32 => Element::F32,
        DType::I32 | DType::Bool => Element::I32,
    }
}
