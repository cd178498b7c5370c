//! Metrics of numbers: mean absolute and squared error, R2. None sees more than a batch at a time: sums are kept, and
//! no numbers.

use ndarray::ArrayViewD;

use super::{Metric, MetricError, MetricTargets};

/// Pairs of a prediction and a target, as many as both have numbers.
fn pairs<'a>(
    metric: &'static str,
    predictions: &'a ArrayViewD<'_, f32>,
    targets: &'a MetricTargets<'_>,
) -> Result<impl Iterator<Item = (f64, f64)> + 'a, MetricError> {
    let MetricTargets::Numbers(targets) = targets else {
        return Err(MetricError::Kind { metric, expected: "numbers (f32)", found: "labels (i32)" });
    };
    if predictions.shape() != targets.shape() {
        let (predictions, targets) = (predictions.shape().to_vec(), targets.shape().to_vec());
        return Err(MetricError::Shape { metric, expected: "one shape", predictions, targets });
    }
    Ok(predictions.iter().zip(targets).map(|(&p, &t)| (f64::from(p), f64::from(t))))
}

macro_rules! mean {
    ($(#[$doc:meta])* $ty:ident, $name:literal, $error:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $ty {
            sum: f64,
            all: u64,
        }

        impl $ty {
            /// Without data.
            pub fn new() -> $ty {
                $ty::default()
            }

            /// Adds what another one has summed.
            pub fn merge(&mut self, other: &$ty) {
                self.sum += other.sum;
                self.all += other.all;
            }
        }

        impl Metric for $ty {
            fn name(&self) -> String {
                $name.to_owned()
            }

            fn add(&mut self, predictions: ArrayViewD<'_, f32>, targets: &MetricTargets<'_>) -> Result<(), MetricError> {
                let error: fn(f64) -> f64 = $error;
                for (prediction, target) in pairs(stringify!($ty), &predictions, targets)? {
                    self.sum += error(prediction - target);
                    self.all += 1;
                }
                Ok(())
            }

            fn compute(&self) -> Option<f64> {
                (self.all > 0).then(|| self.sum / self.all as f64)
            }

            fn reset(&mut self) {
                *self = $ty::default();
            }
        }
    };
}

mean!(
    /// The mean of `|prediction - target|` over all numbers of one shape.
    MeanAbsoluteError, "mean_absolute_error", f64::abs
);
mean!(
    /// The mean of `(prediction - target)^2` over all numbers of one shape.
    MeanSquaredError, "mean_squared_error", |error| error * error
);

/// `1 - sum (target - prediction)^2 / sum (target - mean of targets)^2`, for each output; the mean over outputs.
///
/// Predictions and targets are `[n]` or `[n, outputs ..]`. Less than two samples have none. Targets that are all equal
/// give 1 where they are met and 0 where not, as in scikit-learn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct R2Score {
    all: u64,
    outputs: Vec<Output>,
}

/// Of one output: the sum of squared errors; the mean of the targets, and the sum of squares about it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Output {
    errors: f64,
    mean: f64,
    about: f64,
}

impl R2Score {
    const NAME: &'static str = "R2Score";

    /// Without data.
    pub fn new() -> R2Score {
        R2Score::default()
    }

    /// Each output's figure; none where there are less than two samples.
    pub fn per_output(&self) -> Vec<f64> {
        let score = |output: &Output| match (output.errors == 0.0, output.about == 0.0) {
            (true, _) => 1.0,
            (false, true) => 0.0,
            (false, false) => 1.0 - output.errors / output.about,
        };
        if self.all < 2 { Vec::new() } else { self.outputs.iter().map(score).collect() }
    }

    /// Adds what another one has summed.
    ///
    /// # Errors
    /// If it has another number of outputs.
    pub fn merge(&mut self, other: &R2Score) -> Result<(), MetricError> {
        if other.all == 0 {
            return Ok(());
        }
        if self.all == 0 {
            self.outputs = vec![Output::default(); other.outputs.len()];
        }
        let (expected, found) = (self.outputs.len(), other.outputs.len());
        if expected != found {
            return Err(MetricError::Count { metric: Self::NAME, expected, found });
        }
        // Chan, Golub, LeVeque 1979: the sums of squares of two parts about the mean of both.
        let (a, b) = (self.all as f64, other.all as f64);
        for (mine, theirs) in self.outputs.iter_mut().zip(&other.outputs) {
            let apart = theirs.mean - mine.mean;
            mine.errors += theirs.errors;
            mine.about += theirs.about + apart * apart * a * b / (a + b);
            mine.mean += apart * b / (a + b);
        }
        self.all += other.all;
        Ok(())
    }
}

impl Metric for R2Score {
    fn name(&self) -> String {
        "r2".to_owned()
    }

    fn add(&mut self, predictions: ArrayViewD<'_, f32>, targets: &MetricTargets<'_>) -> Result<(), MetricError> {
        let samples = predictions.shape().first().copied().unwrap_or(1);
        let pairs: Vec<(f64, f64)> = pairs(Self::NAME, &predictions, targets)?.collect();
        if pairs.is_empty() {
            return Ok(());
        }
        let count = pairs.len() / samples;
        let mut batch = R2Score { all: samples as u64, outputs: vec![Output::default(); count] };
        for (number, output) in batch.outputs.iter_mut().enumerate() {
            let of_output = || pairs.iter().skip(number).step_by(count);
            output.mean = of_output().map(|(_, target)| target).sum::<f64>() / samples as f64;
            output.errors = of_output().map(|(prediction, target)| (prediction - target).powi(2)).sum();
            output.about = of_output().map(|(_, target)| (target - output.mean).powi(2)).sum();
        }
        self.merge(&batch)
    }

    fn compute(&self) -> Option<f64> {
        let scores = self.per_output();
        (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
    }

    fn reset(&mut self) {
        *self = R2Score::default();
    }
}
