//! The plan: which kernels run in which order over which slots of memory. Everything is decided here before anything is
//! emitted; a plan prints, and knows its peak bytes and FLOPs. It knows graphs and kernels; it knows no emitter and
//! owns no memory.
//!
//! | stage | takes | gives | what holds afterwards |
//! | --- | --- | --- | --- |
//! | `split` | a graph | the same, cut at its exchanges | what is exchanged is an output and an input |
//! | (`kiln_graph::passes`) | that | the same, prepared | large products are in blocks of rows; results are nodes of their own |
//! | `group` | a graph | groups of nodes | each stored value is in one group; all else is computed where it is read |
//! | `join` | groups | fewer groups | no two groups need each other; what one kernel can compute is one group |
//! | `fusion`, `order` | groups | groups in order | no group needs a later one; updates come as soon as they can |
//! | `layouts` | groups | a layout for each value in memory | every layout holds its value; given ones are as given |
//! | `in_place` | layouts | a piece of memory for each value | a state is overwritten after its last read alone |
//! | `copy_elision` | places | fewer copies | what is only copied, by a contraction or a copy, lies where the copy would |
//! | `calls`, `scans`, `choices`, `memo` | groups in memory | drafts of calls | each reads what earlier ones wrote |
//! | `schedule`, `invariant`, `arena` | drafts | the [`Plan`] | the prologue comes first; live pieces never overlap |
//!
//! `prepack` has a part in the last one: no weight is packed twice before it changes. Where memory has a limit,
//! `recompute` asks for plans of graphs that compute values again, until one is within it.

mod arena;
mod calls;
mod choices;
mod copy_elision;
mod data;
mod drafts;
mod fusion;
mod group;
mod in_place;
mod invariant;
mod join;
mod layouts;
mod memo;
mod order;
mod pieces;
mod prepack;
mod print;
mod recompute;
mod rows_ahead;
mod scans;
mod schedule;
mod split;

pub use crate::cost::sharing::worth_sharing;
pub use choices::{Choice, Choices, Contracted};
pub use data::{Argument, Call, Exchange, Location, Loop, Move, Part, Plan, Slot};

pub use split::EXCHANGE;

use std::borrow::Cow;
use std::collections::HashMap;

use kiln_graph::passes::{optimize, prepare, row_blocks, row_sums};
use kiln_graph::{Graph, Role, Type};

use crate::cost::params::row_blocks::blocks;
use crate::cost::sharing::row_parts;
use crate::layout::Layout;
use crate::target::Target;
use calls::drafts;
use choices::Recipes;
use schedule::schedule;

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
    /// States and arena do not get along with the memory that was asked for.
    #[error("{least} bytes are needed, which is more than {limit}")]
    Memory {
        /// The bytes asked for.
        limit: usize,
        /// Bytes that are enough.
        least: usize,
    },
}

/// What a user asks of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Contractions are computed only in ways whose error is that of the definition.
    pub exact: bool,
    /// The most bytes that states and arena may take: values are computed again where they would else lie in memory for
    /// too long.
    pub memory_limit: Option<usize>,
}

/// As [`plan_by`], where nothing was measured.
///
/// # Errors
/// A given layout that does not fit its state.
pub fn plan(graph: &Graph, target: &Target, state_layouts: &HashMap<String, Layout>) -> Result<Plan, PlanError> {
    plan_by(graph, target, state_layouts, &Choices::new(), Wishes::default())
}

/// Plans a graph for a target. States that other programs share lie as `state_layouts` says (by name); the plan chooses
/// the others' layouts, which are then found in [`Plan::inputs`]. Contractions are computed as the choices say, the
/// others by the recipe that is estimated to be the fastest; where `exact`, among those whose error is that of the
/// definition.
///
/// # Errors
/// A given layout that does not fit its state; memory that does not do.
pub fn plan_by(
    graph: &Graph,
    target: &Target,
    state_layouts: &HashMap<String, Layout>,
    choices: &Choices,
    Wishes { exact, memory_limit }: Wishes,
) -> Result<Plan, PlanError> {
    // A layout that is given is a promise about a buffer that is there already: another program of the model made it.
    // It is looked at here, where the state has a name; the checker of kernels could only say which access leaves its
    // buffer.
    let mut given = HashMap::new();
    for input in graph.inputs.iter().filter(|input| input.role == Role::State) {
        let (ty, Some(&layout)) = (graph.ty(input.node), state_layouts.get(&input.name)) else { continue };
        if !layout.holds(ty.shape) {
            return Err(PlanError::StateLayout { name: input.name.clone(), ty });
        }
        given.insert(input.name.as_str(), layout);
    }
    let graph = split::split(graph);
    let blocked = match row_blocks(&graph, blocks(target.lanes)) {
        Cow::Borrowed(graph) => Cow::Borrowed(graph),
        // What is cut out of values and put together again often says the same in fewer words.
        Cow::Owned(blocked) => Cow::Owned(optimize(&blocked)),
    };
    let graph = row_sums(&blocked, row_parts);
    let graph = prepare(&graph);
    let planned = |graph: &Graph, times: &[u32], lean: bool| {
        let states = graph.inputs.iter().filter(|input| input.role == Role::State);
        let given = states.filter_map(|input| Some((input.node, *given.get(input.name.as_str())?))).collect();
        let invariant = invariant::nodes(graph);
        let mut recipes = Recipes::new(target, choices, exact, lean);
        let exchanges = split::exchanges(graph);
        let mut steps = drafts(graph, &given, &invariant, (&exchanges, times), 1, target, &mut recipes);
        let scratch = std::mem::take(&mut steps.scratch);
        (schedule(graph, steps, &exchanges, recipes, target), scratch)
    };
    let plan = planned(&graph, &[], false).0;
    let Some(limit) = memory_limit.filter(|&limit| plan.peak_bytes() > limit) else { return Ok(plan) };
    // Two plans at once would be the most memory that this takes.
    drop(plan);
    // Less scratch memory first: it takes no time, but from more than a few threads.
    let planned = |graph: &Graph, times: &[u32]| planned(graph, times, true);
    let (plan, scratch) = planned(&graph, &[]);
    let bytes = plan.peak_bytes();
    if bytes <= limit {
        return Ok(plan);
    }
    drop(plan);
    recompute::within(&graph, (bytes, scratch), limit, planned).map_err(|least| PlanError::Memory { limit, least })
}
