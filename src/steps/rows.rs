//! Along which axis the results of a step have the rows of a batch: what shards give is put together along it, by
//! whoever has several. Knows graphs of steps, and no program.

use kiln_graph::shape::Sizes;
use kiln_graph::{Builder, Graph, GraphError, Mode, Shape};

use super::{Steps, compute};
use crate::distributed::ExchangeError;
use crate::trainer::{Settings, TrainError};

/// For each result of a step, in order, the axis that is longer in a longer batch; nothing for such as have none. Nobody
/// asks where batches have no shards.
///
/// # Errors
/// [`ExchangeError::Result`] for a result that is longer along several axes, of which no shard has a whole.
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
    let shapes = |rows: usize| -> Result<Vec<(String, Shape)>, TrainError> {
        let graph = graph(rows)?;
        Ok(graph.outputs.iter().map(|output| (output.name.clone(), graph.shape(output.node))).collect())
    };
    let results = shapes(batch)?;
    if results.iter().all(|(_, shape)| shape.rank() == 0) {
        return Ok(vec![None; results.len()]);
    }
    let longer = shapes(2 * batch)?;
    let axis = |((result, shape), (_, longer)): (&(String, Shape), &(String, Shape))| {
        let mut axes = (0..shape.rank()).filter(|&axis| shape.dim(axis) != longer.dim(axis));
        let axis = axes.next();
        match axes.next() {
            Some(_) if shards > 1 => Err(ExchangeError::Result { program, result: result.clone() }.into()),
            _ => Ok(axis),
        }
    };
    results.iter().zip(&longer).map(axis).collect()
}
