//! What Kiln computes for a case, by the kind of its operation.

use std::collections::BTreeMap;

use crate::case::{Array, Case, Refusal};
use crate::engine::Engine;
use crate::{functions, graphs, layers, losses, ops, optim, programs, sched};

/// The results of a case by name.
pub fn results(case: &Case, engine: Engine) -> Result<BTreeMap<String, Array>, Refusal> {
    match case.op.as_str() {
        "program" => programs::results(case, engine),
        op if op.starts_with("clip_grad_") => graphs::results(case, optim::clip, engine),
        _ if sched::is_schedule(case) => sched::results(case),
        op if op.ends_with("Loss") => graphs::results(case, losses::compute, engine),
        op if op.starts_with("torch.") => graphs::results(case, functions::compute, engine),
        op if op.starts_with(|c: char| c.is_lowercase()) => graphs::results(case, ops::compute, engine),
        _ if case.with_prefix("param_after.").next().is_some() => optim::results(case, engine),
        _ => graphs::results(case, layers::compute, engine),
    }
}
