//! Losses by PyTorch's names, with PyTorch's settings. It knows their words, and no formula.

use kiln::losses::{self, Reduction};
use kiln::ndarray::{ArrayD, arr1};
use kiln::onnx::OnnxTrainerBuilder;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::settings::{Setting, Settings, no_setting, no_such, settings};

/// A loss: `Loss("CrossEntropyLoss", label_smoothing=0.1)`.
#[pyclass(frozen, module = "kiln")]
pub struct Loss {
    name: String,
    settings: Settings,
}

#[pymethods]
impl Loss {
    #[new]
    #[pyo3(signature = (name, **kwargs))]
    fn new(name: &str, kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Loss> {
        let loss = Loss { name: name.to_owned(), settings: settings(kwargs)? };
        loss.of(None)?;
        Ok(loss)
    }

    fn __repr__(&self) -> String {
        format!("Loss({:?})", self.name)
    }
}

/// A vector of numbers as f32.
fn floats(numbers: Vec<f64>) -> Vec<f32> {
    numbers.into_iter().map(|number| number as f32).collect()
}

fn array(numbers: Vec<f64>) -> ArrayD<f32> {
    arr1(&floats(numbers)).into_dyn()
}

fn reduction(value: &Setting) -> PyResult<Reduction> {
    match value.word("reduction")? {
        "mean" => Ok(Reduction::Mean),
        "sum" => Ok(Reduction::Sum),
        "batchmean" => Ok(Reduction::BatchMean),
        other => Err(no_such("reduction of a loss that is trained", other, &["mean", "sum", "batchmean"])),
    }
}

/// A loss with one more setting.
macro_rules! set {
    (number, $loss:ident, $name:ident, $value:ident) => {
        $loss.$name($value.number(stringify!($name))?)
    };
    (flag, $loss:ident, $name:ident, $value:ident) => {
        $loss.$name($value.flag(stringify!($name))?)
    };
    (whole, $loss:ident, $name:ident, $value:ident) => {
        $loss.$name($value.whole(stringify!($name))?)
    };
    (classes, $loss:ident, $name:ident, $value:ident) => {
        $loss.$name(&floats($value.numbers(stringify!($name))?))
    };
    (array, $loss:ident, $name:ident, $value:ident) => {
        $loss.$name(array($value.numbers(stringify!($name))?))
    };
}

/// Declares which losses there are: PyTorch's name, Kiln's constructor, the settings with their kinds beside `reduction`.
macro_rules! losses {
    ($($name:literal $constructor:ident { $($setting:ident: $kind:ident),* })*) => {
        impl Loss {
            /// Gives a trainer this loss of an output; nothing where it is only to be seen whether there is such a loss.
            pub fn of(&self, trainer: Option<(OnnxTrainerBuilder, &str)>) -> PyResult<Option<OnnxTrainerBuilder>> {
                match self.name.as_str() {
                    $($name => {
                        let mut loss = losses::$constructor();
                        for (name, value) in &self.settings {
                            loss = match name.as_str() {
                                "reduction" => loss.reduction(reduction(value)?),
                                $(stringify!($setting) => set!($kind, loss, $setting, value),)*
                                other => {
                                    return Err(no_setting($name, other, &["reduction", $(stringify!($setting)),*]));
                                }
                            };
                        }
                        Ok(trainer.map(|(trainer, output)| trainer.loss(output, loss)))
                    })*
                    other => Err(no_such("loss", other, &[$($name),*])),
                }
            }
        }
    };
}

losses! {
    "BCELoss" bce { weight: array }
    "BCEWithLogitsLoss" bce_with_logits { weight: array, pos_weight: array }
    "CrossEntropyLoss" cross_entropy { weight: classes, label_smoothing: number, ignore_index: whole }
    "HingeEmbeddingLoss" hinge_embedding { margin: number }
    "HuberLoss" huber { delta: number }
    "KLDivLoss" kl_div { log_target: flag }
    "L1Loss" l1 {}
    "MSELoss" mse {}
    "MultiLabelMarginLoss" multilabel_margin {}
    "MultiLabelSoftMarginLoss" multilabel_soft_margin { weight: array }
    "MultiMarginLoss" multi_margin { weight: classes, p: whole, margin: number }
    "NLLLoss" nll { weight: classes, ignore_index: whole }
    "PoissonNLLLoss" poisson_nll { log_input: flag, full: flag, eps: number }
    "SmoothL1Loss" smooth_l1 { beta: number }
    "SoftMarginLoss" soft_margin {}
}
