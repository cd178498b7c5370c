//! Logs of a training: JSON lines, CSV, TensorBoard. Each is a file that grows by whole rows, so that one that a killed
//! process leaves can be read, and that goes on where a resumed training does, without a row twice. They know figures
//! and arrays, and no trainer.
//!
//! [`Fit::log`](crate::fit::Fit::log) writes them; a loop of one's own calls the same methods:
//!
//! ```
//! use kiln::logs::{JsonLines, TensorBoard};
//! # let program = std::env::current_exe()?;
//! # let folder = program.parent().unwrap().join(format!("kiln-logs-{}", std::process::id()));
//!
//! let mut log = JsonLines::new(folder.join("log.jsonl"));
//! let mut board = TensorBoard::new(&folder);
//! for step in 0..3 {
//!     let loss = (-0.1 * step as f64).exp();
//!     log.row(step, None, &[("loss", loss)])?;
//!     board.scalar("loss", step, loss)?;
//! }
//! assert_eq!(std::fs::read_to_string(folder.join("log.jsonl"))?.lines().count(), 3);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod append;
mod csv;
mod json_lines;
mod tensorboard;

use std::path::{Path, PathBuf};

use ndarray::ArrayD;

pub use self::csv::Csv;
pub use json_lines::JsonLines;
pub(crate) use json_lines::read_history;
pub use tensorboard::TensorBoard;

use crate::metrics::ConfusionMatrix;
use crate::report::Facts;

/// Why a log could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The file can not be written.
    #[error("cannot write the log {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: std::io::Error,
    },
    /// The file is the log of another training, which a new one would mix with.
    #[error(
        "{} is the log of an earlier training: go on with it by `.resume()`, remove it, or choose another file",
        path.display()
    )]
    Occupied {
        /// The file.
        path: PathBuf,
    },
    /// The file has other columns.
    #[error(
        "{} has the columns {}, but this training measures {}: choose another file",
        path.display(),
        expected.join(", "),
        found.join(", ")
    )]
    Columns {
        /// The file.
        path: PathBuf,
        /// Its columns.
        expected: Vec<String>,
        /// The names of the figures now.
        found: Vec<String>,
    },
    /// An array that is no image.
    #[error(
        "the image `{tag}` has the shape {}; expected [h, w], [1, h, w] or [3, h, w]",
        kiln_graph::names::numbers(found)
    )]
    Image {
        /// Its name.
        tag: String,
        /// Its shape.
        found: Vec<usize>,
    },
}

/// Where a training that is logged begins.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The steps that are done; rows of later ones, which an earlier process has left, are taken away.
    pub step: u64,
    /// Whether a training is taken up again. If not, there must be no rows yet.
    pub resumed: bool,
    pub(crate) facts: &'a Facts,
}

/// Figures of a step, or of an epoch at its end.
pub struct Row<'a> {
    /// The steps that are done.
    pub step: u64,
    /// The epochs that are done, where one ends here.
    pub epoch: Option<u64>,
    /// The figures with their names: `train.loss`.
    pub figures: &'a [(&'a str, f64)],
    /// The confusion matrix of the epoch's validation, where a metric counts one.
    pub confusion: Option<&'a ConfusionMatrix>,
    /// Calls its argument with each parameter, and what optimizers keep.
    pub(crate) states: &'a EachState<'a>,
}

pub(crate) type EachState<'a> = dyn Fn(&mut dyn FnMut(&str, ArrayD<f32>)) + 'a;

/// What a training writes to: [`JsonLines`], [`Csv`], [`TensorBoard`], or one's own.
pub trait Log {
    /// The training begins, or goes on.
    ///
    /// # Errors
    /// [`LogError`].
    fn begin(&mut self, start: &Start<'_>) -> Result<(), LogError>;

    /// Adds a row. Rows come in the order of steps; of single steps not each comes, where they are many.
    ///
    /// # Errors
    /// [`LogError::Write`]; what was written before can still be read.
    fn add(&mut self, row: &Row<'_>) -> Result<(), LogError>;
}

/// The file beside a log that says of the model what a report shows.
pub(crate) fn model_file(log: &Path) -> PathBuf {
    log.with_extension("model.json")
}
