//! The area under the ROC curve, exact: all scores are kept. It knows scores and labels, and no threshold.

use ndarray::{ArrayViewD, Axis};

use super::{Metric, MetricError, MetricTargets, Rows, labels};

/// The probability that a sample of a class has a higher score for it than one that is not of it; equal scores count half.
///
/// Scores of the labels' own shape, with labels 0 and 1 (or the numbers 0 and 1, as `bce_with_logits` takes them), are those
/// of class 1; so is column 1 of `[n, 2]`. With more
/// classes each is set against the rest, and the mean is taken (`multi_class="ovr"`, `average="macro"`). Memory: all
/// scores and labels are kept. A class without samples, or without others, makes it none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Auroc {
    ignored: Option<i32>,
    /// 1 for scores of class 1 alone.
    columns: usize,
    scores: Vec<f32>,
    labels: Vec<i32>,
}

impl Auroc {
    const NAME: &'static str = "AUROC";

    /// Without samples.
    pub fn new() -> Auroc {
        Auroc::default()
    }

    /// Samples of this label are passed over. Default: none are.
    pub fn ignore_index(mut self, label: i32) -> Auroc {
        self.ignored = Some(label);
        self
    }

    /// Each class's figure against the rest (of class 1 alone, where there are two); none where it is not defined.
    pub fn per_class(&self) -> Vec<Option<f64>> {
        match self.columns {
            1 => vec![self.area(0, 1)],
            columns => (0..columns).map(|class| self.area(class, class as i32)).collect(),
        }
    }

    /// Adds the samples of another one.
    ///
    /// # Errors
    /// If it has another number of classes.
    pub fn merge(&mut self, other: &Auroc) -> Result<(), MetricError> {
        self.take(other.columns, &other.scores, &other.labels)
    }

    fn take(&mut self, columns: usize, scores: &[f32], labels: &[i32]) -> Result<(), MetricError> {
        if labels.is_empty() {
            return Ok(());
        }
        if !self.labels.is_empty() && self.columns != columns {
            return Err(MetricError::Count { metric: Self::NAME, expected: self.columns, found: columns });
        }
        self.columns = columns;
        self.scores.extend(scores);
        self.labels.extend(labels);
        Ok(())
    }

    /// The Mann-Whitney statistic of a column: pairs in order, doubled so that halves are whole, over all pairs.
    fn area(&self, column: usize, class: i32) -> Option<f64> {
        let scores = self.scores.iter().skip(column).step_by(self.columns.max(1));
        let mut samples: Vec<(f32, bool)> =
            scores.zip(&self.labels).map(|(&score, &label)| (score, label == class)).collect();
        samples.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut below, mut of_class, mut doubled) = (0u128, 0u128, 0u128);
        for equal in samples.chunk_by(|a, b| a.0 == b.0) {
            let inside = equal.iter().filter(|(_, inside)| *inside).count() as u128;
            let outside = equal.len() as u128 - inside;
            doubled += inside * (2 * below + outside);
            below += outside;
            of_class += inside;
        }
        (below * of_class > 0).then(|| doubled as f64 / (2 * below * of_class) as f64)
    }
}

impl Metric for Auroc {
    fn name(&self) -> String {
        "auroc".to_owned()
    }

    fn add(&mut self, predictions: ArrayViewD<'_, f32>, targets: &MetricTargets<'_>) -> Result<(), MetricError> {
        let whole = match targets {
            MetricTargets::Numbers(numbers) if numbers.iter().all(|&number| number == 0.0 || number == 1.0) => {
                Some(numbers.mapv(|number| number as i32))
            }
            _ => None,
        };
        let targets = &match (&whole, targets) {
            (Some(whole), _) => MetricTargets::Labels(whole.view()),
            (None, MetricTargets::Labels(labels)) => MetricTargets::Labels(labels.view()),
            (None, MetricTargets::Numbers(numbers)) => MetricTargets::Numbers(numbers.view()),
        };
        let alone = predictions.shape() == labels(Self::NAME, targets)?.shape();
        // Scores of class 1 alone become two columns, whose first is not looked at.
        let pair = alone.then(|| {
            let one = predictions.view().into_shape_with_order(predictions.len());
            let one = one.map_or_else(|_| predictions.iter().copied().collect(), |one| one.to_owned());
            ndarray::stack![Axis(1), one, one].into_dyn()
        });
        let flat;
        let rows = match (&pair, targets) {
            (Some(pair), MetricTargets::Labels(labels)) => {
                flat = labels.iter().copied().collect::<ndarray::Array1<i32>>();
                Rows::new(Self::NAME, &pair.view(), &MetricTargets::from(&flat), self.ignored)?
            }
            _ => Rows::new(Self::NAME, &predictions, targets, self.ignored)?,
        };
        if rows.classes == 2 {
            let second: Vec<f32> = rows.scores.iter().skip(1).step_by(2).copied().collect();
            return self.take(1, &second, &rows.labels);
        }
        self.take(rows.classes, &rows.scores, &rows.labels)
    }

    fn compute(&self) -> Option<f64> {
        let areas: Vec<f64> = self.per_class().into_iter().collect::<Option<_>>()?;
        (!areas.is_empty()).then(|| areas.iter().sum::<f64>() / areas.len() as f64)
    }

    fn reset(&mut self) {
        (self.columns, self.scores, self.labels) = (0, Vec::new(), Vec::new());
    }
}
