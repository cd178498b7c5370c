//! What a group computes whose root looks at windows.

use kiln_graph::op::{Op, Window, WindowOp};
use kiln_graph::{NodeId, Shape};

use super::{Task, WindowAxis, partitions};
use crate::lower::expression::{Affine, Expression, ExpressionBuilder};
use crate::lower::group::{Context, Group, Writing};

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
pub fn windows_partition(window: &Window, over: Shape, windows: Shape) -> bool {
    partitions(&window_axes(window, over), &windows.dims()[2..])
}

/// What a group computes whose root looks at windows: the expression, how the windows slide, what is done with each,
/// and when the places of the result are written.
pub fn describe(context: &Context<'_>, group: &Group, root: NodeId) -> (Expression, Vec<WindowAxis>, Task, Writing) {
    let graph = context.graph;
    let node = graph.node(root);
    let (what, window) = match &node.op {
        Op::WindowReduce { op, window } => (Sliding::Fold(*op), window),
        Op::WindowMaxPick(window) => (Sliding::Pick, window),
        Op::WindowMaxGrad(window) => (Sliding::MaxGradient, window),
        Op::WindowSumGrad { window, .. } => (Sliding::SumGradient, window),
        op => unreachable!("{} looks at no windows", op.mnemonic()),
    };
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
    // The space: n, c, windows.., elements of a window..
    let mut extents = values.dims().to_vec();
    extents.extend(axes.iter().map(|axis| axis.kernel));
    let place: Vec<Affine> = (0..2 + spatial).map(|axis| Affine::axis(rank, axis)).collect();
    // place in the input = window * stride + element * dilation - padding, negative within the padding: never loaded
    // there.
    let mut inside = place.clone();
    for (number, axis) in axes.iter().enumerate() {
        inside[2 + number] = Affine::zero(rank)
            .shifted(-(axis.padding as i64))
            .plus(&Affine::axis(rank, 2 + number), axis.stride as i64)
            .plus(&Affine::axis(rank, 2 + spatial + number), axis.dilation as i64);
    }
    let outside = context.outside(group);
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
    context.store_all(&mut builder, group, shape, &at, rank);
    let expression = builder.finish();
    let gradient = matches!(what, Sliding::MaxGradient | Sliding::SumGradient);
    let once = !gradient || partitions(&axes, &values.dims()[2..]);
    (expression, axes, task, if once { Writing::Once } else { Writing::Repeated })
}
