//! Mixed precision: a differentiated graph of f32 becomes one whose contractions read bf16, and whose activations and
//! gradients of activations lie in memory as bf16. It is what a user asks for ([`Precision`]), and, as `row_blocks`
//! and `quantize` do, it changes results. It knows operations and stages, no layers and no machines.
//!
//! PyTorch's autocast is the model: what it computes in bf16 is computed of the same rounded operands here, but sums
//! are of f32 and are rounded once, where a value is stored, rather than after each operation.
//!
//! - **Operands of contractions are bf16.** A value is rounded behind the last operation that computes it (what only
//!   moves elements follows in bf16), and all that read it read the rounded one, so that one copy is stored. Of
//!   parameters, of what is computed of parameters alone and of what is given from outside, contractions alone read a
//!   rounded copy: the value stays f32.
//! - **A contraction's result that leads to another contraction is rounded**, too, behind what is computed of each
//!   element alone (a rectifier, the bias of a layer): norms, their statistics among them, read the rounded one. What
//!   else is added is added in f32, unless a contraction reads the sum: scores of attention are rounded ahead of
//!   distances and of learnt ones (ALiBi's slopes, which are larger than scores by orders), and a result is not rounded
//!   at all where it meets another activation (a residual connection). In the backward pass sums are rounded: gradients
//!   have the precision of what they are gradients of.
//! - **What moves rounded values moves them in bf16** (views, concatenations, zeros around them): whoever reads
//!   them as f32 widens them behind that.
//! - **All else is f32**: contractions' sums and results that lead to losses only (logits), gradients of parameters,
//!   all that is computed for updates, statistics, exponentials and sums of a softmax, losses, states.
//! - Contractions with a constant (the weights of an interpolation, a triangle of ones that adds up) are movements or
//!   sums in disguise, and stay f32, as in PyTorch; so do those of parameters with one another.
//! - In the body of a scan the same holds; what is carried from step to step is f32. An input that only contractions
//!   read comes in as bf16, so that what all steps share is rounded once.
//!
//! What leads to a contraction of the forward pass is told by stages ([`Stage`]), for in the backward pass logits lead
//! to contractions, too.

use rustc_hash::FxHashMap;

use super::sweep::sweep;
use crate::graph::{Graph, Node, NodeId, Operands, Role, Stage, Type};
use crate::op::{BinaryOp, Family, Op};
use crate::shape::DType;

/// What a program computes in. States, and so files, are f32 in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// All numbers are f32.
    #[default]
    F32,
    /// Products of matrices and convolutions take operands rounded to bf16 (8 bits of precision, the range of f32) and
    /// add up in f32, and what lies in memory between them is bf16. All else is f32.
    Bf16,
}

/// The graph in mixed precision, which computes nearly the same.
pub fn mix(graph: &Graph) -> Graph {
    let inputs = graph.inputs.iter().map(|input| match input.role {
        Role::Data => Origin::Data,
        Role::State => Origin::Parameters,
    });
    mixed(graph, inputs.collect(), None).0
}

/// What a value is computed of, the most that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    /// Of nothing from outside.
    Constants,
    /// Of states as well, or for their updates.
    Parameters,
    /// Of what is given at each call.
    Data,
}

/// The graph in mixed precision, and the positions of the inputs that are bf16 then, if it is a body: a stage is given
/// for these, which is that of all their nodes.
fn mixed(graph: &Graph, inputs: Vec<Origin>, of_all: Option<Stage>) -> (Graph, Vec<usize>) {
    let facts = Facts::of(graph, inputs, of_all);
    let (bodies, narrow_inputs) = facts.bodies();
    let narrow = if of_all.is_some() { facts.only_multiplied() } else { Vec::new() };
    let rounded = facts.rounded(&narrow_inputs);
    let mut new = Graph { nodes: Vec::with_capacity(graph.nodes.len()), bodies, ..graph.clone() };
    let (wide, narrowed) = (FxHashMap::default(), FxHashMap::default());
    let mut writer = Writer { facts: &facts, rounded, at: Vec::new(), wide, narrow: narrowed };
    let mut is_narrow_input = vec![false; graph.nodes.len()];
    narrow.iter().for_each(|&input| is_narrow_input[graph.inputs[input].node.index()] = true);
    for id in graph.ids() {
        let node = graph.node(id);
        let is_narrow = |position: usize| match node.op {
            Op::Scan { body, .. } => narrow_inputs[body as usize].contains(&position),
            _ => facts.multiplies[id.index()],
        };
        if writer.is_moved(id) {
            let narrow = writer.moved(&mut new, id);
            let here = if facts.is_root[id.index()] { writer.wide(&mut new, id) } else { narrow };
            writer.at.push(here);
            continue;
        }
        let mut operands = Operands::new();
        for (position, &operand) in node.inputs.iter().enumerate() {
            operands.push(match is_narrow(position) {
                true => writer.narrow(&mut new, operand),
                false => writer.wide(&mut new, operand),
            });
        }
        let dtype = if is_narrow_input[id.index()] { DType::Bf16 } else { node.ty.dtype };
        let here = new.push(Node { inputs: operands, ty: Type { dtype, ..node.ty }, ..node.clone() });
        writer.at.push(here);
        if is_narrow_input[id.index()] {
            writer.narrow.insert(id, here);
            writer.rounded[id.index()] = true;
        }
    }
    let at = |id: NodeId| writer.at[id.index()];
    new.inputs.iter_mut().for_each(|input| input.node = at(input.node));
    new.outputs.iter_mut().for_each(|output| output.node = at(output.node));
    new.updates.iter_mut().for_each(|update| update.node = at(update.node));
    sweep(&mut new);
    (new, narrow)
}

/// What decides on precision, of each node.
struct Facts<'a> {
    graph: &'a Graph,
    /// Those of a body's nodes are all that of its scan.
    of_all: Option<Stage>,
    origins: Vec<Origin>,
    users: Vec<Vec<NodeId>>,
    /// Whether it is a result.
    is_root: Vec<bool>,
    /// Whether it is a contraction that takes bf16.
    multiplies: Vec<bool>,
}

impl<'a> Facts<'a> {
    fn of(graph: &'a Graph, inputs: Vec<Origin>, of_all: Option<Stage>) -> Facts<'a> {
        let mut users = vec![Vec::new(); graph.nodes.len()];
        for id in graph.ids() {
            graph.node(id).inputs.iter().for_each(|operand| users[operand.index()].push(id));
        }
        let mut is_root = vec![false; graph.nodes.len()];
        graph.roots().for_each(|root| is_root[root.index()] = true);
        let mut facts = Facts { graph, of_all, origins: Vec::new(), users, is_root, multiplies: Vec::new() };
        let mut given = vec![None; graph.nodes.len()];
        graph.inputs.iter().zip(inputs).for_each(|(input, origin)| given[input.node.index()] = Some(origin));
        for id in graph.ids() {
            let node = graph.node(id);
            let of_operands = node.inputs.iter().map(|operand| facts.origins[operand.index()]);
            let origin = match (given[id.index()], facts.stage(id)) {
                (Some(origin), _) => origin,
                (None, Stage::Update) => Origin::Parameters,
                (None, Stage::Forward | Stage::Backward) if node.op.family() == Family::Random => Origin::Data,
                (None, Stage::Forward | Stage::Backward) => of_operands.clone().max().unwrap_or(Origin::Constants),
            };
            let multiplies = node.op.family() == Family::Contraction
                && node.ty.dtype == DType::F32
                && facts.stage(id) != Stage::Update
                && origin == Origin::Data
                && of_operands.min() != Some(Origin::Constants);
            facts.origins.push(origin);
            facts.multiplies.push(multiplies);
        }
        facts
    }

    fn stage(&self, id: NodeId) -> Stage {
        self.of_all.unwrap_or_else(|| self.graph.scope(id).stage)
    }

    /// The bodies in mixed precision, and for each the operands of its scan that are bf16.
    fn bodies(&self) -> (Vec<Graph>, Vec<Vec<usize>>) {
        let mut bodies = self.graph.bodies.clone();
        let mut narrow = vec![Vec::new(); bodies.len()];
        for id in self.graph.ids() {
            let node = self.graph.node(id);
            let Op::Scan { body, .. } = node.op else { continue };
            if self.stage(id) == Stage::Update {
                continue;
            }
            let body = body as usize;
            let origin = |(input, operand): (usize, &NodeId)| {
                // What is carried comes of all that the body reads.
                let carried = self.graph.bodies[body].updates.iter().any(|update| update.input == input);
                if carried { Origin::Data } else { self.origins[operand.index()] }
            };
            let inputs = node.inputs.iter().enumerate().map(origin).collect();
            (bodies[body], narrow[body]) = mixed(&self.graph.bodies[body], inputs, Some(self.stage(id)));
        }
        (bodies, narrow)
    }

    /// The inputs of f32 that contractions alone read, moved about or not, and that keep their value.
    fn only_multiplied(&self) -> Vec<usize> {
        let mut only = vec![false; self.graph.nodes.len()];
        for id in self.graph.ids().rev() {
            let is_multiplied = |user: &NodeId| {
                self.multiplies[user.index()] || self.graph.node(*user).op.is_view() && only[user.index()]
            };
            let users = &self.users[id.index()];
            only[id.index()] = !users.is_empty() && !self.is_root[id.index()] && users.iter().all(is_multiplied);
        }
        let inputs = self.graph.inputs.iter().enumerate().filter(|&(position, input)| {
            let carried = self.graph.updates.iter().any(|update| update.input == position);
            !carried && only[input.node.index()] && self.graph.ty(input.node).dtype == DType::F32
        });
        inputs.map(|(position, _)| position).collect()
    }

    /// The values that all that read them read rounded; `narrow_inputs` are the operands of scans that are bf16.
    fn rounded(&self, narrow_inputs: &[Vec<usize>]) -> Vec<bool> {
        let mut rounded = vec![false; self.graph.nodes.len()];
        for id in self.graph.ids() {
            let node = self.graph.node(id);
            let operands = node.inputs.iter().enumerate().filter(|(position, _)| match node.op {
                Op::Scan { body, .. } => narrow_inputs[body as usize].contains(position),
                _ => self.multiplies[id.index()],
            });
            for (_, &operand) in operands {
                let source = self.source(operand);
                rounded[source.index()] |= self.is_activation(source);
            }
        }
        let leads = self.leads();
        for id in self.graph.ids().filter(|id| self.multiplies[id.index()]) {
            if let Some(last) = self.last_of_elements(id)
                && leads[last.index()]
            {
                rounded[self.source(last).index()] = true;
            }
        }
        rounded
    }

    /// What a value moves the elements of.
    fn source(&self, mut id: NodeId) -> NodeId {
        while self.graph.node(id).op.is_view() {
            id = self.graph.node(id).inputs[0];
        }
        id
    }

    /// Whether a value is computed, and of data.
    fn is_activation(&self, id: NodeId) -> bool {
        self.origins[id.index()] == Origin::Data && self.graph.node(id).op != Op::Input
    }

    /// For each value whether a contraction is computed of it, in the forward pass where it is one of the forward pass.
    fn leads(&self) -> Vec<bool> {
        let mut leads = vec![false; self.graph.nodes.len()];
        for id in self.graph.ids().rev() {
            let users = self.users[id.index()].iter().filter(|user| self.stage(**user) <= self.stage(id));
            leads[id.index()] = users.into_iter().any(|user| {
                let is_scan = self.graph.node(*user).op.family() == Family::Scan;
                self.multiplies[user.index()] || !is_scan && leads[user.index()]
            });
        }
        leads
    }

    /// The last value that is computed of a contraction's result element by element, for nobody else, up to a sum with more
    /// than a layer's parameters or a number (in the forward pass): what is stored of it. None where the sum is with another
    /// activation.
    fn last_of_elements(&self, contraction: NodeId) -> Option<NodeId> {
        let mut last = contraction;
        let factors = &self.graph.node(contraction).inputs;
        let of_layer = factors.iter().any(|factor| self.origins[factor.index()] == Origin::Parameters);
        while let Some(user) = self.only_user(last) {
            let node = self.graph.node(user);
            let elementwise = node.op.family() == Family::Elementwise && node.ty.dtype == DType::F32;
            if self.is_root[last.index()] || self.stage(user) == Stage::Update || !(elementwise || node.op.is_view()) {
                break;
            }
            let adds = matches!(node.op, Op::Binary(BinaryOp::Add | BinaryOp::Sub));
            if adds && self.stage(user) == Stage::Forward {
                let others = || node.inputs.iter().copied().filter(|&operand| operand != last);
                if others().any(|operand| self.origins[operand.index()] == Origin::Data) {
                    return None;
                }
                let is_bias = |operand: NodeId| of_layer && self.origins[operand.index()] == Origin::Parameters;
                if !others().all(|operand| is_bias(operand) || self.is_number(operand)) {
                    break;
                }
            }
            last = user;
        }
        Some(last)
    }

    /// Whether all elements of a value are one number.
    fn is_number(&self, id: NodeId) -> bool {
        matches!(self.graph.node(self.source(id)).op, Op::Constant(_))
    }

    /// The one that reads a value, alone or through others that it alone reads (a rectifier's mask).
    fn only_user(&self, id: NodeId) -> Option<NodeId> {
        let (&last, others) = self.users[id.index()].split_last()?;
        let is_for_last = |other: &NodeId| {
            *other == last || self.graph.node(*other).op.is_elementwise() && self.users[other.index()] == [last]
        };
        others.iter().all(is_for_last).then_some(last)
    }
}

/// The new graph while it is written: where each old node is, and its other precision.
struct Writer<'a> {
    facts: &'a Facts<'a>,
    rounded: Vec<bool>,
    at: Vec<NodeId>,
    /// By the old node: its rounded value as f32.
    wide: FxHashMap<NodeId, NodeId>,
    /// By the old node: its rounded value.
    narrow: FxHashMap<NodeId, NodeId>,
}

impl Writer<'_> {
    /// Whether a node moves elements of rounded values alone: it moves them in bf16.
    fn is_moved(&self, id: NodeId) -> bool {
        let node = self.facts.graph.node(id);
        let is_zero = |id: NodeId| matches!(self.facts.graph.node(id).op, Op::Constant(value) if value.0 == 0.0);
        let moved = match node.op {
            Op::Pad(_) => &node.inputs[..usize::from(is_zero(node.inputs[1]))],
            Op::Concat { .. } => &node.inputs[..],
            _ if node.op.is_view() => &node.inputs[..],
            _ => &[],
        };
        node.ty.dtype == DType::F32 && !moved.is_empty() && moved.iter().all(|operand| self.rounded[operand.index()])
    }

    /// What such a node makes of them.
    fn moved(&mut self, to: &mut Graph, id: NodeId) -> NodeId {
        self.rounded[id.index()] = true;
        let node = self.facts.graph.node(id);
        let mut inputs = Operands::new();
        node.inputs.iter().for_each(|&operand| inputs.push(self.narrow(to, operand)));
        let narrow = to.push(Node { inputs, ty: Type { dtype: DType::Bf16, ..node.ty }, ..node.clone() });
        self.narrow.insert(id, narrow);
        narrow
    }

    /// A value as f32 (or whatever it is), rounded if all read it rounded.
    fn wide(&mut self, to: &mut Graph, id: NodeId) -> NodeId {
        if !self.rounded[id.index()] {
            return self.at[id.index()];
        }
        if let Some(&wide) = self.wide.get(&id) {
            return wide;
        }
        let narrow = self.narrow(to, id);
        let wide = self.convert(to, id, narrow, DType::F32);
        self.wide.insert(id, wide);
        wide
    }

    /// A value as bf16. What moves elements moves rounded ones.
    fn narrow(&mut self, to: &mut Graph, id: NodeId) -> NodeId {
        let mut moves = Vec::new();
        let mut at = id;
        while !self.narrow.contains_key(&at) && self.facts.graph.node(at).op.is_view() {
            moves.push(at);
            at = self.facts.graph.node(at).inputs[0];
        }
        let mut narrow = match self.narrow.get(&at) {
            Some(&narrow) => narrow,
            None => {
                let narrow = self.convert(to, at, self.at[at.index()], DType::Bf16);
                self.narrow.insert(at, narrow);
                narrow
            }
        };
        for moved in moves.into_iter().rev() {
            let node = self.facts.graph.node(moved);
            let ty = Type { dtype: DType::Bf16, ..node.ty };
            narrow = to.push(Node { inputs: Operands::from_slice(&[narrow]), ty, ..node.clone() });
            self.narrow.insert(moved, narrow);
        }
        narrow
    }

    /// A value in another type, in the scope of what it is the value of.
    fn convert(&self, to: &mut Graph, id: NodeId, value: NodeId, dtype: DType) -> NodeId {
        let node = self.facts.graph.node(id);
        let ty = Type { dtype, ..node.ty };
        to.push(Node { op: Op::Convert(dtype), inputs: Operands::from_slice(&[value]), ty, scope: node.scope })
    }
}
