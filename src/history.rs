//! What a training has measured: curves of numbers over steps, by name. It knows no trainer and writes no file.

use std::fmt;

use crate::metrics::ConfusionMatrix;

/// A figure at a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The number of steps before it was measured.
    pub step: u64,
    /// What was measured.
    pub value: f64,
}

/// Figures under one name, in the order of steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What was measured: `train.loss`, `valid.accuracy`.
    pub name: String,
    /// When, and how much.
    pub points: Vec<Point>,
    /// Of the figures that were pushed every so many are kept; 1 keeps all.
    stride: u64,
    /// How many were pushed.
    pushed: u64,
}

/// The figures of a training, as [`Trainer::fit`](crate::Trainer::fit) gives them and checkpoints keep them; it prints as
/// a table with a row an epoch.
///
/// | name | at | |
/// | --- | --- | --- |
/// | `step.loss` | each step | the loss of a batch; of more than 10,000 an even part is kept |
/// | `train.loss` | each epoch | the mean loss of the epoch's rows, see below |
/// | `valid.loss`, `valid.accuracy`, `valid.` and a metric's name | each epoch | with data to validate with |
/// | `learning_rate` | each epoch | that of the next step |
/// | `seconds` | each epoch | how long it took, with its validation |
/// | `samples_per_second` | each epoch | how many samples its steps took in a second, without its validation |
///
/// `train.loss` divides as an evaluation does, by what counts of all batches: labels that are ignored do not, others by the
/// weights of their classes. Where nothing counts it is NaN. Of steps of one's own ([`kiln::fit`](crate::fit())), and where
/// batches have shards, it is the mean of the batches' losses by samples.
///
/// Where a metric counts one, the confusion matrix of the last validation is there, too.
///
/// ```
/// use kiln::History;
///
/// let mut history = History::default();
/// for (step, loss) in [(10, 0.7), (20, 0.4), (30, 0.5)] {
///     history.push("valid.loss", step, loss);
/// }
/// assert_eq!(history.last("loss").map(|point| point.value), Some(0.5));
/// assert_eq!(history.curve("valid.loss").iter().map(|point| point.step).collect::<Vec<_>>(), [10, 20, 30]);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    curves: Vec<Curve>,
    confusion: Option<ConfusionMatrix>,
}

/// What is measured each step is thinned out beyond so many points, so that a history (and the checkpoints that hold it)
/// stays small: half a megabyte of text at most.
const POINTS: usize = 10_000;

/// What the names of figures of single steps begin with; they are no columns of the table.
const OF_STEPS: &str = "step.";

impl History {
    /// Notes a figure. Those of one name come in the order of their steps; one of a step that is there replaces it.
    pub fn push(&mut self, name: &str, step: u64, value: f64) {
        let position = self.curves.iter().position(|curve| curve.name == name).unwrap_or_else(|| {
            self.curves.push(Curve { name: name.to_owned(), points: Vec::new(), stride: 1, pushed: 0 });
            self.curves.len() - 1
        });
        self.curves[position].push(Point { step, value });
    }

    /// All curves, in the order in which they began.
    pub fn curves(&self) -> &[Curve] {
        &self.curves
    }

    /// The figures of a name: those of `name` itself, else of `valid.name`, else of `train.name`. None if there is no such name.
    pub fn curve(&self, name: &str) -> &[Point] {
        // Asked for in each step: no text is made.
        let under = |prefix: &str| {
            self.curves.iter().find(|curve| curve.name.strip_prefix(prefix).is_some_and(|rest| rest == name))
        };
        let found = under("").or_else(|| under("valid.")).or_else(|| under("train."));
        found.map_or(&[], |curve| &curve.points)
    }

    /// The last figure of a name, which is looked for as by [`History::curve`].
    pub fn last(&self, name: &str) -> Option<Point> {
        self.curve(name).last().copied()
    }

    /// Notes the confusion matrix of a validation, in the place of the one before.
    pub fn set_confusion(&mut self, matrix: ConfusionMatrix) {
        self.confusion = Some(matrix);
    }

    /// The confusion matrix of the last validation, where a metric counts one.
    pub fn confusion(&self) -> Option<&ConfusionMatrix> {
        self.confusion.as_ref()
    }

    /// A report of the training for people to look at, in a browser; see [`Report`](crate::Report).
    pub fn report(&self) -> crate::Report {
        crate::Report::new(self)
    }

    /// A history of these curves, as they were kept.
    pub(crate) fn of_curves(curves: Vec<Curve>) -> History {
        History { curves, confusion: None }
    }
}

impl Curve {
    /// A curve as it was kept.
    pub(crate) fn kept(name: String, points: Vec<Point>, [stride, pushed]: [u64; 2]) -> Curve {
        Curve { name, points, stride: stride.max(1), pushed }
    }

    /// How many of the figures are kept, and how many there were.
    pub(crate) fn counts(&self) -> [u64; 2] {
        [self.stride, self.pushed]
    }

    fn push(&mut self, point: Point) {
        if let Some(last) = self.points.last_mut()
            && last.step == point.step
        {
            last.value = point.value;
            return;
        }
        let kept = self.pushed.is_multiple_of(self.stride);
        self.pushed += 1;
        if !kept {
            return;
        }
        self.points.push(point);
        if self.points.len() > POINTS {
            // Every second one stays: numbers 0, 2, 4 .. of those that were kept, as from now on.
            let mut number = 0;
            self.points.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.stride *= 2;
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<&Curve> = self.curves.iter().filter(|curve| !curve.name.starts_with(OF_STEPS)).collect();
        let mut steps: Vec<u64> =
            columns.iter().flat_map(|curve| curve.points.iter().map(|point| point.step)).collect();
        steps.sort_unstable();
        steps.dedup();
        let widths: Vec<usize> = columns.iter().map(|curve| curve.name.len().max(10)).collect();
        write!(f, "{:>8}", "step")?;
        for (curve, width) in columns.iter().zip(&widths) {
            write!(f, "  {:>width$}", curve.name)?;
        }
        for step in steps {
            write!(f, "\n{step:>8}")?;
            for (curve, width) in columns.iter().zip(&widths) {
                let found = curve.points.iter().find(|point| point.step == step);
                write!(f, "  {:>width$}", found.map_or(String::new(), |point| short(point.value)))?;
            }
        }
        Ok(())
    }
}

/// A number with four digits that count.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() || size == 0.0 => value.to_string(),
        _ if !(1e-4..1e6).contains(&size) => format!("{value:.3e}"),
        _ => format!("{value:.*}", (3 - size.log10().floor() as i32).clamp(0, 7) as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_of_steps_are_thinned_out_evenly() {
        for count in [0, 1, 9_999, 10_000, 10_001, 25_000, 100_000] {
            let mut history = History::default();
            for step in 0..count {
                history.push("step.loss", step, step as f64);
            }
            let points = history.curve("step.loss");
            assert!(points.len() <= POINTS && points.len() as u64 >= count.min(POINTS as u64 / 2), "{count}");
            let stride = points.get(1).map_or(1, |point| point.step);
            for (number, point) in points.iter().enumerate() {
                assert_eq!(*point, Point { step: number as u64 * stride, value: (number as u64 * stride) as f64 });
            }
        }
    }

    #[test]
    fn names_stand_for_validation_first() {
        let mut history = History::default();
        history.push("train.loss", 1, 1.0);
        assert_eq!(history.last("loss").map(|point| point.value), Some(1.0));
        history.push("valid.loss", 1, 2.0);
        history.push("valid.loss", 1, 3.0);
        assert_eq!(history.last("loss").map(|point| point.value), Some(3.0));
        assert_eq!(history.last("train.loss").map(|point| point.value), Some(1.0));
        assert_eq!(history.last("accuracy"), None);
    }

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (1.0, "1.000"),
            (-12.345, "-12.35"),
            (0.001234, "0.001234"),
            (99_999.0, "99999"),
            (1.5e-7, "1.500e-7"),
            (2.5e9, "2.500e9"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ];
        for (number, expected) in cases {
            assert_eq!(short(number), expected);
        }
    }
}
