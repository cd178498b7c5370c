//! From groups to drafts of calls: lowers each group over the memory of its values, in order, with the zeros around its
//! results before it, and the copies to states at the end. It knows in which piece of memory values lie; it knows no
//! offsets.

use std::collections::HashMap;

use kiln_graph::op::Op;
use kiln_graph::passes::{prepare, rows_of_steps, unroll};
use kiln_graph::{Graph, NodeId};

use super::choices::Recipes;
use super::copy_elision::elide_copies;
use super::data::Part;
use super::drafts::{Draft, Drafts, Looped};
use super::fusion::fused;
use super::group::members;
use super::in_place::{self, Placement};
use super::invariant;
use super::layouts::layouts;
use super::memo::{self, Memo};
use super::pieces::Memory;
use super::scans::{Scan, repeated};
use super::split::{Exchanged, levels};
use crate::contraction::Recipe;
use crate::cost::cache::share;
use crate::cost::params::sharing::ROWS_READ;
use crate::cost::sharing::row_parts;
use crate::layout::Layout;
use crate::lower::expression::{Expression, Storage};
use crate::lower::{self, Class, Context, Contracting, Described, Group, Lowered, Root, class, halo, map};
use crate::target::Target;

/// The calls of a graph that is [prepared](prepare). `given` are the layouts of inputs that lie in memory already,
/// `invariant` the nodes that do not change from run to run, `exchanges` what [`super::split`] has
/// made of the graph's exchanges, `times` what [`super::recompute`] has made of it; of a body `parts` are those into
/// which its rows are cut, if there are several.
pub fn drafts(
    graph: &Graph,
    given: &HashMap<NodeId, Layout>,
    invariant: &[bool],
    (exchanges, times): (&[Exchanged], &[u32]),
    parts: usize,
    target: &Target,
    recipes: &mut Recipes<'_>,
) -> Drafts {
    let levels = levels(graph, exchanges);
    let fusion = fused(graph, exchanges, &levels, times);
    let layouts = layouts(graph, &fusion, given);
    let members: Vec<Vec<NodeId>> = fusion.groups.iter().map(|group| members(graph, &fusion, group)).collect();
    // Memory comes before kernels: a lowering is told where each value lies, and never has to take back what it wrote.
    let placement = in_place::place(graph, &fusion, &members, &layouts, invariant, (exchanges, &levels), recipes.exact);
    let Placement { mut memory, copies, mut described } = placement;
    for position in elide_copies(graph, &fusion, &members, invariant, target.lanes, &mut memory) {
        described[position] = None;
    }
    let mut lowering = Lowering {
        graph,
        invariant,
        parts,
        target,
        recipes,
        memory,
        described,
        memo: Memo::default(),
        read_by_all: HashMap::new(),
        list: Vec::new(),
        loops: Vec::new(),
    };
    let mut scratch = Vec::with_capacity(fusion.groups.len());
    for (position, (group, members)) in fusion.groups.iter().zip(&members).enumerate() {
        let (first, pieces) = (lowering.list.len(), lowering.memory.pieces.len());
        lowering.group(position, group, &describe(graph, group, members));
        let level = group.stores.iter().chain(&group.roots).map(|id| levels[id.index()]).max().unwrap_or(0);
        scratch.push(lowering.memory.pieces[pieces..].iter().map(|piece| piece.bytes() as u64).sum());
        let again = members.iter().any(|id| times.get(id.index()).is_some_and(|&time| time > 0));
        for draft in &mut lowering.list[first..] {
            (draft.level, draft.again) = (level, again);
            if again {
                draft.label.push_str(" (again)");
            }
        }
    }
    let (first, last) = (lowering.list.len(), levels.iter().copied().max().unwrap_or(0));
    for (id, input) in copies {
        lowering.update(id, input);
    }
    lowering.list[first..].iter_mut().for_each(|draft| draft.level = last);
    let Lowering { list, memory, loops, .. } = lowering;
    Drafts { list, memory, loops, scratch }
}

struct Lowering<'a, 'r> {
    graph: &'a Graph,
    invariant: &'a [bool],
    parts: usize,
    target: &'a Target,
    recipes: &'a mut Recipes<'r>,
    memory: Memory,
    described: Vec<Option<Box<Described>>>,
    memo: Memo,
    /// Where rows are cut: the right operands of the products so far, with their bytes.
    read_by_all: HashMap<Storage, usize>,
    list: Vec<Draft>,
    loops: Vec<Looped>,
}

impl Lowering<'_, '_> {
    /// The zeros around what a group stores, then the group.
    fn group(&mut self, position: usize, group: &Group, description: &Description) {
        if let Some(scan) = group.root().filter(|&root| matches!(self.graph.node(root).op, Op::Scan { .. })) {
            return self.scan(scan, group, description);
        }
        let lowered = self.lower(position, group, &description.name);
        self.recipes.label(&description.label);
        for &id in &group.stores {
            let to = self.memory.place(id);
            // The group's kernel writes the tensor and not what is around it; a kernel of its own does, and only where
            // there is a halo.
            let zeros =
                self.memory.halos.get(id).map(|zeros| halo::lower(to, self.graph.shape(id), zeros, self.target));
            self.list.extend(zeros.flatten().map(|lowered| description.draft(lowered)));
        }
        self.list.extend(lowered.into_iter().map(|lowered| description.draft(lowered)));
    }

    /// The loop of a scan: what it needs before the first step, then the calls of a step.
    fn scan(&mut self, scan: NodeId, group: &Group, description: &Description) {
        let node = self.graph.node(scan);
        let Op::Scan { body, .. } = node.op else { unreachable!("the root is a scan") };
        // A scan within a scan is written out: loops are not nested.
        let body = unroll(&self.graph.bodies[body as usize]);
        let body = prepare(&body);
        let scan = Scan::new(self.graph, group, &body, &mut self.memory);
        let invariant = invariant::nodes_of_body(&body);
        let parts = rows_of_steps(&body).map_or(1, row_parts);
        let drafts = drafts(&body, &scan.layouts(&body), &invariant, (&[], &[]), parts, self.target, self.recipes);
        for &(from, to) in &scan.carried {
            let from_place = self.memory.place(from);
            for lowered in map::copy(self.graph, self.graph.shape(from), from_place, to, self.target) {
                self.list.push(description.draft(lowered));
            }
        }
        let number = self.loops.len();
        self.loops.push(Looped { iterations: scan.length, parts });
        let label = &description.layer;
        let (before, each) = scan.bind(&body, drafts, number, (label, node.scope), &mut self.memory, self.target);
        self.list.extend(before);
        self.list.extend(each);
        for (first, other) in repeated(self.graph, group) {
            let (from, to) = (self.memory.place(first), self.memory.place(other));
            for lowered in map::copy(self.graph, self.graph.shape(first), from, to, self.target) {
                self.list.push(description.draft(lowered));
            }
        }
    }

    fn lower(&mut self, position: usize, group: &Group, name: &str) -> Vec<Lowered> {
        let context = Context {
            graph: self.graph,
            located: &self.memory.located,
            halos: &self.memory.halos,
            invariant: self.invariant,
            exact: self.recipes.exact,
        };
        let described = self.described[position].take();
        let described = described.unwrap_or_else(|| lower::describe(&context, group).into());
        let (key, target) = match &described.root {
            // Recipes have scratch memory and operands beside the expression: all of that is part of the memo's key.
            Root::Contraction(contracting) => return self.contraction(&described.expression, contracting, name),
            Root::None => (memo::Root::None, self.target),
            Root::Reductions(values) => (memo::Root::Reductions(values.clone()), self.target),
            _ => {
                let memory = &mut self.memory;
                let lowered = lower::lower(name, &described, self.target, &mut |elements| memory.scratch(elements));
                return self.in_rows(lowered, name, &described);
            }
        };
        let lowered = self.memo.once(&mut self.memory, (name, key), &described.expression, &[], |scratch| {
            lower::lower(name, &described, target, scratch)
        });
        self.in_rows(lowered, name, &described)
    }

    /// The same kernels with those that compute the same in parts of rows.
    fn in_rows(&self, mut lowered: Vec<Lowered>, name: &str, described: &Described) -> Vec<Lowered> {
        if self.parts > 1
            && let Some(cut) = lower::in_row_parts(name, described, self.parts, self.target)
            && cut.len() == lowered.len()
        {
            lowered.iter_mut().zip(cut).for_each(|(lowered, cut)| lowered.take_rows_of(cut));
        }
        lowered
    }

    fn contraction(&mut self, expression: &Expression, contracting: &Contracting, name: &str) -> Vec<Lowered> {
        // A result without elements: nothing is computed, and no recipe is looked for.
        if expression.is_empty() {
            return Vec::new();
        }
        let [left, right] = contracting.operands;
        let recipe = self.recipes.get(&contracting.problem);
        let scratch: Vec<Storage> = recipe.scratch.iter().map(|&elements| self.memory.scratch(elements)).collect();
        // In the order in which the key and the kernels name them: left, right, then scratch memory. All of it is there
        // already, so that the closure below asks for none.
        let others: Vec<Storage> = [left.storage, right.storage].into_iter().chain(scratch.iter().copied()).collect();
        let key = memo::Root::Contraction(contracting.problem.clone().into());
        let rounded = contracting.problem.operands.map(|operand| operand.rounded);
        let lower = |recipe: &Recipe| {
            lower::lower_contraction(name, expression, [left, right], rounded, recipe, &scratch, self.target)
        };
        let mut lowered = self.memo.once(&mut self.memory, (name, key), expression, &others, |_| lower(&recipe));
        // What is computed of constants alone comes before the loop.
        let operands = &contracting.problem.operands;
        if self.parts == 1 || operands.iter().all(|operand| operand.invariant) {
            return lowered;
        }
        // Each thread reads all of the right operands for its rows, where strips would be shared out: those of a whole
        // step have to stay together. A loop of which one call is not cut, is not.
        self.read_by_all.insert(right.storage, operands[1].element.bytes() * operands[1].shape.elements());
        if self.read_by_all.values().sum::<usize>() > share(self.target.l2_bytes, ROWS_READ) {
            self.parts = 1;
            return lowered;
        }
        let (cut, stages) = recipe.in_row_parts(self.parts, self.target);
        if stages.contains(&true) {
            let kernels = lowered.iter_mut().zip(lower(&cut)).zip(stages);
            kernels.filter(|(_, cut)| *cut).for_each(|((lowered, cut), _)| lowered.take_rows_of(cut));
        }
        lowered
    }

    /// The copy of a value to its state.
    fn update(&mut self, id: NodeId, input: usize) {
        let graph = self.graph;
        let input = &graph.inputs[input];
        let (from, to) = (self.memory.place(id), self.memory.place(input.node));
        let parts = vec![Part { scope: graph.node(id).scope, operation: "copy" }];
        // Behind all groups: nothing reads the old value any more.
        for lowered in map::copy(graph, graph.shape(id), from, to, self.target) {
            let label = format!("update {}", input.name);
            self.list.push(Draft::once(lowered, label, parts.clone()));
        }
    }
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
    /// The layer, with a colon behind it, if there is one.
    layer: String,
}

impl Description {
    /// The draft of one of the group's kernels.
    fn draft(&self, lowered: Lowered) -> Draft {
        let label = match lowered.role.word() {
            Some(word) => format!("{word} for {}", self.label),
            None => self.label.clone(),
        };
        Draft::once(lowered, label, self.parts.clone())
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
                // The root names the group (`fc` for a dot with a bias of `fc` and a relu of nobody); else whoever
                // comes first.
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
    // Names stand in profiles and in printed plans, in which a chain of 200 operations would be no help.
    if operations.len() > 6 {
        operations.truncate(5);
        operations.push("etc");
    }
    let layer = layer(scope);
    let layer = format!("{layer}{}", if layer.is_empty() { "" } else { ": " });
    let label = format!("{layer}{}", operations.join(" "));
    Description { name: operations.join("_"), label, parts, layer }
}
