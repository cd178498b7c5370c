//! The losses that a body may call, each with its options under PyTorch's names: the one place to extend for a new one.
//! Knows names and kinds of arguments, and nothing of what a loss computes.

use proc_macro2::TokenStream;

use crate::body::Tensor;
use crate::layers::one_slip;

/// A loss of Kiln.
pub struct Known {
    pub name: &'static str,
    /// The name in `torch.nn.functional`, by which it may be called, too.
    pub torch: &'static str,
    /// What is compared, under PyTorch's names; the first one is a tensor of f32.
    pub operands: &'static [(&'static str, Operand)],
    /// The options, in order.
    pub options: &'static [(&'static str, Kind)],
    /// The function of `kiln::losses` that computes it: it takes operands and options in their order, or instead of all
    /// options that are no tensors a struct of them.
    pub function: &'static str,
    pub settings: Option<&'static str>,
    /// The rule in `kiln::graph::shape::losses`: it takes the shapes of the operands and the options that are no tensors.
    pub rule: &'static str,
}

/// What an operand may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A tensor of f32.
    Tensor,
    /// A tensor of f32, or a number that stands for one of the first operand's shape that holds it everywhere.
    Number,
    /// A tensor of class labels.
    Classes,
    /// A tensor of class labels or of probabilities of classes.
    ClassesOrProbabilities,
    /// A tensor of i32 that are lengths.
    Lengths,
}

/// What an option may be, with its default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A tensor; none by default.
    Tensor,
    /// A number.
    Number(f64),
    /// A whole number.
    Whole(i32),
    /// A `bool`.
    Flag(bool),
    /// `"mean"`, `"sum"` or `"none"`.
    Reduction,
    /// As [`Kind::Reduction`], or `"batchmean"`.
    BatchReduction,
}

/// The value of an option.
pub enum Setting {
    Tensor(Tensor),
    Number(TokenStream),
    Reduction(Reduction),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    None,
    Mean,
    BatchMean,
    Sum,
}

impl Reduction {
    /// The reduction of this name.
    pub fn find(name: &str) -> Option<Reduction> {
        match name {
            "none" => Some(Reduction::None),
            "mean" => Some(Reduction::Mean),
            "batchmean" => Some(Reduction::BatchMean),
            "sum" => Some(Reduction::Sum),
            _ => None,
        }
    }
}

use Operand::{Classes, ClassesOrProbabilities, Lengths, Number, Tensor as Floats};

const PAIR: &[(&str, Operand)] = &[("input", Floats), ("target", Number)];
const LABELLED: &[(&str, Operand)] = &[("input", Floats), ("target", Classes)];
const REDUCTION: (&str, Kind) = ("reduction", Kind::Reduction);
const WEIGHT: (&str, Kind) = ("weight", Kind::Tensor);
const IGNORED: (&str, Kind) = ("ignore_index", Kind::Whole(-100));

/// A loss of pairs of numbers that is computed by the function of PyTorch's name.
const fn loss(name: &'static str, torch: &'static str, options: &'static [(&'static str, Kind)]) -> Known {
    Known { name, torch, operands: PAIR, options, function: torch, settings: None, rule: name }
}

impl Known {
    const fn of(self, operands: &'static [(&'static str, Operand)]) -> Known {
        Known { operands, ..self }
    }

    const fn by(self, function: &'static str) -> Known {
        Known { function, ..self }
    }

    const fn with(self, settings: &'static str) -> Known {
        Known { settings: Some(settings), ..self }
    }

    const fn under(self, rule: &'static str) -> Known {
        Known { rule, ..self }
    }
}

/// Every loss, in alphabetical order.
pub const LOSSES: &[Known] = &[
    loss("bce", "binary_cross_entropy", &[WEIGHT, REDUCTION]).under("elementwise"),
    loss("bce_with_logits", "binary_cross_entropy_with_logits", &[WEIGHT, ("pos_weight", Kind::Tensor), REDUCTION])
        .under("elementwise"),
    loss("cosine_embedding", "cosine_embedding_loss", &[("margin", Kind::Number(0.0)), REDUCTION]).of(&[
        ("input1", Floats),
        ("input2", Floats),
        ("target", Floats),
    ]),
    loss("cross_entropy", "cross_entropy", &[WEIGHT, IGNORED, ("label_smoothing", Kind::Number(0.0)), REDUCTION])
        .of(&[("input", Floats), ("target", ClassesOrProbabilities)])
        .by("any_cross_entropy")
        .with("ClassTargets"),
    loss("ctc", "ctc_loss", &[("blank", Kind::Whole(0)), REDUCTION, ("zero_infinity", Kind::Flag(false))])
        .of(&[("log_probs", Floats), ("targets", Classes), ("input_lengths", Lengths), ("target_lengths", Lengths)])
        .with("Ctc"),
    loss("gaussian_nll", "gaussian_nll_loss", &[("full", Kind::Flag(false)), ("eps", Kind::Number(1e-6)), REDUCTION])
        .of(&[("input", Floats), ("target", Number), ("var", Number)]),
    loss("hinge_embedding", "hinge_embedding_loss", &[("margin", Kind::Number(1.0)), REDUCTION]),
    loss("huber", "huber_loss", &[("delta", Kind::Number(1.0)), REDUCTION]),
    loss("kl_div", "kl_div", &[("log_target", Kind::Flag(false)), ("reduction", Kind::BatchReduction)])
        .by("kl_div_loss"),
    loss("l1", "l1_loss", &[REDUCTION]).by("mean_absolute_error").under("elementwise"),
    loss("margin_ranking", "margin_ranking_loss", &[("margin", Kind::Number(0.0)), REDUCTION]).of(&[
        ("input1", Floats),
        ("input2", Floats),
        ("target", Number),
    ]),
    loss("mse", "mse_loss", &[REDUCTION]).by("mean_squared_error").under("elementwise"),
    loss(
        "multi_margin",
        "multi_margin_loss",
        &[WEIGHT, ("p", Kind::Whole(1)), ("margin", Kind::Number(1.0)), REDUCTION],
    )
    .of(LABELLED),
    loss("multilabel_margin", "multilabel_margin_loss", &[REDUCTION]).of(LABELLED),
    loss("multilabel_soft_margin", "multilabel_soft_margin_loss", &[WEIGHT, REDUCTION]),
    loss("nll", "nll_loss", &[WEIGHT, IGNORED, REDUCTION]).of(LABELLED),
    loss(
        "poisson_nll",
        "poisson_nll_loss",
        &[("log_input", Kind::Flag(true)), ("full", Kind::Flag(false)), ("eps", Kind::Number(1e-8)), REDUCTION],
    ),
    loss("smooth_l1", "smooth_l1_loss", &[("beta", Kind::Number(1.0)), REDUCTION]),
    loss("soft_margin", "soft_margin_loss", &[REDUCTION]).under("elementwise"),
    loss(
        "triplet_margin",
        "triplet_margin_loss",
        &[
            ("margin", Kind::Number(1.0)),
            ("p", Kind::Number(2.0)),
            ("eps", Kind::Number(1e-6)),
            ("swap", Kind::Flag(false)),
            REDUCTION,
        ],
    )
    .of(&[("anchor", Floats), ("positive", Floats), ("negative", Floats)])
    .with("TripletMargin"),
];

impl Known {
    /// The loss of this name, or whose name in PyTorch it is.
    pub fn find(name: &str) -> Option<&'static Known> {
        LOSSES.iter().find(|loss| loss.name == name || loss.torch == name)
    }

    /// The name of a loss that is nearly this one.
    pub fn nearest(name: &str) -> Option<&'static str> {
        LOSSES.iter().flat_map(|loss| [loss.name, loss.torch]).find(|known| one_slip(known, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(LOSSES.iter().map(|loss| loss.name).is_sorted());
    }

    #[test]
    fn the_names_of_pytorch_are_understood() {
        let cases = [
            ("mse_loss", Some("mse")),
            ("huber", Some("huber")),
            ("binary_cross_entropy_with_logits", Some("bce_with_logits")),
            ("bce_with_logit", None),
        ];
        for (name, expected) in cases {
            assert_eq!(Known::find(name).map(|loss| loss.name), expected, "{name}");
        }
    }

    #[test]
    fn near_misses_are_found() {
        for (name, expected) in
            [("mse_los", Some("mse_loss")), ("bce_with_logit", Some("bce_with_logits")), ("of", None)]
        {
            assert_eq!(Known::nearest(name), expected, "{name}");
        }
    }

    #[test]
    fn all_are_documented() {
        let text = include_str!("steps.md");
        let missing = LOSSES.iter().filter(|loss| !text.contains(&format!("`{}(", loss.name)));
        assert_eq!(missing.map(|loss| loss.name).collect::<Vec<_>>(), [""; 0]);
    }
}
