//! The graphs that trainers compile: a training step, an evaluation. They end in the same way: numbers that a function
//! does not take are counted. It knows models, losses and optimizers, and no compiler.

use kiln_graph::losses::{Criterion, TargetRule, Total};
use kiln_graph::optimizers::{Optimization, Optimizer};
use kiln_graph::shape::Sizes;
use kiln_graph::{Builder, Graph, Layer, Mode, Model, Shape, Type, Value};

use super::error::TrainError;
use super::evaluation::compared;
use super::metric::Metric;
use super::prediction::{forward, output_names};
use super::programs::{EVALUATE, OUTSIDE, PART, TRAIN};
use super::shards::Sharding;

/// The name of the data input of targets.
const TARGET: &str = "y";
/// Its name where the model has an input of that name.
const OTHER_TARGET: &str = "loss.target";

/// The output of what a step minimizes.
const LOSS: &str = "loss";

/// The optimizer of all parameters of a model.
pub fn optimization<'a>(model: &'a impl Layer, rule: &'a impl Optimizer) -> Optimization<'a> {
    Optimization::new("", rule, |path, f| model.visit(path, f))
}

/// What a loss asks of its targets, each by its place.
type TargetRules = [Option<TargetRule>];

/// The rules of a loss's targets, for these outputs.
fn target_rules<O, L: Criterion<O>>(loss: &L, outputs: &[Value<'_>]) -> Vec<Option<TargetRule>> {
    let shape = |output: usize| outputs[output].shape();
    let mut rules = Vec::with_capacity(L::TARGETS);
    for place in 0..L::TARGETS {
        rules.push(loss.target(place, &shape));
    }
    rules
}

/// The targets of the outputs, of which there is one or more for each sample; none where there is no loss. `inputs` are the
/// names of the model's.
fn targets<'g>(
    g: &'g Builder,
    rules: &TargetRules,
    outputs: &[Value<'g>],
    inputs: &[&str],
) -> Result<Vec<Option<Value<'g>>>, TrainError> {
    let taken = inputs.len() > 1 && inputs.contains(&TARGET);
    let mut targets = Vec::new();
    for (place, rule) in rules.iter().enumerate() {
        let Some(TargetRule { ty, output, .. }) = *rule else {
            targets.push(None);
            continue;
        };
        let of = outputs[output.unwrap_or(0)].shape();
        if ty.shape.rank() == 0 || ty.shape.dims().first() != of.dims().first() {
            return Err(TrainError::TargetBatch { output: of, target: ty.shape });
        }
        targets.push(Some(match rules.len() {
            1 => g.input_of(if taken { OTHER_TARGET } else { TARGET }, ty),
            _ => g.input_of(&format!("{OTHER_TARGET}.{place}"), ty),
        }));
    }
    if targets.iter().all(Option::is_none) {
        return Err(TrainError::NoLoss);
    }
    Ok(targets)
}

/// The graph that predicts samples and compares with their targets: outputs `sum` and `divisor` of each loss, the
/// `prediction` (of several those that are compared with a target), and sum and divisor of each metric.
pub fn evaluate_graph<M: Model, L: Criterion<M::Output>>(
    model: &M,
    loss: &L,
    metrics: &[Metric],
    sizes: impl Into<Sizes>,
) -> Result<Graph, TrainError> {
    let g = Builder::new(EVALUATE);
    let outputs = forward(&g, model, sizes.into());
    let rules = target_rules(loss, &outputs);
    let targets = targets(&g, &rules, &outputs, M::INPUT_NAMES)?;
    let names = output_names::<M>();
    let words: Vec<&str> = names.iter().map(String::as_str).collect();
    let totals = loss.totals(&g, &words, &outputs, &targets);
    give_evaluation(&g, totals, &outputs, (&rules, &targets), metrics)?;
    Ok(g.finish()?)
}

/// Makes outputs of what an evaluation gives.
fn give_evaluation<'g>(
    g: &'g Builder,
    totals: Vec<Total<'g>>,
    outputs: &[Value<'g>],
    (rules, targets): (&TargetRules, &[Option<Value<'g>>]),
    metrics: &[Metric],
) -> Result<(), TrainError> {
    let several = totals.len() > 1;
    for (number, total) in totals.into_iter().enumerate() {
        for (part, value) in [("sum", total.sum), ("divisor", total.divisor)] {
            if value.ty() != Type::f32(Shape::SCALAR) {
                return Err(TrainError::LossTotal { part, found: value.ty() });
            }
            let name = if several { format!("loss.{number}.{part}") } else { part.to_owned() };
            g.output(&name, value);
        }
    }
    if let [prediction] = *outputs {
        g.output("prediction", prediction);
    } else {
        for (place, rule) in rules.iter().enumerate() {
            if let Some(output) = rule.and_then(|rule| compared(&rule, &|output| outputs[output].ty())) {
                g.output(&format!("prediction.{place}"), outputs[output]);
            }
        }
    }
    // NaN stands where an output has no loss, and so no target.
    let given: Vec<Value<'_>> = match metrics {
        [] => Vec::new(),
        _ => targets.iter().map(|target| target.unwrap_or_else(|| g.scalar(f64::NAN))).collect(),
    };
    for (number, metric) in metrics.iter().enumerate() {
        let _function = g.function("metric");
        let total = metric.total(outputs, &given);
        for (part, value) in [("sum", total.sum), ("divisor", total.divisor)] {
            g.output(&format!("metric.{number}.{part}"), value);
        }
    }
    guard(g, &|_| false);
    Ok(())
}

/// The graph of one training step for so many samples, of such free extents: output `loss`, and updates of all states. What
/// layers draw depends on the seed.
pub fn train_graph<M: Model, L: Criterion<M::Output>>(
    model: &M,
    loss: &L,
    optimizer: &impl Optimizer,
    sizes: impl Into<Sizes>,
    seed: u64,
) -> Result<Graph, TrainError> {
    let g = Builder::new(TRAIN);
    minimize(&g, (model, loss, optimizer), sizes.into(), (seed, None))?;
    guard(&g, &|_| false);
    Ok(g.finish()?)
}

/// As [`train_graph`], of one shard of a batch where batches have shards, with what epochs add up.
pub(crate) fn step_graph<M: Model, L: Criterion<M::Output>>(
    model: &M,
    loss: &L,
    optimizer: &impl Optimizer,
    sizes: Sizes,
    (seed, sharding): (u64, Option<Sharding>),
) -> Result<Graph, TrainError> {
    let g = Builder::new(TRAIN);
    let (outputs, targets) = minimize(&g, (model, loss, optimizer), sizes, (seed, sharding))?;
    // The loss of shards is the mean of theirs.
    if sharding.is_none() {
        let names = output_names::<M>();
        let words: Vec<&str> = names.iter().map(String::as_str).collect();
        let totals = loss.totals(&g, &words, &outputs, &targets);
        if !are_by_samples(&totals, &loss.averages(), sizes) {
            for (number, total) in totals.into_iter().enumerate() {
                g.output(&format!("{PART}{number}.mean"), total.mean());
                g.output(&format!("{PART}{number}.divisor"), total.divisor);
            }
        }
    }
    guard(&g, &|_| false);
    Ok(g.finish()?)
}

/// Whether the losses of batches count by their samples. Where samples have free extents, batches may differ in these, too.
/// A total that is none is an error of evaluations alone.
fn are_by_samples(totals: &[Total<'_>], averages: &[bool], sizes: Sizes) -> bool {
    let is_none = |value: Value<'_>| value.ty() != Type::f32(Shape::SCALAR);
    if totals.iter().any(|total| is_none(total.sum) || is_none(total.divisor)) {
        return true;
    }
    !sizes.has_free()
        && averages.iter().all(|&averages| averages)
        && totals.iter().all(|total| total.divisor.is_constant())
}

/// What the model gives, and with what it is compared.
type Compared<'g> = (Vec<Value<'g>>, Vec<Option<Value<'g>>>);

/// A training step, whose losses together are the output `loss`.
fn minimize<'g, M: Model, L: Criterion<M::Output>>(
    g: &'g Builder,
    (model, loss, optimizer): (&M, &L, &impl Optimizer),
    sizes: Sizes,
    (seed, sharding): (u64, Option<Sharding>),
) -> Result<Compared<'g>, TrainError> {
    shard(g, sharding);
    g.set_mode(Mode::Train);
    g.set_seed(seed);
    let outputs = forward(g, model, sizes);
    let targets = targets(g, &target_rules(loss, &outputs), &outputs, M::INPUT_NAMES)?;
    let names = output_names::<M>();
    let words: Vec<&str> = names.iter().map(String::as_str).collect();
    let losses = loss.losses(g, &words, &outputs, &targets);
    // Where there is none, an error was recorded.
    let value = losses.into_iter().reduce(|all, loss| all + loss).unwrap_or_else(|| g.scalar(f64::NAN));
    optimization(model, optimizer).minimize(g, value);
    g.output(LOSS, value);
    Ok((outputs, targets))
}

/// Lets a program compute one shard of a batch, where batches have shards.
pub(crate) fn shard(g: &Builder, sharding: Option<Sharding>) {
    if let Some(Sharding { count, sync_batch_norm }) = sharding {
        g.set_shards(count, sync_batch_norm);
    }
}

/// Makes results and states those of all shards, and lets a program change nothing where a function is given numbers that it does not take, and say so: see
/// [`super::Compiled::run`]. `has_rows` says which results have an axis of rows. The last thing that is built.
pub fn guard(g: &Builder, has_rows: &dyn Fn(usize) -> bool) {
    g.gather_shards(has_rows);
    let counts: Vec<_> = g.outside().into_iter().map(|(range, count)| (range, g.exchange(count))).collect();
    let Some(all) = counts.iter().map(|(_, count)| *count).reduce(|all, count| all + count) else { return };
    if g.training() {
        g.keep_unless(all.eq(0.0));
    }
    for (number, (range, count)) in counts.into_iter().enumerate() {
        g.output(&format!("{OUTSIDE}{number}.{}.{}..{}", range.function, range.low, range.high), count);
    }
}
