//! Running statistics taken anew of some data, PyTorch's `update_bn`. Knows parameters by their kinds and batch norms
//! by the names of their statistics.

use std::collections::HashSet;

use kiln_graph::model::Inputs;
use kiln_graph::shape::Sizes;
use kiln_graph::{Builder, Graph, Kind, Mode, Model, Parameters, counter};
use kiln_jit::States;
use ndarray::{ArrayD, arr1};

use super::builder::Settings;
use super::error::TrainError;
use super::graphs::guard;
use super::inputs;
use super::prediction::forward;
use super::programs::Programs;

/// The program that takes a batch into the running statistics, each as the mean of all batches; input: samples.
const UPDATE_BN: &str = "update_bn";

/// The last name of the state that counts a batch norm's batches, and of the others.
const BATCHES: &str = "num_batches_tracked";
const MEAN: &str = "running_mean";
const VARIANCE: &str = "running_var";

/// The graph that takes so many samples into the running statistics, which then are the means of all batches.
fn statistics_graph<M: Model>(model: &M, sizes: Sizes, seed: u64) -> Result<Graph, TrainError> {
    let g = Builder::new(UPDATE_BN);
    g.set_mode(Mode::Train);
    g.set_seed(seed);
    g.set_cumulative_statistics(true);
    forward(&g, model, sizes);
    guard(&g, &|_| false);
    Ok(g.finish()?)
}

/// The statistics of one batch norm.
struct Statistics {
    /// The name of the layer, with its dot.
    layer: String,
    mean: ArrayD<f32>,
    variance: ArrayD<f32>,
    batches: ArrayD<i32>,
}

impl Statistics {
    /// Those of all batch norms that a graph updates: not of what its `forward` does not reach, or leaves to an `eval`.
    fn of(model: &impl Parameters, graph: &Graph, states: &States) -> Vec<Statistics> {
        let updated: HashSet<&str> =
            graph.updates.iter().map(|update| graph.inputs[update.input].name.as_str()).collect();
        let mut all = Vec::new();
        model.each_parameter(&mut |name, parameter| {
            let Some(layer) =
                name.strip_suffix(BATCHES).filter(|_| parameter.kind == Kind::Counter && updated.contains(name))
            else {
                return;
            };
            let read = |last: &str| states.read(&format!("{layer}{last}"));
            if let (Some(mean), Some(variance), Some(batches)) = (read(MEAN), read(VARIANCE), states.read_i32(name)) {
                all.push(Statistics { layer: layer.to_owned(), mean, variance, batches });
            }
        });
        all
    }

    /// Those of no batch yet.
    fn fresh(&self) -> Statistics {
        Statistics {
            layer: self.layer.clone(),
            mean: ArrayD::zeros(self.mean.raw_dim()),
            variance: ArrayD::ones(self.variance.raw_dim()),
            batches: arr1(&counter::digits(0)).into_dyn(),
        }
    }

    fn write(&self, states: &mut States) -> Result<(), TrainError> {
        let layer = &self.layer;
        states.write(&format!("{layer}{MEAN}"), self.mean.view())?;
        states.write(&format!("{layer}{VARIANCE}"), self.variance.view())?;
        states.write_i32(&format!("{layer}{BATCHES}"), self.batches.view())?;
        Ok(())
    }
}

/// Takes the statistics of all batch norms anew of what `batches` calls its argument with; after an error they are as they
/// were.
fn renew<M: Model, E: From<TrainError>>(
    programs: &mut Programs,
    model: &M,
    settings: &Settings,
    batches: impl FnOnce(&mut Programs) -> Result<(), E>,
) -> Result<(), E> {
    let graph = statistics_graph(model, settings.usual(M::INPUTS), settings.seed)?;
    let before = Statistics::of(model, &graph, programs.states());
    if before.is_empty() {
        return Ok(());
    }
    let states = programs.states_mut();
    before.iter().try_for_each(|statistics| statistics.fresh().write(states))?;
    let result = batches(programs);
    if result.is_err() {
        let states = programs.states_mut();
        before.iter().try_for_each(|statistics| statistics.write(states))?;
    }
    result
}

/// Takes samples into the statistics, in batches of the usual size.
fn add<M: Model>(
    programs: &mut Programs,
    model: &M,
    settings: &Settings,
    x: impl Inputs<M::Input>,
) -> Result<(), TrainError> {
    let sizes = inputs::check::<M>(&x, settings)?;
    let rows = sizes.batch();
    for start in (0..rows).step_by(settings.batch) {
        let part = start..rows.min(start + settings.batch);
        let sizes = sizes.with_batch(part.len());
        let mut graph = |sizes: Sizes| statistics_graph(model, sizes, settings.seed);
        let (program, states) = programs.get(UPDATE_BN, sizes, &mut graph)?;
        inputs::write::<M>(program, &x, part)?;
        program.run(states)?;
    }
    Ok(())
}

/// See [`Trainer::update_bn`](crate::Trainer::update_bn).
pub(crate) fn update_bn<M: Model>(
    programs: &mut Programs,
    model: &M,
    settings: &Settings,
    x: impl Inputs<M::Input>,
) -> Result<(), TrainError> {
    renew(programs, model, settings, |programs| add(programs, model, settings, x))
}

/// See [`Trainer::update_bn_batches`](crate::Trainer::update_bn_batches).
pub(crate) fn update_bn_batches<M: Model, X, E: From<TrainError>>(
    programs: &mut Programs,
    model: &M,
    settings: &Settings,
    batches: impl IntoIterator<Item = Result<X, E>>,
) -> Result<(), E>
where
    for<'x> &'x X: Inputs<M::Input>,
{
    renew(programs, model, settings, |programs| {
        batches.into_iter().try_for_each(|x| Ok(add(programs, model, settings, &x?)?))
    })
}
