//! Tables of numbers and classes in CSV files. It knows no data sets.

use std::fs;
use std::path::{Path, PathBuf};

use csv::{ErrorKind, Position, ReaderBuilder, StringRecord, Trim};
use ndarray::{Array1, Array2};

use super::DataError;
use crate::formats::element::{Number, Scalar};
use crate::formats::inflate;
use kiln_graph::names::shown;

/// Reads a table with a line of names and commas between its cells: [`CsvOptions`] has all that may be otherwise.
///
/// ```
/// use kiln::data::{Dataset, read_csv};
/// # let path = std::env::temp_dir().join(format!("kiln-csv-{}.csv", std::process::id()));
/// # std::fs::write(&path, "length,width,species\n5.1,3.5,setosa\n7.0,3.2,versicolor\n")?;
///
/// let table = read_csv(&path)?;
/// let x = table.columns::<f32>(&["length", "width"])?;
/// let (y, names) = table.classes("species")?;
/// assert_eq!((x.dim(), names), ((2, 2), vec!["setosa".to_owned(), "versicolor".to_owned()]));
/// let data = Dataset::new(x, y)?;
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Those of [`CsvOptions::read`].
pub fn read_csv(path: impl AsRef<Path>) -> Result<Table, DataError> {
    CsvOptions::new().read(path)
}

/// How a CSV file is written.
#[derive(Clone, Debug, PartialEq)]
pub struct CsvOptions {
    delimiter: u8,
    header: bool,
    missing: Option<f64>,
}

impl CsvOptions {
    /// A line of names, commas between cells, none of which may be empty where a number is asked for.
    pub fn new() -> CsvOptions {
        CsvOptions { delimiter: b',', header: true, missing: None }
    }

    /// What stands between cells: `b';'`, `b'\t'`. Default: `b','`.
    pub fn delimiter(mut self, delimiter: u8) -> CsvOptions {
        self.delimiter = delimiter;
        self
    }

    /// Whether the first line holds the names of the columns; else they are called `0`, `1`, .. Default: `true`.
    pub fn header(mut self, header: bool) -> CsvOptions {
        self.header = header;
        self
    }

    /// The number that an empty cell stands for, such as `f64::NAN`. Default: none; an empty cell is an error.
    pub fn missing(mut self, missing: f64) -> CsvOptions {
        self.missing = Some(missing);
        self
    }

    /// Reads a file, gzipped or not, in UTF-8. Cells may be in quotes; spaces around them do not count; empty lines are passed over.
    ///
    /// # Errors
    /// [`DataError::Read`]; [`DataError::Row`] for a line of more or fewer cells than the first; [`DataError::Format`] for one that
    /// is not in UTF-8, and for a file without lines.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Table, DataError> {
        let path = path.as_ref();
        let error = |source| DataError::Read { path: path.into(), source };
        let bytes = fs::read(path).map_err(error)?;
        let bytes = if inflate::is_gzipped(&bytes) { inflate::gunzipped(&bytes).map_err(error)? } else { bytes };
        let mut builder = ReaderBuilder::new();
        builder.delimiter(self.delimiter).has_headers(false).trim(Trim::All);
        let mut reader = builder.from_reader(&bytes[..]);
        let mut table = Table {
            path: path.into(),
            names: Vec::new(),
            text: String::new(),
            ends: Vec::new(),
            lines: Vec::new(),
            missing: self.missing,
        };
        let mut record = StringRecord::new();
        while reader.read_record(&mut record).map_err(|error| told(path, &bytes, &error))? {
            let line = line_of(&bytes, record.position());
            if table.names.is_empty() {
                table.names = match self.header {
                    true => record.iter().map(str::to_owned).collect(),
                    false => (0..record.len()).map(|column| column.to_string()).collect(),
                };
                if self.header {
                    continue;
                }
            }
            table.lines.push(line);
            for cell in &record {
                table.text.push_str(cell);
                table.ends.push(table.text.len());
            }
        }
        if table.names.is_empty() {
            let reason = "it holds nothing".to_string();
            return Err(DataError::Format { path: path.into(), format: "CSV", reason });
        }
        Ok(table)
    }
}

impl Default for CsvOptions {
    fn default() -> CsvOptions {
        CsvOptions::new()
    }
}

/// The line on which a row begins that is read from a position on: behind the ends of lines, also empty ones, before it.
fn line_of(bytes: &[u8], position: Option<&Position>) -> u64 {
    let Some(position) = position else { return 0 };
    let rest = bytes.get(position.byte() as usize..).unwrap_or_default();
    let before = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + before.filter(|byte| **byte == b'\n').count() as u64
}

fn told(path: &Path, bytes: &[u8], error: &csv::Error) -> DataError {
    let line = line_of(bytes, error.position());
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            DataError::Row { path, line, expected: *expected_len, found: *len }
        }
        ErrorKind::Utf8 { err, .. } => {
            let reason = format!("line {line}, column {}: it is not in UTF-8", err.field() + 1);
            DataError::Format { path, format: "CSV", reason }
        }
        _ => DataError::Format { path, format: "CSV", reason: shown(&error.to_string()) },
    }
}

/// The cells of a CSV file, by the names of their columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    path: PathBuf,
    names: Vec<String>,
    /// All cells, row by row, and where each ends.
    text: String,
    ends: Vec<usize>,
    /// The line of each row.
    lines: Vec<u64>,
    missing: Option<f64>,
}

impl Table {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The names of the columns, in their order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The texts of a column.
    ///
    /// # Errors
    /// [`DataError::Column`].
    pub fn texts(&self, name: &str) -> Result<Vec<&str>, DataError> {
        let column = self.column_of(name)?;
        Ok((0..self.len()).map(|row| self.cell(row, column)).collect())
    }

    /// The numbers of a column; `true` and `false` count as 1 and 0. See [`Number`] for what a type does not have.
    ///
    /// # Errors
    /// [`DataError::Column`]; [`DataError::Cell`], which names the line and the column.
    pub fn column<T: Number>(&self, name: &str) -> Result<Array1<T>, DataError> {
        let column = self.column_of(name)?;
        (0..self.len()).map(|row| self.number(row, column)).collect()
    }

    /// The numbers of all columns, `[rows, columns]`.
    ///
    /// # Errors
    /// [`DataError::Cell`].
    pub fn all<T: Number>(&self) -> Result<Array2<T>, DataError> {
        self.columns(&self.names)
    }

    /// The numbers of several columns, `[rows, columns]`.
    ///
    /// # Errors
    /// Those of [`Table::column`].
    pub fn columns<T: Number>(&self, names: &[impl AsRef<str>]) -> Result<Array2<T>, DataError> {
        let columns: Vec<usize> = names.iter().map(|name| self.column_of(name.as_ref())).collect::<Result<_, _>>()?;
        let cells = (0..self.len()).flat_map(|row| columns.iter().map(move |&column| (row, column)));
        let numbers: Vec<T> = cells.map(|(row, column)| self.number(row, column)).collect::<Result<_, _>>()?;
        Ok(Array2::from_shape_vec((self.len(), columns.len()), numbers).expect("a number for each cell"))
    }

    /// The classes that a column's texts stand for, numbered in the order of their names, and the names.
    ///
    /// # Errors
    /// [`DataError::Column`].
    pub fn classes(&self, name: &str) -> Result<(Array1<i32>, Vec<String>), DataError> {
        let texts = self.texts(name)?;
        let mut names = texts.clone();
        names.sort_unstable();
        names.dedup();
        let class = |text: &&str| names.partition_point(|name| name < text) as i32;
        let classes = texts.iter().map(class).collect();
        Ok((classes, names.into_iter().map(str::to_owned).collect()))
    }

    fn column_of(&self, name: &str) -> Result<usize, DataError> {
        let mut columns = (0..self.names.len()).filter(|&column| self.names[column] == name);
        match (columns.next(), columns.next()) {
            (Some(column), None) => Ok(column),
            _ => Err(DataError::Column { path: self.path.clone(), name: name.into(), names: self.names.clone() }),
        }
    }

    fn cell(&self, row: usize, column: usize) -> &str {
        let place = row * self.names.len() + column;
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.text[start..self.ends[place]]
    }

    fn number<T: Number>(&self, row: usize, column: usize) -> Result<T, DataError> {
        let cell = self.cell(row, column);
        let scalar = if cell.is_empty() { self.missing.map(Scalar::Real) } else { scalar(cell) };
        scalar.and_then(T::of).ok_or_else(|| DataError::Cell {
            path: self.path.clone(),
            line: self.lines[row],
            column: column + 1,
            name: self.names[column].clone(),
            expected: T::NAME,
            found: cell.into(),
        })
    }
}

fn scalar(cell: &str) -> Option<Scalar> {
    let whole = || cell.parse().ok().map(Scalar::Whole);
    let truth = || ["false", "true"].iter().position(|word| cell.eq_ignore_ascii_case(word));
    let real = || cell.parse().ok().map(Scalar::Real);
    whole().or_else(real).or_else(|| truth().map(|truth| Scalar::Whole(truth as i128)))
}
