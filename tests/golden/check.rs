//! Whether a case passes: what PyTorch computes is computed within the case's tolerance, what it refuses is refused.

use std::collections::BTreeMap;

use crate::case::{Array, Case, Refusal, compare};
use crate::engine::Engine;
use crate::errors;
use crate::results::results;

/// What became of a case.
pub enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

/// A panic is a failure of its case, and no other.
pub fn unless_it_panics(check: impl FnOnce() -> Outcome) -> Outcome {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
    outcome.unwrap_or_else(|_| Outcome::Failed("it panicked".into()))
}

/// Runs a case on every engine.
pub fn check(case: &Case) -> Outcome {
    for engine in Engine::ALL {
        match (results(case, engine), &case.error) {
            (Err(Refusal::Error(_)), Some(_)) => {}
            (Ok(_), Some(error)) => return Outcome::Failed(format!("accepted, though PyTorch says: {error}")),
            (Err(Refusal::Case(message)), _) => return Outcome::Failed(format!("the case: {message}")),
            (Err(Refusal::Error(message)), None) => return Outcome::Failed(format!("{engine:?}: {message}")),
            (Err(Refusal::Later(reason)), _) => return Outcome::Skipped(reason),
            (Err(Refusal::Unsigned(name)), Some(_)) => match errors::refused_by_rustc(&case.op, &name) {
                Ok(_) => {}
                Err(Refusal::Later(reason)) => return Outcome::Skipped(reason),
                Err(other) => return Outcome::Failed(format!("{other:?}")),
            },
            (Err(Refusal::Unsigned(name)), None) => {
                return Outcome::Failed(format!("{name}: negative, which PyTorch takes and Kiln does not"));
            }
            (Ok(results), None) => {
                if let Err(message) = agree(case, &results) {
                    return Outcome::Failed(format!("{engine:?}: {message}"));
                }
            }
        }
    }
    Outcome::Passed
}

/// Whether every expected tensor was computed. (An optimizer is given its gradients.)
fn agree(case: &Case, results: &BTreeMap<String, Array>) -> Result<(), String> {
    let takes_gradients = case.op != "program" && case.with_prefix("param_after.").next().is_some();
    let expected = ["output.", "param_after.", "state_after.", "grad.", "grad2."];
    let expected = if takes_gradients { &expected[..3] } else { &expected[..] };
    for (name, array) in case.tensors.iter().filter(|(name, _)| expected.iter().any(|prefix| name.starts_with(prefix)))
    {
        let found = results.get(name).ok_or_else(|| format!("{name} was not computed"))?;
        compare(name, found, array, case.tolerance)?;
    }
    Ok(())
}
