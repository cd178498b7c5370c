//! PyTorch's losses, to tell whether two contenders computed the same thing.

use std::fs;
use std::path::PathBuf;

use kiln::Precision;
use serde_json::Value;

use crate::cases::Mode;

/// Losses that rounding decides: case, place among its losses, and how far they may be off, in parts of the loss.
///
/// `dcgan` at step 10: from weights moved by single bits PyTorch gives losses of the discriminator from 1.4303 to 1.4357 in f64
/// (16 starts), and from 1.4277 to 1.4365 in f32; its stored loss is one draw of these, and so is any other.
const ILL_CONDITIONED: [(&str, usize, f64); 1] = [("dcgan", 4, 6e-3)];

/// The losses of every case, if they are on this machine.
pub struct Reference(Option<Value>);

impl Reference {
    /// Reads `losses.json` in the folder `KILN_PEERS`, by default `../shared/peers` beside the repository.
    pub fn find() -> Reference {
        let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/peers"));
        let folder = std::env::var_os("KILN_PEERS").map_or_else(beside, PathBuf::from);
        let text = fs::read_to_string(folder.join("losses.json"));
        Reference(text.ok().and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// `Ok` with a word if the losses agree to 2e-3 of the loss, or of a tenth of the first loss where that is more, or
    /// if there is nothing to compare with; `Ok` with what differs where rounding decides; else what differs. Of bf16 the
    /// losses of steps 0, 1 and 2 agree to 2e-2.
    pub fn verdict(&self, case: &str, mode: Mode, precision: Precision, row: &Value) -> Result<String, String> {
        // The generator's, where there is one, and those that every case has.
        let compare = |field: &str| self.compare(case, mode, precision, row, field);
        let verdicts = [compare("losses_g")?, compare("losses")?];
        Ok(verdicts.into_iter().flatten().next().unwrap_or_else(|| match self.expected(case, mode, "losses") {
            Some(_) => "as PyTorch".into(),
            None => "no reference".into(),
        }))
    }

    fn expected(&self, case: &str, mode: Mode, field: &str) -> Option<Vec<f64>> {
        numbers(&self.0.as_ref()?[case][mode.name()][field])
    }

    /// What differs, if rounding decides it; an error if it does not.
    fn compare(
        &self,
        case: &str,
        mode: Mode,
        precision: Precision,
        row: &Value,
        field: &str,
    ) -> Result<Option<String>, String> {
        let Some(expected) = self.expected(case, mode, field) else { return Ok(None) };
        let found = numbers(&row[field]).unwrap_or_default();
        if found.len() != expected.len() {
            return Err(format!("{} losses, PyTorch has {}", found.len(), expected.len()));
        }
        let mut decided = None;
        let (steps, limit) = if precision == Precision::Bf16 { (3, 2e-2) } else { (found.len(), 2e-3) };
        for (number, (found, wanted)) in found.iter().zip(&expected).enumerate().take(steps) {
            let off = (found - wanted).abs() / wanted.abs().max(expected[0].abs() / 10.0);
            if off <= limit {
                continue;
            }
            let difference = format!("PyTorch has {wanted:.6} where this has {found:.6}");
            let limit = ILL_CONDITIONED.iter().find(|(name, place, _)| *name == case && *place == number);
            match limit {
                Some((.., limit)) if off <= *limit => decided = Some(format!("{difference}, which rounding decides")),
                _ => return Err(difference),
            }
        }
        Ok(decided)
    }
}

fn numbers(list: &Value) -> Option<Vec<f64>> {
    Some(list.as_array()?.iter().filter_map(Value::as_f64).collect())
}
