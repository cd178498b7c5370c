//! Options of PyTorch's layers that Kiln's do not take, each with what to write instead. Knows names only.

/// All of them: the option, how the names of the layers begin that PyTorch has it for, and what to write, where `{}`
/// is `1d`, `2d` or `3d`.
const LACKING: &[(&str, &str, &str)] = &[
    ("device", "", "leave it out: a model runs where it is compiled"),
    ("dtype", "", "leave it out: parameters are f32, and `.precision(Precision::Bf16)` of a builder computes in bf16"),
    ("inplace", "", "leave it out: values are immutable in Kiln, and its plan reuses memory by itself"),
    (
        "max_norm",
        "Embedding",
        "in a `step`, behind the update, `emb.weight.copy_from(emb.weight.renorm(2.0, 0, MAX));` scales longer rows down",
    ),
    (
        "norm_type",
        "Embedding",
        "it is of `max_norm`: in a `step`, behind the update, `emb.weight.copy_from(emb.weight.renorm(P, 0, MAX));` scales \
         longer rows down",
    ),
    (
        "return_indices",
        "AdaptiveMaxPool",
        "a function of a body gives the places, too: `let (y, places) = adaptive_max_pool{}_with_indices(x, SIZE);`",
    ),
    (
        "return_indices",
        "MaxPool",
        "a function of a body gives the places, too: `let (y, places) = max_pool{}_with_indices(x, KERNEL);`",
    ),
    (
        "scale_grad_by_freq",
        "EmbeddingBag",
        "an `Embedding` takes it: `emb(x).sum(1)` is the bag of its rows, `emb(x).mean(1)` their mean",
    ),
    ("sparse", "Embedding", "leave it out: an optimizer goes over all rows"),
];

/// What to write instead of an option of a layer, if PyTorch has it.
pub fn instead_of_option(layer: &str, option: &str) -> Option<String> {
    let (_, _, instead) = LACKING.iter().find(|(name, layers, _)| *name == option && layer.starts_with(layers))?;
    Some(instead.replace("{}", &layer[layer.len().saturating_sub(2)..]))
}
