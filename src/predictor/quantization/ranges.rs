//! Which range of numbers an activation is told apart in, by all numbers that it has taken. It knows no graphs.

use kiln_graph::passes::{ACTIVATION_LIMIT, Affine};

/// How many parts the range of an activation is counted in: 8 for each number of 8 bits.
const BINS: usize = 2048;

/// As many bounds on each side are tried for [`Calibration::Mse`].
const STEPS: usize = 32;

/// How the range of an activation follows from the numbers that it takes for the calibration data. Numbers beyond it are cut
/// off, and those within are told apart the better the smaller it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Calibration {
    /// From the least to the greatest number.
    #[default]
    MinMax,
    /// So many percent of the numbers, 99.99 for instance; half of the others lie below, half above. For activations with few
    /// very large numbers. ONNX Runtime's `Percentile`.
    Percentile(f64),
    /// The range whose numbers of 8 bits differ least from what they stand for, in the mean of squares: what is cut off at the
    /// ends is weighed against what is rounded within. PyTorch's `HistogramObserver`.
    Mse,
}

/// How often the numbers of an activation lie in each part of its range.
pub struct Histogram {
    low: f32,
    high: f32,
    counts: Vec<u64>,
}

impl Histogram {
    /// Of numbers in a range, which is widened to 0.
    pub fn over([low, high]: [f32; 2]) -> Histogram {
        Histogram { low: low.min(0.0), high: high.max(0.0), counts: vec![0; BINS] }
    }

    fn width(&self) -> f32 {
        (self.high - self.low) / BINS as f32
    }

    pub fn add(&mut self, number: f32) {
        let place = (number - self.low) / self.width();
        self.counts[(place.max(0.0) as usize).min(BINS - 1)] += 1;
    }

    /// The range.
    pub fn range(&self, calibration: Calibration) -> [f32; 2] {
        let whole = [self.low, self.high];
        match calibration {
            _ if self.width() <= 0.0 => whole,
            Calibration::MinMax => whole,
            Calibration::Percentile(percent) => self.percentile(percent),
            Calibration::Mse => self.least_error(),
        }
    }

    fn percentile(&self, percent: f64) -> [f32; 2] {
        let all: u64 = self.counts.iter().sum();
        let beyond = all as f64 * (100.0 - percent) / 200.0;
        // How many parts at an end hold no more than that.
        let empty = |counts: &mut dyn Iterator<Item = &u64>| {
            let mut sum = 0;
            counts.take_while(|&&count| (sum += count, sum as f64 <= beyond).1).count() as f32
        };
        let (below, above) = (empty(&mut self.counts.iter()), empty(&mut self.counts.iter().rev()));
        [(self.low + below * self.width()).min(0.0), (self.high - above * self.width()).max(0.0)]
    }

    fn least_error(&self) -> [f32; 2] {
        let part = |end: f32, step: usize| end * step as f32 / STEPS as f32;
        let mut best = ([self.low, self.high], f64::INFINITY);
        for (below, above) in (0..=STEPS).flat_map(|below| (0..=STEPS).map(move |above| (below, above))) {
            let range = [part(self.low, below), part(self.high, above)];
            let error = if range[0] < range[1] { self.error(range) } else { f64::INFINITY };
            if error < best.1 {
                best = (range, error);
            }
        }
        best.0
    }

    /// The sum of the squares by which the numbers of 8 bits of a range differ from the middles of the parts.
    fn error(&self, [low, high]: [f32; 2]) -> f64 {
        let Affine { scale, zero } = Affine::covering(low, high);
        let of_part = |(place, &count): (usize, &u64)| {
            let number = self.low + (place as f32 + 0.5) * self.width();
            let narrow = ((number / scale).round_ties_even() + f32::from(zero)).clamp(0.0, ACTIVATION_LIMIT);
            let difference = f64::from((narrow - f32::from(zero)) * scale - number);
            count as f64 * difference * difference
        };
        self.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(of_part).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ranges of numbers from 0 to 1, of which one is 100.
    #[test]
    fn few_large_numbers_are_cut_off_where_that_is_asked_for() {
        let mut histogram = Histogram::over([0.0, 100.0]);
        (0..10_000).for_each(|number| histogram.add(number as f32 / 10_000.0));
        histogram.add(100.0);
        let cases = [
            (Calibration::MinMax, 100.0..=100.0),
            (Calibration::Percentile(100.0), 100.0..=100.0),
            // Half of the part that is left out lies below, where there is nothing.
            (Calibration::Percentile(99.9), 0.9..=1.1),
            (Calibration::Percentile(80.0), 0.85..=1.0),
            // One number of 100 counts as much as 10,000 that differ by 1: it is kept.
            (Calibration::Mse, 90.0..=100.0),
        ];
        for (calibration, expected) in cases {
            let [low, high] = histogram.range(calibration);
            assert!(low == 0.0 && expected.contains(&high), "{calibration:?}: {low} to {high}");
        }
    }

    /// Of 200,000 numbers in -1..1 and one beyond on each side, the least error is that of a range within: to cut these two off
    /// costs 2 * 0.5^2, to tell the others apart in a range as wide as those are far, 200,000 * (3 / 255)^2 / 12 = 2.3 instead
    /// of 1.
    #[test]
    fn the_least_error_is_no_larger_than_that_of_the_whole() {
        let mut histogram = Histogram::over([-1.5, 1.5]);
        (0..200_000).for_each(|number| histogram.add((number as f32 + 0.5) / 100_000.0 - 1.0));
        [-1.5, 1.5].iter().for_each(|&number| histogram.add(number));
        let range = histogram.range(Calibration::Mse);
        assert!(histogram.error(range) < histogram.error([histogram.low, histogram.high]), "{range:?}");
        assert!(histogram.low < range[0] || range[1] < histogram.high, "{range:?}");
    }

    #[test]
    fn an_activation_that_is_always_0_has_no_range() {
        let mut histogram = Histogram::over([0.0, 0.0]);
        histogram.add(0.0);
        assert_eq!(histogram.range(Calibration::Mse), [0.0, 0.0]);
    }
}
