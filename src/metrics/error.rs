//! What can be wrong with what a metric is given. It knows shapes and labels, and no metric.

use kiln_graph::names::numbers;

/// Why a metric could not take a batch. It has taken nothing of it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// Labels where numbers belong, or the other way round.
    #[error("{metric} takes {expected} as targets, found {found}")]
    Kind {
        /// The metric.
        metric: &'static str,
        /// What it takes.
        expected: &'static str,
        /// What it was given.
        found: &'static str,
    },
    /// Predictions and targets do not belong together.
    #[error(
        "{metric} takes predictions and targets of {expected}, found {} and {}",
        numbers(predictions),
        numbers(targets)
    )]
    Shape {
        /// The metric.
        metric: &'static str,
        /// What it takes.
        expected: &'static str,
        /// The predictions' shape.
        predictions: Vec<usize>,
        /// The targets' shape.
        targets: Vec<usize>,
    },
    /// A label is none of the classes.
    #[error(
        "{metric} was given the label {label}, expected 0 to {} as there are {classes} classes; a label that is to be \
         passed over is named by `ignore_index`",
        classes - 1
    )]
    Label {
        /// The metric.
        metric: &'static str,
        /// The label.
        label: i32,
        /// The number of classes.
        classes: usize,
    },
    /// Batches, or accumulators that are merged, have different numbers of classes or outputs.
    #[error("{metric} has seen {expected} classes or outputs before, found {found}; `reset` makes it begin anew")]
    Count {
        /// The metric.
        metric: &'static str,
        /// The number before.
        expected: usize,
        /// The number now.
        found: usize,
    },
    /// Scores that cannot be put in order.
    #[error("{metric} takes scores that can be compared, found NaN among them")]
    NotANumber {
        /// The metric.
        metric: &'static str,
    },
    /// No metric has this name.
    #[error("there is no metric `{found}`: there are {known}")]
    Unknown {
        /// The name.
        found: String,
        /// The names that there are.
        known: &'static str,
    },
    /// It is not clear which output of the model a metric is of.
    #[error(
        "the metric `{metric}` names no output that has targets of its own: there are {}; name one, as in \
         `\"output.f1\"` or `F1Score::new().of(\"output\")`",
        if known.is_empty() { "none".to_owned() } else { known.join(", ") }
    )]
    Output {
        /// The metric.
        metric: String,
        /// The outputs that have targets of their own.
        known: Vec<String>,
    },
}
