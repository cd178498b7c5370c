//! What a group computes, over the places where its values lie: all that decides on its kernels, before any is written.
//! Describing takes nothing and changes nothing, so that others can look at it first: which places of which memory are
//! read and written.

use kiln_graph::DType;
use kiln_graph::op::{ArgOp, Op, ReduceOp};

use super::contraction::Contracting;
use super::expression::{Expression, Storage, TermId};
use super::group::{Context, Group, Writing};
use super::indexing::{self, Indexed};
use super::lowered::{Lowered, Role};
use super::window::{self, Task, WindowAxis};
use super::{contraction, map, movement, reduce};
use crate::target::Target;

/// A group's expression, and what its root does.
pub struct Described {
    /// What is computed at each place; the root's results are leaves of it.
    pub expression: Expression,
    /// What the root does.
    pub root: Root,
    /// When the places of a result are written.
    pub writing: Writing,
}

/// What the root of a group does with the group's expression.
pub enum Root {
    /// There is none.
    None,
    /// Reductions of some terms along the folded axes.
    Reductions(Vec<(TermId, ReduceOp)>),
    /// The place of the first largest or smallest value along the folded axis.
    ArgReduction(TermId, ArgOp),
    /// Sums of products of two operands in memory.
    Contraction(Box<Contracting>),
    /// What is done with windows that slide along some axes.
    Windows(Vec<WindowAxis>, Task),
    /// Elements at places that an index decides, of this memory.
    Gather { indexed: Indexed, booleans: bool, data: Storage },
    /// The term is added at places that an index decides; the expression that clears them comes before.
    Scatter { clear: Expression, indexed: Indexed, update: TermId },
    /// More boxes of the same result are written, one after the other.
    Boxes(Vec<Expression>),
}

impl Described {
    /// Every expression that is computed.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let others = match &self.root {
            Root::Boxes(others) => &others[..],
            Root::Scatter { clear, .. } => std::slice::from_ref(clear),
            _ => &[],
        };
        others.iter().chain([&self.expression])
    }

    /// The memory that is read other than by the expressions, at any place.
    pub fn read_anywhere(&self) -> Vec<Storage> {
        match &self.root {
            Root::Contraction(contracting) => contracting.operands.iter().map(|operand| operand.storage).collect(),
            Root::Gather { data, .. } => vec![*data],
            _ => Vec::new(),
        }
    }
}

/// What a group computes.
pub fn describe(context: &Context<'_>, group: &Group) -> Described {
    let graph = context.graph;
    // What the planner asks before it gives a state's memory to the result: is each place written once, after the reads
    // of the same place? Scatters clear before they add, and boxes come one after the other: theirs is `Repeated`.
    let once = |expression: Expression, root: Root| Described { expression, root, writing: Writing::Once };
    let Some(root) = group.root() else { return once(map::describe(context, group), Root::None) };
    let gather = |axis: Option<usize>| {
        let (expression, indexed, data) = indexing::describe_gather(context, group, root, axis);
        let booleans = graph.ty(graph.node(root).inputs[0]).dtype == DType::Bool;
        once(expression, Root::Gather { indexed, booleans, data })
    };
    let scatter = |axis: Option<usize>| {
        let (clear, expression, indexed, update) = indexing::describe_scatter(context, root, axis);
        Described { expression, root: Root::Scatter { clear, indexed, update }, writing: Writing::Repeated }
    };
    let boxes = |mut boxes: Vec<Expression>| {
        let expression = boxes.remove(0);
        Described { expression, root: Root::Boxes(boxes), writing: Writing::Repeated }
    };
    match graph.node(root).op {
        Op::Reduce { axes, .. } => {
            let (expression, values) = reduce::describe(context, group, axes);
            once(expression, Root::Reductions(values))
        }
        Op::ArgReduce { op, axis } => {
            let (expression, values) = reduce::describe_along(context, group, &[axis]);
            once(expression, Root::ArgReduction(values[0], op))
        }
        Op::Pad(ref pad) => boxes(movement::describe_pad(context, root, &pad.low)),
        Op::Concat { axis } => boxes(movement::describe_concat(context, root, axis)),
        Op::Gather { axis } => gather(Some(axis)),
        Op::TakeRows => gather(None),
        Op::ScatterAdd { axis, .. } => scatter(Some(axis)),
        Op::ScatterRows { .. } => scatter(None),
        _ if graph.node(root).op.window().is_some() => {
            let (expression, axes, task, writing) = window::describe(context, group, root);
            Described { expression, root: Root::Windows(axes, task), writing }
        }
        _ if graph.node(root).op.is_contraction() => {
            let (expression, contracting) = contraction::describe(context, group, root);
            once(expression, Root::Contraction(contracting.into()))
        }
        _ => unreachable!("{} has no kernel of its own", graph.node(root).op.mnemonic()),
    }
}

/// The kernels of what a group computes, but for a contraction's. `scratch` gives memory of so many elements.
pub fn lower(
    name: &str,
    described: &Described,
    target: &Target,
    scratch: &mut dyn FnMut(usize) -> Storage,
) -> Vec<Lowered> {
    let expression = &described.expression;
    match &described.root {
        Root::None => map::lower(name, expression, target),
        Root::Reductions(values) => {
            reduce::lower(name, expression, values, target, &mut |elements, _| scratch(elements))
        }
        Root::ArgReduction(value, op) => reduce::lower_arg(name, expression, *value, *op, target),
        Root::Windows(axes, task) => window::lower(name, expression, axes, *task, target),
        Root::Gather { indexed, booleans, .. } => indexing::lower_gather(name, expression, indexed, *booleans, target),
        Root::Scatter { clear, indexed, update } => {
            // Two kernels, as the first must be done everywhere before the second begins: an update may fall on any
            // place.
            let mut kernels = map::lower("clear", clear, target);
            kernels.iter_mut().for_each(|kernel| kernel.role = Role::Clear);
            kernels.extend(indexing::lower_scatter(name, expression, indexed, *update, target));
            kernels
        }
        Root::Boxes(others) => {
            [expression].into_iter().chain(others).flat_map(|expression| map::lower(name, expression, target)).collect()
        }
        Root::Contraction(_) => unreachable!("contractions are lowered by their recipe"),
    }
}

/// For each kernel that [`lower`] gives, one that computes the same in so many parts of its rows ([`Lowered::in_rows`]);
/// nothing where there is none.
pub fn in_row_parts(name: &str, described: &Described, parts: usize, target: &Target) -> Option<Vec<Lowered>> {
    let expression = &described.expression;
    match &described.root {
        Root::None => Some(vec![map::in_row_parts(name, expression, parts, target)?]),
        Root::Reductions(values) => Some(vec![reduce::in_row_parts(name, expression, values, parts, target)?]),
        Root::Boxes(others) => {
            let boxes = [expression].into_iter().chain(others).filter(|boxed| !boxed.is_empty() && !boxed.is_there());
            boxes.map(|boxed| map::in_row_parts(name, boxed, parts, target)).collect()
        }
        Root::ArgReduction(..) | Root::Windows(..) | Root::Gather { .. } | Root::Scatter { .. } => None,
        Root::Contraction(_) => unreachable!("contractions are lowered by their recipe"),
    }
}
