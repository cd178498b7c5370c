//! What a trainer or a predictor keeps compiled: for which sizes, in how much memory, and how often it has run. It is
//! told so by whoever keeps them.

use std::fmt;

use kiln_graph::shape::Sizes;

use super::text::thousands;
use crate::trainer::Settings;

/// The compiled programs of one model; it prints as a table.
///
/// All of them compute in the same memory: that of a trainer is one piece, as one runs at a time, that of a predictor as many
/// as calls have computed at once. Each has its own code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedPrograms {
    /// Each program, those for the usual sizes first, then the one that was asked for last.
    pub programs: Vec<CachedProgram>,
    /// How many programs of other sizes than the usual ones are kept: what
    /// [`TrainerBuilder::cached_programs`](crate::TrainerBuilder::cached_programs) says.
    pub most: usize,
    /// The pieces of memory to compute in that there are.
    pub arenas: usize,
}

/// One compiled program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedProgram {
    /// Its name: `train`, `evaluate`, `predict`, or that of a `step`.
    pub name: String,
    /// The number of samples, and what each free extent is.
    pub sizes: Sizes,
    /// Whether it is for the usual sizes, and so kept for good.
    pub usual: bool,
    /// The bytes that it computes in, beside parameters and optimizer states; those of all programs are the same memory.
    pub bytes: usize,
    /// The bytes of its own, where it keeps from run to run what follows from the parameters alone, such as packed weights.
    pub kept_bytes: usize,
    /// The bytes of its machine code, which are its own.
    pub code_bytes: usize,
    /// How often it has run.
    pub uses: u64,
}

impl CachedPrograms {
    pub(crate) fn new(
        programs: impl Iterator<Item = CachedProgram>,
        arenas: usize,
        settings: &Settings,
    ) -> CachedPrograms {
        let mut programs: Vec<CachedProgram> = programs.collect();
        programs.sort_by_key(|program| !program.usual);
        CachedPrograms { programs, most: settings.cached_programs, arenas }
    }

    /// The number of programs of other sizes than the usual ones.
    pub fn others(&self) -> usize {
        self.programs.iter().filter(|program| !program.usual).count()
    }

    /// The bytes that the programs compute in at most, beside parameters and optimizer states: as many as the largest needs, in
    /// each of the arenas, and what each keeps of its own.
    pub fn bytes(&self) -> usize {
        let largest = self.programs.iter().map(|program| program.bytes).max().unwrap_or(0);
        self.arenas * largest + self.programs.iter().map(|program| program.kept_bytes).sum::<usize>()
    }

    /// The bytes of machine code of all programs.
    pub fn code_bytes(&self) -> usize {
        self.programs.iter().map(|program| program.code_bytes).sum()
    }
}

fn kibibytes(bytes: usize) -> String {
    format!("{} KiB", thousands(bytes.div_ceil(1 << 10) as u64))
}

impl fmt::Display for CachedPrograms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["program", "sizes", "memory", "code", "uses"].map(str::to_owned);
        let rows = self.programs.iter().map(|program| {
            let usual = if program.usual { " (usual)" } else { "" };
            let [memory, code] = [program.bytes + program.kept_bytes, program.code_bytes].map(kibibytes);
            [program.name.clone(), format!("{}{usual}", program.sizes), memory, code, thousands(program.uses)]
        });
        let rows: Vec<[String; 5]> = [head].into_iter().chain(rows).collect();
        let widths: [usize; 5] =
            std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
        let [a, b, c, d, e] = widths;
        for row in &rows {
            writeln!(f, "{:a$}  {:b$}  {:>c$}  {:>d$}  {:>e$}", row[0], row[1], row[2], row[3], row[4])?;
        }
        let (memory, code) = (kibibytes(self.bytes()), kibibytes(self.code_bytes()));
        write!(
            f,
            "{} of at most {} for other sizes than the usual; memory for all {memory}, code {code}",
            self.others(),
            self.most
        )
    }
}
