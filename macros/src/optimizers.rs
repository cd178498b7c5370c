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
    /// A whole number.
    Count,
    /// Two whole numbers, in parentheses.
    Counts,
    /// Three numbers, in parentheses.
    Triple,
    /// One of some words, each with the path of what it stands for in `kiln::optimizers`.
    Word(&'static [(&'static str, &'static str)]),
    /// A schedule: an expression that is evaluated when a model is made.
    Schedule,
    /// A list of pairs in parentheses, of a selection and a function of the settings, evaluated when a model is made.
    Groups,
    /// A list of pairs in parentheses, of a selection and another optimizer, evaluated when a model is made.
    Others,
}

/// What every optimizer takes beside its own options.
const COMMON: &[(&str, Kind)] = &[
    ("clip_grad_norm", Kind::Number),
    ("norm_type", Kind::Number),
    ("clip_grad_value", Kind::Number),
    ("accumulate", Kind::Count),
    ("keep_gradients", Kind::Flag),
    ("ema", Kind::Number),
    ("swa", Kind::Counts),
    ("schedule", Kind::Schedule),
    ("groups", Kind::Groups),
    ("others", Kind::Others),
];

/// What may be said of how Muon's rate follows from a matrix.
const ADJUST_LR: &[(&str, &str)] = &[
    ("original", "AdjustLr::Original"),
    ("match_rms_adamw", "AdjustLr::MatchRmsAdamW"),
    ("spectral_unclamped", "AdjustLr::SpectralUnclamped"),
];

/// Every optimizer, in alphabetical order.
pub const OPTIMIZERS: &[Known] = &[
    Known {
        name: "ASGD",
        options: &[
            ("lr", Kind::Number),
            ("lambd", Kind::Number),
            ("alpha", Kind::Number),
            ("t0", Kind::Number),
            ("weight_decay", Kind::Number),
            ("maximize", Kind::Flag),
        ],
    },
    Known {
        name: "Adadelta",
        options: &[
            ("lr", Kind::Number),
            ("rho", Kind::Number),
            ("eps", Kind::Number),
            ("weight_decay", Kind::Number),
            ("maximize", Kind::Flag),
        ],
    },
    Known {
        name: "Adafactor",
        options: &[
            ("lr", Kind::Number),
            ("beta2_decay", Kind::Number),
            ("eps", Kind::Pair),
            ("d", Kind::Number),
            ("weight_decay", Kind::Number),
            ("maximize", Kind::Flag),
        ],
    },
    Known {
        name: "Adagrad",
        options: &[
            ("lr", Kind::Number),
            ("lr_decay", Kind::Number),
            ("weight_decay", Kind::Number),
            ("initial_accumulator_value", Kind::Number),
            ("eps", Kind::Number),
            ("maximize", Kind::Flag),
        ],
    },
    Known {
        name: "Adam",
        options: &[
            ("lr", Kind::Number),
            ("betas", Kind::Pair),
            ("eps", Kind::Number),
            ("weight_decay", Kind::Number),
            ("amsgrad", Kind::Flag),
            ("maximize", Kind::Flag),
            ("decoupled_weight_decay", Kind::Flag),
        ],
    },
    Known {
        name: "AdamW",
        options: &[
            ("lr", Kind::Number),
            ("betas", Kind::Pair),
            ("eps", Kind::Number),
            ("weight_decay", Kind::Number),
            ("amsgrad", Kind::Flag),
            ("maximize", Kind::Flag),
        ],
    },
    Known {
        name: "Adamax",
        options: &[
            ("lr", Kind::Number),
            ("betas", Kind::Pair),
            ("eps", Kind::Number),
            ("weight_decay", Kind::Number),
            ("maximize", Kind::Flag),
        ],
    },
    Known {
        name: "Lion",
        options: &[
            ("lr", Kind::Number),
            ("betas", Kind::Pair),
            ("weight_decay", Kind::Number),
            ("maximize", Kind::Flag),
        ],
    },
    Known {
        name: "Muon",
        options: &[
            ("lr", Kind::Number),
            ("weight_decay", Kind::Number),
            ("momentum", Kind::Number),
            ("nesterov", Kind::Flag),
            ("ns_coefficients", Kind::Triple),
            ("eps", Kind::Number),
            ("ns_steps", Kind::Count),
            ("adjust_lr_fn", Kind::Word(ADJUST_LR)),
        ],
    },
    Known {
        name: "NAdam",
        options: &[
            ("lr", Kind::Number),
            ("betas", Kind::Pair),
            ("eps", Kind::Number),
            ("weight_decay", Kind::Number),
            ("momentum_decay", Kind::Number),
            ("decoupled_weight_decay", Kind::Flag),
            ("maximize", Kind::Flag),
        ],
    },
    Known {
        name: "RAdam",
        options: &[
            ("lr", Kind::Number),
            ("betas", Kind::Pair),
            ("eps", Kind::Number),
            ("weight_decay", Kind::Number),
            ("decoupled_weight_decay", Kind::Flag),
            ("maximize", Kind::Flag),
        ],
    },
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
        name: "Rprop",
        options: &[("lr", Kind::Number), ("etas", Kind::Pair), ("step_sizes", Kind::Pair), ("maximize", Kind::Flag)],
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

/// Optimizers of PyTorch that Kiln does not have, with what to write instead.
pub const MISSING: &[(&str, &str)] = &[
    (
        "LBFGS",
        "it asks for the loss several times in a step, as the line search goes, and a step here is one pass over one batch: \
         take `Adam`, or `Rprop` for whole batches",
    ),
    ("SparseAdam", "gradients are whole tensors here, and those of an `Embedding`, too: `Adam`"),
];

impl Known {
    /// The optimizer of this name.
    pub fn find(name: &str) -> Option<&'static Known> {
        OPTIMIZERS.iter().find(|optimizer| optimizer.name == name)
    }

    /// Its options, those that all have behind its own.
    pub fn all_options(&self) -> impl Iterator<Item = (&'static str, Kind)> {
        self.options.iter().chain(COMMON).copied()
    }
}

/// Whether a field of this type is meant to be an optimizer.
pub fn is_optimizer(name: &str) -> bool {
    Known::find(name).is_some() || MISSING.iter().any(|(missing, _)| *missing == name) || name == "SGD"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_disjoint() {
        assert!(OPTIMIZERS.iter().map(|optimizer| optimizer.name).is_sorted());
        assert!(MISSING.is_sorted());
        assert!(MISSING.iter().all(|(name, _)| Known::find(name).is_none()));
    }
}
