//! Predictors in 8 bits: which numbers activations take is watched over calibration data, weights are rounded, and what
//! that loses is measured over the same data. It knows no layers: contractions of activations with parameters are found in
//! the graph (`kiln_graph::passes::quantize`).

use std::collections::BTreeMap;
use std::fmt;

use kiln_graph::model::Inputs;
use kiln_graph::passes::{Affine, Quantizable, WEIGHT_LIMIT, compared, quantizable, quantize, scale_of, watched};
use kiln_graph::shape::Sizes;
use kiln_graph::{DType, Graph, Model, Parameters, Shape};
use kiln_jit::{Session, StateError, States};
use ndarray::{ArrayD, Axis};

use super::Lender;
use crate::trainer::{Settings, TrainError, check_inputs, output_names, predict_graph, write_inputs};

/// How a predictor is quantized: see [`PredictorBuilder::quantize_with`](crate::PredictorBuilder::quantize_with).
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "options do nothing until they are given"]
pub struct QuantizeOptions {
    excluded: Vec<String>,
}

impl QuantizeOptions {
    /// Every layer that can be.
    pub fn new() -> QuantizeOptions {
        QuantizeOptions::default()
    }

    /// Leaves a layer in f32, with all layers within it, by its name (`head`, `encoder.0.linear1`).
    pub fn exclude(mut self, layer: impl Into<String>) -> Self {
        self.excluded.push(layer.into());
        self
    }

    fn excludes(&self, layer: &str) -> bool {
        self.excluded.iter().any(|name| is_within(layer, name))
    }
}

/// Whether a layer is another one, or within it.
fn is_within(layer: &str, outer: &str) -> bool {
    layer.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Why a predictor is not quantized.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuantizeError {
    /// The calibration data are not such as the model takes.
    #[error(
        "the calibration data: {0}; give `.quantize` what `predict` takes, some hundred samples such as are to be \
         predicted"
    )]
    Calibration(Box<TrainError>),
    /// A name that no layer has which could be quantized.
    #[error("there is no layer `{name}` to leave in f32; those that can be quantized are {}", known.join(", "))]
    Unknown {
        /// The name given to [`QuantizeOptions::exclude`].
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// No product or convolution of an activation with a weight.
    #[error(
        "nothing of the model can be quantized: there are no Linear or convolution layers outside of recurrent ones{}",
        if *excluded { " that are not excluded" } else { "" }
    )]
    Nothing {
        /// Whether some were excluded.
        excluded: bool,
    },
    /// An activation that is NaN or infinite for some sample.
    #[error(
        "what layer `{layer}` takes is not finite for some of the calibration data: see `check_numerics(true)`, or leave \
         it in f32 with `QuantizeOptions::new().exclude(\"{layer}\")`"
    )]
    NotFinite {
        /// The layer.
        layer: String,
    },
}

/// What quantizing has done and lost: per layer and in all, over the calibration data; it prints as a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Quantization {
    /// The products and convolutions that could be quantized, in the order in which they are computed. A layer that is applied
    /// twice is there twice.
    pub layers: Vec<QuantizedLayer>,
    /// How much each output of the model differs.
    pub outputs: Vec<OutputDifference>,
    /// The samples of the calibration data.
    pub samples: usize,
    /// Bytes of the model's parameters before and after.
    pub parameter_bytes: [usize; 2],
}

/// One product or convolution.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct QuantizedLayer {
    /// The name of the layer: that of its weight without the last part.
    pub name: String,
    /// `dot` or `conv`.
    pub operation: &'static str,
    /// The weight's shape.
    pub weight: Shape,
    /// The least and the greatest number that its activation has taken.
    pub range: [f32; 2],
    /// By how much its result differs when the activation and the weight are rounded to 8 bits, as a part of the result: root
    /// mean squares. Nothing for one that was excluded.
    pub loss: Option<f32>,
}

/// By how much an output differs from that of the model in f32.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OutputDifference {
    /// The output's name.
    pub name: String,
    /// The difference, as a part of the output: root mean squares.
    pub loss: f32,
    /// In which part of the rows along the last axis the largest number is at the same place: of scores of classes, the part of the
    /// samples of which nothing changes. 1 where there is one number a row.
    pub agreement: f32,
}

impl fmt::Display for Quantization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = self.layers.iter().filter(|layer| layer.loss.is_some()).count();
        writeln!(f, "8 bits: {done} of {} products, by {} samples", self.layers.len(), self.samples)?;
        let width = self.layers.iter().map(|layer| layer.name.len()).max().unwrap_or(0).max("layer".len());
        let shapes: Vec<String> = self.layers.iter().map(|layer| layer.weight.to_string()).collect();
        let shape_width = shapes.iter().map(String::len).max().unwrap_or(0).max("weight".len());
        writeln!(f, "  {:width$}  {:shape_width$}  {:>21}  {:>8}", "layer", "weight", "activation", "loss")?;
        for (layer, shape) in self.layers.iter().zip(&shapes) {
            let range = format!("{:.4} to {:.4}", layer.range[0], layer.range[1]);
            let loss = layer.loss.map_or("f32".to_owned(), |loss| format!("{:.3} %", 100.0 * loss));
            writeln!(f, "  {:width$}  {shape:shape_width$}  {range:>21}  {loss:>8}", layer.name)?;
        }
        for output in &self.outputs {
            let (loss, agreement) = (100.0 * output.loss, 100.0 * output.agreement);
            writeln!(
                f,
                "  {} differs by {loss:.3} %; its largest number is the same in {agreement:.2} %",
                output.name
            )?;
        }
        let [before, after] = self.parameter_bytes.map(|bytes| bytes as f64 / 1e6);
        write!(f, "  parameters: {before:.3} MB before, {after:.3} MB after")
    }
}

/// What a builder keeps of its quantization.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// For each contraction what its activation becomes.
    chosen: Vec<Option<Affine>>,
    /// The weights by their names, with their axes of channels.
    weights: BTreeMap<String, usize>,
    /// What it has done.
    pub report: Quantization,
}

impl Quantized {
    /// The prediction in 8 bits.
    pub fn graph(&self, graph: &Graph) -> Graph {
        quantize(graph, &self.chosen)
    }

    /// Gives a parameter to states, in 8 bits if it is one of the weights.
    pub fn give(&self, states: &mut States, name: &str, value: ArrayD<f32>) -> Result<(), StateError> {
        let Some(&axis) = self.weights.get(name) else { return states.give(name, value) };
        let (bytes, scale) = rounded(&value, axis);
        states.give_i8(name, bytes)?;
        states.give(&scale_of(name), scale)
    }
}

/// The layer of a state, whose last part is a name within the layer.
fn layer_of(state: &str) -> String {
    state.rsplit_once('.').map_or(state, |(layer, _)| layer).to_owned()
}

/// A weight in 8 bits, and the scale of each channel, with as many axes.
fn rounded(weight: &ArrayD<f32>, axis: usize) -> (ArrayD<i8>, ArrayD<f32>) {
    let mut extents = vec![1; weight.ndim()];
    extents[axis] = weight.len_of(Axis(axis));
    let largest = weight.axis_iter(Axis(axis)).map(|channel| channel.iter().fold(0.0f32, |most, x| most.max(x.abs())));
    let scale: Vec<f32> = largest.map(|largest| (largest / WEIGHT_LIMIT).max(f32::MIN_POSITIVE)).collect();
    let mut bytes = ArrayD::zeros(weight.raw_dim());
    for ((mut to, from), &scale) in bytes.axis_iter_mut(Axis(axis)).zip(weight.axis_iter(Axis(axis))).zip(&scale) {
        to.zip_mut_with(&from, |to, from| *to = (from / scale).round_ties_even() as i8);
    }
    (bytes, ArrayD::from_shape_vec(extents, scale).expect("a scale for each channel"))
}

/// A weight in 8 bits as f32 again.
pub fn widened(states: &States, name: &str) -> Option<ArrayD<f32>> {
    Some(states.read_i8(name)?.mapv(f32::from) * &states.read(&scale_of(name))?)
}

/// A model over its calibration data.
struct Calibration<'a, M: Model, X> {
    model: &'a M,
    settings: Settings,
    x: &'a X,
    sizes: Sizes,
}

impl<M: Model, X: Inputs<M::Input>> Calibration<'_, M, X> {
    /// Runs a graph of the prediction over all samples, in parts, and shows each program behind it.
    fn run(
        &self,
        states: States,
        graph: impl Fn(&Graph) -> Graph,
        mut each: impl FnMut(&Session),
    ) -> Result<(), TrainError> {
        let pool = self.settings.checked(M::INPUTS.iter().copied())?;
        let of = |sizes: Sizes| Ok(graph(&predict_graph(self.model, sizes)?));
        let lender = Lender::new(self.settings, pool, states, M::INPUTS, of)?;
        for start in (0..self.sizes.batch()).step_by(self.settings.batch) {
            let part = start..self.sizes.batch().min(start + self.settings.batch);
            let sizes = self.sizes.with_batch(part.len());
            let mut program = lender.lend(sizes, || of(sizes))?;
            write_inputs::<M>(&mut program, self.x, part)?;
            program.run()?;
            each(program.session());
        }
        Ok(())
    }

    /// The model's parameters, some of them in 8 bits.
    fn states(&self, quantized: Option<&Quantized>) -> Result<States, TrainError> {
        let mut states = States::new();
        let mut result = Ok(());
        self.model.each_parameter(&mut |name, parameter| {
            if result.is_err() {
                return;
            }
            let value = || parameter.value.to_owned().into_owned();
            result = match (parameter.count(), quantized) {
                (Some(count), _) => {
                    states.give_i32(name, ndarray::arr1(&kiln_graph::counter::digits(count)).into_dyn())
                }
                (None, Some(quantized)) => quantized.give(&mut states, name, value()),
                (None, None) => states.give(name, value()),
            };
        });
        result?;
        Ok(states)
    }

    /// All numbers of each output of f32.
    fn outputs(&self, quantized: Option<&Quantized>) -> Result<Vec<Vec<f32>>, TrainError> {
        let mut outputs = vec![Vec::new(); M::OUTPUTS.len()];
        let graph = |graph: &Graph| quantized.map_or_else(|| graph.clone(), |quantized| quantized.graph(graph));
        self.run(self.states(quantized)?, graph, |session| {
            for (number, output) in outputs.iter_mut().enumerate() {
                if M::OUTPUTS[number].dtype == DType::F32 {
                    output.extend(session.output(number).iter());
                }
            }
        })?;
        Ok(outputs)
    }
}

/// What a model's activations become, by calibration data, and what that loses.
pub fn calibrate<M: Model, X: Inputs<M::Input>>(
    model: &M,
    settings: Settings,
    x: &X,
    options: &QuantizeOptions,
) -> Result<Quantized, TrainError> {
    let refused = |error: TrainError| QuantizeError::Calibration(error.into());
    let sizes = check_inputs::<M>(x, &settings).map_err(refused)?;
    // Programs that run once are not tuned, and nothing that they find is a reason to stop.
    let settings = Settings {
        batch: settings.batch.min(sizes.batch()),
        tune: None,
        check_finite: false,
        check_numerics: false,
        precision: Default::default(),
        ..settings
    };
    let all = quantizable(&predict_graph(model, sizes.with_batch(1))?);
    let names: Vec<String> = all.iter().map(|one| layer_of(&one.state)).collect();
    if let Some(unknown) = options.excluded.iter().find(|name| !names.iter().any(|layer| is_within(layer, name))) {
        return Err(QuantizeError::Unknown { name: unknown.clone(), known: names }.into());
    }
    if names.iter().all(|layer| options.excludes(layer)) {
        return Err(QuantizeError::Nothing { excluded: !names.is_empty() }.into());
    }
    let calibration = Calibration { model, settings, x, sizes };
    let ranges = ranges(&calibration, &names)?;
    let affine =
        |(name, range): (&String, &[f32; 2])| (!options.excludes(name)).then(|| Affine::covering(range[0], range[1]));
    let chosen: Vec<Option<Affine>> = names.iter().zip(&ranges).map(affine).collect();
    let losses = losses(&calibration, &chosen)?;
    let layer = |(number, one): (usize, &Quantizable)| QuantizedLayer {
        name: names[number].clone(),
        operation: one.operation,
        weight: one.shape,
        range: ranges[number],
        loss: losses[number],
    };
    let layers = all.iter().enumerate().map(layer).collect();
    let taken = all.iter().zip(&chosen).filter(|(_, chosen)| chosen.is_some());
    let weights: BTreeMap<String, usize> = taken.map(|(one, _)| (one.state.clone(), one.channels)).collect();
    let mut bytes = [0; 2];
    model.each_parameter(&mut |name, parameter| {
        let (elements, channels) =
            (parameter.value.len(), weights.get(name).map(|&axis| parameter.value.shape()[axis]));
        bytes[0] += size_of::<f32>() * elements;
        bytes[1] += channels.map_or(size_of::<f32>() * elements, |channels| elements + size_of::<f32>() * channels);
    });
    let samples = sizes.batch();
    let report = Quantization { layers, outputs: Vec::new(), samples, parameter_bytes: bytes };
    let mut quantized = Quantized { chosen, weights, report };
    let [exact, narrow] = [calibration.outputs(None)?, calibration.outputs(Some(&quantized))?];
    quantized.report.outputs = output_losses::<M>(&exact, &narrow, sizes);
    Ok(quantized)
}

/// The least and the greatest number of each activation.
fn ranges<M: Model, X: Inputs<M::Input>>(
    calibration: &Calibration<'_, M, X>,
    names: &[String],
) -> Result<Vec<[f32; 2]>, TrainError> {
    let mut ranges = vec![[f32::INFINITY, f32::NEG_INFINITY]; names.len()];
    let mut finite = vec![true; names.len()];
    calibration.run(calibration.states(None)?, watched, |session| {
        for (number, [least, greatest]) in ranges.iter_mut().enumerate() {
            let [low, high] = [0, 1].map(|which| session.output(M::OUTPUTS.len() + 2 * number + which)[[]]);
            finite[number] &= low.is_finite() && high.is_finite();
            (*least, *greatest) = (least.min(low), greatest.max(high));
        }
    })?;
    match finite.iter().position(|finite| !finite) {
        Some(number) => Err(QuantizeError::NotFinite { layer: names[number].clone() }.into()),
        None => Ok(ranges),
    }
}

/// What each result loses by its own operands.
fn losses<M: Model, X: Inputs<M::Input>>(
    calibration: &Calibration<'_, M, X>,
    chosen: &[Option<Affine>],
) -> Result<Vec<Option<f32>>, TrainError> {
    let count = chosen.iter().flatten().count();
    let mut sums = vec![[0.0f64; 2]; count];
    calibration.run(
        calibration.states(None)?,
        |graph| compared(graph, chosen),
        |session| {
            for (number, sums) in sums.iter_mut().enumerate() {
                for (which, sum) in sums.iter_mut().enumerate() {
                    *sum += f64::from(session.output(M::OUTPUTS.len() + 2 * number + which)[[]]);
                }
            }
        },
    )?;
    let mut sums = sums.into_iter().map(|[error, size]| relative(error, size));
    Ok(chosen.iter().map(|chosen| chosen.and_then(|_| sums.next())).collect())
}

/// The root of a sum of squares as a part of that of another one.
fn relative(error: f64, size: f64) -> f32 {
    (error / size.max(f64::MIN_POSITIVE)).sqrt() as f32
}

fn output_losses<M: Model>(exact: &[Vec<f32>], narrow: &[Vec<f32>], sizes: Sizes) -> Vec<OutputDifference> {
    let mut losses = Vec::new();
    for (number, name) in output_names::<M>().into_iter().enumerate() {
        if M::OUTPUTS[number].dtype != DType::F32 {
            continue;
        }
        let (exact, narrow) = (&exact[number], &narrow[number]);
        let square = |x: f32| f64::from(x) * f64::from(x);
        let error = exact.iter().zip(narrow).map(|(a, b)| square(a - b)).sum();
        let size = exact.iter().map(|&a| square(a)).sum();
        let row = sizes.shape(M::OUTPUTS[number].shape).dims().last().copied().unwrap_or(1).max(1);
        let largest = |row: &[f32]| row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(place, _)| place);
        let same = exact.chunks(row).zip(narrow.chunks(row)).filter(|(a, b)| largest(a) == largest(b)).count();
        let agreement = same as f32 / exact.len().div_ceil(row).max(1) as f32;
        losses.push(OutputDifference { name, loss: relative(error, size), agreement });
    }
    losses
}
