//! Connectionist temporal classification: a loop over time that adds up the probabilities of all alignments. The best
//! alignment is not found.

use super::Reduction;
use super::total::{Losses, fits};
use crate::build::{Range, Value};
use crate::graph::Type;
use crate::shape::functions::Elements::{Float, Index};
use crate::shape::{DType, Shape, losses as rules};

/// The settings of [`ctc_loss`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ctc {
    /// The class that says nothing. PyTorch's default is 0.
    pub blank: usize,
    /// Whether a loss that is infinite counts as 0. PyTorch's default is no.
    pub zero_infinity: bool,
    /// What becomes of the losses of the samples. The mean is over the samples of each loss divided by the length of its
    /// target (by 1 where that is 0). PyTorch's default.
    pub reduction: Reduction,
}

/// Connectionist temporal classification: the negative logarithm of the probability that a sequence of classes, with
/// repetitions dropped and then blanks, reads as the target.
///
/// * Shapes: `log_probs [T, N, C]`, the logarithms of the probabilities of classes at each time (as behind
///   [`Value::log_softmax`]); `targets [N, S]` of i32, of which what lies behind a target's end is not looked at; both
///   lengths `[N]` of i32. Time comes first as it does in PyTorch: layers over sequences give it so, and where it does not
///   the batch axis is not where it is expected, so that the mistake is seen. The losses are `[N]`. PyTorch's targets that
///   lie one behind the other have a shape that depends on the data: they are not taken.
/// * Formula: with the target's labels `l`, a blank before, between and behind them, the logarithms of the probabilities
///   `a[t, s]` that the first `t` times read as the first `s` labels are
///   `log p[t, l[s]] + log(e^a[t-1, s] + e^a[t-1, s-1] + e^a[t-1, s-2])`, the last term only where `l[s]` is no blank and not
///   `l[s-2]`; the loss is `-log(e^a[T, S] + e^a[T, S-1])`.
/// * Edges: a target that does not fit into its time has the loss infinity and the gradient 0 (PyTorch's is NaN without
///   `zero_infinity`). An empty one is read from blanks alone.
/// * Gradients are those of the formula. PyTorch's in `log_probs` has `e^log_probs` added, which a softmax before it takes
///   away again: in the scores before the softmax both are the same.
/// * Errors: [`ShapeError::Expected`](crate::shape::ShapeError::Expected) for other shapes,
///   [`ShapeError::Setting`](crate::shape::ShapeError::Setting) for a blank that is no class. Lengths outside `0..=T` and
///   `0..=S`, and labels outside `0..C`, are noted by [`Builder::note_range`](crate::Builder::note_range): a trainer
///   reports them.
/// * Source: Graves et al., "Connectionist temporal classification: labelling unsegmented sequence data with recurrent
///   neural networks"; PyTorch's `functional.ctc_loss`.
///
/// It is a [scan](crate::Builder::scan): the time to compile does not depend on `T`. It compares four tensors, which is
/// more than a [`Loss`](super::Loss) does; for sequences and targets that are all of one length a
/// [`loss_fn`](super::loss_fn) is one:
///
/// ```
/// use kiln_graph::losses::{Ctc, ctc_loss, loss_fn};
///
/// // Scores `[N, T, C]`, targets of 12 labels.
/// let loss = loss_fn(|scores, labels| {
///     let (g, times) = (scores.graph(), scores.shape().dim(1));
///     let all = |length: usize| g.full([scores.shape().dim(0)], length as f64).convert(kiln_graph::DType::I32);
///     ctc_loss(scores.log_softmax(2).transpose(0, 1), labels, all(times), all(12), Ctc::default())
/// })
/// .target::<i32>(&[12]);
/// # let g = kiln_graph::Builder::new("ctc");
/// # let scores = g.input("scores", [3, 40, 5]);
/// # use kiln_graph::losses::Loss;
/// # let value = loss.loss(&g, scores, g.input_of("labels", loss.target_type(scores.shape())));
/// # assert_eq!(value.shape(), kiln_graph::Shape::SCALAR);
/// # g.finish()?;
/// # Ok::<(), kiln_graph::GraphError>(())
/// ```
pub fn ctc_loss<'g>(
    log_probs: Value<'g>,
    targets: Value<'g>,
    input_lengths: Value<'g>,
    target_lengths: Value<'g>,
    settings: Ctc,
) -> Value<'g> {
    let Ctc { blank, zero_infinity, reduction } = settings;
    let _function = log_probs.graph().function("ctc");
    let [probs, labels, times, lengths] = [log_probs, targets, input_lengths, target_lengths].map(Value::shape);
    let rule = rules::ctc(probs, labels, times, lengths, blank, zero_infinity, true);
    let operands = [(Float, log_probs), (Index, targets), (Index, input_lengths), (Index, target_lengths)];
    if !fits("ctc", operands, rule) {
        return Losses::equal(log_probs).reduce(reduction);
    }
    let all = negative_logarithms(log_probs, targets, input_lengths, target_lengths, blank);
    let losses = if zero_infinity { all.eq(f64::INFINITY).select(0.0, all) } else { all };
    match reduction {
        Reduction::Mean => Losses::equal(losses / target_lengths.maximum(1).convert(DType::F32)).reduce(reduction),
        Reduction::None | Reduction::BatchMean | Reduction::Sum => Losses::equal(losses).reduce(reduction),
    }
}

/// The losses of the samples, `[N]`.
fn negative_logarithms<'g>(
    log_probs: Value<'g>,
    targets: Value<'g>,
    input_lengths: Value<'g>,
    target_lengths: Value<'g>,
    blank: usize,
) -> Value<'g> {
    let g = log_probs.graph();
    let [times, samples, classes] = [0, 1, 2].map(|axis| log_probs.shape().dim(axis));
    let longest = targets.shape().dim(1);
    let places = 2 * longest + 1;
    let silent = g.scalar_of(DType::I32, blank as f64);

    let is_label = g.iota([samples, longest], 1).lt(target_lengths.unsqueeze(1));
    let labels = is_label.select(targets, silent);
    for (function, value, high) in [
        ("ctc's targets", labels, classes - 1),
        ("ctc's input_lengths", input_lengths, times),
        ("ctc's target_lengths", target_lengths, longest),
    ] {
        g.note_range(value, Range { function, low: 0.0, high: high as f64 });
    }

    // A blank before each label, and one behind the last.
    let pair = Shape::new(&[samples, longest, 1]);
    let read = g.concat(&[silent.broadcast_to(pair), labels.unsqueeze(2)], 2).reshape([samples, places - 1]);
    let read = read.pad_with(&[], &[0, 1], silent);
    let two_before = read.pad_with(&[0, 2], &[], silent).slice(1, 0..places, 1);
    let may_skip = read.ne(silent) & read.ne(two_before);

    let rows = log_probs.gather(2, read.broadcast_to([times, samples, places]));
    let counts = g.iota([times, samples], 0).lt(input_lengths);
    // Before the first time nothing was read.
    let nothing = g.iota([samples, places], 1).eq(0).select(0.0, g.full([samples, places], NEVER));

    let body = g.body("alignments");
    let row = body.input("log_probs", [samples, places]);
    let counts_now = body.input_of("counts", Type::new(DType::Bool, Shape::new(&[samples])));
    let before = body.state("alignments", Type::f32([samples, places]));
    let skip = body.state("may_skip", Type::new(DType::Bool, Shape::new(&[samples, places])));
    let from = |back: usize| before.pad(&[0, back], &[], NEVER).slice(1, 0..places, 1);
    let reached = logarithm_of_sum(&[before, from(1), skip.select(from(2), NEVER)]) + row;
    body.carry(before, counts_now.unsqueeze(1).select(reached, before));
    let last = g.scan(body, &[rows, counts, nothing, may_skip], times, false)[0];

    let end = (target_lengths.maximum(0).minimum(longest as i32) * 2).unsqueeze(1);
    let with_blank = last.gather(1, end);
    let with_label = end.gt(0).select(last.gather(1, (end - 1).maximum(0)), NEVER);
    -logarithm_of_sum(&[with_blank, with_label]).reshape([samples])
}

/// The logarithm of the probability of what never happens.
const NEVER: f64 = f64::NEG_INFINITY;

/// The logarithms of sums of what terms are the logarithms of; where all are those of 0 the gradient is 0.
fn logarithm_of_sum<'g>(terms: &[Value<'g>]) -> Value<'g> {
    let most = terms.iter().copied().reduce(Value::maximum).expect("some terms").detach();
    let most = most.eq(NEVER).select(0.0, most);
    let sum = terms.iter().map(|&term| (term - most).exp()).reduce(|sum, term| sum + term).expect("some terms");
    let none = sum.eq(0.0);
    none.select(NEVER, none.select(1.0, sum).log() + most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Builder;

    /// The nodes of a loss with its gradient, those of the loops' bodies among them.
    fn nodes(times: usize) -> usize {
        let g = Builder::new("ctc");
        let scores = g.input("scores", [times, 2, 3]);
        let labels = g.input_of("labels", Type::i32([2, 4]));
        let [times, lengths] = ["times", "lengths"].map(|name| g.input_of(name, Type::i32([2])));
        let loss = ctc_loss(scores.log_softmax(2), labels, times, lengths, Ctc::default());
        let [gradient] = g.gradients(loss, [scores]).expect("a gradient");
        g.output("gradient", gradient);
        let graph = g.finish().expect("a graph");
        graph.bodies.iter().map(|body| body.nodes.len()).sum::<usize>() + graph.nodes.len()
    }

    #[test]
    fn a_graph_does_not_grow_with_time() {
        assert_eq!(nodes(10), nodes(2000));
    }
}
