//! Several metrics at once, asked for by name or by value, of one output of a model or of several. It knows no model:
//! it is told which output predictions are of.

use ndarray::ArrayViewD;

use super::{
    Accuracy, Auroc, Average, ConfusionMatrix, F1Score, MeanAbsoluteError, MeanSquaredError, Metric, MetricError,
    MetricTargets, Perplexity, Precision, R2Score, Recall,
};

/// Metrics that are measured together, as [`Fit::metrics`](crate::fit::Fit::metrics) and
/// [`Trainer::evaluate_with`](crate::Trainer::evaluate_with) take them.
///
/// Each is a name, or an accumulator with settings of its own; an array of either, or a tuple of both:
///
/// ```
/// use kiln::metrics::{Accuracy, F1Score, Metric, Metrics};
///
/// let metrics = Metrics::new(("auroc", F1Score::new(), Accuracy::new().top_k(3)))?;
/// assert_eq!(metrics.names().collect::<Vec<_>>(), ["auroc", "f1", "top_3_accuracy"]);
/// let known = |error: kiln::metrics::MetricError| error.to_string().starts_with("there is no metric `acuracy`");
/// assert!(Metrics::new(["acuracy"]).is_err_and(known));
/// # Ok::<(), kiln::metrics::MetricError>(())
/// ```
///
/// | name | metric |
/// | --- | --- |
/// | `accuracy`, `top_5_accuracy` (any number) | [`Accuracy`] |
/// | `precision`, `recall`, `f1`, each also behind `micro_` or `weighted_` | [`Precision`], [`Recall`], [`F1Score`] |
/// | `auroc` | [`Auroc`] |
/// | `perplexity` | [`Perplexity`] |
/// | `confusion_matrix` | [`ConfusionMatrix`] |
/// | `mean_absolute_error`, `mae` | [`MeanAbsoluteError`] |
/// | `mean_squared_error`, `mse` | [`MeanSquaredError`] |
/// | `r2` | [`R2Score`] |
///
/// Metrics by name pass over the labels that the loss passes over (its `ignore_index`). Of a model with several outputs,
/// each says which one it is of: `"scores.f1"`, or `F1Score::new().of("scores")`.
#[derive(Default)]
pub struct Metrics {
    held: Vec<Held>,
}

struct Held {
    /// What its figure is called.
    name: String,
    /// The output whose predictions it takes.
    output: Option<String>,
    /// What it was asked for by, and the label that it was made to pass over.
    named: Option<(String, Option<i32>)>,
    metric: Box<dyn Metric>,
}

/// One metric of a set: a name, or an accumulator.
pub trait IntoMetric {
    /// What is asked for.
    fn into_metric(self) -> AskedMetric;
}

/// A metric that is asked for, and the output that it is of.
pub struct AskedMetric {
    output: Option<String>,
    asked: Asked,
}

enum Asked {
    Name(String),
    Value(Box<dyn Metric>),
}

impl AskedMetric {
    pub(super) fn of_output(metric: Box<dyn Metric>, output: String) -> AskedMetric {
        AskedMetric { output: Some(output), asked: Asked::Value(metric) }
    }
}

impl IntoMetric for AskedMetric {
    fn into_metric(self) -> AskedMetric {
        self
    }
}

impl IntoMetric for &str {
    fn into_metric(self) -> AskedMetric {
        match self.rsplit_once('.') {
            Some((output, name)) => {
                AskedMetric { output: Some(output.to_owned()), asked: Asked::Name(name.to_owned()) }
            }
            None => AskedMetric { output: None, asked: Asked::Name(self.to_owned()) },
        }
    }
}

impl IntoMetric for String {
    fn into_metric(self) -> AskedMetric {
        self.as_str().into_metric()
    }
}

impl<M: Metric + 'static> IntoMetric for M {
    fn into_metric(self) -> AskedMetric {
        AskedMetric { output: None, asked: Asked::Value(Box::new(self)) }
    }
}

/// The metrics of a set: an array or a vector of names or of accumulators, or a tuple of both.
pub trait IntoMetrics {
    /// All that is asked for, in order.
    fn into_metrics(self) -> Vec<AskedMetric>;
}

impl IntoMetrics for &str {
    fn into_metrics(self) -> Vec<AskedMetric> {
        vec![self.into_metric()]
    }
}

impl<M: IntoMetric, const N: usize> IntoMetrics for [M; N] {
    fn into_metrics(self) -> Vec<AskedMetric> {
        self.into_iter().map(IntoMetric::into_metric).collect()
    }
}

impl<M: IntoMetric> IntoMetrics for Vec<M> {
    fn into_metrics(self) -> Vec<AskedMetric> {
        self.into_iter().map(IntoMetric::into_metric).collect()
    }
}

macro_rules! tuples {
    ($(($($name:ident),*))*) => {$(
        impl<$($name: IntoMetric),*> IntoMetrics for ($($name,)*) {
            #[allow(non_snake_case)]
            fn into_metrics(self) -> Vec<AskedMetric> {
                let ($($name,)*) = self;
                vec![$($name.into_metric()),*]
            }
        }
    )*};
}

tuples! { (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) (A, B, C, D, E, F, G) (A, B, C, D, E, F, G, H) }

/// The names of metrics, as an error tells them.
const NAMES: &str = "accuracy, top_5_accuracy, precision, recall, f1 (and micro_f1, weighted_f1, ..), auroc, perplexity, \
                     confusion_matrix, mean_absolute_error (mae), mean_squared_error (mse), r2";

/// A metric of classes that passes over a label.
macro_rules! ignoring {
    ($metric:expr, $ignored:expr) => {
        match $ignored {
            Some(label) => Box::new($metric.ignore_index(label)),
            None => Box::new($metric),
        }
    };
}

/// The metric of a name, which passes over a label.
fn by_name(name: &str, ignored: Option<i32>) -> Result<Box<dyn Metric>, MetricError> {
    let (average, plain) = match name.split_once('_') {
        Some(("micro", rest)) => (Average::Micro, rest),
        Some(("weighted", rest)) => (Average::Weighted, rest),
        _ => (Average::Macro, name),
    };
    let top = name.strip_prefix("top_").and_then(|rest| rest.strip_suffix("_accuracy")?.parse().ok());
    Ok(match (plain, name, top) {
        (_, _, Some(top)) if top > 0 => ignoring!(Accuracy::new().top_k(top), ignored),
        ("precision", ..) => ignoring!(Precision::new().average(average), ignored),
        ("recall", ..) => ignoring!(Recall::new().average(average), ignored),
        ("f1", ..) => ignoring!(F1Score::new().average(average), ignored),
        (_, "accuracy", _) => ignoring!(Accuracy::new(), ignored),
        (_, "auroc", _) => ignoring!(Auroc::new(), ignored),
        (_, "perplexity", _) => ignoring!(Perplexity::new(), ignored),
        (_, "confusion_matrix", _) => ignoring!(ConfusionMatrix::new(), ignored),
        (_, "mean_absolute_error" | "mae", _) => Box::new(MeanAbsoluteError::new()),
        (_, "mean_squared_error" | "mse", _) => Box::new(MeanSquaredError::new()),
        (_, "r2", _) => Box::new(R2Score::new()),
        _ => return Err(MetricError::Unknown { found: name.to_owned(), known: NAMES }),
    })
}

impl Metrics {
    /// The metrics that are asked for; one that is asked for twice counts once.
    ///
    /// # Errors
    /// [`MetricError::Unknown`].
    pub fn new(metrics: impl IntoMetrics) -> Result<Metrics, MetricError> {
        let mut all = Metrics::default();
        for AskedMetric { output, asked } in metrics.into_metrics() {
            let (own, named, metric) = match asked {
                Asked::Name(name) => (name.clone(), Some((name.clone(), None)), by_name(&name, None)?),
                Asked::Value(metric) => (metric.name(), None, metric),
            };
            let name = output.as_ref().map_or_else(|| own.clone(), |output| format!("{output}.{own}"));
            if all.names().all(|known| known != name) {
                all.held.push(Held { name, output, named, metric });
            }
        }
        Ok(all)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The names of the figures, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.held.iter().map(|held| held.name.as_str())
    }

    /// The figures with their names; NaN where one is not defined.
    pub fn figures(&self) -> impl Iterator<Item = (&str, f64)> {
        self.held.iter().map(|held| (held.name.as_str(), held.metric.compute().unwrap_or(f64::NAN)))
    }

    /// The first confusion matrix that a metric among them has counted.
    pub fn confusion(&self) -> Option<&ConfusionMatrix> {
        self.held.iter().find_map(|held| held.metric.confusion())
    }

    /// Forgets all that was added.
    pub fn reset(&mut self) {
        self.held.iter_mut().for_each(|held| held.metric.reset());
    }

    /// That each is of an output for which there are targets.
    ///
    /// # Errors
    /// [`MetricError::Output`].
    pub(crate) fn check(&self, outputs: &[String]) -> Result<(), MetricError> {
        let misfit = self.held.iter().find(|held| match &held.output {
            Some(output) => !outputs.contains(output),
            None => outputs.len() != 1,
        });
        match misfit {
            Some(held) => Err(MetricError::Output {
                metric: held.name.clone(),
                known: outputs.iter().map(|o| format!("`{o}`")).collect(),
            }),
            None => Ok(()),
        }
    }

    /// Adds what was predicted for an output, whose loss passes over a label.
    ///
    /// # Errors
    /// Those of [`Metric::add`].
    pub(crate) fn add(
        &mut self,
        output: &str,
        predictions: &ArrayViewD<'_, f32>,
        targets: &MetricTargets<'_>,
        ignored: Option<i32>,
    ) -> Result<(), MetricError> {
        for held in &mut self.held {
            if held.output.as_deref().is_some_and(|of| of != output) {
                continue;
            }
            if let Some((name, made_for)) = &mut held.named
                && *made_for != ignored
            {
                held.metric = by_name(name, ignored)?;
                *made_for = ignored;
            }
            held.metric.add(predictions.view(), targets)?;
        }
        Ok(())
    }
}
