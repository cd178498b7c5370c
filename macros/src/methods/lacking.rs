//! PyTorch's methods and functions of tensors that a body may not call, each with what to write instead. Knows names
//! only.

/// Why a function whose result has a shape that depends on the data can not be.
macro_rules! by_data {
    ($instead:literal) => {
        concat!(
            "the shape of its result depends on the data, and every shape is known while the model compiles: ",
            $instead
        )
    };
}

const DECOMPOSITION: &str = "no decompositions of matrices are there; compute it in Rust, and take it as an input";
const ONE_KIND: &str = "numbers are f32, whole numbers i32 (`x.int()`), masks come from comparisons";
const DEVICE: &str = "leave it out: a model runs where it is compiled";
const SPECIAL: &str =
    "it is no composition of the functions that are there; compute it in Rust, and take it as an input";
const BACKWARD: &str = "`optimizer.minimize(loss);` in a `step` computes gradients, `grad(loss, x)` gives one";
const INPUT: &str = "take it as an input, or as a `Parameter` with `requires_grad = false`";
const WRITTEN: &str = "`tensor([1.0, 2.0])` of numbers that are written; an array is an input, or a `Parameter` with \
                       `requires_grad = false`";
const PACKED: &str = "padding lies behind what is real, where a recurrent layer has not been yet, and changes nothing before \
                      it: take the lengths as an input, `[N; i32]`, mask by `arange(T).lt(lengths.unsqueeze(1))`, and take \
                      the last real step by `gather` (the book's chapter on sequences has both directions)";
const REAL: &str = "numbers are real; the real and the imaginary part are two tensors";
const SPARSE: &str = "tensors are dense; `embedding_bag` and `index_add` go by indices";
const VALUES: &str = "values are read from what a program gives, behind the call";

/// All of them, by their names.
const LACKING: &[(&str, &str)] = &[
    ("adjoint", "`x.transpose(-1, -2)`, as numbers are real"),
    ("argwhere", by_data!("`where(mask, x, 0.0)` keeps all places, `mask.float().topk(K)` gives the first K of them")),
    ("as_strided", "`slice`, `reshape`, `cat` of slices: what a view sees has a shape that rustc checks"),
    ("as_tensor", WRITTEN),
    ("asarray", WRITTEN),
    ("backward", BACKWARD),
    ("bartlett_window", INPUT),
    ("bfloat16", ONE_KIND),
    ("binomial", "`(rand(size) < p).float()`, added up over as many draws"),
    ("bitwise_and", "`&` of masks, and arithmetic of whole numbers"),
    ("bitwise_left_shift", "`x * 2` for each bit"),
    ("bitwise_not", "`!` of masks"),
    ("bitwise_or", "`|` of masks, and arithmetic of whole numbers"),
    ("bitwise_right_shift", "`x.floor_divide(2)` for each bit"),
    ("bitwise_xor", "`logical_xor` of masks"),
    ("blackman_window", INPUT),
    ("broadcast_tensors", "operators broadcast by themselves, `x.expand_as(y)` says it"),
    ("byte", ONE_KIND),
    ("chain_matmul", "`a.mm(b).mm(c)`"),
    (
        "checkpoint",
        "apply the block; `.memory_limit(bytes)` of the builder computes values again rather than keeping them",
    ),
    ("cholesky", DECOMPOSITION),
    ("cholesky_inverse", DECOMPOSITION),
    ("cholesky_solve", DECOMPOSITION),
    ("coalesce", SPARSE),
    ("complex", REAL),
    ("conj", "numbers are real"),
    ("conj_physical", REAL),
    ("constant_pad_nd", "`pad(x, sides, value = number)`"),
    ("conv_tbc", "`conv1d` of `x.permute(1, 2, 0)`"),
    ("cpu", DEVICE),
    ("cuda", DEVICE),
    ("data", "`x.detach()`"),
    ("data_ptr", VALUES),
    ("det", DECOMPOSITION),
    ("dim", "the number of axes is known: it is that of the declared shape"),
    ("double", ONE_KIND),
    ("dsplit", "`split(.., dim = 2)`"),
    ("eig", DECOMPOSITION),
    ("eigh", DECOMPOSITION),
    ("element_size", VALUES),
    ("empty", "`zeros(size)`"),
    ("empty_like", "`zeros_like(x)`"),
    ("equal", "`x.eq(y).all()`"),
    ("fft", "no Fourier transforms are there; a product with a matrix of waves is one"),
    ("frexp", SPECIAL),
    ("frobenius_norm", "`x.norm()`"),
    ("from_numpy", INPUT),
    ("frombuffer", INPUT),
    ("gcd", SPECIAL),
    ("geqrf", DECOMPOSITION),
    ("get_device", DEVICE),
    ("grid_sampler", "`grid_sample(x, grid)`"),
    ("half", ONE_KIND),
    ("hamming_window", INPUT),
    ("hann_window", INPUT),
    ("histogram", "`one_hot` of the bins that `bucketize` gives, `.sum(0)`"),
    ("hsplit", "`split(.., dim = 1)`"),
    ("igamma", SPECIAL),
    ("igammac", SPECIAL),
    ("imag", REAL),
    ("inverse", DECOMPOSITION),
    ("is_complex", REAL),
    ("is_conj", REAL),
    ("is_contiguous", "every value is, where that matters to what reads it"),
    ("is_cuda", DEVICE),
    ("is_floating_point", ONE_KIND),
    ("is_nonzero", "`x != 0.0`"),
    ("is_same_size", "shapes are known, and rustc compares them"),
    ("isreal", "numbers are real"),
    ("istft", "no Fourier transforms are there; a product with a matrix of waves, and `fold`"),
    ("item", VALUES),
    ("kaiser_window", INPUT),
    ("lcm", SPECIAL),
    ("len", "the rows are `N`, the extent of another axis is `x.size(1)`"),
    ("linear_cross_entropy", "`cross_entropy(linear(x, weight), target)`"),
    ("lobpcg", DECOMPOSITION),
    ("logdet", DECOMPOSITION),
    ("lstsq", DECOMPOSITION),
    ("lu", DECOMPOSITION),
    ("lu_solve", DECOMPOSITION),
    ("manual_seed", "a trainer is built with `.seed(number)`"),
    ("masked_scatter", by_data!("`where(mask, other, x)`")),
    (
        "masked_select",
        by_data!("`where(mask, x, 0.0)`, and its mean is `where(mask, x, 0.0).sum() / mask.float().sum()`"),
    ),
    ("matrix_exp", DECOMPOSITION),
    ("matrix_power", "`x.mm(x)`, as often as needed"),
    ("matrix_rank", DECOMPOSITION),
    ("multi_dot", "`a.mm(b).mm(c)`"),
    ("multi_head_attention_forward", "the layer `MultiheadAttention` is a field of the model"),
    ("multinomial", "`gumbel_softmax(logits, hard = true)` draws one class"),
    ("narrow_copy", "`x.narrow(dim, start, length)`"),
    ("nbytes", VALUES),
    ("ndimension", "the number of axes is known: it is that of the declared shape"),
    ("nelement", "the product of the declared extents; `x.size(1)` is one of them"),
    ("new_empty", "`zeros(size)`"),
    ("new_full", "`full(size, value)`"),
    ("new_ones", "`ones(size)`"),
    ("new_tensor", INPUT),
    ("new_zeros", "`zeros(size)`"),
    ("nextafter", SPECIAL),
    (
        "nonzero",
        by_data!(
            "`where(mask, x, 0.0)` keeps all places, `count_nonzero` counts them, `mask.float().topk(K)` gives the first K"
        ),
    ),
    ("nonzero_static", "`mask.float().topk(K)` gives the first K of them"),
    ("norm_except_dim", "`norm` along the other axes"),
    ("normal", "`randn_like(x) * std + mean`"),
    ("nuclear_norm", DECOMPOSITION),
    ("numel", "the product of the declared extents; `x.size(1)` is one of them"),
    ("numpy", VALUES),
    ("orgqr", DECOMPOSITION),
    ("ormqr", DECOMPOSITION),
    ("pack_padded_sequence", PACKED),
    ("pack_sequence", PACKED),
    ("pad_packed_sequence", PACKED),
    (
        "pad_sequence",
        "sequences are padded in Rust, by `kiln::data::pad_sequence`, and come as an input with their lengths",
    ),
    ("pca_lowrank", DECOMPOSITION),
    ("pinverse", DECOMPOSITION),
    ("poisson", SPECIAL),
    ("polar", REAL),
    ("put", "`scatter` of `x.ravel()`"),
    ("qr", DECOMPOSITION),
    ("randint", "`(rand(size) * COUNT).floor()`"),
    ("randint_like", "`(rand_like(x) * COUNT).floor()`"),
    ("randperm", "`rand(COUNT).argsort()`"),
    ("register_hook", "`grad(loss, x)` in a `step` gives the gradient as a value"),
    ("requires_grad_", "`requires_grad = false` stands in the declaration of a layer, `detach` stops a gradient"),
    ("resize", "`reshape`, `pad` or `narrow`: a shape says which"),
    ("resolve_conj", REAL),
    ("retain_grad", "`grad(loss, x)` in a `step` gives the gradient as a value"),
    ("rnn_relu", "the layer `RNN` is a field of the model"),
    ("rnn_relu_cell", "the layer `RNNCell` is a field of the model"),
    ("rnn_tanh", "the layer `RNN` is a field of the model"),
    ("rnn_tanh_cell", "the layer `RNNCell` is a field of the model"),
    ("rsub", "`other - x`"),
    ("scalar_tensor", "the number itself: operators take numbers"),
    ("segment_reduce", "`index_add` of the rows, by the segment that each is in"),
    ("shape", "the extent of axis 1 is `x.size(1)`, and `let (n, c) = x.size();` gives all of them"),
    ("short", ONE_KIND),
    ("slogdet", DECOMPOSITION),
    ("sparse_coo_tensor", SPARSE),
    ("stft", "no Fourier transforms are there; `unfold` and a product with a matrix of waves is one"),
    ("storage", VALUES),
    ("sum_to_size", "`x.sum(dims, keepdim = true)`"),
    ("svd", DECOMPOSITION),
    ("svd_lowrank", DECOMPOSITION),
    (
        "tensor",
        "operators take numbers; of several take an input, a `Parameter` with `requires_grad = false`, or \
         `stack((full([], 0.5), full([], 2.0)))`",
    ),
    (
        "to",
        "leave it out: a model runs where it is compiled; elements are made others by `x.float()`, `x.int()`, `x.bool()`",
    ),
    ("to_dense", SPARSE),
    ("to_sparse", SPARSE),
    ("tolist", VALUES),
    ("triangular_solve", DECOMPOSITION),
    ("triplet_margin_with_distance_loss", "`(near(anchor, positive) - near(anchor, negative) + 1.0).relu().mean()`"),
    ("type", ONE_KIND),
    ("type_as", ONE_KIND),
    ("unique", by_data!("`x.sort()` has equal ones beside one another, and `diff` of that is 0 where one repeats")),
    ("unique_consecutive", by_data!("`x.diff()` is 0 where an element repeats the one before")),
    ("upsample", "`interpolate`"),
    ("upsample_bilinear", "`interpolate(.., mode = \"bilinear\", align_corners = true)`"),
    ("upsample_nearest", "`interpolate`"),
    ("view_as_complex", REAL),
    ("view_as_real", REAL),
    ("vmap", "the first axis is the batch"),
    ("vsplit", "`split(.., dim = 0)`"),
    ("while_loop", "a `for` of a known number of turns; recurrent layers for sequences"),
];

/// What to write instead of a function of PyTorch's that is not there.
pub fn advice(name: &str) -> Option<&'static str> {
    LACKING.iter().find(|(lacking, _)| *lacking == name).map(|(_, instead)| *instead)
}

/// What to do without an argument of PyTorch's that no function has.
pub fn no_argument(name: &str) -> Option<&'static str> {
    Some(match name {
        "unbiased" => "`unbiased = false` is `correction = 0`",
        "dtype" => "elements are made others behind it, by `.float()`, `.int()` or `.bool()`",
        "device" | "layout" | "pin_memory" | "memory_format" => DEVICE,
        "requires_grad" => {
            "what is trained is a field of the model, `scale: Parameter(4)`; `grad(loss, x)` is the gradient in x"
        }
        "generator" => "numbers are drawn by the seed of the trainer: leave it out",
        "out" => "values are immutable: give the result a name",
        _ => return None,
    })
}

/// Why a function needs an argument that PyTorch's can do without.
pub fn needed(function: &str, argument: &str) -> Option<&'static str> {
    Some(match (function, argument) {
        ("one_hot", "num_classes") => by_data!("give the number of classes, `one_hot(x, 10)`"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Function;
    use super::LACKING;

    #[test]
    fn the_table_is_sorted_and_names_what_is_not_there() {
        assert!(LACKING.is_sorted_by_key(|(name, _)| *name));
        let there: Vec<&str> = LACKING.iter().map(|row| row.0).filter(|name| Function::find(name).is_some()).collect();
        assert_eq!(there, [""; 0]);
    }
}
