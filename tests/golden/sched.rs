//! The schedules: rates, and momenta, step by step. They are no graphs, so that no engine computes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use kiln_graph::schedules::{
    Anneal, ConstantLR, CosineAnnealingLR, CosineAnnealingWarmRestarts, ExponentialLR, LinearLR, MultiStepLR,
    OneCycleLR, PlateauMode, PolynomialLR, ReduceLROnPlateau, Schedule, Scheduler, StepLR, ThresholdMode,
};
use ndarray::Array1;

use crate::case::{Array, Attributes, Case, Refusal};

/// Whether a case is one of a schedule.
pub fn is_schedule(case: &Case) -> bool {
    case.op.ends_with("LR") || ["CosineAnnealingWarmRestarts", "ReduceLROnPlateau"].contains(&case.op.as_str())
}

/// A schedule of PyTorch's name and arguments, defaults filled in.
fn schedule(op: &str, attributes: &Attributes) -> Result<Arc<dyn Schedule>, Refusal> {
    let number = |name: &str| attributes.f64(name).ok_or_else(|| Refusal::Case(format!("no {name}")));
    let count = |name: &str| match attributes.int(name).and_then(|count| u64::try_from(count).ok()) {
        Some(count) => Ok(count),
        None => Err(Refusal::Unsigned(name.into())),
    };
    Ok(match op {
        "ConstantLR" => Arc::new(ConstantLR::new(count("total_iters")?).factor(number("factor")?)),
        "LinearLR" => {
            let line = LinearLR::new(count("total_iters")?);
            Arc::new(line.start_factor(number("start_factor")?).end_factor(number("end_factor")?))
        }
        "ExponentialLR" => Arc::new(ExponentialLR::new(number("gamma")?)),
        "StepLR" => Arc::new(StepLR::new(count("step_size")?).gamma(number("gamma")?)),
        "MultiStepLR" => {
            let milestones = attributes.ints("milestones").unwrap_or_default().into_iter();
            Arc::new(MultiStepLR::new(milestones.map(|milestone| milestone as u64)).gamma(number("gamma")?))
        }
        "PolynomialLR" => Arc::new(PolynomialLR::new(count("total_iters")?).power(number("power")?)),
        "CosineAnnealingLR" => Arc::new(CosineAnnealingLR::new(count("T_max")?).eta_min(number("eta_min")?)),
        "CosineAnnealingWarmRestarts" => {
            let restarts = CosineAnnealingWarmRestarts::new(count("T_0")?);
            Arc::new(restarts.t_mult(count("T_mult")?).eta_min(number("eta_min")?))
        }
        "OneCycleLR" => {
            let total = match attributes.get("total_steps") {
                Some(_) => count("total_steps")?,
                None => count("epochs")? * count("steps_per_epoch")?,
            };
            let linear = attributes.text("anneal_strategy") == Some("linear");
            Arc::new(
                OneCycleLR::new(number("max_lr")?, total)
                    .pct_start(number("pct_start")?)
                    .anneal_strategy(if linear { Anneal::Linear } else { Anneal::Cos })
                    .cycle_momentum(attributes.flag("cycle_momentum"))
                    .base_momentum(number("base_momentum")?)
                    .max_momentum(number("max_momentum")?)
                    .div_factor(number("div_factor")?)
                    .final_div_factor(number("final_div_factor")?)
                    .three_phase(attributes.flag("three_phase")),
            )
        }
        "ReduceLROnPlateau" => {
            let is = |name: &str, value: &str| attributes.text(name) == Some(value);
            let (max, abs) = (is("mode", "max"), is("threshold_mode", "abs"));
            Arc::new(
                ReduceLROnPlateau::new()
                    .mode(if max { PlateauMode::Max } else { PlateauMode::Min })
                    .factor(number("factor")?)
                    .patience(count("patience")?)
                    .threshold(number("threshold")?)
                    .threshold_mode(if abs { ThresholdMode::Abs } else { ThresholdMode::Rel })
                    .cooldown(count("cooldown")?)
                    .min_lr(number("min_lr")?)
                    .eps(number("eps")?),
            )
        }
        _ => return Err(Refusal::later(op)),
    })
}

/// The first rate, and that after each step, as an optimizer is given them; beside them the momenta.
pub fn results(case: &Case) -> Result<BTreeMap<String, Array>, Refusal> {
    let schedule = schedule(&case.op, &case.attributes)?;
    schedule.check().map_err(|error| Refusal::Error(error.to_string()))?;
    let rate = case.attributes.f64("base_lr").ok_or_else(|| Refusal::Case("no base_lr".into()))?;
    let mut scheduler = Scheduler::of(Some(schedule), &[rate]);
    let metrics = match case.tensors.get("input.0") {
        Some(Array::Float(metrics)) => metrics.iter().copied().collect(),
        _ => Vec::new(),
    };
    let mut metrics = metrics.into_iter();
    let (mut rates, mut momenta) = (vec![scheduler.rate(0)], Vec::from_iter(scheduler.momentum()));
    for _ in 0..case.attributes.int("steps").unwrap_or(0) {
        if let Some(metric) = metrics.next() {
            scheduler.report_metric(metric);
        }
        scheduler.step();
        rates.push(scheduler.rate(0));
        momenta.extend(scheduler.momentum());
    }
    let array = |values: Vec<f64>| Array::Float(Array1::from_vec(values).into_dyn());
    let mut results = BTreeMap::from([("output.0".to_owned(), array(rates))]);
    if !momenta.is_empty() {
        results.insert("output.1".to_owned(), array(momenta));
    }
    Ok(results)
}
