//! The optimizers that a model may have as fields, each with its options under PyTorch's names: the one place to extend
//! for a new one. Knows names and kinds of arguments, and nothing of what an optimizer does.

/// An optimizer of Kiln.
pub struct Known {
    /// The name of its type.
    pub name: &'static str,
    /// The options; each is set by the method of the same name.
    pub options: &'static [(&'static str, Kind)],
}

/// What an option may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Number,
    /// Two numbers, in parentheses.
    Pair,
    /// `true` or `false`.
    Flag,
}

/// What both Adams take.
const ADAM: &[(&str, Kind)] = &[
    ("lr", Kind::Number),
    ("betas", Kind::Pair),
    ("eps", Kind::Number),
    ("weight_decay", Kind::Number),
    ("amsgrad", Kind::Flag),
    ("maximize", Kind::Flag),
];

/// Every optimizer, in alphabetical order.
pub const OPTIMIZERS: &[Known] = &[
    Known { name: "Adam", options: ADAM },
    Known { name: "AdamW", options: ADAM },
    Known {
        name: "RMSprop",
        options: &[
            ("lr", Kind::Number),
            ("alpha", Kind::Number),
            ("eps", Kind::Number),
            ("weight_decay", Kind::Number),
            ("momentum", Kind::Number),
            ("centered", Kind::Flag),
            ("maximize", Kind::Flag),
        ],
    },
    Known {
        name: "Sgd",
        options: &[
            ("lr", Kind::Number),
            ("momentum", Kind::Number),
            ("dampening", Kind::Number),
            ("weight_decay", Kind::Number),
            ("nesterov", Kind::Flag),
            ("maximize", Kind::Flag),
        ],
    },
];

/// Optimizers of PyTorch that Kiln does not have yet, so that the message for them can say so.
pub const MISSING: &[&str] = &["Adadelta", "Adagrad", "Adamax", "LBFGS", "NAdam", "RAdam", "Rprop", "SparseAdam"];

impl Known {
    /// The optimizer of this name.
    pub fn find(name: &str) -> Option<&'static Known> {
        OPTIMIZERS.iter().find(|optimizer| optimizer.name == name)
    }
}

/// Whether a field of this type is meant to be an optimizer.
pub fn is_optimizer(name: &str) -> bool {
    Known::find(name).is_some() || MISSING.contains(&name) || name == "SGD"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_disjoint() {
        assert!(OPTIMIZERS.iter().map(|optimizer| optimizer.name).is_sorted());
        assert!(MISSING.is_sorted());
        assert!(MISSING.iter().all(|name| Known::find(name).is_none()));
    }
}
