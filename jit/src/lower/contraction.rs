//! Sums of products with what is fused behind them: the epilogue of each stage that computes results is the group's
//! expression. How the sums are computed is none of its business (`crate::contraction`).

use kiln_graph::{DType, NodeId};

use super::expression::{
    Evaluation, Expression, ExpressionBuilder, Located, Point, Storage, element, identity, resolve_operand,
};
use super::group::{Context, Group};
use super::lowered::{Lowered, Role};
use crate::contraction::{Epilogue, Operand, Place, Problem, Recipe, Source, preferred_layouts_of};
use crate::kernel::{BufferId, Index, KernelBuilder, Value};
use crate::target::Target;

/// A contraction, and where its operands are.
#[derive(Clone, Debug)]
pub struct Contracting {
    /// What decides on how it is computed.
    pub problem: Problem,
    /// The operands in memory.
    pub operands: [Located; 2],
}

/// What a group computes whose root is a contraction.
pub fn describe(context: &Context<'_>, group: &Group, root: NodeId) -> (Expression, Contracting) {
    let graph = context.graph;
    let node = graph.node(root);
    let shape = node.ty.shape;
    let operands = [node.inputs[0], node.inputs[1]].map(|id| {
        let located = resolve_operand(graph, id, &|id| context.located(id)).expect("operands lie in memory");
        // Seen through a view (a transpose, a slice), what stands around the operand is another part of the tensor, or
        // zeros along other axes: it is taken to have none.
        let halo = context.halos.get(id).copied().unwrap_or_default();
        let invariant = context.invariant[id.index()];
        let element = element(located.dtype);
        // An f32 in memory that the graph rounds: it is rounded as it is read.
        let rounded = graph.ty(id).dtype == DType::Bf16 && located.dtype == DType::F32;
        (located, Operand { shape: graph.shape(id), element, rounded, layout: located.layout, halo, invariant })
    });
    let [(left, left_operand), (right, right_operand)] = operands;
    let outside = context.outside(group);
    let at = identity(shape.rank());
    let mut builder = ExpressionBuilder::new(graph, &outside, shape.dims().to_vec());
    builder.root(root, at.clone());
    context.store_all(&mut builder, group, shape, &at, shape.rank());
    let expression = builder.finish();
    let operands = [left_operand, right_operand];
    let [.., preferred] =
        preferred_layouts_of(&node.op, operands[0].element, operands[0].shape, operands[1].shape, shape)
            .expect("a contraction");
    // Tiles hold lanes along the last axis of the preferred order. If results must lie side by side along another one,
    // such as rows of pixels, each lane would be stored by itself; the problem says so, and its recipe may transpose
    // them.
    let along = stored_along(&expression, preferred.order[preferred.order.len() - 1]);
    let problem = Problem { op: node.op.clone(), operands, output: shape, along, exact: context.exact };
    (expression, Contracting { problem, operands: [left, right] })
}

/// The kernels of a contraction's stages. `rounded`: whether what they read of the operands is. `scratch` is the memory
/// between them.
pub fn lower(
    name: &str,
    expression: &Expression,
    [left, right]: [Located; 2],
    rounded: [bool; 2],
    recipe: &Recipe,
    scratch: &[Storage],
    target: &Target,
) -> Vec<Lowered> {
    let mut kernels = Vec::new();
    let weight = expression.weight(expression.stores.iter().map(|store| store.term));
    let operands = [left, right].map(|operand| (element(operand.dtype), operand.layout.elements));
    for stage in &recipe.stages {
        // A stage that multiplies and gives no results makes parts of sums; one that does neither copies.
        let role = match stage.results {
            true => Role::Results,
            false if stage.flops > 0 => Role::Part,
            false => Role::Pack,
        };
        let mut kernel = KernelBuilder::new(role.word().unwrap_or(name), target.lanes);
        let mut arguments = Vec::new();
        let mut bytes = 0;
        // The expression's arguments are the kernel's first buffers, where there is an epilogue at all; the stage's
        // follow.
        let evaluation = stage.results.then(|| {
            arguments.extend(expression.arguments.iter().map(|argument| argument.storage));
            bytes += expression.bytes();
            let mut evaluation = Evaluation::new(expression, &mut kernel);
            evaluation.prepare(&mut kernel, expression.stores.iter().map(|store| store.term));
            evaluation
        });
        let buffers: Vec<_> = stage
            .buffers
            .iter()
            .map(|&(source, access)| {
                let (label, storage) = match source {
                    Source::Left => ("left", left.storage),
                    Source::Right => ("right", right.storage),
                    Source::Scratch(number) => ("scratch", scratch[number]),
                };
                let (element, elements) = recipe.buffer_of(stage, source, operands);
                arguments.push(storage);
                bytes += (element.bytes() * elements) as u64;
                kernel.buffer(label, element, elements, access)
            })
            .collect();
        stage.round_loads(&mut kernel, &buffers, rounded);
        stage.emit(&mut kernel, &buffers, &mut Fused { evaluation, weight });
        let flops = stage.flops + if stage.results { expression.flops() } else { 0 };
        let mut in_place = if stage.results { expression.in_place() } else { Vec::new() };
        // An epilogue may read an operand at the place that it writes (`x + dot(x, w)`), but the products read it
        // everywhere: a result over x would change the products of later tiles.
        in_place.retain(|&(_, from)| from != left.storage && from != right.storage);
        let kernel = kernel.finish().into();
        let products = stage.flops;
        kernels.push(Lowered {
            kernel,
            arguments,
            role,
            flops,
            products,
            weight: flops,
            bytes,
            in_place,
            in_rows: None,
        });
    }
    kernels
}

/// What is fused behind a contraction; stages without results have nothing and never ask for it.
struct Fused<'a> {
    evaluation: Option<Evaluation<'a>>,
    weight: u64,
}

impl<'a> Fused<'a> {
    fn point(&self, place: &Place) -> (&Evaluation<'a>, Point) {
        let mut point = Point::single(place.coordinates.clone());
        if let Some(axis) = place.lanes {
            point = Point::along(axis, point.coordinates, place.active);
        }
        (self.evaluation.as_ref().expect("stages with results have an epilogue"), point)
    }
}

impl Epilogue for Fused<'_> {
    /// The sums are still in a register: all is computed on it and stored.
    fn take(&mut self, kernel: &mut KernelBuilder, place: &Place, sum: Value) {
        let (evaluation, point) = self.point(place);
        evaluation.store(kernel, &point, &[sum]);
    }

    fn weight(&self) -> u64 {
        self.weight
    }

    fn results(&self, place: &Place) -> Vec<(BufferId, Index)> {
        let (evaluation, point) = self.point(place);
        evaluation.stores(&point)
    }
}

/// The axis along which neighbours are stored side by side, where they are not so along the usual one.
fn stored_along(expression: &Expression, usual: usize) -> Option<usize> {
    let runs = |axis: usize| expression.stores.iter().any(|store| store.access.strides[axis].abs() == 1);
    let long = |axis: usize| expression.extents[axis] > 1;
    if runs(usual) || !long(usual) {
        return None;
    }
    (0..expression.rank()).rev().find(|&axis| long(axis) && runs(axis))
}
