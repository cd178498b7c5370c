//! Lowers one group: builds the expression of its kernel over the layouts of its operands and hands it to the lowering of
//! its root's family.

use kiln_graph::op::{Axes, Op, ReduceOp, Window, WindowOp};
use kiln_graph::{DType, NodeId, Shape};

use super::assemble::{Assembly, element};
use super::fuse::Group;
use super::made::{Root, once};
use crate::kernel::KernelBuilder;
use crate::lower::expression::{
    Affine, Evaluation, Expression, ExpressionBuilder, Located, Point, Storage, Store, Term, TermId, identity,
    reshape_coordinates, reshape_view, resolve, view_coordinates,
};
use crate::lower::indexing::{self, Indexed};
use crate::lower::tile::{self, Halo, Operand, Place, Problem, Recipe, Source};
use crate::lower::window::{self, Task, WindowAxis};
use crate::lower::{Lowered, map, reduce};

/// The kernels of a group; or the state that the group writes in place although it reads other places of it.
pub(super) fn lower(assembly: &mut Assembly<'_>, group: &Group, name: &str) -> Result<Vec<Lowered>, Storage> {
    let graph = assembly.graph;
    let Some(root) = group.root() else {
        let mut expression = elementwise(assembly, group);
        check_states(assembly, &expression, &[], Writing::Once)?;
        assembly.copies.follow(&mut expression);
        let lower = |assembly: &mut Assembly<'_>| map::lower(name, &expression, assembly.target);
        return Ok(once(assembly, (name, Root::None), &expression, &[], lower));
    };
    let node = graph.node(root);
    match node.op {
        Op::Reduce { axes, .. } => {
            let (expression, values) = reductions(assembly, group, axes);
            check_states(assembly, &expression, &[], Writing::Once)?;
            let lower = |assembly: &mut Assembly<'_>| {
                let target = assembly.target;
                reduce::lower(name, &expression, &values, target, &mut |elements, _| assembly.scratch(elements))
            };
            Ok(once(assembly, (name, Root::Reductions(values.clone())), &expression, &[], lower))
        }
        Op::ArgReduce { op, axis } => {
            let (expression, values) = folded(assembly, group, &[axis]);
            check_states(assembly, &expression, &[], Writing::Once)?;
            Ok(reduce::lower_arg(name, &expression, values[0], op, assembly.target))
        }
        op if op.is_contraction() => contraction(assembly, group, root, name),
        Op::WindowReduce { op, window } => windows(assembly, group, root, &window, Sliding::Fold(op), name),
        Op::WindowMaxPick(window) => windows(assembly, group, root, &window, Sliding::Pick, name),
        Op::WindowMaxGrad(window) => windows(assembly, group, root, &window, Sliding::MaxGradient, name),
        Op::WindowSumGrad { window, .. } => windows(assembly, group, root, &window, Sliding::SumGradient, name),
        Op::Pad { low, .. } => pad(assembly, root, &low, name),
        Op::Concat { axis } => concat(assembly, root, axis, name),
        Op::Gather { axis } => gather(assembly, group, root, Some(axis), name),
        Op::TakeRows => gather(assembly, group, root, None, name),
        Op::ScatterAdd { axis, .. } => scatter(assembly, root, Some(axis), name),
        Op::ScatterRows { .. } => scatter(assembly, root, None, name),
        _ => unreachable!("{root} is no root"),
    }
}

/// A copy from one place to another.
pub(super) fn copy(assembly: &Assembly<'_>, shape: Shape, from: Located, to: Located) -> Vec<Lowered> {
    let nowhere = |_| None;
    let mut builder = ExpressionBuilder::new(assembly.graph, &nowhere, shape.dims().to_vec());
    let at = identity(shape.rank());
    let term = builder.load(from, &at);
    builder.store(term, to, &at);
    map::lower("copy", &builder.finish(), assembly.target)
}

/// When the places of a result are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// Once each, after all that is read at the same place.
    Once,
    /// Several times, or by several kernels one after the other.
    Repeated,
}

/// That no state that the expression writes is one of the operands, and that it is read at the places that are written alone, if
/// these are written once.
fn check_states(
    assembly: &Assembly<'_>,
    expression: &Expression,
    operands: &[Storage],
    writing: Writing,
) -> Result<(), Storage> {
    let written = |argument: usize| {
        let storage = expression.arguments[argument].storage;
        expression.arguments[argument].written && assembly.is_state(storage)
    };
    let clashes = |argument: usize, access: &Affine| {
        let elsewhere = |store: &Store| store.argument == argument && store.access != *access;
        written(argument) && (writing == Writing::Repeated || expression.stores.iter().any(elsewhere))
    };
    let read = expression.terms.iter().find_map(|term| match term {
        Term::Load { argument, access } if clashes(*argument, access) => Some(*argument),
        _ => None,
    });
    let operand = |&argument: &usize| written(argument) && operands.contains(&expression.arguments[argument].storage);
    match read.or_else(|| (0..expression.arguments.len()).find(operand)) {
        Some(argument) => Err(expression.arguments[argument].storage),
        None => Ok(()),
    }
}

/// Where the nodes that a group reads lie; what it computes itself lies nowhere yet.
fn outside<'a>(assembly: &'a Assembly<'_>, group: &'a Group) -> impl Fn(NodeId) -> Option<Located> + 'a {
    |id| if group.holds(id) { None } else { assembly.located(id) }
}

/// Stores the group's values, `at` being the place of the element of a tensor of the given shape.
fn store_all(
    assembly: &Assembly<'_>,
    builder: &mut ExpressionBuilder<'_>,
    group: &Group,
    shape: Shape,
    at: &[Affine],
    rank: usize,
) {
    for &id in &group.stores {
        let to = assembly.located(id).expect("a stored value has a place");
        let at = reshape_coordinates(assembly.graph.shape(id), shape, at, rank).expect("stores share their axes");
        let term = builder.node(id, &at);
        builder.store(term, to, &at);
    }
}

fn elementwise(assembly: &Assembly<'_>, group: &Group) -> Expression {
    let graph = assembly.graph;
    let outside = outside(assembly, group);
    let first = group.stores[0];
    let shape = graph.shape(first);
    let rank = shape.rank();
    if let Op::Reshape(_) = graph.node(first).op
        && view_coordinates(graph, first, &identity(rank), rank).is_none()
    {
        // A copy that merges axes goes by the places of its operand.
        let operand = graph.node(first).inputs[0];
        let from = graph.shape(operand);
        let to = assembly.located(first).expect("a stored value has a place");
        let layout = reshape_view(&to.layout, shape, from).expect("a flattened copy is row-major");
        let mut builder = ExpressionBuilder::new(graph, &outside, from.dims().to_vec());
        let at = identity(from.rank());
        let term = builder.node(operand, &at);
        builder.store(term, Located { layout, ..to }, &at);
        return builder.finish();
    }
    let mut builder = ExpressionBuilder::new(graph, &outside, shape.dims().to_vec());
    store_all(assembly, &mut builder, group, shape, &identity(rank), rank);
    builder.finish()
}

/// The expression of reductions of their first operands along some axes, and the terms that are folded.
fn folded(assembly: &Assembly<'_>, group: &Group, axes: &[usize]) -> (Expression, Vec<TermId>) {
    let graph = assembly.graph;
    let outside = outside(assembly, group);
    let operand = |root: NodeId| graph.node(root).inputs[0];
    let shape = graph.shape(operand(group.roots[0]));
    let rank = shape.rank();
    let mut builder = ExpressionBuilder::new(graph, &outside, shape.dims().to_vec());
    builder.fold(axes.iter().copied());
    let values = group.roots.iter().map(|&root| builder.node(operand(root), &identity(rank))).collect();
    let kept: Vec<Affine> = (0..rank).filter(|axis| !axes.contains(axis)).map(|a| Affine::axis(rank, a)).collect();
    group.roots.iter().for_each(|&root| builder.root(root, kept.clone()));
    store_all(assembly, &mut builder, group, graph.shape(group.roots[0]), &kept, rank);
    (builder.finish(), values)
}

/// The expression of a group of reductions along some axes, and the terms that are folded, with how.
pub(super) fn reductions(assembly: &Assembly<'_>, group: &Group, axes: Axes) -> (Expression, Vec<(TermId, ReduceOp)>) {
    let graph = assembly.graph;
    let rank = graph.shape(graph.node(group.roots[0]).inputs[0]).rank();
    let axes: Vec<usize> = axes.iter().filter(|&axis| axis < rank).collect();
    let (expression, values) = folded(assembly, group, &axes);
    let fold = |(&root, value): (&NodeId, TermId)| match graph.node(root).op {
        Op::Reduce { op, .. } => (value, op),
        ref other => unreachable!("{} beside a reduction", other.mnemonic()),
    };
    let values = group.roots.iter().zip(values).map(fold).collect();
    (expression, values)
}

fn contraction(assembly: &mut Assembly<'_>, group: &Group, root: NodeId, name: &str) -> Result<Vec<Lowered>, Storage> {
    let graph = assembly.graph;
    let node = graph.node(root);
    let shape = node.ty.shape;
    let operands = [node.inputs[0], node.inputs[1]].map(|id| {
        let located = resolve(graph, id, &|id| assembly.located(id)).expect("operands of contractions lie in memory");
        let halo = if assembly.located(id).is_some() { assembly.halo(id) } else { Halo::default() };
        let lasting = assembly.lasts(id);
        (located, Operand { shape: graph.shape(id), layout: located.layout, halo, lasting })
    });
    let [(left, left_operand), (right, right_operand)] = operands;
    let expression = {
        let outside = outside(assembly, group);
        let at = identity(shape.rank());
        let mut builder = ExpressionBuilder::new(graph, &outside, shape.dims().to_vec());
        builder.root(root, at.clone());
        store_all(assembly, &mut builder, group, shape, &at, shape.rank());
        builder.finish()
    };
    check_states(assembly, &expression, &[left.storage, right.storage], Writing::Once)?;
    if expression.is_empty() {
        return Ok(Vec::new());
    }
    let operands = [left_operand, right_operand];
    let [.., wanted] = tile::wanted(&node.op, operands[0].shape, operands[1].shape, shape).expect("a contraction");
    let along = stored_along(&expression, wanted.order[wanted.order.len() - 1]);
    let problem = Problem { op: node.op, operands, output: shape, along, exact: assembly.exact() };
    let recipe = assembly.recipe(problem);
    let scratch: Vec<(Storage, usize)> =
        recipe.scratch.iter().map(|&elements| (assembly.scratch(elements), elements)).collect();
    for stage in &recipe.stages {
        if let (Some(runs), &[(from, _), (Source::Scratch(number), _)]) = (stage.copies(), &stage.buffers[..])
            && let Some(located) = [(Source::Left, left), (Source::Right, right)].iter().find(|(s, _)| *s == from)
            && assembly.is_state(located.1.storage)
        {
            assembly.copies.note(located.1.storage, scratch[number], runs);
        }
    }
    let memory: Vec<Storage> = [left.storage, right.storage].into_iter().chain(scratch.iter().map(|s| s.0)).collect();
    let contraction = Contracting { recipe: &recipe, operands: [left, right], scratch: &scratch };
    let lower = |assembly: &mut Assembly<'_>| stages(assembly, name, &expression, &contraction);
    Ok(once(assembly, (name, Root::Contraction(problem.into())), &expression, &memory, lower))
}

/// How a contraction is computed, and where its operands and what lies between its stages are.
struct Contracting<'a> {
    recipe: &'a Recipe,
    operands: [Located; 2],
    scratch: &'a [(Storage, usize)],
}

/// The kernels of a contraction's stages.
fn stages(
    assembly: &mut Assembly<'_>,
    name: &str,
    expression: &Expression,
    contraction: &Contracting<'_>,
) -> Vec<Lowered> {
    let &Contracting { recipe, operands: [left, right], scratch } = contraction;
    let mut kernels = Vec::new();
    for stage in &recipe.stages {
        let name = match stage.results {
            true => name,
            false if stage.flops > 0 => "part",
            false => "pack",
        };
        let mut kernel = KernelBuilder::new(name, assembly.target.lanes);
        let mut arguments = Vec::new();
        let mut bytes = 0;
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
                let (label, storage, elements) = match source {
                    Source::Left => ("left", left.storage, left.layout.elements),
                    Source::Right => ("right", right.storage, right.layout.elements),
                    Source::Scratch(number) => ("scratch", scratch[number].0, scratch[number].1),
                };
                arguments.push(storage);
                bytes += 4 * elements as u64;
                kernel.buffer(label, element(DType::F32), elements, access)
            })
            .collect();
        stage.emit(&mut kernel, &buffers, &mut |kernel, place: &Place, sum| {
            let mut point = Point::single(place.coordinates.clone());
            if let Some(axis) = place.lanes {
                point = Point::along(axis, point.coordinates, place.active);
            }
            let evaluation = evaluation.as_ref().expect("stages with results call the epilogue");
            evaluation.store(kernel, &point, &[sum]);
        });
        let flops = stage.flops + if stage.results { expression.flops() } else { 0 };
        let mut in_place = if stage.results { expression.in_place() } else { Vec::new() };
        in_place.retain(|&(_, from)| from != left.storage && from != right.storage);
        kernels.push(Lowered { kernel: kernel.finish().into(), arguments, flops, bytes, in_place });
    }
    kernels
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

/// What is computed of each window.
#[derive(Clone, Copy)]
enum Sliding {
    Fold(WindowOp),
    Pick,
    MaxGradient,
    SumGradient,
}

/// How windows slide along the spatial axes of a tensor.
fn window_axes(window: &Window, over: Shape) -> Vec<WindowAxis> {
    let sliding = window.sliding;
    let axis = |axis: usize| WindowAxis {
        input: over.dim(2 + axis),
        kernel: window.kernel[axis],
        padding: sliding.padding[axis].0,
        stride: sliding.stride[axis],
        dilation: sliding.dilation[axis],
    };
    (0..sliding.spatial).map(axis).collect()
}

/// Whether each element lies in one window, so that more can be fused behind the windows' gradient.
pub(super) fn partitions(window: &Window, over: Shape, windows: Shape) -> bool {
    window::partitions(&window_axes(window, over), &windows.dims()[2..])
}

fn windows(
    assembly: &Assembly<'_>,
    group: &Group,
    root: NodeId,
    window: &Window,
    what: Sliding,
    name: &str,
) -> Result<Vec<Lowered>, Storage> {
    let graph = assembly.graph;
    let node = graph.node(root);
    let operand = |number: usize| graph.shape(node.inputs[number]);
    // The shape over which the windows slide, and the shape of one value a window.
    let (over, values) = match what {
        Sliding::Fold(_) | Sliding::Pick => (operand(0), node.ty.shape),
        Sliding::MaxGradient => (node.ty.shape, operand(1)),
        Sliding::SumGradient => (node.ty.shape, operand(0)),
    };
    let axes = window_axes(window, over);
    let spatial = axes.len();
    let rank = 2 + 2 * spatial;
    let mut extents = values.dims().to_vec();
    extents.extend(axes.iter().map(|axis| axis.kernel));
    let place: Vec<Affine> = (0..2 + spatial).map(|axis| Affine::axis(rank, axis)).collect();
    let mut inside = place.clone();
    for (number, axis) in axes.iter().enumerate() {
        inside[2 + number] = Affine::zero(rank)
            .shifted(-(axis.padding as i64))
            .plus(&Affine::axis(rank, 2 + number), axis.stride as i64)
            .plus(&Affine::axis(rank, 2 + spatial + number), axis.dilation as i64);
    }
    let outside = outside(assembly, group);
    let mut builder = ExpressionBuilder::new(graph, &outside, extents);
    builder.fold(2 + spatial..rank);
    let task = match what {
        Sliding::Fold(op) => Task::Fold(op, builder.node(node.inputs[0], &inside)),
        Sliding::Pick => Task::Pick(builder.node(node.inputs[0], &inside), builder.node(node.inputs[1], &inside)),
        Sliding::MaxGradient => {
            Task::MaxGradient(builder.node(node.inputs[0], &inside), builder.node(node.inputs[1], &place))
        }
        Sliding::SumGradient => Task::SumGradient(builder.node(node.inputs[0], &place)),
    };
    let (shape, at) = match what {
        Sliding::Fold(_) | Sliding::Pick => (values, place),
        Sliding::MaxGradient | Sliding::SumGradient => (over, inside),
    };
    builder.root(root, at.clone());
    store_all(assembly, &mut builder, group, shape, &at, rank);
    let expression = builder.finish();
    let gradient = matches!(what, Sliding::MaxGradient | Sliding::SumGradient);
    let once = !gradient || window::partitions(&axes, &values.dims()[2..]);
    check_states(assembly, &expression, &[], if once { Writing::Once } else { Writing::Repeated })?;
    Ok(window::lower(name, &expression, &axes, task, assembly.target))
}

/// Writes a node's value over a box of a stored value, whose first element has the given coordinates.
fn fill(
    assembly: &Assembly<'_>,
    name: &str,
    to: NodeId,
    start: &[usize],
    extents: &[usize],
    value: NodeId,
) -> Result<Vec<Lowered>, Storage> {
    let graph = assembly.graph;
    let located = |id| if id == to { None } else { assembly.located(id) };
    let rank = extents.len();
    let at = identity(rank);
    let mut builder = ExpressionBuilder::new(graph, &located, extents.to_vec());
    let scalar = graph.shape(value).rank() == 0 && rank > 0;
    let term = builder.node(value, if scalar { &[] } else { &at });
    let place: Vec<Affine> = at.into_iter().zip(start).map(|(axis, &start)| axis.shifted(start as i64)).collect();
    let to = assembly.located(to).expect("a stored value has a place");
    builder.store(term, to, &place);
    let expression = builder.finish();
    check_states(assembly, &expression, &[], Writing::Repeated)?;
    Ok(map::lower(name, &expression, assembly.target))
}

fn pad(assembly: &Assembly<'_>, root: NodeId, low: &[usize], name: &str) -> Result<Vec<Lowered>, Storage> {
    let graph = assembly.graph;
    let node = graph.node(root);
    let (operand, value) = (node.inputs[0], node.inputs[1]);
    let inner = graph.shape(operand);
    let shape = node.ty.shape;
    let rank = shape.rank();
    let mut kernels = fill(assembly, name, root, &low[..rank], inner.dims(), operand)?;
    // The border in slabs: before and after each axis, within the operand along the axes before it.
    for axis in 0..rank {
        for (from, to) in [(0, low[axis]), (low[axis] + inner.dim(axis), shape.dim(axis))] {
            let mut start = vec![0; rank];
            let mut extents = shape.dims().to_vec();
            start[..axis].copy_from_slice(&low[..axis]);
            extents[..axis].copy_from_slice(&inner.dims()[..axis]);
            (start[axis], extents[axis]) = (from, to - from);
            kernels.extend(fill(assembly, "pad", root, &start, &extents, value)?);
        }
    }
    Ok(kernels)
}

fn concat(assembly: &Assembly<'_>, root: NodeId, axis: usize, name: &str) -> Result<Vec<Lowered>, Storage> {
    let graph = assembly.graph;
    let mut start = vec![0; graph.shape(root).rank()];
    let mut kernels = Vec::new();
    for &operand in &graph.node(root).inputs {
        let shape = graph.shape(operand);
        kernels.extend(fill(assembly, name, root, &start, shape.dims(), operand)?);
        start[axis] += shape.dim(axis);
    }
    Ok(kernels)
}

/// `axis`: that of a gather; `None`: rows.
fn gather(
    assembly: &Assembly<'_>,
    group: &Group,
    root: NodeId,
    axis: Option<usize>,
    name: &str,
) -> Result<Vec<Lowered>, Storage> {
    let graph = assembly.graph;
    let outside = outside(assembly, group);
    let node = graph.node(root);
    let (data, indices) = (node.inputs[0], node.inputs[1]);
    let shape = node.ty.shape;
    let rank = shape.rank();
    let at = identity(rank);
    let mut builder = ExpressionBuilder::new(graph, &outside, shape.dims().to_vec());
    let (mut place, axis, index_at) = match axis {
        Some(axis) => (at.clone(), axis, at.clone()),
        None => {
            let leading = graph.shape(indices).rank();
            let mut place = vec![Affine::zero(rank)];
            place.extend_from_slice(&at[leading..]);
            (place, 0, at[..leading].to_vec())
        }
    };
    place[axis] = Affine::zero(rank);
    let index = builder.node(indices, &index_at);
    let from = resolve(graph, data, &outside).expect("indexed data lies in memory");
    let (argument, access) = builder.place(from, &place, true, false);
    builder.root(root, at.clone());
    store_all(assembly, &mut builder, group, shape, &at, rank);
    let indexed =
        Indexed { argument, access, index, extent: graph.shape(data).dim(axis), stride: from.layout.strides[axis] };
    let expression = builder.finish();
    check_states(assembly, &expression, &[from.storage], Writing::Once)?;
    Ok(indexing::lower_gather(name, &expression, &indexed, graph.ty(data).dtype == DType::Bool, assembly.target))
}

/// `axis`: that of a scatter; `None`: rows.
fn scatter(assembly: &Assembly<'_>, root: NodeId, axis: Option<usize>, name: &str) -> Result<Vec<Lowered>, Storage> {
    let graph = assembly.graph;
    let located = |id| if id == root { None } else { assembly.located(id) };
    let node = graph.node(root);
    let (indices, updates) = (node.inputs[0], node.inputs[1]);
    let to = assembly.located(root).expect("a stored value has a place");

    let mut clear = ExpressionBuilder::new(graph, &located, node.ty.shape.dims().to_vec());
    let zero = clear.push(Term::Constant(kiln_graph::op::Scalar(0.0)), DType::F32);
    clear.store(zero, to, &identity(node.ty.shape.rank()));
    let mut kernels = map::lower("clear", &clear.finish(), assembly.target);

    let shape = graph.shape(updates);
    let rank = shape.rank();
    let at = identity(rank);
    let mut builder = ExpressionBuilder::new(graph, &located, shape.dims().to_vec());
    let (mut place, axis, index_at) = match axis {
        Some(axis) => (at.clone(), axis, at.clone()),
        None => {
            let leading = graph.shape(indices).rank();
            let mut place = vec![Affine::zero(rank)];
            place.extend_from_slice(&at[leading..]);
            (place, 0, at[..leading].to_vec())
        }
    };
    place[axis] = Affine::zero(rank);
    let index = builder.node(indices, &index_at);
    let update = builder.node(updates, &at);
    let (argument, access) = builder.place(to, &place, true, true);
    let indexed = Indexed { argument, access, index, extent: node.ty.shape.dim(axis), stride: to.layout.strides[axis] };
    let expression = builder.finish();
    check_states(assembly, &expression, &[], Writing::Repeated)?;
    kernels.extend(indexing::lower_scatter(name, &expression, &indexed, update, assembly.target));
    Ok(kernels)
}
