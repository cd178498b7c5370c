//! Along which axis the results of a step have the rows of a batch: what shards give is put together along it, by
//! whoever has several. Knows graphs of steps, and no program.

use std::mem::discriminant;

use kiln_graph::shape::Sizes;
use kiln_graph::{Builder, Graph, GraphError, Mode, Node, NodeId, Op, Output, Shape};

use super::{Steps, compute};
use crate::distributed::ExchangeError;
use crate::trainer::{Settings, TrainError};

/// For each result of a step, in order, the axis that is longer in a longer batch; nothing for such as have none. Nobody
/// asks where batches have no shards.
///
/// # Errors
/// [`ExchangeError::Result`] for a result of which no shard has a part from one row to another: it is longer along several
/// axes, not twice as long for twice the rows, or has them in another order.
pub fn axes<M: Steps>(
    model: &M,
    number: usize,
    settings: Settings,
    sizes: Sizes,
) -> Result<Vec<Option<usize>>, TrainError> {
    let signature = &M::PROGRAMS[number];
    let Some(sharding) = settings.sharding.filter(|_| signature.mode == Mode::Train) else { return Ok(Vec::new()) };
    let graph = |rows: usize| {
        let g = Builder::new(signature.name);
        g.never_run();
        compute(&g, model, number, sizes.with_batch(rows));
        g.finish()
    };
    axes_of(signature.name, sharding.count, sizes.batch(), &graph)
}

/// The same of a program whose graph for so many rows is given.
fn axes_of(
    program: &'static str,
    shards: usize,
    batch: usize,
    graph: &dyn Fn(usize) -> Result<Graph, GraphError>,
) -> Result<Vec<Option<usize>>, TrainError> {
    let shape = graph(batch)?;
    if shape.outputs.iter().all(|output| shape.shape(output.node).rank() == 0) {
        return Ok(vec![None; shape.outputs.len()]);
    }
    let longer = graph(2 * batch)?;
    let in_order = match shards {
        1 => vec![true; shape.outputs.len()],
        _ => in_order((&shape, &longer), batch, graph).unwrap_or_else(|| vec![false; shape.outputs.len()]),
    };
    let axis = |((output, of_longer), in_order): ((&Output, &Output), bool)| {
        let (found, longer) = (shape.shape(output.node), longer.shape(of_longer.node));
        let Some(axis) = axis_of_rows(found, longer) else { return Ok(None) };
        let is_other = |other: usize| other != axis && found.dim(other) != longer.dim(other);
        let is_whole = longer.dim(axis) == 2 * found.dim(axis) && !(0..found.rank()).any(is_other);
        if shards > 1 && !(is_whole && in_order) {
            return Err(ExchangeError::Result { program, result: output.name.clone() }.into());
        }
        Ok(Some(axis))
    };
    shape.outputs.iter().zip(&longer.outputs).zip(in_order).map(axis).collect()
}

/// The first axis that is longer in a longer batch.
fn axis_of_rows(shape: Shape, longer: Shape) -> Option<usize> {
    (0..shape.rank().min(longer.rank())).find(|&axis| shape.dim(axis) != longer.dim(axis))
}

/// How many times as many rows as the batch's further graphs have that are compared: where a number of rows is also another
/// extent, or 1, a graph has no reshape or broadcast that others have, and so tells nothing.
const TIMES: [usize; 3] = [5, 7, 11];

/// For each result whether its rows are in the order of the batch's, by the graphs of a batch and of one twice as long;
/// nothing where graphs for several numbers of rows do not have the same operations.
fn in_order(
    (of_batch, longer): (&Graph, &Graph),
    batch: usize,
    graph: &dyn Fn(usize) -> Result<Graph, GraphError>,
) -> Option<Vec<bool>> {
    let mut found = by_blocks(of_batch, longer);
    for times in TIMES {
        if found.is_some() {
            break;
        }
        found = by_blocks(&graph(times * batch).ok()?, &graph(2 * times * batch).ok()?);
    }
    found
}

/// The same by two graphs, where they have the same operations.
fn by_blocks(graph: &Graph, longer: &Graph) -> Option<Vec<bool>> {
    let is_alike = |(node, other): (&Node, &Node)| {
        discriminant(&node.op) == discriminant(&other.op) && node.inputs[..] == other.inputs[..]
    };
    if graph.nodes.len() != longer.nodes.len() || !graph.nodes.iter().zip(&longer.nodes).all(is_alike) {
        return None;
    }
    let blocks = blocks(graph, longer);
    Some(graph.outputs.iter().map(|output| blocks[output.node.index()].unwrap_or(1) == 1).collect())
}

/// Rows that are in no order of which something is known.
const MIXED: usize = 0;

/// For each node how many blocks its axis of rows has, one after another, each of which has some of all rows: 1 where it
/// has them in the batch's order. `[T, N]` has one, `[T * N]` of the same elements has `T`, and one again where it
/// becomes `[T, N]`. Nothing where all rows are the same, as those of a constant.
fn blocks(graph: &Graph, longer: &Graph) -> Vec<Option<usize>> {
    let mut blocks: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    let axis_of = |node: usize| axis_of_rows(graph.nodes[node].ty.shape, longer.nodes[node].ty.shape);
    let before = |node: usize| {
        let shape = graph.nodes[node].ty.shape;
        axis_of(node).map(|axis| (0..axis).map(|axis| shape.dim(axis)).product::<usize>())
    };
    for (place, node) in graph.nodes.iter().enumerate() {
        let mut known = node.inputs.iter().filter_map(|input| blocks[input.index()]);
        let first = known.next();
        let given = first.map(|first| if known.all(|other| other == first) { first } else { MIXED });
        let axis = axis_of(place);
        blocks[place] = match (&node.op, axis) {
            // It has no rows, and stands for results that do.
            (Op::Scan { .. }, _) => given,
            (_, None) => None,
            (Op::Input, _) => Some(1),
            (Op::Iota { axis: counted, .. }, Some(axis)) => (*counted == axis).then_some(1),
            (Op::TakeRows, _) => blocks[node.inputs[1].index()].or(given),
            (Op::Reshape(_), _) => {
                let input = node.inputs[0].index();
                let of_all = given.unwrap_or(1) * before(input).unwrap_or(1);
                let here = before(place).unwrap_or(1);
                let found = if of_all.is_multiple_of(here) { of_all / here } else { MIXED };
                if given.is_none() && (found == 1 || is_of_one(graph, input)) { None } else { Some(found) }
            }
            (Op::Concat { axis: along }, Some(axis)) if *along == axis => {
                let of = |input: &NodeId| graph.nodes[input.index()].ty.shape.dim(axis);
                let parts: Vec<&NodeId> = node.inputs.iter().filter(|input| axis_of(input.index()).is_some()).collect();
                let lengths = |input: &&NodeId| {
                    of(input) / blocks[input.index()].unwrap_or(1).max(1) == of(parts[0]) / given.unwrap_or(1).max(1)
                };
                match (parts.len(), given) {
                    (0 | 1, given) => given,
                    (_, None) => None,
                    (_, Some(MIXED)) => Some(MIXED),
                    (count, Some(each)) if parts.iter().all(lengths) => Some(count * each),
                    _ => Some(MIXED),
                }
            }
            (Op::Slice(part), Some(axis)) => {
                let of = |graph: &Graph, node: usize| graph.nodes[node].ty.shape.dim(axis);
                let input = node.inputs[0].index();
                let [all, left, of_longer] = [of(graph, input), of(graph, place), of(longer, place)];
                let (start, step) = (part.start[axis], part.step[axis]);
                given.map(|given| match given {
                    given if left == all => given,
                    MIXED => MIXED,
                    // But for a few rows at the ends, as where rows are rolled.
                    1 if of_longer != 2 * left => 1,
                    _ if of_longer != 2 * left => MIXED,
                    given if step > 1 => {
                        let of_each = left * step == all && start < step && (all / given).is_multiple_of(step);
                        if of_each { given } else { MIXED }
                    }
                    given => {
                        let block = all / given;
                        let are_whole = left.is_multiple_of(block) && start.is_multiple_of(block);
                        if are_whole { left / block } else { MIXED }
                    }
                })
            }
            _ => given,
        };
    }
    blocks
}

/// Whether all elements of a node are one number.
fn is_of_one(graph: &Graph, node: usize) -> bool {
    let node = &graph.nodes[node];
    matches!(node.op, Op::Broadcast(_)) && graph.shape(node.inputs[0]).elements() == 1
}
