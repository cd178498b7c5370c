//! What the candidates of contractions take on one machine, and the file that keeps it: `jit/measurements/`.
//!
//! ```text
//! # What stands behind a number sign is for people.
//! lanes 8, vector registers 16, first-level cache 32768, second-level cache 524288
//!
//! dot [64, 784] at 0+[784,1]/50176, [784, 512] at 0+[512,1]/401408 -> [64, 512]
//! 412345 tiles of 6x16 #0123456789abcdef
//! 423456 packed B, tiles of 6x16 #fedcba9876543210
//! ```

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use kiln::Precision;
use kiln::jit::Target;

/// How the line of the machine ends, in which precision the networks are then, and whether products of bf16 are taken by
/// pairs.
const ENDS: [(&str, Precision, bool); 3] =
    [(", bf16 by pairs", Precision::Bf16, true), (", bf16", Precision::Bf16, false), ("", Precision::F32, false)];

/// What was measured on a machine.
pub struct Measurements {
    /// What a planner needs to know of the machine; ports and latencies are those of [`Target::with_lanes`].
    pub target: Target,
    /// That of the networks.
    pub precision: Precision,
    /// The candidates' names and times, by the text of the contraction.
    pub problems: BTreeMap<String, Vec<(String, f64)>>,
}

/// The number in a recipe's name, by which it is found again: the words before it may change.
#[allow(dead_code)] // The suite writes.
pub fn number(name: &str) -> &str {
    name.rsplit('#').next().unwrap_or(name)
}

impl Measurements {
    /// Reads a file.
    ///
    /// # Errors
    /// The line that is none of those that are expected.
    #[allow(dead_code)] // The suite writes.
    pub fn parse(text: &str) -> Result<Measurements, String> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.is_empty());
        let mut lines = lines.map(|(at, line)| (line, format!("line {}: `{line}`", at + 1)));
        let (line, place) = lines.next().ok_or("there is no line with the machine")?;
        let ends = ENDS.iter().find_map(|&(end, precision, pairs)| Some((line.strip_suffix(end)?, precision, pairs)));
        let (line, precision, pair_products) = ends.expect("any line ends with nothing");
        let numbers = line.split(", ").map(|part| part.rsplit(' ').next().and_then(|number| number.parse().ok()));
        let numbers: Option<Vec<usize>> = numbers.collect();
        let Some(&[lanes, vector_registers, l1_bytes, l2_bytes]) = numbers.as_deref() else {
            return Err(format!("{place} has not the machine's four numbers"));
        };
        let target = Target { vector_registers, l1_bytes, l2_bytes, pair_products, ..Target::with_lanes(lanes) };
        let mut problems: Vec<(String, Vec<(String, f64)>)> = Vec::new();
        for (line, place) in lines {
            if !line.starts_with(|first: char| first.is_ascii_digit()) {
                problems.push((line.to_owned(), Vec::new()));
                continue;
            }
            let (nanoseconds, name) = line.split_once(' ').ok_or(format!("{place} has no recipe"))?;
            let nanoseconds = nanoseconds.parse().map_err(|_| format!("{place} starts with no number"))?;
            let (_, times) = problems.last_mut().ok_or(format!("{place} stands under no contraction"))?;
            times.push((name.to_owned(), nanoseconds));
        }
        Ok(Measurements { target, precision, problems: problems.into_iter().collect() })
    }
}

/// But for the head.
impl Display for Measurements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { lanes, vector_registers, l1_bytes, l2_bytes, .. } = self.target;
        write!(f, "lanes {lanes}, vector registers {vector_registers}, ")?;
        let pairs = self.precision == Precision::Bf16 && self.target.pair_products;
        let end = ENDS.iter().find(|end| end.1 == self.precision && end.2 == pairs).map_or("", |end| end.0);
        writeln!(f, "first-level cache {l1_bytes}, second-level cache {l2_bytes}{end}")?;
        for (problem, times) in &self.problems {
            write!(f, "\n{problem}\n")?;
            for (name, nanoseconds) in times {
                writeln!(f, "{nanoseconds:.0} {name}")?;
            }
        }
        Ok(())
    }
}
