//! The losses that a body may call, each with its options under PyTorch's names: the one place to extend for a new one.
//! Knows names and kinds of arguments, and nothing of what a loss computes.

use proc_macro2::TokenStream;

use crate::body::Tensor;
use crate::layers::one_slip;

/// A loss of Kiln. Its first two arguments are PyTorch's `input` and `target`.
pub struct Known {
    pub name: &'static str,
    /// The name in `torch.nn.functional`, for the hint.
    pub torch: &'static str,
    /// Whether targets may be class labels.
    pub classes: bool,
    /// The options, in order.
    pub options: &'static [(&'static str, Kind)],
}

/// What an option may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A tensor.
    Tensor,
    /// A number.
    Number,
    /// `"mean"`, `"sum"` or `"none"`.
    Reduction,
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
    Sum,
}

impl Reduction {
    /// The reduction of this name.
    pub fn find(name: &str) -> Option<Reduction> {
        match name {
            "none" => Some(Reduction::None),
            "mean" => Some(Reduction::Mean),
            "sum" => Some(Reduction::Sum),
            _ => None,
        }
    }
}

/// Every loss, in alphabetical order.
pub const LOSSES: &[Known] = &[
    Known {
        name: "bce_with_logits",
        torch: "binary_cross_entropy_with_logits",
        classes: false,
        options: &[("weight", Kind::Tensor), ("pos_weight", Kind::Tensor), ("reduction", Kind::Reduction)],
    },
    Known {
        name: "cross_entropy",
        torch: "cross_entropy",
        classes: true,
        options: &[
            ("weight", Kind::Tensor),
            ("ignore_index", Kind::Number),
            ("label_smoothing", Kind::Number),
            ("reduction", Kind::Reduction),
        ],
    },
    Known { name: "l1", torch: "l1_loss", classes: false, options: &[("reduction", Kind::Reduction)] },
    Known { name: "mse", torch: "mse_loss", classes: false, options: &[("reduction", Kind::Reduction)] },
];

impl Known {
    /// The loss of this name.
    pub fn find(name: &str) -> Option<&'static Known> {
        LOSSES.iter().find(|loss| loss.name == name)
    }

    /// The loss that PyTorch calls so, or whose name is nearly this one.
    pub fn nearest(name: &str) -> Option<&'static Known> {
        LOSSES.iter().find(|loss| loss.torch == name || one_slip(loss.name, name))
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
            ("binary_cross_entropy_with_logits", Some("bce_with_logits")),
            ("bce_with_logit", Some("bce_with_logits")),
            ("huber", None),
        ];
        for (name, expected) in cases {
            assert_eq!(Known::nearest(name).map(|loss| loss.name), expected, "{name}");
        }
    }
}
