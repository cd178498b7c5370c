//! Along which axis the results of a step have the rows of a batch: what shards give is put together along it, by
//! whoever has several. Knows graphs of steps, and no program.

use kiln_graph::shape::Sizes;
use kiln_graph::{Builder, Graph, GraphError, Mode, Op, Output, Shape};

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
    let out_of_order = blocks(&shape, &longer);
    let axis = |(output, of_longer): (&Output, &Output)| {
        let (found, longer) = (shape.shape(output.node), longer.shape(of_longer.node));
        let Some(axis) = axis_of_rows(found, longer) else { return Ok(None) };
        let is_other = |other: usize| other != axis && found.dim(other) != longer.dim(other);
        let is_whole = longer.dim(axis) == 2 * found.dim(axis) && !(0..found.rank()).any(is_other);
        if shards > 1 && !(is_whole && out_of_order[output.node.index()].is_none()) {
            return Err(ExchangeError::Result { program, result: output.name.clone() }.into());
        }
        Ok(Some(axis))
    };
    shape.outputs.iter().zip(&longer.outputs).map(axis).collect()
}

/// The first axis that is longer in a longer batch.
fn axis_of_rows(shape: Shape, longer: Shape) -> Option<usize> {
    (0..shape.rank().min(longer.rank())).find(|&axis| shape.dim(axis) != longer.dim(axis))
}

/// For each node whose elements are not in the order of the batch's rows along an axis: how many blocks there are, one
/// after another, each of which has some of all rows. `[T, N]` has an axis of rows, and nothing is said of it; `[T * N]`
/// of the same elements has `T` blocks, and none again where it becomes `[T, N]`.
fn blocks(graph: &Graph, longer: &Graph) -> Vec<Option<usize>> {
    let mut blocks: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    if longer.nodes.len() != graph.nodes.len() {
        return blocks;
    }
    // The elements before the axis of rows.
    let before = |node: usize| {
        let (shape, longer) = (graph.nodes[node].ty.shape, longer.nodes[node].ty.shape);
        axis_of_rows(shape, longer).map(|axis| (0..axis).map(|axis| shape.dim(axis)).product::<usize>())
    };
    for (place, node) in graph.nodes.iter().enumerate() {
        let Some(here) = before(place) else { continue };
        let given = node.inputs.iter().find_map(|input| blocks[input.index()]);
        blocks[place] = match node.op {
            Op::Reshape(_) => given.or_else(|| before(node.inputs[0].index())).filter(|&blocks| blocks != here),
            _ => given,
        };
    }
    blocks
}
