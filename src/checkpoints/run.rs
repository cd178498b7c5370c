//! Where a training stands beside its states: epoch, batch and step, and what it has measured; as notes of a file, too.
//! What is measured, and when, is the loop's affair; what states hold is the checkpoint's.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::Array2;
use serde_json::{Value, json};

use crate::checkpoint::{CheckpointError, Notes};
use crate::history::{Curve, History, Point};
use crate::metrics::ConfusionMatrix;

/// The note with the run, as JSON; numbers that may be infinite or NaN, or must come back to the last bit, are text.
const RUN: &str = "kiln.run";

/// Where a training stands, and what it has measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// The epochs that are done.
    pub epoch: u64,
    /// The batches of the present epoch that are done.
    pub batch: u64,
    /// The steps that are done, of all epochs.
    pub step: u64,
    /// What was measured.
    pub history: History,
    /// Numbers of whoever saves, by name: sums over the present epoch, for example.
    pub figures: BTreeMap<String, f64>,
}

impl Run {
    /// A step is done.
    pub fn end_batch(&mut self) {
        self.batch += 1;
        self.step += 1;
    }

    /// An epoch is done.
    pub fn end_epoch(&mut self) {
        self.epoch += 1;
        self.batch = 0;
    }

    /// The run as a note, with the best figure so far.
    pub(super) fn notes(&self, best: Option<f64>) -> Notes {
        let curve = |curve: &Curve| {
            let points: Vec<Value> =
                curve.points.iter().map(|point| json!([point.step, point.value.to_string()])).collect();
            json!({ "name": curve.name, "counts": curve.counts(), "points": points })
        };
        let figures: BTreeMap<&str, String> =
            self.figures.iter().map(|(name, figure)| (name.as_str(), figure.to_string())).collect();
        let run = json!({
            "epoch": self.epoch,
            "batch": self.batch,
            "step": self.step,
            "figures": figures,
            "best": best.map(|best| best.to_string()),
            "history": self.history.curves().iter().map(curve).collect::<Vec<_>>(),
            "confusion": self.history.confusion().map(confusion_json),
        });
        Notes::from([(RUN.to_owned(), run.to_string())])
    }

    /// The run in the notes of a file, and the best figure so far.
    pub(crate) fn of_notes(path: &Path, notes: &Notes) -> Result<(Run, Option<f64>), CheckpointError> {
        let parsed = notes.get(RUN).and_then(|text| serde_json::from_str::<Value>(text).ok());
        parsed.as_ref().and_then(read).ok_or_else(|| CheckpointError::Foreign {
            path: path.into(),
            format: "checkpoint",
            reason: "it does not say where the training stood".to_owned(),
        })
    }
}

fn read(run: &Value) -> Option<(Run, Option<f64>)> {
    let number = |value: &Value| value.as_str()?.parse::<f64>().ok();
    let curve = |value: &Value| {
        let counts = [value["counts"][0].as_u64()?, value["counts"][1].as_u64()?];
        let points = value["points"].as_array()?.iter();
        let points = points.map(|point| Some(Point { step: point[0].as_u64()?, value: number(&point[1])? }));
        Some(Curve::kept(value["name"].as_str()?.to_owned(), points.collect::<Option<_>>()?, counts))
    };
    let curves = run["history"].as_array()?.iter().map(curve).collect::<Option<Vec<_>>>()?;
    let figures = run["figures"].as_object()?.iter();
    let figures = figures.map(|(name, figure)| Some((name.clone(), number(figure)?))).collect::<Option<_>>()?;
    let mut history = History::of_curves(curves);
    // Files of before there was one have none.
    if let Some(matrix) = confusion_of(&run["confusion"]) {
        history.set_confusion(matrix);
    }
    let (epoch, batch, step) = (run["epoch"].as_u64()?, run["batch"].as_u64()?, run["step"].as_u64()?);
    let best = if run["best"].is_null() { None } else { Some(number(&run["best"])?) };
    Some((Run { epoch, batch, step, history, figures }, best))
}

/// A confusion matrix as JSON: names and rows of counts.
pub(crate) fn confusion_json(matrix: &ConfusionMatrix) -> Value {
    let counts = matrix.counts();
    let names: Vec<String> = (0..counts.nrows()).map(|class| matrix.class_name(class)).collect();
    json!({ "names": names, "counts": counts.rows().into_iter().map(|row| row.to_vec()).collect::<Vec<_>>() })
}

/// What [`confusion_json`] gave; nothing where that is something else.
pub(crate) fn confusion_of(value: &Value) -> Option<ConfusionMatrix> {
    let rows = value["counts"].as_array()?;
    let counts = rows.iter().flat_map(|row| row.as_array().into_iter().flatten()).map(Value::as_u64);
    let counts = Array2::from_shape_vec((rows.len(), rows.len()), counts.collect::<Option<_>>()?).ok()?;
    let names = value["names"].as_array()?.iter().map(|name| Some(name.as_str()?.to_owned()));
    Some(ConfusionMatrix::of_counts(counts, names.collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_comes_back_to_the_last_bit() {
        let mut run = Run { epoch: 3, batch: 17, step: 977, ..Run::default() };
        let values = [0.1, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5e-324, 1.0 / 3.0, 1.797e308];
        for (step, value) in values.into_iter().enumerate() {
            run.history.push("step.loss", step as u64, value);
            run.figures.insert(format!("sum {step} \"x\"\n"), value);
        }
        for best in [None, Some(0.97), Some(f64::INFINITY)] {
            let (read, found) = Run::of_notes(Path::new("x"), &run.notes(best)).unwrap();
            assert_eq!(found, best);
            assert_eq!((read.epoch, read.batch, read.step), (3, 17, 977));
            let bits = |run: &Run| {
                let points = run.history.curve("step.loss").iter().map(|point| point.value);
                points.chain(run.figures.values().copied()).map(f64::to_bits).collect::<Vec<_>>()
            };
            assert_eq!(bits(&read), bits(&run));
        }
    }

    #[test]
    fn what_is_no_run_is_an_error() {
        for text in
            ["", "{}", "[]", "{\"epoch\": -1}", "null", "{\"epoch\":1,\"batch\":0,\"step\":1,\"figures\":{\"a\":1}}"]
        {
            let notes = Notes::from([(RUN.to_owned(), text.to_owned())]);
            assert!(Run::of_notes(Path::new("x"), &notes).is_err(), "{text}");
        }
        assert!(Run::of_notes(Path::new("x"), &Notes::new()).is_err());
    }
}
