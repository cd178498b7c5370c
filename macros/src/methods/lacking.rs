//! PyTorch's methods and functions of tensors that a body may not call, each with what to write instead. Knows names only.

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
const VALUES: &str = "values are read from what a program gives, behind the call";

/// All of them, by their names.
const LACKING: &[(&str, &str)] = &[
    ("adjoint", "`x.transpose(-1, -2)`, as numbers are real"),
    ("allclose", "`x.isclose(y).all()`"),
    ("argwhere", by_data!("`where(mask, x, 0.0)` keeps all places, `mask.float().topk(K)` gives the first K of them")),
    ("backward", BACKWARD),
    ("bfloat16", ONE_KIND),
    ("bincount", by_data!("`one_hot(x, CLASSES).sum(0)`")),
    ("bitwise_and", "`&` of masks, and arithmetic of whole numbers"),
    ("bitwise_not", "`!` of masks"),
    ("bitwise_or", "`|` of masks, and arithmetic of whole numbers"),
    ("bitwise_xor", "`logical_xor` of masks"),
    ("block_diag", "`cat` and `pad`"),
    ("bool", "`x != 0.0`"),
    ("cartesian_prod", "`meshgrid`, `ravel` and `stack`"),
    ("cholesky", DECOMPOSITION),
    ("column_stack", "`stack(tensors, dim = 1)` of vectors, `cat(tensors, dim = 1)`"),
    ("combinations", "`triu_indices` and `gather`"),
    ("conj", "numbers are real"),
    (
        "corrcoef",
        "`x - x.mean(1, keepdim = true)`, its product with itself, and a division by the roots of the diagonal",
    ),
    ("cov", "`y.mm(y.transpose(0, 1)) / (COUNT - 1)` with `y = x - x.mean(1, keepdim = true)`"),
    ("cpu", DEVICE),
    ("cuda", DEVICE),
    ("data", "`x.detach()`"),
    ("det", DECOMPOSITION),
    ("diagflat", "`diag_embed` of `x.ravel()`"),
    ("diagonal_scatter", "`where(eye(COUNT) > 0.0, diag_embed(src), x)`"),
    ("digamma", SPECIAL),
    ("dim", "the number of axes is known: it is that of the declared shape"),
    ("double", ONE_KIND),
    ("dsplit", "`split(.., dim = 2)`"),
    ("dstack", "`stack(tensors, dim = 2)`"),
    ("eig", DECOMPOSITION),
    ("eigh", DECOMPOSITION),
    ("empty", "`zeros(size)`"),
    ("empty_like", "`zeros_like(x)`"),
    ("equal", "`x.eq(y).all()`"),
    ("erfc", "`1.0 - x.erf()`, which has no digits left above 4"),
    ("erfinv", SPECIAL),
    ("fft", "no Fourier transforms are there; a product with a matrix of waves is one"),
    ("float_power", "`x.pow(exponent)`"),
    ("gcd", SPECIAL),
    ("half", ONE_KIND),
    ("heaviside", "`where(x == 0.0, values, (x > 0.0).float())`"),
    ("hsplit", "`split(.., dim = 1)`"),
    ("i0", SPECIAL),
    ("igamma", SPECIAL),
    ("index_copy", "`scatter(dim, index, src)` with indices of the shape of `src`"),
    ("index_put", "`scatter` or `index_add` along one axis"),
    ("index_reduce", "`index_add`, and for a mean the same of ones"),
    ("inverse", DECOMPOSITION),
    ("is_floating_point", ONE_KIND),
    ("isreal", "numbers are real"),
    ("item", VALUES),
    ("lcm", SPECIAL),
    ("ldexp", "`x * exp2(other)`"),
    ("lgamma", SPECIAL),
    ("linear_cross_entropy", "`cross_entropy(linear(x, weight), target)`"),
    ("logdet", DECOMPOSITION),
    ("long", ONE_KIND),
    ("lstsq", DECOMPOSITION),
    ("masked_scatter", by_data!("`where(mask, other, x)`")),
    (
        "masked_select",
        by_data!("`where(mask, x, 0.0)`, and its mean is `where(mask, x, 0.0).sum() / mask.float().sum()`"),
    ),
    ("matrix_exp", DECOMPOSITION),
    ("matrix_power", "`x.mm(x)`, as often as needed"),
    ("mode", "`one_hot(x, CLASSES).sum(0).float().argmax(0)`"),
    ("msort", "`x.sort(dim = 0)`"),
    ("multi_dot", "`a.mm(b).mm(c)`"),
    ("multi_head_attention_forward", "the layer `MultiheadAttention` is a field of the model"),
    ("multinomial", "`gumbel_softmax(logits, hard = true)` draws one class"),
    ("mvlgamma", SPECIAL),
    ("nanmedian", "`nan_to_num` before `median`, where the data have no such numbers"),
    ("nanquantile", "`nan_to_num` before `quantile`, where the data have no such numbers"),
    ("narrow_copy", "`x.narrow(dim, start, length)`"),
    ("ndimension", "the number of axes is known: it is that of the declared shape"),
    ("nelement", "the product of the declared extents; `x.size(1)` is one of them"),
    ("new_empty", "`zeros(size)`"),
    ("new_full", "`full(size, value)`"),
    ("new_ones", "`ones(size)`"),
    ("new_tensor", "take it as an input, or as a `Parameter` with `requires_grad = false`"),
    ("new_zeros", "`zeros(size)`"),
    ("nextafter", SPECIAL),
    (
        "nonzero",
        by_data!(
            "`where(mask, x, 0.0)` keeps all places, `count_nonzero` counts them, `mask.float().topk(K)` gives the first K"
        ),
    ),
    ("normal", "`randn_like(x) * std + mean`"),
    ("numel", "the product of the declared extents; `x.size(1)` is one of them"),
    ("numpy", VALUES),
    ("pinverse", DECOMPOSITION),
    ("polygamma", SPECIAL),
    ("put", "`scatter` of `x.ravel()`"),
    ("qr", DECOMPOSITION),
    ("randint", "`(rand(size) * COUNT).floor()`"),
    ("randint_like", "`(rand_like(x) * COUNT).floor()`"),
    ("randperm", "`rand(COUNT).argsort()`"),
    ("register_hook", "`grad(loss, x)` in a `step` gives the gradient as a value"),
    ("requires_grad_", "`requires_grad = false` stands in the declaration of a layer, `detach` stops a gradient"),
    ("retain_grad", "`grad(loss, x)` in a `step` gives the gradient as a value"),
    ("scatter_reduce", "`scatter_add`, and for a mean the same of ones"),
    ("select_scatter", "`cat` of what is before, of `src`, and of what is behind"),
    ("short", ONE_KIND),
    ("slice_scatter", "`cat` of what is before, of `src`, and of what is behind"),
    ("slogdet", DECOMPOSITION),
    ("stft", "no Fourier transforms are there; `unfold` and a product with a matrix of waves is one"),
    ("sum_to_size", "`x.sum(dims, keepdim = true)`"),
    ("svd", DECOMPOSITION),
    ("take", "`x.ravel().gather(0, index)`"),
    ("take_along_dim", "`x.gather(dim, index)`"),
    ("tensor_split", "`split` or `chunk`"),
    ("tensordot", "`einsum`"),
    ("to", DEVICE),
    ("tolist", VALUES),
    ("triplet_margin_with_distance_loss", "`(near(anchor, positive) - near(anchor, negative) + 1.0).relu().mean()`"),
    ("type", ONE_KIND),
    ("type_as", ONE_KIND),
    ("unique", by_data!("`x.sort()` has equal ones beside one another, and `diff` of that is 0 where one repeats")),
    ("unique_consecutive", by_data!("`x.diff()` is 0 where an element repeats the one before")),
    ("upsample", "`interpolate`"),
    ("upsample_bilinear", "`interpolate(.., mode = \"bilinear\", align_corners = true)`"),
    ("upsample_nearest", "`interpolate`"),
    ("vsplit", "`split(.., dim = 0)`"),
    ("vstack", "`cat(tensors, dim = 0)`"),
];

/// What to write instead of a function of PyTorch's that is not there.
pub fn advice(name: &str) -> Option<&'static str> {
    LACKING.iter().find(|(lacking, _)| *lacking == name).map(|(_, instead)| *instead)
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
