//! Which values are stored, and which are computed together: partitions a graph into groups, each of which becomes one
//! kernel (or a fixed few). A value that is not stored is computed again wherever it is used. Stored are
//! - the results of operations that are more than elementwise (unless `join.rs` puts what follows them into their
//!   kernel), outputs and updates, what a contraction, a window, a gather or a scan reads, what a reshape that merges
//!   axes reads, and a bf16 that is widened; but not what lies in memory as f32 in any case and is rounded for products
//!   of matrices, which round it as they copy it ([`is_rounded_when_read`]; convolutions read lines far apart, and wait
//!   for twice as many of f32); nor what windows alone read, each element once: of a weight of at most
//!   [`WINDOWED_WEIGHT`], from one tensor of its own size that is needed anyway (a normalized, rectified value in front
//!   of a pool);
//! - an elementwise value whose elements a broadcast repeats (scalar arithmetic, statistics of rows), if it costs
//!   anything;
//! - an elementwise value with several users, unless it is cheap: of a weight of at most [`RECOMPUTED_WEIGHT`], reading
//!   at most one tensor of its own size (a mask `x > 0`, a scaled tensor), and that tensor being needed anyway;
//! - an elementwise value that is computed by more than [`LARGEST`] operations since values were stored.
//!
//! It knows graphs and what can be computed inside of what; it knows no layouts and no memory.

use std::cmp::Reverse;

use kiln_graph::op::{Family, Op, Sums};
use kiln_graph::{DType, Few, Graph, Input, NodeId, Role};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::cost::params::fusion::{LARGEST, RECOMPUTED_WEIGHT, REPEATED, WINDOWED_WEIGHT};
use crate::lower::expression::{identity, reshape_coordinates};
use crate::lower::{Class, Group, class, windows_partition};

/// The operands that a node's kernel reads as a tensor in memory, not element by element.
fn read_from_memory(graph: &Graph, id: NodeId) -> &[NodeId] {
    let node = graph.node(id);
    match node.op.family() {
        Family::Contraction | Family::Window => &node.inputs,
        Family::Scan if matches!(node.op, Op::Scan { .. }) => &node.inputs,
        // The tensor that indices point into; what is scattered is read element by element.
        Family::Indexing if node.op.traits().sums == Sums::Single => &node.inputs[..1],
        Family::Source | Family::Elementwise | Family::Movement => &[],
        Family::Reduce | Family::Indexing | Family::Random | Family::Scan | Family::Exchange => &[],
    }
}

/// The groups of a graph, in an order in which they can run.
#[derive(Clone, Debug)]
pub struct Fusion {
    /// The groups.
    pub groups: Vec<Group>,
    /// For each node whether it is stored (inputs are not: they lie in memory from the start).
    pub stored: Vec<bool>,
    /// For each node whether it has to lie in row-major order, because a reshape merges its axes.
    pub row_major: Vec<bool>,
}

/// A group for each value that is stored. Every output and update must be a stored node of its own (`isolate_roots`).
pub fn group(graph: &Graph) -> Fusion {
    let Storing { stored, row_major } = Storing::decide(graph);
    let mut groups: Vec<Group> = Vec::new();
    // The group of each scan, whose results it stores.
    let mut scans: FxHashMap<NodeId, usize> = FxHashMap::default();
    for id in graph.ids() {
        match graph.node(id).op {
            Op::Scan { .. } => {
                scans.insert(id, groups.len());
                groups.push(Group { roots: vec![id], stores: Vec::new() });
            }
            Op::ScanResult { .. } if stored[id.index()] => {
                groups[scans[&graph.node(id).inputs[0]]].stores.push(id);
            }
            _ if stored[id.index()] => {
                let roots = if class(graph, id) == Class::Root { vec![id] } else { Vec::new() };
                groups.push(Group { roots, stores: vec![id] });
            }
            _ => {}
        }
    }
    // Scans that nobody reads.
    groups.retain(|group| !group.stores.is_empty());
    Fusion { groups, stored, row_major }
}

/// Every node that a group computes, views included, in order.
pub fn members(graph: &Graph, fusion: &Fusion, group: &Group) -> Vec<NodeId> {
    let mut members: Vec<NodeId> = Vec::new();
    let mut open: Vec<NodeId> = group.stores.clone();
    while let Some(id) = open.pop() {
        // Sorted by number, and so in an order in which they can be computed: operands stand before their users in a
        // graph.
        let (mut place, mut end) = (0, members.len());
        let before: &[NodeId] = members.as_slice();
        while place < end {
            let middle = (place + end) / 2;
            if before[middle].0 < id.0 {
                place = middle + 1;
            } else {
                end = middle;
            }
        }
        if place < before.len() && before[place].0 == id.0 {
            continue;
        }
        members.insert(place, id);
        for &operand in &graph.node(id).inputs {
            let elsewhere = fusion.stored[operand.index()] && !group.holds(operand);
            if !elsewhere && class(graph, operand) != Class::Input {
                open.push(operand);
            }
        }
    }
    members
}

/// The nodes that outputs and updates depend on.
fn live(graph: &Graph) -> Vec<bool> {
    let mut all = vec![false; graph.nodes.len()];
    // A slice: without optimization each index into a vector is a call.
    let live = all.as_mut_slice();
    graph.roots().for_each(|id| live[id.index()] = true);
    for id in graph.ids().rev() {
        if live[id.index()] {
            for operand in &graph.node(id).inputs {
                live[operand.index()] = true;
            }
        }
    }
    all
}

struct Storing {
    stored: Vec<bool>,
    row_major: Vec<bool>,
}

impl Storing {
    fn decide(graph: &Graph) -> Storing {
        let live = live(graph);
        let nodes = graph.nodes.len();
        let mut storing = Storing { stored: vec![false; nodes], row_major: vec![false; nodes] };
        graph.roots().for_each(|id| storing.stored[id.index()] = true);
        let mut live_ids = Vec::with_capacity(nodes);
        for id in graph.ids() {
            if live[id.index()] {
                live_ids.push(id);
            }
        }
        let live_ids = live_ids.as_slice();
        // Three walks, as each asks what those before it have found:
        // 1. roots (`dot`, `reduce`) and what a reshape flattens are stored whatever they cost;
        // 2. so is what a kernel reads as a tensor: `conv(relu(x), w)` reads relu(x) at many places for each result;
        // 3. of the other elementwise values those are stored that are dear to compute again, operands before users.
        for &id in live_ids {
            if class(graph, id) == Class::Root && !matches!(graph.node(id).op, Op::Scan { .. }) {
                storing.stored[id.index()] = true;
            }
            storing.keep_reshapable(graph, id);
        }
        let windowed = windowed(graph, live_ids);
        for &id in live_ids {
            // Not what windows alone read: in `max_pool(relu(x))` the pool may compute relu where it looks. The third
            // walk decides.
            for &operand in read_from_memory(graph, id).iter().filter(|operand| !windowed[operand.index()]) {
                storing.keep_in_memory(graph, operand, graph.node(id).op == Op::Dot);
            }
            // A value is rounded in order to be stored so: not the same numbers as f32, in twice the memory.
            if widens(graph, id) {
                storing.keep_in_memory(graph, graph.node(id).inputs[0], false);
            }
            if let Op::Scan { body, .. } = graph.node(id).op {
                storing.keep_for_loop(graph, id, &graph.bodies[body as usize]);
            }
        }
        let inner = used_within(graph, live_ids, &windowed);
        let uses = uses(graph, live_ids);
        // Asked for windowed values alone.
        let beside = windowed.contains(&true).then(|| Beside::new(graph, live_ids));
        let mut costs = vec![Cost::default(); nodes];
        for &id in live_ids {
            costs[id.index()] = storing.cost(graph, &costs, id);
            let is_elementwise = class(graph, id) == Class::Elementwise && !is_rounded_when_read(graph, id);
            if is_elementwise && !storing.stored[id.index()] {
                // `cost` is that of all terms back to the nearest stored values: what each further user would compute
                // again.
                let Use { places, repeated } = uses[id.index()];
                let Cost { weight, operations, ref tensors } = costs[id.index()];
                // In `h = relu(conv(x)); a(h); b(h)` one tensor has to lie in memory. With h there, the convolution's
                // results never leave the registers: the epilogue makes h of them. So h is not cheap to compute again,
                // though relu is.
                // Behind a root that nothing else reads it is stored instead of the root's result.
                let instead =
                    |&tensor: &NodeId| class(graph, tensor) == Class::Root && uses[tensor.index()].places == 1;
                storing.stored[id.index()] = operations > LARGEST
                    || if windowed[id.index()] {
                        // Windows that partition their input visit each element once, so that nothing is computed
                        // twice. But if x is read by this relu alone, storing x in place of relu(x) gains nothing, and
                        // takes relu out of the kernel that makes x.
                        let needed_anyway =
                            |&tensor: &NodeId| beside.as_ref().is_some_and(|beside| beside.reads(&storing, tensor, id));
                        weight > WINDOWED_WEIGHT || tensors.len() != 1 || !tensors.iter().all(needed_anyway)
                    } else {
                        // `repeated`: `x * rsqrt(v)[:, None]` would take the root once for each element of a row, not
                        // once a row. `places`: two users would compute it twice. `inner`: it is part of what windows
                        // compute anyway.
                        let cheap = weight <= RECOMPUTED_WEIGHT && tensors.len() <= 1 && !tensors.iter().any(instead);
                        !inner[id.index()] && (repeated && weight > 0 || places > 1 && !cheap)
                    };
            }
            if storing.stored[id.index()] {
                // From here on it is a load: whoever uses it begins to count anew.
                costs[id.index()] = Cost::of_tensor(id);
            }
        }
        storing
    }

    /// Sees to it that the value that a view shows lies in memory. `rounds`: whether its reader can round it.
    fn keep_in_memory(&mut self, graph: &Graph, id: NodeId, rounds: bool) {
        let mut id = id;
        // `conv(transpose(h), w)`: it is h that must lie in memory; the transpose is read through strides.
        let goes_on = |id| class(graph, id) == Class::View || rounds && is_rounded_when_read(graph, id);
        while goes_on(id) && !self.stored[id.index()] {
            id = graph.node(id).inputs[0];
        }
        self.stored[id.index()] |= class(graph, id) != Class::Input;
    }

    /// Stores what a loop can not read where the value lies that a view shows: what is carried, which begins as a copy, and
    /// parts of states, which may be written later.
    fn keep_for_loop(&mut self, graph: &Graph, scan: NodeId, body: &Graph) {
        for (number, &operand) in graph.node(scan).inputs.iter().enumerate() {
            let is_carried = body.updates.iter().any(|update| update.input == number);
            let mut source = operand;
            while class(graph, source) == Class::View && !self.stored[source.index()] {
                source = graph.node(source).inputs[0];
            }
            let is_state = |input: &Input| input.role == Role::State && input.node == source;
            let is_apart = is_carried || graph.inputs.iter().any(is_state);
            self.stored[operand.index()] |= is_apart && class(graph, operand) != Class::Input;
        }
    }

    /// Sees to it that a reshape that merges axes finds its operand in row-major order, or is a copy that makes it so.
    fn keep_reshapable(&mut self, graph: &Graph, id: NodeId) {
        let node = graph.node(id);
        let Op::Reshape(shape) = node.op else { return };
        let from = graph.shape(node.inputs[0]);
        // `[6] -> [2, 3]` cuts axes: the place in the operand is `3 i + j`, which is affine, and any layout will do.
        // `[2, 3] -> [6]` merges them: `k / 3` and `k % 3` are not. It is a view only of an operand that lies in
        // row-major order.
        if reshape_coordinates(from, shape, &identity(shape.rank()), shape.rank()).is_some() {
            return;
        }
        match class(graph, node.inputs[0]) {
            Class::Free | Class::Elementwise | Class::Root => {
                self.stored[node.inputs[0].index()] = true;
                self.row_major[node.inputs[0].index()] = true;
            }
            // The copy goes by the places of its operand.
            Class::Input | Class::View => {
                self.stored[id.index()] = true;
                self.row_major[id.index()] = true;
            }
        }
    }

    /// What computing a node anew costs at each place.
    fn cost(&self, graph: &Graph, costs: &[Cost], id: NodeId) -> Cost {
        let node = graph.node(id);
        // Inputs lie in memory, whoever reads them.
        if node.op == Op::Input {
            return Cost::of_tensor(id);
        }
        let elements = node.ty.shape.elements();
        let own = usize::from(class(graph, id) == Class::Elementwise);
        // Whatever is loaded of 16 bits is widened.
        let weight = if widens(graph, id) { 0 } else { node.op.traits().weight };
        let mut cost = Cost { weight, operations: own, tensors: Tensors::new() };
        for operand in &node.inputs {
            let Cost { weight, operations, tensors } = &costs[operand.index()];
            cost.weight = cost.weight.saturating_add(*weight);
            cost.operations = cost.operations.saturating_add(*operations);
            for &tensor in tensors {
                // Small operands that are repeated over the result cost nothing to read.
                let is_small = graph.shape(tensor).elements() * REPEATED <= elements;
                if !is_small && !cost.tensors.contains(&tensor) {
                    cost.tensors.push(tensor);
                }
            }
        }
        // Whether they are one or more is all that is asked for, and the largest ones are the last to become small.
        if cost.tensors.len() > 1 {
            cost.tensors.sort_unstable_by_key(|&tensor| (Reverse(graph.shape(tensor).elements()), tensor));
            cost.tensors.truncate(2);
        }
        cost
    }
}

/// Whether a node makes an f32 of a bf16.
fn widens(graph: &Graph, id: NodeId) -> bool {
    let node = graph.node(id);
    node.op == Op::Convert(DType::F32) && graph.ty(node.inputs[0]).dtype == DType::Bf16
}

/// Whether a node rounds to bf16 what lies in memory as f32 in any case, and whose value is another one in the next run:
/// a state that the graph updates, an input, an output. A value that stays from run to run is better rounded once.
pub fn is_rounded_when_read(graph: &Graph, id: NodeId) -> bool {
    let node = graph.node(id);
    if node.op != Op::Convert(DType::Bf16) || graph.ty(node.inputs[0]).dtype != DType::F32 {
        return false;
    }
    let mut source = node.inputs[0];
    while class(graph, source) == Class::View {
        source = graph.node(source).inputs[0];
    }
    match graph.node(source).op {
        Op::Input => graph.inputs.iter().enumerate().any(|(position, input)| {
            let is_updated = || graph.updates.iter().any(|update| update.input == position);
            input.node == source && (input.role == Role::Data || is_updated())
        }),
        _ => graph.roots().any(|root| root == source),
    }
}

/// The elementwise values that windows alone look at, each element in one window.
fn windowed(graph: &Graph, live: &[NodeId]) -> Vec<bool> {
    let mut windowed = vec![false; graph.nodes.len()];
    let looks = |&id: &NodeId| matches!(graph.node(id).op, Op::WindowReduce { .. } | Op::WindowMaxGrad(_));
    if !live.iter().any(looks) {
        return windowed;
    }
    let mut looked_at = vec![false; graph.nodes.len()];
    let mut otherwise = vec![false; graph.nodes.len()];
    graph.roots().for_each(|id| otherwise[id.index()] = true);
    for &id in live {
        let node = graph.node(id);
        // Windows that overlap would compute an element once for each window that it is in: those do not count.
        let windows = if let Op::WindowReduce { window, .. } = &node.op {
            windows_partition(window, graph.shape(node.inputs[0]), node.ty.shape)
        } else if let Op::WindowMaxGrad(window) = &node.op {
            windows_partition(window, node.ty.shape, graph.shape(node.inputs[1]))
        } else {
            false
        };
        for (number, operand) in node.inputs.iter().enumerate() {
            looked_at[operand.index()] |= windows && number == 0;
            otherwise[operand.index()] |= !windows || number != 0;
        }
    }
    for &id in live {
        windowed[id.index()] =
            looked_at[id.index()] && !otherwise[id.index()] && class(graph, id) == Class::Elementwise;
    }
    windowed
}

/// The elementwise values that nothing looks at but some values and what those are computed from.
fn used_within(graph: &Graph, live: &[NodeId], values: &[bool]) -> Vec<bool> {
    let mut within = values.to_vec();
    // Where there are none, each live node is looked at from an output or an update.
    if !values.contains(&true) {
        return within;
    }
    let mut otherwise = vec![false; graph.nodes.len()];
    graph.roots().for_each(|id| otherwise[id.index()] = true);
    for &id in live.iter().rev() {
        within[id.index()] |= class(graph, id) == Class::Elementwise && !otherwise[id.index()];
        let outside = !within[id.index()];
        graph.node(id).inputs.iter().for_each(|operand| otherwise[operand.index()] |= outside);
    }
    within
}

/// Who reads what.
struct Beside<'a> {
    graph: &'a Graph,
    /// The live users of each node.
    users: Vec<Few<NodeId, 4>>,
}

impl Beside<'_> {
    fn new<'a>(graph: &'a Graph, live: &[NodeId]) -> Beside<'a> {
        let mut users = vec![Few::new(); graph.nodes.len()];
        for &id in live {
            graph.node(id).inputs.iter().for_each(|operand| users[operand.index()].push(id));
        }
        Beside { graph, users }
    }

    /// Whether anything reads a stored tensor, or what is computed from it, but for what is on the path from it to a
    /// value.
    fn reads(&self, storing: &Storing, tensor: NodeId, value: NodeId) -> bool {
        if class(self.graph, tensor) == Class::Input {
            return true;
        }
        let mut from_tensor = FxHashSet::from_iter([tensor]);
        // What is computed of the tensor without a store in between, up to the value; then, of that, what the value
        // needs. A user of anything on this way that is not on it itself reads the tensor, or could: so it has to be
        // there whatever is decided here.
        let mut open = vec![tensor];
        while let Some(id) = open.pop() {
            let computed = |user: &&NodeId| **user <= value && !storing.stored[user.index()];
            open.extend(self.users[id.index()].iter().filter(computed).filter(|user| from_tensor.insert(**user)));
        }
        let mut on_the_way = FxHashSet::default();
        let mut open = vec![value];
        while let Some(id) = open.pop() {
            if from_tensor.contains(&id) && on_the_way.insert(id) {
                open.extend(&self.graph.node(id).inputs);
            }
        }
        let elsewhere = |id: &NodeId| self.users[id.index()].iter().any(|user| !on_the_way.contains(user));
        on_the_way.iter().any(|id| *id != value && elsewhere(id))
    }
}

/// The price of computing a value where it is used.
#[derive(Clone, Debug, Default)]
struct Cost {
    weight: u64,
    /// The elementwise operations, each as often as it is computed.
    operations: usize,
    /// The stored tensors that are read, but for small ones: the two largest.
    tensors: Tensors,
}

/// A few stored tensors.
type Tensors = Few<NodeId, 4>;

impl Cost {
    /// That of a value in memory.
    fn of_tensor(id: NodeId) -> Cost {
        Cost { tensors: Tensors::from_slice(&[id]), ..Cost::default() }
    }
}

/// Where a value is used.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    /// The number of operations that use it, directly or through views.
    places: usize,
    /// Whether a broadcast repeats each of its elements.
    repeated: bool,
}

fn uses(graph: &Graph, live: &[NodeId]) -> Vec<Use> {
    let mut all = vec![Use::default(); graph.nodes.len()];
    // A slice: without optimization each index into a vector is a call.
    let uses = all.as_mut_slice();
    for &id in live.iter().rev() {
        let node = graph.node(id);
        // Users come first in this walk: a view hands on how often it is used itself, so that `h.t()` in two places is
        // two uses of h.
        let through = if node.op.is_view() { uses[id.index()] } else { Use { places: 1, repeated: false } };
        let repeats =
            matches!(node.op, Op::Broadcast(shape) if shape.elements() > graph.shape(node.inputs[0]).elements());
        for operand in &node.inputs {
            let entry = &mut uses[operand.index()];
            entry.places += through.places;
            entry.repeated |= through.repeated || repeats;
        }
    }
    all
}
