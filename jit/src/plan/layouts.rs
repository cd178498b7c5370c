//! How each value lies in memory: the order of its axes, chosen so that contractions and windows find their operands as
//! they prefer them and elementwise neighbours agree. It knows graphs and groups; it knows no offsets in the arena.
//!
//! Orders are preferences. First come those that are given: states that other programs share, data, outputs, rows of
//! loops, values that a reshape flattens. Then each contraction and window prefers some for its operands and its
//! result; the first preference for a value wins. Then orders propagate along elementwise operations and views that
//! keep axes apart, so that gradients and moments lie as their parameters. Whatever is left is row-major. Nothing
//! depends on a preference for its correctness: every access is strided.
//!
//! A value that a convolution reads directly, in the order that it prefers, also gets the zero halo that the
//! convolution prefers: whoever writes the value writes the zeros around it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use kiln_graph::op::Family;
use kiln_graph::shape::MAX_RANK;
use kiln_graph::{Few, Graph, NodeId, Op, Role};

use super::group::{Fusion, is_rounded_when_read};
use crate::contraction;
use crate::layout::{Halo, Layout, Order, PreferredLayout};
use crate::lower::{self, Class, OfNodes, class};

/// How a value lies in memory, and the zeros that are kept around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueLayout {
    /// The layout.
    pub layout: Layout,
    /// The zeros.
    pub halo: Halo,
}

/// How each node lies that lies in memory: inputs and stored values.
/// `given` are the layouts of inputs that lie in memory already.
pub fn layouts(graph: &Graph, fusion: &Fusion, given: &HashMap<NodeId, Layout>) -> OfNodes<ValueLayout> {
    let nodes = graph.nodes.len();
    let mut preferences = Preferences {
        graph,
        stored: &fusion.stored,
        distinct: Vec::new(),
        orders: vec![NONE; nodes],
        fixed: vec![false; nodes],
        halos: OfNodes::new(nodes),
    };
    // The first order that a value gets is final, so that these calls stand in the order of their weight: what can not
    // be otherwise, then what contractions are fast with, then what agrees with a neighbour.
    preferences.fix(fusion, given);
    preferences.contractions_and_windows();
    preferences.updates();
    preferences.propagate();
    let mut layouts = OfNodes::new(nodes);
    let mut is_result = vec![false; nodes];
    graph.roots().for_each(|id| is_result[id.index()] = true);
    for id in graph.ids().filter(|id| fusion.stored[id.index()]) {
        // Outputs lie as users read them, and new states as the state does: neither has zeros around it.
        let halo = if is_result[id.index()] { Halo::default() } else { preferences.halo(id) };
        layouts.set(id, preferences.value_layout(id, halo));
    }
    for input in &graph.inputs {
        let value_layout = match given.get(&input.node) {
            Some(&layout) => ValueLayout { layout, halo: Halo::default() },
            None => preferences.value_layout(input.node, Halo::default()),
        };
        layouts.set(input.node, value_layout);
    }
    layouts
}

struct Preferences<'a> {
    graph: &'a Graph,
    /// Which values lie in memory, beside inputs.
    stored: &'a [bool],
    /// The orders that there are: few, however many values there are.
    distinct: Vec<Order>,
    /// For each node the number of its order, or [`NONE`].
    orders: Vec<OrderNumber>,
    /// Whether the order is fixed, so that it says nothing about what the neighbours should do.
    fixed: Vec<bool>,
    /// The orders and halos that contractions prefer of values that they read directly.
    halos: OfNodes<Vec<PreferredLayout>>,
}

/// The place of an order among the distinct ones.
type OrderNumber = u32;

/// No order.
const NONE: OrderNumber = u32::MAX;

/// What comes out of it comes largest first. Most is there from the start: sorting that once takes less than a heap of all.
struct Queue<T> {
    /// What was there, the largest last.
    first: Vec<T>,
    later: BinaryHeap<T>,
}

impl<T: Ord> Queue<T> {
    fn of(mut first: Vec<T>) -> Queue<T> {
        first.sort_unstable();
        Queue { first, later: BinaryHeap::new() }
    }

    fn pop(&mut self) -> Option<T> {
        if self.later.peek() > self.first.last() { self.later.pop() } else { self.first.pop() }
    }
}

impl Preferences<'_> {
    /// The number of an order.
    fn number(&mut self, order: Order) -> OrderNumber {
        let known = self.distinct.iter().position(|known| *known == order);
        known.unwrap_or_else(|| {
            self.distinct.push(order);
            self.distinct.len() - 1
        }) as OrderNumber
    }

    /// The number of the order of a value, if it has one.
    fn order(&self, id: NodeId) -> Option<OrderNumber> {
        let number = self.orders.as_slice()[id.index()];
        if number == NONE { None } else { Some(number) }
    }

    /// As [`Self::order`], if it says something about what the neighbours should do.
    fn free_order(&self, id: NodeId) -> Option<OrderNumber> {
        if self.fixed.as_slice()[id.index()] { None } else { self.order(id) }
    }

    fn value_layout(&self, id: NodeId, halo: Halo) -> ValueLayout {
        let shape = self.graph.shape(id);
        let order = self.order(id).map(|number| self.distinct[number as usize].clone());
        let order = order.unwrap_or_else(|| (0..shape.rank()).collect());
        ValueLayout { layout: PreferredLayout { order, halo }.layout(shape), halo }
    }

    /// The zeros around a value that serve all contractions that prefer it in the order that it has.
    fn halo(&self, id: NodeId) -> Halo {
        let mut halo = Halo::default();
        let Some(number) = self.free_order(id) else { return halo };
        let order = &self.distinct[number as usize];
        // The largest halo serves all: a convolution that pads by 1 reads a tensor with 2 zeros around it as well.
        for preferred in self.halos.get(id).into_iter().flatten().filter(|preferred| preferred.order == *order) {
            for axis in 0..MAX_RANK {
                halo.low[axis] = halo.low[axis].max(preferred.halo.low[axis]);
                halo.high[axis] = halo.high[axis].max(preferred.halo.high[axis]);
            }
        }
        halo
    }

    fn prefer(&mut self, id: NodeId, order: Order) -> bool {
        let number = self.number(order);
        self.prefer_number(id, number)
    }

    fn prefer_number(&mut self, id: NodeId, number: OrderNumber) -> bool {
        // A vector has one order alone: it would only tell its neighbours what they know.
        if self.orders[id.index()] != NONE || self.distinct[number as usize].len() < 2 {
            return false;
        }
        self.orders[id.index()] = number;
        true
    }

    fn fix(&mut self, fusion: &Fusion, given: &HashMap<NodeId, Layout>) {
        let graph = self.graph;
        let rank = |id: NodeId| graph.shape(id).rank();
        for input in &graph.inputs {
            match input.role {
                // Users' arrays are row-major. They are fixed, as a batch of images in PyTorch's order must not pass
                // that order to the convolutions behind it, which are faster with channels last.
                Role::Data => {
                    let rank = rank(input.node);
                    let order = given.get(&input.node).map_or((0..rank).collect(), |layout| layout.order(rank));
                    self.prefer(input.node, order);
                    self.fixed[input.node.index()] = true;
                }
                Role::State => {
                    if let Some(layout) = given.get(&input.node) {
                        // Not fixed: gradients and moments do well to lie as the weight does, which another program has
                        // laid out.
                        self.prefer(input.node, layout.order(rank(input.node)));
                    }
                }
            }
        }
        // The rows of a loop lie one behind the other.
        for id in graph.ids() {
            let node = graph.node(id);
            let rows: &[NodeId] = match node.op {
                Op::Scan { .. } => &node.inputs,
                Op::ScanResult { .. } => &[id],
                _ => &[],
            };
            for &id in rows.iter().filter(|&&id| class(graph, id) != Class::Input) {
                self.prefer(id, (0..rank(id)).collect());
                self.fixed[id.index()] = true;
            }
        }
        let flattened = graph.ids().filter(|id| fusion.row_major[id.index()]);
        for id in graph.outputs.iter().map(|output| output.node).chain(flattened) {
            self.prefer(id, (0..rank(id)).collect());
            self.fixed[id.index()] = true;
        }
    }

    fn contractions_and_windows(&mut self) {
        for id in self.graph.ids() {
            let node = self.graph.node(id);
            let shape = |id: NodeId| self.graph.shape(id);
            match node.op.family() {
                Family::Contraction => {
                    let [left, right] = node.inputs[..] else { continue };
                    let element = lower::expression::element(self.graph.ty(left).dtype);
                    let shapes = [left, right, id].map(shape);
                    let preferred =
                        contraction::preferred_layouts_of(&node.op, element, shapes[0], shapes[1], shapes[2]);
                    let [for_left, for_right, for_result] = preferred.expect("the operation is a contraction");
                    // Kept even if another order wins here: `halo` asks at the end which of them the value got.
                    for (operand, preferred) in [(left, &for_left), (right, &for_right)] {
                        match self.halos.get_mut(operand) {
                            Some(halos) => halos.push(preferred.clone()),
                            None => self.halos.set(operand, vec![preferred.clone()]),
                        }
                    }
                    // `dot(transpose(h), w)` wants an order of the transpose: h gets the one that shows as that through
                    // it.
                    self.prefer_through_views(left, for_left.order);
                    self.prefer_through_views(right, for_right.order);
                    self.prefer(id, for_result.order);
                }
                Family::Window => {
                    for &operand in &node.inputs {
                        self.prefer_through_views(operand, channels_last(shape(operand).rank()));
                    }
                    self.prefer(id, channels_last(shape(id).rank()));
                }
                Family::Source | Family::Elementwise | Family::Movement | Family::Reduce => {}
                Family::Indexing | Family::Random | Family::Scan | Family::Exchange => {}
            }
        }
    }

    /// Asks for an order of a value seen through transposes and the like.
    fn prefer_through_views(&mut self, id: NodeId, order: Order) {
        let (mut id, mut order) = (id, self.number(order));
        while class(self.graph, id) == Class::View || self.is_rounded_when_read(id) {
            let Some(before) = self.before(id, order) else { return };
            (id, order) = (self.graph.node(id).inputs[0], before);
        }
        self.prefer_number(id, order);
    }

    /// Whether a value is rounded by those that read it.
    fn is_rounded_when_read(&self, id: NodeId) -> bool {
        is_rounded_when_read(self.graph, id) && !self.stored[id.index()]
    }

    /// New values of states lie as the states; says which do so now.
    fn updates(&mut self) -> Vec<NodeId> {
        let graph = self.graph;
        let ends = graph.updates.iter().map(|update| (graph.inputs[update.input].node, update.node));
        ends.filter(|&(state, value)| self.order(state).is_some_and(|order| self.prefer_number(value, order)))
            .map(|(_, value)| value)
            .collect()
    }

    /// The order of the operand that gives the order of a node, if the node keeps axes apart.
    fn before(&mut self, id: NodeId, order: OrderNumber) -> Option<OrderNumber> {
        let op = &self.graph.node(id).op;
        if let Op::Transpose(permutation) = op {
            // Axis i of the node is axis permutation[i] of its operand: if `x.permute(0, 2, 3, 1)` is to lie in the
            // order 0 1 2 3, then x has to lie in the order 0 2 3 1, channels last.
            let order = self.distinct[order as usize].iter().map(|&axis| permutation[axis] as usize).collect();
            return Some(self.number(order));
        }
        if op.traits().keeps_axes { Some(order) } else { None }
    }

    /// The order of a node that an operand's order gives, if the node keeps axes apart.
    fn after(&mut self, id: NodeId, order: OrderNumber) -> Option<OrderNumber> {
        if let Op::Transpose(permutation) = &self.graph.node(id).op {
            let place = |axis: usize| permutation.iter().position(|&p| p as usize == axis);
            let order: Option<Order> = self.distinct[order as usize].iter().map(|&axis| place(axis)).collect();
            return Some(self.number(order?));
        }
        self.before(id, order)
    }

    /// Orders go on to users and to operands that have none, until nobody is left who could get one.
    ///
    /// Sweeps go forth along the nodes and back in turn, so that users of a preference come before what lies behind a
    /// turn from users to operands. There are as many as the longest path has turns, which may be thousands: so a sweep
    /// looks only at nodes that have a neighbour whose order is new since the last sweep of its direction. Each node
    /// gets one order, once: that is the end of it.
    fn propagate(&mut self) {
        let graph = self.graph;
        let mut users: Vec<Few<NodeId, 4>> = vec![Few::new(); graph.nodes.len()];
        for id in graph.ids() {
            graph.node(id).inputs.iter().for_each(|operand| users[operand.index()].push(id));
        }
        // Those whose order is new to the next sweep forth, and to the next one back.
        let mut forth: Vec<NodeId> = graph.ids().filter(|&id| self.order(id).is_some()).collect();
        let mut back = forth.clone();
        while !forth.is_empty() || !back.is_empty() {
            // Users have larger numbers than their operands, so that the smallest comes first and each once.
            let without = |&id: &NodeId| self.order(id).is_none();
            let reached = forth.drain(..).flat_map(|id| users[id.index()].iter().copied()).filter(without);
            let mut next = Queue::of(reached.map(Reverse).collect());
            while let Some(Reverse(id)) = next.pop() {
                if self.order(id).is_none() && self.prefer_as_operands(id) {
                    next.later.extend(users[id.index()].iter().copied().map(Reverse));
                    back.push(id);
                }
            }
            let updated = self.updates();
            forth.extend(&updated);
            back.extend(updated);
            let mut next = Queue::of(std::mem::take(&mut back));
            while let Some(id) = next.pop() {
                let preferred = self.prefer_of_operands(id);
                forth.extend(&preferred);
                next.later.extend(preferred);
            }
            let states = self.states();
            forth.extend(&states);
            back.extend(states);
        }
    }

    /// A node lies as the first of its operands that says how; whether one does.
    fn prefer_as_operands(&mut self, id: NodeId) -> bool {
        let graph = self.graph;
        for &operand in &graph.node(id).inputs {
            let Some(order) = self.free_order(operand) else { continue };
            if let Some(order) = self.after(id, order)
                && self.distinct[order as usize].len() > 1
            {
                return self.prefer_number(id, order);
            }
        }
        false
    }

    /// Operands without an order lie as the node that they are for; says which of them do so now.
    fn prefer_of_operands(&mut self, id: NodeId) -> Vec<NodeId> {
        let graph = self.graph;
        let Some(order) = self.free_order(id).and_then(|order| self.before(id, order)) else { return Vec::new() };
        let rank = self.distinct[order as usize].len();
        // An operand of another rank, as a scalar beside a tensor, has other axes.
        let operands = graph.node(id).inputs.iter().copied();
        operands.filter(|&operand| graph.shape(operand).rank() == rank && self.prefer_number(operand, order)).collect()
    }

    /// States without an order, as a moment that no contraction reads, take those of their new values; says which do so
    /// now.
    fn states(&mut self) -> Vec<NodeId> {
        let graph = self.graph;
        let ends = graph.updates.iter().map(|update| (graph.inputs[update.input].node, update.node));
        ends.filter(|&(state, value)| self.order(value).is_some_and(|order| self.prefer_number(state, order)))
            .map(|(state, _)| state)
            .collect()
    }
}

/// `n, spatial.., c`.
fn channels_last(rank: usize) -> Order {
    std::iter::once(0).chain(2..rank).chain([1]).collect()
}
