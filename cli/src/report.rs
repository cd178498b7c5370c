//! `kiln report`: what a run has measured, as one HTML file.

use std::path::{Path, PathBuf};

use crate::arguments::Report;
use crate::failure::Failure;
use crate::hints::near_file;
use crate::output::Output;

/// What a report is called where nothing is said.
const NAME: &str = "report.html";

pub fn run(arguments: &Report, output: &mut Output) -> Result<(), Failure> {
    let run = &arguments.run;
    if !run.exists() {
        let hint = near_file(run).map_or(String::new(), |near| format!("; did you mean {}?", near.display()));
        return Err(Failure::told(format!("there is no run {}{hint}", run.display())));
    }
    let path = match &arguments.output {
        Some(path) if !arguments.force && path.symlink_metadata().is_ok_and(|found| found.is_file()) => {
            let text = format!("{} is there already: give another name, or --force to replace it", path.display());
            return Err(Failure::told(text));
        }
        Some(path) => path.clone(),
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
