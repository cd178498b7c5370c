//! From groups to drafts of calls: lowers each group over the memory of its values, in order, with the zeros around its
//! results before it, and the copies to states at the end. It knows in which piece of memory values lie; it knows no
//! offsets.

use kiln_graph::{Graph, NodeId};
use rustc_hash::FxHashMap;

use super::choices::Recipes;
use super::data::Part;
use super::group::Fusion;
use super::in_place::Placement;
use super::memo::{self, Memo};
use super::pieces::Memory;
use crate::lower::expression::{Expression, Storage};
use crate::lower::{self, Class, Context, Contracting, Described, Group, Lowered, Root, class, halo, map};
use crate::target::Target;

/// A call before its arguments have offsets.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its kernel, and the memory of its arguments.
    pub lowered: Lowered,
    /// What it computes, for people.
    pub label: String,
    /// The operations that it computes, in order.
    pub parts: Vec<Part>,
}

/// What comes of all groups.
pub struct Drafts {
    /// The drafts, in order.
    pub list: Vec<Draft>,
    /// The memory that they name.
    pub memory: Memory,
}

/// Lowers all groups; `members` are the nodes that each computes.
pub fn lower_groups(
    graph: &Graph,
    fusion: &Fusion,
    members: &[Vec<NodeId>],
    placement: Placement,
    invariant: &[bool],
    target: &Target,
    recipes: &mut Recipes<'_>,
) -> Drafts {
    let Placement { memory, copies, described } = placement;
    let mut lowering =
        Lowering { graph, invariant, target, recipes, memory, described, memo: Memo::default(), list: Vec::new() };
    for (position, (group, members)) in fusion.groups.iter().zip(members).enumerate() {
        lowering.group(position, group, &describe(graph, group, members));
    }
    for (id, input) in copies {
        lowering.update(id, input);
    }
    let Lowering { list, memory, .. } = lowering;
    Drafts { list, memory }
}

struct Lowering<'a, 'r> {
    graph: &'a Graph,
    invariant: &'a [bool],
    target: &'a Target,
    recipes: &'a mut Recipes<'r>,
    memory: Memory,
    described: FxHashMap<usize, Described>,
    memo: Memo,
    list: Vec<Draft>,
}

impl Lowering<'_, '_> {
    /// The zeros around what a group stores, then the group.
    fn group(&mut self, position: usize, group: &Group, description: &Description) {
        let lowered = self.lower(position, group, &description.name);
        self.recipes.label(&description.label);
        for &id in &group.stores {
            let to = self.memory.place(id);
            // The group's kernel writes the tensor and not what is around it; a kernel of its own does, and only where
            // there is a halo.
            let zeros = halo::lower(to, self.graph.shape(id), &self.memory.halos[id.index()], self.target);
            self.list.extend(zeros.map(|lowered| description.draft(lowered)));
        }
        self.list.extend(lowered.into_iter().map(|lowered| description.draft(lowered)));
    }

    fn lower(&mut self, position: usize, group: &Group, name: &str) -> Vec<Lowered> {
        let context = Context {
            graph: self.graph,
            located: &self.memory.located,
            halos: &self.memory.halos,
            invariant: self.invariant,
            exact: self.recipes.exact,
        };
        let described = self.described.remove(&position);
        let described = described.unwrap_or_else(|| lower::describe(&context, group));
        let (key, target) = match &described.root {
            // Recipes have scratch memory and operands beside the expression: all of that is part of the memo's key.
            Root::Contraction(contracting) => return self.contraction(&described.expression, contracting, name),
            Root::None => (memo::Root::None, self.target),
            Root::Reductions(values) => (memo::Root::Reductions(values.clone()), self.target),
            _ => {
                let memory = &mut self.memory;
                return lower::lower(name, &described, self.target, &mut |elements| memory.scratch(elements));
            }
        };
        self.memo.once(&mut self.memory, (name, key), &described.expression, &[], |scratch| {
            lower::lower(name, &described, target, scratch)
        })
    }

    fn contraction(&mut self, expression: &Expression, contracting: &Contracting, name: &str) -> Vec<Lowered> {
        // A result without elements: nothing is computed, and no recipe is looked for.
        if expression.is_empty() {
            return Vec::new();
        }
        let [left, right] = contracting.operands;
        let recipe = self.recipes.get(contracting.problem);
        let scratch: Vec<(Storage, usize)> =
            recipe.scratch.iter().map(|&elements| (self.memory.scratch(elements), elements)).collect();
        // In the order in which the key and the kernels name them: left, right, then scratch memory. All of it is there
        // already, so that the closure below asks for none.
        let others: Vec<Storage> =
            [left.storage, right.storage].into_iter().chain(scratch.iter().map(|s| s.0)).collect();
        let key = memo::Root::Contraction(contracting.problem.into());
        self.memo.once(&mut self.memory, (name, key), expression, &others, |_| {
            lower::lower_contraction(name, expression, [left, right], &recipe, &scratch, self.target)
        })
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
            self.list.push(Draft { lowered, label, parts: parts.clone() });
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
}

impl Description {
    /// The draft of one of the group's kernels.
    fn draft(&self, lowered: Lowered) -> Draft {
        let label = match lowered.role.word() {
            Some(word) => format!("{word} for {}", self.label),
            None => self.label.clone(),
        };
        Draft { lowered, label, parts: self.parts.clone() }
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
    let label = format!("{layer}{}{}", if layer.is_empty() { "" } else { ": " }, operations.join(" "));
    Description { name: operations.join("_"), label, parts }
}
