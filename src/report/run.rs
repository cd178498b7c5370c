//! The report of a training: what was measured and what the model is, as one HTML file for browsers. It knows figures,
//! tables and drawings, and neither trainers nor data.

mod charts;
mod facts;
mod open;
mod page;

use std::io;
use std::path::{Path, PathBuf};

pub use facts::Facts;

use super::{Drawing, Profile, Summary};
use crate::history::History;
use crate::metrics::ConfusionMatrix;
use crate::plan::Plan;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The file could not be written; the error names it.
    #[error(transparent)]
    Write(io::Error),
    /// A file of the run could not be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        #[source]
        error: io::Error,
    },
    /// A line of a log is none.
    #[error("{}, line {line}: {reason}; expected a JSON object with `step` and figures", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1 on.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing was kept of a run there.
    #[error(
        "{} holds no run: expected a log (a file .jsonl, which `.log(JsonLines::new(..))` of `fit` writes) or checkpoints \
         (step-000000120.safetensors, which `.checkpoint(..)` writes)",
        path.display()
    )]
    Nothing {
        /// The folder.
        path: PathBuf,
    },
}

/// A report of a training as one HTML file: curves of losses, metrics and learning rates, time and rate, the confusion
/// matrix, the table of layers, memory, a profile, the graph. What it is not given it leaves out.
///
/// The file needs no network and nothing else; it follows the browser's light or dark, and fits a phone.
///
/// ```
/// use kiln::prelude::*;
/// use kiln::fit::Progress;
/// # use ndarray::{Array1, Array2};
/// # #[derive(Model)]
/// # #[model(input = [4])]
/// # struct Net { fc: Linear<4, 3> }
/// # let x = Array2::from_shape_fn((96, 4), |(i, j)| ((i * 7 + j * 13) as f32).sin());
/// # let y = Array1::from_iter(x.rows().into_iter().map(|row| i32::from(row[0] > row[1])));
/// # let (train, valid) = Dataset::new(x, y)?.split(0.8, 1);
/// # let program = std::env::current_exe()?;
/// # let folder = program.parent().unwrap();
///
/// let mut trainer = Trainer::new(Net::init(42), cross_entropy(), Adam::default()).batch(16).build()?;
/// let fit = trainer.fit(&train).epochs(3).validate(&valid).metrics(["f1", "confusion_matrix"]);
/// let history = fit.progress(Progress::Silent).run()?;
/// // Of what was measured alone: `history.report()`; with the model's layers, memory and graph:
/// trainer.report(&history).title("Flowers").save_html(folder.join("report.html"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`Report::open`] makes one of the folder of a run, also of one that still goes on or was killed.
#[derive(Clone, Debug)]
#[must_use = "a report does nothing until it is saved"]
pub struct Report {
    title: String,
    history: History,
    facts: Facts,
    confusion: Option<ConfusionMatrix>,
}

impl Report {
    /// A report of what was measured.
    pub fn new(history: &History) -> Report {
        let confusion = history.confusion().cloned();
        Report { title: "Training".to_owned(), history: history.clone(), facts: Facts::default(), confusion }
    }

    /// A report of what lies in the folder of a run: the log that [`JsonLines`](crate::logs::JsonLines) has written there with
    /// what it says of the model, or else the newest checkpoint that can be read. A file of either kind does, too.
    ///
    /// # Errors
    /// [`ReportError`]: the folder holds neither, or what it holds can not be read. (The last line of a log may be half
    /// written.)
    pub fn open(run: impl AsRef<Path>) -> Result<Report, ReportError> {
        open::open(run.as_ref())
    }

    pub(crate) fn facts(mut self, facts: Facts) -> Report {
        self.facts = facts;
        self
    }

    /// What stands on top. Default: `Training`, or the name of the run's folder.
    pub fn title(mut self, title: impl Into<String>) -> Report {
        self.title = title.into();
        self
    }

    /// With the table of layers.
    pub fn summary(mut self, summary: &Summary) -> Report {
        self.facts.add_summary(summary);
        self
    }

    /// With the memory that a compiled program needs.
    pub fn plan(mut self, plan: &Plan) -> Report {
        self.facts.add_plan(plan);
        self
    }

    /// With the time of each kernel.
    pub fn profile(mut self, profile: &Profile) -> Report {
        self.facts.add_profile(profile);
        self
    }

    /// With a drawing of the graph.
    pub fn graph(mut self, drawing: &Drawing<'_>) -> Report {
        self.facts.set_graph(drawing.html());
        self
    }

    /// With a confusion matrix, in the place of the history's own.
    pub fn confusion(mut self, matrix: &ConfusionMatrix) -> Report {
        self.confusion = Some(matrix.clone());
        self
    }

    /// The report as one HTML file.
    pub fn html(&self) -> String {
        page::html(self)
    }

    /// Writes [`Report::html`] to a file, whose folder is made if it is not there.
    ///
    /// # Errors
    /// [`ReportError::Write`].
    pub fn save_html(&self, path: impl AsRef<Path>) -> Result<(), ReportError> {
        crate::files::save_report(path.as_ref(), self.html().as_bytes()).map_err(ReportError::Write)
    }
}
