//! The verifier: what every graph must satisfy, whoever made it. Tests run it after every pass, and so does whoever
//! takes a graph that a user built or wrote; a violation is a bug of whoever made the graph, and shows the graph with
//! the guilty line marked.
//!
//! 1. Every operand of a node is an earlier node (so the nodes are in topological order).
//! 2. The operation takes the node's operands, with its attributes, and gives the node's type: [`Op::check`], which
//!    knows the number of operands and their types, axes within ranks, permutations, bounds of slices and pads, the
//!    attributes of convolutions and windows.
//! 3. Entries of attributes past the rank (or past the spatial axes) hold their neutral values, so that equal
//!    operations compare equal.
//! 4. A constant is a value of its type: f32 any, bf16 what one holds, i32, u8 and i8 a whole number in
//!    range, bool 0 or 1.
//! 5. Every extent is below 2^31 (so it is never the symbolic [`Shape::N`](crate::Shape::N), and an i32 can index it),
//!    and a tensor has at most 2^44 elements. Those of nodes with operands are at least 1.
//! 6. Scope 0 is that outside of layers, every other one lies in an earlier one, and the scope of each node is in the
//!    table.
//! 7. Each input names a node that is an [`Op::Input`], and each such node belongs to exactly one input.
//! 8. No two inputs of one role have the same name, and no two outputs.
//! 9. An update is of a state, gives it a value of its type from a node that exists, and is the only one of that state.
//! 10. Outputs are nodes that exist.
//! 11. No input, output or state of a graph that is not a body is bf16; no input or output but a state is u8 or i8.
//! 12. Each body satisfies this list, and is that of exactly one scan, whose operands it takes; results that are read
//!     of a scan are results of its body, and of their types.

use std::ops::RangeInclusive;

use rustc_hash::FxHashSet;

use crate::bf16::Bf16;
use crate::graph::{Graph, Node, NodeId, Role, Scope, Type};
use crate::op::Op;
use crate::op::table::{Attributes, attributes};
use crate::ops::scan::{ScanError, check_operands, check_result};
use crate::shape::{DType, MAX_ELEMENTS, MAX_EXTENT, ShapeError};
use crate::text::{Place, annotate};

/// A broken invariant: a bug of whoever made the graph.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("invalid graph: {reason}\n{listing}")]
pub struct Violation {
    /// What is broken.
    pub reason: Reason,
    /// The guilty line.
    pub place: Place,
    /// The graph as text, with the guilty line marked.
    pub listing: String,
}

/// Which invariant is broken; the variants are in the order of the [list](self).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Reason {
    /// Invariant 1.
    #[error("operand {position} is no earlier node")]
    Order {
        /// Which operand of the node, counted from 0.
        position: usize,
    },
    /// Invariant 2.
    #[error("{0}")]
    Shape(ShapeError),
    /// Invariant 3.
    #[error("{mnemonic} has an attribute entry past the rank that is not neutral")]
    Surplus {
        /// The operation's mnemonic.
        mnemonic: &'static str,
    },
    /// Invariant 4.
    #[error("the constant is no {0}")]
    Constant(DType),
    /// Invariant 5.
    #[error("a tensor of type {0} has no size")]
    Size(Type),
    /// Invariant 6.
    #[error("scope {0} is not in the table of scopes")]
    Scope(u32),
    /// Invariant 6.
    #[error("scope 0 is not the empty name")]
    FirstScope,
    /// Invariant 7.
    #[error("input `{0}` names no input node")]
    InputNode(String),
    /// Invariant 7.
    #[error("the node belongs to {0} inputs instead of one")]
    Registered(usize),
    /// Invariant 8.
    #[error("two inputs of one role are named `{0}`")]
    InputName(String),
    /// Invariant 8.
    #[error("two outputs are named `{0}`")]
    OutputName(String),
    /// Invariant 9.
    #[error("the update is of no state")]
    NoState,
    /// Invariant 9.
    #[error("the state has type {state}, its update {new}")]
    UpdateType {
        /// The state's type.
        state: Type,
        /// The new value's type.
        new: Type,
    },
    /// Invariant 9.
    #[error("the update's value does not exist")]
    UpdateNode,
    /// Invariant 9.
    #[error("the state is updated twice")]
    UpdatedTwice,
    /// Invariant 10.
    #[error("output `{0}` does not exist")]
    OutputNode(String),
    /// Invariant 11.
    #[error("a tensor of type {0} is neither an input nor a result")]
    Outside(Type),
    /// Invariant 12.
    #[error("{0}")]
    Scan(ScanError),
    /// Invariant 12.
    #[error("no scan has body {0}")]
    Unused(usize),
    /// Invariant 12: what is wrong in a body.
    #[error("in body {body}: {reason}")]
    Body {
        /// Which body.
        body: usize,
        /// What is wrong in it.
        reason: Box<Reason>,
    },
}

/// Whether the graph satisfies every invariant of the [list](self).
///
/// # Errors
/// The first violation: nodes in their order, then inputs, updates and outputs.
pub fn verify(graph: &Graph) -> Result<(), Violation> {
    check(graph).and_then(|()| check_outside(graph)).map_err(|(place, reason)| {
        let listing = annotate(graph, place, &reason.to_string());
        Violation { reason, place, listing }
    })
}

type Guilt = (Place, Reason);

fn check(graph: &Graph) -> Result<(), Guilt> {
    if graph.scopes.first().is_none_or(|scope| *scope != Scope::default()) {
        return Err((Place::Header, Reason::FirstScope));
    }
    let mut registered = vec![0; graph.nodes.len()];
    for input in &graph.inputs {
        if let Some(count) = registered.get_mut(input.node.index()) {
            *count += 1;
        }
    }
    for (number, body) in graph.bodies.iter().enumerate() {
        let inside = |(_, reason)| (Place::Body(number), Reason::Body { body: number, reason: Box::new(reason) });
        check(body).map_err(inside)?;
    }
    let mut taken = vec![false; graph.bodies.len()];
    for id in graph.ids() {
        check_node(graph, id, registered[id.index()], &mut taken).map_err(|reason| (place_of(graph, id), reason))?;
    }
    if let Some(body) = taken.iter().position(|&taken| !taken) {
        return Err((Place::Body(body), Reason::Unused(body)));
    }
    check_inputs(graph)?;
    check_updates(graph)?;
    check_outputs(graph)
}

/// Where the text states a node.
fn place_of(graph: &Graph, id: NodeId) -> Place {
    graph.inputs.iter().position(|input| input.node == id).map_or(Place::Node(id), Place::Input)
}

fn check_node(graph: &Graph, id: NodeId, registered: usize, taken: &mut [bool]) -> Result<(), Reason> {
    let node = graph.node(id);
    if let Some(position) = node.inputs.iter().position(|operand| *operand >= id) {
        return Err(Reason::Order { position });
    }
    if !has_size(node.ty.shape.dims()) {
        return Err(Reason::Size(node.ty));
    }
    let operands: Vec<Type> = node.inputs.iter().map(|&operand| graph.ty(operand)).collect();
    node.op.check(&operands, node.ty).map_err(Reason::Shape)?;
    check_scan(graph, node, &operands, taken).map_err(Reason::Scan)?;
    let mut neutral = node.op.clone();
    attributes(&mut neutral, node.ty.shape.rank(), &mut Unchanged);
    if neutral != node.op {
        return Err(Reason::Surplus { mnemonic: node.op.mnemonic() });
    }
    if let Op::Constant(value) = node.op
        && !is_value(value.0, node.ty.dtype)
    {
        return Err(Reason::Constant(node.ty.dtype));
    }
    if node.scope as usize >= graph.scopes.len() {
        return Err(Reason::Scope(node.scope));
    }
    if registered != usize::from(node.op == Op::Input) {
        return Err(Reason::Registered(registered));
    }
    Ok(())
}

/// That a scan fits its body, which no other one has, and that a result that is read is one of its scan.
fn check_scan(graph: &Graph, node: &Node, operands: &[Type], taken: &mut [bool]) -> Result<(), ScanError> {
    match node.op {
        Op::Scan { body, length, .. } => {
            let taken = taken.get_mut(body as usize).ok_or(ScanError::Body(body))?;
            if std::mem::replace(taken, true) {
                return Err(ScanError::Shared(body));
            }
            check_operands(&graph.bodies[body as usize], length, operands)
        }
        Op::ScanResult { index } => {
            let Op::Scan { body, length, .. } = graph.node(node.inputs[0]).op else { return Err(ScanError::NoScan) };
            check_result(&graph.bodies[body as usize], length, index, node.ty)
        }
        _ => Ok(()),
    }
}

/// Whether extents are those of a tensor that can be in memory (a bound that holds without its empty axes, too).
pub(crate) fn has_size(extents: &[usize]) -> bool {
    let elements = extents.iter().try_fold(1usize, |elements, &extent| elements.checked_mul(extent.max(1)));
    extents.iter().all(|&extent| extent <= MAX_EXTENT) && elements.is_some_and(|elements| elements <= MAX_ELEMENTS)
}

/// Whether the number is one of the type's values.
pub(crate) fn is_value(value: f64, dtype: DType) -> bool {
    match dtype {
        DType::F32 => true,
        DType::Bf16 => value.is_nan() || f64::from(f32::from(Bf16::nearest(value as f32))).to_bits() == value.to_bits(),
        DType::I32 => f64::from(value as i32).to_bits() == value.to_bits(),
        DType::U8 => f64::from(value as u8).to_bits() == value.to_bits(),
        DType::I8 => f64::from(value as i8).to_bits() == value.to_bits(),
        DType::Bool => value.to_bits() == 0.0f64.to_bits() || value == 1.0,
    }
}

fn check_inputs(graph: &Graph) -> Result<(), Guilt> {
    let mut names = FxHashSet::default();
    for (index, input) in graph.inputs.iter().enumerate() {
        if graph.nodes.get(input.node.index()).is_none_or(|node| node.op != Op::Input) {
            return Err((Place::Input(index), Reason::InputNode(input.name.clone())));
        }
        if !names.insert((&input.name, input.role)) {
            return Err((Place::Input(index), Reason::InputName(input.name.clone())));
        }
    }
    Ok(())
}

/// That what comes from outside and goes there is no bf16, and of 8 bits only where it is a state.
fn check_outside(graph: &Graph) -> Result<(), Guilt> {
    let inputs = graph.inputs.iter().enumerate().map(|(index, input)| (Place::Input(index), input.node, input.role));
    let outputs = graph.outputs.iter().map(|output| (Place::Return, output.node, Role::Data));
    let is_of_programs_alone = |&(_, node, role): &(Place, NodeId, Role)| match graph.ty(node).dtype {
        DType::Bf16 => true,
        DType::U8 | DType::I8 => role != Role::State,
        DType::F32 | DType::I32 | DType::Bool => false,
    };
    match inputs.chain(outputs).find(is_of_programs_alone) {
        Some((place, node, _)) => Err((place, Reason::Outside(graph.ty(node)))),
        None => Ok(()),
    }
}

fn check_updates(graph: &Graph) -> Result<(), Guilt> {
    let mut updated = vec![false; graph.inputs.len()];
    for (index, update) in graph.updates.iter().enumerate() {
        let guilt = |reason| Err((Place::Update(index), reason));
        let Some(state) = graph.inputs.get(update.input).filter(|input| input.role == Role::State) else {
            return guilt(Reason::NoState);
        };
        let Some(new) = graph.nodes.get(update.node.index()) else {
            return guilt(Reason::UpdateNode);
        };
        let (state, new) = (graph.ty(state.node), new.ty);
        if state != new {
            return guilt(Reason::UpdateType { state, new });
        }
        if std::mem::replace(&mut updated[update.input], true) {
            return guilt(Reason::UpdatedTwice);
        }
    }
    Ok(())
}

fn check_outputs(graph: &Graph) -> Result<(), Guilt> {
    let mut names = FxHashSet::default();
    for output in &graph.outputs {
        if output.node.index() >= graph.nodes.len() {
            return Err((Place::Return, Reason::OutputNode(output.name.clone())));
        }
        if !names.insert(&output.name) {
            return Err((Place::Return, Reason::OutputName(output.name.clone())));
        }
    }
    Ok(())
}

/// Leaves every attribute as it is; what it is not shown becomes neutral.
struct Unchanged;

impl Attributes for Unchanged {
    fn scalar(&mut self, _: &mut f64) {}
    fn number(&mut self, _: &'static str, _: &mut u64, _: u64) {}
    fn flag(&mut self, _: &'static str, _: &mut bool) {}
    fn dtype(&mut self, _: &'static str, _: &mut DType) {}
    fn list(&mut self, _: &'static str, _: &mut Vec<usize>, _: RangeInclusive<usize>, _: usize) {}
}

#[cfg(test)]
mod tests {
    //! What no text can state; `tests/ir/errors/verify.ir` has the rest.

    use super::*;
    use crate::graph::{Input, Operands, Output, Update};
    use crate::op::{Axes, SliceSpec};
    use crate::shape::MAX_RANK;

    /// `%x: f32[2]`, state `%s: f32[2]`, `%0 = neg %x`.
    fn graph() -> Graph {
        crate::parse("graph f(%x: f32[2], state %s: f32[2]) { %0: f32[2] = neg %x update %s = %0 return %0 }").unwrap()
    }

    #[track_caller]
    fn check(change: impl Fn(&mut Graph), expected: &str) {
        let mut graph = graph();
        change(&mut graph);
        let violation = verify(&graph).unwrap_err();
        assert_eq!(violation.reason.to_string(), expected);
        assert!(violation.listing.contains(&format!("# error: {expected}")), "{violation}");
    }

    #[test]
    fn operands_exist() {
        check(|graph| graph.nodes[2].inputs = Operands::from_slice(&[NodeId(7)]), "operand 0 is no earlier node");
    }

    #[test]
    fn surplus_entries_are_neutral() {
        let mut spec = SliceSpec { start: [0; MAX_RANK], limit: [0; MAX_RANK], step: [1; MAX_RANK] };
        spec.limit[0] = 2;
        spec.start[5] = 1;
        check(
            |graph| graph.nodes[2].op = Op::Slice(spec.into()),
            "slice has an attribute entry past the rank that is not neutral",
        );
    }

    #[test]
    fn extents_are_numbers() {
        let shape = crate::Shape::new(&[crate::Shape::N]);
        check(|graph| graph.nodes[0].ty = Type::f32(shape), "a tensor of type f32[18446744073709551615] has no size");
    }

    #[test]
    fn scopes_are_in_the_table() {
        check(|graph| graph.nodes[2].scope = 3, "scope 3 is not in the table of scopes");
        check(|graph| graph.scopes.clear(), "scope 0 is not the empty name");
    }

    #[test]
    fn inputs_are_registered_once() {
        check(|graph| graph.inputs[1].node = NodeId(0), "the node belongs to 2 inputs instead of one");
        check(|graph| graph.inputs.truncate(1), "the node belongs to 0 inputs instead of one");
        let more = |node| Input::new("more", Role::Data, node);
        check(|graph| graph.inputs.push(more(NodeId(9))), "input `more` names no input node");
        check(|graph| graph.inputs.push(more(NodeId(2))), "the node belongs to 1 inputs instead of one");
    }

    #[test]
    fn updates_and_outputs_exist() {
        check(|graph| graph.updates[0].node = NodeId(9), "the update's value does not exist");
        check(|graph| graph.updates.push(Update { input: 9, node: NodeId(0) }), "the update is of no state");
        check(
            |graph| graph.outputs.push(Output { name: "y".to_string(), node: NodeId(9) }),
            "output `y` does not exist",
        );
    }

    #[test]
    fn reductions_know_their_axes() {
        let op = Op::Reduce { op: crate::op::ReduceOp::Sum, axes: Axes::new([7]) };
        let node = Node { op, inputs: Operands::from_slice(&[NodeId(0)]), ty: Type::f32([2]), scope: 0 };
        check(|graph| graph.nodes.push(node.clone()), "axis 7 of sum is not one of shape [2], or is given twice");
    }
}
