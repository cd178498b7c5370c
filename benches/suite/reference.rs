//! PyTorch's losses, to tell whether two contenders computed the same thing.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::cases::Mode;

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
    /// if there is nothing to compare with; else what differs.
    pub fn verdict(&self, case: &str, mode: Mode, row: &Value) -> Result<String, String> {
        let verdict = self.compare(case, mode, row, "losses")?;
        // Those of the generator, where there is one.
        self.compare(case, mode, row, "losses_g")?;
        Ok(verdict)
    }

    fn compare(&self, case: &str, mode: Mode, row: &Value, field: &str) -> Result<String, String> {
        let list =
            |value: &Value| value.as_array().map(|list| list.iter().filter_map(Value::as_f64).collect::<Vec<_>>());
        let expected = self.0.as_ref().and_then(|all| list(&all[case][mode.name()][field]));
        let found = list(&row[field]).unwrap_or_default();
        let Some(expected) = expected else { return Ok("no reference".into()) };
        if found.len() != expected.len() {
            return Err(format!("{} losses, PyTorch has {}", found.len(), expected.len()));
        }
        for (found, wanted) in found.iter().zip(&expected) {
            let tolerance = 2e-3 * wanted.abs().max(expected[0].abs() / 10.0);
            if found.is_nan() || (found - wanted).abs() > tolerance {
                return Err(format!("PyTorch has {wanted:.6} where this has {found:.6}"));
            }
        }
        Ok("as PyTorch".into())
    }
}
