//! Predictors in 8 bits: which numbers activations take is watched over calibration data, weights are rounded, and what
//! that loses is measured over the same data. It knows no layers: contractions of activations with parameters are found
//! in the graph (`kiln_graph::passes::quantize`).

mod ranges;
mod report;

pub use ranges::Calibration;
pub(crate) use report::Lost;
pub use report::{OutputDifference, Quantization, QuantizedLayer};

use std::collections::BTreeMap;
use std::ops::Range;

use kiln_graph::model::Inputs;
use kiln_graph::passes::{
    Affine, Quantizable, WEIGHT_LIMIT, compared, quantizable, quantize, scale_of, shown, watched,
};
use kiln_graph::shape::Sizes;
use kiln_graph::{DType, Graph, Model, Parameter, Parameters, Type};
use kiln_jit::{Session, StateError, States};
use ndarray::{ArrayD, Axis};

use super::Lender;
use crate::trainer::{Compiled, Settings, TrainError, check_inputs, output_names, predict_graph, write_inputs};
use ranges::Histogram;

/// As many elements of activations are results of a program at once, 64 MiB, unless a single sample has more.
const MOST_SHOWN: usize = 1 << 24;

/// How a predictor is quantized: see [`PredictorBuilder::quantize_with`](crate::PredictorBuilder::quantize_with).
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "options do nothing until they are given"]
pub struct QuantizeOptions {
    excluded: Vec<String>,
    calibration: Calibration,
    classes: Option<Vec<i32>>,
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

    /// How the range of each activation follows from the calibration data. Default: [`Calibration::MinMax`].
    pub fn calibration(mut self, calibration: Calibration) -> Self {
        self.calibration = calibration;
        self
    }

    /// The class of each sample of the calibration data, for models whose first output are scores of classes: the report then has
    /// the accuracy before and after.
    pub fn classes<'c>(mut self, classes: impl IntoIterator<Item = &'c i32>) -> Self {
        self.classes = Some(classes.into_iter().copied().collect());
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
    /// A percentile that leaves nothing, or is none.
    #[error(
        "`Calibration::Percentile({0})`: the part of the numbers that are kept, in percent, is above 50 and at most 100"
    )]
    Percentile(f64),
    /// Classes that are not those of the samples.
    #[error("{found} classes for {expected} rows of the first output: give `.classes` one for each sample")]
    Classes {
        /// The rows of the first output.
        expected: usize,
        /// How many classes were given.
        found: usize,
    },
    /// No product or convolution of an activation with a weight.
    #[error(
        "nothing of the model can be quantized: there are no Linear, convolution or recurrent layers{}",
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

/// Calls a function with each parameter and its name.
type EachParameter<'a> = dyn Fn(&mut dyn FnMut(&str, &Parameter)) + 'a;

/// Sets the inputs of a program to some of the samples.
type WriteSamples<'a> = dyn Fn(&mut Compiled, Range<usize>) -> Result<(), TrainError> + 'a;

/// What is quantized, with its calibration data.
pub struct Subject<'a> {
    /// The prediction for some sizes.
    pub graph: &'a dyn Fn(Sizes) -> Result<Graph, TrainError>,
    pub parameters: &'a EachParameter<'a>,
    /// What it takes.
    pub inputs: &'a [Type],
    /// The names of what it gives.
    pub outputs: Vec<String>,
    pub write: &'a WriteSamples<'a>,
    /// The sizes of the samples.
    pub sizes: Sizes,
    pub settings: Settings,
}

impl Subject<'_> {
    /// Runs a graph of the prediction over all samples, so many at once, and shows each program behind it.
    fn run(
        &self,
        batch: usize,
        states: States,
        graph: impl Fn(&Graph) -> Graph,
        mut each: impl FnMut(&Session),
    ) -> Result<(), TrainError> {
        let settings = Settings { batch, ..self.settings };
        let pool = settings.checked(self.inputs)?;
        let mut of = |sizes: Sizes| Ok(graph(&(self.graph)(sizes)?));
        let lender = Lender::new(settings, pool, states, self.inputs, &mut of)?;
        for start in (0..self.sizes.batch()).step_by(batch) {
            let part = start..self.sizes.batch().min(start + batch);
            let sizes = self.sizes.with_batch(part.len());
            let mut program = lender.lend(sizes, &mut || of(sizes))?;
            (self.write)(&mut program, part)?;
            program.run()?;
            each(program.session());
        }
        Ok(())
    }

    /// The model's parameters, some of them in 8 bits.
    fn states(&self, quantized: Option<&Quantized>) -> Result<States, TrainError> {
        let mut states = States::new();
        let mut result = Ok(());
        (self.parameters)(&mut |name, parameter| {
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

    /// All numbers of each output of f32, and how many lie in a row.
    fn outputs(&self, quantized: Option<&Quantized>) -> Result<Vec<Rows>, TrainError> {
        let mut outputs = vec![Rows::default(); self.outputs.len()];
        let graph = |graph: &Graph| quantized.map_or_else(|| graph.clone(), |quantized| quantized.graph(graph));
        self.run(self.settings.batch, self.states(quantized)?, graph, |session| {
            for (number, output) in outputs.iter_mut().enumerate() {
                let ty = session.program().plan().outputs[number].ty;
                if ty.dtype == DType::F32 {
                    // Along the last axis that has several, `[N, 1000, 1, 1]` as `[N, 1000]`.
                    let scores = ty.shape.dims().iter().skip(1).rfind(|&&extent| extent > 1);
                    output.width = scores.copied().unwrap_or(1);
                    output.numbers.extend(session.output(number).iter());
                }
            }
        })?;
        Ok(outputs)
    }

    /// The range of each activation, by all numbers that it takes.
    fn ranges(&self, names: &[String], options: &QuantizeOptions) -> Result<Vec<[f32; 2]>, TrainError> {
        let mut ranges = vec![[f32::INFINITY, f32::NEG_INFINITY]; names.len()];
        let mut finite = vec![true; names.len()];
        let first = self.outputs.len();
        self.run(self.settings.batch, self.states(None)?, watched, |session| {
            for (number, [least, greatest]) in ranges.iter_mut().enumerate() {
                let [low, high] = [0, 1].map(|which| session.output(first + 2 * number + which)[[]]);
                finite[number] &= low.is_finite() && high.is_finite();
                (*least, *greatest) = (least.min(low), greatest.max(high));
            }
        })?;
        // What is left in f32 may be what it likes.
        let is_taken = |number: &usize| !options.excludes(&names[*number]);
        if let Some(number) = (0..names.len()).filter(is_taken).find(|&number| !finite[number]) {
            return Err(QuantizeError::NotFinite { layer: names[number].clone() }.into());
        }
        if options.calibration == Calibration::MinMax {
            return Ok(ranges);
        }
        let counted =
            |(number, &range): (usize, &[f32; 2])| Histogram::over(if finite[number] { range } else { [0.0; 2] });
        let mut histograms: Vec<Histogram> = ranges.iter().enumerate().map(counted).collect();
        // All activations are results here, and have memory of their own.
        let graph = shown(&(self.graph)(self.sizes.with_batch(1))?);
        let elements = graph.outputs[first..].iter().map(|output| graph.shape(output.node).elements());
        let batch = (MOST_SHOWN / elements.sum::<usize>().max(1)).clamp(1, self.settings.batch);
        self.run(batch, self.states(None)?, shown, |session| {
            for (number, histogram) in histograms.iter_mut().enumerate().filter(|(number, _)| is_taken(number)) {
                session.output(first + number).iter().for_each(|&number| histogram.add(number));
            }
        })?;
        Ok(histograms.iter().map(|histogram| histogram.range(options.calibration)).collect())
    }

    /// What each result loses by its own operands.
    fn losses(&self, chosen: &[Option<Affine>]) -> Result<Vec<Option<f32>>, TrainError> {
        let count = chosen.iter().flatten().count();
        let (mut sums, first) = (vec![[0.0f64; 2]; count], self.outputs.len());
        self.run(
            self.settings.batch,
            self.states(None)?,
            |graph| compared(graph, chosen),
            |session| {
                for (number, sums) in sums.iter_mut().enumerate() {
                    for (which, sum) in sums.iter_mut().enumerate() {
                        *sum += f64::from(session.output(first + 2 * number + which)[[]]);
                    }
                }
            },
        )?;
        let mut sums = sums.into_iter().map(|[error, size]| relative(error, size));
        Ok(chosen.iter().map(|chosen| chosen.and_then(|_| sums.next())).collect())
    }

    /// What its activations become, by the calibration data, and what that loses.
    pub fn quantized(mut self, options: &QuantizeOptions) -> Result<Quantized, TrainError> {
        // Programs that run once are not tuned, and nothing that they find is a reason to stop.
        self.settings = Settings {
            batch: self.settings.batch.min(self.sizes.batch()),
            tune: None,
            check_finite: false,
            check_numerics: false,
            precision: Default::default(),
            ..self.settings
        };
        if let Calibration::Percentile(percent) = options.calibration
            && !(percent > 50.0 && percent <= 100.0)
        {
            return Err(QuantizeError::Percentile(percent).into());
        }
        let all = quantizable(&(self.graph)(self.sizes.with_batch(1))?);
        let names: Vec<String> = all.iter().map(|one| layer_of(&one.state)).collect();
        if let Some(unknown) = options.excluded.iter().find(|name| !names.iter().any(|layer| is_within(layer, name))) {
            return Err(QuantizeError::Unknown { name: unknown.clone(), known: known(&names) }.into());
        }
        if names.iter().all(|layer| options.excludes(layer)) {
            return Err(QuantizeError::Nothing { excluded: !names.is_empty() }.into());
        }
        let ranges = self.ranges(&names, options)?;
        let affine = |(name, range): (&String, &[f32; 2])| {
            (!options.excludes(name)).then(|| Affine::covering(range[0], range[1]))
        };
        let chosen: Vec<Option<Affine>> = names.iter().zip(&ranges).map(affine).collect();
        let losses = self.losses(&chosen)?;
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
        (self.parameters)(&mut |name, parameter| {
            let (elements, channels) =
                (parameter.value.len(), weights.get(name).map(|&axis| parameter.value.shape()[axis]));
            bytes[0] += size_of::<f32>() * elements;
            bytes[1] += channels.map_or(size_of::<f32>() * elements, |channels| elements + size_of::<f32>() * channels);
        });
        let samples = self.sizes.batch();
        let report = Quantization { layers, outputs: Vec::new(), accuracy: None, samples, parameter_bytes: bytes };
        let mut quantized = Quantized { chosen, weights, report };
        let [exact, narrow] = [self.outputs(None)?, self.outputs(Some(&quantized))?];
        if let Some(classes) = &options.classes {
            quantized.report.accuracy = Some([accuracy(&exact, classes)?, accuracy(&narrow, classes)?]);
        }
        let outputs = self.outputs.into_iter().zip(exact.iter().zip(&narrow));
        let outputs = outputs.filter(|(_, (exact, _))| exact.width > 0);
        quantized.report.outputs =
            outputs.map(|(name, (exact, narrow))| OutputDifference::of(name, exact, narrow)).collect();
        Ok(quantized)
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
    let subject = Subject {
        graph: &|sizes| predict_graph(model, sizes),
        parameters: &|f| model.each_parameter(f),
        inputs: M::INPUTS,
        outputs: output_names::<M>(),
        write: &|program, part| write_inputs::<M>(program, x, part),
        sizes: check_inputs::<M>(x, &settings).map_err(refused)?,
        settings,
    };
    subject.quantized(options)
}

/// Names, each once.
fn known(names: &[String]) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for name in names {
        if !known.contains(name) {
            known.push(name.clone());
        }
    }
    known
}

/// All numbers of an output.
#[derive(Clone, Default)]
struct Rows {
    numbers: Vec<f32>,
    /// How many lie along the last axis; 0 of an output that holds no f32.
    width: usize,
}

impl Rows {
    /// Of each row the place of its largest number.
    fn largest(&self) -> impl Iterator<Item = Option<usize>> {
        let place = |row: &[f32]| row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(place, _)| place);
        self.numbers.chunks(self.width.max(1)).map(place)
    }
}

/// The root of a sum of squares as a part of that of another one.
fn relative(error: f64, size: f64) -> f32 {
    (error / size.max(f64::MIN_POSITIVE)).sqrt() as f32
}

/// In which part of the rows of the first output the largest number is at the place of their class.
fn accuracy(outputs: &[Rows], classes: &[i32]) -> Result<f32, TrainError> {
    let found: Vec<Option<usize>> = outputs.first().into_iter().flat_map(Rows::largest).collect();
    if found.len() != classes.len() {
        return Err(QuantizeError::Classes { expected: found.len(), found: classes.len() }.into());
    }
    let right =
        found.iter().zip(classes).filter(|(found, class)| found.map(|place| place as i64) == Some(**class as i64));
    Ok(right.count() as f32 / classes.len().max(1) as f32)
}

impl OutputDifference {
    fn of(name: String, exact: &Rows, narrow: &Rows) -> OutputDifference {
        let square = |x: f32| f64::from(x) * f64::from(x);
        let error = exact.numbers.iter().zip(&narrow.numbers).map(|(a, b)| square(a - b)).sum();
        let size = exact.numbers.iter().map(|&a| square(a)).sum();
        let same = exact.largest().zip(narrow.largest()).filter(|(a, b)| a == b).count();
        let agreement = same as f32 / exact.largest().count().max(1) as f32;
        OutputDifference { name, loss: relative(error, size), agreement }
    }
}
