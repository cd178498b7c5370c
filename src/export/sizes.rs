//! For which sizes a model's graph is built to find out what follows from its free extents. How the numbers follow is
//! found out by `kiln_onnx::write`.

use kiln_graph::shape::extent;
use kiln_graph::{Message, Shape, Type};
use kiln_onnx::write::{self, Built, Free};

use super::ExportError;
use super::prediction::Prediction;
use crate::trainer::{Extents, TrainError};

/// What free extents are in the first graph: the first of these for which there is one.
const USUAL: [i64; 16] = [13, 16, 24, 32, 48, 64, 96, 128, 7, 5, 4, 3, 192, 256, 2, 1];
/// The batch size in the first graph, in that where it alone differs, and in the last.
const BATCHES: [i64; 3] = [3, 8, 2];

/// A free extent, as graphs are built.
#[derive(Clone, Copy)]
struct Extent {
    /// Its code in declared shapes; [`Shape::N`] for the batch.
    free: usize,
    /// Its place among the free extents beside the batch, so that each has a size of its own.
    place: i64,
}

/// The extents that stay free, and the model's graphs for sizes that tell what follows from them.
pub(super) fn built(
    model: &dyn Prediction,
    batch: Option<usize>,
    given: &Extents,
) -> Result<(Vec<Free>, write::Sizes, Vec<Built>), ExportError> {
    let inputs = model.inputs();
    given.check(&inputs)?;
    if batch == Some(0) {
        return Err(TrainError::Zero { setting: "batch" }.into());
    }
    let (extents, free) = free_extents(&inputs, batch, given);
    let build = |sizes: &[i64]| -> Result<Built, TrainError> {
        let known = given.usual(batch.unwrap_or(1), &inputs);
        let all = extents.iter().zip(sizes).fold(known, |all, (extent, &size)| match extent.free {
            Shape::N => all.with_batch(size as usize),
            free => all.with(free, size as usize),
        });
        let (graph, wholes) = model.graph(all)?;
        Ok(Built { graph, wholes })
    };
    let is_batch = |position: usize| extents[position].free == Shape::N;
    let at = |position: usize, size: i64, batch: i64| match is_batch(position) {
        true => batch,
        false => (size + extents[position].place).max(1),
    };
    let all =
        |size: i64, batch: i64| (0..extents.len()).map(|position| at(position, size, batch)).collect::<Vec<i64>>();
    let (base, first) = first_of(USUAL.map(|size| all(size, BATCHES[0])), &build)?;
    let (mut sizes, mut built) = (vec![base.clone()], vec![first]);
    for position in 0..extents.len() {
        let here = base[position];
        // Far away, so that what is computed in another way for larger extents is seen.
        let others = match is_batch(position) {
            true => vec![BATCHES[1]],
            false => vec![3 * here, 2 * here, here + 16, here + 8, here + 4, here + 2, here + 1, here - 1],
        };
        let with = |other: i64| {
            let mut sizes = base.clone();
            sizes[position] = other;
            sizes
        };
        let (other, graph) = first_of(others.into_iter().filter(|&other| other > 0).map(with), &build)?;
        sizes.push(other);
        built.push(graph);
    }
    if !extents.is_empty() {
        let smaller = [5, 6, 4, 3, 2].into_iter().chain(USUAL).map(|size| all(size, BATCHES[2]));
        let differ = |last: &Vec<i64>| {
            let mut pairs = last.iter().zip(&base).enumerate();
            pairs.all(|(position, (last, base))| last != base && *last != sizes[1 + position][position])
        };
        let (last, graph) = first_of(smaller.filter(differ).collect::<Vec<_>>(), &build)?;
        sizes.push(last);
        built.push(graph);
    }
    Ok((free, write::Sizes(sizes), built))
}

/// The first sizes for which there is a graph, and the graph.
fn first_of(
    sizes: impl IntoIterator<Item = Vec<i64>>,
    build: &dyn Fn(&[i64]) -> Result<Built, TrainError>,
) -> Result<(Vec<i64>, Built), TrainError> {
    let mut refused = None;
    for sizes in sizes {
        match build(&sizes) {
            Ok(built) => return Ok((sizes, built)),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.expect("there are sizes to try"))
}

/// The extents of a model that stay free, and where each is seen best.
fn free_extents(inputs: &[Type], batch: Option<usize>, given: &Extents) -> (Vec<Extent>, Vec<Free>) {
    let (mut extents, mut free): (Vec<Extent>, Vec<Free>) = (Vec::new(), Vec::new());
    for (input, ty) in inputs.iter().enumerate() {
        for (axis, &dim) in ty.shape.dims().iter().enumerate() {
            let is_batch = dim == Shape::N;
            if !(is_batch && batch.is_none() || extent::is_free(dim) && !given.says(dim)) {
                continue;
            }
            let code = if is_batch { dim } else { extent::source(dim) };
            let name = if is_batch { "N".to_owned() } else { Message::new().number(code).as_str().to_owned() };
            let (factor, number) = if is_batch { (1, 0) } else { extent::line(dim) };
            let found = Free { name, input, axis, factor: factor as i64, number: number as i64 };
            match extents.iter().position(|known| known.free == code) {
                Some(known) if (found.factor, found.number) == (1, 0) && free[known].factor != 1 => free[known] = found,
                Some(_) => {}
                None => {
                    let place = extents.iter().filter(|known| known.free != Shape::N).count() as i64;
                    extents.push(Extent { free: code, place });
                    free.push(found);
                }
            }
        }
    }
    (extents, free)
}
