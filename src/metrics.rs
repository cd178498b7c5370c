//! Metrics as accumulators: each takes batch after batch and says at any time what holds for all of them. They know
//! arrays of numbers, nothing of models and trainers.
//!
//! Names and definitions are those of torchmetrics and scikit-learn. Sums are taken in `f64`; the order of the batches,
//! and how samples are divided into them, changes nothing but the last bits of sums of numbers.
//!
//! ```
//! use kiln::metrics::{Accuracy, Metric};
//! use ndarray::{array, aview1};
//!
//! let mut accuracy = Accuracy::new();
//! accuracy.update(&array![[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]], &aview1(&[1, 2]))?;
//! accuracy.update(&array![[0.2, 0.2, 0.6]], &aview1(&[2]))?;
//! assert_eq!(accuracy.compute(), Some(2.0 / 3.0));
//! # Ok::<(), kiln::metrics::MetricError>(())
//! ```
//!
//! Classes lie on axis 1, as everywhere in PyTorch: scores of `[n, classes, ..]` go with labels of `[n, ..]`. Scores
//! may be logits or probabilities: only their order counts, but for [`Perplexity`], which takes logits. Each type has
//! `update`, `compute`, `merge` (what another one has seen is added), and the trait [`Metric`].

mod classes;
mod confusion;
mod error;
mod numbers;
mod ranking;
mod set;

use ndarray::{ArrayViewD, AsArray, Axis};

pub use classes::{Accuracy, Average, F1Score, Perplexity, Precision, Recall};
pub use confusion::ConfusionMatrix;
pub use error::MetricError;
pub use numbers::{MeanAbsoluteError, MeanSquaredError, R2Score};
pub use ranking::Auroc;
pub use set::{AskedMetric, IntoMetric, IntoMetrics, Metrics};

/// The targets of a batch.
#[derive(Clone, Debug)]
pub enum MetricTargets<'a> {
    /// Class labels.
    Labels(ArrayViewD<'a, i32>),
    /// Numbers.
    Numbers(ArrayViewD<'a, f32>),
}

macro_rules! targets {
    ($($ty:ty => $variant:ident),*) => {$(
        impl<'a, D: ndarray::Dimension> From<&'a ndarray::ArrayRef<$ty, D>> for MetricTargets<'a> {
            fn from(array: &'a ndarray::ArrayRef<$ty, D>) -> MetricTargets<'a> {
                MetricTargets::$variant(array.view().into_dyn())
            }
        }
        impl<'a, D: ndarray::Dimension> From<&'a ndarray::Array<$ty, D>> for MetricTargets<'a> {
            fn from(array: &'a ndarray::Array<$ty, D>) -> MetricTargets<'a> {
                MetricTargets::$variant(array.view().into_dyn())
            }
        }
        impl<'a, D: ndarray::Dimension> From<&'a ndarray::ArrayView<'a, $ty, D>> for MetricTargets<'a> {
            fn from(array: &'a ndarray::ArrayView<'a, $ty, D>) -> MetricTargets<'a> {
                MetricTargets::$variant(array.view().into_dyn())
            }
        }
        impl<'a, D: ndarray::Dimension> From<ndarray::ArrayView<'a, $ty, D>> for MetricTargets<'a> {
            fn from(array: ndarray::ArrayView<'a, $ty, D>) -> MetricTargets<'a> {
                MetricTargets::$variant(array.into_dyn())
            }
        }
    )*};
}

targets!(i32 => Labels, f32 => Numbers);

/// An accumulator of one figure, whatever it is.
pub trait Metric: Send {
    /// Its name, as a history and logs show it.
    fn name(&self) -> String;

    /// Adds the predictions for a batch and its targets.
    ///
    /// # Errors
    /// If the targets are of the other kind, shapes do not fit, or a label is none of the classes. Then nothing is added.
    fn add(&mut self, predictions: ArrayViewD<'_, f32>, targets: &MetricTargets<'_>) -> Result<(), MetricError>;

    /// The figure over all that was added, or none where it is not defined: of no data, or of AUROC over one class.
    fn compute(&self) -> Option<f64>;

    /// Forgets all that was added.
    fn reset(&mut self);

    /// The confusion matrix that it counts, where it does: reports show it.
    fn confusion(&self) -> Option<&ConfusionMatrix> {
        None
    }

    /// The same metric of one output of a model that has several, by its name: `F1Score::new().of("scores")`.
    fn of(self, output: impl Into<String>) -> AskedMetric
    where
        Self: Sized + 'static,
    {
        AskedMetric::of_output(Box::new(self), output.into())
    }

    /// Adds the predictions for a batch and its targets, of any number of axes.
    ///
    /// # Errors
    /// Those of [`Metric::add`].
    fn update<'a, 'b, D: ndarray::Dimension>(
        &mut self,
        predictions: impl AsArray<'a, f32, D>,
        targets: impl Into<MetricTargets<'b>>,
    ) -> Result<(), MetricError>
    where
        Self: Sized,
    {
        self.add(predictions.into().into_dyn(), &targets.into())
    }
}

/// Labels, where these are.
fn labels<'a>(metric: &'static str, targets: &'a MetricTargets<'_>) -> Result<ArrayViewD<'a, i32>, MetricError> {
    match targets {
        MetricTargets::Labels(labels) => Ok(labels.view()),
        MetricTargets::Numbers(_) => {
            Err(MetricError::Kind { metric, expected: "labels (i32)", found: "numbers (f32)" })
        }
    }
}

/// Scores with the classes on the last axis, one row for each label, and the labels in the same order.
struct Rows {
    classes: usize,
    scores: Vec<f32>,
    labels: Vec<i32>,
}

impl Rows {
    /// What `[n, classes, ..]` scores and `[n, ..]` labels say, without the samples of the ignored label.
    fn new(
        metric: &'static str,
        predictions: &ArrayViewD<'_, f32>,
        targets: &MetricTargets<'_>,
        ignored: Option<i32>,
    ) -> Result<Rows, MetricError> {
        let labels = labels(metric, targets)?;
        let mut expected = predictions.shape().to_vec();
        if expected.len() < 2 || expected.remove(1) == 0 || expected != labels.shape() {
            let (predictions, targets) = (predictions.shape().to_vec(), labels.shape().to_vec());
            return Err(MetricError::Shape { metric, expected: "[n, classes, ..] and [n, ..]", predictions, targets });
        }
        let classes = predictions.shape()[1];
        let mut rows = Rows { classes, scores: Vec::new(), labels: Vec::new() };
        for (scores, &label) in predictions.lanes(Axis(1)).into_iter().zip(&labels) {
            if ignored == Some(label) {
                continue;
            }
            if label < 0 || label as usize >= classes {
                return Err(MetricError::Label { metric, label, classes });
            }
            rows.scores.extend(scores);
            rows.labels.push(label);
        }
        if metric != Perplexity::NAME && rows.scores.iter().any(|score| score.is_nan()) {
            return Err(MetricError::NotANumber { metric });
        }
        Ok(rows)
    }

    /// The scores of each sample, and its class.
    fn iter(&self) -> impl Iterator<Item = (&[f32], usize)> {
        self.scores.chunks(self.classes).zip(self.labels.iter().map(|&label| label as usize))
    }
}

/// The class of the largest score, the first of equal ones.
fn largest(scores: &[f32]) -> usize {
    scores.iter().enumerate().fold(0, |best, (class, &score)| if score > scores[best] { class } else { best })
}
