//! What can go wrong when data is read and put together. It knows paths, positions and shapes, and decodes nothing.

use std::path::PathBuf;

use kiln_graph::names::{listed, numbers, shown};

/// Why data could not be read or put together. Every variant names the file or the data set, what was
/// expected and what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file could not be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system (or the gzip decoder) says.
        source: std::io::Error,
    },
    /// A file could not be written; what stood there before still does.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A file is not what it is read as, or is damaged.
    #[error("{} is no {format} file: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it is read as: `.npy`, `.npz`, `CSV`, `PNG or JPEG`, `Parquet`.
        format: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// An archive has no array of this name.
    #[error("{} has no array {}: it holds {}", path.display(), shown(name), listed(names))]
    NoArray {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        name: String,
        /// What there is.
        names: Vec<String>,
    },
    /// A number in an array that the element type asked for does not have: a fraction or one out of range.
    #[error("{}: the number at {} of {} is {found}, which is no {expected}", path.display(), numbers(place), shown(name))]
    Number {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
        /// Where it stands.
        place: Vec<usize>,
        /// The element type asked for.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A table has no column of this name, or several.
    #[error("{} has {} {}: its columns are {}", path.display(), if names.contains(name) { "several columns" } else { "no column" }, shown(name), listed(names))]
    Column {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        name: String,
        /// What there is.
        names: Vec<String>,
    },
    /// A row of a table has more or fewer cells than there are columns.
    #[error("{}, line {line}: it has {found} cells, expected {expected}, as in the first line", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The number of columns.
        expected: u64,
        /// The number of cells.
        found: u64,
    },
    /// A cell of a table does not hold a number of the type asked for.
    #[error("{}, line {line}, column {column} ({}): it holds {}, expected a number of type {expected}", path.display(), shown(name), shown(found))]
    Cell {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column, from 1.
        column: usize,
        /// Its name.
        name: String,
        /// The element type asked for.
        expected: &'static str,
        /// What it holds.
        found: String,
    },
    /// A row of a column does not hold what it must.
    #[error("{}, column {}, row {row}: {reason}", path.display(), shown(column))]
    InColumn {
        /// The file.
        path: PathBuf,
        /// The column's name.
        column: String,
        /// The row, from 0.
        row: usize,
        /// What it holds, and what was expected.
        reason: String,
    },
    /// There is no file of the name, nor of another one under which such files come.
    #[error("there is no file {}; looked for {} there", path.display(), looked_for.join(", "))]
    NotFound {
        /// The file.
        path: PathBuf,
        /// The names that were looked for in its folder.
        looked_for: Vec<String>,
    },
    /// The file holds nothing at all.
    #[error("{} is empty: is the download complete?", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file ends before its header does.
    #[error(
        "{} is cut short in its header, which has {expected} bytes for its {axes} axes, but the file only {found}: is the download complete?",
        path.display()
    )]
    Header {
        /// The file.
        path: PathBuf,
        /// The number of axes that it announces.
        axes: usize,
        /// Bytes of a header for so many axes.
        expected: usize,
        /// Bytes of the file.
        found: usize,
    },
    /// The file does not start like an IDX file: two zero bytes, a known element type, the number of axes.
    #[error("{} is no IDX file: it starts with {found:02x?}, expected 00 00, an element type (08, 09, 0b, 0c, 0d or 0e) and the number of axes", path.display())]
    NotIdx {
        /// The file.
        path: PathBuf,
        /// Its first bytes, at most four.
        found: Vec<u8>,
    },
    /// The file ends before its last element, or goes on after it.
    #[error("{} holds {found} bytes of data, but its header announces {} ({}): is the download complete?", path.display(), announced(*expected), numbers(shape))]
    Length {
        /// The file.
        path: PathBuf,
        /// The extents that the header gives.
        shape: Vec<usize>,
        /// Bytes that these extents take; `u64::MAX` for more than that.
        expected: u64,
        /// Bytes after the header.
        found: u64,
    },
    /// The file holds other data than was asked for: labels for images, for example.
    #[error("{} holds {found}, expected {expected}", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        expected: &'static str,
        /// The element type and the extents found.
        found: String,
    },
    /// Parts of a data set with different numbers of samples: more images than labels, or the reverse.
    #[error(
        "there are {images} samples but {labels} targets (or samples of another input): each needs one, along the first axis"
    )]
    CountsDiffer {
        /// The number of samples of the first part.
        images: usize,
        /// The number of the other one: of labels, mostly.
        labels: usize,
    },
    /// A part of a data set that is an array without axes.
    #[error("an array without axes holds no samples: the first axis is theirs")]
    NoAxis,
    /// No sequence, where the shape of a step is that of the first one's.
    #[error("there is no sequence to pad: at least one tells what a step is")]
    NoSequences,
    /// A sequence whose steps have another shape than those of the first.
    #[error(
        "the steps of sequence {position} have the shape {found:?}, those of sequence 0 {expected:?}: steps are alike"
    )]
    StepsDiffer {
        /// The sequence.
        position: usize,
        /// The shape of a step of the first one.
        expected: Vec<usize>,
        /// The shape of a step of this one.
        found: Vec<usize>,
    },
    /// A sequence that is longer than it may be.
    #[error("sequence {position} has {found} steps, but at most {longest} are asked for: cut it, or allow more")]
    TooLong {
        /// The sequence.
        position: usize,
        /// Its number of steps.
        found: usize,
        /// The length to which sequences are padded, or the largest bound of groups.
        longest: usize,
    },
    /// A sample that can not be had, and why.
    #[error("sample {index}: {source}")]
    Sample {
        /// The index in the source that a loader or a split reads.
        index: usize,
        /// What is wrong with it.
        source: Box<DataError>,
    },
    /// There is no sample of this index.
    #[error("there is no sample {index}: the source has {count}, counted from 0")]
    NoSample {
        /// The index.
        index: usize,
        /// The number of samples.
        count: usize,
    },
    /// A sample whose shape is not that of the others in its batch.
    #[error("it has the shape {found}, but the first of its batch {expected}: samples of one batch are alike")]
    Unlike {
        /// The shape of the first sample of the batch.
        expected: String,
        /// The shape of this one.
        found: String,
    },
    /// A source, an adapter or an augmentation has panicked.
    #[error("the source panicked: {message}")]
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// A thread of a loader could not be started.
    #[error("cannot start a worker of the loader: {source}")]
    Worker {
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Lengths of parts that do not make up the source.
    #[error("the lengths {found} do not split {count} samples: sizes add up to that number, fractions to 1")]
    Split {
        /// The lengths.
        found: String,
        /// The number of samples.
        count: usize,
    },
    /// Weights by which no sample can be drawn.
    #[error("{reason}: weights are finite, not negative, not all 0, and one for each sample")]
    Weights {
        /// What is wrong with them.
        reason: String,
    },
    /// An augmentation that is not for this image.
    #[error("{step} can not be applied to the shape {found:?}: {reason}")]
    Augment {
        /// The augmentation.
        step: &'static str,
        /// The shape of the image.
        found: Vec<usize>,
        /// What it needs.
        reason: String,
    },
    /// A folder of images without folders of classes.
    #[error("{} has no folders in it: expected one for each class, with its images", path.display())]
    NoClasses {
        /// The folder.
        path: PathBuf,
    },
    /// A folder of a class without images.
    #[error("{} has no images in it: expected files whose names end as .png, .jpg or .jpeg", path.display())]
    NoImages {
        /// The folder.
        path: PathBuf,
    },
    /// An error of a user's own: see [`DataError::other`].
    #[error("{0}")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl DataError {
    /// An error of a source of your own: any error, or a text.
    ///
    /// ```
    /// use kiln::data::DataError;
    ///
    /// assert_eq!(DataError::other("the sensor is off").to_string(), "the sensor is off");
    /// ```
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> DataError {
        DataError::Other(error.into())
    }

    /// The same, of a sample; which sample it is, is said once.
    pub(super) fn of_sample(self, index: usize) -> DataError {
        match self {
            DataError::Sample { source, .. } => DataError::Sample { index, source },
            DataError::NoSample { .. } => self,
            source => DataError::Sample { index, source: Box::new(source) },
        }
    }
}

/// A number of bytes, as far as it is known.
fn announced(expected: u64) -> String {
    if expected == u64::MAX { "more than 2^64".to_owned() } else { expected.to_string() }
}
