//! What tuning has chosen, as a table. It measures nothing, and knows of a recipe its name.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use kiln_graph::shape::Sizes;

/// What tuning has measured and chosen for the programs of a trainer or a predictor; it prints as a table.
///
/// Times are those of one thread, each contraction measured on its own with nothing fused behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuning {
    /// The file in which the choices are kept.
    pub cache: PathBuf,
    /// What was wrong with the file where it could not be used: everything was measured again.
    pub rebuilt: Option<String>,
    /// The time that was given.
    pub time: Duration,
    /// The time that was spent; none if all choices were known.
    pub spent: Duration,
    /// Each program, in the order in which they were compiled.
    pub programs: Vec<TunedProgram>,
}

/// The choices for one program.
#[derive(Clone, Debug, PartialEq)]
pub struct TunedProgram {
    /// Its name: `train`.
    pub name: String,
    /// Its number of samples, and its free extents.
    pub sizes: Sizes,
    /// The distinct contractions for which there is a choice, in the order of the program.
    pub rows: Vec<TuningRow>,
    /// The contractions for which the time did not suffice: they are computed as usual, and measured when a program with them is
    /// built the next time.
    pub missing: usize,
    /// The contractions that take too small a part of the time to be measured.
    pub small: usize,
}

/// The choice for one contraction.
#[derive(Clone, Debug, PartialEq)]
pub struct TuningRow {
    /// The layer and the fused operations of the first kernel that computes it.
    pub label: String,
    /// The operation and the shapes.
    pub contraction: String,
    /// How many times the program computes it.
    pub uses: usize,
    /// The recipe that is estimated to be the fastest, which is taken without tuning.
    pub usual: String,
    /// What that one takes.
    pub usual_seconds: f64,
    /// The recipe that was chosen.
    pub recipe: String,
    /// What that one takes.
    pub seconds: f64,
    /// Whether it was measured now, not by an earlier build.
    pub measured: bool,
}

impl Tuning {
    /// How many choices were measured now; the others had been measured before.
    pub fn measured(&self) -> usize {
        self.programs.iter().flat_map(|program| &program.rows).filter(|row| row.measured).count()
    }
}

impl TunedProgram {
    /// What the measured contractions take together by the usual recipes, and by the chosen ones.
    pub fn seconds(&self) -> [f64; 2] {
        let sum = |seconds: fn(&TuningRow) -> f64| self.rows.iter().map(|row| row.uses as f64 * seconds(row)).sum();
        [sum(|row| row.usual_seconds), sum(|row| row.seconds)]
    }
}

impl TuningRow {
    /// Whether it is computed by another recipe than usual.
    pub fn differs(&self) -> bool {
        self.recipe != self.usual
    }
}

fn percent([usual, chosen]: [f64; 2]) -> f64 {
    if usual > 0.0 { 100.0 * (1.0 - chosen / usual) } else { 0.0 }
}

/// A recipe's name without its number.
fn words(recipe: &str) -> &str {
    recipe.split(" #").next().unwrap_or(recipe)
}

/// ```text
/// tuning: 4.1 s of 10.0 s, choices in ~/.cache/kiln/..
/// train, 64 samples: 5 contractions in 3.10 ms, 3.30 ms as estimated to be best (gain 6.1 %); 2 too small to measure
///  uses     usual us    chosen us     gain  contraction
///     1      1200.00      1100.00    8.3 %  conv1: conv add le select: conv {..} [64, 1, 28, 28] .. by tiles of 6x16, not panels, tiles of 4x16
/// ```
impl fmt::Display for Tuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tuning { cache, rebuilt, time, spent, programs } = self;
        write!(
            f,
            "tuning: {:.1} s of {:.1} s, choices in {}",
            spent.as_secs_f64(),
            time.as_secs_f64(),
            cache.display()
        )?;
        if let Some(reason) = rebuilt {
            write!(f, "\nthe file held no choices and was made anew: {reason}")?;
        }
        programs.iter().try_for_each(|program| write!(f, "\n{program}"))
    }
}

impl fmt::Display for TunedProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.seconds();
        write!(
            f,
            "{}, {} samples{}: {} contractions in {:.2} ms, {:.2} ms as estimated to be best (gain {:.1} %)",
            self.name,
            self.sizes.batch(),
            self.sizes.of_extents(" with "),
            self.rows.len(),
            1e3 * seconds[1],
            1e3 * seconds[0],
            percent(seconds)
        )?;
        if self.small > 0 {
            write!(f, "; {} too small to measure", self.small)?;
        }
        if self.missing > 0 {
            write!(f, "; no time for {}: the next build measures them", self.missing)?;
        }
        if !self.rows.is_empty() {
            write!(f, "\n{:>5}  {:>11}  {:>11}  {:>7}  contraction", "uses", "usual us", "chosen us", "gain")?;
        }
        let mut rows: Vec<&TuningRow> = self.rows.iter().collect();
        let all = |row: &TuningRow| row.uses as f64 * row.usual_seconds;
        rows.sort_by(|a, b| all(b).total_cmp(&all(a)));
        for row in rows {
            write!(
                f,
                "\n{:>5}  {:>11.2}  {:>11.2}  {:>5.1} %  {}: {} by {}",
                row.uses,
                1e6 * row.usual_seconds,
                1e6 * row.seconds,
                percent([row.usual_seconds, row.seconds]),
                row.label,
                row.contraction,
                words(&row.recipe)
            )?;
            if row.differs() {
                write!(f, ", not {}", words(&row.usual))?;
            }
        }
        Ok(())
    }
}
