//! CSV: a row an epoch. It knows nothing of what the figures are.

use std::path::Path;

use super::append::{Append, whole_lines};
use super::{Log, LogError, Row, Start};

/// A log as CSV with a row an epoch: the columns `epoch`, `step`, and those that the first epoch has measured. (Figures of single
/// steps are in [`JsonLines`](super::JsonLines) and [`TensorBoard`](super::TensorBoard).)
#[derive(Debug)]
pub struct Csv {
    file: Append,
    /// Its first row.
    columns: Vec<String>,
}

impl Csv {
    /// Writes to this file, which is made with its folder at the first row; what is in it stays.
    pub fn new(path: impl AsRef<Path>) -> Csv {
        Csv { file: Append::new(path.as_ref()), columns: Vec::new() }
    }

    /// Adds a row; the first one says what the columns are. A figure that is left out leaves an empty cell.
    ///
    /// # Errors
    /// [`LogError::Write`]; [`LogError::Columns`] for a figure that has no column.
    pub fn row(&mut self, epoch: u64, step: u64, figures: &[(&str, f64)]) -> Result<(), LogError> {
        if !self.file.is_open() {
            self.open(|_| true, |_| true)?;
        }
        let mut bytes = Vec::new();
        let mut columns = self.columns.clone();
        if columns.is_empty() {
            columns =
                ["epoch", "step"].into_iter().chain(figures.iter().map(|(name, _)| *name)).map(str::to_owned).collect();
            bytes.extend(self.line(&columns)?);
        }
        if figures.iter().any(|(name, _)| !columns[2..].iter().any(|column| column == name)) {
            let found = figures.iter().map(|(name, _)| (*name).to_owned()).collect();
            return Err(LogError::Columns { path: self.file.path().into(), expected: columns[2..].to_vec(), found });
        }
        let cell = |column: &String| {
            let figure = figures.iter().find(|(name, _)| name == column);
            figure.map_or(String::new(), |(_, figure)| figure.to_string())
        };
        let cells: Vec<String> =
            [epoch.to_string(), step.to_string()].into_iter().chain(columns[2..].iter().map(cell)).collect();
        bytes.extend(self.line(&cells)?);
        self.file.write(&bytes)?;
        // They are in the file only now.
        self.columns = columns;
        Ok(())
    }

    fn line(&self, cells: &[String]) -> Result<Vec<u8>, LogError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(cells).map_err(|error| self.file.failed(error.into()))?;
        writer.into_inner().map_err(|error| self.file.failed(error.into_error()))
    }

    /// Opens the file, with the rows whose step is to be kept.
    fn open(&mut self, may: impl FnOnce(&[u8]) -> bool, keeps: impl Fn(u64) -> bool) -> Result<(), LogError> {
        let (path, columns) = (self.file.path().to_owned(), &mut self.columns);
        let cells = |line: &[u8]| {
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line);
            let row = reader.records().next().and_then(Result::ok).unwrap_or_default();
            row.iter().map(str::to_owned).collect::<Vec<_>>()
        };
        self.file.open(|bytes| {
            if !may(bytes) {
                return Err(LogError::Occupied { path });
            }
            columns.clear();
            Ok(whole_lines(bytes, |line| {
                let row = cells(line);
                if columns.is_empty() {
                    let is_head = row.len() >= 2 && row[..2] == ["epoch", "step"];
                    *columns = if is_head { row } else { Vec::new() };
                    return is_head;
                }
                row.get(1).and_then(|step| step.parse().ok()).is_some_and(&keeps)
            }))
        })
    }
}

impl Log for Csv {
    fn begin(&mut self, start: &Start<'_>) -> Result<(), LogError> {
        self.open(|bytes| start.resumed || bytes.is_empty(), |step| step <= start.step)
    }

    fn add(&mut self, row: &Row<'_>) -> Result<(), LogError> {
        match row.epoch {
            Some(epoch) => self.row(epoch, row.step, row.figures),
            None => Ok(()),
        }
    }
}
