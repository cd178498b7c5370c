//! Predictions of a model from a file: inputs and outputs by their names, programs by the number of rows. It knows no
//! operators.

use std::path::Path;

use kiln_graph::shape::Sizes;
use kiln_graph::{DType, Element, Elements, Graph, GraphError, Shape, Type};
use kiln_jit::{Plan, States};
use kiln_onnx::{OnnxError, OnnxModel};
use ndarray::{ArrayRef, Dimension};

use super::array::OnnxArray;
use super::given::Given;
use super::outputs::OnnxOutputs;
use crate::predictor::{Held, Lender, Quantization, QuantizeOptions, Quantized, Subject};
use crate::report::{CachedPrograms, DrawError, Drawing, Profile, Summary, Tuning};
use crate::trainer::{Settings, TrainError, setter, take_parameters_by};

/// A model of a file ready to predict. Any number of threads call it at once, as a [`Predictor`](crate::Predictor).
///
/// An extent of an input that the file leaves open is fixed by [`OnnxModel::shape`]; the first one of each input may stay open
/// for as many rows as a call has, the same number in all of them. Calls of other numbers of rows than
/// [`OnnxPredictorBuilder::batch`] says compile a program of their own the first time.
pub struct OnnxPredictor {
    model: Held<OnnxModel>,
    settings: Settings,
    quantized: Option<Quantized>,
    programs: Lender,
    inputs: Vec<(String, Type)>,
    outputs: Vec<String>,
}

/// The settings of an [`OnnxPredictor`]; made by [`OnnxPredictor::new`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct OnnxPredictorBuilder {
    model: Box<OnnxModel>,
    settings: Settings,
    quantized: Option<Quantized>,
}

/// Why a model of a file is not compiled, or a call not computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxRunError {
    /// The model can not be made a graph.
    #[error(transparent)]
    Model(#[from] OnnxError),
    /// It can not be compiled or run.
    #[error(transparent)]
    Run(#[from] TrainError),
    /// A name that no input, or no output, has.
    #[error("the model has no {wanted} `{name}`; it has {known}")]
    Unknown {
        /// `input` or `output`.
        wanted: &'static str,
        /// The name given.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A call without a value of an input.
    #[error("input `{name}` was not given: {}{}", expected.dtype, expected.shape)]
    Missing {
        /// Its name.
        name: String,
        /// Its type.
        expected: Type,
    },
    /// A value of another type or shape than its input.
    #[error(
        "input `{name}` is {}{}, where N is the number of rows, but what was given is {}{}",
        expected.dtype, expected.shape, found.dtype, found.shape
    )]
    Given {
        /// Its name.
        name: String,
        /// Its type.
        expected: Type,
        /// The value's.
        found: Type,
    },
    /// A call of a trainer without the target of an output's loss.
    #[error("the loss of output `{output}` was not given its target: {}{}", expected.dtype, expected.shape)]
    MissingTarget {
        /// The name of the output.
        output: String,
        /// What it takes.
        expected: Type,
    },
    /// A target of another type or shape than the loss takes.
    #[error(
        "the loss of output `{output}` takes a target of {}{}, but what was given is {}{}",
        expected.dtype, expected.shape, found.dtype, found.shape
    )]
    Target {
        /// The name of the output.
        output: String,
        /// What it takes.
        expected: Type,
        /// The target's.
        found: Type,
    },
    /// An output of a model with [independent rows](super::OnnxTrainerBuilder::independent_rows) that has no row for each
    /// sample.
    #[error(
        "output `{output}` has shape {found} for {rows} samples, and no row for each: leave out `independent_rows`"
    )]
    NoRows {
        /// The output.
        output: String,
        /// Its shape.
        found: Shape,
        /// The number of samples.
        rows: usize,
    },
    /// An output that holds something else than what was asked for.
    #[error("output `{name}` holds {found}, not {wanted}")]
    Holds {
        /// Its name.
        name: String,
        /// What it holds.
        found: DType,
        /// What was asked for.
        wanted: DType,
    },
}

impl OnnxPredictorBuilder {
    /// The number of rows that the program is compiled for which is kept for good, where inputs leave it open. Default 1.
    pub fn batch(mut self, batch: usize) -> Self {
        self.settings.batch = batch;
        self
    }

    /// How many calls compute at once; see [`PredictorBuilder::concurrent_calls`](crate::PredictorBuilder::concurrent_calls).
    pub fn concurrent_calls(mut self, calls: usize) -> Self {
        self.settings.calls = Some(calls);
        self
    }

    setter!(threads);
    setter!(cached_programs);
    setter!(check_numerics);
    setter!(flush_denormal);
    setter!(exact);
    setter!(precision);
    setter!(tune);

    /// Computes products in 8 bits: see [`PredictorBuilder::quantize`](crate::PredictorBuilder::quantize). `calibration` has the
    /// values of all inputs by their names, some hundred samples, where the first extent is open. They are computed in batches
    /// of [`OnnxPredictorBuilder::batch`], so that of a model whose first axis is time, or counts something else than samples,
    /// that must be the length of the calibration data.
    ///
    /// ```
    /// use kiln::onnx::{OnnxModel, OnnxPredictor};
    /// use kiln::QuantizeOptions;
    /// use ndarray::Array4;
    ///
    /// let samples = Array4::from_shape_fn((100, 1, 8, 8), |(n, _, y, x)| ((n + 3 * y + x) % 7) as f32);
    /// let model = OnnxModel::load("examples/data/digits.onnx")?;
    /// let builder = OnnxPredictor::new(model).batch(10);
    /// let predictor = builder.quantize(&[("x", samples.into_dyn().into())], QuantizeOptions::new())?.build()?;
    /// let quantization = predictor.quantization().expect("it is quantized");
    /// assert!(quantization.outputs[0].loss < 0.1, "{quantization}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TrainError::Quantize`] in [`OnnxRunError::Run`]; [`OnnxRunError::Unknown`], [`OnnxRunError::Given`],
    /// [`OnnxRunError::Missing`] for other calibration data than the model takes; [`OnnxRunError::Model`].
    pub fn quantize(
        mut self,
        calibration: &[(&str, OnnxArray)],
        options: QuantizeOptions,
    ) -> Result<Self, OnnxRunError> {
        let model = &*self.model;
        let types = model.input_types()?;
        let inputs: Vec<(String, Type)> =
            model.inputs().iter().map(|input| input.name.clone()).zip(types.iter().copied()).collect();
        let mut given = Given::new(inputs.len());
        for (name, value) in calibration {
            given.set(&inputs, name, value.elements())?;
        }
        let rows = given.rows(&inputs)?.unwrap_or(1);
        model.predict_graph(rows)?;
        let subject = Subject {
            graph: &|sizes| model.predict_graph(sizes).map_err(foreign),
            parameters: &|f| kiln_graph::Parameters::each_parameter(model, f),
            inputs: &types,
            outputs: model.outputs().to_vec(),
            write: &|program, part| given.write(&inputs, program, part),
            sizes: Sizes::of_batch(rows),
            settings: self.settings,
        };
        self.quantized = Some(subject.quantized(&options)?);
        Ok(self)
    }

    /// Compiles the prediction.
    ///
    /// # Errors
    /// [`OnnxRunError::Model`] for an input whose shape is open or a node that is not computed, [`OnnxRunError::Run`].
    pub fn build(self) -> Result<OnnxPredictor, OnnxRunError> {
        let OnnxPredictorBuilder { mut model, settings, quantized } = self;
        let types = model.input_types()?;
        let inputs: Vec<(String, Type)> =
            model.inputs().iter().map(|input| input.name.clone()).zip(types.iter().copied()).collect();
        let outputs = model.outputs().to_vec();
        let pool = settings.checked(&types)?;
        // Said with its own error, and built once.
        let mut graph = Some(graph_of(&model, quantized.as_ref(), settings.batch)?);
        let mut states = States::new();
        take_parameters_by(&mut states, &mut *model, &|states, name, value| match &quantized {
            Some(quantized) => quantized.give(states, name, value),
            None => states.give(name, value),
        })?;
        let programs =
            Lender::new(settings, pool, states, &types, &mut |_| Ok(graph.take().expect("one for the usual sizes")))?;
        Ok(OnnxPredictor { model: Held::new(model), settings, quantized, programs, inputs, outputs })
    }
}

impl OnnxPredictor {
    /// The settings of a predictor, all at their defaults; [`OnnxPredictorBuilder::build`] compiles it.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(model: OnnxModel) -> OnnxPredictorBuilder {
        OnnxPredictorBuilder {
            model: Box::new(model),
            settings: Settings { batch: 1, ..Settings::default() },
            quantized: None,
        }
    }

    /// The names of the inputs with their types; [`Shape::N`] is the number of rows.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, Type)> {
        self.inputs.iter().map(|(name, ty)| (name.as_str(), *ty))
    }

    /// The names of the outputs.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// Begins a call, of a model that takes nothing more.
    pub fn call(&self) -> OnnxCall<'_> {
        OnnxCall { predictor: self, given: Given::new(self.inputs.len()) }
    }

    /// Begins a call with the value of an input. Whole numbers of all types are i32.
    ///
    /// # Errors
    /// [`OnnxRunError::Unknown`], [`OnnxRunError::Given`].
    pub fn given<'p, T: Element, D: Dimension>(
        &'p self,
        name: &str,
        value: &'p ArrayRef<T, D>,
    ) -> Result<OnnxCall<'p>, OnnxRunError> {
        self.call().given(name, value)
    }

    fn graph(&self, rows: usize) -> Result<Graph, TrainError> {
        let graph = self.model.with(|model| graph_of(model, self.quantized.as_ref(), rows));
        graph.map_err(foreign)
    }

    /// What [`OnnxPredictorBuilder::quantize`] has done and lost; nothing without it.
    pub fn quantization(&self) -> Option<&Quantization> {
        self.quantized.as_ref().map(|quantized| &quantized.report)
    }

    /// The model with its parameters.
    pub fn model(&self) -> &OnnxModel {
        self.model.whole(|model| self.programs.read_parameters(model))
    }

    /// The plan of the prediction: kernels, memory and FLOPs; it prints.
    pub fn plan(&self) -> &Plan {
        self.programs.plan()
    }

    /// Writes a drawing of the prediction as one HTML file: see [`Drawing`].
    ///
    /// # Errors
    /// [`DrawError::Write`].
    pub fn graph_html(&self, path: impl AsRef<Path>) -> Result<(), DrawError> {
        let graph = self.graph(self.settings.batch)?;
        self.model.with(|model| Drawing::new(&graph).plan(self.plan()).layers("", model).save_html(path))
    }

    /// Times each kernel of the prediction; calls of other threads wait meanwhile.
    ///
    /// # Errors
    /// [`TrainError::Profile`].
    pub fn profile(&self) -> Result<Profile, TrainError> {
        self.programs.profile(&self.graph(self.settings.batch)?)
    }

    /// A table of the nodes with parameters, their output shapes and FLOPs, and the planned memory; it prints.
    ///
    /// # Errors
    /// [`TrainError::Graph`].
    pub fn summary(&self) -> Result<Summary, TrainError> {
        let sizes = Sizes::of_batch(self.settings.batch);
        let first = self.inputs.first().map_or(Shape::SCALAR, |(_, ty)| ty.shape);
        let graph = |samples: usize| self.model.with(|model| model.predict_graph(samples)).map_err(foreign);
        let one = graph(1)?;
        // Of a file that takes so many samples and no more, no axis follows them.
        let [two, three] = [2, 3].map(|samples| graph(samples).unwrap_or_else(|_| one.clone()));
        let graphs = [one, two, three];
        let summary =
            self.model.with(|model| Summary::of_graphs(&graphs, model, first, sizes, None, Some(self.plan())));
        Ok(summary.quantized(self.quantization()))
    }

    /// What is kept compiled; it prints as a table.
    pub fn cached_programs(&self) -> CachedPrograms {
        self.programs.cached()
    }

    /// What [`OnnxPredictorBuilder::tune`] has chosen so far; nothing without it.
    pub fn tuning(&self) -> Option<&Tuning> {
        self.programs.tuning()
    }
}

/// The prediction of so many rows, in 8 bits where that is asked for.
fn graph_of(model: &OnnxModel, quantized: Option<&Quantized>, rows: usize) -> Result<Graph, OnnxError> {
    let graph = model.predict_graph(rows)?;
    Ok(quantized.map_or_else(|| graph.clone(), |quantized| quantized.graph(&graph)))
}

pub(super) fn foreign(error: OnnxError) -> TrainError {
    TrainError::Graph(GraphError::Foreign(error.to_string()))
}

/// A call of an [`OnnxPredictor`], with the values that it has been given.
#[must_use = "a call does nothing until it runs"]
pub struct OnnxCall<'p> {
    predictor: &'p OnnxPredictor,
    given: Given<'p>,
}

impl<'p> OnnxCall<'p> {
    /// With the value of an input.
    ///
    /// # Errors
    /// [`OnnxRunError::Unknown`], [`OnnxRunError::Given`].
    pub fn given<T: Element, D: Dimension>(
        self,
        name: &str,
        value: &'p ArrayRef<T, D>,
    ) -> Result<OnnxCall<'p>, OnnxRunError> {
        self.given_elements(name, T::elements(value.view().into_dyn()))
    }

    /// As [`OnnxCall::given`], of elements whose type is known when the program runs: those of an
    /// [`OnnxArray`](super::OnnxArray).
    ///
    /// # Errors
    /// As for [`OnnxCall::given`].
    pub fn given_elements(mut self, name: &str, value: Elements<'p>) -> Result<OnnxCall<'p>, OnnxRunError> {
        self.given.set(&self.predictor.inputs, name, value)?;
        Ok(self)
    }

    /// Computes the outputs.
    ///
    /// # Errors
    /// [`OnnxRunError::Missing`]; [`OnnxRunError::Given`] for inputs of several numbers of rows; [`OnnxRunError::Run`].
    pub fn run(self) -> Result<OnnxOutputs, OnnxRunError> {
        let OnnxCall { predictor, given } = self;
        let rows = given.rows(&predictor.inputs)?.unwrap_or(predictor.settings.batch);
        let mut program = predictor.programs.lend(Sizes::of_batch(rows), &mut || predictor.graph(rows))?;
        given.write(&predictor.inputs, &mut program, 0..rows)?;
        program.run()?;
        Ok(OnnxOutputs::read(&program, &predictor.outputs))
    }
}
