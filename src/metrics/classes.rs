//! Metrics of classes: accuracy and top-k, precision, recall, F1, perplexity. They see scores and labels, and not which
//! model or loss these belong to.

use ndarray::ArrayViewD;

use super::{ConfusionMatrix, Metric, MetricError, MetricTargets, Rows};

/// The share of the samples whose class is among the `k` of the largest scores. Of equal scores the earlier class goes
/// first, as in scikit-learn's and PyTorch's `argmax`.
#[derive(Clone, Debug, PartialEq)]
pub struct Accuracy {
    top: usize,
    ignored: Option<i32>,
    right: u64,
    all: u64,
}

impl Default for Accuracy {
    fn default() -> Accuracy {
        Accuracy::new()
    }
}

impl Accuracy {
    const NAME: &'static str = "Accuracy";

    /// The largest score alone counts.
    pub fn new() -> Accuracy {
        Accuracy { top: 1, ignored: None, right: 0, all: 0 }
    }

    /// The class may be any of the `k` largest; 0 counts as 1.
    pub fn top_k(mut self, k: usize) -> Accuracy {
        self.top = k.max(1);
        self
    }

    /// Samples of this label are passed over. Default: none are.
    pub fn ignore_index(mut self, label: i32) -> Accuracy {
        self.ignored = Some(label);
        self
    }

    /// Adds what another one has counted.
    pub fn merge(&mut self, other: &Accuracy) {
        self.right += other.right;
        self.all += other.all;
    }
}

impl Metric for Accuracy {
    fn name(&self) -> String {
        if self.top == 1 { "accuracy".to_owned() } else { format!("top_{}_accuracy", self.top) }
    }

    fn add(&mut self, predictions: ArrayViewD<'_, f32>, targets: &MetricTargets<'_>) -> Result<(), MetricError> {
        let rows = Rows::new(Self::NAME, &predictions, targets, self.ignored)?;
        for (scores, label) in rows.iter() {
            let before = |class: usize, score: f32| score > scores[label] || score == scores[label] && class < label;
            let rank = scores.iter().enumerate().filter(|&(class, &score)| before(class, score)).count();
            self.right += u64::from(rank < self.top);
            self.all += 1;
        }
        Ok(())
    }

    fn compute(&self) -> Option<f64> {
        (self.all > 0).then(|| self.right as f64 / self.all as f64)
    }

    fn reset(&mut self) {
        (self.right, self.all) = (0, 0);
    }
}

/// How the figures of classes become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Average {
    /// The mean over classes that occur, as a label or as a prediction.
    #[default]
    Macro,
    /// Counts are summed over classes first; of single labels this is the accuracy.
    Micro,
    /// The mean over classes, weighted by how many samples are of each.
    Weighted,
}

/// From how many were rightly taken for a class, were taken for it, are of it: its figure, 0 where nothing divides.
type Ratio = fn([u64; 3]) -> f64;

fn quotient(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

macro_rules! ratio {
    ($(#[$doc:meta])* $ty:ident, $name:literal, $ratio:expr) => {
        $(#[$doc])*
        ///
        /// A class for which nothing divides has 0, as with scikit-learn's `zero_division=0`.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $ty {
            average: Average,
            matrix: ConfusionMatrix,
        }

        impl $ty {
            const RATIO: Ratio = $ratio;

            /// The mean over classes ([`Average::Macro`]).
            pub fn new() -> $ty {
                $ty::default()
            }

            /// How the classes' figures become one. Default: [`Average::Macro`].
            pub fn average(mut self, average: Average) -> $ty {
                self.average = average;
                self
            }

            /// Samples of this label are passed over. Default: none are.
            pub fn ignore_index(mut self, label: i32) -> $ty {
                self.matrix = self.matrix.ignore_index(label);
                self
            }

            /// Each class's figure; none without data.
            pub fn per_class(&self) -> Vec<f64> {
                (0..self.matrix.counts().nrows()).map(|class| Self::RATIO(self.matrix.of_class(class))).collect()
            }

            /// Adds what another one has counted.
            ///
            /// # Errors
            /// If it has another number of classes.
            pub fn merge(&mut self, other: &$ty) -> Result<(), MetricError> {
                self.matrix.merge(&other.matrix)
            }
        }

        impl Metric for $ty {
            fn name(&self) -> String {
                match self.average {
                    Average::Macro => $name.to_owned(),
                    Average::Micro => concat!("micro_", $name).to_owned(),
                    Average::Weighted => concat!("weighted_", $name).to_owned(),
                }
            }

            fn add(&mut self, predictions: ArrayViewD<'_, f32>, targets: &MetricTargets<'_>) -> Result<(), MetricError> {
                self.matrix.add_as(stringify!($ty), &predictions, targets)
            }

            fn compute(&self) -> Option<f64> {
                averaged(&self.matrix, self.average, Self::RATIO)
            }

            fn reset(&mut self) {
                self.matrix.reset();
            }

            fn confusion(&self) -> Option<&ConfusionMatrix> {
                Some(&self.matrix)
            }
        }
    };
}

fn averaged(matrix: &ConfusionMatrix, average: Average, ratio: Ratio) -> Option<f64> {
    let classes: Vec<[u64; 3]> = (0..matrix.counts().nrows()).map(|class| matrix.of_class(class)).collect();
    let total = classes.iter().fold([0; 3], |sum, class| [0, 1, 2].map(|i| sum[i] + class[i]));
    if total[2] == 0 {
        return None;
    }
    let mean = |weight: fn(&[u64; 3]) -> u64| {
        let weights: u64 = classes.iter().map(weight).sum();
        classes.iter().map(|class| weight(class) as f64 * ratio(*class)).sum::<f64>() / weights as f64
    };
    Some(match average {
        Average::Micro => ratio(total),
        Average::Macro => mean(|&[_, taken, are]| u64::from(taken + are > 0)),
        Average::Weighted => mean(|&[_, _, are]| are),
    })
}

ratio!(
    /// Of the samples taken for a class, the share that is of it.
    Precision, "precision", |[right, taken, _]| quotient(right, taken)
);
ratio!(
    /// Of the samples of a class, the share that was taken for it.
    Recall, "recall", |[right, _, are]| quotient(right, are)
);
ratio!(
    /// The harmonic mean of precision and recall of a class, `2 right / (taken for it + of it)`.
    F1Score, "f1", |[right, taken, are]| quotient(2 * right, taken + are)
);

/// `exp` of the mean of `-log softmax(logits)[label]`. Logits of NaN make it NaN.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Perplexity {
    ignored: Option<i32>,
    sum: f64,
    all: u64,
}

impl Perplexity {
    pub(super) const NAME: &'static str = "Perplexity";

    /// Without samples.
    pub fn new() -> Perplexity {
        Perplexity::default()
    }

    /// Samples of this label are passed over. Default: none are.
    pub fn ignore_index(mut self, label: i32) -> Perplexity {
        self.ignored = Some(label);
        self
    }

    /// Adds what another one has summed.
    pub fn merge(&mut self, other: &Perplexity) {
        self.sum += other.sum;
        self.all += other.all;
    }
}

impl Metric for Perplexity {
    fn name(&self) -> String {
        "perplexity".to_owned()
    }

    fn add(&mut self, predictions: ArrayViewD<'_, f32>, targets: &MetricTargets<'_>) -> Result<(), MetricError> {
        let rows = Rows::new(Self::NAME, &predictions, targets, self.ignored)?;
        for (logits, label) in rows.iter() {
            let most = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - most).exp()).sum();
            self.sum += most + sum.ln() - f64::from(logits[label]);
            self.all += 1;
        }
        Ok(())
    }

    fn compute(&self) -> Option<f64> {
        (self.all > 0).then(|| (self.sum / self.all as f64).exp())
    }

    fn reset(&mut self) {
        (self.sum, self.all) = (0.0, 0);
    }
}
