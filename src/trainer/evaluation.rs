//! How well a model does on some data: what an evaluation gives, and adding it up over batches. Knows programs by the
//! order of their results alone.

use std::ops::Range;

use kiln_graph::losses::TargetRule;
use kiln_graph::shape::{Sizes, rules};
use kiln_graph::{DType, Type};
use kiln_jit::Session;

use super::error::TrainError;
use super::given::{Buffer, write_targets};
use super::metric::Metric;
use super::programs::{EVALUATE, GiveRows, GraphOf, Programs};
use super::targets::correct;
use crate::distributed::rows_of;
use crate::metrics::{MetricError, Metrics};

/// How well a model does on some data.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// What the loss is of all samples as one batch, whatever the batch size: a mean counts each target by its weight, and
    /// none that is ignored. (Of losses that are sums it is the sum, divided by the number of samples.) NaN where no target counts,
    /// as in PyTorch. Of several losses it is their sum.
    pub loss: f32,
    /// The fraction of labels whose class has the largest output, from 0 to 1. Labels that the loss ignores do not count.
    /// Nothing if no label counts, or if the targets are no class labels, or if several outputs have labels: each has its own
    /// in `outputs`.
    pub accuracy: Option<f64>,
    /// For each output of the model, in order, its own loss and accuracy.
    pub outputs: Vec<OutputEvaluation>,
    /// The metrics that the trainer was built with, by their names: means over all data, as the loss is one.
    pub metrics: Vec<(String, f32)>,
}

/// How well one output of a model does on some data.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputEvaluation {
    /// The output's name.
    pub name: String,
    /// Its loss, times its weight: those of all outputs add up to the loss of the model. Nothing for an output without a loss of its
    /// own.
    pub loss: Option<f32>,
    /// As [`Evaluation::accuracy`], of this output's labels.
    pub accuracy: Option<f64>,
}

impl Evaluation {
    /// The metric of a name, if the trainer was built with one.
    pub fn metric(&self, name: &str) -> Option<f32> {
        self.metrics.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// What there is of the output with a name, `evaluation.output("boxes")`, if the model has one.
    pub fn output(&self, name: &str) -> Option<&OutputEvaluation> {
        self.outputs.iter().find(|output| output.name == name)
    }
}

/// The output whose numbers a target of this rule is compared with, for metrics.
pub fn compared(rule: &TargetRule, outputs: &dyn Fn(usize) -> Type) -> Option<usize> {
    rule.output.filter(|&output| outputs(output).dtype == DType::F32)
}

/// Whether the classes of this output are counted right or wrong by a target of this rule.
fn is_scored(rule: &TargetRule, output: Type) -> bool {
    rule.classes.is_some() && rules::classes(output.shape) == Ok(rule.ty.shape)
}

/// An output that is compared with a target.
#[derive(Clone)]
struct Compared {
    place: usize,
    output: usize,
    /// How many labels are right and how many count, where they are classes.
    correct: Option<[usize; 2]>,
}

/// What is added up over batches.
#[derive(Clone)]
pub struct Sums {
    /// Whether metrics are told, which want all samples.
    pub told: bool,
    /// Sum and divisor of each loss.
    losses: Vec<[f64; 2]>,
    /// In the order of targets.
    compared: Vec<Compared>,
    /// Whether the program gives the prediction in any case.
    single: bool,
    metrics: Vec<[f64; 2]>,
}

impl Sums {
    /// Of nothing yet, for so many losses and metrics and these targets.
    pub fn new(
        losses: usize,
        metrics: usize,
        targets: &[Buffer],
        outputs: &[Type],
        (all, told): (&dyn Fn(usize) -> Type, bool),
    ) -> Sums {
        let of_target = |(place, target): (usize, &Buffer)| {
            let rule = target.rule.as_ref()?;
            let output = compared(rule, all)?;
            Some(Compared { place, output, correct: is_scored(rule, all(output)).then_some([0, 0]) })
        };
        Sums {
            told,
            losses: vec![[0.0; 2]; losses],
            compared: targets.iter().enumerate().filter_map(of_target).collect(),
            single: outputs.len() == 1,
            metrics: vec![[0.0; 2]; metrics],
        }
    }

    /// Of those of all outputs, the names of the outputs that are compared with targets.
    pub fn outputs(&self, names: &[String]) -> Vec<String> {
        self.compared.iter().map(|compared| names[compared.output].clone()).collect()
    }

    /// With the results of a run for some samples, which metrics are told, too.
    ///
    /// # Errors
    /// Those of [`Metrics::add`].
    pub fn add(
        &mut self,
        session: &Session,
        targets: &[Buffer],
        part: Range<usize>,
        metrics: Option<(&mut Metrics, &[String])>,
    ) -> Result<(), MetricError> {
        let mut next = 0;
        let pair = |all: &mut [f64; 2], next: &mut usize| {
            for part in all {
                *part += f64::from(session.scalar(*next));
                *next += 1;
            }
        };
        self.losses.iter_mut().for_each(|all| pair(all, &mut next));
        let first = next;
        let mut told = Ok(());
        let mut metrics = metrics;
        for (number, Compared { place, correct: all, .. }) in self.compared.iter_mut().enumerate() {
            let target = &targets[*place];
            let ignored = target.rule.and_then(|rule| rule.ignored);
            if let Some(all) = all {
                let here = correct(session.output(next), target.labels(part.start, part.end), ignored);
                *all = [all[0] + here[0], all[1] + here[1]];
            }
            if let Some((metrics, names)) = &mut metrics
                && told.is_ok()
            {
                let given = target.given(part.clone());
                told = metrics.add(&names[number], &session.output(next), &given, ignored);
            }
            next += 1;
        }
        if self.single {
            next = first + 1;
        }
        self.metrics.iter_mut().for_each(|all| pair(all, &mut next));
        told
    }

    /// All that was added up, as numbers in an order.
    pub fn totals(&self) -> Vec<f64> {
        let counts = self.compared.iter().filter_map(|compared| compared.correct);
        let counts = counts.flat_map(|counts| counts.map(|count| count as f64));
        self.losses.iter().chain(&self.metrics).flatten().copied().chain(counts).collect()
    }

    /// Takes totals in the place of its own.
    pub fn take(&mut self, totals: &[f64]) {
        let mut totals = totals.iter().copied();
        let sums = self.losses.iter_mut().chain(&mut self.metrics).flatten();
        sums.zip(&mut totals).for_each(|(sum, total)| *sum = total);
        let counts = self.compared.iter_mut().filter_map(|compared| compared.correct.as_mut()).flatten();
        counts.zip(totals).for_each(|(count, total)| *count = total as usize);
    }

    /// The evaluation of a model with outputs of these names; `parts` are those of the loss, each with the output that it is of.
    pub fn finish(self, names: Vec<String>, parts: &[Option<usize>], metrics: &[Metric]) -> Evaluation {
        let mean = |[sum, divisor]: [f64; 2]| sum / divisor;
        let losses = self.losses;
        let accuracy = |[correct, count]: [usize; 2]| (count > 0).then(|| correct as f64 / count as f64);
        let outputs = names.into_iter().enumerate().map(|(position, name)| OutputEvaluation {
            name,
            loss: (parts.iter().zip(&losses)).find(|(of, _)| **of == Some(position)).map(|(_, all)| mean(*all) as f32),
            accuracy: (self.compared.iter())
                .find(|of| of.output == position && of.correct.is_some())
                .and_then(|of| accuracy(of.correct?)),
        });
        let outputs = outputs.collect();
        let counted: Vec<[usize; 2]> = self.compared.iter().filter_map(|compared| compared.correct).collect();
        let only = if let [all] = counted[..] { accuracy(all) } else { None };
        Evaluation {
            loss: losses.into_iter().map(mean).sum::<f64>() as f32,
            accuracy: only,
            outputs,
            metrics: metrics
                .iter()
                .zip(self.metrics)
                .map(|(metric, all)| (metric.name.clone(), mean(all) as f32))
                .collect(),
        }
    }
}

/// What an evaluation needs of a model and of the samples.
pub struct Evaluated<'a> {
    /// The sizes of all samples, and the most that a program takes.
    pub sizes: Sizes,
    pub batch: usize,
    /// Builds the program.
    pub graph: GraphOf<'a>,
    /// Sets a program's first inputs, which are the model's, to some of the samples.
    pub write: GiveRows<'a>,
    /// The number of the model's inputs.
    pub inputs: usize,
    pub targets: &'a [Buffer],
}

/// Adds the evaluation of some samples to `sums`: of each of this rank's shards its rows, batch by batch. With several ranks
/// each evaluates its shards' rows of a batch, and adds up shard by shard, so that the sum of all does not depend on who has
/// which; metrics, with the names of the outputs that they are told of, hear of all samples, on all ranks.
pub fn add(
    programs: &mut Programs,
    sums: &mut [Sums],
    (own, shards): (Range<usize>, usize),
    evaluated: Evaluated<'_>,
    (metrics, names): (&mut Metrics, &[String]),
) -> Result<(), TrainError> {
    let Evaluated { sizes, batch, graph, write, inputs, targets } = evaluated;
    let rows = sizes.batch();
    for start in (0..rows).step_by(batch) {
        for shard in own.clone() {
            let of_shard = rows_of(shard, shards, rows.min(start + batch) - start);
            let part = start + of_shard.start..start + of_shard.end;
            if part.is_empty() {
                continue;
            }
            let (program, states) = programs.get(EVALUATE, sizes.with_batch(part.len()), graph)?;
            write(program, part.clone())?;
            write_targets(program, inputs, targets, part.clone())?;
            program.run(states)?;
            let sums = &mut sums[shard - own.start];
            let told = if sums.told { Some((&mut *metrics, names)) } else { None };
            sums.add(program.session(), targets, part, told)?;
        }
    }
    Ok(())
}
