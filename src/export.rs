//! Models as ONNX files, for other programs to run. It knows models and sizes; what a file holds, `kiln_onnx::write`
//! knows.

mod prediction;
mod sizes;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use kiln_graph::{Model, ParameterError, counter};
use kiln_onnx::Bytes;
use kiln_onnx::proto::ModelProto;
use kiln_onnx::write::{self, Source, WriteError};
use kiln_onnx::{OnnxError, OnnxModel};

use crate::files::replace_file;
use crate::steps::Steps;
use crate::trainer::{Extents, TrainError};
use prediction::{Eval, Forward, Imported, Prediction};

/// The most bytes of parameters that are written into the file itself: messages of Protocol Buffers have at most 2 GiB.
const MOST_INSIDE: usize = 2_000_000_000;

/// Why a model is not written as an ONNX file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A graph that ONNX has no operators for.
    #[error("cannot write the model as ONNX: {0}")]
    Form(#[from] WriteError),
    /// The layers do not go together, or an extent is named that no input has.
    #[error(transparent)]
    Model(#[from] TrainError),
    /// A model of another file, which can not be made a graph.
    #[error(transparent)]
    File(#[from] OnnxError),
    /// A parameter's value has another shape than its layer has declared.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// A `step`, which trains.
    #[error("`{name}` is a `step`, which trains: an ONNX file holds what an `eval` or a `forward` computes")]
    Step {
        /// Its name.
        name: String,
    },
    /// The file could not be written.
    #[error("cannot write the model to {}: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        #[source]
        error: io::Error,
    },
}

/// Writing a model's prediction as an ONNX file, which ONNX Runtime and others run; for [`Model`]s, in the prelude.
///
/// ```
/// use kiln::prelude::*;
///
/// #[derive(Model)]
/// #[model(input = [4])]
/// struct Classifier {
///     fc1: Linear<4, 16>,
///     act: ReLU,
///     fc2: Linear<16, 3>,
/// }
///
/// # let program = std::env::current_exe()?;
/// # let folder = program.parent().unwrap();
/// Classifier::init(0).export_onnx(folder.join("classifier.onnx"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ExportOnnx: Model {
    /// Writes the prediction, as in evaluation, for any batch size and any size of the model's free extents. Layers
    /// become the operators of their kind under the names of their fields, parameters keep their names. [`OnnxExport`]
    /// has settings.
    ///
    /// A file that is there is replaced.
    ///
    /// # Errors
    /// [`ExportError`].
    fn export_onnx(&self, path: impl AsRef<Path>) -> Result<(), ExportError>;
}

impl<M: Model> ExportOnnx for M {
    fn export_onnx(&self, path: impl AsRef<Path>) -> Result<(), ExportError> {
        OnnxExport::new(self).save(path)
    }
}

/// Writing an `eval` of a model that is trained by `step`s as an ONNX file; in the prelude.
///
/// ```
/// use kiln::prelude::*;
///
/// model! {
///     struct Net {
///         fc: Linear(4, 3),
///         opt: Sgd(fc, lr = 0.1),
///     }
///
///     step fit(x: [N, 4], y: [N; i32]) -> loss {
///         let loss = cross_entropy(fc(x), y);
///         opt.minimize(loss);
///     }
///
///     eval tell(x: [N, 4]) -> class {
///         let class = fc(x).argmax(1);
///     }
/// }
///
/// # let program = std::env::current_exe()?;
/// # let folder = program.parent().unwrap();
/// Net::init(0).export_onnx_eval("tell", folder.join("tell.onnx"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ExportOnnxEval: Steps {
    /// Writes what the `eval` of this name computes, as [`ExportOnnx::export_onnx`] writes a `forward`.
    ///
    /// # Errors
    /// [`ExportError`].
    fn export_onnx_eval(&self, name: &str, path: impl AsRef<Path>) -> Result<(), ExportError>;
}

impl<S: Steps> ExportOnnxEval for S {
    fn export_onnx_eval(&self, name: &str, path: impl AsRef<Path>) -> Result<(), ExportError> {
        OnnxExport::of_eval(self, name)?.save(path)
    }
}

/// How a model is written as an ONNX file: see [`ExportOnnx`].
///
/// ```
/// use kiln::onnx::{ExportError, OnnxExport};
/// use kiln::prelude::*;
///
/// #[derive(Model)]
/// #[model(input = [4])]
/// struct Small {
///     fc: Linear<4, 3>,
/// }
///
/// let bytes = OnnxExport::new(&Small::init(0)).batch(1).bytes()?;
/// assert!(bytes.len() > 60);
/// # Ok::<(), ExportError>(())
/// ```
#[must_use = "nothing is written until it is saved"]
pub struct OnnxExport<'m> {
    model: Box<dyn Prediction + 'm>,
    batch: Option<usize>,
    extents: Extents,
    external: bool,
}

/// Writes a file, its parameters beside it where that is asked for or they are too many; an error names which file.
pub fn write_message(mut model: ModelProto, external: bool, path: &Path) -> Result<(), (PathBuf, io::Error)> {
    if external || write::data_bytes(&model) > MOST_INSIDE {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".data");
        let beside = path.with_file_name(&name);
        let data = write::move_data_out(&mut model, &name.to_string_lossy());
        replace_file(&beside, &data).map_err(|error| (beside, error))?;
    }
    replace_file(path, &write::encoded(&model)).map_err(|error| (path.to_owned(), error))
}

impl<'m> OnnxExport<'m> {
    /// The `forward` of a model: all extents free, parameters within the file.
    pub fn new<M: Model>(model: &'m M) -> OnnxExport<'m> {
        OnnxExport::of(Forward(model))
    }

    /// An `eval` of a model that is trained by steps.
    ///
    /// # Errors
    /// [`TrainError::UnknownProgram`] for the name of no program, [`ExportError::Step`] for that of a step.
    pub fn of_eval<S: Steps>(model: &'m S, name: &str) -> Result<OnnxExport<'m>, ExportError> {
        Ok(OnnxExport::of(Eval::find(model, name)?))
    }

    /// A model of another file, with its present parameters: after another training, or with a new head. Inputs and outputs
    /// have the element types of that file; values that were given by `with` are no inputs any more; the number of rows is `N`.
    ///
    /// # Errors
    /// [`ExportError::File`] for an input with an open extent beside the number of rows.
    pub fn of_onnx(model: &'m OnnxModel) -> Result<OnnxExport<'m>, ExportError> {
        Ok(OnnxExport::of(Imported::new(model)?))
    }

    fn of(model: impl Prediction + 'm) -> OnnxExport<'m> {
        OnnxExport { model: Box::new(model), batch: None, extents: Extents::default(), external: false }
    }

    /// The batch size that the file is for. Default: any, as `N`.
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = Some(batch);
        self
    }

    /// The size of a free extent of the model (`T` in `x: [N, T, 8]`) that the file is for. Default: any, under its
    /// name.
    pub fn extent(mut self, name: &'static str, size: usize) -> Self {
        self.extents = self.extents.with(name, size);
        self
    }

    /// Whether parameters lie in a file of their own beside it, `NAME.onnx.data`. Default: `false`, but for more than
    /// 2 GB, which do not fit into one.
    pub fn external_data(mut self, external: bool) -> Self {
        self.external = external;
        self
    }

    /// Writes the file; one that is there is replaced.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ExportError> {
        let path = path.as_ref();
        let written = write_message(self.message()?, self.external, path);
        written.map_err(|(path, error)| ExportError::Write { path, error })
    }

    /// The bytes of the file, parameters within.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn bytes(&self) -> Result<Vec<u8>, ExportError> {
        Ok(write::encoded(&self.message()?))
    }

    fn message(&self) -> Result<ModelProto, ExportError> {
        self.model.check_shapes()?;
        let (free, sizes, built) = sizes::built(&*self.model, self.batch, &self.extents)?;
        let mut parameters = HashMap::new();
        self.model.each_parameter(&mut |name, parameter| {
            let bytes: Vec<u8> = match parameter.count() {
                Some(count) => counter::digits(count).into_iter().flat_map(i32::to_le_bytes).collect(),
                None => parameter.value.iter().flat_map(|number| number.to_le_bytes()).collect(),
            };
            parameters.insert(name.to_owned(), Bytes::from(bytes));
        });
        let mut layers = HashSet::new();
        self.model.each_layer(&mut |place, _| _ = layers.insert(place.to_owned()));
        let name = &self.model.name();
        let elements = self.model.elements();
        let (parameters, layers, elements) = (&parameters, &layers, &elements);
        Ok(write::model(&Source { name, built: &built, free: &free, sizes: &sizes, parameters, layers, elements })?)
    }
}
