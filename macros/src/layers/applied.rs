//! How layers are applied that take several tensors, or give several. Knows names and numbers of tensors.

/// How a layer is applied that takes several tensors, or gives several.
pub struct Applied {
    /// What it takes, PyTorch's names and order.
    pub inputs: &'static [Input],
    /// How many of the inputs may be given by position; all may be given by name.
    pub positions: usize,
    /// What may be switched, by name, each with its default.
    pub flags: &'static [(&'static str, bool)],
    /// What it gives: how many tensors each part holds, several being in parentheses.
    pub gives: &'static [usize],
    /// How many of these parts are always taken; the others may be left.
    pub least: usize,
    /// That in words.
    pub usage: &'static str,
}

/// Something that a layer computes beside what it is for: a method of the layer's type with this name, whose rule is
/// `NAME_types`.
pub struct Method {
    pub name: &'static str,
    pub applied: Applied,
}

/// One of the inputs of a layer.
pub struct Input {
    pub name: &'static str,
    /// Whether it may be left out.
    pub optional: bool,
    /// Of how many tensors it is, in parentheses if there are several.
    pub parts: usize,
}

const fn needed(name: &'static str) -> Input {
    Input { name, optional: false, parts: 1 }
}

const fn optional(name: &'static str) -> Input {
    Input { name, optional: true, parts: 1 }
}

/// How a recurrent layer is applied, and what it gives.
const fn recurrent(inputs: &'static [Input; 2], gives: &'static [usize], usage: &'static str) -> Applied {
    Applied { inputs, positions: 2, flags: &[], gives, least: gives.len(), usage }
}

/// An input and a state.
const WITH_STATE: &[Input; 2] = &[needed("input"), optional("hx")];

/// The same with a memory cell.
const WITH_MEMORY: &[Input; 2] = &[needed("input"), Input { name: "hx", optional: true, parts: 2 }];

/// A recurrent layer with one state.
pub const SEQUENCE: Applied = recurrent(WITH_STATE, &[1, 1], "let (y, h) = NAME(x, h)");

/// The same with a memory cell.
pub const SEQUENCE_WITH_MEMORY: Applied = recurrent(WITH_MEMORY, &[1, 2], "let (y, (h, c)) = NAME(x, (h, c))");

/// One step.
pub const STEP: Applied = recurrent(WITH_STATE, &[1], "let h = NAME(x, h)");

/// The same with a memory cell.
pub const STEP_WITH_MEMORY: Applied = recurrent(WITH_MEMORY, &[1, 1], "let (h, c) = NAME(x, (h, c))");

/// A layer of two tensors.
pub const PAIR: Applied = Applied {
    inputs: &[needed("input1"), needed("input2")],
    usage: "let y = NAME(input1, input2)",
    flags: &[],
    positions: 2,
    ..ENCODER_LAYER
};

/// Attention of several heads.
pub const ATTENTION: Applied = Applied {
    inputs: &[needed("query"), needed("key"), needed("value"), optional("key_padding_mask"), optional("attn_mask")],
    // Behind it PyTorch has a flag that is not needed here.
    positions: 4,
    flags: &[("is_causal", false), ("average_attn_weights", true)],
    gives: &[1, 1],
    least: 1,
    usage: "let (y, weights) = NAME(query, key, value)",
};

/// Classes with their loss.
pub const WITH_LOSS: Applied = Applied {
    inputs: &[needed("input"), needed("target")],
    positions: 2,
    flags: &[],
    gives: &[1, 1],
    least: 2,
    usage: "let (output, loss) = NAME(input, target)",
};

/// What else it tells of classes.
pub const OF_CLASSES: &[Method] =
    &[Method { name: "log_prob", applied: OF_INPUT }, Method { name: "predict", applied: OF_INPUT }];

/// One tensor of one.
const OF_INPUT: Applied = Applied {
    inputs: &[needed("input")],
    positions: 1,
    gives: &[1],
    least: 1,
    usage: "let y = NAME(input)",
    ..WITH_LOSS
};

/// A layer of an encoder.
pub const ENCODER_LAYER: Applied = Applied {
    inputs: &[needed("src"), optional("src_mask"), optional("src_key_padding_mask")],
    positions: 3,
    flags: &[("is_causal", false)],
    gives: &[1],
    least: 1,
    usage: "let y = NAME(src)",
};

/// Some of them.
pub const ENCODER: Applied =
    Applied { inputs: &[needed("src"), optional("mask"), optional("src_key_padding_mask")], ..ENCODER_LAYER };

/// A layer of a decoder, or some of them.
pub const DECODER: Applied = Applied {
    inputs: &[
        needed("tgt"),
        needed("memory"),
        optional("tgt_mask"),
        optional("memory_mask"),
        optional("tgt_key_padding_mask"),
        optional("memory_key_padding_mask"),
    ],
    positions: 6,
    flags: &[("tgt_is_causal", false), ("memory_is_causal", false)],
    gives: &[1],
    least: 1,
    usage: "let y = NAME(tgt, memory)",
};

/// An encoder and a decoder.
pub const WHOLE: Applied = Applied {
    inputs: &[
        needed("src"),
        needed("tgt"),
        optional("src_mask"),
        optional("tgt_mask"),
        optional("memory_mask"),
        optional("src_key_padding_mask"),
        optional("tgt_key_padding_mask"),
        optional("memory_key_padding_mask"),
    ],
    positions: 8,
    flags: &[("src_is_causal", false), ("tgt_is_causal", false), ("memory_is_causal", false)],
    usage: "let y = NAME(src, tgt)",
    ..DECODER
};

impl Applied {
    /// How many of its results are taken where so many are wanted, if that is a part of them.
    pub fn part(&self, wanted: usize) -> Option<usize> {
        let all: usize = self.gives.iter().sum();
        let least: usize = self.gives[..self.least].iter().sum();
        (least..all).contains(&wanted).then_some(wanted)
    }

    /// What it takes, in words.
    pub fn signature(&self) -> String {
        let needed: Vec<String> =
            self.inputs.iter().filter(|input| !input.optional).map(|input| format!("`{}`", input.name)).collect();
        let optional = self.inputs.iter().filter(|input| input.optional).map(|input| input.name);
        let optional: Vec<String> =
            optional.chain(self.flags.iter().map(|(name, _)| *name)).map(|name| format!("`{name}`")).collect();
        match (needed.join(", "), optional.is_empty()) {
            (needed, true) => needed,
            (needed, false) if optional.len() == 1 => format!("{needed} and, if it is given, {}", optional[0]),
            (needed, false) => format!("{needed} and, if they are given, {}", optional.join(", ")),
        }
    }
}
