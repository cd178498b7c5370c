//! Tuning: compiles programs in the ways that were measured to be the fastest on this machine, measures what nobody has
//! measured before, and keeps the choices in a file. It knows the compiler, the clock and that file; it knows no
//! models.

mod cache;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kiln_graph::Graph;
use kiln_graph::shape::Sizes;
use kiln_jit::{Choices, CompileError, CompileOptions, Plan, PlanError, tune};

use crate::report::{TunedProgram, Tuning, TuningRow};
use crate::trainer::TrainError;
use cache::Cache;

/// Why the choices of `.tune` are not at hand, or not kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TuningError {
    /// Nothing says where the cache is.
    #[error(
        "`.tune` finds no folder for its choices: there is no home folder, and none of the environment variables KILN_CACHE and XDG_CACHE_HOME is set; set KILN_CACHE to a folder"
    )]
    NoFolder,
    /// The file of the choices is there, but can not be read.
    #[error(
        "`.tune` cannot read its choices from {}: {source}; make it readable, or set KILN_CACHE to another folder",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file of the choices can not be written.
    #[error(
        "`.tune` cannot keep its choices in {}: {source}; set KILN_CACHE to a folder that can be written (or give `.tune` no time: it then uses what is there, and measures nothing)",
        path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Compiles programs with the choices of this machine.
pub(crate) struct Tuner {
    cache: Cache,
    /// What the file held when it was last looked at.
    choices: Choices,
    /// The time that is left to measure, and the number of programs that share it first.
    left: Duration,
    coming: usize,
    report: Tuning,
}

impl Tuner {
    /// Measures for so long at most. The time is shared out among so many first programs; what they leave is for those that
    /// are compiled later.
    pub fn new(time: Duration, coming: usize) -> Result<Tuner, TrainError> {
        let cache = Cache::of(&CompileOptions::default().target()?)?;
        let (choices, rebuilt) = cache.read()?;
        let report =
            Tuning { cache: cache.path().to_owned(), rebuilt, time, spent: Duration::ZERO, programs: Vec::new() };
        Ok(Tuner { cache, choices, left: time, coming, report })
    }

    /// The plan of a program for some sizes.
    pub fn plan(&mut self, graph: &Graph, sizes: Sizes, mut options: CompileOptions) -> Result<Plan, TrainError> {
        options.choices = self.choices.clone();
        // What was measured may take more scratch memory than a limit leaves.
        let mut plan = match options.plan(graph) {
            Err(CompileError::Plan(PlanError::Memory { .. })) if !options.choices.is_empty() => {
                options.choices = Choices::new();
                options.plan(graph)?
            }
            plan => plan?,
        };
        let time = self.left / self.coming.max(1) as u32;
        self.coming = self.coming.saturating_sub(1);
        let pending: Vec<String> =
            tune::pending(&plan.contractions).iter().map(|(found, _)| found.problem.to_string()).collect();
        let mut missing = pending.len();
        if missing > 0 && !time.is_zero() {
            // Before any time is spent for nothing.
            self.cache.check_writable()?;
            let start = Instant::now();
            let measured = tune::measure(&plan.contractions, &options.target()?, time).map_err(CompileError::from)?;
            let spent = start.elapsed();
            self.report.spent += spent;
            self.left = self.left.saturating_sub(spent);
            missing = measured.missing;
            self.choices = self.cache.add(&self.choices, measured.choices)?;
            options.choices = self.choices.clone();
            plan = match options.plan(graph) {
                Err(CompileError::Plan(PlanError::Memory { .. })) => plan,
                tuned => tuned?,
            };
        }
        // A program that is compiled again, since it was let go of, is chosen for as before.
        if !self.report.programs.iter().any(|known| known.name == plan.name && known.sizes == sizes) {
            let program = self.program(&plan, sizes, &pending, missing);
            self.report.programs.push(program);
        }
        Ok(plan)
    }

    /// What was chosen so far.
    pub fn report(&self) -> &Tuning {
        &self.report
    }

    fn program(&self, plan: &Plan, sizes: Sizes, pending: &[String], missing: usize) -> TunedProgram {
        let row = |found: &kiln_jit::plan::Contracted| {
            let text = found.problem.to_string();
            let choice = self.choices.get(&text).filter(|_| found.chosen.is_some())?;
            Some(TuningRow {
                label: found.label.clone(),
                contraction: found.problem.shapes(),
                uses: found.uses,
                usual: choice.usual.clone(),
                usual_seconds: choice.usual_seconds,
                recipe: choice.recipe.clone(),
                seconds: choice.seconds,
                measured: pending.contains(&text),
            })
        };
        let rows: Vec<TuningRow> = plan.contractions.iter().filter_map(row).collect();
        let small = plan.contractions.len() - rows.len() - missing;
        TunedProgram { name: plan.name.clone(), sizes, rows, missing, small }
    }
}
