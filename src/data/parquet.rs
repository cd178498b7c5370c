//! Parquet files: columns of numbers as arrays, and rows as samples, of which a group of rows is read when one of it is
//! asked for. It knows neither batches nor order.

mod chunks;
mod column;

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ndarray::{Array1, ArrayD};

use super::source::check_index;
use super::{DataError, Number, Scalar, Source};
use crate::formats::part::Part;
use chunks::Chunks;
use column::{Column, Numbers};
use kiln_graph::names::shown;

/// What errors call it.
const FORMAT: &str = "Parquet";

/// A Parquet file, of which the schema was read: columns of numbers (of all types, and `bool`), and lists of as many numbers in
/// each row. What is compressed is so by Snappy, gzip or not at all.
///
/// ```no_run
/// use kiln::data::{Loader, Parquet};
///
/// let file = Parquet::open("train.parquet")?;
/// let labels = file.read::<i32>("label")?;
/// // Samples: the numbers of these columns side by side, and a label.
/// let source = file.source::<f32, i32>(&["age", "height", "embedding"], "label")?;
/// for batch in Loader::new(source).batch(64).workers(2).epoch(0) {
///     let (x, y) = batch?;
/// }
/// # Ok::<(), kiln::data::DataError>(())
/// ```
#[derive(Clone)]
pub struct Parquet(Arc<Opened>);

struct Opened {
    path: PathBuf,
    reader: SerializedFileReader<Chunks>,
    /// Columns by name; those that hold no numbers with what they hold.
    columns: Vec<(String, Result<Column, String>)>,
    /// The first row of each group, and the number of rows.
    starts: Vec<usize>,
}

impl Parquet {
    /// Reads the schema of a file.
    ///
    /// # Errors
    /// [`DataError::Read`]; [`DataError::Format`] for another or a damaged file.
    pub fn open(path: impl Into<PathBuf>) -> Result<Parquet, DataError> {
        let path = path.into();
        let file = File::open(&path).and_then(Part::of_file);
        let file = file.map_err(|source| DataError::Read { path: path.clone(), source })?;
        let reader = guarded(&path, || SerializedFileReader::new(Chunks(file)).map_err(|error| error.to_string()))?;
        let metadata = reader.metadata();
        let columns = column::columns(metadata.file_metadata().schema_descr());
        let mut starts = vec![0_usize];
        for group in metadata.row_groups() {
            let rows = usize::try_from(group.num_rows()).ok();
            let end = rows.and_then(|rows| starts.last()?.checked_add(rows));
            let reason = || format!("a group of its rows is said to have {} of them", group.num_rows());
            starts.push(end.ok_or_else(|| format_error(&path, reason()))?);
        }
        Ok(Parquet(Arc::new(Opened { path, reader, columns, starts })))
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.0.starts.last().copied().unwrap_or(0)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of the columns, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.columns.iter().map(|(name, _)| name.as_str())
    }

    /// All numbers of a column: `[rows]`, or `[rows, length]` of one of lists. See [`Number`] for what a type does not have.
    ///
    /// # Errors
    /// [`DataError::Column`]; [`DataError::InColumn`], which names column and row, for a null, a number that the type does not have,
    /// a list of another length than the first; [`DataError::Format`] for a damaged file, and a column that holds no numbers.
    pub fn read<T: Number>(&self, name: &str) -> Result<ArrayD<T>, DataError> {
        let column = self.0.column(name)?;
        let mut numbers = Numbers::new(None);
        for group in 0..self.0.starts.len() - 1 {
            self.0.read(column, group, &mut numbers)?;
        }
        let rows = self.len();
        let shape = if column.is_lists() { vec![rows, numbers.width()] } else { vec![rows] };
        Ok(ArrayD::from_shape_vec(shape, numbers.into_vec()).expect("as many numbers in each row"))
    }

    /// The rows as samples: the numbers of the input columns side by side, as an array of one axis, and that of the target column.
    ///
    /// A group of rows is decoded when one of them is asked for, and stays in memory ([`ParquetSource::groups`] bounds that).
    ///
    /// # Errors
    /// Those of [`Parquet::read`], as far as the first row tells; its samples give the others.
    pub fn source<X: Number + Scalar, Y: Number + Scalar>(
        &self,
        inputs: &[&str],
        target: &str,
    ) -> Result<ParquetSource<X, Y>, DataError> {
        let column = |name: &str| self.0.column(name).cloned();
        let target = column(target)?;
        if target.is_lists() {
            let reason = format!("{} holds lists, expected a number in each row as a target", shown(&target.name));
            return Err(format_error(&self.0.path, reason));
        }
        let inputs: Vec<Column> = inputs.iter().map(|name| column(name)).collect::<Result<_, _>>()?;
        let widths = inputs.iter().map(|column| self.0.width(column)).collect::<Result<_, _>>()?;
        let groups = (1..self.0.starts.len()).map(|_| Mutex::new(None)).collect();
        let file = self.0.clone();
        let recent = Mutex::new(VecDeque::new());
        Ok(ParquetSource(Arc::new(Rows { file, inputs, widths, target, groups, recent, bound: usize::MAX })))
    }
}

impl fmt::Debug for Parquet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.names().collect();
        f.debug_struct("Parquet").field("path", &self.0.path).field("names", &names).field("len", &self.len()).finish()
    }
}

impl Opened {
    fn column(&self, name: &str) -> Result<&Column, DataError> {
        let mut found = self.columns.iter().filter(|(other, _)| other == name);
        match (found.next(), found.next()) {
            (Some((_, Ok(column))), None) => Ok(column),
            (Some((_, Err(holds))), None) => {
                Err(format_error(&self.path, format!("column {} holds {holds}, expected numbers", shown(name))))
            }
            _ => {
                let names = self.columns.iter().map(|(name, _)| name.clone()).collect();
                Err(DataError::Column { path: self.path.clone(), name: name.to_owned(), names })
            }
        }
    }

    /// Appends the numbers of a column in a group of rows.
    fn read<T: Number>(&self, column: &Column, group: usize, numbers: &mut Numbers<T>) -> Result<(), DataError> {
        let start = self.starts[group];
        let rows = self.starts[group + 1] - start;
        let before = numbers.rows();
        let in_column = |row: usize, reason: String| DataError::InColumn {
            path: self.path.clone(),
            column: column.name.clone(),
            row: start + row - before,
            reason,
        };
        let mut wrong = None;
        guarded(&self.path, || {
            let reader = self.reader.get_row_group(group).map_err(|error| error.to_string())?;
            let reader = reader.get_column_reader(column.leaf).map_err(|error| error.to_string())?;
            match column.read(reader, usize::MAX, numbers) {
                Ok(()) => Ok(()),
                Err(column::Trouble::Row(row, reason)) => {
                    wrong = Some(in_column(row, reason));
                    Ok(())
                }
                Err(column::Trouble::File(reason)) => Err(reason),
            }
        })?;
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        let found = numbers.rows() - before;
        if found == rows {
            return Ok(());
        }
        let name = shown(&column.name);
        Err(format_error(&self.path, format!("column {name} has {found} rows in group {group}, which has {rows}")))
    }

    /// How many numbers a column has in each row, by the first.
    fn width(&self, column: &Column) -> Result<usize, DataError> {
        if !column.is_lists() {
            return Ok(1);
        }
        let first = (0..self.starts.len() - 1).find(|&group| self.starts[group + 1] > self.starts[group]);
        let Some(first) = first else { return Ok(0) };
        guarded(&self.path, || {
            let reader = self.reader.get_row_group(first).map_err(|error| error.to_string())?;
            let reader = reader.get_column_reader(column.leaf).map_err(|error| error.to_string())?;
            // What is wrong with the row, its sample tells.
            let mut numbers = Numbers::<f64>::new(None);
            match column.read(reader, 1, &mut numbers) {
                Err(column::Trouble::File(reason)) => Err(reason),
                _ => Ok(numbers.width()),
            }
        })
    }
}

/// The rows of a Parquet file as samples: see [`Parquet::source`]. A clone shares them.
pub struct ParquetSource<X, Y>(Arc<Rows<X, Y>>);

/// Where a group of rows lies while it is in memory.
type Place<X, Y> = Mutex<Option<Arc<Group<X, Y>>>>;

struct Rows<X, Y> {
    file: Arc<Opened>,
    inputs: Vec<Column>,
    widths: Vec<usize>,
    target: Column,
    /// The groups of rows that are in memory.
    groups: Vec<Place<X, Y>>,
    /// Which ones, those that were read first in front; and how many there may be.
    recent: Mutex<VecDeque<usize>>,
    bound: usize,
}

/// The numbers of a group of rows, column by column.
struct Group<X, Y> {
    inputs: Vec<Vec<X>>,
    targets: Vec<Y>,
}

impl<X: Number + Scalar, Y: Number + Scalar> ParquetSource<X, Y> {
    /// How many groups of rows stay in memory, at least 1: beyond that the one that was read first goes. Default: all that were
    /// read. With fewer than there are, rows are best taken in their order, or shuffled within groups: each that comes from a
    /// group which is not there decodes all of it.
    pub fn groups(self, bound: usize) -> ParquetSource<X, Y> {
        let Rows { file, inputs, widths, target, .. } = &*self.0;
        let groups = self.0.groups.iter().map(|_| Mutex::new(None)).collect();
        let (file, recent) = (file.clone(), Mutex::new(VecDeque::new()));
        let (inputs, widths, target) = (inputs.clone(), widths.clone(), target.clone());
        ParquetSource(Arc::new(Rows { file, inputs, widths, target, groups, recent, bound: bound.max(1) }))
    }

    /// How many numbers an input has.
    pub fn width(&self) -> usize {
        self.0.widths.iter().sum()
    }
}

impl<X, Y> Clone for ParquetSource<X, Y> {
    fn clone(&self) -> ParquetSource<X, Y> {
        ParquetSource(self.0.clone())
    }
}

impl<X, Y> fmt::Debug for ParquetSource<X, Y> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetSource").field("path", &self.0.file.path).finish_non_exhaustive()
    }
}

impl<X: Number + Scalar, Y: Number + Scalar> Rows<X, Y> {
    /// A group in memory. Whoever else wants the same one waits; others do not.
    fn group(&self, number: usize) -> Result<Arc<Group<X, Y>>, DataError> {
        let mut place = lock(&self.groups[number]);
        if let Some(group) = &*place {
            return Ok(group.clone());
        }
        let read = |column: &Column, width: usize| {
            let mut numbers = Numbers::new(Some(width));
            self.file.read(column, number, &mut numbers)?;
            Ok(numbers.into_vec())
        };
        let columns = self.inputs.iter().zip(&self.widths);
        let inputs = columns.map(|(column, &width)| read(column, width)).collect::<Result<_, DataError>>()?;
        let mut targets = Numbers::new(Some(1));
        self.file.read(&self.target, number, &mut targets)?;
        let group = Arc::new(Group { inputs, targets: targets.into_vec() });
        *place = Some(group.clone());
        drop(place);
        let mut recent = lock(&self.recent);
        recent.push_back(number);
        let oldest = if recent.len() > self.bound { recent.pop_front() } else { None };
        drop(recent);
        if let Some(oldest) = oldest {
            *lock(&self.groups[oldest]) = None;
        }
        Ok(group)
    }
}

impl<X: Number + Scalar, Y: Number + Scalar> Source for ParquetSource<X, Y> {
    type Input = Array1<X>;
    type Target = Y;

    fn len(&self) -> usize {
        self.0.file.starts.last().copied().unwrap_or(0)
    }

    fn sample(&self, index: usize) -> Result<(Array1<X>, Y), DataError> {
        check_index(index, self.len())?;
        let starts = &self.0.file.starts;
        // Groups may be empty: the last one that begins here or before.
        let number = starts.partition_point(|&start| start <= index) - 1;
        let group = self.0.group(number)?;
        let row = index - starts[number];
        let columns = group.inputs.iter().zip(&self.0.widths);
        let input = columns.flat_map(|(numbers, &width)| &numbers[row * width..][..width]).copied().collect();
        Ok((input, group.targets[row]))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn format_error(path: &Path, reason: String) -> DataError {
    DataError::Format { path: path.into(), format: FORMAT, reason: shown_reason(&reason) }
}

/// What the reader says, on one line.
fn shown_reason(reason: &str) -> String {
    match reason.chars().any(char::is_control) || reason.len() > 500 {
        true => shown(reason),
        false => reason.to_owned(),
    }
}

/// What reads a file that may be damaged: the crate that decodes panics on some.
fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, String>) -> Result<T, DataError> {
    let panicked = |_| Err("it is damaged: its decoder has given up".to_owned());
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(panicked).map_err(|reason| format_error(path, reason))
}
