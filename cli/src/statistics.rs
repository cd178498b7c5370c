//! What is told about the numbers of a tensor, and pictures of it in text. It reads no file.

use kiln::CheckpointError;
use kiln::weights::{Element, Stored};
use serde_json::{Value, json};

/// Figures of the numbers of a tensor; those of a distribution are of its finite numbers.
#[derive(Clone, Debug)]
pub struct Statistics {
    pub count: usize,
    pub nan: u64,
    pub infinite: u64,
    /// Those that are 0 or -0.
    pub zeros: u64,
    /// Nothing, where no number is finite.
    pub finite: Option<Finite>,
}

/// What the finite numbers are like.
#[derive(Clone, Debug)]
pub struct Finite {
    pub min: f64,
    pub max: f64,
    pub mean: f64,
    /// Of a sample; nothing of one number alone.
    pub std: Option<f64>,
    /// How many lie in each part of the way from the smallest to the largest, the parts being equally wide.
    pub histogram: Vec<u64>,
}

impl Statistics {
    /// Of a tensor, if its elements are numbers that are read.
    pub fn of(stored: &Stored, bins: usize) -> Result<Option<Statistics>, CheckpointError> {
        if matches!(stored.element(), Element::Other(..)) {
            return Ok(None);
        }
        let (mut nan, mut infinite, mut zeros, mut sum) = (0, 0, 0, 0.0);
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        stored.each(|numbers| {
            // Some thousand numbers at a time, so that sums are of few terms of like size.
            let mut part = 0.0;
            for &number in numbers {
                if number.is_finite() {
                    (min, max, part) = (number.min(min), number.max(max), part + number);
                    zeros += u64::from(number == 0.0);
                } else if number.is_nan() {
                    nan += 1;
                } else {
                    infinite += 1;
                }
            }
            sum += part;
        })?;
        let count = stored.len();
        let finite = count as u64 - nan - infinite;
        let finite =
            if finite == 0 { None } else { Some(Finite::of(stored, min, max, sum / finite as f64, finite, bins)?) };
        Ok(Some(Statistics { count, nan, infinite, zeros, finite }))
    }

    pub fn json(&self) -> Value {
        let Statistics { nan, infinite, zeros, finite, .. } = self;
        let mut object = json!({ "nan": nan, "infinite": infinite, "zeros": zeros });
        if let (Value::Object(object), Some(Finite { min, max, mean, std, histogram })) = (&mut object, finite) {
            object.insert("min".to_owned(), json!(min));
            object.insert("max".to_owned(), json!(max));
            object.insert("mean".to_owned(), json!(mean));
            object.insert("std".to_owned(), json!(std));
            object.insert("histogram".to_owned(), json!({ "from": min, "to": max, "counts": histogram }));
        }
        object
    }
}

impl Finite {
    fn of(stored: &Stored, min: f64, max: f64, mean: f64, count: u64, bins: usize) -> Result<Finite, CheckpointError> {
        let mut squares = 0.0;
        let mut histogram = vec![0; bins];
        // By halves, so that the way from one end of all floats to the other is finite.
        let way = max / 2.0 - min / 2.0;
        let bin = |number: f64| match way {
            0.0 => bins / 2,
            way => (((number / 2.0 - min / 2.0) / way * bins as f64) as usize).min(bins - 1),
        };
        stored.each(|numbers| {
            let mut part = 0.0;
            for &number in numbers.iter().filter(|number| number.is_finite()) {
                part += (number - mean) * (number - mean);
                histogram[bin(number)] += 1;
            }
            squares += part;
        })?;
        let std = (count > 1).then(|| (squares / (count - 1) as f64).sqrt());
        Ok(Finite { min, max, mean, std, histogram })
    }

    /// The histogram with a character for each bin: of the eight heights, none where there is no number.
    pub fn spark(&self) -> String {
        let most = self.histogram.iter().copied().max().unwrap_or(0).max(1);
        let height = |&count: &u64| match count {
            0 => ' ',
            count => {
                let eighths = (count as f64 / most as f64 * 8.0).ceil() as usize;
                ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][eighths.clamp(1, 8) - 1]
            }
        };
        self.histogram.iter().map(height).collect()
    }
}

/// A bar of this part of `columns`, in eighths of a column; what is more than nothing is seen.
pub fn bar(part: f64, columns: usize) -> String {
    let eighths = (part * columns as f64 * 8.0).round() as usize;
    let eighths = if part > 0.0 { eighths.max(1) } else { 0 };
    let rest = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let last = (eighths % 8).checked_sub(1).map(|place| rest[place]);
    std::iter::repeat_n('█', eighths / 8).chain(last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_and_sparks() {
        for (part, columns, expected) in
            [(0.0, 4, ""), (1.0, 4, "████"), (0.5, 4, "██"), (0.5, 3, "█▌"), (1e-9, 4, "▏"), (1.0 / 8.0, 1, "▏")]
        {
            assert_eq!(bar(part, columns), expected, "{part} of {columns}");
        }
        let finite = |histogram: Vec<u64>| Finite { min: 0.0, max: 1.0, mean: 0.5, std: None, histogram };
        for (counts, expected) in
            [(vec![0, 1, 8], " ▁█"), (vec![1, 1], "██"), (vec![0, 0], "  "), (vec![1000, 1], "█▁")]
        {
            assert_eq!(finite(counts.clone()).spark(), expected, "{counts:?}");
        }
    }
}
