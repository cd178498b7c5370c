//! The confusion matrix, which most metrics of classes are functions of. It counts, and judges nothing.

use std::fmt;

use ndarray::{Array2, ArrayViewD};

use super::{Metric, MetricError, MetricTargets, Rows, largest};

/// How many samples of each class (row) were taken for each class (column), the largest score being the prediction.
///
/// It prints as a table. Its figure as a [`Metric`] is the accuracy.
///
/// ```
/// use kiln::metrics::{ConfusionMatrix, Metric};
/// use ndarray::{array, aview1};
///
/// let mut matrix = ConfusionMatrix::new();
/// matrix.update(&array![[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], &aview1(&[0, 1, 1]))?;
/// assert_eq!(matrix.counts(), array![[1, 0], [1, 1]]);
/// assert_eq!(matrix.to_string(), "true \\ predicted  0  1\n               0  1  0\n               1  1  1\n");
/// # Ok::<(), kiln::metrics::MetricError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfusionMatrix {
    ignored: Option<i32>,
    names: Vec<String>,
    counts: Array2<u64>,
}

impl ConfusionMatrix {
    const NAME: &'static str = "ConfusionMatrix";

    /// Without samples; the first batch says how many classes there are.
    pub fn new() -> ConfusionMatrix {
        ConfusionMatrix::default()
    }

    /// Samples of this label are passed over. Default: none are.
    pub fn ignore_index(mut self, label: i32) -> ConfusionMatrix {
        self.ignored = Some(label);
        self
    }

    /// The classes' names in tables; numbers stand for those that have none.
    pub fn class_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> ConfusionMatrix {
        self.names = names.into_iter().map(Into::into).collect();
        self
    }

    /// The counts, `[classes, classes]`: the true class is the row. Without data, `[0, 0]`.
    pub fn counts(&self) -> Array2<u64> {
        self.counts.clone()
    }

    /// The name of a class.
    pub fn class_name(&self, class: usize) -> String {
        self.names.get(class).cloned().unwrap_or_else(|| class.to_string())
    }

    /// One that has counted this, `[classes, classes]`.
    pub(crate) fn of_counts(counts: Array2<u64>, names: Vec<String>) -> ConfusionMatrix {
        ConfusionMatrix { ignored: None, names, counts }
    }

    /// Adds what another one has counted.
    ///
    /// # Errors
    /// If it has another number of classes.
    pub fn merge(&mut self, other: &ConfusionMatrix) -> Result<(), MetricError> {
        if other.counts.is_empty() {
            return Ok(());
        }
        self.grow(Self::NAME, other.counts.nrows())?;
        self.counts += &other.counts;
        Ok(())
    }

    fn grow(&mut self, metric: &'static str, classes: usize) -> Result<(), MetricError> {
        if self.counts.is_empty() {
            self.counts = Array2::zeros((classes, classes));
        }
        let expected = self.counts.nrows();
        if expected == classes { Ok(()) } else { Err(MetricError::Count { metric, expected, found: classes }) }
    }

    pub(super) fn add_as(
        &mut self,
        metric: &'static str,
        predictions: &ArrayViewD<'_, f32>,
        targets: &MetricTargets<'_>,
    ) -> Result<(), MetricError> {
        let rows = Rows::new(metric, predictions, targets, self.ignored)?;
        self.grow(metric, rows.classes)?;
        for (scores, label) in rows.iter() {
            self.counts[[label, largest(scores)]] += 1;
        }
        Ok(())
    }

    /// Of a class: how many were rightly taken for it, how many were taken for it, how many are of it.
    pub(super) fn of_class(&self, class: usize) -> [u64; 3] {
        [self.counts[[class, class]], self.counts.column(class).sum(), self.counts.row(class).sum()]
    }
}

impl Metric for ConfusionMatrix {
    fn name(&self) -> String {
        "confusion_matrix".to_owned()
    }

    fn add(&mut self, predictions: ArrayViewD<'_, f32>, targets: &MetricTargets<'_>) -> Result<(), MetricError> {
        self.add_as(Self::NAME, &predictions, targets)
    }

    fn compute(&self) -> Option<f64> {
        let all = self.counts.sum();
        (all > 0).then(|| self.counts.diag().sum() as f64 / all as f64)
    }

    fn reset(&mut self) {
        self.counts = Array2::default((0, 0));
    }

    fn confusion(&self) -> Option<&ConfusionMatrix> {
        Some(self)
    }
}

impl fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CORNER: &str = "true \\ predicted";
        let names: Vec<String> = (0..self.counts.nrows()).map(|class| self.class_name(class)).collect();
        let first = names.iter().map(|name| name.chars().count()).chain([CORNER.len()]).max().unwrap_or(0);
        let width = |class: usize| {
            let counts = self.counts.column(class).iter().map(|count| count.to_string().len()).max().unwrap_or(0);
            counts.max(names[class].chars().count())
        };
        write!(f, "{CORNER:>first$}")?;
        for (class, name) in names.iter().enumerate() {
            write!(f, "  {name:>width$}", width = width(class))?;
        }
        writeln!(f)?;
        for (name, row) in names.iter().zip(self.counts.rows()) {
            write!(f, "{name:>first$}")?;
            for (class, count) in row.iter().enumerate() {
                write!(f, "  {count:>width$}", width = width(class))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
