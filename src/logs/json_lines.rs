//! JSON lines: an object a line, that every language reads. It knows nothing of what the figures are.

use std::path::Path;
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::append::{Append, whole_lines};
use super::{Log, LogError, Row, Start, model_file};
use crate::checkpoints::{confusion_json, confusion_of};
use crate::files::replace_file;
use crate::history::History;

/// A log of JSON lines: `{"step":120,"epoch":2,"time":1786000000.0,"train.loss":0.41,"valid.loss":0.48}`.
///
/// `step` is the number of steps that are done, `epoch` that of epochs where one ends, `time` is in seconds since 1970. Figures that
/// JSON has no numbers for are the texts `NaN`, `Infinity` and `-Infinity`. In `fit` a file beside it, `log.model.json`, says of the
/// model what [`Report::open`](crate::Report::open) shows.
#[derive(Debug)]
pub struct JsonLines {
    file: Append,
}

impl JsonLines {
    /// Writes to this file, which is made with its folder at the first row; what is in it stays.
    pub fn new(path: impl AsRef<Path>) -> JsonLines {
        JsonLines { file: Append::new(path.as_ref()) }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`LogError::Write`].
    pub fn row(&mut self, step: u64, epoch: Option<u64>, figures: &[(&str, f64)]) -> Result<(), LogError> {
        self.write(step, epoch, figures, None)
    }

    fn write(
        &mut self,
        step: u64,
        epoch: Option<u64>,
        figures: &[(&str, f64)],
        confusion: Option<Value>,
    ) -> Result<(), LogError> {
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut row = Map::from_iter([("step".to_owned(), json!(step))]);
        row.extend(epoch.map(|epoch| ("epoch".to_owned(), json!(epoch))));
        row.insert("time".to_owned(), json!((time.as_secs_f64() * 1e3).round() / 1e3));
        row.extend(figures.iter().map(|&(name, figure)| (name.to_owned(), number(figure))));
        row.extend(confusion.map(|confusion| ("confusion".to_owned(), confusion)));
        let line = format!("{}\n", Value::from(row));
        if !self.file.is_open() {
            // What a killed process has left of a line would spoil this one.
            self.file.open(|bytes| Ok(whole_lines(bytes, |_| true)))?;
        }
        self.file.write(line.as_bytes())
    }
}

impl Log for JsonLines {
    fn begin(&mut self, start: &Start<'_>) -> Result<(), LogError> {
        let path = self.file.path().to_owned();
        self.file.open(|bytes| match start.resumed {
            true => Ok(whole_lines(bytes, |line| step_of(line).is_some_and(|step| step <= start.step))),
            false if bytes.is_empty() => Ok(0),
            false => Err(LogError::Occupied { path }),
        })?;
        if !start.facts.is_empty() && self.file.keeps() {
            let path = model_file(self.file.path());
            let text = start.facts.to_json().to_string();
            replace_file(&path, text.as_bytes()).map_err(|source| LogError::Write { path, source })?;
        }
        Ok(())
    }

    fn add(&mut self, row: &Row<'_>) -> Result<(), LogError> {
        self.write(row.step, row.epoch, row.figures, row.confusion.map(confusion_json))
    }
}

/// A figure as JSON has it.
fn number(figure: f64) -> Value {
    match figure {
        _ if figure.is_finite() => json!(figure),
        _ if figure.is_nan() => json!("NaN"),
        _ => json!(if figure > 0.0 { "Infinity" } else { "-Infinity" }),
    }
}

/// What [`number`] gave.
fn figure(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        Some(_) => None,
        None => value.as_f64(),
    }
}

fn step_of(line: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Value>(line).ok()?["step"].as_u64()
}

/// The history that a log holds; of a line that is none its number and what is wrong. The last one may be half of a line.
pub fn read_history(bytes: &[u8]) -> Result<History, (usize, String)> {
    let mut history = History::default();
    for (number, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        if !line.ends_with(b"\n") || line.trim_ascii().is_empty() {
            continue;
        }
        let wrong = |reason: String| (number + 1, reason);
        let row: Value = serde_json::from_slice(line).map_err(|error| wrong(error.to_string()))?;
        let step = row["step"].as_u64().ok_or_else(|| wrong("there is no `step`".to_owned()))?;
        for (name, value) in row.as_object().into_iter().flatten() {
            if !matches!(name.as_str(), "step" | "epoch" | "time" | "confusion")
                && let Some(figure) = figure(value)
            {
                history.push(name, step, figure);
            }
        }
        confusion_of(&row["confusion"]).into_iter().for_each(|matrix| history.set_confusion(matrix));
    }
    Ok(history)
}
