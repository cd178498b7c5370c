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
    ("allclose", "`x.isclose(y).all()`"),
    ("argwhere", by_data!("`where(mask, x, 0.0)` keeps all places, `mask.float().topk(K)` gives the first K of them")),
    ("backward", BACKWARD),
    ("bfloat16", ONE_KIND),
    ("bincount", by_data!("`one_hot(x, CLASSES).sum(0)`")),
    ("block_diag", "`cat` and `pad`"),
    ("bool", "`x != 0.0`"),
    ("cartesian_prod", "`meshgrid`, `ravel` and `stack`"),
    ("cholesky", DECOMPOSITION),
    ("column_stack", "`stack(tensors, dim = 1)` of vectors, `cat(tensors, dim = 1)`"),
    ("combinations", "`triu_indices` and `gather`"),
    ("conj", "numbers are real"),
    ("cpu", DEVICE),
    ("cuda", DEVICE),
    ("data", "`x.detach()`"),
    ("det", DECOMPOSITION),
    ("digamma", SPECIAL),
    ("dim", "the number of axes is known: it is that of the declared shape"),
    ("double", ONE_KIND),
    ("dstack", "`stack(tensors, dim = 2)`"),
    ("eig", DECOMPOSITION),
    ("eigh", DECOMPOSITION),
    ("empty", "`zeros(size)`"),
    ("empty_like", "`zeros_like(x)`"),
    ("equal", "`x.eq(y).all()`"),
    ("erfc", "`1.0 - x.erf()`, which has no digits left above 4"),
    ("erfinv", SPECIAL),
    ("fft", "no Fourier transforms are there; a product with a matrix of waves is one"),
    ("half", ONE_KIND),
    ("hsplit", "`split(.., dim = 1)`"),
    ("igamma", SPECIAL),
    ("index_copy", "`scatter(dim, index, src)` with indices of the shape of `src`"),
    ("index_put", "`scatter` or `index_add` along one axis"),
    ("inverse", DECOMPOSITION),
    ("item", VALUES),
    ("lgamma", SPECIAL),
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
    ("multi_dot", "`a.mm(b).mm(c)`"),
    ("multinomial", "`gumbel_softmax(logits, hard = true)` draws one class"),
    ("nelement", "the product of the declared extents; `x.size(1)` is one of them"),
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
    ("put", "`scatter` of `x.ravel()`"),
    ("qr", DECOMPOSITION),
    ("randint", "`(rand(size) * COUNT).floor()`"),
    ("randint_like", "`(rand_like(x) * COUNT).floor()`"),
    ("randperm", "`rand(COUNT).argsort()`"),
    ("requires_grad_", "`requires_grad = false` stands in the declaration of a layer, `detach` stops a gradient"),
    ("scatter_reduce", "`scatter_add`, and for a mean the same of ones"),
    ("slogdet", DECOMPOSITION),
    ("stft", "no Fourier transforms are there; `unfold` and a product with a matrix of waves is one"),
    ("svd", DECOMPOSITION),
    ("take", "`x.ravel().gather(0, index)`"),
    ("take_along_dim", "`x.gather(dim, index)`"),
    ("tensor_split", "`split` or `chunk`"),
    ("tensordot", "`einsum`"),
    ("to", DEVICE),
    ("tolist", VALUES),
    ("type", ONE_KIND),
    ("type_as", ONE_KIND),
    ("unique", by_data!("`x.sort()` has equal ones beside one another, and `diff` of that is 0 where one repeats")),
    ("unique_consecutive", by_data!("`x.diff()` is 0 where an element repeats the one before")),
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
