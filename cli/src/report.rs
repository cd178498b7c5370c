//! `kiln report`: what a run has measured, as one HTML file.

use std::path::{Path, PathBuf};

use crate::arguments::Report;
use crate::failure::Failure;
use crate::hints::{there, vacant};
use crate::output::Output;

/// What a report is called where nothing is said.
const NAME: &str = "report.html";

pub fn run(arguments: &Report, output: &mut Output) -> Result<(), Failure> {
    let run = &arguments.run;
    there("run", run)?;
    let path = match &arguments.output {
        Some(path) => {
            // A device is written to.
            let replaces = path.symlink_metadata().is_ok_and(|found| found.is_file());
            vacant(path, arguments.force || !replaces)?;
            path.clone()
        }
        None => beside(run),
    };
    let report = kiln::Report::open(run).map_err(Failure::told)?;
    let report = match &arguments.title {
        Some(title) => report.title(title),
        None => report,
    };
    report.save_html(&path).map_err(Failure::told)?;
    Ok(output.line(&path.display().to_string())?)
}

/// The report in a run's folder, or beside its file.
fn beside(run: &Path) -> PathBuf {
    if run.is_dir() { run.join(NAME) } else { run.with_file_name(NAME) }
}
