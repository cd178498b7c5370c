//! The schedules: rates, and momenta, step by step. They are no graphs, so that no engine computes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use kiln_graph::InvalidSetting;
use kiln_graph::schedules::{
    Anneal, ChainedScheduler, ConstantLR, CosineAnnealingLR, CosineAnnealingWarmRestarts, CyclicLR, CyclicMode,
    ExponentialLR, LinearLR, MultiStepLR, OneCycleLR, PlateauMode, PolynomialLR, ReduceLROnPlateau, Schedule,
    Scheduler, SequentialLR, StepLR, ThresholdMode,
};
use ndarray::Array1;
use serde_json::Value as Json;

use crate::case::{Array, Attributes, Case, Refusal};

/// Whether a case is one of a schedule.
pub fn is_schedule(case: &Case) -> bool {
    case.op.ends_with("LR")
        || ["ChainedScheduler", "CosineAnnealingWarmRestarts", "ReduceLROnPlateau"].contains(&case.op.as_str())
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
        "CyclicLR" => {
            let mut cycle = CyclicLR::new(number("base_lr")?, number("max_lr")?)
                .step_size_up(count("step_size_up")?)
                .cycle_momentum(attributes.flag("cycle_momentum"))
                .base_momentum(number("base_momentum")?)
                .max_momentum(number("max_momentum")?)
                .mode(match attributes.text("mode") {
                    Some("triangular2") => CyclicMode::Triangular2,
                    Some("exp_range") => CyclicMode::ExpRange { gamma: number("gamma")? },
                    _ => CyclicMode::Triangular,
                });
            if attributes.get("step_size_down").is_some() {
                cycle = cycle.step_size_down(count("step_size_down")?);
            }
            Arc::new(cycle)
        }
        "ChainedScheduler" => {
            let mut parts = parts(attributes)?.into_iter();
            let first = ChainedScheduler::new(Part(parts.next().ok_or_else(|| Refusal::Case("no parts".into()))?));
            Arc::new(parts.fold(first, |chain, part| chain.and(Part(part))))
        }
        "SequentialLR" => {
            let mut parts = parts(attributes)?.into_iter();
            let first = SequentialLR::new(Part(parts.next().ok_or_else(|| Refusal::Case("no parts".into()))?));
            let milestones = attributes.ints("milestones").unwrap_or_default();
            let parts = milestones.into_iter().zip(parts);
            Arc::new(parts.fold(first, |row, (milestone, part)| row.then(milestone as u64, Part(part))))
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

/// The schedules that one is composed of: `[[name, arguments], ..]`.
fn parts(attributes: &Attributes) -> Result<Vec<Arc<dyn Schedule>>, Refusal> {
    let absent = || Refusal::Case("no parts".into());
    let part = |part: &Json| {
        let arguments = part.get(1).and_then(Json::as_object).ok_or_else(absent)?;
        schedule(part.get(0).and_then(Json::as_str).ok_or_else(absent)?, &Attributes(arguments.clone()))
    };
    attributes.get("parts").and_then(Json::as_array).ok_or_else(absent)?.iter().map(part).collect()
}

/// A schedule whose type is not known.
#[derive(Clone, Debug)]
struct Part(Arc<dyn Schedule>);

impl Schedule for Part {
    fn rate(&self, step: u64, lr: f64) -> f64 {
        self.0.rate(step, lr)
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        self.0.momentum(step)
    }

    fn plateau(&self) -> Option<&ReduceLROnPlateau> {
        self.0.plateau()
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        self.0.check()
    }
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
