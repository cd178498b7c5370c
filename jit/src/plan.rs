//! The plan: which kernels run in which order over which places in memory. Everything is decided
//! here before anything is emitted; a plan prints, and knows its peak bytes and FLOPs.
//! It knows graphs and kernels; it knows no emitter and owns no memory.

mod assemble;
mod buffers;
mod copies;
mod fuse;
mod groups;
mod lasting;
mod layout;
mod made;
mod merge;
mod needs;
mod print;
mod reads;
mod recipes;
mod repeated;

pub use assemble::worth_sharing;

use std::collections::HashMap;

use kiln_graph::passes::prepare;
use kiln_graph::shape::MAX_RANK;
use kiln_graph::{Graph, Role, Type};

use crate::emit::EmitterKind;
use crate::kernel::Kernel;
use crate::target::Target;
use recipes::Recipes;
pub use recipes::{Choice, Choices, Contracted};

/// Why a graph can not be planned.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// The layout that was given for a state does not hold a tensor of its shape.
    #[error("the layout given for state `{name}` does not hold a tensor of type {ty}")]
    StateLayout {
        /// The state's name.
        name: String,
        /// Its type in the graph.
        ty: Type,
    },
}

/// As [`plan_by`], where nothing was measured.
///
/// # Errors
/// A given layout that does not fit its state.
pub fn plan(graph: &Graph, target: &Target, state_layouts: &HashMap<String, Layout>) -> Result<Plan, PlanError> {
    plan_by(graph, target, state_layouts, &Choices::new(), false)
}

/// Plans a graph for a target. States that other programs share lie as `state_layouts` says (by name); the plan chooses
/// the others' layouts, which are then found in [`Plan::inputs`]. Contractions are computed as the choices say, the others in the
/// way that is estimated to be the fastest; where `exact`, among those whose error is that of the definition.
///
/// # Errors
/// A given layout that does not fit its state.
pub fn plan_by(
    graph: &Graph,
    target: &Target,
    state_layouts: &HashMap<String, Layout>,
    choices: &Choices,
    exact: bool,
) -> Result<Plan, PlanError> {
    for input in graph.inputs.iter().filter(|input| input.role == Role::State) {
        let ty = graph.ty(input.node);
        if state_layouts.get(&input.name).is_some_and(|layout| !layout.holds(ty.shape)) {
            return Err(PlanError::StateLayout { name: input.name.clone(), ty });
        }
    }
    let graph = prepare(graph);
    let fusion = fuse::fuse(&graph);
    let layouts = layout::layouts(&graph, &fusion, state_layouts);
    Ok(assemble::assemble(&graph, &fusion, &layouts, target, Recipes::new(target, choices, exact)))
}

/// A compiled graph before emission.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The graph's name.
    pub name: String,
    /// What makes the code of all kernels.
    pub emitter: EmitterKind,
    /// The distinct kernels; equal ones are shared by their calls.
    pub kernels: Vec<Kernel>,
    /// What a run does, in order.
    pub calls: Vec<Call>,
    /// So many of the first calls read nothing but states that no call writes, or states whose copies the call that writes them
    /// writes, too. What they compute (weights in the order in which tiles read them, factors of a batch norm) is kept: they
    /// run again only once somebody else has changed one of these states.
    pub prologue: usize,
    /// The distinct contractions and how each is computed, in the order of their first calls.
    pub contractions: Vec<Contracted>,
    /// Every place in memory that a call may name.
    pub slots: Vec<Slot>,
    /// Bytes at the front of the arena in which the prologue leaves what later calls and users read: they last from run to run.
    pub kept_bytes: usize,
    /// Bytes of the arena: what is kept, then inputs, intermediates and outputs, by lifetime.
    pub arena_bytes: usize,
    /// The graph's inputs, in its order.
    pub inputs: Vec<Argument>,
    /// The graph's outputs, in its order.
    pub outputs: Vec<Argument>,
}

impl Plan {
    /// Lets go of the kernels, the calls and how contractions are computed: nearly all of a plan's memory, of which nobody but a
    /// reader has need once the code is there and bound.
    pub(crate) fn forget_calls(&mut self) {
        (self.kernels, self.calls, self.contractions) = (Vec::new(), Vec::new(), Vec::new());
    }
}

/// One run of a kernel.
#[derive(Clone, Debug)]
pub struct Call {
    /// Index into [`Plan::kernels`].
    pub kernel: usize,
    /// For each buffer of the kernel: a slot.
    pub arguments: Vec<usize>,
    /// The layers and operations that it computes, for people.
    pub label: String,
    /// The operations that it computes, in order. A group of operations that takes several calls (copies to panels,
    /// partial sums) is named by each of them.
    pub parts: Vec<Part>,
    /// Floating-point operations (a fused multiply-add counts as 2); of convolutions those of the definition.
    pub flops: u64,
    /// Bytes that must be read or written at least.
    pub bytes: u64,
    /// Whether it is worth more than one thread.
    pub parallel: bool,
}

/// An operation of the graph within a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it comes from, as an index into the graph's table of scopes.
    pub scope: u32,
    /// Its name: `conv`, `add`.
    pub operation: &'static str,
}

/// A place in memory of `elements` 32-bit elements, aligned to 64 bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// Where it is.
    pub place: Place,
    /// How long it is.
    pub elements: usize,
}

/// Where a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// In the arena, at a byte offset.
    Arena {
        /// A multiple of 64.
        offset: usize,
    },
    /// The buffer of a state input, by the input's position in [`Plan::inputs`].
    State {
        /// Index into [`Plan::inputs`].
        input: usize,
    },
}

/// An input or output of the plan.
#[derive(Clone, Debug)]
pub struct Argument {
    /// The name in the graph.
    pub name: String,
    /// Data, given at each call, or state; outputs are data.
    pub role: Role,
    /// The logical type: what the user sees.
    pub ty: Type,
    /// Index into [`Plan::slots`].
    pub slot: usize,
    /// How the logical elements lie in the slot.
    pub layout: Layout,
}

/// How a tensor lies in its buffer: element `[i, j, ..]` is at `offset + i * strides[0] + j * strides[1] + ..`.
/// Permuted axes (channels last) and halos (zeros around a tensor) are strides and an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// The place of the first element.
    pub offset: usize,
    /// The distance in elements along each axis; 0 past the rank and on broadcast axes.
    pub strides: [i64; MAX_RANK],
    /// The length of the buffer, halo included, in elements.
    pub elements: usize,
}
