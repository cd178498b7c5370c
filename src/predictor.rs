//! Inference without a trainer: programs with no backward pass, no loss and no optimizer, for any number of threads at
//! once. It checks nothing of inputs itself and lends no programs: `trainer/inputs.rs` and `lending.rs` do.

mod held;
mod lending;
mod quantization;

use std::fmt;
use std::path::Path;

use kiln_graph::model::{ElementsMut, Inputs, OutputTypes};
use kiln_graph::shape::{Sizes, check_rows};
use kiln_graph::{Graph, Model, Parameters};
use kiln_jit::{Plan, States};

use crate::report::{CachedPrograms, DrawError, Drawing, Profile, Summary, Tuning};
use crate::trainer::{
    Settings, TrainError, check_inputs, output_names, predict_graph, read_outputs, setter, take_parameters,
    take_parameters_by, write_inputs,
};
pub(crate) use held::Held;
pub(crate) use lending::Lender;
#[cfg(feature = "onnx")]
pub(crate) use quantization::Subject;
use quantization::calibrate;
pub use quantization::{Calibration, OutputDifference, Quantization, QuantizeError, QuantizeOptions, QuantizedLayer};
pub(crate) use quantization::{Lost, Quantized};

/// A model ready to predict: any number of samples, in parts of the batch size that it was compiled for.
///
/// Any number of threads predict with it at once, by a reference or an `Arc`: over one copy of the parameters, and of what follows
/// from them alone, such as packed weights. Each call computes in memory of its own, which later calls use again; how many
/// there are at most, [`PredictorBuilder::concurrent_calls`] says. Results have the same bits, whoever else calls.
///
/// ```
/// use kiln::prelude::*;
/// use ndarray::Array2;
///
/// #[derive(Model)]
/// #[model(input = [4])]
/// struct Small {
///     fc: Linear<4, 3>,
/// }
///
/// let predictor = Predictor::new(Small::init(0)).batch(1).threads(1).build()?;
/// let scores = predictor.predict(&Array2::<f32>::ones((1, 4)))?;
/// assert_eq!(scores.shape(), [1, 3]);
///
/// std::thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(|| assert_eq!(predictor.predict(&Array2::<f32>::ones((1, 4))).unwrap(), scores));
///     }
/// });
/// # Ok::<(), TrainError>(())
/// ```
pub struct Predictor<M: Model> {
    model: Held<M>,
    settings: Settings,
    quantized: Option<Quantized>,
    programs: Lender,
}

impl<M: Model> fmt::Debug for Predictor<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Predictor").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The settings of a [`Predictor`]; made by [`Predictor::new`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct PredictorBuilder<M> {
    model: Box<M>,
    settings: Settings,
    quantized: Option<Quantized>,
}

impl<M: Model> PredictorBuilder<M> {
    /// The number of samples that are predicted at once; more are taken in parts. Default 64. Fewer, also as the last part, are
    /// a program of their own: see [`PredictorBuilder::cached_programs`]. So a predictor of single samples is built with 1.
    pub fn batch(mut self, batch: usize) -> Self {
        self.settings.batch = batch;
        self
    }

    /// How many calls compute at once, each in memory of its own; further ones wait until one of these is done. So the memory
    /// to compute in is at most so many times [`CachedProgram::bytes`](crate::report::CachedProgram::bytes) of the largest program, however many
    /// threads call. Default: four times the number of processors; more only take turns on them.
    pub fn concurrent_calls(mut self, calls: usize) -> Self {
        self.settings.calls = Some(calls);
        self
    }

    setter!(extent);
    setter!(threads);
    setter!(cached_programs);
    setter!(check_finite);
    setter!(check_numerics);
    setter!(flush_denormal);
    setter!(exact);
    setter!(precision);
    setter!(tune);

    /// Computes products in 8 bits: weights of Linear, convolution and recurrent layers as i8, a scale for each output channel, what
    /// they are multiplied with as u8, one scale and zero point for each tensor (of a recurrent layer: for all steps), sums as i32;
    /// all else in f32. `calibration` is what [`Predictor::predict`] takes, some hundred samples: their least and greatest
    /// numbers bound what activations become, and numbers beyond are cut off; [`Calibration`] has other bounds. A quarter of the
    /// memory, and faster where products take the time; [`Predictor::quantization`] and [`Predictor::summary`] tell what it
    /// loses. It is done here, with what was set before.
    ///
    /// ```
    /// use kiln::prelude::*;
    /// use ndarray::Array2;
    ///
    /// #[derive(Model)]
    /// #[model(input = [4])]
    /// struct Small {
    ///     fc: Linear<4, 3>,
    /// }
    ///
    /// let samples = Array2::from_shape_fn((100, 4), |(i, j)| (i as f32 * 0.1 + j as f32).sin());
    /// let predictor = Predictor::new(Small::init(0)).quantize(&samples)?.build()?;
    /// let quantization = predictor.quantization().expect("it is quantized");
    /// assert!(quantization.outputs[0].loss < 0.02, "{quantization}");
    /// # Ok::<(), TrainError>(())
    /// ```
    ///
    /// # Errors
    /// [`TrainError::Quantize`]: data of another shape than the model's input, or without samples; a model without such layers;
    /// activations that are not finite.
    pub fn quantize(self, calibration: impl Inputs<M::Input>) -> Result<Self, TrainError> {
        self.quantize_with(calibration, QuantizeOptions::new())
    }

    /// As [`PredictorBuilder::quantize`], but for layers that stay in f32, and with other ranges of activations.
    ///
    /// # Errors
    /// Also [`QuantizeError::Unknown`] for a name of a layer that there is not.
    pub fn quantize_with(
        mut self,
        calibration: impl Inputs<M::Input>,
        options: QuantizeOptions,
    ) -> Result<Self, TrainError> {
        self.model.check_shapes()?;
        self.quantized = Some(calibrate(&*self.model, self.settings, &calibration, &options)?);
        Ok(self)
    }

    /// Compiles the prediction.
    ///
    /// # Errors
    /// [`TrainError::Graph`], [`TrainError::Parameter`], [`TrainError::Compile`], [`TrainError::Memory`], [`TrainError::Zero`],
    /// [`TrainError::Environment`]; [`TrainError::UnknownExtent`], [`TrainError::ZeroExtent`], [`TrainError::Sizes`],
    /// [`TrainError::Tuning`] where the settings say so.
    pub fn build(self) -> Result<Predictor<M>, TrainError> {
        const { check_rows(M::OUTPUT_NAMES, M::OUTPUTS) };
        let PredictorBuilder { mut model, mut settings, quantized } = self;
        let pool = settings.checked(M::INPUTS)?;
        settings.fit_tables(M::INPUTS, |settings| graph_of(&*model, quantized.as_ref(), settings.usual(M::INPUTS)));
        let mut states = States::new();
        match &quantized {
            None => take_parameters(&mut states, &mut *model)?,
            Some(quantized) => take_parameters_by(&mut states, &mut *model, &|states, name, value| {
                quantized.give(states, name, value)
            })?,
        }
        let mut graph = |sizes| graph_of(&*model, quantized.as_ref(), sizes);
        let programs = Lender::new(settings, pool, states, M::INPUTS, &mut graph)?;
        Ok(Predictor { model: Held::new(model), settings, quantized, programs })
    }
}

impl<M: Model> Predictor<M> {
    /// The settings of a predictor, all at their defaults; [`PredictorBuilder::build`] compiles it.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(model: M) -> PredictorBuilder<M> {
        PredictorBuilder { model: Box::new(model), settings: Settings::default(), quantized: None }
    }

    /// The model's output for any number of samples, `[n, ..]`; those of several inputs are a tuple, `(&image, &word)`. A remainder smaller than the batch size compiles a
    /// program of its own the first time, which is kept as [`PredictorBuilder::cached_programs`] says; calls of other sizes go on
    /// meanwhile.
    ///
    /// # Errors
    /// [`TrainError::InputShape`] (of several inputs [`TrainError::NamedInputShape`] and [`TrainError::InputBatch`]),
    /// [`TrainError::Empty`], [`TrainError::OutOfMemory`], and with `check_finite` [`TrainError::NotFinite`].
    pub fn predict(&self, x: impl Inputs<M::Input>) -> Result<<M::Output as OutputTypes>::Arrays, TrainError> {
        let sizes = check_inputs::<M>(&x, &self.settings)?;
        let mut result =
            M::Output::arrays(&|output| sizes.shape(M::OUTPUTS[output].shape)).map_err(TrainError::outputs)?;
        self.predict_to(x, sizes, &mut result)?;
        Ok(result)
    }

    /// As [`Predictor::predict`], into arrays that are there, such as the result of a call before: PyTorch's `out=`. A call of
    /// sizes that are kept allocates nothing.
    ///
    /// # Errors
    /// Also [`TrainError::OutputShape`] for an array of another shape; after an error the arrays hold anything.
    pub fn predict_into(
        &self,
        x: impl Inputs<M::Input>,
        out: &mut <M::Output as OutputTypes>::Arrays,
    ) -> Result<(), TrainError> {
        let sizes = check_inputs::<M>(&x, &self.settings)?;
        let mut fits = Ok(());
        M::Output::each(out, &mut |output, given| {
            let expected = sizes.shape(M::OUTPUTS[output].shape);
            let found = match &given {
                ElementsMut::F32(given) => given.shape(),
                ElementsMut::I32(given) => given.shape(),
                ElementsMut::Bool(given) => given.shape(),
            };
            if fits.is_ok() && expected.dims() != found {
                let output = output_names::<M>().swap_remove(output);
                fits = Err(TrainError::OutputShape { output, expected, found: found.to_vec() });
            }
        });
        fits?;
        self.predict_to(x, sizes, out)
    }

    fn predict_to(
        &self,
        x: impl Inputs<M::Input>,
        sizes: Sizes,
        out: &mut <M::Output as OutputTypes>::Arrays,
    ) -> Result<(), TrainError> {
        let rows = sizes.batch();
        for start in (0..rows).step_by(self.settings.batch) {
            let part = start..rows.min(start + self.settings.batch);
            let sizes = sizes.with_batch(part.len());
            let mut program = self.programs.lend(sizes, &mut || self.graph(sizes))?;
            write_inputs::<M>(&mut program, &x, part.clone())?;
            program.run()?;
            read_outputs::<M>(program.session(), out, part);
        }
        Ok(())
    }

    fn graph(&self, sizes: Sizes) -> Result<Graph, TrainError> {
        self.model.with(|model| graph_of(model, self.quantized.as_ref(), sizes))
    }

    /// What [`PredictorBuilder::quantize`] has done and lost; nothing without it.
    pub fn quantization(&self) -> Option<&Quantization> {
        self.quantized.as_ref().map(|quantized| &quantized.report)
    }

    /// The model with its parameters, which are copied from the compiled programs' memory the first time. (They do not change,
    /// unless a layer of your own updates states in evaluation, too: then they are those of that time, and
    /// [`Predictor::into_model`] gives the present ones.) Weights that are quantized are the numbers that they were rounded to.
    pub fn model(&self) -> &M {
        self.model.whole(|model| self.programs.read_parameters(model))
    }

    /// The model with its parameters.
    pub fn into_model(self) -> M {
        let mut model = self.model.into_inner();
        self.programs.read_parameters(&mut *model);
        *model
    }

    /// The plan of the prediction of a full batch: kernels, memory and FLOPs; it prints.
    pub fn plan(&self) -> &Plan {
        self.programs.plan()
    }

    /// Writes a drawing of the prediction of a full batch as one HTML file: see [`Drawing`].
    ///
    /// # Errors
    /// [`DrawError::Write`].
    pub fn graph_html(&self, path: impl AsRef<Path>) -> Result<(), DrawError> {
        let graph = self.graph(self.settings.usual(M::INPUTS))?;
        self.model.with(|model| Drawing::new(&graph).plan(self.plan()).layers("", model).save_html(path))
    }

    /// Times each kernel of the prediction of a full batch; see [`Trainer::profile`](crate::Trainer::profile). Calls of other
    /// threads wait meanwhile.
    ///
    /// # Errors
    /// [`TrainError::Profile`].
    pub fn profile(&self) -> Result<Profile, TrainError> {
        self.programs.profile(&self.graph(self.settings.usual(M::INPUTS))?)
    }

    /// What is kept compiled: for which sizes, in how much memory, and how often it has run; it prints as a table. The bound
    /// is [`PredictorBuilder::cached_programs`]'s.
    pub fn cached_programs(&self) -> CachedPrograms {
        self.programs.cached()
    }

    /// What [`PredictorBuilder::tune`] has chosen so far; nothing without it.
    pub fn tuning(&self) -> Option<&Tuning> {
        self.programs.tuning()
    }

    /// A table of the layers, their output shapes, parameters and FLOPs, the planned memory, and what is computed in 8 bits, with
    /// what that loses; it prints.
    ///
    /// # Errors
    /// [`TrainError::Graph`].
    pub fn summary(&self) -> Result<Summary, TrainError> {
        let sizes = self.settings.usual(M::INPUTS);
        let summary = self.model.with(|model| Summary::new(model, sizes, None, Some(self.plan())))?;
        Ok(summary.quantized(self.quantization()))
    }
}

/// The prediction for some sizes, in 8 bits where that is asked for.
fn graph_of<M: Model>(model: &M, quantized: Option<&Quantized>, sizes: Sizes) -> Result<Graph, TrainError> {
    let graph = predict_graph(model, sizes)?;
    Ok(match quantized {
        Some(quantized) => quantized.graph(&graph),
        None => graph,
    })
}
